//! The shipped playbooks: each is read, and runs from end to end against the simulated tenant in the
//! middle of its story. What is found, kept, done and told is exactly what the tables say.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[path = "history/held.rs"]
mod held;
#[path = "history/mod.rs"]
mod history;
#[path = "shipped/stage.rs"]
mod stage;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use huntbook::diag::Sink;
use huntbook::model::List;
use huntbook::playbook::{self, ColumnType, Document};
use huntbook::sim::story::{Generate, Snapshot, empty_tables};
use huntbook::sim::{HuntTable, HuntWindow, Hunter, SimOptions, TableHunter};
use huntbook::store::Effects;
use jiff::{SignedDuration, Timestamp};
use stage::{Played, Stage};

/// The instant at which the story is told.
const NOW: &str = "2026-01-10T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks")
}

/// Files of a folder, sorted, but for those of tests.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    files.retain(|path| !path.to_string_lossy().ends_with(".test.yaml"));
    files.sort();
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// The shipped playbooks by the names of their files.
fn documents() -> BTreeMap<String, Document> {
    let mut documents = BTreeMap::new();
    for path in files(&folder()) {
        let mut sink = Sink::new();
        let document = playbook::parse(&path.to_string_lossy(), &std::fs::read(&path).unwrap(), &mut sink);
        assert_eq!(sink.as_slice(), [], "{}", path.display());
        documents.insert(stem(&path), document.unwrap());
    }
    documents
}

fn lists() -> Vec<List> {
    let read = |path: PathBuf| {
        let mut sink = Sink::new();
        let list = playbook::list::parse(&path.to_string_lossy(), &std::fs::read(&path).unwrap(), &mut sink);
        assert_eq!(sink.as_slice(), [], "{}", path.display());
        list.unwrap()
    };
    files(&folder().join("lists")).into_iter().map(read).collect()
}

/// Runs the query of a playbook on a story, over the time the playbook looks back.
fn hunted(name: &str, document: &Document, (hunter, now): (&dyn Hunter, Timestamp)) -> Option<HuntTable> {
    let hunt = document.playbook.hunt.as_ref()?;
    let period = hunt.query_period.as_ref().unwrap().read().unwrap();
    let window = HuntWindow { from: now - period, to: now };
    match hunter.answer(&hunt.query, window, now) {
        Ok(table) => Some(table),
        Err(fault) => panic!("{name}: {fault:?}"),
    }
}

/// How many rows the query of each playbook finds in the story at an instant.
fn found(now: Timestamp) -> BTreeMap<String, usize> {
    found_by(&*SimOptions::story(now).unwrap().hunter, now)
}

/// How many rows the query of each playbook finds.
fn found_by(hunter: &dyn Hunter, now: Timestamp) -> BTreeMap<String, usize> {
    let count = |(name, document): (String, Document)| {
        let rows = hunted(&name, &document, (hunter, now))?.objects().unwrap().len();
        Some((name, rows))
    };
    documents().into_iter().filter_map(count).collect()
}

#[test]
fn every_query_finds_its_part_of_the_story_and_nothing_in_the_background() {
    let expected = [
        ("delivered-phishing", 4),
        ("lsass-dump", 2),
        ("malicious-hash", 3),
        ("mass-rename", 2),
        ("mfa-fatigue", 2),
        ("oauth-consent", 1),
        ("office-child", 3),
        ("password-spray", 3),
        ("phish-click-sign-in", 2),
        ("psexec-fanout", 4),
        ("reported-mail", 2),
        ("scheduled-task", 7),
    ];
    let expected: BTreeMap<String, usize> = expected.map(|(name, rows)| (name.to_owned(), rows)).into();
    assert_eq!(found(now()), expected);
    // The story does not depend on the time of day: not on midnight, not on a leap day.
    for moment in ["2026-01-10T00:20:00.123456789Z", "2028-03-01T01:00:00Z"] {
        assert_eq!(found(moment.parse().unwrap()), expected, "{moment}");
    }
}

/// What a generated tenant was written into.
#[derive(Clone, Default)]
struct Written(Rc<RefCell<BTreeMap<String, Vec<u8>>>>, String);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().entry(self.1.clone()).or_default().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The files of a generated tenant.
fn generated(seed: u64) -> BTreeMap<String, Vec<u8>> {
    let span = SignedDuration::from_hours(26);
    let written = Written::default();
    let mut create = |name: &str| -> io::Result<Box<dyn Write>> {
        Ok(Box::new(Written(Rc::clone(&written.0), name.to_owned())))
    };
    let order = Generate { now: now(), rows: 6_000, seed, span };
    let sizes = order.write(&mut create, &mut |_rows| {}).unwrap();
    let tables = |(name, _): &(&String, &u64)| name.starts_with(|first: char| first.is_ascii_uppercase());
    let functions = ["FileProfile", "DeviceFromIP", "AssignedIPAddresses", "SeenBy"];
    let rows: u64 = sizes
        .iter()
        .filter(|entry| tables(entry) && !functions.contains(&entry.0.as_str()))
        .map(|(_, rows)| rows)
        .sum();
    assert_eq!(rows, 6_000, "{sizes:?}");
    written.0.take()
}

