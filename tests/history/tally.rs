//! How often each thing was done, held against how often it may have been and how often the journal says that it was.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use huntbook::sim::EffectEntry;
use huntbook::store::EffectState;
use huntbook::tenant::ActionKind;
use jiff::Timestamp;

use super::deeds::{Deed, is_marked};
use super::{Applied, Event, Journal, Rules, is_a_word};

/// Most sendings of one call that may be repeated.
const SENDINGS_MAX: usize = 5;
/// Most times that a change of an incident is written anew because somebody else wrote in between.
const MERGES_MAX: usize = 3;

/// One attempt at a call.
#[derive(Debug)]
struct Attempt<'a> {
    intended: Timestamp,
    /// How often the tenant may have done it, from what the journal says came of it.
    times: RangeInclusive<usize>,
    /// What it says of that.
    said: &'a Event,
}

/// What was intended and what was done, of one thing in one tenant.
#[derive(Debug, Default)]
struct Tally<'a> {
    attempts: Vec<&'a Attempt<'a>>,
    done: Vec<Timestamp>,
}

/// What may belong to any indicator: the attempts at sets, by tenant.
type Sets<'a> = BTreeMap<&'a str, Vec<&'a Attempt<'a>>>;

/// Nothing is done more often than it was intended by then and may have been, in no other place, and what the journal takes
/// for done was.
pub(super) fn tally(journal: &Journal, applied: &[Applied<'_>], rules: &Rules, wrong: &mut Vec<String>) {
    // What retention has taken away may have been the intent.
    if journal.is_cut() {
        return;
    }
    let attempts = attempts(journal);
    let (mut tallies, mut sets): (BTreeMap<(&str, Deed), Tally<'_>>, Sets<'_>) = Default::default();
    let names = |tenant: &str| applied.iter().find(|one| one.tenant == tenant).map(|one| one.names);
    for attempt in &attempts {
        let Some(about) = &attempt.said.about else { continue };
        if about.action == ActionKind::ReconcileIndicators {
            sets.entry(&about.tenant).or_default().push(attempt);
        }
        let deeds = names(&about.tenant)
            .map_or_else(|| super::Names::default().intended(about), |names| names.intended(about));
        for deed in deeds {
            tallies.entry((&about.tenant, deed)).or_default().attempts.push(attempt);
        }
    }
    for one in applied {
        let deed = one.names.done(one.effect);
        tallies.entry((one.tenant, deed)).or_default().done.push(one.effect.at);
    }
    for ((tenant, deed), mut tally) in tallies {
        let of_sets = sets.get(tenant).filter(|_sets| deed.effect.ends_with("Indicator"));
        let alone = tally.attempts.len();
        tally.attempts.extend(of_sets.into_iter().flatten());
        tally.sort();
        let what = format!("{} of {} in {tenant}", deed.effect, deed.target);
        tally.too_often(&what, rules, wrong);
        // What an indicator of its own has done a set may have done.
        if alone == tally.attempts.len() && !rules.is_lied_to {
            tally.too_seldom(&what, rules, wrong);
        }
    }
    for (tenant, attempts) in sets {
        whole_sets(tenant, &attempts, applied, wrong);
    }
}

impl Tally<'_> {
    fn sort(&mut self) {
        self.attempts.sort_by_key(|attempt| attempt.intended);
        self.done.sort_unstable();
    }

    /// At no time has more been done than was intended by then and may have come of it.
    fn too_often(&self, what: &str, rules: &Rules, wrong: &mut Vec<String>) {
        let most = |first: usize| self.attempts.iter().take(first).map(|one| *one.times.end()).sum::<usize>();
        let (done, all) = (self.done.len(), most(self.attempts.len()));
        if all < done {
            let intended = self.attempts.len();
            wrong.push(format!(
                "{what}: done {done} times, intended {intended} times, and by the journal {all} times at most"
            ));
            return;
        }
        for (place, at) in self.done.iter().enumerate() {
            let by_then = self.attempts.partition_point(|one| one.intended <= rules.journal_time(*at));
            if most(by_then) <= place {
                wrong.push(format!("{what}: done at {at}, before it was intended"));
            }
        }
    }

    /// What the journal takes for done was done, after its intent.
    fn too_seldom(&self, what: &str, rules: &Rules, wrong: &mut Vec<String>) {
        let mut least = 0;
        for attempt in self.attempts.iter().rev() {
            least += attempt.times.start();
            let done = self.done.iter().filter(|at| attempt.intended <= rules.journal_time(**at)).count();
            if done < least && 0 < *attempt.times.start() {
                let Event { n, key, attempt, detail, state, .. } = attempt.said;
                wrong.push(format!(
                    "{what}: taken for done, and was not ({key}, attempt {attempt}, event {n}: {state} {detail})"
                ));
                return;
            }
        }
    }
}

