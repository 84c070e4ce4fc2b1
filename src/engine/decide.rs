//! What is to be done about each item, before anything is done.
//!
//! Everything here reads: the journal for suppression, the tenant for what guards protect. The outcome
//! is a list of decisions for each item, each either a call to be made or a report of why not. Guards
//! see the calls of the whole run at once, so that a run over its limits takes none of them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::act::effect_key;
use super::answer::not_sent;
use super::context::{Context, Work};
use super::in_force::too_long;
use super::leave::{Leave, meet};
use super::lookup::{Lookup, bare};
use super::report::{StepReport, StepState};
use super::resume::step_report;
use super::said::{Said, count_targets, void_changed, wait};
use super::{Engine, EngineError};
use crate::action::{ActionError, ActionKind, Call, Impact, Step};
use crate::diag::Chain;
use crate::expr::{Bound, Condition, Env};
use crate::guard::{self, Candidate, Reason, Target, Verdict};
use crate::model::{CellRef, Projection, RowView};
use crate::plan::{Input, Suppress};
use crate::store::{Approval, Effect, EffectKey, EffectState, NewSuppression};

/// What is to be done about an item.
#[derive(Debug)]
pub(super) enum Fate<'a> {
    /// Leave it alone: the same was handled a short while ago.
    Suppressed {
        /// Why, for people.
        reason: String,
        /// The item of the same run it is a repetition of, if it is not one of an earlier run's.
        behind: Option<u32>,
    },
    /// These steps, in order.
    Steps {
        /// One entry for each call, or for each step that makes none.
        decisions: Vec<Decision<'a>>,
        /// What to keep quiet about once it is settled.
        suppress: Option<NewSuppression>,
    },
}

/// One call to be made, or why there is none.
#[derive(Debug)]
pub(super) enum Decision<'a> {
    /// Make it.
    Call {
        /// The step it belongs to.
        step: &'a Step,
        /// Its place among the calls of its step, from 0.
        place: u32,
        /// What to send.
        call: Call,
        /// Whose leave it needs.
        leave: Leave,
        /// What is known of its target.
        target: Target,
    },
    /// Nothing to make; this is reported.
    Report {
        /// The step it belongs to.
        step: &'a Step,
        /// What is reported.
        report: StepReport,
    },
}

impl Engine {
    /// Decides about every item of a run.
    pub(super) async fn decide<'a>(
        &self,
        context: &Context<'a>,
        items: &[Work],
    ) -> Result<Vec<Fate<'a>>, EngineError> {
        let now = self.clock.now();
        let mut quiet = self.quiet(context, items).await?;
        let begun = Begun::of(self.store.effects_of(context.run).await?);
        let mut fates = Vec::with_capacity(items.len());
        let mut steps = bound(context);
        for item in items {
            let key = context
                .plan()
                .suppress
                .as_ref()
                .map(|suppress| (context.quiet_key(suppress_key(suppress, &item.data)), suppress));
            if let Some((key, suppress)) = &key {
                let until = now.checked_add(suppress.length).unwrap_or(Timestamp::MAX);
                match quiet.entry(key.clone()) {
                    Entry::Occupied(entry) => {
                        let (until, behind) = *entry.get();
                        let reason = format!("the same was handled: quiet until {until:.0}");
                        fates.push(Fate::Suppressed { reason, behind });
                        continue;
                    }
                    Entry::Vacant(entry) => _ = entry.insert((until, Some(item.seq))),
                }
            }
            let decisions = begun.decisions(context, &mut steps, item);
            let suppress = key.map(|(key, suppress)| NewSuppression {
                key,
                until: now.checked_add(suppress.length).unwrap_or(Timestamp::MAX),
            });
            fates.push(Fate::Steps { decisions, suppress });
        }
        self.guard(context, &mut fates, begun.taken()).await?;
        Ok(fates)
    }

    /// Decides anew about items that people have decided about; `known` is what they were asked. What was
    /// tried is not tried again.
    pub(super) async fn decide_again<'a>(
        &self,
        context: &Context<'a>,
        items: &[Work],
        known: &[Approval],
    ) -> Result<Vec<Vec<Decision<'a>>>, EngineError> {
        let begun = Begun::all(self.store.effects_of(context.run).await?);
        let mut steps = bound(context);
        let fate = |item: &Work| {
            let mut decisions = begun.decisions(context, &mut steps, item);
            let mine = known.iter().filter(|asked| asked.seq == item.seq);
            meet(mine, (context, item.seq), &mut decisions);
            Fate::Steps { decisions, suppress: None }
        };
        let mut fates: Vec<Fate<'a>> = items.iter().map(fate).collect();
        self.guard(context, &mut fates, begun.taken()).await?;
        Ok(fates.into_iter().map(Fate::into_decisions).collect())
    }

    /// The suppressions in force for these items, and of which item of this run, of which there are none yet.
    async fn quiet(
        &self,
        context: &Context<'_>,
        items: &[Work],
    ) -> Result<BTreeMap<String, (Timestamp, Option<u32>)>, EngineError> {
        let Some(suppress) = &context.plan().suppress else { return Ok(BTreeMap::new()) };
        let keys: BTreeSet<String> =
            items.iter().map(|item| context.quiet_key(suppress_key(suppress, &item.data))).collect();
        let keys: Vec<String> = keys.into_iter().collect();
        let (tenant, playbook) = (&context.order.tenant, context.plan().about.id);
        let quiet = self.store.suppressed(tenant, playbook, &keys).await?;
        Ok(quiet.into_iter().map(|(key, until)| (key, (until, None))).collect())
    }
}

