//! What a tenant shows of this journal's marks and the journal does not know.

use huntbook::store::{
    Chain, EffectKey, EffectState, History, Intended, MARKS_WITHIN, NewEffect, ShownAction, Stop, StopWord,
    Store,
};
use jiff::SignedDuration;

use crate::bench::{Bench, HOUR, TENANT, effect, message, result, word};

const GO: Intended = Intended::Go { attempt: 1 };

/// What the tenant shows of an attempt at an effect.
fn shown(store: &Store, effect: &NewEffect, (attempt, end): (u32, Option<EffectState>)) -> ShownAction {
    let mark = store.mark(&effect.tenant, &effect.key, attempt).unwrap();
    ShownAction {
        action: effect.action.clone(),
        target: effect.target.clone(),
        destructive: effect.destructive,
        comment: format!("{mark} by huntbook"),
        at: None,
        remote_id: format!("remote of {}", effect.target),
        end,
    }
}

#[tokio::test]
async fn row_44_what_is_forgotten_is_noted_stops_the_tenant_and_is_not_done_again() {
    let (bench, store, run) = Bench::running().await;
    assert!(!store.is_unproven(TENANT).unwrap(), "a new one has nothing to forget");
    bench.end(store).await;
    let store = bench.open().await;
    assert!(store.is_unproven(TENANT).unwrap());
    let [done, open, failed] = ["device:a", "device:b", "device:c"].map(|target| effect(run, target));
    let foreign = ShownAction { comment: "by hand".to_owned(), ..shown(&store, &done, (1, None)) };
    let elsewhere = NewEffect { tenant: "fabrikam".to_owned(), ..effect(run, "device:d") };
    let all = [
        shown(&store, &done, (2, Some(EffectState::Done))),
        shown(&store, &open, (1, None)),
        shown(&store, &failed, (1, Some(EffectState::Failed))),
        shown(&store, &elsewhere, (1, None)),
        foreign,
    ];
    let alarm = |_stop: &Stop| Some(message("forgotten", None));
    let stop = store.hold_against(TENANT, &all, alarm).await.unwrap().expect("three are not known");
    assert_eq!(store.due(bench.now(), 10).await.unwrap().len(), 1, "people are told in the same breath");
    assert_eq!((stop.tenant.as_deref(), stop.account.as_str()), (Some(TENANT), "huntbook"));
    let reason = stop.reason.as_deref().unwrap();
    let named =
        "isolateDevice of device:a, isolateDevice of device:b, isolateDevice of device:c. These are noted";
    assert!(
        reason.starts_with("the journal is older than what was done") && reason.contains(named),
        "{reason}"
    );
    for (one, state, attempt) in
        [(&done, EffectState::Done, 2), (&open, EffectState::Pending, 1), (&failed, EffectState::Failed, 1)]
    {
        let noted = store.effect(&one.key).await.unwrap().expect("it is noted");
        assert_eq!((noted.state, noted.attempt, noted.destructive), (state, attempt, true));
        assert_eq!(noted.remote_id, Some(format!("remote of {}", one.target)));
    }
    assert!(store.effect(&elsewhere.key).await.unwrap().is_none());
    assert!(!store.is_unproven(TENANT).unwrap() && store.is_unproven("fabrikam").unwrap());
    assert_eq!(store.hold_against(TENANT, &all, alarm).await.unwrap(), None, "by now it knows");
    assert!(matches!(store.verify(History::Effects, u32::MAX).await.unwrap(), Chain::Intact { .. }));

    // When a person has let the tenant go on, none of it is repeated but what came to nothing.
    store.lift(&word(None)).await.unwrap();
    let anew =
        |target: &str| NewEffect { key: EffectKey::of(&[b"anew", target.as_bytes()]), ..effect(run, target) };
    for target in ["device:a", "device:b"] {
        let found = store.intend(&anew(target)).await.unwrap();
        assert!(matches!(found, Intended::Before { .. }), "{target}: {found:?}");
    }
    assert_eq!(store.intend(&anew("device:c")).await.unwrap(), GO);
    bench.clock.advance(MARKS_WITHIN + HOUR);
    let next = store.intend(&anew("device:a")).await.unwrap();
    assert_eq!(next, GO, "older ones the tenant is not asked for");
}

