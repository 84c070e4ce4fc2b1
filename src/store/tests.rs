//! What only the inside of the journal can stage: a disk that is full, settings that did not take.

use serde_json::json;
use sqlx::{AssertSqlSafe, Executor as _};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::clock::{Clock as _, ManualClock};
use crate::model::{PlaybookId, RunId};

struct Bench {
    store: Store,
    run: RunId,
    _folder: TempDir,
}

/// A journal with a run that matched one item.
async fn bench() -> Bench {
    let folder = TempDir::new().unwrap();
    let clock = ManualClock::new("2026-01-10T12:00:00Z".parse().unwrap());
    let store = Store::open(&folder.path().join("huntbook.db"), Arc::new(clock.clone())).await.unwrap();
    let run = RunId::at(clock.now());
    let new = NewRun {
        id: run,
        playbook: PlaybookId(Uuid::nil()),
        playbook_name: "a".to_owned(),
        version: ContentHash::of(b"a"),
        tenant: "contoso".to_owned(),
        trigger: Trigger::Manual,
        by: None,
        scheduled_for: None,
        mode: RunMode::Enforce,
        effects: Effects::Apply,
        started: clock.now(),
    };
    store.begin_run(&new).await.unwrap();
    let item = NewItem { seq: 0, identity: None, key: "host-0".to_owned(), data: json!({}) };
    store.commit_batch(run, &[item], &json!({})).await.unwrap();
    Bench { store, run, _folder: folder }
}

/// How many effects there are.
async fn effects(store: &Store) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM effects").fetch_one(&store.0.readers).await.unwrap()
}

fn effect(run: RunId, number: u32) -> NewEffect {
    NewEffect {
        key: EffectKey::of(&[&number.to_be_bytes()]),
        run,
        seq: 0,
        step: "isolate".to_owned(),
        action: "isolateDevice".to_owned(),
        tenant: "contoso".to_owned(),
        playbook: PlaybookId(Uuid::nil()),
        target: format!("device:{number}"),
        params_digest: ContentHash::of(b"{}"),
        limits: None,
        destructive: true,
        exclusive: true,
        opposite: None,
        leave: None,
    }
}

/// Lets the file grow by `pages` from here.
async fn room(store: &Store, pages: i64) {
    let pool = &store.writer().unwrap().pool;
    let present: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(pool).await.unwrap();
    let limit = AssertSqlSafe(format!("PRAGMA max_page_count = {}", present + pages));
    pool.execute(limit).await.unwrap();
}

