//! Microsoft Graph: its routes, its users, its envelope.

use axum::http::header::{HeaderName, WWW_AUTHENTICATE};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::app::Api;
use super::call::{Call, Caller, Refusal, Served, shown};
use super::cases::{self, Case};
use super::query;
use super::reply::Reply;
use super::serve::Service;
use super::tables::api_type;

/// Serves `/graph/v1.0/…`; `path` is what follows the version.
pub(super) async fn serve(service: &Service, call: &Call, path: &[&str]) -> Served {
    let caller = match service.directory.admit(Api::Graph, call) {
        Ok(caller) => caller,
        Err(refused) => return envelope(call, &refused).into(),
    };
    let app = Some(caller.app.clone());
    if call.method == Method::POST && is_hunt(path) {
        let (result, note) = query::graph(service, call, &caller).await;
        let reply = result.unwrap_or_else(|refused| envelope(call, &refused));
        return Served { reply: identified(call, reply), app, note: Some(note) };
    }
    let reply = route(service, call, &caller, path).unwrap_or_else(|refused| envelope(call, &refused));
    Served { reply: identified(call, reply), app, note: None }
}

/// Whether a path is `security/runHuntingQuery`, qualified or not.
fn is_hunt(path: &[&str]) -> bool {
    let ["security", function] = path else { return false };
    matches!(*function, "runHuntingQuery" | "microsoft.graph.security.runHuntingQuery")
}

fn route(service: &Service, call: &Call, caller: &Caller, path: &[&str]) -> Result<Reply, Refusal> {
    match (call.method.as_str(), path) {
        ("GET", ["security", list]) if let Some(case) = Case::named(list) => {
            cases::list(service, call, caller, case)
        }
        ("GET", ["security", list, id]) if let Some(case) = Case::named(list) => {
            cases::one(service, call, caller, (case, id))
        }
        ("PATCH", ["security", list, id]) if let Some(case) = Case::named(list) => {
            cases::update(service, call, caller, (case, id))
        }
        ("POST", ["security", list, id, "comments"]) if let Some(case) = Case::named(list) => {
            cases::comment(service, call, caller, (case, id))
        }
        ("GET", ["security", "getHuntingSchema"]) if call.path.contains("/beta/") => {
            tables(service, call, caller)
        }
        ("GET", ["security", "incidents", id, "alerts"]) => cases::alerts_of(service, call, caller, id),
        ("GET", ["users", id]) => user(service, call, caller, id),
        ("PATCH", ["users", id]) => enable_user(service, call, caller, id),
        ("POST", ["users", id, "revokeSignInSessions"]) => revoke(service, call, caller, id),
        _ => Err(Refusal::no_route(call)),
    }
}

/// `GET /beta/security/getHuntingSchema`.
fn tables(service: &Service, call: &Call, caller: &Caller) -> Result<Reply, Refusal> {
    caller.may(&["ThreatHunting.Read.All"])?;
    let schema = service.hunter.schema();
    let column =
        |(name, ty): (String, &str)| json!({"name": name, "dataType": api_type(ty), "description": ""});
    let table = |name: &str| {
        let columns: Vec<Value> = schema.columns(name).into_iter().map(column).collect();
        json!({"name": name, "description": "", "columns": columns})
    };
    let tables: Vec<Value> = schema.tables().map(table).collect();
    Ok(Reply::json(
        StatusCode::OK,
        &json!({
            "@odata.context": format!("{}/$metadata#microsoft.graph.security.huntingSchema", call.base),
            "tables": tables,
            "functions": {"builtInFunctions": [], "savedFunctions": []},
        }),
    ))
}

fn no_user(id: &str) -> Refusal {
    let text = format!(
        "Resource '{}' does not exist or one of its queried reference-property objects are not present.",
        shown(id)
    );
    Refusal::missing("Request_ResourceNotFound", text)
}

/// `GET /users/{id}`.
fn user(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    caller.may(&["User.Read.All", "User.ReadWrite.All"])?;
    let mut state = service.state(call.now);
    let user = state.user_mut(id).ok_or_else(|| no_user(id))?;
    let mut body = user.view.clone();
    drop(state);
    if let Some(select) = call.option("$select") {
        let wanted: Vec<&str> = select.split(',').map(str::trim).collect();
        body.retain(|key, _| wanted.contains(&key.as_str()));
    }
    let context = format!("{}/$metadata#users/$entity", call.base);
    body.insert("@odata.context".to_owned(), context.into());
    Ok(Reply::json(StatusCode::OK, &Value::Object(body)))
}

/// `PATCH /users/{id}` with `accountEnabled`, the only member this server changes.
fn enable_user(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    // The least role needs another to read the user; with the greater one neither is needed.
    if caller.may(&["User.ReadWrite.All"]).is_err() {
        caller.may(&["User.EnableDisableAccount.All"])?;
        caller.may(&["User.Read.All"])?;
    }
    let body = call.object()?;
    let mut members = body.iter();
    let (Some((key, Value::Bool(enabled))), None) = (members.next(), members.next()) else {
        return Err(Refusal::bad(
            "Request_BadRequest",
            "Invalid value specified for property of resource 'User'.",
        ));
    };
    if key != "accountEnabled" {
        let text = format!("Property '{}' of resource 'User' cannot be changed here.", shown(key));
        return Err(Refusal::bad("Request_BadRequest", text));
    }
    let mut state = service.state(call.now);
    let user = state.user_mut(id).ok_or_else(|| no_user(id))?;
    let target = changeable(user)?;
    user.view.insert("accountEnabled".to_owned(), (*enabled).into());
    service.effect(call, if *enabled { "enableUser" } else { "disableUser" }, &target).write();
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// `POST /users/{id}/revokeSignInSessions`. Answers 200 with a value, as the service does, although its
/// pages say 204.
fn revoke(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    caller.may(&["User.RevokeSessions.All", "User.ReadWrite.All"])?;
    let mut state = service.state(call.now);
    let user = state.user_mut(id).ok_or_else(|| no_user(id))?;
    let target = changeable(user)?;
    user.revoked += 1;
    service.effect(call, "revokeSessions", &target).write();
    let context = format!("{}/$metadata#Edm.Boolean", call.base);
    Ok(Reply::json(StatusCode::OK, &json!({"@odata.context": context, "value": true})))
}

/// The id of a user an application may change: it needs more than a role for privileged ones.
fn changeable(user: &super::state::User) -> Result<String, Refusal> {
    if user.privileged {
        let text = "Insufficient privileges to complete the operation.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", text));
    }
    Ok(user.view.get("id").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// Adds the ids support asks for.
fn identified(call: &Call, reply: Reply) -> Reply {
    let reply = reply.with(HeaderName::from_static("request-id"), &call.request_id().to_string());
    match call.header("client-request-id") {
        Some(id) => reply.with(HeaderName::from_static("client-request-id"), id),
        None => reply,
    }
}

/// Wraps a refusal as Graph does.
pub(super) fn envelope(call: &Call, refusal: &Refusal) -> Reply {
    let unauthorized = refusal.status == StatusCode::UNAUTHORIZED;
    let code = if unauthorized { "InvalidAuthenticationToken" } else { &refusal.code };
    let id = call.request_id();
    let body = json!({"error": {
        "code": code,
        "message": refusal.message,
        "innerError": {
            "date": call.now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            "request-id": id,
            "client-request-id": call.header("client-request-id").map_or_else(|| id.to_string(), shown),
        },
    }});
    let reply = refusal.answered(&body);
    if unauthorized { reply.with(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"") } else { reply }
}
