//! `sort` and `top`.

use std::cmp::Ordering;
use std::sync::Arc;

use super::super::machine::Machine;
use super::super::{EvalError, Table};
use super::{eval, row_count, row_number};
use crate::plan::{Direction, Expr, Nulls, SortKey};
use crate::value::{Cells, sort_order};

/// Sorts all rows; equal rows keep their order.
pub(super) fn sort(machine: &Machine<'_>, keys: &[SortKey], table: &Table) -> Result<Table, EvalError> {
    let rows = sorted_rows(machine, keys, table)?;
    Ok(Table { schema: table.schema.clone(), batch: table.batch.gather(&rows) })
}

/// Sorts and keeps the first rows.
pub(super) fn top(
    machine: &Machine<'_>,
    count: &Expr,
    keys: &[SortKey],
    table: &Table,
) -> Result<Table, EvalError> {
    let count = row_count(machine, count)?;
    let mut rows = sorted_rows(machine, keys, table)?;
    rows.truncate(count);
    Ok(Table { schema: table.schema.clone(), batch: table.batch.gather(&rows) })
}

/// Returns the places of the rows in order.
pub(super) fn sorted_rows(
    machine: &Machine<'_>,
    keys: &[SortKey],
    table: &Table,
) -> Result<Vec<u32>, EvalError> {
    let rows = table.batch.rows();
    let depth = usize::try_from(rows.max(1).ilog2()).unwrap_or(0) + 1;
    machine.work(rows.saturating_mul(depth))?;
    let mut columns: Vec<(Arc<Cells>, &SortKey)> = Vec::with_capacity(keys.len());
    for key in keys {
        columns.push((eval(machine, &key.expr, table)?, key));
    }
    let mut places: Vec<u32> = (0..rows).map(row_number).collect();
    places.sort_by(|a, b| {
        let order =
            |(cells, key): &(Arc<Cells>, &SortKey)| compare_rows(cells, key, *a as usize, *b as usize);
        columns.iter().map(order).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    Ok(places)
}

fn compare_rows(cells: &Cells, key: &SortKey, a: usize, b: usize) -> Ordering {
    let turn = |order: Ordering| match key.direction {
        Direction::Ascending => order,
        Direction::Descending => order.reverse(),
    };
    if let Cells::String(texts) = cells {
        return turn(texts.get(a).cmp(&texts.get(b)));
    }
    let (a, b) = (cells.get(a), cells.get(b));
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if key.nulls == Nulls::First {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, true) => {
            if key.nulls == Nulls::First {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, false) => turn(sort_order(&a, &b)),
    }
}
