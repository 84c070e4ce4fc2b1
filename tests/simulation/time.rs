//! Time in a simulated world: it passes only when somebody waits or a call takes its while, the host's clock may be
//! set, and the services' is right.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use huntbook::clock::Clock;
use jiff::{SignedDuration, Timestamp};

/// What time it is. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Time(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    truth: Timestamp,
    /// By how much the host's clock is wrong.
    wrong: SignedDuration,
    /// By how much it has been, and from when on.
    set: Vec<(Timestamp, SignedDuration)>,
    /// The moment at which the services do something that nobody has looked at before now.
    catching_up: Option<Timestamp>,
}

impl Time {
    pub(crate) fn new(now: Timestamp) -> Self {
        let wrong = SignedDuration::ZERO;
        Self(Arc::new(Mutex::new(Inner { truth: now, wrong, set: vec![(now, wrong)], catching_up: None })))
    }

    fn get(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub(crate) fn truth(&self) -> Timestamp {
        self.get().truth
    }

    /// Shows the services another moment, or the present one again.
    pub(crate) fn catch_up(&self, at: Option<Timestamp>) {
        self.0.lock().unwrap().catching_up = at;
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, length: SignedDuration) {
        let mut inner = self.0.lock().unwrap();
        inner.truth += length.max(SignedDuration::ZERO);
    }

    /// Sets the host's clock: by so much it is wrong from now on.
    pub(crate) fn set_wrong_by(&self, length: SignedDuration) {
        let mut inner = self.0.lock().unwrap();
        inner.wrong = length;
        let now = inner.truth;
        inner.set.push((now, length));
    }

    /// By how much the host's clock was wrong, and from when on.
    pub(crate) fn was_set(&self) -> Vec<(Timestamp, SignedDuration)> {
        self.get().set.clone()
    }

    pub(crate) fn host(&self) -> Host {
        Host(self.clone())
    }

    pub(crate) fn service(&self) -> Service {
        Service(self.clone())
    }
}

/// The clock of the machine that huntbook runs on.
#[derive(Debug, Clone)]
pub(crate) struct Host(Time);

#[async_trait]
impl Clock for Host {
    fn now(&self) -> Timestamp {
        let Inner { truth, wrong, .. } = *self.0.get();
        truth + wrong
    }

    fn uptime(&self) -> SignedDuration {
        Timestamp::UNIX_EPOCH.duration_until(self.0.truth())
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        self.0.pass(self.now().duration_until(deadline));
        tokio::task::yield_now().await;
    }

    /// Never ends: what the limit is for would be leapt over.
    async fn limit(&self, _deadline: Timestamp) {
        std::future::pending::<()>().await;
    }
}

/// The clock of the services.
#[derive(Debug, Clone)]
pub(crate) struct Service(Time);

#[async_trait]
impl Clock for Service {
    fn now(&self) -> Timestamp {
        let Inner { truth, catching_up, .. } = *self.0.get();
        catching_up.unwrap_or(truth)
    }

    fn uptime(&self) -> SignedDuration {
        Timestamp::UNIX_EPOCH.duration_until(self.0.truth())
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        self.0.pass(self.now().duration_until(deadline));
        tokio::task::yield_now().await;
    }
}
