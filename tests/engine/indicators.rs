//! Indicators that rows suggest: only what is one, and what nobody excludes, is added.

use huntbook::engine::StepState;
use huntbook::model::{List, Lists};
use huntbook::sim::Fault;
use huntbook::store::EffectState;

use crate::{House, playbook, states};

/// A playbook that blocks a domain for each row.
fn block(value: &str, exclude: &str) -> String {
    playbook(&format!(
        "guards: {{exclude: {{indicators: {exclude}}}}}\nactions:\n  - addIndicator:\n      indicatorValue: \"{value}\"\n      \
         indicatorType: domainName\n      action: block\n      title: t\n      description: d\n      expiresIn: 1d\n"
    ))
}

#[tokio::test]
async fn what_is_excluded_by_a_list_is_not_blocked_whatever_the_case() {
    let mut house = House::build().await;
    let lists: Lists = [List::new("ours", ["login.host1.evil.example"]), List::new("packagers", ["host2"])]
        .into_iter()
        .collect();
    house.lists = lists.into();
    let report = house.run(&block("{{row.DeviceName}}.Evil.example.", "ours")).await;
    assert_eq!(states(&report), [StepState::Done, StepState::Skipped, StepState::Done], "{report:?}");
    let why = report.items[1].steps[0].reason.as_deref().unwrap();
    assert_eq!(
        why,
        "indicator `host1.evil.example` is excluded by the list `ours` (`login.host1.evil.example`)"
    );
    let targets: Vec<String> = house.sim.effects().into_iter().map(|effect| effect.target).collect();
    assert_eq!(targets, ["host0.evil.example", "host2.evil.example"]);
}

#[tokio::test]
async fn what_is_no_indicator_is_skipped_and_says_so() {
    let house = House::build().await;
    let report = house.run(&block("{{row.DeviceName}}", "[contoso.example]")).await;
    assert_eq!(states(&report), [StepState::Skipped; 3]);
    let why = report.items[0].steps[0].reason.as_deref().unwrap();
    assert_eq!(why, "there is no indicator in it: `host0` is not a domain name with a dot in it");
    assert_eq!(house.applied(), Vec::<String>::new());
}

#[tokio::test]
async fn a_set_with_a_value_that_is_excluded_is_left_as_it_is() {
    let mut house = House::build().await;
    let lists: Lists =
        [List::new("bad", ["one.example", "login.ours.example"]), List::new("packagers", ["host2"])]
            .into_iter()
            .collect();
    house.lists = lists.into();
    let text = playbook(
        "guards: {exclude: {indicators: [ours.example]}}\nactions:\n  - reconcileIndicators: {list: bad, indicatorType: domainName, action: block, title: t, description: d}\n",
    );
    let report = house.run(&text).await;
    assert_eq!(states(&report), [StepState::Skipped; 3], "{report:?}");
    let why = report.items[0].steps[0].reason.as_deref().unwrap();
    assert!(why.contains("`login.ours.example` is excluded"), "{why}");
    assert_eq!(house.applied(), Vec::<String>::new());
}

#[tokio::test]
async fn a_set_of_which_a_part_was_not_taken_is_told_as_failed_and_in_doubt_for_nobody() {
    let mut house = House::with_rows(1).await;
    let wanted = |entries: [&str; 2]| -> Lists { [List::new("bad", entries)].into_iter().collect() };
    let text = playbook(
        "actions:\n  - reconcileIndicators: {list: bad, indicatorType: domainName, action: block, title: t, description: d, maxRemovedPercent: 50}\n",
    );
    let text = text.replace("  identity: [DeviceId]\n", "");
    house.lists = wanted(["one.example", "two.example"]).into();
    assert_eq!(states(&house.run(&text).await), [StepState::Done]);
    house.lists = wanted(["two.example", "three.example"]).into();
    let refuses = Fault { status: Some(400), times: Some(1), ..Fault::on("POST /mde/api/indicators/import") };
    house.sim.set_faults(vec![refuses]).unwrap();
    let report = house.run(&text).await;
    let why = report.items[0].steps[0].reason.as_deref().unwrap();
    assert!(why.starts_with("0 written, 1 removed, 1 as they were, 1 refused (three.example: "), "{why}");
    assert_eq!(states(&report), [StepState::Failed]);
    let effects = house.engine.store.effects_of(report.run).await.unwrap();
    assert_eq!(effects[0].state, EffectState::Done, "the rest of it is in force");
    assert_eq!(states(&house.run(&text).await), [StepState::Done], "what is left is done the next time");
}
