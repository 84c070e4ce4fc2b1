//! `search` and `find`.

use std::sync::Arc;

use super::super::rows::{Col, Rows, UniqueNames};
use super::super::source::{Table, strip};
use super::super::typed::Typed;
use super::super::{Binder, LetterCase, Scope, UNKNOWN_NAME};
use super::join::Keep;
use crate::plan::{Expr as Planned, ExprKind, Operator, Source, UnionColumn, UnionInput};
use crate::syntax::{self, BinaryOp, Expr, FindColumns, NameStyle};
use crate::text::Span;
use crate::types::{ScalarType, Shape};
use crate::value::Value;

/// Name of the column that says which table a row of `search` is from.
const TABLE_COLUMN: &str = "$table";

/// Name of the column of `find` that holds what no other column shows.
const PACK_COLUMN: &str = "pack_";

impl<'a> Binder<'a> {
    /// `T | search ...`: rows in which the condition holds, with the name of their table.
    pub(super) fn search(&mut self, table: &mut Table, search: &'a syntax::Search) {
        let condition = self.searching(search, |binder| binder.search_condition(&search.predicate));
        self.keep(table, Operator::Filter(condition.expr));
        let label = self.source_label(&table.pipeline, "search_arg", 0);
        let rows = std::mem::take(&mut table.rows);
        let text = Planned {
            kind: ExprKind::Literal(Value::text(label)),
            ty: ScalarType::String,
            span: search.predicate.span,
        };
        let mut exprs = vec![text];
        exprs.extend(rows.columns.iter().enumerate().map(|(index, column)| Planned {
            kind: ExprKind::Column(index),
            ty: column.ty(),
            span: Span::default(),
        }));
        let mut columns = vec![self.ids.column(TABLE_COLUMN, Shape::of(ScalarType::String))];
        columns.extend(rows.columns);
        table.push(Operator::Project(exprs), Rows { columns, open: rows.open });
    }

    /// `search in (T, U) ...`, or over all tables.
    pub(in super::super) fn search_source(&mut self, search: &'a syntax::Search) -> Table {
        let inputs = self.searched_tables(&search.tables, search.predicate.span);
        let all: Vec<&Rows> = inputs.iter().map(|(input, _)| &input.rows).collect();
        let (columns, sources, open) = self.unified(&all, Some(TABLE_COLUMN), Keep::Any);
        let rows = Rows { columns, open };
        let inputs = inputs
            .into_iter()
            .zip(sources)
            .map(|((input, label), columns)| UnionInput { pipeline: input.into_pipeline(), columns, label })
            .collect();
        let mut table = Table::new(Source::Union(inputs, rows.schema()), rows.clone());
        let condition = self.searching(search, |binder| {
            binder.with_scope(Scope::of(rows.clone()), |binder| binder.search_condition(&search.predicate))
        });
        table.push(Operator::Filter(condition.expr), rows);
        table
    }

    /// Binds the condition of a `search`, whose `kind` says whether terms heed case.
    fn searching(&mut self, search: &syntax::Search, bind: impl FnOnce(&mut Self) -> Typed) -> Typed {
        let before = self.search_case;
        self.search_case = match super::option(&search.properties, "kind") {
            Some("case_sensitive") => LetterCase::Heeded,
            _ => LetterCase::Ignored,
        };
        let condition = bind(self);
        self.search_case = before;
        condition
    }

    fn searched_tables(&mut self, tables: &'a [Expr], condition: Span) -> Vec<(Table, String)> {
        match tables {
            [] => self.tables_like("*", condition),
            tables => self.several_tables(tables, "search_arg", 0),
        }
    }

    /// Binds a condition in which a bare text stands for "some column has it".
    fn search_condition(&mut self, expr: &'a Expr) -> Typed {
        let typed = self.search_term(expr);
        self.expect_bool(&typed);
        typed
    }

    fn search_term(&mut self, expr: &'a Expr) -> Typed {
        let bound = self.deeper(expr.span, |binder| binder.search_term_here(expr));
        bound.unwrap_or_else(|| Typed::broken(expr.span))
    }

