//! What is in force: an immutable, numbered set of plans and lists, and how the next one is made of it.
//!
//! Everything that can fail happens before anything is replaced. A file that does not validate or cannot be
//! read leaves its last good version in force; a directory that cannot be read, or most of which vanishes at
//! once, leaves everything in force. A list that vanishes stays as long as something in force may need it, and
//! one that protects stays when it loses a large share at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::edit::{Edits, Review};
use super::scan::{Scan, Unread};
use super::terms::ScanError;
use crate::diag::{self, Code, Diagnostic, Format, Level};
use crate::engine::Standing;
use crate::model::{List, Lists, PlaybookId};
use crate::plan::{Plan, SourceFile, World, compile, compile_changed, compile_set, parse_lists};
use crate::settings::RiskRaising;
use crate::store::{Accepted, ContentHash, HeldEdit, LiveList, LivePlaybook, Publication, Refusal};

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
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LiveListFile {
    pub(super) list: List,
    pub(super) bytes: Arc<[u8]>,
    pub(super) file: String,
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
    /// What is in force in its place.
    pub instead: Instead,
}

/// What is in force in place of a refused file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// Its last good version.
    LastGood,
    /// Nothing: there never was a good one.
    Nothing,
}

/// Everything in force at one moment.
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
    /// Lists of which too much is gone at once, and which are held because something in force may need them.
    pub held_lists: BTreeSet<String>,
    /// Of these, what is on disk in their place, if anything is.
    pub(super) list_files_instead: BTreeMap<String, LiveListFile>,
    /// Edits that wait for a second person, and in whose place stays what was in force.
    pub(super) edits: Edits,
    /// What the journal has in force and does not compile any more: the next publication retires it.
    pub(super) unusable: BTreeSet<PlaybookId>,
    pub(super) list_files: BTreeMap<String, LiveListFile>,
}

