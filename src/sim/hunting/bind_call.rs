//! Binding of calls.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::aggregate;
use super::bind::{Binder, Typed, common};
use super::clockwork;
use super::eval::Bound;
use super::fault::Fault;
use super::functions::{self, ResultKind};
use super::syntax::{Comparison, Expr, Node, Sense};
use super::time;
use super::value::{Kind, Value};

/// Memory a regular expression may take once compiled.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Binds a call of a function or, inside `summarize`, of an aggregate.
pub(super) fn call(
    binder: &Binder<'_, '_>,
    at: usize,
    name: &str,
    arguments: &[Expr],
) -> Result<Typed, Fault> {
    if let Some(collected) = binder.aggregates
        && aggregate::is_aggregate(name)
    {
        let inner = Binder { aggregates: None, ..*binder };
        let (bound, kind) = aggregate::bind(&inner, at, name, arguments)?;
        let mut collected = collected.borrow_mut();
        collected.push(bound);
        return Ok(Typed { kind, bound: Bound::Column(collected.len() - 1) });
    }
    if let Some(special) = special(binder, at, name, arguments)? {
        return Ok(special);
    }
    if aggregate::is_aggregate(name) {
        return Err(binder.fault(at, &format!("the aggregate '{name}()' is not allowed in this context")));
    }
    let Some(function) = functions::find(name) else {
        return Err(Fault::unsupported(at, format!("function '{name}()'")));
    };
    let typed = arguments.iter().map(|argument| binder.bind(argument)).collect::<Result<Vec<_>, _>>()?;
    check_parameters(binder, at, (name, function.parameters), &typed)?;
    let kind = match function.result {
        ResultKind::Is(kind) => kind,
        ResultKind::First => typed.first().map_or(Kind::Dynamic, |first| first.kind),
        ResultKind::Common => common_kind(binder, at, &typed)?,
    };
    let parts: Vec<Bound> = typed.into_iter().map(|typed| typed.bound).collect();
    Ok(Typed::of(kind, Bound::Call(function.call, parts.clone()), &parts))
}

/// Functions that need the clock, a literal, a table or branches.
fn special(
    binder: &Binder<'_, '_>,
    at: usize,
    name: &str,
    arguments: &[Expr],
) -> Result<Option<Typed>, Fault> {
    Ok(Some(match (name, arguments) {
        ("now", []) => Typed::constant(Kind::Time, Value::Time(binder.session.now)),
        ("now", [offset]) => shifted(binder, offset, 1)?,
        ("ago", [offset]) => shifted(binder, offset, -1)?,
        ("iff" | "iif", [condition, yes, no]) => branches(binder, at, &[condition, yes], no)?,
        ("case", [pairs @ .., otherwise]) if pairs.len() >= 2 && pairs.len().is_multiple_of(2) => {
            branches(binder, at, &pairs.iter().collect::<Vec<_>>(), otherwise)?
        }
        ("bin" | "floor", [value, size]) => bin(binder, at, value, size)?,
        ("extract", [pattern, group, text]) => extract(binder, pattern, group, text)?,
        ("toscalar", [table]) => {
            let Some(table) = binder.session.table_operand(table)? else {
                return Ok(Some(binder.bind(table)?));
            };
            let kind = table.columns.first().map_or(Kind::Dynamic, |column| column.kind);
            let value = table.rows.first().and_then(|row| row.first().cloned());
            Typed::constant(kind, value.unwrap_or_else(|| kind.absent()))
        }
        ("datetime_diff", [unit, ..]) => {
            let unit = binder.constant(unit, "the unit of datetime_diff()")?;
            if !clockwork::is_diff_unit(&unit.show()) {
                return Err(Fault::unsupported(at, format!("datetime_diff() in '{}'", unit.show())));
            }
            return Ok(None);
        }
        ("format_datetime", [_, format]) => {
            let format = binder.constant(format, "the format of format_datetime()")?;
            if time::format_time(0, &format.show()).is_none() {
                return Err(Fault::unsupported(at, format!("format_datetime() with '{}'", format.show())));
            }
            return Ok(None);
        }
        _ => return Ok(None),
    }))
}

