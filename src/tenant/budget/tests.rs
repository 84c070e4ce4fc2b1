use super::*;
use crate::clock::ManualClock;
use crate::http::Open;

const START: &str = "2026-01-10T12:00:00Z";

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
static ONE: Quota = Quota { windows: &[Window { calls: 1, per: MINUTE }], source: "this test" };
static MANY: Quota = Quota { windows: &[Window { calls: 100, per: MINUTE }], source: "this test" };
const GROUP: Group = Group { api: Audience::Graph, name: "hunting", quota: &ONE };

fn playbook(number: u128) -> PlaybookId {
    PlaybookId(uuid::Uuid::from_u128(number))
}

fn seconds(from: Timestamp, seconds: i64) -> Timestamp {
    from.saturating_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// Asks for a turn at a moment, as one that came just then.
fn try_now(account: &mut Account, now: Timestamp) -> Turn {
    account.enter(u64::MAX, (Lane::Hunting, None));
    let turn = account.ask(u64::MAX, now);
    account.leave(u64::MAX);
    turn
}

#[test]
fn no_window_ever_holds_more_calls_than_are_allowed() {
    let start: Timestamp = START.parse().unwrap();
    let windows = [
        Window { calls: 3, per: SignedDuration::from_secs(10) },
        Window { calls: 5, per: SignedDuration::from_secs(60) },
    ];
    let quota = Quota { windows: Box::leak(Box::new(windows)), source: "this test" };
    let mut account = Account::new(&quota);
    let mut made = Vec::new();
    for second in 0..200 {
        while try_now(&mut account, seconds(start, second)) == Turn::Go {
            made.push(second);
        }
    }
    for Window { calls, per } in windows {
        let within = |from: i64| made.iter().filter(|at| (from..from + per.as_secs()).contains(*at)).count();
        assert!((0..200).all(|from| within(from) <= usize::try_from(calls).unwrap()), "{made:?}");
    }
    assert_eq!(made.into_iter().take(8).collect::<Vec<_>>(), [0, 0, 0, 10, 10, 60, 60, 60]);
}

#[test]
fn lanes_go_first_and_playbooks_of_a_lane_take_turns() {
    let now: Timestamp = START.parse().unwrap();
    let mut account = Account::new(&MANY);
    let line = [
        (1, (Lane::Hunting, Some(playbook(1)))),
        (2, (Lane::Hunting, Some(playbook(1)))),
        (3, (Lane::Hunting, Some(playbook(1)))),
        (4, (Lane::Hunting, Some(playbook(2)))),
        (5, (Lane::Triage, Some(playbook(3)))),
        (6, (Lane::Response, Some(playbook(1)))),
        (7, (Lane::Reconcile, None)),
    ];
    for (ticket, who) in line {
        account.enter(ticket, who);
    }
    let mut order = Vec::new();
    while order.len() < line.len() {
        let next = (1..=7).find(|ticket| account.ask(*ticket, now) == Turn::Go).unwrap();
        order.push(next);
    }
    // Playbook 1 had the turn of the response, so playbook 2 hunts first.
    assert_eq!(order, [6, 7, 5, 4, 1, 2, 3]);
}

#[test]
fn a_refusal_closes_for_what_it_says_and_longer_each_time_if_it_says_nothing() {
    let start: Timestamp = START.parse().unwrap();
    let mut account = Account::new(&ONE);
    account.refused(Some(SignedDuration::from_secs(30)), Pause::Calls, start);
    assert_eq!(account.open_from(start).unwrap().0, seconds(start, 30));
    // A shorter word does not open what a longer one has closed.
    account.refused(Some(SignedDuration::from_secs(1)), Pause::Calls, start);
    assert_eq!(account.open_from(start).unwrap().0, seconds(start, 30));
    let later = seconds(start, 30);
    assert_eq!(account.open_from(later), None);
    account.taken();
    let mut waits = Vec::new();
    let mut now = later;
    for _ in 0..8 {
        account.refused(None, Pause::Calls, now);
        let until = account.open_from(now).unwrap().0;
        waits.push(now.duration_until(until).as_secs());
        now = until;
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 120, 120]);
    account.refused(Some(SignedDuration::from_hours(30)), Pause::Calls, now);
    assert_eq!(account.open_from(now).unwrap().0, seconds(now, 3600));
}

#[test]
fn a_clock_that_is_set_back_keeps_nobody_waiting() {
    let start: Timestamp = START.parse().unwrap();
    let mut account = Account::new(&ONE);
    assert_eq!(try_now(&mut account, start), Turn::Go);
    account.refused(Some(SignedDuration::from_secs(600)), Pause::Calls, start);
    account.cool(Some(playbook(1)), SignedDuration::from_mins(15), start);
    let back = seconds(start, -100_000);
    assert_eq!(account.open_for(Some(playbook(1)), back), None);
    assert_eq!(try_now(&mut account, back), Turn::Go);
}

