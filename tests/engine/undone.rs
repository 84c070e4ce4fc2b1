//! What a run leaves undone comes back until it is done, and people are told of it once.

use std::sync::Arc;

use huntbook::engine::ItemOutcome::{Acted, Failed, Halted, Parked, Suppressed};
use huntbook::engine::{Present, Report, RunState, Standing, TakenUp, ToldState, Unchanging};
use huntbook::guard::{Caps, Ceilings};
use huntbook::model::{List, RunId};
use huntbook::sim::{Fault, LogEntry};
use huntbook::store::{Effects, NewItem, NewRun, NextTime, RunMode, Settlement, Store, Trigger, Word};
use jiff::SignedDuration;
use serde_json::json;

use crate::cut_off::hangs;
use crate::{House, ISOLATE, NOW, TAG, outcomes, playbook};

const TOLD: &str = "notify:\n  - channel: soc\n    if: outcome.halted || outcome.failed > 0\n";

fn limited(per_run: u32, rest: &str) -> String {
    playbook(&format!("guards: {{maxActions: {{perRun: {per_run}}}}}\n{rest}"))
}

fn told(report: &Report) -> Vec<ToldState> {
    report.told.iter().map(|told| told.state).collect()
}

#[tokio::test]
async fn what_was_halted_comes_back_until_the_limit_is_raised() {
    let house = House::build().await;
    for _run in 0..2 {
        let report = house.run(&limited(2, ISOLATE)).await;
        assert_eq!((report.state, outcomes(&report)), (RunState::Halted, vec![Halted; 3]));
    }
    let house = house.restart().await;
    assert_eq!(outcomes(&house.run(&limited(2, ISOLATE)).await), [Halted; 3]);
    assert_eq!(house.applied(), Vec::<String>::new());
    assert_eq!(outcomes(&house.run(&limited(3, ISOLATE)).await), [Acted; 3]);
    let after = house.run(&limited(3, ISOLATE)).await;
    assert_eq!((after.counts.duplicates, after.counts.matched), (3, 0));
    assert_eq!(house.applied(), ["isolate 0", "isolate 1", "isolate 2"]);
}

#[tokio::test]
async fn a_ceiling_raised_in_the_settings_lets_what_was_halted_through() {
    let mut house = House::build().await;
    let two = Caps { per_run: Some(2), per_day: Some(20) };
    house.ceilings = Ceilings { targets: two, ..Ceilings::default().on_a_stage() };
    let text = playbook(&format!("{ISOLATE}{TOLD}"));
    let first = house.run(&text).await;
    assert_eq!((outcomes(&first), told(&first)), (vec![Halted; 3], vec![ToldState::Queued]));
    // Settings are read at the start. This ceiling is still too low, and that is news.
    let one = Caps { per_run: Some(1), ..two };
    let mut house = house.restart().await;
    house.ceilings = Ceilings { targets: one, ..Ceilings::default().on_a_stage() };
    assert_eq!(told(&house.run(&text).await), [ToldState::Queued]);
    let mut house = house.restart().await;
    house.ceilings = Ceilings::default().on_a_stage();
    assert_eq!(outcomes(&house.run(&text).await), [Acted; 3]);
}

#[tokio::test]
async fn harmless_actions_are_halted_too_and_done_when_the_ceiling_is_raised() {
    let mut house = House::build().await;
    let ceilings = |per_run, per_day| Ceilings {
        actions: Caps { per_run: Some(per_run), per_day: Some(per_day) },
        ..Ceilings::default().on_a_stage()
    };
    house.ceilings = ceilings(2, 10);
    let text = playbook(&format!("{TAG}{TOLD}"));
    for state in [ToldState::Queued, ToldState::Skipped] {
        let report = house.run(&text).await;
        assert_eq!(
            (report.state, outcomes(&report), told(&report)),
            (RunState::Halted, vec![Halted; 3], vec![state])
        );
        let why = report.items[0].steps[0].reason.as_deref();
        assert_eq!(why, Some("the run was halted: 3 actions in this run; 2 are allowed"));
    }
    assert_eq!(house.applied(), Vec::<String>::new());
    let mut house = house.restart().await;
    house.ceilings = ceilings(3, 5);
    assert_eq!(outcomes(&house.run(&text).await), [Acted; 3]);
    // The day's ceiling is for all playbooks together.
    let other = text.replace("8e77", "8e78");
    let report = house.run(&other).await;
    let why = report.items[0].steps[0].reason.as_deref();
    let expect = "the run was halted: 6 actions of all playbooks in this tenant in 24 hours; 5 are allowed";
    assert_eq!((outcomes(&report), why), (vec![Halted; 3], Some(expect)));
    house.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(outcomes(&house.run(&other).await), [Acted; 3]);
}

