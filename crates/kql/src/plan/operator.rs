//! Tabular operators.

use super::{
    AggregateCall, Expr, GraphId, GraphMatch, GraphSource, MakeSeries, Pipeline, PluginCall, Render, Scan,
    SlotId, TopNested,
};
use crate::types::{Column, ScalarType};

/// What is done to rows. Expressions read the row the operator receives, unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub enum Operator {
    /// Keeps the rows for which the expression is true (null is not).
    Filter(Expr),
    /// Computes each row anew: one expression for each column of the result.
    Project(Vec<Expr>),
    /// Groups by `by` and gives for each group the values of `outputs`, which read a row made of
    /// the `by` values followed by the results of all `aggregates`. Without `by` there is one
    /// group even if there are no rows.
    Summarize {
        /// Group keys.
        by: Vec<Expr>,
        /// Aggregates.
        aggregates: Vec<AggregateCall>,
        /// One for each column of the result.
        outputs: Vec<Expr>,
    },
    /// Gives each different row of `keys` once.
    Distinct(Vec<Expr>),
    /// Sorts all rows.
    Sort(Vec<SortKey>),
    /// Sorts, and keeps the first `count`.
    Top {
        /// How many; a constant.
        count: Expr,
        /// The order.
        keys: Vec<SortKey>,
    },
    /// Keeps any `count` rows; the first ones that come.
    Take(Expr),
    /// Keeps `count` rows chosen at random.
    Sample(Expr),
    /// Gives `count` different values of `key`.
    SampleDistinct {
        /// How many; a constant.
        count: Expr,
        /// Of what.
        key: Expr,
    },
    /// Gives one row with the number of rows.
    Count,
    /// Joins with another table.
    Join {
        /// Kind of join.
        kind: JoinKind,
        /// The other table.
        right: Box<Pipeline>,
        /// Pairs of equal columns: place on the left, place on the right.
        keys: Vec<(usize, usize)>,
        /// Where each column of the result comes from.
        outputs: Vec<JoinSide>,
    },
    /// Adds the rows of other tables to these. The first input is the rows received.
    Union {
        /// Where each column of the result comes from in the rows received.
        columns: Vec<UnionColumn>,
        /// Value of the `withsource` column for the rows received.
        label: String,
        /// The other inputs.
        inputs: Vec<UnionInput>,
    },
    /// Expands arrays and bags into rows.
    MvExpand(MvExpand),
    /// Expands arrays into the rows of a small table for each row, and runs `inner` on it. The
    /// inner query's [`super::Source::Context`] is the row with its expanded columns, as
    /// [`MvExpand`] would give.
    MvApply {
        /// What is expanded.
        expand: MvExpand,
        /// The inner query.
        inner: Box<Pipeline>,
        /// Where each column of the result comes from: left is the row received, right a row that
        /// the inner query gives for it.
        outputs: Vec<JoinSide>,
    },
    /// Reads text into columns; each part's column is set in the row.
    Parse {
        /// Text that is read.
        text: Expr,
        /// How strict the match is.
        mode: ParseMode,
        /// Whether rows that do not match are dropped (`parse-where`).
        where_matches: bool,
        /// The pattern.
        parts: Vec<ParsePart>,
        /// For each column of the result: the column of the row received, if it is not the one a
        /// part gives.
        outputs: Vec<ParseOutput>,
    },
    /// Reads `key=value` text into columns, which are added at the end.
    ParseKv(ParseKv),
    /// Makes arrays along an axis.
    MakeSeries(Box<MakeSeries>),
    /// Runs `inner` once for each value of `key`, with [`super::Source::Context`] as its rows,
    /// and puts the results together.
    Partition {
        /// Column by which the rows are parted.
        key: Expr,
        /// The inner query.
        inner: Box<Pipeline>,
        /// Where an inner query in braces finds the key: a slot, and how many slots behind it
        /// depend on it.
        constant: Option<(SlotId, u32)>,
    },
    /// Hierarchical top; columns are pairs of value and aggregate for each level.
    TopNested(Vec<TopNested>),
    /// The most frequent, or heaviest, values of `key`: `key` and the weight.
    TopHitters {
        /// How many; a constant.
        count: Expr,
        /// Of what.
        key: Expr,
        /// Weight of a row; one if absent.
        weight: Option<Expr>,
    },
    /// Matches sequences of rows.
    Scan(Box<Scan>),
    /// Gives the columns of the rows instead of the rows.
    GetSchema,
    /// Fixes the order of rows.
    Serialize,
    /// Swallows the rows.
    Consume,
    /// How the result is to be drawn; the rows pass.
    Render(Render),
    /// `evaluate`.
    Plugin(Box<PluginCall>),
    /// A function of the service that extends each row, such as `FileProfile`. `args` read the
    /// row or are constants.
    Enrich {
        /// Name.
        function: String,
        /// Arguments.
        args: Vec<Expr>,
        /// Columns of the function's answer.
        columns: Vec<Column>,
        /// Where each column of the result comes from: left is the row, right the answer.
        outputs: Vec<JoinSide>,
    },
    /// Matches patterns in a graph whose edges are the rows received.
    GraphMatch(Box<GraphMatch>),
    /// Gives the nodes, or the edges, of the graph whose edges are the rows received, with keys in
    /// front.
    GraphToTable(Box<GraphSource>, GraphPart, Vec<GraphId>),
    /// `fork`: each inner query gives a result of its own; the first one goes on.
    Fork(Vec<Pipeline>),
    /// Not executable, only checked; the name is the operator's.
    Unsupported(&'static str),
}

