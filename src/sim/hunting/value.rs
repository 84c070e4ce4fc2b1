//! Values, their kinds, and how they compare, group and print.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value as Json;

use super::time;

/// The type of a column or expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Long,
    Real,
    Text,
    Time,
    Span,
    Guid,
    Dynamic,
}

impl Kind {
    /// Finds a kind by its name in KQL.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "bool" | "boolean" => Self::Bool,
            "int" => Self::Int,
            "long" => Self::Long,
            "real" | "double" => Self::Real,
            "string" => Self::Text,
            "datetime" | "date" => Self::Time,
            "timespan" | "time" => Self::Span,
            "guid" => Self::Guid,
            "dynamic" => Self::Dynamic,
            _ => return None,
        })
    }

    /// Name in KQL, for messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Long => "long",
            Self::Real => "real",
            Self::Text => "string",
            Self::Time => "datetime",
            Self::Span => "timespan",
            Self::Guid => "guid",
            Self::Dynamic => "dynamic",
        }
    }

    /// Name in the hunting API's `schema`.
    pub(crate) const fn api_name(self) -> &'static str {
        match self {
            Self::Bool => "SByte",
            Self::Int => "Int32",
            Self::Long => "Int64",
            Self::Real => "Double",
            Self::Text => "String",
            Self::Time => "DateTime",
            Self::Span => "TimeSpan",
            Self::Guid => "Guid",
            Self::Dynamic => "Object",
        }
    }

    pub(crate) const fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Long | Self::Real)
    }

    /// What an absent value of this kind is: strings are never null.
    pub(crate) fn absent(self) -> Value {
        if self == Self::Text { Value::text("") } else { Value::Null }
    }
}

/// One value. A JSON null is always [`Value::Null`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// `int` and `long`.
    Long(i64),
    Real(f64),
    /// `string` and `guid`.
    Text(Arc<str>),
    /// 100 ns ticks since the start of year 1.
    Time(i64),
    /// 100 ns ticks.
    Span(i64),
    Json(Arc<Json>),
}

impl Value {
    pub(crate) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// A dynamic value; a JSON null becomes null.
    pub(crate) fn json(json: Json) -> Self {
        if json.is_null() { Self::Null } else { Self::Json(Arc::new(json)) }
    }

    /// Reads a value of `kind` from a table's JSON. What does not fit is absent.
    pub(crate) fn read(json: &Json, kind: Kind) -> Self {
        match (kind, json) {
            (_, Json::Null) => kind.absent(),
            (Kind::Dynamic, json) => Self::json(json.clone()),
            (Kind::Text | Kind::Guid, Json::String(text)) => Self::text(text.as_str()),
            (Kind::Text, json) => Self::text(json.to_string()),
            (Kind::Bool, Json::Bool(value)) => Self::Bool(*value),
            (Kind::Int | Kind::Long, Json::Number(number)) => number.as_i64().map_or(Self::Null, Self::Long),
            (Kind::Real, Json::Number(number)) => number.as_f64().map_or(Self::Null, Self::Real),
            (Kind::Time, Json::String(text)) => time::parse_time(text).map_or(Self::Null, Self::Time),
            (Kind::Span, Json::String(text)) => time::parse_span(text).map_or(Self::Null, Self::Span),
            _ => Self::Null,
        }
    }

    /// The value as the API's answer spells it.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => (*value).into(),
            Self::Long(value) => (*value).into(),
            Self::Real(value) if value.is_nan() => "NaN".into(),
            Self::Real(value) if value.is_infinite() => {
                if *value > 0.0 {
                    "Infinity".into()
                } else {
                    "-Infinity".into()
                }
            }
            Self::Real(value) => (*value).into(),
            Self::Text(text) => text.as_ref().into(),
            Self::Time(ticks) => time::show_time(*ticks, time::Fraction::Trimmed).into(),
            Self::Span(ticks) => time::show_span(*ticks).into(),
            Self::Json(json) => json.as_ref().clone(),
        }
    }

    /// The value as an item of a dynamic value. Times keep all digits there.
    pub(crate) fn to_item(&self) -> Json {
        match self {
            Self::Time(_) => self.show().as_ref().into(),
            _ => self.to_json(),
        }
    }

    /// `tostring()`.
    pub(crate) fn show(&self) -> Arc<str> {
        match self {
            Self::Null => "".into(),
            Self::Bool(value) => if *value { "True" } else { "False" }.into(),
            Self::Long(value) => value.to_string().into(),
            Self::Real(value) => show_real(*value).into(),
            Self::Text(text) => Arc::clone(text),
            Self::Time(ticks) => time::show_time(*ticks, time::Fraction::Full).into(),
            Self::Span(ticks) => time::show_span(*ticks).into(),
            Self::Json(json) => match json.as_ref() {
                Json::String(text) => text.as_str().into(),
                Json::Bool(value) => if *value { "true" } else { "false" }.into(),
                other => other.to_string().into(),
            },
        }
    }

    pub(crate) const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Truth of a condition; null is not true.
    pub(crate) const fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    /// The number, if it is one (dynamic numbers included).
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Long(value) => Some(real(*value)),
            Self::Real(value) => Some(*value),
            Self::Json(json) => json.as_f64(),
            _ => None,
        }
    }

    /// The integer, if it is one (dynamic integers included).
    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Long(value) => Some(*value),
            Self::Json(json) => json.as_i64(),
            _ => None,
        }
    }

    /// The array, if the value is one.
    pub(crate) fn array(&self) -> Option<&Vec<Json>> {
        match self {
            Self::Json(json) => json.as_array(),
            _ => None,
        }
    }
}

