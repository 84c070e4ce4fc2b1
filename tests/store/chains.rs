//! The histories as they are told, found again and looked through: where a chain breaks, and that nothing is left out of it.

use huntbook::model::RunId;
use huntbook::store::{Chain, ContentHash, EffectState, Head, History, Recorded, RunState, Store};
use jiff::SignedDuration;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};

use crate::bench::{Bench, HOUR, PLAYBOOK, TENANT, effect, end, result, word};

/// Takes away all that keeps an effect and its events as they are.
const FREE: &str = "DROP TRIGGER effect_events_kept; DROP TRIGGER effect_events_cut; DROP TRIGGER effects_fixed; \
                    DROP TRIGGER effects_step; DROP TRIGGER effects_tried; DROP TRIGGER effects_kept; \
                    DROP TRIGGER effects_refused; PRAGMA foreign_keys = OFF;";

/// A journal with an effect that was accepted and done: three events.
async fn done() -> (Bench, Store, RunId) {
    let (bench, store, run) = Bench::running().await;
    let one = effect(run, "device:a");
    store.intend(&one).await.unwrap();
    let (remote_id, detail) = (Some("4d6c".to_owned()), Some("by the service".to_owned()));
    let accepted = Recorded { state: EffectState::Pending, remote_id, detail };
    store.record(&one.key, 1, &accepted).await.unwrap();
    bench.clock.advance(HOUR);
    store.record(&one.key, 1, &result(EffectState::Done)).await.unwrap();
    (bench, store, run)
}

async fn look(store: &Store) -> Chain {
    store.verify(History::Effects, u32::MAX).await.unwrap()
}

#[tokio::test]
async fn whatever_an_event_or_its_effect_says_is_held_by_the_chain() {
    let held = [
        ("effect_events", "effect_key", "'other'"),
        ("effect_events", "attempt", "2"),
        ("effect_events", "state", "'unknown'"),
        ("effect_events", "remote_id", "NULL"),
        ("effect_events", "detail", "''"),
        ("effect_events", "at", "at + 1"),
        ("effect_events", "prev_hash", "zeroblob(32)"),
        ("effect_events", "hash", "zeroblob(32)"),
        ("effect_events", "n", "7"),
        ("effects", "effect_key", "'other'"),
        ("effects", "tenant", "'fabrikam'"),
        ("effects", "playbook", "'00000000-0000-0000-0000-000000000001'"),
        ("effects", "run", "(SELECT id FROM runs WHERE id <> effects.run)"),
        ("effects", "seq", "1"),
        ("effects", "step", "'tag'"),
        ("effects", "action", "'releaseDevice'"),
        ("effects", "target", "'device:b'"),
        ("effects", "destructive", "0"),
        ("effects", "params_digest", "zeroblob(32)"),
        ("effects", "state", "'failed'"),
        ("effects", "attempt", "2"),
        ("effects", "remote_id", "'another'"),
        ("effects", "detail", "NULL"),
        ("effects", "intended_at", "intended_at + 1"),
        ("effects", "changed_at", "changed_at + 1"),
    ];
    // What the process and its clocks noted beside: nothing that people are told.
    let beside = ["epoch", "refused", "uptime", "boot"];
    for (table, column, value) in held {
        let (bench, store, _run) = done().await;
        bench.clock.advance(SignedDuration::from_millis(1));
        bench.begin(&store, 0).await;
        assert!(matches!(look(&store).await, Chain::Intact { events: 3, .. }));
        let known = bench.columns(table).await;
        let named = held.iter().filter(|(of, ..)| *of == table).map(|(_, column, _)| *column);
        let beside = beside.into_iter().filter(|_| table == "effects");
        assert_eq!(known, named.chain(beside).map(str::to_owned).collect(), "every column of {table}");
        let mut raw = bench.raw().await;
        raw.execute(FREE).await.unwrap();
        let which = if table == "effects" { "1" } else { "n = 2" };
        let change = format!("UPDATE {table} SET {column} = {value} WHERE {which}");
        assert_eq!(raw.execute(AssertSqlSafe(change)).await.unwrap().rows_affected(), 1);
        let found = look(&store).await;
        // By the event itself, not only by what stands there now.
        let is_found =
            matches!(found, Chain::Broken { event, .. } if event > 0 || !table.ends_with("_events"));
        assert!(is_found, "{table}.{column}: {found:?}");
    }
}

