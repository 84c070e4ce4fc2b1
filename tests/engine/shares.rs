//! How many devices a tenant has limits what is done in it; where nobody knows, people are asked.

use huntbook::action::{Approval, Approvers};
use huntbook::engine::ItemOutcome::{Acted, Halted, PendingApproval};
use huntbook::engine::StepState;
use huntbook::guard::{Caps, Ceilings, Percent, RunShare};
use huntbook::store::{ApprovalState, Consent, Effects, NewVoice, Way};
use jiff::SignedDuration;

use crate::late::why;
use crate::under_way::{is_under_way, over, until};
use crate::{House, ISOLATE, TAG, outcomes, playbook, states};

/// Settings that say nothing of shares, in a tenant of so many devices.
async fn house(rows: usize, devices: u64) -> House {
    let mut house = House::with_rows(rows).await;
    house.ceilings = Ceilings::default();
    if 0 < devices {
        house.engine.store.put_fleet("contoso", devices).await.expect("the journal is there");
    }
    house
}

/// `people` approvers, who are asked where a playbook names nobody.
fn asked(people: u32) -> Approvers {
    let approval = Approval { channel: "soc".to_owned(), minimum: 1, timeout: SignedDuration::from_mins(30) };
    let names = (0..people).map(|number| (format!("duty{number}"), (1000 + number).to_string()));
    Approvers::new(names).asked_by(Some(approval))
}

impl House {
    /// An approver says yes to whatever waits, and it is gone on with.
    async fn yes_of(&self, number: u32) {
        self.yes_about(&playbook(ISOLATE), number).await;
    }

    /// The same about another playbook.
    async fn yes_about(&self, text: &str, number: u32) {
        let store = &self.engine.store;
        let (by, uid) = (format!("duty{number}"), 1000 + number);
        let (word, account) = (Consent::Approve, uid.to_string());
        let voice = NewVoice { word, by, account, uid: Some(uid), way: Way::Command, note: None };
        for asked in store.open_approvals().await.expect("the journal is read") {
            store.hear(&asked.id, &voice).await.expect("it is heard");
        }
        self.go_on(text).await;
    }
}

#[tokio::test]
async fn two_percent_of_a_small_fleet_is_one_device_a_day_unless_the_settings_say_otherwise() {
    let mut house = house(3, 30).await;
    let report = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&report), [Halted; 3]);
    let said = why(&report);
    assert!(said.contains("2 % of 30 devices, 1, are allowed (`guards.maxTargetsOfTenant`"), "{said}");
    assert_eq!(house.applied(), Vec::<String>::new());
    assert_eq!(
        outcomes(&house.run(&playbook(TAG).replace("8e77", "8e78")).await),
        [Acted; 3],
        "it takes nothing"
    );

    let one = format!("where: row.Files == 0\n{ISOLATE}");
    assert_eq!(outcomes(&house.run(&playbook(&one)).await), [Acted]);
    let other = format!("where: row.Files == 10\n{ISOLATE}");
    assert_eq!(outcomes(&house.run(&playbook(&other)).await), [Halted], "the tenant has had its one");
    let run_share = RunShare { freely: Percent::new(10.0), approved: None };
    house.ceilings = Ceilings { tenant_targets_per_day: Some(3), run_share, ..Ceilings::default() };
    assert_eq!(outcomes(&house.run(&playbook(&other)).await), [Acted]);
}

