//! What becomes of what is due, and of the daemon, when the journal or a run fails.

use huntbook::engine::RunState;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};

use crate::in_flight::report;
use crate::*;

impl Place {
    /// The journal, as another process opens it.
    async fn journal(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.dir.path().join("journal.db"));
        SqliteConnection::connect_with(&options).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_41_a_slot_is_not_lost_when_the_journal_is_busy_at_its_moment() {
    let place = Place::at("2026-03-01T12:10:00Z").await;
    place.put("busy", "every: 6h, catchUp: none");
    let pause = SignedDuration::from_secs(10);
    let trap = Trap::new(&place.clock, pause..=pause);
    let served = place.serve_by(Arc::clone(&trap) as SharedClock).await;
    let (slot, mut other) = (served.next(), place.journal().await);
    for failed in 1..=2 {
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        if failed == 1 {
            place.clock.set(slot);
        } else {
            place.clock.advance(pause);
        }
        // The first time it waits for the lock in vain, then it waits before it asks again.
        until("it waits to try again", || trap.waits.load(Ordering::SeqCst) == failed).await;
        assert_eq!(served.runs().await, []);
        other.execute("ROLLBACK").await.unwrap();
    }
    place.clock.advance(pause);
    let run = served.until_ended(1).await.pop().unwrap();
    assert_eq!((run.scheduled_for, run.trigger), (Some(slot), Trigger::Schedule));
    served.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_47_a_run_that_crashes_is_tried_again_twice_and_then_given_up_and_told() {
    let place = Place::at("2026-03-01T12:10:00Z").await;
    place.put("crash", "every: 6h");
    // Whoever waits as long as the tenant asks dies of it.
    let trap = Trap::new(&place.clock, MINUTE * 10..=MINUTE * 11);
    trap.sprung.cancel();
    let hunting = "POST /graph/*/security/runHuntingQuery";
    place
        .sim
        .set_faults(vec![Fault { status: Some(429), retry_after: Some(600), ..Fault::on(hunting) }])
        .unwrap();
    let served = place.serve_by(Arc::clone(&trap) as SharedClock).await;
    place.clock.set(served.next());
    let run = place.pass_until_ended(&served, 1).await;
    let why = "it crashed, and 2 times again when it was taken up";
    assert_eq!((run.state, run.error.as_deref()), (huntbook::store::RunState::Failed, Some(why)));
    assert_eq!(trap.waits.load(Ordering::SeqCst), 3);
    let told = served.store.due(Timestamp::MAX, 100).await.unwrap();
    let told = |title: &str| told.iter().any(|message| message.body["message"]["title"] == title);
    assert!(told("Test: a run was cut off and cannot be taken up"));
    place.sim.set_faults(Vec::new()).unwrap();
    place.clock.set(served.next());
    let next = served.until_ended(2).await.pop().unwrap();
    assert_eq!(report(&next).state, RunState::Succeeded, "the playbook itself goes on");
    served.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_loop_that_the_journal_fails_for_good_ends_the_daemon() {
    let place = Place::at("2026-03-01T12:10:00Z").await;
    let never = "cron: \"0 0 29 2 *\"";
    place.put("fenced", never);
    let mut served = place.serve().await;
    // As if another process had taken over: the next reload cannot be recorded.
    place.journal().await.execute("UPDATE facts SET value = value + 1 WHERE name = 'epoch'").await.unwrap();
    place.put("edited", never);
    let ended = loop {
        if let Some(ended) = served.task.try_join_next() {
            break ended.unwrap();
        }
        place.clock.advance(MINUTE);
        SystemClock.sleep(LOOK_EVERY).await;
    };
    let Err(DaemonError::Store(error)) = ended else { panic!("{ended:?}") };
    assert_eq!(error.to_string(), "another huntbook took the journal over; this one must not act any more");
    served.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_09_a_tenant_that_accepts_no_token_is_left_alone_told_and_asked_again() {
    let place = Place::at("2026-03-01T12:10:00Z").await;
    place.put("rejected", "every: 1m, catchUp: none");
    let hunting = Fault { status: Some(401), ..Fault::on("POST /graph/*/security/runHuntingQuery") };
    place.sim.set_faults(vec![hunting]).unwrap();
    let served = place.serve().await;
    for _call in 0..2 {
        let run = served.start_next(&place).await;
        assert_eq!(run.state, huntbook::store::RunState::Failed);
    }
    place.clock.set(served.next());
    let skip = served.until_skipped(1).await;
    assert_eq!(skip.reason, "the tenant accepts no token of ours: it is asked again within five minutes");
    // People are told at the next look at how huntbook gets in.
    let mut refused = None;
    while refused.is_none() {
        place.clock.advance(SignedDuration::from_secs(1));
        assert!(place.clock.now() < instant("2026-03-01T13:30:00Z"), "nobody is told");
        SystemClock.sleep(LOOK_EVERY).await;
        refused = served.store.sign_ins().await.unwrap().remove("contoso").and_then(|one| one.refused);
    }
    let refused = refused.unwrap();
    assert!(refused.starts_with("Microsoft Graph accepts no token of ours: "), "{refused}");
    let told = served.store.due(Timestamp::MAX, 100).await.unwrap();
    let title = "huntbook does not get in to contoso";
    assert!(told.iter().any(|message| message.body["message"]["title"] == title), "{told:?}");

    place.sim.set_faults(Vec::new()).unwrap();
    let is_ok = |run: &Run| run.state == huntbook::store::RunState::Ok;
    while !served.runs().await.iter().any(is_ok)
        || served.store.sign_ins().await.unwrap()["contoso"].refused.is_some()
    {
        place.clock.advance(SignedDuration::from_secs(1));
        assert!(place.clock.now() < instant("2026-03-01T14:50:00Z"), "it is not asked again");
        SystemClock.sleep(LOOK_EVERY).await;
    }
    served.end().await.unwrap();
}
