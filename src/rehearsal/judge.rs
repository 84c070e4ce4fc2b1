//! What was expected beside what happened.
//!
//! Pure: a run and its expectations in, a transcript and the differences out.

use std::collections::BTreeMap;

use super::facts::{Fact, Heading, Seen, Told, cut, one_line};
use super::suite::{Case, Step};
use crate::diag::Span;
use crate::playbook::{Amount, Expect, ExpectItem, ExpectMessage, ExpectRequest, ExpectStep};
use crate::sim::{Pattern, RequestEntry};
use crate::text::counted;

/// A line of a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How the two sides compare.
    pub state: LineState,
    /// What was expected, and where that stands.
    pub expected: Option<(String, Span)>,
    /// What happened.
    pub actual: Option<String>,
}

/// How the two sides of a line compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineState {
    /// Expected, and it happened.
    Same,
    /// Expected, and it did not happen.
    Missing,
    /// It happened, and was not expected.
    Unexpected,
    /// It happened otherwise than expected.
    Different,
    /// It happened, and nothing was said about it.
    Aside,
}

/// Something that went otherwise than expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The expectation, or the expectations if it is something nobody expected.
    pub place: Span,
    /// What, in a sentence.
    pub message: String,
}

/// Compares a run with what was expected of it.
pub(super) fn judge(case: &Case, step: &Step, seen: &Seen) -> (Vec<Line>, Vec<Failure>) {
    let mut bench = Bench { case, pointer: &step.pointer, seen, lines: Vec::new(), failures: Vec::new() };
    bench.run(&step.expect);
    let expect = &step.expect;
    bench.items(Heading::Matched, expect.matched.as_ref());
    let headings = [
        &expect.acted,
        &expect.planned,
        &expect.skipped,
        &expect.halted,
        &expect.pending_approval,
        &expect.denied,
        &expect.expired,
        &expect.void,
    ];
    for (heading, amount) in Heading::STEPS.into_iter().zip(headings) {
        bench.steps(heading, amount.as_ref());
    }
    bench.items(Heading::Suppressed, expect.suppressed.as_ref());
    // What goes wrong is never passed over in silence.
    for (heading, amount) in [(Heading::Failed, &expect.failed), (Heading::Parked, &expect.parked)] {
        bench.steps(heading, Some(amount.as_ref().unwrap_or(&Amount::Items(Vec::new()))));
    }
    bench.duplicates(expect.duplicates);
    bench.messages(expect.notified.as_ref());
    bench.requests(expect.requests.as_ref());
    (bench.lines, bench.failures)
}

struct Bench<'a> {
    case: &'a Case,
    pointer: &'a str,
    seen: &'a Seen,
    lines: Vec<Line>,
    failures: Vec<Failure>,
}

/// A list of expectations beside the things that happened.
struct Sides<'s, T> {
    /// The key in the test.
    heading: &'s str,
    expected: Option<&'s Amount<T>>,
    /// The lines of what happened.
    actual: Vec<String>,
    /// Whether an expectation fits one of them.
    fits: &'s dyn Fn(&T, usize) -> bool,
    shown: &'s dyn Fn(&T) -> String,
    /// What happened instead of an expectation, if that can be told.
    instead: &'s dyn Fn(&T) -> Option<String>,
}

