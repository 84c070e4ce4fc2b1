//! Effects: transitions, budgets, the chain, and what a crash leaves.

use std::collections::BTreeSet;

use huntbook::model::PlaybookId;
use huntbook::store::{
    ActionLimits, Besides, Breaker, Budget, Chain, ContentHash, EffectKey, EffectState, GIVES_BACK, History,
    Intended, NewEffect, Opposite, Recorded, StoreError,
};
use jiff::SignedDuration;
use sqlx::{AssertSqlSafe, Executor as _};

use crate::bench::{Bench, HOUR, PLAYBOOK, TENANT, effect, limited, result};

const GO: Intended = Intended::Go { attempt: 1 };

#[tokio::test]
async fn an_effect_is_sent_once() {
    let (bench, store, run) = Bench::running().await;
    let effect = effect(run, "device:a");
    assert_eq!(store.intend(&effect).await.unwrap(), GO);
    let again = store.intend(&effect).await.unwrap();
    let since = bench.now();
    assert_eq!(again, Intended::InDoubt { state: EffectState::Intended, attempt: 1, since });
    let done = Recorded { remote_id: Some("4d6c".to_owned()), ..result(EffectState::Done) };
    store.record(&effect.key, 1, &done).await.unwrap();
    let again = store.intend(&effect).await.unwrap();
    let remote_id = Some("4d6c".to_owned());
    assert_eq!(again, Intended::AlreadySettled { state: EffectState::Done, remote_id });
    let other = NewEffect { action: "releaseDevice".to_owned(), ..effect };
    assert!(matches!(store.intend(&other).await, Err(StoreError::KeyReused { .. })));
}

#[tokio::test]
async fn other_words_do_not_make_another_effect() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 1).await;
    let effect = effect(run, "device:a");
    let reworded = NewEffect { params_digest: ContentHash::of(b"other"), ..effect.clone() };
    store.intend(&effect).await.unwrap();
    let again = store.intend(&reworded).await.unwrap();
    assert!(matches!(again, Intended::InDoubt { state: EffectState::Intended, .. }), "{again:?}");
    // A further attempt has to say what the first one said.
    store.record(&effect.key, 1, &result(EffectState::NotApplied)).await.unwrap();
    assert!(matches!(store.intend(&reworded).await, Err(StoreError::KeyReused { .. })));
    assert_eq!(store.intend(&effect).await.unwrap(), Intended::Go { attempt: 2 });
    store.record(&effect.key, 2, &result(EffectState::Pending)).await.unwrap();
    let settled = Intended::AlreadySettled { state: EffectState::Pending, remote_id: None };
    assert_eq!(store.intend(&reworded).await.unwrap(), settled);
}

#[tokio::test]
async fn what_provably_did_nothing_is_tried_three_times() {
    let (_bench, store, run) = Bench::running().await;
    let effect = effect(run, "device:a");
    for attempt in 1..=3 {
        assert_eq!(store.intend(&effect).await.unwrap(), Intended::Go { attempt });
        let stale = store.record(&effect.key, attempt + 1, &result(EffectState::Done)).await.unwrap_err();
        assert!(matches!(stale, StoreError::Attempt { .. }), "{stale}");
        store.record(&effect.key, attempt, &result(EffectState::NotApplied)).await.unwrap();
    }
    let settled = Intended::AlreadySettled { state: EffectState::NotApplied, remote_id: None };
    assert_eq!(store.intend(&effect).await.unwrap(), settled);
}

/// The legal transitions, as the Rust type says.
fn legal(from: EffectState, to: EffectState) -> bool {
    EffectState::follows(Some(from), to)
}

#[tokio::test]
async fn the_type_and_the_trigger_know_the_same_transitions() {
    let (bench, store, run) = Bench::running().await;
    store.intend(&effect(run, "device:a")).await.unwrap();
    bench.end(store).await;
    let mut raw = bench.raw().await;
    let trigger: String = sqlx::query_scalar("SELECT sql FROM sqlite_master WHERE name = 'effects_step'")
        .fetch_one(&mut raw)
        .await
        .unwrap();
    let mut found = 0;
    for (from, to) in
        EffectState::ALL.iter().flat_map(|from| EffectState::ALL.iter().map(move |to| (from, to)))
    {
        // Puts the effect where the step begins, past the trigger.
        raw.execute("BEGIN; DROP TRIGGER effects_step").await.unwrap();
        raw.execute(AssertSqlSafe(format!("UPDATE effects SET state = '{from}'"))).await.unwrap();
        raw.execute(AssertSqlSafe(trigger.clone())).await.unwrap();
        let attempt = i32::from(*to == EffectState::Intended);
        let update = format!("UPDATE effects SET state = '{to}', attempt = attempt + {attempt}");
        let taken = raw.execute(AssertSqlSafe(update)).await;
        assert_eq!(taken.is_ok(), legal(*from, *to), "{from} to {to}");
        found += i32::from(taken.is_ok());
        raw.execute("ROLLBACK").await.unwrap();
    }
    assert_eq!(found, 14);
}

