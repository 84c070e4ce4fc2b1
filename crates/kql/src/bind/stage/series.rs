//! `make-series`.

use super::super::rows::Rows;
use super::super::source::Table;
use super::super::typed::Typed;
use super::super::{Binder, CONSTANT_EXPECTED, Over, WRONG_TYPE};
use super::project::{Making, Style};
use crate::catalogue::Form;
use crate::plan::{Expr as Planned, MakeSeries, Operator, SeriesAxis};
use crate::syntax;
use crate::types::{Conversion, ScalarType, Shape};

impl<'a> Binder<'a> {
    pub(super) fn make_series(&mut self, table: &mut Table, series: &'a syntax::MakeSeries) {
        let mut making = Making::default();
        let mut by = Vec::new();
        for item in series.by.iter().flatten() {
            let typed = self.column_value(&item.expr);
            by.push(typed.expr.clone());
            self.make_column(&mut making, item, typed, Style::Plain);
        }
        let mut outputs: Vec<(Planned, Option<Planned>)> = Vec::new();
        let aggregates = self.over_groups(0, std::collections::BTreeSet::new(), |binder| {
            for aggregate in &series.aggregates {
                let typed = binder.column_value(&aggregate.expr.expr);
                let default = aggregate.default.as_ref().map(|default| binder.default_value(default, &typed));
                match &typed.several {
                    // Each value is a series of its own.
                    Some(several) => {
                        outputs.extend(several.items.iter().map(|item| (item.expr.clone(), default.clone())));
                    }
                    None => outputs.push((typed.expr.clone(), default)),
                }
                let arrays = as_arrays(typed);
                binder.make_column(&mut making, &aggregate.expr, arrays, Style::Plain);
            }
        });
        let on = self.column_value(&series.on.expr);
        let axis = self.axis(&on, &series.range);
        self.make_column(&mut making, &series.on, as_arrays(on), Style::Plain);
        let (columns, _) = making.finish();
        let nonempty = super::option(&series.properties, "kind") == Some("nonempty");
        let plan = MakeSeries { aggregates, outputs, axis, by, nonempty };
        table.push(Operator::MakeSeries(Box::new(plan)), Rows { columns, open: false });
    }

    fn default_value(&mut self, default: &'a syntax::Expr, aggregate: &Typed) -> Planned {
        self.set_over(Over::Rows);
        let typed = self.scalar(default);
        self.set_over(Over::Groups);
        if typed.form != Form::Literal && !typed.is_constant() && !typed.shape.is_unknown() {
            self.error(CONSTANT_EXPECTED, typed.span(), "a literal is needed here");
        } else if !typed.shape.fits(&aggregate.shape, Conversion::Widen) {
            let message = format!(
                "a value of type {} is needed here, this is {}",
                aggregate.shape.name(),
                typed.shape.name()
            );
            self.error(WRONG_TYPE, typed.span(), message);
        }
        typed.expr
    }

    fn axis(&mut self, on: &Typed, range: &'a syntax::SeriesRange) -> SeriesAxis {
        let from = range.from.as_ref().map(|expr| self.axis_end(expr, on));
        let to = range.to.as_ref().map(|expr| self.axis_end(expr, on));
        let step = self.scalar(&range.step);
        let expected = match on.ty() {
            ScalarType::Datetime | ScalarType::Timespan => Shape::of(ScalarType::Timespan),
            _ => on.shape.clone(),
        };
        if !step.shape.fits(&expected, Conversion::Widen) {
            let message =
                format!("a step of type {} is needed here, this is {}", expected.name(), step.shape.name());
            self.error(WRONG_TYPE, step.span(), message);
        }
        SeriesAxis { on: on.expr.clone(), from, to, step: step.expr, inclusive: range.legacy }
    }

    fn axis_end(&mut self, expr: &'a syntax::Expr, on: &Typed) -> Planned {
        let end = self.scalar(expr);
        if !end.shape.fits(&on.shape, Conversion::Widen) {
            let message =
                format!("a value of type {} is needed here, this is {}", on.shape.name(), end.shape.name());
            self.error(WRONG_TYPE, end.span(), message);
        }
        end.expr
    }
}

/// A column of a series holds arrays of the values.
fn as_arrays(mut typed: Typed) -> Typed {
    typed.shape = Shape::DYNAMIC;
    typed.expr.ty = ScalarType::Dynamic;
    for item in typed.several.iter_mut().flat_map(|several| &mut several.items) {
        item.shape = Shape::DYNAMIC;
        item.expr.ty = ScalarType::Dynamic;
        item.column = None;
    }
    if typed.column.take().is_some() && typed.name.is_none() {
        typed.name = Some("Column1".into());
    }
    typed
}
