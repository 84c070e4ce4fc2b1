//! What huntbook takes back, and what it leaves because others did it, do it just now, or want it otherwise.

use huntbook::action::Approvers;
use huntbook::engine::StepState;
use huntbook::http::Open;
use huntbook::model::DeviceId;
use huntbook::plan::World;
use huntbook::sim::{ActionTiming, Apply, Duplicates, Fault, SimApp, SimIndicator};
use huntbook::store::{Consent, EffectKey, NewVoice, Speaker, Store, Way, Word};
use huntbook::tenant::{IsolationType, Operation};
use jiff::SignedDuration;
use serde_json::json;

use crate::{House, playbook, states};

const REPEATED: &str = "another run has asked for the same since, and the tenant has still to do that";
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const FOUR_HOURS: SignedDuration = SignedDuration::from_hours(4);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn isolate(rest: &str) -> String {
    playbook(&format!(
        "actions:\n  - isolateDevice: {{device: \"{{{{row.DeviceId}}}}\", comment: contain}}\n    {rest}\n"
    ))
}

fn block(title: &str, rest: &str) -> String {
    playbook(&format!(
        "actions:\n  - addIndicator: {{indicatorValue: evil.example.com, indicatorType: domainName, action: block, \
         title: {title}, description: d}}\n    {rest}\n"
    ))
}

/// Somebody else's indicator of the same value.
fn their_indicator(action: &str) -> SimIndicator {
    SimIndicator {
        indicator_value: "evil.example.com".to_owned(),
        indicator_type: "DomainName".to_owned(),
        action: action.to_owned(),
        title: "ours".to_owned(),
        description: "since Monday".to_owned(),
    }
}

impl House {
    /// What an analyst does in the portal.
    async fn an_analyst(&self, operation: impl FnOnce(DeviceId, String) -> Operation) {
        self.history.rules.lock().expect("nothing panics with it").people.insert("by hand".to_owned());
        let device = self.devices.first().expect("a device").parse().expect("an id");
        let tenant = self.engine.tenants.values().next().expect("a tenant");
        tenant.apply(&operation(device, "by hand".to_owned()), &Open).await.expect("the tenant takes it");
    }

    async fn isolated_by_hand(&self) {
        let isolation_type = IsolationType::Full;
        self.an_analyst(|device, comment| Operation::IsolateDevice { device, isolation_type, comment }).await;
    }

    async fn released_by_hand(&self) {
        self.an_analyst(|device, comment| Operation::ReleaseDevice { device, comment }).await;
    }

    async fn later(&self, by: SignedDuration) {
        self.clock.advance(by);
        self.engine.follow_up().await.expect("the journal is there");
    }

    /// Lets the tenant list these indicators.
    fn lists_indicators(&self, all: &serde_json::Value) {
        let fault = Fault::on("GET /mde/api/indicators");
        let body = Some(json!({"value": all}));
        let fault = Fault { status: Some(200), body, apply: Apply::Not, ..fault };
        self.sim.set_faults(vec![fault]).expect("a sound fault");
    }

    fn indicators_there(&self) -> usize {
        let state = self.sim.state();
        state.get("indicators").and_then(serde_json::Value::as_array).expect("a list").len()
    }
}

#[tokio::test]
async fn what_others_isolated_before_is_theirs_also_where_the_tenant_takes_it_twice() {
    let house = House::with_rows(1).await.watched();
    house.isolated_by_hand().await;
    house.later(HOUR).await;
    let report = house.run(&isolate("revertAfter: 4h")).await;
    assert_eq!(states(&report), [StepState::Accepted]);
    house.later(MINUTE).await;
    assert_eq!(house.stands().await.len(), 1, "ours was taken too");
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "isolate 0"]);
    assert!(house.stands().await.is_empty());
    let told = house.alerts().await;
    assert!(told.iter().any(|(_title, text)| text.contains("it is not huntbook's")), "{told:?}");
    // Nor is it after huntbook's own has come between, and another on top.
    house.clock.advance(HOUR * 24);
    assert_eq!(
        states(&house.run(&isolate("revertAfter: 4h").replace("8e77", "8e78")).await),
        [StepState::Accepted]
    );
    house.later(MINUTE).await;
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "isolate 0", "isolate 0"]);
}

#[tokio::test]
async fn who_asks_for_the_end_of_what_others_had_isolated_before_gets_it() {
    let house = House::with_rows(1).await;
    house.isolated_by_hand().await;
    house.later(HOUR).await;
    house.run(&isolate("revertAfter: 4h")).await;
    house.later(HOUR).await;
    house.asked_for(&house.stands().await[0].effect).await;
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "isolate 0", "unisolate 0"]);
}

