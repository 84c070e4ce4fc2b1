//! What a playbook did to a device, another takes back: released and untagged, as the tenant's own log tells.

use huntbook::engine::ItemOutcome::Acted;
use huntbook::engine::StepState;
use huntbook::sim::Fault;
use jiff::SignedDuration;

use crate::{House, outcomes, playbook, states};

const BOTH: &str = "actions:\n  - isolateDevice: {device: \"{{row.DeviceId}}\", comment: contain}\n  - tagDevice: {device: \"{{row.DeviceId}}\", tag: contained}\n";
const BACK: &str = "actions:\n  - releaseDevice: {device: \"{{row.DeviceId}}\", comment: \"{{row.DeviceName}} is clean\"}\n  \
                    - untagDevice: {device: \"{{row.DeviceId}}\", tag: contained}\n";

/// Longer than a device is left alone between two actions that undo each other.
const LATER: SignedDuration = SignedDuration::from_mins(11);

/// The playbook that takes back, with an id of its own.
fn back() -> String {
    playbook(&format!("where: row.DeviceName != \"host2\"\n{BACK}")).replace("8e77", "8e79")
}

#[tokio::test]
async fn a_device_is_released_and_untagged_once() {
    let house = House::build().await;
    house.run(&playbook(BOTH)).await;
    house.clock.advance(LATER);
    let before = house.applied().len();
    let report = house.run(&back()).await;
    assert_eq!((outcomes(&report), report.counts.acted), (vec![Acted, Acted], 2), "{:?}", report.items);
    let one = [StepState::Accepted, StepState::Done];
    assert_eq!(states(&report), [one, one].concat(), "{:?}", report.items);
    assert_eq!(house.applied()[before..], ["unisolate 0", "removeTag 0", "unisolate 1", "removeTag 1"]);
    house.clock.advance(LATER);
    assert_eq!(house.run(&back()).await.counts.matched, 0, "the same rows again");
    assert_eq!(house.applied().len(), before + 4);
}

#[tokio::test]
async fn a_release_whose_answer_is_lost_is_parked_and_not_repeated() {
    let house = House::build().await;
    house.run(&playbook(BOTH)).await;
    house.clock.advance(LATER);
    let lost = Fault { reset: true, times: Some(1), ..Fault::on("POST /mde/api/machines/*/unisolate") };
    house.sim.set_faults(vec![lost]).expect("a sound fault");
    let report = house.run(&back()).await;
    assert_eq!(states(&report)[0], StepState::Parked);
    house.clock.advance(LATER);
    house.run(&back()).await;
    let released =
        house.applied().into_iter().filter(|effect| effect.starts_with("unisolate")).collect::<Vec<_>>();
    assert_eq!(released.iter().filter(|effect| effect.ends_with('1')).count(), 1);
    assert!(released.iter().filter(|effect| effect.ends_with('0')).count() <= 1, "{released:?}");
}
