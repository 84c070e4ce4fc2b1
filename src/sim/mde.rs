//! Defender for Endpoint: machines, response actions, tags, and its envelope. Also the old hunting
//! address of Defender XDR, which wraps trouble the same way.
//!
//! Addresses are taken whatever their case, as the documentation spells them in several ways; names of
//! body members are not.

use std::borrow::Borrow;

use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};

use super::app::Api;
use super::call::{Call, Caller, Refusal, Served, shown};
use super::machine_action::{Action, Completion, Duplicates, Kind, Order, Status, Target, body, required};
use super::merge;
use super::odata::{Filter, Page, known_options};
use super::query;
use super::reply::Reply;
use super::serve::Service;
use super::state::{Machine, Object};
use super::{device, indicators, live};

/// Largest page of every list. Source: the resource pages.
const PAGE_MAX: usize = 10_000;

pub(super) const READERS: &[&str] = &["Machine.Read.All", "Machine.ReadWrite.All"];

/// Serves `/mde/api/…`; `path` is what follows `api`.
pub(super) async fn serve(service: &Service, call: &Call, path: &[&str]) -> Served {
    let caller = match service.directory.admit(Api::Mde, call) {
        Ok(caller) => caller,
        Err(refused) => return envelope(call, &refused).into(),
    };
    let app = Some(caller.app.clone());
    let lower: Vec<String> = path.iter().map(|part| part.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    if call.method == "POST" && lower == ["advancedqueries", "run"] {
        let (result, note) = query::legacy(service, call, &caller, "AdvancedQuery.Read.All").await;
        let reply = result.unwrap_or_else(|refused| envelope(call, &refused));
        return Served { reply, app, note: Some(note) };
    }
    let reply = route(service, call, &caller, &lower).unwrap_or_else(|refused| envelope(call, &refused));
    Served { reply, app, note: None }
}

/// Serves `/xdr/api/…`: the old hunting address alone.
pub(super) async fn serve_xdr(service: &Service, call: &Call, path: &[&str]) -> Served {
    let caller = match service.directory.admit(Api::Xdr, call) {
        Ok(caller) => caller,
        Err(refused) => return envelope(call, &refused).into(),
    };
    let app = Some(caller.app.clone());
    if call.method != "POST" || path != ["advancedhunting", "run"] {
        return Served { reply: envelope(call, &query::unknown(path)), app, note: None };
    }
    let (result, note) = query::legacy(service, call, &caller, "AdvancedHunting.Read.All").await;
    let reply = result.unwrap_or_else(|refused| envelope(call, &refused));
    Served { reply, app, note: Some(note) }
}

/// What the name of a session's result begins with, in lower case.
const RESULT: &str = "getliveresponseresultdownloadlink";

fn route(service: &Service, call: &Call, caller: &Caller, path: &[&str]) -> Result<Reply, Refusal> {
    match (call.method.as_str(), path) {
        ("GET", ["machines"]) => machines(service, call, caller),
        ("GET", ["machines", id]) => machine(service, call, caller, id),
        ("POST", ["machines", id, "tags"]) => device::tag(service, call, caller, id),
        ("POST", ["machines", id, "setdevicevalue"]) => device::set_value(service, call, caller, id),
        ("POST", ["machines", id, "startinvestigation"]) => device::investigate(service, call, caller, id),
        ("POST", ["machines", id, action]) => match Kind::find(action) {
            Some(kind) => act(service, call, caller, (id, kind)),
            None => Err(query::unknown(path)),
        },
        ("GET", ["machineactions"]) => actions(service, call, caller),
        ("GET", ["machineactions", id]) => action(service, call, caller, id),
        ("GET", ["machineactions", id, "getpackageuri"]) => device::package_link(service, call, caller, id),
        ("GET", ["machineactions", id, result]) if result.starts_with(RESULT) => {
            live::result_link(service, call, caller, (id, result.trim_start_matches(RESULT)))
        }
        ("POST", ["machineactions", id, "cancel"]) => cancel(service, call, caller, id),
        ("POST", ["alerts", "batchupdate"]) => merge::batch(service, call, caller),
        ("POST", ["alerts", "createalertbyreference"]) => merge::create(service, call, caller),
        ("GET", ["indicators"]) => indicators::list(service, call, caller),
        ("POST", ["indicators"]) => indicators::put(service, call, caller),
        ("POST", ["indicators", "import"]) => indicators::import(service, call, caller),
        ("POST", ["indicators", "batchdelete"]) => indicators::delete_batch(service, call, caller),
        ("DELETE", ["indicators", id]) => indicators::delete(service, call, caller, id),
        _ => Err(query::unknown(path)),
    }
}

pub(super) fn no_machine(id: &str) -> Refusal {
    Refusal::missing("ResourceNotFound", format!("Machine {} was not found", shown(id)))
}

/// `GET /machines`.
fn machines(service: &Service, call: &Call, caller: &Caller) -> Result<Reply, Refusal> {
    const FIELDS: &[&str] = &[
        "computerDnsName",
        "id",
        "version",
        "deviceValue",
        "aadDeviceId",
        "machineTags",
        "lastSeen",
        "exposureLevel",
        "onboardingStatus",
        "lastIpAddress",
        "healthStatus",
        "osPlatform",
        "riskScore",
        "rbacGroupId",
    ];
    caller.may(READERS)?;
    let state = service.state(call.now);
    listed(call, "Machines", FIELDS, state.machines.values().map(|machine| &machine.view))
}

/// A page of what a filter over `fields` keeps.
pub(super) fn listed<V: Borrow<Object>>(
    call: &Call,
    collection: &str,
    fields: &[&str],
    views: impl Iterator<Item = V>,
) -> Result<Reply, Refusal> {
    let filter = read_filter(call, fields)?;
    let keeps = |view: &V| filter.as_ref().is_none_or(|filter| filter.keeps(view.borrow()));
    let page = Page::cut(call, views.filter(keeps).collect(), PAGE_MAX)?;
    let body = page.into_json(call, collection, |view| view.borrow().clone().into());
    Ok(Reply::json(StatusCode::OK, &body))
}

/// Reads a filter, with the codes of this API.
fn read_filter(call: &Call, fields: &[&str]) -> Result<Option<Filter>, Refusal> {
    let odata = |refusal: Refusal| Refusal { code: "ODataError".to_owned(), ..refusal };
    known_options(call, &["$filter", "$top", "$skip"]).map_err(odata)?;
    Filter::read(call, fields).map_err(odata)
}

/// `GET /machines/{id or name}`.
fn machine(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    caller.may(READERS)?;
    let state = service.state(call.now);
    let machine = state.machine(id).ok_or_else(|| no_machine(id))?;
    Ok(Reply::json(StatusCode::OK, &machine_body(call, machine)))
}

pub(super) fn machine_body(call: &Call, machine: &Machine) -> Value {
    let mut view = Object::new();
    view.insert("@odata.context".to_owned(), format!("{}/$metadata#Machines/$entity", call.base).into());
    view.extend(machine.view.iter().map(|(key, value)| (key.clone(), value.clone())));
    view.into()
}

/// `POST /machines/{id}/isolate` and the other response actions.
///
/// Isolating a device that is isolated already is accepted as another action: no page says that it is
/// refused, and a client must not rely on it.
fn act(service: &Service, call: &Call, caller: &Caller, (id, kind): (&str, Kind)) -> Result<Reply, Refusal> {
    caller.may(&[kind.role()])?;
    let order = Order::read(kind, &body(&call.body)?)?;
    let mut state = service.state(call.now);
    let machine = state.machines.get(id).ok_or_else(|| no_machine(id))?;
    order.suits(machine.text("osPlatform"))?;
    let (name, reach) = (machine.text("computerDnsName").to_owned(), machine.reach);
    let open = |action: &&Action| {
        let same = action.kind == kind && action.sha1 == order.sha1;
        same && action.machine == id && action.status.is_open()
    };
    if let Some(open) = state.actions.iter().find(open) {
        match service.rules.duplicates {
            Duplicates::Refused => {
                return Err(Refusal::bad("ActiveRequestAlreadyExists", "Action is already in progress"));
            }
            Duplicates::Returned => return Ok(action_reply(call, StatusCode::CREATED, open)),
            Duplicates::Queued => {}
        }
    }
    if kind == Kind::LiveResponse {
        live::has_room(&state)?;
    }
    let target =
        Target { id: state.guid(), machine: id, machine_name: &name, reach, requestor: &caller.name };
    let detail = json!({"scope": order.scope, "sha1": order.sha1, "commands": order.commands});
    let comment = order.comment.clone();
    let mut action = Action::new(order, &target, service.rules.timing, call.now);
    let earlier = state.actions.iter().find(|other| other.machine == id && other.status.is_open());
    if let (Completion::LastFirst, Some(other)) = (service.rules.completion, earlier) {
        action.overtake(other);
    }
    let reply = action_reply(call, StatusCode::CREATED, &action);
    service.effect(call, kind.effect(), id).comment(&comment).action(&action.id).detail(detail).write();
    state.actions.push(action);
    Ok(reply)
}

fn action_reply(call: &Call, status: StatusCode, action: &Action) -> Reply {
    let mut view = Object::new();
    let context = format!("{}/$metadata#MachineActions/$entity", call.base);
    view.insert("@odata.context".to_owned(), context.into());
    view.extend(action.view());
    Reply::json(status, &view.into())
}

/// `GET /machineactions`, newest first.
fn actions(service: &Service, call: &Call, caller: &Caller) -> Result<Reply, Refusal> {
    const FIELDS: &[&str] = &["id", "status", "machineId", "type", "requestor", "creationDateTimeUtc"];
    caller.may(READERS)?;
    let state = service.state(call.now);
    listed(call, "MachineActions", FIELDS, state.actions.iter().rev().map(Action::view))
}

pub(super) fn no_action(id: &str) -> Refusal {
    Refusal::missing("ResourceNotFound", format!("MachineAction {} was not found", shown(id)))
}

/// `GET /machineactions/{id}`.
fn action(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    caller.may(READERS)?;
    let state = service.state(call.now);
    let action = state.actions.iter().find(|action| action.id == id).ok_or_else(|| no_action(id))?;
    Ok(action_reply(call, StatusCode::OK, action))
}

/// `POST /machineactions/{id}/cancel`.
fn cancel(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    let body = body(&call.body)?;
    let comment = required(&body, "Comment")?;
    let mut state = service.state(call.now);
    let found = state.actions.iter_mut().find(|action| action.id == id);
    let action = found.ok_or_else(|| no_action(id))?;
    caller.may(&[action.kind.role()])?;
    if !action.status.is_open() {
        return Err(Refusal::bad("BadRequest", "The action is not pending or in progress."));
    }
    action.status = Status::Cancelled;
    action.updated = call.now;
    action.cancelled = Some((caller.name.clone(), comment.to_owned(), call.now));
    service.effect(call, "cancel", &action.machine).comment(comment).action(id).write();
    Ok(action_reply(call, StatusCode::OK, action))
}

/// Wraps a refusal as Defender does.
pub(super) fn envelope(call: &Call, refusal: &Refusal) -> Reply {
    let body = json!({"error": {
        "code": refusal.code, "message": refusal.message, "target": call.request_id(),
    }});
    let reply = refusal.answered(&body);
    if refusal.status == StatusCode::UNAUTHORIZED {
        return reply.with(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"");
    }
    reply
}
