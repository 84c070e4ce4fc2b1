//! The examples run and print what they promise.

#![expect(clippy::expect_used, reason = "test helpers; a failure fails the test")]

use std::process::Command;

/// Builds an example if that is needed, runs it and returns what it prints.
fn run(example: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--locked", "--example", example])
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
