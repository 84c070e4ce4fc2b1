//! Scalar types, columns and row schemas: the words every other room uses.
//!
//! No values here (see `value`) and no knowledge of any table (see `schema`).

mod shape;

pub use shape::{Conversion, Shape, promote, widest};

use std::fmt;
use std::sync::Arc;

/// The type of a scalar expression or column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScalarType {
    /// `bool`; written `boolean` too.
    Bool,
    /// `int`, 32 bits.
    Int,
    /// `long`, 64 bits.
    Long,
    /// `real`; written `double` too.
    Real,
    /// `decimal`, 34 significant digits.
    Decimal,
    /// `datetime`, in 100 ns ticks; written `date` too.
    Datetime,
    /// `timespan`, in 100 ns ticks; written `time` too.
    Timespan,
    /// `guid`; written `uuid` and `uniqueid` too.
    Guid,
    /// `string`. Never null, only empty.
    String,
    /// `dynamic`: any scalar, an array or a bag.
    Dynamic,
    /// Not known before the query runs, or not known because of an error already reported.
    Unknown,
}

impl ScalarType {
    /// All types a column can be declared with.
    pub const DECLARABLE: [Self; 10] = [
        Self::Bool,
        Self::Int,
        Self::Long,
        Self::Real,
        Self::Decimal,
        Self::Datetime,
        Self::Timespan,
        Self::Guid,
        Self::String,
        Self::Dynamic,
    ];

    /// Returns the name Kusto prints in schemas.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Long => "long",
            Self::Real => "real",
            Self::Decimal => "decimal",
            Self::Datetime => "datetime",
            Self::Timespan => "timespan",
            Self::Guid => "guid",
            Self::String => "string",
            Self::Dynamic => "dynamic",
            Self::Unknown => "unknown",
        }
    }

    /// Finds the type that a query calls `name`; names are lower case, with the accepted synonyms.
    pub fn find(name: &str) -> Option<Self> {
        Some(match name {
            "bool" | "boolean" => Self::Bool,
            "int" | "int8" | "int16" | "int32" | "uint" | "uint8" | "uint16" | "uint32" => Self::Int,
            "long" | "int64" | "uint64" | "ulong" => Self::Long,
            "real" | "double" | "float" => Self::Real,
            "decimal" => Self::Decimal,
            "datetime" | "date" => Self::Datetime,
            "timespan" | "time" => Self::Timespan,
            "guid" | "uuid" | "uniqueid" => Self::Guid,
            "string" => Self::String,
            "dynamic" => Self::Dynamic,
            _ => return None,
        })
    }

    /// Whether arithmetic is defined on the type.
    pub const fn is_numeric(self) -> bool {
        matches!(self, Self::Int | Self::Long | Self::Real | Self::Decimal)
    }

    /// Whether the type counts in whole numbers.
    pub const fn is_integer(self) -> bool {
        matches!(self, Self::Int | Self::Long)
    }

    /// Whether values of the type can stand on a scale: numbers, instants and spans.
    pub const fn is_summable(self) -> bool {
        self.is_numeric() || matches!(self, Self::Datetime | Self::Timespan)
    }

    /// Whether nothing can be said about the type before the query runs.
    pub const fn is_unknown(self) -> bool {
        matches!(self, Self::Unknown)
    }
}

impl fmt::Display for ScalarType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A named, typed column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name; names that differ only in case are different columns.
    pub name: Arc<str>,
    /// Type of every value in the column.
    pub ty: ScalarType,
}

impl Column {
    /// Creates a column.
    pub fn new(name: impl Into<Arc<str>>, ty: ScalarType) -> Self {
        Self { name: name.into(), ty }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.name, self.ty)
    }
}

/// The columns of a table, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// The columns, in the order results show them.
    pub columns: Vec<Column>,
    /// Whether there may be further columns that only the rows can tell, as after `bag_unpack`.
    pub open: bool,
}

impl Schema {
    /// Creates a schema whose columns are all known.
    pub const fn new(columns: Vec<Column>) -> Self {
        Self { columns, open: false }
    }

    /// Finds a column by its exact name and returns its place.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| *column.name == *name)
    }

    /// Returns the column at `index`.
    pub fn get(&self, index: usize) -> Option<&Column> {
        self.columns.get(index)
    }

    /// Returns the number of columns.
    pub const fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there is no column.
    pub const fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }
}

impl FromIterator<Column> for Schema {
    fn from_iter<I: IntoIterator<Item = Column>>(columns: I) -> Self {
        Self::new(columns.into_iter().collect())
    }
}
