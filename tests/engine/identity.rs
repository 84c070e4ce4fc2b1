//! A device that is another one by now: set up anew between hunt and action, or an id that a row had wrong.

use huntbook::engine::ItemOutcome::{Acted, Failed, Halted};
use huntbook::sim::Fault;

use crate::late::why;
use crate::{House, ISOLATE, outcomes, playbook};

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
