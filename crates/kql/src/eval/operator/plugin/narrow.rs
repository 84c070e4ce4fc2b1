//! `narrow` and `schema_merge`.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{EvalError, Plugin, Table};
use crate::types::{Column, ScalarType, Schema};
use crate::value::{Batch, Value, to_long, to_text};

/// Gives a row for each cell: number of the row, name of the column, value as text.
pub(super) fn narrow(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    let table = plugin.table;
    let mut rows = Vec::new();
    let visible = table.schema.columns.iter().enumerate().filter(|(_, column)| !column.name.starts_with('$'));
    let columns: Vec<(usize, &Column)> = visible.collect();
    plugin.machine.rows(table.batch.rows().saturating_mul(columns.len()))?;
    for row in 0..table.batch.rows() {
        for (place, column) in &columns {
            let value = table.batch.value(row, *place).unwrap_or_else(|| Value::null(column.ty));
            rows.push(vec![
                Value::Long(i64::try_from(row).ok()),
                Value::text(Arc::clone(&column.name)),
                Value::String(to_text(&value)),
            ]);
        }
    }
    let schema: Schema = [
        Column::new("Row", ScalarType::Long),
        Column::new("Column", ScalarType::String),
        Column::new("Value", ScalarType::String),
    ]
    .into_iter()
    .collect();
    Ok(Table { batch: Batch::from_rows(&schema, rows), schema })
}

/// What is known about a column of several tables.
struct Merged {
    place: i64,
    data_type: Value,
    column_type: Value,
    differs: bool,
}

/// Merges what `getschema` gave for several tables. A column that stands at different places is
/// an error row.
pub(super) fn schema_merge(plugin: &Plugin<'_, '_>) -> Table {
    const ERROR: &str = "ERROR(columns are out of order)";
    let table = plugin.table;
    let cell = |row: usize, name: &str| {
        let place = table.schema.find(name).unwrap_or(usize::MAX);
        table.batch.value(row, place).unwrap_or_else(|| Value::from(""))
    };
    let mut merged: IndexMap<Arc<str>, Merged> = IndexMap::new();
    for row in 0..table.batch.rows() {
        let name = to_text(&cell(row, "ColumnName"));
        let place = to_long(&cell(row, "ColumnOrdinal")).unwrap_or(-1);
        let known = merged.entry(name).or_insert_with(|| Merged {
            place,
            data_type: cell(row, "DataType"),
            column_type: cell(row, "ColumnType"),
            differs: false,
        });
        known.differs |= known.place != place;
    }
    let mut rows: Vec<(Arc<str>, Merged)> = merged.into_iter().collect();
    rows.sort_by_key(|(_, column)| if column.differs { i64::MAX } else { column.place });
    let row = |(name, column): (Arc<str>, Merged)| {
        if column.differs {
            let data = Value::text(format!("ERROR(unknown CSL type:{ERROR})"));
            return vec![Value::String(name), Value::from(-1), data, Value::from(ERROR)];
        }
        vec![Value::String(name), Value::from(column.place), column.data_type, column.column_type]
    };
    let schema: Schema = [
        Column::new("ColumnName", ScalarType::String),
        Column::new("ColumnOrdinal", ScalarType::Long),
        Column::new("DataType", ScalarType::String),
        Column::new("ColumnType", ScalarType::String),
    ]
    .into_iter()
    .collect();
    Table { batch: Batch::from_rows(&schema, rows.into_iter().map(row)), schema }
}
