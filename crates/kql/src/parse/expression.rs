//! Expressions: chains of operators by how tightly they bind.

use super::parser::Parser;
use crate::lex::{Punct, TokenKind};
use crate::syntax::{BinaryOp, Expr, ExprKind, InOp, UnaryOp};
use crate::text::Span;

/// How tightly an operator binds. `or` and `and` come before all of these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Equality,
    Relation,
    Sum,
    Product,
    Text,
}

/// An operator between two operands.
#[derive(Clone, Copy)]
enum Infix {
    Binary(BinaryOp),
    In(InOp),
    Between { negated: bool },
}

impl Parser<'_> {
    /// Reads an expression without bars outside of parentheses.
    pub(super) fn expr(&mut self) -> Expr {
        let here = Span::empty(self.start());
        self.deeper(Self::or_chain).unwrap_or_else(|| Self::missing(here))
    }

    fn or_chain(&mut self) -> Expr {
        self.chain("or", BinaryOp::Or, Self::and_chain)
    }

    fn and_chain(&mut self) -> Expr {
        self.chain("and", BinaryOp::And, |parser| parser.binary(Binding::Equality))
    }

    fn chain(&mut self, word: &str, op: BinaryOp, operand: fn(&mut Self) -> Expr) -> Expr {
        let first = self.scoped(operand);
        if !self.is_word(word) {
            return first;
        }
        let mut operands = vec![first];
        let mut places = Vec::new();
        while self.is_word(word) {
            places.push(self.bump().span);
            operands.push(self.scoped(operand));
        }
        let count = operands.len();
        self.grow(usize::BITS - count.leading_zeros());
        balanced(op, &mut operands.into_iter(), &mut places.into_iter(), count)
    }

    fn binary(&mut self, loosest: Binding) -> Expr {
        let mut left = self.unary();
        while let Some((infix, binding)) = self.infix() {
            if binding < loosest || !self.grow(1) {
                break;
            }
            left = self.infix_expr(left, infix, binding);
        }
        left
    }

    fn infix_expr(&mut self, left: Expr, infix: Infix, binding: Binding) -> Expr {
        let op_start = self.start();
        self.bump();
        if matches!(infix, Infix::Binary(BinaryOp::MatchesRegex)) {
            self.bump();
        }
        let op_span = self.since(op_start);
        let start = left.span.start;
        let operand = Box::new(left);
        let kind = match infix {
            Infix::Binary(op) => {
                let right = Box::new(self.tighter(binding));
                ExprKind::Binary { op, op_span, left: operand, right }
            }
            Infix::In(op) => {
                let list = self.in_parens(Self::tabular);
                ExprKind::In { op, op_span, operand, list }
            }
            Infix::Between { negated } => {
                self.expect(Punct::OpenParen);
                let low = Box::new(self.expr());
                self.expect(Punct::DotDot);
                let high = Box::new(self.expr());
                self.close(Punct::CloseParen);
                ExprKind::Between { negated, op_span, operand, low, high }
            }
        };
        Expr { kind, span: self.since(start) }
    }

    /// Reads the right operand of an operator that binds as `binding`.
    fn tighter(&mut self, binding: Binding) -> Expr {
        match binding {
            Binding::Equality => self.binary(Binding::Relation),
            Binding::Relation => self.binary(Binding::Sum),
            Binding::Sum => self.binary(Binding::Product),
            Binding::Product => self.binary(Binding::Text),
            Binding::Text => self.unary(),
        }
    }

    fn infix(&self) -> Option<(Infix, Binding)> {
        match self.peek().kind {
            TokenKind::Punct(sign) => infix_sign(sign),
            TokenKind::Word if self.is_word("matches") => {
                let regex = self.nth_word(1) == "regex";
                regex.then_some((Infix::Binary(BinaryOp::MatchesRegex), Binding::Text))
            }
            // `make-series … on x in range(…)` is the operator's own `in`.
            TokenKind::Word if self.is_word("in") && self.nth_word(1) == "range" => None,
            TokenKind::Word => infix_word(self.word()),
            _ => None,
        }
    }

    fn unary(&mut self) -> Expr {
        let op = match self.peek().kind {
            TokenKind::Punct(Punct::Minus) => UnaryOp::Minus,
            TokenKind::Punct(Punct::Plus) => UnaryOp::Plus,
            _ => return self.scoped(Self::postfix),
        };
        let start = self.start();
        self.bump();
        let here = Span::empty(self.start());
        let operand = self.deeper(Self::unary).unwrap_or_else(|| Self::missing(here));
        Expr { kind: ExprKind::Unary { op, operand: Box::new(operand) }, span: self.since(start) }
    }
}