#[tokio::test]
async fn the_file_holds_exactly_the_transitions_of_the_type() {
    let bench = Bench::new();
    let store = bench.open().await;
    bench.end(store).await;
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT from_state, to_state FROM effect_transitions")
        .fetch_all(&mut bench.raw().await)
        .await
        .unwrap();
    let found: BTreeSet<_> = rows.into_iter().collect();
    let expect: BTreeSet<_> = EffectState::ALL
        .iter()
        .flat_map(|from| EffectState::ALL.iter().map(move |to| (*from, *to)))
        .filter(|(from, to)| legal(*from, *to))
        .map(|(from, to)| (from.to_string(), to.to_string()))
        .collect();
    assert_eq!(found, expect);
}

#[tokio::test]
async fn an_effect_cannot_be_rewritten() {
    let (bench, store, run) = Bench::running().await;
    store.intend(&effect(run, "device:a")).await.unwrap();
    bench.end(store).await;
    let mut raw = bench.raw().await;
    for forbidden in [
        "UPDATE effects SET target = 'device:b'",
        "UPDATE effects SET state = 'failed'",
        "UPDATE effects SET state = 'done', attempt = 2",
        "UPDATE effect_events SET state = 'done'",
        "DELETE FROM effect_events",
        "INSERT INTO effects SELECT 'other', tenant, playbook, run, seq, step, action, target, destructive, \
         params_digest, 'done', 1, NULL, NULL, epoch, intended_at, changed_at FROM effects",
    ] {
        let refused = raw.execute(forbidden).await.unwrap_err().to_string();
        assert!(refused.contains("effect"), "{forbidden}: {refused}");
    }
}

#[tokio::test]
async fn illegal_results_are_refused_and_leave_no_trace() {
    let (_bench, store, run) = Bench::running().await;
    let effect = effect(run, "device:a");
    store.intend(&effect).await.unwrap();
    for state in [EffectState::Intended, EffectState::Failed, EffectState::Parked] {
        let refused = store.record(&effect.key, 1, &result(state)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Transition { .. }), "{refused}");
    }
    store.record(&effect.key, 1, &result(EffectState::Pending)).await.unwrap();
    store.record(&effect.key, 1, &result(EffectState::Failed)).await.unwrap();
    assert!(store.record(&effect.key, 1, &result(EffectState::Done)).await.is_err());
    assert!(matches!(
        store.verify(History::Effects, u32::MAX).await.unwrap(),
        Chain::Intact { events: 3, .. }
    ));
    let unknown = "nobody".parse().unwrap();
    let refused = store.record(&unknown, 1, &result(EffectState::Done)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unknown { what: "effect", .. }), "{refused}");
}

#[tokio::test]
async fn what_a_dead_process_intended_is_parked() {
    let (bench, store, run) = Bench::running().await;
    for target in ["device:a", "device:b", "device:c", "device:d"] {
        store.intend(&effect(run, target)).await.unwrap();
    }
    store.record(&effect(run, "device:b").key, 1, &result(EffectState::Done)).await.unwrap();
    store.record(&effect(run, "device:c").key, 1, &result(EffectState::Pending)).await.unwrap();
    store.record(&effect(run, "device:d").key, 1, &result(EffectState::Unknown)).await.unwrap();
    bench.end(store).await;

    let store = bench.open().await;
    let targets = |effects: Vec<huntbook::store::Effect>| -> BTreeSet<String> {
        effects.into_iter().map(|effect| effect.target).collect()
    };
    let doubtful = BTreeSet::from(["device:a".to_owned(), "device:d".to_owned()]);
    assert_eq!(targets(store.park_in_doubt().await.unwrap()), doubtful);
    assert_eq!(store.park_in_doubt().await.unwrap(), []);
    assert_eq!(targets(store.parked().await.unwrap()), doubtful);
    assert_eq!(targets(store.effects_in(EffectState::Pending).await.unwrap()).len(), 1);
    let again = store.intend(&effect(run, "device:a")).await.unwrap();
    assert!(matches!(again, Intended::InDoubt { state: EffectState::Parked, .. }), "{again:?}");

    // A person says that it never happened; then it may be tried again.
    store.record(&effect(run, "device:a").key, 1, &result(EffectState::NotApplied)).await.unwrap();
    assert_eq!(store.intend(&effect(run, "device:a")).await.unwrap(), Intended::Go { attempt: 2 });
    // What this process intends is not in doubt.
    assert_eq!(store.park_in_doubt().await.unwrap(), []);
    assert!(matches!(store.verify(History::Effects, u32::MAX).await.unwrap(), Chain::Intact { .. }));
}

