//! Graph operators.

use super::super::machine::Machine;
use super::super::{EvalError, Table};
use crate::plan::{GraphMatch, GraphPart, GraphSource};
use crate::types::Schema;

/// Matches patterns in a graph.
pub(super) fn graph_match(
    _machine: &Machine<'_>,
    _graph: &GraphMatch,
    _schema: &Schema,
    _table: &Table,
) -> Result<Table, EvalError> {
    Err(EvalError::unsupported("graph-match"))
}

/// Gives the nodes or the edges of a graph.
pub(super) fn graph_to_table(
    _machine: &Machine<'_>,
    _graph: &GraphSource,
    _part: GraphPart,
    _schema: &Schema,
    _table: &Table,
) -> Result<Table, EvalError> {
    Err(EvalError::unsupported("graph-to-table"))
}
