//! Runs that were cut off: what they matched is dealt with, and what they may have sent is parked.

use std::sync::Arc;

use super::alert::Ended;
use super::context::{Context, Work};
use super::in_force::{InForce, Standing, stop};
use super::{Counts, Engine, EngineError, ItemOutcome, ItemReport, Order, Report, StepReport, StepState};
use crate::diag::Chain;
use crate::fault::crash_point;
use crate::plan::{Mode, Plan};
use crate::store::{
    Approval, Effect, EffectState, Item, Remedy, Run, RunDetail, RunMode, StoreError, Trigger, Unfinished,
};

/// Compiles the stored bytes of a version, given the playbook's name; says why if it cannot.
pub type PlanOf<'a> = &'a (dyn Fn(&str, &[u8]) -> Result<Plan, String> + Sync);

/// What runs that were cut off go by besides their own version.
#[derive(Clone, Copy)]
pub struct Present<'a> {
    /// What is in force.
    pub in_force: &'a dyn InForce,
    /// Compiles a version.
    pub plan_of: PlanOf<'a>,
}

/// What came of a run that was cut off.
#[derive(Debug)]
pub enum TakenUp {
    /// It was taken to its end.
    Finished(Box<Report>),
    /// It does not act any more: its playbook is gone, only observes or has expired. Its items come up again
    /// if the playbook does.
    Stopped {
        /// What it did before, and what was left.
        report: Box<Report>,
        /// Why.
        reason: String,
    },
    /// It cannot be taken up. It is ended.
    Abandoned {
        /// The run.
        unfinished: Box<Unfinished>,
        /// Why.
        reason: String,
    },
    /// It is left as it is until somebody knows how its playbook stands.
    Waits {
        /// The run.
        unfinished: Box<Unfinished>,
    },
}

/// What a restart found and did.
#[derive(Debug, Default)]
pub struct Resumed {
    /// Effects that may or may not have been applied; they wait for a person.
    pub parked: Vec<Effect>,
    /// What came of each run that was cut off.
    pub runs: Vec<TakenUp>,
}

impl Engine {
    /// Parks what a dead process may have sent. Call it once, before the first run.
    ///
    /// # Errors
    ///
    /// If the journal fails; then nothing may run.
    pub async fn park_in_doubt(&self) -> Result<Vec<Effect>, StoreError> {
        let parked = self.store.park_in_doubt().await?;
        parked.iter().for_each(say_parked);
        Ok(parked)
    }

    /// Parks what is in doubt and takes up every unfinished run, one after the other, but those at whose playbook a
    /// process died again and again. Call it before the first run, where nothing else goes on.
    ///
    /// # Errors
    ///
    /// If the journal fails; then nothing may run.
    pub async fn resume(&self, present: &Present<'_>) -> Result<Resumed, EngineError> {
        let mut resumed = Resumed { parked: self.park_in_doubt().await?, ..Resumed::default() };
        let stops = self.store.stops().await?;
        for unfinished in self.store.unfinished().await? {
            if stops.iter().any(|stop| stop.is_quarantine_of(unfinished.run.playbook)) {
                continue;
            }
            resumed.runs.push(self.take_up(unfinished, present).await?);
        }
        Ok(resumed)
    }

    /// Takes an unfinished run to its end with the version of the playbook it began with, if that may still
    /// act. Nobody else may carry it out meanwhile.
    ///
    /// # Errors
    ///
    /// If the journal fails. What is wrong with this one run alone is no error: it is abandoned.
    pub async fn take_up(
        &self,
        unfinished: Unfinished,
        present: &Present<'_>,
    ) -> Result<TakenUp, EngineError> {
        let run = unfinished.run.id;
        // Nothing is asked of a tenant about what cannot be noted.
        self.store.insist_on_reserve()?;
        let taken = self.try_to_take_up(&unfinished, present).await;
        let taken = taken.map_err(|error| error.in_the_middle_of(run)).or_else(its_own_fault)?;
        Ok(match taken {
            Tried::Finished(report) => TakenUp::Finished(Box::new(report)),
            Tried::Stopped(report, reason) => TakenUp::Stopped { report: Box::new(report), reason },
            Tried::Waits => {
                tracing::warn!(%run, playbook = %unfinished.run.playbook_name, "a run that was cut off waits: nobody knows whether its playbook was removed on purpose");
                TakenUp::Waits { unfinished: Box::new(unfinished) }
            }
            Tried::Impossible(reason) => self.give_up(unfinished, reason).await?,
        })
    }