#[test]
fn settings_only_tighten() {
    let group = Group::of(Audience::Graph, "runHuntingQuery", "ThreatHunting.Read.All");
    let minute = Window { calls: 45, per: SignedDuration::from_mins(1) };
    assert_eq!(group.quota.windows, [minute]);
    let tighter = |share, hunting_per_minute| most(Tighter { share, hunting_per_minute }, group, minute);
    assert_eq!(tighter(100, None), 45);
    assert_eq!(tighter(50, None), 22);
    assert_eq!(tighter(100, Some(30)), 30);
    assert_eq!(tighter(50, Some(30)), 22);
    let mut account = Account::new(group.quota);
    account.tighten(|_| 1000);
    account.tighten(|_| 0);
    let now = START.parse().unwrap();
    assert_eq!(try_now(&mut account, now), Turn::Go);
    assert_ne!(try_now(&mut account, now), Turn::Go);
}

#[test]
fn the_costs_of_a_query_are_told_apart_from_those_of_all() {
    let all = "The processing resources allocated to this tenant are used up. You can run queries again in 9 minutes.";
    assert_eq!(too_costly(all.as_bytes()), TooCostly::All);
    let one = "Query stopped due to excessive resource consumption.";
    assert_eq!(too_costly(one.as_bytes()), TooCostly::TheQuery);
    assert_eq!(too_costly(b"API calls quota exceeded! maximum allowed 45 per 00:01:00"), TooCostly::No);
}

/// Polls until the budget shows so many that wait.
async fn until_waiting(budget: &Budget, wanted: usize) {
    while budget.headroom().iter().map(|room| room.waiting).sum::<usize>() != wanted {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_call_waits_for_its_turn_and_is_seen_waiting() {
    let clock = ManualClock::new(START.parse().unwrap());
    let budget = Arc::new(Budget::new(Arc::new(clock.clone())));
    Queue::open(&budget, GROUP, (Lane::Hunting, None), &Open).pass().await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for (number, lane) in [(1, Lane::Hunting), (2, Lane::Response)] {
        let shared = Arc::clone(&budget);
        calls.spawn(async move {
            let passed = Queue::open(&shared, GROUP, (lane, Some(playbook(number))), &Open).pass().await;
            (number, passed)
        });
        until_waiting(&budget, calls.len()).await;
    }
    for next in [2, 1] {
        clock.advance(MINUTE);
        assert_eq!(calls.join_next().await.unwrap().unwrap(), (next, Ok(())));
    }
}

#[tokio::test]
async fn whoever_gives_up_makes_room_and_nobody_waits_past_the_end() {
    let clock = ManualClock::new(START.parse().unwrap());
    let budget = Arc::new(Budget::new(Arc::new(clock.clone())));
    Queue::open(&budget, GROUP, (Lane::Response, None), &Open).pass().await.unwrap();
    let mut first = Box::pin(async {
        Queue::open(&budget, GROUP, (Lane::Response, Some(playbook(1))), &Open).pass().await
    });
    let waits = futures_util::poll!(&mut first).is_pending();
    assert_eq!((waits, budget.headroom().first().unwrap().waiting), (true, 1));
    drop(first);
    assert_eq!(budget.headroom().first().unwrap().waiting, 0);

    budget
        .with(GROUP, |account, now| account.refused(Some(SignedDuration::from_mins(50)), Pause::Calls, now));
    let queue = Queue::open(&budget, GROUP, (Lane::Response, None), &Open);
    let why = queue.pass().await.unwrap_err();
    assert_eq!(
        why,
        "the budget of calls to Microsoft Graph (hunting) is used up until 2026-01-10T12:50:00Z: \
         the service takes no more calls"
    );
    assert!(queue.busy().is_some());
    assert!(budget.opened(GROUP, None).await.is_err());
}

#[test]
fn every_quota_has_a_source_and_falls_from_window_to_window() {
    let operations = ["isolateDevice", "runLiveResponse", "importIndicators", "runHuntingQuery", "tagDevice"];
    let mde = operations.map(|operation| Group::of(Audience::Mde, operation, ""));
    let roles = [
        "ThreatHunting.Read.All",
        "User.Read.All",
        "IdentityRiskyUser.ReadWrite.All",
        "SecurityAlert.Read.All",
    ];
    let graph = roles.map(|role| Group::of(Audience::Graph, "x", role));
    for group in mde.into_iter().chain(graph) {
        assert!(!group.quota.source.is_empty() && !group.quota.windows.is_empty(), "{group:?}");
    }
    assert_eq!(
        mde.map(|group| group.quota.to_string()),
        ["100/min, 1500/h", "10/min", "30/min", "45/min, 1500/h", "100/min, 1500/h"]
    );
    assert_eq!(graph.map(|group| group.quota.to_string()), ["45/min", "3000/150 s", "1/s", "150/min"]);
}
