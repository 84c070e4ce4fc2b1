//! The graph operators.

use super::{Expr, Name, NamedExpr, Property};

/// `make-graph source --> target with table on key, …`.
#[derive(Clone, Debug, PartialEq)]
pub struct MakeGraph {
    /// Column of the edge table that names the source node.
    pub source: Name,
    /// How the edge is drawn.
    pub direction: Direction,
    /// Column of the edge table that names the target node.
    pub target: Name,
    /// Node tables; empty when nodes are made from the edges alone.
    pub nodes: Vec<NodeTable>,
    /// `with_node_id = name`.
    pub node_id: Option<Name>,
    /// `partitioned-by column (body)`.
    pub partitioned_by: Option<(Name, Box<Expr>)>,
    /// `hint.…`.
    pub properties: Vec<Property>,
}

/// A node table and its key.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeTable {
    /// The table.
    pub table: Expr,
    /// Its key column.
    pub key: Name,
}

/// How an edge points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `-->`, `-[e]->`.
    Right,
    /// `<--`, `<-[e]-`.
    Left,
    /// `--`, `-[e]-`.
    Any,
}

/// `graph-match patterns where condition project columns`; `graph-shortest-paths` has the same parts.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphMatch {
    /// `cycles = none` and the like.
    pub properties: Vec<Property>,
    /// Patterns; each starts and ends with a node.
    pub patterns: Vec<Vec<GraphElement>>,
    /// `where`.
    pub condition: Option<Box<Expr>>,
    /// `project`.
    pub project: Option<Vec<NamedExpr>>,
}

/// A node or an edge of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum GraphElement {
    /// `(name)`; nothing in `()`.
    Node(Option<Name>),
    /// `-[name * low..high]->`.
    Edge {
        /// Name; nothing in `-->`.
        name: Option<Name>,
        /// Which way it points.
        direction: Direction,
        /// How many hops, both included, when it is of variable length.
        hops: Option<(Box<Expr>, Box<Expr>)>,
    },
}

/// One output of `graph-to-table`.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphOutput {
    /// `nodes` or `edges`.
    pub what: Name,
    /// `as Name`.
    pub alias: Option<Name>,
    /// `with_node_id = …`, `with_source_id = …`.
    pub properties: Vec<Property>,
}
