//! What is in force while a run goes on, and whether the run may still act: asked before each of its actions.
//!
//! A run keeps its plan. It does not keep the right to act: who takes its playbook away, switches it off, lets
//! it only observe or protects a target stops what has not begun yet, and what is stopped so is news if the
//! playbook comes back.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::context::Context;
use super::leave::Turn;
use super::lookup::candidate;
use super::{Engine, EngineError, Order};
use crate::guard::{Candidate, GuardLimits, excluded};
use crate::model::{Lists, PlaybookId};
use crate::plan::{Mode, Plan};
use crate::store::{ContentHash, Run, Trigger};

/// Longest time a run may take. What was decided on what the tenant said longer ago is not done any more; a
/// run that works takes minutes, and a day's worth of waiting for a tenant that throttles would keep its
/// playbook from starting.
pub const RUN_MAX: SignedDuration = SignedDuration::from_hours(4);

/// How long before its time is over a run begins nothing new of what people decide meanwhile: as long as a device may be
/// waited for.
const BEGIN_BEFORE: SignedDuration = SignedDuration::from_hours(1);

/// How a playbook stands at the moment.
#[derive(Debug, Clone)]
pub enum Standing {
    /// This is in force.
    InForce(Arc<Plan>),
    /// Its file is gone together with most others, and nobody knows yet whether on purpose.
    Held,
    /// It is not in force.
    Gone,
}

/// Which run asks how its playbook stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Which {
    /// Its playbook.
    pub playbook: PlaybookId,
    /// The version it began with.
    pub version: ContentHash,
    /// Why it runs.
    pub trigger: Trigger,
}

impl From<&Run> for Which {
    fn from(run: &Run) -> Self {
        Self { playbook: run.playbook, version: run.version, trigger: run.trigger }
    }
}

impl From<&Order> for Which {
    fn from(order: &Order) -> Self {
        Self { playbook: order.plan.about.id, version: order.plan.version, trigger: order.trigger }
    }
}

/// What is in force, at the moment of the question.
#[async_trait]
pub trait InForce: std::fmt::Debug + Send + Sync {
    /// The lists.
    fn lists(&self) -> Arc<Lists>;

    /// How the playbook of a run stands.
    fn standing(&self, run: Which) -> Standing;

    /// Whether the process ends: then no further action begins, and what is left waits for the next start.
    fn is_ending(&self) -> bool {
        false
    }

    /// Waits until the process ends.
    async fn ending(&self) {
        std::future::pending::<()>().await;
    }
}

/// What is in force where nothing changes meanwhile.
#[derive(Debug, Clone)]
pub struct Unchanging {
    /// The lists.
    pub lists: Arc<Lists>,
    /// How every playbook stands.
    pub standing: Standing,
}

impl InForce for Unchanging {
    fn lists(&self) -> Arc<Lists> {
        Arc::clone(&self.lists)
    }

    fn standing(&self, _run: Which) -> Standing {
        self.standing.clone()
    }
}

/// Within what a run acts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds<'a> {
    in_force: &'a dyn InForce,
    until: Timestamp,
}

impl Bounds<'_> {
    /// Whether the process ends.
    pub(super) fn is_ending(&self) -> bool {
        self.in_force.is_ending()
    }

    /// Waits until the process ends.
    pub(super) async fn ending(&self) {
        self.in_force.ending().await;
    }

    /// How the playbook of an order stands.
    pub(super) fn standing(&self, order: &Order) -> Standing {
        self.in_force.standing(order.into())
    }

    /// Whether there is so much time left that something new may be begun.
    pub(super) fn is_early(&self, now: Timestamp) -> bool {
        now.checked_add(BEGIN_BEFORE).is_ok_and(|then| then <= self.until)
    }
}

