//! From the bytes of a feed to rows with typed values.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::{Feed, FeedError, Form};
use crate::diag::nearest;
use crate::model::{Cell, Projection, Row};
use crate::playbook::ColumnType;

/// Most characters of a value that are quoted.
const QUOTED_MAX: usize = 60;

/// Reads all rows of a feed.
pub(super) fn rows(document: &[u8], feed: &Feed) -> Result<Vec<Row>, FeedError> {
    let text = std::str::from_utf8(document).map_err(|error| FeedError::Text {
        place: format!("byte {}", error.valid_up_to().saturating_add(1)),
        reason: "it is not UTF-8".to_owned(),
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match &feed.form {
        Form::Csv { delimiter } => csv(text, feed, (*delimiter, Names::First)),
        Form::BareCsv { delimiter } => csv(text, feed, (*delimiter, Names::Declared)),
        Form::Json { at } => json(text, feed, at),
        Form::JsonLines => json_lines(text, feed),
    }
}

/// Rows as they come in, up to the most there may be.
struct Rows<'a> {
    feed: &'a Feed,
    projection: Arc<Projection>,
    kept: Vec<Row>,
}

impl<'a> Rows<'a> {
    fn of(feed: &'a Feed) -> Self {
        let names = feed.columns.iter().map(|(name, _)| name.as_str());
        Self { feed, projection: Arc::new(Projection::new(names)), kept: Vec::new() }
    }

    fn push(&mut self, cells: Vec<Cell>) -> Result<(), FeedError> {
        if self.kept.len() == self.feed.limits.rows_max {
            return Err(FeedError::Long(self.feed.limits.rows_max));
        }
        self.kept.push(Row { projection: Arc::clone(&self.projection), cells: cells.into() });
        Ok(())
    }

    fn object(&mut self, object: &Map<String, Value>, place: &str) -> Result<(), FeedError> {
        let cell = |(name, kind): &(String, ColumnType)| {
            let value = object.get(name).unwrap_or(&Value::Null);
            of_json(*kind, value).ok_or_else(|| misfit(place, (name, *kind), &value.to_string()))
        };
        let cells = self.feed.columns.iter().map(cell).collect::<Result<Vec<_>, _>>()?;
        self.push(cells)
    }

    /// The rows, unless a column is in none of them: its name is wrong.
    fn all(self, is_named: impl Fn(&str) -> bool, names: &[String]) -> Result<Vec<Row>, FeedError> {
        let missing = self.feed.columns.iter().map(|(name, _)| name).find(|name| !is_named(name));
        match missing.filter(|_| !self.kept.is_empty()) {
            Some(name) => Err(no_column(name, names)),
            None => Ok(self.kept),
        }
    }
}

fn no_column(name: &str, names: &[String]) -> FeedError {
    let near = nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
    FeedError::Column { name: name.to_owned(), near }
}

fn misfit(place: &str, (name, kind): (&str, ColumnType), value: &str) -> FeedError {
    let value: String = value.chars().take(QUOTED_MAX).flat_map(char::escape_debug).collect();
    let reason = format!("`{name}` is `{value}`, which is no {}", kind.as_str());
    FeedError::Text { place: place.to_owned(), reason }
}

/// What says how the columns of lines are called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    First,
    Declared,
}

fn csv(text: &str, feed: &Feed, (delimiter, names): (char, Names)) -> Result<Vec<Row>, FeedError> {
    let mut records = Records { rest: text, line: 1, delimiter };
    let header: Vec<String> = match names {
        Names::First => {
            let Some((_line, header)) = records.next_record()? else {
                let reason = "there is nothing, not even the names of columns".to_owned();
                return Err(FeedError::Text { place: "line 1".to_owned(), reason });
            };
            header.into_iter().map(|name| name.trim().to_owned()).collect()
        }
        Names::Declared => feed.columns.iter().map(|(name, _)| name.clone()).collect(),
    };
    let mut places = Vec::new();
    for (name, kind) in &feed.columns {
        let place = header.iter().position(|column| column == name);
        places.push((place.ok_or_else(|| no_column(name, &header))?, name, *kind));
    }
    let mut rows = Rows::of(feed);
    while let Some((line, fields)) = records.next_record()? {
        let at = format!("line {line}");
        let fits = match names {
            Names::First => fields.len() == header.len(),
            Names::Declared => header.len() <= fields.len(),
        };
        if !fits {
            let reason = format!("it has {} values, not {}", fields.len(), header.len());
            return Err(FeedError::Text { place: at, reason });
        }
        let mut cells = Vec::new();
        for (place, name, kind) in &places {
            let value = fields.get(*place).map_or("", String::as_str);
            cells.push(of_text(*kind, value).ok_or_else(|| misfit(&at, (name, *kind), value))?);
        }
        rows.push(cells)?;
    }
    Ok(rows.kept)
}

