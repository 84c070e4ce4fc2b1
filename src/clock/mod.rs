//! The one place that reads the time and sleeps.
//!
//! Everything else takes a [`Clock`], or better, a `now`. [`SystemClock`] is the machine's;
//! [`ManualClock`] stands still until a test moves it; [`LeapClock`] leaps over every wait;
//! [`ShiftedClock`] shows another time than the clock under it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// A source of time. Cheap to clone behind an [`Arc`]; shared by the whole process.
#[async_trait]
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// Returns the present instant, wall clock, UTC.
    fn now(&self) -> Timestamp;

    /// Returns how much time has passed since some instant of the past. Nobody sets this clock, and it goes on while
    /// the machine sleeps: what must not be too early or too late by a clock that was set is measured with it.
    fn uptime(&self) -> SignedDuration;

    /// Waits until `deadline` has been reached; returns at once if it has passed.
    ///
    /// Cancel safe: dropping the future loses nothing.
    async fn sleep_until(&self, deadline: Timestamp);

    /// Waits for `length`, counted from now.
    async fn sleep(&self, length: SignedDuration) {
        let deadline = self.now().checked_add(length).unwrap_or(Timestamp::MAX);
        self.sleep_until(deadline).await;
    }

    /// Waits until `deadline` has been reached, without being what the time passes for: a limit of something
    /// else that goes on meanwhile.
    ///
    /// Cancel safe: dropping the future loses nothing.
    async fn limit(&self, deadline: Timestamp) {
        self.sleep_until(deadline).await;
    }
}

/// A clock handed around the process.
pub type SharedClock = Arc<dyn Clock>;

/// Longest single wait on the operating system's timer, so that a suspended machine or a corrected
/// clock is noticed within it. Seconds would waste wake-ups; an hour would oversleep.
const NAP_MAX: Duration = Duration::from_mins(1);

/// The clock that nobody sets.
#[cfg(target_os = "linux")]
const GOES_ON: rustix::time::ClockId = rustix::time::ClockId::Boottime;
/// The same where the one that goes on in sleep is not to be had by that name.
#[cfg(not(target_os = "linux"))]
const GOES_ON: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the time")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn uptime(&self) -> SignedDuration {
        let passed = rustix::time::clock_gettime(GOES_ON);
        SignedDuration::new(passed.tv_sec, i32::try_from(passed.tv_nsec).unwrap_or(0))
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        loop {
            let left = self.now().duration_until(deadline);
            let Ok(left) = Duration::try_from(left) else { return };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(NAP_MAX)).await;
        }
    }
}

/// A clock that goes as fast as another and shows another time.
#[derive(Debug, Clone)]
pub struct ShiftedClock {
    under: SharedClock,
    shift: SignedDuration,
}

impl ShiftedClock {
    /// Starts a clock that shows `now` at this moment.
    #[must_use]
    pub fn starting(now: Timestamp, under: SharedClock) -> Self {
        let shift = under.now().duration_until(now);
        Self { under, shift }
    }
}

#[async_trait]
impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        self.under.now().checked_add(self.shift).unwrap_or(Timestamp::MAX)
    }

    fn uptime(&self) -> SignedDuration {
        self.under.uptime()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        self.under.sleep_until(deadline.checked_sub(self.shift).unwrap_or(Timestamp::MAX)).await;
    }

    async fn limit(&self, deadline: Timestamp) {
        self.under.limit(deadline.checked_sub(self.shift).unwrap_or(Timestamp::MAX)).await;
    }
}

/// A clock that moves only when told to.
#[derive(Debug, Clone)]
pub struct ManualClock {
    wall: watch::Sender<Timestamp>,
    /// By how much somebody has set it, which is no time that passed.
    set_by: Arc<Mutex<SignedDuration>>,
}

