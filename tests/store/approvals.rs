//! Leave that people give: what a request can become, who is counted, and that it is spent once, with its
//! intent.

use std::sync::Arc;

use huntbook::model::RunId;
use huntbook::store::{
    ApprovalState, Chain, Closing, Consent, ContentHash, Heard, History, Intended, NewApproval, NewEffect,
    NewVoice, RunState, Settlement, Store, StoreError, Way,
};
use jiff::{SignedDuration, Timestamp};
use sqlx::Executor as _;

use crate::bench::{Bench, HOUR, effect, end};

const SHOWN: &str = r#"{"action":"isolateDevice","target":"device:a"}"#;

fn request(run: RunId, minimum: u32, expires: Timestamp) -> NewApproval {
    let asked = effect(run, "device:a");
    NewApproval {
        effect: asked.key,
        place: 0,
        step: asked.step,
        action: asked.action,
        target: asked.target,
        channel: "soc".to_owned(),
        minimum,
        shown: SHOWN.to_owned(),
        expires,
    }
}

/// A journal with one request that `minimum` people must say yes to, and its id.
async fn asked(minimum: u32) -> (Bench, Store, RunId, String) {
    let (bench, store, run) = Bench::running().await;
    let new = request(run, minimum, bench.in_hours(1));
    let id = new.id();
    let outcome = "pendingApproval".to_owned();
    let settlement = Settlement { seq: 0, outcome, ask: vec![new], ..Settlement::default() };
    store.settle(run, &settlement).await.unwrap();
    store.finish_run(run, &end(RunState::Ok), &[]).await.unwrap();
    (bench, store, run, id)
}

fn voice(word: Consent, by: &str, uid: u32) -> NewVoice {
    NewVoice {
        word,
        by: by.to_owned(),
        account: format!("u{uid}"),
        uid: Some(uid),
        way: Way::Command,
        note: Some("looked".to_owned()),
    }
}

/// Says yes beside the owner.
async fn yes(bench: &Bench, id: &str, (by, uid): (&str, u32)) -> Heard {
    let clock = Arc::new(bench.clock.clone());
    Store::speak(&bench.path(), clock, id, &voice(Consent::Approve, by, uid)).await.unwrap()
}

fn with_leave(run: RunId) -> NewEffect {
    NewEffect { leave: Some(ContentHash::of(SHOWN.as_bytes())), ..effect(run, "device:a") }
}

#[track_caller]
fn state(heard: &Heard) -> ApprovalState {
    match heard {
        Heard::Counts(asked) | Heard::TooLate(asked) | Heard::Twice(asked) => asked.state,
    }
}

#[tokio::test]
async fn leave_is_spent_once_and_with_the_intent() {
    let (bench, store, run, id) = asked(1).await;
    assert_eq!(store.intend(&with_leave(run)).await.unwrap(), Intended::NoLeave);
    assert!(matches!(yes(&bench, &id, ("lead", 1)).await, Heard::Counts(_)));
    let other = NewEffect { leave: Some(ContentHash::of(b"other")), ..with_leave(run) };
    assert_eq!(store.intend(&other).await.unwrap(), Intended::NoLeave, "leave is for exactly what was shown");
    assert_eq!(store.intend(&with_leave(run)).await.unwrap(), Intended::Go { attempt: 1 });
    let now = store.find_approvals(&id).await.unwrap();
    assert_eq!(now[0].state, ApprovalState::Consumed);
    assert!(matches!(store.intend(&with_leave(run)).await.unwrap(), Intended::InDoubt { .. }));
    let words = now[0].voices.iter().map(|said| (said.by.as_str(), said.uid, said.note.as_deref()));
    assert_eq!(words.collect::<Vec<_>>(), [("lead", Some(1), Some("looked"))]);
    assert!(matches!(
        store.verify(History::Approvals, u32::MAX).await.unwrap(),
        Chain::Intact { events: 3, .. }
    ));
}

