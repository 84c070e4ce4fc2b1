//! User functions: checked where they are written, expanded where they are called.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::env::{Binding, Env};
use super::source::Table;
use super::typed::Typed;
use super::{Binder, MISSING_COLUMNS, Scope, TABLE_EXPECTED, WRONG_COUNT, WRONG_TYPE};
use crate::catalogue::Form;
use crate::plan::{Expr as Planned, ExprKind, LocalId, Slot};
use crate::schema::Database;
use crate::syntax::{self, ParameterKind, RowSchema, StatementKind};
use crate::text::Span;
use crate::types::{Conversion, Shape};

/// The stored functions of a database, read when they are first called.
pub(super) struct Stored<'a> {
    database: &'a Database,
    read: BTreeMap<&'a str, OnceCell<Option<syntax::Query>>>,
}

impl<'a> Stored<'a> {
    pub(super) fn new(database: &'a Database) -> Self {
        let read = database
            .function_names()
            .filter(|name| database.function(name).is_some())
            .map(|name| (name, OnceCell::new()))
            .collect();
        Self { database, read }
    }

    fn find(&self, name: &str) -> Option<&syntax::Function> {
        let query = self.read.get(name)?.get_or_init(|| {
            let text = self.database.function(name)?;
            Some(crate::parse::parse(&format!("let {name} = {text};")).query)
        });
        query.as_ref()?.statements.iter().find_map(|statement| match &statement.kind {
            StatementKind::Let(binding) => match &binding.value {
                syntax::LetValue::Function(function) => Some(function),
                syntax::LetValue::Expr(_) => None,
            },
            _ => None,
        })
    }
}

/// What a call gives.
pub(super) enum Called {
    /// A scalar.
    Scalar(Typed),
    /// A table.
    Table(Box<Table>),
}

impl Called {
    /// Returns the scalar, or reports that it is a table.
    pub(super) fn into_scalar(self, binder: &mut Binder<'_>, span: Span) -> Typed {
        match self {
            Self::Scalar(typed) => typed.spanning(span),
            Self::Table(_) => {
                binder.error(
                    super::SCALAR_EXPECTED,
                    span,
                    "a scalar is needed here, the function gives a table",
                );
                Typed::broken(span)
            }
        }
    }
}

