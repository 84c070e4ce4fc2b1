//! One request, read and taken apart, and why it may be refused.

use axum::body::Bytes;
use axum::http::header::{HOST, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::gateway::Outside;
use super::reply::Reply;

/// Who calls, as their token says.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// Client id of the application.
    pub(super) app: String,
    /// Its name, for what it writes.
    pub(super) name: String,
    /// Its roles on the API called.
    pub(super) roles: Vec<String>,
}

impl Caller {
    /// Checks that the caller has one of `roles`.
    pub(super) fn may(&self, roles: &[&str]) -> Result<(), Refusal> {
        if roles.iter().any(|role| self.roles.iter().any(|granted| granted == role)) {
            return Ok(());
        }
        let text = "The application does not have any of the required roles assigned.";
        Err(Refusal::new(StatusCode::FORBIDDEN, "Forbidden", text))
    }
}

/// A request.
#[derive(Debug)]
pub(super) struct Call {
    /// Number of the request in the log.
    pub(super) seq: u64,
    /// When it came, by the tenant's clock.
    pub(super) now: Timestamp,
    pub(super) method: Method,
    /// The path as sent.
    pub(super) path: String,
    /// The path, percent-decoded, cut at slashes; empty segments are left out.
    pub(super) segments: Vec<String>,
    /// The query, decoded, in order.
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Address of this server as the caller spells it.
    pub(super) base: String,
}

impl Call {
    /// Takes a request apart; `url` is the server's own address, `seq` and `now` come from the log and
    /// the clock.
    pub(super) fn new(url: &str, parts: Parts, body: Bytes, (seq, now): (u64, Timestamp)) -> Self {
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        // The address a caller used is the one next links must have, or its host pin refuses them.
        let outside = parts.extensions.get::<Outside>();
        let prefix = outside.map(|outside| outside.prefix).filter(|prefix| !prefix.is_empty());
        let segments = prefix.map(str::to_owned).into_iter();
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).filter(|host| is_host(host));
        Self {
            seq,
            now,
            method: parts.method,
            segments: segments.chain(path.split('/').filter(|part| !part.is_empty()).map(decode)).collect(),
            query: url::form_urlencoded::parse(query).into_owned().collect(),
            base: match (outside, host) {
                (Some(outside), _) => outside.origin.clone(),
                (None, Some(host)) => format!("http://{host}"),
                (None, None) => url.to_owned(),
            },
            path,
            headers: parts.headers,
            body,
        }
    }

    /// First value of a query option.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A header's value, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as a JSON object.
    pub(super) fn object(&self) -> Result<serde_json::Map<String, Value>, Refusal> {
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) | Err(_) => {
                Err(Refusal::bad("InvalidRequestBody", "Request body is incorrect: an object is expected"))
            }
        }
    }

    /// Id that support asks for; the same for the same request of the same sequence.
    pub(super) fn request_id(&self) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("request {}", self.seq).as_bytes())
    }
}

/// Whether a text can stand in an address as host and port.
fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
}

/// Undoes percent-encoding; what is not UTF-8 afterwards is replaced.
fn decode(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.split_at_checked(2).filter(|_| first == b'%').and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, left) = code.unwrap_or((first, after));
        bytes.push(byte);
        rest = left;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Why a request is not served; each API wraps it in its own envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: String,
    pub(super) message: String,
    /// Seconds after which the caller may come again.
    pub(super) wait: Option<i64>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), wait: None }
    }

    /// The request itself is wrong.
    pub(super) fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// Says when the caller may come again.
    pub(super) fn after(self, seconds: i64) -> Self {
        Self { wait: Some(seconds), ..self }
    }

    /// A body with what its header has to say.
    pub(super) fn answered(&self, body: &Value) -> Reply {
        let reply = Reply::json(self.status, body);
        match self.wait {
            Some(seconds) => reply.with(RETRY_AFTER, &seconds.to_string()),
            None => reply,
        }
    }

    /// There is no such thing.
    pub(super) fn missing(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// There is no such thing to do.
    pub(super) fn no_route(call: &Call) -> Self {
        let last = call.segments.last().map(String::as_str).unwrap_or_default();
        Self::missing("ResourceNotFound", format!("Resource not found for the segment '{}'.", shown(last)))
    }
}

/// Cuts a text somebody else wrote, for a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) reply: Reply,
    /// Client id of the caller, if the request said.
    pub(super) app: Option<String>,
    /// What was asked, where the path does not say.
    pub(super) note: Option<String>,
}

impl From<Reply> for Served {
    fn from(reply: Reply) -> Self {
        Self { reply, app: None, note: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded_once() {
        for (segment, expected) in [
            ("a%20b", "a b"),
            ("%2525", "%25"),
            ("%", "%"),
            ("%4", "%4"),
            ("%+4", "%+4"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(decode(segment), expected);
        }
    }

    #[test]
    fn a_host_is_a_host() {
        assert!(is_host("127.0.0.1:8080") && is_host("sim.example"));
        assert!(!is_host("") && !is_host("a/b") && !is_host("user@host"));
    }
}
