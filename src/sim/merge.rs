//! Incidents made one, and alerts of Defender for Endpoint: several changed at once, new ones about events.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{Call, Caller, Refusal, shown};
use super::machine_action::body;
use super::reply::Reply;
use super::seed::stamp;
use super::serve::Service;
use super::state::{Object, State};
use crate::model::{AlertCategory, AlertStatus, Classification, MergeReason};

/// `POST /security/incidents/microsoft.graph.security.mergeIncidents`. The oldest incident stays; the others are
/// redirected to it, and their alerts move.
pub(super) fn merge(service: &Service, call: &Call, caller: &Caller) -> Result<Reply, Refusal> {
    caller.may(&["SecurityData.Manage.All"])?;
    let body = call.object()?;
    let ids: Vec<String> = body
        .get("incidentIds")
        .and_then(Value::as_array)
        .map(|ids| ids.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    let reasons = body.get("mergeReasons").and_then(Value::as_str).unwrap_or_default();
    for reason in reasons.split(',').map(str::trim) {
        if serde_json::from_value::<MergeReason>(reason.into()).is_err() {
            return Err(Refusal::bad(
                "BadRequest",
                format!("Requested value '{}' was not found.", shown(reason)),
            ));
        }
    }
    let mut state = service.state(call.now);
    let made = |state: &State, id: &str| {
        state.incidents.get(id).and_then(|one| one.get("createdDateTime")?.as_str().map(str::to_owned))
    };
    for id in &ids {
        let found = state.incidents.get(id);
        let found = found.ok_or_else(|| Refusal::missing("NotFound", "An incident was not found."))?;
        if found.get("redirectIncidentId").is_some_and(Value::is_string) {
            return Err(Refusal::bad("BadRequest", "An incident was merged into another one."));
        }
    }
    let target = ids.iter().min_by_key(|id| made(&state, id)).filter(|_| 1 < ids.len()).cloned();
    let target = target.ok_or_else(|| Refusal::bad("BadRequest", "Two incidents or more are needed."))?;
    for id in ids.iter().filter(|id| **id != target) {
        if let Some(incident) = state.incidents.get_mut(id) {
            incident.insert("status".to_owned(), "redirected".into());
            incident.insert("redirectIncidentId".to_owned(), target.clone().into());
            incident.insert("lastUpdateDateTime".to_owned(), stamp(call.now).into());
        }
        let here = |alert: &&mut Object| alert.get("incidentId").and_then(Value::as_str) == Some(id);
        for alert in state.alerts.values_mut().filter(here) {
            alert.insert("incidentId".to_owned(), target.clone().into());
        }
    }
    let comment = body.get("incidentComment").and_then(Value::as_str).unwrap_or_default();
    service
        .effect(call, "mergeIncidents", &target)
        .comment(comment)
        .detail(json!({"incidents": ids}))
        .write();
    Ok(Reply::json(StatusCode::OK, &json!({"targetIncidentId": target})))
}

/// Checks a member of an alert in this API's spelling, and gives it Graph's.
fn word(key: &str, value: &str) -> Result<Value, Refusal> {
    let found = match key {
        "status" => AlertStatus::parse(value)
            .filter(|status| *status != AlertStatus::Unknown)
            .map(AlertStatus::as_str),
        "classification" => Classification::parse(value).map(Classification::as_str),
        "determination" => {
            // The batch page's own words where they differ from Graph's.
            let graph = match value {
                "CompromisedUser" => "compromisedAccount",
                "Clean" => "notMalicious",
                "InsufficientData" => "notEnoughDataToValidate",
                "ConfirmedUserActivity" => "confirmedActivity",
                other => other,
            };
            crate::model::Determination::parse(graph).map(crate::model::Determination::as_str)
        }
        _ => None,
    };
    found.map(Value::from).ok_or_else(|| {
        Refusal::bad("InvalidRequestBody", format!("Requested value '{}' was not found.", shown(value)))
    })
}

/// `POST /alerts/batchUpdate`: 200 without a body; ten calls a minute.
pub(super) fn batch(service: &Service, call: &Call, caller: &Caller) -> Result<Reply, Refusal> {
    caller.may(&["Alert.ReadWrite.All"])?;
    let body = body(&call.body)?;
    let ids: Vec<&str> = body
        .get("alertIds")
        .and_then(Value::as_array)
        .map(|ids| ids.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if ids.is_empty() {
        return Err(Refusal::bad(
            "MissingRequiredParameter",
            "The required parameter 'alertIds' is missing.",
        ));
    }
    let mut change = Object::new();
    for key in ["status", "classification", "determination"] {
        if let Some(text) = body.get(key).and_then(Value::as_str) {
            change.insert(key.to_owned(), word(key, text)?);
        }
    }
    if let Some(owner) = body.get("assignedTo").filter(|owner| owner.is_string()) {
        change.insert("assignedTo".to_owned(), owner.clone());
    }
    let comment = body.get("comment").and_then(Value::as_str);
    let mut state = service.state(call.now);
    state.admit("alerts/batchUpdate", 10, call.now)?;
    if let Some(missing) = ids.iter().find(|id| !state.alerts.contains_key(**id)) {
        return Err(Refusal::missing("ResourceNotFound", format!("Alert {} was not found", shown(missing))));
    }
    for id in ids {
        let Some(alert) = state.alerts.get_mut(id) else { continue };
        alert.extend(change.clone());
        alert.insert("lastUpdateDateTime".to_owned(), stamp(call.now).into());
        if let (Some(text), Some(list)) = (comment, alert.get_mut("comments").and_then(Value::as_array_mut)) {
            list.push(json!({
                "comment": text, "createdByDisplayName": caller.name, "createdDateTime": stamp(call.now),
            }));
        }
        let effect = service.effect(call, "updateAlert", id).detail(change.clone().into());
        if let Some(text) = comment { effect.comment(text).write() } else { effect.write() }
    }
    Ok(Reply::empty(StatusCode::OK))
}

/// `POST /alerts/CreateAlertByReference`. The event's time has seven digits and its report is a text, or the event
/// is not found; fifteen calls a minute.
pub(super) fn create(service: &Service, call: &Call, caller: &Caller) -> Result<Reply, Refusal> {
    caller.may(&["Alert.ReadWrite.All"])?;
    let body = body(&call.body)?;
    let text = |name: &str| {
        body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or_else(|| {
            Refusal::bad("InvalidRequestBody", format!("The required parameter '{name}' is missing."))
        })
    };
    let (machine, at, report) = (text("machineId")?, text("eventTime")?, text("reportId")?);
    let (title, description) = (text("title")?, text("description")?);
    text("recommendedAction")?;
    let category = text("category")?;
    if serde_json::from_value::<AlertCategory>(category.into()).is_err() {
        return Err(Refusal::bad("InvalidRequestBody", format!("'{}' is no category.", shown(category))));
    }
    let severity = text("severity")?;
    if !["Low", "Medium", "High"].contains(&severity) {
        return Err(Refusal::bad("InvalidRequestBody", format!("'{}' is no severity.", shown(severity))));
    }
    let mut state = service.state(call.now);
    state.admit("alerts/CreateAlertByReference", 15, call.now)?;
    let exact = at.split_once('.').is_some_and(|(_, digits)| digits.trim_end_matches('Z').len() == 7);
    let name = state.machine(machine).map(|machine| machine.text("computerDnsName").to_owned());
    let (true, true, Some(name)) = (exact, at.parse::<Timestamp>().is_ok(), name) else {
        return Err(Refusal::missing("ResourceNotFound", "The event was not found."));
    };
    let same = |alert: &&Object| {
        let is = |key: &str, value: &str| alert.get(key).and_then(Value::as_str) == Some(value);
        is("title", title)
            && !is("status", "resolved")
            && alert.get("machineId").and_then(Value::as_str) == Some(machine)
    };
    let open =
        state.alerts.values().find(same).and_then(|alert| alert.get("id")?.as_str().map(str::to_owned));
    let id = match open {
        Some(id) => id,
        None => raise(&mut state, call, (machine, &name), (title, description, severity, category)),
    };
    let about = json!({"machineId": machine, "reportId": report, "eventTime": at});
    service.effect(call, "createAlert", &id).detail(about).write();
    let shown = json!({
        "id": id, "title": title, "description": description, "severity": severity, "category": category,
        "status": "New", "machineId": machine, "computerDnsName": name, "investigationState": "Queued",
        "detectionSource": "CustomerTI", "alertCreationTime": stamp(call.now), "comments": [], "evidence": [],
    });
    Ok(Reply::json(StatusCode::OK, &shown))
}

/// Adds an alert, with an incident of its own.
fn raise(
    state: &mut State,
    call: &Call,
    (machine, name): (&str, &str),
    (title, description, severity, category): (&str, &str, &str, &str),
) -> String {
    let number = state.number();
    let (id, incident) = (format!("hb{number}_1"), format!("90{number}"));
    let now = stamp(call.now);
    let case = |mut object: Value| {
        if let Some(members) = object.as_object_mut() {
            members.insert("createdDateTime".to_owned(), now.clone().into());
            members.insert("lastUpdateDateTime".to_owned(), now.clone().into());
            members.insert("severity".to_owned(), severity.to_lowercase().into());
            members.insert("classification".to_owned(), "unknown".into());
            members.insert("determination".to_owned(), "unknown".into());
            members.insert("comments".to_owned(), json!([]));
            members.insert("systemTags".to_owned(), json!([]));
            return members.clone();
        }
        Object::new()
    };
    let evidence = json!([{
        "@odata.type": "#microsoft.graph.security.deviceEvidence", "mdeDeviceId": machine, "deviceDnsName": name,
        "createdDateTime": now, "verdict": "unknown", "remediationStatus": "none", "roles": [], "tags": [],
    }]);
    let alert = case(json!({
        "id": id, "incidentId": incident, "title": title, "description": description, "category": category,
        "status": "new", "serviceSource": "microsoftDefenderForEndpoint", "detectionSource": "customTi",
        "evidence": evidence, "mitreTechniques": [], "machineId": machine,
    }));
    let whole = case(json!({
        "id": incident, "displayName": title, "status": "active", "customTags": [], "redirectIncidentId": null,
    }));
    state.alerts.insert(id.clone(), alert);
    state.incidents.insert(incident, whole);
    id
}
