//! `join`, `lookup` and `union`.

use super::super::env::{Binding, Env};
use super::super::function::Called;
use super::super::rows::{Col, Rows, number_duplicates, unify};
use super::super::source::{Table, strip};
use super::super::typed::Typed;
use super::super::{Binder, JOIN_CONDITION, NO_MATCH, Scope, TABLE_EXPECTED};
use crate::diagnostic::Diagnostic;
use crate::plan::{Asked, ExprKind, JoinKind, JoinSide, Operator, Source, UnionColumn, UnionInput};
use crate::syntax::{self, BinaryOp, Expr, NameStyle, fits_pattern};
use crate::text::Span;
use crate::types::{ScalarType, Shape, promote};

/// Whether a union leaves out tables that do not exist.
pub(in super::super) fn is_fuzzy(union: &syntax::Union) -> bool {
    super::option(&union.properties, "isfuzzy") == Some("true")
}

/// Which columns of its inputs a union has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Those that all inputs have.
    Common,
    /// Those that any input has.
    Any,
}

fn kept_columns(union: &syntax::Union) -> Keep {
    match super::option(&union.properties, "kind") {
        Some("inner") => Keep::Common,
        _ => Keep::Any,
    }
}

/// A pair of equal columns.
type Pair = (usize, usize);

impl<'a> Binder<'a> {
    pub(super) fn join(&mut self, table: &mut Table, join: &'a syntax::Join) {
        let right = self.with_scope(Scope::default(), |binder| binder.table_or_context(&join.right));
        let kind = join_kind(join);
        let keys = self.join_keys(&join.on, &right.rows);
        if join.on.is_empty() && kind.is_some() {
            self.error(JOIN_CONDITION, join.right.span, "the join has no condition: add `on`");
        }
        let kind = kind.unwrap_or(JoinKind::InnerUnique);
        let left = self.scope.rows.take().unwrap_or_default();
        let (with_left, with_right) = match kind {
            JoinKind::LeftAnti | JoinKind::LeftSemi => (true, false),
            JoinKind::RightAnti | JoinKind::RightSemi => (false, true),
            _ => (true, true),
        };
        let mut columns = Vec::new();
        let mut outputs = Vec::new();
        let mut open = false;
        if with_left {
            outputs.extend((0..left.columns.len()).map(JoinSide::Left));
            columns.extend(left.columns);
            open |= left.open;
        }
        if with_right {
            outputs.extend((0..right.rows.columns.len()).map(JoinSide::Right));
            columns.extend(right.rows.columns.iter().cloned());
            open |= right.rows.open;
        }
        number_duplicates(&mut self.ids, &mut columns);
        let right = Box::new(right.into_pipeline());
        table.push(Operator::Join { kind, right, keys, outputs }, Rows { columns, open });
    }

    pub(super) fn lookup(&mut self, table: &mut Table, join: &'a syntax::Join) {
        let right = self.with_scope(Scope::default(), |binder| binder.table_or_context(&join.right));
        let keys = self.join_keys(&join.on, &right.rows);
        let kind = match join.kind {
            Some(syntax::JoinKind::Inner) => JoinKind::Inner,
            _ => JoinKind::LeftOuter,
        };
        let left = self.scope.rows.take().unwrap_or_default();
        let mut outputs: Vec<JoinSide> = (0..left.columns.len()).map(JoinSide::Left).collect();
        let mut columns = left.columns;
        for (index, column) in right.rows.columns.iter().enumerate() {
            if !keys.iter().any(|(_, key)| *key == index) {
                outputs.push(JoinSide::Right(index));
                columns.push(column.clone());
            }
        }
        number_duplicates(&mut self.ids, &mut columns);
        let open = left.open || right.rows.open;
        let right = Box::new(right.into_pipeline());
        table.push(Operator::Join { kind, right, keys, outputs }, Rows { columns, open });
    }

    /// Binds the right side of a join. Some queries begin it with an operator, as if rows came
    /// from somewhere; that is reported where it stands.
    fn table_or_context(&mut self, expr: &'a Expr) -> Table {
        self.table(expr)
    }

    fn join_keys(&mut self, conditions: &'a [Expr], right: &Rows) -> Vec<Pair> {
        self.scope.right = Some(right.clone());
        let mut keys = Vec::new();
        for condition in conditions {
            self.join_condition(condition, &mut keys);
        }
        self.scope.right = None;
        keys
    }

