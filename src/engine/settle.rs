//! Dealing with the items of a run, one after the other; those that wait for a device wait together.
//!
//! A step with `waitFor` is over when its device has done it. What waits is not kept in memory alone: the action
//! stands in the journal with the moment it was intended, so a run that is taken up after a crash waits on for the
//! rest of the time.
//!
//! The parts of a run are on the heap: held by one another they would be too large for the stack of a thread.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::alert::{Ended, parked_steps};
use super::canary::Canary;
use super::context::{Context, Work};
use super::decide::{Decision, Fate};
use super::join::{Joining, Member, can_join, is_worth_it};
use super::leave::{Course, Leave, Turn};
use super::report::{Counts, ItemOutcome, ItemReport, Report, StepReport, StepState, Told};
use super::undone::{Known, is_undone, next_time};
use super::{Engine, EngineError};
use crate::action::Step;
use crate::fault::crash_point;
use crate::store::{Approval, EffectState, NewSuppression, NextTime, Settlement, Trigger};

/// How long after it was accepted an action is first asked about; each pause is double the one before. A device
/// that is on-line takes some seconds.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// Longest pause. A run that ends late by that much is on time, and one action costs a call in half a minute.
const PAUSE_MAX: SignedDuration = SignedDuration::from_secs(30);
/// Most actions asked about between two pauses: a tenant answers a hundred calls in a minute.
const ASKED_MAX: usize = 5;

/// An item whose steps are being carried out.
struct InHand<'a, 'k> {
    item: Work,
    decisions: std::vec::IntoIter<Decision<'a>>,
    suppress: Option<NewSuppression>,
    known: Vec<&'k Approval>,
    course: Course,
    sends: bool,
    /// The step that its device works on.
    wait: Option<Wait<'a>>,
    /// Whether there are calls of other items that its own can go with.
    joins: bool,
    /// The call that goes with those.
    joining: Option<Joining<'a>>,
}

/// A step that is over when its device has done it.
struct Wait<'a> {
    step: &'a Step,
    report: StepReport,
    until: Timestamp,
}

