//! `parse` and `parse-where`.

use std::sync::Arc;

use regex::Regex;

use super::super::machine::{Machine, Received};
use super::super::{EvalError, Table};
use super::{eval, named, row_number, with_extras};
use crate::plan::{Operator, ParseMode, ParseOutput, ParsePart};
use crate::types::{ScalarType, Schema};
use crate::value::{Cells, Value, cast, to_text};

/// Reads text into columns.
pub(super) fn parse(
    machine: &Machine<'_>,
    operator: &Operator,
    schema: &Schema,
    received: Received<'_>,
) -> Result<Table, EvalError> {
    let Operator::Parse { text, mode, where_matches, parts, outputs } = operator else {
        return Err(EvalError::unsupported("parse"));
    };
    let table = received.table;
    let rows = table.batch.rows();
    let texts = eval(machine, text, table)?;
    let reader = Reader::new(machine, mode, parts)?;
    let mut columns: Vec<Cells> = parts.iter().map(|part| Cells::empty(part_type(part))).collect();
    let mut matched = Vec::new();
    for row in 0..rows {
        let values = reader.read(&to_text(&texts.get(row)));
        if values.is_some() {
            matched.push(row_number(row));
        }
        let mut values = values.unwrap_or_default().into_iter();
        for column in &mut columns {
            let null = || Value::null(column.ty());
            column.push(values.next().unwrap_or_else(null));
        }
    }
    let given = laid_out(outputs, columns, schema, table);
    let mut given = with_extras(given, schema, received);
    if *where_matches {
        given.batch = given.batch.gather(&matched);
    }
    Ok(given)
}

/// Lays out columns of the rows received and columns that were read.
pub(super) fn laid_out(outputs: &[ParseOutput], read: Vec<Cells>, schema: &Schema, table: &Table) -> Table {
    let rows = table.batch.rows();
    let read: Vec<Arc<Cells>> = read.into_iter().map(Arc::new).collect();
    let column = |(output, column): (&ParseOutput, &crate::types::Column)| match output {
        ParseOutput::Input(index) => table.batch.column_or_null(*index, column.ty),
        ParseOutput::Part(part) => match read.get(*part) {
            Some(cells) => Arc::clone(cells),
            None => Arc::new(Cells::nulls(column.ty, rows)),
        },
    };
    named(schema, outputs.iter().zip(&schema.columns).map(column).collect(), rows)
}

const fn part_type(part: &ParsePart) -> ScalarType {
    match part {
        ParsePart::Column(ty) => *ty,
        ParsePart::Skip | ParsePart::Text(_) => ScalarType::Dynamic,
    }
}

