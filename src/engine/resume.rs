//! After a restart: what a dead process matched is dealt with, and what it may have sent is parked.

use std::sync::Arc;

use super::context::{Context, Work};
use super::{Counts, Engine, EngineError, ItemOutcome, ItemReport, Order, Report, StepReport, StepState};
use crate::diag::Chain;
use crate::model::Lists;
use crate::plan::Plan;
use crate::store::{Effect, EffectState, Item, Remedy, RunDetail, RunEnd, RunState, Unfinished};

/// Compiles the stored bytes of a version, given the playbook's name; says why if it cannot.
pub type PlanOf<'a> = &'a (dyn Fn(&str, &[u8]) -> Result<Plan, String> + Sync);

/// What a restart found and did.
#[derive(Debug, Default)]
pub struct Resumed {
    /// Effects that may or may not have been applied; they wait for a person.
    pub parked: Vec<Effect>,
    /// Runs taken to their end.
    pub reports: Vec<Report>,
    /// Runs that could not be, each with the reason.
    pub abandoned: Vec<(Unfinished, String)>,
}

impl Engine {
    /// Parks what is in doubt and takes every unfinished run to its end, with the version of the playbook
    /// it began with. Call it once, before the first run.
    ///
    /// `plan_of` compiles the stored bytes of a version; it says why if it cannot.
    ///
    /// # Errors
    ///
    /// If the journal fails; then nothing may run.
    pub async fn resume(&self, lists: &Arc<Lists>, plan_of: PlanOf<'_>) -> Result<Resumed, EngineError> {
        let mut resumed = Resumed { parked: self.store.park_in_doubt().await?, ..Resumed::default() };
        for effect in &resumed.parked {
            tracing::error!(action = %effect.action, target = %effect.target, run = %effect.run, "an action may or may not have been taken before the restart: it is parked for a person");
        }
        for unfinished in self.store.unfinished().await? {
            let reason = match self.order_of(&unfinished, lists, plan_of).await? {
                Ok(order) => match self.take_up(&order, &unfinished).await {
                    Ok(report) => {
                        resumed.reports.push(report);
                        continue;
                    }
                    Err(error) => its_own_fault(error)?,
                },
                Err(reason) => reason,
            };
            self.abandon(&unfinished, &reason).await?;
            resumed.abandoned.push((unfinished, reason));
        }
        Ok(resumed)
    }

    /// The order a dead process was carrying out.
    async fn order_of(
        &self,
        unfinished: &Unfinished,
        lists: &Arc<Lists>,
        plan_of: PlanOf<'_>,
    ) -> Result<Result<Order, String>, EngineError> {
        let run = &unfinished.run;
        if !self.tenants.contains_key(&run.tenant) {
            return Ok(Err(format!("there is no tenant `{}` any more", run.tenant)));
        }
        let Some(bytes) = self.store.version_bytes(run.version).await? else {
            return Ok(Err("the version of the playbook it used is not kept any more".to_owned()));
        };
        Ok(plan_of(&run.playbook_name, &bytes).map(|plan| Order {
            plan: Arc::new(plan),
            lists: Arc::clone(lists),
            tenant: run.tenant.clone(),
            trigger: run.trigger,
            slot: run.scheduled_for,
            effects: run.effects,
        }))
    }

    /// Takes an unfinished run to its end.
    async fn take_up(&self, order: &Order, unfinished: &Unfinished) -> Result<Report, EngineError> {
        let Unfinished { run, items } = unfinished;
        let tenant =
            self.tenants.get(&order.tenant).ok_or_else(|| EngineError::NoTenant(order.tenant.clone()))?;
        let context = Context::new(order, Arc::clone(tenant), run.id, run.started);
        tracing::warn!(run = %run.id, playbook = %run.playbook_name, items = items.len(), "a run that was cut off is taken up again");
        if !run.batched {
            return self.carry_out(&context).await;
        }
        let counts: Counts = serde_json::from_value(run.counts.clone()).unwrap_or_default();
        // Items dealt with before the crash are told about all the same: messages go out with the run's end.
        let earlier = self.store.run(run.id).await?.map(dealt_with).unwrap_or_default();
        let work = items.iter().cloned();
        let work = work.map(|item| Work { seq: item.seq, key: item.key, data: item.data });
        self.settle(&context, counts, earlier, work.collect()).await
    }

    /// Ends a run that cannot be taken up; its items stay visible, settled as failed.
    async fn abandon(&self, unfinished: &Unfinished, reason: &str) -> Result<(), EngineError> {
        let run = unfinished.run.id;
        tracing::error!(%run, reason, "a run that was cut off cannot be taken up again");
        // Some of its items may have been dealt with before it failed again.
        for item in self.store.unsettled(run).await? {
            self.store.item_outcome(run, item.seq, "failed", Some(reason)).await?;
        }
        let end = RunEnd {
            state: RunState::Failed,
            error: Some(reason.to_owned()),
            counts: unfinished.run.counts.clone(),
            report: unfinished.run.report.clone(),
        };
        Ok(self.store.finish_run(run, &end, &[]).await?)
    }
}

/// Why a run cannot be taken up, if that says nothing about the journal and the other runs in it.
fn its_own_fault(error: EngineError) -> Result<String, EngineError> {
    let alone = match &error {
        EngineError::NoTenant(_) => true,
        EngineError::Store(error) => error.remedy() == Remedy::Refuse,
    };
    if alone { Ok(Chain(&error).to_string()) } else { Err(error) }
}

/// The reports of the items that were dealt with before a crash, as the journal tells them.
fn dealt_with(detail: RunDetail) -> Vec<ItemReport> {
    let RunDetail { items, effects, .. } = detail;
    let effects: Vec<Effect> = effects.into_iter().map(|(effect, _history)| effect).collect();
    let report = |item: Item| {
        let outcome = ItemOutcome::journalled(&item.outcome)?;
        let steps = effects.iter().filter(|effect| effect.seq == item.seq).map(step_report).collect();
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

fn step_report(effect: &Effect) -> StepReport {
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