impl Engine {
    /// The bounds of a run that begins now, or that goes on now because people gave it leave.
    pub(super) fn bounds<'a>(&self, in_force: &'a dyn InForce) -> Bounds<'a> {
        self.bounds_since(in_force, self.clock.now())
    }

    /// The bounds of a run that acts on what the tenant said at `asked`, or later.
    pub(super) fn bounds_since<'a>(&self, in_force: &'a dyn InForce, asked: Timestamp) -> Bounds<'a> {
        let since = asked.min(self.clock.now());
        Bounds { in_force, until: since.checked_add(RUN_MAX).unwrap_or(Timestamp::MAX) }
    }

    /// Does something that only reads; `None` if the run's time is over before that is done.
    pub(super) async fn in_time<T>(
        &self,
        context: &Context<'_>,
        reading: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::select! {
            biased;
            () = self.clock.limit(context.bounds.until) => None,
            read = reading => Some(read),
        }
    }

    /// Asks right before a call whether it may still be made, with the lists of this moment; what is allowed
    /// it, or why it is halted.
    ///
    /// # Errors
    ///
    /// [`EngineError::Ending`] if the process ends.
    pub(super) fn still_may(
        &self,
        context: &Context<'_>,
        turn: Turn<'_>,
    ) -> Result<Result<GuardLimits, String>, EngineError> {
        let Bounds { in_force, until } = context.bounds;
        if in_force.is_ending() {
            return Err(EngineError::Ending { run: context.run });
        }
        let now = self.clock.now();
        if until <= now {
            return Ok(Err(too_long()));
        }
        let standing = in_force.standing(context.order.into());
        // What is held is in force until somebody looks.
        let held = matches!(standing, Standing::Held);
        if let Some(why) = stop(context.order, &standing, now).filter(|_why| !held) {
            return Ok(Err(why));
        }
        let lists = in_force.lists();
        let Ok(limits) = context.plan().guards.limits(&lists) else {
            return Ok(Err("a list that protects targets is not there".to_owned()));
        };
        let Turn { seq, call, target, .. } = turn;
        let candidate = candidate((seq, call), target.clone());
        let before = context.plan().guards.limits(&context.order.lists).ok();
        let excludes = |limits: &GuardLimits| {
            // The target was looked up for what was protected then. What is protected since has to be told
            // apart from it, whatever the action.
            let is_new = before.as_ref().is_none_or(|before| before.exclude != limits.exclude);
            let destructive = candidate.destructive || is_new;
            excluded(&limits.exclude, &Candidate { destructive, ..candidate.clone() })
        };
        let mut why = excludes(&limits);
        if let (None, Standing::InForce(present)) = (&why, &standing)
            && present.version != context.plan().version
        {
            // What its author protects by now is protected from the version before, too.
            why = present.guards.limits(&lists).ok().as_ref().and_then(excludes);
        }
        Ok(why.map_or(Ok(limits), |why| Err(why.to_string())))
    }
}

/// Why a run ends that takes too long.
pub(super) fn too_long() -> String {
    format!("the run took longer than {RUN_MAX:#}")
}

/// Why a run of a file that is not in force stays cut off: only who gave the file by hand wanted it to act.
const BY_HAND: &str = "it was started by hand with a playbook that is not in force as it was: run it again";

/// Why a run must not act any more, if it must not: the version it began with does not know that its playbook
/// was taken away, switched off or lets others act by now.
pub(super) fn stop(order: &Order, standing: &Standing, now: Timestamp) -> Option<String> {
    if order.trigger == Trigger::Revert {
        // What was done is taken back whatever has become of the playbook.
        return None;
    }
    let by_hand = order.trigger == Trigger::Manual;
    let Standing::InForce(present) = standing else {
        let gone = if by_hand { BY_HAND } else { "its playbook is not in force any more" };
        return Some(gone.to_owned());
    };
    if present.has_expired(now) {
        Some("its playbook has expired".to_owned())
    } else if present.mode == Mode::Observe && order.plan.mode == Mode::Enforce {
        Some("its playbook only observes by now".to_owned())
    } else if present.rule.is_none() && order.plan.rule.is_some() {
        Some("its schedule is switched off".to_owned())
    } else if !present.is_for(&order.tenant) {
        Some("its playbook is not for the tenant any more".to_owned())
    } else if by_hand && present.version != order.plan.version {
        Some(BY_HAND.to_owned())
    } else {
        None
    }
}
