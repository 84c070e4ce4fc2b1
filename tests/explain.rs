//! `huntbook explain CODE`: each text's example is tried as people would, with the binary. What is wrong raises the
//! code, and what is mended does not.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test helpers; what is missing fails the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use huntbook::diag::Code;
use serde_json::Value;

const SETTINGS: &str = "tenants:
  contoso:
    tenantId: 00000000-0000-4000-8000-000000000001
    auth: {clientSecret: {clientId: 00000000-0000-4000-8000-000000000002, secret: {file: secret}}}
channels:
  soc-teams: {teams: {url: {env: SOC_TEAMS_URL}}}
approvers:
  dana: {account: dana}
";
const PLAYBOOK: &str = "schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: PsExec fan-out
mode: enforce
severity: High
tactics: [LateralMovement]
hunt:
  query: DeviceFileEvents | summarize Files = count() by DeviceId, DeviceName
  queryPeriod: 1h
  identity: [DeviceId]
";
const OTHER_ID: &str = "3f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77";
const TESTS: &str = "playbook: ../playbooks/psexec.yaml
tests:
  - {name: nothing is done, expect: {acted: 0}}
";

fn huntbook(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
    command.args(arguments).current_dir(dir).env_clear().output().unwrap()
}

/// A folder in which nothing is wrong.
fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        ("huntbook.yaml", SETTINGS),
        ("playbooks/psexec.yaml", PLAYBOOK),
        ("lists/packagers.txt", "host1\n"),
        ("secret", "nobody's"),
    ];
    for (name, text) in files {
        fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
        fs::write(dir.path().join(name), text).unwrap();
    }
    fs::set_permissions(dir.path().join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    dir
}

/// The parts of a document by their keys at its left edge; a key that comes twice stays twice.
fn parts(text: &str) -> Vec<(String, String)> {
    let mut parts: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let key =
            line.split_once(':').map(|(key, _rest)| key).filter(|_key| !line.starts_with([' ', '#', '{']));
        match (key, parts.last_mut()) {
            (None, Some((_key, part))) => part.extend([line, "\n"]),
            (key, _) => parts.push((key.unwrap_or_default().to_owned(), format!("{line}\n"))),
        }
    }
    parts
}

/// A document with some of its parts replaced, and others added.
fn with(document: &str, example: &str) -> String {
    let example = parts(example);
    let kept =
        parts(document).into_iter().filter(|(key, _part)| !example.iter().any(|(new, _part)| new == key));
    let kept: Vec<String> = kept.map(|(_key, part)| part).collect();
    kept.into_iter().chain(example.iter().map(|(_key, part)| part.clone())).collect()
}

