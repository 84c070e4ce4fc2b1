//! Incidents and alerts in huntbook's own words.
//!
//! The APIs spell the same thing in several ways (`inProgress`, `InProgress`; `compromisedAccount`,
//! `compromisedUser`). Here each value has one spelling, that of Microsoft Graph; the tenant door
//! translates. A value this version does not know is kept as it came ([`Term::Other`]) and equals
//! nothing that is known.
//!
//! Serialised (camelCase) this is what conditions see as `incident` and templates as `{{incident.…}}`.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::{AlertId, IncidentId};

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every known value, in the order of the API's documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The one spelling used inside huntbook (Microsoft Graph's).
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }

            /// Finds the value whatever its case.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str().eq_ignore_ascii_case(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

vocabulary!(
    /// How bad an incident or alert is, by the product that raised it.
    AlertSeverity {
        /// Not graded.
        Unknown = "unknown",
        /// For information.
        Informational = "informational",
        /// Low.
        Low = "low",
        /// Medium.
        Medium = "medium",
        /// High.
        High = "high",
    }
);
vocabulary!(
    /// Where an incident stands.
    IncidentStatus {
        /// Nobody has taken it.
        Active = "active",
        /// Somebody works on it.
        InProgress = "inProgress",
        /// Closed.
        Resolved = "resolved",
        /// Merged into another incident.
        Redirected = "redirected",
        /// Waits for the customer (set by Microsoft experts only).
        AwaitingAction = "awaitingAction",
    }
);
vocabulary!(
    /// Where an alert stands.
    AlertStatus {
        /// Not known.
        Unknown = "unknown",
        /// Nobody has taken it.
        New = "new",
        /// Somebody works on it.
        InProgress = "inProgress",
        /// Closed.
        Resolved = "resolved",
    }
);
vocabulary!(
    /// Whether an incident or alert was right.
    Classification {
        /// Not classified.
        Unknown = "unknown",
        /// There was no such thing.
        FalsePositive = "falsePositive",
        /// A real threat.
        TruePositive = "truePositive",
        /// Real, and expected (a test, a tool of the house).
        InformationalExpectedActivity = "informationalExpectedActivity",
    }
);
vocabulary!(
    /// What it was, in detail; goes with a [`Classification`].
    Determination {
        /// Not determined.
        Unknown = "unknown",
        /// Advanced persistent threat.
        Apt = "apt",
        /// Malware.
        Malware = "malware",
        /// Security personnel.
        SecurityPersonnel = "securityPersonnel",
        /// A security test.
        SecurityTesting = "securityTesting",
        /// Unwanted software.
        UnwantedSoftware = "unwantedSoftware",
        /// None of the others.
        Other = "other",
        /// An attack of several stages.
        MultiStagedAttack = "multiStagedAttack",
        /// An account in the wrong hands.
        CompromisedAccount = "compromisedAccount",
        /// Phishing.
        Phishing = "phishing",
        /// A user who meant it.
        MaliciousUserActivity = "maliciousUserActivity",
        /// Not malicious.
        NotMalicious = "notMalicious",
        /// Too little data to tell.
        NotEnoughDataToValidate = "notEnoughDataToValidate",
        /// Activity the user confirmed.
        ConfirmedActivity = "confirmedActivity",
        /// An application of the house.
        LineOfBusinessApplication = "lineOfBusinessApplication",
    }
);

vocabulary!(
    /// Why incidents belong together. Source: the metadata of `correlationReason`.
    MergeReason {
        /// The same alert again.
        RepeatedAlertOccurrence = "repeatedAlertOccurrence",
        /// From the same place.
        SameGeography = "sameGeography",
        /// Artifacts that look alike.
        SimilarArtifacts = "similarArtifacts",
        /// The same asset was aimed at.
        SameTargetedAsset = "sameTargetedAsset",
        /// In the same part of the network.
        SameNetworkSegment = "sameNetworkSegment",
        /// One after the other.
        EventSequence = "eventSequence",
        /// At the same time.
        TimeFrame = "timeFrame",
        /// From the same source.
        SameThreatSource = "sameThreatSource",
        /// The same actor.
        SameActor = "sameActor",
        /// The same campaign.
        SameCampaign = "sameCampaign",
        /// The same indicator.
        SharedIndicators = "sharedIndicators",
        /// The same asset.
        SameAsset = "sameAsset",
        /// Close in the network.
        NetworkProximity = "networkProximity",
        /// Close in time.
        TemporalProximity = "temporalProximity",
        /// One led to the other.
        LateralMovementPath = "lateralMovementPath",
    }
);
vocabulary!(
    /// Kinds of attack an alert can be raised for. Source: the page of `CreateAlertByReference`.
    AlertCategory {
        /// Anything else.
        General = "General",
        /// Talking to whoever controls it.
        CommandAndControl = "CommandAndControl",
        /// Gathering data.
        Collection = "Collection",
        /// Stealing credentials.
        CredentialAccess = "CredentialAccess",
        /// Hiding.
        DefenseEvasion = "DefenseEvasion",
        /// Looking around.
        Discovery = "Discovery",
        /// Taking data out.
        Exfiltration = "Exfiltration",
        /// Using a weakness.
        Exploit = "Exploit",
        /// Running code.
        Execution = "Execution",
        /// Getting in.
        InitialAccess = "InitialAccess",
        /// Going from device to device.
        LateralMovement = "LateralMovement",
        /// Malware.
        Malware = "Malware",
        /// Staying.
        Persistence = "Persistence",
        /// Getting more rights.
        PrivilegeEscalation = "PrivilegeEscalation",
        /// Ransomware.
        Ransomware = "Ransomware",
        /// Something odd.
        SuspiciousActivity = "SuspiciousActivity",
    }
);

