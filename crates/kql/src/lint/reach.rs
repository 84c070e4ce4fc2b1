//! Does the rule look as far back as its query?

use std::collections::{BTreeMap, BTreeSet};

use super::time::names_time;
use super::walk::{self, Visit, strip};
use super::{Context, LOOK_BACK};
use crate::diagnostic::Diagnostic;
use crate::syntax::{
    BinaryOp, Expr, ExprKind, LetValue, Literal, LiteralKind, NamedExpr, Operator, OperatorKind,
    ParameterKind, Statement, StatementKind, UnaryOp,
};
use crate::text::Span;
use crate::value::Timespan;

/// Longest month and year, for what begins with them.
const MONTH: i64 = 31 * Timespan::DAY;
const YEAR: i64 = 366 * Timespan::DAY;

/// A value that is known before the query runs, but for the time of the run.
#[derive(Clone, Copy)]
enum Time {
    /// An instant, at most so many ticks before the run.
    Before(i64),
    /// A span of time.
    Length(i64),
    /// A number.
    Number(i64),
}

/// Reports comparisons with the time of events that reach further back than the rule that runs the query.
pub(super) fn look_back(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(period) = context.purpose.period else {
        return;
    };
    let query = &context.checked.parsed.query;
    let mut columns = TimeColumns(["Timestamp", "TimeGenerated"].into_iter().collect());
    walk::query(query, &mut columns);
    let mut look = Look { period, columns: columns.0, variables: BTreeMap::new(), found };
    look.statements(&query.statements);
}

/// The columns that hold the time of events, or are made of it.
struct TimeColumns<'a>(BTreeSet<&'a str>);

impl<'a> Visit<'a> for TimeColumns<'a> {
    fn operator(&mut self, operator: &'a Operator) {
        let named: Vec<&'a NamedExpr> = match &operator.kind {
            OperatorKind::Extend(items)
            | OperatorKind::Project(items)
            | OperatorKind::ProjectRename(items) => items.iter().collect(),
            OperatorKind::Summarize(summarize) => {
                summarize.aggregates.iter().chain(summarize.by.iter().flatten()).collect()
            }
            _ => return,
        };
        for item in named {
            if let [name] = item.names.as_slice()
                && names_time(&item.expr, &|column| self.0.contains(column))
            {
                self.0.insert(&name.text);
            }
        }
    }
}

struct Look<'f, 'a> {
    period: i64,
    columns: BTreeSet<&'a str>,
    /// Variables in force, with their values if these are known.
    variables: BTreeMap<&'a str, Option<Time>>,
    found: &'f mut Vec<Diagnostic>,
}

impl<'a> Visit<'a> for Look<'_, 'a> {
    fn expr(&mut self, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::Binary {
                op: BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge | BinaryOp::Eq,
                left,
                right,
                ..
            } => {
                if self.is_event_time(left) {
                    self.compared(left, right);
                } else if self.is_event_time(right) {
                    self.compared(right, left);
                }
            }
            ExprKind::Between { operand, low, high, negated: false, .. }
                if self.is_event_time(operand) && !self.compared(operand, low) =>
            {
                self.compared(operand, high);
            }
            _ => {}
        }
    }

    fn operator(&mut self, operator: &'a Operator) {
        if let OperatorKind::MakeSeries(series) = &operator.kind
            && self.is_event_time(&series.on.expr)
            && let Some(from) = &series.range.from
        {
            self.compared(&series.on.expr, from);
        }
    }
}

impl<'a> Look<'_, 'a> {
    fn statements(&mut self, statements: &'a [Statement]) {
        for statement in statements {
            match &statement.kind {
                StatementKind::Let(binding) => {
                    let value = match &binding.value {
                        LetValue::Expr(value) => {
                            walk::expr(value, self);
                            self.value(value)
                        }
                        LetValue::Function(function) => {
                            let outer = self.variables.clone();
                            self.variables.extend(
                                function.parameters.iter().map(|given| (given.name.text.as_str(), None)),
                            );
                            self.statements(&function.body.statements);
                            function.body.result.iter().for_each(|result| walk::expr(result, self));
                            self.variables = outer;
                            None
                        }
                    };
                    self.variables.insert(&binding.name.text, value);
                }
                StatementKind::Parameters(parameters) => {
                    for parameter in parameters {
                        let ParameterKind::Scalar { default: Some(default), .. } = &parameter.kind else {
                            continue;
                        };
                        let value = self.value(default);
                        self.variables.insert(&parameter.name.text, value);
                    }
                }
                StatementKind::Expression(expr) => walk::expr(expr, self),
                _ => {}
            }
        }
    }

    fn is_event_time(&self, expr: &Expr) -> bool {
        names_time(expr, &|column| self.columns.contains(column))
    }

    /// Reports `other` if events are compared with what is too long ago; says whether it was.
    fn compared(&mut self, event: &Expr, other: &Expr) -> bool {
        let reach = match (self.value(other), &strip(event).kind) {
            (Some(Time::Before(ticks)), _) => ticks,
            // `now() - Timestamp < 7d`
            (Some(Time::Length(length)), ExprKind::Binary { op: BinaryOp::Sub, left, .. }) => {
                let Some(Time::Before(ticks)) = self.value(left) else { return false };
                ticks.saturating_add(length)
            }
            _ => return false,
        };
        let beyond = self.period < reach;
        if beyond {
            self.report(reach, other.span);
        }
        beyond
    }

    fn report(&mut self, reach: i64, span: Span) {
        let message = format!("the query looks back {}, further than the rule that runs it", words(reach));
        let help =
            "rows before the rule's period are not there; make the period as long, or look back less far";
        self.found.push(Diagnostic::warning(LOOK_BACK, span, message).with_help(help));
    }

    /// Returns what an expression comes to, if that is known before the query runs.
    fn value(&self, expr: &Expr) -> Option<Time> {
        match &strip(expr).kind {
            ExprKind::Literal(literal) => constant(literal),
            ExprKind::Name(name) => self.variables.get(name.text.as_str()).copied().flatten(),
            ExprKind::Unary { op: UnaryOp::Minus, operand } => Some(match self.value(operand)? {
                Time::Length(ticks) => Time::Length(ticks.checked_neg()?),
                Time::Number(number) => Time::Number(number.checked_neg()?),
                Time::Before(_) => return None,
            }),
            ExprKind::Binary { op, left, right, .. } => computed(*op, self.value(left)?, self.value(right)?),
            ExprKind::Call { receiver: None, name, arguments } => {
                let value = |place: usize| self.value(&arguments.get(place)?.value);
                match name.text.as_str() {
                    "datetime_add" => {
                        let ticks = unit(text(&arguments.first()?.value)?)?;
                        let (Time::Number(count), Time::Before(from)) = (value(1)?, value(2)?) else {
                            return None;
                        };
                        Some(Time::Before(from.checked_sub(ticks.checked_mul(count)?)?))
                    }
                    called => call(called, value(0), value(1), arguments.len()),
                }
            }
            _ => None,
        }
    }
}

