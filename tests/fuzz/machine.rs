//! What happens to effects, in any order.

use std::collections::BTreeMap;
use std::sync::Arc;

use huntbook::model::RunId;
use huntbook::store::{
    Besides, Chain, EffectKey, EffectState, History, Intended, NewEffect, Opposite, Recorded, StopWord,
    Store, StoreError,
};
use jiff::SignedDuration;

use crate::bench::{Bench, effect};

/// Attempts at one effect.
const ATTEMPTS_MAX: u32 = 3;
/// For how long the opposite of what was done is refused.
const WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// Longest sequence.
const STEPS_MAX: usize = 64;

/// Where an effect stands, as the protocol has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    state: EffectState,
    attempt: u32,
    /// When the attempt was intended.
    at: jiff::Timestamp,
}

/// The protocol beside the journal: what may be sent, and what may be written of it.
struct Model {
    places: BTreeMap<EffectKey, Place>,
    is_stopped: bool,
}

impl Model {
    /// Whether a result may be written: the table of the protocol, line by line.
    fn may_follow(last: EffectState, next: EffectState) -> bool {
        let next_states: &[EffectState] = match last {
            EffectState::Intended => {
                &[EffectState::Pending, EffectState::Done, EffectState::NotApplied, EffectState::Unknown]
            }
            EffectState::Pending => &[EffectState::Done, EffectState::Failed],
            EffectState::Unknown => {
                &[EffectState::Pending, EffectState::Done, EffectState::NotApplied, EffectState::Parked]
            }
            EffectState::Parked => &[EffectState::Pending, EffectState::Done, EffectState::NotApplied],
            EffectState::Done | EffectState::Failed | EffectState::NotApplied => &[],
        };
        next_states.contains(&next)
    }

    /// Whether an effect may be sent, among the others of a world.
    fn may_go(&self, new: &NewEffect, all: &[NewEffect], now: jiff::Timestamp) -> bool {
        let again = self
            .places
            .get(&new.key)
            .is_none_or(|place| place.state == EffectState::NotApplied && place.attempt < ATTEMPTS_MAX);
        let free =
            all.iter().filter(|other| other.key != new.key && other.target == new.target).all(|other| {
                let Some(place) = self.places.get(&other.key) else { return true };
                let is_open = matches!(
                    place.state,
                    EffectState::Intended | EffectState::Pending | EffectState::Unknown | EffectState::Parked
                );
                let is_late =
                    place.state == EffectState::NotApplied || WITHIN <= place.at.duration_until(now);
                !is_open && (other.action == new.action || is_late)
            });
        again && free && !self.is_stopped
    }
}

/// Takes the bytes for a sequence of operations on a few effects: two runs would isolate a device, one would release
/// it, one would isolate another. The journal lets go exactly what the protocol lets go, takes no other result, and its
/// history holds together in the end.
pub(crate) fn check(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(play(bytes.get(..STEPS_MAX).unwrap_or(bytes)));
}

fn effects(one: RunId, other: RunId) -> [NewEffect; 4] {
    let opposite = |action: &str| Some(Opposite { action: action.to_owned(), within: WITHIN });
    let isolate = |run, target| NewEffect { opposite: opposite("releaseDevice"), ..effect(run, target) };
    let release = effect(other, "device:a");
    let key = EffectKey::of(&[b"release", release.key.as_str().as_bytes()]);
    let (action, back) = ("releaseDevice".to_owned(), opposite("isolateDevice"));
    [
        isolate(one, "device:a"),
        isolate(other, "device:a"),
        NewEffect { key, action, opposite: back, ..release },
        isolate(one, "device:b"),
    ]
}

