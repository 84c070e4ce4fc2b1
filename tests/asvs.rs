//! The requirements of the OWASP ASVS 5.0 that are about something huntbook has: what each is met by, and that the tests
//! named for it are there.

#![expect(clippy::unwrap_used, reason = "what is missing fails the test")]

#[path = "promises/named.rs"]
mod named;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// How many requirements are in scope.
const IN_SCOPE: usize = 154;

/// A requirement: its number, how it stands, the tests that show it, and where else to look.
struct Line {
    id: String,
    state: String,
    tests: Vec<String>,
    place: String,
}

fn lines() -> Vec<Line> {
    let text = fs::read_to_string("tests/web/asvs.tsv").unwrap();
    let lines = text.lines().skip(1).map(|line| {
        let [id, state, tests, place] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let tests = tests.split(", ").filter(|test| !test.is_empty()).map(str::to_owned).collect();
        Line { id: id.to_owned(), state: state.to_owned(), tests, place: place.to_owned() }
    });
    lines.collect()
}

/// The names of all tests below a folder.
fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.extend(named::tests(&text).into_iter().map(str::to_owned));
        }
    }
}

#[test]
fn every_requirement_in_scope_stands_once_with_how_it_is_met_or_why_not() {
    let lines = lines();
    let numbers = |id: &str| id.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
    assert!(lines.is_sorted_by(|one, next| numbers(&one.id) < numbers(&next.id)), "each once, in order");
    assert_eq!(lines.len(), IN_SCOPE);
    for line in lines {
        assert!(["met", "not met", "does not apply"].contains(&line.state.as_str()), "{}", line.id);
        assert!(!line.tests.is_empty() || !line.place.is_empty(), "{}", line.id);
        assert!(line.tests.is_empty() || line.state == "met", "{}", line.id);
    }
}

#[test]
fn the_tests_that_are_named_are_there() {
    let mut known = BTreeSet::new();
    for folder in ["src", "tests"] {
        tests_below(Path::new(folder), &mut known);
    }
    for line in lines() {
        for test in line.tests {
            assert!(known.contains(&test), "{}: there is no test `{test}`", line.id);
        }
    }
}

#[test]
fn what_is_not_met_is_told() {
    let told = fs::read_to_string("SECURITY.md").unwrap();
    for line in lines().into_iter().filter(|line| line.state == "not met") {
        assert!(told.contains(&line.id), "{} is not among what is not met", line.id);
    }
}