/// Tells whether a word stands between two operands and therefore is no name.
pub(super) fn is_infix_word(word: &str) -> bool {
    matches!(word, "and" | "or") || infix_word(word).is_some()
}

/// Builds a tree of small height over operands whose order is kept.
fn balanced(
    op: BinaryOp,
    operands: &mut impl Iterator<Item = Expr>,
    places: &mut impl Iterator<Item = Span>,
    count: usize,
) -> Expr {
    if count < 2 {
        let missing = || Expr { kind: ExprKind::Missing, span: Span::default() };
        return operands.next().unwrap_or_else(missing);
    }
    let left = balanced(op, operands, places, count / 2);
    let op_span = places.next().unwrap_or_default();
    let right = balanced(op, operands, places, count - count / 2);
    let span = left.span.to(right.span);
    Expr { kind: ExprKind::Binary { op, op_span, left: Box::new(left), right: Box::new(right) }, span }
}

fn infix_sign(sign: Punct) -> Option<(Infix, Binding)> {
    let (op, binding) = match sign {
        Punct::Eq => (BinaryOp::Eq, Binding::Equality),
        Punct::Ne | Punct::NeAngle => (BinaryOp::Ne, Binding::Equality),
        Punct::Lt => (BinaryOp::Lt, Binding::Relation),
        Punct::Le => (BinaryOp::Le, Binding::Relation),
        Punct::Gt => (BinaryOp::Gt, Binding::Relation),
        Punct::Ge => (BinaryOp::Ge, Binding::Relation),
        Punct::Plus => (BinaryOp::Add, Binding::Sum),
        Punct::Minus => (BinaryOp::Sub, Binding::Sum),
        Punct::Star => (BinaryOp::Mul, Binding::Product),
        Punct::Slash => (BinaryOp::Div, Binding::Product),
        Punct::Percent => (BinaryOp::Mod, Binding::Product),
        Punct::EqTilde => (BinaryOp::EqTilde, Binding::Text),
        Punct::NeTilde => (BinaryOp::NeTilde, Binding::Text),
        Punct::Colon => (BinaryOp::Search, Binding::Text),
        _ => return None,
    };
    Some((Infix::Binary(op), binding))
}

fn infix_word(word: &str) -> Option<(Infix, Binding)> {
    let listed = |op| Some((Infix::In(op), Binding::Equality));
    match word {
        "in" => listed(InOp::In),
        "!in" => listed(InOp::NotIn),
        "in~" => listed(InOp::InCi),
        "!in~" => listed(InOp::NotInCi),
        "has_any" => listed(InOp::HasAny),
        "has_all" => listed(InOp::HasAll),
        "between" => Some((Infix::Between { negated: false }, Binding::Equality)),
        "!between" => Some((Infix::Between { negated: true }, Binding::Equality)),
        _ => text_operator(word).map(|op| (Infix::Binary(op), Binding::Text)),
    }
}

fn text_operator(word: &str) -> Option<BinaryOp> {
    let op = match word {
        "notcontains" => BinaryOp::NotContains,
        "containscs" => BinaryOp::ContainsCs,
        "notcontainscs" => BinaryOp::NotContainsCs,
        _ => {
            let known = |op: &&BinaryOp| op.text() == word;
            let begins = |c: char| c == '!' || c.is_ascii_lowercase();
            let op = BinaryOp::ALL.iter().filter(|op| op.text().starts_with(begins)).find(known)?;
            return (!matches!(op, BinaryOp::And | BinaryOp::Or)).then_some(*op);
        }
    };
    Some(op)
}
