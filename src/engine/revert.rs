//! Taking back what was done: when its time has come, or when somebody asks.
//!
//! What takes an action back stands in the journal with the action. Carrying it out is a run like any other, of a plan
//! of one step that is made of it, so guards, stops, leave and the intent before the call are those of every action;
//! the playbook need not be there any more. Before it, the tenant is asked whether the action is in force still: what
//! people have taken back, or done anew, is theirs. What could not be done is tried again, less and less often.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::context::{Context, Work};
use super::left_standing::told_of;
use super::report::{Report, StepState};
use super::theirs::Theirs;
use super::wrong_clock::{by_theirs, wrong_clock};
use super::{Counts, Engine, EngineError, InForce, Order};
use crate::action::{Approval, Approvers, Call, Params, RevertRule, Step, Undo};
use crate::diag::Chain;
use crate::fault::crash_point;
use crate::model::{Lists, PlaybookId, RunId};
use crate::plan::{About, Guards, Input, Mode, Plan, Selector, World};
use crate::playbook::{OnError, Severity};
use crate::store::{
    ApprovalState, EffectState, Effects, NewItem, NewRevert, NewRun, Revert, RevertNote, RevertState, Run,
    RunMode, RunState, Stand, StoreError, Trigger,
};

/// How long to wait before it is tried again, the first time, the second and so on: a tenant that is away for a minute
/// costs a minute, and one that is away for a day is asked once an hour.
const PAUSES: [SignedDuration; 4] = [
    SignedDuration::from_mins(1),
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(15),
    SignedDuration::from_mins(60),
];
/// How long what is under way, or waits for people, is left alone before it is looked at again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// Why what was done is not taken back while nobody knows whether it was done once more.
pub(super) const REPEATED: &str =
    "another run has asked for the same since, and the tenant has still to do that";
/// Why what was done is not taken back where it was done once more: that stands, and has an end of its own.
pub(super) const REPLACED: &str = "another run has done the same since, and `huntbook in-force` lists that";

/// What the settings say of actions that are taken back, where no playbook does.
#[derive(Debug, Clone, Default)]
pub struct Undoing(Arc<Rules>);

#[derive(Debug, Default)]
struct Rules {
    guards: Guards,
    approvers: Approvers,
    approval: Option<Approval>,
}

impl Undoing {
    /// Takes the ceilings and exclusions of the settings, and whose leave they want.
    #[must_use]
    pub fn of(world: &World, approval: Option<Approval>) -> Self {
        let (ceilings, exclusions) = (world.ceilings.clone(), world.exclusions.clone());
        let guards = Guards { ceilings, exclusions, ..Guards::default() };
        Self(Arc::new(Rules { guards, approvers: world.approvers.clone(), approval }))
    }
}

/// What came of looking at an action that is to be taken back.
pub(super) enum Came {
    /// Nothing yet.
    Wait(Option<String>),
    /// It was not done, and may be yet.
    Again(String),
    /// It is done.
    Undone,
    /// There is nothing to be taken back any more.
    Over(String),
    /// It stands, and is not huntbook's to take back any more.
    Stays(String),
    /// People said no, or nothing: it stands until somebody asks.
    Kept(String),
    /// Somebody has said something else about it meanwhile.
    Otherwise,
}

