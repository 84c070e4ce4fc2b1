//! A playbook has a budget for the day, and its process dies again and again around a call: what is in doubt
//! counts as used, so that the tenant never sees more than the budget.

use crate::history::Rules;
use crate::world::{ID, PLAYBOOK, World};
use crate::{Toll, check_journal_by};

/// Actions that are allowed, one for each device.
const BUDGET: usize = 4;

/// Where the process dies, each time with a device that is new.
const POINTS: &[&str] =
    &["c09_after_intent_commit", "c10_before_send", "c14_response_parsed", "c15_after_result_commit"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_makes_the_budget_of_a_day_larger() {
    let world = World::start().await;
    let mut toll = Toll::default();
    let (isolate, rest) = PLAYBOOK.split_once("  - id: block").expect("it blocks after that");
    let (_others, tell) = rest.split_once("notify:").expect("it tells");
    let limited = isolate.replace("perDay: 100000", &format!("perDay: {BUDGET}"));
    world.edit(&format!("{limited}notify:{tell}"));
    for point in POINTS.iter().chain(POINTS) {
        world.fleet.grow(1);
        let status = world.spawn(&["run", "Contain"], Some(point)).wait(&world).await;
        if status.code().is_none() {
            toll.count(&world).await;
        }
    }
    assert!(
        3 <= toll.kills && 2 <= toll.in_flight,
        "too few kills hit a call: {toll:?}\n{}",
        world.log_tail()
    );
    for _run in 0..3 {
        world.fleet.grow(1);
        world.spawn(&["run", "Contain"], None).wait(&world).await;
    }
    let done = world.sim.effects().len();
    assert!((1..=BUDGET).contains(&done), "{done} actions in a day that has {BUDGET}");
    let caps = [(ID.to_owned(), (usize::MAX, BUDGET))].into();
    check_journal_by(&world, &Rules { caps, ..Rules::default() }).await;
}
