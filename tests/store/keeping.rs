//! Versions, messages, retention, and a disk that is full.

use std::collections::BTreeSet;

use huntbook::model::PlaybookId;
use huntbook::store::{
    Accepted, Chain, ContentHash, EffectKey, EffectState, Held, History, NewEffect, NewRevert,
    NewSuppression, OutboxMessage, Publication, Refusal, RevertNote, RevertState, RunFilter, RunState,
    Settlement, Stand, Store, StoreError,
};
use jiff::SignedDuration;
use serde_json::json;
use sqlx::Executor as _;

use crate::bench::{
    Bench, HOUR, PLAYBOOK, TENANT, effect, end, identity, message, note, result, settled, undo,
};

fn accepted(file: &str, text: &str) -> Accepted<PlaybookId> {
    Accepted { name: PLAYBOOK, file: file.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn live(text: &str) -> Publication {
    Publication { playbooks: vec![accepted("a.yaml", text)], ..Publication::default() }
}

fn list(name: &str, text: &str) -> Accepted<String> {
    Accepted { name: name.to_owned(), file: format!("lists/{name}.txt"), bytes: text.as_bytes().to_vec() }
}

fn refusal(file: &str, text: &str, bench: &Bench) -> Refusal {
    let (hash, at) = (ContentHash::of(text.as_bytes()), bench.now());
    Refusal { file: file.to_owned(), hash, diagnostics: json!([{"code": "HB0101"}]), at }
}

#[tokio::test]
async fn the_last_good_version_outlives_a_bad_edit_and_the_process() {
    let bench = Bench::new();
    let store = bench.open().await;
    let good = Publication {
        playbooks: vec![accepted("a.yaml", "good")],
        lists: vec![list("admins", "dana")],
        ..Publication::default()
    };
    store.publish(&good).await.unwrap();
    let bad = Publication { refusals: vec![refusal("a.yaml", "bad", &bench)], ..Publication::default() };
    store.publish(&bad).await.unwrap();
    bench.end(store).await;

    let store = bench.open().await;
    let live = store.live_versions().await.unwrap();
    assert_eq!(live.len(), 1);
    assert_eq!((live[0].file.as_str(), live[0].bytes.as_slice()), ("a.yaml", b"good".as_slice()));
    assert_eq!(live[0].hash, ContentHash::of(b"good"));
    assert_eq!(store.live_lists().await.unwrap()[0].bytes, b"dana");
    assert_eq!(store.refusals().await.unwrap(), bad.refusals);
    // The same bad bytes again keep their time; good ones end the refusal.
    bench.clock.advance(HOUR);
    store.publish(&bad).await.unwrap();
    assert_eq!(store.refusals().await.unwrap(), bad.refusals);
    store
        .publish(&Publication { playbooks: vec![accepted("b.yaml", "better")], ..Publication::default() })
        .await
        .unwrap();
    assert_eq!(store.refusals().await.unwrap(), []);
    let live = store.live_versions().await.unwrap();
    assert_eq!((live.len(), live[0].file.as_str()), (1, "b.yaml"), "one id, one version, whatever its file");
    assert_eq!(
        store.version_bytes(ContentHash::of(b"good")).await.unwrap().as_deref(),
        Some(b"good".as_slice())
    );

    let gone = Publication {
        retired_playbooks: vec![PLAYBOOK],
        retired_lists: vec!["admins".to_owned()],
        ..Publication::default()
    };
    store.publish(&gone).await.unwrap();
    assert_eq!(store.live_versions().await.unwrap(), []);
    assert_eq!(store.live_lists().await.unwrap(), []);
}

#[tokio::test]
async fn what_is_held_keeps_its_time_until_it_is_let_go() {
    let bench = Bench::new();
    let store = bench.open().await;
    let held = |files: &[&str]| Publication {
        held: files.iter().map(|file| (*file).to_owned()).collect(),
        ..Publication::default()
    };
    let since = |file: &str, at| Held { file: file.to_owned(), at };
    let noon = bench.now();
    store.publish(&held(&["b.yaml", "a.yaml"])).await.unwrap();
    bench.clock.advance(HOUR);
    store.publish(&held(&["a.yaml", "c.yaml"])).await.unwrap();
    let expected = [since("a.yaml", noon), since("c.yaml", bench.now())];
    assert_eq!(store.held().await.unwrap(), expected);
    store.publish(&Publication::default()).await.unwrap();
    assert_eq!(store.held().await.unwrap(), []);
}

#[tokio::test]
async fn a_playbook_that_is_retired_begins_anew() {
    let bench = Bench::new();
    let store = bench.open().await;
    store.publish(&live("good")).await.unwrap();
    let schedule = [(PLAYBOOK, TENANT.to_owned())];
    store.schedule_marks(&schedule, bench.now()).await.unwrap();
    let retired = Publication { retired_playbooks: vec![PLAYBOOK], ..Publication::default() };
    store.publish(&retired).await.unwrap();
    assert_eq!(store.live_versions().await.unwrap(), []);
    // Its schedule begins anew when it comes back: there is nothing to catch up on.
    let back = bench.in_hours(24 * 7);
    let marks = store.schedule_marks(&schedule, back).await.unwrap();
    assert_eq!(marks.into_values().collect::<Vec<_>>(), [back]);
}

#[tokio::test]
async fn stored_bytes_that_changed_are_not_run() {
    let bench = Bench::new();
    let store = bench.open().await;
    store.publish(&live("good")).await.unwrap();
    bench.raw().await.execute("UPDATE contents SET bytes = x'6576696c'").await.unwrap();
    assert!(matches!(store.live_versions().await, Err(StoreError::Corrupt { .. })));
}

#[tokio::test]
async fn a_message_waits_until_it_is_delivered_or_dead() {
    let (bench, store, run) = Bench::running().await;
    store.enqueue(&message("a", Some(run))).await.unwrap();
    store.enqueue(&message("a", None)).await.unwrap();
    bench.clock.advance(HOUR);
    store.enqueue(&message("b", None)).await.unwrap();
    let due = |hours: i64| {
        let (store, now) = (store.clone(), bench.in_hours(hours));
        async move { store.due(now, 10).await.unwrap().into_iter().map(|one| one.id).collect::<Vec<_>>() }
    };
    assert_eq!(due(-1).await, ["a"]);
    assert_eq!(due(0).await, ["a", "b"]);
    store.failed("a", bench.in_hours(2), "503").await.unwrap();
    assert_eq!(due(1).await, ["b"]);
    assert_eq!(store.next_due().await.unwrap(), Some(bench.now()));
    store.delivered("b").await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(bench.in_hours(2)));
    let waiting = store.due(bench.in_hours(2), 10).await.unwrap();
    assert_eq!((waiting[0].attempts, waiting[0].reason.as_deref()), (1, Some("503")));
    assert_eq!((waiting[0].run, &waiting[0].body), (Some(run), &json!({"title": "found"})));
    store.dead("a", "410").await.unwrap();
    assert_eq!(store.pending().await.unwrap(), 0);
    assert!(matches!(store.delivered("a").await, Err(StoreError::Unknown { .. })));
    // A message that ended does not come back.
    store.enqueue(&message("a", Some(run))).await.unwrap();
    assert_eq!(store.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn messages_that_say_the_same_are_enqueued_once() {
    let bench = Bench::new();
    let store = bench.open().await;
    for id in ["a", "b"] {
        let mut message = message(id, None);
        message.dedup = Some("refused a.yaml".to_owned());
        store.enqueue(&message).await.unwrap();
    }
    let mut elsewhere = message("c", None);
    elsewhere.dedup = Some("refused a.yaml".to_owned());
    elsewhere.channel = "soc-mail".to_owned();
    store.enqueue(&elsewhere).await.unwrap();
    assert_eq!(store.pending().await.unwrap(), 2);
}

#[tokio::test]
async fn retention_forgets_what_is_over_and_keeps_what_is_open() {
    let bench = Bench::new();
    let store = bench.open().await;
    let old = bench.begin(&store, 2).await;
    for target in ["device:a", "device:b"] {
        store.intend(&effect(old, target)).await.unwrap();
        store.record(&effect(old, target).key, 1, &result(EffectState::Done)).await.unwrap();
    }
    for seq in [0, 1] {
        store.settle(old, &settled(seq, "acted")).await.unwrap();
    }
    store.finish_run(old, &end(RunState::Ok), &[]).await.unwrap();
    let waiting = bench.begin(&store, 0).await;
    store.finish_run(waiting, &end(RunState::Ok), &[message("m", Some(waiting))]).await.unwrap();
    let open = bench.begin(&store, 1).await;

    bench.days_pass(&store, 6).await;
    bench.clock.advance(HOUR * 23);
    let swept = store.retention(bench.now(), SignedDuration::ZERO).await.unwrap();
    assert_eq!(swept, huntbook::store::Swept::default(), "a week is kept whatever is asked");
    store.renew_seen(TENANT, PLAYBOOK, &[identity(0)]).await.unwrap();
    let newest = bench.begin(&store, 0).await;
    store.intend(&effect(newest, "device:c")).await.unwrap();
    bench.clock.advance(HOUR * 2);

    let swept = store.retention(bench.now(), SignedDuration::ZERO).await.unwrap();
    assert_eq!((swept.runs, swept.events, swept.identities), (1, 4, 1));
    let left: Vec<_> =
        store.runs(&RunFilter::default()).await.unwrap().iter().map(|one| one.run.id).collect();
    assert_eq!(left.len(), 3);
    assert!([newest, open, waiting].iter().all(|run| left.contains(run)));
    assert!(matches!(
        store.verify(History::Effects, u32::MAX).await.unwrap(),
        Chain::Intact { events: 1, .. }
    ));
    assert_eq!(store.unseen(TENANT, PLAYBOOK, &[identity(0), identity(1)]).await.unwrap(), [identity(1)]);
    // The chain goes on over the cut.
    store.record(&effect(newest, "device:c").key, 1, &result(EffectState::Done)).await.unwrap();
    assert!(matches!(
        store.verify(History::Effects, u32::MAX).await.unwrap(),
        Chain::Intact { events: 2, .. }
    ));
}

#[tokio::test]
async fn messages_that_belong_to_no_run_are_forgotten_when_they_are_over() {
    let bench = Bench::new();
    let store = bench.open().await;
    bench.begin(&store, 0).await;
    for id in ["delivered", "dead", "waits"] {
        store.enqueue(&message(id, None)).await.unwrap();
    }
    store.delivered("delivered").await.unwrap();
    store.dead("dead", "410").await.unwrap();
    assert_eq!(bench.days_pass(&store, 7).await.notices, 0);
    assert_eq!((bench.days_pass(&store, 1).await.notices, bench.rows("outbox").await), (2, 1));
    assert_eq!(store.pending().await.unwrap(), 1);
}

#[tokio::test]
async fn a_clock_that_jumps_by_years_does_not_wipe_history() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 1).await;
    store.intend(&effect(run, "device:a")).await.unwrap();
    store.record(&effect(run, "device:a").key, 1, &result(EffectState::Done)).await.unwrap();
    store.settle(run, &settled(0, "acted")).await.unwrap();
    store.finish_run(run, &end(RunState::Ok), &[]).await.unwrap();
    // As at every start.
    bench.days_pass(&store, 1).await;
    let years = HOUR * (24 * 3652);
    bench.clock.advance(years);
    // What runs meanwhile is written down in that year.
    bench.begin(&store, 0).await;
    for _sweep in 0..3 {
        let swept = store.retention(bench.now(), SignedDuration::ZERO).await.unwrap();
        assert_eq!(swept, huntbook::store::Swept::default());
    }
    bench.clock.advance(-years);
    assert_eq!(bench.days_pass(&store, 5).await.runs, 0);
    let newest = bench.begin(&store, 0).await;
    store.intend(&effect(newest, "device:b")).await.unwrap();
    assert!(store.unseen(TENANT, PLAYBOOK, &[identity(0)]).await.unwrap().is_empty());
    let swept = bench.days_pass(&store, 2).await;
    assert_eq!(swept.runs, 1, "and when the clock is right again, it goes on as ever");
}

#[tokio::test]
async fn retention_does_not_cut_past_an_effect_in_doubt() {
    for doubt in [&[][..], &[EffectState::Unknown], &[EffectState::Unknown, EffectState::Parked]] {
        let bench = Bench::new();
        let store = bench.open().await;
        let run = bench.begin(&store, 0).await;
        store.intend(&effect(run, "device:a")).await.unwrap();
        for state in doubt {
            store.record(&effect(run, "device:a").key, 1, &result(*state)).await.unwrap();
        }
        store.intend(&effect(run, "device:b")).await.unwrap();
        store.record(&effect(run, "device:b").key, 1, &result(EffectState::Done)).await.unwrap();
        store.finish_run(run, &end(RunState::Ok), &[]).await.unwrap();
        let swept = bench.days_pass(&store, 20).await;
        assert_eq!(
            (swept.runs, bench.rows("effect_events").await),
            (0, 3 + i64::try_from(doubt.len()).unwrap())
        );
        assert!(store.run(run).await.unwrap().is_some());
        assert!(matches!(store.verify(History::Effects, u32::MAX).await.unwrap(), Chain::Intact { .. }));
    }
}

#[tokio::test]
async fn what_stands_without_a_date_is_not_forgotten_for_a_year() {
    let bench = Bench::new();
    let store = bench.open().await;
    let before = bench.begin(&store, 0).await;
    store.intend(&effect(before, "device:before")).await.unwrap();
    store.record(&effect(before, "device:before").key, 1, &result(EffectState::Done)).await.unwrap();
    bench.clock.advance(HOUR);
    let run = bench.begin(&store, 0).await;
    for target in ["device:a", "device:b"] {
        store.intend_with(&effect(run, target), Some(&undo())).await.unwrap();
        store.record(&effect(run, target).key, 1, &result(EffectState::Done)).await.unwrap();
    }
    for run in [before, run] {
        store.finish_run(run, &end(RunState::Ok), &[]).await.unwrap();
    }
    let of = |targets: &[&str]| targets.iter().map(|target| (*target).to_owned()).collect::<BTreeSet<_>>();
    let in_force = async || {
        let standing = store.in_force().await.unwrap();
        standing.into_iter().map(|stands| stands.target).collect::<BTreeSet<_>>()
    };
    assert_eq!(bench.days_pass(&store, 200).await.events, 0);
    assert_eq!(in_force().await, of(&["device:a", "device:b"]));
    assert_eq!(bench.rows("effect_events").await, 4, "what came before is let go");
    assert!(matches!(store.verify(History::Effects, u32::MAX).await.unwrap(), Chain::Intact { .. }));
    // A clock that leaps forgets nothing at once.
    bench.clock.jump(HOUR * (24 * 3652));
    store.retention(bench.now(), SignedDuration::ZERO).await.unwrap();
    assert_eq!(in_force().await, of(&["device:a", "device:b"]));
    bench.clock.jump(HOUR * -(24 * 3652));

    // What was taken back holds nothing any more.
    let undoing = bench.begin(&store, 0).await;
    let release = NewEffect { action: "releaseDevice".to_owned(), ..effect(undoing, "device:a") };
    store.intend(&release).await.unwrap();
    store.record(&release.key, 1, &result(EffectState::Done)).await.unwrap();
    store.finish_run(undoing, &end(RunState::Ok), &[]).await.unwrap();
    bench.days_pass(&store, 10).await;
    assert_eq!((in_force().await, bench.rows("reverts").await), (of(&["device:b"]), 1));
    bench.days_pass(&store, 160).await;
    assert_eq!(in_force().await, of(&[]), "a year is the end");
    assert_eq!(bench.rows("reverts").await, 0);
}

/// A run that isolates `device:a` and ends.
async fn isolated(bench: &Bench, store: &Store, (undo, state): (NewRevert, EffectState)) -> EffectKey {
    let run = bench.begin(store, 0).await;
    let effect = effect(run, "device:a");
    store.intend_with(&effect, Some(&undo)).await.unwrap();
    store.record(&effect.key, 1, &result(state)).await.unwrap();
    store.finish_run(run, &end(RunState::Ok), &[]).await.unwrap();
    effect.key
}

#[tokio::test]
async fn what_is_to_stay_is_kept_though_the_same_was_done_for_hours_since() {
    let bench = Bench::new();
    let store = bench.open().await;
    let for_good = isolated(&bench, &store, (undo(), EffectState::Done)).await;
    bench.clock.advance(HOUR);
    let for_days = NewRevert { after: Some(HOUR * 24 * 300), ..undo() };
    let for_hours = isolated(&bench, &store, (for_days, EffectState::Done)).await;
    assert_eq!(store.still_stands(&for_good).await.unwrap(), Stand::Replaced);
    assert_eq!(bench.days_pass(&store, 200).await.events, 0);
    let stands = store.in_force().await.unwrap();
    let [newest] = stands.as_slice() else { panic!("{stands:?}") };
    assert_eq!(newest.effect, for_hours);
    let longer = store.stands_longer(newest).await.unwrap();
    assert_eq!(longer, Some(None), "nobody has asked for the end of the first");
}

#[tokio::test]
async fn what_is_left_to_people_is_kept_while_the_same_is_under_way_once_more() {
    let bench = Bench::new();
    let store = bench.open().await;
    let for_an_hour = || NewRevert { after: Some(HOUR), ..undo() };
    let first = isolated(&bench, &store, (for_an_hour(), EffectState::Done)).await;
    let read = store.in_force().await.unwrap().remove(0);
    assert!(store.note_revert(&read, &note(RevertState::Standing), None).await.unwrap());
    bench.clock.advance(HOUR * 24 * 100);
    let second = isolated(&bench, &store, (for_an_hour(), EffectState::Pending)).await;
    bench.days_pass(&store, 1).await;
    store.record(&second, 1, &result(EffectState::Failed)).await.unwrap();
    let stands = store.in_force().await.unwrap();
    assert_eq!(stands.iter().map(|one| &one.effect).collect::<Vec<_>>(), [&first]);
}

#[tokio::test]
async fn what_a_tenant_never_told_the_end_of_holds_history_for_as_long_as_it_is_young() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 0).await;
    for (target, state) in [("device:a", EffectState::Pending), ("device:b", EffectState::Done)] {
        store.intend(&effect(run, target)).await.unwrap();
        store.record(&effect(run, target).key, 1, &result(state)).await.unwrap();
    }
    store.finish_run(run, &end(RunState::Ok), &[]).await.unwrap();
    assert_eq!(bench.days_pass(&store, 7).await.events, 0);
    let newest = bench.begin(&store, 0).await;
    store.intend(&effect(newest, "device:c")).await.unwrap();
    let swept = bench.days_pass(&store, 1).await;
    assert_eq!((swept.runs, swept.events), (1, 4));
    assert!(matches!(
        store.verify(History::Effects, u32::MAX).await.unwrap(),
        Chain::Intact { events: 1, .. }
    ));
}

