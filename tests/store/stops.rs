//! The kill switch in the journal: an intent passes before a stop or not at all, and the words are chained.

use std::sync::Arc;
use std::time::Duration;

use huntbook::model::PlaybookId;
use huntbook::store::{
    Alone, Chain, History, Intended, NewRun, OutboxMessage, RunEnd, RunState, STOP_FILE, SeenStop, Stop,
    StopWord, Stopped, StoppedPlaybook, Store, StoreError, Suspect, Way,
};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Executor as _};

use crate::bench::{Bench, PLAYBOOK, TENANT, effect, message, word};

async fn stop(bench: &Bench, tenant: Option<&str>) -> Stopped {
    Store::stop(&bench.path(), Arc::new(bench.clock.clone()), &word(tenant)).await.unwrap()
}

/// What becomes of a stop that is said while somebody else writes this into the journal.
async fn said_during(bench: &Bench, written: &'static str) -> Result<Stopped, StoreError> {
    bench.end(bench.open().await).await;
    let mut owner = bench.raw().await;
    owner.execute("BEGIN IMMEDIATE").await.unwrap();
    owner.execute(written).await.unwrap();
    let (path, clock, word) = (bench.path(), Arc::new(bench.clock.clone()), word(None));
    let (said, ()) = tokio::join!(Store::stop(&path, clock, &word), async {
        // Long enough for the word to find the journal as it was, and to wait for its turn.
        tokio::time::sleep(Duration::from_millis(500)).await;
        owner.execute("COMMIT").await.unwrap();
    });
    said
}

