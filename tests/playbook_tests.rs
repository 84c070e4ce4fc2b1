//! `huntbook test`, through the binary: what passes, what fails and how it is shown, and the tests of the
//! shipped playbooks.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

#[path = "playbook_tests/alerts.rs"]
mod alerts;
#[path = "playbook_tests/approvals.rs"]
mod approvals;
#[path = "playbook_tests/devices.rs"]
mod devices;
#[path = "playbook_tests/examples.rs"]
mod examples;
#[path = "playbook_tests/feeds.rs"]
mod feeds;
#[path = "playbook_tests/indicators.rs"]
mod indicators;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn huntbook(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_huntbook"))
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn ends(output: &Output, code: i32) -> String {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    out
}

const PLAYBOOK: &str = r#"schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: Many writes
mode: enforce
severity: High
hunt:
  query: |
    DeviceFileEvents
    | summarize Files = count(), arg_max(Timestamp, DeviceName) by DeviceId
  identity: [DeviceId]
  queryPeriod: 2h
where: row.Files > 1
suppress: {by: [DeviceId], for: 24h}
guards: {maxActions: {perRun: 2}, exclude: {deviceTags: [tier0]}}
actions:
  - id: isolate
    if: "!(row.DeviceName in lists.packagers)"
    isolateDevice: {device: "{{row.DeviceId}}", comment: "{{row.Files}} files"}
notify:
  - channel: soc
    if: outcome.acted > 0 || outcome.halted
    title: "{{outcome.acted}} isolated"
"#;

/// Three devices by number: `wks-1`, `wks-2`, and `dc-3`, which is `tier0`.
const MACHINES: &str = r#"[
  {"id": "1111111111111111111111111111111111111111", "computerDnsName": "wks-1.contoso.example"},
  {"id": "2222222222222222222222222222222222222222", "computerDnsName": "wks-2.contoso.example"},
  {"id": "3333333333333333333333333333333333333333", "computerDnsName": "dc-3.contoso.example", "machineTags": ["tier0"]}
]"#;

/// Writes of the devices, `(device, minutes before the test begins)`.
fn events(writes: &[(u8, u32)]) -> String {
    let names = ["wks-1", "wks-2", "dc-3"];
    let line = |(device, minutes): &(u8, u32)| {
        let id = device.to_string().repeat(40);
        let name = names[usize::from(device - 1)];
        format!(
            "{{\"Timestamp\": \"-{minutes}m\", \"DeviceId\": \"{id}\", \"DeviceName\": \"{name}.contoso.example\", \"FileName\": \"a\"}}\n"
        )
    };
    writes.iter().map(line).collect()
}

/// A folder with the playbook, its fixtures and these tests.
fn project(tests: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    fs::create_dir_all(dir.path().join("playbooks/fixtures")).unwrap();
    fs::create_dir_all(dir.path().join("playbooks/lists")).unwrap();
    put("playbooks/lists/packagers.txt", "wks-2.contoso.example\n");
    put("playbooks/fixtures/machines.json", MACHINES);
    put(
        "playbooks/fixtures/writes.ndjson",
        &events(&[(1, 30), (1, 31), (2, 30), (2, 32), (3, 40), (3, 41), (1, 500)]),
    );
    put("playbooks/writes.yaml", PLAYBOOK);
    if !tests.is_empty() {
        put("playbooks/writes.test.yaml", &format!("{HEAD}{tests}"));
    }
    dir
}

const HEAD: &str = "playbook: writes.yaml
given:
  tables: {DeviceFileEvents: fixtures/writes.ndjson}
  machines: fixtures/machines.json
tests:
";

/// Plays tests; they must end with `code`.
#[track_caller]
fn plays(tests: &str, code: i32) -> String {
    let dir = project(tests);
    ends(&huntbook(dir.path(), &["test"]), code)
}

#[test]
fn the_shipped_playbooks_pass_their_tests_which_reach_every_branch() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = ends(&huntbook(root, &["test", "playbooks", "--coverage", "--format", "json"]), 0);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["failed"], 0);
    assert!(report["passed"].as_u64().unwrap() >= 41, "{report}");
    assert_eq!(report["coverage"]["gaps"], serde_json::json!([]));
}

