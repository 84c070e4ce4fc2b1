//! A list that protects is kept with the playbooks: whatever becomes of its file while nobody runs, what it protected stays
//! so after a death.

use std::fs;

use crate::daemon::{serve, until};
use crate::world::{World, device, matches};
use crate::{check_journal, finish};

/// Devices that turn up before each start; of each four the second is protected.
const FOUR: usize = 4;

fn isolated(world: &World, number: usize) -> bool {
    world.sim.effects().iter().any(|effect| effect.effect == "isolate" && effect.target == device(number))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_and_no_broken_file_takes_the_protection_of_a_list_away() {
    let world = World::start().await;
    let settings = fs::read_to_string(world.path("huntbook.yaml")).expect("it is there");
    let settings =
        settings.replace("  maxCrashes: 1000\n", "  maxCrashes: 1000\n  exclude: {devices: vip}\n");
    fs::write(world.path("huntbook.yaml"), settings).expect("the folder is ours");
    fs::create_dir(world.path("lists")).expect("the folder is ours");
    let list: String = (0..3).map(|four| device(four * FOUR + 1) + "\n").collect();
    let file = world.path("lists/vip.txt");
    fs::write(&file, &list).expect("the folder is ours");
    let breaks: [(&str, &dyn Fn()); 3] = [
        ("whole", &|| {}),
        ("half", &|| fs::write(&file, b"\xff\xfe").expect("the folder is ours")),
        ("gone", &|| fs::remove_file(&file).expect("the folder is ours")),
    ];
    for (how, spoil) in breaks {
        spoil();
        world.fleet.grow(FOUR);
        let child = serve(&world, None).await;
        let wanted = |number: usize| matches(number) && number % FOUR != 1;
        let all = || {
            (0..world.fleet.shown()).filter(|number| wanted(*number)).all(|number| isolated(&world, number))
        };
        until(&world, how, async || all()).await;
        child.kill();
    }
    // The runs that were cut off are taken up before the end.
    let child = serve(&world, None).await;
    child.terminate();
    assert!(child.wait(&world).await.success(), "{}", world.log_tail());
    let hit: Vec<usize> =
        (0..world.fleet.shown()).filter(|number| number % FOUR == 1 && isolated(&world, *number)).collect();
    assert_eq!(hit, Vec::<usize>::new(), "protected devices that were isolated");
    fs::write(&file, &list).expect("the folder is ours");
    finish(&world).await;
    check_journal(&world).await;
}
