//! Deterministic simulation: one seed is one run of fifty playbooks in four tenants over thirty days, in one thread, on
//! a clock that leaps, among lost answers, late effects, outages, sleeps, wrong clocks, edits, stops and deaths at named
//! points. The same seed gives the same journal, byte for byte.
//!
//! Engine, journal, timetable, client and simulated tenants are the real ones; the wire between them is in memory,
//! because a socket has a time of its own. `SEED=7 tests/run --test simulation` plays one seed, `SEEDS=200` as many,
//! `DAYS=365` longer ones.

#![cfg(feature = "crash-points")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test helpers; what is missing fails the test"
)]

#[path = "simulation/beyond.rs"]
mod beyond;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "history/mod.rs"]
mod history;
#[path = "simulation/playbooks.rs"]
mod playbooks;
#[path = "simulation/points.rs"]
mod points;
#[path = "simulation/time.rs"]
mod time;
#[path = "simulation/wire.rs"]
mod wire;
#[path = "simulation/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use history::Rules;
use huntbook::guard::TENANT_TARGETS_PER_DAY;
use huntbook::store::{ContentHash, EffectState};
use playbooks::{CAPS, Finds, PLAYBOOKS, asks, id};
use sqlx::SqlitePool;
use wire::{Fate, Reached};
use world::{Course, MONTH, WEEKEND, World};

/// What a run of thirty days must have been through.
const SOMETIMES: &[&str] = &[
    "AnswerLost",
    "Broken",
    "BrokenAfter",
    "Busy",
    "Lost",
    "Late",
    "Sleep",
    "CrashBefore",
    "CrashAfter",
    "Edit(0)",
    "Remove(1)",
    "Resume",
    "Stop(None)",
    "Wrong(10800)",
    "an outage",
    "approval consumed",
    "approval expired",
    "approval rejected",
    "approval void",
    "cause revert",
    "crash point c04_before_transaction",
    "crash point c12_head_received",
    "crash point c14_response_parsed",
    "a death",
    "a list shows an action late",
    "a lost request is carried out late",
    "a person says what was done",
    "a run is taken up",
    "a slot is skipped",
    "a slot of the hour that summer time takes away",
    "parked after a death",
    "doubt ends done",
    "doubt ends notApplied",
    "doubt ends pending",
    "effect done",
    "effect failed",
    "effect notApplied",
    "item acted",
    "item halted",
    "item parked",
    "item pendingApproval",
    "item planned",
    "run halted",
    "run partial",
    "run failed",
    "run idle",
    "run succeeded",
    "run waiting",
    "trigger catchUp",
    "trigger schedule",
];

/// What a weekend must have been through.
const SOON: &[&str] = &[
    "AnswerLost",
    "CrashAfter",
    "CrashBefore",
    "Edit(0)",
    "Late",
    "Remove(1)",
    "Resume",
    "Sleep(8)",
    "Stop(None)",
    "Stop(Some(1))",
    "Wrong(-3600)",
    "Wrong(-7200)",
    "Wrong(0)",
    "Wrong(10800)",
    "a death",
    "a run is taken up",
    "a slot of the hour that summer time takes away",
    "an outage",
    "approval consumed",
    "cause revert",
    "doubt ends pending",
    "parked after a death",
    "trigger catchUp",
    "trigger schedule",
];

/// What of it was not reached.
fn missing<'a>(what: &[&'a str], reached: &Reached) -> Vec<&'a str> {
    what.iter().copied().filter(|what| reached.get(*what).is_none_or(|times| *times == 0)).collect()
}

/// Says which seed failed, if one does.
struct Replay(u64, i64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tell(&format!("again: SEED={} DAYS={} tests/run --test simulation", self.0, self.1));
        }
    }
}

fn tell(text: &str) {
    // A closed output is no reason to fail.
    drop(writeln!(std::io::stdout(), "{text}"));
}

#[expect(clippy::disallowed_methods, reason = "which seeds are played is said in the environment")]
fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Deaths that are meant say nothing.
fn quiet_deaths() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let is_meant = info.payload_as_str().is_some_and(|words| words.starts_with("crash point"));
        if !is_meant {
            usual(info);
        }
    }));
}

/// What must hold in a world.
fn rules(world: &World) -> Rules {
    Rules {
        ahead: world.was_set(),
        asks: asks(),
        caps: (0..PLAYBOOKS).map(|number| (id(number), CAPS)).collect(),
        // The settings say nothing of it.
        tenant_targets: Some(usize::try_from(TENANT_TARGETS_PER_DAY).unwrap()),
        ..Rules::default()
    }
}

/// Plays a seed; gives the hash of all that its journal says, and what was reached.
fn play(seed: u64, (course, days): (Course, i64)) -> (ContentHash, Reached) {
    let _replay = Replay(seed, days);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::build(seed, (course, Finds::Sometimes)).await;
        world.live(days).await;
        world.settle().await;
        history::hold(world.store(), &world.truths(), &rules(&world)).await;
        let mut reached = world.reached();
        for state in EffectState::ALL {
            let count = world.store().effects_in(*state).await.unwrap().len();
            *reached.entry(format!("effect {state}")).or_default() += count as u64;
        }
        assert_eq!(reached.get("effect intended"), Some(&0), "nothing is left half done");
        assert!(world.store().unfinished().await.unwrap().is_empty(), "no run is left over");
        let journal = world.journal();
        world.store().close().await;
        count_words(&journal, &mut reached).await;
        let hash = whole(&journal).await;
        world.end().await;
        (hash, reached)
    })
}

