//! What a simulated tenant holds when it starts: machines, users, incidents, alerts, indicators.
//!
//! Fields are the APIs' own. A time is RFC 3339, or relative to the start of the server (`-35m`,
//! `-2d 4h`), so that a tenant made from the same data always looks fresh.

use jiff::{Span, SpanRelativeTo, Timestamp, Unit};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::SimError;

/// Everything a tenant starts with.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SimData {
    /// Devices of Defender for Endpoint.
    pub machines: Vec<SimMachine>,
    /// Users of the directory.
    pub users: Vec<SimUser>,
    /// Incidents.
    pub incidents: Vec<SimIncident>,
    /// Alerts; each names its incident.
    pub alerts: Vec<SimAlert>,
    /// Indicators that exist already.
    pub indicators: Vec<SimIndicator>,
}

impl SimData {
    /// The sample tenant that ships with the program.
    ///
    /// # Errors
    ///
    /// [`SimError::Data`] if a shipped file is damaged; a test reads them all.
    pub fn sample() -> Result<Self, SimError> {
        Ok(Self {
            machines: items("machines.json", include_str!("data/machines.json"))?,
            users: items("users.json", include_str!("data/users.json"))?,
            incidents: items("incidents.json", include_str!("data/incidents.json"))?,
            alerts: items("alerts.json", include_str!("data/alerts.json"))?,
            indicators: Vec::new(),
        })
    }
}

/// Reads items from a JSON array, or from JSON lines (one object on each).
///
/// # Errors
///
/// [`SimError::Data`] with `name` and the place of the first item that does not fit.
pub fn items<T: DeserializeOwned>(name: &str, text: &str) -> Result<Vec<T>, SimError> {
    let bad = |error| SimError::Data { name: name.to_owned(), source: Box::new(error) };
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(bad);
    }
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .map_err(bad)
}

/// How a device takes response actions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Reach {
    /// It is on-line and does what it is told.
    #[default]
    Online,
    /// It is off-line: actions stay pending.
    Offline,
    /// It is on-line and every action on it fails.
    Failing,
}

/// A device. Source of the fields: the machine resource of Defender for Endpoint.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SimMachine {
    /// Forty hexadecimal digits.
    pub id: String,
    /// Name in DNS.
    pub computer_dns_name: String,
    /// When its sensor first reported.
    pub first_seen: String,
    /// When its sensor last reported in full.
    pub last_seen: String,
    /// `Windows11`, `WindowsServer2022`, `Linux`, …
    pub os_platform: String,
    /// Architecture.
    pub os_processor: String,
    /// Version of the operating system.
    pub version: String,
    /// Build number.
    pub os_build: Option<u64>,
    /// Internal address.
    pub last_ip_address: Option<String>,
    /// External address.
    pub last_external_ip_address: Option<String>,
    /// `Active`, `Inactive`, `ImpairedCommunication`, `NoSensorData`, …
    pub health_status: String,
    /// `Onboarded`, `CanBeOnboarded`, `Unsupported`, `InsufficientInfo`.
    pub onboarding_status: String,
    /// Id of its device group.
    pub rbac_group_id: u32,
    /// Name of its device group.
    pub rbac_group_name: Option<String>,
    /// `None`, `Informational`, `Low`, `Medium`, `High`.
    pub risk_score: Option<String>,
    /// `None`, `Low`, `Medium`, `High`.
    pub exposure_level: Option<String>,
    /// `Low`, `Normal`, `High`.
    pub device_value: String,
    /// Device id in the directory, a GUID.
    pub aad_device_id: Option<String>,
    /// Whether it is joined to the directory.
    pub is_aad_joined: bool,
    /// Tags.
    pub machine_tags: Vec<String>,
    /// The device it was merged into; hunting shows it, the API does not.
    pub merged_to: Option<String>,
    /// How it takes actions. Not shown by the API.
    pub reach: Reach,
}

