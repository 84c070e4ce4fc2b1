//! Says when a directory may have changed.
//!
//! Events are only a hint: they get lost on some mounts and when a directory is replaced, and editors
//! make many of them for one save. So the parents are watched too, a burst is waited out, and everything
//! is looked at again every half minute anyway. What has changed is told by the bytes, never by events.

use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::clock::SharedClock;

/// How long it must be quiet before a look: longer than an editor takes between truncating a file and
/// writing it, shorter than a person waits.
const QUIET: SignedDuration = SignedDuration::from_millis(100);
/// Longest wait for quiet.
const BURST_MAX: SignedDuration = SignedDuration::from_secs(2);
/// How often everything is looked at without a hint.
const POLL: SignedDuration = SignedDuration::from_secs(30);

/// Watches directories. Dropping it ends the watch.
pub(super) struct Watch {
    hints: mpsc::Receiver<()>,
    clock: SharedClock,
    // Dropping it ends the watch; `None` where the system has no watches left, and polling must do.
    _watcher: Option<notify::RecommendedWatcher>,
}

impl Watch {
    /// Starts to watch directories and their parents. Where that is not possible, polling does it.
    pub(super) fn start(directories: &[PathBuf], clock: SharedClock) -> Self {
        let (hint, hints) = mpsc::channel(1);
        let on_event = move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| event.need_rescan() || is_change(event.kind)) {
                // A hint that waits already is as good as two.
                let _full_or_closed = hint.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(on_event);
        let watcher = watcher.and_then(|mut watcher| {
            for directory in directories {
                watch(&mut watcher, directory)?;
            }
            Ok(watcher)
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, "directories cannot be watched; they are looked at every {POLL:#}");
        }
        Self { hints, clock, _watcher: watcher.ok() }
    }

    /// Waits until something may have changed and it has been quiet since.
    pub(super) async fn changed(&mut self) {
        let poll = self.clock.sleep(POLL);
        tokio::select! {
            () = poll => return,
            hint = self.hints.recv() => {
                if hint.is_none() {
                    self.clock.sleep(POLL).await;
                    return;
                }
            }
        }
        let give_up = self.clock.now().checked_add(BURST_MAX).unwrap_or(jiff::Timestamp::MAX);
        while self.clock.now() < give_up {
            let quiet = self.clock.sleep(QUIET);
            tokio::select! {
                () = quiet => return,
                _hint = self.hints.recv() => {}
            }
        }
    }
}

/// Watches a directory and, so that its replacement is seen, its parent.
fn watch(watcher: &mut notify::RecommendedWatcher, directory: &Path) -> notify::Result<()> {
    if let Some(parent) = directory.canonicalize().ok().as_deref().and_then(Path::parent) {
        watcher.watch(parent, RecursiveMode::NonRecursive)?;
    }
    if directory.is_dir() {
        watcher.watch(directory, RecursiveMode::Recursive)?;
    }
    Ok(())
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
