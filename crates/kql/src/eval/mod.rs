//! Running a plan over tables.
//!
//! [`run`] takes a valid [`Plan`], the tables behind the [`Tables`] door and the world in
//! [`Env`], and gives the tables of the result. Operators take whole tables of columns; functions
//! are kernels over columns or rows. The clock, chance and the outside world are arguments, so a
//! run depends on nothing else.
//!
//! What the evaluator cannot do exactly is [`Reason::Unsupported`], never a guess.

mod aggregate;
mod arithmetic;
mod budget;
mod chance;
mod comparison;
mod env;
mod error;
mod expr;
mod machine;
mod membership;
mod operator;
mod pack;
mod scalar;
mod text_match;
mod window;

pub use env::{Env, Fixtures, Limits, NoFixtures, NoTables, Tables};
pub use error::{CODES, EvalError, LIMIT, Limited, NO_FIXTURE, NO_TABLE, REFUSED, Reason, UNSUPPORTED};

use crate::plan::{Plan, Render};
use crate::types::Schema;
use crate::value::Batch;

/// Name of the hidden column that carries the time of arrival next to the rows of a table.
const INGESTION_TIME: &str = "$IngestionTime";

/// Rows with their columns.
#[derive(Debug, Clone)]
pub struct Table {
    /// Names and types of the columns.
    pub schema: Schema,
    /// The rows.
    pub batch: Batch,
}

/// The result of one tabular statement.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The rows.
    pub table: Table,
    /// How they are to be drawn, if the query says so.
    pub render: Option<Render>,
}

/// Runs a plan and returns the result of each of its tabular statements.
///
/// # Errors
///
/// See [`EvalError`]. There are no results in part.
pub fn run(plan: &Plan, tables: &dyn Tables, env: &Env<'_>) -> Result<Vec<Answer>, EvalError> {
    let machine = machine::Machine::new(plan, tables, env);
    plan.results.iter().map(|pipeline| machine.answer(pipeline)).collect()
}
