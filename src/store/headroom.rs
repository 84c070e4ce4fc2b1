//! What is left of the budgets of calls: written by the process that makes the calls, read by others.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::Row as _;

use super::{Store, StoreError, at, json};

/// What is left in a tenant, at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rooms {
    /// The groups of calls in use, as the tenant's door tells of them.
    pub rooms: Value,
    /// Since when it has been so.
    pub at: Timestamp,
}

impl Store {
    /// Notes what is left in a tenant.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn put_headroom(&self, tenant: &str, rooms: &Value, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO headroom (tenant, rooms, at) VALUES ($1, $2, $3) \
             ON CONFLICT (tenant) DO UPDATE SET rooms = excluded.rooms, at = excluded.at",
        )
        .bind(tenant)
        .bind(rooms.to_string())
        .bind(now.as_millisecond())
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// What is left, by tenant. It speaks of the process that owns the journal, or owned it last.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn headroom(&self) -> Result<BTreeMap<String, Rooms>, StoreError> {
        let rows = sqlx::query("SELECT tenant, rooms, at FROM headroom").fetch_all(&self.0.readers).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Ok((row.try_get(0)?, Rooms { rooms: json(row.try_get(1)?)?, at: at(row.try_get(2)?)? }))
        };
        rows.iter().map(read).collect()
    }
}
