//! Actions that a tenant accepted and works on: how they end is asked for as long as the daemon lives.

use jiff::SignedDuration;

use super::run::Daemon;
use crate::diag::Chain;

/// How often tenants are asked. Devices that are on-line take about as long.
const ASK_EVERY: SignedDuration = SignedDuration::from_mins(1);

impl Daemon {
    /// Asks again and again.
    pub(super) async fn follow(&self) {
        let engine = &self.0.engine;
        loop {
            engine.clock.sleep(ASK_EVERY).await;
            match engine.follow_up().await {
                // What came to nothing is told.
                Ok(ended) if !ended.is_empty() => self.0.outbox.notify_one(),
                Ok(_none) => {}
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "nobody could note how actions ended");
                }
            }
        }
    }
}
