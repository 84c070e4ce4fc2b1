//! Doing it, with the journal around every effect.
//!
//! The intent is on disk before a call is sent and its result after. A call whose fate is unknown is
//! parked for a person and never sent again; a call that provably did nothing is reported as failed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::context::{Context, Work};
use super::decide::{Decision, Fate};
use super::leave::{Course, Turn};
use super::lookup::bare;
use super::report::{Counts, ItemOutcome, ItemReport, Report, StepReport, StepState};
use super::undone::{is_undone, next_time};
use super::{Engine, EngineError};
use crate::action::{Call, Impact, Remote, Step};
use crate::diag::Chain;
use crate::fault::crash_point;
use crate::http::Applied;
use crate::store::{
    ActionLimits, Approval, ContentHash, Effect, EffectKey, EffectState, Intended, NewEffect, NextTime,
    Recorded, Settlement, StoreError,
};
use crate::tenant::{Receipt, RemoteState, TenantError};

impl Engine {
    /// Deals with every item of a run, and ends the run. `earlier` tells of the items that were dealt with
    /// before a crash.
    pub(super) async fn settle(
        &self,
        context: &Context<'_>,
        counts: Counts,
        earlier: Vec<ItemReport>,
        items: Vec<Work>,
    ) -> Result<Report, EngineError> {
        let fates = self.decide(context, &items).await?;
        crash_point("c07_plan_built");
        let mut reports = earlier;
        let mut unsent = Vec::new();
        let mut undone = BTreeSet::new();
        for (item, fate) in items.into_iter().zip(fates) {
            let sends = fate.sends() && context.acts();
            let (report, settlement) = self.settle_item(context, item, fate, (&undone, &[])).await?;
            if settlement.next_time == NextTime::New {
                undone.insert(report.seq);
            }
            if sends {
                self.store.settle(context.run, &settlement).await?;
            } else {
                unsent.push(settlement);
            }
            reports.push(report);
        }
        // Items nothing was sent for are settled together: one sync instead of thousands.
        self.store.settle_all(context.run, &unsent).await?;
        reports.sort_by_key(|report| report.seq);
        let mut report = context.report(counts, reports, self.clock.now());
        let known = self.known_to_people(context, &report.items).await?;
        let mut messages = self.tell(context, &mut report, &known);
        messages.extend(self.alerts_at_end(context, &report, &known));
        let undone = known.news.filter(|_situation| !messages.is_empty());
        if 0 < report.counts.pending_approval {
            for (told, message) in self.asking(context.run, &report.name).await? {
                report.told.push(told);
                messages.push(message);
            }
        }
        self.finish(context, report, (messages, undone)).await
    }

    /// Carries out an item's steps in order. `undone` are the items before it that nothing was done about,
    /// `known` what people were asked about the run.
    pub(super) async fn settle_item(
        &self,
        context: &Context<'_>,
        item: Work,
        fate: Fate<'_>,
        (undone, known): (&BTreeSet<u32>, &[Approval]),
    ) -> Result<(ItemReport, Settlement), EngineError> {
        let (decisions, suppress) = match fate {
            Fate::Suppressed { reason, behind } => {
                // What it would have been a repetition of did not happen.
                let left = behind.is_some_and(|first| undone.contains(&first));
                let again = "the same comes earlier in this run, and nothing was done about it";
                let reason = if left { again.to_owned() } else { reason };
                let report = item_report(item, ItemOutcome::Suppressed, Some(reason), Vec::new());
                let next_time = if left { NextTime::New } else { NextTime::Duplicate };
                let settlement = Settlement { next_time, ..settlement(&report) };
                return Ok((report, settlement));
            }
            Fate::Steps { decisions, suppress } => (decisions, suppress),
        };
        let known: Vec<&Approval> = known.iter().filter(|asked| asked.seq == item.seq).collect();
        let mut course = Course::default();
        for decision in decisions {
            let (step, report) = match decision {
                Decision::Report { step, report } => (step, Course::without_call(report, &known)),
                Decision::Call { step, place, call, leave, target } => {
                    let turn =
                        Turn { seq: item.seq, key: &item.key, step, place, call: &call, target: &target };
                    (step, self.take(context, &mut course, turn, leave).await?)
                }
            };
            course.note(step, report);
        }
        course.close_rest(&known);
        let Course { steps, ask, close, .. } = course;
        let outcome = ItemOutcome::of(&steps);
        let report = item_report(item, outcome, None, steps);
        let mut settlement = Settlement { ask, close, ..settlement(&report) };
        // What was halted or failed must come up again, not be kept quiet about.
        settlement.next_time = next_time(outcome, &report.steps);
        settlement.suppress =
            suppress.filter(|_suppress| !is_undone(outcome) && context.remembers()).into_iter().collect();
        Ok((report, settlement))
    }

