//! Operators of a pipeline, one family in each file.

mod expand;
mod group;
mod join;
mod parse;
mod plugin;
mod project;
mod scan;
mod search;
mod series;

pub(super) use join::is_fuzzy;

use super::rows::Rows;
use super::source::Table;
use super::{Binder, Scope, WRONG_PLACE, WRONG_TYPE};
use crate::plan::{Direction, Nulls, Operator, Render, Slot, SortKey, Source};
use crate::syntax::{self, Expr, Name, NamedExpr, OperatorKind, Order, Property};
use crate::types::{Conversion, ScalarType, Shape};
use crate::value::Value;

impl<'a> Binder<'a> {
    /// Binds one operator and adds it to the table.
    pub(super) fn stage(&mut self, table: &mut Table, operator: &'a syntax::Operator) {
        if table.graph.is_some() {
            self.graph_stage(table, operator);
            return;
        }
        let rows = std::mem::take(&mut table.rows);
        let saved = std::mem::replace(&mut self.scope, Scope::of(rows));
        let bound = self.deeper(operator.span, |binder| binder.operator_stage(table, operator));
        if bound.is_none() {
            table.give_up();
        }
        table.place(operator.keyword);
        self.scope = saved;
    }

    fn operator_stage(&mut self, table: &mut Table, operator: &'a syntax::Operator) {
        match &operator.kind {
            OperatorKind::Where(condition) => {
                let condition = self.condition(condition);
                self.keep(table, Operator::Filter(condition.expr));
            }
            OperatorKind::Extend(items) => self.extend(table, items),
            OperatorKind::Serialize(items) => self.serialize(table, items),
            OperatorKind::Project(items) => self.project(table, items),
            OperatorKind::ProjectAway(items) => self.project_away(table, items),
            OperatorKind::ProjectKeep(items) => self.project_keep(table, items),
            OperatorKind::ProjectRename(items) => self.project_rename(table, items),
            OperatorKind::ProjectReorder(items) => self.project_reorder(table, items),
            OperatorKind::ProjectByNames(items) => self.project_by_names(table, items),
            OperatorKind::Summarize(summarize) => self.summarize(table, summarize),
            OperatorKind::Distinct(distinct) => self.distinct(table, distinct),
            OperatorKind::Sort { keys, .. } => {
                let keys = self.sort_keys(keys, NoDynamic::Required);
                self.keep(table, Operator::Sort(keys));
            }
            OperatorKind::Top { count, keys, .. } => {
                let count = self.count_expr(count);
                let keys = self.sort_keys(keys, NoDynamic::Ignored);
                self.keep(table, Operator::Top { count, keys });
            }
            OperatorKind::Take(count) => {
                let count = self.count_expr(count);
                self.keep(table, Operator::Take(count));
            }
            OperatorKind::Sample(count) => {
                let count = self.count_expr(count);
                self.keep(table, Operator::Sample(count));
            }
            OperatorKind::Count(name) => self.count(table, name.as_ref()),
            OperatorKind::As { name, .. } => self.name_rows(table, name),
            OperatorKind::Consume(_) => table.push(Operator::Consume, Rows::default()),
            OperatorKind::GetSchema(properties) => self.get_schema(table, properties),
            OperatorKind::Render { chart, properties } => self.render(table, chart.as_ref(), properties),
            OperatorKind::ExecuteAndCache => self.keep(table, Operator::Serialize),
            OperatorKind::AssertSchema(_) => self.keep(table, Operator::Serialize),
            _ => self.further_stage(table, operator),
        }
    }

