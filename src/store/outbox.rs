//! What people are to be told. Each message is sent at least once; its id never changes, so a receiver can
//! drop a repetition.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::Row as _;

use super::run::read_run_id;
use super::{Store, StoreError, Tx, at, count, json};
use crate::fault::crash_point;
use crate::model::RunId;

/// A message about to be enqueued.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxMessage {
    /// Its identity, the same over every attempt. A second message with the same id is dropped.
    pub id: String,
    /// The run it tells about, if it is about one.
    pub run: Option<RunId>,
    /// The channel, by its name in the settings.
    pub channel: String,
    /// The message as the sender wants it back.
    pub body: Value,
    /// A channel takes one message of the same text here, ever; `None` for no such limit.
    pub dedup: Option<String>,
}

/// A message whose time has come.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Its identity.
    pub id: String,
    /// The run it tells about.
    pub run: Option<RunId>,
    /// The channel.
    pub channel: String,
    /// The message.
    pub body: Value,
    /// How often sending it failed.
    pub attempts: u32,
    /// When it was enqueued.
    pub enqueued: Timestamp,
    /// Why the last attempt failed.
    pub reason: Option<String>,
}

impl Store {
    /// Enqueues a message that belongs to no item. Prefer [`Store::settle`] and [`Store::finish_run`].
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn enqueue(&self, message: &OutboxMessage) -> Result<(), StoreError> {
        let now = self.now_ms()?;
        let mut tx = self.write().await?;
        write(&mut tx, message, now).await?;
        tx.commit().await
    }

    /// Lists messages whose time has come at `now`, the longest waiting first, at most `limit`.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Waiting>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, run, channel, body, attempts, at, reason FROM outbox \
             WHERE state = 'pending' AND next_at <= $1 ORDER BY next_at, id LIMIT $2",
        )
        .bind(now.as_millisecond())
        .bind(i64::from(limit))
        .fetch_all(&self.0.readers)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Waiting {
                    id: row.try_get(0)?,
                    run: row.try_get::<Option<&str>, _>(1)?.map(read_run_id).transpose()?,
                    channel: row.try_get(2)?,
                    body: json(row.try_get(3)?)?,
                    attempts: count(row.try_get(4)?)?,
                    enqueued: at(row.try_get(5)?)?,
                    reason: row.try_get(6)?,
                })
            })
            .collect()
    }

    /// When the next message's time comes, if any waits.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let next: Option<i64> = sqlx::query_scalar("SELECT min(next_at) FROM outbox WHERE state = 'pending'")
            .fetch_one(&self.0.readers)
            .await?;
        next.map(at).transpose()
    }

    /// Notes that the channel took a message.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] if no such message waits; any other [`StoreError`].
    pub async fn delivered(&self, id: &str) -> Result<(), StoreError> {
        self.end_message(id, "delivered", None).await?;
        crash_point("c28_notify_marked");
        Ok(())
    }

    /// Notes that sending a message failed, and when to try again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] if no such message waits; any other [`StoreError`].
    pub async fn failed(&self, id: &str, next_at: Timestamp, reason: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let changed = sqlx::query(
            "UPDATE outbox SET attempts = attempts + 1, next_at = $2, reason = $3 \
             WHERE id = $1 AND state = 'pending'",
        )
        .bind(id)
        .bind(next_at.as_millisecond())
        .bind(reason)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        known(id, changed)?;
        tx.commit().await
    }

    /// Gives a message up.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] if no such message waits; any other [`StoreError`].
    pub async fn dead(&self, id: &str, reason: &str) -> Result<(), StoreError> {
        self.end_message(id, "dead", Some(reason)).await
    }

    /// Holds every waiting message of a channel until `until`, if its time would come sooner. No attempt is
    /// counted: the channel is in trouble, not the messages.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn hold_channel(&self, channel: &str, until: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE outbox SET next_at = $2 WHERE state = 'pending' AND channel = $1 AND next_at < $2",
        )
        .bind(channel)
        .bind(until.as_millisecond())
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// How many messages wait.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn pending(&self) -> Result<u32, StoreError> {
        let query = "SELECT count(*) FROM outbox WHERE state = 'pending'";
        count(sqlx::query_scalar(query).fetch_one(&self.0.readers).await?)
    }

    /// Takes a message off the queue.
    async fn end_message(&self, id: &str, state: &str, reason: Option<&str>) -> Result<(), StoreError> {
        let now = self.now_ms()?;
        let mut tx = self.write().await?;
        let changed = sqlx::query(
            "UPDATE outbox SET state = $2, reason = $3, ended = $4, attempts = attempts + 1 \
             WHERE id = $1 AND state = 'pending'",
        )
        .bind(id)
        .bind(state)
        .bind(reason)
        .bind(now)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        known(id, changed)?;
        tx.commit().await
    }
}

/// Insists that a change found its message.
fn known(id: &str, changed: u64) -> Result<(), StoreError> {
    let unknown = || StoreError::Unknown { what: "waiting message", id: id.to_owned() };
    (changed == 1).then_some(()).ok_or_else(unknown)
}

/// Enqueues a message inside a transaction.
pub(super) async fn write(tx: &mut Tx, message: &OutboxMessage, now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outbox (id, run, channel, dedup, body, state, next_at, at) \
         VALUES ($1, $2, $3, $4, $5, 'pending', $6, $6) ON CONFLICT DO NOTHING",
    )
    .bind(&message.id)
    .bind(message.run.map(|run| run.to_string()))
    .bind(&message.channel)
    .bind(&message.dedup)
    .bind(message.body.to_string())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
