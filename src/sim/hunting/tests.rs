//! Each operator and function as a table: a query, and the rows it gives.

use serde_json::json;

use super::fault::FaultKind;
use super::value::Value;
use super::*;

const NOW: &str = "2026-01-10T12:00:00Z";

const SCHEMA: &str = "
Processes Timestamp:datetime Device:string File:string Line:string Count:long Extra:dynamic
Logons Timestamp:datetime Device:string User:string Ok:bool Port:int
EntraIdSignInEvents Timestamp:datetime ErrorCode:int
";

const PROCESSES: &str = r#"
{"Timestamp":"2026-01-10T11:50:00Z","Device":"a","File":"cmd.exe","Line":"cmd /c whoami","Count":1,"Extra":{"k":[1,2],"s":"x"}}
{"Timestamp":"2026-01-10T11:40:00Z","Device":"a","File":"PsExec.exe","Line":"psexec -accepteula","Count":5}
{"Timestamp":"2026-01-10T10:00:00Z","Device":"b","File":"cmd.exe","Line":"","Extra":{"k":[],"s":"y"}}
{"Timestamp":"2026-01-08T12:00:00Z","Device":"c","File":"pwsh.exe","Line":"powershell_ise","Count":-7}
"#;

const LOGONS: &str = r#"
{"Timestamp":"2026-01-10T11:55:00Z","Device":"a","User":"Ann","Ok":true,"Port":22}
{"Timestamp":"2026-01-10T11:56:00Z","Device":"a","User":"bob","Ok":false,"Port":445}
{"Timestamp":"2026-01-10T11:57:00Z","Device":"d","User":"ann"}
"#;

fn library() -> Library {
    let mut library = Library::with_schema(SCHEMA).unwrap();
    library.fill_ndjson("Processes", PROCESSES).unwrap();
    library.fill_ndjson("Logons", LOGONS).unwrap();
    library
}

fn ask(query: &str) -> Result<Relation, Fault> {
    run(&library(), query, (0, i64::MAX), time::parse_time(NOW).unwrap())
}

/// Checks the columns (`name:kind`, separated by blanks) and the rows of an answer.
#[track_caller]
fn check(query: &str, columns: &str, rows: &serde_json::Value) {
    let answer = ask(query).unwrap_or_else(|fault| panic!("{query}: {fault:?}"));
    let found: Vec<String> =
        answer.columns.iter().map(|column| format!("{}:{}", column.name, column.kind.name())).collect();
    assert_eq!(found.join(" "), columns, "{query}");
    let found: Vec<Vec<serde_json::Value>> =
        answer.rows.iter().map(|row| row.iter().map(Value::to_json).collect()).collect();
    assert_eq!(&json!(found), rows, "{query}");
}

/// Checks which values of `Device` (or of the only column) are left.
#[track_caller]
fn left(query: &str, expected: &[&str]) {
    let answer =
        ask(&format!("{query} | project Device")).unwrap_or_else(|fault| panic!("{query}: {fault:?}"));
    let found: Vec<String> =
        answer.rows.iter().flat_map(|row| row.iter().map(|value| value.show().to_string())).collect();
    assert_eq!(found, expected, "{query}");
}

/// Checks the value of a scalar expression, as JSON.
#[track_caller]
fn scalar(expression: &str, expected: &serde_json::Value) {
    let answer =
        ask(&format!("print {expression}")).unwrap_or_else(|fault| panic!("{expression}: {fault:?}"));
    assert_eq!(&answer.rows[0][0].to_json(), expected, "{expression}");
}

#[track_caller]
fn refused(query: &str, kind: FaultKind, message: &str) {
    let fault = ask(query).expect_err(query);
    let (line, column) = fault.line_column(query);
    assert_eq!(
        (fault.kind, format!("{} at {line}:{column}", fault.message).as_str()),
        (kind, message),
        "{query}"
    );
}

