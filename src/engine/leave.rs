//! Leave that people give before an action is taken: what they are shown, and whether what they said yes to
//! is still what would be done.
//!
//! A request is bound to the digest of everything that is shown. Right before the call the same is made once
//! more from the playbook, the item and the moment; whatever differs makes the leave void, and the action is
//! not taken. The leave is spent in the transaction that intends the call, so it serves once.

use jiff::Timestamp;
use serde_json::Value;

use super::act::effect_key;
use super::answer::not_sent;
use super::approval::not_any_more;
use super::context::Context;
use super::decide::Decision;
use super::report::{StepReport, StepState};
use super::said::Said;
use super::shown::{Shown, Terms};
use super::{Engine, EngineError, set};
use crate::action::{self, Call, Origin, Step};
use crate::diag::Chain;
use crate::fault::crash_point;
use crate::guard::Target;
use crate::playbook::OnError;
use crate::store::{Approval, ApprovalState, Closing, Consent, ContentHash, NewApproval};
use crate::tenant::Difference;

/// Whether a call needs people's leave.
#[derive(Debug)]
pub(super) enum Leave {
    /// It does not.
    Free,
    /// They are to be asked.
    Needed {
        /// What the guards say of the call.
        guards: Box<Said>,
        /// How many targets of the run the same is asked for.
        targets: u32,
        /// How many people must say yes, at least.
        people: u32,
    },
    /// They were asked.
    Asked(Box<Approval>),
}

impl Leave {
    /// Why nobody can be asked, if somebody has to be and nobody can.
    pub(super) fn unasked(&self, context: &Context<'_>, step: &Step) -> Option<String> {
        let Self::Needed { guards, people, .. } = self else { return None };
        whom(context, step, *people).err().map(|why| format!("{}; {why}", guards.text))
    }

    /// What a step needs when no guard says more.
    pub(super) fn of(context: &Context<'_>, step: &Step) -> Self {
        if context.acts() && step.approval.is_some() {
            Self::Needed { guards: Box::new(Said::within()), targets: 0, people: 1 }
        } else {
            Self::Free
        }
    }

    /// How many people had to say yes, if they did as far as the journal tells; 0 otherwise.
    pub(super) fn given(&self) -> u32 {
        match self {
            Self::Asked(approval) if approval.state == ApprovalState::Approved => approval.minimum.max(1),
            Self::Asked(_) | Self::Free | Self::Needed { .. } => 0,
        }
    }
}

/// One call whose turn has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn<'t> {
    pub(super) seq: u32,
    /// What people call the item.
    pub(super) key: &'t str,
    pub(super) step: &'t Step,
    /// The place of the call among those of its step.
    pub(super) place: u32,
    pub(super) call: &'t Call,
    /// What is known of its target.
    pub(super) target: &'t Target,
    /// What was matched.
    pub(super) data: &'t Value,
}

/// How far the steps of one item have come.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) steps: Vec<StepReport>,
    /// Why nothing more is done about the item.
    stopped: Option<&'static str>,
    /// The step that waits for people; what follows it waits too.
    waiting: Option<String>,
    pub(super) ask: Vec<NewApproval>,
    pub(super) close: Vec<Closing>,
    /// Requests that stay open.
    open: Vec<String>,
}

impl Course {
    /// Whether nothing stands in the way of the next step.
    pub(super) const fn is_free(&self) -> bool {
        self.stopped.is_none() && self.waiting.is_none()
    }

    /// Notes what came of a step.
    pub(super) fn note(&mut self, step: &Step, report: StepReport) {
        if step.on_error == OnError::Stop && self.stopped.is_none() {
            self.stopped = match report.state {
                StepState::Failed | StepState::Parked | StepState::Halted => Some("an earlier step failed"),
                StepState::Denied | StepState::Expired | StepState::Void => {
                    Some("an earlier step was not approved")
                }
                StepState::Done
                | StepState::Accepted
                | StepState::AlreadyInForce
                | StepState::Planned
                | StepState::PendingApproval
                | StepState::Skipped => None,
            };
        }
        self.steps.push(report);
    }

    /// What is reported of a step that makes no call by now: if leave was asked for one, that is void.
    pub(super) fn without_call(report: StepReport, known: &[Approval]) -> StepReport {
        let asked = known.iter().find(|asked| asked.step == report.id && asked.state.is_open());
        let untouched = matches!(report.state, StepState::Skipped | StepState::Failed | StepState::Halted);
        match asked.filter(|_asked| untouched) {
            Some(asked) => {
                let target = asked.target.split_once(':').map_or("", |(_kind, id)| id).to_owned();
                StepReport { state: StepState::Void, target, ..report }
            }
            None => report,
        }
    }

