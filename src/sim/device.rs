//! What is done to devices beside response actions: tags, value, investigations; and what their actions leave.

use axum::http::StatusCode;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::call::{Call, Caller, Refusal};
use super::machine_action::{Kind, Status, body, required};
use super::mde::{READERS, machine_body, no_action, no_machine};
use super::reply::Reply;
use super::seed::stamp;
use super::serve::Service;

/// `POST /machines/{id}/tags`.
pub(super) fn tag(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    caller.may(&["Machine.ReadWrite.All"])?;
    let body = body(&call.body)?;
    let (value, action) = (required(&body, "Value")?, required(&body, "Action")?);
    let adds = match action.to_ascii_lowercase().as_str() {
        "add" => true,
        "remove" => false,
        _ => return Err(Refusal::bad("InvalidInput", "Action is 'Add' or 'Remove'.")),
    };
    let mut state = service.state(call.now);
    let machine = state.machines.get_mut(id).ok_or_else(|| no_machine(id))?;
    let tags = machine.view.entry("machineTags").or_insert_with(|| json!([]));
    if let Value::Array(tags) = tags {
        let same = |tag: &Value| tag.as_str().is_some_and(|tag| tag.eq_ignore_ascii_case(value));
        match (adds, tags.iter().any(same)) {
            (true, false) => tags.push(value.into()),
            (false, true) => tags.retain(|tag| !same(tag)),
            (true, true) | (false, false) => {}
        }
    }
    let effect = if adds { "addTag" } else { "removeTag" };
    service.effect(call, effect, id).detail(json!({"tag": value})).write();
    Ok(Reply::json(StatusCode::OK, &machine_body(call, machine)))
}

/// `POST /machines/{id}/setDeviceValue`.
pub(super) fn set_value(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    caller.may(&["Machine.ReadWrite.All"])?;
    let body = body(&call.body)?;
    let given = required(&body, "DeviceValue")?;
    let known = ["Low", "Normal", "High"].into_iter().find(|value| value.eq_ignore_ascii_case(given));
    let value =
        known.ok_or_else(|| Refusal::bad("InvalidInput", "DeviceValue is 'Low', 'Normal' or 'High'."))?;
    let mut state = service.state(call.now);
    let machine = state.machines.get_mut(id).ok_or_else(|| no_machine(id))?;
    machine.view.insert("deviceValue".to_owned(), value.into());
    service.effect(call, "setDeviceValue", id).detail(json!({"value": value})).write();
    Ok(Reply::json(StatusCode::OK, &machine_body(call, machine)))
}

/// `POST /machines/{id}/startInvestigation`: answered with an investigation, not with a machine action.
pub(super) fn investigate(
    service: &Service,
    call: &Call,
    caller: &Caller,
    id: &str,
) -> Result<Reply, Refusal> {
    caller.may(&["Alert.ReadWrite.All"])?;
    let body = body(&call.body)?;
    let comment = required(&body, "Comment")?;
    let mut state = service.state(call.now);
    let machine = state.machines.get(id).ok_or_else(|| no_machine(id))?;
    if !machine.text("osPlatform").starts_with("Windows") {
        let text = format!("Operating system {} is not supported.", machine.text("osPlatform"));
        return Err(Refusal::bad("OsPlatformNotSupported", text));
    }
    let name = machine.text("computerDnsName").to_owned();
    let number = state.number().to_string();
    let view = json!({
        "@odata.context": format!("{}/$metadata#Investigations/$entity", call.base),
        "id": number, "startTime": stamp(call.now), "endTime": null, "state": "Running",
        "cancelledBy": null, "statusDetails": null, "machineId": id, "computerDnsName": name,
        "triggeringAlertId": null,
    });
    service.effect(call, "startInvestigation", id).comment(comment).action(&number).write();
    Ok(Reply::json(StatusCode::CREATED, &view))
}

/// `GET /machineactions/{id}/getPackageUri`: a link that carries its own permission, in quotes inside the text.
pub(super) fn package_link(
    service: &Service,
    call: &Call,
    caller: &Caller,
    id: &str,
) -> Result<Reply, Refusal> {
    caller.may(READERS)?;
    let state = service.state(call.now);
    let collected = state.actions.iter().find(|action| {
        action.id == id
            && action.kind == Kind::CollectInvestigationPackage
            && action.status == Status::Succeeded
    });
    let action = collected.ok_or_else(|| no_action(id))?;
    let token: String =
        byte_serialize(format!("simulated/{}/{}==", action.id, call.seq).as_bytes()).collect();
    let link = format!("{}/_sim/packages/{}.zip?token={token}", call.base, action.machine);
    let context = format!("{}/$metadata#Edm.String", call.base);
    let value = Value::from(link).to_string();
    Ok(Reply::json(StatusCode::OK, &json!({"@odata.context": context, "value": value})))
}
