//! Where rows come from.

use std::sync::Arc;

use super::super::comparison::test;
use super::super::machine::{Machine, with_hidden};
use super::super::{EvalError, INGESTION_TIME, Table, arithmetic};
use super::{external, plugin, union};
use crate::plan::{Arithmetic, Asked, Comparison, Expr, Pipeline, Source};
use crate::types::{Column, ScalarType, Schema};
use crate::value::{Batch, Cells, Value, cast};

/// Returns the rows that a pipeline begins with.
pub(in crate::eval) fn source(
    machine: &Machine<'_>,
    pipeline: &Pipeline,
    context: Option<&Table>,
) -> Result<Table, EvalError> {
    rows_of(machine, pipeline, context).map_err(|error| error.at(pipeline.span))
}

fn rows_of(machine: &Machine<'_>, pipeline: &Pipeline, context: Option<&Table>) -> Result<Table, EvalError> {
    let span = pipeline.span;
    match &pipeline.source {
        Source::Table { name, schema, asked } => scan(machine, name, schema, *asked),
        Source::Slot(id, schema) => {
            let table = machine.table_slot(*id)?;
            if schema.open { Ok(table) } else { Ok(with_hidden(schema, &table)) }
        }
        Source::Context(_) => {
            context.cloned().ok_or_else(|| EvalError::unsupported("an inner query without rows"))
        }
        Source::Row(exprs, schema) => rows(machine, std::slice::from_ref(exprs), schema),
        Source::Rows(list, schema) => rows(machine, list, schema),
        Source::Range { from, to, step, schema } => range(machine, (from, to, step), schema),
        Source::External(external, schema) => external::documents(machine, external, schema),
        Source::Function { name, args, schema } => external::function(machine, name, args, schema),
        Source::Union(inputs, schema) => union::source(machine, inputs, schema),
        Source::Plugin(call, schema) => plugin::plugin(machine, call, schema, None),
        Source::Stored(pipeline) => {
            machine.pipeline(pipeline, context).map_err(|error| error.elsewhere(span))
        }
        Source::Broken => Err(EvalError::unsupported("a source with an error")),
    }
}

fn scan(machine: &Machine<'_>, name: &str, schema: &Schema, asked: Asked) -> Result<Table, EvalError> {
    let batch = match (machine.tables.scan(name, schema), asked) {
        (Some(batch), _) => batch,
        (None, Asked::ByPattern) => Batch::empty(schema),
        (None, Asked::ByName) => return Err(EvalError::no_table(name)),
    };
    let mut table = Table { schema: schema.clone(), batch };
    machine.rows(table.batch.rows())?;
    let arrivals = machine.tables.ingestion_times(name).map(Arc::new).or_else(|| {
        let timestamp = [Column::new("Timestamp", ScalarType::Datetime)].into_iter().collect();
        let place = schema.find("Timestamp").and_then(|place| table.batch.column(place)).cloned();
        place.or_else(|| machine.tables.scan(name, &timestamp)?.column(0).cloned())
    });
    if let Some(arrivals) = arrivals {
        table.batch = table.batch.with_columns([arrivals]);
        table.schema.columns.push(Column::new(INGESTION_TIME, ScalarType::Datetime));
    }
    Ok(table)
}

fn rows(machine: &Machine<'_>, list: &[Vec<Expr>], schema: &Schema) -> Result<Table, EvalError> {
    let mut schema = schema.clone();
    let mut values = Vec::with_capacity(list.len());
    for exprs in list {
        let row: Result<Vec<Value>, EvalError> = exprs.iter().map(|expr| machine.constant(expr)).collect();
        values.push(row?);
    }
    if let [row] = values.as_slice() {
        for (column, value) in schema.columns.iter_mut().zip(row) {
            if column.ty.is_unknown() {
                column.ty = value.ty();
            }
        }
    }
    let batch = Batch::from_rows(&schema, values);
    Ok(Table { schema, batch })
}

fn range(machine: &Machine<'_>, bounds: (&Expr, &Expr, &Expr), schema: &Schema) -> Result<Table, EvalError> {
    let (from, to, step) =
        (machine.constant(bounds.0)?, machine.constant(bounds.1)?, machine.constant(bounds.2)?);
    let declared = schema.get(0).map_or(ScalarType::Long, |column| column.ty);
    let ty = if declared.is_unknown() { from.ty() } else { declared };
    let mut cells = Cells::empty(ty);
    let mut value = cast(&from, ty);
    let zero = cast(&Value::from(0), step.ty());
    let end = match test(Comparison::Greater, &step, &zero) {
        Some(true) => Comparison::LessOrEqual,
        _ if test(Comparison::Less, &step, &zero) == Some(true) => Comparison::GreaterOrEqual,
        _ => return Err(EvalError::refused("the step of a range must not be zero")),
    };
    while test(end, &value, &to) == Some(true) {
        cells.push(value.clone());
        if cells.len().is_multiple_of(1024) {
            machine.rows(cells.len())?;
            machine.work(1024)?;
        }
        let next = arithmetic::compute(Arithmetic::Add, &value, &step, ty);
        // Whole numbers wrap around at the end of their range.
        if test(end, &value, &next) != Some(true) {
            break;
        }
        value = next;
    }
    let rows = cells.len();
    Ok(super::named(schema, vec![Arc::new(cells)], rows))
}
