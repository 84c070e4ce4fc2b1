//! Functions of time, and `bin`.

use jiff::Span;
use jiff::civil::DateTime;

use super::functions::text;
use super::time::{self, DAY};
use super::value::Value;

/// Ticks of an instant argument.
fn instant(arguments: &[Value], position: usize) -> Option<i64> {
    match arguments.get(position) {
        Some(Value::Time(ticks)) => Some(*ticks),
        _ => None,
    }
}

fn offset(arguments: &[Value]) -> i64 {
    arguments.get(1).and_then(Value::integer).unwrap_or(0)
}

fn at(ticks: Option<i64>) -> Value {
    ticks.filter(|ticks| time::to_timestamp(*ticks).is_some()).map_or(Value::Null, Value::Time)
}

pub(super) fn todatetime(arguments: &[Value]) -> Value {
    match arguments.first() {
        Some(Value::Time(ticks)) => Value::Time(*ticks),
        Some(Value::Long(ticks)) => at(Some(*ticks)),
        Some(value @ (Value::Text(_) | Value::Json(_))) => at(time::parse_time(&value.show())),
        _ => Value::Null,
    }
}

pub(super) fn totimespan(arguments: &[Value]) -> Value {
    match arguments.first() {
        Some(Value::Span(ticks)) => Value::Span(*ticks),
        Some(value @ (Value::Text(_) | Value::Json(_))) => {
            time::parse_span(&value.show()).map_or(Value::Null, Value::Span)
        }
        _ => Value::Null,
    }
}

fn day(arguments: &[Value]) -> Option<i64> {
    let ticks = instant(arguments, 0)?;
    ticks.checked_sub(ticks.rem_euclid(DAY))
}

pub(super) fn startofday(arguments: &[Value]) -> Value {
    at(day(arguments).and_then(|day| day.checked_add(offset(arguments).checked_mul(DAY)?)))
}

pub(super) fn endofday(arguments: &[Value]) -> Value {
    at(day(arguments)
        .and_then(|day| day.checked_add(offset(arguments).checked_add(1)?.checked_mul(DAY)?)?.checked_sub(1)))
}

/// Days since Sunday; the first day of year 1 was a Monday.
fn weekday(ticks: i64) -> i64 {
    (ticks.div_euclid(DAY) + 1).rem_euclid(7)
}

pub(super) fn startofweek(arguments: &[Value]) -> Value {
    at(day(arguments).and_then(|day| {
        let back = weekday(day).checked_sub(offset(arguments).checked_mul(7)?)?;
        day.checked_sub(back.checked_mul(DAY)?)
    }))
}

pub(super) fn startofmonth(arguments: &[Value]) -> Value {
    let start = instant(arguments, 0).and_then(time::civil).and_then(|civil| {
        let months = Span::new().try_months(offset(arguments)).ok()?;
        let first = civil.date().first_of_month().checked_add(months).ok()?;
        time::from_civil(first.at(0, 0, 0, 0))
    });
    at(start)
}

pub(super) fn dayofweek(arguments: &[Value]) -> Value {
    instant(arguments, 0).map_or(Value::Null, |ticks| Value::Span(weekday(ticks) * DAY))
}

pub(super) fn hourofday(arguments: &[Value]) -> Value {
    instant(arguments, 0).and_then(time::civil).map_or(Value::Null, |civil| Value::Long(civil.hour().into()))
}

/// Whether [`datetime_diff`] counts in this unit.
pub(super) fn is_diff_unit(unit: &str) -> bool {
    let unit = unit.to_lowercase();
    matches!(unit.as_str(), "year" | "month") || fixed_unit(&unit).is_some()
}

fn fixed_unit(unit: &str) -> Option<i64> {
    match unit {
        "day" | "hour" | "minute" | "second" | "millisecond" => time::unit_ticks(unit),
        _ => None,
    }
}

/// How many borders of the unit lie between two instants.
pub(super) fn datetime_diff(arguments: &[Value]) -> Value {
    let (Some(left), Some(right)) = (instant(arguments, 1), instant(arguments, 2)) else {
        return Value::Null;
    };
    let unit = text(arguments, 0).to_lowercase();
    if let Some(ticks) = fixed_unit(&unit) {
        return Value::Long(left.div_euclid(ticks) - right.div_euclid(ticks));
    }
    let (Some(left), Some(right)) = (time::civil(left), time::civil(right)) else { return Value::Null };
    let years = |at: DateTime| i64::from(at.year());
    let months = |at: DateTime| years(at) * 12 + i64::from(at.month());
    match unit.as_str() {
        "year" => Value::Long(years(left) - years(right)),
        "month" => Value::Long(months(left) - months(right)),
        _ => Value::Null,
    }
}

pub(super) fn format_datetime(arguments: &[Value]) -> Value {
    let format = text(arguments, 1);
    let shown = instant(arguments, 0).and_then(|ticks| time::format_time(ticks, &format));
    Value::text(shown.unwrap_or_default())
}

/// Rounds down to a multiple.
pub(super) fn bin(arguments: &[Value]) -> Value {
    let down = |value: i64, size: i64| (size > 0).then(|| value - value.rem_euclid(size));
    match arguments {
        [Value::Time(ticks), Value::Span(size)] => at(down(*ticks, *size)),
        [Value::Span(ticks), Value::Span(size)] => down(*ticks, *size).map_or(Value::Null, Value::Span),
        [Value::Long(value), Value::Long(size)] => down(*value, *size).map_or(Value::Null, Value::Long),
        [value, size] => match (value.number(), size.number()) {
            (Some(value), Some(size)) if size > 0.0 => Value::Real((value / size).floor() * size),
            _ => Value::Null,
        },
        _ => Value::Null,
    }
}
