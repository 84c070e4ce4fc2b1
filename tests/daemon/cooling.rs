//! A playbook whose queries cost too much is held back until they have cooled down, over a restart too.

use std::sync::atomic::Ordering;

use huntbook::sim::Fault;
use huntbook::tenant::Headroom;
use serde_json::json;

use crate::{MINUTE, PLAYBOOK, Place, Trap, instant, slots, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_schedule_waits_for_a_playbook_that_cools_down_over_a_restart() {
    let place = Place::at("2026-03-01T12:00:00Z").await;
    place.put("heavy", "cron: \"*/13 * * * *\"");
    let text = "Query stopped due to excessive resource consumption.";
    let body = json!({"error": {"code": "BadRequest", "message": text}});
    let costly = "POST /v1.0/security/runHuntingQuery";
    place
        .sim
        .set_faults(vec![Fault { status: Some(400), body: Some(body), times: Some(1), ..Fault::on(costly) }])
        .unwrap();
    let served = place.serve().await;
    let first = served.start_next(&place).await;
    assert_eq!((slots(&[first]), place.gate.asked()), (vec!["2026-03-01T12:13:00Z".to_owned()], 0));
    served.end().await.unwrap();

    // A cycle is a quarter of an hour: the slot at 12:26 comes before it is over.
    let trap = Trap::new(&place.clock, MINUTE * 2..=MINUTE * 2);
    let served = place.serve_by(trap.clone()).await;
    let left = served.store.headroom().await.unwrap();
    let rooms: Vec<Headroom> = serde_json::from_value(left["contoso"].rooms.clone()).unwrap();
    let cools = rooms.iter().find_map(|room| room.cooling.get(&PLAYBOOK.to_string())).copied();
    assert_eq!(cools, Some(instant("2026-03-01T12:28:00Z")), "{rooms:?}");
    place.clock.set(served.next());
    until("it to be held back", || trap.waits.load(Ordering::SeqCst) == 1).await;
    assert_eq!((served.runs().await.len(), place.gate.asked()), (1, 0), "nothing is asked meanwhile");
    place.clock.advance(MINUTE * 2);
    let runs = served.until_ended(2).await;
    assert_eq!(slots(&runs), ["2026-03-01T12:13:00Z", "2026-03-01T12:26:00Z"]);
    assert_eq!(runs[1].started, instant("2026-03-01T12:28:00Z"));
    assert_eq!(place.gate.asked(), 1);
    served.end().await.unwrap();
}
