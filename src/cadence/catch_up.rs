//! What to do about instants that passed while nobody was there.

use jiff::{SignedDuration, Timestamp};

use super::Cadence;

/// Most missed slots that are ever made up for. A week of a minutely job would be ten thousand runs at
/// once; a hundred is what a tenant's hourly quota bears.
pub const SLOTS_MAX: usize = 100;

/// How late a slot may be and still count as on time. The clock is looked at every minute at least, so a
/// machine that woke up is noticed within one; two leave room for a busy one.
const ON_TIME: SignedDuration = SignedDuration::from_mins(2);

/// How far in the future the last slot may be. Beyond, the clock was wrong when it was written, and obeying
/// it would keep the playbook silent until then. Below, the clock was set back, and waiting doubles nothing.
pub const FUTURE_MAX: SignedDuration = SignedDuration::from_hours(25);

/// What happens to missed slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CatchUp {
    /// They are let go.
    None,
    /// The latest has a run, for all of them.
    #[default]
    Latest,
    /// Each has a run, oldest first, the last [`SLOTS_MAX`].
    All,
}

/// How missed slots are made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CatchUpPolicy {
    /// Which of them.
    pub catch_up: CatchUp,
    /// How late a run may still start; no limit without one. What is on time is never too late.
    pub max_lateness: Option<SignedDuration>,
}

/// Whether a slot is on time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lateness {
    /// It is.
    OnTime,
    /// It passed while nobody was there.
    Missed,
}

/// A slot that is to have a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The instant of the schedule.
    pub at: Timestamp,
    /// Whether it is made up for.
    pub lateness: Lateness,
}

/// How far runs are spread after their slots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spread<'a> {
    /// What tells one schedule's delays from another's.
    pub seed: &'a [u8],
    /// The longest delay.
    pub max: SignedDuration,
}

/// What is due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DueSlots {
    /// The slots that are to have a run, oldest first.
    pub slots: Vec<Slot>,
    /// The latest slot that has started, wanted or not: look no further back than this next time.
    pub newest: Option<Timestamp>,
}

/// Decides which slots after `last` are to have a run at `now`.
///
/// Never returns a slot at or before `last`, so a clock that is set back repeats nothing, and never more
/// than [`SLOTS_MAX`] slots, so a clock that jumps forward starts no flood.
#[must_use]
pub fn due(
    cadence: &Cadence,
    last: Timestamp,
    now: Timestamp,
    policy: CatchUpPolicy,
    spread: Spread<'_>,
) -> DueSlots {
    let last = believed(last, now);
    let max = match policy.catch_up {
        CatchUp::None | CatchUp::Latest => 1,
        CatchUp::All => SLOTS_MAX,
    };
    let start = |slot: Timestamp| cadence.start_of(slot, spread.seed, spread.max);
    // One more than wanted: the last may have to wait for its delay.
    let mut passed = cadence.last_slots_between(last, now, max + 1);
    passed.pop_if(|slot| now < start(*slot));
    let newest = passed.last().copied();
    let slot = |at: Timestamp| {
        let late = start(at).duration_until(now);
        let lateness = if late <= ON_TIME { Lateness::OnTime } else { Lateness::Missed };
        let wanted = match (lateness, policy.catch_up) {
            (Lateness::OnTime, _) => true,
            (Lateness::Missed, CatchUp::None) => false,
            (Lateness::Missed, CatchUp::Latest | CatchUp::All) => {
                policy.max_lateness.is_none_or(|max| late <= max)
            }
        };
        wanted.then_some(Slot { at, lateness })
    };
    let surplus = passed.len().saturating_sub(max);
    DueSlots { slots: passed.into_iter().skip(surplus).filter_map(slot).collect(), newest }
}

