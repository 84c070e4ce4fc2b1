//! The tree of an expression to a bound expression: names are resolved, types are checked.

use std::cell::RefCell;
use std::sync::Arc;

use super::aggregate::Aggregate;
use super::bind_call;
use super::eval::Bound;
use super::fault::Fault;
use super::functions;
use super::relation::Column;
use super::session::{Meaning, Session};
use super::syntax::{Arithmetic, Case, Comparison, Expr, How, Match, Node, Terms};
use super::value::{Key, Kind, Value};

/// A bound expression and its type.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) kind: Kind,
    pub(crate) bound: Bound,
}

impl Typed {
    /// Wraps what depends on `parts`; if all of them are constant, so is this, and it is computed now.
    pub(super) fn of<'p>(kind: Kind, bound: Bound, parts: impl IntoIterator<Item = &'p Bound>) -> Self {
        let constant = parts.into_iter().all(|part| matches!(part, Bound::Const(_)));
        Self { kind, bound: if constant { Bound::Const(bound.eval(&[])) } else { bound } }
    }

    pub(super) const fn constant(kind: Kind, value: Value) -> Self {
        Self { kind, bound: Bound::Const(value) }
    }

    /// The value, if it does not depend on the row.
    pub(super) const fn value(&self) -> Option<&Value> {
        match &self.bound {
            Bound::Const(value) => Some(value),
            _ => None,
        }
    }
}

/// Binds expressions of one operator against the columns before it.
#[derive(Clone, Copy)]
pub(crate) struct Binder<'a, 'd> {
    pub(super) session: &'a Session<'d>,
    pub(super) columns: &'a [Column],
    /// The operator, for messages.
    pub(super) operator: &'static str,
    /// Set while the expressions of a `summarize` are bound: aggregates are collected here, and take
    /// the place of columns.
    pub(super) aggregates: Option<&'a RefCell<Vec<Aggregate>>>,
}

impl<'a, 'd> Binder<'a, 'd> {
    pub(crate) const fn new(session: &'a Session<'d>, columns: &'a [Column], operator: &'static str) -> Self {
        Self { session, columns, operator, aggregates: None }
    }

    /// A semantic fault in the service's words.
    pub(super) fn fault(&self, at: usize, what: &str) -> Fault {
        Fault::semantic(at, format!("'{}' operator: {what}", self.operator))
    }

    /// Binds an expression.
    pub(crate) fn bind(&self, expr: &Expr) -> Result<Typed, Fault> {
        match &expr.node {
            Node::Literal(value, kind) => Ok(Typed::constant(*kind, value.clone())),
            Node::Name(name) => self.name(expr.at, name),
            Node::Star => Err(Fault::syntax(expr.at, "Query could not be parsed at '*'")),
            Node::Member(value, name) => self.member(value, name),
            Node::Index(value, index) => self.index(value, index),
            Node::Negate(inner) => self.negate(inner),
            Node::Arithmetic(operator, left, right) => self.arithmetic(expr.at, *operator, left, right),
            Node::Compare(comparison, left, right) => {
                let (left, right) = (self.bind(left)?, self.bind(right)?);
                self.compared(expr.at, *comparison, left, right)
            }
            Node::Match(how, text, needle) => self.matched(*how, text, needle),
            Node::Terms(terms, text, needles) => self.terms(*terms, text, needles),
            Node::In(membership, value, items) => {
                let value = self.bind(value)?;
                let set = self.constants(items)?;
                let set = set.into_iter().map(|item| listed(expr.at, value.kind, item));
                let set = set.collect::<Result<Vec<_>, Fault>>()?;
                let keys = set.iter().map(Key::of);
                let keys = match membership.case {
                    Case::Fold => keys.map(Key::folded).collect(),
                    Case::Keep => keys.collect(),
                };
                let bound = Bound::In(*membership, Box::new(value.bound.clone()), Arc::new(keys));
                Ok(Typed::of(Kind::Bool, bound, [&value.bound]))
            }
            Node::Between { value, low, high, sense } => bind_call::between(self, value, (low, high), *sense),
            Node::All(parts) => self.junction(parts, Bound::All),
            Node::Any(parts) => self.junction(parts, Bound::Any),
            Node::Call(name, arguments) => bind_call::call(self, expr.at, name, arguments),
            Node::Table(_) => Err(self.fault(expr.at, "a scalar expression is expected, not a table")),
            Node::List(items) => {
                let items: Vec<Bound> =
                    items.iter().map(|item| Ok(self.bind(item)?.bound)).collect::<Result<_, Fault>>()?;
                Ok(Typed::of(Kind::Dynamic, Bound::List(items.clone()), &items))
            }
            Node::Bag(members) => {
                let members: Vec<(Arc<str>, Bound)> = members
                    .iter()
                    .map(|(name, value)| Ok((Arc::clone(name), self.bind(value)?.bound)))
                    .collect::<Result<_, Fault>>()?;
                let parts: Vec<Bound> = members.iter().map(|(_, value)| value.clone()).collect();
                Ok(Typed::of(Kind::Dynamic, Bound::Bag(members), &parts))
            }
        }
    }

