//! What people have to know of an action beside its [`Spec`](super::Spec): what it presupposes, how it is read back and
//! taken back, what becomes of trouble.

use super::Remote;
use super::case::ALERTS_MAX;
use super::step::{COMMENT_CHARS_MAX, DESCRIPTION_CHARS_MAX, TAG_CHARS_MAX};
use crate::tenant::{ActionKind, Impact};

/// The page of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manual {
    /// What the tenant must have: licences, products, kinds of devices.
    pub presupposes: &'static str,
    /// What a person needs beside the app's delegated permission, where huntbook acts for one.
    pub person: &'static str,
    /// How bad it is when it is wrong, and which guards look at it.
    pub risk: &'static str,
    /// How it is taken back.
    pub taken_back: &'static str,
    /// What the tenant shows of it, before and after.
    pub read_back: &'static str,
    /// When it is over.
    pub ends: &'static str,
    /// What becomes of trouble.
    pub trouble: Vec<&'static str>,
}

/// How many characters of a parameter's text are sent, and what becomes of more; by the parameter's last name.
#[must_use]
pub fn text_limit(parameter: &str) -> Option<String> {
    let name = parameter.rsplit('.').next().unwrap_or(parameter);
    Some(match name {
        "comment" => format!("cut after {COMMENT_CHARS_MAX} characters"),
        "title" | "description" | "recommendedActions" | "recommendedAction" => {
            format!("cut after {DESCRIPTION_CHARS_MAX} characters")
        }
        "tag" | "add" | "remove" => format!("at most {TAG_CHARS_MAX} characters"),
        "alerts" => format!("at most {ALERTS_MAX} alerts"),
        "device" => "40 hexadecimal digits".to_owned(),
        "sha1" => "a SHA-1: 40 hexadecimal digits".to_owned(),
        _ => return None,
    })
}

impl ActionKind {
    /// Its page.
    #[must_use]
    pub fn manual(self) -> Manual {
        let risk = match (self.impact(), self.needs_approval()) {
            (Impact::Record, _) => "changes a record; guards do not count it",
            (Impact::Disruptive, false) => "takes something away, or gives it back: every guard counts it",
            (Impact::Disruptive, true) => {
                "nothing takes it back, or it can do anything: every guard counts it, and people approve each call"
            }
        };
        let in_doubt = if self.is_repeatable() {
            "If the answer is lost it is sent again: the same record twice is the same."
        } else {
            "If the answer is lost it is never sent again by itself: what cannot be read back is parked until a person says what became of it (`huntbook resolve`)."
        };
        let mut trouble = vec![
            "Refused (400, 403, 404, 409): it counts as failed, nothing was done, and the item is news to the next run; `onError: continue` lets the item's later actions go on.",
            "Throttled (429) or not there (503): waited for as long as the service says, at most half a minute after the intent was written down; later it is halted, and the next run's.",
            in_doubt,
        ];
        trouble.extend(self.own_trouble());
        Manual {
            presupposes: self.presupposes(),
            person: self.person(),
            risk,
            taken_back: self.taken_back(),
            read_back: self.read_back(),
            ends: match self.spec().remote {
                Remote::AtOnce => "with the answer",
                Remote::Later => "when the device has done it: Succeeded, Failed, TimeOut or Cancelled",
                Remote::Unseen => "later; no API says how, the portal's Action center does",
            },
            trouble,
        }
    }

