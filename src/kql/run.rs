//! A query over rows at hand.

use std::io::{self, Write};

use jiff::Timestamp;
use kql::bind::check;
use kql::diagnostic::{Diagnostic, Severity};
use kql::eval::{Answer, Env, EvalError, Limited, Limits, Reason};
use kql::types::ScalarType;
use kql::value::{Batch, Datetime, Dynamic, Value, to_text};
use serde_json::Value as Json;

use super::library::View;
use super::{Library, problem};
use crate::diag::{Code, Problem};

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name; unique in a result.
    pub name: String,
    /// Its type, as the query language calls it.
    pub ty: &'static str,
}

/// The result of one statement.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Columns in order.
    pub columns: Vec<Column>,
    batch: Batch,
}

/// What a run depends on besides the query and the tables.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// What `now()` gives.
    pub now: Timestamp,
    /// First and last instant that tables with a `Timestamp` show; all, if there is none.
    pub window: Option<(Timestamp, Timestamp)>,
    /// Asked now and then; the query ends when it says that time is up.
    pub is_late: Option<&'a dyn Fn() -> bool>,
}

impl World<'_> {
    /// A moment, all rows, and all the time a query needs.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self { now, window: None, is_late: None }
    }
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("now", &self.now).field("window", &self.window).finish_non_exhaustive()
    }
}

/// Why a query gave no rows. There are no results in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Whose fault it is.
    pub cause: Cause,
    /// What is wrong, at least one.
    pub problems: Vec<Problem>,
}

/// Whose fault it is that a query gave no rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The text is not of the query language.
    Syntax,
    /// It names what does not exist, mixes types, or fails while it runs.
    Meaning,
    /// The service could run it, this evaluator cannot; or it wants something from outside that nobody
    /// provides.
    Unsupported,
    /// The result is too large.
    Size,
    /// It takes too much work or memory.
    Work,
}

/// Rows and bytes on the way; far above what a tenant of a million rows needs, and below what would hold
/// up a machine. Work is bounded where the service's few minutes end.
const LIMITS: Limits = Limits {
    result_rows: 20_000_000,
    result_bytes: 4 << 30,
    rows: 20_000_000,
    memory: 4 << 30,
    steps: 10_000_000_000,
};

/// Runs a query and gives the result of each of its statements.
///
/// # Errors
///
/// [`Failed`] says what is wrong with the query, or what kept it from running.
pub fn run(query: &str, library: &Library, world: World<'_>) -> Result<Vec<Rows>, Failed> {
    let checked = check(query, &library.database);
    let errors: Vec<&Diagnostic> =
        checked.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    if !errors.is_empty() {
        let is_syntax = |found: &Diagnostic| found.severity == Severity::Error;
        let syntax = checked.parsed.diagnostics.iter().any(is_syntax);
        let cause = if syntax { Cause::Syntax } else { Cause::Meaning };
        return Err(Failed { cause, problems: errors.into_iter().map(problem).collect() });
    }
    let instant = |at: Timestamp| {
        Datetime::parse(&at.to_string()).ok_or_else(|| {
            let message = format!("the time is out of the range of the query language: {at}");
            Failed { cause: Cause::Meaning, problems: vec![Problem::new(Code::Query, 0..0, message)] }
        })
    };
    let window = world.window.map(|(from, to)| Ok((instant(from)?, instant(to)?))).transpose()?;
    let view = View { library, window };
    let now = instant(world.now)?;
    let env = Env { now, seed: 0, limits: LIMITS, deadline: world.is_late, fixtures: &view };
    let answers = kql::eval::run(&checked.bound.plan, &view, &env);
    let failed =
        |error: EvalError| Failed { cause: cause(&error), problems: vec![problem(&error.diagnostic())] };
    Ok(answers.map_err(failed)?.into_iter().map(rows).collect())
}

