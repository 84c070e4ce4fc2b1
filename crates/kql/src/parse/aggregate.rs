//! Operators that group and sort: `summarize`, `sort`, `top` and their relatives.

use super::parser::Parser;
use crate::lex::Punct;
use crate::syntax::{NullsOrder, OperatorKind, Order, Property, SortKey, Summarize, TopNestedLevel};

impl Parser<'_> {
    pub(super) fn summarize(&mut self) -> OperatorKind {
        let properties = self.properties(&[]);
        let aggregates = if self.is_word("by") { Vec::new() } else { self.commas_or_none(Self::named_expr) };
        let by = self.by();
        OperatorKind::Summarize(Summarize { properties, aggregates, by })
    }

    /// Reads `by keys` if it is next.
    pub(super) fn by(&mut self) -> Option<Vec<crate::syntax::NamedExpr>> {
        self.eat_word("by").then(|| self.named_exprs())
    }

    pub(super) fn sort(&mut self) -> OperatorKind {
        let properties = self.properties(&[]);
        self.expect_word("by");
        OperatorKind::Sort { properties, keys: self.commas(Self::sort_key) }
    }

    pub(super) fn top(&mut self) -> OperatorKind {
        let properties = self.properties(&[]);
        let count = self.expr();
        self.expect_word("by");
        OperatorKind::Top { properties, count, keys: self.commas(Self::sort_key) }
    }

    pub(super) fn sort_key(&mut self) -> SortKey {
        let start = self.start();
        let expr = self.named_expr();
        let order = match self.word() {
            "asc" => Some(Order::Asc),
            "desc" => Some(Order::Desc),
            _ => None,
        };
        if order.is_some() {
            self.bump();
        }
        let nulls = if self.eat_word("nulls") { self.nulls_order() } else { None };
        SortKey { expr, order, nulls, span: self.since(start) }
    }

    fn nulls_order(&mut self) -> Option<NullsOrder> {
        if self.eat_word("first") {
            return Some(NullsOrder::First);
        }
        if self.eat_word("last") {
            return Some(NullsOrder::Last);
        }
        self.expected("`first` or `last`");
        None
    }

    pub(super) fn top_nested(&mut self) -> OperatorKind {
        let mut levels = vec![self.top_nested_level()];
        while self.is(Punct::Comma) && self.nth_word(1) == "top-nested" {
            self.bump();
            self.bump();
            levels.push(self.top_nested_level());
        }
        OperatorKind::TopNested(levels)
    }

    fn top_nested_level(&mut self) -> TopNestedLevel {
        let count = (!self.is_word("of")).then(|| self.expr());
        self.expect_word("of");
        let of = self.named_expr();
        let others = if self.eat_word("with") {
            self.expect_word("others");
            self.expect(Punct::Assign);
            Some(self.expr())
        } else {
            None
        };
        self.expect_word("by");
        TopNestedLevel { count, of, others, by: self.sort_key() }
    }

    pub(super) fn top_hitters(&mut self) -> OperatorKind {
        let count = self.expr();
        self.expect_word("of");
        let of = self.named_expr();
        let by = self.eat_word("by").then(|| self.named_expr());
        OperatorKind::TopHitters { count, of, by }
    }

    /// Reads `(name = value, name = a, b)`.
    pub(super) fn render_properties(&mut self) -> Vec<Property> {
        let mut properties: Vec<Property> = Vec::new();
        self.expect(Punct::OpenParen);
        while !self.is(Punct::CloseParen) && !self.is_end() {
            let mark = self.mark();
            let property = match properties.last() {
                Some(last) if !self.is_assignment() => self.one_more_value(&last.clone()),
                _ => self.render_property(),
            };
            properties.push(property);
            if !self.eat(Punct::Comma) || self.mark() == mark {
                break;
            }
        }
        self.close(Punct::CloseParen);
        properties
    }

    /// Reads a further value of a property that is a list: it becomes a property of the same name.
    fn one_more_value(&mut self, last: &Property) -> Property {
        let start = self.start();
        let value = self.expr();
        Property { name: last.name.clone(), value, span: self.since(start) }
    }

    pub(super) fn render_property(&mut self) -> Property {
        let start = self.start();
        let name = self.name("the name of an option");
        self.expect(Punct::Assign);
        let value = self.expr();
        Property { name, value, span: self.since(start) }
    }
}
