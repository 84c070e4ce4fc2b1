//! Runs that are cut off in the middle of a call, and what becomes of them after a restart.

use std::sync::Arc;

use huntbook::clock::{Clock as _, SystemClock};
use huntbook::daemon::plan_of;
use huntbook::engine::ItemOutcome::{Acted, Failed, Halted, Parked, Skipped};
use huntbook::engine::{Order, Present, Report, Resumed, RunState, Standing, StepState, TakenUp, Unchanging};
use huntbook::model::List;
use huntbook::sim::Fault;
use huntbook::store::{Effects, Trigger};
use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};

use crate::{House, ISOLATE, outcomes, playbook, states};

/// Longer than any test takes.
const FOREVER_MS: u64 = 600_000;

/// A call the tenant does not answer; those before it, so many, it does.
pub(crate) fn hangs(on: &str, after: u32) -> Fault {
    Fault { delay_ms: FOREVER_MS, after, ..Fault::on(on) }
}

impl House {
    /// Lets a run die when the tenant has done so many things in all, and begins a new process.
    pub(crate) async fn cut_off(self, text: &str, done: usize) -> Self {
        let order = self.order(text, Effects::Apply).await;
        self.cut_off_order(&order, done).await
    }

    /// The same for a run that the schedule began.
    async fn cut_off_scheduled(self, text: &str, done: usize) -> Self {
        let order = self.order(text, Effects::Apply).await;
        let order = Order { trigger: Trigger::Schedule, slot: Some(self.clock.now()), ..order };
        self.cut_off_order(&order, done).await
    }

    async fn cut_off_order(self, order: &Order, done: usize) -> Self {
        let in_flight = async {
            while self.sim.effects().len() < done {
                SystemClock.sleep(SignedDuration::from_millis(5)).await;
            }
        };
        tokio::select! {
            ran = self.engine.run(order) => panic!("it was to be cut off: {ran:?}"),
            () = in_flight => {}
        }
        let house = self.restart().await;
        house.sim.set_faults(Vec::new()).expect("no faults are sound");
        house
    }

    /// Takes up what was cut off, while the playbooks stand like this.
    pub(crate) async fn resume_while(&self, standing: &Standing) -> Resumed {
        let world = self.world();
        let in_force = Unchanging { lists: Arc::clone(&self.lists), standing: standing.clone() };
        let present = Present { in_force: &in_force, plan_of: &|name, bytes| plan_of(name, bytes, &world) };
        self.engine.resume(&present).await.expect("the journal is fine")
    }

    /// Takes up what was cut off, while this is in force.
    pub(crate) async fn resume(&self, text: &str) -> Resumed {
        self.resume_while(&Standing::InForce(self.plan(text))).await
    }

    /// Takes up the one run that was cut off.
    pub(crate) async fn resume_one(&self, text: &str) -> Report {
        match self.resume(text).await.runs.pop() {
            Some(TakenUp::Finished(report)) => *report,
            other => panic!("it was to be finished: {other:?}"),
        }
    }

    /// Opens the journal as somebody would who tampers with it.
    pub(crate) async fn raw(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.journal());
        SqliteConnection::connect_with(&options).await.expect("the file opens")
    }
}

const INDICATOR: &str = "actions:\n  - tagDevice: {device: \"{{row.DeviceId}}\", tag: \"{{run.startedAt}}\"}\n    onError: continue\n  - addIndicator:\n      indicatorValue: \"{{row.DeviceId}}\"\n      \
                         indicatorType: fileSha1\n      action: audit\n      generateAlert: true\n      expiresIn: 30d\n      title: seen\n      \
                         description: \"seen at {{run.startedAt}}\"\n";

