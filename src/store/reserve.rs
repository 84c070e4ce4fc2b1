//! Room that is kept for what is under way: a file beside the journal that takes the room which the outcomes of calls need
//! when the disk is full.
//!
//! It is given up for them, and nothing new is begun until there is room for it again. Empty, it says so over a restart
//! too; where there never was one, nobody misses it.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{FallocateFlags, fallocate};

use super::open::{file_beside, remove};
use super::{Room, Store, StoreError, Unwritten};

/// What is kept: an outcome and its messages take some ten KiB, and as many calls as run at once, and all that they go on
/// to tell, fit many times.
const RESERVE_BYTES: u64 = 64 << 20;

/// It is made where this much more is free, so that making it fills no disk and it is not made and given up in turns.
const BESIDE_BYTES: u64 = 64 << 20;

/// What is written to learn whether there is room: a transaction takes a few pages.
const TRIAL_BYTES: usize = 64 << 10;

/// What people are told while it is given up.
fn told() -> String {
    let wanted = (RESERVE_BYTES + BESIDE_BYTES) >> 20;
    format!(
        "its disk was full, and what room there is by now is kept for what was begun, until {wanted} MiB are free"
    )
}

/// Where it is.
fn place(journal: &Path) -> PathBuf {
    file_beside(journal, ".reserve")
}

/// Gives the room up, if it is there.
fn give_up(journal: &Path) -> bool {
    if is_spent(journal) {
        return false;
    }
    let given = OpenOptions::new().write(true).truncate(true).open(place(journal));
    if given.is_ok() {
        tracing::error!("the disk of the journal is full: the room for what is under way is given up");
    }
    given.is_ok()
}

/// Whether there may be room by now for what did not fit: it is given up here, or somebody else has just done so.
pub(super) fn makes_room(journal: &Path) -> bool {
    !journal.as_os_str().is_empty() && (give_up(journal) || is_spent(journal))
}

/// Whether the room was given up.
pub(super) fn is_spent(journal: &Path) -> bool {
    spent(journal).is_some()
}

/// Why nothing new is begun, while the room is given up.
pub(super) fn spent(journal: &Path) -> Option<Unwritten> {
    let found = place(journal).metadata().ok().filter(|found| found.len() < RESERVE_BYTES)?;
    let since = found.modified().ok().and_then(|since| Timestamp::try_from(since).ok());
    Some(Unwritten { since, why: told() })
}

impl Store {
    /// Keeps room for what is under way, if it does not and there is enough. Where the file system can promise none, there
    /// is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::File`].
    pub fn keep_reserve(&self) -> Result<(), StoreError> {
        let path = self.path();
        let (place, new) = (place(path), file_beside(path, ".reserve.new"));
        // One that a kill has left takes the room that it is to keep.
        remove(&new)?;
        let is_there = place.metadata().is_ok_and(|found| RESERVE_BYTES <= found.len());
        let has_room = |room: Room| RESERVE_BYTES + BESIDE_BYTES <= room.free_bytes;
        if is_there || !self.room().is_some_and(has_room) {
            return Ok(());
        }
        match allocate(&new).and_then(|()| std::fs::rename(&new, &place)) {
            Ok(()) => Ok(()),
            Err(source) => {
                drop(std::fs::remove_file(&new));
                match source.kind() {
                    _ if is_about_room(&source) => Ok(()),
                    // Such a file system never keeps room, so nobody waits for it.
                    ErrorKind::Unsupported => remove(&place),
                    _ => Err(StoreError::file(&place, source)),
                }
            }
        }
    }

    /// Insists that something new may be begun: the room that is kept is there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Spent`] if it is not.
    pub fn insist_on_reserve(&self) -> Result<(), StoreError> {
        let is_file = !self.path().as_os_str().is_empty();
        if is_file && is_spent(self.path()) { Err(StoreError::Spent) } else { Ok(()) }
    }
}

/// Whether nothing can be written beside the journal because the disk is full, or what an account may have of it is used up.
/// The database tells the second from no other failure, so it is tried.
pub(super) fn is_full(journal: &Path) -> bool {
    let trial = file_beside(journal, ".trial");
    let tried = std::fs::write(&trial, vec![1; TRIAL_BYTES]).and_then(|()| File::open(&trial)?.sync_all());
    // What is left of it takes nothing that is needed, and the next trial writes over it.
    drop(std::fs::remove_file(&trial));
    tried.is_err_and(|error| is_about_room(&error))
}

/// Whether it failed for want of room.
pub(super) fn is_about_room(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Makes a file that really takes its room.
fn allocate(place: &Path) -> std::io::Result<()> {
    let file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(place)?;
    fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES)?;
    file.sync_all()
}