impl Default for SimMachine {
    fn default() -> Self {
        Self {
            id: String::new(),
            computer_dns_name: String::new(),
            first_seen: "-200d".to_owned(),
            last_seen: "-20m".to_owned(),
            os_platform: "Windows11".to_owned(),
            os_processor: "x64".to_owned(),
            version: "24H2".to_owned(),
            os_build: Some(26_100),
            last_ip_address: None,
            last_external_ip_address: None,
            health_status: "Active".to_owned(),
            onboarding_status: "Onboarded".to_owned(),
            rbac_group_id: 0,
            rbac_group_name: None,
            risk_score: Some("None".to_owned()),
            exposure_level: Some("Low".to_owned()),
            device_value: "Normal".to_owned(),
            aad_device_id: None,
            is_aad_joined: true,
            machine_tags: Vec::new(),
            merged_to: None,
            reach: Reach::Online,
        }
    }
}

/// A user of the directory.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SimUser {
    /// Object id, a GUID.
    pub id: String,
    /// Sign-in name.
    pub user_principal_name: String,
    /// Name for people.
    pub display_name: String,
    /// Mail address.
    #[serde(default)]
    pub mail: Option<String>,
    /// Job title.
    #[serde(default)]
    pub job_title: Option<String>,
    /// Department.
    #[serde(default)]
    pub department: Option<String>,
    /// Whether the account may sign in.
    #[serde(default = "yes")]
    pub account_enabled: bool,
    /// Whether the account is mastered on premises.
    #[serde(default)]
    pub on_premises_sync_enabled: Option<bool>,
    /// Security identifier in the directory.
    #[serde(default)]
    pub security_identifier: Option<String>,
    /// Security identifier in the domain it is synchronised from.
    #[serde(default)]
    pub on_premises_security_identifier: Option<String>,
    /// Its accounts where they are mastered. Shown at an address of their own.
    #[serde(default)]
    pub identity: Option<SimIdentityAccount>,
    /// Whether the account has a privileged role, so that applications may not change it. Not shown.
    #[serde(default)]
    pub privileged: bool,
    /// The names of its directory roles. Shown at an address of their own; a privileged account without any is a Global
    /// Administrator.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The names of the groups it is in, likewise.
    #[serde(default)]
    pub groups: Vec<String>,
}

impl SimUser {
    /// The names of its directory roles.
    #[must_use]
    pub fn directory_roles(&self) -> Vec<String> {
        match (self.privileged, self.roles.is_empty()) {
            (true, true) => vec!["Global Administrator".to_owned()],
            _ => self.roles.clone(),
        }
    }
}

/// An identity that Defender for Identity knows, with its accounts.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SimIdentityAccount {
    /// Id of the identity.
    pub id: String,
    /// Its accounts.
    pub accounts: Vec<SimProviderAccount>,
}

/// An account at whoever masters it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SimProviderAccount {
    /// Id of the account.
    pub account_id: String,
    /// `activeDirectory`, `okta`.
    pub identity_provider: String,
}

const fn yes() -> bool {
    true
}

/// A comment on an incident or alert.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SimComment {
    /// The text.
    pub comment: String,
    /// Who wrote it.
    pub created_by_display_name: String,
    /// When.
    pub created_date_time: String,
}

/// An incident. Source of the fields: the Graph metadata of the security namespace.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SimIncident {
    /// Decimal digits.
    pub id: String,
    /// Title.
    pub display_name: String,
    /// Description.
    pub description: Option<String>,
    /// `informational`, `low`, `medium`, `high`.
    pub severity: String,
    /// `active`, `inProgress`, `resolved`, `redirected`, `awaitingAction`.
    pub status: String,
    /// `unknown`, `falsePositive`, `truePositive`, `informationalExpectedActivity`.
    pub classification: String,
    /// As the metadata spells it.
    pub determination: String,
    /// Owner.
    pub assigned_to: Option<String>,
    /// Tags people set.
    pub custom_tags: Vec<String>,
    /// Tags the service set.
    pub system_tags: Vec<String>,
    /// Comments, oldest first.
    pub comments: Vec<SimComment>,
    /// When it was made.
    pub created_date_time: String,
    /// When it last changed.
    pub last_update_date_time: String,
    /// Who last changed it.
    pub last_modified_by: Option<String>,
    /// The incident it was merged into.
    pub redirect_incident_id: Option<String>,
    /// Priority, 0 to 100.
    pub priority_score: Option<i32>,
    /// Why it was resolved.
    pub resolving_comment: Option<String>,
    /// Summary.
    pub summary: Option<String>,
}

