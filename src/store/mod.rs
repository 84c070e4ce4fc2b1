//! The durable journal: what was matched, intended, done, said and accepted.
//!
//! One SQLite file, one writing process, any number of readers. The promises the rest of huntbook builds
//! on, each held by one transaction with a full sync:
//!
//! - what a run matched is on disk before anything is done with it ([`Store::commit_batch`]);
//! - an effect is on disk before it is sent ([`Store::intend`]), in the transaction that counts it against
//!   the budget, and its result after ([`Store::record`]); what is left without a result after a crash is
//!   parked for a person ([`Store::park_in_doubt`]);
//! - an item is settled together with the messages about it ([`Store::settle`]), and one nothing was done
//!   about is news to the next run ([`NextTime`]);
//! - a due slot is marked together with its run ([`Store::begin_run`]), so it is neither lost nor doubled;
//! - accepted playbooks and lists outlive a bad edit ([`Store::publish`]);
//! - what waits for people's leave is asked for with its item, and the leave is spent with the intent
//!   ([`Store::hear`] takes their word).
//!
//! People's words may be written beside the process that owns the journal: about a parked effect
//! ([`Store::resolve`]), about what waits for leave ([`Store::speak`]), and about all actions ([`Store::stop`]; where the
//! journal takes no word, [`Store::stop_by_file`]).
//!
//! A failed write means that nothing was written, and then nothing may be done: see
//! [`StoreError::remedy`]. Rows carry the tenant's name, times are milliseconds, and the SQL is plain,
//! because PostgreSQL will come to stand beside SQLite.
//!
//! What this room does not do: decide. Guards, catch-up and retries of messages are decided elsewhere.

mod approval;
mod approval_chain;
mod breaker;
mod budget;
mod chain;
mod conflict;
mod content;
mod crash;
mod doubt;
mod effect;
mod effect_chain;
mod error;
mod fleet;
mod headroom;
mod health;
mod held_edit;
mod history;
mod integrity;
mod intended;
mod lately;
mod list_lag;
mod mark;
mod mount;
mod network;
mod open;
mod outbox;
mod pass;
mod pulse;
mod rebuild;
mod reserve;
mod restored;
mod retention;
mod revert;
mod run;
mod said;
mod seen;
mod sign_in;
mod slot;
mod spent;
mod stop;
mod stop_file;
mod suppress;
mod time;
mod unarmed;
mod undone;
mod unfinished;
mod watermark;
mod word;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use sqlx::sqlite::SqlitePool;

use crate::clock::SharedClock;
use crate::fault::crash_point;

use health::Tx;

pub use approval::{Approval, Closing, Heard, NewApproval, NewVoice, Voice};
pub use breaker::Breaker;
pub use budget::{ActionLimits, Budget, GIVES_BACK, Rates, Used};
pub use chain::{Chain, Head, History};
pub use conflict::Opposite;
pub use content::{Accepted, Held, LiveList, LivePlaybook, Publication, Refusal};
pub use crash::{Alone, Suspect};
pub use doubt::Word;
pub use effect::{Besides, Effect, NewEffect, Recorded};
pub use error::{Remedy, StoreError};
pub use headroom::Rooms;
pub use health::{Room, Unwritten};
pub use held_edit::HeldEdit;
pub use history::{EffectEvent, Message, RunDetail, RunFilter, RunSummary};
pub use intended::Intended;
pub use lately::Recent;
pub use list_lag::ListLag;
pub use mount::is_sealed;
pub use open::shared_file_system;
pub use outbox::{OutboxMessage, Waiting};
pub use pulse::Pulse;
pub use rebuild::{Left, Rebuilt};
pub use restored::{MARKS_WITHIN, ShownAction};
pub use retention::Swept;
pub use revert::{NewRevert, Revert, RevertNote, Stand};
pub use run::{Begun, Item, NewItem, NewRun, Run, RunEnd, Settlement};
pub use said::{Speaker, Starter};
pub use seen::Identity;
pub use sign_in::SignIn;
pub use slot::{NewSkip, Skip};
pub use spent::{Spent, SpentInTenant, SpentOfPlaybook};
pub use stop::{SeenStop, Stop, StopWord, Stopped, StoppedPlaybook};
pub use stop_file::{STOP_FILE, StopFile};
pub use suppress::NewSuppression;
pub use unarmed::Unarmed;
pub use undone::{NextTime, ToldUndone};
pub use unfinished::Unfinished;
pub use watermark::{Polled, Watermark};
pub use word::{
    ApprovalState, Consent, ContentHash, EffectKey, EffectState, Effects, MessageState, RevertState, RunMode,
    RunState, Trigger, Way,
};

/// The journal. Cheap to clone; the last clone that goes gives the lock back.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    readers: SqlitePool,
    writer: Option<Writer>,
}

/// What only the owner of the journal has.
#[derive(Debug)]
struct Writer {
    /// One connection, so writes come one after another.
    pool: SqlitePool,
    clock: SharedClock,
    /// `None` for one word written beside the owner, whoever that is by then.
    opening: Option<Opening>,
    /// Why the last write came to nothing, if it did.
    unwritten: Mutex<Option<Unwritten>>,
    /// Keeps other processes out; `None` for one word written beside the owner, and in memory.
    lock: Option<open::Lock>,
}

