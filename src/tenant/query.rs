//! What is asked of a tenant, and what comes back.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::{Alert, AlertSeverity, AlertStatus, Incident, IncidentStatus, RowView};
use crate::rows::Flow;

/// A hunting query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HuntQuery {
    /// The KQL, sent as it is.
    pub query: String,
    /// How far back, at most 30 days. A filter inside the query narrows it further; the shorter wins.
    /// `None` leaves it to the service (30 days).
    pub timespan: Option<SignedDuration>,
}

/// The hunting tables of a tenant, as it tells them itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HuntSchema {
    /// Tables with their columns: names and types in the API's words.
    pub tables: Vec<(String, Vec<(String, String)>)>,
    /// Names of functions that somebody saved. What they do, the tenant does not tell in a form that is
    /// documented.
    pub functions: Vec<String>,
}

/// What one hunt may cost.
#[expect(clippy::struct_field_names, reason = "a limit is named after what it limits")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HuntLimits {
    /// Most rows. An answer of exactly this many counts as truncated.
    pub rows_max: u64,
    /// Most bytes of the answer after decompression.
    pub bytes_max: u64,
    /// Longest time from the first packet to the last row.
    pub time_max: Duration,
}

impl Default for HuntLimits {
    /// The service's own limits and a little more: 100,000 rows; 50 MB on the wire, which the docs
    /// count differently in places, so 128 MiB here; three minutes of query, so four.
    fn default() -> Self {
        Self { rows_max: 100_000, bytes_max: 128 << 20, time_max: Duration::from_mins(4) }
    }
}

/// Takes each row of an answer and says whether it wants the next.
pub type OnRow<'a> = &'a mut (dyn FnMut(&RowView<'_>) -> Flow + Send);

/// What became of a hunt. Its rows went to `on_row`.
pub type HuntAnswer = crate::rows::Answer;

/// Which incidents are wanted, as far as the service can filter. Empty lists mean any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentQuery {
    /// Any of these.
    pub status: Vec<IncidentStatus>,
    /// Any of these.
    pub severity: Vec<AlertSeverity>,
    /// Changed at or after this instant. What was is read in slices of time, oldest first, each of which fits on
    /// a page: an item that changes meanwhile moves into a later one, and hides no other.
    pub updated_after: Option<Timestamp>,
    /// Made at or after this instant.
    pub created_after: Option<Timestamp>,
    /// Owned by this person. "By nobody" is not documented as a filter; ask for all and look.
    pub assigned_to: Option<String>,
    /// Whether each incident comes with its alerts and their evidence.
    pub expand_alerts: bool,
    /// Most incidents.
    pub incidents_max: usize,
    /// Most pages, empty ones included.
    pub pages_max: usize,
}

impl Default for IncidentQuery {
    /// Everything, up to 10,000 incidents in 500 pages: a day of a large tenant is a few hundred, and
    /// more than that is a filter somebody forgot.
    fn default() -> Self {
        Self {
            status: Vec::new(),
            severity: Vec::new(),
            updated_after: None,
            created_after: None,
            assigned_to: None,
            expand_alerts: false,
            incidents_max: 10_000,
            pages_max: 500,
        }
    }
}

/// Which alerts are wanted, as far as the service can filter. Empty lists mean any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertQuery {
    /// Any of these.
    pub status: Vec<AlertStatus>,
    /// Any of these.
    pub severity: Vec<AlertSeverity>,
    /// Raised by any of these products, in Graph's words.
    pub service_source: Vec<String>,
    /// Changed at or after this instant. What was is read in slices of time, oldest first, each of which fits on
    /// a page: an item that changes meanwhile moves into a later one, and hides no other.
    pub updated_after: Option<Timestamp>,
    /// Made at or after this instant.
    pub created_after: Option<Timestamp>,
    /// Owned by this person.
    pub assigned_to: Option<String>,
    /// Most alerts.
    pub alerts_max: usize,
    /// Most pages, empty ones included.
    pub pages_max: usize,
}

impl Default for AlertQuery {
    /// Everything, within the limits that incidents have.
    fn default() -> Self {
        let IncidentQuery { incidents_max, pages_max, .. } = IncidentQuery::default();
        Self {
            status: Vec::new(),
            severity: Vec::new(),
            service_source: Vec::new(),
            updated_after: None,
            created_after: None,
            assigned_to: None,
            alerts_max: incidents_max,
            pages_max,
        }
    }
}

/// The alerts that fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlertPage {
    /// Each once.
    pub alerts: Vec<Alert>,
    /// Those that could not be read.
    pub quarantined: Vec<Quarantined>,
    /// Whether a limit of the query cut the list.
    pub truncated: bool,
    /// How far the list reaches.
    pub reach: Reach,
}

/// The incidents that fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IncidentPage {
    /// Each once.
    pub incidents: Vec<Incident>,
    /// Those that could not be read.
    pub quarantined: Vec<Quarantined>,
    /// Whether a limit of the query cut the list.
    pub truncated: bool,
    /// How far the list reaches.
    pub reach: Reach,
}

/// How far a list of what changed reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// When the service answered, by its own clock, if it said.
    pub asked: Option<Timestamp>,
    /// Before this instant of change nothing is missing, if a limit cut the list there.
    pub until: Option<Timestamp>,
    /// The latest change of anything on it that could be read.
    pub latest: Option<Timestamp>,
}

/// Something a list held that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The start of its JSON, escaped for a terminal; at most 2 KiB.
    pub raw: String,
    /// Why.
    pub reason: String,
}
