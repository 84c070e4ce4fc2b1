//! Scalar functions: names, parameters, results.
//!
//! To add one: a line in [`find`] and the function beside it. Functions that need the clock, a
//! literal or lazy branches are bound in `bind`.

use std::sync::Arc;

use serde_json::Value as Json;

use super::clockwork;
use super::value::{Key, Kind, Value, compare, real, truncate};

/// A function of values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Function {
    /// One letter for each parameter: `a`ny, `t`ext, `n`umber, nu`m`ber or span, `c`lock time, `s`pan, `d`ynamic,
    /// `b`ool. Letters after `?` may be left out; after `*` the last letter repeats.
    pub(crate) parameters: &'static str,
    pub(crate) result: ResultKind,
    pub(crate) call: fn(&[Value]) -> Value,
}

/// Type of what a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResultKind {
    Is(Kind),
    /// That of the first argument.
    First,
    /// The one all arguments have in common.
    Common,
}

const fn function(parameters: &'static str, result: Kind, call: fn(&[Value]) -> Value) -> Function {
    Function { parameters, result: ResultKind::Is(result), call }
}

/// Finds a function by its name.
pub(crate) fn find(name: &str) -> Option<Function> {
    find_text(name).or_else(|| find_dynamic(name)).or_else(|| find_other(name))
}

fn find_text(name: &str) -> Option<Function> {
    Some(match name {
        "tolower" => function("t", Kind::Text, |a| Value::text(text(a, 0).to_lowercase())),
        "toupper" => function("t", Kind::Text, |a| Value::text(text(a, 0).to_uppercase())),
        "strlen" => function("t", Kind::Long, |a| count(text(a, 0).chars().count())),
        "strcat" => function("a*a", Kind::Text, strcat),
        "strcat_delim" => function("ta*a", Kind::Text, strcat_delim),
        "strcat_array" => function("dt", Kind::Text, strcat_array),
        "substring" => function("tn?n", Kind::Text, substring),
        "split" => function("tt?n", Kind::Dynamic, split),
        "replace_string" => {
            function("ttt", Kind::Text, |a| Value::text(replaced(&text(a, 0), &text(a, 1), &text(a, 2))))
        }
        "indexof" => function("tt", Kind::Long, indexof),
        "isempty" => function("a", Kind::Bool, |a| Value::Bool(text(a, 0).is_empty())),
        "isnotempty" | "notempty" => function("a", Kind::Bool, |a| Value::Bool(!text(a, 0).is_empty())),
        "tostring" => function("a", Kind::Text, |a| Value::Text(text(a, 0))),
        "ipv4_is_private" => function("t", Kind::Bool, ipv4_is_private),
        _ => return None,
    })
}

fn find_dynamic(name: &str) -> Option<Function> {
    Some(match name {
        "parse_json" | "parsejson" | "todynamic" | "toobject" => function("a", Kind::Dynamic, parse_json),
        "array_length" | "arraylength" => function("d", Kind::Long, |a| {
            a.first().and_then(Value::array).map_or(Value::Null, |items| count(items.len()))
        }),
        "set_has_element" => function("da", Kind::Bool, set_has_element),
        "array_index_of" => function("da", Kind::Long, array_index_of),
        "array_concat" => function("d*d", Kind::Dynamic, array_concat),
        "pack_array" => {
            function("a*a", Kind::Dynamic, |a| Value::json(a.iter().map(Value::to_item).collect()))
        }
        "bag_pack" | "pack" => function("ta*a", Kind::Dynamic, bag_pack),
        "bag_keys" => function("d", Kind::Dynamic, bag_keys),
        _ => return None,
    })
}

fn find_other(name: &str) -> Option<Function> {
    Some(match name {
        "not" => function("b", Kind::Bool, not),
        "isnull" => function("a", Kind::Bool, |a| Value::Bool(a.first().is_none_or(Value::is_null))),
        "isnotnull" | "notnull" => {
            function("a", Kind::Bool, |a| Value::Bool(!a.first().is_none_or(Value::is_null)))
        }
        "toint" => function("a", Kind::Int, toint),
        "tolong" => function("a", Kind::Long, tolong),
        "toreal" | "todouble" => function("a", Kind::Real, toreal),
        "tobool" | "toboolean" => function("a", Kind::Bool, tobool),
        "todatetime" => function("a", Kind::Time, clockwork::todatetime),
        "totimespan" => function("a", Kind::Span, clockwork::totimespan),
        "startofday" => function("c?n", Kind::Time, clockwork::startofday),
        "startofweek" => function("c?n", Kind::Time, clockwork::startofweek),
        "startofmonth" => function("c?n", Kind::Time, clockwork::startofmonth),
        "endofday" => function("c?n", Kind::Time, clockwork::endofday),
        "dayofweek" => function("c", Kind::Span, clockwork::dayofweek),
        "hourofday" => function("c", Kind::Int, clockwork::hourofday),
        "datetime_diff" => function("tcc", Kind::Long, clockwork::datetime_diff),
        "format_datetime" => function("ct", Kind::Text, clockwork::format_datetime),
        "abs" => Function { parameters: "m", result: ResultKind::First, call: abs },
        "round" => function("n?n", Kind::Real, round),
        "max_of" => Function { parameters: "a*a", result: ResultKind::Common, call: |a| extreme(a, 1) },
        "min_of" => Function { parameters: "a*a", result: ResultKind::Common, call: |a| extreme(a, -1) },
        "coalesce" => Function { parameters: "a*a", result: ResultKind::Common, call: coalesce },
        _ => return None,
    })
}