/// The records of a CSV text (RFC 4180). Lines that begin with `#`, and empty ones, say nothing.
struct Records<'a> {
    rest: &'a str,
    line: usize,
    delimiter: char,
}

impl Records<'_> {
    fn next_record(&mut self) -> Result<Option<(usize, Vec<String>)>, FeedError> {
        loop {
            let (line, after) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            if self.rest.is_empty() {
                return Ok(None);
            }
            if !line.trim().is_empty() && !line.starts_with('#') {
                break;
            }
            self.rest = after;
            self.line = self.line.saturating_add(1);
        }
        let first = self.line;
        let mut fields = Vec::new();
        while let More::Wanted = self.field(first, &mut fields)? {}
        Ok(Some((first, fields)))
    }

    /// Reads one value; says whether another one follows in the record.
    fn field(&mut self, first: usize, fields: &mut Vec<String>) -> Result<More, FeedError> {
        let wrong =
            |reason: &str| FeedError::Text { place: format!("line {first}"), reason: reason.to_owned() };
        let mut value = String::new();
        if let Some(mut rest) = self.rest.strip_prefix('"') {
            loop {
                let (part, after) =
                    rest.split_once('"').ok_or_else(|| wrong("a quoted value does not end"))?;
                value.push_str(part);
                self.line = self.line.saturating_add(part.matches('\n').count());
                let Some(quoted) = after.strip_prefix('"') else {
                    self.rest = after;
                    break;
                };
                value.push('"');
                rest = quoted;
            }
        } else {
            let end = self.rest.find([self.delimiter, '\n']).unwrap_or(self.rest.len());
            let (part, after) = self.rest.split_at(end);
            value.push_str(
                part.strip_suffix('\r').filter(|_| !after.starts_with(self.delimiter)).unwrap_or(part),
            );
            self.rest = after;
        }
        fields.push(value);
        if let Some(after) = self.rest.strip_prefix(self.delimiter) {
            self.rest = after;
            return Ok(More::Wanted);
        }
        let after = self.rest.strip_prefix('\r').unwrap_or(self.rest);
        if let Some(after) = after.strip_prefix('\n') {
            self.rest = after;
            self.line = self.line.saturating_add(1);
            return Ok(More::No);
        }
        if after.is_empty() {
            self.rest = after;
            return Ok(More::No);
        }
        Err(wrong("text follows a quoted value"))
    }
}

/// Whether a record has another value.
enum More {
    Wanted,
    No,
}

fn json(text: &str, feed: &Feed, at: &str) -> Result<Vec<Row>, FeedError> {
    let whole: Value = serde_json::from_str(text).map_err(|error| bad_json("line", &error, error.line()))?;
    let list = whole.pointer(at).and_then(Value::as_array).ok_or_else(|| {
        let place = if at.is_empty() { "the whole".to_owned() } else { format!("`{at}`") };
        FeedError::Text { place, reason: "it is no array".to_owned() }
    })?;
    let mut rows = Rows::of(feed);
    let mut names: Vec<String> = Vec::new();
    for (number, item) in (1_usize..).zip(list) {
        let place = format!("item {number}");
        let object = item.as_object().ok_or_else(|| no_object(&place))?;
        note(&mut names, object, feed);
        rows.object(object, &place)?;
    }
    rows.all(|name| names.iter().any(|known| known == name), &names)
}

