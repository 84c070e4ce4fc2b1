//! Scalar expressions.

use std::sync::Arc;

use super::env::Binding;
use super::names::Meaning;
use super::typed::Typed;
use super::{
    Binder, COLUMN_EXPECTED, NO_ELEMENTS, OUT_OF_PLACE, SCALAR_EXPECTED, UNKNOWN_NAME, WRONG_TYPE, literal,
};
use crate::catalogue::Form;
use crate::plan::{Comparison, ExprKind, ScanState};
use crate::syntax::{self, Expr, Name, NameStyle, TypeOfItem, UnaryOp};
use crate::text::Span;
use crate::types::{ScalarType, Shape};
use crate::value::Value;

impl<'a> Binder<'a> {
    /// Binds an expression that has to be a scalar.
    pub(super) fn scalar(&mut self, expr: &'a Expr) -> Typed {
        let bound = self.deeper(expr.span, |binder| binder.scalar_here(expr));
        bound.unwrap_or_else(|| Typed::broken(expr.span))
    }

    fn scalar_here(&mut self, expr: &'a Expr) -> Typed {
        match &expr.kind {
            syntax::ExprKind::Literal(literal) => {
                let (value, ty) = literal::value(&literal.kind);
                Typed::literal(value, Shape::of(ty), expr.span)
            }
            syntax::ExprKind::Dynamic(value) => {
                Typed::literal(Value::Dynamic(literal::dynamic(value)), literal::shape(value), expr.span)
            }
            syntax::ExprKind::Name(name) => self.name(name),
            syntax::ExprKind::Star => {
                Typed::new(ExprKind::Broken, Shape::DYNAMIC, expr.span).with_form(Form::Star)
            }
            syntax::ExprKind::Path { base, name } => self.path(base, name, expr.span),
            syntax::ExprKind::Index { base, index } => self.index(base, index, expr.span),
            syntax::ExprKind::Call { receiver, name, arguments } => {
                self.call(receiver.as_deref(), name, arguments, expr.span)
            }
            syntax::ExprKind::Unary { op, operand } => self.sign(*op, operand, expr.span),
            syntax::ExprKind::Binary { .. } => self.binary(expr),
            syntax::ExprKind::In { op, op_span, operand, list } => {
                self.membership(*op, *op_span, operand, list).spanning(expr.span)
            }
            syntax::ExprKind::Between { negated, op_span, operand, low, high } => {
                let mut typed = self.between(*op_span, [&**operand, &**low, &**high]).spanning(expr.span);
                if let ExprKind::Between { negated: turned, .. } = &mut typed.expr.kind {
                    *turned = *negated;
                }
                typed
            }
            syntax::ExprKind::Paren(inner) => {
                let mut typed = self.scalar(inner);
                typed.expr.span = expr.span;
                typed
            }
            syntax::ExprKind::TypeOf(items) => self.type_of(items, expr.span),
            syntax::ExprKind::Missing => Typed::broken(expr.span),
            syntax::ExprKind::Pipeline(_)
            | syntax::ExprKind::DataTable { .. }
            | syntax::ExprKind::ExternalData { .. }
            | syntax::ExprKind::EntityGroup(_) => {
                let _table = self.table(expr);
                self.error(SCALAR_EXPECTED, expr.span, "a scalar is needed here, this is a table");
                Typed::broken(expr.span)
            }
        }
    }

    fn name(&mut self, name: &'a Name) -> Typed {
        match name.style {
            NameStyle::Missing => return Typed::broken(name.span),
            NameStyle::Pattern => {
                self.error(OUT_OF_PLACE, name.span, "a pattern is not possible here");
                return Typed::broken(name.span);
            }
            NameStyle::Plain | NameStyle::Bracketed => {}
        }
        let mut typed = match self.meaning(name) {
            Meaning::Scalar(typed) => return typed,
            Meaning::Defined(binding) => match self.defined_scalar(&binding, name.span) {
                Some(typed) => typed,
                None => self.not_scalar(&binding, name),
            },
            Meaning::Table(..) => {
                self.error(
                    SCALAR_EXPECTED,
                    name.span,
                    format!("a scalar is needed here, `{}` is a table", name.text),
                );
                Typed::broken(name.span)
            }
            Meaning::Function => {
                self.error(
                    UNKNOWN_NAME,
                    name.span,
                    format!("`{}` is a function and needs its arguments", name.text),
                );
                Typed::broken(name.span)
            }
            Meaning::Nothing => {
                self.unknown_name(name);
                Typed::broken(name.span)
            }
        };
        typed.name = Some(Arc::from(name.text.as_str()));
        typed
    }

