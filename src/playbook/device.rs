//! Parameters of actions on devices.

use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `isolateDevice`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IsolateDevice {
    /// Device id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.DeviceId}}")]
    pub device: String,
    /// How far it is cut off; `full` by default.
    #[serde(default)]
    pub isolation_type: IsolationKind,
    /// Comment kept with the machine action, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}} {{run.id}}")]
    pub comment: String,
}

/// How far a device is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum IsolationKind {
    /// Everything but Defender's own connection.
    #[default]
    Full,
    /// Outlook and Teams still work.
    Selective,
}

/// Parameters of `releaseDevice`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseDevice {
    /// Device id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.DeviceId}}")]
    pub device: String,
    /// Comment kept with the machine action, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}} {{run.id}}")]
    pub comment: String,
}

/// Parameters of `runAntivirusScan`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunAntivirusScan {
    /// Device id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.DeviceId}}")]
    pub device: String,
    /// How much is scanned; `quick` by default.
    #[serde(default)]
    pub scan_type: ScanKind,
    /// Comment kept with the machine action, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}} {{run.id}}")]
    pub comment: String,
}

/// How much is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ScanKind {
    /// The usual places.
    #[default]
    Quick,
    /// Everything; takes hours.
    Full,
}

/// Parameters of `tagDevice`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TagDevice {
    /// Device id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.DeviceId}}")]
    pub device: String,
    /// The tag, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"under-investigation")]
    pub tag: String,
}

/// Parameters of `untagDevice`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UntagDevice {
    /// Device id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.DeviceId}}")]
    pub device: String,
    /// The tag, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"under-investigation")]
    pub tag: String,
}
