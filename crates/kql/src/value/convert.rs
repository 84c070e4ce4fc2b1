//! Conversions between types, as `toint`, `tostring` and their like do them.
//!
//! What cannot be converted is null. Dynamic values convert as the scalar they hold; arrays and
//! bags convert to nothing but text.

use std::sync::Arc;

use super::{Datetime, Decimal, Dynamic, Guid, Timespan, Value, format_real, parse_real};
use crate::types::ScalarType;

/// Converts a value to a type.
pub fn cast(value: &Value, ty: ScalarType) -> Value {
    if value.ty() == ty {
        return value.clone();
    }
    match ty {
        ScalarType::Bool => Value::Bool(to_bool(value)),
        ScalarType::Int => Value::Int(to_int(value)),
        ScalarType::Long => Value::Long(to_long(value)),
        ScalarType::Real => Value::Real(to_real(value)),
        ScalarType::Decimal => Value::Decimal(to_decimal(value)),
        ScalarType::Datetime => Value::Datetime(to_datetime(value)),
        ScalarType::Timespan => Value::Timespan(to_timespan(value)),
        ScalarType::Guid => Value::Guid(to_guid(value)),
        ScalarType::String => Value::String(to_text(value)),
        ScalarType::Dynamic => Value::Dynamic(to_dynamic(value)),
        ScalarType::Unknown => value.clone(),
    }
}

/// Returns the scalar inside a dynamic value, or nothing if there is none.
fn scalar(value: &Dynamic) -> Option<Value> {
    match value {
        Dynamic::Null | Dynamic::Array(_) | Dynamic::Bag(_) => None,
        other => Some(other.clone().into_scalar()),
    }
}

/// Converts to `bool`.
pub fn to_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => *value,
        Value::String(text) => text_to_bool(text),
        Value::Real(value) => value.map(|value| value != 0.0),
        Value::Decimal(value) => value.map(|value| !value.is_zero()),
        Value::Dynamic(value) => to_bool(&scalar(value)?),
        Value::Int(_) | Value::Long(_) => to_long(value).map(|value| value != 0),
        _ => None,
    }
}

fn text_to_bool(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Some(false);
    }
    text_to_long(text).map(|number| number != 0)
}

fn text_to_long(text: &str) -> Option<i64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok().map(u64::cast_signed)
        }
        Some(_) => None,
        None => text.parse().ok(),
    }
}

/// Truncates a real towards zero.
fn real_to_long(number: f64) -> Option<i64> {
    // 2^63 is the first real that is too large.
    const END: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (-END..END).contains(&number).then_some(number as i64)
}

/// Converts to `long`.
pub fn to_long(value: &Value) -> Option<i64> {
    match value {
        Value::Long(value) => *value,
        Value::Int(value) => value.map(i64::from),
        Value::Bool(value) => value.map(i64::from),
        Value::Real(value) => value.and_then(real_to_long),
        Value::Decimal(value) => value.and_then(Decimal::to_long),
        Value::Datetime(value) => value.map(Datetime::ticks),
        Value::Timespan(value) => value.map(|span| span.0),
        Value::String(text) => text_to_long(text),
        Value::Dynamic(value) => to_long(&scalar(value)?),
        Value::Guid(_) => None,
    }
}

/// Converts to `int`. Numbers that are too large lose their upper bits, texts are null.
pub fn to_int(value: &Value) -> Option<i32> {
    match value {
        Value::Int(value) => *value,
        Value::String(text) => text_to_long(text).and_then(|number| i32::try_from(number).ok()),
        Value::Dynamic(value) => to_int(&scalar(value)?),
        #[expect(clippy::cast_possible_truncation, reason = "the service drops the upper bits")]
        other => to_long(other).map(|number| number as i32),
    }
}

/// Converts to `real`.
pub fn to_real(value: &Value) -> Option<f64> {
    match value {
        Value::Real(value) => *value,
        Value::Int(value) => value.map(f64::from),
        Value::Decimal(value) => value.map(Decimal::to_real),
        Value::String(text) => parse_real(text),
        Value::Dynamic(value) => to_real(&scalar(value)?),
        #[expect(clippy::cast_precision_loss, reason = "reals have 53 bits")]
        other => to_long(other).map(|number| number as f64),
    }
}

/// Converts to `decimal`.
pub fn to_decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Decimal(value) => *value,
        Value::Real(value) => value.and_then(Decimal::from_real),
        Value::String(text) => Decimal::parse(text),
        Value::Dynamic(value) => to_decimal(&scalar(value)?),
        other => to_long(other).map(Decimal::from_long),
    }
}

/// Converts to `datetime`. Numbers are ticks.
pub fn to_datetime(value: &Value) -> Option<Datetime> {
    match value {
        Value::Datetime(value) => *value,
        Value::String(text) => Datetime::parse(text),
        Value::Dynamic(value) => to_datetime(&scalar(value)?),
        Value::Int(_) | Value::Long(_) => to_long(value).and_then(Datetime::from_ticks),
        _ => None,
    }
}

/// Converts to `timespan`. Numbers are ticks.
pub fn to_timespan(value: &Value) -> Option<Timespan> {
    match value {
        Value::Timespan(value) => *value,
        Value::String(text) => Timespan::parse(text),
        Value::Dynamic(value) => to_timespan(&scalar(value)?),
        Value::Int(_) | Value::Long(_) | Value::Real(_) => to_long(value).map(Timespan),
        _ => None,
    }
}

