//! `make-series`.

use std::sync::Arc;

use super::super::aggregate::Groups;
use super::super::arithmetic::compute;
use super::super::expr::Frame;
use super::super::machine::Machine;
use super::super::{EvalError, Table};
use super::summarize::{aggregate_column, group};
use super::{eval, eval_all, named, row_number};
use crate::plan::{Arithmetic, MakeSeries};
use crate::types::{ScalarType, Schema};
use crate::value::{Batch, Cells, Dynamic, Value, cast, sort_order, to_dynamic, to_long, to_real};

/// The most points of a series, as in the service.
const POINTS_MAX: usize = 1_048_576;

/// Gives the group keys, then an array for each aggregate, then the axis.
pub(super) fn make_series(
    machine: &Machine<'_>,
    series: &MakeSeries,
    schema: &Schema,
    table: &Table,
) -> Result<Table, EvalError> {
    let axis = Axis::new(machine, series, table)?;
    let keys = eval_all(machine, &series.by, table)?;
    let rows = table.batch.rows();
    let (groups, first) = if rows == 0 {
        let count = usize::from(series.by.is_empty() && (series.nonempty || axis.bounds.is_some()));
        (Groups { of: Arc::from([]), count }, vec![u32::MAX; count])
    } else {
        group(machine, &keys, rows)?
    };
    let spans = axis.spans(&groups)?;
    // Each pair of group and bin is a group of its own for the aggregates.
    let starts: Vec<usize> = spans
        .iter()
        .scan(0, |next, span| {
            let start = *next;
            *next += span.points;
            Some(start)
        })
        .collect();
    let total: usize = spans.iter().map(|span| span.points).sum();
    machine.rows(total)?;
    let mut kept = Vec::new();
    let mut of = Vec::new();
    let mut touched = vec![false; total];
    for (row, group) in groups.of.iter().enumerate() {
        let group = *group as usize;
        let (Some(span), Some(start)) = (spans.get(group), starts.get(group)) else { continue };
        if let Some(bin) = axis.bin(row, span) {
            kept.push(row_number(row));
            of.push(row_number(start + bin));
            if let Some(flag) = touched.get_mut(start + bin) {
                *flag = true;
            }
        }
    }
    let inside = Table { schema: table.schema.clone(), batch: table.batch.gather(&kept) };
    let bins = Groups { of: Arc::from(of), count: total };
    let values = outputs(machine, series, &inside, &bins, &touched)?;
    let mut columns: Vec<Arc<Cells>> = keys.iter().map(|key| Arc::new(key.gather(&first))).collect();
    for column in &values {
        let arrays = spans.iter().zip(&starts).map(|(span, start)| {
            let items = (*start..start + span.points).map(|point| to_dynamic(&column.get(point)));
            Value::Dynamic(Dynamic::array(items.collect()))
        });
        columns.push(Arc::new(Cells::from_values(ScalarType::Dynamic, arrays)));
    }
    let axes = spans.iter().map(|span| axis.points(span));
    columns.push(Arc::new(Cells::from_values(ScalarType::Dynamic, axes)));
    Ok(named(schema, columns, groups.count))
}

/// Computes each array's values, bin by bin; bins without rows have the default.
fn outputs(
    machine: &Machine<'_>,
    series: &MakeSeries,
    inside: &Table,
    bins: &Groups,
    touched: &[bool],
) -> Result<Vec<Cells>, EvalError> {
    let mut aggregates = Vec::new();
    for call in &series.aggregates {
        aggregates.extend(aggregate_column(machine, call, inside, bins)?);
    }
    let batch = Batch::new(aggregates, bins.count);
    let mut columns = Vec::with_capacity(series.outputs.len());
    for (expr, default) in &series.outputs {
        let cells = machine.eval(expr, &mut Frame::new(&batch, &inside.schema))?;
        let ty = cells.ty();
        let default = match default {
            Some(default) => cast(&machine.constant(default)?, ty),
            None => cast(&Value::from(0), ty),
        };
        let value =
            |(point, touched): (usize, &bool)| if *touched { cells.get(point) } else { default.clone() };
        columns.push(Cells::from_values(ty, touched.iter().enumerate().map(value)));
    }
    Ok(columns)
}

/// The points of one series.
struct Span {
    from: Value,
    points: usize,
}

struct Axis {
    values: Arc<Cells>,
    step: Value,
    bounds: Option<(Value, Value)>,
    from: Option<Value>,
    to: Option<Value>,
    inclusive: bool,
    ty: ScalarType,
}

