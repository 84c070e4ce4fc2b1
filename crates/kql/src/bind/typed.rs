//! A scalar expression with what the binder knows about it.

use std::sync::Arc;

use crate::catalogue::{Argument, Form};
use crate::plan::{Expr, ExprKind};
use crate::text::Span;
use crate::types::{ScalarType, Shape};
use crate::value::Value;

/// A bound expression.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    pub(super) expr: Expr,
    pub(super) shape: Shape,
    pub(super) form: Form,
    /// Identity of the column it is, if it is a column.
    pub(super) column: Option<u32>,
    /// Name that a column made of it gets if the query gives none.
    pub(super) name: Option<Arc<str>>,
    /// The values, if it gives several.
    pub(super) several: Option<Box<Several>>,
}

/// The values of a call that gives several.
#[derive(Debug, Clone)]
pub(super) struct Several {
    pub(super) items: Vec<Item>,
}

/// One of several values.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) name: Arc<str>,
    pub(super) expr: Expr,
    pub(super) shape: Shape,
    /// Identity of the column it is, if it is a column.
    pub(super) column: Option<u32>,
}

impl Typed {
    /// Makes an expression computed from columns.
    pub(super) fn new(kind: ExprKind, shape: Shape, span: Span) -> Self {
        let expr = Expr { kind, ty: shape.scalar(), span };
        Self { expr, shape, form: Form::Scalar, column: None, name: None, several: None }
    }

    /// Makes the expression that stands for something wrong.
    pub(super) fn broken(span: Span) -> Self {
        Self::new(ExprKind::Broken, Shape::UNKNOWN, span)
    }

    /// Makes a literal.
    pub(super) fn literal(value: Value, shape: Shape, span: Span) -> Self {
        Self::new(ExprKind::Literal(value), shape, span).with_form(Form::Literal)
    }

    /// Says what kind of expression it is.
    pub(super) fn with_form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Says what a column made of it is called.
    pub(super) fn with_name(mut self, name: Option<Arc<str>>) -> Self {
        self.name = name;
        self
    }

    pub(super) const fn span(&self) -> Span {
        self.expr.span
    }

    pub(super) const fn is_constant(&self) -> bool {
        matches!(self.form, Form::Literal | Form::Constant)
    }

    pub(super) const fn ty(&self) -> ScalarType {
        self.expr.ty
    }

    /// Returns the text, if it is a literal text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.expr.kind {
            ExprKind::Literal(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Returns what the catalogue asks about an argument.
    pub(super) fn argument(&self) -> Argument {
        Argument { shape: self.shape.clone(), form: self.form, text: self.text().map(str::to_owned) }
    }
}