#[test]
fn documents_watchlists_and_tables_of_ones_own_are_given() {
    let dir = project("");
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    fs::create_dir(dir.path().join("hunting-schema")).unwrap();
    put(
        "hunting-schema/own.json",
        r#"{"format": 1, "tables": [{"name": "Own_CL", "columns": [["Timestamp", "datetime"], ["DeviceId", "string"], ["Hash", "string"]]}],
           "watchlists": {"vip": [["DeviceId", "string"], ["Rank", "long"]]}}"#,
    );
    put("playbooks/fixtures/bad.csv", "abc\n");
    let query = "    let bad = externaldata(Hash: string) ['https://feeds.contoso.example/bad.csv'];\n    \
                 Own_CL | where Hash in (bad) | join kind=inner (_GetWatchlist('vip')) on DeviceId\n    \
                 | summarize Files = sum(Rank), DeviceName = 'wks-1' by DeviceId";
    let old =
        "    DeviceFileEvents\n    | summarize Files = count(), arg_max(Timestamp, DeviceName) by DeviceId";
    assert!(PLAYBOOK.contains(old));
    put("playbooks/writes.yaml", &PLAYBOOK.replace(old, query));
    let device = "1".repeat(40);
    let tests = format!(
        "playbook: writes.yaml
given:
  tables: {{Own_CL: [{{Timestamp: -5m, DeviceId: '{device}', Hash: abc}}, {{Timestamp: -5m, DeviceId: '{device}', Hash: xyz}}]}}
  watchlists: {{vip: [{{DeviceId: '{device}', Rank: 7}}]}}
  machines: fixtures/machines.json
tests:
  - name: a file
    given: {{documents: {{'https://feeds.contoso.example/bad.csv': fixtures/bad.csv}}}}
    expect: {{matched: 1, acted: [{{device: wks-1.contoso.example}}], notified: 1}}
  - name: the text, over two runs
    given: {{documents: {{'https://feeds.contoso.example/bad.csv': {{text: \"xyz\\n\"}}}}}}
    steps:
      - {{at: 0h, expect: {{matched: 1, acted: 1}}}}
      - {{at: 1h, given: {{tables: {{Own_CL: []}}}}, expect: {{matched: 0}}}}
  - name: a document that nobody gave
    expect: {{run: failed}}
"
    );
    put("playbooks/writes.test.yaml", &tests);
    let out = ends(&huntbook(dir.path(), &["test"]), 0);
    assert!(out.contains("3 passed"), "{out}");
    // Whoever expected otherwise reads what is missing and where it goes.
    for (wrong, missing) in [
        (
            tests.replace("expect: {run: failed}", "expect: {matched: 1}"),
            "nothing is provided for `https://feeds.contoso.example/bad.csv` (a test gives it under `documents:`)",
        ),
        (
            tests.replace("  watchlists:", "  # watchlists:"),
            "nothing is provided for `_GetWatchlist('vip')` (a test gives it under `watchlists:`)",
        ),
    ] {
        put("playbooks/writes.test.yaml", &wrong);
        for form in ["text", "json"] {
            let out = ends(&huntbook(dir.path(), &["test", "--format", form]), 1);
            assert!(out.contains(missing), "{missing}: {out}");
        }
    }
    let wrong = tests.replace("{vip:", "{vpi:").replace("fixtures/bad.csv}", "fixtures/none.csv}");
    put("playbooks/writes.test.yaml", &wrong);
    let out = ends(&huntbook(dir.path(), &["test"]), 78);
    assert!(out.contains("declares no watchlist `vpi`") && out.contains("exists: `vip`"), "{out}");
    assert!(out.contains("`fixtures/none.csv` cannot be read"), "{out}");
}

#[test]
fn a_column_that_is_not_there_is_pointed_at_where_it_stands() {
    let dir = project("");
    let rows = "{\"DeviceId\": \"x\"}\n\n{\"DeviceId\": \"x\", \"RemoteIp\": \"192.0.2.1\"}\n";
    fs::write(dir.path().join("playbooks/fixtures/net.ndjson"), rows).unwrap();
    let tests = "playbook: writes.yaml
tests:
  - name: a file
    given: {tables: {DeviceNetworkEvents: fixtures/net.ndjson}}
    expect: {acted: 0}
  - name: rows
    given: {tables: {DeviceNetworkEvents: [{DeviceId: x}, {RemoteIp: 192.0.2.1}]}}
    expect: {acted: 0}
  - name: both spellings
    given: {tables: {DeviceNetworkEvents: [{RemoteIP: 192.0.2.1, RemoteIp: 192.0.2.1}]}}
    expect: {acted: 0}
  - name: a table twice
    given: {tables: {DeviceNetworkEvents: [], DeviceNetworkEvent: []}}
    expect: {acted: 0}
  - name: a table once
    given: {tables: {DeviceNetworkEvent: []}}
    expect: {acted: 0}
";
    fs::write(dir.path().join("playbooks/writes.test.yaml"), tests).unwrap();
    let out = ends(&huntbook(dir.path(), &["test", "--format", "json"]), 78);
    let report: Value = serde_json::from_str(&out).unwrap();
    let problems: Vec<_> = report["problems"].as_array().unwrap().iter().collect();
    let column = "table `DeviceNetworkEvents` has no column `RemoteIp`";
    let found: Vec<(&str, &Value, &Value)> = problems
        .iter()
        .map(|one| (one["message"].as_str().unwrap(), &one["line"], &one["suggestion"]["replacement"]))
        .collect();
    let table = "the schema has no table `DeviceNetworkEvent`";
    let in_file = format!("`fixtures/net.ndjson`, line 3: {column}");
    let expect = [
        (in_file.as_str(), 4, Value::Null),
        (column, 7, "RemoteIP".into()),
        (column, 10, Value::Null),
        (table, 13, Value::Null),
        (table, 16, "DeviceNetworkEvents".into()),
    ];
    let expect: Vec<(&str, Value, &Value)> =
        expect.iter().map(|(message, line, mend)| (*message, Value::from(*line), mend)).collect();
    let expect: Vec<(&str, &Value, &Value)> =
        expect.iter().map(|(message, line, mend)| (*message, line, *mend)).collect();
    assert_eq!(found, expect, "{out}");
    assert!(problems[0].to_string().contains("did you mean `RemoteIP`?"), "{out}");
}

#[test]
fn what_happens_is_what_is_expected() {
    plays(
        "  - name: each kind of outcome
    expect:
      run: succeeded
      matched: [{device: wks-1.contoso.example}, {device: wks-2.contoso.example}, {device: dc-3.contoso.example}]
      acted: [{id: isolate, device: '1111111111111111111111111111111111111111'}]
      planned: []
      skipped: [{id: isolate, reason: does not hold}, {device: dc-3.contoso.example, reason: tier0}]
      halted: 0
      suppressed: []
      duplicates: 0
      notified: [{channel: soc, titleContains: 1 isolated}]
      requests:
        - {method: POST, path: /machines/*/isolate, count: 1}
        - {path: /security/runHuntingQuery}
        - {method: DELETE, path: /**, count: 0}
",
        0,
    );
}

#[test]
fn hours_pass_between_steps() {
    plays(
        "  - name: news after a day
    steps:
      - {at: 0h, expect: {acted: 1, notified: 1}}
      - {at: 1h, expect: {acted: 0, duplicates: 3, notified: 0}}
      - at: 2h
        given: {hunt: [{DeviceId: '1111111111111111111111111111111111111111', Files: 9, DeviceName: other}]}
        expect: {duplicates: 1}
",
        0,
    );
    // Another identity on the same device: suppressed for a day, then acted on again.
    let dir = project(
        "  - name: suppressed for a day
    given: {tables: {DeviceFileEvents: []}, lists: {packagers: []}}
    steps:
      - at: 0h
        given: &one {hunt: [{DeviceId: '1111111111111111111111111111111111111111', Files: 9, DeviceName: wks-1}]}
        expect: {acted: 1}
      - {at: 1h, expect: {suppressed: [{device: wks-1.contoso.example}]}}
      - {at: 25h, expect: {acted: 1}}
",
    );
    let playbook = PLAYBOOK.replace("  identity: [DeviceId]\n", "");
    fs::write(dir.path().join("playbooks/writes.yaml"), playbook).unwrap();
    ends(&huntbook(dir.path(), &["test"]), 0);
}

#[test]
fn trouble_of_the_tenant_is_played() {
    plays(
        "  - name: throttled, and sent again after the wait
    given: {faults: [{match: POST /machines/*/isolate, status: 429, retryAfter: 5, times: 2}]}
    expect: {acted: 1, requests: [{path: /machines/*/isolate, count: 3}]}
  - name: throttled for longer than an action may wait, and done by the next run
    steps:
      - at: 0h
        given: {faults: [{match: POST /machines/*/isolate, status: 429, retryAfter: 60, times: 1}]}
        expect: {run: partial, failed: 1, requests: [{path: /machines/*/isolate, count: 1}]}
      - {at: 15m, expect: {acted: 1}}
  - name: refused
    given: {faults: [{match: POST /machines/*/isolate, status: 403}]}
    expect: {run: partial, failed: [{id: isolate, device: wks-1.contoso.example}]}
  - name: the answer is lost
    given: {faults: [{match: POST /machines/*/isolate, reset: true, apply: before}]}
    expect: {parked: [{id: isolate}]}
  - name: the answer to the hunt is cut
    given: {faults: [{match: POST /security/runHuntingQuery, truncate: 100}]}
    expect: {run: failed}
  - name: the hunt is refused and comes back later
    steps:
      - at: 0h
        given: {faults: [{match: POST /security/runHuntingQuery, status: 400}]}
        expect: {run: failed, acted: 0}
      - {at: 15m, given: {faults: []}, expect: {run: succeeded, acted: 1}}
  - name: the channel is down and the message comes later
    steps:
      - at: 0h
        given: {faults: [{match: POST /hooks/webhook/soc, status: 503, times: 1}]}
        expect: {acted: 1, notified: 0}
      - {at: 1h, expect: {notified: [{titleContains: 1 isolated}]}}
  - name: too many are halted
    given: {lists: {packagers: []}, machines: [], hunt: [
      {DeviceId: '1111111111111111111111111111111111111111', Files: 9, DeviceName: a},
      {DeviceId: '2222222222222222222222222222222222222222', Files: 9, DeviceName: b}]}
    expect: {failed: 2}
",
        0,
    );
}

#[test]
fn tests_may_stand_in_the_playbook() {
    let dir = project("");
    let inline = format!(
        "{PLAYBOOK}tests:\n  - name: inside\n    given: {{tables: {{DeviceFileEvents: fixtures/writes.ndjson}}, machines: fixtures/machines.json}}\n    expect: {{acted: 1}}\n"
    );
    fs::write(dir.path().join("playbooks/writes.yaml"), inline).unwrap();
    let out = ends(&huntbook(dir.path(), &["test", "playbooks/writes.yaml"]), 0);
    assert!(out.contains("1 passed"), "{out}");
}

const FAILING: &str = "  - name: everything else than expected
    expect:
      run: idle
      acted:
        - {id: isolate, device: wks-1.contoso.example}
        - {id: isolate, device: dc-3.contoso.example}
      skipped: [{device: wks-2.contoso.example}]
      notified: [{channel: soc, titleContains: 2 isolated}]
      requests: [{method: POST, path: /machines/*/isolate, count: 2}]
  - name: passes
    expect: {acted: 1}
";

#[test]
fn a_failure_shows_both_sides_with_places() {
    insta::assert_snapshot!(plays(FAILING, 1).lines().filter(|line| !line.contains(" ms each")).collect::<Vec<_>>().join("\n"), @r#"
    FAILED  playbooks/writes.test.yaml: 1 passed, 1 failed

    playbooks/writes.test.yaml:6:11: `everything else than expected` failed
      playbooks/writes.test.yaml:8:12: the run should have been `idle`: the run succeeded
      playbooks/writes.test.yaml:11:11: expected and missing: acted isolate dc-3.contoso.example; instead: skipped isolate dc-3.contoso.example: device `dc-3.contoso.example` has the excluded tag `tier0`
      playbooks/writes.test.yaml:12:7: not expected: skipped isolate dc-3.contoso.example: device `dc-3.contoso.example` has the excluded tag `tier0`
      playbooks/writes.test.yaml:13:18: expected and missing: notified soc title `2 isolated`; instead: soc `1 isolated`, text ``
      playbooks/writes.test.yaml:13:7: not expected: notified soc `1 isolated`
      playbooks/writes.test.yaml:14:18: expected request POST /machines/*/isolate 2 times; it was made 1 times

        line  expected                                                 | actual, at 0s
      !     8 run idle                                                 | run succeeded
      =    10 acted isolate wks-1.contoso.example                      | acted isolate wks-1.contoso.example
      -    11 acted isolate dc-3.contoso.example                       |
      =    12 skipped wks-2.contoso.example                            | skipped isolate wks-2.contoso.example: its `if` does not hold
      +                                                                | skipped isolate dc-3.contoso.example: device `dc-3.contoso.example` has the excluded tag `tier0`
      -    13 notified soc title `2 isolated`                          |
      +                                                                | notified soc `1 isolated`
      !    14 request POST /machines/*/isolate 2 times                 | 1 times
    "#);
}

#[test]
fn machines_read_json_and_junit() {
    let dir = project(FAILING);
    let out = ends(&huntbook(dir.path(), &["test", "--format", "json"]), 1);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["passed"], &report["failed"]), (&Value::from(1), &Value::from(1)));
    let failure = &report["tests"][0]["runs"][0]["failures"][0];
    assert_eq!(failure["place"]["file"], "playbooks/writes.test.yaml");
    assert_eq!(failure["place"]["line"], 8);
    let out = ends(&huntbook(dir.path(), &["test", "--format", "junit"]), 1);
    assert!(out.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites "), "{out}");
    assert!(out.contains("tests=\"2\" failures=\"1\" errors=\"0\""), "{out}");
    assert!(out.contains("line=\"6\""), "{out}");
}

#[test]
fn the_exit_code_says_which_kind_of_trouble() {
    let dir = project("  - name: one\n    expect: {acted: 1}\n  - name: two\n    expect: {skipped: 2}\n");
    let test = |arguments: &[&str]| huntbook(dir.path(), &[&["test"], arguments].concat());
    assert!(ends(&test(&["--filter", "TWO"]), 0).contains("1 tests: 1 passed"));
    ends(&test(&["--filter", "three"]), 2);
    ends(&test(&["--no-such-flag"]), 2);
    ends(&test(&["nowhere"]), 78);
    ends(&huntbook(dir.path(), &["schema", "playbook", "--format", "junit"]), 2);
    fs::write(dir.path().join("playbooks/bad.test.yaml"), "playbook: writes.yaml\ntests: []\n").unwrap();
    let out = ends(&test(&[]), 78);
    assert!(out.contains("bad.test.yaml:2:8") && out.contains("2 passed"), "{out}");
}

#[test]
fn coverage_names_what_no_test_reaches() {
    let dir = project("  - name: one\n    given: {lists: {packagers: []}}\n    expect: {acted: 2}\n");
    let other = PLAYBOOK.replace("2f6c9d54", "3f6c9d54").replace("Many writes", "Never tested");
    fs::write(dir.path().join("playbooks/other.yaml"), other).unwrap();
    let out = ends(&huntbook(dir.path(), &["test", "--coverage"]), 0);
    let coverage = out.split("\n\n").find(|part| part.starts_with("reached:")).unwrap();
    insta::assert_snapshot!(coverage, @r#"
    reached: 1 of 2 playbooks, 1 of 2 actions, 3 of 12 branches
      playbooks/other.yaml:3:1: no test plays `Never tested`
      playbooks/writes.yaml:12:1: in no test is this `where` false
      playbooks/writes.yaml:17:5: in no test is this `if` false
      playbooks/writes.yaml:21:5: in no test is this `if` false
    "#);
}

#[test]
fn tests_are_no_playbooks_for_anybody_else() {
    let dir = project("  - name: one\n    expect: {acted: 1}\n");
    let settings = "tenants: {contoso: {tenantId: 11111111-2222-4333-8444-555555555555, auth: {clientSecret: {clientId: 66666666-7777-4888-8999-000000000000, secret: {env: X}}}}}
channels: {soc: {webhook: {url: 'https://hooks.example/soc'}}}
lists: playbooks/lists
";
    fs::write(dir.path().join("huntbook.yaml"), settings).unwrap();
    let validate = huntbook(dir.path(), &["validate"]);
    ends(&validate, 0);
    assert!(text(&validate.stderr).starts_with("1 playbook, 1 list"), "{}", text(&validate.stderr));
    // Settings beside playbooks are none, unless somebody names them as one.
    for command in ["test", "validate"] {
        ends(&huntbook(dir.path(), &[command, "."]), 0);
        let one = "error[HB0101]: these are settings and no playbook";
        let out = ends(&huntbook(dir.path(), &[command, "huntbook.yaml"]), 78);
        assert_eq!((out.matches("error[").count(), out.contains(one)), (1, true), "{out}");
        fs::copy(dir.path().join("huntbook.yaml"), dir.path().join("playbooks/other.yaml")).unwrap();
        let out = ends(&huntbook(dir.path(), &[command, "."]), 78);
        assert_eq!((out.matches("error[").count(), out.contains(one)), (1, true), "{out}");
        assert!(!out.contains("66666666"), "{out}");
        fs::remove_file(dir.path().join("playbooks/other.yaml")).unwrap();
    }
    // With settings, names are those of the settings.
    ends(&huntbook(dir.path(), &["test"]), 0);
    fs::write(dir.path().join("huntbook.yaml"), settings.replace("soc:", "other:")).unwrap();
    let out = ends(&huntbook(dir.path(), &["test"]), 78);
    assert!(out.contains("HB0501"), "{out}");
}

#[test]
fn the_schema_of_tests_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let out = ends(&huntbook(dir.path(), &["schema", "test"]), 0);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(out, fs::read_to_string(root.join("schemas/test.schema.json")).unwrap());
}
