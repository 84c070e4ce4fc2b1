//! A run with far more matches than the runs before it had.

use huntbook::engine::ItemOutcome::{Acted, Halted};
use huntbook::engine::RunState;
use jiff::SignedDuration;

use crate::late::why;
use crate::{House, TAG, outcomes, playbook};

#[tokio::test]
async fn a_run_that_matches_everything_at_once_is_held_however_often_it_is_tried() {
    let mut house = House::with_rows(30).await;
    // Every row is news to it.
    let playbook = |rest: &str| playbook(rest).replace("  identity: [DeviceId]\n", "");
    let narrow = playbook(&format!("where: row.Files == 0\n{TAG}"));
    for _run in 0..5 {
        assert_eq!(outcomes(&house.run(&narrow).await), [Acted]);
        house.clock.advance(SignedDuration::from_hours(1));
    }
    // The slip: everything is wanted.
    let wide = playbook(&format!("where: true || row.Files == 0\n{TAG}"));
    for _run in 0..12 {
        let report = house.run(&wide).await;
        assert_eq!((report.state, outcomes(&report)), (RunState::Halted, vec![Halted; 30]));
        let expect = "the run was halted: 30 items; 1 are usual, and 10 times as many are allowed";
        assert_eq!(why(&report), expect);
        house.clock.advance(SignedDuration::from_hours(1));
    }
    assert_eq!(house.applied().len(), 5);
    // Who means it says so, in the settings and in the playbook.
    house.ceilings.times_usual = Some(100);
    let report = house.run(&wide).await;
    assert_eq!((report.counts.halted_items, report.counts.matched), (0, 30));
}
