//! Calls of functions and aggregates in scalar places.

use std::sync::Arc;

use super::env::Binding;
use super::typed::{Item, Several, Typed};
use super::{
    Binder, COLUMN_EXPECTED, CONSTANT_EXPECTED, NO_COMMON_TYPE, NO_SIGNATURE, OUT_OF_PLACE, OUTDATED_NAME, Scope, TABLE_EXPECTED,
    WRONG_COUNT, WRONG_TYPE,
};
use crate::catalogue::{self, Argument, Entry, Form, Misfit, Naming, ResultRule, Strictness};
use crate::diagnostic::Diagnostic;
use crate::plan::{AggregateCall, Expr as Planned, ExprKind};
use crate::syntax::{self, Expr, Name};
use crate::text::Span;
use crate::types::{ScalarType, Shape, promote};

impl<'a> Binder<'a> {
    /// Binds a call that has to give a scalar.
    pub(super) fn call(
        &mut self,
        receiver: Option<&'a Expr>,
        name: &'a Name,
        arguments: &'a [syntax::Argument],
        span: Span,
    ) -> Typed {
        if receiver.is_some() {
            self.error(super::SCALAR_EXPECTED, span, "a scalar is needed here, this is a table");
            return Typed::broken(span);
        }
        if let Some(Binding::Function(function, env)) = self.env.find(&name.text) {
            let (function, env) = (*function, env.clone());
            return self.call_user(function, &env, arguments, name.span).into_scalar(self, span);
        }
        if let Some(typed) = self.element_call(name, arguments, span) {
            return typed;
        }
        match name.text.as_str() {
            "toscalar" => return self.to_scalar(arguments, span),
            "column_ifexists" | "columnifexists" => {
                if let Some(typed) = self.column_if_exists(name, arguments, span) {
                    return typed;
                }
            }
            "materialize" | "table" | "externaldata" => {
                self.error(super::SCALAR_EXPECTED, span, "a scalar is needed here, this is a table");
                return Typed::broken(span);
            }
            _ => {}
        }
        let active = self.scope.aggregation.as_ref().is_some_and(|aggregation| aggregation.active);
        if active && let Some(entry) = catalogue::aggregate(&name.text) {
            return self.aggregate(entry, name, arguments, span);
        }
        if let Some(function) = self.stored_function(&name.text) {
            return self.call_user(function, &super::Env::default(), arguments, name.span).into_scalar(self, span);
        }
        match catalogue::function(&name.text) {
            Some(entry) => self.builtin(entry, name, arguments, span),
            None => {
                self.unknown_call(name);
                for argument in arguments {
                    self.argument(&argument.value);
                }
                Typed::broken(span)
            }
        }
    }

    fn unknown_call(&mut self, name: &Name) {
        if catalogue::aggregate(&name.text).is_some() {
            let message = format!("the aggregate `{}` is not possible here", name.text);
            self.error(OUT_OF_PLACE, name.span, message);
        } else if catalogue::plugin(&name.text).is_some() {
            self.error(OUT_OF_PLACE, name.span, format!("`{}` is a plugin: use `evaluate`", name.text));
        } else if !self.fuzzy {
            self.unknown_function(name);
        }
    }

    /// Binds an argument that may be a table.
    fn argument(&mut self, expr: &'a Expr) -> Typed {
        match self.table_argument(expr) {
            Some(_) => Typed::broken(expr.span).with_form(Form::Table),
            None => self.scalar(expr),
        }
    }

