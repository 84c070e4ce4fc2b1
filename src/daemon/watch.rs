//! Says when a directory may have changed.
//!
//! Events are only a hint: they get lost on some mounts and when a directory is replaced, and editors
//! make many of them for one save. So the places where a directory can be replaced are watched too, a
//! burst is waited out, a file somebody is writing is waited for, and everything is looked at again every
//! half minute anyway. What has changed is told by the bytes, never by events.
//!
//! Where events cannot be had, or not of what others do, everything is looked at every few seconds, and what changed
//! counts when it has stayed the same for a while ([`Steady`]).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::SignedDuration;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::run::DaemonOptions;
use super::scan::Scan;
use crate::clock::SharedClock;
use crate::settings::Watching;
use crate::store::{ContentHash, shared_file_system};

/// How long it must be quiet before a look: longer than an editor takes between truncating a file and
/// writing it, shorter than a person waits.
pub(super) const QUIET: SignedDuration = SignedDuration::from_millis(100);
/// How long a file must not have changed before what it says counts, where nothing tells that it was closed.
pub(super) const SETTLED: SignedDuration = SignedDuration::from_millis(500);
/// How long a file must be gone before it counts as deleted: longer than a tool takes that removes it and writes it anew.
pub(super) const GONE: SignedDuration = SignedDuration::from_secs(5);
/// Longest wait for quiet.
pub(super) const BURST_MAX: SignedDuration = SignedDuration::from_secs(2);
/// Longest wait for somebody who has written to a file to close it.
const WRITING_MAX: SignedDuration = SignedDuration::from_secs(5);
/// How long a file must have said the same before it counts, where nothing tells that somebody writes: longer than a
/// transfer over a network pauses, and by our own clock, for that of a server of files may be another.
pub(super) const STEADY: SignedDuration = SignedDuration::from_secs(2);
/// How often everything is looked at without a hint, where there are hints.
const POLL: SignedDuration = SignedDuration::from_secs(30);
/// Most files remembered as being written; with more, only quiet is waited for.
const WRITTEN_MAX: usize = 1_000;

/// Watches directories. Dropping it ends the watch.
pub(super) struct Watch {
    hints: mpsc::Receiver<()>,
    written: Written,
    clock: SharedClock,
    every: SignedDuration,
    is_told: bool,
    // Dropping it ends the watch; `None` where there is none, and polling must do.
    _watcher: Option<notify::RecommendedWatcher>,
}

/// Since when, by the clock that nobody sets, files say what they say; kept where nothing tells that they are written.
#[derive(Debug, Default)]
pub(super) struct Steady {
    pub(super) is_needed: bool,
    said: BTreeMap<String, (ContentHash, SignedDuration)>,
}

impl Steady {
    /// Takes a look in, and gives the files that have not said the same for long enough.
    pub(super) fn note(&mut self, seen: &Scan, now: SignedDuration) -> BTreeSet<String> {
        if !self.is_needed {
            return BTreeSet::new();
        }
        let mut before = std::mem::take(&mut self.said);
        for file in seen.playbooks.iter().chain(&seen.lists) {
            let hash = ContentHash::of(&file.bytes);
            let same = before.remove(&file.name).filter(|(said, _since)| *said == hash);
            self.said.insert(file.name.clone(), same.unwrap_or((hash, now)));
        }
        let young = self.said.iter().filter(|(_name, (_hash, since))| now.saturating_sub(*since) < STEADY);
        young.map(|(name, _said)| name.clone()).collect()
    }
}

/// Why the system does not tell of all changes in these directories, if that is known beforehand.
fn untold(directories: &[PathBuf], watching: Watching) -> Option<String> {
    match watching {
        Watching::Poll => Some("the settings say so".to_owned()),
        Watching::Auto => directories
            .iter()
            .find_map(|directory| shared_file_system(directory))
            .map(|kind| format!("others share their file system ({kind})")),
    }
}

/// Whether files must be seen to be steady before there is a watch.
pub(super) fn needs_steady(directories: &[PathBuf], watching: Watching) -> bool {
    untold(directories, watching).is_some()
}

/// Files that were written to and not closed since.
#[derive(Debug, Clone, Default)]
pub(super) struct Written(Arc<Mutex<BTreeSet<PathBuf>>>);

