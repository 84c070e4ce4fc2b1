//! Values as Kusto has them: every type with its own null, except text, which is only ever empty.
//!
//! Instants and spans count ticks of 100 ns. Parsing and printing follow the service to the
//! digit, because printed values are compared, grouped and shown. Tables are kept by column:
//! [`Cells`] is one column, [`Batch`] some of them side by side.

mod bag;
mod batch;
mod cells;
mod civil;
mod convert;
mod datetime;
mod decimal;
mod dynamic;
mod guid;
mod key;
mod order;
mod real;
mod real_digits;
mod timespan;

use std::sync::Arc;

pub use bag::Bag;
pub use batch::{Batch, Selection};
pub use cells::Cells;
pub use convert::{
    cast, to_bool, to_datetime, to_decimal, to_dynamic, to_guid, to_int, to_long, to_real, to_text,
    to_timespan,
};
pub use datetime::{Civil, Datetime};
pub use decimal::Decimal;
pub use dynamic::{Dynamic, List};
pub use guid::Guid;
pub use key::KeyWriter;
pub use order::{compare, equal, sort_order};
pub use real::{format_real, parse_real};
pub use timespan::Timespan;

use crate::types::ScalarType;

/// One value of one type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `bool`
    Bool(Option<bool>),
    /// `int`
    Int(Option<i32>),
    /// `long`
    Long(Option<i64>),
    /// `real`; not-a-number is a value, not null.
    Real(Option<f64>),
    /// `decimal`
    Decimal(Option<Decimal>),
    /// `datetime`
    Datetime(Option<Datetime>),
    /// `timespan`
    Timespan(Option<Timespan>),
    /// `guid`
    Guid(Option<Guid>),
    /// `string`; never null.
    String(Arc<str>),
    /// `dynamic`; its null is [`Dynamic::Null`].
    Dynamic(Dynamic),
}

impl Value {
    /// Returns the null of a type: empty text for `string`, the dynamic null for an unknown type.
    pub fn null(ty: ScalarType) -> Self {
        match ty {
            ScalarType::Bool => Self::Bool(None),
            ScalarType::Int => Self::Int(None),
            ScalarType::Long => Self::Long(None),
            ScalarType::Real => Self::Real(None),
            ScalarType::Decimal => Self::Decimal(None),
            ScalarType::Datetime => Self::Datetime(None),
            ScalarType::Timespan => Self::Timespan(None),
            ScalarType::Guid => Self::Guid(None),
            ScalarType::String => Self::String(Arc::from("")),
            ScalarType::Dynamic | ScalarType::Unknown => Self::Dynamic(Dynamic::Null),
        }
    }

    /// Creates text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// Returns the type.
    pub const fn ty(&self) -> ScalarType {
        match self {
            Self::Bool(_) => ScalarType::Bool,
            Self::Int(_) => ScalarType::Int,
            Self::Long(_) => ScalarType::Long,
            Self::Real(_) => ScalarType::Real,
            Self::Decimal(_) => ScalarType::Decimal,
            Self::Datetime(_) => ScalarType::Datetime,
            Self::Timespan(_) => ScalarType::Timespan,
            Self::Guid(_) => ScalarType::Guid,
            Self::String(_) => ScalarType::String,
            Self::Dynamic(_) => ScalarType::Dynamic,
        }
    }

    /// Whether the value is null; text never is.
    pub const fn is_null(&self) -> bool {
        match self {
            Self::Bool(value) => value.is_none(),
            Self::Int(value) => value.is_none(),
            Self::Long(value) => value.is_none(),
            Self::Real(value) => value.is_none(),
            Self::Decimal(value) => value.is_none(),
            Self::Datetime(value) => value.is_none(),
            Self::Timespan(value) => value.is_none(),
            Self::Guid(value) => value.is_none(),
            Self::String(_) => false,
            Self::Dynamic(value) => matches!(value, Dynamic::Null),
        }
    }

    /// Whether the value is null, empty text, or prints as empty text.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::String(text) => text.is_empty(),
            Self::Dynamic(Dynamic::String(text)) => text.is_empty(),
            other => other.is_null(),
        }
    }

    /// Returns the text of a `string`, or of a dynamic that holds text.
    pub const fn as_text(&self) -> Option<&Arc<str>> {
        match self {
            Self::String(text) | Self::Dynamic(Dynamic::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Returns a rough number of bytes the value keeps, for limits.
    pub fn weight(&self) -> usize {
        match self {
            Self::String(text) => 24 + text.len(),
            Self::Dynamic(value) => value.weight(),
            _ => 24,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(Some(value))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Long(Some(value))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(Some(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(Arc::from(value))
    }
}

impl From<Dynamic> for Value {
    fn from(value: Dynamic) -> Self {
        Self::Dynamic(value)
    }
}
