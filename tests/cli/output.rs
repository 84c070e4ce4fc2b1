//! Output that cannot be written is an error, and a reader that has seen enough is none.

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

use crate::{ends, text};

/// Runs the binary with its results going somewhere.
fn huntbook(arguments: &[&str], to: Stdio) -> Output {
    let dir = tempfile::tempdir().expect("a folder");
    Command::new(env!("CARGO_BIN_EXE_huntbook"))
        .args(arguments)
        .current_dir(dir.path())
        .env_clear()
        .stdout(to)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
        .wait_with_output()
        .expect("it ends")
}

#[test]
fn a_full_disk_is_an_error() {
    for arguments in
        [&["demo"][..], &["actions"], &["schema", "playbook"], &["explain", "HB0302"], &["--help"]]
    {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("it is there");
        let output = huntbook(arguments, full.into());
        ends(&output, 1);
        let said = text(&output.stderr);
        assert!(
            said.contains("error: the result could not be written to standard output: No space left"),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    for arguments in [&["actions"][..], &["schema", "playbook"], &["--help"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = huntbook(arguments, writer.into());
        ends(&output, 141);
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
}
