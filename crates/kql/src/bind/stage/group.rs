//! Operators over groups of rows.

use std::sync::Arc;

use super::super::rows::{Clash, Rows, UniqueNames};
use super::super::source::Table;
use super::super::typed::Typed;
use super::super::{Aggregation, Binder, Over, WRONG_TYPE};
use super::project::{Making, Style};
use crate::catalogue::Form;
use crate::plan::{AggregateCall, Direction, Expr as Planned, ExprKind, Operator, TopNested};
use crate::syntax::{self, Expr, NamedExpr, Order, Property, TopNestedLevel};
use crate::types::{ScalarType, Shape};

impl<'a> Binder<'a> {
    pub(super) fn summarize(&mut self, table: &mut Table, summarize: &'a syntax::Summarize) {
        let mut making = Making::default();
        let mut by = Vec::new();
        let mut keys = std::collections::BTreeSet::new();
        for item in summarize.by.iter().flatten() {
            let typed = self.column_value(&item.expr);
            self.expect_not_dynamic(&typed, "a group key");
            keys.extend(typed.column);
            let place = Planned { kind: ExprKind::Column(by.len()), ty: typed.ty(), span: typed.span() };
            if typed.form == Form::Star {
                continue;
            }
            by.push(typed.expr.clone());
            self.make_column(&mut making, item, Typed { expr: place, ..typed }, Style::Plain);
        }
        making.projection.skip_present();
        let calls = self.over_groups(by.len(), keys, |binder| {
            for item in &summarize.aggregates {
                let typed = binder.column_value(&item.expr);
                binder.make_column(&mut making, item, typed, Style::Plain);
            }
        });
        let (columns, outputs) = making.finish();
        table.push(Operator::Summarize { by, aggregates: calls, outputs }, Rows { columns, open: false });
    }

    /// Binds expressions over groups, whose rows begin with `width` keys, and returns the
    /// aggregates in them.
    pub(in super::super) fn over_groups(
        &mut self,
        width: usize,
        keys: std::collections::BTreeSet<u32>,
        work: impl FnOnce(&mut Self),
    ) -> Vec<AggregateCall> {
        let aggregation = Aggregation { calls: Vec::new(), next: width, keys, over: Over::Groups };
        let outer = self.scope.aggregation.replace(aggregation);
        work(self);
        let inner = std::mem::replace(&mut self.scope.aggregation, outer);
        inner.map(|aggregation| aggregation.calls).unwrap_or_default()
    }

    pub(super) fn distinct(&mut self, table: &mut Table, distinct: &'a syntax::Distinct) {
        let mut making = Making::default();
        for item in &distinct.columns {
            let typed = self.column_value(&item.expr);
            if typed.form == Form::Star {
                self.expect_plain_columns(&typed);
            } else {
                self.expect_not_dynamic(&typed, "a column of `distinct`");
            }
            self.make_column(&mut making, item, typed, Style::Plain);
        }
        let (columns, exprs) = making.finish();
        let open = self.scope.rows.as_ref().is_some_and(|rows| rows.open)
            && distinct.columns.iter().any(|item| matches!(item.expr.kind, syntax::ExprKind::Star));
        table.push(Operator::Distinct(exprs), Rows { columns, open });
    }

    /// Reports a `*` that stands for a dynamic column.
    fn expect_plain_columns(&mut self, star: &Typed) {
        let dynamic = self.scope_columns().into_iter().find(|(_, column)| column.shape.is_dynamic());
        if let Some((_, column)) = dynamic {
            let message = format!("`distinct *` cannot compare the dynamic column `{}`", column.name);
            self.error(WRONG_TYPE, star.span(), message);
        }
    }

    pub(super) fn sample_distinct(&mut self, table: &mut Table, count: &'a Expr, of: &'a NamedExpr) {
        let count = self.count_expr(count);
        let key = self.column_only(&of.expr);
        self.expect_not_dynamic(&key, "the column");
        let name = key.name.clone().unwrap_or_else(|| Arc::from("Column1"));
        let column = self.dynamic_column(name, key.shape);
        table.push(
            Operator::SampleDistinct { count, key: key.expr },
            Rows { columns: vec![column], open: false },
        );
    }

