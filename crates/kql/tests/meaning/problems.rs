//! Queries and what is wrong with them.

use kql::bind::check;
use kql::diagnostic::Severity;

use crate::columns::database;

/// Each case is a query, and its problems as `code severity "text at the place" message; help`.
#[track_caller]
fn check_problems(cases: &[(&str, &[&str])]) {
    let database = database();
    for (query, expected) in cases {
        let checked = check(query, &database);
        let found: Vec<String> = checked
            .diagnostics
            .iter()
            .map(|diagnostic| {
                let severity = match diagnostic.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                    Severity::Note => "note",
                };
                let help = diagnostic.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
                let place = diagnostic.span.of(query);
                format!("{} {severity} `{place}` {}{help}", diagnostic.code, diagnostic.message)
            })
            .collect();
        assert_eq!(found, *expected, "{query}");
    }
}

#[test]
fn names_that_mean_nothing() {
    check_problems(&[
        (
            "DeviceEvents | where TimeGenerated > ago(1d)",
            &[
                "KQL100 error `TimeGenerated` `TimeGenerated` is no column, variable or function; did you mean `Timestamp`?",
            ],
        ),
        (
            "DeviceProcessEvents | project AccountUPN",
            &[
                "KQL100 error `AccountUPN` `AccountUPN` is no column, variable or function; did you mean `AccountUpn`?",
            ],
        ),
        (
            "SigninLogs | where UserPrincipalName == \"x\" | project AppDisplayName",
            &[
                "KQL101 error `SigninLogs` `SigninLogs` is no table, variable or function; it is a table of Microsoft Sentinel, which these queries cannot read",
            ],
        ),
        (
            "DeviceProcesEvents | take 1",
            &[
                "KQL101 error `DeviceProcesEvents` `DeviceProcesEvents` is no table, variable or function; did you mean `DeviceProcessEvents`?",
            ],
        ),
        (
            "MachineInfo | take 1",
            &[
                "KQL101 error `MachineInfo` `MachineInfo` is no table, variable or function; it is gone; see DeviceInfo",
            ],
        ),
        (
            "T | extend x = tolowr(Name)",
            &["KQL102 error `tolowr` `tolowr` is no function; did you mean `tolower`?"],
        ),
        (
            "T | evaluate bag_unpak(Bag)",
            &["KQL103 error `bag_unpak` `bag_unpak` is no plugin; did you mean `bag_unpack`?"],
        ),
        (
            "T | where Nme == \"x\" and Nme != \"y\" | project Nonsense",
            &[
                "KQL100 error `Nme` `Nme` is no column, variable or function; did you mean `Name`?",
                "KQL100 error `Nme` `Nme` is no column, variable or function; did you mean `Name`?",
                "KQL100 error `Nonsense` `Nonsense` is no column, variable or function",
            ],
        ),
        ("let x = 1; let x = 2; print x", &["KQL107 error `x` a variable `x` is there already"]),
        ("T | project Name, Name", &["KQL106 error `Name` a column `Name` is there already"]),
        (
            "union isfuzzy=true T, Missing | count",
            &["KQL108 warning `Missing` table `Missing` does not exist and is left out"],
        ),
        (
            "union isfuzzy=true T, Missing() | count",
            &["KQL108 warning `Missing` function `Missing` does not exist and is left out"],
        ),
    ]);
}

#[test]
fn what_depends_on_a_mistake_is_silent() {
    check_problems(&[
        (
            "Missing | where A > 1 | summarize count() by B | project B, count_",
            &["KQL101 error `Missing` `Missing` is no table, variable or function"],
        ),
        (
            "T | extend x = Nothing | extend y = x + 1, z = strlen(x) | where y",
            &["KQL100 error `Nothing` `Nothing` is no column, variable or function"],
        ),
    ]);
}

