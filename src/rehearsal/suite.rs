//! From files to tests that can be played.
//!
//! Everything that can be known beforehand is checked here: the playbook is there and compiles, fixtures
//! can be read, expectations name actions and channels that the playbook has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::answers::{self, Answer};
use super::fixture::{Asked, Changes, Files, Holdings, Reader};
use crate::diag::{Code, Diagnostic, Sink as Problems, Span};
use crate::kql::Schema;
use crate::model::{List, Lists};
use crate::plan::{Plan, SourceFile, World, compile};
use crate::playbook::test::{self, Given, Test, TestDocument};
use crate::playbook::{self, Amount, Document, Expect, ExpectStep, Tenants};
use crate::yaml::Tree;

/// When a test begins that does not say.
const CLOCK: &str = "2026-01-10T12:00:00Z";

/// The tenant of a test when the settings name none for the playbook.
const TENANT: &str = "contoso";

/// Reads a file.
pub type ReadFile<'a> = &'a (dyn Fn(&Path) -> std::io::Result<Vec<u8>> + Sync);

/// Whether names that a playbook uses must be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Channels and tenants are those of the settings.
    Settings,
    /// There are no settings: a playbook may name any.
    Free,
}

/// What a channel is, for the sake of its message format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// Microsoft Teams.
    Teams,
    /// Slack.
    Slack,
    /// A webhook, or mail.
    Webhook,
}

/// What tests are made of.
pub struct Sources<'a> {
    /// Files of playbooks. Their own tests are taken, and they count for coverage.
    pub playbooks: Vec<SourceFile>,
    /// Files of tests.
    pub tests: Vec<SourceFile>,
    /// What playbooks may refer to.
    pub world: World,
    /// Whether that is all they may refer to.
    pub naming: Naming,
    /// What the channels of the settings are.
    pub sinks: BTreeMap<String, Sink>,
    /// How files are read that tests name.
    pub read: ReadFile<'a>,
}

/// Tests, ready to be played.
#[derive(Debug, Default)]
pub struct Suite {
    /// The tests, by file and place.
    pub cases: Vec<Arc<Case>>,
    /// The playbooks.
    pub scripts: Vec<Script>,
    /// Everything that was found wrong, by file and place.
    pub diagnostics: Vec<Diagnostic>,
}

/// A playbook that tests are for, or could be.
#[derive(Debug)]
pub struct Script {
    /// Its document, for places.
    pub document: Document,
    /// What it means.
    pub plan: Arc<Plan>,
}

/// A test, ready to be played.
#[derive(Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub place: Span,
    /// The playbook.
    pub plan: Arc<Plan>,
    pub(super) setting: Setting,
    pub(super) steps: Vec<Step>,
    pub(super) tree: Tree,
}

/// A playbook and the tenant in which it is played.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) plan: Arc<Plan>,
    pub(super) bytes: Arc<[u8]>,
    pub(super) lists: Arc<Lists>,
    pub(super) tenant: String,
    pub(super) sinks: Arc<BTreeMap<String, Sink>>,
    pub(super) start: Timestamp,
    pub(super) given: Holdings,
    /// What people say when they are asked, by action.
    pub(super) answers: BTreeMap<String, Answer>,
    /// Other names of devices and users, by id in lower case.
    pub(super) names: BTreeMap<String, Vec<String>>,
}

/// One run of a test.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) at: SignedDuration,
    pub(super) changes: Changes,
    pub(super) expect: Expect,
    /// Where the expectations stand.
    pub(super) pointer: String,
}

/// Tests of one file, for one playbook.
struct Batch {
    tree: Tree,
    shared: Given,
    clock: Option<playbook::InstantText>,
    tests: Vec<Test>,
}