impl ManualClock {
    /// Starts a clock that stands at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { wall: watch::Sender::new(now), set_by: Arc::default() }
    }

    /// Moves the clock and wakes every sleeper whose deadline has come. Back is no time that passes.
    pub fn set(&self, now: Timestamp) {
        let length = self.now().duration_until(now);
        if length.is_negative() {
            self.jump(length);
        } else {
            self.wall.send_replace(now);
        }
    }

    /// Moves the clock forward (or back, for a negative length).
    pub fn advance(&self, length: SignedDuration) {
        self.set(self.now().checked_add(length).unwrap_or(Timestamp::MAX));
    }

    /// Sets the clock forward or back without any time having passed, as people and time servers do.
    pub fn jump(&self, length: SignedDuration) {
        let mut set_by = self.set_by.lock().unwrap_or_else(PoisonError::into_inner);
        *set_by = set_by.saturating_add(length);
        self.wall.send_modify(|now| *now = now.checked_add(length).unwrap_or(Timestamp::MAX));
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.wall.borrow()
    }

    fn uptime(&self) -> SignedDuration {
        let set_by = *self.set_by.lock().unwrap_or_else(PoisonError::into_inner);
        since_1970(self.now()).saturating_sub(set_by)
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        let mut moved = self.wall.subscribe();
        // The sender lives in `self`, so the channel cannot close while we wait.
        if moved.wait_for(|now| *now >= deadline).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn since_1970(now: Timestamp) -> SignedDuration {
    now.duration_since(Timestamp::UNIX_EPOCH)
}

/// A clock that stands still but for waits: it leaps to the end of each at once. Hours are played through
/// in a moment, and every wait has really passed. Never goes back.
///
/// Two that wait at the same time are not put in order: the shorter wait may end after the longer one.
#[derive(Debug, Clone)]
pub struct LeapClock(Arc<Mutex<Timestamp>>);

impl LeapClock {
    /// Starts a clock that stands at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Moves the clock to `now`, unless it is there or further already.
    pub fn leap(&self, now: Timestamp) {
        let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *at = now.max(*at);
    }
}

#[async_trait]
impl Clock for LeapClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uptime(&self) -> SignedDuration {
        since_1970(self.now())
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        self.leap(deadline);
        // A loop that waits must not keep others from running.
        tokio::task::yield_now().await;
    }

    /// Never ends: what the limit is for would be leapt over.
    async fn limit(&self, _deadline: Timestamp) {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_leaping_clock_has_waited_at_once_and_never_goes_back() {
        let clock = LeapClock::new(Timestamp::UNIX_EPOCH);
        clock.clone().sleep(SignedDuration::from_hours(25)).await;
        clock.leap(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now(), Timestamp::from_second(25 * 3600).unwrap());
    }

    #[tokio::test]
    async fn a_manual_clock_wakes_sleepers_when_it_is_moved() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let sleeper = clock.clone();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            sleeper.sleep(SignedDuration::from_secs(10)).await;
            sleeper.now()
        });
        tokio::task::yield_now().await;
        clock.advance(SignedDuration::from_secs(9));
        assert!(tasks.try_join_next().is_none());
        clock.advance(SignedDuration::from_secs(1));
        let woken = tasks.join_next().await.unwrap().unwrap();
        assert_eq!(woken, Timestamp::from_second(10).unwrap());
    }

    #[test]
    fn setting_a_clock_is_no_time_that_passes() {
        let clock = ManualClock::new(Timestamp::from_second(1_000).unwrap());
        let started = clock.uptime();
        clock.advance(SignedDuration::from_secs(5));
        clock.jump(SignedDuration::from_hours(3));
        clock.set(Timestamp::UNIX_EPOCH);
        clock.advance(SignedDuration::from_secs(2));
        assert_eq!(clock.uptime().saturating_sub(started), SignedDuration::from_secs(7));
        assert!(SignedDuration::ZERO < SystemClock.uptime());
    }

    #[tokio::test]
    async fn a_shifted_clock_goes_with_the_one_under_it() {
        let under = ManualClock::new(Timestamp::UNIX_EPOCH);
        let shown = Timestamp::from_second(1_000).unwrap();
        let clock = ShiftedClock::starting(shown, Arc::new(under.clone()));
        assert_eq!(clock.now(), shown);
        under.advance(SignedDuration::from_secs(7));
        assert_eq!(clock.now(), Timestamp::from_second(1_007).unwrap());
        clock.sleep_until(Timestamp::from_second(1_007).unwrap()).await;
    }

    #[tokio::test]
    async fn a_passed_deadline_does_not_wait() {
        SystemClock.sleep_until(Timestamp::UNIX_EPOCH).await;
    }
}