    /// Binds a condition.
    pub(crate) fn condition(&self, expr: &Expr) -> Result<Bound, Fault> {
        let typed = self.bind(expr)?;
        if typed.kind == Kind::Bool {
            Ok(typed.bound)
        } else {
            Err(self.fault(expr.at, &format!("a bool is expected, not a {}", typed.kind.name())))
        }
    }

    /// Binds an expression that must not depend on a row.
    pub(crate) fn constant(&self, expr: &Expr, what: &str) -> Result<Value, Fault> {
        match self.bind(expr)?.bound {
            Bound::Const(value) => Ok(value),
            _ => Err(self.fault(expr.at, &format!("{what} must be a constant"))),
        }
    }

    fn name(&self, at: usize, name: &str) -> Result<Typed, Fault> {
        // Inside `summarize`, a column outside an aggregate has no single value.
        if self.aggregates.is_none()
            && let Some(position) = self.columns.iter().position(|column| column.name.as_ref() == name)
        {
            let kind = self.columns.get(position).map_or(Kind::Dynamic, |column| column.kind);
            return Ok(Typed { kind, bound: Bound::Column(position) });
        }
        match self.session.meaning(name) {
            Some(Meaning::Scalar(typed)) => Ok(typed.clone()),
            Some(Meaning::Table(_)) => {
                Err(self.fault(at, &format!("'{name}' is a table, a scalar is expected")))
            }
            None => {
                let what = format!("Failed to resolve column or scalar expression named '{name}'");
                Err(self.fault(at, &what))
            }
        }
    }

    fn member(&self, value: &Expr, name: &Arc<str>) -> Result<Typed, Fault> {
        let value = self.dynamic(value)?;
        let bound = Bound::Member(Box::new(value.clone()), Arc::clone(name));
        Ok(Typed::of(Kind::Dynamic, bound, [&value]))
    }

    fn index(&self, value: &Expr, index: &Expr) -> Result<Typed, Fault> {
        let value = self.dynamic(value)?;
        let at = index.at;
        let index = self.bind(index)?;
        if !matches!(index.kind, Kind::Int | Kind::Long | Kind::Text) {
            return Err(self.fault(at, "an index must be a string or an integer"));
        }
        let bound = Bound::Index(Box::new(value.clone()), Box::new(index.bound.clone()));
        Ok(Typed::of(Kind::Dynamic, bound, [&value, &index.bound]))
    }

    /// Binds what a path starts from.
    fn dynamic(&self, expr: &Expr) -> Result<Bound, Fault> {
        let typed = self.bind(expr)?;
        if typed.kind == Kind::Dynamic {
            return Ok(typed.bound);
        }
        let what = format!("a path needs a dynamic value, this is a {}; use parse_json()", typed.kind.name());
        Err(self.fault(expr.at, &what))
    }

    fn negate(&self, inner: &Expr) -> Result<Typed, Fault> {
        let at = inner.at;
        let inner = self.bind(inner)?;
        if !inner.kind.is_number() && inner.kind != Kind::Span {
            return Err(self.fault(at, &format!("'-' cannot be applied to a {}", inner.kind.name())));
        }
        Ok(Typed::of(inner.kind, Bound::Negate(Box::new(inner.bound.clone())), [&inner.bound]))
    }

