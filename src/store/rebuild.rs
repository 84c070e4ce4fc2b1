//! A new journal in place of a damaged one.
//!
//! What cannot be read is not made up. The damaged file is kept beside the new one; what the new one must know to do
//! nothing again goes over: the key of the marks that actions carry in the tenants, the count of openings, the latest
//! time, and the stops that stood. The rest the tenants show: as after a backup ([`super::restored`]), what carries a
//! mark that the journal does not know is noted and stops its tenant. What carries none only people know, so everything
//! is stopped by a file before anything is touched, until somebody has looked and lifts it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::integrity;
use super::open::{self, file_beside, remove, sync_folder};
use super::{Effect, Revert, Stop, StopWord, Store, StoreError, stop_file};
use crate::clock::SharedClock;

/// The new journal while it is written.
const BEGUN: &str = ".rebuilding";
/// The new journal, whole, until it has its place.
const WHOLE: &str = ".rebuilt";
/// The facts that a new journal cannot do without.
const FACTS: [&str; 7] = ["epoch", "wallSeen", "markedSince", "markKey0", "markKey1", "markKey2", "markKey3"];
/// What the files of a journal end with.
const FILES: [&str; 3] = ["-wal", "-shm", ""];

/// A journal that was begun anew.
#[derive(Debug)]
pub struct Rebuilt {
    /// Where the damaged one is.
    pub kept: PathBuf,
    /// What is wrong with it; `None` if an attempt before has found it, and was cut off.
    pub damage: Option<String>,
    /// What could be read of it.
    pub left: Left,
    /// The stop of everything that stands until somebody has looked.
    pub stop: Stop,
}

/// What could be read of a damaged journal; `None` for what could not.
#[derive(Debug, Default)]
pub struct Left {
    facts: Option<Vec<(&'static str, i64)>>,
    /// The stops that stood. They stand in the new one.
    pub stops: Option<Vec<Stop>>,
    /// The actions that were not settled. The new one does not know them.
    pub open: Option<Vec<Effect>>,
    /// What was in force and had something to take it back. The new one does not take it back.
    pub in_force: Option<Vec<Revert>>,
}

impl Left {
    async fn read(path: &Path) -> Self {
        let Some(store) = known(open::open_damaged(path).await) else { return Self::default() };
        let left = Self {
            facts: known(facts(&store).await),
            stops: known(store.stops_written().await),
            open: known(store.unsettled_effects().await),
            in_force: known(store.in_force().await),
        };
        store.close().await;
        left
    }

    /// Whether all that goes over could be read.
    const fn tells_all(&self) -> bool {
        self.facts.is_some() && self.stops.is_some()
    }

