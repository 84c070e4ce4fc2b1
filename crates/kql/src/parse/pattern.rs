//! `parse`, `parse-where` and `parse-kv`.

use super::parser::Parser;
use crate::lex::{Punct, TokenKind};
use crate::syntax::{Expr, ExprKind, Parse, ParseKv, ParsePiece, RowSchema};

impl Parser<'_> {
    /// Reads what stands behind `parse` or `parse-where`.
    pub(super) fn parse_operator(&mut self) -> Parse {
        let properties = self.properties(&["kind", "flags"]);
        let expr = Box::new(self.expr());
        self.expect_word("with");
        let mut pieces = Vec::new();
        while let Some(piece) = self.parse_piece() {
            pieces.push(piece);
        }
        if pieces.is_empty() {
            self.expected("a text to find, a column to fill, or `*`");
        }
        Parse { properties, expr, pieces }
    }

    fn parse_piece(&mut self) -> Option<ParsePiece> {
        let token = self.peek();
        match token.kind {
            TokenKind::Punct(Punct::Star) => {
                self.bump();
                Some(ParsePiece::Star(token.span))
            }
            TokenKind::String => {
                let literal = self.literal();
                let span = literal.span;
                Some(ParsePiece::Text(Expr { kind: ExprKind::Literal(literal), span }))
            }
            TokenKind::Word => {
                let name = self.name_if(|_| true)?;
                let ty = self.eat(Punct::Colon).then(|| self.type_name());
                Some(ParsePiece::Column { name, ty })
            }
            _ if self.is_bracketed_name() => {
                let name = self.name("the name of a column");
                let ty = self.eat(Punct::Colon).then(|| self.type_name());
                Some(ParsePiece::Column { name, ty })
            }
            _ => None,
        }
    }

    pub(super) fn parse_kv(&mut self) -> ParseKv {
        let expr = Box::new(self.expr());
        let columns = if self.expect_word("as") {
            self.row_schema()
        } else {
            RowSchema { open: false, columns: Vec::new(), span: self.missing_place() }
        };
        ParseKv { expr, columns, properties: self.with_kv_properties() }
    }

    /// Reads `with (pair_delimiter = ' ', …)` if it is next.
    fn with_kv_properties(&mut self) -> Vec<crate::syntax::Property> {
        if !self.eat_word("with") {
            return Vec::new();
        }
        self.in_parens(Self::property)
    }
}
