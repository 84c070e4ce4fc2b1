//! Time that does not let anybody wait.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use huntbook::clock::Clock;
use jiff::{SignedDuration, Timestamp};

/// A clock whose waits are over at once, and written down.
#[derive(Debug, Clone)]
pub(crate) struct EagerClock(Arc<Mutex<(Timestamp, Vec<SignedDuration>)>>);

impl Default for EagerClock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(("2026-01-10T12:00:00Z".parse().unwrap(), Vec::new()))))
    }
}

impl EagerClock {
    pub(crate) fn waits(&self) -> Vec<SignedDuration> {
        self.0.lock().unwrap().1.clone()
    }

    pub(crate) fn advance(&self, length: SignedDuration) {
        let mut state = self.0.lock().unwrap();
        state.0 = state.0.checked_add(length).unwrap();
    }
}

#[async_trait]
impl Clock for EagerClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    fn uptime(&self) -> SignedDuration {
        self.now().duration_since(Timestamp::UNIX_EPOCH)
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        let mut state = self.0.lock().unwrap();
        let wait = state.0.duration_until(deadline);
        state.1.push(wait);
        state.0 = deadline;
    }

    /// Never ends: nothing takes any time here.
    async fn limit(&self, _deadline: Timestamp) {
        std::future::pending::<()>().await;
    }
}
