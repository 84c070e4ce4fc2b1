//! `top-nested` and `top-hitters`.

use std::cmp::Ordering;
use std::sync::Arc;

use super::super::aggregate::Groups;
use super::super::expr::Frame;
use super::super::machine::Machine;
use super::super::{EvalError, Table};
use super::summarize::{aggregate_column, group};
use super::{eval, named, row_count, row_number};
use crate::plan::{Direction, Expr, TopNested};
use crate::types::{ScalarType, Schema};
use crate::value::{Batch, Cells, Value, cast, sort_order, to_long, to_real};

/// Hierarchical top: the columns are pairs of value and aggregate, one for each level.
pub(super) fn top_nested(
    machine: &Machine<'_>,
    levels: &[TopNested],
    schema: &Schema,
    table: &Table,
) -> Result<Table, EvalError> {
    let mut rows = Vec::new();
    descend(machine, levels, table, &[], &mut rows)?;
    Ok(Table { schema: schema.clone(), batch: Batch::from_rows(schema, rows) })
}

/// Adds the rows of the levels that are left, for a part of the rows.
fn descend(
    machine: &Machine<'_>,
    levels: &[TopNested],
    table: &Table,
    prefix: &[Value],
    out: &mut Vec<Vec<Value>>,
) -> Result<(), EvalError> {
    let Some((level, deeper)) = levels.split_first() else {
        out.push(prefix.to_vec());
        return machine.rows(out.len());
    };
    let (kept, rest) = ranked(machine, level, table)?;
    for (key, weight, rows) in kept {
        let part = Table { schema: table.schema.clone(), batch: table.batch.gather(&rows) };
        let row = [prefix, &[key, weight]].concat();
        descend(machine, deeper, &part, &row, out)?;
    }
    if let Some(others) = &level.others {
        let name = machine.constant(others)?;
        let part = Table { schema: table.schema.clone(), batch: table.batch.gather(&rest) };
        let all = Groups { of: Arc::from(vec![0; rest.len()]), count: 1 };
        let weight = weights(machine, level, &part, &all)?.get(0);
        let row = [prefix, &[name, weight]].concat();
        if deeper.iter().any(|level| level.others.is_some()) {
            descend(machine, deeper, &part, &row, out)?;
        } else {
            out.push(row);
        }
    }
    Ok(())
}

/// A value with its aggregate and its rows.
type Ranked = (Value, Value, Vec<u32>);

/// Returns the values of a level in order, as many as are wanted, and the rows of all others.
fn ranked(
    machine: &Machine<'_>,
    level: &TopNested,
    table: &Table,
) -> Result<(Vec<Ranked>, Vec<u32>), EvalError> {
    let rows = table.batch.rows();
    if rows == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    let keys = eval(machine, &level.key, table)?;
    let (groups, first) = group(machine, std::slice::from_ref(&keys), rows)?;
    let weights = weights(machine, level, table, &groups)?;
    let mut order: Vec<usize> = (0..groups.count).collect();
    order.sort_by(|a, b| by_weight(&weights.get(*a), &weights.get(*b), level.direction));
    let count = match &level.count {
        Some(count) => row_count(machine, count)?,
        None => usize::MAX,
    };
    let mut members = vec![Vec::new(); groups.count];
    for (row, group) in groups.of.iter().enumerate() {
        if let Some(list) = members.get_mut(*group as usize) {
            list.push(row_number(row));
        }
    }
    let mut kept = Vec::new();
    let mut rest = Vec::new();
    for (place, group) in order.into_iter().enumerate() {
        let rows = members.get_mut(group).map(std::mem::take).unwrap_or_default();
        if place < count {
            let key = first.get(group).map_or(Value::Long(None), |row| keys.get(*row as usize));
            kept.push((key, weights.get(group), rows));
        } else {
            rest.extend(rows);
        }
    }
    Ok((kept, rest))
}

fn by_weight(a: &Value, b: &Value, direction: Direction) -> Ordering {
    let order = sort_order(a, b);
    if direction == Direction::Descending { order.reverse() } else { order }
}

fn weights(
    machine: &Machine<'_>,
    level: &TopNested,
    table: &Table,
    groups: &Groups,
) -> Result<Arc<Cells>, EvalError> {
    let mut columns = Vec::new();
    for call in &level.aggregates {
        columns.extend(aggregate_column(machine, call, table, groups)?);
    }
    let batch = Batch::new(columns, groups.count);
    machine.eval(&level.by, &mut Frame::new(&batch, &table.schema))
}

/// The most frequent, or heaviest, values.
pub(super) fn top_hitters(
    machine: &Machine<'_>,
    count: &Expr,
    what: (&Expr, Option<&Expr>),
    schema: &Schema,
    table: &Table,
) -> Result<Table, EvalError> {
    let count = row_count(machine, count)?;
    let keys = eval(machine, what.0, table)?;
    let weight = match what.1 {
        Some(weight) => Some(eval(machine, weight, table)?),
        None => None,
    };
    let ty = weight.as_ref().map_or(ScalarType::Long, |weight| weight.ty());
    let rows = table.batch.rows();
    let mut sums: Vec<(u32, i64, f64)> = Vec::new();
    if rows > 0 {
        let (groups, first) = group(machine, std::slice::from_ref(&keys), rows)?;
        sums = first.into_iter().map(|row| (row, 0, 0.0)).collect();
        for (row, group) in groups.of.iter().enumerate() {
            if let Some((_, whole, real)) = sums.get_mut(*group as usize) {
                let value = weight.as_ref().map_or(Value::from(1), |weight| weight.get(row));
                *whole = whole.wrapping_add(to_long(&value).unwrap_or(0));
                *real += to_real(&value).unwrap_or(0.0);
            }
        }
    }
    // Of equal weights the service gives the later value first.
    sums.reverse();
    sums.sort_by(|a, b| b.2.total_cmp(&a.2));
    sums.truncate(count);
    let places: Vec<u32> = sums.iter().map(|(row, ..)| *row).collect();
    let total = |(_, whole, real): &(u32, i64, f64)| match ty {
        ScalarType::Real => Value::from(*real),
        _ => cast(&Value::from(*whole), ty),
    };
    let totals = Cells::from_values(ty, sums.iter().map(total));
    let columns = vec![Arc::new(keys.gather(&places)), Arc::new(totals)];
    Ok(named(schema, columns, places.len()))
}
