//! `mv-expand` and `mv-apply`.

use std::sync::Arc;

use super::super::rows::{Clash, Rows};
use super::super::source::Table;
use super::super::typed::Typed;
use super::super::{Binder, Scope, WRONG_TYPE};
use super::project::{Making, Style};
use crate::plan::{ExpandOutput, Expanded, Expr as Planned, ExprKind, MvExpand, Operator};
use crate::syntax::{self, Expand, ExpandItem};
use crate::text::Span;
use crate::types::{ScalarType, Shape};

/// An expansion, its columns, and the identities of the columns it replaces.
struct Expansion {
    plan: MvExpand,
    rows: Rows,
    replaced: Vec<u32>,
}

impl<'a> Binder<'a> {
    pub(super) fn mv_expand(&mut self, table: &mut Table, expand: &'a Expand) {
        let expansion = self.expansion(expand);
        table.push(Operator::MvExpand(expansion.plan), expansion.rows);
    }

    pub(super) fn mv_apply(&mut self, table: &mut Table, apply: &'a syntax::MvApply) {
        let expansion = self.expansion(&apply.expand);
        let before = self.in_scope();
        let inner =
            self.with_scope(Scope::default(), |binder| binder.pipeline(&apply.body, Some(expansion.rows)));
        let mut making = Making::default();
        let mut outputs = Vec::new();
        for (index, column) in before.columns.iter().enumerate() {
            if expansion.replaced.contains(&column.id) {
                continue;
            }
            outputs.push(crate::plan::JoinSide::Left(index));
            making.projection.add(&mut self.ids, column.clone(), outputs.len() - 1, Clash::Number);
        }
        for (index, column) in inner.rows.columns.iter().enumerate() {
            outputs.push(crate::plan::JoinSide::Right(index));
            making.projection.add(&mut self.ids, column.clone(), outputs.len() - 1, Clash::Replace);
        }
        let open = before.open || inner.rows.open;
        let chosen = making.projection.finish();
        let outputs = chosen.iter().filter_map(|(_, origin)| outputs.get(*origin).copied()).collect();
        let columns = chosen.into_iter().map(|(column, _)| column).collect();
        let inner = Box::new(inner.into_pipeline());
        let operator = Operator::MvApply { expand: expansion.plan, inner, outputs };
        table.push(operator, Rows { columns, open });
    }

    fn expansion(&mut self, expand: &'a Expand) -> Expansion {
        let bag_as_array = ["bagexpansion", "kind"]
            .iter()
            .any(|name| super::option(&expand.properties, name) == Some("array"));
        // What a property of a bag becomes.
        let pair = if bag_as_array { Shape::array(&Shape::DYNAMIC) } else { Shape::bag() };
        let mut bound: Vec<(&'a ExpandItem, Typed)> = Vec::new();
        for item in &expand.items {
            let typed = self.scalar(&item.expr.expr);
            self.expect_expandable(&typed);
            bound.push((item, typed));
        }
        let mut making = self.making_of_scope();
        let width = making.sources.len();
        let mut items = Vec::new();
        let mut replaced = Vec::new();
        for (item, typed) in bound {
            let shape = match &item.to {
                Some(name) => Shape::of(self.type_named(name)),
                None => element_shape(&typed.shape, &pair),
            };
            replaced.extend(typed.column.filter(|_| item.expr.names.is_empty()));
            items.push(Expanded { expr: typed.expr.clone(), to: shape.scalar() });
            // The place of the item among the sources tells it apart from the row's columns.
            let marker = Planned { kind: ExprKind::Broken, ty: shape.scalar(), span: typed.span() };
            let value = Typed { expr: marker, shape, ..typed };
            self.make_column(&mut making, &item.expr, value, Style::Replace);
        }
        let index_name = super::option(&expand.properties, "with_itemindex");
        if let Some(name) = index_name {
            let marker = Planned { kind: ExprKind::Broken, ty: ScalarType::Long, span: Span::default() };
            self.add_numbered(&mut making, Arc::from(name), Shape::of(ScalarType::Long), marker);
        }
        let limit = expand.limit.as_deref().map(|limit| self.count_expr(limit));
        let chosen = making.projection.finish();
        let outputs = chosen.iter().map(|(_, origin)| output(*origin, width, items.len())).collect();
        let open = self.scope.rows.as_ref().is_some_and(|rows| rows.open);
        let rows = Rows { columns: chosen.into_iter().map(|(column, _)| column).collect(), open };
        let plan = MvExpand { items, bag_as_array, with_item_index: index_name.is_some(), limit, outputs };
        Expansion { plan, rows, replaced }
    }

    fn expect_expandable(&mut self, typed: &Typed) {
        if !typed.shape.is_dynamic() && !typed.shape.is_unknown() {
            let message = format!("a dynamic array or bag is needed here, this is {}", typed.shape.name());
            let diagnostic = crate::diagnostic::Diagnostic::error(WRONG_TYPE, typed.span(), message);
            let string = typed.ty() == ScalarType::String;
            self.report(if string {
                diagnostic.with_help("use `parse_json` on the text first")
            } else {
                diagnostic
            });
        }
    }
}

/// Returns where a column of an expansion comes from: sources are the row's columns, then the
/// items, then the index.
const fn output(origin: usize, width: usize, items: usize) -> ExpandOutput {
    if origin < width {
        ExpandOutput::Input(origin)
    } else if origin < width + items {
        ExpandOutput::Item(origin - width)
    } else {
        ExpandOutput::Index
    }
}

fn element_shape(shape: &Shape, bag: &Shape) -> Shape {
    match shape {
        Shape::Array(element) => element.in_dynamic(),
        Shape::Bag(_) => bag.clone(),
        Shape::Holding(_) => Shape::DYNAMIC,
        other => other.clone(),
    }
}