/// Reads tests and the playbooks they are for. Tests with problems are left out, and so are those of a
/// playbook that does not compile.
#[must_use]
pub fn load(sources: &Sources<'_>) -> Suite {
    let mut problems = Problems::new();
    let mut files = Files::new(sources.read);
    let mut batches: BTreeMap<usize, Vec<Batch>> = BTreeMap::new();
    let mut playbooks = sources.playbooks.clone();
    for file in &sources.tests {
        let Some(document) = test::parse(&file.name, &file.bytes, &mut problems) else { continue };
        match find(&document, &mut playbooks, sources.read) {
            Ok(index) => batches.entry(index).or_default().push(document.into()),
            Err(problem) => problems.push(*problem),
        }
    }
    let mut suite = Suite::default();
    for (index, file) in playbooks.iter().enumerate() {
        let batches = batches.remove(&index).unwrap_or_default();
        let bench = Bench { sources, file };
        suite.scripts.extend(bench.open(batches, &mut suite.cases, (&mut files, &mut problems)));
    }
    suite.cases.sort_by(|one, other| {
        let key = |case: &Case| (case.place.source.name.clone(), case.place.range.start);
        key(one).cmp(&key(other))
    });
    suite.diagnostics = problems.into_sorted();
    suite
}

impl From<TestDocument> for Batch {
    fn from(document: TestDocument) -> Self {
        let TestDocument { tree, file } = document;
        Self { tree, shared: file.given, clock: file.clock, tests: file.tests }
    }
}

/// Finds the playbook a file of tests is for; reads it if it is not among those given.
fn find(
    document: &TestDocument,
    playbooks: &mut Vec<SourceFile>,
    read: ReadFile<'_>,
) -> Result<usize, Box<Diagnostic>> {
    let wanted = folder_of(&document.tree).join(&document.file.playbook);
    let plain = plain(&wanted);
    if let Some(index) = playbooks.iter().position(|file| self::plain(Path::new(&file.name)) == plain) {
        return Ok(index);
    }
    match read(&wanted) {
        Ok(bytes) => {
            playbooks.push(SourceFile { name: plain.display().to_string(), bytes });
            Ok(playbooks.len() - 1)
        }
        Err(error) => {
            let written = &document.file.playbook;
            let message = format!("the playbook `{}` cannot be read: {error}", written.escape_debug());
            let names: Vec<String> = playbooks
                .iter()
                .filter_map(|file| Some(Path::new(&file.name).file_name()?.to_str()?.to_owned()))
                .collect();
            let problem = document.tree.error(Code::UnknownReference, "/playbook", message);
            Err(Box::new(problem.nearest(written, names.iter().map(String::as_str))))
        }
    }
}

/// The folder a file's paths count from.
fn folder_of(tree: &Tree) -> PathBuf {
    Path::new(&tree.source().name).parent().unwrap_or_else(|| Path::new("")).to_path_buf()
}

/// A path without `.` and with `..` taken back, so that two ways to a file are one.
fn plain(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::ParentDir | Component::Normal(_) => {
                plain.push(part);
            }
        }
    }
    plain
}

/// One playbook and what its tests refer to.
struct Bench<'b, 'a> {
    sources: &'b Sources<'a>,
    file: &'b SourceFile,
}

impl<'a> Bench<'_, 'a> {
    /// Compiles the playbook and makes its tests ready.
    fn open(
        &self,
        mut batches: Vec<Batch>,
        cases: &mut Vec<Arc<Case>>,
        (files, problems): (&mut Files<'a>, &mut Problems),
    ) -> Option<Script> {
        let Self { sources, file } = self;
        // What is wrong with the shape, compiling says.
        let document = playbook::parse(&file.name, &file.bytes, &mut Problems::new());
        if let Some(document) = &document
            && !document.playbook.tests.is_empty()
        {
            let (tree, tests) = (document.tree.clone(), document.playbook.tests.clone());
            batches.push(Batch { tree, shared: Given::default(), clock: None, tests });
        }
        let world = world(&sources.world, sources.naming, document.as_ref(), &batches);
        let mut found = Problems::new();
        let plan = compile(&file.name, &file.bytes, &world, &mut found);
        for problem in found.into_sorted() {
            problems.push(problem);
        }
        // What a version does when its first runs are over is what is tried, and a test has no fleet.
        let (plan, document) = (Arc::new(plan?.on_a_stage()), document?);
        let tenant = world.tenants.keys().find(|name| plan.is_for(name)).cloned();
        let Some(tenant) = tenant else {
            if let Some(batch) = batches.first() {
                let message = "the playbook is for none of the tenants in the settings";
                problems.push(batch.tree.error(Code::Test, "", message));
            }
            return Some(Script { document, plan });
        };
        let sinks = plan.channels().into_iter().map(|channel| {
            let sink = sources.sinks.get(channel).copied().unwrap_or(Sink::Webhook);
            (channel.to_owned(), sink)
        });
        let about = About {
            plan: Arc::clone(&plan),
            bytes: file.bytes.as_slice().into(),
            lists: &sources.world.lists,
            schema: sources.world.queries.schema(),
            tenant,
            sinks: Arc::new(sinks.collect()),
        };
        for batch in &batches {
            about.read(batch, cases, (files, problems));
        }
        Some(Script { document, plan })
    }
}

