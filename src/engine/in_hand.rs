//! Items on their way through their steps; those that wait for a device wait together.
//!
//! A step with `waitFor` is over when its device has done it. What waits is not kept in memory alone: the action
//! stands in the journal with the moment it was intended, so a run that is taken up after a crash waits on for the
//! rest of the time.

use jiff::{SignedDuration, Timestamp};

use super::answer::{not_sent, refused};
use super::context::{Context, Work};
use super::decide::Decision;
use super::join::{Joining, can_join};
use super::leave::{Course, Leave, Turn};
use super::report::{ItemOutcome, ItemReport, StepReport, StepState};
use super::settle::{item_report, settlement};
use super::undone::{is_undone, next_time};
use super::{Engine, EngineError};
use crate::action::{Call, Impact, Step};
use crate::store::{Approval, ApprovalState, EffectState, Intended, NewSuppression, Settlement};

/// How long after it was accepted an action is first asked about; each pause is double the one before. A device
/// that is on-line takes some seconds.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// Longest pause. A run that ends late by that much is on time, and one action costs a call in half a minute.
const PAUSE_MAX: SignedDuration = SignedDuration::from_secs(30);
/// Most actions asked about between two pauses: a tenant answers a hundred calls in a minute.
const ASKED_MAX: usize = 5;

/// An item whose steps are being carried out.
pub(super) struct InHand<'a> {
    pub(super) item: Work,
    decisions: std::vec::IntoIter<Decision<'a>>,
    suppress: Option<NewSuppression>,
    /// What people were asked about it, if they have decided by now.
    pub(super) known: Vec<Approval>,
    pub(super) course: Course,
    /// Whether there are calls among its steps.
    pub(super) sends: bool,
    /// How far it has come.
    stage: Stage,
    /// The step that its device works on.
    wait: Option<Wait<'a>>,
    /// Whether there are calls of other items that its own can go with.
    pub(super) joins: bool,
    /// The call that goes with those.
    pub(super) joining: Option<Joining<'a>>,
}

/// How far an item has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nobody has looked yet whether what disrupts can be done.
    New,
    /// Somebody has.
    Begun,
}

/// A step that is over when its device has done it.
struct Wait<'a> {
    step: &'a Step,
    report: StepReport,
    until: Timestamp,
}

