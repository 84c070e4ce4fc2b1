//! Exit codes, documented in `--help` and in the README.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Everything is fine.
    Fine,
    /// Findings, failed or halted runs, or the world failed.
    Findings,
    /// Wrong usage: arguments that cannot be meant.
    Usage,
    /// Settings or playbooks were refused (`EX_CONFIG`).
    Refused,
    /// Whoever read the output went away (`| head`): nothing to say, and nobody to say it to. The code is what
    /// a shell gives a program that the closed pipe has ended (128 + SIGPIPE).
    ReaderGone,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::Refused => 78,
            Exit::ReaderGone => 141,
        })
    }
}