#[tokio::test]
async fn what_another_playbook_takes_of_the_share_while_a_run_waits_is_gone_when_its_turn_comes() {
    let mut house = house(2, 60).await;
    let shown = Ceilings::protected_by_tag();
    house.ceilings = Ceilings { shown, ..Ceilings::default() };
    let text = playbook(
        "where: row.Files == 0\nactions:\n  \
         - {id: scan, runAntivirusScan: {device: \"{{row.DeviceId}}\", comment: test}, waitFor: {timeout: 20m}}\n  \
         - {id: isolate, isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}}\n",
    );
    let order = house.order(&text, Effects::Apply).await;
    let mut run = Box::pin(house.engine.run(&order));
    until(async { drop(run.as_mut().await) }, async || is_under_way(&house).await).await;
    let other = playbook(&format!("where: row.Files == 10\n{ISOLATE}")).replace("8e77", "8e78");
    let taken = async || {
        assert_eq!(outcomes(&house.run(&other).await), [Acted]);
        true
    };
    until(async { drop(run.as_mut().await) }, taken).await;
    let report = over(&house, run).await;
    assert_eq!(states(&report), [StepState::Done, StepState::Halted]);
    let said = report.items[0].steps[1].reason.as_deref();
    assert_eq!(said, Some("the tenant's share of devices and users in 24 hours is reached: 1 of 1 used"));
}

#[tokio::test]
async fn where_nobody_knows_how_many_devices_there_are_each_disruption_waits_for_people() {
    let mut house = house(1, 0).await;
    let report = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&report), [Halted]);
    let said = why(&report);
    assert!(said.contains("how many there are is not known; nobody is named who could say yes"), "{said}");
    house.approvers = asked(1);
    assert_eq!(outcomes(&house.run(&playbook(ISOLATE)).await), [PendingApproval]);
    let open = house.engine.store.open_approvals().await.unwrap();
    assert_eq!((open.len(), open[0].minimum, open[0].channel.as_str()), (1, 1, "soc"));
    assert_eq!(house.applied(), Vec::<String>::new());
    house.yes_of(0).await;
    assert_eq!(house.applied(), ["isolate 0"]);
}

#[tokio::test]
async fn a_run_on_more_than_a_twentieth_of_the_devices_needs_two_people() {
    let mut house = house(3, 40).await;
    let caps = Caps { per_run: Some(60), per_day: Some(60) };
    let shown = Ceilings::protected_by_tag();
    house.ceilings = Ceilings { targets: caps, shown, ..Ceilings::default() };
    house.approvers = asked(1);
    let report = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&report), [Halted; 3]);
    let said = why(&report);
    assert!(said.ends_with("2 people must say yes to it, and `approvers` of the settings names 1"), "{said}");

    house.approvers = asked(2);
    let waiting = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&waiting), [PendingApproval; 3]);
    let open = house.engine.store.open_approvals().await.unwrap();
    assert!(open.iter().all(|asked| asked.minimum == 2), "{open:?}");
    assert!(
        open[0].shown.contains("3 devices in this run; 5 % of 40 devices, 2, are allowed without two people")
    );
    house.yes_of(0).await;
    assert_eq!(house.applied(), Vec::<String>::new(), "one is not enough");
    house.yes_of(1).await;
    assert_eq!(house.applied(), ["isolate 0", "isolate 1", "isolate 2"]);
    let asked = house.engine.store.approvals_of(waiting.run).await.unwrap();
    assert!(
        asked.len() == 3 && asked.iter().all(|asked| asked.state == ApprovalState::Consumed),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_run_on_more_than_a_tenth_of_the_devices_is_halted_whoever_could_be_asked() {
    let mut house = house(3, 20).await;
    let caps = Caps { per_run: Some(60), per_day: Some(60) };
    house.ceilings = Ceilings { targets: caps, ..Ceilings::default() };
    house.approvers = asked(3);
    let report = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&report), [Halted; 3]);
    let said = why(&report);
    assert!(
        said.contains("10 % of 20 devices, 2, are allowed (`guards.maxPercentOfDevicesInRun.approved`"),
        "{said}"
    );
    house.ceilings.run_share.approved = Percent::new(15.0);
    assert_eq!(outcomes(&house.run(&playbook(ISOLATE)).await), [PendingApproval; 3]);
}

