//! What operators stand between: names, calls, literals, parentheses, and paths from them.

use super::MISSING_EXPRESSION;
use super::expression::is_infix_word;
use super::operator::is_operator_word;
use super::parser::Parser;
use crate::lex::{Punct, TokenKind};
use crate::syntax::{Argument, Expr, ExprKind, Name, NameStyle, TypeOfItem};
use crate::text::Span;

impl Parser<'_> {
    /// Reads a column or a path into it. A parenthesis behind it does not make it a call.
    pub(super) fn column(&mut self) -> Expr {
        let start = self.start();
        let mut expr = self.name_or_pattern();
        while self.is(Punct::Dot) && self.grow(1) {
            self.bump();
            let kind = ExprKind::Path { base: Box::new(expr), name: self.name("the name behind the dot") };
            expr = Expr { kind, span: self.since(start) };
        }
        expr
    }

    /// Reads a primary expression and the paths, indexes and calls behind it.
    pub(super) fn postfix(&mut self) -> Expr {
        let mut expr = self.primary();
        loop {
            let start = expr.span.start;
            let base = match self.peek().kind {
                TokenKind::Punct(Punct::Dot | Punct::OpenBracket) if self.grow(1) => Box::new(expr),
                _ => return expr,
            };
            let kind = if self.eat(Punct::Dot) { self.member(base) } else { self.index(base) };
            expr = Expr { kind, span: self.since(start) };
        }
    }

    /// Reads what stands behind a dot.
    fn member(&mut self, base: Box<Expr>) -> ExprKind {
        // `a.['name']` is an older way to write `a['name']`.
        if self.is(Punct::OpenBracket) {
            return self.index(base);
        }
        let name = match self.pattern() {
            Some(pattern) => pattern,
            None => self.name("the name behind the dot"),
        };
        if self.is(Punct::OpenParen) && name.style == NameStyle::Plain {
            return ExprKind::Call { receiver: Some(base), name, arguments: self.arguments() };
        }
        ExprKind::Path { base, name }
    }

    fn index(&mut self, base: Box<Expr>) -> ExprKind {
        self.bump();
        let index = Box::new(self.expr());
        self.close(Punct::CloseBracket);
        ExprKind::Index { base, index }
    }

    fn primary(&mut self) -> Expr {
        let start = self.start();
        let kind = match self.peek().kind {
            TokenKind::String
            | TokenKind::Long
            | TokenKind::Real
            | TokenKind::TimeSpan
            | TokenKind::Typed(_) => ExprKind::Literal(self.literal()),
            TokenKind::Parameter => return self.parameter(),
            TokenKind::Word => return self.word_expr(),
            TokenKind::Punct(Punct::OpenParen) => {
                self.bump();
                let inner = Box::new(self.tabular());
                self.close(Punct::CloseParen);
                ExprKind::Paren(inner)
            }
            TokenKind::Punct(Punct::Star) => {
                self.bump();
                ExprKind::Star
            }
            _ if self.is_bracketed_name() => ExprKind::Name(self.name("a name")),
            _ => return self.missing_expr(),
        };
        Expr { kind, span: self.since(start) }
    }

    fn word_expr(&mut self) -> Expr {
        let start = self.start();
        let kind = match (self.word(), self.nth(1).kind) {
            ("true" | "false" | "True" | "False" | "TRUE" | "FALSE", _) => ExprKind::Literal(self.literal()),
            ("dynamic", TokenKind::Punct(Punct::OpenParen)) => ExprKind::Dynamic(self.dynamic()),
            ("typeof", TokenKind::Punct(Punct::OpenParen)) => ExprKind::TypeOf(self.type_of()),
            ("datatable", TokenKind::Punct(Punct::OpenParen)) => self.data_table(),
            ("externaldata" | "external_data", TokenKind::Punct(Punct::OpenParen)) => self.external_data(),
            ("entity_group", TokenKind::Punct(Punct::OpenBracket)) => {
                self.bump();
                ExprKind::EntityGroup(self.in_brackets(Punct::OpenBracket, Punct::CloseBracket, Self::expr))
            }
            _ => return self.name_expr(),
        };
        Expr { kind, span: self.since(start) }
    }

    /// Reads a name or a call.
    fn name_expr(&mut self) -> Expr {
        let start = self.start();
        let call = self.nth_is(1, Punct::OpenParen);
        let Some(name) = self.name_if(|word| call && !is_infix_word(word) || !is_reserved(word)) else {
            return self.missing_expr();
        };
        let optimised = matches!(name.text.as_str(), "toscalar" | "totable") && self.is_word("kind");
        if optimised {
            self.properties(&["kind"]);
        }
        let kind = if self.is(Punct::OpenParen) {
            ExprKind::Call { receiver: None, name, arguments: self.arguments() }
        } else {
            ExprKind::Name(name)
        };
        Expr { kind, span: self.since(start) }
    }

    fn arguments(&mut self) -> Vec<Argument> {
        self.in_parens(|parser| {
            let name = parser.is_assignment().then(|| {
                let name = parser.name("the name of an argument");
                parser.bump();
                name
            });
            Argument { name, value: parser.tabular() }
        })
    }

    /// Says that an expression is missing here.
    pub(super) fn missing_expr(&mut self) -> Expr {
        let found = self.found().map_or_else(String::new, |found| format!(" before {found}"));
        let span = self.error(MISSING_EXPRESSION, format!("an expression is missing{found}"));
        Self::missing(span)
    }

    /// Reads `typeof(type)`, `typeof(a: int, *)`.
    fn type_of(&mut self) -> Vec<TypeOfItem> {
        self.bump();
        self.in_parens(|parser| {
            let star = parser.peek().span;
            if parser.eat(Punct::Star) {
                TypeOfItem::Star(star)
            } else if parser.nth_is(1, Punct::Colon) || parser.is_bracketed_name() {
                TypeOfItem::Column(parser.column_decl())
            } else {
                TypeOfItem::Type(parser.type_name())
            }
        })
    }

    /// Reads `datatable(columns)[values]`; commas may stand at the ends.
    fn data_table(&mut self) -> ExprKind {
        self.bump();
        let columns = self.row_schema();
        let values = self.in_brackets(Punct::OpenBracket, Punct::CloseBracket, Self::expr);
        ExprKind::DataTable { columns, values }
    }

    /// Reads `externaldata(columns)[uris] with (properties)`.
    fn external_data(&mut self) -> ExprKind {
        self.bump();
        let columns = self.row_schema();
        let uris = self.in_brackets(Punct::OpenBracket, Punct::CloseBracket, Self::expr);
        let properties = self.with_properties();
        ExprKind::ExternalData { columns, uris, properties }
    }

    /// Reads a name, or a pattern with stars in it.
    pub(super) fn name_or_pattern(&mut self) -> Expr {
        let start = self.start();
        if let Some(name) = self.pattern() {
            return Expr { kind: ExprKind::Name(name), span: self.since(start) };
        }
        if self.eat(Punct::Star) {
            return Expr { kind: ExprKind::Star, span: self.since(start) };
        }
        let Some(name) = self.name_if(|word| !is_reserved(word)) else {
            let name = self.missing_name("the name of a column");
            return Self::missing(name.span);
        };
        Expr { kind: ExprKind::Name(name), span: self.since(start) }
    }

    /// Reads a pattern: words, numbers and at least one star without blanks between them. A star
    /// alone is none.
    pub(super) fn pattern(&mut self) -> Option<Name> {
        let mut stars = 0;
        let mut length = 0;
        loop {
            match self.nth(length).kind {
                TokenKind::Punct(Punct::Star) if length == 0 || self.is_adjacent(length) => stars += 1,
                TokenKind::Word | TokenKind::Long if length == 0 || self.is_adjacent(length) => {}
                _ => break,
            }
            length += 1;
        }
        if stars == 0 || length < 2 {
            return None;
        }
        let start = self.start();
        for _ in 0..length {
            self.bump();
        }
        let span: Span = self.since(start);
        Some(Name { text: self.text_of(span).to_owned(), style: NameStyle::Pattern, span })
    }
}

/// Tells whether a word cannot be a name where an expression stands: the language uses it there.
fn is_reserved(word: &str) -> bool {
    is_infix_word(word) || is_operator_word(word) || matches!(word, "by" | "of" | "matches")
}
