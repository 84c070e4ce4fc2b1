//! Edits that raise risk: what was in force stays until a second person has confirmed them, if the settings ask for that.
//!
//! What waits follows from what is in force and what is on disk, so it is the same after a restart. What was confirmed is
//! bound to both, by a digest, and is forgotten when the edit has come into force or is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;

use jiff::Timestamp;

use super::generation::{Generation, Live, LiveListFile};
use crate::model::PlaybookId;
use crate::plan::{Plan, risks};
use crate::settings::RiskRaising;
use crate::store::{ContentHash, HeldEdit};

/// Entries of a list that are named, of those that protect no more.
const NAMED_MAX: usize = 5;

/// How edits that raise risk are treated.
#[derive(Debug, Clone, Default)]
pub(super) struct Review {
    /// What becomes of them.
    pub(super) risk_raising: RiskRaising,
    /// What people confirmed.
    pub(super) confirmed: BTreeSet<ContentHash>,
    /// Files that went a moment ago, and do not count as deleted yet.
    pub(super) gone: BTreeSet<String>,
}

/// An edit that waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Waiting {
    playbook: Option<PlaybookId>,
    name: String,
    file: String,
    author: Option<String>,
    risks: Vec<String>,
}

/// Edits that wait, by what they are bound to.
pub(super) type Edits = BTreeMap<ContentHash, Waiting>;

impl Waiting {
    /// Its file.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// What it raises.
    pub(super) fn risks(&self) -> String {
        self.risks.join("; ")
    }
}

/// What an edit is bound to: what it is of, what was in force, and what would be.
fn digest(of: &str, was: Option<ContentHash>, now: ContentHash) -> ContentHash {
    let was = was.map(|was| was.to_string()).unwrap_or_default();
    ContentHash::of(format!("{of}\n{was}\n{now}").as_bytes())
}

fn of_list(was: &LiveListFile, now: Option<&LiveListFile>) -> ContentHash {
    let bytes = |live: &LiveListFile| ContentHash::of(&live.bytes);
    digest(was.list.name(), Some(bytes(was)), now.map_or_else(|| ContentHash::of(b""), bytes))
}

impl Review {
    fn waits(&self, digest: &ContentHash) -> bool {
        self.risk_raising == RiskRaising::Hold && !self.confirmed.contains(digest)
    }

    /// The edit of a playbook, if it has to wait.
    pub(super) fn of_playbook(
        &self,
        (old, new): (Option<&Live>, &Plan),
        file: &str,
    ) -> Option<(ContentHash, Waiting)> {
        let was = old.map(|live| live.plan.version);
        let digest = digest(&new.about.id.to_string(), was, new.version);
        if was == Some(new.version) || !self.waits(&digest) {
            return None;
        }
        let risks: Vec<String> =
            risks(old.map(|live| &*live.plan), new).iter().map(ToString::to_string).collect();
        let waiting = Waiting {
            playbook: Some(new.about.id),
            name: new.about.name.clone(),
            file: file.to_owned(),
            author: new.about.author.clone(),
            risks,
        };
        (!waiting.risks.is_empty()).then_some((digest, waiting))
    }

    /// The edit of a list that protects, if it has to wait; `now` is `None` if its file is gone.
    pub(super) fn of_list(
        &self,
        was: &LiveListFile,
        now: Option<&LiveListFile>,
    ) -> Option<(ContentHash, Waiting)> {
        let (name, digest) = (was.list.name(), of_list(was, now));
        let is_gone = |entry: &&str| now.is_none_or(|now| !now.list.contains(entry));
        let gone: Vec<&str> = was.list.folded().filter(is_gone).collect();
        if gone.is_empty() || !self.waits(&digest) {
            return None;
        }
        let named =
            gone.iter().take(NAMED_MAX).map(|entry| format!("`{entry}`")).collect::<Vec<_>>().join(", ");
        let more = if NAMED_MAX < gone.len() { ", …" } else { "" };
        let lost = format!("{} of {} entries", gone.len(), was.list.len());
        let waiting = Waiting {
            playbook: None,
            name: name.to_owned(),
            file: was.file.clone(),
            author: None,
            risks: vec![format!("the list `{name}` protects {lost} no more: {named}{more}")],
        };
        Some((digest, waiting))
    }

    /// Whether somebody confirmed the edit of a list.
    pub(super) fn has_confirmed(&self, was: &LiveListFile, now: Option<&LiveListFile>) -> bool {
        self.confirmed.contains(&of_list(was, now))
    }

    /// Tells what was seen, with what was confirmed and what went a moment ago, from all else.
    pub(super) fn hash(&self, seen: ContentHash) -> ContentHash {
        let confirmed: String = self.confirmed.iter().map(ToString::to_string).collect();
        ContentHash::of(format!("{seen}\n{confirmed}\n{:?}", self.gone).as_bytes())
    }
}

/// Who may have written a file: its owner, but for root and this process, which put there what others wrote.
fn writer(file: &str) -> Option<u32> {
    let owner = std::fs::metadata(file).ok()?.uid();
    (owner != 0 && owner != rustix::process::geteuid().as_raw()).then_some(owner)
}

impl Generation {
    /// The edits that wait, as the journal keeps them.
    pub(super) fn held_edits(&self, at: Timestamp) -> Vec<HeldEdit> {
        let edit = |(digest, waiting): (&ContentHash, &Waiting)| HeldEdit {
            digest: *digest,
            playbook: waiting.playbook,
            name: waiting.name.clone(),
            file: waiting.file.clone(),
            author: waiting.author.clone(),
            owner: writer(&waiting.file),
            risks: waiting.risks.clone(),
            at,
            confirmed: false,
        };
        self.edits.iter().map(edit).collect()
    }
}
