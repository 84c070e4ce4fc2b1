//! The state of one run: slots, budget, chance, prepared patterns.

use std::cell::RefCell;
use std::sync::Arc;

use super::budget::Budget;
use super::chance::Chance;
use super::expr::Frame;
use super::scalar::Memo;
use super::{Answer, Env, EvalError, INGESTION_TIME, Table, Tables, operator};
use crate::plan::{Operator, Pipeline, Plan, Slot, SlotId, Stage};
use crate::types::{Column, ScalarType, Schema};
use crate::value::{Batch, Value};

/// What runs a plan.
pub(super) struct Machine<'a> {
    plan: &'a Plan,
    /// The tables.
    pub(super) tables: &'a dyn Tables,
    /// The world.
    pub(super) env: &'a Env<'a>,
    /// Prepared patterns.
    pub(super) memo: Memo,
    /// Random numbers.
    pub(super) chance: Chance,
    budget: Budget,
    slots: RefCell<Vec<Option<SlotValue>>>,
}

/// A slot that was computed.
#[derive(Clone)]
enum SlotValue {
    Scalar(Value),
    Table(Table),
}

impl<'a> Machine<'a> {
    /// Prepares a run.
    pub(super) fn new(plan: &'a Plan, tables: &'a dyn Tables, env: &'a Env<'a>) -> Self {
        Self {
            plan,
            tables,
            env,
            memo: Memo::default(),
            chance: Chance::new(env.seed),
            budget: Budget::default(),
            slots: RefCell::new(vec![None; plan.slots.len()]),
        }
    }

    /// Runs a tabular statement.
    pub(super) fn answer(&self, pipeline: &Pipeline) -> Result<Answer, EvalError> {
        let table = visible(self.pipeline(pipeline, None)?);
        let last = pipeline.stages.last().map_or(pipeline.span, |stage| stage.span);
        Budget::result(self.env, &table.batch).map_err(|error| error.at(last))?;
        let render = pipeline.stages.iter().rev().find_map(|stage| match &stage.operator {
            Operator::Render(render) => Some(render.clone()),
            _ => None,
        });
        Ok(Answer { table, render })
    }

    /// Runs a pipeline. `context` are the rows handed to an inner query.
    pub(super) fn pipeline(&self, pipeline: &Pipeline, context: Option<&Table>) -> Result<Table, EvalError> {
        let mut table = operator::source(self, pipeline, context)?;
        let mut known = pipeline.source.schema().len();
        for stage in &pipeline.stages {
            let received = Received { table: &table, known };
            table = self.stage(stage, received).map_err(|error| error.at(stage.span))?;
            known = stage.schema.len();
        }
        Ok(table)
    }

    fn stage(&self, stage: &Stage, received: Received<'_>) -> Result<Table, EvalError> {
        self.work(received.table.batch.rows() + 1)?;
        let given = operator::stage(self, &stage.operator, &stage.schema, received)?;
        let table = settle(&stage.schema, &given);
        Budget::rows(self.env, table.batch.rows())?;
        Ok(table)
    }

    /// Counts work that is about to be done.
    pub(super) fn work(&self, steps: usize) -> Result<(), EvalError> {
        self.budget.work(self.env, steps)
    }

    /// Checks a number of rows that is about to be made.
    pub(super) fn rows(&self, rows: usize) -> Result<(), EvalError> {
        Budget::rows(self.env, rows)
    }

    /// Checks bytes that are kept.
    pub(super) fn memory(&self, bytes: usize) -> Result<(), EvalError> {
        Budget::memory(self.env, bytes)
    }

    fn slot(&self, id: SlotId) -> Result<SlotValue, EvalError> {
        let index = id.0 as usize;
        if let Some(Some(known)) = self.slots.borrow().get(index) {
            return Ok(known.clone());
        }
        let value = match self.plan.slots.get(index) {
            Some(Slot::Scalar(expr)) => SlotValue::Scalar(self.constant(expr)?),
            Some(Slot::Table(pipeline)) => SlotValue::Table(self.pipeline(pipeline, None)?),
            None => return Err(EvalError::unsupported("a slot that is not in the plan")),
        };
        if let Some(place) = self.slots.borrow_mut().get_mut(index) {
            *place = Some(value.clone());
        }
        Ok(value)
    }

    /// Sets the value of a slot, and forgets those of the slots behind it, which depend on it.
    pub(super) fn set_constant(&self, id: SlotId, value: Value, dependent: u32) {
        let mut slots = self.slots.borrow_mut();
        let behind = slots.iter_mut().skip(id.0 as usize + 1).take(dependent as usize);
        behind.for_each(|slot| *slot = None);
        if let Some(place) = slots.get_mut(id.0 as usize) {
            *place = Some(SlotValue::Scalar(value));
        }
    }

    /// Returns the value of a scalar slot.
    pub(super) fn scalar_slot(&self, id: SlotId) -> Result<Value, EvalError> {
        match self.slot(id)? {
            SlotValue::Scalar(value) => Ok(value),
            SlotValue::Table(table) => Ok(first_value(&table)),
        }
    }

