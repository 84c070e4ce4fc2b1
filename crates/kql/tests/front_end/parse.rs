//! What is a query and what is not: forms that parse, how tightly operators bind, and where errors
//! are.

use crate::checks::check_parser;
use crate::mutation::LANGUAGE;
use kql::diagnostic::Severity;
use kql::parse::parse;
use kql::syntax::{Expr, ExprKind, OperatorKind, StatementKind};

#[test]
fn the_whole_language_parses() {
    let parsed = check_parser(LANGUAGE);
    assert_eq!(parsed.diagnostics, []);
}

/// Prints an expression with every operator in brackets.
fn show(expr: &Expr) -> String {
    let list = |items: &[Expr]| items.iter().map(show).collect::<Vec<_>>().join(", ");
    match &expr.kind {
        ExprKind::Literal(literal) => format!("{:?}", literal.kind),
        ExprKind::Name(name) => name.text.clone(),
        ExprKind::Star => "*".to_owned(),
        ExprKind::Path { base, name } => format!("{}.{}", show(base), name.text),
        ExprKind::Index { base, index } => format!("{}[{}]", show(base), show(index)),
        ExprKind::Call { name, arguments, .. } => {
            let arguments: Vec<String> = arguments.iter().map(|argument| show(&argument.value)).collect();
            format!("{}({})", name.text, arguments.join(", "))
        }
        ExprKind::Unary { op, operand } => format!("{op:?}<{}>", show(operand)),
        ExprKind::Binary { op, left, right, .. } => format!("<{} {} {}>", show(left), op.text(), show(right)),
        ExprKind::In { op, operand, list: items, .. } => {
            format!("<{} {} {}>", show(operand), op.text(), list(items))
        }
        ExprKind::Between { negated, operand, low, high, .. } => {
            format!(
                "<{} {}between {} {}>",
                show(operand),
                if *negated { "!" } else { "" },
                show(low),
                show(high)
            )
        }
        ExprKind::Paren(inner) => format!("({})", show(inner)),
        ExprKind::Pipeline(pipeline) => format!("pipeline of {}", pipeline.operators.len()),
        other => format!("{other:?}"),
    }
}

#[track_caller]
fn condition(text: &str) -> String {
    let parsed = parse(&format!("T | where {text}"));
    assert_eq!(parsed.diagnostics, [], "{text}");
    let [statement] = parsed.query.statements.as_slice() else { panic!("not one statement") };
    let StatementKind::Expression(Expr { kind: ExprKind::Pipeline(pipeline), .. }) = &statement.kind else {
        panic!("no pipeline")
    };
    match pipeline.operators.first().map(|operator| &operator.kind) {
        Some(OperatorKind::Where(expr)) => show(expr),
        other => panic!("no condition: {other:?}"),
    }
}

#[test]
fn operators_bind_as_in_the_service() {
    for (text, tree) in [
        ("a or b and c", "<a or <b and c>>"),
        ("a and b or c and d", "<<a and b> or <c and d>>"),
        ("a == b and c != d", "<<a == b> and <c != d>>"),
        ("a <> b", "<a != b>"),
        ("a < b == c > d", "<<a < b> == <c > d>>"),
        ("a + b * c", "<a + <b * c>>"),
        ("a - b - c", "<<a - b> - c>"),
        ("a * b / c % d", "<<<a * b> / c> % d>"),
        ("a + b > c - d", "<<a + b> > <c - d>>"),
        ("-a + b", "<Minus<a> + b>"),
        ("a - -b", "<a - Minus<b>>"),
        ("a has b and c", "<<a has b> and c>"),
        ("a =~ b or c !~ d", "<<a =~ b> or <c !~ d>>"),
        // The operators on text bind tighter than those on numbers.
        ("a + b contains c", "<a + <b contains c>>"),
        ("a matches regex b and c", "<<a matches regex b> and c>"),
        ("a.b[0].c == d", "<a.b[Long(0)].c == d>"),
        ("a in (b, c) and d", "<<a in b, c> and d>"),
        ("a + b !in~ (c)", "<<a + b> !in~ c>"),
        ("a has_any (b) or c has_all (d)", "<<a has_any b> or <c has_all d>>"),
        ("a between (b .. c + d) and e", "<<a between b <c + d>> and e>"),
        ("a !between (1 .. 2)", "<a !between Long(1) Long(2)>"),
        ("a in ((T | project x))", "<a in (pipeline of 1)>"),
        ("a in (T | project x)", "<a in pipeline of 1>"),
        ("(a or b) and c", "<(<a or b>) and c>"),
        ("f(a, b == c)", "f(a, <b == c>)"),
        ("a notcontains b", "<a !contains b>"),
        ("a containscs b", "<a contains_cs b>"),
        ("by.count and ['x y'] == 1", "<by.count and <x y == Long(1)>>"),
    ] {
        if text.starts_with("by.") {
            // A word of the language is no name where an expression begins.
            assert!(!parse(&format!("T | where {text}")).diagnostics.is_empty());
            continue;
        }
        assert_eq!(condition(text), tree, "{text}");
    }
}