#[tokio::test]
async fn of_two_of_huntbooks_the_longer_ends_it() {
    let house = House::with_rows(1).await;
    house.run(&isolate("revertAfter: 72h")).await;
    house.later(HOUR * 25).await;
    assert_eq!(
        states(&house.run(&isolate("revertAfter: 4h").replace("8e77", "8e78")).await),
        [StepState::Accepted]
    );
    house.later(MINUTE).await;
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "isolate 0"], "the first wants it for longer");
    house.clock.advance(HOUR * 48);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "isolate 0", "unisolate 0"]);

    let house = House::with_rows(1).await;
    house.run(&block("first", "revertAfter: 72h")).await;
    house.clock.advance(HOUR * 25);
    house.run(&block("second", "revertAfter: 4h").replace("8e77", "8e78")).await;
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    assert_eq!((house.applied().len(), house.indicators_there()), (2, 1));
    house.clock.advance(HOUR * 48);
    house.take_back().await;
    assert_eq!((house.applied().len(), house.indicators_there()), (3, 0));
}

/// A device isolated twice: the first is done, the second is asked for a day later and takes the device three hours.
async fn isolated_twice(first: &str, second: &str) -> (House, String) {
    let slow = ActionTiming { running: HOUR * 3, ..ActionTiming::default() };
    let house = House::with(1, |options| options.timing = slow).await.watched();
    house.run(&isolate(first)).await;
    house.later(HOUR * 25).await;
    let second = house.run(&isolate(second).replace("8e77", "8e78")).await;
    assert_eq!(states(&second), [StepState::Accepted]);
    let step = second.items.first().and_then(|item| item.steps.first());
    let id = step.and_then(|step| step.remote_id.clone()).expect("the tenant names it");
    house.clock.advance(HOUR);
    (house, id)
}

impl House {
    /// Lets the tenant say that an action came to nothing.
    async fn it_failed(&self, id: &str) {
        let failed =
            json!({"id": id, "type": "Isolate", "status": "Failed", "machineId": self.devices.first()});
        let fault = Fault::on("GET /mde/api/machineactions/*");
        let fault = Fault { status: Some(200), body: Some(failed), apply: Apply::Not, ..fault };
        self.sim.set_faults(vec![fault]).expect("a sound fault");
        self.engine.follow_up().await.expect("the journal is there");
        self.sim.set_faults(Vec::new()).expect("none");
    }

    /// Approves what waits.
    async fn approve_as_duty(&self) {
        let open = self.engine.store.open_approvals().await.expect("the journal is there");
        let [asked] = open.as_slice() else { panic!("one: {open:?}") };
        let (by, account) = ("duty".to_owned(), "alice".to_owned());
        let voice =
            NewVoice { word: Consent::Approve, by, account, uid: Some(1000), way: Way::Command, note: None };
        self.engine.store.hear(&asked.id, &voice).await.expect("it waits");
    }

    async fn asked_for(&self, effect: &EffectKey) {
        let by = Speaker { account: "alice".to_owned(), uid: Some(4001), reason: None };
        self.engine.store.hear_revert(effect, &by).await.expect("it stands");
    }
}

#[tokio::test]
async fn what_is_asked_for_once_more_keeps_the_first_only_if_it_comes_to_something() {
    for comes_to_something in [true, false] {
        let (house, second) = isolated_twice("revertAfter: 26h", "revertAfter: 72h").await;
        house.take_back().await;
        let waits = house.engine.store.reverts_to_look_at(jiff::Timestamp::MAX).await.unwrap();
        let why = waits.first().and_then(|first| first.reason.clone()).unwrap_or_default();
        assert_eq!((waits.len(), why.as_str()), (2, REPEATED));
        assert_eq!(house.stands().await.len(), 2, "both are listed");
        assert_eq!(house.applied(), ["isolate 0", "isolate 0"]);
        if !comes_to_something {
            house.it_failed(&second).await;
        }
        house.later(HOUR * 3).await;
        house.take_back().await;
        if comes_to_something {
            assert_eq!(house.applied(), ["isolate 0", "isolate 0"]);
            assert_eq!(house.stands().await.len(), 1);
            house.clock.advance(HOUR * 72);
            house.take_back().await;
        }
        assert_eq!(house.applied(), ["isolate 0", "isolate 0", "unisolate 0"]);
    }
}

