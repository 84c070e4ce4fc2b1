//! What people write wrong, and exactly what they are told.
//!
//! Each file in `tests/bad_input/` has a `.txt` beside it with the diagnostics as the terminal shows them:
//! code, place, marked line, help, mend. `UPDATE=1` writes the texts; read them as a user would. Files too
//! large or too deep to keep are made here.
//!
//! To add one: write the file, run with `UPDATE=1`, read the text.

#![expect(clippy::disallowed_methods, reason = "the switch that writes the texts is an environment variable")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "bad_input/problems.rs"]
mod problems;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use huntbook::diag::{Code, Format, render};
use huntbook::plan::{self, SourceFile};

use problems::{WORLD, problems};

/// So many bad playbooks of our own there are at least.
const PLAYBOOKS_MIN: usize = 320;

/// Codes that need more than one file to be raised, or none; `two_playbooks_with_one_id`,
/// `two_playbooks_with_one_name` and `a_file_beyond_the_limits` raise them, and `validate` in `tests/cli/` and
/// `tests/queries.rs`.
const RAISED_ELSEWHERE: &[Code] = &[
    Code::DuplicateId,
    Code::DuplicateName,
    Code::Unreadable,
    Code::Schema,
    Code::Exposed,
    Code::Unsigned,
    Code::Ending,
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_input")
}

/// The files of a kind, sorted, without the expected texts.
fn files(kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(kind)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| !file.to_string_lossy().ends_with(".expected.txt"));
    files.sort();
    files
}

