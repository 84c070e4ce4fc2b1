//! Exit codes, documented in `--help` and in the README.

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

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
    /// Somebody ended it with a signal; the code is what a shell gives a program that the signal has ended.
    Ended(Signal),
}

/// A signal that ends a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Hangup,
    Interrupt,
    Terminate,
}

/// A command was ended before it was done.
#[derive(Debug, thiserror::Error)]
#[error("ended by a signal; nothing is left behind")]
pub(super) struct Ended(pub(super) Signal);

/// Does something unless the process is asked to end first: what is dropped then cleans up after itself.
pub(super) async fn unless_ended<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let listen = |kind| signal(kind).context("signals cannot be watched for");
    let mut hangup = listen(SignalKind::hangup())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let ended = tokio::select! {
        done = work => return done,
        _signal = hangup.recv() => Signal::Hangup,
        _signal = interrupt.recv() => Signal::Interrupt,
        _signal = terminate.recv() => Signal::Terminate,
    };
    Err(Ended(ended).into())
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::Refused => 78,
            Exit::ReaderGone => 141,
            Exit::Ended(Signal::Hangup) => 129,
            Exit::Ended(Signal::Interrupt) => 130,
            Exit::Ended(Signal::Terminate) => 143,
        })
    }
}