#[tokio::test]
async fn who_asks_for_the_end_of_what_is_done_once_more_gets_it_whichever_stands_in_the_end() {
    for (comes_to_something, asked) in [(true, 0), (true, 1), (false, 0), (false, 1)] {
        let (house, second) = isolated_twice("onError: stop", "onError: stop").await;
        let stands = house.stands().await;
        assert_eq!(stands.len(), 2, "both are listed");
        house.asked_for(&stands[asked].effect).await;
        house.take_back().await;
        assert_eq!(house.applied().len(), 2, "nobody knows yet what stands");
        if !comes_to_something {
            house.it_failed(&second).await;
        }
        for _look in 0..3 {
            house.later(HOUR * 2).await;
            house.take_back().await;
        }
        assert_eq!(house.applied(), ["isolate 0", "isolate 0", "unisolate 0"]);
        let told = house.alerts().await;
        assert!(!told.iter().any(|(_title, text)| text.contains("done the same since")), "{told:?}");
    }
}

#[tokio::test]
async fn what_was_done_once_more_after_somebody_asked_for_its_end_is_told() {
    let house = House::isolated("onError: stop").await.watched();
    let first = house.stands().await.remove(0);
    house.clock.advance(HOUR * 25);
    house.asked_for(&first.effect).await;
    house.run(&isolate("onError: stop").replace("8e77", "8e78")).await;
    house.later(MINUTE).await;
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "isolate 0"]);
    let told = house.alerts().await;
    let [(_title, text)] = told.as_slice() else { panic!("{told:?}") };
    assert!(text.contains("another run has done the same since"), "{text}");
    assert_eq!(house.stands().await.len(), 1, "it can be asked for");
}

#[tokio::test]
async fn what_waits_for_long_is_told_once() {
    let (house, _second) = isolated_twice("revertAfter: 26h", "revertAfter: 72h").await;
    house.take_back().await;
    assert_eq!(house.alerts().await, [], "it is not late");
    for _look in 0..3 {
        house.clock.advance(MINUTE * 30);
        house.take_back().await;
    }
    let told = house.alerts().await;
    let [(_title, text)] = told.as_slice() else { panic!("{told:?}") };
    assert!(text.contains(REPEATED) && text.contains("as soon as that is over"), "{text}");
}

#[tokio::test]
async fn what_is_approved_after_the_same_was_asked_for_once_more_waits_for_that() {
    let slow = ActionTiming { running: HOUR * 3, ..ActionTiming::default() };
    let mut house = House::with(1, |options| options.timing = slow).await;
    house.run(&isolate("revertAfter: 25h")).await;
    house.later(HOUR * 24).await;
    let approvers = Approvers::new([("duty".to_owned(), "alice".to_owned())]);
    let world = World { approvers, ..house.world() };
    let asks = huntbook::action::Approval { channel: "soc".to_owned(), minimum: 1, timeout: HOUR };
    house.engine.undoing = huntbook::engine::Undoing::of(&world, Some(asks));
    house.clock.advance(HOUR);
    house.take_back().await;
    house.run(&isolate("revertAfter: 72h").replace("8e77", "8e78")).await;
    house.clock.advance(MINUTE * 15);
    house.approve_as_duty().await;
    house.take_back().await;
    house.clock.advance(MINUTE);
    house.take_back().await;
    let stands = house.stands().await;
    let why = stands[0].reason.clone().unwrap_or_default();
    assert_eq!((stands.len(), why.as_str()), (2, REPEATED), "{stands:?}");
    assert_eq!(house.applied(), ["isolate 0", "isolate 0"]);
}

#[tokio::test]
async fn of_two_of_huntbooks_that_do_different_things_the_last_ends_in_its_time() {
    let house = House::with_rows(1).await.watched();
    house
        .run(
            &block("first", "revertAfter: 72h")
                .replace("action: block", "action: audit, generateAlert: true"),
        )
        .await;
    house.clock.advance(HOUR * 25);
    house.run(&block("second", "revertAfter: 4h").replace("8e77", "8e78")).await;
    for _look in 0..20 {
        house.clock.advance(FOUR_HOURS);
        house.take_back().await;
    }
    assert_eq!((house.applied().len(), house.indicators_there()), (3, 0));
    assert!(house.stands().await.is_empty());
    assert_eq!(house.alerts().await, []);
}