/// Which half of a graph becomes a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphPart {
    /// The nodes.
    Nodes,
    /// The edges.
    Edges,
}

/// Where a column of a `parse` result comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseOutput {
    /// A column of the row received.
    Input(usize),
    /// What the part at this place of the pattern reads.
    Part(usize),
}

/// A sort key.
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    /// What is compared.
    pub expr: Expr,
    /// Which way.
    pub direction: Direction,
    /// Where nulls go.
    pub nulls: Nulls,
}

/// Direction of a sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first; the default.
    Descending,
}

/// Place of nulls in a sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// Before all values; the default when ascending.
    First,
    /// After all values; the default when descending.
    Last,
}

/// Kinds of `join` and `lookup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// Left rows made unique by key first; the default.
    InnerUnique,
    /// All matches.
    Inner,
    /// And left rows without match.
    LeftOuter,
    /// And right rows without match.
    RightOuter,
    /// And both.
    FullOuter,
    /// Left rows without match; left columns only.
    LeftAnti,
    /// Right rows without match; right columns only.
    RightAnti,
    /// Left rows with a match; left columns only.
    LeftSemi,
    /// Right rows with a match; right columns only.
    RightSemi,
}

/// Where a column of a join comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinSide {
    /// This column of the left row.
    Left(usize),
    /// This column of the right row.
    Right(usize),
}

/// One input of a union.
#[derive(Debug, Clone, PartialEq)]
pub struct UnionInput {
    /// Its rows.
    pub pipeline: Pipeline,
    /// Where each column of the result comes from in them; null if nowhere.
    pub columns: Vec<UnionColumn>,
    /// What `withsource` calls the input.
    pub label: String,
}

/// Where a column of a union comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnionColumn {
    /// This column of the input.
    Input(usize),
    /// The label of the input.
    Label,
    /// Nowhere: null.
    Null,
}

/// What `mv-expand` and `mv-apply` expand.
#[derive(Debug, Clone, PartialEq)]
pub struct MvExpand {
    /// The values expanded side by side; the longest decides the number of rows.
    pub items: Vec<Expanded>,
    /// Whether a bag's property becomes an array of key and value (`kind=array`) instead of a bag
    /// of one.
    pub bag_as_array: bool,
    /// Whether the last column of the result is the index of the element.
    pub with_item_index: bool,
    /// Longest number of rows for one row.
    pub limit: Option<Expr>,
    /// For each column of the result but the index: where it comes from.
    pub outputs: Vec<ExpandOutput>,
}

/// One value that is expanded.
#[derive(Debug, Clone, PartialEq)]
pub struct Expanded {
    /// The array or bag.
    pub expr: Expr,
    /// Type the elements are converted to.
    pub to: ScalarType,
}

/// Where a column of an expansion comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpandOutput {
    /// A column of the row received.
    Input(usize),
    /// An element of this item.
    Item(usize),
    /// The place of the element, counted from zero.
    Index,
}

/// How strictly `parse` matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseMode {
    /// Values that cannot be converted make the row not match.
    Simple,
    /// Constants are regular expressions; the flags as written.
    Regex {
        /// Flags, such as `Ui`.
        flags: String,
    },
    /// Values that cannot be converted are null.
    Relaxed,
}

/// A part of a `parse` pattern.
#[derive(Debug, Clone, PartialEq)]
pub enum ParsePart {
    /// `*`: anything.
    Skip,
    /// A constant.
    Text(String),
    /// A value of this type.
    Column(ScalarType),
}

/// Reads `key=value` text.
#[derive(Debug, Clone, PartialEq)]
pub struct ParseKv {
    /// Text that is read.
    pub text: Expr,
    /// The keys looked for, and the types of their values.
    pub keys: Vec<Column>,
    /// Parts pairs (`pair_delimiter`).
    pub pair_delimiter: Option<String>,
    /// Parts key and value (`kv_delimiter`).
    pub kv_delimiter: Option<String>,
    /// Marks around values (`quote`): opening, closing.
    pub quotes: Vec<(String, String)>,
    /// Protects the next character inside quotes (`escape`).
    pub escape: Option<String>,
    /// Whether the keys are taken by place instead of name (`greedy` and a pattern without keys).
    pub greedy: bool,
    /// Where each column of the result comes from; parts are the places in `keys`.
    pub outputs: Vec<ParseOutput>,
}