    fn arithmetic(&self, at: usize, operator: Arithmetic, left: &Expr, right: &Expr) -> Result<Typed, Fault> {
        let (left, right) = (self.bind(left)?, self.bind(right)?);
        let kind = arithmetic_kind(operator, left.kind, right.kind).ok_or_else(|| {
            let (left, right) = (left.kind.name(), right.kind.name());
            self.fault(at, &format!("arithmetic cannot be applied to {left} and {right}"))
        })?;
        let (left, right) = (left.bound, right.bound);
        let bound = Bound::Arithmetic(operator, kind, Box::new(left.clone()), Box::new(right.clone()));
        Ok(Typed::of(kind, bound, [&left, &right]))
    }

    pub(super) fn compared(
        &self,
        at: usize,
        comparison: Comparison,
        left: Typed,
        right: Typed,
    ) -> Result<Typed, Fault> {
        let (left, right) = met(left, right);
        if !comparable(left.kind, right.kind) {
            if mixable(left.kind, right.kind) {
                let (left, right) = (left.kind.name(), right.kind.name());
                return Err(Fault::unsupported(at, format!("a comparison of {left} and {right}")));
            }
            let (left, right) = (left.kind.name(), right.kind.name());
            let what =
                format!("Cannot compare values of types {left} and {right}. Try adding explicit casts");
            return Err(self.fault(at, &what));
        }
        let (left, right) = (left.bound, right.bound);
        let bound = Bound::Compare(comparison, Box::new(left.clone()), Box::new(right.clone()));
        Ok(Typed::of(Kind::Bool, bound, [&left, &right]))
    }

    /// Binds an expression that must be a text.
    pub(super) fn text(&self, expr: &Expr) -> Result<Bound, Fault> {
        let typed = self.bind(expr)?;
        if matches!(typed.kind, Kind::Text | Kind::Dynamic | Kind::Guid) {
            return Ok(typed.bound);
        }
        Err(self.fault(expr.at, &format!("a string is expected, not a {}", typed.kind.name())))
    }

    fn matched(&self, how: Match, text: &Expr, needle: &Expr) -> Result<Typed, Fault> {
        let subject = self.text(text)?;
        if how.how == How::Regex {
            let regex = bind_call::regex(self, needle)?;
            return Ok(Typed::of(
                Kind::Bool,
                Bound::Regex(how.sense, regex, Box::new(subject.clone())),
                [&subject],
            ));
        }
        let needle = self.text(needle)?;
        let bound = Bound::Match(how, Box::new(subject.clone()), Box::new(needle.clone()));
        Ok(Typed::of(Kind::Bool, bound, [&subject, &needle]))
    }

    fn terms(&self, terms: Terms, text: &Expr, needles: &[Expr]) -> Result<Typed, Fault> {
        let subject = self.text(text)?;
        let needles = self.constants(needles)?.iter().map(Value::show).collect();
        let bound = Bound::Terms(terms, Box::new(subject.clone()), needles);
        Ok(Typed::of(Kind::Bool, bound, [&subject]))
    }

    fn junction(&self, parts: &[Expr], join: impl FnOnce(Vec<Bound>) -> Bound) -> Result<Typed, Fault> {
        let parts = parts.iter().map(|part| self.condition(part)).collect::<Result<Vec<_>, _>>()?;
        Ok(Typed::of(Kind::Bool, join(parts.clone()), &parts))
    }

    /// The values on the right of `in` and `has_any`: literals, lists, or the first column of a table.
    fn constants(&self, items: &[Expr]) -> Result<Vec<Value>, Fault> {
        let mut values = Vec::new();
        for item in items {
            if let Some(table) = self.session.table_operand(item)? {
                values.extend(table.rows.iter().filter_map(|row| row.first().cloned()));
                continue;
            }
            match self.bind(item)?.bound {
                Bound::Const(value) => match value.array() {
                    Some(items) => values.extend(items.iter().cloned().map(Value::json)),
                    None => values.push(value),
                },
                _ => return Err(Fault::unsupported(item.at, "a list with values that depend on the row")),
            }
        }
        Ok(values)
    }
}

/// Whether `==` and `<` accept these types together.
pub(super) fn comparable(left: Kind, right: Kind) -> bool {
    match (left, right) {
        (Kind::Dynamic, Kind::Dynamic) => false,
        (Kind::Dynamic, _) | (_, Kind::Dynamic) => true,
        (Kind::Guid, Kind::Text) | (Kind::Text, Kind::Guid) => true,
        _ => left == right || (left.is_number() && right.is_number()),
    }
}