/// Text of an argument; absent is empty.
pub(super) fn text(arguments: &[Value], position: usize) -> Arc<str> {
    arguments.get(position).map_or_else(|| "".into(), Value::show)
}

fn count(value: usize) -> Value {
    i64::try_from(value).map_or(Value::Null, Value::Long)
}

fn strcat(arguments: &[Value]) -> Value {
    Value::text(arguments.iter().map(|value| value.show().to_string()).collect::<String>())
}

fn strcat_delim(arguments: &[Value]) -> Value {
    let delimiter = text(arguments, 0);
    let parts: Vec<String> = arguments.iter().skip(1).map(|value| value.show().to_string()).collect();
    Value::text(parts.join(&delimiter))
}

fn strcat_array(arguments: &[Value]) -> Value {
    let Some(items) = arguments.first().and_then(Value::array) else { return Value::text("") };
    let parts: Vec<String> = items.iter().map(|item| Value::json(item.clone()).show().to_string()).collect();
    Value::text(parts.join(&text(arguments, 1)))
}

/// From a position (a negative one counts from the end), so many characters. A position before the
/// start gives nothing.
fn substring(arguments: &[Value]) -> Value {
    let text = text(arguments, 0);
    let Some(start) = arguments.get(1).and_then(Value::integer) else { return Value::text("") };
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let start = if start < 0 { length + start } else { start };
    if start < 0 {
        return Value::text("");
    }
    let wanted = arguments.get(2).and_then(Value::integer).unwrap_or(i64::MAX);
    let position = |value: i64| usize::try_from(value.max(0)).unwrap_or(usize::MAX);
    Value::text(text.chars().skip(position(start)).take(position(wanted)).collect::<String>())
}

fn split(arguments: &[Value]) -> Value {
    let (text, delimiter) = (text(arguments, 0), text(arguments, 1));
    let parts: Vec<Json> = if delimiter.is_empty() {
        vec![text.as_ref().into()]
    } else {
        text.split(delimiter.as_ref()).map(Json::from).collect()
    };
    let Some(wanted) = arguments.get(2).and_then(Value::integer) else { return Value::json(parts.into()) };
    let part = usize::try_from(wanted).ok().and_then(|wanted| parts.get(wanted).cloned());
    Value::json(part.into_iter().collect())
}

/// An empty needle is nowhere.
fn replaced(text: &str, needle: &str, by: &str) -> String {
    if needle.is_empty() { text.to_owned() } else { text.replace(needle, by) }
}

fn indexof(arguments: &[Value]) -> Value {
    let (text, needle) = (text(arguments, 0), text(arguments, 1));
    match text.split_once(needle.as_ref()) {
        Some((before, _)) => count(before.chars().count()),
        None => Value::Long(-1),
    }
}

fn ipv4_is_private(arguments: &[Value]) -> Value {
    let text = text(arguments, 0);
    let address = text.split('/').next().unwrap_or_default();
    address.parse::<std::net::Ipv4Addr>().map_or(Value::Null, |address| Value::Bool(address.is_private()))
}

/// Text that is not JSON becomes a dynamic string.
fn parse_json(arguments: &[Value]) -> Value {
    match arguments.first() {
        Some(Value::Text(text)) if text.is_empty() => Value::Null,
        Some(Value::Text(text)) => {
            Value::json(serde_json::from_str(text).unwrap_or_else(|_not_json| text.as_ref().into()))
        }
        Some(value) => Value::json(value.to_json()),
        None => Value::Null,
    }
}

fn set_has_element(arguments: &[Value]) -> Value {
    match (arguments.first().and_then(Value::array), arguments.get(1)) {
        (Some(items), Some(wanted)) => {
            let wanted = Key::of(wanted);
            Value::Bool(items.iter().any(|item| Key::of(&Value::json(item.clone())) == wanted))
        }
        _ => Value::Null,
    }
}

fn array_index_of(arguments: &[Value]) -> Value {
    let (Some(items), Some(wanted)) = (arguments.first().and_then(Value::array), arguments.get(1)) else {
        return Value::Null;
    };
    let wanted = Key::of(wanted);
    let found = items.iter().position(|item| Key::of(&Value::json(item.clone())) == wanted);
    found.map_or(Value::Long(-1), count)
}

