//! Malformed input in the memory it may take: the binary checks each file with at most 64 MiB of data, and says
//! what is wrong and where. Wall time and resident memory are measured, not tested; `README.md` has the command.

#![expect(clippy::unwrap_used, reason = "test helpers; what is missing fails the test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What the process may have of its own, in KiB.
const DATA_KIB_MAX: u32 = 64 << 10;

const SETTINGS: &str = "tenants:
  contoso:
    tenantId: 00000000-0000-4000-8000-000000000001
    auth: {clientSecret: {clientId: 00000000-0000-4000-8000-000000000002, secret: {env: NONE}}}
channels:
  soc: {webhook: {url: \"https://siem.contoso.example/\"}}
";
const HEAD: &str = "schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: Good
severity: Low
hunt:
  query: DeviceFileEvents | summarize Files = count() by DeviceId, DeviceName
  queryPeriod: 1h
";

/// What `validate` says about one playbook: `line:column code` of each error, or how it ended otherwise.
fn said(playbook: &[u8]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("huntbook.yaml"), SETTINGS).unwrap();
    fs::create_dir(dir.path().join("playbooks")).unwrap();
    fs::write(dir.path().join("playbooks/bad.yaml"), playbook).unwrap();
    validate(dir.path())
}

fn validate(dir: &Path) -> Vec<String> {
    let limited = format!("ulimit -d {DATA_KIB_MAX} && exec \"$0\" \"$@\"");
    let output = Command::new("/bin/sh")
        .args(["-c", &limited, env!("CARGO_BIN_EXE_huntbook"), "--format", "json", "validate"])
        .current_dir(dir)
        .env_clear()
        // Each has a stack, and there would be as many as the machine has cores.
        .env("TOKIO_WORKER_THREADS", "2")
        .output()
        .unwrap();
    let Ok(document) = serde_json::from_slice::<Value>(&output.stdout) else {
        return vec![format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr))];
    };
    let problems = document.get("problems").and_then(Value::as_array).unwrap();
    let errors: Vec<String> = problems
        .iter()
        .filter(|problem| problem["level"] == "error")
        .map(|one| format!("{}:{} {}", one["line"], one["column"], one["code"].as_str().unwrap()))
        .collect();
    assert_eq!(output.status.code(), Some(if errors.is_empty() { 0 } else { 78 }));
    errors
}

/// Ten levels of ten aliases: ten thousand million values if they were followed.
fn bomb() -> String {
    let first = format!("x-0: &a0 [{}]\n", ["x"; 10].join(","));
    let level = |n: usize| format!("x-{n}: &a{n} [{}]\n", [format!("*a{}", n - 1).as_str(); 10].join(","));
    (1..10).fold(first, |text, n| text + &level(n))
}

#[test]
fn malformed_input_is_told_with_its_place_in_little_memory() {
    let head = |rest: &str| format!("{HEAD}{rest}").into_bytes();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a tab", b"schema: 1\nhunt:\n\tquery: x\n".to_vec(), "3:1 HB0002"),
        ("a key twice", head("name: Again\n"), "8:1 HB0003"),
        ("an alias of nothing", head("x-a: *nothing\n"), "8:6 HB0002"),
        ("a bomb", head(&bomb()), "HB0005"),
        (
            "deep lists",
            head(&format!("x-deep: {}{}\n", "[".repeat(50_000), "]".repeat(50_000))),
            "8:264 HB0005",
        ),
        ("deep maps", head(&format!("x-deep: {}\n", "{a: ".repeat(50_000))), "HB0005"),
        ("NUL", head("x-a: \u{0}\n"), "8:6 HB0001"),
        ("not UTF-8", [HEAD.as_bytes(), b"x-a: \xff\xfe\n"].concat(), "8:6 HB0001"),
        ("a mark, and an unknown key", format!("\u{feff}{HEAD}sverity: x\n").into_bytes(), "8:1 HB0101"),
        (
            "CRLF, and an unknown key",
            format!("{HEAD}sverity: x\n").replace('\n', "\r\n").into_bytes(),
            "8:1 HB0101",
        ),
        ("two megabytes", head(&format!("description: {}\n", "x".repeat(2 << 20))), "1:1 HB0005"),
        ("a wrong type", head("tactics: LateralMovement\n"), "8:10 HB0103"),
        ("cron", head("schedule: {cron: \"0 25 * * *\"}\n"), "8:21 HB0202"),
        ("a zone", head("schedule: {cron: \"0 9 * * *\", timezone: Europe/Stokholm}\n"), "8:41 HB0203"),
        ("a loop", head("where: \"while true { } true\"\n"), "8:9 HB0301"),
        ("types", head("where: row.Files > \"4\"\n"), "HB0304"),
        ("a template", head("notify: [{channel: soc, title: \"{{outcome.acted\"}]\n"), "HB0401"),
        ("a list that is missing", head("where: row.DeviceName in lists.none\n"), "8:32 HB0501"),
    ];
    let mut wrong = Vec::new();
    for (name, playbook, expected) in cases {
        let found = said(&playbook);
        // Those that stand alone name a code; where it stands there is for `tests/bad_input`.
        if !found.iter().any(|one| one.ends_with(expected)) || found.len() != 1 {
            wrong.push(format!("{name}: {expected} is told as {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_thousand_bad_files_take_no_more() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("huntbook.yaml"), SETTINGS).unwrap();
    fs::create_dir(dir.path().join("playbooks")).unwrap();
    for number in 0..1_000 {
        let text = format!("{HEAD}sverity: x\n").replace("8e77", &format!("{number:04}"));
        fs::write(dir.path().join(format!("playbooks/{number}.yaml")), text).unwrap();
    }
    let found = validate(dir.path());
    assert_eq!(found.len(), 1_000, "{:?}", found.first());
}
