//! Operators that take rows one by one: `where`, `project`, `distinct`, `take` and the like.

use std::sync::Arc;

use indexmap::IndexSet;

use super::super::machine::{Machine, Received};
use super::super::window::is_window;
use super::super::{EvalError, INGESTION_TIME, Table};
use super::{eval, eval_all, named, row_count, row_number, with_extras};
use crate::plan::{Expr, ExprKind};
use crate::types::{ScalarType, Schema};
use crate::value::{Cells, KeyWriter, Value, to_bool};

/// Keeps the rows for which the condition is true.
pub(super) fn filter(machine: &Machine<'_>, condition: &Expr, table: &Table) -> Result<Table, EvalError> {
    // The operands of `and` are tested one after the other on the rows that are left, unless one
    // looks at neighbouring rows, which must all be there.
    if let ExprKind::And(operands) = &condition.kind
        && !operands.iter().any(reads_neighbours)
    {
        let mut left = table.clone();
        for operand in operands {
            left = filter(machine, operand, &left)?;
        }
        return Ok(left);
    }
    let truths = eval(machine, condition, table)?;
    let rows: Vec<u32> = match truths.as_ref() {
        Cells::Constant(value, _) if to_bool(value) == Some(true) => return Ok(table.clone()),
        Cells::Constant(..) => Vec::new(),
        Cells::Bool(truths) => {
            let kept = truths.iter().enumerate().filter(|(_, truth)| **truth == Some(true));
            kept.map(|(row, _)| row_number(row)).collect()
        }
        other => {
            let kept = other.values().enumerate().filter(|(_, value)| to_bool(value) == Some(true));
            kept.map(|(row, _)| row_number(row)).collect()
        }
    };
    Ok(Table { schema: table.schema.clone(), batch: table.batch.gather(&rows) })
}

/// Whether an expression reads other rows than its own.
fn reads_neighbours(expr: &Expr) -> bool {
    let is_window = matches!(&expr.kind, ExprKind::Call { function, .. } if is_window(function));
    is_window || expr.operands().into_iter().any(reads_neighbours)
}

/// Computes each row anew.
pub(super) fn project(
    machine: &Machine<'_>,
    exprs: &[Expr],
    schema: &Schema,
    received: Received<'_>,
) -> Result<Table, EvalError> {
    let table = received.table;
    let columns: Option<Vec<usize>> = exprs
        .iter()
        .zip(&schema.columns)
        .map(|(expr, _)| match expr.kind {
            ExprKind::Column(index) if table.batch.column(index).is_some() => Some(index),
            _ => None,
        })
        .collect();
    let given = match columns {
        // Nothing is computed: columns that nobody asked for yet stay so.
        Some(columns) if !schema.columns.iter().any(|column| column.ty.is_unknown()) => {
            Table { schema: schema.clone(), batch: table.batch.project(&columns) }
        }
        _ => named(schema, eval_all(machine, exprs, table)?, table.batch.rows()),
    };
    Ok(with_extras(given, schema, received))
}

/// Gives each different row of keys once.
pub(super) fn distinct(
    machine: &Machine<'_>,
    keys: &[Expr],
    schema: &Schema,
    table: &Table,
) -> Result<Table, EvalError> {
    let columns = eval_all(machine, keys, table)?;
    let rows = first_rows(machine, &columns, table.batch.rows(), usize::MAX)?;
    let columns = columns.iter().map(|column| Arc::new(column.gather(&rows))).collect();
    Ok(named(schema, columns, rows.len()))
}

/// Returns the first row of each different key, up to `count` of them.
fn first_rows(
    machine: &Machine<'_>,
    columns: &[Arc<Cells>],
    rows: usize,
    count: usize,
) -> Result<Vec<u32>, EvalError> {
    machine.work(rows)?;
    let mut known: IndexSet<Box<[u8]>> = IndexSet::new();
    let mut first = Vec::new();
    let mut key = KeyWriter::new();
    let mut bytes = 0;
    for row in 0..rows {
        if first.len() >= count {
            break;
        }
        key.clear();
        for column in columns {
            key.push_cell(column, row);
        }
        if !known.contains(key.bytes()) {
            bytes += key.bytes().len() + 48;
            machine.memory(bytes)?;
            known.insert(Box::from(key.bytes()));
            first.push(row_number(row));
        }
    }
    Ok(first)
}

/// Keeps the first rows.
pub(super) fn take(machine: &Machine<'_>, count: &Expr, table: &Table) -> Result<Table, EvalError> {
    let count = row_count(machine, count)?;
    if count >= table.batch.rows() {
        return Ok(table.clone());
    }
    let rows: Vec<u32> = (0..count).map(row_number).collect();
    Ok(Table { schema: table.schema.clone(), batch: table.batch.gather(&rows) })
}

/// Keeps rows chosen at random, in their order.
pub(super) fn sample(machine: &Machine<'_>, count: &Expr, table: &Table) -> Result<Table, EvalError> {
    let count = row_count(machine, count)?;
    let rows = table.batch.rows();
    if count >= rows {
        return Ok(table.clone());
    }
    let mut left = count;
    let mut chosen = Vec::with_capacity(count);
    for row in 0..rows {
        if machine.chance.below(rows - row) < left {
            chosen.push(row_number(row));
            left -= 1;
        }
    }
    Ok(Table { schema: table.schema.clone(), batch: table.batch.gather(&chosen) })
}

/// Gives some different values of a key.
pub(super) fn sample_distinct(
    machine: &Machine<'_>,
    count: &Expr,
    key: &Expr,
    schema: &Schema,
    table: &Table,
) -> Result<Table, EvalError> {
    let count = row_count(machine, count)?;
    let column = eval(machine, key, table)?;
    let rows = first_rows(machine, std::slice::from_ref(&column), table.batch.rows(), count)?;
    Ok(named(schema, vec![Arc::new(column.gather(&rows))], rows.len()))
}

/// Counts the rows.
pub(super) fn count(schema: &Schema, table: &Table) -> Table {
    let rows = i64::try_from(table.batch.rows()).ok();
    named(schema, vec![Arc::new(Cells::Constant(Value::Long(rows), 1))], 1)
}

/// Gives the columns of the rows.
pub(super) fn get_schema(schema: &Schema, received: Received<'_>) -> Table {
    let columns = &received.table.schema.columns;
    let visible = columns.iter().filter(|column| column.name.as_ref() != INGESTION_TIME);
    let row = |(index, column): (usize, &crate::types::Column)| {
        vec![
            Value::text(Arc::clone(&column.name)),
            Value::Int(i32::try_from(index).ok()),
            Value::from(runtime_type(column.ty)),
            Value::from(column.ty.name()),
        ]
    };
    let rows: Vec<Vec<Value>> = visible.enumerate().map(row).collect();
    Table { schema: schema.clone(), batch: crate::value::Batch::from_rows(schema, rows) }
}

/// Returns the name of a type in the service's own runtime.
const fn runtime_type(ty: ScalarType) -> &'static str {
    match ty {
        ScalarType::Bool => "System.SByte",
        ScalarType::Int => "System.Int32",
        ScalarType::Long => "System.Int64",
        ScalarType::Real => "System.Double",
        ScalarType::Decimal => "System.Data.SqlTypes.SqlDecimal",
        ScalarType::Datetime => "System.DateTime",
        ScalarType::Timespan => "System.TimeSpan",
        ScalarType::Guid => "System.Guid",
        ScalarType::String => "System.String",
        ScalarType::Dynamic | ScalarType::Unknown => "System.Object",
    }
}
