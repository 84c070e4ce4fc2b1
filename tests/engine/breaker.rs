//! A playbook whose disruptive actions come to nothing one after another is stopped until a person has looked.

use huntbook::engine::ItemOutcome::{Acted, Halted};
use huntbook::engine::Report;
use huntbook::sim::{Fault, Reach};
use huntbook::store::{StopWord, Store};
use jiff::SignedDuration;
use serde_json::json;

use crate::late::why;
use crate::stopped::word;
use crate::{House, ISOLATE, TAG, outcomes, playbook};

impl House {
    /// Isolates one device; what the tenant makes of it is noted.
    async fn isolate_one(&self, number: usize) -> Report {
        let report = self.run(&playbook(&format!("where: row.Files == {}\n{ISOLATE}", number * 10))).await;
        self.clock.advance(SignedDuration::from_secs(5));
        self.engine.follow_up().await.expect("the tenant answers");
        report
    }
}

#[tokio::test]
async fn after_three_in_a_row_nothing_is_begun_until_a_person_lets_it() {
    let house = House::with_reach(4, Reach::Failing).await;
    for number in 0..3 {
        assert_eq!(outcomes(&house.isolate_one(number).await), [Acted], "{number}");
    }
    for _run in 0..2 {
        let held = house.isolate_one(3).await;
        let expect = "actions of `Test` in `contoso` are stopped since 2026-03-01T12:00:15Z by huntbook: \
                      disruptive actions that came to nothing or are in doubt, one after another: 3";
        assert_eq!((outcomes(&held), why(&held)), (vec![Halted], expect));
    }
    let house = house.restart().await;
    assert_eq!(outcomes(&house.run(&playbook(TAG)).await), [Halted], "whatever the action");
    let other = playbook(TAG).replace("8e77", "8e78");
    assert_eq!(outcomes(&house.run(&other).await), [Acted; 4], "only this playbook");
    assert_eq!(house.applied().iter().filter(|effect| effect.starts_with("isolate")).count(), 3);
    let playbook = house.engine.store.stops().await.unwrap().remove(0).playbook;
    let resume = StopWord { playbook, ..word(None) };
    let lifted = Store::resume(&house.journal(), house.shared_clock(), &resume).await.unwrap();
    assert_eq!(lifted.len(), 1);
    assert_eq!(outcomes(&house.isolate_one(3).await), [Acted], "what was before counts no more");
}

#[tokio::test]
async fn what_the_tenant_refuses_counts() {
    for (status, held) in [(403, true), (404, true), (503, true)] {
        let house = House::with_rows(4).await;
        let fault =
            Fault { status: Some(status), times: Some(3), ..Fault::on("POST /mde/api/machines/*/isolate") };
        house.sim.set_faults(vec![fault]).expect("a sound fault");
        for number in 0..3 {
            house.isolate_one(number).await;
        }
        let last = house.isolate_one(3).await;
        let expect = if held { Halted } else { Acted };
        assert_eq!(outcomes(&last), [expect], "{status}: {}", why(&last));
    }
}

#[tokio::test]
async fn row_60_an_action_that_is_shown_as_another_devices_stops_its_playbook_and_is_told() {
    for by_poll in [true, false] {
        let mut house = House::with_rows(2).await;
        house.engine.alerts = Some("watch".to_owned());
        house.forge();
        let body = |id: &str| {
            json!({
                "id": id, "type": "Isolate", "status": "Succeeded", "machineId": "d".repeat(40), "requestorComment": ""
            })
        };
        let other = body("5382f7ea-7557-4ab7-9782-d50480024a4e");
        let route =
            if by_poll { "GET /mde/api/machineactions/*" } else { "POST /mde/api/machines/*/isolate" };
        let status = if by_poll { 200 } else { 201 };
        let fault = Fault { status: Some(status), body: Some(other), times: Some(3), ..Fault::on(route) };
        house.sim.set_faults(vec![fault]).expect("a sound fault");
        let first = format!("where: row.Files == 0\n{ISOLATE}");
        house.run(&playbook(&first)).await;
        house.clock.advance(SignedDuration::from_secs(5));
        for _look in 0..2 {
            house.engine.follow_up().await.expect("the tenant answers");
        }
        let stops = house.engine.store.stops().await.unwrap();
        assert_eq!(stops.len(), 1, "{stops:?}");
        assert!(stops[0].to_string().contains(&"d".repeat(40)), "{}", stops[0]);
        let held = house.run(&playbook(&format!("where: row.Files == 10\n{ISOLATE}"))).await;
        assert_eq!(outcomes(&held), [Halted]);
        let due = house.engine.store.due(jiff::Timestamp::MAX, 10).await.unwrap();
        let titles =
            due.iter().filter_map(|one| one.body.pointer("/message/title")?.as_str()).collect::<Vec<_>>();
        let expect =
            if by_poll { "isolateDevice went to another device" } else { "Test: 1 action is in doubt" };
        assert!(titles.contains(&expect), "{titles:?}");
    }
}
