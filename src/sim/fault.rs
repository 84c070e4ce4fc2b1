//! Scripted trouble: which requests go wrong, how, how often, and whether the tenant acted first.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::RETRY_AFTER;
use axum::http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::SimError;
use super::call::{Call, Refusal};
use super::reply::Reply;

/// Most faults in one script: far more than a test needs, and each request looks at all of them.
pub const FAULTS_MAX: usize = 1000;
/// Longest delay a fault may ask for.
pub const DELAY_MS_MAX: u64 = 600_000;

/// One line of a fault script.
///
/// Without `status`, `body` and `reset` the request is served as usual and the answer is delayed or
/// cut; with one of them the answer is replaced, and `apply` says whether the tenant acted first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Method and path, `POST /mde/api/machines/*/isolate`. The method may be `*`; in the path `*`
    /// stands for any text within a segment and `**` for any segments. The path may leave out its
    /// beginning: `POST /api/machines/*/isolate` means the same. Case does not matter.
    #[serde(rename = "match")]
    pub on: String,
    /// Status to answer with, 200 to 599.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Seconds after which the caller may come again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// How `retry_after` is said.
    #[serde(default)]
    pub retry_after_as: RetryAfterAs,
    /// Milliseconds to wait before answering, or with [`Apply::After`] before acting; at most
    /// [`DELAY_MS_MAX`]; real time.
    #[serde(default)]
    pub delay_ms: u64,
    /// Sends only this many bytes of the body, then ends the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncate: Option<u64>,
    /// Ends the connection without an answer.
    #[serde(default)]
    pub reset: bool,
    /// Body to answer with: a text as it is, anything else as JSON. By default the API's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// How many requests it hits; by default every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// How many matching requests pass before it hits.
    #[serde(default)]
    pub after: u32,
    /// Whether the tenant acts on the request before the fault hits.
    #[serde(default)]
    pub apply: Apply,
    /// Ids of incidents and alerts that somebody changes right after the answer was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub touch: Vec<String>,
}

/// How a fault says when to come again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RetryAfterAs {
    /// `Retry-After: 7`.
    #[default]
    Seconds,
    /// `Retry-After: Fri, 20 Nov 2026 12:00:07 GMT`.
    Date,
    /// In the words of the body, without a header.
    Body,
}

/// Whether an effect happens although the answer tells of trouble.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Apply {
    /// The request is lost: nothing happens.
    #[default]
    Not,
    /// The answer is lost: the effect happens first.
    Before,
    /// The request is late: the caller is answered (or cut off) at once, and the effect happens
    /// `delay_ms` later, whether or not anybody still waits.
    After,
}

impl Fault {
    /// A fault that does nothing yet to requests that match `on`.
    #[must_use]
    pub fn on(on: impl Into<String>) -> Self {
        Self {
            on: on.into(),
            status: None,
            retry_after: None,
            retry_after_as: RetryAfterAs::Seconds,
            delay_ms: 0,
            truncate: None,
            reset: false,
            body: None,
            times: None,
            after: 0,
            apply: Apply::Not,
            touch: Vec::new(),
        }
    }

    /// Reads a script: one fault or a list of them.
    ///
    /// # Errors
    ///
    /// [`SimError::Faults`] if a member is unknown, out of range or not a pattern.
    pub fn script(value: Value) -> Result<Vec<Self>, SimError> {
        let list = match value {
            Value::Array(list) => list,
            one => vec![one],
        };
        let read = list.into_iter().map(serde_json::from_value).collect::<Result<Vec<Self>, _>>();
        let faults = read.map_err(|error| SimError::Faults(error.to_string()))?;
        Script::new(faults.clone())?;
        Ok(faults)
    }

    /// Whether the ordinary answer is replaced.
    fn replaces(&self) -> bool {
        self.status.is_some() || self.body.is_some() || self.reset
    }