    fn further_stage(&mut self, table: &mut Table, operator: &'a syntax::Operator) {
        match &operator.kind {
            OperatorKind::SampleDistinct { count, of } => self.sample_distinct(table, count, of),
            OperatorKind::TopHitters { count, of, by } => self.top_hitters(table, count, of, by.as_ref()),
            OperatorKind::TopNested(levels) => self.top_nested(table, levels),
            OperatorKind::Reduce { properties, by, .. } => self.reduce(table, properties, by),
            OperatorKind::MakeSeries(series) => self.make_series(table, series),
            OperatorKind::Join(join) => self.join(table, join),
            OperatorKind::Lookup(join) => self.lookup(table, join),
            OperatorKind::Union(union) => self.union_stage(table, union),
            OperatorKind::MvExpand(expand) => self.mv_expand(table, &expand.expand),
            OperatorKind::MvApply(apply) => self.mv_apply(table, apply),
            OperatorKind::Parse(parse) => self.parse(table, parse, parse::Unmatched::Kept),
            OperatorKind::ParseWhere(parse) => self.parse(table, parse, parse::Unmatched::Dropped),
            OperatorKind::ParseKv(parse) => self.parse_kv(table, parse),
            OperatorKind::Evaluate(evaluate) => self.evaluate(table, evaluate),
            OperatorKind::Invoke(call) => self.invoke(table, call),
            OperatorKind::Partition(partition) => self.partition(table, partition),
            OperatorKind::Scan(scan) => self.scan(table, scan),
            OperatorKind::Search(search) => self.search(table, search),
            OperatorKind::Fork(branches) => self.fork(table, branches),
            OperatorKind::Facet { by, with } => self.facet(table, by, with.as_ref()),
            OperatorKind::MakeGraph(graph) => self.make_graph(table, graph),
            OperatorKind::Range { .. } | OperatorKind::Print(_) | OperatorKind::Find(_) => {
                self.error(
                    WRONG_PLACE,
                    operator.keyword,
                    "the operator makes rows, so nothing can stand before it",
                );
                table.give_up();
            }
            OperatorKind::MacroExpand { .. } => {
                table.rows = Self::open_rows();
                table.unsupported("macro-expand");
            }
            OperatorKind::Error => table.give_up(),
            _ => {
                self.error(
                    WRONG_PLACE,
                    operator.keyword,
                    "the operator needs a graph: use `make-graph` first",
                );
                table.give_up();
            }
        }
    }

    /// Adds an operator that leaves the columns as they are.
    fn keep(&mut self, table: &mut Table, operator: Operator) {
        let rows = self.scope.rows.take().unwrap_or_default();
        table.push(operator, rows);
    }

    /// Returns the columns in scope.
    fn in_scope(&self) -> Rows {
        self.scope.rows.clone().unwrap_or_default()
    }

    /// Binds a number of rows.
    fn count_expr(&mut self, expr: &'a Expr) -> crate::plan::Expr {
        let typed = self.scalar(expr);
        self.expect_integer(&typed);
        typed.expr
    }

    fn sort_keys(&mut self, keys: &'a [syntax::SortKey], dynamic: NoDynamic) -> Vec<SortKey> {
        let mut bound = Vec::with_capacity(keys.len());
        for key in keys {
            let typed = self.scalar(&key.expr.expr);
            if dynamic == NoDynamic::Required {
                self.expect_not_dynamic(&typed, "a sort key");
            }
            let direction = match key.order {
                Some(Order::Asc | Order::GrannyAsc) => Direction::Ascending,
                Some(Order::Desc | Order::GrannyDesc) | None => Direction::Descending,
            };
            let nulls = match (key.nulls, direction) {
                (Some(syntax::NullsOrder::First), _) | (None, Direction::Ascending) => Nulls::First,
                (Some(syntax::NullsOrder::Last), _) | (None, Direction::Descending) => Nulls::Last,
            };
            bound.push(SortKey { expr: typed.expr, direction, nulls });
        }
        bound
    }

    fn count(&mut self, table: &mut Table, name: Option<&'a Name>) {
        let name = name.map_or("Count", |name| name.text.as_str());
        let column = self.ids.column(name, Shape::of(ScalarType::Long));
        table.push(Operator::Count, Rows { columns: vec![column], open: false });
    }

