use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::*;
use crate::model::{Cell, List, Lists, Projection, Row};

pub(super) fn names(place: Place, subject: Subject) -> Names {
    Names { subject, lists: BTreeSet::from(["servers".to_owned()]), place }
}

pub(super) fn lists() -> Lists {
    Lists::from_iter([List::new("servers", ["dc01", "Web"])])
}

fn now() -> Timestamp {
    "2026-01-10T12:00:00Z".parse().unwrap()
}

/// A row with one column of each kind.
fn sample() -> Row {
    let json = json!({
        "T": "PowerShell.exe", "N": 5, "R": 2.5, "B": true, "Z": null, "A": ["x", "y"], "O": {"k": 1},
        "When": "2026-01-10T11:30:00.1234567Z", "Big": 18_446_744_073_709_551_615_u64,
    });
    Row::from_object(json.as_object().unwrap())
}

/// Compiles and evaluates both ways.
#[track_caller]
fn eval(source: &str) -> Result<bool, String> {
    let row = sample();
    let language = Language::new();
    let names = names(Place::Where, Subject::Rows { columns: None });
    let condition =
        Condition::compile(&language, source, &names).map_err(|problems| format!("{problems:?}"))?;
    let mut bound = condition.bind(&row.projection, &lists());
    let run = json!({"id": "r1"});
    let env = Env { now: now(), run: &run, outcome: None };
    let fast = bound.test_kept(&row, &env);
    let slow = bound.test_by_script(native::About::Row(value::AnyRow::Kept(&row), &[]), &env);
    // The engine locks what a closure captures; such expressions never go through it.
    let locked = slow.as_ref().is_err_and(|error| error.reason.to_string().contains("Data race"));
    assert!(locked || fast.is_err() == slow.is_err(), "{source}: {fast:?} {slow:?}");
    if let (Ok(fast), Ok(slow)) = (&fast, &slow) {
        assert_eq!(fast, slow, "{source}");
    }
    let cells: Vec<_> = row.cells.iter().map(Cell::as_ref).collect();
    let view = crate::model::RowView { projection: &row.projection, cells: &cells };
    assert_eq!(bound.test_row(&view, &env), fast, "{source}: streaming");
    fast.map_err(|error| error.reason.to_string())
}

#[track_caller]
fn check_all(sources: &[&str]) {
    for source in sources {
        assert_eq!(eval(source), Ok(true), "{source}");
    }
}

#[test]
fn what_is_true() {
    check_all(&[
        "row.N == 5",
        "row.N == 5.0 && row.R < 3",
        r#"row["T"] == "PowerShell.exe""#,
        r#"row.T in ["cmd.exe", "PowerShell.exe"]"#,
        r#"row.T !in ["cmd.exe"]"#,
        r#"row.T.to_lower().contains("shell")"#,
        r#"row.T.icontains("SHELL")"#,
        r#"icontains(row.T, "SHELL")"#,
        r#"row.T.starts_with("Power") && row.T.ends_with(".exe")"#,
        r#"to_lower(row.T) == "powershell.exe""#,
        r#""x" in row.A && row.A.len() == 2"#,
        r#"row.A.any(|a| a == "y") && row.A.all(|a| a.len() == 1)"#,
        r#"row.A.some(|a| a == "y")"#,
        r#"row.A.filter(|a| a > "x").len() == 1"#,
        r#"row.A[0] == "x" && row.A[-1] == "y""#,
        "row.O.k == 1",
        r#""k" in row.O"#,
        r#""Shell" in row.T"#,
        "row.B",
        "!(row.B && row.N > 9)",
        "row.N * 2 - 1 == 9 && -row.N == -5 && row.N % 2 == 1 && row.N / 2 == 2",
        r#"row.T + "!" == "PowerShell.exe!""#,
        "min(row.N, 3) == 3 && max(row.N, 3) == 5 && abs(-2) == 2",
        r#"to_number("17") == 17 && to_number("x") == () && to_string(row.N) == "5""#,
        r#"row.When > ago("1h") && row.When < now && time(row.When) > time("2026-01-01T00:00:00Z")"#,
        r#""WEB" in lists.servers && !(row.T in lists.servers)"#,
        "lists.servers.len() == 2",
        r"if row.N > 3 { row.B } else { false }",
        r"switch row.N { 5 => true, _ => false }",
        "(row.Z ?? 7) == 7",
        "row.Big > 9223372036854775807",
        r#"run.id == "r1""#,
        r#"row.A.any(|a| row.A.all(|b| a != b + "z") && a in ["x"] && row.N == 5)"#,
        r#"row.A.any(|a| "dc01" in lists.servers)"#,
    ]);
}

