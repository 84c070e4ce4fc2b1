//! The script engine: parses every condition, and evaluates those few that nothing faster can.
//!
//! It starts from nothing (no packages): only what is registered here exists. There is no `eval`, no
//! `import`, no `print`, no clock but `now`, nothing that waits. Every operator is ours, so that a
//! comparison of different types is an error and not silently false.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use jiff::Timestamp;
use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, ImmutableString, Map, NativeCallContext, Scope};
use serde_json::Value as Json;
use tokio::time::Instant;

use super::function::Function;
use super::meaning::{call, compare, contains, negate, reckon};
use super::native::{About, TIME_MAX, TIME_MAX_TEXT};
use super::place::Places;
use super::value::{AnyRow, Compare, Reason, Reckon, TEXT_BYTES_MAX, Value, unfit};
use super::{Env, EvalError};
use crate::model::List;

/// Most steps of one evaluation: fifty for each row of the largest answer.
const STEPS_MAX: u64 = 5_000_000;

/// [`STEPS_MAX`] in words.
const STEPS_MAX_TEXT: &str = "five million steps";

/// How many steps are taken between two looks at the clock.
const STEPS_PER_LOOK: u64 = 256;

/// Deepest nesting of an expression, and of one inside a closure. Written by hand nobody reaches ten.
const DEPTH_MAX: (usize, usize) = (64, 32);

/// Deepest nesting of calls: four closures within each other, each called by a function.
const CALLS_DEEP_MAX: usize = 8;

/// Most closures of one expression; it defines no other functions.
const CLOSURES_MAX: usize = 64;

/// Most names that are known at once: the six that conditions know, and one of each closure around.
const NAMES_MAX: usize = 32;

/// Most items of an array and most fields of an object a script may hold, what is inside of them counted: the hundred
/// thousand rows of the largest answer fit, with the ten columns that conditions read of one at most.
const ITEMS_MAX: usize = 1_000_000;

thread_local! {
    /// How many steps the evaluation that runs on this thread has taken.
    static STEPS: Cell<u64> = const { Cell::new(0) };
    /// When the evaluation that runs on this thread must be over.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    /// What `ago` counts from in the evaluation that runs on this thread.
    static NOW: Cell<Timestamp> = const { Cell::new(Timestamp::UNIX_EPOCH) };
}

type Answer<T> = Result<T, Box<EvalAltResult>>;

/// The rows of an answer; there may be more than are held.
#[derive(Debug, Clone)]
struct Rows(u64, Array);

/// A named list.
#[derive(Debug, Clone)]
struct Named(Arc<List>);

/// The named lists.
#[derive(Debug, Clone)]
struct AllLists(Vec<(Box<str>, Option<Arc<List>>)>);

/// The run, whose missing fields are errors.
#[derive(Debug, Clone)]
struct Run(Map);

/// Builds the engine.
pub(super) fn engine() -> Engine {
    let mut engine = Engine::new_raw();
    engine
        .set_optimization_level(rhai::OptimizationLevel::None)
        .set_fast_operators(false)
        .set_max_expr_depths(DEPTH_MAX.0, DEPTH_MAX.1)
        .set_max_call_levels(CALLS_DEEP_MAX)
        .set_max_functions(CLOSURES_MAX)
        .set_max_variables(NAMES_MAX)
        .set_max_string_size(TEXT_BYTES_MAX)
        .set_max_array_size(ITEMS_MAX)
        .set_max_map_size(ITEMS_MAX)
        // Its own count is forgotten at the end of each closure.
        .on_progress(|_steps_of_this_closure| step());
    engine.register_type_with_name::<Timestamp>("instant");
    operators(&mut engine);
    functions(&mut engine);
    closures(&mut engine);
    engine.register_indexer_get(|lists: &mut AllLists, name: ImmutableString| -> Answer<Named> {
        let found = lists.0.iter().find(|(list, _)| **list == *name.as_str());
        let list = found.and_then(|(_, list)| list.clone());
        list.map(Named).ok_or_else(|| raise(Reason::Missing { name: "the list".to_owned() }))
    });
    engine.register_indexer_get(|run: &mut Run, name: ImmutableString| -> Answer<Dynamic> {
        let found = run.0.get(name.as_str()).cloned();
        found.ok_or_else(|| raise(Reason::Missing { name: name.to_string() }))
    });
    engine.register_indexer_get(|rows: &mut Rows, index: i64| -> Answer<Dynamic> {
        let place = if index < 0 { index + i64::try_from(rows.1.len()).unwrap_or(i64::MAX) } else { index };
        let found = usize::try_from(place).ok().and_then(|place| rows.1.get(place).cloned());
        found.ok_or_else(|| raise(Reason::Missing { name: format!("[{index}]") }))
    });
    engine
}

