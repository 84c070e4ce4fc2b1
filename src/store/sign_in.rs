//! How the process that owns the journal stands with each tenant's authority: for people, who read it beside it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::Row as _;

use super::{OutboxMessage, Store, StoreError, at, outbox};

/// How huntbook stands with a tenant's authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignIn {
    /// Why it does not get in, and what to do, if so.
    pub refused: Option<String>,
    /// When the certificate ends that it proves itself with, if it does so with one.
    pub certificate_ends: Option<Timestamp>,
    /// Since when it gets in, or does not.
    pub since: Timestamp,
}

impl Store {
    /// Notes how it stands with a tenant; what people are told of it goes into the outbox with it.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn put_sign_in(
        &self,
        tenant: &str,
        sign_in: &SignIn,
        message: Option<&OutboxMessage>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO sign_ins (tenant, refused, certificate_ends, since) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant) DO UPDATE SET refused = excluded.refused, \
             certificate_ends = excluded.certificate_ends, since = excluded.since",
        )
        .bind(tenant)
        .bind(&sign_in.refused)
        .bind(sign_in.certificate_ends.map(Timestamp::as_millisecond))
        .bind(sign_in.since.as_millisecond())
        .execute(&mut *tx)
        .await?;
        if let Some(message) = message {
            outbox::write(&mut tx, message, now.as_millisecond()).await?;
        }
        tx.commit().await
    }

    /// How it stands, by tenant. It speaks of the process that owns the journal, or owned it last.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn sign_ins(&self) -> Result<BTreeMap<String, SignIn>, StoreError> {
        let query = "SELECT tenant, refused, certificate_ends, since FROM sign_ins";
        let rows = sqlx::query(query).fetch_all(&self.0.readers).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let ends: Option<i64> = row.try_get(2)?;
            let sign_in = SignIn {
                refused: row.try_get(1)?,
                certificate_ends: ends.map(at).transpose()?,
                since: at(row.try_get(3)?)?,
            };
            Ok((row.try_get(0)?, sign_in))
        };
        rows.iter().map(read).collect()
    }
}
