//! `summarize`.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::sync::Arc;

use indexmap::IndexMap;

use super::aggregate::{self, Aggregate};
use super::bind::Binder;
use super::bind_call::implied_name;
use super::eval::Bound;
use super::fault::Fault;
use super::operators::items;
use super::relation::{Column, Relation, Row, unique};
use super::syntax::{Expr, Named, Node};
use super::value::{Key, Value, compare};

/// What one item of a `summarize` gives.
enum Output {
    /// One column: an expression over aggregates.
    Value(Bound),
    /// Several columns of the row in which `by` is greatest or least.
    Best { by: Bound, way: Ordering, columns: Vec<Bound> },
}

/// Groups rows by the keys and aggregates each group.
pub(super) fn apply(
    binder: &Binder<'_, '_>,
    aggregates: &[Named],
    by: &[Named],
    input: &Relation,
) -> Result<Relation, Fault> {
    let (mut columns, keys) = items(binder, by)?;
    let key_names: Vec<Arc<str>> = columns.iter().map(|column| Arc::clone(&column.name)).collect();
    let collected = RefCell::new(Vec::new());
    let mut outputs = Vec::new();
    for item in aggregates {
        outputs.push(output(binder, item, (&mut columns, &key_names), &collected)?);
    }
    let collected: Vec<Aggregate> = collected.into_inner();

    let mut groups: IndexMap<Vec<Key>, (Vec<Value>, Vec<&Row>)> = IndexMap::new();
    for row in &input.rows {
        let values: Vec<Value> = keys.iter().map(|key| key.eval(row)).collect();
        let key = values.iter().map(Key::of).collect();
        groups.entry(key).or_insert_with(|| (values, Vec::new())).1.push(row);
    }
    if by.is_empty() && groups.is_empty() {
        groups.insert(Vec::new(), (Vec::new(), Vec::new()));
    }
    let rows = groups.into_values().map(|(mut values, rows)| {
        let computed: Vec<Value> =
            collected.iter().map(|aggregate| aggregate.compute(rows.iter().map(|row| &***row))).collect();
        for output in &outputs {
            match output {
                Output::Value(bound) => values.push(bound.eval(&computed)),
                Output::Best { by, way, columns } => values.extend(best(by, *way, columns, &rows)),
            }
        }
        values.into()
    });
    let rows = rows.collect();
    Ok(Relation { columns, rows })
}

/// Values of the row with the greatest or least `by`; the first of equals.
fn best(by: &Bound, way: Ordering, columns: &[Bound], rows: &[&Row]) -> Vec<Value> {
    let winner = rows
        .iter()
        .map(|row| (by.eval(row), *row))
        .filter(|(value, _)| !value.is_null())
        .reduce(|best, next| if compare(&next.0, &best.0) == Some(way) { next } else { best });
    // Without any value, any row will do; without any row, nothing is there.
    let Some((value, row)) = winner.or_else(|| rows.first().map(|row| (Value::Null, *row))) else {
        return vec![Value::Null; columns.len() + 1];
    };
    std::iter::once(value).chain(columns.iter().map(|column| column.eval(row))).collect()
}

fn output(
    binder: &Binder<'_, '_>,
    item: &Named,
    (columns, keys): (&mut Vec<Column>, &[Arc<str>]),
    collected: &RefCell<Vec<Aggregate>>,
) -> Result<Output, Fault> {
    if let Node::Call(name, arguments) = &item.expr.node
        && let "arg_max" | "arg_min" = name.as_ref()
    {
        let way = if name.as_ref() == "arg_max" { Ordering::Greater } else { Ordering::Less };
        return best_of(binder, (item, way), arguments, (columns, keys));
    }
    let inner = Binder { aggregates: Some(collected), ..*binder };
    let before = collected.borrow().len();
    let typed = inner.bind(&item.expr)?;
    if collected.borrow().len() == before {
        return Err(binder.fault(item.expr.at, "an aggregate is expected"));
    }
    let name = item.name.clone().unwrap_or_else(|| aggregate_name(&item.expr, columns.len()));
    let name = unique(&name, columns);
    columns.push(Column::new(name, typed.kind));
    Ok(Output::Value(typed.bound))
}

/// `arg_max(by, column, …)`, `arg_max(by, *)`
fn best_of(
    binder: &Binder<'_, '_>,
    (item, way): (&Named, Ordering),
    arguments: &[Expr],
    (columns, keys): (&mut Vec<Column>, &[Arc<str>]),
) -> Result<Output, Fault> {
    let [by_expr, rest @ ..] = arguments else {
        return Err(binder.fault(item.expr.at, "arg_max() and arg_min() need an argument"));
    };
    let by = binder.bind(by_expr)?;
    let by_name = implied_name(by_expr);
    let shown = item.name.clone().or_else(|| by_name.clone()).unwrap_or_else(|| "max_".into());
    let mut push = |name: &str, kind| {
        let name = unique(name, columns);
        columns.push(Column::new(name, kind));
    };
    push(&shown, by.kind);
    let mut bounds = Vec::new();
    for expr in rest {
        if let Node::Star = expr.node {
            for (position, column) in binder.columns.iter().enumerate() {
                if keys.contains(&column.name) || by_name.as_ref() == Some(&column.name) {
                    continue;
                }
                push(&column.name, column.kind);
                bounds.push(Bound::Column(position));
            }
            continue;
        }
        let typed = binder.bind(expr)?;
        push(&implied_name(expr).unwrap_or_else(|| format!("arg_{}", bounds.len() + 1).into()), typed.kind);
        bounds.push(typed.bound);
    }
    Ok(Output::Best { by: by.bound, way, columns: bounds })
}

/// `count_`, `dcount_Name`, `set_Name`, … or a number.
fn aggregate_name(expr: &Expr, position: usize) -> Arc<str> {
    let Node::Call(function, arguments) = &expr.node else { return format!("Column{}", position + 1).into() };
    if !aggregate::is_aggregate(function) {
        return format!("Column{}", position + 1).into();
    }
    let prefix = match function.as_ref() {
        "make_set" | "makeset" | "make_set_if" => "set",
        "make_list" | "makelist" | "make_list_if" => "list",
        "take_any" | "take_anyif" => {
            return arguments.first().and_then(implied_name).unwrap_or_else(|| "any_".into());
        }
        other => other,
    };
    let of = match function.as_ref() {
        "count" | "countif" => None,
        _ => arguments.first().and_then(implied_name),
    };
    format!("{prefix}_{}", of.as_deref().unwrap_or_default()).into()
}
