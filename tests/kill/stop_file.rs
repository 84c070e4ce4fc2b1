//! A stop that needs no journal: a file beside it.

use std::fs;

use huntbook::sim::Fault;
use huntbook::store::STOP_FILE;
use tokio::time::{Duration, sleep};

use crate::daemon::serve;
use crate::world::{World, matches};
use crate::{NEW_DEVICES, Toll, check_journal, check_tenant, disk, finish, settle};

/// How long the tenant leaves a call unanswered: longer than it takes to stop.
const ANSWER_MS: u64 = 15_000;
/// What is done to each device.
const STEPS: usize = 3;
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

/// How often processes have told that actions are stopped.
fn tellings(world: &World) -> usize {
    world.log().matches("actions are stopped").count()
}

/// Once it is told, new devices turn up, and nothing is done about them, nor begun about others.
async fn nothing_is_done(world: &World, told: usize) {
    until(world, || told < tellings(world)).await;
    let is_settled = || world.ask(&["status"]).1["withoutResult"].as_array().is_some_and(Vec::is_empty);
    until(world, is_settled).await;
    let before = world.sim.effects();
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
    let mut left = 0;
    for way in ["full", "eio-all"] {
        let held = Fault { delay_ms: ANSWER_MS, ..Fault::on("POST /mde/api/machines/*/isolate") };
        world.sim.set_faults(vec![held]).expect("it fits");
        let mut served = serve(&world, None).await;
        let (done, mut told) = (world.sim.effects().len(), tellings(&world));
        world.fleet.grow(NEW_DEVICES);
        until(&world, || done < world.sim.effects().len()).await;
        // In the middle of its calls, on a disk that takes nothing.
        let stop = ["stop", "--playbook", "Contain", "--reason", "drill"];
        let stopped = disk::spawn(&world, &stop, (way, 1)).wait(&world).await;
        assert!(stopped.success(), "{way}\n{}", world.log_tail());
        let said = fs::read_to_string(&file).expect("there is a file");
        assert!(said.ends_with(": drill\n"), "{said}");
        nothing_is_done(&world, told).await;
        let since = world.sim.effects().split_off(done);
        assert_eq!(since.iter().map(|effect| effect.effect.as_str()).collect::<Vec<_>>(), ["isolate"]);
        served.kill();
        told = tellings(&world);
        served = serve(&world, None).await;
        nothing_is_done(&world, told).await;
        let run = world.spawn(&["run", "Contain"], None).wait(&world).await;
        assert!(!run.success(), "the process that serves has the journal");
        world.sim.set_faults(Vec::new()).expect("it fits");
        let resumed = world.spawn(&["resume"], None).wait(&world).await;
        assert!(resumed.success() && !file.exists(), "{}", world.log_tail());
        // What else was to be done to the device in the middle of it is left to people.
        left += STEPS - 1;
        let wanted = STEPS * (0..world.fleet.shown()).filter(|number| matches(*number)).count();
        until(&world, || world.sim.effects().len() == wanted - left).await;
        served.terminate();
        assert!(served.wait(&world).await.success(), "{}", world.log_tail());
    }
    finish(&world).await;
    check_tenant(&world, &Toll::default()).await;
    check_journal(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_somebody_touches_stops_a_run_in_the_middle() {
    let world = World::start().await;
    world.fleet.grow(NEW_DEVICES);
    settle(&world).await;
    let before = world.sim.effects().len();
    world.fleet.grow(10 * NEW_DEVICES);
    let held = Fault { after: 3, delay_ms: ANSWER_MS, ..Fault::on("POST /mde/api/machines/*/*") };
    world.sim.set_faults(vec![held]).expect("it fits");
    let run = world.spawn(&["run", "Contain"], None);
    until(&world, || before + 3 < world.sim.effects().len()).await;
    fs::write(world.path(STOP_FILE), "").expect("the folder is ours");
    let ended = run.wait(&world).await;
    assert_eq!(ended.code(), Some(1), "{}", world.log_tail());
    let done = world.sim.effects().len();
    assert!(done < before + 10 * NEW_DEVICES, "{done} of {before}: it was over before");
    world.spawn(&["run", "Contain"], None).wait(&world).await;
    assert_eq!(world.sim.effects().len(), done);
    fs::remove_file(world.path(STOP_FILE)).expect("it is there");
    world.sim.set_faults(Vec::new()).expect("it fits");
    finish(&world).await;
    check_tenant(&world, &Toll::default()).await;
    check_journal(&world).await;
}
