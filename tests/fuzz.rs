//! No input does harm: what somebody else writes (files, texts, answers, damage to the journal) and any order of what
//! happens to an effect. Each target checks what has to hold for every input, and is fed here with the inputs of
//! `tests/fuzz/corpus`, and with inputs that are nearly those or nearly files of other tests, the same in each run.
//!
//! The last input of a target is kept in `target/tmp`, so one that fails is at hand. For a longer run with other inputs:
//!
//! ```sh
//! FUZZ_ROUNDS=1000000 FUZZ_SEED=2 cargo test --workspace --test fuzz -- loader
//! ```
//!
//! `fuzz/` has the same targets for `libFuzzer`. An input that found something belongs into the corpus.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test may fail loudly and say where its input is, and how long it runs is said in the environment"
)]

#[path = "store/bench.rs"]
#[expect(dead_code, reason = "the targets put few things into a journal")]
mod bench;
#[path = "fuzz/bodies.rs"]
mod bodies;
#[path = "simulation/dice.rs"]
#[expect(dead_code, reason = "nothing takes time here")]
mod dice;
#[path = "tenant/eager.rs"]
#[expect(dead_code, reason = "nobody asks how long the waits were")]
mod eager;
#[path = "fuzz/encoders.rs"]
mod encoders;
#[path = "fuzz/expressions.rs"]
mod expressions;
#[path = "fuzz/journal.rs"]
mod journal;
#[path = "fuzz/loader.rs"]
mod loader;
#[path = "fuzz/machine.rs"]
mod machine;
#[path = "fuzz/mutation.rs"]
mod mutation;
#[path = "bad_input/problems.rs"]
mod problems;
#[path = "hostile/reader.rs"]
mod reader;
#[path = "fuzz/templates.rs"]
mod templates;

use std::path::{Path, PathBuf};

use dice::Dice;

/// Feeds a target with its corpus, and with `rounds` inputs that are nearly those or nearly files of other tests.
fn feed(target: &str, (folders, rounds): (&[&str], u64), check: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = root.join("tests/fuzz/corpus").join(target);
    let mut entries = files(&own);
    assert!(!entries.is_empty(), "{} has no inputs", own.display());
    let last = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{target}"));
    println!("the last input is in {}", last.display());
    let tried = |input: &[u8]| {
        std::fs::write(&last, input).unwrap();
        check(input);
    };
    for entry in &entries {
        tried(entry);
    }
    entries.extend(folders.iter().flat_map(|folder| files(&root.join(folder))));
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let mut dice = Dice::new(number("FUZZ_SEED").unwrap_or(1));
    for _ in 0..number("FUZZ_ROUNDS").unwrap_or(rounds) {
        let mut any = || &entries[usize::try_from(dice.below(entries.len() as u64)).unwrap()];
        let (entry, other) = (any(), any());
        tried(&mutation::mutated(entry, other, &mut dice));
    }
}

/// The files of a folder and of those in it, in their order.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| !path.to_string_lossy().ends_with(".expected.txt"));
    paths.sort();
    let read = |path: &PathBuf| if path.is_dir() { files(path) } else { vec![std::fs::read(path).unwrap()] };
    paths.iter().flat_map(read).collect()
}

#[test]
fn loader() {
    feed("loader", (&["tests/bad_input", "playbooks", "examples/playbooks"], 120), loader::check);
}

#[test]
fn templates() {
    feed("templates", (&[], 3_000), templates::check);
}

#[test]
fn expressions() {
    feed("expressions", (&[], 3_000), expressions::check);
}

#[test]
fn bodies() {
    feed("bodies", (&["tests/fixtures/api"], 200), bodies::check);
}

#[test]
fn encoders() {
    feed("encoders", (&[], 600), encoders::check);
}

#[test]
fn journal() {
    feed("journal", (&[], 40), journal::check);
}

#[test]
fn machine() {
    feed("machine", (&[], 40), machine::check);
}
