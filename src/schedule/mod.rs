//! When plans run.
//!
//! A [`Scheduler`] holds an entry for each playbook and tenant, waits on one timer for the earliest, and
//! hands out what is due, one at a time: `scheduler.next().await`. It knows nothing of what a run does.
//!
//! - One playbook runs once at a time in a tenant. What is due meanwhile is dropped or waits
//!   ([`Overlap`]).
//! - At most so many runs go on at once; the rest wait their turn, in the order they came due.
//! - A reload ([`Scheduler::set`]) neither drops nor repeats what is due.
//! - A clock that jumps starts no flood and repeats nothing; see `cadence`.
//!
//! All decisions are in [`Timetable`], which knows no clock; here is only the waiting.

mod timetable;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::clock::SharedClock;

pub use timetable::{Due, Entry, Key, Overlap, Skipped, Timetable};

/// Longest wait without a look at the clock, so that a clock that was set back by days is noticed.
const LOOK_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Hands out what is due. Cheap to clone; all clones are one scheduler.
#[derive(Debug, Clone)]
pub struct Scheduler(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: SharedClock,
    table: Mutex<Timetable>,
    /// Told when an entry changes or a run ends. One waiter, so one permit is enough.
    changed: Notify,
    /// What was dropped and nobody has asked about: of each entry the latest.
    skipped: Mutex<BTreeMap<Key, Skipped>>,
    /// Told when something was.
    dropped: Notify,
}

/// A run that may begin.
#[derive(Debug)]
pub struct Start {
    /// What is due.
    pub due: Due,
    /// Keep it until the run has ended.
    pub ticket: Ticket,
}

/// The right to run a playbook in a tenant. Dropping it, for whatever reason, lets the next one begin.
#[derive(Debug)]
pub struct Ticket {
    shared: Arc<Shared>,
    key: Key,
}

impl Scheduler {
    /// Makes a scheduler without entries that lets `running_max` runs go on at once.
    #[must_use]
    pub fn new(clock: SharedClock, running_max: NonZeroUsize) -> Self {
        let table = Mutex::new(Timetable::new(running_max));
        let (changed, dropped, skipped) = (Notify::new(), Notify::new(), Mutex::default());
        Self(Arc::new(Shared { clock, table, changed, skipped, dropped }))
    }

    /// Replaces all entries. What was due under the old ones is still handed out, unless its playbook is
    /// gone; what is running goes on.
    ///
    /// `marks` are the last slots the journal knows, for entries that are new here; an entry without one
    /// begins now. A cadence that changes begins anew.
    pub fn set(&self, entries: Vec<Entry>, marks: &BTreeMap<Key, Timestamp>) {
        let now = self.0.clock.now();
        let skipped = self.0.table().set(entries, marks, now);
        self.0.report(skipped);
        self.0.changed.notify_one();
    }

    /// Waits for the next run that may begin. One caller at a time.
    ///
    /// Cancel safe: dropping the future drops nothing that is due.
    pub async fn next(&self) -> Start {
        let shared = &self.0;
        loop {
            let now = shared.clock.now();
            let (skipped, due, wake) = {
                let mut table = shared.table();
                (table.advance(now), table.take(), table.wake())
            };
            shared.report(skipped);
            if let Some(due) = due {
                let ticket = Ticket { shared: Arc::clone(shared), key: due.key.clone() };
                return Start { due, ticket };
            }
            let look = now.checked_add(LOOK_AFTER).unwrap_or(Timestamp::MAX);
            match wake {
                Some(wake) => tokio::select! {
                    () = shared.clock.sleep_until(wake.min(look)) => {}
                    () = shared.changed.notified() => {}
                },
                None => shared.changed.notified().await,
            }
        }
    }

    /// Waits until something that was due is dropped, and says what: of each entry the latest. One caller at
    /// a time.
    ///
    /// Cancel safe: what was not said is said the next time.
    pub async fn skipped(&self) -> Vec<Skipped> {
        loop {
            let skipped = std::mem::take(&mut *self.0.skipped());
            if !skipped.is_empty() {
                return skipped.into_values().collect();
            }
            self.0.dropped.notified().await;
        }
    }

    /// Takes the right to run a playbook in a tenant now, out of turn; `None` while it is running there.
    /// Does not count against the number of runs at once. What comes due meanwhile waits, whatever its
    /// [`Overlap`]: it is not the schedule that is too dense.
    #[must_use]
    pub fn claim(&self, key: &Key) -> Option<Ticket> {
        self.0.table().claim(key).then(|| Ticket { shared: Arc::clone(&self.0), key: key.clone() })
    }

    /// How many entries run at this moment.
    #[must_use]
    pub fn running(&self) -> usize {
        self.0.table().running()
    }

    /// Lists when each entry starts next, soonest first. What is due and waits for its turn is not among
    /// them.
    #[must_use]
    pub fn upcoming(&self) -> Vec<(Timestamp, Key)> {
        self.0.table().upcoming()
    }
}

impl Shared {
    /// Lends the timetable. No lock is held over an `await`, and nothing in it panics half-way.
    fn table(&self) -> MutexGuard<'_, Timetable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Likewise what was dropped.
    fn skipped(&self) -> MutexGuard<'_, BTreeMap<Key, Skipped>> {
        self.skipped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what was dropped.
    fn report(&self, skipped: Vec<Skipped>) {
        if skipped.is_empty() {
            return;
        }
        for Skipped { key, slot, why, .. } in &skipped {
            tracing::warn!(playbook = %key.playbook, tenant = %key.tenant, %slot, why, "a due run was dropped");
        }
        self.skipped().extend(skipped.into_iter().map(|one| (one.key.clone(), one)));
        self.dropped.notify_one();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.table().ended(&self.key);
        self.shared.changed.notify_one();
    }
}

#[cfg(test)]
mod tests;