#[tokio::test]
async fn what_a_tenant_accepted_late_keeps_where_it_began() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 0).await;
    for target in ["device:a", "device:b"] {
        store.intend(&effect(run, target)).await.unwrap();
    }
    store.record(&effect(run, "device:b").key, 1, &result(EffectState::Done)).await.unwrap();
    store.finish_run(run, &end(RunState::Ok), &[]).await.unwrap();
    bench.days_pass(&store, 5).await;
    store.record(&effect(run, "device:a").key, 1, &result(EffectState::Pending)).await.unwrap();
    let newest = bench.begin(&store, 0).await;
    bench.clock.advance(HOUR);
    store.intend(&effect(newest, "device:c")).await.unwrap();
    bench.days_pass(&store, 6).await;
    assert_eq!(bench.rows("effect_events").await, 5, "it is young yet");
    bench.days_pass(&store, 2).await;
    assert_eq!(bench.rows("effect_events").await, 1);
}

#[tokio::test]
async fn what_is_still_to_be_looked_at_keeps_its_history_until_that_is_over() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 0).await;
    let isolate = effect(run, "device:a");
    let undo = NewRevert { after: Some(HOUR * 24 * 300), ..undo() };
    store.intend_with(&isolate, Some(&undo)).await.unwrap();
    store.record(&isolate.key, 1, &result(EffectState::Done)).await.unwrap();
    let read = store.in_force().await.unwrap().remove(0);
    let release = NewEffect { action: "releaseDevice".to_owned(), ..effect(run, "device:a") };
    let release = NewEffect { key: EffectKey::of(&[b"release"]), ..release };
    store.intend(&release).await.unwrap();
    store.record(&release.key, 1, &result(EffectState::Done)).await.unwrap();
    store.finish_run(run, &end(RunState::Ok), &[]).await.unwrap();
    assert_eq!(store.in_force().await.unwrap(), []);
    bench.days_pass(&store, 20).await;
    assert_eq!(bench.rows("effect_events").await, 4, "it is looked at when it is due");
    let over = RevertNote { look_at: read.look_at, ..note(RevertState::Over) };
    assert!(store.note_revert(&read, &over, None).await.unwrap());
    bench.days_pass(&store, 1).await;
    assert_eq!((bench.rows("effect_events").await, bench.rows("reverts").await), (1, 0));
}

