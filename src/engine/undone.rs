//! What a run leaves undone: items whose actions a guard stopped or the tenant refused.
//!
//! Such an item is news to the next run, which meets it again and tries again. People are told of it once,
//! and once more when there is more of it, when the playbook or its limits change, and once a day as long
//! as it lasts.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::context::Context;
use super::report::{Counts, ItemOutcome, ItemReport, StepReport};
use super::{Engine, EngineError};
use crate::store::{ContentHash, NextTime, ToldUndone};

/// How long people are left alone with what they were told of. A day: half would tell twice in a shift,
/// double would let a limit that nobody raises be forgotten.
const QUIET: SignedDuration = SignedDuration::from_hours(24);

/// What people need not be told again.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// When they were told.
    pub(super) since: Option<Timestamp>,
    /// Of which items.
    pub(super) items: BTreeSet<u32>,
    /// What is noted down if people are told of this run: it left something undone that they do not know.
    pub(super) news: Option<ContentHash>,
}

impl Known {
    /// If people know of everything the run left undone: since when, and its counts without that.
    pub(super) fn rest(&self, counts: &Counts, items: &[ItemReport]) -> Option<(Timestamp, Counts)> {
        let since = self.since.filter(|_since| self.news.is_none())?;
        let rest = items.iter().filter(|item| !self.items.contains(&item.seq)).cloned();
        let known = u64::try_from(self.items.len()).unwrap_or(u64::MAX);
        let mut counts = Counts { matched: counts.matched.saturating_sub(known), ..*counts };
        counts.tally(&rest.collect::<Vec<_>>());
        Some((since, counts))
    }
}

impl Engine {
    /// What people know already of what a run left undone.
    pub(super) async fn known_to_people(
        &self,
        context: &Context<'_>,
        items: &[ItemReport],
    ) -> Result<Known, EngineError> {
        let undone: BTreeSet<u32> =
            items.iter().filter(|item| is_undone(item.outcome)).map(|item| item.seq).collect();
        if undone.is_empty() || !context.remembers() {
            return Ok(Known::default());
        }
        let last = self.store.told_undone(context.run).await?;
        Ok(known(&undone, last, situation(context), self.clock.now()))
    }
}

/// Whether an item was left undone, wholly or in part.
pub(super) const fn is_undone(outcome: ItemOutcome) -> bool {
    matches!(outcome, ItemOutcome::Halted | ItemOutcome::Failed | ItemOutcome::Void)
}

/// What an item is when the next run meets it: news, if something was to be done and nothing was.
pub(super) fn next_time(outcome: ItemOutcome, steps: &[StepReport]) -> NextTime {
    let touched = |step: &StepReport| step.state.is_touched();
    if is_undone(outcome) && !steps.iter().any(touched) { NextTime::New } else { NextTime::Duplicate }
}

/// Decides what of `undone` people know already.
fn known(undone: &BTreeSet<u32>, last: Option<ToldUndone>, situation: ContentHash, now: Timestamp) -> Known {
    let same = |last: &ToldUndone| last.situation == situation && last.at.duration_until(now) < QUIET;
    let Some(last) = last.filter(same) else {
        return Known { news: Some(situation), ..Known::default() };
    };
    let items: BTreeSet<u32> = undone.intersection(&last.items).copied().collect();
    let news = (items.len() < undone.len()).then_some(situation);
    Known { since: Some(last.at), items, news }
}

/// A digest of what decides about the same items: the playbook's text and its limits, which the settings
/// can change as well.
fn situation(context: &Context<'_>) -> ContentHash {
    let plan = context.plan();
    let limits = plan.guards.limits(&context.order.lists).map(|limits| limits.numbers);
    ContentHash::of(format!("{} {limits:?}", plan.version).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::StepState;

    const TOLD: &str = "2026-03-01T12:00:00Z";

    /// Items 0 and 1 were told; gives those of `undone` that are known, and whether these are all.
    #[track_caller]
    fn check(undone: &[u32], now: &str, situation: &[u8], expect: (&[u32], bool)) {
        let at = TOLD.parse().unwrap();
        let last = ToldUndone { at, situation: ContentHash::of(b"then"), items: BTreeSet::from([0, 1]) };
        let undone = undone.iter().copied().collect();
        let known = known(&undone, Some(last), ContentHash::of(situation), now.parse().unwrap());
        assert_eq!((known.items.into_iter().collect::<Vec<_>>().as_slice(), known.news.is_none()), expect);
    }

    #[test]
    fn the_same_or_less_is_known_for_a_day() {
        check(&[0, 1], "2026-03-02T11:59:59Z", b"then", (&[0, 1], true));
        check(&[1], "2026-03-01T13:00:00Z", b"then", (&[1], true));
        check(&[0, 1], "2026-03-02T12:00:00Z", b"then", (&[], false));
    }

    #[test]
    fn more_of_it_and_another_situation_are_news() {
        check(&[0, 1, 2], "2026-03-01T13:00:00Z", b"then", (&[0, 1], false));
        check(&[0, 1], "2026-03-01T13:00:00Z", b"now", (&[], false));
    }

    #[test]
    fn what_was_touched_is_not_tried_again() {
        use StepState::{Accepted, Done, Failed, Halted, Parked, Skipped};
        let next = |states: &[StepState]| {
            let step = |state: &StepState| StepReport {
                id: String::new(),
                action: String::new(),
                target: String::new(),
                state: *state,
                reason: None,
                remote_id: None,
            };
            let steps: Vec<StepReport> = states.iter().map(step).collect();
            next_time(ItemOutcome::of(&steps), &steps)
        };
        for again in [&[Halted][..], &[Failed, Skipped], &[Skipped, Halted]] {
            assert_eq!(next(again), NextTime::New, "{again:?}");
        }
        for never in [&[Done, Failed][..], &[Accepted, Halted], &[Failed, Parked], &[Skipped], &[Done], &[]] {
            assert_eq!(next(never), NextTime::Duplicate, "{never:?}");
        }
    }
}