#[tokio::test]
async fn people_are_told_of_a_halt_once_a_day_and_of_more_at_once() {
    use ToldState::{Queued, Skipped};
    let mut house = House::build().await;
    let wanted = |hosts: &[&str]| Arc::new([List::new("wanted", hosts)].into_iter().collect());
    house.lists = wanted(&["host0", "host1"]);
    let each = "  - channel: soc\n    group: item\n    if: outcome.matched > 0\n";
    let rest =
        |more: &str| limited(1, &format!("where: row.DeviceName in lists.wanted\n{ISOLATE}{TOLD}{more}"));
    let text = rest(each);
    assert_eq!(told(&house.run(&text).await), [Queued; 3]);
    let again = house.run(&text).await;
    assert_eq!(told(&again), [Skipped; 2]);
    let why = again.told[0].reason.as_deref();
    assert_eq!(why, Some("it was told at 2026-03-01T12:00:00Z, and there is no more of it"));

    let mut house = house.restart().await;
    house.clock.advance(SignedDuration::from_hours(23));
    assert_eq!(told(&house.run(&text).await), [Skipped; 2], "over a restart");
    house.lists = wanted(&["host0", "host1", "host2"]);
    let more = house.run(&text).await;
    assert_eq!(told(&more), [Queued; 2], "more of it is news, and only the new item by itself");
    assert!(more.told[1].title.contains("host2"), "{:?}", more.told);
    house.lists = wanted(&["host1", "host2"]);
    assert_eq!(told(&house.run(&text).await), [Skipped; 2], "less of it is no news");
    house.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(told(&house.run(&text).await), [Queued; 3], "a day later");
    assert_eq!(told(&house.run(&rest("")).await), [Queued], "the playbook was edited, and it did not help");
    let dry = house.run_with(&rest(""), Effects::DryRun).await;
    assert_eq!(told(&dry), [ToldState::Planned], "a dry run says what would be told of a halt");
}

#[tokio::test]
async fn a_message_about_something_else_tells_of_the_halt_as_well() {
    let mut house = House::build().await;
    let text = playbook(&format!(
        "where: row.DeviceName in lists.wanted\nguards: {{maxActions: {{perRun: 1}}}}\n{}\
         notify:\n  - channel: soc\n    if: outcome.skipped > 0 || outcome.halted\n    \
         title: \"{{{{outcome.skipped}}}} skipped, {{{{outcome.haltedItems}}}} halted\"\n",
        ISOLATE.replace("- isolate", "- if: row.Files < 20\n    isolate"),
    ));
    let wanted = |hosts: &[&str]| Arc::new([List::new("wanted", hosts)].into_iter().collect());
    house.lists = wanted(&["host0", "host1"]);
    assert_eq!(house.run(&text).await.told[0].title, "0 skipped, 2 halted");
    house.lists = wanted(&["host0", "host1", "host2"]);
    assert_eq!(house.run(&text).await.told[0].title, "1 skipped, 2 halted");
    assert_eq!(told(&house.run(&text).await), [ToldState::Skipped]);
}

#[tokio::test]
async fn what_the_tenant_refused_is_tried_again_and_told_once() {
    let house = House::build().await;
    let fault = json!([{"match": "POST /mde/api/machines/*/isolate", "status": 403}]);
    house.sim.set_faults(Fault::script(fault).unwrap()).unwrap();
    let text = playbook(&format!("where: row.Files == 0\n{ISOLATE}{TOLD}"));
    let first = house.run(&text).await;
    assert_eq!((outcomes(&first), told(&first)), (vec![Failed], vec![ToldState::Queued]));
    let house = house.restart().await;
    let second = house.run(&text).await;
    assert_eq!((outcomes(&second), told(&second)), (vec![Failed], vec![ToldState::Skipped]));
    house.sim.set_faults(Vec::new()).unwrap();
    assert_eq!(outcomes(&house.run(&text).await), [Acted]);
    assert_eq!(house.run(&text).await.counts.matched, 0);
    assert_eq!(house.applied(), ["isolate 0"]);
}

#[tokio::test]
async fn an_item_something_was_done_about_does_not_come_back() {
    let house = House::build().await;
    let fault = json!([{"match": "POST /mde/api/machines/*/isolate", "status": 403}]);
    house.sim.set_faults(Fault::script(fault).unwrap()).unwrap();
    let isolate = ISOLATE.strip_prefix("actions:\n").expect("a list of actions");
    let text = playbook(&format!("where: row.Files == 0\n{TAG}{isolate}"));
    assert_eq!(outcomes(&house.run(&text).await), [Failed]);
    assert_eq!(house.run(&text).await.counts.duplicates, 1);
    assert_eq!(house.applied(), ["addTag 0"]);
}

