//! A journal in a folder of its own, and things to put into it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use huntbook::clock::{Clock as _, ManualClock};
use huntbook::model::{PlaybookId, RunId};
use huntbook::store::{
    ActionLimits, Begun, ContentHash, EffectKey, EffectState, Effects, Identity, NewEffect, NewItem,
    NewRevert, NewRun, OutboxMessage, Recorded, RevertNote, RevertState, RunEnd, RunMode, RunState,
    Settlement, StopWord, Store, StoreError, Swept, Trigger,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) const HOUR: SignedDuration = SignedDuration::from_hours(1);
pub(crate) const TENANT: &str = "contoso";
pub(crate) const PLAYBOOK: PlaybookId = PlaybookId(Uuid::from_u128(0x2f6c));

/// A journal and the clock it goes by.
pub(crate) struct Bench {
    folder: PathBuf,
    /// Removes the folder in the end.
    _guard: Option<TempDir>,
    pub(crate) clock: ManualClock,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let guard = TempDir::new().unwrap();
        let bench = Self::at(guard.path().to_owned());
        Self { _guard: Some(guard), ..bench }
    }

    /// A bench whose journal is open and has a run with one item under way.
    pub(crate) async fn running() -> (Self, Store, RunId) {
        let bench = Self::new();
        let store = bench.open().await;
        let run = bench.begin(&store, 1).await;
        (bench, store, run)
    }

    /// A bench in a folder that somebody else removes.
    pub(crate) fn at(folder: PathBuf) -> Self {
        let noon = "2026-01-10T12:00:00Z".parse().unwrap();
        Self { folder, _guard: None, clock: ManualClock::new(noon) }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("state/huntbook.db")
    }

    pub(crate) async fn open(&self) -> Store {
        self.try_open().await.expect("the journal opens")
    }

    pub(crate) async fn try_open(&self) -> Result<Store, StoreError> {
        Store::open(&self.path(), Arc::new(self.clock.clone())).await
    }

    /// Ends a process: the connections go, the lock goes, nothing else happens.
    pub(crate) async fn end(&self, store: Store) {
        store.close().await;
        drop(store);
    }

    /// Opens the file beside the journal, as somebody would who tampers with it.
    pub(crate) async fn raw(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path());
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// Lets days pass, with a sweep on each; what the last one deleted.
    pub(crate) async fn days_pass(&self, store: &Store, days: i64) -> Swept {
        let mut swept = Swept::default();
        for _day in 0..days {
            self.clock.advance(HOUR * 24);
            swept = store.retention(self.now(), SignedDuration::ZERO).await.unwrap();
        }
        swept
    }

    /// How many rows a table has.
    pub(crate) async fn rows(&self, table: &'static str) -> i64 {
        let mut query = sqlx::QueryBuilder::<sqlx::Sqlite>::new("SELECT count(*) FROM ");
        query.push(table).build_query_scalar().fetch_one(&mut self.raw().await).await.unwrap()
    }

    /// What the columns of a table are called.
    pub(crate) async fn columns(&self, table: &str) -> BTreeSet<String> {
        let query = "SELECT name FROM pragma_table_info($1)";
        let names = sqlx::query_scalar(query).bind(table).fetch_all(&mut self.raw().await).await;
        names.unwrap().into_iter().collect()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An instant in `hours`.
    pub(crate) fn in_hours(&self, hours: i64) -> Timestamp {
        self.now().checked_add(SignedDuration::from_hours(hours)).unwrap()
    }

    pub(crate) fn run(&self, scheduled_for: Option<Timestamp>) -> NewRun {
        NewRun {
            id: RunId::at(self.now()),
            playbook: PLAYBOOK,
            playbook_name: "PsExec fan-out".to_owned(),
            version: ContentHash::of(b"playbook"),
            tenant: TENANT.to_owned(),
            trigger: if scheduled_for.is_some() { Trigger::Schedule } else { Trigger::Manual },
            by: None,
            scheduled_for,
            mode: RunMode::Enforce,
            effects: Effects::Apply,
            started: self.now(),
        }
    }

    /// Begins a run that matched items 0 up to `items`.
    pub(crate) async fn begin(&self, store: &Store, items: u32) -> RunId {
        let run = self.run(None);
        assert_eq!(store.begin_run(&run).await.unwrap(), Begun::New);
        let items: Vec<NewItem> = (0..items).map(item).collect();
        store.commit_batch(run.id, &items, &json!({"matched": items.len()})).await.unwrap();
        run.id
    }
}

pub(crate) fn item(seq: u32) -> NewItem {
    let (identity, key) = (Some(identity(seq)), format!("host-{seq}"));
    NewItem { seq, identity, key, data: json!({"Files": seq}) }
}

pub(crate) fn identity(number: u32) -> Identity {
    let mut identity = [0; 16];
    identity[..4].copy_from_slice(&number.to_be_bytes());
    identity
}

/// A disruptive action of a run on a target.
pub(crate) fn effect(run: RunId, target: &str) -> NewEffect {
    NewEffect {
        key: EffectKey::of(&[run.0.as_bytes(), b"isolate", target.as_bytes()]),
        run,
        seq: 0,
        step: "isolate".to_owned(),
        action: "isolateDevice".to_owned(),
        tenant: TENANT.to_owned(),
        playbook: PLAYBOOK,
        target: target.to_owned(),
        params_digest: ContentHash::of(b"{}"),
        limits: None,
        destructive: true,
        exclusive: true,
        opposite: None,
        leave: None,
    }
}

pub(crate) fn limited(run: RunId, target: &str, limits: ActionLimits) -> NewEffect {
    NewEffect { limits: Some(limits), ..effect(run, target) }
}

pub(crate) fn result(state: EffectState) -> Recorded {
    Recorded { state, remote_id: None, detail: None }
}

/// What releases a device when somebody asks.
pub(crate) fn undo() -> NewRevert {
    NewRevert {
        action: "releaseDevice".to_owned(),
        undo: json!({}),
        after: None,
        approval: None,
        playbook_name: "PsExec fan-out".to_owned(),
        version: ContentHash::of(b"playbook"),
        author: None,
    }
}

/// How taking an action back stands, which is not looked at again.
pub(crate) fn note(state: RevertState) -> RevertNote {
    RevertNote { state, look_at: None, undo_run: None, tries: 0, reason: None }
}

/// An item that was dealt with, without a message.
pub(crate) fn settled(seq: u32, outcome: &str) -> Settlement {
    Settlement { seq, outcome: outcome.to_owned(), ..Settlement::default() }
}

pub(crate) fn end(state: RunState) -> RunEnd {
    RunEnd { state, error: None, counts: json!({}), report: json!({}), undone: None }
}

/// What a person says of all actions, or of those in a tenant.
pub(crate) fn word(tenant: Option<&str>) -> StopWord {
    StopWord {
        tenant: tenant.map(str::to_owned),
        playbook: None,
        reason: None,
        account: "duty".to_owned(),
        uid: Some(4001),
        way: None,
    }
}

pub(crate) fn message(id: &str, run: Option<RunId>) -> OutboxMessage {
    let (id, channel) = (id.to_owned(), "soc-teams".to_owned());
    OutboxMessage { id, run, channel, body: json!({"title": "found"}), dedup: None }
}
