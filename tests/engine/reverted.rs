//! What is taken back by itself or because somebody asks, over restarts and without its playbook, as the tenant's own
//! log tells.

use std::sync::Arc;

use huntbook::action::{Approval, Approvers};
use huntbook::engine::{Present, Standing, StepState, Unchanging, Undoing};
use huntbook::http::Open;
use huntbook::plan::World;
use huntbook::sim::Fault;
use huntbook::store::{
    Chain, Consent, History, NewVoice, Revert, RevertNote, RunFilter, Speaker, Store, Trigger, Way,
};
use huntbook::tenant::Operation;
use jiff::SignedDuration;

use crate::stopped::word;
use crate::{House, playbook};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const FOUR_HOURS: SignedDuration = SignedDuration::from_hours(4);
/// Longer than a device takes.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn isolate(rest: &str) -> String {
    playbook(&format!(
        "actions:\n  - isolateDevice: {{device: \"{{{{row.DeviceId}}}}\", comment: contain}}\n    {rest}\n"
    ))
}

impl House {
    /// Isolates the only device, and lets it be done.
    pub(crate) async fn isolated(rest: &str) -> Self {
        let house = Self::with_rows(1).await;
        house.run(&isolate(rest)).await;
        house.done().await;
        house
    }

    /// Lets devices do what they are to do.
    async fn done(&self) {
        self.clock.advance(MINUTE);
        self.engine.follow_up().await.expect("the journal is there");
    }

    /// Takes back what is due, where no playbook is in force.
    pub(crate) async fn take_back(&self) {
        let gone = Unchanging { lists: Arc::clone(&self.lists), standing: Standing::Gone };
        let present = Present { in_force: &gone, plan_of: &|_name, _bytes| Err("it is gone".to_owned()) };
        for decided in self.engine.decided().await.expect("the journal") {
            self.engine.go_on(decided.run, &present).await.expect("it is written down");
        }
        for (playbook, tenant) in self.engine.to_revert().await.expect("the journal") {
            self.engine.revert((playbook, &tenant), &gone).await.expect("it is written down");
        }
    }

    /// Everything that stands.
    pub(crate) async fn stands(&self) -> Vec<Revert> {
        self.engine.store.in_force().await.expect("the journal")
    }

    /// Does something in the tenant that is not huntbook's.
    pub(crate) async fn somebody_does(&self, operation: &Operation) {
        if let Operation::IsolateDevice { comment, .. } | Operation::ReleaseDevice { comment, .. } = operation
        {
            self.history.rules.lock().expect("nothing panics with it").people.insert(comment.clone());
        }
        for tenant in self.engine.tenants.values() {
            tenant.apply(operation, &Open).await.expect("the tenant takes it");
        }
    }

    fn release(&self) -> Operation {
        Operation::ReleaseDevice {
            device: self.devices.first().expect("a device").parse().expect("an id"),
            comment: "clean".to_owned(),
        }
    }
}

#[tokio::test]
async fn an_action_is_taken_back_in_its_time_over_restarts_and_without_its_playbook() {
    let house = House::isolated("revertAfter: 4h").await;
    let stands = house.stands().await;
    let [one] = stands.as_slice() else { panic!("{stands:?}") };
    assert_eq!(one.due.map(|due| due.duration_since(one.since)), Some(FOUR_HOURS));
    assert_eq!((one.action.as_str(), one.leave.as_deref()), ("isolateDevice", None));
    house.clock.advance(HOUR * 3);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0"], "it is not time yet");
    let house = house.restart().await;
    house.clock.advance(HOUR);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0"]);
    house.done().await;
    house.take_back().await;
    assert!(house.stands().await.is_empty());
    house.clock.advance(HOUR);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0"], "once");
    let runs = house.engine.store.runs(&RunFilter { limit: 1, ..RunFilter::default() }).await.unwrap();
    assert_eq!(
        (runs[0].run.trigger, runs[0].effects),
        (Trigger::Revert, 1),
        "a run and an intent of its own"
    );
}

#[tokio::test]
async fn what_people_have_taken_back_or_done_anew_is_theirs() {
    let house = House::isolated("revertAfter: 4h").await;
    house.clock.advance(HOUR);
    house.somebody_does(&house.release()).await;
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0"], "people's");
    assert!(house.stands().await.is_empty());

    let house = House::isolated("revertAfter: 4h").await;
    house.clock.advance(HOUR);
    house.somebody_does(&house.release()).await;
    house.clock.advance(HOUR);
    let anew = Operation::IsolateDevice {
        device: house.devices[0].parse().unwrap(),
        isolation_type: huntbook::tenant::IsolationType::Full,
        comment: "ours".to_owned(),
    };
    house.somebody_does(&anew).await;
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0", "isolate 0"]);
    assert!(house.stands().await.is_empty());
}

