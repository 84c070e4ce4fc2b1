//! What people say while their playbook is at something else.

use std::fs;

use huntbook::store::{ApprovalState, Consent, NewVoice, Way};

use super::*;

/// A playbook that tags what its hunt finds when somebody has said yes.
const ASKS: &str = "schema: 1\nid: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77\nname: Test\nmode: enforce\nseverity: Low\n\
    hunt:\n  query: DeviceEvents | take 9\n  columns: {DeviceId: string}\n  identity: [DeviceId]\n\
    actions:\n  - {tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}, approval: {channel: soc}}\n\
    schedule: {every: 15m}\n";

fn yes() -> NewVoice {
    let (by, account) = ("duty".to_owned(), "alice".to_owned());
    NewVoice { word: Consent::Approve, by, account, uid: Some(1000), way: Way::Command, note: None }
}

/// Waits for something to be done; says whether it was.
async fn until_acted(place: &Place) -> bool {
    let mut looks = 0;
    while place.sim.effects().is_empty() && looks < LOOKS_MAX {
        SystemClock.sleep(LOOK_EVERY).await;
        looks += 1;
    }
    !place.sim.effects().is_empty()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_35_people_are_heard_at_once_when_the_clock_was_set_back() {
    let place = Place::at("2026-03-01T12:10:00Z").await;
    fs::write(place.playbooks().join("test.yaml"), ASKS).unwrap();
    let served = place.serve().await;
    served.start_next(&place).await;
    let asked = served.store.open_approvals().await.unwrap();
    place.clock.jump(-HOUR * 2);
    // The journal goes on from the time that it has seen.
    place.history.rules.lock().unwrap().skew = HOUR * 2;
    served.store.hear(&asked[0].id, &yes()).await.unwrap();
    place.clock.advance(SignedDuration::from_secs(2));
    assert!(until_acted(&place).await, "{:?}", served.store.find_approvals(&asked[0].id).await);
    served.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_approved_is_done_while_a_later_run_of_the_playbook_goes_on() {
    let place = Place::at("2026-03-01T12:10:00Z").await;
    fs::write(place.playbooks().join("test.yaml"), ASKS).unwrap();
    let served = place.serve().await;
    served.start_next(&place).await;
    let asked = served.store.open_approvals().await.unwrap();
    assert_eq!(asked.len(), 3);
    place.gate.close();
    let before = place.gate.asked();
    place.clock.set(served.next());
    until("the next run is in the middle of its query", || place.gate.asked() == before + 1).await;
    served.store.hear(&asked[0].id, &yes()).await.unwrap();
    place.clock.advance(MINUTE);
    until_acted(&place).await;
    // Before anything is asserted: who waits at the gate keeps the test from ending.
    let said = served.store.find_approvals(&asked[0].id).await.unwrap().remove(0);
    let running = served.daemon.status().running;
    place.gate.open();
    assert_eq!((said.state, running, place.sim.effects().len()), (ApprovalState::Consumed, 1, 1), "{said:?}");
    served.until_ended(2).await;
    assert_eq!(place.sim.effects().len(), 1, "once");
    served.end().await.unwrap();
}
