//! Tables and answers from outside that queries run over.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Write};
use std::sync::Arc;

use kql::eval::{Fixtures, Table};
use kql::schema::Database;
use kql::types::{Column, ScalarType, Schema as Columns};
use kql::value::{Bag, Datetime, Dynamic, Value, to_text};
use serde::Deserialize as _;
use serde_json::{Map, Value as Json};

use super::Schema;
use super::misfit::Misfits;
use super::relation::{Filler, Relation};

/// Most rows of one table; the evaluator has limits of its own on top.
const ROWS_MAX: usize = 5_000_000;

/// What numbers of rows count.
const ROW: &str = "row";
const LINE: &str = "line";

/// The function that says where an address is. Its answers have the address as one of their values.
pub const PLACES_OF_ADDRESSES: &str = "geo_info_from_ip_address";

/// Tables with their rows, and what queries ask for from outside. Cheap to clone: rows are shared until
/// one of the clones adds some.
#[derive(Debug, Clone)]
pub struct Library {
    pub(super) database: Arc<Database>,
    tables: Arc<BTreeMap<String, Relation>>,
    /// Rows of functions of the service.
    answers: Arc<BTreeMap<String, Vec<Dynamic>>>,
    documents: Arc<BTreeMap<String, Arc<str>>>,
    watchlists: Arc<BTreeMap<String, Vec<Dynamic>>>,
    absent: Absent,
}

/// What a table is that the schema knows and nobody gave rows to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    /// Not there: a query that names it does not run.
    Missing,
    /// There, and empty.
    Empty,
}

