//! What the parameters of a query stand for.

use std::collections::BTreeMap;

use super::parser::Parser;
use crate::lex::{lex, parameter_name};
use crate::syntax::{DynamicKind, DynamicValue, Expr, ExprKind, Literal};
use crate::text::Span;

/// The literals that the parameters of a query stand for, by their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters(BTreeMap<String, ExprKind>);

impl Parameters {
    /// Adds a parameter, or puts another literal in its place.
    ///
    /// # Errors
    ///
    /// [`NoLiteral`] if the text is not one literal and nothing else.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), NoLiteral> {
        let kind = literal(text).ok_or(NoLiteral)?;
        self.0.insert(name.to_owned(), kind);
        Ok(())
    }

    /// Adds a parameter of which nobody knows what it stands for. What depends on it is `unknown`.
    pub fn add_unknown(&mut self, name: &str) {
        self.0.insert(name.to_owned(), ExprKind::Missing);
    }

    /// Returns the names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// A text that is not exactly one literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is not one literal")]
pub struct NoLiteral;

/// Reads a text that is one literal and nothing else, not even a comment or a blank.
pub fn literal(text: &str) -> Option<ExprKind> {
    let lexed = lex(text);
    let none = Parameters::default();
    let mut parser = Parser::new(text, &lexed.tokens, &none);
    let read = parser.unsigned_literal();
    let all = Span::new(0, u32::try_from(text.len()).ok()?);
    let is_literal = matches!(read.kind, ExprKind::Literal(_) | ExprKind::Dynamic(_));
    let is_whole = is_literal && parser.is_end() && read.span == all && lexed.diagnostics.is_empty();
    (is_whole && parser.into_diagnostics().is_empty()).then_some(read.kind)
}

impl Parser<'_> {
    /// Reads the parameter that is next: the literal that it stands for, in its own place. One that stands for nothing is
    /// missing; the binder says so.
    pub(super) fn parameter(&mut self) -> Expr {
        let span = self.bump().span;
        let name = parameter_name(self.text_of(span));
        match self.parameters.0.get(name) {
            Some(kind) => Expr { kind: placed(kind, span), span },
            None => Expr { kind: ExprKind::Missing, span },
        }
    }
}

/// Puts a literal at the place of a parameter.
fn placed(kind: &ExprKind, span: Span) -> ExprKind {
    match kind {
        ExprKind::Literal(literal) => ExprKind::Literal(Literal { span, ..literal.clone() }),
        ExprKind::Dynamic(value) => ExprKind::Dynamic(placed_dynamic(value, span)),
        other => other.clone(),
    }
}

fn placed_dynamic(value: &DynamicValue, span: Span) -> DynamicValue {
    let kind = match &value.kind {
        DynamicKind::Array(items) => {
            DynamicKind::Array(items.iter().map(|item| placed_dynamic(item, span)).collect())
        }
        other => other.clone(),
    };
    DynamicValue { kind, span }
}
