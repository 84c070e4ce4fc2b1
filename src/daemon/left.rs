//! Runs that nobody carries out: those of a dead process, and those the journal failed under; and what is done once at a
//! time beside the schedule.
//!
//! Each run is taken up as a task beside the schedule, with the turn of its playbook in its tenant, so that a
//! tenant that does not answer holds up nobody else.

use std::pin::Pin;

use jiff::SignedDuration;

use super::run::{Daemon, plan_of};
use super::start::say;
use crate::diag::Chain;
use crate::engine::{EngineError, InForce as _, Present, Standing};
use crate::model::RunId;
use crate::plan::World;
use crate::schedule::{Key, Ticket};
use crate::store::{Alone, StoreError, Suspect, Trigger, Unfinished};

/// The turn of a playbook in a tenant, where runs are left.
#[derive(Debug)]
pub(super) struct Claim {
    key: Key,
    // Given back when the runs are dealt with.
    ticket: Ticket,
}

/// The right to do something beside the schedule. Dropping it, for whatever reason, gives it back.
#[derive(Debug)]
pub(super) struct Beside {
    daemon: Daemon,
    what: Tried,
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.daemon.known().beside.remove(&self.what);
    }
}

/// How long a run has the process for itself that may be why it died: what kills it does so at once, and what waits for
/// its device is not waited for.
const ALONE_FOR: SignedDuration = SignedDuration::from_secs(10);

/// How often what crashed is tried again.
pub(super) const TRIES_MAX: u32 = 2;

/// What is tried, and may crash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tried {
    /// Taking up a run.
    Run(RunId),
    /// Going on with what people decided about a run.
    Decided(RunId),
    /// Taking back what was done.
    Revert(Key),
}

impl Daemon {
    /// Counts a try that has not ended yet, and says whether there were too many: whoever does not come back
    /// to take the count away has crashed.
    pub(super) fn is_tried_too_often(&self, what: &Tried) -> bool {
        let mut known = self.known();
        let tries = known.tries.entry(what.clone()).or_default();
        *tries = tries.saturating_add(1);
        TRIES_MAX < *tries
    }

    /// Takes one try back: nobody could be told that there were too many.
    pub(super) fn tell_again(&self, what: &Tried) {
        if let Some(tries) = self.known().tries.get_mut(what) {
            *tries = TRIES_MAX;
        }
    }

    /// Whether nothing is tried any more.
    pub(super) fn is_given_up(&self, what: &Tried) -> bool {
        self.known().tries.get(what).is_some_and(|tries| TRIES_MAX < *tries)
    }

    /// Takes the turns of all who have runs left that nobody carries out. While a run of theirs goes on in its time, theirs
    /// is not free, and is taken when it is over; what takes something back has a right of its own.
    pub(super) async fn claim_left(&self) -> Result<Vec<Claim>, StoreError> {
        let left = self.0.engine.store.unfinished_keys().await?.into_iter().map(Key::from);
        let mut claims = Vec::new();
        self.known().left_behind.clear();
        for key in left.filter(|key| !self.is_quarantined(key.playbook)) {
            // Noted first: a run that ends right now either gives its turn or is heard of.
            self.known().left_behind.insert(key.clone());
            if let Some(ticket) = self.0.scheduler.claim(&key) {
                self.known().left_behind.remove(&key);
                claims.push(Claim { key, ticket });
            }
        }
        Ok(claims)
    }

    /// Looks again for what was left, if that could not be taken up for the run that has just given its turn back.
    pub(super) fn heed_left_behind(&self, key: &Key) {
        if self.known().left_behind.remove(key) {
            self.0.left.notify_one();
        }
    }

    /// Takes the right to do something beside the schedule, if nobody is at it.
    pub(super) fn beside(&self, what: Tried) -> Option<Beside> {
        let is_free = self.known().beside.insert(what.clone());
        is_free.then(|| Beside { daemon: self.clone(), what })
    }

