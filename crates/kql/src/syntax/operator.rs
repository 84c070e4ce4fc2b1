//! The operators of a pipeline.

use super::{
    ColumnDecl, Expr, Find, GraphMatch, GraphOutput, Join, MakeGraph, MakeSeries, MvApply, MvExpand, Name,
    NamedExpr, Parse, ParseKv, Partition, Pipeline, Property, RowSchema, Search, Union,
};
use crate::text::Span;

/// One operator of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator {
    /// What it is.
    pub kind: OperatorKind,
    /// Where its word stands (`where`, `order`); tells aliases apart.
    pub keyword: Span,
    /// Without the bar before it.
    pub span: Span,
}

/// The kinds of operator.
#[derive(Clone, Debug, PartialEq)]
pub enum OperatorKind {
    /// `where`, `filter`.
    Where(Expr),
    /// `extend`.
    Extend(Vec<NamedExpr>),
    /// `project`.
    Project(Vec<NamedExpr>),
    /// `project-away`; names and patterns.
    ProjectAway(Vec<Expr>),
    /// `project-keep`; names and patterns.
    ProjectKeep(Vec<Expr>),
    /// `project-rename new = old, …`.
    ProjectRename(Vec<NamedExpr>),
    /// `project-reorder`.
    ProjectReorder(Vec<ReorderItem>),
    /// `project-by-names`.
    ProjectByNames(Vec<Expr>),
    /// `summarize`.
    Summarize(Summarize),
    /// `sort by`, `order by`.
    Sort {
        /// `hint.…`.
        properties: Vec<Property>,
        /// Most significant first.
        keys: Vec<SortKey>,
    },
    /// `top count by keys`.
    Top {
        /// `hint.…`.
        properties: Vec<Property>,
        /// How many rows.
        count: Expr,
        /// Most significant first.
        keys: Vec<SortKey>,
    },
    /// `take`, `limit`.
    Take(Expr),
    /// `count`, `count as Name`.
    Count(Option<Name>),
    /// `distinct`.
    Distinct(Distinct),
    /// `sample n`.
    Sample(Expr),
    /// `sample-distinct n of column`.
    SampleDistinct {
        /// How many.
        count: Expr,
        /// Values of what.
        of: NamedExpr,
    },
    /// `join`.
    Join(Join),
    /// `lookup`: as `join`, with `leftouter` (default) or `inner`.
    Lookup(Join),
    /// `union`.
    Union(Union),
    /// `mv-expand`, `mvexpand`.
    MvExpand(MvExpand),
    /// `mv-apply`.
    MvApply(MvApply),
    /// `parse`.
    Parse(Parse),
    /// `parse-where`.
    ParseWhere(Parse),
    /// `parse-kv`.
    ParseKv(ParseKv),
    /// `make-series`.
    MakeSeries(MakeSeries),
    /// `evaluate plugin(…)`.
    Evaluate(Evaluate),
    /// `invoke function(…)`.
    Invoke(Expr),
    /// `as Name`.
    As {
        /// `hint.…`.
        properties: Vec<Property>,
        /// The name for the rows so far.
        name: Name,
    },
    /// `serialize`.
    Serialize(Vec<NamedExpr>),
    /// `render chart with (…)`.
    Render {
        /// The chart; nothing in a bare `render`.
        chart: Option<Name>,
        /// Its options.
        properties: Vec<Property>,
    },
    /// `partition by column (…)`.
    Partition(Partition),
    /// `scan`.
    Scan(Scan),
    /// `top-nested`.
    TopNested(Vec<TopNestedLevel>),
    /// `top-hitters count of column by weight`.
    TopHitters {
        /// How many.
        count: Expr,
        /// Of what.
        of: NamedExpr,
        /// Weight.
        by: Option<NamedExpr>,
    },
    /// `reduce by column with …`.
    Reduce {
        /// `kind=…`, `hint.…`.
        properties: Vec<Property>,
        /// The text column.
        by: NamedExpr,
        /// `threshold`, `characters`.
        with: Vec<Property>,
    },
    /// `range name from a to b step c`; a source.
    Range {
        /// The column.
        name: Name,
        /// First value.
        from: Expr,
        /// Last value at most.
        to: Expr,
        /// Distance; 1, 1h or 1d when left out.
        step: Option<Expr>,
    },
    /// `print`; a source.
    Print(Vec<NamedExpr>),
    /// `search`; a source, or after a bar.
    Search(Search),
    /// `find`; a source, or after a bar.
    Find(Find),
    /// `facet by columns with (…)`.
    Facet {
        /// Columns.
        by: Vec<Expr>,
        /// What to do with the rows besides.
        with: Option<Pipeline>,
    },
    /// `fork (…) (…)`.
    Fork(Vec<(Option<Name>, Pipeline)>),
    /// `consume`.
    Consume(Vec<Property>),
    /// `getschema`.
    GetSchema(Vec<Property>),
    /// `assert-schema (…)`.
    AssertSchema(RowSchema),
    /// `execute-and-cache`.
    ExecuteAndCache,
    /// `macro-expand group as name (…)`.
    MacroExpand {
        /// `kind=…`.
        properties: Vec<Property>,
        /// The group of entities.
        group: Box<Expr>,
        /// Name of the current entity.
        alias: Name,
        /// Body.
        body: Box<Expr>,
    },
    /// `make-graph`.
    MakeGraph(Box<MakeGraph>),
    /// `graph-match`.
    GraphMatch(GraphMatch),
    /// `graph-shortest-paths`.
    GraphShortestPaths(GraphMatch),
    /// `graph-mark-components kind=… with_component_id=…`.
    GraphMarkComponents(Vec<Property>),
    /// `graph-to-table`.
    GraphToTable(Vec<GraphOutput>),
    /// `graph-where-nodes`.
    GraphWhereNodes(Expr),
    /// `graph-where-edges`.
    GraphWhereEdges(Expr),
    /// Not an operator; the parser has said so.
    Error,
}

