//! What not to do or say again for a while, and when a schedule fired last.
//!
//! Both go by the playbook's id, not its version or file, so they outlive edits and renames.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::run::{ROWS_PER_INSERT, playbook_of, read_playbook_id};
use super::{Store, StoreError, Tx, at};
use crate::model::{PlaybookId, RunId};

/// Keys asked for in one query; see the same figure for identities.
const KEYS_PER_QUERY: usize = 500;

/// A key to keep quiet about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSuppression {
    /// What the playbook suppresses by, rendered.
    pub key: String,
    /// Until when, exclusive.
    pub until: Timestamp,
}

impl Store {
    /// Says which of `keys` are suppressed now, and until when.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn suppressed(
        &self,
        tenant: &str,
        playbook: PlaybookId,
        keys: &[String],
    ) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        let now = self.now_ms()?;
        let mut found = BTreeMap::new();
        for chunk in keys.chunks(KEYS_PER_QUERY) {
            let mut query =
                QueryBuilder::<Sqlite>::new("SELECT item_key, until FROM suppressions WHERE tenant = ");
            query.push_bind(tenant).push(" AND playbook = ").push_bind(playbook.to_string());
            query.push(" AND until > ").push_bind(now).push(" AND item_key IN (");
            let mut list = query.separated(", ");
            for key in chunk {
                list.push_bind(key);
            }
            query.push(")");
            for row in query.build().fetch_all(&self.0.readers).await? {
                found.insert(row.try_get(0)?, at(row.try_get(1)?)?);
            }
        }
        Ok(found)
    }

    /// Suppresses a key. An earlier, longer suppression stays. Prefer [`Store::settle`], which does it
    /// together with the outcome.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] if there is no such run; any other [`StoreError`].
    pub async fn suppress(
        &self,
        run: RunId,
        seq: u32,
        suppression: &NewSuppression,
    ) -> Result<(), StoreError> {
        let now = self.now_ms()?;
        let mut tx = self.write().await?;
        write(&mut tx, run, &[(seq, suppression)], now).await?;
        Ok(tx.commit().await?)
    }

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

    /// Marks a slot without a run: it was let go, or the schedule begins here. Never goes back.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn mark_slot(
        &self,
        playbook: PlaybookId,
        tenant: &str,
        slot: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        mark(&mut tx, tenant, playbook, slot.as_millisecond()).await?;
        Ok(tx.commit().await?)
    }
}

/// Writes suppressions of a run's items inside a transaction. Of two of one key the longer counts.
pub(super) async fn write(
    tx: &mut Tx,
    run: RunId,
    suppressions: &[(u32, &NewSuppression)],
    now: i64,
) -> Result<(), StoreError> {
    let mut longest: BTreeMap<&str, (Timestamp, u32)> = BTreeMap::new();
    for (seq, suppression) in suppressions {
        let known = longest.entry(&suppression.key).or_insert((suppression.until, *seq));
        *known = (*known).max((suppression.until, *seq));
    }
    let Some(_first) = longest.first_key_value() else { return Ok(()) };
    let (tenant, playbook) = playbook_of(tx, run).await?;
    let (playbook, run) = (playbook.to_string(), run.to_string());
    let rows: Vec<_> = longest.into_iter().collect();
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO suppressions (tenant, playbook, item_key, until, run, seq, at) ",
        );
        query.push_values(chunk, |mut row, (key, (until, seq))| {
            row.push_bind(&tenant).push_bind(&playbook).push_bind(*key).push_bind(until.as_millisecond());
            row.push_bind(&run).push_bind(i64::from(*seq)).push_bind(now);
        });
        query.push(
            " ON CONFLICT (tenant, playbook, item_key) DO UPDATE SET until = excluded.until, \
             run = excluded.run, seq = excluded.seq, at = excluded.at \
             WHERE suppressions.until < excluded.until",
        );
        query.build().execute(&mut **tx).await?;
    }
    Ok(())
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