impl<'a> InHand<'a> {
    pub(super) fn new(
        item: Work,
        (decisions, suppress): (Vec<Decision<'a>>, Option<NewSuppression>),
        known: &[Approval],
    ) -> Self {
        let known = known.iter().filter(|asked| asked.seq == item.seq).cloned().collect();
        let sends = decisions.iter().any(|decision| matches!(decision, Decision::Call { .. }));
        let (decisions, course) = (decisions.into_iter(), Course::default());
        let stage = Stage::New;
        Self {
            item,
            decisions,
            suppress,
            known,
            course,
            sends,
            stage,
            wait: None,
            joins: false,
            joining: None,
        }
    }

    /// Whether a device works on a step of it.
    pub(super) const fn is_waiting(&self) -> bool {
        self.wait.is_some()
    }

    /// What became of it.
    pub(super) fn end(mut self, context: &Context<'_>) -> (ItemReport, Settlement) {
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

/// The place of the first disruptive action that people are still to be asked about or need not decide any more, or that
/// was stopped, if something harmless comes before it and nothing has been done yet.
fn ahead(decisions: &[Decision<'_>]) -> Option<usize> {
    let is_begun = |decision: &Decision<'_>| matches!(decision, Decision::Report { report, .. } if report.state.is_touched());
    if decisions.iter().any(is_begun) {
        return None;
    }
    let mut is_first = true;
    for (place, decision) in decisions.iter().enumerate() {
        match decision {
            Decision::Call { leave: Leave::Asked(asked), .. } if asked.state != ApprovalState::Approved => {
                return None;
            }
            Decision::Call { call, .. } if call.kind.impact() == Impact::Disruptive => {
                return (!is_first).then_some(place);
            }
            // What comes after it waits, too.
            Decision::Call { leave: Leave::Needed { .. }, .. } => return None,
            Decision::Call { .. } => is_first = false,
            Decision::Report { step, report } => {
                let is_stopped = matches!(report.state, StepState::Halted | StepState::Failed);
                if is_stopped && step.params.kind().impact() == Impact::Disruptive {
                    return (!is_first).then_some(place);
                }
            }
        }
    }
    None
}

/// Whether what stands in the way of an action does not do so for good, and is no reason to let the item be otherwise.
const fn passes(found: &Intended) -> bool {
    match found {
        Intended::Elsewhere { .. }
        | Intended::Opposite { .. }
        | Intended::InVain { .. }
        | Intended::Stopped(_)
        | Intended::OverBudget { .. } => true,
        // It was done, by this run or another, or nobody knows.
        Intended::Go { .. }
        | Intended::AlreadySettled { .. }
        | Intended::InDoubt { .. }
        | Intended::CoolingDown { .. }
        | Intended::Before { .. }
        | Intended::NoLeave => false,
    }
}

fn halted(step: &Step, call: &Call, why: &str) -> StepReport {
    not_sent(step, call, StepState::Halted, why)
}

/// Items that wait for their devices.
#[derive(Default)]
pub(super) struct Waiting<'a> {
    items: Vec<InHand<'a>>,
    /// The last pause.
    pause: SignedDuration,
}

impl<'a> Waiting<'a> {
    /// Takes an item that begins to wait.
    pub(super) fn push(&mut self, item: InHand<'a>) {
        self.items.push(item);
    }

    /// Whether nothing waits.
    pub(super) const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether an item of the run does.
    pub(super) fn holds(&self, seq: u32) -> bool {
        self.items.iter().any(|one| one.item.seq == seq)
    }

    /// How long to let it be before it is asked about.
    fn next_pause(&mut self) -> SignedDuration {
        self.pause = self.pause.saturating_mul(2).clamp(FIRST_PAUSE, PAUSE_MAX);
        self.pause
    }
}

impl Engine {
    /// Lets some time pass and asks about items whose devices work; returns those that are over.
    pub(super) async fn ask_about<'a>(
        &self,
        context: &Context<'a>,
        waiting: &mut Waiting<'a>,
    ) -> Result<Vec<InHand<'a>>, EngineError> {
        self.pause(context, waiting.next_pause()).await?;
        let asked: Vec<InHand<'a>> = waiting.items.drain(..waiting.items.len().min(ASKED_MAX)).collect();
        let mut over = Vec::new();
        for mut in_hand in asked {
            Box::pin(self.carry_on(context, &mut in_hand)).await?;
            // Behind the others: their turn comes first.
            if in_hand.is_waiting() { waiting.push(in_hand) } else { over.push(in_hand) }
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

    /// Decides anew about items that people have decided about, and begins to carry them out; those that wait for their
    /// devices are among the waiting, the others are over. `known` is what people were asked about the run.
    pub(super) async fn begin_decided<'a>(
        &self,
        context: &Context<'a>,
        (items, known): (Vec<Work>, &[Approval]),
        waiting: &mut Waiting<'a>,
    ) -> Result<Vec<InHand<'a>>, EngineError> {
        let fates = self.decide_again(context, &items, known).await?;
        let mut over = Vec::new();
        for (item, decisions) in items.into_iter().zip(fates) {
            let mut in_hand = InHand::new(item, (decisions, None), known);
            // Each is begun before any is waited for: leave has its time.
            Box::pin(self.carry_on(context, &mut in_hand)).await?;
            if in_hand.is_waiting() { waiting.push(in_hand) } else { over.push(in_hand) }
        }
        Ok(over)
    }

    /// Carries out an item's steps in order, up to one that its device works on.
    pub(super) async fn carry_on<'a>(
        &self,
        context: &Context<'a>,
        in_hand: &mut InHand<'a>,
    ) -> Result<(), EngineError> {
        if let Some(wait) = in_hand.wait.take() {
            let Some(report) = self.end_of_step(context, in_hand.item.seq, &wait).await? else {
                in_hand.wait = Some(wait);
                return Ok(());
            };
            in_hand.course.note(wait.step, report);
        }
        if std::mem::replace(&mut in_hand.stage, Stage::Begun) == Stage::New {
            Box::pin(self.look_ahead(context, in_hand)).await?;
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

    /// Looks, before something harmless is done about an item, whether the disruptive action that comes after it can be
    /// taken at all. If not, nothing is done: the item would count as dealt with, and its device would never be isolated.
    async fn look_ahead(&self, context: &Context<'_>, in_hand: &mut InHand<'_>) -> Result<(), EngineError> {
        let decisions = in_hand.decisions.as_slice();
        let Some(ahead) = ahead(decisions).filter(|_place| context.acts()) else { return Ok(()) };
        let (step, barred) = match decisions.get(ahead) {
            Some(Decision::Call { step, place, call, leave, target }) => {
                let Work { seq, key, data } = &in_hand.item;
                let turn = Turn { seq: *seq, key, step, place: *place, call, target, data };
                (*step, Box::pin(self.barred(context, turn, leave)).await?)
            }
            Some(Decision::Report { step, report }) => (*step, Some(report.clone())),
            None => return Ok(()),
        };
        let Some(barred) = barred else { return Ok(()) };
        let why = format!("nothing is done before `{}`, which cannot be done now", step.id);
        let mut instead = Vec::new();
        for (place, decision) in std::mem::take(&mut in_hand.decisions).enumerate() {
            let is_it = place == ahead;
            let report = |step: &Step, call: &Call| {
                if is_it { barred.clone() } else { not_sent(step, call, StepState::Skipped, &why) }
            };
            instead.push(decision.instead(report));
        }
        in_hand.decisions = instead.into_iter();
        Ok(())
    }

    /// Why a call cannot be made at this moment, or nobody could be asked about it.
    async fn barred(
        &self,
        context: &Context<'_>,
        turn: Turn<'_>,
        leave: &Leave,
    ) -> Result<Option<StepReport>, EngineError> {
        let Turn { step, call, .. } = turn;
        let spent = match leave {
            Leave::Needed { .. } => {
                return Ok(leave.unasked(context, step).map(|why| halted(step, call, &why)));
            }
            Leave::Asked(asked) => Some(asked.digest),
            Leave::Free => None,
        };
        if let Err(report) = self.ready(context, turn).await? {
            let stopped = matches!(report.state, StepState::Halted | StepState::Failed);
            return Ok(stopped.then_some(report));
        }
        let effect = match self.effect(context, turn, spent)? {
            Ok(effect) => effect,
            Err(why) => return Ok(Some(halted(step, call, &why))),
        };
        let found = self.store.in_the_way(&effect).await?.filter(passes);
        Ok(found.map(|found| refused(step, call, &found)))
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
            EffectState::Pending if self.store.time().await? < *until => None,
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
