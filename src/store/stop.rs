//! The kill switch: while somebody's stop stands, nothing is intended, so nothing is sent.
//!
//! Words are events in a chain of their own, written beside the process that owns the journal like those about
//! approvals. [`Store::intend`] looks in its own transaction: once a stop is written, no intent passes.

use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::budget::latest;
use super::chain::{Chained, Fields, end};
use super::{Store, StoreError, Tx, at, count, open};
use crate::clock::SharedClock;

/// A person's word about all actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopWord {
    /// The tenant it is about, by its name in the settings; `None` for all.
    pub tenant: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The account of the operating system.
    pub account: String,
    /// Its number.
    pub uid: u32,
}

/// A stop that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stop {
    /// The tenant; `None` for all.
    pub tenant: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The account that said it.
    pub account: String,
    /// Its number.
    pub uid: u32,
    /// When.
    pub at: Timestamp,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tenant {
            Some(tenant) => write!(f, "actions in `{tenant}` are stopped")?,
            None => f.write_str("all actions are stopped")?,
        }
        write!(f, " since {:.0} by {}", self.at, self.account)?;
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// What came of somebody's `stop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// It stands from now on.
    Now(Stop),
    /// The same stands already; nothing was written.
    Before(Stop),
}

impl Store {
    /// Writes a stop into the journal at `path`; from then on nothing is intended. This works beside the process
    /// that owns the journal.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; the stop does then not stand.
    pub async fn stop(path: &Path, clock: SharedClock, word: &StopWord) -> Result<Stopped, StoreError> {
        let store = beside(path, clock).await?;
        let stopped = store.write_stop(word).await;
        store.close().await;
        stopped
    }

    /// Writes into the journal at `path` that actions are taken again: lifts the stop of the word's tenant, or
    /// without one every stop. Returns what it lifted.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; what stood stands then.
    pub async fn resume(path: &Path, clock: SharedClock, word: &StopWord) -> Result<Vec<Stop>, StoreError> {
        let store = beside(path, clock).await?;
        let resumed = store.write_resume(word).await;
        store.close().await;
        resumed
    }

    /// Lists the stops that stand, oldest first.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn stops(&self) -> Result<Vec<Stop>, StoreError> {
        sqlx::query(STANDING).fetch_all(&self.0.readers).await?.iter().map(read_stop).collect()
    }

    /// The stop that stands in the way of actions in a tenant, if one does. The binding look is
    /// [`Store::intend`]'s.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn stopped(&self, tenant: &str) -> Result<Option<Stop>, StoreError> {
        Ok(self.stops().await?.into_iter().find(|stop| holds(stop, tenant)))
    }

    async fn write_stop(&self, word: &StopWord) -> Result<Stopped, StoreError> {
        let wall = self.now_ms()?;
        let mut tx = self.write().await?;
        if let Some(stop) = standing(&mut tx).await?.into_iter().find(|stop| stop.tenant == word.tenant) {
            return Ok(Stopped::Before(stop));
        }
        let now = latest(&mut tx, wall).await?;
        let stop = append(&mut tx, "stop", word, now).await?;
        tx.commit().await?;
        Ok(Stopped::Now(stop))
    }

    async fn write_resume(&self, word: &StopWord) -> Result<Vec<Stop>, StoreError> {
        let wall = self.now_ms()?;
        let mut tx = self.write().await?;
        let now = latest(&mut tx, wall).await?;
        let mut lifted = standing(&mut tx).await?;
        lifted.retain(|stop| word.tenant.is_none() || stop.tenant == word.tenant);
        for stop in &lifted {
            append(&mut tx, "resume", &StopWord { tenant: stop.tenant.clone(), ..word.clone() }, now).await?;
        }
        tx.commit().await?;
        Ok(lifted)
    }
}

/// The events of stops.
pub(super) struct StopEvents;