    /// Makes one call, or says why not.
    pub(super) async fn call(
        &self,
        context: &Context<'_>,
        turn: Turn<'_>,
        leave: Option<ContentHash>,
    ) -> Result<StepReport, EngineError> {
        let Turn { seq, step, place, call, .. } = turn;
        if !context.acts() {
            let why = if context.remembers() { "the playbook only observes" } else { "dry run" };
            return Ok(not_sent(step, call, StepState::Planned, why));
        }
        let limits = match self.still_may(context, turn)? {
            Ok(limits) => limits,
            Err(why) => return Ok(not_sent(step, call, StepState::Halted, &why)),
        };
        let allowed = if leave.is_some() { limits.ceilings.action_limits() } else { limits.action_limits() };
        let effect = NewEffect { leave, ..new_effect(context, (seq, place), (step, call), allowed) };
        crash_point("c08_before_intent");
        let attempt = match self.intend(&effect).await {
            Ok(Ready::Go { attempt }) => attempt,
            Ok(Ready::InForce(other)) => return Ok(in_force(step, call, &other)),
            Ok(Ready::Refused(why)) => return Ok(refused(step, call, &why)),
            // This one call is wrong; the others of the run are not.
            Err(error @ StoreError::KeyReused { .. }) => {
                tracing::error!(run = %context.run, action = %call.kind, target = %call.target, error = %Chain(&error), "a call is not repeated in other words");
                return Ok(not_sent(step, call, StepState::Failed, &Chain(&error).to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        if leave.is_some() {
            crash_point("c24_approval_consumed");
        }
        crash_point("c10_before_send");
        let answer = context.tenant.apply(&call.operation).await;
        crash_point("c14_response_parsed");
        let (recorded, report) = judge(step, call, &answer);
        if let Err(error) = self.store.record(&effect.key, attempt, &recorded).await {
            tracing::error!(run = %context.run, action = %call.kind, target = %call.target, result = %recorded.state, remote_id = recorded.remote_id, "an action was sent, and its result could not be written: it will be parked");
            return Err(error.into());
        }
        if recorded.state == EffectState::Unknown {
            let parked = Recorded { state: EffectState::Parked, remote_id: None, detail: None };
            self.store.record(&effect.key, attempt, &parked).await?;
            tracing::error!(run = %context.run, action = %call.kind, target = %call.target, "nobody knows whether an action was taken: it is parked for a person");
        }
        Ok(report)
    }

    /// Writes an intent down. If another run is at the same action, the tenant is asked how that stands.
    async fn intend(&self, effect: &NewEffect) -> Result<Ready, StoreError> {
        let mut intended = self.store.intend(effect).await?;
        if let Intended::Elsewhere { key, run, state: EffectState::Pending } = &intended
            && let Some(other) = self.end_of(*run, key).await?
        {
            if other.state == EffectState::Done {
                return Ok(Ready::InForce(Box::new(other)));
            }
            intended = self.store.intend(effect).await?;
        }
        Ok(match intended {
            Intended::Go { attempt } => Ready::Go { attempt },
            other => Ready::Refused(other),
        })
    }
}

/// Whether a call may be sent.
enum Ready {
    /// Its intent is on disk.
    Go { attempt: u32 },
    /// Another run has just done it.
    InForce(Box<Effect>),
    /// It may not.
    Refused(Intended),
}

impl Fate<'_> {
    /// Whether anything is to be sent.
    fn sends(&self) -> bool {
        match self {
            Self::Suppressed { .. } => false,
            Self::Steps { decisions, .. } => {
                decisions.iter().any(|decision| matches!(decision, Decision::Call { .. }))
            }
        }
    }
}

/// The key of a call. It names the matched item, the step and the call's place among those of its step, so the
/// same item can never cause the same call twice, whatever crashes in between and whatever the other steps
/// come to do after a restart with other lists.
pub(super) fn effect_key(
    context: &Context<'_>,
    (seq, place): (u32, u32),
    (step, call): (&Step, &Call),
) -> EffectKey {
    EffectKey::of(&[
        context.order.tenant.as_bytes(),
        context.plan().about.id.0.as_bytes(),
        context.run.0.as_bytes(),
        &seq.to_be_bytes(),
        step.id.as_bytes(),
        &place.to_be_bytes(),
        call.kind.as_str().as_bytes(),
        call.target.as_bytes(),
    ])
}

/// What is written down before a call.
fn new_effect(
    context: &Context<'_>,
    (seq, place): (u32, u32),
    (step, call): (&Step, &Call),
    limits: ActionLimits,
) -> NewEffect {
    let operation = serde_json::to_value(&call.operation).unwrap_or(Value::Null).to_string();
    let key = effect_key(context, (seq, place), (step, call));
    let destructive = call.kind.spec().impact == Impact::Disruptive;
    NewEffect {
        key,
        run: context.run,
        seq,
        step: step.id.clone(),
        action: call.kind.as_str().to_owned(),
        tenant: context.order.tenant.clone(),
        playbook: context.plan().about.id,
        target: bare(call).key(),
        params_digest: ContentHash::of(operation.as_bytes()),
        limits: Some(limits),
        destructive,
        leave: None,
    }
}

/// What the answer to a call means, for the journal and for people.
fn judge(step: &Step, call: &Call, answer: &Result<Receipt, TenantError>) -> (Recorded, StepReport) {
    let (effect, state, remote_id, detail) = match answer {
        Ok(receipt) => {
            let remote_id = receipt.remote_id.as_ref().map(ToString::to_string);
            match (receipt.state, call.kind.spec().remote) {
                (RemoteState::Pending, Remote::Later) => {
                    (EffectState::Pending, StepState::Accepted, remote_id, None)
                }
                (RemoteState::Pending | RemoteState::Done, _) => {
                    (EffectState::Done, StepState::Done, remote_id, None)
                }
                (RemoteState::AlreadyInForce, _) => (
                    EffectState::Done,
                    StepState::AlreadyInForce,
                    remote_id,
                    Some("it was under way or in force already".to_owned()),
                ),
            }
        }
        Err(error) => {
            let why = Some(Chain(error).to_string());
            match error.applied() {
                Applied::No => (EffectState::NotApplied, StepState::Failed, None, why),
                Applied::Unknown => (EffectState::Unknown, StepState::Parked, None, why),
            }
        }
    };
    let recorded = Recorded { state: effect, remote_id: remote_id.clone(), detail: detail.clone() };
    let report = StepReport { reason: detail, remote_id, ..not_sent(step, call, state, "") };
    (recorded, report)
}

/// What is reported when the journal does not let a call go.
fn refused(step: &Step, call: &Call, intended: &Intended) -> StepReport {
    match intended {
        Intended::Go { .. } => not_sent(step, call, StepState::Planned, "not sent"),
        Intended::AlreadySettled { state, remote_id } => {
            let shown = match state {
                EffectState::Pending => StepState::Accepted,
                EffectState::Done => StepState::Done,
                EffectState::Failed
                | EffectState::NotApplied
                | EffectState::Intended
                | EffectState::Unknown
                | EffectState::Parked => StepState::Failed,
            };
            let report = not_sent(step, call, shown, "sent before a restart");
            StepReport { remote_id: remote_id.clone(), ..report }
        }
        Intended::InDoubt { since, .. } => {
            let why = format!("it may have been sent at {since:.0}, before a restart: a person must look");
            not_sent(step, call, StepState::Parked, &why)
        }
        Intended::Elsewhere { run, state, .. } => {
            // Not handled: if that one comes to nothing, this one is still to be done.
            let why = format!("run {run} has the same action on the same target under way ({state})");
            not_sent(step, call, StepState::Halted, &why)
        }
        Intended::NoLeave => {
            not_sent(step, call, StepState::Void, "there is no leave for exactly this any more")
        }
        Intended::Stopped(stop) => not_sent(step, call, StepState::Halted, &stop.to_string()),
        Intended::OverBudget { budget, limit, used } => {
            let why = format!("{}: {used} of {limit} used", budget_name(*budget));
            not_sent(step, call, StepState::Halted, &why)
        }
    }
}

/// What is reported when another run has done the same.
fn in_force(step: &Step, call: &Call, other: &Effect) -> StepReport {
    let why = format!("run {} has done it", other.run);
    let report = not_sent(step, call, StepState::AlreadyInForce, &why);
    StepReport { remote_id: other.remote_id.clone(), ..report }
}

const fn budget_name(budget: crate::store::Budget) -> &'static str {
    use crate::store::Budget;
    match budget {
        Budget::RunActions => "the limit of actions per run is reached",
        Budget::DayActions => "the limit of actions in 24 hours is reached",
        Budget::TenantActions => "the tenant's limit of actions of all playbooks in 24 hours is reached",
        Budget::RunTargets => "the limit of targets per run is reached",
        Budget::DayTargets => "the limit of targets in 24 hours is reached",
        Budget::TenantTargets => "the tenant's limit of targets in 24 hours is reached",
    }
}

/// A report about a call.
pub(super) fn not_sent(step: &Step, call: &Call, state: StepState, why: &str) -> StepReport {
    StepReport {
        id: step.id.clone(),
        action: call.kind.as_str().to_owned(),
        target: call.target.clone(),
        state,
        reason: Some(why.to_owned()).filter(|why| !why.is_empty()),
        remote_id: None,
    }
}

fn item_report(
    item: Work,
    outcome: ItemOutcome,
    reason: Option<String>,
    steps: Vec<StepReport>,
) -> ItemReport {
    ItemReport { seq: item.seq, key: item.key, outcome, reason, steps, data: item.data }
}

fn settlement(report: &ItemReport) -> Settlement {
    let step_reason = || report.steps.iter().find_map(|step| step.reason.clone());
    Settlement {
        seq: report.seq,
        outcome: report.outcome.in_journal().to_owned(),
        reason: report.reason.clone().or_else(step_reason),
        ..Settlement::default()
    }
}