fn array_concat(arguments: &[Value]) -> Value {
    Value::json(arguments.iter().filter_map(Value::array).flatten().cloned().collect())
}

fn bag_pack(arguments: &[Value]) -> Value {
    let members = arguments.chunks_exact(2).filter_map(|pair| match pair {
        [name, value] => Some((name.show().to_string(), value.to_item())),
        _ => None,
    });
    Value::json(Json::Object(members.collect()))
}

fn bag_keys(arguments: &[Value]) -> Value {
    match arguments.first() {
        Some(Value::Json(json)) => json.as_object().map_or(Value::Null, |members| {
            Value::json(members.keys().map(|name| Json::from(name.as_str())).collect())
        }),
        _ => Value::Null,
    }
}

/// The scalar a dynamic value holds.
fn scalar(value: Option<&Value>) -> Value {
    match value {
        Some(Value::Json(json)) => match json.as_ref() {
            Json::String(text) => Value::text(text.as_str()),
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => number
                .as_i64()
                .map(Value::Long)
                .or_else(|| number.as_f64().map(Value::Real))
                .unwrap_or(Value::Null),
            _ => Value::Null,
        },
        Some(value) => value.clone(),
        None => Value::Null,
    }
}

pub(super) fn tolong(arguments: &[Value]) -> Value {
    match scalar(arguments.first()) {
        Value::Long(value) => Value::Long(value),
        Value::Real(value) if value.is_finite() => Value::Long(truncate(value)),
        Value::Bool(value) => Value::Long(value.into()),
        Value::Text(text) => {
            let text = text.trim();
            let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
            let number = hex.map_or_else(|| text.parse(), |hex| i64::from_str_radix(hex, 16));
            number.map_or(Value::Null, Value::Long)
        }
        _ => Value::Null,
    }
}

/// A number beyond 32 bits wraps; a text beyond them is null.
fn toint(arguments: &[Value]) -> Value {
    match (tolong(arguments), scalar(arguments.first())) {
        (Value::Long(value), Value::Text(_)) => {
            i32::try_from(value).map_or(Value::Null, |value| Value::Long(value.into()))
        }
        (Value::Long(value), _) => {
            let [a, b, c, d, ..] = value.to_le_bytes();
            Value::Long(i32::from_le_bytes([a, b, c, d]).into())
        }
        _ => Value::Null,
    }
}

pub(super) fn toreal(arguments: &[Value]) -> Value {
    match scalar(arguments.first()) {
        Value::Long(value) => Value::Real(real(value)),
        Value::Real(value) => Value::Real(value),
        Value::Bool(value) => Value::Real(f64::from(u8::from(value))),
        Value::Text(text) => text.trim().parse().map_or(Value::Null, Value::Real),
        _ => Value::Null,
    }
}

pub(super) fn tobool(arguments: &[Value]) -> Value {
    match scalar(arguments.first()) {
        Value::Bool(value) => Value::Bool(value),
        Value::Long(value) => Value::Bool(value != 0),
        Value::Real(value) => Value::Bool(value != 0.0),
        Value::Text(text) => match text.to_lowercase().as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => tolong(arguments).integer().map_or(Value::Null, |value| Value::Bool(value != 0)),
        },
        _ => Value::Null,
    }
}

/// Of null nothing can be said.
pub(super) fn not(arguments: &[Value]) -> Value {
    match arguments.first() {
        Some(Value::Bool(value)) => Value::Bool(!value),
        _ => Value::Null,
    }
}

fn abs(arguments: &[Value]) -> Value {
    match arguments.first() {
        Some(Value::Long(value)) => Value::Long(value.wrapping_abs()),
        Some(Value::Span(ticks)) => Value::Span(ticks.wrapping_abs()),
        Some(value) => value.number().map_or(Value::Null, |value| Value::Real(value.abs())),
        None => Value::Null,
    }
}

fn round(arguments: &[Value]) -> Value {
    let Some(value) = arguments.first().and_then(Value::number) else { return Value::Null };
    let digits = arguments.get(1).and_then(Value::integer).unwrap_or(0).clamp(-18, 18);
    let scale = 10_f64.powi(i32::try_from(digits).unwrap_or(0));
    Value::Real((value * scale).round() / scale)
}

/// The greatest (`way` 1) or least (`way` -1) argument; null loses.
fn extreme(arguments: &[Value], way: i8) -> Value {
    let wins = |value: &Value, best: &Value| compare(value, best).is_some_and(|order| order as i8 == way);
    arguments.iter().filter(|value| !value.is_null()).fold(Value::Null, |best, value| {
        if best.is_null() || wins(value, &best) { value.clone() } else { best }
    })
}

/// The first argument that is neither null nor an empty text.
fn coalesce(arguments: &[Value]) -> Value {
    let says = |value: &&Value| !value.is_null() && !matches!(value, Value::Text(text) if text.is_empty());
    arguments.iter().find(says).or(arguments.last()).cloned().unwrap_or(Value::Null)
}
