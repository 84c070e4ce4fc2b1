//! How many matches a playbook usually has: what a slip in a condition stands out from.

use super::context::Context;
use super::report::Counts;
use super::{Engine, EngineError};
use crate::guard::{self, Candidate, GuardLimits, Verdicts};
use crate::store::{Effects, Run, RunFilter, RunState, Trigger};

/// Runs that the usual number is taken from: two or three days of an hourly playbook.
const RUNS: usize = 20;

/// Fewer runs than these show nothing usual.
const RUNS_MIN: usize = 5;

/// Runs looked through for those that count.
const LOOK_BACK: u32 = 100;

impl Engine {
    /// The verdicts on a run. One that is held because it has far more matches than usual passes if a person has said
    /// so, and if nothing else is in its way.
    pub(super) async fn verdicts(
        &self,
        context: &Context<'_>,
        limits: &GuardLimits,
        counts: guard::Counts,
        candidates: &[Candidate],
    ) -> Result<Verdicts, EngineError> {
        let now = self.clock.now();
        let verdicts = guard::admit(limits, &counts, candidates, now);
        if !verdicts.is_unusual() || !context.acts() {
            return Ok(verdicts);
        }
        let counts = guard::Counts { matched: (counts.matched.0, None), ..counts };
        let freely = guard::admit(limits, &counts, candidates, now);
        let whose = (context.order.tenant.as_str(), context.plan().about.id);
        if freely.halted.is_some() || !self.store.take_pass(whose, context.run).await? {
            return Ok(verdicts);
        }
        tracing::warn!(run = %context.run, "a person has let a run pass that matches far more than usual");
        Ok(freely)
    }

    /// The median of the matches of the runs before, if there are enough of them; nothing either where `matched`
    /// is never too many.
    pub(super) async fn usual(
        &self,
        context: &Context<'_>,
        matched: u64,
    ) -> Result<Option<u64>, EngineError> {
        if matched <= guard::MATCHES_ALWAYS {
            return Ok(None);
        }
        let filter = RunFilter {
            playbook: Some(context.plan().about.id),
            tenant: Some(context.order.tenant.clone()),
            before: Some(context.started),
            limit: LOOK_BACK,
            ..RunFilter::default()
        };
        let runs = self.store.runs(&filter).await?;
        Ok(median(runs.iter().filter_map(|summary| counts(&summary.run)).take(RUNS).collect()))
    }
}

/// The matches of a run that counts: one that ended, and that no guard stopped, else a slip would become usual by
/// being tried often enough.
fn counts(run: &Run) -> Option<u64> {
    let ended = matches!(run.state, RunState::Ok | RunState::Partial)
        && run.effects == Effects::Apply
        && run.trigger != Trigger::Revert;
    let counts: Counts = serde_json::from_value(run.counts.clone()).ok().filter(|_counts| ended)?;
    (!counts.halted).then_some(counts.matched)
}

fn median(mut matches: Vec<u64>) -> Option<u64> {
    if matches.len() < RUNS_MIN {
        return None;
    }
    matches.sort_unstable();
    matches.get(matches.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_run_does_not_change_what_is_usual() {
        assert_eq!(median(vec![3, 1, 2, 900, 2]), Some(2));
        assert_eq!(median(vec![5, 1, 4, 4, 900, 2]), Some(4));
        assert_eq!(median(vec![1, 1, 1, 1]), None);
    }
}
