//! Literals become values.

use std::sync::Arc;

use crate::syntax::{DynamicKind, DynamicValue, LiteralKind};
use crate::types::{Conversion, ScalarType, Shape};
use crate::value::{Bag, Datetime, Decimal, Dynamic, Guid, Timespan, Value};

/// Deepest nesting of a dynamic literal; deeper parts are null.
const DEPTH_MAX: usize = 64;

/// Returns the value of a literal and its type. What cannot be read is the type's null; the
/// parser has said what is wrong with it.
pub(super) fn value(kind: &LiteralKind) -> (Value, ScalarType) {
    match kind {
        LiteralKind::Bool(value) => (Value::Bool(Some(*value)), ScalarType::Bool),
        LiteralKind::Int(value) => (Value::Int(Some(*value)), ScalarType::Int),
        LiteralKind::Long(value) => (Value::Long(Some(*value)), ScalarType::Long),
        LiteralKind::Real(value) => (Value::Real(Some(*value)), ScalarType::Real),
        LiteralKind::Decimal(text) => (Value::Decimal(Decimal::parse(text)), ScalarType::Decimal),
        LiteralKind::DateTime(text) => (Value::Datetime(Datetime::parse(text)), ScalarType::Datetime),
        LiteralKind::TimeSpan(text) => (Value::Timespan(Timespan::parse(text)), ScalarType::Timespan),
        LiteralKind::Guid(text) => (Value::Guid(Guid::parse(text)), ScalarType::Guid),
        LiteralKind::String(text) => (Value::text(text.as_str()), ScalarType::String),
        LiteralKind::Null(name) => {
            let ty = ScalarType::find(&name.text).unwrap_or(ScalarType::Unknown);
            (Value::null(ty), ty)
        }
    }
}

/// Returns the value of a dynamic literal.
pub(super) fn dynamic(literal: &DynamicValue) -> Dynamic {
    dynamic_at(literal, 0)
}

fn dynamic_at(literal: &DynamicValue, depth: usize) -> Dynamic {
    if depth >= DEPTH_MAX {
        return Dynamic::Null;
    }
    match &literal.kind {
        DynamicKind::Null | DynamicKind::Error => Dynamic::Null,
        DynamicKind::Literal(kind) => crate::value::to_dynamic(&value(kind).0),
        DynamicKind::Array(items) => {
            Dynamic::array(items.iter().map(|item| dynamic_at(item, depth + 1)).collect())
        }
        DynamicKind::Bag(pairs) => {
            let mut bag = Bag::new();
            for (name, item) in pairs {
                bag.set(Arc::from(name.text.as_str()), dynamic_at(item, depth + 1));
            }
            Dynamic::bag(bag)
        }
    }
}

/// Returns what is known about a dynamic literal.
pub(super) fn shape(literal: &DynamicValue) -> Shape {
    inner_shape(literal, 0).in_dynamic()
}

fn inner_shape(literal: &DynamicValue, depth: usize) -> Shape {
    if depth >= DEPTH_MAX {
        return Shape::DYNAMIC;
    }
    match &literal.kind {
        DynamicKind::Null => Shape::Null,
        DynamicKind::Error => Shape::DYNAMIC,
        DynamicKind::Literal(kind) => Shape::of(value(kind).1),
        DynamicKind::Array(items) => {
            let mut shapes = items.iter().map(|item| inner_shape(item, depth + 1));
            let first = shapes.next();
            let common =
                first.and_then(|first| shapes.try_fold(first, |a, b| a.common(&b, Conversion::Exact)));
            Shape::array(&common.unwrap_or(Shape::DYNAMIC))
        }
        DynamicKind::Bag(pairs) => {
            let properties: Vec<(String, Shape)> =
                pairs.iter().map(|(name, item)| (name.text.clone(), inner_shape(item, depth + 1))).collect();
            Shape::Bag(properties.into())
        }
    }
}
