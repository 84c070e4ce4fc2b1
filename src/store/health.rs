//! Whether the journal is written, and whether its disk has room.
//!
//! The process that owns the journal learns it from its own writes, and leaves word in the lock's file, which is there
//! already and grows by nothing: so others hear it who neither write nor wait.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::PoisonError;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Sqlite, Transaction};

use super::error::is_failed_write;
use super::open::{self, folder_of};
use super::{Store, StoreError, Writer, mount, reserve};
use crate::diag::Chain;

/// Less room than this is little: a busy journal grows by a few MiB in a day, so people have time to make some.
const ROOM_MIN_BYTES: u64 = 256 << 20;
/// But of a small disk only a tenth is.
const ROOM_PART: u64 = 10;
/// With less than this nothing can be written: a transaction takes a few pages.
const FULL_BYTES: u64 = 64 << 10;

/// Why the journal is not written, so that nothing is acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unwritten {
    /// Since when; `None` if nobody has noted it.
    pub since: Option<Timestamp>,
    /// Why.
    pub why: String,
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the journal cannot be written")?;
        self.since.map_or(Ok(()), |since| write!(f, " since {since:.0}"))?;
        write!(f, ": {}; nothing is acted on until it can", self.why)
    }
}

/// The room on the disk of the journal, for accounts that are not root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Room {
    /// What is free.
    pub free_bytes: u64,
    /// What there is.
    pub all_bytes: u64,
}

impl Room {
    /// Whether it is little: less than 256 MiB, and less than a tenth of the disk.
    #[must_use]
    pub const fn is_short(&self) -> bool {
        self.free_bytes < ROOM_MIN_BYTES && self.free_bytes < self.all_bytes / ROOM_PART
    }

    /// Whether it is plenty again: twice what is little, so that what lies at the border is told once.
    #[must_use]
    pub const fn is_plenty(&self) -> bool {
        let half = Self { free_bytes: self.free_bytes / 2, all_bytes: self.all_bytes };
        !half.is_short()
    }

    fn of(journal: &Path) -> Option<Self> {
        let disk = rustix::fs::statvfs(folder_of(journal)).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Some(Self { free_bytes: bytes(disk.f_bavail), all_bytes: bytes(disk.f_blocks) })
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (free, all) = (self.free_bytes >> 20, self.all_bytes >> 20);
        write!(
            f,
            "{free} of {all} MiB are free on the disk of the journal; when it is full, nothing is acted on"
        )
    }
}

impl Store {
    /// Why the journal is not written, as far as anybody knows: its owner by the last write that it tried, others by the
    /// owner's word. Writes nothing.
    #[must_use]
    pub fn unwritten(&self) -> Option<Unwritten> {
        let path = self.path();
        if path.as_os_str().is_empty() {
            return None;
        }
        let said = |why: &str| Some(Unwritten { since: None, why: why.to_owned() });
        if let Some(writer) = self.0.writer.as_ref().filter(|writer| writer.lock.is_some()) {
            return writer.unwritten().or_else(|| reserve::spent(path));
        }
        if mount::is_read_only(folder_of(path)) {
            return said("its file system is read-only");
        }
        if self.owner().is_some() {
            return open::word_of_owner(path).or_else(|| reserve::spent(path));
        }
        let is_full = |room: Room| room.free_bytes < FULL_BYTES;
        let full = self.room().filter(|room| is_full(*room)).and_then(|_none| said("its disk is full"));
        full.or_else(|| reserve::spent(path))
    }

    /// The room on the disk of the journal; `None` for one in memory.
    #[must_use]
    pub fn room(&self) -> Option<Room> {
        Some(self.path()).filter(|path| !path.as_os_str().is_empty()).and_then(Room::of)
    }

    /// A failure as what it is: a write that came to nothing because an account may have no more of the disk (`EDQUOT`) is
    /// told by the database as one of the disk itself.
    fn seen_through(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Database(inner) if is_failed_write(&inner) && reserve::is_full(self.path()) => {
                StoreError::Full(inner)
            }
            other => other,
        }
    }

    /// Writes next to nothing, to learn whether the journal can be written again.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]: it cannot.
    pub async fn try_write(&self) -> Result<(), StoreError> {
        let now = self.now_ms()?;
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO facts (name, value) VALUES ('tried', $1) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(now)
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }
}

impl Writer {
    fn unwritten(&self) -> Option<Unwritten> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that something was written, or why not; tells the log when that changes.
    pub(super) fn heard(&self, failed: Option<&StoreError>) {
        let Some(lock) = &self.lock else { return };
        let mut known = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        match (known.as_ref(), failed) {
            (None, None) | (Some(_), Some(_)) => return,
            (Some(before), None) => {
                let since = before.since.map(tracing::field::display);
                tracing::warn!(since, "the journal can be written again");
                *known = None;
            }
            (None, Some(error)) => {
                let why = Chain(error).to_string();
                tracing::error!(
                    error = why,
                    "the journal cannot be written: nothing is acted on until it can"
                );
                *known = Some(Unwritten { since: Some(self.clock.now()), why });
            }
        }
        lock.leave_word(known.as_ref());
    }
}

/// A writing transaction, of which the journal's health is learnt.
pub(super) struct Tx {
    inner: Transaction<'static, Sqlite>,
    store: Store,
    /// Where nothing could be written: how many rows its connection had changed before.
    changed: Option<i64>,
}

impl Tx {
    /// Begins one.
    pub(super) async fn begin(store: &Store) -> Result<Self, StoreError> {
        let writer = store.writer()?;
        let begun = open::begin(&writer.pool).await.map_err(|error| store.seen_through(error));
        let mut inner = begun.inspect_err(|error| writer.heard(Some(error)))?;
        let changed = match writer.unwritten() {
            Some(_) => Some(changes(&mut inner).await?),
            None => None,
        };
        Ok(Self { inner, store: store.clone(), changed })
    }

    /// Lends the writer.
    pub(super) fn writer(&self) -> Result<&Writer, StoreError> {
        self.store.writer()
    }

    /// Ends it: from then on what it wrote is on disk.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        // What wrote nothing proves nothing.
        let wrote = match self.changed {
            Some(before) => changes(&mut self.inner).await? != before,
            None => true,
        };
        let done = self.inner.commit().await.map_err(|error| self.store.seen_through(error.into()));
        if wrote || done.is_err() {
            self.store.writer()?.heard(done.as_ref().err());
        }
        done
    }
}

async fn changes(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("SELECT total_changes()").fetch_one(connection).await?)
}

impl Deref for Tx {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_short_below_a_tenth_of_a_small_disk_and_below_256_mib_of_a_large_one() {
        let room =
            |free_mib: u64, all_mib: u64| Room { free_bytes: free_mib << 20, all_bytes: all_mib << 20 };
        for (free, all, is_short, is_plenty) in [
            (255, 100_000, true, false),
            (256, 100_000, false, false),
            (511, 100_000, false, false),
            (512, 100_000, false, true),
            (9, 100, true, false),
            (10, 100, false, false),
            (20, 100, false, true),
            (0, 0, false, true),
        ] {
            let room = room(free, all);
            assert_eq!((room.is_short(), room.is_plenty()), (is_short, is_plenty), "{room}");
        }
    }
}
