//! Whether a run may still act is asked right before each of its actions, with what is in force by then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use huntbook::engine::ItemOutcome::{Acted, Halted};
use huntbook::engine::{InForce, Order, Ran, Report, Standing, Unchanging, Which};
use huntbook::model::Lists;
use huntbook::sim::Reach;
use huntbook::store::{Effects, Trigger};
use jiff::SignedDuration;

use crate::late::why;
use crate::{House, ISOLATE, TAG, outcomes, playbook};

/// What is in force until somebody takes the playbook away.
#[derive(Debug)]
struct TakenAway {
    before: Unchanging,
    is_gone: Arc<AtomicBool>,
}

impl InForce for TakenAway {
    fn lists(&self) -> Arc<Lists> {
        self.before.lists()
    }

    fn standing(&self, run: Which) -> Standing {
        if self.is_gone.load(Ordering::SeqCst) { Standing::Gone } else { self.before.standing(run) }
    }
}

impl House {
    /// Carries out what the schedule began, while this is in force.
    async fn run_while(&self, text: &str, in_force: &dyn InForce) -> Report {
        let order = self.order(text, Effects::Apply).await;
        let order = Order { trigger: Trigger::Schedule, ..order };
        match self.engine.run_while(&order, in_force).await.expect("the run is recorded") {
            Ran::Report(report) => *report,
            Ran::SlotTaken => panic!("there is no slot"),
        }
    }

    fn in_force(&self, text: &str) -> Unchanging {
        Unchanging { lists: Arc::clone(&self.lists), standing: Standing::InForce(self.plan(text)) }
    }
}

#[tokio::test]
async fn what_was_taken_away_while_the_tenant_was_asked_is_not_sent() {
    let mut house = House::with_reach(1, Reach::Failing).await;
    house.run(&playbook(ISOLATE)).await;
    house.clock.advance(SignedDuration::from_secs(5));
    let is_gone = Arc::new(AtomicBool::new(false));
    let taken_away = Arc::clone(&is_gone);
    house.ambush("/machineactions", move || {
        taken_away.store(true, Ordering::SeqCst);
        Box::pin(async {})
    });
    let other = playbook(ISOLATE).replace("8e77", "8e78");
    let in_force = TakenAway { before: house.in_force(&other), is_gone: Arc::clone(&is_gone) };
    let report = house.run_while(&other, &in_force).await;
    assert_eq!((outcomes(&report), why(&report)), (vec![Halted], "its playbook is not in force any more"));
    assert_eq!(house.applied(), ["isolate 0"], "the first run's");
    is_gone.store(false, Ordering::SeqCst);
    assert_eq!(outcomes(&house.run_while(&other, &in_force).await), [Acted]);
}

#[tokio::test]
async fn what_was_taken_away_while_the_tenant_was_asked_what_is_in_force_is_not_sent() {
    let mut house = House::with_rows(1).await;
    house.run(&playbook(ISOLATE)).await;
    house.clock.advance(SignedDuration::from_secs(5));
    house.engine.follow_up().await.unwrap();
    // The target has cooled down, and huntbook looks whether people have taken back what it did.
    house.clock.advance(SignedDuration::from_hours(25));
    let is_gone = Arc::new(AtomicBool::new(false));
    let taken_away = Arc::clone(&is_gone);
    house.ambush("/machineactions", move || {
        taken_away.store(true, Ordering::SeqCst);
        Box::pin(async {})
    });
    let other = playbook(ISOLATE).replace("8e77", "8e78");
    let in_force = TakenAway { before: house.in_force(&other), is_gone };
    let report = house.run_while(&other, &in_force).await;
    assert_eq!((outcomes(&report), why(&report)), (vec![Halted], "its playbook is not in force any more"));
    assert_eq!(house.applied(), ["isolate 0"], "the first run's");
}

#[tokio::test]
async fn what_is_protected_by_now_and_cannot_be_told_apart_is_not_touched_whatever_the_action() {
    let protects = |what: &str| playbook(&format!("guards: {{exclude: {{{what}}}}}\n{TAG}"));
    for what in ["deviceTags: [tier0]", "devices: [dc01]"] {
        let house = House::with_rows(1).await;
        let report = house.run_while(&playbook(TAG), &house.in_force(&protects(what))).await;
        assert_eq!(outcomes(&report), [Halted], "{what}");
        assert_eq!(house.applied(), Vec::<String>::new());
        // What runs from the beginning looks.
        let report = house.run(&protects(what)).await;
        assert_eq!(outcomes(&report), [Acted], "{what}");
    }
    let house = House::with_rows(1).await;
    let by_id = protects(&format!("devices: [{}]", "e".repeat(40)));
    // It may have been merged from a device of that id.
    assert_eq!(outcomes(&house.run_while(&playbook(TAG), &house.in_force(&by_id)).await), [Halted]);
    assert_eq!(outcomes(&house.run(&by_id).await), [Acted]);
}

#[tokio::test]
async fn what_was_decided_waits_without_a_word_while_nobody_knows_how_its_playbook_stands() {
    let house = House::with_rows(1).await;
    let text = playbook(
        "actions:\n  - {isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}, approval: {channel: soc}}\n",
    );
    let run = house.run(&text).await.run;
    for (standing, is_held) in [(Standing::Held, true), (Standing::Gone, false)] {
        let in_force = Unchanging { lists: Arc::clone(&house.lists), standing };
        assert_eq!(house.engine.is_held(run, &in_force).await.unwrap(), is_held);
    }
}
