//! The disk fails under the journal: the n-th write or sync of the real binary, for ever larger n until a whole run
//! passes. Between the binary and the system stands a library that the tests compile (`disk.c`).

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tokio::time::{Duration, sleep};

use crate::process::Process;
use crate::world::World;
use crate::{NEW_DEVICES, Toll, check_journal, check_tenant, finish, settle, tell};

/// How far apart the failing calls lie; `DISK_EVERY=1` lets each fail.
const EVERY: usize = 23;

/// How calls fail, in the library's words.
const WAYS: [&str; 3] = ["eio", "full", "torn"];

#[expect(clippy::disallowed_methods, reason = "how many calls fail is said in the environment")]
fn every(otherwise: usize) -> usize {
    std::env::var("DISK_EVERY").map_or(otherwise, |text| text.parse().expect("a number"))
}

/// The library, compiled once.
fn library(world: &World) -> PathBuf {
    let library = world.path("disk.so");
    if library.exists() {
        return library;
    }
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kill/disk.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
    assert!(built.expect("tests/setup installs a C compiler").success(), "it compiles");
    library
}

/// Starts huntbook over a disk whose n-th call fails in a way.
pub(crate) fn spawn(world: &World, arguments: &[&str], (way, n): (&str, usize)) -> Process {
    let library = library(world).display().to_string();
    let fired = world.path("fired").display().to_string();
    let fails = format!("{way}:{n}");
    world.spawn_with(arguments, &[("LD_PRELOAD", &library), ("DISK_FAILS", &fails), ("DISK_FIRED", &fired)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_40_whichever_call_of_the_disk_fails_nothing_is_done_without_a_record_and_the_next_start_goes_on()
{
    let world = World::start().await;
    let mut toll = Toll::default();
    world.fleet.grow(NEW_DEVICES);
    settle(&world).await;
    let every = every(EVERY);
    let mut failed = 0;
    for (shift, way) in WAYS.iter().enumerate() {
        let mut n = 1 + shift;
        loop {
            world.fleet.grow(NEW_DEVICES);
            drop(fs::remove_file(world.path("fired")));
            let status = spawn(&world, &["run", "Contain"], (way, n)).wait(&world).await;
            if !world.path("fired").exists() {
                break;
            }
            failed += 1;
            if !status.success() {
                toll.count(&world).await;
            }
            n += every;
            assert!(n < 5_000, "a run does not end\n{}", world.log_tail());
            settle(&world).await;
        }
        assert!(50 < n, "{way}: only {n} calls of the disk were seen");
    }
    finish(&world).await;
    tell(&format!("{failed} calls of the disk failed: {toll:?}"));
    assert!(2 <= toll.in_flight, "too few failures hit a call: {toll:?}");
    check_tenant(&world, &toll).await;
    check_journal(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_40_a_disk_that_takes_nothing_is_read_and_nothing_is_done() {
    let world = World::start().await;
    world.fleet.grow(NEW_DEVICES);
    settle(&world).await;
    let before = world.sim.effects();
    world.fleet.grow(NEW_DEVICES);
    for way in ["eio-all", "full"] {
        let ran = spawn(&world, &["run", "Contain"], (way, 1)).wait(&world).await;
        assert!(!ran.success(), "{way}");
        for reading in [["runs", "--limit=1"], ["journal", "list"]] {
            let read = spawn(&world, &reading, (way, 1)).wait(&world).await;
            assert!(read.success(), "{way} {reading:?}\n{}", world.log_tail());
        }
        assert_eq!(world.sim.effects(), before, "{way}");
    }
    finish(&world).await;
    assert!(before.len() < world.sim.effects().len(), "it goes on");
    check_journal(&world).await;
}

/// How often something is looked for; five times a second.
const LOOKS_MAX: u32 = 600;

async fn until(world: &World, is_so: impl Fn() -> bool) {
    for _look in 0..LOOKS_MAX {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(200)).await;
    }
    panic!("it never came to that\n{}", world.log_tail());
}

/// How the status ends, and what it says of the journal's disk.
fn status(world: &World) -> (Option<i32>, Value) {
    let (code, status) = world.ask(&["status"]);
    (code, status["journal"]["unwritten"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_39_a_full_disk_is_said_everywhere_nothing_is_done_and_it_goes_on_by_itself() {
    full_for_a_while("DISK_FULL_WHILE").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_39_so_is_a_quota_that_is_used_up() {
    full_for_a_while("DISK_QUOTA_WHILE").await;
}

/// Serves over a disk that takes nothing as long as the file is there that is named in the environment.
async fn full_for_a_while(variable: &str) {
    let world = World::start().await;
    let settings = fs::OpenOptions::new().append(true).open(world.path("huntbook.yaml"));
    settings.expect("it is ours").write_all(b"alerts: {channel: soc}\n").expect("it is ours");
    world.fleet.grow(NEW_DEVICES);
    settle(&world).await;
    let (disk, full) = (library(&world).display().to_string(), world.path("full"));
    let environment = [("LD_PRELOAD", disk.as_str()), (variable, full.to_str().expect("it is text"))];
    let served = world.spawn_with(&["serve"], &environment);
    until(&world, || world.log().contains("huntbook serves")).await;
    assert_eq!(status(&world).1, Value::Null);

    fs::write(&full, "").expect("the folder is ours");
    until(&world, || status(&world).1.is_object()).await;
    let (code, unwritten) = status(&world);
    assert_eq!((code, unwritten["why"].as_str().is_some_and(|why| why.contains("full"))), (Some(1), true));
    assert!(unwritten["since"].is_string(), "{unwritten}");
    let (_code, found) = world.ask(&["doctor"]);
    assert!(found["findings"].to_string().contains("the journal cannot be written since"), "{found}");
    let before = world.sim.effects();
    world.fleet.grow(NEW_DEVICES);
    let told = |part: &str| world.sim.messages().iter().any(|message| message.body.contains(part));
    until(&world, || told("cannot write its journal")).await;
    assert_eq!(world.sim.effects(), before, "{}", world.log_tail());
    assert_eq!(world.log().matches("the journal cannot be written").count(), 1, "{}", world.log_tail());

    fs::remove_file(&full).expect("it is there");
    until(&world, || before.len() < world.sim.effects().len()).await;
    until(&world, || status(&world).1.is_null() && told("can be written again")).await;
    served.kill();
    // The next start makes nothing of what the last one left.
    assert_eq!(status(&world).1, Value::Null);
    finish(&world).await;
    check_tenant(&world, &Toll { in_doubt: NEW_DEVICES, ..Toll::default() }).await;
    check_journal(&world).await;
}

/// Lets one call after another fail in runs of one device each, from this one on. What a run leaves, the next one takes up
/// over a disk that fails a little later.
async fn one_after_another((way, first): (&str, usize)) -> (usize, Toll) {
    let world = World::start().await;
    let mut toll = Toll::default();
    world.fleet.grow(1);
    settle(&world).await;
    let (mut n, mut failed) = (first, 0);
    loop {
        world.fleet.grow(1);
        drop(fs::remove_file(world.path("fired")));
        let status = spawn(&world, &["run", "Contain"], (way, n)).wait(&world).await;
        if !world.path("fired").exists() {
            break;
        }
        if !status.success() {
            toll.count(&world).await;
        }
        failed += 1;
        n += every(WAYS.len());
        assert!(n < 1_000, "{way}: a run does not end\n{}", world.log_tail());
    }
    finish(&world).await;
    check_tenant(&world, &toll).await;
    check_journal(&world).await;
    (failed, toll)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_40_one_call_of_the_disk_after_another_fails_until_none_is_left() {
    // Each call fails in one of the ways.
    let [first, second, third] = WAYS;
    let (first, second, third) = tokio::join!(
        Box::pin(one_after_another((first, 1))),
        Box::pin(one_after_another((second, 2))),
        Box::pin(one_after_another((third, 3)))
    );
    for (way, (failed, toll)) in WAYS.iter().zip([first, second, third]) {
        tell(&format!("{way}: {failed} calls of the disk failed: {toll:?}"));
        assert!(20 < failed, "{way}: only {failed} calls of the disk were seen");
        assert!(1 <= toll.in_flight, "{way}: no failure hit a call: {toll:?}");
    }
}
