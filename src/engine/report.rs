//! What a run did and why, for people, machines and the journal.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{PlaybookId, RunId};
use crate::store::Starter;

/// Version of the report's form; raised when a reader of the old form would misread the new one.
pub const REPORT_VERSION: u32 = 1;

/// How a step on one target ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepState {
    /// The tenant has done it.
    Done,
    /// The tenant has accepted it and works on it.
    Accepted,
    /// It was so already.
    AlreadyInForce,
    /// It would be done: dry run, or the playbook only observes.
    Planned,
    /// It was not wanted here; the reason says why.
    Skipped,
    /// A guard stopped it; nothing was sent.
    Halted,
    /// It was not done; the reason says why.
    Failed,
    /// Nobody knows whether it was done: never repeated, waits for a person.
    Parked,
    /// It waits until people approve it, or for a step that does.
    PendingApproval,
    /// Somebody said no.
    Denied,
    /// Nobody approved it in time.
    Expired,
    /// It was asked for, and what would be done is not that any more; nothing was sent.
    Void,
}

impl StepState {
    /// Whether something was done about it, or people decide about it, or have.
    pub(super) const fn is_touched(self) -> bool {
        match self {
            Self::Done | Self::Accepted | Self::AlreadyInForce | Self::Parked => true,
            Self::PendingApproval | Self::Denied | Self::Expired => true,
            Self::Planned | Self::Skipped | Self::Halted | Self::Failed | Self::Void => false,
        }
    }

    /// The word in JSON and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Accepted => "accepted",
            Self::AlreadyInForce => "alreadyInForce",
            Self::Planned => "planned",
            Self::Skipped => "skipped",
            Self::Halted => "halted",
            Self::Failed => "failed",
            Self::Parked => "parked",
            Self::PendingApproval => "pendingApproval",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Void => "void",
        }
    }
}

/// How an item ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ItemOutcome {
    /// It matched, and the playbook has nothing to do but tell.
    Matched,
    /// At least one action was taken, none failed.
    Acted,
    /// Actions would be taken.
    Planned,
    /// No action was wanted.
    Skipped,
    /// The same was handled a short while ago.
    Suppressed,
    /// A guard stopped the run's actions.
    Halted,
    /// An action failed.
    Failed,
    /// An action's fate is unknown.
    Parked,
    /// An action waits until people approve it.
    PendingApproval,
    /// Somebody said no to an action.
    Denied,
    /// Nobody approved an action in time.
    Expired,
    /// An action was asked for and could not be done as it was shown.
    Void,
}

impl ItemOutcome {
    /// The word in the journal, in templates and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Acted => "acted",
            Self::Planned => "planned",
            Self::Skipped => "skipped",
            Self::Suppressed => "suppressed",
            Self::Halted => "halted",
            Self::Failed => "failed",
            Self::Parked => "parked",
            Self::PendingApproval => "pendingApproval",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Void => "void",
        }
    }

    /// The word in the journal for an item that was dealt with. `matched` is the journal's word for one
    /// that was not.
    #[must_use]
    pub const fn in_journal(self) -> &'static str {
        match self {
            Self::Matched => "told",
            Self::Acted
            | Self::Planned
            | Self::Skipped
            | Self::Suppressed
            | Self::Halted
            | Self::Failed
            | Self::Parked
            | Self::PendingApproval
            | Self::Denied
            | Self::Expired
            | Self::Void => self.as_str(),
        }
    }

    /// Reads back [`ItemOutcome::in_journal`]; `None` for an item that was not dealt with.
    #[must_use]
    pub fn journalled(word: &str) -> Option<Self> {
        const ALL: [ItemOutcome; 12] = [
            ItemOutcome::Matched,
            ItemOutcome::Acted,
            ItemOutcome::Planned,
            ItemOutcome::Skipped,
            ItemOutcome::Suppressed,
            ItemOutcome::Halted,
            ItemOutcome::Failed,
            ItemOutcome::Parked,
            ItemOutcome::PendingApproval,
            ItemOutcome::Denied,
            ItemOutcome::Expired,
            ItemOutcome::Void,
        ];
        ALL.into_iter().find(|outcome| outcome.in_journal() == word)
    }

    /// The outcome of an item from its steps: the worst thing that happened names it.
    #[must_use]
    pub fn of(steps: &[StepReport]) -> Self {
        let any = |state| steps.iter().any(|step| step.state == state);
        if steps.is_empty() {
            Self::Matched
        } else if any(StepState::Parked) {
            Self::Parked
        } else if any(StepState::PendingApproval) {
            Self::PendingApproval
        } else if any(StepState::Failed) {
            Self::Failed
        } else if any(StepState::Halted) {
            Self::Halted
        } else if any(StepState::Void) {
            Self::Void
        } else if any(StepState::Denied) {
            Self::Denied
        } else if any(StepState::Expired) {
            Self::Expired
        } else if any(StepState::Done) || any(StepState::Accepted) || any(StepState::AlreadyInForce) {
            Self::Acted
        } else if any(StepState::Planned) {
            Self::Planned
        } else {
            Self::Skipped
        }
    }
}

