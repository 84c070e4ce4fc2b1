//! What not to do or say again for a while.
//!
//! It goes by the playbook's id, not its version or file, so it outlives edits and renames.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::run::{ROWS_PER_INSERT, playbook_of};
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
