//! The timetable step by step, and the scheduler on a clock that stands still.

use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::cadence::{Cadence, CatchUp, CatchUpPolicy, Lateness, Spread, due};
use crate::clock::{Clock as _, ManualClock};
use crate::model::PlaybookId;
use crate::store::Trigger;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const MANY: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

fn noon() -> Timestamp {
    "2026-01-10T12:00:00Z".parse().unwrap()
}

fn after(minutes: i64) -> Timestamp {
    noon().checked_add(SignedDuration::from_mins(minutes)).unwrap()
}

fn key(number: u128) -> Key {
    Key { playbook: PlaybookId(Uuid::from_u128(number)), tenant: "contoso".into() }
}

fn every(number: u128, distance: SignedDuration) -> Entry {
    Entry {
        key: key(number),
        cadence: Cadence::every(distance).unwrap(),
        jitter: SignedDuration::ZERO,
        policy: CatchUpPolicy::default(),
        overlap: Overlap::Skip,
    }
}

fn table(entries: Vec<Entry>) -> Timetable {
    let mut table = Timetable::new(MANY);
    assert_eq!(table.set(entries, &BTreeMap::new(), noon()), []);
    table
}

/// Takes everything that may begin, as playbook, minutes after noon, and trigger.
fn takes(table: &mut Timetable) -> Vec<(u128, i64, Trigger)> {
    std::iter::from_fn(|| table.take())
        .map(|due| {
            (due.key.playbook.0.as_u128(), noon().duration_until(due.slot).as_secs() / 60, due.trigger)
        })
        .collect()
}

/// Moves to `minutes` after noon and takes everything that may begin; everything ends at once.
#[track_caller]
fn check(table: &mut Timetable, minutes: i64, expect: &[(u128, i64, Trigger)]) {
    table.advance(after(minutes));
    let found = takes(table);
    assert_eq!(found, expect);
    for (number, ..) in found {
        table.ended(&key(number));
    }
}

use Trigger::{CatchUp as Late, Schedule as Now};

#[test]
fn entries_come_due_in_their_order() {
    let mut table = table(vec![every(1, HOUR), every(2, MINUTE * 20)]);
    assert_eq!(table.wake(), Some(after(20)));
    check(&mut table, 19, &[]);
    check(&mut table, 20, &[(2, 20, Now)]);
    check(&mut table, 40, &[(2, 40, Now)]);
    check(&mut table, 60, &[(1, 60, Now), (2, 60, Now)]);
    assert_eq!(table.upcoming(), [(after(80), key(2)), (after(120), key(1))]);
}

#[test]
fn a_new_entry_begins_now_and_a_known_one_where_the_journal_left_it() {
    let mut table = Timetable::new(MANY);
    let marks = BTreeMap::from([(key(1), after(-180)), (key(3), after(0))]);
    table.set(vec![every(1, HOUR), every(2, HOUR), every(3, HOUR)], &marks, after(30));
    check(&mut table, 30, &[(1, 0, Late)]);
    check(&mut table, 60, &[(1, 60, Now), (2, 60, Now), (3, 60, Now)]);
}

#[test]
fn a_reload_neither_drops_nor_repeats_what_is_due() {
    let mut table = table(vec![every(1, HOUR), every(2, HOUR)]);
    // The reload comes at the very instant, before anybody looked.
    assert_eq!(table.set(vec![every(1, HOUR), every(2, HOUR)], &BTreeMap::new(), after(60)), []);
    check(&mut table, 60, &[(1, 60, Now), (2, 60, Now)]);
    // And right after.
    table.set(vec![every(1, HOUR), every(2, HOUR)], &BTreeMap::new(), after(60));
    check(&mut table, 61, &[]);
    // A cadence that changes begins anew, after what the old one owed.
    table.set(vec![every(1, MINUTE * 7), every(2, HOUR)], &BTreeMap::new(), after(120));
    check(&mut table, 120, &[(1, 120, Now), (2, 120, Now)]);
    // Seven minutes are counted from 1970, not from the edit.
    let next = Cadence::every(MINUTE * 7).unwrap().next_after(after(120)).unwrap();
    assert_eq!(table.wake(), Some(next));
}

