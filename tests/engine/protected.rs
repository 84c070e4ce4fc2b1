//! What protects a target beside its name: its device group, its value, its roles, and the ids it had before.

use std::sync::Arc;

use huntbook::clock::LeapClock;
use huntbook::engine::ItemOutcome::{Acted, Failed, Halted, Skipped};
use huntbook::engine::StepState;
use huntbook::http::{HttpOptions, Open};
use huntbook::sim::{SimApp, SimOptions};
use huntbook::tenant::Operation;

use crate::late::why;
use crate::{House, ISOLATE, TAG, outcomes, playbook, states};

fn protecting(what: &str, rest: &str) -> String {
    playbook(&format!("guards: {{exclude: {{{what}}}}}\n{rest}"))
}

#[tokio::test]
async fn a_device_group_and_a_value_are_left_alone() {
    let house = House::build().await;
    let report = house.run(&protecting("deviceGroups: [servers], deviceValues: [High]", ISOLATE)).await;
    assert_eq!(outcomes(&report), [Acted, Skipped, Skipped]);
    let why = |item: usize| report.items[item].steps[0].reason.clone().unwrap_or_default();
    assert_eq!(why(1), "device `host1.contoso.example` has the excluded device group `Servers`");
    assert_eq!(why(2), "device `host2.contoso.example` has the excluded device value `High`");
    assert_eq!(house.applied(), ["isolate 0"]);
}

const DISABLE: &str = "actions:\n  - disableUser: {user: \"{{row.User}}\"}\n";

/// A tenant in which the second of its people has a role.
async fn with_a_role(lacks: &'static str) -> House {
    let change = move |options: &mut SimOptions| {
        let admins =
            options.data.users.iter_mut().filter(|user| user.user_principal_name.starts_with("admin"));
        admins.for_each(|user| {
            user.groups = vec!["Administrators of the cloud".to_owned()];
            user.roles = vec!["Global Administrator".to_owned()];
        });
        options.apps = vec![SimApp::sample().without(lacks)];
    };
    House::with(2, change).await
}

#[tokio::test]
async fn a_directory_role_is_left_alone_and_without_leave_to_read_roles_so_is_everybody() {
    let text = protecting("userRoles: [global administrator]", DISABLE);
    let house = with_a_role("nothing").await;
    let report = house.run(&text).await;
    assert_eq!(outcomes(&report), [Acted, Skipped]);
    let reason = report.items[1].steps[0].reason.clone().unwrap_or_default();
    assert!(reason.ends_with("has the excluded directory role `Global Administrator`"), "{reason}");
    assert_eq!(house.sim.effects().len(), 1);

    let house = with_a_role("RoleManagement.Read.Directory").await;
    let report = house.run(&text).await;
    assert_eq!(report.items[1].outcome, Failed);
    let reason = report.items[1].steps[0].reason.clone().unwrap_or_default();
    assert!(reason.starts_with("the directory roles of the user could not be looked up"), "{reason}");
    assert!(reason.ends_with("it does not say which they are"), "{reason}");
}

#[tokio::test]
async fn a_device_is_protected_by_the_ids_it_was_merged_from_and_into() {
    let [old, new] = ["a".repeat(40), "b".repeat(40)];
    // The first device became `new`, and `old` became the second.
    let merges = |options: &mut SimOptions| {
        let [first, second, ..] = options.data.machines.as_mut_slice() else { panic!("there are devices") };
        first.merged_to = Some("b".repeat(40));
        let merged = huntbook::sim::SimMachine {
            id: "a".repeat(40),
            merged_to: Some(second.id.clone()),
            ..second.clone()
        };
        options.data.machines.push(merged);
    };
    let house = House::with(3, merges).await;
    let report = house.run(&protecting(&format!("devices: [{old}, {new}]"), ISOLATE)).await;
    assert_eq!(outcomes(&report), [Skipped, Skipped, Acted]);
    assert_eq!(house.applied(), ["isolate 2"]);
}

#[tokio::test]
async fn where_nobody_says_which_devices_were_merged_nothing_is_taken_from_any() {
    // The hunts of this tenant end with a refusal when they ask for what was merged.
    let refuses = |options: &mut SimOptions| {
        options.data.machines.iter_mut().for_each(|machine| machine.merged_to = Some("refused".to_owned()));
    };
    let house = House::with(1, refuses).await;
    let by_id = |rest| protecting(&format!("devices: [{}]", "e".repeat(40)), rest);
    let report = house.run(&by_id(ISOLATE)).await;
    assert_eq!(outcomes(&report), [Failed]);
    let said = "the ids that devices were merged from could not be looked up, so nobody knows whether it is protected";
    assert!(why(&report).starts_with(said), "{}", why(&report));
    assert_eq!(
        outcomes(&house.run(&by_id(TAG).replace("8e77", "8e78")).await),
        [Acted],
        "a tag takes nothing"
    );
    assert_eq!(house.sim.effects().len(), 1);
}

