//! `scan`: matching sequences of rows.

use std::sync::Arc;

use super::super::expr::Frame;
use super::super::machine::Machine;
use super::super::{EvalError, Table};
use super::order::sorted_rows;
use super::partition::parts;
use super::{eval_all, row_number};
use crate::plan::{Expr, Scan, ScanOutput, ScanState};
use crate::types::{Column, ScalarType, Schema};
use crate::value::{Batch, Cells, Value, to_bool};

/// Matches sequences of rows.
pub(super) fn scan(
    machine: &Machine<'_>,
    scan: &Scan,
    schema: &Schema,
    table: &Table,
) -> Result<Table, EvalError> {
    for step in &scan.steps {
        if step.optional {
            return Err(EvalError::unsupported("scan steps that are optional"));
        }
    }
    let ordered = if scan.order.is_empty() {
        table.clone()
    } else {
        let rows = sorted_rows(machine, &scan.order, table)?;
        Table { schema: table.schema.clone(), batch: table.batch.gather(&rows) }
    };
    let rows = ordered.batch.rows();
    let groups = if scan.partition.is_empty() {
        vec![(0..rows).map(row_number).collect()]
    } else {
        let keys: Vec<Arc<Cells>> = eval_all(machine, &scan.partition, &ordered)?;
        parts(machine, &keys, rows)?
    };
    let mut declared = Vec::with_capacity(scan.declared.len());
    for default in &scan.declared {
        declared.push(machine.constant(default)?);
    }
    let width = schema.len().saturating_sub(declared.len() + usize::from(scan.with_match_id));
    let (states, last) = (Vec::new(), Vec::new());
    let mut run =
        Run { machine, scan, width, declared, schema, states, last, next_match: 0, out: Vec::new() };
    for group in groups {
        run.states = vec![None; scan.steps.len()];
        run.last = vec![None; scan.steps.len()];
        for row in group {
            run.row(&ordered, row as usize)?;
        }
        (0..scan.steps.len()).for_each(|step| run.give_last(step));
    }
    Ok(Table { schema: schema.clone(), batch: Batch::from_rows(schema, run.out) })
}

/// The rows that stand for the steps of a sequence so far, and its number.
#[derive(Clone)]
struct Sequence {
    rows: Vec<Option<Vec<Value>>>,
    number: i64,
}

struct Run<'a, 'b> {
    machine: &'a Machine<'b>,
    scan: &'a Scan,
    /// Columns of the rows received.
    width: usize,
    declared: Vec<Value>,
    schema: &'a Schema,
    /// For each step the sequence that has come so far.
    states: Vec<Option<Sequence>>,
    /// For each step that gives only the last of its rows, that row so far.
    last: Vec<Option<Vec<Value>>>,
    next_match: i64,
    out: Vec<Vec<Value>>,
}

impl Run<'_, '_> {
    /// Takes one row through the steps, from the last to the first.
    fn row(&mut self, table: &Table, row: usize) -> Result<(), EvalError> {
        let mut values: Vec<Value> = (0..self.width)
            .map(|column| table.batch.value(row, column).unwrap_or(Value::Long(None)))
            .collect();
        values.extend(self.declared.iter().cloned());
        for step in (0..self.scan.steps.len()).rev() {
            self.machine.work(4)?;
            let before = step.checked_sub(1).and_then(|before| self.states.get(before).cloned().flatten());
            if let Some(sequence) = before
                && self.accepts(step, &values, Some(&sequence))?
            {
                // The rows so far of this step and of the one before are not followed by others.
                self.give_last(step);
                self.give_last(step.saturating_sub(1));
                self.enter(step, &values, sequence)?;
                if let Some(place) = step.checked_sub(1).and_then(|before| self.states.get_mut(before)) {
                    *place = None;
                }
                continue;
            }
            let own = self.states.get(step).cloned().flatten();
            if (own.is_some() || step == 0) && self.accepts(step, &values, own.as_ref())? {
                let mut sequence = own.unwrap_or_else(|| self.fresh());
                if step == 0 {
                    sequence.number = self.next_match;
                    self.next_match += 1;
                }
                self.enter(step, &values, sequence)?;
            }
        }
        Ok(())
    }

    fn fresh(&self) -> Sequence {
        Sequence { rows: vec![None; self.scan.steps.len()], number: 0 }
    }

    fn accepts(&self, step: usize, values: &[Value], state: Option<&Sequence>) -> Result<bool, EvalError> {
        let Some(step) = self.scan.steps.get(step) else { return Ok(false) };
        Ok(to_bool(&self.value(&step.condition, values, state)?) == Some(true))
    }

    /// Puts a row into the place of a step, and into the result.
    fn enter(&mut self, step: usize, values: &[Value], sequence: Sequence) -> Result<(), EvalError> {
        let Some(plan) = self.scan.steps.get(step) else { return Ok(()) };
        let mut row = values.to_vec();
        for (place, expr) in &plan.assignments {
            let value = self.value(expr, values, Some(&sequence))?;
            if let Some(cell) = row.get_mut(*place) {
                *cell = value;
            }
        }
        let mut sequence = sequence;
        if plan.output != ScanOutput::None {
            let mut output = row.clone();
            if self.scan.with_match_id {
                output.push(Value::from(sequence.number));
            }
            match self.last.get_mut(step).filter(|_| plan.output == ScanOutput::Last) {
                Some(last) => *last = Some(output),
                None => self.out.push(output),
            }
            self.machine.rows(self.out.len())?;
        }
        if let Some(place) = sequence.rows.get_mut(step) {
            *place = Some(row);
        }
        if let Some(state) = self.states.get_mut(step) {
            *state = Some(sequence);
        }
        Ok(())
    }

    /// Gives the last row of a step, if there is one that was not given.
    fn give_last(&mut self, step: usize) {
        self.out.extend(self.last.get_mut(step).and_then(Option::take));
    }

    fn value(&self, expr: &Expr, values: &[Value], state: Option<&Sequence>) -> Result<Value, EvalError> {
        let ty =
            |column: usize| self.schema.get(column).map_or(ScalarType::Dynamic, |column: &Column| column.ty);
        let lookup = |wanted: ScanState| {
            let row = state.and_then(|sequence| sequence.rows.get(wanted.step)?.as_ref());
            let value = row.and_then(|row| row.get(wanted.column)).cloned();
            // Before the first match a declared column has its default.
            let default =
                || wanted.column.checked_sub(self.width).and_then(|index| self.declared.get(index)).cloned();
            value.or_else(default).unwrap_or_else(|| Value::null(ty(wanted.column)))
        };
        let columns = values.iter().map(|value| Arc::new(Cells::Constant(value.clone(), 1))).collect();
        let batch = Batch::new(columns, 1);
        let mut frame = Frame::new(&batch, self.schema);
        frame.scan = Some(&lookup);
        Ok(self.machine.eval(expr, &mut frame)?.get(0))
    }
}
