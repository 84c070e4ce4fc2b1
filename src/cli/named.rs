//! Which playbook a person's word is about, where the word counts for what acts: the disk may say otherwise than what is
//! in force, or nothing any more.

use std::path::Path;

use super::Misuse;
use super::choose::{is_called, is_file, unknown};
use super::output::{clean, tell};
use crate::console::Called;
use crate::daemon;
use crate::diag::{Chain, Format, render};
use crate::model::PlaybookId;
use crate::settings::Places;
use crate::store::{RunFilter, StoppedPlaybook, Store, StoreError};

/// Where a word is looked up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// Among what is in force.
    InForce,
    /// Among what is stopped.
    Stopped,
}

/// The journal, for looking things up in it; `None` if there is none yet, or one that only a writer can read.
pub(super) async fn journal(path: &Path) -> anyhow::Result<Option<Store>> {
    match Store::open_reader(path).await {
        Ok(store) => Ok(Some(store)),
        Err(StoreError::Missing { .. } | StoreError::Older) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The playbook that is meant: one in force or stopped, as the journal knows it, whatever became of its file; otherwise
/// one of the folder, whatever is wrong with it; otherwise one that has run.
///
/// # Errors
///
/// [`Misuse`] if there is none, or several.
pub(super) async fn named(
    journal: Option<&Store>,
    places: &Places,
    (wanted, first): (&str, First),
) -> anyhow::Result<StoppedPlaybook> {
    let Some(store) = journal else { return on_disk(places, wanted)? };
    let (in_force, stopped) = (in_force(store, wanted).await, stopped(store, wanted).await?);
    let order = match first {
        First::InForce => [in_force, stopped],
        First::Stopped => [stopped, in_force],
    };
    for found in order {
        if let Some(one) = only(found, wanted)? {
            return Ok(one);
        }
    }
    let none = match on_disk(places, wanted)? {
        Ok(found) => return Ok(found),
        Err(none) => none,
    };
    has_run(store, wanted).await?.ok_or(none)
}

/// Those in force. If what is in force cannot be read, that is told, and the others are looked at.
async fn in_force(store: &Store, wanted: &str) -> Vec<StoppedPlaybook> {
    let live = match store.live_versions().await {
        Ok(live) => live,
        Err(error) => {
            tell(&format!("warning: what is in force cannot be read: {}", Chain(&error)));
            return Vec::new();
        }
    };
    let all = live.into_iter().map(|live| {
        let called = Called { id: live.playbook.to_string(), ..Called::of(&live.file, &live.bytes) };
        (live.file, called, live.playbook)
    });
    let (mut by_path, mut by_name) = (Vec::new(), Vec::new());
    for (file, called, id) in all {
        if is_file(&file, Path::new(wanted)) {
            by_path.push(StoppedPlaybook { id, name: called.name });
        } else if is_called((&file, &called), wanted) {
            by_name.push(StoppedPlaybook { id, name: called.name });
        }
    }
    if by_path.is_empty() { by_name } else { by_path }
}

/// Those that are stopped.
async fn stopped(store: &Store, wanted: &str) -> anyhow::Result<Vec<StoppedPlaybook>> {
    let is_meant = |playbook: &StoppedPlaybook| {
        playbook.name == wanted || playbook.id.to_string().eq_ignore_ascii_case(wanted)
    };
    Ok(store.stops().await?.into_iter().filter_map(|stop| stop.playbook).filter(is_meant).collect())
}

/// One that has run, and whose actions may still be taken back or approved.
async fn has_run(store: &Store, wanted: &str) -> anyhow::Result<Option<StoppedPlaybook>> {
    let playbook = wanted.parse().ok().map(PlaybookId);
    let name = playbook.is_none().then(|| wanted.to_owned());
    let filter = RunFilter { playbook, name, limit: 1, ..RunFilter::default() };
    let run = store.runs(&filter).await?.pop().map(|summary| summary.run);
    Ok(run.map(|run| StoppedPlaybook { id: run.playbook, name: run.playbook_name }))
}

/// One of the folder, or the file at a path. What cannot be read is told, and the others are looked at.
fn on_disk(places: &Places, wanted: &str) -> anyhow::Result<Result<StoppedPlaybook, anyhow::Error>> {
    let mut paths = vec![places.playbooks.clone()];
    paths.extend(Some(Path::new(wanted)).filter(|path| path.is_file()).map(Path::to_path_buf));
    let (found, unread) = daemon::read_all(&paths, &places.lists);
    let unread: Vec<_> = unread.iter().map(daemon::ScanError::diagnostic).collect();
    if !unread.is_empty() {
        tell(render(&unread, Format::Text).trim_end());
    }
    let all: Vec<(String, Called)> =
        found.playbooks.iter().map(|file| (file.name.clone(), Called::of(&file.name, &file.bytes))).collect();
    let by_path = all.iter().any(|(file, _)| is_file(file, Path::new(wanted)));
    let is_meant = |(file, called): &&(String, Called)| {
        if by_path { is_file(file, Path::new(wanted)) } else { is_called((file, called), wanted) }
    };
    let mut meant = Vec::new();
    for (file, called) in all.iter().filter(is_meant) {
        let Ok(id) = called.id.parse() else {
            return Err(Misuse(format!("`{}` has no id that can be read", clean(file, 200))).into());
        };
        meant.push(StoppedPlaybook { id: PlaybookId(id), name: called.name.clone() });
    }
    let none = || unknown(wanted, all.iter().map(|(file, called)| (file.as_str(), called)));
    Ok(only(meant, wanted)?.ok_or_else(none))
}

/// The one that was found; several names of one playbook are one.
fn only(mut found: Vec<StoppedPlaybook>, wanted: &str) -> Result<Option<StoppedPlaybook>, Misuse> {
    found.sort_by_key(|one| one.id);
    found.dedup_by_key(|one| one.id);
    let ids: Vec<String> = found.iter().map(|one| format!("`{}`", one.id)).collect();
    match (found.pop(), found.is_empty()) {
        (None, _) => Ok(None),
        (Some(one), true) => Ok(Some(one)),
        (Some(_), false) => Err(Misuse(format!(
            "`{}` is what {} playbooks are called: give the id of one: {}",
            clean(wanted, 120),
            ids.len(),
            ids.join(", ")
        ))),
    }
}
