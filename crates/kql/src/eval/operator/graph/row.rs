//! Rows made of matches: the columns of each element, then the values of calls over elements.

use std::sync::Arc;

use super::super::super::EvalError;
use super::super::super::expr::Frame;
use super::super::super::machine::Machine;
use super::super::row_number;
use super::build::Graph;
use super::matching::{Bound, Match};
use crate::plan::{ElementCall, Expr, GraphMatch, PatternElement};
use crate::types::{Column, ScalarType, Schema};
use crate::value::{Batch, Cells, Dynamic, Value, to_bool, to_dynamic};

/// Where the elements of a pattern have their places and columns.
pub(super) struct Layout {
    /// The place of each element; elements of the same name share one.
    slots: Vec<usize>,
    /// For each place: the name, what it is, its first column.
    places: Vec<Place>,
    width: usize,
}

struct Place {
    name: Option<String>,
    kind: Kind,
    first: usize,
    columns: Vec<Column>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Node,
    Edge,
    Path,
}

impl Layout {
    /// Lays out the row of a pattern as the plan expects it.
    pub(super) fn new(plan: &GraphMatch) -> Self {
        let mut layout = Self { slots: Vec::new(), places: Vec::new(), width: 0 };
        let components =
            plan.graph.steps.iter().filter(|step| matches!(step, crate::plan::GraphStep::Components(_)));
        let mut node_columns = plan.graph.node_columns.clone();
        node_columns.extend(components.map(|_| Column::new("", ScalarType::Long)));
        for element in plan.patterns.iter().flatten() {
            let (name, kind) = match element {
                PatternElement::Node(node) => (&node.name, Kind::Node),
                PatternElement::Edge(edge) if edge.hops.is_some() => (&edge.name, Kind::Path),
                PatternElement::Edge(edge) => (&edge.name, Kind::Edge),
            };
            let known = name.as_ref().and_then(|name| layout.place(name));
            layout.slots.push(known.unwrap_or(layout.places.len()));
            if known.is_some() {
                continue;
            }
            let columns = match (name, kind) {
                (None, _) => Vec::new(),
                (Some(_), Kind::Node) => node_columns.clone(),
                (Some(_), _) => plan.graph.edge_columns.clone(),
            };
            let first = layout.width;
            layout.width += columns.len();
            layout.places.push(Place { name: name.clone(), kind, first, columns });
        }
        layout
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.places.iter().position(|place| place.name.as_deref() == Some(name))
    }

    /// Returns how many elements the pattern has.
    pub(super) fn elements(&self) -> usize {
        self.slots.len()
    }

    /// Returns how many different elements the pattern has.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// Returns the place of an element.
    pub(super) fn slot(&self, element: usize) -> usize {
        self.slots.get(element).copied().unwrap_or(0)
    }

    /// Returns the place of the element that a column belongs to; nothing for values of calls.
    pub(super) fn slot_of_column(&self, column: usize) -> Option<usize> {
        if column >= self.width {
            return None;
        }
        self.places.iter().rposition(|place| place.first <= column && !place.columns.is_empty())
    }
}

/// Makes rows of matches.
pub(super) struct Rows<'a, 'b> {
    machine: &'a Machine<'b>,
    plan: &'a GraphMatch,
    graph: &'a Graph,
    layout: Layout,
}

impl<'a, 'b> Rows<'a, 'b> {
    /// Prepares making rows.
    pub(super) fn new(
        machine: &'a Machine<'b>,
        plan: &'a GraphMatch,
        graph: &'a Graph,
    ) -> Result<Self, EvalError> {
        let unknown = |call: &&ElementCall| matches!(call.function, "labels" | "node_id");
        if let Some(call) = plan.calls.iter().find(unknown) {
            return Err(EvalError::unsupported(call.function));
        }
        Ok(Self { machine, plan, graph, layout: Layout::new(plan) })
    }

    /// Returns what runs the query.
    pub(super) fn machine(&self) -> &'a Machine<'b> {
        self.machine
    }