#[test]
fn the_rules_for_nothing() {
    check_all(&[
        "row.Z == ()",
        "row.Missing == ()",
        "() == ()",
        "row.Z != 5",
        "!(row.Z == 5)",
        "!(row.Z > 3)",
        "!(row.Z <= 3)",
        "row.Z in [()]",
        r#"!(row.Z in ["a"])"#,
        "!(row.Z in lists.servers)",
        r#"!("a" in row.Z)"#,
        r#"!row.Z.contains("a") && !row.Z.icontains("a") && !row.Z.starts_with("") && !row.Z.ends_with("")"#,
        r#"!row.Z.to_lower().contains("a")"#,
        "row.Z.to_lower() == () && row.Z.trim() == () && abs(row.Z) == ()",
        "row.Z + 1 == () && -row.Z == ()",
        "row.Z.len() == 0",
        "min(row.Z, 3) == 3 && max(3, row.Z) == 3",
        "!row.Z.any(|x| true) && row.Z.all(|x| false)",
        "row.Z?.k == () && row.Z?[0] == ()",
        "time(row.Z) == ()",
    ]);
    for source in ["!row.Z", "row.Z && true", "row.Z", "row.Z.k == 1", "row.Z[0] == 1"] {
        assert!(eval(source).is_err(), "{source}");
    }
}