    fn join_condition(&mut self, condition: &'a Expr, keys: &mut Vec<Pair>) {
        match &strip(condition).kind {
            syntax::ExprKind::Name(name) => self.common_key(name, keys),
            syntax::ExprKind::Binary { op: BinaryOp::Eq, left, right, .. } => {
                self.key_pair([left, right], keys);
            }
            syntax::ExprKind::Binary { op: BinaryOp::And, left, right, .. } => {
                self.join_condition(left, keys);
                self.join_condition(right, keys);
            }
            syntax::ExprKind::Missing => {}
            _ => {
                self.scalar(condition);
                let message = "a join condition is a column of both sides, or `$left.a == $right.b`";
                self.error(JOIN_CONDITION, condition.span, message);
            }
        }
    }

    /// A column that both sides have.
    fn common_key(&mut self, name: &'a syntax::Name, keys: &mut Vec<Pair>) {
        if name.style == NameStyle::Missing {
            return;
        }
        let text = name.text.as_str();
        let find = |rows: &Option<Rows>| {
            rows.as_ref().and_then(|rows| rows.find(text).map(|(at, col)| (at, col.ty())))
        };
        let open = |rows: &Option<Rows>| rows.as_ref().is_some_and(|rows| rows.open);
        let (left, right) = (find(&self.scope.rows), find(&self.scope.right));
        match (left, right) {
            (Some((left, left_ty)), Some((right, right_ty))) => {
                self.expect_same_types(left_ty, right_ty, name);
                keys.push((left, right));
            }
            (None, None) if !open(&self.scope.rows) && !open(&self.scope.right) => self.unknown_name(name),
            (None, Some((right, _))) if open(&self.scope.rows) => {
                let left = self.infer_on_left(text);
                keys.push((left, right));
            }
            (Some((left, _)), None) if open(&self.scope.right) => keys.push((left, usize::MAX)),
            (None, None) => {}
            (left, _) => {
                let side = if left.is_some() { "right" } else { "left" };
                let message = format!("`{text}` is no column of the {side} side of the join");
                self.report(Diagnostic::error(JOIN_CONDITION, name.span, message));
            }
        }
    }

    fn infer_on_left(&mut self, name: &str) -> usize {
        let column = self.ids.column(name, Shape::UNKNOWN);
        let rows = self.scope.rows.get_or_insert_default();
        rows.columns.push(column);
        rows.columns.len() - 1
    }

    fn expect_same_types(&mut self, left: ScalarType, right: ScalarType, name: &syntax::Name) {
        if left == ScalarType::Dynamic || right == ScalarType::Dynamic {
            if left != right {
                self.error(
                    JOIN_CONDITION,
                    name.span,
                    format!("`{}` is {left} on the left and {right} on the right", name.text),
                );
            }
            return;
        }
        if left != right && !left.is_unknown() && !right.is_unknown() {
            self.error(
                JOIN_CONDITION,
                name.span,
                format!("`{}` is {left} on the left and {right} on the right", name.text),
            );
        }
    }

