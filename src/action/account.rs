//! Actions on users: on their accounts in Entra ID, or where these are mastered.

use serde_json::Value;

use super::catalogue::user;
use super::step::target;
use super::{ActionError, Spec};
use crate::tenant::{
    AccountAt, ActionKind, IdentityProvider, MasteredAccount, Operation, Permission, permission,
};
use crate::text::Template;

/// An action on a user, before an item is known.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountParams {
    /// The user's id.
    pub user: Template,
    /// What is done.
    pub change: AccountChange,
}

/// What is done to a user.
#[derive(Debug, Clone, PartialEq)]
pub enum AccountChange {
    /// See [`Operation::DisableUser`].
    Disable(SwitchAt),
    /// See [`Operation::EnableUser`].
    Enable(SwitchAt),
    /// See [`Operation::RevokeSessions`].
    RevokeSessions,
    /// See [`Operation::MarkUserAsCompromised`].
    MarkAsCompromised,
    /// See [`Operation::DismissUserRisk`].
    DismissRisk,
    /// See [`Operation::ForceUserPasswordReset`].
    ForcePasswordReset(MasteredParams),
}

/// Where an account is switched. See [`AccountAt`].
#[derive(Debug, Clone, PartialEq)]
pub enum SwitchAt {
    /// In Entra ID, if it holds.
    Entra,
    /// In Entra ID, for as long as it holds.
    EntraUntilSync,
    /// Where it is mastered.
    Mastered(MasteredParams),
}

/// An account where it is mastered.
#[derive(Debug, Clone, PartialEq)]
pub struct MasteredParams {
    /// The identity's id.
    pub identity: Template,
    /// The account's id.
    pub account: Template,
    /// Who masters it.
    pub provider: IdentityProvider,
}

impl AccountParams {
    /// Which action.
    #[must_use]
    pub const fn kind(&self) -> ActionKind {
        match &self.change {
            AccountChange::Disable(_) => ActionKind::DisableUser,
            AccountChange::Enable(_) => ActionKind::EnableUser,
            AccountChange::RevokeSessions => ActionKind::RevokeSessions,
            AccountChange::MarkAsCompromised => ActionKind::MarkUserAsCompromised,
            AccountChange::DismissRisk => ActionKind::DismissUserRisk,
            AccountChange::ForcePasswordReset(_) => ActionKind::ForceUserPasswordReset,
        }
    }

    /// What it needs to be allowed: another API where the account is not mastered in Entra ID.
    #[must_use]
    pub fn permissions(&self) -> Vec<Permission> {
        match &self.change {
            AccountChange::Disable(SwitchAt::Mastered(_)) | AccountChange::Enable(SwitchAt::Mastered(_)) => {
                vec![permission::IDENTITY_ACTIONS, permission::IDENTITY_ACCOUNTS, permission::USERS]
            }
            AccountChange::Disable(_)
            | AccountChange::Enable(_)
            | AccountChange::RevokeSessions
            | AccountChange::MarkAsCompromised
            | AccountChange::DismissRisk
            | AccountChange::ForcePasswordReset(_) => self.kind().permissions().collect(),
        }
    }

    pub(super) fn render(&self, texts: &Value) -> Result<Operation, ActionError> {
        let user = target("user", &self.user, texts)?;
        Ok(match &self.change {
            AccountChange::Disable(at) => Operation::DisableUser { user, at: at.render(texts)? },
            AccountChange::Enable(at) => Operation::EnableUser { user, at: at.render(texts)? },
            AccountChange::RevokeSessions => Operation::RevokeSessions { user },
            AccountChange::MarkAsCompromised => Operation::MarkUserAsCompromised { user },
            AccountChange::DismissRisk => Operation::DismissUserRisk { user },
            AccountChange::ForcePasswordReset(account) => {
                Operation::ForceUserPasswordReset { user, account: account.render(texts)? }
            }
        })
    }
}

impl SwitchAt {
    fn render(&self, texts: &Value) -> Result<AccountAt, ActionError> {
        Ok(match self {
            Self::Entra => AccountAt::Entra,
            Self::EntraUntilSync => AccountAt::EntraUntilSync,
            Self::Mastered(account) => AccountAt::Mastered(account.render(texts)?),
        })
    }
}

impl MasteredParams {
    fn render(&self, texts: &Value) -> Result<MasteredAccount, ActionError> {
        Ok(MasteredAccount {
            identity: target("identityAccount.id", &self.identity, texts)?,
            account: target("identityAccount.accountId", &self.account, texts)?,
            provider: self.provider,
        })
    }
}

pub(super) const DISABLE: Spec = Spec {
    summary: "Disables a user's account. Sessions go on: add revokeSessions. In Entra ID, or where it is \
                          mastered: what Entra ID is told about an account synchronised from a domain does not hold.",
    undo: Some(ActionKind::EnableUser),
    ..account()
};
pub(super) const ENABLE: Spec = Spec {
    summary: "Enables a user's account, in Entra ID or where it is mastered.",
    undo: Some(ActionKind::DisableUser),
    ..account()
};
pub(super) const REVOKE_SESSIONS: Spec = Spec {
    summary: "Makes a user's refresh tokens invalid, so that they must sign in again.",
    ..user("POST /v1.0/users/{id}/revokeSignInSessions")
};
pub(super) const MARK_AS_COMPROMISED: Spec = Spec {
    summary: "Confirms to Entra ID that a user's account is compromised: its risk becomes high. One call \
                          a second for the whole tenant; needs Entra ID P2.",
    beside: &[permission::USERS],
    undo: Some(ActionKind::DismissUserRisk),
    ..user("POST /v1.0/identityProtection/riskyUsers/confirmCompromised")
};
pub(super) const DISMISS_RISK: Spec = Spec {
    summary: "Dismisses a user's risk in Entra ID. One call a second for the whole tenant; needs Entra ID P2.",
    beside: &[permission::USERS],
    ..user("POST /v1.0/identityProtection/riskyUsers/dismiss")
};
pub(super) const FORCE_PASSWORD_RESET: Spec = Spec {
    summary: "Makes a user choose a new password, in Active Directory through Defender for Identity.",
    beside: &[permission::IDENTITY_ACCOUNTS, permission::USERS],
    ..user("POST /v1.0/security/identities/identityAccounts/{id}/invokeAction")
};

/// Switching a user's account.
const fn account() -> Spec {
    Spec { beside: &[permission::USERS], ..user("PATCH /v1.0/users/{id}") }
}