impl Bench<'_> {
    fn place(&self, below: &str) -> Span {
        self.case.tree.span(&format!("{}/{below}", self.pointer))
    }

    /// Where to point for something nobody expected: at the key it belongs to, or at the whole.
    fn place_of_key(&self, key: &str) -> Span {
        self.case.tree.key_span(&format!("{}/{key}", self.pointer))
    }

    fn line(&mut self, state: LineState, expected: Option<(String, Span)>, actual: Option<String>) {
        self.lines.push(Line { state, expected, actual });
    }

    fn fail(&mut self, place: Span, message: String) {
        self.failures.push(Failure { place, message });
    }

    /// How the run ended. A run that failed is a failure unless it was expected.
    fn run(&mut self, expect: &Expect) {
        let report = &self.seen.report;
        let ended = report.state.as_str();
        let actual = match &report.reason {
            Some(reason) => format!("run {ended}: {}", one_line(reason)),
            None => format!("run {ended}"),
        };
        let Some(wanted) = expect.run else {
            if report.state == crate::engine::RunState::Failed {
                self.fail(self.place_of_key("run"), format!("the {actual}"));
                self.line(LineState::Unexpected, None, Some(actual));
            } else {
                self.line(LineState::Aside, None, Some(actual));
            }
            return;
        };
        let place = self.place("run");
        let expected = Some((format!("run {}", wanted.as_str()), place.clone()));
        if wanted.as_str() == ended {
            self.line(LineState::Same, expected, Some(actual));
        } else {
            self.fail(place, format!("the run should have been `{}`: the {actual}", wanted.as_str()));
            self.line(LineState::Different, expected, Some(actual));
        }
    }

    fn duplicates(&mut self, expected: Option<u64>) {
        let found = self.seen.report.counts.duplicates;
        let actual = format!("duplicates: {found}");
        match expected {
            Some(wanted) => {
                let place = self.place("duplicates");
                let same = wanted == found;
                if !same {
                    self.fail(
                        place.clone(),
                        format!("expected {}, there were {found}", counted(wanted, "duplicate")),
                    );
                }
                let state = if same { LineState::Same } else { LineState::Different };
                self.line(state, Some((format!("duplicates: {wanted}"), place)), Some(actual));
            }
            None if found == 0 => {}
            None => self.line(LineState::Aside, None, Some(actual)),
        }
    }

    fn steps(&mut self, heading: Heading, expected: Option<&Amount<ExpectStep>>) {
        let (seen, names) = (self.seen, &self.case.setting.names);
        let facts = seen.facts(heading);
        let fits = |step: &ExpectStep, index: usize| {
            facts
                .get(index)
                .is_some_and(|fact| is_step(step, fact, names) && has_reason(step.reason.as_ref(), fact))
        };
        let instead = |step: &ExpectStep| {
            let others = Heading::STEPS
                .into_iter()
                .flat_map(|heading| seen.facts(heading).into_iter().map(move |fact| (heading, fact)));
            let mut others = others.filter(|(_, fact)| is_step(step, fact, names));
            let (heading, fact) = others.next()?;
            Some(format!("{} {}", heading.as_str(), fact.shown(names)))
        };
        let actual = facts.iter().map(|fact| fact.shown(names)).collect();
        let (heading, shown) = (heading.as_str(), &step_shown);
        self.compare(&Sides { heading, expected, actual, fits: &fits, shown, instead: &instead });
    }

    fn items(&mut self, heading: Heading, expected: Option<&Amount<ExpectItem>>) {
        let (seen, names) = (self.seen, &self.case.setting.names);
        let facts = seen.facts(heading);
        if expected.is_none() && heading == Heading::Matched {
            // Each of them comes again below.
            return;
        }
        let fits = |item: &ExpectItem, index: usize| {
            let ExpectItem { device, user, incident, value, reason } = item;
            facts.get(index).is_some_and(|fact| {
                let mut wanted = [device, user, incident, value].into_iter().flatten();
                wanted.all(|name| fact.is_about(name, names)) && has_reason(reason.as_ref(), fact)
            })
        };
        let actual = facts.iter().map(|fact| fact.shown(names)).collect();
        let (heading, shown) = (heading.as_str(), &item_shown);
        self.compare(&Sides { heading, expected, actual, fits: &fits, shown, instead: &|_| None });
    }

    fn messages(&mut self, expected: Option<&Amount<ExpectMessage>>) {
        let arrived: Vec<&Told> = self.seen.arrived().collect();
        let fits = |message: &ExpectMessage, index: usize| {
            let ExpectMessage { channel, title_contains, text_contains } = message;
            arrived.get(index).is_some_and(|told| {
                channel.as_ref().is_none_or(|channel| *channel == told.channel)
                    && title_contains.as_ref().is_none_or(|part| told.title.contains(part.as_str()))
                    && text_contains.as_ref().is_none_or(|part| told.text.contains(part.as_str()))
            })
        };
        let instead = |message: &ExpectMessage| {
            let same =
                |told: &&&Told| message.channel.as_ref().is_none_or(|channel| *channel == told.channel);
            let told = arrived.iter().find(same)?;
            Some(format!("{}, text `{}`", told_shown(told), cut(&told.text)))
        };
        let actual = arrived.iter().map(|told| told_shown(told)).collect();
        let (heading, shown) = ("notified", &message_shown);
        let sides = Sides { heading, expected, actual, fits: &fits, shown, instead: &instead };
        self.compare(&sides);
        for told in self.seen.told.iter().filter(|told| told.asks && told.undelivered.is_none()) {
            self.line(LineState::Aside, None, Some(format!("approvals told {}", told_shown(told))));
        }
        for told in self.seen.told.iter().filter(|told| told.undelivered.is_some()) {
            let why = told.undelivered.as_deref().unwrap_or_default();
            self.line(
                LineState::Aside,
                None,
                Some(format!("not delivered {}: {}", told_shown(told), cut(why))),
            );
        }
    }

    fn requests(&mut self, expected: Option<&Amount<ExpectRequest>>) {
        let requests: Vec<&RequestEntry> = self.seen.requests.iter().filter(|entry| is_api(entry)).collect();
        match expected {
            None => {}
            Some(Amount::Count(wanted)) => {
                let found = requests.len() as u64;
                self.counted("requests", (*wanted, found), "requests");
            }
            Some(Amount::Items(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let method = item.method.as_deref().unwrap_or("*");
                    let pattern = Pattern::parse(&format!("{method} {}", item.path));
                    let meant = |entry: &&RequestEntry| {
                        pattern.as_ref().is_some_and(|pattern| pattern.is_for(&entry.method, &entry.path))
                    };
                    let found = self.seen.requests.iter().filter(meant).count() as u64;
                    self.requested(index, item, found);
                }
            }
        }
    }

    fn requested(&mut self, index: usize, item: &ExpectRequest, found: u64) {
        let place = self.place(&format!("requests/{index}"));
        let method = item.method.as_deref().unwrap_or("*");
        let wanted = item.count.map_or_else(|| "at least once".to_owned(), |count| format!("{count} times"));
        let expected = format!("request {method} {} {wanted}", item.path);
        let holds = item.count.map_or(found > 0, |count| count == found);
        let actual = format!("{found} times");
        if !holds {
            self.fail(place.clone(), format!("expected {expected}; it was made {actual}"));
        }
        let state = if holds { LineState::Same } else { LineState::Different };
        self.line(state, Some((expected, place)), Some(actual));
    }

    /// A number of things beside the number that was expected.
    fn counted(&mut self, heading: &str, (wanted, found): (u64, u64), what: &str) {
        let place = self.place(heading);
        let same = wanted == found;
        if !same {
            self.fail(place.clone(), format!("expected {wanted} {what}, there were {found}"));
        }
        let state = if same { LineState::Same } else { LineState::Different };
        self.line(state, Some((format!("{heading}: {wanted}"), place)), Some(format!("{heading}: {found}")));
    }

    fn compare<T>(&mut self, sides: &Sides<'_, T>) {
        let heading = sides.heading;
        match sides.expected {
            None => {
                for actual in &sides.actual {
                    self.line(LineState::Aside, None, Some(format!("{heading} {actual}")));
                }
            }
            Some(Amount::Count(wanted)) => {
                self.counted(heading, (*wanted, sides.actual.len() as u64), heading);
                for actual in &sides.actual {
                    self.line(LineState::Aside, None, Some(format!("{heading} {actual}")));
                }
            }
            Some(Amount::Items(items)) => self.listed(sides, items),
        }
    }

    /// A list of things beside the list that was expected.
    fn listed<T>(&mut self, sides: &Sides<'_, T>, items: &[T]) {
        let heading = sides.heading;
        let pairs = pair(items.len(), sides.actual.len(), &|one, other| {
            items.get(one).is_some_and(|item| (sides.fits)(item, other))
        });
        for (index, item) in items.iter().enumerate() {
            let place = self.place(&format!("{heading}/{index}"));
            let text = format!("{heading} {}", (sides.shown)(item));
            let met = pairs.iter().position(|pair| *pair == Some(index));
            if let Some(actual) = met.and_then(|other| sides.actual.get(other)) {
                self.line(LineState::Same, Some((text, place)), Some(format!("{heading} {actual}")));
                continue;
            }
            let instead = (sides.instead)(item).map(|what| format!("; instead: {what}"));
            let message = format!("expected and missing: {text}{}", instead.unwrap_or_default());
            self.fail(place.clone(), message);
            self.line(LineState::Missing, Some((text, place)), None);
        }
        for (actual, pair) in sides.actual.iter().zip(&pairs) {
            if pair.is_none() {
                let text = format!("{heading} {actual}");
                self.fail(self.place_of_key(heading), format!("not expected: {text}"));
                self.line(LineState::Unexpected, None, Some(text));
            }
        }
    }
}