#[tokio::test]
async fn what_was_isolated_and_released_before_does_not_keep_ours() {
    let house = House::with_rows(1).await;
    house.isolated_by_hand().await;
    house.later(HOUR).await;
    house.released_by_hand().await;
    house.later(HOUR).await;
    house.run(&isolate("revertAfter: 4h")).await;
    house.later(MINUTE).await;
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0", "isolate 0", "unisolate 0"]);
}

#[tokio::test]
async fn an_action_that_the_tenant_answers_with_and_is_anothers_is_not_ours() {
    let house = House::with(1, |options| options.duplicates = Duplicates::Returned).await;
    house.isolated_by_hand().await;
    let report = house.run(&isolate("revertAfter: 4h")).await;
    assert_eq!(states(&report), [StepState::Accepted]);
    house.later(MINUTE).await;
    assert!(house.stands().await.is_empty(), "it is the analyst's");
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0"]);
}

#[tokio::test]
async fn a_release_that_is_under_way_is_waited_for() {
    let slow = ActionTiming { running: HOUR, ..ActionTiming::default() };
    let house = House::with(1, |options| options.timing = slow).await;
    house.run(&isolate("revertAfter: 4h")).await;
    house.later(FOUR_HOURS - MINUTE).await;
    house.released_by_hand().await;
    house.clock.advance(MINUTE);
    house.take_back().await;
    let stands = house.stands().await;
    let why = stands.first().and_then(|one| one.reason.clone()).unwrap_or_default();
    assert!(why.contains("people are taking it back"), "{why}");
    house.clock.advance(HOUR * 2);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0"]);
    assert!(house.stands().await.is_empty());
}

#[tokio::test]
async fn while_leave_is_waited_for_people_may_do_it_themselves() {
    let mut house = House::isolated("revertAfter: 4h").await.watched();
    let world =
        World { approvers: Approvers::new([("duty".to_owned(), "alice".to_owned())]), ..house.world() };
    let asks = huntbook::action::Approval { channel: "soc".to_owned(), minimum: 1, timeout: HOUR };
    house.engine.undoing = huntbook::engine::Undoing::of(&world, Some(asks));
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    house.released_by_hand().await;
    house.later(MINUTE).await;
    house.isolated_by_hand().await;
    house.later(MINUTE).await;
    house.approve_as_duty().await;
    house.later(MINUTE).await;
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0", "isolate 0"], "the last one is the analyst's");
    house.clock.advance(MINUTE);
    house.take_back().await;
    assert!(house.stands().await.is_empty());
    let told = house.alerts().await;
    assert!(told.iter().any(|(_title, text)| text.contains("done it anew since")), "{told:?}");
}

#[tokio::test]
async fn what_a_person_says_was_done_is_known_by_its_mark() {
    for is_ours in [true, false] {
        let house = House::with(1, |options| options.duplicates = Duplicates::Queued).await.watched();
        let apply = if is_ours { Apply::Before } else { Apply::Not };
        let fault =
            Fault { reset: true, times: Some(1), apply, ..Fault::on("POST /mde/api/machines/*/isolate") };
        house.sim.set_faults(vec![fault]).unwrap();
        assert_eq!(states(&house.run(&isolate("revertAfter: 4h")).await), [StepState::Parked]);
        house.sim.set_faults(Vec::new()).unwrap();
        if !is_ours {
            // What somebody says of an action that was another's.
            house.forge();
            house.isolated_by_hand().await;
        }
        house.later(MINUTE).await;
        let report = house.run_of_the_past().await;
        let effect = house.engine.store.effects_of(report.run).await.unwrap().remove(0);
        let said = (Word::Done, "seen in the portal".to_owned());
        Store::resolve(&house.journal(), house.shared_clock(), &effect.key, said).await.unwrap();
        house.clock.advance(FOUR_HOURS);
        house.take_back().await;
        if is_ours {
            assert_eq!(house.applied(), ["isolate 0", "unisolate 0"]);
            continue;
        }
        assert_eq!(house.applied(), ["isolate 0"]);
        let stands = house.stands().await;
        let why = stands.first().and_then(|one| one.reason.clone()).unwrap_or_default();
        assert!(why.contains("nobody knows whose"), "{why}");
        assert!(house.alerts().await.iter().any(|(title, _text)| title.contains("is not taken back")));
        house.asked_for(&effect.key).await;
        house.take_back().await;
        assert_eq!(house.applied(), ["isolate 0", "unisolate 0"], "who asks knows what they ask for");
    }
}