/// How a pattern is matched.
enum Reader<'a> {
    /// From constant to constant; the flag says whether values must convert.
    Constants(&'a [ParsePart], Strict),
    /// By a regular expression whose groups are the columns.
    Regex(Arc<Regex>, &'a [ParsePart]),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strict {
    Yes,
    No,
}

impl<'a> Reader<'a> {
    fn new(machine: &Machine<'_>, mode: &ParseMode, parts: &'a [ParsePart]) -> Result<Self, EvalError> {
        match mode {
            ParseMode::Simple => Ok(Self::Constants(parts, Strict::Yes)),
            ParseMode::Relaxed => Ok(Self::Constants(parts, Strict::No)),
            ParseMode::Regex { flags } => {
                let pattern = regex_of(parts, flags);
                let regex = machine
                    .memo
                    .regex(&pattern)
                    .ok_or_else(|| EvalError::refused(format!("`{pattern}` is not a regular expression")))?;
                Ok(Self::Regex(regex, parts))
            }
        }
    }

    /// Returns a value for each part, or nothing if the text does not fit the pattern.
    fn read(&self, text: &str) -> Option<Vec<Value>> {
        match self {
            Self::Constants(parts, strict) => read_constants(parts, *strict, text),
            Self::Regex(regex, parts) => {
                let captures = regex.captures(text)?;
                let mut column = 0;
                let value = |part: &ParsePart| {
                    let ParsePart::Column(ty) = part else { return Some(Value::null(ScalarType::Dynamic)) };
                    column += 1;
                    let found = captures.name(&group_name(column)).map_or("", |found| found.as_str());
                    let value = cast(&Value::from(found), *ty);
                    Some(value).filter(|value| !value.is_null())
                };
                parts.iter().map(value).collect()
            }
        }
    }
}

fn group_name(column: usize) -> String {
    format!("kql_column_{column}")
}

/// Builds the expression: texts are expressions themselves, columns are groups.
fn regex_of(parts: &[ParsePart], flags: &str) -> String {
    let flags: String = flags.chars().filter(|flag| "imsU".contains(*flag)).collect();
    let mut pattern = if flags.is_empty() { "^".to_owned() } else { format!("(?{flags})^") };
    let mut column = 0;
    for part in parts {
        match part {
            ParsePart::Skip => pattern.push_str(".*?"),
            ParsePart::Text(text) => pattern.push_str(text),
            ParsePart::Column(ty) => {
                column += 1;
                let inner = match ty {
                    ScalarType::Int | ScalarType::Long => r"[+-]?\d+",
                    ScalarType::Real | ScalarType::Decimal => r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?",
                    _ => ".*",
                };
                let name = group_name(column);
                pattern.push_str("(?P<");
                pattern.push_str(&name);
                pattern.push('>');
                pattern.push_str(inner);
                pattern.push(')');
            }
        }
    }
    // Values that end the pattern take the rest, even where matches are as short as possible.
    if matches!(parts.last(), Some(ParsePart::Column(_))) {
        pattern.push('$');
    }
    pattern
}

/// Walks from constant to constant; a value is what stands before the next one.
fn read_constants(parts: &[ParsePart], strict: Strict, text: &str) -> Option<Vec<Value>> {
    let mut values = vec![Value::null(ScalarType::Dynamic); parts.len()];
    let mut rest = text;
    let mut index = 0;
    while let Some(part) = parts.get(index) {
        if let ParsePart::Text(constant) = part {
            rest = rest.strip_prefix(constant.as_str())?;
            index += 1;
            continue;
        }
        // A run of columns and skips ends at the next constant, or at the end of the text.
        let run = parts.get(index..).map_or(0, |parts| {
            parts.iter().position(|part| matches!(part, ParsePart::Text(_))).unwrap_or(parts.len())
        });
        let taken = match parts.get(index + run) {
            Some(ParsePart::Text(constant)) => {
                let end = rest.find(constant.as_str())?;
                let (taken, after) = rest.split_at_checked(end)?;
                rest = after;
                taken
            }
            _ => std::mem::take(&mut rest),
        };
        let places = values.iter_mut().zip(parts).skip(index).take(run);
        read_run(places, taken, strict)?;
        index += run;
    }
    rest.is_empty().then_some(values)
}

/// Shares a text among neighbouring parts: numbers take their characters, the last part the rest.
fn read_run<'a>(
    places: impl Iterator<Item = (&'a mut Value, &'a ParsePart)>,
    text: &str,
    strict: Strict,
) -> Option<()> {
    let mut rest = text;
    let mut places = places.peekable();
    while let Some((place, part)) = places.next() {
        let is_last = places.peek().is_none();
        let next_is_skip = matches!(places.peek(), Some((_, ParsePart::Skip)));
        let ParsePart::Column(ty) = part else { continue };
        let taken = if is_last {
            std::mem::take(&mut rest)
        } else {
            let end = if next_is_skip || ty.is_numeric() { typed_length(rest, *ty) } else { 0 };
            let (taken, after) = rest.split_at_checked(end)?;
            rest = after;
            taken
        };
        let value = cast(&Value::from(taken), *ty);
        if value.is_null() && strict == Strict::Yes {
            return None;
        }
        *place = value;
    }
    Some(())
}

/// Returns how much of a text a value of a type takes when no constant ends it.
fn typed_length(text: &str, ty: ScalarType) -> usize {
    let accepts = |character: char| match ty {
        ScalarType::Int | ScalarType::Long => character.is_ascii_digit() || matches!(character, '-' | '+'),
        ScalarType::Real | ScalarType::Decimal => {
            character.is_ascii_digit() || matches!(character, '-' | '+' | '.' | 'e' | 'E')
        }
        _ => false,
    };
    text.find(|character| !accepts(character)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(constant: &str) -> ParsePart {
        ParsePart::Text(constant.to_owned())
    }

    #[track_caller]
    fn check(parts: &[ParsePart], strict: Strict, input: &str, expected: Option<&[&str]>) {
        let values = read_constants(parts, strict, input);
        let printed: Option<Vec<String>> = values.map(|values| {
            let columns = values.iter().zip(parts).filter(|(_, part)| matches!(part, ParsePart::Column(_)));
            columns.map(|(value, _)| to_text(value).to_string()).collect()
        });
        let expected = expected.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(printed, expected, "{input}");
    }

    #[test]
    fn values_stand_between_constants() {
        let (string, int) = (ParsePart::Column(ScalarType::String), ParsePart::Column(ScalarType::Int));
        let pattern = [text("  "), string.clone(), text(" and "), string.clone(), text("  "), string.clone()];
        check(&pattern, Strict::Yes, "  a and b  c  d", Some(&["a", "b", "c  d"]));
        let pattern =
            [ParsePart::Skip, text("id="), int, ParsePart::Skip, text("x="), string, ParsePart::Skip];
        check(&pattern, Strict::Yes, "pre id=7, x=abc", Some(&["7", ""]));
        check(&pattern, Strict::Yes, "pre id=q, x=abc", None);
        check(&pattern, Strict::No, "pre id=q, x=abc", Some(&["", ""]));
        check(&pattern, Strict::Yes, "pre x=abc", None);
    }
}
