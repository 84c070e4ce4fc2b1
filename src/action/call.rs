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

    /// The device the call is aimed at, if it is a device.
    #[must_use]
    pub const fn device(&self) -> Option<&DeviceId> {
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
            | Operation::UntagDevice { device, .. } => Some(device),
            Operation::AddIndicator(_)
            | Operation::RemoveIndicator { .. }
            | Operation::ReconcileIndicators(_)
            | Operation::DisableUser { .. }
            | Operation::EnableUser { .. }
            | Operation::RevokeSessions { .. }
            | Operation::MarkUserAsCompromised { .. }
            | Operation::DismissUserRisk { .. }
            | Operation::ForceUserPasswordReset { .. }
            | Operation::RemediateEmail { .. }
            | Operation::UpdateIncident { .. }
            | Operation::CommentIncident { .. }
            | Operation::MergeIncidents { .. }
            | Operation::UpdateAlerts { .. }
            | Operation::CommentAlert { .. }
            | Operation::CreateAlert(_)
            | Operation::UpdateAlert { .. } => None,
        }
    }

    /// The user the call is aimed at, if it is a user.
    #[must_use]
    pub const fn user(&self) -> Option<&UserId> {
        match &self.operation {
            Operation::DisableUser { user, .. }
            | Operation::EnableUser { user, .. }
            | Operation::RevokeSessions { user }
            | Operation::MarkUserAsCompromised { user }
            | Operation::DismissUserRisk { user }
            | Operation::ForceUserPasswordReset { user, .. } => Some(user),
            Operation::IsolateDevice { .. }
            | Operation::ReleaseDevice { .. }
            | Operation::RunAntivirusScan { .. }
            | Operation::RestrictAppExecution { .. }
            | Operation::RemoveAppRestriction { .. }
            | Operation::CollectInvestigationPackage { .. }
            | Operation::InitiateInvestigation { .. }
            | Operation::StopAndQuarantineFile { .. }
            | Operation::RunLiveResponse { .. }
            | Operation::OffboardDevice { .. }
            | Operation::SetDeviceValue { .. }
            | Operation::TagDevice { .. }
            | Operation::UntagDevice { .. }
            | Operation::AddIndicator(_)
            | Operation::RemoveIndicator { .. }
            | Operation::ReconcileIndicators(_)
            | Operation::RemediateEmail { .. }
            | Operation::UpdateIncident { .. }
            | Operation::CommentIncident { .. }
            | Operation::MergeIncidents { .. }
            | Operation::UpdateAlerts { .. }
            | Operation::CommentAlert { .. }
            | Operation::CreateAlert(_)
            | Operation::UpdateAlert { .. } => None,
        }
    }

    /// Whose mailbox the call is aimed at, if it is a mail.
    #[must_use]
    pub const fn mailbox(&self) -> Option<&MailAddress> {
        match &self.operation {
            Operation::RemediateEmail { mail, .. } => Some(&mail.recipient_email_address),
            _ => None,
        }
    }
}

/// Several ids as one target, whatever their order.
fn joined<Id: ToString>(ids: &[Id]) -> String {
    let mut ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.sort_unstable();
    ids.join("+")
}
