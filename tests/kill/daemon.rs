//! The daemon dies while it takes an edit over, forgets old history and ends. After each death the file
//! on disk is broken, so that what runs next can only be the version that the journal has in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use huntbook::clock::{Clock as _, ManualClock, SystemClock};
use huntbook::model::{PlaybookId, RunId};
use huntbook::store::{
    ContentHash, EffectKey, EffectState, Effects, NewEffect, NewItem, NewRun, NewSuppression, Recorded,
    RunEnd, RunFilter, RunMode, RunState, RunSummary, Settlement, Store, Trigger,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::{Duration, Instant, sleep};
use uuid::Uuid;

use crate::beyond::BEYOND;
use crate::process::Process;
use crate::world::{PLAYBOOK, World};
use crate::{NEW_DEVICES, PATIENCE, Toll, check_journal, check_tenant, finish, settle, tell};

/// Points of a reload, and whether the edit outlives a death there. Each is tried while the daemon starts,
/// and while it serves: the second number is the passage at which an edit comes by then at the earliest.
const RELOAD: &[(&str, u32, bool)] = &[
    ("c29_reload_read", 3, false),
    ("c30_reload_validated", 2, false),
    ("c32_reload_persisted", 2, true),
    ("c31_reload_swapped", 2, true),
];
/// Points of the end, each with a run in flight when it is asked for.
const END: &[&str] = &["c39_shutdown_begun", "c40_shutdown_done"];
/// The point between two batches of old rows.
const SWEEP: &str = "c35_retention_delete";
/// Deaths there: after a batch of events, two of runs, one of identities and one of suppressions.
const SWEEPS: u32 = 5;
/// Runs long over: more than go in one batch.
const OLD_RUNS: u32 = 60;

/// What the deaths hit.
type Points = BTreeMap<&'static str, u32>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_death_of_the_daemon_loses_an_edit_or_anything_else() {
    let world = World::start().await;
    let (mut toll, mut points) = (Toll::default(), Points::new());
    grow_old(&world).await;
    world.fleet.grow(NEW_DEVICES);
    settle(&world).await;
    deaths_while_forgetting(&world, &mut toll, &mut points).await;
    deaths_while_reloading(&world, &mut toll, &mut points).await;
    deaths_at_the_end(&world, &mut toll, &mut points).await;
    finish(&world).await;

    tell(&format!("{toll:?}\n{points:?}"));
    for (point, _, _) in RELOAD {
        assert_eq!(points.get(point), Some(&2), "{point}: {points:?}");
    }
    assert_eq!(points.get(SWEEP), Some(&SWEEPS), "{points:?}");
    for point in END {
        assert_eq!(points.get(point), Some(&2), "{point}: {points:?}");
    }
    check_tenant(&world, &toll).await;
    check_journal(&world).await;
}

#[test]
fn somebody_dies_at_every_point_there_is() {
    let run = crate::POINTS.iter().map(|(point, _)| *point);
    let daemon = RELOAD.iter().map(|(point, _, _)| *point).chain(END.iter().copied()).chain([SWEEP]);
    let words = crate::approved::POINTS
        .iter()
        .copied()
        .chain([crate::stopped::STOP_DIES])
        .chain([crate::given_up::GIVES_UP]);
    // `serve` comes to these after ten minutes; the engine dies there in `tests/engine/crashes.rs`, and as at every point
    // but those of a whole process in `tests/simulation/points.rs`.
    let later =
        ["c20_list_read", "c21_doubt_settled", "c22_told_of_doubt", "c36_undo_noted", "c37_undo_begun"];
    let killed: BTreeSet<&str> = run.chain(daemon).chain(words).collect();
    for (point, why) in BEYOND {
        assert!(killed.contains(point), "{point}: {why}, and no process is killed there");
    }
    let used: BTreeSet<&str> = killed.into_iter().chain(later).collect();
    let all: BTreeSet<&str> = huntbook::fault::POINTS.iter().map(|(point, _)| *point).collect();
    assert_eq!(used, all);
}

/// A version of the playbook by its number.
fn version(number: u32) -> String {
    format!("{PLAYBOOK}description: version {number}\n")
}

/// Counts the death of a daemon that was to die at a point.
async fn dies(child: Process, world: &World, point: &'static str, (toll, points): (&mut Toll, &mut Points)) {
    let status = child.wait(world).await;
    assert!(!status.success(), "nobody died at {point}\n{}", world.log_tail());
    *points.entry(point).or_default() += 1;
    toll.count(world).await;
}

async fn deaths_while_reloading(world: &World, toll: &mut Toll, points: &mut Points) {
    let mut in_force = PLAYBOOK.to_owned();
    let mut number = 0;
    for (point, passage, persisted) in RELOAD.iter().copied() {
        for serves in [false, true] {
            number += 1;
            let next = version(number);
            world.fleet.grow(NEW_DEVICES);
            world.edit(if serves { &in_force } else { &next });
            let armed = if serves { format!("{point}:{passage}") } else { point.to_owned() };
            let started = SystemClock.now();
            let child = world.spawn(&["serve"], Some(&armed));
            if serves {
                until_runs(world, &in_force, started).await;
                world.edit(&next);
            }
            dies(child, world, point, (toll, points)).await;

            if persisted {
                in_force = next;
            }
            world.edit(&format!("{in_force}where: row.Nothing ==\n"));
            world.fleet.grow(NEW_DEVICES);
            let started = SystemClock.now();
            let child = world.spawn(&["serve"], None);
            until_runs(world, &in_force, started).await;
            child.kill();
            toll.count(world).await;
        }
    }
    world.edit(&in_force);
}

