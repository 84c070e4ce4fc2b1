//! Evaluates a condition directly on rows and JSON trees, without the script engine.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::function::Function;
use super::meaning::{call, compare, contains, negate, reckon};
use super::node::{Absent, Each, Link, Node};
use super::value::{AnyRow, Compare, Kind, Reason, Value, unfit};
use super::{Env, EvalError};
use crate::model::List;

/// Longest time one evaluation may take. A condition on a row takes a microsecond, a `when` over every
/// row of the largest answer tens of milliseconds; a second is a closure inside a closure gone wrong.
pub(super) const TIME_MAX: Duration = Duration::from_secs(1);

/// [`TIME_MAX`] in words.
pub(super) const TIME_MAX_TEXT: &str = "one second";

/// How many items closures look at between two looks at the clock.
const STEPS_PER_LOOK: u32 = 512;

/// What a condition is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) enum About<'v> {
    /// One row, with the places of the columns the condition reads.
    Row(AnyRow<'v>, &'v [Option<usize>]),
    /// One incident.
    Value(&'v serde_json::Value),
    /// All rows: their number, and those that are kept.
    Rows(u64, &'v [crate::model::Row]),
    /// All incidents.
    Values(&'v [serde_json::Value]),
    /// Nothing but the run and its outcome.
    Run,
}

/// Everything an evaluation may look at.
#[derive(Debug)]
pub(super) struct Scene<'v> {
    pub(super) about: About<'v>,
    pub(super) env: &'v Env<'v>,
    pub(super) lists: &'v [Option<Arc<List>>],
    locals: Vec<Value<'v>>,
    steps: u32,
    started: Option<Instant>,
}

/// Which answer of a closure's body is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    True,
    False,
}

type Outcome<T> = Result<T, Box<EvalError>>;

fn fail<T>(reason: Reason, range: &Range<usize>) -> Outcome<T> {
    Err(Box::new(EvalError { reason, range: range.clone() }))
}

/// Puts a place to a reason.
trait At<T> {
    fn at(self, range: &Range<usize>) -> Outcome<T>;
}

impl<T> At<T> for Result<T, Reason> {
    fn at(self, range: &Range<usize>) -> Outcome<T> {
        self.or_else(|reason| fail(reason, range))
    }
}

impl<'v> Scene<'v> {
    /// Sets the scene.
    pub(super) const fn new(about: About<'v>, env: &'v Env<'v>, lists: &'v [Option<Arc<List>>]) -> Self {
        Self { about, env, lists, locals: Vec::new(), steps: 0, started: None }
    }

