//! What an app must be granted before the tenant lets it do something: written down once, for the calls, for
//! whoever checks a token, and for whoever tells people what to grant.

use super::{ActionKind, Audience, HuntingApi};

/// Something an app can be allowed to do at an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// The API.
    pub audience: Audience,
    /// The application roles that are meant for it, the least one first; any one of them does.
    pub roles: &'static [&'static str],
    /// Roles that include it among much else: they do, but nobody should grant them for it.
    pub wider: &'static [&'static str],
}

impl Permission {
    /// The least role that allows it.
    #[must_use]
    pub const fn least(self) -> &'static str {
        match self.roles {
            [least, ..] => least,
            [] => "",
        }
    }

    /// The delegated permissions of which any one is the app's part in letting a person do it. Those of the
    /// Defender APIs are called like the roles without `.All`.
    pub fn scopes(self) -> impl Iterator<Item = &'static str> {
        let of_graph = matches!(self.audience, Audience::Graph);
        let delegated = move |role: &&'static str| {
            if of_graph { *role } else { role.strip_suffix(".All").unwrap_or(role) }
        };
        self.roles.iter().chain(self.wider).map(delegated)
    }

    /// The role among those granted that allows it.
    #[must_use]
    pub fn allowed_by(self, granted: &[String]) -> Option<&str> {
        let is_granted = |role: &&&str| granted.iter().any(|granted| granted == *role);
        self.roles.iter().chain(self.wider).find(is_granted).copied()
    }

    /// Roles of other APIs that sound like it and are granted in its place by mistake.
    #[must_use]
    pub fn lookalikes(self) -> &'static [(Audience, &'static str)] {
        match self.least() {
            "ThreatHunting.Read.All" => {
                &[(Audience::Xdr, "AdvancedHunting.Read.All"), (Audience::Mde, "AdvancedQuery.Read.All")]
            }
            "AdvancedHunting.Read.All" => {
                &[(Audience::Graph, "ThreatHunting.Read.All"), (Audience::Mde, "AdvancedQuery.Read.All")]
            }
            "AdvancedQuery.Read.All" => {
                &[(Audience::Graph, "ThreatHunting.Read.All"), (Audience::Xdr, "AdvancedHunting.Read.All")]
            }
            "SecurityIncident.Read.All" => {
                &[(Audience::Xdr, "Incident.Read.All"), (Audience::Xdr, "Incident.ReadWrite.All")]
            }
            "SecurityIncident.ReadWrite.All" => &[(Audience::Xdr, "Incident.ReadWrite.All")],
            "SecurityAlert.ReadWrite.All" => &[(Audience::Mde, "Alert.ReadWrite.All")],
            "User.Read.All" => &[(Audience::Mde, "User.Read.All")],
            _ => &[],
        }
    }
}

const fn of(audience: Audience, roles: &'static [&'static str]) -> Permission {
    Permission { audience, roles, wider: &[] }
}

/// Reading the incident queue.
pub const INCIDENTS: Permission =
    of(Audience::Graph, &["SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All"]);

/// Reading alerts.
pub const ALERTS: Permission =
    of(Audience::Graph, &["SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All"]);

/// Looking at devices, and at what becomes of their response actions.
pub const DEVICES: Permission = of(Audience::Mde, &["Machine.Read.All", "Machine.ReadWrite.All"]);

/// Looking at users.
pub const USERS: Permission = Permission {
    wider: &["User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"],
    ..of(Audience::Graph, &["User.Read.All"])
};

/// Looking at what a user is a member of, with the names of directory roles.
pub const ROLES: Permission = Permission {
    wider: &["Directory.Read.All", "Directory.ReadWrite.All", "RoleManagement.ReadWrite.Directory"],
    ..of(Audience::Graph, &["RoleManagement.Read.Directory"])
};

/// Looking at accounts where they are mastered.
pub const IDENTITY_ACCOUNTS: Permission = of(Audience::Graph, &["SecurityIdentitiesAccount.Read.All"]);

/// Changing accounts where they are mastered.
pub const IDENTITY_ACTIONS: Permission = of(Audience::Graph, &["SecurityIdentitiesActions.ReadWrite.All"]);