impl Classification {
    /// Whether a determination goes with it. Source: the tables of the update pages, which the service holds to.
    #[must_use]
    pub const fn takes(self, determination: Determination) -> bool {
        use Determination as D;
        match self {
            Self::Unknown => true,
            Self::TruePositive => !matches!(
                determination,
                D::SecurityTesting
                    | D::LineOfBusinessApplication
                    | D::ConfirmedActivity
                    | D::NotMalicious
                    | D::NotEnoughDataToValidate
            ),
            Self::InformationalExpectedActivity => matches!(
                determination,
                D::Unknown
                    | D::Other
                    | D::SecurityTesting
                    | D::LineOfBusinessApplication
                    | D::ConfirmedActivity
            ),
            Self::FalsePositive => {
                matches!(determination, D::Unknown | D::Other | D::NotMalicious | D::NotEnoughDataToValidate)
            }
        }
    }
}

/// A value of a vocabulary that the service may extend at any time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term<T> {
    /// A value this version knows.
    Known(T),
    /// A value it does not: kept as it came, equal to no known value.
    Other(Box<str>),
}

impl<T: Serialize> Serialize for Term<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(value) => value.serialize(serializer),
            Self::Other(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Term<T> {
    /// Reads huntbook's own spelling back (journal); the tenant door reads the APIs' spellings.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(&text));
        Ok(known.map_or_else(|_unknown| Self::Other(text.as_str().into()), Self::Known))
    }
}

impl<T: PartialEq> PartialEq<T> for Term<T> {
    fn eq(&self, other: &T) -> bool {
        matches!(self, Self::Known(value) if value == other)
    }
}

/// A comment on an incident or alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseComment {
    /// The text.
    pub comment: String,
    /// Who wrote it, as the API says.
    pub created_by: Option<String>,
    /// When.
    pub created_date_time: Option<Timestamp>,
}

/// A device named in an alert's evidence.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceDevice {
    /// Id in Defender for Endpoint (40 hexadecimal digits when it is well formed).
    pub mde_device_id: Option<String>,
    /// DNS name.
    pub device_dns_name: Option<String>,
    /// Operating system.
    pub os_platform: Option<String>,
    /// Health of the sensor.
    pub health_status: Option<String>,
    /// Risk score.
    pub risk_score: Option<String>,
    /// Name of its device group.
    pub rbac_group_name: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
}

/// A user named in an alert's evidence.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceUser {
    /// Sign-in name without domain.
    pub account_name: Option<String>,
    /// Domain.
    pub domain_name: Option<String>,
    /// Security identifier.
    pub user_sid: Option<String>,
    /// Object id in Entra ID.
    pub azure_ad_user_id: Option<String>,
    /// User principal name.
    pub user_principal_name: Option<String>,
    /// Name for people.
    pub display_name: Option<String>,
}

/// An alert, with its evidence sorted by kind.
#[expect(clippy::struct_field_names, reason = "the API's own field names")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// Identity.
    pub id: AlertId,
    /// The incident it belongs to.
    pub incident_id: Option<IncidentId>,
    /// Title.
    pub title: String,
    /// Description.
    pub description: Option<String>,
    /// Severity.
    pub severity: Term<AlertSeverity>,
    /// Status.
    pub status: Term<AlertStatus>,
    /// Classification; `()` in conditions while there is none.
    pub classification: Option<Term<Classification>>,
    /// Determination.
    pub determination: Option<Term<Determination>>,
    /// Kill-chain category.
    pub category: Option<String>,
    /// MITRE ATT&CK technique ids.
    pub mitre_techniques: Vec<String>,
    /// Product that raised it, as Graph spells it.
    pub service_source: Option<String>,
    /// Technology that detected it, as Graph spells it.
    pub detection_source: Option<String>,
    /// Owner.
    pub assigned_to: Option<String>,
    /// When it was made.
    pub created_date_time: Option<Timestamp>,
    /// When it last changed.
    pub last_update_date_time: Option<Timestamp>,
    /// Page in the portal.
    pub alert_web_url: Option<String>,
    /// Devices in the evidence.
    pub devices: Vec<EvidenceDevice>,
    /// Users in the evidence.
    pub users: Vec<EvidenceUser>,
    /// All evidence as the API gave it.
    pub evidence: Vec<serde_json::Value>,
}

