//! What no test reaches: playbooks, actions, and the two ways of each condition.

use std::collections::BTreeSet;

use super::{Played, Script};
use crate::diag::Span;
use crate::expr::Condition;

/// How much of the playbooks the tests reach.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Playbooks that a test plays.
    pub playbooks: Share,
    /// Actions that a test has taken, planned or tried.
    pub actions: Share,
    /// Ways of conditions that a test has gone: each has two.
    pub branches: Share,
    /// What is not reached, by file and place.
    pub gaps: Vec<Gap>,
}

/// A part of a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// The part.
    pub reached: usize,
    /// The whole.
    pub all: usize,
}

/// Something no test reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Where it stands in the playbook.
    pub place: Span,
    /// What it is, in a sentence.
    pub message: String,
}

impl Share {
    fn add(&mut self, reached: impl Into<usize>) {
        self.all += 1;
        self.reached += reached.into();
    }
}

/// Says what the tests that were played reach of the playbooks they belong to.
#[must_use]
pub fn cover(scripts: &[Script], played: &[Played]) -> Coverage {
    let mut coverage = Coverage::default();
    for script in scripts {
        let id = script.plan.about.id;
        let tests: Vec<&Played> = played.iter().filter(|played| played.case.plan.about.id == id).collect();
        coverage.playbooks.add(!tests.is_empty());
        if tests.is_empty() {
            let place = script.document.tree.key_span("/name");
            let message = format!("no test plays `{}`", script.plan.about.name);
            coverage.gaps.push(Gap { place, message });
        }
        coverage.look_into(script, &tests);
    }
    coverage.gaps.sort_by(|one, other| {
        let key = |gap: &Gap| (gap.place.source.name.clone(), gap.place.range.start);
        key(one).cmp(&key(other))
    });
    coverage
}

/// Ids of the actions that tests have reached.
fn reached<'p>(tests: &[&'p Played]) -> BTreeSet<&'p str> {
    let scenes = tests.iter().flat_map(|played| &played.scenes);
    scenes.flat_map(|scene| scene.reached.iter().map(String::as_str)).collect()
}

impl Coverage {
    /// Counts one playbook. What an untested one lacks is not listed piece by piece.
    fn look_into(&mut self, script: &Script, tests: &[&Played]) {
        let (plan, tree) = (&script.plan, &script.document.tree);
        let reached = reached(tests);
        let mut gap = |pointer: &str, message: String| {
            if !tests.is_empty() {
                self.gaps.push(Gap { place: tree.key_span(pointer), message });
            }
        };
        for (index, step) in plan.steps.iter().enumerate() {
            let taken = reached.contains(step.id.as_str());
            self.actions.add(taken);
            if !taken {
                gap(&format!("/actions/{index}"), format!("no test takes the action `{}`", step.id));
            }
        }
        let step = |index: usize, step: &crate::action::Step| {
            Some((format!("/actions/{index}/if"), step.condition.clone()?))
        };
        let telling = |index: usize, telling: &crate::plan::Telling| {
            Some((format!("/notify/{index}/if"), telling.condition.clone()?))
        };
        let whole = [("/when", &plan.when), ("/where", &plan.condition)];
        let whole = whole.into_iter().filter_map(|(at, condition)| Some((at.to_owned(), condition.clone()?)));
        let steps = plan.steps.iter().enumerate().filter_map(|(index, one)| step(index, one));
        let tellings = plan.tellings.iter().enumerate().filter_map(|(index, one)| telling(index, one));
        let conditions: Vec<(String, Condition)> = whole.chain(steps).chain(tellings).collect();
        for (pointer, condition) in conditions {
            let answers = condition.answers();
            let name = pointer.rsplit('/').next().unwrap_or_default();
            for (answer, word) in [(answers.yes, "true"), (answers.no, "false")] {
                self.branches.add(answer);
                if !answer {
                    gap(&pointer, format!("in no test is this `{name}` {word}"));
                }
            }
        }
    }
}
