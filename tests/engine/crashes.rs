//! The engine dies between what it hears of actions and what it writes down, and between the steps of taking one back; the
//! next process goes on from there.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use huntbook::engine::{Doubts, Present, Resumed, Standing, StepState, TakenUp, Unchanging};
use huntbook::fault;
use huntbook::sim::{Apply, Fault};
use huntbook::store::EffectState;
use jiff::SignedDuration;

use crate::{House, ISOLATE, playbook, states};

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

impl House {
    /// Takes up what was cut off where nobody can read its playbook any more.
    async fn resume_unreadable(&self) -> Resumed {
        let standing = Standing::InForce(self.plan(&playbook(ISOLATE)));
        let in_force = Unchanging { lists: Arc::clone(&self.lists), standing };
        let present = Present { in_force: &in_force, plan_of: &|_name, _bytes| Err("no version".to_owned()) };
        self.engine.resume(&present).await.expect("the journal is there")
    }
}
