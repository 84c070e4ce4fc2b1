//! From what a test is given to what the simulated tenant holds.
//!
//! Files are read once for a suite, however many tests name them. What does not fit is reported at the
//! place in the test file that names it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::record::Recording;
use super::suite::ReadFile;
use crate::diag::{Code, Diagnostic, Sink, nearest};
use crate::feed::Shelf as Documents;
use crate::kql::{Library, LibraryError, Schema};
use crate::model::{DeviceId, Lists, UserId, Wanted, duration};
use crate::plan::{Input, Plan};
use crate::playbook::test::{Document, Fixture, Given, StepGiven, TestFault};
use crate::sim::{Fault, HuntColumn, HuntTable, SimData, SimMachine, SimUser};
use crate::yaml::Tree;

/// What a test's tenant holds at the start.
#[derive(Debug, Clone)]
pub(super) struct Holdings {
    pub(super) data: SimData,
    pub(super) faults: Vec<Fault>,
    pub(super) tables: Library,
    pub(super) recorded: Option<Recorded>,
    /// What feeds find, by address or file.
    pub(super) documents: Documents,
}

impl Holdings {
    /// Holds a recording.
    pub(super) fn of(recording: &Recording, schema: &Schema) -> Result<Self, String> {
        let mut tables = Library::of_tenant(schema);
        for (name, rows) in &recording.tables {
            tables.fill(name, rows).map_err(|error| error.to_string())?;
        }
        let data = SimData {
            machines: read(&recording.machines)?,
            users: read(&recording.users)?,
            incidents: read(&recording.incidents)?,
            alerts: read(&recording.alerts)?,
            indicators: Vec::new(),
        };
        Ok(Self { data, faults: Vec::new(), tables, recorded: None, documents: Documents::default() })
    }
}

fn read<T: DeserializeOwned>(objects: &[Map<String, Value>]) -> Result<Vec<T>, String> {
    let one = |object: &Map<String, Value>| serde_json::from_value(Value::Object(object.clone()));
    objects.iter().map(one).collect::<Result<_, _>>().map_err(|error| error.to_string())
}

/// What is different from a step on.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    pub(super) faults: Option<Vec<Fault>>,
    pub(super) tables: Option<Library>,
    pub(super) recorded: Option<Recorded>,
}

/// What asks the queries of a test.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The playbook.
    pub(super) plan: &'a Plan,
    /// The lists of the test.
    pub(super) lists: &'a Lists,
}

/// The answer to one query.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub(super) query: Arc<str>,
    pub(super) table: Arc<HuntTable>,
}

/// Files that were read, each once.
pub(super) struct Files<'a> {
    read: ReadFile<'a>,
    texts: BTreeMap<PathBuf, Result<Arc<str>, String>>,
}

impl<'a> Files<'a> {
    pub(super) const fn new(read: ReadFile<'a>) -> Self {
        Self { read, texts: BTreeMap::new() }
    }

    /// The text of a file, or why there is none.
    pub(super) fn text(&mut self, path: &Path) -> Result<Arc<str>, String> {
        let read = || {
            let bytes = (self.read)(path).map_err(|error| error.to_string())?;
            String::from_utf8(bytes).map(Arc::from).map_err(|_bytes| "it is not UTF-8".to_owned())
        };
        self.texts.entry(path.to_path_buf()).or_insert_with(read).clone()
    }
}

type Rows = Vec<Map<String, Value>>;

/// Tables and their rows.
pub(super) type Tables = BTreeMap<String, Rows>;

/// What a query of a test can ask for.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    tables: Tables,
    watchlists: Tables,
    documents: BTreeMap<String, Arc<str>>,
}

/// Reads the fixtures of one file of tests.
pub(super) struct Reader<'r, 'a> {
    /// The file of tests.
    pub(super) tree: &'r Tree,
    /// The folder that paths count from.
    pub(super) folder: &'r Path,
    pub(super) files: &'r mut Files<'a>,
    /// The tables there can be.
    pub(super) schema: &'r Schema,
    pub(super) sink: &'r mut Sink,
}

