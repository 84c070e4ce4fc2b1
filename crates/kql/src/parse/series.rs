//! `make-series`.

use super::parser::Parser;
use crate::lex::Punct;
use crate::syntax::{MakeSeries, SeriesAggregate, SeriesRange};

impl Parser<'_> {
    pub(super) fn make_series(&mut self) -> MakeSeries {
        let properties = self.properties(&["kind"]);
        let aggregates = self.commas(Self::series_aggregate);
        self.expect_word("on");
        let on = self.named_expr();
        let range = if self.is_word("in") { self.series_in_range() } else { self.series_from_to() };
        MakeSeries { properties, aggregates, on, range, by: self.by() }
    }

    fn series_aggregate(&mut self) -> SeriesAggregate {
        let expr = self.named_expr();
        let default = (self.is_word("default") && self.nth_is(1, Punct::Assign)).then(|| {
            self.bump();
            self.bump();
            self.expr()
        });
        SeriesAggregate { expr, default }
    }

    fn series_from_to(&mut self) -> SeriesRange {
        let from = self.eat_word("from").then(|| self.expr());
        let to = self.eat_word("to").then(|| self.expr());
        self.expect_word("step");
        SeriesRange { from, to, step: self.expr(), legacy: false }
    }

    /// Reads `in range(a, b, c)`.
    fn series_in_range(&mut self) -> SeriesRange {
        self.bump();
        self.expect_word("range");
        self.expect(Punct::OpenParen);
        let from = Some(self.expr());
        self.expect(Punct::Comma);
        let to = Some(self.expr());
        self.expect(Punct::Comma);
        let step = self.expr();
        self.close(Punct::CloseParen);
        SeriesRange { from, to, step, legacy: true }
    }
}
