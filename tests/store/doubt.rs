//! What nobody knows: parking a run's own effects, and a person's word beside the process that owns the
//! journal.

use std::collections::BTreeSet;
use std::sync::Arc;

use huntbook::store::{
    Besides, Chain, EffectKey, EffectState, History, Intended, NewEffect, Store, StoreError, Word,
};
use sqlx::Executor as _;

use crate::bench::{Bench, effect, result};

async fn say(bench: &Bench, key: &EffectKey, word: Word) -> Result<huntbook::store::Effect, StoreError> {
    let said = (word, "a person says so".to_owned());
    Store::resolve(&bench.path(), Arc::new(bench.clock.clone()), key, said).await
}

#[tokio::test]
async fn a_person_s_word_is_written_beside_the_owner_and_chained() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 1).await;
    let (done, not) = (effect(run, "device:a"), effect(run, "device:b"));
    for effect in [&done, &not] {
        store.intend(effect).await.unwrap();
        store.record(&effect.key, 1, &result(EffectState::Unknown)).await.unwrap();
        store.record(&effect.key, 1, &result(EffectState::Parked)).await.unwrap();
    }
    assert_eq!(say(&bench, &done.key, Word::Done).await.unwrap().state, EffectState::Done);
    let resolved = say(&bench, &not.key, Word::NotApplied).await.unwrap();
    assert_eq!(
        (resolved.state, resolved.detail.as_deref()),
        (EffectState::NotApplied, Some("a person says so"))
    );
    assert_eq!(store.parked().await.unwrap(), []);

    // The owner goes on, and both wrote one chain.
    assert_eq!(store.intend(&not).await.unwrap(), Intended::Go { attempt: 2 });
    assert!(matches!(
        store.verify(History::Effects, u32::MAX).await.unwrap(),
        Chain::Intact { events: 9, .. }
    ));
    for (_effect, history) in store.run(run).await.unwrap().unwrap().effects {
        let said = history.iter().any(|event| event.detail.as_deref() == Some("a person says so"));
        assert!(said, "{history:?}");
    }
}

#[tokio::test]
async fn only_what_is_parked_takes_a_word_and_once() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 1).await;
    let effect = effect(run, "device:a");
    let refused = say(&bench, &effect.key, Word::Done).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unknown { what: "effect", .. }), "{refused}");
    store.intend(&effect).await.unwrap();
    for state in [EffectState::Unknown, EffectState::Parked] {
        let refused = say(&bench, &effect.key, Word::Done).await.unwrap_err();
        assert!(matches!(refused, StoreError::Transition { .. }), "{refused}");
        store.record(&effect.key, 1, &result(state)).await.unwrap();
    }
    say(&bench, &effect.key, Word::Done).await.unwrap();
    let refused = say(&bench, &effect.key, Word::NotApplied).await.unwrap_err();
    assert!(matches!(refused, StoreError::Transition { last: Some(EffectState::Done), .. }), "{refused}");
}

#[tokio::test]
async fn what_the_tenant_never_says_the_end_of_takes_a_word() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 1).await;
    for (target, word, state) in
        [("device:a", Word::Done, EffectState::Done), ("device:b", Word::NotApplied, EffectState::Failed)]
    {
        let effect = effect(run, target);
        store.intend(&effect).await.unwrap();
        store.record(&effect.key, 1, &result(EffectState::Pending)).await.unwrap();
        assert_eq!(say(&bench, &effect.key, word).await.unwrap().state, state);
        let settled = Intended::AlreadySettled { state, remote_id: None };
        assert_eq!(store.intend(&effect).await.unwrap(), settled, "it is not sent again");
    }
}

#[tokio::test]
async fn a_run_that_stopped_in_this_process_is_parked_by_itself() {
    let bench = Bench::new();
    let store = bench.open().await;
    let (stopped, other) = (bench.begin(&store, 1).await, bench.begin(&store, 1).await);
    store.intend(&effect(stopped, "device:a")).await.unwrap();
    store.intend(&effect(other, "device:b")).await.unwrap();
    assert_eq!(store.park_in_doubt().await.unwrap(), [], "this process is alive");
    let parked = store.park_run(stopped).await.unwrap();
    assert_eq!(parked.iter().map(|one| one.target.as_str()).collect::<Vec<_>>(), ["device:a"]);
    assert_eq!(store.effects_in(EffectState::Intended).await.unwrap().len(), 1);
    assert_eq!(store.park_run(stopped).await.unwrap(), []);
}

