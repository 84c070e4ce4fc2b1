//! What was done to targets lately, for what is decided before an intent.

use jiff::Timestamp;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::{Store, StoreError, Tx, at};

/// Targets asked for in one query.
const TARGETS_PER_QUERY: usize = 500;

/// An action a target has had lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// What was acted on.
    pub target: String,
    /// The action.
    pub action: String,
    /// When it was intended.
    pub at: Timestamp,
}

impl Store {
    /// Lists what `targets` had done to them since `since`, without what provably did nothing.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn recent(
        &self,
        tenant: &str,
        targets: &[String],
        since: Timestamp,
    ) -> Result<Vec<Recent>, StoreError> {
        let mut found = Vec::new();
        let mut tx = self.as_of_now().await?;
        for chunk in targets.chunks(TARGETS_PER_QUERY) {
            let mut query = QueryBuilder::<Sqlite>::new(
                "SELECT target, action, max(counts_at) FROM effects_dated WHERE state <> 'notApplied' AND tenant = ",
            );
            query.push_bind(tenant).push(" AND counts_at >= ").push_bind(since.as_millisecond());
            query.push(" AND target IN (");
            let mut list = query.separated(", ");
            for target in chunk {
                list.push_bind(target);
            }
            query.push(") GROUP BY target, action ORDER BY target, action");
            for row in query.build().fetch_all(&mut *tx).await? {
                let (target, action) = (row.try_get(0)?, row.try_get(1)?);
                found.push(Recent { target, action, at: at(row.try_get(2)?)? });
            }
        }
        Ok(found)
    }

    /// When an action was intended last, of those that were done to a target since `since`.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn last_done(
        &self,
        tenant: &str,
        (action, target): (&str, &str),
        since: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut tx = self.as_of_now().await?;
        let last: Option<i64> = sqlx::query_scalar(
            "SELECT max(counts_at) FROM effects_dated WHERE tenant = $1 AND target = $2 AND action = $3 \
             AND state = 'done' AND counts_at >= $4",
        )
        .bind(tenant)
        .bind(target)
        .bind(action)
        .bind(since.as_millisecond())
        .fetch_one(&mut *tx)
        .await?;
        last.map(at).transpose()
    }

    /// A transaction in which how long ago something was is told by the clocks of now. It is not committed.
    async fn as_of_now(&self) -> Result<Tx, StoreError> {
        let mut tx = self.write().await?;
        tx.now().await?;
        Ok(tx)
    }
}
