//! A playbook whose disruptive actions come to nothing one after another is stopped until a person has looked.

use huntbook::engine::ItemOutcome::{Acted, Halted};
use huntbook::engine::Report;
use huntbook::sim::{Reach, SimOptions};
use huntbook::store::{StopWord, Store};
use jiff::SignedDuration;

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
    let change = |options: &mut SimOptions| {
        options.data.machines.iter_mut().for_each(|machine| machine.reach = Reach::Failing);
    };
    let house = House::with(4, change).await;
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
