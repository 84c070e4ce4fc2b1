//! One operation on one checked target.

use crate::model::{DeviceId, MailAddress, UserId};
use crate::tenant::{ActionKind, Operation};

/// One operation on one checked target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which action.
    pub kind: ActionKind,
    /// The target, in the one spelling the API uses.
    pub target: String,
    /// What is sent.
    pub operation: Operation,
}

impl Call {
    pub(super) fn new(operation: Operation) -> Self {
        let target = match &operation {
            Operation::IsolateDevice { device, .. }
            | Operation::ReleaseDevice { device, .. }
            | Operation::RunAntivirusScan { device, .. }
            | Operation::RestrictAppExecution { device, .. }
            | Operation::RemoveAppRestriction { device, .. }
            | Operation::CollectInvestigationPackage { device, .. }
            | Operation::InitiateInvestigation { device, .. }
            | Operation::StopAndQuarantineFile { device, .. }
            | Operation::RunLiveResponse { device, .. }
            | Operation::OffboardDevice { device, .. }
            | Operation::SetDeviceValue { device, .. }
            | Operation::TagDevice { device, .. }
            | Operation::UntagDevice { device, .. } => device.to_string(),
            Operation::AddIndicator(indicator) => indicator.indicator_value.to_string(),
            Operation::RemoveIndicator { value, .. } => value.to_string(),
            Operation::ReconcileIndicators(set) => format!("set {}", set.name),
            Operation::DisableUser { user, .. }
            | Operation::EnableUser { user, .. }
            | Operation::RevokeSessions { user }
            | Operation::MarkUserAsCompromised { user }
            | Operation::DismissUserRisk { user }
            | Operation::ForceUserPasswordReset { user, .. } => user.as_str().to_lowercase(),
            Operation::RemediateEmail { mail, .. } => {
                format!("{}/{}", mail.network_message_id, mail.recipient_email_address)
            }
            Operation::UpdateIncident { incident, .. } | Operation::CommentIncident { incident, .. } => {
                incident.to_string()
            }
            Operation::MergeIncidents { incidents, .. } => joined(incidents),
            Operation::UpdateAlert { alert, .. } | Operation::CommentAlert { alert, .. } => alert.to_string(),
            Operation::UpdateAlerts { alerts, .. } => joined(alerts),
            Operation::CreateAlert(alert) => {
                format!("{}/{}/{}", alert.machine_id, alert.event_time, alert.report_id)
            }
        };
        Self { kind: operation.kind(), target, operation }
    }

    /// What tells it apart from others of its kind on its target, where there can be several.
    #[must_use]
    pub fn detail(&self) -> String {
        match &self.operation {
            Operation::StopAndQuarantineFile { sha1, .. } => sha1.to_string(),
            Operation::RunLiveResponse { commands, .. } => format!("{commands:?}"),
            _ => String::new(),
        }
    }

    /// The indicators that a call on a set writes; an exclusion of one of them is one of the call.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let wanted = match &self.operation {
            Operation::ReconcileIndicators(set) => set.wanted.as_slice(),
            _ => &[],
        };
        wanted.iter().map(|one| one.indicator_value.as_str())
    }

    /// What the call is aimed at, as far as guards tell targets apart.
    const fn aim(&self) -> Aim<'_> {
        match &self.operation {
            Operation::IsolateDevice { device, .. }
            | Operation::ReleaseDevice { device, .. }
            | Operation::RunAntivirusScan { device, .. }
            | Operation::RestrictAppExecution { device, .. }
            | Operation::RemoveAppRestriction { device, .. }
            | Operation::CollectInvestigationPackage { device, .. }
            | Operation::InitiateInvestigation { device, .. }
            | Operation::StopAndQuarantineFile { device, .. }
            | Operation::RunLiveResponse { device, .. }
            | Operation::OffboardDevice { device, .. }
            | Operation::SetDeviceValue { device, .. }
            | Operation::TagDevice { device, .. }
            | Operation::UntagDevice { device, .. } => Aim::Device(device),
            Operation::DisableUser { user, .. }
            | Operation::EnableUser { user, .. }
            | Operation::RevokeSessions { user }
            | Operation::MarkUserAsCompromised { user }
            | Operation::DismissUserRisk { user }
            | Operation::ForceUserPasswordReset { user, .. } => Aim::User(user),
            Operation::RemediateEmail { mail, .. } => Aim::Mailbox(&mail.recipient_email_address),
            Operation::AddIndicator(_)
            | Operation::RemoveIndicator { .. }
            | Operation::ReconcileIndicators(_)
            | Operation::UpdateIncident { .. }
            | Operation::CommentIncident { .. }
            | Operation::MergeIncidents { .. }
            | Operation::UpdateAlert { .. }
            | Operation::UpdateAlerts { .. }
            | Operation::CommentAlert { .. }
            | Operation::CreateAlert(_) => Aim::Other,
        }
    }

    /// The device the call is aimed at, if it is a device.
    #[must_use]
    pub const fn device(&self) -> Option<&DeviceId> {
        if let Aim::Device(device) = self.aim() { Some(device) } else { None }
    }

    /// The user the call is aimed at, if it is a user.
    #[must_use]
    pub const fn user(&self) -> Option<&UserId> {
        if let Aim::User(user) = self.aim() { Some(user) } else { None }
    }

    /// Whose mailbox the call is aimed at, if it is a mail.
    #[must_use]
    pub const fn mailbox(&self) -> Option<&MailAddress> {
        if let Aim::Mailbox(owner) = self.aim() { Some(owner) } else { None }
    }
}

/// What a call is aimed at.
#[derive(Debug, Clone, Copy)]
enum Aim<'a> {
    Device(&'a DeviceId),
    User(&'a UserId),
    Mailbox(&'a MailAddress),
    Other,
}

/// Several ids as one target, whatever their order.
fn joined<Id: ToString>(ids: &[Id]) -> String {
    let mut ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.sort_unstable();
    ids.join("+")
}