impl Reader<'_, '_> {
    /// Reads what a test is given. `at` says where a key of it stands.
    pub(super) fn holdings(
        &mut self,
        given: &Given,
        at: &dyn Fn(&str) -> String,
        (asked, start): (Asked<'_>, Timestamp),
    ) -> (Holdings, Shelf) {
        let shelf = Shelf {
            tables: self.tables(given.tables.as_ref(), &at("tables")),
            watchlists: self.tables(given.watchlists.as_ref(), &at("watchlists")),
            documents: self.documents(given.documents.as_ref(), &at("documents")),
        };
        let library = self.library(&shelf, at, start);
        let recorded = given.hunt.as_ref().and_then(|fixture| self.recorded(fixture, &at("hunt"), asked));
        let machines: Vec<SimMachine> = self.items(given.machines.as_ref(), &at("machines"));
        self.ids::<DeviceId>(machines.iter().map(|machine| machine.id.as_str()), &at("machines"));
        let users: Vec<SimUser> = self.items(given.users.as_ref(), &at("users"));
        self.ids::<UserId>(users.iter().map(|user| user.id.as_str()), &at("users"));
        let data = SimData {
            machines,
            users,
            incidents: self.items(given.incidents.as_ref(), &at("incidents")),
            alerts: self.items(given.alerts.as_ref(), &at("alerts")),
            indicators: Vec::new(),
        };
        let faults = self.faults(given.faults.as_deref().unwrap_or_default(), &at("faults"));
        let documents = shelf.documents.iter();
        let documents =
            Documents(documents.map(|(name, text)| (name.clone(), text.as_bytes().to_vec())).collect());
        (Holdings { data, faults, tables: library, recorded, documents }, shelf)
    }

    /// Reads what a step changes. `shelf` is what is in force, and afterwards that of the step.
    pub(super) fn changes(
        &mut self,
        given: &StepGiven,
        at: &str,
        (asked, start): (Asked<'_>, Timestamp),
        shelf: &mut Shelf,
    ) -> Changes {
        shelf.tables.extend(self.tables(given.tables.as_ref(), &format!("{at}/tables")));
        let changed = given.tables.is_some();
        let tables = changed.then(|| self.library(shelf, &|key| format!("{at}/{key}"), start));
        let recorded =
            given.hunt.as_ref().and_then(|fixture| self.recorded(fixture, &format!("{at}/hunt"), asked));
        let faults = given.faults.as_ref().map(|faults| self.faults(faults, &format!("{at}/faults")));
        Changes { faults, tables, recorded }
    }

    /// Reports a fixture that cannot be used.
    fn refuse(&mut self, at: &str, message: impl Into<String>) {
        self.sink.push(self.tree.error(Code::Fixture, at, message));
    }

    /// The text of a file that a fixture names.
    fn text(&mut self, name: &str, at: &str) -> Option<Arc<str>> {
        match self.files.text(&self.folder.join(name)) {
            Ok(text) => Some(text),
            Err(reason) => {
                let message = format!("`{}` cannot be read: {reason}", name.escape_debug());
                let problem = self.tree.error(Code::Fixture, at, message);
                self.sink.push(problem.help("paths count from the folder of this file"));
                None
            }
        }
    }

    /// The rows of tables, or of watchlists.
    fn tables(&mut self, given: Option<&BTreeMap<String, Fixture>>, at: &str) -> Tables {
        let given = given.into_iter().flatten();
        let rows = given
            .map(|(name, fixture)| (name.clone(), self.rows(fixture, &format!("{at}/{}", escape(name)))));
        rows.collect()
    }

    /// The texts of documents.
    fn documents(
        &mut self,
        given: Option<&BTreeMap<String, Document>>,
        at: &str,
    ) -> BTreeMap<String, Arc<str>> {
        let mut texts = BTreeMap::new();
        for (address, document) in given.into_iter().flatten() {
            let text = match document {
                Document::Text(written) => Some(written.text.as_str().into()),
                Document::File(name) => self.text(name, &format!("{at}/{}", escape(address))),
            };
            texts.extend(text.map(|text| (address.clone(), text)));
        }
        texts
    }

    /// The objects of a fixture.
    fn rows(&mut self, fixture: &Fixture, at: &str) -> Rows {
        let name = match fixture {
            Fixture::Items(rows) => return rows.clone(),
            Fixture::File(name) => name,
        };
        let Some(text) = self.text(name, at) else { return Rows::new() };
        objects(&text).unwrap_or_else(|reason| {
            self.refuse(at, format!("`{}` cannot be used: {reason}", name.escape_debug()));
            Rows::new()
        })
    }

    /// Items of the tenant.
    fn items<T: DeserializeOwned>(&mut self, fixture: Option<&Fixture>, at: &str) -> Vec<T> {
        let Some(fixture) = fixture else { return Vec::new() };
        let mut items = Vec::new();
        for (index, object) in self.rows(fixture, at).into_iter().enumerate() {
            match serde_json::from_value(Value::Object(object)) {
                Ok(item) => items.push(item),
                Err(error) => match fixture {
                    Fixture::Items(_) => {
                        self.refuse(&format!("{at}/{index}"), format!("this cannot be used: {error}"));
                    }
                    Fixture::File(name) => {
                        let message = format!(
                            "item {} of `{}` cannot be used: {error}",
                            index + 1,
                            name.escape_debug()
                        );
                        self.refuse(at, message);
                    }
                },
            }
        }
        items
    }

    /// Checks ids before they reach an address.
    fn ids<'i, T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        ids: impl Iterator<Item = &'i str>,
        at: &str,
    ) {
        for (index, id) in ids.enumerate() {
            if let Err(error) = id.parse::<T>() {
                self.refuse(&format!("{at}/{index}"), format!("the id of item {}: {error}", index + 1));
            }
        }
    }

    /// Makes tables of rows.
    fn library(&mut self, shelf: &Shelf, at: &dyn Fn(&str) -> String, start: Timestamp) -> Library {
        let mut library = Library::of_tenant(self.schema);
        for (address, text) in &shelf.documents {
            library.add_document(address, Arc::clone(text));
        }
        for (name, rows) in &shelf.tables {
            let rows: Rows = rows.iter().map(|row| timed(row, name, &library, start)).collect();
            if let Err(error) = library.fill(name, &rows) {
                self.misfit(&error, &rows, &format!("{}/{}", at("tables"), escape(name)));
            }
        }
        for (name, rows) in &shelf.watchlists {
            if let Err(error) = library.fill_watchlist(name, rows) {
                self.misfit(&error, rows, &format!("{}/{}", at("watchlists"), escape(name)));
            }
        }
        library
    }

    /// Reports rows that fit nowhere.
    fn misfit(&mut self, error: &LibraryError, rows: &[Map<String, Value>], at: &str) {
        let message = error.to_string();
        let given = at.rsplit_once('/').and_then(|(above, _)| self.tree.value().pointer(above));
        // What is given already cannot be meant, nor the next nearest.
        let is_free = |name: &&str| given.is_none_or(|given| given.get(*name).is_none());
        let here = || Diagnostic::error(Code::Fixture, self.tree.key_span(at), message.clone());
        let problem = match error {
            LibraryError::UnknownTable(name) => {
                here().nearest(name, nearest(name, self.schema.tables()).filter(is_free))
            }
            LibraryError::UnknownWatchlist(name) => {
                here().nearest(name, nearest(name, self.schema.watchlists()).filter(is_free))
            }
            LibraryError::UnknownColumn { table, column } => {
                self.unknown_column((table, column), message, rows, at)
            }
            _ => self.tree.error(Code::Fixture, at, message),
        };
        self.sink.push(problem);
    }

    /// Points at the first row that names a column its table does not have, in this file or in the file of rows.
    fn unknown_column(
        &mut self,
        (table, column): (&str, &str),
        message: String,
        rows: &[Map<String, Value>],
        at: &str,
    ) -> Diagnostic {
        let (number, row) = rows
            .iter()
            .enumerate()
            .find(|(_, row)| row.contains_key(column))
            .map_or((0, None), |(number, row)| (number, Some(row)));
        let known: Vec<String> = self.schema.columns(table).into_iter().map(|(name, _)| name).collect();
        let is_free = |name: &&str| row.is_none_or(|row| !row.contains_key(*name));
        let near = nearest(column, known.iter().map(String::as_str)).filter(is_free);
        let Some(file) = self.tree.value().pointer(at).and_then(Value::as_str) else {
            let key = self.tree.key_span(&format!("{at}/{number}/{}", escape(column)));
            return Diagnostic::error(Code::Fixture, key, message).nearest(column, near);
        };
        let line = self.text(file, at).and_then(|text| line_of(&text, number));
        let place = line.map_or_else(|| format!("item {}", number + 1), |line| format!("line {line}"));
        let message = format!("`{}`, {place}: {message}", file.escape_debug());
        let problem = self.tree.error(Code::Fixture, at, message);
        match near {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem,
        }
    }

    /// The answer to the playbook's query.
    fn recorded(&mut self, fixture: &Fixture, at: &str, asked: Asked<'_>) -> Option<Recorded> {
        let Input::Hunt(input) = &asked.plan.input else {
            self.refuse(at, "the playbook hunts for nothing: its input are incidents");
            return None;
        };
        let answer = match fixture {
            Fixture::Items(rows) => Ok((None, rows.clone())),
            Fixture::File(name) => answer(&self.text(name, at)?),
        };
        let (schema, rows) = match answer {
            Ok(answer) => answer,
            Err(reason) => {
                self.refuse(at, format!("the recorded answer cannot be used: {reason}"));
                return None;
            }
        };
        let columns = schema.unwrap_or_else(|| {
            let Wanted::Only(wanted) = &input.hunt.wanted else { return inferred(&rows, &[]) };
            let named: Vec<&str> = wanted.names().filter(|name| input.hunt.named.contains(*name)).collect();
            inferred(&rows, &named)
        });
        // A query that cannot be filled is not sent, and asks for no answer.
        let query = input.hunt.filled(asked.lists).unwrap_or_else(|_unfilled| input.hunt.query.clone());
        Some(Recorded { query: query.into(), table: Arc::new(HuntTable::new(columns, rows)) })
    }

    fn faults(&mut self, faults: &[TestFault], at: &str) -> Vec<Fault> {
        let mut all = Vec::new();
        for (index, fault) in faults.iter().enumerate() {
            let script = serde_json::to_value(fault).unwrap_or_default();
            match Fault::script(script) {
                Ok(script) => all.extend(script),
                Err(error) => self.refuse(&format!("{at}/{index}"), error.to_string()),
            }
        }
        all
    }
}

/// A key as a step of a JSON pointer.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Reads a JSON array of objects, or one object on each line.
pub(super) fn objects(text: &str) -> Result<Rows, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let row = |(number, line)| {
        serde_json::from_str(line).map_err(|error: serde_json::Error| {
            // The parser sees one line; its own count would mislead.
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
            format!("line {}, column {}: {reason}", number + 1, error.column())
        })
    };
    lines.map(row).collect()
}

