//! The kill switch, as the log tells of it, and playbooks at which the process dies. What obeys a stop is the journal:
//! while it stands, no intent passes. A playbook that kills the process does not even run.

use super::alarm::about_quarantine;
use super::run::Daemon;
use crate::model::PlaybookId;
use crate::store::{Stop, StoreError};

impl Daemon {
    /// Counts how the process before ended, and stops what it died at again and again.
    pub(super) async fn quarantine(&self) -> Result<(), StoreError> {
        let engine = &self.0.engine;
        let alarm = |stop: &Stop| Some(about_quarantine(engine.alerts.as_deref()?, stop));
        engine.store.begin_serving(self.0.options.world.ceilings.crashes, alarm).await?;
        self.note_stops().await
    }

    /// Whether a playbook does not run because the process died at it.
    pub(super) fn is_quarantined(&self, playbook: PlaybookId) -> bool {
        self.known().stops.iter().any(|stop| stop.is_quarantine_of(playbook))
    }

    /// Says which stops stand and which do not any more, each once.
    pub(super) async fn note_stops(&self) -> Result<(), StoreError> {
        let stops = self.0.engine.store.stops().await?;
        let before = std::mem::replace(&mut self.known().stops, stops.clone());
        for stop in stops.iter().filter(|stop| !before.contains(stop)) {
            tracing::warn!(%stop, "actions are stopped: nothing is done until `huntbook resume`");
        }
        for stop in before.iter().filter(|stop| !stops.contains(stop)) {
            if let Some(other) = stops.iter().find(|other| other.covers(stop)) {
                tracing::warn!(lifted = %stop, stands = %other, "a stop was lifted, and another one stands");
            } else {
                tracing::warn!(tenant = stop.tenant, "actions are taken again: a stop was lifted");
            }
            if stop.is_quarantine() {
                self.0.left.notify_one();
            }
        }
        Ok(())
    }
}
