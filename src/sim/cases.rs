//! Incidents and alerts as Microsoft Graph serves them: lists, one by one, changes, comments.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::call::{Call, Caller, Refusal, shown};
use super::odata::{Filter, Page, known_options};
use super::reply::Reply;
use super::seed::stamp;
use super::serve::Service;
use super::state::{Object, State};
use crate::model::{AlertSeverity, AlertStatus, Classification, Determination, IncidentStatus};

/// Values the service added after the first version of its vocabulary. A caller sees them only if it
/// says that it can take them (`Prefer: include-unknown-enum-members`).
const LATE_SOURCES: &[&str] = &[
    "microsoftDefenderForCloud",
    "microsoftSentinel",
    "microsoftInsiderRiskManagement",
    "microsoftThreatIntelligence",
    "microsoftSecurityForAI",
];

/// As [`LATE_SOURCES`], for the technology that detected.
const LATE_DETECTIONS: &[&str] = &[
    "microsoftDefenderForCloud",
    "microsoftDefenderForIoT",
    "microsoftDefenderForServers",
    "microsoftDefenderForStorage",
    "microsoftDefenderForDNS",
    "microsoftDefenderForDatabases",
    "microsoftDefenderForContainers",
    "microsoftDefenderForNetwork",
    "microsoftDefenderForAppService",
    "microsoftDefenderForKeyVault",
    "microsoftDefenderForResourceManager",
    "microsoftDefenderForApiManagement",
    "nrtAlerts",
    "scheduledAlerts",
    "microsoftDefenderThreatIntelligenceAnalytics",
    "builtInMl",
    "microsoftInsiderRiskManagement",
    "microsoftThreatIntelligence",
    "microsoftDefenderForAIServices",
    "securityCopilot",
    "microsoftSentinel",
];

/// The two kinds of case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Incident,
    Alert,
}

impl Case {
    /// The collection a path segment names.
    pub(super) fn named(segment: &str) -> Option<Self> {
        match segment {
            "incidents" => Some(Self::Incident),
            "alerts_v2" => Some(Self::Alert),
            _ => None,
        }
    }

    const fn collection(self) -> &'static str {
        match self {
            Self::Incident => "incidents",
            Self::Alert => "alerts_v2",
        }
    }

    const fn odata_type(self) -> &'static str {
        match self {
            Self::Incident => "#microsoft.graph.security.incident",
            Self::Alert => "#microsoft.graph.security.alert",
        }
    }

    /// Fields the API documents for `$filter`.
    const fn filterable(self) -> &'static [&'static str] {
        match self {
            Self::Incident => &[
                "assignedTo",
                "classification",
                "createdDateTime",
                "determination",
                "lastUpdateDateTime",
                "severity",
                "status",
            ],
            Self::Alert => &[
                "assignedTo",
                "classification",
                "createdDateTime",
                "determination",
                "lastUpdateDateTime",
                "serviceSource",
                "severity",
                "status",
            ],
        }
    }

    fn readers(self) -> &'static [&'static str] {
        match self {
            Self::Incident => &["SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All"],
            Self::Alert => &["SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All"],
        }
    }

    fn writers(self) -> &'static [&'static str] {
        match self {
            Self::Incident => &["SecurityIncident.ReadWrite.All"],
            Self::Alert => &["SecurityAlert.ReadWrite.All"],
        }
    }

    fn missing(self, id: &str) -> Refusal {
        let what = match self {
            Self::Incident => "Incident",
            Self::Alert => "Alert",
        };
        Refusal::missing("NotFound", format!("{what} with id '{}' was not found.", shown(id)))
    }

    fn find<'a>(self, state: &'a State, id: &str) -> Result<&'a Object, Refusal> {
        let found = match self {
            Self::Incident => state.incidents.get(id),
            Self::Alert => state.alerts.get(id),
        };
        found.ok_or_else(|| self.missing(id))
    }

    fn find_mut<'a>(self, state: &'a mut State, id: &str) -> Result<&'a mut Object, Refusal> {
        let found = match self {
            Self::Incident => state.incidents.get_mut(id),
            Self::Alert => state.alerts.get_mut(id),
        };
        found.ok_or_else(|| self.missing(id))
    }
}

/// How one caller wants to see cases.
#[derive(Debug, Clone, Copy)]
struct View {
    case: Case,
    expand_alerts: bool,
    late_words: bool,
}

impl View {
    fn read(case: Case, call: &Call) -> Result<Self, Refusal> {
        let expand_alerts = match (case, call.option("$expand")) {
            (_, None) => false,
            (Case::Incident, Some("alerts")) => true,
            (_, Some(other)) => {
                let text = format!("Could not find a property named '{}' to expand.", shown(other));
                return Err(Refusal::bad("BadRequest", text));
            }
        };
        let late_words = call.header("prefer").is_some_and(|p| p.contains("include-unknown-enum-members"));
        Ok(Self { case, expand_alerts, late_words })
    }

