//! `huntbook kql` as people use it.

mod binary;

use std::path::Path;
use std::process::Output;

use binary::{folder, huntbook};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn ends(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}\n{}", text(&output.stdout), text(&output.stderr));
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).expect("the file is there")
}

const PAGE: &str = "# Hunts\n\n- One:\n\n  ```kql\n  DeviceInfo|take 5\n  ```\n\n```json\n{}\n```\n";
const PAGE_LAID_OUT: &str =
    "# Hunts\n\n- One:\n\n  ```kql\n  DeviceInfo\n  | take 5\n  ```\n\n```json\n{}\n```\n";

#[test]
fn check_names_place_and_code_in_queries_and_markdown() {
    let dir = folder(&[
        ("a.kql", "DeviceInfo\n| wher DeviceName == 'x'\n"),
        ("docs/b.md", "Text\n\n  ```kusto\n  DeviceInfo\n  | take\n  ```\n"),
        ("good.kql", "DeviceInfo | take 5"),
        ("other.txt", "| | |"),
    ]);
    let output = huntbook(dir.path(), &["kql", "check", "."]);
    ends(&output, 1);
    let out = text(&output.stdout);
    for part in [
        "error[KQL013]",
        "./a.kql:2:3",
        "| wher DeviceName",
        "^^^^",
        "help: did you mean `where`?",
        "./docs/b.md:5:9",
    ] {
        assert!(out.contains(part), "no `{part}` in\n{out}");
    }
    assert!(text(&output.stderr).starts_with("3 queries: 2 errors, "), "{}", text(&output.stderr));

    let output = huntbook(dir.path(), &["kql", "check", "good.kql"]);
    ends(&output, 0);
    assert!(text(&output.stdout).contains("warning[KQL300]"), "no time filter: {}", text(&output.stdout));
}

#[test]
fn check_knows_the_tables_of_the_service_and_those_it_is_given() {
    let tables = r#"{"format": 1, "tables": [{"name": "Mine_CL", "columns": [["Size", "long"]]}]}"#;
    let dir = folder(&[
        ("a.kql", "DeviceInfo | where TimeGenerated > ago(1d)"),
        ("b.kql", "Mine_CL | where Size > 1"),
        ("tables.json", tables),
    ]);
    let output = huntbook(dir.path(), &["kql", "check", "a.kql", "b.kql"]);
    ends(&output, 1);
    let out = text(&output.stdout);
    for part in ["a.kql:1:20", "TimeGenerated", "Timestamp", "b.kql:1:1", "Mine_CL"] {
        assert!(out.contains(part), "no `{part}` in\n{out}");
    }
    ends(&huntbook(dir.path(), &["kql", "check", "--tables", "tables.json", "b.kql"]), 0);
    ends(&huntbook(dir.path(), &["kql", "check", "--tables", "a.kql", "b.kql"]), 1);
}

#[test]
fn check_speaks_json() {
    let dir = folder(&[("a.kql", "DeviceInfo\n| wher true\n")]);
    let output = huntbook(dir.path(), &["kql", "check", "a.kql", "--format", "json"]);
    ends(&output, 1);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["queries"], 1);
    let problem = &report["problems"][0];
    assert_eq!(
        (&problem["code"], &problem["line"], &problem["column"]),
        (&"KQL013".into(), &2.into(), &3.into())
    );
    assert_eq!(problem["suggestion"]["replacement"], "where");
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    let dir = folder(&[("a.txt", "T")]);
    ends(&huntbook(dir.path(), &["kql", "check", "nothing.kql"]), 2);
    ends(&huntbook(dir.path(), &["kql", "fmt", "a.txt"]), 2);
    ends(&huntbook(dir.path(), &["kql", "fmt", "--check", "--diff", "a.txt"]), 2);
}

#[test]
fn fmt_rewrites_files_and_leaves_the_rest_of_a_page() {
    let dir = folder(&[("a.kql", "DeviceInfo|take 5 // few\n"), ("b.md", PAGE)]);
    let output = huntbook(dir.path(), &["kql", "fmt", "."]);
    ends(&output, 0);
    assert_eq!(text(&output.stderr), "2 files: 2 laid out\n");
    assert_eq!(read(dir.path(), "a.kql"), "DeviceInfo\n| take 5 // few\n");
    assert_eq!(read(dir.path(), "b.md"), PAGE_LAID_OUT);
    let again = huntbook(dir.path(), &["kql", "fmt", "."]);
    assert_eq!(text(&again.stderr), "2 files: 0 laid out\n");
}

#[test]
fn fmt_keeps_the_line_ends_of_a_file() {
    let dir = folder(&[("a.kql", "DeviceInfo // all\r\n|take 5\r\n")]);
    ends(&huntbook(dir.path(), &["kql", "fmt", "a.kql"]), 0);
    assert_eq!(read(dir.path(), "a.kql"), "DeviceInfo // all\r\n| take 5\r\n");
    ends(&huntbook(dir.path(), &["kql", "fmt", "--check", "a.kql"]), 0);
}

#[test]
fn fmt_check_and_diff_change_nothing() {
    let dir = folder(&[("a.kql", "DeviceInfo|take 5\n"), ("b.kql", "DeviceInfo\n")]);
    let output = huntbook(dir.path(), &["kql", "fmt", "--check", "."]);
    ends(&output, 1);
    assert_eq!(text(&output.stdout), "./a.kql\n");
    let output = huntbook(dir.path(), &["kql", "fmt", "--diff", "a.kql"]);
    ends(&output, 1);
    let expected = "--- a.kql\n+++ a.kql\n@@ -1,1 +1,2 @@\n-DeviceInfo|take 5\n+DeviceInfo\n+| take 5\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(read(dir.path(), "a.kql"), "DeviceInfo|take 5\n");
    ends(&huntbook(dir.path(), &["kql", "fmt", "--check", "b.kql"]), 0);
}