#[tokio::test]
async fn where_a_chain_breaks_and_why_is_told() {
    for (change, at, why) in [
        ("DELETE FROM effect_events WHERE n = 2", 3, "an event before it is missing"),
        ("DELETE FROM effect_events WHERE n = 1", 2, "an event before it is missing"),
        (
            "UPDATE effect_events SET prev_hash = hash WHERE n = 1",
            1,
            "it does not follow the event before it",
        ),
        (
            "UPDATE effect_events SET prev_hash = hash WHERE n = 3",
            3,
            "it does not follow the event before it",
        ),
        ("UPDATE effect_events SET at = at + 1 WHERE n = 2", 2, "it was changed"),
        ("UPDATE effect_events SET attempt = 2 WHERE n = 1", 1, "it was changed"),
        (
            "UPDATE effects SET effect_key = 'other'; UPDATE effect_events SET effect_key = 'other'",
            1,
            "it was changed",
        ),
        // All of it one on, as if something before it had been let go.
        (
            "UPDATE effect_events SET n = -n; UPDATE effect_events SET n = 1 - n; \
             UPDATE facts SET value = 1 WHERE name = 'chainCut'",
            2,
            "it was changed",
        ),
        ("UPDATE effects SET playbook = 'nobody'", 1, "it cannot be read any more"),
        ("DELETE FROM effects", 1, "its effect is missing"),
        ("UPDATE effects SET state = 'failed'", 0, "an effect does not stand where its last event says"),
        ("DELETE FROM effect_events", 0, "an effect does not stand where its last event says"),
    ] {
        let (bench, store, run) = done().await;
        let mut raw = bench.raw().await;
        raw.execute(FREE).await.unwrap();
        raw.execute(change).await.unwrap();
        let is_other = change.contains("'other'");
        let about = if is_other { "other".to_owned() } else { effect(run, "device:a").key.to_string() };
        assert_eq!(look(&store).await, Chain::Broken { event: at, about: Some(about), why }, "{change}");
    }
}

#[tokio::test]
async fn a_further_attempt_says_nothing_of_the_one_before() {
    let (_bench, store, run) = Bench::running().await;
    let one = effect(run, "device:a");
    let (remote_id, detail) = (Some("4d6c".to_owned()), Some("by the service".to_owned()));
    let nothing = Recorded { state: EffectState::NotApplied, remote_id, detail };
    store.intend(&one).await.unwrap();
    store.record(&one.key, 1, &nothing).await.unwrap();
    store.intend(&one).await.unwrap();
    let known = store.effect(&one.key).await.unwrap().unwrap();
    assert_eq!((known.attempt, known.remote_id, known.detail), (2, None, None));
    assert!(matches!(look(&store).await, Chain::Intact { events: 3, .. }));
}

#[tokio::test]
async fn only_the_end_of_a_chain_is_looked_through_where_that_is_asked_for() {
    let (bench, store, _run) = done().await;
    let events = async |most| match store.verify(History::Effects, most).await.unwrap() {
        Chain::Intact { events, head } => Some((events, head)),
        Chain::Broken { .. } => None,
    };
    let head = store.heads().await.unwrap()[0].hash.0;
    assert_eq!((events(2).await, events(3).await), (Some((2, head)), Some((3, head))));
    assert_eq!((events(9).await, events(0).await), (Some((3, head)), Some((0, [0; 32]))));
    let mut raw = bench.raw().await;
    raw.execute(FREE).await.unwrap();
    raw.execute("UPDATE effect_events SET detail = 'by another' WHERE n = 1").await.unwrap();
    assert_eq!((events(2).await, events(3).await), (Some((2, head)), None));
}

