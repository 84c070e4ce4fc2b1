//! Response actions on devices as a step has them, and the operations they become.

use serde_json::Value;

use super::step::{comment, target};
use super::{ActionError, LiveParams};
use crate::tenant::{ActionKind, IsolationType, Operation, ScanType};
use crate::text::Template;

/// Parameters of a response action on a device.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceParams {
    /// The device's id.
    pub device: Template,
    /// What is asked of it.
    pub what: DeviceAction,
    /// Why.
    pub comment: Template,
}

/// What is asked of a device.
#[derive(Debug, Clone, PartialEq)]
pub enum DeviceAction {
    /// See [`Operation::IsolateDevice`].
    Isolate(IsolationType),
    /// See [`Operation::ReleaseDevice`].
    Release,
    /// See [`Operation::RunAntivirusScan`].
    Scan(ScanType),
    /// See [`Operation::RestrictAppExecution`].
    Restrict,
    /// See [`Operation::RemoveAppRestriction`].
    RemoveRestriction,
    /// See [`Operation::CollectInvestigationPackage`].
    Collect,
    /// See [`Operation::InitiateInvestigation`].
    Investigate,
    /// See [`Operation::StopAndQuarantineFile`], with the SHA-1 of the file.
    Quarantine(Template),
    /// See [`Operation::RunLiveResponse`].
    LiveResponse(LiveParams),
    /// See [`Operation::OffboardDevice`].
    Offboard,
}

impl DeviceParams {
    /// Which action.
    #[must_use]
    pub const fn kind(&self) -> ActionKind {
        match self.what {
            DeviceAction::Isolate(_) => ActionKind::IsolateDevice,
            DeviceAction::Release => ActionKind::ReleaseDevice,
            DeviceAction::Scan(_) => ActionKind::RunAntivirusScan,
            DeviceAction::Restrict => ActionKind::RestrictAppExecution,
            DeviceAction::RemoveRestriction => ActionKind::RemoveAppRestriction,
            DeviceAction::Collect => ActionKind::CollectInvestigationPackage,
            DeviceAction::Investigate => ActionKind::InitiateInvestigation,
            DeviceAction::Quarantine(_) => ActionKind::StopAndQuarantineFile,
            DeviceAction::LiveResponse(_) => ActionKind::RunLiveResponse,
            DeviceAction::Offboard => ActionKind::OffboardDevice,
        }
    }

    pub(super) fn render(&self, texts: &Value) -> Result<Operation, ActionError> {
        let device = target("device", &self.device, texts)?;
        let comment = comment(&self.comment, texts)?;
        Ok(match &self.what {
            DeviceAction::Isolate(isolation_type) => {
                Operation::IsolateDevice { device, isolation_type: *isolation_type, comment }
            }
            DeviceAction::Release => Operation::ReleaseDevice { device, comment },
            DeviceAction::Scan(scan_type) => {
                Operation::RunAntivirusScan { device, scan_type: *scan_type, comment }
            }
            DeviceAction::Restrict => Operation::RestrictAppExecution { device, comment },
            DeviceAction::RemoveRestriction => Operation::RemoveAppRestriction { device, comment },
            DeviceAction::Collect => Operation::CollectInvestigationPackage { device, comment },
            DeviceAction::Investigate => Operation::InitiateInvestigation { device, comment },
            DeviceAction::Quarantine(sha1) => {
                Operation::StopAndQuarantineFile { device, sha1: target("sha1", sha1, texts)?, comment }
            }
            DeviceAction::LiveResponse(params) => {
                Operation::RunLiveResponse { device, commands: params.render(texts)?, comment }
            }
            DeviceAction::Offboard => Operation::OffboardDevice { device, comment },
        })
    }
}
