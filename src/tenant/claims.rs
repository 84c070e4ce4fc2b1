//! What a token says of itself.
//!
//! It is read without checking the signature: a token is for the API to verify, and comes straight
//! from the authority over TLS. It serves as a diagnosis and as a guard against mixing tenants up, not
//! as a proof of permission: only the API's answer is that.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Audience, Permission};
use crate::http;
use crate::model::Secret;

/// What a token says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenFacts {
    /// The tenant (`tid`), as written; `None` if the token does not say or cannot be read.
    pub tenant_id: Option<String>,
    /// For whom it is (`aud`); `None` if the token cannot be read.
    pub audience: Option<String>,
    /// Who issued it (`iss`).
    pub issuer: Option<String>,
    /// The app (`appid` or `azp`).
    pub app_id: Option<String>,
    /// The app's name (`app_displayname`).
    pub app_name: Option<String>,
    /// How the app proved itself.
    pub proof: Option<Proof>,
    /// The directory's id of the person that it is for (`oid`); `None` if it is the app's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// What that person is called (`upn`, `preferred_username` or `unique_name`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// Application permissions (`roles`), sorted. Empty if none was granted: a token is issued anyway.
    pub roles: Vec<String>,
    /// Roles of the directory that the app itself holds (`wids`), by the ids of their templates.
    pub directory_roles: Vec<String>,
    /// Delegated permissions (`scp`), sorted.
    pub scopes: Vec<String>,
    /// From when on it is good (`nbf`).
    pub not_before: Option<Timestamp>,
    /// When it ends, as the authority said beside the token, or the token itself (`exp`).
    pub expires_at: Timestamp,
    /// How far our clock was ahead of the authority's when it was issued, to the second; negative if behind.
    pub clock_ahead: Option<SignedDuration>,
}

/// What stands in `wids` of every app's token and is no role.
const NO_ROLE: &str = "0997a1d0-0d1d-4acb-b408-d5ca73121e90";

/// How an app proved itself to the authority (`appidacr`, `azpacr`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Proof {
    /// Not at all: a public client.
    None,
    /// With a secret.
    Secret,
    /// With a certificate, or another authority's token.
    Assertion,
}

/// Why a text is no token that can be read. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is encrypted for the API (five parts).
    #[error("the token is encrypted: only the API it is for can read it")]
    Encrypted,
    /// It has not the three parts of a token, or what they hold is none.
    #[error(
        "this is no access token that can be read: a token has three parts with points between them (eyJ….….…)"
    )]
    NotAToken,
    /// It says nothing of whom it is for, or when it ends.
    #[error("the token does not say whom it is for and when it ends: it is no access token")]
    NotForAnApi,
}

/// The claims that are read; a token that has them in another shape counts as one without.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Claims {
    tid: Option<String>,
    aud: Option<OneOrMany>,
    iss: Option<String>,
    appid: Option<String>,
    azp: Option<String>,
    app_displayname: Option<String>,
    appidacr: Value,
    azpacr: Value,
    roles: Vec<String>,
    wids: Vec<String>,
    scp: Option<String>,
    oid: Option<String>,
    upn: Option<String>,
    preferred_username: Option<String>,
    unique_name: Option<String>,
    nbf: Value,
    exp: Value,
}

/// `aud` is a text, or a list of texts (RFC 7519).
#[derive(Debug)]
struct OneOrMany(Option<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::String(text) => Some(text),
            Value::Array(list) => match list.as_slice() {
                [Value::String(text)] => Some(text.clone()),
                _ => None,
            },
            _ => None,
        }))
    }
}

impl Claims {
    fn proof(&self) -> Option<Proof> {
        let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
        match number(&self.appidacr).or_else(|| number(&self.azpacr))? {
            0 => Some(Proof::None),
            1 => Some(Proof::Secret),
            2 => Some(Proof::Assertion),
            _ => None,
        }
    }

    fn facts(self, expires_at: Timestamp) -> TokenFacts {
        let proof = self.proof();
        let mut roles = self.roles;
        roles.sort_unstable();
        let mut scopes: Vec<String> =
            self.scp.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect();
        scopes.sort_unstable();
        let of_a_person = |claim: Option<String>| claim.filter(|_claim| !scopes.is_empty());
        let user_name = of_a_person(self.upn.or(self.preferred_username).or(self.unique_name));
        let user_id = of_a_person(self.oid);
        TokenFacts {
            tenant_id: self.tid,
            audience: self.aud.and_then(|aud| aud.0),
            issuer: self.iss,
            app_id: self.appid.or(self.azp),
            app_name: self.app_displayname,
            proof,
            user_id,
            user_name,
            roles,
            directory_roles: self.wids.into_iter().filter(|id| id != NO_ROLE).collect(),
            scopes,
            not_before: instant(&self.nbf),
            expires_at,
            clock_ahead: None,
        }
    }
}

/// Seconds since 1970.
fn instant(value: &Value) -> Option<Timestamp> {
    Timestamp::from_second(value.as_i64()?).ok()
}

impl TokenFacts {
    /// Reads a token of which the authority said when it ends.
    pub(super) fn read(token: &Secret, expires_at: Timestamp) -> Self {
        let claims: Claims =
            jsonwebtoken::dangerous::insecure_decode_claims(token.expose()).unwrap_or_default();
        claims.facts(expires_at)
    }

