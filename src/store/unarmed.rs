//! Schedules that are not followed, because the app lacks what the playbook needs in the tenant.
//!
//! It is not asked of the journal whether a playbook may run: this is for people.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::Row as _;

use super::run::read_playbook_id;
use super::{OutboxMessage, Store, StoreError, at, outbox};
use crate::model::PlaybookId;

/// A schedule that is not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unarmed {
    /// The playbook.
    pub playbook: PlaybookId,
    /// The tenant.
    pub tenant: String,
    /// What it lacks, for people.
    pub lacks: String,
    /// Since when.
    pub since: Timestamp,
}

impl Store {
    /// Makes these the schedules that are not followed, by playbook and tenant with what is lacking; one that
    /// stays keeps its time. What people are told of it goes into the outbox with it.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn put_unarmed(
        &self,
        unarmed: &BTreeMap<(PlaybookId, String), String>,
        messages: &[OutboxMessage],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let rows = sqlx::query("SELECT playbook, tenant FROM slots WHERE lacks IS NOT NULL");
        for row in rows.fetch_all(&mut *tx).await? {
            let key = (read_playbook_id(row.try_get(0)?)?, row.try_get::<String, _>(1)?);
            if !unarmed.contains_key(&key) {
                let query =
                    "UPDATE slots SET lacks = NULL, lacks_since = NULL WHERE playbook = $1 AND tenant = $2";
                sqlx::query(query).bind(key.0.to_string()).bind(key.1).execute(&mut *tx).await?;
            }
        }
        for ((playbook, tenant), lacks) in unarmed {
            sqlx::query(
                "UPDATE slots SET lacks = $3, lacks_since = coalesce(lacks_since, $4) \
                 WHERE playbook = $1 AND tenant = $2",
            )
            .bind(playbook.to_string())
            .bind(tenant)
            .bind(lacks)
            .bind(now.as_millisecond())
            .execute(&mut *tx)
            .await?;
        }
        for message in messages {
            outbox::write(&mut tx, message, now.as_millisecond()).await?;
        }
        tx.commit().await
    }

    /// The schedules that are not followed.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn unarmed(&self) -> Result<Vec<Unarmed>, StoreError> {
        let rows = sqlx::query(
            "SELECT playbook, tenant, lacks, lacks_since FROM slots WHERE lacks IS NOT NULL ORDER BY playbook, tenant",
        );
        let rows = rows.fetch_all(&self.0.readers).await?;
        rows.iter()
            .map(|row| {
                Ok(Unarmed {
                    playbook: read_playbook_id(row.try_get(0)?)?,
                    tenant: row.try_get(1)?,
                    lacks: row.try_get(2)?,
                    since: at(row.try_get(3)?)?,
                })
            })
            .collect()
    }
}
