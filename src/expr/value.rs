//! Values as conditions see them, and what comparing, reckoning and calling mean.
//!
//! Both ways to evaluate a condition (see [`super::native`] and [`super::script`]) use what is here, so
//! the meaning is written once.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::model::{Cell, CellRef, List, Row, RowView};

/// Longest text an expression may build: as long as the longest row, so that no data makes a condition
/// fail that only looks at it.
pub(super) const TEXT_BYTES_MAX: usize = 32 << 20;

/// A row, streaming past or kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum AnyRow<'a> {
    /// It streams past.
    View(&'a RowView<'a>),
    /// It is kept.
    Kept(&'a Row),
}

/// A value. Texts, arrays and objects are borrowed wherever they can be.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    /// Null, or a column the row lacks.
    Nothing,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Real(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// An instant.
    Time(Timestamp),
    /// An array or object.
    Json(Cow<'a, Json>),
    /// A named list.
    List(&'a List),
    /// Several values made by `filter`.
    Many(Vec<Self>),
    /// A row.
    Row(AnyRow<'a>),
    /// The rows of an answer.
    Rows(u64, &'a [Row]),
    /// The incidents of a run.
    Values(&'a [Json]),
}

/// What a value is, in words of the user's manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Nothing,
    Bool,
    Number,
    Text,
    Time,
    Array,
    Object,
    List,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing `()`",
            Self::Bool => "a truth value",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Time => "an instant",
            Self::Array => "an array",
            Self::Object => "an object",
            Self::List => "a list",
        })
    }
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Values of different types were compared.
    #[error("{left} and {right} cannot be compared with `{operator}`")]
    Mismatch {
        /// What stands left.
        left: String,
        /// The operator.
        operator: &'static str,
        /// What stands right.
        right: String,
    },
    /// A value of the wrong type.
    #[error("{place} is {got}; {wanted} is needed")]
    Unfit {
        /// What the value is for.
        place: String,
        /// What it is.
        got: String,
        /// What it should be.
        wanted: String,
    },
    /// A text that is no instant or length of time.
    #[error("`{text}` is not {wanted}")]
    Form {
        /// The text, escaped and cut.
        text: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A number that leaves its range, or a division by zero.
    #[error("the result of `{operator}` is out of range")]
    Range {
        /// The operator or function.
        operator: &'static str,
    },
    /// A field that is not there.
    #[error("`{name}` does not exist here")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A limit on the work of one evaluation.
    #[error("the condition takes too long (more than {limit})")]
    Limit {
        /// The limit.
        limit: &'static str,
    },
    /// A text longer than an expression may build.
    #[error("the text is longer than an expression may build")]
    TooLong,
    /// An array or an object with more in it than an expression may build.
    #[error("the array or object is larger than an expression may build")]
    TooMany,
    /// What the script engine says.
    #[error("{0}")]
    Script(String),
}

/// The operators that compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Compare {
    pub(super) const ALL: [Self; 6] =
        [Self::Equal, Self::Unequal, Self::Less, Self::LessOrEqual, Self::Greater, Self::GreaterOrEqual];

    /// The operator as it is written.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// Whether it holds for values in this order; `None` are numbers without an order.
    pub(super) const fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Equal => matches!(order, Some(Ordering::Equal)),
            Self::Unequal => !matches!(order, Some(Ordering::Equal)),
            Self::Less => matches!(order, Some(Ordering::Less)),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => matches!(order, Some(Ordering::Greater)),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }

    /// Whether it asks for sameness rather than order.
    pub(super) const fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::Unequal)
    }
}

/// The operators that reckon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reckon {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Reckon {
    pub(super) const ALL: [Self; 5] = [Self::Add, Self::Subtract, Self::Multiply, Self::Divide, Self::Modulo];

    /// The operator as it is written.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }
}

