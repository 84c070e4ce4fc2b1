//! `rows_near`.

use super::super::eval;
use super::{EvalError, Plugin, Table};
use crate::value::{to_bool, to_long};

/// Keeps the rows for which a condition is true, and those around them.
pub(super) fn rows_near(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    let condition = plugin.scalar(0).ok_or_else(|| plugin.wrong("no condition"))?;
    let truths = eval(plugin.machine, condition, plugin.table)?;
    let count = |index| {
        let value = plugin.constant(index)?.and_then(|value| to_long(&value));
        Ok::<_, EvalError>(value.and_then(|value| usize::try_from(value).ok()))
    };
    let before = count(1)?.unwrap_or(0);
    let after = count(2)?.unwrap_or(before);
    let rows = plugin.table.batch.rows();
    let mut kept = vec![false; rows];
    for row in (0..rows).filter(|row| to_bool(&truths.get(*row)) == Some(true)) {
        let around = row.saturating_sub(before)..row.saturating_add(after).saturating_add(1).min(rows);
        plugin.machine.work(around.len())?;
        if let Some(places) = kept.get_mut(around) {
            places.fill(true);
        }
    }
    let kept: Vec<u32> = (0_u32..).zip(kept).filter(|(_, kept)| *kept).map(|(row, _)| row).collect();
    Ok(Table { schema: plugin.table.schema.clone(), batch: plugin.table.batch.gather(&kept) })
}