#[tokio::test]
async fn a_run_that_is_taken_up_says_what_it_said_before() {
    let house = House::build().await;
    // No clock strikes whole milliseconds.
    house.clock.advance(SignedDuration::from_nanos(123_456_789));
    let refused = Fault { status: Some(403), times: Some(1), ..Fault::on("POST /mde/api/machines/*/tags") };
    house.sim.set_faults(vec![refused, hangs("POST /mde/api/indicators", 0)]).unwrap();
    let house = house.cut_off(&playbook(INDICATOR), 1).await;
    let report = house.resume_one(&playbook(INDICATOR)).await;
    assert_eq!(outcomes(&report), [Parked, Acted, Acted]);
    assert_eq!(states(&report)[..2], [StepState::Done, StepState::Parked], "tried again in the same words");
    assert_eq!(house.applied().iter().filter(|effect| effect.starts_with("putIndicator")).count(), 3);
    assert_eq!(house.run(&playbook(INDICATOR)).await.counts.matched, 0);
}

#[tokio::test]
async fn what_was_answered_for_before_a_restart_keeps_the_name_that_the_tenant_gave_it() {
    let house = House::with_rows(1).await;
    let text =
        playbook(&format!("{ISOLATE}  - tagDevice: {{device: \"{{{{row.DeviceId}}}}\", tag: seen}}\n"));
    house.sim.set_faults(vec![hangs("POST /mde/api/machines/*/tags", 0)]).unwrap();
    let house = house.cut_off(&text, 2).await;
    let report = house.resume_one(&text).await;
    let step = &report.items[0].steps[0];
    assert_eq!((step.state, &step.remote_id), (StepState::Accepted, &house.sim.effects()[0].action));
}

#[tokio::test]
async fn each_attempt_bears_a_mark_of_its_own() {
    let house = House::with_rows(1).await;
    let text = playbook(&format!(
        "{ISOLATE}    onError: continue\n  - tagDevice: {{device: \"{{{{row.DeviceId}}}}\", tag: seen}}\n"
    ));
    let refused =
        Fault { status: Some(403), times: Some(1), ..Fault::on("POST /mde/api/machines/*/isolate") };
    house.sim.set_faults(vec![refused, hangs("POST /mde/api/machines/*/tags", 0)]).unwrap();
    let house = house.cut_off(&text, 1).await;
    let report = house.resume_one(&text).await;
    assert_eq!(states(&report), [StepState::Accepted, StepState::Parked], "tried again");
    let effects = house.engine.store.effects_of(report.run).await.unwrap();
    let effect = effects.iter().find(|one| one.action == "isolateDevice").expect("it is written down");
    let mark = house.engine.store.mark(&effect.tenant, &effect.key, 2).unwrap();
    let isolation = house.sim.effects().into_iter().find(|one| one.effect == "isolate").expect("it was done");
    let comment = isolation.comment.unwrap_or_default();
    assert!(comment.starts_with(&mark), "{comment}");
    assert_eq!(effect.attempt, 2);
}

#[tokio::test]
async fn a_run_that_cannot_be_read_keeps_no_other_from_its_end() {
    let house = House::build().await;
    house.sim.set_faults(vec![hangs("POST /mde/api/machines/*/isolate", 1)]).unwrap();
    let bad = playbook(&format!("where: row.Files < 20\n{ISOLATE}"));
    let good = playbook(&format!("where: row.Files == 20\n{ISOLATE}")).replace("8e77", "8e78");
    let house = house.cut_off(&bad, 2).await;
    house.clock.advance(SignedDuration::from_secs(1));
    house.sim.set_faults(vec![hangs("POST /mde/api/machines/*/isolate", 0)]).unwrap();
    let house = house.cut_off(&good, 3).await;
    let tamper = "DROP TRIGGER effects_fixed; UPDATE effects SET playbook = 'nonsense' WHERE state = 'done' OR state = 'pending'";
    house.forge();
    house.raw().await.execute(tamper).await.unwrap();
    let resumed = house.resume(&good).await;
    let [TakenUp::Abandoned { reason, .. }, TakenUp::Finished(report)] = resumed.runs.as_slice() else {
        panic!("one is abandoned: {resumed:?}");
    };
    assert!(reason.contains("nonsense"), "{reason}");
    assert_eq!(outcomes(report), [Parked]);
    assert_eq!(house.engine.store.unfinished().await.unwrap(), [], "both are ended");
}

