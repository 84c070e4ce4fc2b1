//! Leave that people give: what a request can become, who is counted, and that it is spent once, with its
//! intent.

use std::sync::Arc;

use huntbook::model::RunId;
use huntbook::store::{
    Approval, ApprovalState, Chain, Closing, Consent, ContentHash, EffectKey, EffectState, Heard, History,
    Intended, NewApproval, NewEffect, NewVoice, RevertNote, RevertState, RunState, Settlement, Store,
    StoreError, Voice, Way,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sqlx::Executor as _;

use crate::bench::{Bench, HOUR, PLAYBOOK, TENANT, effect, end, result, undo};

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
async fn a_person_is_known_by_name_by_account_and_by_its_number() {
    let (_bench, store, _run, id) = asked(3).await;
    let said = async |by: &str, account: &str, uid: Option<u32>| {
        let voice = NewVoice { account: account.to_owned(), uid, ..voice(Consent::Approve, by, 0) };
        store.hear(&id, &voice).await.unwrap()
    };
    assert!(matches!(said("lead", "u1", Some(1)).await, Heard::Counts(_)));
    for (by, account, uid) in [("lead", "u2", Some(2)), ("duty", "u1", None), ("duty", "renamed", Some(1))] {
        assert!(matches!(said(by, account, uid).await, Heard::Twice(_)), "{by} {account} {uid:?}");
    }
    // People of a provider have no number: that is not the same one.
    assert!(matches!(said("kim", "provider-kim", None).await, Heard::Counts(_)));
    let heard = said("duty", "provider-duty", None).await;
    assert_eq!(state(&heard), ApprovalState::Approved);
    let Heard::Counts(request) = heard else { panic!("it counts") };
    let who = request.voices.iter().map(Voice::who).collect::<Vec<_>>();
    assert_eq!(who, [("u1", Some(1)), ("provider-kim", None), ("provider-duty", None)]);
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

/// A run that has ended and waits for leave: for each item and place, what is shown and in how many hours it expires.
async fn waiting(bench: &Bench, store: &Store, requests: &[(u32, u32, &str, i64)]) -> RunId {
    let run = bench.begin(store, 2).await;
    for seq in 0..2 {
        let of_item = requests.iter().filter(|(item, ..)| *item == seq);
        let ask = of_item.map(|&(_seq, place, shown, hours)| NewApproval {
            effect: EffectKey::of(&[shown.as_bytes()]),
            place,
            shown: format!(r#"{{"shown":"{shown}"}}"#),
            ..request(run, 1, bench.in_hours(hours))
        });
        let (ask, outcome) = (ask.collect(), "pendingApproval".to_owned());
        let settlement = Settlement { seq, outcome, ask, ..Settlement::default() };
        store.settle(run, &settlement).await.unwrap();
    }
    store.finish_run(run, &end(RunState::Ok), &[]).await.unwrap();
    run
}

fn shown(requests: &[Approval]) -> Vec<String> {
    requests.iter().map(|one| one.shown().get("shown").and_then(Value::as_str).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn requests_are_listed_by_their_time_by_their_run_and_by_what_their_id_begins_with() {
    let bench = Bench::new();
    let store = bench.open().await;
    let first = waiting(&bench, &store, &[(1, 0, "d", 9), (0, 1, "c", 9), (0, 0, "b", 9)]).await;
    bench.clock.advance(HOUR);
    let second = waiting(&bench, &store, &[(0, 0, "a", 1)]).await;
    assert_eq!(
        shown(&store.open_approvals().await.unwrap()),
        ["a", "b", "c", "d"],
        "the soonest to expire first"
    );
    assert_eq!(shown(&store.approvals_of(first).await.unwrap()), ["b", "c", "d"]);
    assert_eq!(shown(&store.approvals_of(second).await.unwrap()), ["a"]);
    let latest = shown(&store.latest_approvals(3).await.unwrap());
    assert_eq!((latest.len(), latest[0].as_str()), (3, "a"), "the newest first");

    let request = store.approvals_of(second).await.unwrap().remove(0);
    let text = r#"{"shown":"a"}"#;
    assert_eq!(request.id, EffectKey::of(&[&ContentHash::of(text.as_bytes()).0]).to_string());
    assert_eq!((request.run, request.seq, request.place, request.minimum), (second, 0, 0, 1));
    assert_eq!((request.asked, request.expires), (bench.now(), bench.in_hours(1)));
    assert_eq!((request.state, request.settled), (ApprovalState::Awaiting, false));
    for text in [&request.id, &request.id[..8], &request.id.to_ascii_uppercase()] {
        assert_eq!(shown(&store.find_approvals(text).await.unwrap()), ["a"], "{text}");
    }
    assert_eq!(store.find_approvals(&request.id[1..]).await.unwrap(), []);
    assert_eq!(store.find_approvals("").await.unwrap(), []);
    let close = vec![Closing { id: request.id.clone(), state: ApprovalState::Expired, reason: None }];
    let settlement = Settlement { seq: 0, outcome: "expired".to_owned(), close, ..Settlement::default() };
    store.amend_run(second, &[settlement], &end(RunState::Ok), &[]).await.unwrap();
    assert_eq!(shown(&store.open_approvals().await.unwrap()), ["b", "c", "d"]);
    let closed = store.find_approvals(&request.id).await.unwrap().remove(0);
    assert_eq!((closed.state, closed.settled), (ApprovalState::Expired, true));
}

#[tokio::test]
async fn what_people_ended_meanwhile_stays_as_it_ended() {
    let (_bench, store, run, id) = asked(1).await;
    store.hear(&id, &voice(Consent::Deny, "duty", 2)).await.unwrap();
    let (state, reason) = (ApprovalState::Expired, Some("nobody said anything".to_owned()));
    let close = vec![Closing { id: id.clone(), state, reason }];
    let settlement = Settlement { seq: 0, outcome: "denied".to_owned(), close, ..Settlement::default() };
    store.amend_run(run, &[settlement], &end(RunState::Ok), &[]).await.unwrap();
    let request = store.find_approvals(&id).await.unwrap().remove(0);
    assert_eq!((request.state, request.settled), (ApprovalState::Rejected, true));
    assert_eq!(request.reason.as_deref(), Some("denied by duty: looked"));
}

#[tokio::test]
async fn a_run_goes_on_where_the_first_request_of_an_item_that_is_open_is_decided() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = waiting(&bench, &store, &[(0, 0, "a", 1), (0, 1, "b", 9), (1, 0, "c", 9)]).await;
    let moment = SignedDuration::from_millis(1);
    bench.clock.advance(moment);
    let other = waiting(&bench, &store, &[(0, 0, "d", 9)]).await;
    let id =
        |shown: &str| EffectKey::of(&[&ContentHash::of(format!(r#"{{"shown":"{shown}"}}"#).as_bytes()).0]);
    let say = async |shown: &str, word| {
        let heard = store.hear(id(shown).as_str(), &voice(word, "lead", 1)).await.unwrap();
        assert!(matches!(heard, Heard::Counts(_)), "{shown}");
    };
    let decided = async || store.decided().await.unwrap();
    let goes_on = |run| (PLAYBOOK, TENANT.to_owned(), run);
    assert_eq!(decided().await, []);
    say("b", Consent::Approve).await;
    assert_eq!(decided().await, [], "the first of its item is still open");
    bench.clock.advance(HOUR - moment * 2);
    assert_eq!(decided().await, []);
    bench.clock.advance(moment);
    assert_eq!(decided().await, [goes_on(run)], "time has decided about the first");
    say("d", Consent::Deny).await;
    assert_eq!(decided().await, [goes_on(run), goes_on(other)]);
    let close = ["a", "b"].map(|shown| Closing {
        id: id(shown).to_string(),
        state: ApprovalState::Expired,
        reason: None,
    });
    let settlement =
        Settlement { seq: 0, outcome: "expired".to_owned(), close: close.into(), ..Settlement::default() };
    store.amend_run(run, &[settlement], &end(RunState::Ok), &[]).await.unwrap();
    assert_eq!(decided().await, [goes_on(other)], "nobody said anything of its other item");

    // While the run itself goes on, it is not gone on with.
    let (bench, store, run) = Bench::running().await;
    let outcome = "pendingApproval".to_owned();
    let ask = vec![request(run, 1, bench.in_hours(1))];
    let id = ask[0].id();
    store.settle(run, &Settlement { seq: 0, outcome, ask, ..Settlement::default() }).await.unwrap();
    store.hear(&id, &voice(Consent::Approve, "lead", 1)).await.unwrap();
    assert_eq!(store.decided().await.unwrap(), []);
    store.finish_run(run, &end(RunState::Ok), &[]).await.unwrap();
    assert_eq!(store.decided().await.unwrap(), [goes_on(run)]);
}

#[tokio::test]
async fn each_item_goes_on_by_itself_when_its_time_or_its_people_say_so() {
    let bench = Bench::new();
    let store = bench.open().await;
    let by_time = waiting(&bench, &store, &[(0, 0, "time", 1)]).await;
    bench.clock.advance(SignedDuration::from_millis(1));
    let by_item = waiting(&bench, &store, &[(0, 0, "open", 9), (1, 1, "item", 9)]).await;
    bench.clock.advance(SignedDuration::from_millis(1));
    let by_run = waiting(&bench, &store, &[(0, 0, "over", 9), (0, 1, "run", 9)]).await;
    let decided = async || {
        let decided = store.decided().await.unwrap();
        decided.into_iter().map(|(_playbook, _tenant, run)| run).collect::<Vec<_>>()
    };
    let (over, run) = {
        let mut requests = store.approvals_of(by_run).await.unwrap();
        (requests.remove(0).id, requests.remove(0).id)
    };
    let close = vec![Closing { id: over, state: ApprovalState::Expired, reason: None }];
    let settlement = Settlement { seq: 0, outcome: "expired".to_owned(), close, ..Settlement::default() };
    store.amend_run(by_run, &[settlement], &end(RunState::Ok), &[]).await.unwrap();
    assert_eq!(decided().await, []);
    let item = store.approvals_of(by_item).await.unwrap().remove(1).id;
    for (id, expect) in [(item, vec![by_item]), (run, vec![by_item, by_run])] {
        assert_eq!(state(&yes(&bench, &id, ("lead", 1)).await), ApprovalState::Approved);
        assert_eq!(decided().await, expect);
    }
    // What comes later in its item may still wait.
    bench.clock.advance(SignedDuration::from_millis(1));
    let by_first = waiting(&bench, &store, &[(0, 0, "first", 9), (0, 1, "later", 9)]).await;
    let first = store.approvals_of(by_first).await.unwrap().remove(0).id;
    assert_eq!(state(&yes(&bench, &first, ("lead", 1)).await), ApprovalState::Approved);
    bench.clock.advance(HOUR - SignedDuration::from_millis(4));
    assert_eq!(decided().await, [by_item, by_run, by_first]);
    bench.clock.advance(SignedDuration::from_millis(1));
    assert_eq!(decided().await, [by_time, by_item, by_run, by_first]);
}

#[tokio::test]
async fn what_several_ids_begin_with_is_a_question_and_not_an_answer() {
    let bench = Bench::new();
    let store = bench.open().await;
    let names: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    let requests: Vec<_> = names.iter().zip(0..).map(|(name, place)| (0, place, name.as_str(), 9)).collect();
    let run = waiting(&bench, &store, &requests).await;
    let ids: Vec<_> = store.approvals_of(run).await.unwrap().into_iter().map(|one| one.id).collect();
    let mut most = 0;
    for id in &ids {
        let begin_so = ids.iter().filter(|other| other[..1] == id[..1]).count();
        assert_eq!(store.find_approvals(&id[..1]).await.unwrap().len(), begin_so.min(2));
        most = most.max(begin_so);
    }
    assert!(most > 2, "there are fewer digits than ids: {most}");
}

#[tokio::test]
async fn leave_is_for_the_call_that_it_was_asked_for() {
    let (bench, store, run, id) = asked(1).await;
    assert!(matches!(yes(&bench, &id, ("lead", 1)).await, Heard::Counts(_)));
    let other = NewEffect { key: EffectKey::of(&[b"other"]), ..with_leave(run) };
    assert_eq!(store.intend(&other).await.unwrap(), Intended::NoLeave);
    bench.clock.advance(HOUR - SignedDuration::from_millis(1));
    assert_eq!(store.intend(&with_leave(run)).await.unwrap(), Intended::Go { attempt: 1 });
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
        "DROP TRIGGER approval_events_cut; DELETE FROM approval_events",
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
async fn who_gave_leave_is_kept_for_as_long_as_what_was_done_stands() {
    let (bench, store, run, id) = asked(2).await;
    for (by, uid) in [("lead", 1), ("duty", 2)] {
        yes(&bench, &id, (by, uid)).await;
    }
    let isolate = with_leave(run);
    store.intend_with(&isolate, Some(&undo())).await.unwrap();
    store.record(&isolate.key, 1, &result(EffectState::Done)).await.unwrap();
    let close = vec![Closing { id, state: ApprovalState::Consumed, reason: None }];
    let settlement = Settlement { seq: 0, outcome: "acted".to_owned(), close, ..Settlement::default() };
    store.amend_run(run, &[settlement], &end(RunState::Ok), &[]).await.unwrap();
    // Those of another action are no matter of this one, and its end is the last event of all.
    let other = waiting(&bench, &store, &[(0, 0, "other", 1)]).await;
    let id = store.approvals_of(other).await.unwrap().remove(0).id;
    assert!(matches!(yes(&bench, &id, ("kim", 3)).await, Heard::Counts(_)));
    let close = vec![Closing { id, state: ApprovalState::Expired, reason: None }];
    let settlement = Settlement { seq: 0, outcome: "expired".to_owned(), close, ..Settlement::default() };
    store.amend_run(other, &[settlement], &end(RunState::Ok), &[]).await.unwrap();

    assert_eq!(bench.days_pass(&store, 20).await.approvals, 0);
    let stands = store.in_force().await.unwrap().remove(0);
    assert_eq!(stands.leave.as_deref(), Some("lead and duty"));
    let over = RevertNote { state: RevertState::Over, look_at: None, undo_run: None, tries: 0, reason: None };
    assert!(store.note_revert(&stands, &over, None).await.unwrap());
    assert_eq!(bench.days_pass(&store, 1).await.approvals, 6);
    assert_eq!((bench.rows("approval_events").await, bench.rows("approvals").await), (1, 1));
    assert!(matches!(
        store.verify(History::Approvals, u32::MAX).await.unwrap(),
        Chain::Intact { events: 1, .. }
    ));
    // What was cut off is still part of what is left.
    let cut = "DROP TRIGGER approval_events_kept; UPDATE approval_events SET prev_hash = zeroblob(32)";
    bench.raw().await.execute(cut).await.unwrap();
    let found = store.verify(History::Approvals, u32::MAX).await.unwrap();
    assert!(matches!(found, Chain::Broken { why: "it was changed", .. }), "{found:?}");
}

#[tokio::test]
async fn whatever_is_said_of_a_request_is_held_by_the_chain() {
    let held = [
        ("approval_events", "approval", "'other'"),
        ("approval_events", "state", "'approved'"),
        ("approval_events", "word", "'deny'"),
        ("approval_events", "approver", "'duty'"),
        ("approval_events", "account", "'u2'"),
        ("approval_events", "uid", "NULL"),
        ("approval_events", "note", "NULL"),
        ("approval_events", "way", "NULL"),
        ("approval_events", "at", "at + 1"),
        ("approval_events", "prev_hash", "zeroblob(32)"),
        ("approval_events", "hash", "zeroblob(32)"),
        ("approval_events", "n", "7"),
        ("approvals", "id", "'other'"),
        ("approvals", "effect_key", "'other'"),
        ("approvals", "tenant", "'fabrikam'"),
        ("approvals", "playbook", "'00000000-0000-0000-0000-000000000001'"),
        ("approvals", "run", "(SELECT id FROM runs WHERE id <> approvals.run)"),
        ("approvals", "seq", "1"),
        ("approvals", "place", "1"),
        ("approvals", "step", "'tag'"),
        ("approvals", "action", "'releaseDevice'"),
        ("approvals", "target", "'device:b'"),
        ("approvals", "channel", "'other'"),
        ("approvals", "minimum", "1"),
        ("approvals", "digest", "zeroblob(32)"),
        ("approvals", "shown", "'{}'"),
        ("approvals", "state", "'approved'"),
        ("approvals", "settled", "1"),
        ("approvals", "asked_at", "asked_at + 1"),
        ("approvals", "expires_at", "expires_at + 3600000"),
    ];
    // The events say both themselves.
    let beside = ["reason", "changed_at"];
    for (table, column, value) in held {
        let (bench, store, _run, id) = asked(3).await;
        bench.clock.advance(SignedDuration::from_millis(1));
        bench.begin(&store, 0).await;
        for (by, uid) in [("lead", 1), ("duty", 2)] {
            assert_eq!(state(&yes(&bench, &id, (by, uid)).await), ApprovalState::Awaiting);
        }
        assert!(matches!(
            store.verify(History::Approvals, u32::MAX).await.unwrap(),
            Chain::Intact { events: 3, .. }
        ));
        let known = bench.columns(table).await;
        let named = held.iter().filter(|(of, ..)| *of == table).map(|(_, column, _)| *column);
        let beside = beside.into_iter().filter(|_| table == "approvals");
        assert_eq!(known, named.chain(beside).map(str::to_owned).collect(), "every column of {table}");
        let mut raw = bench.raw().await;
        let free =
            "DROP TRIGGER approvals_fixed; DROP TRIGGER approvals_step; DROP TRIGGER approval_events_kept";
        raw.execute(free).await.unwrap();
        let which = if table == "approvals" { "1" } else { "n = 2" };
        let change = format!("UPDATE {table} SET {column} = {value} WHERE {which}");
        assert_eq!(raw.execute(sqlx::AssertSqlSafe(change)).await.unwrap().rows_affected(), 1);
        let found = store.verify(History::Approvals, u32::MAX).await.unwrap();
        // By the event itself, not only by what stands there now.
        let is_found =
            matches!(found, Chain::Broken { event, .. } if event > 0 || !table.ends_with("_events"));
        assert!(is_found, "{table}.{column}: {found:?}");
    }
}

#[tokio::test]
async fn what_was_shown_and_who_said_what_is_told_with_each_event() {
    let (bench, store, run, id) = asked(1).await;
    let at = bench.now();
    yes(&bench, &id, ("lead", 1)).await;
    let mut told = store.events(History::Approvals, 0).await.unwrap();
    assert_eq!(told.iter().map(|(n, _told)| *n).collect::<Vec<_>>(), [1, 2]);
    let mut second = told.remove(1).1;
    assert!(second.as_object_mut().unwrap().shift_remove("hash").is_some_and(|hash| hash.is_string()));
    let expect = json!({
        "history": "approvals", "n": 2, "at": at, "approval": id, "state": "approved", "word": "approve",
        "approver": "lead", "account": "u1", "uid": 1, "way": "command", "note": "looked", "run": run, "item": 0,
        "step": "isolate", "action": "isolateDevice", "tenant": TENANT, "playbook": PLAYBOOK,
        "playbookName": "PsExec fan-out", "target": "device:a", "effect": effect(run, "device:a").key,
    });
    assert_eq!(second, expect);
    let first = told.remove(0).1;
    assert_eq!(
        (&first["state"], &first["word"], &first["uid"]),
        (&json!("awaiting"), &json!(null), &json!(null))
    );

    // All of it one on, as if something before it had been let go.
    let mut raw = bench.raw().await;
    let on = "DROP TRIGGER approval_events_kept; UPDATE approval_events SET n = -n; UPDATE approval_events SET n = 1 - n; \
              UPDATE facts SET value = 1 WHERE name = 'approvalCut'";
    raw.execute(on).await.unwrap();
    let found = store.verify(History::Approvals, u32::MAX).await.unwrap();
    assert_eq!(found, Chain::Broken { event: 2, about: Some(id.clone()), why: "it was changed" });
    let back = "UPDATE approval_events SET n = 1 - n; UPDATE approval_events SET n = -n; \
                UPDATE facts SET value = 0 WHERE name = 'approvalCut'";
    raw.execute(back).await.unwrap();
    assert!(matches!(
        store.verify(History::Approvals, u32::MAX).await.unwrap(),
        Chain::Intact { events: 2, .. }
    ));
    // Another request of the same content.
    let named = "DROP TRIGGER approvals_fixed; UPDATE approvals SET id = 'other'; \
                 UPDATE approval_events SET approval = 'other'";
    raw.execute(named).await.unwrap();
    let found = store.verify(History::Approvals, u32::MAX).await.unwrap();
    assert_eq!(found, Chain::Broken { event: 1, about: Some("other".to_owned()), why: "it was changed" });
    let named = format!("UPDATE approvals SET id = '{id}'; UPDATE approval_events SET approval = '{id}'");
    raw.execute(sqlx::AssertSqlSafe(named)).await.unwrap();
    // Leave that was given is not put away unseen.
    raw.execute("UPDATE approvals SET settled = 1").await.unwrap();
    let found = store.verify(History::Approvals, u32::MAX).await.unwrap();
    let why = "an approval does not stand where its last event says";
    assert_eq!(found, Chain::Broken { event: 0, about: Some(id.clone()), why });
    raw.execute("UPDATE approvals SET settled = 0").await.unwrap();
    // What was shown is bound to the request even where its own hash is made to fit.
    raw.execute("UPDATE approvals SET shown = '{}'").await.unwrap();
    let found = store.verify(History::Approvals, u32::MAX).await.unwrap();
    let why = "what was shown for its approval was changed";
    assert_eq!(found, Chain::Broken { event: 1, about: Some(id.clone()), why });
    raw.execute("DELETE FROM approvals").await.unwrap();
    let found = store.verify(History::Approvals, u32::MAX).await.unwrap();
    assert_eq!(found, Chain::Broken { event: 1, about: Some(id), why: "its approval is missing" });
    let alone = store.events(History::Approvals, 1).await.unwrap().remove(0).1;
    assert_eq!((&alone["approver"], alone.get("target")), (&json!("lead"), None));
}

#[tokio::test]
async fn what_waits_for_people_is_kept_and_the_rest_is_forgotten_in_its_time() {
    let (bench, store, run, id) = asked(1).await;
    // What came after it is kept with it.
    let other = waiting(&bench, &store, &[(0, 0, "other", 1)]).await;
    let closed = store.approvals_of(other).await.unwrap().remove(0).id;
    let close = vec![Closing { id: closed, state: ApprovalState::Expired, reason: None }];
    let settlement = Settlement { seq: 0, outcome: "expired".to_owned(), close, ..Settlement::default() };
    store.amend_run(other, &[settlement], &end(RunState::Ok), &[]).await.unwrap();
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
