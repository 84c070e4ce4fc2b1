//! Actions on incidents and alerts.

use jiff::Timestamp;
use serde_json::Value;

use super::catalogue::case;
use super::step::{COMMENT_CHARS_MAX, DESCRIPTION_CHARS_MAX, render, short, target, tidy};
use super::{ActionError, ActionKind, Call, Spec, TargetKind};
use crate::model::{
    AlertCategory, AlertId, AlertSeverity, AlertStatus, Classification, Determination, IdError, IncidentId,
    IncidentStatus, MergeReason,
};
use crate::tenant::{AlertPatch, IncidentPatch, NewAlert, Operation, Seen};
use crate::text::Template;

/// Most alerts of one call. The service says nothing of a limit; more than this is a mistake of the playbook.
pub(super) const ALERTS_MAX: usize = 100;

/// Parameters of `updateIncident`.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentParams {
    /// The incident's id.
    pub incident: Template,
    /// New status.
    pub status: Option<IncidentStatus>,
    /// New classification.
    pub classification: Option<Classification>,
    /// New determination.
    pub determination: Option<Determination>,
    /// New owner.
    pub assigned_to: Option<Template>,
    /// Tags.
    pub tags: Tags,
    /// A comment beside the change.
    pub comment: Option<Template>,
}

/// Tags to put on and take off.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tags {
    /// To put on.
    pub add: Vec<Template>,
    /// To take off.
    pub remove: Vec<Template>,
}

/// Parameters of `updateAlert` and `updateAlerts`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertParams {
    /// Which alerts.
    pub alerts: WhichAlerts,
    /// New status.
    pub status: Option<AlertStatus>,
    /// New classification.
    pub classification: Option<Classification>,
    /// New determination.
    pub determination: Option<Determination>,
    /// New owner.
    pub assigned_to: Option<Template>,
    /// A comment beside the change.
    pub comment: Option<Template>,
}

/// Which alerts a change is about.
#[derive(Debug, Clone, PartialEq)]
pub enum WhichAlerts {
    /// One.
    One(Template),
    /// Several in one call. Each text gives an id or a JSON array of ids.
    Several(Vec<Template>),
}

/// Parameters of `mergeIncidents`.
#[derive(Debug, Clone, PartialEq)]
pub struct MergeParams {
    /// The incidents' ids.
    pub incidents: Vec<Template>,
    /// Why, for people.
    pub comment: Template,
    /// Why, in the service's words.
    pub reasons: Vec<MergeReason>,
}

/// Parameters of `createAlert`.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAlertParams {
    /// The device's id.
    pub device: Template,
    /// When the event was.
    pub event_time: Template,
    /// The event's report.
    pub report_id: Template,
    /// Severity.
    pub severity: AlertSeverity,
    /// Title.
    pub title: Template,
    /// Description.
    pub description: Template,
    /// What to do about it.
    pub recommended_action: Template,
    /// Kind of attack.
    pub category: AlertCategory,
}

impl IncidentParams {
    /// The change and the comment are two calls: each is journalled and judged by itself.
    pub(super) fn render(&self, texts: &Value) -> Result<Vec<Call>, ActionError> {
        let incident: IncidentId = target("incident", &self.incident, texts)?;
        let tags = |tags: &[Template]| {
            tags.iter().map(|tag| short("tags", tag, texts)).collect::<Result<Vec<_>, _>>()
        };
        let patch = IncidentPatch {
            status: self.status,
            classification: self.classification,
            determination: self.determination,
            assigned_to: self
                .assigned_to
                .as_ref()
                .map(|owner| render("assignedTo", owner, texts))
                .transpose()?,
            tags_add: tags(&self.tags.add)?,
            tags_remove: tags(&self.tags.remove)?,
            seen: None,
        };
        let mut calls = Vec::new();
        if patch != IncidentPatch::default() {
            let patch = IncidentPatch { seen: seen(texts, &incident), ..patch };
            calls.push(Call::new(Operation::UpdateIncident { incident: incident.clone(), patch }));
        }
        if let Some(comment) = &self.comment {
            let comment = tidy(&render("comment", comment, texts)?, COMMENT_CHARS_MAX);
            calls.push(Call::new(Operation::CommentIncident { incident, comment }));
        }
        Ok(calls)
    }
}

/// What of an incident people set, as the item shows it, if the item is that incident.
fn seen(texts: &Value, incident: &IncidentId) -> Option<Box<Seen>> {
    let item = texts
        .get("incident")
        .filter(|item| item.get("id").and_then(Value::as_str) == Some(incident.as_str()))?;
    serde_json::from_value(item.clone()).ok().map(Box::new)
}

impl AlertParams {
    /// Which action.
    #[must_use]
    pub const fn kind(&self) -> ActionKind {
        match self.alerts {
            WhichAlerts::One(_) => ActionKind::UpdateAlert,
            WhichAlerts::Several(_) => ActionKind::UpdateAlerts,
        }
    }

