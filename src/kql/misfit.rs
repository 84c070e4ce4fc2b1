//! Values that their column does not take.

use std::collections::BTreeMap;
use std::sync::Arc;

use kql::types::{Column, ScalarType};
use kql::value::{Dynamic, Value, cast};

/// Most characters of a value that a message shows.
const SHOWN_MAX: usize = 60;
/// From here on reals do not tell each whole number from the next.
const WHOLE_END: f64 = 9_007_199_254_740_992.0;

/// What columns were given and do not take: the first value of each, and how many there are.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Misfits(BTreeMap<Arc<str>, Misfit>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Misfit {
    ty: ScalarType,
    /// As JSON.
    value: String,
    row: usize,
    more: usize,
}

impl Misfits {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes a value. `row` counts from 1.
    pub(super) fn add(&mut self, column: &Column, value: &Dynamic, row: usize) {
        if let Some(known) = self.0.get_mut(&column.name) {
            known.more += 1;
            return;
        }
        let mut text = String::new();
        value.write_json(&mut text);
        let mut shown: String = text.chars().take(SHOWN_MAX).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        let misfit = Misfit { ty: column.ty, value: shown, row, more: 0 };
        self.0.insert(Arc::clone(&column.name), misfit);
    }

    /// Says what is wrong; rows are numbered as `unit`s of their source.
    pub(super) fn told(&self, unit: &str) -> String {
        let one = |(column, misfit): (&Arc<str>, &Misfit)| {
            let Misfit { ty, value, row, more } = misfit;
            let rest = match more {
                0 => String::new(),
                1 => format!(", nor is that of 1 more {unit}"),
                more => format!(", nor are those of {more} more {unit}s"),
            };
            format!("{unit} {row}: column `{column}` is of type {ty}, which `{value}` is not{rest}")
        };
        self.0.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

/// Makes a value of a column, or gives back the one that the column does not take. Exports write dynamic
/// columns as text that holds JSON, and what is null as empty text.
pub(super) fn cell(value: Dynamic, ty: ScalarType) -> Result<Value, Dynamic> {
    match (&value, ty) {
        (Dynamic::String(text), ScalarType::String) => return Ok(Value::String(Arc::clone(text))),
        (Dynamic::String(text), ScalarType::Dynamic) if text.starts_with(['{', '[']) => {
            return Ok(Value::Dynamic(Dynamic::parse(text)));
        }
        _ => {}
    }
    let is_absent = match &value {
        Dynamic::Null => true,
        Dynamic::String(text) => text.is_empty(),
        _ => false,
    };
    let fits = is_absent || is_exact(&value, ty);
    let given = Value::Dynamic(value);
    let made = cast(&given, ty);
    match given {
        Value::Dynamic(value) if !is_absent && (!fits || made.is_null()) => Err(value),
        _ => Ok(made),
    }
}

/// Whether a value loses nothing in a column of a type, if the column can read it at all. Instants and spans
/// are texts: nobody can tell whether a number counts seconds or ticks.
fn is_exact(value: &Dynamic, ty: ScalarType) -> bool {
    let is_whole = |number: f64| number.fract() == 0.0 && number.abs() < WHOLE_END;
    match (value, ty) {
        (Dynamic::Long(number), ScalarType::Bool) => matches!(number, 0 | 1),
        (Dynamic::String(text), ScalarType::Bool) => {
            ["true", "false", "0", "1"].iter().any(|word| text.eq_ignore_ascii_case(word))
        }
        (Dynamic::Long(number), ScalarType::Int) => i32::try_from(*number).is_ok(),
        (Dynamic::Real(number), ScalarType::Int) => is_whole(*number) && number.abs() <= f64::from(i32::MAX),
        (Dynamic::Real(number), ScalarType::Long) => is_whole(*number),
        (Dynamic::Real(number), ScalarType::String) => number.fract() != 0.0 || is_whole(*number),
        (Dynamic::Bool(_), ScalarType::Int | ScalarType::Long | ScalarType::Real | ScalarType::Decimal)
        | (Dynamic::Real(_), ScalarType::Bool)
        | (Dynamic::Long(_) | Dynamic::Real(_), ScalarType::Datetime | ScalarType::Timespan) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ty: ScalarType, taken: &[&str], refused: &[&str]) {
        let takes = |json: &&str| cell(Dynamic::parse_strict(json).expect("JSON"), ty).is_ok();
        let found: Vec<&str> = taken.iter().chain(refused).copied().filter(takes).collect();
        assert_eq!(found, taken, "{ty}");
    }

    #[test]
    fn columns_take_what_loses_nothing() {
        check(
            ScalarType::Long,
            &["7", "\"12\"", "3.0", "null", "\"\"", "-9223372036854775808"],
            &["3.7", "\"abc\"", "12345678901234567890", "true", "\"3.9\"", "[1]", "{}"],
        );
        check(ScalarType::Int, &["7", "2147483647"], &["2147483648", "3.9", "\"x\""]);
        check(ScalarType::Real, &["7", "3.7", "\"3.7\""], &["\"abc\"", "false", "[]"]);
        check(ScalarType::Bool, &["true", "0", "1", "\"True\"", "\"0\""], &["2", "0.5", "\"yes\"", "\"7\""]);
        check(
            ScalarType::Datetime,
            &["\"2026-01-10T11:00:00.1234567Z\"", "\"2026-01-10\"", "null", "\"\""],
            &["\"nope\"", "1700000000", "\"1700000000\"", "1.5", "true"],
        );
        check(ScalarType::Timespan, &["\"01:00:00\""], &["5", "\"long\""]);
        check(ScalarType::Guid, &["\"74be27de-1e4e-49d9-b579-fe0b331d3642\""], &["\"74be\"", "1"]);
        check(ScalarType::String, &["\"a\"", "1", "1.5", "true", "{\"a\":1}"], &["12345678901234567890"]);
        check(ScalarType::Dynamic, &["1", "\"a\"", "[1]", "\"{\\\"a\\\":1}\"", "12345678901234567890"], &[]);
    }
}
