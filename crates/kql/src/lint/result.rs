//! Does the result have what is read behind the query?

use super::{Context, MISSING_COLUMN, Need};
use crate::diagnostic::Diagnostic;
use crate::syntax::StatementKind;
use crate::text::Span;

/// Reports columns that are needed and not there. Says nothing if the columns of the result are
/// not known before it runs.
pub(super) fn needs(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let columns = &context.checked.bound.columns;
    if columns.open {
        return;
    }
    let place = last_statement(context);
    for need in &context.purpose.needs {
        if need.columns.iter().all(|name| columns.find(name).is_none()) {
            found.push(missing(context, need, place));
        }
    }
}

fn missing(context: &Context<'_>, need: &Need, place: Span) -> Diagnostic {
    let names: Vec<String> = need.columns.iter().map(|name| format!("`{name}`")).collect();
    let message = format!("the result has no column {}, which {} needs", names.join(" or "), need.by);
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

/// Returns the place of the statement that gives the result.
fn last_statement(context: &Context<'_>) -> Span {
    let statements = &context.checked.parsed.query.statements;
    let last =
        statements.iter().rev().find(|statement| matches!(statement.kind, StatementKind::Expression(_)));
    last.map_or(context.checked.parsed.query.span, |statement| statement.span)
}