/// Compares what is said about every file of a kind with the text beside it.
#[track_caller]
fn check(kind: &str) {
    let update = std::env::var("UPDATE").is_ok_and(|value| value == "1");
    let mut wrong = Vec::new();
    for file in files(kind) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let problems = problems(kind, &name, &std::fs::read(&file).unwrap());
        let shown = render(&problems, Format::Text);
        assert!(!shown.is_empty(), "{name} is not bad");
        let expected = file.with_extension("expected.txt");
        if update {
            std::fs::write(&expected, shown).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong.push(format!("{name}:\n{shown}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} files are told otherwise than expected:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn bad_playbooks() {
    check("playbook");
}

#[test]
fn there_are_many_bad_playbooks_each_with_all_that_is_said_of_it() {
    let mut texts = BTreeSet::new();
    for file in files("playbook") {
        let expected = std::fs::read_to_string(file.with_extension("expected.txt")).unwrap_or_default();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let has_place = expected.lines().any(|line| line.trim_start().starts_with(&format!("--> {name}:")));
        // Those of queries have codes of their own.
        let has_code = ["error[", "warning["].iter().any(|kind| expected.starts_with(kind));
        assert!(has_place && has_code, "{name} is told of without a code or a place:\n{expected}");
        texts.insert(std::fs::read(&file).unwrap());
    }
    assert!(PLAYBOOKS_MIN <= texts.len(), "{} bad playbooks, no two the same", texts.len());
}

#[test]
fn bad_settings() {
    check("settings");
}

#[test]
fn bad_lists() {
    check("list");
}

#[test]
fn bad_tests() {
    check("test");
}

#[test]
fn every_code_is_raised_by_some_file() {
    let mut raised: BTreeSet<Code> = RAISED_ELSEWHERE.iter().copied().collect();
    for kind in ["playbook", "settings", "list", "test"] {
        for file in files(kind) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let problems = problems(kind, &name, &std::fs::read(&file).unwrap());
            for code in problems.iter().map(|problem| problem.code) {
                assert!(
                    !RAISED_ELSEWHERE.contains(&code),
                    "{code} is raised by {name}: take it off the list"
                );
                raised.insert(code);
            }
        }
    }
    raised.insert(Code::YamlLimit);
    let missing: Vec<&Code> = Code::ALL.iter().filter(|code| !raised.contains(code)).collect();
    assert!(missing.is_empty(), "no file raises {missing:?}");
}

#[test]
fn two_playbooks_with_one_id() {
    let file = |name: &str| SourceFile { name: name.to_owned(), bytes: HEAD.as_bytes().to_vec() };
    let compiled = plan::compile_set(&[file("a.yaml"), file("b.yaml")], &WORLD);
    let shown: Vec<String> = compiled
        .iter()
        .flat_map(|compiled| &compiled.diagnostics)
        .map(|found| format!("{} {} {}", found.span, found.code, found.message))
        .collect();
    assert_eq!(
        shown,
        [
            "a.yaml:2:5 HB0106 the same `id` stands in b.yaml",
            "b.yaml:2:5 HB0106 the same `id` stands in a.yaml",
        ]
    );
}

#[test]
fn two_playbooks_with_one_name() {
    let file = |name: &str, id: &str| SourceFile {
        name: name.to_owned(),
        bytes: HEAD.replace("id: 2f", id).into_bytes(),
    };
    let compiled = plan::compile_set(&[file("a.yaml", "id: 2f"), file("b.yaml", "id: 3f")], &WORLD);
    let shown: Vec<String> = compiled
        .iter()
        .flat_map(|compiled| &compiled.diagnostics)
        .map(|found| format!("{} {} {}", found.span, found.code, found.message))
        .collect();
    assert_eq!(
        shown,
        [
            "a.yaml:3:7 HB0107 the same `name` stands in b.yaml",
            "b.yaml:3:7 HB0107 the same `name` stands in a.yaml",
        ]
    );
    assert!(compiled.iter().all(|compiled| !compiled.is_refused()));
}

#[test]
fn a_secret_written_by_mistake_is_nowhere_in_what_is_said() {
    for file in files("settings") {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let problems = problems("settings", &name, &std::fs::read(&file).unwrap());
        for format in [Format::Text, Format::Json] {
            assert!(!render(&problems, format).contains("hunter2"), "{name}");
        }
        assert!(!format!("{problems:?}").contains("hunter2"), "{name}");
    }
}

/// One error, whose place and message are `expect`.
#[track_caller]
fn one(bytes: &[u8], expect: &str) {
    let problems = problems("playbook", "p.yaml", bytes);
    let shown: Vec<String> =
        problems.iter().map(|p| format!("{} {} {}", p.span, p.code, p.message)).collect();
    assert_eq!(shown.join("\n"), expect);
    assert!(render(&problems, Format::Text).len() < 10_000);
}

const HEAD: &str = "schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: Good
severity: Low
hunt: {query: DeviceEvents, queryPeriod: 1h}
";

#[test]
fn files_of_any_editor_are_accepted() {
    for text in
        [HEAD.to_owned(), HEAD.replace('\n', "\r\n"), format!("\u{feff}{HEAD}"), format!("---\n{HEAD}...\n")]
    {
        assert_eq!(problems("playbook", "p.yaml", text.as_bytes()), []);
    }
}

#[test]
fn a_file_of_two_megabytes_is_refused_unread() {
    let text = format!("{HEAD}description: {}\n", "x".repeat(2 << 20));
    one(text.as_bytes(), "p.yaml:1:1 HB0005 the file has 2097287 bytes; at most 1048576 are allowed");
}

#[test]
fn a_scalar_of_almost_a_megabyte_is_no_trouble() {
    let text = format!("{HEAD}description: {}\nnmae: x\n", "x y ".repeat(250_000));
    one(text.as_bytes(), "p.yaml:7:1 HB0101 unknown key `nmae`");
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")] {
        for depth in [40, 5_000, 200_000] {
            let text = format!("x-deep: {}{}\n", open.repeat(depth), close.repeat(depth));
            let problems = problems("playbook", "p.yaml", text.as_bytes());
            assert_eq!(problems.len(), 1, "{open} {depth}: {problems:?}");
        }
    }
    one(format!("x: {}", "[".repeat(100_000)).as_bytes(), "p.yaml:1:259 HB0005 nested deeper than 32 levels");
}

#[test]
fn too_many_values_are_refused() {
    let text = format!("x-many: [{}]\n", "1,".repeat(100_000));
    one(text.as_bytes(), "p.yaml:1:50004 HB0005 more than 25000 values");
}

#[test]
fn a_key_without_end_is_refused() {
    let text = format!("{HEAD}{}: 1\n", "k".repeat(500));
    one(text.as_bytes(), "p.yaml:6:1 HB0005 a key longer than 256 bytes");
}

#[test]
fn of_thousands_of_problems_a_screen_is_shown() {
    let lines: Vec<String> = (0..5_000).map(|number| format!("k{number}: 1")).collect();
    let text = lines.join("\n");
    let problems = problems("playbook", "p.yaml", text.as_bytes());
    assert!(problems.len() > 200);
    let shown = render(&problems, Format::Text);
    assert_eq!(shown.matches("error[").count(), 20);
    assert!(shown.contains(" more problems in p.yaml"), "{shown}");
}