/// What a playbook may refer to, its tests considered.
fn world(base: &World, naming: Naming, document: Option<&Document>, batches: &[Batch]) -> World {
    let mut world = base.clone();
    // A list that a test brings may be one that is nowhere else.
    let given = batches.iter().flat_map(|batch| {
        let own = batch.tests.iter().map(|test| &test.given);
        own.chain([&batch.shared]).filter_map(|given| given.lists.as_ref())
    });
    for name in given.flat_map(BTreeMap::keys) {
        if world.lists.get(name).is_none() {
            world.lists.insert(List::new(name, [""; 0]));
        }
    }
    if let (Naming::Free, Some(document)) = (naming, document) {
        let given: Vec<&Given> = batches
            .iter()
            .flat_map(|batch| batch.tests.iter().map(|test| &test.given).chain([&batch.shared]))
            .collect();
        answers::make_known(&mut world, &document.playbook, &given);
        world.channels.extend(document.playbook.notify.iter().map(|notify| notify.channel.clone()));
        let (names, tags): (Vec<String>, BTreeSet<String>) = match &document.playbook.tenants {
            Some(Tenants::Named(names)) => (names.clone(), BTreeSet::new()),
            Some(Tenants::Tagged(tagged)) => (vec![TENANT.to_owned()], tagged.tags.iter().cloned().collect()),
            None => (vec![TENANT.to_owned()], BTreeSet::new()),
        };
        world.tenants = names.into_iter().map(|name| (name, tags.clone())).collect();
    }
    world
}

/// What all tests of a playbook share.
struct About<'a> {
    plan: Arc<Plan>,
    bytes: Arc<[u8]>,
    lists: &'a Lists,
    schema: Schema,
    tenant: String,
    sinks: Arc<BTreeMap<String, Sink>>,
}

