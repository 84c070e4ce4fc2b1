//! What huntbook can change in a tenant.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AccountAt, ActionKind, IndicatorSet, IndicatorValue, MailRemedy, MailTarget, MasteredAccount};
use crate::model::{
    AlertCategory, AlertId, AlertSeverity, AlertStatus, Classification, Determination, DeviceId, IncidentId,
    IncidentStatus, MergeReason, Sha1, UserId,
};

/// How much of a device is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IsolationType {
    /// Everything but the sensor.
    Full,
    /// Everything but the sensor and a few applications (mail, chat).
    Selective,
    /// Contains a device that has no sensor, at its neighbours.
    UnManagedDevice,
}

/// How deep a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScanType {
    /// The usual places.
    Quick,
    /// All files.
    Full,
}

/// One command of a live response session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LiveCommand {
    /// Puts a file of the library on the device.
    PutFile {
        /// Its name in the library.
        name: String,
    },
    /// Runs a script of the library.
    RunScript {
        /// Its name in the library.
        name: String,
        /// Its arguments, as its shell reads them.
        args: Option<String>,
    },
    /// Gets a file of the device.
    GetFile {
        /// Where it is.
        path: String,
    },
}

/// How much a device matters to the business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceValue {
    /// Little.
    Low,
    /// As most.
    Normal,
    /// Much.
    High,
}

/// What an indicator looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndicatorType {
    /// A file, by SHA-1.
    FileSha1,
    /// A file, by SHA-256.
    FileSha256,
    /// A file, by MD5.
    FileMd5,
    /// A signer's certificate.
    CertificateThumbprint,
    /// One address; no ranges.
    IpAddress,
    /// A domain and what is below it.
    DomainName,
    /// A URL.
    Url,
}

/// What happens on a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndicatorAction {
    /// Nothing, even if something else would block it.
    Allowed,
    /// It is reported.
    Audit,
    /// The user is warned.
    Warn,
    /// It is blocked.
    Block,
    /// It is blocked and removed (files).
    BlockAndRemediate,
}

/// Something to block, allow or report everywhere. The service keeps one for each value: adding it
/// again changes it.
#[expect(clippy::struct_field_names, reason = "the API's own field names")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Indicator {
    /// The hash, address, domain or URL.
    pub indicator_value: IndicatorValue,
    /// What it is.
    pub indicator_type: IndicatorType,
    /// What happens.
    pub action: IndicatorAction,
    /// Title of the alert.
    pub title: String,
    /// Description of the alert.
    pub description: String,
    /// Severity of the alert.
    pub severity: Option<AlertSeverity>,
    /// What to do about it.
    pub recommended_actions: Option<String>,
    /// When it ends; `None` for never.
    pub expiration_time: Option<Timestamp>,
    /// Whether a match raises an alert; `Audit` needs it.
    pub generate_alert: bool,
    /// Device groups it applies to; empty for all.
    pub rbac_group_names: Vec<String>,
}

/// What changes on an incident; `None` and empty leave as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IncidentPatch {
    /// New status.
    pub status: Option<IncidentStatus>,
    /// New classification; goes with a determination.
    pub classification: Option<Classification>,
    /// New determination.
    pub determination: Option<Determination>,
    /// New owner; empty text for nobody.
    pub assigned_to: Option<String>,
    /// Tags to add; those that are there stay.
    pub tags_add: Vec<String>,
    /// Tags to remove, whatever their case.
    pub tags_remove: Vec<String>,
    /// What the change was decided on, if that is known: what somebody else has set since stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Box<Seen>>,
}

/// An incident's members that people set, as they were when a change was decided.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Status.
    pub status: Option<String>,
    /// Classification.
    pub classification: Option<String>,
    /// Determination.
    pub determination: Option<String>,
    /// Owner.
    pub assigned_to: Option<String>,
}

/// An alert about an event on a device. The service finds the event by device, time and report; an open alert of
/// the same title on the device takes it in, and an investigation may start by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewAlert {
    /// The device.
    pub machine_id: DeviceId,
    /// When, as the row has it; sent with seven digits, by which the service finds it.
    #[serde(serialize_with = "seven_digits")]
    pub event_time: Timestamp,
    /// The row's `ReportId`.
    pub report_id: String,
    /// `Low`, `Medium`, `High`.
    pub severity: AlertSeverity,
    /// Title.
    pub title: String,
    /// Description.
    pub description: String,
    /// What to do about it.
    pub recommended_action: String,
    /// Kind of attack.
    pub category: AlertCategory,
}

