//! The kill switch in the journal: an intent passes before a stop or not at all, and the words are chained.

use std::sync::Arc;

use huntbook::store::{Chain, History, Intended, StopWord, Stopped, Store};
use sqlx::{AssertSqlSafe, Executor as _};

use crate::bench::{Bench, TENANT, effect};

fn word(tenant: Option<&str>) -> StopWord {
    StopWord { tenant: tenant.map(str::to_owned), reason: None, account: "duty".to_owned(), uid: 4001 }
}

async fn stop(bench: &Bench, tenant: Option<&str>) -> Stopped {
    Store::stop(&bench.path(), Arc::new(bench.clock.clone()), &word(tenant)).await.unwrap()
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
    assert_eq!(store.stopped("elsewhere").await.unwrap(), None);
    let lifted = Store::resume(&bench.path(), Arc::new(bench.clock.clone()), &word(None)).await.unwrap();
    assert_eq!(lifted.len(), 1);
    assert_eq!(store.intend(&effect(run, "device:b")).await.unwrap(), Intended::Go { attempt: 1 });
}

#[tokio::test]
async fn a_stop_can_be_written_before_anything_ever_ran() {
    let bench = Bench::new();
    stop(&bench, None).await;
    let store = bench.open().await;
    assert!(store.stopped(TENANT).await.unwrap().is_some());
}

#[tokio::test]
async fn a_stop_that_is_changed_or_taken_out_is_found() {
    for statement in [
        "UPDATE stop_events SET word = 'resume' WHERE n = 1",
        "UPDATE stop_events SET account = 'other' WHERE n = 1",
        "UPDATE stop_events SET at = at + 1 WHERE n = 2",
        "DELETE FROM stop_events WHERE n = 1",
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
