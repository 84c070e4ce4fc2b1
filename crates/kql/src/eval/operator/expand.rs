//! `mv-expand` and `mv-apply`.

use std::sync::Arc;

use super::super::machine::Machine;
use super::super::{EvalError, Table};
use super::{eval, named, row_count, row_number, side_by_side};
use crate::plan::{ExpandOutput, JoinSide, MvExpand, Pipeline, Source};
use crate::types::{ScalarType, Schema};
use crate::value::{Bag, Batch, Cells, Dynamic, Value, to_dynamic};

/// The most rows one row becomes, as in the service.
const ROWS_PER_ROW_MAX: usize = 1_048_576;

/// Expands arrays and bags into rows.
pub(super) fn mv_expand(
    machine: &Machine<'_>,
    expand: &MvExpand,
    schema: &Schema,
    table: &Table,
) -> Result<Table, EvalError> {
    let rows = (0..table.batch.rows()).map(row_number);
    let expanded = Expanded::new(machine, expand, table, rows)?;
    Ok(expanded.table(expand, schema, table))
}

/// Expands the values of each row into a small table and runs the inner query on it.
pub(super) fn mv_apply(
    machine: &Machine<'_>,
    query: (&MvExpand, &Pipeline),
    result: (&[JoinSide], &Schema),
    table: &Table,
) -> Result<Table, EvalError> {
    let (expand, inner) = query;
    let Source::Context(context) = &inner.source else {
        return Err(EvalError::unsupported("mv-apply with a source of its own"));
    };
    let mut left: Vec<u32> = Vec::new();
    let mut results = Vec::new();
    for row in (0..table.batch.rows()).map(row_number) {
        let expanded = Expanded::new(machine, expand, table, std::iter::once(row))?;
        let small = expanded.table(expand, context, table);
        let given = machine.pipeline(inner, Some(&small))?;
        left.extend(std::iter::repeat_n(row, given.batch.rows()));
        machine.rows(left.len())?;
        machine.work(100)?;
        results.push(given.batch);
    }
    let batch = Batch::concat(&inner.schema, &results);
    let right = Table { schema: inner.schema.clone(), batch };
    let right_rows: Vec<u32> = (0..left.len()).map(row_number).collect();
    Ok(side_by_side((table, &left), (&right, &right_rows), result.0, result.1))
}

/// Rows after an expansion.
struct Expanded {
    /// The row each of them comes from.
    rows: Vec<u32>,
    /// Which element of the row it has.
    indexes: Vec<Option<i64>>,
    /// The elements, for each item.
    items: Vec<Cells>,
}

impl Expanded {
    fn new(
        machine: &Machine<'_>,
        expand: &MvExpand,
        table: &Table,
        rows: impl Iterator<Item = u32>,
    ) -> Result<Self, EvalError> {
        let limit = match &expand.limit {
            Some(limit) => row_count(machine, limit)?.min(ROWS_PER_ROW_MAX),
            None => ROWS_PER_ROW_MAX,
        };
        let mut columns = Vec::with_capacity(expand.items.len());
        for item in &expand.items {
            columns.push(eval(machine, &item.expr, table)?);
        }
        let types = expand.items.iter().map(|item| item.to);
        let mut expanded =
            Self { rows: Vec::new(), indexes: Vec::new(), items: types.map(Cells::empty).collect() };
        for row in rows {
            let values: Vec<Dynamic> =
                columns.iter().map(|column| to_dynamic(&column.get(row as usize))).collect();
            let count = values.iter().map(length).max().unwrap_or(0).min(limit);
            for index in 0..count {
                for (value, cells) in values.iter().zip(&mut expanded.items) {
                    cells.push(convert(element(value, index, expand), cells.ty()));
                }
                expanded.rows.push(row);
                expanded.indexes.push(i64::try_from(index).ok());
            }
            machine.work(count)?;
            machine.rows(expanded.rows.len())?;
        }
        Ok(expanded)
    }

    fn table(&self, expand: &MvExpand, schema: &Schema, table: &Table) -> Table {
        let source = table.batch.gather(&self.rows);
        let indexes = || Arc::new(Cells::Long(self.indexes.clone()));
        let mut columns: Vec<Arc<Cells>> = Vec::with_capacity(expand.outputs.len() + 1);
        for (output, column) in expand.outputs.iter().zip(&schema.columns) {
            columns.push(match output {
                ExpandOutput::Input(index) => source.column_or_null(*index, column.ty),
                ExpandOutput::Item(item) => match self.items.get(*item) {
                    Some(cells) => Arc::new(cells.clone()),
                    None => Arc::new(Cells::nulls(column.ty, self.rows.len())),
                },
                ExpandOutput::Index => indexes(),
            });
        }
        if expand.with_item_index && columns.len() < schema.len() {
            columns.push(indexes());
        }
        named(schema, columns, self.rows.len())
    }
}

/// An element keeps the type it has unless it is asked for another one.
fn convert(element: Dynamic, ty: ScalarType) -> Value {
    crate::value::cast(&Value::Dynamic(element), ty)
}

/// How many rows a value becomes: null is one row, an empty array none.
fn length(value: &Dynamic) -> usize {
    match value {
        Dynamic::Array(items) => items.len(),
        Dynamic::Bag(bag) => bag.len(),
        _ => 1,
    }
}

fn element(value: &Dynamic, index: usize, expand: &MvExpand) -> Dynamic {
    match value {
        Dynamic::Array(items) => items.get(index).cloned().unwrap_or_default(),
        Dynamic::Bag(bag) => match bag.entry(index) {
            Some((name, value)) if expand.bag_as_array => {
                Dynamic::array(vec![Dynamic::String(Arc::clone(name)), value.clone()])
            }
            Some((name, value)) => Dynamic::bag(Bag::from_iter([(Arc::clone(name), value.clone())])),
            None => Dynamic::Null,
        },
        scalar if index == 0 => scalar.clone(),
        _ => Dynamic::Null,
    }
}
