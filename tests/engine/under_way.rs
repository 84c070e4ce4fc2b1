//! Actions that the tenant works on: what another run makes of them, and how their end is learnt.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use huntbook::action::Approvers;
use huntbook::clock::Clock as _;
use huntbook::daemon::plan_of;
use huntbook::engine::ItemOutcome::{Acted, Failed, Halted};
use huntbook::engine::{
    EngineError, InForce, Order, Present, Ran, Report, RunState, Standing, StepState, ToldState, Unchanging,
    Which,
};
use huntbook::model::{Lists, PlaybookId, RunId};
use huntbook::sim::{Duplicates, Fault, Reach, SimOptions};
use huntbook::store::{ApprovalState, Consent, Effect, EffectState, Effects, NewVoice, Trigger, Way};
use huntbook::tenant::{IsolationType, Operation};
use jiff::SignedDuration;

use crate::{House, ISOLATE, TAG, outcomes, playbook, states};

/// Another playbook for the same device.
fn other() -> String {
    playbook(&format!(
        "where: row.Files == 0\nsuppress: {{by: [DeviceId], for: 24h}}\n{ISOLATE}notify:\n  - channel: soc\n    if: outcome.halted\n"
    ))
    .replace("8e77", "8e78")
}

impl House {
    /// Approves whatever waits.
    pub(crate) async fn say_yes(&self) {
        self.say_yes_to(0..usize::MAX).await;
    }

    /// Approves some of what waits, by its place.
    async fn say_yes_to(&self, places: Range<usize>) {
        let open = self.engine.store.open_approvals().await.expect("the journal is read");
        for asked in open.iter().skip(places.start).take(places.len()) {
            self.say(&asked.id, Consent::Approve).await;
        }
    }

    /// Approves one request.
    pub(crate) async fn approve(&self, id: &str) {
        self.say(id, Consent::Approve).await;
    }

    /// Says a word about one request.
    async fn say(&self, id: &str, word: Consent) {
        let (by, account) = ("duty".to_owned(), "alice".to_owned());
        let voice = NewVoice { word, by, account, uid: Some(1000), way: Way::Command, note: None };
        self.engine.store.hear(id, &voice).await.expect("it is heard");
    }

    /// Whether a message says so.
    async fn was_told(&self, what: &str) -> bool {
        let due = self.engine.store.due(jiff::Timestamp::MAX, 100).await.expect("the journal is read");
        due.iter().any(|message| message.body.to_string().contains(what))
    }

    /// What a run came to, as the journal has it.
    pub(crate) async fn run_of(&self, run: RunId) -> Report {
        let detail = self.engine.store.run(run).await.expect("the journal is read");
        serde_json::from_value(detail.expect("it is kept").run.report).expect("it can be read")
    }

    /// Does what was decided about a playbook's items.
    pub(crate) async fn go_on(&self, text: &str) {
        let (world, plan) = (self.world(), self.plan(text));
        let standing = Standing::InForce(Arc::clone(&plan));
        let in_force = Unchanging { lists: Arc::clone(&self.lists), standing };
        let present = Present { in_force: &in_force, plan_of: &|name, bytes| plan_of(name, bytes, &world) };
        for decided in self.engine.decided().await.expect("the journal is read") {
            drop(self.engine.go_on(decided.run, &present).await);
        }
    }
}

/// A device that one playbook has isolated, at a tenant that has not done it yet.
async fn under_way(reach: Reach) -> House {
    let house = House::with_reach(1, reach).await;
    let first = house.run(&playbook(ISOLATE)).await;
    assert_eq!(states(&first), [StepState::Accepted]);
    house
}

