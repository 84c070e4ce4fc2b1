//! Users, as Microsoft Graph tells of them.

use serde::{Deserialize, Serialize};

/// A user of the directory.
#[expect(clippy::struct_field_names, reason = "the API's own field names")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Object id.
    pub id: String,
    /// Sign-in name.
    #[serde(default)]
    pub user_principal_name: Option<String>,
    /// Mail address.
    #[serde(default)]
    pub mail: Option<String>,
    /// Account name of a user synchronised from a domain.
    #[serde(default)]
    pub on_premises_sam_account_name: Option<String>,
    /// Whether the account may sign in.
    #[serde(default)]
    pub account_enabled: Option<bool>,
    /// Whether it is synchronised from a domain, where it is mastered.
    #[serde(default)]
    pub on_premises_sync_enabled: Option<bool>,
    /// Security identifier in Entra ID.
    #[serde(default)]
    pub security_identifier: Option<String>,
    /// Security identifier in the domain it is synchronised from.
    #[serde(default)]
    pub on_premises_security_identifier: Option<String>,
}
