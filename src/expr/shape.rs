//! What conditions know about incidents and outcomes before any is there.
//!
//! The shape is that of a serialised sample in which nothing is missing, so it cannot drift from the
//! model: a new field makes the sample fail to compile until it is filled in.

use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::value::Kind;
use crate::model::{
    Alert, AlertSeverity, AlertStatus, CaseComment, Classification, Determination, EvidenceDevice,
    EvidenceUser, Incident, IncidentStatus, Term,
};

/// Key that marks a text field of which every known value is listed.
const WORDS: &str = "$words";

/// What is known of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    /// Nothing.
    Any,
    /// Its kind.
    Kind(Kind),
    /// Its kind and content, by a sample.
    Like(&'static Json),
    /// A text out of these words.
    Word(&'static [Json]),
    /// One row.
    Row,
    /// All rows.
    Rows,
    /// The named lists.
    Lists,
    /// The run: its fields are not known here, but each it is asked for must exist.
    Run,
}

impl Shape {
    /// The shape a sample stands for.
    pub(super) fn of(sample: &'static Json) -> Self {
        match sample {
            Json::Null => Self::Any,
            Json::Bool(_) => Self::Kind(Kind::Bool),
            Json::Number(_) => Self::Kind(Kind::Number),
            Json::String(_) => Self::Kind(Kind::Text),
            Json::Array(_) => Self::Like(sample),
            Json::Object(map) => match map.get(WORDS).and_then(Json::as_array) {
                Some(words) => Self::Word(words),
                None => Self::Like(sample),
            },
        }
    }

    /// The kind, where it is known.
    pub(super) fn kind(self) -> Option<Kind> {
        match self {
            Self::Any => None,
            Self::Kind(kind) => Some(kind),
            Self::Like(json) => Some(if json.is_array() { Kind::Array } else { Kind::Object }),
            Self::Word(_) => Some(Kind::Text),
            Self::Rows => Some(Kind::Array),
            Self::Row | Self::Run | Self::Lists => Some(Kind::Object),
        }
    }

    /// The shape of an array's items.
    pub(super) fn item(self) -> Self {
        match self {
            Self::Rows => Self::Row,
            Self::Like(Json::Array(items)) => items.first().map_or(Self::Any, Self::of),
            _ => Self::Any,
        }
    }

    /// The names of an object's fields, where all are known.
    pub(super) fn fields(self) -> Option<Vec<&'static str>> {
        match self {
            Self::Like(Json::Object(map)) => Some(map.keys().map(String::as_str).collect()),
            _ => None,
        }
    }

    /// The shape of a field; `None` if the object is known not to have it.
    pub(super) fn field(self, name: &str) -> Option<Self> {
        match self {
            Self::Like(Json::Object(map)) => map.get(name).map(Self::of),
            _ => Some(Self::Any),
        }
    }
}

/// An incident as conditions see it.
pub(super) static INCIDENT: LazyLock<Json> = LazyLock::new(|| {
    let mut sample = serde_json::to_value(incident()).unwrap_or_default();
    words(&mut sample, "/severity", AlertSeverity::ALL.iter().map(|word| word.as_str()));
    words(&mut sample, "/status", IncidentStatus::ALL.iter().map(|word| word.as_str()));
    words(&mut sample, "/classification", Classification::ALL.iter().map(|word| word.as_str()));
    words(&mut sample, "/determination", Determination::ALL.iter().map(|word| word.as_str()));
    words(&mut sample, "/alerts/0/severity", AlertSeverity::ALL.iter().map(|word| word.as_str()));
    words(&mut sample, "/alerts/0/status", AlertStatus::ALL.iter().map(|word| word.as_str()));
    words(&mut sample, "/alerts/0/classification", Classification::ALL.iter().map(|word| word.as_str()));
    words(&mut sample, "/alerts/0/determination", Determination::ALL.iter().map(|word| word.as_str()));
    sample
});

/// An alert as conditions see it.
pub(super) static ALERT: LazyLock<Json> =
    LazyLock::new(|| INCIDENT.pointer("/alerts/0").cloned().unwrap_or_default());

