//! Both ways to evaluate a condition give the same answer on random expressions and rows.

use std::cell::Cell as Counter;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};

use super::tests::{lists, names};
use super::value::AnyRow;
use super::*;
use crate::model::{Cell, Row, RowView};

static LANGUAGE: LazyLock<Language> = LazyLock::new(Language::new);

/// A cell of any kind, small enough to collide with the literals below.
fn cell() -> impl Strategy<Value = Json> {
    prop_oneof![
        2 => Just(Json::Null),
        1 => any::<bool>().prop_map(Json::from),
        3 => (-3i64..4).prop_map(Json::from),
        1 => any::<i64>().prop_map(Json::from),
        1 => any::<u64>().prop_map(Json::from),
        1 => prop::sample::select(vec![0.5, 1.0, -2.0, 9_007_199_254_740_993.0]).prop_map(Json::from),
        4 => text().prop_map(Json::from),
        1 => any::<String>().prop_map(Json::from),
        1 => Just(json!("2026-01-10T11:30:00Z")),
        1 => prop::collection::vec(text(), 0..3).prop_map(Json::from),
        1 => prop::collection::vec(-1i64..3, 0..3).prop_map(Json::from),
        1 => (-3i64..4).prop_map(|number| json!({"k": number, "t": [{"k": "a"}]})),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "a", "A", "ab", "aB", "dc01", "é", "É", "-enc", "K", "1", "1.5"])
        .prop_map(str::to_owned)
}

fn row() -> impl Strategy<Value = Row> {
    prop::collection::vec(cell(), 4).prop_map(|cells| {
        Row::from_object(&["A", "B", "C", "D"].map(str::to_owned).into_iter().zip(cells).collect())
    })
}

/// Something with a value. `??` hides its type from the compiler, so that the evaluation meets it.
fn value() -> impl Strategy<Value = String> {
    let column =
        prop::sample::select(vec!["row.A", "row.B", "row.C", "row.D", "row.Missing"]).prop_map(str::to_owned);
    let literal = prop_oneof![
        (-3i64..4).prop_map(|number| number.to_string()),
        text().prop_map(|text| format!("{text:?}")),
        prop::sample::select(vec!["true", "()", "0.5", "now", "9223372036854775807", r#"ago("1h")"#])
            .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![6 => column, 1 => literal];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (
                inner.clone(),
                select(&["to_lower", "to_upper", "trim", "len", "abs", "to_number", "to_string", "time"])
            )
                .prop_map(|(value, function)| format!("({function}({value}) ?? row.D)")),
            (inner.clone(), select(&["+", "-", "*", "/", "%"]), inner.clone())
                .prop_map(|(left, operator, right)| format!("(({left} {operator} {right}) ?? row.C)")),
            (inner.clone(), select(&["min", "max"]), inner.clone())
                .prop_map(|(left, function, right)| format!("{function}({left}, {right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} ?? {right})")),
            inner.clone().prop_map(|value| format!("(-({value}) ?? row.C)")),
            // The engine ends the whole chain at `?.`; `??` ends it for both.
            inner.prop_map(|value| format!("(({value})?.k ?? ())")),
        ]
    })
}

fn select(from: &[&'static str]) -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(from.to_vec())
}

/// Something that is true or false, or fails.
fn truth() -> impl Strategy<Value = String> {
    let array = prop::collection::vec(value(), 0..4).prop_map(|items| format!("[{}]", items.join(", ")));
    let texts = prop::collection::vec(text(), 0..4).prop_map(|items| format!("{items:?}"));
    let leaf = prop_oneof![
        6 => (value(), select(&["==", "!=", "<", "<=", ">", ">="]), value())
            .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        2 => (value(), select(&["in", "!in"]), prop_oneof![array, texts, value(), Just("lists.servers".to_owned())])
            .prop_map(|(item, operator, container)| format!("{item} {operator} {container}")),
        3 => (value(), select(&["contains", "icontains", "starts_with", "ends_with"]), value())
            .prop_map(|(text, function, part)| format!("({text}).{function}({part})")),
        2 => (value(), text()).prop_map(|(text, part)| format!("({text}).to_lower().contains({part:?})")),
        2 => (value(), select(&["any", "all"]), select(&["x == row", "x > 0", r#"x == "a""#, "x.k == 1", "x != ()"]))
            .prop_map(|(over, function, body)| format!("({over}).{function}(|x| {})", body.replace("row", "1"))),
        1 => value(),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" && "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" || "))),
            inner.clone().prop_map(|one| format!("!({one})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("if {a} {{ {b} }} else {{ {c} }}")),
            (value(), value(), inner)
                .prop_map(|(left, right, then)| format!("({left} == {right} && {then})")),
        ]
    })
}

#[test]
fn the_fast_way_and_the_script_engine_agree() {
    let compiled = Counter::new(0_u32);
    let failed = Counter::new(0_u32);
    let mut runner = TestRunner::new(Config { cases: 1_000, failure_persistence: None, ..Config::default() });
    let names = names(Place::Where, Subject::Rows { columns: None });
    let run = json!({"id": "r"});
    let now = "2026-01-10T12:00:00Z".parse().unwrap();
    let env = Env { now, run: &run, outcome: None };
    let result = runner.run(&(truth(), prop::collection::vec(row(), 3)), |(source, rows)| {
        let Ok(condition) = Condition::compile(&LANGUAGE, &source, &names) else { return Ok(()) };
        compiled.set(compiled.get() + 1);
        for row in &rows {
            let mut bound = condition.bind(&row.projection, &lists());
            let cells: Vec<_> = row.cells.iter().map(Cell::as_ref).collect();
            let view = RowView { projection: &row.projection, cells: &cells };
            let fast = bound.test_row(&view, &env);
            let kept = bound.test_kept(row, &env);
            let slow = bound.test_by_script(native::About::Row(AnyRow::Kept(row), &[]), &env);
            prop_assert_eq!(&fast, &kept, "{} {:?}", source, row);
            failed.set(failed.get() + u32::from(fast.is_err()));
            match (&fast, &slow) {
                (Ok(fast), Ok(slow)) if fast == slow => {}
                // Where two parts of an expression fail, either may be met first.
                (Err(_), Err(_)) => {}
                _ => {
                    return Err(TestCaseError::fail(format!(
                        "{source}\n{row:?}\nfast {fast:?}\nslow {slow:?}"
                    )));
                }
            }
        }
        Ok(())
    });
    result.unwrap();
    assert!(compiled.get() > 300, "only {} expressions compiled", compiled.get());
    assert!(failed.get() > 200, "only {} evaluations failed", failed.get());
}
