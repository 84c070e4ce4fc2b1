//! The operators of a pipeline.

use super::{
    ColumnDecl, Expr, GraphMatch, GraphOutput, MakeGraph, Name, NamedExpr, Pipeline, Property, RowSchema,
    TypeName,
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

/// `join kind=… (right) on conditions`; also `lookup`.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// `kind=`, when written and known.
    pub kind: Option<JoinKind>,
    /// All options, `kind` included.
    pub properties: Vec<Property>,
    /// The other table.
    pub right: Box<Expr>,
    /// Conditions behind `on`: a name, or `$left.a == $right.b`.
    pub on: Vec<Expr>,
}

/// The kinds of join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the text of each is in `text`")]
pub enum JoinKind {
    InnerUnique,
    Inner,
    LeftOuter,
    RightOuter,
    FullOuter,
    LeftSemi,
    RightSemi,
    LeftAnti,
    RightAnti,
}

impl JoinKind {
    /// The words for each kind; the first word of a kind is the usual one.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("innerunique", Self::InnerUnique),
        ("inner", Self::Inner),
        ("leftouter", Self::LeftOuter),
        ("rightouter", Self::RightOuter),
        ("fullouter", Self::FullOuter),
        ("leftsemi", Self::LeftSemi),
        ("rightsemi", Self::RightSemi),
        ("leftanti", Self::LeftAnti),
        ("rightanti", Self::RightAnti),
        ("anti", Self::LeftAnti),
        ("leftantisemi", Self::LeftAnti),
        ("rightantisemi", Self::RightAnti),
    ];

    /// Finds a kind by its word, which is case-sensitive.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(text, _)| *text == word).map(|(_, kind)| *kind)
    }

    /// Returns the usual word.
    pub fn text(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("inner", |(text, _)| text)
    }
}

/// `union tables`.
#[derive(Clone, Debug, PartialEq)]
pub struct Union {
    /// `kind=`, `withsource=`, `isfuzzy=`, `hint.…`.
    pub properties: Vec<Property>,
    /// Tables: names, patterns, `*`, or expressions in parentheses.
    pub tables: Vec<Expr>,
}

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

/// `partition by column (body)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// `hint.…`.
    pub properties: Vec<Property>,
    /// The key.
    pub by: Box<Expr>,
    /// What to do with each part: a [`Pipeline`] without source in `(…)`, any expression in `{…}`.
    pub body: Box<Expr>,
    /// Whether the body stands in braces.
    pub braced: bool,
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

/// `search kind=… in (tables) predicate`.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// `kind=`.
    pub properties: Vec<Property>,
    /// Tables; all of them when empty.
    pub tables: Vec<Expr>,
    /// What to look for; a bare string means anywhere.
    pub predicate: Box<Expr>,
}

/// `find withsource=… in (tables) where predicate project columns`.
#[derive(Clone, Debug, PartialEq)]
pub struct Find {
    /// `withsource=`, `datascope=`.
    pub properties: Vec<Property>,
    /// Tables; all of them when empty.
    pub tables: Vec<Expr>,
    /// What to look for.
    pub predicate: Box<Expr>,
    /// Columns to show.
    pub columns: FindColumns,
}

/// What `find` shows.
#[derive(Clone, Debug, PartialEq)]
pub enum FindColumns {
    /// Nothing said: as `project-smart`.
    Default,
    /// `project-smart`.
    Smart,
    /// `project a, b: type, pack(*)`.
    Project {
        /// Columns, each with the type it is converted to.
        columns: Vec<(Name, Option<TypeName>)>,
        /// Whether `pack(*)` is among them.
        pack: bool,
    },
    /// `project-away a, b`.
    Away(Vec<Expr>),
}
