//! Operators that compute or choose columns.

use std::sync::Arc;

use super::super::rows::{Clash, Col, Projection, Rows};
use super::super::source::{Table, strip};
use super::super::typed::{Item, Typed};
use super::super::{Binder, COLUMN_EXPECTED, NAMES_AND_VALUES, NO_MATCH, SCALAR_EXPECTED};
use crate::catalogue::Form;
use crate::plan::{Expr as Planned, ExprKind, Operator, Source};
use crate::syntax::{self, Expr, Name, NameStyle, NamedExpr, Order, ReorderItem, fits_pattern};
use crate::text::Span;
use crate::types::Shape;

/// How the columns of an operator are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `project`, `distinct`, keys of groups.
    Plain,
    /// `extend`: a column takes the place of one with its name.
    Extend,
    /// `mv-expand`: so does one without a name of its own.
    Replace,
    /// `print`: unnamed columns are numbered from zero.
    Print(usize),
}

impl Style {
    const fn clash(self) -> Clash {
        match self {
            Self::Extend | Self::Replace => Clash::Replace,
            Self::Plain | Self::Print(_) => Clash::Number,
        }
    }
}

/// Columns being made, and what computes each.
#[derive(Debug, Default)]
pub(super) struct Making {
    pub(super) projection: Projection,
    pub(super) sources: Vec<Planned>,
}

impl Making {
    fn source(&mut self, expr: Planned) -> usize {
        self.sources.push(expr);
        self.sources.len() - 1
    }

    /// Returns the columns and what computes each.
    pub(super) fn finish(self) -> (Vec<Col>, Vec<Planned>) {
        let sources = self.sources;
        let chosen = self.projection.finish();
        let exprs = chosen.iter().filter_map(|(_, origin)| sources.get(*origin).cloned()).collect();
        (chosen.into_iter().map(|(column, _)| column).collect(), exprs)
    }
}

impl<'a> Binder<'a> {
    pub(super) fn project(&mut self, table: &mut Table, items: &'a [NamedExpr]) {
        let mut making = Making::default();
        for item in items {
            let typed = self.column_value(&item.expr);
            self.make_column(&mut making, item, typed, Style::Plain);
        }
        self.finish_project(table, making);
    }

    pub(super) fn extend(&mut self, table: &mut Table, items: &'a [NamedExpr]) {
        self.add_columns(table, items, Style::Extend);
    }

    pub(super) fn serialize(&mut self, table: &mut Table, items: &'a [NamedExpr]) {
        let rows = self.in_scope();
        table.push(Operator::Serialize, rows);
        if !items.is_empty() {
            self.add_columns(table, items, Style::Extend);
        }
    }

    fn add_columns(&mut self, table: &mut Table, items: &'a [NamedExpr], style: Style) {
        let bound: Vec<Typed> = items.iter().map(|item| self.column_value(&item.expr)).collect();
        let mut making = self.making_of_scope();
        for (item, typed) in items.iter().zip(bound) {
            self.make_column(&mut making, item, typed, style);
        }
        self.finish_project(table, making);
    }

    /// Starts with the columns in scope.
    pub(super) fn making_of_scope(&mut self) -> Making {
        let mut making = Making::default();
        for (kind, column) in self.scope_columns() {
            let expr = Planned { kind, ty: column.ty(), span: Span::default() };
            let origin = making.source(expr);
            let id = column.id;
            making.projection.add(&mut self.ids, column, origin, Clash::Number);
            making.projection.skip(id);
        }
        making
    }

    /// Adds the projection; rows that are open stay so where the operator keeps all columns.
    fn finish_project(&mut self, table: &mut Table, making: Making) {
        let (columns, exprs) = making.finish();
        let open = self.scope.rows.as_ref().is_some_and(|rows| rows.open);
        table.push(Operator::Project(exprs), Rows { columns, open });
    }

    /// Binds an expression that becomes a column.
    pub(super) fn column_value(&mut self, expr: &'a Expr) -> Typed {
        let typed = self.scalar(expr);
        if typed.form == Form::Table {
            self.error(SCALAR_EXPECTED, expr.span, "a scalar is needed here, this is a table");
        }
        typed
    }