/// Takes a step; says which limit is reached, if one is.
fn step() -> Option<Dynamic> {
    let steps = STEPS.get() + 1;
    STEPS.set(steps);
    let late = || {
        steps.is_multiple_of(STEPS_PER_LOOK)
            && DEADLINE.get().is_some_and(|deadline| deadline < Instant::now())
    };
    let limit = if STEPS_MAX < steps { STEPS_MAX_TEXT } else { late().then_some(TIME_MAX_TEXT)? };
    Some(Dynamic::from(Reason::Limit { limit }))
}

fn operators(engine: &mut Engine) {
    for operator in Compare::ALL {
        engine.register_fn(operator.as_str(), move |left: Dynamic, right: Dynamic| -> Answer<bool> {
            compare(operator, &value(&left), &value(&right)).map_err(raise)
        });
    }
    for operator in Reckon::ALL {
        engine.register_fn(operator.as_str(), move |left: Dynamic, right: Dynamic| -> Answer<Dynamic> {
            reckon(operator, value(&left), value(&right)).map(dynamic).map_err(raise)
        });
    }
    engine.register_fn("-", |operand: Dynamic| -> Answer<Dynamic> {
        negate(&value(&operand)).map(dynamic).map_err(raise)
    });
    engine.register_fn("!", |operand: Dynamic| -> Answer<bool> {
        let got = value(&operand);
        operand
            .as_bool()
            .map(|holds| !holds)
            .map_err(|_type| raise(unfit("this".to_owned(), got.kind(), "true or false")))
    });
}

fn functions(engine: &mut Engine) {
    for function in Function::ALL {
        let name = function.as_str();
        match (function, function.arity()) {
            (Function::Contains, _) => {
                engine.register_fn(name, |container: Dynamic, item: Dynamic| -> Answer<bool> {
                    let item = value(&item);
                    match container.read_lock::<Named>() {
                        Some(named) => contains(&Value::List(&named.0), &item).map_err(raise),
                        None => contains(&value(&container), &item).map_err(raise),
                    }
                });
            }
            (Function::Len, _) => {
                engine.register_fn(name, move |of: Dynamic| -> Answer<Dynamic> {
                    if let Some(named) = of.read_lock::<Named>() {
                        return call(function, vec![Value::List(&named.0)], NOW.get())
                            .map(dynamic)
                            .map_err(raise);
                    }
                    let counted = of.read_lock::<Rows>().map(|rows| Value::Rows(rows.0, &[]));
                    let of = counted.unwrap_or_else(|| value(&of));
                    call(function, vec![of], NOW.get()).map(dynamic).map_err(raise)
                });
            }
            (Function::Any | Function::All | Function::Filter, _) => {}
            (_, 1) => {
                engine.register_fn(name, move |argument: Dynamic| -> Answer<Dynamic> {
                    call(function, vec![value(&argument)], NOW.get()).map(dynamic).map_err(raise)
                });
            }
            _ => {
                engine.register_fn(name, move |first: Dynamic, second: Dynamic| -> Answer<Dynamic> {
                    let arguments = vec![value(&first), value(&second)];
                    call(function, arguments, NOW.get()).map(dynamic).map_err(raise)
                });
            }
        }
    }
}

