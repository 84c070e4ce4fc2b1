//! One run of one plan: input → dedup → when → where → suppress → guards → act → notify → record.
//!
//! The engine does no I/O of its own: it calls the tenant, the journal and the clock it was given. A run
//! keeps the plan it started with, and asks before each action whether its playbook and the lists in force
//! still let it act; one that was cut off is taken up in the same way. Nothing is sent before its intent is in the journal; a dry
//! run and a playbook that only observes take the same path up to the last call.

mod act;
mod afterwards;
mod alert;
mod answer;
mod approval;
mod canary;
mod collect;
mod context;
mod decide;
mod doubt;
mod fleet;
mod follow;
mod identity;
mod in_force;
mod in_hand;
mod join;
mod leave;
mod left_standing;
mod look;
mod lookup;
mod others;
mod own;
mod passage;
mod queue;
mod report;
mod restored;
mod resume;
mod revert;
mod said;
mod set;
mod settle;
mod shown;
mod stopped;
mod tell;
mod theirs;
mod undone;
mod usual;
mod wrong_clock;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::SharedClock;
use crate::diag::Chain;
use crate::fault::crash_point;
use crate::feed::{FeedError, Feeds};
use crate::hunt::HuntError;
use crate::model::{Lists, RunId};
use crate::plan::{Mode, Plan};
use crate::store::{
    Begun, ContentHash, Effects, NewRun, OutboxMessage, Remedy, RunEnd, RunMode, Starter, Store, StoreError,
    Trigger,
};
use crate::tenant::{Tenant, TenantError};

pub use approval::{APPROVAL_MESSAGE, Decided, WentOn};
pub use doubt::Doubts;
pub use in_force::{InForce, RUN_MAX, Standing, Unchanging, Which};
pub use lookup::MERGED_QUERY;
pub use report::{
    Counts, ItemOutcome, ItemReport, REPORT_VERSION, Report, RunState, StepReport, StepState, Told, ToldState,
};
pub use resume::{PlanOf, Present, Resumed, TakenUp};
pub use revert::Undoing;

use collect::Gathered;
use context::Context;
use undone::Known;

/// Everything a run needs besides its order. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The journal.
    pub store: Store,
    /// The clock.
    pub clock: SharedClock,
    /// The tenants, by their names in the settings.
    pub tenants: BTreeMap<String, Arc<dyn Tenant>>,
    /// Where feeds come from.
    pub feeds: Arc<dyn Feeds>,
    /// The channel that is told what a person should look at, whatever playbooks tell whom: a run that a guard
    /// halted, an action in doubt, a run that was cut off and does not go on, an action that came to nothing.
    pub alerts: Option<String>,
    /// The address of the page on which people may answer, if they have one: scheme, host and port.
    pub page: Option<String>,
    /// What the settings say of actions that are taken back.
    pub undoing: Undoing,
}

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Order {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The lists in force.
    pub lists: Arc<Lists>,
    /// The tenant, by its name.
    pub tenant: String,
    /// Why.
    pub trigger: Trigger,
    /// Who started it, if it is by hand: they approve nothing of it.
    pub by: Option<Starter>,
    /// The slot of the schedule it stands for.
    pub slot: Option<Timestamp>,
    /// Whether anything is changed.
    pub effects: Effects,
}

/// Why a run could not be recorded to its end. What goes wrong inside a run is in its [`Report`].
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No such tenant.
    #[error("there is no tenant `{0}` in the settings")]
    NoTenant(String),
    /// The journal failed before anything was done.
    #[error("the journal could not be written")]
    Store(#[from] StoreError),
    /// The journal failed in the middle of a run: nothing more is done, because nothing more could be
    /// proven. What was done before stands, and the rest can be taken up when the journal can be written.
    #[error("the journal could not be written in the middle of run `{run}`: the rest of it waits")]
    CutOff {
        /// The run.
        run: RunId,
        /// How it failed.
        #[source]
        source: StoreError,
    },
    /// The process ends, and no further action begins. What was done before stands; the next start takes the
    /// run up.
    #[error("the process ends in the middle of run `{run}`: the rest of it waits for the next start")]
    Ending {
        /// The run.
        run: RunId,
    },
}

impl EngineError {
    /// Says what can be done.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::NoTenant(_) => Remedy::Refuse,
            Self::Ending { .. } => Remedy::Wait,
            Self::Store(error) | Self::CutOff { source: error, .. } => error.remedy(),
        }
    }

    /// The same failure, of a run that had begun.
    fn in_the_middle_of(self, run: RunId) -> Self {
        match self {
            Self::Store(source) => Self::CutOff { run, source },
            Self::NoTenant(_) | Self::CutOff { .. } | Self::Ending { .. } => self,
        }
    }
}

