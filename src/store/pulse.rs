//! Whether the journal was written to since somebody looked.

use sqlx::SqliteConnection;

use super::{Store, StoreError};

/// A look at the journal that costs next to nothing.
#[derive(Debug)]
pub struct Pulse(SqliteConnection);

impl Store {
    /// Begins to look.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn pulse(&self) -> Result<Pulse, StoreError> {
        // A connection of its own: the number is about writes of others than the one that asks.
        Ok(Pulse(self.0.readers.acquire().await?.detach()))
    }
}

impl Pulse {
    /// A number that is another one once anybody has written, whichever process it was.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn beat(&mut self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut self.0).await?)
    }
}
