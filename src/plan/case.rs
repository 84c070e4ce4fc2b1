//! The parameters of actions on incidents and alerts.

use super::params::Texts;
use crate::action::{AlertParams, IncidentParams, MergeParams, NewAlertParams, Params, Tags, WhichAlerts};
use crate::diag::Code;
use crate::model::{AlertId, AlertSeverity, Classification, Determination, DeviceId, IncidentId};
use crate::playbook::{self, ActionBody, CreatedSeverity, UpdateIncident};

/// Understands an action on an incident or alert; nothing, if it is none or has problems.
pub(super) fn case(texts: &mut Texts<'_, '_>, body: &ActionBody) -> Option<Params> {
    match body {
        ActionBody::UpdateIncident(body) => incident(texts, body),
        ActionBody::CommentIncident(body) => {
            let (incident, comment) =
                (texts.id::<IncidentId>("incident", &body.incident), texts.text("comment", &body.comment));
            Some(Params::CommentIncident { incident: incident?, comment: comment? })
        }
        ActionBody::MergeIncidents(body) => {
            let (incidents, comment) =
                (texts.all("incidents", &body.incidents), texts.text("comment", &body.comment));
            let reasons = body.reasons.clone();
            Some(Params::MergeIncidents(Box::new(MergeParams {
                incidents: incidents?,
                comment: comment?,
                reasons,
            })))
        }
        ActionBody::UpdateAlert(body) => {
            determined(texts, body.classification, body.determination);
            let alert = texts.id::<AlertId>("alert", &body.alert);
            let assigned_to = texts.optional("assignedTo", body.assigned_to.as_ref());
            let comment = texts.optional("comment", body.comment.as_ref());
            Some(Params::UpdateAlert(Box::new(AlertParams {
                alerts: WhichAlerts::One(alert?),
                status: body.status,
                classification: body.classification,
                determination: body.determination,
                assigned_to: assigned_to.ok()?,
                comment: comment.ok()?,
            })))
        }
        ActionBody::UpdateAlerts(body) => alerts(texts, body),
        ActionBody::CommentAlert(body) => {
            let (alert, comment) =
                (texts.id::<AlertId>("alert", &body.alert), texts.text("comment", &body.comment));
            Some(Params::CommentAlert { alert: alert?, comment: comment? })
        }
        ActionBody::CreateAlert(body) => created(texts, body),
        _ => None,
    }
}

fn alerts(texts: &mut Texts<'_, '_>, body: &playbook::UpdateAlerts) -> Option<Params> {
    determined(texts, body.classification, body.determination);
    let alerts = texts.all("alerts", &body.alerts);
    let assigned_to = texts.optional("assignedTo", body.assigned_to.as_ref());
    let comment = texts.optional("comment", body.comment.as_ref());
    Some(Params::UpdateAlert(Box::new(AlertParams {
        alerts: WhichAlerts::Several(alerts?),
        status: body.status,
        classification: body.classification,
        determination: body.determination,
        assigned_to: assigned_to.ok()?,
        comment: comment.ok()?,
    })))
}

fn created(texts: &mut Texts<'_, '_>, body: &playbook::CreateAlert) -> Option<Params> {
    let device = texts.id::<DeviceId>("device", &body.device);
    let event_time = texts.text("eventTime", &body.event_time);
    let report_id = texts.text("reportId", &body.report_id);
    let title = texts.text("title", &body.title);
    let description = texts.text("description", &body.description);
    let recommended_action = texts.text("recommendedAction", &body.recommended_action);
    Some(Params::CreateAlert(Box::new(NewAlertParams {
        device: device?,
        event_time: event_time?,
        report_id: report_id?,
        severity: match body.severity {
            CreatedSeverity::Low => AlertSeverity::Low,
            CreatedSeverity::Medium => AlertSeverity::Medium,
            CreatedSeverity::High => AlertSeverity::High,
        },
        title: title?,
        description: description?,
        recommended_action: recommended_action?,
        category: body.category,
    })))
}

fn incident(texts: &mut Texts<'_, '_>, body: &UpdateIncident) -> Option<Params> {
    determined(texts, body.classification, body.determination);
    let incident = texts.id::<IncidentId>("incident", &body.incident);
    let assigned_to = texts.optional("assignedTo", body.assigned_to.as_ref());
    let add = texts.all("tags/add", &body.tags.add);
    let remove = texts.all("tags/remove", &body.tags.remove);
    let comment = texts.optional("comment", body.comment.as_ref());
    Some(Params::UpdateIncident(Box::new(IncidentParams {
        incident: incident?,
        status: body.status,
        classification: body.classification,
        determination: body.determination,
        assigned_to: assigned_to.ok()?,
        tags: Tags { add: add?, remove: remove? },
        comment: comment.ok()?,
    })))
}

/// A determination says what a classification means, so it needs one.
fn determined(
    texts: &mut Texts<'_, '_>,
    classification: Option<Classification>,
    determination: Option<Determination>,
) {
    let Some(determination) = determination else { return };
    let at = format!("{}/determination", texts.at);
    let Some(classification) = classification else {
        let message = "`determination` says nothing without `classification`";
        texts.lowering.error(Code::KeyCombination, &at, message, "add `classification`");
        return;
    };
    if !classification.takes(determination) {
        let fits: Vec<String> = Determination::ALL
            .iter()
            .filter(|one| **one != Determination::Unknown && classification.takes(**one))
            .map(|one| format!("`{one}`"))
            .collect();
        let message =
            format!("`{determination}` does not go with `{classification}`: the service refuses the pair");
        texts.lowering.error(Code::KeyCombination, &at, message, &format!("it takes {}", fits.join(", ")));
    }
}
