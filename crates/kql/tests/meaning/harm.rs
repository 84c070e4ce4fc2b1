//! What holds for every text: nothing panics, every place is in the text, plans keep their word.

use kql::bind::check;
use kql::lint::{NearRealTime, Need, Use, lint};
use kql::plan::{Pipeline, Slot};
use kql::schema::Database;
use proptest::prelude::*;

use crate::mutation::{Dice, LANGUAGE, mutated};

/// Each takes milliseconds unoptimised; the long run is the fuzzing example.
const MUTATIONS: u64 = 150;

fn check_binder(text: &str) {
    let database = Database::defender();
    let checked = check(text, database);
    let purpose = Use {
        needs: vec![Need::column("DeviceId", "a test")],
        period: Some(1),
        near_real_time: NearRealTime::Yes,
        length_max: Some(10),
    };
    let lints = lint(text, &checked, database, &purpose);
    for diagnostic in checked.diagnostics.iter().chain(&lints) {
        let span = diagnostic.span;
        let range = span.start as usize..span.end as usize;
        assert!(text.get(range).is_some(), "{diagnostic:?} is not a place of {text:?}");
    }
    for pipeline in checked.bound.plan.results.iter().chain(tables(&checked.bound.plan.slots)) {
        check_pipeline(pipeline);
    }
}

fn tables(slots: &[Slot]) -> impl Iterator<Item = &Pipeline> {
    slots.iter().filter_map(|slot| match slot {
        Slot::Table(pipeline) => Some(pipeline),
        Slot::Scalar(_) => None,
    })
}

fn check_pipeline(pipeline: &Pipeline) {
    let last = pipeline.stages.last().map_or_else(|| pipeline.source.schema(), |stage| stage.schema.clone());
    assert_eq!(pipeline.schema, last);
}

#[test]
fn the_language_has_a_meaning() {
    for query in LANGUAGE.split("\n\n") {
        check_binder(query);
    }
    check_binder(LANGUAGE);
}

#[test]
fn nearly_right_queries_do_no_harm() {
    for seed in 0..MUTATIONS {
        check_binder(&mutated(&mut Dice::new(seed)));
    }
}

#[test]
fn functions_that_call_functions_end() {
    let first = "let f0 = (x: long) { x + x };\n".to_owned();
    let rest = (0..39).map(|n| format!("let f{} = (x: long) {{ f{n}(x) + f{n}(x) }};\n", n + 1));
    let mut text: String = std::iter::once(first).chain(rest).collect();
    text.push_str("print f39(1)");
    let checked = check(&text, Database::defender());
    assert!(checked.bound.has_errors());
}

#[test]
fn deep_expressions_are_refused() {
    let text = format!("print {}1{}", "(1 + ".repeat(60), ")".repeat(60));
    check_binder(&text);
    let text = format!("print {}1{}", "strcat(".repeat(90), ")".repeat(90));
    check_binder(&text);
}

#[test]
fn many_variables_are_freed_without_recursion() {
    let text: String =
        (0..20_000).map(|n| format!("let x{n} = {n};\n")).chain(["print x0".to_owned()]).collect();
    check_binder(&text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_does_no_harm(text in "\\PC{0,80}") {
        check_binder(&text);
    }

    #[test]
    fn words_of_the_language_in_any_order_do_no_harm(words in proptest::collection::vec(word(), 1..30)) {
        check_binder(&words.join(" "));
    }
}

fn word() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "DeviceEvents",
        "|",
        "where",
        "Timestamp",
        "==",
        "\"x\"",
        "and",
        "extend",
        "a",
        "=",
        "1",
        "(",
        ")",
        ",",
        "summarize",
        "count()",
        "by",
        "join",
        "kind=inner",
        "on",
        "$left.a",
        "$right.a",
        "mv-expand",
        "parse_json(a)",
        ".b",
        "[0]",
        "let f =",
        "{",
        "}",
        ";",
        "union",
        "*",
        "project",
        "arg_max(a, *)",
        "datatable(a:int)[1]",
        "in",
        "toscalar(",
        "materialize(",
        "dynamic([1])",
        "between",
        "..",
        "1d",
        "ago(1d)",
        "search",
        "find",
        "invoke f()",
        "evaluate bag_unpack(a)",
        "mv-apply a on (",
        "make-series",
        "top 1 by a",
        "scan",
        "as",
        "print",
        "range",
    ])
}
