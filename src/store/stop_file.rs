//! The kill switch that needs no journal: a file beside it. As long as it is there nothing is intended and nothing sent,
//! whoever made it and whatever it says.
//!
//! Who can make a file in the folder of the journal can do worse to the journal; who that is, is checked where the journal
//! is opened. What the file says is text from outside.

use std::fs::{Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::open::{folder_of, sync_folder};
use super::word::Way;
use super::{Stop, StopWord, Store, StoreError, reserve};

/// What the file is called.
pub const STOP_FILE: &str = "stop";

/// Most bytes of it that are read: a line that says why. What is beyond does not count.
const WORDS_BYTES_MAX: u64 = 2000;

/// A stop that was written beside the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopFile {
    /// The stop that stands.
    pub stop: Stop,
    /// Whether it is new; otherwise the file was there before, and says what it said.
    pub is_new: bool,
    /// Whether it outlasts a power cut.
    pub is_kept: bool,
}

impl Store {
    /// Stops all actions of every process that works with the journal at `path`, by a file beside it: for when the journal
    /// takes no word. Which tenant or playbook the word is about does not matter: it stops everything.
    ///
    /// # Errors
    ///
    /// [`StoreError::File`] if the file cannot be made; nothing is stopped then.
    pub fn stop_by_file(path: &Path, word: &StopWord) -> Result<StopFile, StoreError> {
        let place = place(path);
        let made = match make(&place, word) {
            // A disk that takes no file any more gives the room for one.
            Err(error) if reserve::is_about_room(&error) && reserve::makes_room(path) => make(&place, word),
            made => made,
        };
        let made = made.map_err(|source| StoreError::file(&place, source))?;
        let stop = look(path).ok_or_else(|| StoreError::file(&place, ErrorKind::NotFound.into()))?;
        Ok(StopFile { stop, is_new: made.is_some(), is_kept: made.unwrap_or(true) })
    }

    /// The stop that a file beside the journal at `path` is, if it is there. It reads no journal. Where there is no folder
    /// for one yet, nobody could put it there.
    #[must_use]
    pub fn stop_file(path: &Path) -> Option<Stop> {
        match folder_of(path).symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            _other => look(path),
        }
    }
}

/// Where the file is made: beside the journal itself, whatever link leads to it.
fn place(journal: &Path) -> PathBuf {
    let real = journal.canonicalize();
    folder_of(real.as_deref().unwrap_or(journal)).join(STOP_FILE)
}

/// Where it stops: there, and beside the link by which the journal is called.
fn places(journal: &Path) -> impl Iterator<Item = PathBuf> {
    let by_name = journal.is_symlink().then(|| folder_of(journal).join(STOP_FILE));
    std::iter::once(place(journal)).chain(by_name)
}

/// Makes the file and says why; `None` if it was there, otherwise whether it outlasts a power cut.
fn make(place: &Path, word: &StopWord) -> io::Result<Option<bool>> {
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o644).open(place) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
        made => made?,
    };
    let reason = word.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    // A full disk takes no words. That the file is there is enough.
    if let Err(error) = file.write_all(format!("{}{reason}\n", word.account).as_bytes()) {
        tracing::warn!(%error, "the file that stops actions does not say why");
    }
    Ok(Some(file.sync_all().and_then(|()| sync_folder(place)).is_ok()))
}

/// Removes the file of a stop that is lifted.
pub(super) fn remove(journal: &Path) -> Result<(), StoreError> {
    for place in places(journal) {
        let removed = match std::fs::remove_file(&place) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| sync_folder(&place)),
        };
        removed.map_err(|source| StoreError::StopFile { path: place, source })?;
    }
    Ok(())
}

/// The stop that the file is. One that nobody can look for stands: only that it is not there says that nothing is stopped.
pub(super) fn look(journal: &Path) -> Option<Stop> {
    // A journal in memory has no folder.
    if journal.as_os_str().is_empty() {
        return None;
    }
    places(journal).find_map(|place| look_at(&place))
}

fn look_at(place: &Path) -> Option<Stop> {
    let found = match place.symlink_metadata() {
        Ok(found) => found,
        // Without its folder nobody could put it there.
        Err(error) if error.kind() == ErrorKind::NotFound && folder_of(place).exists() => return None,
        Err(error) => return Some(standing(place, Timestamp::UNIX_EPOCH, Some(unseen(&error)))),
    };
    let at = i32::try_from(found.mtime_nsec()).ok().and_then(|nano| Timestamp::new(found.mtime(), nano).ok());
    let said = match words(place, &found) {
        Ok(words) => Some(words).filter(|words| !words.is_empty()),
        Err(error) => Some(unseen(&error)),
    };
    Some(Stop { uid: Some(found.uid()), ..standing(place, at.unwrap_or(Timestamp::UNIX_EPOCH), said) })
}

