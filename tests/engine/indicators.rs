//! Indicators that rows suggest: only what is one, and what nobody excludes, is added.

use huntbook::engine::StepState;
use huntbook::model::{List, Lists};
use huntbook::sim::Fault;
use huntbook::store::EffectState;
use jiff::SignedDuration;

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

/// A playbook that makes the set what the list `bad` says; `more` stands beside the action.
fn follow(more: &str) -> String {
    let set = "reconcileIndicators: {list: bad, indicatorType: domainName, action: block, title: t, description: d, maxAdded: 1000}";
    playbook(&format!("actions:\n  - {{{set}{more}}}\n")).replace("  identity: [DeviceId]\n", "")
}

/// A list of so many domains.
fn domains(count: u32) -> Lists {
    [List::new("bad", (0..count).map(|n| format!("d{n}.example")))].into_iter().collect()
}

#[tokio::test]
async fn the_time_to_read_what_there_is_does_not_make_a_set_late() {
    let mut house = House::with_rows(1).await;
    house.lists = domains(2).into();
    let clock = house.clock.clone();
    // Each of its pages takes a while, and one more is asked for when the set is written.
    house.ambush("/api/indicators", move || {
        clock.advance(SignedDuration::from_secs(25));
        Box::pin(async {})
    });
    assert_eq!(states(&house.run(&follow("")).await), [StepState::Done]);
    assert_eq!(house.applied().len(), 2);
}

#[tokio::test]
async fn people_are_shown_what_would_change_about_a_set_and_say_yes_to_exactly_that() {
    let mut house = House::with_rows(1).await;
    house.lists = domains(600).into();
    let text = follow(", approval: {channel: soc}");
    assert_eq!(states(&house.run(&text).await), [StepState::PendingApproval]);
    let [asked] = house.engine.store.open_approvals().await.unwrap().try_into().unwrap();
    let set = &asked.shown()["parameters"]["reconcileIndicators"];
    assert!(asked.shown.len() < 2000, "{}", asked.shown);
    assert_eq!((&set["wanted"], &set["each"]["action"]), (&600.into(), &"Block".into()));
    let change = set["change"].as_str().unwrap();
    assert!(change.starts_with("600 to be written (d0.example, d1.example, "), "{change}");
    // Somebody else blocks one of them meanwhile: that is not what people said yes to.
    let by_hand = block("d7.example", "[ours.example]").replace("8e77", "8e79");
    assert_eq!(house.run(&by_hand).await.counts.acted, 1);
    house.say_yes().await;
    house.go_on(&text).await;
    assert_eq!(house.applied().len(), 1);
    let why = house.engine.store.find_approvals(&asked.id).await.unwrap().remove(0).reason;
    assert_eq!(why.as_deref(), Some("what would be done now is not what was approved"));
    // Asked anew, and left alone until then, it is done.
    assert_eq!(states(&house.run(&text).await), [StepState::PendingApproval]);
    house.say_yes().await;
    house.go_on(&text).await;
    assert_eq!(house.applied().len(), 600);
}
