//! Files that are made from the code are as the code would make them. `UPDATE=1` writes them.

#![expect(clippy::disallowed_methods, reason = "the switch that writes the files is an environment variable")]

use std::path::Path;

#[track_caller]
fn check(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        std::fs::write(&file, text).expect("the file can be written");
        return;
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == text, "{path} is out of date; run `UPDATE=1 cargo test --test generated`");
}

fn pretty(schema: &serde_json::Value) -> String {
    let mut text = serde_json::to_string_pretty(schema).expect("a schema is JSON");
    text.push('\n');
    text
}

#[test]
fn the_schema_of_playbooks_is_current() {
    check("schemas/playbook.schema.json", &pretty(&huntbook::playbook::schema()));
}

#[test]
fn the_schema_of_the_settings_is_current() {
    check("schemas/settings.schema.json", &pretty(&huntbook::settings::schema()));
}

#[test]
fn the_schema_of_tests_is_current() {
    check("schemas/test.schema.json", &pretty(&huntbook::playbook::test::schema()));
}
