//! The history of effects: append only, each event bound to the one before by its hash.
//!
//! The hash covers the event and what its effect is, so that neither can be changed, taken out or put in
//! without a break. Somebody who can write the file can forge a whole new chain; the head belongs into a
//! log on another machine.

use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::effect::{Effect, Recorded, read_effect};
use super::{EffectKey, Store, StoreError, Tx};

/// Events read at a time while a chain is verified.
const PAGE: i64 = 1000;

/// What a look through the chain found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// Every event follows from the one before, and every effect stands where its last event says.
    Intact {
        /// How many events were looked at.
        events: u64,
        /// The hash of the last one; zeros if there is none.
        head: [u8; 32],
    },
    /// Somebody changed the journal.
    Broken {
        /// The number of the first event that does not fit; 0 if it is an effect that does not.
        event: i64,
        /// What does not fit.
        why: &'static str,
    },
}

impl Store {
    /// Looks through the whole history of effects.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; a broken chain is no error but an answer.
    pub async fn verify_chain(&self) -> Result<Chain, StoreError> {
        self.verify_chain_end(u32::MAX).await
    }

    /// Looks through the last `events_max` events of the history, and whether every effect stands where its
    /// last event says.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; a broken chain is no error but an answer.
    pub async fn verify_chain_end(&self, events_max: u32) -> Result<Chain, StoreError> {
        let mut tx = self.0.readers.begin().await?;
        let mut n: i64 = sqlx::query_scalar(
            "SELECT max(value, coalesce((SELECT max(n) FROM effect_events), 0) - $1) FROM facts \
             WHERE name = 'chainCut'",
        )
        .bind(events_max)
        .fetch_one(&mut *tx)
        .await?;
        let (mut events, mut head) = (0_u64, None);
        loop {
            let rows = sqlx::query(
                "SELECT v.n, v.attempt AS event_attempt, v.state AS event_state, \
                 v.remote_id AS event_remote_id, v.detail AS event_detail, v.at AS event_at, v.prev_hash, \
                 v.hash, v.effect_key AS event_key, e.* FROM effect_events v \
                 LEFT JOIN effects e ON e.effect_key = v.effect_key WHERE v.n > $1 ORDER BY v.n LIMIT $2",
            )
            .bind(n)
            .bind(PAGE)
            .fetch_all(&mut *tx)
            .await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                match check(&row, n + 1, head)? {
                    Ok(hash) => head = Some(hash),
                    Err(broken) => return Ok(broken),
                }
                n += 1;
                events += 1;
            }
        }
        let stray: Option<String> = sqlx::query_scalar(
            "SELECT e.effect_key FROM effects e LEFT JOIN effect_events v ON v.n = \
             (SELECT max(n) FROM effect_events WHERE effect_key = e.effect_key) \
             WHERE v.n IS NULL OR v.state <> e.state OR v.attempt <> e.attempt LIMIT 1",
        )
        .fetch_optional(&mut *tx)
        .await?;
        Ok(match stray {
            Some(_key) => {
                Chain::Broken { event: 0, why: "an effect does not stand where its last event says" }
            }
            None => Chain::Intact { events, head: head.unwrap_or_default() },
        })
    }
}

/// Checks one event against the one before; gives its hash.
fn check(
    row: &SqliteRow,
    expected: i64,
    before: Option<[u8; 32]>,
) -> Result<Result<[u8; 32], Chain>, StoreError> {
    let n: i64 = row.try_get("n")?;
    let broken = |why| Ok(Err(Chain::Broken { event: n, why }));
    if n != expected {
        return broken("an event before it is missing");
    }
    if row.try_get::<Option<&str>, _>("effect_key")?.is_none() {
        return broken("its effect is missing");
    }
    let prev: &[u8] = row.try_get("prev_hash")?;
    // The first event of a journal follows nothing; the first after a cut keeps its word.
    let fits = match before {
        Some(before) => prev == before,
        None => n > 1 || prev == [0; 32],
    };
    if !fits {
        return broken("it does not follow the event before it");
    }
    let effect = read_effect(row)?;
    let event = Event {
        n,
        attempt: row.try_get("event_attempt")?,
        state: row.try_get("event_state")?,
        remote_id: row.try_get("event_remote_id")?,
        detail: row.try_get("event_detail")?,
        at: row.try_get("event_at")?,
    };
    let hash = event.hash(prev, &effect);
    if row.try_get::<&[u8], _>("hash")? == hash { Ok(Ok(hash)) } else { broken("it was changed") }
}

/// Adds an event to the end of the chain, in the transaction that changes its effect.
pub(super) async fn append(
    tx: &mut Tx,
    (key, attempt): (&EffectKey, u32),
    result: &Recorded,
    now: i64,
) -> Result<(), StoreError> {
    let last = sqlx::query("SELECT n, hash FROM effect_events ORDER BY n DESC LIMIT 1")
        .fetch_optional(&mut **tx)
        .await?;
    // Retention keeps the last event, so an empty chain is a new one.
    let (n, prev) = match last {
        Some(row) => (row.try_get::<i64, _>(0)? + 1, row.try_get::<Vec<u8>, _>(1)?),
        None => (1, vec![0; 32]),
    };
    let row = sqlx::query("SELECT * FROM effects WHERE effect_key = $1")
        .bind(key.as_str())
        .fetch_one(&mut **tx)
        .await?;
    let event = Event {
        n,
        attempt: i64::from(attempt),
        state: result.state.as_str(),
        remote_id: result.remote_id.as_deref(),
        detail: result.detail.as_deref(),
        at: now,
    };
    let hash = event.hash(&prev, &read_effect(&row)?);
    sqlx::query(
        "INSERT INTO effect_events (n, effect_key, attempt, state, remote_id, detail, at, prev_hash, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(n)
    .bind(key.as_str())
    .bind(event.attempt)
    .bind(event.state)
    .bind(event.remote_id)
    .bind(event.detail)
    .bind(now)
    .bind(prev)
    .bind(hash.as_slice())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// An event as it is hashed.
struct Event<'a> {
    n: i64,
    attempt: i64,
    state: &'a str,
    remote_id: Option<&'a str>,
    detail: Option<&'a str>,
    at: i64,
}

impl Event<'_> {
    /// Hashes the event after `prev`, with what its effect is. Every field counts with its length.
    fn hash(&self, prev: &[u8], effect: &Effect) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(bytes);
        };
        field(prev);
        field(&self.n.to_be_bytes());
        field(&self.attempt.to_be_bytes());
        field(self.state.as_bytes());
        for text in [self.remote_id, self.detail] {
            field(&[u8::from(text.is_some())]);
            field(text.unwrap_or_default().as_bytes());
        }
        field(&self.at.to_be_bytes());
        field(effect.key.as_str().as_bytes());
        field(effect.tenant.as_bytes());
        field(effect.playbook.0.as_bytes());
        field(effect.run.0.as_bytes());
        field(&effect.seq.to_be_bytes());
        field(effect.step.as_bytes());
        field(effect.action.as_bytes());
        field(effect.target.as_bytes());
        field(&[u8::from(effect.destructive)]);
        field(&effect.params_digest.0);
        hash.finalize().into()
    }
}