#[tokio::test]
async fn what_another_run_is_at_is_not_handled_until_the_tenant_says_how_it_ended() {
    let house = under_way(Reach::Online).await;
    for told in [1, 1] {
        let waits = house.run(&other()).await;
        assert_eq!((waits.state, outcomes(&waits)), (RunState::Halted, vec![Halted]));
        let why = waits.items[0].steps[0].reason.as_deref().unwrap_or_default();
        assert!(why.ends_with("has the same action on the same target under way (pending)"), "{why}");
        assert_eq!(house.engine.store.pending().await.unwrap(), told, "people are told once");
    }
    house.clock.advance(SignedDuration::from_secs(5));
    let house = house.restart().await;
    let done = house.run(&other()).await;
    assert_eq!((outcomes(&done), states(&done)), (vec![Acted], vec![StepState::AlreadyInForce]));
    assert_eq!(
        done.items[0].steps[0].remote_id,
        house.sim.effects()[0].action,
        "under the tenant's name for it"
    );
    assert_eq!(house.applied(), ["isolate 0"]);
    assert_eq!(house.engine.store.effects_in(EffectState::Pending).await.unwrap(), []);
    assert_eq!(house.run(&other()).await.counts.matched, 0);
}

#[tokio::test]
async fn nothing_is_concluded_where_the_tenant_does_not_say_what_is_in_force() {
    let house = under_way(Reach::Online).await;
    house.clock.advance(SignedDuration::from_secs(5));
    let mute = Fault { status: Some(403), ..Fault::on("GET /mde/api/machineactions") };
    house.sim.set_faults(vec![mute]).expect("a sound fault");
    let waits = house.run(&other()).await;
    let why = waits.items[0].steps[0].reason.as_deref().unwrap_or_default();
    assert_eq!(outcomes(&waits), [Halted]);
    assert!(why.ends_with("has the same action on the same target under way (pending)"), "{why}");
    house.sim.set_faults(Vec::new()).expect("no faults are sound");
    assert_eq!(states(&house.run(&other()).await), [StepState::AlreadyInForce]);
    assert_eq!(house.applied(), ["isolate 0"]);
}

#[tokio::test]
async fn what_somebody_has_only_asked_for_is_not_in_force() {
    let change = |options: &mut SimOptions| options.duplicates = Duplicates::Queued;
    let house = House::with(1, change).await;
    assert_eq!(states(&house.run(&playbook(ISOLATE)).await), [StepState::Accepted]);
    house.clock.advance(SignedDuration::from_secs(5));
    let device = house.devices[0].parse().expect("an id");
    let (isolation_type, comment) = (IsolationType::Full, "by an analyst".to_owned());
    house.somebody_does(&Operation::IsolateDevice { device, isolation_type, comment }).await;
    let waits = house.run(&other()).await;
    assert_eq!(outcomes(&waits), [Halted], "{waits:?}");
}

#[tokio::test]
async fn the_time_to_learn_how_another_ended_makes_nothing_late_and_what_follows_is_taken_back() {
    let mut house = under_way(Reach::Failing).await;
    house.clock.advance(SignedDuration::from_secs(5));
    let clock = house.clock.clone();
    house.ambush("/machineactions/", move || {
        clock.advance(SignedDuration::from_secs(31));
        Box::pin(async {})
    });
    let again = other().replace("comment: test}", "comment: test}\n    revertAfter: 4h");
    assert_eq!(states(&house.run(&again).await), [StepState::Accepted]);
    let stands = house.stands().await;
    assert_eq!(stands.iter().filter(|one| one.due.is_some()).count(), 1, "{stands:?}");
}

#[tokio::test]
async fn what_another_run_tried_in_vain_is_done() {
    let house = under_way(Reach::Failing).await;
    assert_eq!(outcomes(&house.run(&other()).await), [Halted]);
    house.clock.advance(SignedDuration::from_secs(5));
    // How one action ended can be asked for, and what is in force need not be.
    let mute = Fault { status: Some(403), ..Fault::on("GET /mde/api/machineactions") };
    house.sim.set_faults(vec![mute]).expect("a sound fault");
    assert_eq!(states(&house.run(&other()).await), [StepState::Accepted], "it is sent by itself");
    assert_eq!(house.engine.store.effects_in(EffectState::Failed).await.unwrap().len(), 1);
}