#[tokio::test]
async fn another_runs_action_under_way_keeps_this_one_out() {
    let bench = Bench::new();
    let store = bench.open().await;
    let (one, two) = (bench.begin(&store, 1).await, bench.begin(&store, 1).await);
    store.intend(&effect(one, "device:a")).await.unwrap();
    store.record(&effect(one, "device:a").key, 1, &result(EffectState::Pending)).await.unwrap();
    let found = store.intend(&effect(two, "device:a")).await.unwrap();
    let key = effect(one, "device:a").key;
    let under_way = Intended::Elsewhere { key, run: one, state: EffectState::Pending };
    assert_eq!(found, under_way);
    bench.clock.advance(SignedDuration::from_hours(24 * 7));
    assert_eq!(store.intend(&effect(two, "device:a")).await.unwrap(), under_way, "a week does not settle it");
    let harmless = NewEffect { destructive: false, ..effect(two, "device:a") };
    assert_eq!(store.intend(&harmless).await.unwrap(), GO);
    let elsewhere =
        NewEffect { tenant: "fabrikam".to_owned(), key: "k2".parse().unwrap(), ..effect(two, "device:a") };
    assert_eq!(store.intend(&elsewhere).await.unwrap(), GO, "another tenant's device is another device");
    store.record(&effect(one, "device:a").key, 1, &result(EffectState::Done)).await.unwrap();
    let third = bench.begin(&store, 1).await;
    assert_eq!(store.intend(&effect(third, "device:a")).await.unwrap(), GO);
}

#[track_caller]
fn over(found: &Intended, expect: Budget) {
    assert!(matches!(found, Intended::OverBudget { budget, .. } if *budget == expect), "{found:?}");
}

#[tokio::test]
async fn budgets_are_counted_with_the_intent() {
    let (bench, store, run) = Bench::running().await;
    let limits = ActionLimits { per_run: Some(4), targets_per_run: Some(2), ..ActionLimits::default() };
    assert_eq!(store.intend(&limited(run, "device:a", limits)).await.unwrap(), GO);
    assert_eq!(store.intend(&limited(run, "device:b", limits)).await.unwrap(), GO);
    let third = store.intend(&limited(run, "device:c", limits)).await.unwrap();
    assert_eq!(third, Intended::OverBudget { budget: Budget::RunTargets, limit: 2, used: 2 });
    // A second action on a known target, and a harmless one, fit.
    let scan = NewEffect {
        key: "scan".parse().unwrap(),
        action: "runAntivirusScan".to_owned(),
        ..limited(run, "device:a", limits)
    };
    assert_eq!(store.intend(&scan).await.unwrap(), GO);
    let tag =
        NewEffect { key: "tag".parse().unwrap(), destructive: false, ..limited(run, "device:c", limits) };
    assert_eq!(store.intend(&tag).await.unwrap(), GO);
    let tag = NewEffect { key: "tag2".parse().unwrap(), ..tag };
    over(&store.intend(&tag).await.unwrap(), Budget::RunActions);
    // What is refused was not written, and what did nothing gives its place back.
    assert_eq!(bench.rows("effects").await, 4);
    store.record(&limited(run, "device:b", limits).key, 1, &result(EffectState::NotApplied)).await.unwrap();
    assert_eq!(store.intend(&limited(run, "device:c", limits)).await.unwrap(), GO);
    let used = store.used(TENANT, PLAYBOOK, run).await.unwrap();
    assert_eq!((used.run_actions, used.day_actions), (4, 4));
    let targets = BTreeSet::from(["device:a".to_owned(), "device:c".to_owned()]);
    assert_eq!((&used.run_targets, &used.day_targets), (&targets, &targets));
    assert_eq!((&used.tenant_targets, &used.day_devices), (&targets, &targets));
}

