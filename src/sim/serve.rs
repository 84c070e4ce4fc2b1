//! The way of a request: number it, read it, find its fault, route it, answer it, log it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::header::DATE;
use axum::http::request::Parts;
use axum::http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::call::{Call, Refusal, Served};
use super::fault::{Fault, Script, http_date};
use super::front::Front;
use super::hunter::Hunter;
use super::log::{EffectEntry, Log, LogEntry, RequestEntry};
use super::machine_action::{ActionTiming, Completion, Duplicates};
use super::platform::{self, ArcChallenge};
use super::reply::{Reply, lag};
use super::state::State as TenantState;
use super::token::{Directory, Version};
use super::wire::Line;
use super::{graph, hooks, mde, vault};
use crate::clock::SharedClock;
use crate::model::Secret;

/// Most requests waiting to be acted on late; each may hold a body of [`BODY_BYTES_MAX`].
const LATE_MAX: usize = 100;

/// Largest body taken. A query, a comment or a card is some kilobytes; the services stop at a few
/// megabytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// How the tenant behaves where the services leave a choice.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) timing: ActionTiming,
    pub(super) duplicates: Duplicates,
    pub(super) completion: Completion,
    pub(super) page_size: usize,
    /// Queries the tenant answers in a minute; any number, if none.
    pub(super) hunts_per_minute: Option<usize>,
}

/// One simulated tenant, shared by its connections.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) clock: SharedClock,
    pub(super) directory: Directory,
    pub(super) hunter: Arc<dyn Hunter>,
    pub(super) rules: Rules,
    pub(super) hook_secrets: BTreeMap<String, Secret>,
    pub(super) vault: vault::Shelf,
    pub(super) arc: Option<ArcChallenge>,
    pub(super) faults: Script,
    pub(super) log: Log,
    pub(super) state: Mutex<TenantState>,
    /// When queries of the last minute came.
    pub(super) hunts: Mutex<VecDeque<Timestamp>>,
    /// Requests that are acted on after they were answered.
    pub(super) late: Mutex<JoinSet<()>>,
    /// Address of the server, for callers that do not say how they reached it.
    pub(super) url: String,
}

impl Service {
    /// The tenant as it stands at `now`. A panic elsewhere ends one request, not the tenant.
    pub(super) fn state(&self, now: Timestamp) -> MutexGuard<'_, TenantState> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle(now);
        state
    }

    /// Acts on a request after `delay`, whoever still waits for it.
    fn act_late(self: &Arc<Self>, mut call: Call, delay: Duration) {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        while late.try_join_next().is_some() {}
        if LATE_MAX <= late.len() {
            tracing::warn!(limit = LATE_MAX, "too many late requests; one is lost");
            return;
        }
        let service = Arc::clone(self);
        late.spawn(async move {
            lag(delay).await;
            call.now = service.clock.now();
            drop(Box::pin(route(&service, &call)).await);
        });
    }

    /// Begins the log entry of a change.
    pub(super) fn effect<'a>(&'a self, call: &Call, effect: &str, target: &str) -> Effect<'a> {
        Effect {
            log: &self.log,
            entry: EffectEntry {
                seq: call.seq,
                at: call.now,
                effect: effect.to_owned(),
                target: target.to_owned(),
                comment: None,
                action: None,
                detail: Value::Null,
            },
        }
    }
}

/// A change about to be logged.
#[must_use = "a change that is not written is missing from the ground truth"]
pub(super) struct Effect<'a> {
    log: &'a Log,
    entry: EffectEntry,
}

impl Effect<'_> {
    pub(super) fn comment(mut self, text: &str) -> Self {
        self.entry.comment = Some(text.to_owned());
        self
    }

    pub(super) fn action(mut self, id: &str) -> Self {
        self.entry.action = Some(id.to_owned());
        self
    }

    pub(super) fn detail(mut self, detail: Value) -> Self {
        self.entry.detail = detail;
        self
    }

    pub(super) fn write(self) {
        self.log.write(LogEntry::Effect(self.entry));
    }
}

/// The log entry of a request, written when the request ends, whichever way it ends.
struct Pending<'a> {
    log: &'a Log,
    entry: Option<RequestEntry>,
}

impl<'a> Pending<'a> {
    fn new(log: &'a Log, parts: &Parts, at: Timestamp) -> Self {
        let entry = RequestEntry {
            seq: log.number(),
            at,
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            app: None,
            status: None,
            fault: None,
            bytes: 0,
            note: None,
        };
        Self { log, entry: Some(entry) }
    }

    fn seq(&self) -> u64 {
        self.entry.as_ref().map_or(0, |entry| entry.seq)
    }

    fn note(&mut self, change: impl FnOnce(&mut RequestEntry)) {
        if let Some(entry) = &mut self.entry {
            change(entry);
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.log.write(LogEntry::Request(entry));
        }
    }
}

