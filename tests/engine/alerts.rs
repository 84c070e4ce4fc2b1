//! What the operators are told of runs, whatever playbooks tell whom: everything, and each thing once.

use std::sync::Arc;

use huntbook::engine::{Present, RunState, Standing, StepState, TakenUp, Unchanging};
use huntbook::sim::{Fault, Reach};
use huntbook::store::Effects;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::cut_off::hangs;
use crate::{House, ISOLATE, playbook, states};

impl House {
    /// Lets the engine tell operators.
    pub(crate) fn watched(mut self) -> Self {
        self.engine.alerts = Some("watch".to_owned());
        self
    }

    /// Titles of what the operators were told, with texts, in order.
    pub(crate) async fn alerts(&self) -> Vec<(String, String)> {
        let due = self.engine.store.due(Timestamp::MAX, 100).await.expect("it can be read");
        let text = |body: &serde_json::Value, key: &str| {
            body.pointer(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
        };
        let of_ours = due.iter().filter(|message| message.channel == "watch");
        of_ours
            .map(|message| (text(&message.body, "/message/title"), text(&message.body, "/message/text")))
            .collect()
    }

    /// The titles alone, by name.
    pub(crate) async fn titles(&self) -> Vec<String> {
        let mut titles: Vec<String> = self.alerts().await.into_iter().map(|(title, _text)| title).collect();
        titles.sort();
        titles
    }
}

#[tokio::test]
async fn a_halted_run_is_told_once_a_day_as_long_as_it_is_the_same() {
    let house = House::build().await.watched();
    let halted =
        |per_run: u32| playbook(&format!("guards: {{maxActions: {{perRun: {per_run}}}}}\n{ISOLATE}"));
    house.run_with(&halted(2), Effects::DryRun).await;
    house.run(&halted(2).replace("enforce", "observe")).await;
    assert_eq!(house.titles().await, Vec::<String>::new(), "nothing was to be done");
    for _run in 0..3 {
        house.run(&halted(2)).await;
    }
    let told = house.alerts().await;
    let [(title, text)] = told.as_slice() else { panic!("once: {told:?}") };
    assert_eq!(title, "Test: halted with 3 items undone");
    for word in ["3 actions in this run; 2 are allowed", "huntbook show", "host0\nhost1\nhost2"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let house = house.restart().await.watched();
    house.run(&halted(2)).await;
    assert_eq!(house.titles().await.len(), 1, "over a restart");
    house.run(&halted(1)).await;
    assert_eq!(house.titles().await.len(), 2, "another limit is news");
    house.clock.advance(SignedDuration::from_hours(25));
    house.run(&halted(1)).await;
    assert_eq!(house.titles().await.len(), 3, "a day later");
}

#[tokio::test]
async fn what_is_parked_is_told_once_whether_an_answer_or_the_process_was_lost() {
    let house = House::build().await.watched();
    let lost =
        json!([{"match": "POST /mde/api/machines/*/isolate", "reset": true, "apply": "before", "times": 1}]);
    house.sim.set_faults(Fault::script(lost).unwrap()).unwrap();
    let report = house.run(&playbook(&format!("where: row.Files < 20\n{ISOLATE}"))).await;
    assert!(states(&report).contains(&StepState::Parked));
    let told = house.alerts().await;
    let [(title, text)] = told.as_slice() else { panic!("once: {told:?}") };
    assert_eq!(title, "Test: 1 action is in doubt");
    for word in ["isolateDevice on ", "(host0)", "huntbook resolve"] {
        assert!(text.contains(word), "{word}: {text}");
    }

    house.clock.advance(SignedDuration::from_secs(1));
    house.sim.set_faults(vec![hangs("POST /mde/api/machines/*/isolate", 0)]).unwrap();
    let text = playbook(&format!("where: row.Files == 20\n{ISOLATE}"));
    let house = house.cut_off(&text, 3).await.watched();
    house.resume_one(&text).await;
    assert_eq!(house.resume(&text).await.runs.len(), 0);
    assert_eq!(house.titles().await, ["Test: 1 action is in doubt"; 2]);
}

#[tokio::test]
async fn a_run_that_does_not_go_on_is_told_with_what_is_in_doubt() {
    for (stopped, expect) in [
        (true, "Test: a run was cut off and is stopped"),
        (false, "Test: a run was cut off and cannot be taken up"),
    ] {
        let house = House::build().await;
        house.sim.set_faults(vec![hangs("POST /mde/api/machines/*/isolate", 1)]).unwrap();
        let house = house.cut_off(&playbook(ISOLATE), 2).await.watched();
        let world = house.world();
        let standing =
            if stopped { Standing::Gone } else { Standing::InForce(house.plan(&playbook(ISOLATE))) };
        let present = Present {
            in_force: &Unchanging { lists: Arc::clone(&house.lists), standing },
            plan_of: &|name, bytes| {
                let plan = huntbook::daemon::plan_of(name, bytes, &world);
                if stopped { plan } else { Err("it no longer compiles".to_owned()) }
            },
        };
        for _again in 0..2 {
            let taken = house.engine.resume(&present).await.expect("the journal is fine").runs;
            assert!(!taken.iter().any(|one| matches!(one, TakenUp::Finished(_))), "{taken:?}");
        }
        assert_eq!(house.titles().await, ["Test: 1 action is in doubt", expect]);
    }
}

#[tokio::test]
async fn an_action_that_was_accepted_and_came_to_nothing_is_told_once() {
    let house = House::with_reach(1, Reach::Failing).await.watched();
    house.run(&playbook(ISOLATE)).await;
    assert_eq!(house.titles().await, Vec::<String>::new());
    house.clock.advance(SignedDuration::from_secs(5));
    for _pass in 0..2 {
        house.engine.follow_up().await.unwrap();
    }
    let told = house.alerts().await;
    let [(title, text)] = told.as_slice() else { panic!("once: {told:?}") };
    assert_eq!(title, "isolateDevice came to nothing");
    assert!(text.contains("it did not work on the device"), "{text}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_makes_the_run_partial_and_is_told_once_a_day() {
    let house = House::build().await.watched();
    let deep = format!("{}{}", "[".repeat(80), "]".repeat(80));
    let deep: serde_json::Value = serde_json::from_str(&deep).unwrap();
    let row = |device: serde_json::Value| json!({"DeviceId": device, "DeviceName": "host0", "Note": null, "User": "u", "Files": 1});
    let column = |name: &str| json!({"name": name, "type": if name == "Files" { "Int64" } else { "String" }});
    let schema: Vec<_> = ["DeviceId", "DeviceName", "Note", "User", "Files"].map(column).into();
    let body = json!({"schema": schema, "results": [row(deep), row(json!(house.devices[0]))]});
    let fault = json!([{"match": "POST /graph/*/security/runHuntingQuery", "status": 200, "body": body}]);
    house.sim.set_faults(Fault::script(fault).unwrap()).unwrap();
    for _run in 0..2 {
        let report = house.run(&playbook(ISOLATE)).await;
        assert_eq!((report.state, report.counts.quarantined), (RunState::Partial, 1));
    }
    assert_eq!(house.titles().await, ["Test: 1 of what the tenant answered could not be read"]);
    assert_eq!(house.applied(), ["isolate 0"], "what can be read is acted on");
}
