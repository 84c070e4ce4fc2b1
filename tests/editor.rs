//! An author's editor completes, explains and checks playbooks and settings from the schema that the
//! file's first line names. The editor's side is yaml-language-server, as editors run it.

#![expect(clippy::panic, reason = "a test that cannot start says why")]
#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, not a panic")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Stands for the cursor in a document.
const CURSOR: &str = "‸";

/// Asks the language server about a document in `playbooks/`. `what` is `completion` or `hover`.
#[track_caller]
fn ask(text: &str, what: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (before, _) = text.split_once(CURSOR).unwrap_or((text, ""));
    let line = before.matches('\n').count();
    let character = before.rsplit('\n').next().unwrap_or_default().encode_utf16().count();
    let ask = if text.contains(CURSOR) {
        json!([{what: {"line": line, "character": character}}])
    } else {
        json!([])
    };
    let uri = format!("file://{}", root.join("playbooks/written-in-an-editor.yaml").display());
    let question = json!({"uri": uri, "text": text.replace(CURSOR, ""), "ask": ask});

    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let server = target.join("test-env/node/node_modules/yaml-language-server/bin/yaml-language-server");
    assert!(server.exists(), "{} is missing; run `bash tests/setup`", server.display());
    let mut child = Command::new("node")
        .arg(root.join("tests/node/editor.mjs"))
        .arg(server)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("node does not start ({error}); run `bash tests/setup`"));
    child.stdin.take().expect("a pipe").write_all(question.to_string().as_bytes()).expect("node listens");
    let output = child.wait_with_output().expect("node ends");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("an answer in JSON")
}

/// At the cursor the editor offers `offered` and none of `absent`.
#[track_caller]
fn completes(text: &str, offered: &[&str], absent: &[&str]) {
    let answer = ask(text, "completion");
    let labels: Vec<&str> = answer["answers"][0]
        .as_array()
        .expect("the answer has that form")
        .iter()
        .map(|label| label.as_str().expect("the answer has that form"))
        .collect();
    for label in offered {
        assert!(labels.contains(label), "`{label}` is not offered: {labels:?}");
    }
    for label in absent {
        assert!(!labels.contains(label), "`{label}` is offered: {labels:?}");
    }
}

const HEAD: &str = "# yaml-language-server: $schema=../schemas/playbook.schema.json
schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: PsExec fan-out
severity: High
";

#[test]
fn top_level_keys_are_offered_but_not_twice() {
    let text = format!("{HEAD}hunt: {{query: DeviceEvents}}\n‸\n");
    completes(
        &text,
        &["status", "mode", "schedule", "where", "suppress", "guards", "actions", "notify"],
        &["name", "query"],
    );
}

#[test]
fn words_of_a_closed_set_are_offered() {
    completes(&format!("{HEAD}mode: ‸\n"), &["observe", "enforce"], &[]);
    completes(&format!("{HEAD}tactics:\n  - ‸\n"), &["LateralMovement", "CommandAndControl"], &[]);
    completes(&format!("{HEAD}incidents:\n  filter:\n    status: [‸]\n"), &["active", "inProgress"], &[]);
}

#[test]
fn keys_inside_a_map_and_a_list_are_offered() {
    completes(
        &format!("{HEAD}hunt:\n  ‸\n"),
        &["query", "queryPeriod", "triggerOperator", "identity"],
        &["cron"],
    );
    completes(&format!("{HEAD}schedule:\n  ‸\n"), &["cron", "every", "timezone"], &[]);
    completes(
        &format!("{HEAD}actions:\n  - ‸\n"),
        &["isolateDevice", "updateIncident", "id", "if"],
        &["notify"],
    );
    completes(
        &format!("{HEAD}actions:\n  - isolateDevice:\n      ‸\n"),
        &["device", "isolationType", "comment"],
        &["incident"],
    );
}

#[test]
fn a_key_explains_itself() {
    let answer = ask(&format!("{HEAD}sup‸press: {{by: [DeviceId], for: 24h}}\n"), "hover");
    let text = answer["answers"][0].as_str().expect("the answer has that form");
    assert!(text.contains("When an item is left alone because one like it was dealt with before."), "{text}");
}

#[test]
fn mistakes_are_underlined_and_good_files_are_not() {
    let good = format!("{HEAD}hunt: {{query: DeviceEvents, queryFrequency: 1h30m}}\nx-owner: blue\n");
    assert_eq!(ask(&good, "hover")["diagnostics"], json!([]));
    let bad = format!("{HEAD}hunt: {{query: DeviceEvents, queryFrequency: hourly}}\nmoed: observe\n");
    let problems = ask(&bad, "hover")["diagnostics"].to_string();
    assert!(problems.contains("6: a length of time: `90s`"), "{problems}");
    assert!(problems.contains("7: Property moed is not allowed."), "{problems}");
}

#[test]
fn settings_complete_too() {
    let head = "# yaml-language-server: $schema=../schemas/settings.schema.json\n";
    completes(
        &format!("{head}tenants:\n  contoso:\n    ‸\n"),
        &["tenantId", "auth", "endpoints", "cloud"],
        &[],
    );
    completes(&format!("{head}channels:\n  soc:\n    ‸\n"), &["email", "teams", "slack", "webhook"], &[]);
    completes(
        &format!("{head}channels:\n  soc:\n    teams:\n      url:\n        ‸\n"),
        &["env", "file", "credential"],
        &[],
    );
}