    /// `$left.a == $right.b`.
    fn key_pair(&mut self, sides: [&'a Expr; 2], keys: &mut Vec<Pair>) {
        let [left_expr, right_expr] = sides;
        let mut swapped = false;
        let sides = match (side_of(left_expr), side_of(right_expr)) {
            (Some("$right"), Some("$left")) => {
                swapped = true;
                [right_expr, left_expr]
            }
            _ => [left_expr, right_expr],
        };
        let mut wrong = false;
        for (operand, expected) in sides.into_iter().zip(["$left", "$right"]) {
            if side_of(operand) != Some(expected) {
                wrong = true;
                let message = format!("`{expected}.` and a column are needed here");
                self.scalar(operand);
                self.error(JOIN_CONDITION, operand.span, message);
            }
        }
        if swapped {
            self.swapped_sides([left_expr, right_expr]);
        }
        if wrong {
            return;
        }
        let [left, right] = sides.map(|side| self.scalar(side));
        self.expect_comparable(&left, &right);
        let width = self.scope.rows.as_ref().map_or(0, |rows| rows.columns.len());
        if let (ExprKind::Column(left), ExprKind::Column(right)) = (&left.expr.kind, &right.expr.kind)
            && let Some(right) = right.checked_sub(width)
        {
            keys.push((*left, right));
        }
    }

    /// The service asks for the left side first.
    fn swapped_sides(&mut self, sides: [&'a Expr; 2]) {
        for (operand, expected) in sides.into_iter().zip(["$left", "$right"]) {
            self.error(JOIN_CONDITION, operand.span, format!("`{expected}.` and a column are needed here"));
        }
    }

    fn expect_comparable(&mut self, left: &Typed, right: &Typed) {
        for key in [left, right] {
            if key.shape.is_dynamic() {
                let message = "a join key cannot be dynamic";
                let diagnostic = Diagnostic::error(JOIN_CONDITION, key.span(), message);
                self.report(
                    diagnostic.with_help("convert it first, for example with `extend x = tostring(x)`"),
                );
                return;
            }
        }
        let (a, b) = (promote(left.ty()), promote(right.ty()));
        if a != b && !a.is_unknown() && !b.is_unknown() {
            let message = format!("a key of type {a} cannot be compared with one of type {b}");
            self.error(JOIN_CONDITION, left.span().to(right.span()), message);
        }
    }

    pub(super) fn union_stage(&mut self, table: &mut Table, union: &'a syntax::Union) {
        let rows = self.scope.rows.take().unwrap_or_default();
        let inputs = self.union_inputs(union, 1);
        let mut all = vec![&rows];
        all.extend(inputs.iter().map(|(input, _)| &input.rows));
        let label = super::option(&union.properties, "withsource");
        let keep = kept_columns(union);
        let (columns, sources, open) = self.unified(&all, label, keep);
        let own = sources.first().cloned().unwrap_or_default();
        let inputs = into_inputs(inputs, sources.into_iter().skip(1));
        let label = self.source_label(&table.pipeline, "union_arg", 0);
        let operator = Operator::Union { columns: own, label, inputs };
        table.push(operator, Rows { columns, open });
    }

    /// A union at the head of a pipeline.
    pub(in super::super) fn union_source(&mut self, union: &'a syntax::Union) -> Table {
        let inputs = self.union_inputs(union, 0);
        let all: Vec<&Rows> = inputs.iter().map(|(input, _)| &input.rows).collect();
        let label = super::option(&union.properties, "withsource");
        let keep = kept_columns(union);
        let (columns, sources, open) = self.unified(&all, label, keep);
        let rows = Rows { columns, open };
        let inputs = into_inputs(inputs, sources.into_iter());
        Table::new(Source::Union(inputs, rows.schema()), rows)
    }

    /// Binds the inputs; the first of them is numbered `first`. A fuzzy union leaves out what is missing,
    /// unless nothing is there at all.
    fn union_inputs(&mut self, union: &'a syntax::Union, first: usize) -> Vec<(Table, String)> {
        let (fuzzy, missing) = (self.fuzzy, self.missing);
        self.fuzzy |= is_fuzzy(union);
        let mut inputs = self
            .with_scope(Scope::default(), |binder| binder.several_tables(&union.tables, "union_arg", first));
        self.fuzzy = fuzzy;
        if is_fuzzy(union) && (first > 0 || inputs.iter().any(|(input, _)| !input.is_missing)) {
            self.missing = missing;
            inputs.iter_mut().filter(|(input, _)| input.is_missing).for_each(|(input, _)| input.leave_out());
        }
        inputs
    }

    /// Binds tables, patterns that stand for several included. Those that are no tables of the
    /// database are called `prefix` and a number, from `first` on.
    pub(super) fn several_tables(
        &mut self,
        exprs: &'a [Expr],
        prefix: &str,
        first: usize,
    ) -> Vec<(Table, String)> {
        let mut tables = Vec::new();
        for expr in exprs {
            match &strip(expr).kind {
                syntax::ExprKind::Name(name) if name.style == NameStyle::Pattern => {
                    let found = self.tables_like(&name.text, name.span);
                    if found.is_empty() && !self.fuzzy {
                        self.error(NO_MATCH, name.span, format!("no table fits `{}`", name.text));
                    }
                    tables.extend(found);
                }
                syntax::ExprKind::Star => tables.extend(self.tables_like("*", expr.span)),
                _ => {
                    let missing = self.missing;
                    let mut table = self.table(expr);
                    table.is_missing = missing < self.missing;
                    if table.graph.is_some() {
                        self.error(TABLE_EXPECTED, expr.span, "a table is needed here, this is a graph");
                    }
                    let label = self.source_label(&table.pipeline, prefix, first + tables.len());
                    tables.push((table, label));
                }
            }
        }
        tables
    }

    /// Returns what `withsource` calls the rows of a pipeline.
    pub(super) fn source_label(
        &self,
        pipeline: &crate::plan::Pipeline,
        prefix: &str,
        number: usize,
    ) -> String {
        match &pipeline.source {
            Source::Table { name, .. } => name.clone(),
            Source::Stored(inner) => self.source_label(inner, prefix, number),
            Source::Slot(slot, _) if self.slot_names.contains_key(slot) => {
                self.slot_names.get(slot).map(ToString::to_string).unwrap_or_default()
            }
            _ => format!("{prefix}{number}"),
        }
    }

    pub(super) fn tables_like(&mut self, pattern: &str, span: Span) -> Vec<(Table, String)> {
        let database = self.database;
        let mut found = Vec::new();
        for known in database.tables().filter(|table| fits_pattern(table.name, pattern)) {
            let table = self.stored_table(known.name.to_owned(), (**known.schema).clone(), Asked::ByPattern);
            found.push((table.starting_at(span), known.name.to_owned()));
        }
        let views: Vec<(&'a str, &'a syntax::Function, Env<'a>)> = self
            .env
            .iter()
            .filter_map(|(name, binding)| match binding {
                Binding::Function(function, env) if function.view && function.parameters.is_empty() => {
                    fits_pattern(name, pattern).then(|| (name, *function, env.clone()))
                }
                _ => None,
            })
            .collect();
        for (name, function, env) in views.into_iter().rev() {
            if let Called::Table(table) = self.call_user(function, &env, &[], function.span) {
                found.push((*table, name.to_owned()));
            }
        }
        found
    }

    /// Unifies the columns of inputs. Returns the columns, where each comes from in every input,
    /// and whether there may be more.
    pub(super) fn unified(
        &mut self,
        inputs: &[&Rows],
        label: Option<&str>,
        keep: Keep,
    ) -> (Vec<Col>, Vec<Vec<UnionColumn>>, bool) {
        let mut columns = Vec::new();
        let mut sources = vec![Vec::new(); inputs.len()];
        if let Some(label) = label {
            columns.push(self.ids.column(label, Shape::of(ScalarType::String)));
            for source in &mut sources {
                source.push(UnionColumn::Label);
            }
        }
        for (column, places) in unify(&mut self.ids, inputs) {
            let everywhere = (0..inputs.len()).all(|input| places.iter().any(|(table, _)| *table == input));
            if keep == Keep::Common && !everywhere {
                continue;
            }
            for (input, source) in sources.iter_mut().enumerate() {
                let place = places.iter().find(|(table, _)| *table == input);
                source.push(place.map_or(UnionColumn::Null, |(_, index)| UnionColumn::Input(*index)));
            }
            columns.push(column);
        }
        let open = inputs.iter().any(|rows| rows.open);
        (columns, sources, open)
    }
}

fn into_inputs(
    inputs: Vec<(Table, String)>,
    columns: impl Iterator<Item = Vec<UnionColumn>>,
) -> Vec<UnionInput> {
    inputs
        .into_iter()
        .zip(columns)
        .map(|((table, label), columns)| UnionInput { pipeline: table.into_pipeline(), columns, label })
        .collect()
}

fn side_of(expr: &Expr) -> Option<&str> {
    match &strip(expr).kind {
        syntax::ExprKind::Path { base, .. } => match &base.kind {
            syntax::ExprKind::Name(name) => Some(&name.text),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the kind of a join; nothing if the word for it means nothing, which the parser has
/// reported.
fn join_kind(join: &syntax::Join) -> Option<JoinKind> {
    Some(match join.kind {
        None if join.properties.iter().any(|property| property.name.text == "kind") => return None,
        None | Some(syntax::JoinKind::InnerUnique) => JoinKind::InnerUnique,
        Some(syntax::JoinKind::Inner) => JoinKind::Inner,
        Some(syntax::JoinKind::LeftOuter) => JoinKind::LeftOuter,
        Some(syntax::JoinKind::RightOuter) => JoinKind::RightOuter,
        Some(syntax::JoinKind::FullOuter) => JoinKind::FullOuter,
        Some(syntax::JoinKind::LeftSemi) => JoinKind::LeftSemi,
        Some(syntax::JoinKind::RightSemi) => JoinKind::RightSemi,
        Some(syntax::JoinKind::LeftAnti) => JoinKind::LeftAnti,
        Some(syntax::JoinKind::RightAnti) => JoinKind::RightAnti,
    })
}
