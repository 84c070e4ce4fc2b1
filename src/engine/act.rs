//! Making calls, with the journal around every effect.
//!
//! The intent is on disk before a call is sent and its result after. A call whose fate is unknown is
//! parked for a person and never sent again; a call that provably did nothing is reported as failed.

use serde_json::Value;

use super::answer::{in_force, is_refused, judge, not_sent, read_back, refused};
use super::context::Context;
use super::identity::as_it_is;
use super::leave::Turn;
use super::look::{Sight, Trace, is_read_back, look};
use super::others::left_to_others;
use super::own::signed_in;
use super::passage::Passage;
use super::report::{StepReport, StepState};
use super::revert::{new_revert, nobody_knows_whose, not_ours};
use super::wrong_clock::{by_theirs, wrong_clock};
use super::{Engine, EngineError, set};
use crate::action::{Call, Impact, Step};
use crate::diag::Chain;
use crate::fault::crash_point;
use crate::guard::{self, Target};
use crate::store::{
    ActionLimits, Besides, ContentHash, EffectKey, EffectState, Intended, NewEffect, Opposite, OutboxMessage,
    Recorded, RevertNote, StoreError,
};
use crate::tenant::{ActionKind, Difference, Operation};

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
        if let Some(report) = left_to_others(context, &[turn]).await.into_iter().flatten().next() {
            return Ok(Err(report));
        }
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
        let seen = match judged.0.state {
            EffectState::Unknown => self.shown(context, call, (&effect.key, attempt), &trace).await,
            _ => Ok(None),
        };
        let shown = seen.as_ref().ok().and_then(Option::as_ref);
        let (recorded, report) =
            if shown.is_some() { read_back(step, call) } else { set::noted(judged, note) };
        let foreign = answer.as_ref().is_ok_and(|receipt| !receipt.state.is_ours()).then(not_ours);
        let besides = Besides {
            is_refused: is_refused(&answer),
            revert: foreign.as_ref().or_else(|| shown?.whose.as_ref()),
            told: shown.and_then(|shown| shown.told.as_ref()),
        };
        self.note_result(context, call, (&effect, attempt), (&recorded, besides)).await?;
        // Only now: what came of the call is written down whatever else fails.
        seen?;
        tripped?;
        Ok(report)
    }

    /// What is written down besides when the tenant shows an action whose answer was lost; nothing if it does not show it.
    /// Without a journal to read nothing is concluded either: what people have to be told is not known.
    async fn shown(
        &self,
        context: &Context<'_>,
        call: &Call,
        attempt: (&EffectKey, u32),
        trace: &Trace<'_>,
    ) -> Result<Option<Shown>, StoreError> {
        if !is_read_back(context, call, trace).await {
            return Ok(None);
        }
        if !matches!(call.kind, ActionKind::DisableUser | ActionKind::EnableUser) {
            return Ok(Some(Shown { whose: None, told: None }));
        }
        let whose = nobody_knows_whose();
        let told = self.nobody_knows_alert(attempt, &whose).await?;
        Ok(Some(Shown { whose: Some(whose), told }))
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
        if let Some(state) = recorded.state.once_left() {
            let parked = Recorded { state, remote_id: None, detail: None };
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
            let allowed = numbers.action_limits(context.fleet.get().copied());
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
        match self.stands_no_more(context).await? {
            Some(Ok(())) => return Ok(Ready::InForce(None)),
            Some(Err(why)) => return Ok(Ready::Halted(why)),
            None => {}
        }
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
                Ok(Some(theirs)) if theirs.is_done() => {
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

/// What goes with the result of an action that the tenant shows although its answer was lost.
struct Shown {
    /// What keeps it from being taken back by itself.
    whose: Option<RevertNote>,
    /// What people are told of that.
    told: Option<OutboxMessage>,
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
