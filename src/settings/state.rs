//! Whether somebody else can change the journal, or put another one in its place.

use std::path::{Path, PathBuf};

use super::owner::{Exposure, Owners};
use super::{Settings, place};
use crate::diag::{Code, Diagnostic};

/// What lies beside a journal: the lock, and the log, the index and the undo file of `SQLite`, which plays back one that
/// somebody has put there.
const BESIDE: [&str; 5] = ["", ".lock", "-wal", "-shm", "-journal"];

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
    if settings.reload.strict_modes { journal_exposure(&settings.store.path, hand) } else { Ok(None) }
}

/// What lets somebody else change a journal: nobody else may put anything beside it, nor replace what leads to it.
///
/// # Errors
///
/// If a place cannot be looked at, as where a link leads nowhere.
pub fn journal_exposure(journal: &Path, hand: Hand) -> std::io::Result<Option<Exposure>> {
    let owners = Owners::new([rustix::process::geteuid().as_raw()]);
    let owners = match hand {
        Hand::Owner => owners,
        Hand::Beside => owners.and(super::reload::owner(journal)),
    };
    let journal = std::path::absolute(journal)?;
    let folder = journal.parent().unwrap_or(&journal);
    let found = match standing(folder)? {
        above if above == folder => owners.look(folder)?,
        above => owners.look_above(&above)?,
    };
    if found.is_some() {
        return Ok(found);
    }
    for ending in BESIDE {
        let mut file = journal.as_os_str().to_owned();
        file.push(ending);
        let file = PathBuf::from(file);
        if is_there(&file)?
            && let Some(found) = owners.look(&file)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A folder, or the nearest one above it that is there already.
fn standing(folder: &Path) -> std::io::Result<PathBuf> {
    for above in folder.ancestors() {
        if is_there(above)? {
            return Ok(above.to_path_buf());
        }
    }
    Ok(PathBuf::from("/"))
}

/// Whether there is something, be it a link that leads nowhere.
fn is_there(path: &Path) -> std::io::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
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

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn nobody_else_may_put_anything_beside_a_journal() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let (state, journal) = (top.join("state"), top.join("state/huntbook.db"));
        let allow = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let told = || journal_exposure(&journal, Hand::Owner).unwrap().map(|found| found.to_string());
        allow(&top, 0o1777);
        assert_eq!(told(), None, "its folder is still to be made, and those above let nobody replace it");
        std::fs::create_dir(&state).unwrap();
        allow(&state, 0o1777);
        assert!(told().unwrap().contains("/state` (mode 1777"), "others could put an undo file there");
        allow(&state, 0o700);
        assert_eq!(told(), None);
        for ending in BESIDE {
            let file = PathBuf::from(format!("{}{ending}", journal.display()));
            std::fs::write(&file, "").unwrap();
            allow(&file, 0o666);
            assert!(told().unwrap().contains("(mode 0666"), "{ending}");
            std::fs::remove_file(&file).unwrap();
        }
        symlink(top.join("gone"), &journal).unwrap();
        assert!(journal_exposure(&journal, Hand::Owner).is_err(), "where it leads, others make the file");
    }
}
