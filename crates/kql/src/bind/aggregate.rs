//! Calls of aggregates.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::call::{expand_star, label};
use super::typed::{Item, Several, Typed};
use super::{Binder, OUTDATED_NAME, Over};
use crate::catalogue::{Entry, Form, Naming, ResultRule};
use crate::diagnostic::Diagnostic;
use crate::plan::{AggregateCall, Expr as Planned, ExprKind};
use crate::syntax::{self, Name};
use crate::text::Span;
use crate::types::{ScalarType, Shape, promote};
use crate::value::Value;

impl<'a> Binder<'a> {
    /// Binds a call of an aggregate and returns its place in the row of groups.
    pub(super) fn aggregate(
        &mut self,
        entry: &'static Entry,
        name: &Name,
        arguments: &'a [syntax::Argument],
        span: Span,
    ) -> Typed {
        self.set_over(Over::Rows);
        let bound: Vec<Typed> = arguments.iter().map(|argument| self.named_argument(argument)).collect();
        self.set_over(Over::Groups);
        let (shape, rule) = self.resolve(entry, name, &bound);
        self.check_count(entry, &bound);
        let items = match rule {
            Some(ResultRule::Extreme) => self.extreme(entry, &bound, AnyName::Extreme),
            Some(ResultRule::Each) => self.extreme(entry, &bound, AnyName::Any),
            Some(ResultRule::Percentiles) => percentiles(entry, &bound),
            _ => Vec::new(),
        };
        let label = label(entry.naming, &bound);
        let several = !items.is_empty();
        let results: Vec<ScalarType> = if several {
            items.iter().map(|item| item.shape.scalar()).collect()
        } else {
            vec![shape.scalar()]
        };
        let args = match rule {
            Some(ResultRule::Extreme | ResultRule::Each) => {
                items.iter().map(|item| item.expr.clone()).collect()
            }
            _ => expand_star(self, bound),
        };
        let base = self.add_aggregate(AggregateCall { aggregate: entry.canonical, args, results, span });
        let mut typed = Typed::new(ExprKind::Column(base), shape, span).with_name(label);
        if several {
            let items = items.into_iter().enumerate().map(|(index, item)| Item {
                expr: Planned { kind: ExprKind::Column(base + index), ty: item.shape.scalar(), span },
                ..item
            });
            typed.several = Some(Box::new(Several { items: items.collect() }));
        }
        typed
    }

    /// `count(x)` looks as if it counted values, but counts rows.
    fn check_count(&mut self, entry: &Entry, arguments: &[Typed]) {
        let Some(only) = arguments.first().filter(|_| entry.name == "count") else {
            return;
        };
        let condition = matches!(only.shape, Shape::Scalar(ScalarType::Bool | ScalarType::Unknown));
        let message = if condition {
            "`count` with a condition is out of date"
        } else {
            "`count(x)` counts all rows, whatever `x` is"
        };
        let help = if condition {
            "use `countif`"
        } else {
            "use `count()`, `countif(isnotempty(x))` or `dcount(x)`"
        };
        self.report(Diagnostic::warning(OUTDATED_NAME, only.span(), message).with_help(help));
    }

    fn add_aggregate(&mut self, call: AggregateCall) -> usize {
        let Some(aggregation) = &mut self.scope.aggregation else {
            return 0;
        };
        let base = aggregation.next;
        aggregation.next += call.results.len();
        aggregation.calls.push(call);
        base
    }

    /// Returns the values that `arg_max`, `take_any` and the like give: columns once, those of the
    /// group's key left out of `*`.
    fn extreme(&mut self, entry: &Entry, arguments: &[Typed], kind: AnyName) -> Vec<Item> {
        let star = arguments.iter().any(|argument| argument.form == Form::Star);
        let keys =
            self.scope.aggregation.as_ref().map(|aggregation| aggregation.keys.clone()).unwrap_or_default();
        let mut seen = BTreeSet::new();
        let mut items: Vec<Item> = Vec::new();
        let first =
            arguments.first().and_then(|argument| argument.name.clone()).unwrap_or_else(|| Arc::from(""));
        let prefix = match entry.naming {
            Naming::EachPrefixed(prefix) | Naming::Prefix(prefix) => Some(prefix),
            _ => None,
        };
        let old = matches!(entry.naming, Naming::EachPrefixed(_));
        let rename = |name: Arc<str>, index: usize| -> Arc<str> {
            match prefix {
                Some(prefix) if old && index > 0 => format!("{prefix}_{first}_{name}").into(),
                Some(prefix) => format!("{prefix}_{name}").into(),
                None => name,
            }
        };
        for (index, argument) in arguments.iter().enumerate() {
            if argument.form == Form::Star {
                for (place, column) in self.scope_columns() {
                    if keys.contains(&column.id) || !seen.insert(column.id) {
                        continue;
                    }
                    let expr = Planned { kind: place, ty: column.ty(), span: argument.span() };
                    let id = prefix.is_none().then_some(column.id);
                    items.push(Item { name: rename(column.name, 1), expr, shape: column.shape, column: id });
                }
                continue;
            }
            let known = argument.column;
            let repeated = known.is_some_and(|id| seen.contains(&id) || (keys.contains(&id) && index > 0));
            if star && repeated && (index > 0 || kind == AnyName::Any) {
                continue;
            }
            let fresh = known.filter(|id| !keys.contains(id) && seen.insert(*id));
            let name = argument.name.clone().unwrap_or_else(|| fallback_name(kind, entry, &first, index));
            let column = fresh.filter(|_| prefix.is_none());
            let item = Item {
                name: rename(name, index),
                expr: argument.expr.clone(),
                shape: argument.shape.clone(),
                column,
            };
            items.push(item);
        }
        items
    }
}

/// Which family of multi-valued aggregate is named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AnyName {
    Extreme,
    Any,
}

fn fallback_name(kind: AnyName, entry: &Entry, first: &str, index: usize) -> Arc<str> {
    match kind {
        AnyName::Any => format!("arg{index}").into(),
        AnyName::Extreme => {
            let short = if entry.canonical == "arg_max" { "max" } else { "min" };
            if index == 0 { format!("{short}_").into() } else { format!("{short}_{first}_arg{index}").into() }
        }
    }
}

fn percentiles(entry: &Entry, arguments: &[Typed]) -> Vec<Item> {
    let weighted =
        usize::from(entry.name.starts_with("percentilew") || entry.name.starts_with("percentilesw"));
    let Some(value) = arguments.first() else {
        return Vec::new();
    };
    let name = value.name.clone().unwrap_or_else(|| Arc::from(""));
    let shape = match &value.shape {
        Shape::Scalar(ty) => Shape::Scalar(promote(*ty)),
        other => other.clone(),
    };
    let percentile = |argument: &Typed| Item {
        name: format!("percentile_{name}_{}", number_text(argument)).into(),
        expr: argument.expr.clone(),
        shape: shape.clone(),
        column: None,
    };
    arguments.iter().skip(1 + weighted).map(percentile).collect()
}

fn number_text(argument: &Typed) -> String {
    match &argument.expr.kind {
        ExprKind::Literal(Value::Long(Some(number))) => number.to_string(),
        ExprKind::Literal(Value::Int(Some(number))) => number.to_string(),
        ExprKind::Literal(Value::Real(Some(number))) => number.to_string().replace('.', "_"),
        _ => String::new(),
    }
}