    /// Adds the column, or columns, of an expression.
    pub(super) fn make_column(
        &mut self,
        making: &mut Making,
        item: &'a NamedExpr,
        typed: Typed,
        style: Style,
    ) {
        match (item.names.as_slice(), item.tuple) {
            ([], _) => self.make_unnamed(making, item, typed, style),
            ([name], false) => self.make_named(making, name, typed, style),
            (names, _) => self.make_tuple(making, names, typed, style),
        }
    }

    fn make_named(&mut self, making: &mut Making, name: &'a Name, typed: Typed, style: Style) {
        if let Some(several) = typed.several {
            // A function gives a single name its first value; an aggregate gives the others too.
            for (index, value) in several.items.into_iter().enumerate() {
                if index == 0 {
                    self.declare_item(making, name, value, Clash::Replace);
                } else if !matches!(value.expr.kind, ExprKind::Item(..)) {
                    self.add_item(making, value);
                }
            }
            return;
        }
        let clash = if typed.column.is_some() { Clash::Replace } else { style.clash() };
        let item =
            Item { name: Arc::from(name.text.as_str()), expr: typed.expr, shape: typed.shape, column: None };
        self.declare_item(making, name, item, clash);
    }

    fn declare_item(&mut self, making: &mut Making, name: &Name, item: Item, clash: Clash) {
        let column = self.ids.column(name.text.as_str(), item.shape);
        let origin = making.source(item.expr);
        if making.projection.declare(&mut self.ids, column, origin, clash).is_err() {
            self.duplicate_column(&name.text, name.span);
        }
    }

    fn add_item(&mut self, making: &mut Making, item: Item) {
        let origin = making.source(item.expr);
        let id = item.column.unwrap_or_else(|| self.ids.next());
        let column = Col { id, name: item.name, shape: item.shape };
        making.projection.add(&mut self.ids, column, origin, Clash::Number);
    }

    fn make_tuple(&mut self, making: &mut Making, names: &'a [Name], typed: Typed, style: Style) {
        let Some(several) = typed.several else {
            if let [name] = names {
                self.make_named(making, name, typed, style);
            } else if let (Some(first), Some(last)) = (names.first(), names.last())
                && !typed.shape.is_unknown()
            {
                let message = format!("{} names are given to a single value", names.len());
                self.error(NAMES_AND_VALUES, first.span.to(last.span), message);
            }
            return;
        };
        let count = several.items.len();
        for (index, value) in several.items.into_iter().enumerate() {
            match names.get(index) {
                Some(name) => self.declare_item(making, name, value, style.clash()),
                None if matches!(style, Style::Print(_)) => {}
                None => self.add_item(making, value),
            }
        }
        for name in names.iter().skip(count) {
            self.error(NAMES_AND_VALUES, name.span, format!("there is no value for `{}`", name.text));
        }
    }

