//! What a test expects of a run.

use schemars::JsonSchema;
use serde::Deserialize;

/// What a run does. A list is exact, in any order; a number counts. What is left out is not looked at, but
/// a run or an action that fails must be expected.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Expect {
    /// How the run ends.
    pub run: Option<RunEnds>,
    /// Items that are new and that `where` keeps.
    pub matched: Option<Amount<ExpectItem>>,
    /// Actions taken: accepted by the tenant, or in force already.
    pub acted: Option<Amount<ExpectStep>>,
    /// Actions that would be taken: the playbook only observes.
    pub planned: Option<Amount<ExpectStep>>,
    /// Actions not wanted: their `if` does not hold, or the target is excluded.
    pub skipped: Option<Amount<ExpectStep>>,
    /// Actions a limit stopped.
    pub halted: Option<Amount<ExpectStep>>,
    /// Actions that wait until people approve them, or for one that does.
    pub pending_approval: Option<Amount<ExpectStep>>,
    /// Actions that somebody said no to.
    pub denied: Option<Amount<ExpectStep>>,
    /// Actions that nobody approved in time.
    pub expired: Option<Amount<ExpectStep>>,
    /// Actions that people were asked for and that could not be done as they were shown.
    pub void: Option<Amount<ExpectStep>>,
    /// Actions that failed; none, when left out.
    pub failed: Option<Amount<ExpectStep>>,
    /// Actions of which nobody knows whether they were taken; none, when left out.
    pub parked: Option<Amount<ExpectStep>>,
    /// Items left alone because the same was handled a short while ago.
    pub suppressed: Option<Amount<ExpectItem>>,
    /// How many rows or incidents an earlier run had handled.
    pub duplicates: Option<u64>,
    /// Messages of the playbook's `notify` that reached their channel. What approvers are told is not among
    /// them.
    pub notified: Option<Amount<ExpectMessage>>,
    /// Requests to the tenant's APIs. Each entry must hold; others may be made. A number counts them all,
    /// without those for tokens.
    pub requests: Option<Amount<ExpectRequest>>,
}

/// How many, or which.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Amount<T> {
    /// How many.
    Count(u64),
    /// Which; exactly these, in any order.
    Items(Vec<T>),
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RunEnds {
    /// As planned.
    Succeeded,
    /// `when` or the threshold does not hold.
    Idle,
    /// An action waits until people approve it.
    Waiting,
    /// A guard stops its actions.
    Halted,
    /// An action fails or is in doubt.
    Partial,
    /// It cannot be carried out.
    Failed,
}

impl RunEnds {
    /// The word, as it is written and as reports show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Halted => "halted",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

/// An action on a target. What is left out may be anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct ExpectStep {
    /// The `id` of the action in the playbook, or its name if it has none.
    #[schemars(length(min = 1), example = &"isolate")]
    pub id: Option<String>,
    /// The device it is for: its id or its name.
    #[schemars(length(min = 1), example = &"wks-017.contoso.example")]
    pub device: Option<String>,
    /// The user it is for: id or sign-in name.
    #[schemars(length(min = 1))]
    pub user: Option<String>,
    /// The incident it is for.
    #[schemars(length(min = 1))]
    pub incident: Option<String>,
    /// The alert it is for.
    #[schemars(length(min = 1))]
    pub alert: Option<String>,
    /// The indicator it is for: its value.
    #[schemars(length(min = 1))]
    pub indicator: Option<String>,
    /// A part of the reason, whatever its case.
    #[schemars(length(min = 1), example = &"excluded")]
    pub reason: Option<String>,
}

/// An item: a row or an incident. What is left out may be anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct ExpectItem {
    /// A device in it: id or name.
    #[schemars(length(min = 1))]
    pub device: Option<String>,
    /// A user in it: id or sign-in name.
    #[schemars(length(min = 1))]
    pub user: Option<String>,
    /// The incident it is.
    #[schemars(length(min = 1))]
    pub incident: Option<String>,
    /// Any text in it.
    #[schemars(length(min = 1))]
    pub value: Option<String>,
    /// A part of the reason, whatever its case.
    #[schemars(length(min = 1))]
    pub reason: Option<String>,
}

/// A message. What is left out may be anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct ExpectMessage {
    /// The channel.
    #[schemars(length(min = 1), example = &"soc-teams")]
    pub channel: Option<String>,
    /// A part of its title.
    #[schemars(length(min = 1), example = &"1 contained")]
    pub title_contains: Option<String>,
    /// A part of its text.
    #[schemars(length(min = 1))]
    pub text_contains: Option<String>,
}

/// Requests to the tenant's APIs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectRequest {
    /// The method; any by default.
    #[schemars(length(min = 1), example = &"POST")]
    pub method: Option<String>,
    /// The path. `*` stands for any text within a segment, `**` for any segments; it may leave out its
    /// beginning.
    #[schemars(extend(
        "pattern" = r"^/\S*$", "patternErrorMessage" = "a path such as `/api/machines/*/isolate`"
    ), example = &"/api/machines/*/isolate")]
    pub path: String,
    /// How many; at least one by default.
    pub count: Option<u64>,
}
