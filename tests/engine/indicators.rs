//! Indicators that rows suggest: only what is one, and what nobody excludes, is added; many go together.

use std::collections::BTreeSet;
use std::sync::Arc;

use huntbook::engine::StepState;
use huntbook::guard::{Canary, Caps, Ceilings};
use huntbook::model::{List, Lists};
use huntbook::sim::Fault;
use huntbook::store::{EffectState, Store};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::late::why;
use crate::stopped::word;
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
    assert_eq!(why, "there is no indicator in it: what is filled in is not a domain name with a dot in it");
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

/// A tenant with so many rows, each with a domain to block, and limits that let them pass.
async fn busy(rows: usize) -> (House, String) {
    let mut house = House::with_rows(rows).await;
    let caps = Caps { per_run: Some(1000), per_day: Some(1000) };
    house.ceilings = Ceilings { actions: caps, targets: caps, ..Ceilings::default().on_a_stage() };
    (house, block("{{row.DeviceName}}.evil.example", "[host2.evil.example]"))
}

/// How often a route of indicators was asked.
fn asked(house: &House, line: &str) -> usize {
    let all = house.sim.requests().into_iter();
    all.filter(|seen| format!("{} {}", seen.method, seen.path).ends_with(line)).count()
}

const ONE: &str = "POST /mde/api/indicators";
const MANY: &str = "POST /mde/api/indicators/import";

#[tokio::test]
async fn many_of_one_run_go_together_and_each_is_an_action_of_its_own() {
    let (house, text) = busy(600).await;
    let report = house.run(&text).await;
    assert_eq!(report.counts.acted, 599, "{:?}", report.counts);
    assert_eq!(report.items[2].steps[0].state, StepState::Skipped, "it is excluded");
    assert_eq!((asked(&house, ONE), asked(&house, MANY)), (0, 2));
    let effects = house.engine.store.effects_of(report.run).await.unwrap();
    assert!(effects.len() == 599 && effects.iter().all(|effect| effect.state == EffectState::Done));
    let keys: BTreeSet<_> = effects.iter().map(|effect| effect.key.to_string()).collect();
    assert_eq!((keys.len(), house.applied().len()), (599, 599));
    assert_eq!(house.run(&text).await.counts.matched, 0);
    // A few go one by one, and the first targets before the others.
    let (few, text) = busy(99).await;
    assert_eq!(few.run(&text).await.counts.acted, 98);
    assert_eq!((asked(&few, ONE), asked(&few, MANY)), (98, 0));
    let (mut careful, text) = busy(120).await;
    careful.ceilings.canary = Some(Canary { first: 3, wait: SignedDuration::from_mins(10) });
    assert_eq!(careful.run(&text).await.counts.acted, 119);
    assert_eq!((asked(&careful, ONE), asked(&careful, MANY)), (3, 1));
}

/// What an import is answered with.
fn answer(values: impl Iterator<Item = usize>, refused: usize) -> Value {
    let one = |n| json!({"id": "1", "indicator": format!("HOST{n}.evil.example"), "isFailed": n == refused, "failureReason": "no room"});
    json!({"value": values.map(one).collect::<Vec<_>>()})
}

#[tokio::test]
async fn what_is_refused_or_not_told_of_many_is_that_of_its_value_alone() {
    let (house, text) = busy(130).await;
    house.history.rules.lock().unwrap().is_lied_to = true;
    let body = Some(answer((0..130).filter(|n| *n != 9), 5));
    house.sim.set_faults(vec![Fault { status: Some(200), body, ..Fault::on(MANY) }]).unwrap();
    let report = house.run(&text).await;
    let expect = |n| match n {
        2 => StepState::Skipped,
        5 => StepState::Failed,
        9 => StepState::Parked,
        _ => StepState::Done,
    };
    assert_eq!(states(&report), (0..130).map(expect).collect::<Vec<_>>());
    let why = |n: usize| report.items[n].steps[0].reason.clone().unwrap_or_default();
    assert!(why(5).ends_with("the tenant did not take `host5.evil.example`: no room"), "{}", why(5));
    let effects = house.engine.store.effects_of(report.run).await.unwrap();
    let in_state = |state| effects.iter().filter(|effect| effect.state == state).count();
    assert_eq!((in_state(EffectState::NotApplied), in_state(EffectState::Parked)), (1, 1));
    // What was not taken comes up again, alone.
    house.sim.set_faults(vec![]).unwrap();
    house.run(&text).await;
    assert_eq!(house.applied(), ["putIndicator host5.evil.example"]);
}

#[tokio::test]
async fn a_lost_answer_leaves_in_doubt_what_the_tenant_does_not_show() {
    let lost = |apply: &str| {
        Fault::script(json!([{"match": MANY, "reset": true, "apply": apply, "times": 1}])).unwrap()
    };
    let (house, text) = busy(130).await;
    house.sim.set_faults(lost("before")).unwrap();
    let report = house.run(&text).await;
    assert_eq!(report.counts.acted, 129, "{:?}", states(&report));
    assert_eq!(why(&report), "no answer came, and the tenant shows it in force");
    assert_eq!(house.applied().len(), 129);

    let (house, text) = busy(130).await;
    house.sim.set_faults(lost("not")).unwrap();
    let report = house.run(&text).await;
    assert_eq!(states(&report).iter().filter(|state| **state == StepState::Parked).count(), 129);
    assert_eq!(house.engine.store.parked().await.unwrap().len(), 129);
    assert_eq!(house.run(&text).await.counts.matched, 0);
    assert_eq!((asked(&house, ONE), asked(&house, MANY)), (0, 1), "what is in doubt is never sent again");
}

#[tokio::test]
async fn a_stop_holds_for_a_call_of_many_up_to_its_sending() {
    let (mut house, text) = busy(130).await;
    let busy = json!([{"match": MANY, "status": 429, "retryAfter": 2, "times": 1}]);
    house.sim.set_faults(Fault::script(busy).unwrap()).unwrap();
    let (journal, clock) = (house.journal(), house.shared_clock());
    house.ambush("/import", move || {
        let (journal, clock) = (journal.clone(), Arc::clone(&clock));
        Box::pin(async move { drop(Store::stop(&journal, clock, &word(None)).await.expect("it is written")) })
    });
    let report = house.run(&text).await;
    assert_eq!(states(&report).iter().filter(|state| **state == StepState::Halted).count(), 129);
    assert!(why(&report).starts_with("all actions are stopped since"), "{}", why(&report));
    assert_eq!(house.engine.store.effects_in(EffectState::NotApplied).await.unwrap().len(), 129);
    assert_eq!((asked(&house, MANY), house.applied().len()), (1, 0));
}