/// Why a run ended without doing its work.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("{}", in_force::too_long())]
    TooLong,
    #[error(transparent)]
    Hunt(#[from] HuntError),
    #[error("the incidents could not be fetched")]
    Incidents(#[source] TenantError),
    #[error("the alerts could not be fetched")]
    Alerts(#[source] TenantError),
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error("`{what}` failed")]
    Condition {
        what: &'static str,
        #[source]
        source: crate::expr::EvalError,
    },
    #[error("`where` failed on {item}")]
    Item {
        item: String,
        #[source]
        source: crate::expr::EvalError,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of an order.
#[derive(Debug)]
pub enum Ran {
    /// It ran; this is what happened.
    Report(Box<Report>),
    /// Its slot has had a run already.
    SlotTaken,
}

impl Engine {
    /// Runs a plan once and returns what happened. Nothing it goes by changes meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Engine::run_while`].
    ///
    /// # Cancellation
    ///
    /// As [`Engine::run_while`].
    pub async fn run(&self, order: &Order) -> Result<Ran, EngineError> {
        let standing = Standing::InForce(Arc::clone(&order.plan));
        self.run_while(order, &Unchanging { lists: Arc::clone(&order.lists), standing }).await
    }

    /// Runs a plan once and returns what happened. What is in force is asked before each action.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the run could not be recorded, or not to its end. A run that failed is a
    /// [`Report`].
    ///
    /// # Cancellation
    ///
    /// A dropped run is like a killed process: what it matched is resumed at the next start, what it sent
    /// without an answer is parked.
    pub async fn run_while(&self, order: &Order, in_force: &dyn InForce) -> Result<Ran, EngineError> {
        let tenant =
            self.tenants.get(&order.tenant).ok_or_else(|| EngineError::NoTenant(order.tenant.clone()))?;
        let watched = self.at_first(order).await?;
        let order = watched.as_ref().unwrap_or(order);
        let started = in_journal(self.clock.now());
        let run = self.store.new_run(started)?;
        if self.store.begin_run(&new_run(order, run, started)).await? == Begun::SlotTaken {
            return Ok(Ran::SlotTaken);
        }
        tracing::info!(run = %run, playbook = %order.plan.about.name, tenant = %order.tenant, "a run has begun");
        let context = Context::new(order, &**tenant, (run, started), self.bounds(in_force));
        let report = self.carry_out(&context).await.map_err(|error| error.in_the_middle_of(run))?;
        Ok(Ran::Report(Box::new(report)))
    }

    /// The order as it is carried out while the playbook's version is so new that it only observes.
    async fn at_first(&self, order: &Order) -> Result<Option<Order>, EngineError> {
        let guards = &order.plan.guards;
        let first = guards.ceilings.observe_first.max(guards.written.observe_first.unwrap_or(0));
        if first == 0 || order.plan.mode == Mode::Observe || order.effects != Effects::Apply {
            return Ok(None);
        }
        let whose = (order.tenant.as_str(), order.plan.about.id);
        if first <= self.store.runs_of_version(whose, order.plan.version).await? {
            return Ok(None);
        }
        Ok(Some(Order { plan: Arc::new(order.plan.observing(first)), ..order.clone() }))
    }

    /// Takes a recorded run from its input to its end.
    async fn carry_out(&self, context: &Context<'_>) -> Result<Report, EngineError> {
        let mut counts = Counts::default();
        if context.plan().has_expired(context.started) {
            let reason = Some("its playbook has expired".to_owned());
            return self.close(context, counts, (RunState::Idle, reason)).await;
        }
        match self.gather(context, &mut counts).await {
            Ok(Gathered::Items(items)) => Box::pin(self.settle(context, counts, Vec::new(), items)).await,
            Ok(Gathered::Nothing { reason }) => {
                self.close(context, counts, (RunState::Idle, Some(reason))).await
            }
            Err(RunError::Store(error)) => Err(error.into()),
            Err(error) => {
                let reason = Chain(&error).to_string();
                tracing::warn!(run = %context.run, %reason, "a run has failed");
                self.close(context, counts, (RunState::Failed, Some(reason))).await
            }
        }
    }

    /// Ends a run that has no items.
    async fn close(
        &self,
        context: &Context<'_>,
        counts: Counts,
        (state, reason): (RunState, Option<String>),
    ) -> Result<Report, EngineError> {
        let mut report = context.report(counts, Vec::new(), self.clock.now());
        // Nothing among what could be read is not nothing.
        let blind = state == RunState::Idle && counts.quarantined > 0;
        (report.state, report.reason) = (if blind { RunState::Partial } else { state }, reason);
        let known = Known::default();
        let mut messages = self.tell(context, &mut report, &known);
        messages.extend(self.alerts_at_end(context, &report, (&known, &BTreeSet::new())));
        self.finish(context, report, (messages, None)).await
    }

    /// Writes the end of a run together with what people are told.
    async fn finish(
        &self,
        context: &Context<'_>,
        report: Report,
        (messages, undone): (Vec<OutboxMessage>, Option<ContentHash>),
    ) -> Result<Report, EngineError> {
        crash_point("c16_before_outbox");
        let json = |value: serde_json::Result<serde_json::Value>| value.unwrap_or_default();
        let end = RunEnd {
            state: report.state.in_journal(),
            error: (report.state == RunState::Failed).then(|| report.reason.clone()).flatten(),
            counts: json(serde_json::to_value(report.counts)),
            report: json(serde_json::to_value(&report)),
            undone,
        };
        self.store.finish_run(context.run, &end, &messages).await?;
        crash_point("c18_run_ended");
        tracing::info!(run = %report.run, state = report.state.as_str(), acted = report.counts.acted, "a run has ended");
        Ok(report)
    }
}

/// An instant as the journal keeps it. A run goes by this from its first moment, so that it says the same
/// after a restart: what a call says is part of what it is.
fn in_journal(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

fn new_run(order: &Order, run: RunId, started: Timestamp) -> NewRun {
    NewRun {
        id: run,
        playbook: order.plan.about.id,
        playbook_name: order.plan.about.name.clone(),
        version: order.plan.version,
        tenant: order.tenant.clone(),
        trigger: order.trigger,
        by: order.by.clone(),
        scheduled_for: order.slot,
        mode: match order.plan.mode {
            Mode::Observe => RunMode::Observe,
            Mode::Enforce => RunMode::Enforce,
        },
        effects: order.effects,
        started,
    }
}
