//! The operators of a pipeline.

use super::doc::{Doc, Line};
use super::layout::{Gap, Layout};
use crate::lex::Punct;
use crate::syntax::{
    Evaluate, Expand, ExpandItem, Find, FindColumns, GraphMatch, Join, MakeSeries, NamedExpr, Operator,
    OperatorKind, Parse, ParsePiece, Partition, Pipeline, Property, ReorderItem, Scan, ScanStep, SortKey,
    Summarize, Union,
};

impl<'a> Layout<'a> {
    pub(super) fn operator(&mut self, operator: &Operator) -> Doc<'a> {
        let mut docs = vec![self.up_to(operator.span.start)];
        docs.push(self.up_to(operator.keyword.end));
        docs.push(self.operator_kind(&operator.kind, operator.span.end));
        docs.push(self.up_to(operator.span.end));
        Doc::concat(docs).group()
    }

    /// Writes what stands behind an operator's word. What has no case here is written as the tokens
    /// stand.
    fn operator_kind(&mut self, kind: &OperatorKind, end: u32) -> Doc<'a> {
        match kind {
            OperatorKind::Where(expr)
            | OperatorKind::Take(expr)
            | OperatorKind::Sample(expr)
            | OperatorKind::Invoke(expr)
            | OperatorKind::GraphWhereNodes(expr)
            | OperatorKind::GraphWhereEdges(expr) => {
                let name = self.name_of_condition(expr.span.start);
                let gap = self.gap(Gap::Space);
                Doc::concat(vec![name, gap, self.expr(expr)])
            }
            OperatorKind::Extend(list)
            | OperatorKind::Project(list)
            | OperatorKind::ProjectRename(list)
            | OperatorKind::Serialize(list)
            | OperatorKind::Print(list) => self.named_list(&[], list),
            OperatorKind::Distinct(distinct) => self.named_list(&distinct.properties, &distinct.columns),
            OperatorKind::ProjectAway(list)
            | OperatorKind::ProjectKeep(list)
            | OperatorKind::ProjectByNames(list) => self.list(list, |item| item.span.start, Self::expr),
            OperatorKind::ProjectReorder(list) => {
                self.list(list, |item| item.column.span.start, Self::reorder_item)
            }
            OperatorKind::Summarize(summarize) => self.summarize(summarize),
            OperatorKind::Sort { properties, keys } => self.sort(properties, keys),
            OperatorKind::Top { properties, count, keys } => {
                let properties = self.properties(properties);
                let gap = self.gap(Gap::Space);
                let count = self.expr(count);
                Doc::concat(vec![properties, gap, count, self.sort(&[], keys)])
            }
            OperatorKind::Join(join) | OperatorKind::Lookup(join) => self.join(join),
            OperatorKind::Union(union) => self.union(union),
            OperatorKind::MvExpand(expand) => self.expand(&expand.expand),
            OperatorKind::MvApply(apply) => {
                let mut docs = vec![self.expand(&apply.expand)];
                docs.push(self.words_to_parens());
                docs.push(self.sub_pipeline(&apply.body, end));
                Doc::concat(docs)
            }
            OperatorKind::Parse(parse) | OperatorKind::ParseWhere(parse) => self.parse(parse),
            OperatorKind::MakeSeries(series) => self.make_series(series),
            OperatorKind::Evaluate(evaluate) => self.evaluate(evaluate),
            OperatorKind::Partition(partition) => self.partition(partition, end),
            OperatorKind::Scan(scan) => self.scan(scan, end),
            OperatorKind::Fork(branches) => self.fork(branches.iter().map(|(_, pipeline)| pipeline)),
            OperatorKind::Render { properties, .. } => self.render(properties),
            OperatorKind::Find(find) => self.find(find, end),
            OperatorKind::GraphMatch(search) | OperatorKind::GraphShortestPaths(search) => {
                self.graph_match(search, end)
            }
            _ => Doc::nothing(),
        }
    }

    /// Writes the `name =` that may stand in front of a condition and means nothing.
    fn name_of_condition(&mut self, offset: u32) -> Doc<'a> {
        let mut docs = Vec::new();
        while self.peek().is_some_and(|token| token.span.start < offset) {
            docs.push(if self.is(Punct::Assign) { self.token_after(Gap::Space) } else { self.token() });
        }
        Doc::concat(docs)
    }

    fn properties(&mut self, properties: &[Property]) -> Doc<'a> {
        let mut docs = Vec::new();
        for property in properties {
            docs.push(self.gap(Gap::Space));
            docs.push(self.property(property));
        }
        Doc::concat(docs)
    }

    /// Writes a list behind an operator's word: on its line, or each item on a line of its own. A
    /// single item stays on the line of the word.
    fn list<T>(
        &mut self,
        items: &[T],
        start_of: impl Fn(&T) -> u32,
        mut write: impl FnMut(&mut Self, &T) -> Doc<'a>,
    ) -> Doc<'a> {
        let gap = match items.len() {
            0 => return Doc::nothing(),
            1 => Gap::Space,
            _ => Gap::Line(Line::Open),
        };
        let gap = self.gap(gap);
        let list = self.commas(items, start_of, &mut write);
        let doc = Doc::concat(vec![gap, list]);
        if items.len() == 1 { doc } else { doc.indent() }
    }

    fn named_list(&mut self, properties: &[Property], items: &[NamedExpr]) -> Doc<'a> {
        let properties = self.properties(properties);
        let list = self.list(items, |item| item.span.start, Self::named_expr);
        Doc::concat(vec![properties, list])
    }

    fn reorder_item(&mut self, item: &ReorderItem) -> Doc<'a> {
        let mut docs = vec![self.expr(&item.column)];
        if item.order.is_some() {
            docs.push(self.token_after(Gap::Space));
        }
        Doc::concat(docs)
    }

    fn summarize(&mut self, summarize: &Summarize) -> Doc<'a> {
        let mut docs = vec![self.properties(&summarize.properties)];
        let aggregates = &summarize.aggregates;
        docs.push(self.list(aggregates, |item| item.span.start, Self::named_expr));
        if let Some(by) = &summarize.by {
            // One aggregate and its keys belong on one line more often than not.
            let gap = if aggregates.is_empty() { Gap::Space } else { Gap::Line(Line::Open) };
            docs.push(self.keys(gap, by));
        }
        Doc::concat(docs)
    }

    /// Writes `by keys`.
    fn keys(&mut self, gap: Gap, keys: &[NamedExpr]) -> Doc<'a> {
        let word = self.token_after(gap);
        let list = self.list(keys, |key| key.span.start, Self::named_expr).group();
        Doc::concat(vec![word, list]).indent()
    }

    fn sort(&mut self, properties: &[Property], keys: &[SortKey]) -> Doc<'a> {
        let properties = self.properties(properties);
        let by = self.token_after(Gap::Space);
        let list = self.list(keys, |key| key.span.start, Self::sort_key);
        Doc::concat(vec![properties, by, list])
    }

    fn sort_key(&mut self, key: &SortKey) -> Doc<'a> {
        let named = self.named_expr(&key.expr);
        Doc::concat(vec![named, self.up_to(key.span.end)])
    }

    fn join(&mut self, join: &Join) -> Doc<'a> {
        let mut docs = vec![self.properties(&join.properties), self.gap(Gap::Space), self.expr(&join.right)];
        if let Some(first) = join.on.first() {
            docs.push(self.token_after(Gap::Space));
            docs.push(self.gap(Gap::Space));
            docs.push(self.up_to(first.span.start));
            docs.push(self.commas(&join.on, |item| item.span.start, &mut Self::expr).indent().group());
        }
        Doc::concat(docs)
    }

    fn union(&mut self, union: &Union) -> Doc<'a> {
        let properties = self.properties(&union.properties);
        let list = self.list(&union.tables, |table| table.span.start, Self::expr);
        Doc::concat(vec![properties, list])
    }

    fn expand(&mut self, expand: &Expand) -> Doc<'a> {
        let properties = self.properties(&expand.properties);
        let mut docs = vec![properties];
        docs.push(self.list(&expand.items, |item| item.expr.span.start, Self::expand_item).group());
        if let Some(limit) = &expand.limit {
            docs.push(self.token_after(Gap::Space));
            docs.push(self.gap(Gap::Space));
            docs.push(self.expr(limit));
        }
        Doc::concat(docs)
    }

    fn expand_item(&mut self, item: &ExpandItem) -> Doc<'a> {
        let mut docs = vec![self.named_expr(&item.expr)];
        if let Some(to) = &item.to {
            docs.push(self.up_to(to.span.end));
            docs.push(self.token_after(Gap::None));
        }
        Doc::concat(docs)
    }

    fn parse(&mut self, parse: &Parse) -> Doc<'a> {
        let mut docs = vec![self.properties(&parse.properties), self.gap(Gap::Space), self.expr(&parse.expr)];
        docs.push(self.token_after(Gap::Space));
        let mut pieces = Vec::new();
        for piece in &parse.pieces {
            pieces.push(self.gap(Gap::Line(Line::Open)));
            pieces.push(self.token());
            pieces.push(self.glued_up_to(piece_end(piece)));
        }
        docs.push(Doc::concat(pieces).indent());
        Doc::concat(docs)
    }

    fn make_series(&mut self, series: &MakeSeries) -> Doc<'a> {
        let mut docs = vec![self.properties(&series.properties)];
        let aggregates = &series.aggregates;
        docs.push(self.list(
            aggregates,
            |item| item.expr.span.start,
            |layout, item| {
                let mut docs = vec![layout.named_expr(&item.expr)];
                if let Some(default) = &item.default {
                    docs.push(layout.token_after(Gap::Space));
                    docs.push(layout.token_after(Gap::None));
                    docs.push(layout.gap(Gap::None));
                    docs.push(layout.expr(default));
                }
                Doc::concat(docs)
            },
        ));
        let mut rest = vec![self.token_after(Gap::Line(Line::Open)), self.gap(Gap::Space)];
        rest.push(self.named_expr(&series.on));
        rest.push(self.gap(Gap::Line(Line::Open)));
        let range = &series.range;
        for value in [range.from.as_ref(), range.to.as_ref(), Some(&range.step)].into_iter().flatten() {
            rest.push(self.up_to(value.span.start));
            rest.push(self.expr(value));
        }
        if series.range.legacy {
            rest.push(self.token_after(Gap::None));
        }
        docs.push(Doc::concat(rest).indent());
        if let Some(by) = &series.by {
            docs.push(self.keys(Gap::Line(Line::Open), by));
        }
        Doc::concat(docs)
    }

    fn evaluate(&mut self, evaluate: &Evaluate) -> Doc<'a> {
        let mut docs =
            vec![self.properties(&evaluate.properties), self.gap(Gap::Space), self.expr(&evaluate.call)];
        if let Some(schema) = &evaluate.schema {
            docs.push(self.token_after(Gap::Space));
            docs.push(self.gap(Gap::Space));
            docs.push(self.row_schema(schema));
        }
        Doc::concat(docs)
    }

    fn partition(&mut self, partition: &Partition, end: u32) -> Doc<'a> {
        let mut docs =
            vec![self.properties(&partition.properties), self.token_after(Gap::Space), self.gap(Gap::Space)];
        docs.push(self.expr(&partition.by));
        docs.push(self.gap(Gap::Space));
        let open = self.token();
        let line = if partition.braced { Line::Open } else { Line::Soft };
        let body = &partition.body;
        let inner = vec![self.gap(Gap::Line(line)), self.expr(body), self.glued_up_to(end.saturating_sub(1))];
        let inner = Doc::concat(inner).indent();
        let close = self.token_after(Gap::Line(line));
        docs.push(Doc::concat(vec![open, inner, close]).group());
        Doc::concat(docs)
    }

    /// Writes the tokens in front of a parenthesis and the blank between.
    fn words_to_parens(&mut self) -> Doc<'a> {
        let mut docs = Vec::new();
        while self.peek().is_some() && !self.is(Punct::OpenParen) {
            docs.push(self.token_after(Gap::Space));
        }
        docs.push(self.gap(Gap::Space));
        Doc::concat(docs)
    }

    /// Writes `(operator | operator)`, whose parenthesis is next.
    fn sub_pipeline(&mut self, pipeline: &Pipeline, end: u32) -> Doc<'a> {
        let open = self.token();
        let mut inner = vec![self.gap(Gap::Line(Line::Soft)), self.pipeline(pipeline)];
        inner.push(self.glued_up_to(end.saturating_sub(1)));
        let inner = Doc::concat(inner).indent();
        let close = self.token_after(Gap::Line(Line::Soft));
        Doc::concat(vec![open, inner, close]).group()
    }

    fn fork<'p>(&mut self, branches: impl Iterator<Item = &'p Pipeline>) -> Doc<'a> {
        let mut docs = Vec::new();
        for branch in branches {
            docs.push(self.gap(Gap::Line(Line::Open)));
            while self.peek().is_some() && !self.is(Punct::OpenParen) {
                docs.push(self.token());
            }
            let end = self.end_of_parens(u32::MAX);
            docs.push(self.sub_pipeline(branch, end));
        }
        Doc::concat(docs).indent()
    }

    fn scan(&mut self, scan: &Scan, end: u32) -> Doc<'a> {
        let first = scan.steps.first().map_or(end, |step| step.span.start);
        let mut docs = vec![self.up_to(first)];
        let mut steps = Vec::new();
        for step in &scan.steps {
            steps.push(self.gap(Gap::Line(Line::Hard)));
            steps.push(self.scan_step(step));
        }
        docs.push(Doc::concat(steps).indent());
        docs.push(self.token_after(Gap::Line(Line::Hard)));
        Doc::concat(docs)
    }

    fn scan_step(&mut self, step: &ScanStep) -> Doc<'a> {
        let mut docs = vec![self.up_to(step.condition.span.start), self.expr(&step.condition)];
        if !step.assignments.is_empty() {
            docs.push(self.token_after(Gap::Space));
            docs.push(self.list(&step.assignments, |item| item.span.start, Self::named_expr));
        }
        docs.push(self.token_after(Gap::None));
        Doc::concat(docs).group()
    }

    fn find(&mut self, find: &Find, end: u32) -> Doc<'a> {
        let mut docs = vec![self.properties(&find.properties)];
        if !find.tables.is_empty() {
            docs.push(self.token_after(Gap::Space));
            docs.push(self.gap(Gap::Space));
            let close = self.end_of_parens(end);
            docs.push(self.in_brackets(&find.tables, |table| table.span.start, Self::expr, close));
        }
        let line = if find.tables.is_empty() { Gap::Space } else { Gap::Line(Line::Open) };
        let mut rest = vec![self.gap(line), self.expr(&find.predicate)];
        if !matches!(find.columns, FindColumns::Default) {
            rest.push(self.token_after(Gap::Line(Line::Open)));
            rest.push(self.up_to(end));
        }
        docs.push(Doc::concat(rest).indent());
        Doc::concat(docs)
    }

    fn graph_match(&mut self, search: &GraphMatch, end: u32) -> Doc<'a> {
        let is_clause = |layout: &Self| layout.is_word("where") || layout.is_word("project");
        let mut docs = Vec::new();
        while self.peek().is_some_and(|token| token.span.start < end) && !is_clause(self) {
            docs.push(self.token());
        }
        let mut clauses = Vec::new();
        if let Some(condition) = &search.condition {
            clauses.push(self.token_after(Gap::Line(Line::Open)));
            clauses.push(self.gap(Gap::Space));
            clauses.push(self.expr(condition));
        }
        if let Some(project) = &search.project {
            clauses.push(self.token_after(Gap::Line(Line::Open)));
            clauses.push(self.list(project, |item| item.span.start, Self::named_expr).group());
        }
        docs.push(Doc::concat(clauses).indent());
        Doc::concat(docs)
    }

    fn render(&mut self, properties: &[Property]) -> Doc<'a> {
        let Some(first) = properties.first() else { return Doc::nothing() };
        let mut docs = Vec::new();
        while self.peek().is_some_and(|token| token.span.start < first.span.start) {
            if self.is(Punct::OpenParen) {
                docs.push(self.gap(Gap::Space));
                let end = self.end_of_parens(u32::MAX);
                docs.push(self.in_brackets(
                    properties,
                    |property| property.span.start,
                    Self::render_property,
                    end,
                ));
                return Doc::concat(docs);
            }
            docs.push(self.token_after(Gap::Space));
        }
        docs.push(self.properties(properties));
        Doc::concat(docs)
    }

    /// Writes `name=value`, or the value alone when it is a further one of the same name.
    fn render_property(&mut self, property: &Property) -> Doc<'a> {
        if property.value.span == property.span {
            return self.expr(&property.value);
        }
        self.property(property)
    }
}

fn piece_end(piece: &ParsePiece) -> u32 {
    match piece {
        ParsePiece::Star(span) => span.end,
        ParsePiece::Text(expr) => expr.span.end,
        ParsePiece::Column { name, ty } => ty.as_ref().map_or(name.span.end, |ty| ty.span.end),
    }
}
