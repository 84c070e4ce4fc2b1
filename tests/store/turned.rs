//! Row 35: a clock that is set. Nothing is refilled by it, and nothing stands still.

use std::sync::Arc;

use huntbook::clock::Clock as _;
use huntbook::model::PlaybookId;
use huntbook::store::{ActionLimits, Breaker, Budget, EffectState, Intended, NewEffect, StopWord, Store};
use jiff::SignedDuration;

use crate::bench::{Bench, HOUR, PLAYBOOK, TENANT, effect, limited, result, word};

const GO: Intended = Intended::Go { attempt: 1 };

fn over(found: &Intended, expect: Budget) {
    assert!(matches!(found, Intended::OverBudget { budget, .. } if *budget == expect), "{found:?}");
}

#[tokio::test]
async fn row_35_rates_slide_on_while_the_clock_is_behind() {
    let (bench, store, run) = Bench::running().await;
    let limits = ActionLimits { per_minute: Some(1), ..ActionLimits::default() };
    assert_eq!(store.intend(&limited(run, "device:a", limits)).await.unwrap(), GO);
    bench.clock.jump(HOUR * -2);
    over(&store.intend(&limited(run, "device:b", limits)).await.unwrap(), Budget::Minute);
    // A start between the two changes nothing.
    bench.end(store).await;
    bench.clock.advance(SignedDuration::from_secs(59));
    let store = bench.open().await;
    over(&store.intend(&limited(run, "device:b", limits)).await.unwrap(), Budget::Minute);
    bench.clock.advance(SignedDuration::from_secs(10));
    assert_eq!(store.intend(&limited(run, "device:b", limits)).await.unwrap(), GO);
    // It goes on until the clock has caught up: then both show the same.
    assert!(bench.clock.now() < store.time().await.unwrap());
    bench.clock.advance(HOUR * 21);
    assert_eq!(store.time().await.unwrap(), bench.clock.now());
}

#[tokio::test]
async fn row_35_the_breaker_trips_again_after_a_resume_while_the_clock_is_behind() {
    let (bench, store, run) = Bench::running().await;
    store.intend(&effect(run, "device:before")).await.unwrap();
    bench.clock.jump(HOUR * -2);
    let breaker = Some(Breaker { in_a_row: 3, in_doubt_percent: 20 });
    let limits = ActionLimits { breaker, ..ActionLimits::default() };
    for round in 0..3 {
        for number in 0..3 {
            let effect = limited(run, &format!("device:{round}-{number}"), limits);
            assert_eq!(store.intend(&effect).await.unwrap(), GO, "{round} {number}");
            store.record(&effect.key, 1, &result(EffectState::Unknown)).await.unwrap();
        }
        let next = store.intend(&limited(run, "device:next", limits)).await.unwrap();
        assert!(matches!(next, Intended::Stopped(_)), "{round}: {next:?}");
        let playbook = store.stops().await.unwrap().remove(0).playbook;
        let word = StopWord { playbook, ..word(Some(TENANT)) };
        // Beside the owner, at the same instant.
        let lifted = Store::resume(&bench.path(), Arc::new(bench.clock.clone()), &word).await.unwrap();
        assert_eq!(lifted.len(), 1);
    }
}

#[tokio::test]
async fn row_35_what_was_done_while_the_clock_was_far_ahead_counts_for_a_day_and_no_longer() {
    let (bench, store, run) = Bench::running().await;
    let breaker = Some(Breaker { in_a_row: 3, in_doubt_percent: 20 });
    let limits = ActionLimits { per_day: Some(3), breaker, ..ActionLimits::default() };
    let years = HOUR * (24 * 3652);
    bench.clock.jump(years);
    for number in 0..3 {
        let effect = limited(run, &format!("device:{number}"), limits);
        assert_eq!(store.intend(&effect).await.unwrap(), GO);
        let state = if number == 0 { EffectState::Done } else { EffectState::Unknown };
        store.record(&effect.key, 1, &result(state)).await.unwrap();
    }
    bench.clock.jump(-years);
    // Every run asks what is used before it does anything.
    store.used(TENANT, PLAYBOOK, run).await.unwrap();
    over(&store.intend(&limited(run, "device:next", limits)).await.unwrap(), Budget::DayActions);
    bench.clock.advance(HOUR * 24);
    let run = bench.begin(&store, 1).await;
    assert_eq!(store.intend(&limited(run, "device:next", limits)).await.unwrap(), GO);
    // What was undone ten years from now is no reason to leave its target alone until then.
    let other = NewEffect { playbook: PlaybookId(uuid::Uuid::nil()), ..effect(run, "device:0") };
    assert_ne!(other.playbook, PLAYBOOK);
    assert_eq!(store.recent(TENANT, &["device:0".to_owned()], bench.now()).await.unwrap(), []);
    assert_eq!(store.intend(&other).await.unwrap(), GO);
}
