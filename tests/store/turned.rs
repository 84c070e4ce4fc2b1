//! Row 35: a clock that is set. Nothing is refilled by it, and nothing stands still.

use std::sync::Arc;

use huntbook::clock::Clock as _;
use huntbook::model::PlaybookId;
use huntbook::store::{ActionLimits, Breaker, Budget, EffectState, Intended, NewEffect, StopWord, Store};
use jiff::SignedDuration;
use sqlx::Executor as _;

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

/// What an action on `device:a` used up: a budget, a rate, and its cool-down, all of which hold.
async fn all_holds(bench: &Bench, store: &Store, what: &str) {
    let run = bench.begin(store, 1).await;
    let intend = async |target: &str, limits| store.intend(&limited(run, target, limits)).await.unwrap();
    let of_a_day = ActionLimits { per_day: Some(1), ..ActionLimits::default() };
    let targets = ActionLimits { all_targets_per_day: Some(1), ..ActionLimits::default() };
    let rate = ActionLimits { per_hour: Some(1), ..ActionLimits::default() };
    let cooling = ActionLimits { cool_down: Some(HOUR * 24), ..ActionLimits::default() };
    for (limits, budget) in
        [(of_a_day, Budget::DayActions), (targets, Budget::AllTargets), (rate, Budget::Hour)]
    {
        let found = intend("device:b", limits).await;
        assert!(
            matches!(found, Intended::OverBudget { budget: of, .. } if of == budget),
            "{what}: {found:?}"
        );
    }
    let found = intend("device:a", cooling).await;
    assert!(matches!(found, Intended::CoolingDown { .. }), "{what}: {found:?}");
    let since = store.time().await.unwrap().checked_sub(HOUR).unwrap();
    let recent = store.recent(TENANT, &["device:a".to_owned()], since).await.unwrap();
    let last = store.last_done(TENANT, ("isolateDevice", "device:a"), since).await.unwrap();
    let recent: Vec<_> = recent.into_iter().map(|recent| Some(recent.at)).collect();
    assert!(last.is_some() && recent == [last], "{what}: {recent:?} {last:?}");
    let used = store.used(TENANT, PLAYBOOK, run).await.unwrap();
    assert_eq!((used.day_actions, used.tenant_targets.len(), used.taken.hour), (1, 1, 1), "{what}");
    let spent = store.spent(bench.now()).await.unwrap();
    let tenant = spent.tenants.get(TENANT).copied().unwrap_or_default();
    assert_eq!((tenant.actions, tenant.targets, tenant.rates.hour), (1, 1, 1), "{what}");
}

#[tokio::test]
async fn row_35_however_the_clock_is_turned_nothing_is_refilled_before_its_time_has_passed() {
    // Each time somebody has a word written down.
    for turns in [&[25][..], &[25, -25], &[-26, 51, -25], &[24 * 365, -24 * 365], &[-24 * 365, 24 * 365]] {
        let (bench, mut store, run) = Bench::running().await;
        let isolate = limited(run, "device:a", ActionLimits::default());
        assert_eq!(store.intend(&isolate).await.unwrap(), GO);
        store.record(&isolate.key, 1, &result(EffectState::Done)).await.unwrap();
        for hours in turns {
            bench.clock.jump(HOUR * *hours);
            all_holds(&bench, &store, &format!("{hours} of {turns:?}")).await;
            // A start of the process changes nothing.
            bench.end(store).await;
            store = bench.open().await;
        }
        bench.clock.advance(SignedDuration::from_mins(59));
        all_holds(&bench, &store, &format!("after most of an hour, {turns:?}")).await;
    }
}

#[tokio::test]
async fn row_35_time_that_passes_by_both_clocks_frees_what_a_turned_one_does_not() {
    let (bench, store, run) = Bench::running().await;
    let limits = ActionLimits { per_day: Some(1), cool_down: Some(HOUR * 24), ..ActionLimits::default() };
    assert_eq!(store.intend(&limited(run, "device:a", limits)).await.unwrap(), GO);
    store.record(&effect(run, "device:a").key, 1, &result(EffectState::Done)).await.unwrap();
    bench.clock.jump(HOUR * 24);
    bench.clock.advance(HOUR * 24 - SignedDuration::from_millis(1));
    let next = bench.begin(&store, 1).await;
    over(&store.intend(&limited(next, "device:b", limits)).await.unwrap(), Budget::DayActions);
    bench.clock.advance(SignedDuration::from_millis(1));
    let run = bench.begin(&store, 1).await;
    assert_eq!(store.intend(&limited(run, "device:a", limits)).await.unwrap(), GO);
    // A further attempt counts from when it is made.
    store.record(&effect(run, "device:a").key, 1, &result(EffectState::NotApplied)).await.unwrap();
    bench.clock.advance(HOUR * 23);
    let again = Intended::Go { attempt: 2 };
    assert_eq!(store.intend(&limited(run, "device:a", limits)).await.unwrap(), again);
    bench.clock.advance(HOUR * 23);
    bench.clock.jump(HOUR * 24);
    let run = bench.begin(&store, 1).await;
    over(&store.intend(&limited(run, "device:b", limits)).await.unwrap(), Budget::DayActions);
    bench.clock.advance(HOUR);
    assert_eq!(store.intend(&limited(run, "device:b", limits)).await.unwrap(), GO);
}

#[tokio::test]
async fn row_35_what_both_clocks_showed_at_an_attempt_never_changes() {
    let (bench, store, run) = Bench::running().await;
    assert_eq!(store.intend(&effect(run, "device:a")).await.unwrap(), GO);
    for change in ["uptime = NULL", "uptime = uptime - 86400000", "boot = 1", "intended_at = 0"] {
        let change = format!("UPDATE effects SET {change}");
        let refused = bench.raw().await.execute(sqlx::AssertSqlSafe(change.clone())).await.unwrap_err();
        assert!(
            refused.to_string().contains("when an effect was tried never changes"),
            "{change}: {refused}"
        );
    }
}