    /// Makes the columns of the elements; those that are not known yet are null.
    fn elements(&self, matches: &[Match]) -> Result<Batch, EvalError> {
        let mut columns = Vec::with_capacity(self.layout.width);
        self.machine.work(matches.len() * (self.layout.width + 1))?;
        for (slot, place) in self.layout.places.iter().enumerate() {
            let bound = |known: &'_ Match| known.get(slot).cloned().flatten();
            let first = |known: &Match| match bound(known) {
                Some(Bound::Node(node)) => node,
                Some(Bound::Path(edges, _)) => edges.first().copied().unwrap_or(u32::MAX),
                None => u32::MAX,
            };
            let (batch, rows) = match place.kind {
                Kind::Node => (&self.graph.nodes, matches.iter().map(first).collect::<Vec<u32>>()),
                Kind::Edge => (&self.graph.edges, matches.iter().map(first).collect()),
                Kind::Path => (&self.graph.edges, Vec::new()),
            };
            for (index, column) in place.columns.iter().enumerate() {
                let cells = batch.column_or_null(index, column.ty);
                if place.kind != Kind::Path {
                    columns.push(Arc::new(cells.gather(&rows)));
                    continue;
                }
                let values = matches.iter().map(|known| match bound(known) {
                    Some(Bound::Path(edges, _)) => {
                        let values = edges.iter().map(|edge| to_dynamic(&cells.get(*edge as usize)));
                        Value::Dynamic(Dynamic::array(values.collect()))
                    }
                    _ => Value::Dynamic(Dynamic::Null),
                });
                let cells = Cells::from_values(ScalarType::Dynamic, values);
                self.machine.memory(cells.weight())?;
                columns.push(Arc::new(cells));
            }
        }
        Ok(Batch::new(columns, matches.len()))
    }

    /// Makes whole rows.
    pub(super) fn complete(&self, matches: &[Match]) -> Result<Batch, EvalError> {
        let elements = self.elements(matches)?;
        let calls: Result<Vec<Arc<Cells>>, EvalError> =
            self.plan.calls.iter().map(|call| self.call(call, &elements, matches)).collect();
        Ok(elements.with_columns(calls?))
    }

    /// Says for which matches all of the conditions are true.
    pub(super) fn test(&self, conditions: &[&Expr], matches: &[Match]) -> Result<Vec<bool>, EvalError> {
        let batch = self.complete(matches)?;
        let schema = Schema::default();
        let mut kept = vec![true; matches.len()];
        for condition in conditions {
            let truths = self.machine.eval(condition, &mut Frame::new(&batch, &schema))?;
            for (row, kept) in kept.iter_mut().enumerate() {
                *kept &= to_bool(&truths.get(row)) == Some(true);
            }
        }
        Ok(kept)
    }

    fn call(&self, call: &ElementCall, elements: &Batch, matches: &[Match]) -> Result<Arc<Cells>, EvalError> {
        let slot = self.layout.place(&call.element).unwrap_or(usize::MAX);
        let bound = |known: &Match| known.get(slot).cloned().flatten();
        if matches!(call.function, "node_degree_in" | "node_degree_out") {
            let is_in = call.function == "node_degree_in";
            let degree = |known: &Match| match bound(known) {
                Some(Bound::Node(node)) => {
                    let ends = self.graph.ends.iter();
                    let count =
                        ends.filter(|(from, to)| if is_in { *to == node } else { *from == node }).count();
                    Value::Long(i64::try_from(count).ok())
                }
                _ => Value::Long(None),
            };
            self.machine.work(matches.len().saturating_mul(self.graph.ends.len()))?;
            return Ok(Arc::new(Cells::from_values(ScalarType::Long, matches.iter().map(degree))));
        }
        // One row for each edge or node on the way of each match.
        let (mut outer, mut inner) = (Vec::new(), Vec::new());
        for (row, known) in matches.iter().enumerate() {
            let on_the_way = match bound(known) {
                Some(Bound::Path(edges, nodes)) => {
                    if call.inner_nodes {
                        nodes
                    } else {
                        edges
                    }
                }
                Some(Bound::Node(node)) => vec![node],
                None => Vec::new(),
            };
            outer.extend(on_the_way.iter().map(|_| row_number(row)));
            inner.extend(on_the_way);
        }
        self.machine.rows(outer.len())?;
        let is_node = self.layout.places.get(slot).is_some_and(|place| place.kind == Kind::Node);
        let source = if call.inner_nodes || is_node { &self.graph.nodes } else { &self.graph.edges };
        let source = source.gather(&inner);
        let columns = (0..source.width()).filter_map(|index| source.column(index)).cloned();
        let batch = elements.gather(&outer).with_columns(columns);
        let schema = Schema::default();
        let values = match &call.over {
            Some(over) => self.machine.eval(over, &mut Frame::new(&batch, &schema))?,
            None => return Err(EvalError::unsupported(call.function)),
        };
        let mut lists: Vec<Vec<Value>> = vec![Vec::new(); matches.len()];
        for (row, place) in outer.iter().enumerate() {
            if let Some(list) = lists.get_mut(*place as usize) {
                list.push(values.get(row));
            }
        }
        let is_true = |value: &Value| to_bool(value) == Some(true);
        let fold = |list: Vec<Value>| match call.function {
            "all" => Value::from(list.iter().all(is_true)),
            "any" => Value::from(list.iter().any(is_true)),
            _ => Value::Dynamic(Dynamic::array(list.iter().map(to_dynamic).collect())),
        };
        Ok(Arc::new(Cells::from_values(call.ty, lists.into_iter().map(fold))))
    }
}