impl<'a> Binder<'a> {
    /// Finds a stored function.
    pub(super) fn stored_function(&self, name: &str) -> Option<&'a syntax::Function> {
        let stored: &'a Stored<'a> = self.stored;
        stored.find(name)
    }

    /// Binds a function's body once with the types it declares, for its diagnostics.
    pub(super) fn check_function(&mut self, function: &'a syntax::Function) {
        let saved = self.env.clone();
        let slots = self.slots.len();
        let unnamed = std::mem::replace(&mut self.unnamed, 0);
        for parameter in &function.parameters {
            let name = parameter.name.text.as_str();
            let binding = match &parameter.kind {
                ParameterKind::Scalar { ty, default } => {
                    let shape = Shape::of(self.type_named(ty));
                    if let Some(default) = default {
                        self.scalar(default);
                    }
                    Binding::Local(self.next_local(), shape)
                }
                ParameterKind::Tabular(schema) => {
                    let mut rows = self.declared_rows(schema);
                    rows.open |= schema.columns.is_empty();
                    let slot = self.add_table_slot(Table::of_rows(rows.clone()).pipeline);
                    Binding::Table(slot, Rc::new(rows))
                }
            };
            self.env.bind(name, binding);
        }
        self.with_scope(Scope::default(), |binder| binder.body(function));
        self.slots.truncate(slots);
        self.unnamed = unnamed;
        self.env = saved;
    }

    /// Binds the statements and the result of a function.
    fn body(&mut self, function: &'a syntax::Function) -> Option<Called> {
        let mut with = Vec::new();
        for statement in &function.body.statements {
            if let StatementKind::Let(binding) = &statement.kind {
                self.let_in_body(binding, &mut with);
            }
        }
        let result = function.body.result.as_deref()?;
        Some(if let Some(table) = self.table_argument(result) {
            Called::Table(Box::new(table))
        } else {
            let typed = self.scalar(result);
            Called::Scalar(with_locals(typed, with))
        })
    }

    /// Binds a `let` in a body; what depends on a parameter of the row is computed with the result.
    fn let_in_body(&mut self, binding: &'a syntax::Let, with: &mut Vec<(LocalId, Planned)>) {
        let syntax::LetValue::Expr(value) = &binding.value else {
            self.let_statement(binding);
            return;
        };
        let reads = self.local_reads;
        let tabular = self.table_argument(value);
        let bound = if let Some(mut table) = tabular {
            if reads != self.local_reads {
                table.unsupported("table that depends on the row");
            }
            self.bind_table(table)
        } else {
            let typed = self.scalar(value);
            if reads == self.local_reads {
                self.bind_scalar(typed)
            } else {
                let local = self.next_local();
                let shape = typed.shape.clone();
                with.push((local, typed.expr));
                Binding::Local(local, shape)
            }
        };
        self.env.bind(&binding.name.text, bound);
    }

    /// Calls a function of the query, whose names are those of `env`.
    pub(super) fn call_user(
        &mut self,
        function: &'a syntax::Function,
        env: &Env<'a>,
        arguments: &'a [syntax::Argument],
        span: Span,
    ) -> Called {
        let home = Home::Query(env.clone());
        self.call_with(Call { function, implied: None, arguments, span }, &home)
    }

    /// Calls a function of the database.
    pub(super) fn call_stored(
        &mut self,
        function: &'a syntax::Function,
        arguments: &'a [syntax::Argument],
        span: Span,
    ) -> Called {
        self.call_with(Call { function, implied: None, arguments, span }, &Home::Stored)
    }

    /// Calls a function.
    pub(super) fn call_with(&mut self, call: Call<'a>, home: &Home<'a>) -> Called {
        let span = call.span;
        let called = match home {
            Home::Query(env) => self.deeper(span, |binder| binder.expand(call, env)).flatten(),
            Home::Stored => {
                let called = self.deeper(span, |binder| binder.expand(call, &Env::default())).flatten();
                called.map(|called| stored(called, span))
            }
        };
        called.unwrap_or_else(|| Called::Scalar(Typed::broken(span)))
    }

    fn expand(&mut self, call: Call<'a>, env: &Env<'a>) -> Option<Called> {
        let function = call.function;
        let mut inner = env.clone();
        let mut with = Vec::new();
        self.bind_parameters(call, &mut Frame { env: &mut inner, with: &mut with, reads: 0 });
        let saved = std::mem::replace(&mut self.env, inner);
        let quiet = std::mem::replace(&mut self.quiet, true);
        let fuzzy = std::mem::replace(&mut self.fuzzy, false);
        let unnamed = std::mem::replace(&mut self.unnamed, 0);
        let reads = self.local_reads;
        let result = self.with_scope(Scope::default(), |binder| binder.body(function));
        self.unnamed = unnamed;
        self.fuzzy = fuzzy;
        self.quiet = quiet;
        self.env = saved;
        Some(match result? {
            Called::Scalar(typed) => {
                let constant = with.is_empty() && reads == self.local_reads;
                let form = if constant { Form::Constant } else { Form::Scalar };
                let mut typed = with_locals(typed, with).with_form(form);
                typed.name = None;
                typed.column = None;
                Called::Scalar(typed)
            }
            Called::Table(mut table) => {
                if !with.is_empty() {
                    table.unsupported("table that depends on the row");
                }
                Called::Table(table)
            }
        })
    }

    fn bind_parameters(&mut self, call: Call<'a>, frame: &mut Frame<'_, 'a>) {
        let Call { function, mut implied, arguments, span } = call;
        let offset = usize::from(implied.is_some());
        let mut missing = false;
        for (index, parameter) in function.parameters.iter().enumerate() {
            if index == 0
                && let Some(table) = implied.take()
            {
                if let ParameterKind::Tabular(schema) = &parameter.kind {
                    self.expect_columns(&table, schema, self.so_far);
                }
                let bound = self.bind_table(table);
                frame.env.bind(&parameter.name.text, bound);
                continue;
            }
            let named = arguments.iter().find(|argument| is_named(argument, &parameter.name.text));
            let unnamed =
                || arguments.get(index.checked_sub(offset)?).filter(|argument| argument.name.is_none());
            let bound = match (named.or_else(unnamed), &parameter.kind) {
                (Some(argument), ParameterKind::Scalar { ty, .. }) => {
                    frame.reads = self.local_reads;
                    let typed = self.scalar(&argument.value);
                    self.bind_argument(typed, ty, frame)
                }
                (Some(argument), ParameterKind::Tabular(schema)) => {
                    self.tabular_argument(&argument.value, schema)
                }
                (None, ParameterKind::Scalar { default: Some(default), ty }) => {
                    frame.reads = self.local_reads;
                    let typed = self.with_scope(Scope::default(), |binder| binder.scalar(default));
                    self.bind_argument(typed, ty, frame)
                }
                (None, _) => {
                    missing = true;
                    Binding::Broken
                }
            };
            frame.env.bind(&parameter.name.text, bound);
        }
        if missing || arguments.len() + offset > function.parameters.len() {
            let required = function.parameters.iter().filter(|parameter| is_required(parameter)).count();
            let message = format!(
                "the function takes {} to {} arguments, not {}",
                required.saturating_sub(offset),
                function.parameters.len().saturating_sub(offset),
                arguments.len()
            );
            self.error(WRONG_COUNT, span, message);
        }
    }

    /// Binds a scalar argument: a constant is computed once, anything else with each row.
    fn bind_argument(
        &mut self,
        typed: Typed,
        ty: &syntax::TypeName,
        frame: &mut Frame<'_, 'a>,
    ) -> Binding<'a> {
        let declared = crate::types::ScalarType::find(&ty.text).map_or(Shape::UNKNOWN, Shape::of);
        let fits = typed.shape.fits(&declared, Conversion::Narrow)
            || typed.shape.fits(&declared, Conversion::ToDynamic)
            || typed.shape.is_dynamic();
        if !fits || typed.form == Form::Star {
            let message =
                format!("a value of type {} is needed here, this is {}", declared.name(), typed.shape.name());
            self.error(WRONG_TYPE, typed.span(), message);
            return Binding::Broken;
        }
        let same = typed.shape.scalar() == declared.scalar() || declared.is_unknown();
        let shape = if same { typed.shape.clone() } else { declared };
        let is_literal = typed.form == Form::Literal;
        if is_literal && same {
            return Binding::Literal(Rc::new(Typed { name: None, column: None, ..typed }));
        }
        let constant = typed.is_constant() && frame.reads == self.local_reads;
        let expr = if same { typed.expr } else { convert(typed.expr, &shape) };
        if constant {
            return Binding::Slot(self.add_slot(Slot::Scalar(expr)), shape);
        }
        let local = self.next_local();
        frame.with.push((local, expr));
        Binding::Local(local, shape)
    }

    fn tabular_argument(&mut self, expr: &'a syntax::Expr, schema: &'a RowSchema) -> Binding<'a> {
        let Some(table) = self.with_scope(Scope::default(), |binder| binder.table_argument(expr)) else {
            self.scalar(expr);
            self.error(TABLE_EXPECTED, expr.span, "a table is needed here");
            return Binding::Broken;
        };
        self.expect_columns(&table, schema, expr.span);
        self.bind_table(table)
    }

    /// Reports a table that lacks columns a parameter asks for.
    fn expect_columns(&mut self, table: &Table, schema: &RowSchema, span: Span) {
        let lacking = schema.columns.iter().find(|declared| {
            let wanted = crate::types::ScalarType::find(&declared.ty.text);
            match table.rows.find(&declared.name.text) {
                Some((_, column)) => wanted.is_some_and(|ty| !column.ty().is_unknown() && column.ty() != ty),
                None => !table.rows.open,
            }
        });
        if let Some(lacking) = lacking {
            let message =
                format!("the table needs a column `{}` of type {}", lacking.name.text, lacking.ty.text);
            self.error(MISSING_COLUMNS, span, message);
        }
    }
}

