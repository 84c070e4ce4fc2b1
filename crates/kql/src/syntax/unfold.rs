//! The operators that make more of a row: unfold, parse, fill in.

use super::{Expr, Name, NamedExpr, Pipeline, Property, RowSchema, TypeName};
use crate::text::Span;

/// What `mv-expand` and `mv-apply` unfold.
#[derive(Clone, Debug, PartialEq)]
pub struct Expand {
    /// `bagexpansion=`, `kind=`, `with_itemindex=`.
    pub properties: Vec<Property>,
    /// Columns to unfold side by side.
    pub items: Vec<ExpandItem>,
    /// `limit n`.
    pub limit: Option<Box<Expr>>,
}

/// One column to unfold.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpandItem {
    /// The array or bag.
    pub expr: NamedExpr,
    /// `to typeof(type)`.
    pub to: Option<TypeName>,
}

/// `mv-expand`.
#[derive(Clone, Debug, PartialEq)]
pub struct MvExpand {
    /// What to unfold.
    pub expand: Expand,
}

/// `mv-apply`.
#[derive(Clone, Debug, PartialEq)]
pub struct MvApply {
    /// What to unfold.
    pub expand: Expand,
    /// What to do with the rows of each record.
    pub body: Pipeline,
}

/// `parse kind=… expr with pattern`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parse {
    /// `kind=`, `flags=`.
    pub properties: Vec<Property>,
    /// The text.
    pub expr: Box<Expr>,
    /// The pattern, piece by piece.
    pub pieces: Vec<ParsePiece>,
}

/// A piece of a `parse` pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum ParsePiece {
    /// `*`.
    Star(Span),
    /// Text to find.
    Text(Expr),
    /// A column to fill.
    Column {
        /// Its name.
        name: Name,
        /// Its type; `string` when left out.
        ty: Option<TypeName>,
    },
}

/// `parse-kv expr as (columns) with (properties)`.
#[derive(Clone, Debug, PartialEq)]
pub struct ParseKv {
    /// The text.
    pub expr: Box<Expr>,
    /// Keys to take.
    pub columns: RowSchema,
    /// `pair_delimiter`, `kv_delimiter`, `quote`, …
    pub properties: Vec<Property>,
}

/// `make-series aggregates on axis from a to b step c by keys`.
#[derive(Clone, Debug, PartialEq)]
pub struct MakeSeries {
    /// `kind=nonempty`, `hint.…`.
    pub properties: Vec<Property>,
    /// Aggregates.
    pub aggregates: Vec<SeriesAggregate>,
    /// The axis.
    pub on: NamedExpr,
    /// The range of the axis.
    pub range: SeriesRange,
    /// Keys.
    pub by: Option<Vec<NamedExpr>>,
}

/// One aggregate of `make-series`.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesAggregate {
    /// The aggregate.
    pub expr: NamedExpr,
    /// `default = value`.
    pub default: Option<Expr>,
}

/// The range of a series axis: `from a to b step c`, or the older `in range(a, b, c)`.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesRange {
    /// First value.
    pub from: Option<Expr>,
    /// End: excluded with `from … to`, included with `in range`.
    pub to: Option<Expr>,
    /// Distance.
    pub step: Expr,
    /// Whether it is the older form.
    pub legacy: bool,
}
