//! Tokens to the tree: what follows an operator's name.

use std::sync::Arc;

use super::fault::Fault;
use super::lex::TokenKind;
use super::parse::Parser;
use super::syntax::{
    Direction, Expr, Join, JoinKey, JoinKind, MvExpand, Named, Node, Nulls, Operator, Order, Pattern,
    Pipeline, Union, UnionKind,
};

/// What the service says of other conditions after `on`.
const ON_FAULT: &str = "join: only column entities or equality expressions of $left and $right columns are allowed in this context";

impl Parser<'_> {
    /// `Name = expression` or an expression.
    pub(super) fn named(&mut self) -> Result<Named, Fault> {
        if self.is_sign("(") && matches!(self.peek_at(2).kind, TokenKind::Sign(",")) {
            return Err(Fault::unsupported(self.at(), "a tuple of column names"));
        }
        let bracketed = matches!(
            (&self.peek().kind, &self.peek_at(3).kind),
            (TokenKind::Sign("["), TokenKind::Sign("="))
        );
        let plain =
            matches!((&self.peek().kind, &self.peek_at(1).kind), (TokenKind::Name(_), TokenKind::Sign("=")));
        let name = if plain || bracketed {
            let name = self.name()?;
            self.expect_sign("=")?;
            Some(name)
        } else {
            None
        };
        Ok(Named { name, expr: self.expr()? })
    }

    pub(super) fn pattern(&mut self) -> Result<Pattern, Fault> {
        let at = self.at();
        let mut text = String::new();
        let mut end = at;
        loop {
            let token = self.peek();
            let piece = match &token.kind {
                TokenKind::Sign("*") => "*".into(),
                TokenKind::Name(name) => Arc::clone(name),
                _ => break,
            };
            if token.at != end {
                break;
            }
            end = token.end;
            text.push_str(&piece);
            self.advance();
        }
        if text.is_empty() {
            text = self.name()?.to_string();
        }
        Ok(Pattern { at, text })
    }

    pub(super) fn summarize(&mut self) -> Result<Operator, Fault> {
        while self.is_word("hint") {
            self.hint()?;
        }
        let aggregates = if self.is_word("by") { Vec::new() } else { self.list(Self::named)? };
        let by = if self.eat_word("by") { self.list(Self::named)? } else { Vec::new() };
        Ok(Operator::Summarize { aggregates, by })
    }

    /// `hint.strategy=shuffle`: how to compute, not what.
    fn hint(&mut self) -> Result<(), Fault> {
        self.expect_word("hint")?;
        self.expect_sign(".")?;
        self.name()?;
        self.expect_sign("=")?;
        self.advance();
        Ok(())
    }

    pub(super) fn order(&mut self) -> Result<Order, Fault> {
        let expr = self.expr()?;
        let direction = if self.eat_word("asc") {
            Direction::Ascending
        } else {
            self.eat_word("desc");
            Direction::Descending
        };
        let nulls = match direction {
            _ if self.eat_word("nulls") => {
                if self.eat_word("first") {
                    Nulls::First
                } else {
                    self.expect_word("last")?;
                    Nulls::Last
                }
            }
            Direction::Ascending => Nulls::First,
            Direction::Descending => Nulls::Last,
        };
        Ok(Order { expr, direction, nulls })
    }

    pub(super) fn join(&mut self) -> Result<Join, Fault> {
        let mut kind = JoinKind::InnerUnique;
        loop {
            let at = self.at();
            if self.is_word("hint") {
                self.hint()?;
            } else if self.eat_word("kind") {
                self.expect_sign("=")?;
                let name = self.name()?;
                kind = JoinKind::parse(&name)
                    .ok_or_else(|| Fault::syntax(at, format!("'{name}' is not a kind of join")))?;
            } else {
                break;
            }
        }
        let right = self.table_operand()?;
        self.expect_word("on")?;
        let mut on = Vec::new();
        for condition in self.list(Self::expr)? {
            join_keys(&condition, &mut on)?;
        }
        Ok(Join { kind, right, on })
    }

    /// A table's name, or a pipeline in parentheses.
    fn table_operand(&mut self) -> Result<Pipeline, Fault> {
        self.deeper(|parser| {
            let at = parser.at();
            Ok(Pipeline { at, source: parser.source()?, steps: Vec::new() })
        })
    }

    pub(super) fn union(&mut self) -> Result<Union, Fault> {
        let mut union = Union { kind: UnionKind::Outer, with_source: None, parts: Vec::new() };
        loop {
            let at = self.at();
            if self.is_word("hint") {
                self.hint()?;
            } else if self.eat_word("kind") {
                self.expect_sign("=")?;
                union.kind = match self.name()?.as_ref() {
                    "outer" => UnionKind::Outer,
                    "inner" => UnionKind::Inner,
                    other => return Err(Fault::syntax(at, format!("'{other}' is not a kind of union"))),
                };
            } else if self.eat_word("withsource") {
                self.expect_sign("=")?;
                union.with_source = Some(self.name()?);
            } else if self.is_word("isfuzzy") {
                return Err(Fault::unsupported(at, "'union isfuzzy'"));
            } else {
                break;
            }
        }
        union.parts = self.list(|parser| {
            if matches!(parser.peek_at(1).kind, TokenKind::Sign("*")) {
                return Err(Fault::unsupported(parser.at(), "'union' of tables by pattern"));
            }
            parser.table_operand()
        })?;
        Ok(union)
    }

    pub(super) fn mv_expand(&mut self) -> Result<MvExpand, Fault> {
        let at = self.at();
        if ["kind", "bagexpansion", "with_itemindex"].iter().any(|word| self.is_word(word)) {
            return Err(Fault::unsupported(at, "a parameter of 'mv-expand'"));
        }
        let item = self.named()?;
        let mut to = None;
        if self.eat_word("to") {
            self.expect_word("typeof")?;
            self.expect_sign("(")?;
            to = Some(self.kind()?);
            self.expect_sign(")")?;
        }
        if self.is_sign(",") {
            return Err(Fault::unsupported(self.at(), "'mv-expand' of several columns at once"));
        }
        if self.is_word("limit") {
            return Err(Fault::unsupported(self.at(), "'limit' of 'mv-expand'"));
        }
        Ok(MvExpand { item, to })
    }
}

/// Takes `Column`, `$left.A == $right.B` and conjunctions of them apart.
fn join_keys(condition: &Expr, keys: &mut Vec<JoinKey>) -> Result<(), Fault> {
    let at = condition.at;
    match &condition.node {
        Node::Name(name) => {
            keys.push(JoinKey { at, left: Arc::clone(name), right: Arc::clone(name) });
            Ok(())
        }
        Node::All(parts) => parts.iter().try_for_each(|part| join_keys(part, keys)),
        Node::Compare(super::syntax::Comparison::Equal, left, right) => {
            let ((Some(("$left", left)), Some(("$right", right)))
            | (Some(("$right", right)), Some(("$left", left)))) = (side(left), side(right))
            else {
                return Err(Fault::semantic(at, ON_FAULT));
            };
            keys.push(JoinKey { at, left: Arc::clone(left), right: Arc::clone(right) });
            Ok(())
        }
        _ => Err(Fault::semantic(at, ON_FAULT)),
    }
}

fn side(expr: &Expr) -> Option<(&str, &Arc<str>)> {
    let Node::Member(side, column) = &expr.node else { return None };
    let Node::Name(side) = &side.node else { return None };
    Some((side, column))
}