impl Chained for StopEvents {
    const START: &'static str = "SELECT max(0, coalesce((SELECT max(n) FROM stop_events), 0) - $1)";
    const PAGE: &'static str = "SELECT *, tenant AS about FROM stop_events WHERE n > $1 ORDER BY n LIMIT $2";
    const LAST: &'static str = "SELECT n, hash FROM stop_events ORDER BY n DESC LIMIT 1";
    // The events are all there is.
    const STRAY: &'static str = "SELECT coalesce(tenant, '') FROM stop_events WHERE n < 1";
    const STRAY_WHY: &'static str = "an event stands before the first";

    fn hash(row: &SqliteRow, prev: &[u8]) -> Result<Result<[u8; 32], &'static str>, StoreError> {
        Ok(Ok(hash(prev, (row.try_get("n")?, row.try_get("word")?), &read_stop(row)?)))
    }

    fn tell(row: &SqliteRow) -> Result<Value, StoreError> {
        let Stop { tenant, reason, account, uid, at } = read_stop(row)?;
        let (n, word): (i64, &str) = (row.try_get("n")?, row.try_get("word")?);
        Ok(json!({
            "history": "stops", "n": n, "at": at, "word": word, "tenant": tenant, "reason": reason,
            "account": account, "uid": uid,
        }))
    }
}

/// Opens the journal for a word: beside its owner, or as its owner where there is none yet of this form.
async fn beside(path: &Path, clock: SharedClock) -> Result<Store, StoreError> {
    match open::open_beside(path, SharedClock::clone(&clock)).await {
        Err(StoreError::Missing { .. } | StoreError::Older) => open::open(path, clock).await,
        opened => opened,
    }
}

/// The latest word about each tenant and about all, where it is a stop.
const STANDING: &str = "SELECT * FROM stop_events WHERE word = 'stop' \
     AND n IN (SELECT max(n) FROM stop_events GROUP BY tenant) ORDER BY n";

async fn standing(tx: &mut Tx) -> Result<Vec<Stop>, StoreError> {
    sqlx::query(STANDING).fetch_all(&mut **tx).await?.iter().map(read_stop).collect()
}

/// The stop that stands in the way of an action, inside the transaction that would intend it.
pub(super) async fn in_the_way(tx: &mut Tx, tenant: &str) -> Result<Option<Stop>, StoreError> {
    Ok(standing(tx).await?.into_iter().find(|stop| holds(stop, tenant)))
}

fn holds(stop: &Stop, tenant: &str) -> bool {
    stop.tenant.as_deref().is_none_or(|one| one == tenant)
}

/// Adds an event to the end of the chain.
async fn append(tx: &mut Tx, what: &str, word: &StopWord, now: i64) -> Result<Stop, StoreError> {
    let (n, prev) = end::<StopEvents>(tx).await?;
    let StopWord { tenant, reason, account, uid } = word.clone();
    let stop = Stop { tenant, reason, account, uid, at: at(now)? };
    sqlx::query(
        "INSERT INTO stop_events (n, tenant, word, reason, account, uid, at, prev_hash, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(n)
    .bind(&stop.tenant)
    .bind(what)
    .bind(&stop.reason)
    .bind(&stop.account)
    .bind(i64::from(stop.uid))
    .bind(now)
    .bind(&prev)
    .bind(hash(&prev, (n, what), &stop).to_vec())
    .execute(&mut **tx)
    .await?;
    Ok(stop)
}

fn read_stop(row: &SqliteRow) -> Result<Stop, StoreError> {
    Ok(Stop {
        tenant: row.try_get("tenant")?,
        reason: row.try_get("reason")?,
        account: row.try_get("account")?,
        uid: count(row.try_get("uid")?)?,
        at: at(row.try_get("at")?)?,
    })
}

/// Hashes an event after `prev`. Every field counts with its length.
fn hash(prev: &[u8], (n, word): (i64, &str), stop: &Stop) -> [u8; 32] {
    let mut fields = Fields::default();
    fields.add(prev);
    fields.add(n.to_be_bytes());
    fields.add(word.as_bytes());
    for text in [stop.tenant.as_deref(), stop.reason.as_deref()] {
        fields.add_text(text);
    }
    fields.add(stop.account.as_bytes());
    fields.add(stop.uid.to_be_bytes());
    fields.add(stop.at.as_millisecond().to_be_bytes());
    fields.hash()
}