#[tokio::test]
async fn a_person_or_an_account_counts_once() {
    let (bench, store, run, id) = asked(2).await;
    assert_eq!(state(&yes(&bench, &id, ("lead", 1)).await), ApprovalState::Awaiting);
    assert!(matches!(yes(&bench, &id, ("lead", 2)).await, Heard::Twice(_)));
    assert!(matches!(yes(&bench, &id, ("duty", 1)).await, Heard::Twice(_)));
    assert_eq!(store.intend(&with_leave(run)).await.unwrap(), Intended::NoLeave);
    assert_eq!(state(&yes(&bench, &id, ("duty", 2)).await), ApprovalState::Approved);
}

#[tokio::test]
async fn two_words_at_once_are_two_words() {
    let (bench, store, _run, id) = asked(2).await;
    let (one, other) = tokio::join!(yes(&bench, &id, ("lead", 1)), yes(&bench, &id, ("duty", 2)));
    let mut states = [state(&one), state(&other)];
    states.sort();
    assert_eq!(states, [ApprovalState::Awaiting, ApprovalState::Approved]);
    assert!(matches!(
        store.verify(History::Approvals, u32::MAX).await.unwrap(),
        Chain::Intact { events: 3, .. }
    ));
}

#[tokio::test]
async fn a_no_is_heard_until_the_leave_is_spent() {
    let no = async |bench: &Bench, id: &str| {
        let clock = Arc::new(bench.clock.clone());
        Store::speak(&bench.path(), clock, id, &voice(Consent::Deny, "duty", 2)).await.unwrap()
    };
    let (bench, store, run, id) = asked(1).await;
    assert_eq!(state(&yes(&bench, &id, ("lead", 1)).await), ApprovalState::Approved);
    assert!(matches!(yes(&bench, &id, ("duty", 2)).await, Heard::TooLate(_)));
    assert_eq!(state(&no(&bench, &id).await), ApprovalState::Rejected);
    assert_eq!(store.intend(&with_leave(run)).await.unwrap(), Intended::NoLeave);
    assert!(matches!(yes(&bench, &id, ("duty", 2)).await, Heard::TooLate(_)));
    let why = store.find_approvals(&id).await.unwrap().remove(0).reason;
    assert_eq!(why.as_deref(), Some("denied by duty: looked"));
    let chain = store.verify(History::Approvals, u32::MAX).await.unwrap();
    assert!(matches!(chain, Chain::Intact { events: 3, .. }), "{chain:?}");

    let (bench, store, run, id) = asked(1).await;
    yes(&bench, &id, ("lead", 1)).await;
    assert_eq!(store.intend(&with_leave(run)).await.unwrap(), Intended::Go { attempt: 1 });
    assert!(matches!(no(&bench, &id).await, Heard::TooLate(_)), "it is on its way");
}

#[tokio::test]
async fn what_is_late_does_not_count_and_leave_ends_with_its_time() {
    let (bench, store, run, id) = asked(1).await;
    assert_eq!(store.decided().await.unwrap(), []);
    assert_eq!(state(&yes(&bench, &id, ("lead", 1)).await), ApprovalState::Approved);
    assert_eq!(store.decided().await.unwrap().len(), 1);
    bench.clock.advance(HOUR);
    assert_eq!(store.intend(&with_leave(run)).await.unwrap(), Intended::NoLeave);
    // Turning the clock back makes nothing young again.
    store.intend(&effect(run, "device:b")).await.unwrap();
    bench.clock.set(bench.in_hours(0).checked_sub(SignedDuration::from_mins(30)).unwrap());
    assert_eq!(store.intend(&with_leave(run)).await.unwrap(), Intended::NoLeave);

    let (bench, _store, _run, id) = asked(1).await;
    bench.clock.advance(HOUR);
    assert!(matches!(yes(&bench, &id, ("lead", 1)).await, Heard::TooLate(_)));
}

#[tokio::test]
async fn a_no_is_final() {
    let (bench, store, run, id) = asked(2).await;
    let no = store.hear(&id, &voice(Consent::Deny, "lead", 1)).await.unwrap();
    assert_eq!(state(&no), ApprovalState::Rejected);
    assert!(matches!(yes(&bench, &id, ("duty", 2)).await, Heard::TooLate(_)));
    assert_eq!(store.intend(&with_leave(run)).await.unwrap(), Intended::NoLeave);
    let close = vec![Closing { id, state: ApprovalState::Rejected, reason: None }];
    let settlement = Settlement { seq: 0, outcome: "denied".to_owned(), close, ..Settlement::default() };
    store.amend_run(run, &[settlement], &end(RunState::Ok), &[]).await.unwrap();
    assert_eq!((store.decided().await.unwrap(), store.open_approvals().await.unwrap()), (vec![], vec![]));
}

