//! Devices and their response actions, as Defender for Endpoint tells of them.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::Operation;
use crate::model::{DeviceId, MachineActionId, Term};

/// A device. Serialised (camelCase) it is what conditions see.
#[expect(clippy::struct_field_names, reason = "the API's own field names")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Identity.
    pub id: DeviceId,
    /// DNS name.
    #[serde(default)]
    pub computer_dns_name: Option<String>,
    /// Operating system.
    #[serde(default)]
    pub os_platform: Option<String>,
    /// Health of the sensor.
    #[serde(default)]
    pub health_status: Option<String>,
    /// Whether the sensor is installed.
    #[serde(default)]
    pub onboarding_status: Option<String>,
    /// Risk score.
    #[serde(default)]
    pub risk_score: Option<String>,
    /// Exposure level.
    #[serde(default)]
    pub exposure_level: Option<String>,
    /// Value to the business.
    #[serde(default)]
    pub device_value: Option<String>,
    /// Name of its device group.
    #[serde(default)]
    pub rbac_group_name: Option<String>,
    /// Its object in Entra ID.
    #[serde(default)]
    pub aad_device_id: Option<String>,
    /// Last address inside.
    #[serde(default)]
    pub last_ip_address: Option<String>,
    /// Last full report; about once a day.
    #[serde(default)]
    pub last_seen: Option<Timestamp>,
    /// Tags people and playbooks set.
    #[serde(default, deserialize_with = "tags")]
    pub machine_tags: Vec<String>,
}

/// Where a response action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ActionStatus {
    /// Waits for the device; for days if it is offline.
    Pending,
    /// The device works on it.
    InProgress,
    /// Done.
    Succeeded,
    /// It did not work.
    Failed,
    /// The device did not come back in time.
    TimeOut,
    /// Somebody took it back.
    Cancelled,
}

impl ActionStatus {
    /// Whether it will not change any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::InProgress => false,
            Self::Succeeded | Self::Failed | Self::TimeOut | Self::Cancelled => true,
        }
    }

    /// Reads the API's spellings: `TimeOut` also as `TimedOut`, `Cancelled` also with one `l`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let known = [
            ("pending", Self::Pending),
            ("inprogress", Self::InProgress),
            ("succeeded", Self::Succeeded),
            ("failed", Self::Failed),
            ("timeout", Self::TimeOut),
            ("timedout", Self::TimeOut),
            ("cancelled", Self::Cancelled),
            ("canceled", Self::Cancelled),
        ];
        known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, status)| status)
    }
}

/// A response action that the service has accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineAction {
    /// Identity.
    pub id: MachineActionId,
    /// What it does: `Isolate`, `Unisolate`, `RunAntiVirusScan`, …, as the API spells it.
    #[serde(rename = "type")]
    pub kind: String,
    /// `Full`, `Selective`, `Quick`.
    #[serde(default)]
    pub scope: Option<String>,
    /// Where it stands.
    #[serde(deserialize_with = "status")]
    pub status: Term<ActionStatus>,
    /// The device.
    pub machine_id: DeviceId,
    /// Who asked for it.
    #[serde(default)]
    pub requestor: Option<String>,
    /// What they said; huntbook's own carry its marker.
    #[serde(default)]
    pub requestor_comment: Option<String>,
    /// The file it is about, if it is about one.
    #[serde(default)]
    pub related_file_info: Option<FileInfo>,
    /// The commands of a live response session.
    #[serde(default)]
    pub commands: Option<Vec<CommandInfo>>,
    /// When it was asked for.
    #[serde(default)]
    pub creation_date_time_utc: Option<Timestamp>,
    /// When it last changed.
    #[serde(default, alias = "lastUpdateTimeUtc")]
    pub last_update_date_time_utc: Option<Timestamp>,
}

impl MachineAction {
    /// Whether the device has done it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.status == Term::Known(ActionStatus::Succeeded)
    }
}

impl Operation {
    /// The same with a mark at the beginning of its comment, if the service shows that comment where it can be read
    /// back: in the list of actions of a device ([`super::ActionKind::listed_as`]), at an incident, at an alert.
    /// Otherwise as it is.
    #[must_use]
    pub fn marked(mut self, mark: &str) -> Self {
        match &mut self {
            Self::IsolateDevice { comment, .. }
            | Self::ReleaseDevice { comment, .. }
            | Self::RunAntivirusScan { comment, .. }
            | Self::RestrictAppExecution { comment, .. }
            | Self::RemoveAppRestriction { comment, .. }
            | Self::CollectInvestigationPackage { comment, .. }
            | Self::StopAndQuarantineFile { comment, .. }
            | Self::RunLiveResponse { comment, .. }
            | Self::OffboardDevice { comment, .. }
            | Self::CommentIncident { comment, .. }
            | Self::CommentAlert { comment, .. } => *comment = format!("{mark} {comment}"),
            _ => {}
        }
        self
    }
}

/// How one command of a live response session stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandInfo {
    /// Its place in the session, from 0.
    #[serde(default)]
    pub index: u32,
    /// `Created`, `Completed` or `Failed`.
    #[serde(default)]
    pub command_status: Option<String>,
    /// What went wrong.
    #[serde(default)]
    pub errors: Vec<String>,
}

/// A file that a response action is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileInfo {
    /// A hash of it.
    #[serde(default)]
    pub file_identifier: Option<String>,
}

/// Null like none.
fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Any spelling; an unknown status is kept as it came.
fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Term<ActionStatus>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(ActionStatus::parse(&text).map_or_else(|| Term::Other(text.into()), Term::Known))
}