#[tokio::test]
async fn what_was_to_end_and_something_newer_stands_for_is_forgotten() {
    let bench = Bench::new();
    let store = bench.open().await;
    let for_an_hour = NewRevert { after: Some(HOUR), ..undo() };
    isolated(&bench, &store, (for_an_hour, EffectState::Done)).await;
    let first = store.in_force().await.unwrap().remove(0);
    // It was due, and nobody knows whose it is: it is not looked at again.
    assert!(store.note_revert(&first, &note(RevertState::Standing), None).await.unwrap());
    bench.days_pass(&store, 20).await;
    assert_eq!(bench.rows("effect_events").await, 2, "it stands");
    isolated(&bench, &store, (undo(), EffectState::Done)).await;
    bench.days_pass(&store, 20).await;
    assert_eq!((bench.rows("effect_events").await, bench.rows("reverts").await), (2, 1));
}

#[tokio::test]
async fn what_was_written_down_by_a_clock_far_ahead_is_not_cut_off_with_what_came_after_it() {
    let (bench, store, run) = Bench::running().await;
    bench.days_pass(&store, 1).await;
    let years = HOUR * (24 * 3652);
    bench.clock.jump(years);
    store.intend(&effect(run, "device:a")).await.unwrap();
    store.record(&effect(run, "device:a").key, 1, &result(EffectState::Done)).await.unwrap();
    bench.clock.jump(-years);
    for target in ["device:b", "device:c"] {
        bench.clock.advance(HOUR);
        store.intend(&effect(run, target)).await.unwrap();
        store.record(&effect(run, target).key, 1, &result(EffectState::Done)).await.unwrap();
    }
    assert_eq!(bench.days_pass(&store, 20).await.events, 0);
    assert!(matches!(
        store.verify(History::Effects, u32::MAX).await.unwrap(),
        Chain::Intact { events: 6, .. }
    ));
}

