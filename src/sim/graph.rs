//! Microsoft Graph: its routes, its envelope.

use axum::http::header::{HeaderName, WWW_AUTHENTICATE};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::app::Api;
use super::call::{Call, Caller, Refusal, Served, shown};
use super::cases::{self, Case};
use super::identity;
use super::merge;
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
    is_named("runHuntingQuery", function)
}

/// Whether a segment names a function, qualified or not.
fn is_named(function: &str, segment: &str) -> bool {
    segment.strip_prefix("microsoft.graph.security.").unwrap_or(segment) == function
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
        ("POST", ["security", "incidents", action]) if is_named("mergeIncidents", action) => {
            merge::merge(service, call, caller)
        }
        ("POST", ["security", list, id, "comments"]) if let Some(case) = Case::named(list) => {
            cases::comment(service, call, caller, (case, id))
        }
        ("GET", ["security", "getHuntingSchema"]) if call.path.contains("/beta/") => {
            tables(service, call, caller)
        }
        ("GET", ["security", "incidents", id, "alerts"]) => cases::alerts_of(service, call, caller, id),
        ("GET", ["users", id]) => identity::user(service, call, caller, id),
        ("GET", ["users", id, "transitiveMemberOf"]) => identity::member_of(service, call, caller, id),
        ("PATCH", ["users", id]) => identity::enable_user(service, call, caller, id),
        ("POST", ["users", id, "revokeSignInSessions"]) => identity::revoke(service, call, caller, id),
        ("GET", ["identityProtection", "riskyUsers", id]) => identity::risky_user(service, call, caller, id),
        ("POST", ["identityProtection", "riskyUsers", action]) => {
            identity::set_risk(service, call, caller, action)
        }
        ("GET", ["security", "identities", "identityAccounts", id]) => {
            identity::identity(service, call, caller, id)
        }
        ("POST", ["security", "identities", "identityAccounts", id, action])
            if is_named("invokeAction", action) =>
        {
            identity::invoke(service, call, caller, id)
        }
        ("POST", ["security", "collaboration", "analyzedEmails", action])
            if is_named("remediate", action) =>
        {
            identity::remediate(service, call, caller)
        }
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