#[test]
fn where_keeps_rows_for_which_the_condition_is_true() {
    left("Processes | where File == 'cmd.exe'", &["a", "b"]);
    left("Processes | where File =~ 'psexec.EXE'", &["a"]);
    left("Processes | where File != 'cmd.exe' and Device != 'c'", &["a"]);
    left("Processes | where Device == 'b' or Line has 'accepteula'", &["a", "b"]);
    left("Processes | where Line has 'powershell'", &["c"]);
    left("Processes | where Line !has 'cmd' | where isnotempty(Line)", &["a", "c"]);
    left("Processes | where File in~ ('CMD.EXE', 'x')", &["a", "b"]);
    left("Processes | where File in ('CMD.EXE')", &[]);
    left("Processes | where File !in ('cmd.exe')", &["a", "c"]);
    left("Processes | where Line has_any ('whoami', 'accepteula')", &["a", "a"]);
    left("Processes | where Line has_all (dynamic(['cmd', 'whoami']))", &["a"]);
    left("Processes | where File startswith 'PS' or File endswith_cs '.EXE'", &["a"]);
    left("Processes | where File matches regex @'^p\\w+\\.exe$'", &["c"]);
    left("Processes | where Timestamp between (ago(30m) .. now())", &["a", "a"]);
    left("Processes | where Timestamp !between (datetime(2026-01-10) .. 1d)", &["c"]);
    left("Processes | where Extra.s == 'y'", &["b"]);
    left("Processes | where Extra.k[1] == 2", &["a"]);
}

#[test]
fn nothing_is_known_of_null() {
    left("Processes | where Count > 0", &["a", "a"]);
    left("Processes | where Count <= 0", &["c"]);
    left("Processes | where Count != 1", &["a", "b", "c"]);
    left("Processes | where isnull(Count)", &["b"]);
    left("Processes | where not(Count == 1)", &["a", "b", "c"]);
    left("Processes | where isnull(Line)", &[]);
    left("Processes | where isempty(Line)", &["b"]);
    left("Logons | where not(Ok)", &["a"]);
    scalar("isnull(long(null) + 1)", &json!(true));
    scalar("1/0", &json!(null));
    scalar("1.0/0.0", &json!("Infinity"));
}

#[test]
fn columns_are_added_chosen_renamed_and_ordered() {
    check(
        "Processes | take 1 | project Device, Up = toupper(Device), Extra.s, strlen(File)",
        "Device:string Up:string Extra_s:dynamic Column4:long",
        &json!([["a", "A", "x", 7]]),
    );
    check(
        "Processes | take 1 | extend Count = Count + 1, New = Device | project-away Extra, Li*, Timestamp",
        "Device:string File:string Count:long New:string",
        &json!([["a", "cmd.exe", 2, "a"]]),
    );
    check(
        "Logons | project-keep U*, Port | project-rename Who = User | take 1",
        "Who:string Port:int",
        &json!([["Ann", 22]]),
    );
    check(
        "Logons | project-reorder Port, U* | project-away Timestamp, Device | take 1",
        "Port:int User:string Ok:bool",
        &json!([[22, "Ann", true]]),
    );
}

#[test]
fn summarize_groups_and_aggregates() {
    check(
        "Processes | summarize count(), dcount(File), Total = sum(Count), make_set(File) by Device",
        "Device:string count_:long dcount_File:long Total:long set_File:dynamic",
        &json!([
            ["a", 2, 2, 6, ["cmd.exe", "PsExec.exe"]],
            ["b", 1, 1, 0, ["cmd.exe"]],
            ["c", 1, 1, -7, ["pwsh.exe"]]
        ]),
    );
    check(
        "Processes | summarize arg_max(Timestamp, File, Line) by Device | where Device == 'a'",
        "Device:string Timestamp:datetime File:string Line:string",
        &json!([["a", "2026-01-10T11:50:00Z", "cmd.exe", "cmd /c whoami"]]),
    );
    check(
        "Logons | summarize arg_min(Timestamp, *) by Device | project-away Timestamp, Port",
        "Device:string User:string Ok:bool",
        &json!([["a", "Ann", true], ["d", "ann", null]]),
    );
    check(
        "Processes | summarize n = countif(Count > 0), avg(Count), min(Count), max(Timestamp) - min(Timestamp)",
        "n:long avg_Count:real min_Count:long Column4:timespan",
        &json!([[2, -1.0 / 3.0, -7, "1.23:50:00"]]),
    );
    check(
        "Processes | summarize n = count() by bin(Timestamp, 1d) | sort by Timestamp asc",
        "Timestamp:datetime n:long",
        &json!([["2026-01-08T00:00:00Z", 1], ["2026-01-10T00:00:00Z", 3]]),
    );
    check(
        "Logons | where Port > 9999 | summarize n = count(), max(Port)",
        "n:long max_Port:int",
        &json!([[0, null]]),
    );
    check("Logons | where Port > 9999 | summarize n = count() by User", "User:string n:long", &json!([]));
    check(
        "Logons | summarize make_list(Port), make_set_if(User, Ok), dcountif(User, Port > 1), take_any(Device)",
        "list_Port:dynamic set_User:dynamic dcountif_User:long Device:string",
        &json!([[[22, 445], ["Ann"], 2, "a"]]),
    );
}