#[test]
fn fmt_leaves_a_query_with_errors_and_says_where() {
    let dir = folder(&[("a.kql", "DeviceInfo|take\n"), ("b.kql", "DeviceInfo|take 5\n")]);
    let output = huntbook(dir.path(), &["kql", "fmt", "."]);
    ends(&output, 1);
    assert!(text(&output.stderr).contains("./a.kql:1:16"), "{}", text(&output.stderr));
    assert_eq!(read(dir.path(), "a.kql"), "DeviceInfo|take\n");
    assert_eq!(read(dir.path(), "b.kql"), "DeviceInfo\n| take 5\n");
}

const DEVICES: &str = r#"{"Timestamp": "2026-01-10T11:00:00Z", "DeviceId": "1", "DeviceName": "a"}
{"Timestamp": "2026-01-01T11:00:00Z", "DeviceId": "2", "DeviceName": "b"}
"#;

#[test]
fn run_gives_the_rows_of_files_at_a_given_moment() {
    let dir = folder(&[
        ("data/DeviceInfo.ndjson", DEVICES),
        ("q.kql", "DeviceInfo | where Timestamp > ago(1d) | project DeviceName, Timestamp"),
        ("list.csv", "a\n"),
        ("ext.kql", "externaldata(x: string) ['https://lists.example/a.csv?x=1']"),
    ]);
    let call = ["kql", "run", "q.kql", "--data", "data", "--now", "2026-01-10T12:00:00Z"];
    let output = huntbook(dir.path(), &call);
    ends(&output, 0);
    let out = text(&output.stdout);
    assert!(
        out.contains("DeviceName") && out.contains("2026-01-10T11:00:00") && out.ends_with("1 row\n"),
        "{out}"
    );

    let output = huntbook(dir.path(), &[&call[..], &["--format", "json"]].concat());
    ends(&output, 0);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let result = &report["results"][0];
    assert_eq!(result["columns"][1], serde_json::json!({"name": "Timestamp", "type": "datetime"}));
    assert_eq!(result["rows"].as_array().map(Vec::len), Some(1));
    assert_eq!(result["rows"][0]["DeviceName"], "a");

    let document = "https://lists.example/a.csv?x=1=list.csv";
    let output = huntbook(dir.path(), &["kql", "run", "ext.kql", "--document", document]);
    ends(&output, 0);
    assert!(text(&output.stdout).contains("1 row\n"), "{}", text(&output.stdout));
}

#[test]
fn run_reads_what_the_query_asks_for_and_takes_other_tables_for_empty() {
    let dir = folder(&[
        ("data/DeviceInfo.ndjson", DEVICES),
        ("data/DeviceEvents.ndjson", "no rows at all"),
        ("data/vip.ndjson", r#"{"DeviceName": "a", "Rank": 3}"#),
        (
            "hunting-schema/own.json",
            r#"{"format": 1, "watchlists": {"vip": [["DeviceName", "string"], ["Rank", "long"]]}}"#,
        ),
        (
            "q.kql",
            "union DeviceInfo, EmailEvents | join kind=inner (_GetWatchlist('vip')) on DeviceName | project Rank",
        ),
    ]);
    let output = huntbook(dir.path(), &["kql", "run", "q.kql", "--data", "data", "--format", "json"]);
    ends(&output, 0);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["results"][0]["rows"], serde_json::json!([{"Rank": 3}]));
    let said = text(&output.stderr);
    assert!(said.contains("`data` has no file of these, which are empty: EmailEvents\n"), "{said}");
}

/// Values that their columns do not take, below a row of good ones.
const ODD_ROWS: &str = r#"{"Timestamp": "2026-01-10T11:00:00Z", "IsAzureADJoined": null}
{"Timestamp": "nope", "IsAzureADJoined": "maybe"}
{"Timestamp": 1700000000, "IsAzureADJoined": 1}
"#;

#[test]
fn run_says_why_there_are_no_rows() {
    let dir = folder(&[
        ("a.kql", "DeviceInfo | wher true"),
        ("b.kql", "DeviceInfo\n| take 5"),
        ("bad/DeviceInfo.ndjson", "[1]"),
        ("odd/DeviceInfo.ndjson", ODD_ROWS),
    ]);
    for (arguments, part) in [
        (&["a.kql"][..], "a.kql:1:14"),
        (&["b.kql"][..], "there are no rows of table `DeviceInfo`"),
        (&["b.kql", "--data", "bad"][..], "bad/DeviceInfo.ndjson`: line 1 is no JSON object"),
        (
            &["b.kql", "--data", "odd"][..],
            "odd/DeviceInfo.ndjson`: line 2: column `IsAzureADJoined` is of type bool, which `\"maybe\"` is not; \
             line 2: column `Timestamp` is of type datetime, which `\"nope\"` is not, nor is that of 1 more line",
        ),
    ] {
        let output = huntbook(dir.path(), &[&["kql", "run"][..], arguments].concat());
        ends(&output, 1);
        assert!(text(&output.stderr).contains(part), "no `{part}` in\n{}", text(&output.stderr));
    }
    ends(&huntbook(dir.path(), &["kql", "run", "b.kql", "--now", "soon"]), 2);
}

#[test]
fn a_code_is_explained() {
    let dir = folder(&[]);
    let output = huntbook(dir.path(), &["explain", "kql013"]);
    ends(&output, 0);
    assert!(text(&output.stdout).starts_with("KQL013: unknown operator"), "{}", text(&output.stdout));
    ends(&huntbook(dir.path(), &["explain", "KQL999"]), 2);
}
