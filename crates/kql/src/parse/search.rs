//! `search` and `find`.

use super::parser::Parser;
use crate::lex::Punct;
use crate::syntax::{Expr, Find, FindColumns, Name, Search, TypeName};

impl Parser<'_> {
    pub(super) fn search(&mut self) -> Search {
        let properties = self.properties(&["kind", "datascope"]);
        let tables = self.in_tables();
        let predicate = Box::new(self.expr());
        Search { properties, tables, predicate }
    }

    pub(super) fn find(&mut self) -> Find {
        let properties = self.properties(&["withsource", "with_source", "datascope", "kind"]);
        let tables = self.in_tables();
        self.eat_word("where");
        let predicate = Box::new(self.expr());
        let columns = self.find_columns();
        Find { properties, tables, predicate, columns }
    }

    /// Reads `in (tables)` if it is next.
    fn in_tables(&mut self) -> Vec<Expr> {
        if self.eat_word("in") { self.in_parens(Self::table_or_pipeline) } else { Vec::new() }
    }

    fn table_or_pipeline(&mut self) -> Expr {
        let start = self.start();
        if let Some(name) = self.pattern() {
            return Expr { kind: crate::syntax::ExprKind::Name(name), span: self.since(start) };
        }
        self.tabular()
    }

    fn find_columns(&mut self) -> FindColumns {
        if self.eat_word("project-smart") {
            return FindColumns::Smart;
        }
        if self.eat_word("project-away") {
            return FindColumns::Away(self.commas(Self::name_or_pattern));
        }
        if !self.eat_word("project") {
            return FindColumns::Default;
        }
        let mut pack = false;
        let columns = self.commas(|parser| {
            if parser.is_word("pack") && parser.nth_is(1, Punct::OpenParen) {
                parser.bump();
                parser.in_parens(|parser| parser.expect(Punct::Star));
                pack = true;
                return None;
            }
            Some(parser.find_column())
        });
        FindColumns::Project { columns: columns.into_iter().flatten().collect(), pack }
    }

    fn find_column(&mut self) -> (Name, Option<TypeName>) {
        let name = self.name("the name of a column");
        let ty = self.eat(Punct::Colon).then(|| self.type_name());
        (name, ty)
    }
}