#[tokio::test]
async fn what_stood_behind_a_halted_item_comes_back_with_it() {
    let house = House::build().await;
    let text = |per_run| limited(per_run, &format!("suppress: {{by: [Note], for: 24h}}\n{ISOLATE}"));
    let first = house.run(&text(0)).await;
    assert_eq!(outcomes(&first), [Halted, Suppressed, Suppressed]);
    let why = first.items[1].reason.as_deref();
    assert_eq!(why, Some("the same comes earlier in this run, and nothing was done about it"));
    // The first one is out of sight by now: one of the others is acted on in its place.
    let later = text(1).replace("suppress:", "where: row.Files > 0\nsuppress:");
    assert_eq!(outcomes(&house.run(&later).await), [Acted, Suppressed]);
    assert_eq!(house.run(&later).await.counts.matched, 0);
    assert_eq!(house.applied(), ["isolate 1"]);
}

#[tokio::test]
async fn what_a_run_that_cannot_be_taken_up_did_not_touch_comes_back() {
    let house = House::build().await;
    house.sim.set_faults(vec![hangs("POST /mde/api/machines/*/isolate", 1)]).unwrap();
    let house = house.cut_off(&playbook(ISOLATE), 2).await;
    let standing = Standing::InForce(house.plan(&playbook(ISOLATE)));
    let present = Present {
        in_force: &Unchanging { lists: Arc::clone(&house.lists), standing },
        plan_of: &|_name, _bytes| Err("it no longer compiles".to_owned()),
    };
    let resumed = house.engine.resume(&present).await.expect("it is given up");
    assert!(matches!(resumed.runs.as_slice(), [TakenUp::Abandoned { .. }]), "{resumed:?}");
    let next = house.run(&playbook(ISOLATE)).await;
    assert_eq!((next.counts.duplicates, outcomes(&next)), (2, vec![Acted]));
    assert_eq!(house.applied(), ["isolate 0", "isolate 1", "isolate 2"]);
}

#[tokio::test]
async fn a_halt_is_told_by_the_process_that_finds_it_untold() {
    let house = House::build().await;
    let text = limited(2, &format!("{ISOLATE}{TOLD}"));
    let plan = house.order(&text, Effects::Apply).await.plan;
    // What is in the journal when a process dies between settling its items and ending its run.
    let (store, run) = (&house.engine.store, RunId::at(NOW.parse().unwrap()));
    let new = NewRun {
        id: run,
        playbook: plan.about.id,
        playbook_name: plan.about.name.clone(),
        version: plan.version,
        tenant: "contoso".to_owned(),
        trigger: Trigger::Manual,
        by: None,
        scheduled_for: None,
        mode: RunMode::Enforce,
        effects: Effects::Apply,
        started: NOW.parse().unwrap(),
    };
    store.begin_run(&new).await.unwrap();
    let item = |seq: u8| NewItem {
        seq: seq.into(),
        identity: Some([seq; 16]),
        key: format!("host{seq}"),
        data: json!({"DeviceId": house.devices[usize::from(seq)]}),
    };
    store.commit_batch(run, &[0, 1, 2].map(item), &json!({"hunted": 3, "matched": 3})).await.unwrap();
    let halted = |seq| Settlement {
        seq,
        outcome: "halted".to_owned(),
        next_time: NextTime::New,
        ..Settlement::default()
    };
    store.settle_all(run, &[0, 1, 2].map(halted)).await.unwrap();

    let house = house.restart().await;
    let report = house.resume_one(&text).await;
    assert_eq!((outcomes(&report), told(&report)), (vec![Halted; 3], vec![ToldState::Queued]));
    let next = house.run(&text).await;
    assert_eq!((next.counts.duplicates, outcomes(&next)), (0, vec![Halted; 3]));
}

#[tokio::test]
async fn what_a_person_says_was_not_done_is_done_by_the_next_run() {
    let house = House::build().await;
    let lost = json!([{"match": "POST /mde/api/machines/*/isolate", "reset": true, "times": 1}]);
    house.sim.set_faults(Fault::script(lost).unwrap()).unwrap();
    let text = playbook(&format!("suppress: {{by: [DeviceId], for: 24h}}\n{ISOLATE}"));
    assert_eq!(outcomes(&house.run(&text).await), [Parked, Acted, Acted]);
    assert_eq!(house.run(&text).await.counts.duplicates, 3, "what is in doubt is not repeated");

    let [parked] = house.engine.store.parked().await.unwrap().try_into().unwrap();
    let word = (Word::NotApplied, "the device is on the network".to_owned());
    Store::resolve(&house.journal(), Arc::new(house.clock.clone()), &parked.key, word).await.unwrap();
    let after = house.run(&text).await;
    assert_eq!((outcomes(&after), after.counts.duplicates), (vec![Acted], 2));
    assert_eq!(house.applied(), ["isolate 1", "isolate 2", "isolate 0"]);
}