#[tokio::test]
async fn how_actions_ended_is_asked_for_and_shown() {
    for (reach, state, outcome) in
        [(Reach::Online, StepState::Done, Acted), (Reach::Failing, StepState::Failed, Failed)]
    {
        let house = under_way(reach).await;
        assert_eq!(house.engine.follow_up().await.unwrap(), [], "not yet");
        house.clock.advance(SignedDuration::from_secs(5));
        assert_eq!(house.engine.follow_up().await.unwrap().len(), 1);
        assert_eq!(house.engine.follow_up().await.unwrap(), [], "once");
        let mut report = house.run_of_the_past().await;
        let (effects, run) = (house.engine.store.effects_of(report.run).await.unwrap(), report.run);
        assert_eq!(effects[0].run, run);
        report.bring_up_to_date(&effects, &[]);
        assert_eq!((states(&report), outcomes(&report)), (vec![state], vec![outcome]));
    }
}

#[tokio::test]
async fn more_actions_than_one_pass_asks_about_are_all_asked_about() {
    let house = House::with_rows(3).await;
    let runs = 8;
    for _run in 0..runs {
        // Without identity every row is news, and scans may stand side by side.
        let scan = "actions:\n  - runAntivirusScan: {device: \"{{row.DeviceId}}\", comment: test}\n";
        let text = playbook(scan).replace("  identity: [DeviceId]\n", "");
        house.run(&text).await;
        house.clock.advance(SignedDuration::from_mins(1));
    }
    let open = async || house.engine.store.effects_in(EffectState::Pending).await.unwrap().len();
    assert_eq!(open().await, 3 * runs);
    let mut passes = 0;
    while 0 < open().await {
        passes += 1;
        assert!(passes <= 10, "some are never asked about");
        house.engine.follow_up().await.unwrap();
        house.clock.advance(SignedDuration::from_mins(1));
    }
    assert!(3 <= passes, "ten in a pass: {passes}");
}

/// A run that waits for a device and was cut off there; then this time passes.
async fn waiting(reach: Reach, passes: SignedDuration) -> (House, String) {
    let house = House::with_reach(1, reach).await;
    let text = playbook(
        "actions:\n  - {id: isolate, isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}, waitFor: {timeout: 20m}}\n  \
         - {id: tag, tagDevice: {device: \"{{row.DeviceId}}\", tag: isolated}}\n",
    );
    let order = house.order(&text, Effects::Apply).await;
    until(async { drop(house.engine.run(&order).await) }, async || is_under_way(&house).await).await;
    assert_eq!(house.applied(), ["isolate 0"]);
    house.clock.advance(passes);
    (house.restart().await, text)
}

#[tokio::test]
async fn a_run_that_was_cut_off_while_it_waited_goes_on_when_the_device_has_done_it() {
    let (house, text) = waiting(Reach::Online, SignedDuration::from_secs(10)).await;
    let report = house.resume_one(&text).await;
    assert_eq!(states(&report), [StepState::Done, StepState::Done], "{report:?}");
    assert_eq!(house.applied(), ["isolate 0", "addTag 0"]);
}

#[tokio::test]
async fn a_wait_is_no_longer_for_a_restart() {
    let (house, text) = waiting(Reach::Offline, SignedDuration::from_mins(20)).await;
    let report = house.resume_one(&text).await;
    assert_eq!(states(&report), [StepState::Failed, StepState::Skipped], "{report:?}");
    let why = report.items[0].steps[0].reason.as_deref();
    assert_eq!(why, Some("it had not ended after 20m, and may yet"));
    assert_eq!(house.applied(), ["isolate 0"]);
    // The device may come back: the journal goes on asking, and the report says what became of it.
    let pending = house.engine.store.effects_in(EffectState::Pending).await.unwrap().remove(0);
    let mut then = report.clone();
    then.bring_up_to_date(std::slice::from_ref(&pending), &[]);
    assert_eq!(then, report, "nothing is known yet");
    then.bring_up_to_date(&[Effect { state: EffectState::Done, ..pending }], &[]);
    assert_eq!(states(&then), [StepState::Done, StepState::Skipped]);
}

