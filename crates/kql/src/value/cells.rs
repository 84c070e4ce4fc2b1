//! One column of a table.

use std::sync::Arc;

use super::{Datetime, Decimal, Dynamic, Guid, Timespan, Value, cast, to_dynamic};
use crate::types::ScalarType;

/// The values of a column, all of one type.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// `bool`
    Bool(Vec<Option<bool>>),
    /// `int`
    Int(Vec<Option<i32>>),
    /// `long`
    Long(Vec<Option<i64>>),
    /// `real`
    Real(Vec<Option<f64>>),
    /// `decimal`
    Decimal(Vec<Option<Decimal>>),
    /// `datetime`
    Datetime(Vec<Option<Datetime>>),
    /// `timespan`
    Timespan(Vec<Option<Timespan>>),
    /// `guid`
    Guid(Vec<Option<Guid>>),
    /// `string`
    String(Vec<Arc<str>>),
    /// `dynamic`
    Dynamic(Vec<Dynamic>),
    /// The same value in so many rows.
    Constant(Value, usize),
}

/// Runs the same expression for the vector of each variant.
macro_rules! for_each_vector {
    ($cells:expr, $vector:ident => $body:expr, $constant:pat => $otherwise:expr) => {
        match $cells {
            Cells::Bool($vector) => $body,
            Cells::Int($vector) => $body,
            Cells::Long($vector) => $body,
            Cells::Real($vector) => $body,
            Cells::Decimal($vector) => $body,
            Cells::Datetime($vector) => $body,
            Cells::Timespan($vector) => $body,
            Cells::Guid($vector) => $body,
            Cells::String($vector) => $body,
            Cells::Dynamic($vector) => $body,
            $constant => $otherwise,
        }
    };
}

fn pick<T: Clone>(vector: &[T], rows: &[u32], missing: &T) -> Vec<T> {
    rows.iter().map(|row| vector.get(*row as usize).unwrap_or(missing).clone()).collect()
}

impl Cells {
    /// Creates an empty column.
    pub fn empty(ty: ScalarType) -> Self {
        Self::with_capacity(ty, 0)
    }

    /// Creates an empty column with room for so many rows.
    pub fn with_capacity(ty: ScalarType, capacity: usize) -> Self {
        match ty {
            ScalarType::Bool => Self::Bool(Vec::with_capacity(capacity)),
            ScalarType::Int => Self::Int(Vec::with_capacity(capacity)),
            ScalarType::Long => Self::Long(Vec::with_capacity(capacity)),
            ScalarType::Real => Self::Real(Vec::with_capacity(capacity)),
            ScalarType::Decimal => Self::Decimal(Vec::with_capacity(capacity)),
            ScalarType::Datetime => Self::Datetime(Vec::with_capacity(capacity)),
            ScalarType::Timespan => Self::Timespan(Vec::with_capacity(capacity)),
            ScalarType::Guid => Self::Guid(Vec::with_capacity(capacity)),
            ScalarType::String => Self::String(Vec::with_capacity(capacity)),
            ScalarType::Dynamic | ScalarType::Unknown => Self::Dynamic(Vec::with_capacity(capacity)),
        }
    }

    /// Creates a column of nulls.
    pub fn nulls(ty: ScalarType, rows: usize) -> Self {
        Self::Constant(Value::null(ty), rows)
    }