fn seven_digits<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.strftime("%Y-%m-%dT%H:%M:%S%.7fZ").to_string())
}

impl IncidentPatch {
    /// Whether what is written depends on what was read before.
    pub(super) const fn merges(&self) -> bool {
        !self.tags_add.is_empty() || !self.tags_remove.is_empty()
    }
}

/// What changes on an alert; `None` leaves as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertPatch {
    /// New status.
    pub status: Option<AlertStatus>,
    /// New classification; goes with a determination.
    pub classification: Option<Classification>,
    /// New determination.
    pub determination: Option<Determination>,
    /// New owner; empty text for nobody.
    pub assigned_to: Option<String>,
}

/// One change, on one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// Cuts a device off the network.
    IsolateDevice {
        /// The device.
        device: DeviceId,
        /// How much.
        isolation_type: IsolationType,
        /// Why; the service wants one.
        comment: String,
    },
    /// Lets a device back.
    ReleaseDevice {
        /// The device.
        device: DeviceId,
        /// Why.
        comment: String,
    },
    /// Scans a device for malware.
    RunAntivirusScan {
        /// The device.
        device: DeviceId,
        /// How deep.
        scan_type: ScanType,
        /// Why.
        comment: String,
    },
    /// Lets only programs run that Microsoft has signed.
    RestrictAppExecution {
        /// The device.
        device: DeviceId,
        /// Why.
        comment: String,
    },
    /// Lets all programs run again.
    RemoveAppRestriction {
        /// The device.
        device: DeviceId,
        /// Why.
        comment: String,
    },
    /// Gathers what an investigation of a device needs.
    CollectInvestigationPackage {
        /// The device.
        device: DeviceId,
        /// Why.
        comment: String,
    },
    /// Starts an automated investigation of a device.
    InitiateInvestigation {
        /// The device.
        device: DeviceId,
        /// Why.
        comment: String,
    },
    /// Stops a file where it runs and puts it in quarantine, on one device.
    StopAndQuarantineFile {
        /// The device.
        device: DeviceId,
        /// The file.
        sha1: Sha1,
        /// Why.
        comment: String,
    },
    /// Runs scripts of the tenant's library on a device, and moves files.
    RunLiveResponse {
        /// The device.
        device: DeviceId,
        /// What is done, in the order the service wants: files put, scripts run, files got.
        commands: Vec<LiveCommand>,
        /// Why.
        comment: String,
    },
    /// Stops a device's sensor for good: nothing brings it back from here.
    OffboardDevice {
        /// The device.
        device: DeviceId,
        /// Why.
        comment: String,
    },
    /// Says how much a device matters.
    SetDeviceValue {
        /// The device.
        device: DeviceId,
        /// How much.
        value: DeviceValue,
    },
    /// Puts a tag on a device.
    TagDevice {
        /// The device.
        device: DeviceId,
        /// The tag.
        tag: String,
    },
    /// Takes a tag off a device.
    UntagDevice {
        /// The device.
        device: DeviceId,
        /// The tag.
        tag: String,
    },
    /// Blocks, allows or reports something everywhere.
    AddIndicator(Indicator),
    /// Takes the indicators of a value away, in all device groups.
    RemoveIndicator {
        /// What the value is.
        indicator_type: IndicatorType,
        /// The value.
        value: IndicatorValue,
        /// Only those that do this and that nobody says others made; `None` for whoever made them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        added: Option<IndicatorAction>,
    },
    /// Makes a set of indicators what it is to be.
    ReconcileIndicators(Box<IndicatorSet>),
    /// Blocks a user's sign-in. Sessions live on until they are revoked.
    DisableUser {
        /// The user.
        user: UserId,
        /// Where.
        at: AccountAt,
    },
    /// Lets a user sign in again.
    EnableUser {
        /// The user.
        user: UserId,
        /// Where.
        at: AccountAt,
    },
    /// Ends a user's sessions; tokens already issued live up to an hour longer.
    RevokeSessions {
        /// The user.
        user: UserId,
    },
    /// Sets a user's risk to high, confirmed by a person or by us.
    MarkUserAsCompromised {
        /// The user.
        user: UserId,
    },
    /// Sets a user's risk to none.
    DismissUserRisk {
        /// The user.
        user: UserId,
    },
    /// Makes a user choose a new password at the next sign-in.
    ForceUserPasswordReset {
        /// The user.
        user: UserId,
        /// The account whose password it is.
        account: MasteredAccount,
    },
    /// Moves or deletes one mail in one mailbox. The service does it later, and no API says how it ended.
    RemediateEmail {
        /// What is done.
        remedy: MailRemedy,
        /// The mail.
        mail: MailTarget,
        /// Why; the portal shows it.
        comment: String,
    },
    /// Changes an incident. Tags are read, merged, written and read back: the service replaces the
    /// whole list and offers nothing to compare with.
    UpdateIncident {
        /// The incident.
        incident: IncidentId,
        /// The change.
        patch: IncidentPatch,
    },
    /// Adds a comment to an incident.
    CommentIncident {
        /// The incident.
        incident: IncidentId,
        /// The comment.
        comment: String,
    },
    /// Makes one incident of several; the service says which one stays.
    MergeIncidents {
        /// The incidents, two or more.
        incidents: Vec<IncidentId>,
        /// Why, for people.
        comment: String,
        /// Why, in the service's words.
        reasons: Vec<MergeReason>,
    },
    /// Changes several alerts at once.
    UpdateAlerts {
        /// The alerts.
        alerts: Vec<AlertId>,
        /// The change.
        patch: AlertPatch,
        /// A comment on each.
        comment: Option<String>,
    },
    /// Adds a comment to an alert.
    CommentAlert {
        /// The alert.
        alert: AlertId,
        /// The comment.
        comment: String,
    },
    /// Raises an alert.
    CreateAlert(Box<NewAlert>),
    /// Changes an alert.
    UpdateAlert {
        /// The alert.
        alert: AlertId,
        /// The change.
        patch: AlertPatch,
    },
}