/// One opening of the journal by an owner.
#[derive(Debug)]
struct Opening {
    /// Which one it is; a higher one in the file means that somebody took over.
    epoch: i64,
    /// What the marks of its actions are made with.
    marks: mark::Marks,
    /// How many runs it gave an id.
    runs: AtomicU64,
    /// The tenants that it has held the journal against.
    compared: Mutex<BTreeSet<String>>,
}

impl Writer {
    fn new(pool: SqlitePool, clock: SharedClock, opening: Option<Opening>, lock: Option<open::Lock>) -> Self {
        Self { pool, clock, opening, unwritten: Mutex::default(), lock }
    }
}

impl Store {
    /// Opens the journal for writing, and makes it if there is none: folder 0700, file 0600.
    ///
    /// Takes the journal's lock for as long as the store lives, checks the linked SQLite, the settings,
    /// the file itself and its form, and brings an older form up to date.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] with the owner's process number while another process has it;
    /// [`StoreError::Newer`], [`StoreError::Corrupt`], [`StoreError::Network`] and the others say why the
    /// journal cannot be trusted here.
    pub async fn open(path: &Path, clock: SharedClock) -> Result<Self, StoreError> {
        open::open(path, clock).await
    }

    /// Opens the journal for reading beside the process that owns it. Takes no lock.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] if there is no journal; [`StoreError::Older`] or [`StoreError::Newer`] if
    /// its form is another one than this version's.
    pub async fn open_reader(path: &Path) -> Result<Self, StoreError> {
        open::open_reader(path).await
    }

    /// Whether a journal could be written here, without making or changing one.
    ///
    /// # Errors
    ///
    /// [`StoreError::File`] if its file or folder cannot be written or made, [`StoreError::Network`].
    pub fn check_place(path: &Path) -> Result<(), StoreError> {
        open::check_place(path)
    }

    /// Makes a journal in memory that ends with the store: for trying a playbook out. Its form, its
    /// transactions and its triggers are those of a file; only what a crash would leave is missing.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn scratch(clock: SharedClock) -> Result<Self, StoreError> {
        open::scratch(clock).await
    }

    /// The number of the process that owns the journal, as far as a reader can tell; `None` if nobody does.
    #[must_use]
    pub fn owner(&self) -> Option<u32> {
        open::owner(self.path())
    }

    /// Where the journal is; empty for one in memory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Writes a copy of the journal as it stands to a new file, for trying things out.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; a file that exists is not overwritten.
    pub async fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let to = path.to_string_lossy().into_owned();
        sqlx::query("VACUUM INTO $1").bind(to).execute(&self.0.readers).await?;
        Ok(())
    }

    /// Closes the connections after what they are doing. Clones of the store fail from then on; the lock
    /// goes with the last of them.
    pub async fn close(&self) {
        // The last connection puts the log into the file, if it may write: so the file alone is the journal then.
        self.0.readers.close().await;
        if let Some(writer) = &self.0.writer {
            writer.pool.close().await;
        }
    }

    /// Lends the writer.
    fn writer(&self) -> Result<&Writer, StoreError> {
        self.0.writer.as_ref().ok_or(StoreError::Reader)
    }

    /// Which opening of the journal this store owns.
    fn opening(&self) -> Result<&Opening, StoreError> {
        self.writer()?.opening.as_ref().ok_or(StoreError::Reader)
    }

    /// Begins a writing transaction, after making sure that the journal is still ours, or for a word beside its owner,
    /// still of this version's form. Dropped without `commit` it leaves nothing.
    async fn write(&self) -> Result<Tx, StoreError> {
        crash_point("c04_before_transaction");
        let mut tx = Tx::begin(self).await?;
        let Some(opening) = &self.writer()?.opening else {
            open::check_form(&mut *tx).await?;
            return Ok(tx);
        };
        let epoch: i64 =
            sqlx::query_scalar("SELECT value FROM facts WHERE name = 'epoch'").fetch_one(&mut *tx).await?;
        if epoch == opening.epoch { Ok(tx) } else { Err(StoreError::Fenced) }
    }

    /// The present instant, for rows.
    fn now_ms(&self) -> Result<i64, StoreError> {
        Ok(self.writer()?.clock.now().as_millisecond())
    }
}

/// Reads a stored time.
fn at(ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms)
        .map_err(|_range| StoreError::Unreadable { what: "a time", text: ms.to_string() })
}

/// Reads stored JSON.
fn json(text: &str) -> Result<serde_json::Value, StoreError> {
    serde_json::from_str(text)
        .map_err(|_syntax| StoreError::Unreadable { what: "JSON", text: text.chars().take(64).collect() })
}

/// Reads a stored number that is never negative.
fn count(number: i64) -> Result<u32, StoreError> {
    u32::try_from(number)
        .map_err(|_range| StoreError::Unreadable { what: "a number", text: number.to_string() })
}

#[cfg(test)]
mod tests;
