//! What was left undone: an item that a guard stopped or the tenant refused is not a duplicate the next
//! time, and the journal knows what people were told about it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::run::{ROWS_PER_INSERT, Settlement, playbook_of};
use super::{ContentHash, Store, StoreError, Tx, at, count, watermark};
use crate::model::RunId;

/// What a settled item is when a later run meets it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NextTime {
    /// The same again: it was dealt with.
    #[default]
    Duplicate,
    /// News again, because nothing was done about it. An item with an effect that may be in force stays a
    /// duplicate all the same.
    New,
}

/// What people were told last of what a playbook left undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldUndone {
    /// When.
    pub at: Timestamp,
    /// What was in force then; see [`super::RunEnd::undone`].
    pub situation: ContentHash,
    /// Items of the run asked about that were among those told, with the outcome they have now.
    pub items: BTreeSet<u32>,
}

impl Store {
    /// What people were told last of what the playbook of `run` left undone in its tenant.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn told_undone(&self, run: RunId) -> Result<Option<ToldUndone>, StoreError> {
        let row = sqlx::query(
            "SELECT u.run, u.situation, u.at FROM undone_told u \
             JOIN runs r ON r.tenant = u.tenant AND r.playbook = u.playbook WHERE r.id = $1",
        )
        .bind(run.to_string())
        .fetch_optional(&self.0.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        // Two queries, so that the inner list does not depend on the outer row and is made once.
        let known = sqlx::query(
            "SELECT seq FROM items WHERE run = $1 AND identity IS NOT NULL \
             AND (identity, outcome) IN (SELECT identity, outcome FROM items WHERE run = $2)",
        )
        .bind(run.to_string())
        .bind(row.try_get::<&str, _>(0)?)
        .fetch_all(&self.0.readers)
        .await?;
        let mut items = BTreeSet::new();
        for row in known {
            items.insert(count(row.try_get(0)?)?);
        }
        Ok(Some(ToldUndone {
            at: at(row.try_get(2)?)?,
            situation: ContentHash::stored(row.try_get(1)?)?,
            items,
        }))
    }
}

/// Makes those of settled items news again inside a transaction that are: as they say themselves; and those about which
/// people are asked no more, of which an action was in doubt and turned out meanwhile to have done nothing.
pub(super) async fn open_settled(
    tx: &mut Tx,
    run: &str,
    settlements: &[Settlement],
) -> Result<(), StoreError> {
    let (news, others): (Vec<_>, Vec<_>) =
        settlements.iter().partition(|settlement| settlement.next_time == NextTime::New);
    forget(tx, run, &news.iter().map(|settlement| settlement.seq).collect::<Vec<_>>()).await?;
    for settlement in others.iter().filter(|settlement| !settlement.close.is_empty()) {
        if turned_out_undone(tx, run, settlement.seq).await? {
            open_again(tx, run, settlement.seq).await?;
        }
    }
    Ok(())
}

/// Whether an action of an item was in doubt and did nothing, as the tenant showed or a person said.
async fn turned_out_undone(tx: &mut Tx, run: &str, item: u32) -> Result<bool, StoreError> {
    let query = "SELECT EXISTS (SELECT 1 FROM effects e JOIN effect_events v ON v.effect_key = e.effect_key \
                 WHERE e.run = $1 AND e.seq = $2 AND e.state = 'notApplied' \
                 AND v.attempt = e.attempt AND v.state = 'parked')";
    let found: i64 = sqlx::query_scalar(query).bind(run).bind(i64::from(item)).fetch_one(&mut **tx).await?;
    Ok(found != 0)
}

/// Makes items of a run news again inside a transaction. Whatever is asked, an item with an effect that is
/// not provably without one stays seen: acting on it again could do the same twice.
async fn forget(tx: &mut Tx, run: &str, items: &[u32]) -> Result<(), StoreError> {
    for chunk in items.chunks(ROWS_PER_INSERT) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "DELETE FROM seen WHERE (tenant, playbook, identity) IN \
             (SELECT r.tenant, r.playbook, i.identity FROM items i JOIN runs r ON r.id = i.run \
             WHERE i.identity IS NOT NULL AND NOT EXISTS (SELECT 1 FROM effects e \
             WHERE e.run = i.run AND e.seq = i.seq AND e.state <> 'notApplied') AND i.run = ",
        );
        query.push_bind(run).push(" AND i.seq IN (");
        let mut list = query.separated(", ");
        for seq in chunk {
            list.push_bind(i64::from(*seq));
        }
        query.push(")) AND run = ").push_bind(run);
        query.build().execute(&mut **tx).await?;
        watermark::owe(tx, run, chunk).await?;
        // What is news again is not kept quiet about either.
        let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM suppressions WHERE run = ");
        query.push_bind(run).push(" AND seq IN (");
        let mut list = query.separated(", ");
        for seq in chunk {
            list.push_bind(i64::from(*seq));
        }
        query.push(")");
        query.build().execute(&mut **tx).await?;
    }
    Ok(())
}

/// Opens an item again inside a transaction: nothing was done about it, a person says or the tenant shows, so it is news to
/// the next run, and does not keep others of its key quiet. But not while people are asked about it: they would be asked
/// twice, and what they say yes to twice is done twice. When they are asked no more it is looked at again
/// ([`open_settled`]).
pub(super) async fn open_again(tx: &mut Tx, run: &str, item: u32) -> Result<(), StoreError> {
    let query = "SELECT count(*) FROM approvals WHERE run = $1 AND seq = $2 AND settled = 0";
    let open: i64 = sqlx::query_scalar(query).bind(run).bind(i64::from(item)).fetch_one(&mut **tx).await?;
    if open == 0 { forget(tx, run, &[item]).await } else { Ok(()) }
}

/// Notes inside a transaction that people are told what a run left undone.
pub(super) async fn told(
    tx: &mut Tx,
    run: RunId,
    situation: ContentHash,
    now: i64,
) -> Result<(), StoreError> {
    let (tenant, playbook) = playbook_of(tx, run).await?;
    sqlx::query(
        "INSERT INTO undone_told (tenant, playbook, run, situation, at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (tenant, playbook) DO UPDATE SET run = excluded.run, situation = excluded.situation, \
         at = excluded.at",
    )
    .bind(tenant)
    .bind(playbook.to_string())
    .bind(run.to_string())
    .bind(situation.0.as_slice())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