#[test]
fn a_generated_tenant_holds_the_story_and_nothing_else_that_a_playbook_finds() {
    let files = generated(7);
    let mut library = empty_tables();
    for (name, lines) in &files {
        let Some(table) = name.strip_suffix(".ndjson") else { continue };
        assert!(library.add_table(table, &mut lines.as_slice()).unwrap().is_empty(), "{table}");
    }
    assert_eq!(found_by(&TableHunter::new(library), now()), found(now()));
    let snapshot: Snapshot = serde_json::from_slice(&files["tenant.json"]).unwrap();
    assert_eq!((snapshot.now, snapshot.data.machines.len(), snapshot.data.users.len()), (now(), 20, 30));
    assert_eq!(generated(7), files);
    assert_ne!(generated(8)["DeviceProcessEvents.ndjson"], files["DeviceProcessEvents.ndjson"]);
}

/// The API's word for a declared type.
fn api_type(declared: ColumnType) -> &'static str {
    match declared {
        ColumnType::String => "String",
        ColumnType::Long => "Int64",
        ColumnType::Int => "Int32",
        ColumnType::Real | ColumnType::Double => "Double",
        ColumnType::Decimal => "Decimal",
        ColumnType::Bool => "SByte",
        ColumnType::DateTime => "DateTime",
        ColumnType::TimeSpan => "TimeSpan",
        ColumnType::Guid => "Guid",
        ColumnType::Dynamic => "Object",
    }
}

#[test]
fn declared_columns_are_those_of_the_query() {
    let hunter = SimOptions::story(now()).unwrap().hunter;
    for (name, document) in documents() {
        let Some(table) = hunted(&name, &document, (&*hunter, now())) else { continue };
        let declared = &document.playbook.hunt.as_ref().unwrap().columns;
        let declared: Vec<(&str, &str)> =
            declared.iter().map(|(column, kind)| (column.as_str(), api_type(*kind))).collect();
        let given: Vec<(&str, &str)> =
            table.columns.iter().map(|column| (column.name.as_str(), column.kind.as_str())).collect();
        assert_eq!(declared, given, "{name}");
    }
}

#[test]
fn every_playbook_says_what_it_is_and_stays_within_limits() {
    let documents = documents();
    assert!(documents.len() >= 10);
    let ids: BTreeSet<String> = documents.values().map(|document| document.playbook.id.to_string()).collect();
    assert_eq!(ids.len(), documents.len(), "an id is used twice");
    for (name, document) in &documents {
        let playbook = &document.playbook;
        assert!(playbook.description.is_some(), "{name}: description");
        assert!(playbook.author.is_some(), "{name}: author");
        assert!(!playbook.references.is_empty(), "{name}: references");
        assert!(playbook.guards.max_actions.per_run.is_some(), "{name}: guards.maxActions.perRun");
        let source = &document.tree.source().text;
        let header = "# yaml-language-server: $schema=../schemas/playbook.schema.json\n";
        assert!(source.starts_with(header), "{name}: header");
        if playbook.hunt.is_some() {
            assert!(!playbook.relevant_techniques.is_empty(), "{name}: relevantTechniques");
            assert!(playbook.references.iter().any(|page| page.contains("attack.mitre.org")), "{name}");
        }
    }
}

#[test]
fn every_list_is_used_and_every_used_list_is_there() {
    let lists: BTreeSet<String> = lists().iter().map(|list| list.name().to_owned()).collect();
    let mut used = BTreeSet::new();
    for document in documents().values() {
        let source = &document.tree.source().text;
        used.extend(lists.iter().filter(|list| source.contains(&format!("lists.{list}"))).cloned());
        let exclude = &document.playbook.guards.exclude;
        for entries in [&exclude.devices, &exclude.users].into_iter().flatten() {
            if let playbook::Entries::List(list) = entries {
                assert!(lists.contains(list), "{list}");
                used.insert(list.clone());
            }
        }
    }
    assert_eq!(used, lists);
}

/// All transcripts, one line for each playbook.
fn transcripts(played: &BTreeMap<String, Played>) -> String {
    let lines: Vec<String> =
        played.iter().map(|(name, played)| format!("{name}\n  {}", played.transcript())).collect();
    lines.join("\n")
}

#[tokio::test]
async fn each_playbook_does_its_part_and_nothing_twice() {
    let stage = Stage::set().await;
    let dry = stage.play(Effects::DryRun).await;
    assert_eq!(stage.sim.effects(), [], "a dry run changes nothing");
    insta::assert_snapshot!("shipped_dry_run", transcripts(&dry));
    insta::assert_snapshot!("shipped_first_run", transcripts(&stage.play(Effects::Apply).await));
    let done = stage.sim.effects().len();
    stage.wait(SignedDuration::from_mins(15));
    insta::assert_snapshot!("shipped_second_run", transcripts(&stage.play(Effects::Apply).await));
    assert_eq!(stage.sim.effects().len(), done, "nothing is done twice");
}
