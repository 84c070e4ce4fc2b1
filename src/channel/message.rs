//! What is told to people, before any sink has dressed it.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::cut::{fit, fit_line};
use crate::model::AlertSeverity;

/// A message to people.
///
/// Every text is raw: rows and incidents wrote parts of it, and so, perhaps, did an attacker. The layout
/// and the encoding are the channel's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Identity, the same on each attempt, so that a receiver can drop a repeated one.
    pub id: String,
    /// Severity of the playbook.
    pub severity: AlertSeverity,
    /// One line.
    pub title: String,
    /// Any number of lines; may be empty.
    pub text: String,
    /// Names and values shown as a small table, in this order; may be empty.
    pub facts: Vec<(String, String)>,
    /// Name of the playbook.
    pub playbook: String,
    /// The run.
    pub run: String,
    /// Name of the tenant.
    pub tenant: String,
    /// When the message was made.
    pub at: Timestamp,
}

impl Message {
    /// The identity in characters every sink takes (letters, digits, `-`, `_`; at most 64).
    pub(super) fn wire_id(&self) -> String {
        token(&self.id)
    }

    /// The title as one line.
    pub(super) fn title_line(&self) -> String {
        self.title.split(['\r', '\n', '\t']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// A text as it is if it is short and of safe characters, its hash otherwise.
pub(super) fn token(text: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=64).contains(&text.len()) && text.bytes().all(safe) {
        return text.to_owned();
    }
    Sha256::digest(text.as_bytes()).iter().take(16).fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

/// The word shown for a severity.
pub(super) const fn severity_label(severity: AlertSeverity) -> &'static str {
    match severity {
        AlertSeverity::Unknown => "Unknown",
        AlertSeverity::Informational => "Informational",
        AlertSeverity::Low => "Low",
        AlertSeverity::Medium => "Medium",
        AlertSeverity::High => "High",
    }
}

/// The first `count` facts, names and values shortened (in characters); one more says how many are missing.
pub(super) fn shortened_facts(
    message: &Message,
    count: usize,
    name_max: usize,
    value_max: usize,
) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let chars = |text: &str| text.chars().count();
    let missing = message.facts.len().saturating_sub(count);
    let more = (0 < missing).then(|| (Cow::Borrowed("…"), Cow::Owned(format!("{missing} more"))));
    message
        .facts
        .iter()
        .take(count)
        .map(move |(name, value)| (fit_line(name, name_max, chars), fit(value, value_max, chars)))
        .chain(more)
}

/// Longest name of a playbook, tenant or run in the line of origin, in characters.
const ORIGIN_CHARS_MAX: usize = 120;

/// Where the message comes from, in one line.
pub(super) fn origin(message: &Message) -> String {
    let name = |text: &str| fit_line(text, ORIGIN_CHARS_MAX, |text| text.chars().count()).into_owned();
    let (playbook, tenant, run) = (name(&message.playbook), name(&message.tenant), name(&message.run));
    format!(
        "huntbook · playbook {playbook} · tenant {tenant} · run {run} · {}",
        message.at.strftime("%F %T UTC")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_no_sink_can_misread_stays() {
        assert_eq!(token("01jx-8_a"), "01jx-8_a");
    }

    #[test]
    fn what_goes_into_headers_is_a_token() {
        let hostile = Message { id: "m\r\nBcc: x".to_owned(), ..crate::channel::tests::message() };
        assert_eq!(hostile.wire_id(), token("m\r\nBcc: x"));
        assert_eq!(hostile.wire_id().len(), 32);
    }

    #[test]
    fn any_other_id_becomes_its_hash() {
        for hostile in ["", "a.b", "a\r\nb", "ä", &"x".repeat(65)] {
            let token = token(hostile);
            assert_eq!(token.len(), 32, "{hostile:?}");
            assert!(token.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }
}
