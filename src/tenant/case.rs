//! Incidents and alerts as Graph sends them, read into huntbook's own.
//!
//! Members may be missing or null; ids may be numbers; times may lack their zone; enums are read by
//! `words`. What is not an id, or not a time at all, makes the item unreadable: it is set aside whole,
//! because a condition over half an incident could close it.

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Comments, words};
use crate::model::{
    Alert, AlertId, AlertSeverity, AlertStatus, CaseComment, EvidenceDevice, EvidenceUser, Incident,
    IncidentId, IncidentStatus, Term,
};

/// Null like absent.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A time, in UTC if it does not say.
#[derive(Debug, Clone, Copy)]
struct Time(Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let zoneless = || {
            let civil: jiff::civil::DateTime = text.parse().ok()?;
            civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
        };
        let time = text.parse().ok().or_else(zoneless);
        time.map(Self).ok_or_else(|| serde::de::Error::custom("a time is not one"))
    }
}

fn time(time: Option<Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

/// An incident id, which Defender XDR sends as a number.
#[derive(Debug)]
struct IncidentNumber(IncidentId);

impl<'de> Deserialize<'de> for IncidentNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireIncident {
    id: IncidentNumber,
    redirect_incident_id: Option<IncidentNumber>,
    #[serde(default, deserialize_with = "or_default")]
    display_name: String,
    description: Option<String>,
    severity: Option<String>,
    status: Option<String>,
    classification: Option<String>,
    determination: Option<String>,
    assigned_to: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    custom_tags: Vec<String>,
    /// One page's older name of `customTags`.
    #[serde(default, deserialize_with = "or_default")]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    system_tags: Vec<String>,
    created_date_time: Option<Time>,
    last_update_date_time: Option<Time>,
    incident_web_url: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    comments: Vec<WireComment>,
    #[serde(default, deserialize_with = "or_default")]
    alerts: Vec<WireAlert>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireComment {
    #[serde(default, deserialize_with = "or_default")]
    comment: String,
    created_by_display_name: Option<String>,
    created_by: Option<String>,
    created_date_time: Option<Time>,
    created_time: Option<Time>,
}

/// What of an incident or an alert tells of its comments.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCommented {
    comments: Option<Vec<WireComment>>,
    #[serde(rename = "comments@odata.nextLink")]
    next: Option<IgnoredAny>,
    redirect_incident_id: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAlert {
    id: AlertId,
    incident_id: Option<IncidentNumber>,
    #[serde(default, deserialize_with = "or_default")]
    title: String,
    description: Option<String>,
    severity: Option<String>,
    status: Option<String>,
    classification: Option<String>,
    determination: Option<String>,
    category: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    mitre_techniques: Vec<String>,
    service_source: Option<String>,
    detection_source: Option<String>,
    assigned_to: Option<String>,
    created_date_time: Option<Time>,
    last_update_date_time: Option<Time>,
    alert_web_url: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    evidence: Vec<Value>,
}

/// Reads one incident.
pub(super) fn incident(json: &[u8]) -> Result<Incident, serde_json::Error> {
    serde_json::from_slice(json).map(WireIncident::into_model)
}

/// Reads what is written at an incident or an alert.
pub(super) fn comments(json: &[u8]) -> Result<Comments, serde_json::Error> {
    let found: WireCommented = serde_json::from_slice(json)?;
    let are_all = found.comments.is_some() && found.next.is_none() && found.redirect_incident_id.is_none();
    let texts = found.comments.unwrap_or_default().into_iter().map(|comment| comment.comment).collect();
    Ok(Comments { texts, are_all })
}

/// Reads one alert.
pub(super) fn alert(json: &[u8]) -> Result<Alert, serde_json::Error> {
    serde_json::from_slice(json).map(WireAlert::into_model)
}

impl WireIncident {
    fn into_model(self) -> Incident {
        let custom_tags = if self.custom_tags.is_empty() { self.tags } else { self.custom_tags };
        Incident {
            id: self.id.0,
            redirect_incident_id: self.redirect_incident_id.map(|id| id.0),
            display_name: self.display_name,
            description: self.description,
            severity: self.severity.as_deref().map_or(Term::Known(AlertSeverity::Unknown), words::severity),
            status: self
                .status
                .as_deref()
                .map_or_else(|| Term::<IncidentStatus>::Other("".into()), words::incident_status),
            classification: self.classification.as_deref().map(words::classification),
            determination: self.determination.as_deref().map(words::determination),
            assigned_to: self.assigned_to.filter(|owner| !owner.is_empty()),
            custom_tags,
            system_tags: self.system_tags,
            created_date_time: time(self.created_date_time),
            last_update_date_time: time(self.last_update_date_time),
            incident_web_url: self.incident_web_url,
            comments: self.comments.into_iter().map(WireComment::into_model).collect(),
            alerts: self.alerts.into_iter().map(WireAlert::into_model).collect(),
        }
    }
}

impl WireComment {
    fn into_model(self) -> CaseComment {
        CaseComment {
            comment: self.comment,
            created_by: self.created_by_display_name.or(self.created_by),
            created_date_time: time(self.created_date_time.or(self.created_time)),
        }
    }
}

impl WireAlert {
    fn into_model(self) -> Alert {
        Alert {
            id: self.id,
            incident_id: self.incident_id.map(|id| id.0),
            title: self.title,
            description: self.description,
            severity: self.severity.as_deref().map_or(Term::Known(AlertSeverity::Unknown), words::severity),
            status: self.status.as_deref().map_or(Term::Known(AlertStatus::Unknown), words::alert_status),
            classification: self.classification.as_deref().map(words::classification),
            determination: self.determination.as_deref().map(words::determination),
            category: self.category,
            mitre_techniques: self.mitre_techniques,
            service_source: self.service_source,
            detection_source: self.detection_source,
            assigned_to: self.assigned_to.filter(|owner| !owner.is_empty()),
            created_date_time: time(self.created_date_time),
            last_update_date_time: time(self.last_update_date_time),
            alert_web_url: self.alert_web_url,
            devices: self.evidence.iter().filter_map(device).collect(),
            users: self.evidence.iter().filter_map(user).collect(),
            evidence: self.evidence,
        }
    }
}

/// Whether a piece of evidence is of a kind: `#microsoft.graph.security.deviceEvidence`.
fn is_kind(evidence: &Value, kind: &str) -> bool {
    let name = evidence.get("@odata.type").and_then(Value::as_str).unwrap_or_default();
    name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case(kind))
}

/// A text member; anything else counts as absent.
fn text(object: &Value, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn device(evidence: &Value) -> Option<EvidenceDevice> {
    is_kind(evidence, "deviceEvidence").then(|| EvidenceDevice {
        mde_device_id: text(evidence, "mdeDeviceId"),
        device_dns_name: text(evidence, "deviceDnsName"),
        os_platform: text(evidence, "osPlatform"),
        health_status: text(evidence, "healthStatus"),
        risk_score: text(evidence, "riskScore"),
        rbac_group_name: text(evidence, "rbacGroupName"),
        tags: evidence
            .get("tags")
            .and_then(Value::as_array)
            .map(|tags| tags.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            .unwrap_or_default(),
    })
}

fn user(evidence: &Value) -> Option<EvidenceUser> {
    let account = evidence.get("userAccount").filter(|account| account.is_object())?;
    is_kind(evidence, "userEvidence").then(|| EvidenceUser {
        account_name: text(account, "accountName"),
        domain_name: text(account, "domainName"),
        user_sid: text(account, "userSid"),
        azure_ad_user_id: text(account, "azureAdUserId"),
        user_principal_name: text(account, "userPrincipalName"),
        display_name: text(account, "displayName"),
    })
}