impl Engine {
    /// Shows the guards every call of the run at once, and takes out what they refuse.
    async fn guard(
        &self,
        context: &Context<'_>,
        fates: &mut [Fate<'_>],
        taken: BTreeSet<(String, String)>,
    ) -> Result<(), EngineError> {
        let plan = context.plan();
        if calls(fates).next().is_none() {
            return Ok(());
        }
        let limits = match plan.guards.limits(&context.order.lists) {
            Ok(limits) => limits,
            Err(error) => {
                replace(fates, |_call| Some((StepState::Halted, error.to_string())));
                return Ok(());
            }
        };
        let mut lookup = Lookup::new(self.store.clone());
        let looked_up = async {
            for call in calls(fates) {
                lookup.look_up(context, call, &limits.exclude).await?;
            }
            self.fleet(context, (&limits, calls(fates))).await
        };
        let Some(fleet) = self.in_time(context, looked_up).await.transpose()? else {
            replace(fates, |_call| Some((StepState::Halted, too_long())));
            return Ok(());
        };
        if let Some(devices) = fleet {
            context.fleet.get_or_init(|| devices);
        }
        replace(fates, |call| lookup.problem(call).map(|why| (StepState::Failed, why)));
        let candidates: Vec<Candidate> =
            numbered_calls(fates).map(|(seq, call, leave)| lookup.candidate((seq, call), leave)).collect();
        let keys: Vec<String> = candidates.iter().map(|candidate| candidate.target.key()).collect();
        let now = self.store.time().await?;
        let since = now.checked_sub(guard::OPPOSITE_WITHIN).unwrap_or(Timestamp::MIN);
        let (tenant, id) = (&context.order.tenant, plan.about.id);
        let matched = u64::try_from(fates.len()).unwrap_or(u64::MAX);
        let counts = guard::Counts {
            matched: (matched, self.usual(context, matched).await?),
            used: self.store.used(tenant, id, context.run).await?,
            fleet,
            recent: self.store.recent(tenant, &keys, since).await?,
            taken,
        };
        let verdicts = self.verdicts(context, &limits, counts, &candidates).await?;
        for (known, candidate) in targets(fates).zip(candidates) {
            *known = candidate.target;
        }
        if let Some(halted) = &verdicts.halted {
            tracing::warn!(run = %context.run, playbook = %plan.about.name, %halted, "a guard has halted a run");
        }
        if context.acts() {
            wait(fates, &verdicts.each);
        }
        let mut each = verdicts.each.into_iter();
        replace(fates, |_call| match each.next() {
            // What is refused for a time only is to come up again.
            Some(Verdict::Refused(reason @ (Reason::Halted(_) | Reason::RecentOpposite { .. }))) => {
                Some((StepState::Halted, reason.to_string()))
            }
            Some(Verdict::Refused(reason)) => Some((StepState::Skipped, reason.to_string())),
            Some(Verdict::Admitted | Verdict::Waits(..)) | None => None,
        });
        void_changed(fates, verdicts.passed.as_ref());
        count_targets(fates);
        Ok(())
    }
}

/// What a run did before its process died. The journal counts it as used, so it is not decided about again.
struct Begun(BTreeMap<EffectKey, Effect>);

impl Begun {
    /// What provably did nothing is left out: it may be tried again.
    fn of(effects: Vec<Effect>) -> Self {
        let sent = effects.into_iter().filter(|effect| effect.state != EffectState::NotApplied);
        Self::all(sent.collect())
    }

    /// Everything that was tried.
    fn all(effects: Vec<Effect>) -> Self {
        Self(effects.into_iter().map(|effect| (effect.key.clone(), effect)).collect())
    }

    /// What there is to do about an item, step by step.
    fn decisions<'a>(
        &self,
        context: &Context<'a>,
        steps: &mut [(&'a Step, Option<Bound>)],
        item: &Work,
    ) -> Vec<Decision<'a>> {
        let mut decisions = Vec::new();
        for (step, condition) in steps {
            decisions.extend(step_decisions(context, (*step, condition.as_mut()), item));
        }
        self.settle(context, item.seq, &mut decisions);
        decisions
    }