impl Engine {
    /// The playbooks and tenants of which something is to be taken back, or looked at.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn to_revert(&self) -> Result<BTreeSet<(PlaybookId, String)>, StoreError> {
        let due = self.store.reverts_to_look_at(self.clock.now()).await?;
        Ok(due.into_iter().map(|one| (one.playbook, one.tenant)).collect())
    }

    /// Takes back what is due of a playbook in a tenant. Nobody else may take back what is due of it there meanwhile;
    /// its runs may go on.
    ///
    /// # Errors
    ///
    /// If the journal fails, or the process ends; what was not written down is found again.
    pub async fn revert(
        &self,
        (playbook, tenant): (PlaybookId, &str),
        in_force: &dyn InForce,
    ) -> Result<(), EngineError> {
        for mut due in self.store.reverts_to_look_at(self.clock.now()).await? {
            if (due.playbook, due.tenant.as_str()) != (playbook, tenant) {
                continue;
            }
            let came = match due.undo_run {
                Some(run) => self.came_of(run).await?,
                None => self.take_back(&mut due, in_force).await?,
            };
            self.note_came(&due, came).await?;
        }
        Ok(())
    }

    /// Writes down what came of it, and when to look again; not where somebody has written something else meanwhile, which
    /// is looked at next.
    async fn note_came(&self, due: &Revert, came: Came) -> Result<(), EngineError> {
        // By a clock that is ahead it would be looked at again as much too late, once that is set.
        let (now, tenant) = (self.clock.now(), self.tenants.get(&due.tenant));
        let is_wrong = tenant.is_some_and(|tenant| wrong_clock(&**tenant).is_some());
        let now = tenant.map_or(now, |tenant| by_theirs(now, &**tenant));
        if is_wrong && matches!(&came, Came::Wait(why) if *why == due.reason) {
            // It is due at each look until the clock is set, and nothing about it is news.
            return Ok(());
        }
        let told = told_of(due, &came, now);
        let after = |pause: SignedDuration| Some(now.checked_add(pause).unwrap_or(Timestamp::MAX));
        let standing = RevertState::Standing;
        let (undo_run, news) = (due.undo_run, |why: &str| due.reason.as_deref() != Some(why));
        let (state, look_at, undo_run, tries, reason) = match came {
            Came::Otherwise => return Ok(()),
            Came::Wait(why) => (standing, after(LOOK_AGAIN), undo_run, due.tries, why),
            Came::Again(why) => {
                let pause = PAUSES.get(usize::try_from(due.tries).unwrap_or(usize::MAX));
                let pause = pause.or(PAUSES.last()).copied().unwrap_or(LOOK_AGAIN);
                (standing, after(pause), None, due.tries.saturating_add(1), Some(why))
            }
            Came::Kept(why) => (standing, None, None, 0, Some(why)),
            Came::Undone => (RevertState::Undone, None, undo_run, due.tries, None),
            Came::Over(why) | Came::Stays(why) => (RevertState::Over, None, undo_run, due.tries, Some(why)),
        };
        if let Some(why) = reason.as_deref().filter(|why| news(why)) {
            tracing::warn!(action = %due.action, target = %due.target, tenant = %due.tenant, why, "what takes an action back");
        }
        let alert = reason.as_deref().zip(told).and_then(|(why, told)| self.stands_alert(due, why, told));
        let note = RevertNote { state, look_at, undo_run, tries, reason };
        self.store.note_revert(due, &note, alert.as_ref()).await?;
        Ok(())
    }

    /// Begins to take an action back, if it still stands and nothing is in the way.
    async fn take_back(&self, due: &mut Revert, in_force: &dyn InForce) -> Result<Came, EngineError> {
        if matches!(due.effect_state, EffectState::Intended | EffectState::Pending | EffectState::Unknown) {
            let why = format!("it is {}: it is taken back when it is settled", due.effect_state);
            return Ok(Came::Wait(Some(why)));
        }
        match self.store.still_stands(&due.effect).await? {
            Stand::Stands => {}
            Stand::Repeated => return Ok(Came::Wait(Some(REPEATED.to_owned()))),
            // What nobody has asked for in vain ends with what has taken its place.
            Stand::Replaced if due.asked && self.is_asked_in_vain(due).await? => {
                return Ok(Came::Stays(REPLACED.to_owned()));
            }
            Stand::Replaced => return Ok(Came::Over(REPLACED.to_owned())),
            Stand::Over => {
                return Ok(Came::Over("it came to nothing, or was taken back by another run".to_owned()));
            }
        }
        if due.effect_state == EffectState::Parked {
            let why = "nobody knows whether it was done: `huntbook resolve` settles it";
            return Ok(Came::Again(why.to_owned()));
        }
        if let Some(stop) = self.store.stopped((&due.tenant, due.playbook)).await? {
            return Ok(Came::Wait(Some(stop.to_string())));
        }
        if let Err(error) = self.store.insist_on_reserve() {
            return Ok(Came::Wait(Some(Chain(&error).to_string())));
        }
        let Some(tenant) = self.tenants.get(&due.tenant) else {
            return Ok(Came::Again(format!("there is no tenant `{}` any more", due.tenant)));
        };
        let Ok(undo) = serde_json::from_value::<Undo>(due.undo.clone()) else {
            return Ok(Came::Kept("what takes it back cannot be read by this version".to_owned()));
        };
        if let Some(why) = wrong_clock(&**tenant) {
            return Ok(Came::Wait(Some(why)));
        }
        match self.theirs(&**tenant, due, &undo).await? {
            Theirs::Stands => {}
            Theirs::Over(why) => return Ok(Came::Over(why)),
            Theirs::Stays(why) => return Ok(Came::Stays(why)),
            Theirs::Unsettled(why) => return Ok(Came::Again(why)),
            Theirs::Unclear(why) => return Ok(Came::Kept(why)),
        }
        match self.run_back(due, undo, in_force).await? {
            Some(run) => Ok(self.came_of(run).await?),
            None => Ok(Came::Otherwise),
        }
    }

    /// Whether nobody has asked for the end of what has taken the place of an action, and it still has.
    async fn is_asked_in_vain(&self, due: &Revert) -> Result<bool, StoreError> {
        let is_same =
            |one: &Revert| (&one.tenant, &one.action, &one.target) == (&due.tenant, &due.action, &due.target);
        let is_asked = self.store.in_force().await?.iter().any(|one| one.asked && is_same(one));
        // What was asked for may have ended between the two looks.
        Ok(!is_asked && self.store.still_stands(&due.effect).await? == Stand::Replaced)
    }

    /// The run that takes an action back; `None` if somebody has said something else about it meanwhile.
    async fn run_back(
        &self,
        due: &mut Revert,
        undo: Undo,
        in_force: &dyn InForce,
    ) -> Result<Option<RunId>, EngineError> {
        let started = super::in_journal(self.clock.now());
        let run = self.store.new_run(started)?;
        // First, so that what is begun and cut off is found and not begun twice.
        let soon = self.clock.now().checked_add(LOOK_AGAIN).ok();
        let (state, undo_run) = (RevertState::Standing, Some(run));
        let note = RevertNote { state, look_at: soon, undo_run, tries: due.tries, reason: None };
        if !self.store.note_revert(due, &note, None).await? {
            return Ok(None);
        }
        (due.look_at, due.undo_run) = (soon, undo_run);
        crash_point("c36_undo_noted");
        let new = NewRun {
            id: run,
            playbook: due.playbook,
            playbook_name: due.playbook_name.clone(),
            version: due.version,
            tenant: due.tenant.clone(),
            trigger: Trigger::Revert,
            by: None,
            scheduled_for: None,
            mode: RunMode::Enforce,
            effects: Effects::Apply,
            started,
        };
        self.store.begin_run(&new).await?;
        crash_point("c37_undo_begun");
        let data = json!({
            "effect": due.effect, "action": due.action, "target": due.target, "since": due.since, "run": due.run,
        });
        let key = format!("{} of {}", due.action, due.target);
        let item = NewItem { seq: 0, identity: None, key: key.clone(), data: data.clone() };
        let counts = Counts { matched: 1, ..Counts::default() };
        let tallied = serde_json::to_value(counts).unwrap_or_default();
        self.store.commit_batch(run, &[item], &tallied).await?;
        let order = self.order_back(due, undo, in_force.lists());
        let tenant =
            self.tenants.get(&due.tenant).ok_or_else(|| EngineError::NoTenant(due.tenant.clone()))?;
        let context = Context::new(&order, &**tenant, (run, started), self.bounds(in_force));
        let settled = self.settle(&context, counts, Vec::new(), vec![Work { seq: 0, key, data }]).await;
        settled.map_err(|error| error.in_the_middle_of(run))?;
        Ok(Some(run))
    }

    /// The order of a run that takes an action back, as it was begun.
    pub(super) async fn undo_order(
        &self,
        run: &Run,
        lists: Arc<Lists>,
    ) -> Result<Result<Order, String>, EngineError> {
        let Some(due) = self.store.revert_of(run.id).await? else {
            return Ok(Err("what it was to take back is not kept any more".to_owned()));
        };
        Ok(match serde_json::from_value::<Undo>(due.undo.clone()) {
            Ok(undo) => Ok(self.order_back(&due, undo, lists)),
            Err(_unread) => Err("what it was to do cannot be read by this version".to_owned()),
        })
    }

    fn order_back(&self, due: &Revert, undo: Undo, lists: Arc<Lists>) -> Order {
        let own = due.approval.clone().and_then(|own| serde_json::from_value::<Approval>(own).ok());
        let comment = format!("huntbook takes back {} of run {}", due.action, due.run);
        let step = Step {
            id: undo.kind().as_str().to_owned(),
            condition: None,
            on_error: OnError::Stop,
            approval: stricter(own, self.undoing.0.approval.clone()),
            wait_for: None,
            revert: None,
            params: Params::Undo { undo: Box::new(undo), comment },
        };
        let about = About {
            id: due.playbook,
            name: due.playbook_name.clone(),
            description: None,
            severity: Severity::Medium,
            tactics: Vec::new(),
            relevant_techniques: Vec::new(),
            author: due.author.clone(),
        };
        let plan = Plan {
            about,
            file: String::new(),
            version: due.version,
            mode: Mode::Enforce,
            tenants: Selector::All,
            expires: None,
            input: Input::Given,
            enabled: true,
            rule: None,
            when: None,
            condition: None,
            suppress: None,
            guards: self.undoing.0.guards.clone(),
            steps: vec![step],
            approvers: self.undoing.0.approvers.clone(),
            tellings: Vec::new(),
            observes_first: None,
        };
        Order {
            plan: Arc::new(plan),
            lists,
            tenant: due.tenant.clone(),
            trigger: Trigger::Revert,
            by: None,
            slot: None,
            effects: Effects::Apply,
        }
    }

    /// What came of a run that takes an action back.
    async fn came_of(&self, run: RunId) -> Result<Came, StoreError> {
        let Some(detail) = self.store.run(run).await? else {
            return Ok(Came::Again("its run was cut off before it began".to_owned()));
        };
        if detail.run.state == RunState::Running || detail.approvals.iter().any(|asked| !asked.settled) {
            return Ok(Came::Wait(None));
        }
        let report: Option<Report> = serde_json::from_value(detail.run.report.clone()).ok();
        let step =
            report.as_ref().and_then(|report| report.items.first()).and_then(|item| item.steps.first());
        if step.is_some_and(|step| step.state == StepState::AlreadyInForce) {
            return Ok(Came::Over("it did not stand any more when its turn came".to_owned()));
        }
        let why = || {
            let said = step.and_then(|step| step.reason.clone()).or(detail.run.error.clone());
            said.unwrap_or_else(|| "its run did not come to it".to_owned())
        };
        Ok(match detail.effects.first().map(|(effect, _history)| effect) {
            Some(effect) => match effect.state {
                EffectState::Done => Came::Undone,
                EffectState::Failed | EffectState::NotApplied => {
                    Came::Again(effect.detail.clone().unwrap_or_else(why))
                }
                EffectState::Parked => {
                    let why = "nobody knows whether it was taken back: `huntbook resolve` settles it";
                    Came::Wait(Some(why.to_owned()))
                }
                EffectState::Intended | EffectState::Pending | EffectState::Unknown => Came::Wait(None),
            },
            None => match detail.approvals.first() {
                Some(asked) if matches!(asked.state, ApprovalState::Rejected | ApprovalState::Expired) => {
                    Came::Kept(asked.reason.clone().unwrap_or_else(why))
                }
                _ => Came::Again(why()),
            },
        })
    }
}