    pub(super) fn top_hitters(
        &mut self,
        table: &mut Table,
        count: &'a Expr,
        of: &'a NamedExpr,
        by: Option<&'a NamedExpr>,
    ) {
        let count = self.count_expr(count);
        let key = self.column_only(&of.expr);
        let weight = by.map(|by| self.scalar(&by.expr));
        if let Some(weight) = &weight
            && !(weight.ty().is_numeric() || weight.shape.is_unknown())
        {
            let message = format!("a number is needed here, this is {}", weight.shape.name());
            self.error(WRONG_TYPE, weight.span(), message);
        }
        let name = key.name.clone().unwrap_or_default();
        let (label, shape) = match &weight {
            Some(weight) => {
                (format!("approximate_sum_{}", weight.name.clone().unwrap_or_default()), weight.shape.clone())
            }
            None => (format!("approximate_count_{name}"), Shape::of(ScalarType::Long)),
        };
        let columns = vec![self.dynamic_column(name, key.shape), self.dynamic_column(label.into(), shape)];
        let operator =
            Operator::TopHitters { count, key: key.expr, weight: weight.map(|weight| weight.expr) };
        table.push(operator, Rows { columns, open: false });
    }

    pub(super) fn top_nested(&mut self, table: &mut Table, levels: &'a [TopNestedLevel]) {
        let mut names = UniqueNames::default();
        let mut columns = Vec::new();
        let mut bound = Vec::new();
        for level in levels {
            let count = level.count.as_ref().map(|count| self.count_expr(count));
            let key = self.scalar(&level.of.expr);
            let others = level.others.as_ref().map(|others| self.scalar(others).expr);
            let mut by = None;
            let aggregates = self.over_groups(0, std::collections::BTreeSet::new(), |binder| {
                by = Some(binder.scalar(&level.by.expr.expr));
            });
            let Some(by) = by else { continue };
            let plain = match super::given_name(&level.of) {
                Some(name) => Arc::from(name.text.as_str()),
                None => key.name.clone().unwrap_or_default(),
            };
            let name = names.get(&plain);
            let label = match super::given_name(&level.by.expr) {
                Some(name) => Arc::from(name.text.as_str()),
                None => Arc::from(format!("aggregated_{name}")),
            };
            columns.push(self.dynamic_column(name, key.shape));
            columns.push(self.dynamic_column(names.get(&label), by.shape));
            let direction = match level.by.order {
                Some(Order::Asc | Order::GrannyAsc) => Direction::Ascending,
                _ => Direction::Descending,
            };
            bound.push(TopNested { count, key: key.expr, others, aggregates, by: by.expr, direction });
        }
        table.push(Operator::TopNested(bound), Rows { columns, open: false });
    }

    pub(super) fn reduce(&mut self, table: &mut Table, properties: &'a [Property], by: &'a NamedExpr) {
        let text = self.scalar(&by.expr);
        if !matches!(text.ty(), ScalarType::String | ScalarType::Unknown) {
            self.error(
                WRONG_TYPE,
                text.span(),
                format!("a string is needed here, this is {}", text.shape.name()),
            );
        }
        let mut columns = Vec::new();
        if super::option(properties, "kind") == Some("source") {
            columns = self.in_scope().columns;
        }
        for (name, ty) in [
            ("Pattern", ScalarType::String),
            ("Count", ScalarType::Long),
            ("Representative", ScalarType::String),
        ] {
            columns.push(self.dynamic_column(Arc::from(name), Shape::of(ty)));
        }
        table.push(Operator::Unsupported("reduce"), Rows { columns, open: false });
    }

    /// Adds a column to a list under a name that no other has.
    pub(super) fn add_numbered(&mut self, making: &mut Making, name: Arc<str>, shape: Shape, expr: Planned) {
        let column = self.dynamic_column(name, shape);
        making.sources.push(expr);
        making.projection.add(&mut self.ids, column, making.sources.len() - 1, Clash::Number);
    }
}
