//! The examples run and print what they promise.

#![expect(clippy::expect_used, reason = "test helpers; a failure fails the test")]

use std::process::Command;

/// Builds an example if that is needed, runs it and returns what it prints.
fn run(example: &str) -> String {
    run_with(example, &[])
}

/// The same with arguments.
fn run_with(example: &str, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--locked", "--example", example, "--"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_engine_runs_inside_another_program() {
    insta::assert_snapshot!(run("embed_engine"), @r"
    first run: succeeded (3 rows hunted, 1 matched, 1 acted on)
      wks-021.contoso.example: acted
        runAntivirusScan on 44c0fe53abca7449b51b135b62d71e6fdb912553
    second run: succeeded (3 rows hunted, 0 matched, 0 acted on)
    the tenant's own log of what was done to it:
      runAntiVirusScan on 44c0fe53abca7449b51b135b62d71e6fdb912553
    ");
}

#[test]
fn playbooks_and_conditions_are_checked_from_rust() {
    insta::assert_snapshot!(run("check_conditions"));
}

#[test]
fn a_collection_of_queries_is_run_over_the_story() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let queries = [
        "DeviceInfo | where Timestamp > ago(1d) | count",
        "externaldata(v: string) ['https://lists.example/a.csv'] | join kind=inner (DeviceInfo) on $left.v == $right.DeviceId",
        "DeviceProcessEvents | where SHA1 == 'none'",
    ];
    let lines = queries.map(|query| format!("{}\n", serde_json::json!({"query": query})));
    std::fs::write(file.path(), lines.concat()).expect("the file is written");
    insta::assert_snapshot!(run_with("corpus", &[&file.path().to_string_lossy()]), @r"
    3 of 3 queries run, 1 of them find something
    1 of those that run read documents from outside, which were empty
    ");
}
