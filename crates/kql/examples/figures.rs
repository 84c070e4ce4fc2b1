//! Measures the crate against a folder of reference data and prints one line for each figure.
//!
//! ```sh
//! cargo run --release -p huntbook-kql --example figures -- DIR [--show N]
//! ```
//!
//! `DIR` holds `corpus/queries.ndjson` (queries with the columns of their results),
//! `corpus/rejected.ndjson` (queries that are wrong, with the places of their errors), and
//! `oracle-fuzz.json` and `oracle-docs.json` (queries with what the real engine answered).
//! `--show` prints the first N differences of each kind.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use answers::Verdict;
use kql::bind::{Checked, check};
use kql::diagnostic::{Code, Diagnostic, Severity};
use kql::eval::{Env, Fixtures, Table, Tables, run};
use kql::lint::{Use, lint};
use kql::schema::Database;
use kql::text::SourceMap;
use kql::types::Schema;
use kql::value::{Batch, Datetime, Value};
use serde::Deserialize;

#[path = "support/answers.rs"]
mod answers;
#[path = "support/oracle.rs"]
mod oracle;

/// How far the first error may be from the reference, in characters.
const NEAR: u32 = 3;

#[derive(Deserialize)]
struct Accepted {
    id: String,
    query: String,
    out: Option<Vec<(String, String)>>,
}

#[derive(Deserialize)]
struct Rejected {
    id: String,
    query: String,
    diags: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    c: String,
    s: String,
    m: String,
    st: u32,
}

struct Report {
    show: usize,
}

