//! `dynamic(…)`: JSON, and the literals that may stand in it.

use super::BAD_LITERAL;
use super::parser::Parser;
use crate::lex::{Punct, TokenKind, unquote};
use crate::syntax::{DynamicKind, DynamicValue, LiteralKind, Name, NameStyle};
use crate::text::Span;

impl Parser<'_> {
    /// Reads `dynamic(value)`; gives the value.
    pub(super) fn dynamic(&mut self) -> DynamicValue {
        self.bump();
        self.expect(Punct::OpenParen);
        let value = self.dynamic_value();
        self.close(Punct::CloseParen);
        value
    }

    fn dynamic_value(&mut self) -> DynamicValue {
        let start = self.start();
        let kind = self.deeper(Self::dynamic_kind).unwrap_or(DynamicKind::Error);
        DynamicValue { kind, span: self.since(start) }
    }

    fn dynamic_kind(&mut self) -> DynamicKind {
        match (self.peek().kind, self.word()) {
            (TokenKind::Punct(Punct::OpenBracket), _) => DynamicKind::Array(self.in_brackets(
                Punct::OpenBracket,
                Punct::CloseBracket,
                Self::dynamic_value,
            )),
            (TokenKind::Punct(Punct::OpenBrace), _) => {
                DynamicKind::Bag(self.in_brackets(Punct::OpenBrace, Punct::CloseBrace, Self::dynamic_pair))
            }
            (TokenKind::Punct(Punct::Minus | Punct::Plus), _) => self.dynamic_number(),
            (TokenKind::Word, "null") => {
                self.bump();
                DynamicKind::Null
            }
            (TokenKind::Word, "dynamic") => self.dynamic().kind,
            (TokenKind::Word, "true" | "false" | "True" | "False" | "TRUE" | "FALSE")
            | (
                TokenKind::String
                | TokenKind::Long
                | TokenKind::Real
                | TokenKind::TimeSpan
                | TokenKind::Typed(_),
                _,
            ) => match self.literal().kind {
                LiteralKind::Null(_) => DynamicKind::Null,
                kind => DynamicKind::Literal(kind),
            },
            _ => self.not_dynamic(),
        }
    }

    fn not_dynamic(&mut self) -> DynamicKind {
        let found = self.found().unwrap_or_else(|| "the end of the query".to_owned());
        self.error(BAD_LITERAL, format!("expected a JSON value inside `dynamic`, found {found}"));
        DynamicKind::Error
    }

    fn dynamic_number(&mut self) -> DynamicKind {
        let negative = self.bump().kind == TokenKind::Punct(Punct::Minus);
        let sign = if negative { -1 } else { 1 };
        if !matches!(self.peek().kind, TokenKind::Long | TokenKind::Real) {
            return self.not_dynamic();
        }
        DynamicKind::Literal(match self.literal().kind {
            LiteralKind::Long(value) => LiteralKind::Long(value.wrapping_mul(sign)),
            LiteralKind::Real(value) if negative => LiteralKind::Real(-value),
            other => other,
        })
    }

    fn dynamic_pair(&mut self) -> (Name, DynamicValue) {
        let token = self.peek();
        let name = if token.kind == TokenKind::String {
            self.bump();
            Name { text: unquote(self.text_of(token.span)), style: NameStyle::Plain, span: token.span }
        } else {
            let span = self.expected("a property name in quotes");
            // A bare word is what people forget the quotes of; what follows can be read all the same.
            if matches!(token.kind, TokenKind::Word | TokenKind::Long) {
                self.bump();
            }
            Name { text: String::new(), style: NameStyle::Missing, span: Span::empty(span.start) }
        };
        self.expect(Punct::Colon);
        (name, self.dynamic_value())
    }
}