/// What is written down with an action about taking it back, if something does.
pub(super) fn new_revert(context: &Context<'_>, step: &Step, call: &Call) -> Option<NewRevert> {
    let undo = Undo::of(&call.operation)?;
    let (after, approval) = match &step.revert {
        Some(RevertRule { after, approval }) => (Some(*after), approval.clone()),
        None => (None, None),
    };
    let plan = context.plan();
    Some(NewRevert {
        action: undo.kind().as_str().to_owned(),
        undo: serde_json::to_value(&undo).unwrap_or(Value::Null),
        after,
        approval: approval.and_then(|approval| serde_json::to_value(approval).ok()),
        playbook_name: plan.about.name.clone(),
        version: plan.version,
        author: plan.about.author.clone(),
    })
}

/// What is noted of an action that was in force before: it is not huntbook's to take back.
pub(super) fn not_ours() -> RevertNote {
    let reason = Some("it was in force already: it is not huntbook's".to_owned());
    RevertNote { state: RevertState::Over, look_at: None, undo_run: None, tries: 0, reason }
}

/// What is noted of an account that is as it was to be, and nobody knows by whom: it stands until somebody asks.
pub(super) fn nobody_knows_whose() -> RevertNote {
    let reason = Some(
        "no answer came, and nobody knows who switched the account: ask for its end if it is huntbook's"
            .to_owned(),
    );
    RevertNote { state: RevertState::Standing, look_at: None, undo_run: None, tries: 0, reason }
}

/// Of what the playbook and the settings want the stricter; the playbook knows better whom to tell.
fn stricter(own: Option<Approval>, house: Option<Approval>) -> Option<Approval> {
    match (own, house) {
        (Some(own), Some(house)) => Some(Approval { minimum: own.minimum.max(house.minimum), ..own }),
        (own, house) => own.or(house),
    }
}
