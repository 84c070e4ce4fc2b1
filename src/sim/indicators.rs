//! Indicators of Defender for Endpoint: put (one for each value), list, delete.

use std::net::IpAddr;

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{Call, Caller, Refusal, shown};
use super::machine_action::{body, required};
use super::mde::listed;
use super::reply::Reply;
use super::seed::stamp;
use super::serve::Service;
use super::state::{Object, State};

/// Most indicators of a tenant. Source: the indicator pages.
pub const INDICATORS_MAX: usize = 15_000;

/// Most indicators in one call. Source: the pages of import and of batch delete.
const BATCH_MAX: usize = 500;

const ROLES: &[&str] = &["Ti.ReadWrite", "Ti.ReadWrite.All"];

/// Whether the caller sees only what it made itself.
fn own_only(caller: &Caller) -> bool {
    caller.may(&["Ti.ReadWrite.All"]).is_err()
}

fn is_own(indicator: &Object, caller: &Caller) -> bool {
    indicator.get("createdBy").and_then(Value::as_str) == Some(caller.app.as_str())
}

/// `GET /indicators`.
pub(super) fn list(service: &Service, call: &Call, caller: &Caller) -> Result<Reply, Refusal> {
    const FIELDS: &[&str] = &[
        "application",
        "createdByDisplayName",
        "expirationTime",
        "generateAlert",
        "title",
        "rbacGroupNames",
        "indicatorValue",
        "indicatorType",
        "creationTimeDateTimeUtc",
        "createdBy",
        "action",
        "severity",
    ];
    caller.may(ROLES)?;
    let state = service.state(call.now);
    let visible = state.indicators.values().filter(|view| !own_only(caller) || is_own(view, caller));
    listed(call, "Indicators", FIELDS, visible)
}

/// `POST /indicators`: makes an indicator, or changes the one with the same value.
pub(super) fn put(service: &Service, call: &Call, caller: &Caller) -> Result<Reply, Refusal> {
    caller.may(ROLES)?;
    let given = Given::read(&body(&call.body)?, call.now)?;
    let mut state = service.state(call.now);
    let (number, view) = write(&mut state, (call, caller), &given)?;
    let mut shown = Object::new();
    shown.insert("@odata.context".to_owned(), format!("{}/$metadata#Indicators/$entity", call.base).into());
    shown.extend(view.iter().map(|(key, value)| (key.clone(), value.clone())));
    let detail = given.members.into();
    service.effect(call, "putIndicator", &given.value).action(&number.to_string()).detail(detail).write();
    Ok(Reply::json(StatusCode::OK, &shown.into()))
}

/// Makes an indicator, or changes the one with the same value.
fn write<'s>(
    state: &'s mut State,
    (call, caller): (&Call, &Caller),
    given: &Given,
) -> Result<(u64, &'s Object), Refusal> {
    let known = state.indicators.iter().find(|(_, view)| given.is(view)).map(|(number, _)| *number);
    let number = match known {
        Some(number) => number,
        None if INDICATORS_MAX <= state.indicators.len() => {
            let text = format!("Max capacity of {INDICATORS_MAX} indicators was reached.");
            return Err(Refusal::bad("BadRequest", text));
        }
        None => state.number(),
    };
    let view = state.indicators.entry(number).or_default();
    if known.is_none() {
        view.insert("id".to_owned(), number.to_string().into());
        view.insert("creationTimeDateTimeUtc".to_owned(), stamp(call.now).into());
        view.insert("createdBy".to_owned(), caller.app.clone().into());
        view.insert("createdByDisplayName".to_owned(), caller.name.clone().into());
        view.insert("source".to_owned(), caller.name.clone().into());
        view.insert("sourceType".to_owned(), "AadApp".into());
    }
    // The service keeps the application an indicator was made with.
    let application = view.get("application").cloned().filter(|_| known.is_some());
    view.extend(given.members.clone());
    if let Some(application) = application {
        view.insert("application".to_owned(), application);
    }
    view.insert("lastUpdateTime".to_owned(), stamp(call.now).into());
    view.insert("lastUpdatedBy".to_owned(), caller.name.clone().into());
    Ok((number, &*view))
}