/// Converts to `guid`.
pub fn to_guid(value: &Value) -> Option<Guid> {
    match value {
        Value::Guid(value) => *value,
        Value::String(text) => Guid::parse(text),
        Value::Dynamic(value) => to_guid(&scalar(value)?),
        _ => None,
    }
}

/// Prints a value as `tostring` does; null is empty text.
pub fn to_text(value: &Value) -> Arc<str> {
    fn print(value: Option<impl ToString>) -> Arc<str> {
        value.map_or_else(|| Arc::from(""), |value| Arc::from(value.to_string()))
    }
    match value {
        Value::String(text) => Arc::clone(text),
        Value::Bool(value) => print(value.map(|value| if value { "True" } else { "False" })),
        Value::Int(value) => print(*value),
        Value::Long(value) => print(*value),
        Value::Real(value) => print(value.map(format_real)),
        Value::Decimal(value) => print(*value),
        Value::Datetime(value) => print(*value),
        Value::Timespan(value) => print(*value),
        Value::Guid(value) => print(*value),
        Value::Dynamic(value) => dynamic_to_text(value),
    }
}

fn dynamic_to_text(value: &Dynamic) -> Arc<str> {
    match value {
        Dynamic::Null => Arc::from(""),
        Dynamic::String(text) => Arc::clone(text),
        Dynamic::Decimal(_) | Dynamic::Datetime(_) | Dynamic::Timespan(_) | Dynamic::Guid(_) => {
            to_text(&value.clone().into_scalar())
        }
        Dynamic::Real(number) => Arc::from(format_real(*number)),
        other => Arc::from(other.to_string()),
    }
}

/// Wraps a value into a dynamic one; text is not parsed.
pub fn to_dynamic(value: &Value) -> Dynamic {
    fn wrap<T>(value: Option<T>, make: fn(T) -> Dynamic) -> Dynamic {
        value.map_or(Dynamic::Null, make)
    }
    match value {
        Value::Dynamic(value) => value.clone(),
        Value::Bool(value) => wrap(*value, Dynamic::Bool),
        Value::Int(value) => wrap(value.map(i64::from), Dynamic::Long),
        Value::Long(value) => wrap(*value, Dynamic::Long),
        Value::Real(value) => wrap(*value, Dynamic::Real),
        Value::Decimal(value) => wrap(*value, Dynamic::Decimal),
        Value::Datetime(value) => wrap(*value, Dynamic::Datetime),
        Value::Timespan(value) => wrap(*value, Dynamic::Timespan),
        Value::Guid(value) => wrap(*value, Dynamic::Guid),
        Value::String(text) => Dynamic::String(Arc::clone(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: impl Into<Value>, ty: ScalarType, expected: &str) {
        let value = cast(&value.into(), ty);
        assert_eq!(value.ty(), ty);
        let printed = if value.is_null() { "null".into() } else { to_text(&value) };
        assert_eq!(&*printed, expected);
    }

    #[test]
    fn texts_become_numbers() {
        for (text, int, long, real) in [
            ("123", "123", "123", "123.0"),
            ("  45  ", "45", "45", "45.0"),
            ("-9", "-9", "-9", "-9.0"),
            ("3.14", "null", "null", "3.14"),
            ("abc", "null", "null", "null"),
            ("", "null", "null", "null"),
            ("0x1F", "31", "31", "null"),
            ("1e3", "null", "null", "1000.0"),
            ("2147483648", "null", "2147483648", "2147483648.0"),
            ("1_000", "null", "null", "null"),
            ("Inf", "null", "null", "inf"),
        ] {
            check(text, ScalarType::Int, int);
            check(text, ScalarType::Long, long);
            check(text, ScalarType::Real, real);
        }
    }

    #[test]
    fn numbers_are_cut_not_rounded() {
        check(2.9, ScalarType::Int, "2");
        check(-2.9, ScalarType::Long, "-2");
        check(1e300, ScalarType::Long, "null");
        check(2_147_483_648_i64, ScalarType::Int, "-2147483648");
        check(Value::Timespan(Some(Timespan(Timespan::HOUR))), ScalarType::Int, "1640261632");
    }

    #[test]
    fn texts_become_truths() {
        for (text, expected) in [
            ("true", "True"),
            ("True", "True"),
            ("1", "True"),
            ("0", "False"),
            ("yes", "null"),
            ("", "null"),
            ("-1", "True"),
        ] {
            check(text, ScalarType::Bool, expected);
        }
    }

    #[test]
    fn dynamics_convert_as_what_they_hold() {
        for (json, long, real) in [
            ("1.9", "1", "1.9"),
            ("\"42\"", "42", "42.0"),
            ("\"3.14\"", "null", "3.14"),
            ("\"0x10\"", "16", "null"),
            ("true", "1", "1.0"),
            ("[1]", "null", "null"),
            ("{\"a\":1}", "null", "null"),
        ] {
            check(Dynamic::parse(json), ScalarType::Long, long);
            check(Dynamic::parse(json), ScalarType::Real, real);
        }
        check(Dynamic::parse("\"red\""), ScalarType::String, "red");
        check(Dynamic::parse("true"), ScalarType::String, "true");
        check(Dynamic::parse("[1, \"a\"]"), ScalarType::String, "[1,\"a\"]");
        check(Dynamic::Null, ScalarType::String, "");
    }
}
