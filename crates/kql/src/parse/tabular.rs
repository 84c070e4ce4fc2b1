//! Pipelines: a source, and operators behind bars.

use super::EXPECTED;
use super::operator::{is_operator_word, is_source_word};
use super::parser::Parser;
use crate::diagnostic::Diagnostic;
use crate::lex::{Punct, TokenKind};
use crate::syntax::{Expr, ExprKind, Operator, Pipeline};
use crate::text::Span;

impl Parser<'_> {
    /// Reads an expression that may be a pipeline.
    pub(super) fn tabular(&mut self) -> Expr {
        let here = Span::empty(self.start());
        self.deeper(Self::tabular_here).unwrap_or_else(|| Self::missing(here))
    }

    fn tabular_here(&mut self) -> Expr {
        let start = self.start();
        if self.is_source() {
            let operators = self.operators_from_first();
            let span = self.since(start);
            return Expr { kind: ExprKind::Pipeline(Pipeline { source: None, operators, span }), span };
        }
        let source = self.expr();
        let operators = self.operators();
        if operators.is_empty() {
            return source;
        }
        let span = self.since(start);
        let pipeline = Pipeline { source: Some(Box::new(source)), operators, span };
        Expr { kind: ExprKind::Pipeline(pipeline), span }
    }

    /// Reads `operator | operator`, whose rows come from outside.
    pub(super) fn sub_pipeline(&mut self) -> Pipeline {
        let start = self.start();
        let operators = self.deeper(Self::operators_from_first).unwrap_or_default();
        Pipeline { source: None, operators, span: self.since(start) }
    }

    /// Tells whether an operator that makes rows of its own is next.
    fn is_source(&self) -> bool {
        let word = self.word();
        let next = self.nth(1).kind;
        match word {
            // These two are functions and columns as well.
            "range" | "evaluate" => next == TokenKind::Word || next == TokenKind::Punct(Punct::OpenBracket),
            _ => is_source_word(word) && !matches!(next, TokenKind::Punct(Punct::Dot | Punct::Assign)),
        }
    }

    fn operators_from_first(&mut self) -> Vec<Operator> {
        let mut operators = vec![self.operator()];
        self.leave_rest_of_operator();
        operators.append(&mut self.operators());
        operators
    }

    fn operators(&mut self) -> Vec<Operator> {
        let mut operators = Vec::new();
        loop {
            if !self.eat(Punct::Bar) && !self.is_bar_missing() {
                return operators;
            }
            operators.push(self.operator());
            self.leave_rest_of_operator();
        }
    }

    /// Tells whether an operator follows without its bar, and says so.
    fn is_bar_missing(&mut self) -> bool {
        let word = self.word();
        let next = self.nth(1).kind;
        let operator = is_operator_word(word)
            && !is_source_word(word)
            && !matches!(next, TokenKind::Punct(Punct::Assign | Punct::Dot | Punct::Comma));
        if operator {
            let span = self.missing_place();
            let here = Span::empty(self.start());
            let diagnostic = Diagnostic::error(EXPECTED, span, format!("expected `|` before `{word}`"));
            self.report(diagnostic.with_fix(here, "| "));
        }
        operator
    }

    /// Leaves out what stands behind an operator on its last line and belongs to nothing. What
    /// stands on a line of its own is more likely the next statement.
    fn leave_rest_of_operator(&mut self) {
        let is_rest = !self.is_end_of_operator() && !self.missing_place().is_empty();
        if !is_rest || is_operator_word(self.word()) || self.is(Punct::Comma) {
            return;
        }
        let found = self.found().unwrap_or_default();
        let span = self.missing_place();
        let mut diagnostic =
            Diagnostic::error(EXPECTED, span, format!("expected `|`, `,` or `;` before {found}"));
        if self.is(Punct::Assign) {
            diagnostic = diagnostic.with_help("`=` gives a name; `==` compares").with_fix(span, "==");
        }
        self.report(diagnostic);
        self.skip_to(|kind| {
            matches!(kind, TokenKind::Punct(Punct::Bar | Punct::CloseParen | Punct::CloseBrace))
        });
    }
}