fn constant(literal: &Literal) -> Option<Time> {
    Some(match &literal.kind {
        LiteralKind::TimeSpan(text) => Time::Length(Timespan::parse(text)?.0),
        LiteralKind::Int(number) => Time::Number(i64::from(*number)),
        LiteralKind::Long(number) => Time::Number(*number),
        _ => return None,
    })
}

fn text(expr: &Expr) -> Option<&str> {
    match &strip(expr).kind {
        ExprKind::Literal(Literal { kind: LiteralKind::String(text), .. }) => Some(text),
        _ => None,
    }
}

fn computed(op: BinaryOp, left: Time, right: Time) -> Option<Time> {
    Some(match (op, left, right) {
        (BinaryOp::Add, Time::Before(ticks), Time::Length(length))
        | (BinaryOp::Add, Time::Length(length), Time::Before(ticks)) => {
            Time::Before(ticks.checked_sub(length)?)
        }
        (BinaryOp::Sub, Time::Before(ticks), Time::Length(length)) => {
            Time::Before(ticks.checked_add(length)?)
        }
        (BinaryOp::Add, Time::Length(a), Time::Length(b)) => Time::Length(a.checked_add(b)?),
        (BinaryOp::Sub, Time::Length(a), Time::Length(b)) => Time::Length(a.checked_sub(b)?),
        (BinaryOp::Mul, Time::Length(length), Time::Number(count))
        | (BinaryOp::Mul, Time::Number(count), Time::Length(length)) => {
            Time::Length(length.checked_mul(count)?)
        }
        _ => return None,
    })
}

/// Returns what a call gives for its first two arguments.
fn call(name: &str, first: Option<Time>, second: Option<Time>, count: usize) -> Option<Time> {
    let starts = |length: i64| match (first?, second, count) {
        (Time::Before(ticks), None, 1) => Some(Time::Before(ticks.checked_add(length)?)),
        (Time::Before(ticks), Some(Time::Number(later)), 2) => {
            Some(Time::Before(ticks.checked_add(length.checked_mul(1_i64.checked_sub(later)?)?)?))
        }
        _ => None,
    };
    match (name, first, second) {
        ("now", None, _) if count == 0 => Some(Time::Before(0)),
        ("now", Some(Time::Length(length)), _) => Some(Time::Before(length.checked_neg()?)),
        ("ago", Some(Time::Length(length)), _) => Some(Time::Before(length)),
        ("bin" | "floor", Some(Time::Before(ticks)), Some(Time::Length(length))) => {
            Some(Time::Before(ticks.checked_add(length)?))
        }
        ("startofday", ..) => starts(Timespan::DAY),
        ("startofweek", ..) => starts(7 * Timespan::DAY),
        ("startofmonth", ..) => starts(MONTH),
        ("startofyear", ..) => starts(YEAR),
        ("todatetime" | "totimespan", ..) if count == 1 => first,
        _ => None,
    }
}

/// Returns the ticks of a part of a date.
fn unit(part: &str) -> Option<i64> {
    Some(match part.to_ascii_lowercase().as_str() {
        "year" => YEAR,
        "quarter" => 92 * Timespan::DAY,
        "month" => MONTH,
        "week" => 7 * Timespan::DAY,
        other => return Timespan::unit(other),
    })
}

/// Says a length in the largest unit that divides it.
fn words(ticks: i64) -> String {
    let units =
        [(Timespan::DAY, "d"), (Timespan::HOUR, "h"), (Timespan::MINUTE, "m"), (Timespan::SECOND, "s")];
    let fits = units.iter().find(|(unit, _)| ticks % unit == 0);
    fits.map_or_else(|| Timespan(ticks).to_string(), |(unit, name)| format!("{}{name}", ticks / unit))
}
