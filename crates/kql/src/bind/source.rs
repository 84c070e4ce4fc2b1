//! Tables: where rows come from, and the pipelines that start there.

use std::rc::Rc;

use super::env::{Binding, Env};
use super::function::Called;
use super::graph::Graph;
use super::names::Meaning;
use super::rows::Rows;
use super::typed::Typed;
use super::{
    Binder, RAGGED_ROWS, Scope, TABLE_EXPECTED, UNKNOWN_TABLE, WRONG_COUNT, WRONG_PLACE, WRONG_TYPE,
};
use crate::catalogue;
use crate::plan::{
    Asked, Expr as Planned, ExprKind, ExternalData, Operator, Pipeline, Slot, SlotId, Source, Stage,
};
use crate::schema::Gives;
use crate::syntax::{
    self, Expr, LetValue, Name, NameStyle, OperatorKind, ParameterKind, RowSchema, StatementKind,
};
use crate::text::Span;
use crate::types::{ScalarType, Schema};
use crate::value::Value;

/// A bound table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) pipeline: Pipeline,
    pub(super) rows: Rows,
    /// The graph, if it is one and not a table.
    pub(super) graph: Option<Rc<Graph>>,
    /// Whether a fuzzy union has to do without it.
    pub(super) is_missing: bool,
}

impl Table {
    pub(super) fn new(source: Source, rows: Rows) -> Self {
        let pipeline = Pipeline { source, span: Span::default(), stages: Vec::new(), schema: rows.schema() };
        Self { pipeline, rows, graph: None, is_missing: false }
    }

    /// Makes the table of the rows that the surroundings give.
    pub(super) fn of_rows(rows: Rows) -> Self {
        Self::new(Source::Context(rows.schema()), rows)
    }

    /// Makes the table that stands for something wrong: it could have any column.
    pub(super) fn broken() -> Self {
        Self::new(Source::Broken, Rows { columns: Vec::new(), open: true })
    }

    /// Adds an operator after which the rows are `rows`.
    pub(super) fn push(&mut self, operator: Operator, rows: Rows) {
        let schema = rows.schema();
        self.pipeline.stages.push(Stage { operator, span: Span::default(), schema });
        self.rows = rows;
    }

    /// Says where the operators were written that were added last and have no place yet.
    pub(super) fn place(&mut self, span: Span) {
        let stages = self.pipeline.stages.iter_mut().rev();
        stages.take_while(|stage| stage.span == Span::default()).for_each(|stage| stage.span = span);
    }

    /// Says where the source was written, unless it has a place.
    pub(super) fn starting_at(mut self, span: Span) -> Self {
        if self.pipeline.span == Span::default() {
            self.pipeline.span = span;
        }
        self
    }

    /// Leaves the table out: it has no rows, whatever its operators are.
    pub(super) fn leave_out(&mut self) {
        self.pipeline.source = Source::Rows(Vec::new(), self.rows.schema());
        self.pipeline.stages.clear();
    }

    /// Marks the table as something the evaluator cannot compute.
    pub(super) fn unsupported(&mut self, what: &'static str) {
        let rows = std::mem::take(&mut self.rows);
        self.push(Operator::Unsupported(what), rows);
    }

    /// Goes on with rows that could have any column, after something wrong.
    pub(super) fn give_up(&mut self) {
        self.push(Operator::Unsupported("operator with errors"), Rows { columns: Vec::new(), open: true });
    }

    /// Returns the plan of the table.
    pub(super) fn into_pipeline(mut self) -> Pipeline {
        self.pipeline.schema = self.rows.schema();
        self.pipeline
    }
}

impl<'a> Binder<'a> {
    /// Keeps a table for any number of uses.
    pub(super) fn table_slot(&mut self, table: Table) -> SlotId {
        if let (Source::Slot(slot, _), true) = (&table.pipeline.source, table.pipeline.stages.is_empty()) {
            return *slot;
        }
        self.add_slot(Slot::Table(table.into_pipeline()))
    }