#[tokio::test]
async fn a_journal_that_was_never_swept_goes_by_its_last_run() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 0).await;
    store.finish_run(run, &end(RunState::Ok), &[]).await.unwrap();
    bench.clock.jump(HOUR * (24 * 3652));
    let swept = store.retention(bench.now(), SignedDuration::ZERO).await.unwrap();
    assert_eq!((swept.runs, bench.rows("runs").await), (0, 1));
}

#[tokio::test]
async fn of_a_run_that_is_forgotten_nothing_is_left() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 2).await;
    let ours = message("ours", Some(run));
    let suppress = ["short", "long"].map(|key| NewSuppression {
        key: key.to_owned(),
        until: bench.in_hours(if key == "short" { 1 } else { 24 * 30 }),
    });
    let settlement = Settlement { suppress: suppress.into(), messages: vec![ours], ..settled(0, "acted") };
    store.settle(run, &settlement).await.unwrap();
    store.finish_run(run, &end(RunState::Ok), &[]).await.unwrap();
    store.delivered("ours").await.unwrap();
    bench.days_pass(&store, 10).await;
    let left = async || (bench.rows("runs").await, bench.rows("items").await, bench.rows("outbox").await);
    assert_eq!(left().await, (1, 2, 1), "one of its items is still open");
    store.settle(run, &settled(1, "acted")).await.unwrap();
    let swept = bench.days_pass(&store, 1).await;
    assert_eq!((swept.runs, swept.notices), (1, 0));
    assert_eq!(left().await, (0, 0, 0));
    let keys = ["short", "long"].map(str::to_owned);
    let quiet = store.suppressed(TENANT, PLAYBOOK, &keys).await.unwrap();
    assert_eq!(quiet.into_keys().collect::<Vec<_>>(), ["long"], "quiet is kept for as long as it was to be");
    assert_eq!(bench.rows("suppressions").await, 1);
}