#[tokio::test]
async fn what_gives_back_neither_uses_nor_needs_what_may_be_taken() {
    let bench = Bench::new();
    let store = bench.open().await;
    let breaker = Some(Breaker { in_a_row: 3, in_doubt_percent: 20 });
    let one = Some(1);
    let limits = ActionLimits {
        per_day: one,
        tenant_actions_per_day: one,
        targets_per_run: one,
        targets_per_day: one,
        tenant_targets_per_day: one,
        tenant_share_per_day: one,
        devices_per_day: one,
        all_targets_per_day: one,
        per_minute: Some(4),
        breaker,
        ..ActionLimits::default()
    };
    let run = bench.begin(&store, 1).await;
    let back = |n: usize| {
        let action = GIVES_BACK[n % 4].to_owned();
        let key = format!("back-{n}").parse().unwrap();
        NewEffect { key, action, ..limited(run, &format!("device:{n}"), limits) }
    };
    for n in 0..4 {
        assert_eq!(store.intend(&back(n)).await.unwrap(), GO, "{n}");
        store.record(&back(n).key, 1, &result(EffectState::Unknown)).await.unwrap();
    }
    over(&store.intend(&back(4)).await.unwrap(), Budget::Minute);
    assert_eq!(store.intend(&limited(run, "device:a", limits)).await.unwrap(), GO);
    let next = store.intend(&limited(run, "device:b", limits)).await.unwrap();
    over(&next, Budget::DayActions);
    bench.clock.advance(SignedDuration::from_mins(2));
    assert_eq!(store.intend(&back(4)).await.unwrap(), GO, "whatever was taken");
    let used = store.used(TENANT, PLAYBOOK, run).await.unwrap();
    let targets = BTreeSet::from(["device:a".to_owned()]);
    assert_eq!((&used.run_targets, &used.day_targets), (&targets, &targets));
    assert_eq!((&used.tenant_targets, &used.day_devices), (&targets, &targets));
    assert_eq!((used.run_actions, used.day_actions, used.tenant_actions), (6, 1, 1));
    assert_eq!((used.taken.hour, used.given_back.minute, used.given_back.hour), (1, 1, 5));
    let whole_run = ActionLimits { per_run: Some(6), ..ActionLimits::default() };
    let next = store.intend(&NewEffect { limits: Some(whole_run), ..back(5) }).await.unwrap();
    over(&next, Budget::RunActions);
}

#[tokio::test]
async fn a_days_budget_slides_and_turning_the_clock_back_refills_nothing() {
    let bench = Bench::new();
    let store = bench.open().await;
    let limits = ActionLimits { per_day: Some(2), ..ActionLimits::default() };
    let mut number = 0;
    let mut next = async || {
        number += 1;
        let run = bench.begin(&store, 1).await;
        store.intend(&limited(run, &format!("device:{number}"), limits)).await.unwrap()
    };
    assert_eq!(next().await, GO);
    bench.clock.advance(HOUR * 12);
    assert_eq!(next().await, GO);
    over(&next().await, Budget::DayActions);
    // Back by two days: the latest time ever seen still counts.
    bench.clock.advance(HOUR * -48);
    over(&next().await, Budget::DayActions);
    bench.clock.advance(HOUR * 48 + HOUR * 12 - SignedDuration::from_millis(1));
    over(&next().await, Budget::DayActions);
    bench.clock.advance(SignedDuration::from_millis(1));
    assert_eq!(next().await, GO);
    over(&next().await, Budget::DayActions);
}

#[tokio::test]
async fn a_clock_that_was_ten_years_ahead_is_not_believed_for_ten_years() {
    let bench = Bench::new();
    let store = bench.open().await;
    let years = HOUR * (24 * 3652);
    bench.clock.advance(years);
    let wild = bench.begin(&store, 1).await;
    assert_eq!(store.intend(&effect(wild, "device:1")).await.unwrap(), GO);
    bench.clock.advance(-years);
    let run = bench.begin(&store, 1).await;
    assert_eq!(store.intend(&effect(run, "device:2")).await.unwrap(), GO);
    let effects = store.run(run).await.unwrap().unwrap().effects;
    assert_eq!(effects.first().unwrap().0.intended, bench.now());
}

#[tokio::test]
async fn budgets_of_playbook_and_tenant_are_kept_apart() {
    let (_bench, store, run) = Bench::running().await;
    let limits =
        ActionLimits { targets_per_day: Some(1), tenant_targets_per_day: Some(2), ..ActionLimits::default() };
    assert_eq!(store.intend(&limited(run, "device:a", limits)).await.unwrap(), GO);
    over(&store.intend(&limited(run, "device:b", limits)).await.unwrap(), Budget::DayTargets);
    let other = PlaybookId(uuid::Uuid::from_u128(9));
    let of_other = |target: &str| NewEffect { playbook: other, ..limited(run, target, limits) };
    assert_eq!(store.intend(&of_other("device:b")).await.unwrap(), GO);
    let third = PlaybookId(uuid::Uuid::from_u128(10));
    let of_third = |target: &str| NewEffect { playbook: third, ..limited(run, target, limits) };
    over(&store.intend(&of_third("device:c")).await.unwrap(), Budget::TenantTargets);
    let elsewhere = NewEffect { tenant: "fabrikam".to_owned(), ..limited(run, "device:c", limits) };
    assert_eq!(store.intend(&elsewhere).await.unwrap(), GO);
    // Of any kind, of all playbooks: two were taken in this tenant.
    let limits = ActionLimits { tenant_actions_per_day: Some(2), ..ActionLimits::default() };
    let harmless = NewEffect { destructive: false, limits: Some(limits), ..of_third("device:d") };
    let full = Intended::OverBudget { budget: Budget::TenantActions, limit: 2, used: 2 };
    assert_eq!(store.intend(&harmless).await.unwrap(), full);
}

