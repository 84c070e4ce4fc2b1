//! A look through the whole file for damage, now and then. Opening looks too, but a journal can be open for months.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::{Store, StoreError};

/// The fact that says when the file was looked through.
const CHECKED: &str = "integrityChecked";

impl Store {
    /// Looks through the whole file, its indexes and its rules, unless that was done within the time given; says whether
    /// it did. Others read and write meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if something does not fit; any other [`StoreError`] if nobody could look.
    pub async fn check_integrity(&self, now: Timestamp, every: SignedDuration) -> Result<bool, StoreError> {
        let last: Option<i64> = sqlx::query_scalar("SELECT value FROM facts WHERE name = $1")
            .bind(CHECKED)
            .fetch_optional(&self.0.readers)
            .await?;
        let last = last.and_then(|last| Timestamp::from_millisecond(last).ok());
        // A clock that was set back does not put the next look off.
        if last.is_some_and(|last| last <= now && now.duration_since(last) < every) {
            return Ok(false);
        }
        if let Some(detail) = damage(self).await? {
            return Err(StoreError::Corrupt { detail });
        }
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO facts (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(CHECKED)
        .bind(now.as_millisecond())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// What does not fit in the whole file, if something does not.
pub(super) async fn damage(store: &Store) -> Result<Option<String>, StoreError> {
    let query = sqlx::query_scalar("PRAGMA integrity_check(1)");
    let found: String = query.fetch_one(&store.0.readers).await?;
    Ok((found != "ok").then_some(found))
}

/// Refuses what is left of a journal that SQLite would take for one that has not begun: it reads a file of a single byte as
/// one without any.
pub(super) fn check_length(path: &Path) -> Result<(), StoreError> {
    let length = std::fs::metadata(path).map_err(|source| StoreError::file(path, source))?.len();
    if length == 1 {
        return Err(StoreError::Corrupt { detail: "a single byte of it is left".to_owned() });
    }
    Ok(())
}