    /// Ends a run that is not taken up; what it left is news to the next one, and people are told. Nobody else
    /// may carry it out meanwhile.
    ///
    /// # Errors
    ///
    /// If the journal fails.
    pub async fn give_up(&self, unfinished: Unfinished, reason: String) -> Result<TakenUp, EngineError> {
        let run = unfinished.run.id;
        match self.store.park_run(run).await {
            Ok(parked) => parked.iter().for_each(say_parked),
            Err(error) => drop(its_own_fault(error.into())?),
        }
        crash_point("c38_giving_up");
        let abandoned = self.abandon(&unfinished, &reason).await;
        if let Err(error) = abandoned.map_err(|error| error.in_the_middle_of(run)) {
            // What even its end fails on is left for a person, who is told all the same.
            its_own_fault(error)?;
            let ended = Ended::left(&unfinished.run);
            if let Some(alert) = self.stopped_alert(&ended, ("cannot be taken up", &reason)) {
                self.store.enqueue(&alert).await?;
            }
        }
        Ok(TakenUp::Abandoned { unfinished: Box::new(unfinished), reason })
    }

    async fn try_to_take_up(
        &self,
        unfinished: &Unfinished,
        present: &Present<'_>,
    ) -> Result<Tried, EngineError> {
        let Unfinished { run, items } = unfinished;
        // Of a dead process's effects none is left by now; this one's may be.
        self.store.park_run(run.id).await?.iter().for_each(say_parked);
        let standing = present.in_force.standing(run.into());
        if matches!(standing, Standing::Held) && run.trigger != Trigger::Revert {
            return Ok(Tried::Waits);
        }
        let Some(tenant) = self.tenants.get(&run.tenant) else {
            return Ok(Tried::Impossible(format!("there is no tenant `{}` any more", run.tenant)));
        };
        let order = match self.order_of(run, present).await? {
            Ok(order) => order,
            Err(reason) => return Ok(Tried::Impossible(reason)),
        };
        // What it matched is as old as the run; a run that has matched nothing yet asks the tenant now.
        let bounds = if run.batched {
            self.bounds_since(present.in_force, run.started)
        } else {
            self.bounds(present.in_force)
        };
        let context = Context::new(&order, &**tenant, (run.id, run.started), bounds);
        tracing::warn!(run = %run.id, playbook = %run.playbook_name, items = items.len(), "a run that was cut off is taken up again");
        let earlier = self.store.run(run.id).await?;
        // What is over needs no leave: only its end is written, and people are told of it.
        let is_over = run.batched && items.is_empty();
        let stopped = stop(&order, &standing, self.clock.now()).filter(|_reason| !is_over);
        if let Some(reason) = stopped {
            if !run.batched {
                let state = (super::RunState::Idle, Some(reason));
                let report = self.close(&context, counts_of(unfinished), state).await?;
                return Ok(Tried::Finished(report));
            }
            let report = self.stop(&context, unfinished, earlier, &reason).await?;
            return Ok(Tried::Stopped(report, reason));
        }
        if !run.batched {
            return Ok(Tried::Finished(self.carry_out(&context).await?));
        }
        // Items dealt with before the crash are told about all the same: messages go out with the run's end.
        let earlier = earlier.map(dealt_with).unwrap_or_default();
        let work = items.iter().cloned();
        let work = work.map(|item| Work { seq: item.seq, key: item.key, data: item.data });
        let report = Box::pin(self.settle(&context, counts_of(unfinished), earlier, work.collect())).await?;
        Ok(Tried::Finished(report))
    }

