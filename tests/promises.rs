//! The page of promises says what can be checked by which command; these are the commands, and they are there.

#![expect(clippy::unwrap_used, reason = "what is missing fails the test")]

#[path = "promises/named.rs"]
mod named;

use std::path::{Path, PathBuf};

use named::tests;

/// The sources of an integration test: its file and the files of its folder.
fn sources(target: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut files = vec![root.join(format!("{target}.rs"))];
    let folder = std::fs::read_dir(root.join(target)).into_iter().flatten();
    files.extend(folder.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()));
    files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect()
}

/// Whether a command names a test that is there: by its whole name, or all of a row of the table of failures.
fn is_there(source: &str, name: &str) -> bool {
    let is_row = name.strip_prefix("row_").is_some_and(|row| row.bytes().all(|digit| digit.is_ascii_digit()));
    tests(source).iter().any(|test| *test == name || (is_row && test.starts_with(name)))
}

/// The tests that only the library's own can be.
fn of_library() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["src/tenant/budget/tests.rs", "src/store/tests.rs"];
    files.map(|file| std::fs::read_to_string(root.join(file)).unwrap()).concat()
}

#[test]
fn every_promise_has_a_check_that_is_there() {
    let page: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/PROMISES.md");
    let page = std::fs::read_to_string(page).unwrap();
    let promises: Vec<&str> = page.split("\n## ").skip(1).collect();
    assert!(12 <= promises.len());
    for promise in promises {
        let title = promise.lines().next().unwrap();
        let commands = promise.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
        let commands: Vec<&str> = commands.unwrap_or_default().lines().collect();
        assert!(!commands.is_empty(), "{title}: no command");
        for command in commands {
            let words: Vec<&str> = command.split(' ').collect();
            match words.as_slice() {
                ["cargo", "test", "-p", "huntbook-kql"] => {}
                ["tests/run", "--lib", test] => {
                    assert!(is_there(&of_library(), test), "{title}: {command}");
                }
                ["tests/run", "--test", target] => {
                    assert!(!tests(&sources(target)).is_empty(), "{title}: {command}");
                }
                ["tests/run", "--test", target, test] => {
                    assert!(is_there(&sources(target), test), "{title}: {command}");
                }
                _ => unreachable!("{title}: {command} is of another form"),
            }
        }
    }
}