    /// `as Name`: the rows so far get a name for the rest of the query.
    fn name_rows(&mut self, table: &mut Table, name: &'a Name) {
        let rows = self.scope.rows.take().unwrap_or_default();
        let source = Source::Context(rows.schema());
        let so_far = std::mem::replace(&mut table.pipeline.source, source);
        let stages = std::mem::take(&mut table.pipeline.stages);
        let span = table.pipeline.span;
        let pipeline = crate::plan::Pipeline { source: so_far, span, stages, schema: rows.schema() };
        let slot = self.add_table_slot(pipeline);
        table.pipeline.source = Source::Slot(slot, rows.schema());
        self.slot_names.insert(slot, name.text.as_str().into());
        self.env.bind(&name.text, super::env::Binding::Table(slot, Self::shared(rows.clone())));
        table.rows = rows;
    }

    fn get_schema(&mut self, table: &mut Table, properties: &'a [Property]) {
        let csl = properties.iter().any(|property| property_text(&property.value) == Some("csl"));
        let string = ScalarType::String;
        let columns: &[(&str, ScalarType)] = if csl {
            &[("Schema", string)]
        } else {
            &[
                ("ColumnName", string),
                ("ColumnOrdinal", ScalarType::Long),
                ("DataType", string),
                ("ColumnType", string),
            ]
        };
        let columns = columns.iter().map(|(name, ty)| self.ids.column(*name, Shape::of(*ty))).collect();
        table.push(Operator::GetSchema, Rows { columns, open: false });
    }

    fn render(&mut self, table: &mut Table, chart: Option<&'a Name>, properties: &'a [Property]) {
        let chart = chart.map(|name| name.text.clone()).unwrap_or_default();
        let text = |property: &Property| property_text(&property.value).unwrap_or_default().to_owned();
        let properties =
            properties.iter().map(|property| (property.name.text.clone(), text(property))).collect();
        self.keep(table, Operator::Render(Render { chart, properties }));
    }

    /// `range x from a to b step c`.
    pub(super) fn range(
        &mut self,
        name: &'a Name,
        from: &'a Expr,
        to: &'a Expr,
        step: Option<&'a Expr>,
    ) -> Table {
        let from = self.scalar(from);
        let to = self.scalar(to);
        let step = step.map(|step| self.scalar(step));
        for typed in [Some(&from), Some(&to), step.as_ref()].into_iter().flatten() {
            if typed.shape.is_dynamic() || !(typed.ty().is_summable() || typed.shape.is_unknown()) {
                let message =
                    format!("a number, datetime or timespan is needed here, this is {}", typed.shape.name());
                self.error(WRONG_TYPE, typed.span(), message);
            }
        }
        let ends = from.shape.common(&to.shape, Conversion::Widen).unwrap_or(Shape::UNKNOWN);
        let step = step.unwrap_or_else(|| default_step(&ends, name.span));
        let int = Shape::of(ScalarType::Int);
        let shape = if ends == int && step.shape == int {
            int
        } else {
            let ends = super::typed::Typed::new(crate::plan::ExprKind::Broken, ends, from.span());
            self.operator("+", step.span(), &[&ends, &step], crate::catalogue::Strictness::AllFit)
        };
        let column = self.ids.column(name.text.as_str(), shape);
        let rows = Rows { columns: vec![column], open: false };
        Table::new(
            Source::Range { from: from.expr, to: to.expr, step: step.expr, schema: rows.schema() },
            rows,
        )
    }

