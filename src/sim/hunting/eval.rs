//! Bound expressions and their value for a row.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use regex::Regex;
use serde_json::Value as Json;

use super::syntax::{Arithmetic, Case, Comparison, Match, Membership, Sense, Terms};
use super::term;
use super::time;
use super::value::{Key, Kind, Value, compare, real};

/// An expression whose names are positions and whose types are known.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    Const(Value),
    Column(usize),
    Call(fn(&[Value]) -> Value, Vec<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Negate(Box<Self>),
    Arithmetic(Arithmetic, Kind, Box<Self>, Box<Self>),
    Compare(Comparison, Box<Self>, Box<Self>),
    Match(Match, Box<Self>, Box<Self>),
    Regex(Sense, Regex, Box<Self>),
    Extract(Regex, usize, Box<Self>),
    Terms(Terms, Box<Self>, Vec<Arc<str>>),
    In(Membership, Box<Self>, Arc<BTreeSet<Key>>),
    Member(Box<Self>, Arc<str>),
    Index(Box<Self>, Box<Self>),
    List(Vec<Self>),
    Bag(Vec<(Arc<str>, Self)>),
}

impl Bound {
    /// Value for a row.
    pub(crate) fn eval(&self, row: &[Value]) -> Value {
        match self {
            Self::Const(value) => value.clone(),
            Self::Column(position) => row.get(*position).cloned().unwrap_or(Value::Null),
            Self::Call(function, arguments) => {
                let values: Vec<Value> = arguments.iter().map(|argument| argument.eval(row)).collect();
                function(&values)
            }
            Self::All(parts) => all(parts, row),
            Self::Any(parts) => any(parts, row),
            Self::Negate(inner) => match inner.eval(row) {
                Value::Long(value) => Value::Long(value.wrapping_neg()),
                Value::Real(value) => Value::Real(-value),
                Value::Span(ticks) => Value::Span(ticks.wrapping_neg()),
                other => other.number().map_or(Value::Null, |value| Value::Real(-value)),
            },
            Self::Arithmetic(operator, kind, left, right) => {
                arithmetic(*operator, *kind, &left.eval(row), &right.eval(row))
            }
            Self::Compare(comparison, left, right) => {
                compared(*comparison, &left.eval(row), &right.eval(row))
            }
            Self::Match(how, text, needle) => {
                let found =
                    term::matches(&text.eval(row).show(), &needle.eval(row).show(), how.how, how.case);
                Value::Bool(found == (how.sense == Sense::Is))
            }
            Self::Regex(sense, regex, text) => {
                Value::Bool(regex.is_match(&text.eval(row).show()) == (*sense == Sense::Is))
            }
            Self::Extract(regex, group, text) => {
                let text = text.eval(row).show();
                let found = regex.captures(&text).and_then(|captures| captures.get(*group));
                Value::text(found.map_or("", |found| found.as_str()))
            }
            Self::Terms(terms, text, needles) => has_terms(*terms, &text.eval(row).show(), needles),
            Self::In(membership, value, set) => {
                let key = Key::of(&value.eval(row));
                let key = if membership.case == Case::Fold { key.folded() } else { key };
                Value::Bool(set.contains(&key) == (membership.sense == Sense::Is))
            }
            Self::Member(value, name) => match value.eval(row) {
                Value::Json(json) => Value::json(json.get(name.as_ref()).cloned().unwrap_or_default()),
                _ => Value::Null,
            },
            Self::Index(value, index) => indexed(&value.eval(row), &index.eval(row)),
            Self::List(items) => Value::json(items.iter().map(|item| item.eval(row).to_item()).collect()),
            Self::Bag(members) => Value::json(Json::Object(
                members.iter().map(|(name, value)| (name.to_string(), value.eval(row).to_item())).collect(),
            )),
        }
    }
}

/// False if one part is false, else null if one is null.
fn all(parts: &[Bound], row: &[Value]) -> Value {
    let mut result = Value::Bool(true);
    for part in parts {
        match part.eval(row) {
            Value::Bool(true) => {}
            Value::Bool(false) => return Value::Bool(false),
            _ => result = Value::Null,
        }
    }
    result
}