#[tokio::test]
async fn row_39_a_full_disk_is_an_error_and_nothing_is_half_done() {
    let Bench { store, run, _folder } = bench().await;
    room(&store, 8).await;
    let mut sent = 0;
    let refused = loop {
        match store.intend(&effect(run, sent)).await {
            Ok(Intended::Go { .. }) => sent += 1,
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
        assert!(sent < 10_000, "the disk never fills");
    };
    assert!(matches!(refused, StoreError::Full(_)), "{refused}");
    assert_eq!(refused.remedy(), Remedy::Wait);
    assert_eq!(effects(&store).await, i64::from(sent), "what was refused was not written");

    let message = OutboxMessage {
        id: "m".to_owned(),
        run: Some(run),
        channel: "soc".to_owned(),
        body: json!("x".repeat(1_000_000)),
        dedup: None,
    };
    let settlement =
        Settlement { outcome: "acted".to_owned(), messages: vec![message], ..Settlement::default() };
    assert!(matches!(store.settle(run, &settlement).await, Err(StoreError::Full(_))));
    assert_eq!(
        store.unfinished().await.unwrap()[0].items.len(),
        1,
        "the item is not settled without its message"
    );

    // Room again, and it goes on by itself.
    room(&store, 10_000).await;
    assert_eq!(store.intend(&effect(run, sent)).await.unwrap(), Intended::Go { attempt: 1 });
    store.settle(run, &settlement).await.unwrap();
    let Chain::Intact { events, .. } = store.verify(History::Effects, u32::MAX).await.unwrap() else {
        panic!("broken")
    };
    assert_eq!(events, u64::from(sent) + 1);
}

#[tokio::test]
async fn row_39_a_result_is_written_also_where_another_has_just_given_the_room_up() {
    let Bench { store, run, _folder } = bench().await;
    let effect = effect(run, 0);
    assert_eq!(store.intend(&effect).await.unwrap(), Intended::Go { attempt: 1 });
    room(&store, 0).await;
    std::fs::write(open::file_beside(store.path(), ".reserve"), "").unwrap();
    let done = Recorded { state: EffectState::Done, remote_id: None, detail: Some("x".repeat(1_000_000)) };
    // There is room as soon as it has failed once: the connection goes to whoever has waited longest for it.
    let pool = &store.writer().unwrap().pool;
    let (recorded, roomy) =
        tokio::join!(store.record(&effect.key, 1, &done), pool.execute("PRAGMA max_page_count = 1000000"));
    roomy.unwrap();
    recorded.unwrap();
    assert_eq!(store.effect(&effect.key).await.unwrap().unwrap().state, EffectState::Done);
}

/// What takes an action back.
fn revert() -> NewRevert {
    NewRevert {
        action: "releaseDevice".to_owned(),
        undo: json!({}),
        after: None,
        approval: None,
        playbook_name: "a".to_owned(),
        version: ContentHash::of(b"a"),
        author: None,
    }
}

#[tokio::test]
async fn what_a_person_asked_for_during_a_call_outlives_what_is_noted_with_its_result() {
    let Bench { store, run, _folder } = bench().await;
    let standing = RevertNote {
        state: RevertState::Standing,
        look_at: None,
        undo_run: None,
        tries: 0,
        reason: Some("nobody knows whose it is".to_owned()),
    };
    let done = Recorded { state: EffectState::Done, remote_id: None, detail: None };
    let by = Speaker { account: "maja".to_owned(), uid: None, reason: None };
    for (number, is_asked) in [(0, true), (1, false)] {
        let effect = effect(run, number);
        store.intend_with(&effect, Some(&revert())).await.unwrap();
        if is_asked {
            store.hear_revert(&effect.key, &by).await.unwrap();
        }
        let besides = Besides { revert: Some(&standing), ..Besides::default() };
        store.record_as(&effect.key, 1, (&done, besides)).await.unwrap();
        let stands = store.in_force().await.unwrap();
        let stands = stands.iter().find(|one| one.effect == effect.key).unwrap();
        assert_eq!((stands.look_at.is_some(), stands.reason.is_none()), (is_asked, is_asked));
    }
}

#[tokio::test]
async fn what_a_person_asked_for_during_an_attempt_holds_for_the_next() {
    let Bench { store, run, _folder } = bench().await;
    let by = Speaker { account: "maja".to_owned(), uid: None, reason: None };
    let over = RevertNote { state: RevertState::Over, look_at: None, undo_run: None, tries: 0, reason: None };
    for (number, is_asked, note) in [(0, true, None), (1, true, Some(&over)), (2, false, None)] {
        let effect = effect(run, number);
        store.intend_with(&effect, Some(&revert())).await.unwrap();
        if is_asked {
            store.hear_revert(&effect.key, &by).await.unwrap();
        }
        let came_to_nothing = Recorded { state: EffectState::NotApplied, remote_id: None, detail: None };
        let besides = Besides { revert: note, ..Besides::default() };
        store.record_as(&effect.key, 1, (&came_to_nothing, besides)).await.unwrap();
        let again = store.intend_with(&effect, Some(&revert())).await.unwrap();
        assert_eq!(again, Intended::Go { attempt: 2 });
        let stands = store.in_force().await.unwrap();
        let stands = stands.iter().find(|one| one.effect == effect.key).unwrap();
        assert_eq!((stands.due.is_some(), stands.look_at.is_some()), (is_asked, is_asked));
    }
}

#[tokio::test]
async fn row_39_that_something_is_not_ours_is_noted_with_its_result_or_not_at_all() {
    let Bench { store, run, _folder } = bench().await;
    let effect = effect(run, 0);
    store.intend_with(&effect, Some(&revert())).await.unwrap();
    let note = RevertNote { state: RevertState::Over, look_at: None, undo_run: None, tries: 0, reason: None };
    let besides = Besides { revert: Some(&note), ..Besides::default() };
    let done = Recorded { state: EffectState::Done, remote_id: None, detail: Some("x".repeat(1_000_000)) };
    let stands = async || {
        let state = store.effect(&effect.key).await.unwrap().unwrap().state;
        (state, store.in_force().await.unwrap().len())
    };
    room(&store, 0).await;
    let full = store.record_as(&effect.key, 1, (&done, besides)).await;
    assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    assert_eq!(stands().await, (EffectState::Intended, 1));
    room(&store, 10_000).await;
    store.record_as(&effect.key, 1, (&done, besides)).await.unwrap();
    assert_eq!(stands().await, (EffectState::Done, 0));
}

#[tokio::test]
async fn a_writer_dropped_half_way_leaves_nothing() {
    let Bench { store, run, _folder } = bench().await;
    let mut tx = store.write().await.unwrap();
    sqlx::query("UPDATE items SET outcome = 'acted'").execute(&mut *tx).await.unwrap();
    drop(tx);
    assert_eq!(store.unfinished().await.unwrap()[0].items.len(), 1);
    let acted = Settlement { outcome: "acted".to_owned(), ..Settlement::default() };
    store.settle(run, &acted).await.unwrap();
    assert_eq!(store.unfinished().await.unwrap()[0].items.len(), 0);
}

#[tokio::test]
async fn a_wait_that_is_given_up_leaves_the_journal_usable() {
    let Bench { store, run, _folder } = bench().await;
    for number in 0..50 {
        let effect = effect(run, number);
        tokio::select! {
            biased;
            _ = store.intend(&effect) => {}
            () = async { for _turn in 0..number { tokio::task::yield_now().await; } } => {}
        }
    }
    // Waits for whatever still goes on.
    assert!(matches!(store.intend(&effect(run, 99)).await.unwrap(), Intended::Go { .. }));
    // Each of them is there whole, or not at all.
    let Chain::Intact { events, .. } = store.verify(History::Effects, u32::MAX).await.unwrap() else {
        panic!("broken")
    };
    assert_eq!(events, u64::try_from(effects(&store).await).unwrap());
}

#[tokio::test]
async fn a_connection_made_anew_has_its_settings() {
    let Bench { store, run, _folder } = bench().await;
    let pool = &store.writer().unwrap().pool;
    pool.acquire().await.unwrap().close().await.unwrap();
    assert!(matches!(store.intend(&effect(run, 1)).await.unwrap(), Intended::Go { .. }));
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(pool).await.unwrap();
    assert_eq!(synchronous, 2);
}
