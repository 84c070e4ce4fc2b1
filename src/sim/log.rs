//! The ground truth: what reached the tenant and what took effect, in order.
//!
//! Tests check an engine against this log and not against what the engine says of itself. It holds no
//! token, no secret and no `Authorization` header.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Most entries held in memory; the oldest go first. A sink given in the options has them all. An
/// entry is some hundred bytes, so this is some hundred megabytes at worst.
pub const LOG_ENTRIES_MAX: usize = 1_000_000;

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum LogEntry {
    /// A request came and was answered, or its connection ended.
    Request(RequestEntry),
    /// Something in the tenant changed.
    Effect(EffectEntry),
    /// A message reached one of the sinks.
    Message(MessageEntry),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestEntry {
    /// Number of the request, from 1; effects and messages name it.
    pub seq: u64,
    /// When it came, by the tenant's clock.
    pub at: Timestamp,
    /// Method.
    pub method: String,
    /// Path as sent.
    pub path: String,
    /// Query as sent; empty if there was none.
    pub query: String,
    /// Client id of the caller, once known.
    pub app: Option<String>,
    /// Status answered; none if the connection ended first.
    pub status: Option<u16>,
    /// The scripted fault that hit it.
    pub fault: Option<String>,
    /// Length of the answer's body, in bytes, before any fault cut it.
    pub bytes: u64,
    /// What was asked, where the path does not say: the text of a hunting query, cut.
    pub note: Option<String>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectEntry {
    /// The request that caused it.
    pub seq: u64,
    /// When, by the tenant's clock.
    pub at: Timestamp,
    /// What was done: `isolate`, `unisolate`, `runAntiVirusScan`, `addTag`, `removeTag`,
    /// `putIndicator`, `deleteIndicator`, `disableUser`, `enableUser`, `revokeSessions`, `confirmCompromised`,
    /// `dismissRisk`, `forcePasswordReset`, `softDelete` and the other remedies of mails,
    /// `updateIncident`, `commentIncident`, `mergeIncidents`, `updateAlert`, `commentAlert`, `createAlert`, …
    pub effect: String,
    /// Id of what it was done to.
    pub target: String,
    /// The comment sent along.
    pub comment: Option<String>,
    /// Id of the machine action or indicator made.
    pub action: Option<String>,
    /// The rest of what was asked, as JSON.
    pub detail: serde_json::Value,
}

/// A message to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageEntry {
    /// The request that brought it.
    pub seq: u64,
    /// When, by the tenant's clock.
    pub at: Timestamp,
    /// `teams`, `slack` or `webhook`.
    pub sink: String,
    /// Name of the sink, from its address.
    pub name: String,
    /// Headers, names in lower case, without credentials.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: String,
    /// What the sink thought of it.
    pub verdict: Verdict,
}

/// What a sink thought of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Taken; nothing to verify.
    Taken,
    /// Taken; the signature is right.
    Signed,
    /// Refused: there is no signature and one is expected.
    Unsigned,
    /// Refused: the signature is wrong.
    Forged,
    /// Refused: the signature is right and its time is not now.
    Stale,
    /// Refused: the body is not what the sink takes.
    Malformed,
}

/// The log of one tenant.
pub(super) struct Log {
    inner: Mutex<Inner>,
}

struct Inner {
    next: u64,
    entries: VecDeque<LogEntry>,
    sink: Option<Box<dyn Write + Send>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log(..)")
    }
}

impl Log {
    pub(super) fn new(sink: Option<Box<dyn Write + Send>>) -> Self {
        Self { inner: Mutex::new(Inner { next: 1, entries: VecDeque::new(), sink }) }
    }

    /// Gives the next request its number.
    pub(super) fn number(&self) -> u64 {
        let mut inner = self.lock();
        let seq = inner.next;
        inner.next += 1;
        seq
    }

    /// Writes an entry; when this returns it has reached the sink.
    pub(super) fn write(&self, entry: LogEntry) {
        let mut inner = self.lock();
        if let Some(sink) = &mut inner.sink {
            let written = serde_json::to_vec(&entry).map_err(std::io::Error::from).and_then(|mut line| {
                line.push(b'\n');
                sink.write_all(&line)?;
                sink.flush()
            });
            if let Err(error) = written {
                tracing::error!(%error, "the simulated tenant's log is not written any more");
                inner.sink = None;
            }
        }
        if LOG_ENTRIES_MAX <= inner.entries.len() {
            inner.entries.pop_front();
        }
        inner.entries.push_back(entry);
    }

    /// Everything written so far, oldest first.
    pub(super) fn entries(&self) -> Vec<LogEntry> {
        self.lock().entries.iter().cloned().collect()
    }

    // A panic elsewhere cannot leave an entry half written, so a poisoned log is still true.
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
