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
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::Refused => 78,
        })
    }
}