    /// A name defined in the query that is not a scalar by itself: a function without parameters
    /// is called, all else is wrong here.
    fn not_scalar(&mut self, binding: &Binding<'a>, name: &'a Name) -> Typed {
        if let Binding::Function(function, env) = binding {
            return self.call_user(function, env, &[], name.span).into_scalar(self, name.span);
        }
        self.error(
            SCALAR_EXPECTED,
            name.span,
            format!("a scalar is needed here, `{}` is a table", name.text),
        );
        Typed::broken(name.span)
    }

    fn path(&mut self, base: &'a Expr, name: &'a Name, span: Span) -> Typed {
        if let Some(typed) = self.special_path(base, name, span) {
            return typed;
        }
        let base = self.scalar(base);
        if base.shape.is_unknown() || base.shape.is_dynamic() {
            let shape = base.shape.property(&name.text);
            let label = member_name(&base, &name.text);
            let form = if base.is_constant() { Form::Constant } else { Form::Scalar };
            return Typed::new(ExprKind::Property(Box::new(base.expr), name.text.clone()), shape, span)
                .with_form(form)
                .with_name(Some(label));
        }
        if !name.text.is_empty() {
            let message = format!("`{}` cannot be taken of a value of type {}", name.text, base.shape.name());
            let diagnostic = crate::diagnostic::Diagnostic::error(UNKNOWN_NAME, name.span, message);
            let string = base.ty() == ScalarType::String;
            self.report(if string {
                diagnostic.with_help("use `parse_json` on the text first")
            } else {
                diagnostic
            });
        }
        Typed::broken(span).with_name(Some(Arc::from(name.text.as_str())))
    }

    /// Members of things that are no values: `$left.x`, a step of `scan`, an element of a graph.
    fn special_path(&mut self, base: &Expr, member: &'a Name, span: Span) -> Option<Typed> {
        let syntax::ExprKind::Name(name) = &base.kind else {
            return None;
        };
        let (rows, offset) = match (name.text.as_str(), &self.scope.right) {
            ("$left", Some(_)) => (self.scope.rows.clone()?, 0),
            ("$right", Some(right)) => {
                (right.clone(), self.scope.rows.as_ref().map_or(0, |rows| rows.columns.len()))
            }
            _ => match self.env.find(&name.text) {
                Some(Binding::Element(offset, rows)) => ((**rows).clone(), *offset),
                Some(Binding::Step(step, rows)) => {
                    return Some(self.step_column(*step, &rows.clone(), member, span));
                }
                _ => return None,
            },
        };
        let Some((index, column)) = rows.find(&member.text) else {
            if !rows.open {
                self.unknown_member(&rows, member);
            }
            return Some(Typed::broken(span));
        };
        let mut typed =
            Typed::new(ExprKind::Column(offset + index), column.shape.clone(), span).with_form(Form::Column);
        typed.column = Some(column.id);
        typed.name = Some(Arc::clone(&column.name));
        Some(typed)
    }

    fn step_column(&mut self, step: usize, rows: &super::rows::Rows, member: &Name, span: Span) -> Typed {
        let Some((column, found)) = rows.find(&member.text) else {
            if !rows.open {
                self.unknown_member(rows, member);
            }
            return Typed::broken(span);
        };
        Typed::new(ExprKind::ScanState(ScanState { step, column }), found.shape.clone(), span)
            .with_name(Some(Arc::clone(&found.name)))
    }

    /// Reports a column that one side of a join, or an element of a graph, does not have.
    fn unknown_member(&mut self, rows: &super::rows::Rows, member: &Name) {
        if self.quiet || member.text.is_empty() {
            return;
        }
        let message = format!("`{}` is no column here", member.text);
        let diagnostic = crate::diagnostic::Diagnostic::error(UNKNOWN_NAME, member.span, message);
        let usual = self.database.usual_column(&member.text).filter(|usual| rows.find(usual).is_some());
        let likely = usual
            .map(str::to_owned)
            .or_else(|| super::names::nearest(&member.text, rows.columns.iter().map(|column| &*column.name)));
        self.report(match likely {
            Some(likely) => diagnostic.with_help(format!("did you mean `{likely}`?")),
            None => diagnostic,
        });
    }

