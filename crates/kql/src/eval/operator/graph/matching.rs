//! The ways a pattern fits a graph.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::super::super::EvalError;
use super::super::super::machine::Machine;
use super::build::Graph;
use super::row::{Layout, Rows};
use crate::plan::{Direction, EdgePattern, Expr, ExprKind, GraphMatch, PatternElement, Shortest};

/// What an element of a pattern stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bound {
    /// A node.
    Node(u32),
    /// Edges, and the nodes between them.
    Path(Vec<u32>, Vec<u32>),
}

/// What the elements stand for, as far as they are known. Elements of the same name share a place.
pub(super) type Match = Vec<Option<Bound>>;

/// A way through the graph: its edges, the nodes each of them leaves, and where it has come to.
type Way = (Vec<u32>, Vec<u32>, u32);

/// Which ways may come back to where they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cycles {
    /// No edge is used twice.
    UniqueEdges,
    /// No node is met twice.
    None,
    /// All.
    All,
}

/// Finds all matches.
pub(super) fn find(machine: &Machine<'_>, plan: &GraphMatch, graph: &Graph) -> Result<Vec<Match>, EvalError> {
    let cycles = match plan.cycles.as_deref() {
        Some("all") => Cycles::All,
        Some("none") => Cycles::None,
        _ => Cycles::UniqueEdges,
    };
    let layout = Layout::new(plan);
    let mut search = Search::new(machine, (plan, graph), layout, cycles)?;
    let mut matches = vec![vec![None; search.layout.places()]];
    let mut place = 0;
    for pattern in &plan.patterns {
        let mut before = None;
        let mut elements = pattern.iter();
        while let Some(element) = elements.next() {
            let slot = search.layout.slot(place);
            matches = match element {
                PatternElement::Node(_) => search.first_nodes(matches, slot)?,
                PatternElement::Edge(edge) => {
                    elements.next();
                    place += 1;
                    let target = search.layout.slot(place);
                    let from = before.unwrap_or(0);
                    search.edges(matches, edge, [from, slot, target])?
                }
            };
            before = Some(search.layout.slot(place));
            place += 1;
            matches = search.filter(matches)?;
        }
    }
    search.rows.machine().work(matches.len())?;
    Ok(match plan.shortest {
        None => matches,
        Some(which) => search.shortest(matches, which),
    })
}

struct Search<'a, 'b> {
    rows: Rows<'a, 'b>,
    graph: &'a Graph,
    layout: Layout,
    cycles: Cycles,
    /// Edges that leave each node, edges that reach it.
    leaving: Vec<Vec<u32>>,
    reaching: Vec<Vec<u32>>,
    /// Parts of the condition that have not been tested yet, and the columns they read.
    conditions: Vec<(&'a Expr, Vec<usize>)>,
    known: Vec<bool>,
}

impl<'a, 'b> Search<'a, 'b> {
    fn new(
        machine: &'a Machine<'b>,
        (plan, graph): (&'a GraphMatch, &'a Graph),
        layout: Layout,
        cycles: Cycles,
    ) -> Result<Self, EvalError> {
        let mut leaving = vec![Vec::new(); graph.keys.len()];
        let mut reaching = vec![Vec::new(); graph.keys.len()];
        for (edge, (from, to)) in (0_u32..).zip(&graph.ends) {
            if let Some(list) = leaving.get_mut(*from as usize) {
                list.push(edge);
            }
            if let Some(list) = reaching.get_mut(*to as usize) {
                list.push(edge);
            }
        }
        let parts = match plan.condition.as_ref().map(|condition| (condition, &condition.kind)) {
            Some((_, ExprKind::And(parts))) => parts.iter().collect(),
            Some((condition, _)) => vec![condition],
            None => Vec::new(),
        };
        let conditions = parts.into_iter().map(|part| (part, columns(part))).collect();
        let known = vec![false; layout.places()];
        let rows = Rows::new(machine, plan, graph)?;
        Ok(Self { rows, graph, layout, cycles, leaving, reaching, conditions, known })
    }

    fn learn(&mut self, slot: usize) {
        if let Some(known) = self.known.get_mut(slot) {
            *known = true;
        }
    }

    fn first_nodes(&mut self, matches: Vec<Match>, slot: usize) -> Result<Vec<Match>, EvalError> {
        self.learn(slot);
        let mut result = Vec::new();
        for known in matches {
            if known.get(slot).is_some_and(Option::is_some) {
                result.push(known);
                continue;
            }
            self.rows.machine().work(self.graph.keys.len())?;
            for node in 0..self.graph.keys.len() {
                result.push(with(&known, slot, Bound::Node(super::super::row_number(node))));
            }
            self.rows.machine().rows(result.len())?;
        }
        Ok(result)
    }

    /// Follows an edge, or a way of several, from one element of the pattern to another.
    fn edges(
        &mut self,
        matches: Vec<Match>,
        edge: &EdgePattern,
        slots: [usize; 3],
    ) -> Result<Vec<Match>, EvalError> {
        let [from, via, to] = slots;
        self.learn(via);
        self.learn(to);
        let hops = edge.hops.unwrap_or((1, 1));
        let mut result = Vec::new();
        for known in matches {
            let Some(Some(Bound::Node(start))) = known.get(from) else { continue };
            let end = match known.get(to) {
                Some(Some(Bound::Node(end))) => Some(*end),
                _ => None,
            };
            let used = used(&known);
            let mut ways: Vec<Way> = vec![(Vec::new(), Vec::new(), *start)];
            for length in 0..=hops.1 {
                if length >= hops.0 {
                    for (edges, nodes, last) in &ways {
                        if end.is_none_or(|end| end == *last) {
                            let inner = nodes.get(1..).unwrap_or_default().to_vec();
                            let path = with(&known, via, Bound::Path(edges.clone(), inner));
                            result.push(with(&path, to, Bound::Node(*last)));
                        }
                    }
                    self.rows.machine().rows(result.len())?;
                }
                if length < hops.1 {
                    ways = self.longer(ways, edge.direction, &used)?;
                }
                if ways.is_empty() {
                    break;
                }
            }
        }
        Ok(result)
    }

