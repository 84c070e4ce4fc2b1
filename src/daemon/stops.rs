//! The kill switch, as the log tells of it. What obeys it is the journal: while a stop stands, no intent passes.

use super::run::Daemon;
use crate::store::StoreError;

impl Daemon {
    /// Says which stops stand and which do not any more, each once.
    pub(super) async fn note_stops(&self) -> Result<(), StoreError> {
        let stops = self.0.engine.store.stops().await?;
        let before = std::mem::replace(&mut self.known().stops, stops.clone());
        for stop in stops.iter().filter(|stop| !before.contains(stop)) {
            tracing::warn!(%stop, "actions are stopped: nothing is done until `huntbook resume`");
        }
        for stop in before.iter().filter(|stop| !stops.contains(stop)) {
            tracing::warn!(tenant = stop.tenant, "actions are taken again: a stop was lifted");
        }
        Ok(())
    }
}