impl Axis {
    fn new(machine: &Machine<'_>, series: &MakeSeries, table: &Table) -> Result<Self, EvalError> {
        let axis = &series.axis;
        let values = eval(machine, &axis.on, table)?;
        let ty = values.ty();
        let step = machine.constant(&axis.step)?;
        let constant = |expr: &Option<crate::plan::Expr>| match expr {
            Some(expr) => machine.constant(expr).map(|value| Some(cast(&value, ty))),
            None => Ok(None),
        };
        let (from, to) = (constant(&axis.from)?, constant(&axis.to)?);
        let bounds = from.clone().zip(to.clone());
        if to_real(&step).is_none_or(|step| step <= 0.0) {
            return Err(EvalError::refused("the step of make-series must be positive"));
        }
        Ok(Self { values, step, bounds, from, to, inclusive: axis.inclusive, ty })
    }

    fn spans(&self, groups: &Groups) -> Result<Vec<Span>, EvalError> {
        let mut extremes: Vec<Option<(Value, Value)>> = vec![None; groups.count];
        if self.bounds.is_none() {
            for (row, group) in groups.of.iter().enumerate() {
                let value = self.values.get(row);
                let Some(place) = extremes.get_mut(*group as usize) else { continue };
                if value.is_null() {
                    continue;
                }
                *place = Some(match place.take() {
                    None => (value.clone(), value),
                    Some((low, high)) if sort_order(&value, &low).is_lt() => (value, high),
                    Some((low, high)) if sort_order(&value, &high).is_gt() => (low, value),
                    Some(known) => known,
                });
            }
        }
        extremes.into_iter().map(|extremes| self.span(extremes)).collect()
    }

    fn span(&self, extremes: Option<(Value, Value)>) -> Result<Span, EvalError> {
        let nothing = Span { from: Value::null(self.ty), points: 0 };
        let (low, high) = match extremes {
            Some((low, high)) => (Some(low), Some(high)),
            None => (None, None),
        };
        let Some(from) = self.from.clone().or_else(|| low.map(|low| self.floor(&low))) else {
            return Ok(nothing);
        };
        let (to, inclusive) = match (&self.to, high) {
            (Some(to), _) => (to.clone(), self.inclusive),
            (None, Some(high)) => (high, true),
            (None, None) => return Ok(nothing),
        };
        let distance = to_real(&to).unwrap_or(0.0) - to_real(&from).unwrap_or(0.0);
        let steps = distance / to_real(&self.step).unwrap_or(1.0);
        let points = if inclusive { steps.floor() + 1.0 } else { steps.ceil() };
        #[expect(clippy::cast_precision_loss, reason = "a limit")]
        if points > POINTS_MAX as f64 {
            return Err(EvalError::refused("make-series would give more than 1048576 points"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        Ok(Span { from, points: points.max(0.0) as usize })
    }

    fn floor(&self, value: &Value) -> Value {
        if self.ty == ScalarType::Real {
            let (value, step) = (to_real(value).unwrap_or(0.0), to_real(&self.step).unwrap_or(1.0));
            return Value::from((value / step).floor() * step);
        }
        let (ticks, step) = (to_long(value).unwrap_or(0), to_long(&self.step).unwrap_or(1).max(1));
        cast(&Value::from(ticks.div_euclid(step) * step), self.ty)
    }

    /// Returns the bin a row falls into, if it lies within the series.
    fn bin(&self, row: usize, span: &Span) -> Option<usize> {
        let value = self.values.get(row);
        let bin = if self.ty == ScalarType::Real {
            #[expect(clippy::cast_possible_truncation, reason = "what is too large is no bin")]
            let bin = ((to_real(&value)? - to_real(&span.from)?) / to_real(&self.step)?).floor() as i64;
            bin
        } else {
            to_long(&value)?.checked_sub(to_long(&span.from)?)?.div_euclid(to_long(&self.step)?.max(1))
        };
        usize::try_from(bin).ok().filter(|bin| *bin < span.points)
    }

    fn points(&self, span: &Span) -> Value {
        let mut point = span.from.clone();
        let mut points = Vec::with_capacity(span.points);
        for _ in 0..span.points {
            points.push(to_dynamic(&point));
            point = compute(Arithmetic::Add, &point, &self.step, self.ty);
        }
        Value::Dynamic(Dynamic::array(points))
    }
}