impl Operation {
    /// Which action it is.
    #[must_use]
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::IsolateDevice { .. } => ActionKind::IsolateDevice,
            Self::ReleaseDevice { .. } => ActionKind::ReleaseDevice,
            Self::RunAntivirusScan { .. } => ActionKind::RunAntivirusScan,
            Self::RestrictAppExecution { .. } => ActionKind::RestrictAppExecution,
            Self::RemoveAppRestriction { .. } => ActionKind::RemoveAppRestriction,
            Self::CollectInvestigationPackage { .. } => ActionKind::CollectInvestigationPackage,
            Self::InitiateInvestigation { .. } => ActionKind::InitiateInvestigation,
            Self::StopAndQuarantineFile { .. } => ActionKind::StopAndQuarantineFile,
            Self::RunLiveResponse { .. } => ActionKind::RunLiveResponse,
            Self::OffboardDevice { .. } => ActionKind::OffboardDevice,
            Self::SetDeviceValue { .. } => ActionKind::SetDeviceValue,
            Self::TagDevice { .. } => ActionKind::TagDevice,
            Self::UntagDevice { .. } => ActionKind::UntagDevice,
            Self::AddIndicator(_) => ActionKind::AddIndicator,
            Self::RemoveIndicator { .. } => ActionKind::RemoveIndicator,
            Self::ReconcileIndicators(_) => ActionKind::ReconcileIndicators,
            Self::DisableUser { .. } => ActionKind::DisableUser,
            Self::EnableUser { .. } => ActionKind::EnableUser,
            Self::RevokeSessions { .. } => ActionKind::RevokeSessions,
            Self::MarkUserAsCompromised { .. } => ActionKind::MarkUserAsCompromised,
            Self::DismissUserRisk { .. } => ActionKind::DismissUserRisk,
            Self::ForceUserPasswordReset { .. } => ActionKind::ForceUserPasswordReset,
            Self::RemediateEmail { remedy, .. } => remedy.kind(),
            Self::UpdateIncident { .. } => ActionKind::UpdateIncident,
            Self::CommentIncident { .. } => ActionKind::CommentIncident,
            Self::MergeIncidents { .. } => ActionKind::MergeIncidents,
            Self::UpdateAlert { .. } => ActionKind::UpdateAlert,
            Self::UpdateAlerts { .. } => ActionKind::UpdateAlerts,
            Self::CommentAlert { .. } => ActionKind::CommentAlert,
            Self::CreateAlert(_) => ActionKind::CreateAlert,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}
