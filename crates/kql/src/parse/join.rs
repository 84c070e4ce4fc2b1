//! Operators that bring tables together: `join`, `lookup`, `union`, and those with a body.

use super::BAD_OPTION;
use super::parser::Parser;
use crate::diagnostic::Diagnostic;
use crate::lex::{Punct, TokenKind};
use crate::syntax::{Expr, ExprKind, Join, JoinKind, OperatorKind, Partition, Property, Union};

/// The options of `union`.
const UNION_OPTIONS: &[&str] = &["kind", "withsource", "with_source", "isfuzzy"];

impl Parser<'_> {
    /// Reads what stands behind `join` or `lookup`.
    pub(super) fn join(&mut self) -> Join {
        let properties = self.properties(&["kind", "withsource"]);
        let kind = properties.iter().find(|property| property.name.text == "kind");
        let kind = kind.and_then(|property| self.join_kind(property));
        let right = Box::new(self.entity());
        let on = if self.eat_word("on") { self.commas_or_none(Self::expr) } else { Vec::new() };
        Join { kind, properties, right, on }
    }

    fn join_kind(&mut self, property: &Property) -> Option<JoinKind> {
        let ExprKind::Name(name) = &property.value.kind else { return None };
        let kind = JoinKind::from_word(&name.text);
        if kind.is_none() {
            let known = JoinKind::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join("`, `");
            let diagnostic =
                Diagnostic::error(BAD_OPTION, name.span, format!("`{}` is no kind of join", name.text))
                    .with_help(format!("the kinds are `{known}`"));
            self.report(diagnostic);
        }
        kind
    }

    pub(super) fn union(&mut self) -> Union {
        let properties = self.properties(UNION_OPTIONS);
        Union { properties, tables: self.commas(Self::table) }
    }

    /// Reads a table where a pattern may stand.
    pub(super) fn table(&mut self) -> Expr {
        let start = self.start();
        if let Some(name) = self.pattern() {
            return Expr { kind: ExprKind::Name(name), span: self.since(start) };
        }
        self.entity()
    }

    pub(super) fn partition(&mut self) -> Partition {
        let properties = self.properties(&[]);
        self.expect_word("by");
        let by = Box::new(self.column());
        let braced = self.is(Punct::OpenBrace);
        let body = Box::new(if braced { self.braced_body() } else { self.sub_body() });
        Partition { properties, by, body, braced }
    }

    fn braced_body(&mut self) -> Expr {
        self.bump();
        let body = self.tabular();
        self.close(Punct::CloseBrace);
        body
    }

    /// Reads `(operator | operator)`.
    fn sub_body(&mut self) -> Expr {
        self.expect(Punct::OpenParen);
        let pipeline = self.sub_pipeline();
        self.close(Punct::CloseParen);
        Expr { span: pipeline.span, kind: ExprKind::Pipeline(pipeline) }
    }

    pub(super) fn facet(&mut self) -> OperatorKind {
        self.expect_word("by");
        let by = self.commas(Self::column);
        let with = self.eat_word("with").then(|| {
            let parens = self.eat(Punct::OpenParen);
            let pipeline = self.sub_pipeline();
            if parens {
                self.close(Punct::CloseParen);
            }
            pipeline
        });
        OperatorKind::Facet { by, with }
    }

    pub(super) fn fork(&mut self) -> OperatorKind {
        let mut branches = Vec::new();
        loop {
            let name = self.is_assignment().then(|| {
                let name = self.name("the name of the branch");
                self.bump();
                name
            });
            self.expect(Punct::OpenParen);
            branches.push((name, self.sub_pipeline()));
            self.close(Punct::CloseParen);
            if !self.is(Punct::OpenParen) && !self.is_assignment() {
                return OperatorKind::Fork(branches);
            }
        }
    }

    pub(super) fn macro_expand(&mut self) -> OperatorKind {
        let properties = self.properties(&["kind", "isfuzzy"]);
        let group = Box::new(self.entity());
        self.expect_word("as");
        let alias = self.name("the name of the current entity");
        self.expect(Punct::OpenParen);
        let body = Box::new(self.tabular());
        // Only the last statement gives rows, and only in braces of a function may others stand.
        if !self.is(Punct::CloseParen) && self.peek().kind != TokenKind::End {
            self.eat(Punct::Semicolon);
        }
        self.close(Punct::CloseParen);
        OperatorKind::MacroExpand { properties, group, alias, body }
    }
}
