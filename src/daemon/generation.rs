//! What is in force: an immutable, numbered set of plans and lists, and how the next one is made of it.
//!
//! Everything that can fail happens before anything is replaced. A file that does not validate leaves its
//! last good version in force; a directory that cannot be read, or most of which vanishes at once, leaves
//! everything in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::scan::Scan;
use crate::diag::{self, Diagnostic, Format};
use crate::model::{List, Lists, PlaybookId};
use crate::plan::{Plan, SourceFile, World, compile_set, parse_lists};
use crate::store::{Accepted, ContentHash, LiveList, LivePlaybook, Publication, Refusal};

/// Fewest playbooks for "most of them vanished" to mean anything.
const VANISH_MIN: usize = 3;

/// A playbook in force.
#[derive(Debug, Clone)]
pub struct Live {
    /// What it means.
    pub plan: Arc<Plan>,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// Its file.
    pub file: String,
}

/// A list in force.
#[derive(Debug, Clone)]
struct LiveListFile {
    list: List,
    bytes: Arc<[u8]>,
    file: String,
}

/// A file that was refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// The file.
    pub file: String,
    /// Which bytes.
    pub hash: ContentHash,
    /// Why.
    pub diagnostics: Vec<Diagnostic>,
    /// The playbook whose earlier version goes on in its place, if there is one.
    pub still_runs: Option<PlaybookId>,
}

/// Everything in force at one moment. Runs keep the generation they started with.
#[derive(Debug, Clone, Default)]
pub struct Generation {
    /// Counts up with each change.
    pub number: u64,
    /// Playbooks by id.
    pub playbooks: BTreeMap<PlaybookId, Live>,
    /// Lists.
    pub lists: Arc<Lists>,
    /// Files refused at the moment.
    pub refused: Vec<Refused>,
    /// Playbooks whose files are gone all at once, and which are held in force until a person looks.
    pub held: BTreeSet<PlaybookId>,
    list_files: BTreeMap<String, LiveListFile>,
}

impl Generation {
    /// What the journal says was in force before a restart. Versions that no longer compile (a channel is
    /// gone from the settings) are left out and reported as refused.
    #[must_use]
    pub fn restore(playbooks: &[LivePlaybook], lists: Vec<LiveList>, world: &World) -> Self {
        let mut sink = diag::Sink::new();
        let list_files: BTreeMap<String, LiveListFile> = lists
            .into_iter()
            .filter_map(|live| {
                let list = crate::playbook::list::parse(&live.file, &live.bytes, &mut sink)?;
                let name = list.name().to_owned();
                Some((name, LiveListFile { list, bytes: live.bytes.into(), file: live.file }))
            })
            .collect();
        let lists = lists_of(&list_files);
        let world = World { lists: (*lists).clone(), ..world.clone() };
        let files: Vec<SourceFile> = playbooks
            .iter()
            .map(|live| SourceFile { name: live.file.clone(), bytes: live.bytes.clone() })
            .collect();
        let mut generation = Self { lists, list_files, ..Self::default() };
        for (compiled, file) in compile_set(&files, &world).into_iter().zip(files) {
            match compiled.plan {
                Some(plan) => generation.take(plan, file),
                None => generation.refused.push(refused(&file, compiled.diagnostics, None)),
            }
        }
        generation
    }

    fn take(&mut self, plan: Plan, file: SourceFile) {
        let live = Live { file: file.name, bytes: file.bytes.into(), plan: Arc::new(plan) };
        self.playbooks.insert(live.plan.about.id, live);
    }

    /// Makes the next generation from what is on disk now. `base` is the world without lists.
    #[must_use]
    pub fn next(&self, scan: Scan, base: &World) -> Self {
        let mut next = Self { number: self.number + 1, ..Self::default() };
        next.take_lists(self, scan.lists);
        let world = World { lists: (*next.lists).clone(), ..base.clone() };
        let compiled = compile_set(&scan.playbooks, &world);
        let mut broken = Vec::new();
        for (compiled, file) in compiled.into_iter().zip(scan.playbooks) {
            match compiled.plan {
                Some(plan) => next.take(plan, file),
                None => broken.push((file, compiled.diagnostics)),
            }
        }
        for (file, diagnostics) in broken {
            let still = self.earlier(&file, &next);
            if let Some(live) = still {
                next.playbooks.insert(live.plan.about.id, live.clone());
            }
            next.refused.push(refused(&file, diagnostics, still.map(|live| live.plan.about.id)));
        }
        next.hold_vanished(self);
        next
    }

