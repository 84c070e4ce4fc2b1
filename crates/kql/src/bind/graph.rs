//! Graphs: `make-graph` and what can be done to its result.

use std::rc::Rc;
use std::sync::Arc;

use super::env::Binding;
use super::rows::{Rows, UniqueNames};
use super::source::Table;
use super::typed::Typed;
use super::{Binder, Scope, UNKNOWN_NAME, WRONG_PLACE, WRONG_TYPE};
use crate::catalogue::Form;
use crate::plan::{
    self, Connection, EdgePattern, ElementCall, ExprKind, GraphId, GraphPart, GraphSource, GraphStep,
    NodePattern, Operator, PatternElement, Shortest, SlotId, Source,
};
use crate::syntax::{self, Expr, GraphElement, Name, NamedExpr, OperatorKind};
use crate::text::Span;
use crate::types::{ScalarType, Shape};

/// Functions that take an element of a graph pattern.
const OF_ELEMENTS: [&str; 8] =
    ["all", "any", "map", "inner_nodes", "node_degree_in", "node_degree_out", "node_id", "labels"];

/// A graph: its edges are rows of a slot.
#[derive(Debug, Clone)]
pub(super) struct Graph {
    edges: Rc<Rows>,
    nodes: Rc<Rows>,
    source: GraphSource,
    slot: SlotId,
}

/// The pattern being bound: where values of calls over elements go.
#[derive(Debug)]
pub(super) struct Matching {
    nodes: Rc<Rows>,
    /// How many columns the elements have together.
    width: usize,
    calls: Vec<ElementCall>,
    /// Whether this is the inside of such a call.
    inside: bool,
}

/// An element of a pattern by name, and whether it stands for a path.
struct Element<'a> {
    name: &'a Name,
    rows: Rc<Rows>,
    is_path: bool,
}

impl<'a> Binder<'a> {
    /// `make-graph`: the rows so far are the edges.
    pub(super) fn make_graph(&mut self, table: &mut Table, make: &'a syntax::MakeGraph) {
        let rows = self.scope.rows.clone().unwrap_or_default();
        let from = self.node_key(&make.source, &rows);
        let to = self.node_key(&make.target, &rows);
        let mut nodes = Rows::default();
        let mut tables = Vec::new();
        for node in &make.nodes {
            let bound = self.with_scope(Scope::default(), |binder| binder.table(&node.table));
            let key = self.node_key(&node.key, &bound.rows);
            for column in &bound.rows.columns {
                if nodes.find(&column.name).is_none() {
                    nodes.columns.push(column.clone());
                }
            }
            nodes.open |= bound.rows.open;
            tables.push((bound.into_pipeline(), key));
        }
        if let Some(name) = &make.node_id {
            let shape = rows.columns.get(from).map_or(Shape::UNKNOWN, |column| column.shape.clone());
            let column = self.ids.column(name.text.as_str(), shape);
            nodes.columns.push(column);
        }
        let (from, to) = if make.direction == syntax::Direction::Left { (to, from) } else { (from, to) };
        let source = GraphSource {
            from,
            to,
            nodes: tables,
            node_columns: nodes.schema().columns,
            edge_columns: rows.schema().columns,
            steps: Vec::new(),
        };
        let mut edges = std::mem::replace(table, Table::broken());
        edges.rows = rows.clone();
        let slot = self.table_slot(edges);
        let graph = Graph { edges: Rc::new(rows), nodes: Rc::new(nodes), source, slot };
        *table = Self::graph_table(&Rc::new(graph));
        if make.partitioned_by.is_some() {
            table.unsupported("make-graph with partitioned-by");
        }
    }

    fn node_key(&mut self, name: &Name, rows: &Rows) -> usize {
        let Some((index, column)) = rows.find(&name.text) else {
            if !rows.open && !name.text.is_empty() {
                self.error(UNKNOWN_NAME, name.span, format!("`{}` is no column here", name.text));
            }
            return 0;
        };
        if column.shape.is_dynamic() {
            self.error(WRONG_TYPE, name.span, "the key of a node cannot be dynamic");
        }
        index
    }

    fn graph_table(graph: &Rc<Graph>) -> Table {
        let rows = (*graph.edges).clone();
        Table { graph: Some(Rc::clone(graph)), ..Table::new(Source::Slot(graph.slot, rows.schema()), rows) }
    }

    /// Makes the table that stands for a graph with a name.
    pub(super) fn graph_named(graph: &Rc<Graph>) -> Table {
        Self::graph_table(graph)
    }

