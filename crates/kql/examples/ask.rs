//! Runs queries from the standard input, parted by lines `---`, and prints what each gives.
//!
//! ```sh
//! echo 'print x = bin(7, 5)' | cargo run -p huntbook-kql --example ask
//! ```
#![expect(clippy::print_stdout, reason = "the answers are the program's output")]

use std::io::Read as _;
use std::process::ExitCode;

use kql::bind::check;
use kql::diagnostic::Severity;
use kql::eval::{Answer, Env, NoTables, run};
use kql::schema::Database;
use kql::value::{Datetime, Value, to_text};

fn main() -> ExitCode {
    let mut text = String::new();
    if std::io::stdin().read_to_string(&mut text).is_err() {
        return ExitCode::FAILURE;
    }
    for query in text.split("\n---\n").map(str::trim).filter(|query| !query.is_empty()) {
        answer(query);
    }
    ExitCode::SUCCESS
}

fn answer(query: &str) {
    println!("{query}");
    let checked = check(query, Database::defender());
    let mut errors = checked.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    if let Some(error) = errors.next() {
        println!("    refused: {error}\n", error = error.message);
        return;
    }
    let now = Datetime::parse("2026-01-10 12:00").unwrap_or(Datetime::UNIX_EPOCH);
    match run(&checked.bound.plan, &NoTables, &Env::at(now)) {
        Ok(answers) => answers.iter().for_each(print),
        Err(error) => println!("    failed: {error}\n"),
    }
}

fn print(answer: &Answer) {
    let columns: Vec<String> = answer.table.schema.columns.iter().map(ToString::to_string).collect();
    println!("    {}", columns.join(", "));
    for row in 0..answer.table.batch.rows() {
        let cells: Vec<String> = answer.table.batch.row(row).iter().map(cell).collect();
        println!("    {}", cells.join(" | "));
    }
    println!();
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{text}'"),
        Value::Dynamic(value) => value.to_string(),
        value if value.is_null() => "null".to_owned(),
        other => to_text(other).to_string(),
    }
}