#[tokio::test]
async fn a_word_said_while_the_journal_changes_hands_is_written() {
    let bench = Bench::new();
    let said = said_during(&bench, "UPDATE facts SET value = value + 1 WHERE name = 'epoch'").await;
    said.expect("it is written, whoever owns the journal by now");
    assert_eq!(bench.open().await.stops().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_word_is_not_written_into_a_journal_that_a_newer_version_took_over_meanwhile() {
    let bench = Bench::new();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'later', 1, x'00', 0)";
    let refused = said_during(&bench, newer).await.expect_err("it is not ours to write");
    assert!(matches!(refused, StoreError::Newer { migration: 9999 }), "{refused}");
    let said: i64 = sqlx::query_scalar("SELECT count(*) FROM stop_events")
        .fetch_one(&mut bench.raw().await)
        .await
        .unwrap();
    assert_eq!(said, 0, "nothing was written");
}

#[tokio::test]
async fn no_intent_passes_after_a_stop_over_a_new_start_and_a_clock_turned_back() {
    let (bench, store, run) = Bench::running().await;
    assert_eq!(store.intend(&effect(run, "device:a")).await.unwrap(), Intended::Go { attempt: 1 });
    stop(&bench, Some(TENANT)).await;
    let stopped = |intended| matches!(intended, Intended::Stopped(stop) if stop.account == "duty");
    assert!(stopped(store.intend(&effect(run, "device:b")).await.unwrap()));
    bench.end(store).await;
    bench.clock.set("2025-01-01T00:00:00Z".parse().unwrap());
    let store = bench.open().await;
    assert!(stopped(store.intend(&effect(run, "device:b")).await.unwrap()));
    assert_eq!(store.stopped(("elsewhere", PLAYBOOK)).await.unwrap(), None);
    let lifted = Store::resume(&bench.path(), Arc::new(bench.clock.clone()), &word(None)).await.unwrap();
    assert_eq!(lifted.len(), 1);
    assert_eq!(store.intend(&effect(run, "device:b")).await.unwrap(), Intended::Go { attempt: 1 });
}

#[tokio::test]
async fn a_playbook_is_stopped_by_itself_and_its_stop_is_chained_too() {
    let (bench, store, run) = Bench::running().await;
    let playbook = StoppedPlaybook { id: PLAYBOOK, name: "PsExec fan-out".to_owned() };
    // A stop of the tenant may be lifted by somebody who knows nothing of this one.
    stop(&bench, Some(TENANT)).await;
    for _twice in 0..2 {
        store.trip(TENANT, playbook.clone(), "it answered for another device").await.unwrap();
    }
    Store::resume(&bench.path(), Arc::new(bench.clock.clone()), &word(Some(TENANT))).await.unwrap();
    let stops = store.stops().await.unwrap();
    assert_eq!(
        stops.iter().map(|stop| (stop.uid, stop.playbook.clone())).collect::<Vec<_>>(),
        [(None, Some(playbook.clone()))]
    );
    let said =
        format!("actions of `PsExec fan-out` in `{TENANT}` are stopped since {:.0} by huntbook", bench.now());
    assert!(stops[0].to_string().starts_with(&said), "{}", stops[0]);
    assert!(matches!(store.intend(&effect(run, "device:a")).await.unwrap(), Intended::Stopped(_)));
    assert_eq!(store.stopped((TENANT, PlaybookId(uuid::Uuid::nil()))).await.unwrap(), None);
    assert_eq!(store.stopped(("elsewhere", PLAYBOOK)).await.unwrap(), None);
    let resume = async |word: StopWord| {
        let lifted = Store::resume(&bench.path(), Arc::new(bench.clock.clone()), &word).await;
        lifted.unwrap().len()
    };
    assert_eq!(resume(word(Some(TENANT))).await, 0, "that of the tenant is another one");
    assert_eq!(resume(StopWord { playbook: Some(playbook), ..word(None) }).await, 1);
    assert_eq!(store.intend(&effect(run, "device:a")).await.unwrap(), Intended::Go { attempt: 1 });
    let chain = store.verify(History::Stops, u32::MAX).await.unwrap();
    assert!(matches!(chain, Chain::Intact { events: 4, .. }), "{chain:?}");
}

#[tokio::test]
async fn what_somebody_saw_is_lifted_and_nothing_else() {
    let (bench, store, _run) = Bench::running().await;
    let playbook = StoppedPlaybook { id: PLAYBOOK, name: "PsExec fan-out".to_owned() };
    store.trip(TENANT, playbook.clone(), "it answered for another device").await.unwrap();
    let everywhere = StopWord { playbook: Some(playbook), ..word(None) };
    store.halt(&everywhere).await.unwrap();
    stop(&bench, None).await;
    let seen = store.stops().await.unwrap();
    let one = seen.iter().find(|stop| stop.tenant.is_none() && stop.playbook.is_some()).unwrap().mark();
    let lifted = store.lift_seen(SeenStop::One(&one.to_string()), &word(None)).await.unwrap();
    assert_eq!(lifted.iter().map(|stop| stop.account.as_str()).collect::<Vec<_>>(), ["duty"]);
    assert!(store.lift_seen(SeenStop::One(&one.to_string()), &word(None)).await.unwrap().is_empty(), "once");
    let left = store.stops().await.unwrap();
    assert_eq!(left.len(), 2, "that of the breaker stands, and that of everything: {left:?}");
    // The same again is another one, and all of before are not all of now.
    let all = Stop::mark_of_all(&left).to_string();
    bench.clock.advance(jiff::SignedDuration::from_secs(1));
    store.halt(&everywhere).await.unwrap();
    for seen in [SeenStop::One(&one.to_string()), SeenStop::All(&all)] {
        assert!(store.lift_seen(seen, &word(None)).await.unwrap().is_empty(), "{seen:?}");
    }
    assert_eq!(store.stops().await.unwrap().len(), 3);
    let mut now = store.stops().await.unwrap();
    now.reverse();
    let all = Stop::mark_of_all(&now).to_string();
    assert_eq!(store.lift_seen(SeenStop::All(&all), &word(None)).await.unwrap().len(), 3);
    assert!(store.stops().await.unwrap().is_empty());
    assert!(matches!(store.verify(History::Stops, u32::MAX).await.unwrap(), Chain::Intact { events: 8, .. }));
}

#[tokio::test]
async fn a_file_that_is_lifted_takes_nobodys_stop_with_it() {
    let (bench, store, run) = Bench::running().await;
    let said = StopWord { reason: Some("wrong list".to_owned()), ..word(None) };
    store.halt(&said).await.unwrap();
    let before = store.stops().await.unwrap();
    bench.clock.advance(jiff::SignedDuration::from_secs(60));
    let file = bench.path().with_file_name(STOP_FILE);
    std::fs::write(&file, "touched").unwrap();
    let seen = store.stops().await.unwrap();
    let mark = seen[1].mark().to_string();
    let lifted = store.lift_seen(SeenStop::One(&mark), &word(None)).await.unwrap();
    assert_eq!(lifted, seen[1..]);
    assert!(!file.exists());
    assert_eq!(store.stops().await.unwrap(), before, "the same, since the same time");
    assert!(matches!(store.intend(&effect(run, "device:a")).await.unwrap(), Intended::Stopped(_)));
    assert!(matches!(store.verify(History::Stops, u32::MAX).await.unwrap(), Chain::Intact { events: 4, .. }));
    // Both at once.
    std::fs::write(&file, "touched").unwrap();
    assert_eq!(store.lift(&word(None)).await.unwrap().len(), 2);
    assert!(store.stops().await.unwrap().is_empty());
    // One of something else is not said again.
    stop(&bench, Some(TENANT)).await;
    std::fs::write(&file, "touched").unwrap();
    let seen = store.stops().await.unwrap();
    let mark = seen.iter().find(|stop| stop.tenant.is_none()).unwrap().mark().to_string();
    assert_eq!(store.lift_seen(SeenStop::One(&mark), &word(None)).await.unwrap().len(), 1);
    let chain = store.verify(History::Stops, u32::MAX).await.unwrap();
    assert!(matches!(chain, Chain::Intact { events: 10, .. }), "{chain:?}");
}

#[tokio::test]
async fn a_file_that_cannot_be_removed_still_stops_and_the_other_stops_are_lifted() {
    let (bench, store, _run) = Bench::running().await;
    stop(&bench, Some(TENANT)).await;
    std::fs::create_dir(bench.path().with_file_name(STOP_FILE)).unwrap();
    let error = store.lift(&word(None)).await.unwrap_err();
    assert!(error.to_string().ends_with("the other stops that were to be lifted are lifted"), "{error}");
    let left = store.stops().await.unwrap();
    assert_eq!(left.iter().map(|stop| stop.way).collect::<Vec<_>>(), [Some(Way::File)]);
}

#[tokio::test]
async fn row_54_a_playbook_that_a_person_stopped_and_that_kills_the_process_says_both() {
    let (bench, mut store, _run) = Bench::running().await;
    let playbook = StoppedPlaybook { id: PLAYBOOK, name: "PsExec fan-out".to_owned() };
    let reason = Some("it isolates the wrong ones".to_owned());
    store.halt(&StopWord { playbook: Some(playbook), reason, ..word(None) }).await.unwrap();
    let said = store.stops().await.unwrap().pop().unwrap().to_string();
    for _death in 1..=3 {
        store.begin_serving(3, |_stop| None).await.unwrap();
        store.carry(store.unfinished().await.unwrap()[0].run.id).await.unwrap();
        bench.end(store).await;
        store = bench.open().await;
    }
    let alarm = |stop: &Stop| {
        Some(OutboxMessage { body: serde_json::json!({"text": stop}), ..message("alarm", None) })
    };
    let stops = store.begin_serving(3, alarm).await.unwrap();
    let due = store.due(Timestamp::MAX, 10).await.unwrap();
    assert_eq!(
        due.iter().map(|told| told.id.as_str()).collect::<Vec<_>>(),
        ["alarm"],
        "people are told with it"
    );
    let told = stops[0].to_string();
    assert!(stops[0].is_quarantine_of(PLAYBOOK), "{told}");
    assert!(told.contains("died 3 times") && told.ends_with(&said), "{told}");
    assert_eq!(store.stops().await.unwrap(), stops);
}

#[tokio::test]
async fn a_stop_can_be_written_before_anything_ever_ran() {
    let bench = Bench::new();
    stop(&bench, None).await;
    let store = bench.open().await;
    assert!(store.stopped((TENANT, PLAYBOOK)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_stop_that_is_changed_or_taken_out_is_found() {
    for statement in [
        "UPDATE stop_events SET word = 'resume' WHERE n = 1",
        "UPDATE stop_events SET account = 'other' WHERE n = 1",
        "UPDATE stop_events SET at = at + 1 WHERE n = 2",
        "DELETE FROM stop_events WHERE n = 1",
        "UPDATE stop_events SET playbook = '00000000-0000-0000-0000-000000000000' WHERE n = 2",
    ] {
        let bench = Bench::new();
        stop(&bench, None).await;
        stop(&bench, Some(TENANT)).await;
        let store = bench.open().await;
        assert!(matches!(
            store.verify(History::Stops, u32::MAX).await.unwrap(),
            Chain::Intact { events: 2, .. }
        ));
        let mut raw = bench.raw().await;
        raw.execute(AssertSqlSafe(statement)).await.unwrap_err();
        raw.execute("DROP TRIGGER stop_events_kept; DROP TRIGGER stop_events_left").await.unwrap();
        raw.execute(AssertSqlSafe(statement)).await.unwrap();
        assert!(
            matches!(store.verify(History::Stops, u32::MAX).await.unwrap(), Chain::Broken { .. }),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn row_54_a_death_while_an_ended_run_is_gone_on_with_counts_against_its_playbook() {
    let (bench, mut store, run) = Bench::running().await;
    let end = RunEnd {
        state: RunState::Ok,
        error: None,
        counts: serde_json::json!({}),
        report: serde_json::json!({}),
        undone: None,
    };
    store.finish_run(run, &end, &[]).await.unwrap();
    assert_eq!(store.begin_serving(3, |_stop| None).await.unwrap(), []);
    // What was gone on with to its end is nobody's death.
    store.go_on_with(run).await.unwrap();
    store.gone_on_with(run).await.unwrap();
    for deaths in 0..=3 {
        bench.end(store).await;
        store = bench.open().await;
        let stops = store.begin_serving(3, |_stop| None).await.unwrap();
        assert_eq!(stops.len(), usize::from(deaths == 3), "{deaths}: {stops:?}");
        assert_eq!(store.has_died().await.unwrap(), 0 < deaths);
        store.go_on_with(run).await.unwrap();
    }
    assert!(store.stops().await.unwrap()[0].is_quarantine_of(PLAYBOOK));
}

#[tokio::test]
async fn row_54_a_run_that_only_waits_does_not_count_when_the_process_dies_at_another() {
    let (bench, mut store, waits) = Bench::running().await;
    let poisonous = PlaybookId(uuid::Uuid::from_u128(0x9015));
    let fresh = PlaybookId(uuid::Uuid::from_u128(0xf7e5));
    let begin = async |store: &Store, playbook| {
        bench.clock.advance(jiff::SignedDuration::from_secs(1));
        let run = NewRun { playbook, ..bench.run(None) };
        store.begin_run(&run).await.unwrap();
        run.id
    };
    let kills = begin(&store, poisonous).await;
    assert_eq!(store.begin_serving(4, |_stop| None).await.unwrap(), []);
    // What had its time alone waits for its device; at the next one the process dies, or at what its schedule began.
    for death in 1..=3 {
        for (suspect, run) in
            [(Suspect::Run(PLAYBOOK, waits), waits), (Suspect::Run(poisonous, kills), kills)]
        {
            store.note_alone(suspect, Alone::Holds).await.unwrap();
            store.carry(run).await.unwrap();
            if run == waits {
                store.note_alone(suspect, Alone::Survived).await.unwrap();
            }
        }
        if death == 3 {
            begin(&store, fresh).await;
        }
        bench.end(store).await;
        store = bench.open().await;
        assert_eq!(store.begin_serving(4, |_stop| None).await.unwrap(), [], "death {death}");
    }
    // The last one that is let pass.
    store.note_alone(Suspect::Run(poisonous, kills), Alone::Holds).await.unwrap();
    store.carry(kills).await.unwrap();
    bench.end(store).await;
    store = bench.open().await;
    let stops = store.begin_serving(4, |_stop| None).await.unwrap();
    assert_eq!(stops.len(), 1, "{stops:?}");
    assert!(stops[0].is_quarantine_of(poisonous));
    assert_eq!(deaths(&bench, PLAYBOOK).await, 0);
    assert_eq!((deaths(&bench, poisonous).await, deaths(&bench, fresh).await), (4, 1));
}

/// How many deaths count against a playbook.
async fn deaths(bench: &Bench, playbook: PlaybookId) -> i64 {
    let query = sqlx::query_scalar("SELECT count(*) FROM crashes WHERE playbook = $1");
    query.bind(playbook.to_string()).fetch_one(&mut bench.raw().await).await.unwrap()
}

#[tokio::test]
async fn a_playbooks_stop_is_lifted_in_the_tenant_that_is_named_or_in_all() {
    let (bench, store, _run) = Bench::running().await;
    let playbook =
        |number| StoppedPlaybook { id: PlaybookId(uuid::Uuid::from_u128(number)), name: "x".to_owned() };
    for (tenant, number) in [(TENANT, 1), ("fabrikam", 1), (TENANT, 2)] {
        store.trip(tenant, playbook(number), "three in a row").await.unwrap();
        bench.clock.advance(jiff::SignedDuration::from_secs(1));
    }
    let lift = async |tenant, number| {
        let lifted =
            store.lift(&StopWord { playbook: Some(playbook(number)), ..word(tenant) }).await.unwrap();
        let left = store.stops().await.unwrap();
        let left = left.iter().map(|stop| (stop.tenant.clone().unwrap(), stop.playbook.clone().unwrap()));
        (lifted.len(), left.collect::<Vec<_>>())
    };
    let here = |number| (TENANT.to_owned(), playbook(number));
    assert_eq!(lift(Some("fabrikam"), 1).await, (1, vec![here(1), here(2)]));
    assert_eq!(lift(None, 1).await, (1, vec![here(2)]));
    assert_eq!(lift(Some("fabrikam"), 2).await, (0, vec![here(2)]));
}

#[tokio::test]
async fn a_stop_covers_those_of_which_all_is_stopped_by_it() {
    let (_bench, store, _run) = Bench::running().await;
    let playbook = |id| Some(StoppedPlaybook { id, name: "PsExec fan-out".to_owned() });
    let (one, other) = (playbook(PLAYBOOK), playbook(PlaybookId(uuid::Uuid::nil())));
    let subjects = [
        (None, None),
        (Some(TENANT), None),
        (Some("elsewhere"), None),
        (None, one.clone()),
        (Some(TENANT), one),
        (Some(TENANT), other),
    ];
    let mut stops = Vec::new();
    for (tenant, playbook) in subjects {
        store.halt(&StopWord { playbook: playbook.clone(), ..word(tenant) }).await.unwrap();
        let all = store.stops().await.unwrap();
        let is_it = |stop: &&Stop| stop.tenant.as_deref() == tenant && stop.playbook == playbook;
        stops.push(all.iter().find(is_it).unwrap().clone());
    }
    let covered = |stop: &Stop| (0..6).filter(|other| stop.covers(&stops[*other])).collect::<Vec<_>>();
    let all: Vec<_> = stops.iter().map(covered).collect();
    assert_eq!(all, [vec![0, 1, 2, 3, 4, 5], vec![1, 4, 5], vec![2], vec![3, 4], vec![4], vec![5]]);
}
