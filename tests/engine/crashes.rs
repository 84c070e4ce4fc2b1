//! The engine dies between what it hears of actions and what it writes down, and between the steps of taking one back; the
//! next process goes on from there.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use huntbook::engine::{Doubts, ItemOutcome, Present, Resumed, Standing, StepState, TakenUp, Unchanging};
use huntbook::fault;
use huntbook::sim::{Apply, Fault};
use huntbook::store::{ApprovalState, EffectState, Waiting};
use jiff::SignedDuration;
use serde_json::json;
use sqlx::Executor as _;

use crate::{House, ISOLATE, outcomes, playbook, states};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Does something that dies at a point, and starts anew.
async fn dies(house: House, point: &str, work: impl AsyncFnOnce(&House)) -> House {
    fault::arm_here(point).expect("there is such a point");
    let died = AssertUnwindSafe(work(&house)).catch_unwind().await;
    fault::disarm_here().expect("this build has them");
    let why = died.expect_err("nobody died").downcast::<String>().expect("a text");
    assert!(why.contains(point), "{why}");
    house.restart().await
}

#[tokio::test]
async fn who_dies_while_actions_in_doubt_are_looked_for_looks_again() {
    for (point, taken) in [
        ("c20_list_read", Apply::Before),
        ("c21_doubt_settled", Apply::Before),
        ("c22_told_of_doubt", Apply::Before),
        ("c20_list_read", Apply::Not),
        ("c21_doubt_settled", Apply::Not),
    ] {
        let house = House::with_rows(1).await;
        let lost = Fault { reset: true, times: Some(1), ..Fault::on("POST /mde/api/machines/*/isolate") };
        house.sim.set_faults(vec![Fault { apply: taken, ..lost }]).expect("a sound fault");
        assert_eq!(states(&house.run(&playbook(ISOLATE)).await), [StepState::Parked]);
        let look = async |house: &House| {
            let mut doubts = Doubts::default();
            for _minute in 0..14 {
                house.clock.advance(MINUTE);
                house.engine.look_into("contoso", &mut doubts).await.expect("the journal is there");
            }
        };
        let house = dies(house, point, look).await;
        look(&house).await;
        house.engine.follow_up().await.expect("the journal is there");
        assert!(house.engine.store.parked().await.expect("it can be read").is_empty(), "{point}");
        house.run(&playbook(ISOLATE)).await;
        assert_eq!(house.applied(), ["isolate 0"], "{point}: once, whether the tenant had taken it or not");
    }
}

#[tokio::test]
async fn who_dies_while_it_hears_how_an_action_ended_hears_it_again() {
    for point in ["c25_end_heard", "c26_end_written"] {
        let house = House::with_rows(1).await;
        house.run(&playbook(ISOLATE)).await;
        house.clock.advance(MINUTE);
        let follow = async |house: &House| {
            house.engine.follow_up().await.expect("the journal is there");
        };
        let house = dies(house, point, follow).await;
        follow(&house).await;
        assert_eq!(house.engine.store.effects_in(EffectState::Done).await.expect("it can be read").len(), 1);
        assert_eq!(house.applied(), ["isolate 0"]);
    }
}

#[tokio::test]
async fn who_dies_while_it_takes_an_action_back_takes_it_back_once() {
    let points =
        ["c36_undo_noted", "c37_undo_begun", "c09_after_intent_commit", "c11_let_pass", "c12_head_received"];
    for point in points {
        let house = House::isolated("revertAfter: 4h").await;
        house.clock.advance(HOUR * 5);
        let house = dies(house, point, async |house: &House| house.take_back().await).await;
        // What it may have sent is in doubt: a person or the tenant's list says.
        let mut doubts = Doubts::default();
        for _minute in 0..90 {
            house.resume_while(&Standing::Gone).await;
            house.clock.advance(MINUTE);
            house.engine.look_into("contoso", &mut doubts).await.expect("the journal is there");
            house.engine.follow_up().await.expect("the journal is there");
            house.take_back().await;
        }
        assert_eq!(house.applied(), ["isolate 0", "unisolate 0"], "{point}");
        assert!(house.stands().await.is_empty(), "{point}: {:?}", house.stands().await);
    }
}

#[tokio::test]
async fn who_dies_while_a_run_is_given_up_gives_it_up_again() {
    let house = House::with_rows(2).await;
    let cut_off = async |house: &House| drop(house.run(&playbook(ISOLATE)).await);
    let house = dies(house, "c07_plan_built", cut_off).await;
    let gone = async |house: &House| drop(house.resume_unreadable().await);
    let house = dies(house, "c38_giving_up", gone).await;
    let taken = house.resume_unreadable().await;
    assert!(matches!(taken.runs.as_slice(), [TakenUp::Abandoned { .. }]), "{taken:?}");
    assert!(house.resume_unreadable().await.runs.is_empty(), "it has ended");
    assert_eq!(house.applied(), Vec::<String>::new());
    house.run(&playbook(ISOLATE)).await;
    assert_eq!(house.applied(), ["isolate 0", "isolate 1"], "what it left is news");
}