/// An incident, with its alerts when they were asked for.
#[expect(clippy::struct_field_names, reason = "the API's own field names")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Identity.
    pub id: IncidentId,
    /// The incident this one was merged into.
    pub redirect_incident_id: Option<IncidentId>,
    /// Title.
    pub display_name: String,
    /// Description.
    pub description: Option<String>,
    /// Severity.
    pub severity: Term<AlertSeverity>,
    /// Status.
    pub status: Term<IncidentStatus>,
    /// Classification; `()` in conditions while there is none.
    pub classification: Option<Term<Classification>>,
    /// Determination.
    pub determination: Option<Term<Determination>>,
    /// Owner.
    pub assigned_to: Option<String>,
    /// Tags people and playbooks set.
    pub custom_tags: Vec<String>,
    /// Tags the service set.
    pub system_tags: Vec<String>,
    /// When it was made.
    pub created_date_time: Option<Timestamp>,
    /// When it last changed.
    pub last_update_date_time: Option<Timestamp>,
    /// Page in the portal.
    pub incident_web_url: Option<String>,
    /// Comments.
    pub comments: Vec<CaseComment>,
    /// Alerts; empty unless the playbook says `expandAlerts: true`.
    pub alerts: Vec<Alert>,
}

/// Names of an incident's fields, as conditions and texts spell them.
#[must_use]
pub const fn incident_fields() -> &'static [&'static str] {
    &[
        "id",
        "redirectIncidentId",
        "displayName",
        "description",
        "severity",
        "status",
        "classification",
        "determination",
        "assignedTo",
        "customTags",
        "systemTags",
        "createdDateTime",
        "lastUpdateDateTime",
        "incidentWebUrl",
        "comments",
        "alerts",
    ]
}

/// Names of an alert's fields, as conditions and texts spell them.
#[must_use]
pub const fn alert_fields() -> &'static [&'static str] {
    &[
        "id",
        "incidentId",
        "title",
        "description",
        "severity",
        "status",
        "classification",
        "determination",
        "category",
        "mitreTechniques",
        "serviceSource",
        "detectionSource",
        "assignedTo",
        "createdDateTime",
        "lastUpdateDateTime",
        "alertWebUrl",
        "devices",
        "users",
        "evidence",
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_term_survives_and_equals_nothing_known() {
        let term: Term<AlertSeverity> = serde_json::from_str("\"catastrophic\"").unwrap();
        assert_eq!(term, Term::Other("catastrophic".into()));
        assert!(term != AlertSeverity::High);
        assert_eq!(serde_json::to_string(&term).unwrap(), "\"catastrophic\"");
        let known: Term<AlertSeverity> = serde_json::from_str("\"high\"").unwrap();
        assert!(known == AlertSeverity::High);
    }

    #[test]
    fn the_field_names_are_those_of_the_type() {
        let mut object = serde_json::Map::new();
        for field in incident_fields() {
            let value = match *field {
                "id" => "1".into(),
                "displayName" | "severity" | "status" => "x".into(),
                "customTags" | "systemTags" | "comments" | "alerts" => serde_json::json!([]),
                _ => serde_json::Value::Null,
            };
            object.insert((*field).to_owned(), value);
        }
        let incident: Incident = serde_json::from_value(object.into()).unwrap();
        let json = serde_json::to_value(incident).unwrap();
        assert!(json.as_object().unwrap().keys().eq(incident_fields().iter().copied()));
    }

    #[test]
    fn a_determination_goes_with_some_classifications() {
        let taken = |one: Classification| {
            Determination::ALL.iter().filter(|determination| one.takes(**determination)).count()
        };
        assert_eq!(Classification::ALL.iter().map(|one| taken(*one)).collect::<Vec<_>>(), [15, 4, 10, 5]);
        assert!(!Classification::FalsePositive.takes(Determination::Malware));
    }

    #[test]
    fn the_field_names_of_an_alert_are_those_of_the_type() {
        let alert: Alert = serde_json::from_value(serde_json::json!({
            "id": "da1", "title": "x", "severity": "high", "status": "new", "mitreTechniques": [], "devices": [],
            "users": [], "evidence": [],
        }))
        .unwrap();
        let json = serde_json::to_value(alert).unwrap();
        assert!(json.as_object().unwrap().keys().eq(alert_fields().iter().copied()));
    }

    #[test]
    fn words_are_found_whatever_their_case() {
        assert_eq!(IncidentStatus::parse("InProgress"), Some(IncidentStatus::InProgress));
        assert_eq!(IncidentStatus::parse("in progress"), None);
    }
}