impl HuntingApi {
    /// What running a hunting query needs.
    #[must_use]
    pub const fn permission(self) -> Permission {
        match self {
            Self::Graph => of(Audience::Graph, &["ThreatHunting.Read.All"]),
            Self::Xdr => of(Audience::Xdr, &["AdvancedHunting.Read.All"]),
            Self::Mde => of(Audience::Mde, &["AdvancedQuery.Read.All"]),
        }
    }
}

impl ActionKind {
    /// What the call itself needs.
    ///
    /// Source: the permission tables of the API pages.
    #[must_use]
    pub const fn permission(self) -> Permission {
        let roles: &[&str] = match self {
            Self::IsolateDevice | Self::ReleaseDevice => &["Machine.Isolate"],
            Self::RunAntivirusScan => &["Machine.Scan"],
            Self::RestrictAppExecution | Self::RemoveAppRestriction => &["Machine.RestrictExecution"],
            Self::CollectInvestigationPackage => &["Machine.CollectForensics"],
            Self::InitiateInvestigation => &["Alert.ReadWrite.All"],
            Self::StopAndQuarantineFile => &["Machine.StopAndQuarantine"],
            Self::RunLiveResponse => &["Machine.LiveResponse"],
            Self::OffboardDevice => &["Machine.Offboard"],
            Self::SetDeviceValue | Self::TagDevice | Self::UntagDevice => &["Machine.ReadWrite.All"],
            Self::AddIndicator | Self::RemoveIndicator | Self::ReconcileIndicators => {
                &["Ti.ReadWrite", "Ti.ReadWrite.All"]
            }
            Self::DisableUser | Self::EnableUser => &["User.EnableDisableAccount.All", "User.ReadWrite.All"],
            Self::RevokeSessions => &["User.RevokeSessions.All", "User.ReadWrite.All"],
            Self::MarkUserAsCompromised | Self::DismissUserRisk => &["IdentityRiskyUser.ReadWrite.All"],
            Self::ForceUserPasswordReset => IDENTITY_ACTIONS.roles,
            Self::SoftDeleteEmail
            | Self::HardDeleteEmail
            | Self::MoveEmailToJunk
            | Self::MoveEmailToInbox
            | Self::MoveEmailToDeletedItems => &["SecurityAnalyzedMessage.ReadWrite.All"],
            Self::UpdateIncident | Self::CommentIncident => &["SecurityIncident.ReadWrite.All"],
            Self::MergeIncidents => &["SecurityData.Manage.All"],
            Self::UpdateAlert | Self::CommentAlert => &["SecurityAlert.ReadWrite.All"],
            Self::UpdateAlerts | Self::CreateAlert => &["Alert.ReadWrite.All"],
        };
        let wider: &[&str] = match self {
            Self::DisableUser | Self::EnableUser | Self::RevokeSessions => &["Directory.ReadWrite.All"],
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
            | Self::CreateAlert => &[],
        };
        Permission { audience: self.audience(), roles, wider }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_role_that_includes_a_permission_does_and_no_other() {
        let granted = |roles: &[&str]| roles.iter().map(|role| (*role).to_owned()).collect::<Vec<_>>();
        assert_eq!(USERS.allowed_by(&granted(&["X", "Directory.Read.All"])), Some("Directory.Read.All"));
        assert_eq!(DEVICES.allowed_by(&granted(&["Machine.ReadWrite.All"])), Some("Machine.ReadWrite.All"));
        assert_eq!(DEVICES.allowed_by(&granted(&["machine.read.all", "Machine.Isolate"])), None);
    }

    #[test]
    fn every_permission_has_a_least_role_and_no_role_twice() {
        let hunting = [HuntingApi::Graph, HuntingApi::Xdr, HuntingApi::Mde].map(HuntingApi::permission);
        let actions = ActionKind::ALL.iter().map(|kind| kind.permission());
        for permission in [INCIDENTS, ALERTS, DEVICES, USERS, ROLES, IDENTITY_ACCOUNTS]
            .into_iter()
            .chain(hunting)
            .chain(actions)
        {
            let mut all: Vec<_> = permission.roles.iter().chain(permission.wider).collect();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            assert!(!permission.least().is_empty() && all.len() == count, "{permission:?}");
            for (audience, _role) in permission.lookalikes() {
                assert_ne!(*audience, permission.audience, "{permission:?}");
            }
        }
    }
}
