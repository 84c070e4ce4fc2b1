//! The process's own configuration: `huntbook.yaml`.
//!
//! Read once at start. Strict like playbooks: a problem is reported at its place, all problems in one
//! pass, and nothing runs on half-read settings. A secret is never written here, only where it is found
//! ([`SecretRef`]); the text of a secret written in the clear by mistake is never shown.
//!
//! This room and `cli` are the only ones that read the environment.

mod account;
mod auth;
mod budget;
mod channel;
mod exposure;
mod hunting;
mod load;
mod owner;
mod places;
mod reload;
mod secret;
mod signed;
mod state;
mod tenant;
mod vault;
mod web;

pub use account::Accounts;
pub use auth::{
    AuthSettings, ClientCertificateSettings, ClientSecretSettings, GithubSettings, IdentityHostSettings,
    ManagedIdentitySettings, PartnerSettings, UserSettings, WorkloadIdentitySettings,
};
pub use budget::BudgetSettings;
pub use channel::{
    ChannelSettings, EmailSettings, HookFormat, HookSettings, MailSecurity, PlainOrSecret, WebhookSettings,
};
pub use exposure::{Stranger, exposed, exposures, strangers};
pub use load::{SettingsError, load, parse};
pub use owner::{Exposure, Owners};
pub use places::{Places, folders, place, places};
pub use reload::{ReloadSettings, RiskRaising, Watching, settings_owners};
pub use secret::{Packed, SecretError, SecretRef, SecretsFolder, VaultRef, probe, resolve};
pub(crate) use signed::SIGNATURE_BYTES_MAX;
pub use signed::{Signers, Unsigned};
pub use state::{Hand, journal_exposure, state_exposure, state_problem};
pub use tenant::{Cloud, EndpointSettings, HuntingApi, TenantSettings};

pub use vault::VaultSettings;
pub use web::{OpenIdRoles, OpenIdSettings, WebSettings};

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::kql::Schema;
use crate::model::{DurationText, WindowsText};
use crate::yaml;

/// The settings of huntbook: which tenants, whom to tell, how far playbooks may go at most.
///
/// Read once at start; a change needs a restart. Relative paths count from the folder of this file.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend(
    "x-private" = true,
    "patternProperties" = {"^x-": {"description": "Free for your own use; huntbook does not read it."}}
))]
pub struct Settings {
    /// The tenants, by the names used in playbooks, history and messages.
    #[schemars(extend("minProperties" = 1, "propertyNames" = {
        "pattern": "^[A-Za-z][A-Za-z0-9_.-]{0,63}$",
        "patternErrorMessage": "a name: letters, digits, `_`, `.` and `-`, first a letter, at most 64"
    }))]
    pub tenants: BTreeMap<String, TenantSettings>,
    /// Applications of which each is in several tenants, by the names that `auth: {partner: {app: …}}` of a tenant
    /// gives: one multi-tenant registration, and how it proves itself.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {
        "pattern": "^[A-Za-z][A-Za-z0-9_.-]{0,63}$",
        "patternErrorMessage": "a name: letters, digits, `_`, `.` and `-`, first a letter, at most 64"
    }))]
    pub apps: BTreeMap<String, AuthSettings>,
    /// Where messages go, by the names used in playbooks.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {
        "pattern": "^[A-Za-z][A-Za-z0-9_.-]{0,63}$",
        "patternErrorMessage": "a name: letters, digits, `_`, `.` and `-`, first a letter, at most 64"
    }))]
    pub channels: BTreeMap<String, ChannelSettings>,
    /// Azure key vaults, by the names that references to their secrets use.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {
        "pattern": "^[A-Za-z][A-Za-z0-9_.-]{0,63}$",
        "patternErrorMessage": "a name: letters, digits, `_`, `.` and `-`, first a letter, at most 64"
    }))]
    pub vaults: BTreeMap<String, VaultSettings>,
    /// What no playbook may exceed.
    #[serde(default)]
    pub guards: GuardSettings,
    /// Who may approve actions that need it, by the names that `huntbook approve --as` takes.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {
        "pattern": "^[A-Za-z][A-Za-z0-9_.-]{0,63}$",
        "patternErrorMessage": "a name: letters, digits, `_`, `.` and `-`, first a letter, at most 64"
    }))]
    pub approvers: BTreeMap<String, ApproverSettings>,
    /// The state file.
    #[serde(default)]
    pub store: StoreSettings,
    /// How other machines are reached.
    #[serde(default)]
    pub http: HttpSettings,
    /// Folder of the playbooks; `playbooks` by default.
    #[serde(default = "default_playbooks")]
    #[schemars(with = "String", length(min = 1))]
    pub playbooks: PathBuf,
    /// Folder of the lists; `lists` by default.
    #[serde(default = "default_lists")]
    #[schemars(with = "String", length(min = 1))]
    pub lists: PathBuf,
    /// What it takes for playbooks and lists to come into force while `serve` runs.
    #[serde(default)]
    pub reload: ReloadSettings,
    /// Documents that playbooks take their items from.
    #[serde(default)]
    pub feeds: FeedSettings,
    /// Folder of the files that say which tables, functions and watchlists the tenants have beyond what is
    /// built in, as `huntbook schema pull` writes them; `hunting-schema` by default.
    #[schemars(length(min = 1))]
    pub schema: Option<PathBuf>,
    /// What these files and what is built in say.
    #[serde(skip)]
    pub tables: Schema,
    /// Whom to tell what a person should look at, whatever playbooks tell whom: a file that was refused or is gone,
    /// a run that a guard halted, an action in doubt, an accepted action that came to nothing, a run that was cut
    /// off and does not go on.
    pub alerts: Option<AlertSettings>,
    /// The page of `huntbook serve`; without this there is none.
    pub web: Option<WebSettings>,
}

