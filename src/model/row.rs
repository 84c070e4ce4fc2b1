//! One row of a hunting answer: borrowed while it streams past, owned once it has matched.
//!
//! A row carries only the columns somebody reads (the [`Projection`]): conditions, templates,
//! identity and action parameters name them when the playbook is compiled. Nothing turns a whole
//! row into a map.

use std::borrow::Cow;
use std::sync::Arc;

use serde::ser::{SerializeMap as _, Serializer};
use serde::{Deserialize, Serialize};

/// The columns a reader wants, in a fixed order without repeats.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Projection(Vec<Box<str>>);

impl Projection {
    /// Makes a projection; a name that comes twice counts once.
    #[must_use]
    pub fn new<S: Into<Box<str>>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut columns: Vec<Box<str>> = Vec::new();
        for name in names.into_iter().map(Into::into) {
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
        Self(columns)
    }

    /// Names of the columns, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Position of a column.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|column| column.as_ref() == name)
    }

    /// Number of columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no column is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Which columns of an answer are decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Every column the answer has, in its own order. Needed when a template shows a whole row.
    All,
    /// These columns and no others.
    Only(Arc<Projection>),
}

/// One value, borrowed from the bytes it was decoded from.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum CellRef<'a> {
    /// JSON null, or the column is absent from the row.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer within `i64`.
    Int(i64),
    /// Any other finite number.
    Real(f64),
    /// A string (date-times included: the service's own spelling).
    Text(Cow<'a, str>),
    /// An array, an object, or a number no other form holds exactly: its JSON text, checked.
    Json(Cow<'a, str>),
}

impl CellRef<'_> {
    /// Copies the value out of the buffer it borrows from.
    #[must_use]
    pub fn to_cell(&self) -> Cell {
        match self {
            Self::Null => Cell::Null,
            Self::Bool(value) => Cell::Bool(*value),
            Self::Int(value) => Cell::Int(*value),
            Self::Real(value) => Cell::Real(*value),
            Self::Text(value) => Cell::Text(value.as_ref().into()),
            Self::Json(value) => Cell::Json(value.as_ref().into()),
        }
    }
}

/// A row that streams past. Lives as long as the chunk it was read from.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'a> {
    /// The columns decoded; the same allocation for every row of an answer, unless a row widens it.
    pub projection: &'a Arc<Projection>,
    /// One value for each column of the projection, in its order.
    pub cells: &'a [CellRef<'a>],
}

impl RowView<'_> {
    /// Copies the row out of the buffer.
    #[must_use]
    pub fn to_row(self) -> Row {
        let cells = self.cells.iter().map(CellRef::to_cell).collect();
        Row { projection: Arc::clone(self.projection), cells }
    }
}

/// One value, owned. Serialises as plain JSON.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Cell {
    /// JSON null, or the column is absent from the row.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer within `i64`.
    Int(i64),
    /// Any other finite number.
    Real(f64),
    /// A string.
    Text(Box<str>),
    /// JSON text of an array, an object or a big number.
    Json(Box<str>),
}

impl Cell {
    /// Borrows the value.
    #[must_use]
    pub fn as_ref(&self) -> CellRef<'_> {
        match self {
            Self::Null => CellRef::Null,
            Self::Bool(value) => CellRef::Bool(*value),
            Self::Int(value) => CellRef::Int(*value),
            Self::Real(value) => CellRef::Real(*value),
            Self::Text(value) => CellRef::Text(Cow::Borrowed(value)),
            Self::Json(value) => CellRef::Json(Cow::Borrowed(value)),
        }
    }

    /// The value as a JSON tree.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::Real(value) => (*value).into(),
            Self::Text(value) => value.as_ref().into(),
            Self::Json(value) => {
                serde_json::from_str(value).unwrap_or_else(|_not_json| value.as_ref().into())
            }
        }
    }

    /// Takes a JSON tree apart.
    #[must_use]
    pub fn from_json(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(value), _) => Self::Int(value),
                (None, Some(value)) if !number.is_u64() => Self::Real(value),
                _ => Self::Json(number.to_string().into()),
            },
            serde_json::Value::String(value) => Self::Text(value.as_str().into()),
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                Self::Json(value.to_string().into())
            }
        }
    }
}

/// A row that matched and is kept. Serialises as a JSON object in projection order.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The columns kept; shared by all rows of an answer.
    pub projection: Arc<Projection>,
    /// One value for each column.
    pub cells: Box<[Cell]>,
}

impl Row {
    /// Value of a column; `None` if the projection lacks it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Cell> {
        self.cells.get(self.projection.index(name)?)
    }

    /// Rebuilds a row from its serialised form.
    #[must_use]
    pub fn from_object(object: &serde_json::Map<String, serde_json::Value>) -> Self {
        let projection = Projection::new(object.keys().map(String::as_str));
        Self { projection: Arc::new(projection), cells: object.values().map(Cell::from_json).collect() }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.cells.len()))?;
        for (name, cell) in self.projection.names().zip(&self.cells) {
            map.serialize_entry(name, &cell.to_json())?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_survives_its_serialised_form() {
        let json = serde_json::json!({
            "A": null, "B": true, "C": -9_007_199_254_740_993_i64, "D": 0.5,
            "E": "x\u{0}\"", "F": ["1", {"a": 2}], "G": 18_446_744_073_709_551_615_u64
        });
        let row = Row::from_object(json.as_object().unwrap());
        assert_eq!(serde_json::to_value(&row).unwrap(), json);
        assert_eq!(row.get("C"), Some(&Cell::Int(-9_007_199_254_740_993)));
        assert_eq!(row.get("missing"), None);
    }

    #[test]
    fn a_projection_names_each_column_once() {
        let projection = Projection::new(["a", "b", "a"]);
        assert_eq!(projection.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(projection.index("b"), Some(1));
    }
}
