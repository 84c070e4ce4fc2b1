//! What a playbook may do to an item.
//!
//! To add one: a struct with its parameters, a line in the `actions!` list.

use schemars::JsonSchema;
use serde::Deserialize;

use super::policy::Approval;
use super::text::DurationText;
use crate::model::{AlertSeverity, AlertStatus, Classification, Determination, IncidentStatus};

macro_rules! actions {
    ($($(#[$doc:meta])+ $name:ident: $field:ident = $key:literal),+ $(,)?) => {
        /// One entry of `actions`, key by key.
        #[derive(Debug, Clone, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(extend("oneOf" = [$({"required": [$key]}),+]))]
        struct ActionItem {
            /// Name of the action within the playbook, for the history and the journal; the action's key when left out.
            #[schemars(regex(pattern = "^[A-Za-z][A-Za-z0-9_-]{0,63}$"), extend("patternErrorMessage" = "a name: letters, digits, `-` and `_`, first a letter, at most 64"), example = &"isolate")]
            id: Option<String>,
            /// Condition in Rhai on `row` or `incident`; always, when left out.
            #[serde(rename = "if")]
            #[schemars(length(min = 1), example = &"row.Files > 10 && !(row.DeviceName in lists.packagers)")]
            condition: Option<String>,
            /// What happens to the item's later actions when this one fails; `stop` by default.
            #[serde(rename = "onError", default)]
            on_error: OnError,
            /// Whose leave it needs before it is taken; nobody's, when left out.
            approval: Option<Approval>,
            $($(#[$doc])+ #[serde(rename = $key)] $field: Option<$name>),+
        }

        /// What an action does, with its parameters.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum ActionBody {
            $($(#[$doc])+ $name($name)),+
        }

        impl ActionBody {
            /// The keys a playbook can use, in the order of the catalogue.
            pub const KEYS: &'static [&'static str] = &[$($key),+];

            /// The key a playbook uses for it.
            #[must_use]
            pub const fn key(&self) -> &'static str {
                match self { $(Self::$name(_) => $key),+ }
            }
        }

        impl TryFrom<ActionItem> for Action {
            type Error = NotOneAction;

            fn try_from(item: ActionItem) -> Result<Self, NotOneAction> {
                let mut bodies = Vec::new();
                $(bodies.extend(item.$field.map(ActionBody::$name));)+
                let body = bodies.pop().filter(|_| bodies.is_empty()).ok_or(NotOneAction)?;
                let ActionItem { id, condition, on_error, approval, .. } = item;
                Ok(Self { id, condition, on_error, approval, body })
            }
        }
    };
}

actions! {
    /// Cuts a device off the network; Defender for Endpoint stays connected.
    IsolateDevice: isolate_device = "isolateDevice",
    /// Lets an isolated device back on the network.
    ReleaseDevice: release_device = "releaseDevice",
    /// Scans a device with Defender Antivirus.
    RunAntivirusScan: run_antivirus_scan = "runAntivirusScan",
    /// Puts a tag on a device.
    TagDevice: tag_device = "tagDevice",
    /// Takes a tag off a device.
    UntagDevice: untag_device = "untagDevice",
    /// Adds an indicator: a hash, address, domain or URL to allow, audit, warn about or block.
    AddIndicator: add_indicator = "addIndicator",
    /// Disables a user's account in Entra ID. Sessions go on: add `revokeSessions`.
    DisableUser: disable_user = "disableUser",
    /// Ends a user's sessions: they must sign in again.
    RevokeSessions: revoke_sessions = "revokeSessions",
    /// Sets an incident's status, classification, owner or tags.
    UpdateIncident: update_incident = "updateIncident",
    /// Adds a comment to an incident.
    CommentIncident: comment_incident = "commentIncident",
    /// Sets an alert's status, classification or owner.
    UpdateAlert: update_alert = "updateAlert",
}

/// One action: taken for each item that reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ActionItem")]
pub struct Action {
    /// Name within the playbook, if it has one.
    pub id: Option<String>,
    /// Condition in Rhai.
    pub condition: Option<String>,
    /// What a failure means for the item's later actions.
    pub on_error: OnError,
    /// Whose leave it needs.
    pub approval: Option<Approval>,
    /// What it does.
    pub body: ActionBody,
}

impl JsonSchema for Action {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Action".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        ActionItem::json_schema(generator)
    }
}

/// An entry of `actions` without an action key, or with several.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("an action has exactly one action key")]
struct NotOneAction;

/// What happens to an item's later actions when one fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnError {
    /// They are not taken.
    #[default]
    Stop,
    /// They are taken all the same.
    Continue,
}

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

/// Parameters of `addIndicator`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddIndicator {
    /// The hash, address, domain or URL, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.SHA256}}")]
    pub indicator_value: String,
    /// What kind of value it is.
    pub indicator_type: IndicatorKind,
    /// What happens when it is met.
    pub action: IndicatorEffect,
    /// Title in the portal, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}}")]
    pub title: String,
    /// Description in the portal, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"Seen on {{row.DeviceName}} by {{playbook.name}}, run {{run.id}}")]
    pub description: String,
    /// Severity of the alerts it raises.
    pub severity: Option<AlertSeverity>,
    /// How long it is in force; for ever when left out.
    #[schemars(example = &"30d")]
    pub expires_in: Option<DurationText>,
    /// What analysts should do, a text with `{{...}}`.
    #[schemars(length(min = 1))]
    pub recommended_actions: Option<String>,
    /// Names of the device groups it is in force for; all when left out.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub rbac_group_names: Vec<String>,
    /// Whether meeting it raises an alert. `audit` needs it.
    #[serde(default)]
    pub generate_alert: bool,
}