    pub(super) fn render(&self, texts: &Value) -> Result<Vec<Call>, ActionError> {
        let assigned_to =
            self.assigned_to.as_ref().map(|owner| render("assignedTo", owner, texts)).transpose()?;
        let patch = AlertPatch {
            status: self.status,
            classification: self.classification,
            determination: self.determination,
            assigned_to,
        };
        let comment = self.comment.as_ref().map(|text| render("comment", text, texts)).transpose()?;
        let comment = comment.map(|text| tidy(&text, COMMENT_CHARS_MAX));
        match &self.alerts {
            WhichAlerts::One(alert) => {
                let alert: AlertId = target("alert", alert, texts)?;
                let mut calls = Vec::new();
                if patch != AlertPatch::default() {
                    calls.push(Call::new(Operation::UpdateAlert { alert: alert.clone(), patch }));
                }
                calls.extend(comment.map(|comment| Call::new(Operation::CommentAlert { alert, comment })));
                Ok(calls)
            }
            WhichAlerts::Several(alerts) => {
                let alerts = alert_ids(alerts, texts)?;
                Ok(vec![Call::new(Operation::UpdateAlerts { alerts, patch, comment })])
            }
        }
    }
}

/// The ids that texts give, in order, each once.
fn alert_ids(written: &[Template], texts: &Value) -> Result<Vec<AlertId>, ActionError> {
    let mut ids: Vec<AlertId> = Vec::new();
    for template in written {
        let text = render("alerts", template, texts)?;
        let several =
            text.trim_start().starts_with('[').then(|| serde_json::from_str::<Vec<String>>(&text).ok());
        for id in several.flatten().unwrap_or_else(|| vec![text]) {
            let no_id = |error: IdError| ActionError::Target { parameter: "alerts", wanted: error.wanted() };
            let id = id.trim().parse().map_err(no_id)?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    match ids.len() {
        0 => Err(ActionError::Empty { parameter: "alerts" }),
        1..=ALERTS_MAX => Ok(ids),
        _ => Err(ActionError::Value { parameter: "alerts", wanted: "a list of at most 100 alerts" }),
    }
}

impl MergeParams {
    pub(super) fn render(&self, texts: &Value) -> Result<Operation, ActionError> {
        let mut incidents: Vec<IncidentId> = Vec::new();
        for template in &self.incidents {
            let id: IncidentId = target("incidents", template, texts)?;
            if !incidents.contains(&id) {
                incidents.push(id);
            }
        }
        if incidents.len() < 2 {
            return Err(ActionError::Value { parameter: "incidents", wanted: "two incidents or more" });
        }
        let comment = tidy(&render("comment", &self.comment, texts)?, COMMENT_CHARS_MAX);
        Ok(Operation::MergeIncidents { incidents, comment, reasons: self.reasons.clone() })
    }
}

impl NewAlertParams {
    pub(super) fn render(&self, texts: &Value) -> Result<Operation, ActionError> {
        let long = |name, template: &Template| {
            let text = tidy(&render(name, template, texts)?, DESCRIPTION_CHARS_MAX);
            if text.is_empty() { Err(ActionError::Empty { parameter: name }) } else { Ok(text) }
        };
        let at = render("eventTime", &self.event_time, texts)?;
        let at: Timestamp = at.trim().parse().map_err(|_not_a_time| ActionError::Value {
            parameter: "eventTime",
            wanted: "a time, as the row's `Timestamp` is",
        })?;
        let report_id = short("reportId", &self.report_id, texts)?;
        if !report_id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ActionError::Value {
                parameter: "reportId",
                wanted: "a number, as the row's `ReportId` is",
            });
        }
        Ok(Operation::CreateAlert(Box::new(NewAlert {
            machine_id: target("device", &self.device, texts)?,
            event_time: at,
            report_id,
            severity: self.severity,
            title: long("title", &self.title)?,
            description: long("description", &self.description)?,
            recommended_action: long("recommendedAction", &self.recommended_action)?,
            category: self.category,
        })))
    }
}

pub(super) const UPDATE_INCIDENT: Spec = Spec {
    summary: "Sets an incident's status, classification, owner or tags; follows it where it was merged to, and \
              leaves what somebody else has set meanwhile.",
    ..case("PATCH /v1.0/security/incidents/{id}", TargetKind::Incident)
};
pub(super) const COMMENT_INCIDENT: Spec = Spec {
    summary: "Adds a comment to an incident.",
    ..case("POST /v1.0/security/incidents/{id}/comments", TargetKind::Incident)
};
pub(super) const MERGE_INCIDENTS: Spec = Spec {
    summary: "Makes one incident of several; the service says which one stays. Nothing takes it back.",
    beside: &[crate::tenant::permission::INCIDENTS],
    ..case("POST /v1.0/security/incidents/microsoft.graph.security.mergeIncidents", TargetKind::Incident)
};
pub(super) const UPDATE_ALERT: Spec = Spec {
    summary: "Sets an alert's status, classification or owner.",
    ..case("PATCH /v1.0/security/alerts_v2/{id}", TargetKind::Alert)
};
pub(super) const UPDATE_ALERTS: Spec = Spec {
    summary: "Sets the status, classification or owner of several alerts in one call, with a comment. Ten calls a \
              minute, five hundred an hour.",
    ..case("POST /api/alerts/batchUpdate", TargetKind::Alert)
};
pub(super) const COMMENT_ALERT: Spec = Spec {
    summary: "Adds a comment to an alert.",
    ..case("POST /v1.0/security/alerts_v2/{id}/comments", TargetKind::Alert)
};
pub(super) const CREATE_ALERT: Spec = Spec {
    summary: "Raises an alert about an event on a device, by the row's DeviceId, Timestamp and ReportId. An open \
              alert of the same title there takes it in; an investigation may start by itself. Fifteen calls a minute.",
    ..case("POST /api/alerts/CreateAlertByReference", TargetKind::Alert)
};