    /// Whether the condition holds.
    pub(super) fn test(&mut self, node: &'v Node, range: &Range<usize>) -> Outcome<bool> {
        match node {
            Node::And(operands) => {
                for (operand, range) in operands {
                    if !self.test(operand, range)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Node::Or(operands) => {
                for (operand, range) in operands {
                    if self.test(operand, range)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Node::Not(operand, range) => self.test(operand, range).map(|holds| !holds),
            Node::Compare(operator, sides, range) => self.compare(*operator, sides, range),
            Node::InTexts(item, texts, range) => match self.eval(item)? {
                Value::Text(text) => Ok(texts.contains(&text)),
                Value::Nothing => Ok(false),
                // Instants compare with texts; everything else does not.
                other => {
                    for text in texts.written() {
                        if compare(Compare::Equal, &other, &Value::Text(text.into())).at(range)? {
                            return Ok(true);
                        }
                    }
                    Ok(false)
                }
            },
            Node::InConstants(item, constants, range) => {
                let item = self.eval(item)?;
                for constant in constants {
                    if compare(Compare::Equal, &item, &constant.value()).at(range)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Node::FoldContains(function, text, needle, range) => match self.eval(text)? {
                Value::Text(text) => Ok(needle.is_in(&text)),
                Value::Nothing => Ok(false),
                other => {
                    let place = format!("what `{}` is given", function.as_str());
                    fail(unfit(place, other.kind(), "a text"), range)
                }
            },
            Node::Call(Function::Contains, arguments, range) => match arguments.as_slice() {
                [container, item] => {
                    let container = self.eval(container)?;
                    let item = self.eval(item)?;
                    contains(&container, &item).at(range)
                }
                _ => Ok(false),
            },
            Node::Each(each) if each.function == Function::Any => self.finds(each, Wanted::True),
            Node::Each(each) if each.function == Function::All => {
                self.finds(each, Wanted::False).map(|found| !found)
            }
            other => match self.eval(other)? {
                Value::Bool(holds) => Ok(holds),
                value => fail(unfit("this".to_owned(), value.kind(), "true or false"), range),
            },
        }
    }

    fn compare(&mut self, operator: Compare, sides: &'v (Node, Node), range: &Range<usize>) -> Outcome<bool> {
        let left = self.eval(&sides.0)?;
        let right = self.eval(&sides.1)?;
        compare(operator, &left, &right).at(range)
    }

    /// The value of any node.
    pub(super) fn eval(&mut self, node: &'v Node) -> Outcome<Value<'v>> {
        Ok(match node {
            Node::Constant(constant) => constant.value(),
            Node::Column(place) => self.column(*place),
            Node::Subject => self.subject(),
            Node::Run => Value::from_json(self.env.run),
            Node::Outcome => self.env.outcome.map_or(Value::Nothing, Value::from_json),
            Node::Now => Value::Time(self.env.now),
            Node::Local(slot) => self.locals.get(*slot).cloned().unwrap_or(Value::Nothing),
            Node::List(place) => match self.lists.get(*place) {
                Some(Some(list)) => Value::List(list),
                _ => return fail(Reason::Missing { name: "the list".to_owned() }, &(0..0)),
            },
            Node::Field { of, name, absent, link, range } => {
                let of = self.eval(of)?;
                return Self::field(of, name, *absent, *link).at(range);
            }
            Node::Item { of, index, link, range } => {
                let of = self.eval(of)?;
                let index = self.eval(index)?;
                return Self::item(of, &index, *link).at(range);
            }
            Node::Coalesce(operands) => {
                let mut last = Value::Nothing;
                for operand in operands {
                    last = self.eval(operand)?;
                    if !matches!(last, Value::Nothing) {
                        break;
                    }
                }
                last
            }
            Node::If(parts, range) => {
                let branch = if self.test(&parts.0, range)? { &parts.1 } else { &parts.2 };
                return self.eval(branch);
            }
            Node::Reckon(operator, sides, range) => {
                let left = self.eval(&sides.0)?;
                let right = self.eval(&sides.1)?;
                return reckon(*operator, left, right).at(range);
            }
            Node::Negate(operand, range) => return negate(&self.eval(operand)?).at(range),
            Node::Array(items) => {
                Value::Many(items.iter().map(|item| self.eval(item)).collect::<Outcome<Vec<_>>>()?)
            }
            Node::Call(function, arguments, range) if *function != Function::Contains => {
                let arguments =
                    arguments.iter().map(|argument| self.eval(argument)).collect::<Outcome<Vec<_>>>()?;
                return call(*function, arguments, self.env.now).at(range);
            }
            Node::Each(each) if each.function == Function::Filter => return self.filter(each),
            Node::Opaque => return fail(Reason::Script("not evaluated".to_owned()), &(0..0)),
            truth => Value::Bool(self.test(truth, &(0..0))?),
        })
    }

    fn column(&self, place: usize) -> Value<'v> {
        let About::Row(row, places) = self.about else { return Value::Nothing };
        let Some(Some(place)) = places.get(place) else { return Value::Nothing };
        match row {
            AnyRow::View(view) => view.cells.get(*place).map_or(Value::Nothing, Value::from_cell_ref),
            AnyRow::Kept(row) => row.cells.get(*place).map_or(Value::Nothing, Value::from_cell),
        }
    }

    fn subject(&self) -> Value<'v> {
        match self.about {
            About::Row(row, _) => Value::Row(row),
            About::Value(value) => Value::from_json(value),
            About::Rows(count, rows) => Value::Rows(count, rows),
            About::Values(values) => Value::Values(values),
            About::Run => Value::Nothing,
        }
    }

    fn field(of: Value<'v>, name: &str, absent: Absent, link: Link) -> Result<Value<'v>, Reason> {
        if link == Link::Lenient && matches!(of, Value::Nothing) {
            return Ok(Value::Nothing);
        }
        if absent == Absent::Error
            && let Value::Json(json) = &of
            && json.get(name).is_none()
        {
            return Err(Reason::Missing { name: name.to_owned() });
        }
        of.field(name)
    }

    fn item(of: Value<'v>, index: &Value<'v>, link: Link) -> Result<Value<'v>, Reason> {
        if link == Link::Lenient && matches!(of, Value::Nothing) {
            return Ok(Value::Nothing);
        }
        match (of, index) {
            (of, Value::Int(index)) => of.item(*index),
            (of, Value::Text(name)) if of.kind() == Kind::Object => of.field(name),
            (_, index) => Err(unfit("the index".to_owned(), index.kind(), "a whole number")),
        }
    }

    /// The items a closure runs over; nothing has none.
    fn items(&mut self, each: &'v Each) -> Outcome<Vec<Value<'v>>> {
        let over = self.eval(&each.over)?;
        let kind = over.kind();
        if kind == Kind::Nothing {
            return Ok(Vec::new());
        }
        let place = || format!("what `{}` is given", each.function.as_str());
        over.items().ok_or_else(|| unfit(place(), kind, "an array")).at(&each.range)
    }

    /// Whether the body gives `wanted` for some item.
    fn finds(&mut self, each: &'v Each, wanted: Wanted) -> Outcome<bool> {
        for item in self.items(each)? {
            if self.holds(item, each)? == (wanted == Wanted::True) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn filter(&mut self, each: &'v Each) -> Outcome<Value<'v>> {
        let mut kept = Vec::new();
        for item in self.items(each)? {
            if self.holds(item.clone(), each)? {
                kept.push(item);
            }
        }
        Ok(Value::Many(kept))
    }

    /// Runs a closure's body for one item.
    fn holds(&mut self, item: Value<'v>, each: &'v Each) -> Outcome<bool> {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_PER_LOOK) {
            let started = *self.started.get_or_insert_with(Instant::now);
            if started.elapsed() > TIME_MAX {
                return fail(Reason::Limit { limit: TIME_MAX_TEXT }, &each.range);
            }
        }
        self.locals.truncate(each.slot);
        self.locals.push(item);
        let holds = self.test(&each.body, &each.range);
        self.locals.truncate(each.slot);
        holds
    }
}
