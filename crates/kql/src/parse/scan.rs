//! `scan`.

use super::parser::Parser;
use crate::lex::Punct;
use crate::syntax::{Scan, ScanColumn, ScanStep};

/// Options that stand in front of everything else.
const OPTIONS: &[&str] = &["kind", "with_match_id", "with_step_name"];

impl Parser<'_> {
    pub(super) fn scan(&mut self) -> Scan {
        let properties = self.properties(OPTIONS);
        let order = if self.eat_word("order") {
            self.expect_word("by");
            self.commas(Self::sort_key)
        } else {
            Vec::new()
        };
        let partition = if self.eat_word("partition") {
            self.expect_word("by");
            self.commas(Self::expr)
        } else {
            Vec::new()
        };
        let declare = if self.eat_word("declare") { self.in_parens(Self::scan_column) } else { Vec::new() };
        self.expect_word("with");
        self.expect(Punct::OpenParen);
        let mut steps = Vec::new();
        while self.is_word("step") {
            steps.push(self.scan_step());
        }
        if steps.is_empty() {
            self.expected("`step`");
        }
        self.close(Punct::CloseParen);
        Scan { properties, order, partition, declare, steps }
    }

    fn scan_column(&mut self) -> ScanColumn {
        let column = self.column_decl();
        let default = self.eat(Punct::Assign).then(|| self.expr());
        ScanColumn { column, default }
    }

    fn scan_step(&mut self) -> ScanStep {
        let start = self.start();
        self.bump();
        let name = self.name("the name of the step");
        let optional = self.eat_word("optional");
        let output = (self.is_word("output") && self.nth_is(1, Punct::Assign)).then(|| {
            self.bump();
            self.bump();
            self.name("which rows the step gives")
        });
        self.expect(Punct::Colon);
        let condition = self.expr();
        let assignments = if self.eat(Punct::Arrow) { self.named_exprs() } else { Vec::new() };
        let span = self.since(start);
        self.expect(Punct::Semicolon);
        ScanStep { name, optional, output, condition, assignments, span }
    }
}