#[tokio::test]
async fn the_database_knows_the_same_steps_as_the_program() {
    for &from in ApprovalState::ALL {
        for &to in ApprovalState::ALL {
            let (bench, _store, _run, _id) = asked(1).await;
            let mut raw = bench.raw().await;
            // The way to `from` is not what is tried.
            let way = if from == ApprovalState::Consumed { "approved" } else { from.as_str() };
            for state in [way, from.as_str()] {
                let step = format!("UPDATE approvals SET state = '{state}' WHERE state <> '{state}'");
                raw.execute(sqlx::AssertSqlSafe(step)).await.unwrap();
            }
            let step = format!("UPDATE approvals SET state = '{}'", to.as_str());
            let taken = raw.execute(sqlx::AssertSqlSafe(step)).await;
            assert_eq!(taken.is_ok(), ApprovalState::follows(from, to), "{from:?} {to:?}");
        }
    }
}

#[tokio::test]
async fn nobody_changes_what_was_asked_or_said_unseen() {
    let change = [
        ("UPDATE approvals SET shown = '{}'", "what was asked for never changes"),
        ("UPDATE approvals SET minimum = 1", "what was asked for never changes"),
        ("UPDATE approval_events SET approver = 'duty'", "append only"),
        ("DELETE FROM approval_events", "append only"),
    ];
    for (statement, why) in change {
        let (bench, _store, _run, _id) = asked(2).await;
        let refused = bench.raw().await.execute(statement).await.unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }
    // Who takes the triggers away leaves a chain that does not hold.
    for statement in [
        "DROP TRIGGER approvals_fixed; UPDATE approvals SET shown = '{}'",
        "DROP TRIGGER approvals_fixed; UPDATE approvals SET minimum = 1",
        "DROP TRIGGER approval_events_kept; UPDATE approval_events SET approver = 'duty'",
        "DROP TRIGGER approval_events_cut; DELETE FROM approval_events WHERE n = 1",
        "UPDATE approvals SET state = 'approved'",
        "UPDATE approvals SET settled = 1",
    ] {
        let (bench, store, _run, id) = asked(2).await;
        assert!(matches!(yes(&bench, &id, ("lead", 1)).await, Heard::Counts(_)));
        assert!(matches!(
            store.verify(History::Approvals, u32::MAX).await.unwrap(),
            Chain::Intact { events: 2, .. }
        ));
        bench.raw().await.execute(statement).await.unwrap();
        assert!(
            matches!(store.verify(History::Approvals, u32::MAX).await.unwrap(), Chain::Broken { .. }),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn what_waits_for_people_is_kept_and_the_rest_is_forgotten_in_its_time() {
    let (bench, store, run, id) = asked(1).await;
    let long = SignedDuration::from_hours(24 * 90);
    // A sweep believes a day at most.
    for _day in 0..92 {
        bench.clock.advance(SignedDuration::from_hours(24));
        let swept = store.retention(bench.now(), long).await.unwrap();
        assert_eq!((swept.approvals, swept.runs), (0, 0), "it is still open");
    }
    let close = vec![Closing { id, state: ApprovalState::Expired, reason: None }];
    let settlement = Settlement { seq: 0, outcome: "expired".to_owned(), close, ..Settlement::default() };
    store.amend_run(run, &[settlement], &end(RunState::Ok), &[]).await.unwrap();
    for _day in 0..92 {
        bench.clock.advance(SignedDuration::from_hours(24));
        store.retention(bench.now(), long).await.unwrap();
    }
    assert!(matches!(
        store.verify(History::Approvals, u32::MAX).await.unwrap(),
        Chain::Intact { events: 1, .. }
    ));
    let unknown = store.hear("nothing", &voice(Consent::Approve, "lead", 1)).await.unwrap_err();
    assert!(matches!(unknown, StoreError::Unknown { what: "approval", .. }));
}
