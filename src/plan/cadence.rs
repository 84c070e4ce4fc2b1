//! When a playbook runs by itself.

use jiff::SignedDuration;

use super::names::Lowering;
use crate::cadence::{About, Cadence, CadenceProblem, CatchUp, CatchUpPolicy};
use crate::diag::{Code, Diagnostic, Suggestion};
use crate::playbook;

/// When a playbook runs, and what happens to runs it missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// When.
    pub cadence: Cadence,
    /// Longest delay of a start.
    pub jitter: SignedDuration,
    /// What happens to missed runs.
    pub catch_up: CatchUpPolicy,
    /// What happens to a run that is due while the one before still goes on.
    pub overlap: playbook::Overlap,
}

/// Understands `schedule` and `hunt.queryFrequency`, of which a playbook has at most one.
pub(super) fn rule(lowering: &mut Lowering<'_>) -> Option<Rule> {
    let playbook = &lowering.document.playbook;
    let frequency = playbook.hunt.as_ref().and_then(|hunt| hunt.query_frequency.as_ref());
    match (&playbook.schedule, frequency) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            let message = "`schedule` and `hunt.queryFrequency` both say when the playbook runs";
            lowering.error(Code::KeyCombination, "/hunt/queryFrequency", message, "keep one of them");
            None
        }
        (None, Some(every)) => {
            let every = lowering.duration("/hunt/queryFrequency", every)?;
            let cadence = fixed(lowering, "/hunt/queryFrequency", every)?;
            let overlap = playbook::Overlap::default();
            Some(Rule { cadence, jitter: SignedDuration::ZERO, catch_up: CatchUpPolicy::default(), overlap })
        }
        (Some(schedule), None) => scheduled(lowering, schedule),
    }
}

fn scheduled(lowering: &mut Lowering<'_>, schedule: &playbook::Schedule) -> Option<Rule> {
    let jitter = schedule.jitter.as_ref().map(|text| lowering.duration("/schedule/jitter", text));
    let lateness =
        schedule.max_lateness.as_ref().map(|text| lowering.some_time("/schedule/maxLateness", text));
    let cadence = match (&schedule.cron, &schedule.every) {
        (Some(cron), _) => check_cron(lowering, cron, schedule.timezone.as_deref()),
        (None, Some(every)) => {
            if schedule.timezone.is_some() {
                let message = "`timezone` says nothing about `every`";
                lowering.error(Code::KeyCombination, "/schedule/timezone", message, "use it with `cron`");
            }
            let every = lowering.duration("/schedule/every", every);
            if let (Some(every), Some(Some(jitter))) = (every, jitter)
                && every <= jitter
                && !lowering.world.is_trusting()
            {
                let message =
                    "`jitter` is not shorter than `every`, so that starts would overtake each other";
                lowering.error(Code::Duration, "/schedule/jitter", message, "make it a fraction of `every`");
            }
            every.and_then(|every| fixed(lowering, "/schedule/every", every))
        }
        (None, None) => None,
    };
    Some(Rule {
        cadence: cadence?,
        jitter: jitter.unwrap_or(Some(SignedDuration::ZERO))?,
        catch_up: CatchUpPolicy {
            catch_up: match schedule.catch_up {
                playbook::CatchUp::None => CatchUp::None,
                playbook::CatchUp::Latest => CatchUp::Latest,
                playbook::CatchUp::All => CatchUp::All,
            },
            max_lateness: match lateness {
                Some(lateness) => Some(lateness?),
                None => None,
            },
        },
        overlap: schedule.overlap,
    })
}

/// Reads a cron expression in its zone, or reports what is wrong with it.
pub(super) fn check_cron(lowering: &mut Lowering<'_>, cron: &str, zone: Option<&str>) -> Option<Cadence> {
    Cadence::cron(cron, zone.unwrap_or("UTC")).map_err(|problem| report(lowering, problem)).ok()
}

fn fixed(lowering: &mut Lowering<'_>, pointer: &str, every: SignedDuration) -> Option<Cadence> {
    match Cadence::every(every) {
        Ok(cadence) => Some(cadence),
        Err(problem) => {
            lowering.push(lowering.document.tree.error(Code::Duration, pointer, problem.message));
            None
        }
    }
}

fn report(lowering: &mut Lowering<'_>, problem: CadenceProblem) {
    let (code, pointer) = match problem.about {
        About::Zone => (Code::TimeZone, "/schedule/timezone"),
        About::Expression | About::Every => (Code::Cron, "/schedule/cron"),
    };
    let span = lowering.document.tree.inner(pointer, problem.range);
    let suggestion = problem.suggestion.map(|replacement| Suggestion {
        message: format!("write `{replacement}`"),
        range: span.range.clone(),
        replacement,
    });
    let mut diagnostic = Diagnostic { suggestion, ..Diagnostic::error(code, span, problem.message) };
    diagnostic.help.extend(problem.help);
    lowering.push(diagnostic);
}
