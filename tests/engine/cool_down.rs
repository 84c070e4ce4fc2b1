//! A target that had an action is left alone by the same action for a while, longer if people have taken it back.

use huntbook::engine::ItemOutcome::{Acted, Halted};
use huntbook::engine::StepState::{Accepted, AlreadyInForce, Done};
use huntbook::engine::{Report, StepState};
use huntbook::tenant::Operation;
use jiff::SignedDuration;

use crate::late::why;
use crate::{House, ISOLATE, outcomes, playbook, states};

const RELEASE: &str = "actions:\n  - releaseDevice: {device: \"{{row.DeviceId}}\", comment: test}\n";
const DISABLE: &str = "actions:\n  - disableUser: {user: \"{{row.User}}\"}\n";

impl House {
    /// A run of a playbook to which every row is news; what it asks for takes effect after it.
    async fn again(&self, rest: &str) -> Report {
        let report = self.run(&playbook(rest).replace("  identity: [DeviceId]\n", "")).await;
        self.pass(SignedDuration::from_mins(1)).await;
        report
    }

    /// Time passes, and what the tenant has done by then is noted.
    async fn pass(&self, time: SignedDuration) {
        self.clock.advance(time);
        self.engine.follow_up().await.expect("the tenant answers");
    }

    async fn by_hand(&self, operation: Operation) {
        self.somebody_does(&operation).await;
        self.clock.advance(SignedDuration::from_secs(5));
    }
}

fn release(device: &str) -> Operation {
    Operation::ReleaseDevice { device: device.parse().expect("an id"), comment: "it is clean".to_owned() }
}

#[track_caller]
fn check(report: &Report, step: StepState) {
    assert_eq!(states(report), [step], "{report:#?}");
}

#[tokio::test]
async fn what_people_took_back_is_left_alone_for_a_week() {
    let house = House::with_rows(1).await;
    check(&house.again(ISOLATE).await, Accepted);
    house.by_hand(release(&house.devices[0])).await;
    for hours in [1, 24, 100] {
        let held = house.again(ISOLATE).await;
        let expect = "it was done at 2026-03-01T12:00:00Z, and people have taken it back: the target is left alone \
                      until 2026-03-08T12:00:00Z";
        assert_eq!((outcomes(&held), why(&held)), (vec![Halted], expect), "after {hours} h");
        house.pass(SignedDuration::from_hours(hours)).await;
    }
    house.pass(SignedDuration::from_hours(7 * 24)).await;
    check(&house.again(ISOLATE).await, Accepted);
    assert_eq!(house.applied(), ["isolate 0", "unisolate 0", "isolate 0"]);
}

#[tokio::test]
async fn what_huntbook_took_back_itself_is_left_alone_for_a_day() {
    let house = House::with_rows(1).await;
    let first = house.again(ISOLATE).await;
    house.pass(SignedDuration::from_mins(30)).await;
    check(&house.again(RELEASE).await, Accepted);
    house.pass(SignedDuration::from_mins(30)).await;
    let held = house.again(ISOLATE).await;
    let expect = format!(
        "run {} had it at 2026-03-01T12:00:00Z: the target is left alone until 2026-03-02T12:00:00Z",
        first.run
    );
    assert_eq!((outcomes(&held), why(&held)), (vec![Halted], expect.as_str()));
    // What gives something back does not wait.
    check(&house.again(RELEASE).await, Accepted);
    house.pass(SignedDuration::from_hours(23)).await;
    check(&house.again(ISOLATE).await, Accepted);
}

#[tokio::test]
async fn a_playbook_may_leave_a_target_alone_for_longer() {
    let house = House::with_rows(1).await;
    let patient = format!("guards: {{coolDown: 3d}}\n{ISOLATE}");
    house.again(&patient).await;
    house.pass(SignedDuration::from_mins(30)).await;
    check(&house.again(RELEASE).await, Accepted);
    house.pass(SignedDuration::from_hours(48)).await;
    let held = house.again(&patient).await;
    assert!(why(&held).ends_with("left alone until 2026-03-04T12:00:00Z"), "{}", why(&held));
    assert_eq!(outcomes(&held), [Halted]);
    check(&house.again(ISOLATE).await, Accepted);
}

#[tokio::test]
async fn what_is_still_in_force_is_not_called_cooling_down() {
    let house = House::with_rows(1).await;
    for (rest, first) in [(ISOLATE, Accepted), (DISABLE, Done)] {
        check(&house.again(rest).await, first);
        check(&house.again(rest).await, AlreadyInForce);
    }
    assert_eq!(house.applied().len(), 2, "{:?}", house.applied());
}

#[tokio::test]
async fn one_user_under_two_names_is_one_target() {
    const ENABLE: &str = "actions:\n  - enableUser: {user: 0F3A6C1E-1111-4d2b-9a40-6f1c0de10001}\n";
    let house = House::with_rows(1).await;
    check(&house.again(DISABLE).await, Done);
    let held = house.again(ENABLE).await;
    assert!(
        why(&held).ends_with("had disableUser at 2026-03-01T12:00:00Z, less than ten minutes ago"),
        "{held:#?}"
    );
    house.pass(SignedDuration::from_mins(10)).await;
    check(&house.again(ENABLE).await, Done);
    let held = house.again(DISABLE).await;
    assert!(why(&held).contains("had enableUser at"), "{held:#?}");
    assert_eq!(house.applied().len(), 2, "{:?}", house.applied());
}

#[tokio::test]
async fn the_settings_may_say_that_nothing_cools_down() {
    let mut house = House::with_rows(1).await;
    house.ceilings.cool_down = Some(SignedDuration::ZERO);
    house.history.rules.lock().unwrap().cool_down = Some(SignedDuration::ZERO);
    assert_eq!(outcomes(&house.again(ISOLATE).await), [Acted]);
    house.by_hand(release(&house.devices[0])).await;
    assert_eq!(outcomes(&house.again(ISOLATE).await), [Acted]);
}

#[tokio::test]
async fn a_release_is_not_stopped_by_what_isolations_have_used_up() {
    let house = House::build().await;
    let guards = "guards: {maxActions: {perRun: 3, perDay: 3}}\n";
    assert_eq!(house.again(&format!("{guards}{ISOLATE}")).await.counts.acted, 3);
    house.pass(SignedDuration::from_mins(20)).await;
    let report = house.again(&format!("{guards}{RELEASE}")).await;
    assert_eq!(report.counts.acted, 3, "{report:?}");
}

#[tokio::test]
async fn what_is_done_to_one_file_keeps_from_no_other_of_the_device() {
    let house = House::with_rows(1).await;
    for sha1 in ["a".repeat(40), "b".repeat(40)] {
        let stop = format!(
            "stopAndQuarantineFile: {{device: \"{{{{row.DeviceId}}}}\", sha1: {sha1}, comment: test}}"
        );
        check(&house.again(&format!("actions:\n  - {stop}\n")).await, Accepted);
    }
    assert_eq!(house.applied().len(), 2, "{:?}", house.applied());
}

#[tokio::test]
async fn an_indicator_is_no_target_that_is_left_alone() {
    let house = House::with_rows(1).await;
    let block = |title: &str| {
        format!(
            "actions:\n  - addIndicator: {{indicatorValue: evil.example, indicatorType: domainName, action: block, title: {title}, \
             description: d, expiresIn: 30d}}\n"
        )
    };
    for title in ["first", "second"] {
        check(&house.again(&block(title)).await, Done);
    }
    assert_eq!(house.applied().len(), 2, "{:?}", house.applied());
}