/// What is in force and what is not, for people.
#[derive(Debug, Clone)]
pub struct Status {
    /// Number of the generation in force.
    pub generation: u64,
    /// Playbooks in force.
    pub playbooks: usize,
    /// Of these, how many run by themselves in some tenant.
    pub scheduled: usize,
    /// How many of them run at this moment, counted by tenant.
    pub running: usize,
    /// When a run starts next, and of which playbook.
    pub next: Option<(Timestamp, String)>,
    /// Files refused.
    pub refused: Vec<Refused>,
    /// Files that are gone, or much of them, and whose last version stays in force.
    pub held: Vec<String>,
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
        let lists = lists_of(&list_files, &BTreeMap::new());
        let world = World { lists: (*lists).clone(), ..world.trusting() };
        let files: Vec<SourceFile> = playbooks
            .iter()
            .map(|live| SourceFile { name: live.file.clone(), bytes: live.bytes.clone() })
            .collect();
        let mut generation = Self { lists, list_files, ..Self::default() };
        let compiled = compile_set(&files, &world);
        for ((compiled, file), stored) in compiled.into_iter().zip(files).zip(playbooks) {
            if let Some(plan) = compiled.plan {
                generation.take(plan, file);
                continue;
            }
            generation.unusable.insert(stored.playbook);
            generation.refused.push(refused(&file, compiled.diagnostics, Instead::Nothing));
        }
        generation
    }

    /// How a playbook stands, for a run of it that was cut off.
    #[must_use]
    pub fn standing(&self, playbook: PlaybookId) -> Standing {
        match self.playbooks.get(&playbook) {
            None => Standing::Gone,
            Some(_live) if self.held.contains(&playbook) => Standing::Held,
            Some(live) => Standing::InForce(Arc::clone(&live.plan)),
        }
    }

    fn take(&mut self, plan: Plan, file: SourceFile) {
        let live = Live { file: file.name, bytes: file.bytes.into(), plan: Arc::new(plan) };
        self.playbooks.insert(live.plan.about.id, live);
    }

    /// Makes the next generation from what is on disk now, as `serve` does: what raises risk waits where the settings
    /// say so, but for what people have confirmed of the edits that wait. `base` is the world without lists.
    #[must_use]
    pub fn next_served(
        &self,
        scan: Scan,
        base: &World,
        (risk_raising, waiting): (RiskRaising, &[HeldEdit]),
    ) -> Self {
        let confirmed = waiting.iter().filter(|edit| edit.confirmed).map(|edit| edit.digest).collect();
        self.next_reviewed(scan, base, &Review { risk_raising, confirmed, ..Review::default() })
    }

    /// The same with a review at hand.
    pub(super) fn next_reviewed(&self, scan: Scan, base: &World, review: &Review) -> Self {
        let mut next = Self { number: self.number + 1, ..Self::default() };
        let by_file: BTreeMap<&str, &Live> =
            self.playbooks.values().map(|live| (live.file.as_str(), live)).collect();
        next.take_lists(self, scan.lists, scan.unread_lists);
        next.keep_lists(self, review);
        let world = World { lists: (*next.lists).clone(), ..base.clone() };
        // Besides its bytes a plan depends on which lists there are and which of them are empty, and on
        // settings, which do not change.
        let shape = |lists: &Lists| -> Vec<(String, bool)> {
            lists.iter().map(|list| (list.name().to_owned(), list.is_empty())).collect()
        };
        let same_names = shape(&self.lists) == shape(&next.lists);
        let unchanged = |file: &SourceFile| {
            let live = by_file.get(file.name.as_str()).filter(|live| *live.bytes == *file.bytes)?;
            if same_names {
                return Some((*live.plan).clone());
            }
            // What has become wrong with it is told below; its query has not changed.
            compile(&file.name, &file.bytes, &world.trusting(), &mut diag::Sink::new())
        };
        let compiled = compile_changed(&scan.playbooks, &world, &unchanged);
        let mut files: BTreeSet<String> = scan.playbooks.iter().map(|file| file.name.clone()).collect();
        let mut broken = Vec::new();
        for (compiled, file) in compiled.into_iter().zip(scan.playbooks) {
            match compiled.plan {
                Some(plan) => next.take_reviewed(self, (plan, file), review),
                None => broken.push((file, compiled.diagnostics)),
            }
        }
        for (file, diagnostics) in broken {
            let earlier = self.earlier(&file, &files, &next).cloned();
            let instead = if earlier.is_some() { Instead::LastGood } else { Instead::Nothing };
            if let Some(live) = earlier {
                next.playbooks.insert(live.plan.about.id, live);
            }
            next.refused.push(refused(&file, diagnostics, instead));
        }
        for unread in scan.unread_playbooks {
            let kept = next.keep_unread(self, &unread);
            let refused = unreadable(unread, kept);
            files.insert(refused.file.clone());
            next.refused.push(refused);
        }
        for (id, live) in self.playbooks.iter().filter(|(_id, live)| review.gone.contains(&live.file)) {
            next.playbooks.entry(*id).or_insert_with(|| live.clone());
        }
        next.hold_vanished(self);
        next.hold_lists(self, &files, (base, review));
        next
    }

    /// Takes a playbook, or keeps the version before in its place until somebody has confirmed what it raises.
    fn take_reviewed(&mut self, before: &Self, (plan, file): (Plan, SourceFile), review: &Review) {
        let id = plan.about.id;
        let old = before.playbooks.get(&id);
        let Some((digest, waiting)) = review.of_playbook((old, &plan), &file.name) else {
            return self.take(plan, file);
        };
        self.edits.insert(digest, waiting);
        if let Some(old) = old {
            self.playbooks.insert(id, old.clone());
        }
    }

    /// Keeps the playbooks in force of what cannot be read, and says what is in its place.
    fn keep_unread(&mut self, before: &Self, unread: &Unread) -> Instead {
        let mut instead = Instead::Nothing;
        for (id, live) in before.playbooks.iter().filter(|(_id, live)| unread.covers(&live.file)) {
            if !self.playbooks.contains_key(id) {
                self.playbooks.insert(*id, live.clone());
                instead = Instead::LastGood;
            }
        }
        instead
    }

    /// The same while a whole directory cannot be read.
    #[must_use]
    pub(super) fn unread(&self, error: ScanError) -> Self {
        let mut same = Self { number: self.number + 1, ..self.clone() };
        let nothing = self.playbooks.is_empty() && self.list_files.is_empty();
        let instead = if nothing { Instead::Nothing } else { Instead::LastGood };
        let refused = unreadable(error.into(), instead);
        same.refused.retain(|old| old.file != refused.file);
        same.refused.push(refused);
        same
    }

    /// The version in force of a refused file: that of the same file, or, if the file was renamed as well,
    /// that of the playbook it says it is.
    fn earlier(&self, file: &SourceFile, files: &BTreeSet<String>, next: &Self) -> Option<&Live> {
        let is_free = |live: &&Live| !next.playbooks.contains_key(&live.plan.about.id);
        let same_file = self.playbooks.values().filter(is_free).find(|live| live.file == file.name);
        same_file.or_else(|| {
            let tree = crate::yaml::parse(&file.name, &file.bytes, &mut diag::Sink::new())?;
            let id = tree.value().get("id")?.as_str()?.parse().ok().map(PlaybookId)?;
            self.playbooks.get(&id).filter(is_free).filter(|live| !files.contains(&live.file))
        })
    }

    /// Keeps the lists whose files went a moment ago.
    fn keep_lists(&mut self, before: &Self, review: &Review) {
        for (name, live) in before.list_files.iter().filter(|(_name, live)| review.gone.contains(&live.file))
        {
            self.list_files.entry(name.clone()).or_insert_with(|| live.clone());
        }
        self.lists = lists_of(&self.list_files, &self.list_files_instead);
    }

    fn take_lists(&mut self, before: &Self, files: Vec<SourceFile>, unread: Vec<Unread>) {
        let mut broken = Vec::new();
        for ((list, diagnostics), file) in parse_lists(&files).into_iter().zip(files) {
            match list {
                Some(list) => {
                    let live = LiveListFile { bytes: file.bytes.into(), file: file.name, list };
                    self.list_files.insert(live.list.name().to_owned(), live);
                }
                None => broken.push((file, diagnostics)),
            }
        }
        for (file, diagnostics) in broken {
            // A list is called by its file's name, whatever its ending.
            let name = Path::new(&file.name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let earlier = before.list_files.get(name).filter(|_live| !self.list_files.contains_key(name));
            let instead = if earlier.is_some() { Instead::LastGood } else { Instead::Nothing };
            if let Some(live) = earlier {
                self.list_files.insert(name.to_owned(), live.clone());
            }
            self.refused.push(refused(&file, diagnostics, instead));
        }
        for unread in unread {
            let mut instead = Instead::Nothing;
            for (name, live) in before.list_files.iter().filter(|(_name, live)| unread.covers(&live.file)) {
                if !self.list_files.contains_key(name) {
                    self.list_files.insert(name.clone(), live.clone());
                    instead = Instead::LastGood;
                }
            }
            self.refused.push(unreadable(unread, instead));
        }
        self.lists = lists_of(&self.list_files, &self.list_files_instead);
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
            && self.held_lists == other.held_lists
            && self.list_files_instead == other.list_files_instead
            && self.edits == other.edits
    }

    /// What the journal is told when this generation follows `before`.
    #[must_use]
    pub fn publication(&self, before: &Self, now: Timestamp) -> Publication {
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
        let gone = before.playbooks.keys().chain(&before.unusable);
        let gone = gone.filter(|id| !self.playbooks.contains_key(id) && !self.unusable.contains(id));
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
            refusals: self.refusals(now),
            held: self.held_files(),
            held_edits: self.held_edits(now),
            messages: Vec::new(),
        }
    }

    /// The refused files, as the journal keeps them.
    fn refusals(&self, at: Timestamp) -> Vec<Refusal> {
        let json = |diagnostics: &[Diagnostic]| {
            serde_json::from_str(&diag::render(diagnostics, Format::Json)).unwrap_or_default()
        };
        let refusal = |refused: &Refused| Refusal {
            file: refused.file.clone(),
            hash: refused.hash,
            diagnostics: json(&refused.diagnostics),
            at,
        };
        self.refused.iter().map(refusal).collect()
    }
}