/// The last slot, or `now` if it is so far in the future that the clock must have been wrong.
#[must_use]
pub fn believed(last: Timestamp, now: Timestamp) -> Timestamp {
    if now.duration_until(last) <= FUTURE_MAX { last } else { now }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(last: &str, now: &str, policy: CatchUpPolicy, expect: &[(&str, Lateness)]) {
        let cadence = Cadence::cron("0 * * * *", "UTC").unwrap();
        let found =
            due(&cadence, last.parse().unwrap(), now.parse().unwrap(), policy, Spread::default()).slots;
        let expect: Vec<Slot> = expect
            .iter()
            .map(|(at, lateness)| Slot { at: at.parse().unwrap(), lateness: *lateness })
            .collect();
        assert_eq!(found, expect);
    }

    const fn policy(catch_up: CatchUp, max_lateness: Option<SignedDuration>) -> CatchUpPolicy {
        CatchUpPolicy { catch_up, max_lateness }
    }

    use Lateness::{Missed, OnTime};

    const NONE: CatchUpPolicy = policy(CatchUp::None, None);
    const LATEST: CatchUpPolicy = policy(CatchUp::Latest, None);
    const ALL: CatchUpPolicy = policy(CatchUp::All, None);
    const SOON: Option<SignedDuration> = Some(SignedDuration::from_mins(45));

    #[test]
    fn a_slot_on_time_has_a_run_whatever_the_policy() {
        for policy in [NONE, LATEST, ALL, policy(CatchUp::Latest, Some(SignedDuration::ZERO))] {
            check(
                "2026-01-10T11:00:00Z",
                "2026-01-10T12:00:01Z",
                policy,
                &[("2026-01-10T12:00:00Z", OnTime)],
            );
        }
    }

    #[test]
    fn nothing_is_due_before_its_time_or_twice() {
        for policy in [NONE, LATEST, ALL] {
            check("2026-01-10T11:00:00Z", "2026-01-10T11:59:59.999Z", policy, &[]);
            check("2026-01-10T12:00:00Z", "2026-01-10T12:00:00Z", policy, &[]);
        }
    }

    #[test]
    fn missed_slots_go_by_the_policy() {
        let (last, now) = ("2026-01-10T08:00:00Z", "2026-01-10T11:30:00Z");
        check(last, now, NONE, &[]);
        check(last, now, LATEST, &[("2026-01-10T11:00:00Z", Missed)]);
        let all = [
            ("2026-01-10T09:00:00Z", Missed),
            ("2026-01-10T10:00:00Z", Missed),
            ("2026-01-10T11:00:00Z", Missed),
        ];
        check(last, now, ALL, &all);
        check(last, now, policy(CatchUp::Latest, SOON), &[("2026-01-10T11:00:00Z", Missed)]);
        check(last, now, policy(CatchUp::All, SOON), &[("2026-01-10T11:00:00Z", Missed)]);
        check(last, "2026-01-10T11:46:00Z", policy(CatchUp::Latest, SOON), &[]);
    }

    #[test]
    fn a_month_away_starts_no_flood() {
        let cadence = Cadence::every(SignedDuration::from_secs(1)).unwrap();
        let (last, now) = ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-02-01T00:00:00Z".parse().unwrap());
        let slots = due(&cadence, last, now, ALL, Spread::default()).slots;
        assert_eq!(slots.len(), SLOTS_MAX);
        assert_eq!(slots.last().unwrap().at, now);
        assert_eq!(due(&cadence, last, now, LATEST, Spread::default()).slots.len(), 1);
    }

    #[test]
    fn a_clock_set_back_repeats_nothing_and_a_wild_one_is_not_believed() {
        check("2026-01-10T12:00:00Z", "2026-01-10T09:00:00Z", LATEST, &[]);
        check("2027-01-10T12:00:00Z", "2026-01-10T09:00:00Z", LATEST, &[]);
    }

    #[test]
    fn a_slot_waits_for_its_delay_and_is_on_time_at_it() {
        let cadence = Cadence::cron("0 * * * *", "UTC").unwrap();
        let spread = Spread { seed: b"playbook", max: SignedDuration::from_mins(50) };
        let last: Timestamp = "2026-01-10T11:00:00Z".parse().unwrap();
        let slot: Timestamp = "2026-01-10T12:00:00Z".parse().unwrap();
        let start = cadence.start_of(slot, spread.seed, spread.max);
        assert!(SignedDuration::from_mins(3) < slot.duration_until(start), "the seed was chosen for it");
        let before = start.checked_sub(SignedDuration::from_millis(1)).unwrap();
        assert_eq!(due(&cadence, last, before, NONE, spread), DueSlots::default());
        let at_it = due(&cadence, last, start, NONE, spread);
        assert_eq!(at_it.slots, [Slot { at: slot, lateness: OnTime }]);
        assert_eq!(at_it.newest, Some(slot));
    }

    #[test]
    fn what_is_let_go_is_not_looked_at_again() {
        let cadence = Cadence::cron("0 * * * *", "UTC").unwrap();
        let (last, now) = ("2026-01-10T08:00:00Z".parse().unwrap(), "2026-01-10T11:30:00Z".parse().unwrap());
        let found = due(&cadence, last, now, NONE, Spread::default());
        assert_eq!(found, DueSlots { slots: vec![], newest: Some("2026-01-10T11:00:00Z".parse().unwrap()) });
    }
}