/// The line, from 1, of an object of a text that has one on each.
fn line_of(text: &str, number: usize) -> Option<usize> {
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let line = lines.nth(number).map(|(line, _)| line);
    line.filter(|_| !text.trim_start().starts_with('['))
}

/// Reads an answer as the APIs give it (`schema` and `results`, in any case), or its rows alone.
fn answer(text: &str) -> Result<(Option<Vec<HuntColumn>>, Rows), String> {
    let whole: Option<Map<String, Value>> = serde_json::from_str(text).ok();
    let Some(whole) = whole else { return objects(text).map(|rows| (None, rows)) };
    let field = |object: &Map<String, Value>, name: &str| {
        object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    // A single row is an object too, and has neither.
    let Some(results) = field(&whole, "results") else { return Ok((None, vec![whole])) };
    let rows = serde_json::from_value(results).map_err(|error| format!("`results`: {error}"))?;
    let schema = field(&whole, "schema").and_then(|schema| serde_json::from_value::<Rows>(schema).ok());
    let columns = schema.map(|schema| {
        let text = |column: &Map<String, Value>, name: &str| {
            field(column, name).and_then(|value| value.as_str().map(str::to_owned))
        };
        let column = |column: &Map<String, Value>| {
            Some(HuntColumn::new(text(column, "name")?, text(column, "type").unwrap_or_default()))
        };
        schema.iter().filter_map(column).collect()
    });
    Ok((columns, rows))
}

/// The columns of an answer that does not name them: those of its rows, and the ones the playbook reads.
fn inferred(rows: &Rows, named: &[&str]) -> Vec<HuntColumn> {
    let mut columns: Vec<HuntColumn> = Vec::new();
    for (name, value) in rows.iter().flatten() {
        let kind = match value {
            Value::Null => continue,
            Value::Bool(_) => "SByte",
            Value::Number(number) if number.is_f64() => "Double",
            Value::Number(_) => "Int64",
            Value::String(_) => "String",
            Value::Array(_) | Value::Object(_) => "Object",
        };
        if !columns.iter().any(|column| column.name == *name) {
            columns.push(HuntColumn::new(name.as_str(), kind));
        }
    }
    for name in named {
        if !columns.iter().any(|column| column.name == **name) {
            columns.push(HuntColumn::new(*name, "String"));
        }
    }
    columns
}

/// A row with its relative times made absolute.
fn timed(row: &Map<String, Value>, table: &str, library: &Library, start: Timestamp) -> Map<String, Value> {
    let absolute = |name: &String, value: &Value| {
        let text = value.as_str()?.strip_prefix('-')?;
        let is_time = library.kind(table, name) == Some("datetime");
        let length = duration(text).ok().filter(|_length| is_time)?;
        Some(Value::String(start.checked_sub(length).ok()?.to_string()))
    };
    row.iter()
        .map(|(name, value)| (name.clone(), absolute(name, value).unwrap_or_else(|| value.clone())))
        .collect()
}