/// The nearest real number.
#[expect(clippy::cast_precision_loss, reason = "as the service does: beyond 2^53 a real is approximate")]
pub(crate) const fn real(value: i64) -> f64 {
    value as f64
}

/// The integer part, saturating.
#[expect(clippy::cast_possible_truncation, reason = "truncation toward zero is what the language says")]
pub(crate) const fn truncate(value: f64) -> i64 {
    value as i64
}

fn show_real(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        format!("{value:?}")
    }
}

/// Orders two values of one kind; null and values of different kinds have no order.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Long(left), Value::Long(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) | (Value::Span(left), Value::Span(right)) => {
            Some(left.cmp(right))
        }
        (Value::Json(json), other) => compare_json(json, other),
        (other, Value::Json(json)) => compare_json(json, other).map(Ordering::reverse),
        _ => left.number()?.partial_cmp(&right.number()?),
    }
}

/// Orders a dynamic value against a value of another kind, by what the dynamic value holds.
fn compare_json(json: &Json, other: &Value) -> Option<Ordering> {
    match (json, other) {
        (Json::String(left), Value::Text(right)) => Some(left.as_str().cmp(right)),
        (Json::String(left), Value::Time(right)) => Some(time::parse_time(left)?.cmp(right)),
        (Json::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (left, Value::Json(right)) => (left == right.as_ref()).then_some(Ordering::Equal),
        (Json::Number(left), Value::Long(right)) if left.is_i64() => Some(left.as_i64()?.cmp(right)),
        (Json::Number(left), right) => left.as_f64()?.partial_cmp(&right.number()?),
        _ => None,
    }
}

/// Order of a sort: null before everything, then by value.
pub(crate) fn sort_order(left: &Value, right: &Value) -> Ordering {
    match (left.is_null(), right.is_null()) {
        (false, false) => compare(left, right).unwrap_or(Ordering::Equal),
        (left, right) => right.cmp(&left),
    }
}

/// A value as a key of a group or set: equal keys are equal values, null equals null.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    Null,
    Bool(bool),
    Long(i64),
    Real(u64),
    Text(Arc<str>),
    Time(i64),
    Span(i64),
    Json(String),
}

impl Key {
    /// The key of a value. Dynamic scalars have the key of the scalar they hold; a real that is a
    /// whole number has the key of the integer.
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Long(value) => Self::Long(*value),
            Value::Real(value) => Self::of_real(*value),
            Value::Text(text) => Self::Text(Arc::clone(text)),
            Value::Time(ticks) => Self::Time(*ticks),
            Value::Span(ticks) => Self::Span(*ticks),
            Value::Json(json) => match json.as_ref() {
                Json::String(text) => Self::Text(text.as_str().into()),
                Json::Bool(value) => Self::Bool(*value),
                Json::Number(number) => number
                    .as_i64()
                    .map_or_else(|| Self::of_real(number.as_f64().unwrap_or(f64::NAN)), Self::Long),
                other => Self::Json(other.to_string()),
            },
        }
    }

    fn of_real(value: f64) -> Self {
        let whole = truncate(value);
        if real(whole).to_bits() == value.to_bits() { Self::Long(whole) } else { Self::Real(value.to_bits()) }
    }

    /// The same key in lower case.
    pub(crate) fn folded(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text.to_lowercase().into()),
            other => other,
        }
    }
}
