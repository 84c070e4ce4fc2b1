//! Every action huntbook knows: what it does, with which permissions, and at what it is aimed.

use super::{account, case, email};
use crate::tenant::{ActionKind, Permission};

/// What an action is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// A device of Defender for Endpoint.
    Device,
    /// A user of Entra ID.
    User,
    /// An indicator of compromise.
    Indicator,
    /// A mail in a mailbox.
    Email,
    /// An incident.
    Incident,
    /// An alert.
    Alert,
}

/// What is known about a kind of action.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// One sentence for people.
    pub summary: &'static str,
    /// Method and path, as documented.
    pub endpoint: &'static str,
    /// What it needs to be allowed beside the call itself.
    pub beside: &'static [Permission],
    /// What it is aimed at.
    pub target: TargetKind,
    /// The action that takes it back.
    pub undo: Option<ActionKind>,
    /// Whether the service works on it after it has answered.
    pub remote: Remote,
}

/// When an accepted action is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remote {
    /// With the answer.
    AtOnce,
    /// Later: the device has to pick it up. Ends in `Succeeded`, `Failed`, `TimeOut` or `Cancelled`.
    Later,
    /// Later, and no API says how: the portal's Action center does.
    Unseen,
}

impl ActionKind {
    /// What it needs to be allowed, all of it.
    pub fn permissions(self) -> impl Iterator<Item = Permission> {
        [self.permission()].into_iter().chain(self.spec().beside.iter().copied())
    }

    /// What is known about the kind.
    #[must_use]
    pub const fn spec(self) -> Spec {
        Spec { summary: self.summary(), ..self.traits() }
    }

