//! When something recurs: cron expressions and fixed distances, and what to do about missed instants.
//!
//! A [`Cadence`] is checked when it is made and cannot fail afterwards. Everything here is a pure function
//! of its arguments; waiting is the scheduler's.
//!
//! # Daylight saving
//!
//! A cron expression speaks of the wall clock of a time zone. Twice a year that clock jumps:
//!
//! - **Forward** (the clock skips 02:00 to 03:00). What falls into the gap happens once, at its end. So a
//!   job at 02:30 runs at 03:00 on that day; four jobs of `*/15 2 * * *` become one.
//! - **Back** (the hour from 02:00 to 03:00 comes twice). An expression that names its hours happens in the
//!   first pass only: `30 2 * * *` runs once, `0 2,3 * * *` twice. An expression for every hour (`*` or
//!   `*/1` as its hour) follows the time that passes, and happens in both.
//!
//! Both hold for jumps of any length (half an hour on Lord Howe Island) at any hour (midnight in Cairo).
//! `every` knows no time zone: its instants are the same distance apart, always.

mod catch_up;
mod pattern;
mod window;
mod zone;

use std::fmt;
use std::ops::Range;
use std::str::FromStr as _;
use std::sync::Arc;

use croner::Cron;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

pub use window::Windows;

pub use catch_up::{
    CatchUp, CatchUpPolicy, DueSlots, FUTURE_MAX, Lateness, SLOTS_MAX, Slot, Spread, believed, due,
};

/// Shortest distance of `every`. Hunting is limited to 45 calls a minute; anything below a second is a
/// mistake.
pub const EVERY_MIN: SignedDuration = SignedDuration::from_secs(1);

/// Longest distance of `every`: a leap year. Longer is a mistake, too.
pub const EVERY_MAX: SignedDuration = SignedDuration::from_hours(24 * 366);

/// Where the search for an instant gives up: a 29th of February may be eight years off (1896 to 1904), and
/// with a weekday by `W` or `#` some more.
const YEARS_MAX: i16 = 40;

/// Which text a problem is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The cron expression.
    Expression,
    /// The name of the time zone.
    Zone,
    /// The distance.
    Every,
}

/// What is wrong with a cadence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CadenceProblem {
    /// Which text it is in.
    pub about: About,
    /// Where in that text, in bytes.
    pub range: Range<usize>,
    /// What is wrong, in words.
    pub message: String,
    /// What to write instead of the range, if something is near.
    pub suggestion: Option<String>,
    /// What else helps.
    pub help: Option<String>,
}

/// When something recurs. Cheap to clone.
#[derive(Clone)]
pub struct Cadence(Arc<Rule>);

enum Rule {
    Cron { text: String, cron: Box<Cron>, hours: Hours, zone: TimeZone },
    Every { distance_ms: i64, distance: SignedDuration },
}

/// Whether a cron expression names its hours, or is for every hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hours {
    Named,
    All,
}

impl Cadence {
    /// Reads a cron expression of five fields (minute, hour, day of month, month, day of week) in a time
    /// zone given by its IANA name.
    ///
    /// Days of month and of week are joined by *or* if both are restricted, as in POSIX. `L`, `15W`,
    /// `FRI#2`, `FRIL` and `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly` are understood.
    ///
    /// # Errors
    ///
    /// The first problem of the zone or the expression, with its place. An expression that never happens
    /// (`0 0 30 2 *`) is a problem.
    pub fn cron(expression: &str, zone: &str) -> Result<Self, CadenceProblem> {
        let zone = zone::find(zone)?;
        let checked = pattern::check(expression)?;
        let whole = |message: String| CadenceProblem {
            about: About::Expression,
            range: 0..expression.len(),
            message,
            suggestion: None,
            help: None,
        };
        let cron = Cron::from_str(&checked.canonical)
            .map_err(|error| whole(format!("the expression cannot be used: {error}")))?;
        let text = expression.trim().to_owned();
        let cadence = Self(Arc::new(Rule::Cron { text, cron: Box::new(cron), hours: checked.hours, zone }));
        // Any instant will do; this one makes the answer the same on every day.
        if cadence.next_after(Timestamp::UNIX_EPOCH).is_none() {
            return Err(whole("the expression never happens".to_owned()));
        }
        Ok(cadence)
    }

    /// Recurs at a fixed distance, counted from 1970-01-01T00:00Z, so that a restart or an edit elsewhere
    /// in the playbook moves nothing.
    ///
    /// # Errors
    ///
    /// If the distance is below [`EVERY_MIN`], above [`EVERY_MAX`], or not in whole milliseconds.
    pub fn every(distance: SignedDuration) -> Result<Self, CadenceProblem> {
        let problem = |message: &str| CadenceProblem {
            about: About::Every,
            range: 0..0,
            message: message.to_owned(),
            suggestion: None,
            help: None,
        };
        if distance < EVERY_MIN {
            return Err(problem("the time between two runs must be at least one second"));
        }
        if EVERY_MAX < distance {
            return Err(problem("the time between two runs must be at most 366 days"));
        }
        let distance_ms = i64::try_from(distance.as_millis()).unwrap_or(i64::MAX);
        if SignedDuration::from_millis(distance_ms) != distance {
            return Err(problem("the time between two runs must be in whole milliseconds"));
        }
        Ok(Self(Arc::new(Rule::Every { distance_ms, distance })))
    }

