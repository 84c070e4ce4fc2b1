//! A process dies while it gives a run up: the next one does, and what the run left is news.

use std::fs;

use huntbook::store::Store;

use crate::daemon::{serve, until};
use crate::world::{PLAYBOOK, World};
use crate::{check_journal, dies_at, finish, settle};

/// Where the daemon dies that gives a run up.
pub(crate) const GIVES_UP: &str = "c38_giving_up";

/// How often the tenant isolated something.
fn isolations(world: &World) -> usize {
    world.sim.effects().iter().filter(|done| done.effect == "isolate").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_while_a_run_is_given_up_loses_what_it_left() {
    let world = World::start().await;
    world.fleet.grow(2);
    dies_at("c07_plan_built", &["run", "Contain"], &world).await;
    let path = world.path("huntbook.yaml");
    let settings = fs::read_to_string(&path).expect("it is ours");
    // Its tenant is called otherwise for a while, and nothing is done there.
    fs::write(&path, settings.replacen("  contoso:", "  fabrikam:", 1)).expect("it is ours");
    world.edit(&PLAYBOOK.replace("mode: enforce", "mode: observe"));
    dies_at(GIVES_UP, &["serve"], &world).await;
    let child = serve(&world, None).await;
    until(&world, "it is given up", async || {
        let store = Store::open_reader(&world.path("huntbook.db")).await.expect("the journal opens");
        let left = store.unfinished().await.expect("the journal can be read");
        store.close().await;
        !left.iter().any(|left| left.run.tenant == "contoso")
    })
    .await;
    child.terminate();
    assert!(child.wait(&world).await.success(), "{}", world.log_tail());
    assert_eq!(isolations(&world), 0);
    let told: String = world.sim.messages().into_iter().map(|message| message.body).collect();
    assert!(!told.contains("acted"), "{told}");

    fs::write(&path, settings).expect("it is ours");
    world.edit(PLAYBOOK);
    settle(&world).await;
    finish(&world).await;
    assert_eq!(isolations(&world), 1, "what it left is news");
    check_journal(&world).await;
}
