//! What the daemon does all the time beside the schedule: messages, the journal, and how actions ended.
//!
//! A failure that may pass is logged and waited out; one that does not ends the daemon, as it does under a run.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::run::{Daemon, DaemonError};
use crate::diag::Chain;
use crate::engine::Doubts;
use crate::notify::{self, NotifyError};
use crate::store::{Remedy, StoreError};
use crate::tenant::Headroom;

/// Messages sent in one pass.
const DELIVERIES_MAX: u32 = 100;
/// How long the outbox is left alone when nothing says that something is due.
const OUTBOX_LOOK: SignedDuration = SignedDuration::from_secs(30);
/// How often the ends of the journal's histories are told to the log: what is cut off later is seen up to then.
const LOOK_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// How often old history is removed.
const HOUSEKEEPING: SignedDuration = SignedDuration::from_hours(6);
/// How long history is kept.
const RETENTION: SignedDuration = SignedDuration::from_hours(24 * 90);
/// How often tenants are asked how actions ended. Devices that are on-line take about as long.
const ASK_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// How often what is left of the budgets of calls is written down for `huntbook status`, if it has changed: a
/// person looks again after about as long.
const SHOW_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// What of each tenant's budgets was written down.
type Shown = BTreeMap<String, Value>;

/// Logs a failure of the journal that may pass, and gives back one that does not. That the journal cannot be written was
/// logged once, where it was met first: what is not written for it is only a detail.
pub(super) fn unless_over(error: StoreError, what: &str) -> Result<(), DaemonError> {
    match error.remedy() {
        Remedy::Stop => return Err(error.into()),
        Remedy::Wait => tracing::debug!(error = %Chain(&error), "{what}"),
        Remedy::Refuse => tracing::error!(error = %Chain(&error), "{what}"),
    }
    Ok(())
}

impl Daemon {
    /// Works the outbox off for as long as the daemon lives.
    pub(super) async fn deliver(&self) -> Result<(), DaemonError> {
        loop {
            let is_noted = self.deliver_once().await?;
            let rest = match self.until_due().await {
                Ok(rest) => rest,
                Err(error) => {
                    unless_over(error, "nobody knows when the next message is due")?;
                    OUTBOX_LOOK
                }
            };
            // A channel in trouble leaves what is due where it is, and a journal in trouble all of it: never spin on them.
            let pause = if is_noted { SignedDuration::from_secs(1) } else { OUTBOX_LOOK };
            tokio::select! {
                () = self.0.outbox.notified() => {}
                () = self.0.engine.clock.sleep(rest.clamp(pause, OUTBOX_LOOK)) => {}
            }
        }
    }

    /// How long no message is due.
    async fn until_due(&self) -> Result<SignedDuration, StoreError> {
        let store = &self.0.engine.store;
        let Some(due) = store.next_due().await? else { return Ok(OUTBOX_LOOK) };
        Ok(store.time().await?.duration_until(due))
    }

    /// Sends what is due; says whether the journal took what became of it.
    pub(super) async fn deliver_once(&self) -> Result<bool, DaemonError> {
        let engine = &self.0.engine;
        let done = notify::deliver_due(&engine.store, &self.0.options.channels, DELIVERIES_MAX).await;
        match done {
            Ok(report) => {
                for undelivered in &report.undelivered {
                    tracing::warn!(channel = %undelivered.channel, reason = %undelivered.reason, "a message was not delivered");
                }
                Ok(true)
            }
            Err(NotifyError::Store(error)) => {
                unless_over(error, "the outbox could not be worked off")?;
                Ok(false)
            }
        }
    }

    /// Looks after the journal every hour, and removes old history now and then.
    pub(super) async fn keep_house(&self) -> Result<(), DaemonError> {
        let engine = &self.0.engine;
        let mut tidied: Option<Timestamp> = None;
        loop {
            let now = engine.clock.now();
            if tidied.is_none_or(|tidied| HOUSEKEEPING <= now.duration_since(tidied).abs()) {
                tidied = Some(now);
                if let Err(error) = engine.store.retention(now, RETENTION).await {
                    unless_over(error, "old history could not be removed")?;
                }
            }
            self.look_after_journal().await?;
            engine.clock.sleep(LOOK_AFTER).await;
        }
    }

    /// Writes down what is left of the budgets of calls, whenever that has changed.
    pub(super) async fn show_headroom(&self) -> Result<(), DaemonError> {
        let mut shown = BTreeMap::new();
        loop {
            self.note_headroom(&mut shown).await?;
            self.0.engine.clock.sleep(SHOW_EVERY).await;
        }
    }

    /// Writes down what is left, where it is not what is `shown`.
    pub(super) async fn note_headroom(&self, shown: &mut Shown) -> Result<(), DaemonError> {
        let engine = &self.0.engine;
        for (name, tenant) in &engine.tenants {
            let rooms = json!(tenant.headroom());
            if shown.get(name) == Some(&rooms) {
                continue;
            }
            match engine.store.put_headroom(name, &rooms, engine.clock.now()).await {
                Ok(()) => drop(shown.insert(name.clone(), rooms)),
                Err(error) => unless_over(error, "what is left of the budgets could not be noted")?,
            }
        }
        Ok(())
    }

    /// Tells the tenants what a process before has left of their budgets. What another version wrote may not be
    /// readable: then the service says it again.
    pub(super) async fn take_up_headroom(&self) -> Result<(), StoreError> {
        for (name, left) in self.0.engine.store.headroom().await? {
            let left: Vec<Headroom> = serde_json::from_value(left.rooms).unwrap_or_default();
            if let Some(tenant) = self.0.engine.tenants.get(&name) {
                tenant.take_up(&left);
            }
        }
        Ok(())
    }

    /// Looks for actions in doubt, and asks how those ended that a tenant accepted and works on: each tenant by itself,
    /// so that none waits for one that is slow.
    pub(super) async fn follow(&self) -> Result<(), DaemonError> {
        let tenants = self.0.engine.tenants.keys();
        try_join_all(tenants.map(|tenant| self.follow_in(tenant))).await.map(drop)
    }

    async fn follow_in(&self, tenant: &str) -> Result<(), DaemonError> {
        let engine = &self.0.engine;
        let mut doubts = Doubts::default();
        loop {
            engine.clock.sleep(ASK_EVERY).await;
            let looked = engine.look_into(tenant, &mut doubts).await;
            for settled in [looked, engine.follow_up_in(tenant).await] {
                match settled {
                    // What came to nothing is told.
                    Ok(settled) if !settled.is_empty() => self.0.outbox.notify_one(),
                    Ok(_none) => {}
                    Err(error) => unless_over(error, "nobody could note what became of actions")?,
                }
            }
        }
    }
}
