//! The hunting query: what is wrong with it, and what the rest of the playbook may read of its rows.

use indexmap::IndexMap;
use jiff::SignedDuration;

use super::Queries;
use super::names::Lowering;
use crate::diag::{Code, Diagnostic, Problem, Suggestion};
use crate::expr::{self, Holds, Others};
use crate::kql::{self, Columns, Pace, Parameters, Purpose, Query, Schema};
use crate::playbook::{ColumnType, Tenants};

/// The number of the query library for a table that is read without a limit in time. Which limit is best is
/// another question in a playbook than elsewhere.
const NO_TIME_FILTER: u16 = 300;

/// Reads the query of a hunt, so that the rest can be checked against the columns of its rows.
pub(super) fn read<'q>(
    lowering: &mut Lowering<'_>,
    (query, parameters): (&'q str, &Parameters),
    queries: &'q Queries,
) -> Option<Query<'q>> {
    let schema = match queries {
        Queries::Checked(schema) | Queries::CheckedWithoutPeriod(schema, _) if is_query(lowering, query) => {
            schema
        }
        Queries::Checked(_) | Queries::CheckedWithoutPeriod(..) | Queries::Trusted => {
            lowering.columns = declared(lowering).map(|columns| expr::Columns::named(columns.into_keys()));
            return None;
        }
    };
    let query = Query::read_with(query, schema, parameters);
    let declared = declared(lowering);
    let given = query.columns().into_iter().flat_map(|given| given.known);
    lowering.types = given.map(|column| (column.name, column.ty)).collect();
    let doubt = if query.has_errors() { Holds::Doubt } else { Holds::Anything };
    lowering.columns = match (query.columns(), declared) {
        (Some(given), None) if given.open => None,
        (None, None) => None,
        (Some(given), declared) => {
            let declared = declared.unwrap_or_default();
            if !query.has_errors() {
                check_declared(lowering, &given, &declared);
            }
            Some(known(&given, &declared, doubt))
        }
        (None, Some(declared)) => Some(expr::Columns::named(declared.into_keys())),
    };
    Some(query)
}

/// Reports what is wrong with a query, once it is known what is read of its rows.
pub(super) fn check(lowering: &mut Lowering<'_>, query: &Query<'_>, period: Option<SignedDuration>) {
    let needs = lowering.readers.iter().map(|(column, readers)| {
        let readers: Vec<&str> = readers.iter().map(String::as_str).collect();
        (column.clone(), listed(&readers))
    });
    let period = if lacks_period(lowering) { None } else { period };
    let purpose = Purpose { needs: needs.collect(), period, pace: Pace::Timetable };
    let problems = query.problems(&purpose).into_iter().map(|problem| in_playbook(lowering, problem));
    let problems = problems.collect();
    lowering.problems("/hunt/query", problems);
}

/// Whether the playbook is for a tenant whose API takes no period.
fn lacks_period(lowering: &Lowering<'_>) -> bool {
    let Queries::CheckedWithoutPeriod(_, without) = &lowering.world.queries else { return false };
    without.iter().any(|tenant| match &lowering.document.playbook.tenants {
        None => true,
        Some(Tenants::Named(names)) => names.contains(tenant),
        Some(Tenants::Tagged(tagged)) => {
            let tags = lowering.world.tenants.get(tenant);
            tags.is_some_and(|tags| tagged.tags.iter().any(|tag| tags.contains(tag)))
        }
    })
}

/// Puts a problem of a query so that it fits a playbook.
fn in_playbook(lowering: &Lowering<'_>, problem: Problem) -> Problem {
    if problem.code == Code::Kql(NO_TIME_FILTER) {
        let help = if lacks_period(lowering) {
            "compare `Timestamp` with `ago(...)`: a tenant with `hunting: xdr` is not sent `queryPeriod`"
        } else {
            "set `queryPeriod`, which the query is sent with, or compare `Timestamp` with `ago(...)`"
        };
        return Problem { suggestion: None, help: vec![help.to_owned()], ..problem };
    }
    let suggestion = problem.suggestion.and_then(|mend| {
        let replacement = lowering.document.tree.quoted("/hunt/query", &mend.replacement)?;
        Some(Suggestion { replacement, ..mend })
    });
    Problem { suggestion, ..problem }
}

