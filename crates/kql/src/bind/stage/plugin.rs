//! `evaluate` and `invoke`.

use std::sync::Arc;

use super::super::env::Binding;
use super::super::function::{Call, Called, Home};
use super::super::rows::{Col, Rows, number_duplicates};
use super::super::source::{Table, strip};
use super::super::typed::Typed;
use super::super::{Binder, Scope, TABLE_EXPECTED, UNKNOWN_PLUGIN, names};
use crate::catalogue::{self, Argument, ArgumentRule, Entry, Form, Strictness};
use crate::diagnostic::Diagnostic;
use crate::plan::{Expr as Planned, JoinSide, Operator, PluginArg, PluginCall, Source};
use crate::schema::{Gives, ServiceFunction};
use crate::syntax::{self, Expr, Name};
use crate::types::{ScalarType, Shape};

/// Arguments of a plugin: typed for checks, planned for the evaluator.
struct Bound {
    typed: Vec<Typed>,
    planned: Vec<PluginArg>,
    /// Rows of the first argument that is a table.
    table: Option<Rows>,
}

impl<'a> Binder<'a> {
    pub(super) fn evaluate(&mut self, table: &mut Table, evaluate: &'a syntax::Evaluate) {
        let (call, rows) = self.plugin(evaluate);
        match call {
            Some(call) => table.push(Operator::Plugin(Box::new(call)), rows),
            None => table.push(Operator::Unsupported("plugin"), rows),
        }
        table.place(evaluate.call.span);
    }

    pub(in super::super) fn evaluate_source(&mut self, evaluate: &'a syntax::Evaluate) -> Table {
        let (call, rows) = self.plugin(evaluate);
        match call {
            Some(call) => Table::new(Source::Plugin(Box::new(call), rows.schema()), rows),
            None => Table::broken(),
        }
        .starting_at(evaluate.call.span)
    }

    fn plugin(&mut self, evaluate: &'a syntax::Evaluate) -> (Option<PluginCall>, Rows) {
        let syntax::ExprKind::Call { name, arguments, .. } = &strip(&evaluate.call).kind else {
            return (None, Self::open_rows());
        };
        let Some(entry) = catalogue::plugin(&name.text) else {
            self.unknown_plugin(name);
            return (None, Self::open_rows());
        };
        let bound = self.plugin_arguments(entry, arguments);
        let plain: Vec<Argument> = bound.typed.iter().map(Typed::argument).collect();
        let found = catalogue::resolve(&entry.signatures, &plain, Strictness::Lenient);
        for misfit in &found.misfits {
            self.misfit(misfit, name, &bound.typed);
        }
        let mut rows = self.plugin_rows(entry, &bound, arguments);
        let declared = evaluate.schema.as_ref().map(|schema| {
            let declared = self.declared_rows(schema);
            let mut columns = if schema.open { std::mem::take(&mut rows.columns) } else { Vec::new() };
            columns.retain(|column| declared.find(&column.name).is_none());
            columns.extend(declared.columns.iter().cloned());
            rows = Rows { columns, open: false };
            declared.schema().columns
        });
        let names =
            arguments.iter().map(|argument| argument.name.as_ref().map(|name| name.text.clone())).collect();
        (Some(PluginCall { plugin: entry.canonical, args: bound.planned, names, declared }), rows)
    }

    fn unknown_plugin(&mut self, name: &Name) {
        let diagnostic =
            Diagnostic::error(UNKNOWN_PLUGIN, name.span, format!("`{}` is no plugin", name.text));
        self.report(match names::nearest(&name.text, catalogue::plugin_names()) {
            Some(likely) => diagnostic.with_help(format!("did you mean `{likely}`?")),
            None => diagnostic,
        });
    }