#[test]
fn rows_are_sorted_cut_and_counted() {
    left("Processes | sort by Count", &["a", "a", "c", "b"]);
    left("Processes | order by Count asc", &["b", "c", "a", "a"]);
    left("Processes | sort by Count asc nulls last, Device", &["c", "a", "a", "b"]);
    left("Processes | top 2 by Timestamp asc", &["c", "b"]);
    left("Processes | limit 1", &["a"]);
    check("Processes | where Device == 'a' | count", "Count:long", &json!([[2]]));
    check("Processes | distinct Device | count", "Count:long", &json!([[3]]));
    check("Processes | project Device, File | distinct * | count", "Count:long", &json!([[4]]));
}

#[test]
fn tables_are_joined() {
    let of = |kind: &str| format!("Processes | join {kind} (Logons | project Device, User) on Device");
    check(
        &format!("{} | project Device, File, Device1, User", of("kind=inner")),
        "Device:string File:string Device1:string User:string",
        &json!([
            ["a", "cmd.exe", "a", "Ann"],
            ["a", "cmd.exe", "a", "bob"],
            ["a", "PsExec.exe", "a", "Ann"],
            ["a", "PsExec.exe", "a", "bob"]
        ]),
    );
    left(&of(""), &["a", "a"]);
    left(&of("kind=innerunique"), &["a", "a"]);
    left(&of("kind=leftsemi"), &["a", "a"]);
    left(&of("kind=leftanti"), &["b", "c"]);
    left(&of("kind=rightanti"), &["d"]);
    left(&of("hint.strategy=broadcast kind=leftouter"), &["a", "a", "a", "a", "b", "c"]);
    left(&of("kind=rightouter"), &["a", "a", "a", "a", ""]);
    left(
        "Processes | join kind=leftsemi (Logons | where Port == 22) on $left.Device == $right.Device",
        &["a", "a"],
    );
}

#[test]
fn tables_are_united() {
    check(
        "union Processes, (Logons | where Ok) | summarize count() by Device",
        "Device:string count_:long",
        &json!([["a", 3], ["b", 1], ["c", 1]]),
    );
    check(
        "Logons | union kind=inner withsource=From Processes | distinct From",
        "From:string",
        &json!([["union_arg0"], ["Processes"]]),
    );
    check(
        "union Processes, Logons | take 1 | project Port, User, Ok",
        "Port:int User:string Ok:bool",
        &json!([[null, "", null]]),
    );
}

#[test]
fn arrays_and_bags_are_expanded() {
    check(
        "Processes | mv-expand K = Extra.k | project Device, K",
        "Device:string K:dynamic",
        &json!([["a", 1], ["a", 2], ["a", null], ["c", null]]),
    );
    check("print a = dynamic({'x':1,'y':2}) | mv-expand a", "a:dynamic", &json!([[{"x": 1}], [{"y": 2}]]));
    check("print a = dynamic(['1','b']) | mv-expand a to typeof(string)", "a:string", &json!([["1"], ["b"]]));
}

#[test]
fn let_names_scalars_lists_and_tables() {
    left("let d = 'b'; Processes | where Device == d", &["b"]);
    left("let devices = dynamic(['b', 'c']); Processes | where Device in (devices)", &["b", "c"]);
    left("let seen = Logons | distinct Device; Processes | where Device in (seen)", &["a", "a"]);
    left("Processes | where Device !in ((Logons | project Device))", &["b", "c"]);
    left("let p = materialize(Processes | where Count > 1); p | where Count < 9", &["a"]);
    left("let most = toscalar(Processes | summarize max(Count)); Processes | where Count == most", &["a"]);
    left("let t = datatable(Device:string, n:long)['x', 1, 'y', 2]; t | where n > 1", &["y"]);
}

