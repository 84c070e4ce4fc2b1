//! Whether somebody else can change the journal, or put another one in its place.

use std::path::{Path, PathBuf};

use super::owner::{Exposure, Owners};
use super::{Settings, place};
use crate::diag::{Code, Diagnostic};

/// What lies beside a journal: the lock, and the log and the index of `SQLite`.
const BESIDE: [&str; 4] = ["", ".lock", "-wal", "-shm"];

/// Who works with the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// The process that owns it: its files are this account's, or root's.
    Owner,
    /// Somebody beside that process: they may be of whoever the journal belongs to.
    Beside,
}

/// What lets somebody else change the journal of the settings; nothing with `reload.strictModes: false`.
///
/// # Errors
///
/// If a place cannot be looked at.
pub fn state_exposure(settings: &Settings, hand: Hand) -> std::io::Result<Option<Exposure>> {
    if !settings.reload.strict_modes {
        return Ok(None);
    }
    let journal = &settings.store.path;
    let owners = Owners::new([rustix::process::geteuid().as_raw()]);
    let owners = match hand {
        Hand::Owner => owners,
        Hand::Beside => owners.and(super::reload::owner(journal)),
    };
    if let Some(found) = owners.look_above(&standing(journal)?)? {
        return Ok(Some(found));
    }
    for ending in BESIDE {
        let mut file = journal.as_os_str().to_owned();
        file.push(ending);
        let file = PathBuf::from(file);
        if file.try_exists()?
            && let Some(found) = owners.look(&file)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The folder of a journal, or the nearest one above it that is there already.
fn standing(journal: &Path) -> std::io::Result<PathBuf> {
    let journal = std::path::absolute(journal)?;
    let above = journal.ancestors().skip(1).find(|folder| folder.exists());
    Ok(above.unwrap_or(Path::new("/")).to_path_buf())
}

/// As people see it: what somebody else could do, and the command that mends it.
#[must_use]
pub fn state_problem(config: &Path, settings: &Settings, found: &Exposure) -> Diagnostic {
    let message = format!("somebody else could change or replace the journal: {found}");
    let owner = super::reload::owner(&settings.store.path);
    let owner = owner.unwrap_or_else(|| rustix::process::geteuid().as_raw());
    Diagnostic::error(Code::Exposed, place(config, "/store/path"), message).help(format!(
        "{}; what huntbook may do, and what it has done, is read from there",
        found.mend(&owner.to_string())
    ))
}
