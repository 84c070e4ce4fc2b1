//! What the guards say of calls that people are asked about, and whether they say the same when their leave is used.
//!
//! Who was shown that a limit is passed has said yes beyond the playbook's limits. Who was shown that the call is within them
//! has not: if a limit is passed by then, the leave is void, but for those of the moment (a minute, an hour, a window):
//! nobody decides at which moment the call is made.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::not_sent;
use super::decide::{Decision, Fate};
use super::leave::Leave;
use super::report::StepState;
use super::shown::Shown;
use crate::action::{Call, Step};
use crate::guard::{Exceeded, Verdict};
use crate::store::{Approval, ApprovalState};

/// What the guards say of a call that people are asked about.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// For people.
    pub(super) text: String,
    /// Which limit it is; `None` if it is within all of them.
    pub(super) code: Option<String>,
}

/// What is said of a call that passes no limit.
const WITHIN: &str = "within the limits";
/// The code of what is said of a call about something old.
const OLD: &str = "old";

impl Said {
    /// Nothing is in its way but that people are to be asked.
    pub(super) fn within() -> Self {
        Self { text: WITHIN.to_owned(), code: None }
    }

    /// It is about something old.
    pub(super) fn old(why: &str) -> Self {
        Self { text: why.to_owned(), code: Some(OLD.to_owned()) }
    }

    fn of(exceeded: &Exceeded) -> Self {
        Self { text: exceeded.to_string(), code: Some(exceeded.code().to_owned()) }
    }

    /// Whether what is said is that a limit is passed. What was noted without a code says so unless it says the opposite.
    fn names_a_limit(&self) -> bool {
        self.code.as_deref().map_or(self.text != WITHIN, |code| code != OLD)
    }
}

/// Every call of a run, and whose leave it needs.
fn leaves<'f>(fates: &'f mut [Fate<'_>]) -> impl Iterator<Item = (&'f Step, &'f Call, &'f mut Leave)> {
    let decisions = fates.iter_mut().filter_map(Fate::decisions_mut).flatten();
    decisions.filter_map(|decision| match decision {
        Decision::Call { step, call, leave, .. } => Some((&**step, &*call, leave)),
        Decision::Report { .. } => None,
    })
}

/// Lets the calls wait that pass a limit that people may say yes to.
pub(super) fn wait(fates: &mut [Fate<'_>], verdicts: &[Verdict]) {
    for ((_step, _call, leave), verdict) in leaves(fates).zip(verdicts) {
        if let (Leave::Free | Leave::Needed { .. }, Verdict::Waits(exceeded, people)) = (&*leave, verdict) {
            *leave = Leave::Needed { guards: Box::new(Said::of(exceeded)), targets: 0, people: *people };
        }
    }
}

/// Says with each request on how many targets of the run the same is asked for.
pub(super) fn count_targets(fates: &mut [Fate<'_>]) {
    let mut targets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (step, call, _leave) in leaves(fates).filter(|(_, _, leave)| matches!(leave, Leave::Needed { .. })) {
        targets.entry(step.id.clone()).or_default().insert(call.target.clone());
    }
    for (step, _call, leave) in leaves(fates) {
        if let Leave::Needed { targets: count, .. } = leave {
            let asked = targets.get(&step.id).map_or(0, BTreeSet::len);
            *count = u32::try_from(asked).unwrap_or(u32::MAX);
        }
    }
}

/// Lets no call be made that people said yes to before a limit was passed: `passed` is what would be in its way if nobody
/// had.
pub(super) fn void_changed(fates: &mut [Fate<'_>], passed: Option<&Exceeded>) {
    let Some(passed) = passed.filter(|passed| !passed.is_of_the_moment()) else { return };
    for decision in fates.iter_mut().filter_map(Fate::decisions_mut).flatten() {
        let Decision::Call { step, call, leave: Leave::Asked(asked), .. } = decision else { continue };
        if asked.state == ApprovalState::Approved && !was_shown(asked) {
            let why = format!("a limit is passed that was not when people were asked: {passed}");
            let report = not_sent(step, call, StepState::Void, &why);
            *decision = Decision::Report { step, report };
        }
    }
}

/// Whether people were shown that a limit is passed: the first of those that all calls of the run would have passed, which
/// need not be the first that this one passes by itself. What cannot be read is found out where it is used.
fn was_shown(asked: &Approval) -> bool {
    serde_json::from_str::<Shown>(&asked.shown).map_or(true, |shown| shown.said().names_a_limit())
}