/// Rows that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A table that the schema does not have.
    #[error("the schema has no table `{0}`")]
    UnknownTable(String),
    /// A watchlist that the schema does not declare.
    #[error("the schema folder declares no watchlist `{0}`")]
    UnknownWatchlist(String),
    /// A column that the table does not have.
    #[error("table `{table}` has no column `{column}`")]
    UnknownColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A line is no JSON object.
    #[error("line {line} is no JSON object")]
    Line {
        /// The line, from 1.
        line: usize,
    },
    /// Values that their columns do not take, and whether rows or lines are counted.
    #[error("{}", .0.told(.1))]
    Misfits(Misfits, &'static str),
    /// More rows than `ROWS_MAX`.
    #[error("more than {ROWS_MAX} rows")]
    TooMany,
    /// The lines cannot be read.
    #[error("the rows cannot be read")]
    Read(#[source] io::Error),
}

impl Library {
    /// No tables but those that are added: a query that names another does not run.
    #[must_use]
    pub fn new(schema: &Schema) -> Self {
        Self {
            database: Arc::clone(&schema.0),
            tables: Arc::default(),
            answers: Arc::default(),
            documents: Arc::default(),
            watchlists: Arc::default(),
            absent: Absent::Missing,
        }
    }

    /// All tables of a schema, as a tenant has them: those without rows are empty.
    #[must_use]
    pub fn of_tenant(schema: &Schema) -> Self {
        Self { absent: Absent::Empty, ..Self::new(schema) }
    }

    /// Which tables there can be.
    #[must_use]
    pub fn schema(&self) -> Schema {
        Schema(Arc::clone(&self.database))
    }

    /// Adds rows to a table of the schema. A column left out is null, or empty for a string; `ReportId`
    /// is the number of the row. Under the name of a function of the service (`FileProfile`) the rows
    /// are its answers: those count that have the first argument as one of their values.
    ///
    /// # Errors
    ///
    /// The table, or a column a row names, is not in the schema, or a value is none of its column.
    pub fn fill(&mut self, table: &str, rows: &[Map<String, Json>]) -> Result<(), LibraryError> {
        if self.is_function(table) {
            return self.answer(table, rows.iter().map(bag).zip(1..).collect(), ROW);
        }
        let unknown = || LibraryError::UnknownTable(table.to_owned());
        let mut filler = Filler::new(self.relation(table).ok_or_else(unknown)?);
        let mut wrong = None;
        for (number, row) in (1..).zip(rows) {
            let place = |column: &String| filler.relation().place(column);
            if let Some(column) = row.keys().find(|column| place(column).is_none()) {
                wrong = Some(LibraryError::UnknownColumn { table: table.to_owned(), column: column.clone() });
                break;
            }
            for (column, value) in row {
                if let Some(place) = filler.relation().place(column) {
                    filler.put(place, read(value), number);
                }
            }
            if let Some((place, id)) = report_id(filler.relation(), row) {
                filler.put(place, id, number);
            }
            filler.end_row();
        }
        let misfits = filler.finish();
        wrong.map_or_else(|| none(misfits, ROW), Err)
    }

    /// Adds a table: one JSON object a line. The columns are those the schema knows; the names of others
    /// are returned, and their values left out. A table that the schema does not know has the columns of
    /// its rows. Under the name of a function of the service the rows are its answers, as in
    /// [`Self::fill`], and under that of a watchlist its rows.
    ///
    /// # Errors
    ///
    /// [`LibraryError`] names the line.
    pub fn add_table(
        &mut self,
        name: &str,
        lines: &mut dyn BufRead,
    ) -> Result<BTreeSet<String>, LibraryError> {
        if self.is_function(name) {
            let mut rows = Vec::new();
            each_row(lines, |line, bag| rows.push((Dynamic::bag(bag), line)))?;
            self.answer(name, rows, LINE)?;
            return Ok(BTreeSet::new());
        }
        if self.database.table(name).is_some() {
            let mut other = BTreeSet::new();
            if let Some(relation) = self.relation(name) {
                let mut filler = Filler::new(relation);
                let added = each_row(lines, |line, bag| add(&mut filler, (line, &bag), &mut other));
                let misfits = filler.finish();
                added?;
                none(misfits, LINE)?;
            }
            return Ok(other);
        }
        let mut rows = Vec::new();
        each_row(lines, |line, bag| rows.push((line, bag)))?;
        if let Some(schema) = self.database.watchlist(name) {
            none(
                fill(&mut Relation::new(Arc::clone(schema)), rows.iter().map(|(line, bag)| (*line, bag))),
                LINE,
            )?;
            let watchlists = Arc::make_mut(&mut self.watchlists);
            let rows = rows.into_iter().map(|(_, bag)| Dynamic::bag(bag));
            watchlists.entry(name.to_owned()).or_default().extend(rows);
            return Ok(BTreeSet::new());
        }
        let columns = infer(rows.iter().map(|(_, bag)| bag));
        Arc::make_mut(&mut self.database).add_table(name, columns);
        let rows = rows.iter().map(|(line, bag)| (*line, bag));
        self.relation(name).map_or(Ok(()), |relation| none(fill(relation, rows), LINE))?;
        Ok(BTreeSet::new())
    }

    /// Which of the tables and functions on offer a query asks for; it reads no others. A name that the
    /// schema does not know is that of a table with columns of its own.
    #[must_use]
    pub fn asked<'n>(&self, query: &str, offered: impl IntoIterator<Item = &'n str>) -> BTreeSet<&'n str> {
        let mut database = Arc::clone(&self.database);
        let offered: Vec<&str> = offered.into_iter().collect();
        for name in &offered {
            if database.table(name).is_none() && !self.is_function(name) {
                let any_columns = Columns { columns: Vec::new(), open: true };
                Arc::make_mut(&mut database).add_table(*name, any_columns);
            }
        }
        let reads = kql::bind::check(query, &database).bound.reads;
        let is_asked = |name: &&str| match database.table(name) {
            Some(table) => reads.tables.contains(table.name),
            None => reads.functions.contains(*name),
        };
        offered.into_iter().filter(is_asked).collect()
    }

    /// Adds what `externaldata` finds at an address.
    pub fn add_document(&mut self, uri: impl Into<String>, text: impl Into<Arc<str>>) {
        Arc::make_mut(&mut self.documents).insert(uri.into(), text.into());
    }

    /// Adds rows to a watchlist of the schema. A column left out is null, or empty for a string.
    ///
    /// # Errors
    ///
    /// The watchlist, or a column a row names, is not in the schema, or a value is none of its column.
    pub fn fill_watchlist(&mut self, name: &str, rows: &[Map<String, Json>]) -> Result<(), LibraryError> {
        let unknown = || LibraryError::UnknownWatchlist(name.to_owned());
        let schema = self.database.watchlist(name).ok_or_else(unknown)?;
        if let Some(column) = rows.iter().flat_map(Map::keys).find(|column| schema.find(column).is_none()) {
            return Err(LibraryError::UnknownColumn { table: name.to_owned(), column: column.clone() });
        }
        let rows: Vec<Dynamic> = rows.iter().map(bag).collect();
        let bags = (1..).zip(rows.iter().filter_map(Dynamic::as_bag));
        none(fill(&mut Relation::new(Arc::clone(schema)), bags), ROW)?;
        let watchlists = Arc::make_mut(&mut self.watchlists);
        watchlists.entry(name.to_owned()).or_default().extend(rows);
        Ok(())
    }

    /// Type of a column in the words of the query language, if the table has it.
    #[must_use]
    pub fn kind(&self, table: &str, column: &str) -> Option<&'static str> {
        let table = self.database.table(table)?;
        let column = table.schema.columns.iter().find(|known| known.name.as_ref() == column)?;
        Some(column.ty.name())
    }

    /// Names of the tables of the schema, and how many rows each has.
    pub fn sizes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.database
            .tables()
            .map(|table| (table.name, self.tables.get(table.name).map_or(0, Relation::rows)))
    }

    /// Names of the columns of a table.
    pub fn columns(&self, table: &str) -> impl Iterator<Item = &str> {
        let table = self.database.table(table);
        table.into_iter().flat_map(|table| table.schema.columns.iter().map(|column| column.name.as_ref()))
    }

    /// Names of the tables that have rows, and of the functions of the service that have answers, and how
    /// many.
    pub fn filled(&self) -> impl Iterator<Item = (&str, usize)> {
        let tables = self.tables.iter().map(|(name, relation)| (name.as_str(), relation.rows()));
        tables.chain(self.answers.iter().map(|(name, rows)| (name.as_str(), rows.len())))
    }

    /// Writes the rows of a table, or the answers of a function, one JSON object a line, as
    /// [`Self::add_table`] reads them.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_lines(&self, name: &str, out: &mut dyn Write) -> io::Result<()> {
        for row in self.answers.get(name).into_iter().flatten() {
            let mut text = String::new();
            row.write_json(&mut text);
            writeln!(out, "{text}")?;
        }
        self.tables.get(name).map_or(Ok(()), |relation| relation.write_lines(out))
    }

    /// Adds answers of a function, each with its number.
    fn answer(
        &mut self,
        name: &str,
        rows: Vec<(Dynamic, usize)>,
        unit: &'static str,
    ) -> Result<(), LibraryError> {
        if let Some(service) = self.database.service(name) {
            let columns = Columns::new(service.columns.clone());
            let bags = rows.iter().filter_map(|(row, number)| Some((*number, row.as_bag()?)));
            none(fill(&mut Relation::new(Arc::new(columns)), bags), unit)?;
        }
        let answers = Arc::make_mut(&mut self.answers).entry(name.to_owned()).or_default();
        answers.extend(rows.into_iter().map(|(row, _)| row));
        Ok(())
    }

    fn is_function(&self, name: &str) -> bool {
        name == PLACES_OF_ADDRESSES || self.database.service(name).is_some()
    }

    /// The answers of a function that have a text as one of their values; all, if there is none.
    fn answers_about(&self, name: &str, wanted: Option<&str>) -> Option<impl Iterator<Item = &Bag>> {
        let is_wanted = move |value: &Dynamic| match (value, wanted) {
            (Dynamic::String(text), Some(wanted)) => text.eq_ignore_ascii_case(wanted),
            (_, wanted) => wanted.is_none(),
        };
        let bags = self.answers.get(name)?.iter().filter_map(Dynamic::as_bag);
        Some(bags.filter(move |bag| bag.iter().any(|(_, value)| is_wanted(value))))
    }

    /// The rows of a table under its present name, to add some.
    fn relation(&mut self, name: &str) -> Option<&mut Relation> {
        let table = self.database.table(name)?;
        let make = || Relation::new(Arc::clone(table.schema));
        Some(Arc::make_mut(&mut self.tables).entry(table.name.to_owned()).or_insert_with(make))
    }
}

