//! Conditions.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use huntbook::expr::{Condition, Env, EvalError, Language, Names, Place, Reads, RowsUse, Subject};
use huntbook::model::{Cell, List, Lists, Row, RowView};
use serde_json::{Map, Value, json};

static LANGUAGE: LazyLock<Language> = LazyLock::new(Language::new);
static LISTS: LazyLock<Lists> = LazyLock::new(|| Lists::from_iter([List::new("servers", ["dc01", "Web"])]));
static ROW: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let row = json!({
        "T": "PowerShell.exe", "N": 5, "R": 2.5, "B": true, "Z": null, "A": ["x", "y"], "O": {"k": 1},
        "When": "2026-01-10T11:30:00.1234567Z", "Big": 18_446_744_073_709_551_615_u64,
    });
    row.as_object().expect("an object").clone()
});
static CASE: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "id": "29", "displayName": "x", "status": "active", "severity": "high", "customTags": ["a"], "assignedTo": null,
        "createdDateTime": "2026-01-10T11:30:00Z", "alerts": [{"id": "1", "evidence": []}], "comments": [],
    })
});

/// Compiles the text wherever an expression may stand, and evaluates it. Places are in it, an answer is the same each
/// time and both ways, and depends on nothing that the expression does not say it reads.
pub(crate) fn check(bytes: &[u8]) {
    let source = String::from_utf8_lossy(bytes);
    let rows = || Subject::Rows { columns: None };
    for (place, subject) in [
        (Place::Where, rows()),
        (Place::When, rows()),
        (Place::Action, Subject::Incidents),
        (Place::When, Subject::Alerts),
        (Place::Notify, rows()),
    ] {
        let names = Names { subject, lists: BTreeSet::from(["servers".to_owned()]), place };
        match Condition::compile(&LANGUAGE, &source, &names) {
            Ok(condition) => evaluate(&condition, &names),
            Err(problems) => {
                assert!(!problems.is_empty());
                for problem in problems {
                    assert!(source.get(problem.range.clone()).is_some(), "{problem:?} in {source:?}");
                }
            }
        }
    }
}

fn evaluate(condition: &Condition, names: &Names) {
    let (run, outcome) = (json!({"id": "r1"}), json!({"acted": 2, "halted": false}));
    let now = "2026-01-10T12:00:00Z".parse().expect("a time");
    let env = Env { now, run: &run, outcome: (names.place == Place::Notify).then_some(&outcome) };
    let ask = || match (names.place, &names.subject) {
        (Place::Notify, _) => condition.bind(&<_>::default(), &LISTS).test_outcome(&env),
        (Place::When, Subject::Rows { .. }) => when(condition, &env),
        (Place::When, _) => {
            condition.bind(&<_>::default(), &LISTS).test_values(std::slice::from_ref(&*CASE), &env)
        }
        (_, Subject::Rows { .. }) => row(condition, &env),
        _ => condition.bind(&<_>::default(), &LISTS).test_value(&CASE, &env),
    };
    let answer = ask();
    assert_eq!(ask(), answer, "{}", condition.source());
    if let Err(error) = answer {
        assert!(condition.source().get(error.range.clone()).is_some(), "{error:?}: {}", condition.source());
    }
}

/// Asks about a row that is kept, one that streams past, and one that has only what is read.
fn row(condition: &Condition, env: &Env<'_>) -> Result<bool, EvalError> {
    let whole = Row::from_object(&ROW);
    let mut bound = condition.bind(&whole.projection, &LISTS);
    let answer = bound.test_kept(&whole, env);
    let cells: Vec<_> = whole.cells.iter().map(Cell::as_ref).collect();
    let view = RowView { projection: &whole.projection, cells: &cells };
    assert_eq!(bound.test_row(&view, env), answer, "{}", condition.source());
    if let Reads::Only(columns) = condition.columns() {
        let mut part = ROW.clone();
        part.retain(|name, _value| columns.contains(name));
        let part = Row::from_object(&part);
        let of_part = condition.bind(&part.projection, &LISTS).test_kept(&part, env);
        assert_eq!(of_part, answer, "{} reads more than {columns:?}", condition.source());
    }
    answer
}

/// Asks about rows, and about their number where that is said to do.
fn when(condition: &Condition, env: &Env<'_>) -> Result<bool, EvalError> {
    let row = Row::from_object(&ROW);
    let rows = [row.clone(), row];
    let bound = condition.bind(&rows[0].projection, &LISTS);
    let answer = bound.test_rows(2, &rows, env);
    if matches!(condition.rows_use(), RowsUse::None | RowsUse::Count) {
        assert_eq!(bound.test_rows(2, &[], env), answer, "{} reads rows", condition.source());
    }
    answer
}