/// Whether the service compares these types by converting one of them.
fn mixable(left: Kind, right: Kind) -> bool {
    let plain = |kind: Kind| kind.is_number() || matches!(kind, Kind::Bool | Kind::Text);
    plain(left) && plain(right)
}

/// Brings a literal to the type of what it is compared with: `Port == "443"`, `IsSigned == 1`.
fn met(left: Typed, right: Typed) -> (Typed, Typed) {
    if let Some(right) = right.value().and_then(|value| converted(value, right.kind, left.kind)) {
        return (left, right);
    }
    match left.value().and_then(|value| converted(value, left.kind, right.kind)) {
        Some(left) => (left, right),
        None => (left, right),
    }
}

fn converted(value: &Value, from: Kind, to: Kind) -> Option<Typed> {
    if from == to || !mixable(from, to) || value.is_null() {
        return None;
    }
    let arguments = std::slice::from_ref(value);
    let value = match to {
        Kind::Bool => functions::tobool(arguments),
        Kind::Int | Kind::Long if from == Kind::Text => functions::tolong(arguments),
        Kind::Real if from == Kind::Text => functions::toreal(arguments),
        _ => return None,
    };
    (!value.is_null()).then(|| Typed::constant(to, value))
}

/// A value of a list, brought to the type it is looked for in.
fn listed(at: usize, kind: Kind, value: Value) -> Result<Value, Fault> {
    if listable(kind, &value) {
        return Ok(value);
    }
    let from = match value {
        Value::Text(_) => Kind::Text,
        Value::Long(_) => Kind::Long,
        _ => Kind::Dynamic,
    };
    match converted(&value, from, kind) {
        Some(Typed { bound: Bound::Const(value), .. }) => Ok(value),
        _ => Err(Fault::unsupported(at, format!("a list with values of other types than {}", kind.name()))),
    }
}

/// Whether a value in a list can equal a value of a type at all.
fn listable(kind: Kind, value: &Value) -> bool {
    let plain = match value {
        Value::Json(json) => match json.as_ref() {
            serde_json::Value::String(_) => matches!(kind, Kind::Text | Kind::Guid),
            serde_json::Value::Number(_) => kind.is_number(),
            serde_json::Value::Bool(_) => kind == Kind::Bool,
            _ => false,
        },
        Value::Text(_) => matches!(kind, Kind::Text | Kind::Guid),
        Value::Long(_) | Value::Real(_) => kind.is_number(),
        Value::Bool(_) => kind == Kind::Bool,
        Value::Time(_) => kind == Kind::Time,
        Value::Span(_) => kind == Kind::Span,
        Value::Null => true,
    };
    plain || kind == Kind::Dynamic
}

/// Type of the result of an operator on numbers, times and spans.
fn arithmetic_kind(operator: Arithmetic, left: Kind, right: Kind) -> Option<Kind> {
    use Arithmetic::{Add, Divide, Multiply, Subtract};
    match (left, right) {
        (Kind::Time, Kind::Span) if matches!(operator, Add | Subtract) => Some(Kind::Time),
        (Kind::Span, Kind::Time) if operator == Add => Some(Kind::Time),
        (Kind::Time, Kind::Time) if operator == Subtract => Some(Kind::Span),
        (Kind::Span, Kind::Span) if matches!(operator, Add | Subtract) => Some(Kind::Span),
        (Kind::Span, Kind::Span) if operator == Divide => Some(Kind::Real),
        (Kind::Span, number) if number.is_number() && matches!(operator, Multiply | Divide) => {
            Some(Kind::Span)
        }
        (number, Kind::Span) if number.is_number() && operator == Multiply => Some(Kind::Span),
        (left, right) if left.is_number() && right.is_number() => common(left, right),
        _ => None,
    }
}

/// The type two values have in common, if any.
pub(super) fn common(left: Kind, right: Kind) -> Option<Kind> {
    match (left, right) {
        (left, right) if left == right => Some(left),
        (Kind::Real, other) | (other, Kind::Real) if other.is_number() => Some(Kind::Real),
        (left, right) if left.is_number() && right.is_number() => Some(Kind::Long),
        (Kind::Dynamic, _) | (_, Kind::Dynamic) => Some(Kind::Dynamic),
        (Kind::Guid, Kind::Text) | (Kind::Text, Kind::Guid) => Some(Kind::Text),
        _ => None,
    }
}
