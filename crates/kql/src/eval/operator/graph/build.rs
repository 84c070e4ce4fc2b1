//! Graphs from rows.

use std::sync::Arc;

use indexmap::IndexMap;

use super::super::super::machine::Machine;
use super::super::super::{EvalError, Table};
use super::super::{eval, row_number};
use super::parts;
use crate::plan::{Connection, Expr, GraphSource, GraphStep};
use crate::types::{Column, ScalarType, Schema};
use crate::value::{Batch, Cells, KeyWriter, Value, to_bool};

/// A graph.
pub(super) struct Graph {
    /// Columns of the nodes.
    pub(super) nodes: Batch,
    /// The name of each node.
    pub(super) keys: Vec<Value>,
    /// Columns of the edges.
    pub(super) edges: Batch,
    /// Where each edge starts and ends.
    pub(super) ends: Vec<(u32, u32)>,
}

/// A node's name, and its row in one of the tables of nodes.
type Known = (Value, Option<(usize, u32)>);

/// Nodes in the order of their first appearance; each with its row in a table of nodes.
#[derive(Default)]
struct Register {
    known: IndexMap<Box<[u8]>, Known>,
    key: KeyWriter,
}

impl Register {
    fn add(&mut self, key: Value, row: Option<(usize, u32)>) -> u32 {
        self.key.clear();
        self.key.push(&key);
        if let Some(place) = self.known.get_index_of(self.key.bytes()) {
            return row_number(place);
        }
        row_number(self.known.insert_full(Box::from(self.key.bytes()), (key, row)).0)
    }
}

impl Graph {
    /// Builds the graph whose edges are the rows of a table.
    pub(super) fn new(machine: &Machine<'_>, source: &GraphSource, table: &Table) -> Result<Self, EvalError> {
        let mut register = Register::default();
        let mut tables = Vec::with_capacity(source.nodes.len());
        for (index, (pipeline, key)) in source.nodes.iter().enumerate() {
            let table = machine.pipeline(pipeline, None)?;
            machine.work(table.batch.rows())?;
            let keys = table.batch.column_or_null(*key, ScalarType::String);
            for (row, key) in keys.values().enumerate() {
                register.add(key, Some((index, row_number(row))));
            }
            tables.push((table, *key));
        }
        machine.work(table.batch.rows())?;
        let column = |place| table.batch.column_or_null(place, ScalarType::String);
        let (from, to) = (column(source.from), column(source.to));
        let ends = from.values().zip(to.values());
        let ends = ends.map(|(from, to)| (register.add(from, None), register.add(to, None))).collect();
        let own = source.node_columns.len();
        let columns =
            source.node_columns.iter().take(own).map(|column| node_column(column, &tables, &register));
        let nodes = Batch::new(columns.collect(), register.known.len());
        machine.memory(register.known.len() * 64)?;
        let keys = register.known.into_values().map(|(key, _)| key).collect();
        let mut graph = Self { nodes, keys, edges: table.batch.clone(), ends };
        for step in &source.steps {
            graph.step(machine, (step, source), &table.schema)?;
        }
        Ok(graph)
    }

    fn step(
        &mut self,
        machine: &Machine<'_>,
        (step, source): (&GraphStep, &GraphSource),
        edge_schema: &Schema,
    ) -> Result<(), EvalError> {
        machine.work(self.keys.len() + self.ends.len())?;
        match step {
            GraphStep::Components(connection) => {
                let numbers = match connection {
                    Connection::Weak => parts::weak(self.keys.len(), &self.ends),
                    Connection::Strong => parts::strong(self.keys.len(), &self.ends),
                };
                let values = numbers.into_iter().map(|number| Value::from(i64::from(number)));
                let cells = Cells::from_values(ScalarType::Long, values);
                self.nodes = self.nodes.with_columns([Arc::new(cells)]);
            }
            GraphStep::WhereNodes(condition) => {
                let schema = source.node_columns.iter().cloned().collect();
                let kept = kept(machine, condition, &self.nodes, &schema)?;
                self.keep_nodes(&kept);
            }
            GraphStep::WhereEdges(condition) => {
                let kept = kept(machine, condition, &self.edges, edge_schema)?;
                self.keep_edges(&kept);
            }
        }
        Ok(())
    }

    fn keep_edges(&mut self, kept: &[u32]) {
        self.edges = self.edges.gather(kept);
        self.ends = kept.iter().filter_map(|edge| self.ends.get(*edge as usize)).copied().collect();
    }

    fn keep_nodes(&mut self, kept: &[u32]) {
        let mut places = vec![None; self.keys.len()];
        for (place, node) in kept.iter().enumerate() {
            if let Some(slot) = places.get_mut(*node as usize) {
                *slot = Some(row_number(place));
            }
        }
        let place = |node: u32| places.get(node as usize).copied().flatten();
        let moved: Vec<Option<(u32, u32)>> =
            self.ends.iter().map(|(from, to)| place(*from).zip(place(*to))).collect();
        let edges: Vec<u32> =
            (0_u32..).zip(&moved).filter(|(_, ends)| ends.is_some()).map(|(edge, _)| edge).collect();
        self.edges = self.edges.gather(&edges);
        self.ends = moved.into_iter().flatten().collect();
        self.keys = kept.iter().filter_map(|node| self.keys.get(*node as usize)).cloned().collect();
        self.nodes = self.nodes.gather(kept);
    }
}

fn kept(
    machine: &Machine<'_>,
    condition: &Expr,
    batch: &Batch,
    schema: &Schema,
) -> Result<Vec<u32>, EvalError> {
    let table = Table { schema: schema.clone(), batch: batch.clone() };
    let truths = eval(machine, condition, &table)?;
    let is_true = |row: &usize| to_bool(&truths.get(*row)) == Some(true);
    Ok((0..batch.rows()).filter(is_true).map(row_number).collect())
}

/// A column of the nodes: from the first table that has a row for the node. Where there is none,
/// only the name of the node is known.
fn node_column(column: &Column, tables: &[(Table, usize)], register: &Register) -> Arc<Cells> {
    let places: Vec<(Option<usize>, usize)> =
        tables.iter().map(|(table, key)| (table.schema.find(&column.name), *key)).collect();
    let is_key = places.first().is_none_or(|(place, key)| *place == Some(*key));
    let values = register.known.values().map(|(key, row)| match row {
        Some((index, row)) => tables
            .get(*index)
            .zip(places.get(*index).and_then(|(place, _)| *place))
            .and_then(|((table, _), place)| table.batch.value(*row as usize, place))
            .unwrap_or_else(|| Value::null(column.ty)),
        None if is_key => key.clone(),
        None => Value::null(column.ty),
    });
    Arc::new(Cells::from_values(column.ty, values))
}