#[tokio::test]
async fn devices_and_users_have_a_budget_of_their_own_in_a_tenant() {
    let (_bench, store, run) = Bench::running().await;
    let limits = ActionLimits { tenant_share_per_day: Some(1), ..ActionLimits::default() };
    assert_eq!(store.intend(&limited(run, "indicator:a", limits)).await.unwrap(), GO);
    assert_eq!(store.intend(&limited(run, "device:a", limits)).await.unwrap(), GO);
    over(&store.intend(&limited(run, "user:a", limits)).await.unwrap(), Budget::TenantShare);
    assert_eq!(store.intend(&limited(run, "indicator:b", limits)).await.unwrap(), GO);
    // What gives something back is not measured by it.
    assert_eq!(store.intend(&limited(run, "device:b", ActionLimits::default())).await.unwrap(), GO);
}

#[tokio::test]
async fn all_tenants_have_a_budget_together_and_rates_slide() {
    let (bench, store, run) = Bench::running().await;
    let limits = ActionLimits { all_targets_per_day: Some(2), ..ActionLimits::default() };
    let elsewhere =
        |target: &str| NewEffect { tenant: "fabrikam".to_owned(), ..limited(run, target, limits) };
    assert_eq!(store.intend(&limited(run, "device:a", limits)).await.unwrap(), GO);
    assert_eq!(store.intend(&elsewhere("device:b")).await.unwrap(), GO);
    over(&store.intend(&limited(run, "device:c", limits)).await.unwrap(), Budget::AllTargets);
    over(&store.intend(&elsewhere("device:d")).await.unwrap(), Budget::AllTargets);
    let rates = ActionLimits { per_minute: Some(1), per_hour: Some(2), ..ActionLimits::default() };
    over(&store.intend(&limited(run, "device:e", rates)).await.unwrap(), Budget::Minute);
    bench.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(store.intend(&limited(run, "device:e", rates)).await.unwrap(), GO);
    bench.clock.advance(SignedDuration::from_mins(1));
    over(&store.intend(&limited(run, "device:f", rates)).await.unwrap(), Budget::Hour);
    bench.clock.advance(SignedDuration::from_mins(58));
    assert_eq!(store.intend(&limited(run, "device:f", rates)).await.unwrap(), GO);
}

#[tokio::test]
async fn many_at_once_cannot_overdraw_a_budget() {
    let (_bench, store, run) = Bench::running().await;
    let limits = ActionLimits { targets_per_run: Some(5), ..ActionLimits::default() };
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let (store, effect) = (store.clone(), limited(run, &format!("device:{number}"), limits));
        tasks.spawn(async move { store.intend(&effect).await.unwrap() });
    }
    let found = tasks.join_all().await;
    assert_eq!(found.iter().filter(|one| **one == GO).count(), 5);
    assert!(matches!(
        store.verify(History::Effects, u32::MAX).await.unwrap(),
        Chain::Intact { events: 5, .. }
    ));
}

#[tokio::test]
async fn recent_actions_of_a_target_are_told() {
    let (bench, store, run) = Bench::running().await;
    store.intend(&effect(run, "device:a")).await.unwrap();
    bench.clock.advance(HOUR);
    store.intend(&effect(run, "device:b")).await.unwrap();
    let targets = ["device:a".to_owned(), "device:b".to_owned()];
    let found = store.recent(TENANT, &targets, bench.in_hours(-2)).await.unwrap();
    assert_eq!(found.iter().map(|one| one.target.as_str()).collect::<Vec<_>>(), ["device:a", "device:b"]);
    assert_eq!(store.recent(TENANT, &targets, bench.now()).await.unwrap().len(), 1);
    assert_eq!(store.recent("fabrikam", &targets, bench.in_hours(-2)).await.unwrap(), []);
}