#[tokio::test]
async fn an_expired_playbook_neither_hunts_nor_acts() {
    let house = House::build().await;
    let report = house.run(&format!("{}expires: 2020-03-01T12:00:00Z\n", playbook(ISOLATE))).await;
    assert_eq!((report.state, report.reason.as_deref()), (RunState::Idle, Some("its playbook has expired")));
    assert_eq!((report.counts.hunted, house.applied()), (0, Vec::<String>::new()));
}

#[tokio::test]
async fn what_comes_to_nothing_again_and_again_is_tried_less_and_less_often() {
    let house = House::build().await;
    let fault = json!([{"match": "POST /mde/api/machines/*/tags", "status": 403}]);
    house.sim.set_faults(Fault::script(fault).unwrap()).unwrap();
    let text = playbook(&format!("where: row.Files == 0\n{TAG}"));
    let sent = || house.sim.requests().iter().filter(|one| one.path.ends_with("/tags")).count();
    for _run in 0..3 {
        assert_eq!(outcomes(&house.run(&text).await), [Failed]);
    }
    let spaced = house.run(&text).await;
    assert_eq!((outcomes(&spaced), sent()), (vec![Halted], 3));
    let why = spaced.items[0].steps[0].reason.as_deref();
    assert_eq!(
        why,
        Some("it came to nothing 3 times within a day: it is tried again at 2026-03-01T12:15:00Z")
    );
    // Every five minutes for a day: a quarter of an hour, half an hour, and then once an hour.
    for _five in 0..(24 * 12 - 1) {
        house.clock.advance(SignedDuration::from_mins(5));
        house.run(&text).await;
    }
    assert!((27..=29).contains(&sent()), "{}", sent());
    house.sim.set_faults(Vec::new()).unwrap();
    house.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(outcomes(&house.run(&text).await), [Acted]);
}

#[tokio::test]
async fn row_09_what_a_tenant_that_accepts_no_token_refused_comes_back_and_stops_no_playbook() {
    let house = House::build().await;
    let rejected = Fault { status: Some(401), ..Fault::on("* /mde/**") };
    house.sim.set_faults(vec![rejected]).expect("a sound fault");
    let text = playbook(ISOLATE);
    let report = house.run(&text).await;
    assert!(outcomes(&report).iter().all(|outcome| matches!(outcome, Failed | Halted)), "{report:?}");
    let asked = house
        .sim
        .log()
        .iter()
        .filter(|entry| matches!(entry, LogEntry::Request(call) if call.path.starts_with("/mde/")))
        .count();
    assert_eq!(asked, 4, "two calls, each with two tokens");
    house.clock.advance(SignedDuration::from_mins(4));
    assert_eq!(outcomes(&house.run(&text).await), [Halted; 3]);
    assert_eq!(house.engine.store.stops().await.unwrap(), []);
    house.sim.set_faults(Vec::new()).expect("no fault");
    house.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(outcomes(&house.run(&text).await), [Acted; 3]);
    assert_eq!(house.applied().len(), 3);
}

#[tokio::test]
async fn nothing_is_done_before_what_another_run_has_in_doubt() {
    let house = House::with_rows(1).await;
    let lost = json!([{"match": "POST /mde/api/machines/*/isolate", "reset": true, "times": 1}]);
    house.sim.set_faults(Fault::script(lost).unwrap()).unwrap();
    assert_eq!(outcomes(&house.run(&playbook(ISOLATE)).await), [Parked]);
    let both = format!("{TAG}{}", ISOLATE.trim_start_matches("actions:\n"));
    let other = playbook(&both).replace("8e77", "8e78");
    let report = house.run(&other).await;
    assert_eq!((outcomes(&report), house.applied()), (vec![Halted], Vec::<String>::new()), "{report:?}");
    let [parked] = house.engine.store.parked().await.unwrap().try_into().unwrap();
    let word = (Word::NotApplied, "the device is on the network".to_owned());
    Store::resolve(&house.journal(), Arc::new(house.clock.clone()), &parked.key, word).await.unwrap();
    assert_eq!(outcomes(&house.run(&other).await), [Acted]);
    assert_eq!(house.applied(), ["addTag 0", "isolate 0"]);
}
