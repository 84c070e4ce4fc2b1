//! Every action huntbook knows: what it does, through which API, with which permission.

use std::fmt;

/// The API an action goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Microsoft Graph.
    Graph,
    /// Defender for Endpoint.
    Mde,
}

impl Api {
    /// The name under which the portal's permission page lists the API.
    #[must_use]
    pub const fn portal_name(self) -> &'static str {
        match self {
            Self::Graph => "Microsoft Graph",
            Self::Mde => "WindowsDefenderATP",
        }
    }
}

/// What an action is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// A device of Defender for Endpoint.
    Device,
    /// A user of Entra ID.
    User,
    /// An indicator of compromise.
    Indicator,
    /// An incident.
    Incident,
    /// An alert.
    Alert,
}

/// Whether an action can hurt when it is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Impact {
    /// Changes a record: tags, status, comments.
    Record,
    /// Takes something away from a person or a machine: counted by guards, never repeated in doubt.
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
    /// Puts a tag on a device.
    TagDevice = "tagDevice",
    /// Takes a tag off a device.
    UntagDevice = "untagDevice",
    /// Adds an indicator of compromise.
    AddIndicator = "addIndicator",
    /// Disables a user's account.
    DisableUser = "disableUser",
    /// Ends a user's sessions.
    RevokeSessions = "revokeSessions",
    /// Changes an incident.
    UpdateIncident = "updateIncident",
    /// Comments on an incident.
    CommentIncident = "commentIncident",
    /// Changes an alert.
    UpdateAlert = "updateAlert",
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known about a kind of action.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// One sentence for people.
    pub summary: &'static str,
    /// The API.
    pub api: Api,
    /// Method and path, as documented.
    pub endpoint: &'static str,
    /// Application permissions it needs, all of them (least privilege).
    pub roles: &'static [&'static str],
    /// What it is aimed at.
    pub target: TargetKind,
    /// Whether it can hurt.
    pub impact: Impact,
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
}

impl ActionKind {
    /// What is known about the kind.
    #[must_use]
    pub const fn spec(self) -> Spec {
        match self {
            Self::IsolateDevice => Spec {
                summary: "Cuts a device off the network; Defender for Endpoint stays connected.",
                undo: Some(Self::ReleaseDevice),
                ..device("POST /api/machines/{id}/isolate", &["Machine.Isolate"])
            },
            Self::ReleaseDevice => Spec {
                summary: "Lets an isolated device back on the network.",
                ..device("POST /api/machines/{id}/unisolate", &["Machine.Isolate"])
            },
            Self::RunAntivirusScan => Spec {
                summary: "Scans a device with Defender Antivirus.",
                impact: Impact::Record,
                ..device("POST /api/machines/{id}/runAntiVirusScan", &["Machine.Scan"])
            },
            Self::TagDevice => {
                Spec { summary: "Puts a tag on a device.", undo: Some(Self::UntagDevice), ..tag() }
            }
            Self::UntagDevice => {
                Spec { summary: "Takes a tag off a device.", undo: Some(Self::TagDevice), ..tag() }
            }
            Self::AddIndicator => Spec {
                summary: "Adds an indicator: a hash, address, domain or URL to allow, audit, warn about or block.",
                api: Api::Mde,
                endpoint: "POST /api/indicators",
                roles: &["Ti.ReadWrite"],
                target: TargetKind::Indicator,
                impact: Impact::Disruptive,
                undo: None,
                remote: Remote::AtOnce,
            },
            Self::DisableUser => Spec {
                summary: "Disables a user's account in Entra ID. Sessions go on: add revokeSessions.",
                ..user("PATCH /v1.0/users/{id}", &["User.EnableDisableAccount.All", "User.Read.All"])
            },
            Self::RevokeSessions => Spec {
                summary: "Makes a user's refresh tokens invalid, so that they must sign in again.",
                ..user("POST /v1.0/users/{id}/revokeSignInSessions", &["User.RevokeSessions.All"])
            },
            Self::UpdateIncident => Spec {
                summary: "Sets an incident's status, classification, owner or tags.",
                ..case(
                    "PATCH /v1.0/security/incidents/{id}",
                    &["SecurityIncident.ReadWrite.All"],
                    TargetKind::Incident,
                )
            },
            Self::CommentIncident => Spec {
                summary: "Adds a comment to an incident.",
                ..case(
                    "POST /v1.0/security/incidents/{id}/comments",
                    &["SecurityIncident.ReadWrite.All"],
                    TargetKind::Incident,
                )
            },
            Self::UpdateAlert => Spec {
                summary: "Sets an alert's status, classification or owner.",
                ..case(
                    "PATCH /v1.0/security/alerts_v2/{id}",
                    &["SecurityAlert.ReadWrite.All"],
                    TargetKind::Alert,
                )
            },
        }
    }
}

/// An action on a device that the device carries out when it picks it up.
const fn device(endpoint: &'static str, roles: &'static [&'static str]) -> Spec {
    Spec {
        summary: "",
        api: Api::Mde,
        endpoint,
        roles,
        target: TargetKind::Device,
        impact: Impact::Disruptive,
        undo: None,
        remote: Remote::Later,
    }
}

/// A change of a device's tags.
const fn tag() -> Spec {
    let spec = device("POST /api/machines/{id}/tags", &["Machine.ReadWrite.All"]);
    Spec { impact: Impact::Record, remote: Remote::AtOnce, ..spec }
}

/// An action on a user.
const fn user(endpoint: &'static str, roles: &'static [&'static str]) -> Spec {
    Spec {
        summary: "",
        api: Api::Graph,
        endpoint,
        roles,
        target: TargetKind::User,
        impact: Impact::Disruptive,
        undo: None,
        remote: Remote::AtOnce,
    }
}

/// A change of a record in Defender XDR.
const fn case(endpoint: &'static str, roles: &'static [&'static str], target: TargetKind) -> Spec {
    Spec { target, impact: Impact::Record, ..user(endpoint, roles) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_says_what_it_does_and_needs() {
        for kind in ActionKind::ALL {
            let spec = kind.spec();
            assert!(spec.summary.ends_with('.'), "{kind}");
            assert!(!spec.roles.is_empty(), "{kind}");
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