/// `POST /indicators/import`: each indicator has its own outcome under one 200.
pub(super) fn import(service: &Service, call: &Call, caller: &Caller) -> Result<Reply, Refusal> {
    caller.may(ROLES)?;
    let body = body(&call.body)?;
    let all = batch(&body, "Indicators")?;
    let mut state = service.state(call.now);
    let mut value = Vec::new();
    for one in all {
        let name = one.get("indicatorValue").and_then(Value::as_str).unwrap_or_default().to_owned();
        let given = one
            .as_object()
            .ok_or_else(|| Refusal::bad("InvalidRequestBody", "Request body is incorrect."))?;
        let written = Given::read(given, call.now).and_then(|given| {
            let (number, _view) = write(&mut state, (call, caller), &given)?;
            let detail = given.members.into();
            service
                .effect(call, "putIndicator", &given.value)
                .action(&number.to_string())
                .detail(detail)
                .write();
            Ok(number)
        });
        value.push(match written {
            Ok(number) => {
                json!({"id": number.to_string(), "indicator": name, "isFailed": false, "failureReason": null})
            }
            Err(why) => {
                json!({"id": null, "indicator": name, "isFailed": true, "failureReason": why.message})
            }
        });
    }
    Ok(Reply::json(StatusCode::OK, &json!({"value": value})))
}

/// `POST /indicators/BatchDelete`: all of them or none.
pub(super) fn delete_batch(service: &Service, call: &Call, caller: &Caller) -> Result<Reply, Refusal> {
    caller.may(ROLES)?;
    let body = body(&call.body)?;
    let mut state = service.state(call.now);
    let mut numbers = Vec::new();
    for id in batch(&body, "IndicatorIds")? {
        let number = id.as_str().and_then(|id| id.parse::<u64>().ok());
        let number = number.ok_or_else(|| Refusal::bad("InvalidInput", "An id is no number."))?;
        let view = state.indicators.get(&number);
        let view = view.filter(|view| !own_only(caller) || is_own(view, caller)).ok_or_else(|| {
            Refusal::missing("ResourceNotFound", format!("Indicator {number} was not found"))
        })?;
        let value = view.get("indicatorValue").and_then(Value::as_str).unwrap_or_default().to_owned();
        numbers.push((number, value));
    }
    for (number, value) in numbers {
        state.indicators.shift_remove(&number);
        service.effect(call, "deleteIndicator", &value).action(&number.to_string()).write();
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// The members of a batch.
fn batch<'b>(body: &'b Object, name: &str) -> Result<&'b [Value], Refusal> {
    let all = body.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() || BATCH_MAX < all.len() {
        return Err(Refusal::bad("BadRequest", format!("{name} has 1 to {BATCH_MAX} members.")));
    }
    Ok(all)
}