    /// Returns the rows of a table slot.
    pub(super) fn table_slot(&self, id: SlotId) -> Result<Table, EvalError> {
        match self.slot(id)? {
            SlotValue::Table(table) => Ok(table),
            SlotValue::Scalar(_) => Err(EvalError::unsupported("a value in the place of a table")),
        }
    }

    /// Returns the value `toscalar` takes from a table slot.
    pub(super) fn first_of(&self, id: SlotId) -> Result<Value, EvalError> {
        self.table_slot(id).map(|table| first_value(&table))
    }

    /// Computes an expression that reads no column.
    pub(super) fn constant(&self, expr: &crate::plan::Expr) -> Result<Value, EvalError> {
        let batch = Batch::new(Vec::new(), 1);
        let schema = Schema::default();
        let mut frame = Frame::new(&batch, &schema);
        Ok(self.eval(expr, &mut frame)?.get(0))
    }
}

fn first_value(table: &Table) -> Value {
    let ty = table.schema.get(0).map_or(ScalarType::Dynamic, |column| column.ty);
    match table.batch.rows() {
        0 => Value::null(ty),
        _ => table.batch.value(0, 0).unwrap_or_else(|| Value::null(ty)),
    }
}

/// The rows an operator receives.
#[derive(Clone, Copy)]
pub(super) struct Received<'a> {
    /// Rows and columns.
    pub(super) table: &'a Table,
    /// How many of the columns the plan knows; further ones are only known to the rows.
    pub(super) known: usize,
}

/// Leaves out the column that only `ingestion_time()` reads.
fn visible(table: Table) -> Table {
    let Some(hidden) = table.schema.find(INGESTION_TIME) else { return table };
    let kept: Vec<usize> = (0..table.schema.len()).filter(|place| *place != hidden).collect();
    let columns = kept.iter().filter_map(|place| table.schema.get(*place)).cloned().collect();
    Table { schema: Schema { columns, open: table.schema.open }, batch: table.batch.project(&kept) }
}

/// Gives the rows just the columns of a closed schema, and the hidden time of arrival if they
/// have it.
pub(super) fn with_hidden(schema: &Schema, given: &Table) -> Table {
    let mut places: Vec<usize> = (0..schema.len()).collect();
    let mut schema = schema.clone();
    let hidden = given.schema.find(INGESTION_TIME).filter(|place| *place >= schema.len());
    if let Some(place) = hidden {
        places.push(place);
        schema.columns.extend(given.schema.get(place).cloned());
    }
    let mut batch = given.batch.project(&places);
    for (place, column) in schema.columns.iter_mut().enumerate() {
        match batch.column_type(place) {
            Some(ty) if column.ty.is_unknown() => column.ty = ty,
            Some(ty) if ty == column.ty => {}
            _ => batch = recast(&batch, place, column.ty),
        }
    }
    Table { schema, batch }
}

/// Converts one column to the type the plan says it has; a column that is missing is null.
fn recast(batch: &Batch, place: usize, ty: ScalarType) -> Batch {
    let width = batch.width();
    let cells = batch.column_or_null(place, ty).cast(if ty.is_unknown() { ScalarType::Dynamic } else { ty });
    let extended = batch.with_columns([Arc::new(cells)]);
    let mut places: Vec<usize> = (0..width).collect();
    match places.get_mut(place) {
        Some(replaced) => *replaced = width,
        None => places.push(width),
    }
    extended.project(&places)
}

/// Gives the rows the columns the plan expects: a closed schema has just these, an open one has
/// them in front.
fn settle(schema: &Schema, given: &Table) -> Table {
    if !schema.open {
        return with_hidden(schema, given);
    }
    let mut columns = Vec::new();
    let mut cells = Vec::new();
    let rows = given.batch.rows();
    for (index, column) in schema.columns.iter().enumerate() {
        // Two columns may have the same name; then they are where they are expected.
        let same = given.schema.get(index).filter(|found| found.name == column.name);
        let place = same.map(|_| index).or_else(|| given.schema.find(&column.name));
        let mut settled = column.clone();
        if column.ty.is_unknown() {
            settled.ty =
                place.and_then(|place| given.batch.column_type(place)).unwrap_or(ScalarType::Dynamic);
        }
        let found = given.batch.column_or_null(place.unwrap_or(usize::MAX), settled.ty);
        cells.push(if found.ty() == settled.ty { found } else { Arc::new(found.cast(settled.ty)) });
        columns.push(settled);
    }
    for (index, column) in given.schema.columns.iter().enumerate() {
        if schema.find(&column.name).is_none() {
            let ty = given.batch.column_type(index).unwrap_or(ScalarType::Dynamic);
            cells.push(given.batch.column_or_null(index, ty));
            columns.push(Column { name: Arc::clone(&column.name), ty });
        }
    }
    Table { schema: Schema { columns, open: true }, batch: Batch::new(cells, rows) }
}