    fn partition(&mut self, table: &mut Table, partition: &'a syntax::Partition) {
        let key = self.column_only(&partition.by);
        self.expect_not_dynamic(&key, "the key");
        let rows = self.in_scope();
        let saved = self.env.clone();
        let mut constant = None;
        if let (true, syntax::ExprKind::Name(name)) = (partition.braced, &partition.by.kind) {
            // In braces the body is a query of its own, which sees the key as a constant.
            let null = Value::null(key.ty());
            let expr = crate::plan::Expr {
                kind: crate::plan::ExprKind::Literal(null),
                ty: key.ty(),
                span: name.span,
            };
            let slot = self.add_slot(Slot::Scalar(expr));
            self.env.bind(&name.text, super::env::Binding::Slot(slot, key.shape.clone()));
            constant = Some(slot);
        }
        let inner =
            self.with_scope(Scope::default(), |binder| match &super::source::strip(&partition.body).kind {
                syntax::ExprKind::Pipeline(pipeline) if !partition.braced && pipeline.source.is_none() => {
                    binder.pipeline(pipeline, Some(rows))
                }
                _ => binder.table(&partition.body),
            });
        self.env = saved;
        let rows = inner.rows.clone();
        let inner = Box::new(inner.into_pipeline());
        let slots = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let constant = constant.map(|slot| (slot, slots.saturating_sub(slot.0 + 1)));
        table.push(Operator::Partition { key: key.expr, inner, constant }, rows);
    }

    fn fork(&mut self, table: &mut Table, branches: &'a [(Option<Name>, syntax::Pipeline)]) {
        let rows = self.in_scope();
        let mut inner = Vec::new();
        let mut first = None;
        for (_, branch) in branches {
            let bound =
                self.with_scope(Scope::default(), |binder| binder.pipeline(branch, Some(rows.clone())));
            first.get_or_insert_with(|| bound.rows.clone());
            inner.push(bound.into_pipeline());
        }
        table.push(Operator::Fork(inner), first.unwrap_or_default());
    }

    fn facet(&mut self, table: &mut Table, by: &'a [Expr], with: Option<&'a syntax::Pipeline>) {
        let rows = self.in_scope();
        let keys: Vec<super::typed::Typed> = by.iter().map(|expr| self.column_only(expr)).collect();
        let result = if let Some(pipeline) = with {
            self.with_scope(Scope::default(), |binder| binder.pipeline(pipeline, Some(rows))).rows
        } else {
            let name = keys.first().and_then(|key| key.name.clone()).unwrap_or_default();
            let shape = keys.first().map_or(Shape::UNKNOWN, |key| key.shape.clone());
            let count = format!("count_{name}");
            let columns =
                vec![self.ids.column(name, shape), self.ids.column(count, Shape::of(ScalarType::Long))];
            Rows { columns, open: false }
        };
        table.push(Operator::Unsupported("facet"), result);
    }
}

/// Whether a sort key must not be dynamic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoDynamic {
    Required,
    Ignored,
}

fn default_step(ends: &Shape, span: crate::text::Span) -> super::typed::Typed {
    use crate::value::Timespan;
    let (value, ty) = match ends {
        Shape::Scalar(ScalarType::Datetime) => (Value::Timespan(Timespan::parse("1d")), ScalarType::Timespan),
        Shape::Scalar(ScalarType::Timespan) => (Value::Timespan(Timespan::parse("1h")), ScalarType::Timespan),
        _ => (Value::Long(Some(1)), ScalarType::Long),
    };
    super::typed::Typed::literal(value, Shape::of(ty), span)
}

/// Returns the text of an option's value, if it is a word or a text.
pub(super) fn property_text(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        syntax::ExprKind::Name(name) => Some(&name.text),
        syntax::ExprKind::Literal(literal) => match &literal.kind {
            syntax::LiteralKind::String(text) => Some(text),
            syntax::LiteralKind::Bool(true) => Some("true"),
            syntax::LiteralKind::Bool(false) => Some("false"),
            _ => None,
        },
        _ => None,
    }
}

/// Finds the text of an option.
pub(super) fn option<'p>(properties: &'p [Property], name: &str) -> Option<&'p str> {
    properties
        .iter()
        .find(|property| property.name.text == name)
        .and_then(|property| property_text(&property.value))
}

/// Returns the name an expression is given, if it is given one.
pub(super) fn given_name(item: &NamedExpr) -> Option<&Name> {
    item.names.first().filter(|_| !item.tuple)
}
