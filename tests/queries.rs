//! What `huntbook validate` and `huntbook kql check` say of hunting queries, as people call them, and what the
//! schema folder beside the settings teaches them.

#![expect(clippy::indexing_slicing, reason = "what is missing from a document fails the test")]

mod binary;

use std::path::Path;

use binary::huntbook;
use serde_json::Value;

const SETTINGS: &str = "tenants:
  contoso:
    tenantId: 00000000-0000-4000-8000-000000000001
    auth: {clientSecret: {clientId: 00000000-0000-4000-8000-000000000002, secret: {env: NONE}}}
";

/// A folder with settings, one playbook and other files.
fn folder(query: &str, rest: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let lines: Vec<String> = query.lines().map(|line| format!("    {line}\n")).collect();
    let playbook = format!(
        "schema: 1\nid: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77\nname: Hunts\nseverity: Low\nhunt:\n  \
         queryPeriod: 1h\n  query: |\n{}{rest}",
        lines.concat()
    );
    let given = [("huntbook.yaml", SETTINGS), ("playbooks/p.yaml", playbook.as_str())];
    let dir = binary::folder(&[given.as_slice(), files].concat());
    std::fs::create_dir_all(dir.path().join("lists")).expect("a folder");
    dir
}

/// What `validate` finds: `file:line:column code`.
fn validate(dir: &Path) -> Vec<String> {
    let output = huntbook(dir, &["validate", "--format", "json"]);
    let said: Value = serde_json::from_slice(&output.stdout).expect("one document");
    let problems = said["problems"].as_array().expect("a list");
    let errors = problems.iter().any(|problem| problem["level"] == "error");
    assert_eq!(output.status.code(), Some(if errors { 78 } else { 0 }), "{said:#}");
    let place = |problem: &Value| {
        let file = problem["file"].as_str().unwrap_or_default();
        format!(
            "{file}:{}:{} {}",
            problem["line"],
            problem["column"],
            problem["code"].as_str().unwrap_or_default()
        )
    };
    problems.iter().map(place).collect()
}

#[test]
fn a_query_is_checked_before_it_runs() {
    let dir = folder("DeviceEvent\n| where FileNam == 'x'", "", &[]);
    assert_eq!(validate(dir.path()), ["playbooks/p.yaml:8:5 KQL101"]);
    let dir = folder("DeviceEvents\n| where FileNam == 'x'\n| take", "where: row.DeviceNam == \"x\"\n", &[]);
    let expected = ["playbooks/p.yaml:9:13 KQL100", "playbooks/p.yaml:10:11 KQL011"];
    assert_eq!(validate(dir.path()), expected);
    // What is read of the rows must be in them.
    let rest = "where: row.DeviceNam == \"x\"\nactions:\n  - isolateDevice: {device: \"{{row.DeviceId}}\", comment: x}\n";
    let dir = folder("DeviceEvents\n| project Timestamp, DeviceName", rest, &[]);
    assert_eq!(validate(dir.path()), ["playbooks/p.yaml:9:7 KQL309", "playbooks/p.yaml:10:12 HB0302"]);
    let dir = folder("DeviceEvents\n| project DeviceId, DeviceName", &rest.replace("Nam ", "Name "), &[]);
    assert_eq!(validate(dir.path()), [""; 0]);
}

#[test]
fn a_refused_query_does_not_run() {
    let dir = folder("DeviceEvents | where Nonsense == 1", "", &[]);
    let output = huntbook(dir.path(), &["run", "Hunts", "--dry-run"]);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("error[KQL100]: `Nonsense` is no column") && said.contains("huntbook schema pull"),
        "{said}"
    );
}