#[tokio::test]
async fn what_people_had_asked_for_before_is_theirs() {
    let house = House::with_rows(1).await;
    let before = Operation::IsolateDevice {
        device: house.devices[0].parse().unwrap(),
        isolation_type: huntbook::tenant::IsolationType::Full,
        comment: "ours".to_owned(),
    };
    house.somebody_does(&before).await;
    // The device has still to do it: the tenant refuses ours, which is followed to the end of theirs.
    let report = house.run(&isolate("revertAfter: 4h")).await;
    assert_eq!(report.items[0].steps[0].state, StepState::Accepted, "{report:?}");
    house.done().await;
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0"]);
    assert!(house.stands().await.is_empty());
}

#[tokio::test]
async fn a_tenant_that_does_not_tell_is_asked_again_and_a_stop_is_waited_for() {
    let house = House::isolated("revertAfter: 4h").await;
    house.clock.advance(FOUR_HOURS);
    let away = Fault { status: Some(403), ..Fault::on("GET /mde/api/machineactions") };
    house.sim.set_faults(vec![away]).unwrap();
    house.take_back().await;
    let stands = house.stands().await;
    assert_eq!((stands.len(), stands[0].tries), (1, 1), "{stands:?}");
    assert!(stands[0].reason.is_some(), "{stands:?}");
    house.sim.set_faults(Vec::new()).unwrap();
    let word = word(None);
    let clock = Arc::clone(&house.engine.clock);
    Store::stop(&house.journal(), Arc::clone(&clock), &word).await.unwrap();
    house.clock.advance(HOUR);
    house.take_back().await;
    let stands = house.stands().await;
    assert!(
        stands[0].reason.as_deref().is_some_and(|why| why.contains("all actions are stopped")),
        "{stands:?}"
    );
    assert_eq!(house.applied(), ["isolate 0"]);
    Store::resume(&house.journal(), clock, &word).await.unwrap();
    house.clock.advance(MINUTE);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0"]);
}

#[tokio::test]
async fn what_waits_for_the_same_is_told_once_however_often_it_is_looked_at() {
    let house = House::isolated("revertAfter: 4h").await.watched();
    house.clock.advance(FOUR_HOURS);
    let away = Fault { status: Some(403), ..Fault::on("GET /mde/api/machineactions") };
    house.sim.set_faults(vec![away]).unwrap();
    for _try in 0..3 {
        house.take_back().await;
        house.clock.advance(HOUR);
    }
    assert_eq!((house.stands().await[0].tries, house.alerts().await.len()), (3, 1));
    Store::stop(&house.journal(), Arc::clone(&house.engine.clock), &word(None)).await.unwrap();
    for _look in 0..3 {
        house.take_back().await;
        house.clock.advance(MINUTE);
    }
    assert_eq!(
        (house.stands().await[0].tries, house.alerts().await.len()),
        (3, 1),
        "a stop is no news each time"
    );
}

#[tokio::test]
async fn what_a_person_says_while_it_is_looked_at_is_not_written_over() {
    let house = House::isolated("revertAfter: 4h").await;
    house.clock.advance(FOUR_HOURS);
    let read = house.stands().await.remove(0);
    let by = Speaker { account: "alice".to_owned(), uid: Some(1), reason: None };
    house.engine.store.hear_revert(&read.effect, &by).await.unwrap();
    let later = read.look_at.unwrap() + HOUR;
    let note = RevertNote { state: read.state, look_at: Some(later), undo_run: None, tries: 1, reason: None };
    assert!(!house.engine.store.note_revert(&read, &note, None).await.unwrap(), "it is not as it was read");
    let stands = house.stands().await.remove(0);
    assert!(stands.tries == 0 && stands.look_at.unwrap() < later, "{stands:?}");
    assert!(house.engine.store.note_revert(&stands, &note, None).await.unwrap());
    assert_eq!(house.stands().await[0].tries, 1);
}