#[tokio::test]
async fn a_call_is_not_repeated_in_other_words_and_the_rest_goes_on() {
    let house = House::build().await;
    let refused = Fault { status: Some(403), times: Some(1), ..Fault::on("POST /mde/api/machines/*/tags") };
    let faults = vec![refused, hangs("POST /mde/api/machines/*/isolate", 0)];
    house.sim.set_faults(faults).unwrap();
    let text = playbook(
        "actions:\n  - tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}\n    onError: continue\n  \
         - isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}\n",
    );
    let house = house.cut_off(&text, 1).await;
    let tamper = "DROP TRIGGER effects_fixed; UPDATE effects SET params_digest = zeroblob(32)";
    house.forge();
    house.raw().await.execute(tamper).await.unwrap();
    let report = house.resume_one(&text).await;
    assert_eq!(outcomes(&report), [Parked, Acted, Acted]);
    assert_eq!(states(&report)[..2], [StepState::Failed, StepState::Parked]);
    assert!(!outcomes(&report).contains(&Failed));
    assert_eq!(house.applied(), ["isolate 0", "addTag 1", "isolate 1", "addTag 2", "isolate 2"]);
}

#[tokio::test]
async fn a_run_is_not_halted_by_what_it_did_itself() {
    let house = House::build().await;
    house.sim.set_faults(vec![hangs("POST /mde/api/machines/*/isolate", 1)]).unwrap();
    let text = playbook(&format!("guards: {{maxActions: {{perRun: 3}}}}\n{ISOLATE}"));
    let house = house.cut_off(&text, 2).await;
    assert_eq!(outcomes(&house.resume_one(&text).await), [Acted, Parked, Acted]);
    assert_eq!(house.applied(), ["isolate 0", "isolate 1", "isolate 2"]);
    assert_eq!(house.run(&text).await.counts.matched, 0);
}

#[tokio::test]
async fn a_run_does_not_act_twice_on_one_target() {
    let house = House::build().await;
    house.sim.set_faults(vec![hangs("PATCH /graph/v1.0/users/*", 1)]).unwrap();
    // The first and the last row are about the same person.
    let text = playbook("actions:\n  - disableUser: {user: \"{{row.User}}\"}\n");
    let house = house.cut_off(&text, 2).await;
    assert_eq!(outcomes(&house.resume_one(&text).await), [Acted, Parked, Skipped]);
    assert_eq!(house.applied().len(), 2, "{:?}", house.applied());
}

/// A run that was cut off while it isolated the first of three devices.
async fn cut_off_at_the_first() -> (House, String) {
    let house = House::build().await;
    house.sim.set_faults(vec![hangs("POST /mde/api/machines/*/isolate", 0)]).expect("a sound fault");
    let text = playbook(&format!(
        "{ISOLATE}schedule: {{every: 1h}}\nnotify:\n  - channel: soc\n    if: outcome.acted > 100\n"
    ));
    (house.cut_off_scheduled(&text, 1).await, text)
}

