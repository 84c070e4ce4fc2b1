//! A small interpreter of KQL over tables in memory: what the simulated tenant hunts with.
//!
//! It knows the part of the language that playbooks commonly use: the usual tabular operators,
//! aggregates, text operators with the service's own semantics, dynamic values, and time. What it
//! does not know is refused with a place ([`HuntFault::Unsupported`]); it never guesses at rows.
//! `parse` turns text into a tree, `bind` resolves names and types against the columns that stand
//! before each operator, `operators` moves rows.

mod aggregate;
mod bind;
mod bind_call;
mod clockwork;
mod eval;
mod fault;
mod functions;
mod join;
mod lex;
mod library;
mod operators;
mod parse;
mod parse_expr;
mod parse_operator;
mod relation;
mod session;
mod summarize;
mod syntax;
mod term;
mod time;
mod value;

use jiff::Timestamp;
use serde_json::Map;

pub use library::{Library, LibraryError};

use self::fault::Fault;
use self::relation::Relation;
use self::session::Session;
use super::hunter::{HuntColumn, HuntFault, HuntTable, HuntWindow, Hunter};

/// Rows an answer has at most; the rest is cut off without a word, as in the service.
const ANSWER_ROWS_MAX: usize = 100_000;

/// Answers queries from tables.
#[derive(Debug, Clone)]
pub struct TableHunter {
    library: Library,
}

impl TableHunter {
    /// Makes a hunter over tables.
    #[must_use]
    pub const fn new(library: Library) -> Self {
        Self { library }
    }
}

impl Hunter for TableHunter {
    fn answer(&self, query: &str, window: HuntWindow, now: Timestamp) -> Result<HuntTable, HuntFault> {
        let window = (time::from_timestamp(window.from), time::from_timestamp(window.to));
        let relation = run(&self.library, query, window, time::from_timestamp(now))
            .map_err(|fault| fault.into_hunt_fault(query))?;
        Ok(to_table(&relation))
    }
}

/// Runs a query.
fn run(library: &Library, query: &str, window: (i64, i64), now: i64) -> Result<Relation, Fault> {
    let query = parse::parse(query)?;
    let mut session = Session::new(library, now, window);
    for statement in &query.lets {
        session.define(statement)?;
    }
    let relation = session.run(&query.body)?;
    Ok(Relation::clone(&relation))
}

fn to_table(relation: &Relation) -> HuntTable {
    let columns = relation
        .columns
        .iter()
        .map(|column| HuntColumn::new(&*column.name, column.kind.api_name()))
        .collect();
    let rows = relation.rows.iter().take(ANSWER_ROWS_MAX).map(|row| {
        let cells = relation.columns.iter().zip(row.iter());
        cells.map(|(column, value)| (column.name.to_string(), value.to_json())).collect::<Map<_, _>>()
    });
    HuntTable::new(columns, rows.collect())
}

#[cfg(test)]
mod tests;