/// Devices that are away, and a playbook that waits for them.
async fn away(count: usize, text: &str) -> (House, String) {
    let mut house = House::with_reach(count, Reach::Offline).await;
    house.engine.alerts = Some("watch".to_owned());
    (house, playbook(text))
}

/// Goes on for as long as `work` does, or until something is so.
pub(crate) async fn until(work: impl Future<Output = ()>, mut is_so: impl AsyncFnMut() -> bool) {
    let seen = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = work => panic!("it waits"),
        () = seen => {}
    }
}

#[tokio::test]
async fn who_is_asked_and_what_is_in_doubt_does_not_wait_for_the_last_device() {
    let ask = "approval: {channel: soc}";
    let (house, text) = away(
        3,
        &format!(
            "actions:\n  - {{id: tag, if: row.Files == 0, tagDevice: {{device: \"{{{{row.DeviceId}}}}\", tag: seen}}, {ask}}}\n  \
             - {{id: scan, if: row.Files == 10, runAntivirusScan: {{device: \"{{{{row.DeviceId}}}}\", comment: test}}}}\n  \
             - {{id: isolate, if: row.Files == 20, isolateDevice: {{device: \"{{{{row.DeviceId}}}}\", comment: test}}, waitFor: {{timeout: 60m}}}}\n"
        ),
    )
    .await;
    let lost =
        Fault { reset: true, times: Some(1), ..Fault::on("POST /mde/api/machines/*/runAntiVirusScan") };
    house.sim.set_faults(vec![lost]).expect("a sound fault");
    let order = house.order(&text, Effects::Apply).await;
    let store = &house.engine.store;
    let run = Box::pin(async { drop(house.engine.run(&order).await) });
    until(run, async || store.pending().await.unwrap() == 2).await;
    let due = store.due(jiff::Timestamp::MAX, 10).await.unwrap();
    let mut titles: Vec<_> =
        due.iter().filter_map(|one| one.body.pointer("/message/title")?.as_str()).collect();
    titles.sort_unstable();
    assert_eq!(titles, ["Test: 1 action is in doubt", "Test: 1 action waits for approval"]);
}

#[tokio::test]
async fn who_is_asked_by_a_run_that_waits_for_nothing_is_told_with_its_end() {
    let step = "tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}, approval: {channel: soc}";
    let house = House::with_rows(2).await;
    let report = house.run(&playbook(&format!("actions:\n  - {{{step}}}\n"))).await;
    let told: Vec<_> = report.told.iter().map(|told| (told.title.as_str(), told.state)).collect();
    assert_eq!(told, [("Test: 2 actions wait for approval", ToldState::Queued)]);
    assert!(house.was_told("2 actions wait for approval").await);
}

#[tokio::test]
async fn what_people_approved_is_begun_before_any_of_it_is_waited_for() {
    let step = "isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}, waitFor: {timeout: 60m}, \
                approval: {channel: soc}";
    let (house, text) = away(2, &format!("actions:\n  - {{{step}}}\n")).await;
    let report = house.run(&text).await;
    assert_eq!(states(&report), [StepState::PendingApproval; 2]);
    house.say_yes().await;
    let go_on = Box::pin(house.go_on(&text));
    until(go_on, async || house.applied().len() == 2).await;
}

/// Approves whatever waits, while `work` goes on: it may be in the middle of writing.
async fn yes_beside(house: &House, work: impl Future<Output = ()>) {
    until(work, async || {
        house.say_yes().await;
        true
    })
    .await;
}