#[tokio::test]
async fn where_the_tenant_does_not_say_it_is_for_a_week_as_many_devices_as_it_said_last() {
    let mut house = house(3, 30).await;
    // The hunt for their number finds nothing in this tenant.
    house.clock.advance(SignedDuration::from_hours(24 * 7));
    let report = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&report), [Halted; 3]);
    assert!(why(&report).contains("2 % of 30 devices, 1, are allowed"), "{}", why(&report));
    // After that nobody knows, and people are asked about each.
    house.clock.advance(SignedDuration::from_secs(1));
    let report = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&report), [Halted; 3]);
    assert!(why(&report).contains("how many there are is not known"), "{}", why(&report));
    house.approvers = asked(1);
    assert_eq!(outcomes(&house.run(&playbook(ISOLATE)).await), [PendingApproval; 3]);
    assert_eq!(house.applied(), Vec::<String>::new());
}

#[tokio::test]
async fn leave_is_void_when_a_limit_is_passed_that_people_were_not_shown() {
    let mut house = house(2, 1000).await;
    let shown = Ceilings::protected_by_tag();
    house.ceilings = Ceilings { tenant_targets_per_day: Some(5), shown, ..Ceilings::default() };
    house.approvers = asked(2);
    let text = playbook(
        "actions:\n  - isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}\n    \
         approval: {channel: soc, minimum: 2}\n",
    );
    let waiting = house.run(&text).await;
    let store = house.engine.store.clone();
    let open = store.open_approvals().await.unwrap();
    assert!(
        open.len() == 2 && open.iter().all(|asked| asked.shown.contains("within the limits")),
        "{open:?}"
    );
    // Most of its devices leave the tenant while people think.
    store.put_fleet("contoso", 20).await.unwrap();
    house.yes_about(&text, 0).await;
    house.yes_about(&text, 1).await;
    assert_eq!(house.applied(), Vec::<String>::new());
    for asked in store.approvals_of(waiting.run).await.unwrap() {
        let why = asked.reason.unwrap_or_default();
        assert_eq!(asked.state, ApprovalState::Void);
        assert!(
            why.starts_with("a limit is passed that was not when people were asked: disruptive actions on 2"),
            "{why}"
        );
    }

    // They are asked anew, are told, and what they say holds although the numbers are others by then.
    assert_eq!(outcomes(&house.run(&text).await), [PendingApproval; 2]);
    let open = store.open_approvals().await.unwrap();
    assert!(open.iter().all(|asked| asked.shown.contains("without two people's leave")), "{open:?}");
    store.put_fleet("contoso", 21).await.unwrap();
    house.yes_about(&text, 0).await;
    house.yes_about(&text, 1).await;
    assert_eq!(house.applied(), ["isolate 0", "isolate 1"]);
}

#[tokio::test]
async fn who_was_shown_one_limit_of_several_has_said_yes_beyond_all_of_the_playbook() {
    let mut house = house(3, 1000).await;
    house.approvers = asked(1);
    let guards = "guards: {maxActions: {perRun: 1, perDay: 1}, onExceed: approve, approval: {channel: soc}}";
    let of = |which: &str| playbook(&format!("where: {which}\n{guards}\n{ISOLATE}"));
    assert_eq!(outcomes(&house.run(&of("row.Files == 0")).await), [Acted], "that was the one of the day");
    let text = of("0 < row.Files");
    house.run(&text).await;
    let store = house.engine.store.clone();
    let open = store.open_approvals().await.unwrap();
    assert!(open.len() == 2 && open.iter().all(|asked| asked.shown.contains("in this run")), "{open:?}");
    // One by itself passes no limit of a run any more, and the one of a day.
    let (by, account) = ("duty0".to_owned(), "1000".to_owned());
    let voice =
        NewVoice { word: Consent::Approve, by, account, uid: Some(1000), way: Way::Command, note: None };
    store.hear(&open[0].id, &voice).await.unwrap();
    house.go_on(&text).await;
    assert_eq!(house.applied().len(), 2, "{:?}", store.find_approvals(&open[0].id).await);
}
