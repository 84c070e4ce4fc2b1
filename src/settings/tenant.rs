//! A tenant: who it is, where its services are, how huntbook signs in.

use schemars::JsonSchema;
use serde::Deserialize;

use super::auth::AuthSettings;
use super::budget::BudgetSettings;
use crate::model::TenantId;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantSettings {
    /// Directory (tenant) id of Entra ID.
    #[schemars(with = "String", extend(
        "pattern" = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        "patternErrorMessage" = "a tenant id such as `00000000-0000-4000-8000-000000000001`"
    ))]
    pub tenant_id: TenantId,
    /// The cloud it lives in; `commercial` by default.
    #[serde(default)]
    pub cloud: Cloud,
    /// How huntbook signs in.
    pub auth: AuthSettings,
    /// Endpoints other than the cloud's own.
    #[serde(default)]
    pub endpoints: EndpointSettings,
    /// Where hunting queries go; `graph` by default.
    #[serde(default)]
    pub hunting: HuntingApi,
    /// How many calls it is asked at most, if fewer than its services allow.
    #[serde(default)]
    pub budgets: BudgetSettings,
    /// Tags, by which playbooks choose tenants.
    #[serde(default)]
    #[schemars(inner(length(min = 1)), example = ["production"])]
    pub tags: Vec<String>,
}

/// The cloud a tenant lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Cloud {
    /// The public cloud.
    #[default]
    Commercial,
    /// US government, moderate.
    Gcc,
    /// US government, high.
    GccHigh,
    /// US department of defence.
    Dod,
    /// China (21Vianet), where key vaults are and no Defender is.
    China,
}

impl Cloud {
    /// As the settings spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Commercial => "commercial",
            Self::Gcc => "gcc",
            Self::GccHigh => "gccHigh",
            Self::Dod => "dod",
            Self::China => "china",
        }
    }
}

/// Where hunting queries go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HuntingApi {
    /// Microsoft Graph.
    #[default]
    Graph,
    /// Defender XDR's own endpoint, which ends on 2027-02-01.
    Xdr,
    /// Defender for Endpoint's own, with the tables of devices and alerts only; it ends on 2027-02-01.
    Mde,
}

/// Endpoints other than the cloud's own: `https`, or `http` to this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointSettings {
    /// The authority that issues tokens.
    #[schemars(length(min = 1), example = &"http://127.0.0.1:8080/login")]
    pub login: Option<String>,
    /// Microsoft Graph, without a version.
    #[schemars(length(min = 1), example = &"http://127.0.0.1:8080/graph")]
    pub graph: Option<String>,
    /// Defender for Endpoint, without `/api`.
    #[schemars(length(min = 1), example = &"https://eu.api.security.microsoft.com")]
    pub mde: Option<String>,
    /// Defender XDR, without `/api`.
    #[schemars(length(min = 1), example = &"http://127.0.0.1:8080/xdr")]
    pub xdr: Option<String>,
}
