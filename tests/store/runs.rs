//! Runs, items, identities, suppression, slots, history.

use std::collections::BTreeSet;

use huntbook::model::PlaybookId;
use huntbook::store::{
    Begun, ContentHash, EffectState, NewEffect, NewItem, NewSkip, NewSuppression, NextTime, Polled, RunEnd,
    RunFilter, RunState, Settlement, StoreError, Watermark,
};
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use crate::bench::{Bench, HOUR, PLAYBOOK, TENANT, effect, end, identity, item, message, result, settled};

#[tokio::test]
async fn a_matched_item_outlives_the_process() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 2).await;
    store.settle(run, &settled(0, "acted")).await.unwrap();
    bench.end(store).await;

    let store = bench.open().await;
    let unfinished = store.unfinished().await.unwrap();
    assert_eq!(unfinished.len(), 1);
    assert_eq!(unfinished[0].run.id, run);
    assert!(unfinished[0].run.batched);
    assert_eq!(unfinished[0].run.counts, json!({"matched": 2}));
    let left: Vec<_> = unfinished[0].items.iter().map(|item| (item.seq, &item.data)).collect();
    assert_eq!(left, [(1, &json!({"Files": 1}))]);
    store.settle(run, &settled(1, "acted")).await.unwrap();
    assert_eq!(store.unfinished().await.unwrap().len(), 1, "the run itself has not ended");
    store.finish_run(run, &end(RunState::Ok), &[]).await.unwrap();
    assert_eq!(store.unfinished().await.unwrap(), []);
}

#[tokio::test]
async fn a_run_that_ended_with_an_open_item_is_unfinished() {
    let (_bench, store, run) = Bench::running().await;
    store.finish_run(run, &end(RunState::Failed), &[]).await.unwrap();
    assert_eq!(store.unfinished().await.unwrap()[0].items.len(), 1);
}

#[tokio::test]
async fn a_run_that_died_before_its_batch_says_so() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.run(Some(bench.now()));
    store.begin_run(&run).await.unwrap();
    let unfinished = store.unfinished().await.unwrap();
    assert!(!unfinished[0].run.batched);
    assert_eq!(unfinished[0].items, []);
}

#[tokio::test]
async fn an_identity_is_new_once_in_its_tenant_and_playbook() {
    let bench = Bench::new();
    let store = bench.open().await;
    bench.begin(&store, 2).await;
    let asked = [identity(7), identity(1), identity(7), identity(8)];
    assert_eq!(store.unseen(TENANT, PLAYBOOK, &asked).await.unwrap(), [identity(7), identity(8)]);
    assert_eq!(store.unseen("fabrikam", PLAYBOOK, &[identity(1)]).await.unwrap(), [identity(1)]);
    let other = PlaybookId(Uuid::from_u128(9));
    assert_eq!(store.unseen(TENANT, other, &[identity(1)]).await.unwrap(), [identity(1)]);
    let many: Vec<_> = (0..1234).map(identity).collect();
    assert_eq!(store.unseen(TENANT, PLAYBOOK, &many).await.unwrap(), many[2..]);
    assert_eq!(store.unseen(TENANT, PLAYBOOK, &[]).await.unwrap(), [] as [[u8; 16]; 0]);
}

#[tokio::test]
async fn a_batch_is_stored_whole_or_not_at_all() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.run(None);
    store.begin_run(&run).await.unwrap();
    let twice = [item(0), item(1), item(1)];
    assert!(store.commit_batch(run.id, &twice, &json!({})).await.is_err());
    assert_eq!(store.run(run.id).await.unwrap().unwrap().items, []);
    assert_eq!(store.unseen(TENANT, PLAYBOOK, &[identity(0)]).await.unwrap(), [identity(0)]);
    // Batch by batch is fine.
    store.commit_batch(run.id, &[item(0)], &json!({})).await.unwrap();
    store.commit_batch(run.id, &[item(1)], &json!({"matched": 2})).await.unwrap();
    assert_eq!(store.run(run.id).await.unwrap().unwrap().items.len(), 2);
    store.finish_run(run.id, &end(RunState::Ok), &[]).await.unwrap();
    let late = store.commit_batch(run.id, &[item(2)], &json!({})).await.unwrap_err();
    assert!(matches!(late, StoreError::Unknown { what: "running run", .. }), "{late}");
}

