//! A playbook at which the whole process dies each time: it is kept from running, and the others go on, also those whose
//! runs were cut off beside it.

use std::fs;

use huntbook::model::PlaybookId;
use huntbook::sim::Fault;
use huntbook::store::{EffectState, RunState, Stop, Store};

use crate::daemon::{runs, until};
use crate::world::{ID, PLAYBOOK, World, matches};
use crate::{NEW_DEVICES, check_journal, finish};

/// The playbook that goes on.
const OTHER: &str = "5d0c2f7e-31c4-4c0b-9a53-7f5b1e0a9d12";

fn other(schedule: &str) -> String {
    format!(
        "schema: 1\nid: {OTHER}\nname: Look\nmode: enforce\nseverity: Low\nhunt:\n  query: DeviceInfo | project Timestamp, \
         DeviceId, Risk = 1\n  identity: [DeviceId]\nschedule: {schedule}\nnotify:\n  - {{channel: soc, title: looked}}\n"
    )
}

fn put_other(world: &World, schedule: &str) {
    fs::write(world.path("beside"), other(schedule)).expect("the folder is ours");
    fs::rename(world.path("beside"), world.path("playbooks/look.yaml")).expect("the folder is ours");
}

async fn stops(world: &World) -> Vec<Stop> {
    // Before the first start there is none.
    let Ok(store) = Store::open_reader(&world.path("huntbook.db")).await else { return Vec::new() };
    let stops = store.stops().await.expect("the journal can be read");
    store.close().await;
    stops
}

