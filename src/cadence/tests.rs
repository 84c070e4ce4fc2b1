//! Daylight saving in five zones, and properties that hold for all times.

use proptest::prelude::*;

use super::*;

/// Lists the instants of `expression` after `after`, as wall clock times with their offset.
#[track_caller]
fn check(expression: &str, zone: &str, after: &str, expect: &[&str]) {
    let cadence = Cadence::cron(expression, zone).unwrap();
    let zone = TimeZone::get(zone).unwrap();
    let mut at: Timestamp = after.parse().unwrap();
    let mut found = Vec::new();
    for _slot in expect {
        at = cadence.next_after(at).unwrap();
        let clock = at.to_zoned(zone.clone());
        found.push(clock.strftime("%d %H:%M%:z").to_string());
    }
    assert_eq!(found, expect, "{expression} in {}", zone.iana_name().unwrap());
}

#[test]
fn vienna() {
    let (zone, spring, autumn) = ("Europe/Vienna", "2026-03-28T22:59:00Z", "2026-10-24T21:59:00Z");
    check("30 2 * * *", zone, spring, &["29 03:00+02:00", "30 02:30+02:00"]);
    check("*/15 2 * * *", zone, spring, &["29 03:00+02:00", "30 02:00+02:00", "30 02:15+02:00"]);
    check(
        "0 * * * *",
        zone,
        spring,
        &["29 00:00+01:00", "29 01:00+01:00", "29 03:00+02:00", "29 04:00+02:00"],
    );
    check("0 2,3 * * *", zone, spring, &["29 03:00+02:00", "30 02:00+02:00", "30 03:00+02:00"]);
    check("30 2 * * *", zone, autumn, &["25 02:30+02:00", "26 02:30+01:00"]);
    check("0 2,3 * * *", zone, autumn, &["25 02:00+02:00", "25 03:00+01:00", "26 02:00+01:00"]);
    check(
        "30 * * * *",
        zone,
        "2026-10-24T23:00:00Z",
        &["25 01:30+02:00", "25 02:30+02:00", "25 02:30+01:00", "25 03:30+01:00"],
    );
    check(
        "*/20 2 * * *",
        zone,
        autumn,
        &["25 02:00+02:00", "25 02:20+02:00", "25 02:40+02:00", "26 02:00+01:00"],
    );
}

#[test]
fn a_start_between_the_two_passes_sees_no_second_run() {
    // 02:45 in the first pass, and 02:15 in the second.
    for after in ["2026-10-25T00:45:00Z", "2026-10-25T01:15:00Z"] {
        check("30 2 * * *", "Europe/Vienna", after, &["26 02:30+01:00"]);
    }
    check("30 * * * *", "Europe/Vienna", "2026-10-25T01:15:00Z", &["25 02:30+01:00"]);
}

#[test]
fn lord_howe_jumps_by_half_an_hour() {
    let zone = "Australia/Lord_Howe";
    // 2026-10-04 02:00 becomes 02:30; 2026-04-05 02:00 becomes 01:30.
    check("15 2 * * *", zone, "2026-10-03T14:00:00Z", &["04 02:30+11:00", "05 02:15+11:00"]);
    check("0 * * * *", zone, "2026-10-03T14:15:00Z", &["04 01:00+10:30", "04 02:30+11:00", "04 03:00+11:00"]);
    check("45 1 * * *", zone, "2026-04-04T13:00:00Z", &["05 01:45+11:00", "06 01:45+10:30"]);
    check(
        "45 * * * *",
        zone,
        "2026-04-04T14:00:00Z",
        &["05 01:45+11:00", "05 01:45+10:30", "05 02:45+10:30"],
    );
}

#[test]
fn cairo_jumps_at_midnight() {
    let zone = "Africa/Cairo";
    // 2026-04-24 00:00 becomes 01:00; 2026-10-30 00:00 becomes 23:00 of the 29th.
    check("0 0 * * *", zone, "2026-04-23T12:00:00Z", &["24 01:00+03:00", "25 00:00+03:00"]);
    check("30 23 * * *", zone, "2026-10-29T12:00:00Z", &["29 23:30+03:00", "30 23:30+02:00"]);
    check("0 0 * * *", zone, "2026-10-29T12:00:00Z", &["30 00:00+02:00", "31 00:00+02:00"]);
}

#[test]
fn casablanca_changes_for_ramadan() {
    let zone = "Africa/Casablanca";
    // 2026-02-15 03:00 becomes 02:00; 2026-03-22 02:00 becomes 03:00.
    check("30 2 * * *", zone, "2026-02-14T12:00:00Z", &["15 02:30+01:00", "16 02:30+00:00"]);
    check("30 2 * * *", zone, "2026-03-21T12:00:00Z", &["22 03:00+01:00", "23 02:30+01:00"]);
}

#[test]
fn a_zone_without_jumps_has_no_surprises() {
    check("30 2 * * *", "Asia/Kolkata", "2026-03-28T22:59:00Z", &["30 02:30+05:30", "31 02:30+05:30"]);
    check("0 0 29 2 *", "UTC", "2026-03-01T00:00:00Z", &["29 00:00+00:00"]);
}

