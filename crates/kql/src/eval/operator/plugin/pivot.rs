//! `pivot`: the values of a column become columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::super::aggregate::Groups;
use super::super::summarize::{aggregate_column, group};
use super::{EvalError, Plugin, Table};
use crate::plan::{AggregateCall, PluginArg};
use crate::text::Span;
use crate::types::{Column, ScalarType, Schema};
use crate::value::{Batch, Cells, Value, cast, to_text};

/// The most different values that become columns.
const COLUMNS_MAX: usize = 10_000;

/// Groups by all other columns, or those that are named; a column for each value of the pivot
/// column, in the order of their names, has the aggregate, which is the count if none is given.
pub(super) fn pivot(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    let pivot = plugin.column(0)?;
    let table = plugin.table;
    let count = AggregateCall {
        aggregate: "count",
        args: Vec::new(),
        results: vec![ScalarType::Long],
        span: Span::default(),
    };
    let (call, first_key) = match plugin.call.args.get(1) {
        Some(PluginArg::Aggregate(call)) => (call, 2),
        _ => (&count, 1),
    };
    let keys = if plugin.call.args.len() > first_key {
        plugin.columns_from(first_key)?
    } else {
        (0..table.schema.len())
            .filter(|place| *place != pivot && !is_read(call, *place) && is_visible(table, *place))
            .collect()
    };
    let rows = table.batch.rows();
    let pivots = table.batch.column_or_null(pivot, plugin.column_type(pivot));
    let key_cells: Vec<Arc<Cells>> =
        keys.iter().map(|place| table.batch.column_or_null(*place, plugin.column_type(*place))).collect();
    let mut names: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    for value in pivots.values() {
        let next = names.len();
        names.entry(to_text(&value)).or_insert(next);
        if names.len() > COLUMNS_MAX {
            return Err(EvalError::refused("pivot would give more than 10000 columns"));
        }
    }
    let (groups, first) = group(plugin.machine, &key_cells, rows)?;
    let groups_count = if rows == 0 { 0 } else { groups.count };
    let total = groups_count * names.len();
    plugin.machine.rows(total)?;
    let of: Vec<u32> = groups
        .of
        .iter()
        .zip(pivots.values())
        .map(|(group, value)| {
            let column = names.get(&to_text(&value)).copied().unwrap_or(0);
            u32::try_from(*group as usize * names.len() + column).unwrap_or(0)
        })
        .collect();
    let cells = Groups { of: Arc::from(of), count: total };
    let values = aggregate_column(plugin.machine, call, table, &cells)?;
    let values = values.into_iter().next().unwrap_or_else(|| Arc::new(Cells::nulls(ScalarType::Long, total)));
    let mut columns: Vec<Column> =
        keys.iter().filter_map(|place| table.schema.get(*place).cloned()).collect();
    let mut result: Vec<Arc<Cells>> = key_cells.iter().map(|cells| Arc::new(cells.gather(&first))).collect();
    for (name, column) in &names {
        let picked = (0..groups_count).map(|group| {
            let value = values.get(group * names.len() + column);
            if value.is_null() { empty_cell(call, values.ty()) } else { value }
        });
        result.push(Arc::new(Cells::from_values(values.ty(), picked)));
        columns.push(Column::new(Arc::clone(name), values.ty()));
    }
    Ok(Table { schema: Schema::new(columns), batch: Batch::new(result, groups_count) })
}

fn is_visible(table: &Table, place: usize) -> bool {
    table.schema.get(place).is_some_and(|column| !column.name.starts_with('$'))
}

/// Whether an aggregate reads a column.
fn is_read(call: &AggregateCall, place: usize) -> bool {
    call.args.iter().any(|arg| matches!(arg.kind, crate::plan::ExprKind::Column(column) if column == place))
}

/// A cell without rows is null, or zero where the aggregate counts.
fn empty_cell(call: &AggregateCall, ty: ScalarType) -> Value {
    if call.aggregate.contains("count") { cast(&Value::from(0), ty) } else { Value::null(ty) }
}