const fn cause(error: &EvalError) -> Cause {
    match &error.reason {
        Reason::Unsupported(_) | Reason::NoFixture(_) => Cause::Unsupported,
        Reason::NoTable(_) | Reason::Refused(_) => Cause::Meaning,
        Reason::Limit { what: Limited::ResultRows | Limited::ResultBytes, .. } => Cause::Size,
        Reason::Limit { .. } => Cause::Work,
    }
}

fn rows(answer: Answer) -> Rows {
    let columns = answer.table.schema.columns.iter();
    let columns = columns.map(|column| Column { name: column.name.to_string(), ty: column.ty.name() });
    Rows { columns: columns.collect(), batch: answer.table.batch }
}

impl Rows {
    /// Number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.batch.rows()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows in order; each has a value for each column. Times are texts with all digits.
    pub fn rows(&self) -> impl Iterator<Item = Vec<Json>> {
        (0..self.len()).map(|row| self.batch.row(row).iter().map(json).collect())
    }

    /// Writes rows as a JSON array of objects, as the service's API spells values: times without the
    /// zeros at their end. No row after the first `rows_max` is written.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_objects(&self, out: &mut dyn Write, rows_max: usize) -> io::Result<()> {
        let name = |column: &Column| serde_json::to_string(&column.name).map_err(io::Error::from);
        let names = self.columns.iter().map(name).collect::<io::Result<Vec<String>>>()?;
        let cells: Vec<_> =
            (0..names.len()).map(|place| self.batch.column_or_null(place, ScalarType::Dynamic)).collect();
        out.write_all(b"[")?;
        for row in 0..self.len().min(rows_max) {
            out.write_all(if row == 0 { b"{" } else { b",{" })?;
            for (place, (name, cells)) in names.iter().zip(&cells).enumerate() {
                let comma = if place == 0 { "" } else { "," };
                write!(out, "{comma}{name}:")?;
                write_value(out, &cells.get(row))?;
            }
            out.write_all(b"}")?;
        }
        out.write_all(b"]")
    }
}

fn write_value(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    match value {
        Value::String(text) => serde_json::to_writer(out, text.as_ref()).map_err(io::Error::from),
        Value::Datetime(Some(at)) => {
            let text = at.to_string();
            let text = text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
            write!(out, "\"{text}Z\"")
        }
        Value::Dynamic(value) => {
            let mut text = String::new();
            value.write_json(&mut text);
            out.write_all(text.as_bytes())
        }
        other => serde_json::to_writer(out, &json(other)).map_err(io::Error::from),
    }
}

fn json(value: &Value) -> Json {
    match value {
        value if value.is_null() => Json::Null,
        Value::Bool(Some(value)) => (*value).into(),
        Value::Int(Some(value)) => (*value).into(),
        Value::Long(Some(value)) => (*value).into(),
        Value::Real(Some(value)) if value.is_finite() => (*value).into(),
        Value::Dynamic(value) => dynamic(value),
        other => Json::String(to_text(other).to_string()),
    }
}