    /// Whether the tenant acts on the request before it is answered.
    pub(super) fn lets_through(&self) -> bool {
        !self.replaces() || self.apply == Apply::Before
    }

    /// How long after the answer the tenant acts, if it does so then.
    pub(super) fn late(&self) -> Option<Duration> {
        (self.replaces() && self.apply == Apply::After).then(|| Duration::from_millis(self.delay_ms))
    }

    /// How long the answer waits.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(if self.late().is_some() { 0 } else { self.delay_ms })
    }

    /// What the log says of it.
    pub(super) fn label(&self) -> String {
        let mut words = Vec::new();
        if 0 < self.delay_ms {
            words.push(format!("delay {} ms", self.delay_ms));
        }
        if let Some(status) = self.status {
            words.push(format!("status {status}"));
        }
        if let Some(bytes) = self.truncate {
            words.push(format!("truncate {bytes}"));
        }
        if self.reset {
            words.push("reset".to_owned());
        }
        if !self.touch.is_empty() {
            words.push("touch".to_owned());
        }
        match self.apply {
            Apply::Before if self.replaces() => words.push("applied".to_owned()),
            Apply::After if self.replaces() => words.push("applied late".to_owned()),
            Apply::Before | Apply::After | Apply::Not => {}
        }
        if words.is_empty() { "body".to_owned() } else { words.join(", ") }
    }

    /// The answer instead of the ordinary one; none if the ordinary one is sent.
    pub(super) fn reply(&self, call: &Call, wrap: impl FnOnce(&Refusal) -> Reply) -> Option<Reply> {
        if !self.replaces() {
            return None;
        }
        let status = self.status.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.unwrap_or(StatusCode::OK);
        let mut reply = match &self.body {
            Some(Value::String(text)) => Reply::text(status, Bytes::from(text.clone())),
            Some(body) => Reply::json(status, body),
            None if status.is_success() => Reply::json(status, &json!({})),
            None => wrap(&self.refusal(status)),
        };
        match (self.retry_after, self.retry_after_as) {
            (None, _) | (Some(_), RetryAfterAs::Body) => {}
            (Some(seconds), RetryAfterAs::Seconds) => {
                reply = reply.with(RETRY_AFTER, &seconds.to_string());
            }
            (Some(seconds), RetryAfterAs::Date) => {
                reply = reply.with(RETRY_AFTER, &http_date(call.now, seconds));
            }
        }
        Some(reply)
    }

    /// The words of a service in trouble.
    fn refusal(&self, status: StatusCode) -> Refusal {
        let (code, text) = match status.as_u16() {
            429 => ("TooManyRequests", "API calls quota exceeded! maximum allowed 45 per 00:01:00"),
            401 => ("Unauthorized", "Access token has expired or is not yet valid."),
            403 => ("Forbidden", "The request is not allowed."),
            404 => ("ResourceNotFound", "The resource was not found."),
            503 => ("ServiceUnavailable", "The service is temporarily unavailable."),
            504 => ("UnknownError", ""),
            500.. => ("InternalServerError", "An unexpected error occurred. Please try again."),
            _ => ("BadRequest", "The request is not valid."),
        };
        let mut text = text.to_owned();
        if let (Some(seconds), RetryAfterAs::Body) = (self.retry_after, self.retry_after_as) {
            let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            text = format!(
                "You have used up the processing resources allocated to this tenant. You can run queries again in {hours:02}:{minutes:02}:{seconds:02}."
            );
        }
        Refusal::new(status, code, text)
    }
}

