//! When a playbook runs, what it leaves alone, how far it may go, and whom it tells.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::{DurationText, WindowsText};

/// When the playbook runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["cron"]}, {"required": ["every"]}]))]
pub struct Schedule {
    /// Five fields: minute, hour, day of month, month, day of week. `L`, `#` and `W` are understood, and
    /// `@hourly`, `@daily`, `@weekly`, `@monthly`.
    #[schemars(length(min = 1), example = &"15 */4 * * *")]
    pub cron: Option<String>,
    /// A fixed cadence instead of `cron`.
    #[schemars(example = &"30m")]
    pub every: Option<DurationText>,
    /// Time zone of `cron`, by its IANA name; UTC by default.
    #[schemars(length(min = 1), example = &"Europe/Stockholm")]
    pub timezone: Option<String>,
    /// Longest random delay of a start, to spread load; the same for the same playbook and instant.
    #[schemars(example = &"3m")]
    pub jitter: Option<DurationText>,
    /// What happens to runs missed while huntbook was down; `latest` by default.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// How late a missed run may still start.
    #[schemars(example = &"45m")]
    pub max_lateness: Option<DurationText>,
    /// What happens when a run is due while the one before still goes on; `skip` by default.
    #[serde(default)]
    pub overlap: Overlap,
}

/// What happens to missed runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CatchUp {
    /// They are dropped.
    None,
    /// One run makes up for all of them.
    #[default]
    Latest,
    /// Each is made up for, oldest first.
    All,
}

/// What happens to a run that is due while another goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Overlap {
    /// It is dropped and counted.
    #[default]
    Skip,
    /// It starts when the other has ended; at most one waits.
    Queue,
}

/// When an item is left alone because one like it was dealt with before.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Suppress {
    /// What makes two items alike: columns of a row, or fields of an incident.
    #[schemars(length(min = 1), inner(length(min = 1)), extend("uniqueItems" = true), example = ["DeviceId"])]
    pub by: Vec<String>,
    /// How long.
    #[serde(rename = "for")]
    #[schemars(example = &"24h")]
    pub length: DurationText,
}

/// How far a playbook may go. It may only tighten what the settings allow.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Guards {
    /// Most actions.
    #[serde(default)]
    pub max_actions: MaxActions,
    /// Most devices touched in a day, in percent of all devices.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100), example = 1)]
    pub max_percent_of_devices: Option<f64>,
    /// How long a device or a user that had a disruptive action is left alone by the same action, unless people
    /// approve it; a day by default.
    #[schemars(example = &"3d")]
    pub cool_down: Option<DurationText>,
    /// How many times the usual number of matches a run may have, the usual number being the median of the runs
    /// before; 10 by default. Up to 20 matches are never too many.
    #[schemars(range(min = 1, max = 1000), example = 5)]
    pub max_times_usual: Option<u32>,
    /// Most disruptive actions of all playbooks in the tenant in a short time.
    #[serde(default)]
    pub max_disruptive: MaxDisruptive,
    /// When disruptive actions may be taken, and when not.
    pub windows: Option<WindowsText>,
    /// The first targets of a run are acted on alone; the others when that has ended well.
    pub canary: Option<Canary>,
    /// How many runs of a new version only observe, in each tenant; none by default.
    #[schemars(range(max = 1000), example = 3)]
    pub observe_first: Option<u32>,
    /// What happens when a limit would be passed; `halt` by default: none of the run's actions is taken, and
    /// the next run meets the same rows again.
    #[serde(default)]
    pub on_exceed: OnExceed,
    /// Who is asked with `onExceed: approve` about an action that has no `approval` of its own.
    pub approval: Option<Approval>,
    /// What is never touched.
    #[serde(default)]
    pub exclude: Exclude,
}

/// Most disruptive actions of all playbooks in a tenant in a short time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MaxDisruptive {
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
pub struct Canary {
    /// How many; 1 by default.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000), example = 1)]
    pub first: u32,
    /// How long their disruptive actions may take to end well: a minute to an hour, 10 minutes by default. Otherwise
    /// the rest of the run is halted.
    #[schemars(example = &"10m")]
    pub wait: Option<DurationText>,
}

/// Most actions in a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MaxActions {
    /// In one run.
    #[schemars(range(max = 100_000))]
    pub per_run: Option<u32>,
    /// In 24 hours.
    #[schemars(range(max = 100_000))]
    pub per_day: Option<u32>,
}

/// What happens when a limit would be passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnExceed {
    /// No action of the run is taken, and people are told.
    #[default]
    Halt,
    /// Every action of the run waits until people approve it. The limits of the settings hold all the same.
    Approve,
}

/// Whose leave an action needs. The settings say who may give it (`approvers`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
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
    /// What happens when the time is over: the answer is no.
    #[serde(default)]
    pub on_timeout: OnTimeout,
}

/// How an action on a device must end before the item's later actions are taken. If it ends in another way, or not
/// in time, it failed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaitFor {
    /// How it must end.
    #[serde(default)]
    pub status: WantedEnd,
    /// How long it may take: a minute to an hour, 20 minutes by default.
    #[schemars(example = &"20m")]
    pub timeout: Option<DurationText>,
}

/// How an action on a device must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum WantedEnd {
    /// The device has done it.
    #[default]
    Succeeded,
}

const fn one() -> u32 {
    1
}

/// What happens when nobody answers in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnTimeout {
    /// The action is not taken.
    #[default]
    Deny,
}

/// Entities no action ever touches.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exclude {
    /// Devices by id or name: a list by its name, or the entries themselves.
    pub devices: Option<Entries>,
    /// Devices with one of these tags.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["domain-controller"])]
    pub device_tags: Vec<String>,
    /// Devices in one of these device groups, by name.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["Tier 0"])]
    pub device_groups: Vec<String>,
    /// Devices of one of these values to the business: `Low`, `Normal`, `High`.
    #[serde(default)]
    #[schemars(length(min = 1), inner(regex(pattern = "^(Low|Normal|High)$")), example = ["High"])]
    pub device_values: Vec<String>,
    /// Users by id or sign-in name: a list by its name, or the entries themselves.
    pub users: Option<Entries>,
    /// Users that have one of these directory roles, by the role's name, directly or by way of a group.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["Global Administrator"])]
    pub user_roles: Vec<String>,
    /// Indicators: hashes, addresses, domains (with all below them) or URLs: a list by its name, or the entries
    /// themselves. What would hit one of them as a part is refused too.
    pub indicators: Option<Entries>,
}

/// Entries written out, or a list by its name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Entries {
    /// Name of a list.
    List(#[schemars(length(min = 1))] String),
    /// The entries.
    Items(#[schemars(length(min = 1), inner(length(min = 1)))] Vec<String>),
}

/// Whom to tell about a run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notify {
    /// Name of a channel in the settings.
    #[schemars(length(min = 1), example = &"soc-teams")]
    pub channel: String,
    /// Condition in Rhai on `outcome`; always, when left out.
    #[serde(rename = "if")]
    #[schemars(length(min = 1), example = &"outcome.acted > 0 || outcome.halted")]
    pub condition: Option<String>,
    /// One message for the run, or one for each item; `run` by default.
    #[serde(default)]
    pub group: Group,
    /// Title, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"[{{playbook.severity}}] {{playbook.name}}: {{outcome.acted}} contained")]
    pub title: Option<String>,
    /// Body, a text with `{{...}}`.
    #[schemars(length(min = 1))]
    pub text: Option<String>,
}

/// How messages are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Group {
    /// One message for the run.
    #[default]
    Run,
    /// One message for each item, at most 50 in a run; one more counts and lists the rest.
    Item,
}
