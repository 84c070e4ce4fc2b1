//! What durability costs: commits of the journal with a full sync, on the disk of the temporary folder.
//!
//! `cargo bench --bench journal`. The figures are the disk's more than ours: compare them with the disk's own
//! time for a small write and sync.

#![expect(clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use divan::counter::ItemsCount;
use huntbook::clock::SystemClock;
use huntbook::model::{PlaybookId, RunId};
use huntbook::store::{
    ContentHash, EffectKey, EffectState, Effects, Intended, NewEffect, NewItem, NewRun, Recorded, RunMode,
    Store, Trigger,
};
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

const PLAYBOOK: PlaybookId = PlaybookId(Uuid::from_u128(1));

fn main() {
    divan::main();
}

/// A journal with one run.
struct Bench {
    runtime: Runtime,
    store: Store,
    run: RunId,
    next: AtomicU32,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let path = folder.path().join("huntbook.db");
        let store = runtime.block_on(Store::open(&path, Arc::new(SystemClock))).unwrap();
        let bench =
            Self { runtime, store, run: RunId(Uuid::nil()), next: AtomicU32::new(0), _folder: folder };
        Self { run: bench.begin(), ..bench }
    }

    fn begin(&self) -> RunId {
        let run = NewRun {
            id: RunId(Uuid::new_v4()),
            playbook: PLAYBOOK,
            playbook_name: "bench".to_owned(),
            version: ContentHash::of(b"bench"),
            tenant: "contoso".to_owned(),
            trigger: Trigger::Manual,
            by: None,
            scheduled_for: None,
            mode: RunMode::Enforce,
            effects: Effects::Apply,
            started: Timestamp::UNIX_EPOCH,
        };
        self.runtime.block_on(self.store.begin_run(&run)).unwrap();
        run.id
    }

    fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn effect(&self) -> NewEffect {
        let number = self.number();
        NewEffect {
            key: EffectKey::of(&[&number.to_be_bytes()]),
            run: self.run,
            seq: 0,
            step: "isolate".to_owned(),
            action: "isolateDevice".to_owned(),
            tenant: "contoso".to_owned(),
            playbook: PLAYBOOK,
            target: format!("device:{number}"),
            params_digest: ContentHash::of(b"{}"),
            limits: None,
            destructive: true,
            exclusive: true,
            opposite: None,
            leave: None,
        }
    }
}

/// The two commits around one action.
#[divan::bench]
fn intent_and_result(bencher: divan::Bencher<'_, '_>) {
    let bench = Bench::new();
    let done = Recorded { state: EffectState::Done, remote_id: None, detail: None };
    bencher.with_inputs(|| bench.effect()).bench_refs(|effect| {
        bench.runtime.block_on(async {
            assert_eq!(bench.store.intend(effect).await.unwrap(), Intended::Go { attempt: 1 });
            bench.store.record(&effect.key, 1, &done).await.unwrap();
        });
    });
}

/// One transaction with everything a run matched.
#[divan::bench(args = [1, 100, 1000], sample_count = 20)]
fn batch(bencher: divan::Bencher<'_, '_>, items: u32) {
    let bench = Bench::new();
    let batch = || {
        let items: Vec<NewItem> = (0..items)
            .map(|seq| {
                let mut identity = [0; 16];
                identity[..4].copy_from_slice(&bench.number().to_be_bytes());
                let data = json!({"DeviceId": "aa11".repeat(10), "DeviceName": "pc01.contoso.example", "Files": seq});
                NewItem { seq, identity: Some(identity), key: "pc01".to_owned(), data }
            })
            .collect();
        (bench.begin(), items)
    };
    bencher.counter(ItemsCount::new(items)).with_inputs(batch).bench_refs(|(run, items)| {
        bench.runtime.block_on(bench.store.commit_batch(*run, items, &json!({}))).unwrap();
    });
}

/// Asking which of a thousand identities are new, with a thousand known.
#[divan::bench]
fn a_thousand_identities_known_or_not(bencher: divan::Bencher<'_, '_>) {
    let bench = Bench::new();
    let identity = |number: u32| {
        let mut identity = [0; 16];
        identity[..4].copy_from_slice(&number.to_be_bytes());
        identity
    };
    let items: Vec<NewItem> = (0..1000)
        .map(|seq| NewItem { seq, identity: Some(identity(seq)), key: String::new(), data: json!({}) })
        .collect();
    bench.runtime.block_on(bench.store.commit_batch(bench.run, &items, &json!({}))).unwrap();
    let asked: Vec<_> = (500..1500).map(identity).collect();
    bencher
        .counter(ItemsCount::new(1000_u32))
        .bench(|| bench.runtime.block_on(bench.store.unseen("contoso", PLAYBOOK, &asked)).unwrap());
}
