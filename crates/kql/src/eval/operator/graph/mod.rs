//! Graph operators.
//!
//! Edges are the rows received; `build` finds the nodes, `parts` the connected parts, `matching`
//! the ways a pattern fits, and `row` the rows that are made of them.

mod build;
mod matching;
mod parts;
mod row;

use std::sync::Arc;

use super::super::machine::Machine;
use super::super::scalar::hash_value;
use super::super::{EvalError, Table};
use super::named;
use crate::plan::{GraphId, GraphMatch, GraphPart, GraphSource};
use crate::types::{ScalarType, Schema};
use crate::value::{Cells, Value};

/// Matches patterns in a graph.
pub(super) fn graph_match(
    machine: &Machine<'_>,
    plan: &GraphMatch,
    schema: &Schema,
    table: &Table,
) -> Result<Table, EvalError> {
    let graph = build::Graph::new(machine, &plan.graph, table)?;
    let found = matching::find(machine, plan, &graph)?;
    let batch = row::Rows::new(machine, plan, &graph)?.complete(&found)?;
    let inner = Schema::default();
    let mut frame = super::super::expr::Frame::new(&batch, &inner);
    let outputs: Result<Vec<Arc<Cells>>, EvalError> =
        plan.outputs.iter().map(|output| machine.eval(output, &mut frame)).collect();
    Ok(named(schema, outputs?, found.len()))
}

/// Gives the nodes or the edges of a graph, with hashes of the nodes' names in front.
pub(super) fn graph_to_table(
    machine: &Machine<'_>,
    source: &GraphSource,
    wanted: (GraphPart, &[GraphId]),
    schema: &Schema,
    table: &Table,
) -> Result<Table, EvalError> {
    let graph = build::Graph::new(machine, source, table)?;
    let id = |node: u32| {
        let key = graph.keys.get(node as usize);
        Value::Long(key.map(|key| hash_value(key).cast_signed()))
    };
    let (part, ids) = wanted;
    let rows = match part {
        GraphPart::Nodes => graph.nodes.rows(),
        GraphPart::Edges => graph.ends.len(),
    };
    let of = |wanted: &GraphId| {
        let values: Vec<Value> = match (part, wanted) {
            (GraphPart::Nodes, _) => (0..rows).map(|node| id(super::row_number(node))).collect(),
            (GraphPart::Edges, GraphId::Target) => graph.ends.iter().map(|(_, to)| id(*to)).collect(),
            (GraphPart::Edges, _) => graph.ends.iter().map(|(from, _)| id(*from)).collect(),
        };
        Arc::new(Cells::from_values(ScalarType::Long, values))
    };
    let mut columns: Vec<Arc<Cells>> = ids.iter().map(of).collect();
    let batch = match part {
        GraphPart::Nodes => &graph.nodes,
        GraphPart::Edges => &graph.edges,
    };
    for (place, column) in schema.columns.iter().skip(ids.len()).enumerate() {
        columns.push(batch.column_or_null(place, column.ty));
    }
    Ok(named(schema, columns, rows))
}