/// Of the indicators of sets no intent tells which they are; the journal tells how many they were.
fn whole_sets(tenant: &str, attempts: &[&Attempt<'_>], applied: &[Applied<'_>], wrong: &mut Vec<String>) {
    let said: Vec<(usize, usize)> = attempts.iter().filter_map(|one| of_set(&one.said.detail)).collect();
    let (written, removed): (Vec<usize>, Vec<usize>) = said.into_iter().unzip();
    for (effect, said) in [("putIndicator", written), ("deleteIndicator", removed)] {
        let is_it = |one: &&Applied<'_>| one.tenant == tenant && one.effect.effect == effect;
        let (done, least) = (applied.iter().filter(is_it).count(), said.iter().sum());
        if done < least {
            wrong.push(format!("{effect} in {tenant}: {least} of sets taken for done, and {done} were"));
        }
    }
}

/// How many indicators of a set were written and removed, as the journal tells it.
fn of_set(detail: &str) -> Option<(usize, usize)> {
    let (written, rest) = detail.split_once(" written, ")?;
    let (removed, _rest) = rest.split_once(" removed, ")?;
    Some((written.parse().ok()?, removed.parse().ok()?))
}

/// Every attempt, and what came of it.
fn attempts(journal: &Journal) -> Vec<Attempt<'_>> {
    let mut of: BTreeMap<(&str, u64), Vec<&Event>> = BTreeMap::new();
    for event in &journal.effects {
        of.entry((&event.key, event.attempt)).or_default().push(event);
    }
    of.into_values().filter_map(|events| attempt(&events)).collect()
}

fn attempt<'a>(events: &[&'a Event]) -> Option<Attempt<'a>> {
    let intent = events.first().filter(|event| event.state == EffectState::Intended)?;
    let kind = intent.about.as_ref()?.action;
    // How a device ended with what was accepted says nothing about whether it was.
    let is_result = |event: &Event| {
        matches!(event.state, EffectState::Pending | EffectState::Done | EffectState::NotApplied)
    };
    let steps = events.iter().zip(events.iter().skip(1));
    let result =
        steps.map(|(before, event)| (Some(before.state), *event)).find(|(_, event)| is_result(event));
    let (before, said) = result.unwrap_or((None, *intent));
    Some(Attempt { intended: intent.at, times: times(kind, (before, said)), said })
}

/// How often the tenant may have done what came to this.
fn times(kind: ActionKind, (before, said): (Option<EffectState>, &Event)) -> RangeInclusive<usize> {
    let most = match kind {
        ActionKind::UpdateIncident => SENDINGS_MAX * MERGES_MAX,
        kind if kind.is_repeatable() => SENDINGS_MAX,
        _ => 1,
    };
    let nobody_knows = 0..=most;
    match said.state {
        EffectState::Intended | EffectState::Unknown | EffectState::Parked | EffectState::Failed => {
            nobody_knows
        }
        _ if is_a_word(before, said) => nobody_knows,
        EffectState::NotApplied => 0..=0,
        // Nothing was sent: it was so before.
        EffectState::Pending | EffectState::Done if said.detail.contains("in force already") => 0..=0,
        // The tenant shows it: whoever did it.
        EffectState::Pending | EffectState::Done if said.detail.contains("no answer came") => nobody_knows,
        // What carries a mark is looked for by that; a set is counted as a whole.
        EffectState::Pending | EffectState::Done
            if is_marked(kind) || kind == ActionKind::ReconcileIndicators =>
        {
            nobody_knows
        }
        EffectState::Pending | EffectState::Done => 1..=most,
    }
}

/// What no action of the catalogue does is none of ours to do.
pub(super) fn unknown(applied: &[Applied<'_>], wrong: &mut Vec<String>) {
    let what = |effect: &EffectEntry| format!("{} of {}", effect.effect, effect.target);
    for one in applied.iter().filter(|one| !super::deeds::is_known(&one.effect.effect)) {
        wrong.push(format!("no action does that: {} in {}", what(one.effect), one.tenant));
    }
    let marked: BTreeSet<&str> = ActionKind::ALL
        .iter()
        .filter(|kind| is_marked(**kind))
        .flat_map(|kind| super::deeds::effects_of(*kind).iter().copied())
        .collect();
    for one in applied.iter().filter(|one| one.mark.is_none() && marked.contains(&*one.effect.effect)) {
        wrong.push(format!("done without a mark: {} in {}", what(one.effect), one.tenant));
    }
}