    fn builtin(&mut self, entry: &'static Entry, name: &Name, arguments: &'a [syntax::Argument], span: Span) -> Typed {
        let arguments: Vec<Typed> = arguments.iter().map(|argument| self.named_argument(argument)).collect();
        let (shape, rule) = self.resolve(entry, name, &arguments);
        let steady = entry.steady && arguments.iter().all(Typed::is_constant);
        let form = if steady { Form::Constant } else { Form::Scalar };
        let label = label(entry.naming, &arguments);
        let column = unconverted(entry, &arguments, &shape);
        let several = rule.and_then(|rule| several_names(rule, entry, &arguments));
        let args = expand_star(self, arguments);
        let kind = ExprKind::Call { function: entry.canonical, args };
        let mut typed = Typed::new(kind, shape, span).with_form(form).with_name(label);
        typed.column = column;
        if let Some(items) = several {
            let whole = typed.expr.clone();
            let items = items.into_iter().enumerate().map(|(index, (name, shape))| Item {
                name,
                expr: Planned { kind: ExprKind::Item(Box::new(whole.clone()), index), ty: shape.scalar(), span },
                shape,
                column: None,
            });
            typed.several = Some(Box::new(Several { items: items.collect() }));
            typed.expr = Planned { kind: ExprKind::Item(Box::new(whole), 0), ty: typed.shape.scalar(), span };
        }
        typed
    }

    /// Finds the signature that a call means, reports what does not fit, and returns the type of
    /// the result and the rule it follows.
    fn resolve(&mut self, entry: &'static Entry, name: &Name, arguments: &[Typed]) -> (Shape, Option<&'static ResultRule>) {
        let plain: Vec<Argument> = arguments.iter().map(Typed::argument).collect();
        let found = catalogue::resolve(&entry.signatures, &plain, Strictness::Lenient);
        for misfit in &found.misfits {
            self.misfit(misfit, name, arguments);
        }
        (found.shape, found.signature.map(|signature| &signature.result))
    }

    /// Reports what is wrong with a call.
    pub(super) fn misfit(&mut self, misfit: &Misfit, name: &Name, arguments: &[Typed]) {
        let text = name.text.as_str();
        let at = |index: usize| arguments.get(index).map_or(name.span, Typed::span);
        match misfit {
            Misfit::Count { min, max } => {
                let expected = count_text(*min, *max);
                let message = format!("`{text}` takes {expected}, not {}", arguments.len());
                self.error(WRONG_COUNT, name.span, message);
            }
            Misfit::NoSignature => {
                let types: Vec<&str> = arguments.iter().map(|argument| argument.shape.name()).collect();
                let message = format!("`{text}` is not defined for ({})", types.join(", "));
                self.error(NO_SIGNATURE, name.span, message);
            }
            Misfit::NoCommonType => {
                self.error(NO_COMMON_TYPE, name.span, format!("the arguments of `{text}` have no type in common"));
            }
            Misfit::Type { index, expected } => {
                let is_table = arguments.get(*index).is_some_and(|argument| argument.form == Form::Table);
                let found = if is_table { "a table" } else { arguments.get(*index).map_or("", |typed| typed.shape.name()) };
                self.error(WRONG_TYPE, at(*index), format!("{expected} is needed here, this is {found}"));
            }
            Misfit::Star(index) => self.error(WRONG_TYPE, at(*index), "`*` is not possible here"),
            Misfit::NotColumn(index) => self.error(COLUMN_EXPECTED, at(*index), "a column is needed here"),
            Misfit::NotConstant(index) => {
                self.error(CONSTANT_EXPECTED, at(*index), "something that does not depend on the row is needed here");
            }
            Misfit::NotLiteral(index) => {
                self.error(CONSTANT_EXPECTED, at(*index), "a literal is needed here");
            }
        }
    }

    fn to_scalar(&mut self, arguments: &'a [syntax::Argument], span: Span) -> Typed {
        let Some(argument) = arguments.iter().find(|argument| argument.name.is_none()) else {
            self.error(WRONG_COUNT, span, "`toscalar` takes one argument");
            return Typed::broken(span);
        };
        let expr = &argument.value;
        let reads = self.local_reads;
        let table = self.with_scope(Scope::default(), |binder| binder.table_argument(expr));
        let Some(mut table) = table else {
            return self.with_scope(Scope::default(), |binder| binder.scalar(expr)).with_form(Form::Constant);
        };
        if reads != self.local_reads {
            table.unsupported("toscalar that depends on the row");
        }
        let shape = match table.rows.columns.first() {
            Some(column) => column.shape.clone(),
            None => {
                if !table.rows.open {
                    self.error(TABLE_EXPECTED, expr.span, "the table has no columns");
                }
                Shape::UNKNOWN
            }
        };
        let slot = self.table_slot(table);
        Typed::new(ExprKind::FirstOf(slot), shape, span).with_form(Form::Constant)
    }

