//! Runs the cases of `oracle-fuzz.json` and `oracle-docs.json` and compares the rows.

use std::path::Path;

use kql::bind::check;
use kql::diagnostic::Severity;
use kql::eval::{Answer, Env, NoTables, Reason, run};
use kql::schema::Database;
use kql::value::{Datetime, Dynamic, Value, to_text};
use serde::Deserialize;
use serde_json::Value as Json;

/// How one case ended.
pub(crate) enum Verdict {
    /// The same columns and rows.
    Equal,
    /// The same rows in another order, where the query does not sort.
    Reordered,
    /// Other rows or columns.
    Wrong(String),
    /// The query was refused, or something in it is not supported.
    Unsupported(String),
    /// The answer depends on the clock or on chance; it ran.
    Random,
}

/// A case and how it ended.
pub(crate) struct Outcome {
    /// Name of the case.
    pub(crate) id: String,
    /// Its query.
    pub(crate) query: String,
    /// How it ended.
    pub(crate) verdict: Verdict,
}

#[derive(Deserialize)]
struct FuzzFile {
    cases: Vec<FuzzCase>,
}

#[derive(Deserialize)]
struct FuzzCase {
    id: String,
    kql: String,
    columns: Vec<String>,
    row_count: usize,
    sample_rows: Vec<String>,
}

#[derive(Deserialize)]
struct DocsFile {
    cases: Vec<DocsCase>,
}

#[derive(Deserialize)]
struct DocsCase {
    id: String,
    kql: String,
    expected: DocsAnswer,
}

#[derive(Deserialize)]
struct DocsAnswer {
    columns: Vec<String>,
    rows: Vec<Vec<Json>>,
}

/// Runs all cases of both files.
pub(crate) fn outcomes(dir: &Path) -> Result<Vec<Outcome>, Box<dyn std::error::Error>> {
    let fuzz: FuzzFile = serde_json::from_str(&std::fs::read_to_string(dir.join("oracle-fuzz.json"))?)?;
    let docs: DocsFile = serde_json::from_str(&std::fs::read_to_string(dir.join("oracle-docs.json"))?)?;
    let fuzz = fuzz.cases.into_iter().map(|case| {
        let verdict = verdict(&case.kql, |answer| {
            let expected = Expected {
                columns: case
                    .columns
                    .iter()
                    .filter_map(|column| column.rsplit_once(':'))
                    .map(|(name, _)| name.to_owned())
                    .collect(),
                rows: case.sample_rows.iter().map(|row| tokens(row)).collect(),
                count: case.row_count,
            };
            let found = Expected {
                columns: names(answer),
                rows: rows(answer, |row| tokens(&tuple(row))),
                count: answer.table.batch.rows(),
            };
            compare(&case.kql, &expected, &found)
        });
        Outcome { id: case.id, query: case.kql, verdict }
    });
    let docs = docs.cases.into_iter().map(|case| {
        let verdict = verdict(&case.kql, |answer| {
            let expected = Expected {
                columns: case.expected.columns.clone(),
                rows: case
                    .expected
                    .rows
                    .iter()
                    .map(|row| tokens(&Json::from(row.clone()).to_string()))
                    .collect(),
                count: case.expected.rows.len(),
            };
            let found = Expected {
                columns: names(answer),
                rows: rows(answer, |row| {
                    tokens(&Json::from(row.iter().map(json).collect::<Vec<_>>()).to_string())
                }),
                count: answer.table.batch.rows(),
            };
            compare(&case.kql, &expected, &found)
        });
        Outcome { id: case.id, query: case.kql, verdict }
    });
    Ok(fuzz.chain(docs).collect())
}

fn verdict(query: &str, judge: impl Fn(&Answer) -> Verdict) -> Verdict {
    let checked = check(query, Database::defender());
    if let Some(error) = checked.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error)
    {
        return Verdict::Unsupported(format!("refused: {}", error.message));
    }
    // Fixed, so that figures do not change from day to day.
    let now = Datetime::parse("2026-08-02T23:56:44.4514557Z").unwrap_or(Datetime::UNIX_EPOCH);
    match run(&checked.bound.plan, &NoTables, &Env::at(now)) {
        Err(error) if matches!(error.reason, Reason::Unsupported(_) | Reason::NoFixture(_)) => {
            Verdict::Unsupported(error.to_string())
        }
        Err(error) => Verdict::Unsupported(format!("failed: {error}")),
        Ok(answers) => match answers.last() {
            None => Verdict::Wrong("no result".to_owned()),
            Some(answer) => match judge(answer) {
                Verdict::Wrong(_) if is_random(query) => Verdict::Random,
                verdict => verdict,
            },
        },
    }
}

fn is_random(query: &str) -> bool {
    ["rand(", "new_guid(", "now(", "ago(", "sample "].iter().any(|name| query.contains(name))
}

struct Expected {
    columns: Vec<String>,
    rows: Vec<Vec<Token>>,
    count: usize,
}