/// `now(offset)`, `ago(offset)`
fn shifted(binder: &Binder<'_, '_>, offset: &Expr, way: i64) -> Result<Typed, Fault> {
    match binder.constant(offset, "an offset from now")? {
        Value::Span(ticks) => {
            let at = ticks.checked_mul(way).and_then(|ticks| binder.session.now.checked_add(ticks));
            Ok(Typed::constant(Kind::Time, at.map_or(Value::Null, Value::Time)))
        }
        _ => Err(binder.fault(offset.at, "a timespan is expected")),
    }
}

/// `case(condition, value, …, otherwise)`
fn branches(binder: &Binder<'_, '_>, at: usize, pairs: &[&Expr], otherwise: &Expr) -> Result<Typed, Fault> {
    let mut parts = Vec::new();
    let mut values = Vec::new();
    for pair in pairs.chunks_exact(2) {
        let [condition, value] = pair else { continue };
        let value = binder.bind(value)?;
        parts.push(binder.condition(condition)?);
        parts.push(value.bound.clone());
        values.push(value);
    }
    let otherwise = binder.bind(otherwise)?;
    parts.push(otherwise.bound.clone());
    values.push(otherwise);
    let kind = common_kind(binder, at, &values)?;
    Ok(Typed::of(kind, Bound::Call(chosen, parts.clone()), &parts))
}

/// The value after the first condition that is true, else the last value.
fn chosen(arguments: &[Value]) -> Value {
    let first = arguments.chunks_exact(2).find_map(|pair| match pair {
        [condition, value] if condition.is_true() => Some(value),
        _ => None,
    });
    first.or(arguments.last()).cloned().unwrap_or(Value::Null)
}

/// A null literal fits every type.
fn common_kind(binder: &Binder<'_, '_>, at: usize, values: &[Typed]) -> Result<Kind, Fault> {
    let mut kind: Option<Kind> = None;
    for value in values {
        let next = kind.map_or(Some(value.kind), |kind| common(kind, value.kind));
        kind = Some(next.ok_or_else(|| binder.fault(at, "the values must be of one type"))?);
    }
    Ok(kind.unwrap_or(Kind::Dynamic))
}

fn bin(binder: &Binder<'_, '_>, at: usize, value: &Expr, size: &Expr) -> Result<Typed, Fault> {
    let (value, size) = (binder.bind(value)?, binder.bind(size)?);
    let kind = match (value.kind, size.kind) {
        (Kind::Time | Kind::Span, Kind::Span) => value.kind,
        (value, size) if value.is_number() && size.is_number() => common(value, size).unwrap_or(Kind::Real),
        (value, size) => {
            return Err(
                binder.fault(at, &format!("bin() cannot round a {} to a {}", value.name(), size.name()))
            );
        }
    };
    let parts = vec![value.bound, size.bound];
    Ok(Typed::of(kind, Bound::Call(clockwork::bin, parts.clone()), &parts))
}

fn extract(binder: &Binder<'_, '_>, pattern: &Expr, group: &Expr, text: &Expr) -> Result<Typed, Fault> {
    let regex = regex(binder, pattern)?;
    let at = group.at;
    let group = binder.constant(group, "the group of extract()")?.integer();
    let group = group
        .and_then(|group| usize::try_from(group).ok())
        .filter(|group| *group < regex.captures_len())
        .ok_or_else(|| binder.fault(at, "extract() names a group the expression does not have"))?;
    let text = binder.text(text)?;
    Ok(Typed::of(Kind::Text, Bound::Extract(regex, group, Box::new(text.clone())), [&text]))
}

/// Compiles a constant regular expression.
pub(super) fn regex(binder: &Binder<'_, '_>, pattern: &Expr) -> Result<Regex, Fault> {
    let text = binder.constant(pattern, "a regular expression")?.show();
    RegexBuilder::new(&text).size_limit(REGEX_BYTES_MAX).build().map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default();
        binder.fault(pattern.at, &format!("'{text}' is not a regular expression: {reason}"))
    })
}