    /// `column_ifexists("x", default)` is the column if there is one.
    fn column_if_exists(&mut self, name: &Name, arguments: &'a [syntax::Argument], span: Span) -> Option<Typed> {
        let [wanted, default] = arguments else {
            return None;
        };
        let wanted = self.scalar(&wanted.value);
        let default = self.scalar(&default.value);
        let wanted = wanted.text()?.to_owned();
        let found = self.scope.rows.as_ref().and_then(|rows| rows.find(&wanted));
        let found = found.map(|(index, column)| (index, column.clone()));
        let Some((index, column)) = found else {
            let open = self.scope.rows.as_ref().is_some_and(|rows| rows.open);
            let kind = if open {
                let text = Typed::literal(crate::value::Value::text(wanted.as_str()), Shape::of(ScalarType::String), name.span);
                let args = vec![Planned { kind: ExprKind::Named(wanted), ..text.expr }, default.expr];
                ExprKind::Call { function: "column_ifexists", args }
            } else {
                default.expr.kind
            };
            return Some(Typed::new(kind, default.shape, span));
        };
        let kind = self.column_kind(index, &column.name);
        Some(Typed::new(kind, column.shape.clone(), span).with_name(Some(column.name)))
    }

    fn aggregate(&mut self, entry: &'static Entry, name: &Name, arguments: &'a [syntax::Argument], span: Span) -> Typed {
        self.set_active(false);
        let bound: Vec<Typed> = arguments.iter().map(|argument| self.named_argument(argument)).collect();
        self.set_active(true);
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
        let results: Vec<ScalarType> =
            if several { items.iter().map(|item| item.shape.scalar()).collect() } else { vec![shape.scalar()] };
        let args = match rule {
            Some(ResultRule::Extreme | ResultRule::Each) => items.iter().map(|item| item.expr.clone()).collect(),
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
        let help = if condition { "use `countif`" } else { "use `count()`, `countif(isnotempty(x))` or `dcount(x)`" };
        self.report(Diagnostic::warning(OUTDATED_NAME, only.span(), message).with_help(help));
    }

    /// Binds an argument, which may be given a name: `arg_max(x, y = z)`, `bin(day = x, 1d)`.
    fn named_argument(&mut self, argument: &'a syntax::Argument) -> Typed {
        let typed = self.argument(&argument.value);
        match &argument.name {
            Some(name) => typed.with_name(Some(Arc::from(name.text.as_str()))),
            None => typed,
        }
    }

    fn set_active(&mut self, active: bool) {
        if let Some(aggregation) = &mut self.scope.aggregation {
            aggregation.active = active;
        }
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
        let keys = self.scope.aggregation.as_ref().map(|aggregation| aggregation.keys.clone()).unwrap_or_default();
        let mut seen = std::collections::BTreeSet::new();
        let mut items: Vec<Item> = Vec::new();
        let first = arguments.first().and_then(|argument| argument.name.clone()).unwrap_or_else(|| Arc::from(""));
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
            let item = Item { name: rename(name, index), expr: argument.expr.clone(), shape: argument.shape.clone(), column };
            items.push(item);
        }
        items
    }