impl<'a, 'k> InHand<'a, 'k> {
    fn new(
        item: Work,
        (decisions, suppress): (Vec<Decision<'a>>, Option<NewSuppression>),
        known: &'k [Approval],
    ) -> Self {
        let known = known.iter().filter(|asked| asked.seq == item.seq).collect();
        let sends = decisions.iter().any(|decision| matches!(decision, Decision::Call { .. }));
        let (decisions, course) = (decisions.into_iter(), Course::default());
        Self { item, decisions, suppress, known, course, sends, wait: None, joins: false, joining: None }
    }

    /// What became of it.
    fn end(mut self, context: &Context<'_>) -> (ItemReport, Settlement) {
        self.course.close_rest(&self.known);
        let Course { steps, ask, close, .. } = self.course;
        let outcome = ItemOutcome::of(&steps);
        let report = item_report(self.item, outcome, None, steps);
        let mut settlement = Settlement { ask, close, ..settlement(&report) };
        // What was halted or failed must come up again, not be kept quiet about.
        settlement.next_time = next_time(outcome, &report.steps);
        let suppress = self.suppress.filter(|_suppress| !is_undone(outcome) && context.remembers());
        settlement.suppress = suppress.into_iter().collect();
        (report, settlement)
    }
}

/// What has been settled of a run.
#[derive(Default)]
struct Settled {
    reports: Vec<ItemReport>,
    /// Items nothing was sent for are settled together: one sync instead of thousands.
    unsent: Vec<Settlement>,
    /// Items that nothing was done about.
    undone: BTreeSet<u32>,
    /// Items of which people know before the run has ended.
    told: BTreeSet<u32>,
    /// How people were asked by then.
    asked: Vec<Told>,
}

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
        let fates = Box::pin(self.decide(context, &items)).await?;
        crash_point("c07_plan_built");
        let mut settled = Settled { reports: earlier, ..Settled::default() };
        let (mut waiting, mut joining, mut behind) = (Vec::new(), Vec::new(), Vec::new());
        let mut canary = Canary::of(context);
        let joins = context.acts() && is_worth_it(&fates);
        for (item, fate) in items.into_iter().zip(fates) {
            match fate {
                Fate::Suppressed { reason, behind: first } => behind.push((item, reason, first)),
                Fate::Steps { mut decisions, suppress } => {
                    self.behind_canary(context, &mut canary, &mut decisions).await?;
                    let mut in_hand = InHand::new(item, (decisions, suppress), &[]);
                    in_hand.joins = joins && canary.is_free();
                    Box::pin(self.carry_on(context, &mut in_hand)).await?;
                    match in_hand {
                        InHand { joining: Some(_), .. } => joining.push(in_hand),
                        InHand { wait: Some(_), .. } => waiting.push(in_hand),
                        over => self.note(context, &mut settled, over).await?,
                    }
                }
            }
        }
        while !joining.is_empty() {
            for in_hand in Box::pin(self.join_up(context, &mut joining)).await? {
                match in_hand.wait {
                    Some(_) => waiting.push(in_hand),
                    None => self.note(context, &mut settled, in_hand).await?,
                }
            }
        }
        let mut pause = FIRST_PAUSE;
        while !waiting.is_empty() {
            self.tell_meanwhile(context, &mut settled).await?;
            for over in self.ask_about(context, &mut waiting, &mut pause).await? {
                self.note(context, &mut settled, over).await?;
            }
        }
        // Whether the first of its kind came to something is known by now.
        for (item, reason, first) in behind {
            let left = first.is_some_and(|first| settled.undone.contains(&first));
            let (report, settlement) = if left { not_repeated(item) } else { suppressed(item, reason) };
            settled.unsent.push(settlement);
            settled.reports.push(report);
        }
        self.store.settle_all(context.run, &settled.unsent).await?;
        settled.reports.sort_by_key(|report| report.seq);
        self.say_and_finish(context, counts, settled).await
    }

    /// Tells at once what cannot wait until the last device is done: who is asked for leave, and what is in doubt.
    async fn tell_meanwhile(&self, context: &Context<'_>, settled: &mut Settled) -> Result<(), EngineError> {
        let news = settled.reports.iter().filter(|report| !settled.told.contains(&report.seq));
        let news: Vec<&ItemReport> = news.collect();
        let Some(first) = news.first().map(|report| report.seq) else { return Ok(()) };
        let parked = parked_steps(news.iter().copied());
        let alert = self.parked_alert(&Ended::begun(context), &parked, &format!("/{first}"));
        if let Some(alert) = alert.filter(|_alert| context.acts()) {
            self.store.enqueue(&alert).await?;
        }
        let about: BTreeSet<u32> = news.iter().map(|report| report.seq).collect();
        let name = &context.plan().about.name;
        for (told, message) in self.asking((context.run, name), |seq| about.contains(&seq)).await? {
            self.store.enqueue(&message).await?;
            settled.asked.push(told);
        }
        settled.told.extend(about);
        Ok(())
    }

    /// Tells people of a run whose items are settled, and ends it.
    async fn say_and_finish(
        &self,
        context: &Context<'_>,
        counts: Counts,
        settled: Settled,
    ) -> Result<Report, EngineError> {
        let Settled { reports, told: told_of, asked, .. } = settled;
        let mut report = context.report(counts, reports, self.clock.now());
        // Of what is not taken back the operators are told in their own way.
        let known = match context.order.trigger {
            Trigger::Revert => Known::default(),
            _ => self.known_to_people(context, &report.items).await?,
        };
        let mut messages = self.tell(context, &mut report, &known);
        messages.extend(self.alerts_at_end(context, &report, (&known, &told_of)));
        let undone = known.news.filter(|_situation| !messages.is_empty());
        report.told.extend(asked);
        if 0 < report.counts.pending_approval {
            let news = |seq| !told_of.contains(&seq);
            for (told, message) in self.asking((context.run, &report.name), news).await? {
                report.told.push(told);
                messages.push(message);
            }
        }
        self.finish(context, report, (messages, undone)).await
    }

    /// Writes down what became of an item.
    async fn note(
        &self,
        context: &Context<'_>,
        settled: &mut Settled,
        in_hand: InHand<'_, '_>,
    ) -> Result<(), EngineError> {
        let sends = in_hand.sends && context.acts();
        let (report, settlement) = in_hand.end(context);
        if settlement.next_time == NextTime::New {
            settled.undone.insert(report.seq);
        }
        if sends {
            self.store.settle(context.run, &settlement).await?;
        } else {
            settled.unsent.push(settlement);
        }
        settled.reports.push(report);
        Ok(())
    }

    /// Makes calls of several items together, and carries these items on; returns those that join no more.
    async fn join_up<'a, 'k>(
        &self,
        context: &Context<'a>,
        joining: &mut Vec<InHand<'a, 'k>>,
    ) -> Result<Vec<InHand<'a, 'k>>, EngineError> {
        let members = joining.iter().filter_map(|one| {
            let joining = one.joining.as_ref()?;
            Some(Member { seq: one.item.seq, key: &one.item.key, joining })
        });
        let members: Vec<Member<'_, '_>> = members.collect();
        let mut reports: BTreeMap<usize, StepReport> =
            self.call_together(context, &members).await?.into_iter().collect();
        let mut over = Vec::new();
        for (nth, mut one) in std::mem::take(joining).into_iter().enumerate() {
            if let Some(report) = reports.remove(&nth) {
                if let Some(joined) = one.joining.take() {
                    one.course.note(joined.step, report);
                }
                Box::pin(self.carry_on(context, &mut one)).await?;
            }
            if one.joining.is_some() { joining.push(one) } else { over.push(one) }
        }
        Ok(over)
    }

    /// Lets some time pass and asks about items whose devices work; returns those that are over.
    async fn ask_about<'a, 'k>(
        &self,
        context: &Context<'a>,
        waiting: &mut Vec<InHand<'a, 'k>>,
        pause: &mut SignedDuration,
    ) -> Result<Vec<InHand<'a, 'k>>, EngineError> {
        self.pause(context, *pause).await?;
        *pause = pause.saturating_mul(2).min(PAUSE_MAX);
        let asked = waiting.drain(..waiting.len().min(ASKED_MAX)).collect::<Vec<_>>();
        let mut over = Vec::new();
        for mut in_hand in asked {
            Box::pin(self.carry_on(context, &mut in_hand)).await?;
            match in_hand.wait {
                // Behind the others: their turn comes first.
                Some(_) => waiting.push(in_hand),
                None => over.push(in_hand),
            }
        }
        Ok(over)
    }

    /// Lets some time pass; the end of the process ends the run.
    pub(super) async fn pause(
        &self,
        context: &Context<'_>,
        pause: SignedDuration,
    ) -> Result<(), EngineError> {
        let ending = || context.bounds.is_ending().then_some(EngineError::Ending { run: context.run });
        ending().map_or(Ok(()), Err)?;
        tokio::select! {
            () = self.clock.sleep(pause) => {}
            () = context.bounds.ending() => {}
        }
        ending().map_or(Ok(()), Err)
    }

    /// Carries out the steps of items that people have decided about. `known` is what they were asked about the
    /// run.
    pub(super) async fn settle_decided<'a>(
        &self,
        context: &Context<'a>,
        items: impl Iterator<Item = (Work, Fate<'a>)>,
        known: &[Approval],
    ) -> Result<Vec<(ItemReport, Settlement)>, EngineError> {
        let (mut ended, mut waiting) = (Vec::new(), Vec::new());
        for (item, fate) in items {
            match fate {
                Fate::Suppressed { reason, .. } => ended.push(suppressed(item, reason)),
                Fate::Steps { decisions, suppress } => {
                    let mut in_hand = InHand::new(item, (decisions, suppress), known);
                    // Each is begun before any is waited for: leave has its time.
                    Box::pin(self.carry_on(context, &mut in_hand)).await?;
                    match in_hand.wait {
                        Some(_) => waiting.push(in_hand),
                        None => ended.push(in_hand.end(context)),
                    }
                }
            }
        }
        let mut pause = FIRST_PAUSE;
        while !waiting.is_empty() {
            let over = self.ask_about(context, &mut waiting, &mut pause).await?;
            ended.extend(over.into_iter().map(|in_hand| in_hand.end(context)));
        }
        Ok(ended)
    }

    /// Carries out an item's steps in order, up to one that its device works on.
    async fn carry_on<'a>(
        &self,
        context: &Context<'a>,
        in_hand: &mut InHand<'a, '_>,
    ) -> Result<(), EngineError> {
        if let Some(wait) = in_hand.wait.take() {
            let Some(report) = self.end_of_step(context, in_hand.item.seq, &wait).await? else {
                in_hand.wait = Some(wait);
                return Ok(());
            };
            in_hand.course.note(wait.step, report);
        }
        for decision in in_hand.decisions.by_ref() {
            let seq = in_hand.item.seq;
            let is_old = matches!(decision, Decision::Report { .. });
            let joins = in_hand.joins && in_hand.course.is_free() && can_join(&decision);
            let (step, mut report) = match decision {
                Decision::Report { step, report } => (step, Course::without_call(report, &in_hand.known)),
                Decision::Call { step, place, call, leave: Leave::Free, target } if joins => {
                    in_hand.joining = Some(Joining { step, place, call, target });
                    return Ok(());
                }
                Decision::Call { step, place, call, leave, target } => {
                    let Work { key, data, .. } = &in_hand.item;
                    let turn = Turn { seq, key, step, place, call: &call, target: &target, data };
                    (step, Box::pin(self.take(context, &mut in_hand.course, turn, leave)).await?)
                }
            };
            in_hand.wait = self.wait_of(context, seq, (step, &report)).await?;
            // What was sent before a restart may be over by now.
            if let Some(wait) = in_hand.wait.as_ref().filter(|_wait| is_old)
                && let Some(end) = self.end_of_step(context, seq, wait).await?
            {
                (in_hand.wait, report) = (None, end);
            }
            if in_hand.wait.is_some() {
                // By then the others have gone.
                in_hand.joins = false;
                return Ok(());
            }
            in_hand.course.note(step, report);
        }
        Ok(())
    }

    /// Until when a step is waited for, if it is.
    async fn wait_of<'a>(
        &self,
        context: &Context<'_>,
        seq: u32,
        (step, report): (&'a Step, &StepReport),
    ) -> Result<Option<Wait<'a>>, EngineError> {
        let (Some(longest), StepState::Accepted) = (step.wait_for, report.state) else { return Ok(None) };
        let effects = self.store.effects_of(context.run).await?;
        let effect = effects.iter().find(|effect| effect.is_of((seq, &step.id), report.remote_id.as_deref()));
        Ok(effect.map(|effect| {
            let until = effect.intended.checked_add(longest).unwrap_or(Timestamp::MAX);
            Wait { step, report: report.clone(), until }
        }))
    }

    /// What became of a step that its device works on; nothing while it does.
    async fn end_of_step(
        &self,
        context: &Context<'_>,
        seq: u32,
        wait: &Wait<'_>,
    ) -> Result<Option<StepReport>, EngineError> {
        let Wait { step, report, until } = wait;
        let ended = |state, reason: Option<String>| Some(StepReport { state, reason, ..report.clone() });
        let effects = self.store.effects_of(context.run).await?;
        let effect =
            effects.into_iter().find(|effect| effect.is_of((seq, &step.id), report.remote_id.as_deref()));
        let Some(effect) = effect else { return Ok(Some(report.clone())) };
        let effect = self.end_of(context.run, &effect.key).await?.unwrap_or(effect);
        Ok(match effect.state {
            EffectState::Done => ended(StepState::Done, effect.detail),
            EffectState::Pending if self.clock.now() < *until => None,
            EffectState::Pending => {
                let longest = step.wait_for.unwrap_or_default();
                ended(StepState::Failed, Some(format!("it had not ended after {longest:#}, and may yet")))
            }
            EffectState::Failed
            | EffectState::NotApplied
            | EffectState::Intended
            | EffectState::Unknown
            | EffectState::Parked => ended(StepState::Failed, effect.detail),
        })
    }
}

/// What becomes of an item that is like one before it.
fn suppressed(item: Work, reason: String) -> (ItemReport, Settlement) {
    let report = item_report(item, ItemOutcome::Suppressed, Some(reason), Vec::new());
    let settlement = settlement(&report);
    (report, settlement)
}

/// The same if nothing was done about that one: it is no repetition.
fn not_repeated(item: Work) -> (ItemReport, Settlement) {
    let why = "the same comes earlier in this run, and nothing was done about it";
    let (report, settlement) = suppressed(item, why.to_owned());
    (report, Settlement { next_time: NextTime::New, ..settlement })
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
