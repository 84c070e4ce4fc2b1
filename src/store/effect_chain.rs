//! The history of effects: every intent and every result.

use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::chain::{Chained, Fields, end, with};
use super::effect::{Effect, Recorded, read_effect};
use super::{EffectKey, StoreError, Tx, at};

/// The events of effects.
pub(super) struct EffectEvents;

impl Chained for EffectEvents {
    const START: &'static str = "SELECT max(value, coalesce((SELECT max(n) FROM effect_events), 0) - $1) \
         FROM facts WHERE name = 'chainCut'";
    const PAGE: &'static str = "SELECT v.n, v.attempt AS event_attempt, v.state AS event_state, \
         v.remote_id AS event_remote_id, v.detail AS event_detail, v.at AS event_at, v.prev_hash, v.hash, \
         v.effect_key AS about, r.playbook_name, e.* FROM effect_events v \
         LEFT JOIN effects e ON e.effect_key = v.effect_key LEFT JOIN runs r ON r.id = e.run WHERE v.n > $1 ORDER BY v.n LIMIT $2";
    const LAST: &'static str = "SELECT n, hash FROM effect_events ORDER BY n DESC LIMIT 1";
    const FIND: &'static str = "SELECT n FROM effect_events WHERE hash = $1";
    // What the effect itself says of its last event, what the events of its attempt said last (unless retention
    // has cut off where that began), and the instant that its budget counts from.
    const STRAY: &'static str = "SELECT e.effect_key FROM effects e LEFT JOIN effect_events v ON v.n = \
         (SELECT max(n) FROM effect_events WHERE effect_key = e.effect_key) \
         WHERE v.n IS NULL OR v.state <> e.state OR v.attempt <> e.attempt OR v.at <> e.changed_at \
         OR e.remote_id IS NOT coalesce((SELECT remote_id FROM effect_events WHERE effect_key = e.effect_key \
             AND attempt = e.attempt AND remote_id IS NOT NULL ORDER BY n DESC LIMIT 1), \
             CASE WHEN NOT EXISTS (SELECT 1 FROM effect_events WHERE effect_key = e.effect_key \
             AND attempt = e.attempt AND state = 'intended') THEN e.remote_id END) \
         OR e.detail IS NOT coalesce((SELECT detail FROM effect_events WHERE effect_key = e.effect_key \
             AND attempt = e.attempt AND detail IS NOT NULL ORDER BY n DESC LIMIT 1), \
             CASE WHEN NOT EXISTS (SELECT 1 FROM effect_events WHERE effect_key = e.effect_key \
             AND attempt = e.attempt AND state = 'intended') THEN e.detail END) \
         OR e.intended_at <> (SELECT max(at) FROM effect_events \
             WHERE effect_key = e.effect_key AND state = 'intended') LIMIT 1";
    const STRAY_WHY: &'static str = "an effect does not stand where its last event says";

    fn hash(row: &SqliteRow, prev: &[u8]) -> Result<Result<[u8; 32], &'static str>, StoreError> {
        if row.try_get::<Option<&str>, _>("effect_key")?.is_none() {
            return Ok(Err("its effect is missing"));
        }
        Ok(Ok(read(row)?.hash(prev, &read_effect(row)?)))
    }

    fn tell(row: &SqliteRow) -> Result<Value, StoreError> {
        let Event { n, attempt, state, remote_id, detail, at: ms } = read(row)?;
        let told = json!({
            "history": "effects", "n": n, "at": at(ms)?, "effect": row.try_get::<&str, _>("about")?,
            "attempt": attempt, "state": state, "remoteId": remote_id, "detail": detail,
        });
        // One that retention has left without its effect says only what it says itself.
        if row.try_get::<Option<&str>, _>("effect_key")?.is_some() {
            let Effect { run, seq, step, action, tenant, playbook, target, destructive, .. } =
                read_effect(row)?;
            return Ok(with(
                told,
                json!({
                    "run": run,
                    "item": seq,
                    "step": step,
                    "action": action,
                    "tenant": tenant,
                    "playbook": playbook,
                    "playbookName": row.try_get::<Option<&str>, _>("playbook_name")?,
                    "target": target,
                    "destructive": destructive,
                }),
            ));
        }
        Ok(told)
    }
}

fn read(row: &SqliteRow) -> Result<Event<'_>, StoreError> {
    Ok(Event {
        n: row.try_get("n")?,
        attempt: row.try_get("event_attempt")?,
        state: row.try_get("event_state")?,
        remote_id: row.try_get("event_remote_id")?,
        detail: row.try_get("event_detail")?,
        at: row.try_get("event_at")?,
    })
}

/// Adds an event to the end of the chain, in the transaction that changes its effect.
pub(super) async fn append(
    tx: &mut Tx,
    (key, attempt): (&EffectKey, u32),
    result: &Recorded,
    now: i64,
) -> Result<(), StoreError> {
    let (n, prev) = end::<EffectEvents>(tx).await?;
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
        let mut fields = Fields::default();
        fields.add(prev);
        fields.add(self.n.to_be_bytes());
        fields.add(self.attempt.to_be_bytes());
        fields.add(self.state.as_bytes());
        for text in [self.remote_id, self.detail] {
            fields.add_text(text);
        }
        fields.add(self.at.to_be_bytes());
        fields.add(effect.key.as_str().as_bytes());
        fields.add(effect.tenant.as_bytes());
        fields.add(effect.playbook.0.as_bytes());
        fields.add(effect.run.0.as_bytes());
        fields.add(effect.seq.to_be_bytes());
        fields.add(effect.step.as_bytes());
        fields.add(effect.action.as_bytes());
        fields.add(effect.target.as_bytes());
        fields.add([u8::from(effect.destructive)]);
        fields.add(effect.params_digest.0);
        fields.hash()
    }
}
