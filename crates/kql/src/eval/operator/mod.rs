//! Sources and operators: whole tables in, whole tables out.

mod expand;
mod external;
mod graph;
mod join;
mod order;
mod parse;
mod parse_kv;
mod partition;
mod plugin;
mod rows;
mod scan;
mod series;
mod source;
mod summarize;
mod top_nested;
mod union;

pub(super) use source::source;

use super::expr::Frame;
use super::machine::{Machine, Received};
use super::{EvalError, INGESTION_TIME, Table};
use crate::plan::{JoinSide, Operator};
use crate::types::{Column, Schema};
use crate::value::{Batch, Cells};
use std::sync::Arc;

/// Runs one operator. The columns of the result are in the order of `schema`.
pub(super) fn stage(
    machine: &Machine<'_>,
    operator: &Operator,
    schema: &Schema,
    received: Received<'_>,
) -> Result<Table, EvalError> {
    let table = received.table;
    match operator {
        Operator::Filter(condition) => rows::filter(machine, condition, table),
        Operator::Project(exprs) => rows::project(machine, exprs, schema, received),
        Operator::Summarize { by, aggregates, outputs } => {
            summarize::summarize(machine, (by, aggregates, outputs), schema, table)
        }
        Operator::Distinct(keys) => rows::distinct(machine, keys, schema, table),
        Operator::Sort(keys) => order::sort(machine, keys, table),
        Operator::Top { count, keys } => order::top(machine, count, keys, table),
        Operator::Take(count) => rows::take(machine, count, table),
        Operator::Sample(count) => rows::sample(machine, count, table),
        Operator::SampleDistinct { count, key } => rows::sample_distinct(machine, count, key, schema, table),
        Operator::Count => Ok(rows::count(schema, table)),
        Operator::Join { kind, right, keys, outputs } => {
            let right = machine.pipeline(right, None)?;
            join::join(machine, *kind, (table, &right), keys, (outputs, schema))
        }
        Operator::Union { columns, label, inputs } => {
            union::operator(machine, (columns, label), inputs, schema, table)
        }
        Operator::MvExpand(expand) => expand::mv_expand(machine, expand, schema, table),
        Operator::MvApply { expand, inner, outputs } => {
            expand::mv_apply(machine, (expand, inner), (outputs, schema), table)
        }
        Operator::Parse { .. } => parse::parse(machine, operator, schema, received),
        Operator::ParseKv(kv) => parse_kv::parse_kv(machine, kv, schema, received),
        Operator::MakeSeries(series) => series::make_series(machine, series, schema, table),
        Operator::Partition { key, inner, constant } => {
            partition::partition(machine, (key, *constant), inner, schema, table)
        }
        Operator::TopNested(levels) => top_nested::top_nested(machine, levels, schema, table),
        Operator::TopHitters { count, key, weight } => {
            top_nested::top_hitters(machine, count, (key, weight.as_ref()), schema, table)
        }
        Operator::Scan(scan) => scan::scan(machine, scan, schema, table),
        Operator::GetSchema => Ok(rows::get_schema(schema, received)),
        Operator::Serialize | Operator::Render(_) => Ok(table.clone()),
        Operator::Consume => Ok(Table { schema: schema.clone(), batch: Batch::empty(schema) }),
        Operator::Plugin(call) => plugin::plugin(machine, call, schema, Some(table)),
        Operator::Enrich { function, args, columns, outputs } => {
            external::enrich(machine, (function, args), columns, (outputs, schema), table)
        }
        Operator::GraphMatch(graph) => graph::graph_match(machine, graph, schema, table),
        Operator::GraphToTable(graph, part, ids) => {
            graph::graph_to_table(machine, graph, (*part, ids), schema, table)
        }
        Operator::Fork(_) => Err(EvalError::unsupported("fork")),
        Operator::Unsupported(name) => Err(EvalError::unsupported(*name)),
    }
}

/// Computes an expression over the rows of a table.
fn eval(machine: &Machine<'_>, expr: &crate::plan::Expr, table: &Table) -> Result<Arc<Cells>, EvalError> {
    machine.eval(expr, &mut Frame::new(&table.batch, &table.schema))
}

/// Computes several expressions over the rows of a table.
fn eval_all(
    machine: &Machine<'_>,
    exprs: &[crate::plan::Expr],
    table: &Table,
) -> Result<Vec<Arc<Cells>>, EvalError> {
    exprs.iter().map(|expr| eval(machine, expr, table)).collect()
}

/// Names columns as a schema does; a type the plan did not know is that of the values.
fn named(schema: &Schema, columns: Vec<Arc<Cells>>, rows: usize) -> Table {
    let typed = schema.columns.iter().zip(&columns).map(|(column, cells)| {
        let ty = if column.ty.is_unknown() { cells.ty() } else { column.ty };
        Column { name: Arc::clone(&column.name), ty }
    });
    let schema = Schema { columns: typed.collect(), open: schema.open };
    Table { schema, batch: Batch::new(columns, rows) }
}

/// Adds the columns of the rows received that the plan does not know, if the result keeps them:
/// those of an open schema, and the hidden time of arrival.
fn with_extras(given: Table, schema: &Schema, received: Received<'_>) -> Table {
    let mut table = given;
    for (index, column) in received.table.schema.columns.iter().enumerate().skip(received.known) {
        let kept = schema.open || column.name.as_ref() == INGESTION_TIME;
        if kept && schema.find(&column.name).is_none() {
            let cells = received.table.batch.column_or_null(index, column.ty);
            table.batch = table.batch.with_columns([cells]);
            table.schema.columns.push(column.clone());
        }
    }
    table
}

/// Lays the columns of two tables side by side; each is given its own rows. A row of `u32::MAX`
/// is null.
fn side_by_side(
    left: (&Table, &[u32]),
    right: (&Table, &[u32]),
    outputs: &[JoinSide],
    schema: &Schema,
) -> Table {
    let rows = left.1.len();
    let (left, right) = (left.0.batch.gather(left.1), right.0.batch.gather(right.1));
    let column = |(output, column): (&JoinSide, &Column)| match output {
        JoinSide::Left(index) => left.column_or_null(*index, column.ty),
        JoinSide::Right(index) => right.column_or_null(*index, column.ty),
    };
    let columns = outputs.iter().zip(&schema.columns).map(column).collect();
    named(schema, columns, rows)
}

/// Returns a row's place as selections keep it.
fn row_number(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

/// Computes a constant number of rows.
fn row_count(machine: &Machine<'_>, count: &crate::plan::Expr) -> Result<usize, EvalError> {
    let value = machine.constant(count)?;
    let count = crate::value::to_long(&value).unwrap_or(0).max(0);
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}
