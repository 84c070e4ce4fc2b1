//! Tabular operators: a relation in, a relation out.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::bind::Binder;
use super::bind_call::implied_name;
use super::eval::Bound;
use super::fault::Fault;
use super::join;
use super::relation::{Column, Relation, Row, unique};
use super::session::Session;
use super::summarize;
use super::syntax::{
    Direction, Expr, MvExpand, Named, Node, Nulls, Operator, Order, Pattern, Source, Step, Union, UnionKind,
};
use super::value::{Key, Kind, Value, sort_order};

/// Applies one operator.
pub(super) fn apply(session: &Session<'_>, step: &Step, input: &Arc<Relation>) -> Result<Relation, Fault> {
    let binder = Binder::new(session, &input.columns, step.operator.name());
    match &step.operator {
        Operator::Where(condition) => {
            let condition = binder.condition(condition)?;
            let rows = input.rows.iter().filter(|row| condition.eval(row).is_true()).cloned().collect();
            Ok(Relation { columns: input.columns.clone(), rows })
        }
        Operator::Extend(items) => extend(&binder, items, input),
        Operator::Project(items) => project(&binder, items, input),
        Operator::ProjectAway(patterns) => {
            let gone = chosen(&binder, patterns, input)?;
            Ok(picked(
                input,
                &(0..input.columns.len()).filter(|position| !gone.contains(position)).collect::<Vec<_>>(),
            ))
        }
        Operator::ProjectKeep(patterns) => {
            let kept = chosen(&binder, patterns, input)?;
            Ok(picked(
                input,
                &(0..input.columns.len()).filter(|position| kept.contains(position)).collect::<Vec<_>>(),
            ))
        }
        Operator::ProjectReorder(patterns) => {
            let mut order = chosen(&binder, patterns, input)?;
            let rest: Vec<usize> =
                (0..input.columns.len()).filter(|position| !order.contains(position)).collect();
            order.extend(rest);
            Ok(picked(input, &order))
        }
        Operator::ProjectRename(items) => rename(&binder, items, input),
        Operator::Summarize { aggregates, by } => summarize::apply(&binder, aggregates, by, input),
        Operator::Distinct(items) => {
            let mut table =
                if items.is_empty() { Relation::clone(input) } else { project(&binder, items, input)? };
            let mut seen = BTreeSet::new();
            table.rows.retain(|row| seen.insert(row.iter().map(Key::of).collect::<Vec<_>>()));
            Ok(table)
        }
        Operator::Sort(orders) => sort(&binder, orders, input),
        Operator::Top(count, orders) => {
            let count = limit(&binder, count)?;
            let mut table = sort(&binder, orders, input)?;
            table.rows.truncate(count);
            Ok(table)
        }
        Operator::Take(count) => {
            let rows = input.rows.iter().take(limit(&binder, count)?).cloned().collect();
            Ok(Relation { columns: input.columns.clone(), rows })
        }
        Operator::Count => {
            let count = i64::try_from(input.rows.len()).unwrap_or(i64::MAX);
            Ok(Relation {
                columns: vec![Column::new("Count", Kind::Long)],
                rows: vec![[Value::Long(count)].into()],
            })
        }
        Operator::Join(spec) => join::apply(&binder, step.at, spec, input),
        Operator::Union(spec) => union(session, step.at, Some(input), spec),
        Operator::MvExpand(spec) => mv_expand(&binder, spec, input),
    }
}

/// The number of rows of `take` and `top`.
fn limit(binder: &Binder<'_, '_>, count: &Expr) -> Result<usize, Fault> {
    let wanted = binder.constant(count, "the number of rows")?;
    let wanted = wanted.integer().and_then(|wanted| usize::try_from(wanted).ok());
    wanted.ok_or_else(|| binder.fault(count.at, "the number of rows must be a whole number, zero or more"))
}

fn extend(binder: &Binder<'_, '_>, items: &[Named], input: &Relation) -> Result<Relation, Fault> {
    let mut columns = input.columns.clone();
    let mut places: Vec<(usize, Bound)> = Vec::new();
    for (number, item) in items.iter().enumerate() {
        let typed = binder.bind(&item.expr)?;
        let implied = || implied_name(&item.expr).filter(|name| input.position(name).is_none());
        let name = item.name.clone().or_else(implied);
        let fresh = || unique(&format!("Column{}", number + 1), &columns);
        let name = name.unwrap_or_else(fresh);
        let place = input.position(&name).unwrap_or(columns.len());
        let column = Column::new(name, typed.kind);
        match columns.get_mut(place) {
            Some(old) => *old = column,
            None => columns.push(column),
        }
        places.push((place, typed.bound));
    }
    let rows = input.rows.iter().map(|row| {
        let mut values = row.to_vec();
        for (place, bound) in &places {
            let value = bound.eval(row);
            match values.get_mut(*place) {
                Some(old) => *old = value,
                None => values.push(value),
            }
        }
        values.into()
    });
    Ok(Relation { columns: columns.clone(), rows: rows.collect() })
}

