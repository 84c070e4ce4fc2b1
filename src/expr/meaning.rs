//! What comparing, reckoning and calling mean.
//!
//! Both ways to evaluate a condition (see [`super::native`] and [`super::script`]) come here, so the
//! meaning is written once. The rules are in the room's documentation.

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::Timestamp;

use super::function::Function;
use super::value::{Compare, Kind, Reason, Reckon, TEXT_BYTES_MAX, Value, shown, unfit};
use crate::model::duration;

/// Compares two values by the rules of the room's documentation.
pub(super) fn compare(operator: Compare, left: &Value<'_>, right: &Value<'_>) -> Result<bool, Reason> {
    let order = match (left, right) {
        (Value::Nothing, Value::Nothing) if operator.is_equality() => Some(Ordering::Equal),
        (Value::Nothing, _) | (_, Value::Nothing) => return Ok(operator == Compare::Unequal),
        (Value::Bool(left), Value::Bool(right)) if operator.is_equality() => Some(left.cmp(right)),
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Real(left), Value::Real(right)) => left.partial_cmp(right),
        (Value::Int(left), Value::Real(right)) => order_mixed(*left, *right),
        (Value::Real(left), Value::Int(right)) => order_mixed(*right, *left).map(Ordering::reverse),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Text(right)) => Some(left.cmp(&instant(right)?)),
        (Value::Text(left), Value::Time(right)) => Some(instant(left)?.cmp(right)),
        _ => return Err(mismatch(operator, left.kind(), right.kind())),
    };
    Ok(operator.holds(order))
}

/// Names a comparison of values that do not compare.
pub(super) fn mismatch(operator: Compare, left: Kind, right: Kind) -> Reason {
    Reason::Mismatch { left: left.to_string(), operator: operator.as_str(), right: right.to_string() }
}

/// Orders an integer and a real number exactly, without rounding the integer.
pub(super) fn order_mixed(left: i64, right: f64) -> Option<Ordering> {
    /// 2^63, the first real number above every integer.
    const ABOVE: f64 = 9_223_372_036_854_775_808.0;
    if right.is_nan() {
        return None;
    }
    if right >= ABOVE {
        return Some(Ordering::Less);
    }
    if right < -ABOVE {
        return Some(Ordering::Greater);
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
    let whole = right.trunc() as i64;
    let fraction = right - right.trunc();
    Some(left.cmp(&whole).then(if fraction > 0.0 {
        Ordering::Less
    } else if fraction < 0.0 {
        Ordering::Greater
    } else {
        Ordering::Equal
    }))
}

/// Reads an instant: RFC 3339 text as the service writes it.
pub(super) fn instant(text: &str) -> Result<Timestamp, Reason> {
    text.parse()
        .map_err(|_error| Reason::Form { text: shown(text), wanted: "an instant (2026-01-31T08:00:00Z)" })
}

/// Reckons; nothing in gives nothing out.
pub(super) fn reckon<'a>(operator: Reckon, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>, Reason> {
    let range = || Reason::Range { operator: operator.as_str() };
    match (left, right) {
        (Value::Nothing, _) | (_, Value::Nothing) => Ok(Value::Nothing),
        (Value::Int(left), Value::Int(right)) => {
            let result = match operator {
                Reckon::Add => left.checked_add(right),
                Reckon::Subtract => left.checked_sub(right),
                Reckon::Multiply => left.checked_mul(right),
                Reckon::Divide => left.checked_div(right),
                Reckon::Modulo => left.checked_rem(right),
            };
            result.map(Value::Int).ok_or_else(range)
        }
        (Value::Text(left), Value::Text(right)) if operator == Reckon::Add => {
            if left.len() + right.len() > TEXT_BYTES_MAX {
                return Err(Reason::TooLong);
            }
            Ok(Value::Text(Cow::Owned(left.into_owned() + right.as_ref())))
        }
        (left, right) => {
            let number = |value: &Value<'_>| match value {
                #[expect(clippy::cast_precision_loss, reason = "real numbers are what was asked for")]
                Value::Int(value) => Ok(*value as f64),
                Value::Real(value) => Ok(*value),
                other => Err(unfit(format!("one side of `{}`", operator.as_str()), other.kind(), "a number")),
            };
            let (left, right) = (number(&left)?, number(&right)?);
            let result = match operator {
                Reckon::Add => left + right,
                Reckon::Subtract => left - right,
                Reckon::Multiply => left * right,
                Reckon::Divide => left / right,
                Reckon::Modulo => left % right,
            };
            if result.is_finite() { Ok(Value::Real(result)) } else { Err(range()) }
        }
    }
}