    /// Binds an operator behind a graph.
    pub(super) fn graph_stage(&mut self, table: &mut Table, operator: &'a syntax::Operator) {
        let Some(graph) = table.graph.take() else {
            return;
        };
        match &operator.kind {
            OperatorKind::GraphMatch(matching) => self.graph_match(table, &graph, matching, None),
            OperatorKind::GraphShortestPaths(matching) => {
                let all = super::stage::option(&matching.properties, "output") == Some("all");
                let paths = if all { Shortest::All } else { Shortest::Any };
                self.graph_match(table, &graph, matching, Some(paths));
            }
            OperatorKind::GraphToTable(outputs) => self.graph_to_table(table, &graph, outputs),
            OperatorKind::GraphWhereNodes(condition) => {
                let kept = self.graph_condition(&graph.nodes, condition);
                table.graph = Some(Rc::new(graph.with_step(GraphStep::WhereNodes(kept))));
            }
            OperatorKind::GraphWhereEdges(condition) => {
                let kept = self.graph_condition(&graph.edges, condition);
                table.graph = Some(Rc::new(graph.with_step(GraphStep::WhereEdges(kept))));
            }
            OperatorKind::GraphMarkComponents(properties) => {
                let name = super::stage::option(properties, "with_component_id").unwrap_or("ComponentId");
                let column = self.ids.column(name, Shape::of(ScalarType::Long));
                let is_strong = super::stage::option(properties, "kind") == Some("strong");
                let connection = if is_strong { Connection::Strong } else { Connection::Weak };
                let mut marked = graph.with_step(GraphStep::Components(connection));
                Rc::make_mut(&mut marked.nodes).columns.push(column);
                table.graph = Some(Rc::new(marked));
            }
            OperatorKind::As { .. } => table.graph = Some(graph),
            _ => {
                self.error(WRONG_PLACE, operator.keyword, "the operator needs a table, this is a graph");
                *table = Table::broken();
            }
        }
    }

    fn graph_condition(&mut self, rows: &Rows, condition: &'a Expr) -> plan::Expr {
        self.with_scope(Scope::of(rows.clone()), |binder| binder.condition(condition).expr)
    }

    fn graph_match(
        &mut self,
        table: &mut Table,
        graph: &Rc<Graph>,
        matching: &'a syntax::GraphMatch,
        shortest: Option<Shortest>,
    ) {
        let elements = Self::elements(graph, matching);
        let mut rows = Rows::default();
        let saved = self.env.clone();
        for element in &elements {
            let offset = rows.columns.len();
            rows.columns.extend(element.rows.columns.iter().cloned());
            let shown = if element.is_path { path_rows(&element.rows) } else { Rc::clone(&element.rows) };
            self.env.bind(&element.name.text, Binding::Element(offset, shown));
        }
        let scope = Scope { known: rows.columns.len(), ..Scope::default() };
        let inside = Matching {
            nodes: Rc::clone(&graph.nodes),
            width: rows.columns.len(),
            calls: Vec::new(),
            inside: false,
        };
        let outer = self.matching.replace(inside);
        let (condition, projected) = self.with_scope(scope, |binder| {
            let condition = matching.condition.as_deref().map(|condition| binder.condition(condition).expr);
            let items = matching.project.iter().flatten();
            let projected: Vec<(Arc<str>, Typed)> = items.map(|item| binder.graph_column(item)).collect();
            (condition, projected)
        });
        self.env = saved;
        let calls = std::mem::replace(&mut self.matching, outer).map(|matching| matching.calls);
        if matching.project.is_none() {
            table.unsupported("graph-match without project");
            table.graph = Some(Rc::clone(graph));
            return;
        }
        let mut names = UniqueNames::default();
        let mut result = Rows::default();
        let mut outputs = Vec::new();
        for (name, typed) in projected {
            let column = self.ids.column(names.get(&name), typed.shape);
            result.columns.push(column);
            outputs.push(typed.expr);
        }
        let cycles = matching.properties.iter().find(|property| property.name.text == "cycles");
        let plan = plan::GraphMatch {
            graph: graph.source.clone(),
            patterns: matching.patterns.iter().map(|pattern| pattern_plan(pattern)).collect(),
            condition,
            outputs,
            cycles: cycles
                .and_then(|property| super::stage::property_text(&property.value))
                .map(str::to_owned),
            calls: calls.unwrap_or_default(),
            shortest,
        };
        table.push(Operator::GraphMatch(Box::new(plan)), result);
    }