#[tokio::test]
async fn a_changed_journal_is_noticed() {
    let free = "DROP TRIGGER effect_events_kept; DROP TRIGGER effect_events_cut; DROP TRIGGER effects_fixed; \
                DROP TRIGGER effects_step; DROP TRIGGER effects_tried; DROP TRIGGER effects_kept; DROP TRIGGER effects_refused; PRAGMA foreign_keys = OFF;";
    for tampering in [
        "UPDATE effect_events SET state = 'notApplied' WHERE n = 2",
        "UPDATE effect_events SET at = at - 1 WHERE n = 1",
        "UPDATE effect_events SET detail = 'by another' WHERE n = 2",
        "UPDATE effects SET target = 'device:z' WHERE target = 'device:a'",
        "UPDATE effects SET run = (SELECT id FROM runs WHERE id <> effects.run) WHERE target = 'device:a'",
        "UPDATE effects SET state = 'notApplied' WHERE target = 'device:a'",
        "UPDATE effects SET intended_at = intended_at - 86400000 WHERE target = 'device:a'",
        "UPDATE effects SET changed_at = changed_at - 1 WHERE target = 'device:a'",
        "UPDATE effects SET remote_id = 'by another' WHERE target = 'device:c'",
        "UPDATE effects SET remote_id = NULL WHERE target = 'device:d'",
        "UPDATE effects SET detail = 'by another' WHERE target = 'device:c'",
        "DELETE FROM effect_events WHERE n = 1",
        "DELETE FROM effect_events WHERE n = 3",
        "DELETE FROM effect_events WHERE n = (SELECT max(n) FROM effect_events)",
        "DELETE FROM effects WHERE target = 'device:a'",
        "UPDATE effect_events SET prev_hash = hash WHERE n = 2",
    ] {
        let (bench, store, run) = Bench::running().await;
        bench.begin(&store, 1).await;
        for target in ["device:a", "device:b"] {
            store.intend(&effect(run, target)).await.unwrap();
            store.record(&effect(run, target).key, 1, &result(EffectState::Done)).await.unwrap();
        }
        // What was said first holds on: the later events add nothing to it.
        for (target, remote_id) in [("device:c", None), ("device:d", Some("r".to_owned()))] {
            store.intend(&effect(run, target)).await.unwrap();
            let sent = Recorded { state: EffectState::Pending, remote_id, detail: None };
            store.record(&effect(run, target).key, 1, &sent).await.unwrap();
            store.record(&effect(run, target).key, 1, &result(EffectState::Done)).await.unwrap();
        }
        assert!(matches!(
            store.verify(History::Effects, u32::MAX).await.unwrap(),
            Chain::Intact { events: 10, .. }
        ));
        let mut raw = bench.raw().await;
        raw.execute(free).await.unwrap();
        raw.execute(tampering).await.unwrap();
        let found = store.verify(History::Effects, u32::MAX).await.unwrap();
        assert!(matches!(found, Chain::Broken { .. }), "{tampering}");
    }
}

#[tokio::test]
async fn the_opposite_is_looked_for_in_the_transaction_that_intends() {
    let release = |run, target| NewEffect {
        action: "releaseDevice".to_owned(),
        opposite: Some(Opposite { action: "isolateDevice".to_owned(), within: HOUR / 6 }),
        ..effect(run, target)
    };
    let stands = |intended| match intended {
        Intended::Opposite { state, .. } => Some(state),
        Intended::Go { .. } => None,
        other => panic!("{other:?}"),
    };
    for (state, after) in [
        (EffectState::Pending, Some(EffectState::Pending)),
        (EffectState::Unknown, Some(EffectState::Unknown)),
        (EffectState::Done, None),
        (EffectState::NotApplied, None),
    ] {
        let (bench, store, run) = Bench::running().await;
        let isolate = NewEffect { action: "isolateDevice".to_owned(), ..effect(run, "device:a") };
        let other = bench.begin(&store, 1).await;
        assert_eq!(store.intend(&isolate).await.unwrap(), GO);
        let during = store.intend(&release(other, "device:a")).await.unwrap();
        assert_eq!(stands(during), Some(EffectState::Intended));
        assert_eq!(stands(store.intend(&release(other, "device:b")).await.unwrap()), None);
        store.record(&isolate.key, 1, &result(state)).await.unwrap();
        let soon = (state != EffectState::NotApplied).then_some(state);
        if soon.is_some() {
            assert_eq!(stands(store.intend(&release(other, "device:a")).await.unwrap()), soon);
        }
        bench.clock.advance(HOUR * 48);
        assert_eq!(stands(store.intend(&release(other, "device:a")).await.unwrap()), after, "{state}");
    }
}