/// One column of `project-reorder`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReorderItem {
    /// Name, pattern, or `*`.
    pub column: Expr,
    /// How the columns a pattern matches are ordered.
    pub order: Option<Order>,
}

/// A direction of sorting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `asc`.
    Asc,
    /// `desc`.
    Desc,
    /// `granny-asc`: numbers in names compare as numbers.
    GrannyAsc,
    /// `granny-desc`.
    GrannyDesc,
}

/// Where nulls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullsOrder {
    /// `nulls first`.
    First,
    /// `nulls last`.
    Last,
}

/// One key of `sort`, `top` and the like.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    /// What to sort by.
    pub expr: NamedExpr,
    /// Direction; `desc` when left out.
    pub order: Option<Order>,
    /// Nulls; first for `asc`, last for `desc` when left out.
    pub nulls: Option<NullsOrder>,
    /// All of it.
    pub span: Span,
}

/// `summarize aggregates by keys`.
#[derive(Clone, Debug, PartialEq)]
pub struct Summarize {
    /// `hint.…`.
    pub properties: Vec<Property>,
    /// Aggregates; may be empty.
    pub aggregates: Vec<NamedExpr>,
    /// Keys; nothing when there is no `by`.
    pub by: Option<Vec<NamedExpr>>,
}

/// `distinct columns`.
#[derive(Clone, Debug, PartialEq)]
pub struct Distinct {
    /// `hint.…`.
    pub properties: Vec<Property>,
    /// Columns, or one `*`.
    pub columns: Vec<NamedExpr>,
}

/// `evaluate plugin(…) : (schema)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluate {
    /// `hint.…`.
    pub properties: Vec<Property>,
    /// The plugin call.
    pub call: Box<Expr>,
    /// The columns it is said to give.
    pub schema: Option<RowSchema>,
}

/// `scan`.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// `with_match_id=`, `with_step_name=`, `kind=`.
    pub properties: Vec<Property>,
    /// `order by`.
    pub order: Vec<SortKey>,
    /// `partition by`.
    pub partition: Vec<Expr>,
    /// `declare (…)`.
    pub declare: Vec<ScanColumn>,
    /// Steps.
    pub steps: Vec<ScanStep>,
}

/// A column that `scan` declares.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanColumn {
    /// Name and type.
    pub column: ColumnDecl,
    /// Its first value.
    pub default: Option<Expr>,
}

/// A step of `scan`.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanStep {
    /// Its name.
    pub name: Name,
    /// Whether it may be passed over.
    pub optional: bool,
    /// `output=all|last|none`.
    pub output: Option<Name>,
    /// When a row belongs to it.
    pub condition: Expr,
    /// What it sets.
    pub assignments: Vec<NamedExpr>,
    /// All of it.
    pub span: Span,
}

/// A level of `top-nested`.
#[derive(Clone, Debug, PartialEq)]
pub struct TopNestedLevel {
    /// How many; all when left out.
    pub count: Option<Expr>,
    /// Values of what.
    pub of: NamedExpr,
    /// `with others = label`.
    pub others: Option<Expr>,
    /// What makes a value large.
    pub by: SortKey,
}
