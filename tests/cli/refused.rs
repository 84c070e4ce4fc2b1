//! What is refused, unknown or ambiguous: what is said, where, and with which exit code.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::{PLAYBOOK, SECRET_NAME, ends, huntbook, json, text};

const SETTINGS: &str = "tenants:
  contoso:
    tenantId: 11111111-2222-4333-8444-555555555555
    auth: {clientSecret: {clientId: 66666666-7777-4888-8999-000000000000, secret: {env: HUNTBOOK_TEST_SECRET}}}
channels:
  siem: {webhook: {url: \"http://127.0.0.1:9/siem\", privateAddresses: true}}
";

/// A folder with settings and playbooks, and no tenant: nothing here may ask for one.
fn folder(settings: &str, playbooks: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("huntbook.yaml"), settings).expect("settings are written");
    fs::create_dir(dir.path().join("playbooks")).expect("a folder");
    for (name, text) in playbooks {
        fs::write(dir.path().join("playbooks").join(name), text).expect("a playbook is written");
    }
    dir
}

/// The same playbook under another id.
fn copy() -> String {
    PLAYBOOK.replace("2f6c9d54", "3f6c9d54")
}

#[track_caller]
fn says(output: &Output, code: i32, words: &[&str]) {
    ends(output, code);
    let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
    for word in words {
        assert!(all.contains(word), "{word}\n{all}");
    }
}

#[test]
fn a_playbook_with_problems_is_there_and_its_problems_are_shown() {
    let bad = PLAYBOOK.replace("outcome.acted", "outcome.actd");
    let dir = folder(SETTINGS, &[("tag.yaml", &bad)]);
    for wanted in ["tag", "Tag servers", "2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77", "playbooks/tag.yaml"] {
        let words = ["HB0402", "tag.yaml:14:23", "the playbook has problems and does not run"];
        says(&huntbook(dir.path(), &["run", wanted]), 78, &words);
    }
    fs::write(dir.path().join("playbooks/torn.yaml"), "schema: 1\nname: [\n").unwrap();
    let words = ["there is no playbook `torm`", "nameless for their problems are `playbooks/torn.yaml`"];
    says(&huntbook(dir.path(), &["run", "torm"]), 2, &words);
}

#[test]
fn a_near_name_is_suggested_and_a_shared_name_is_ambiguous() {
    let dir = folder(SETTINGS, &[("tag.yaml", PLAYBOOK)]);
    let near = huntbook(dir.path(), &["run", "tag srvers"]);
    says(&near, 2, &["there is no playbook `tag srvers`: did you mean `Tag servers`?"]);
    fs::write(dir.path().join("playbooks/tag2.yaml"), copy()).unwrap();
    let both = ["2 playbooks are called", "`playbooks/tag.yaml`", "`playbooks/tag2.yaml`"];
    says(&huntbook(dir.path(), &["run", "Tag servers"]), 2, &both);
    let warned = ["warning[HB0107]", "the same `name` stands in playbooks/tag2.yaml", "2 warnings"];
    says(&huntbook(dir.path(), &["validate"]), 0, &warned);
}

fn problems(output: &Output) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let document = json(output);
    let problems = document["problems"].as_array().cloned().unwrap_or_default();
    assert_eq!(text(&output.stderr.is_empty().to_string().into()), "true", "nothing beside the document");
    problems.iter().map(|problem| (text(&problem["file"]), text(&problem["code"]))).collect()
}

#[test]
fn one_document_holds_the_problems_of_settings_playbooks_and_files() {
    let bad = PLAYBOOK.replace("outcome.acted", "outcome.actd");
    let dir = folder(&SETTINGS.replace("channels:", "chanels:"), &[("tag.yaml", &bad)]);
    std::os::unix::fs::symlink("nowhere", dir.path().join("playbooks/gone.yaml")).unwrap();
    fs::create_dir(dir.path().join("lists")).unwrap();
    fs::write(dir.path().join("lists/hosts.txt"), b"\xff\xfe\x00").unwrap();
    let output = huntbook(dir.path(), &["validate", "--format", "json"]);
    ends(&output, 78);
    let found = problems(&output);
    let found: Vec<(&str, &str)> = found.iter().map(|(file, code)| (file.as_str(), code.as_str())).collect();
    let expect = [
        ("huntbook.yaml", "HB0101"),
        ("playbooks/gone.yaml", "HB0006"),
        ("lists/hosts.txt", "HB0001"),
        // Not that its channel is unknown: nobody can say, while the settings are as they are.
        ("playbooks/tag.yaml", "HB0402"),
    ];
    assert_eq!(found, expect);
}

#[test]
fn a_journal_that_is_no_file_is_not_taken_for_none() {
    let dir = folder(SETTINGS, &[("tag.yaml", PLAYBOOK)]);
    fs::create_dir(dir.path().join("huntbook.db")).unwrap();
    for command in ["status", "runs"] {
        let output = huntbook(dir.path(), &[command]);
        ends(&output, 1);
        assert!(String::from_utf8_lossy(&output.stderr).contains("error: "), "{command}");
    }
}