/// The lists of these files; of one that is held, with what is on disk in its place: what was added protects too.
pub(super) fn lists_of(
    files: &BTreeMap<String, LiveListFile>,
    instead: &BTreeMap<String, LiveListFile>,
) -> Arc<Lists> {
    let list = |(name, live): (&String, &LiveListFile)| match instead.get(name) {
        Some(added) => List::new(name, live.list.iter().chain(added.list.iter())),
        None => live.list.clone(),
    };
    Arc::new(files.iter().map(list).collect())
}

/// What cannot be read, as a refused file: another reason counts as other bytes.
fn unreadable(unread: Unread, instead: Instead) -> Refused {
    let hash = ContentHash::of(unread.problem.message.as_bytes());
    Refused { file: unread.path.display().to_string(), hash, diagnostics: vec![unread.problem], instead }
}

impl Refused {
    /// Whether nobody knows what it says, because it cannot be read.
    pub(super) fn is_unread(&self) -> bool {
        self.diagnostics.iter().any(|found| found.code == Code::Unreadable)
    }
}

fn refused(file: &SourceFile, mut diagnostics: Vec<Diagnostic>, instead: Instead) -> Refused {
    // Why it was refused comes before what else could be better.
    diagnostics.sort_by_key(|found| found.level == Level::Warning);
    Refused { file: file.name.clone(), hash: ContentHash::of(&file.bytes), diagnostics, instead }
}