    fn show(self, object: &Object, state: &State) -> Value {
        let mut shown = Map::new();
        shown.insert("@odata.type".to_owned(), self.case.odata_type().into());
        shown.extend(object.iter().map(|(key, value)| (key.clone(), value.clone())));
        if !self.late_words {
            hide_late_words(&mut shown);
        }
        if self.expand_alerts {
            let id = object.get("id").and_then(Value::as_str).unwrap_or_default();
            let alerts = Self { case: Case::Alert, expand_alerts: false, ..self };
            let list = state.alerts_of(id).into_iter().map(|alert| alerts.show(alert, state)).collect();
            shown.insert("alerts".to_owned(), list);
        }
        shown.into()
    }
}

fn hide_late_words(object: &mut Object) {
    let late: [(&str, &[&str]); 3] = [
        ("serviceSource", LATE_SOURCES),
        ("detectionSource", LATE_DETECTIONS),
        ("status", &["awaitingAction"]),
    ];
    for (key, late) in late {
        let value = object.get_mut(key);
        if let Some(value) = value.filter(|value| value.as_str().is_some_and(|word| late.contains(&word))) {
            *value = "unknownFutureValue".into();
        }
    }
}

/// `GET /security/incidents`, `GET /security/alerts_v2`.
pub(super) fn list(service: &Service, call: &Call, caller: &Caller, case: Case) -> Result<Reply, Refusal> {
    caller.may(case.readers())?;
    known_options(call, &["$filter", "$top", "$skip", "$expand", "$count"])?;
    let view = View::read(case, call)?;
    let filter = Filter::read(call, case.filterable())?;
    let state = service.state(call.now);
    let all: Box<dyn Iterator<Item = &Object>> = match case {
        Case::Incident => Box::new(state.incidents.values()),
        Case::Alert => Box::new(state.alerts.values()),
    };
    let mut found: Vec<&Object> =
        all.filter(|item| filter.as_ref().is_none_or(|filter| filter.keeps(item))).collect();
    // Newest first; times are written so that texts sort as times.
    let updated = |item: &Object| item.get("lastUpdateDateTime").and_then(Value::as_str).map(str::to_owned);
    found.sort_by_cached_key(|item| std::cmp::Reverse(updated(item)));
    let page = Page::cut(call, found, service.rules.page_size)?;
    let context = format!("security/{}", case.collection());
    Ok(Reply::json(StatusCode::OK, &page.into_json(call, &context, |item| view.show(item, &state))))
}

/// `GET /security/incidents/{id}`, `GET /security/alerts_v2/{id}`.
pub(super) fn one(
    service: &Service,
    call: &Call,
    caller: &Caller,
    (case, id): (Case, &str),
) -> Result<Reply, Refusal> {
    caller.may(case.readers())?;
    known_options(call, &["$expand"])?;
    let view = View::read(case, call)?;
    let state = service.state(call.now);
    Ok(Reply::json(StatusCode::OK, &view.show(case.find(&state, id)?, &state)))
}

/// `PATCH /security/incidents/{id}`, `PATCH /security/alerts_v2/{id}`.
pub(super) fn update(
    service: &Service,
    call: &Call,
    caller: &Caller,
    (case, id): (Case, &str),
) -> Result<Reply, Refusal> {
    caller.may(case.writers())?;
    let mut patch = Map::new();
    for (key, value) in call.object()?.into_iter().filter(|(key, _)| !key.starts_with('@')) {
        let value = checked(case, &key, value)?;
        patch.insert(key, value);
    }
    let view = View::read(case, call)?;
    let mut state = service.state(call.now);
    let object = case.find_mut(&mut state, id)?;
    if object.get("redirectIncidentId").is_some_and(Value::is_string) {
        // What the service does with a write to what was merged away is not documented.
        return Err(Refusal::bad("BadRequest", "The incident was merged into another one."));
    }
    let mut changed = object.clone();
    changed.extend(patch.clone());
    check_pair(&changed)?;
    changed.insert("lastUpdateDateTime".to_owned(), stamp(call.now).into());
    match case {
        Case::Incident => changed.insert("lastModifiedBy".to_owned(), author(caller).into()),
        Case::Alert if patch.get("status").and_then(Value::as_str) == Some("resolved") => {
            changed.insert("resolvedDateTime".to_owned(), stamp(call.now).into())
        }
        Case::Alert => None,
    };
    *object = changed;
    let effect = match case {
        Case::Incident => "updateIncident",
        Case::Alert => "updateAlert",
    };
    service.effect(call, effect, id).detail(patch.into()).write();
    Ok(Reply::json(StatusCode::OK, &view.show(case.find(&state, id)?, &state)))
}

