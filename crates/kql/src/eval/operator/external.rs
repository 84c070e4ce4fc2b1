//! Rows from outside: documents of `externaldata`, and functions of the service.

use std::sync::Arc;

use super::super::machine::Machine;
use super::super::{EvalError, Table};
use super::{eval_all, named, row_number, side_by_side};
use crate::plan::{Expr, ExternalData, JoinSide};
use crate::types::{Column, ScalarType, Schema};
use crate::value::{Batch, Cells, Dynamic, KeyWriter, Value, cast, to_bool, to_text};
use indexmap::IndexMap;

/// Reads documents.
pub(super) fn documents(
    machine: &Machine<'_>,
    external: &ExternalData,
    schema: &Schema,
) -> Result<Table, EvalError> {
    let mut format = None;
    let mut skip_first = false;
    for (name, value) in &external.properties {
        let value = machine.constant(value)?;
        match name.to_ascii_lowercase().as_str() {
            "format" => format = Some(to_text(&value).to_ascii_lowercase()),
            "ignorefirstrecord" => skip_first = to_bool(&value) == Some(true),
            _ => {}
        }
    }
    let columns: Schema = external.columns.iter().cloned().collect();
    let mut rows = Vec::new();
    for uri in &external.uris {
        let place = uri.span;
        let uri = to_text(&machine.constant(uri)?);
        let document = machine.env.fixtures.document(&uri);
        let document = document.ok_or_else(|| EvalError::no_fixture(&uri).at(place))?;
        machine.memory(document.len())?;
        let format = format.clone().unwrap_or_else(|| format_of(&uri));
        let read = read_document(&document, &format, &columns)?;
        rows.extend(read.into_iter().skip(usize::from(skip_first)));
        machine.rows(rows.len())?;
    }
    let table = Table { batch: Batch::from_rows(&columns, rows), schema: columns };
    let cells = |column: &Column| {
        let place = table.schema.find(&column.name).unwrap_or(usize::MAX);
        table.batch.column_or_null(place, column.ty)
    };
    let rows = table.batch.rows();
    Ok(named(schema, schema.columns.iter().map(cells).collect(), rows))
}

/// Guesses a format from the end of an address; text that is not known to be anything else is
/// one column.
fn format_of(uri: &str) -> String {
    let path = uri.split(['?', ';', '#']).next().unwrap_or(uri);
    let end = path.rsplit_once('.').map_or("", |(_, end)| end).to_ascii_lowercase();
    match end.as_str() {
        "csv" | "tsv" | "json" | "txt" | "psv" | "ndjson" | "jsonl" => end,
        _ => "csv".to_owned(),
    }
}

fn read_document(document: &str, format: &str, columns: &Schema) -> Result<Vec<Vec<Value>>, EvalError> {
    let delimiter = match format {
        "csv" | "scsv" | "sohsv" | "psv" | "tsv" | "tsve" => match format {
            "scsv" => ';',
            "psv" => '|',
            "tsv" | "tsve" => '\t',
            "sohsv" => '\u{1}',
            _ => ',',
        },
        "txt" => {
            return Ok(document.lines().map(|line| first_column(line, columns)).collect());
        }
        "raw" => return Ok(vec![first_column(document, columns)]),
        "json" | "ndjson" | "jsonl" | "multijson" => return Ok(read_json(document, columns)),
        other => return Err(EvalError::unsupported(format!("externaldata with format {other}"))),
    };
    let records = read_delimited(document, delimiter);
    Ok(records.into_iter().map(|record| convert(record, columns)).collect())
}

fn first_column(text: &str, columns: &Schema) -> Vec<Value> {
    columns.get(0).map(|column| cast(&Value::from(text), column.ty)).into_iter().collect()
}

fn convert(record: Vec<String>, columns: &Schema) -> Vec<Value> {
    let field = |(text, column): (String, &Column)| match column.ty {
        ScalarType::Dynamic => Value::Dynamic(Dynamic::parse(&text)),
        ty => cast(&Value::from(text.as_str()), ty),
    };
    record.into_iter().zip(&columns.columns).map(field).collect()
}

/// Reads records; a field in double quotes may hold the delimiter, line ends and doubled quotes.
pub(super) fn read_delimited(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                field.push('"');
                characters.next();
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            other if other == delimiter && !quoted => record.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}