/// Turns the sign.
pub(super) fn negate(value: &Value<'_>) -> Result<Value<'static>, Reason> {
    match value {
        Value::Nothing => Ok(Value::Nothing),
        Value::Int(value) => value.checked_neg().map(Value::Int).ok_or(Reason::Range { operator: "-" }),
        Value::Real(value) => Ok(Value::Real(-value)),
        other => Err(unfit("what `-` stands before".to_owned(), other.kind(), "a number")),
    }
}

/// Whether `item in container`.
pub(super) fn contains(container: &Value<'_>, item: &Value<'_>) -> Result<bool, Reason> {
    match (container, item) {
        (Value::Nothing, _) => Ok(false),
        (Value::Text(_) | Value::List(_), Value::Nothing) => Ok(false),
        (Value::Text(text), Value::Text(part)) => Ok(text.contains(part.as_ref())),
        (Value::List(list), Value::Text(text)) => Ok(list.contains(text)),
        (Value::Json(json), Value::Text(key)) if json.is_object() => Ok(json.get(key.as_ref()).is_some()),
        (Value::Row(row), Value::Text(name)) => Ok(row.names().contains(&name.as_ref())),
        (Value::Text(_) | Value::List(_), other) => {
            Err(unfit("what is looked for".to_owned(), other.kind(), "a text"))
        }
        (container, item) => {
            let kind = container.kind();
            let items = container.clone().items();
            let items = items
                .ok_or_else(|| unfit("what is looked into".to_owned(), kind, "a text, an array or a list"))?;
            for each in &items {
                if compare(Compare::Equal, item, each)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// Calls a function of the catalogue that takes no closure.
pub(super) fn call(
    function: Function,
    arguments: Vec<Value<'_>>,
    now: Timestamp,
) -> Result<Value<'_>, Reason> {
    let mut arguments = arguments.into_iter();
    let first = arguments.next().unwrap_or(Value::Nothing);
    let second = arguments.next().unwrap_or(Value::Nothing);
    match function {
        Function::Contains => contains(&first, &second).map(Value::Bool),
        Function::Icontains => two_texts(function, &first, &second, |text, part| {
            super::fold::contains(text, &part.to_lowercase())
        }),
        Function::StartsWith => two_texts(function, &first, &second, |text, part| text.starts_with(part)),
        Function::EndsWith => two_texts(function, &first, &second, |text, part| text.ends_with(part)),
        Function::ToLower => one_text(function, first, super::fold::lower),
        Function::ToUpper => one_text(function, first, |text| Cow::Owned(text.to_uppercase())),
        Function::Trim => one_text(function, first, |text| match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        }),
        Function::Len => length(&first).map(Value::Int),
        Function::Abs => match first {
            Value::Int(value) => value.checked_abs().map(Value::Int).ok_or(Reason::Range { operator: "abs" }),
            Value::Real(value) => Ok(Value::Real(value.abs())),
            Value::Nothing => Ok(Value::Nothing),
            other => Err(unfit_argument(function, &other, "a number")),
        },
        Function::Min | Function::Max => least_or_most(function, first, second),
        Function::ToNumber => to_number(function, &first),
        Function::ToString => to_text(function, first),
        Function::Time => match first {
            Value::Text(text) => instant(&text).map(Value::Time),
            Value::Time(time) => Ok(Value::Time(time)),
            Value::Nothing => Ok(Value::Nothing),
            other => Err(unfit_argument(function, &other, "a text")),
        },
        Function::Ago => ago(&first, now),
        Function::Any | Function::All | Function::Filter => {
            Err(unfit_argument(function, &second, "a closure `|x| ..`"))
        }
    }
}

fn unfit_argument(function: Function, value: &Value<'_>, wanted: &str) -> Reason {
    unfit(format!("what `{}` is given", function.as_str()), value.kind(), wanted)
}

fn two_texts<'a>(
    function: Function,
    text: &Value<'_>,
    part: &Value<'_>,
    test: impl Fn(&str, &str) -> bool,
) -> Result<Value<'a>, Reason> {
    match (text, part) {
        (Value::Nothing, Value::Nothing | Value::Text(_)) | (Value::Text(_), Value::Nothing) => {
            Ok(Value::Bool(false))
        }
        (Value::Text(text), Value::Text(part)) => Ok(Value::Bool(test(text, part))),
        (Value::Text(_) | Value::Nothing, other) | (other, _) => {
            Err(unfit_argument(function, other, "a text"))
        }
    }
}

fn one_text<'a>(
    function: Function,
    value: Value<'a>,
    change: impl Fn(Cow<'a, str>) -> Cow<'a, str>,
) -> Result<Value<'a>, Reason> {
    match value {
        Value::Nothing => Ok(Value::Nothing),
        Value::Text(text) => Ok(Value::Text(change(text))),
        other => Err(unfit_argument(function, &other, "a text")),
    }
}