/// Reads a query whose playbook is refused anyway.
pub(super) fn read_alone<'q>(
    lowering: &mut Lowering<'_>,
    (query, parameters): (&'q str, &Parameters),
    schema: &'q Schema,
) -> Option<Query<'q>> {
    // That there is nothing, its shape says.
    if query.is_empty() || !is_query(lowering, query) {
        return None;
    }
    let query = Query::read_with(query, schema, parameters);
    let doubt = if query.has_errors() { Holds::Doubt } else { Holds::Anything };
    let given = query.columns().filter(|given| !given.open);
    lowering.columns = given.map(|given| known(&given, &IndexMap::new(), doubt));
    Some(query)
}

/// Whether there is a query at all, and nothing but a query.
fn is_query(lowering: &mut Lowering<'_>, query: &str) -> bool {
    let is_empty = query.lines().all(|line| line.trim().is_empty() || line.trim().starts_with("//"));
    if is_empty {
        lowering.error(Code::Query, "/hunt/query", "the query is empty", "write a query in KQL");
    }
    let is_template = query.contains("{{");
    if is_template {
        let message = "nothing is interpolated into a query";
        let help = "filter the rows with `where`; values that are known beforehand go into `parameters`";
        lowering.error(Code::ForbiddenTemplate, "/hunt/query", message, help);
    }
    !is_empty && !is_template
}

/// The columns the playbook declares, if any.
fn declared(lowering: &Lowering<'_>) -> Option<IndexMap<String, ColumnType>> {
    let declared = lowering.document.playbook.hunt.as_ref().map(|hunt| hunt.columns.clone());
    declared.filter(|columns| !columns.is_empty())
}

/// Compares what is declared with what the query gives.
fn check_declared(lowering: &mut Lowering<'_>, given: &Columns, declared: &IndexMap<String, ColumnType>) {
    for (name, ty) in declared {
        let pointer = format!("/hunt/columns/{}", name.replace('~', "~0").replace('/', "~1"));
        let found = given.known.iter().find(|column| column.name == *name);
        match found {
            None if given.open => {}
            None => {
                let span = lowering.document.tree.key_span(&pointer);
                let message = format!("the query has no column `{name}`");
                let known = given.known.iter().map(|column| column.name.as_str());
                lowering.push(
                    Diagnostic::error(Code::UnknownName, span, message).nearest(name, known).help(
                        "declare what the query gives, or leave `columns` out: the query makes it plain",
                    ),
                );
            }
            Some(column) if kql::is_same_type(ty.as_str(), column.ty) == Some(false) => {
                let message = format!("the query gives `{name}` as {}, not as {}", column.ty, ty.as_str());
                let span = lowering.document.tree.span(&pointer);
                let suggestion = Suggestion {
                    message: format!("write `{}`", column.ty),
                    range: span.range.clone(),
                    replacement: column.ty.to_owned(),
                };
                let suggestion = Some(suggestion);
                lowering
                    .push(Diagnostic { suggestion, ..Diagnostic::error(Code::WrongValue, span, message) });
            }
            Some(_) => {}
        }
    }
}

/// What conditions and texts may read: what the query gives, and, where only the rows can tell, what is
/// declared. `unknown` is what a column holds whose type the query leaves open.
fn known(given: &Columns, declared: &IndexMap<String, ColumnType>, unknown: Holds) -> expr::Columns {
    let holds_of = |ty: &str| if ty == "unknown" { unknown } else { holds(ty) };
    let mut columns: Vec<(String, Holds)> =
        given.known.iter().map(|column| (column.name.clone(), holds_of(column.ty))).collect();
    if !given.open {
        return expr::Columns::new(columns, Others::Lacking);
    }
    for (name, ty) in declared {
        match columns.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) if *known != Holds::Anything => {}
            Some((_, known)) => *known = holds(ty.as_str()),
            None => columns.push((name.clone(), holds(ty.as_str()))),
        }
    }
    expr::Columns::new(columns, Others::Mistaken)
}

/// What values of a type are when they arrive. Decimals come as numbers or as texts.
fn holds(ty: &str) -> Holds {
    match ty {
        "bool" => Holds::Truth,
        "int" | "long" | "real" | "double" => Holds::Number,
        "string" | "datetime" | "timespan" | "guid" => Holds::Text,
        _ => Holds::Anything,
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