/// An HTTP date `seconds` after `now`.
pub(super) fn http_date(now: Timestamp, seconds: u32) -> String {
    let at = now.saturating_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(now);
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Which requests are meant: a method and a path, as [`Fault::on`] has them.
#[derive(Debug, Clone)]
pub struct Pattern {
    method: String,
    segments: Vec<String>,
}

impl Pattern {
    /// Reads `METHOD /path`; `None` if it is not of that form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (method, path) = text.trim().split_once(char::is_whitespace)?;
        let path = path.trim().strip_prefix('/')?;
        let segments = path.split('/').map(str::to_ascii_lowercase).filter(|part| !part.is_empty());
        Some(Self { method: method.to_ascii_uppercase(), segments: segments.collect() })
    }

    /// Whether a request of the log is meant.
    #[must_use]
    pub fn is_for(&self, method: &str, path: &str) -> bool {
        let path: Vec<String> =
            path.split('/').filter(|part| !part.is_empty()).map(str::to_ascii_lowercase).collect();
        self.matches(method, &path)
    }

    /// `path` is in lower case.
    fn matches(&self, method: &str, path: &[String]) -> bool {
        if self.method != "*" && self.method != method {
            return false;
        }
        (0..=path.len()).any(|start| path.get(start..).is_some_and(|tail| fits(&self.segments, tail)))
    }
}

/// Whether segments fit a pattern. `path` is in lower case.
fn fits(pattern: &[String], path: &[String]) -> bool {
    // A walk with one remembered `**`: linear for each one, so no script makes it slow.
    let (mut p, mut s) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), path.get(s)) {
            (None, None) => return true,
            (Some(part), _) if part == "**" => {
                star = Some((p + 1, s));
                p += 1;
            }
            (Some(part), Some(segment)) if glob(part, segment) => (p, s) = (p + 1, s + 1),
            _ => match star {
                Some((after, taken)) if taken < path.len() => {
                    star = Some((after, taken + 1));
                    (p, s) = (after, taken + 1);
                }
                _ => return false,
            },
        }
    }
}

/// Whether a text fits a pattern in which `*` stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// The faults in force, with what each has done so far.
#[derive(Debug, Default)]
pub(super) struct Script(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    fault: Fault,
    pattern: Pattern,
    seen: u32,
    hit: u32,
}

impl Script {
    pub(super) fn new(faults: Vec<Fault>) -> Result<Self, SimError> {
        let script = Self::default();
        script.replace(faults)?;
        Ok(script)
    }

    /// Puts other faults in force; counts start again.
    pub(super) fn replace(&self, faults: Vec<Fault>) -> Result<(), SimError> {
        if FAULTS_MAX < faults.len() {
            return Err(SimError::Faults(format!("at most {FAULTS_MAX} faults")));
        }
        let entries = faults.into_iter().map(Entry::new).collect::<Result<Vec<_>, _>>()?;
        *self.lock() = entries;
        Ok(())
    }

    /// The faults in force.
    pub(super) fn faults(&self) -> Vec<Fault> {
        self.lock().iter().map(|entry| entry.fault.clone()).collect()
    }