/// Pairs as many as can be: for each thing that happened, the expectation it meets. An expectation that
/// fits several things leaves them to those that fit only one.
fn pair(expected: usize, actual: usize, fits: &dyn Fn(usize, usize) -> bool) -> Vec<Option<usize>> {
    let mut pairs = vec![None; actual];
    for one in 0..expected {
        let mut tried = vec![false; actual];
        place(one, &mut pairs, &mut tried, fits);
    }
    pairs
}

/// Finds a partner for an expectation, moving others if they have another choice.
fn place(
    one: usize,
    pairs: &mut Vec<Option<usize>>,
    tried: &mut Vec<bool>,
    fits: &dyn Fn(usize, usize) -> bool,
) -> bool {
    for other in 0..pairs.len() {
        let Some(seen) = tried.get_mut(other) else { continue };
        if *seen || !fits(one, other) {
            continue;
        }
        *seen = true;
        let taken = pairs.get(other).copied().flatten();
        if taken.is_none_or(|taken| place(taken, pairs, tried, fits))
            && let Some(pair) = pairs.get_mut(other)
        {
            *pair = Some(one);
            return true;
        }
    }
    false
}

/// Whether a step is the one that is meant, whatever became of it.
fn is_step(wanted: &ExpectStep, fact: &Fact<'_>, names: &BTreeMap<String, Vec<String>>) -> bool {
    let ExpectStep { id, device, user, incident, alert, indicator, reason: _ } = wanted;
    let is_id = |id: &String| fact.step.is_some_and(|step| step.id == *id);
    id.as_ref().is_none_or(is_id)
        && [device, user, incident, alert, indicator]
            .into_iter()
            .flatten()
            .all(|name| fact.is_about(name, names))
}