#[test]
fn different_types_are_never_silently_false() {
    for source in [
        r#"row.N == "5""#,
        r#""5" < row.N"#,
        "row.T == 5",
        "row.T > 1",
        "row.B == 1",
        "row.A == row.A",
        "row.B > row.B",
        r#"row.N in ["a"]"#,
        "row.T in [1]",
        "row.N.contains(1)",
        "row.N.to_lower() == ()",
        r#"row.T + 1 == "x""#,
        "row.N in lists.servers",
        "row.N && true",
        "row.N",
        r"row.T > now",
        "row.O.k.z == 1",
        "row.A[7] == 1",
        "row.N / 0 == 1",
        "9223372036854775807 + row.N > 0",
        "run.nothing == 1",
        "row.N.any(|x| true)",
        "row.A.any(|x| x)",
        "row.T.len().len() == 1",
        "to_number(row.A) == 1",
        "ago(row.T) == now",
        "row.A.all(|x| x > 1)",
        r#"row.N.icontains("a")"#,
        "min(row.T, 1) == 1",
    ] {
        let result = eval(source);
        assert!(result.is_err(), "{source}: {result:?}");
    }
    assert_eq!(eval(r#"row.N == "5""#), Err("a number and a text cannot be compared with `==`".into()));
}

#[track_caller]
fn problems(source: &str, names: &Names) -> String {
    let problems = Condition::compile(&Language::new(), source, names).err().unwrap_or_default();
    let line = |problem: &Problem| {
        let place = source.get(problem.range.clone()).unwrap_or("?");
        let mend =
            problem.suggestion.as_ref().map(|mend| format!(" -> {}", mend.replacement)).unwrap_or_default();
        format!("{} [{place}] {}{mend}", problem.code, problem.message)
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn problems_of_rows() {
    let columns = Some(Columns::named(["FileName", "FileSize"]));
    let names = names(Place::Where, Subject::Rows { columns });
    let report = [
        r#"rwo.FileName == "a" && row.FileNme == "b""#,
        r#"row.FileName.to_lwer() == "a" || row.FileName in lists.server"#,
        r#""5" > 3 || row.FileName.len() == "5""#,
        "row.FileSize > 3 and true",
        "row.FileName == 'powershell.exe'",
        "row.FileSize = 3",
        "row.FileSize & 1 == 1",
        "row.FileName.to_lower() == \"CMD.exe\"",
        "row.FileName.to_lower() in [\"cmd.exe\", \"PWSH.exe\"]",
        "let x = 1; x",
        "row.FileName",
        "row.FileSize + 1",
        "eval(\"1\")",
        "print(\"x\")",
        "row.FileSize > ()",
        "row.FileName =~ \"a\"",
        "row.FileName &&",
        "rows.len() > 3",
        "incident.id == \"1\"",
        "lists",
        "row.FileSize in lists.servers && 5 in lists.servers",
        "ago(\"1 fortnight\") < now",
        "now > \"yesterday\"",
        "row.FileName in [\"a\", 1]",
        "row.FileName.any(|x, y| true)",
        "row.FileName.any(3)",
        "[1].any(|x| row.FileNme == x)",
        "row.FileName.contains()",
        "row.FileName == \"a",
        "`a ${row.FileName}` == \"a\"",
        "sleep(5)",
        "timestamp()",
        "switch row.FileSize { 1 => [2].any(|x| x == row.FileSize), _ => false }",
        "this.x == 1",
        "1..3",
        "",
    ]
    .map(|source| format!("{source}\n{}", problems(source, &names)));
    insta::assert_snapshot!(report.join("\n\n"));
}

#[test]
fn problems_of_incidents() {
    let names = names(Place::Where, Subject::Incidents);
    let report = [
        r#"incident.severty == "high""#,
        r#"incident.severity == "hihg""#,
        r#"incident.severity == "High""#,
        r#"incident.severity in ["high", "med"]"#,
        r"incident.alerts.any(|a| a.devices.any(|d| d.deviceDnsNam in lists.servers))",
        r#"incident.alerts.title == "x""#,
        "incident.severity > 3",
        "row.X == 1",
        "incident.alerts.any(|a| a.title)",
        "incident.customTags == \"x\"",
    ]
    .map(|source| format!("{source}\n{}", problems(source, &names)));
    insta::assert_snapshot!(report.join("\n\n"));
}

#[test]
fn incidents_are_tested_on_their_fields() {
    let incident = json!({
        "severity": "high", "assignedTo": null, "customTags": ["red"],
        "alerts": [{"title": "a", "devices": [{"deviceDnsName": "DC01"}]}, {"title": "b", "devices": []}],
    });
    let names = names(Place::Where, Subject::Incidents);
    let run = json!({});
    let env = Env { now: now(), run: &run, outcome: None };
    for (source, expected) in [
        (r#"incident.severity in ["high", "medium"] && incident.assignedTo == ()"#, true),
        (r"incident.alerts.all(|a| a.devices.all(|d| d.deviceDnsName in lists.servers))", true),
        (r#"incident.alerts.any(|a| a.title == "b" && a.devices.len() == 1)"#, false),
        (r#""red" in incident.customTags"#, true),
    ] {
        let condition = Condition::compile(&Language::new(), source, &names).unwrap();
        let mut bound = condition.bind(&Projection::default(), &lists());
        assert_eq!(bound.test_value(&incident, &env), Ok(expected), "{source}");
        assert_eq!(
            bound.test_by_script(native::About::Value(&incident), &env),
            Ok(expected),
            "script: {source}"
        );
    }
}

#[test]
fn a_when_says_what_it_needs_of_the_rows() {
    let names = names(Place::When, Subject::Rows { columns: None });
    let only = |columns: &[&str]| Reads::Only(columns.iter().map(|column| (*column).to_owned()).collect());
    let rows = vec![sample(), sample()];
    let run = json!({"id": "r1"});
    let env = Env { now: now(), run: &run, outcome: None };
    for (source, expected, holds) in [
        ("true", RowsUse::None, true),
        ("rows.len() <= 25", RowsUse::Count, true),
        ("len(rows) > 25", RowsUse::Count, false),
        ("rows.len() > 0 && rows.any(|r| r.N == 5)", RowsUse::Columns(only(&["N"])), true),
        ("rows.filter(|r| r.N == 5 && r.B).len() == 2", RowsUse::Columns(only(&["B", "N"])), true),
        ("rows[0].T == rows[-1].T", RowsUse::Columns(only(&["T"])), true),
        (r#"rows.all(|r| "N" in r)"#, RowsUse::Columns(Reads::All), true),
        (r#"run.id == "r1""#, RowsUse::None, true),
    ] {
        let condition = Condition::compile(&Language::new(), source, &names).unwrap();
        assert_eq!(*condition.rows_use(), expected, "{source}");
        let mut bound = condition.bind(&Projection::default(), &lists());
        assert_eq!(bound.test_rows(2, &rows, &env), Ok(holds), "{source}");
        assert_eq!(bound.test_by_script(native::About::Rows(2, &rows), &env), Ok(holds), "script: {source}");
    }
}

#[test]
fn a_condition_says_which_columns_it_reads() {
    let language = Language::new();
    let names = names(Place::Where, Subject::Rows { columns: None });
    for (source, expected) in [
        (r#"row.A == 1 && row["B"] == 2 || row.A == 3"#, Some(vec!["A", "B"])),
        ("row.len() > 3", None),
        (r#""A" in row"#, None),
        (r"row[to_lower(row.A)] == 1", None),
        ("now > now", Some(vec![])),
        ("switch row.A { 1 => row.B, _ => row.C }", Some(vec!["A", "B", "C"])),
        ("[1, 2].any(|x| x == row.A)", Some(vec!["A"])),
    ] {
        let condition = Condition::compile(&language, source, &names);
        let reads = condition.map(|condition| condition.columns().clone());
        let expected = expected
            .map_or(Reads::All, |columns| Reads::Only(columns.into_iter().map(str::to_owned).collect()));
        assert_eq!(reads, Ok(expected), "{source}");
    }
}

#[test]
fn outcomes_are_known() {
    let names = names(Place::Notify, Subject::Incidents);
    let language = Language::new();
    let condition = Condition::compile(&language, "outcome.acted > 0 || outcome.halted", &names).unwrap();
    let bound = condition.bind(&Projection::default(), &lists());
    let (run, outcome) = (json!({}), json!({"acted": 0, "halted": true}));
    let env = Env { now: now(), run: &run, outcome: Some(&outcome) };
    assert_eq!(bound.test_outcome(&env), Ok(true));
    assert_eq!(problems("outcome.acte > 0", &names), "HB0302 [acte] there is no field `acte` here -> acted");
}

#[test]
fn a_row_may_carry_other_columns_than_were_bound() {
    let names = names(Place::Where, Subject::Rows { columns: None });
    let condition = Condition::compile(&Language::new(), "row.N == 5 && row.Missing == ()", &names).unwrap();
    let mut bound = condition.bind(&Projection::new(["X", "N"]), &lists());
    let run = Json::Null;
    let env = Env { now: now(), run: &run, outcome: None };
    assert_eq!(bound.test_kept(&sample(), &env), Ok(true));
    let other = Row::from_object(json!({"Missing": null, "N": 5}).as_object().unwrap());
    assert_eq!(bound.test_kept(&other, &env), Ok(true));
    let other = Row::from_object(json!({"Missing": 1, "N": 5}).as_object().unwrap());
    assert_eq!(bound.test_kept(&other, &env), Ok(false));
}

#[test]
fn hostile_expressions_are_cut_off() {
    let deep = format!("{}1{} == 1", "(".repeat(100_000), ")".repeat(100_000));
    let wide = vec!["row.N == 1"; 5_000].join(" || ");
    let names = names(Place::Where, Subject::Rows { columns: None });
    assert!(Condition::compile(&Language::new(), &deep, &names).is_err());
    Condition::compile(&Language::new(), &wide, &names).map(drop).unwrap_or_default();
    let list = format!("row.T in [{}]", vec!["\"powershell.exe\""; 5_000].join(", "));
    assert!(Condition::compile(&Language::new(), &list, &names).is_ok());
    let names = self::names(Place::When, Subject::Rows { columns: None });
    let source = "rows.all(|a| rows.all(|b| rows.all(|c| a.N + b.N + c.N > 0)))";
    let condition = Condition::compile(&Language::new(), source, &names).unwrap();
    let rows = vec![sample(); 3_000];
    let run = Json::Null;
    let env = Env { now: now(), run: &run, outcome: None };
    let error = condition.bind(&Projection::default(), &lists()).test_rows(3_000, &rows, &env).unwrap_err();
    assert_eq!(error.reason, Reason::Limit { limit: "one second" });
}

#[test]
fn long_texts_of_rows_do_not_break_conditions() {
    let row = Row::from_object(json!({"T": "A".repeat(1 << 20)}).as_object().unwrap());
    let names = names(Place::Where, Subject::Rows { columns: None });
    let run = Json::Null;
    let env = Env { now: now(), run: &run, outcome: None };
    for source in [
        r#"row.T.to_lower().contains("aab")"#,
        r#"row.T.to_lower() + "b" == "x""#,
        r"row.T.trim().len() == 3",
    ] {
        let condition = Condition::compile(&Language::new(), source, &names).unwrap();
        let mut bound = condition.bind(&row.projection, &lists());
        assert_eq!(bound.test_kept(&row, &env), Ok(false), "{source}");
        let by_script = bound.test_by_script(native::About::Row(value::AnyRow::Kept(&row), &[]), &env);
        assert_eq!(by_script, Ok(false), "script: {source}");
    }
}
