//! Calls that were sent, of which the journal does not take what came of them: nobody is told that it is known.

use huntbook::engine::EngineError;
use huntbook::engine::ItemOutcome::{Acted, Parked};
use huntbook::sim::Fault;
use huntbook::store::{EffectState, Effects};
use serde_json::json;

use crate::doubt::change;
use crate::{House, ISOLATE, outcomes, playbook};

/// A house whose journal refuses something as soon as an isolation is sent.
async fn refusing(what: &str) -> House {
    let mut house = House::with_rows(2).await;
    let trigger = format!(
        "CREATE TRIGGER IF NOT EXISTS refuses BEFORE {what} BEGIN SELECT RAISE(ABORT, 'refused'); END"
    );
    let journal = house.journal();
    house.ambush("/isolate", move || {
        let (journal, trigger) = (journal.clone(), trigger.clone());
        Box::pin(async move { change(journal, &trigger).await })
    });
    house
}

/// Isolates the devices until the run is cut off. The journal of the next process refuses nothing.
async fn cut_off(house: House) -> House {
    let order = house.order(&playbook(ISOLATE), Effects::Apply).await;
    let ran = house.engine.run(&order).await;
    assert!(matches!(ran, Err(EngineError::CutOff { .. })), "{ran:?}");
    change(house.journal(), "DROP TRIGGER refuses").await;
    house.restart().await
}

#[tokio::test]
async fn a_result_that_cannot_be_written_is_not_told_as_one_and_is_in_doubt_for_the_next_process() {
    let states = "'pending', 'done', 'unknown', 'notApplied'";
    let refuses = format!("UPDATE OF state ON effects WHEN NEW.state IN ({states})");
    let house = cut_off(refusing(&refuses).await).await;
    assert_eq!(house.applied(), ["isolate 0"]);
    assert_eq!(outcomes(&house.resume_one(&playbook(ISOLATE)).await), [Parked, Acted]);
    assert_eq!(house.engine.store.effects_in(EffectState::Parked).await.unwrap().len(), 1);
    assert_eq!(house.applied(), ["isolate 0", "isolate 1"], "each once");
}

#[tokio::test]
async fn what_is_in_doubt_and_cannot_be_left_to_people_is_not_told_as_left_to_them() {
    let house = refusing("UPDATE OF state ON effects WHEN NEW.state = 'parked'").await;
    let lost = Fault { reset: true, times: Some(1), ..Fault::on("POST /mde/api/machines/*/isolate") };
    house.sim.set_faults(vec![lost]).expect("a sound fault");
    let house = cut_off(house).await;
    assert_eq!(outcomes(&house.resume_one(&playbook(ISOLATE)).await), [Parked, Acted]);
    assert_eq!(house.engine.store.effects_in(EffectState::Parked).await.unwrap().len(), 1);
    assert_eq!(house.applied(), ["isolate 1"]);
}

#[tokio::test]
async fn a_process_that_cannot_stop_a_playbook_although_another_device_was_hit_ends_its_run() {
    let house = refusing("INSERT ON stop_events").await;
    house.forge();
    let another = json!({
        "id": "5382f7ea-7557-4ab7-9782-d50480024a4e", "type": "Isolate", "status": "Succeeded",
        "machineId": "d".repeat(40), "requestorComment": ""
    });
    let (status, times) = (Some(201), Some(1));
    let fault = Fault { status, body: Some(another), times, ..Fault::on("POST /mde/api/machines/*/isolate") };
    house.sim.set_faults(vec![fault]).expect("a sound fault");
    let house = cut_off(house).await;
    assert_eq!(
        house.engine.store.effects_in(EffectState::Parked).await.unwrap().len(),
        1,
        "it is written down"
    );
    assert_eq!(house.applied(), Vec::<String>::new(), "the second device is left alone");
}