#[tokio::test]
async fn row_44_a_tenant_that_a_person_stopped_says_both() {
    let (_bench, store, run) = Bench::running().await;
    let word = StopWord { reason: Some("we are moving".to_owned()), ..word(Some(TENANT)) };
    store.halt(&word).await.unwrap();
    let said = store.stops().await.unwrap().pop().unwrap().to_string();
    let found = [shown(&store, &effect(run, "device:a"), (1, None))];
    let stop =
        store.hold_against(TENANT, &found, |_stop| None).await.unwrap().expect("it is not known").to_string();
    assert!(stop.contains("isolateDevice of device:a") && stop.ends_with(&said), "{stop}");
    let found = [shown(&store, &effect(run, "device:b"), (1, None))];
    let stop =
        store.hold_against(TENANT, &found, |_stop| None).await.unwrap().expect("nor is this").to_string();
    assert!(stop.contains("isolateDevice of device:b") && stop.ends_with(&said), "{stop}");
}

#[tokio::test]
async fn row_44_what_the_journal_knows_is_no_news_unless_the_tenant_says_otherwise() {
    let (bench, store, run) = Bench::running().await;
    let [done, undone, parked] = ["device:a", "device:b", "device:c"].map(|target| effect(run, target));
    for (one, states) in [
        (&done, vec![EffectState::Done]),
        (&undone, vec![EffectState::NotApplied]),
        (&parked, vec![EffectState::Unknown, EffectState::Parked]),
    ] {
        assert_eq!(store.intend(one).await.unwrap(), GO);
        for state in states {
            store.record(&one.key, 1, &result(state)).await.unwrap();
        }
    }
    bench.clock.advance(SignedDuration::from_secs(1));
    let agrees = [
        shown(&store, &done, (1, Some(EffectState::Done))),
        shown(&store, &undone, (1, Some(EffectState::Failed))),
        shown(&store, &parked, (1, None)),
    ];
    assert_eq!(store.hold_against(TENANT, &agrees, |_stop| None).await.unwrap(), None);
    // It was said not to be done, and the tenant has it; and an attempt that nobody knows.
    let says = [shown(&store, &undone, (1, Some(EffectState::Done))), shown(&store, &parked, (2, None))];
    let stop = store.hold_against(TENANT, &says, |_stop| None).await.unwrap().expect("that is news");
    assert!(
        stop.reason.as_deref().unwrap().starts_with("the tenant shows what the journal says was not done")
    );
    let state = async |effect: &NewEffect| {
        let known = store.effect(&effect.key).await.unwrap().unwrap();
        (known.state, known.attempt)
    };
    assert_eq!(state(&done).await, (EffectState::Done, 1));
    assert_eq!(state(&undone).await, (EffectState::Done, 2));
    assert_eq!(state(&parked).await, (EffectState::Pending, 2));
}

#[tokio::test]
async fn a_journal_knows_its_marks_over_a_start_and_no_other_knows_them() {
    let (bench, store, run) = Bench::running().await;
    let one = effect(run, "device:a");
    let comment = format!("{} by huntbook", store.mark(TENANT, &one.key, 1).unwrap());
    let (_other, stranger, _run) = Bench::running().await;
    bench.end(store).await;
    let store = bench.open().await;
    assert!(store.is_marked(TENANT, &comment).unwrap(), "its key stays");
    assert_eq!(comment, format!("{} by huntbook", store.mark(TENANT, &one.key, 1).unwrap()));
    let not_ours = [(TENANT, "by hand"), (TENANT, &comment[1..]), ("fabrikam", &comment)];
    for (tenant, comment) in not_ours {
        assert!(!store.is_marked(tenant, comment).unwrap(), "{tenant} {comment}");
    }
    assert!(!stranger.is_marked(TENANT, &comment).unwrap());
}

#[tokio::test]
async fn no_two_runs_have_the_same_id_whenever_they_begin_and_wherever() {
    let (bench, store, _run) = Bench::running().await;
    let (_other, stranger, _run) = Bench::running().await;
    let started = bench.now();
    let of = |store: &Store| (0..3).map(|_| store.new_run(started).unwrap()).collect::<Vec<_>>();
    let mut ids = of(&store);
    bench.end(store).await;
    ids.extend(of(&bench.open().await));
    ids.extend(of(&stranger));
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 9, "{ids:?}");
}