    fn elements(graph: &Graph, matching: &'a syntax::GraphMatch) -> Vec<Element<'a>> {
        let mut elements: Vec<Element<'a>> = Vec::new();
        for element in matching.patterns.iter().flatten() {
            let (name, rows, is_path) = match element {
                GraphElement::Node(Some(name)) => (name, &graph.nodes, false),
                GraphElement::Edge { name: Some(name), hops, .. } => (name, &graph.edges, hops.is_some()),
                GraphElement::Node(None) | GraphElement::Edge { name: None, .. } => continue,
            };
            if elements.iter().all(|known| known.name.text != name.text) {
                elements.push(Element { name, rows: Rc::clone(rows), is_path });
            }
        }
        elements
    }

    /// A column of a match: `e.Name` is called `e_Name`.
    fn graph_column(&mut self, item: &'a NamedExpr) -> (Arc<str>, Typed) {
        let typed = self.scalar(&item.expr);
        let name = match item.names.first() {
            Some(name) => Arc::from(name.text.as_str()),
            None => match graph_name(&item.expr) {
                Some(name) => name.into(),
                None => typed.name.clone().unwrap_or_else(|| self.unnamed_column()),
            },
        };
        (name, typed)
    }

    fn graph_to_table(&mut self, table: &mut Table, graph: &Graph, outputs: &'a [syntax::GraphOutput]) {
        let mut results = Vec::new();
        for output in outputs {
            let (rows, part) = match output.what.text.as_str() {
                "nodes" => (&graph.nodes, GraphPart::Nodes),
                _ => (&graph.edges, GraphPart::Edges),
            };
            let (mut columns, mut ids) = (Vec::new(), Vec::new());
            for (option, id) in [
                ("with_source_id", GraphId::Source),
                ("with_target_id", GraphId::Target),
                ("with_node_id", GraphId::Node),
            ] {
                if let Some(name) = super::stage::option(&output.properties, option) {
                    columns.push(self.ids.column(name, Shape::of(ScalarType::Long)));
                    ids.push(id);
                }
            }
            columns.extend(rows.columns.iter().cloned());
            let operator = Operator::GraphToTable(Box::new(graph.source.clone()), part, ids);
            results.push((Rows { columns, open: rows.open }, operator, output.alias.as_ref()));
        }
        let source = std::mem::replace(&mut table.pipeline.source, Source::Broken);
        for (rows, operator, alias) in results.iter().rev() {
            let mut result = Table::new(source.clone(), (*graph.edges).clone());
            result.pipeline.stages.extend(table.pipeline.stages.iter().cloned());
            result.push(operator.clone(), rows.clone());
            match alias.filter(|_| results.len() > 1) {
                Some(alias) => {
                    let bound = self.bind_table(result);
                    self.env.bind(&alias.text, bound);
                }
                None => *table = result,
            }
        }
        if results.len() > 1
            && let Some((rows, operator, _)) = results.first()
        {
            *table = Table::new(source, (*graph.edges).clone());
            table.push(operator.clone(), rows.clone());
        }
    }

    /// How many edges a path has: each of its columns is an array of so many values. Nothing if the argument is
    /// no path; keys are never dynamic, so that a single node or edge has a column that is no array.
    fn path_length(&self, arguments: &'a [syntax::Argument], span: Span) -> Option<Typed> {
        let [only] = arguments else { return None };
        let syntax::ExprKind::Name(name) = &only.value.kind else { return None };
        let Some(Binding::Element(offset, rows)) = self.env.find(&name.text) else { return None };
        let is_path = !rows.columns.is_empty()
            && rows.columns.iter().all(|column| matches!(column.shape, Shape::Array(_)));
        let first = rows.columns.first().filter(|_| is_path)?;
        let edges = Typed::new(ExprKind::Column(*offset), first.shape.clone(), span);
        let kind = ExprKind::Call { function: "array_length", args: vec![edges.expr] };
        Some(Typed::new(kind, Shape::of(ScalarType::Long), span).with_form(Form::Scalar))
    }

    /// Calls of functions over elements of a pattern; nothing if it is none.
    pub(super) fn element_call(
        &mut self,
        name: &Name,
        arguments: &'a [syntax::Argument],
        span: Span,
    ) -> Option<Typed> {
        if name.text == "array_length" {
            return self.path_length(arguments, span);
        }
        if !OF_ELEMENTS.contains(&name.text.as_str()) {
            return None;
        }
        let first = arguments.first();
        let (mut element, mut is_inner) = (first.map(|argument| &argument.value), false);
        if let Some(syntax::ExprKind::Call { name, arguments, .. }) = element.map(|expr| &expr.kind)
            && name.text == "inner_nodes"
        {
            element = arguments.first().map(|argument| &argument.value);
            is_inner = true;
        }
        let (element, rows) = match element.map(|expr| &expr.kind) {
            Some(syntax::ExprKind::Name(name)) => match self.env.find(&name.text) {
                Some(Binding::Element(_, rows)) => (&name.text, Rc::clone(rows)),
                _ => return None,
            },
            _ => return None,
        };
        let function = crate::catalogue::function(&name.text)?.canonical;
        let matching = self.matching.as_mut()?;
        let nested = std::mem::replace(&mut matching.inside, true);
        let mut columns = vec![self.ids.column("", Shape::UNKNOWN); matching.width];
        columns.extend(if is_inner { matching.nodes.columns.clone() } else { element_columns(&rows) });
        let open = rows.open || (is_inner && matching.nodes.open);
        let over = arguments.get(1).map(|argument| {
            self.with_scope(Scope::of(Rows { columns, open }), |binder| binder.scalar(&argument.value))
        });
        let shape = match name.text.as_str() {
            "all" | "any" => Shape::of(ScalarType::Bool),
            "node_degree_in" | "node_degree_out" => Shape::of(ScalarType::Long),
            "node_id" => Shape::of(ScalarType::String),
            "map" => over.as_ref().map_or(Shape::DYNAMIC, |over| Shape::array(&over.shape)),
            _ => Shape::array(&Shape::DYNAMIC),
        };
        let matching = self.matching.as_mut()?;
        matching.inside = nested;
        if nested {
            // There is no place for a value within a value.
            let kind = ExprKind::Call { function, args: Vec::new() };
            return Some(Typed::new(kind, shape, span).with_form(Form::Scalar));
        }
        let place = matching.width + matching.calls.len();
        matching.calls.push(ElementCall {
            function,
            element: element.clone(),
            inner_nodes: is_inner,
            over: over.map(|over| over.expr),
            ty: shape.scalar(),
        });
        Some(Typed::new(ExprKind::Column(place), shape, span).with_form(Form::Scalar))
    }
}

impl Graph {
    fn with_step(&self, step: GraphStep) -> Self {
        let mut graph = self.clone();
        graph.source.steps.push(step);
        graph
    }
}

/// Columns of a path are arrays: one element for each edge.
fn path_rows(rows: &Rows) -> Rc<Rows> {
    let mut rows = rows.clone();
    for column in &mut rows.columns {
        column.shape = Shape::array(&column.shape);
    }
    Rc::new(rows)
}

fn element_columns(rows: &Rows) -> Vec<super::rows::Col> {
    let mut columns = rows.columns.clone();
    for column in &mut columns {
        if let Shape::Array(element) = &column.shape {
            column.shape = (**element).clone();
        }
    }
    columns
}

fn graph_name(expr: &Expr) -> Option<String> {
    match &expr.kind {
        syntax::ExprKind::Path { base, name } => {
            let base = graph_name(base)?;
            Some(format!("{base}_{}", name.text))
        }
        syntax::ExprKind::Index { base, index } => {
            let base = graph_name(base)?;
            match &index.kind {
                syntax::ExprKind::Literal(literal) => match &literal.kind {
                    syntax::LiteralKind::String(text) => Some(format!("{base}_{text}")),
                    syntax::LiteralKind::Long(number) => Some(format!("{base}_{number}")),
                    _ => None,
                },
                _ => None,
            }
        }
        syntax::ExprKind::Name(name) => Some(name.text.clone()),
        _ => None,
    }
}

fn pattern_plan(pattern: &[GraphElement]) -> Vec<PatternElement> {
    pattern
        .iter()
        .map(|element| match element {
            GraphElement::Node(name) => {
                PatternElement::Node(NodePattern { name: name.as_ref().map(|name| name.text.clone()) })
            }
            GraphElement::Edge { name, direction, hops } => PatternElement::Edge(EdgePattern {
                name: name.as_ref().map(|name| name.text.clone()),
                direction: match direction {
                    syntax::Direction::Right => Some(plan::Direction::Ascending),
                    syntax::Direction::Left => Some(plan::Direction::Descending),
                    syntax::Direction::Any => None,
                },
                hops: hops.as_ref().and_then(|(low, high)| Some((hop(low)?, hop(high)?))),
            }),
        })
        .collect()
}

fn hop(expr: &Expr) -> Option<u32> {
    match &expr.kind {
        syntax::ExprKind::Literal(literal) => match literal.kind {
            syntax::LiteralKind::Long(number) => u32::try_from(number).ok(),
            _ => None,
        },
        _ => None,
    }
}
