//! What a playbook may do to an item.
//!
//! To add one: a struct with its parameters, a line in the `actions!` list.

use schemars::JsonSchema;
use serde::Deserialize;

use super::account::{
    DisableUser, DismissUserRisk, EnableUser, ForceUserPasswordReset, MarkUserAsCompromised, RevokeSessions,
};
use super::case::{
    CommentAlert, CommentIncident, CreateAlert, MergeIncidents, UpdateAlert, UpdateAlerts, UpdateIncident,
};
use super::device::{
    CollectInvestigationPackage, InitiateInvestigation, IsolateDevice, OffboardDevice, ReleaseDevice,
    RemoveAppRestriction, RestrictAppExecution, RunAntivirusScan, RunLiveResponse, SetDeviceValue,
    StopAndQuarantineFile, TagDevice, UntagDevice,
};
use super::email::{
    HardDeleteEmail, MoveEmailToDeletedItems, MoveEmailToInbox, MoveEmailToJunk, SoftDeleteEmail,
};
use super::indicator::{AddIndicator, ReconcileIndicators, RemoveIndicator};
use super::policy::{Approval, WaitFor};
use crate::model::DurationText;

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
            /// How long after it was taken it is taken back by itself: a quarter of an hour to 90 days; never, when left
            /// out. For actions that another one undoes.
            #[serde(rename = "revertAfter")]
            #[schemars(example = &"4h")]
            revert_after: Option<DurationText>,
            /// Whose leave taking it back needs; nobody's, when left out and the settings ask for none.
            #[serde(rename = "revertApproval")]
            revert_approval: Option<Approval>,
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
                let (revert_after, revert_approval) = (item.revert_after, item.revert_approval);
                Ok(Self {
                    id, condition, on_error, approval, wait_for, revert_after, revert_approval, body,
                })
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
    /// Takes the indicators of a value away, in all device groups and whoever made them.
    RemoveIndicator: remove_indicator = "removeIndicator",
    /// Makes huntbook's indicators what a list says; those of others are left as they are.
    ReconcileIndicators: reconcile_indicators = "reconcileIndicators",
    /// Disables a user's account. Sessions go on: add `revokeSessions`.
    DisableUser: disable_user = "disableUser",
    /// Enables a user's account.
    EnableUser: enable_user = "enableUser",
    /// Ends a user's sessions: they must sign in again.
    RevokeSessions: revoke_sessions = "revokeSessions",
    /// Confirms to Entra ID that a user's account is compromised. One call a second.
    MarkUserAsCompromised: mark_user_as_compromised = "markUserAsCompromised",
    /// Dismisses a user's risk in Entra ID. One call a second.
    DismissUserRisk: dismiss_user_risk = "dismissUserRisk",
    /// Makes a user choose a new password, in Active Directory through Defender for Identity.
    ForceUserPasswordReset: force_user_password_reset = "forceUserPasswordReset",
    /// Deletes a mail from a mailbox; an administrator can get it back.
    SoftDeleteEmail: soft_delete_email = "softDeleteEmail",
    /// Deletes a mail from a mailbox for good. Needs `approval`.
    HardDeleteEmail: hard_delete_email = "hardDeleteEmail",
    /// Moves a mail to the junk folder.
    MoveEmailToJunk: move_email_to_junk = "moveEmailToJunk",
    /// Moves a mail to the inbox.
    MoveEmailToInbox: move_email_to_inbox = "moveEmailToInbox",
    /// Moves a mail to the deleted items.
    MoveEmailToDeletedItems: move_email_to_deleted_items = "moveEmailToDeletedItems",
    /// Sets an incident's status, classification, owner or tags.
    UpdateIncident: update_incident = "updateIncident",
    /// Adds a comment to an incident.
    CommentIncident: comment_incident = "commentIncident",
    /// Makes one incident of several. Nothing takes it back.
    MergeIncidents: merge_incidents = "mergeIncidents",
    /// Sets an alert's status, classification or owner.
    UpdateAlert: update_alert = "updateAlert",
    /// Sets the status, classification or owner of several alerts in one call.
    UpdateAlerts: update_alerts = "updateAlerts",
    /// Adds a comment to an alert.
    CommentAlert: comment_alert = "commentAlert",
    /// Raises an alert about an event on a device.
    CreateAlert: create_alert = "createAlert",
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
    /// How long after it was taken it is taken back.
    pub revert_after: Option<DurationText>,
    /// Whose leave that needs.
    pub revert_approval: Option<Approval>,
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