    /// The version of a refused file that is in force: that of the same file, unless its playbook has moved.
    fn earlier(&self, file: &SourceFile, next: &Self) -> Option<&Live> {
        let mut same = self.playbooks.values().filter(|live| live.file == file.name);
        same.find(|live| !next.playbooks.contains_key(&live.plan.about.id))
    }

    fn take_lists(&mut self, before: &Self, files: Vec<SourceFile>) {
        for ((list, diagnostics), file) in parse_lists(&files).into_iter().zip(files) {
            if let Some(list) = list {
                let live = LiveListFile { bytes: file.bytes.into(), file: file.name, list };
                self.list_files.insert(live.list.name().to_owned(), live);
                continue;
            }
            self.refused.push(refused(&file, diagnostics, None));
            let earlier = before.list_files.values().find(|live| live.file == file.name);
            if let Some(live) = earlier {
                self.list_files.insert(live.list.name().to_owned(), live.clone());
            }
        }
        self.lists = lists_of(&self.list_files);
    }

    /// When half of the playbooks or more vanish at once, a mount is more likely gone than everybody's
    /// work: they stay in force, and people are told.
    fn hold_vanished(&mut self, before: &Self) {
        let gone: Vec<&Live> = before
            .playbooks
            .iter()
            .filter(|(id, _)| !self.playbooks.contains_key(id))
            .map(|(_, live)| live)
            .collect();
        if gone.len() < VANISH_MIN || gone.len() * 2 < before.playbooks.len() {
            return;
        }
        for live in gone {
            self.held.insert(live.plan.about.id);
            self.playbooks.insert(live.plan.about.id, live.clone());
        }
    }

    /// Whether both hold the same: nothing needs to be swapped.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let versions = |generation: &Self| -> Vec<(PlaybookId, ContentHash, String)> {
            let live = generation.playbooks.iter();
            live.map(|(id, live)| (*id, live.plan.version, live.file.clone())).collect()
        };
        versions(self) == versions(other)
            && self.lists == other.lists
            && self.refused == other.refused
            && self.held == other.held
    }

    /// What the journal is told when this generation follows `before`.
    #[must_use]
    pub fn publication(&self, before: &Self, now: jiff::Timestamp) -> Publication {
        let changed = |id: &PlaybookId, live: &Live| {
            before
                .playbooks
                .get(id)
                .is_none_or(|old| old.plan.version != live.plan.version || old.file != live.file)
        };
        let playbooks = self.playbooks.iter().filter(|(id, live)| changed(id, live));
        let lists = self.list_files.iter().filter(|(name, live)| {
            before.list_files.get(*name).is_none_or(|old| old.bytes != live.bytes || old.file != live.file)
        });
        let gone = before.playbooks.keys().filter(|id| !self.playbooks.contains_key(id));
        let lists_gone = before.list_files.keys().filter(|name| !self.list_files.contains_key(*name));
        Publication {
            playbooks: playbooks
                .map(|(id, live)| Accepted { name: *id, file: live.file.clone(), bytes: live.bytes.to_vec() })
                .collect(),
            retired_playbooks: gone.copied().collect(),
            lists: lists
                .map(|(name, live)| Accepted {
                    name: name.clone(),
                    file: live.file.clone(),
                    bytes: live.bytes.to_vec(),
                })
                .collect(),
            retired_lists: lists_gone.cloned().collect(),
            refusals: self
                .refused
                .iter()
                .map(|refused| Refusal {
                    file: refused.file.clone(),
                    hash: refused.hash,
                    diagnostics: serde_json::from_str(&diag::render(&refused.diagnostics, Format::Json))
                        .unwrap_or_default(),
                    at: now,
                })
                .collect(),
        }
    }
}

fn lists_of(files: &BTreeMap<String, LiveListFile>) -> Arc<Lists> {
    Arc::new(files.values().map(|live| live.list.clone()).collect())
}

fn refused(file: &SourceFile, diagnostics: Vec<Diagnostic>, still_runs: Option<PlaybookId>) -> Refused {
    Refused { file: file.name.clone(), hash: ContentHash::of(&file.bytes), diagnostics, still_runs }
}