/// `value between (low .. high)`; a time span above a date-time counts from the lower end.
pub(super) fn between(
    binder: &Binder<'_, '_>,
    value: &Expr,
    (low, high): (&Expr, &Expr),
    sense: Sense,
) -> Result<Typed, Fault> {
    let at = value.at;
    let (value, low, high) = (binder.bind(value)?, binder.bind(low)?, binder.bind(high)?);
    let high = match (low.kind, high.kind, low.value(), high.value()) {
        (Kind::Time, Kind::Span, Some(Value::Time(low)), Some(Value::Span(span))) => {
            Typed::constant(Kind::Time, low.checked_add(*span).map_or(Value::Null, Value::Time))
        }
        _ => high,
    };
    let above = binder.compared(at, Comparison::GreaterOrEqual, value.clone(), low)?.bound;
    let below = binder.compared(at, Comparison::LessOrEqual, value, high)?.bound;
    let inside = Bound::All(vec![above, below]);
    let bound = match sense {
        Sense::Is => inside,
        Sense::IsNot => Bound::Call(functions::not, vec![inside]),
    };
    Ok(Typed { kind: Kind::Bool, bound })
}

/// Checks the number of arguments and their types against the letters of a function.
fn check_parameters(
    binder: &Binder<'_, '_>,
    at: usize,
    (name, parameters): (&str, &str),
    arguments: &[Typed],
) -> Result<(), Fault> {
    let (required, rest) =
        parameters.split_once('?').or_else(|| parameters.split_once('*')).unwrap_or((parameters, ""));
    let repeats = parameters.contains('*');
    let most = if repeats { usize::MAX } else { required.len() + rest.len() };
    if arguments.len() < required.len() || arguments.len() > most {
        return Err(binder.fault(at, &format!("{name}() does not take {} arguments", arguments.len())));
    }
    let letters = required.chars().chain(rest.chars()).chain(rest.chars().next_back().into_iter().cycle());
    for (number, (argument, letter)) in arguments.iter().zip(letters).enumerate() {
        if !accepts(letter, argument.kind) {
            let (kind, number) = (argument.kind.name(), number + 1);
            return Err(binder.fault(at, &format!("{name}(): argument {number} cannot be a {kind}")));
        }
    }
    Ok(())
}

const fn accepts(letter: char, kind: Kind) -> bool {
    match letter {
        't' => matches!(kind, Kind::Text | Kind::Dynamic | Kind::Guid),
        'n' => kind.is_number(),
        'm' => kind.is_number() || matches!(kind, Kind::Span),
        'c' => matches!(kind, Kind::Time),
        's' => matches!(kind, Kind::Span),
        'd' => matches!(kind, Kind::Dynamic),
        'b' => matches!(kind, Kind::Bool),
        _ => true,
    }
}

/// The column name an expression gives when none is written, if it gives one.
pub(super) fn implied_name(expr: &Expr) -> Option<Arc<str>> {
    match &expr.node {
        Node::Name(name) => Some(Arc::clone(name)),
        Node::Member(value, name) => Some(format!("{}_{name}", implied_name(value)?).into()),
        Node::Index(value, index) => match &index.node {
            Node::Literal(Value::Text(text), _) => Some(format!("{}_{text}", implied_name(value)?).into()),
            Node::Literal(Value::Long(number), _) => {
                Some(format!("{}_{number}", implied_name(value)?).into())
            }
            _ => implied_name(value),
        },
        Node::Call(function, arguments) if names_after_argument(function) => implied_name(arguments.first()?),
        _ => None,
    }
}

/// Conversions and roundings keep the name of what they convert.
fn names_after_argument(function: &str) -> bool {
    matches!(
        function,
        "bin"
            | "floor"
            | "tostring"
            | "toint"
            | "tolong"
            | "toreal"
            | "todouble"
            | "tobool"
            | "toboolean"
            | "todatetime"
            | "totimespan"
            | "todynamic"
            | "parse_json"
            | "parsejson"
            | "startofday"
            | "startofweek"
            | "startofmonth"
            | "endofday"
    )
}