    /// The licence it needs beside Defender for Endpoint or Defender XDR, if it needs one.
    #[must_use]
    pub const fn licence(self) -> Option<&'static str> {
        match self {
            Self::MarkUserAsCompromised | Self::DismissUserRisk => Some("Entra ID P2"),
            Self::ForceUserPasswordReset => Some("Defender for Identity"),
            Self::SoftDeleteEmail
            | Self::HardDeleteEmail
            | Self::MoveEmailToJunk
            | Self::MoveEmailToInbox
            | Self::MoveEmailToDeletedItems => Some("Defender for Office 365 Plan 2"),
            Self::IsolateDevice
            | Self::ReleaseDevice
            | Self::RunAntivirusScan
            | Self::RestrictAppExecution
            | Self::RemoveAppRestriction
            | Self::CollectInvestigationPackage
            | Self::InitiateInvestigation
            | Self::StopAndQuarantineFile
            | Self::RunLiveResponse
            | Self::OffboardDevice
            | Self::SetDeviceValue
            | Self::TagDevice
            | Self::UntagDevice
            | Self::AddIndicator
            | Self::RemoveIndicator
            | Self::ReconcileIndicators
            | Self::DisableUser
            | Self::EnableUser
            | Self::RevokeSessions
            | Self::UpdateIncident
            | Self::CommentIncident
            | Self::MergeIncidents
            | Self::UpdateAlert
            | Self::UpdateAlerts
            | Self::CommentAlert
            | Self::CreateAlert => None,
        }
    }

    const fn presupposes(self) -> &'static str {
        match self {
            Self::IsolateDevice => {
                "Defender for Endpoint. Full: Windows 10 1703 and later, Linux; selective: Windows 10 1709 and later. A device behind a full-tunnel VPN loses the way to the service."
            }
            Self::RestrictAppExecution | Self::RemoveAppRestriction => {
                "Defender for Endpoint; Windows 10 1709 and later with Defender Antivirus."
            }
            Self::RunAntivirusScan => "Defender for Endpoint; Windows 10 1709 and later.",
            Self::StopAndQuarantineFile => {
                "Defender for Endpoint; Windows 10 1703 and later. Files signed by Microsoft or a trusted publisher are refused."
            }
            Self::InitiateInvestigation | Self::OffboardDevice => "Defender for Endpoint; Windows.",
            Self::RunLiveResponse => {
                "Defender for Endpoint with live response switched on, scripts in the library, and a device group with automated remediation. Twenty-five sessions a tenant, one a device."
            }
            Self::ReleaseDevice
            | Self::CollectInvestigationPackage
            | Self::SetDeviceValue
            | Self::TagDevice
            | Self::UntagDevice
            | Self::UpdateAlerts
            | Self::CreateAlert => "Defender for Endpoint.",
            Self::AddIndicator | Self::ReconcileIndicators => {
                "Defender for Endpoint; at most 15,000 indicators a tenant. Addresses, domains and URLs need network protection in block mode and the setting \"Custom network indicators\"; files need Defender Antivirus with cloud protection."
            }
            Self::RemoveIndicator => "Defender for Endpoint.",
            Self::DisableUser | Self::EnableUser => {
                "Entra ID. An account synchronised from a domain needs `identityAccount` and Defender for Identity with an action account; commercial cloud only."
            }
            Self::RevokeSessions => "Entra ID. Guests keep the sessions of their own tenant.",
            Self::MarkUserAsCompromised | Self::DismissUserRisk => "Entra ID P2.",
            Self::ForceUserPasswordReset => {
                "Defender for Identity with an action account; accounts of Active Directory; commercial cloud only."
            }
            Self::SoftDeleteEmail
            | Self::HardDeleteEmail
            | Self::MoveEmailToJunk
            | Self::MoveEmailToInbox
            | Self::MoveEmailToDeletedItems => {
                "Defender for Office 365 Plan 2. The call is a beta of Microsoft Graph."
            }
            Self::UpdateIncident
            | Self::CommentIncident
            | Self::MergeIncidents
            | Self::UpdateAlert
            | Self::CommentAlert => "Defender XDR.",
        }
    }

    const fn person(self) -> &'static str {
        match self {
            Self::CollectInvestigationPackage => {
                "\"Alerts investigation\" in Defender, and access to the device's group"
            }
            Self::SetDeviceValue | Self::TagDevice | Self::UntagDevice => {
                "a role in Defender that may change devices, and access to the device's group"
            }
            Self::AddIndicator | Self::RemoveIndicator | Self::ReconcileIndicators => {
                "a role in Defender that may manage indicators"
            }
            Self::DisableUser | Self::EnableUser | Self::RevokeSessions => {
                "a directory role that may change that user; an application that disables administrators needs one, too"
            }
            Self::MarkUserAsCompromised | Self::DismissUserRisk => {
                "Security Operator or Security Administrator"
            }
            Self::ForceUserPasswordReset => "a role in Defender that may take actions on identities",
            Self::SoftDeleteEmail
            | Self::HardDeleteEmail
            | Self::MoveEmailToJunk
            | Self::MoveEmailToInbox
            | Self::MoveEmailToDeletedItems => "a role in Defender that may remediate mail",
            Self::IsolateDevice
            | Self::ReleaseDevice
            | Self::RunAntivirusScan
            | Self::RestrictAppExecution
            | Self::RemoveAppRestriction
            | Self::InitiateInvestigation
            | Self::StopAndQuarantineFile
            | Self::RunLiveResponse
            | Self::OffboardDevice => {
                "\"Active remediation actions\" in Defender, and access to the device's group"
            }
            Self::UpdateIncident
            | Self::CommentIncident
            | Self::MergeIncidents
            | Self::UpdateAlert
            | Self::UpdateAlerts
            | Self::CommentAlert
            | Self::CreateAlert => "a role in Defender that may manage alerts",
        }
    }

    /// What takes it back where no action does, or what is not taken back with it.
    const fn taken_back(self) -> &'static str {
        match self {
            Self::RunAntivirusScan | Self::CollectInvestigationPackage => "nothing is to be taken back",
            Self::InitiateInvestigation => "in the portal, for what the investigation has remedied",
            Self::StopAndQuarantineFile => {
                "in the portal (Action center), or on the device: `MpCmdRun -Restore`; no API does"
            }
            Self::RunLiveResponse => "by nothing but another script",
            Self::OffboardDevice => "by onboarding the device anew, on the device",
            Self::SetDeviceValue => "by setting the former value, which the journal does not know",
            Self::RemoveIndicator => "by `addIndicator`, with the indicator's other fields written again",
            Self::ReconcileIndicators => "by putting the list as it was; the next run follows it",
            Self::RevokeSessions => "not at all: the user signs in again",
            Self::DismissUserRisk => "by `markUserAsCompromised`",
            Self::ForceUserPasswordReset => "not at all: the user chooses a new password",
            Self::HardDeleteEmail => "not at all",
            Self::MoveEmailToInbox => "by moving it elsewhere",
            Self::UpdateIncident | Self::UpdateAlert | Self::UpdateAlerts => {
                "by setting the former values, which the portal's activity log has"
            }
            Self::CommentIncident | Self::CommentAlert => "not at all: comments stay",
            Self::MergeIncidents => "not at all",
            Self::CreateAlert => "by resolving the alert; an investigation it has started goes on",
            Self::IsolateDevice => {
                "a second isolation that was queued meanwhile would take effect after a release"
            }
            Self::SoftDeleteEmail => "until the mailbox's retention of deleted items ends",
            Self::DisableUser => "sessions that were revoked are not",
            Self::ReleaseDevice => "by `isolateDevice`, where it has to be cut off again",
            Self::RemoveAppRestriction => "by `restrictAppExecution`",
            Self::RestrictAppExecution
            | Self::TagDevice
            | Self::UntagDevice
            | Self::AddIndicator
            | Self::EnableUser
            | Self::MarkUserAsCompromised
            | Self::MoveEmailToJunk
            | Self::MoveEmailToDeletedItems => "",
        }
    }

    const fn read_back(self) -> &'static str {
        match self {
            Self::IsolateDevice
            | Self::ReleaseDevice
            | Self::RestrictAppExecution
            | Self::RemoveAppRestriction => {
                "where the service says that one is under way (400), that one is followed, and no other is added; before huntbook does the same to a device again, the device's actions are read. An action's end is asked for by its id. A lost answer is looked for by the mark that each action carries in its comment"
            }
            Self::RunAntivirusScan
            | Self::CollectInvestigationPackage
            | Self::StopAndQuarantineFile
            | Self::OffboardDevice => {
                "where the service says that one is under way (400), that one is followed, and no other is added. An action's end is asked for by its id; a lost answer is looked for by the mark that each action carries in its comment"
            }
            Self::RunLiveResponse => {
                "the session's commands are asked for by its id, and what scripts say can be fetched for half an hour; a session under way is somebody else's"
            }
            Self::SetDeviceValue | Self::TagDevice | Self::UntagDevice => {
                "the answer shows the device, which must be the one that was meant"
            }
            Self::DisableUser | Self::EnableUser => {
                "`accountEnabled` is read first, and after a lost answer, at once and from ten minutes later on: if it is as wanted, the action is done; if not, people may have taken it back, and it is theirs to say. Where an account is mastered elsewhere nothing shows it"
            }
            Self::MergeIncidents => {
                "each incident is followed to where it went, before and after a lost answer: if all lead to one, it is done"
            }
            Self::UpdateIncident => {
                "the incident is read, changed where it differs, written, and the answer compared; tags are merged, at most three times"
            }
            Self::RemoveIndicator => {
                "the value is looked up first: what is not there is gone already, and of several (one for each device group) all go"
            }
            Self::ReconcileIndicators => {
                "the set is read first, and only differences are written; the report names what was not taken"
            }
            Self::AddIndicator => {
                "an indicator of others with the same value is left as it is: if it does the same, ours counts as in force, else it is not taken. The answer names what was taken; after a lost one the tenant's indicators are read, and what is there as it was sent is done. From 100 in a run on they go together, up to 500 in a call, each with its own intent and outcome"
            }
            Self::UpdateAlert => "nothing: the service answers with the alert, or refuses",
            Self::InitiateInvestigation => "the answer names the device; the portal shows the investigation",
            Self::RevokeSessions => {
                "after a lost answer `signInSessionsValidFromDateTime` is read, where the app may read users (`User.Read.All`): if that is no earlier than the request, it is done, whoever did it; if it is more than a day earlier, it was not"
            }
            Self::MarkUserAsCompromised | Self::DismissUserRisk | Self::ForceUserPasswordReset => {
                "no API shows it"
            }
            Self::SoftDeleteEmail
            | Self::HardDeleteEmail
            | Self::MoveEmailToJunk
            | Self::MoveEmailToInbox
            | Self::MoveEmailToDeletedItems => {
                "no API shows it; the portal's Action center lists it by the comment"
            }
            Self::CommentIncident | Self::CommentAlert => {
                "after a lost answer the comments are read: each begins with a mark that only this journal can have written. One that is not there after ten minutes, and not a minute later either, was not written: the next run writes it, unless other actions of its item were done"
            }
            Self::UpdateAlerts | Self::CreateAlert => "it is not: the same twice would stand there twice",
        }
    }

    fn own_trouble(self) -> Option<&'static str> {
        Some(match self {
            Self::RunLiveResponse => {
                "A command that fails ends the session; a device that is away is waited for, three days at most."
            }
            Self::DisableUser | Self::EnableUser => {
                "An account synchronised from a domain is left alone without `identityAccount` or `untilSync: true`: what Entra ID is told does not hold."
            }
            Self::ReconcileIndicators => {
                "Nothing is changed if the list is empty, or more would go or come than `maxRemoved`, `maxRemovedPercent` and `maxAdded` allow."
            }
            Self::UpdateIncident => {
                "What somebody else has set since the item was read is left as it is, and the action fails."
            }
            Self::CreateAlert => {
                "If the service does not find the event (404), check that the query leaves `Timestamp`, `DeviceId` and `ReportId` as they are."
            }
            Self::IsolateDevice
            | Self::ReleaseDevice
            | Self::RunAntivirusScan
            | Self::RestrictAppExecution
            | Self::RemoveAppRestriction
            | Self::CollectInvestigationPackage
            | Self::StopAndQuarantineFile
            | Self::OffboardDevice => {
                "A device that is away leaves it pending for days; with `waitFor` the item's later actions wait for it."
            }
            Self::MarkUserAsCompromised | Self::DismissUserRisk => {
                "One call a second for the whole tenant and all its apps; the service does not say how long to wait."
            }
            Self::InitiateInvestigation
            | Self::SetDeviceValue
            | Self::TagDevice
            | Self::UntagDevice
            | Self::AddIndicator
            | Self::RemoveIndicator
            | Self::RevokeSessions
            | Self::ForceUserPasswordReset
            | Self::SoftDeleteEmail
            | Self::HardDeleteEmail
            | Self::MoveEmailToJunk
            | Self::MoveEmailToInbox
            | Self::MoveEmailToDeletedItems
            | Self::CommentIncident
            | Self::MergeIncidents
            | Self::UpdateAlert
            | Self::UpdateAlerts
            | Self::CommentAlert => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_action_takes_back_says_so_in_words() {
        for kind in ActionKind::ALL {
            let manual = kind.manual();
            assert!(kind.spec().undo.is_some() || !manual.taken_back.is_empty(), "{kind}");
            for text in [manual.presupposes, manual.person, manual.read_back, manual.ends] {
                assert!(!text.is_empty(), "{kind}");
            }
        }
    }
}