fn read(json: &Json) -> Dynamic {
    Dynamic::deserialize(json).unwrap_or_default()
}

fn bag(row: &Map<String, Json>) -> Dynamic {
    Dynamic::bag(row.iter().map(|(name, value)| (Arc::from(name.as_str()), read(value))).collect())
}

/// The number of a row that does not name its own.
fn report_id(relation: &Relation, row: &Map<String, Json>) -> Option<(usize, Dynamic)> {
    let place = relation.place("ReportId").filter(|_| !row.contains_key("ReportId"))?;
    let number = i64::try_from(relation.rows() + 1).ok()?;
    match relation.columns().get(place)?.ty {
        ScalarType::Long => Some((place, Dynamic::Long(number))),
        ScalarType::String => Some((place, Dynamic::text(&format!("report-{number}")))),
        _ => None,
    }
}

fn add(filler: &mut Filler<'_>, (number, bag): (usize, &Bag), other: &mut BTreeSet<String>) {
    for (name, value) in bag.iter() {
        match filler.relation().place(name) {
            Some(place) => filler.put(place, value.clone(), number),
            None if other.contains(name.as_ref()) => {}
            None => drop(other.insert(name.to_string())),
        }
    }
    filler.end_row();
}

/// Adds numbered rows, without the columns that the relation does not have.
fn fill<'b>(relation: &mut Relation, rows: impl IntoIterator<Item = (usize, &'b Bag)>) -> Misfits {
    let mut filler = Filler::new(relation);
    let mut other = BTreeSet::new();
    for row in rows {
        add(&mut filler, row, &mut other);
    }
    filler.finish()
}