    fn plugin_arguments(&mut self, entry: &'static Entry, arguments: &'a [syntax::Argument]) -> Bound {
        let mut bound = Bound { typed: Vec::new(), planned: Vec::new(), table: None };
        for (index, argument) in arguments.iter().enumerate() {
            let rule = entry
                .signatures
                .iter()
                .find_map(|signature| signature.parameter(index, arguments.len()))
                .map_or(ArgumentRule::Any, |parameter| parameter.rule);
            match rule {
                ArgumentRule::Aggregate => self.aggregate_argument(&argument.value, &mut bound),
                ArgumentRule::ColumnOfFirst => {
                    let rows = bound.table.clone().unwrap_or_default();
                    let typed = self.with_scope(Scope::of(rows), |binder| binder.scalar(&argument.value));
                    bound.planned.push(PluginArg::Scalar(typed.expr.clone()));
                    bound.typed.push(typed);
                }
                _ => self.plain_argument(&argument.value, &mut bound),
            }
        }
        bound
    }

    fn plain_argument(&mut self, expr: &'a Expr, bound: &mut Bound) {
        if let Some(table) = self.table_argument(expr) {
            bound.table.get_or_insert(table.rows.clone());
            bound.planned.push(PluginArg::Table(table.into_pipeline()));
            bound.typed.push(Typed::broken(expr.span).with_form(Form::Table));
        } else {
            let typed = self.scalar(expr);
            bound.planned.push(PluginArg::Scalar(typed.expr.clone()));
            bound.typed.push(typed);
        }
    }

    fn aggregate_argument(&mut self, expr: &'a Expr, bound: &mut Bound) {
        let mut typed = None;
        let calls = self
            .over_groups(0, std::collections::BTreeSet::new(), |binder| typed = Some(binder.scalar(expr)));
        let typed = typed.unwrap_or_else(|| Typed::broken(expr.span));
        match calls.into_iter().next() {
            Some(call) => bound.planned.push(PluginArg::Aggregate(call)),
            None => bound.planned.push(PluginArg::Scalar(typed.expr.clone())),
        }
        bound.typed.push(typed);
    }

    /// Returns the columns that a plugin gives.
    fn plugin_rows(&mut self, entry: &Entry, bound: &Bound, arguments: &'a [syntax::Argument]) -> Rows {
        const SEGMENTS: [(&str, ScalarType); 3] =
            [("SegmentId", ScalarType::Long), ("Count", ScalarType::Long), ("Percent", ScalarType::Real)];
        const DIFFERENCES: [(&str, ScalarType); 6] = [
            ("SegmentId", ScalarType::Long),
            ("CountA", ScalarType::Long),
            ("CountB", ScalarType::Long),
            ("PercentA", ScalarType::Real),
            ("PercentB", ScalarType::Real),
            ("PercentDiffAB", ScalarType::Real),
        ];
        const NARROW: [(&str, ScalarType); 3] =
            [("Row", ScalarType::Long), ("Column", ScalarType::String), ("Value", ScalarType::String)];
        let mut rows = self.in_scope();
        match entry.canonical {
            "bag_unpack" => {
                let unpacked = bound.typed.first().and_then(|typed| typed.column);
                rows.columns.retain(|column| Some(column.id) != unpacked);
                rows.open = true;
            }
            "pivot" => return self.pivot_rows(bound, arguments),
            "narrow" => return self.named_rows(&NARROW),
            "autocluster" | "basket" => return self.before_rows(&SEGMENTS, rows),
            "diffpatterns" => return self.before_rows(&DIFFERENCES, rows),
            "ipv4_lookup" | "ipv6_lookup" => self.lookup_rows(&mut rows, bound, &bound.typed),
            "geo_polygon_lookup" | "geo_line_lookup" => {
                let keys =
                    if returns_key(arguments) { &[] } else { bound.typed.get(1..2).unwrap_or_default() };
                self.lookup_rows(&mut rows, bound, keys);
            }
            "dcount_intersect" => {
                for index in 0..bound.typed.len() {
                    let column =
                        self.dynamic_column(Arc::from(format!("s{index}")), Shape::of(ScalarType::Long));
                    rows.columns.push(column);
                }
            }
            "identity" | "identity_v3" | "rows_near" | "preview" => {}
            _ => return self.analysis_rows(entry.canonical, bound),
        }
        rows
    }