impl fmt::Display for ItemOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One step on one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// The step's id in the playbook.
    pub id: String,
    /// The action.
    pub action: String,
    /// What it was aimed at, as the API names it; empty when it could not be told.
    pub target: String,
    /// How it ended.
    pub state: StepState,
    /// Why, for a skip, halt, failure or doubt.
    pub reason: Option<String>,
    /// The tenant's own id of what it accepted.
    pub remote_id: Option<String>,
}

/// One item: a row or an incident that matched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemReport {
    /// Its number in the run, from 0.
    pub seq: u32,
    /// What people call it: a device, a user, an incident.
    pub key: String,
    /// How it ended.
    pub outcome: ItemOutcome,
    /// Why, when the outcome alone does not say.
    pub reason: Option<String>,
    /// Its steps, in order.
    pub steps: Vec<StepReport>,
    /// The columns the playbook reads, or the incident.
    pub data: serde_json::Value,
}

/// How many of what. Everything a condition sees as `outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Rows or incidents the input brought in.
    pub hunted: u64,
    /// Of these, handled in an earlier run already.
    pub duplicates: u64,
    /// Items that `where` kept and that are new.
    pub matched: u64,
    /// Items not handled because the same was handled a short while ago.
    pub suppressed: u64,
    /// Items on which something was done.
    pub acted: u64,
    /// Items on which something would be done.
    pub planned: u64,
    /// Items on which nothing was wanted.
    pub skipped: u64,
    /// Items whose actions a guard stopped.
    pub halted_items: u64,
    /// Whether a guard stopped the run's actions.
    pub halted: bool,
    /// Items with an action that failed.
    pub failed: u64,
    /// Items with an action in doubt.
    pub parked: u64,
    /// Items with an action that waits until people approve it.
    #[serde(default)]
    pub pending_approval: u64,
    /// Items with an action that people did not approve, not in time, or not as it would be done.
    #[serde(default)]
    pub denied: u64,
    /// Rows or incidents that could not be read and were set aside.
    pub quarantined: u64,
    /// Whether the tenant had more than it gave or than is taken in one run: what was left out is not
    /// judged in this run.
    #[serde(default)]
    pub truncated: bool,
}

impl Counts {
    /// Counts the items of a run.
    pub fn tally(&mut self, items: &[ItemReport]) {
        let count = |outcome| {
            u64::try_from(items.iter().filter(|item| item.outcome == outcome).count()).unwrap_or(u64::MAX)
        };
        self.suppressed = count(ItemOutcome::Suppressed);
        self.acted = count(ItemOutcome::Acted);
        self.planned = count(ItemOutcome::Planned);
        self.skipped = count(ItemOutcome::Skipped);
        self.halted_items = count(ItemOutcome::Halted);
        self.halted = self.halted_items > 0;
        self.failed = count(ItemOutcome::Failed);
        self.parked = count(ItemOutcome::Parked);
        self.pending_approval = count(ItemOutcome::PendingApproval);
        self.denied =
            [ItemOutcome::Denied, ItemOutcome::Expired, ItemOutcome::Void].into_iter().map(count).sum();
    }
}

/// One message, or the decision not to send it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// The channel.
    pub channel: String,
    /// The title, as rendered.
    pub title: String,
    /// How it ended.
    pub state: ToldState,
    /// Why it was not sent, or not yet.
    pub reason: Option<String>,
}