#[test]
fn types_that_do_not_fit() {
    check_problems(&[
        ("T | where Name", &["KQL200 error `Name` a condition is needed here, this is string"]),
        ("T | where Bag.x", &["KQL200 error `Bag.x` a condition is needed here, this is dynamic"]),
        ("T | where Name > 5", &["KQL202 error `>` `>` is not defined for string and long"]),
        ("T | where Count has \"x\"", &["KQL202 error `has` `has` is not defined for long and string"]),
        ("T | extend x = Name + \"y\"", &["KQL202 error `+` `+` is not defined for string and string"]),
        (
            "T | extend x = Name[0]",
            &[
                "KQL208 error `[0]` a value of type string has no elements; use `parse_json` on the text first",
            ],
        ),
        (
            "T | extend x = Name.part",
            &[
                "KQL100 error `part` `part` cannot be taken of a value of type string; use `parse_json` on the text first",
            ],
        ),
        (
            "T | mv-expand Name",
            &[
                "KQL200 error `Name` a dynamic array or bag is needed here, this is string; use `parse_json` on the text first",
            ],
        ),
        (
            "T | summarize count() by Bag",
            &[
                "KQL200 error `Bag` a group key cannot be dynamic; convert it first, for example with `tostring`",
            ],
        ),
        ("T | take \"x\"", &["KQL200 error `\"x\"` an integer is needed here, this is string"]),
        (
            "T | where Timestamp between (\"a\" .. \"b\")",
            &[
                "KQL200 error `\"a\"` a value of type datetime is needed here, this is string",
                "KQL200 error `\"b\"` a value of type timespan is needed here, this is string",
            ],
        ),
        ("print ago(5)", &["KQL200 error `5` a value of type timespan is needed here, this is long"]),
        (
            "T | summarize count(Name)",
            &[
                "KQL111 warning `Name` `count(x)` counts all rows, whatever `x` is; use `count()`, `countif(isnotempty(x))` or `dcount(x)`",
            ],
        ),
    ]);
}

#[test]
fn counts_that_do_not_fit() {
    check_problems(&[
        ("print strlen()", &["KQL201 error `strlen` `strlen` takes 1 argument, not 0"]),
        (
            "print substring(\"a\", 1, 2, 3)",
            &["KQL201 error `substring` `substring` takes 2 to 3 arguments, not 4"],
        ),
        (
            "let f = (a: long) { a }; print f(1, 2)",
            &["KQL201 error `f` the function takes 1 to 1 arguments, not 2"],
        ),
        ("datatable(a: int, b: int)[1, 2, 3]", &["KQL212 error `1, 2, 3` 3 values do not fill rows of 2"]),
        ("T | summarize (a, b) = count()", &["KQL214 error `a, b` 2 names are given to a single value"]),
    ]);
}

#[test]
fn things_out_of_place() {
    check_problems(&[
        ("T | where count() > 1", &["KQL109 error `count` the aggregate `count` is not possible here"]),
        (
            "T | summarize Name",
            &["KQL109 error `Name` column `Name` is not a group key here, so it needs an aggregate"],
        ),
        ("T | extend x = T", &["KQL205 error `T` a scalar is needed here, `T` is a table"]),
        ("let x = 5; x | take 1", &["KQL204 error `x` a table is needed here, this is a scalar"]),
        ("T | extend x = strlen", &["KQL100 error `strlen` `strlen` is a function and needs its arguments"]),
        ("T | project-away X*", &["KQL110 error `X*` no column fits `X*`"]),
    ]);
}

#[test]
fn joins_need_keys_of_both_sides() {
    check_problems(&[
        (
            "T | join kind=inner U on Place",
            &["KQL209 error `Place` `Place` is no column of the left side of the join"],
        ),
        (
            "T | join kind=inner U on $left.Name == $right.Count",
            &[
                "KQL209 error `$left.Name == $right.Count` a key of type string cannot be compared with one of type long",
            ],
        ),
        (
            "T | join kind=inner U on $left.Nam == $right.Name",
            &["KQL100 error `Nam` `Nam` is no column here; did you mean `Name`?"],
        ),
        ("T | join kind=inner (T | project Bag) on Bag | count", &[]),
    ]);
}

#[test]
fn functions_are_checked_where_they_are_written() {
    check_problems(&[
        (
            "let f = (t: (Name: string)) { t | project Nam }; f(U) | count",
            &["KQL100 error `Nam` `Nam` is no column, variable or function; did you mean `Name`?"],
        ),
        (
            "let f = (t: (Name: long)) { t | count }; f(U)",
            &["KQL211 error `U` the table needs a column `Name` of type long"],
        ),
        (
            "let f = (t: (Name: long)) { t | count }; U | where Count > 1 | invoke f()",
            &["KQL211 error `U | where Count > 1` the table needs a column `Name` of type long"],
        ),
        (
            "let f = (a: datetime) { a }; print f(\"x\")",
            &["KQL200 error `\"x\"` a value of type datetime is needed here, this is string"],
        ),
    ]);
}