/// The states of the latest runs of a playbook.
async fn states(world: &World, playbook: &str) -> Vec<RunState> {
    let id = PlaybookId(playbook.parse().expect("an id"));
    runs(world, 100).await.into_iter().filter(|one| one.run.playbook == id).map(|one| one.run.state).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_54_a_playbook_at_which_the_process_dies_three_times_does_not_run_and_the_others_go_on() {
    let world = World::start().await;
    let settings = fs::read_to_string(world.path("huntbook.yaml")).expect("it is there");
    let settings = settings.replace("  maxCrashes: 1000\n", "") + "alerts: {channel: soc}\n";
    fs::write(world.path("huntbook.yaml"), settings).expect("the folder is ours");
    // Not while the process dies: what runs beside the culprit could be the culprit.
    put_other(&world, "{cron: \"0 0 29 2 *\"}");
    world.fleet.grow(NEW_DEVICES);
    for death in 1..=3 {
        assert_eq!(stops(&world).await.len(), 0, "before death {death}");
        let status = world.spawn(&["serve"], Some("c05_batch_fetched")).wait(&world).await;
        assert_eq!(status.code(), None, "nobody died\n{}", world.log_tail());
    }
    let mut child = world.spawn(&["serve"], None);
    until(&world, "the playbook is kept from running", async || !stops(&world).await.is_empty()).await;
    put_other(&world, "{every: 1s}");
    until(&world, "the other one runs", async || states(&world, OTHER).await.contains(&RunState::Ok)).await;
    assert_eq!(states(&world, ID).await, [RunState::Running], "its run waits");
    assert_eq!(world.sim.effects(), [], "it does nothing");
    let [stop] = stops(&world).await.try_into().expect("one stop");
    assert!(stop.to_string().starts_with("actions of `Contain` are stopped since"), "{stop}");
    assert!(stop.to_string().contains("the process died 3 times in ten minutes"), "{stop}");
    let status = world.spawn(&["status"], None).wait(&world).await;
    assert_eq!(status.code(), Some(1), "what stands still is not fine");
    let told = || world.sim.messages().into_iter().map(|message| message.body).collect::<String>();
    until(&world, "people are told", async || told().contains("does not run Contain any more")).await;

    // It outlives a restart that was asked for, and counts nothing for it.
    child.terminate();
    assert!(child.wait(&world).await.success(), "{}", world.log_tail());
    child = world.spawn(&["serve"], None);
    let before = states(&world, OTHER).await.len();
    until(&world, "the other one runs again", async || before < states(&world, OTHER).await.len()).await;
    assert_eq!((states(&world, ID).await, stops(&world).await.len()), (vec![RunState::Running], 1));
    child.terminate();
    assert!(child.wait(&world).await.success(), "{}", world.log_tail());
    // Nor does what somebody runs by hand take it up.
    let ran = world.spawn(&["run", "Look"], None).wait(&world).await;
    assert!(ran.success(), "{}", world.log_tail());
    assert_eq!(states(&world, ID).await, [RunState::Running], "its run waits");
    child = world.spawn(&["serve"], None);

    let resumed = world.spawn(&["resume", "--playbook", "Contain"], None).wait(&world).await;
    assert!(resumed.success(), "{}", world.log_tail());
    let wanted = (0..world.fleet.shown()).filter(|number| matches(*number)).count();
    let isolated = || world.sim.effects().iter().filter(|effect| effect.effect == "isolate").count();
    until(&world, "its run goes on", async || isolated() == wanted).await;
    child.terminate();
    assert!(child.wait(&world).await.success(), "{}", world.log_tail());
    put_other(&world, "{cron: \"0 0 29 2 *\"}");
    finish(&world).await;
    check_journal(&world).await;
}

/// Playbooks that have nothing to do with it.
const HEALTHY: [&str; 2] = [OTHER, "5d0c2f7e-31c4-4c0b-9a53-7f5b1e0a9d13"];

/// The call by which everything is hunted.
const HUNTING: &str = "POST /graph/v1.0/security/runHuntingQuery";

/// Writes all three playbooks, with this schedule.
fn put_all(world: &World, schedule: &str) {
    let poisonous = PLAYBOOK.replace("{every: 1s, catchUp: latest}", schedule);
    assert!(poisonous.contains(schedule), "it has a schedule");
    world.edit(&poisonous);
    for (number, id) in (1..).zip(HEALTHY) {
        let text = other(schedule).replace(OTHER, id).replace("Look", &format!("Look {number}"));
        fs::write(world.path("beside"), text).expect("the folder is ours");
        fs::rename(world.path("beside"), world.path(&format!("playbooks/{id}.yaml"))).expect("it is ours");
    }
}

/// Cuts a run of each playbook off at once: the poisonous one's before its second action, the others' while they hunt.
async fn cut_all_off(world: &World) {
    let for_ever = |on: &str, after| Fault { delay_ms: 600_000, after, ..Fault::on(on) };
    world
        .sim
        .set_faults(vec![for_ever(HUNTING, 1), for_ever("POST /mde/api/machines/*/isolate", 0)])
        .expect("it fits");
    world.edit(PLAYBOOK);
    let child = world.spawn(&["serve"], None);
    until(world, "the poisonous one acts", async || {
        let Ok(store) = Store::open_reader(&world.path("huntbook.db")).await else { return false };
        let intended = store.effects_in(EffectState::Intended).await.expect("the journal can be read");
        store.close().await;
        !intended.is_empty()
    })
    .await;
    put_all(world, "{every: 1s}");
    let are_running = async || {
        let mut running = true;
        for id in HEALTHY {
            running &= states(world, id).await.contains(&RunState::Running);
        }
        running
    };
    until(world, "the others hunt", are_running).await;
    // What is due later would run beside what is taken up.
    put_all(world, "{cron: \"0 0 29 2 *\"}");
    child.kill();
    assert!(are_running().await, "nobody was done before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_54_a_poisonous_playbook_takes_no_other_with_it_whose_run_was_cut_off_beside_it() {
    let world = World::start().await;
    let settings = fs::read_to_string(world.path("huntbook.yaml")).expect("it is there");
    fs::write(world.path("huntbook.yaml"), settings.replace("  maxCrashes: 1000\n", ""))
        .expect("the folder is ours");
    world.fleet.grow(NEW_DEVICES);
    cut_all_off(&world).await;
    // Long enough for the culprit to die meanwhile, if it were beside the others.
    world.sim.set_faults(vec![Fault { delay_ms: 500, ..Fault::on(HUNTING) }]).expect("it fits");
    for death in 2..=3 {
        assert_eq!(stops(&world).await.len(), 0, "before death {death}");
        let status = world.spawn(&["serve"], Some("c08_before_intent")).wait(&world).await;
        assert_eq!(status.code(), None, "nobody died\n{}", world.log_tail());
    }
    let child = world.spawn(&["serve"], None);
    until(&world, "the others end their runs", async || {
        let mut over = true;
        for id in HEALTHY {
            over &= !states(&world, id).await.contains(&RunState::Running);
        }
        over
    })
    .await;
    for id in HEALTHY {
        let states = states(&world, id).await;
        assert!(!states.is_empty() && states.iter().all(|state| *state == RunState::Ok), "{id}: {states:?}");
    }
    until(&world, "the playbook is kept from running", async || !stops(&world).await.is_empty()).await;
    let [stop] = stops(&world).await.try_into().expect("one stop");
    assert!(stop.to_string().starts_with("actions of `Contain` are stopped since"), "{stop}");
    assert_eq!(states(&world, ID).await, [RunState::Running], "its run waits");

    let resumed = world.spawn(&["resume", "--playbook", "Contain"], None).wait(&world).await;
    assert!(resumed.success(), "{}", world.log_tail());
    until(&world, "its run goes on", async || states(&world, ID).await != [RunState::Running]).await;
    child.terminate();
    assert!(child.wait(&world).await.success(), "{}", world.log_tail());
    finish(&world).await;
    check_journal(&world).await;
}