    fn search_term_here(&mut self, expr: &'a Expr) -> Typed {
        match &expr.kind {
            syntax::ExprKind::Paren(inner) => self.search_term(inner).spanning(expr.span),
            syntax::ExprKind::Star => {
                Typed::literal(Value::Bool(Some(true)), Shape::of(ScalarType::Bool), expr.span)
            }
            syntax::ExprKind::Binary { op: BinaryOp::And | BinaryOp::Or, .. } => self.search_chain(expr),
            syntax::ExprKind::Literal(_) | syntax::ExprKind::Name(_) => {
                let typed = self.scalar(expr);
                let term = typed.is_constant() && typed.ty() != ScalarType::Bool;
                if term { self.any_term(as_text(typed)) } else { typed }
            }
            syntax::ExprKind::Call { receiver: None, name, arguments }
                if name.text == "not" && arguments.len() == 1 =>
            {
                let args =
                    arguments.iter().map(|argument| self.search_condition(&argument.value).expr).collect();
                Typed::new(ExprKind::Call { function: "not", args }, Shape::of(ScalarType::Bool), expr.span)
            }
            _ => self.scalar(expr),
        }
    }

    /// Binds `a and b or c` without going deeper for each operator.
    fn search_chain(&mut self, expr: &'a Expr) -> Typed {
        let mut steps = Vec::new();
        let mut leftmost = expr;
        while let syntax::ExprKind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right, op_span } =
            &leftmost.kind
        {
            steps.push((*op, *op_span, &**right));
            leftmost = left;
        }
        let mut typed = self.search_term(leftmost);
        for (op, op_span, right) in steps.into_iter().rev() {
            let right = self.search_term(right);
            typed = self.binary_step(op, op_span, typed, right);
        }
        typed.spanning(expr.span)
    }

    /// `find`.
    pub(in super::super) fn find(&mut self, find: &'a syntax::Find) -> Table {
        let inputs = self.searched_tables(&find.tables, find.predicate.span);
        let by_name = self.by_name(inputs.iter().map(|(input, _)| &input.rows));
        let mut used = Vec::new();
        let mut everywhere = false;
        let condition = self.with_scope(Scope::of(by_name.clone()), |binder| {
            referenced(&find.predicate, &by_name, &mut used, &mut everywhere);
            binder.search_condition(&find.predicate)
        });
        let single = inputs.len() == 1;
        let inputs: Vec<(Table, String)> = inputs
            .into_iter()
            .filter(|(input, _)| {
                single
                    || everywhere
                    || input.rows.open
                    || used.iter().any(|name| input.rows.find(name).is_some())
            })
            .collect();
        let rows = self.found_rows(find, &inputs, &used, &by_name);
        self.find_plan(inputs, rows, condition, &by_name)
    }

    /// Unifies columns of tables by name alone.
    fn by_name<'r>(&mut self, tables: impl Iterator<Item = &'r Rows>) -> Rows {
        let mut all = Rows::default();
        for rows in tables {
            for column in &rows.columns {
                match all.columns.iter_mut().find(|known| known.name == column.name) {
                    Some(known) if known.shape != column.shape => known.shape = Shape::DYNAMIC,
                    Some(_) => {}
                    None => all.columns.push(Col { id: self.ids.next(), ..column.clone() }),
                }
            }
            all.open |= rows.open;
        }
        all
    }

    /// Returns the columns of a `find`.
    fn found_rows(
        &mut self,
        find: &'a syntax::Find,
        inputs: &[(Table, String)],
        used: &[Arc<str>],
        by_name: &Rows,
    ) -> Rows {
        let source = super::option(&find.properties, "withsource").unwrap_or("source_").to_owned();
        let mut columns = vec![self.ids.column(source.as_str(), Shape::of(ScalarType::String))];
        let pack = |binder: &mut Self| binder.ids.column(PACK_COLUMN, Shape::bag());
        match &find.columns {
            FindColumns::Project { columns: wanted, pack: packed } => {
                for (name, ty) in wanted {
                    let ty = ty.as_ref().map(|ty| self.type_named(ty));
                    match by_name.find(&name.text) {
                        Some((_, column)) => {
                            let shape = ty.map_or_else(|| column.shape.clone(), Shape::of);
                            columns.push(Col { id: self.ids.next(), name: Arc::clone(&column.name), shape });
                        }
                        None if by_name.open => {}
                        None => self.error(UNKNOWN_NAME, name.span, format!("`{}` is no column", name.text)),
                    }
                }
                if *packed {
                    columns.push(pack(self));
                }
            }
            FindColumns::Default | FindColumns::Smart | FindColumns::Away(_) => {
                let common = |name: &str| inputs.iter().all(|(input, _)| input.rows.find(name).is_some());
                let wanted = |column: &&Col| common(&column.name) || used.contains(&column.name);
                let first = inputs.first().map(|(input, _)| &input.rows);
                let ordered =
                    first.into_iter().flat_map(|rows| &rows.columns).filter(|column| common(&column.name));
                columns.extend(ordered.cloned());
                let rest: Vec<Col> = by_name.columns.iter().filter(wanted).cloned().collect();
                for column in rest {
                    if !columns.iter().any(|known| known.name == column.name) {
                        columns.push(column);
                    }
                }
                let complete = |name: &Arc<str>| columns.iter().any(|column| column.name == *name);
                if inputs
                    .iter()
                    .any(|(input, _)| !input.rows.columns.iter().all(|column| complete(&column.name)))
                {
                    columns.push(pack(self));
                }
                if let FindColumns::Away(away) = &find.columns {
                    take_away(&mut columns, away, &source);
                }
            }
        }
        let mut names = UniqueNames::default();
        columns.retain(|column| names.add(&column.name));
        let open = by_name.open && !matches!(find.columns, FindColumns::Project { .. });
        Rows { columns, open }
    }

    /// Makes the plan: a union of the tables, then the condition, then the columns.
    fn find_plan(
        &mut self,
        inputs: Vec<(Table, String)>,
        rows: Rows,
        condition: Typed,
        by_name: &Rows,
    ) -> Table {
        let mut united = Rows { columns: by_name.columns.clone(), open: by_name.open };
        let label = self.ids.column("$source", Shape::of(ScalarType::String));
        united.columns.push(label);
        let source = by_name.columns.len();
        let pack = rows.find(PACK_COLUMN).map(|_| united.columns.len());
        if pack.is_some() {
            united.columns.push(self.ids.column(PACK_COLUMN, Shape::bag()));
        }
        let inputs = inputs
            .into_iter()
            .map(|(mut input, label)| {
                let place = |column: &Col| match input.rows.find(&column.name) {
                    Some((index, _)) => UnionColumn::Input(index),
                    None => UnionColumn::Null,
                };
                let mut columns: Vec<UnionColumn> = by_name.columns.iter().map(place).collect();
                columns.push(UnionColumn::Label);
                if pack.is_some() {
                    columns.push(UnionColumn::Input(input.rows.columns.len()));
                    add_pack(&mut input, &rows);
                }
                UnionInput { pipeline: input.into_pipeline(), columns, label }
            })
            .collect();
        let exprs = rows
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let kind = if index == 0 {
                    ExprKind::Column(source)
                } else {
                    match by_name.find(&column.name) {
                        Some((at, known)) if known.ty() == column.ty() => ExprKind::Column(at),
                        Some((at, known)) => ExprKind::Convert(Box::new(Planned {
                            kind: ExprKind::Column(at),
                            ty: known.ty(),
                            span: condition.span(),
                        })),
                        None => pack.map_or(ExprKind::Broken, ExprKind::Column),
                    }
                };
                Planned { kind, ty: column.ty(), span: condition.span() }
            })
            .collect();
        let mut table = Table::new(Source::Union(inputs, united.schema()), united.clone());
        table.push(Operator::Filter(condition.expr), united);
        table.push(Operator::Project(exprs), rows);
        table
    }
}