    fn make_unnamed(&mut self, making: &mut Making, item: &'a NamedExpr, typed: Typed, style: Style) {
        if typed.form == Form::Star {
            for (kind, column) in self.scope_columns() {
                let origin = making.source(Planned { kind, ty: column.ty(), span: item.span });
                making.projection.add(&mut self.ids, column, origin, Clash::Replace);
            }
            return;
        }
        if let (Some(id), Some(name)) = (typed.column, &typed.name) {
            let column = Col { id, name: Arc::clone(name), shape: typed.shape };
            let clash = if style == Style::Replace { Clash::Replace } else { Clash::Number };
            let origin = making.source(typed.expr);
            if making.projection.declare(&mut self.ids, column, origin, clash).is_err() {
                self.duplicate_column(name, item.span);
            }
            return;
        }
        let is_several = typed.several.as_ref().is_some_and(|several| several.items.len() > 1);
        if let (Style::Print(index), false) = (style, is_several) {
            let column = self.ids.column(format!("print_{index}"), typed.shape);
            let origin = making.source(typed.expr);
            making.projection.add(&mut self.ids, column, origin, Clash::Number);
            return;
        }
        if let Some(several) = typed.several {
            for value in several.items {
                self.add_item(making, value);
            }
            return;
        }
        let name = typed.name.clone().filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| self.unnamed_column());
        let column = self.ids.column(name, typed.shape);
        let origin = making.source(typed.expr);
        making.projection.add(&mut self.ids, column, origin, style.clash());
    }

    /// `print`.
    pub(in super::super) fn print(&mut self, items: &'a [NamedExpr]) -> Table {
        let mut making = Making::default();
        for (index, item) in items.iter().enumerate() {
            let typed = self.column_value(&item.expr);
            self.make_column(&mut making, item, typed, Style::Print(index));
        }
        let (columns, exprs) = making.finish();
        let rows = Rows { columns, open: false };
        Table::new(Source::Row(exprs, rows.schema()), rows)
    }

    pub(super) fn project_away(&mut self, table: &mut Table, items: &'a [Expr]) {
        let away = self.chosen(items);
        self.choose(table, |column| !away.contains(&column.name));
    }

    pub(super) fn project_keep(&mut self, table: &mut Table, items: &'a [Expr]) {
        let kept = self.chosen(items);
        self.choose(table, |column| kept.contains(&column.name));
    }

    fn choose(&mut self, table: &mut Table, keep: impl Fn(&Col) -> bool) {
        let chosen: Vec<(ExprKind, Col)> =
            self.scope_columns().into_iter().filter(|(_, column)| keep(column)).collect();
        let exprs = chosen
            .iter()
            .map(|(kind, column)| Planned { kind: kind.clone(), ty: column.ty(), span: Span::default() })
            .collect();
        let open = self.scope.rows.as_ref().is_some_and(|rows| rows.open);
        let columns = chosen.into_iter().map(|(_, column)| column).collect();
        table.push(Operator::Project(exprs), Rows { columns, open });
    }

    /// Returns the names of the columns that names and patterns choose.
    fn chosen(&mut self, items: &'a [Expr]) -> Vec<Arc<str>> {
        let mut names = Vec::new();
        for item in items {
            names.extend(self.matching(item).into_iter().map(|(_, column)| column.name));
        }
        names
    }

    /// Returns the columns that a name or a pattern means.
    fn matching(&mut self, item: &'a Expr) -> Vec<(ExprKind, Col)> {
        match &strip(item).kind {
            syntax::ExprKind::Star => self.scope_columns(),
            syntax::ExprKind::Name(name) if name.style == NameStyle::Pattern => {
                let all = self.scope_columns();
                let found: Vec<(ExprKind, Col)> =
                    all.into_iter().filter(|(_, column)| fits_pattern(&column.name, &name.text)).collect();
                let open = self.scope.rows.as_ref().is_some_and(|rows| rows.open);
                if found.is_empty() && !open {
                    self.error(NO_MATCH, name.span, format!("no column fits `{}`", name.text));
                }
                found
            }
            _ => {
                let typed = self.scalar(item);
                if let (Some(id), Some(name)) = (typed.column, &typed.name) {
                    let column = Col { id, name: Arc::clone(name), shape: typed.shape };
                    vec![(typed.expr.kind, column)]
                } else {
                    if !typed.shape.is_unknown() {
                        self.error(COLUMN_EXPECTED, item.span, "a column is needed here");
                    }
                    Vec::new()
                }
            }
        }
    }

    pub(super) fn project_rename(&mut self, table: &mut Table, items: &'a [NamedExpr]) {
        let mut old_names = Vec::new();
        for item in items {
            let typed = self.scalar(&item.expr);
            match (super::given_name(item), typed.column, typed.name) {
                (Some(new), Some(_), Some(old)) => old_names.push((new, old)),
                (None, _, _) => self.error(COLUMN_EXPECTED, item.span, "write `new = old`"),
                _ if typed.shape.is_unknown() => {}
                _ => self.error(COLUMN_EXPECTED, item.expr.span, "a column is needed here"),
            }
        }
        let mut making = self.making_of_scope();
        making.projection.declare_present();
        for (new, old) in old_names {
            let name: Arc<str> = Arc::from(new.text.as_str());
            if making.projection.rename(&mut self.ids, &old, &name).is_err() {
                self.duplicate_column(&new.text, new.span);
            }
        }
        self.finish_project(table, making);
    }

    pub(super) fn project_reorder(&mut self, table: &mut Table, items: &'a [ReorderItem]) {
        let mut making = Making::default();
        for item in items {
            let is_pattern = matches!(&strip(&item.column).kind, syntax::ExprKind::Name(name) if name.style == NameStyle::Pattern)
                || matches!(strip(&item.column).kind, syntax::ExprKind::Star);
            let mut columns = self.matching(&item.column);
            if is_pattern {
                order_columns(&mut columns, item.order);
            }
            for (kind, column) in columns {
                let origin = making.source(Planned { kind, ty: column.ty(), span: item.column.span });
                let (id, name) = (column.id, Arc::clone(&column.name));
                if is_pattern {
                    making.projection.add(&mut self.ids, column, origin, Clash::Number);
                } else if making.projection.declare(&mut self.ids, column, origin, Clash::Number).is_err() {
                    self.duplicate_column(&name, item.column.span);
                }
                making.projection.skip(id);
            }
        }
        for (kind, column) in self.scope_columns() {
            let origin = making.source(Planned { kind, ty: column.ty(), span: Span::default() });
            making.projection.add(&mut self.ids, column, origin, Clash::Number);
        }
        self.finish_project(table, making);
    }

    pub(super) fn project_by_names(&mut self, table: &mut Table, items: &'a [Expr]) {
        let mut patterns = Vec::new();
        for item in items {
            let typed = self.scalar(item);
            patterns.extend(typed.text().map(str::to_owned));
            if let ExprKind::Literal(crate::value::Value::Dynamic(value)) = &typed.expr.kind {
                let texts = value.as_array().unwrap_or_default().iter();
                patterns.extend(texts.filter_map(|text| match text.clone().into_scalar() {
                    crate::value::Value::String(text) => Some((*text).to_owned()),
                    _ => None,
                }));
            }
        }
        let mut making = Making::default();
        for pattern in patterns {
            for (kind, column) in self.scope_columns() {
                if fits_pattern(&column.name, &pattern) {
                    let origin = making.source(Planned { kind, ty: column.ty(), span: Span::default() });
                    let id = column.id;
                    making.projection.add(&mut self.ids, column, origin, Clash::Number);
                    making.projection.skip(id);
                }
            }
        }
        self.finish_project(table, making);
    }

    /// Returns the shape of a column that is computed elsewhere.
    pub(super) fn dynamic_column(&mut self, name: Arc<str>, shape: Shape) -> Col {
        self.ids.column(name, shape)
    }
}