    const fn summary(self) -> &'static str {
        match self {
            Self::IsolateDevice => "Cuts a device off the network; Defender for Endpoint stays connected.",
            Self::ReleaseDevice => "Lets an isolated device back on the network.",
            Self::RunAntivirusScan => "Scans a device with Defender Antivirus.",
            Self::RestrictAppExecution => "Lets only programs run that Microsoft has signed.",
            Self::RemoveAppRestriction => "Lets all programs run again.",
            Self::CollectInvestigationPackage => {
                "Gathers logs and state of a device into a package to be downloaded in the portal."
            }
            Self::InitiateInvestigation => {
                "Starts an automated investigation of a device, which may remedy what it finds."
            }
            Self::StopAndQuarantineFile => {
                "Stops a file where it runs and puts it in quarantine, on one device."
            }
            Self::RunLiveResponse => {
                "Runs scripts of the tenant's library on a device and moves files: only with approval."
            }
            Self::OffboardDevice => "Stops a device's sensor for good: only with approval, and Windows only.",
            Self::SetDeviceValue => "Says how much a device matters to the business.",
            Self::TagDevice => "Puts a tag on a device.",
            Self::UntagDevice => "Takes a tag off a device.",
            Self::AddIndicator => {
                "Adds an indicator: a hash, address, domain or URL to allow, audit, warn about or block."
            }
            Self::RemoveIndicator => {
                "Takes the indicators of a value away, in all device groups and whoever made them."
            }
            Self::ReconcileIndicators => {
                "Makes huntbook's indicators what a list or a feed says; those of others are left as they are."
            }
            Self::DisableUser
            | Self::EnableUser
            | Self::RevokeSessions
            | Self::MarkUserAsCompromised
            | Self::DismissUserRisk
            | Self::ForceUserPasswordReset
            | Self::SoftDeleteEmail
            | Self::HardDeleteEmail
            | Self::MoveEmailToJunk
            | Self::MoveEmailToInbox
            | Self::MoveEmailToDeletedItems
            | Self::UpdateIncident
            | Self::CommentIncident
            | Self::MergeIncidents
            | Self::UpdateAlert
            | Self::UpdateAlerts
            | Self::CommentAlert
            | Self::CreateAlert => self.traits().summary,
        }
    }

    const fn traits(self) -> Spec {
        match self {
            Self::IsolateDevice => {
                Spec { undo: Some(Self::ReleaseDevice), ..device("POST /api/machines/{id}/isolate") }
            }
            Self::ReleaseDevice => device("POST /api/machines/{id}/unisolate"),
            Self::RunAntivirusScan => device("POST /api/machines/{id}/runAntiVirusScan"),
            Self::RestrictAppExecution => Spec {
                undo: Some(Self::RemoveAppRestriction),
                ..device("POST /api/machines/{id}/restrictCodeExecution")
            },
            Self::RemoveAppRestriction => device("POST /api/machines/{id}/unrestrictCodeExecution"),
            Self::CollectInvestigationPackage => {
                device("POST /api/machines/{id}/collectInvestigationPackage")
            }
            Self::InitiateInvestigation => {
                Spec { remote: Remote::AtOnce, ..device("POST /api/machines/{id}/startInvestigation") }
            }
            Self::StopAndQuarantineFile => device("POST /api/machines/{id}/StopAndQuarantineFile"),
            Self::RunLiveResponse => device("POST /api/machines/{id}/runliveresponse"),
            Self::OffboardDevice => device("POST /api/machines/{id}/offboard"),
            Self::SetDeviceValue => {
                Spec { remote: Remote::AtOnce, ..device("POST /api/machines/{id}/setDeviceValue") }
            }
            Self::TagDevice => Spec { undo: Some(Self::UntagDevice), ..tag() },
            Self::UntagDevice => Spec { undo: Some(Self::TagDevice), ..tag() },
            Self::AddIndicator => {
                Spec { undo: Some(Self::RemoveIndicator), ..indicator("POST /api/indicators") }
            }
            Self::RemoveIndicator => indicator("DELETE /api/indicators/{id}"),
            Self::ReconcileIndicators => {
                indicator("POST /api/indicators/import, /api/indicators/BatchDelete")
            }
            Self::DisableUser => account::DISABLE,
            Self::EnableUser => account::ENABLE,
            Self::RevokeSessions => account::REVOKE_SESSIONS,
            Self::MarkUserAsCompromised => account::MARK_AS_COMPROMISED,
            Self::DismissUserRisk => account::DISMISS_RISK,
            Self::ForceUserPasswordReset => account::FORCE_PASSWORD_RESET,
            Self::SoftDeleteEmail => email::SOFT_DELETE,
            Self::HardDeleteEmail => email::HARD_DELETE,
            Self::MoveEmailToJunk => email::MOVE_TO_JUNK,
            Self::MoveEmailToInbox => email::MOVE_TO_INBOX,
            Self::MoveEmailToDeletedItems => email::MOVE_TO_DELETED_ITEMS,
            Self::UpdateIncident => case::UPDATE_INCIDENT,
            Self::CommentIncident => case::COMMENT_INCIDENT,
            Self::MergeIncidents => case::MERGE_INCIDENTS,
            Self::UpdateAlert => case::UPDATE_ALERT,
            Self::UpdateAlerts => case::UPDATE_ALERTS,
            Self::CommentAlert => case::COMMENT_ALERT,
            Self::CreateAlert => case::CREATE_ALERT,
        }
    }
}

/// An action on a device that the device carries out when it picks it up.
const fn device(endpoint: &'static str) -> Spec {
    Spec { summary: "", endpoint, beside: &[], target: TargetKind::Device, undo: None, remote: Remote::Later }
}

/// A change of a device's tags.
const fn tag() -> Spec {
    let spec = device("POST /api/machines/{id}/tags");
    Spec { remote: Remote::AtOnce, ..spec }
}

/// A change of indicators.
const fn indicator(endpoint: &'static str) -> Spec {
    case(endpoint, TargetKind::Indicator)
}

/// An action on a user.
pub(super) const fn user(endpoint: &'static str) -> Spec {
    Spec { summary: "", endpoint, beside: &[], target: TargetKind::User, undo: None, remote: Remote::AtOnce }
}

/// A change of a record in Defender XDR.
pub(super) const fn case(endpoint: &'static str, target: TargetKind) -> Spec {
    Spec { target, ..user(endpoint) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_says_what_it_does_and_needs() {
        for kind in ActionKind::ALL {
            let spec = kind.spec();
            assert!(spec.summary.ends_with('.'), "{kind}");
            assert!(kind.permissions().next().is_some(), "{kind}");
            assert!(spec.endpoint.contains(" /"), "{kind}");
        }
    }

    #[test]
    fn an_undo_is_aimed_at_the_same_kind_of_target() {
        for kind in ActionKind::ALL {
            if let Some(undo) = kind.spec().undo {
                assert_eq!(undo.spec().target, kind.spec().target, "{kind}");
            }
        }
    }
}
