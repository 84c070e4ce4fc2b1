//! Making calls, with the journal around every effect.
//!
//! The intent is on disk before a call is sent and its result after. A call whose fate is unknown is
//! parked for a person and never sent again; a call that provably did nothing is reported as failed.

use serde_json::Value;

use super::context::Context;
use super::identity::as_it_is;
use super::leave::Turn;
use super::look::{Sight, Trace, is_read_back, look};
use super::own::{is_shut, signed_in};
use super::passage::Passage;
use super::report::{StepReport, StepState};
use super::revert::{new_revert, nobody_knows_whose, not_ours};
use super::wrong_clock::{by_theirs, wrong_clock};
use super::{Engine, EngineError, set};
use crate::action::{Call, Impact, Remote, Step};
use crate::diag::Chain;
use crate::fault::crash_point;
use crate::guard::{self, Target};
use crate::http::Applied;
use crate::model::Term;
use crate::store::{
    ActionLimits, Besides, ContentHash, EffectKey, EffectState, Intended, NewEffect, Opposite, Recorded,
    StoreError,
};
use crate::tenant::{ActionKind, ActionStatus, Difference, Operation, Receipt, RemoteState, TenantError};

impl Engine {
    /// Waits for what may take its time before a call is made, or says why it is not: what is decided after it is not
    /// late.
    pub(super) async fn ready(
        &self,
        context: &Context<'_>,
        turn: Turn<'_>,
    ) -> Result<Result<Prepared, StepReport>, EngineError> {
        let Turn { step, call, .. } = turn;
        if !context.acts() {
            let why = set::preview(context, call).await;
            return Ok(Err(not_sent(step, call, StepState::Planned, &why)));
        }
        let not = |state| move |error| not_sent(step, call, state, &Chain(&error).to_string());
        if let Err(report) = signed_in(context, turn).await {
            return Ok(Err(report));
        }
        if let Some(report) = Box::pin(self.forgotten(context, turn)).await? {
            return Ok(Err(report));
        }
        // After the intent there is half a minute for a turn in the budget of calls.
        if let Err(error) = context.tenant.opened(call.kind).await {
            return Ok(Err(not(StepState::Halted)(error)));
        }
        let target = match self.looked_at(context, turn).await? {
            Ok(target) => target,
            Err(report) => return Ok(Err(report)),
        };
        let change = set::change(context, call).await.map_err(not(StepState::Failed));
        Ok(change.map(|change| Prepared { change, target }))
    }

    /// What is known of a call's target at this moment, if it was looked at; or why the call may not be made.
    pub(super) async fn looked_at(
        &self,
        context: &Context<'_>,
        turn: Turn<'_>,
    ) -> Result<Result<Option<Target>, StepReport>, EngineError> {
        let limits = match self.still_may(context, turn)? {
            Ok(limits) => limits,
            Err(why) => return Ok(Err(not_sent(turn.step, turn.call, StepState::Halted, &why))),
        };
        Ok(as_it_is(context, turn, &limits.exclude).await)
    }

    /// Makes one call, or says why not.
    pub(super) async fn call(
        &self,
        context: &Context<'_>,
        turn: Turn<'_>,
        (prepared, leave): (Prepared, Option<ContentHash>),
    ) -> Result<StepReport, EngineError> {
        let Turn { step, call, .. } = turn;
        let turn = Turn { target: prepared.target.as_ref().unwrap_or(turn.target), ..turn };
        let effect = match self.effect(context, turn, leave)? {
            Ok(effect) => effect,
            Err(why) => return Ok(not_sent(step, call, StepState::Halted, &why)),
        };
        crash_point("c08_before_intent");
        let (attempt, passage) = match Box::pin(self.intend_or_say(context, turn, &effect)).await? {
            Ok(go) => go,
            Err(report) => return Ok(*report),
        };
        if leave.is_some() {
            crash_point("c24_approval_consumed");
        }
        crash_point("c10_before_send");
        let mark = self.store.mark(&effect.tenant, &effect.key, attempt)?;
        let operation = call.operation.clone().marked(&mark);
        let trace = Trace { marks: &[mark], since: by_theirs(self.clock.now(), &*context.tenant) };
        let (answer, note) = set::apply(context, (&operation, prepared.change.as_ref()), &passage).await;
        crash_point("c14_response_parsed");
        // Before the result is on disk: nobody looks at the call again once it is.
        let tripped = self.stop_if_another_was_hit(context, &effect, &answer).await;
        let judged = judge(step, call, &answer);
        let is_seen = judged.0.state == EffectState::Unknown && is_read_back(context, call, &trace).await;
        let (recorded, report) = if is_seen { read_back(step, call) } else { set::noted(judged, note) };
        let foreign = answer.as_ref().is_ok_and(|receipt| !receipt.state.is_ours()).then(not_ours);
        let switched = is_seen && matches!(call.kind, ActionKind::DisableUser | ActionKind::EnableUser);
        let whose = switched.then(nobody_knows_whose);
        let told = match &whose {
            Some(note) => self.nobody_knows_alert((&effect.key, attempt), note).await,
            None => Ok(None),
        };
        let besides = Besides {
            is_refused: is_refused(&answer),
            revert: foreign.as_ref().or(whose.as_ref()),
            told: told.as_ref().ok().and_then(Option::as_ref),
        };
        self.note_result(context, call, (&effect, attempt), (&recorded, besides)).await?;
        // Only now: what came of the call is written down whatever else fails.
        told?;
        tripped?;
        Ok(report)
    }

