//! What is in force because of us, what has taken its place, and what people and the engine write down about its end.

use std::sync::Arc;

use huntbook::model::RunId;
use huntbook::store::{
    Besides, Chain, EffectKey, EffectState, History, Intended, NewEffect, NewRevert, Revert, RevertNote,
    RevertState, Speaker, Stand, Store, StoreError,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::bench::{Bench, HOUR, effect, message, note, result, undo};

const MOMENT: SignedDuration = SignedDuration::from_millis(1);

/// An effect that is told apart from others on its target by a name, and that nothing of the same run is in the way of.
fn named(run: RunId, name: &str, target: &str) -> NewEffect {
    let key = EffectKey::of(&[name.as_bytes()]);
    NewEffect { key, exclusive: false, destructive: false, ..effect(run, target) }
}

fn release(run: RunId, name: &str, target: &str) -> NewEffect {
    NewEffect { action: "releaseDevice".to_owned(), ..named(run, name, target) }
}

/// Sends an effect and writes down how it went, state by state.
async fn send(store: &Store, effect: &NewEffect, undo: Option<&NewRevert>, states: &[EffectState]) {
    assert_eq!(store.intend_with(effect, undo).await.unwrap(), Intended::Go { attempt: 1 });
    for state in states {
        store.record(&effect.key, 1, &result(*state)).await.unwrap();
    }
}

async fn in_force(store: &Store) -> Vec<EffectKey> {
    store.in_force().await.unwrap().into_iter().map(|stands| stands.effect).collect()
}

/// What is in force, of one effect.
async fn of(store: &Store, key: &EffectKey) -> Revert {
    let found = store.in_force().await.unwrap().into_iter().find(|stands| stands.effect == *key);
    found.expect("it is in force")
}

fn maja() -> Speaker {
    Speaker { account: "maja".to_owned(), uid: Some(4001), reason: None }
}

#[tokio::test]
async fn what_may_have_been_applied_is_in_force_until_it_provably_was_not() {
    use EffectState::{Done, Failed, NotApplied, Parked, Pending, Unknown};
    for (states, is_in_force) in [
        (&[][..], true),
        (&[Pending], true),
        (&[Done], true),
        (&[Unknown], true),
        (&[Unknown, Parked], true),
        (&[NotApplied], false),
        (&[Pending, Failed], false),
    ] {
        let (_bench, store, run) = Bench::running().await;
        let isolate = named(run, "ours", "device:a");
        send(&store, &isolate, Some(&undo()), states).await;
        assert_eq!(in_force(&store).await.len(), usize::from(is_in_force), "{states:?}");
        let stand = if is_in_force { Stand::Stands } else { Stand::Over };
        assert_eq!(store.still_stands(&isolate.key).await.unwrap(), stand, "{states:?}");
    }
}

#[tokio::test]
async fn only_what_undoes_it_done_since_and_on_its_target_ends_what_stands() {
    let (bench, store, run) = Bench::running().await;
    send(&store, &release(run, "before", "device:a"), None, &[EffectState::Done]).await;
    bench.clock.advance(MOMENT);
    let isolate = named(run, "ours", "device:a");
    send(&store, &isolate, Some(&undo()), &[EffectState::Done]).await;
    let elsewhere = NewEffect { tenant: "fabrikam".to_owned(), ..release(run, "elsewhere", "device:a") };
    let scan = NewEffect { action: "runAntivirusScan".to_owned(), ..release(run, "scan", "device:a") };
    for (other, state) in [
        (elsewhere, EffectState::Done),
        (scan, EffectState::Done),
        (release(run, "another", "device:b"), EffectState::Done),
        (release(run, "accepted", "device:a"), EffectState::Pending),
        (release(run, "in doubt", "device:a"), EffectState::Unknown),
        (release(run, "in vain", "device:a"), EffectState::NotApplied),
    ] {
        send(&store, &other, None, &[state]).await;
        assert_eq!(store.still_stands(&isolate.key).await.unwrap(), Stand::Stands, "{other:?}");
        assert_eq!(in_force(&store).await, std::slice::from_ref(&isolate.key), "{other:?}");
    }
    send(&store, &release(run, "ended", "device:a"), None, &[EffectState::Done]).await;
    assert_eq!(store.still_stands(&isolate.key).await.unwrap(), Stand::Over, "done at the same instant");
    assert!(in_force(&store).await.is_empty());
}

#[tokio::test]
async fn the_same_done_later_takes_the_place_of_what_stood() {
    use EffectState::{Done, Failed, NotApplied, Pending, Unknown};
    let later = |run: RunId| named(run, "later", "device:a");
    let elsewhere = |run| NewEffect { tenant: "fabrikam".to_owned(), ..later(run) };
    let scan = |run| NewEffect { action: "runAntivirusScan".to_owned(), ..later(run) };
    let another = |run| named(run, "later", "device:b");
    for (what, after, states, expect) in [
        ("done", MOMENT, &[Done][..], Stand::Replaced),
        ("accepted", MOMENT, &[Pending], Stand::Repeated),
        ("not answered", MOMENT, &[], Stand::Stands),
        ("in doubt", MOMENT, &[Unknown], Stand::Stands),
        ("in vain", MOMENT, &[NotApplied], Stand::Stands),
        ("failed", MOMENT, &[Pending, Failed], Stand::Stands),
        ("at once", SignedDuration::ZERO, &[Done], Stand::Stands),
    ] {
        let (bench, store, run) = Bench::running().await;
        let first = named(run, "first", "device:a");
        send(&store, &first, Some(&undo()), &[Done]).await;
        bench.clock.advance(after);
        send(&store, &later(run), Some(&undo()), states).await;
        assert_eq!(store.still_stands(&first.key).await.unwrap(), expect, "{what}");
        assert_eq!(in_force(&store).await.contains(&first.key), expect != Stand::Replaced, "{what}");
    }
    let (bench, store, run) = Bench::running().await;
    let first = named(run, "first", "device:a");
    send(&store, &first, Some(&undo()), &[Done]).await;
    bench.clock.advance(MOMENT);
    for (name, other) in
        [("elsewhere", elsewhere(run)), ("scan", scan(run)), ("another", another(run)), ("over", later(run))]
    {
        let other = NewEffect { key: EffectKey::of(&[name.as_bytes()]), ..other };
        send(&store, &other, Some(&undo()), &[Done]).await;
        if name == "over" {
            let read = of(&store, &other.key).await;
            assert!(store.note_revert(&read, &note(RevertState::Over), None).await.unwrap());
        }
        assert_eq!(store.still_stands(&first.key).await.unwrap(), Stand::Stands, "{name}");
    }
    let third = named(run, "third", "device:a");
    bench.clock.advance(MOMENT);
    send(&store, &named(run, "second", "device:a"), Some(&undo()), &[Done]).await;
    send(&store, &third, Some(&undo()), &[Pending]).await;
    assert_eq!(store.still_stands(&first.key).await.unwrap(), Stand::Replaced, "one of two is done");
    // What came first takes nothing's place.
    assert_eq!(store.still_stands(&EffectKey::of(&[b"scan"])).await.unwrap(), Stand::Stands);
}

#[tokio::test]
async fn the_longest_that_stands_beside_it_is_told() {
    use EffectState::{Done, NotApplied, Pending, Unknown};
    let for_hours = |hours: i64| NewRevert { after: Some(HOUR * i32::try_from(hours).unwrap()), ..undo() };
    let (bench, store, run) = Bench::running().await;
    let ours = named(run, "ours", "device:a");
    send(&store, &ours, Some(&for_hours(4)), &[Done]).await;
    let (until, read) = (bench.in_hours(4), of(&store, &ours.key).await);
    let longer = async || store.stands_longer(&read).await.unwrap();
    let beside = async |name: &str, hours: i64, state: EffectState| {
        send(&store, &named(run, name, "device:a"), Some(&for_hours(hours)), &[state]).await;
    };
    let elsewhere = NewEffect { tenant: "fabrikam".to_owned(), ..named(run, "elsewhere", "device:a") };
    let scan = NewEffect { action: "runAntivirusScan".to_owned(), ..named(run, "scan", "device:a") };
    for other in [elsewhere, scan, named(run, "another", "device:b")] {
        send(&store, &other, Some(&for_hours(9)), &[Done]).await;
    }
    beside("as long", 4, Done).await;
    beside("in doubt", 9, Unknown).await;
    beside("in vain", 9, NotApplied).await;
    assert_eq!(longer().await, None);
    // It is not longer than itself.
    let none = Revert { effect: EffectKey::of(&[b"none"]), ..read.clone() };
    assert_eq!(store.stands_longer(&none).await.unwrap(), None);
    let sooner = Revert { due: Some(bench.in_hours(3)), ..read.clone() };
    assert_eq!(store.stands_longer(&sooner).await.unwrap(), Some(Some(until)));
    beside("longer", 6, Done).await;
    beside("longest", 7, Pending).await;
    beside("long", 5, Done).await;
    assert_eq!(longer().await, Some(Some(bench.in_hours(7))));
    let does_otherwise = Revert { undo: json!({"otherwise": 1}), ..read.clone() };
    assert_eq!(store.stands_longer(&does_otherwise).await.unwrap(), None);
    send(&store, &named(run, "for good", "device:a"), Some(&undo()), &[Done]).await;
    assert_eq!(longer().await, Some(None));
    let alone = named(run, "alone", "device:alone");
    send(&store, &alone, Some(&undo()), &[Done]).await;
    let alone = store.stands_longer(&of(&store, &alone.key).await).await.unwrap();
    assert_eq!(alone, None, "nothing stands longer than itself");
    // What has been taken back stands no longer.
    send(&store, &release(run, "ended", "device:a"), None, &[Done]).await;
    assert_eq!(longer().await, None);
}

#[tokio::test]
async fn what_stands_is_looked_at_when_it_is_due_and_found_by_the_run_that_takes_it_back() {
    let (bench, store, run) = Bench::running().await;
    for (name, hours) in [("second", Some(5)), ("first", Some(4)), ("for good", None), ("over", Some(1))] {
        let undo = NewRevert { after: hours.map(|hours| HOUR * hours), ..undo() };
        send(&store, &named(run, name, &format!("device:{name}")), Some(&undo), &[EffectState::Done]).await;
    }
    let read = of(&store, &EffectKey::of(&[b"over"])).await;
    let over = RevertNote { look_at: read.look_at, ..note(RevertState::Over) };
    assert!(store.note_revert(&read, &over, None).await.unwrap());
    let at = async |now: Timestamp| {
        let due = store.reverts_to_look_at(now).await.unwrap();
        due.into_iter().map(|due| due.target).collect::<Vec<_>>()
    };
    let due = bench.in_hours(4);
    assert!(at(due.checked_sub(MOMENT).unwrap()).await.is_empty());
    assert_eq!(at(due).await, ["device:first"]);
    assert_eq!(at(Timestamp::MAX).await, ["device:first", "device:second"]);

    let undo_run = RunId::at(bench.now());
    let read = store.reverts_to_look_at(due).await.unwrap().remove(0);
    let begun = RevertNote {
        look_at: Some(bench.in_hours(6)),
        undo_run: Some(undo_run),
        tries: 2,
        reason: Some("it is on its way".to_owned()),
        ..note(RevertState::Standing)
    };
    assert!(store.note_revert(&read, &begun, None).await.unwrap());
    let found = store.revert_of(undo_run).await.unwrap().expect("it is found by its run");
    let expect = Revert {
        look_at: begun.look_at,
        undo_run: begun.undo_run,
        tries: begun.tries,
        reason: begun.reason,
        ..read.clone()
    };
    assert_eq!((&found, found.due), (&expect, Some(due)), "what it is and when it was due stays");
    assert_eq!(store.revert_of(run).await.unwrap(), None);
    assert_eq!(at(Timestamp::MAX).await, ["device:second", "device:first"]);
}

#[tokio::test]
async fn what_is_not_as_it_was_read_is_not_written_over_and_nobody_is_told() {
    let (bench, store, run) = Bench::running().await;
    let isolate = named(run, "ours", "device:a");
    let undo = NewRevert { after: Some(HOUR), ..undo() };
    send(&store, &isolate, Some(&undo), &[EffectState::Done]).await;
    let read = of(&store, &isolate.key).await;
    let told = message("told", None);
    for stale in [
        Revert { look_at: None, ..read.clone() },
        Revert { look_at: Some(bench.in_hours(2)), ..read.clone() },
        Revert { undo_run: Some(run), ..read.clone() },
        Revert { tries: 1, ..read.clone() },
        Revert { effect: EffectKey::of(&[b"other"]), ..read.clone() },
    ] {
        let over = note(RevertState::Over);
        assert!(!store.note_revert(&stale, &over, Some(&told)).await.unwrap(), "{stale:?}");
        assert_eq!((of(&store, &isolate.key).await, store.pending().await.unwrap()), (read.clone(), 0));
    }
    let later = RevertNote { look_at: Some(bench.in_hours(2)), tries: 1, ..note(RevertState::Standing) };
    assert!(store.note_revert(&read, &later, Some(&told)).await.unwrap());
    let now = of(&store, &isolate.key).await;
    assert_eq!((now.look_at, now.tries, store.pending().await.unwrap()), (later.look_at, 1, 1));
    // What is over stays over.
    assert!(store.note_revert(&now, &note(RevertState::Undone), None).await.unwrap());
    let over = Revert { look_at: None, tries: 0, ..now };
    assert!(!store.note_revert(&over, &later, Some(&message("again", None))).await.unwrap());
    assert!(in_force(&store).await.is_empty() && store.pending().await.unwrap() == 1);
}

#[tokio::test]
async fn a_persons_word_makes_it_due_at_once_by_the_clock_on_the_wall_and_is_chained() {
    let (bench, store, run) = Bench::running().await;
    for name in ["ours", "other"] {
        let isolate = named(run, name, &format!("device:{name}"));
        let undo = NewRevert { after: Some(HOUR * 4), ..undo() };
        send(&store, &isolate, Some(&undo), &[EffectState::Done]).await;
        bench.clock.advance(MOMENT);
    }
    let key = EffectKey::of(&[b"ours"]);
    assert_eq!(in_force(&store).await, [key.clone(), EffectKey::of(&[b"other"])], "the oldest first");
    let before = of(&store, &key).await;
    let tried = RevertNote {
        look_at: Some(bench.in_hours(5)),
        tries: 3,
        reason: Some("the tenant was away".to_owned()),
        ..note(RevertState::Standing)
    };
    assert!(store.note_revert(&before, &tried, None).await.unwrap());
    bench.clock.jump(HOUR * -2);
    Store::ask_revert(&bench.path(), Arc::new(bench.clock.clone()), &key, &maja()).await.unwrap();
    let now = Some(bench.now());
    let due = store.reverts_to_look_at(bench.now()).await.unwrap();
    assert_eq!(due.len(), 1, "nobody asked for the other");
    assert_eq!(due[0], Revert { due: now, look_at: now, asked: true, ..before });
    assert!(matches!(store.verify(History::Words, u32::MAX).await.unwrap(), Chain::Intact { events: 1, .. }));
    let said = store.events(History::Words, 0).await.unwrap().remove(0).1;
    assert_eq!((&said["word"], &said["account"]), (&"revert".into(), &"maja".into()), "{said}");

    // So does what is to end by itself.
    let isolate = named(run, "third", "device:third");
    send(&store, &isolate, Some(&NewRevert { after: Some(HOUR), ..undo() }), &[EffectState::Done]).await;
    let third = of(&store, &isolate.key).await;
    assert_eq!((third.due, third.look_at), (Some(bench.in_hours(1)), Some(bench.in_hours(1))));
    assert!(third.since > bench.now(), "the journal's time goes on");

    // Nobody takes back what is not in force, and no word is written.
    assert!(store.note_revert(&due[0], &note(RevertState::Undone), None).await.unwrap());
    for key in [key, EffectKey::of(&[b"nothing"])] {
        let refused = store.hear_revert(&key, &maja()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unknown { what: "action in force", .. }), "{refused}");
    }
    assert_eq!(store.events(History::Words, 0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_persons_word_counts_for_whichever_of_the_same_stands_in_the_end() {
    use EffectState::{Done, NotApplied, Pending};
    for (asked, later, expect) in [
        ("first", Pending, &["first", "later"][..]),
        ("later", Pending, &["first", "later"]),
        // Each has an end of its own where both are done.
        ("first", Done, &["first"]),
        ("later", Done, &["later"]),
        // What came to nothing may be tried once more, and nobody has spoken of that.
        ("first", NotApplied, &["first"]),
    ] {
        let (bench, store, run) = Bench::running().await;
        send(&store, &named(run, "first", "device:a"), Some(&undo()), &[Done]).await;
        send(&store, &named(run, "another", "device:b"), Some(&undo()), &[Done]).await;
        bench.clock.advance(MOMENT);
        send(&store, &named(run, "later", "device:a"), Some(&undo()), &[later]).await;
        store.hear_revert(&EffectKey::of(&[asked.as_bytes()]), &maja()).await.unwrap();
        let due = store.reverts_to_look_at(bench.now()).await.unwrap();
        let is_asked = |name: &&str| due.iter().any(|one| one.effect == EffectKey::of(&[name.as_bytes()]));
        let found: Vec<&str> = ["first", "another", "later"].into_iter().filter(is_asked).collect();
        assert_eq!(found, expect, "{asked} where the later is {later}");
    }
}

#[tokio::test]
async fn a_further_attempt_stands_from_when_it_is_made_and_begins_anew() {
    let (bench, store, run) = Bench::running().await;
    let undo = NewRevert { after: Some(HOUR), ..undo() };
    for (name, state, is_asked) in [("over", RevertState::Over, true), ("undone", RevertState::Undone, false)]
    {
        let target = format!("device:{name}");
        let isolate = named(run, name, &target);
        send(&store, &isolate, Some(&undo), &[EffectState::Unknown]).await;
        store.hear_revert(&isolate.key, &maja()).await.unwrap();
        let came =
            RevertNote { undo_run: Some(run), tries: 2, reason: Some("why".to_owned()), ..note(state) };
        assert!(store.note_revert(&of(&store, &isolate.key).await, &came, None).await.unwrap());
        send(&store, &release(run, &format!("{name} ended"), &target), None, &[EffectState::Done]).await;
        store.record(&isolate.key, 1, &result(EffectState::NotApplied)).await.unwrap();
        bench.clock.advance(MOMENT);
        let again = store.intend_with(&isolate, Some(&undo)).await.unwrap();
        assert_eq!(again, Intended::Go { attempt: 2 });
        let stands = of(&store, &isolate.key).await;
        let begun = (stands.undo_run, stands.tries, stands.reason, stands.since, stands.state);
        assert_eq!(begun, (None, 0, None, bench.now(), RevertState::Standing), "{name}");
        // What was asked for is still owed, unless it was done.
        let due = Some(if is_asked { bench.now() } else { bench.in_hours(1) });
        assert_eq!((stands.asked, stands.due, stands.look_at), (is_asked, due, due), "{name}");
    }
}

#[tokio::test]
async fn what_is_noted_with_a_result_is_told_to_people_with_it() {
    let (_bench, store, run) = Bench::running().await;
    let told = message("told", None);
    for (name, asked, state, is_told) in [
        ("nobody asked", false, RevertState::Standing, true),
        ("asked and stays", true, RevertState::Standing, false),
        ("asked and over", true, RevertState::Over, true),
    ] {
        let isolate = named(run, name, &format!("device:{name}"));
        send(&store, &isolate, Some(&undo()), &[]).await;
        // Another one that is asked for is no matter of this one.
        let other = named(run, &format!("{name}, other"), &format!("device:{name}, other"));
        send(&store, &other, Some(&undo()), &[]).await;
        store.hear_revert(if asked { &isolate.key } else { &other.key }, &maja()).await.unwrap();
        let noted = RevertNote { reason: Some("it is others'".to_owned()), ..note(state) };
        let told = huntbook::store::OutboxMessage { id: name.to_owned(), ..told.clone() };
        let besides = Besides { revert: Some(&noted), told: Some(&told), ..Besides::default() };
        store.record_as(&isolate.key, 1, (&result(EffectState::Done), besides)).await.unwrap();
        let waiting = store.due(Timestamp::MAX, 10).await.unwrap();
        assert_eq!(waiting.iter().any(|message| message.id == name), is_told, "{name}");
        let stands = store.in_force().await.unwrap();
        let stands = stands.iter().find(|stands| stands.effect == isolate.key);
        assert_eq!(stands.is_some(), state == RevertState::Standing, "{name}");
        assert_eq!(stands.is_some_and(|stands| stands.reason.is_some()), !asked, "{name}");
    }
}