    /// Goes one edge further.
    fn longer(
        &self,
        ways: Vec<Way>,
        direction: Option<Direction>,
        used: &(Vec<u32>, Vec<u32>),
    ) -> Result<Vec<Way>, EvalError> {
        let mut longer = Vec::new();
        for (edges, nodes, last) in ways {
            for (edge, next) in self.steps(last, direction) {
                let repeats = match self.cycles {
                    Cycles::All => false,
                    Cycles::UniqueEdges => edges.contains(&edge) || used.0.contains(&edge),
                    Cycles::None => next == last || nodes.contains(&next) || used.1.contains(&next),
                };
                if repeats {
                    continue;
                }
                let (mut edges, mut nodes) = (edges.clone(), nodes.clone());
                edges.push(edge);
                nodes.push(last);
                longer.push((edges, nodes, next));
            }
            self.rows.machine().work(edges.len() + 1)?;
            self.rows.machine().rows(longer.len())?;
        }
        Ok(longer)
    }

    fn steps(&self, node: u32, direction: Option<Direction>) -> Vec<(u32, u32)> {
        let end = |edge: &u32| self.graph.ends.get(*edge as usize).copied().unwrap_or_default();
        let there = self.leaving.get(node as usize).into_iter().flatten();
        let there = there.map(|edge| (*edge, end(edge).1));
        let back = self.reaching.get(node as usize).into_iter().flatten();
        let back = back.map(|edge| (*edge, end(edge).0));
        match direction {
            Some(Direction::Ascending) => there.collect(),
            Some(Direction::Descending) => back.collect(),
            None => there.chain(back.filter(|(_, other)| *other != node)).collect(),
        }
    }

    /// Tests the parts of the condition whose elements are all known now.
    fn filter(&mut self, matches: Vec<Match>) -> Result<Vec<Match>, EvalError> {
        let is_ready = |columns: &[usize]| {
            columns.iter().all(|column| match self.layout.slot_of_column(*column) {
                Some(slot) => self.known.get(slot) == Some(&true),
                None => self.known.iter().all(|known| *known),
            })
        };
        let (ready, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.conditions).into_iter().partition(|(_, columns)| is_ready(columns));
        self.conditions = later;
        if ready.is_empty() || matches.is_empty() {
            return Ok(matches);
        }
        let parts: Vec<&Expr> = ready.into_iter().map(|(part, _)| part).collect();
        let kept = self.rows.test(&parts, &matches)?;
        Ok(matches.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(known, _)| known).collect())
    }

    /// Keeps the matches with the fewest edges between their first and last nodes.
    fn shortest(&self, matches: Vec<Match>, which: Shortest) -> Vec<Match> {
        let last = self.layout.slot(self.layout.elements().saturating_sub(1));
        let ends = |known: &Match| {
            let node = |slot: usize| match known.get(slot) {
                Some(Some(Bound::Node(node))) => *node,
                _ => u32::MAX,
            };
            (node(self.layout.slot(0)), node(last))
        };
        let length = |known: &Match| -> usize {
            let lengths = known.iter().flatten().map(|bound| match bound {
                Bound::Node(_) => 0,
                Bound::Path(edges, _) => edges.len(),
            });
            lengths.sum()
        };
        let mut best: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        for known in &matches {
            let place = best.entry(ends(known)).or_insert(usize::MAX);
            *place = (*place).min(length(known));
        }
        let shortest = matches.into_iter().filter(|known| best.get(&ends(known)) == Some(&length(known)));
        match which {
            Shortest::All => shortest.collect(),
            Shortest::Any => {
                let mut first = IndexMap::new();
                for known in shortest {
                    first.entry(ends(&known)).or_insert(known);
                }
                first.into_values().collect()
            }
        }
    }
}

/// The edges and nodes that a match has used so far.
fn used(known: &Match) -> (Vec<u32>, Vec<u32>) {
    let (mut edges, mut nodes) = (Vec::new(), Vec::new());
    for bound in known.iter().flatten() {
        match bound {
            Bound::Node(node) => nodes.push(*node),
            Bound::Path(path, inner) => {
                edges.extend(path);
                nodes.extend(inner);
            }
        }
    }
    (edges, nodes)
}

fn with(known: &Match, slot: usize, bound: Bound) -> Match {
    let mut extended = known.clone();
    if let Some(place) = extended.get_mut(slot) {
        *place = Some(bound);
    }
    extended
}

/// The columns an expression reads.
fn columns(expr: &Expr) -> Vec<usize> {
    let mut columns: Vec<usize> = match &expr.kind {
        ExprKind::Column(place) => vec![*place],
        ExprKind::AnyColumn { columns, .. } => columns.clone(),
        _ => Vec::new(),
    };
    columns.extend(expr.operands().into_iter().flat_map(self::columns));
    columns
}