#[tokio::test]
async fn a_playbooks_devices_of_a_day_have_a_budget_whatever_is_done_to_them() {
    let (_bench, store, run) = Bench::running().await;
    let limits = ActionLimits { devices_per_day: Some(1), ..ActionLimits::default() };
    let harmless = |target: &str| NewEffect { destructive: false, ..limited(run, target, limits) };
    assert_eq!(store.intend(&harmless("device:a")).await.unwrap(), GO);
    over(&store.intend(&harmless("device:b")).await.unwrap(), Budget::DayDevices);
    over(&store.intend(&limited(run, "device:b", limits)).await.unwrap(), Budget::DayDevices);
    assert_eq!(store.intend(&harmless("user:a")).await.unwrap(), GO, "no device");
    let again = NewEffect {
        action: "runAntivirusScan".to_owned(),
        key: EffectKey::of(&[b"scan"]),
        ..harmless("device:a")
    };
    assert_eq!(store.intend(&again).await.unwrap(), GO, "each counts once");
    let other = NewEffect { playbook: PlaybookId(uuid::Uuid::from_u128(99)), ..harmless("device:c") };
    assert_eq!(store.intend(&other).await.unwrap(), GO, "another playbook's");
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_beforehand_and_nothing_is_written() {
    let (_bench, store, run) = Bench::running().await;
    let limits = ActionLimits { targets_per_run: Some(1), ..ActionLimits::default() };
    let (one, other) = (limited(run, "device:a", limits), limited(run, "device:b", limits));
    assert_eq!(store.in_the_way(&one).await.unwrap(), None);
    assert_eq!(store.intend(&one).await.unwrap(), GO, "nothing was intended before");
    over(&store.in_the_way(&other).await.unwrap().expect("a budget"), Budget::RunTargets);
    store.record(&one.key, 1, &result(EffectState::NotApplied)).await.unwrap();
    assert_eq!(store.intend(&other).await.unwrap(), GO);
}

#[tokio::test]
async fn what_is_used_is_told_by_run_playbook_tenant_and_kind() {
    let (bench, store, before) = Bench::running().await;
    for (action, target) in [("old", "device:old"), ("isolate", "device:a")] {
        let effect = NewEffect { key: EffectKey::of(&[action.as_bytes()]), ..effect(before, target) };
        assert_eq!(store.intend(&effect).await.unwrap(), GO);
        if action == "old" {
            bench.clock.advance(HOUR * 25);
        }
    }
    let now = bench.begin(&store, 1).await;
    let harmless = |target: &str| NewEffect {
        destructive: false,
        key: EffectKey::of(&[b"harmless", target.as_bytes()]),
        ..effect(now, target)
    };
    let theirs = NewEffect { playbook: PlaybookId(uuid::Uuid::from_u128(9)), ..effect(now, "device:theirs") };
    let away = NewEffect { tenant: "fabrikam".to_owned(), ..effect(now, "device:away") };
    assert_eq!(store.intend(&away).await.unwrap(), GO);
    for one in
        [effect(now, "device:b"), effect(now, "user:u"), harmless("device:c"), harmless("incident:1"), theirs]
    {
        assert_eq!(store.intend(&one).await.unwrap(), GO);
    }
    let used = store.used(TENANT, PLAYBOOK, now).await.unwrap();
    let names = |all: &[&str]| all.iter().map(ToString::to_string).collect::<BTreeSet<String>>();
    assert_eq!(used.run_targets, names(&["device:b", "device:theirs", "user:u"]));
    assert_eq!(used.tenant_targets, names(&["device:a", "device:b", "device:theirs", "user:u"]));
    assert_eq!(used.day_targets, names(&["device:a", "device:b", "user:u"]));
    assert_eq!(used.day_devices, names(&["device:a", "device:b", "device:c"]));
    assert_eq!((used.run_actions, used.day_actions, used.tenant_actions), (5, 5, 6));
    assert_eq!((used.elsewhere, used.taken.minute, used.taken.hour), (1, 4, 4));
    let used = store.used(TENANT, PLAYBOOK, before).await.unwrap();
    assert_eq!(used.run_targets, names(&["device:a", "device:old"]), "a run counts however long it is");
}

#[tokio::test]
async fn a_playbook_whose_actions_come_to_nothing_is_stopped_where_it_would_act_next() {
    let (bench, store, run) = Bench::running().await;
    let breaker = Some(Breaker { in_a_row: 3, in_doubt_percent: 20 });
    let limits = ActionLimits { breaker, ..ActionLimits::default() };
    let refused = Besides { is_refused: true, ..Besides::default() };
    for target in ["device:a", "device:b", "device:c"] {
        let one = limited(run, target, limits);
        assert_eq!(store.intend(&one).await.unwrap(), GO);
        store.record_as(&one.key, 1, (&result(EffectState::NotApplied), refused)).await.unwrap();
        bench.clock.advance(SignedDuration::from_secs(1));
    }
    let harmless = NewEffect { destructive: false, ..limited(run, "device:x", limits) };
    let back = NewEffect { action: GIVES_BACK[0].to_owned(), ..limited(run, "device:y", limits) };
    for trips_nothing in [harmless, back] {
        assert_eq!(store.intend(&trips_nothing).await.unwrap(), GO, "{}", trips_nothing.target);
    }
    let next = limited(run, "device:d", limits);
    let Intended::Stopped(stop) = store.intend(&next).await.unwrap() else { panic!("it is to be stopped") };
    let said = "disruptive actions that came to nothing or are in doubt, one after another: 3";
    assert_eq!((stop.reason.as_deref(), stop.tenant.as_deref()), (Some(said), Some(TENANT)));
    assert_eq!(stop.playbook.as_ref().map(|stopped| stopped.id), Some(PLAYBOOK));
    assert_eq!(store.stops().await.unwrap(), [*stop], "it stands");
    let harmless = NewEffect { destructive: false, ..limited(run, "device:e", ActionLimits::default()) };
    assert!(matches!(store.intend(&harmless).await.unwrap(), Intended::Stopped(_)), "for all it does");
}

#[tokio::test]
async fn a_target_is_left_alone_for_a_while_by_what_was_done_to_it() {
    let (bench, store, run) = Bench::running().await;
    let limits = ActionLimits { cool_down: Some(HOUR * 24), ..ActionLimits::default() };
    let first = limited(run, "device:a", limits);
    assert_eq!(store.intend(&first).await.unwrap(), GO);
    store.record(&first.key, 1, &result(EffectState::Done)).await.unwrap();
    let done = bench.now();
    let again = |limits| NewEffect { key: EffectKey::of(&[b"again"]), ..limited(run, "device:a", limits) };
    let cooling = Intended::CoolingDown { run, at: done, until: bench.in_hours(24) };
    bench.clock.advance(HOUR * 23);
    assert_eq!(store.intend(&again(limits)).await.unwrap(), cooling);
    let other = NewEffect { action: "runAntivirusScan".to_owned(), ..again(limits) };
    assert_eq!(store.in_the_way(&other).await.unwrap(), None, "another action");
    let free = ActionLimits { cool_down: Some(SignedDuration::ZERO), ..limits };
    assert_eq!(store.in_the_way(&again(free)).await.unwrap(), None, "none is wanted");
    bench.clock.advance(HOUR);
    assert_eq!(store.intend(&again(limits)).await.unwrap(), GO);
}

#[tokio::test]
async fn what_comes_to_nothing_three_times_is_tried_after_longer_and_longer_pauses() {
    let (bench, store, run) = Bench::running().await;
    let try_once = async |number: u32| {
        let key = EffectKey::of(&[b"try", &number.to_be_bytes()]);
        let effect = NewEffect { key, ..effect(run, "device:a") };
        let intended = store.intend(&effect).await.unwrap();
        if intended == GO {
            store.record(&effect.key, 1, &result(EffectState::NotApplied)).await.unwrap();
        }
        intended
    };
    let minutes = |minutes| bench.now().checked_add(SignedDuration::from_mins(minutes)).unwrap();
    for number in 0..3 {
        assert_eq!(try_once(number).await, GO);
    }
    for (tries, pause) in [(3, 15), (4, 30), (5, 60), (6, 60)] {
        let until = minutes(pause);
        bench.clock.advance(SignedDuration::from_mins(pause - 1));
        assert_eq!(try_once(100).await, Intended::InVain { tries, until });
        bench.clock.advance(SignedDuration::from_mins(1));
        assert_eq!(try_once(tries).await, GO);
    }
    bench.clock.advance(HOUR * 25);
    assert_eq!(try_once(200).await, GO, "a day later it begins anew");
    assert_eq!(try_once(201).await, GO);
}

#[tokio::test]
async fn the_effects_of_a_run_are_found_by_item_step_and_the_tenants_name() {
    let (bench, store, run) = Bench::running().await;
    let one = effect(run, "device:a");
    let harmless = NewEffect { destructive: false, step: "tag".to_owned(), ..effect(run, "device:b") };
    for effect in [&one, &harmless] {
        assert_eq!(store.intend(effect).await.unwrap(), GO);
    }
    let named = Recorded { remote_id: Some("4d6c".to_owned()), ..result(EffectState::Done) };
    store.record(&one.key, 1, &named).await.unwrap();
    let effects = store.effects_of(run).await.unwrap();
    let kinds =
        effects.iter().map(|effect| (effect.step.as_str(), effect.destructive)).collect::<BTreeSet<_>>();
    assert_eq!(kinds, BTreeSet::from([("isolate", true), ("tag", false)]));
    let of = |item, step, name| effects.iter().filter(|effect| effect.is_of((item, step), name)).count();
    let expect = [1, 0, 0, 0, 1];
    let found = [
        of(0, "isolate", Some("4d6c")),
        of(1, "isolate", Some("4d6c")),
        of(0, "tag", Some("4d6c")),
        of(0, "isolate", None),
        of(0, "tag", None),
    ];
    assert_eq!(found, expect);
    let done =
        async |action: &str, since| store.last_done(TENANT, (action, "device:a"), since).await.unwrap();
    assert_eq!(done("isolateDevice", bench.in_hours(-1)).await, Some(bench.now()));
    assert_eq!(done("isolateDevice", bench.in_hours(1)).await, None);
    assert_eq!(done("releaseDevice", bench.in_hours(-1)).await, None);
}
