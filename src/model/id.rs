//! Identities, checked once and then trusted.
//!
//! An id that reaches a URL was written by somebody else (a row, an incident, a playbook author).
//! These types can only be made by checking, so a path is never built from an unchecked string.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {wanted}", shown(.text))]
pub struct IdError {
    text: String,
    wanted: &'static str,
}

impl IdError {
    /// What it should have been, without what it is: that may be somebody's secret.
    #[must_use]
    pub const fn wanted(&self) -> &'static str {
        self.wanted
    }
}

/// Cuts and escapes a hostile text for an error message.
fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

macro_rules! checked_id {
    ($(#[$doc:meta])* $name:ident, $wanted:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// Lends the id as the API spells it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let check: fn(&str) -> Option<String> = $check;
                check(text)
                    .map(|id| Self(id.into_boxed_str()))
                    .ok_or_else(|| IdError { text: text.to_owned(), wanted: $wanted })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Accepts exactly 40 hexadecimal digits; gives them in lower case.
fn hex40(text: &str) -> Option<String> {
    (text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
}

/// Accepts a GUID in its hyphenated form; gives it in lower case.
fn guid(text: &str) -> Option<String> {
    (text.len() == 36).then(|| Uuid::parse_str(text).ok()).flatten().map(|id| id.to_string())
}

/// Accepts 1 to 19 decimal digits.
fn digits(text: &str) -> Option<String> {
    ((1..=19).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.to_owned())
}

/// Accepts the characters alert ids are made of: letters, digits, `-`, `_`, at most 128.
fn alert(text: &str) -> Option<String> {
    let fits = (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    fits.then(|| text.to_owned())
}

/// Accepts what identity providers make ids of, at most 128 characters, the first no dot.
fn account(text: &str) -> Option<String> {
    let fits = (1..=128).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    fits.then(|| text.to_owned())
}

/// Accepts a directory object id, or a user principal name of unambiguous characters.
fn user(text: &str) -> Option<String> {
    guid(text).or_else(|| address(text))
}

/// Accepts a name of unambiguous characters at a domain.
fn address(text: &str) -> Option<String> {
    let (name, domain) = text.split_once('@')?;
    let fits = text.len() <= 256
        && !name.is_empty()
        && !domain.is_empty()
        && !domain.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&'*+-._^~".contains(&b))
        && domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    fits.then(|| text.to_owned())
}

checked_id!(
    /// A device of Defender for Endpoint: 40 lower-case hexadecimal digits.
    DeviceId,
    "a device id (40 hexadecimal digits)",
    hex40
);
checked_id!(
    /// A user: directory object id (GUID) or user principal name.
    UserId,
    "a user (object id or user principal name)",
    user
);
impl UserId {
    /// Whether it is the directory's own id, which does not change, and not a name.
    #[must_use]
    pub fn is_object_id(&self) -> bool {
        !self.as_str().contains('@')
    }
}

checked_id!(
    /// An incident: decimal digits.
    IncidentId,
    "an incident id (decimal digits)",
    digits
);
checked_id!(
    /// An alert: letters, digits, `-` and `_`.
    AlertId,
    "an alert id",
    alert
);
checked_id!(
    /// An account or an identity at whoever keeps it: letters, digits, `-`, `_` and `.`, as Defender for Identity
    /// and the identity providers write theirs.
    AccountId,
    "an account id",
    account
);
checked_id!(
    /// A mail as the service saw it, in all mailboxes it was delivered to: a GUID.
    NetworkMessageId,
    "a network message id (GUID)",
    guid
);
checked_id!(
    /// A mail address of unambiguous characters, in lower case.
    MailAddress,
    "a mail address",
    |text| address(text).map(|address| address.to_lowercase())
);
checked_id!(
    /// A response action that Defender for Endpoint has accepted: a GUID.
    MachineActionId,
    "a machine action id (GUID)",
    guid
);
checked_id!(
    /// A file by its SHA-1: 40 lower-case hexadecimal digits.
    Sha1,
    "a SHA-1 (40 hexadecimal digits)",
    hex40
);
checked_id!(
    /// A directory tenant: a GUID.
    TenantId,
    "a tenant id (GUID)",
    guid
);

/// A playbook's identity across renames: the `id` its file carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlaybookId(pub Uuid);

impl fmt::Display for PlaybookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One execution of one plan. Sorts by start time (UUID version 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl RunId {
    /// Makes an id for a run that starts at `now`.
    #[must_use]
    pub fn at(now: jiff::Timestamp) -> Self {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let seconds = millis / 1000;
        let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
        Self(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos)))
    }

    /// The same with these bits in place of random ones.
    #[must_use]
    pub fn with(now: jiff::Timestamp, bits: &[u8; 10]) -> Self {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, bits).into_uuid())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::parse_str(text)
            .map(Self)
            .map_err(|_error| IdError { text: text.to_owned(), wanted: "a run id (UUID)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_leave_their_path_segment_are_refused() {
        for hostile in ["..", "../../users/x", "%2e%2e", "a/b", "", "x?y", "1 ", "\u{202e}1", "0x10"] {
            assert!(hostile.parse::<DeviceId>().is_err(), "{hostile}");
            assert!(hostile.parse::<UserId>().is_err(), "{hostile}");
            assert!(hostile.parse::<MailAddress>().is_err(), "{hostile}");
            assert!(hostile.parse::<IncidentId>().is_err(), "{hostile}");
            assert!(hostile.parse::<MachineActionId>().is_err(), "{hostile}");
        }
        assert!("..".parse::<AlertId>().is_err());
    }

    #[test]
    fn ids_take_one_spelling() {
        let id: DeviceId = "AA11AA11AA11AA11AA11AA11AA11AA11AA11AA11".parse().unwrap();
        assert_eq!(id.as_str(), "aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11");
        let user: UserId = "dana.o'neil+x@contoso.example".parse().unwrap();
        assert_eq!(user.as_str(), "dana.o'neil+x@contoso.example");
    }

    #[test]
    fn an_error_shows_the_text_escaped_and_cut() {
        let error = "\u{1b}[31m".repeat(99).parse::<IncidentId>().unwrap_err().to_string();
        assert!(error.starts_with("`\\u{1b}[31m"), "{error}");
        assert!(error.len() < 500);
    }
}
