//! How late a tenant's list is with what it accepted: measured, told, and nothing believed of a list that is too late.

use huntbook::clock::Clock as _;
use huntbook::engine::{Doubts, StepState};
use huntbook::sim::{Fault, Reach};
use huntbook::store::{Effect, EffectState, ListLag};
use jiff::SignedDuration;
use serde_json::json;

use crate::{House, ISOLATE, playbook, states};

/// Two devices: the isolation of the one got lost on its way, that of the other was accepted.
struct Two {
    house: House,
    doubts: Doubts,
}

impl Two {
    async fn start() -> Self {
        let house = House::with(2, |_options| {}).await.watched();
        let lost = Fault { reset: true, times: Some(1), ..Fault::on("POST /mde/api/machines/*/isolate") };
        house.sim.set_faults(vec![lost]).expect("a sound fault");
        assert_eq!(states(&house.run(&playbook(ISOLATE)).await), [StepState::Parked, StepState::Accepted]);
        Self { house, doubts: Doubts::default() }
    }

    /// From now on the list shows nothing this many times.
    fn shows_nothing(&self, times: u32) {
        let fault = Fault {
            status: Some(200),
            body: Some(json!({"value": []})),
            times: Some(times),
            ..Fault::on("GET /mde/api/machineactions")
        };
        self.house.sim.set_faults(vec![fault]).expect("a sound fault");
    }

    /// Looks at the tenant as `serve` does, once a minute for so many minutes; returns what is in doubt no more.
    async fn minutes(&mut self, minutes: u32) -> Vec<EffectState> {
        let mut settled: Vec<Effect> = Vec::new();
        for _minute in 0..minutes {
            settled.extend(
                self.house.engine.look_into("contoso", &mut self.doubts).await.expect("the journal is fine"),
            );
            self.house.engine.follow_up().await.expect("the journal is fine");
            self.house.clock.advance(SignedDuration::from_mins(1));
        }
        settled.into_iter().map(|effect| effect.state).collect()
    }

    async fn lag(&self) -> Option<ListLag> {
        let lags = self.house.engine.store.list_lags(self.house.clock.now()).await.expect("it can be read");
        lags.into_values().next()
    }

    async fn titles(&self) -> Vec<String> {
        let told = self.house.alerts().await.into_iter().map(|(title, _text)| title);
        told.filter(|title| title.contains("list")).collect()
    }
}

#[tokio::test]
async fn row_08_what_a_list_does_not_show_is_not_believed_after_it_was_later_than_reckoned_with() {
    let mut two = Two::start().await;
    two.shows_nothing(5);
    assert_eq!(two.minutes(5).await, []);
    let lag = two.lag().await.expect("it was measured");
    assert_eq!((lag.at_least_ms, lag.at_most_ms, lag.is_late()), (240_000, None, true));
    assert_eq!(
        two.titles().await,
        ["contoso: the list of actions is slow", "contoso: the list of actions is late"]
    );
    assert_eq!(two.minutes(1).await, []);
    let lag = two.lag().await.expect("it was measured");
    assert_eq!((lag.at_least_ms, lag.at_most_ms), (240_000, Some(300_000)), "then it was shown");
    assert_eq!(two.minutes(10).await, [], "it may be there and not shown");
    let mut two = Two { house: two.house.restart().await.watched(), doubts: Doubts::default() };
    assert_eq!(two.minutes(15).await, [], "the next process knows it, too");
    assert_eq!(two.house.engine.store.parked().await.unwrap().len(), 1, "people say what became of it");
    two.house.clock.advance(SignedDuration::from_hours(8 * 24));
    assert_eq!(two.lag().await, None, "a week later it is forgotten");
    assert_eq!(two.titles().await.len(), 2, "each is told once");
}

#[tokio::test]
async fn a_list_that_is_slower_than_usual_and_not_too_late_is_told_and_believed() {
    let mut two = Two::start().await;
    two.shows_nothing(3);
    assert_eq!(two.minutes(3).await, []);
    let lag = two.lag().await.expect("it was measured");
    assert_eq!((lag.at_least_ms, lag.is_slow(), lag.is_late()), (120_000, true, false));
    assert_eq!(two.titles().await, ["contoso: the list of actions is slow"]);
    assert_eq!(two.minutes(10).await, [EffectState::NotApplied]);
}

#[tokio::test]
async fn a_list_that_is_a_minute_behind_is_as_usual_and_not_told() {
    let mut two = Two::start().await;
    two.shows_nothing(2);
    assert_eq!(two.minutes(2).await, []);
    let lag = two.lag().await.expect("it was measured");
    assert_eq!((lag.at_least_ms, lag.at_most_ms, lag.is_slow()), (60_000, None, false));
    assert_eq!(two.titles().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_a_list_shows_at_once_is_noted_and_not_asked_for_again() {
    let mut two = Two::start().await;
    assert_eq!(two.minutes(1).await, []);
    let lag = two.lag().await.expect("it was measured");
    assert_eq!((lag.at_least_ms, lag.at_most_ms, lag.is_slow()), (0, Some(0), false));
    // Nobody would be told of it if it were looked for again.
    two.shows_nothing(8);
    assert_eq!(two.minutes(9).await, []);
    assert_eq!((two.lag().await, two.titles().await.len()), (Some(lag), 0));
}

#[tokio::test]
async fn of_many_that_were_accepted_each_has_its_turn() {
    // One more than are watched in a pass.
    let house = House::build().await;
    let scan = "actions:\n  - runAntivirusScan: {device: \"{{row.DeviceId}}\", comment: test}\n";
    // Without identity every row is news.
    let text = playbook(scan).replace("  identity: [DeviceId]\n", "");
    for _run in 0..2 {
        assert_eq!(states(&house.run(&text).await), [StepState::Accepted; 3]);
        house.clock.advance(SignedDuration::from_secs(1));
    }
    let mut six = Two { house, doubts: Doubts::default() };
    six.shows_nothing(100);
    let asked = |house: &House| -> Vec<String> {
        let all = house.sim.requests().into_iter();
        let lists =
            all.filter(|one| one.path.ends_with("/machineactions") && one.query.contains("machineId"));
        lists.map(|one| one.query).collect()
    };
    let before = asked(&six.house).len();
    assert_eq!(six.minutes(1).await, []);
    let first = asked(&six.house).split_off(before);
    assert_eq!(first.len(), 5, "{first:?}");
    assert_eq!(six.minutes(1).await, []);
    let second = asked(&six.house).split_off(before + 5);
    assert_eq!(
        second.iter().filter(|query| !first.contains(query)).count(),
        1,
        "the one that was left: {second:?}"
    );
}

#[tokio::test]
async fn what_was_accepted_long_before_this_process_is_not_measured() {
    let house = House::with_reach(1, Reach::Offline).await;
    assert_eq!(states(&house.run(&playbook(ISOLATE)).await), [StepState::Accepted]);
    house.clock.advance(SignedDuration::from_mins(11));
    let mut late = Two { house: house.restart().await, doubts: Doubts::default() };
    late.shows_nothing(100);
    assert_eq!(late.minutes(9).await, []);
    assert_eq!(late.lag().await, None);
}
