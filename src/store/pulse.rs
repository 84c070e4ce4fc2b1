//! Whether the journal was written to since somebody looked, or something beside it has changed that people are told of:
//! the file that stops everything, and whether the journal can be written.

use sqlx::SqliteConnection;

use super::{Stop, Store, StoreError, Unwritten, stop_file};

/// A look at the journal that costs next to nothing.
#[derive(Debug)]
pub struct Pulse {
    store: Store,
    connection: SqliteConnection,
    /// What is beside the journal, as it was seen last.
    beside: (Option<Stop>, Option<Unwritten>),
    /// How often what is beside the journal has changed.
    changes: i64,
}

impl Store {
    /// Begins to look.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn pulse(&self) -> Result<Pulse, StoreError> {
        // A connection of its own: the number is about writes of others than the one that asks.
        let connection = self.0.readers.acquire().await?.detach();
        Ok(Pulse { store: self.clone(), connection, beside: (None, None), changes: 0 })
    }
}

impl Pulse {
    /// A number that is another one once anybody has written, whichever process it was.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn beat(&mut self) -> Result<i64, StoreError> {
        let beside = (stop_file::look(self.store.path()), self.store.unwritten());
        if beside != self.beside {
            self.beside = beside;
            self.changes += 1;
        }
        // Both only grow, so their sum is another one whenever one of them is.
        let written: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut self.connection).await?;
        Ok(written.wrapping_add(self.changes))
    }
}