impl About<'_> {
    /// Makes the tests of a file ready.
    fn read(
        &self,
        batch: &Batch,
        cases: &mut Vec<Arc<Case>>,
        (files, problems): (&mut Files<'_>, &mut Problems),
    ) {
        let mut names = BTreeSet::new();
        for (index, test) in batch.tests.iter().enumerate() {
            let before = problems.errors();
            let at = format!("/tests/{index}");
            if !names.insert(test.name.as_str()) {
                let message = format!("two tests are called `{}`", test.name.escape_debug());
                problems.push(batch.tree.error(Code::Test, &format!("{at}/name"), message));
            }
            let case = self.case(batch, (test, &at), (files, problems));
            if problems.errors() == before {
                cases.extend(case.map(Arc::new));
            }
        }
    }

    fn case(
        &self,
        batch: &Batch,
        (test, at): (&Test, &str),
        (files, problems): (&mut Files<'_>, &mut Problems),
    ) -> Option<Case> {
        let tree = &batch.tree;
        let start = start(batch, test, at, problems)?;
        let given = test.given.clone().over(&batch.shared);
        let own = tree.value().pointer(&format!("{at}/given")).cloned().unwrap_or_default();
        let place = |key: &str| {
            if own.get(key).is_some() { format!("{at}/given/{key}") } else { format!("/given/{key}") }
        };
        let folder = folder_of(tree);
        let mut lists = self.lists.clone();
        for (name, entries) in given.lists.iter().flatten() {
            lists.insert(List::new(name, entries));
        }
        let asked = Asked { plan: &self.plan, lists: &lists };
        let mut reader = Reader { tree, folder: &folder, files, schema: &self.schema, sink: problems };
        let (holdings, mut shelf) = reader.holdings(&given, &place, (asked, start));
        let mut steps: Vec<Step> = Vec::new();
        for (index, step) in test.steps.iter().enumerate() {
            let pointer = format!("{at}/steps/{index}");
            let given = format!("{pointer}/given");
            let changes = reader.changes(&step.given, &given, (asked, start), &mut shelf);
            let length = step.at.read().unwrap_or_default();
            if steps.last().is_some_and(|last| length < last.at) {
                let message = "a step cannot be before the one above it";
                reader.sink.push(tree.error(Code::Test, &format!("{pointer}/at"), message));
            }
            let (expect, pointer) = (step.expect.clone(), format!("{pointer}/expect"));
            steps.push(Step { at: length, changes, expect, pointer });
        }
        if let Some(expect) = test.expect.clone() {
            let changes = Changes::default();
            steps.push(Step { at: SignedDuration::ZERO, changes, expect, pointer: format!("{at}/expect") });
        }
        for step in &steps {
            self.check(tree, step, problems);
        }
        let names = other_names(&holdings);
        let answers = answers::read(&given, &self.plan, (tree, &place), problems);
        let setting = Setting {
            plan: Arc::clone(&self.plan),
            bytes: Arc::clone(&self.bytes),
            lists: Arc::new(lists),
            tenant: self.tenant.clone(),
            sinks: Arc::clone(&self.sinks),
            start,
            given: holdings,
            answers,
            names,
        };
        let (name, place) = (test.name.clone(), tree.span(&format!("{at}/name")));
        Some(Case { name, place, plan: Arc::clone(&self.plan), setting, steps, tree: tree.clone() })
    }

    /// Checks that what is expected can happen at all.
    fn check(&self, tree: &Tree, step: &Step, problems: &mut Problems) {
        let Expect { acted, planned, skipped, halted, failed, parked, notified, .. } = &step.expect;
        let Expect { pending_approval, denied, expired, void, .. } = &step.expect;
        let ids: Vec<&str> = self.plan.steps.iter().map(|step| step.id.as_str()).collect();
        let headings = [
            ("acted", acted),
            ("planned", planned),
            ("skipped", skipped),
            ("halted", halted),
            ("failed", failed),
            ("parked", parked),
            ("pendingApproval", pending_approval),
            ("denied", denied),
            ("expired", expired),
            ("void", void),
        ];
        for (heading, amount) in headings {
            let Some(Amount::Items(items)) = amount else { continue };
            for (index, item) in items.iter().enumerate() {
                let ExpectStep { id: Some(id), .. } = item else { continue };
                if !ids.contains(&id.as_str()) {
                    let at = format!("{}/{heading}/{index}/id", step.pointer);
                    let message = format!("the playbook has no action `{}`", id.escape_debug());
                    let problem = tree.error(Code::UnknownReference, &at, message);
                    problems.push(problem.nearest(id, ids.iter().copied()));
                }
            }
        }
        let Some(Amount::Items(messages)) = notified else { return };
        for (index, message) in messages.iter().enumerate() {
            let Some(channel) = &message.channel else { continue };
            if !self.sinks.contains_key(channel) {
                let at = format!("{}/notified/{index}/channel", step.pointer);
                let message = format!("the playbook tells no channel `{}`", channel.escape_debug());
                let problem = tree.error(Code::UnknownReference, &at, message);
                problems.push(problem.nearest(channel, self.sinks.keys().map(String::as_str)));
            }
        }
    }
}

/// The first moment of a test.
fn start(batch: &Batch, test: &Test, at: &str, problems: &mut Problems) -> Option<Timestamp> {
    let (written, at) = match (&test.clock, &batch.clock) {
        (Some(clock), _) => (clock.0.as_str(), format!("{at}/clock")),
        (None, Some(clock)) => (clock.0.as_str(), "/clock".to_owned()),
        (None, None) => (CLOCK, String::new()),
    };
    let start = written.parse().ok();
    if start.is_none() {
        let message = format!("`{}` is no instant", written.escape_debug());
        problems.push(batch.tree.error(Code::WrongValue, &at, message));
    }
    start
}

/// The names by which people know what an action's target is called by its id.
pub(super) fn other_names(holdings: &Holdings) -> BTreeMap<String, Vec<String>> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for machine in &holdings.data.machines {
        names.entry(machine.id.to_lowercase()).or_default().push(machine.computer_dns_name.clone());
    }
    for user in &holdings.data.users {
        let known = names.entry(user.id.to_lowercase()).or_default();
        known.push(user.user_principal_name.clone());
        // An action may name a user either way.
        names.entry(user.user_principal_name.to_lowercase()).or_default().push(user.id.clone());
    }
    names
}