/// True if one part is true, else null if one is null.
fn any(parts: &[Bound], row: &[Value]) -> Value {
    let mut result = Value::Bool(false);
    for part in parts {
        match part.eval(row) {
            Value::Bool(false) => {}
            Value::Bool(true) => return Value::Bool(true),
            _ => result = Value::Null,
        }
    }
    result
}

/// Null equals nothing and differs from everything but null, of which nothing can be said.
fn compared(comparison: Comparison, left: &Value, right: &Value) -> Value {
    match (left.is_null(), right.is_null(), comparison) {
        (true, true, _) => return Value::Null,
        (false, false, _) => {}
        (_, _, Comparison::Equal) => return Value::Bool(false),
        (_, _, Comparison::NotEqual) => return Value::Bool(true),
        _ => return Value::Null,
    }
    let order = compare(left, right);
    let holds = match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    };
    Value::Bool(holds)
}

/// Computes in the kind the binder found.
fn arithmetic(operator: Arithmetic, kind: Kind, left: &Value, right: &Value) -> Value {
    use Arithmetic::{Add, Divide, Multiply, Remainder, Subtract};
    match (left, right, operator) {
        (Value::Null, _, _) | (_, Value::Null, _) => Value::Null,
        (Value::Time(left), Value::Span(right), Add) | (Value::Span(left), Value::Time(right), Add) => {
            instant(left.checked_add(*right))
        }
        (Value::Time(left), Value::Span(right), Subtract) => instant(left.checked_sub(*right)),
        (Value::Time(left), Value::Time(right), Subtract) => Value::Span(left.wrapping_sub(*right)),
        (Value::Span(left), Value::Span(right), Add) => Value::Span(left.wrapping_add(*right)),
        (Value::Span(left), Value::Span(right), Subtract) => Value::Span(left.wrapping_sub(*right)),
        (Value::Span(left), Value::Span(right), Divide) => Value::Real(real(*left) / real(*right)),
        (Value::Span(span), factor, Multiply) | (factor, Value::Span(span), Multiply) => factor
            .number()
            .map_or(Value::Null, |factor| Value::Span(super::value::truncate(real(*span) * factor))),
        (Value::Span(span), divisor, Divide) => match divisor.number() {
            Some(divisor) if divisor != 0.0 => Value::Span(super::value::truncate(real(*span) / divisor)),
            _ => Value::Null,
        },
        _ if kind == Kind::Real => {
            let (Some(left), Some(right)) = (left.number(), right.number()) else { return Value::Null };
            Value::Real(match operator {
                Add => left + right,
                Subtract => left - right,
                Multiply => left * right,
                Divide => left / right,
                Remainder => left.rem_euclid(right),
            })
        }
        _ => {
            let (Some(left), Some(right)) = (left.integer(), right.integer()) else { return Value::Null };
            match operator {
                Add => Value::Long(left.wrapping_add(right)),
                Subtract => Value::Long(left.wrapping_sub(right)),
                Multiply => Value::Long(left.wrapping_mul(right)),
                Divide | Remainder if right == 0 => Value::Null,
                Divide => Value::Long(left.wrapping_div(right)),
                Remainder => Value::Long(left.wrapping_rem_euclid(right)),
            }
        }
    }
}

fn instant(ticks: Option<i64>) -> Value {
    ticks.filter(|ticks| time::to_timestamp(*ticks).is_some()).map_or(Value::Null, Value::Time)
}

fn has_terms(terms: Terms, text: &str, needles: &[Arc<str>]) -> Value {
    let has = |needle: &Arc<str>| term::matches(text, needle, super::syntax::How::Has, Case::Fold);
    Value::Bool(match terms {
        Terms::Any => needles.iter().any(has),
        Terms::All => needles.iter().all(has),
    })
}

/// A member by name, or an item by position; a negative position counts from the end.
fn indexed(value: &Value, index: &Value) -> Value {
    let Value::Json(json) = value else { return Value::Null };
    let found = match (json.as_ref(), index) {
        (Json::Object(members), Value::Text(name)) => members.get(name.as_ref()),
        (Json::Array(items), index) => index.integer().and_then(|index| {
            let length = i64::try_from(items.len()).ok()?;
            let index = if index < 0 { index.checked_add(length)? } else { index };
            items.get(usize::try_from(index).ok()?)
        }),
        _ => None,
    };
    Value::json(found.cloned().unwrap_or_default())
}