    /// Columns of the plugins that analyse activity over time: timeline, dimensions, figures.
    fn analysis_rows(&mut self, plugin: &str, bound: &Bound) -> Rows {
        const LONG: ScalarType = ScalarType::Long;
        const REAL: ScalarType = ScalarType::Real;
        let (dimensions, figures): (usize, &[(&str, ScalarType)]) = match plugin {
            "active_users_count" => (8, &[("dcount", LONG)]),
            "activity_counts_metrics" => {
                (5, &[("count", LONG), ("dcount", LONG), ("new_dcount", LONG), ("aggregated_dcount", LONG)])
            }
            "activity_engagement" => (
                6,
                &[
                    ("dcount_activities_inner", LONG),
                    ("dcount_activities_outer", LONG),
                    ("activity_ratio", REAL),
                ],
            ),
            "activity_metrics" => (
                5,
                &[
                    ("dcount_values", LONG),
                    ("dcount_newvalues", LONG),
                    ("retention_rate", REAL),
                    ("churn_rate", REAL),
                ],
            ),
            "session_count" => (6, &[("count_sessions", LONG)]),
            "sliding_window_counts" => (6, &[("Count", LONG), ("Dcount", LONG)]),
            "http_request" | "http_request_post" => {
                return self.named_rows(&[
                    ("ResponseHeaders", ScalarType::Dynamic),
                    ("ResponseBody", ScalarType::Dynamic),
                ]);
            }
            "infer_storage_schema" => return self.named_rows(&[("CslSchema", ScalarType::String)]),
            "estimate_rows_count" => return self.named_rows(&[("EstimatedRowsCount", LONG)]),
            _ => return Self::open_rows(),
        };
        let mut rows = Rows::default();
        let keys = bound.typed.get(1..2).into_iter().flatten().chain(bound.typed.iter().skip(dimensions));
        for key in keys {
            if let (Some(id), Some(name)) = (key.column, &key.name) {
                rows.columns.push(Col { id, name: Arc::clone(name), shape: key.shape.clone() });
            }
        }
        rows.columns.extend(self.named_rows(figures).columns);
        rows
    }

    fn named_rows(&mut self, columns: &[(&str, ScalarType)]) -> Rows {
        let columns =
            columns.iter().map(|(name, ty)| self.dynamic_column(Arc::from(*name), Shape::of(*ty))).collect();
        Rows { columns, open: false }
    }

    fn before_rows(&mut self, columns: &[(&str, ScalarType)], rows: Rows) -> Rows {
        let mut all = self.named_rows(columns).columns;
        all.extend(rows.columns);
        Rows { columns: all, open: rows.open }
    }

    /// Adds the columns of the looked-up table, but not those that are keys.
    fn lookup_rows(&mut self, rows: &mut Rows, bound: &Bound, keys: &[Typed]) {
        let Some(table) = &bound.table else {
            return;
        };
        let extra = keys.iter().skip(usize::from(keys.len() > 1) * 3);
        let left_out: Vec<Arc<str>> = extra.filter_map(|key| key.column.and(key.name.clone())).collect();
        let added = table.columns.iter().filter(|column| !left_out.contains(&column.name)).cloned();
        rows.columns.extend(added);
        rows.open |= table.open;
        number_duplicates(&mut self.ids, &mut rows.columns);
    }

    fn pivot_rows(&mut self, bound: &Bound, arguments: &'a [syntax::Argument]) -> Rows {
        let named: Vec<Col> = bound
            .typed
            .iter()
            .skip(2)
            .filter_map(|typed| {
                Some(Col { id: typed.column?, name: typed.name.clone()?, shape: typed.shape.clone() })
            })
            .collect();
        if !named.is_empty() {
            return Rows { columns: named, open: true };
        }
        let pivot = bound.typed.first().and_then(|typed| typed.column);
        let counted = arguments.get(1).and_then(|argument| self.aggregated_column(&argument.value));
        let mut rows = self.in_scope();
        rows.columns.retain(|column| Some(column.id) != pivot && Some(&column.name) != counted.as_ref());
        rows.open = true;
        rows
    }