    /// The first instant after `after`. `None` only at the end of time.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match &*self.0 {
            Rule::Cron { cron, hours, zone, .. } => next_of_cron(cron, *hours, zone, after),
            Rule::Every { distance_ms, .. } => {
                let slot = after.as_millisecond().div_euclid(*distance_ms).checked_add(1)?;
                Timestamp::from_millisecond(slot.checked_mul(*distance_ms)?).ok()
            }
        }
    }

    /// The instants after `after` and up to `until`, ascending, the first `max` of them.
    #[must_use]
    pub fn slots_between(&self, after: Timestamp, until: Timestamp, max: usize) -> Vec<Timestamp> {
        std::iter::successors(self.next_after(after), |slot| self.next_after(*slot))
            .take_while(|slot| *slot <= until)
            .take(max)
            .collect()
    }

    /// The instants after `after` and up to `until`, ascending, the last `max` of them. Its cost grows with
    /// `max`, not with the length of the stretch.
    #[must_use]
    pub fn last_slots_between(&self, after: Timestamp, until: Timestamp, max: usize) -> Vec<Timestamp> {
        // Looks back twice as far until enough are found, so a stretch of years of a minutely job costs
        // no more than its last hours.
        let mut length = SignedDuration::from_hours(1);
        loop {
            let from = until.checked_sub(length).unwrap_or(Timestamp::MIN).max(after);
            let mut slots = self.slots_between(from, until, usize::MAX);
            if from <= after || max <= slots.len() {
                return slots.split_off(slots.len().saturating_sub(max));
            }
            length = length.checked_mul(2).unwrap_or(SignedDuration::MAX);
        }
    }

    /// When the run for `slot` starts: at the slot, or up to `spread` later, always before the next slot.
    /// The same for the same seed and slot, in every process.
    #[must_use]
    pub fn start_of(&self, slot: Timestamp, seed: &[u8], spread: SignedDuration) -> Timestamp {
        let room = self.next_after(slot).map_or(SignedDuration::MAX, |next| slot.duration_until(next));
        slot.checked_add(jitter(seed, slot, spread.min(room))).unwrap_or(Timestamp::MAX)
    }
}

impl fmt::Debug for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cadence({self})")
    }
}

impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Rule::Cron { text, zone, .. } => write!(f, "{text} ({})", zone.iana_name().unwrap_or("UTC")),
            Rule::Every { distance, .. } => write!(f, "every {distance:#}"),
        }
    }
}

impl PartialEq for Cadence {
    fn eq(&self, other: &Self) -> bool {
        match (&*self.0, &*other.0) {
            (Rule::Cron { cron, zone, .. }, Rule::Cron { cron: cron2, zone: zone2, .. }) => {
                cron == cron2 && zone == zone2
            }
            (Rule::Every { distance_ms, .. }, Rule::Every { distance_ms: other, .. }) => distance_ms == other,
            (Rule::Cron { .. }, Rule::Every { .. }) | (Rule::Every { .. }, Rule::Cron { .. }) => false,
        }
    }
}

impl Eq for Cadence {}

/// A delay from zero up to `max`, exclusive, in whole milliseconds: the same for the same seed and slot.
#[must_use]
pub fn jitter(seed: &[u8], slot: Timestamp, max: SignedDuration) -> SignedDuration {
    let Some(max) = u64::try_from(max.as_millis()).ok().filter(|max| 0 < *max) else {
        return SignedDuration::ZERO;
    };
    let mut hash = Sha256::new();
    hash.update(seed);
    hash.update(slot.as_millisecond().to_be_bytes());
    let number = hash.finalize().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    SignedDuration::from_millis(i64::try_from(number % max).unwrap_or(0))
}

/// Finds the first instant of a cron expression after `after`.
///
/// Time is taken in stretches in which the zone keeps its offset; within one, wall clock and instants are
/// the same thing. Everything special happens where one stretch meets the next.
fn next_of_cron(cron: &Cron, hours: Hours, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let mut offset = zone.to_offset(after);
    // cron knows whole seconds: the first wall clock second after `after`.
    let mut from = second_after(offset.to_datetime(after))?;
    if let Some(start) = zone.preceding(after.checked_add(SignedDuration::from_nanos(1)).ok()?).next() {
        let before = zone.to_offset(start.timestamp().checked_sub(SignedDuration::from_nanos(1)).ok()?);
        from = from.max(first_fresh(hours, before.to_datetime(start.timestamp()), DateTime::MIN));
    }
    let last_year = from.year().checked_add(YEARS_MAX)?;
    let mut following = zone.following(after);
    loop {
        let found = cron.find_next_occurrence(&from, true).ok()?;
        if last_year < found.year() {
            return None;
        }
        let end = following.next();
        let instant = offset.to_timestamp(found).ok();
        let Some(end) = end else { return instant };
        if let Some(instant) = instant.filter(|instant| *instant < end.timestamp()) {
            return Some(instant);
        }
        let (old, new) = (offset.to_datetime(end.timestamp()), end.offset().to_datetime(end.timestamp()));
        if found < new {
            // The clock jumps over it: once, at the end of the gap.
            return Some(end.timestamp());
        }
        offset = end.offset();
        from = first_fresh(hours, old, new);
    }
}

/// Where in the wall clock a new stretch begins to count: at its beginning, or, if the clock went back and
/// the expression names its hours, after what was there before.
fn first_fresh(hours: Hours, old: DateTime, new: DateTime) -> DateTime {
    match hours {
        Hours::Named => old.max(new),
        Hours::All => new,
    }
}

/// The first whole second after an instant of the wall clock.
fn second_after(clock: DateTime) -> Option<DateTime> {
    let whole = clock.with().subsec_nanosecond(0).build().ok()?;
    whole.checked_add(SignedDuration::from_secs(1)).ok()
}

#[cfg(test)]
mod tests;