/// `DELETE /indicators/{id}`.
pub(super) fn delete(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    caller.may(ROLES)?;
    let missing = || Refusal::missing("ResourceNotFound", format!("Indicator {} was not found", shown(id)));
    let number: u64 = id.parse().map_err(|_error| missing())?;
    let mut state = service.state(call.now);
    let view = state.indicators.get(&number).ok_or_else(missing)?;
    if own_only(caller) && !is_own(view, caller) {
        return Err(missing());
    }
    let value = view.get("indicatorValue").and_then(Value::as_str).unwrap_or_default().to_owned();
    state.indicators.shift_remove(&number);
    service.effect(call, "deleteIndicator", &value).action(id).write();
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// What a request wants, checked.
#[derive(Debug)]
struct Given {
    value: String,
    kind: &'static str,
    members: Object,
}

const KINDS: &[&str] =
    &["FileSha1", "FileSha256", "FileMd5", "CertificateThumbprint", "IpAddress", "DomainName", "Url"];
const ACTIONS: &[&str] =
    &["Allowed", "Audit", "Block", "BlockAndRemediate", "Warn", "Alert", "AlertAndBlock"];
const SEVERITIES: &[&str] = &["Informational", "Low", "Medium", "High"];

impl Given {
    fn read(body: &Object, now: Timestamp) -> Result<Self, Refusal> {
        let value = required(body, "indicatorValue")?.to_owned();
        let kind = one_of("indicatorType", required(body, "indicatorType")?, KINDS)?;
        let action = one_of("action", required(body, "action")?, ACTIONS)?;
        let (title, description) = (required(body, "title")?, required(body, "description")?);
        check_value(kind, &value)?;
        let severity = match body.get("severity").and_then(Value::as_str) {
            Some(text) => one_of("severity", text, SEVERITIES)?,
            None => "Informational",
        };
        let alerts = match body.get("generateAlert") {
            Some(Value::Bool(alerts)) => *alerts,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        };
        if action == "Audit" && !alerts {
            return Err(Refusal::bad("BadRequest", "The action 'Audit' requires generateAlert to be true."));
        }
        if action == "BlockAndRemediate" && !kind.starts_with("File") {
            return Err(Refusal::bad("BadRequest", "The action 'BlockAndRemediate' is for files."));
        }
        let members = json!({
            "indicatorValue": value, "indicatorType": kind, "action": action, "title": title,
            "description": description, "severity": severity, "generateAlert": alerts,
            "application": body.get("application"), "recommendedActions": body.get("recommendedActions"),
            "expirationTime": expiration(body, now)?, "rbacGroupNames": groups(body)?,
            "educateUrl": body.get("educateUrl"),
        });
        let members = members.as_object().cloned().unwrap_or_default();
        Ok(Self { value, kind, members })
    }

    /// Whether an indicator is the one meant.
    fn is(&self, view: &Object) -> bool {
        let text = |name: &str| view.get(name).and_then(Value::as_str).unwrap_or_default();
        text("indicatorType") == self.kind && text("indicatorValue").eq_ignore_ascii_case(&self.value)
    }
}

fn one_of(name: &str, text: &str, values: &[&'static str]) -> Result<&'static str, Refusal> {
    let found = values.iter().find(|value| value.eq_ignore_ascii_case(text)).copied();
    found.ok_or_else(|| Refusal::bad("InvalidInput", format!("'{}' is not a valid {name}.", shown(text))))
}

fn expiration(body: &Object, now: Timestamp) -> Result<Option<String>, Refusal> {
    let Some(value) = body.get("expirationTime").filter(|value| !value.is_null()) else { return Ok(None) };
    let at = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let at = at.ok_or_else(|| Refusal::bad("InvalidInput", "expirationTime is not a time."))?;
    if at <= now {
        return Err(Refusal::bad("InvalidInput", "expirationTime is in the past."));
    }
    Ok(Some(stamp(at)))
}

/// Device groups: the pages show a list and a text with commas.
fn groups(body: &Object) -> Result<Value, Refusal> {
    match body.get("rbacGroupNames") {
        None | Some(Value::Null) => Ok(json!([])),
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => Ok(list.clone().into()),
        Some(Value::String(text)) => Ok(text.split(',').map(str::trim).collect()),
        Some(_) => Err(Refusal::bad("InvalidInput", "rbacGroupNames is a list of texts.")),
    }
}

fn check_value(kind: &str, value: &str) -> Result<(), Refusal> {
    let hex = |length: usize| value.len() == length && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = |fits: bool| if fits { Ok(()) } else { Err("InvalidHashValue") };
    let checked = match kind {
        "FileSha1" | "CertificateThumbprint" => hash(hex(40)),
        "FileSha256" => hash(hex(64)),
        "FileMd5" => hash(hex(32)),
        "IpAddress" => value.parse::<IpAddr>().map(|_| ()).map_err(|_error| "InvalidIpAddress"),
        "DomainName" if is_domain(value) => Ok(()),
        "DomainName" => Err("InvalidDomainName"),
        _ => match url::Url::parse(value) {
            Ok(url) if url.has_host() => Ok(()),
            Ok(_) | Err(_) => Err("InvalidUrl"),
        },
    };
    checked.map_err(|code| Refusal::bad(code, format!("'{}' is not a valid {kind}.", shown(value))))
}

fn is_domain(text: &str) -> bool {
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: &str, value: &str, expected: Result<(), &str>) {
        let found = check_value(kind, value).map_err(|refusal| refusal.code);
        assert_eq!(found, expected.map_err(str::to_owned), "{kind} {value}");
    }

    #[test]
    fn values_are_what_their_type_says() {
        check("FileSha1", &"a1".repeat(20), Ok(()));
        check("FileSha256", &"a1".repeat(20), Err("InvalidHashValue"));
        check("IpAddress", "203.0.113.9", Ok(()));
        check("IpAddress", "203.0.113.0/24", Err("InvalidIpAddress"));
        check("DomainName", "bad.example", Ok(()));
        check("DomainName", "bad example", Err("InvalidDomainName"));
        check("Url", "https://bad.example/x", Ok(()));
        check("Url", "bad.example/x", Err("InvalidUrl"));
    }
}