    fn index(&mut self, base: &'a Expr, index: &'a Expr, span: Span) -> Typed {
        let base_span = base.span;
        if let syntax::ExprKind::Literal(literal) = &index.kind
            && let syntax::LiteralKind::String(_) = literal.kind
            && let Some(typed) = self.bracketed_member(base, span)
        {
            return typed;
        }
        let base = self.scalar(base);
        let index = self.scalar(index);
        if let Some(item) = item_of(&base, &index) {
            return item.spanning(span);
        }
        let label = index_label(&index).map(|text| member_name(&base, &text)).or_else(|| base.name.clone());
        if base.shape.is_unknown() || index.shape.is_unknown() {
            return Typed::new(
                ExprKind::Element(Box::new(base.expr), Box::new(index.expr)),
                Shape::UNKNOWN,
                span,
            )
            .with_name(label);
        }
        if !base.shape.is_dynamic() || matches!(base.shape, Shape::Holding(_)) {
            let message = format!("a value of type {} has no elements", base.shape.name());
            let bracket = Span::new(base_span.end, span.end);
            let diagnostic = crate::diagnostic::Diagnostic::error(NO_ELEMENTS, bracket, message);
            let string = base.ty() == ScalarType::String;
            self.report(if string {
                diagnostic.with_help("use `parse_json` on the text first")
            } else {
                diagnostic
            });
            return Typed::broken(span).with_name(label);
        }
        let shape = self.element_shape(&base, &index);
        let form = if base.is_constant() && index.is_constant() { Form::Constant } else { Form::Scalar };
        let kind = match index.text() {
            Some(text) => ExprKind::Property(Box::new(base.expr), text.to_owned()),
            None => ExprKind::Element(Box::new(base.expr), Box::new(index.expr)),
        };
        Typed::new(kind, shape, span).with_form(form).with_name(label)
    }

    /// `$left["x"]` is not a thing; only kept from being an element access on a table.
    fn bracketed_member(&mut self, base: &Expr, span: Span) -> Option<Typed> {
        let syntax::ExprKind::Name(name) = &base.kind else {
            return None;
        };
        matches!(self.env.find(&name.text), Some(Binding::Element(..) | Binding::Step(..)))
            .then(|| Typed::new(ExprKind::Broken, Shape::UNKNOWN, span))
    }

    fn element_shape(&mut self, base: &Typed, index: &Typed) -> Shape {
        let integer = index.ty().is_integer()
            || index.shape == Shape::DYNAMIC
            || index.shape == Shape::Holding(ScalarType::Long);
        let text = index.ty() == ScalarType::String || index.shape.is_dynamic();
        let (fits, expected) = match &base.shape {
            Shape::Array(_) => (integer, "an integer"),
            Shape::Bag(_) => (text, "a string"),
            _ => (integer || text, "an integer or a string"),
        };
        if !fits {
            let message = format!("{expected} is needed here, this is {}", index.shape.name());
            self.error(WRONG_TYPE, index.span(), message);
        }
        match &base.shape {
            Shape::Array(element) => element.in_dynamic(),
            shape @ Shape::Bag(_) => index.text().map_or(Shape::DYNAMIC, |name| shape.property(name)),
            _ => Shape::DYNAMIC,
        }
    }

    fn sign(&mut self, op: UnaryOp, operand: &'a Expr, span: Span) -> Typed {
        let operand_typed = self.scalar(operand);
        let op_span = Span::new(span.start, span.start.saturating_add(1));
        let shape = self.operator("negate", op_span, &[&operand_typed], crate::catalogue::Strictness::AllFit);
        if let Some(typed) = folded(op, &operand_typed, span) {
            return typed;
        }
        let shape = match (shape, operand_typed.is_constant()) {
            (Shape::Scalar(ScalarType::Int), false) => Shape::of(ScalarType::Long),
            (shape, _) => shape,
        };
        let form = if operand_typed.is_constant() { Form::Constant } else { Form::Scalar };
        match op {
            UnaryOp::Minus => {
                Typed::new(ExprKind::Negate(Box::new(operand_typed.expr)), shape, span).with_form(form)
            }
            UnaryOp::Plus => Typed { column: None, name: None, ..operand_typed }.spanning(span),
        }
    }

    fn type_of(&mut self, items: &'a [TypeOfItem], span: Span) -> Typed {
        let ty = if let [TypeOfItem::Type(name)] = items {
            self.type_named(name)
        } else {
            for item in items {
                match item {
                    TypeOfItem::Type(name) => {
                        self.type_named(name);
                    }
                    TypeOfItem::Column(column) => {
                        self.type_named(&column.ty);
                    }
                    TypeOfItem::Star(_) => {}
                }
            }
            ScalarType::Unknown
        };
        let text = Value::text(ty.name());
        Typed::new(ExprKind::Literal(text), Shape::TypeName(ty), span).with_form(Form::Literal)
    }

    /// Binds an expression that has to be a column.
    pub(super) fn column_only(&mut self, expr: &'a Expr) -> Typed {
        let typed = self.scalar(expr);
        self.check_column(&typed);
        typed
    }