/// Serves one request.
pub(super) async fn handle(
    State(front): State<Arc<Front>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let service = front.tenant(&parts);
    if parts.uri.path().starts_with("/_sim/") {
        return window(&service, &parts, body).await.into_response();
    }
    let mut pending = Pending::new(&service.log, &parts, service.clock.now());
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        pending.note(|entry| entry.status = Some(StatusCode::PAYLOAD_TOO_LARGE.as_u16()));
        return Reply::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large").into_response();
    };
    let now = service.clock.now();
    let call = Call::new(&service.url, parts, body, (pending.seq(), now));
    let fault = service.faults.pick(&call.method, &call.segments);
    let mut reply = Reply::empty(StatusCode::OK);
    if fault.as_ref().is_none_or(Fault::lets_through) {
        let served = Box::pin(route(&service, &call)).await;
        pending.note(|entry| (entry.app, entry.note) = (served.app, served.note));
        reply = served.reply;
    }
    let mut cut = None;
    if let Some(fault) = fault {
        pending.note(|entry| entry.fault = Some(fault.label()));
        service.state(now).touch(&fault.touch, now);
        lag(fault.delay()).await;
        reply = fault.reply(&call, |refusal| envelope(&call, refusal)).unwrap_or(reply);
        cut = fault.truncate;
        if let Some(delay) = fault.late() {
            service.act_late(call, delay);
        }
        if fault.reset {
            line.cut();
            return Reply::empty(StatusCode::OK).into_response();
        }
    }
    // A client that compares clocks must see the tenant's, not the machine's.
    reply = reply.with(DATE, &http_date(now, 0));
    pending.note(|entry| (entry.status, entry.bytes) = (Some(reply.status.as_u16()), reply.length()));
    // The entry is written before the answer leaves, so that who has the answer finds it in the log.
    drop(pending);
    match cut {
        Some(bytes) => reply.into_cut_response(bytes),
        None => reply.into_response(),
    }
}

async fn route(service: &Service, call: &Call) -> Served {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match (call.method.as_str(), segments.as_slice()) {
        (_, ["graph", "v1.0" | "beta", path @ ..]) => graph::serve(service, call, path).await,
        (_, ["mde", api, path @ ..]) if api.eq_ignore_ascii_case("api") => {
            mde::serve(service, call, path).await
        }
        (_, ["xdr", api, path @ ..]) if api.eq_ignore_ascii_case("api") => {
            mde::serve_xdr(service, call, path).await
        }
        (_, ["vault", path @ ..]) => vault::serve(service, call, path).into(),
        ("GET", ["metadata" | "msi" | "arc", ..] | ["oidc", "token"]) => {
            platform::serve(service, call, &segments).into()
        }
        ("POST", ["hooks", sink, name]) => hooks::serve(service, call, sink, name).into(),
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => {
            let (reply, app) = service.directory.token(tenant, Version::Second, call);
            Served { reply, app, note: None }
        }
        ("POST", [tenant, "oauth2", "token"]) => {
            let (reply, app) = service.directory.token(tenant, Version::First, call);
            Served { reply, app, note: None }
        }
        ("POST", [tenant, "oauth2", "v2.0", "devicecode"]) => {
            service.directory.device_code(tenant, call).into()
        }
        ("GET", [_, "devicelogin"]) => service.directory.device_login(call).into(),
        ("GET", [tenant, "oauth2", "v2.0", "authorize"]) => service.directory.authorize(tenant, call).into(),
        ("GET", [tenant, "adminconsent"] | [tenant, "v2.0", "adminconsent"]) => {
            service.directory.admin_consent(tenant, call).into()
        }
        ("GET", [_, "discovery", "instance"]) => service.directory.instance(call).into(),
        ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
            service.directory.discovery(tenant, call).into()
        }
        ("GET", [_, "discovery", "v2.0", "keys"]) => service.directory.keys().into(),
        _ => Reply::text(StatusCode::NOT_FOUND, "nothing here").into(),
    }
}

/// Wraps a scripted refusal as the API that was called would.
fn envelope(call: &Call, refusal: &Refusal) -> Reply {
    match call.segments.first().map(String::as_str) {
        Some("graph") => graph::envelope(call, refusal),
        Some("mde" | "xdr") => mde::envelope(call, refusal),
        Some("hooks") => Reply::text(refusal.status, refusal.message.clone()),
        _ => {
            let error = json!({"error": "temporarily_unavailable", "error_description": refusal.message});
            Reply::json(refusal.status, &error)
        }
    }
}

/// Serves `/_sim/…`: what tests look at and turn. These requests are not in the log and meet no fault.
async fn window(service: &Service, parts: &Parts, body: Body) -> Reply {
    match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/_sim/log") => {
            let mut lines = Vec::new();
            for entry in service.log.entries() {
                if let Ok(mut line) = serde_json::to_vec(&entry) {
                    lines.append(&mut line);
                    lines.push(b'\n');
                }
            }
            Reply::typed(StatusCode::OK, "application/x-ndjson", vec![Bytes::from(lines)])
        }
        (&Method::GET, "/_sim/state") => {
            Reply::json(StatusCode::OK, &service.state(service.clock.now()).snapshot())
        }
        (&Method::GET, "/_sim/faults") => Reply::json(StatusCode::OK, &json!(service.faults.faults())),
        (&Method::POST, "/_sim/faults") => match axum::body::to_bytes(body, BODY_BYTES_MAX).await {
            Ok(body) => script(service, &body),
            Err(_too_long) => Reply::text(StatusCode::PAYLOAD_TOO_LARGE, "the script is too large"),
        },
        _ => Reply::text(StatusCode::NOT_FOUND, "nothing here"),
    }
}

/// Puts a fault script in force; the one before it ends.
fn script(service: &Service, body: &Bytes) -> Reply {
    let faults = serde_json::from_slice::<Value>(body)
        .map_err(|error| super::SimError::Faults(error.to_string()))
        .and_then(Fault::script)
        .and_then(|faults| service.faults.replace(faults));
    match faults {
        Ok(()) => Reply::empty(StatusCode::NO_CONTENT),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            Reply::text(StatusCode::BAD_REQUEST, format!("{error}{}", cause.unwrap_or_default()))
        }
    }
}