#[tokio::test]
async fn each_history_has_a_head_that_is_found_again_after_it() {
    let (_bench, store, run) = done().await;
    let heads = store.heads().await.unwrap();
    assert_eq!(
        heads.iter().map(|head| (head.history, head.event)).collect::<Vec<_>>(),
        [(History::Effects, 3)]
    );
    store.halt(&word(Some(TENANT))).await.unwrap();
    store.record(&effect(run, "device:a").key, 1, &result(EffectState::Failed)).await.unwrap_err();
    let both = store.heads().await.unwrap();
    let which = both.iter().map(|head| (head.history, head.event)).collect::<Vec<_>>();
    assert_eq!(which, [(History::Effects, 3), (History::Stops, 1)]);
    for head in both {
        assert_eq!(store.event_with(&head.hash).await.unwrap(), Some(head));
        let told = store.events(head.history, head.event - 1).await.unwrap().remove(0).1;
        assert_eq!(told["history"], head.history.as_str());
    }
    assert_eq!(store.event_with(&ContentHash::of(b"cut off")).await.unwrap(), None);
    // The head is the hash of the last event as it is told.
    let Head { hash, .. } = heads[0];
    let last = store.events(History::Effects, 2).await.unwrap().remove(0).1;
    assert_eq!(last["hash"], hash.to_string());
}

#[tokio::test]
async fn an_event_of_an_effect_is_told_with_what_it_is_about() {
    let (bench, store, run) = done().await;
    let told = store.events(History::Effects, 0).await.unwrap();
    assert_eq!(told.iter().map(|(n, _told)| *n).collect::<Vec<_>>(), [1, 2, 3]);
    let mut second = told[1].1.clone();
    assert!(second.as_object_mut().unwrap().shift_remove("hash").is_some_and(|hash| hash.is_string()));
    let expect = json!({
        "history": "effects", "n": 2, "at": bench.in_hours(-1), "effect": effect(run, "device:a").key, "attempt": 1,
        "state": "pending", "remoteId": "4d6c", "detail": "by the service", "run": run, "item": 0, "step": "isolate",
        "action": "isolateDevice", "tenant": TENANT, "playbook": PLAYBOOK, "playbookName": "PsExec fan-out",
        "target": "device:a", "destructive": true,
    });
    assert_eq!(second, expect);
    let after = store.events(History::Effects, 2).await.unwrap();
    assert_eq!((after.len(), &after[0]), (1, &told[2]));
    assert!(store.events(History::Effects, 3).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_event_whose_effect_is_forgotten_is_told_by_itself() {
    let (bench, store, _run) = done().await;
    let mut raw = bench.raw().await;
    raw.execute(FREE).await.unwrap();
    raw.execute("DELETE FROM effects").await.unwrap();
    let (n, told) = store.events(History::Effects, 0).await.unwrap().remove(0);
    assert_eq!((n, &told["state"], told.get("target")), (1, &Value::from("intended"), None));
}

#[tokio::test]
async fn a_chain_goes_on_after_what_retention_cut_off() {
    let bench = Bench::new();
    let store = bench.open().await;
    let old = bench.begin(&store, 0).await;
    store.intend(&effect(old, "device:a")).await.unwrap();
    store.record(&effect(old, "device:a").key, 1, &result(EffectState::Done)).await.unwrap();
    // What began before the cut and ended after it stands as it was said first.
    let late = effect(old, "device:late");
    store.intend(&late).await.unwrap();
    let (remote_id, detail) = (Some("4d6c".to_owned()), Some("by the service".to_owned()));
    store.record(&late.key, 1, &Recorded { state: EffectState::Pending, remote_id, detail }).await.unwrap();
    store.finish_run(old, &end(RunState::Ok), &[]).await.unwrap();
    bench.days_pass(&store, 6).await;
    store.record(&late.key, 1, &result(EffectState::Done)).await.unwrap();
    let run = bench.begin(&store, 0).await;
    store.intend(&effect(run, "device:b")).await.unwrap();
    bench.days_pass(&store, 2).await;
    assert!(matches!(look(&store).await, Chain::Intact { events: 2, .. }));
    assert!(matches!(store.verify(History::Effects, 1).await.unwrap(), Chain::Intact { events: 1, .. }));
    let stands = store.effect(&late.key).await.unwrap().unwrap();
    assert_eq!((stands.state, stands.remote_id.as_deref()), (EffectState::Done, Some("4d6c")));
    // What is left cannot be shortened by saying that more was cut off, nor its first event be changed.
    let mut raw = bench.raw().await;
    raw.execute(FREE).await.unwrap();
    raw.execute("UPDATE effect_events SET prev_hash = zeroblob(32) WHERE n = 5").await.unwrap();
    assert!(matches!(look(&store).await, Chain::Broken { event: 5, why: "it was changed", .. }));
}
