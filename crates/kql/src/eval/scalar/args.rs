//! Reading the arguments of a call.

use std::sync::Arc;

use crate::types::ScalarType;
use crate::value::{
    Datetime, Dynamic, Timespan, Value, cast, to_bool, to_datetime, to_dynamic, to_long, to_real, to_text,
    to_timespan,
};

/// The arguments of a call. Those that were left out are null.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Args<'a>(&'a [Value]);

static ABSENT: Value = Value::Dynamic(Dynamic::Null);

impl<'a> Args<'a> {
    /// Wraps values.
    pub(crate) const fn new(values: &'a [Value]) -> Self {
        Self(values)
    }

    /// Returns the number of arguments.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the argument was written.
    pub(crate) const fn has(&self, index: usize) -> bool {
        index < self.0.len()
    }

    /// Returns an argument.
    pub(crate) fn get(&self, index: usize) -> &'a Value {
        self.0.get(index).unwrap_or(&ABSENT)
    }

    /// Returns all arguments.
    pub(crate) const fn all(&self) -> &'a [Value] {
        self.0
    }

    /// Returns the arguments from `index` on.
    pub(crate) fn from(&self, index: usize) -> &'a [Value] {
        self.0.get(index..).unwrap_or_default()
    }

    /// Returns an argument as text.
    pub(crate) fn text(&self, index: usize) -> Arc<str> {
        to_text(self.get(index))
    }

    /// Returns an argument as a whole number.
    pub(crate) fn long(&self, index: usize) -> Option<i64> {
        to_long(self.get(index))
    }

    /// Returns an argument as a whole number, or `default` if it was left out or is null.
    pub(crate) fn long_or(&self, index: usize, default: i64) -> i64 {
        self.long(index).unwrap_or(default)
    }

    /// Returns an argument as a real.
    pub(crate) fn real(&self, index: usize) -> Option<f64> {
        to_real(self.get(index))
    }

    /// Returns an argument as a truth.
    pub(crate) fn bool(&self, index: usize) -> Option<bool> {
        to_bool(self.get(index))
    }

    /// Returns an argument as an instant.
    pub(crate) fn datetime(&self, index: usize) -> Option<Datetime> {
        to_datetime(self.get(index))
    }

    /// Returns an argument as a span.
    pub(crate) fn timespan(&self, index: usize) -> Option<Timespan> {
        to_timespan(self.get(index))
    }

    /// Returns an argument as a dynamic value.
    pub(crate) fn dynamic(&self, index: usize) -> Dynamic {
        to_dynamic(self.get(index))
    }

    /// Returns an argument as the elements of an array.
    pub(crate) fn array(&self, index: usize) -> Option<&'a [Dynamic]> {
        match self.get(index) {
            Value::Dynamic(value) => value.as_array(),
            _ => None,
        }
    }

    /// Returns an argument as an array of reals; elements that are no numbers are nothing.
    pub(crate) fn reals(&self, index: usize) -> Option<Vec<Option<f64>>> {
        let number = |item: &Dynamic| match item {
            Dynamic::Long(_) | Dynamic::Real(_) | Dynamic::Decimal(_) | Dynamic::Bool(_) => {
                to_real(&item.clone().into_scalar())
            }
            Dynamic::Datetime(_) | Dynamic::Timespan(_) => to_real(&item.clone().into_scalar()),
            Dynamic::String(text) if text.as_ref() == "NaN" => Some(f64::NAN),
            Dynamic::String(text) if text.as_ref() == "Infinity" => Some(f64::INFINITY),
            Dynamic::String(text) if text.as_ref() == "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        };
        Some(self.array(index)?.iter().map(number).collect())
    }
}

/// Returns a real as a value of a numeric type.
pub(super) fn number(value: Option<f64>, ty: ScalarType) -> Value {
    cast(&Value::Real(value), ty)
}

/// Returns text, or empty text.
pub(super) fn text_or_empty(text: Option<impl Into<Arc<str>>>) -> Value {
    text.map_or_else(|| Value::null(ScalarType::String), Value::text)
}