/// Names and binds the items of `project`, `distinct` and the keys of `summarize`.
pub(super) fn items(binder: &Binder<'_, '_>, items: &[Named]) -> Result<(Vec<Column>, Vec<Bound>), Fault> {
    let mut columns: Vec<Column> = Vec::new();
    let mut bounds = Vec::new();
    for (number, item) in items.iter().enumerate() {
        let typed = binder.bind(&item.expr)?;
        let name = match (&item.name, implied_name(&item.expr)) {
            (Some(name), _) => {
                if columns.iter().any(|column| column.name == *name) {
                    let what = format!("A column with the name '{name}' already exists");
                    return Err(binder.fault(item.expr.at, &what));
                }
                Arc::clone(name)
            }
            (None, Some(name)) => unique(&name, &columns),
            (None, None) => unique(&format!("Column{}", number + 1), &columns),
        };
        columns.push(Column::new(name, typed.kind));
        bounds.push(typed.bound);
    }
    Ok((columns, bounds))
}

fn project(binder: &Binder<'_, '_>, named: &[Named], input: &Relation) -> Result<Relation, Fault> {
    let (columns, bounds) = items(binder, named)?;
    let rows = input.rows.iter().map(|row| bounds.iter().map(|bound| bound.eval(row)).collect());
    Ok(Relation { columns, rows: rows.collect() })
}

