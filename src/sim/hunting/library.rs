//! The tables of a tenant.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::relation::{Column, Relation, Row};
use super::value::{Kind, Value};

/// Names under which tables were known before, and are still asked for.
const FORMER_NAMES: &[(&str, &str)] =
    &[("AADSignInEventsBeta", "EntraIdSignInEvents"), ("AADSpnSignInEventsBeta", "EntraIdSpnSignInEvents")];

/// Why tables could not be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    /// The table is not in the schema.
    #[error("the schema has no table `{0}`")]
    UnknownTable(String),
    /// The table has no such column.
    #[error("table `{table}` has no column `{column}`")]
    UnknownColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A line of a schema or of rows cannot be read.
    #[error("line {line} of `{name}` cannot be read")]
    Malformed {
        /// What was read.
        name: String,
        /// The line, from 1.
        line: usize,
    },
}

/// Tables by name, each with its columns and rows.
#[derive(Debug, Clone, Default)]
pub struct Library {
    tables: BTreeMap<String, Arc<Relation>>,
}

impl Library {
    /// Makes empty tables from a schema: one line for each table, its name and then
    /// `Column:kind` for each column, separated by blanks. Lines that start with `#` are comments.
    ///
    /// # Errors
    ///
    /// [`LibraryError::Malformed`] names the first line that is not of that form.
    pub fn with_schema(schema: &str) -> Result<Self, LibraryError> {
        let mut library = Self::default();
        for (number, line) in schema.lines().enumerate() {
            let mut words = line.split_whitespace();
            let Some(table) = words.next().filter(|word| !word.starts_with('#')) else { continue };
            let column = |word: &str| {
                let (name, kind) = word.split_once(':')?;
                Some(Column::new(name, Kind::parse(kind)?))
            };
            let columns: Option<Vec<Column>> = words.map(column).collect();
            let malformed = || LibraryError::Malformed { name: "schema".to_owned(), line: number + 1 };
            let relation = Relation { columns: columns.ok_or_else(malformed)?, rows: Vec::new() };
            library.tables.insert(table.to_owned(), Arc::new(relation));
        }
        Ok(library)
    }

    /// Adds rows to a table. A column left out is null, or empty for a string; `ReportId` is the number
    /// of the row.
    ///
    /// # Errors
    ///
    /// The table, or a column a row names, is not in the schema.
    pub fn fill(&mut self, table: &str, rows: &[Map<String, Json>]) -> Result<(), LibraryError> {
        let unknown = || LibraryError::UnknownTable(table.to_owned());
        let relation = Arc::make_mut(self.tables.get_mut(table).ok_or_else(unknown)?);
        for row in rows {
            if let Some(column) = row.keys().find(|column| relation.position(column).is_none()) {
                return Err(LibraryError::UnknownColumn { table: table.to_owned(), column: column.clone() });
            }
            let number = relation.rows.len() + 1;
            let value = |column: &Column| {
                row.get(column.name.as_ref())
                    .map_or_else(|| left_out(column, number), |json| Value::read(json, column.kind))
            };
            relation.rows.push(relation.columns.iter().map(value).collect::<Row>());
        }
        Ok(())
    }

    /// Adds rows from NDJSON: one object on each line, blank lines are skipped.
    ///
    /// # Errors
    ///
    /// As [`Self::fill`], or a line is not a JSON object.
    pub fn fill_ndjson(&mut self, table: &str, text: &str) -> Result<(), LibraryError> {
        let mut rows = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let malformed =
                |_: serde_json::Error| LibraryError::Malformed { name: table.to_owned(), line: number + 1 };
            rows.push(serde_json::from_str(line).map_err(malformed)?);
        }
        self.fill(table, &rows)
    }

    /// Type of a column in KQL's words, if the table has it.
    #[must_use]
    pub fn kind(&self, table: &str, column: &str) -> Option<&'static str> {
        let table = self.tables.get(table)?;
        Some(table.columns.get(table.position(column)?)?.kind.name())
    }

    /// Whether a column holds instants.
    pub(in crate::sim) fn is_time(&self, table: &str, column: &str) -> bool {
        self.kind(table, column) == Some(Kind::Time.name())
    }

    /// Names of the tables, and how many rows each has.
    pub fn sizes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.tables.iter().map(|(name, table)| (name.as_str(), table.rows.len()))
    }

    /// Finds a table under its present or former name.
    pub(super) fn table(&self, name: &str) -> Option<Arc<Relation>> {
        let present =
            FORMER_NAMES.iter().find(|(former, _)| *former == name).map_or(name, |(_, present)| present);
        self.tables.get(present).map(Arc::clone)
    }
}

/// The value of a column a row does not name.
fn left_out(column: &Column, number: usize) -> Value {
    match (column.name.as_ref(), column.kind) {
        ("ReportId", Kind::Text) => Value::text(format!("report-{number}")),
        ("ReportId", Kind::Long) => i64::try_from(number).map_or(Value::Null, Value::Long),
        _ => column.kind.absent(),
    }
}