    /// Puts what came of the calls of an item in their places, of those that were made. Keys were made in
    /// another way once: a key that is no call's own here stands for the call that says the same.
    /// What was done and would not be any more, because a list changed, is reported too.
    fn settle<'a>(&self, context: &Context<'a>, seq: u32, decisions: &mut Vec<Decision<'a>>) {
        let mine: Vec<&Effect> = self.0.values().filter(|effect| effect.seq == seq).collect();
        if mine.is_empty() {
            return;
        }
        let keys: Vec<Option<EffectKey>> =
            decisions.iter().map(|decision| decision.key(context, seq)).collect();
        let is_own = |effect: &Effect| keys.iter().flatten().any(|key| *key == effect.key);
        let mut strange: Vec<&Effect> = mine.into_iter().filter(|effect| !is_own(effect)).collect();
        for (decision, key) in decisions.iter_mut().zip(&keys) {
            let (Decision::Call { step, call, .. }, Some(key)) = (&*decision, key) else { continue };
            let step = *step;
            let same = |effect: &&Effect| {
                (effect.step.as_str(), effect.action.as_str()) == (&*step.id, call.kind.as_str())
                    && effect.target == bare(call).key()
            };
            let effect = match self.0.get(key) {
                Some(effect) => effect,
                None => match strange.iter().position(same) {
                    Some(place) => strange.swap_remove(place),
                    None => continue,
                },
            };
            *decision = Decision::Report { step, report: step_report(effect) };
        }
        strange.sort_by_key(|effect| effect.intended);
        decisions.extend(strange.into_iter().filter_map(|effect| {
            let step = context.plan().steps.iter().find(|step| step.id == effect.step)?;
            Some(Decision::Report { step, report: step_report(effect) })
        }));
    }

    /// The disruptive actions among it, and on what; without those of which there can be several on a target.
    fn taken(self) -> BTreeSet<(String, String)> {
        let manifold = |effect: &Effect| {
            ActionKind::ALL.iter().any(|kind| kind.is_manifold() && kind.as_str() == effect.action)
        };
        let disruptive = self.0.into_values().filter(|effect| effect.destructive && !manifold(effect));
        disruptive.map(|effect| (effect.action, effect.target)).collect()
    }
}

/// Replaces every call for which there is something to report instead.
fn replace(fates: &mut [Fate<'_>], mut instead: impl FnMut(&Call) -> Option<(StepState, String)>) {
    for decision in fates.iter_mut().filter_map(Fate::decisions_mut).flatten() {
        if let Decision::Call { step, call, leave, .. } = decision
            && let Some((state, why)) = instead(call)
        {
            // What people were asked about may not be done any more.
            let state = if matches!(leave, Leave::Asked(_)) { StepState::Void } else { state };
            let report = not_sent(step, call, state, &why);
            *decision = Decision::Report { step, report };
        }
    }
}

/// The steps of a playbook with their conditions, bound to the lists of the run.
fn bound<'a>(context: &Context<'a>) -> Vec<(&'a Step, Option<Bound>)> {
    let bind = |condition: &Condition| condition.bind(&Projection::default(), &context.order.lists);
    context.plan().steps.iter().map(|step| (step, step.condition.as_ref().map(bind))).collect()
}

/// What is known of the target of every call of a run.
fn targets<'f>(fates: &'f mut [Fate<'_>]) -> impl Iterator<Item = &'f mut Target> {
    let decisions = fates.iter_mut().filter_map(Fate::decisions_mut).flatten();
    decisions.filter_map(|decision| match decision {
        Decision::Call { target, .. } => Some(target),
        Decision::Report { .. } => None,
    })
}

/// Decides about one step for one item.
fn step_decisions<'a>(
    context: &Context<'a>,
    (step, condition): (&'a Step, Option<&mut Bound>),
    item: &Work,
) -> Vec<Decision<'a>> {
    let report = |state, reason: String| {
        let report = StepReport {
            id: step.id.clone(),
            action: step.params.kind().as_str().to_owned(),
            target: String::new(),
            state,
            reason: Some(reason),
            remote_id: None,
        };
        vec![Decision::Report { step, report }]
    };
    match wanted(context, condition, item) {
        Ok(true) => {}
        Ok(false) => return report(StepState::Skipped, "its `if` does not hold".to_owned()),
        Err(reason) => return report(StepState::Failed, reason),
    }
    match step.params.render(&context.item_texts(&item.data), (context.started, &*context.order.lists)) {
        Ok(calls) => {
            let disrupts = step.params.kind().impact() == Impact::Disruptive;
            let old = old(context, &item.data).filter(|_why| disrupts && context.acts());
            let leave = || match &old {
                Some(why) => Leave::Needed { guards: Box::new(Said::old(why)), targets: 0, people: 1 },
                None => Leave::of(context, step),
            };
            let call = |(place, call)| {
                let target = bare(&call);
                Decision::Call { step, place, call, leave: leave(), target }
            };
            (0..).zip(calls).map(call).collect()
        }
        Err(error) => {
            // Trying again would find the same.
            let is_none = matches!(error, ActionError::Indicator { .. });
            report(if is_none { StepState::Skipped } else { StepState::Failed }, Chain(&error).to_string())
        }
    }
}

