//! Rows and answers from outside that queries run over, as they come in files.

use std::collections::BTreeMap;
use std::sync::Arc;

use kql::eval::{Fixtures, Table, Tables};
use kql::schema::Database;
use kql::types::{Column, ScalarType, Schema};
use kql::value::{Bag, Batch, Cells, Datetime, Dynamic, Value, cast, to_text};

/// Most rows of one table; the evaluator has limits of its own on top.
const ROWS_MAX: usize = 5_000_000;

/// Tables by name, and what queries ask for from outside.
#[derive(Debug, Clone, Default)]
pub struct Data {
    tables: BTreeMap<String, Vec<Dynamic>>,
    documents: BTreeMap<String, String>,
}

/// Rows that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A line is no JSON object.
    #[error("line {line} is no JSON object")]
    Line {
        /// The line, from 1.
        line: usize,
    },
    /// More rows than `ROWS_MAX`.
    #[error("more than {ROWS_MAX} rows")]
    TooMany,
}

impl Data {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a table: one JSON object a line. The columns are those the schema knows, or, of a table it
    /// does not know, those of the rows. Under the name of a function of the service (`FileProfile`) the
    /// rows are its answers: those count that have the first argument as one of their values.
    ///
    /// # Errors
    ///
    /// [`DataError`] names the line.
    pub fn add_table(&mut self, name: impl Into<String>, lines: &str) -> Result<(), DataError> {
        let mut rows = Vec::new();
        for (line, text) in (1..).zip(lines.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let row = Dynamic::parse_strict(text).filter(|row| row.as_bag().is_some());
            rows.push(row.ok_or(DataError::Line { line })?);
            if rows.len() > ROWS_MAX {
                return Err(DataError::TooMany);
            }
        }
        self.tables.insert(name.into(), rows);
        Ok(())
    }

    /// Adds what `externaldata` finds at an address.
    pub fn add_document(&mut self, uri: impl Into<String>, text: impl Into<String>) {
        self.documents.insert(uri.into(), text.into());
    }

    /// Adds tables to a database that it does not know yet.
    pub(super) fn complete(&self, database: &mut Database) {
        for (name, rows) in &self.tables {
            if database.table(name).is_none() && database.service(name).is_none() {
                database.add_table(name.as_str(), infer(rows));
            }
        }
    }
}

impl Tables for Data {
    fn scan(&self, name: &str, schema: &Schema) -> Option<Batch> {
        let rows: Vec<&Dynamic> = self.tables.get(name)?.iter().collect();
        Some(batch(&rows, schema))
    }
}

impl Fixtures for Data {
    fn document(&self, uri: &str) -> Option<String> {
        self.documents.get(uri).cloned()
    }

    fn function(&self, name: &str, args: &[Value]) -> Option<Table> {
        let rows = self.tables.get(name)?;
        let wanted = args.first().map(to_text).unwrap_or_default();
        let fits = |row: &&Dynamic| {
            args.is_empty()
                || row.as_bag().is_some_and(|bag| bag.iter().any(|(_, value)| is_text(value, &wanted)))
        };
        let rows: Vec<&Dynamic> = rows.iter().filter(fits).collect();
        let schema = infer(rows.iter().copied());
        Some(Table { batch: batch(&rows, &schema), schema })
    }
}

fn batch(rows: &[&Dynamic], schema: &Schema) -> Batch {
    let cells = |column: &Column| {
        let values = rows.iter().map(|row| cell(row.property(&column.name), column.ty));
        Arc::new(Cells::from_values(column.ty, values))
    };
    Batch::new(schema.columns.iter().map(cells).collect(), rows.len())
}

fn is_text(value: &Dynamic, wanted: &str) -> bool {
    matches!(value, Dynamic::String(text) if text.eq_ignore_ascii_case(wanted))
}

/// Makes a value of a column. Exports write dynamic columns as text that holds JSON.
fn cell(value: Dynamic, ty: ScalarType) -> Value {
    match (value, ty) {
        (Dynamic::String(text), ScalarType::Dynamic) if text.starts_with(['{', '[']) => {
            Value::Dynamic(Dynamic::parse(&text))
        }
        (value, ty) => cast(&Value::Dynamic(value), ty),
    }
}

/// Finds names and types of columns in rows: the type all values of a column have, otherwise `string`.
fn infer<'a>(rows: impl IntoIterator<Item = &'a Dynamic>) -> Schema {
    let mut names: Vec<Arc<str>> = Vec::new();
    let mut types: BTreeMap<Arc<str>, ScalarType> = BTreeMap::new();
    for (name, value) in rows.into_iter().filter_map(Dynamic::as_bag).flat_map(Bag::iter) {
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
    Schema::new(names.iter().map(column).collect())
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
