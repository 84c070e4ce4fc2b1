//! Computing expressions over the columns of a table.

use std::cell::Cell;
use std::sync::Arc;

use super::arithmetic::{arithmetic, negate};
use super::comparison::{between, comparison};
use super::machine::Machine;
use super::membership::{Candidates, Sense};
use super::scalar::{Args, Call, find, is_random};
use super::text_match::Matcher;
use super::{EvalError, window};
use crate::plan::{Comparison, Expr, ExprKind, LocalId, Membership, ScanState, TextMatch};
use crate::types::{ScalarType, Schema};
use crate::value::{Batch, Cells, Dynamic, Value, to_bool, to_dynamic, to_long, to_text};

/// The rows an expression reads.
pub(super) struct Frame<'a> {
    /// The rows.
    pub(super) batch: &'a Batch,
    /// Names of the columns, for those that only the rows know.
    pub(super) schema: &'a Schema,
    locals: Vec<(LocalId, Arc<Cells>)>,
    /// The rows of the steps of a `scan`.
    pub(super) scan: Option<&'a dyn Fn(ScanState) -> Value>,
}

impl<'a> Frame<'a> {
    /// Reads the rows of a batch.
    pub(super) const fn new(batch: &'a Batch, schema: &'a Schema) -> Self {
        Self { batch, schema, locals: Vec::new(), scan: None }
    }

    /// Returns the number of rows.
    pub(super) const fn rows(&self) -> usize {
        self.batch.rows()
    }
}

/// Which word joins truths. `false` decides an `and`, `true` an `or`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Logic {
    And,
    Or,
}