fn take_away(columns: &mut Vec<Col>, away: &[Expr], source: &str) {
    for expr in away {
        match &strip(expr).kind {
            syntax::ExprKind::Star => columns.retain(|column| *column.name == *source),
            syntax::ExprKind::Name(name) if name.style != NameStyle::Missing => {
                columns.retain(|column| *column.name != *name.text);
            }
            _ => {}
        }
    }
}

/// Puts the columns of a table that a `find` does not show into a bag behind all others.
fn add_pack(input: &mut Table, shown: &Rows) {
    let rows = std::mem::take(&mut input.rows);
    let span = Span::default();
    let read =
        |(index, column): (usize, &Col)| Planned { kind: ExprKind::Column(index), ty: column.ty(), span };
    let mut exprs: Vec<Planned> = rows.columns.iter().enumerate().map(read).collect();
    let mut args = Vec::new();
    for (index, column) in rows.columns.iter().enumerate() {
        if shown.find(&column.name).is_none() {
            let name = ExprKind::Literal(Value::text(&*column.name));
            args.push(Planned { kind: name, ty: ScalarType::String, span });
            args.push(read((index, column)));
        }
    }
    exprs.push(Planned {
        kind: ExprKind::Call { function: "bag_pack", args },
        ty: ScalarType::Dynamic,
        span,
    });
    let mut columns = rows.columns;
    // The place is what counts; nothing looks the column up.
    columns.push(Col { id: 0, name: Arc::from(PACK_COLUMN), shape: Shape::bag() });
    input.push(Operator::Project(exprs), Rows { columns, open: rows.open });
}

