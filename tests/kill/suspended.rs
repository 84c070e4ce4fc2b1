//! The machine sleeps between an intent and its request: the process is stopped there (SIGSTOP) for longer than an action
//! may wait, and goes on. What is late by then is not sent, and is done once later.

use std::fs;
use std::time::Duration;

use huntbook::store::{EffectState, Store};
use tokio::time::sleep;

use crate::daemon::until;
use crate::history::Journal;
use crate::process::Process;
use crate::world::World;
use crate::{NEW_DEVICES, Toll, check_journal, check_tenant, finish};

/// Where the process sleeps.
const POINTS: [&str; 3] = ["c09_after_intent_commit", "c10_before_send", "c11_let_pass:3"];
/// A little longer than an action may wait between its intent and its request.
const SLEEP: Duration = Duration::from_secs(31);

/// Whether a process is stopped, all threads of it.
fn is_stopped(child: &Process) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_name, state)| state.starts_with('T'))
}

async fn asleep_at(point: &str) {
    let world = World::start().await;
    world.fleet.grow(NEW_DEVICES);
    let environment = [("HUNTBOOK_CRASH_POINT", point), ("HUNTBOOK_SUSPENDS", "1")];
    let child = world.spawn_with(&["run", "Contain"], &environment);
    until(&world, "the process sleeps", async || is_stopped(&child)).await;
    sleep(SLEEP).await;
    assert_eq!(world.sim.effects(), [], "{point}: nothing has left yet");
    child.signal("CONT");
    child.wait(&world).await;

    let store = Store::open_reader(&world.path("huntbook.db")).await.expect("the journal opens");
    let journal = Journal::read(&store).await;
    store.close().await;
    let is_late = |detail: &str| detail.contains("have passed since it was decided");
    let late: Vec<_> = journal.effects.iter().filter(|event| is_late(&event.detail)).collect();
    let [late] = late[..] else { panic!("{point}: {late:?}\n{}", world.log_tail()) };
    assert_eq!(
        (late.state, late.attempt),
        (EffectState::NotApplied, 1),
        "{point}: it is proven not to be done"
    );
    let sent = |attempt: u32| {
        let mark = format!("[hb:1:{}:{attempt}:", late.key);
        let marked = |comment: &String| comment.starts_with(&mark);
        world.sim.effects().iter().filter(|effect| effect.comment.as_ref().is_some_and(marked)).count()
    };
    assert_eq!(sent(1), 0, "{point}: what was late has left");

    finish(&world).await;
    check_tenant(&world, &Toll::default()).await;
    check_journal(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_38_what_is_late_when_the_machine_wakes_is_not_sent_and_is_done_once_later() {
    let [first, second, third] = POINTS;
    tokio::join!(Box::pin(asleep_at(first)), Box::pin(asleep_at(second)), Box::pin(asleep_at(third)));
}