#[test]
fn literals_have_their_values() {
    for (text, value) in [
        ("5", "Long(5)"),
        ("0xff", "Long(255)"),
        ("9223372036854775807", "Long(9223372036854775807)"),
        ("1.5", "Real(1.5)"),
        ("1e2", "Real(100.0)"),
        ("int(-3)", "Int(-3)"),
        ("int(0x10)", "Int(16)"),
        ("long(7)", "Long(7)"),
        ("real(nan)", "Real(NaN)"),
        ("double(-inf)", "Real(-inf)"),
        ("bool(true)", "Bool(true)"),
        ("False", "Bool(false)"),
        ("decimal(1.50)", "Decimal(\"1.50\")"),
        ("datetime( 2024-01-01 10:00 )", "DateTime(\"2024-01-01 10:00\")"),
        ("datetime(\"2024-01-01\")", "DateTime(\"2024-01-01\")"),
        ("datetime // a (day)\n (2024-01-01)", "DateTime(\"2024-01-01\")"),
        ("1d", "TimeSpan(\"1d\")"),
        ("1.5hours", "TimeSpan(\"1.5hours\")"),
        ("time(1.02:03)", "TimeSpan(\"1.02:03\")"),
        ("\"a\\tb\\\\\\u0041\\x42\\103\"", "String(\"a\\tb\\\\ABC\")"),
        ("'it\\'s'", "String(\"it's\")"),
        ("@'C:\\new'", "String(\"C:\\\\new\")"),
        ("@\"a \"\"b\"\"\"", "String(\"a \\\"b\\\"\")"),
        ("h\"x\"", "String(\"x\")"),
        ("H@'x\\y'", "String(\"x\\\\y\")"),
        ("```a\n\"b\"```", "String(\"a\\n\\\"b\\\"\")"),
        ("\"a\" 'b' @\"c\"", "String(\"abc\")"),
    ] {
        assert_eq!(condition(text), value, "{text}");
    }
}

#[test]
fn forms_that_are_easily_refused_are_not() {
    for text in [
        "",
        ";",
        "// only a comment",
        "T;",
        "T;;U;",
        "T\n|where a\n|\n|take 1".trim_end_matches("\n|take 1").trim_end_matches("\n|"),
        "let x = 1; let y = x; T | where a == y",
        "let f = () { 1 }; print f()",
        "let f = (x: long) { let y = x; y }; print f(1)",
        "let f = (['a b']: long) { 1 }; T",
        "let let = 1; T",
        "T | project a, b = c, ['d e'] = f",
        "T | where Timestamp > ago (7d)",
        "T | summarize by a",
        "T | sort by count_ desc, a asc nulls last",
        "T | extend kind = 1, limit = 2, by = 3",
        "T | mv-expand kind = parse_json(x)",
        "T | partition by a ( top 1 by b )",
        "T | join U on a",
        "T | join kind=inner (U) on $left.a == $right.b and $left.c == $right.d",
        "T | union (U | where a), V",
        "union (T), (U)",
        "T | extend datetime = 1, long = 2",
        "T | where range == 1 and evaluate == 2",
        "print range(1, 2), evaluate(3)",
        "print 1..2".trim_end_matches("..2"),
        "externaldata (a: string) [h@'u' ';key'] with (format = csv)",
        "datatable(a: int) [1, 2,]",
        "T | project-away *Id, a*b*",
        "T | evaluate bag_unpack(a) : (*)",
        "#connect cluster('x')\nT",
        "\u{feff}T | take 1",
        "\u{200b}T\u{a0}| take 1",
        "T | where a has_any (dynamic(['x', \"y\"]))",
        "print dynamic({\"a\": 1, 'b': [1, 2,], \"c\": dynamic(null)})",
        "search in (T, U) \"x\" and a: \"y\"",
        "T | render timechart with (ycolumns = a, b, title = 'x')",
    ] {
        let diagnostics = parse(text).diagnostics;
        assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
    }
}