#[test]
fn scalar_functions() {
    scalar("strcat('a', 1, true, 1d)", &json!("a1True1.00:00:00"));
    scalar("substring('hello', 1, 3)", &json!("ell"));
    scalar("split('a,,b', ',')", &json!(["a", "", "b"]));
    scalar("tostring(split('a b', ' ')[1])", &json!("b"));
    scalar("extract(@'(\\d+)\\.(\\d+)', 2, 'v12.34')", &json!("34"));
    scalar("tostring(parse_json('{\"a\":{\"b\":[1,2]}}').a.b)", &json!("[1,2]"));
    scalar("tolong('0x10') + toint('3.7')", &json!(null));
    scalar("toint(9.99)", &json!(9));
    scalar("iff(1 > 2, 'a', 'b')", &json!("b"));
    scalar("case(false, 1, true, 2, 3)", &json!(2));
    scalar("coalesce('', 'x')", &json!("x"));
    scalar("array_length(dynamic([1,2,3]))", &json!(3));
    scalar("set_has_element(dynamic(['a']), 'a')", &json!(true));
    scalar("strcat_array(dynamic([1, 'b']), '-')", &json!("1-b"));
    scalar("bag_pack('a', 1, 'b', dynamic([]))", &json!({"a": 1, "b": []}));
    scalar("max_of(1, 2.5)", &json!(2.5));
    scalar("ipv4_is_private('10.1.2.3')", &json!(true));
    scalar("bin(7, 5)", &json!(5));
    scalar("bin(-1, 5)", &json!(-5));
    scalar("7 / 2 + 7 % 2", &json!(4));
    scalar("(-5) % 3", &json!(1));
    scalar("now() - ago(90m)", &json!("01:30:00"));
    scalar("startofday(now())", &json!("2026-01-10T00:00:00Z"));
    scalar("format_datetime(now(), 'yyyy-MM-dd HH:mm')", &json!("2026-01-10 12:00"));
    scalar("datetime_diff('hour', now(), ago(1d))", &json!(24));
    scalar("dayofweek(now()) / 1d", &json!(6.0));
    scalar("todatetime('2026-01-01') + 1.5h", &json!("2026-01-01T01:30:00Z"));
    scalar("'443' == 443", &json!(true));
}

#[test]
fn literals_are_read_in_every_notation() {
    scalar("@'C:\\Temp\\'", &json!("C:\\Temp\\"));
    scalar("@\"say \"\"hi\"\"\"", &json!("say \"hi\""));
    scalar("'tab\\tquote\\'\\u0041'", &json!("tab\tquote'A"));
    scalar("h'secret' 'joined'", &json!("secretjoined"));
    scalar("```a\nb```", &json!("a\nb"));
    scalar("dynamic({'a': [1, -2.5, null, true, 'x']})", &json!({"a": [1, -2.5, null, true, "x"]}));
    scalar("datetime(2026-01-10 12:00) // a comment", &json!(NOW));
    scalar("1e3", &json!(1000.0));
    scalar("timespan(1.02:00:00)", &json!("1.02:00:00"));
}

#[test]
fn what_does_not_exist_is_a_semantic_fault_in_the_services_words() {
    refused(
        "Logons\n| where Nope == 1",
        FaultKind::Semantic,
        "'where' operator: Failed to resolve column or scalar expression named 'Nope' at 2:9",
    );
    refused(
        "Nowhere | take 1",
        FaultKind::Semantic,
        "'where' operator: Failed to resolve table or column expression named 'Nowhere' at 1:1",
    );
    refused(
        "Logons | where Timestamp == 'x'",
        FaultKind::Semantic,
        "'where' operator: Cannot compare values of types datetime and string. Try adding explicit casts at 1:16",
    );
    refused(
        "Logons | where User",
        FaultKind::Semantic,
        "'where' operator: a bool is expected, not a string at 1:16",
    );
    refused(
        "Logons | project-away Nope",
        FaultKind::Semantic,
        "'project-away' operator: Failed to resolve column or scalar expression named 'Nope' at 1:23",
    );
    refused(
        "Logons | summarize User by Port",
        FaultKind::Semantic,
        "'summarize' operator: Failed to resolve column or scalar expression named 'User' at 1:20",
    );
}