impl Machine<'_> {
    /// Computes an expression for each row. The column has the type the expression claims.
    pub(super) fn eval(&self, expr: &Expr, frame: &mut Frame<'_>) -> Result<Arc<Cells>, EvalError> {
        let counted = self.work(frame.rows() + 1);
        let cells = counted.and_then(|()| self.kind(expr, frame)).map_err(|error| error.at(expr.span))?;
        if expr.ty.is_unknown() || cells.ty() == expr.ty {
            return Ok(cells);
        }
        Ok(Arc::new(cells.cast(expr.ty)))
    }

    fn kind(&self, expr: &Expr, frame: &mut Frame<'_>) -> Result<Arc<Cells>, EvalError> {
        let rows = frame.rows();
        let constant = |value: Value| Arc::new(Cells::Constant(value, rows));
        Ok(match &expr.kind {
            ExprKind::Literal(value) => constant(value.clone()),
            ExprKind::Column(index) => frame.batch.column_or_null(*index, expr.ty),
            ExprKind::Named(name) => {
                let place = frame.schema.find(name).unwrap_or(usize::MAX);
                frame.batch.column_or_null(place, expr.ty)
            }
            ExprKind::Local(id) => {
                let known = frame.locals.iter().rev().find(|(local, _)| local == id);
                known.map_or_else(|| constant(Value::null(expr.ty)), |(_, cells)| Arc::clone(cells))
            }
            ExprKind::Slot(id) => constant(self.scalar_slot(*id)?),
            ExprKind::FirstOf(id) => constant(self.first_of(*id)?),
            ExprKind::ScanState(state) => {
                let value = frame.scan.map_or_else(|| Value::null(expr.ty), |scan| scan(*state));
                constant(value)
            }
            ExprKind::With(locals, body) => self.with(locals, body, frame)?,
            ExprKind::Stored(body) => self.eval(body, frame).map_err(|error| error.elsewhere(expr.span))?,
            ExprKind::Negate(operand) => Arc::new(negate(&self.eval(operand, frame)?, expr.ty, rows)),
            ExprKind::Arithmetic(op, a, b) => {
                let (a, b) = (self.eval(a, frame)?, self.eval(b, frame)?);
                Arc::new(arithmetic(*op, &a, &b, expr.ty, rows))
            }
            ExprKind::Compare(op, a, b) => self.compare(*op, (a, b), frame)?,
            ExprKind::And(operands) => self.logic(operands, Logic::And, frame)?,
            ExprKind::Or(operands) => self.logic(operands, Logic::Or, frame)?,
            ExprKind::Text { relation, negated, text, pattern } => {
                self.text(*relation, sense(*negated), (text, pattern), frame)?
            }
            ExprKind::Member { relation, negated, needle, candidates } => {
                self.member((*relation, sense(*negated)), needle, candidates, frame)?
            }
            ExprKind::MemberOfTable { relation, negated, needle, table } => {
                let needle = self.eval(needle, frame)?;
                let table = self.table_slot(*table)?;
                let values = table.batch.column_or_null(0, needle.ty());
                let candidates = Candidates::new(*relation, values.values(), needle.ty(), &self.memo)?;
                Arc::new(candidates.test_all(&needle, rows, sense(*negated)))
            }
            ExprKind::Between { negated, value, low, high } => {
                self.between(sense(*negated), value, (low, high), frame)?
            }
            ExprKind::AnyColumn { columns, value, test } => self.any_column(columns, *value, test, frame)?,
            ExprKind::Property(object, name) => {
                let object = self.eval(object, frame)?;
                Arc::new(map(&object, ScalarType::Dynamic, rows, |value| {
                    Value::Dynamic(bag_or_text(value).property(name))
                }))
            }
            ExprKind::Element(object, index) => {
                let (object, index) = (self.eval(object, frame)?, self.eval(index, frame)?);
                Arc::new(element(&object, &index, rows))
            }
            ExprKind::Call { function, args } => self.call(expr, function, args, frame)?,
            ExprKind::Item(call, item) => {
                let items = self.eval(&Expr { ty: ScalarType::Dynamic, ..(**call).clone() }, frame)?;
                let index = i64::try_from(*item).unwrap_or(i64::MAX);
                Arc::new(map(&items, ScalarType::Dynamic, rows, |value| {
                    Value::Dynamic(to_dynamic(value).element(index))
                }))
            }
            ExprKind::Convert(operand) => self.eval(operand, frame)?,
            ExprKind::Broken => return Err(EvalError::unsupported("an expression with an error")),
        })
    }

    fn with(
        &self,
        locals: &[(LocalId, Expr)],
        body: &Expr,
        frame: &mut Frame<'_>,
    ) -> Result<Arc<Cells>, EvalError> {
        let before = frame.locals.len();
        for (id, expr) in locals {
            let cells = self.eval(expr, frame)?;
            frame.locals.push((*id, cells));
        }
        let result = self.eval(body, frame);
        frame.locals.truncate(before);
        result
    }

    fn compare(
        &self,
        op: Comparison,
        operands: (&Expr, &Expr),
        frame: &mut Frame<'_>,
    ) -> Result<Arc<Cells>, EvalError> {
        let (a, b) = (self.eval(operands.0, frame)?, self.eval(operands.1, frame)?);
        Ok(Arc::new(comparison(op, &a, &b, frame.rows())))
    }

    /// `and` and `or`: null unless one operand decides.
    fn logic(&self, operands: &[Expr], logic: Logic, frame: &mut Frame<'_>) -> Result<Arc<Cells>, EvalError> {
        let rows = frame.rows();
        let decisive = logic == Logic::Or;
        let mut result = vec![Some(!decisive); rows];
        for operand in operands {
            let cells = self.eval(operand, frame)?;
            for (row, so_far) in result.iter_mut().enumerate() {
                let value = match cells.as_ref() {
                    Cells::Bool(values) => values.get(row).copied().flatten(),
                    other => to_bool(&other.get(row)),
                };
                *so_far = match (*so_far, value) {
                    (Some(known), _) if known == decisive => Some(decisive),
                    (_, Some(known)) if known == decisive => Some(decisive),
                    (None, _) | (_, None) => None,
                    (known, _) => known,
                };
            }
        }
        Ok(Arc::new(Cells::Bool(result)))
    }

    fn text(
        &self,
        relation: TextMatch,
        sense: Sense,
        operands: (&Expr, &Expr),
        frame: &mut Frame<'_>,
    ) -> Result<Arc<Cells>, EvalError> {
        let rows = frame.rows();
        let (texts, patterns) = (self.eval(operands.0, frame)?, self.eval(operands.1, frame)?);
        let turn = |found: bool| Some(found == (sense == Sense::Plain));
        let Cells::Constant(pattern, _) = patterns.as_ref() else {
            let test = |row: usize| {
                let matcher = Matcher::new(relation, &to_text(&patterns.get(row)), &self.memo)?;
                Ok(turn(matcher.matches(&to_text(&texts.get(row)))))
            };
            let found: Result<Vec<_>, EvalError> = (0..rows).map(test).collect();
            return Ok(Arc::new(Cells::Bool(found?)));
        };
        let matcher = Matcher::new(relation, &to_text(pattern), &self.memo)?;
        Ok(Arc::new(match texts.as_ref() {
            Cells::Constant(text, _) => {
                Cells::Constant(Value::Bool(turn(matcher.matches(&to_text(text)))), rows)
            }
            Cells::String(texts) => {
                Cells::Bool(texts.iter().map(|text| turn(matcher.matches(text))).collect())
            }
            other => {
                Cells::Bool(other.values().map(|value| turn(matcher.matches(&to_text(&value)))).collect())
            }
        }))
    }

    fn member(
        &self,
        how: (Membership, Sense),
        needle: &Expr,
        candidates: &[Expr],
        frame: &mut Frame<'_>,
    ) -> Result<Arc<Cells>, EvalError> {
        let rows = frame.rows();
        let (relation, sense) = how;
        let needle = self.eval(needle, frame)?;
        let mut columns = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            columns.push(self.eval(candidate, frame)?);
        }
        if columns.iter().all(|column| matches!(column.as_ref(), Cells::Constant(..))) {
            let values = columns.iter().map(|column| column.get(0));
            let set = Candidates::new(relation, values, needle.ty(), &self.memo)?;
            return Ok(Arc::new(set.test_all(&needle, rows, sense)));
        }
        let mut found = Vec::with_capacity(rows);
        for row in 0..rows {
            let values = columns.iter().map(|column| column.get(row));
            let set = Candidates::new(relation, values, needle.ty(), &self.memo)?;
            let single = Cells::Constant(needle.get(row), 1);
            found.push(to_bool(&set.test_all(&single, 1, sense).get(0)));
        }
        Ok(Arc::new(Cells::Bool(found)))
    }

    fn between(
        &self,
        sense: Sense,
        value: &Expr,
        ends: (&Expr, &Expr),
        frame: &mut Frame<'_>,
    ) -> Result<Arc<Cells>, EvalError> {
        let rows = frame.rows();
        let value = self.eval(value, frame)?;
        let (low, mut high) = (self.eval(ends.0, frame)?, self.eval(ends.1, frame)?);
        if low.ty() == ScalarType::Datetime && high.ty() == ScalarType::Timespan {
            let sum = arithmetic(crate::plan::Arithmetic::Add, &low, &high, ScalarType::Datetime, rows);
            high = Arc::new(sum);
        }
        let test = |row: usize| {
            let inside = between(&value.get(row), &low.get(row), &high.get(row));
            inside.map(|inside| inside == (sense == Sense::Plain))
        };
        Ok(Arc::new(Cells::Bool((0..rows).map(test).collect())))
    }

    fn any_column(
        &self,
        columns: &[usize],
        value: LocalId,
        test: &Expr,
        frame: &mut Frame<'_>,
    ) -> Result<Arc<Cells>, EvalError> {
        let rows = frame.rows();
        let mut found = vec![Some(false); rows];
        for index in columns {
            let cells = frame.batch.column_or_null(*index, ScalarType::String);
            // The service does not look for terms in reals.
            if matches!(cells.ty(), ScalarType::Real | ScalarType::Decimal) {
                continue;
            }
            frame.locals.push((value, Arc::new(cells.cast(ScalarType::String))));
            let result = self.eval(test, frame);
            frame.locals.pop();
            let result = result?;
            for (row, so_far) in found.iter_mut().enumerate() {
                if to_bool(&result.get(row)) == Some(true) {
                    *so_far = Some(true);
                }
            }
        }
        Ok(Arc::new(Cells::Bool(found)))
    }

    fn call(
        &self,
        expr: &Expr,
        function: &str,
        args: &[Expr],
        frame: &mut Frame<'_>,
    ) -> Result<Arc<Cells>, EvalError> {
        let rows = frame.rows();
        match function {
            "ingestion_time" => return ingestion_time(frame),
            "pack_all" => return self.pack_all(args, frame),
            "bag_pack_columns" => return self.pack_columns(args, frame),
            "assert" => return self.assert(args, frame),
            _ => {}
        }
        let mut columns = Vec::with_capacity(args.len());
        for arg in args {
            columns.push(self.eval(arg, frame)?);
        }
        match function {
            "iff" | "case" => return Ok(Arc::new(case(&columns, expr.ty, rows))),
            "coalesce" => return Ok(Arc::new(coalesce(&columns, expr.ty, rows))),
            "geo_info_from_ip_address" if !self.env.fixtures.knows_places() => {
                return Err(EvalError::no_fixture(function));
            }
            _ => {}
        }
        if let Some(cells) = window::find(function, &columns, expr.ty, rows) {
            return Ok(Arc::new(cells));
        }
        let kernel = find(function).ok_or_else(|| EvalError::unsupported(function))?;
        let call = Call {
            ty: expr.ty,
            env: self.env,
            memo: &self.memo,
            chance: &self.chance,
            unsupported: Cell::new(None),
        };
        let refused =
            |call: &Call<'_>| call.unsupported.get().map_or(Ok(()), |what| Err(EvalError::unsupported(what)));
        let mut values: Vec<Value> = columns.iter().map(|column| column.get(0)).collect();
        let varying: Vec<(usize, &Cells)> = columns
            .iter()
            .enumerate()
            .filter(|(_, column)| !matches!(column.as_ref(), Cells::Constant(..)))
            .map(|(index, column)| (index, column.as_ref()))
            .collect();
        if varying.is_empty() && !is_random(function) {
            let value = kernel(&call, &Args::new(&values));
            refused(&call)?;
            return Ok(Arc::new(Cells::Constant(value, rows)));
        }
        let mut result = None;
        for row in 0..rows {
            for (index, column) in &varying {
                if let Some(value) = values.get_mut(*index) {
                    *value = column.get(row);
                }
            }
            let value = kernel(&call, &Args::new(&values));
            let cells = result.get_or_insert_with(|| {
                Cells::with_capacity(if expr.ty.is_unknown() { value.ty() } else { expr.ty }, rows)
            });
            cells.push(value);
        }
        refused(&call)?;
        self.memory(result.as_ref().map_or(0, Cells::weight))?;
        Ok(Arc::new(result.unwrap_or_else(|| Cells::empty(expr.ty))))
    }
}