    /// Returns the column that an aggregate is taken of.
    fn aggregated_column(&self, expr: &Expr) -> Option<Arc<str>> {
        let syntax::ExprKind::Call { arguments, .. } = &expr.kind else {
            return None;
        };
        let syntax::ExprKind::Name(name) = &arguments.first()?.value.kind else {
            return None;
        };
        self.scope.rows.as_ref()?.find(&name.text).map(|(_, column)| Arc::clone(&column.name))
    }

    /// `invoke f(...)`: the rows are the first argument of `f`.
    pub(super) fn invoke(&mut self, table: &mut Table, call: &'a Expr) {
        let syntax::ExprKind::Call { name, arguments, receiver: None } = &strip(call).kind else {
            self.error(TABLE_EXPECTED, call.span, "a function call is needed here");
            table.give_up();
            return;
        };
        let rows = self.in_scope();
        let function = match self.env.find(&name.text) {
            Some(Binding::Function(function, env)) => Some((*function, Home::Query(env.clone()))),
            _ => self.stored_function(&name.text).map(|function| (function, Home::Stored)),
        };
        if let Some((function, home)) = function {
            let implied = Some(take(table, rows));
            let invoked = Call { function, implied, arguments, span: name.span };
            let called = self.with_scope(Scope::default(), |binder| binder.call_with(invoked, &home));
            match called {
                Called::Table(result) => *table = *result,
                Called::Scalar(typed) => {
                    if !typed.shape.is_unknown() {
                        self.error(TABLE_EXPECTED, call.span, "the function gives a scalar");
                    }
                    *table = Table::broken();
                }
            }
            return;
        }
        match self.database.service(&name.text).cloned() {
            Some(service) if service.gives == Gives::Enrichment => {
                self.enrich(table, &service, arguments);
                table.place(name.span);
            }
            _ => {
                if !self.fuzzy {
                    self.unknown_function(name);
                }
                table.give_up();
            }
        }
    }

    /// A function of the service that adds columns; those the rows have already are kept.
    fn enrich(&mut self, table: &mut Table, service: &ServiceFunction, arguments: &'a [syntax::Argument]) {
        self.asks(&service.name);
        let mut args: Vec<Planned> =
            arguments.iter().map(|argument| self.scalar(&argument.value).expr).collect();
        for parameter in service.parameters.iter().skip(args.len()) {
            let Some(default) = &parameter.default else { continue };
            if let Some((index, column)) = self.scope.rows.as_ref().and_then(|rows| rows.find(default)) {
                let (name, ty) = (Arc::clone(&column.name), column.ty());
                args.push(Planned {
                    kind: self.column_kind(index, &name),
                    ty,
                    span: crate::text::Span::default(),
                });
            }
        }
        let mut rows = self.scope.rows.take().unwrap_or_default();
        let mut outputs: Vec<JoinSide> = (0..rows.columns.len()).map(JoinSide::Left).collect();
        for (index, column) in service.columns.iter().enumerate() {
            if rows.find(&column.name).is_none() {
                outputs.push(JoinSide::Right(index));
                let added = self.dynamic_column(Arc::clone(&column.name), Shape::of(column.ty));
                rows.columns.push(added);
            }
        }
        let operator = Operator::Enrich {
            function: service.name.clone(),
            args,
            columns: service.columns.clone(),
            outputs,
        };
        table.push(operator, rows);
    }
}

/// Whether a lookup is asked to return the key it looked up.
fn returns_key(arguments: &[syntax::Argument]) -> bool {
    let is_true = |argument: &syntax::Argument| super::property_text(&argument.value) == Some("true");
    arguments.iter().enumerate().any(|(index, argument)| match &argument.name {
        Some(name) => name.text == "return_lookup_key" && is_true(argument),
        None => index == 7 && is_true(argument),
    })
}

/// Takes a table so far out of its place.
fn take(table: &mut Table, rows: Rows) -> Table {
    let mut so_far = std::mem::replace(table, Table::broken());
    so_far.rows = rows;
    so_far
}