impl Watch {
    /// Starts to watch directories and the places where they can be replaced. Where the system does not tell of
    /// everything, they are looked at every few seconds.
    pub(super) fn start(
        directories: &[PathBuf],
        written: &Written,
        (options, clock): (&DaemonOptions, SharedClock),
    ) -> Self {
        let (hint, hints) = mpsc::channel(1);
        // What another watch noted it may not have seen the end of.
        written.clear();
        let mut untold = untold(directories, options.watching);
        let watcher = (options.watching == Watching::Auto).then(|| watcher(directories, written, hint));
        let watcher = watcher.and_then(|started| match started {
            Ok((watcher, unwatched)) => {
                untold = unwatched.or(untold.take());
                Some(watcher)
            }
            Err(error) => {
                untold = Some(error.to_string());
                None
            }
        });
        let every = if untold.is_some() { options.poll_every } else { POLL };
        if let Some(why) = &untold {
            tracing::warn!(%why, "playbooks and lists are looked at every {every:#}, for not every change is told of");
        }
        Self { hints, written: written.clone(), clock, every, is_told: untold.is_none(), _watcher: watcher }
    }

    /// Whether the system tells of all changes, as far as that can be known.
    pub(super) const fn is_told(&self) -> bool {
        self.is_told
    }

    /// Waits until something may have changed, it has been quiet since, and nobody is in the middle of
    /// writing.
    pub(super) async fn changed(&mut self) {
        let poll = self.clock.sleep(self.every);
        tokio::select! {
            () = poll => {}
            () = hint(&mut self.hints) => {}
        }
        let began = self.clock.now();
        loop {
            let longest = if self.written.is_empty() { BURST_MAX } else { WRITING_MAX };
            if longest <= self.clock.now().duration_since(began) {
                // The others need not wait: what is open still counts as unread.
                return;
            }
            let quiet = self.clock.sleep(QUIET);
            tokio::select! {
                () = quiet => if self.written.is_empty() { return },
                () = hint(&mut self.hints) => {}
            }
        }
    }
}

/// Starts a watch, and says what of it could not be watched.
fn watcher(
    directories: &[PathBuf],
    written: &Written,
    hint: mpsc::Sender<()>,
) -> notify::Result<(notify::RecommendedWatcher, Option<String>)> {
    let (noted, roots) = (written.clone(), roots(directories));
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let may_matter = event.map_or(true, |event| {
            // First of all: the journal and the log are often beside the directories, and open for ever.
            concerns(&roots, &event.paths) && {
                noted.note(&event);
                event.need_rescan() || is_change(event.kind)
            }
        });
        if may_matter {
            // A hint that waits already is as good as two.
            let _full_or_closed = hint.try_send(());
        }
    })?;
    let mut unwatched = None;
    for (place, mode) in places(directories) {
        if let Err(error) = watcher.watch(&place, mode) {
            unwatched = Some(format!("`{}` cannot be watched: {error}", place.display()));
        }
    }
    Ok((watcher, unwatched))
}

/// Waits for a hint; for ever if there is no watch that could give one.
async fn hint(hints: &mut mpsc::Receiver<()>) {
    if hints.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}

