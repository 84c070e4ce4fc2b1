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

    /// Waits until `deadline` has been reached; returns at once if it has passed. If the clock is set back meanwhile, it
    /// returns when as much time has passed as was left at first: whoever goes by the wall looks again.
    ///
    /// Cancel safe: dropping the future loses nothing.
    async fn sleep_until(&self, deadline: Timestamp);

    /// Waits for `length`, counted from now, however the clock is set meanwhile.
    ///
    /// Cancel safe: dropping the future loses nothing.
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

/// Longest single wait on the operating system's timer, so that a machine that slept or a clock that was set
/// is noticed within it. Seconds would waste wake-ups; an hour would oversleep.
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
        let woken = self.uptime().saturating_add(self.now().duration_until(deadline));
        nap(|| self.now().duration_until(deadline).min(woken.saturating_sub(self.uptime()))).await;
    }

    async fn sleep(&self, length: SignedDuration) {
        let woken = self.uptime().saturating_add(length);
        nap(|| woken.saturating_sub(self.uptime())).await;
    }
}

/// Waits until nothing is left.
async fn nap(left: impl Fn() -> SignedDuration + Send + Sync) {
    loop {
        let Ok(left) = Duration::try_from(left()) else { return };
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(NAP_MAX)).await;
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

    async fn sleep(&self, length: SignedDuration) {
        self.under.sleep(length).await;
    }

    async fn limit(&self, deadline: Timestamp) {
        self.under.limit(deadline.checked_sub(self.shift).unwrap_or(Timestamp::MAX)).await;
    }
}

/// A clock that moves only when told to.
#[derive(Debug, Clone)]
pub struct ManualClock(watch::Sender<Hands>);

/// What a clock shows.
#[derive(Debug, Clone, Copy)]
struct Hands {
    wall: Timestamp,
    uptime: SignedDuration,
}

impl ManualClock {
    /// Starts a clock that stands at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(watch::Sender::new(Hands { wall: now, uptime: since_1970(now) }))
    }

    /// Moves the clock and wakes every sleeper whose deadline has come. Back is no time that passes.
    pub fn set(&self, now: Timestamp) {
        let length = self.now().duration_until(now);
        if length.is_negative() {
            self.jump(length);
        } else {
            self.0.send_modify(|hands| {
                *hands = Hands { wall: now, uptime: hands.uptime.saturating_add(length) };
            });
        }
    }

    /// Moves the clock forward (or back, for a negative length).
    pub fn advance(&self, length: SignedDuration) {
        self.set(self.now().checked_add(length).unwrap_or(Timestamp::MAX));
    }

    /// Sets the clock forward or back without any time having passed, as people and time servers do.
    pub fn jump(&self, length: SignedDuration) {
        self.0.send_modify(|hands| hands.wall = hands.wall.checked_add(length).unwrap_or(Timestamp::MAX));
    }

    async fn wait_for(&self, is_over: impl Fn(&Hands) -> bool + Send) {
        // The sender lives in `self`, so the channel cannot close while we wait.
        if self.0.subscribe().wait_for(is_over).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.borrow().wall
    }

    fn uptime(&self) -> SignedDuration {
        self.0.borrow().uptime
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        let Hands { wall, uptime } = *self.0.borrow();
        let woken = uptime.saturating_add(wall.duration_until(deadline));
        self.wait_for(|hands| deadline <= hands.wall || woken <= hands.uptime).await;
    }

    async fn sleep(&self, length: SignedDuration) {
        let woken = self.uptime().saturating_add(length);
        self.wait_for(|hands| woken <= hands.uptime).await;
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

    /// Which waits are over.
    async fn over<const N: usize>(waits: &mut [impl Future<Output = ()> + Unpin; N]) -> [bool; N] {
        let mut over = [false; N];
        for (over, wait) in over.iter_mut().zip(waits) {
            tokio::select! {
                biased;
                () = wait => *over = true,
                () = std::future::ready(()) => {}
            }
        }
        over
    }

    #[tokio::test]
    async fn a_clock_that_is_set_makes_no_wait_longer_nor_shorter() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let (hour, second) = (SignedDuration::from_hours(1), SignedDuration::from_secs(1));
        let shifted = ShiftedClock::starting(Timestamp::MAX, Arc::new(clock.clone()));
        for set_by in [-hour, hour] {
            let until = clock.now().checked_add(second * 10).unwrap();
            let mut waits = [clock.sleep(second * 10), shifted.sleep(second * 10), clock.sleep_until(until)];
            assert_eq!(over(&mut waits).await, [false; 3]);
            clock.jump(set_by);
            clock.advance(second * 9);
            assert_eq!(
                over(&mut waits).await,
                [false, false, set_by.is_positive()],
                "the wall may have come to it"
            );
            let [short, shown, by_the_wall] = &mut waits;
            clock.advance(second);
            assert_eq!(over(&mut [short, shown]).await, [true; 2]);
            assert!(
                set_by.is_positive() || over(&mut [by_the_wall]).await == [true],
                "as much has passed as was left"
            );
        }
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
