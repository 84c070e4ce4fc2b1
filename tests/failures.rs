//! The table of failures and the tests that show its rows are the same.

#[path = "promises/named.rs"]
mod named;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Rows of which the table says that nothing shows them.
const NOT_SHOWN: &[u32] = &[];
/// Rows there are.
const ROWS: u32 = 61;

/// The numbers of the rows in the table.
fn told() -> BTreeSet<u32> {
    let text = fs::read_to_string("src/FAILURES.md").expect("it is there");
    let numbers = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok());
    numbers.collect()
}

/// The numbers in the names of tests below a folder.
fn shown(folder: &Path, rows: &mut BTreeSet<u32>) {
    for entry in fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            shown(&path, rows);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("it is text");
            let names = named::tests(&text).into_iter().filter_map(|name| name.strip_prefix("row_"));
            rows.extend(names.filter_map(|name| name.split('_').next()?.parse::<u32>().ok()));
        }
    }
}

#[test]
fn every_failure_in_the_table_has_a_test_with_its_number_and_the_rest_is_named() {
    let mut tests = BTreeSet::new();
    for folder in ["src", "tests"] {
        shown(Path::new(folder), &mut tests);
    }
    let told = told();
    assert_eq!(told, tests, "the table and the tests");
    let missing: Vec<u32> = (1..=ROWS).filter(|row| !told.contains(row)).collect();
    assert_eq!(missing, NOT_SHOWN);
}
