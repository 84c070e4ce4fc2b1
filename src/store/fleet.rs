//! How many devices a tenant has: asked once a day, because a share of it is no more exact than that.

use super::budget::DAY_MS;
use super::{Store, StoreError};

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
        Ok(tx.commit().await?)
    }
}
