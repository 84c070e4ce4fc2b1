//! `union`, and what is made of it: `find` and `search`.

use std::sync::Arc;

use super::super::machine::Machine;
use super::super::{EvalError, INGESTION_TIME, Table};
use crate::plan::{UnionColumn, UnionInput};
use crate::types::{Column, ScalarType, Schema};
use crate::value::{Batch, Cells, Value};

/// A union at the head of a pipeline.
pub(super) fn source(
    machine: &Machine<'_>,
    inputs: &[UnionInput],
    schema: &Schema,
) -> Result<Table, EvalError> {
    let mut parts = Vec::with_capacity(inputs.len());
    for input in inputs {
        let table = machine.pipeline(&input.pipeline, None)?;
        parts.push(aligned(&table, (&input.columns, &input.label), (schema, input.pipeline.schema.len())));
    }
    together(machine, schema, &parts)
}

/// A union with the rows received.
pub(super) fn operator(
    machine: &Machine<'_>,
    first: (&[UnionColumn], &str),
    inputs: &[UnionInput],
    schema: &Schema,
    table: &Table,
) -> Result<Table, EvalError> {
    let known = first.0.iter().filter(|column| matches!(column, UnionColumn::Input(_))).count();
    let mut parts = vec![aligned(table, first, (schema, known))];
    for input in inputs {
        let table = machine.pipeline(&input.pipeline, None)?;
        parts.push(aligned(&table, (&input.columns, &input.label), (schema, input.pipeline.schema.len())));
    }
    together(machine, schema, &parts)
}

/// Lays the columns of one input out as the union has them. If the union is open, columns that
/// only the rows know follow.
fn aligned(table: &Table, input: (&[UnionColumn], &str), expected: (&Schema, usize)) -> Table {
    let rows = table.batch.rows();
    let (schema, known) = expected;
    let cells = |(source, column): (&UnionColumn, &Column)| {
        let cells = match source {
            UnionColumn::Input(index) => table.batch.column_or_null(*index, column.ty),
            UnionColumn::Label => Arc::new(Cells::Constant(Value::from(input.1), rows)),
            UnionColumn::Null => Arc::new(Cells::nulls(column.ty, rows)),
        };
        if column.ty.is_unknown() || cells.ty() == column.ty {
            cells
        } else {
            Arc::new(cells.cast(column.ty))
        }
    };
    let mut columns: Vec<Arc<Cells>> = input.0.iter().zip(&schema.columns).map(cells).collect();
    let mut names = schema.columns.clone();
    for (index, column) in table.schema.columns.iter().enumerate().skip(known) {
        let kept = schema.open || column.name.as_ref() == INGESTION_TIME;
        if kept && schema.find(&column.name).is_none() {
            columns.push(table.batch.column_or_null(index, column.ty));
            names.push(column.clone());
        }
    }
    Table { schema: Schema { columns: names, open: schema.open }, batch: Batch::new(columns, rows) }
}

/// Puts inputs below each other.
fn together(machine: &Machine<'_>, schema: &Schema, parts: &[Table]) -> Result<Table, EvalError> {
    machine.rows(parts.iter().map(|part| part.batch.rows()).sum())?;
    let mut all = schema.clone();
    for part in parts {
        for column in &part.schema.columns {
            match all.find(&column.name) {
                None => all.columns.push(column.clone()),
                Some(place) => {
                    if let Some(known) = all.columns.get_mut(place)
                        && known.ty.is_unknown()
                    {
                        known.ty = column.ty;
                    }
                }
            }
        }
    }
    // Rows that arrived at a time that is not known would have none.
    if parts.iter().any(|part| part.batch.rows() > 0 && part.schema.find(INGESTION_TIME).is_none()) {
        all.columns.retain(|column| column.name.as_ref() != INGESTION_TIME);
    }
    for column in &mut all.columns {
        if column.ty.is_unknown() {
            column.ty = ScalarType::Dynamic;
        }
    }
    let same = |part: &Table| {
        let columns = all.columns.iter().map(|column| {
            let place = part.schema.find(&column.name).unwrap_or(usize::MAX);
            part.batch.column_or_null(place, column.ty)
        });
        Batch::new(columns.collect(), part.batch.rows())
    };
    let batches: Vec<Batch> = parts.iter().map(same).collect();
    let batch = Batch::concat(&all, &batches);
    Ok(Table { schema: all, batch })
}