#[test]
fn a_playbook_that_is_gone_does_not_run_but_its_run_ends_in_peace() {
    let mut one = Timetable::new(NonZeroUsize::MIN);
    one.set(vec![every(1, HOUR), every(2, HOUR)], &BTreeMap::new(), noon());
    one.advance(after(60));
    assert_eq!(takes(&mut one), [(1, 60, Now)]);
    // Both go; the one that runs keeps its place until it ends.
    one.set(vec![every(3, MINUTE)], &BTreeMap::new(), after(60));
    one.advance(after(61));
    assert_eq!(takes(&mut one), []);
    one.ended(&key(1));
    assert_eq!(takes(&mut one), [(3, 61, Now)]);
}

#[test]
fn a_run_that_goes_on_drops_or_holds_what_comes_due() {
    let queue = Entry { overlap: Overlap::Queue, ..every(2, HOUR) };
    let mut table = table(vec![every(1, HOUR), queue]);
    table.advance(after(60));
    assert_eq!(takes(&mut table), [(1, 60, Now), (2, 60, Now)]);
    let dropped = table.advance(after(120));
    assert_eq!(dropped.iter().map(|one| (&one.key, one.slot)).collect::<Vec<_>>(), [(&key(1), after(120))]);
    let dropped = table.advance(after(180));
    let expect = [(&key(1), after(180)), (&key(2), after(120))];
    assert_eq!(dropped.iter().map(|one| (&one.key, one.slot)).collect::<Vec<_>>(), expect);
    assert_eq!(takes(&mut table), []);
    table.ended(&key(1));
    table.ended(&key(2));
    assert_eq!(takes(&mut table), [(2, 180, Now)]);
}

#[test]
fn only_so_many_run_at_once_and_the_rest_wait_in_order() {
    let mut table = Timetable::new(NonZeroUsize::new(2).unwrap());
    table.set((1..=4).map(|number| every(number, HOUR)).collect(), &BTreeMap::new(), noon());
    table.advance(after(60));
    assert_eq!(takes(&mut table), [(1, 60, Now), (2, 60, Now)]);
    assert_eq!(table.wake(), Some(after(120)), "what waits for its turn is no reason to wake");
    table.ended(&key(2));
    assert_eq!(takes(&mut table), [(3, 60, Now)]);
    table.ended(&key(1));
    table.ended(&key(3));
    assert_eq!(takes(&mut table), [(4, 60, Now)]);
}

#[test]
fn everything_missed_is_made_up_for_one_after_the_other() {
    let policy = CatchUpPolicy { catch_up: CatchUp::All, max_lateness: None };
    let mut table = Timetable::new(MANY);
    let marks = BTreeMap::from([(key(1), after(0))]);
    table.set(vec![Entry { policy, ..every(1, HOUR) }], &marks, after(190));
    for (slot, trigger) in [(60, Late), (120, Late), (180, Late)] {
        table.advance(after(190));
        assert_eq!(takes(&mut table), [(1, slot, trigger)]);
        table.ended(&key(1));
    }
    assert_eq!(takes(&mut table), []);
}

#[test]
fn a_slot_too_late_is_let_go_and_said() {
    let policy = CatchUpPolicy { catch_up: CatchUp::None, max_lateness: None };
    let mut table = Timetable::new(MANY);
    let marks = BTreeMap::from([(key(1), after(0))]);
    let dropped = table.set(vec![Entry { policy, ..every(1, HOUR) }], &marks, after(90));
    assert_eq!(dropped, []);
    let dropped = table.advance(after(90));
    assert_eq!(dropped, [Skipped { key: key(1), slot: after(60), behind: None, why: "it was too late" }]);
    check(&mut table, 120, &[(1, 120, Now)]);
}