impl<'a> Value<'a> {
    /// What it is.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Nothing => Kind::Nothing,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) | Self::Real(_) => Kind::Number,
            Self::Text(_) => Kind::Text,
            Self::Time(_) => Kind::Time,
            Self::Json(json) if json.is_array() => Kind::Array,
            Self::Many(_) | Self::Rows(..) | Self::Values(_) => Kind::Array,
            Self::Json(_) | Self::Row(_) => Kind::Object,
            Self::List(_) => Kind::List,
        }
    }

    /// Looks at a streaming cell.
    pub(super) fn from_cell_ref(cell: &'a CellRef<'_>) -> Self {
        match cell {
            CellRef::Null => Self::Nothing,
            CellRef::Bool(value) => Self::Bool(*value),
            CellRef::Int(value) => Self::Int(*value),
            CellRef::Real(value) => Self::Real(*value),
            CellRef::Text(text) => Self::Text(Cow::Borrowed(text)),
            CellRef::Json(text) => Self::from_json_text(text),
        }
    }

    /// Looks at a kept cell.
    pub(super) fn from_cell(cell: &'a Cell) -> Self {
        match cell {
            Cell::Null => Self::Nothing,
            Cell::Bool(value) => Self::Bool(*value),
            Cell::Int(value) => Self::Int(*value),
            Cell::Real(value) => Self::Real(*value),
            Cell::Text(text) => Self::Text(Cow::Borrowed(text)),
            Cell::Json(text) => Self::from_json_text(text),
        }
    }

    /// Reads the JSON text of a cell. A number too large for an integer counts as a real one.
    fn from_json_text(text: &'a str) -> Self {
        match serde_json::from_str::<Json>(text) {
            Ok(json @ (Json::Array(_) | Json::Object(_))) => Self::Json(Cow::Owned(json)),
            Ok(Json::Number(number)) => number.as_f64().map_or(Self::Nothing, Self::Real),
            _ => Self::Text(Cow::Borrowed(text)),
        }
    }

    /// Looks at a JSON tree.
    pub(super) fn from_json(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Nothing,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(value), _) => Self::Int(value),
                (None, Some(value)) => Self::Real(value),
                (None, None) => Self::Nothing,
            },
            Json::String(text) => Self::Text(Cow::Borrowed(text)),
            Json::Array(_) | Json::Object(_) => Self::Json(Cow::Borrowed(json)),
        }
    }

    /// Takes a JSON tree.
    pub(super) fn from_owned_json(json: Json) -> Self {
        match json {
            Json::String(text) => Self::Text(Cow::Owned(text)),
            Json::Array(_) | Json::Object(_) => Self::Json(Cow::Owned(json)),
            scalar => match Value::from_json(&scalar) {
                Value::Bool(value) => Self::Bool(value),
                Value::Int(value) => Self::Int(value),
                Value::Real(value) => Self::Real(value),
                _ => Self::Nothing,
            },
        }
    }

    /// The items of an array, in order; `None` if it is none.
    pub(super) fn items(self) -> Option<Vec<Self>> {
        match self {
            Self::Json(Cow::Borrowed(Json::Array(items))) => {
                Some(items.iter().map(Self::from_json).collect())
            }
            Self::Json(Cow::Owned(Json::Array(items))) => {
                Some(items.into_iter().map(Self::from_owned_json).collect())
            }
            Self::Many(items) => Some(items),
            Self::Rows(_, rows) => Some(rows.iter().map(|row| Self::Row(AnyRow::Kept(row))).collect()),
            Self::Values(values) => Some(values.iter().map(Self::from_json).collect()),
            _ => None,
        }
    }

    /// A field of an object; nothing if the object lacks it.
    pub(super) fn field(self, name: &str) -> Result<Self, Reason> {
        match self {
            Self::Json(Cow::Borrowed(Json::Object(map))) => {
                Ok(map.get(name).map_or(Self::Nothing, Self::from_json))
            }
            Self::Json(Cow::Owned(Json::Object(mut map))) => {
                Ok(map.shift_remove(name).map_or(Self::Nothing, Self::from_owned_json))
            }
            Self::Row(row) => Ok(row.column(name)),
            other => Err(unfit(format!("what `.{name}` is asked of"), other.kind(), "an object")),
        }
    }

    /// An item of an array; a negative index counts from the end.
    pub(super) fn item(self, index: i64) -> Result<Self, Reason> {
        let kind = self.kind();
        let items =
            self.items().ok_or_else(|| unfit("what `[..]` is asked of".to_owned(), kind, "an array"))?;
        let place = if index < 0 { index + i64::try_from(items.len()).unwrap_or(i64::MAX) } else { index };
        let found = usize::try_from(place).ok().and_then(|place| items.into_iter().nth(place));
        found.ok_or_else(|| Reason::Missing { name: format!("[{index}]") })
    }
}

impl<'a> AnyRow<'a> {
    /// The value of a column; nothing if the row lacks it.
    pub(super) fn column(self, name: &str) -> Value<'a> {
        match self {
            Self::View(view) => {
                let cell = view.projection.index(name).and_then(|index| view.cells.get(index));
                cell.map_or(Value::Nothing, Value::from_cell_ref)
            }
            Self::Kept(row) => row.get(name).map_or(Value::Nothing, Value::from_cell),
        }
    }

    /// Names of the columns, in order.
    pub(super) fn names(self) -> Vec<&'a str> {
        match self {
            Self::View(view) => view.projection.names().collect(),
            Self::Kept(row) => row.projection.names().collect(),
        }
    }
}

/// Names a value of the wrong type.
pub(super) fn unfit(place: String, got: Kind, wanted: &str) -> Reason {
    Reason::Unfit { place, got: got.to_string(), wanted: wanted.to_owned() }
}

/// Cuts and escapes a text of unknown origin for a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(48).flat_map(char::escape_debug).collect()
}