    /// Reports an expression that is not a column.
    pub(super) fn check_column(&mut self, typed: &Typed) {
        if typed.column.is_none() && !typed.shape.is_unknown() {
            self.error(COLUMN_EXPECTED, typed.span(), "a column is needed here");
        }
    }

    /// Binds a condition.
    pub(super) fn condition(&mut self, expr: &'a Expr) -> Typed {
        let typed = self.scalar(expr);
        self.expect_bool(&typed);
        typed
    }

    /// Reports an expression that is not a bool.
    pub(super) fn expect_bool(&mut self, typed: &Typed) {
        if typed.form == Form::Star
            || !matches!(typed.shape, Shape::Scalar(ScalarType::Bool | ScalarType::Unknown))
        {
            let message = format!("a condition is needed here, this is {}", typed.shape.name());
            self.error(WRONG_TYPE, typed.span(), message);
        }
    }

    /// Reports an expression that is not an integer.
    pub(super) fn expect_integer(&mut self, typed: &Typed) {
        let ty = typed.ty();
        if typed.shape.is_dynamic() || !(ty.is_integer() || ty.is_unknown()) {
            self.error(
                WRONG_TYPE,
                typed.span(),
                format!("an integer is needed here, this is {}", typed.shape.name()),
            );
        }
    }

    /// Reports a dynamic expression.
    pub(super) fn expect_not_dynamic(&mut self, typed: &Typed, what: &str) {
        if typed.shape.is_dynamic() && typed.form != Form::Star {
            let message = format!("{what} cannot be dynamic");
            let diagnostic = crate::diagnostic::Diagnostic::error(WRONG_TYPE, typed.span(), message);
            self.report(diagnostic.with_help("convert it first, for example with `tostring`"));
        }
    }
}

impl Typed {
    /// Says where it stands.
    pub(super) fn spanning(mut self, span: Span) -> Self {
        self.expr.span = span;
        self
    }
}

/// Returns the comparison an operator makes, if it makes one.
pub(super) const fn comparison(op: syntax::BinaryOp) -> Option<Comparison> {
    Some(match op {
        syntax::BinaryOp::Eq => Comparison::Equal,
        syntax::BinaryOp::Ne => Comparison::NotEqual,
        syntax::BinaryOp::Lt => Comparison::Less,
        syntax::BinaryOp::Le => Comparison::LessOrEqual,
        syntax::BinaryOp::Gt => Comparison::Greater,
        syntax::BinaryOp::Ge => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

/// A signed literal is a literal.
fn folded(op: UnaryOp, operand: &Typed, span: Span) -> Option<Typed> {
    let ExprKind::Literal(value) = &operand.expr.kind else {
        return None;
    };
    let value = match (op, value) {
        (UnaryOp::Plus, value) => value.clone(),
        (UnaryOp::Minus, Value::Int(Some(number))) => Value::Int(Some(number.checked_neg()?)),
        (UnaryOp::Minus, Value::Long(Some(number))) => Value::Long(Some(number.checked_neg()?)),
        (UnaryOp::Minus, Value::Real(Some(number))) => Value::Real(Some(-number)),
        (UnaryOp::Minus, _) => return None,
    };
    Some(Typed::literal(value, operand.shape.clone(), span))
}

/// Returns the value that an index picks from a call that gives several.
fn item_of(base: &Typed, index: &Typed) -> Option<Typed> {
    let items = &base.several.as_ref()?.items;
    let ExprKind::Literal(Value::Long(Some(place))) = &index.expr.kind else {
        return None;
    };
    let item = items.get(usize::try_from(*place).ok()?).filter(|_| items.len() > 1)?;
    let typed = Typed::new(item.expr.kind.clone(), item.shape.clone(), base.span());
    Some(typed.with_name(Some(Arc::clone(&item.name))))
}

/// Returns how an index appears in an automatic name.
fn index_label(index: &Typed) -> Option<String> {
    match &index.expr.kind {
        ExprKind::Literal(Value::String(text)) => Some((**text).to_owned()),
        ExprKind::Literal(Value::Long(Some(number))) => Some(number.to_string()),
        ExprKind::Literal(Value::Int(Some(number))) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns the automatic name of a member: behind that of its base, if the base has parts.
fn member_name(base: &Typed, member: &str) -> Arc<str> {
    let prefixed = base.shape.may_have_parts() || base.shape.is_unknown();
    match &base.name {
        Some(name) if prefixed && !name.is_empty() => format!("{name}_{member}").into(),
        _ => member.into(),
    }
}