fn json_lines(text: &str, feed: &Feed) -> Result<Vec<Row>, FeedError> {
    let mut rows = Rows::of(feed);
    let mut names: Vec<String> = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let item: Value = serde_json::from_str(line).map_err(|error| bad_json("line", &error, number))?;
        let place = format!("line {number}");
        let object = item.as_object().ok_or_else(|| no_object(&place))?;
        note(&mut names, object, feed);
        rows.object(object, &place)?;
    }
    rows.all(|name| names.iter().any(|known| known == name), &names)
}

/// Notes the names of a row, until all columns are found.
fn note(names: &mut Vec<String>, object: &Map<String, Value>, feed: &Feed) {
    if feed.columns.iter().all(|(name, _)| names.contains(name)) {
        return;
    }
    for name in object.keys() {
        if names.len() < 1000 && !names.contains(name) {
            names.push(name.clone());
        }
    }
}

fn bad_json(what: &str, error: &serde_json::Error, line: usize) -> FeedError {
    // What the parser says of the place counts from the text it was given.
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    FeedError::Text { place: format!("{what} {line}, column {}", error.column()), reason: reason.to_owned() }
}

fn no_object(place: &str) -> FeedError {
    FeedError::Text { place: place.to_owned(), reason: "it is no object".to_owned() }
}

/// A value of a text; an empty one is nothing.
fn of_text(kind: ColumnType, value: &str) -> Option<Cell> {
    if value.is_empty() {
        return Some(Cell::Null);
    }
    match kind {
        ColumnType::String | ColumnType::TimeSpan => Some(Cell::Text(value.into())),
        ColumnType::Long => value.trim().parse().ok().map(Cell::Int),
        ColumnType::Int => value.trim().parse::<i32>().ok().map(|value| Cell::Int(value.into())),
        ColumnType::Real | ColumnType::Double | ColumnType::Decimal => {
            value.trim().parse::<f64>().ok().filter(|value| value.is_finite()).map(Cell::Real)
        }
        ColumnType::Bool => match value.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(Cell::Bool(true)),
            "false" | "0" | "no" => Some(Cell::Bool(false)),
            _ => None,
        },
        ColumnType::DateTime => instant(value.trim()).map(|at| Cell::Text(at.to_string().into())),
        ColumnType::Guid => {
            uuid::Uuid::try_parse(value.trim()).ok().map(|id| Cell::Text(id.to_string().into()))
        }
        ColumnType::Dynamic => serde_json::from_str(value).ok().map(|value: Value| Cell::from_json(&value)),
    }
}

/// A value of JSON.
fn of_json(kind: ColumnType, value: &Value) -> Option<Cell> {
    match (kind, value) {
        (_, Value::Null) => Some(Cell::Null),
        (ColumnType::Dynamic, value) => Some(Cell::from_json(value)),
        (ColumnType::Bool, Value::Bool(value)) => Some(Cell::Bool(*value)),
        (ColumnType::Long, Value::Number(number)) => number.as_i64().map(Cell::Int),
        (ColumnType::Int, Value::Number(number)) => {
            number.as_i64().and_then(|value| i32::try_from(value).ok()).map(|value| Cell::Int(value.into()))
        }
        (ColumnType::Real | ColumnType::Double | ColumnType::Decimal, Value::Number(number)) => {
            number.as_f64().map(Cell::Real)
        }
        (ColumnType::Bool, Value::String(_)) => None,
        (kind, Value::String(text)) => of_text(kind, text),
        _ => None,
    }
}

