//! The kinds of response actions: through which API each goes, whether it can hurt, and whether it may be repeated.

use std::fmt;

use super::Audience;

/// Whether an action can hurt when it is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Impact {
    /// Changes a record: tags, status, comments.
    Record,
    /// Takes something away from a person or a machine, or gives it back: counted by guards, never repeated in
    /// doubt.
    Disruptive,
}

macro_rules! kinds {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal),+ $(,)?) => {
        /// A kind of response action. Names are those of the Graph detection-rule vocabulary where it has one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ActionKind { $($(#[$doc])+ $variant),+ }

        impl ActionKind {
            /// Every kind, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The key a playbook uses.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

kinds! {
    /// Cuts a device off the network.
    IsolateDevice = "isolateDevice",
    /// Lets an isolated device back on.
    ReleaseDevice = "releaseDevice",
    /// Scans a device for malware.
    RunAntivirusScan = "runAntivirusScan",
    /// Lets only programs run that Microsoft has signed.
    RestrictAppExecution = "restrictAppExecution",
    /// Lets all programs run again.
    RemoveAppRestriction = "removeAppRestriction",
    /// Gathers what an investigation of a device needs.
    CollectInvestigationPackage = "collectInvestigationPackage",
    /// Starts an automated investigation of a device.
    InitiateInvestigation = "initiateInvestigation",
    /// Stops a file and puts it in quarantine, on one device.
    StopAndQuarantineFile = "stopAndQuarantineFile",
    /// Runs scripts of the tenant's library on a device, and moves files.
    RunLiveResponse = "runLiveResponse",
    /// Stops a device's sensor for good.
    OffboardDevice = "offboardDevice",
    /// Says how much a device matters.
    SetDeviceValue = "setDeviceValue",
    /// Puts a tag on a device.
    TagDevice = "tagDevice",
    /// Takes a tag off a device.
    UntagDevice = "untagDevice",
    /// Adds an indicator of compromise.
    AddIndicator = "addIndicator",
    /// Takes an indicator away.
    RemoveIndicator = "removeIndicator",
    /// Makes a set of indicators what a list says.
    ReconcileIndicators = "reconcileIndicators",
    /// Disables a user's account.
    DisableUser = "disableUser",
    /// Enables a user's account.
    EnableUser = "enableUser",
    /// Ends a user's sessions.
    RevokeSessions = "revokeSessions",
    /// Tells Entra ID that a user's account is in the wrong hands.
    MarkUserAsCompromised = "markUserAsCompromised",
    /// Tells Entra ID that a user's risk is none.
    DismissUserRisk = "dismissUserRisk",
    /// Makes a user choose a new password.
    ForceUserPasswordReset = "forceUserPasswordReset",
    /// Moves a mail to where its recipient can get it back.
    SoftDeleteEmail = "softDeleteEmail",
    /// Deletes a mail for good.
    HardDeleteEmail = "hardDeleteEmail",
    /// Moves a mail to the junk folder.
    MoveEmailToJunk = "moveEmailToJunk",
    /// Moves a mail to the inbox.
    MoveEmailToInbox = "moveEmailToInbox",
    /// Moves a mail to the deleted items.
    MoveEmailToDeletedItems = "moveEmailToDeletedItems",
    /// Changes an incident.
    UpdateIncident = "updateIncident",
    /// Comments on an incident.
    CommentIncident = "commentIncident",
    /// Makes one incident of several.
    MergeIncidents = "mergeIncidents",
    /// Changes an alert.
    UpdateAlert = "updateAlert",
    /// Changes several alerts at once.
    UpdateAlerts = "updateAlerts",
    /// Comments on an alert.
    CommentAlert = "commentAlert",
    /// Raises an alert about an event.
    CreateAlert = "createAlert",
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ActionKind {
    /// The API it goes through.
    #[must_use]
    pub const fn audience(self) -> Audience {
        match self {
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
            | Self::UpdateAlerts
            | Self::CreateAlert
            | Self::AddIndicator
            | Self::RemoveIndicator
            | Self::ReconcileIndicators => Audience::Mde,
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
            | Self::CommentAlert
            | Self::UpdateAlert => Audience::Graph,
        }
    }

    /// Whether it can hurt. This is the one place that says so.
    #[must_use]
    pub const fn impact(self) -> Impact {
        match self {
            Self::IsolateDevice
            | Self::ReleaseDevice
            | Self::RestrictAppExecution
            | Self::RemoveAppRestriction
            | Self::InitiateInvestigation
            | Self::StopAndQuarantineFile
            | Self::RunLiveResponse
            | Self::OffboardDevice
            | Self::AddIndicator
            | Self::RemoveIndicator
            | Self::ReconcileIndicators
            | Self::DisableUser
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
            | Self::MergeIncidents => Impact::Disruptive,
            Self::RunAntivirusScan
            | Self::CollectInvestigationPackage
            | Self::SetDeviceValue
            | Self::TagDevice
            | Self::UntagDevice
            | Self::UpdateIncident
            | Self::CommentIncident
            | Self::UpdateAlert
            | Self::UpdateAlerts
            | Self::CommentAlert
            | Self::CreateAlert => Impact::Record,
        }
    }

    /// Whether it may be sent again when nobody knows whether it arrived. What takes something away may not: a
    /// person may have given it back meanwhile. Of the rest, what would be there twice may not either.
    #[must_use]
    pub const fn is_repeatable(self) -> bool {
        match self.impact() {
            Impact::Disruptive => false,
            Impact::Record => !matches!(
                self,
                Self::RunAntivirusScan
                    | Self::CollectInvestigationPackage
                    | Self::CommentIncident
                    | Self::CommentAlert
                    | Self::UpdateAlerts
                    | Self::CreateAlert
            ),
        }
    }

    /// The type of the response action that it is at Defender for Endpoint, if it is one of those that the service
    /// lists with their comments.
    #[must_use]
    pub const fn listed_as(self) -> Option<&'static str> {
        Some(match self {
            Self::IsolateDevice => "Isolate",
            Self::ReleaseDevice => "Unisolate",
            Self::RunAntivirusScan => "RunAntiVirusScan",
            Self::RestrictAppExecution => "RestrictCodeExecution",
            Self::RemoveAppRestriction => "UnrestrictCodeExecution",
            Self::CollectInvestigationPackage => "CollectInvestigationPackage",
            Self::StopAndQuarantineFile => "StopAndQuarantineFile",
            Self::RunLiveResponse => "LiveResponse",
            Self::OffboardDevice => "Offboard",
            _ => return None,
        })
    }

    /// Whether people have to approve each call of it: nothing takes it back, or it can do anything.
    #[must_use]
    pub const fn needs_approval(self) -> bool {
        matches!(
            self,
            Self::OffboardDevice | Self::RunLiveResponse | Self::HardDeleteEmail | Self::MergeIncidents
        )
    }

    /// Whether one of it on a target says nothing about another: two files on a device are two matters, and so
    /// are two sessions, each with people's leave.
    #[must_use]
    pub const fn is_manifold(self) -> bool {
        matches!(self, Self::StopAndQuarantineFile | Self::RunLiveResponse)
    }
}