fn standing(place: &Path, at: Timestamp, reason: Option<String>) -> Stop {
    let account = format!("the file `{}`", harmless(&place.to_string_lossy()));
    Stop { tenant: None, playbook: None, reason, account, uid: None, way: Some(Way::File), at }
}

fn unseen(error: &io::Error) -> String {
    format!("it cannot be read: {error}")
}

/// What the file says, in one line. Anything else than a file stops without a word: reading it might never end.
fn words(place: &Path, found: &Metadata) -> io::Result<String> {
    if !found.is_file() {
        return Ok(String::new());
    }
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(|_range| ErrorKind::Unsupported)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(place)?;
    let mut bytes = Vec::new();
    file.take(WORDS_BYTES_MAX).read_to_end(&mut bytes)?;
    let words = String::from_utf8_lossy(&bytes).split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(harmless(&words))
}

/// A text in which nothing is hidden. Whoever shows it encodes it for their reader all the same.
fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\'' | '"' | '\\') { shown.push(c) } else { shown.extend(c.escape_debug()) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("huntbook.db");
        (dir, journal)
    }

    fn word(reason: &str) -> StopWord {
        StopWord {
            tenant: Some("contoso".to_owned()),
            playbook: None,
            reason: Some(reason.to_owned()),
            account: "duty".to_owned(),
            uid: Some(4001),
            way: Some(Way::Command),
        }
    }

    #[test]
    fn a_file_stops_everything_until_it_is_gone() {
        let (_dir, journal) = folder();
        assert_eq!(look(&journal), None);
        let made = Store::stop_by_file(&journal, &word("wrong list")).unwrap();
        assert!(made.is_new && made.is_kept, "{made:?}");
        assert_eq!((&made.stop.tenant, made.stop.way), (&None, Some(Way::File)));
        assert_eq!(made.stop.reason.as_deref(), Some("duty: wrong list"));
        let again = Store::stop_by_file(&journal, &word("another")).unwrap();
        assert_eq!((again.is_new, &again.stop), (false, &made.stop), "what it says stays");
        remove(&journal).unwrap();
        remove(&journal).unwrap();
        assert_eq!(look(&journal), None);
    }

    #[test]
    fn whatever_has_the_name_stops_and_what_it_says_is_text() {
        let (dir, journal) = folder();
        let place = dir.path().join(STOP_FILE);
        let said = |bytes: &[u8]| {
            std::fs::write(&place, bytes).unwrap();
            look(&journal).unwrap().reason
        };
        assert_eq!(said(b"").as_deref(), None);
        assert_eq!(said(b" don't\n  <b>go</b> on\n").as_deref(), Some("don't <b>go</b> on"));
        assert_eq!(said("a\u{1b}[2J\u{202e}b".as_bytes()).as_deref(), Some("a\\u{1b}[2J\\u{202e}b"));
        assert_eq!(said(&[b'x'; 5000]).map(|words| words.len()), Some(2000));
        assert!(said(&[0xff, 0xfe, 0]).is_some());
        std::fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink("nowhere", &place).unwrap();
        assert!(look(&journal).is_some(), "a link that leads nowhere");
        std::fs::remove_file(&place).unwrap();
        std::fs::create_dir(&place).unwrap();
        assert!(look(&journal).is_some_and(|stop| stop.reason.is_none()), "a folder");
        assert!(remove(&journal).is_err());
    }

    #[test]
    fn what_nobody_can_look_for_stands() {
        let (dir, journal) = folder();
        assert_eq!(look(Path::new("")), None, "a journal in memory");
        let gone = dir.path().join("gone/huntbook.db");
        assert!(look(&gone).is_some_and(|stop| stop.to_string().contains("cannot be read")));
        assert_eq!(Store::stop_file(&gone), None, "before the first start there is no folder");
        std::fs::write(&journal, b"").unwrap();
        assert!(look(&journal.join("below")).is_some(), "its folder is a file");
        assert!(Store::stop_file(&journal.join("below")).is_some());
    }

    #[test]
    fn a_link_to_the_journal_stops_what_works_with_it() {
        let (dir, journal) = folder();
        std::fs::write(&journal, b"").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("link.db");
        std::os::unix::fs::symlink(&journal, &link).unwrap();
        Store::stop_by_file(&link, &word("wrong list")).unwrap();
        assert!(dir.path().join(STOP_FILE).exists());
        assert_eq!(look(&journal), look(&link));
        remove(&journal).unwrap();
        assert_eq!(look(&link), None);
        // Whoever serves it by its link looks there too.
        std::fs::write(elsewhere.path().join(STOP_FILE), b"").unwrap();
        assert_eq!((look(&link).is_some(), look(&journal)), (true, None));
        remove(&link).unwrap();
        assert_eq!(look(&link), None);
    }
}