#[test]
fn what_is_not_known_is_said_with_its_place() {
    refused("Logons | evaluate bag_unpack(Extra)", FaultKind::Unsupported, "operator 'evaluate' at 1:10");
    refused(
        "Logons\n| make-series n = count() on Timestamp",
        FaultKind::Unsupported,
        "operator 'make-series' at 2:3",
    );
    refused("Logons | where hash(User) > 1", FaultKind::Unsupported, "function 'hash()' at 1:16");
    refused("let f = (x:long) { x }; Logons", FaultKind::Unsupported, "user-defined function at 1:9");
    refused("range x from 1 to 5 step 1", FaultKind::Unsupported, "source 'range' at 1:1");
    refused(
        "Logons | where User in (Device)",
        FaultKind::Unsupported,
        "a list with values that depend on the row at 1:25",
    );
    refused(
        "Logons | where Port in ('ssh')",
        FaultKind::Unsupported,
        "a list with values of other types than int at 1:16",
    );
}

#[test]
fn what_is_not_kql_is_a_syntax_fault() {
    refused("Logons | wher Ok", FaultKind::Syntax, "'wher' is not the name of an operator at 1:10");
    refused(
        "Logons | where (Ok",
        FaultKind::Syntax,
        "Query could not be parsed at 'the end of the query': ')' was expected at 1:19",
    );
    refused("Logons | where User == 'x", FaultKind::Syntax, "A string literal is not closed at 1:24");
    for query in ["", ";", "|", "Logons |", "Logons | where", "let", "let x", "\u{0}", "Logons | project a="]
    {
        assert_eq!(ask(query).expect_err(query).kind, FaultKind::Syntax, "{query}");
    }
}

#[test]
fn hostile_queries_neither_overflow_nor_stall() {
    for query in [
        format!("print {}1{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("print {}1", "-".repeat(30_000)),
        format!("print 1{}", "+1".repeat(15_000)),
        format!("print dynamic({}{})", "[".repeat(9_000), "]".repeat(9_000)),
        format!("Logons | where {}true", "not(".repeat(9_000)),
        format!("print a{}", ".b".repeat(15_000)),
    ] {
        assert_eq!(ask(&query).expect_err("too deep").kind, FaultKind::Syntax);
    }
    let explosion =
        "let a = union Logons, Logons, Logons, Logons, Logons, Logons, Logons, Logons, Logons, Logons;
        let b = union a, a, a, a, a, a, a, a, a, a; let c = union b, b, b, b, b, b, b, b, b, b;
        c | join kind=inner c on Device";
    assert_eq!(ask(explosion).expect_err("too many rows").kind, FaultKind::Limit);
}

#[test]
fn the_window_narrows_what_the_query_sees() {
    let hunter = TableHunter::new(library());
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let window = HuntWindow { from: at("2026-01-10T11:45:00Z"), to: at(NOW) };
    let table = hunter
        .answer("Processes | where Timestamp > ago(30d) | project Timestamp, Device", window, at(NOW))
        .unwrap();
    assert_eq!(
        table.columns,
        [HuntColumn::new("Timestamp", "DateTime"), HuntColumn::new("Device", "String")]
    );
    let super::super::HuntRows::Objects(rows) = table.rows else { panic!("objects") };
    assert_eq!(json!(rows), json!([{"Timestamp": "2026-01-10T11:50:00Z", "Device": "a"}]));
    assert!(hunter.answer("AADSignInEventsBeta | take 1", window, at(NOW)).is_ok());
    assert_eq!(
        hunter.answer("Processes | render x", window, at(NOW)),
        Err(HuntFault::Unsupported("operator 'render' at 1:13".to_owned()))
    );
}

#[test]
fn rows_that_do_not_fit_the_schema_are_refused() {
    let mut library = library();
    assert_eq!(
        library.fill_ndjson("Logons", "{\"Usr\": 1}"),
        Err(LibraryError::UnknownColumn { table: "Logons".to_owned(), column: "Usr".to_owned() })
    );
    assert_eq!(library.fill_ndjson("Nope", "{}"), Err(LibraryError::UnknownTable("Nope".to_owned())));
    assert!(matches!(library.fill_ndjson("Logons", "\n["), Err(LibraryError::Malformed { line: 2, .. })));
}
