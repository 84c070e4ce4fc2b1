//! Lists: things between commas, in brackets or not.

use super::parser::Parser;
use crate::lex::{Punct, TokenKind};
use crate::syntax::{Expr, ExprKind, NamedExpr, Property};

impl Parser<'_> {
    /// Reads `(item, item)`; a comma may stand behind the last item, and there may be none.
    pub(super) fn in_parens<T>(&mut self, item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        self.in_brackets(Punct::OpenParen, Punct::CloseParen, item)
    }

    /// Reads a list between two signs.
    pub(super) fn in_brackets<T>(
        &mut self,
        open: Punct,
        close: Punct,
        mut item: impl FnMut(&mut Self) -> T,
    ) -> Vec<T> {
        let mut items = Vec::new();
        if !self.expect(open) {
            return items;
        }
        while !self.is(close) && !self.is_end() {
            let mark = self.mark();
            items.push(item(self));
            let more = self.eat(Punct::Comma);
            if !more || self.mark() == mark {
                break;
            }
        }
        self.close(close);
        items
    }

    /// Reads `item, item`: at least one.
    pub(super) fn commas<T>(&mut self, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut items = vec![item(self)];
        while self.eat(Punct::Comma) {
            items.push(item(self));
        }
        items
    }

    /// Reads `item, item`, or nothing at the end of the operator.
    pub(super) fn commas_or_none<T>(&mut self, item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        if self.is_end_of_operator() { Vec::new() } else { self.commas(item) }
    }

    pub(super) fn named_exprs(&mut self) -> Vec<NamedExpr> {
        self.commas(Self::named_expr)
    }

    /// Tells whether nothing more of the operator can follow.
    pub(super) fn is_end_of_operator(&self) -> bool {
        matches!(
            self.peek().kind,
            TokenKind::End
                | TokenKind::Punct(
                    Punct::Bar
                        | Punct::Semicolon
                        | Punct::CloseParen
                        | Punct::CloseBrace
                        | Punct::CloseBracket
                )
        )
    }

    /// Reads `name = expr`, `(a, b) = expr`, or `expr`.
    pub(super) fn named_expr(&mut self) -> NamedExpr {
        let start = self.start();
        let is_tuple_next = self.is_tuple();
        let mut names = Vec::new();
        let mut tuple = false;
        if self.is_assignment() {
            names.push(self.name("a name"));
            self.bump();
        } else if is_tuple_next {
            tuple = true;
            names = self.in_parens(|parser| parser.name("a name"));
            self.bump();
        }
        let expr = self.expr();
        NamedExpr { names, tuple, expr, span: self.since(start) }
    }

    /// Tells whether `name =` is next.
    pub(super) fn is_assignment(&self) -> bool {
        match self.peek().kind {
            TokenKind::Word => self.nth_is(1, Punct::Assign),
            _ => self.is_bracketed_name() && self.nth_is(3, Punct::Assign),
        }
    }

    /// Tells whether `(name, name) =` is next.
    fn is_tuple(&self) -> bool {
        if !self.is(Punct::OpenParen) {
            return false;
        }
        let mut ahead = 1;
        loop {
            match self.nth(ahead).kind {
                TokenKind::Word => ahead += 1,
                TokenKind::Punct(Punct::OpenBracket) if self.nth(ahead + 1).kind == TokenKind::String => {
                    ahead += 3;
                }
                _ => return false,
            }
            if self.nth_is(ahead, Punct::CloseParen) {
                return self.nth_is(ahead + 1, Punct::Assign);
            }
            if !self.nth_is(ahead, Punct::Comma) {
                return false;
            }
            ahead += 1;
        }
    }

    /// Reads options in front of an operator's subject: those named in `known`, and `hint.…`.
    pub(super) fn properties(&mut self, known: &[&str]) -> Vec<Property> {
        let mut properties = Vec::new();
        while self.is_property(known) {
            properties.push(self.property());
        }
        properties
    }

    fn is_property(&self, known: &[&str]) -> bool {
        let word = self.word();
        if word == "hint" {
            return self.nth_is(1, Punct::Dot);
        }
        known.contains(&word) && self.nth_is(1, Punct::Assign)
    }

    /// Reads `name = value`, where the name may have dots.
    pub(super) fn property(&mut self) -> Property {
        let start = self.start();
        let mut name = self.name("the name of an option");
        while self.eat(Punct::Dot) {
            let part = self.name("the rest of the option's name");
            name.text.push('.');
            name.text.push_str(&part.text);
            name.span = name.span.to(part.span);
        }
        self.expect(Punct::Assign);
        let value = self.property_value();
        Property { name, value, span: self.since(start) }
    }

    /// Reads a bare word or a literal; never a call, because what follows is the operator's subject.
    fn property_value(&mut self) -> Expr {
        if let Some(name) = self.name_if(|word| !matches!(word, "true" | "false")) {
            let span = name.span;
            return Expr { kind: ExprKind::Name(name), span };
        }
        self.signed_literal()
    }

    /// Reads `with (name = value, …)` if it is next.
    pub(super) fn with_properties(&mut self) -> Vec<Property> {
        if !self.is_word("with") || !self.nth_is(1, Punct::OpenParen) {
            return Vec::new();
        }
        self.bump();
        self.in_parens(Self::property)
    }
}
