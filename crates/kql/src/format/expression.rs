//! Expressions and lists.

use super::doc::{Doc, Line};
use super::layout::{Gap, Layout};
use crate::lex::Punct;
use crate::syntax::{
    Argument, BinaryOp, DynamicKind, DynamicValue, Expr, ExprKind, Name, NamedExpr, Pipeline, Property,
    RowSchema,
};

impl<'a> Layout<'a> {
    /// Writes an expression; a chain that does not fit is indented behind its first line.
    pub(super) fn expr(&mut self, expr: &Expr) -> Doc<'a> {
        let mut docs = vec![self.up_to(expr.span.start)];
        docs.push(match &expr.kind {
            ExprKind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), .. } => {
                let (first, rest) = self.chain(expr, *op);
                Doc::concat(vec![first, rest.indent()]).group()
            }
            ExprKind::Binary { op: BinaryOp::Add | BinaryOp::Sub, .. } => self.sum(expr).group(),
            _ => self.bare_expr(expr),
        });
        docs.push(self.up_to(expr.span.end));
        Doc::concat(docs)
    }

    /// Writes `a and b and c`: the first operand, and the rest with a line end before each word.
    fn chain(&mut self, expr: &Expr, op: BinaryOp) -> (Doc<'a>, Doc<'a>) {
        let mut operands = Vec::new();
        flatten(expr, op, &mut operands);
        let mut operands = operands.into_iter();
        let first = operands.next().map_or_else(Doc::nothing, |operand| self.expr(operand));
        let mut rest = Vec::new();
        for operand in operands {
            rest.push(self.token_after(Gap::Line(Line::Open)));
            rest.push(self.gap(Gap::Space));
            rest.push(self.expr(operand));
        }
        (first, Doc::concat(rest))
    }

    /// Writes `a + b - c` with a place for a line end before each sign.
    fn sum(&mut self, expr: &Expr) -> Doc<'a> {
        let mut operands = Vec::new();
        let mut left = expr;
        while let ExprKind::Binary { op: BinaryOp::Add | BinaryOp::Sub, left: next, right, .. } = &left.kind {
            operands.push(right);
            left = next;
        }
        let first = self.expr(left);
        let mut rest = Vec::new();
        for operand in operands.into_iter().rev() {
            rest.push(self.token_after(Gap::Line(Line::Open)));
            rest.push(self.gap(Gap::Space));
            rest.push(self.expr(operand));
        }
        Doc::concat(vec![first, Doc::concat(rest).indent()])
    }

    fn bare_expr(&mut self, expr: &Expr) -> Doc<'a> {
        match &expr.kind {
            ExprKind::Literal(_)
            | ExprKind::Name(_)
            | ExprKind::Star
            | ExprKind::Missing
            | ExprKind::TypeOf(_) => self.up_to(expr.span.end),
            ExprKind::Dynamic(value) => self.dynamic(value, expr.span.end),
            ExprKind::Path { base, .. } => {
                let base = self.expr(base);
                Doc::concat(vec![base, self.glued_up_to(expr.span.end)])
            }
            ExprKind::Index { base, index } => self.index(base, index, expr.span.end),
            ExprKind::Call { receiver, name, arguments } => {
                self.call(receiver.as_deref(), name, arguments, expr.span.end)
            }
            ExprKind::Unary { operand, .. } => {
                let sign = self.token();
                let gap = self.gap(Gap::None);
                Doc::concat(vec![sign, gap, self.expr(operand)])
            }
            ExprKind::Binary { op, left, op_span, right } => self.binary(*op, left, op_span.end, right),
            ExprKind::In { operand, op_span, list, .. } => {
                let mut docs = vec![self.expr(operand), self.gap(Gap::Space), self.up_to(op_span.end)];
                docs.push(self.gap(Gap::Space));
                docs.push(self.in_brackets(list, |item| item.span.start, Self::expr, expr.span.end));
                Doc::concat(docs)
            }
            ExprKind::Between { operand, op_span, low, high, .. } => {
                self.between(operand, op_span.end, low, high)
            }
            ExprKind::Paren(inner) => self.paren(inner, expr.span.end),
            ExprKind::Pipeline(pipeline) => self.pipeline(pipeline),
            ExprKind::DataTable { columns, values } => self.data_table(columns, values, expr.span.end),
            ExprKind::ExternalData { columns, uris, properties } => {
                self.external_data(columns, uris, properties, expr.span.end)
            }
            ExprKind::EntityGroup(group) => {
                let mut docs = vec![self.token(), self.gap(Gap::Space)];
                docs.push(self.in_brackets(group, |item| item.span.start, Self::expr, expr.span.end));
                Doc::concat(docs)
            }
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, op_end: u32, right: &Expr) -> Doc<'a> {
        let mut docs = vec![self.expr(left)];
        let before = if op == BinaryOp::Search { Gap::None } else { Gap::Space };
        docs.push(self.gap(before));
        docs.push(self.up_to(op_end));
        docs.push(self.gap(Gap::Space));
        docs.push(self.expr(right));
        Doc::concat(docs)
    }

    fn index(&mut self, base: &Expr, index: &Expr, end: u32) -> Doc<'a> {
        let mut docs = vec![self.expr(base), self.glued_up_to(index.span.start)];
        docs.push(self.gap(Gap::None));
        docs.push(self.expr(index));
        docs.push(self.glued_up_to(end));
        Doc::concat(docs)
    }

    fn call(&mut self, receiver: Option<&Expr>, name: &Name, arguments: &[Argument], end: u32) -> Doc<'a> {
        let mut docs = Vec::new();
        if let Some(receiver) = receiver {
            docs.push(self.expr(receiver));
            docs.push(self.glued_up_to(name.span.end));
        }
        docs.push(self.up_to(name.span.end));
        if !self.is(Punct::OpenParen) {
            docs.push(self.options_of_call());
        }
        docs.push(self.gap(Gap::None));
        docs.push(self.in_brackets(arguments, argument_start, Self::argument, end));
        Doc::concat(docs)
    }

    /// Writes the `kind=nooptimization` that may stand between `toscalar` and its parenthesis.
    fn options_of_call(&mut self) -> Doc<'a> {
        let mut docs = vec![self.gap(Gap::Space)];
        while self.peek().is_some() && !self.is(Punct::OpenParen) {
            docs.push(self.token_after(Gap::None));
        }
        Doc::concat(docs)
    }

    fn argument(&mut self, argument: &Argument) -> Doc<'a> {
        let mut docs = Vec::new();
        if let Some(name) = &argument.name {
            docs.push(self.up_to(name.span.end));
            docs.push(self.token_after(Gap::None));
            docs.push(self.gap(Gap::None));
        }
        docs.push(self.expr(&argument.value));
        Doc::concat(docs)
    }

    fn between(&mut self, operand: &Expr, op_end: u32, low: &Expr, high: &Expr) -> Doc<'a> {
        let mut docs = vec![self.expr(operand), self.gap(Gap::Space), self.up_to(op_end)];
        docs.push(self.token_after(Gap::Space));
        docs.push(self.gap(Gap::None));
        docs.push(self.expr(low));
        docs.push(self.token_after(Gap::Space));
        docs.push(self.gap(Gap::Space));
        docs.push(self.expr(high));
        docs.push(self.token_after(Gap::None));
        Doc::concat(docs)
    }

    fn paren(&mut self, inner: &Expr, end: u32) -> Doc<'a> {
        let open = self.token();
        let mut docs = vec![self.gap(Gap::Line(Line::Soft))];
        if let ExprKind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), .. } = &inner.kind {
            let (first, rest) = self.chain(inner, *op);
            docs.extend([first, rest]);
        } else {
            docs.push(self.expr(inner));
        }
        docs.push(self.glued_up_to(end.saturating_sub(1)));
        let inner = Doc::concat(docs).indent();
        let close = self.token_after(Gap::Line(Line::Soft));
        Doc::concat(vec![open, inner, close]).group()
    }

    /// Writes a pipeline: whether its bars begin lines is decided by the group around it, but with
    /// more than one operator they do.
    pub(super) fn pipeline(&mut self, pipeline: &Pipeline) -> Doc<'a> {
        let mut docs = Vec::new();
        if let Some(source) = &pipeline.source {
            docs.push(self.expr(source));
        }
        for operator in &pipeline.operators {
            if self.is(Punct::Bar) {
                docs.push(self.token_after(Gap::Line(Line::Open)));
                docs.push(self.gap(Gap::Space));
            }
            docs.push(self.operator(operator));
        }
        let doc = Doc::concat(docs);
        let operators = pipeline.operators.len() + usize::from(pipeline.source.is_some());
        if operators > 2 { doc.broken() } else { doc }
    }

    fn dynamic(&mut self, value: &DynamicValue, end: u32) -> Doc<'a> {
        let mut docs = vec![self.token(), self.token_after(Gap::None), self.gap(Gap::None)];
        docs.push(self.dynamic_value(value));
        docs.push(self.glued_up_to(end));
        Doc::concat(docs)
    }

    fn dynamic_value(&mut self, value: &DynamicValue) -> Doc<'a> {
        let mut docs = vec![self.up_to(value.span.start)];
        if self.is(Punct::OpenBracket) || self.is(Punct::OpenBrace) {
            docs.push(match &value.kind {
                DynamicKind::Array(items) => {
                    self.in_brackets(items, |item| item.span.start, Self::dynamic_value, value.span.end)
                }
                DynamicKind::Bag(pairs) => {
                    self.in_brackets(pairs, |pair| pair.0.span.start, Self::dynamic_pair, value.span.end)
                }
                _ => Doc::nothing(),
            });
        }
        docs.push(self.up_to(value.span.end));
        Doc::concat(docs)
    }

    fn dynamic_pair(&mut self, pair: &(Name, DynamicValue)) -> Doc<'a> {
        let mut docs = vec![self.up_to(pair.0.span.end), self.token_after(Gap::None), self.gap(Gap::Space)];
        docs.push(self.dynamic_value(&pair.1));
        Doc::concat(docs)
    }

    /// Writes `datatable(columns) [values]`, a line for each row when it takes more than one.
    fn data_table(&mut self, columns: &RowSchema, values: &[Expr], end: u32) -> Doc<'a> {
        let mut docs =
            vec![self.token(), self.gap(Gap::None), self.row_schema(columns), self.gap(Gap::Space)];
        let rows: Vec<&[Expr]> = values.chunks(columns.columns.len().max(1)).collect();
        docs.push(self.in_brackets(
            &rows,
            |row| row.first().map_or(0, |cell| cell.span.start),
            Self::row,
            end,
        ));
        Doc::concat(docs)
    }

    fn row(&mut self, row: &&[Expr]) -> Doc<'a> {
        let mut docs = Vec::new();
        for (index, cell) in row.iter().enumerate() {
            if index > 0 {
                docs.push(self.glued_up_to(cell.span.start));
                docs.push(self.gap(Gap::Space));
            }
            docs.push(self.expr(cell));
        }
        Doc::concat(docs)
    }

    fn external_data(
        &mut self,
        columns: &RowSchema,
        uris: &[Expr],
        properties: &[Property],
        end: u32,
    ) -> Doc<'a> {
        let mut docs = vec![self.token(), self.gap(Gap::None), self.row_schema(columns)];
        let mut rest = vec![self.gap(Gap::Line(Line::Open))];
        let close = self.end_of_parens(properties.first().map_or(end, |property| property.span.start));
        rest.push(self.in_brackets(uris, |uri| uri.span.start, Self::expr, close));
        if self.is_word("with") {
            rest.push(self.token_after(Gap::Line(Line::Open)));
            rest.push(self.gap(Gap::Space));
            rest.push(self.in_brackets(properties, |property| property.span.start, Self::property, end));
        }
        docs.push(Doc::concat(rest).indent());
        Doc::concat(docs).group()
    }

    /// Writes `name=value`.
    pub(super) fn property(&mut self, property: &Property) -> Doc<'a> {
        let mut docs = vec![self.up_to(property.name.span.start)];
        docs.push(self.up_to(property.name.span.end));
        docs.push(self.glued_up_to(property.value.span.start));
        docs.push(self.gap(Gap::None));
        docs.push(self.expr(&property.value));
        Doc::concat(docs)
    }

    /// Writes `name = expr`.
    pub(super) fn named_expr(&mut self, named: &NamedExpr) -> Doc<'a> {
        let mut docs = vec![self.up_to(named.span.start)];
        if let Some(last) = named.names.last() {
            docs.push(self.up_to(last.span.end));
            if named.tuple {
                docs.push(self.token_after(Gap::None));
            }
            docs.push(self.token_after(Gap::Space));
            docs.push(self.gap(Gap::Space));
        }
        docs.push(self.expr(&named.expr));
        Doc::concat(docs)
    }

    /// Writes an opening bracket, which is next, the items, and everything up to `end`, where the
    /// closing bracket ends.
    pub(super) fn in_brackets<T>(
        &mut self,
        items: &[T],
        start_of: impl Fn(&T) -> u32,
        mut write: impl FnMut(&mut Self, &T) -> Doc<'a>,
        end: u32,
    ) -> Doc<'a> {
        let open = self.token();
        let close = end.saturating_sub(1);
        let mut docs = Vec::new();
        if !items.is_empty() {
            docs.push(self.gap(Gap::Line(Line::Soft)));
        }
        docs.push(self.commas(items, start_of, &mut write));
        docs.push(self.glued_up_to(close));
        let inner = Doc::concat(docs).indent();
        let gap = if items.is_empty() { Gap::None } else { Gap::Line(Line::Soft) };
        let close = self.token_after(gap);
        Doc::concat(vec![open, inner, close]).group()
    }

    /// Writes items with a place for a line end behind each comma.
    pub(super) fn commas<T>(
        &mut self,
        items: &[T],
        start_of: impl Fn(&T) -> u32,
        write: &mut impl FnMut(&mut Self, &T) -> Doc<'a>,
    ) -> Doc<'a> {
        let mut docs = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                docs.push(self.glued_up_to(start_of(item)));
                docs.push(self.gap(Gap::Line(Line::Open)));
            }
            docs.push(write(self, item));
        }
        Doc::concat(docs)
    }
}

fn argument_start(argument: &Argument) -> u32 {
    argument.name.as_ref().map_or(argument.value.span.start, |name| name.span.start)
}

/// Collects the operands of a chain of one operator, in order.
fn flatten<'e>(expr: &'e Expr, op: BinaryOp, operands: &mut Vec<&'e Expr>) {
    match &expr.kind {
        ExprKind::Binary { op: own, left, right, .. } if *own == op => {
            flatten(left, op, operands);
            flatten(right, op, operands);
        }
        _ => operands.push(expr),
    }
}
