//! Indicators of one run go out together: a call takes five hundred, and one value a call would use up the minute.
//!
//! Each stays an action of its own: guards and limits have let it, its intent is on disk before the call that carries
//! it, its result after, and what the tenant did not take of a batch is told of that value alone. A call whose answer
//! is lost leaves all its values in doubt, but for those that the tenant then shows. What waits for people, and the
//! first targets of a run, go one by one.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde_json::Value;

use super::answer::{is_refused, judge, not_sent, read_back};
use super::context::Context;
use super::decide::{Decision, Fate};
use super::leave::{Leave, Turn};
use super::others::left_to_others;
use super::passage::Passage;
use super::report::{StepReport, StepState};
use super::revert::not_ours;
use super::{Engine, EngineError};
use crate::action::{ActionKind, Call, Step};
use crate::diag::Chain;
use crate::fault::crash_point;
use crate::guard::Target;
use crate::store::{Besides, EffectState, NewEffect, Recorded};
use crate::tenant::{Indicator, Operation, Receipt, TenantError};

/// Most values in one call. Source: the page of import.
const JOINED_MAX: usize = 500;

/// From how many values of a run on they go together. Fewer have room in a minute of single calls; and a lost answer, or a
/// process that dies, then leaves one in doubt and not all.
const JOINED_MIN: usize = 100;

/// How long intents are written for one call. A disk that takes longer has fewer of them in a call, and the rest of the
/// half minute is for sending it.
const INTEND_WITHIN: SignedDuration = SignedDuration::from_secs(10);

/// A call that waits for others to go with.
#[derive(Debug)]
pub(super) struct Joining<'a> {
    pub(super) step: &'a Step,
    pub(super) place: u32,
    pub(super) call: Call,
    pub(super) target: Target,
}

/// One of those that go together, in the order of their items.
pub(super) struct Member<'t, 'a> {
    pub(super) seq: u32,
    pub(super) key: &'t str,
    pub(super) joining: &'t Joining<'a>,
}

/// One whose intent is on disk.
struct Sent<'t> {
    nth: usize,
    turn: Turn<'t>,
    effect: NewEffect,
    attempt: u32,
    indicator: &'t Indicator,
}

/// What is to go in one call.
#[derive(Default)]
struct Batch<'t> {
    /// Those that do not, by their places.
    reports: Vec<(usize, StepReport)>,
    sent: Vec<Sent<'t>>,
    passage: Option<Passage>,
}

/// What came of a call that carries several: of each its own, or of all the same.
type Answers = Result<Vec<Result<Receipt, TenantError>>, TenantError>;

impl<'t> Member<'t, '_> {
    fn turn(&self) -> Turn<'t> {
        let Joining { step, place, call, target } = self.joining;
        // What goes together is of no device.
        Turn { seq: self.seq, key: self.key, step, place: *place, call, target, data: &Value::Null }
    }
}

/// Whether a decision is a call that can go together with others.
pub(super) fn can_join(decision: &Decision<'_>) -> bool {
    matches!(decision, Decision::Call { call, leave: Leave::Free, .. } if call.kind == ActionKind::AddIndicator)
}