/// What no playbook may exceed.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GuardSettings {
    /// Most targets of disruptive actions of any playbook.
    #[serde(default)]
    pub max_actions: CeilingSettings,
    /// Most actions of any kind: scans, tags, indicators, comments and the disruptive ones.
    #[serde(default)]
    pub max_actions_of_any_kind: AnyKindSettings,
    /// Most devices any playbook may touch in a day, in percent of all devices.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100), example = 2)]
    pub max_percent_of_devices: Option<f64>,
    /// Most devices that the disruptive actions of one run may reach, in percent of all devices.
    #[serde(default)]
    pub max_percent_of_devices_in_run: RunShareSettings,
    /// How long a device or a user that had a disruptive action is left alone by the same action, unless people
    /// approve it; a day by default, and `0s` for not at all. Actions that give something back do not wait.
    #[schemars(example = &"24h")]
    pub cool_down: Option<DurationText>,
    /// How old an incident, an alert or a row (`Timestamp`) may be before disruptive actions on it wait for approval; a
    /// day by default.
    #[schemars(example = &"24h")]
    pub max_age: Option<DurationText>,
    /// How many times the usual number of matches a run of any playbook may have, the usual number being the
    /// median of the runs before; 10 by default. Up to 20 matches are never too many.
    #[schemars(range(min = 1, max = 1000), example = 10)]
    pub max_times_usual: Option<u32>,
    /// How many disruptive actions of a playbook in a tenant may come to nothing or be in doubt one after another
    /// before it is stopped there until `huntbook resume`; 3 by default.
    #[schemars(range(min = 1, max = 1000), example = 3)]
    pub max_failures_in_a_row: Option<u32>,
    /// How many of its latest ones (ten to twenty) may be in doubt, in percent, likewise; 20 by default.
    #[schemars(range(max = 100), example = 20)]
    pub max_in_doubt_percent: Option<u32>,
    /// How often the whole process may die in ten minutes while a playbook runs before that does not run any more until
    /// `huntbook resume --playbook`; 3 by default.
    #[schemars(range(min = 1, max = 1000), example = 3)]
    pub max_crashes: Option<u32>,
    /// Most disruptive actions of all playbooks in the tenant in a short time.
    #[serde(default)]
    pub max_disruptive: DisruptiveSettings,
    /// When disruptive actions may be taken, and when not.
    pub windows: Option<WindowsText>,
    /// The first targets of each run are acted on alone; the others when that has ended well.
    pub canary: Option<CanarySettings>,
    /// How many runs of each new version only observe, in each tenant; none by default.
    #[schemars(range(max = 1000), example = 3)]
    pub observe_first: Option<u32>,
    /// Most targets of disruptive actions of all playbooks in one tenant in 24 hours. By default 2 % of its devices, at
    /// least 1 and at most 50; where nobody knows how many devices it has, each such action waits for approval.
    #[schemars(range(max = 1_000_000), example = 10)]
    pub max_targets_of_tenant: Option<u32>,
    /// Who is asked where one of these guards wants people's leave and the playbook names nobody.
    pub approval: Option<AskedSettings>,
    /// Most targets of disruptive actions of all playbooks in all tenants in 24 hours; 100 by default, or as many as one
    /// tenant may have if those are more.
    #[schemars(range(max = 1_000_000), example = 100)]
    pub max_targets_of_all_tenants: Option<u32>,
    /// Whose leave it needs to take an action back by `revertAfter` or `huntbook in-force revert`, whatever the playbook
    /// says; nobody's, when left out.
    pub revert_approval: Option<AskedSettings>,
    /// What no playbook ever touches.
    #[serde(default)]
    pub exclude: ExcludeSettings,
}