    /// Ends what was asked for about the item and has found no call.
    pub(super) fn close_rest(&mut self, known: &[Approval]) {
        for asked in known.iter().filter(|asked| !asked.settled) {
            if self.open.contains(&asked.id) || self.close.iter().any(|closing| closing.id == asked.id) {
                continue;
            }
            let state = if asked.state.is_open() { ApprovalState::Void } else { asked.state };
            let said = self.steps.iter().find(|report| report.id == asked.step);
            let reason = said.and_then(|report| report.reason.clone());
            let reason = reason.or_else(|| Some("the playbook would not do it any more".to_owned()));
            self.close.push(Closing { id: asked.id.clone(), state, reason });
        }
    }

    fn close(&mut self, asked: &Approval, state: ApprovalState, reason: Option<String>) {
        self.close.push(Closing { id: asked.id.clone(), state, reason });
    }
}

impl Engine {
    /// Makes a call, asks for leave, or says why not.
    pub(super) async fn take(
        &self,
        context: &Context<'_>,
        course: &mut Course,
        turn: Turn<'_>,
        leave: Leave,
    ) -> Result<StepReport, EngineError> {
        let Turn { step, call, .. } = turn;
        if let Some(why) = course.stopped {
            return Ok(not_sent(step, call, StepState::Skipped, why));
        }
        // Nobody is asked, and no token, for what would not be done.
        if !matches!(leave, Leave::Asked(_))
            && context.acts()
            && let Some(stop) = self.store.stopped((&context.order.tenant, context.plan().about.id)).await?
        {
            if let Some(done) = self.done_before(context, turn).await? {
                return Ok(done);
            }
            return Ok(not_sent(step, call, StepState::Halted, &stop.to_string()));
        }
        match leave {
            Leave::Free => match &course.waiting {
                Some(first) => {
                    let why = format!("waits until `{first}` is decided");
                    Ok(not_sent(step, call, StepState::PendingApproval, &why))
                }
                None => match self.ready(context, turn).await? {
                    Ok(prepared) => Box::pin(self.call(context, turn, (prepared, None))).await,
                    Err(report) => Ok(report),
                },
            },
            Leave::Needed { guards, targets, people: least } => {
                let whom = match whom(context, step, least) {
                    Ok(whom) => whom,
                    Err(why) => {
                        return Ok(not_sent(
                            step,
                            call,
                            StepState::Halted,
                            &format!("{}; {why}", guards.text),
                        ));
                    }
                };
                // Nobody is asked for what would not be done, or is not known.
                let change = match set::change(context, call).await {
                    Ok(change) => change,
                    Err(error) => {
                        return Ok(not_sent(step, call, StepState::Failed, &Chain(&error).to_string()));
                    }
                };
                let now = self.store.time().await?;
                let expires = now.checked_add(whom.timeout).unwrap_or(Timestamp::MAX);
                let asked = request(context, (turn, change.as_ref()), (&whom, *guards, targets), expires);
                let why =
                    format!("{} until {:.0}: {}", people(whom.minimum), asked.expires, short(&asked.id()));
                course.ask.push(asked);
                course.waiting.get_or_insert_with(|| step.id.clone());
                Ok(not_sent(step, call, StepState::PendingApproval, &why))
            }
            Leave::Asked(asked) => {
                // A device may have been waited for since it was read.
                let asked = self.as_it_stands(*asked).await?;
                self.answered(context, course, turn, &asked).await
            }
        }
    }

    /// A request as the journal has it by now.
    async fn as_it_stands(&self, asked: Approval) -> Result<Approval, EngineError> {
        let found = self.store.find_approvals(&asked.id).await?;
        Ok(found.into_iter().next().unwrap_or(asked))
    }

