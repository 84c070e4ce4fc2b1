//! A query over rows at hand.

use jiff::Timestamp;
use kql::bind::check;
use kql::diagnostic::Severity;
use kql::eval::{Answer, Env, Limits};
use kql::value::{Datetime, Dynamic, Value, to_text};
use serde_json::Value as Json;

use super::{Data, Schema, problem};
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
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Columns in order.
    pub columns: Vec<Column>,
    /// Rows; each has a value for each column. Times are texts.
    pub rows: Vec<Vec<Json>>,
}

/// Runs a query at the moment `now` and gives the result of each of its statements.
///
/// # Errors
///
/// What is wrong with the query, or what kept it from running; there are no results in part then.
pub fn run(query: &str, schema: &Schema, data: &Data, now: Timestamp) -> Result<Vec<Rows>, Vec<Problem>> {
    let mut database = schema.0.clone();
    data.complete(&mut database);
    let checked = check(query, &database);
    let errors = checked.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let errors: Vec<Problem> = errors.map(problem).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let Some(now) = Datetime::parse(&now.to_string()) else {
        let message = format!("`now` is out of the range of the query language: {now}");
        return Err(vec![Problem::new(Code::Query, 0..0, message)]);
    };
    let env = Env { now, seed: 0, limits: Limits::default(), deadline: None, fixtures: data };
    let answers = kql::eval::run(&checked.bound.plan, data, &env);
    let answers = answers.map_err(|error| vec![problem(&error.diagnostic())])?;
    Ok(answers.iter().map(rows).collect())
}

fn rows(answer: &Answer) -> Rows {
    let table = &answer.table;
    let columns = table.schema.columns.iter();
    let columns = columns.map(|column| Column { name: column.name.to_string(), ty: column.ty.name() });
    let rows = (0..table.batch.rows()).map(|row| table.batch.row(row).iter().map(json).collect());
    Rows { columns: columns.collect(), rows: rows.collect() }
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

    fn data() -> Data {
        let mut data = Data::new();
        let rows = "{\"Timestamp\": \"2026-01-10T11:00:00Z\", \"DeviceName\": \"a\", \"DeviceId\": \"1\"}\n\n\
                    {\"Timestamp\": \"2026-01-01T11:00:00Z\", \"DeviceName\": \"b\", \"DeviceId\": \"2\"}\n";
        data.add_table("DeviceInfo", rows).expect("rows");
        data.add_table("Mine", "{\"Size\": 1, \"When\": \"2026-01-10T11:00:00Z\"}\n{\"Size\": 2.5}")
            .expect("rows");
        data.add_table("FileProfile", "{\"SHA1\": \"AB\", \"GlobalPrevalence\": 7}").expect("rows");
        data.add_document("https://lists.example/a.csv", "x\ny\n");
        data
    }

    #[track_caller]
    fn check(query: &str, columns: &[(&str, &str)], rows: &Json) {
        let now = "2026-01-10T12:00:00Z".parse().expect("an instant");
        let results = run(query, &Schema::defender(), &data(), now).expect("it runs");
        let [result] = results.as_slice() else { panic!("not one result") };
        let found: Vec<(&str, &str)> =
            result.columns.iter().map(|column| (column.name.as_str(), column.ty)).collect();
        assert_eq!(found, columns, "{query}");
        assert_eq!(serde_json::to_value(&result.rows).expect("rows"), *rows, "{query}");
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
    fn what_cannot_run_says_why() {
        let now = "2026-01-10T12:00:00Z".parse().expect("an instant");
        for (query, code) in [("DeviceInfo | take", "KQL011"), ("EmailEvents", "KQL401")] {
            let problems = run(query, &Schema::defender(), &data(), now).expect_err(query);
            let found: Vec<_> =
                problems.iter().map(|problem| (problem.code.to_string(), problem.level)).collect();
            assert_eq!(found, [(code.to_owned(), Level::Error)], "{query}");
        }
        let error = Data::new().add_table("T", "{}\n[1]").expect_err("no object");
        assert_eq!(error.to_string(), "line 2 is no JSON object");
    }
}