/// A number is searched as it is printed.
fn as_text(term: Typed) -> Typed {
    if term.ty() == ScalarType::String {
        return term;
    }
    let span = term.span();
    let kind = ExprKind::Call { function: "tostring", args: vec![term.expr] };
    Typed::new(kind, Shape::of(ScalarType::String), span)
}

/// Collects the columns that a condition names, and whether it searches all of them.
fn referenced(expr: &Expr, rows: &Rows, used: &mut Vec<Arc<str>>, everywhere: &mut bool) {
    match &expr.kind {
        syntax::ExprKind::Name(name) => {
            if let Some((_, column)) = rows.find(&name.text) {
                if !used.contains(&column.name) {
                    used.push(Arc::clone(&column.name));
                }
            } else {
                *everywhere = true;
            }
        }
        syntax::ExprKind::Star => *everywhere = true,
        syntax::ExprKind::Literal(_) => *everywhere = true,
        syntax::ExprKind::Paren(inner) => referenced(inner, rows, used, everywhere),
        syntax::ExprKind::Binary { op: BinaryOp::And | BinaryOp::Or, left, right, .. } => {
            referenced(left, rows, used, everywhere);
            referenced(right, rows, used, everywhere);
        }
        _ => columns_in(expr, rows, used, everywhere),
    }
}

/// Collects the columns named anywhere in an expression that is a condition by itself.
fn columns_in(expr: &Expr, rows: &Rows, used: &mut Vec<Arc<str>>, everywhere: &mut bool) {
    match &expr.kind {
        syntax::ExprKind::Name(name) => {
            if let Some((_, column)) = rows.find(&name.text)
                && !used.contains(&column.name)
            {
                used.push(Arc::clone(&column.name));
            }
        }
        syntax::ExprKind::Star => *everywhere = true,
        syntax::ExprKind::Path { base, .. } => columns_in(base, rows, used, everywhere),
        syntax::ExprKind::Index { base, index } => {
            columns_in(base, rows, used, everywhere);
            columns_in(index, rows, used, everywhere);
        }
        syntax::ExprKind::Call { arguments, .. } => {
            for argument in arguments {
                columns_in(&argument.value, rows, used, everywhere);
            }
        }
        syntax::ExprKind::Unary { operand, .. } => columns_in(operand, rows, used, everywhere),
        syntax::ExprKind::Binary { left, right, .. } => {
            columns_in(left, rows, used, everywhere);
            columns_in(right, rows, used, everywhere);
        }
        syntax::ExprKind::In { operand, list, .. } => {
            columns_in(operand, rows, used, everywhere);
            for item in list {
                columns_in(item, rows, used, everywhere);
            }
        }
        syntax::ExprKind::Between { operand, low, high, .. } => {
            for part in [operand, low, high] {
                columns_in(part, rows, used, everywhere);
            }
        }
        syntax::ExprKind::Paren(inner) => columns_in(inner, rows, used, everywhere),
        _ => {}
    }
}