#[tokio::test]
async fn people_ask_for_it_and_their_word_is_in_the_audit_chain() {
    let house = House::isolated("onError: stop").await;
    let stands = house.stands().await;
    assert_eq!((stands.len(), stands[0].due), (1, None), "nobody asked");
    let by = Speaker { account: "alice".to_owned(), uid: Some(4001), reason: Some("clean".to_owned()) };
    house.engine.store.hear_revert(&stands[0].effect, &by).await.unwrap();
    house.take_back().await;
    let stands = house.stands().await;
    assert!(
        stands[0].reason.as_deref().is_some_and(|why| why.contains("less than ten minutes ago")),
        "{stands:?}"
    );
    house.clock.advance(HOUR);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0"]);
    let events = house.engine.store.events(History::Words, 0).await.unwrap();
    let (_n, said) = &events[0];
    assert_eq!(
        (&said["word"], &said["account"], &said["uid"]),
        (&"revert".into(), &"alice".into(), &4001.into())
    );
    let chain = house.engine.store.verify(History::Words, 100).await.unwrap();
    assert!(matches!(chain, Chain::Intact { events: 1, .. }), "{chain:?}");
}

#[tokio::test]
async fn the_settings_may_want_leave_for_it_and_a_no_leaves_it_in_force() {
    let mut house = House::isolated("revertAfter: 4h").await;
    let approvers = Approvers::new([("lead".to_owned(), "4001".to_owned())]);
    let world = World { approvers, ..house.world() };
    let asks = Approval { channel: "soc".to_owned(), minimum: 1, timeout: SignedDuration::from_mins(30) };
    house.engine.undoing = Undoing::of(&world, Some(asks));
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    let [asked] = house.engine.store.open_approvals().await.unwrap().try_into().unwrap();
    assert_eq!((asked.action.as_str(), house.applied().len()), ("releaseDevice", 1));
    let word = |word| NewVoice {
        word,
        by: "lead".to_owned(),
        account: "4001".to_owned(),
        uid: Some(4001),
        way: Way::Command,
        note: Some("not yet".to_owned()),
    };
    house.engine.store.hear(&asked.id, &word(Consent::Deny)).await.unwrap();
    house.clock.advance(MINUTE);
    house.take_back().await;
    let stands = house.stands().await;
    assert_eq!((stands.len(), stands[0].reason.as_deref()), (1, Some("denied by lead: not yet")));
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0"], "nobody is asked again by itself");

    let by = Speaker { account: "alice".to_owned(), uid: Some(4001), reason: None };
    house.engine.store.hear_revert(&stands[0].effect, &by).await.unwrap();
    house.take_back().await;
    let [asked] = house.engine.store.open_approvals().await.unwrap().try_into().unwrap();
    house.engine.store.hear(&asked.id, &word(Consent::Approve)).await.unwrap();
    house.clock.advance(MINUTE);
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0"]);
}

#[tokio::test]
async fn a_protected_device_and_a_missing_list_are_left_as_they_are() {
    let mut house = House::isolated("revertAfter: 4h").await.watched();
    let exclusions = huntbook::plan::Exclusions {
        device_lists: vec!["crown-jewels".to_owned()],
        ..huntbook::plan::Exclusions::default()
    };
    house.engine.undoing = Undoing::of(&World { exclusions, ..house.world() }, None);
    house.clock.advance(FOUR_HOURS);
    house.take_back().await;
    let stands = house.stands().await;
    assert!(stands[0].reason.as_deref().is_some_and(|why| why.contains("crown-jewels")), "{stands:?}");
    for _try in 0..2 {
        house.clock.advance(HOUR);
        house.take_back().await;
    }
    assert_eq!(house.applied(), ["isolate 0"]);
    assert_eq!(house.titles().await, ["Test: isolateDevice is not taken back"], "and not of its runs");
}

#[tokio::test]
async fn an_account_is_enabled_and_an_indicator_removed_in_their_time() {
    let house = House::with_rows(1).await;
    let both = playbook(
        "actions:\n  - disableUser: {user: \"{{row.User}}\"}\n    revertAfter: 2h\n  \
         - addIndicator: {indicatorValue: evil.example.com, indicatorType: domainName, action: block, title: t, description: d}\n    revertAfter: 3h\n",
    );
    let report = house.run(&both).await;
    assert_eq!(report.counts.acted, 1, "{report:?}");
    let before = house.applied();
    house.clock.advance(HOUR * 2);
    house.take_back().await;
    assert_eq!(house.applied()[before.len()..].len(), 1, "{:?}", house.applied());
    house.clock.advance(HOUR);
    house.take_back().await;
    let after = house.applied();
    assert_eq!(after.len(), before.len() + 2, "{after:?}");
    assert!(
        after[before.len()].starts_with("enable") && after[before.len() + 1].contains("ndicator"),
        "{after:?}"
    );
    assert!(house.stands().await.is_empty());
}
