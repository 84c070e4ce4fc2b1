//! `partition`.

use std::sync::Arc;

use super::super::machine::Machine;
use super::super::{EvalError, Table};
use super::summarize::group;
use super::{eval, row_number};
use crate::plan::{Expr, Pipeline, SlotId};
use crate::types::Schema;
use crate::value::{Batch, Value};

/// Runs the inner query once for each value of the key.
pub(super) fn partition(
    machine: &Machine<'_>,
    (key, constant): (&Expr, Option<(SlotId, u32)>),
    inner: &Pipeline,
    schema: &Schema,
    table: &Table,
) -> Result<Table, EvalError> {
    let keys = eval(machine, key, table)?;
    let parts = parts(machine, &[Arc::clone(&keys)], table.batch.rows())?;
    let mut results = Vec::with_capacity(parts.len());
    for rows in parts {
        let part = Table { schema: table.schema.clone(), batch: table.batch.gather(&rows) };
        if let Some((slot, dependent)) = constant {
            let key = rows.first().map(|row| keys.get(*row as usize));
            machine.set_constant(slot, key.unwrap_or_else(|| Value::null(keys.ty())), dependent);
        }
        let result = machine.pipeline(inner, Some(&part))?;
        results.push(result.batch);
        machine.work(100)?;
    }
    Ok(Table { schema: schema.clone(), batch: Batch::concat(schema, &results) })
}

/// Returns the rows of each group, in the order of first appearance.
pub(super) fn parts(
    machine: &Machine<'_>,
    keys: &[Arc<crate::value::Cells>],
    rows: usize,
) -> Result<Vec<Vec<u32>>, EvalError> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    let (groups, _) = group(machine, keys, rows)?;
    let mut parts = vec![Vec::new(); groups.count];
    for (row, group) in groups.of.iter().enumerate() {
        if let Some(part) = parts.get_mut(*group as usize) {
            part.push(row_number(row));
        }
    }
    Ok(parts)
}