    /// Creates a column from values; those of another type are converted.
    pub fn from_values(ty: ScalarType, values: impl IntoIterator<Item = Value>) -> Self {
        let values = values.into_iter();
        let mut cells = Self::with_capacity(ty, values.size_hint().0);
        values.for_each(|value| cells.push(value));
        cells
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
            Self::Constant(value, _) => value.ty(),
        }
    }

    /// Returns the number of rows.
    pub const fn len(&self) -> usize {
        for_each_vector!(self, vector => vector.len(), Self::Constant(_, rows) => *rows)
    }

    /// Whether there are no rows.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value of a row; null if there is no such row.
    pub fn get(&self, row: usize) -> Value {
        match self {
            Self::Bool(vector) => Value::Bool(vector.get(row).copied().flatten()),
            Self::Int(vector) => Value::Int(vector.get(row).copied().flatten()),
            Self::Long(vector) => Value::Long(vector.get(row).copied().flatten()),
            Self::Real(vector) => Value::Real(vector.get(row).copied().flatten()),
            Self::Decimal(vector) => Value::Decimal(vector.get(row).copied().flatten()),
            Self::Datetime(vector) => Value::Datetime(vector.get(row).copied().flatten()),
            Self::Timespan(vector) => Value::Timespan(vector.get(row).copied().flatten()),
            Self::Guid(vector) => Value::Guid(vector.get(row).copied().flatten()),
            Self::String(vector) => match vector.get(row) {
                Some(text) => Value::String(Arc::clone(text)),
                None => Value::null(ScalarType::String),
            },
            Self::Dynamic(vector) => Value::Dynamic(vector.get(row).cloned().unwrap_or_default()),
            Self::Constant(value, _) => value.clone(),
        }
    }

    /// Returns all values in order.
    pub fn values(&self) -> impl Iterator<Item = Value> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Appends a value; one of another type is converted.
    pub fn push(&mut self, value: Value) {
        if let Self::Constant(constant, rows) = self {
            if *constant == value {
                *rows += 1;
                return;
            }
            self.spread();
        }
        match (self, value) {
            (Self::Bool(vector), Value::Bool(value)) => vector.push(value),
            (Self::Int(vector), Value::Int(value)) => vector.push(value),
            (Self::Long(vector), Value::Long(value)) => vector.push(value),
            (Self::Real(vector), Value::Real(value)) => vector.push(value),
            (Self::Decimal(vector), Value::Decimal(value)) => vector.push(value),
            (Self::Datetime(vector), Value::Datetime(value)) => vector.push(value),
            (Self::Timespan(vector), Value::Timespan(value)) => vector.push(value),
            (Self::Guid(vector), Value::Guid(value)) => vector.push(value),
            (Self::String(vector), Value::String(value)) => vector.push(value),
            (Self::Dynamic(vector), Value::Dynamic(value)) => vector.push(value),
            (Self::Dynamic(vector), other) => vector.push(to_dynamic(&other)),
            (Self::Constant(..), _) => {}
            (cells, other) => {
                let converted = cast(&other, cells.ty());
                cells.push(converted);
            }
        }
    }

    /// Turns a constant into a vector.
    fn spread(&mut self) {
        if let Self::Constant(value, rows) = self {
            let (value, rows) = (value.clone(), *rows);
            let mut vector = Self::with_capacity(value.ty(), rows + 1);
            (0..rows).for_each(|_| vector.push(value.clone()));
            *self = vector;
        }
    }

    /// Returns the given rows in the given order. A row that does not exist is null.
    #[must_use]
    pub fn gather(&self, rows: &[u32]) -> Self {
        match self {
            Self::Bool(vector) => Self::Bool(pick(vector, rows, &None)),
            Self::Int(vector) => Self::Int(pick(vector, rows, &None)),
            Self::Long(vector) => Self::Long(pick(vector, rows, &None)),
            Self::Real(vector) => Self::Real(pick(vector, rows, &None)),
            Self::Decimal(vector) => Self::Decimal(pick(vector, rows, &None)),
            Self::Datetime(vector) => Self::Datetime(pick(vector, rows, &None)),
            Self::Timespan(vector) => Self::Timespan(pick(vector, rows, &None)),
            Self::Guid(vector) => Self::Guid(pick(vector, rows, &None)),
            Self::String(vector) => Self::String(pick(vector, rows, &Arc::from(""))),
            Self::Dynamic(vector) => Self::Dynamic(pick(vector, rows, &Dynamic::Null)),
            Self::Constant(value, length) => {
                if rows.iter().all(|row| (*row as usize) < *length) {
                    return Self::Constant(value.clone(), rows.len());
                }
                let mut spread = self.clone();
                spread.spread();
                spread.gather(rows)
            }
        }
    }

    /// Appends the rows of another column, which are converted if they have another type.
    pub fn append(&mut self, other: &Self) {
        if let (Self::Constant(a, rows), Self::Constant(b, more)) = (&mut *self, other)
            && a == b
        {
            *rows += more;
            return;
        }
        self.spread();
        match (self, other) {
            (Self::Bool(to), Self::Bool(from)) => to.extend_from_slice(from),
            (Self::Int(to), Self::Int(from)) => to.extend_from_slice(from),
            (Self::Long(to), Self::Long(from)) => to.extend_from_slice(from),
            (Self::Real(to), Self::Real(from)) => to.extend_from_slice(from),
            (Self::Decimal(to), Self::Decimal(from)) => to.extend_from_slice(from),
            (Self::Datetime(to), Self::Datetime(from)) => to.extend_from_slice(from),
            (Self::Timespan(to), Self::Timespan(from)) => to.extend_from_slice(from),
            (Self::Guid(to), Self::Guid(from)) => to.extend_from_slice(from),
            (Self::String(to), Self::String(from)) => to.extend_from_slice(from),
            (Self::Dynamic(to), Self::Dynamic(from)) => to.extend_from_slice(from),
            (to, from) => from.values().for_each(|value| to.push(value)),
        }
    }

    /// Returns the column converted to a type.
    #[must_use]
    pub fn cast(&self, ty: ScalarType) -> Self {
        match self {
            _ if self.ty() == ty || ty == ScalarType::Unknown => self.clone(),
            Self::Constant(value, rows) => Self::Constant(cast(value, ty), *rows),
            _ => Self::from_values(ty, self.values().map(|value| cast(&value, ty))),
        }
    }

    /// Returns a rough number of bytes the column keeps, for limits.
    pub fn weight(&self) -> usize {
        match self {
            Self::String(texts) => texts.iter().map(|text| 16 + text.len()).sum(),
            Self::Dynamic(values) => values.iter().map(Dynamic::weight).sum(),
            Self::Constant(value, _) => value.weight(),
            Self::Bool(vector) => vector.len(),
            other => other.len() * 16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_picked_and_put_together() {
        let mut cells = Cells::from_values(ScalarType::Long, [1, 2, 3].map(Value::from));
        assert_eq!(cells.gather(&[2, 0, 9]), Cells::Long(vec![Some(3), Some(1), None]));
        cells.append(&Cells::nulls(ScalarType::Long, 1));
        cells.append(&Cells::Constant(Value::from("7"), 1));
        assert_eq!(cells, Cells::Long(vec![Some(1), Some(2), Some(3), None, Some(7)]));
    }

    #[test]
    fn constants_spread_when_they_must() {
        let mut cells = Cells::Constant(Value::from("a"), 2);
        cells.push(Value::from("a"));
        assert_eq!(cells.len(), 3);
        assert_eq!(cells.gather(&[0, u32::MAX]).get(1), Value::from(""));
        cells.push(Value::from("b"));
        assert_eq!(cells.values().last(), Some(Value::from("b")));
        assert_eq!(cells.gather(&[0, 3]), Cells::String(vec!["a".into(), "b".into()]));
    }
}