/// Whether the tenant has taken an action, and that is written down.
pub(crate) async fn is_under_way(house: &House) -> bool {
    !house.engine.store.effects_in(EffectState::Pending).await.expect("it can be read").is_empty()
}

/// A moment in which a second passes, unless a call is on its way: it would be late on a slow machine.
async fn second(house: &House) {
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let store = &house.engine.store;
    // Behind what is just being written, which may be its intent.
    let (playbook, run) = (PlaybookId(uuid::Uuid::nil()), RunId(uuid::Uuid::nil()));
    store.used("contoso", playbook, run).await.expect("it can be written");
    if store.effects_in(EffectState::Intended).await.expect("it can be read").is_empty() {
        house.clock.advance(SignedDuration::from_secs(1));
    }
}

/// Lets time pass until something is over.
async fn passes<T>(house: &House, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    for _second in 0..20_000 {
        tokio::select! {
            done = &mut work => return done,
            () = second(house) => {}
        }
    }
    panic!("it does not end");
}

/// Lets time pass until a run is over.
pub(crate) async fn over(house: &House, run: impl Future<Output = Result<Ran, EngineError>>) -> Report {
    match passes(house, run).await.expect("the journal is there") {
        Ran::Report(report) => *report,
        Ran::SlotTaken => panic!("there is no slot"),
    }
}

#[tokio::test]
async fn what_people_say_does_not_wait_for_the_last_device_of_the_run() {
    let (house, text) = away(
        2,
        "actions:\n  - {id: tag, if: row.Files == 0, tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}, approval: {channel: soc}}\n  \
         - {id: isolate, if: row.Files == 10, isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}, waitFor: {timeout: 60m}}\n",
    )
    .await;
    let order = house.order(&text, Effects::Apply).await;
    let store = &house.engine.store;
    let mut run = Box::pin(house.engine.run(&order));
    let is_asked = async || store.pending().await.unwrap() == 1 && house.applied() == ["isolate 1"];
    until(async { drop(run.as_mut().await) }, is_asked).await;
    yes_beside(&house, async { drop(run.as_mut().await) }).await;
    let is_tagged = async || {
        second(&house).await;
        house.applied() == ["isolate 1", "addTag 0"]
    };
    until(async { drop(run.as_mut().await) }, is_tagged).await;
    let effects = store.effects_in(EffectState::Pending).await.unwrap();
    assert_eq!(effects.len(), 1, "the device is away still");
    let report = over(&house, run).await;
    let items: Vec<_> = report.items.iter().map(|item| (item.seq, item.outcome)).collect();
    assert_eq!(items, [(0, Acted), (1, Failed)], "each once");
    let due = store.due(jiff::Timestamp::MAX, 10).await.unwrap();
    let titles = due.iter().filter_map(|one| one.body.pointer("/message/title")?.as_str());
    let about = titles.filter(|title| title.contains("approval")).collect::<Vec<_>>();
    assert_eq!(about, ["Test: 1 action waits for approval", "Test: 1 approval is over"]);
    assert_eq!(house.engine.decided().await.unwrap().len(), 0, "nothing is left of it");
    assert!(store.approvals_of(report.run).await.unwrap().iter().all(|asked| asked.settled));
}

