//! Actions that the tenant works on: what another run makes of them, and how their end is learnt.

use huntbook::engine::ItemOutcome::{Acted, Failed, Halted};
use huntbook::engine::{RunState, StepState};
use huntbook::sim::{Reach, SimOptions};
use huntbook::store::{EffectState, Effects};
use jiff::SignedDuration;

use crate::{House, ISOLATE, outcomes, playbook, states};

/// Another playbook for the same device.
fn other() -> String {
    playbook(&format!(
        "where: row.Files == 0\nsuppress: {{by: [DeviceId], for: 24h}}\n{ISOLATE}notify:\n  - channel: soc\n    if: outcome.halted\n"
    ))
    .replace("8e77", "8e78")
}

/// A device that one playbook has isolated, at a tenant that has not done it yet.
async fn under_way(reach: Reach) -> House {
    let change = |options: &mut SimOptions| {
        options.data.machines.iter_mut().for_each(|machine| machine.reach = reach);
    };
    let house = House::with(1, change).await;
    let first = house.run(&playbook(ISOLATE)).await;
    assert_eq!(states(&first), [StepState::Accepted]);
    house
}

#[tokio::test]
async fn what_another_run_is_at_is_not_handled_until_the_tenant_says_how_it_ended() {
    let house = under_way(Reach::Online).await;
    for told in [1, 1] {
        let waits = house.run(&other()).await;
        assert_eq!((waits.state, outcomes(&waits)), (RunState::Halted, vec![Halted]));
        let why = waits.items[0].steps[0].reason.as_deref().unwrap_or_default();
        assert!(why.ends_with("has the same action on the same target under way (pending)"), "{why}");
        assert_eq!(house.engine.store.pending().await.unwrap(), told, "people are told once");
    }
    house.clock.advance(SignedDuration::from_secs(5));
    let house = house.restart().await;
    let done = house.run(&other()).await;
    assert_eq!((outcomes(&done), states(&done)), (vec![Acted], vec![StepState::AlreadyInForce]));
    assert_eq!(house.applied(), ["isolate 0"]);
    assert_eq!(house.engine.store.effects_in(EffectState::Pending).await.unwrap(), []);
    assert_eq!(house.run(&other()).await.counts.matched, 0);
}

#[tokio::test]
async fn what_another_run_tried_in_vain_is_done() {
    let house = under_way(Reach::Failing).await;
    assert_eq!(outcomes(&house.run(&other()).await), [Halted]);
    house.clock.advance(SignedDuration::from_secs(5));
    assert_eq!(states(&house.run(&other()).await), [StepState::Accepted], "it is sent by itself");
    assert_eq!(house.engine.store.effects_in(EffectState::Failed).await.unwrap().len(), 1);
}

#[tokio::test]
async fn how_actions_ended_is_asked_for_and_shown() {
    for (reach, state, outcome) in
        [(Reach::Online, StepState::Done, Acted), (Reach::Failing, StepState::Failed, Failed)]
    {
        let house = under_way(reach).await;
        assert_eq!(house.engine.follow_up().await.unwrap(), [], "not yet");
        house.clock.advance(SignedDuration::from_secs(5));
        assert_eq!(house.engine.follow_up().await.unwrap().len(), 1);
        assert_eq!(house.engine.follow_up().await.unwrap(), [], "once");
        let mut report = house.run_of_the_past().await;
        let (effects, run) = (house.engine.store.effects_of(report.run).await.unwrap(), report.run);
        assert_eq!(effects[0].run, run);
        report.bring_up_to_date(&effects, &[]);
        assert_eq!((states(&report), outcomes(&report)), (vec![state], vec![outcome]));
    }
}

#[tokio::test]
async fn more_actions_than_one_pass_asks_about_are_all_asked_about() {
    let house = House::with_rows(3).await;
    let runs = 8;
    for _run in 0..runs {
        // Without identity every row is news, and scans may stand side by side.
        let scan = "actions:\n  - runAntivirusScan: {device: \"{{row.DeviceId}}\", comment: test}\n";
        let text = playbook(scan).replace("  identity: [DeviceId]\n", "");
        house.run(&text).await;
        house.clock.advance(SignedDuration::from_mins(1));
    }
    let open = async || house.engine.store.effects_in(EffectState::Pending).await.unwrap().len();
    assert_eq!(open().await, 3 * runs);
    let mut passes = 0;
    while 0 < open().await {
        passes += 1;
        assert!(passes <= 10, "some are never asked about");
        house.engine.follow_up().await.unwrap();
        house.clock.advance(SignedDuration::from_mins(1));
    }
    assert!(3 <= passes, "ten in a pass: {passes}");
}

/// A run that waits for a device and was cut off there; then this time passes.
async fn waiting(reach: Reach, passes: SignedDuration) -> (House, String) {
    let change = |options: &mut SimOptions| {
        options.data.machines.iter_mut().for_each(|machine| machine.reach = reach);
    };
    let house = House::with(1, change).await;
    let text = playbook(
        "actions:\n  - {id: isolate, isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}, waitFor: {timeout: 20m}}\n  \
         - {id: tag, tagDevice: {device: \"{{row.DeviceId}}\", tag: isolated}}\n",
    );
    let order = house.order(&text, Effects::Apply).await;
    let accepted = async {
        while house.engine.store.effects_in(EffectState::Pending).await.expect("it can be read").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ran = house.engine.run(&order) => panic!("it waits: {ran:?}"),
        () = accepted => {}
    }
    assert_eq!(house.applied(), ["isolate 0"]);
    house.clock.advance(passes);
    (house.restart().await, text)
}

#[tokio::test]
async fn a_run_that_was_cut_off_while_it_waited_goes_on_when_the_device_has_done_it() {
    let (house, text) = waiting(Reach::Online, SignedDuration::from_secs(10)).await;
    let report = house.resume_one(&text).await;
    assert_eq!(states(&report), [StepState::Done, StepState::Done], "{report:?}");
    assert_eq!(house.applied(), ["isolate 0", "addTag 0"]);
}

#[tokio::test]
async fn a_wait_is_no_longer_for_a_restart() {
    let (house, text) = waiting(Reach::Offline, SignedDuration::from_mins(20)).await;
    let report = house.resume_one(&text).await;
    assert_eq!(states(&report), [StepState::Failed, StepState::Skipped], "{report:?}");
    let why = report.items[0].steps[0].reason.as_deref();
    assert_eq!(why, Some("it had not ended after 20m, and may yet"));
    assert_eq!(house.applied(), ["isolate 0"]);
    // The device may come back: the journal goes on asking.
    assert_eq!(house.engine.store.effects_in(EffectState::Pending).await.unwrap().len(), 1);
}