#[tokio::test]
async fn of_too_many_messages_the_oldest_of_their_channel_are_given_up() {
    let bench = Bench::new();
    let store = bench.open().await;
    store
        .enqueue(&OutboxMessage { channel: "soc-mail".to_owned(), ..message("elsewhere", None) })
        .await
        .unwrap();
    bench.clock.advance(HOUR);
    for id in ["first", "second"] {
        store.enqueue(&message(id, None)).await.unwrap();
        bench.clock.advance(HOUR);
    }
    let crowd = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000) \
         INSERT INTO outbox (id, channel, body, state, next_at, at) \
         SELECT 'm' || n, 'soc-teams', '{{}}', 'pending', {0}, {0} FROM n",
        bench.now().as_millisecond()
    );
    bench.raw().await.execute(sqlx::AssertSqlSafe(crowd)).await.unwrap();
    let swept = store.retention(bench.now(), SignedDuration::ZERO).await.unwrap();
    assert_eq!((swept.messages, store.pending().await.unwrap()), (2, 100_001));
    for id in ["first", "second"] {
        assert!(matches!(store.delivered(id).await, Err(StoreError::Unknown { .. })), "{id} is given up");
    }
    store.delivered("elsewhere").await.unwrap();
    assert_eq!(store.retention(bench.now(), SignedDuration::ZERO).await.unwrap().messages, 0);
}

#[tokio::test]
async fn versions_nobody_uses_are_forgotten() {
    let bench = Bench::new();
    let store = bench.open().await;
    store.publish(&live("first")).await.unwrap();
    store.publish(&live("second")).await.unwrap();
    store.keep_version(b"playbook").await.unwrap();
    bench.begin(&store, 0).await;
    let third = Publication { lists: vec![list("admins", "dana")], ..live("third") };
    store.publish(&third).await.unwrap();
    assert_eq!(store.live_versions().await.unwrap()[0].bytes, b"third");
    assert_eq!(bench.days_pass(&store, 7).await.versions, 0);
    assert_eq!(bench.days_pass(&store, 1).await.versions, 2);
    let there = async |text: &[u8]| store.version_bytes(ContentHash::of(text)).await.unwrap().is_some();
    assert!(!there(b"first").await && !there(b"second").await, "no run, not in force");
    assert!(there(b"playbook").await, "a run used it");
    assert!(there(b"third").await && there(b"dana").await, "in force");
}