    /// Does something about a run. If the process died a short while ago each of these has it for itself at first: then it
    /// is known at which one it dies, which is noted, and that playbook alone is stopped.
    pub(super) async fn alone_at_first<T>(
        &self,
        suspect: Suspect,
        mut work: Pin<Box<impl Future<Output = Result<T, EngineError>>>>,
    ) -> Result<T, EngineError> {
        let (store, clock) = (&self.0.engine.store, &self.0.engine.clock);
        if !store.has_died().await? {
            return work.await;
        }
        let alone = self.0.alone.lock().await;
        if !store.has_died().await? {
            // Those before took so long that it is long ago.
            drop(alone);
            return work.await;
        }
        store.note_alone(suspect, Alone::Holds).await?;
        let done = tokio::select! {
            done = &mut work => done,
            () = clock.sleep(ALONE_FOR) => {
                // What has begun goes on meanwhile, and whatever comes of the note.
                let noting = async {
                    self.note_alone(suspect, Alone::Survived).await;
                    drop(alone);
                };
                tokio::join!(work, noting).0
            }
        };
        self.note_alone(suspect, Alone::Over).await;
        done
    }

    async fn note_alone(&self, suspect: Suspect, alone: Alone) {
        if let Err(error) = self.0.engine.store.note_alone(suspect, alone).await {
            tracing::warn!(error = %Chain(&error), "how a run stands that was tried alone could not be noted");
        }
    }

    /// Takes a run up.
    async fn take_up_one(&self, unfinished: Unfinished, present: &Present<'_>) -> Result<(), EngineError> {
        // Nobody closes it; without a turn it would only be one more at once.
        let _turn = self.0.turns.acquire().await;
        let engine = &self.0.engine;
        // What only waits is carried out by nobody.
        if !matches!(self.0.standing((&unfinished.run).into()), Standing::Held) {
            engine.store.carry(unfinished.run.id).await?;
        }
        let tried = Tried::Run(unfinished.run.id);
        let taken = if self.is_tried_too_often(&tried) {
            let why = format!("it crashed, and {TRIES_MAX} times again when it was taken up");
            engine.give_up(unfinished, why).await
        } else {
            engine.take_up(unfinished, present).await
        };
        self.known().tries.remove(&tried);
        taken.map(drop)
    }

    /// Takes up every run of one playbook in one tenant, and makes room for what was left meanwhile.
    pub(super) async fn take_up(&self, Claim { key, ticket }: Claim) -> Result<(), EngineError> {
        let taken = self.take_up_each(&key).await;
        drop(ticket);
        self.heed_left_behind(&key);
        taken
    }

    /// Takes them up one after the other, the oldest first.
    async fn take_up_each(&self, key: &Key) -> Result<(), EngineError> {
        let engine = &self.0.engine;
        // Asked for again: what ended before the turn was taken is not left any more.
        for (run, trigger) in engine.store.unfinished_of(&key.tenant, key.playbook).await? {
            let right =
                if trigger == Trigger::Revert { Some(self.beside(Tried::Revert(key.clone()))) } else { None };
            // It is not left: somebody is at it, or was while the ones before it took their time.
            if matches!(right, Some(None)) {
                continue;
            }
            let Some(unfinished) = engine.store.unfinished_run(run).await? else { continue };
            let name = unfinished.run.playbook_name.clone();
            let live = self.0.live.load_full();
            let world = World { lists: (*live.lists).clone(), ..self.0.options.world.clone() };
            let present =
                Present { in_force: &*self.0, plan_of: &|name, bytes| plan_of(name, bytes, &world) };
            let suspect = Suspect::Run(key.playbook, run);
            let taken = self.alone_at_first(suspect, Box::pin(self.take_up_one(unfinished, &present))).await;
            self.0.outbox.notify_one();
            if let Err(error) = taken {
                say(&error, &name);
                return Err(error);
            }
        }
        self.0.outbox.notify_one();
        Ok(())
    }
}
