//! Visits every expression and every operator of a query.

use crate::syntax::{
    Expr, ExprKind, FindColumns, GraphElement, LetValue, Literal, LiteralKind, NamedExpr, Operator,
    OperatorKind, ParsePiece, Pipeline, Query, Statement, StatementKind,
};
use crate::text::Span;

/// Looks at the nodes of a query; parents come before children.
pub(super) trait Visit<'a> {
    /// Looks at an expression.
    fn expr(&mut self, _expr: &'a Expr) {}
    /// Looks at a pipeline.
    fn pipeline(&mut self, _pipeline: &'a Pipeline) {}
    /// Looks at an operator.
    fn operator(&mut self, _operator: &'a Operator) {}
}

/// Visits a whole query.
pub(super) fn query<'a>(query: &'a Query, visit: &mut impl Visit<'a>) {
    statements(&query.statements, visit);
}

fn statements<'a>(list: &'a [Statement], visit: &mut impl Visit<'a>) {
    for statement in list {
        match &statement.kind {
            StatementKind::Expression(node) => expr(node, visit),
            StatementKind::Let(binding) => match &binding.value {
                LetValue::Expr(value) => expr(value, visit),
                LetValue::Function(function) => {
                    statements(&function.body.statements, visit);
                    function.body.result.iter().for_each(|result| expr(result, visit));
                }
            },
            _ => {}
        }
    }
}

/// Visits an expression and all in it.
pub(super) fn expr<'a>(node: &'a Expr, visit: &mut impl Visit<'a>) {
    visit.expr(node);
    match &node.kind {
        ExprKind::Path { base, .. } => expr(base, visit),
        ExprKind::Index { base, index } => all([&**base, &**index], visit),
        ExprKind::Call { receiver, arguments, .. } => {
            if let Some(receiver) = receiver {
                expr(receiver, visit);
            }
            all(arguments.iter().map(|argument| &argument.value), visit);
        }
        ExprKind::Unary { operand, .. } => expr(operand, visit),
        ExprKind::Binary { left, right, .. } => all([&**left, &**right], visit),
        ExprKind::In { operand, list, .. } => {
            expr(operand, visit);
            all(list, visit);
        }
        ExprKind::Between { operand, low, high, .. } => all([&**operand, &**low, &**high], visit),
        ExprKind::Paren(inner) => expr(inner, visit),
        ExprKind::Pipeline(inner) => pipeline(inner, visit),
        ExprKind::DataTable { values, .. } => all(values, visit),
        ExprKind::ExternalData { uris, .. } => all(uris, visit),
        ExprKind::EntityGroup(items) => all(items, visit),
        ExprKind::Literal(_)
        | ExprKind::Dynamic(_)
        | ExprKind::Name(_)
        | ExprKind::Star
        | ExprKind::TypeOf(_)
        | ExprKind::Missing => {}
    }
}

fn all<'a>(nodes: impl IntoIterator<Item = &'a Expr>, visit: &mut impl Visit<'a>) {
    nodes.into_iter().for_each(|node| expr(node, visit));
}

fn named<'a>(items: impl IntoIterator<Item = &'a NamedExpr>, visit: &mut impl Visit<'a>) {
    items.into_iter().for_each(|item| expr(&item.expr, visit));
}

/// Visits a pipeline and all in it.
pub(super) fn pipeline<'a>(node: &'a Pipeline, visit: &mut impl Visit<'a>) {
    visit.pipeline(node);
    node.source.iter().for_each(|source| expr(source, visit));
    for operator in &node.operators {
        visit.operator(operator);
        inside(operator, visit);
    }
}