#[tokio::test]
async fn an_indicator_of_others_is_neither_changed_nor_taken_away() {
    let house = House::with(1, |options| options.data.indicators.push(their_indicator("Block"))).await;
    let before = house.indicators_there();
    let report = house.run(&block("t", "revertAfter: 3h")).await;
    assert_eq!(states(&report), [StepState::AlreadyInForce]);
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    assert_eq!((house.applied(), house.indicators_there()), (Vec::new(), before));

    let house = House::with(1, |options| options.data.indicators.push(their_indicator("Allowed"))).await;
    let report = house.run(&block("t", "revertAfter: 3h")).await;
    assert_eq!(states(&report), [StepState::Failed]);
    let why = report.items[0].steps[0].reason.clone().unwrap_or_default();
    assert_eq!(why, "somebody else's indicator is left as it is: `Allowed`");
    assert!(house.applied().is_empty());
}

#[tokio::test]
async fn an_indicator_that_is_to_stay_is_not_taken_away_with_one_for_hours() {
    let house = House::with_rows(1).await.watched();
    house.run(&block("for good", "onError: stop")).await;
    house.clock.advance(HOUR * 48);
    let for_hours = block("for hours", "revertAfter: 3h").replace("8e77", "8e78");
    let report = house.run(&for_hours).await;
    assert_eq!(states(&report), [StepState::Done], "{report:?}");
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    assert_eq!((house.applied().len(), house.indicators_there()), (2, 1));
    let told = house.alerts().await;
    assert!(told.iter().any(|(title, _text)| title.contains("is not taken back")), "{told:?}");
    let stands = house.stands().await;
    house.asked_for(&stands.last().unwrap().effect).await;
    house.take_back().await;
    assert_eq!((house.applied().len(), house.indicators_there()), (3, 0), "who asks knows what they ask for");
}

#[tokio::test]
async fn an_indicator_that_others_have_put_in_the_place_of_ours_is_left_and_told_once() {
    let house = House::with_rows(1).await.watched();
    house.run(&block("t", "revertAfter: 3h")).await;
    house.lists_indicators(&json!([{
        "id": "7", "indicatorValue": "evil.example.com", "indicatorType": "DomainName", "action": "Block",
        "createdBy": "somebody"
    }]));
    house.clock.advance(FOUR_HOURS);
    for _look in 0..2 {
        house.take_back().await;
        house.clock.advance(HOUR * 2);
    }
    assert_eq!((house.applied().len(), house.indicators_there()), (1, 1));
    assert!(house.stands().await.is_empty());
    let told = house.alerts().await;
    let [(_title, text)] = told.as_slice() else { panic!("{told:?}") };
    assert!(text.contains("what is there is not what huntbook added: `Block`"), "{text}");
    assert!(text.contains("huntbook leaves it as it is") && !text.contains("in-force revert"), "{text}");
}

#[tokio::test]
async fn an_indicator_that_others_have_changed_is_taken_away_for_people_only() {
    let house = House::with_rows(1).await.watched();
    house.run(&block("t", "revertAfter: 3h")).await;
    house.lists_indicators(&json!([{
        "id": "7", "indicatorValue": "evil.example.com", "indicatorType": "DomainName", "action": "Block",
        "createdBy": SimApp::CLIENT_ID, "source": "Huntbook", "lastUpdatedBy": "ann@contoso.example"
    }]));
    for _look in 0..2 {
        house.clock.advance(FOUR_HOURS);
        house.take_back().await;
    }
    let told = house.alerts().await;
    let [(_title, text)] = told.as_slice() else { panic!("{told:?}") };
    assert!(text.contains("`Block`, changed by `ann@contoso.example`"), "{text}");
    assert_eq!((house.applied().len(), house.indicators_there()), (1, 1));
    let stands = house.stands().await;
    house.sim.set_faults(Vec::new()).unwrap();
    house.asked_for(&stands[0].effect).await;
    house.take_back().await;
    assert_eq!((house.applied().len(), house.indicators_there()), (2, 0), "who asks knows what they ask for");
}

#[tokio::test]
async fn an_indicator_whose_maker_nobody_knows_is_taken_away_for_people_only() {
    let house = House::with_rows(1).await.watched();
    house.run(&block("t", "revertAfter: 3h")).await;
    let number = house.sim.state()["indicators"][0]["id"].clone();
    let unsaid = json!([{
        "id": number, "indicatorValue": "evil.example.com", "indicatorType": "DomainName", "action": "Block"
    }]);
    house.lists_indicators(&unsaid);
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    assert_eq!((house.alerts().await.len(), house.indicators_there()), (1, 1));
    let stands = house.stands().await;
    house.asked_for(&stands[0].effect).await;
    house.take_back().await;
    assert_eq!((house.applied().len(), house.indicators_there()), (2, 0), "who asks knows what they ask for");
}