fn dynamic(value: &Dynamic) -> Json {
    let mut text = String::new();
    value.write_json(&mut text);
    serde_json::from_str(&text).unwrap_or(Json::String(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Level;
    use crate::kql::Schema;

    fn library() -> Library {
        let mut library = Library::new(&Schema::defender());
        let rows = "{\"Timestamp\": \"2026-01-10T11:00:00Z\", \"DeviceName\": \"a\", \"DeviceId\": \"1\"}\n\n\
                    {\"Timestamp\": \"2026-01-01T11:00:00Z\", \"DeviceName\": \"b\", \"DeviceId\": \"2\"}\n";
        let mine = "{\"Size\": 1, \"When\": \"2026-01-10T11:00:00Z\"}\n{\"Size\": 2.5}";
        let profile = "{\"SHA1\": \"AB\", \"GlobalPrevalence\": 7}";
        for (name, lines) in [("DeviceInfo", rows), ("Mine", mine), ("FileProfile", profile)] {
            let other = library.add_table(name, &mut lines.as_bytes()).expect("rows");
            assert!(other.is_empty(), "{other:?}");
        }
        library.add_document("https://lists.example/a.csv", "x\ny\n");
        library
    }

    #[track_caller]
    fn check(query: &str, columns: &[(&str, &str)], rows: &Json) {
        let now = "2026-01-10T12:00:00Z".parse().expect("an instant");
        let results = run(query, &library(), World::at(now)).expect("it runs");
        let [result] = results.as_slice() else { panic!("not one result") };
        let found: Vec<(&str, &str)> =
            result.columns.iter().map(|column| (column.name.as_str(), column.ty)).collect();
        assert_eq!(found, columns, "{query}");
        assert_eq!(serde_json::to_value(result.rows().collect::<Vec<_>>()).expect("rows"), *rows, "{query}");
    }

    #[test]
    fn a_query_runs_over_the_rows_at_the_given_moment() {
        let query =
            "DeviceInfo | where Timestamp > ago(1d) | project DeviceName, Timestamp, Age = now() - Timestamp";
        let columns = [("DeviceName", "string"), ("Timestamp", "datetime"), ("Age", "timespan")];
        check(query, &columns, &serde_json::json!([["a", "2026-01-10T11:00:00.0000000Z", "01:00:00"]]));
    }

    #[test]
    fn tables_nobody_knows_have_the_columns_of_their_rows() {
        let columns = [("Size", "real"), ("When", "datetime")];
        let rows = serde_json::json!([[1.0, "2026-01-10T11:00:00.0000000Z"], [2.5, null]]);
        check("Mine", &columns, &rows);
    }

    #[test]
    fn only_what_a_query_names_is_asked_for() {
        let offered = ["DeviceInfo", "EntraIdSignInEvents", "Mine", "Other", "FileProfile"];
        let asked = |query: &str| {
            let library = Library::new(&Schema::defender());
            library.asked(query, offered).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            asked("Mine | where Size > 1 | join (AADSignInEventsBeta) on X"),
            "EntraIdSignInEvents Mine"
        );
        assert_eq!(asked("union Device*, O* | invoke FileProfile(SHA1)"), "DeviceInfo FileProfile Other");
        assert_eq!(asked("search 'x'"), "DeviceInfo EntraIdSignInEvents Mine Other");
        assert_eq!(asked("print FileProfile = 1"), "");
    }

    #[test]
    fn answers_from_outside_come_with_the_data() {
        check(
            "print SHA1 = 'ab' | invoke FileProfile(SHA1) | project SHA1, GlobalPrevalence",
            &[("SHA1", "string"), ("GlobalPrevalence", "long")],
            &serde_json::json!([["ab", 7]]),
        );
        check(
            "externaldata(v: string) ['https://lists.example/a.csv']",
            &[("v", "string")],
            &serde_json::json!([["x"], ["y"]]),
        );
    }

    #[test]
    fn a_query_ends_when_its_time_is_up() {
        let now = "2026-01-10T12:00:00Z".parse().expect("an instant");
        let query = "range x from 1 to 1000000 step 1 | where x % 7 == 3 | count";
        let world = World { is_late: Some(&|| true), ..World::at(now) };
        let failed = run(query, &library(), world).expect_err("too late");
        assert_eq!(failed.cause, Cause::Work);
    }

    #[test]
    fn what_cannot_run_says_why() {
        let now = "2026-01-10T12:00:00Z".parse().expect("an instant");
        for (query, code) in [("DeviceInfo | take", "KQL011"), ("EmailEvents", "KQL401")] {
            let failed = run(query, &library(), World::at(now)).expect_err(query);
            let found: Vec<_> =
                failed.problems.iter().map(|problem| (problem.code.to_string(), problem.level)).collect();
            assert_eq!(found, [(code.to_owned(), Level::Error)], "{query}");
        }
        let error = library().add_table("T", &mut "{}\n[1]".as_bytes()).expect_err("no object");
        assert_eq!(error.to_string(), "line 2 is no JSON object");
    }
}
