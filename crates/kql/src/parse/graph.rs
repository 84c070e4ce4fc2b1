//! The graph operators.

use super::parser::Parser;
use crate::lex::Punct;
use crate::syntax::{Direction, GraphElement, GraphMatch, GraphOutput, MakeGraph, NodeTable};

/// Options of the operators that look for paths.
const MATCH_OPTIONS: &[&str] = &["cycles", "output", "kind"];
/// Options of an output of `graph-to-table`.
const OUTPUT_OPTIONS: &[&str] = &["with_node_id", "with_source_id", "with_target_id"];

impl Parser<'_> {
    pub(super) fn make_graph(&mut self) -> MakeGraph {
        let properties = self.properties(&[]);
        let source = self.name("the column of the source node");
        let direction = self.arrow();
        let target = self.name("the column of the target node");
        let mut nodes = Vec::new();
        let mut node_id = None;
        if self.is_word("with_node_id") {
            self.bump();
            self.expect(Punct::Assign);
            node_id = Some(self.name("the name for the node's key"));
        } else if self.eat_word("with") {
            nodes = self.commas(Self::node_table);
        }
        let partitioned_by = self.eat_word("partitioned-by").then(|| {
            let column = self.name("the column to partition by");
            self.expect(Punct::OpenParen);
            let start = self.start();
            let pipeline = self.sub_pipeline();
            self.close(Punct::CloseParen);
            let span = self.since(start);
            (
                column,
                Box::new(crate::syntax::Expr { kind: crate::syntax::ExprKind::Pipeline(pipeline), span }),
            )
        });
        MakeGraph { source, direction, target, nodes, node_id, partitioned_by, properties }
    }

    fn node_table(&mut self) -> NodeTable {
        let table = self.entity();
        self.expect_word("on");
        NodeTable { table, key: self.name("the key column of the node table") }
    }

    /// Reads `-->`, `<--` or `--`.
    fn arrow(&mut self) -> Direction {
        let left = self.eat(Punct::Lt);
        if !(self.expect(Punct::Minus) && self.expect(Punct::Minus)) {
            return Direction::Any;
        }
        let right = self.eat(Punct::Gt);
        direction((left, right))
    }

    pub(super) fn graph_match(&mut self) -> GraphMatch {
        let properties = self.properties(MATCH_OPTIONS);
        let patterns = self.commas(Self::graph_pattern);
        let condition = self.eat_word("where").then(|| Box::new(self.expr()));
        let project = self.eat_word("project").then(|| self.named_exprs());
        GraphMatch { properties, patterns, condition, project }
    }

    /// Reads `(a)-[b]->(c)`.
    fn graph_pattern(&mut self) -> Vec<GraphElement> {
        let mut elements = vec![self.graph_node()];
        while self.is(Punct::Minus) || self.is(Punct::Lt) {
            elements.push(self.graph_edge());
            elements.push(self.graph_node());
        }
        elements
    }

    fn graph_node(&mut self) -> GraphElement {
        if !self.expect(Punct::OpenParen) {
            return GraphElement::Node(None);
        }
        let name = self.name_if(|_| true);
        self.close(Punct::CloseParen);
        GraphElement::Node(name)
    }

    /// Reads `-->`, `<--`, `--`, `-[name]->`, `<-[name*1..3]-`.
    fn graph_edge(&mut self) -> GraphElement {
        let left = self.eat(Punct::Lt);
        self.expect(Punct::Minus);
        let mut name = None;
        let mut hops = None;
        if self.eat(Punct::OpenBracket) {
            name = self.name_if(|_| true);
            if self.eat(Punct::Star) {
                let low = Box::new(self.expr());
                self.expect(Punct::DotDot);
                hops = Some((low, Box::new(self.expr())));
            }
            self.close(Punct::CloseBracket);
        }
        self.expect(Punct::Minus);
        let right = self.eat(Punct::Gt);
        GraphElement::Edge { name, direction: direction((left, right)), hops }
    }

    /// Reads `nodes as Name with_node_id = id`.
    pub(super) fn graph_output(&mut self) -> GraphOutput {
        let what = self.name("`nodes` or `edges`");
        let alias = self.eat_word("as").then(|| self.name("the name for the table"));
        GraphOutput { what, alias, properties: self.properties(OUTPUT_OPTIONS) }
    }
}

/// Says which way an edge points from its two heads, left and right.
const fn direction(heads: (bool, bool)) -> Direction {
    match heads {
        (false, true) => Direction::Right,
        (true, false) => Direction::Left,
        _ => Direction::Any,
    }
}