/// Plays a seed twice, at the same time, and insists that it is the same.
fn play_twice(seed: u64, (course, days): (Course, i64)) -> (ContentHash, Reached) {
    // A crash point is armed for one thread.
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| play(seed, (course, days)));
        (play(seed, (course, days)), other.join().unwrap_or_else(|why| std::panic::resume_unwind(why)))
    });
    assert_eq!(one, other, "seed {seed} is not the same twice");
    one
}

/// Counts how requests for leave ended, what stopped actions, and which runs took something back.
async fn count_words(journal: &Path, reached: &mut Reached) {
    let pool = SqlitePool::connect(&format!("sqlite://{}", journal.display())).await.unwrap();
    for (what, query) in [
        ("approval", "SELECT state, count(*) FROM approvals GROUP BY state"),
        ("said", "SELECT word, count(*) FROM stop_events GROUP BY word"),
        ("cause", "SELECT cause, count(*) FROM runs GROUP BY cause"),
    ] {
        let rows: Vec<(String, i64)> = sqlx::query_as(query).fetch_all(&pool).await.unwrap();
        for (word, count) in rows {
            *reached.entry(format!("{what} {word}")).or_default() += u64::try_from(count).unwrap();
        }
    }
    pool.close().await;
}

/// The hash of every row of every table.
async fn whole(journal: &Path) -> ContentHash {
    let pool = SqlitePool::connect(&format!("sqlite://{}", journal.display())).await.unwrap();
    let tables =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%migrations' ORDER BY name";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&pool).await.unwrap();
    let mut text = String::new();
    for table in tables {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info($1)")
            .bind(&table)
            .fetch_all(&pool)
            .await
            .unwrap();
        let columns: Vec<String> = columns.iter().map(|column| format!("quote({column})")).collect();
        let row = columns.join(" || ',' || ");
        let rows = format!("SELECT {row} AS row FROM {table} ORDER BY row");
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(rows)).fetch_all(&pool).await.unwrap();
        text.extend(std::iter::once(table).chain(rows).map(|line| line + "\n"));
    }
    pool.close().await;
    ContentHash::of(text.as_bytes())
}

/// The seeds to play: the one that is asked for, or as many as are.
fn seeds(usual: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    match (from_environment("SEED"), from_environment("SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => (1..=count).collect(),
        (None, None) => usual.collect(),
    }
}

fn days(usual: u64) -> i64 {
    i64::try_from(from_environment("DAYS").unwrap_or(usual)).unwrap()
}

#[test]
fn thirty_days_among_faults_keep_every_promise() {
    quiet_deaths();
    for seed in seeds(1..=1) {
        let days = days(30);
        let (hash, reached) = play_twice(seed, (MONTH, days));
        tell(&format!("seed {seed}: {hash}\n{reached:#?}"));
        let missing = missing(SOMETIMES, &reached);
        assert!(days < 30 || missing.is_empty(), "seed {seed} never reached {missing:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_journal() {
    quiet_deaths();
    let mut all = BTreeSet::new();
    for seed in seeds(2..=2) {
        let days = days(3).min(3);
        let (hash, reached) = play_twice(seed, (WEEKEND, days));
        let missing = missing(SOON, &reached);
        assert!(days < 3 || missing.is_empty(), "seed {seed} never reached {missing:?}");
        assert!(all.insert(hash), "seed {seed} is like another");
    }
}

/// The kinds of playbooks: by device, by user, by indicator, from the queue, scans.
const SCENARIOS: &[usize] = &[0, 2, 3, 4, 7, 9];

#[test]
fn whichever_call_of_a_run_fails_in_whichever_way_every_promise_is_kept() {
    quiet_deaths();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut calls = 0;
        for number in SCENARIOS {
            let mut world = World::build(1, (MONTH, Finds::Steadily)).await;
            for fate in Fate::TROUBLE {
                let mut n = 1;
                // On one day a guard may leave nothing to be done.
                while world.nth(*number, (n, fate)).await || world.nth(*number, (n, fate)).await {
                    n += 1;
                }
                assert!(3 < n, "{number} {fate:?}: {n} calls were made");
                calls += n;
            }
            history::hold(world.store(), &world.truths(), &rules(&world)).await;
            world.end().await;
        }
        tell(&format!("{calls} calls failed"));
    });
}

#[test]
fn whichever_point_a_process_dies_at_or_after_every_promise_is_kept() {
    quiet_deaths();
    let world = |seed| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tell(&format!("seed {seed}: {} deaths", runtime.block_on(points::die_everywhere(seed))));
    };
    // A point is armed for one thread.
    std::thread::scope(|scope| {
        let worlds: Vec<_> = seeds(1..=3).into_iter().map(|seed| scope.spawn(move || world(seed))).collect();
        for ended in worlds.into_iter().map(std::thread::ScopedJoinHandle::join) {
            ended.unwrap_or_else(|why| std::panic::resume_unwind(why));
        }
    });
}
