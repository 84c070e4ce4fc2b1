//! Actions that would come too late, get into another one's way, or come twice.

use std::sync::Arc;

use huntbook::clock::{Clock as _, ManualClock};
use huntbook::engine::ItemOutcome::{Acted, Halted};
use huntbook::engine::{EngineError, Report, RunState, StepState};
use huntbook::model::PlaybookId;
use huntbook::sim::{Fault, Reach};
use huntbook::store::{EffectState, Effects, StopWord, StoppedPlaybook, Store, Word};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::stopped::word;
use crate::{House, ISOLATE, outcomes, playbook, states};

const RELEASE: &str = "actions:\n  - releaseDevice: {device: \"{{row.DeviceId}}\", comment: test}\n";
const DISABLE: &str = "actions:\n  - disableUser: {user: \"{{row.User}}\"}\n";

/// A playbook that lets devices back.
fn release() -> String {
    playbook(RELEASE).replace("8e77", "8e79")
}

fn fault(house: &House, fault: &Value) {
    let script = Fault::script(json!([fault])).expect("a sound fault");
    house.sim.set_faults(script).expect("a sound fault");
}

/// The reason of the first step there is.
pub(crate) fn why(report: &Report) -> &str {
    let mut steps = report.items.iter().flat_map(|item| &item.steps);
    steps.next().and_then(|step| step.reason.as_deref()).unwrap_or_default()
}

#[tokio::test]
async fn an_action_that_would_have_to_wait_too_long_is_left_to_the_next_run() {
    let house = House::with_rows(1).await;
    fault(
        &house,
        &json!({"match": "POST /mde/api/machines/*/isolate", "status": 429, "retryAfter": 60, "times": 1}),
    );
    let report = house.run(&playbook(ISOLATE)).await;
    assert_eq!(states(&report), [StepState::Failed]);
    assert_eq!(house.applied(), Vec::<String>::new());
    assert_eq!(house.engine.store.effects_in(EffectState::NotApplied).await.unwrap().len(), 1);
    // What the service said holds for every run: the next one waits before it intends anything.
    let tenant = house.engine.tenants.values().next().unwrap();
    let closed = || tenant.headroom().into_iter().find(|room| room.closed_until.is_some());
    assert_eq!(closed().map(|room| room.group).as_deref(), Some("isolateDevice"));
    let isolate = playbook(ISOLATE);
    let mut next = Box::pin(house.run(&isolate));
    while closed().is_none_or(|room| room.waiting == 0) {
        assert!(futures_util::poll!(&mut next).is_pending());
        tokio::task::yield_now().await;
    }
    assert_eq!(house.engine.store.effects_in(EffectState::Intended).await.unwrap().len(), 0);
    house.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(outcomes(&next.await), [Acted]);
    assert!(closed().is_none());
}

