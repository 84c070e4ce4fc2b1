//! How fast, when and how soon disruptive actions are taken: rates, windows, first targets, first runs.

use huntbook::cadence::Windows;
use huntbook::engine::ItemOutcome::{Acted, Halted, Planned};
use huntbook::engine::{Report, StepState};
use huntbook::guard::Canary;
use huntbook::model::{DayText, WindowText, WindowsText};
use huntbook::sim::Reach;
use huntbook::store::Effects;
use jiff::SignedDuration;

use crate::late::why;
use crate::under_way::{is_under_way, over, until};
use crate::{House, ISOLATE, outcomes, playbook, states};

fn guarded(guards: &str) -> String {
    playbook(&format!("guards: {guards}\n{ISOLATE}"))
}

#[tokio::test]
async fn too_many_disruptive_actions_in_a_minute_or_an_hour_are_not_taken() {
    let house = House::build().await;
    let report = house.run(&guarded("{maxDisruptive: {perMinute: 2}}")).await;
    assert_eq!(outcomes(&report), [Halted; 3]);
    let expect = "the run was halted: 3 disruptive actions in the tenant in a minute; 2 are allowed";
    assert_eq!((why(&report), house.applied().len()), (expect, 0));
    let one =
        |guards: &str| guarded(guards).replace("hunt:\n", "where: row.DeviceName == \"host0\"\nhunt:\n");
    assert_eq!(outcomes(&house.run(&one("{maxDisruptive: {perHour: 1}}")).await), [Acted]);
    // All playbooks of the tenant count, and the hour slides.
    let other = guarded("{maxDisruptive: {perHour: 2}}")
        .replace("8e77", "8e78")
        .replace("hunt:\n", "where: row.DeviceName != \"host0\"\nhunt:\n");
    house.clock.advance(SignedDuration::from_mins(59));
    assert_eq!(outcomes(&house.run(&other).await), [Halted; 2]);
    house.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(outcomes(&house.run(&other).await), [Acted; 2]);
}

#[tokio::test]
async fn disruptive_actions_are_taken_in_their_windows_only() {
    let mut house = House::with_rows(1).await;
    // It is Sunday noon.
    let weekdays = guarded(
        "{windows: {timezone: Europe/Stockholm, only: [{days: [monday], from: \"08:00\", to: \"18:00\"}]}}",
    );
    let report = house.run(&weekdays).await;
    let expect = "the run was halted: disruptive actions are only taken on Monday from 08:00 to 18:00, and it is \
                  Sunday 13:00 (Europe/Stockholm)";
    assert_eq!((outcomes(&report), why(&report)), (vec![Halted], expect));
    house.clock.advance(SignedDuration::from_hours(20));
    // The settings' windows hold beside it.
    let early = WindowText { days: vec![DayText::Monday], from: None, to: Some("12:00".to_owned()) };
    let written = WindowsText { timezone: None, only: Vec::new(), never: vec![early] };
    house.ceilings.windows = Some(Windows::read(&written).unwrap());
    assert_eq!(outcomes(&house.run(&weekdays).await), [Halted], "never before noon, say the settings");
    house.clock.advance(SignedDuration::from_hours(5));
    assert_eq!(outcomes(&house.run(&weekdays).await), [Acted]);
    assert_eq!(house.applied(), ["isolate 0"]);
}

#[tokio::test]
async fn a_window_that_closes_while_a_device_is_waited_for_is_closed_to_what_comes_after_it() {
    let house = House::with_rows(1).await;
    let text = guarded("{windows: {only: [{days: [sunday], from: \"12:00\", to: \"12:10\"}]}}").replace(
        "actions:\n",
        "actions:\n  - {runAntivirusScan: {device: \"{{row.DeviceId}}\", comment: test}, waitFor: {timeout: 20m}}\n",
    );
    let order = house.order(&text, Effects::Apply).await;
    let mut run = Box::pin(house.engine.run(&order));
    until(async { drop(run.as_mut().await) }, async || is_under_way(&house).await).await;
    house.clock.advance(SignedDuration::from_mins(11));
    let report = over(&house, run).await;
    assert_eq!(states(&report), [StepState::Done, StepState::Halted]);
    let said = report.items[0].steps[1].reason.as_deref().unwrap_or_default();
    assert!(said.starts_with("disruptive actions are only taken"), "{said}");
}

#[tokio::test]
async fn the_first_runs_of_a_new_version_only_observe() {
    let mut house = House::with_rows(1).await;
    house.ceilings.observe_first = 2;
    let text = playbook(ISOLATE);
    for _run in 0..2 {
        let report = house.run(&text).await;
        let mode = report.mode.clone();
        assert_eq!((mode.as_str(), house.applied().len()), ("observe", 0));
        house.clock.advance(SignedDuration::from_hours(1));
    }
    let report = house.run(&text).await;
    assert_eq!(
        (outcomes(&report), report.mode.as_str()),
        (vec![Acted], "enforce"),
        "what was only observed is news"
    );
    let changed =
        playbook(&format!("description: changed\n{ISOLATE}")).replace("  identity: [DeviceId]\n", "");
    let report = house.run(&changed).await;
    let expect = "the first 2 runs of a new version only observe";
    assert_eq!((outcomes(&report), why(&report)), (vec![Planned], expect));
    assert_eq!(house.applied(), ["isolate 0"]);
}

/// A run that was cut off while it watched its first target; then this time passes, and it goes on.
async fn behind_the_first(reach: Reach, passes: SignedDuration) -> (House, Report) {
    let mut house = House::with_reach(3, reach).await;
    house.ceilings.canary = Some(Canary { first: 1, wait: SignedDuration::from_mins(10) });
    let text = playbook(ISOLATE);
    let order = house.order(&text, Effects::Apply).await;
    until(async { drop(house.engine.run(&order).await) }, async || is_under_way(&house).await).await;
    assert_eq!(house.applied(), ["isolate 0"]);
    house.clock.advance(passes);
    let house = house.restart().await;
    let report = house.resume_one(&text).await;
    (house, report)
}

#[tokio::test]
async fn the_other_targets_wait_until_the_first_has_ended_well() {
    let (house, _report) = behind_the_first(Reach::Online, SignedDuration::from_mins(1)).await;
    assert_eq!(house.applied(), ["isolate 0", "isolate 1", "isolate 2"]);
}

#[tokio::test]
async fn the_other_targets_are_left_alone_if_the_first_does_not_end_well() {
    let (house, report) = behind_the_first(Reach::Failing, SignedDuration::from_mins(1)).await;
    assert_eq!(house.applied(), ["isolate 0"]);
    let halted: Vec<&str> = report
        .items
        .iter()
        .flat_map(|item| &item.steps)
        .filter(|step| step.state == StepState::Halted)
        .filter_map(|step| step.reason.as_deref())
        .collect();
    assert!(
        halted.len() == 2 && halted.iter().all(|why| why.contains("of the first targets, is failed")),
        "{report:?}"
    );
    let (house, report) = behind_the_first(Reach::Offline, SignedDuration::from_mins(10)).await;
    assert_eq!(house.applied(), ["isolate 0"]);
    let said = format!("{report:?}");
    assert!(said.contains("had not ended after 10m"), "{said}");
}