fn none(misfits: Misfits, unit: &'static str) -> Result<(), LibraryError> {
    if misfits.is_empty() { Ok(()) } else { Err(LibraryError::Misfits(misfits, unit)) }
}

/// Hands over the object of each line with its number; blank lines are skipped.
fn each_row(lines: &mut dyn BufRead, mut take: impl FnMut(usize, Bag)) -> Result<(), LibraryError> {
    let mut text = String::new();
    let mut rows = 0;
    for line in 1.. {
        text.clear();
        if lines.read_line(&mut text).map_err(LibraryError::Read)? == 0 {
            break;
        }
        if text.trim().is_empty() {
            continue;
        }
        let row = Dynamic::parse_strict(&text).and_then(|row| match row {
            Dynamic::Bag(bag) => Some(Arc::unwrap_or_clone(bag)),
            _ => None,
        });
        take(line, row.ok_or(LibraryError::Line { line })?);
        rows += 1;
        if rows > ROWS_MAX {
            return Err(LibraryError::TooMany);
        }
    }
    Ok(())
}

/// Tables as one query sees them: of a time alone, if it is given one.
pub(super) struct View<'l> {
    pub(super) library: &'l Library,
    pub(super) window: Option<(Datetime, Datetime)>,
}

impl kql::eval::Tables for View<'_> {
    fn scan(&self, name: &str, schema: &Columns) -> Option<kql::value::Batch> {
        match self.library.tables.get(name) {
            Some(relation) => Some(relation.scan(schema, self.window)),
            None if self.library.absent == Absent::Empty && self.library.database.table(name).is_some() => {
                Some(kql::value::Batch::empty(schema))
            }
            None => None,
        }
    }
}

