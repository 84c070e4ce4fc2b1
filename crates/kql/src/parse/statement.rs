//! Statements: `let`, `set`, `declare`, and the queries themselves.

use super::parser::{Parser, is_closing};
use super::{EXPECTED, UNEXPECTED};
use crate::diagnostic::Diagnostic;
use crate::lex::{Punct, TokenKind};
use crate::syntax::{
    ColumnDecl, Expr, ExprKind, Function, FunctionBody, Let, LetValue, Parameter, ParameterKind, Query,
    RowSchema, Statement, StatementKind, TypeName,
};
use crate::text::Span;

impl Parser<'_> {
    /// Reads the whole text.
    pub(super) fn query(&mut self) -> Query {
        let mut statements = Vec::new();
        while !self.is_end() {
            if self.eat(Punct::Semicolon) {
                continue;
            }
            let mark = self.mark();
            statements.push(self.statement());
            self.end_of_statement(mark);
        }
        let last = self.peek().span.end;
        Query { statements, span: Span::new(0, last) }
    }

    /// Reads the semicolon behind a statement. Without one, what follows is taken as the next
    /// statement; what cannot begin one is left out.
    fn end_of_statement(&mut self, mark: usize) {
        if self.is_end() || self.eat(Punct::Semicolon) {
            return;
        }
        if let TokenKind::Punct(sign) = self.peek().kind
            && is_closing(sign)
        {
            let span = self.bump().span;
            let message = format!("`{}` closes nothing", sign.text());
            self.report(Diagnostic::error(UNEXPECTED, span, message));
            return;
        }
        let span = self.missing_place();
        let found = self.found().unwrap_or_default();
        let mut diagnostic =
            Diagnostic::error(EXPECTED, span, format!("expected `|`, `,` or `;` before {found}"));
        if span.is_empty() {
            diagnostic = diagnostic
                .with_help("one statement ends and another begins here; put `;` between two of them, `|` before an operator");
        }
        self.report(diagnostic);
        if self.mark() == mark {
            self.bump();
        }
    }

    fn statement(&mut self) -> Statement {
        let start = self.start();
        let kind = match (self.word(), self.nth(1).kind) {
            ("let", TokenKind::Word | TokenKind::Typed(_) | TokenKind::Punct(Punct::OpenBracket)) => {
                self.let_statement()
            }
            ("set", TokenKind::Word) => self.set_statement(),
            ("declare", TokenKind::Word) => self.declare_statement(),
            ("alias", TokenKind::Word) => self.alias_statement(),
            ("restrict", TokenKind::Word) => self.restrict_statement(),
            _ => StatementKind::Expression(self.tabular()),
        };
        Statement { kind, span: self.since(start) }
    }

    fn let_statement(&mut self) -> StatementKind {
        self.bump();
        let name = self.name("the name that `let` gives");
        self.expect(Punct::Assign);
        let value = if self.is_function() {
            LetValue::Function(self.function())
        } else {
            LetValue::Expr(self.tabular())
        };
        StatementKind::Let(Let { name, value })
    }

    /// Tells whether a function's parameter list is next: `()` before `{`, or `(name:`.
    fn is_function(&self) -> bool {
        let skip = usize::from(self.is_word("view"));
        if !self.nth_is(skip, Punct::OpenParen) {
            return false;
        }
        match self.nth(skip + 1).kind {
            TokenKind::Punct(Punct::CloseParen) => self.nth_is(skip + 2, Punct::OpenBrace),
            TokenKind::Word => self.nth_is(skip + 2, Punct::Colon),
            TokenKind::Punct(Punct::OpenBracket) => self.nth_is(skip + 4, Punct::Colon),
            _ => false,
        }
    }

    fn function(&mut self) -> Function {
        let start = self.start();
        let view = self.eat_word("view");
        let parameters = self.parameters();
        let body = self.deeper(Self::function_body).unwrap_or_else(|| FunctionBody {
            statements: Vec::new(),
            result: None,
            span: self.since(start),
        });
        Function { view, parameters, body, span: self.since(start) }
    }

    /// Reads `(a: int = 1, T: (*))`.
    fn parameters(&mut self) -> Vec<Parameter> {
        self.in_parens(|parser| {
            let start = parser.start();
            let name = parser.name("the name of a parameter");
            parser.expect(Punct::Colon);
            let kind = if parser.is(Punct::OpenParen) {
                ParameterKind::Tabular(parser.row_schema())
            } else {
                let ty = parser.type_name();
                let default = parser.eat(Punct::Assign).then(|| parser.expr());
                ParameterKind::Scalar { ty, default }
            };
            Parameter { name, kind, span: parser.since(start) }
        })
    }

    fn function_body(&mut self) -> FunctionBody {
        let start = self.start();
        self.expect(Punct::OpenBrace);
        let mut statements = Vec::new();
        while !self.is(Punct::CloseBrace) && !self.is_end() {
            if self.eat(Punct::Semicolon) {
                continue;
            }
            let mark = self.mark();
            statements.push(self.statement());
            if self.is(Punct::CloseBrace) {
                break;
            }
            self.end_of_statement(mark);
        }
        self.close(Punct::CloseBrace);
        let result = match statements.pop() {
            Some(Statement { kind: StatementKind::Expression(expr), .. }) => Some(Box::new(expr)),
            Some(other) => {
                statements.push(other);
                None
            }
            None => None,
        };
        FunctionBody { statements, result, span: self.since(start) }
    }

    /// Reads `(a: int, b: string)`, `(*)`, `(*, a: int)`. A comma may stand behind the last column.
    pub(super) fn row_schema(&mut self) -> RowSchema {
        let start = self.start();
        let mut open = false;
        let columns = self.in_parens(|parser| {
            if parser.eat(Punct::Star) {
                open = true;
                return None;
            }
            Some(parser.column_decl())
        });
        RowSchema { open, columns: columns.into_iter().flatten().collect(), span: self.since(start) }
    }

    pub(super) fn column_decl(&mut self) -> ColumnDecl {
        let start = self.start();
        let name = self.name("the name of a column");
        self.expect(Punct::Colon);
        let ty = self.type_name();
        ColumnDecl { name, ty, span: self.since(start) }
    }

    /// Reads the name of a type; whether there is such a type the binder says.
    pub(super) fn type_name(&mut self) -> TypeName {
        let token = self.peek();
        if token.kind == TokenKind::Word {
            self.bump();
            return TypeName { text: self.text_of(token.span).to_owned(), span: token.span };
        }
        let span = self.expected("a type such as `string` or `long`");
        TypeName { text: String::new(), span: Span::empty(span.start) }
    }

    fn set_statement(&mut self) -> StatementKind {
        self.bump();
        let name = self.name("the option to set");
        let value = self.eat(Punct::Assign).then(|| self.expr());
        StatementKind::Set { name, value }
    }

    fn declare_statement(&mut self) -> StatementKind {
        self.bump();
        if self.eat_word("query_parameters") {
            return StatementKind::Parameters(self.parameters());
        }
        if self.eat_word("pattern") {
            self.skip_to(|_| false);
            return StatementKind::Pattern;
        }
        self.expected("`query_parameters` or `pattern`");
        self.skip_to(|_| false);
        StatementKind::Error
    }

    fn alias_statement(&mut self) -> StatementKind {
        self.bump();
        self.expect_word("database");
        let name = self.name("the name of the alias");
        self.expect(Punct::Assign);
        let database = self.expr();
        StatementKind::Alias { name, database }
    }

    fn restrict_statement(&mut self) -> StatementKind {
        self.bump();
        self.expect_word("access");
        self.expect_word("to");
        StatementKind::Restrict(self.in_parens(Self::name_or_pattern))
    }

    /// Makes the expression that stands for one that is missing.
    pub(super) fn missing(at: Span) -> Expr {
        Expr { kind: ExprKind::Missing, span: Span::empty(at.start) }
    }
}