#[tokio::test]
async fn row_38_nothing_is_sent_again_that_was_stopped_or_is_late_by_then() {
    let throttled =
        json!({"match": "POST /mde/api/machines/*/isolate", "status": 429, "retryAfter": 2, "times": 1});
    let about = StoppedPlaybook {
        id: PlaybookId("2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77".parse().unwrap()),
        name: "Test".to_owned(),
    };
    let mut houses = Vec::new();
    for (stop, says) in [
        (word(None), "all actions are stopped since"),
        (word(Some("contoso")), "actions in `contoso` are stopped since"),
        (StopWord { playbook: Some(about), ..word(None) }, "actions of `Test` are stopped since"),
    ] {
        let mut house = House::with_rows(1).await;
        fault(&house, &throttled);
        let (journal, clock, stop) = (house.journal(), house.shared_clock(), Arc::new(stop));
        house.ambush("/isolate", move || {
            let (journal, clock, stop) = (journal.clone(), Arc::clone(&clock), Arc::clone(&stop));
            Box::pin(async move { drop(Store::stop(&journal, clock, &stop).await.expect("it is written")) })
        });
        let report = house.run(&playbook(ISOLATE)).await;
        assert_eq!(outcomes(&report), [Halted]);
        assert!(why(&report).starts_with(says), "{}", why(&report));
        houses.push(house);
    }

    let mut late = House::with_rows(1).await;
    fault(&late, &throttled);
    let clock = late.clock.clone();
    late.ambush("/isolate", move || {
        clock.advance(SignedDuration::from_secs(30));
        Box::pin(async {})
    });
    let report = late.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&report), [Halted]);
    assert!(why(&report).contains("since it was decided"), "{}", why(&report));
    houses.push(late);
    for house in houses {
        assert_eq!(house.applied(), Vec::<String>::new());
        assert_eq!(house.engine.store.effects_in(EffectState::NotApplied).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn nothing_is_sent_again_where_the_journal_does_not_say_any_more_whether_it_may_be() {
    let mut house = House::with_rows(1).await;
    let text = playbook(ISOLATE);
    let order = house.order(&text, Effects::Apply).await;
    fault(
        &house,
        &json!({"match": "POST /mde/api/machines/*/isolate", "status": 429, "retryAfter": 2, "times": 1}),
    );
    let store = house.engine.store.clone();
    house.ambush("/isolate", move || {
        let store = store.clone();
        Box::pin(async move { store.close().await })
    });
    let ended = house.engine.run(&order).await;
    assert!(matches!(ended, Err(EngineError::CutOff { .. })), "{ended:?}");
    assert_eq!(house.applied(), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_token_nothing_is_intended() {
    let house = House::with_rows(1).await;
    fault(&house, &json!({"match": "POST /*/oauth2/v2.0/token", "status": 400, "after": 1}));
    // The hunt has a token of its own.
    let report = house.run(&playbook(ISOLATE)).await;
    assert_eq!((report.state, states(&report)), (RunState::Partial, vec![StepState::Failed]));
    assert_eq!(house.engine.store.effects_of(report.run).await.unwrap(), []);
}

#[tokio::test]
async fn the_opposite_waits_as_long_as_an_action_is_under_way_and_ten_minutes_after_it() {
    let house = House::with_reach(1, Reach::Offline).await;
    assert_eq!(states(&house.run(&playbook(ISOLATE)).await), [StepState::Accepted]);
    house.clock.advance(SignedDuration::from_mins(30));
    let waits = house.run(&release()).await;
    assert_eq!(outcomes(&waits), [Halted]);
    assert!(why(&waits).contains("has isolateDevice on the same target under way or in doubt (pending)"));
    assert_eq!(house.applied(), ["isolate 0"]);
    let pending = house.engine.store.effects_in(EffectState::Pending).await.unwrap().remove(0);
    let said = (Word::NotApplied, "the device is gone".to_owned());
    Store::resolve(&house.journal(), house.shared_clock(), &pending.key, said).await.unwrap();
    assert_eq!(outcomes(&house.run(&release()).await), [Acted]);

    let house = House::with_rows(1).await;
    house.run(&playbook(ISOLATE)).await;
    house.clock.advance(SignedDuration::from_secs(30));
    house.engine.follow_up().await.unwrap();
    assert_eq!(outcomes(&house.run(&release()).await), [Halted]);
    house.clock.advance(SignedDuration::from_mins(10));
    assert_eq!(outcomes(&house.run(&release()).await), [Acted], "it came back by itself");
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0"]);
}

#[tokio::test]
async fn what_another_run_has_just_undone_comes_back() {
    let mut house = House::with_rows(2).await;
    let text = release().replace("actions:", "where: row.Files == 10\nactions:");
    let order = Arc::new(house.order(&text, Effects::Apply).await);
    let (engine, clock) = (house.engine.clone(), house.clock.clone());
    // While the first device is isolated, the second is released, and that is over.
    house.ambush("/isolate", move || {
        let (engine, clock, order) = (engine.clone(), clock.clone(), Arc::clone(&order));
        Box::pin(async move {
            engine.run(&order).await.expect("the run is recorded");
            clock.advance(SignedDuration::from_secs(5));
            engine.follow_up().await.expect("the journal is fine");
        })
    });
    let report = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&report), [Acted, Halted]);
    let why = report.items[1].steps[0].reason.as_deref().unwrap_or_default();
    assert!(why.ends_with("too short a while ago"), "{why}");
    house.clock.advance(SignedDuration::from_mins(10));
    assert_eq!(outcomes(&house.run(&playbook(ISOLATE)).await), [Acted]);
    assert_eq!(house.applied(), ["unisolate 1", "isolate 0", "isolate 1"]);
}

#[tokio::test]
async fn the_opposite_of_what_is_in_doubt_waits_for_a_persons_word() {
    let house = House::with_rows(1).await;
    fault(
        &house,
        &json!({"match": "POST /mde/api/machines/*/isolate", "reset": true, "apply": "before", "times": 1}),
    );
    assert_eq!(states(&house.run(&playbook(ISOLATE)).await), [StepState::Parked]);
    house.clock.advance(SignedDuration::from_hours(48));
    assert_eq!(outcomes(&house.run(&release()).await), [Halted]);
    let parked = house.engine.store.parked().await.unwrap().remove(0);
    let said = (Word::Done, "seen".to_owned());
    Store::resolve(&house.journal(), house.shared_clock(), &parked.key, said).await.unwrap();
    assert_eq!(outcomes(&house.run(&release()).await), [Acted]);
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0"]);
}

#[tokio::test]
async fn row_33_a_user_is_not_disabled_twice_in_doubt_and_the_tenant_is_asked_instead() {
    let lost = |apply: &str| json!({"match": "PATCH /graph/v1.0/users/*", "status": 503, "retryAfter": 1, "apply": apply, "times": 1});
    let house = House::with_rows(1).await;
    fault(&house, &lost("before"));
    let report = house.run(&playbook(DISABLE)).await;
    assert_eq!(states(&report), [StepState::Done]);
    assert!(why(&report).contains("the tenant shows it in force"), "{}", why(&report));
    assert_eq!(house.applied().len(), 1);

    let house = House::with_rows(1).await;
    fault(&house, &lost("not"));
    let report = house.run(&playbook(DISABLE)).await;
    assert_eq!(states(&report), [StepState::Parked], "it may come into force yet");
    assert_eq!(house.applied(), Vec::<String>::new());
}

#[tokio::test]
async fn row_34_a_clock_that_is_wrong_keeps_from_what_disrupts_until_it_is_set() {
    const TAG: &str = "actions:\n  - tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}\n";
    for (minutes, says) in [(30, "30m ahead of the tenant's"), (-6, "6m behind the tenant's")] {
        let mut house = House::with_rows(1).await;
        let wrong = house.clock.now() + SignedDuration::from_mins(minutes);
        house.goes_ahead(SignedDuration::from_mins(minutes.max(0)));
        house.clock = ManualClock::new(wrong);
        let house = house.restart().await.watched();
        let report = house.run(&playbook(ISOLATE)).await;
        assert_eq!(outcomes(&report), [Halted]);
        assert!(why(&report).contains(says), "{}", why(&report));
        let told = house.alerts().await;
        let [(title, text)] = told.as_slice() else { panic!("once: {told:?}") };
        assert!(title == "Test: halted with 1 item undone" && text.contains(says), "{title}: {text}");
        assert_eq!(outcomes(&house.run(&playbook(TAG).replace("8e77", "8e78")).await), [Acted]);
        assert_eq!(house.applied(), ["addTag 0"], "what disrupts nobody is done");

        house.clock.jump(SignedDuration::from_mins(-minutes));
        let report = house.run(&playbook(ISOLATE)).await;
        assert_eq!(outcomes(&report), [Acted], "{}", why(&report));
    }
}

#[tokio::test]
async fn row_34_what_is_due_by_a_clock_that_is_wrong_is_not_taken_back_and_is_no_later_for_it() {
    let mut house = House::isolated("revertAfter: 4h").await;
    let theirs = house.clock.clone();
    // Later than a device is left alone by the opposite.
    theirs.advance(SignedDuration::from_mins(11));
    house.clock = ManualClock::new(theirs.now());
    let house = house.restart().await;
    house.clock.jump(SignedDuration::from_hours(72));
    let mut looks = Vec::new();
    for _look in 0..3 {
        house.take_back().await;
        looks.push(house.stands().await);
        house.clock.advance(SignedDuration::from_secs(30));
        theirs.advance(SignedDuration::from_secs(30));
    }
    assert_eq!(looks[0], looks[2], "it is written down once");
    let [stands] = house.stands().await.try_into().expect("one");
    assert!(stands.reason.as_deref().is_some_and(|why| why.contains("clock")), "{stands:?}");
    assert_eq!(house.applied(), ["isolate 0"]);
    house.clock.jump(SignedDuration::from_hours(-72));
    for clock in [&house.clock, &theirs] {
        clock.advance(SignedDuration::from_hours(5));
    }
    house.take_back().await;
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0"]);
}

#[tokio::test]
async fn a_clock_that_differs_by_less_than_the_authority_allows_is_no_matter() {
    let mut house = House::with_rows(1).await;
    house.goes_ahead(SignedDuration::from_mins(5));
    house.clock = ManualClock::new(house.clock.now() + SignedDuration::from_mins(5));
    assert_eq!(outcomes(&house.restart().await.run(&playbook(ISOLATE)).await), [Acted]);
}