#[test]
fn what_the_tenant_has_is_declared_beside_the_settings() {
    let query = "let vips = _GetWatchlist('vip');\nMine_CL\n| where Doubled(Size) > 3 and Upn in ((vips | project Upn))\n\
                 | join kind=inner (DeviceEvents | where New > 1) on DeviceId\n| project DeviceId, Size";
    let dir = folder(query, "", &[]);
    assert_eq!(validate(dir.path()).len(), 5, "{:?}", validate(dir.path()));
    let one = r#"{"format": 1, "tables": [
        {"name": "Mine_CL", "columns": [["DeviceId", "string"], ["Size", "long"]]},
        {"name": "DeviceEvents", "extends": true, "columns": [["New", "long"]]}
    ], "stored": {"Doubled": "(n: long) { n * 2 }"}, "watchlists": {"vip": [["Upn", "string"]]}}"#;
    // Another tenant has the same table with other columns.
    let other = r#"{"format": 1, "tables": [{"name": "Mine_CL", "columns": [["Upn", "string"]]}]}"#;
    let files = [("hunting-schema/one.json", one), ("hunting-schema/other.json", other)];
    let dir = folder(query, "", &files);
    assert_eq!(validate(dir.path()), [""; 0]);
    let output = huntbook(dir.path(), &["kql", "check", "--period", "1h", "q.kql"]);
    assert_eq!(output.status.code(), Some(2), "there is no such file");
    std::fs::write(dir.path().join("q.kql"), query).expect("a query");
    let output = huntbook(dir.path(), &["kql", "check", "--period", "1h", "q.kql"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));

    // The folder may be another one, and then it must be there.
    std::fs::rename(dir.path().join("hunting-schema"), dir.path().join("known")).expect("renamed");
    let settings = format!("{SETTINGS}schema: known\n");
    std::fs::write(dir.path().join("huntbook.yaml"), &settings).expect("settings");
    assert_eq!(validate(dir.path()), [""; 0]);
    std::fs::remove_dir_all(dir.path().join("known")).expect("removed");
    let found = validate(dir.path());
    assert_eq!(found.first().map(String::as_str), Some("known:1:1 HB0006"), "{found:?}");
}

#[test]
fn a_schema_file_that_cannot_be_read_is_named_with_its_place() {
    let files = [
        ("hunting-schema/a.json", "{\"format\": 1,\n  \"tables\": [{\"name\": 1}]}"),
        ("hunting-schema/b.json", "{\"format\": 7}"),
        (
            "hunting-schema/c.json",
            "{\"format\": 1, \"tables\": [{\"name\": \"Mine_CL\", \"columns\": [[\"A\", \"long\"]]}]}",
        ),
        ("hunting-schema/notes.txt", "not one of them"),
    ];
    let dir = folder("Mine_CL | where A > 1", "", &files);
    assert_eq!(
        validate(dir.path()),
        ["hunting-schema/a.json:2:23 HB0503", "hunting-schema/b.json:1:1 HB0503"]
    );
    let output = huntbook(dir.path(), &["run", "Hunts"]);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the schema has format 7, and only format 1 is known"), "{said}");
}

