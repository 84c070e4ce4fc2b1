//! The top level of a playbook.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::input::{Alerts, Feed, Hunt, Incidents};
use super::policy::{Guards, Notify, Schedule, Suppress};
use super::test::Test;
use crate::model::PlaybookId;

/// A playbook of huntbook: what to hunt, what to decide, what to do, whom to tell.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(
    extend(
        "oneOf" = [{"required": ["hunt"]}, {"required": ["incidents"]}, {"required": ["alerts"]},
            {"required": ["feed"]}],
        "patternProperties" = {"^x-": {"description": "Free for your own use; huntbook does not read it."}}
    )
)]
pub struct Playbook {
    /// Version of the playbook language: 1.
    #[schemars(extend("const" = 1))]
    pub schema: u32,
    /// Identity of the playbook across renames: a UUID of its own (`uuidgen` makes one), never changed.
    #[schemars(with = "String", extend(
        "pattern" = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        "patternErrorMessage" = "a UUID such as `2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77`; `uuidgen` makes one"
    ))]
    pub id: PlaybookId,
    /// Name for people; may change.
    #[schemars(length(min = 1, max = 200), example = &"PsExec fan-out")]
    pub name: String,
    /// What it looks for and why that matters.
    #[schemars(length(min = 1))]
    pub description: Option<String>,
    /// How mature it is; `experimental` by default.
    #[serde(default)]
    pub status: Status,
    /// Whether actions are carried out; `observe` by default.
    #[serde(default)]
    pub mode: Mode,
    /// Whether it runs by its schedule; `true` by default. A playbook that is switched off can still be run on
    /// demand.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// How bad a match is.
    pub severity: Severity,
    /// MITRE ATT&CK tactics, as Microsoft Sentinel spells them.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub tactics: Vec<Tactic>,
    /// MITRE ATT&CK techniques.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true, "items" = {
        "type": "string",
        "pattern": r"^T[0-9]{4}(\.[0-9]{3})?$",
        "patternErrorMessage": "a technique such as `T1570` or `T1021.002`"
    }), example = ["T1021.002", "T1570"])]
    pub relevant_techniques: Vec<String>,
    /// Who looks after it. They approve nothing that it asks for: an approver's name in the settings, or their account.
    #[schemars(length(min = 1), example = &"soc-engineering")]
    pub author: Option<String>,
    /// Pages to read.
    #[serde(default)]
    #[schemars(inner(length(min = 1)), example = ["https://attack.mitre.org/techniques/T1570/"])]
    pub references: Vec<String>,
    /// What else looks like this.
    #[serde(default)]
    #[schemars(inner(length(min = 1)), example = ["Software distribution servers"])]
    pub false_positives: Vec<String>,
    /// The tenants it runs against; all when left out.
    pub tenants: Option<Tenants>,
    /// From this instant on it no longer runs.
    #[schemars(with = "Option<String>", extend(
        "pattern" = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})$",
        "patternErrorMessage" = "an instant with a zone such as `2027-03-31T22:00:00Z`"
    ), example = &"2027-03-31T22:00:00Z")]
    pub expires: Option<String>,
    /// Input: rows of a hunting query.
    pub hunt: Option<Hunt>,
    /// Input: incidents of the queue.
    pub incidents: Option<Incidents>,
    /// Input: alerts.
    pub alerts: Option<Alerts>,
    /// Input: rows of a document that somebody else keeps.
    pub feed: Option<Feed>,
    /// When it runs. A hunt may use `queryFrequency` instead; without either it runs on demand only.
    pub schedule: Option<Schedule>,
    /// Condition in Rhai on all rows or incidents, once for each run.
    #[schemars(length(min = 1), example = &"rows.len() <= 25")]
    pub when: Option<String>,
    /// Condition in Rhai on `row` or `incident`, once for each item; only matching items go on.
    #[serde(rename = "where")]
    #[schemars(length(min = 1), example = &"row.Files > 4")]
    pub filter: Option<String>,
    /// When an item is left alone because one like it was dealt with before.
    pub suppress: Option<Suppress>,
    /// How far it may go. It may only tighten what the settings allow.
    #[serde(default)]
    pub guards: Guards,
    /// What is done for each item, in order.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Whom to tell.
    #[serde(default)]
    pub notify: Vec<Notify>,
    /// Tests of this playbook, for `huntbook test`; they may stand in `NAME.test.yaml` beside it instead.
    #[serde(default)]
    pub tests: Vec<Test>,
}

const fn enabled() -> bool {
    true
}

/// How mature a playbook is, in Sigma's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Tried out.
    #[default]
    Experimental,
    /// Under test in production.
    Test,
    /// Relied on.
    Stable,
    /// Replaced by another.
    Deprecated,
    /// Cannot work at present.
    Unsupported,
}

/// Whether actions are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Hunt, decide and tell; take no action.
    #[default]
    Observe,
    /// Take the actions too.
    Enforce,
}

/// How bad a match is, in Microsoft Sentinel's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Severity {
    /// For information.
    Informational,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
}

impl Severity {
    /// The word, as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
        }
    }
}

/// MITRE ATT&CK tactics, as Microsoft Sentinel spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Tactic {
    /// Gathering information for later.
    Reconnaissance,
    /// Building up means for the attack.
    ResourceDevelopment,
    /// Getting in.
    InitialAccess,
    /// Running code.
    Execution,
    /// Staying in.
    Persistence,
    /// Getting more rights.
    PrivilegeEscalation,
    /// Not being seen.
    DefenseEvasion,
    /// Stealing names and passwords.
    CredentialAccess,
    /// Finding out what is there.
    Discovery,
    /// Moving on to other systems.
    LateralMovement,
    /// Gathering what was looked for.
    Collection,
    /// Talking to controlled systems.
    CommandAndControl,
    /// Taking data out.
    Exfiltration,
    /// Destroying, disturbing, encrypting.
    Impact,
    /// Before the attack (older matrix).
    PreAttack,
    /// Disturbing a physical process (industrial control systems).
    ImpairProcessControl,
    /// Keeping safety functions from acting (industrial control systems).
    InhibitResponseFunction,
}

/// Which tenants a playbook runs against.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Tenants {
    /// Tenants with all of these tags.
    Tagged(TenantTags),
    /// Tenants by name.
    Named(#[schemars(length(min = 1), inner(length(min = 1)))] Vec<String>),
}

/// Tags a tenant must have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantTags {
    /// All of them.
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["production"])]
    pub tags: Vec<String>,
}