#[test]
fn a_fix_repairs_what_is_certain() {
    let query = "DeviceEvents | where TimeGenerated > ago(1d)";
    let checked = check(query, &database());
    let fix = checked.diagnostics.first().and_then(|diagnostic| diagnostic.fix.clone());
    let fix = fix.expect("the name is known");
    assert_eq!((fix.span.of(query), fix.replacement.as_str()), ("TimeGenerated", "Timestamp"));
}

#[test]
fn a_slip_in_the_name_of_an_operator_hides_nothing() {
    check_problems(&[
        (
            "T | wher Nme == 'x' | extnd n = strlen(Count) | project n, Nonsense",
            &[
                "KQL013 error `wher` `wher` is no operator; did you mean `where`?",
                "KQL100 error `Nme` `Nme` is no column, variable or function; did you mean `Name`?",
                "KQL013 error `extnd` `extnd` is no operator; did you mean `extend`?",
                "KQL200 error `Count` a string or dynamic is needed here, this is long",
                "KQL100 error `Nonsense` `Nonsense` is no column, variable or function",
            ],
        ),
        ("T | select Nme | where Other == 1", &["KQL013 error `select` `select` is no operator"]),
    ]);
}

#[test]
fn values_that_do_not_fit() {
    check_problems(&[
        (
            "datatable(x: int)[3000000000, -2147483648]",
            &["KQL200 error `3000000000` `3000000000` is no `int`"],
        ),
        (
            "U | where Count == '3' or '3' != Count",
            &[
                "KQL216 warning `==` a long is compared with a string, which the service refuses; convert one of them first, for example with `tostring` or `tolong`",
                "KQL216 warning `!=` a long is compared with a string, which the service refuses; convert one of them first, for example with `tostring` or `tolong`",
            ],
        ),
        (
            "datatable(b: bool, g: guid)[] | where b == 'true' or g != 'x' or b in ('true') or g !in ('x', 'y')",
            &[
                "KQL216 warning `==` a bool is compared with a string, which the service refuses; convert one of them first, for example with `tostring` or `tobool`",
                "KQL216 warning `!=` a guid is compared with a string, which the service refuses; convert one of them first, for example with `tostring` or `toguid`",
                "KQL216 warning `in` a bool is looked up among values of type string; convert one of them first, for example with `tostring` or `tobool`",
                "KQL216 warning `!in` a guid is looked up among values of type string; convert one of them first, for example with `tostring` or `toguid`",
            ],
        ),
        (
            "U | where Count in (1, '2') or Count in ((T | project Name)) | where 'x' in~ (Count, Count)",
            &[
                "KQL216 warning `in` a long is looked up among values of type string; convert one of them first, for example with `tostring` or `tolong`",
                "KQL216 warning `in` a long is looked up among values of type string; convert one of them first, for example with `tostring` or `tolong`",
                "KQL216 warning `in~` a string is looked up among values of type long; convert one of them first, for example with `tostring` or `tolong`",
            ],
        ),
        // What a dynamic value holds is not known before, unless it is written out and of one type.
        (
            "T | where Bag.x == 1 or Bag.x == 'a' or Bag.x in (1, 'a') or Name == Bag or Name in (Bag)
               | where Name in (dynamic([1, 'a'])) or Name in (dynamic(['a'])) or Name in~ (dynamic([]))",
            &[],
        ),
        (
            "T | where Name in (dynamic([1])) or Count !in (dynamic(['a', 'b']))",
            &[
                "KQL216 warning `in` a string is looked up among values of type long; convert one of them first, for example with `tostring` or `tolong`",
                "KQL216 warning `!in` a long is looked up among values of type string; convert one of them first, for example with `tostring` or `tolong`",
            ],
        ),
        ("print count()", &["KQL109 error `count` the aggregate `count` is not possible here"]),
    ]);
}
