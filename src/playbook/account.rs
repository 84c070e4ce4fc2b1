//! Actions on users, as written.

use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `disableUser`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DisableUser {
    /// Object id or sign-in name, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.AccountObjectId}}")]
    pub user: String,
    /// The account where it is mastered; for a user synchronised from a domain, in which Entra ID alone does not
    /// hold.
    pub identity_account: Option<IdentityAccount>,
    /// Whether Entra ID is told even about an account synchronised from a domain. It holds until the next
    /// synchronisation.
    #[serde(default)]
    pub until_sync: bool,
}

/// Parameters of `enableUser`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnableUser {
    /// Object id or sign-in name, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.AccountObjectId}}")]
    pub user: String,
    /// The account where it is mastered; for a user synchronised from a domain, in which Entra ID alone does not
    /// hold.
    pub identity_account: Option<IdentityAccount>,
    /// Whether Entra ID is told even about an account synchronised from a domain. It holds until the next
    /// synchronisation.
    #[serde(default)]
    pub until_sync: bool,
}

/// An account where it is mastered, as Defender for Identity knows it. Its identity must be the user's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentityAccount {
    /// Id of the identity, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.IdentityId}}")]
    pub id: String,
    /// Id of the account, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.AccountId}}")]
    pub account_id: String,
    /// Who masters it.
    pub identity_provider: ProviderKind,
}

/// Who masters an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProviderKind {
    /// Active Directory, through the action account of Defender for Identity.
    ActiveDirectory,
    /// Okta.
    Okta,
}

/// Parameters of `revokeSessions`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeSessions {
    /// Object id or sign-in name, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.AccountObjectId}}")]
    pub user: String,
}

/// Parameters of `markUserAsCompromised`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MarkUserAsCompromised {
    /// Object id or sign-in name, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.AccountObjectId}}")]
    pub user: String,
}

/// Parameters of `dismissUserRisk`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DismissUserRisk {
    /// Object id or sign-in name, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.AccountObjectId}}")]
    pub user: String,
}

/// Parameters of `forceUserPasswordReset`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForceUserPasswordReset {
    /// Object id or sign-in name, a text with `{{...}}`: guards know users by it.
    #[schemars(length(min = 1), example = &"{{row.AccountObjectId}}")]
    pub user: String,
    /// The account whose password it is. Active Directory only.
    pub identity_account: IdentityAccount,
}
