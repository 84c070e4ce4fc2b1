//! Files that people write: playbooks, settings, lists, tests.

use huntbook::diag::{Format, render};

use crate::problems::problems;
use crate::reader::assert_harmless;

/// Reads the bytes as a file of each kind. It is accepted exactly if nothing is wrong with it, what is said of it can be
/// shown, and no character of it gets through to the terminal that would do harm there.
pub(crate) fn check(bytes: &[u8]) {
    for kind in ["playbook", "settings", "list", "test"] {
        let found = problems(kind, "fuzz.yaml", bytes);
        assert_harmless(kind, &render(&found, Format::Text));
        let json = render(&found, Format::Json);
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
    }
}
