//! How far back a poll looks, and how far it has come.
//!
//! A change can become visible late, and with the time at which it was made. So each poll begins a while before the
//! last change known, and once a day far before it; what was dealt with is known by its identity.

use jiff::{SignedDuration, Timestamp};

use crate::store::{ContentHash, Watermark};
use crate::tenant::Reach;

/// How far before the last change known a poll begins. There is no documented bound for how late changes become
/// visible; half an hour has been seen.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(1);

/// How far back a first poll looks, and the sweep.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How often there is a sweep.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// How far back a poll goes after a long absence. Older changes are history, and listing them all would take what
/// calls there are.
const ABSENCE_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How far behind the service's clock what is known ends: what changed in the last moments may not be on the list.
const SETTLING: SignedDuration = SignedDuration::from_mins(2);

/// What of the list a poll reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// What changed since; the rest is as it was.
    #[default]
    News,
    /// All there is: conditions read the time, or are new themselves, and may hold of what has not changed.
    Whole,
}

/// Which changes a playbook wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Those of so long before the run; all since the last poll if nothing is said.
    pub within: Option<SignedDuration>,
    /// How far before the last change known each poll begins.
    pub look_back: SignedDuration,
    /// What polls have to read.
    pub reading: Reading,
}

impl Default for Window {
    fn default() -> Self {
        Self { within: None, look_back: LOOK_BACK, reading: Reading::News }
    }
}

/// Where a poll begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// What changed at or after this instant is listed.
    pub from: Timestamp,
    /// What it reads.
    pub reading: Reading,
}

impl Window {
    /// Whether what changed at `at` is wanted at `now`.
    #[must_use]
    pub fn admits(&self, at: Option<Timestamp>, now: Timestamp) -> bool {
        self.within.is_none_or(|within| at.is_some_and(|at| at.duration_until(now) <= within))
    }

    /// Where a poll at `now` begins, after the one that left `known`; `reading` says whether what was read then is as
    /// it was.
    #[must_use]
    pub fn start(&self, (known, reading): (Option<&Watermark>, Reading), now: Timestamp) -> Start {
        let whole = before(now, self.within.unwrap_or(DAY));
        let Some(mark) = known else { return Start { from: whole, reading: Reading::Whole } };
        let swept = mark.swept.duration_until(now) < SWEEP_EVERY;
        let news = swept && [self.reading, reading] == [Reading::News; 2];
        let next = before(mark.at, self.look_back).min(mark.owed.unwrap_or(Timestamp::MAX));
        let first = if self.within.is_some() { whole } else { before(now, ABSENCE_MAX) };
        if news {
            return Start { from: next.max(first), reading: Reading::News };
        }
        Start { from: next.min(whole).max(first), reading: Reading::Whole }
    }

    /// How far a poll that began at `start` has come. Never back, and never as far as the service's present.
    #[must_use]
    pub fn reached(
        (known, basis): (Option<&Watermark>, ContentHash),
        (start, reach): (Start, Reach),
        now: Timestamp,
    ) -> Watermark {
        let settled = before(reach.asked.unwrap_or(now), SETTLING);
        let before_start = known.map_or(start.from, |mark| mark.at);
        let at = reach.latest.map_or(before_start, |latest| latest.min(settled));
        let at = reach.until.map_or(at, |until| at.min(until));
        let whole = start.reading == Reading::Whole && reach.until.is_none();
        let swept = if whole { now } else { known.map_or(Timestamp::UNIX_EPOCH, |mark| mark.swept) };
        let owed =
            known.and_then(|mark| mark.owed).filter(|owed| *owed < start.from || reach.until.is_some());
        let owes = known.map_or(0, |mark| mark.owes);
        Watermark { basis, at: known.map_or(at, |mark| mark.at.max(at)), swept, owed, owes }
    }
}

fn before(at: Timestamp, length: SignedDuration) -> Timestamp {
    at.checked_sub(length).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        format!("2026-03-01T{text}Z").parse().unwrap()
    }

    fn known(at: &str, swept: &str) -> Watermark {
        Watermark { basis: ContentHash::of(b"x"), at: time(at), swept: time(swept), owed: None, owes: 0 }
    }

    #[test]
    fn a_poll_begins_before_what_is_known_and_once_a_day_far_before() {
        let window = Window::default();
        let now = time("12:00:00");
        let start = |known: &Watermark| window.start((Some(known), Reading::News), now);
        assert_eq!(window.start((None, Reading::News), now).from, time("12:00:00") - DAY);
        assert_eq!(start(&known("11:30:00", "00:00:00")).from, time("10:30:00"));
        let sweep = Watermark { swept: now - SWEEP_EVERY, ..known("11:30:00", "00:00:00") };
        assert_eq!(start(&sweep), Start { from: now - DAY, reading: Reading::Whole });
        let away = Watermark { at: now - DAY * 3, ..sweep };
        assert_eq!(start(&away).from, now - DAY * 3 - LOOK_BACK);
        let owing = Watermark { owed: Some(time("04:00:00")), ..known("11:30:00", "00:00:00") };
        assert_eq!(start(&owing).from, time("04:00:00"));
        let narrow = Window { within: Some(SignedDuration::from_mins(30)), ..Window::default() };
        assert_eq!(narrow.start((Some(&owing), Reading::News), now).from, time("11:30:00"));
        let timed = Window { reading: Reading::Whole, ..Window::default() };
        assert_eq!(timed.start((Some(&owing), Reading::News), now).from, now - DAY);
        assert_eq!(window.start((Some(&away), Reading::Whole), now).from, now - DAY * 3 - LOOK_BACK);
    }

    #[track_caller]
    fn check(reach: (&str, Option<&str>, Option<&str>), expect: &str) {
        let (window, now) = (Window::default(), time("12:00:00"));
        let mark = known("11:00:00", "11:00:00");
        let start = window.start((Some(&mark), Reading::News), now);
        let (asked, latest, until) = reach;
        let reach = Reach { asked: Some(time(asked)), latest: latest.map(time), until: until.map(time) };
        assert_eq!(Window::reached((Some(&mark), mark.basis), (start, reach), now).at, time(expect));
    }

    #[test]
    fn a_watermark_goes_with_the_changes_but_neither_back_nor_into_the_present() {
        check(("12:00:00", Some("11:40:00"), None), "11:40:00");
        check(("12:00:00", Some("11:59:00"), None), "11:58:00");
        check(("12:00:00", Some("23:00:00"), None), "11:58:00");
        check(("11:00:00", Some("11:59:00"), None), "11:00:00");
        check(("12:00:00", Some("10:30:00"), None), "11:00:00");
        check(("12:00:00", None, None), "11:00:00");
        check(("12:00:00", Some("11:40:00"), Some("11:20:00")), "11:20:00");
    }
}
