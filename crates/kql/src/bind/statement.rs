//! Statements.

use std::rc::Rc;

use super::env::Binding;
use super::typed::Typed;
use super::{Binder, DUPLICATE_VARIABLE, OUT_OF_PLACE};
use crate::catalogue::Form;
use crate::plan::{Pipeline, Slot};
use crate::syntax::{self, LetValue, ParameterKind, Statement, StatementKind};
use crate::types::Shape;

impl<'a> Binder<'a> {
    /// Binds the statements of a query and returns the tables it gives.
    pub(super) fn statements(&mut self, statements: &'a [Statement]) -> Vec<Pipeline> {
        let mut results = Vec::new();
        for statement in statements {
            match &statement.kind {
                StatementKind::Let(binding) => self.let_statement(binding),
                StatementKind::Expression(expr) => {
                    if let Some(pipeline) = self.result(expr) {
                        results.push(pipeline);
                    }
                }
                StatementKind::Parameters(parameters) => self.query_parameters(parameters),
                StatementKind::Set { name, value } => {
                    if let Some(value) = value.as_ref().filter(|_| name.text.starts_with("query_bin_auto")) {
                        let value = self.scalar(value).expr;
                        self.settings.push((&name.text, value));
                    }
                }
                StatementKind::Alias { .. }
                | StatementKind::Restrict(_)
                | StatementKind::Pattern
                | StatementKind::Error => {}
            }
        }
        results
    }

    fn result(&mut self, expr: &'a syntax::Expr) -> Option<Pipeline> {
        if let syntax::ExprKind::Missing = expr.kind {
            return None;
        }
        if self.is_tabular(expr) || matches!(super::source::strip(expr).kind, syntax::ExprKind::Name(_)) {
            return Some(self.table(expr).into_pipeline());
        }
        if let syntax::ExprKind::Call { name, .. } = &expr.kind
            && crate::catalogue::function(&name.text).is_none()
            && self.env.find(&name.text).is_none()
        {
            return Some(self.table(expr).into_pipeline());
        }
        let typed = self.scalar(expr);
        Some(Self::scalar_result(typed))
    }

    /// A scalar as a result is a table of one row.
    fn scalar_result(typed: Typed) -> Pipeline {
        let name = typed.name.clone().unwrap_or_else(|| std::sync::Arc::from("print_0"));
        let schema = crate::types::Schema::new(vec![crate::types::Column { name, ty: typed.ty() }]);
        let span = typed.expr.span;
        let source = crate::plan::Source::Row(vec![typed.expr], schema.clone());
        Pipeline { source, span, stages: Vec::new(), schema }
    }

    /// Binds a `let`.
    pub(super) fn let_statement(&mut self, binding: &'a syntax::Let) {
        let name = binding.name.text.as_str();
        if !name.is_empty() && self.env.find(name).is_some() {
            let message = format!("a variable `{name}` is there already");
            self.error(DUPLICATE_VARIABLE, binding.name.span, message);
        }
        let bound = match &binding.value {
            LetValue::Function(function) => {
                self.check_function(function);
                Binding::Function(function, self.env.clone())
            }
            LetValue::Expr(value) => {
                if let Some(table) = self.table_argument(value) {
                    self.bind_table(table)
                } else {
                    let typed = self.scalar(value);
                    self.bind_scalar(typed)
                }
            }
        };
        self.env.bind(name, bound);
    }

    /// Makes a name mean a scalar.
    pub(super) fn bind_scalar(&mut self, typed: Typed) -> Binding<'a> {
        if typed.several.is_some() || typed.form == Form::Star {
            self.error(OUT_OF_PLACE, typed.span(), "a variable holds one value");
            return Binding::Broken;
        }
        if typed.form == Form::Literal || typed.shape.is_unknown() {
            return Binding::Literal(Rc::new(Typed { name: None, column: None, ..typed }));
        }
        let shape = typed.shape.clone();
        Binding::Slot(self.add_slot(Slot::Scalar(typed.expr)), shape)
    }

    fn query_parameters(&mut self, parameters: &'a [syntax::Parameter]) {
        for parameter in parameters {
            let ParameterKind::Scalar { ty, default } = &parameter.kind else {
                continue;
            };
            let shape = Shape::of(self.type_named(ty));
            let typed = if let Some(default) = default {
                self.scalar(default)
            } else {
                let null = crate::value::Value::null(shape.scalar());
                Typed::literal(null, shape, parameter.span)
            };
            let bound = self.bind_scalar(typed);
            self.env.bind(&parameter.name.text, bound);
        }
    }
}