/// Checks the errors of a text: code, offset, length.
#[track_caller]
fn check(text: &str, expected: &[(&str, u32, u32)]) {
    let parsed = check_parser(text);
    let found: Vec<(String, u32, u32)> = parsed
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| (diagnostic.code.to_string(), diagnostic.span.start, diagnostic.span.len()))
        .collect();
    let expected: Vec<(String, u32, u32)> =
        expected.iter().map(|(code, at, len)| ((*code).to_owned(), *at, *len)).collect();
    assert_eq!(found, expected, "{text}: {:?}", parsed.diagnostics);
}

#[test]
fn something_missing_is_told_at_the_next_token_of_the_line_or_behind_the_last() {
    check("T | where a b", &[("KQL010", 12, 1)]);
    check("T | where a\nU | where b", &[("KQL010", 11, 0)]);
    check("T\nwhere a", &[("KQL010", 1, 0)]);
    check("T | project a, | take 1", &[("KQL011", 15, 1)]);
    check("T | project a,\n| take 1", &[("KQL011", 14, 0)]);
    check("T | where (a == 1", &[("KQL010", 17, 0)]);
    check("T | where a ==", &[("KQL011", 14, 0)]);
    check("T |", &[("KQL010", 3, 0)]);
    check("let x 1; T", &[("KQL010", 6, 1)]);
    check("T | sort a", &[("KQL010", 9, 1)]);
    check("T | where a in b", &[("KQL010", 15, 1)]);
    check("T | where a between (1, 2)", &[("KQL010", 22, 1)]);
    check("T )", &[("KQL014", 2, 1)]);
    check("{ \"a\": 1 }", &[("KQL011", 0, 1), ("KQL014", 9, 1)]);
}

#[test]
fn one_query_can_have_several_errors() {
    check("T | were a | where b == | take 5 5", &[("KQL013", 4, 4), ("KQL011", 24, 1), ("KQL010", 33, 1)]);
    check("let x = ;\nlet = 2;\nT | where (a", &[("KQL011", 8, 1), ("KQL010", 14, 1), ("KQL010", 31, 0)]);
    check("T | join kind=outer (U | where a = = 1) on b", &[("KQL017", 14, 5), ("KQL011", 35, 1)]);
}

#[test]
fn unreadable_text_has_codes_of_its_own() {
    check("T | where a == \u{201c}x\u{201d}", &[("KQL001", 15, 3), ("KQL001", 19, 3)]);
    check("T | where a == \"x", &[("KQL002", 15, 2)]);
    check("T | where a == \"C:\\Users\"", &[("KQL003", 18, 2)]);
    check("print datetime(2024-01-01", &[("KQL004", 25, 0)]);
    check("#note\nT", &[("KQL006", 1, 4)]);
    check("print int(x1)", &[("KQL016", 6, 7)]);
    check("print 99999999999999999999", &[("KQL016", 6, 20)]);
    check("print dynamic([a])", &[("KQL016", 15, 1)]);
    check("print dynamic({a: 1})", &[("KQL010", 15, 1)]);
    let long = "x".repeat(kql::lex::QUERY_BYTES_MAX + 1);
    check(&long, &[("KQL005", 0, 0)]);
}

#[test]
fn near_misses_are_suggested_and_fixed() {
    for (text, fixed) in [
        ("T | wher a", "T | where a"),
        ("T | make-srs n = count() on t step 1d", "T | make-series n = count() on t step 1d"),
        ("T | summarise count()", "T | summarize count()"),
        ("T | projectaway a", "T | project-away a"),
        ("T | where a = 1", "T | where a == 1"),
        ("T\ntake 1", "T\n| take 1"),
        ("print \"C:\\Users\"", "print \"C:\\\\Users\""),
        ("# note\nT", "// note\nT"),
    ] {
        let parsed = check_parser(text);
        let [diagnostic] = parsed.diagnostics.as_slice() else { panic!("{text}: {:?}", parsed.diagnostics) };
        let Some(fix) = &diagnostic.fix else { panic!("{text}: no fix") };
        let mut result = text.to_owned();
        result.replace_range(fix.span.start as usize..fix.span.end as usize, &fix.replacement);
        assert_eq!(result, fixed);
        assert_eq!(parse(&result).diagnostics, [], "{result}");
    }
}