    /// The fault that hits a request: the first in force whose turn it is.
    pub(super) fn pick(&self, method: &Method, segments: &[String]) -> Option<Fault> {
        let mut entries = self.lock();
        if entries.is_empty() {
            return None;
        }
        let path: Vec<String> = segments.iter().map(|part| part.to_ascii_lowercase()).collect();
        for entry in entries.iter_mut().filter(|entry| entry.pattern.matches(method.as_str(), &path)) {
            entry.seen = entry.seen.saturating_add(1);
            if entry.fault.after < entry.seen && entry.fault.times.is_none_or(|times| entry.hit < times) {
                entry.hit = entry.hit.saturating_add(1);
                return Some(entry.fault.clone());
            }
        }
        None
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(fault: Fault) -> Result<Self, SimError> {
        let pattern = Pattern::parse(&fault.on)
            .ok_or_else(|| SimError::Faults(format!("`{}` is not `METHOD /path`", fault.on)))?;
        if fault.status.is_some_and(|status| !(200..=599).contains(&status)) {
            return Err(SimError::Faults("a status is 200 to 599".to_owned()));
        }
        if DELAY_MS_MAX < fault.delay_ms {
            return Err(SimError::Faults(format!("a delay is at most {DELAY_MS_MAX} ms")));
        }
        Ok(Self { fault, pattern, seen: 0, hit: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_methods_and_paths() {
        for (pattern, request, expected) in [
            ("POST /mde/api/machines/*/isolate", "POST /mde/api/machines/aa11/isolate", true),
            ("POST /api/machines/*/isolate", "POST /mde/api/machines/aa11/isolate", true),
            ("post /API/Machines/*/Isolate", "POST /mde/api/machines/AA11/isolate", true),
            ("POST /api/machines/*/isolate", "POST /mde/api/machines/aa11/unisolate", false),
            ("POST /api/machines/*/isolate", "GET /mde/api/machines/aa11/isolate", false),
            ("POST /api/machines/*/isolate", "POST /mde/api/machines/a/b/isolate", false),
            ("* /**", "GET /graph/v1.0/security/incidents", true),
            ("* /mde/**/isolate", "POST /mde/api/machines/aa11/isolate", true),
            ("* /graph/**/comments", "POST /mde/api/machines/aa11/isolate", false),
            ("GET /security/*_v2", "GET /graph/v1.0/security/alerts_v2", true),
            ("GET /*un*ng*", "GET /graph/v1.0/security/runHuntingQuery", true),
            ("GET /hooks", "GET /hooks/teams", false),
        ] {
            let (method, path) = request.split_once(" /").unwrap();
            let path: Vec<String> = path.split('/').map(str::to_ascii_lowercase).collect();
            let found = Pattern::parse(pattern).unwrap().matches(&method.to_ascii_uppercase(), &path);
            assert_eq!(found, expected, "{pattern} {request}");
        }
    }

    proptest::proptest! {
        #[test]
        fn stars_stand_for_any_text(parts in proptest::collection::vec("[ab]{0,3}", 1..5),
                                    fill in proptest::collection::vec("[abc]{0,3}", 5)) {
            let text: String = parts.iter().zip(&fill).flat_map(|(part, fill)| [part.as_str(), fill]).collect();
            let pattern = parts.join("*") + "*";
            proptest::prop_assert!(glob(&pattern, &text));
            proptest::prop_assert!(glob(&text, &text));
            let longer = format!("{text}x");
            proptest::prop_assert!(!glob(&text, &longer));
        }
    }

    #[test]
    fn a_fault_waits_its_turn_and_ends() {
        let script = Script::new(vec![
            Fault { times: Some(2), after: 1, status: Some(500), ..Fault::on("GET /a") },
            Fault { status: Some(503), after: 1, ..Fault::on("* /**") },
        ])
        .unwrap();
        let path = ["a".to_owned()];
        let seen: Vec<_> =
            (0..5).map(|_| script.pick(&Method::GET, &path).and_then(|fault| fault.status)).collect();
        // The second fault counts only what the first lets pass.
        assert_eq!(seen, [None, Some(500), Some(500), Some(503), Some(503)]);
    }

    #[test]
    fn a_script_that_cannot_be_is_refused() {
        for wrong in [
            json!({"match": "everything"}),
            json!({"match": "GET /a", "statuss": 500}),
            json!({"match": "GET /a", "status": 99}),
            json!({"match": "GET /a", "delayMs": 99_999_999}),
            json!(7),
        ] {
            assert!(Fault::script(wrong.clone()).is_err(), "{wrong}");
        }
        let one =
            Fault::script(json!({"match": "GET /a", "status": 429, "retryAfter": 7, "times": 1})).unwrap();
        assert_eq!(
            one,
            [Fault { status: Some(429), retry_after: Some(7), times: Some(1), ..Fault::on("GET /a") }]
        );
    }

    #[test]
    fn a_date_is_an_http_date() {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        assert_eq!(http_date(now, 7), "Fri, 20 Nov 2026 12:00:07 GMT");
    }
}