/// Where a function is written.
pub(super) enum Home<'a> {
    /// In the query, where these names are in force.
    Query(Env<'a>),
    /// In the database.
    Stored,
}

/// Marks what a stored function gives as written in another text.
fn stored(called: Called, span: Span) -> Called {
    match called {
        Called::Scalar(typed) => {
            let kind = ExprKind::Stored(Box::new(typed.expr));
            let expr = Planned { kind, ty: typed.shape.scalar(), span };
            Called::Scalar(Typed { expr, ..typed })
        }
        Called::Table(table) => {
            let rows = table.rows.clone();
            let source = crate::plan::Source::Stored(Box::new(table.into_pipeline()));
            Called::Table(Box::new(Table::new(source, rows).starting_at(span)))
        }
    }
}

/// A call of a user function.
pub(super) struct Call<'a> {
    pub(super) function: &'a syntax::Function,
    /// The table that `invoke` puts before the arguments.
    pub(super) implied: Option<Table>,
    pub(super) arguments: &'a [syntax::Argument],
    pub(super) span: Span,
}

/// Names that a call adds, and the locals they need.
struct Frame<'f, 'a> {
    env: &'f mut Env<'a>,
    with: &'f mut Vec<(LocalId, Planned)>,
    /// How many locals had been read before the argument.
    reads: usize,
}

fn is_named(argument: &syntax::Argument, name: &str) -> bool {
    argument.name.as_ref().is_some_and(|given| given.text == name)
}

const fn is_required(parameter: &syntax::Parameter) -> bool {
    !matches!(parameter.kind, ParameterKind::Scalar { default: Some(_), .. })
}

fn convert(expr: Planned, shape: &Shape) -> Planned {
    let span = expr.span;
    Planned { kind: ExprKind::Convert(Box::new(expr)), ty: shape.scalar(), span }
}

/// Computes locals before an expression.
fn with_locals(typed: Typed, with: Vec<(LocalId, Planned)>) -> Typed {
    if with.is_empty() {
        return typed;
    }
    let (ty, span) = (typed.expr.ty, typed.expr.span);
    let expr = Planned { kind: ExprKind::With(with, Box::new(typed.expr)), ty, span };
    Typed { expr, ..typed }
}