/// Reads one object after the other, or an array of them.
fn read_json(document: &str, columns: &Schema) -> Vec<Vec<Value>> {
    let values = serde_json::Deserializer::from_str(document).into_iter::<Dynamic>();
    let mut rows = Vec::new();
    let mut add = |object: &Dynamic| {
        let value = |column: &Column| cast(&Value::Dynamic(object.property(&column.name)), column.ty);
        rows.push(columns.columns.iter().map(value).collect());
    };
    for value in values.map_while(Result::ok) {
        match value.as_array() {
            Some(items) => items.iter().for_each(&mut add),
            None => add(&value),
        }
    }
    rows
}

/// Asks a function of the service for its rows.
pub(super) fn function(
    machine: &Machine<'_>,
    name: &str,
    args: &[Expr],
    schema: &Schema,
) -> Result<Table, EvalError> {
    let values: Result<Vec<Value>, EvalError> = args.iter().map(|arg| machine.constant(arg)).collect();
    let answer = machine.env.fixtures.function(name, &values?);
    let answer = answer.ok_or_else(|| EvalError::no_fixture(name))?;
    if schema.open || schema.is_empty() {
        return Ok(answer);
    }
    let rows = answer.batch.rows();
    Ok(named(schema, columns_of(&answer, &schema.columns), rows))
}

fn columns_of(answer: &Table, columns: &[Column]) -> Vec<Arc<Cells>> {
    let cells = |column: &Column| {
        let place = answer.schema.find(&column.name).unwrap_or(usize::MAX);
        let cells = answer.batch.column_or_null(place, column.ty);
        if column.ty.is_unknown() || cells.ty() == column.ty {
            cells
        } else {
            Arc::new(cells.cast(column.ty))
        }
    };
    columns.iter().map(cells).collect()
}

/// Extends each row with the answer of a function; equal arguments are asked once. A row without
/// an answer gets nulls, one with several is repeated.
pub(super) fn enrich(
    machine: &Machine<'_>,
    call: (&str, &[Expr]),
    columns: &[Column],
    result: (&[JoinSide], &Schema),
    table: &Table,
) -> Result<Table, EvalError> {
    let args = eval_all(machine, call.1, table)?;
    let mut known: IndexMap<Box<[u8]>, (u32, u32)> = IndexMap::new();
    let mut answers: Vec<Batch> = Vec::new();
    let mut total = 0_u32;
    let schema: Schema = columns.iter().cloned().collect();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut key = KeyWriter::new();
    for row in 0..table.batch.rows() {
        key.clear();
        for arg in &args {
            key.push_cell(arg, row);
        }
        let range = if let Some(range) = known.get(key.bytes()) {
            *range
        } else {
            let values: Vec<Value> = args.iter().map(|arg| arg.get(row)).collect();
            let answer = machine.env.fixtures.function(call.0, &values);
            let answer = answer.ok_or_else(|| EvalError::no_fixture(call.0))?;
            let rows = answer.batch.rows();
            let start = total;
            total = total.saturating_add(row_number(rows));
            answers.push(Batch::new(columns_of(&answer, columns), rows));
            known.insert(Box::from(key.bytes()), (start, total));
            machine.work(100)?;
            (start, total)
        };
        if range.0 == range.1 {
            left.push(row_number(row));
            right.push(u32::MAX);
        }
        for answer in range.0..range.1 {
            left.push(row_number(row));
            right.push(answer);
        }
        machine.rows(left.len())?;
    }
    let batch = Batch::concat(&schema, &answers);
    let answer = Table { schema, batch };
    Ok(side_by_side((table, &left), (&answer, &right), result.0, result.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_end_at_line_ends_outside_quotes() {
        let records = read_delimited("a,\"b,\"\"c\"\"\r\nd\",\r\n1,2,3", ',');
        assert_eq!(records, [vec!["a", "b,\"c\"\r\nd", ""], vec!["1", "2", "3"]]);
        assert_eq!(read_delimited("", ','), Vec::<Vec<String>>::new());
    }

    #[test]
    fn json_comes_line_by_line_or_as_an_array() {
        let columns: Schema =
            [Column::new("a", ScalarType::Long), Column::new("b", ScalarType::String)].into_iter().collect();
        let expected =
            vec![vec![Value::from(1), Value::from("x")], vec![Value::Long(None), Value::from("[2]")]];
        assert_eq!(read_json("{\"a\":1,\"b\":\"x\"}\n{\"b\":[2]}", &columns), expected);
        assert_eq!(read_json("[{\"a\":1,\"b\":\"x\"},{\"b\":[2]}]", &columns), expected);
    }

    #[test]
    fn formats_are_guessed() {
        assert_eq!(format_of("https://example.com/a/list.TXT?raw=1"), "txt");
        assert_eq!(format_of("https://example.com/list"), "csv");
    }
}
