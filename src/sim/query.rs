//! Hunting over HTTP: reads a request, lets the [`Hunter`](super::Hunter) answer off the server's own
//! threads, and sends the rows without copying them once more.

use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use axum::http::StatusCode;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde_json::{Value, json};

use super::call::{Call, Caller, Refusal, shown};
use super::hunter::{HuntFault, HuntRows, HuntTable, HuntWindow};
use super::reply::Reply;
use super::serve::Service;
use crate::kql::QUERY_BYTES_MAX;

/// Most rows of an answer. Source: the limits page of advanced hunting.
pub const HUNT_ROWS_MAX: usize = 100_000;
/// Most bytes of the rows of an answer. Source: the service's answers are refused beyond about as many.
pub const HUNT_BYTES_MAX: usize = 50 << 20;
/// Characters of a query the log keeps.
const NOTE_CHARS_MAX: usize = 2000;
/// Over how long queries are counted.
const QUOTA_WINDOW: SignedDuration = SignedDuration::from_mins(1);
/// What a query looks at when the request does not say.
const WINDOW_DAYS: i64 = 30;

/// `POST /security/runHuntingQuery`. Returns the answer and the query for the log.
pub(super) async fn graph(
    service: &Service,
    call: &Call,
    caller: &Caller,
) -> (Result<Reply, Refusal>, String) {
    let request =
        caller.may(&["ThreatHunting.Read.All"]).and_then(|()| Request::read(call, &["Query", "query"]));
    hunt(service, call, request, |table| {
        let schema: Vec<Value> = columns(&table, "name", "type");
        let context = format!("{}/$metadata#microsoft.graph.security.huntingQueryResults", call.base);
        let head = format!(
            "{{\"@odata.context\":{},\"schema\":{},\"results\":",
            Value::from(context),
            Value::from(schema)
        );
        body(head, table.rows)
    })
    .await
}

/// `POST /advancedhunting/run` of Defender XDR and `POST /advancedqueries/run` of Defender for Endpoint.
pub(super) async fn legacy(
    service: &Service,
    call: &Call,
    caller: &Caller,
    role: &str,
) -> (Result<Reply, Refusal>, String) {
    let request = caller.may(&[role]).and_then(|()| Request::read(call, &["Query"]));
    hunt(service, call, request, |table| {
        let stats = json!({
            "ExecutionTime": 0.25,
            "resource_usage": {
                "cache": {"memory": {"hits": 0, "misses": 0, "total": 0}},
                "cpu": {"user": "00:00:00.2500000", "kernel": "00:00:00", "total cpu": "00:00:00.2500000"},
                "memory": {"peak_per_node": 0},
            },
            "dataset_statistics": [{"table_row_count": 0, "table_size": 0}],
        });
        let schema: Vec<Value> = columns(&table, "Name", "Type");
        let head = format!("{{\"Stats\":{stats},\"Schema\":{},\"Results\":", Value::from(schema));
        body(head, table.rows)
    })
    .await
}

/// Answers a request in the words of an API. Returns the answer and the query for the log.
async fn hunt(
    service: &Service,
    call: &Call,
    request: Result<Request, Refusal>,
    write: impl FnOnce(HuntTable) -> Result<Reply, Refusal>,
) -> (Result<Reply, Refusal>, String) {
    match request {
        Ok(request) => {
            let note = request.note();
            let answer = match quota(service, call.now) {
                Ok(()) => answer(service, call, request).await.and_then(write),
                Err(refused) => Err(refused),
            };
            (answer, note)
        }
        Err(refused) => (Err(refused), String::new()),
    }
}

/// Counts a query against what the tenant answers in a minute; refused ones do not count.
fn quota(service: &Service, now: Timestamp) -> Result<(), Refusal> {
    let Some(most) = service.rules.hunts_per_minute else { return Ok(()) };
    let mut hunts = service.hunts.lock().unwrap_or_else(PoisonError::into_inner);
    let age = |at: &Timestamp| at.duration_until(now);
    while hunts.front().is_some_and(|first| QUOTA_WINDOW <= age(first)) {
        hunts.pop_front();
    }
    if hunts.len() < most {
        hunts.push_back(now);
        return Ok(());
    }
    let wait = hunts.front().map_or(QUOTA_WINDOW, |first| QUOTA_WINDOW - age(first));
    let text = format!("API calls quota exceeded! maximum allowed {most} per 00:01:00");
    Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", text).after(wait.as_secs() + 1))
}

fn columns(table: &HuntTable, name: &str, kind: &str) -> Vec<Value> {
    table.columns.iter().map(|column| json!({name: column.name, kind: column.kind})).collect()
}

/// A body of three pieces, so that the rows are sent from where they are.
fn body(head: String, rows: HuntRows) -> Result<Reply, Refusal> {
    let rows = match rows {
        HuntRows::Json(rows) => rows,
        HuntRows::Objects(rows) if rows.len() <= HUNT_ROWS_MAX => {
            serde_json::to_vec(&rows).map(Bytes::from).map_err(|error| {
                tracing::error!(%error, "an answer could not be written");
                refusal(HuntFault::TooLarge)
            })?
        }
        HuntRows::Objects(_) => return Err(refusal(HuntFault::TooLarge)),
    };
    Ok(Reply::pieces(StatusCode::OK, vec![Bytes::from(head), rows, Bytes::from_static(b"}")]))
}

async fn answer(service: &Service, call: &Call, request: Request) -> Result<HuntTable, Refusal> {
    let hunter = Arc::clone(&service.hunter);
    let now = call.now;
    let computed =
        tokio::task::spawn_blocking(move || hunter.answer(&request.query, request.window, now)).await;
    match computed {
        Ok(answer) => answer.map_err(refusal),
        Err(error) => {
            tracing::error!(%error, "the hunter broke down");
            let text = "An unexpected error occurred during query execution.";
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", text))
        }
    }
}