#[tokio::test]
async fn a_slot_has_one_run_and_its_mark_is_in_the_same_transaction() {
    let bench = Bench::new();
    let store = bench.open().await;
    assert_eq!(store.last_slot(PLAYBOOK, TENANT).await.unwrap(), None);
    let slot = bench.now();
    assert_eq!(store.begin_run(&bench.run(Some(slot))).await.unwrap(), Begun::New);
    assert_eq!(store.begin_run(&bench.run(Some(slot))).await.unwrap(), Begun::SlotTaken);
    assert_eq!(store.last_slot(PLAYBOOK, TENANT).await.unwrap(), Some(slot));
    assert_eq!(store.last_slot(PLAYBOOK, "fabrikam").await.unwrap(), None);
    // Runs by hand have no slot, and a mark never goes back.
    assert_eq!(store.begin_run(&bench.run(None)).await.unwrap(), Begun::New);
    let skip = async |hours: i64, behind: Option<i64>| {
        let (slot, behind) = (bench.in_hours(hours), behind.map(|hours| bench.in_hours(hours)));
        let skip = NewSkip { slot, behind, why: "the run before it goes on" };
        store.skip_slot(PLAYBOOK, TENANT, &skip).await.unwrap();
        store.last_slot(PLAYBOOK, TENANT).await.unwrap()
    };
    assert_eq!(skip(-1, None).await, Some(slot));
    assert_eq!(skip(2, Some(1)).await, Some(slot), "the one it was let go for has not begun");
    assert_eq!(skip(2, Some(0)).await, Some(bench.in_hours(2)));
    let skips = store.skips(PLAYBOOK).await.unwrap();
    assert_eq!((skips[0].slot, skips[0].count, skips.len()), (bench.in_hours(2), 3, 1));
    assert_eq!(store.runs(&RunFilter::default()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn suppression_outlives_the_process_and_ends() {
    let (bench, store, run) = Bench::running().await;
    let until = |hours| NewSuppression { key: "host-0".to_owned(), until: bench.in_hours(hours) };
    let (long, short) = (until(24), until(1));
    for suppress in [vec![long.clone()], vec![short]] {
        let settled = Settlement { outcome: "acted".to_owned(), suppress, ..Settlement::default() };
        store.settle(run, &settled).await.unwrap();
    }
    bench.end(store).await;

    let store = bench.open().await;
    let keys = ["host-0".to_owned(), "host-1".to_owned()];
    let found = store.suppressed(TENANT, PLAYBOOK, &keys).await.unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [("host-0".to_owned(), long.until)]);
    assert!(store.suppressed("fabrikam", PLAYBOOK, &keys).await.unwrap().is_empty());
    bench.clock.advance(SignedDuration::from_hours(24));
    assert!(store.suppressed(TENANT, PLAYBOOK, &keys).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_item_is_settled_with_its_messages_or_not_at_all() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 2).await;
    let good = Settlement {
        seq: 0,
        outcome: "acted".to_owned(),
        messages: vec![message("m0", Some(run))],
        suppress: vec![NewSuppression { key: "host-0".to_owned(), until: bench.in_hours(1) }],
        ..Settlement::default()
    };
    let bad = Settlement { seq: 9, messages: vec![message("m9", Some(run))], ..good.clone() };
    let refused = store.settle_all(run, &[good.clone(), bad]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unknown { what: "item", .. }), "{refused}");
    assert_eq!(store.pending().await.unwrap(), 0);
    assert_eq!(store.unfinished().await.unwrap()[0].items.len(), 2);

    store.settle(run, &good).await.unwrap();
    store.finish_run(run, &end(RunState::Partial), &[message("r", Some(run))]).await.unwrap();
    assert_eq!(store.pending().await.unwrap(), 2);
    let suppressed = store.suppressed(TENANT, PLAYBOOK, &["host-0".to_owned()]).await.unwrap();
    assert_eq!(suppressed.len(), 1);
}

#[tokio::test]
async fn what_nothing_was_done_about_is_news_again_unless_it_may_be_in_force() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 5).await;
    for (seq, state) in [(1, EffectState::NotApplied), (2, EffectState::Unknown), (3, EffectState::Pending)] {
        let effect = NewEffect { seq, ..effect(run, &format!("device:{seq}")) };
        store.intend(&effect).await.unwrap();
        store.record(&effect.key, 1, &result(state)).await.unwrap();
    }
    let left = |seq| Settlement {
        seq,
        outcome: "halted".to_owned(),
        next_time: NextTime::New,
        ..Settlement::default()
    };
    store.settle_all(run, &[0, 1, 2, 3].map(left)).await.unwrap();
    store.settle(run, &settled(4, "skipped")).await.unwrap();
    let all: Vec<_> = (0..5).map(identity).collect();
    assert_eq!(store.unseen(TENANT, PLAYBOOK, &all).await.unwrap(), all[..2]);
    store.finish_run(run, &end(RunState::Partial), &[]).await.unwrap();
    // What a later run has seen, an earlier one does not make news.
    let later = bench.run(None);
    store.begin_run(&later).await.unwrap();
    store.commit_batch(later.id, &[item(0)], &json!({})).await.unwrap();
    store.settle(run, &left(0)).await.unwrap();
    assert_eq!(store.unseen(TENANT, PLAYBOOK, &all).await.unwrap(), all[1..2]);
}

