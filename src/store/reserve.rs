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

use super::open::file_beside;
use super::{Room, Store, StoreError, Unwritten};

/// What is kept: an outcome and its messages take some ten KiB, and as many calls as run at once, and all that they go on
/// to tell, fit many times.
const RESERVE_BYTES: u64 = 64 << 20;

/// It is made where this much more is free, so that making it fills no disk and it is not made and given up in turns.
const BESIDE_BYTES: u64 = 64 << 20;

/// What people are told while it is given up.
const SPENT: &str = "its disk was full, and what room there is by now is kept for what was begun";

/// Where it is.
fn place(journal: &Path) -> PathBuf {
    file_beside(journal, ".reserve")
}

/// Gives the room up, if it is there.
pub(super) fn give_up(journal: &Path) -> bool {
    if journal.as_os_str().is_empty() || is_spent(journal) {
        return false;
    }
    let given = OpenOptions::new().write(true).truncate(true).open(place(journal));
    if given.is_ok() {
        tracing::error!("the disk of the journal is full: the room for what is under way is given up");
    }
    given.is_ok()
}

/// Whether the room was given up.
pub(super) fn is_spent(journal: &Path) -> bool {
    spent(journal).is_some()
}

/// Why nothing new is begun, while the room is given up.
pub(super) fn spent(journal: &Path) -> Option<Unwritten> {
    let found = place(journal).metadata().ok().filter(|found| found.len() < RESERVE_BYTES)?;
    let since = found.modified().ok().and_then(|since| Timestamp::try_from(since).ok());
    Some(Unwritten { since, why: SPENT.to_owned() })
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
        let place = place(path);
        let is_there = place.metadata().is_ok_and(|found| RESERVE_BYTES <= found.len());
        let has_room = |room: Room| RESERVE_BYTES + BESIDE_BYTES <= room.free_bytes;
        if is_there || !self.room().is_some_and(has_room) {
            return Ok(());
        }
        let new = file_beside(path, ".reserve.new");
        match allocate(&new).and_then(|()| std::fs::rename(&new, &place)) {
            Ok(()) => Ok(()),
            Err(source) => {
                drop(std::fs::remove_file(&new));
                match source.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Ok(()),
                    // Such a file system never keeps room, so nobody waits for it.
                    ErrorKind::Unsupported => match std::fs::remove_file(&place) {
                        Err(error) if error.kind() != ErrorKind::NotFound => {
                            Err(StoreError::file(&place, error))
                        }
                        _gone => Ok(()),
                    },
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

/// Makes a file that really takes its room.
fn allocate(place: &Path) -> std::io::Result<()> {
    let file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(place)?;
    fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES)?;
    file.sync_all()
}