#[test]
fn row_35_a_clock_that_jumps_starts_no_flood_and_repeats_nothing() {
    let mut table = table((1..=3).map(|number| every(number, MINUTE)).collect());
    // A week forward: one run each.
    let week = 7 * 24 * 60;
    check(&mut table, week, &[(1, week, Now), (2, week, Now), (3, week, Now)]);
    // An hour back: nothing twice.
    check(&mut table, week - 60, &[]);
    check(&mut table, week, &[]);
    check(&mut table, week + 1, &[(1, week + 1, Now), (2, week + 1, Now), (3, week + 1, Now)]);
    // A week back: the clock was wrong before, and the schedule does not stay silent for a week.
    check(&mut table, 0, &[]);
    check(&mut table, 1, &[(1, 1, Now), (2, 1, Now), (3, 1, Now)]);
}

#[test]
fn a_claim_keeps_the_schedule_out_and_is_kept_out_by_a_run() {
    let mut table = table(vec![Entry { overlap: Overlap::Queue, ..every(1, HOUR) }]);
    assert!(table.claim(&key(1)));
    assert!(!table.claim(&key(1)));
    table.advance(after(60));
    assert_eq!(takes(&mut table), []);
    table.ended(&key(1));
    assert_eq!(takes(&mut table), [(1, 60, Now)]);
    assert!(!table.claim(&key(1)));
    table.ended(&key(1));
    // A playbook without a schedule can be claimed, too, and leaves nothing behind.
    assert!(table.claim(&key(9)));
    table.ended(&key(9));
    assert_eq!(table.upcoming().len(), 1);
}

#[test]
fn what_comes_due_during_a_claim_waits_whatever_its_rule() {
    let mut table = table(vec![every(1, HOUR)]);
    assert!(table.claim(&key(1)));
    assert_eq!(table.advance(after(60)), []);
    let late: Vec<Timestamp> = table.advance(after(120)).iter().map(|skipped| skipped.slot).collect();
    assert_eq!(late, [after(60)], "only the latest waits");
    table.ended(&key(1));
    assert_eq!(takes(&mut table), [(1, 120, Now)]);
}

#[test]
fn ten_thousand_entries_each_have_every_slot_once() {
    let entries: Vec<Entry> = (0..10_000_u32)
        .map(|number| {
            let cadence = match number % 4 {
                0 => Cadence::cron("*/15 * * * *", "Europe/Vienna"),
                1 => Cadence::cron("5 * * * *", "UTC"),
                2 => Cadence::every(MINUTE * 30),
                _ => Cadence::every(SignedDuration::from_mins(7)),
            };
            let jitter = if number % 3 == 0 { MINUTE * 3 } else { SignedDuration::ZERO };
            Entry { cadence: cadence.unwrap(), jitter, ..every(number.into(), HOUR) }
        })
        .collect();
    let mut table = table(entries.clone());
    let mut slots: BTreeMap<Key, Vec<Timestamp>> = BTreeMap::new();
    for minute in 1..=45 {
        table.advance(after(minute));
        while let Some(due) = table.take() {
            assert_eq!(due.trigger, Now);
            assert!(due.slot <= after(minute), "never before its time");
            table.ended(&due.key);
            slots.entry(due.key).or_default().push(due.slot);
        }
        // A reload in the middle changes nothing.
        if minute == 30 {
            table.set(entries.clone(), &BTreeMap::new(), after(minute));
        }
    }
    for entry in &entries {
        let mut expect = entry.cadence.slots_between(noon(), after(45), usize::MAX);
        let seed = [entry.key.playbook.0.as_bytes().as_slice(), b"contoso"].concat();
        expect.retain(|slot| entry.cadence.start_of(*slot, &seed, entry.jitter) <= after(45));
        assert_eq!(slots.remove(&entry.key).unwrap_or_default(), expect, "{entry:?}");
    }
}

/// Polls a future once.
fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn the_scheduler_sleeps_until_the_next_start() {
    let clock = ManualClock::new(noon());
    let scheduler = Scheduler::new(Arc::new(clock.clone()), MANY);
    scheduler.set(vec![every(1, MINUTE * 30)], &BTreeMap::new());
    {
        let mut next = std::pin::pin!(scheduler.next());
        assert!(poll(next.as_mut()).is_none());
        clock.advance(MINUTE * 29);
        assert!(poll(next.as_mut()).is_none());
        clock.advance(MINUTE);
        let start = poll(next.as_mut()).unwrap();
        assert_eq!((start.due.slot, start.due.trigger), (after(30), Now));
    }
    assert_eq!(clock.now(), after(30));
    assert_eq!(scheduler.upcoming(), [(after(60), key(1))]);
}

