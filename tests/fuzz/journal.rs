//! Files that are taken for a journal.

use std::fs;
use std::sync::LazyLock;

use huntbook::store::{Chain, EffectState, History, Intended, NewEffect, Store};

use crate::bench::{Bench, effect, result};

/// A journal as a process leaves it that ended, and as one does that lost its power.
struct Written {
    /// The closed file.
    whole: Vec<u8>,
    /// The file and the log beside it.
    cut_off: (Vec<u8>, Vec<u8>),
    /// What was to be done, and what came of it.
    effects: Vec<(NewEffect, EffectState)>,
    events: u64,
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| block_on(write()));

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

async fn write() -> Written {
    let (bench, store, run) = Bench::running().await;
    let mut effects = Vec::new();
    for (target, states) in [
        ("device:intended", &[][..]),
        ("device:pending", &[EffectState::Pending]),
        ("device:done", &[EffectState::Pending, EffectState::Done]),
        ("device:failed", &[EffectState::Pending, EffectState::Failed]),
        ("device:refused", &[EffectState::NotApplied]),
        ("device:unknown", &[EffectState::Unknown]),
        ("device:parked", &[EffectState::Unknown, EffectState::Parked]),
    ] {
        let new = effect(run, target);
        store.intend(&new).await.expect("it is intended");
        for state in states {
            store.record(&new.key, 1, &result(*state)).await.expect("it is recorded");
        }
        effects.push((new, states.last().copied().unwrap_or(EffectState::Intended)));
    }
    let Ok(Chain::Intact { events, .. }) = store.verify(History::Effects, u32::MAX).await else {
        unreachable!("it was written a moment ago");
    };
    let read = |name: &str| fs::read(bench.folder().join("state").join(name)).expect("a file");
    let cut_off = (read("huntbook.db"), read("huntbook.db-wal"));
    bench.end(store).await;
    Written { whole: read("huntbook.db"), cut_off, effects, events }
}

/// What the first byte says of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is the file.
    File,
    /// It says how much of a journal is left.
    Short,
    /// It says which bytes of a journal are others.
    Damaged,
    /// The same of the log.
    Torn,
}

/// Opens a journal that is damaged as the bytes say. It is refused, or the chain of its history says that something is
/// wrong, or nothing that was or may have been done may be done again.
pub(crate) fn check(bytes: &[u8]) {
    let (first, rest) = bytes.split_first().map_or((0, bytes), |(first, rest)| (*first, rest));
    let kind = [Kind::File, Kind::Short, Kind::Damaged, Kind::Torn][usize::from(first % 4)];
    let written = &*WRITTEN;
    let (file, log) = match kind {
        Kind::File => (rest.to_vec(), None),
        Kind::Short => (written.whole[..number(rest) % written.whole.len()].to_vec(), None),
        Kind::Damaged => (damaged(&written.whole, rest), None),
        Kind::Torn => {
            let (file, log) = &written.cut_off;
            let mut log = damaged(log, rest.get(3..).unwrap_or_default());
            log.truncate(log.len() - number(rest) % log.len());
            (file.clone(), Some(log))
        }
    };
    // A file without a byte is what a process leaves that died right when it made the journal.
    if !file.is_empty() {
        block_on(open(kind, &file, log.as_deref()));
    }
}

/// The first three bytes.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().take(3).fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Changes a byte that is not zero for every four bytes.
fn damaged(whole: &[u8], how: &[u8]) -> Vec<u8> {
    let places: Vec<usize> = (0..whole.len()).filter(|place| whole[*place] != 0).collect();
    let mut damaged = whole.to_vec();
    for change in how.chunks_exact(4) {
        damaged[places[number(change) % places.len()]] ^= change[3];
    }
    damaged
}

async fn open(kind: Kind, file: &[u8], log: Option<&[u8]>) {
    let bench = Bench::new();
    let folder = bench.folder().join("state");
    fs::create_dir(&folder).expect("a folder");
    fs::write(bench.path(), file).expect("a file");
    if let Some(log) = log {
        fs::write(folder.join("huntbook.db-wal"), log).expect("a file");
    }
    match bench.try_open().await {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(store) => {
            judge(kind, &store).await;
            bench.end(store).await;
        }
    }
}

async fn judge(kind: Kind, store: &Store) {
    let Ok(Chain::Intact { events, .. }) = store.verify(History::Effects, u32::MAX).await else { return };
    let written = &*WRITTEN;
    // A log that was cut gives a prefix of what was written.
    if kind == Kind::Torn && events < written.events {
        return;
    }
    assert_eq!(events, written.events, "{kind:?}: the history is shorter, and nobody says so");
    for (effect, state) in &written.effects {
        let go = matches!(store.intend(effect).await, Ok(Intended::Go { .. }));
        assert!(
            !go || *state == EffectState::NotApplied,
            "{kind:?}: {} is done again: {state}",
            effect.target
        );
    }
}