/// All alerts of a run.
pub(super) static ALERTS: LazyLock<Json> = LazyLock::new(|| json!([ALERT.clone()]));

/// All incidents of a run.
pub(super) static INCIDENTS: LazyLock<Json> = LazyLock::new(|| json!([INCIDENT.clone()]));

/// What a run came to, as the `if` of a notification sees it.
pub(super) static OUTCOME: LazyLock<Json> = LazyLock::new(|| {
    json!({
        "matched": 0, "acted": 0, "planned": 0, "skipped": 0, "suppressed": 0, "duplicates": 0,
        "failed": 0, "halted": false,
    })
});

/// Lists the values a field may have.
fn words<'a>(sample: &mut Json, pointer: &str, known: impl Iterator<Item = &'a str>) {
    if let Some(field) = sample.pointer_mut(pointer) {
        *field = json!({ WORDS: known.collect::<Vec<_>>() });
    }
}

fn incident() -> Incident {
    let text = || Some(String::new());
    let time = Some(Timestamp::UNIX_EPOCH);
    Incident {
        id: "1".parse().expect("digits are an incident id"),
        redirect_incident_id: "1".parse().ok(),
        display_name: String::new(),
        description: text(),
        severity: Term::Known(AlertSeverity::Low),
        status: Term::Known(IncidentStatus::Active),
        classification: Some(Term::Known(Classification::Unknown)),
        determination: Some(Term::Known(Determination::Unknown)),
        assigned_to: text(),
        custom_tags: vec![String::new()],
        system_tags: vec![String::new()],
        created_date_time: time,
        last_update_date_time: time,
        incident_web_url: text(),
        comments: vec![CaseComment { comment: String::new(), created_by: text(), created_date_time: time }],
        alerts: vec![alert()],
    }
}

fn alert() -> Alert {
    let text = || Some(String::new());
    let time = Some(Timestamp::UNIX_EPOCH);
    Alert {
        id: "a".parse().expect("a letter is an alert id"),
        incident_id: "1".parse().ok(),
        title: String::new(),
        description: text(),
        severity: Term::Known(AlertSeverity::Low),
        status: Term::Known(AlertStatus::New),
        classification: Some(Term::Known(Classification::Unknown)),
        determination: Some(Term::Known(Determination::Unknown)),
        category: text(),
        mitre_techniques: vec![String::new()],
        service_source: text(),
        detection_source: text(),
        assigned_to: text(),
        created_date_time: time,
        last_update_date_time: time,
        alert_web_url: text(),
        devices: vec![device()],
        users: vec![user()],
        // Evidence is what the API gave: its shape is not ours.
        evidence: vec![Json::Null],
    }
}

fn device() -> EvidenceDevice {
    let text = || Some(String::new());
    EvidenceDevice {
        mde_device_id: text(),
        device_dns_name: text(),
        os_platform: text(),
        health_status: text(),
        risk_score: text(),
        rbac_group_name: text(),
        tags: vec![String::new()],
    }
}

fn user() -> EvidenceUser {
    let text = || Some(String::new());
    EvidenceUser {
        account_name: text(),
        domain_name: text(),
        user_sid: text(),
        azure_ad_user_id: text(),
        user_principal_name: text(),
        display_name: text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_sample_is_known() {
        fn check(path: &str, json: &Json) {
            match json {
                Json::Null => assert_eq!(path, "/alerts/0/evidence/0", "{path} is missing from the sample"),
                Json::Array(items) => {
                    assert!(!items.is_empty(), "{path} is empty");
                    items
                        .iter()
                        .enumerate()
                        .for_each(|(index, item)| check(&format!("{path}/{index}"), item));
                }
                Json::Object(map) => {
                    map.iter().for_each(|(key, value)| check(&format!("{path}/{key}"), value));
                }
                _ => {}
            }
        }
        check("", &INCIDENT);
        let marked = INCIDENT.to_string().matches(WORDS).count();
        assert_eq!(marked, 8, "each vocabulary field has its words");
    }
}