    /// Does what people decided about a call.
    async fn answered(
        &self,
        context: &Context<'_>,
        course: &mut Course,
        turn: Turn<'_>,
        asked: &Approval,
    ) -> Result<StepReport, EngineError> {
        let Turn { step, call, .. } = turn;
        let report = |state, why: &str| not_sent(step, call, state, why);
        let is_over = asked.expires <= self.store.time().await?;
        match asked.state {
            ApprovalState::Rejected
            | ApprovalState::Expired
            | ApprovalState::Void
            | ApprovalState::Consumed => {
                course.close(asked, asked.state, asked.reason.clone());
                Ok(report(state_of(asked.state), asked.reason.as_deref().unwrap_or_default()))
            }
            ApprovalState::Awaiting | ApprovalState::Approved if is_over => {
                let why = match asked.state {
                    ApprovalState::Approved => {
                        "it was approved, and its time was over before it could be done"
                    }
                    _ => "nobody approved it in time",
                };
                let why = format!("{why} ({:.0})", asked.expires);
                course.close(asked, ApprovalState::Expired, Some(why.clone()));
                Ok(report(StepState::Expired, &why))
            }
            ApprovalState::Awaiting => {
                let more =
                    asked.minimum.saturating_sub(u32::try_from(asked.voices.len()).unwrap_or(0)).max(1);
                let why = format!("{} until {:.0}: {}", people(more), asked.expires, short(&asked.id));
                course.open.push(asked.id.clone());
                course.waiting.get_or_insert_with(|| step.id.clone());
                Ok(report(StepState::PendingApproval, &why))
            }
            ApprovalState::Approved => match &course.waiting {
                Some(first) => {
                    course.open.push(asked.id.clone());
                    let why = format!("approved; waits until `{first}` is decided");
                    Ok(report(StepState::PendingApproval, &why))
                }
                None => self.use_leave(context, course, turn, asked).await,
            },
        }
    }

    /// Makes a call that people said yes to, if it is still exactly that.
    async fn use_leave(
        &self,
        context: &Context<'_>,
        course: &mut Course,
        turn: Turn<'_>,
        asked: &Approval,
    ) -> Result<StepReport, EngineError> {
        crash_point("c23_approval_read");
        let prepared = match self.ready(context, turn).await? {
            Ok(prepared) => prepared,
            Err(report) => {
                course.close(asked, ApprovalState::Void, report.reason.clone());
                return Ok(unless_done(report));
            }
        };
        let standing = context.bounds.standing(context.order);
        let why = not_any_more(context.order, &standing, self.clock.now())
            .or_else(|| drift(context, (turn, prepared.change.as_ref()), asked));
        if let Some(why) = why {
            tracing::warn!(run = %context.run, action = %turn.call.kind, target = %turn.call.target, why, "an approval is void");
            course.close(asked, ApprovalState::Void, Some(why.clone()));
            return Ok(not_sent(turn.step, turn.call, StepState::Void, &why));
        }
        let report = Box::pin(self.call(context, turn, (prepared, Some(asked.digest)))).await?;
        let now = self.as_it_stands(asked.clone()).await?;
        if now.state == ApprovalState::Consumed {
            course.close(asked, ApprovalState::Consumed, None);
            let by = report.reason.or_else(|| Some(format!("approved by {}", names(asked))));
            return Ok(StepReport { reason: by, ..report });
        }
        if now.state == ApprovalState::Rejected {
            course.close(asked, now.state, now.reason.clone());
            let report = StepReport { state: StepState::Denied, reason: now.reason, ..report };
            return Ok(report);
        }
        let why = report.reason.clone().unwrap_or_default();
        course.close(asked, ApprovalState::Void, Some(why));
        Ok(unless_done(report))
    }
}

/// What is reported of a call whose leave was not spent: it is void, unless the call was made all the same, by a process
/// of which the journal has forgotten that it spent it.
fn unless_done(report: StepReport) -> StepReport {
    match report.state {
        StepState::Done | StepState::Accepted | StepState::AlreadyInForce | StepState::Parked => report,
        StepState::Planned
        | StepState::Skipped
        | StepState::Halted
        | StepState::Failed
        | StepState::Void
        | StepState::PendingApproval
        | StepState::Denied
        | StepState::Expired => StepReport { state: StepState::Void, ..report },
    }
}

