//! Actions whose answer was lost: looked for at the tenant by their mark, when they must be there if they ever were
//! taken, and never done twice.

use std::path::PathBuf;

use huntbook::clock::{Clock as _, ManualClock, SystemClock};
use huntbook::engine::ItemOutcome::Acted;
use huntbook::engine::{Doubts, StepState};
use huntbook::http::Open;
use huntbook::sim::{Duplicates, Fault};
use huntbook::store::{Besides, Effect, EffectState, Effects, Stop, Store, Word};
use huntbook::tenant::{IsolationType, Operation};
use jiff::SignedDuration;

use crate::cut_off::hangs;
use crate::{House, ISOLATE, TAG, outcomes, playbook, states};

const TEN_MINUTES: SignedDuration = SignedDuration::from_mins(10);
const A_MINUTE: SignedDuration = SignedDuration::from_mins(1);
const LIST: &str = "GET /mde/api/machineactions";

/// A device whose isolation got no answer.
struct Lost {
    house: House,
    doubts: Doubts,
}

impl Lost {
    /// One that the tenant took, or did not.
    async fn isolation(taken: Apply) -> Self {
        Self::isolation_in(Self::house().await, taken).await
    }

    async fn house() -> House {
        House::with(1, |options| options.duplicates = Duplicates::Queued).await
    }

    async fn isolation_in(house: House, taken: Apply) -> Self {
        let fault = Fault { reset: true, times: Some(1), ..Fault::on("POST /mde/api/machines/*/isolate") };
        let apply =
            if taken == Apply::Taken { huntbook::sim::Apply::Before } else { huntbook::sim::Apply::Not };
        house.sim.set_faults(vec![Fault { apply, ..fault }]).expect("a sound fault");
        assert_eq!(states(&house.run(&playbook(ISOLATE)).await), [StepState::Parked]);
        let mut lost = Self { house, doubts: Doubts::default() };
        assert_eq!(lost.look(SignedDuration::ZERO).await, [], "it may be on its way");
        lost
    }

    /// Time passes, and the tenant is looked at.
    async fn look(&mut self, time: SignedDuration) -> Vec<EffectState> {
        self.house.clock.advance(time);
        let settled =
            self.house.engine.look_into("contoso", &mut self.doubts).await.expect("the journal is fine");
        settled.into_iter().map(|effect| effect.state).collect()
    }

    async fn effect(&self) -> Effect {
        let report = self.house.run_of_the_past().await;
        self.house.engine.store.effects_of(report.run).await.expect("it can be read").remove(0)
    }

    async fn isolate_by_hand(&self, comment: String) {
        self.house.forge();
        let device = self.house.devices.first().expect("there is one").parse().expect("an id");
        let operation = Operation::IsolateDevice { device, isolation_type: IsolationType::Full, comment };
        let tenant = self.house.engine.tenants.values().next().expect("there is one");
        tenant.apply(&operation, &Open).await.expect("it is taken");
    }

    fn list_fails(&self, fault: Fault) {
        self.house.sim.set_faults(vec![fault]).expect("a sound fault");
    }
}

/// A process that died while it waited for the answer to an isolation, and the next one.
async fn killed(taken: Apply) -> Lost {
    let house = House::with(1, |options| options.duplicates = Duplicates::Queued).await;
    let apply = if taken == Apply::Taken { huntbook::sim::Apply::Before } else { huntbook::sim::Apply::Not };
    let status = (taken == Apply::Lost).then_some(503);
    let hangs = Fault { apply, status, ..hangs("POST /mde/api/machines/*/isolate", 0) };
    house.sim.set_faults(vec![hangs]).expect("a sound fault");
    let order = house.order(&playbook(ISOLATE), Effects::Apply).await;
    let sent = async {
        let store = &house.engine.store;
        let intended =
            async || !store.effects_in(EffectState::Intended).await.expect("it is read").is_empty();
        while !intended().await || (taken == Apply::Taken && house.sim.effects().is_empty()) {
            SystemClock.sleep(SignedDuration::from_millis(5)).await;
        }
    };
    tokio::select! {
        ran = house.engine.run(&order) => panic!("it was to be cut off: {ran:?}"),
        () = sent => {}
    }
    let house = house.restart().await;
    house.sim.set_faults(Vec::new()).expect("no faults are sound");
    house.resume(&playbook(ISOLATE)).await;
    let mut lost = Lost { house, doubts: Doubts::default() };
    assert_eq!(lost.look(SignedDuration::ZERO).await, [], "it may be on its way");
    lost
}

