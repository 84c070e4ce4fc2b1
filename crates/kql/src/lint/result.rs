//! Does the result have what is read behind the query?

use super::walk::strip;
use super::{Context, MISSING_COLUMN, Need};
use crate::diagnostic::Diagnostic;
use crate::syntax::{ExprKind, Operator, OperatorKind, StatementKind};
use crate::text::Span;

/// Reports columns that are needed and not there. Says nothing if the columns of the result are
/// not known before it runs.
pub(super) fn needs(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let columns = &context.checked.bound.columns;
    if columns.open {
        return;
    }
    let place = place_of_columns(context);
    for need in &context.purpose.needs {
        if need.columns.iter().all(|name| columns.find(name).is_none()) {
            found.push(missing(context, need, place));
        }
    }
}

fn missing(context: &Context<'_>, need: &Need, place: Span) -> Diagnostic {
    let names: Vec<String> = need.columns.iter().map(|name| format!("`{name}`")).collect();
    let message = format!("the result has no column {}, needed by {}", names.join(" or "), need.by);
    let diagnostic = Diagnostic::error(MISSING_COLUMN, place, message);
    let columns = &context.checked.bound.columns.columns;
    let other_case = need
        .columns
        .iter()
        .find_map(|name| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)));
    match other_case {
        Some(column) => diagnostic.with_help(format!("there is a column `{}`: case matters", column.name)),
        None => diagnostic.with_help(
            "keep the column in `project`, or carry it through `summarize` with `by` or `arg_max`",
        ),
    }
}

/// Returns the place that decides on the columns: the last operator that names them, or else the
/// statement that gives the result.
fn place_of_columns(context: &Context<'_>) -> Span {
    let query = &context.checked.parsed.query;
    let last = query.statements.iter().rev().find_map(|statement| match &statement.kind {
        StatementKind::Expression(expr) => Some((statement.span, expr)),
        _ => None,
    });
    let Some((span, expr)) = last else { return query.span };
    let ExprKind::Pipeline(pipeline) = &strip(expr).kind else { return span };
    let decides = |operator: &&Operator| {
        matches!(
            operator.kind,
            OperatorKind::Project(_)
                | OperatorKind::ProjectAway(_)
                | OperatorKind::ProjectKeep(_)
                | OperatorKind::Summarize(_)
                | OperatorKind::Distinct(_)
                | OperatorKind::Count(_)
        )
    };
    pipeline.operators.iter().rev().find(decides).map_or(span, |operator| operator.span)
}
