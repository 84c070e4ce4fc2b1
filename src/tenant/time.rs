//! What time it is for the service, by the `Date` of its answers.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::http::Answered;

/// How many answers count. A single one may have waited on its way, or stand for a server that is wrong.
const LAST: usize = 5;

/// How far a wall clock may be from the service's: the authority that checks what an app proves itself with allows as much.
pub const CLOCKS_APART_MAX: SignedDuration = SignedDuration::from_mins(5);

/// How far this machine's two clocks may drift apart before one of them was set. Correcting it little by little moves
/// one by seconds an hour.
const DRIFT_MAX: SignedDuration = SignedDuration::from_mins(1);

/// The service's clock, held against the one of this machine that nobody sets: a wall clock that is set right counts at
/// once, and one that is set wrong, too.
#[derive(Debug, Default)]
pub(super) struct TheirTime(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    /// When the machine was started, by the service's clock, as each answer has it.
    started: VecDeque<SignedDuration>,
    /// The same by the wall clock, as the last answer had it.
    by_ours: SignedDuration,
}

impl TheirTime {
    /// Notes what an answer says that came at `now`, which was `uptime` after the start.
    pub(super) fn heard(&self, answer: &impl Answered, now: Timestamp, uptime: SignedDuration) {
        let Some(theirs) = answer.answered_at() else { return };
        let mut heard = self.lock();
        let by_ours = now.as_duration().saturating_sub(uptime);
        // A machine that was paused from outside has lost time on the one, or was set on the other: nobody knows which.
        if DRIFT_MAX < by_ours.saturating_sub(heard.by_ours).abs() {
            heard.started.clear();
        }
        heard.by_ours = by_ours;
        if heard.started.len() == LAST {
            heard.started.pop_front();
        }
        heard.started.push_back(theirs.as_duration().saturating_sub(uptime));
    }

    /// How far a wall clock that shows `now` at `uptime` is ahead of theirs, as the median of the last answers has it.
    pub(super) fn ahead(&self, now: Timestamp, uptime: SignedDuration) -> Option<SignedDuration> {
        let mut sorted: Vec<SignedDuration> = self.lock().started.iter().copied().collect();
        sorted.sort_unstable();
        let started = sorted.get(sorted.len() / 2)?;
        Some(now.as_duration().saturating_sub(started.saturating_add(uptime)))
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct At(&'static str);

    impl Answered for At {
        fn answered_at(&self) -> Option<Timestamp> {
            self.0.parse().ok()
        }
    }

    #[test]
    fn the_median_of_the_last_answers_counts_whatever_the_wall_clock_did() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let (hour, minutes) = (SignedDuration::from_hours(1), SignedDuration::from_mins);
        let up = SignedDuration::from_secs(1000);
        let time = TheirTime::default();
        time.heard(&At("no date"), now, up);
        assert_eq!(time.ahead(now, up), None, "nothing is known");
        for date in ["2026-03-01T11:58:00Z", "2026-03-01T12:00:00Z", "1999-01-01T00:00:00Z"] {
            time.heard(&At(date), now, up);
        }
        assert_eq!(time.ahead(now, up), Some(minutes(2)), "one that is wrong is no matter");
        assert_eq!(time.ahead(now + hour, up + hour), Some(minutes(2)), "time has passed");
        assert_eq!(
            time.ahead(now - hour, up),
            Some(minutes(-58)),
            "it was set back, and nobody was asked since"
        );
        for _answer in 0..LAST {
            time.heard(&At("2026-03-01T12:00:00Z"), now, up);
        }
        assert_eq!(time.ahead(now, up), Some(SignedDuration::ZERO), "the old ones are forgotten");
        time.heard(&At("2026-03-01T12:00:00Z"), now + hour, up);
        assert_eq!(time.ahead(now + hour, up), Some(hour), "it is wrong by the one answer since it was set");
        time.heard(&At("2026-03-01T12:00:00Z"), now, up - hour);
        assert_eq!(
            time.ahead(now, up - hour),
            Some(SignedDuration::ZERO),
            "the machine was paused from outside"
        );
    }
}