/// Most disruptive actions of all playbooks in a tenant in a short time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DisruptiveSettings {
    /// In a minute; 20 by default, or the targets that a run may have if those are more.
    #[schemars(range(max = 100_000), example = 6)]
    pub per_minute: Option<u32>,
    /// In an hour; 100 by default, or the targets that a run may have if those are more.
    #[schemars(range(max = 100_000), example = 30)]
    pub per_hour: Option<u32>,
}

/// The first targets of a run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CanarySettings {
    /// How many; 1 by default.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000), example = 1)]
    pub first: u32,
    /// How long their disruptive actions may take to end well: a minute to an hour, 10 minutes by default. Otherwise
    /// the rest of the run is halted.
    #[schemars(example = &"10m")]
    pub wait: Option<DurationText>,
}

/// Most devices that the disruptive actions of one run may reach, in percent of all devices. At least one device, however
/// few there are; 100 is no limit.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunShareSettings {
    /// Without being asked about; 5 by default. Above it two approvers must say yes.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100), example = 5)]
    pub freely: Option<f64>,
    /// With their leave; 10 by default, or what goes freely if that is more. Above it the run is halted.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100), example = 10)]
    pub approved: Option<f64>,
}

/// Whose leave is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AskedSettings {
    /// Name of the channel that is told that somebody is asked.
    #[schemars(length(min = 1), example = &"soc-approvals")]
    pub channel: String,
    /// How many approvers must say yes; 1 by default.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10), example = 1)]
    pub minimum: u32,
    /// How long they have, and how long their leave holds: a minute to an hour, 30 minutes by default.
    #[schemars(example = &"30m")]
    pub timeout: Option<DurationText>,
}

const fn one() -> u32 {
    1
}

/// Most actions in a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CeilingSettings {
    /// In one run; 5 by default.
    #[schemars(range(max = 100_000), example = 5)]
    pub per_run: Option<u32>,
    /// In 24 hours; 20 by default.
    #[schemars(range(max = 100_000), example = 20)]
    pub per_day: Option<u32>,
}

/// Most actions of any kind in a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnyKindSettings {
    /// In one run; by default 200, or `maxActions.perRun` if that is more.
    #[schemars(range(max = 100_000), example = 200)]
    pub per_run: Option<u32>,
    /// Of all playbooks together in one tenant in 24 hours; by default 1000, or `maxActions.perDay` if that is
    /// more.
    #[schemars(range(max = 1_000_000), example = 1000)]
    pub per_day: Option<u32>,
}

/// Entities no playbook ever touches.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExcludeSettings {
    /// Devices by id or name: a list by its name, or the entries themselves.
    pub devices: Option<EntrySettings>,
    /// Devices with one of these tags.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["domain-controller"])]
    pub device_tags: Vec<String>,
    /// Devices in one of these device groups, by name.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["Tier 0"])]
    pub device_groups: Vec<String>,
    /// Devices of one of these values to the business: `Low`, `Normal`, `High`. When left out, nothing disruptive is done
    /// to devices of the value `High`; `[]` protects none by its value.
    #[schemars(inner(regex(pattern = "^(Low|Normal|High)$")), example = ["High"])]
    pub device_values: Option<Vec<String>>,
    /// Users by id or sign-in name: a list by its name, or the entries themselves.
    pub users: Option<EntrySettings>,
    /// Users that have one of these directory roles, by the role's name, directly or by way of a group.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["Global Administrator"])]
    pub user_roles: Vec<String>,
    /// Indicators: hashes, addresses, domains (with all below them) or URLs: a list by its name, or the entries
    /// themselves. What would hit one of them as a part is refused too.
    pub indicators: Option<EntrySettings>,
}