    /// The order that was being carried out.
    pub(super) async fn order_of(
        &self,
        run: &Run,
        present: &Present<'_>,
    ) -> Result<Result<Order, String>, EngineError> {
        if run.trigger == Trigger::Revert {
            return self.undo_order(run, present.in_force.lists()).await;
        }
        let Some(bytes) = self.store.version_bytes(run.version).await? else {
            return Ok(Err("the version of the playbook it used is not kept any more".to_owned()));
        };
        Ok((present.plan_of)(&run.playbook_name, &bytes).map(|plan| Order {
            // One that began as an observer ends as one.
            plan: Arc::new(if run.mode == RunMode::Observe && plan.mode == Mode::Enforce {
                let first =
                    plan.guards.ceilings.observe_first.max(plan.guards.written.observe_first.unwrap_or(0));
                plan.observing(first)
            } else {
                plan
            }),
            lists: present.in_force.lists(),
            tenant: run.tenant.clone(),
            trigger: run.trigger,
            by: run.by.clone(),
            slot: run.scheduled_for,
            effects: run.effects,
        }))
    }
}

/// What came of the first try, before a run is given up.
enum Tried {
    Finished(Report),
    Stopped(Report, String),
    Waits,
    Impossible(String),
}

pub(super) fn say_parked(effect: &Effect) {
    tracing::error!(action = %effect.action, target = %effect.target, run = %effect.run, "an action may or may not have been taken before its run was cut off: it is parked for a person");
}

/// Why a run cannot be taken up, if that says nothing about the journal and the other runs in it.
fn its_own_fault(error: EngineError) -> Result<Tried, EngineError> {
    match &error {
        EngineError::Store(own) | EngineError::CutOff { source: own, .. }
            if own.remedy() == Remedy::Refuse =>
        {
            Ok(Tried::Impossible(Chain(own).to_string()))
        }
        EngineError::NoTenant(_) => Ok(Tried::Impossible(Chain(&error).to_string())),
        EngineError::Store(_) | EngineError::CutOff { .. } | EngineError::Ending { .. } => Err(error),
    }
}

/// What was counted when the items were written down.
pub(super) fn counts_of(unfinished: &Unfinished) -> Counts {
    serde_json::from_value(unfinished.run.counts.clone()).unwrap_or_default()
}

/// The reports of the items that were dealt with before a crash, as the journal tells them.
pub(super) fn dealt_with(detail: RunDetail) -> Vec<ItemReport> {
    let RunDetail { items, effects, approvals, .. } = detail;
    let effects: Vec<Effect> = effects.into_iter().map(|(effect, _history)| effect).collect();
    let report = |item: Item| {
        let outcome = ItemOutcome::journalled(&item.outcome)?;
        let done = effects.iter().filter(|effect| effect.seq == item.seq).map(step_report);
        let asked = approvals.iter().filter(|asked| asked.seq == item.seq);
        let asked = asked.filter(|asked| !effects.iter().any(|effect| effect.key == asked.effect));
        let steps = done.chain(asked.map(asked_report)).collect();
        Some(ItemReport {
            seq: item.seq,
            key: item.key,
            outcome,
            reason: item.reason,
            steps,
            data: item.data,
        })
    };
    items.into_iter().filter_map(report).collect()
}

/// How a step stands that people were asked about.
fn asked_report(asked: &Approval) -> StepReport {
    let target = asked.target.split_once(':').map_or("", |(_kind, id)| id).to_owned();
    StepReport {
        id: asked.step.clone(),
        action: asked.action.clone(),
        target,
        state: super::leave::state_of(asked.state),
        reason: asked.reason.clone(),
        remote_id: None,
    }
}

/// How an effect that was sent before a restart ended.
pub(super) fn step_report(effect: &Effect) -> StepReport {
    let state = match effect.state {
        EffectState::Done => StepState::Done,
        EffectState::Pending => StepState::Accepted,
        EffectState::NotApplied | EffectState::Failed => StepState::Failed,
        EffectState::Intended | EffectState::Unknown | EffectState::Parked => StepState::Parked,
    };
    StepReport {
        id: effect.step.clone(),
        action: effect.action.clone(),
        target: effect.target.clone(),
        state,
        reason: effect.detail.clone(),
        remote_id: effect.remote_id.clone(),
    }
}