fn ingestion_time(frame: &Frame<'_>) -> Result<Arc<Cells>, EvalError> {
    let place = frame.schema.find(super::INGESTION_TIME);
    match place.and_then(|place| frame.batch.column(place)) {
        Some(cells) => Ok(Arc::clone(cells)),
        None => Err(EvalError::unsupported("ingestion_time")),
    }
}

/// Returns the sense of a plan's flag.
#[expect(clippy::fn_params_excessive_bools, reason = "the flag of the plan becomes an enum here")]
const fn sense(negated: bool) -> Sense {
    if negated { Sense::Negated } else { Sense::Plain }
}

/// Computes each value from one value.
pub(super) fn map(cells: &Cells, ty: ScalarType, rows: usize, compute: impl Fn(&Value) -> Value) -> Cells {
    match cells {
        Cells::Constant(value, _) => Cells::Constant(compute(value), rows),
        other => Cells::from_values(ty, other.values().map(|value| compute(&value))),
    }
}

/// Returns a dynamic value. Text is not parsed: it has no properties.
fn bag_or_text(value: &Value) -> Dynamic {
    to_dynamic(value)
}

fn element(objects: &Cells, indexes: &Cells, rows: usize) -> Cells {
    let one = |object: &Value, index: &Value| {
        let object = to_dynamic(object);
        let found = match index {
            Value::String(name) => object.property(name),
            Value::Dynamic(Dynamic::String(name)) => object.property(name),
            other => to_long(other).map(|index| object.element(index)).unwrap_or_default(),
        };
        Value::Dynamic(found)
    };
    match (objects, indexes) {
        (Cells::Constant(object, _), Cells::Constant(index, _)) => Cells::Constant(one(object, index), rows),
        _ => Cells::from_values(
            ScalarType::Dynamic,
            (0..rows).map(|row| one(&objects.get(row), &indexes.get(row))),
        ),
    }
}

/// Conditions and values alternate; the last value is for rows where no condition is true.
fn case(columns: &[Arc<Cells>], ty: ScalarType, rows: usize) -> Cells {
    let choose = |row: usize| {
        for pair in columns.chunks(2) {
            match pair {
                [condition, value] if to_bool(&condition.get(row)) == Some(true) => return value.get(row),
                [_, _] => {}
                [otherwise] => return otherwise.get(row),
                _ => {}
            }
        }
        Value::null(ty)
    };
    let ty = known_type(columns, ty);
    Cells::from_values(ty, (0..rows).map(choose))
}

fn known_type(columns: &[Arc<Cells>], ty: ScalarType) -> ScalarType {
    if ty.is_unknown() { columns.last().map_or(ty, |column| column.ty()) } else { ty }
}

fn coalesce(columns: &[Arc<Cells>], ty: ScalarType, rows: usize) -> Cells {
    let ty = known_type(columns, ty);
    let choose = |row: usize| {
        let mut values = columns.iter().map(|column| column.get(row));
        values.find(|value| !value.is_empty()).unwrap_or_else(|| Value::null(ty))
    };
    Cells::from_values(ty, (0..rows).map(choose))
}
