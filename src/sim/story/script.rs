//! Lines of a happening to rows of tables.
//!
//! A line is a JSON object. Keys in upper case are columns; a text that starts with `-` in a column
//! of times is relative to now. Keys in lower case are shorthand:
//!
//! | key | stands for |
//! |---|---|
//! | `table`, `at` | where the row goes, and its `Timestamp` |
//! | `device`, `user` | the columns that name a machine, an account |
//! | `by` | the account of the initiating process |
//! | `to` | the recipient of a mail |
//! | `hash`, `byHash` | hashes of the file, of the initiating process, made from a label |
//! | `times`, `every` | so many rows, so far apart; `{n}` in a text is the row's number |
//! | `users`, `devices` | one row for each of them, `every` so far apart |

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde_json::{Map, Value};

use super::cast::{Cast, device, hashes};
use crate::kql::{Library, LibraryError};
use crate::sim::SimError;
use crate::sim::seed::instant;

/// Adds the rows of a happening to the tables.
pub(super) fn play(name: &str, text: &str, cast: &Cast, library: &mut Library) -> Result<(), SimError> {
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("story/{name}.ndjson, line {}", number + 1);
        let bad =
            |error: Box<dyn std::error::Error + Send + Sync>| SimError::Data { name: place(), source: error };
        let line: Map<String, Value> = serde_json::from_str(line).map_err(|error| bad(Box::new(error)))?;
        let table = line.get("table").and_then(Value::as_str).unwrap_or_default().to_owned();
        let rows = rows(&table, &line, cast, library)?;
        library.fill(&table, &rows).map_err(|error| bad(Box::new(error)))?;
    }
    Ok(())
}

/// The rows of one line.
fn rows(
    table: &str,
    line: &Map<String, Value>,
    cast: &Cast,
    library: &Library,
) -> Result<Vec<Map<String, Value>>, SimError> {
    let text = |key: &str| line.get(key).and_then(Value::as_str);
    let list = |key: &str| line.get(key).and_then(Value::as_array);
    let times = list("users").or_else(|| list("devices")).map_or_else(
        || {
            line.get("times")
                .and_then(Value::as_u64)
                .and_then(|times| usize::try_from(times).ok())
                .unwrap_or(1)
        },
        Vec::len,
    );
    let start = instant(text("at").unwrap_or("-1h"), cast.now)?;
    let every = length(text("every").unwrap_or("1m"))?;
    let mut rows = Vec::new();
    for step in 0..times {
        let of = |key: &str| list(key).and_then(|items| items.get(step)).and_then(Value::as_str);
        let at = i32::try_from(step).ok().and_then(|step| start.checked_add(every.checked_mul(step)?).ok());
        let mut row = Map::new();
        row.insert("Timestamp".to_owned(), at.unwrap_or(start).to_string().into());
        let user = |short: &str| cast.user(short).ok_or_else(|| unknown(short));
        if let Some(short) = text("user").or_else(|| of("users")) {
            row.extend(cast.account(user(short)?, ""));
        }
        if let Some(short) = text("by") {
            row.extend(cast.account(user(short)?, "InitiatingProcess"));
        }
        if let Some(short) = text("to") {
            let user = user(short)?;
            row.insert("RecipientEmailAddress".to_owned(), user.user_principal_name.as_str().into());
            row.insert("RecipientObjectId".to_owned(), user.id.as_str().into());
        }
        if let Some(short) = text("device").or_else(|| of("devices")) {
            row.extend(device(cast.machine(short).ok_or_else(|| unknown(short))?));
        }
        row.extend(text("hash").map(|label| hashes(label, "")).unwrap_or_default());
        row.extend(text("byHash").map(|label| hashes(label, "InitiatingProcess")).unwrap_or_default());
        // Shorthand fills what the table has; what is written out must fit.
        row.retain(|column, _| library.kind(table, column).is_some());
        for (column, value) in line.iter().filter(|(key, _)| key.starts_with(char::is_uppercase)) {
            let value = match value {
                Value::String(text) if library.kind(table, column) == Some("datetime") => {
                    instant(text, cast.now)?.to_string().into()
                }
                Value::String(text) => text.replace("{n}", &(step + 1).to_string()).into(),
                other => other.clone(),
            };
            row.insert(column.clone(), value);
        }
        rows.push(row);
    }
    Ok(rows)
}

fn length(text: &str) -> Result<SignedDuration, SimError> {
    let bad =
        |error: jiff::Error| SimError::Data { name: format!("the length `{text}`"), source: Box::new(error) };
    let span: Span = text.parse().map_err(bad)?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(bad)
}

fn unknown(short: &str) -> SimError {
    SimError::Data {
        name: format!("the name `{short}`"),
        source: Box::new(LibraryError::UnknownTable(short.to_owned())),
    }
}
