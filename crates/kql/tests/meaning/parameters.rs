//! Parameters are checked as the literals they stand for, and told where they stand.

use kql::bind::{Checked, check, check_with};
use kql::format::format;
use kql::lex::fill;
use kql::lint::{Use, lint};
use kql::parse::{NoLiteral, Parameters};

use crate::columns::database;

/// What the parameters here stand for.
const LITERALS: [(&str, &str); 8] = [
    ("names", r#"dynamic(["a","b\"c"])"#),
    ("one", r#""x\"y""#),
    ("many", "7"),
    ("few", "long(-7)"),
    ("share", "real(0.5)"),
    ("yes", "true"),
    ("day", "datetime(2026-11-01T00:00:00.0000000Z)"),
    ("week", "timespan(7.00:00:00.0000000)"),
];

fn literal(name: &str) -> Option<&'static str> {
    LITERALS.iter().find(|(known, _)| *known == name).map(|(_, literal)| *literal)
}

fn read(query: &str) -> Checked {
    let mut parameters = Parameters::default();
    for (name, literal) in LITERALS {
        parameters.add(name, literal).expect("a literal");
    }
    check_with(query, &database(), &parameters)
}

/// Checks that a query means with its parameters what it means with the literals in their place.
#[track_caller]
fn check_same(query: &str) {
    let filled = fill(query, literal).expect("all are known");
    let (with, without) = (read(query), check(&filled, &database()));
    assert_eq!(with.diagnostics, [], "{query}");
    assert_eq!(without.diagnostics, [], "{filled}");
    assert_eq!(with.bound.columns, without.bound.columns, "{query}");
    let laid_out = format(query).expect("it is laid out");
    let again = fill(&laid_out, literal).expect("all are known");
    assert_eq!(format(&again), format(&filled), "{query}");
}

#[test]
fn a_parameter_means_its_literal() {
    check_same("T | where Name in (@names)");
    check_same("T | where Name in~ (@names) or Name !in (@names) or Name !in~ (@names)");
    check_same("T | where Name has_any (@names) and Name has_all (@names)");
    check_same("let wanted = @names; T | where Name in (wanted)");
    check_same(
        "T | where Name == @one and Count > @many and Count != @few and Share < @share and Flag == @yes",
    );
    check_same("T | where Timestamp between (@day .. @week) | take @many");
    check_same(
        "T | where Timestamp > ago(@week) | summarize percentile(Count, @many) by bin(Timestamp, @week)",
    );
    check_same("T | where Count between (@few..@many)|where Count>@few-@many");
    check_same("T | extend A = @names, B = @one, C = @share, D = @week, E = @day, F = @names[0]");
    check_same("datatable(a: string, b: long)[@one, @many, \"z\", @few]");
}

/// Each case is a query, and its problems as `code "text at the place" message; help`.
#[track_caller]
fn check_problems(query: &str, expected: &[&str]) {
    let found: Vec<String> = read(query)
        .diagnostics
        .iter()
        .map(|found| {
            let help = found.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
            format!("{} `{}` {}{help}", found.code, found.span.of(query), found.message)
        })
        .collect();
    assert_eq!(found, expected, "{query}");
}

#[test]
fn what_does_not_fit_is_told_at_the_parameter() {
    check_problems(
        "T | where Name in (@nmaes)",
        &["KQL112 `@nmaes` there is no parameter `nmaes`; did you mean `@names`?"],
    );
    check_problems(
        "T | where Count == @one",
        &[
            "KQL216 `==` a long is compared with a string, which the service refuses; convert one of them first, for example with `tostring` or `tolong`",
        ],
    );
    check_problems("T | where Name == 'a' @one", &["KQL010 `@one` expected `|`, `,` or `;` before `@one`"]);
    check_problems("T | where Name == @one 'a'", &["KQL010 `'a'` expected `|`, `,` or `;` before a string"]);
    check_problems("T | where Name in@names", &["KQL010 `@names` expected `(`, found `@names`"]);
    check_problems(
        "T | where Timestamp > datetime(@day)",
        &["KQL102 `datetime` `datetime` is no function; did you mean `todatetime`?"],
    );
    let mut unknown = Parameters::default();
    unknown.add_unknown("names");
    let checked = check_with("T | where Count == @names | extend A = @names", &database(), &unknown);
    assert_eq!(checked.diagnostics, []);
    check_problems("@names | take 1", &["KQL204 `@names` a table is needed here, this is dynamic (array)"]);
    check_problems("T | where Name == \"@nobody\" // @nobody", &[]);
    let checked = check("T | where Count == @many", &database());
    assert_eq!(checked.diagnostics.iter().map(|found| found.code.number).collect::<Vec<_>>(), [112]);
}

#[test]
fn a_time_limit_that_is_a_parameter_is_one() {
    let codes = |query: &str| -> Vec<u16> {
        let checked = read(query);
        lint(query, &checked, &database(), &Use::default()).iter().map(|found| found.code.number).collect()
    };
    assert_eq!(codes("DeviceInfo | where Timestamp > ago(@week)"), [] as [u16; 0]);
    assert_eq!(codes("DeviceInfo | where DeviceId in (@names)"), [300]);
}

#[test]
fn only_one_literal_is_a_parameter() {
    let mut parameters = Parameters::default();
    for text in
        ["", "x", "1 2", "1 ", " 1", "\"a\" // b", "\"a", "dynamic([", "1 or true", "-5", "\"a\nb\"", "@a"]
    {
        assert_eq!(parameters.add("a", text), Err(NoLiteral), "{text:?}");
    }
    for text in
        ["1", "\"a\"", "true", "long(-1)", "real(1e300)", "dynamic([1, -1, \"a\"])", "timespan(1.00:00:00)"]
    {
        assert_eq!(parameters.add("a", text), Ok(()), "{text:?}");
    }
}