impl Default for SimIncident {
    fn default() -> Self {
        Self {
            id: String::new(),
            display_name: String::new(),
            description: None,
            severity: "medium".to_owned(),
            status: "active".to_owned(),
            classification: "unknown".to_owned(),
            determination: "unknown".to_owned(),
            assigned_to: None,
            custom_tags: Vec::new(),
            system_tags: Vec::new(),
            comments: Vec::new(),
            created_date_time: "-1h".to_owned(),
            last_update_date_time: "-10m".to_owned(),
            last_modified_by: None,
            redirect_incident_id: None,
            priority_score: None,
            resolving_comment: None,
            summary: None,
        }
    }
}

/// An alert. Source of the fields: the Graph metadata of the security namespace.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SimAlert {
    /// Letters, digits, `-` and `_`.
    pub id: String,
    /// The incident it belongs to.
    pub incident_id: Option<String>,
    /// Title.
    pub title: String,
    /// Description.
    pub description: Option<String>,
    /// `informational`, `low`, `medium`, `high`.
    pub severity: String,
    /// `new`, `inProgress`, `resolved`.
    pub status: String,
    /// As an incident's.
    pub classification: Option<String>,
    /// As an incident's.
    pub determination: Option<String>,
    /// Kill-chain category.
    pub category: Option<String>,
    /// `microsoftDefenderForEndpoint`, …
    pub service_source: String,
    /// `antivirus`, `customDetection`, …
    pub detection_source: String,
    /// Name of the product.
    pub product_name: Option<String>,
    /// Technique ids.
    pub mitre_techniques: Vec<String>,
    /// Name of the threat's family.
    pub threat_family_name: Option<String>,
    /// Owner.
    pub assigned_to: Option<String>,
    /// What the product advises.
    pub recommended_actions: Option<String>,
    /// When it was made.
    pub created_date_time: String,
    /// When it last changed.
    pub last_update_date_time: String,
    /// First activity in it.
    pub first_activity_date_time: String,
    /// Last activity in it.
    pub last_activity_date_time: String,
    /// When it was resolved.
    pub resolved_date_time: Option<String>,
    /// Comments, oldest first.
    pub comments: Vec<SimComment>,
    /// Evidence, as the API shows it: `@odata.type` and the fields of that type.
    pub evidence: Vec<Value>,
}

impl Default for SimAlert {
    fn default() -> Self {
        Self {
            id: String::new(),
            incident_id: None,
            title: String::new(),
            description: None,
            severity: "medium".to_owned(),
            status: "new".to_owned(),
            classification: Some("unknown".to_owned()),
            determination: Some("unknown".to_owned()),
            category: None,
            service_source: "microsoftDefenderForEndpoint".to_owned(),
            detection_source: "microsoftDefenderForEndpoint".to_owned(),
            product_name: None,
            mitre_techniques: Vec::new(),
            threat_family_name: None,
            assigned_to: None,
            recommended_actions: None,
            created_date_time: "-1h".to_owned(),
            last_update_date_time: "-10m".to_owned(),
            first_activity_date_time: "-70m".to_owned(),
            last_activity_date_time: "-65m".to_owned(),
            resolved_date_time: None,
            comments: Vec::new(),
            evidence: Vec::new(),
        }
    }
}

/// An indicator that exists before the first request.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SimIndicator {
    /// The value.
    pub indicator_value: String,
    /// `FileSha1`, `FileSha256`, `IpAddress`, `DomainName`, `Url`, …
    pub indicator_type: String,
    /// `Allowed`, `Audit`, `Block`, `BlockAndRemediate`, `Warn`.
    pub action: String,
    /// Title.
    pub title: String,
    /// Description.
    pub description: String,
}