fn closures(engine: &mut Engine) {
    for name in [Function::Any.as_str(), Function::SOME] {
        engine.register_fn(
            name,
            |context: NativeCallContext, over: Dynamic, closure: FnPtr| -> Answer<bool> {
                for item in items(&over, Function::Any)? {
                    if holds(&context, &closure, item)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            },
        );
    }
    engine.register_fn("all", |context: NativeCallContext, over: Dynamic, closure: FnPtr| -> Answer<bool> {
        for item in items(&over, Function::All)? {
            if !holds(&context, &closure, item)? {
                return Ok(false);
            }
        }
        Ok(true)
    });
    engine.register_fn(
        "filter",
        |context: NativeCallContext, over: Dynamic, closure: FnPtr| -> Answer<Array> {
            let mut kept = Array::new();
            for item in items(&over, Function::Filter)? {
                if holds(&context, &closure, item.clone())? {
                    kept.push(item);
                }
            }
            Ok(kept)
        },
    );
}

/// Runs a closure for one item.
fn holds(context: &NativeCallContext<'_>, closure: &FnPtr, item: Dynamic) -> Answer<bool> {
    let answer: Dynamic = closure.call_within_context(context, (item,))?;
    answer.as_bool().map_err(|_type| raise(unfit("this".to_owned(), value(&answer).kind(), "true or false")))
}

/// The items of what a closure runs over; nothing has none.
fn items(over: &Dynamic, function: Function) -> Answer<Array> {
    if over.is_unit() {
        return Ok(Array::new());
    }
    if let Some(rows) = over.read_lock::<Rows>() {
        return Ok(rows.1.clone());
    }
    if let Some(items) = over.read_lock::<Array>() {
        return Ok(items.clone());
    }
    let place = format!("what `{}` is given", function.as_str());
    Err(raise(unfit(place, value(over).kind(), "an array")))
}

/// Carries a reason through the engine.
#[expect(clippy::unnecessary_box_returns, reason = "the engine's errors are boxed")]
fn raise(reason: Reason) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(reason), rhai::Position::NONE))
}

/// Gets the reason back out of the engine's error.
fn caught(error: &EvalAltResult, places: &Places<'_>) -> EvalError {
    let mut inner = error;
    while let EvalAltResult::ErrorInFunctionCall(_, _, deeper, _) = inner {
        inner = deeper;
    }
    let reason = match inner {
        EvalAltResult::ErrorRuntime(payload, _) | EvalAltResult::ErrorTerminated(payload, _) => {
            payload.read_lock::<Reason>().map(|reason| reason.clone())
        }
        EvalAltResult::ErrorDataTooLarge(what, _) if what.contains("string") => Some(Reason::TooLong),
        EvalAltResult::ErrorDataTooLarge(..) => Some(Reason::TooMany),
        _ => None,
    };
    let reason = reason.unwrap_or_else(|| Reason::Script(super::value::shown(&inner.to_string())));
    EvalError { reason, range: places.token(inner.position()) }
}

/// A value of the engine as ours.
fn value(dynamic: &Dynamic) -> Value<'static> {
    if dynamic.is_unit() {
        return Value::Nothing;
    }
    if let Ok(value) = dynamic.as_bool() {
        return Value::Bool(value);
    }
    if let Ok(value) = dynamic.as_int() {
        return Value::Int(value);
    }
    if let Ok(value) = dynamic.as_float() {
        return Value::Real(value);
    }
    if let Some(text) = dynamic.read_lock::<ImmutableString>() {
        return Value::Text(text.to_string().into());
    }
    if let Some(time) = dynamic.read_lock::<Timestamp>() {
        return Value::Time(*time);
    }
    if let Some(rows) = dynamic.read_lock::<Rows>() {
        return Value::Many(rows.1.iter().map(value).collect());
    }
    if let Some(items) = dynamic.read_lock::<Array>() {
        return Value::Many(items.iter().map(value).collect());
    }
    if let Some(map) = dynamic.read_lock::<Map>() {
        let fields = map.iter().map(|(key, item)| (key.to_string(), plain(value(item))));
        return Value::Json(Cow::Owned(Json::Object(fields.collect())));
    }
    Value::Nothing
}

/// A value as JSON; what JSON lacks becomes null.
fn plain(value: Value<'_>) -> Json {
    match value {
        Value::Bool(value) => value.into(),
        Value::Int(value) => value.into(),
        Value::Real(value) => value.into(),
        Value::Text(text) => text.into_owned().into(),
        Value::Json(json) => json.into_owned(),
        Value::Many(items) => items.into_iter().map(plain).collect(),
        _ => Json::Null,
    }
}

