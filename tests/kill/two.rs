//! Two processes on one journal, a hundred times, started and killed at random: never two that act.

use tokio::time::sleep;

use crate::world::World;
use crate::{Dice, NEW_DEVICES, Toll, check_journal, check_tenant, finish, settle, tell};

const ROUNDS: u32 = 100;
/// What the one says that comes second.
const LOCKED: &str = "belongs to a running huntbook";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_45_two_processes_on_one_journal_a_hundred_times_never_act_both() {
    let world = World::start().await;
    let (mut toll, mut dice) = (Toll::default(), Dice(0x2545_f491_4f6c_dd1d));
    world.fleet.grow(NEW_DEVICES);
    let length = settle(&world).await;
    for _round in 0..ROUNDS {
        world.fleet.grow(NEW_DEVICES);
        let mut pair = Vec::new();
        for _process in 0..2 {
            let serves = dice.roll() < 0.3;
            let arguments: &[&str] = if serves { &["serve"] } else { &["run", "Contain"] };
            pair.push((serves, world.spawn(arguments, None)));
            sleep(length.mul_f64(0.6 * dice.roll())).await;
        }
        for (serves, child) in pair {
            if serves || dice.roll() < 0.3 {
                sleep(length.mul_f64(0.4 * dice.roll())).await;
                child.kill();
                toll.count(&world).await;
            } else {
                child.wait(&world).await;
            }
        }
    }
    finish(&world).await;
    let refused = world.log().matches(LOCKED).count();
    tell(&format!("{refused} came second: {toll:?}"));
    assert!(20 <= refused, "too few came second: {refused}\n{}", world.log_tail());
    check_tenant(&world, &toll).await;
    check_journal(&world).await;
}