/// Entries written out, or a list by its name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EntrySettings {
    /// Name of a list.
    List(#[schemars(length(min = 1))] String),
    /// The entries.
    Items(#[schemars(length(min = 1), inner(length(min = 1)))] Vec<String>),
}

/// Somebody who may approve actions: an account of this machine, a person of the page's OpenID provider, or one who is
/// both. Whoever has both says so here: otherwise nobody knows that they are one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["account"]}, {"required": ["openId"]}]))]
pub struct ApproverSettings {
    /// The account of this machine that they use: a name of `/etc/passwd`, or the number of any account. With
    /// `sudo`, the one that called it.
    #[schemars(length(min = 1), extend(
        "pattern" = r"^[^\s:]+$", "patternErrorMessage" = "the name or the number of an account"
    ), example = &"alice")]
    pub account: Option<String>,
    /// The provider's id of the person: the object id in Entra ID, `sub` of any other provider. They sign in to the page.
    #[schemars(length(min = 1), extend(
        "pattern" = r"^\S+$", "patternErrorMessage" = "the id of a person at the provider"
    ), example = &"0f3a6c1e-1111-4d2b-9a40-6f1c0de10001")]
    pub open_id: Option<String>,
}

/// The state file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoreSettings {
    /// Path of the SQLite file; `huntbook.db` by default. It must be on a local disk.
    #[serde(default = "default_store")]
    #[schemars(with = "String", length(min = 1), example = &"/var/lib/huntbook/huntbook.db")]
    pub path: PathBuf,
}

/// How other machines are reached.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpSettings {
    /// Proxy for everything but this machine. An address with a password must be a reference.
    pub proxy: Option<PlainOrSecret>,
    /// File with certificates (PEM) trusted beside the system's.
    #[schemars(with = "Option<String>", length(min = 1), example = &"/etc/huntbook/proxy-ca.pem")]
    pub extra_ca: Option<PathBuf>,
}

/// Documents that playbooks take their items from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeedSettings {
    /// Folder of those that are files; `feeds` by default.
    #[serde(default = "default_feeds")]
    #[schemars(with = "String", length(min = 1))]
    pub folder: PathBuf,
    /// Whether they may also come from hosts that are not public: of this machine, of private networks, of the
    /// platform; `false` by default.
    #[serde(default)]
    pub private_addresses: bool,
}

impl Default for FeedSettings {
    fn default() -> Self {
        Self { folder: default_feeds(), private_addresses: false }
    }
}

/// Whom to tell about huntbook itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlertSettings {
    /// Name of a channel.
    #[schemars(length(min = 1), example = &"soc-teams")]
    pub channel: String,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { path: default_store() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tenants: BTreeMap::new(),
            apps: BTreeMap::new(),
            channels: BTreeMap::new(),
            vaults: BTreeMap::new(),
            guards: GuardSettings::default(),
            approvers: BTreeMap::new(),
            store: StoreSettings::default(),
            http: HttpSettings::default(),
            playbooks: default_playbooks(),
            lists: default_lists(),
            reload: ReloadSettings::default(),
            feeds: FeedSettings::default(),
            schema: None,
            tables: Schema::defender(),
            alerts: None,
            web: None,
        }
    }
}

fn default_playbooks() -> PathBuf {
    PathBuf::from("playbooks")
}

fn default_lists() -> PathBuf {
    PathBuf::from("lists")
}

fn default_feeds() -> PathBuf {
    PathBuf::from("feeds")
}

fn default_store() -> PathBuf {
    PathBuf::from("huntbook.db")
}

/// The JSON schema of the settings.
#[must_use]
pub fn schema() -> serde_json::Value {
    let generator =
        schemars::generate::SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let schema = generator.into_generator().into_root_schema_for::<Settings>();
    yaml::schema::tidy(schema.to_value(), "huntbook settings")
}
