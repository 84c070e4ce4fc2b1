//! What people have becomes playbooks, and every field of it is accounted for.
//!
//! The sources are in `tests/import/`; what they become and what is said about them is in `tests/snapshots/`.

#![expect(clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

/// The folder of the Sigma converter, which `tests/setup` installs.
fn tools() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    target.join("test-env/python/bin")
}

/// Imports in a folder; `path` is where programs are found.
fn import(dir: &Path, path: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_huntbook"))
        .arg("import")
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .env("PATH", path)
        .output()
        .expect("the binary starts")
}

fn report(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The sources, copied to where their names are short, and what became of them.
struct Imported {
    dir: tempfile::TempDir,
    lines: Vec<Value>,
}

fn imported(names: &[&str]) -> Imported {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("have")).expect("a folder");
    for name in names {
        std::fs::copy(sources().join(name), dir.path().join("have").join(name)).expect("a source is copied");
    }
    let output = import(dir.path(), &tools(), &["have", "--to", "made", "--format", "json"]);
    let lines = report(&output);
    let bad = lines.iter().any(|line| line["error"].is_string() || line["problems"] != Value::Array(vec![]));
    assert_eq!(output.status.code(), Some(i32::from(bad)));
    Imported { dir, lines }
}

impl Imported {
    /// The playbooks made, by file name.
    fn playbooks(&self) -> BTreeMap<String, String> {
        let files = self.lines.iter().filter_map(|line| line["file"].as_str());
        let read = |file: &str| {
            let text = std::fs::read_to_string(self.dir.path().join(file)).expect("the playbook is there");
            (file.trim_start_matches("made/").to_owned(), text)
        };
        files.map(read).collect()
    }

