//! The helpers a text may use, and no others.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::render::is_true;

/// Names of the helpers, sorted.
pub const HELPERS: [&str; 20] = [
    "and", "date", "default", "each", "eq", "gt", "gte", "if", "join", "json", "len", "lower", "lt", "lte",
    "ne", "not", "or", "truncate", "unless", "upper",
];

/// Helpers that are allowed beside those of [`HELPERS`] because they open a scope.
pub(super) const SCOPES: [&str; 1] = ["with"];

/// Helpers that have a body.
pub(super) const BLOCKS: [&str; 4] = ["each", "if", "unless", "with"];

/// What a loop knows of its turn, each written behind `@`.
pub(super) const LOCALS: [&str; 4] = ["first", "index", "key", "last"];

/// A helper that gives a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Helper {
    /// `and a b`: whether all are true.
    And,
    /// `date text format timezone="UTC"`.
    Date,
    /// `default value other`: the other if the value is missing or empty.
    Default,
    /// `eq a b`.
    Eq,
    /// `gt a b`.
    Gt,
    /// `gte a b`.
    Gte,
    /// `join list separator`.
    Join,
    /// `json value`.
    Json,
    /// `len x`: characters, items or fields.
    Len,
    /// `lower text`.
    Lower,
    /// `lt a b`.
    Lt,
    /// `lte a b`.
    Lte,
    /// `ne a b`.
    Ne,
    /// `not a`.
    Not,
    /// `or a b`: whether one is true.
    Or,
    /// `truncate text characters`.
    Truncate,
    /// `upper text`.
    Upper,
}

impl Helper {
    /// Finds a helper by its name; blocks are none.
    pub(super) fn find(name: &str) -> Option<Self> {
        Some(match name {
            "and" => Self::And,
            "date" => Self::Date,
            "default" => Self::Default,
            "eq" => Self::Eq,
            "gt" => Self::Gt,
            "gte" => Self::Gte,
            "join" => Self::Join,
            "json" => Self::Json,
            "len" => Self::Len,
            "lower" => Self::Lower,
            "lt" => Self::Lt,
            "lte" => Self::Lte,
            "ne" => Self::Ne,
            "not" => Self::Not,
            "or" => Self::Or,
            "truncate" => Self::Truncate,
            "upper" => Self::Upper,
            _ => return None,
        })
    }

    /// How many values it takes, at least and at most.
    pub(super) const fn arity(self) -> (usize, usize) {
        match self {
            Self::Json | Self::Len | Self::Lower | Self::Not | Self::Upper => (1, 1),
            Self::And | Self::Or => (1, usize::MAX),
            Self::Date
            | Self::Default
            | Self::Eq
            | Self::Gt
            | Self::Gte
            | Self::Join
            | Self::Lt
            | Self::Lte
            | Self::Ne
            | Self::Truncate => (2, 2),
        }
    }

    /// The names of its options.
    pub(super) const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Date => &["timezone"],
            _ => &[],
        }
    }
}

/// Calls a helper; an error says what it was given wrongly.
pub(super) fn call<'a>(
    helper: Helper,
    mut values: Vec<Cow<'a, Value>>,
    options: &[(&str, Cow<'a, Value>)],
) -> Result<Cow<'a, Value>, String> {
    if matches!(helper, Helper::And | Helper::Or) {
        let mut truths = values.iter().map(|value| is_true(value));
        let holds = if helper == Helper::And { truths.all(|truth| truth) } else { truths.any(|truth| truth) };
        return Ok(Cow::Owned(holds.into()));
    }
    let second = (values.len() > 1).then(|| values.pop()).flatten();
    let first = values.pop().ok_or("a helper needs a value")?;
    let second = || second.as_deref().ok_or("a helper needs a second value");
    let value = match helper {
        Helper::Upper => plain(&first).to_uppercase().into(),
        Helper::Lower => plain(&first).to_lowercase().into(),
        Helper::Json => first.to_string().into(),
        Helper::Not => (!is_true(&first)).into(),
        Helper::Len => length(&first)?.into(),
        Helper::Default => {
            let keep = !is_empty(&first);
            return if keep {
                Ok(first)
            } else {
                second().map(|other| Cow::Owned(other.clone())).map_err(str::to_owned)
            };
        }
        Helper::Join => join(&first, &plain(second()?)).into(),
        Helper::Truncate => {
            let characters = second()?.as_u64().ok_or("`truncate` needs a number of characters")?;
            cut(&plain(&first), characters).into()
        }
        Helper::Date => {
            let timezone = options.iter().find(|(key, _)| *key == "timezone").map(|(_, zone)| plain(zone));
            dated(&plain(&first), &plain(second()?), timezone.as_deref().unwrap_or("UTC"))?.into()
        }
        Helper::Eq => same(&first, second()?)?.into(),
        Helper::Ne => (!same(&first, second()?)?).into(),
        Helper::Gt => (order(&first, second()?)? == Some(Ordering::Greater)).into(),
        Helper::Gte => order(&first, second()?)?.is_some_and(Ordering::is_ge).into(),
        Helper::Lt => (order(&first, second()?)? == Some(Ordering::Less)).into(),
        Helper::Lte => order(&first, second()?)?.is_some_and(Ordering::is_le).into(),
        Helper::And | Helper::Or => Value::Null,
    };
    Ok(Cow::Owned(value))
}

/// A value as text: strings as they are, null as nothing, the rest as JSON.
fn plain(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn length(value: &Value) -> Result<usize, String> {
    match value {
        Value::Null => Ok(0),
        Value::String(text) => Ok(text.chars().count()),
        Value::Array(items) => Ok(items.len()),
        Value::Object(map) => Ok(map.len()),
        Value::Bool(_) | Value::Number(_) => Err("`len` needs a list or a text".to_owned()),
    }
}

fn join(list: &Value, separator: &str) -> String {
    match list {
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(separator),
        other => plain(other).into_owned(),
    }
}

/// Whether two values are the same; values of different types do not compare.
fn same(left: &Value, right: &Value) -> Result<bool, String> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            Ok(left == right || (left.is_f64() || right.is_f64()) && left.as_f64() == right.as_f64())
        }
        (Value::Null, _) | (_, Value::Null) => Ok(left == right),
        _ if std::mem::discriminant(left) == std::mem::discriminant(right) => Ok(left == right),
        _ => Err("values of different types do not compare".to_owned()),
    }
}

/// How two values are ordered; null has no order.
fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, String> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => Ok(match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64().partial_cmp(&b.as_f64()),
        }),
        (Value::String(left), Value::String(right)) => Ok(Some(left.cmp(right))),
        (Value::Null, _) | (_, Value::Null) => Ok(None),
        _ => Err("only two numbers or two texts have an order".to_owned()),
    }
}

/// Cuts a text to `length` characters, the last of which is an ellipsis if something is missing.
fn cut(text: &str, length: u64) -> String {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length.saturating_sub(1)).chain(['…']).take(length).collect()
}

/// Writes an instant in a form and zone; a text that is no instant stays as it is.
pub(super) fn dated(text: &str, format: &str, timezone: &str) -> Result<String, String> {
    let Ok(instant) = text.parse::<jiff::Timestamp>() else { return Ok(text.to_owned()) };
    let zoned = instant.in_tz(timezone).map_err(|_error| format!("there is no time zone `{timezone}`"))?;
    let parts = jiff::fmt::strtime::BrokenDownTime::from(&zoned);
    parts.to_string(format).map_err(|_error| format!("`{format}` is not a form of dates"))
}