/// An item as the API shows it, with its times made absolute.
pub(super) fn shown_at<T: Serialize>(item: &T, start: Timestamp) -> Result<Map<String, Value>, SimError> {
    let bad = |error| SimError::Data { name: "an item".to_owned(), source: Box::new(error) };
    let mut value = serde_json::to_value(item).map_err(bad)?;
    resolve(&mut value, start)?;
    match value {
        Value::Object(object) => Ok(object),
        other => Ok(Map::from_iter([("value".to_owned(), other)])),
    }
}

/// Makes every time in a tree absolute. A time is a text whose key says so.
fn resolve(value: &mut Value, start: Timestamp) -> Result<(), SimError> {
    match value {
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                match value {
                    Value::String(text) if names_a_time(key) => *text = stamp(instant(text, start)?),
                    other => resolve(other, start)?,
                }
            }
        }
        Value::Array(list) => list.iter_mut().try_for_each(|value| resolve(value, start))?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(())
}

/// Whether the APIs hold a time under this name.
pub(super) fn names_a_time(key: &str) -> bool {
    ["DateTime", "Time", "Seen", "Utc"].iter().any(|end| key.ends_with(end))
}

/// Reads a time: absolute, or relative to `start`.
pub(super) fn instant(text: &str, start: Timestamp) -> Result<Timestamp, SimError> {
    let bad =
        |error: jiff::Error| SimError::Data { name: format!("the time `{text}`"), source: Box::new(error) };
    if !text.starts_with('-') {
        return text.parse().map_err(bad);
    }
    let span: Span = text.parse().map_err(bad)?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(bad)?;
    start.checked_add(length).map_err(bad)
}

/// Writes a time as the APIs do: UTC with seven digits after the second, so that texts sort as times.
pub(super) fn stamp(at: Timestamp) -> String {
    // What the clock gives finer than a tenth of a microsecond is cut, never rounded into the future.
    let at = at.round(
        jiff::TimestampRound::new().smallest(Unit::Nanosecond).increment(100).mode(jiff::RoundMode::Floor),
    );
    at.map_or_else(|_far| String::new(), |at| format!("{at:.7}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Timestamp {
        "2026-11-20T12:00:00.123456789Z".parse().unwrap()
    }

    #[test]
    fn times_become_absolute_wherever_they_are() {
        let alert = SimAlert {
            created_date_time: "-2d 4h".to_owned(),
            evidence: vec![serde_json::json!({"firstSeenDateTime": "-35m", "processCommandLine": "-1h"})],
            ..SimAlert::default()
        };
        let shown = shown_at(&alert, start()).unwrap();
        assert_eq!(shown["createdDateTime"], "2026-11-18T08:00:00.1234567Z");
        assert_eq!(shown["evidence"][0]["firstSeenDateTime"], "2026-11-20T11:25:00.1234567Z");
        assert_eq!(shown["evidence"][0]["processCommandLine"], "-1h");
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        let alert = SimAlert { created_date_time: "yesterday".to_owned(), ..SimAlert::default() };
        assert!(shown_at(&alert, start()).is_err());
    }

    #[test]
    fn items_come_as_an_array_or_as_lines() {
        let line = r#"{"id":"a","userPrincipalName":"a@contoso.example","displayName":"A"}"#;
        assert_eq!(items::<SimUser>("x", &format!("[{line},{line}]")).unwrap().len(), 2);
        assert_eq!(items::<SimUser>("x", &format!("{line}\n\n{line}\n")).unwrap().len(), 2);
        assert!(items::<SimUser>("x", r#"{"id":"a"}"#).is_err());
    }

    #[test]
    fn the_sample_tenant_is_whole() {
        let data = SimData::sample().unwrap();
        assert!(!data.machines.is_empty() && !data.users.is_empty());
        for machine in &data.machines {
            machine.id.parse::<crate::model::DeviceId>().unwrap();
        }
        for alert in &data.alerts {
            let incident = alert.incident_id.as_deref().unwrap();
            assert!(data.incidents.iter().any(|known| known.id == incident), "{}", alert.id);
            shown_at(alert, start()).unwrap();
        }
    }
}