#[test]
fn queries_of_rules_are_checked_for_what_the_rule_is() {
    let files = [("q.kql", "IdentityInfo // why\n| where Timestamp > ago(2h)\n| project AccountUpn")];
    let dir = folder("DeviceEvents", "", &files);
    let codes = |more: &[&str]| {
        let arguments = [&["kql", "check", "--format", "json", "q.kql"], more].concat();
        let output = huntbook(dir.path(), &arguments);
        let said: Value = serde_json::from_slice(&output.stdout).expect("one document");
        let problems = said["problems"].as_array().cloned().unwrap_or_default();
        let codes: Vec<String> =
            problems.iter().map(|problem| problem["code"].as_str().unwrap_or_default().to_owned()).collect();
        codes.join(" ")
    };
    assert_eq!(codes(&[]), "");
    assert_eq!(codes(&["--period", "1h"]), "KQL301");
    assert_eq!(codes(&["--near-real-time"]), "KQL311 KQL311");
    assert_eq!(codes(&["--needs", "AccountUpn", "--needs", "DeviceId"]), "KQL309");
    let output = huntbook(dir.path(), &["kql", "check", "q.kql", "--period", "soon"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_an_action_is_aimed_at_is_of_a_type_that_can_name_it() {
    let act = |target: &str| format!("actions:\n  - isolateDevice: {{device: \"{target}\", comment: x}}\n");
    let query = "DeviceEvents | summarize Files = count(), Last = max(Timestamp), Ids = make_set(ReportId) by DeviceId";
    for (target, expected) in [
        ("{{row.DeviceId}}", vec![]),
        ("{{ row.Files }}", vec!["playbooks/p.yaml:10:29 HB0701"]),
        ("{{row.Last}}", vec!["playbooks/p.yaml:10:29 HB0701"]),
        ("{{row.Ids}}", vec![]),
        ("{{row.DeviceId}}{{row.Files}}", vec![]),
    ] {
        let dir = folder(query, &act(target), &[]);
        assert_eq!(validate(dir.path()), expected, "{target}");
    }
    let incident = "actions:\n  - commentIncident: {incident: \"{{row.Files}}\", comment: x}\n";
    assert_eq!(validate(folder(query, incident, &[]).path()), Vec::<String>::new());
}

#[test]
fn a_key_that_does_not_exist_hides_nothing_of_the_query() {
    let rest = "nonsense: 1\nwhere: row.Files > 1\nactions:\n  - id: cut\n    isolateDevice: {device: \"{{row.DeviceId}}\", comment: x}\n\
                notify:\n  - {channel: a, title: \"{{#each item}}{{this}}{{/each}}\"}\n";
    let dir = folder("DeviceEvents | summarize count() by DeviceName", rest, &[]);
    let said = String::from_utf8(huntbook(dir.path(), &["validate"]).stdout).expect("text");
    for words in
        ["unknown key `nonsense`", "`Files`, needed by `where`", "`DeviceId`, needed by action `cut`"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    // Of the loop it is said once, and the name in it is left alone.
    assert_eq!(said.matches("there is no `item` here").count(), 1, "{said}");
}

#[test]
fn a_broken_schema_file_is_told_of_by_all_who_read_it() {
    let broken = [("hunting-schema/own.json", "{"), ("q.kql", "DeviceInfo | where Timestamp > ago(1h)")];
    let dir = folder("DeviceEvents", "", &broken);
    for (call, code) in [(&["kql", "check", "q.kql"][..], 0), (&["kql", "run", "q.kql"], 1)] {
        let output = huntbook(dir.path(), call);
        assert_eq!(output.status.code(), Some(code));
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(said.contains("HB0503") && said.contains("hunting-schema/own.json:1:"), "{said}");
    }
    std::fs::remove_file(dir.path().join("huntbook.yaml")).expect("settings");
    for call in [&["validate"][..], &["test"]] {
        let said = String::from_utf8(huntbook(dir.path(), call).stdout).expect("text");
        assert_eq!(said.matches("error[HB0503]").count(), 1, "{said}");
    }
}

#[test]
fn safe_changes_are_made_in_place_and_nothing_else() {
    let query = "DeviceEvents   // é stays\n| where tolower(FileName) == \"x\"   and isnotempty(  DeviceId)\n| join (DeviceInfo | summarize by DeviceId) on DeviceId";
    let rest = "x-note: 'é'  # stays, too\r\n";
    let page = "# Page\n\n- one\n\n  ```kql\n  DeviceInfo | where Timestamp > ago(1h) and tolower(OSPlatform) == \"b\"\n  ```\n";
    let dir = folder(query, rest, &[("notes.md", page)]);
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("the file");
    let before = read("playbooks/p.yaml");
    let said = huntbook(dir.path(), &["validate", "--fix", "--dry-run"]);
    let said = String::from_utf8(said.stderr).expect("text");
    assert_eq!(read("playbooks/p.yaml"), before);
    assert!(
        said.contains("-    | where tolower(FileName)") && said.contains("2 changes would be made in 1 file"),
        "{said}"
    );
    let output = huntbook(dir.path(), &["validate", "--fix"]);
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("2 changes made in 1 file"), "{said}");
    let mended = before
        .replace("tolower(FileName) == \"x\"", "FileName =~ \"x\"")
        .replace("| join (", "| join kind=innerunique (");
    assert_eq!(read("playbooks/p.yaml"), mended);
    assert_eq!(validate(dir.path()), Vec::<String>::new());
    // Once more there is nothing to do, and Markdown has it too.
    let said = huntbook(dir.path(), &["validate", "--fix"]);
    assert!(String::from_utf8(said.stderr).expect("text").contains("0 changes made in 0 files"));
    assert_eq!(huntbook(dir.path(), &["kql", "check", "--fix", "notes.md"]).status.code(), Some(0));
    assert_eq!(read("notes.md"), page.replace("tolower(OSPlatform) == \"b\"", "OSPlatform =~ \"b\""));
    assert_eq!(huntbook(dir.path(), &["validate", "--dry-run"]).status.code(), Some(2));
}

#[test]
fn a_period_that_is_not_sent_limits_nothing() {
    for (api, name) in [("xdr", "Defender XDR"), ("mde", "Defender for Endpoint")] {
        let settings = SETTINGS.replace("    auth:", &format!("    hunting: {api}\n    auth:"));
        let dir = folder("DeviceEvents", "", &[("huntbook.yaml", &settings)]);
        let ending = "huntbook.yaml:4:14 HB0804";
        assert_eq!(validate(dir.path()), [ending, "playbooks/p.yaml:8:5 KQL300"]);
        let output = huntbook(dir.path(), &["validate"]);
        let text = String::from_utf8(output.stdout).expect("text");
        for said in
            ["is not sent `queryPeriod`", &format!("hunting through {name} stops working on 2027-02-01")]
        {
            assert!(text.contains(said), "{text}");
        }
        let dir = folder("DeviceEvents | where Timestamp > ago(1h)", "", &[("huntbook.yaml", &settings)]);
        assert_eq!(validate(dir.path()), [ending]);
    }
}
