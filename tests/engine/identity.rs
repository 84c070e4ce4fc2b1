//! A device that is another one by now: set up anew between hunt and action, or an id that a row had wrong.

use huntbook::engine::ItemOutcome::{Acted, Failed, Halted};
use huntbook::engine::StepState;
use huntbook::sim::Fault;

use crate::late::why;
use crate::{House, ISOLATE, TAG, outcomes, playbook, states};

/// Three devices that the rows call `host0`, `host1` and `host2`, and the tenant so.
async fn called(names: [&str; 3]) -> House {
    House::with(3, |options| {
        for (machine, name) in options.data.machines.iter_mut().zip(names) {
            name.clone_into(&mut machine.computer_dns_name);
        }
    })
    .await
}

#[tokio::test]
async fn row_59_a_device_that_is_called_otherwise_by_now_is_held_and_the_others_are_not() {
    let house = called(["new.contoso.example", "HOST1", "host2.contoso.example"]).await;
    let report = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&report), [Halted, Acted, Acted]);
    let expect = "the device of this id is called `new.contoso.example` now, and was matched as `host0`";
    assert_eq!(
        (why(&report), house.applied()),
        (expect, vec!["isolate 1".to_owned(), "isolate 2".to_owned()])
    );
    // It comes back, and is held until the rows and the tenant say the same.
    assert_eq!(outcomes(&house.run(&playbook(ISOLATE)).await), [Halted]);
}

#[tokio::test]
async fn row_59_nothing_is_done_to_a_device_that_nobody_can_look_up() {
    let house = called(["host0", "", "host2"]).await;
    let fault = Fault { status: Some(403), times: Some(1), ..Fault::on("GET /mde/api/machines/*") };
    house.sim.set_faults(vec![fault]).expect("a sound fault");
    let report = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&report), [Failed, Acted, Acted], "a device without a name is no other");
    assert!(why(&report).starts_with("the device could not be looked up"), "{}", why(&report));
    assert_eq!(house.applied(), ["isolate 1", "isolate 2"]);
}

#[tokio::test]
async fn what_comes_before_an_isolation_that_cannot_be_done_now_is_not_done_either() {
    let house = called(["host0", "host1", "host2"]).await;
    let isolate = ISOLATE.strip_prefix("actions:\n").expect("a list of actions");
    let both = playbook(&format!("where: row.Files == 0\n{TAG}{isolate}"));
    let fault = Fault { status: Some(403), times: Some(1), ..Fault::on("GET /mde/api/machines/*") };
    house.sim.set_faults(vec![fault]).expect("a sound fault");
    let report = house.run(&both).await;
    assert_eq!(states(&report), [StepState::Skipped, StepState::Failed], "{report:?}");
    let skipped = report.items[0].steps[0].reason.as_deref();
    assert_eq!(skipped, Some("nothing is done before `isolateDevice`, which cannot be done now"));
    assert_eq!(house.applied(), Vec::<String>::new());
    assert_eq!(outcomes(&house.run(&both).await), [Acted], "it comes back");
    assert_eq!(house.applied(), ["addTag 0", "isolate 0"]);
}