/// `POST …/comments`. Answers with the whole list of comments, as the service does.
pub(super) fn comment(
    service: &Service,
    call: &Call,
    caller: &Caller,
    (case, id): (Case, &str),
) -> Result<Reply, Refusal> {
    caller.may(case.writers())?;
    let body = call.object()?;
    let text = body.get("comment").and_then(Value::as_str).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| Refusal::bad("BadRequest", "The property 'comment' is required."))?;
    let mut state = service.state(call.now);
    let object = case.find_mut(&mut state, id)?;
    let new = json!({
        "comment": text, "createdByDisplayName": author(caller), "createdDateTime": stamp(call.now),
    });
    let comments = object.entry("comments").or_insert_with(|| json!([]));
    if let Value::Array(list) = comments {
        list.push(new);
    }
    let comments = comments.clone();
    object.insert("lastUpdateDateTime".to_owned(), stamp(call.now).into());
    let effect = match case {
        Case::Incident => "commentIncident",
        Case::Alert => "commentAlert",
    };
    service.effect(call, effect, id).comment(text).write();
    drop(state);
    let context = format!("{}/$metadata#security/{}('{}')/comments", call.base, case.collection(), shown(id));
    Ok(Reply::json(StatusCode::OK, &json!({"@odata.context": context, "value": comments})))
}

/// `GET /security/incidents/{id}/alerts`.
pub(super) fn alerts_of(service: &Service, call: &Call, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    caller.may(Case::Incident.readers())?;
    let view = View::read(Case::Alert, call)?;
    let state = service.state(call.now);
    Case::Incident.find(&state, id)?;
    let page = Page::cut(call, state.alerts_of(id), service.rules.page_size)?;
    let body = page.into_json(call, "security/alerts_v2", |alert| view.show(alert, &state));
    Ok(Reply::json(StatusCode::OK, &body))
}

/// How the service names an application that wrote something.
fn author(caller: &Caller) -> String {
    format!("API App: {}", caller.name)
}

/// Checks one member of a change and gives it the service's spelling.
fn checked(case: Case, key: &str, value: Value) -> Result<Value, Refusal> {
    let word = |found: Option<&'static str>, value: &Value| {
        found.map(Value::from).ok_or_else(|| {
            let text = format!("Requested value '{}' was not found.", shown(&value.to_string()));
            Refusal::bad("BadRequest", text)
        })
    };
    let text = value.as_str().unwrap_or_default();
    match (key, case) {
        ("classification", _) => word(Classification::parse(text).map(Classification::as_str), &value),
        ("determination", _) => word(Determination::parse(text).map(Determination::as_str), &value),
        ("severity", Case::Incident) => word(AlertSeverity::parse(text).map(AlertSeverity::as_str), &value),
        ("status", Case::Incident) => {
            // The others are set by the service itself.
            let settable = IncidentStatus::parse(text).filter(|status| {
                matches!(
                    status,
                    IncidentStatus::Active | IncidentStatus::InProgress | IncidentStatus::Resolved
                )
            });
            word(settable.map(IncidentStatus::as_str), &value)
        }
        ("status", Case::Alert) => {
            let settable = AlertStatus::parse(text).filter(|status| *status != AlertStatus::Unknown);
            word(settable.map(AlertStatus::as_str), &value)
        }
        ("customTags", Case::Incident) if is_texts(&value) => Ok(value),
        ("assignedTo", _) if value.is_string() || value.is_null() => Ok(value),
        ("displayName" | "description" | "resolvingComment" | "summary", Case::Incident)
            if value.is_string() =>
        {
            Ok(value)
        }
        _ => {
            let text = format!(
                "The property '{}' does not exist on type '{}', or its value has the wrong type.",
                shown(key),
                case.odata_type().trim_start_matches('#')
            );
            Err(Refusal::bad("BadRequest", text))
        }
    }
}

fn is_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
}

/// Checks that a determination belongs to its classification. Source: the table of the update pages.
fn check_pair(object: &Object) -> Result<(), Refusal> {
    let word = |name: &str| object.get(name).and_then(Value::as_str);
    let classification = word("classification").and_then(Classification::parse);
    let determination = word("determination").and_then(Determination::parse);
    let (Some(classification), Some(determination)) = (classification, determination) else { return Ok(()) };
    if classification.takes(determination) {
        return Ok(());
    }
    let text = format!(
        "The determination '{determination}' does not go with the classification '{classification}'."
    );
    Err(Refusal::bad("BadRequest", text))
}
