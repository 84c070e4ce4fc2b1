//! What can go wrong with the journal.

use std::path::{Path, PathBuf};

use super::{EffectKey, EffectState};

/// A failure of the journal. Nothing may be done to a tenant after one: no record, no action.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process owns the journal.
    #[error("the journal `{}` belongs to a running huntbook{}", path.display(), pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Locked {
        /// The journal.
        path: PathBuf,
        /// The process that owns it, if it left its number.
        pid: Option<u32>,
    },
    /// Another process took the journal over while this one was running.
    #[error("another huntbook took the journal over; this one must not act any more")]
    Fenced,
    /// The linked SQLite has a known corruption bug.
    #[error("SQLite {found} is linked; at least 3.51.3 is needed, and not 3.52.0")]
    TooOld {
        /// The linked version.
        found: String,
    },
    /// A later huntbook has written the journal.
    #[error("the journal was written by a newer huntbook (migration {migration}); use that version")]
    Newer {
        /// The migration this version does not know.
        migration: i64,
    },
    /// The journal cannot be trusted.
    #[error(
        "the journal is damaged: {detail}; put a backup in its place, or begin a new one with `huntbook journal rebuild`"
    )]
    Corrupt {
        /// What was found.
        detail: String,
    },
    /// A new journal in place of a damaged one has not its place yet.
    #[error("a rebuild of the journal was cut off; finish it with `huntbook journal rebuild`")]
    HalfRebuilt,
    /// The disk is full. What was to be written is not written.
    #[error("the disk of the journal is full")]
    Full(#[source] sqlx::Error),
    /// The disk was full, and the room that is kept for what was begun is given up: nothing new is begun.
    #[error("the disk of the journal was full: what room there is, is kept for what was begun")]
    Spent,
    /// Another connection holds the journal for too long.
    #[error("the journal is busy")]
    Busy(#[source] sqlx::Error),
    /// The journal may not be written.
    #[error("the journal may not be written")]
    ReadOnly(#[source] sqlx::Error),
    /// The journal was opened for reading.
    #[error("the journal was opened for reading only")]
    Reader,
    /// The journal has an older form, and only a writer brings it up to date.
    #[error("the journal was written by an older huntbook; start this version once to bring it up to date")]
    Older,
    /// A setting of the database did not take effect.
    #[error("`PRAGMA {pragma}` is `{found}`, not `{wanted}`")]
    Pragma {
        /// Which setting.
        pragma: &'static str,
        /// Its value.
        found: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// The file system shares the journal with other machines, where locks and syncs do not hold.
    #[error("`{}` is on a network file system ({kind}); the journal needs a local disk", path.display())]
    Network {
        /// The journal's folder.
        path: PathBuf,
        /// The file system.
        kind: String,
    },
    /// A file or folder of the journal cannot be used.
    #[error("`{}` cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file that is a stop cannot be removed. What else was to be lifted is lifted.
    #[error(
        "`{}` cannot be removed and may still stop everything; the other stops that were to be lifted are lifted",
        path.display()
    )]
    StopFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no journal to read.
    #[error("there is no journal at `{}`", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// A step the protocol forbids; our own mistake, or two engines.
    #[error("effect `{key}`: {next} cannot follow {}", shown(*.last))]
    Transition {
        /// The effect.
        key: EffectKey,
        /// Where it is.
        last: Option<EffectState>,
        /// Where it was to go.
        next: EffectState,
    },
    /// A result for another attempt than the present one.
    #[error("effect `{key}` is at attempt {present}, not {given}")]
    Attempt {
        /// The effect.
        key: EffectKey,
        /// The attempt the journal knows.
        present: u32,
        /// The attempt the result is for.
        given: u32,
    },
    /// An effect key comes again with other parameters.
    #[error("effect `{key}` was journalled with other parameters")]
    KeyReused {
        /// The effect.
        key: EffectKey,
    },
    /// A row that should be there is not.
    #[error("the journal knows no {what} `{id}`")]
    Unknown {
        /// Which kind of thing.
        what: &'static str,
        /// Which one.
        id: String,
    },
    /// A row that does not read as what it should be.
    #[error("the journal holds {what} that cannot be read: `{text}`")]
    Unreadable {
        /// What it should be.
        what: &'static str,
        /// What it is.
        text: String,
    },
    /// Any other failure of the database, or of the disk below it. Do not go on: a failed sync must not be
    /// tried again.
    #[error("the journal failed")]
    Database(#[source] sqlx::Error),
    /// A migration failed.
    #[error("the journal cannot be brought to its present form")]
    Migration(#[source] sqlx::migrate::MigrateError),
}

/// What the caller of a failed journal can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Try again later; until then nothing may be done to a tenant.
    Wait,
    /// Stop the process; a person must look.
    Stop,
    /// This one request is wrong; the journal itself is fine.
    Refuse,
}

impl StoreError {
    /// Says what can be done. This is the only place that decides it.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Full(_) | Self::Spent | Self::Busy(_) => Remedy::Wait,
            Self::Transition { .. }
            | Self::Attempt { .. }
            | Self::KeyReused { .. }
            | Self::Unknown { .. }
            | Self::Unreadable { .. }
            | Self::StopFile { .. }
            | Self::Reader => Remedy::Refuse,
            Self::Locked { .. }
            | Self::Fenced
            | Self::TooOld { .. }
            | Self::Newer { .. }
            | Self::Older
            | Self::Corrupt { .. }
            | Self::HalfRebuilt
            | Self::ReadOnly(_)
            | Self::Pragma { .. }
            | Self::Network { .. }
            | Self::File { .. }
            | Self::Missing { .. }
            | Self::Database(_)
            | Self::Migration(_) => Remedy::Stop,
        }
    }

    /// Wraps a failure with a file.
    pub(super) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}

impl From<sqlx::Error> for StoreError {
    /// Sorts a failure of the database by SQLite's primary result code.
    fn from(error: sqlx::Error) -> Self {
        let error = match error {
            // Our own, from a look at the settings of a new connection.
            sqlx::Error::Configuration(inner) => match inner.downcast::<Self>() {
                Ok(own) => return *own,
                Err(other) => sqlx::Error::Configuration(other),
            },
            other => other,
        };
        let code = match &error {
            sqlx::Error::Database(inner) => inner.code().and_then(|code| code.parse::<i32>().ok()),
            sqlx::Error::PoolTimedOut => return Self::Busy(error),
            _ => None,
        };
        // Source: https://sqlite.org/rescode.html; the low byte is the primary code.
        // What a full disk says where the log's index has to grow: SQLITE_IOERR_SHMSIZE.
        if code == Some(4874) {
            return Self::Full(error);
        }
        match code.map(|code| code & 0xff) {
            Some(5 | 6) => Self::Busy(error),
            Some(8) => Self::ReadOnly(error),
            Some(11 | 26) => Self::Corrupt { detail: error.to_string() },
            Some(13) => Self::Full(error),
            _ => Self::Database(error),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError as E;
        match error {
            E::VersionMissing(migration) => Self::Newer { migration },
            E::Execute(inner) | E::ExecuteMigration(inner, _) => match Self::from(inner) {
                Self::Database(inner) => Self::Migration(E::Execute(inner)),
                known => known,
            },
            other => Self::Migration(other),
        }
    }
}

/// Whether it is a write that the disk did not take: `SQLITE_IOERR_WRITE`.
pub(super) fn is_failed_write(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(inner) if inner.code().as_deref() == Some("778"))
}

/// The last state, or that there was none.
fn shown(last: Option<EffectState>) -> String {
    last.map_or_else(|| "nothing".to_owned(), |state| state.to_string())
}
