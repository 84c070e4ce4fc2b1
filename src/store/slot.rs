//! When a schedule fired last, and what it let go.
//!
//! Both go by the playbook's id, not its version or file, so they outlive edits and renames.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::run::{ROWS_PER_INSERT, read_playbook_id};
use super::{Store, StoreError, Tx, at, count};
use crate::model::PlaybookId;

/// A slot that a schedule lets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSkip {
    /// The slot.
    pub slot: Timestamp,
    /// The slot it is let go for, if it is one's.
    pub behind: Option<Timestamp>,
    /// Why, for people.
    pub why: &'static str,
}

/// What a schedule let go last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Skip {
    /// The tenant.
    pub tenant: String,
    /// The slot.
    pub slot: Timestamp,
    /// Why.
    pub reason: String,
    /// How many slots were let go at all.
    pub count: u32,
}

impl Store {
    /// The last slot of a schedule that had a run or was let go.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn last_slot(
        &self,
        playbook: PlaybookId,
        tenant: &str,
    ) -> Result<Option<Timestamp>, StoreError> {
        let slot: Option<i64> =
            sqlx::query_scalar("SELECT slot FROM slots WHERE tenant = $1 AND playbook = $2")
                .bind(tenant)
                .bind(playbook.to_string())
                .fetch_optional(&self.0.readers)
                .await?;
        slot.map(at).transpose()
    }

    /// The last slots of `schedules`, for the scheduler. A schedule seen for the first time begins `now`, and
    /// that is written down: a slot that passes while nobody is there is then missed and not unheard of.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn schedule_marks(
        &self,
        schedules: &[(PlaybookId, String)],
        now: Timestamp,
    ) -> Result<BTreeMap<(PlaybookId, String), Timestamp>, StoreError> {
        if schedules.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut tx = self.write().await?;
        let rows = sqlx::query("SELECT playbook, tenant, slot FROM slots").fetch_all(&mut *tx).await?;
        let mut known = BTreeMap::new();
        for row in rows {
            known.insert((read_playbook_id(row.try_get(0)?)?, row.try_get(1)?), at(row.try_get(2)?)?);
        }
        let new: Vec<_> = schedules.iter().filter(|schedule| !known.contains_key(schedule)).collect();
        for chunk in new.chunks(ROWS_PER_INSERT) {
            let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO slots (tenant, playbook, slot) ");
            query.push_values(chunk, |mut row, (playbook, tenant)| {
                row.push_bind(tenant).push_bind(playbook.to_string()).push_bind(now.as_millisecond());
            });
            query.push(" ON CONFLICT (tenant, playbook) DO NOTHING");
            query.build().execute(&mut *tx).await?;
        }
        tx.commit().await?;
        let mark = |schedule: &(PlaybookId, String)| known.get(schedule).copied().unwrap_or(now);
        Ok(schedules.iter().map(|schedule| (schedule.clone(), mark(schedule))).collect())
    }

    /// Notes that a slot of a schedule is let go. It counts as had, and is not made up for after a restart, as
    /// soon as the slot that it was let go for has a run: one that only waits would be forgotten with it.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn skip_slot(
        &self,
        playbook: PlaybookId,
        tenant: &str,
        skip: &NewSkip,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO slots (tenant, playbook, slot, skipped, why, skips) VALUES ($1, $2, $3, $3, $4, 1) \
             ON CONFLICT (tenant, playbook) DO UPDATE SET skipped = $3, why = $4, skips = slots.skips + 1, \
             slot = CASE WHEN $5 IS NULL OR EXISTS (SELECT 1 FROM runs \
             WHERE tenant = $1 AND playbook = $2 AND scheduled_for >= $5) \
             THEN max(slots.slot, $3) ELSE slots.slot END",
        )
        .bind(tenant)
        .bind(playbook.to_string())
        .bind(skip.slot.as_millisecond())
        .bind(skip.why)
        .bind(skip.behind.map(Timestamp::as_millisecond))
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// What the schedules of a playbook let go last, by tenant.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn skips(&self, playbook: PlaybookId) -> Result<Vec<Skip>, StoreError> {
        let rows = sqlx::query(
            "SELECT tenant, skipped, why, skips FROM slots WHERE playbook = $1 AND skipped IS NOT NULL \
             ORDER BY tenant",
        )
        .bind(playbook.to_string())
        .fetch_all(&self.0.readers)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Skip {
                    tenant: row.try_get(0)?,
                    slot: at(row.try_get(1)?)?,
                    reason: row.try_get(2)?,
                    count: count(row.try_get(3)?)?,
                })
            })
            .collect()
    }
}

/// Marks a slot inside a transaction.
pub(super) async fn mark(
    tx: &mut Tx,
    tenant: &str,
    playbook: PlaybookId,
    slot: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO slots (tenant, playbook, slot) VALUES ($1, $2, $3) \
         ON CONFLICT (tenant, playbook) DO UPDATE SET slot = excluded.slot WHERE slots.slot < excluded.slot",
    )
    .bind(tenant)
    .bind(playbook.to_string())
    .bind(slot)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
