//! What holds for every run.

use kql::bind::check;
use kql::eval::{Env, Limits, NoTables, run};
use kql::schema::Database;
use kql::value::{Datetime, to_text};

/// How a query ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has errors.
    Refused,
    /// It was not run to its end.
    Failed,
    /// It gave rows.
    Rows,
}

/// Little enough for a query to end in milliseconds, whatever it does.
const LIMITS: Limits =
    Limits { result_rows: 10_000, result_bytes: 1 << 22, rows: 20_000, memory: 1 << 26, steps: 2_000_000 };

/// Runs a query, and checks that its rows have the columns that the binder promised.
pub(crate) fn check_evaluator(text: &str) -> Outcome {
    let checked = check(text, Database::defender());
    if checked.bound.has_errors() || checked.diagnostics.iter().any(|found| found.span.is_empty()) {
        return Outcome::Refused;
    }
    let now = Datetime::parse("2026-01-10T12:00:00Z").expect("an instant");
    let env = Env { limits: LIMITS, ..Env::at(now) };
    let Ok(answers) = run(&checked.bound.plan, &NoTables, &env) else { return Outcome::Failed };
    for (answer, pipeline) in answers.iter().zip(&checked.bound.plan.results) {
        let (schema, batch) = (&answer.table.schema, &answer.table.batch);
        assert_eq!(batch.width(), schema.len(), "{text}");
        if !pipeline.schema.open {
            assert_eq!(names(schema), names(&pipeline.schema), "{text}");
        }
        for row in 0..batch.rows() {
            let values = batch.row(row);
            assert_eq!(values.len(), schema.len(), "{text}");
            let length: usize = values.iter().map(|value| to_text(value).len()).sum();
            assert!(length < 1 << 26, "{text}");
        }
    }
    Outcome::Rows
}

fn names(schema: &kql::types::Schema) -> Vec<&str> {
    schema.columns.iter().map(|column| column.name.as_ref()).collect()
}