/// Asks about the first device, and isolates the second.
fn asks_about_the_first() -> String {
    let step = "isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}";
    playbook(&format!(
        "actions:\n  - {{id: first, {step}, if: row.Files == 0, approval: {{channel: soc}}}}\n  - {{id: second, {step}, if: row.Files > 0}}\n"
    ))
}

#[tokio::test]
async fn what_people_were_asked_about_a_run_that_is_given_up_comes_back() {
    let house = House::with_rows(2).await;
    let text = asks_about_the_first();
    let cut_off = async |house: &House| drop(house.run(&text).await);
    let house = dies(house, "c15_after_result_commit", cut_off).await;
    let [asked] = house.engine.store.open_approvals().await.expect("it can be read").try_into().expect("one");
    let taken = house.resume_unreadable().await;
    assert!(matches!(taken.runs.as_slice(), [TakenUp::Abandoned { .. }]), "{taken:?}");
    let asked = house.engine.store.find_approvals(&asked.id).await.expect("it can be read").remove(0);
    assert_eq!((asked.state, asked.settled), (ApprovalState::Void, true));
    let due = house.engine.store.due(jiff::Timestamp::MAX, 10).await.expect("it can be read");
    let told = |message: &Waiting| message.body["message"]["title"] == "Test: 1 approval is over";
    assert_eq!(due.iter().filter(|message| told(message)).count(), 1, "{due:?}");
    let report = house.run(&text).await;
    assert_eq!(outcomes(&report), [ItemOutcome::PendingApproval], "people are asked anew");
    assert_eq!(house.applied(), ["isolate 1"]);
}

#[tokio::test]
async fn what_was_decided_of_a_run_that_nobody_can_read_comes_back() {
    let house = House::with_rows(1).await;
    let text = asks_about_the_first();
    house.run(&text).await;
    house.raw().await.execute("UPDATE runs SET report = '[]'").await.expect("it is written");
    house.clock.advance(HOUR * 25);
    house.take_back().await;
    assert!(
        house.engine.decided().await.expect("it can be read").is_empty(),
        "nobody goes on with it for ever"
    );
    assert_eq!(outcomes(&house.run(&text).await), [ItemOutcome::PendingApproval], "people are asked anew");
}

#[tokio::test]
async fn who_dies_when_another_device_was_hit_has_stopped_the_playbook() {
    let house = House::with_rows(2).await;
    house.forge();
    let other = json!({
        "id": "5382f7ea-7557-4ab7-9782-d50480024a4e", "type": "Isolate", "status": "Pending",
        "machineId": "d".repeat(40), "requestorComment": ""
    });
    let route = "POST /mde/api/machines/*/isolate";
    let fault = Fault { status: Some(201), body: Some(other), times: Some(1), ..Fault::on(route) };
    house.sim.set_faults(vec![fault]).expect("a sound fault");
    let isolate = async |house: &House| drop(house.run(&playbook(ISOLATE)).await);
    let house = dies(house, "c15_after_result_commit", isolate).await;
    assert_eq!(house.engine.store.stops().await.expect("it can be read").len(), 1);
}

#[tokio::test]
async fn while_the_room_that_is_kept_is_given_up_nothing_is_taken_back_or_taken_up_and_no_try_is_counted() {
    let house = House::isolated("revertAfter: 4h").await;
    house.clock.advance(HOUR * 5);
    let reserve = std::path::PathBuf::from(format!("{}.reserve", house.journal().display()));
    std::fs::write(&reserve, "").expect("it is ours");
    house.take_back().await;
    let [stands] = house.stands().await.try_into().expect("one");
    assert_eq!((stands.tries, stands.undo_run), (0, None));
    assert!(stands.reason.as_deref().is_some_and(|why| why.contains("was full")), "{stands:?}");
    std::fs::remove_file(&reserve).expect("it is ours");
    house.clock.advance(MINUTE);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0"]);
}

impl House {
    /// Takes up what was cut off where nobody can read its playbook any more.
    async fn resume_unreadable(&self) -> Resumed {
        let standing = Standing::InForce(self.plan(&playbook(ISOLATE)));
        let in_force = Unchanging { lists: Arc::clone(&self.lists), standing };
        let present = Present { in_force: &in_force, plan_of: &|_name, _bytes| Err("no version".to_owned()) };
        self.engine.resume(&present).await.expect("the journal is there")
    }
}