#[tokio::test]
async fn an_edit_wakes_a_scheduler_that_had_nothing_to_do() {
    let scheduler = Scheduler::new(Arc::new(ManualClock::new(noon())), MANY);
    let marks = BTreeMap::from([(key(1), after(-90))]);
    let mut next = std::pin::pin!(scheduler.next());
    assert!(poll(next.as_mut()).is_none());
    scheduler.set(vec![every(1, HOUR)], &marks);
    let start = poll(next.as_mut()).unwrap();
    assert_eq!((start.due.slot, start.due.trigger), (noon(), Now));
}

#[tokio::test]
async fn a_dropped_ticket_lets_the_next_one_begin() {
    let clock = ManualClock::new(noon());
    let scheduler = Scheduler::new(Arc::new(clock.clone()), NonZeroUsize::MIN);
    scheduler.set(vec![every(1, HOUR), every(2, HOUR)], &BTreeMap::new());
    clock.advance(HOUR);
    let first = scheduler.next().await;
    {
        let mut second = std::pin::pin!(scheduler.next());
        assert!(poll(second.as_mut()).is_none());
        drop(first);
        assert_eq!(poll(second.as_mut()).unwrap().due.key, key(2));
    }
    let claimed = scheduler.claim(&key(1)).unwrap();
    assert!(scheduler.claim(&key(1)).is_none());
    drop(claimed);
    assert!(scheduler.claim(&key(1)).is_some());
}

#[tokio::test]
async fn a_dropped_wait_drops_nothing_that_is_due() {
    let clock = ManualClock::new(noon());
    let scheduler = Scheduler::new(Arc::new(clock.clone()), MANY);
    scheduler.set(vec![every(1, HOUR)], &BTreeMap::new());
    {
        let mut next = std::pin::pin!(scheduler.next());
        assert!(poll(next.as_mut()).is_none());
        clock.advance(HOUR);
    }
    assert_eq!(scheduler.next().await.due.slot, after(60));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However the clock is moved, slots ascend, none comes early, and none comes twice.
    #[test]
    fn slots_ascend_and_are_never_early(
        steps in proptest::collection::vec(-90_i64..600, 1..60),
        minutes in 1_i64..90,
        jitter in 0_i64..30,
        all: bool,
    ) {
        let catch_up = if all { CatchUp::All } else { CatchUp::Latest };
        let entry = Entry {
            jitter: SignedDuration::from_mins(jitter),
            policy: CatchUpPolicy { catch_up, max_lateness: None },
            ..every(1, SignedDuration::from_mins(minutes))
        };
        let mut table = table(vec![entry]);
        let (mut now, mut last) = (noon(), noon());
        for step in steps {
            now = now.checked_add(SignedDuration::from_mins(step)).unwrap();
            table.advance(now);
            while let Some(due) = table.take() {
                prop_assert!(last < due.slot);
                prop_assert!(due.slot <= now);
                last = due.slot;
                table.ended(&due.key);
            }
        }
    }

    /// The timetable hands out what the pure rule says.
    #[test]
    fn the_timetable_agrees_with_the_rule(minutes in 1_i64..200, gap in 1_i64..2000) {
        let entry = every(1, SignedDuration::from_mins(minutes));
        let rule = due(&entry.cadence, noon(), after(gap), entry.policy, Spread::default());
        let mut table = table(vec![entry]);
        table.advance(after(gap));
        let found = takes(&mut table);
        prop_assert_eq!(found.len(), rule.slots.len());
        for (slot, (_number, _minutes, trigger)) in rule.slots.iter().zip(found) {
            prop_assert_eq!(trigger == Now, slot.lateness == Lateness::OnTime);
        }
    }
}
