//! A run with far more matches than the runs before it had.

use huntbook::engine::ItemOutcome::{Acted, Halted};
use huntbook::engine::RunState;
use huntbook::model::PlaybookId;
use huntbook::store::{History, Speaker};
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

#[tokio::test]
async fn a_person_lets_one_held_run_pass_and_that_is_in_the_audit_chain() {
    let house = House::with_rows(30).await;
    let playbook = |rest: &str| playbook(rest).replace("  identity: [DeviceId]\n", "");
    let narrow = playbook(&format!("where: row.Files == 0\n{TAG}"));
    for _run in 0..5 {
        house.run(&narrow).await;
        house.clock.advance(SignedDuration::from_hours(1));
    }
    let wide = playbook(&format!("where: true || row.Files == 0\n{TAG}"));
    assert_eq!(house.run(&wide).await.state, RunState::Halted);
    let id = PlaybookId("2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77".parse().unwrap());
    let by = Speaker { account: "alice".to_owned(), uid: Some(4001), reason: Some("patch day".to_owned()) };
    let store = &house.engine.store;
    store.hear_pass(("contoso", id), &by).await.unwrap();
    house.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(house.run(&wide).await.state, RunState::Halted, "a day is over");
    store.hear_pass(("contoso", id), &by).await.unwrap();
    // Another limit is in the way: the word is not spent for nothing.
    let held =
        playbook(&format!("guards: {{maxActions: {{perRun: 3}}}}\nwhere: true || row.Files == 0\n{TAG}"));
    assert_eq!(house.run(&held).await.state, RunState::Halted);
    let passed = house.run(&wide).await.counts;
    assert_eq!((passed.halted_items, passed.matched), (0, 30));
    assert_eq!(house.run(&wide).await.state, RunState::Halted, "once");
    let words = store.events(History::Words, 0).await.unwrap();
    let words: Vec<&str> = words.iter().filter_map(|(_n, event)| event["word"].as_str()).collect();
    assert_eq!(words, ["letPass", "letPass", "passed"]);
}