/// An instant, in UTC if it does not say.
fn instant(text: &str) -> Option<Timestamp> {
    let zoneless = || {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    text.parse().ok().or_else(zoneless)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{BYTES, Limits, Source, TIME};

    fn feed(form: Form, columns: &[(&str, ColumnType)]) -> Feed {
        Feed {
            source: Source::File("x".into()),
            form,
            columns: columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(),
            checksum: None,
            limits: Limits { bytes_max: BYTES, rows_max: 3, time_max: TIME },
        }
    }

    const COLUMNS: [(&str, ColumnType); 3] =
        [("Value", ColumnType::String), ("Score", ColumnType::Long), ("Seen", ColumnType::DateTime)];

    #[track_caller]
    fn gives(form: Form, text: &str, expect: &Value) {
        let rows = rows(text.as_bytes(), &feed(form, &COLUMNS)).unwrap();
        assert_eq!(serde_json::to_value(&rows).unwrap(), *expect);
    }

    #[track_caller]
    fn refuses(form: Form, text: &str, expect: &str) {
        assert_eq!(rows(text.as_bytes(), &feed(form, &COLUMNS)).unwrap_err().to_string(), expect);
    }

    fn comma() -> Form {
        Form::Csv { delimiter: ',' }
    }

    fn whole() -> Form {
        Form::Json { at: String::new() }
    }

    #[test]
    fn lines_of_values_become_rows_of_types() {
        let expect = serde_json::json!([
            {"Value": "a,\"b\"\nc", "Score": 7, "Seen": "2026-01-02T03:04:05Z"},
            {"Value": "d", "Score": null, "Seen": null},
        ]);
        let text = "\u{feff}# a feed\r\nSeen,Score,Other,Value\r\n\r\n2026-01-02 03:04:05,7,x,\"a,\"\"b\"\"\nc\"\r\n,,,d";
        gives(comma(), text, &expect);
        let bare = "\"a,\"\"b\"\"\nc\"|7|2026-01-02T03:04:05Z|more\nd||\n";
        gives(Form::BareCsv { delimiter: '|' }, bare, &expect);
        let list = "[{\"Value\": \"a,\\\"b\\\"\\nc\", \"Score\": 7, \"Seen\": \"2026-01-02T03:04:05Z\"}, {\"Value\": \"d\"}]";
        gives(whole(), list, &expect);
        gives(Form::Json { at: "/data/0".to_owned() }, &format!("{{\"data\": [{list}]}}"), &expect);
        let lines = list.trim_matches(['[', ']']).replace("}, {", "}\n\n{");
        gives(Form::JsonLines, &lines, &expect);
    }

    #[test]
    fn one_line_that_does_not_fit_refuses_all() {
        let head = "Value,Score,Seen\n";
        refuses(
            comma(),
            &format!("{head}a,1,\nb,x,\n"),
            "line 3 of the feed cannot be read: `Score` is `x`, which is no long",
        );
        refuses(
            comma(),
            &format!("{head}a,1\n"),
            "line 2 of the feed cannot be read: it has 2 values, not 3",
        );
        refuses(
            comma(),
            &format!("{head}\"a,1,\n"),
            "line 2 of the feed cannot be read: a quoted value does not end",
        );
        refuses(
            comma(),
            &format!("{head}\"a\"b,1,\n"),
            "line 2 of the feed cannot be read: text follows a quoted value",
        );
        refuses(comma(), "Value,Scor,Seen\n", "the feed has no column `Score`; did you mean `Scor`?");
        refuses(
            comma(),
            "",
            "line 1 of the feed cannot be read: there is nothing, not even the names of columns",
        );
        refuses(
            comma(),
            &format!("{head}{}", "a,1,\n".repeat(4)),
            "the feed has more than 3 rows (`maxRows`)",
        );
        refuses(
            whole(),
            "[{\"Value\": 5}]",
            "item 1 of the feed cannot be read: `Value` is `5`, which is no string",
        );
        refuses(whole(), "[{\"Value\": \"a\", \"Score\": 1}]", "the feed has no column `Seen`");
        refuses(whole(), "{}", "the whole of the feed cannot be read: it is no array");
        refuses(whole(), "[1]", "item 1 of the feed cannot be read: it is no object");
        refuses(
            Form::JsonLines,
            "{}\n{",
            "line 2, column 1 of the feed cannot be read: EOF while parsing an object",
        );
        assert!(rows(b"\xff", &feed(comma(), &COLUMNS)).is_err());
    }

    #[test]
    fn an_empty_list_is_no_mistake() {
        gives(whole(), "[]", &serde_json::json!([]));
        gives(comma(), "Value,Score,Seen\n", &serde_json::json!([]));
    }
}
