//! Statements, functions and their parameters.

use super::doc::{Doc, Line};
use super::layout::{Gap, Layout};
use crate::syntax::{
    ColumnDecl, ExprKind, Function, FunctionBody, Let, LetValue, Parameter, ParameterKind, Query, RowSchema,
    Statement, StatementKind,
};

impl<'a> Layout<'a> {
    pub(super) fn query(&mut self, query: &Query) -> Doc<'a> {
        let mut docs = vec![self.statements(&query.statements)];
        docs.push(self.rest());
        Doc::concat(docs)
    }

    /// Writes statements, each on lines of its own; an empty line between two of them stays.
    fn statements(&mut self, statements: &[Statement]) -> Doc<'a> {
        let mut docs = Vec::new();
        for (index, statement) in statements.iter().enumerate() {
            if index > 0 {
                docs.push(self.glued_up_to(statement.span.start));
                let line = if self.is_after_blank_line() { Line::Blank } else { Line::Hard };
                docs.push(self.gap(Gap::Line(line)));
            }
            docs.push(self.statement(statement));
        }
        Doc::concat(docs)
    }

    fn statement(&mut self, statement: &Statement) -> Doc<'a> {
        let start = self.up_to(statement.span.start);
        let doc = match &statement.kind {
            StatementKind::Let(binding) => self.let_statement(binding),
            StatementKind::Expression(expr) => match &expr.kind {
                ExprKind::Pipeline(pipeline) => self.pipeline(pipeline).broken().group(),
                _ => self.expr(expr),
            },
            StatementKind::Parameters(parameters) => {
                let words = self.words_before_parens();
                let list = self.in_brackets(
                    parameters,
                    |parameter| parameter.span.start,
                    Self::parameter,
                    statement.span.end,
                );
                Doc::concat(vec![words, list])
            }
            _ => Doc::nothing(),
        };
        let end = self.up_to(statement.span.end);
        Doc::concat(vec![start, doc, end])
    }

    /// Writes the words in front of a parenthesis, which stays on their line.
    fn words_before_parens(&mut self) -> Doc<'a> {
        let mut docs = Vec::new();
        while self.peek().is_some() && !self.is(crate::lex::Punct::OpenParen) {
            docs.push(self.token());
        }
        docs.push(self.gap(Gap::None));
        Doc::concat(docs)
    }

    fn let_statement(&mut self, binding: &Let) -> Doc<'a> {
        let mut docs = vec![self.up_to(binding.name.span.end)];
        docs.push(self.token_after(Gap::Space));
        match &binding.value {
            LetValue::Function(function) => {
                docs.push(self.gap(Gap::Space));
                docs.push(self.function(function));
            }
            LetValue::Expr(expr) if matches!(expr.kind, ExprKind::Pipeline(_)) => {
                let value = vec![self.gap(Gap::Line(Line::Open)), self.expr(expr)];
                docs.push(Doc::concat(value).indent());
            }
            LetValue::Expr(expr) => {
                docs.push(self.gap(Gap::Space));
                docs.push(self.expr(expr));
            }
        }
        Doc::concat(docs).group()
    }

    fn function(&mut self, function: &Function) -> Doc<'a> {
        let mut docs = Vec::new();
        if function.view {
            docs.push(self.token());
            docs.push(self.gap(Gap::Space));
        }
        let end = self.end_of_parens(function.body.span.start);
        docs.push(self.in_brackets(
            &function.parameters,
            |parameter| parameter.span.start,
            Self::parameter,
            end,
        ));
        docs.push(self.gap(Gap::Space));
        docs.push(self.function_body(&function.body));
        Doc::concat(docs)
    }

    fn function_body(&mut self, body: &FunctionBody) -> Doc<'a> {
        let mut inner = Vec::new();
        let open = self.token();
        inner.push(self.gap(Gap::Line(Line::Open)));
        inner.push(self.statements(&body.statements));
        if let Some(result) = &body.result {
            inner.push(self.glued_up_to(result.span.start));
            if !body.statements.is_empty() {
                let line = if self.is_after_blank_line() { Line::Blank } else { Line::Hard };
                inner.push(self.gap(Gap::Line(line)));
            }
            inner.push(self.expr(result));
        }
        inner.push(self.glued_up_to(body.span.end.saturating_sub(1)));
        let inner = Doc::concat(inner).indent();
        let close = self.token_after(Gap::Line(Line::Open));
        Doc::concat(vec![open, inner, close]).group()
    }

    fn parameter(&mut self, parameter: &Parameter) -> Doc<'a> {
        let name = self.up_to(parameter.name.span.end);
        let colon = self.token_after(Gap::None);
        let kind = match &parameter.kind {
            ParameterKind::Tabular(schema) => {
                let gap = self.gap(Gap::Space);
                Doc::concat(vec![gap, self.row_schema(schema)])
            }
            ParameterKind::Scalar { ty, default } => {
                let mut docs = vec![self.gap(Gap::Space), self.up_to(ty.span.end)];
                if let Some(default) = default {
                    docs.push(self.token_after(Gap::Space));
                    docs.push(self.gap(Gap::Space));
                    docs.push(self.expr(default));
                }
                Doc::concat(docs)
            }
        };
        Doc::concat(vec![name, colon, kind])
    }

    /// Writes `(a: int, b: string)`.
    pub(super) fn row_schema(&mut self, schema: &RowSchema) -> Doc<'a> {
        if schema.open {
            return self.up_to(schema.span.end);
        }
        self.in_brackets(&schema.columns, |column| column.span.start, Self::column_decl, schema.span.end)
    }

    pub(super) fn column_decl(&mut self, column: &ColumnDecl) -> Doc<'a> {
        let name = self.up_to(column.name.span.end);
        let colon = self.token_after(Gap::None);
        let gap = self.gap(Gap::Space);
        Doc::concat(vec![name, colon, gap, self.up_to(column.span.end)])
    }
}
