//! A guard halts every run, and each dies somewhere: nothing of it is lost, people are told before they do
//! anything about it, and when the limit is raised everything is done once.

use crate::world::{PLAYBOOK, World, device, matches};
use crate::{NEW_DEVICES, Toll, check_journal, check_tenant, dies_at, finish};

/// Where a run that is halted dies. What it matched is settled in one go.
const POINTS: &[&str] = &[
    "c05_batch_fetched",
    "c06_batch_journalled",
    "c07_plan_built",
    "c17_after_outbox",
    "c16_before_outbox",
    "c18_run_ended",
    "c27_notify_sent",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_loses_what_a_guard_halted() {
    let world = World::start().await;
    let mut toll = Toll::default();
    world.edit(&PLAYBOOK.replace("perRun: 100000", "perRun: 1"));
    for point in POINTS {
        world.fleet.grow(NEW_DEVICES);
        dies_at(point, &["run", "Contain"], &world).await;
        toll.count(&world).await;
        // Nothing new comes in before the next run: what it finds is all there is to tell.
        world.spawn(&["run", "Contain"], None).wait(&world).await;
        let told: String = world.sim.messages().into_iter().map(|message| message.body).collect();
        for number in (0..world.fleet.shown()).filter(|number| matches(*number)) {
            let halted = format!("{} halted", device(number));
            assert!(
                told.contains(&halted),
                "{halted}, and after {point} nobody was told\n{}",
                world.log_tail()
            );
        }
    }
    assert_eq!(world.sim.effects(), [], "a halted run does nothing");
    world.edit(PLAYBOOK);
    finish(&world).await;
    check_tenant(&world, &toll).await;
    check_journal(&world).await;
}
