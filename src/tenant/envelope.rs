//! Error envelopes of the APIs, read defensively: whatever comes, something can be said about it.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use super::permission::Permission;
use super::{Detail, HuntFault, Refused, TenantError};
use crate::http::{Applied, HttpError, Refusal, Retry};

/// Longest message kept, in characters. Kusto's own messages are a few hundred.
const MESSAGE_MAX: usize = 2000;

/// Deepest chain of inner errors followed.
const INNER_MAX: usize = 8;

/// What a call was, for saying how it failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// What was asked, in huntbook's words.
    pub(super) operation: &'static str,
    /// What an app needs for it.
    pub(super) permission: Permission,
    /// Whether it was a hunting query, whose refusals have texts of their own.
    pub(super) kind: Kind,
}

/// The two families of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A hunting query.
    Hunt,
    /// Everything else.
    Plain,
}

impl Asked {
    /// Names a failure.
    pub(super) fn failed(self, error: HttpError) -> TenantError {
        let Some(refusal) = error.refusal() else {
            return TenantError::Http { operation: self.operation, source: error };
        };
        let detail = detail(refusal);
        let fault = (self.kind == Kind::Hunt).then(|| fault(refusal.status, &detail)).flatten();
        TenantError::Refused(Box::new(Refused {
            operation: self.operation,
            status: refusal.status,
            roles: if refusal.status == 403 { self.permission.roles } else { &[] },
            of_person: false,
            fault,
            retry: retry(fault, &error, refusal),
            applied: if fault.is_some() { Applied::No } else { error.applied() },
            detail,
        }))
    }
}

/// The hunting texts know better than the status whether waiting helps.
fn retry(fault: Option<HuntFault>, error: &HttpError, refusal: &Refusal) -> Retry {
    match fault {
        Some(HuntFault::Query | HuntFault::Size | HuntFault::Time) => Retry::Never,
        Some(HuntFault::Quota | HuntFault::Service) => refusal.wait.map_or(Retry::Backoff, Retry::After),
        None => error.retry(),
    }
}

/// Reads an envelope: `{"error": {code, message, target | innerError}}`, in either spelling of
/// `innererror`; the authority's flat form; `WWW-Authenticate`; else the text itself.
pub(super) fn detail(refusal: &Refusal) -> Detail {
    let mut detail = match serde_json::from_slice::<Value>(&refusal.body) {
        Ok(body) => from_json(&body),
        Err(_not_json) => from_text(refusal),
    };
    if detail.id.is_none() {
        detail.id = refusal.header("request-id").map(|id| shown(id, 64));
    }
    detail
}

fn from_json(body: &Value) -> Detail {
    let text = |value: &Value, most| value.as_str().map(|text| shown(text, most)).unwrap_or_default();
    let error = body.get("error").unwrap_or(&Value::Null);
    if let Some(code) = error.as_str() {
        let message = body.get("error_description").map(|value| text(value, MESSAGE_MAX));
        return Detail { code: shown(code, 128), message: message.unwrap_or_default(), id: None };
    }
    let member = |name| error.get(name).unwrap_or(&Value::Null);
    let mut detail = Detail {
        code: text(member("code"), 128),
        message: text(member("message"), MESSAGE_MAX),
        id: member("target").as_str().map(|id| shown(id, 64)),
    };
    let mut inner = error;
    for _depth in 0..INNER_MAX {
        let Some(next) = inner.get("innerError").or_else(|| inner.get("innererror")) else { break };
        inner = next;
        // A number repeats the status and says nothing.
        let code = inner.get("code").map(|code| text(code, 128)).unwrap_or_default();
        if !code.is_empty() && !code.bytes().all(|byte| byte.is_ascii_digit()) {
            detail.code = code;
        }
        if let Some(id) = inner.get("request-id").and_then(Value::as_str) {
            detail.id = Some(shown(id, 64));
        }
    }
    detail
}

fn from_text(refusal: &Refusal) -> Detail {
    let challenge = refusal.header("www-authenticate").unwrap_or_default();
    let quoted = |name: &str| {
        let (_, after) = challenge.split_once(name)?;
        let (value, _) = after.strip_prefix("=\"")?.split_once('"')?;
        Some(value)
    };
    let body = String::from_utf8_lossy(&refusal.body);
    Detail {
        // `error_description` contains `error`; the description stands after it.
        code: quoted(" error").map(|code| shown(code, 128)).unwrap_or_default(),
        message: quoted("error_description").map_or_else(|| shown(body.trim(), 200), |text| shown(text, 200)),
        id: None,
    }
}

/// Sorts a refusal of a hunting query by the service's own texts.
fn fault(status: u16, detail: &Detail) -> Option<HuntFault> {
    let text = detail.message.to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    if says(&["exceeded the timeout", "timed out"]) {
        Some(HuntFault::Time)
    } else if says(&["result size limit exceeded", "exceeded the allowed result size"]) {
        Some(HuntFault::Size)
    } else if says(&["excessive resource consumption", "processing resources allocated"]) {
        Some(HuntFault::Quota)
    } else if says(&["unexpected error occurred"]) {
        Some(HuntFault::Service)
    } else {
        match status {
            400 => Some(HuntFault::Query),
            429 => Some(HuntFault::Quota),
            504 => Some(HuntFault::Time),
            _ => None,
        }
    }
}

/// Cuts a text somebody else wrote, and escapes what could move a terminal's cursor or turn its
/// direction.
pub(super) fn shown(text: &str, characters_max: usize) -> String {
    let mut out = String::new();
    let text = without_tokens(text);
    let mut characters = text.chars();
    for character in characters.by_ref().take(characters_max) {
        if character.is_control() || is_directional(character) {
            // Writing to a string cannot fail.
            write!(out, "{}", character.escape_default()).unwrap_or_default();
        } else {
            out.push(character);
        }
    }
    if characters.next().is_some() {
        out.push('…');
    }
    out
}

/// Takes out what has the form of a token: gateways on the way repeat headers in their error pages.
fn without_tokens(text: &str) -> Cow<'_, str> {
    /// `{"` in base64url: how every JSON Web Token begins.
    const BEGIN: &str = "eyJ";
    if !text.contains(BEGIN) {
        return Cow::Borrowed(text);
    }
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=');
    let mut parts = text.split(BEGIN);
    let first = parts.next().unwrap_or_default().to_owned();
    Cow::Owned(parts.fold(first, |out, part| out + "(token)" + part.trim_start_matches(is_of_token)))
}

/// Characters that reorder or hide the ones around them.
const fn is_directional(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