    /// Writes an intent down, and gives the number of the attempt and how long it may be sent; or what is reported instead.
    pub(super) async fn intend_or_say(
        &self,
        context: &Context<'_>,
        turn: Turn<'_>,
        effect: &NewEffect,
    ) -> Result<Result<(u32, Passage), Box<StepReport>>, EngineError> {
        let Turn { step, call, .. } = turn;
        let report = match self.intend(context, turn, effect).await {
            Ok(Ready::Go { attempt, passage }) => return Ok(Ok((attempt, passage))),
            Ok(Ready::Halted(why)) => not_sent(step, call, StepState::Halted, &why),
            Ok(Ready::InForce(theirs)) => in_force(step, call, theirs),
            Ok(Ready::Refused(why)) => refused(step, call, &why),
            // This one call is wrong; the others of the run are not.
            Err(EngineError::Store(error @ StoreError::KeyReused { .. })) => {
                tracing::error!(run = %context.run, action = %call.kind, target = %call.target, error = %Chain(&error), "a call is not repeated in other words");
                not_sent(step, call, StepState::Failed, &Chain(&error).to_string())
            }
            Err(error) => return Err(error),
        };
        Ok(Err(Box::new(report)))
    }

    /// Writes down what came of a call that was sent, and what else is known by that; what nobody knows is parked.
    pub(super) async fn note_result(
        &self,
        context: &Context<'_>,
        call: &Call,
        (effect, attempt): (&NewEffect, u32),
        (recorded, besides): (&Recorded, Besides<'_>),
    ) -> Result<(), EngineError> {
        if let Err(error) = self.store.record_as(&effect.key, attempt, (recorded, besides)).await {
            tracing::error!(run = %context.run, action = %call.kind, target = %call.target, result = %recorded.state, remote_id = recorded.remote_id, "an action was sent, and its result could not be written: it will be parked");
            return Err(error.into());
        }
        if recorded.state == EffectState::Unknown {
            let parked = Recorded { state: EffectState::Parked, remote_id: None, detail: None };
            self.store.record(&effect.key, attempt, &parked).await?;
            tracing::error!(run = %context.run, action = %call.kind, target = %call.target, "nobody knows whether an action was taken: it is parked for a person");
        }
        Ok(())
    }

    /// What is written down before a call, with what is allowed at this moment; or why it is halted.
    pub(super) fn effect(
        &self,
        context: &Context<'_>,
        turn: Turn<'_>,
        leave: Option<ContentHash>,
    ) -> Result<Result<NewEffect, String>, EngineError> {
        let call = turn.call;
        let now = self.clock.now();
        Ok(self.still_may(context, turn)?.and_then(|limits| {
            let given = if leave.is_some() { guard::Leave::Given } else { guard::Leave::None };
            let disrupts = call.kind.impact() == Impact::Disruptive;
            let shut = || limits.shut(given, now).or_else(|| wrong_clock(&*context.tenant));
            if let Some(why) = disrupts.then(shut).flatten() {
                return Err(why);
            }
            let numbers = if leave.is_some() { limits.ceilings } else { limits.numbers };
            let fleet = context.fleet.get().copied().filter(|_fleet| !guard::gives_back(call.kind.as_str()));
            let allowed = numbers.action_limits(fleet);
            Ok(NewEffect { leave, ..new_effect(context, turn, allowed) })
        }))
    }

    /// Writes an intent down. If another run is at the same action or at the opposite, the tenant is asked how
    /// that stands. One that has ended is out of the way; if it was the same and was done, only the tenant can say
    /// whether somebody has taken it back since. The tenant may keep one waiting: whether the call may still be
    /// made is asked anew after it.
    async fn intend(
        &self,
        context: &Context<'_>,
        turn: Turn<'_>,
        effect: &NewEffect,
    ) -> Result<Ready, EngineError> {
        if let Some(why) = self.taken_back(context, turn, effect).await? {
            return Ok(Ready::Halted(why));
        }
        // Looking may have taken its time.
        let effect = match self.effect(context, turn, effect.leave)? {
            Ok(effect) => effect,
            Err(why) => return Ok(Ready::Halted(why)),
        };
        let revert = new_revert(context, turn.step, turn.call);
        // Opened before, each time: what comes between an intent and its sending counts, also a machine that sleeps.
        let passage = Passage::open(self, &effect);
        let intended = self.store.intend_with(&effect, revert.as_ref()).await?;
        if matches!(intended, Intended::CoolingDown { .. } | Intended::Before { .. })
            && let Ok(Sight::InForce(theirs)) = look(context, turn.call).await
        {
            return Ok(Ready::InForce(theirs));
        }
        let (Intended::Elsewhere { key, run, state: EffectState::Pending }
        | Intended::Opposite { key, run, state: EffectState::Pending, .. }) = &intended
        else {
            return Ok(Ready::of(intended, passage));
        };
        let Some(other) = self.end_of(*run, key).await? else { return Ok(Ready::Refused(intended)) };
        if matches!(intended, Intended::Elsewhere { .. }) && other.state == EffectState::Done {
            match context.tenant.in_force(&turn.call.operation).await {
                Ok(Some(theirs)) if theirs.status == Term::Known(ActionStatus::Succeeded) => {
                    return Ok(Ready::InForce(Some(theirs.id.to_string())));
                }
                Ok(_none) => {}
                Err(error) => {
                    tracing::debug!(target = %effect.target, error = %Chain(&error), "the tenant does not say what is in force");
                    return Ok(Ready::Refused(intended));
                }
            }
        }
        match self.effect(context, turn, effect.leave)? {
            Ok(effect) => {
                let passage = Passage::open(self, &effect);
                Ok(Ready::of(self.store.intend_with(&effect, revert.as_ref()).await?, passage))
            }
            Err(why) => Ok(Ready::Halted(why)),
        }
    }
}

/// What was waited for before a call.
#[derive(Debug)]
pub(super) struct Prepared {
    /// What has to change about a set.
    pub(super) change: Option<Difference>,
    /// What is known of the target by now, if it was looked at again.
    target: Option<Target>,
}

/// Whether a call may be sent.
enum Ready {
    /// Its intent is on disk.
    Go { attempt: u32, passage: Passage },
    /// The tenant shows the same in force, under this name.
    InForce(Option<String>),
    /// It may not any more.
    Halted(String),
    /// The journal does not let it go.
    Refused(Intended),
}

impl Ready {
    fn of(intended: Intended, passage: Passage) -> Self {
        match intended {
            Intended::Go { attempt } => Self::Go { attempt, passage },
            other => Self::Refused(other),
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
fn new_effect(context: &Context<'_>, turn: Turn<'_>, limits: ActionLimits) -> NewEffect {
    let Turn { seq, step, place, call, target, .. } = turn;
    let key = effect_key(context, (seq, place), (step, call));
    let destructive = call.kind.impact() == Impact::Disruptive;
    let cool_down = limits
        .cool_down
        .filter(|_length| !call.kind.is_manifold() && guard::cools_down(call.kind.as_str(), target.kind()));
    NewEffect {
        key,
        run: context.run,
        seq,
        step: step.id.clone(),
        action: call.kind.as_str().to_owned(),
        tenant: context.order.tenant.clone(),
        playbook: context.plan().about.id,
        target: target.key(),
        params_digest: digest_of(&call.operation),
        limits: Some(ActionLimits { cool_down, ..limits }),
        destructive,
        exclusive: !call.kind.is_manifold(),
        opposite: guard::opposite(call.kind.as_str())
            .map(|action| Opposite { action: action.to_owned(), within: guard::OPPOSITE_WITHIN }),
        leave: None,
    }
}

/// By what the journal knows what was sent.
pub(super) fn digest_of(operation: &Operation) -> ContentHash {
    let text = serde_json::to_value(operation).unwrap_or(Value::Null).to_string();
    ContentHash::of(text.as_bytes())
}

/// Whether the tenant refused a call for what it asks, not for who asks (every call would be) nor for being too much at
/// the time.
pub(super) fn is_refused<T>(answer: &Result<T, TenantError>) -> bool {
    let refused = answer.as_ref().err().and_then(TenantError::refused);
    refused.is_some_and(|refused| {
        refused.applied == Applied::No
            && (400..500).contains(&refused.status)
            && ![401, 429].contains(&refused.status)
    })
}

/// What is noted of an action whose answer was lost and that the tenant shows in force all the same.
const READ_BACK: &str = "no answer came, and the tenant shows it in force";

/// What an error says of an action.
pub(super) const fn after_error(applied: Applied) -> EffectState {
    match applied {
        Applied::No => EffectState::NotApplied,
        Applied::Unknown => EffectState::Unknown,
    }
}

/// What the answer to a call means, for the journal and for people.
pub(super) fn judge(
    step: &Step,
    call: &Call,
    answer: &Result<Receipt, TenantError>,
) -> (Recorded, StepReport) {
    let (states, remote_id, detail) = match answer {
        Ok(receipt) => {
            let remote_id = receipt.remote_id.as_ref().map(ToString::to_string);
            match (receipt.state, call.kind.spec().remote) {
                (RemoteState::Pending, Remote::Later) => {
                    ((EffectState::Pending, StepState::Accepted), remote_id, None)
                }
                (RemoteState::Pending | RemoteState::Done, _) => {
                    ((EffectState::Done, StepState::Done), remote_id, None)
                }
                (RemoteState::UnderWay, _) => {
                    let why = "it was asked for before, and the device has still to do it".to_owned();
                    ((EffectState::Pending, StepState::Accepted), remote_id, Some(why))
                }
                (RemoteState::AlreadyInForce, _) => {
                    let why = "it was in force already".to_owned();
                    ((EffectState::Done, StepState::AlreadyInForce), remote_id, Some(why))
                }
            }
        }
        Err(error) => {
            let why = error.withheld().map_or_else(|| Chain(error).to_string(), str::to_owned);
            let states = match error.applied() {
                // It was too late, or no turn came: nobody refused it.
                Applied::No if error.withheld().is_some() || is_shut(error) => {
                    (EffectState::NotApplied, StepState::Halted)
                }
                applied @ Applied::No => (after_error(applied), StepState::Failed),
                applied @ Applied::Unknown => (after_error(applied), StepState::Parked),
            };
            (states, None, Some(why))
        }
    };
    judged(step, call, states, (remote_id, detail))
}

/// What is noted of a call whose answer was lost, and that the tenant shows in force.
pub(super) fn read_back(step: &Step, call: &Call) -> (Recorded, StepReport) {
    judged(step, call, (EffectState::Done, StepState::Done), (None, Some(READ_BACK.to_owned())))
}

/// What came of a call that was sent.
fn judged(
    step: &Step,
    call: &Call,
    (effect, state): (EffectState, StepState),
    (remote_id, detail): (Option<String>, Option<String>),
) -> (Recorded, StepReport) {
    let recorded = Recorded { state: effect, remote_id: remote_id.clone(), detail: detail.clone() };
    let report = StepReport { reason: detail, remote_id, ..not_sent(step, call, state, "") };
    (recorded, report)
}

/// What is reported when the journal does not let a call go.
pub(super) fn refused(step: &Step, call: &Call, intended: &Intended) -> StepReport {
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
        Intended::Opposite { run, state, action, at, .. } if state.is_settled() => {
            // Nor is this: the time passes.
            let why = format!("run {run} had {action} on the same target at {at:.0}: too short a while ago");
            not_sent(step, call, StepState::Halted, &why)
        }
        Intended::Opposite { run, state, action, .. } => {
            let why = format!("run {run} has {action} on the same target under way or in doubt ({state})");
            not_sent(step, call, StepState::Halted, &why)
        }
        Intended::CoolingDown { run, at, until } => {
            let why = format!("run {run} had it at {at:.0}: the target is left alone until {until:.0}");
            not_sent(step, call, StepState::Halted, &why)
        }
        Intended::Before { run, at } => {
            let why = format!(
                "it was done before, by a journal that this one does not know the end of (run {run}, found at {at:.0}): \
                 it is not repeated"
            );
            not_sent(step, call, StepState::Halted, &why)
        }
        Intended::InVain { tries, until } => {
            let why =
                format!("it came to nothing {tries} times within a day: it is tried again at {until:.0}");
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

/// What is reported when the tenant shows the same in force.
fn in_force(step: &Step, call: &Call, remote_id: Option<String>) -> StepReport {
    let report = not_sent(step, call, StepState::AlreadyInForce, "the tenant shows the same in force");
    StepReport { remote_id, ..report }
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
        Budget::TenantShare => "the tenant's share of devices and users in 24 hours is reached",
        Budget::DayDevices => "the limit of devices in percent of the tenant's in 24 hours is reached",
        Budget::AllTargets => "the limit of targets in all tenants in 24 hours is reached",
        Budget::Minute => "the tenant's limit of disruptive actions in a minute is reached",
        Budget::Hour => "the tenant's limit of disruptive actions in an hour is reached",
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
