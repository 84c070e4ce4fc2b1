//! Users in the simulated tenant: their accounts, their risk, and where they are mastered.

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use jiff::Timestamp;
use serde_json::{Value, json};

use uuid::Uuid;

use super::call::{Call, Caller, Refusal, shown};
use super::odata::known_options;
use super::reply::Reply;
use super::seed::{SimIdentityAccount, SimProviderAccount};
use super::serve::Service;
use super::state::{State, User};

/// Users one call about risk takes. Source: none that is certain; callers send one.
const RISKY_MAX: usize = 60;

fn no_user(id: &str) -> Refusal {
    let text = format!(
        "Resource '{}' does not exist or one of its queried reference-property objects are not present.",
        shown(id)
    );
    Refusal::missing("Request_ResourceNotFound", text)
}

/// `GET /users/{id}`.
pub(super) fn user(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
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

/// `GET /users/{id}/transitiveMemberOf`: groups and directory roles. Who may not read roles sees that there are some, and
/// no names.
pub(super) fn member_of(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    const NAMED: &[&str] = &["RoleManagement.Read.Directory", "Directory.Read.All"];
    caller.may(&["User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"])?;
    let is_named = caller.may(NAMED).is_ok();
    known_options(call, &["$top", "$skiptoken"])?;
    let mut state = service.state(call.now);
    let user = state.user_mut(id).ok_or_else(|| no_user(id))?;
    let shown = |kind: &str, name: &String, named: bool| {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
        let name = named.then_some(name);
        json!({"@odata.type": format!("#microsoft.graph.{kind}"), "id": id, "displayName": name})
    };
    let groups = user.groups.iter().map(|name| shown("group", name, true));
    let roles = user.roles.iter().map(|name| shown("directoryRole", name, is_named));
    let value: Vec<Value> = groups.chain(roles).collect();
    let context = format!("{}/$metadata#directoryObjects", call.base);
    Ok(Reply::json(StatusCode::OK, &json!({"@odata.context": context, "value": value})))
}

/// `PATCH /users/{id}` with `accountEnabled`, the only member this server changes.
pub(super) fn enable_user(
    service: &Service,
    call: &Call,
    caller: &Caller,
    id: &str,
) -> Result<Reply, Refusal> {
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
pub(super) fn revoke(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    caller.may(&["User.RevokeSessions.All", "User.ReadWrite.All"])?;
    let mut state = service.state(call.now);
    let user = state.user_mut(id).ok_or_else(|| no_user(id))?;
    let target = changeable(user)?;
    user.revoked += 1;
    let seconds = call.now.as_second();
    let now = Timestamp::from_second(seconds).map_or_else(|_far| String::new(), |now| now.to_string());
    user.view.insert("signInSessionsValidFromDateTime".to_owned(), now.into());
    service.effect(call, "revokeSessions", &target).write();
    let context = format!("{}/$metadata#Edm.Boolean", call.base);
    Ok(Reply::json(StatusCode::OK, &json!({"@odata.context": context, "value": true})))
}

/// The id of a user an application may change: it needs more than a role for privileged ones.
fn changeable(user: &User) -> Result<String, Refusal> {
    if user.privileged {
        let text = "Insufficient privileges to complete the operation.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", text));
    }
    Ok(user.view.get("id").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// `POST /identityProtection/riskyUsers/confirmCompromised` and `…/dismiss`: object ids only, one call a second
/// for all applications together, and no word on when to come again.
pub(super) fn set_risk(
    service: &Service,
    call: &Call,
    caller: &Caller,
    action: &str,
) -> Result<Reply, Refusal> {
    caller.may(&["IdentityRiskyUser.ReadWrite.All"])?;
    let (effect, level, state_word) = match action {
        "confirmCompromised" => ("confirmCompromised", "high", "confirmedCompromised"),
        "dismiss" => ("dismissRisk", "none", "dismissed"),
        _ => return Err(Refusal::no_route(call)),
    };
    let body = call.object()?;
    let ids: Option<Vec<&str>> = body
        .get("userIds")
        .and_then(Value::as_array)
        .map(|ids| ids.iter().filter_map(Value::as_str).collect());
    let ids = ids.filter(|ids| (1..=RISKY_MAX).contains(&ids.len()));
    let ids = ids.ok_or_else(|| Refusal::bad("BadRequest", "The property 'userIds' is required."))?;
    let mut state = service.state(call.now);
    if state.risk_at.is_some_and(|last| last.duration_until(call.now).as_millis() < 1000) {
        let text = "Too many requests.";
        return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", text));
    }
    state.risk_at = Some(call.now);
    for id in &ids {
        if !state.users.contains_key(&id.to_ascii_lowercase()) {
            return Err(no_user(id));
        }
    }
    for id in ids {
        if let Some(user) = state.users.get_mut(&id.to_ascii_lowercase()) {
            user.risk = Some((level, state_word));
            service.effect(call, effect, id).write();
        }
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// `GET /identityProtection/riskyUsers/{id}`.
pub(super) fn risky_user(
    service: &Service,
    call: &Call,
    caller: &Caller,
    id: &str,
) -> Result<Reply, Refusal> {
    caller.may(&["IdentityRiskyUser.Read.All", "IdentityRiskyUser.ReadWrite.All"])?;
    let mut state = service.state(call.now);
    let user = state.user_mut(id).ok_or_else(|| no_user(id))?;
    let (level, risk) = user.risk.ok_or_else(|| no_user(id))?;
    let body = json!({
        "id": user.view.get("id"), "userPrincipalName": user.view.get("userPrincipalName"),
        "riskLevel": level, "riskState": risk, "isDeleted": false, "isProcessing": false,
    });
    Ok(Reply::json(StatusCode::OK, &body))
}

/// The user whose identity an id names.
fn identity_mut<'a>(state: &'a mut State, id: &str) -> Result<(&'a mut User, SimIdentityAccount), Refusal> {
    let found = state.users.values_mut().find_map(|user| {
        let identity = user.identity.clone().filter(|identity| identity.id.eq_ignore_ascii_case(id))?;
        Some((user, identity))
    });
    found.ok_or_else(|| Refusal::missing("NotFound", format!("Identity '{}' was not found.", shown(id))))
}

/// `GET /security/identities/identityAccounts/{id}`.
pub(super) fn identity(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    caller.may(&["SecurityIdentitiesAccount.Read.All"])?;
    let mut state = service.state(call.now);
    let (user, identity) = identity_mut(&mut state, id)?;
    let accounts: Vec<Value> = identity
        .accounts
        .iter()
        .map(|account| json!({"identifier": account.account_id, "identityProvider": account.identity_provider}))
        .collect();
    let body = json!({
        "@odata.type": "#microsoft.graph.security.user",
        "id": identity.id,
        "displayName": user.view.get("displayName"),
        "isEnabled": user.view.get("accountEnabled"),
        "cloudSecurityIdentifier": user.view.get("securityIdentifier"),
        "onPremisesSecurityIdentifier": user.view.get("onPremisesSecurityIdentifier"),
        "accounts": accounts,
    });
    Ok(Reply::json(StatusCode::OK, &body))
}

/// `POST /security/identities/identityAccounts/{id}/invokeAction`.
pub(super) fn invoke(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    caller.may(&["SecurityIdentitiesActions.ReadWrite.All"])?;
    let body = call.object()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (account, action, provider) = (text("accountId"), text("action"), text("identityProvider"));
    let supported = match provider.as_str() {
        "activeDirectory" => ["disable", "enable", "forcePasswordReset"].contains(&action.as_str()),
        "okta" => ["disable", "enable", "revokeAllSessions"].contains(&action.as_str()),
        _ => false,
    };
    if !supported {
        let text = format!("The action '{}' is not supported for '{}'.", shown(&action), shown(&provider));
        return Err(Refusal::bad("BadRequest", text));
    }
    let mut state = service.state(call.now);
    let (user, identity) = identity_mut(&mut state, id)?;
    let known = |known: &&SimProviderAccount| {
        known.account_id.eq_ignore_ascii_case(&account) && known.identity_provider == provider
    };
    if identity.accounts.iter().find(known).is_none() {
        return Err(Refusal::missing("NotFound", format!("Account '{}' was not found.", shown(&account))));
    }
    let effect = match action.as_str() {
        "disable" => "disableUser",
        "enable" => "enableUser",
        "forcePasswordReset" => "forcePasswordReset",
        _ => "revokeSessions",
    };
    if effect == "disableUser" || effect == "enableUser" {
        user.view.insert("accountEnabled".to_owned(), (effect == "enableUser").into());
    }
    let target = user.view.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    service.effect(call, effect, &target).detail(json!({"identityProvider": provider})).write();
    let value = json!({
        "accountId": account, "action": action, "provider": provider, "correlationId": call.request_id(),
    });
    Ok(Reply::json(StatusCode::OK, &json!({"value": value})))
}

/// `POST /security/collaboration/analyzedEmails/remediate`: taken (202), with a page of the portal and no body.
pub(super) fn remediate(service: &Service, call: &Call, caller: &Caller) -> Result<Reply, Refusal> {
    caller.may(&["SecurityAnalyzedMessage.ReadWrite.All"])?;
    let body = call.object()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let lacks = |name: &str| Refusal::bad("BadRequest", format!("The property '{name}' is required."));
    text("displayName").ok_or_else(|| lacks("displayName"))?;
    let action = text("action").ok_or_else(|| lacks("action"))?;
    if !["moveToJunk", "moveToInbox", "hardDelete", "softDelete", "moveToDeletedItems"].contains(&action) {
        return Err(Refusal::bad("BadRequest", format!("The action '{}' is not supported.", shown(action))));
    }
    let mails = body.get("analyzedEmails").and_then(Value::as_array).filter(|mails| !mails.is_empty());
    let mails = mails.ok_or_else(|| lacks("analyzedEmails"))?;
    let mut targets = Vec::new();
    for mail in mails {
        let member = |name: &str| mail.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let id = member("networkMessageId").ok_or_else(|| lacks("networkMessageId"))?;
        let recipient = member("recipientEmailAddress").ok_or_else(|| lacks("recipientEmailAddress"))?;
        targets.push(format!("{id}/{recipient}"));
    }
    for target in &targets {
        service.effect(call, action, target).write();
    }
    let place = format!("https://security.microsoft.com/action-center/history?id={}", call.request_id());
    Ok(Reply::empty(StatusCode::ACCEPTED).with(LOCATION, &place))
}
