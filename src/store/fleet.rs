//! What is kept of a tenant's devices: how many there are, asked once a day because a share of it is no more exact than
//! that, and which of their ids were merged.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sqlx::Row as _;

use super::budget::DAY_MS;
use super::{Store, StoreError};

/// How old what a tenant said last may be where it says nothing now. A week: it does not change much until then, and a
/// tenant that is too busy to be asked, as in an attack, keeps the measure of its limits.
const LAST_WITHIN_MS: i64 = 7 * DAY_MS;

impl Store {
    /// How many active devices a tenant had when it was asked, if that is less than a day ago.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn fleet(&self, tenant: &str) -> Result<Option<u64>, StoreError> {
        let now = self.now_ms()?;
        let devices: Option<i64> =
            sqlx::query_scalar("SELECT devices FROM fleets WHERE tenant = $1 AND at BETWEEN $2 AND $3")
                .bind(tenant)
                .bind(now.saturating_sub(DAY_MS))
                .bind(now)
                .fetch_optional(&self.0.readers)
                .await?;
        Ok(devices.and_then(|devices| u64::try_from(devices).ok()))
    }

    /// How many it had when it last said so, if that is less than a week from `now`, either way: a clock that was ahead is
    /// set back.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn last_fleet(&self, tenant: &str, now: Timestamp) -> Result<Option<u64>, StoreError> {
        let now = now.as_millisecond();
        let devices: Option<i64> =
            sqlx::query_scalar("SELECT devices FROM fleets WHERE tenant = $1 AND at BETWEEN $2 AND $3")
                .bind(tenant)
                .bind(now.saturating_sub(LAST_WITHIN_MS))
                .bind(now.saturating_add(LAST_WITHIN_MS))
                .fetch_optional(&self.0.readers)
                .await?;
        Ok(devices.and_then(|devices| u64::try_from(devices).ok()))
    }

    /// Keeps which ids of devices were merged, beside those that were kept before, and returns all: an id that went
    /// reports no more, and protects its device all the same.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn keep_merged(
        &self,
        tenant: &str,
        pairs: &[(String, String)],
    ) -> Result<Vec<(String, String)>, StoreError> {
        let known = self.merged(tenant).await?;
        let news: Vec<_> = pairs.iter().filter(|pair| !known.contains(pair)).collect();
        if news.is_empty() {
            return Ok(known.into_iter().collect());
        }
        let mut tx = self.write().await?;
        for (one, other) in news {
            sqlx::query("INSERT OR IGNORE INTO merged_devices (tenant, one, other) VALUES ($1, $2, $3)")
                .bind(tenant)
                .bind(one)
                .bind(other)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(self.merged(tenant).await?.into_iter().collect())
    }

    async fn merged(&self, tenant: &str) -> Result<BTreeSet<(String, String)>, StoreError> {
        let query = sqlx::query("SELECT one, other FROM merged_devices WHERE tenant = $1").bind(tenant);
        let rows = query.fetch_all(&self.0.readers).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Keeps how many there are.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn put_fleet(&self, tenant: &str, devices: u64) -> Result<(), StoreError> {
        let now = self.now_ms()?;
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO fleets (tenant, devices, at) VALUES ($1, $2, $3) \
             ON CONFLICT (tenant) DO UPDATE SET devices = $2, at = $3",
        )
        .bind(tenant)
        .bind(i64::try_from(devices).unwrap_or(i64::MAX))
        .bind(now)
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }
}
