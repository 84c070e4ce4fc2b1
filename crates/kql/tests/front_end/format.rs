//! The layout of queries.

use crate::checks::check_formatter;
use crate::mutation::LANGUAGE;
use kql::format::{FormatError, format};

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(format(text).as_deref(), Ok(expected), "{text}");
    check_formatter(text);
}

#[test]
fn the_language_fixture_is_laid_out_already() {
    check(LANGUAGE, LANGUAGE);
}

#[test]
fn a_bar_begins_a_line() {
    check("T|where a==1|take 5", "T\n| where a == 1\n| take 5\n");
    check("  T\n\n\n| count  ", "T\n| count\n");
    check("print   1", "print 1\n");
    check("", "");
}

#[test]
fn statements_begin_lines_and_keep_one_empty_line() {
    check("let a=1;let b=2;T", "let a = 1;\nlet b = 2;\nT\n");
    check("let a=1;\n\n\n\nT", "let a = 1;\n\nT\n");
    check("let a=T|where b;a", "let a = T | where b;\na\n");
    check("let a=T|where b|take 1;a", "let a =\n    T\n    | where b\n    | take 1;\na\n");
    check("let f=(a:int,T:(*)){T|take a};f(1,U)", "let f = (a: int, T: (*)) { T | take a };\nf(1, U)\n");
}

#[test]
fn comments_stay_where_they_are() {
    check(
        "// head\n\nT // source\n| where a // why\n// own line\n| take 5 // end\n// last\n",
        "// head\n\nT // source\n| where a // why\n// own line\n| take 5 // end\n// last\n",
    );
    check("T | where a // first\n and b", "T\n| where a // first\n    and b\n");
    check("T | project a, // x\n b // y\n, c", "T\n| project\n    a, // x\n    b, // y\n    c\n");
    check(
        "T | where a in (\n// one\n1,\n// two\n2)",
        "T\n| where a in (\n    // one\n    1,\n    // two\n    2\n)\n",
    );
    check("T | where (a) // why", "T\n| where (a) // why\n");
    check("T\n//a\n\n//b\n| take 1", "T\n//a\n\n//b\n| take 1\n");
}

#[test]
fn what_does_not_fit_is_broken_from_the_outside_in() {
    let name = "SomeRatherLongColumnName";
    check(
        &format!("T | where {name}1 == 1 and {name}2 == 2 and {name}3 == 3 and {name}4 == 4"),
        &format!(
            "T\n| where {name}1 == 1\n    and {name}2 == 2\n    and {name}3 == 3\n    and {name}4 == 4\n"
        ),
    );
    check(
        &format!("T | project {name}1, {name}2, {name}3, {name}4"),
        &format!("T\n| project\n    {name}1,\n    {name}2,\n    {name}3,\n    {name}4\n"),
    );
    check(
        &format!("T | summarize {name}1=count(), {name}2=max({name}3) by {name}4, {name}5"),
        &format!(
            "T\n| summarize\n    {name}1 = count(),\n    {name}2 = max({name}3)\n    by {name}4, {name}5\n"
        ),
    );
    check(
        &format!("T | extend a = iff({name}1 == {name}2, f({name}3, {name}4), {name}5)"),
        &format!("T\n| extend a = iff(\n    {name}1 == {name}2,\n    f({name}3, {name}4),\n    {name}5\n)\n"),
    );
    check(
        "T | join kind=inner (U | where a | project b) on b",
        "T\n| join kind=inner (\n    U\n    | where a\n    | project b\n) on b\n",
    );
}

#[test]
fn a_query_with_errors_is_left_alone() {
    assert!(matches!(format("T | where"), Err(FormatError::Syntax(errors)) if errors.len() == 1));
}

#[test]
fn a_warning_is_no_reason_to_leave_a_query_alone() {
    check("T|where a=true", "T\n| where a = true\n");
}