impl Decision<'_> {
    /// The same, with a report in place of a call.
    pub(super) fn instead(self, report: impl FnOnce(&Step, &Call) -> StepReport) -> Self {
        match self {
            Self::Call { step, call, .. } => Self::Report { step, report: report(step, &call) },
            Self::Report { step, report } => Self::Report { step, report },
        }
    }
}

impl Decision<'_> {
    /// The key of the call, if it is one.
    pub(super) fn key(&self, context: &Context<'_>, seq: u32) -> Option<EffectKey> {
        match self {
            Self::Call { step, place, call, .. } => Some(effect_key(context, (seq, *place), (step, call))),
            Self::Report { .. } => None,
        }
    }
}

impl<'a> Fate<'a> {
    fn into_decisions(self) -> Vec<Decision<'a>> {
        match self {
            Self::Suppressed { .. } => Vec::new(),
            Self::Steps { decisions, .. } => decisions,
        }
    }

    pub(super) fn decisions_mut(&mut self) -> Option<&mut Vec<Decision<'a>>> {
        match self {
            Self::Suppressed { .. } => None,
            Self::Steps { decisions, .. } => Some(decisions),
        }
    }
}

/// Every call of a run.
fn calls<'f>(fates: &'f [Fate<'_>]) -> impl Iterator<Item = &'f Call> {
    calls_and_leave(fates).map(|(call, _leave)| call)
}

fn calls_and_leave<'f>(fates: &'f [Fate<'_>]) -> impl Iterator<Item = (&'f Call, &'f Leave)> {
    let decisions = fates.iter().flat_map(|fate| match fate {
        Fate::Suppressed { .. } => [].iter(),
        Fate::Steps { decisions, .. } => decisions.iter(),
    });
    decisions.filter_map(|decision| match decision {
        Decision::Call { call, leave, .. } => Some((call, leave)),
        Decision::Report { .. } => None,
    })
}

/// Every call of a run with the place of its item.
fn numbered_calls<'f>(fates: &'f [Fate<'_>]) -> impl Iterator<Item = (u32, &'f Call, &'f Leave)> {
    (0_u32..).zip(fates).flat_map(|(seq, fate)| {
        calls_and_leave(std::slice::from_ref(fate)).map(move |(call, leave)| (seq, call, leave))
    })
}

/// Whether a step's `if` holds for an item.
fn wanted(context: &Context<'_>, condition: Option<&mut Bound>, item: &Work) -> Result<bool, String> {
    let Some(bound) = condition else { return Ok(true) };
    let env = Env { now: context.started, run: &context.run_json, outcome: None };
    let tested = match context.plan().input {
        Input::Hunt(_) | Input::Feed(_) => {
            let row = Context::row(&item.data);
            let cells: Vec<CellRef<'_>> = row.cells.iter().map(crate::model::Cell::as_ref).collect();
            bound.test_row(&RowView { projection: &row.projection, cells: &cells }, &env)
        }
        Input::Incidents(_) | Input::Alerts(_) | Input::Given => bound.test_value(&item.data, &env),
    };
    tested.map_err(|error| format!("its `if` failed: {}", Chain(&error)))
}

/// Why people are asked about an item that is so old that somebody may have dealt with it since.
fn old(context: &Context<'_>, data: &Value) -> Option<String> {
    let key = match context.plan().input {
        Input::Hunt(_) => "Timestamp",
        Input::Incidents(_) | Input::Alerts(_) => "lastUpdateDateTime",
        Input::Feed(_) | Input::Given => return None,
    };
    let at: Timestamp = data.get(key)?.as_str()?.parse().ok()?;
    let most = context.plan().guards.ceilings.max_age;
    let is_old = most < at.duration_until(context.started);
    is_old.then(|| format!("it is about something of {at:.0}, more than {most:#} ago (`guards.maxAge`)"))
}

/// What makes two items alike for suppression.
fn suppress_key(suppress: &Suppress, data: &Value) -> String {
    let value = |name: &String| data.get(name).cloned().unwrap_or(Value::Null);
    Value::Array(suppress.by.iter().map(value).collect()).to_string()
}