    /// Returns the columns in scope with how each is read.
    pub(super) fn scope_columns(&self) -> Vec<(ExprKind, super::rows::Col)> {
        let rows = self.scope.rows.iter().flat_map(|rows| rows.columns.iter().enumerate());
        rows.map(|(index, column)| (self.column_kind(index, &column.name), column.clone())).collect()
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
    let weighted = usize::from(entry.name.starts_with("percentilew") || entry.name.starts_with("percentilesw"));
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
    use crate::value::Value;
    match &argument.expr.kind {
        ExprKind::Literal(Value::Long(Some(number))) => number.to_string(),
        ExprKind::Literal(Value::Int(Some(number))) => number.to_string(),
        ExprKind::Literal(Value::Real(Some(number))) => number.to_string().replace('.', "_"),
        _ => String::new(),
    }
}

/// Returns the name that the catalogue gives the result of a call.
fn label(naming: Naming, arguments: &[Typed]) -> Option<Arc<str>> {
    let first = || arguments.first().and_then(|argument| argument.name.clone());
    match naming {
        Naming::None | Naming::EachPrefixed(_) => None,
        Naming::First => first(),
        Naming::Only => (arguments.len() == 1).then(first)?,
        Naming::Prefix(prefix) => {
            let name = first().unwrap_or_else(|| Arc::from(""));
            Some(format!("{prefix}_{name}").into())
        }
        Naming::PrefixBoth(prefix) => {
            let names = arguments.iter().take(2).map(|argument| argument.name.clone().unwrap_or_default());
            Some(names.fold(prefix.to_owned(), |label, name| format!("{label}_{name}")).into())
        }
        Naming::PrefixOnly(prefix) => Some(Arc::from(prefix)),
        Naming::NamedColumn => arguments.first().and_then(Typed::text).map(Arc::from),
    }
}

/// Returns the identity of the column that a conversion to its own type leaves as it is.
fn unconverted(entry: &Entry, arguments: &[Typed], shape: &Shape) -> Option<u32> {
    const CONVERSIONS: [&str; 11] = [
        "tobool", "todatetime", "todecimal", "toreal", "parse_json", "toguid", "toint", "tolong", "tostring",
        "totimespan", "totime",
    ];
    match arguments {
        [only] if CONVERSIONS.contains(&entry.canonical) && entry.name != "parse_json" && only.shape == *shape => {
            only.column
        }
        _ => None,
    }
}

fn several_names(rule: &ResultRule, entry: &Entry, arguments: &[Typed]) -> Option<Vec<(Arc<str>, Shape)>> {
    let name_of = |index: usize| {
        arguments.get(index).and_then(|argument| argument.name.clone()).unwrap_or_else(|| Arc::from(""))
    };
    match rule {
        ResultRule::Tuple(items) => {
            let prefix = format!("{}_{}", entry.name, name_of(0));
            let item = |(name, shape): &(String, Shape)| (Arc::from(format!("{prefix}_{name}")), shape.clone());
            Some(items.iter().map(item).collect())
        }
        ResultRule::Sorted => {
            let arrays = arguments.iter().enumerate().take_while(|(_, argument)| argument.shape.may_be_array());
            let name = |index: usize| match name_of(index) {
                name if name.is_empty() => Arc::from(format!("array{index}_sorted")),
                name => Arc::from(format!("{name}_sorted")),
            };
            Some(arrays.map(|(index, argument)| (name(index), argument.shape.clone())).collect())
        }
        _ => None,
    }
}

/// Puts all columns in the place of a `*`.
fn expand_star(binder: &Binder<'_>, arguments: Vec<Typed>) -> Vec<Planned> {
    let mut args = Vec::with_capacity(arguments.len());
    for argument in arguments {
        if argument.form == Form::Star {
            let span = argument.span();
            let columns = binder.scope_columns().into_iter();
            args.extend(columns.map(|(kind, column)| Planned { kind, ty: column.ty(), span }));
        } else {
            args.push(argument.expr);
        }
    }
    args
}

fn count_text(min: usize, max: usize) -> String {
    let noun = |count: usize| if count == 1 { "argument" } else { "arguments" };
    match (min, max) {
        (0, 0) => "no arguments".to_owned(),
        (min, max) if min == max => format!("{min} {}", noun(min)),
        (min, max) if max >= 64 => format!("at least {min} {}", noun(min)),
        (min, max) => format!("{min} to {max} arguments"),
    }
}
