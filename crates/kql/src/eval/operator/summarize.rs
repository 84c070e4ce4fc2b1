//! `summarize`.

use std::sync::Arc;

use indexmap::IndexSet;

use super::super::aggregate::{self, Groups, Input};
use super::super::expr::Frame;
use super::super::machine::Machine;
use super::super::{EvalError, Table};
use super::{eval_all, named, row_number};
use crate::plan::{AggregateCall, Expr};
use crate::types::Schema;
use crate::value::{Batch, Cells, KeyWriter};

/// Groups rows and gives one row for each group.
pub(super) fn summarize(
    machine: &Machine<'_>,
    parts: (&[Expr], &[AggregateCall], &[Expr]),
    schema: &Schema,
    table: &Table,
) -> Result<Table, EvalError> {
    let (by, aggregates, outputs) = parts;
    let keys = eval_all(machine, by, table)?;
    let (groups, first) = group(machine, &keys, table.batch.rows())?;
    let mut columns: Vec<Arc<Cells>> = keys.iter().map(|key| Arc::new(key.gather(&first))).collect();
    for call in aggregates {
        columns.extend(aggregate_column(machine, call, table, &groups)?);
    }
    let batch = Batch::new(columns, groups.count);
    let mut frame = Frame::new(&batch, schema);
    let outputs: Result<Vec<Arc<Cells>>, EvalError> =
        outputs.iter().map(|output| machine.eval(output, &mut frame)).collect();
    Ok(named(schema, outputs?, groups.count))
}

/// Computes an aggregate for each group: one column for each of its results.
pub(super) fn aggregate_column(
    machine: &Machine<'_>,
    call: &AggregateCall,
    table: &Table,
    groups: &Groups,
) -> Result<Vec<Arc<Cells>>, EvalError> {
    let args = eval_all(machine, &call.args, table)?;
    machine.work(table.batch.rows() + groups.count)?;
    let input = Input { args, of: groups.of.clone(), count: groups.count, results: call.results.clone() };
    let kernel = aggregate::find(call.aggregate)
        .ok_or_else(|| EvalError::unsupported(call.aggregate).at(call.span))?;
    let columns = kernel(&input);
    for column in &columns {
        machine.memory(column.weight())?;
    }
    let typed = call.results.iter().zip(columns).map(|(ty, column)| Arc::new(column.cast(*ty)));
    Ok(typed.collect())
}

/// Finds the group of each row, in the order of first appearance, and the first row of each. No
/// keys make one group, even of no rows.
pub(super) fn group(
    machine: &Machine<'_>,
    keys: &[Arc<Cells>],
    rows: usize,
) -> Result<(Groups, Vec<u32>), EvalError> {
    machine.work(rows)?;
    let constant = keys.iter().all(|key| matches!(key.as_ref(), Cells::Constant(..)));
    if keys.is_empty() || (constant && rows > 0) {
        return Ok((Groups { of: Arc::from(vec![0; rows]), count: 1 }, vec![0]));
    }
    let mut known: IndexSet<Box<[u8]>> = IndexSet::new();
    let mut first = Vec::new();
    let mut of = Vec::with_capacity(rows);
    let mut key = KeyWriter::new();
    let mut bytes = 0;
    for row in 0..rows {
        key.clear();
        for column in keys {
            key.push_cell(column, row);
        }
        let place = if let Some(place) = known.get_index_of(key.bytes()) {
            place
        } else {
            bytes += key.bytes().len() + 64;
            machine.memory(bytes)?;
            first.push(row_number(row));
            known.insert_full(Box::from(key.bytes())).0
        };
        of.push(row_number(place));
    }
    Ok((Groups { of: Arc::from(of), count: known.len() }, first))
}
