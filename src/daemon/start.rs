//! What is due begins, as soon as the journal can note that it does.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::run::Daemon;
use crate::diag::Chain;
use crate::engine::{EngineError, Order, Ran};
use crate::schedule::{Due, Key, Start};
use crate::store::{Effects, NewSkip, Remedy};

/// How long the journal is left alone after it failed under a run, before that is tried again. Short, because
/// what it matched waits; long enough that a full disk is not asked all the time.
pub(super) const TRY_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// Why a playbook does not run at which the process died.
const DIED: &str = "the process died at it again and again: it runs again after `huntbook resume --playbook`";

impl Daemon {
    /// Runs what is due, and makes room for what was left meanwhile.
    pub(super) async fn take_turn(&self, start: Start) -> Result<(), EngineError> {
        let key = start.due.key.clone();
        let ended = self.start(start).await;
        self.heed_left_behind(&key);
        ended
    }

    /// Runs what is due. A slot is not let go because the journal was busy or full at its moment: of a run that
    /// could not be noted nothing is left, so it begins later, in the same turn.
    pub(super) async fn start(&self, start: Start) -> Result<(), EngineError> {
        let mut tried = false;
        let Some(start) = self.held_back(start).await? else { return Ok(()) };
        loop {
            match self.begin(&start.due).await {
                Err(error @ EngineError::Store(_)) if error.remedy() == Remedy::Wait => {
                    let Due { key, slot, .. } = &start.due;
                    if !tried {
                        tracing::warn!(playbook = %key.playbook, tenant = %key.tenant, %slot, error = %Chain(&error), "a run that is due could not begin: it is tried again");
                    }
                    tokio::select! {
                        () = self.0.engine.clock.sleep(TRY_AGAIN) => tried = true,
                        () = self.0.ending.cancelled() => return Err(error),
                    }
                }
                Ok(Some(Ran::SlotTaken)) if tried => {
                    // It was noted after all, and nobody carries it out.
                    drop(start);
                    self.0.left.notify_one();
                    return Ok(());
                }
                ended => return ended.map(drop),
            }
        }
    }

    /// Holds a run back while its playbook's queries cool down: asked now, the service would refuse them, and the
    /// playbook's turn is not one that others wait for. `None` if it does not begin at all.
    async fn held_back(&self, start: Start) -> Result<Option<Start>, EngineError> {
        let Some(until) = self.cools_until(&start.due.key) else { return Ok(Some(start)) };
        let Start { due, ticket } = start;
        tracing::info!(playbook = %due.key.playbook, tenant = %due.key.tenant, slot = %due.slot, until = %format_args!("{until:.0}"), "a run that is due waits: the playbook's queries cost too much, and cool down");
        // Out of turn, it waits in nobody's way.
        drop(ticket);
        let Some(ticket) = self.0.scheduler.claim(&due.key) else {
            let skip = NewSkip { slot: due.slot, behind: None, why: "another run of it began first" };
            self.0.engine.store.skip_slot(due.key.playbook, &due.key.tenant, &skip).await?;
            return Ok(None);
        };
        tokio::select! {
            () = self.0.engine.clock.sleep_until(until) => Ok(Some(Start { due, ticket })),
            // The next process finds the slot missed.
            () = self.0.ending.cancelled() => Ok(None),
        }
    }

    /// Until when a playbook may not hunt in a tenant for what its queries have cost.
    fn cools_until(&self, key: &Key) -> Option<Timestamp> {
        let tenant = self.0.engine.tenants.get(&*key.tenant)?;
        let name = key.playbook.to_string();
        tenant.headroom().iter().filter_map(|room| room.cooling.get(&name)).max().copied()
    }

    /// Runs what is due once, with the generation of this moment; `None` if that does not have it any more.
    async fn begin(&self, due: &Due) -> Result<Option<Ran>, EngineError> {
        let live = self.0.live.load_full();
        let Some(playbook) = live.playbooks.get(&due.key.playbook) else { return Ok(None) };
        let plan = &playbook.plan;
        // A reload may have come between the slot and this moment.
        if plan.rule.is_none() || !plan.is_for(&due.key.tenant) {
            tracing::info!(playbook = %plan.about.name, tenant = %due.key.tenant, "a playbook was due that has no schedule in the tenant any more; it does not run");
            return Ok(None);
        }
        if plan.has_expired(self.0.engine.clock.now()) {
            tracing::info!(playbook = %plan.about.name, "an expired playbook was due; it does not run");
            return Ok(None);
        }
        let died = self.is_quarantined(due.key.playbook).then_some(DIED);
        let disarmed = match died {
            Some(why) => Some(why),
            None => self.disarmed(plan, &live.lists, &due.key.tenant).await,
        };
        if let Some(why) = disarmed {
            let skip = NewSkip { slot: due.slot, behind: None, why };
            self.0.engine.store.skip_slot(due.key.playbook, &due.key.tenant, &skip).await?;
            return Ok(None);
        }
        let order = Order {
            plan: Arc::clone(plan),
            lists: Arc::clone(&live.lists),
            tenant: due.key.tenant.to_string(),
            trigger: due.trigger,
            by: None,
            slot: Some(due.slot),
            effects: Effects::Apply,
        };
        let ran = self.0.engine.run_while(&order, &*self.0).await;
        self.0.outbox.notify_one();
        ran.map(Some).inspect_err(|error| say(error, &plan.about.name))
    }
}

/// Tells the log why a run of a playbook was not taken to its end.
pub(super) fn say(error: &EngineError, playbook: &str) {
    let why = Chain(error);
    if let EngineError::Ending { .. } = error {
        tracing::info!(playbook, error = %why, "a run waits for the next start");
    } else {
        tracing::error!(playbook, error = %why, "the journal failed under a run");
    }
}
