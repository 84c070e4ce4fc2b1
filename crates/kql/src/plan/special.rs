//! What the larger operators need to know.

use super::{AggregateCall, Direction, Expr, FunctionName, Pipeline, SortKey};
use crate::types::{Column, ScalarType};

/// `make-series`: gives the `by` columns, then an array for each aggregate, then the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct MakeSeries {
    /// Aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// One for each array of the result: reads a row of the results of all `aggregates`, and the
    /// value where no row falls in the bin.
    pub outputs: Vec<(Expr, Option<Expr>)>,
    /// What is binned; reads the row.
    pub axis: SeriesAxis,
    /// Group keys.
    pub by: Vec<Expr>,
    /// Whether series without rows are given (`kind=nonempty` when there is no `by`).
    pub nonempty: bool,
}

/// The axis of `make-series`.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesAxis {
    /// What is binned.
    pub on: Expr,
    /// First bin; the smallest value if absent.
    pub from: Option<Expr>,
    /// End, not included; the largest value, included, if absent.
    pub to: Option<Expr>,
    /// Width of a bin.
    pub step: Expr,
    /// Whether both ends are included, as in the old form `in range(from, to, step)`.
    pub inclusive: bool,
}

/// One level of `top-nested`.
#[derive(Debug, Clone, PartialEq)]
pub struct TopNested {
    /// How many values are kept; all if absent.
    pub count: Option<Expr>,
    /// Of what.
    pub key: Expr,
    /// Value that stands for all others, if they are wanted.
    pub others: Option<Expr>,
    /// Aggregates the order is computed from.
    pub aggregates: Vec<AggregateCall>,
    /// What the values are ordered by; reads the results of the aggregates.
    pub by: Expr,
    /// Which way.
    pub direction: Direction,
}

/// `scan`: expressions read the row received followed by the declared columns; values of other
/// steps are [`super::ExprKind::ScanState`].
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// Rows are matched within each of these; in the order they come.
    pub partition: Vec<Expr>,
    /// Order within a partition; as they come if empty.
    pub order: Vec<SortKey>,
    /// Defaults of the declared columns, which follow the columns of the row.
    pub declared: Vec<Expr>,
    /// Whether the last column of the result is the number of the match (`with_match_id`).
    pub with_match_id: bool,
    /// The steps.
    pub steps: Vec<ScanStep>,
}

/// A step of `scan`.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanStep {
    /// Name.
    pub name: String,
    /// Whether a match may leave the step out.
    pub optional: bool,
    /// Which rows are given.
    pub output: ScanOutput,
    /// When a row enters the step.
    pub condition: Expr,
    /// Places of the scan's row that are set, and to what.
    pub assignments: Vec<(usize, Expr)>,
}

/// Which rows of a step are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanOutput {
    /// All.
    All,
    /// The last one.
    Last,
    /// None.
    None,
}

/// How a result is to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Render {
    /// Kind of chart.
    pub chart: String,
    /// Properties, as written.
    pub properties: Vec<(String, String)>,
}

/// A call of an `evaluate` plugin. Its columns are those of the stage; if that schema is open the
/// rows tell the further ones.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginCall {
    /// Canonical name.
    pub plugin: FunctionName,
    /// Arguments; they read the row received. For those that stand for a column the expression is
    /// [`super::ExprKind::Column`].
    pub args: Vec<PluginArg>,
    /// Names the arguments were written with, one for each; most have none.
    pub names: Vec<Option<String>>,
    /// Columns the author promised (`: (name: type, *)`); they have been put in the stage's schema.
    pub declared: Option<Vec<Column>>,
}

/// An argument of a plugin.
#[expect(clippy::large_enum_variant, reason = "a plan has few of them, and they stay where they are made")]
#[derive(Debug, Clone, PartialEq)]
pub enum PluginArg {
    /// A value.
    Scalar(Expr),
    /// An aggregate, as `pivot` takes it.
    Aggregate(AggregateCall),
    /// A table, as `ipv4_lookup` takes it.
    Table(Pipeline),
}

/// Documents read from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalData {
    /// Columns in the order of the document.
    pub columns: Vec<Column>,
    /// Addresses; constants.
    pub uris: Vec<Expr>,
    /// Properties, such as `format` and `ignoreFirstRecord`; constants.
    pub properties: Vec<(String, Expr)>,
}

/// A graph: edges are rows, nodes are what edges name, with the columns of node tables.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphSource {
    /// Place of the source node's key in an edge.
    pub from: usize,
    /// Place of the target node's key in an edge.
    pub to: usize,
    /// Node tables and the place of the key in each.
    pub nodes: Vec<(Pipeline, usize)>,
    /// Columns of a node, after the node tables are unified; `node_id` if there are none.
    pub node_columns: Vec<Column>,
    /// Columns of an edge.
    pub edge_columns: Vec<Column>,
    /// What is done to the graph, in order.
    pub steps: Vec<GraphStep>,
}

/// What turns a graph into another one.
#[derive(Debug, Clone, PartialEq)]
pub enum GraphStep {
    /// Numbers the connected parts: one more column of each node.
    Components(Connection),
    /// Keeps the nodes for which the expression is true, and the edges between them.
    WhereNodes(Expr),
    /// Keeps the edges for which the expression is true.
    WhereEdges(Expr),
}

/// When nodes belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// There is a way between them, whichever way the edges point.
    Weak,
    /// There is a way there and back.
    Strong,
}

/// A key that `graph-to-table` puts in front of the columns: the hash of a node's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphId {
    /// Of the node.
    Node,
    /// Of the node an edge starts at.
    Source,
    /// Of the node an edge ends at.
    Target,
}

/// `make-graph ... | graph-match`. Expressions read a row made of the columns of every element
/// of the pattern, in the order of the pattern; anonymous elements have no columns.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphMatch {
    /// The graph.
    pub graph: GraphSource,
    /// Comma-separated patterns.
    pub patterns: Vec<Vec<PatternElement>>,
    /// Keeps a match.
    pub condition: Option<Expr>,
    /// One for each column of the result.
    pub outputs: Vec<Expr>,
    /// What cycles are allowed, as written.
    pub cycles: Option<String>,
    /// Values of calls over elements; the row has them behind the columns of the elements.
    pub calls: Vec<ElementCall>,
    /// Whether only the shortest matches between two nodes count.
    pub shortest: Option<Shortest>,
}

/// Which of the shortest paths between two nodes are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortest {
    /// One.
    Any,
    /// All.
    All,
}

/// A call over an element of a pattern, such as `all(path, Weight > 2)`.
#[derive(Debug, Clone, PartialEq)]
pub struct ElementCall {
    /// Canonical name.
    pub function: FunctionName,
    /// Name of the element.
    pub element: String,
    /// Whether the nodes on the way are meant, not the edges.
    pub inner_nodes: bool,
    /// Computed for each edge or node on the way. The row has the columns of all elements of the
    /// pattern, then those of the edge or node.
    pub over: Option<Expr>,
    /// Type of the result.
    pub ty: ScalarType,
}

/// An element of a graph pattern.
#[derive(Debug, Clone, PartialEq)]
pub enum PatternElement {
    /// `(name)`
    Node(NodePattern),
    /// `-[name]->`
    Edge(EdgePattern),
}

/// A node of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePattern {
    /// Name, if it has one. The same name is the same node.
    pub name: Option<String>,
}

/// An edge of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgePattern {
    /// Name, if it has one.
    pub name: Option<String>,
    /// Which way; `None` is any.
    pub direction: Option<Direction>,
    /// Length range of a path (`*1..3`).
    pub hops: Option<(u32, u32)>,
}
