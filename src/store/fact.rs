//! Facts about the journal, for `doctor` and status.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Store, StoreError, count, open};

/// What there is to know about the journal itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The linked SQLite.
    pub sqlite: String,
    /// Where the journal is.
    pub path: PathBuf,
    /// The size of its file, in bytes.
    pub bytes: u64,
    /// The size of its write-ahead log, in bytes.
    pub log_bytes: u64,
    /// The number of its last migration.
    pub migration: i64,
    /// How often it was opened for writing.
    pub epoch: i64,
    /// Runs in it.
    pub runs: u32,
    /// Effects in it.
    pub effects: u32,
    /// Effects that wait for a person's word.
    pub parked: u32,
    /// Messages waiting.
    pub messages: u32,
}

impl Store {
    /// The number of the process that owns the journal, as far as a reader can tell; `None` if nobody does.
    #[must_use]
    pub fn owner(&self) -> Option<u32> {
        open::owner(self.path())
    }

    /// Gathers the facts.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn facts(&self) -> Result<Facts, StoreError> {
        let readers = &self.0.readers;
        let number = async |query: &'static str| -> Result<i64, StoreError> {
            Ok(sqlx::query_scalar(query).fetch_one(readers).await?)
        };
        let mut log = self.path().as_os_str().to_owned();
        log.push("-wal");
        Ok(Facts {
            sqlite: sqlx::query_scalar("SELECT sqlite_version()").fetch_one(readers).await?,
            path: self.path().to_owned(),
            bytes: size(self.path()),
            log_bytes: size(Path::new(&log)),
            migration: number("SELECT coalesce(max(version), 0) FROM _sqlx_migrations").await?,
            epoch: number("SELECT value FROM facts WHERE name = 'epoch'").await?,
            runs: count(number("SELECT count(*) FROM runs").await?)?,
            effects: count(number("SELECT count(*) FROM effects").await?)?,
            parked: count(number("SELECT count(*) FROM effects WHERE state = 'parked'").await?)?,
            messages: count(number("SELECT count(*) FROM outbox WHERE state = 'pending'").await?)?,
        })
    }
}

/// The size of a file; 0 if there is none.
fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |data| data.len())
}