/// What people are asked for one call.
fn request(
    context: &Context<'_>,
    (turn, change): (Turn<'_>, Option<&Difference>),
    (whom, guards, targets): (&action::Approval, Said, u32),
    expires: Timestamp,
) -> NewApproval {
    let (minimum, channel) = (whom.minimum, whom.channel.clone());
    let terms = Terms { guards, targets, minimum, channel: channel.clone(), expires };
    let shown = Shown::of(context, (turn, change), terms);
    let place = context.plan().steps.iter().position(|step| step.id == turn.step.id).unwrap_or(0);
    // By step, and by call within it: the order in which they are taken.
    let place = u32::try_from(place).unwrap_or(u32::MAX).saturating_mul(PLACES).saturating_add(turn.place);
    NewApproval {
        effect: effect_key(context, (turn.seq, turn.place), (turn.step, turn.call)),
        place,
        step: shown.step.clone(),
        action: shown.action.clone(),
        target: shown.target.clone(),
        channel,
        minimum,
        shown: shown.canonical(),
        expires,
    }
}

/// Who is asked about a step, `least` of them at least; or why nobody can be.
fn whom(context: &Context<'_>, step: &Step, least: u32) -> Result<action::Approval, String> {
    let plan = context.plan();
    let named = step.approval.as_ref().or(plan.guards.approval.as_ref()).or(plan.approvers.asked());
    let Some(whom) = named else {
        let how = "`approval` on the action, or `guards.approval` in the settings, says who is asked";
        return Err(format!("nobody is named who could say yes to it ({how})"));
    };
    let minimum = whom.minimum.max(least);
    let known = plan.approvers.people();
    if known < usize::try_from(minimum).unwrap_or(usize::MAX) {
        return Err(format!(
            "{minimum} people must say yes to it, and `approvers` of the settings names {known}"
        ));
    }
    Ok(action::Approval { minimum, ..whom.clone() })
}

/// Calls of one step that keep their order among the requests of an item; a step makes two at most.
const PLACES: u32 = 16;

/// Why leave does not hold for what would be done now, if it does not.
fn drift(
    context: &Context<'_>,
    (turn, change): (Turn<'_>, Option<&Difference>),
    asked: &Approval,
) -> Option<String> {
    if ContentHash::of(asked.shown.as_bytes()) != asked.digest {
        return Some("what was shown was changed in the journal".to_owned());
    }
    let Ok(shown) = serde_json::from_str::<Shown>(&asked.shown) else {
        return Some("what was shown cannot be read by this version".to_owned());
    };
    let (guards, Shown { targets, minimum, channel, expires, .. }) = (shown.said(), shown);
    let fresh = Shown::of(context, (turn, change), Terms { guards, targets, minimum, channel, expires });
    if ContentHash::of(fresh.canonical().as_bytes()) != asked.digest {
        return Some("what would be done now is not what was approved".to_owned());
    }
    let plan = context.plan();
    let starter = context.order.by.as_ref().map(|by| (by.account.as_str(), by.uid));
    let origin = Origin { author: plan.about.author.as_deref(), starter };
    let yes = asked.voices.iter().filter(|voice| voice.word == Consent::Approve);
    let may =
        |voice: &&crate::store::Voice| plan.approvers.may_approve(&voice.by, voice.who(), &origin).is_ok();
    let valid = plan.approvers.people_among(yes.filter(may).map(crate::store::Voice::who));
    (u32::try_from(valid).unwrap_or(u32::MAX) < asked.minimum)
        .then(|| "who approved it may not do so any more".to_owned())
}

/// Puts the requests that are in the journal beside the calls they were made for.
pub(super) fn meet<'a>(
    known: impl IntoIterator<Item = &'a Approval>,
    (context, seq): (&Context<'_>, u32),
    decisions: &mut [Decision<'_>],
) {
    let known: Vec<&Approval> = known.into_iter().collect();
    for decision in decisions {
        let Some(key) = decision.key(context, seq) else { continue };
        let Some(asked) = known.iter().find(|asked| asked.effect == key) else { continue };
        let Decision::Call { step, call, leave, .. } = decision else { continue };
        if asked.state.is_open() {
            *leave = Leave::Asked(Box::new((*asked).clone()));
        } else {
            // It is over: guards need not count it.
            let why = asked.reason.as_deref().unwrap_or_default();
            let report = not_sent(step, call, state_of(asked.state), why);
            *decision = Decision::Report { step, report };
        }
    }
}

/// Whether a step still waits for the answer to this request: it may make several calls, and some were made.
pub(super) fn is_asked(step: &StepReport, asked: &Approval) -> bool {
    let target = asked.target.split_once(':').map_or("", |(_kind, id)| id);
    step.state == StepState::PendingApproval
        && (step.id.as_str(), step.action.as_str()) == (asked.step.as_str(), asked.action.as_str())
        && step.target.eq_ignore_ascii_case(target)
}

/// The state of a step whose request is over.
pub(super) const fn state_of(state: ApprovalState) -> StepState {
    match state {
        ApprovalState::Awaiting | ApprovalState::Approved => StepState::PendingApproval,
        ApprovalState::Rejected => StepState::Denied,
        ApprovalState::Expired => StepState::Expired,
        ApprovalState::Void => StepState::Void,
        // The effect tells; without one nobody knows.
        ApprovalState::Consumed => StepState::Parked,
    }
}

/// The names of those who said yes.
pub(super) fn names(asked: &Approval) -> String {
    let yes = asked.voices.iter().filter(|voice| voice.word == Consent::Approve);
    yes.map(|voice| voice.by.as_str()).collect::<Vec<_>>().join(" and ")
}

/// The beginning of a request's id, for people.
pub(super) fn short(id: &str) -> String {
    id.chars().take(10).collect()
}

fn people(count: u32) -> String {
    if count == 1 { "waits for an approval".to_owned() } else { format!("waits for {count} approvals") }
}
