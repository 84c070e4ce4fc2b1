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

/// A device, and why something is asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OnDevice {
    /// Device id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.DeviceId}}")]
    pub device: String,
    /// Comment kept with the machine action, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}} {{run.id}}")]
    pub comment: String,
}

/// Parameters of `releaseDevice`.
pub type ReleaseDevice = OnDevice;
/// Parameters of `restrictAppExecution`.
pub type RestrictAppExecution = OnDevice;
/// Parameters of `removeAppRestriction`.
pub type RemoveAppRestriction = OnDevice;
/// Parameters of `collectInvestigationPackage`.
pub type CollectInvestigationPackage = OnDevice;
/// Parameters of `initiateInvestigation`.
pub type InitiateInvestigation = OnDevice;
/// Parameters of `offboardDevice`.
pub type OffboardDevice = OnDevice;

/// Parameters of `stopAndQuarantineFile`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StopAndQuarantineFile {
    /// Device id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.DeviceId}}")]
    pub device: String,
    /// SHA-1 of the file, a text with `{{...}}`; the service takes no other hash.
    #[schemars(length(min = 1), example = &"{{row.SHA1}}")]
    pub sha1: String,
    /// Comment kept with the machine action, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}} {{run.id}}")]
    pub comment: String,
}

/// Parameters of `runLiveResponse`: at most ten commands in all. Files are put first, then scripts run, then files
/// got; a command that fails ends the session.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["putFiles"]}, {"required": ["scripts"]}, {"required": ["getFiles"]}]))]
pub struct RunLiveResponse {
    /// Device id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.DeviceId}}")]
    pub device: String,
    /// Files of the tenant's library that are put on the device, by name.
    #[serde(default)]
    #[schemars(length(min = 1, max = 10), inner(length(min = 1, max = 255)), example = ["collector.exe"])]
    pub put_files: Vec<String>,
    /// Scripts of the tenant's library that are run, in this order. Each has ten minutes.
    #[serde(default)]
    #[schemars(length(min = 1, max = 10))]
    pub scripts: Vec<LiveScript>,
    /// Paths of files that are got from the device, texts with `{{...}}`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 10), inner(length(min = 1)), example = ["C:\\Windows\\Temp\\collected.zip"])]
    pub get_files: Vec<String>,
    /// Comment kept with the machine action, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}} {{run.id}}")]
    pub comment: String,
}

/// A script of the tenant's library.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LiveScript {
    /// Its name in the library.
    #[schemars(length(min = 1, max = 255), example = &"collect.ps1")]
    pub name: String,
    /// Its arguments, texts with `{{...}}`. One with something filled in is one plain word: letters, digits, blanks
    /// and `._:/\@=,+-`, no `-` at its beginning.
    #[serde(default)]
    #[schemars(length(min = 1, max = 20), inner(length(min = 1)), example = ["-Path", "{{row.FolderPath}}"])]
    pub args: Vec<String>,
}

/// Parameters of `setDeviceValue`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetDeviceValue {
    /// Device id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.DeviceId}}")]
    pub device: String,
    /// How much it matters.
    pub value: DeviceWorth,
}

/// How much a device matters to the business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DeviceWorth {
    /// Little.
    Low,
    /// As most.
    Normal,
    /// Much.
    High,
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
