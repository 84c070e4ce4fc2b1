//! Actions on incidents and alerts, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::{AlertCategory, AlertStatus, Classification, Determination, IncidentStatus, MergeReason};

/// Parameters of `updateIncident`: at least one change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = [
    {"required": ["status"]}, {"required": ["classification"]}, {"required": ["determination"]},
    {"required": ["assignedTo"]}, {"required": ["tags"]}, {"required": ["comment"]}
]))]
pub struct UpdateIncident {
    /// Incident id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{incident.id}}")]
    pub incident: String,
    /// New status.
    pub status: Option<IncidentStatus>,
    /// Whether it was right.
    pub classification: Option<Classification>,
    /// What it was; goes with `classification`.
    pub determination: Option<Determination>,
    /// New owner: a sign-in name, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"soc-tier1@contoso.example")]
    pub assigned_to: Option<String>,
    /// Tags to put on and take off; other tags stay.
    #[serde(default)]
    pub tags: TagChange,
    /// A comment beside the change, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}}: only exercise hosts")]
    pub comment: Option<String>,
}

/// Tags to put on and take off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct TagChange {
    /// Tags to put on, texts with `{{...}}`.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["triaged"])]
    pub add: Vec<String>,
    /// Tags to take off, texts with `{{...}}`.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub remove: Vec<String>,
}

/// Parameters of `commentIncident`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommentIncident {
    /// Incident id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{incident.id}}")]
    pub incident: String,
    /// The comment, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}}, run {{run.id}}")]
    pub comment: String,
}

/// Parameters of `mergeIncidents`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MergeIncidents {
    /// Incident ids, texts with `{{...}}`; two or more.
    #[schemars(length(min = 2), inner(length(min = 1)))]
    pub incidents: Vec<String>,
    /// Why, for people: a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}}, run {{run.id}}")]
    pub comment: String,
    /// Why, in the service's words.
    #[schemars(length(min = 1))]
    pub reasons: Vec<MergeReason>,
}

/// Parameters of `updateAlert`: at least one change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = [
    {"required": ["status"]}, {"required": ["classification"]}, {"required": ["determination"]},
    {"required": ["assignedTo"]}, {"required": ["comment"]}
]))]
pub struct UpdateAlert {
    /// Alert id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.AlertId}}")]
    pub alert: String,
    /// New status.
    pub status: Option<AlertStatus>,
    /// Whether it was right.
    pub classification: Option<Classification>,
    /// What it was; goes with `classification`.
    pub determination: Option<Determination>,
    /// New owner: a sign-in name, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"soc-tier1@contoso.example")]
    pub assigned_to: Option<String>,
    /// A comment beside the change, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}}, run {{run.id}}")]
    pub comment: Option<String>,
}

/// Parameters of `updateAlerts`: at least one change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = [
    {"required": ["status"]}, {"required": ["classification"]}, {"required": ["determination"]},
    {"required": ["assignedTo"]}, {"required": ["comment"]}
]))]
pub struct UpdateAlerts {
    /// Alert ids, texts with `{{...}}`. A text that gives a list of ids, such as a column made by `make_set`, gives
    /// all of them.
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["{{row.AlertIds}}"])]
    pub alerts: Vec<String>,
    /// New status.
    pub status: Option<AlertStatus>,
    /// Whether it was right.
    pub classification: Option<Classification>,
    /// What it was; goes with `classification`.
    pub determination: Option<Determination>,
    /// New owner: a sign-in name, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"soc-tier1@contoso.example")]
    pub assigned_to: Option<String>,
    /// A comment beside the change, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}}, run {{run.id}}")]
    pub comment: Option<String>,
}

/// Parameters of `commentAlert`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommentAlert {
    /// Alert id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{alert.id}}")]
    pub alert: String,
    /// The comment, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}}, run {{run.id}}")]
    pub comment: String,
}

/// Parameters of `createAlert`. The service finds the event by device, time and report: take the three columns
/// untouched.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateAlert {
    /// Device id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.DeviceId}}")]
    pub device: String,
    /// When the event was, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.Timestamp}}")]
    pub event_time: String,
    /// The event's report, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.ReportId}}")]
    pub report_id: String,
    /// Severity.
    pub severity: CreatedSeverity,
    /// Title, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}}")]
    pub title: String,
    /// Description, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"Seen on {{row.DeviceName}}")]
    pub description: String,
    /// What to do about it, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"Ask the owner of {{row.DeviceName}}")]
    pub recommended_action: String,
    /// Kind of attack.
    pub category: AlertCategory,
}

/// Severities an alert can be raised with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CreatedSeverity {
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
}