#[test]
fn days_of_month_and_week_are_joined_by_or() {
    check(
        "0 0 13 * 5",
        "UTC",
        "2026-01-01T00:00:00Z",
        &["02 00:00+00:00", "09 00:00+00:00", "13 00:00+00:00"],
    );
    check("0 0 L * *", "UTC", "2026-02-01T00:00:00Z", &["28 00:00+00:00", "31 00:00+00:00"]);
    check("0 0 * * FRI#2", "UTC", "2026-01-01T00:00:00Z", &["09 00:00+00:00", "13 00:00+00:00"]);
    check("0 0 * * FRIL", "UTC", "2026-01-01T00:00:00Z", &["30 00:00+00:00", "27 00:00+00:00"]);
    check("0 0 15W * *", "UTC", "2026-02-01T00:00:00Z", &["16 00:00+00:00", "16 00:00+00:00"]);
    check("0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", &["04 00:00+00:00"]);
}

#[test]
fn every_keeps_its_distance() {
    let cadence = Cadence::every(SignedDuration::from_mins(90)).unwrap();
    let slots = cadence.slots_between(
        "2026-01-10T00:00:00Z".parse().unwrap(),
        "2026-01-10T04:30:00Z".parse().unwrap(),
        10,
    );
    let expect: Vec<Timestamp> = ["2026-01-10T01:30:00Z", "2026-01-10T03:00:00Z", "2026-01-10T04:30:00Z"]
        .map(|slot| slot.parse().unwrap())
        .to_vec();
    assert_eq!(slots, expect);
    for wrong in
        [SignedDuration::ZERO, SignedDuration::from_millis(999), SignedDuration::from_hours(24 * 367)]
    {
        assert!(Cadence::every(wrong).is_err());
    }
    assert!(Cadence::every(SignedDuration::new(1, 1)).is_err());
}

#[test]
fn a_problem_says_which_text_it_is_in() {
    assert_eq!(Cadence::cron("0 0 * * *", "Mars").unwrap_err().about, About::Zone);
    assert_eq!(Cadence::cron("0 0 30 2 *", "UTC").unwrap_err().about, About::Expression);
    assert_eq!(Cadence::every(SignedDuration::ZERO).unwrap_err().about, About::Every);
}

const EXPRESSIONS: [&str; 12] = [
    "* * * * *",
    "*/15 * * * *",
    "30 2 * * *",
    "0 2,3 * * *",
    "*/15 2 * * *",
    "0 0 * * *",
    "59 23 * * *",
    "0 */2 * * *",
    "0 0 13 * 5",
    "0 0 L * *",
    "0 1 * * SUN#1",
    "0 0 29 2 *",
];

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Vienna",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Pacific/Apia",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn instants_ascend_and_are_never_past(
        expression in proptest::sample::select(&EXPRESSIONS[..]),
        zone in proptest::sample::select(&ZONES[..]),
        start in 1_200_000_000_i64..2_500_000_000,
        nanos in 0_i32..1_000_000_000,
    ) {
        let cadence = Cadence::cron(expression, zone).unwrap();
        let start = Timestamp::new(start, nanos).unwrap();
        let slots: Vec<_> = std::iter::successors(cadence.next_after(start), |slot| cadence.next_after(*slot))
            .take(30)
            .collect();
        prop_assert_eq!(slots.len(), 30);
        prop_assert!(start < slots[0]);
        prop_assert!(slots.is_sorted_by(|one, other| one < other));
        // From anywhere between two slots, the next is the same.
        for pair in slots.windows(2) {
            let middle = pair[0].checked_add(pair[0].duration_until(pair[1]) / 2).unwrap();
            prop_assert_eq!(cadence.next_after(middle), Some(pair[1]));
        }
    }

    #[test]
    fn the_last_slots_are_the_end_of_all_slots(
        expression in proptest::sample::select(&EXPRESSIONS[..]),
        zone in proptest::sample::select(&ZONES[..]),
        start in 1_700_000_000_i64..1_900_000_000,
        hours in 0_i64..72,
        max in 1_usize..20,
    ) {
        let cadence = Cadence::cron(expression, zone).unwrap();
        let start = Timestamp::from_second(start).unwrap();
        let until = start.checked_add(SignedDuration::from_hours(hours)).unwrap();
        let mut all = cadence.slots_between(start, until, usize::MAX);
        let last = all.split_off(all.len().saturating_sub(max));
        prop_assert_eq!(cadence.last_slots_between(start, until, max), last);
    }

    #[test]
    fn a_start_stays_between_its_slot_and_the_next(
        seconds in 1_i64..100_000,
        slot in 0_i64..2_000_000,
        spread in 0_i64..1_000_000,
        seed: [u8; 4],
    ) {
        let cadence = Cadence::every(SignedDuration::from_secs(seconds)).unwrap();
        let slot = cadence.next_after(Timestamp::from_second(slot).unwrap()).unwrap();
        let spread = SignedDuration::from_secs(spread);
        let start = cadence.start_of(slot, &seed, spread);
        prop_assert!(slot <= start && start < cadence.next_after(slot).unwrap());
        prop_assert_eq!(start, cadence.start_of(slot, &seed, spread));
    }

    #[test]
    fn no_text_makes_the_parser_fall_over(expression in "[-0-9a-zA-Z*/,# \t@?]{0,40}", zone in "\\PC{0,20}") {
        if let Ok(cadence) = Cadence::cron(&expression, "UTC") {
            prop_assert!(cadence.next_after(Timestamp::UNIX_EPOCH).is_some());
        }
        if let Err(problem) = Cadence::cron("* * * * *", &zone) {
            prop_assert_eq!(problem.range, 0..zone.len());
        }
    }
}