impl Report {
    /// Prints a share and, if wanted, some of what is missing from it.
    #[expect(clippy::print_stdout, reason = "the figures are the program's output")]
    fn line(&self, name: &str, good: usize, all: usize, missing: &[String]) {
        let share = if all == 0 { 0.0 } else { as_real(good) * 100.0 / as_real(all) };
        println!("{name:<44} {share:6.2} %  ({good} of {all})");
        for text in missing.iter().take(self.show) {
            println!("    {text}");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn as_real(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::print_stderr, reason = "the only place that reports wrong usage")]
fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(dir) = args.next() else {
        eprintln!("usage: figures DIR [--show N]");
        return ExitCode::from(2);
    };
    let show = match (args.next().as_deref(), args.next()) {
        (Some("--show"), Some(count)) => count.parse().unwrap_or(10),
        _ => 0,
    };
    match measure(Path::new(&dir), &Report { show }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(dir: &Path, report: &Report) -> Result<(), Box<dyn std::error::Error>> {
    let database = Database::defender();
    let accepted: Vec<Accepted> = read(&dir.join("corpus/queries.ndjson"))?;
    let rejected: Vec<Rejected> = read(&dir.join("corpus/rejected.ndjson"))?;
    front_end(&accepted, database, report);
    refusals(&rejected, database, report);
    let cases = oracle::cases(dir)?;
    result_columns(&cases, database, report);
    let refused = oracle::refused(dir)?;
    let accepted_wrongly: Vec<String> =
        refused.iter().filter(|query| first_error(&check(query, database)).is_none()).cloned().collect();
    report.line(
        "oracle errors refused",
        refused.len() - accepted_wrongly.len(),
        refused.len(),
        &accepted_wrongly,
    );
    answered(dir, report)?;
    executed(&accepted, database, report);
    lints(&accepted, database);
    speed(&accepted, database);
    Ok(())
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Vec<T>, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(path)?;
    let rows: Result<Vec<T>, serde_json::Error> = text.lines().map(serde_json::from_str).collect();
    Ok(rows?)
}

fn first_error(checked: &Checked) -> Option<&Diagnostic> {
    checked.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error)
}

fn front_end(accepted: &[Accepted], database: &Database, report: &Report) {
    let (mut accepts, mut equal) = (0, 0);
    let (mut refused, mut different) = (Vec::new(), Vec::new());
    let mut with_columns = 0;
    for case in accepted {
        let checked = check(&case.query, database);
        match first_error(&checked) {
            None => accepts += 1,
            Some(error) => {
                let near = error.span.of(&case.query);
                refused.push(format!(
                    "{} {} {} at {:?}: {near}",
                    case.id, error.code, error.message, error.span
                ));
            }
        }
        let Some(expected) = &case.out else { continue };
        with_columns += 1;
        let columns = &checked.bound.columns.columns;
        let found: Vec<(String, String)> =
            columns.iter().map(|column| (column.name.to_string(), column.ty.name().to_owned())).collect();
        if found == *expected {
            equal += 1;
        } else {
            different.push(format!("{} {}", case.id, difference(&found, expected)));
        }
    }
    report.line("accepts", accepts, accepted.len(), &refused);
    report.line("result columns equal", equal, with_columns, &different);
}

fn difference(found: &[(String, String)], expected: &[(String, String)]) -> String {
    let at = found.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(found.len().min(expected.len()));
    format!(
        "{} columns for {}; at {at}: {:?} for {:?}",
        found.len(),
        expected.len(),
        found.iter().skip(at).take(2).collect::<Vec<_>>(),
        expected.iter().skip(at).take(2).collect::<Vec<_>>()
    )
}

fn refusals(rejected: &[Rejected], database: &Database, report: &Report) {
    let (mut refuses, mut near, mut all) = (0, 0, 0);
    let (mut accepted, mut far) = (Vec::new(), Vec::new());
    for case in rejected {
        let Some(reference) = case.diags.iter().find(|diagnostic| diagnostic.s == "Error") else {
            continue;
        };
        all += 1;
        let checked = check(&case.query, database);
        let Some(error) = first_error(&checked) else {
            accepted.push(format!("{} {} {} at {}", case.id, reference.c, reference.m, reference.st));
            continue;
        };
        refuses += 1;
        let place = SourceMap::new(&case.query).utf16(error.span.start);
        if place.abs_diff(reference.st) <= NEAR {
            near += 1;
        } else {
            far.push(format!(
                "{} {place} for {}: {} {} for {} {}",
                case.id, reference.st, error.code, error.message, reference.c, reference.m
            ));
        }
    }
    report.line("rejects", refuses, all, &accepted);
    report.line("first error within 3 characters", near, all, &far);
}

/// Runs the oracle's queries and compares the rows. Rows in another order count as equal where the
/// query does not sort; a query that depends on chance or the clock has to run.
fn answered(dir: &Path, report: &Report) -> Result<(), Box<dyn std::error::Error>> {
    let outcomes = answers::outcomes(dir)?;
    let (mut equal, mut wrong, mut unsupported) = (0, Vec::new(), Vec::new());
    for outcome in &outcomes {
        match &outcome.verdict {
            Verdict::Equal | Verdict::Reordered | Verdict::Random => equal += 1,
            Verdict::Wrong(why) => wrong.push(format!("{} {why}: {}", outcome.id, outcome.query)),
            Verdict::Unsupported(why) => unsupported.push(format!("{} {why}: {}", outcome.id, outcome.query)),
        }
    }
    report.line("oracle rows equal", equal, outcomes.len(), &[]);
    report.line("oracle rows wrong", wrong.len(), outcomes.len(), &wrong);
    report.line("oracle queries unsupported", unsupported.len(), outcomes.len(), &unsupported);
    Ok(())
}

/// Tables without rows, documents without lines.
struct Nothing;

impl Tables for Nothing {
    fn scan(&self, _name: &str, schema: &Schema) -> Option<Batch> {
        Some(Batch::empty(schema))
    }
}

impl Fixtures for Nothing {
    fn document(&self, _uri: &str) -> Option<String> {
        Some(String::new())
    }

    fn function(&self, name: &str, _args: &[Value]) -> Option<Table> {
        let service = Database::defender().service(name)?;
        let schema = Schema::new(service.columns.clone());
        Some(Table { batch: Batch::empty(&schema), schema })
    }

    fn knows_places(&self) -> bool {
        true
    }
}

/// Runs the corpus over tables without rows: whether the evaluator can do all they ask for.
fn executed(accepted: &[Accepted], database: &Database, report: &Report) {
    let mut failed = Vec::new();
    let now = Datetime::parse("2026-08-02T23:56:44Z").unwrap_or(Datetime::UNIX_EPOCH);
    for case in accepted {
        let checked = check(&case.query, database);
        let env = Env { fixtures: &Nothing, ..Env::at(now) };
        if let Err(error) = run(&checked.bound.plan, &Nothing, &env) {
            failed.push(format!("{} {error}", case.id));
        }
    }
    report.line("corpus runs over empty tables", accepted.len() - failed.len(), accepted.len(), &failed);
}

fn result_columns(cases: &[oracle::Case], database: &Database, report: &Report) {
    let (mut accepts, mut equal) = (0, 0);
    let (mut refused, mut different) = (Vec::new(), Vec::new());
    for case in cases {
        let checked = check(&case.query, database);
        match first_error(&checked) {
            None => accepts += 1,
            Some(error) => {
                let near = error.span.of(&case.query);
                refused.push(format!("{} {} {}: {near}", case.id, error.code, error.message));
                continue;
            }
        }
        let open = checked.bound.columns.open;
        let columns = &checked.bound.columns.columns;
        let found: Vec<(String, String)> =
            columns.iter().map(|column| (column.name.to_string(), case.type_name(column.ty))).collect();
        if found == case.columns || open {
            equal += 1;
        } else {
            different.push(format!("{} {}", case.id, difference(&found, &case.columns)));
        }
    }
    report.line("oracle queries accepted", accepts, cases.len(), &refused);
    report.line("oracle result columns equal", equal, accepts, &different);
}

/// Prints how often each lint speaks, in percent of the queries.
#[expect(clippy::print_stdout, reason = "the figures are the program's output")]
fn lints(accepted: &[Accepted], database: &Database) {
    let mut counts: BTreeMap<Code, usize> = BTreeMap::new();
    for case in accepted {
        let checked = check(&case.query, database);
        let found = lint(&case.query, &checked, database, &Use::default());
        let codes: BTreeSet<Code> = found.iter().map(|diagnostic| diagnostic.code).collect();
        for code in codes {
            *counts.entry(code).or_default() += 1;
        }
    }
    for (code, count) in counts {
        let share = as_real(count) * 100.0 / as_real(accepted.len());
        println!("{:<44} {share:6.2} %", format!("lint {code} {}", code.title));
    }
}

#[expect(clippy::print_stdout, reason = "the figures are the program's output")]
#[expect(clippy::disallowed_methods, reason = "this program measures time")]
fn speed(accepted: &[Accepted], database: &Database) {
    let mut times: Vec<Duration> = Vec::new();
    for case in accepted {
        let best = (0..5).map(|_| {
            let start = Instant::now();
            std::hint::black_box(check(&case.query, database));
            start.elapsed()
        });
        times.extend(best.min());
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    println!("{:<44} {:?} (90 %: {:?}, 99 %: {:?})", "parse and bind, median", at(50), at(90), at(99));
}
