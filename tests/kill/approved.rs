//! Actions wait for a person's word, and processes die around it: when it is written, when it is read, when it
//! is spent. What was approved is done once or in doubt, what was not is not done.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use huntbook::sim::SimApp;
use huntbook::tenant::ActionKind;
use serde_json::Value;

use crate::history::Rules;
use crate::world::{ID, PLAYBOOK, World};
use crate::{BORDER, NEW_DEVICES, Toll, check_journal_by, check_tenant, dies_at, finish};

/// The account that says the word.
const ACCOUNT: &str = "4001";

/// Where a run dies that takes up what was approved. The passages of a transaction are many, and any will do.
const RUN_DIES: &[&str] = &[
    "c23_approval_read",
    "c24_approval_consumed",
    "c24_approval_consumed:2",
    "c10_before_send",
    "c14_response_parsed",
    "c15_after_result_commit",
];

/// Points of this suite that no other has.
pub(crate) const POINTS: &[&str] = &["c23_approval_read", "c24_approval_consumed", HEARD];

/// Where who says a word dies when it is on disk: it need not be said again.
const HEARD: &str = "c34_word_heard";

fn by_approver(world: &World, arguments: &[&str], point: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
    command.args(arguments).current_dir(world.path("")).env_clear();
    command.env("SIM_SECRET", SimApp::SECRET).env("SUDO_UID", ACCOUNT);
    if let Some(point) = point {
        command.env("HUNTBOOK_CRASH_POINT", point);
    }
    command
}

/// The requests that wait for a word.
fn waiting(world: &World) -> BTreeSet<String> {
    let output = by_approver(world, &["approvals", "--format", "json"], None).output().expect("it starts");
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).expect("it is a list");
    let awaiting = list.iter().filter(|request| request["state"] == "awaiting");
    awaiting.map(|request| request["id"].as_str().expect("an id is text").to_owned()).collect()
}

/// Approves everything that waits; a process dies first at the point, if there is one.
fn approve(world: &World, point: Option<&str>) {
    let all = waiting(world);
    assert!(!all.is_empty(), "nothing waits\n{}", world.log_tail());
    for (number, id) in all.iter().enumerate() {
        if let Some(point) = point.filter(|_point| number == 0) {
            let died = by_approver(world, &["approve", id], Some(point)).output().expect("it starts");
            assert_eq!(died.status.code(), None, "nobody died at {point}: {died:?}");
            if point == HEARD {
                continue;
            }
        }
        let said = by_approver(world, &["approve", id], None).output().expect("it starts");
        assert!(said.status.success(), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_makes_a_word_count_twice_or_get_lost() {
    let world = World::start().await;
    let settings = fs::read_to_string(world.path("huntbook.yaml")).expect("it is ours");
    let settings = format!("{settings}approvers:\n  lead: {{account: \"{ACCOUNT}\"}}\n");
    fs::write(world.path("huntbook.yaml"), settings).expect("it is ours");
    let isolate =
        "    isolateDevice: {device: \"{{row.DeviceId}}\", comment: \"{{run.id}} of {{run.startedAt}}\"}\n";
    assert!(PLAYBOOK.contains(isolate));
    world.edit(
        &PLAYBOOK.replace(isolate, &format!("{isolate}    approval: {{channel: soc, timeout: 60m}}\n")),
    );

    let mut toll = Toll::default();
    for (round, point) in RUN_DIES.iter().enumerate() {
        world.fleet.grow(NEW_DEVICES);
        world.spawn(&["run", "Contain"], None).wait(&world).await;
        let before = world.sim.effects().iter().filter(|effect| effect.effect == "isolate").count();
        world.spawn(&["run", "Contain"], None).wait(&world).await;
        let after = world.sim.effects().iter().filter(|effect| effect.effect == "isolate").count();
        assert_eq!(before, after, "nobody has said a word");
        approve(&world, Some(if round % 2 == 0 { BORDER } else { HEARD }));
        dies_at(point, &["run", "Contain"], &world).await;
        toll.count(&world).await;
        world.spawn(&["run", "Contain"], None).wait(&world).await;
    }
    for _word in 0..3 {
        if waiting(&world).is_empty() {
            break;
        }
        approve(&world, None);
        world.spawn(&["run", "Contain"], None).wait(&world).await;
    }
    assert!(2 <= toll.in_flight, "too few kills hit a call: {toll:?}");
    finish(&world).await;
    check_tenant(&world, &toll).await;
    let asks = [(ID.to_owned(), ActionKind::IsolateDevice)].into();
    check_journal_by(&world, &Rules { asks, ..Rules::default() }).await;
}
