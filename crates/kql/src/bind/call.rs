//! Calls of functions and aggregates in scalar places.

use std::sync::Arc;

use super::env::Binding;
use super::typed::{Item, Several, Typed};
use super::{
    Binder, COLUMN_EXPECTED, CONSTANT_EXPECTED, NO_COMMON_TYPE, NO_SIGNATURE, OUT_OF_PLACE,
    PLACES_OF_ADDRESSES, Scope, TABLE_EXPECTED, WRONG_COUNT, WRONG_TYPE,
};
use crate::catalogue::{self, Argument, Entry, Form, Misfit, Naming, ResultRule, Strictness};
use crate::plan::{Expr as Planned, ExprKind};
use crate::syntax::{self, Expr, Name};
use crate::text::Span;
use crate::types::{ScalarType, Shape};
use crate::value::Value;

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
            "toscalar" => return self.first_value(arguments, span),
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
        if self.is_over_groups()
            && let Some(entry) = catalogue::aggregate(&name.text)
        {
            return self.aggregate(entry, name, arguments, span);
        }
        if let Some(function) = self.stored_function(&name.text) {
            return self.call_stored(function, arguments, name.span).into_scalar(self, span);
        }
        if let Some(entry) = catalogue::function(&name.text) {
            if entry.name == PLACES_OF_ADDRESSES {
                self.asks(entry.name);
            }
            self.builtin(entry, name, arguments, span)
        } else {
            self.unknown_call(name);
            for argument in arguments {
                self.argument(&argument.value);
            }
            Typed::broken(span)
        }
    }

    /// `bin_auto` takes its size and its fixed point from options of the query.
    fn call_kind(&self, function: crate::plan::FunctionName, args: Vec<Planned>, span: Span) -> ExprKind {
        let setting = |wanted: &str| {
            self.settings.iter().rev().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
        };
        match setting("query_bin_auto_size").filter(|_| function == "bin_auto") {
            Some(size) => {
                let zero = Typed::literal(Value::from(0), Shape::of(ScalarType::Long), span).expr;
                let fixed = setting("query_bin_auto_at").unwrap_or(zero);
                ExprKind::Call { function: "bin_at", args: args.into_iter().chain([size, fixed]).collect() }
            }
            None => ExprKind::Call { function, args },
        }
    }

    fn unknown_call(&mut self, name: &Name) {
        if catalogue::plugin(&name.text).is_some() {
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

    fn builtin(
        &mut self,
        entry: &'static Entry,
        name: &Name,
        arguments: &'a [syntax::Argument],
        span: Span,
    ) -> Typed {
        let arguments: Vec<Typed> = arguments.iter().map(|argument| self.named_argument(argument)).collect();
        let (shape, rule) = self.resolve(entry, name, &arguments);
        let steady = entry.steady && arguments.iter().all(Typed::is_constant);
        let form = if steady { Form::Constant } else { Form::Scalar };
        let label = label(entry.naming, &arguments);
        let column = unconverted(entry, &arguments, &shape);
        let several = rule.and_then(|rule| several_names(rule, entry, &arguments));
        let args = expand_star(self, arguments);
        let kind = self.call_kind(entry.canonical, args, span);
        let mut typed = Typed::new(kind, shape, span).with_form(form).with_name(label);
        typed.column = column;
        if let Some(items) = several {
            let whole = typed.expr.clone();
            let items = items.into_iter().enumerate().map(|(index, (name, shape))| Item {
                name,
                expr: Planned {
                    kind: ExprKind::Item(Box::new(whole.clone()), index),
                    ty: shape.scalar(),
                    span,
                },
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
    pub(super) fn resolve(
        &mut self,
        entry: &'static Entry,
        name: &Name,
        arguments: &[Typed],
    ) -> (Shape, Option<&'static ResultRule>) {
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
                self.error(
                    NO_COMMON_TYPE,
                    name.span,
                    format!("the arguments of `{text}` have no type in common"),
                );
            }
            Misfit::Type { index, expected } => {
                let is_table = arguments.get(*index).is_some_and(|argument| argument.form == Form::Table);
                let found = if is_table {
                    "a table"
                } else {
                    arguments.get(*index).map_or("", |typed| typed.shape.name())
                };
                self.error(WRONG_TYPE, at(*index), format!("{expected} is needed here, this is {found}"));
            }
            Misfit::Star(index) => self.error(WRONG_TYPE, at(*index), "`*` is not possible here"),
            Misfit::NotColumn(index) => self.error(COLUMN_EXPECTED, at(*index), "a column is needed here"),
            Misfit::NotConstant(index) => {
                self.error(
                    CONSTANT_EXPECTED,
                    at(*index),
                    "something that does not depend on the row is needed here",
                );
            }
            Misfit::NotLiteral(index) => {
                self.error(CONSTANT_EXPECTED, at(*index), "a literal is needed here");
            }
        }
    }

    fn first_value(&mut self, arguments: &'a [syntax::Argument], span: Span) -> Typed {
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
        let shape = if let Some(column) = table.rows.columns.first() {
            column.shape.clone()
        } else {
            if !table.rows.open {
                self.error(TABLE_EXPECTED, expr.span, "the table has no columns");
            }
            Shape::UNKNOWN
        };
        let slot = self.table_slot(table);
        Typed::new(ExprKind::FirstOf(slot), shape, span).with_form(Form::Constant)
    }

    /// `column_ifexists("x", default)` is the column if there is one.
    fn column_if_exists(
        &mut self,
        name: &Name,
        arguments: &'a [syntax::Argument],
        span: Span,
    ) -> Option<Typed> {
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
                let text =
                    Typed::literal(Value::text(wanted.as_str()), Shape::of(ScalarType::String), name.span);
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

    /// Binds an argument, which may be given a name: `arg_max(x, y = z)`, `bin(day = x, 1d)`.
    pub(super) fn named_argument(&mut self, argument: &'a syntax::Argument) -> Typed {
        let typed = self.argument(&argument.value);
        match &argument.name {
            Some(name) => typed.with_name(Some(Arc::from(name.text.as_str()))),
            None => typed,
        }
    }

    /// Returns the columns in scope with how each is read.
    pub(super) fn scope_columns(&self) -> Vec<(ExprKind, super::rows::Col)> {
        let rows = self.scope.rows.iter().flat_map(|rows| rows.columns.iter().enumerate());
        rows.map(|(index, column)| (self.column_kind(index, &column.name), column.clone())).collect()
    }
}

/// Returns the name that the catalogue gives the result of a call.
pub(super) fn label(naming: Naming, arguments: &[Typed]) -> Option<Arc<str>> {
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
        "tobool",
        "todatetime",
        "todecimal",
        "toreal",
        "parse_json",
        "toguid",
        "toint",
        "tolong",
        "tostring",
        "totimespan",
        "totime",
    ];
    match arguments {
        [only]
            if CONVERSIONS.contains(&entry.canonical)
                && entry.name != "parse_json"
                && only.shape == *shape =>
        {
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
            let item =
                |(name, shape): &(String, Shape)| (Arc::from(format!("{prefix}_{name}")), shape.clone());
            Some(items.iter().map(item).collect())
        }
        ResultRule::Sorted => {
            let arrays =
                arguments.iter().enumerate().take_while(|(_, argument)| argument.shape.may_be_array());
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
pub(super) fn expand_star(binder: &Binder<'_>, arguments: Vec<Typed>) -> Vec<Planned> {
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