/// How telling ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ToldState {
    /// In the outbox: delivered at least once, over restarts.
    Queued,
    /// The channel took it.
    Delivered,
    /// It would be sent: dry run.
    Planned,
    /// Its `if` does not hold.
    Skipped,
    /// Its `if` failed, or the channel refused it.
    Failed,
}

impl ToldState {
    /// The word in JSON and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Planned => "planned",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RunState {
    /// As planned.
    Succeeded,
    /// `when` or the threshold did not hold: nothing to do.
    Idle,
    /// Some action waits until people approve it.
    Waiting,
    /// A guard stopped its actions.
    Halted,
    /// Some action failed or is in doubt.
    Partial,
    /// It could not be carried out.
    Failed,
}

impl RunState {
    /// The word in the journal and in JSON.
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

    /// The state of a run from its counts.
    #[must_use]
    pub const fn of(counts: &Counts) -> Self {
        if counts.failed > 0 || counts.parked > 0 || counts.quarantined > 0 {
            Self::Partial
        } else if counts.halted {
            Self::Halted
        } else if 0 < counts.pending_approval {
            Self::Waiting
        } else {
            Self::Succeeded
        }
    }

    /// The state in the journal.
    pub(super) const fn in_journal(self) -> crate::store::RunState {
        match self {
            Self::Succeeded | Self::Idle | Self::Waiting => crate::store::RunState::Ok,
            Self::Halted | Self::Partial => crate::store::RunState::Partial,
            Self::Failed => crate::store::RunState::Failed,
        }
    }
}

/// Everything about one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of this form: [`REPORT_VERSION`].
    pub version: u32,
    /// Identity of the run.
    pub run: RunId,
    /// The playbook.
    pub playbook: PlaybookId,
    /// Its name.
    #[serde(rename = "playbookName")]
    pub name: String,
    /// Digest of the playbook's text, in hexadecimal.
    pub playbook_version: String,
    /// The tenant, by its name in the settings.
    pub tenant: String,
    /// `observe` or `enforce`.
    pub mode: String,
    /// `apply` or `dryRun`.
    pub effects: String,
    /// What started the run.
    pub trigger: String,
    /// Who did, if it was by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<Starter>,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// How it ended.
    pub state: RunState,
    /// Why, for an idle or failed run.
    pub reason: Option<String>,
    /// What the items are: `row` or `incident`.
    #[serde(default)]
    pub subject: String,
    /// How many of what.
    pub counts: Counts,
    /// The items.
    pub items: Vec<ItemReport>,
    /// The messages.
    pub told: Vec<Told>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(states: &[StepState], expect: ItemOutcome) {
        let step = |state: &StepState| StepReport {
            id: String::new(),
            action: String::new(),
            target: String::new(),
            state: *state,
            reason: None,
            remote_id: None,
        };
        assert_eq!(ItemOutcome::of(&states.iter().map(step).collect::<Vec<_>>()), expect, "{states:?}");
    }

    #[test]
    fn people_and_machines_read_the_same_words() {
        use RunState::{Idle, Partial, Succeeded};
        use StepState::{Accepted, AlreadyInForce, Done, Failed, Halted, Parked, Planned, Skipped};
        use ToldState::{Delivered, Queued};
        for state in [Done, Accepted, AlreadyInForce, Planned, Skipped, Halted, Failed, Parked] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for state in [Queued, Delivered, ToldState::Planned, ToldState::Skipped, ToldState::Failed] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for state in [Succeeded, Idle, RunState::Halted, Partial, RunState::Failed] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn the_worst_thing_that_happened_names_the_item() {
        use StepState::{Accepted, Done, Failed, Halted, Parked, Planned, Skipped};
        check(&[], ItemOutcome::Matched);
        check(&[Skipped, Skipped], ItemOutcome::Skipped);
        check(&[Skipped, Planned], ItemOutcome::Planned);
        check(&[Done, Skipped], ItemOutcome::Acted);
        check(&[Accepted, Halted], ItemOutcome::Halted);
        check(&[Done, Failed], ItemOutcome::Failed);
        check(&[Failed, Parked], ItemOutcome::Parked);
    }
}
