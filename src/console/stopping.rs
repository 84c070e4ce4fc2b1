//! Stopping, whatever becomes of the journal: where it takes no word, a file beside it does.

use std::path::Path;

use jiff::SignedDuration;

use crate::clock::SharedClock;
use crate::diag::Chain;
use crate::store::{StopFile, StopWord, Stopped, Store, StoreError};

/// How long the journal is given to take a word. One that is held by somebody else says so after half of it; half of it
/// again, and its disk hangs.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);

/// How a stop was taken.
#[derive(Debug)]
pub enum Halted {
    /// It is in the journal.
    InJournal(Stopped),
    /// It is a file beside the journal, and stops everything.
    ByFile {
        /// The file.
        file: StopFile,
        /// Why the journal did not take it.
        why: String,
    },
}

/// Nothing is stopped.
#[derive(Debug, thiserror::Error)]
#[error("nothing is stopped: the journal does not take it ({why}), and neither does a file beside it")]
pub struct NotHalted {
    /// Why the journal did not take it.
    why: String,
    /// Why there is no file.
    source: StoreError,
}

/// Stops actions by `written`, which writes the word into the journal at a path, or by a file beside that.
///
/// # Errors
///
/// [`NotHalted`] if there can be no file either.
pub async fn halt(
    clock: &SharedClock,
    (journal, word): (&Path, &StopWord),
    written: impl Future<Output = Result<Stopped, StoreError>>,
) -> Result<Halted, NotHalted> {
    let why = match in_time(clock, written).await {
        Ok(Ok(stopped)) => return Ok(Halted::InJournal(stopped)),
        Ok(Err(error)) => Chain(&error).to_string(),
        Err(silent) => silent.to_string(),
    };
    halt_by_file((journal, word), why)
}

/// The journal takes its time.
#[derive(Debug, thiserror::Error)]
#[error("it has not answered for {PATIENCE:#}")]
pub struct Silent;

/// What the journal says, if it says it in time.
///
/// # Errors
///
/// [`Silent`] if it does not.
pub async fn in_time<T>(clock: &SharedClock, said: impl Future<Output = T>) -> Result<T, Silent> {
    tokio::select! {
        said = said => Ok(said),
        () = clock.sleep(PATIENCE) => Err(Silent),
    }
}

/// Stops actions by a file beside the journal at a path, which does not take the word for a reason.
///
/// # Errors
///
/// [`NotHalted`] if there can be none.
pub fn halt_by_file((journal, word): (&Path, &StopWord), why: String) -> Result<Halted, NotHalted> {
    match Store::stop_by_file(journal, word) {
        Ok(file) => Ok(Halted::ByFile { file, why }),
        Err(source) => Err(NotHalted { why, source }),
    }
}