/// What kind of value an indicator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum IndicatorKind {
    /// SHA-1 of a file.
    FileSha1,
    /// SHA-256 of a file.
    FileSha256,
    /// MD5 of a file; avoid it where another hash is known.
    FileMd5,
    /// Thumbprint of a certificate.
    CertificateThumbprint,
    /// A single public address.
    IpAddress,
    /// A domain name.
    DomainName,
    /// An absolute URL.
    Url,
}

/// What happens when an indicator is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum IndicatorEffect {
    /// It is let through.
    Allowed,
    /// It is let through and alerted on; needs `generateAlert: true`.
    Audit,
    /// The user is warned and may go on.
    Warn,
    /// It is stopped.
    Block,
    /// The file is stopped and put in quarantine; for files only.
    BlockAndRemediate,
}

/// Parameters of `disableUser`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DisableUser {
    /// Object id or sign-in name, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.AccountObjectId}}")]
    pub user: String,
}

/// Parameters of `revokeSessions`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeSessions {
    /// Object id or sign-in name, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.AccountObjectId}}")]
    pub user: String,
}

/// Parameters of `updateIncident`: at least one change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = [
    {"required": ["status"]}, {"required": ["classification"]}, {"required": ["determination"]},
    {"required": ["assignedTo"]}, {"required": ["tags"]}, {"required": ["comment"]}
]))]
pub struct UpdateIncident {
    /// Incident id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{incident.id}}")]
    pub incident: String,
    /// New status.
    pub status: Option<IncidentStatus>,
    /// Whether it was right.
    pub classification: Option<Classification>,
    /// What it was; goes with `classification`.
    pub determination: Option<Determination>,
    /// New owner: a sign-in name, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"soc-tier1@contoso.example")]
    pub assigned_to: Option<String>,
    /// Tags to put on and take off; other tags stay.
    #[serde(default)]
    pub tags: TagChange,
    /// A comment beside the change, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}}: only exercise hosts")]
    pub comment: Option<String>,
}

/// Tags to put on and take off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct TagChange {
    /// Tags to put on, texts with `{{...}}`.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["triaged"])]
    pub add: Vec<String>,
    /// Tags to take off, texts with `{{...}}`.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub remove: Vec<String>,
}

/// Parameters of `commentIncident`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommentIncident {
    /// Incident id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{incident.id}}")]
    pub incident: String,
    /// The comment, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}}, run {{run.id}}")]
    pub comment: String,
}

/// Parameters of `updateAlert`: at least one change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = [
    {"required": ["status"]}, {"required": ["classification"]}, {"required": ["determination"]},
    {"required": ["assignedTo"]}
]))]
pub struct UpdateAlert {
    /// Alert id, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.AlertId}}")]
    pub alert: String,
    /// New status.
    pub status: Option<AlertStatus>,
    /// Whether it was right.
    pub classification: Option<Classification>,
    /// What it was; goes with `classification`.
    pub determination: Option<Determination>,
    /// New owner: a sign-in name, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"soc-tier1@contoso.example")]
    pub assigned_to: Option<String>,
}