/// Waits until a run that began after `since` has ended, and sees to it that none uses another version.
async fn until_runs(world: &World, text: &str, since: Timestamp) {
    let version = ContentHash::of(text.as_bytes());
    until(world, "a run ends", async || {
        let runs = runs(world, 20).await;
        let new = runs.into_iter().filter(|summary| since < summary.run.started);
        let mut ended = false;
        for summary in new {
            assert_eq!(summary.run.version, version, "another version runs\n{}", world.log_tail());
            ended |= summary.run.state != RunState::Running;
        }
        ended
    })
    .await;
}

/// The latest runs.
pub(crate) async fn runs(world: &World, limit: u32) -> Vec<RunSummary> {
    let Ok(store) = Store::open_reader(&world.path("huntbook.db")).await else { return Vec::new() };
    let runs = store.runs(&RunFilter { limit, ..RunFilter::default() }).await;
    store.close().await;
    runs.expect("the journal can be read")
}

pub(crate) async fn until(world: &World, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < PATIENCE, "waited for: {what}\n{}", world.log_tail());
        sleep(Duration::from_millis(20)).await;
    }
}

/// Lets the daemon die when it is asked to end, with a run in flight.
async fn deaths_at_the_end(world: &World, toll: &mut Toll, points: &mut Points) {
    for point in END.iter().chain(END).copied() {
        world.fleet.grow(NEW_DEVICES);
        let child = serve(world, Some(point)).await;
        until(world, "a run is in flight", async || {
            runs(world, 1).await.iter().any(|summary| summary.run.state == RunState::Running)
        })
        .await;
        child.terminate();
        dies(child, world, point, (toll, points)).await;
    }
}

/// Starts a daemon and waits until it says that it serves: from then on it listens to signals, and what an
/// earlier one left is dealt with.
pub(crate) async fn serve(world: &World, crash_point: Option<&str>) -> Process {
    let serving = || world.log().matches("huntbook serves").count();
    let before = serving();
    let child = world.spawn(&["serve"], crash_point);
    until(world, "huntbook serves", async || before < serving()).await;
    child
}

/// Lets the daemon die again and again while it forgets, and then lets it finish.
async fn deaths_while_forgetting(world: &World, toll: &mut Toll, points: &mut Points) {
    for _death in 0..SWEEPS {
        world.fleet.grow(NEW_DEVICES);
        dies(world.spawn(&["serve"], Some(SWEEP)), world, SWEEP, (toll, points)).await;
    }
    let child = serve(world, None).await;
    let is_old = |summary: &RunSummary| summary.run.playbook == OLD;
    until(world, "old runs are forgotten", async || !runs(world, 1000).await.iter().any(is_old)).await;
    child.terminate();
    let status = child.wait(world).await;
    assert!(status.success(), "it was to end cleanly: {status}\n{}", world.log_tail());
}

/// A playbook that nobody has any more.
const OLD: PlaybookId = PlaybookId(Uuid::from_u128(0x01d));

/// Writes history that is long over into the journal.
async fn grow_old(world: &World) {
    let hundred_days = SignedDuration::from_hours(100 * 24);
    let clock = ManualClock::new(SystemClock.now().checked_sub(hundred_days).expect("that was after 1970"));
    let path = world.path("huntbook.db");
    let store = Store::open(&path, Arc::new(clock.clone())).await.expect("the journal opens");
    for _run in 0..OLD_RUNS {
        old_run(&store, &clock).await.expect("the journal takes it");
    }
    store.close().await;
}

async fn old_run(store: &Store, clock: &ManualClock) -> Result<(), huntbook::store::StoreError> {
    clock.advance(SignedDuration::from_secs(1));
    let (run, now) = (RunId::at(clock.now()), clock.now());
    let new = NewRun {
        id: run,
        playbook: OLD,
        playbook_name: "old".to_owned(),
        version: ContentHash::of(b"old"),
        tenant: "contoso".to_owned(),
        trigger: Trigger::Manual,
        by: None,
        scheduled_for: None,
        mode: RunMode::Enforce,
        effects: Effects::Apply,
        started: now,
    };
    store.begin_run(&new).await?;
    let identity = Some(run.0.into_bytes());
    let item = NewItem { seq: 0, identity, key: "old".to_owned(), data: json!({}) };
    store.commit_batch(run, &[item], &json!({})).await?;
    let effect = NewEffect {
        key: EffectKey::of(&[run.0.as_bytes()]),
        run,
        seq: 0,
        step: "tag".to_owned(),
        action: "tagDevice".to_owned(),
        tenant: "contoso".to_owned(),
        playbook: OLD,
        target: format!("device:{run}"),
        params_digest: ContentHash::of(b"{}"),
        limits: None,
        destructive: false,
        exclusive: true,
        opposite: None,
        leave: None,
    };
    store.intend(&effect).await?;
    let done = Recorded { state: EffectState::Done, remote_id: None, detail: None };
    store.record(&effect.key, 1, &done).await?;
    let suppress = vec![NewSuppression { key: run.to_string(), until: now }];
    let settled = Settlement { outcome: "acted".to_owned(), suppress, ..Settlement::default() };
    store.settle(run, &settled).await?;
    let (counts, report) = (json!({}), json!({}));
    let end = RunEnd { state: RunState::Ok, error: None, counts, report, undone: None };
    store.finish_run(run, &end, &[]).await
}