    /// Makes a name mean a table.
    pub(super) fn bind_table(&mut self, table: Table) -> Binding<'a> {
        if let Some(graph) = table.graph {
            return Binding::Graph(graph);
        }
        let rows = Self::shared(table.rows.clone());
        Binding::Table(self.table_slot(table), rows)
    }

    /// Binds an expression if it is a table; nothing happens if it is a scalar.
    pub(super) fn table_argument(&mut self, expr: &'a Expr) -> Option<Table> {
        let column = match &strip(expr).kind {
            syntax::ExprKind::Name(name) => {
                self.scope.rows.as_ref().is_some_and(|rows| rows.find(&name.text).is_some())
            }
            _ => false,
        };
        if column || !self.is_tabular(expr) {
            return None;
        }
        Some(self.with_scope(Scope::default(), |binder| binder.table(expr)))
    }

    /// Binds an expression that has to be a table.
    pub(super) fn table(&mut self, expr: &'a Expr) -> Table {
        let table = self.deeper(expr.span, |binder| binder.table_here(expr));
        table.unwrap_or_else(Table::broken).starting_at(expr.span)
    }

    fn table_here(&mut self, expr: &'a Expr) -> Table {
        match &expr.kind {
            syntax::ExprKind::Paren(inner) => self.table(inner),
            syntax::ExprKind::Pipeline(pipeline) => self.pipeline(pipeline, None),
            syntax::ExprKind::Name(name) => self.table_named(name),
            syntax::ExprKind::Call { receiver, name, arguments } => {
                if receiver.is_some() {
                    return self.foreign(expr);
                }
                self.table_call(name, arguments, expr.span)
            }
            syntax::ExprKind::Path { .. } => self.foreign(expr),
            syntax::ExprKind::DataTable { columns, values } => self.datatable(columns, values, expr.span),
            syntax::ExprKind::ExternalData { columns, uris, properties } => {
                self.external_data(columns, uris, properties)
            }
            syntax::ExprKind::Missing => Table::broken(),
            _ => {
                let typed = self.scalar(expr);
                if !typed.shape.is_unknown() {
                    let message = format!("a table is needed here, this is {}", typed.shape.name());
                    self.error(TABLE_EXPECTED, expr.span, message);
                }
                Table::broken()
            }
        }
    }

    fn table_named(&mut self, name: &'a Name) -> Table {
        if name.style == NameStyle::Missing {
            return Table::broken();
        }
        if name.style == NameStyle::Pattern {
            self.error(super::OUT_OF_PLACE, name.span, "a pattern is not possible here");
            return Table::broken();
        }
        let meaning = self.with_scope(Scope::default(), |binder| binder.meaning(name));
        match meaning {
            Meaning::Defined(Binding::Table(slot, rows)) => {
                Table::new(Source::Slot(slot, rows.schema()), (*rows).clone())
            }
            Meaning::Defined(Binding::Graph(graph)) => Self::graph_named(&graph),
            Meaning::Defined(Binding::Function(function, env)) => {
                let called = self.call_user(function, &env, &[], name.span);
                self.called_table(called, name.span)
            }
            Meaning::Defined(Binding::Broken) => Table::broken(),
            Meaning::Defined(_) => self.not_table("a scalar", name.span),
            Meaning::Table(name, schema) => self.stored_table(name, schema, Asked::ByName),
            Meaning::Scalar(_) => self.not_table("a scalar", name.span),
            Meaning::Function => {
                let Some(function) = self.stored_function(&name.text) else {
                    self.unknown_table(&name.text, name.span);
                    return Table::broken();
                };
                let called = self.call_stored(function, &[], name.span);
                self.called_table(called, name.span)
            }
            Meaning::Nothing => {
                self.unknown_table(&name.text, name.span);
                Table::broken()
            }
        }
    }

    /// Reads a table of the database.
    pub(super) fn stored_table(&mut self, name: String, schema: Schema, asked: Asked) -> Table {
        let rows = self.fresh(&schema);
        if !self.reads.tables.contains(&name) {
            self.reads.tables.insert(name.clone());
        }
        Table::new(Source::Table { name, schema, asked }, rows)
    }

    /// Remembers that a function of the outside world is asked.
    pub(super) fn asks(&mut self, function: &str) {
        if !self.reads.functions.contains(function) {
            self.reads.functions.insert(function.to_owned());
        }
    }

    fn not_table(&mut self, found: &str, span: Span) -> Table {
        self.error(TABLE_EXPECTED, span, format!("a table is needed here, this is {found}"));
        Table::broken()
    }

    /// Returns the table that a function gives, or reports that it gives none.
    fn called_table(&mut self, called: Called, span: Span) -> Table {
        match called {
            Called::Table(table) => *table,
            Called::Scalar(typed) if typed.shape.is_unknown() => Table::broken(),
            Called::Scalar(typed) => self.not_table(typed.shape.name(), span),
        }
    }

    fn table_call(&mut self, name: &'a Name, arguments: &'a [syntax::Argument], span: Span) -> Table {
        if let Some(Binding::Function(function, env)) = self.env.find(&name.text) {
            let (function, env) = (*function, env.clone());
            let called = self.call_user(function, &env, arguments, name.span);
            return self.called_table(called, span);
        }
        if let Some(function) = self.stored_function(&name.text) {
            let called = self.call_stored(function, arguments, name.span);
            return self.called_table(called, span);
        }
        match (name.text.as_str(), arguments) {
            ("materialize" | "__materialize", [only]) => self.table(&only.value),
            ("table", [wanted, ..]) => self.table_by_text(&wanted.value),
            ("_GetWatchlist", [wanted, ..]) if self.database.has_watchlists() => {
                self.watchlist(&wanted.value, name)
            }
            ("materialize" | "table", _) => {
                self.error(WRONG_COUNT, name.span, format!("`{}` takes one argument", name.text));
                Table::broken()
            }
            _ => match self.database.service(&name.text).cloned() {
                Some(service) if service.gives == Gives::Table => {
                    self.asks(&service.name);
                    let args = arguments.iter().map(|argument| self.scalar(&argument.value).expr).collect();
                    let schema = Schema::new(service.columns.clone());
                    let rows = self.fresh(&schema);
                    Table::new(Source::Function { name: service.name.clone(), args, schema }, rows)
                }
                _ => {
                    self.no_table_function(name, arguments);
                    Table::broken()
                }
            },
        }
    }

    fn no_table_function(&mut self, name: &'a Name, arguments: &'a [syntax::Argument]) {
        if let Some(entry) = catalogue::function(&name.text) {
            let message = format!("a table is needed here, `{}` gives a scalar", entry.name);
            self.error(TABLE_EXPECTED, name.span, message);
        } else if self.fuzzy {
            self.missing_fuzzy("function", &name.text, name.span);
        } else {
            self.unknown_function(name);
        }
        for argument in arguments {
            if self.table_argument(&argument.value).is_none() {
                self.scalar(&argument.value);
            }
        }
    }

    fn table_by_text(&mut self, expr: &'a Expr) -> Table {
        let wanted = self.scalar(expr);
        let Some(text) = wanted.text().map(str::to_owned) else {
            return Table::broken();
        };
        if let Some(Binding::Table(slot, rows)) = self.env.find(&text) {
            return Table::new(Source::Slot(*slot, rows.schema()), (**rows).clone());
        }
        if let Some((name, schema)) =
            self.database.table(&text).map(|table| (table.name.to_owned(), (**table.schema).clone()))
        {
            self.stored_table(name, schema, Asked::ByName)
        } else {
            self.unknown_table(&text, expr.span);
            Table::broken()
        }
    }

    fn watchlist(&mut self, expr: &'a Expr, name: &Name) -> Table {
        let wanted = self.scalar(expr);
        let schema =
            wanted.text().and_then(|text| self.database.watchlist(text)).map(|schema| (**schema).clone());
        let Some(schema) = schema else {
            if let Some(text) = wanted.text() {
                self.error(UNKNOWN_TABLE, expr.span, format!("`{text}` is no watchlist"));
            }
            return Table::broken();
        };
        self.asks(&name.text);
        let rows = self.fresh(&schema);
        Table::new(Source::Function { name: name.text.clone(), args: vec![wanted.expr], schema }, rows)
    }

    /// `database("x").T` and the like: another database, of which nothing is known.
    fn foreign(&mut self, expr: &'a Expr) -> Table {
        let mut inner = expr;
        let mut place = expr.span;
        loop {
            match &inner.kind {
                syntax::ExprKind::Path { base, .. } => inner = base,
                syntax::ExprKind::Call { receiver: Some(base), .. } => inner = base,
                syntax::ExprKind::Call { receiver: None, name, arguments } => {
                    let known = matches!(name.text.as_str(), "database" | "cluster");
                    if !known {
                        self.unknown_function(name);
                        return Table::broken();
                    }
                    place = arguments.first().map_or(name.span, |argument| argument.value.span);
                    break;
                }
                _ => break,
            }
        }
        self.error(UNKNOWN_TABLE, place, "other databases and clusters cannot be read here");
        Table::broken()
    }

    fn datatable(&mut self, columns: &'a RowSchema, values: &'a [Expr], span: Span) -> Table {
        let rows = self.declared_rows(columns);
        let width = rows.columns.len();
        let mut cells: Vec<Planned> = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            let typed = self.scalar(value);
            self.expect_in_range(&typed, index.checked_rem(width).and_then(|at| rows.columns.get(at)));
            let ty = index.checked_rem(width).and_then(|at| rows.columns.get(at)).map(super::rows::Col::ty);
            cells.push(match ty {
                Some(ty) if ty != typed.ty() => {
                    let span = typed.span();
                    Planned { kind: ExprKind::Convert(Box::new(typed.expr)), ty, span }
                }
                _ => typed.expr,
            });
        }
        if width > 0 && !cells.len().is_multiple_of(width) {
            let place =
                values.first().zip(values.last()).map_or(span, |(first, last)| first.span.to(last.span));
            self.error(RAGGED_ROWS, place, format!("{} values do not fill rows of {width}", cells.len()));
        }
        let table =
            if width == 0 { Vec::new() } else { cells.chunks(width).map(<[Planned]>::to_vec).collect() };
        Table::new(Source::Rows(table, rows.schema()), rows)
    }

    /// Reports a whole number that its column cannot hold.
    fn expect_in_range(&mut self, typed: &Typed, column: Option<&super::rows::Col>) {
        let number = match &typed.expr.kind {
            ExprKind::Literal(Value::Long(Some(number))) => *number,
            ExprKind::Negate(inner) => match &inner.kind {
                ExprKind::Literal(Value::Long(Some(number))) => number.wrapping_neg(),
                _ => return,
            },
            _ => return,
        };
        if i32::try_from(number).is_err() && column.is_some_and(|column| column.ty() == ScalarType::Int) {
            self.error(WRONG_TYPE, typed.span(), format!("`{number}` is no `int`"));
        }
    }

    fn external_data(
        &mut self,
        columns: &'a RowSchema,
        uris: &'a [Expr],
        properties: &'a [syntax::Property],
    ) -> Table {
        let rows = self.declared_rows(columns);
        let uris = uris.iter().map(|uri| self.scalar(uri).expr).collect();
        let properties = properties
            .iter()
            .map(|property| (property.name.text.clone(), self.property_value(&property.value)))
            .collect();
        let schema = rows.schema();
        let external = ExternalData { columns: schema.columns.clone(), uris, properties };
        Table::new(Source::External(Box::new(external), schema), rows)
    }

    /// Binds the value of an option: a bare word is a text.
    pub(super) fn property_value(&mut self, expr: &'a Expr) -> Planned {
        match &expr.kind {
            syntax::ExprKind::Name(name) if self.env.find(&name.text).is_none() => Planned {
                kind: ExprKind::Literal(Value::text(name.text.as_str())),
                ty: ScalarType::String,
                span: expr.span,
            },
            _ => self.scalar(expr).expr,
        }
    }

    /// Binds a pipeline. Without a source its rows are those of `context`, or the first operator
    /// makes them.
    pub(super) fn pipeline(&mut self, pipeline: &'a syntax::Pipeline, context: Option<Rows>) -> Table {
        let mut operators = pipeline.operators.iter();
        let mut table = match (&pipeline.source, context) {
            (Some(source), _) => {
                let (fuzzy, missing) = (self.fuzzy, self.missing);
                let first = pipeline.operators.first().map(|operator| &operator.kind);
                let is_fuzzy =
                    matches!(first, Some(OperatorKind::Union(union)) if super::stage::is_fuzzy(union));
                self.fuzzy |= is_fuzzy;
                let mut table = self.with_scope(Scope::default(), |binder| binder.table(source));
                self.fuzzy = fuzzy;
                if is_fuzzy && missing < self.missing {
                    self.missing = missing;
                    table.leave_out();
                }
                table
            }
            (None, Some(rows)) => Table::of_rows(rows),
            (None, None) => {
                let Some(first) = operators.next() else {
                    return Table::broken();
                };
                let table = self.with_scope(Scope::default(), |binder| binder.first_operator(first));
                let mut table = table.starting_at(first.keyword);
                table.place(first.keyword);
                table
            }
        };
        let mut so_far =
            pipeline.source.as_ref().map_or(Span::empty(pipeline.span.start), |source| source.span);
        for operator in operators {
            self.so_far = so_far;
            self.stage(&mut table, operator);
            so_far = so_far.to(operator.span);
        }
        table
    }

    fn first_operator(&mut self, operator: &'a syntax::Operator) -> Table {
        match &operator.kind {
            OperatorKind::Range { name, from, to, step } => self.range(name, from, to, step.as_ref()),
            OperatorKind::Print(items) => self.print(items),
            OperatorKind::Union(union) => self.union_source(union),
            OperatorKind::Search(search) => self.search_source(search),
            OperatorKind::Find(find) => self.find(find),
            OperatorKind::Evaluate(evaluate) => self.evaluate_source(evaluate),
            OperatorKind::Error => Table::broken(),
            OperatorKind::MacroExpand { .. } => {
                let mut table = Table::broken();
                table.unsupported("macro-expand");
                table
            }
            _ => {
                self.error(WRONG_PLACE, operator.keyword, "the operator needs rows: put a table before it");
                let mut table = Table::broken();
                self.stage(&mut table, operator);
                table
            }
        }
    }

    /// Whether an expression is a table, without binding it.
    pub(super) fn is_tabular(&self, expr: &Expr) -> bool {
        self.tabular_in(expr, &self.env, &[], 0)
    }

    fn tabular_in(&self, expr: &Expr, env: &Env<'_>, bodies: &[&syntax::Function], depth: usize) -> bool {
        if depth > 32 {
            return false;
        }
        match &expr.kind {
            syntax::ExprKind::Pipeline(_)
            | syntax::ExprKind::DataTable { .. }
            | syntax::ExprKind::ExternalData { .. } => true,
            syntax::ExprKind::Paren(inner) => self.tabular_in(inner, env, bodies, depth + 1),
            syntax::ExprKind::Name(name) => self.tabular_name(&name.text, env, bodies, depth),
            syntax::ExprKind::Call { receiver: Some(_), .. } => true,
            syntax::ExprKind::Call { receiver: None, name, .. } => match name.text.as_str() {
                "materialize" | "table" | "database" | "cluster" => true,
                "_GetWatchlist" => self.database.has_watchlists(),
                text => {
                    self.tabular_name(text, env, bodies, depth)
                        || self.database.service(text).is_some_and(|service| service.gives == Gives::Table)
                }
            },
            syntax::ExprKind::Path { base, .. } => matches!(&base.kind, syntax::ExprKind::Call { name, .. }
                if matches!(name.text.as_str(), "database" | "cluster" | "workspace" | "app")),
            _ => false,
        }
    }

    fn tabular_name(&self, name: &str, env: &Env<'_>, bodies: &[&syntax::Function], depth: usize) -> bool {
        for (level, body) in bodies.iter().enumerate().rev() {
            let outer = bodies.get(..level).unwrap_or_default();
            let with_body = bodies.get(..=level).unwrap_or_default();
            let local = body.body.statements.iter().rev().find_map(|statement| match &statement.kind {
                StatementKind::Let(binding) if binding.name.text == name => Some(&binding.value),
                _ => None,
            });
            match local {
                Some(LetValue::Expr(value)) => return self.tabular_in(value, env, with_body, depth + 1),
                Some(LetValue::Function(function)) => {
                    return self.tabular_function(function, env, with_body, depth);
                }
                None => {}
            }
            if let Some(parameter) = body.parameters.iter().find(|parameter| parameter.name.text == name) {
                return matches!(parameter.kind, ParameterKind::Tabular(_));
            }
            if outer.len() == bodies.len() {
                break;
            }
        }
        match env.find(name) {
            Some(Binding::Table(..) | Binding::Graph(_)) => true,
            Some(Binding::Function(function, inner)) => self.tabular_function(function, inner, &[], depth),
            Some(_) => false,
            None => {
                self.database.table(name).is_some()
                    || self
                        .stored_function(name)
                        .is_some_and(|function| self.tabular_function(function, &Env::default(), &[], depth))
            }
        }
    }

    fn tabular_function(
        &self,
        function: &syntax::Function,
        env: &Env<'_>,
        bodies: &[&syntax::Function],
        depth: usize,
    ) -> bool {
        let mut inner = bodies.to_vec();
        inner.push(function);
        function.body.result.as_deref().is_some_and(|result| self.tabular_in(result, env, &inner, depth + 1))
    }
}

/// Takes off parentheses.
pub(super) fn strip(expr: &Expr) -> &Expr {
    let mut inner = expr;
    while let syntax::ExprKind::Paren(next) = &inner.kind {
        inner = next;
    }
    inner
}
