//! The first rows of the failure table, one death each: before an intent, after it, after the answer, after the result.

use crate::world::{World, device};
use crate::{check_journal, dies_at, finish, settle};
use huntbook::store::Store;

/// The device that the playbook acts on; the one before it does not match.
const MATCHES: usize = 1;

/// A world with one device to act on, in which huntbook died at a point.
async fn died_at(point: &str) -> World {
    let world = World::start().await;
    world.fleet.grow(MATCHES + 1);
    dies_at(point, &["run", "Contain"], &world).await;
    world
}

/// How often the device was isolated, by the tenant's own log.
fn isolations(world: &World) -> usize {
    let is_isolation =
        |effect: &&huntbook::sim::EffectEntry| effect.effect == "isolate" && effect.target == device(MATCHES);
    world.sim.effects().iter().filter(is_isolation).count()
}

/// The actions in doubt.
async fn parked(world: &World) -> Vec<String> {
    let store = Store::open_reader(&world.path("huntbook.db")).await.expect("the journal opens");
    let parked = store.parked().await.expect("the journal can be read");
    store.close().await;
    parked.into_iter().map(|effect| effect.action).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_01_killed_before_the_intent_it_acts_once_after_the_restart() {
    for point in ["c05_batch_fetched", "c06_batch_journalled", "c07_plan_built", "c08_before_intent"] {
        let world = died_at(point).await;
        assert_eq!(isolations(&world), 0, "{point}");
        settle(&world).await;
        settle(&world).await;
        assert_eq!((isolations(&world), parked(&world).await), (1, Vec::new()), "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_02_killed_between_intent_and_request_it_is_in_doubt_and_not_repeated() {
    for point in ["c09_after_intent_commit", "c10_before_send"] {
        let world = died_at(point).await;
        for _run in 0..2 {
            world.spawn(&["run", "Contain"], None).wait(&world).await;
        }
        assert_eq!(
            (isolations(&world), parked(&world).await),
            (0, vec!["isolateDevice".to_owned()]),
            "{point}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_04_killed_between_answer_and_record_it_is_in_doubt_and_not_repeated() {
    let world = died_at("c14_response_parsed").await;
    for _run in 0..2 {
        world.spawn(&["run", "Contain"], None).wait(&world).await;
    }
    assert_eq!((isolations(&world), parked(&world).await), (1, vec!["isolateDevice".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_05_killed_after_the_record_the_rest_is_done_and_people_are_told() {
    for point in ["c15_after_result_commit", "c16_before_outbox", "c17_after_outbox", "c27_notify_sent"] {
        let world = died_at(point).await;
        finish(&world).await;
        assert_eq!((isolations(&world), parked(&world).await), (1, Vec::new()), "{point}");
        let told: String = world.sim.messages().into_iter().map(|message| message.body).collect();
        assert!(told.contains(&format!("{} acted", device(MATCHES))), "{point}: {told}");
        check_journal(&world).await;
    }
}