/// Characters of a text, items of an array, fields of an object, entries of a list; nothing has none.
fn length(value: &Value<'_>) -> Result<i64, Reason> {
    let length = match value {
        Value::Nothing => 0,
        Value::Text(text) => text.chars().count(),
        Value::Json(json) => {
            json.as_array().map(Vec::len).or_else(|| json.as_object().map(serde_json::Map::len)).unwrap_or(0)
        }
        Value::List(list) => list.len(),
        Value::Many(items) => items.len(),
        Value::Row(row) => row.names().len(),
        Value::Rows(count, _) => return Ok(i64::try_from(*count).unwrap_or(i64::MAX)),
        Value::Values(values) => values.len(),
        other => return Err(unfit_argument(Function::Len, other, "a text, an array or a list")),
    };
    Ok(i64::try_from(length).unwrap_or(i64::MAX))
}

fn least_or_most<'a>(function: Function, first: Value<'a>, second: Value<'a>) -> Result<Value<'a>, Reason> {
    match (&first, &second) {
        (Value::Nothing, Value::Nothing | Value::Int(_) | Value::Real(_)) => return Ok(second),
        (Value::Int(_) | Value::Real(_), Value::Nothing) => return Ok(first),
        (Value::Int(_) | Value::Real(_), Value::Int(_) | Value::Real(_)) => {}
        (Value::Int(_) | Value::Real(_) | Value::Nothing, other) | (other, _) => {
            return Err(unfit_argument(function, other, "a number"));
        }
    }
    let operator = if function == Function::Min { Compare::LessOrEqual } else { Compare::GreaterOrEqual };
    Ok(if compare(operator, &first, &second)? { first } else { second })
}

/// Reads a number from a text; a text that is none gives nothing.
fn to_number<'a>(function: Function, value: &Value<'_>) -> Result<Value<'a>, Reason> {
    match value {
        Value::Nothing => Ok(Value::Nothing),
        Value::Int(value) => Ok(Value::Int(*value)),
        Value::Real(value) => Ok(Value::Real(*value)),
        Value::Bool(value) => Ok(Value::Int(i64::from(*value))),
        Value::Text(text) => {
            let text = text.trim();
            let real = || text.parse().ok().filter(|value: &f64| value.is_finite()).map(Value::Real);
            Ok(text.parse().ok().map(Value::Int).or_else(real).unwrap_or(Value::Nothing))
        }
        other => Err(unfit_argument(function, other, "a text or a number")),
    }
}

fn to_text(function: Function, value: Value<'_>) -> Result<Value<'_>, Reason> {
    let text = match value {
        Value::Nothing => return Ok(Value::Nothing),
        Value::Text(text) => text,
        Value::Bool(value) => Cow::Owned(value.to_string()),
        Value::Int(value) => Cow::Owned(value.to_string()),
        Value::Real(value) => Cow::Owned(value.to_string()),
        Value::Time(time) => Cow::Owned(time.to_string()),
        other => {
            return Err(unfit_argument(function, &other, "a text, a number, a truth value or an instant"));
        }
    };
    Ok(Value::Text(text))
}

fn ago<'a>(length: &Value<'_>, now: Timestamp) -> Result<Value<'a>, Reason> {
    let Value::Text(text) = length else {
        return Err(unfit_argument(Function::Ago, length, "a length of time (\"1h\", \"7d\")"));
    };
    let length = duration(text)
        .map_err(|_error| Reason::Form { text: shown(text), wanted: "a length of time (\"1h\", \"7d\")" })?;
    now.checked_sub(length).map(Value::Time).map_err(|_error| Reason::Range { operator: "ago" })
}
