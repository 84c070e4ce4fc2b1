//! A stop that needs no journal: a file beside it.

use std::fs;

use huntbook::store::STOP_FILE;
use tokio::time::{Duration, sleep};

use crate::daemon::serve;
use crate::world::{PLAYBOOK, World};
use crate::{NEW_DEVICES, Toll, check_journal, check_tenant, disk, finish, settle};

/// How soon it is obeyed.
const WITHIN: Duration = Duration::from_secs(1);
/// How long it is seen to be obeyed: the playbook runs every second.
const WHILE: Duration = Duration::from_secs(4);
/// How often something is looked for; twenty times a second.
const LOOKS_MAX: u32 = 1200;

async fn until(world: &World, is_so: impl Fn() -> bool) {
    for _look in 0..LOOKS_MAX {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("it never came to that\n{}", world.log_tail());
}

/// New devices turn up, and nothing is done about them.
async fn nothing_is_done(world: &World) {
    let before = world.sim.effects();
    let halted = world.log().matches("actions are stopped").count();
    assert!(0 < halted, "it is told\n{}", world.log_tail());
    world.fleet.grow(NEW_DEVICES);
    sleep(WHILE).await;
    assert_eq!(world.sim.effects(), before, "{}", world.log_tail());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_the_journal_does_not_take_is_a_file_and_no_call_leaves_until_it_is_lifted() {
    let world = World::start().await;
    let file = world.path(STOP_FILE);
    world.fleet.grow(NEW_DEVICES);
    settle(&world).await;
    for way in ["full", "eio-all"] {
        let mut served = serve(&world, None).await;
        let done = world.sim.effects().len();
        world.fleet.grow(NEW_DEVICES);
        until(&world, || done < world.sim.effects().len()).await;
        // In the middle of its calls, on a disk that takes nothing.
        let stop = ["stop", "--playbook", "Contain", "--reason", "drill"];
        let stopped = disk::spawn(&world, &stop, (way, 1)).wait(&world).await;
        assert!(stopped.success(), "{way}\n{}", world.log_tail());
        let said = fs::read_to_string(&file).expect("there is a file");
        assert!(said.ends_with(": drill\n"), "{said}");
        sleep(WITHIN).await;
        nothing_is_done(&world).await;
        served.kill();
        served = serve(&world, None).await;
        nothing_is_done(&world).await;
        let run = world.spawn(&["run", "Contain"], None).wait(&world).await;
        assert!(!run.success(), "the process that serves has the journal");
        let resumed = world.spawn(&["resume"], None).wait(&world).await;
        assert!(resumed.success() && !file.exists(), "{}", world.log_tail());
        let done = world.sim.effects().len();
        until(&world, || done < world.sim.effects().len()).await;
        served.kill();
    }
    world.edit(PLAYBOOK);
    finish(&world).await;
    // What the kills hit is in doubt; nothing is done twice, and all of it is in the history.
    let toll = Toll { in_doubt: usize::MAX / 2, ..Toll::default() };
    check_tenant(&world, &toll).await;
    check_journal(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_somebody_touches_stops_a_run_in_the_middle() {
    let world = World::start().await;
    world.fleet.grow(NEW_DEVICES);
    settle(&world).await;
    let before = world.sim.effects().len();
    world.fleet.grow(10 * NEW_DEVICES);
    let run = world.spawn(&["run", "Contain"], None);
    until(&world, || before + 2 < world.sim.effects().len()).await;
    fs::write(world.path(STOP_FILE), "").expect("the folder is ours");
    let ended = run.wait(&world).await;
    assert_eq!(ended.code(), Some(1), "{}", world.log_tail());
    let done = world.sim.effects().len();
    assert!(done < before + 10 * NEW_DEVICES, "{done} of {before}: it was over before");
    world.spawn(&["run", "Contain"], None).wait(&world).await;
    assert_eq!(world.sim.effects().len(), done);
    fs::remove_file(world.path(STOP_FILE)).expect("it is there");
    finish(&world).await;
    check_tenant(&world, &Toll::default()).await;
    check_journal(&world).await;
}
