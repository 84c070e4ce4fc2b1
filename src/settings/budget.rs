//! How much of what a tenant's services allow huntbook takes.

use schemars::JsonSchema;
use serde::Deserialize;

/// Less than the services allow, to leave room for others. Never more: the documented limits hold anyway.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BudgetSettings {
    /// Percent of every documented limit of calls; 100 by default. Two huntbooks that use one app take 50 each.
    #[schemars(range(min = 1, max = 100), example = 50)]
    pub share: Option<u8>,
    /// Most hunting queries a minute; what the share leaves of 45 by default.
    #[schemars(range(min = 1, max = 45), example = 30)]
    pub hunting_per_minute: Option<u32>,
}