#[tokio::test]
async fn what_people_were_told_of_is_known_by_item_and_outcome() {
    let bench = Bench::new();
    let store = bench.open().await;
    let situation = ContentHash::of(b"limits");
    let told = RunEnd { undone: Some(situation), ..end(RunState::Partial) };
    let mut runs = Vec::new();
    for outcomes in [["halted", "halted", "failed"], ["failed", "halted", "failed"]] {
        let run = bench.begin(&store, 3).await;
        assert_eq!(
            store.told_undone(run).await.unwrap().map(|told| told.at),
            runs.first().map(|_| bench.now())
        );
        for (seq, outcome) in (0..).zip(outcomes) {
            store.settle(run, &settled(seq, outcome)).await.unwrap();
        }
        runs.push(run);
        if runs.len() == 1 {
            store.finish_run(run, &told, &[]).await.unwrap();
        }
    }
    let known = store.told_undone(runs[1]).await.unwrap().unwrap();
    assert_eq!((known.situation, known.items), (situation, BTreeSet::from([1, 2])));
    // A run that tells nobody changes nothing about it.
    store.finish_run(runs[1], &end(RunState::Partial), &[]).await.unwrap();
    assert_eq!(store.told_undone(runs[1]).await.unwrap().unwrap().items, BTreeSet::from([1, 2]));
}

#[tokio::test]
async fn history_is_told_latest_first_and_in_full() {
    let bench = Bench::new();
    let store = bench.open().await;
    let mut ids = Vec::new();
    for _run in 0..3 {
        ids.push(bench.begin(&store, 1).await);
        bench.clock.advance(HOUR);
    }
    let effect = effect(ids[2], "device:a");
    store.intend(&effect).await.unwrap();
    let done = huntbook::store::Recorded {
        remote_id: Some("4d6c".to_owned()),
        detail: Some("accepted".to_owned()),
        ..result(EffectState::Done)
    };
    store.record(&effect.key, 1, &done).await.unwrap();
    store.enqueue(&message("m", Some(ids[2]))).await.unwrap();
    store.finish_run(ids[0], &end(RunState::Failed), &[]).await.unwrap();

    let list = |filter: RunFilter| {
        let store = store.clone();
        async move { store.runs(&filter).await.unwrap().iter().map(|one| one.run.id).collect::<Vec<_>>() }
    };
    assert_eq!(list(RunFilter::default()).await, [ids[2], ids[1], ids[0]]);
    assert_eq!(list(RunFilter { limit: 1, ..RunFilter::default() }).await, [ids[2]]);
    let failed = RunFilter { state: Some(RunState::Failed), ..RunFilter::default() };
    assert_eq!(list(failed).await, [ids[0]]);
    let before = RunFilter { before: Some(bench.in_hours(-2)), ..RunFilter::default() };
    assert_eq!(list(before).await, [ids[0]]);
    let other = RunFilter { tenant: Some("fabrikam".to_owned()), ..RunFilter::default() };
    assert_eq!(list(other).await, []);
    let named = |name: &str| RunFilter { name: Some(name.to_owned()), limit: 2, ..RunFilter::default() };
    let called = store.run(ids[0]).await.unwrap().unwrap().run.playbook_name;
    assert_eq!(list(named(&called)).await, [ids[2], ids[1]]);
    assert_eq!(list(named("another")).await, []);
    assert!(
        store.find_runs("").await.unwrap().is_empty() && store.find_effects("").await.unwrap().is_empty()
    );
    assert!(store.find_approvals("").await.unwrap().is_empty());
    let own = RunFilter { playbook: Some(PLAYBOOK), ..RunFilter::default() };
    assert_eq!(list(own).await.len(), 3);

    let none = store.run_start(ids[2], 0).await.unwrap().unwrap();
    assert_eq!((none.items.len(), none.messages.len(), none.effects.len()), (0, 0, 1));
    assert!(none.effects[0].1.is_empty(), "how each action stands, and not how it came to that");
    assert_eq!(store.run_start(ids[2], 1).await.unwrap(), store.run(ids[2]).await.unwrap());
    let detail = store.run(ids[2]).await.unwrap().unwrap();
    assert_eq!((detail.items.len(), detail.messages.len()), (1, 1));
    let (known, events) = &detail.effects[0];
    assert_eq!((known.state, known.remote_id.as_deref()), (EffectState::Done, Some("4d6c")));
    let states: Vec<_> = events.iter().map(|event| event.state).collect();
    assert_eq!(states, [EffectState::Intended, EffectState::Done]);
    assert!(serde_json::to_string(&detail).unwrap().contains("isolateDevice"));

    let text = ids[2].to_string();
    assert_eq!(store.find_runs(&text[..18]).await.unwrap().last(), Some(&ids[2]));
    assert_eq!(store.find_runs("zz").await.unwrap(), []);
    assert!(store.run(huntbook::model::RunId(Uuid::nil())).await.unwrap().is_none());
}

