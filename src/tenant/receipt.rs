//! What a tenant says to a change.

use serde::{Deserialize, Serialize};

use crate::model::MachineActionId;

/// What the tenant says to a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The action's id, to ask after it.
    pub remote_id: Option<MachineActionId>,
    /// How far it has come.
    pub state: RemoteState,
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RemoteState {
    /// It is in force.
    Done,
    /// It is accepted; the device has to do it.
    Pending,
    /// The same was asked for before, and the device has still to do it: nothing was added.
    UnderWay,
    /// The same is in force already, by us or by somebody else: nothing was added.
    AlreadyInForce,
}

impl RemoteState {
    /// Whether it was this change that did it.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        match self {
            Self::Done | Self::Pending => true,
            Self::UnderWay | Self::AlreadyInForce => false,
        }
    }
}