#[tokio::test]
async fn an_indicator_that_is_not_listed_at_once_is_looked_for_again() {
    let house = House::with_rows(1).await;
    house.run(&block("t", "revertAfter: 3h")).await;
    house.lists_indicators(&json!([]));
    house.clock.advance(MINUTE * 5);
    house.asked_for(&house.stands().await[0].effect).await;
    house.take_back().await;
    let stands = house.stands().await;
    assert_eq!(stands[0].reason.as_deref(), Some("the tenant does not list it yet"));
    house.clock.advance(MINUTE * 5);
    house.take_back().await;
    assert!(house.stands().await.is_empty(), "it is not there");
    assert_eq!(house.applied().len(), 1);
}

#[tokio::test]
async fn who_asks_for_the_end_of_an_indicator_gets_it_though_another_run_wants_it_for_longer() {
    let house = House::with_rows(1).await;
    house.run(&block("first", "revertAfter: 72h")).await;
    house.clock.advance(HOUR * 25);
    house.run(&block("second", "revertAfter: 4h").replace("8e77", "8e78")).await;
    house.clock.advance(HOUR);
    let stands = house.stands().await;
    let [second] = stands.as_slice() else { panic!("{stands:?}") };
    house.asked_for(&second.effect).await;
    house.take_back().await;
    assert_eq!((house.applied().len(), house.indicators_there()), (3, 0));
}

#[tokio::test]
async fn half_an_isolation_is_no_sign_that_people_have_taken_it_back() {
    let house = House::with_rows(1).await;
    let half =
        isolate("onError: stop").replace("comment: contain", "comment: contain, isolationType: selective");
    house.run(&half).await;
    house.later(MINUTE).await;
    house.clock.advance(HOUR * 48);
    let whole = isolate("onError: stop").replace("8e77", "8e78");
    let report = house.run(&whole).await;
    assert_eq!(states(&report), [StepState::Accepted], "{:?}", report.items);
}

#[tokio::test]
async fn half_an_isolation_by_others_is_what_people_chose() {
    let house = House::with_rows(1).await;
    house.run(&isolate("onError: stop")).await;
    house.later(MINUTE).await;
    house.released_by_hand().await;
    house.later(MINUTE).await;
    let isolation_type = IsolationType::Selective;
    house.an_analyst(|device, comment| Operation::IsolateDevice { device, isolation_type, comment }).await;
    house.later(HOUR * 48).await;
    let report = house.run(&isolate("onError: stop").replace("8e77", "8e78")).await;
    assert_eq!(states(&report), [StepState::Halted], "{:?}", report.items);
}

#[tokio::test]
async fn what_went_to_another_device_is_never_found_missing() {
    let house = House::with(2, |options| options.duplicates = Duplicates::Queued).await;
    house.forge();
    let mut doubts = huntbook::engine::Doubts::default();
    let fault = Fault {
        apply: Apply::Not,
        status: Some(201),
        times: Some(1),
        body: Some(json!({
            "id": "5382f7ea-7557-4ab7-9782-d50480024a4e", "type": "Isolate", "status": "Succeeded",
            "machineId": house.devices[1], "requestorComment": ""
        })),
        ..Fault::on("POST /mde/api/machines/*/isolate")
    };
    house.sim.set_faults(vec![fault]).unwrap();
    let text = isolate("onError: stop").replace("actions:", "where: row.Files == 0\nactions:");
    assert_eq!(states(&house.run(&text).await), [StepState::Parked]);
    house.sim.set_faults(Vec::new()).unwrap();
    let effect = house.engine.store.effects_of(house.run_of_the_past().await.run).await.unwrap().remove(0);
    // What the tenant did, as its list shows it.
    let mark = house.engine.store.mark("contoso", &effect.key, 1).unwrap();
    let there = Operation::IsolateDevice {
        device: house.devices[1].parse().unwrap(),
        isolation_type: IsolationType::Full,
        comment: format!("{mark} contain"),
    };
    house.engine.tenants["contoso"].apply(&there, &Open).await.unwrap();
    for wait in [SignedDuration::ZERO, MINUTE * 10, MINUTE, MINUTE] {
        house.clock.advance(wait);
        let settled = house.engine.look_into("contoso", &mut doubts).await.unwrap();
        assert!(settled.is_empty(), "{settled:?}");
    }
}
