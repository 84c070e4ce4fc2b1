//! Somebody stops actions after a run has died: what it left is not begun, and comes back when they are resumed.

use std::sync::Arc;

use huntbook::clock::SystemClock;
use huntbook::store::{StopWord, Store};

use crate::world::World;
use crate::{NEW_DEVICES, Toll, check_journal, check_tenant, dies_at, finish};

/// Where `huntbook stop` dies when its word is on disk.
pub(crate) const STOP_DIES: &str = "c33_stop_written";
/// Where a run dies before it has sent anything.
const POINTS: &[&str] = &["c06_batch_journalled", "c07_plan_built", "c08_before_intent"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_makes_a_stop_forgotten() {
    let world = World::start().await;
    let mut toll = Toll::default();
    let word = StopWord {
        tenant: None,
        playbook: None,
        reason: None,
        account: "duty".to_owned(),
        uid: Some(4001),
        way: None,
    };
    let journal = world.path("huntbook.db");
    for point in POINTS {
        world.fleet.grow(NEW_DEVICES);
        dies_at(point, &["run", "Contain"], &world).await;
        toll.count(&world).await;
        dies_at(STOP_DIES, &["stop"], &world).await;
        let before = world.sim.effects();
        world.spawn(&["run", "Contain"], None).wait(&world).await;
        assert_eq!(world.sim.effects(), before, "after {point}\n{}", world.log_tail());
        Store::resume(&journal, Arc::new(SystemClock), &word).await.unwrap();
    }
    finish(&world).await;
    check_tenant(&world, &toll).await;
    check_journal(&world).await;
}
