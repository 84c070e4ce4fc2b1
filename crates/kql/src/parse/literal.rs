//! Literals: numbers, strings, and `type(text)`.

use super::BAD_LITERAL;
use super::parser::Parser;
use crate::diagnostic::Diagnostic;
use crate::lex::{LiteralType, Punct, Token, TokenKind, unquote};
use crate::syntax::{Expr, ExprKind, Literal, LiteralKind, TypeName, UnaryOp};
use crate::text::Span;

impl Parser<'_> {
    /// Reads a literal with an optional sign.
    pub(super) fn signed_literal(&mut self) -> Expr {
        let start = self.start();
        let op = match self.peek().kind {
            TokenKind::Punct(Punct::Minus) => UnaryOp::Minus,
            TokenKind::Punct(Punct::Plus) => UnaryOp::Plus,
            _ => return self.unsigned_literal(),
        };
        self.bump();
        let operand = Box::new(self.unsigned_literal());
        Expr { kind: ExprKind::Unary { op, operand }, span: self.since(start) }
    }

    pub(super) fn unsigned_literal(&mut self) -> Expr {
        let start = self.start();
        let kind = match (self.peek().kind, self.word()) {
            (TokenKind::Parameter, _) => return self.parameter(),
            (TokenKind::Word, "true" | "false" | "True" | "False" | "TRUE" | "FALSE") => {
                ExprKind::Literal(self.literal())
            }
            (TokenKind::Word, "dynamic") => ExprKind::Dynamic(self.dynamic()),
            (
                TokenKind::String
                | TokenKind::Long
                | TokenKind::Real
                | TokenKind::TimeSpan
                | TokenKind::Typed(_),
                _,
            ) => ExprKind::Literal(self.literal()),
            _ => return self.missing_expr(),
        };
        Expr { kind, span: self.since(start) }
    }

    /// Reads the literal that is next; the caller has seen that there is one.
    pub(super) fn literal(&mut self) -> Literal {
        let token = self.bump();
        let text = self.text_of(token.span);
        let kind = match token.kind {
            TokenKind::String => LiteralKind::String(self.joined(text)),
            TokenKind::Long => self.long(token),
            TokenKind::Real => LiteralKind::Real(text.parse().unwrap_or(f64::NAN)),
            TokenKind::TimeSpan => LiteralKind::TimeSpan(text.to_owned()),
            TokenKind::Typed(ty) => self.typed(token, ty),
            _ => LiteralKind::Bool(text.eq_ignore_ascii_case("true")),
        };
        Literal { kind, span: self.since(token.span.start) }
    }

    /// Adds the string literals that follow to the first one.
    fn joined(&mut self, first: &str) -> String {
        let mut joined = unquote(first);
        while self.peek().kind == TokenKind::String {
            let next = self.bump().span;
            joined.push_str(&unquote(self.text_of(next)));
        }
        joined
    }

    fn long(&mut self, token: Token) -> LiteralKind {
        let text = self.text_of(token.span);
        let value = long_value(text);
        if value.is_none() {
            self.bad_literal(token.span, &format!("`{text}` does not fit 64 bits"));
        }
        LiteralKind::Long(value.unwrap_or_default())
    }

    /// Reads the text between the parentheses of `type(text)`.
    fn typed(&mut self, token: Token, ty: LiteralType) -> LiteralKind {
        let text = self.text_of(token.span);
        // Blanks and comments may stand in front of the parenthesis, and none is in the text behind it.
        let (before, inner) = text.rsplit_once('(').unwrap_or((text, ""));
        let word = before.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let inner = inner.strip_suffix(')').unwrap_or(inner).trim();
        if inner == "null" || inner.is_empty() {
            let span =
                Span::new(token.span.start, token.span.start + u32::try_from(word.len()).unwrap_or_default());
            return LiteralKind::Null(TypeName { text: word.to_owned(), span });
        }
        let quoted = inner.starts_with(['"', '\'', '@', 'h']) && inner.ends_with(['"', '\'']);
        let plain = if quoted { unquote(inner) } else { inner.to_owned() };
        let plain = plain.trim();
        if let Some(kind) = typed_value(ty, plain) {
            return kind;
        }
        self.bad_literal(token.span, &format!("`{inner}` is no `{word}`"));
        LiteralKind::Null(TypeName { text: word.to_owned(), span: token.span })
    }

    fn bad_literal(&mut self, span: Span, message: &str) {
        self.report(Diagnostic::error(BAD_LITERAL, span, message));
    }
}

fn typed_value(ty: LiteralType, text: &str) -> Option<LiteralKind> {
    Some(match ty {
        LiteralType::Bool => LiteralKind::Bool(bool_value(text)?),
        LiteralType::Int => LiteralKind::Int(i32::try_from(long_value(text)?).ok()?),
        LiteralType::Long => LiteralKind::Long(long_value(text)?),
        LiteralType::Real => LiteralKind::Real(real_value(text)?),
        LiteralType::Decimal => LiteralKind::Decimal(text.to_owned()),
        LiteralType::DateTime => LiteralKind::DateTime(text.to_owned()),
        LiteralType::TimeSpan => LiteralKind::TimeSpan(text.to_owned()),
        LiteralType::Guid => LiteralKind::Guid(text.to_owned()),
    })
}

fn bool_value(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Reads a decimal or hexadecimal number. Hexadecimal ones fill all 64 bits, so they may be negative.
pub(super) fn long_value(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(u64::cast_signed),
        None => text.parse().ok(),
    }
}

/// Reads a real number, or one of the words for those that have no digits.
fn real_value(text: &str) -> Option<f64> {
    match text.to_ascii_lowercase().as_str() {
        "nan" => Some(f64::NAN),
        "+inf" | "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        digits if digits.contains(|c: char| c.is_ascii_digit()) => digits.parse().ok(),
        _ => None,
    }
}