fn order_columns(columns: &mut [(ExprKind, Col)], order: Option<Order>) {
    let key = |entry: &(ExprKind, Col)| entry.1.name.to_lowercase();
    match order {
        None => {}
        Some(Order::Asc) => columns.sort_by_key(key),
        Some(Order::Desc) => columns.sort_by_key(|entry| std::cmp::Reverse(key(entry))),
        Some(Order::GrannyAsc) => columns.sort_by_key(|entry| natural(&entry.1.name)),
        Some(Order::GrannyDesc) => columns.sort_by_key(|entry| std::cmp::Reverse(natural(&entry.1.name))),
    }
}

/// Returns a key by which numbers in names compare as numbers.
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut parts: Vec<(u64, String)> = Vec::new();
    for letter in name.to_lowercase().chars() {
        match (letter.to_digit(10), parts.last_mut()) {
            (Some(digit), Some((number, text))) if text.is_empty() => {
                *number = number.saturating_mul(10).saturating_add(u64::from(digit));
            }
            (Some(digit), _) => parts.push((u64::from(digit), String::new())),
            (None, Some((_, text))) if !text.is_empty() => text.push(letter),
            (None, _) => parts.push((u64::MAX, letter.to_string())),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_compare_as_numbers() {
        assert!(natural("a2") < natural("a10"));
        assert!(natural("a2b") < natural("a2c"));
    }
}