/// Whether a run has so many of them that they do.
pub(super) fn is_worth_it(fates: &[Fate<'_>]) -> bool {
    let calls = fates.iter().flat_map(|fate| match fate {
        Fate::Steps { decisions, .. } => decisions.as_slice(),
        Fate::Suppressed { .. } => &[],
    });
    JOINED_MIN <= calls.filter(|decision| can_join(decision)).count()
}

/// How many of these, from the first on, go in one call: no value twice, because the second would be under way.
fn together(members: &[Member<'_, '_>]) -> usize {
    let mut values = BTreeSet::new();
    let all = members.iter().take(JOINED_MAX).map(|member| member.joining.call.target.as_str());
    all.take_while(|value| values.insert(*value)).count()
}

impl Engine {
    /// Makes the calls of the first of these at once, and says what came of each by its place; the others have another
    /// turn.
    pub(super) async fn call_together(
        &self,
        context: &Context<'_>,
        members: &[Member<'_, '_>],
    ) -> Result<Vec<(usize, StepReport)>, EngineError> {
        let turns: Vec<Turn<'_>> = members.iter().take(together(members)).map(Member::turn).collect();
        let all = |state, why: &str| {
            let report = |turn: &Turn<'_>| not_sent(turn.step, turn.call, state, why);
            Ok(turns.iter().map(report).enumerate().collect())
        };
        // No token is asked for what would not be done; and what is waited for long is waited for before the intents.
        if let Some(stop) = self.store.stopped((&context.order.tenant, context.plan().about.id)).await? {
            return all(StepState::Halted, &stop.to_string());
        }
        if let Err(error) = context.tenant.token_facts(ActionKind::AddIndicator.audience()).await {
            return all(StepState::Failed, &Chain(&error).to_string());
        }
        // It is counted as what a set is written with.
        if let Err(error) = context.tenant.opened(ActionKind::ReconcileIndicators).await {
            return all(StepState::Halted, &Chain(&error).to_string());
        }
        let left = left_to_others(context, &turns).await;
        let mut batch = Batch::default();
        let (left, turns): (Vec<_>, Vec<_>) =
            turns.into_iter().zip(left).enumerate().partition(|(_nth, (_turn, left))| left.is_some());
        batch.reports.extend(left.into_iter().filter_map(|(nth, (_turn, left))| Some((nth, left?))));
        let turns = turns.into_iter().map(|(nth, (turn, _none))| (nth, turn)).collect();
        if let Err(error) = self.intend_all(context, turns, &mut batch).await {
            // Nothing was sent yet: none of it is in doubt.
            for Sent { effect, attempt, .. } in &batch.sent {
                let detail = Some(format!("not sent: {}", Chain(&error)));
                let recorded = Recorded { state: EffectState::NotApplied, remote_id: None, detail };
                self.store.record(&effect.key, *attempt, &recorded).await?;
            }
            return Err(error);
        }
        let Batch { mut reports, sent, passage } = batch;
        if let Some(passage) = passage.filter(|_passage| !sent.is_empty()) {
            crash_point("c10_before_send");
            reports.extend(self.send_together(context, &sent, &passage).await?);
        }
        Ok(reports)
    }

    /// Writes the intents of one call down, as many as there is time for.
    async fn intend_all<'t>(
        &self,
        context: &Context<'_>,
        turns: Vec<(usize, Turn<'t>)>,
        batch: &mut Batch<'t>,
    ) -> Result<(), EngineError> {
        let begun = self.clock.uptime();
        for (nth, turn) in turns {
            if !batch.sent.is_empty() && INTEND_WITHIN <= self.clock.uptime().saturating_sub(begun) {
                break;
            }
            let not = |state, why: &str| (nth, not_sent(turn.step, turn.call, state, why));
            let Operation::AddIndicator(indicator) = &turn.call.operation else {
                batch.reports.push(not(StepState::Failed, "it does not go together with others"));
                continue;
            };
            let effect = match self.effect(context, turn, None)? {
                Ok(effect) => effect,
                Err(why) => {
                    batch.reports.push(not(StepState::Halted, &why));
                    continue;
                }
            };
            crash_point("c08_before_intent");
            match self.intend_or_say(context, turn, &effect).await? {
                Ok((attempt, passage)) => {
                    // The oldest intent says until when the call may leave.
                    batch.passage.get_or_insert(passage);
                    batch.sent.push(Sent { nth, turn, effect, attempt, indicator });
                }
                Err(report) => batch.reports.push((nth, *report)),
            }
        }
        Ok(())
    }

    /// Sends what is intended in one call, and writes down what came of each value.
    async fn send_together(
        &self,
        context: &Context<'_>,
        sent: &[Sent<'_>],
        passage: &Passage,
    ) -> Result<Vec<(usize, StepReport)>, EngineError> {
        let indicators: Vec<Indicator> = sent.iter().map(|one| one.indicator.clone()).collect();
        let answers: Answers = context.tenant.add_indicators(&indicators, passage).await;
        crash_point("c14_response_parsed");
        let judged = |one: &Sent<'_>, answer: &Result<Receipt, TenantError>| {
            let (recorded, report) = judge(one.turn.step, one.turn.call, answer);
            let is_foreign = answer.as_ref().is_ok_and(|receipt| !receipt.state.is_ours());
            ((recorded, report), (is_refused(answer), is_foreign))
        };
        let came: Vec<((Recorded, StepReport), (bool, bool))> = match answers {
            Ok(each) => sent.iter().zip(&each).map(|(one, answer)| judged(one, answer)).collect(),
            Err(error) => {
                let answer = Err(error);
                sent.iter().map(|one| judged(one, &answer)).collect()
            }
        };
        let in_doubt = came.iter().any(|((recorded, _report), _how)| recorded.state == EffectState::Unknown);
        let shown =
            if in_doubt { context.tenant.shows(&indicators).await.unwrap_or_default() } else { Vec::new() };
        let mut reports = Vec::with_capacity(sent.len());
        for (place, (one, ((recorded, report), (is_refused, is_foreign)))) in
            sent.iter().zip(came).enumerate()
        {
            let Turn { step, call, .. } = one.turn;
            let is_shown = shown.get(place) == Some(&true);
            let (recorded, report) = if recorded.state == EffectState::Unknown && is_shown {
                read_back(step, call)
            } else {
                (recorded, report)
            };
            let foreign = is_foreign.then(not_ours);
            let besides = Besides { is_refused, revert: foreign.as_ref(), ..Besides::default() };
            self.note_result(context, call, (&one.effect, one.attempt), (&recorded, besides)).await?;
            reports.push((one.nth, report));
        }
        Ok(reports)
    }
}