    /// Reads a token that somebody has at hand.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if it cannot be read, without a word of it.
    pub fn of(token: &Secret) -> Result<Self, Unreadable> {
        if token.expose().split('.').count() == 5 {
            return Err(Unreadable::Encrypted);
        }
        let claims: Claims = jsonwebtoken::dangerous::insecure_decode_claims(token.expose())
            .map_err(|_it_may_quote| Unreadable::NotAToken)?;
        let expires_at = instant(&claims.exp).ok_or(Unreadable::NotForAnApi)?;
        let facts = claims.facts(expires_at);
        if facts.audience.is_some() { Ok(facts) } else { Err(Unreadable::NotForAnApi) }
    }

    /// Whether the token allows something; `None` if nobody can say, because it cannot be read, or is a
    /// person's, whose own rights count as well as the app's permission, or because the app holds a role of the directory, which can
    /// allow it at Microsoft Graph.
    #[must_use]
    pub fn allows(&self, permission: Permission) -> Option<bool> {
        self.audience.as_ref()?;
        if !self.scopes.is_empty() {
            let consented = permission.scopes().any(|scope| self.scopes.iter().any(|own| own == scope));
            return (!consented).then_some(false);
        }
        let allowed = permission.allowed_by(&self.roles).is_some();
        let may_be = permission.audience == Audience::Graph && !self.directory_roles.is_empty();
        (allowed || !may_be).then_some(allowed)
    }
}

/// How far our clock is ahead of the one that wrote a `Date` header.
pub(super) fn clock_ahead(date: Option<&str>, now: Timestamp) -> Option<SignedDuration> {
    let theirs = http::date(date?)?;
    Some(SignedDuration::from_secs(now.as_second().saturating_sub(theirs.as_second())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> Secret {
        use base64::Engine as _;
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload);
        Secret::new(format!("eyJhbGciOiJub25lIn0.{payload}.x"))
    }

    fn facts(payload: &str) -> TokenFacts {
        TokenFacts::read(&token(payload), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn claims_are_read_without_trusting_them() {
        let facts = facts(
            r#"{"tid":"t","aud":["a"],"azp":"app","azpacr":"2","roles":["b","a"],"scp":"y x","oid":"o","upn":"u@x","exp":"soon","x":[1]}"#,
        );
        assert_eq!(facts.tenant_id.as_deref(), Some("t"));
        assert_eq!(facts.audience.as_deref(), Some("a"));
        assert_eq!(facts.app_id.as_deref(), Some("app"));
        assert_eq!(facts.proof, Some(Proof::Assertion));
        assert_eq!(facts.roles, ["a", "b"]);
        assert_eq!(facts.scopes, ["x", "y"]);
        assert_eq!((facts.user_id.as_deref(), facts.user_name.as_deref()), (Some("o"), Some("u@x")));
    }

    #[test]
    fn the_object_of_an_app_is_no_person() {
        assert_eq!(facts(r#"{"aud":"x","oid":"o","roles":["a"]}"#).user_id, None);
    }

    #[test]
    fn a_token_that_cannot_be_read_says_nothing() {
        for payload in ["{\"tid\":7}", "[]", "not json", "{\"aud\":{}}"] {
            assert_eq!(facts(payload).tenant_id, None, "{payload}");
        }
        let opaque = TokenFacts::read(&Secret::new("opaque".to_owned()), Timestamp::UNIX_EPOCH);
        assert_eq!(opaque.tenant_id, None);
        assert_eq!(opaque.allows(crate::tenant::permission::DEVICES), None, "unknown is not missing");
    }

    #[test]
    fn a_role_of_the_directory_may_allow_what_no_permission_does() {
        use crate::tenant::permission::{DEVICES, USERS};
        let none = facts(r#"{"aud":"x","wids":["0997a1d0-0d1d-4acb-b408-d5ca73121e90"]}"#);
        assert_eq!((none.allows(USERS), none.allows(DEVICES)), (Some(false), Some(false)));
        let some = facts(r#"{"aud":"x","wids":["fe930be7-5e62-47db-91af-98c3a49a38b1"]}"#);
        assert_eq!((some.allows(USERS), some.allows(DEVICES)), (None, Some(false)));
    }

    #[test]
    fn what_is_no_access_token_is_told_apart() {
        let of = |text: &str| TokenFacts::of(&Secret::new(text.to_owned())).map(|facts| facts.expires_at);
        assert_eq!(of("a.b.c.d.e"), Err(Unreadable::Encrypted));
        assert_eq!(of("0.AXkA-refresh"), Err(Unreadable::NotAToken));
        assert_eq!(TokenFacts::of(&token(r#"{"aud":"x"}"#)), Err(Unreadable::NotForAnApi));
        let good = TokenFacts::of(&token(r#"{"aud":"x","exp":60}"#)).unwrap();
        assert_eq!(good.expires_at.as_second(), 60);
        assert_eq!(good.allows(crate::tenant::permission::DEVICES), Some(false));
    }

    #[test]
    fn a_clock_is_held_against_the_authoritys() {
        let now = "2026-01-10T12:00:30Z".parse().unwrap();
        let ahead = |date| clock_ahead(Some(date), now).map(|ahead| ahead.as_secs());
        assert_eq!(ahead("Sat, 10 Jan 2026 12:00:00 GMT"), Some(30));
        assert_eq!(ahead("Sat, 10 Jan 2026 12:10:30 GMT"), Some(-600));
        assert_eq!(ahead("yesterday"), None);
    }
}