fn has_reason(wanted: Option<&String>, fact: &Fact<'_>) -> bool {
    let Some(wanted) = wanted else { return true };
    fact.reason().is_some_and(|reason| reason.to_lowercase().contains(&wanted.to_lowercase()))
}

/// Whether a request went to one of the tenant's APIs: not for a token, not to a channel.
fn is_api(entry: &RequestEntry) -> bool {
    ["/graph/", "/mde/", "/xdr/"].iter().any(|start| entry.path.starts_with(start))
}

/// The parts of an expectation that are there, in a line.
fn parts(parts: &[(&str, &Option<String>)]) -> String {
    let parts = parts.iter().filter_map(|(name, value)| {
        let value = value.as_ref()?;
        Some(if name.is_empty() { value.clone() } else { format!("{name} `{}`", cut(value)) })
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn step_shown(step: &ExpectStep) -> String {
    let ExpectStep { id, device, user, incident, alert, indicator, reason } = step;
    parts(&[
        ("", id),
        ("", device),
        ("", user),
        ("incident", incident),
        ("alert", alert),
        ("", indicator),
        ("reason", reason),
    ])
}

fn item_shown(item: &ExpectItem) -> String {
    let ExpectItem { device, user, incident, value, reason } = item;
    parts(&[("", device), ("", user), ("incident", incident), ("", value), ("reason", reason)])
}

fn message_shown(message: &ExpectMessage) -> String {
    let ExpectMessage { channel, title_contains, text_contains } = message;
    parts(&[("", channel), ("title", title_contains), ("text", text_contains)])
}

fn told_shown(told: &Told) -> String {
    format!("{} `{}`", told.channel, cut(&told.title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fits: &[&[usize]], actual: usize, paired: usize) {
        let pairs = pair(fits.len(), actual, &|one, other| fits[one].contains(&other));
        assert_eq!(pairs.iter().flatten().count(), paired, "{pairs:?}");
    }

    #[test]
    fn an_expectation_that_fits_several_leaves_the_only_choice_to_others() {
        check(&[&[0, 1], &[0]], 2, 2);
        check(&[&[0, 1, 2], &[0, 1], &[0]], 3, 3);
        check(&[&[0], &[0]], 2, 1);
        check(&[], 3, 0);
        check(&[&[]], 0, 0);
    }
}