/// Takes the run up, finds that it is stopped for this reason, and that the rest comes back later.
async fn check_stopped(standing: impl Fn(&House, &str) -> Standing, expect: &str) {
    let (house, text) = cut_off_at_the_first().await;
    let standing = standing(&house, &text);
    let resumed = house.resume_while(&standing).await;
    let [TakenUp::Stopped { report, reason }] = resumed.runs.as_slice() else {
        panic!("it was to be stopped: {resumed:?}");
    };
    assert_eq!(reason, expect);
    assert_eq!((report.state, outcomes(report)), (RunState::Halted, vec![Parked, Skipped, Skipped]));
    assert_eq!(house.applied(), ["isolate 0"], "{expect}");
    let due = house.engine.store.due(Timestamp::MAX, 10).await.expect("it can be read");
    let [notice] = due.as_slice() else { panic!("the one channel is told, whatever its `if` says: {due:?}") };
    let message = notice.body.to_string();
    for word in ["Test: stopped with 3 items unfinished", expect, "host0", "host2"] {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!(house.engine.store.unfinished_keys().await.expect("it can be read"), []);
    // What was put back finds what was left, and not what may have been done.
    let next = house.run(&text).await;
    assert_eq!((next.counts.duplicates, next.counts.acted), (1, 2));
}

#[tokio::test]
async fn what_was_taken_away_or_told_to_observe_acts_no_more() {
    check_stopped(|_, _| Standing::Gone, "its playbook is not in force any more").await;
    let observing = |house: &House, text: &str| house.plan(&text.replace("enforce", "observe"));
    check_stopped(
        |house, text| Standing::InForce(observing(house, text)),
        "its playbook only observes by now",
    )
    .await;
    let off = |house: &House, text: &str| house.plan(&format!("{text}enabled: false\n"));
    check_stopped(|house, text| Standing::InForce(off(house, text)), "its schedule is switched off").await;
    let expired = |house: &House, text: &str| house.plan(&format!("{text}expires: 2026-03-01T12:00:00Z\n"));
    check_stopped(|house, text| Standing::InForce(expired(house, text)), "its playbook has expired").await;
}

#[tokio::test]
async fn row_50_an_edit_does_not_keep_the_version_that_began_from_its_end() {
    let (house, text) = cut_off_at_the_first().await;
    let report = house.resume_one(&text.replace("name: Test", "name: Edited")).await;
    assert_eq!((report.name.as_str(), outcomes(&report)), ("Test", vec![Parked, Acted, Acted]));
}

#[tokio::test]
async fn what_was_started_by_hand_goes_on_only_as_it_was_and_is_told_otherwise() {
    let text = playbook(ISOLATE);
    let edited = text.replace("name: Test", "name: Edited");
    let by_hand = "it was started by hand with a playbook that is not in force as it was: run it again";
    for in_force in [None, Some(edited.as_str())] {
        let house = House::build().await;
        house.sim.set_faults(vec![hangs("POST /mde/api/machines/*/isolate", 0)]).unwrap();
        let house = house.cut_off(&text, 1).await;
        let standing = in_force.map_or(Standing::Gone, |text| Standing::InForce(house.plan(text)));
        let resumed = house.resume_while(&standing).await;
        let [TakenUp::Stopped { report, reason }] = resumed.runs.as_slice() else { panic!("{resumed:?}") };
        assert_eq!((reason.as_str(), outcomes(report)), (by_hand, vec![Parked, Skipped, Skipped]));
        assert_eq!(house.applied(), ["isolate 0"]);
        let next = house.run(&text).await;
        assert_eq!((next.counts.duplicates, next.counts.acted), (1, 2), "what was left is there again");
    }
    let house = House::build().await;
    house.sim.set_faults(vec![hangs("POST /mde/api/machines/*/isolate", 0)]).unwrap();
    let house = house.cut_off(&text, 1).await;
    assert_eq!(outcomes(&house.resume_one(&text).await), [Parked, Acted, Acted]);
}

#[tokio::test]
async fn a_run_waits_while_nobody_knows_how_its_playbook_stands() {
    let (house, text) = cut_off_at_the_first().await;
    let resumed = house.resume_while(&Standing::Held).await;
    assert!(matches!(resumed.runs.as_slice(), [TakenUp::Waits { .. }]), "{resumed:?}");
    assert_eq!(house.applied(), ["isolate 0"]);
    assert_eq!(outcomes(&house.resume_one(&text).await), [Parked, Acted, Acted]);
}

#[tokio::test]
async fn row_58_what_a_run_matched_days_ago_is_not_acted_on_any_more_and_is_news() {
    let (house, text) = cut_off_at_the_first().await;
    house.clock.advance(SignedDuration::from_hours(3));
    let house = house.restart().await;
    house.resume_while(&Standing::Held).await;
    house.clock.advance(SignedDuration::from_hours(5 * 24));
    let report = house.resume_one(&text).await;
    assert_eq!(outcomes(&report), [Parked, Halted, Halted]);
    let why = report.items[1].steps[0].reason.as_deref();
    assert_eq!(why, Some("the run took longer than 4h"));
    assert_eq!(house.applied(), ["isolate 0"]);
    let next = house.run(&text).await;
    assert_eq!((next.counts.duplicates, next.counts.acted), (1, 2));
}

#[tokio::test]
async fn a_run_without_items_needs_no_leave_to_end() {
    let house = House::build().await;
    house.sim.set_faults(vec![hangs("POST /graph/*/security/runHuntingQuery", 0)]).unwrap();
    let order = house.order(&playbook(ISOLATE), Effects::Apply).await;
    let begun = async {
        while house.engine.store.unfinished_keys().await.expect("it can be read").is_empty() {
            SystemClock.sleep(SignedDuration::from_millis(5)).await;
        }
    };
    tokio::select! {
        ran = house.engine.run(&order) => panic!("it was to be cut off: {ran:?}"),
        () = begun => {}
    }
    let house = house.restart().await;
    house.sim.set_faults(Vec::new()).unwrap();
    let resumed = house.resume_while(&Standing::Gone).await;
    let [TakenUp::Finished(report)] = resumed.runs.as_slice() else { panic!("{resumed:?}") };
    assert_eq!((report.state, report.counts.hunted), (RunState::Idle, 0));
    assert_eq!(house.applied(), Vec::<String>::new());
}

/// A step whose condition asks a list and which makes two calls, before one that makes one.
const LISTED: &str = "actions:\n  - if: \"!(row.DeviceName in lists.packagers)\"\n    updateIncident:\n      \
                      incident: \"4102\"\n      tags: {add: [\"{{row.DeviceName}}\"]}\n      comment: \"on {{row.DeviceName}}\"\n  \
                      - tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}\n";

/// A run that died in the last call about its second device, while host2 was on the list.
async fn cut_off_in_a_later_step() -> House {
    let house = House::build().await;
    house.sim.set_faults(vec![hangs("POST /mde/api/machines/*/tags", 1)]).expect("a sound fault");
    house.cut_off(&playbook(LISTED), 6).await
}

/// What was done to devices, and how often to incidents.
fn done(house: &House) -> (Vec<String>, usize) {
    let (tags, others): (Vec<_>, Vec<_>) =
        house.applied().into_iter().partition(|effect| effect.starts_with("addTag"));
    (tags, others.len())
}

#[tokio::test]
async fn a_list_that_changes_between_death_and_restart_makes_no_call_another_one() {
    let mut house = cut_off_in_a_later_step().await;
    // The step before the one in doubt makes one report now and not two calls, and the other way round.
    house.lists = Arc::new([List::new("packagers", ["host1"])].into_iter().collect());
    let report = house.resume_one(&playbook(LISTED)).await;
    assert_eq!(outcomes(&report), [Acted, Parked, Acted]);
    let mut steps: Vec<_> = report.items[1].steps.iter().map(|step| step.action.as_str()).collect();
    steps.sort_unstable();
    let all = ["commentIncident", "tagDevice", "updateIncident", "updateIncident"];
    assert_eq!(steps, all, "what the list forbids by now was done, and is told");
    assert_eq!(done(&house), (["addTag 0", "addTag 1", "addTag 2"].map(str::to_owned).to_vec(), 6));
    assert_eq!(house.engine.store.parked().await.expect("it can be read").len(), 1);
    assert_eq!(house.run(&playbook(LISTED)).await.counts.matched, 0);
}

#[tokio::test]
async fn what_an_older_huntbook_wrote_down_under_other_keys_is_found() {
    let house = cut_off_in_a_later_step().await;
    let tamper = "DROP TRIGGER effects_fixed; UPDATE effects SET effect_key = 'x' || effect_key";
    house.forge();
    house.raw().await.execute(tamper).await.unwrap();
    let report = house.resume_one(&playbook(LISTED)).await;
    assert_eq!(outcomes(&report), [Acted, Parked, Acted]);
    assert_eq!(done(&house), (["addTag 0", "addTag 1", "addTag 2"].map(str::to_owned).to_vec(), 4));
}