/// A value of ours for the engine.
fn dynamic(value: Value<'_>) -> Dynamic {
    match value {
        Value::Nothing => Dynamic::UNIT,
        Value::Bool(value) => value.into(),
        Value::Int(value) => value.into(),
        Value::Real(value) => value.into(),
        Value::Text(text) => text.into_owned().into(),
        Value::Time(time) => Dynamic::from(time),
        Value::Json(json) => match json.as_object() {
            Some(map) => {
                let fields =
                    map.iter().map(|(key, item)| (key.as_str().into(), dynamic(Value::from_json(item))));
                Dynamic::from_map(fields.collect())
            }
            None => json.as_array().map_or(Dynamic::UNIT, |items| array(items.iter().map(Value::from_json))),
        },
        Value::Many(items) => array(items.into_iter()),
        Value::List(list) => Dynamic::from(Named(Arc::new(list.clone()))),
        Value::Row(row) => record(row, &row.names()),
        Value::Rows(count, rows) => {
            let rows = rows.iter().map(|row| dynamic(Value::Row(AnyRow::Kept(row))));
            Dynamic::from(Rows(count, rows.collect()))
        }
        Value::Values(values) => array(values.iter().map(Value::from_json)),
    }
}

fn array<'a>(items: impl Iterator<Item = Value<'a>>) -> Dynamic {
    Dynamic::from_array(items.map(dynamic).collect())
}

/// A row with these columns only.
fn record(row: AnyRow<'_>, names: &[&str]) -> Dynamic {
    Dynamic::from_map(names.iter().map(|name| ((*name).into(), dynamic(row.column(name)))).collect())
}

/// The subject under its name, holding no more than the condition reads.
fn subject(scope: &mut Scope<'_>, about: About<'_>, columns: Option<&[&str]>) {
    match about {
        About::Row(row, _) => {
            let names = columns.map_or_else(|| row.names(), <[_]>::to_vec);
            scope.push_dynamic("row", record(row, &names));
        }
        About::Value(incident) => {
            scope.push_dynamic("incident", dynamic(Value::from_json(incident)));
        }
        About::Rows(count, rows) => {
            let record = |row| {
                let row = AnyRow::Kept(row);
                columns.map_or_else(|| dynamic(Value::Row(row)), |names| record(row, names))
            };
            scope.push_dynamic("rows", Dynamic::from(Rows(count, rows.iter().map(record).collect())));
        }
        About::Values(values) => {
            scope.push_dynamic("incidents", dynamic(Value::Values(values)));
        }
        About::Run => {}
    }
}

/// Evaluates an expression with the engine.
pub(super) fn test(
    program: &super::condition::Program,
    about: About<'_>,
    env: &Env<'_>,
    lists: &[Option<Arc<List>>],
) -> Result<bool, EvalError> {
    test_until(Some(Instant::now() + TIME_MAX), program, about, env, lists)
}

/// The same, until some instant at the latest.
pub(super) fn test_until(
    deadline: Option<Instant>,
    program: &super::condition::Program,
    about: About<'_>,
    env: &Env<'_>,
    lists: &[Option<Arc<List>>],
) -> Result<bool, EvalError> {
    let columns = program.read_columns();
    let mut scope = Scope::new();
    subject(&mut scope, about, columns.as_deref());
    scope.push_dynamic("now", Dynamic::from(env.now));
    let run = dynamic(Value::from_json(env.run)).try_cast::<Map>().unwrap_or_default();
    scope.push_dynamic("run", Dynamic::from(Run(run)));
    scope.push_dynamic(
        "outcome",
        env.outcome.map_or(Dynamic::UNIT, |outcome| dynamic(Value::from_json(outcome))),
    );
    let named = program.lists().iter().cloned().zip(lists.iter().cloned()).collect();
    scope.push_dynamic("lists", Dynamic::from(AllLists(named)));
    DEADLINE.set(deadline);
    STEPS.set(0);
    NOW.set(env.now);
    let answer = program.engine().eval_ast_with_scope::<Dynamic>(&mut scope, program.ast());
    DEADLINE.set(None);
    let answer = answer.map_err(|error| caught(&error, &Places::new(program.source())))?;
    answer.as_bool().map_err(|_type| EvalError {
        reason: unfit("this".to_owned(), value(&answer).kind(), "true or false"),
        range: 0..program.source().len(),
    })
}