async fn play(bytes: &[u8]) {
    let bench = Bench::at(std::path::PathBuf::new());
    let store = Store::scratch(Arc::new(bench.clock.clone())).await.expect("a journal");
    let one = bench.begin(&store, 1).await;
    bench.clock.advance(SignedDuration::from_secs(1));
    let all = effects(one, bench.begin(&store, 1).await);
    let mut model = Model { places: BTreeMap::new(), is_stopped: false };
    for byte in bytes {
        let (new, argument) = (&all[usize::from(byte >> 3 & 3)], byte >> 5);
        match byte & 7 {
            0 | 1 => intend(&store, &mut model, (new, &all)).await,
            2..=4 => record(&store, &mut model, new, (byte & 7, argument)).await,
            5 => bench.clock.advance(SignedDuration::from_mins(i64::from(argument) * 2)),
            6 => park(&store, &mut model, (new.run, &all)).await,
            _ => stop(&store, &mut model, argument).await,
        }
        agree(&store, &model, &all).await;
    }
    let chain = store.verify(History::Effects, u32::MAX).await;
    assert!(matches!(chain, Ok(Chain::Intact { .. })), "{chain:?}");
}

async fn intend(store: &Store, model: &mut Model, (new, all): (&NewEffect, &[NewEffect])) {
    // The journal's: a word that ends a stop moves it on by a millisecond.
    let now = store.time().await.expect("the journal's time");
    let may = model.may_go(new, all, now);
    match store.intend(new).await.expect("an answer") {
        Intended::Go { attempt } => {
            assert!(may, "{} of {} is let go", new.action, new.target);
            let before = model.places.get(&new.key).map_or(0, |place| place.attempt);
            assert_eq!(attempt, before + 1);
            model.places.insert(new.key.clone(), Place { state: EffectState::Intended, attempt, at: now });
        }
        refused => assert!(!may, "{} of {} is kept: {refused:?}", new.action, new.target),
    }
}

/// Writes a result: of this attempt, of another, or what the tenant shows of a parked one.
async fn record(store: &Store, model: &mut Model, new: &NewEffect, (way, argument): (u8, u8)) {
    let state = EffectState::ALL[usize::from(argument) % EffectState::ALL.len()];
    let result = Recorded { state, remote_id: Some("action".to_owned()), detail: None };
    let Some(place) = model.places.get_mut(&new.key) else {
        assert!(matches!(store.record(&new.key, 1, &result).await, Err(StoreError::Unknown { .. })));
        return;
    };
    let may = Model::may_follow(place.state, state);
    if way == 4 && place.state == EffectState::Parked {
        let parked = store.parked().await.expect("a list");
        let parked = parked.iter().find(|effect| effect.key == new.key).expect("it is parked");
        let written = store.settle_parked(parked, (&result, Besides::default())).await;
        assert_eq!(written.is_ok_and(|written| written), may, "parked, then {state}");
    } else if way == 4 {
        let other = store.record(&new.key, place.attempt + 1, &result).await;
        assert!(matches!(other, Err(StoreError::Attempt { .. })), "{other:?}");
        return;
    } else {
        let written = store.record(&new.key, place.attempt, &result).await;
        assert_eq!(written.is_ok(), may, "{} then {state}: {written:?}", place.state);
    }
    if may {
        place.state = state;
    }
}

async fn park(store: &Store, model: &mut Model, (run, all): (RunId, &[NewEffect])) {
    let parked = store.park_run(run).await.expect("a list").len();
    let mut expected = 0;
    for new in all.iter().filter(|new| new.run == run) {
        let Some(place) = model.places.get_mut(&new.key) else { continue };
        if matches!(place.state, EffectState::Intended | EffectState::Unknown) {
            (place.state, expected) = (EffectState::Parked, expected + 1);
        }
    }
    assert_eq!(parked, expected);
}

async fn stop(store: &Store, model: &mut Model, argument: u8) {
    let word = StopWord {
        tenant: None,
        playbook: None,
        reason: None,
        account: "alex".to_owned(),
        uid: None,
        way: None,
    };
    if argument < 2 {
        store.halt(&word).await.expect("it stands");
        model.is_stopped = true;
    } else {
        store.lift(&word).await.expect("it is gone");
        model.is_stopped = false;
    }
}

/// The journal says of every effect what the model says.
async fn agree(store: &Store, model: &Model, all: &[NewEffect]) {
    for new in all {
        let found = store.find_effects(new.key.as_str()).await.expect("a list");
        let found = found.first().map(|effect| (effect.state, effect.attempt));
        assert_eq!(
            found,
            model.places.get(&new.key).map(|place| (place.state, place.attempt)),
            "{}",
            new.target
        );
    }
}