    /// Everything made, as one text.
    fn text(&self) -> String {
        let files = self.playbooks();
        files.iter().map(|(name, text)| format!("=== {name}\n{text}")).collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    fn all_validate(&self) {
        for line in &self.lines {
            assert_eq!(line["problems"], Value::Array(vec![]), "{line:#}");
            assert!(line["error"].is_null(), "{line:#}");
        }
    }
}

#[test]
fn a_sentinel_rule_becomes_a_playbook() {
    let made = imported(&["analytics.yaml"]);
    made.all_validate();
    insta::assert_snapshot!("import_sentinel", made.text());
}

#[test]
fn a_template_gives_a_playbook_for_each_rule_and_names_the_rest() {
    let made = imported(&["template.json"]);
    assert_eq!(made.lines.len(), 2);
    assert!(made.lines[1]["error"].as_str().is_some_and(|why| why.starts_with("it is neither")));
    insta::assert_snapshot!("import_template", made.text());
}

#[test]
fn a_custom_detection_brings_its_cadence_and_its_actions() {
    let made = imported(&["detections.json"]);
    made.all_validate();
    insta::assert_snapshot!("import_detection", made.text());
}

#[test]
fn a_rule_in_near_real_time_runs_each_minute_and_actions_are_aimed_at_what_they_take() {
    let made = imported(&["near-real-time.yaml", "accounts.json"]);
    made.all_validate();
    insta::assert_snapshot!("import_near_real_time", made.text());
}

#[test]
fn queries_and_notes_become_playbooks() {
    let made = imported(&["lateral.kql", "notes.md"]);
    made.all_validate();
    assert_eq!(made.playbooks().len(), 3);
    insta::assert_snapshot!("import_queries", made.text());
}

/// Imports files of these names and texts.
#[track_caller]
fn made_of(sources: &[(&str, &str)]) -> Imported {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("have")).expect("a folder");
    for (name, text) in sources {
        std::fs::write(dir.path().join("have").join(name), text).expect("a source is written");
    }
    let output = import(dir.path(), dir.path(), &["have", "--to", "made", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let made = Imported { dir, lines: report(&output) };
    made.all_validate();
    // They can stand together.
    std::fs::write(made.dir.path().join("huntbook.yaml"), "tenants: {}\nplaybooks: made\n")
        .expect("settings");
    let output = import_validated(made.dir.path());
    assert!(!output.contains("HB05"), "{output}");
    made
}

fn import_validated(dir: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
    let output = command.arg("validate").current_dir(dir).env_clear().output().expect("the binary starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn each_query_of_a_file_is_a_playbook_and_named_by_its_comment() {
    for gap in [";\n", "\n\n"] {
        let text = format!(
            "// Name: Remote logons\n// Description: Who came from afar.\nDeviceLogonEvents\n| where Timestamp > ago(1d)\n\n| where LogonType == 'Network; remote'{gap}// Title: New tasks\n\nDeviceEvents\n| where Timestamp > ago(1h){gap}DeviceInfo | where Timestamp > ago(1h) // the last; really\n"
        );
        let made = made_of(&[("two.kql", &text)]);
        let playbooks = made.playbooks();
        let names: Vec<&String> = playbooks.keys().collect();
        assert_eq!(names, ["new-tasks.yaml", "remote-logons.yaml", "two-3.yaml"], "{playbooks:#?}");
        let first = &playbooks["remote-logons.yaml"];
        assert!(
            first.contains("name: Remote logons\n") && first.contains("description: Who came"),
            "{first}"
        );
        assert!(first.contains("Network; remote") && !first.contains("DeviceEvents"), "{first}");
        let sources: Vec<&str> = made.lines.iter().filter_map(|line| line["source"].as_str()).collect();
        assert_eq!(sources, ["have/two.kql#1", "have/two.kql#2", "have/two.kql#3"]);
    }
    // What gives no rows goes along, and alone it makes no query more.
    let lets = "let recent = ago(1d);\nDeviceEvents | where Timestamp > recent;\nlet many = 5;\nDeviceInfo | where Timestamp > recent | take many;\n// the end\n";
    let made = made_of(&[("lets.kql", lets)]);
    let playbooks = made.playbooks();
    assert_eq!(playbooks.len(), 2, "{playbooks:#?}");
    assert!(playbooks["lets-2.yaml"].contains("let recent = ago(1d);"), "{playbooks:#?}");
    assert!(!playbooks["lets.yaml"].contains("let many"), "{playbooks:#?}");
    assert_eq!(made.lines[1]["notes"][0]["field"], "query");
    let one = "let recent = ago(1d);\n\nlet few = 5;\n\nDeviceEvents\n\n| where Timestamp > recent\n\n| take few;\n";
    assert_eq!(made_of(&[("one.kql", one)]).playbooks().len(), 1);
}

#[test]
fn of_two_sources_with_one_id_the_second_gets_its_own() {
    let rule = std::fs::read_to_string(sources().join("analytics.yaml")).expect("a source");
    let made = made_of(&[("a.yaml", &rule), ("b.yaml", &rule)]);
    assert_eq!(made.playbooks().len(), 2);
    let note = |line: &Value| {
        let notes = line["notes"].as_array().expect("notes");
        notes.iter().find(|note| note["field"] == "id").cloned()
    };
    assert_eq!(note(&made.lines[0]), None);
    let told = note(&made.lines[1]).expect("a note");
    assert_eq!(told["fate"], "changed");
    assert!(
        told["why"].as_str().is_some_and(|why| why.contains("is that of `have/a.yaml` already")),
        "{told}"
    );
}

#[test]
fn a_sigma_rule_is_converted_by_its_own_tool() {
    let made = imported(&["sigma.yml"]);
    made.all_validate();
    insta::assert_snapshot!("import_sigma", made.text());
}

#[test]
fn without_the_converter_people_are_told_how_to_get_it() {
    let dir = tempfile::tempdir().unwrap();
    let source = sources().join("sigma.yml");
    let output = import(dir.path(), dir.path(), &[&source.display().to_string(), "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let lines = report(&output);
    let error = lines[0]["error"].as_str().unwrap();
    assert!(error.contains("`sigma` is not installed: `pipx install sigma-cli`"), "{error}");
}

#[test]
fn what_is_no_source_is_named_and_the_others_go_on() {
    let made = imported(&["broken.yaml", "lateral.kql", "unknown.json"]);
    let errors: Vec<Option<&str>> = made.lines.iter().map(|line| line["error"].as_str()).collect();
    assert_eq!(
        errors,
        [
            Some("it is not YAML that can be read"),
            None,
            Some(
                "it is neither a Sentinel rule, a custom detection, a Sigma rule, Markdown with KQL, nor a query"
            ),
        ]
    );
    let place = made.lines[0]["problems"][0].as_str().unwrap();
    assert!(place.starts_with("have/broken.yaml:"), "{place}");
}

#[test]
fn what_a_source_says_stays_where_it_was_said() {
    let made = imported(&["hostile.yaml"]);
    let playbooks = made.playbooks();
    let text = playbooks.values().next().unwrap();
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    for line in text.lines().filter(|line| !line.starts_with([' ', '#'])) {
        assert!(
            !line.starts_with("actions") && !line.contains("enforce") || line.starts_with("description: \""),
            "{line}"
        );
    }
    assert!(text.contains("\nmode: observe\nenabled: false\n"), "{text}");
}

#[test]
fn nothing_is_written_over_unless_asked() {
    let made = imported(&["lateral.kql"]);
    let file = made.dir.path().join(made.lines[0]["file"].as_str().unwrap());
    std::fs::write(&file, "mine").unwrap();
    let again = import(made.dir.path(), &tools(), &["have", "--to", "made"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stdout).contains("is there already"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let forced = import(made.dir.path(), &tools(), &["have", "--to", "made", "--force"]);
    assert_eq!(forced.status.code(), Some(0));
    assert!(std::fs::read_to_string(&file).unwrap().contains("DeviceNetworkEvents"));
}