/// The words and statuses of the service.
fn refusal(fault: HuntFault) -> Refusal {
    let with = |text: &str, end: &str| format!("{}. {end}", text.trim_end_matches('.'));
    match fault {
        HuntFault::Syntax(text) => {
            Refusal::bad("BadRequest", with(&text, "Fix syntax errors in your query."))
        }
        HuntFault::Semantic(text) => {
            Refusal::bad("BadRequest", with(&text, "Fix semantic errors in your query."))
        }
        HuntFault::Unsupported(_) => Refusal::new(
            StatusCode::NOT_IMPLEMENTED,
            "NotImplemented",
            with(&fault.to_string(), "See its manual."),
        ),
        HuntFault::TooLarge => Refusal::bad(
            "BadRequest",
            "Query execution has exceeded the allowed result size. Optimize your query by limiting the number of results and try again.",
        ),
        HuntFault::TooSlow => Refusal::new(StatusCode::GATEWAY_TIMEOUT, "UnknownError", ""),
    }
}

/// A hunting request, understood.
#[derive(Debug)]
struct Request {
    query: String,
    window: HuntWindow,
}

impl Request {
    fn read(call: &Call, names: &[&str]) -> Result<Self, Refusal> {
        let body = call.object()?;
        let query = names.iter().find_map(|name| body.get(*name)).and_then(Value::as_str);
        let query = query.filter(|text| !text.trim().is_empty());
        let query = query.ok_or_else(|| Refusal::bad("BadRequest", "The query is missing."))?;
        if QUERY_BYTES_MAX < query.len() {
            return Err(Refusal::bad("BadRequest", "The query is too long."));
        }
        let span = ["Timespan", "timespan"].iter().find_map(|name| body.get(*name));
        let window = match span {
            None | Some(Value::Null) => back(WINDOW_DAYS, call.now),
            Some(Value::String(text)) => window(text, call.now),
            Some(_) => None,
        };
        let window = window.ok_or_else(|| Refusal::bad("BadRequest", "The Timespan is not valid."))?;
        Ok(Self { query: query.to_owned(), window })
    }

    fn note(&self) -> String {
        self.query.chars().take(NOTE_CHARS_MAX).collect()
    }
}

fn back(days: i64, now: Timestamp) -> Option<HuntWindow> {
    let from = now.checked_sub(SignedDuration::from_hours(days.checked_mul(24)?)).ok()?;
    Some(HuntWindow { from, to: now })
}

/// Reads a time span: `P30D`, `start/end`, `P30D/end`, `start/P30D`, or a start alone.
fn window(text: &str, now: Timestamp) -> Option<HuntWindow> {
    let length = |text: &str| {
        let span: Span = text.starts_with(['P', 'p']).then(|| text.parse().ok()).flatten()?;
        span.to_duration(SpanRelativeTo::days_are_24_hours()).ok().filter(SignedDuration::is_positive)
    };
    let instant = |text: &str| -> Option<Timestamp> {
        let midnight = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
        text.parse().ok().or_else(|| Some(midnight()?.timestamp()))
    };
    let window = match text.trim().split_once('/') {
        None => match length(text.trim()) {
            Some(length) => HuntWindow { from: now.checked_sub(length).ok()?, to: now },
            None => HuntWindow { from: instant(text.trim())?, to: now },
        },
        Some((from, to)) => match (length(from), length(to)) {
            (Some(length), None) => {
                let to = instant(to)?;
                HuntWindow { from: to.checked_sub(length).ok()?, to }
            }
            (None, Some(length)) => {
                let from = instant(from)?;
                HuntWindow { from, to: from.checked_add(length).ok()? }
            }
            (None, None) => HuntWindow { from: instant(from)?, to: instant(to)? },
            (Some(_), Some(_)) => return None,
        },
    };
    (window.from <= window.to).then_some(window)
}

/// The name of a path that is no hunting address, for a message.
pub(super) fn unknown(path: &[&str]) -> Refusal {
    let path = path.join("/");
    Refusal::missing(
        "ResourceNotFound",
        format!("No HTTP resource was found that matches '{}'.", shown(&path)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, &str)>) {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let found = window(text, now).map(|w| (w.from.to_string(), w.to.to_string()));
        let expected = expected.map(|(from, to)| (from.to_owned(), to.to_owned()));
        assert_eq!(found, expected, "{text}");
    }

    proptest::proptest! {
        #[test]
        fn no_time_span_breaks_the_reader(text in "[PTZDHMSW0-9/:.-]{0,60}", other in ".{0,60}") {
            for text in [text, other] {
                if let Some(window) = window(&text, Timestamp::UNIX_EPOCH) {
                    proptest::prop_assert!(window.from <= window.to);
                }
            }
        }
    }

    #[test]
    fn time_spans_are_read_in_every_documented_form() {
        check("P30D", Some(("2026-10-21T12:00:00Z", "2026-11-20T12:00:00Z")));
        check("PT1H", Some(("2026-11-20T11:00:00Z", "2026-11-20T12:00:00Z")));
        check("2026-11-01/2026-11-02T06:00:00Z", Some(("2026-11-01T00:00:00Z", "2026-11-02T06:00:00Z")));
        check("P1D/2026-11-02T00:00:00Z", Some(("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z")));
        check("2026-11-01T00:00:00Z/P1D", Some(("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z")));
        check("2026-11-01T00:00:00Z", Some(("2026-11-01T00:00:00Z", "2026-11-20T12:00:00Z")));
        for wrong in ["", "30d", "P30D/P1D", "-P30D", "2026-11-02/2026-11-01", "a/b", "P"] {
            check(wrong, None);
        }
    }
}
