//! Runs the helpers written in Python. `tests/setup` installs what they need.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

/// A command that runs one of the scripts under `tests/python`, with both ends piped.
pub(crate) fn script(name: &str) -> Command {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let python = std::env::var_os("HUNTBOOK_TEST_PYTHON")
        .map_or_else(|| target.join("test-env/python/bin/python"), PathBuf::from);
    assert!(python.exists(), "{} is missing: run tests/setup first", python.display());
    let mut command = Command::new(python);
    command
        .arg(root.join("tests/python").join(name))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    command
}
