//! The typed tree between the binder and the evaluator.
//!
//! Names are gone: columns are places in the row an operator receives, functions are entries of
//! the catalogue under their canonical names, `let` variables are [`Slot`]s, and user functions
//! are expanded where they are called. The operators are fewer than in the language: what can be
//! said with another operator is (`extend`, `project-away` and `project-reorder` are
//! [`Operator::Project`], `find` and `search` are unions and filters).
//!
//! Where a [`Schema`] is `open` the rows may have further columns, behind those of the schema. The
//! evaluator then aligns the rows it hands on with the schema by name; a column the rows lack is
//! null.
//!
//! A plan made without error diagnostics is valid: every index is in range, every expression has
//! the type it claims, and the limits of [`crate::bind`] hold.

mod expr;
mod operator;
mod special;

pub use expr::{
    AggregateCall, Arithmetic, Comparison, Expr, ExprKind, FunctionName, Membership, ScanState, TextMatch,
};
pub use operator::{
    Direction, ExpandOutput, Expanded, GraphPart, JoinKind, JoinSide, MvExpand, Nulls, Operator, ParseKv,
    ParseMode, ParseOutput, ParsePart, SortKey, UnionColumn, UnionInput,
};
pub use special::{
    Connection, EdgePattern, ElementCall, ExternalData, GraphId, GraphMatch, GraphSource, GraphStep,
    MakeSeries, NodePattern, PatternElement, PluginArg, PluginCall, Render, Scan, ScanOutput, ScanStep,
    SeriesAxis, Shortest, TopNested,
};

use crate::text::Span;
use crate::types::Schema;

/// Names a [`Slot`] of the plan it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub u32);

/// Names a local variable of the expression it belongs to; see [`ExprKind::With`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalId(pub u32);

/// Everything one query does.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Values computed at most once and used any number of times. A slot uses only slots before
    /// it. Slots that nothing uses need not be computed.
    pub slots: Vec<Slot>,
    /// The tabular statements in the order they were written; most queries have one.
    pub results: Vec<Pipeline>,
}

/// A value that more than one place may use.
#[expect(clippy::large_enum_variant, reason = "a plan has few of them, and they stay where they are made")]
#[derive(Debug, Clone, PartialEq)]
pub enum Slot {
    /// One value: a scalar `let`, an argument, `toscalar(...)`. Reads no column.
    Scalar(Expr),
    /// A table: a tabular `let`, an argument, `materialize(...)`.
    Table(Pipeline),
}

/// A source of rows and what is done to them, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// Where the rows come from.
    pub source: Source,
    /// Where the source was written, for errors at run time.
    pub span: Span,
    /// What happens to them.
    pub stages: Vec<Stage>,
    /// The columns of the result: those of the last stage, or of the source.
    pub schema: Schema,
}

/// One operator and the columns it gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// What is done to the rows.
    pub operator: Operator,
    /// Where its name was written, for errors at run time.
    pub span: Span,
    /// The columns afterwards. If `open`, the rows may have more.
    pub schema: Schema,
}

/// How a query asks for a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// By its name: it has to be there.
    ByName,
    /// By a pattern, or as one of all tables: it is empty if nobody has rows of it.
    ByPattern,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A table of the database, under its current name. Only `columns` (places in the table's
    /// schema) are read, in this order.
    Table {
        /// Name as the tables know it; old names are resolved.
        name: String,
        /// Columns to read.
        schema: Schema,
        /// Whether the table has to be there.
        asked: Asked,
    },
    /// A table slot.
    Slot(SlotId, Schema),
    /// The rows that the enclosing `mv-apply`, `partition` or `fork` hands to its inner query.
    Context(Schema),
    /// `print`: one row, computed.
    Row(Vec<Expr>, Schema),
    /// `datatable`: constant rows, row by row. Each has as many values as there are columns.
    Rows(Vec<Vec<Expr>>, Schema),
    /// `range x from .. to .. step ..`: one column.
    Range {
        /// First value.
        from: Expr,
        /// Last value that may occur.
        to: Expr,
        /// Distance between values.
        step: Expr,
        /// The one column.
        schema: Schema,
    },
    /// `externaldata`: documents from outside, which the environment provides.
    External(Box<ExternalData>, Schema),
    /// A function of the service that gives a table: a watchlist, `AssignedIPAddresses`, ...
    Function {
        /// Name.
        name: String,
        /// Arguments; read no column.
        args: Vec<Expr>,
        /// Columns of the answer.
        schema: Schema,
    },
    /// `union` of tables that stands at the head of a pipeline, `find`, or a bare `search`.
    Union(Vec<UnionInput>, Schema),
    /// An `evaluate` without input rows.
    Plugin(Box<PluginCall>, Schema),
    /// What a stored function gives. It is written in another text, so its places mean nothing here.
    Stored(Box<Pipeline>),
    /// Nothing could be made of the source; its diagnostic has been reported.
    Broken,
}

impl Source {
    /// Returns the columns of the rows.
    pub fn schema(&self) -> Schema {
        match self {
            Self::Table { schema, .. }
            | Self::Range { schema, .. }
            | Self::Function { schema, .. }
            | Self::Slot(_, schema)
            | Self::Context(schema)
            | Self::Row(_, schema)
            | Self::Rows(_, schema)
            | Self::External(_, schema)
            | Self::Union(_, schema)
            | Self::Plugin(_, schema) => schema.clone(),
            Self::Stored(pipeline) => pipeline.schema.clone(),
            Self::Broken => Schema { columns: Vec::new(), open: true },
        }
    }
}
