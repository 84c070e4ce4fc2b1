//! Key vaults, and the identity that reads each.

use schemars::JsonSchema;
use serde::Deserialize;

use super::auth::AuthSettings;
use super::tenant::Cloud;
use crate::model::TenantId;

/// An Azure key vault, and how huntbook signs in to it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VaultSettings {
    /// Its address.
    #[schemars(length(min = 1), example = &"https://contoso-soc.vault.azure.net")]
    pub url: String,
    /// Directory (tenant) id of the identity.
    #[schemars(with = "String", extend(
        "pattern" = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        "patternErrorMessage" = "a tenant id such as `00000000-0000-4000-8000-000000000001`"
    ))]
    pub tenant_id: TenantId,
    /// The cloud of that tenant; `commercial` by default.
    #[serde(default)]
    pub cloud: Cloud,
    /// The identity that may read its secrets. What it proves itself with is not in a vault.
    pub auth: AuthSettings,
    /// The authority that issues tokens, if it is another than the cloud's own.
    #[schemars(length(min = 1))]
    pub login: Option<String>,
}