/// Positions of the columns that patterns name, in the order of the patterns, each once.
fn chosen(binder: &Binder<'_, '_>, patterns: &[Pattern], input: &Relation) -> Result<Vec<usize>, Fault> {
    let mut found: Vec<usize> = Vec::new();
    for pattern in patterns {
        let before = found.len();
        for (position, column) in input.columns.iter().enumerate() {
            if fits(&column.name, &pattern.text) && !found.contains(&position) {
                found.push(position);
            }
        }
        let again = found.iter().any(|position| {
            input.columns.get(*position).is_some_and(|column| fits(&column.name, &pattern.text))
        });
        if found.len() == before && !again && !pattern.text.contains('*') {
            let what = format!("Failed to resolve column or scalar expression named '{}'", pattern.text);
            return Err(binder.fault(pattern.at, &what));
        }
    }
    Ok(found)
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(name: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(last)
}

fn picked(input: &Relation, positions: &[usize]) -> Relation {
    let columns = positions.iter().filter_map(|position| input.columns.get(*position).cloned()).collect();
    let row = |row: &Row| positions.iter().filter_map(|position| row.get(*position).cloned()).collect();
    Relation { columns, rows: input.rows.iter().map(row).collect() }
}

fn rename(binder: &Binder<'_, '_>, items: &[Named], input: &Relation) -> Result<Relation, Fault> {
    let mut columns = input.columns.clone();
    for item in items {
        let (Some(new), Node::Name(old)) = (&item.name, &item.expr.node) else {
            return Err(binder.fault(item.expr.at, "'New = Old' is expected"));
        };
        let position = input.position(old).ok_or_else(|| {
            let what = format!("Failed to resolve column or scalar expression named '{old}'");
            binder.fault(item.expr.at, &what)
        })?;
        if let Some(column) = columns.get_mut(position) {
            column.name = Arc::clone(new);
        }
    }
    Ok(Relation { columns, rows: input.rows.clone() })
}

fn sort(binder: &Binder<'_, '_>, orders: &[Order], input: &Relation) -> Result<Relation, Fault> {
    let keys = orders
        .iter()
        .map(|order| Ok((binder.bind(&order.expr)?.bound, order.direction, order.nulls)))
        .collect::<Result<Vec<_>, Fault>>()?;
    let mut rows: Vec<(Vec<Value>, Row)> = input
        .rows
        .iter()
        .map(|row| (keys.iter().map(|(bound, _, _)| bound.eval(row)).collect(), Arc::clone(row)))
        .collect();
    rows.sort_by(|(left, _), (right, _)| {
        left.iter()
            .zip(right)
            .zip(&keys)
            .map(|((left, right), (_, direction, nulls))| ordered(left, right, *direction, *nulls))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    Ok(Relation { columns: input.columns.clone(), rows: rows.into_iter().map(|(_, row)| row).collect() })
}

fn ordered(left: &Value, right: &Value, direction: Direction, nulls: Nulls) -> Ordering {
    if left.is_null() != right.is_null() {
        let nulls_first = sort_order(left, right);
        return if nulls == Nulls::First { nulls_first } else { nulls_first.reverse() };
    }
    match direction {
        Direction::Ascending => sort_order(left, right),
        Direction::Descending => sort_order(left, right).reverse(),
    }
}

/// Rows of several tables; columns are matched by name.
pub(super) fn union(
    session: &Session<'_>,
    at: usize,
    input: Option<&Arc<Relation>>,
    spec: &Union,
) -> Result<Relation, Fault> {
    let mut parts: Vec<(Arc<str>, Arc<Relation>)> = Vec::new();
    for (number, part) in input.into_iter().enumerate() {
        parts.push((format!("union_arg{number}").into(), Arc::clone(part)));
    }
    for part in &spec.parts {
        let name = match &part.source {
            Source::Name(name) if session.meaning(name).is_none() => Arc::clone(name),
            _ => format!("union_arg{}", parts.len()).into(),
        };
        parts.push((name, session.run(part)?));
    }
    let mut columns: Vec<Column> = Vec::new();
    for column in parts.iter().flat_map(|(_, table)| &table.columns) {
        match columns.iter().find(|known| known.name == column.name) {
            Some(known) if known.kind != column.kind => {
                let what = format!("'union' of columns '{}' of different types", column.name);
                return Err(Fault::unsupported(at, what));
            }
            Some(_) => {}
            None => columns.push(column.clone()),
        }
    }
    if spec.kind == UnionKind::Inner {
        columns.retain(|column| parts.iter().all(|(_, table)| table.position(&column.name).is_some()));
    }
    let mut rows = Vec::new();
    for (name, table) in &parts {
        session.spend(table.rows.len())?;
        let places: Vec<(Option<usize>, Kind)> =
            columns.iter().map(|column| (table.position(&column.name), column.kind)).collect();
        rows.extend(table.rows.iter().map(|row| {
            let source = spec.with_source.as_ref().map(|_| Value::Text(Arc::clone(name)));
            let values = places.iter().map(|(place, kind)| {
                place.and_then(|place| row.get(place).cloned()).unwrap_or_else(|| kind.absent())
            });
            source.into_iter().chain(values).collect::<Row>()
        }));
        Session::admit(rows.len())?;
    }
    let source = spec.with_source.iter().map(|name| Column::new(Arc::clone(name), Kind::Text));
    Ok(Relation { columns: source.chain(columns.iter().cloned()).collect(), rows })
}

/// One row for each item of an array or member of a bag; no array and no bag stays as it is.
fn mv_expand(binder: &Binder<'_, '_>, spec: &MvExpand, input: &Relation) -> Result<Relation, Fault> {
    let typed = binder.bind(&spec.item.expr)?;
    if typed.kind != Kind::Dynamic {
        let what = format!("the expanded expression is a {}, a dynamic value is expected", typed.kind.name());
        return Err(binder.fault(spec.item.expr.at, &what));
    }
    let name = spec.item.name.clone().or_else(|| implied_name(&spec.item.expr));
    let name = name.ok_or_else(|| binder.fault(spec.item.expr.at, "the expanded expression needs a name"))?;
    let mut columns = input.columns.clone();
    let place = input.position(&name).unwrap_or(columns.len());
    let kind = spec.to.unwrap_or(Kind::Dynamic);
    let column = Column::new(name, kind);
    match columns.get_mut(place) {
        Some(old) => *old = column,
        None => columns.push(column),
    }
    let mut rows: Vec<Row> = Vec::new();
    for row in &input.rows {
        let value = typed.bound.eval(row);
        let items: Vec<Value> = match &value {
            Value::Json(json) => match json.as_ref() {
                Json::Array(items) => items.iter().cloned().map(Value::json).collect(),
                Json::Object(members) => members
                    .iter()
                    .map(|(name, value)| {
                        Value::json(Json::Object([(name.clone(), value.clone())].into_iter().collect()))
                    })
                    .collect(),
                _ => vec![value],
            },
            _ => vec![value],
        };
        for item in items {
            let item = cast(&item, kind);
            let mut values = row.to_vec();
            match values.get_mut(place) {
                Some(old) => *old = item,
                None => values.push(item),
            }
            rows.push(values.into());
        }
        Session::admit(rows.len())?;
    }
    Ok(Relation { columns, rows })
}

/// A dynamic item as a value of another type; what does not fit is absent.
fn cast(item: &Value, kind: Kind) -> Value {
    match (item, kind) {
        (Value::Null, kind) => kind.absent(),
        (item, Kind::Dynamic) => item.clone(),
        (item, Kind::Text) => Value::Text(item.show()),
        (Value::Json(json), kind) => Value::read(json, kind),
        (item, _) => item.clone(),
    }
}