    /// Whether the new journal knows the marks of the damaged one.
    #[must_use]
    pub const fn knows_marks(&self) -> bool {
        self.facts.is_some()
    }
}

/// What was read, if it could be.
fn known<T>(read: Result<T, StoreError>) -> Option<T> {
    read.inspect_err(|error| tracing::debug!(%error, "a part of the damaged journal cannot be read")).ok()
}

async fn facts(store: &Store) -> Result<Vec<(&'static str, i64)>, StoreError> {
    let mut facts = Vec::new();
    for name in FACTS {
        let query = sqlx::query_scalar("SELECT value FROM facts WHERE name = $1").bind(name);
        facts.push((name, query.fetch_one(&store.0.readers).await?));
    }
    Ok(facts)
}

impl Store {
    /// Keeps a damaged journal aside and begins a new one in its place; `None` if there is no damage to be found.
    /// Everything is stopped with `word`, by a file, before anything else is done. What was cut off is finished by the
    /// next call.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] without a journal, [`StoreError::Locked`] while a process has it, [`StoreError::File`]
    /// where the disk does not do what is asked. What was there is there.
    pub async fn rebuild(
        path: &Path,
        clock: SharedClock,
        word: &StopWord,
    ) -> Result<Option<Rebuilt>, StoreError> {
        // What is called by a link is mended where it is.
        let real = path.canonicalize().unwrap_or_else(|_none| path.to_owned());
        let is_begun = is_unfinished(&real);
        if !real.exists() && !is_begun {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        let real = open::place(&real)?;
        let lock = open::take_lock(&real)?;
        let damage = if real.exists() { damage(&real).await? } else { None };
        if damage.is_none() && real.exists() {
            // Somebody has put a sound one there since.
            remove(&file_beside(&real, WHOLE))?;
            return Ok(None);
        }
        let stop = Self::stop_by_file(path, word)?.stop;
        let found = if real.exists() { Some(Left::read(&real).await) } else { None };
        // What was begun before knows nothing of what was said since, and may know what cannot be read any more.
        if let Some(left) = found.as_ref().filter(|left| !is_begun || left.tells_all()) {
            begin_anew(&real, left, &clock).await?;
        }
        let kept = keep_aside(&real)?;
        let left = match found {
            Some(left) => left,
            None => Left::read(&kept).await,
        };
        rename(&file_beside(&real, WHOLE), &real)?;
        drop(lock);
        match stop_file::look(path) {
            Some(_stands) => Ok(Some(Rebuilt { kept, damage, left, stop })),
            None => Err(StoreError::file(path, ErrorKind::NotFound.into())),
        }
    }
}

/// Whether a new journal waits for its place.
pub(super) fn is_unfinished(path: &Path) -> bool {
    file_beside(path, WHOLE).exists()
}

/// What is wrong with the file, if something is.
async fn damage(path: &Path) -> Result<Option<String>, StoreError> {
    let looked = async {
        let store = open::open_damaged(path).await?;
        let found = integrity::damage(&store).await;
        store.close().await;
        found
    };
    match looked.await {
        Err(StoreError::Corrupt { detail }) => Ok(Some(detail)),
        looked => looked,
    }
}

/// Writes the new journal beside the damaged one, with what goes over.
async fn begin_anew(path: &Path, left: &Left, clock: &SharedClock) -> Result<(), StoreError> {
    let begun = file_beside(path, BEGUN);
    for end in FILES.into_iter().chain([".lock"]) {
        remove(&file_beside(&begun, end))?;
    }
    let store = open::open(&begun, SharedClock::clone(clock)).await?;
    for stop in left.stops.iter().flatten() {
        store.halt(&stop.word()).await?;
    }
    if let Some(facts) = &left.facts {
        let mut tx = store.write().await?;
        for (name, value) in facts {
            let replace = sqlx::query("INSERT OR REPLACE INTO facts (name, value) VALUES ($1, $2)");
            replace.bind(*name).bind(*value).execute(&mut *tx).await?;
        }
        tx.commit().await?;
    }
    let (busy, _log, _done): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&store.writer()?.pool).await?;
    store.close().await;
    drop(store);
    // What is still in its log is not in the file.
    if busy != 0 || file_beside(&begun, "-wal").exists() {
        return Err(StoreError::file(&begun, ErrorKind::ResourceBusy.into()));
    }
    remove(&file_beside(&begun, ".lock"))?;
    rename(&begun, &file_beside(path, WHOLE))
}

/// Where the damaged journal is kept: the same over each attempt, by when the new one was written.
fn kept(path: &Path) -> Result<PathBuf, StoreError> {
    let whole = file_beside(path, WHOLE);
    let written = whole.metadata().and_then(|found| found.modified());
    let written = written.map_err(|source| StoreError::file(&whole, source))?;
    let written = Timestamp::try_from(written).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(file_beside(path, &format!(".damaged-{}", written.strftime("%Y%m%dT%H%M%SZ"))))
}

/// Gives the damaged journal the name that it is kept under. Its log goes second: without it the journal could pass for a
/// sound one. The place is free then, and no journal ever stands beside a log that is not its own.
fn keep_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let kept = kept(path)?;
    for end in ["", "-wal"] {
        let file = file_beside(path, end);
        if file.exists() {
            rename(&file, &file_beside(&kept, end))?;
        }
    }
    remove(&file_beside(path, "-shm"))?;
    Ok(kept)
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    let renamed = fs::rename(from, to).and_then(|()| sync_folder(to));
    renamed.map_err(|source| StoreError::file(to, source))
}
