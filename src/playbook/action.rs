//! What a playbook may do to an item.
//!
//! To add one: a struct with its parameters, a line in the `actions!` list.

use schemars::JsonSchema;
use serde::Deserialize;

use super::device::{
    CollectInvestigationPackage, InitiateInvestigation, IsolateDevice, OffboardDevice, ReleaseDevice,
    RemoveAppRestriction, RestrictAppExecution, RunAntivirusScan, RunLiveResponse, SetDeviceValue,
    StopAndQuarantineFile, TagDevice, UntagDevice,
};
use super::indicator::AddIndicator;
use super::policy::{Approval, WaitFor};
use crate::model::{AlertStatus, Classification, Determination, IncidentStatus};

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
            /// What is waited for before the item's later actions are taken; nothing, when left out.
            #[serde(rename = "waitFor")]
            wait_for: Option<WaitFor>,
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
                let ActionItem { id, condition, on_error, approval, wait_for, .. } = item;
                Ok(Self { id, condition, on_error, approval, wait_for, body })
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
    /// Lets only programs run that Microsoft has signed.
    RestrictAppExecution: restrict_app_execution = "restrictAppExecution",
    /// Lets all programs run again.
    RemoveAppRestriction: remove_app_restriction = "removeAppRestriction",
    /// Gathers logs and state of a device into a package to be downloaded in the portal.
    CollectInvestigationPackage: collect_investigation_package = "collectInvestigationPackage",
    /// Starts an automated investigation of a device, which may remedy what it finds.
    InitiateInvestigation: initiate_investigation = "initiateInvestigation",
    /// Stops a file where it runs and puts it in quarantine, on one device.
    StopAndQuarantineFile: stop_and_quarantine_file = "stopAndQuarantineFile",
    /// Runs scripts of the tenant's library on a device and moves files; needs `approval`.
    RunLiveResponse: run_live_response = "runLiveResponse",
    /// Stops a device's sensor for good; needs `approval`. Windows only.
    OffboardDevice: offboard_device = "offboardDevice",
    /// Says how much a device matters to the business.
    SetDeviceValue: set_device_value = "setDeviceValue",
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
    /// What is waited for.
    pub wait_for: Option<WaitFor>,
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
