//! The last look before bytes leave: whether somebody has stopped actions, and whether it is too late.
//!
//! The transaction that writes an intent has looked too. What comes after it (a wait for a throttled service, a
//! machine that slept) can take its time; what was decided before is not done after.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::Engine;
use crate::clock::SharedClock;
use crate::diag::Chain;
use crate::http::Gate;
use crate::model::PlaybookId;
use crate::store::{NewEffect, Store};

/// How long after its intent an action may still be sent. Half a minute outlasts a short throttling; double would
/// let a person undo by hand what is only just about to be sent.
const SEND_WITHIN: SignedDuration = SignedDuration::from_secs(30);

/// Whether it is too late by now for an action that was intended then, both by the clock that nobody sets.
pub(super) fn is_too_late(intended: SignedDuration, now: SignedDuration) -> bool {
    SEND_WITHIN <= now.saturating_sub(intended)
}

/// What is asked right before each sending of one action.
#[derive(Debug)]
pub(super) struct Passage {
    store: Store,
    clock: SharedClock,
    tenant: String,
    playbook: PlaybookId,
    /// When it was opened, by the clock that nobody sets.
    opened: SignedDuration,
    /// When it is too late, on the wall's clock, for those who wait.
    until: Timestamp,
}

impl Passage {
    /// Opens for an action that has just been intended.
    pub(super) fn open(engine: &Engine, effect: &NewEffect) -> Self {
        Self {
            store: engine.store.clone(),
            clock: SharedClock::clone(&engine.clock),
            tenant: effect.tenant.clone(),
            playbook: effect.playbook,
            opened: engine.clock.uptime(),
            until: engine.clock.now().checked_add(SEND_WITHIN).unwrap_or(Timestamp::MAX),
        }
    }
}

#[async_trait]
impl Gate for Passage {
    async fn pass(&self) -> Result<(), String> {
        if is_too_late(self.opened, self.clock.uptime()) {
            return Err(format!("more than {SEND_WITHIN:#} have passed since it was decided"));
        }
        match self.store.stopped((&self.tenant, self.playbook)).await {
            Ok(None) => Ok(()),
            Ok(Some(stop)) => Err(stop.to_string()),
            Err(error) => Err(format!("the journal does not say whether it may be: {}", Chain(&error))),
        }
    }

    async fn still(&self) -> Result<(), String> {
        self.pass().await
    }

    fn until(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{Clock as _, ManualClock};
    use crate::store::{StopWord, Way};

    #[tokio::test]
    async fn what_was_let_pass_leaves_only_if_nobody_has_stopped_it_and_it_is_not_late_by_then() {
        let clock = ManualClock::new("2026-01-10T12:00:00Z".parse().unwrap());
        let shared: SharedClock = Arc::new(clock.clone());
        let store = Store::scratch(SharedClock::clone(&shared)).await.unwrap();
        let passage = Passage {
            store: store.clone(),
            clock: shared,
            tenant: "contoso".to_owned(),
            playbook: PlaybookId(uuid::Uuid::nil()),
            opened: clock.uptime(),
            until: Timestamp::MAX,
        };
        let says = async |why: &str| passage.still().await.is_err_and(|said| said.contains(why));
        let (account, way) = ("duty".to_owned(), Some(Way::Command));
        let word = StopWord { tenant: None, playbook: None, reason: None, account, uid: Some(4001), way };
        store.halt(&word).await.unwrap();
        assert!(says("all actions are stopped").await);
        store.lift(&word).await.unwrap();
        let moment = SignedDuration::from_nanos(1);
        clock.advance(SEND_WITHIN - moment);
        passage.still().await.unwrap();
        clock.advance(moment);
        assert!(says("since it was decided").await);
    }
}
