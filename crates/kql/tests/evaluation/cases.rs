//! Cases: a sentence, a query, and what it gives.
//!
//! A file of `cases/` has blocks with an empty line between them: a line with `#`, the query, a
//! line `---`, the columns, and a line for each row. Text stands in single quotes, dynamic values
//! are JSON.

use std::fmt::Write as _;

use kql::bind::check;
use kql::eval::{Answer, Env, NoTables, run};
use kql::schema::Database;
use kql::value::{Datetime, Value, to_text};

/// Runs a query at a fixed moment and prints the answer as the files have it.
fn answer(query: &str) -> String {
    let checked = check(query, Database::defender());
    if let Some(error) =
        checked.diagnostics.iter().find(|found| found.severity == kql::diagnostic::Severity::Error)
    {
        return format!("refused: {}\n", error.message);
    }
    let now = Datetime::parse("2026-01-10 12:00").expect("an instant");
    match run(&checked.bound.plan, &NoTables, &Env::at(now)) {
        Ok(answers) => answers.last().map(print).unwrap_or_default(),
        Err(error) => format!("failed: {error}\n"),
    }
}

fn print(answer: &Answer) -> String {
    let columns: Vec<String> = answer.table.schema.columns.iter().map(ToString::to_string).collect();
    let mut text = columns.join(", ");
    text.push('\n');
    for row in 0..answer.table.batch.rows() {
        let cells: Vec<String> = answer.table.batch.row(row).iter().map(cell).collect();
        writeln!(text, "{}", cells.join(" | ")).expect("a string takes all");
    }
    text
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{text}'"),
        Value::Dynamic(value) => value.to_string(),
        value if value.is_null() => "null".to_owned(),
        other => to_text(other).to_string(),
    }
}

#[track_caller]
fn check_file(text: &str) {
    let mut differences = String::new();
    let mut count = 0;
    for block in text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        let (title, rest) = block.split_once('\n').expect("a title");
        let (query, expected) = rest.split_once("\n---\n").unwrap_or((rest, ""));
        let found = answer(query);
        count += 1;
        if found.trim() != expected.trim() {
            write!(differences, "{title}\n{query}\n---\n{}\n\n", found.trim()).expect("a string takes all");
        }
    }
    assert!(count > 0, "no cases");
    assert!(differences.is_empty(), "these cases give something else now:\n\n{differences}");
}

macro_rules! files {
    ($($name:ident),* $(,)?) => {
        $(#[test] fn $name() { check_file(include_str!(concat!("cases/", stringify!($name), ".txt"))); })*
    };
}

files!(joins, nulls, texts, times, dynamics, aggregates, windows, tables, graphs, places, numbers);
