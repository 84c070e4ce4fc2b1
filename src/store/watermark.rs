//! How far the polls of a playbook have come in a tenant.
//!
//! The watermark moves in the transaction that stores what a poll brought, so that nothing lies behind it that is not
//! stored. What is left undone is noted as owed in the transaction that settles it, so that a poll comes by again.

use jiff::Timestamp;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::{ContentHash, Identity, Store, StoreError, Tx, at, count};
use crate::model::PlaybookId;

/// How far polls have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// Under what it was reached: the playbook's text and its lists.
    pub basis: ContentHash,
    /// Changes up to this instant are known.
    pub at: Timestamp,
    /// When a poll last looked as far back as they do.
    pub swept: Timestamp,
    /// The earliest change of anything that is to be met again.
    pub owed: Option<Timestamp>,
    /// How often something was given back to be met again. What was given back since this was read stays owed.
    pub owes: u32,
}

/// What a poll leaves besides its items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Polled {
    /// Further identities that are known from now on.
    pub known: Vec<Identity>,
    /// How far it has come, if that is to be kept.
    pub watermark: Option<Watermark>,
}

impl Store {
    /// How far the polls of a playbook have come in a tenant.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn watermark(
        &self,
        tenant: &str,
        playbook: PlaybookId,
    ) -> Result<Option<Watermark>, StoreError> {
        let row = sqlx::query(
            "SELECT basis, at, swept, owed, owes FROM watermarks WHERE tenant = $1 AND playbook = $2",
        )
        .bind(tenant)
        .bind(playbook.to_string())
        .fetch_optional(&self.0.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Watermark {
            basis: ContentHash::stored(row.try_get(0)?)?,
            at: at(row.try_get(1)?)?,
            swept: at(row.try_get(2)?)?,
            owed: row.try_get::<Option<i64>, _>(3)?.map(at).transpose()?,
            owes: count(row.try_get(4)?)?,
        }))
    }
}

/// Moves a watermark inside a transaction; never back. What is owed since the poll began stays owed.
pub(super) async fn move_on(
    tx: &mut Tx,
    (tenant, playbook): (&str, &str),
    mark: &Watermark,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO watermarks (tenant, playbook, basis, at, swept, owed) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (tenant, playbook) DO UPDATE SET basis = excluded.basis, at = max(at, excluded.at), \
         swept = excluded.swept, owed = CASE WHEN owes = $7 THEN excluded.owed \
         ELSE min(coalesce(owed, excluded.owed), coalesce(excluded.owed, owed)) END",
    )
    .bind(tenant)
    .bind(playbook)
    .bind(mark.basis.0.as_slice())
    .bind(mark.at.as_millisecond())
    .bind(mark.swept.as_millisecond())
    .bind(mark.owed.map(Timestamp::as_millisecond))
    .bind(i64::from(mark.owes))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes inside a transaction that items of a run are to be met again.
pub(super) async fn owe(tx: &mut Tx, run: &str, items: &[u32]) -> Result<(), StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT json_extract(data, '$.lastUpdateDateTime') FROM items WHERE run = ",
    );
    query.push_bind(run).push(" AND seq IN (");
    let mut list = query.separated(", ");
    for seq in items {
        list.push_bind(i64::from(*seq));
    }
    query.push(")");
    let mut earliest: Option<Timestamp> = None;
    for row in query.build().fetch_all(&mut **tx).await? {
        // A row of a hunt has no such thing, or something else of that name.
        let changed = row.try_get::<Option<String>, _>(0).ok().flatten();
        let changed: Option<Timestamp> = changed.and_then(|text| text.parse().ok());
        earliest = [earliest, changed].into_iter().flatten().min();
    }
    let Some(earliest) = earliest else { return Ok(()) };
    sqlx::query(
        "UPDATE watermarks SET owed = min(coalesce(owed, $2), $2), owes = owes + 1 \
         WHERE (tenant, playbook) IN (SELECT tenant, playbook FROM runs WHERE id = $1)",
    )
    .bind(run)
    .bind(earliest.as_millisecond())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
