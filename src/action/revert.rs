//! What takes an action back, written down when the action is taken: nothing else is needed for it, not even the
//! playbook.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{ActionKind, Approval};
use crate::model::{DeviceId, UserId};
use crate::tenant::{AccountAt, IndicatorAction, IndicatorType, IndicatorValue, Operation};

/// When an action is taken back by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevertRule {
    /// How long after it was taken.
    pub after: SignedDuration,
    /// Whose leave that needs, if it needs any.
    pub approval: Option<Approval>,
}

/// What takes an action back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Undo {
    /// Of `isolateDevice`.
    ReleaseDevice(DeviceId),
    /// Of `restrictAppExecution`.
    RemoveAppRestriction(DeviceId),
    /// Of `addIndicator`.
    RemoveIndicator {
        /// What the value is.
        kind: IndicatorType,
        /// The value.
        value: IndicatorValue,
        /// What it was to do; `None` if an older version wrote this, which takes all of the value away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        added: Option<IndicatorAction>,
    },
    /// Of `disableUser`.
    EnableUser {
        /// The user.
        user: UserId,
        /// Where.
        at: AccountAt,
    },
}

impl Undo {
    /// What takes an operation back, if something does.
    #[must_use]
    pub fn of(operation: &Operation) -> Option<Self> {
        Some(match operation {
            Operation::IsolateDevice { device, .. } => Self::ReleaseDevice(device.clone()),
            Operation::RestrictAppExecution { device, .. } => Self::RemoveAppRestriction(device.clone()),
            Operation::AddIndicator(indicator) => Self::RemoveIndicator {
                kind: indicator.indicator_type,
                value: indicator.indicator_value.clone(),
                added: Some(indicator.action),
            },
            Operation::DisableUser { user, at } => Self::EnableUser { user: user.clone(), at: at.clone() },
            _ => return None,
        })
    }

    /// Whether something takes actions of a kind back. A tag is no such action: it may have been there before.
    #[must_use]
    pub const fn is_there_for(kind: ActionKind) -> bool {
        matches!(
            kind,
            ActionKind::IsolateDevice
                | ActionKind::RestrictAppExecution
                | ActionKind::AddIndicator
                | ActionKind::DisableUser
        )
    }

    /// Which action it is.
    #[must_use]
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::ReleaseDevice(_) => ActionKind::ReleaseDevice,
            Self::RemoveAppRestriction(_) => ActionKind::RemoveAppRestriction,
            Self::RemoveIndicator { .. } => ActionKind::RemoveIndicator,
            Self::EnableUser { .. } => ActionKind::EnableUser,
        }
    }

    /// What is sent.
    #[must_use]
    pub fn operation(&self, comment: &str) -> Operation {
        let comment = comment.to_owned();
        match self {
            Self::ReleaseDevice(device) => Operation::ReleaseDevice { device: device.clone(), comment },
            Self::RemoveAppRestriction(device) => {
                Operation::RemoveAppRestriction { device: device.clone(), comment }
            }
            Self::RemoveIndicator { kind, value, added } => {
                Operation::RemoveIndicator { indicator_type: *kind, value: value.clone(), added: *added }
            }
            Self::EnableUser { user, at } => Operation::EnableUser { user: user.clone(), at: at.clone() },
        }
    }
}