#[tokio::test]
async fn what_people_say_next_does_not_wait_for_what_they_said_first() {
    let step = "isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}, waitFor: {timeout: 60m}, \
                approval: {channel: soc}";
    let (house, text) = away(2, &format!("actions:\n  - {{{step}}}\n")).await;
    let report = house.run(&text).await;
    house.say_yes_to(0..1).await;
    let mut going_on = Box::pin(house.go_on(&text));
    until(going_on.as_mut(), async || house.applied().len() == 1).await;
    yes_beside(&house, going_on.as_mut()).await;
    let both = async || {
        second(&house).await;
        house.applied() == ["isolate 0", "isolate 1"]
    };
    until(going_on.as_mut(), both).await;
    passes(&house, going_on).await;
    let mut report = house.engine.store.run(report.run).await.unwrap().expect("it is kept").run.report;
    let report: Report = serde_json::from_value(report.take()).expect("it can be read");
    assert_eq!(outcomes(&report), [Failed, Failed], "an hour is over");
    assert_eq!(house.engine.decided().await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_was_asked_by_a_playbook_that_changed_meanwhile_is_void_when_the_run_is_over() {
    let (house, text) = away(
        2,
        "actions:\n  - {id: tag, if: row.Files == 0, tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}, approval: {channel: soc}}\n  \
         - {id: isolate, if: row.Files == 10, isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}, waitFor: {timeout: 60m}}\n",
    )
    .await;
    let order = Order { trigger: Trigger::Schedule, ..house.order(&text, Effects::Apply).await };
    let newer = text.replace("severity: High", "severity: Medium");
    let standing = Standing::InForce(house.plan(&newer));
    let changed = Unchanging { lists: Arc::clone(&house.lists), standing };
    let mut run = Box::pin(house.engine.run_while(&order, &changed));
    until(async { drop(run.as_mut().await) }, async || house.applied() == ["isolate 1"]).await;
    yes_beside(&house, async { drop(run.as_mut().await) }).await;
    passes(&house, run).await.expect("the journal is there");
    assert_eq!(house.applied(), ["isolate 1"]);
    house.go_on(&newer).await;
    assert_eq!(house.applied(), ["isolate 1"], "nobody said yes to the new version");
    let asked = house.engine.store.approvals_of(run_of(&house).await).await.unwrap().remove(0);
    let why = Some("its playbook was changed after people were asked".to_owned());
    assert_eq!((asked.state, asked.reason, asked.settled), (ApprovalState::Void, why, true));
}

/// The only run.
async fn run_of(house: &House) -> RunId {
    house.run_of_the_past().await.run
}

/// What is in force until somebody edits the playbook.
#[derive(Debug)]
struct Edited {
    lists: Arc<Lists>,
    before: Standing,
    after: Standing,
    later: Arc<AtomicBool>,
}

impl InForce for Edited {
    fn lists(&self) -> Arc<Lists> {
        Arc::clone(&self.lists)
    }

    fn standing(&self, _run: Which) -> Standing {
        if self.later.load(Ordering::SeqCst) { self.after.clone() } else { self.before.clone() }
    }
}

/// A device that is away, and two steps of it that people are asked about.
async fn asked_twice() -> (House, String) {
    asked_twice_for("60m").await
}

/// The same, and how long people have for the second.
async fn asked_twice_for(timeout: &str) -> (House, String) {
    let steps = "actions:\n  - {id: isolate, isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}, waitFor: {timeout: 10m}, onError: continue, approval: {channel: soc}}\n  \
         - {id: scan, runAntivirusScan: {device: \"{{row.DeviceId}}\", comment: test}, approval: {channel: soc, timeout: 60m}}\n";
    let (house, text) = away(1, &steps.replace("60m", timeout)).await;
    house.run(&text).await;
    (house, text)
}

/// What became of the requests, by step.
async fn ends(house: &House) -> Vec<(String, ApprovalState)> {
    let asked = house.engine.store.approvals_of(run_of(house).await).await.expect("the journal is read");
    assert!(asked.iter().all(|asked| asked.settled), "{asked:?}");
    asked.into_iter().map(|asked| (asked.step, asked.state)).collect()
}

/// The device is isolated, and what people denied after it is not done.
async fn only_the_first_is_done(house: &House) {
    let expect = [("isolate", ApprovalState::Consumed), ("scan", ApprovalState::Rejected)];
    assert_eq!(ends(house).await, expect.map(|(step, state)| (step.to_owned(), state)));
    assert_eq!(house.applied(), ["isolate 0"]);
}

#[tokio::test]
async fn what_people_deny_while_the_step_before_it_waits_stays_denied() {
    let (house, text) = asked_twice().await;
    house.say_yes_to(0..1).await;
    let mut going_on = Box::pin(house.go_on(&text));
    until(going_on.as_mut(), async || house.applied() == ["isolate 0"]).await;
    let deny = async || {
        let open = house.engine.store.open_approvals().await.expect("the journal is read");
        let last = open.last().expect("the scan is asked for");
        house.say(&last.id, Consent::Deny).await;
        true
    };
    until(going_on.as_mut(), deny).await;
    passes(&house, going_on).await;
    only_the_first_is_done(&house).await;
}

#[tokio::test]
async fn what_people_approved_they_may_deny_until_it_is_sent() {
    let (house, text) = asked_twice().await;
    house.say_yes().await;
    let mut going_on = Box::pin(house.go_on(&text));
    until(going_on.as_mut(), async || house.applied() == ["isolate 0"]).await;
    let deny = async || {
        let open = house.engine.store.open_approvals().await.expect("the journal is read");
        let last = open.iter().find(|asked| asked.step == "scan").expect("it is not done yet");
        assert_eq!(last.state, ApprovalState::Approved);
        house.say(&last.id, Consent::Deny).await;
        true
    };
    until(going_on.as_mut(), deny).await;
    passes(&house, going_on).await;
    only_the_first_is_done(&house).await;
    let report = house.run_of(run_of(&house).await).await;
    assert_eq!(states(&report), [StepState::Failed, StepState::Denied]);
    assert!(house.was_told("denied by duty").await);
}

#[tokio::test]
async fn what_people_denied_in_time_is_not_told_as_late_after_a_wait() {
    let (house, text) = asked_twice_for("5m").await;
    let open = house.engine.store.open_approvals().await.expect("the journal is read");
    let first = open.iter().find(|asked| asked.step == "isolate").expect("it is asked for");
    house.approve(&first.id).await;
    let mut going_on = Box::pin(house.go_on(&text));
    until(going_on.as_mut(), async || house.applied() == ["isolate 0"]).await;
    let deny = async || {
        let open = house.engine.store.open_approvals().await.expect("the journal is read");
        let last = open.iter().find(|asked| asked.step == "scan").expect("it is not done yet");
        house.say(&last.id, Consent::Deny).await;
        true
    };
    until(going_on.as_mut(), deny).await;
    passes(&house, going_on).await;
    let report = house.run_of(run_of(&house).await).await;
    assert_eq!(states(&report), [StepState::Failed, StepState::Denied]);
    assert!(house.was_told("denied by duty").await);
    assert!(!house.was_told("nobody approved it in time").await);
    assert!(!house.was_told("its time was over").await);
}

#[tokio::test]
async fn what_people_approved_is_void_when_the_playbook_changes_while_the_step_before_it_waits() {
    let (house, text) = asked_twice().await;
    house.say_yes().await;
    let newer = text.replace("severity: High", "severity: Medium");
    let in_force = |text: &str| Standing::InForce(house.plan(text));
    let (before, after) = (in_force(&text), in_force(&newer));
    let edited = Arc::new(AtomicBool::new(false));
    let standing = Edited { lists: Arc::clone(&house.lists), before, after, later: Arc::clone(&edited) };
    let world = house.world();
    let present = Present { in_force: &standing, plan_of: &|name, bytes| plan_of(name, bytes, &world) };
    let run = run_of(&house).await;
    let mut going_on = Box::pin(house.engine.go_on(run, &present));
    until(async { drop(going_on.as_mut().await) }, async || house.applied() == ["isolate 0"]).await;
    edited.store(true, Ordering::SeqCst);
    passes(&house, going_on).await.expect("the journal is there");
    let expect = [("isolate", ApprovalState::Consumed), ("scan", ApprovalState::Void)];
    assert_eq!(ends(&house).await, expect.map(|(step, state)| (step.to_owned(), state)));
    assert_eq!(house.applied(), ["isolate 0"]);
}

#[tokio::test]
async fn two_names_of_one_person_are_one_yes_when_the_settings_learn_of_it() {
    let mut house = House::with_rows(1).await;
    let named = |all: &[(&str, &str)]| {
        Approvers::new(all.iter().map(|(name, who)| ((*name).to_owned(), (*who).to_owned())))
    };
    house.approvers = named(&[("duty", "1000"), ("lead", "1001"), ("dana", "1002")]);
    let text = playbook(
        &ISOLATE
            .replace("}\n", "}, approval: {channel: soc, minimum: 2}\n")
            .replace("- isolate", "- {isolate")
            .replace("2}\n", "2}}\n"),
    );
    house.run(&text).await;
    for (by, account, uid) in [("duty", "alice", 1000), ("lead", "bob", 1001)] {
        let (by, account) = (by.to_owned(), account.to_owned());
        let voice =
            NewVoice { word: Consent::Approve, by, account, uid: Some(uid), way: Way::Command, note: None };
        let asked = house.engine.store.open_approvals().await.unwrap().remove(0);
        house.engine.store.hear(&asked.id, &voice).await.expect("it is heard");
    }
    house.approvers = named(&[("duty", "1000"), ("duty", "1001"), ("lead", "1001"), ("dana", "1002")]);
    house.go_on(&text).await;
    assert_eq!(house.applied(), Vec::<String>::new());
    let asked = house.engine.store.approvals_of(run_of(&house).await).await.unwrap().remove(0);
    let expect = (ApprovalState::Void, Some("who approved it may not do so any more"));
    assert_eq!((asked.state, asked.reason.as_deref()), expect);
}

#[tokio::test]
async fn row_35_leave_is_given_and_a_device_is_waited_for_while_the_clock_is_behind() {
    let step = "isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}, waitFor: {timeout: 10m}, \
                approval: {channel: soc, timeout: 30m}";
    let (house, text) = away(1, &format!("actions:\n  - {{{step}}}\n")).await;
    // The journal has seen a time that the clock shows in two hours only.
    house.goes_ahead(SignedDuration::from_hours(2));
    house.run(&playbook(TAG).replace("8e77", "8e78")).await;
    house.clock.jump(SignedDuration::from_hours(-2));
    let house = house.restart().await;
    let report = house.run(&text).await;
    assert_eq!(states(&report), [StepState::PendingApproval]);
    house.say_yes().await;
    let before = house.clock.uptime();
    passes(&house, Box::pin(house.go_on(&text))).await;
    let waited = house.clock.uptime().saturating_sub(before);
    assert!(waited < SignedDuration::from_hours(1), "and not two hours more: {waited:#}");
    assert_eq!(house.applied(), ["addTag 0", "isolate 0"]);
    let asked = house.engine.store.approvals_of(report.run).await.unwrap();
    assert_eq!(asked[0].state, ApprovalState::Consumed);
    assert_eq!(outcomes(&house.run_of(report.run).await), [Failed], "ten minutes are over");
}

#[tokio::test]
async fn row_35_nobody_is_waited_for_longer_while_the_clock_is_behind() {
    let text = playbook(
        "where: row.Files == 0\nactions:\n  - {isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}, \
                         approval: {channel: soc, timeout: 30m}}\n",
    );
    let house = House::build().await;
    house.run(&playbook(TAG).replace("8e77", "8e78")).await;
    house.clock.jump(SignedDuration::from_hours(-2));
    let house = house.restart().await;
    let report = house.run(&text).await;
    house.clock.advance(SignedDuration::from_mins(29));
    assert_eq!(house.engine.decided().await.unwrap().len(), 0);
    house.clock.advance(SignedDuration::from_mins(5));
    house.go_on(&text).await;
    assert_eq!(states(&house.run_of(report.run).await), [StepState::Expired]);
}