/// The codes of what is said about an example in its place.
fn codes(place: &str, example: &str) -> Vec<String> {
    let dir = project();
    let put = |name: &str, text: &str| {
        fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
        fs::write(dir.path().join(name), text).unwrap();
    };
    let mut arguments = vec!["validate"];
    match place {
        "in a playbook" => put("playbooks/psexec.yaml", &with(PLAYBOOK, example)),
        "in two playbooks" => {
            for (line, name) in example.lines().zip(["playbooks/psexec.yaml", "playbooks/other.yaml"]) {
                let other = PLAYBOOK.replace("2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77", OTHER_ID);
                let base = if name.contains("other") {
                    other.replace("PsExec", "Other")
                } else {
                    PLAYBOOK.to_owned()
                };
                put(name, &with(&base, line));
            }
        }
        "in a list" => put("lists/hosts.csv", &example.replace("\\r", "\r")),
        "in the settings" => put("huntbook.yaml", &with(SETTINGS, example)),
        "in a schema file" => put("hunting-schema/own.json", example),
        "in a shell" => {
            let done = Command::new("sh").args(["-c", example]).current_dir(dir.path()).status().unwrap();
            assert!(done.success(), "{example}");
        }
        "in a test" => {
            put("playbooks/psexec.test.yaml", &with(TESTS, example).replace("../playbooks/", ""));
            arguments = vec!["test"];
        }
        "on the command line" => arguments = example.split_whitespace().skip(1).collect(),
        other => panic!("an example stands in an unknown place: {other}"),
    }
    let said = huntbook(dir.path(), &[&["--format", "json"], arguments.as_slice()].concat());
    let document: Value = serde_json::from_slice(&said.stdout).unwrap_or_else(|_none| {
        let [out, err] = [&said.stdout, &said.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        let words = format!("{out}{err}");
        Value::String(words)
    });
    let text = document.to_string();
    Code::ALL.iter().map(|code| code.as_str().into_owned()).filter(|code| text.contains(code)).collect()
}

/// A part of an example, without its indent.
fn example(text: &str) -> String {
    text.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// The codes of what is said about a query in its place.
fn query_codes(place: &str, example: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let arguments: &[&str] = match place {
        "in a query" | "in a shell" => &["check"],
        "in a query of a rule that looks back 1h" => &["check", "--period", "1h"],
        "in a query of a near-real-time rule" => &["check", "--near-real-time", "--period", "1h"],
        "in a query whose result must have DeviceId" => &["check", "--needs", "DeviceId"],
        "in a query that is run here" => &["run"],
        other => panic!("an example stands in an unknown place: {other}"),
    };
    if place == "in a shell" {
        let done = Command::new("sh").args(["-c", example]).current_dir(dir.path()).status().unwrap();
        assert!(done.success(), "{example}");
    } else {
        fs::write(dir.path().join("q.kql"), example).unwrap();
    }
    let call = [&["kql"], arguments, &["q.kql", "--format", "json"]].concat();
    let said: Value = serde_json::from_slice(&huntbook(dir.path(), &call).stdout).unwrap();
    let problems = said.get("problems").and_then(Value::as_array).unwrap();
    problems.iter().filter_map(|problem| Some(problem.get("code")?.as_str()?.to_owned())).collect()
}

/// Tries the example of a code, wrong and mended; says what is not as it should be.
fn try_example(code: Code, codes: fn(&str, &str) -> Vec<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let text = code.explanation().unwrap_or_else(|| panic!("{code} is not explained"));
    let (_words, rest) = text.split_once("\n\nWrong, ").unwrap();
    let (place, rest) = rest.split_once(":\n\n").unwrap();
    let (bad, good) = rest.split_once("\n\nMended:\n\n").unwrap();
    let (bad, good) = (example(bad), example(good));
    let found = codes(place, &bad);
    if !found.contains(&code.as_str().into_owned()) {
        wrong.push(format!("{code}: {bad}\nis said to be {found:?}"));
    }
    let found = codes(place, &good);
    if !found.is_empty() {
        wrong.push(format!("{code}: {good}\nis mended, and said to be {found:?}"));
    }
    wrong
}

#[test]
fn every_example_raises_its_code_and_is_mended() {
    let wrong: Vec<String> = Code::ALL.iter().flat_map(|code| try_example(*code, codes)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_example_of_a_query_raises_its_code_and_is_mended() {
    // An unknown option is a table or a word out of place to the reader of queries: nothing gives 105.
    let given = (1..500).filter(|number| *number != 105 && huntbook::kql::title(*number).is_some());
    let wrong: Vec<String> = given.flat_map(|number| try_example(Code::Kql(number), query_codes)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_code_is_explained_in_words_with_an_example() {
    let dir = tempfile::tempdir().unwrap();
    let said = huntbook(dir.path(), &["explain", "hb0304"]);
    let said = String::from_utf8(said.stdout).unwrap();
    for word in
        ["HB0304: types that do not fit", "What is wrong: ", "Why it ", "where: row.Files > \"4\"", "Mended:"]
    {
        assert!(said.contains(word), "{word}\n{said}");
    }
}

#[test]
fn the_guards_in_force_are_listed_wherever_people_look() {
    let dir = project();
    let written = "guards:
  maxTargetsOfTenant: 7
  maxPercentOfDevicesInRun: {freely: 20}
  canary: {first: 2, wait: 5m}
  observeFirst: 3
  windows: {timezone: Europe/Stockholm, never: [{days: [friday], from: \"16:00\", to: \"08:00\"}]}
";
    let said = [
        "targets of disruptive actions, at most: 5 in a run, 20 in a day, 7 in a day in a tenant, 100 in a day in all tenants",
        "devices under disruptive actions of a run, at most: 20 % of all, 20 % with two people's leave",
        "disruptive actions in a tenant, at most: 20 in a minute, 100 in an hour",
        "a target is left alone by the same action for: 1d",
        "disruptive actions are taken: never on Friday from 16:00 to 08:00 (Europe/Stockholm)",
        "targets of a run that come before the others: 2, which must end well within 5m",
        "runs of each new version that only observe: 3",
        "a playbook is stopped when: 3 disruptive actions in a row",
        "a playbook does not run any more when: the process dies 3 times in ten minutes while it runs",
    ];
    let shown = |arguments: &[&str]| {
        let output = huntbook(dir.path(), arguments);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    };
    let built_in = "2 % of its devices, and one; approved by people where nobody knows how many there are";
    assert!(shown(&["explain", "guards"]).contains(built_in));
    fs::write(dir.path().join("huntbook.yaml"), format!("{SETTINGS}{written}")).unwrap();
    for way in [["validate"].as_slice(), &["status"]] {
        let shown = shown(way);
        for said in said {
            assert!(shown.contains(said), "{way:?} lacks `{said}`:\n{shown}");
        }
        assert!(!shown.contains(built_in), "{shown}");
    }
    let page = shown(&["explain", "guards"]);
    assert!(page.contains("(`guards.observeFirst`):\n    3\n"), "{page}");
    let json: Value =
        serde_json::from_slice(&huntbook(dir.path(), &["validate", "--format", "json"]).stdout).unwrap();
    let keys: Vec<&str> =
        json["guards"].as_array().unwrap().iter().map(|line| line["key"].as_str().unwrap()).collect();
    for key in [
        "maxActions",
        "maxPercentOfDevicesInRun",
        "maxDisruptive",
        "windows",
        "canary",
        "observeFirst",
        "exclude",
    ] {
        assert!(keys.contains(&key), "{keys:?}");
    }
}
