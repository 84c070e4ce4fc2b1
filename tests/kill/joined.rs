//! A process dies around a call that carries many indicators: none is sent twice, and none is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use huntbook::store::Store;

use crate::check_journal;
use crate::world::{PLAYBOOK, World, device, matches};

/// Rows of the hunt: more than a hundred match.
const SHOWN: usize = 140;

/// Where the process dies.
const POINTS: &[&str] =
    &["c09_after_intent_commit:13", "c10_before_send", "c14_response_parsed", "c15_after_result_commit:7"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_go_together_are_sent_once_or_wait_for_a_person() {
    for point in POINTS {
        let world = World::start().await;
        let (head, rest) = PLAYBOOK.split_once("  - id: isolate").expect("it isolates");
        let (_isolate, rest) = rest.split_once("  - id: block").expect("it blocks");
        let (block, rest) = rest.split_once("  - id: tag").expect("it tags");
        let (_tag, tell) = rest.split_once("notify:").expect("it tells");
        world.edit(&format!("{head}  - id: block{block}notify:{tell}"));
        world.fleet.grow(SHOWN);
        let status = world.spawn(&["run", "Contain"], Some(point)).wait(&world).await;
        assert!(status.code().is_none(), "it did not die at {point}: {status}\n{}", world.log_tail());
        world.spawn(&["run", "Contain"], None).wait(&world).await;
        let mut sent: BTreeMap<String, u32> = BTreeMap::new();
        for effect in world.sim.effects() {
            *sent.entry(effect.target).or_default() += 1;
        }
        assert!(sent.values().all(|times| *times == 1), "{point}: {sent:?}");
        let store = Store::open_reader(&world.path("huntbook.db")).await.expect("the journal");
        let parked = store.parked().await.expect("the journal can be read");
        store.close().await;
        let parked =
            parked.into_iter().filter_map(|effect| Some(effect.target.split_once(':')?.1.to_owned()));
        let known: BTreeSet<String> = parked.chain(sent.into_keys()).collect();
        let wanted: BTreeSet<String> = (0..SHOWN).filter(|number| matches(*number)).map(device).collect();
        assert_eq!(known, wanted, "{point}");
        check_journal(&world).await;
    }
}