impl Fixtures for View<'_> {
    fn document(&self, uri: &str) -> Option<String> {
        self.library.documents.get(uri).map(ToString::to_string)
    }

    fn function(&self, name: &str, args: &[Value]) -> Option<Table> {
        let wanted = args.first().map(to_text);
        if name == "_GetWatchlist" {
            let name = wanted?;
            let schema = self.library.database.watchlist(&name)?;
            let rows = self.library.watchlists.get(name.as_ref())?;
            return Some(given((**schema).clone(), rows.iter().filter_map(Dynamic::as_bag)));
        }
        let bags: Vec<&Bag> = self.library.answers_about(name, wanted.as_deref())?.collect();
        let schema = match self.library.database.service(name) {
            Some(service) => Columns::new(service.columns.clone()),
            None => infer(bags.iter().copied()),
        };
        Some(given(schema, bags))
    }

    fn knows_places(&self) -> bool {
        self.library.answers.contains_key(PLACES_OF_ADDRESSES)
    }

    fn ip_location(&self, address: &str) -> Option<Dynamic> {
        let bag = self.library.answers_about(PLACES_OF_ADDRESSES, Some(address))?.next()?;
        let shown = bag.iter().filter(|(name, _)| name.as_ref() != "ip");
        Some(Dynamic::bag(shown.map(|(name, value)| (Arc::clone(name), value.clone())).collect()))
    }
}

/// Rows as a table.
fn given<'a>(schema: Columns, rows: impl IntoIterator<Item = &'a Bag>) -> Table {
    let mut relation = Relation::new(Arc::new(schema.clone()));
    // What does not fit was told when it was read.
    fill(&mut relation, (1..).zip(rows));
    Table { batch: relation.scan(&schema, None), schema }
}

/// Finds names and types of columns in rows: the type all values of a column have, otherwise `string`.
fn infer<'a>(rows: impl IntoIterator<Item = &'a Bag>) -> Columns {
    let mut names: Vec<Arc<str>> = Vec::new();
    let mut types: BTreeMap<Arc<str>, ScalarType> = BTreeMap::new();
    for (name, value) in rows.into_iter().flat_map(Bag::iter) {
        if !types.contains_key(name) {
            names.push(Arc::clone(name));
        }
        let found = type_of(value);
        let known = types.entry(Arc::clone(name)).or_insert(found);
        *known = match (*known, found) {
            (a, b) if a == b || b == ScalarType::Unknown => a,
            (ScalarType::Unknown, b) => b,
            (ScalarType::Long | ScalarType::Real, ScalarType::Long | ScalarType::Real) => ScalarType::Real,
            _ => ScalarType::String,
        };
    }
    let column = |name: &Arc<str>| {
        let ty = types.get(name).copied().filter(|ty| *ty != ScalarType::Unknown);
        Column::new(Arc::clone(name), ty.unwrap_or(ScalarType::String))
    };
    Columns::new(names.iter().map(column).collect())
}

fn type_of(value: &Dynamic) -> ScalarType {
    match value {
        Dynamic::Null => ScalarType::Unknown,
        Dynamic::Bool(_) => ScalarType::Bool,
        Dynamic::Long(_) => ScalarType::Long,
        Dynamic::Real(_) => ScalarType::Real,
        Dynamic::String(text) if is_time(text) => ScalarType::Datetime,
        Dynamic::String(_) => ScalarType::String,
        _ => ScalarType::Dynamic,
    }
}

/// Whether a text is a full instant; a date alone may be anything.
fn is_time(text: &str) -> bool {
    text.len() >= 19
        && text.as_bytes().get(10).is_some_and(|byte| matches!(byte, b'T' | b' '))
        && Datetime::parse(text).is_some()
}
