//! Each limit of an expression is reached by one, and named.

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::tests::{lists, names};
use super::value::AnyRow;
use super::*;
use crate::model::Row;

fn compile(source: &str) -> Result<Condition, String> {
    let names = names(Place::Where, Subject::Rows { columns: None });
    let condition = Condition::compile(&Language::new(), source, &names);
    condition.map_err(|problems| {
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; ")
    })
}

#[track_caller]
fn compiles(source: &str) {
    assert_eq!(compile(source).map(drop), Ok(()), "{source}");
}

#[track_caller]
fn refused(source: &str, why: &str) {
    assert_eq!(compile(source).map(drop), Err(why.to_owned()), "{source}");
}

/// Evaluates by the script engine, without a clock unless there is a deadline.
#[track_caller]
fn by_script(source: &str, row: &Json, deadline: Option<Instant>) -> Result<bool, Reason> {
    let row = Row::from_object(row.as_object().unwrap());
    let mut bound = compile(source).unwrap().bind(&row.projection, &lists());
    let env = Env { now: Timestamp::UNIX_EPOCH, run: &Json::Null, outcome: None };
    let about = native::About::Row(AnyRow::Kept(&row), &[]);
    bound.test_by_script_until(deadline, about, &env).map_err(|error| error.reason)
}

#[test]
fn what_is_nested_too_deeply_is_refused() {
    let nested = |depth: usize, inner: &str| format!("{}{inner}{}", "(".repeat(depth), ")".repeat(depth));
    compiles(&nested(20, "row.N == 5"));
    refused(&nested(70, "row.N == 5"), "the expression is nested too deeply");
    let closure = |depth| format!("[1].any(|x| {})", nested(depth, "x == 1"));
    compiles(&closure(8));
    refused(&closure(40), "the expression is nested too deeply");
}

#[test]
fn more_closures_than_one_expression_may_have_are_refused() {
    let closures = |count: usize| {
        let each: Vec<String> = (0..count).map(|number| format!("[1].any(|x| x == {number})")).collect();
        format!("[{}].len() > 0", each.join(", "))
    };
    compiles(&closures(64));
    refused(&closures(65), "number of functions defined exceeds maximum limit");
}

#[test]
fn closures_in_closures_in_closures_end() {
    let nested = |depth: usize| {
        let opened = "[1].any(|x| ".repeat(depth);
        format!("{opened}true{}", ")".repeat(depth))
    };
    assert_eq!(by_script(&nested(4), &json!({}), None), Ok(true));
    let deep = by_script(&nested(5), &json!({}), None);
    assert!(matches!(&deep, Err(Reason::Script(why)) if why.contains("Stack overflow")), "{deep:?}");
}

/// The engine's own count of steps begins anew in each closure, and with it would the look at the clock.
#[test]
fn closures_in_closures_are_cut_off_by_their_steps_and_by_the_clock() {
    let many = format!("[{}]", "1, ".repeat(3_000));
    let source = format!("switch {many}.all(|x| {many}.all(|y| y > 0)) {{ true => true, _ => false }}");
    let cut_off = |deadline| by_script(&source, &json!({}), deadline);
    assert_eq!(cut_off(None), Err(Reason::Limit { limit: "five million steps" }));
    assert_eq!(cut_off(Some(Instant::now())), Err(Reason::Limit { limit: "one second" }));
}

#[test]
fn what_is_built_has_a_size() {
    let row = json!({"T": "A".repeat(20 << 20)});
    for source in ["row.T + row.T == \"\"", "switch row.T + row.T { \"\" => true, _ => false }"] {
        assert_eq!(by_script(source, &row, None), Err(Reason::TooLong), "{source}");
    }
    let many: Json = vec![1; 600_000].into();
    let fields = (0..600_000).map(|number| (number.to_string(), Json::from(1))).collect();
    for value in [many, Json::Object(fields)] {
        let row = json!({ "V": value });
        assert_eq!(by_script("[row.V, row.V].len() == 2", &row, None), Err(Reason::TooMany));
    }
}
