//! What happened in a run, sorted by what a test can expect.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::engine::{ItemOutcome, ItemReport, Report, StepReport, StepState};
use crate::sim::RequestEntry;

/// Longest reason or text shown in a transcript, in characters.
const SHOWN_CHARS_MAX: usize = 120;

/// Everything that happened in one run.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) report: Report,
    /// Items of earlier runs that were decided about meanwhile.
    pub(super) later: Vec<ItemReport>,
    /// Messages that arrived meanwhile, and those of the run that did not.
    pub(super) told: Vec<Told>,
    /// Requests to the tenant.
    pub(super) requests: Vec<RequestEntry>,
}

/// A message.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) channel: String,
    pub(super) title: String,
    pub(super) text: String,
    /// Why it did not arrive.
    pub(super) undelivered: Option<String>,
    /// Whether it is about approvals, and not one of the playbook's own.
    pub(super) asks: bool,
}

/// Something that happened to an item, or to one of its targets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fact<'a> {
    pub(super) item: &'a ItemReport,
    /// The step; none if it is about the item as a whole.
    pub(super) step: Option<&'a StepReport>,
}

/// What a test can expect of items and actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heading {
    Matched,
    Acted,
    Planned,
    Skipped,
    Suppressed,
    Halted,
    PendingApproval,
    Denied,
    Expired,
    Void,
    Failed,
    Parked,
}

impl Heading {
    pub(super) const STEPS: [Self; 10] = [
        Self::Acted,
        Self::Planned,
        Self::Skipped,
        Self::Halted,
        Self::PendingApproval,
        Self::Denied,
        Self::Expired,
        Self::Void,
        Self::Failed,
        Self::Parked,
    ];

    /// The key in a test.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Acted => "acted",
            Self::Planned => "planned",
            Self::Skipped => "skipped",
            Self::Suppressed => "suppressed",
            Self::Halted => "halted",
            Self::PendingApproval => "pendingApproval",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Void => "void",
            Self::Failed => "failed",
            Self::Parked => "parked",
        }
    }

    const fn of(state: StepState) -> Self {
        match state {
            StepState::Done | StepState::Accepted | StepState::AlreadyInForce => Self::Acted,
            StepState::Planned => Self::Planned,
            StepState::Skipped => Self::Skipped,
            StepState::Halted => Self::Halted,
            StepState::Failed => Self::Failed,
            StepState::Parked => Self::Parked,
            StepState::PendingApproval => Self::PendingApproval,
            StepState::Denied => Self::Denied,
            StepState::Expired => Self::Expired,
            StepState::Void => Self::Void,
        }
    }
}

impl Seen {
    /// What happened under a heading, in the order of items and steps.
    pub(super) fn facts(&self, heading: Heading) -> Vec<Fact<'_>> {
        let items = self.report.items.iter().chain(&self.later);
        match heading {
            Heading::Matched => self.report.items.iter().map(|item| Fact { item, step: None }).collect(),
            Heading::Suppressed => items
                .filter(|item| item.outcome == ItemOutcome::Suppressed)
                .map(|item| Fact { item, step: None })
                .collect(),
            _ => items
                .flat_map(|item| item.steps.iter().map(move |step| (item, step)))
                .filter(|(_, step)| Heading::of(step.state) == heading)
                .map(|(item, step)| Fact { item, step: Some(step) })
                .collect(),
        }
    }

    /// Ids of the actions that were taken or would have been.
    pub(super) fn reached(&self) -> Vec<String> {
        let steps = self.report.items.iter().chain(&self.later).flat_map(|item| &item.steps);
        let reached = |step: &&StepReport| {
            use Heading::{Acted, Failed, Parked, Planned};
            !step.target.is_empty() && matches!(Heading::of(step.state), Acted | Planned | Failed | Parked)
        };
        let mut ids: Vec<String> = steps.filter(reached).map(|step| step.id.clone()).collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// How many of what there were.
    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        let all = [Heading::Matched, Heading::Suppressed].into_iter().chain(Heading::STEPS);
        let count = |heading: Heading| (heading.as_str(), self.facts(heading).len() as u64);
        let mut counts: Vec<(&'static str, u64)> = all.map(count).collect();
        counts.push(("duplicates", self.report.counts.duplicates));
        counts.push(("notified", self.arrived().count() as u64));
        counts
    }

    /// Messages that arrived.
    pub(super) fn arrived(&self) -> impl Iterator<Item = &Told> {
        self.told.iter().filter(|told| told.undelivered.is_none() && !told.asks)
    }
}

impl Fact<'_> {
    /// Why, if it says.
    pub(super) fn reason(&self) -> Option<&str> {
        match self.step {
            Some(step) => step.reason.as_deref(),
            None => self.item.reason.as_deref(),
        }
    }

    /// Whether it is about something with this name: the target as the API calls it, a name the tenant
    /// knows it by, or for an item any text in it.
    pub(super) fn is_about(&self, name: &str, names: &BTreeMap<String, Vec<String>>) -> bool {
        let same = |other: &str| other.eq_ignore_ascii_case(name);
        let known_as = |id: &str| {
            same(id) || names.get(&id.to_lowercase()).is_some_and(|all| all.iter().any(|one| same(one)))
        };
        match self.step {
            // A step whose target could not be told is about its item.
            Some(step) if !step.target.is_empty() => known_as(&step.target),
            _ => same(&self.item.key) || texts(&self.item.data).any(known_as),
        }
    }

    /// The line in a transcript.
    pub(super) fn shown(&self, names: &BTreeMap<String, Vec<String>>) -> String {
        let name = |id: &str| {
            // A sign-in name is what people know already.
            let known = names.get(&id.to_lowercase()).filter(|_| !id.contains('@'));
            let known = known.and_then(|all| all.first());
            known.cloned().unwrap_or_else(|| id.to_owned())
        };
        let what = match self.step {
            Some(step) if step.target.is_empty() => format!("{} {}", step.id, self.item.key),
            Some(step) => format!("{} {}", step.id, name(&step.target)),
            None => self.item.key.clone(),
        };
        match self.reason() {
            Some(reason) => format!("{what}: {}", cut(reason)),
            None => what,
        }
    }
}

/// The texts and numbers at the top of an item.
fn texts(data: &Value) -> impl Iterator<Item = &str> {
    data.as_object().into_iter().flat_map(|map| map.values()).filter_map(Value::as_str)
}

/// A text on one line.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text on one line, not too long.
pub(super) fn cut(text: &str) -> String {
    let line = one_line(text);
    match line.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