fn inside<'a>(operator: &'a Operator, visit: &mut impl Visit<'a>) {
    match &operator.kind {
        OperatorKind::Where(one)
        | OperatorKind::Invoke(one)
        | OperatorKind::Take(one)
        | OperatorKind::Sample(one) => {
            expr(one, visit);
        }
        OperatorKind::Extend(items)
        | OperatorKind::Project(items)
        | OperatorKind::ProjectRename(items)
        | OperatorKind::Serialize(items)
        | OperatorKind::Print(items) => named(items, visit),
        OperatorKind::Summarize(summarize) => {
            named(&summarize.aggregates, visit);
            named(summarize.by.iter().flatten(), visit);
        }
        OperatorKind::Distinct(distinct) => named(&distinct.columns, visit),
        OperatorKind::Sort { keys, .. } => named(keys.iter().map(|key| &key.expr), visit),
        OperatorKind::Top { count, keys, .. } => {
            expr(count, visit);
            named(keys.iter().map(|key| &key.expr), visit);
        }
        OperatorKind::Join(join) | OperatorKind::Lookup(join) => {
            expr(&join.right, visit);
            all(&join.on, visit);
        }
        OperatorKind::Union(union) => all(&union.tables, visit),
        OperatorKind::MvExpand(expand) => named(expand.expand.items.iter().map(|item| &item.expr), visit),
        OperatorKind::MvApply(apply) => {
            named(apply.expand.items.iter().map(|item| &item.expr), visit);
            pipeline(&apply.body, visit);
        }
        OperatorKind::Evaluate(evaluate) => expr(&evaluate.call, visit),
        _ => rarely(operator, visit),
    }
}

fn rarely<'a>(operator: &'a Operator, visit: &mut impl Visit<'a>) {
    match &operator.kind {
        OperatorKind::Parse(parse) | OperatorKind::ParseWhere(parse) => {
            expr(&parse.expr, visit);
            for piece in &parse.pieces {
                if let ParsePiece::Text(text) = piece {
                    expr(text, visit);
                }
            }
        }
        OperatorKind::ParseKv(parse) => expr(&parse.expr, visit),
        OperatorKind::MakeSeries(series) => {
            named(series.aggregates.iter().map(|aggregate| &aggregate.expr), visit);
            named([&series.on], visit);
            named(series.by.iter().flatten(), visit);
            all(series.range.from.iter().chain(&series.range.to), visit);
        }
        OperatorKind::Partition(partition) => all([&*partition.by, &*partition.body], visit),
        OperatorKind::Scan(scan) => {
            for step in &scan.steps {
                expr(&step.condition, visit);
                named(&step.assignments, visit);
            }
        }
        OperatorKind::Search(search) => {
            all(&search.tables, visit);
            expr(&search.predicate, visit);
        }
        OperatorKind::Find(find) => {
            all(&find.tables, visit);
            expr(&find.predicate, visit);
            if let FindColumns::Away(away) = &find.columns {
                all(away, visit);
            }
        }
        OperatorKind::Fork(branches) => {
            for (_, branch) in branches {
                pipeline(branch, visit);
            }
        }
        OperatorKind::Facet { by, with } => {
            all(by, visit);
            if let Some(with) = with {
                pipeline(with, visit);
            }
        }
        OperatorKind::MakeGraph(graph) => all(graph.nodes.iter().map(|node| &node.table), visit),
        OperatorKind::GraphMatch(matching) | OperatorKind::GraphShortestPaths(matching) => {
            for element in matching.patterns.iter().flatten() {
                if let GraphElement::Edge { hops: Some((low, high)), .. } = element {
                    all([&**low, &**high], visit);
                }
            }
            matching.condition.iter().for_each(|condition| expr(condition, visit));
            named(matching.project.iter().flatten(), visit);
        }
        OperatorKind::Range { from, to, step, .. } => {
            all([from, to].into_iter().chain(step), visit);
        }
        _ => {}
    }
}

/// Returns the name of a table that an expression reads, if it is nothing but a name or `table("name")`.
pub(super) fn table_named(node: &Expr) -> Option<(&str, Span)> {
    match &node.kind {
        ExprKind::Name(name) => Some((&name.text, name.span)),
        ExprKind::Call { receiver: None, name, arguments } if name.text == "table" => {
            match &arguments.first()?.value.kind {
                ExprKind::Literal(Literal { kind: LiteralKind::String(text), .. }) => Some((text, node.span)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Takes off parentheses.
pub(super) fn strip(node: &Expr) -> &Expr {
    let mut inner = node;
    while let ExprKind::Paren(next) = &inner.kind {
        inner = next;
    }
    inner
}
