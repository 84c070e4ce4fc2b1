//! How late a tenant's list of actions shows what the tenant has accepted: measured, because that an action which nobody
//! answered for was never taken is concluded from such a list.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{EffectKey, Store, StoreError, at};

/// How late a list may show an accepted action.
const SHOWN_WITHIN: SignedDuration = SignedDuration::from_mins(3);
/// How long a list that was later than that is not believed.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How late a list showed an action, or has not shown it so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListLag {
    /// The action.
    pub key: EffectKey,
    /// Milliseconds after its acceptance when the list did not have it yet.
    pub at_least_ms: i64,
    /// Milliseconds after which it did, at most; `None` while it does not.
    pub at_most_ms: Option<i64>,
    /// When that was seen.
    pub at: Timestamp,
}

impl ListLag {
    /// Whether it is more than half of what is reckoned with.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        SHOWN_WITHIN.as_millis() < i128::from(self.at_least_ms).saturating_mul(2)
    }

    /// Whether it is more than what is reckoned with: what such a list does not show may have been done.
    #[must_use]
    pub fn is_late(&self) -> bool {
        SHOWN_WITHIN.as_millis() < i128::from(self.at_least_ms)
    }

    /// How late, for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        let words = |ms| format!("{:#}", SignedDuration::from_secs(ms / 1000));
        match self.at_most_ms {
            Some(at_most) => format!("after {} to {}", words(self.at_least_ms), words(at_most)),
            None => format!("not within {}", words(self.at_least_ms)),
        }
    }

    /// Whether this is to be kept in place of what was kept `before`.
    fn replaces(&self, before: &Self) -> bool {
        if self.key == before.key && self.at_least_ms == before.at_least_ms {
            // By now it may be shown.
            return true;
        }
        let extent = |lag: &Self| (lag.at_least_ms, lag.at_most_ms.unwrap_or(i64::MAX));
        extent(before) <= extent(self) || !before.is_remembered(self.at)
    }

    fn is_remembered(&self, now: Timestamp) -> bool {
        self.at.duration_until(now) <= REMEMBERED
    }
}

impl Store {
    /// Keeps how late a tenant's list showed an action, if no other of the last week was shown later.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn put_list_lag(&self, tenant: &str, lag: &ListLag) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let query = sqlx::query("SELECT * FROM list_lags WHERE tenant = $1").bind(tenant);
        let before = query.fetch_optional(&mut *tx).await?.as_ref().map(read).transpose()?;
        if before.is_some_and(|before| !lag.replaces(&before)) {
            return Ok(());
        }
        sqlx::query("INSERT OR REPLACE INTO list_lags (tenant, effect_key, at_least, at_most, at) VALUES ($1, $2, $3, $4, $5)")
            .bind(tenant)
            .bind(lag.key.as_str())
            .bind(lag.at_least_ms)
            .bind(lag.at_most_ms)
            .bind(lag.at.as_millisecond())
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// How late the tenants' lists were at worst in the week before `now`.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn list_lags(&self, now: Timestamp) -> Result<BTreeMap<String, ListLag>, StoreError> {
        let rows = sqlx::query("SELECT * FROM list_lags").fetch_all(&self.0.readers).await?;
        let lags = rows.iter().map(|row| Ok((row.try_get("tenant")?, read(row)?)));
        let mut lags = lags.collect::<Result<BTreeMap<String, ListLag>, StoreError>>()?;
        lags.retain(|_tenant, lag| lag.is_remembered(now));
        Ok(lags)
    }
}

fn read(row: &SqliteRow) -> Result<ListLag, StoreError> {
    let key: &str = row.try_get("effect_key")?;
    Ok(ListLag {
        key: key.parse()?,
        at_least_ms: row.try_get("at_least")?,
        at_most_ms: row.try_get("at_most")?,
        at: at(row.try_get("at")?)?,
    })
}