#[tokio::test]
async fn a_schedule_begins_when_it_is_first_seen_and_goes_on_from_its_mark() {
    let bench = Bench::new();
    let store = bench.open().await;
    let own = (PLAYBOOK, TENANT.to_owned());
    let new = (PlaybookId(Uuid::from_u128(9)), TENANT.to_owned());
    let skip = NewSkip { slot: bench.in_hours(-5), behind: None, why: "it was too late" };
    store.skip_slot(PLAYBOOK, TENANT, &skip).await.unwrap();
    let asked = [own.clone(), new.clone()];
    let first = bench.now();
    let marks = store.schedule_marks(&asked, first).await.unwrap();
    assert_eq!((marks[&own], marks[&new]), (bench.in_hours(-5), first));
    bench.end(store).await;
    // The process was away; the new schedule is known by now, so what passed is missed.
    bench.clock.advance(HOUR * 30);
    let store = bench.open().await;
    let marks = store.schedule_marks(&asked, bench.now()).await.unwrap();
    assert_eq!((marks[&new], marks.len()), (first, 2));
    let many: Vec<_> =
        (0..1000_u128).map(|number| (PlaybookId(Uuid::from_u128(number)), "x".to_owned())).collect();
    assert_eq!(store.schedule_marks(&many, bench.now()).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn row_27_what_is_given_back_while_a_poll_is_under_way_stays_owed() {
    let bench = Bench::new();
    let store = bench.open().await;
    let changed = |seq: u32, time: &str| NewItem {
        data: json!({"lastUpdateDateTime": format!("2026-01-10T{time}Z")}),
        ..item(seq)
    };
    let poll = async |items: &[NewItem], mark: Watermark| {
        let run = bench.run(None);
        store.begin_run(&run).await.unwrap();
        let polled = Polled { watermark: Some(mark), ..Polled::default() };
        store.commit_poll(run.id, items, &json!({}), &polled).await.unwrap();
        run.id
    };
    let known = async || store.watermark(TENANT, PLAYBOOK).await.unwrap().expect("it is kept");
    let now = bench.now();
    let first = Watermark { basis: ContentHash::of(b"x"), at: now, swept: now, owed: None, owes: 0 };
    let run = poll(&[changed(0, "08:00:00"), changed(1, "09:00:00")], first).await;
    let back = |seq| Settlement {
        seq,
        outcome: "halted".to_owned(),
        next_time: NextTime::New,
        ..Settlement::default()
    };
    let under_way = known().await;
    store.settle(run, &back(0)).await.unwrap();
    poll(&[], Watermark { owed: None, ..under_way }).await;
    let eight = Some("2026-01-10T08:00:00Z".parse().unwrap());
    assert_eq!(known().await.owed, eight, "that poll has not met it");
    // Also where it changed later than what was owed already.
    let under_way = known().await;
    store.settle(run, &back(1)).await.unwrap();
    poll(&[], Watermark { owed: None, ..under_way }).await;
    assert_eq!(known().await.owed, eight);
    let whole = known().await;
    poll(&[], Watermark { owed: None, ..whole }).await;
    assert_eq!(known().await.owed, None, "it was met");
}