/// Something harmless, then an isolation.
fn tag_and_isolate() -> String {
    format!("{TAG}{}", ISOLATE.strip_prefix("actions:\n").expect("a list of actions"))
}

#[tokio::test]
async fn something_harmless_before_it_makes_no_device_known() {
    let refuses = |options: &mut SimOptions| {
        options.data.machines.iter_mut().for_each(|machine| machine.merged_to = Some("refused".to_owned()));
    };
    let house = House::with(1, refuses).await;
    let text = protecting(&format!("devices: [{}]", "e".repeat(40)), &tag_and_isolate());
    for _run in 0..2 {
        let report = house.run(&text).await;
        assert_eq!(states(&report), [StepState::Skipped, StepState::Failed], "{report:?}");
        assert_eq!(
            house.applied(),
            Vec::<String>::new(),
            "it comes back, and nothing is done before it can be"
        );
    }
}

#[tokio::test]
async fn a_device_that_was_merged_stays_protected_when_nobody_says_so_any_more() {
    let old = "a".repeat(40);
    let merges = |options: &mut SimOptions| {
        options.data.machines[0].merged_to = Some("a".repeat(40));
    };
    let text = protecting(&format!("devices: [{old}]"), ISOLATE);
    let house = House::with(1, merges).await;
    assert_eq!(outcomes(&house.run(&text).await), [Skipped]);
    let kept = house.engine.store.keep_merged("contoso", &[]).await.unwrap();
    assert_eq!(kept, [(house.devices[0].clone(), old)], "what the tenant said is kept");
    assert_eq!(house.engine.store.keep_merged("fabrikam", &[]).await.unwrap(), [], "of this tenant");
    // A tenant that has forgotten it.
    let house = House::with_rows(2).await;
    house.engine.store.keep_merged("contoso", &kept).await.unwrap();
    assert_eq!(outcomes(&house.run(&text).await), [Skipped, Acted]);
}

#[tokio::test]
async fn a_tag_that_a_device_gets_while_the_run_goes_on_protects_it() {
    let mut house = House::with_rows(2).await;
    house.forge();
    let sim = Arc::clone(&house.sim);
    let second = house.devices[1].clone();
    // Somebody tags the second device when the first is isolated.
    house.ambush("/isolate", move || {
        let tag = Operation::TagDevice { device: second.parse().expect("an id"), tag: "tier0".to_owned() };
        let (sim, clock) =
            (Arc::clone(&sim), LeapClock::new("2026-03-01T12:00:00Z".parse().expect("a time")));
        Box::pin(async move {
            let tenant = crate::client(&sim, Arc::new(clock), HttpOptions::default());
            tenant.apply(&tag, &Open).await.expect("it is taken");
        })
    });
    let text = protecting("deviceTags: [tier0]", ISOLATE);
    let report = house.run(&text).await;
    assert_eq!(outcomes(&report), [Acted, Halted], "{report:?}");
    assert!(!house.applied().contains(&"isolate 1".to_owned()), "{:?}", house.applied());
}

#[tokio::test]
async fn a_tag_and_the_highest_value_protect_whatever_settings_and_playbooks_say() {
    // The third device is worth most to the business, and somebody has tagged the first in the portal.
    let tagged = |options: &mut SimOptions| {
        options.data.machines[0].machine_tags.push("HB-Protect".to_owned());
    };
    let mut house = House::with(3, tagged).await;
    house.ceilings = huntbook::guard::Ceilings::default();
    house.engine.store.put_fleet("contoso", 1000).await.expect("the journal is there");
    let report = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&report), [Skipped, Acted, Skipped]);
    let why = |item: usize| report.items[item].steps[0].reason.clone().unwrap_or_default();
    assert_eq!(why(0), "device `host0.contoso.example` has the excluded tag `HB-Protect`");
    assert_eq!(why(2), "device `host2.contoso.example` has the excluded device value `High`");
    assert_eq!(house.applied(), ["isolate 1"]);
    assert_eq!(
        outcomes(&house.run(&playbook(TAG).replace("8e77", "8e78")).await),
        [Acted; 3],
        "it takes nothing"
    );
    // Settings that name values of their own, or none.
    let mut house = House::with(3, tagged).await;
    house.ceilings = huntbook::guard::Ceilings::default().on_a_stage();
    assert_eq!(outcomes(&house.run(&playbook(ISOLATE)).await), [Skipped, Acted, Acted]);
}

#[tokio::test]
async fn the_machine_that_huntbook_runs_on_is_never_disrupted() {
    let mut house = House::with_rows(2).await;
    house.ceilings.own_host = Some("HOST1".to_owned());
    let report = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&report), [Acted, Skipped]);
    assert_eq!(
        report.items[1].steps[0].reason.as_deref(),
        Some("the device `host1.contoso.example` is the one that huntbook runs on, and is left alone")
    );
    assert_eq!(house.applied(), ["isolate 0"]);
    assert_eq!(
        outcomes(&house.run(&playbook(TAG).replace("8e77", "8e78")).await),
        [Acted; 2],
        "it takes nothing"
    );
}