#[tokio::test]
async fn row_02_what_a_dead_process_never_sent_is_proven_and_done_once() {
    let mut lost = killed(Apply::Lost).await;
    assert_eq!(lost.look(TEN_MINUTES).await, []);
    assert_eq!(lost.look(A_MINUTE).await, [EffectState::NotApplied]);
    assert_eq!(outcomes(&lost.house.run(&playbook(ISOLATE)).await), [Acted]);
    assert_eq!(lost.house.applied(), ["isolate 0"]);
}

#[tokio::test]
async fn row_03_what_a_dead_process_had_sent_is_found_and_not_repeated() {
    let mut lost = killed(Apply::Taken).await;
    assert_eq!(lost.look(TEN_MINUTES).await, [EffectState::Pending]);
    assert_eq!(lost.house.run(&playbook(ISOLATE)).await.counts.matched, 0);
    assert_eq!(lost.house.applied(), ["isolate 0"]);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Apply {
    Taken,
    Lost,
}

#[tokio::test]
async fn row_06_an_action_whose_answer_was_lost_is_found_by_its_mark_and_followed_to_its_end() {
    let mut lost = Lost::isolation(Apply::Taken).await;
    assert_eq!(lost.look(TEN_MINUTES.saturating_sub(A_MINUTE)).await, []);
    assert_eq!(lost.look(A_MINUTE).await, [EffectState::Pending]);
    let found = lost.effect().await;
    assert_eq!(found.detail.as_deref(), Some("no answer came, and the tenant has it, by its mark"));
    let remote = lost.house.sim.effects()[0].action.clone();
    assert_eq!(found.remote_id, remote, "the tenant's own name for it");
    lost.house.engine.follow_up().await.unwrap();
    assert_eq!(lost.effect().await.state, EffectState::Done);
    let mut report = lost.house.run_of_the_past().await;
    report.bring_up_to_date(&[lost.effect().await], &[]);
    assert_eq!((states(&report), outcomes(&report)), (vec![StepState::Done], vec![Acted]));
    assert_eq!(lost.house.run(&playbook(ISOLATE)).await.counts.matched, 0);
    assert_eq!(lost.house.applied(), ["isolate 0"]);
}

#[tokio::test]
async fn row_07_what_never_arrived_is_proven_and_done_by_the_next_run() {
    let mut lost = Lost::isolation_in(Lost::house().await.watched(), Apply::Lost).await;
    assert_eq!(lost.look(TEN_MINUTES).await, [], "one list proves nothing");
    assert_eq!(lost.look(SignedDuration::from_secs(59)).await, []);
    assert_eq!(lost.house.run(&playbook(ISOLATE)).await.counts.matched, 0, "it is still in doubt");
    assert_eq!(lost.look(SignedDuration::from_secs(1)).await, [EffectState::NotApplied]);
    assert_eq!(lost.look(A_MINUTE).await, [], "once");
    let titles = lost.house.titles().await;
    let told = "isolateDevice is in doubt no more: the tenant never took it".to_owned();
    assert!(titles.contains(&told), "{titles:?}");
    assert_eq!(outcomes(&lost.house.run(&playbook(ISOLATE)).await), [Acted]);
    assert_eq!(lost.house.applied(), ["isolate 0"]);
}

#[tokio::test]
async fn row_08_what_is_shown_late_is_not_done_twice() {
    let mut lost = Lost::isolation(Apply::Taken).await;
    let empty = serde_json::json!({"value": []});
    lost.list_fails(Fault { status: Some(200), body: Some(empty), times: Some(1), ..Fault::on(LIST) });
    assert_eq!(lost.look(TEN_MINUTES).await, [], "the list does not show it yet");
    assert_eq!(lost.look(A_MINUTE).await, [EffectState::Pending]);
    assert_eq!(lost.house.applied(), ["isolate 0"]);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_proves_nothing() {
    let mut lost = Lost::isolation(Apply::Lost).await;
    assert_eq!(lost.look(TEN_MINUTES).await, []);
    lost.list_fails(Fault { status: Some(403), times: Some(2), ..Fault::on(LIST) });
    assert_eq!(lost.look(A_MINUTE).await, []);
    assert_eq!(lost.look(A_MINUTE).await, []);
    assert_eq!(lost.effect().await.state, EffectState::Parked);
    assert_eq!(lost.look(A_MINUTE).await, [EffectState::NotApplied], "the second whole list");
}

#[tokio::test]
async fn row_35_neither_a_clock_that_is_set_nor_a_restart_makes_time_pass() {
    let mut lost = Lost::isolation(Apply::Lost).await;
    lost.house.clock.jump(SignedDuration::from_hours(3));
    assert_eq!(lost.look(A_MINUTE).await, []);
    assert_eq!(lost.look(A_MINUTE).await, []);
    lost.house.clock.jump(SignedDuration::from_hours(-2));
    assert_eq!(lost.look(TEN_MINUTES).await, [], "the first look");
    let mut lost = Lost { house: lost.house.restart().await, doubts: Doubts::default() };
    assert_eq!(lost.look(A_MINUTE).await, []);
    assert_eq!(lost.look(TEN_MINUTES).await, [], "the first look of this process");
    assert_eq!(lost.look(A_MINUTE).await, [EffectState::NotApplied]);
}

#[tokio::test]
async fn row_35_a_clock_that_was_ahead_hides_no_action_that_was_taken() {
    let house = Lost::house().await;
    house.goes_ahead(SignedDuration::from_hours(3));
    house.clock.jump(SignedDuration::from_hours(3));
    // The journal has seen a time that was never there, and goes on from it.
    house.run(&playbook(TAG).replace("8e77", "8e78")).await;
    house.clock.jump(SignedDuration::from_hours(-3));
    // With a token of the present.
    let house = house.restart().await;
    let mut lost = Lost::isolation_in(house, Apply::Taken).await;
    assert_eq!(lost.look(TEN_MINUTES).await, [EffectState::Pending]);
}

#[tokio::test]
async fn row_35_what_was_sent_by_a_clock_days_ahead_is_missing_only_from_a_list_that_would_show_it() {
    let house = Lost::house().await;
    let days = SignedDuration::from_hours(5 * 24);
    house.goes_ahead(days);
    house.clock.jump(days);
    let house = house.restart().await;
    let mut lost = Lost::isolation_in(house, Apply::Lost).await;
    lost.house.clock.jump(-days);
    let right = lost.house.clock.now();
    // With a token of the present.
    lost.house = lost.house.restart().await;
    for _look in 0..3 {
        assert_eq!(lost.look(TEN_MINUTES).await, [], "it bears a time that has not been yet");
    }
    assert_eq!(lost.house.run(&playbook(ISOLATE)).await.counts.matched, 0, "it is still in doubt");
    // When it has been, the list is still asked for from when it was sent in truth.
    lost.house.clock.advance(days);
    lost.house = lost.house.restart().await;
    assert_eq!(lost.look(A_MINUTE).await, []);
    assert_eq!(lost.look(A_MINUTE).await, [EffectState::NotApplied]);
    let mut asked = lost.house.sim.requests().into_iter().rev();
    let asked = asked.find(|asked| asked.path.ends_with("/machineactions")).expect("it was asked for").query;
    let day_before = right.checked_sub(SignedDuration::from_hours(26)).unwrap().strftime("%Y-%m-%dT%H");
    assert!(asked.contains(&day_before.to_string().replace(':', "%3A")), "{asked}");
}

#[tokio::test]
async fn row_35_what_was_taken_while_the_clock_was_days_ahead_is_found_and_not_done_twice() {
    let mut house = Lost::house().await;
    let days = SignedDuration::from_hours(5 * 24);
    house.goes_ahead(days);
    let theirs = house.clock.clone();
    house.clock = ManualClock::new(theirs.now() + days);
    let house = house.restart().await;
    let fault =
        Fault { reset: true, times: Some(1), ..Fault::on("POST /mde/api/machines/*/runAntiVirusScan") };
    house
        .sim
        .set_faults(vec![Fault { apply: huntbook::sim::Apply::Before, ..fault }])
        .expect("a sound fault");
    let scan = playbook("actions:\n  - runAntivirusScan: {device: \"{{row.DeviceId}}\", comment: test}\n");
    assert_eq!(states(&house.run(&scan).await), [StepState::Parked]);
    house.clock.jump(-days);
    let mut lost = Lost { house, doubts: Doubts::default() };
    assert_eq!(lost.look(SignedDuration::ZERO).await, []);
    theirs.advance(TEN_MINUTES);
    assert_eq!(lost.look(TEN_MINUTES).await, [EffectState::Pending]);
    assert_eq!(lost.house.run(&scan).await.counts.matched, 0);
    assert_eq!(lost.house.applied().len(), 1, "{:?}", lost.house.applied());
}

/// Something harmless, and then a script that people are asked about.
const SCAN_AND_SCRIPT: &str = "actions:
  - runAntivirusScan: {device: \"{{row.DeviceId}}\", comment: test}
    onError: continue
  - runLiveResponse: {device: \"{{row.DeviceId}}\", comment: test, scripts: [{name: collect.ps1}]}
    approval: {channel: soc}
";

/// An item whose scan got lost on its way while people are asked about its script.
async fn lost_and_asked() -> Lost {
    let house = House::with(1, |_options| {}).await;
    let lost =
        Fault { reset: true, times: Some(1), ..Fault::on("POST /mde/api/machines/*/runAntiVirusScan") };
    house.sim.set_faults(vec![lost]).expect("a sound fault");
    let report = house.run(&playbook(SCAN_AND_SCRIPT)).await;
    assert_eq!(states(&report), [StepState::Parked, StepState::PendingApproval]);
    let mut lost = Lost { house, doubts: Doubts::default() };
    assert_eq!(lost.look(SignedDuration::ZERO).await, []);
    assert_eq!(lost.look(TEN_MINUTES).await, []);
    assert_eq!(lost.look(A_MINUTE).await, [EffectState::NotApplied]);
    lost
}

#[tokio::test]
async fn what_people_are_asked_about_is_not_asked_again_because_something_else_was_never_done() {
    let lost = lost_and_asked().await;
    let text = playbook(SCAN_AND_SCRIPT);
    assert_eq!(lost.house.run(&text).await.counts.matched, 0, "people are being asked about it");
    assert_eq!(lost.house.engine.store.open_approvals().await.unwrap().len(), 1);
    lost.house.say_yes().await;
    lost.house.go_on(&text).await;
    assert_eq!(lost.house.run(&text).await.counts.matched, 0, "what was done about it stands");
    let scripts = lost.house.applied().into_iter().filter(|done| done.starts_with("liveResponse"));
    assert_eq!(scripts.count(), 1, "{:?}", lost.house.applied());
}

#[tokio::test]
async fn what_was_never_done_comes_back_when_people_have_been_asked() {
    let lost = lost_and_asked().await;
    let text = playbook(SCAN_AND_SCRIPT);
    lost.house.clock.advance(SignedDuration::from_hours(24));
    lost.house.go_on(&text).await;
    assert_eq!(lost.house.engine.store.open_approvals().await.unwrap(), [], "nobody has said anything");
    let report = lost.house.run(&text).await;
    assert_eq!(states(&report), [StepState::Accepted, StepState::PendingApproval]);
}

#[tokio::test]
async fn the_same_by_somebody_else_is_not_ours_and_a_mark_cannot_be_made_up() {
    let mut lost = Lost::isolation(Apply::Lost).await;
    let effect = lost.effect().await;
    lost.isolate_by_hand("by an analyst".to_owned()).await;
    lost.isolate_by_hand(format!("[hb:1:{}:1:0123456789] isolate", effect.key)).await;
    let mark = lost.house.engine.store.mark(&effect.tenant, &effect.key, 1).unwrap();
    lost.isolate_by_hand(format!("about {mark}")).await;
    assert_eq!(lost.look(TEN_MINUTES).await, []);
    assert_eq!(lost.look(A_MINUTE).await, [EffectState::NotApplied]);
}

#[tokio::test]
async fn an_action_that_was_carried_out_twice_stops_its_playbook() {
    let mut lost = Lost::isolation(Apply::Taken).await;
    let effect = lost.effect().await;
    let mark = lost.house.engine.store.mark(&effect.tenant, &effect.key, 1).unwrap();
    lost.isolate_by_hand(format!("{mark} test")).await;
    assert_eq!(lost.look(TEN_MINUTES).await, [EffectState::Pending]);
    let stops = lost.house.engine.store.stops().await.unwrap();
    let why: Vec<_> = stops.iter().map(|Stop { reason, .. }| reason.clone().unwrap_or_default()).collect();
    assert_eq!(why, [format!("the tenant took isolateDevice of {} more than once", effect.target)]);
    assert!(stops[0].playbook.as_ref().is_some_and(|playbook| playbook.name == "Test"));
}

#[tokio::test]
async fn a_persons_word_comes_first() {
    let mut lost = Lost::isolation(Apply::Taken).await;
    let effect = lost.effect().await;
    let said = (Word::Done, "seen in the portal".to_owned());
    Store::resolve(&lost.house.journal(), lost.house.shared_clock(), &effect.key, said).await.unwrap();
    assert_eq!(lost.look(TEN_MINUTES).await, []);
    let pending = huntbook::store::Recorded { state: EffectState::Pending, remote_id: None, detail: None };
    assert!(!lost.house.engine.store.settle_parked(&effect, (&pending, Besides::default())).await.unwrap());
    assert_eq!(lost.effect().await.detail.as_deref(), Some("seen in the portal"));
}

#[tokio::test]
async fn what_a_person_settles_while_the_tenant_is_looked_at_is_settled_by_them() {
    let mut lost = Lost::isolation(Apply::Taken).await;
    let (journal, clock, key) = (lost.house.journal(), lost.house.shared_clock(), lost.effect().await.key);
    lost.house.ambush("/machineactions", move || {
        let (journal, clock, key) = (journal.clone(), clock.clone(), key.clone());
        Box::pin(async move {
            let said = (Word::Done, "seen in the portal".to_owned());
            Store::resolve(&journal, clock, &key, said).await.expect("it is in doubt");
        })
    });
    assert_eq!(lost.look(TEN_MINUTES).await, []);
    let effect = lost.effect().await;
    assert_eq!((effect.state, effect.detail.as_deref()), (EffectState::Done, Some("seen in the portal")));
}

/// Changes the journal as somebody does who has its file.
pub(crate) async fn change(journal: PathBuf, statement: &str) {
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", journal.display())).await.expect("it opens");
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&pool).await.expect("it is changed");
    pool.close().await;
}

#[tokio::test]
async fn what_was_sent_without_a_mark_is_left_to_people() {
    let mut lost = Lost::isolation(Apply::Taken).await;
    // As if the journal had come from a huntbook that did not mark.
    change(lost.house.journal(), "UPDATE facts SET value = value + 1 WHERE name = 'markedSince'").await;
    lost.house = lost.house.restart().await;
    for _look in 0..20 {
        assert_eq!(lost.look(A_MINUTE).await, []);
    }
    assert_eq!(lost.effect().await.state, EffectState::Parked);
}

#[tokio::test]
async fn doubt_of_yesterday_is_for_people() {
    let mut lost = Lost::isolation(Apply::Taken).await;
    lost.house.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(lost.look(A_MINUTE).await, []);
    assert_eq!(lost.effect().await.state, EffectState::Parked);
}

#[tokio::test]
async fn a_tenant_that_does_not_answer_keeps_no_other_doubt_waiting() {
    // One more than are looked for in a pass.
    let house = House::with_rows(21).await;
    let scans = Fault { reset: true, ..Fault::on("POST /mde/api/machines/*/runAntiVirusScan") };
    house.sim.set_faults(vec![scans]).expect("a sound fault");
    let scan = "actions:\n  - runAntivirusScan: {device: \"{{row.DeviceId}}\", comment: test}\n";
    assert_eq!(states(&house.run(&playbook(scan)).await), [StepState::Parked; 21]);
    let mut lost = Lost { house, doubts: Doubts::default() };
    assert_eq!(lost.look(SignedDuration::ZERO).await, []);
    lost.list_fails(Fault { status: Some(403), ..Fault::on(LIST) });
    assert_eq!(lost.look(TEN_MINUTES).await, []);
    let asked = |lost: &Lost| -> Vec<String> {
        let all = lost.house.sim.requests().into_iter();
        all.filter(|request| request.path.ends_with("/machineactions")).map(|request| request.query).collect()
    };
    let first = asked(&lost);
    assert_eq!(first.len(), 20);
    assert_eq!(lost.look(A_MINUTE).await, []);
    let second = asked(&lost).split_off(20);
    assert_eq!(second.iter().filter(|query| !first.contains(query)).count(), 1, "the one that was left");
}