impl Written {
    fn note(&self, event: &Event) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if event.need_rescan() {
            // What was closed in the meantime is not known.
            written.clear();
        }
        for path in &event.paths {
            match event.kind {
                EventKind::Modify(ModifyKind::Data(_)) if written.len() < WRITTEN_MAX => {
                    written.insert(path.clone());
                }
                EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Remove(_)
                | EventKind::Modify(ModifyKind::Name(_)) => {
                    written.remove(path);
                }
                _ => {}
            }
        }
    }

    /// Whether somebody has written to this file and not closed it.
    pub(super) fn contains(&self, path: &Path) -> bool {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !written.is_empty() && whole(path).is_some_and(|path| written.contains(&path))
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The directories by the names they are watched under, and by their real names.
fn roots(directories: &[PathBuf]) -> Vec<PathBuf> {
    let names = directories.iter().flat_map(|directory| [whole(directory), directory.canonicalize().ok()]);
    names.flatten().collect()
}

fn whole(path: &Path) -> Option<PathBuf> {
    std::path::absolute(path).ok()
}

/// Whether an event is about something in the directories, or about a directory that leads to them. The
/// journal often lies beside them and is written to all the time.
fn concerns(roots: &[PathBuf], paths: &[PathBuf]) -> bool {
    paths.is_empty()
        || paths.iter().any(|path| roots.iter().any(|root| path.starts_with(root) || root.starts_with(path)))
}

/// What must be watched: the directories with everything in them, and every folder in which one of them,
/// or a link that leads to one, can be replaced. No place is named twice: the second watch of a folder
/// would take the place of the first.
fn places(directories: &[PathBuf]) -> Vec<(PathBuf, RecursiveMode)> {
    let whole: BTreeSet<PathBuf> = directories.iter().filter_map(|directory| whole(directory)).collect();
    let inside = |path: &Path| whole.iter().any(|root| path != root && path.starts_with(root));
    let roots = whole.iter().filter(|root| !inside(root) && root.is_dir());
    let roots = roots.map(|root| (root.clone(), RecursiveMode::Recursive));
    let mut doors = BTreeSet::new();
    for root in &whole {
        // The nearest folder there is, so that the directory is seen when it comes.
        doors.extend(root.ancestors().skip(1).find(|folder| folder.is_dir()).map(Path::to_path_buf));
        let links = root.ancestors().filter(|path| path.is_symlink()).filter_map(Path::parent);
        doors.extend(links.map(Path::to_path_buf));
        doors.extend(root.canonicalize().ok().as_deref().and_then(Path::parent).map(Path::to_path_buf));
    }
    // By its real name too: one folder under two names is one watch, and the second name would win.
    let real: Vec<PathBuf> = whole.iter().filter_map(|root| root.canonicalize().ok()).collect();
    let covered = |door: &Path| {
        whole.iter().filter(|root| root.is_dir()).chain(&real).any(|root| door.starts_with(root))
    };
    let doors = doors.into_iter().filter(|door| !covered(door));
    roots.chain(doors.map(|door| (door, RecursiveMode::NonRecursive))).collect()
}

/// Whether an event can mean a change. Opening and reading does not, or our own look would be one.
const fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// What directories really are, so that a replaced one is noticed.
pub(super) fn identities(directories: &[PathBuf]) -> BTreeSet<(PathBuf, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |path: &PathBuf| Some((path.canonicalize().ok()?, std::fs::metadata(path).ok()?.ino()));
    directories.iter().filter_map(identity).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_where_a_directory_can_be_replaced_is_watched_once() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let at = |name: &str| top.join(name);
        std::fs::create_dir_all(at("releases/5/playbooks/lists")).unwrap();
        std::os::unix::fs::symlink("releases/5", at("current")).unwrap();
        let found = places(&[at("current/playbooks"), at("current/playbooks/lists")]);
        let (wide, narrow) = (RecursiveMode::Recursive, RecursiveMode::NonRecursive);
        assert_eq!(
            found,
            [
                (at("current/playbooks"), wide),
                (top.clone(), narrow),
                (at("current"), narrow),
                (at("releases/5"), narrow),
            ]
        );
        let missing = places(&[at("gone/playbooks")]);
        assert_eq!(missing, [(top, narrow)]);
    }

    #[test]
    fn row_48_a_file_is_steady_when_it_has_said_the_same_for_two_seconds_by_our_own_clock() {
        let scan = |text: &str| {
            let file = crate::plan::SourceFile { name: "a".to_owned(), bytes: text.into() };
            Scan { playbooks: vec![file], ..Scan::default() }
        };
        let at = SignedDuration::from_millis;
        let young = |steady: &mut Steady, text, millis| !steady.note(&scan(text), at(millis)).is_empty();
        let mut steady = Steady { is_needed: true, ..Steady::default() };
        assert!(young(&mut steady, "half", 0) && young(&mut steady, "half", 1_999));
        assert!(young(&mut steady, "whole", 2_000) && young(&mut steady, "half", 3_000));
        assert!(young(&mut steady, "half", 4_999) && !young(&mut steady, "half", 5_000));
        // Gone and back is new.
        assert!(steady.note(&Scan::default(), at(6_000)).is_empty() && young(&mut steady, "half", 9_000));
        let mut told = Steady::default();
        assert!(!young(&mut told, "half", 0));
    }

    #[test]
    fn what_lies_beside_a_directory_does_not_concern_it() {
        let roots = [PathBuf::from("/etc/huntbook/playbooks")];
        let concerns = |path: &str| concerns(&roots, &[PathBuf::from(path)]);
        assert!(!concerns("/etc/huntbook/huntbook.db-wal"));
        assert!(!concerns("/etc/huntbook/playbooks.old/a.yaml"));
        assert!(concerns("/etc/huntbook/playbooks"));
        assert!(concerns("/etc/huntbook/playbooks/team/a.yaml"));
        assert!(concerns("/etc/huntbook"));
    }
}