#[test]
fn validate_goes_on_after_a_file_that_cannot_be_read() {
    let bad = PLAYBOOK.replace("outcome.acted", "outcome.actd");
    let dir = folder(SETTINGS, &[("tag.yaml", &bad)]);
    let paths = ["validate", "none.yaml", "playbooks", "--format", "json"];
    let expect = [("none.yaml", "HB0006"), ("playbooks/tag.yaml", "HB0402")];
    let output = huntbook(dir.path(), &paths);
    ends(&output, 78);
    let found = problems(&output);
    assert!(found.iter().map(|(file, code)| (file.as_str(), code.as_str())).eq(expect), "{found:?}");
    says(
        &huntbook(dir.path(), &["validate", "none.yaml"]),
        78,
        &["error[HB0006]: it cannot be read: No such file", "none.yaml:1:1", "0 playbooks"],
    );
}

/// Runs the binary without the secret.
fn secretless(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
    command.args(arguments).current_dir(dir).env_clear().output().expect("the binary starts")
}

#[test]
fn exit_codes_are_as_documented() {
    let dir = folder(SETTINGS, &[("tag.yaml", PLAYBOOK)]);
    let table: [(&[&str], i32, &str); 20] = [
        (&["validate"], 0, ""),
        (&["status"], 0, "process  none"),
        (&["runs"], 0, "nothing has run yet"),
        (&["show", "ffff"], 2, "there is no run `ffff`: nothing has run yet"),
        (&["show", ""], 2, "too short for an id"),
        (&["resolve", "", "--done"], 2, "too short for an id"),
        (&["resolve", "ffff", "--done"], 2, "there is no effect `ffff`"),
        (&["in-force", "revert", ""], 2, "too short for an id"),
        (&["in-force", "revert", "ffff"], 2, "nothing in force is called `ffff`"),
        (&["confirm", "abc"], 2, "too short for an id"),
        (&["confirm", "ffff"], 2, "no edit `ffff` waits"),
        (&["runn"], 2, ""),
        (&["run", "nope"], 2, "there is no playbook `nope`"),
        (&["run", "tag", "--dry-run", "--tenant", "contosso"], 2, "did you mean `contoso`?"),
        (&["runs", "--playbook", "nope"], 2, "there is no playbook `nope`"),
        (&["actions", "isolatDevice"], 2, "did you mean `isolateDevice`?"),
        (&["explain", "HB9999"], 2, "there is no code `HB9999`"),
        (&["-c", "none.yaml", "run", "tag"], 78, "the settings `none.yaml` cannot be read"),
        (&["validate", "none.yaml"], 78, "none.yaml"),
        (&["run", "playbooks"], 2, "there is no playbook"),
    ];
    for (arguments, code, word) in table {
        says(&huntbook(dir.path(), arguments), code, &[word]);
    }
    let secret = format!("`{SECRET_NAME}` is not set");
    says(&secretless(dir.path(), &["run", "tag"]), 78, &[&secret]);
    says(&secretless(dir.path(), &["serve"]), 78, &[&secret]);
    fs::remove_dir_all(dir.path().join("playbooks")).unwrap();
    says(&huntbook(dir.path(), &["run", "tag"]), 78, &["playbooks", "No such file"]);
    says(&huntbook(dir.path(), &["validate"]), 78, &["HB0006", "playbooks"]);
}

#[test]
fn a_protecting_list_of_indicators_is_there_and_has_entries() {
    let settings = format!("{SETTINGS}guards: {{exclude: {{indicators: ours}}}}\n");
    let dir = folder(&settings, &[("tag.yaml", PLAYBOOK)]);
    says(&huntbook(dir.path(), &["validate"]), 78, &["there is no list `ours`"]);
    says(&huntbook(dir.path(), &["serve"]), 78, &["there is no list `ours`"]);
    fs::create_dir(dir.path().join("lists")).unwrap();
    fs::write(dir.path().join("lists/ours.txt"), "# none yet\n").unwrap();
    says(&huntbook(dir.path(), &["validate"]), 78, &["the list `ours` has no entries"]);
    fs::write(dir.path().join("lists/ours.txt"), "contoso.com\n").unwrap();
    says(&huntbook(dir.path(), &["validate"]), 0, &[]);
}

#[test]
fn the_secret_of_the_page_is_beside_the_settings_and_looked_for_at_start() {
    let web = "web: {listen: \"127.0.0.1:0\", openId: {issuer: \"https://login.contoso.example\", clientId: x, \
               clientSecret: {file: page-secret}}}\n";
    let dir = folder(&format!("{SETTINGS}{web}"), &[("tag.yaml", PLAYBOOK)]);
    let elsewhere = tempfile::tempdir().unwrap();
    let config = dir.path().join("huntbook.yaml");
    let serve = huntbook(elsewhere.path(), &["-c", config.to_str().unwrap(), "serve"]);
    let beside = dir.path().join("page-secret");
    says(&serve, 78, &["the client secret of the page cannot be fetched", beside.to_str().unwrap()]);
}
