//! Aggregates of `summarize`.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::bind::Binder;
use super::eval::Bound;
use super::fault::Fault;
use super::syntax::Expr;
use super::value::{Key, Kind, Value, compare, real};

/// Most items of `make_set` and `make_list`, as in the service.
const ITEMS_MAX: usize = 1_048_576;

/// An aggregate with its arguments bound.
#[derive(Debug, Clone)]
pub(crate) struct Aggregate {
    how: How,
    /// What is aggregated; `None` for `count()`.
    value: Option<Bound>,
    /// Only rows for which this holds count.
    condition: Option<Bound>,
    items_max: usize,
}

/// What an aggregate computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Count,
    CountDistinct,
    SumLong,
    SumReal,
    SumSpan,
    Min,
    Max,
    Average,
    AverageLong,
    AverageSpan,
    Set,
    List,
    Any,
}

/// Whether a name is that of an aggregate this interpreter knows.
pub(super) fn is_aggregate(name: &str) -> bool {
    matches!(
        name,
        "count"
            | "countif"
            | "dcount"
            | "dcountif"
            | "sum"
            | "sumif"
            | "min"
            | "minif"
            | "max"
            | "maxif"
            | "avg"
            | "avgif"
            | "make_set"
            | "makeset"
            | "make_set_if"
            | "make_list"
            | "makelist"
            | "make_list_if"
            | "take_any"
            | "any"
            | "take_anyif"
            | "arg_max"
            | "arg_min"
    )
}

/// Binds one aggregate; gives the type of its result.
pub(super) fn bind(
    binder: &Binder<'_, '_>,
    at: usize,
    name: &str,
    arguments: &[Expr],
) -> Result<(Aggregate, Kind), Fault> {
    let wrong = || binder.fault(at, &format!("{name}() does not take {} arguments", arguments.len()));
    if matches!(name, "arg_max" | "arg_min") {
        return Err(Fault::unsupported(at, format!("{name}() inside an expression")));
    }
    let base = match name {
        "makeset" => "make_set",
        "makelist" => "make_list",
        "any" => "take_any",
        "take_anyif" => "take_any_if",
        other => other,
    };
    let conditional = base.ends_with("if");
    let base = base.strip_suffix("_if").or_else(|| base.strip_suffix("if")).unwrap_or(base);
    let mut left = arguments.iter();
    let value = match base {
        "count" if conditional => None,
        // `count(x)` counts rows all the same.
        "count" => left.next().and(None),
        _ => Some(left.next().ok_or_else(wrong)?),
    };
    let condition = if conditional { Some(binder.condition(left.next().ok_or_else(wrong)?)?) } else { None };
    let mut items_max = ITEMS_MAX;
    if let Some(extra) = left.next() {
        let extra_value = binder.constant(extra, "a limit")?;
        match base {
            // The accuracy of a count that is exact here anyway.
            "dcount" => {}
            "make_set" | "make_list" => {
                let wanted = extra_value.integer().and_then(|wanted| usize::try_from(wanted).ok());
                items_max = wanted.ok_or_else(wrong)?.min(ITEMS_MAX);
            }
            _ => return Err(wrong()),
        }
    }
    if left.next().is_some() {
        return Err(wrong());
    }
    let typed = value.map(|value| binder.bind(value)).transpose()?;
    let kind = typed.as_ref().map_or(Kind::Long, |typed| typed.kind);
    let (how, result) = shape(base, kind)
        .ok_or_else(|| binder.fault(at, &format!("{name}() cannot aggregate a {}", kind.name())))?;
    let aggregate = Aggregate { how, value: typed.map(|typed| typed.bound), condition, items_max };
    Ok((aggregate, result))
}

/// What an aggregate computes of a type, and the type of the result.
fn shape(base: &str, kind: Kind) -> Option<(How, Kind)> {
    Some(match (base, kind) {
        ("count", _) => (How::Count, Kind::Long),
        ("dcount", _) => (How::CountDistinct, Kind::Long),
        ("sum", Kind::Int | Kind::Long) => (How::SumLong, Kind::Long),
        ("sum", Kind::Real) => (How::SumReal, Kind::Real),
        ("sum", Kind::Span) => (How::SumSpan, Kind::Span),
        ("avg", Kind::Int | Kind::Long) => (How::AverageLong, Kind::Real),
        ("avg", Kind::Real) => (How::Average, Kind::Real),
        ("avg", Kind::Span) => (How::AverageSpan, Kind::Span),
        ("min", kind) if kind != Kind::Dynamic => (How::Min, kind),
        ("max", kind) if kind != Kind::Dynamic => (How::Max, kind),
        ("make_set", _) => (How::Set, Kind::Dynamic),
        ("make_list", _) => (How::List, Kind::Dynamic),
        ("take_any", kind) => (How::Any, kind),
        _ => return None,
    })
}

impl Aggregate {
    /// Computes over the rows of a group.
    pub(super) fn compute<'r>(&self, rows: impl Iterator<Item = &'r [Value]>) -> Value {
        let admitted =
            rows.filter(|row| self.condition.as_ref().is_none_or(|condition| condition.eval(row).is_true()));
        let Some(value) = &self.value else {
            return long(admitted.count());
        };
        let mut values = admitted.map(|row| value.eval(row)).filter(|value| !value.is_null());
        match self.how {
            How::Count => long(values.count()),
            How::CountDistinct => long(values.map(|value| Key::of(&value)).collect::<BTreeSet<_>>().len()),
            How::AverageLong => {
                let (total, count) = values
                    .filter_map(|value| value.integer())
                    .fold((0_i64, 0_i64), |(total, count), value| (total.wrapping_add(value), count + 1));
                Value::Real(real(total) / real(count))
            }
            How::SumLong => {
                Value::Long(values.filter_map(|value| value.integer()).fold(0, i64::wrapping_add))
            }
            How::SumReal => Value::Real(values.filter_map(|value| value.number()).sum()),
            How::SumSpan => Value::Span(spans(values).0),
            How::AverageSpan => match spans(values) {
                (_, 0) => Value::Null,
                (total, count) => Value::Span(total / count),
            },
            How::Average => {
                let (total, count) = values
                    .filter_map(|value| value.number())
                    .fold((0.0, 0_i64), |(total, count), value| (total + value, count + 1));
                Value::Real(total / real(count))
            }
            How::Min => extreme(values, Ordering::Less),
            How::Max => extreme(values, Ordering::Greater),
            How::Any => values.next().unwrap_or(Value::Null),
            How::List => Value::json(values.take(self.items_max).map(|value| value.to_item()).collect()),
            How::Set => {
                let mut seen = BTreeSet::new();
                let items = values.filter(|value| seen.insert(Key::of(value))).take(self.items_max);
                Value::json(Json::Array(items.map(|value| value.to_item()).collect()))
            }
        }
    }
}

fn long(count: usize) -> Value {
    i64::try_from(count).map_or(Value::Null, Value::Long)
}

fn spans(values: impl Iterator<Item = Value>) -> (i64, i64) {
    values.fold((0, 0), |(total, count), value| match value {
        Value::Span(ticks) => (ticks.wrapping_add(total), count + 1),
        _ => (total, count),
    })
}

fn extreme(values: impl Iterator<Item = Value>, way: Ordering) -> Value {
    values
        .reduce(|best, value| if compare(&value, &best) == Some(way) { value } else { best })
        .unwrap_or(Value::Null)
}