fn compare(query: &str, expected: &Expected, found: &Expected) -> Verdict {
    if expected.columns != found.columns {
        return Verdict::Wrong(format!("columns {:?} instead of {:?}", found.columns, expected.columns));
    }
    if expected.count != found.count {
        return Verdict::Wrong(format!("{} rows instead of {}", found.count, expected.count));
    }
    let same = |a: &Vec<Token>, b: &Vec<Token>| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is(b));
    if expected.rows.iter().zip(&found.rows).all(|(a, b)| same(a, b)) {
        return Verdict::Equal;
    }
    let mut left: Vec<&Vec<Token>> = found.rows.iter().collect();
    for row in &expected.rows {
        let Some(place) = left.iter().position(|other| same(row, other)) else {
            let other = left.first().map(|row| print(row)).unwrap_or_default();
            return Verdict::Wrong(format!("no row {}; but {other}", print(row)));
        };
        left.swap_remove(place);
    }
    let sorts = ["sort ", "order ", "top "].iter().filter_map(|word| query.rfind(word)).max();
    let unsorts =
        ["summarize", "distinct", "join", "union"].iter().filter_map(|word| query.rfind(word)).max();
    if sorts > unsorts { Verdict::Wrong("order".to_owned()) } else { Verdict::Reordered }
}

/// A number, or what stands between numbers.
enum Token {
    Number(f64),
    Text(String),
}

impl Token {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => (a - b).abs() <= a.abs().max(b.abs()) * 1e-9,
            _ => false,
        }
    }
}

fn print(tokens: &[Token]) -> String {
    let text = |token: &Token| match token {
        Token::Number(number) => number.to_string(),
        Token::Text(text) => text.clone(),
    };
    let text: String = tokens.iter().map(text).collect();
    text.chars().take(600).collect()
}

/// Parts a printed row, so that numbers can be compared as such.
fn tokens(text: &str) -> Vec<Token> {
    let pattern = regex::Regex::new(r"-?\b(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+(?:[eE][+-]?\d+)?)\b");
    let Ok(pattern) = pattern else { return Vec::new() };
    let mut tokens = Vec::new();
    let mut from = 0;
    for found in pattern.find_iter(text) {
        tokens.push(Token::Text(text.get(from..found.start()).unwrap_or("").to_owned()));
        match found.as_str().parse::<f64>() {
            // Whole numbers beyond the precision of reals are compared as text.
            Ok(number) if number.is_finite() && (number.abs() < 9e15 || found.as_str().contains('.')) => {
                tokens.push(Token::Number(number));
            }
            _ => tokens.push(Token::Text(found.as_str().to_owned())),
        }
        from = found.end();
    }
    tokens.push(Token::Text(text.get(from..).unwrap_or("").to_owned()));
    tokens
}

fn names(answer: &Answer) -> Vec<String> {
    answer.table.schema.columns.iter().map(|column| column.name.to_string()).collect()
}

fn rows(answer: &Answer, print: impl Fn(&[Value]) -> Vec<Token>) -> Vec<Vec<Token>> {
    let batch = &answer.table.batch;
    (0..batch.rows()).map(|row| print(&batch.row(row))).collect()
}

fn tuple(row: &[Value]) -> String {
    let cells: Vec<String> = row.iter().map(cell).collect();
    format!("({})", cells.join(", "))
}

fn cell(value: &Value) -> String {
    match value {
        value if value.is_null() => "null".to_owned(),
        Value::String(text) => format!("'{text}'"),
        Value::Guid(Some(guid)) => format!("'{guid}'"),
        Value::Real(Some(number)) => real(*number),
        Value::Decimal(Some(number)) => real(number.to_real()),
        Value::Timespan(Some(span)) => span.to_string(),
        Value::Dynamic(value) => pretty(value, 0),
        other => to_text(other).to_string(),
    }
}

fn real(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    number.to_string()
}

/// Prints JSON over several lines, two spaces deeper for each level.
fn pretty(value: &Dynamic, depth: usize) -> String {
    let (inner, outer) = ("  ".repeat(depth + 1), "  ".repeat(depth));
    match value {
        Dynamic::Array(items) if items.is_empty() => "[]".to_owned(),
        Dynamic::Array(items) => {
            let items: Vec<String> =
                items.iter().map(|item| format!("{inner}{}", pretty(item, depth + 1))).collect();
            format!("[\n{}\n{outer}]", items.join(",\n"))
        }
        Dynamic::Bag(bag) if bag.is_empty() => "{}".to_owned(),
        Dynamic::Bag(bag) => {
            let entry = |(name, value): (&std::sync::Arc<str>, &Dynamic)| {
                format!("{inner}{}: {}", Dynamic::String(name.clone()), pretty(value, depth + 1))
            };
            let entries: Vec<String> = bag.iter().map(entry).collect();
            format!("{{\n{}\n{outer}}}", entries.join(",\n"))
        }
        scalar => scalar.to_string(),
    }
}

fn json(value: &Value) -> Json {
    match value {
        value if value.is_null() => Json::Null,
        Value::Bool(Some(value)) => Json::from(*value),
        Value::Int(Some(value)) => Json::from(*value),
        Value::Long(Some(value)) => Json::from(*value),
        Value::Real(Some(value)) if value.is_finite() => Json::from(*value),
        Value::Real(Some(value)) => Json::from(real(*value)),
        Value::Datetime(Some(value)) => {
            let text = value.to_string();
            let text = text.trim_end_matches('Z');
            let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
            let fraction = fraction.trim_end_matches('0');
            Json::from(if fraction.is_empty() {
                format!("{seconds}Z")
            } else {
                format!("{seconds}.{fraction}Z")
            })
        }
        Value::Dynamic(value) => serde_json::from_str(&value.to_string()).unwrap_or(Json::Null),
        other => Json::from(to_text(other).as_ref()),
    }
}
