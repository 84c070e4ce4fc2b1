//! Feeds in tests of playbooks, and the example that ships with one.

use std::fs;
use std::path::Path;

use super::{ends, huntbook};

#[test]
fn the_example_of_a_feed_passes_its_tests() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/playbooks/block-c2-feed.yaml");
    let dir = tempfile::tempdir().unwrap();
    fs::copy(&example, dir.path().join("feed.yaml")).unwrap();
    let out = ends(&huntbook(dir.path(), &["test", "feed.yaml"]), 0);
    assert!(out.contains("2 passed") || out.contains("the domains with a high score become a set"), "{out}");
    // A document that was not given is not there.
    let text = fs::read_to_string(&example).unwrap();
    let (start, _) = text.split_once("        https://feeds.contoso.example/c2.csv.sha256").unwrap();
    fs::write(dir.path().join("feed.yaml"), format!("{start}    expect: {{run: failed}}\n")).unwrap();
    ends(&huntbook(dir.path(), &["test", "feed.yaml"]), 0);
}