#[tokio::test]
async fn an_effect_is_found_by_its_beginning() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 1).await;
    for target in ["device:a", "device:b"] {
        store.intend(&effect(run, target)).await.unwrap();
    }
    let key = effect(run, "device:a").key;
    let found = store.find_effects(&key.short().to_ascii_uppercase()).await.unwrap();
    assert_eq!(found.iter().map(|one| &one.key).collect::<Vec<_>>(), [&key]);
    assert_eq!(store.find_effects("").await.unwrap().len(), 0, "nothing is the beginning of none");
    assert_eq!(store.find_effects("%").await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_reader_knows_the_owner() {
    let bench = Bench::new();
    let store = bench.open().await;
    let reader = Store::open_reader(&bench.path()).await.unwrap();
    assert_eq!(reader.owner(), Some(std::process::id()));
    bench.end(store).await;
    assert_eq!(reader.owner(), None, "its number is still in the lock file");
}

#[tokio::test]
async fn the_end_of_a_long_chain_is_checked_by_itself() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 1).await;
    for number in 0..5 {
        let effect = effect(run, &format!("device:{number}"));
        store.intend(&effect).await.unwrap();
        store.record(&effect.key, 1, &result(EffectState::Done)).await.unwrap();
    }
    let Chain::Intact { events: 10, head } = store.verify(History::Effects, u32::MAX).await.unwrap() else {
        panic!("the chain is intact");
    };
    assert_eq!(store.verify(History::Effects, 3).await.unwrap(), Chain::Intact { events: 3, head });
    let mut raw = bench.raw().await;
    raw.execute("DROP TRIGGER effect_events_kept").await.unwrap();
    raw.execute("UPDATE effect_events SET hash = prev_hash WHERE n = 1").await.unwrap();
    assert!(matches!(store.verify(History::Effects, 3).await.unwrap(), Chain::Intact { .. }));
    assert!(matches!(
        store.verify(History::Effects, u32::MAX).await.unwrap(),
        Chain::Broken { event: 1, .. }
    ));
    raw.execute("UPDATE effect_events SET detail = 'x' WHERE n = 9").await.unwrap();
    assert!(matches!(store.verify(History::Effects, 3).await.unwrap(), Chain::Broken { event: 9, .. }));
}

#[tokio::test]
async fn what_the_tenant_shows_of_what_is_parked_settles_it_once() {
    let (bench, store, run) = Bench::running().await;
    let [done, not] = ["device:a", "device:b"].map(|target| effect(run, target));
    for effect in [&done, &not] {
        store.intend(effect).await.unwrap();
        store.record(&effect.key, 1, &result(EffectState::Unknown)).await.unwrap();
        store.record(&effect.key, 1, &result(EffectState::Parked)).await.unwrap();
    }
    let parked = store.parked_and_marked().await.unwrap();
    let keys: BTreeSet<_> = parked.iter().map(|effect| effect.key.clone()).collect();
    assert_eq!(keys, BTreeSet::from([done.key.clone(), not.key.clone()]));
    let of = |key: &EffectKey| parked.iter().find(|effect| effect.key == *key).unwrap();
    let seen = bench.rows("seen").await;
    assert!(
        store.settle_parked(of(&done.key), (&result(EffectState::Done), Besides::default())).await.unwrap()
    );
    assert_eq!(bench.rows("seen").await, seen, "what was done is not done again");
    assert_eq!(say(&bench, &not.key, Word::NotApplied).await.unwrap().state, EffectState::NotApplied);
    assert!(
        !store.settle_parked(of(&not.key), (&result(EffectState::Done), Besides::default())).await.unwrap(),
        "a word came first"
    );
    let stale = huntbook::store::Effect { attempt: 2, ..of(&done.key).clone() };
    assert!(
        !store.settle_parked(&stale, (&result(EffectState::Failed), Besides::default())).await.unwrap(),
        "another attempt"
    );
    assert_eq!(store.parked_and_marked().await.unwrap(), []);
    assert_eq!(store.effect(&done.key).await.unwrap().unwrap().state, EffectState::Done);
}

#[tokio::test]
async fn what_was_not_applied_is_news_again() {
    let (bench, store, run) = Bench::running().await;
    let one = effect(run, "device:a");
    store.intend(&one).await.unwrap();
    for state in [EffectState::Unknown, EffectState::Parked] {
        store.record(&one.key, 1, &result(state)).await.unwrap();
    }
    let seen = bench.rows("seen").await;
    let parked = store.parked_and_marked().await.unwrap().remove(0);
    assert!(
        store.settle_parked(&parked, (&result(EffectState::NotApplied), Besides::default())).await.unwrap()
    );
    assert_eq!(bench.rows("seen").await, seen - 1, "its item comes back");
}

#[tokio::test]
async fn an_effect_is_all_of_its_item_unless_another_of_it_was_done() {
    let (_bench, store, run) = Bench::running().await;
    let [one, other] = ["device:a", "device:b"].map(|target| effect(run, target));
    let elsewhere = NewEffect { seq: 1, ..effect(run, "device:c") };
    for intended in [&one, &other, &elsewhere] {
        assert_eq!(store.intend(intended).await.unwrap(), Intended::Go { attempt: 1 });
    }
    let of = async |effect: &NewEffect| store.effect(&effect.key).await.unwrap().unwrap();
    assert!(store.is_all_of_its_item(&of(&one).await).await.unwrap(), "of the other nobody knows");
    store.record(&other.key, 1, &result(EffectState::Done)).await.unwrap();
    assert!(!store.is_all_of_its_item(&of(&one).await).await.unwrap());
    assert!(store.is_all_of_its_item(&of(&elsewhere).await).await.unwrap());
    store.record(&one.key, 1, &result(EffectState::NotApplied)).await.unwrap();
    assert!(store.is_all_of_its_item(&of(&other).await).await.unwrap());
}
