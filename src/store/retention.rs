//! Forgetting: old runs and what hangs on them, in small batches, so that nobody waits for the writer.

use jiff::{SignedDuration, Timestamp};
use sqlx::Row as _;

use super::revert::is_wanted;
use super::{Store, StoreError, Tx, at};
use crate::fault::crash_point;

/// Shortest time anything is kept. The budgets look back a day and a schedule may be a week long; forgetting
/// an identity or an effect while the tenant still returns it would act on it again.
const KEEP_MIN: SignedDuration = SignedDuration::from_hours(24 * 7);

/// How much later than the last sweep a sweep believes that it is. Sweeps come four times a day, so a process
/// that was away catches up in a while, and a clock that jumps by years forgets little before somebody notices.
const LATER_MAX_MS: i64 = 24 * 60 * 60 * 1000;

/// How long what stands keeps its history, until it is taken back here. A year: of what people end in the portal the
/// journal never learns, and all that came after it is kept with it.
const STANDS_MAX_MS: i64 = 366 * 24 * 60 * 60 * 1000;

/// Rows deleted in one transaction: a few milliseconds of the writer's time.
const BATCH: i64 = 500;

/// Messages that may wait for one channel. Beyond, the oldest are given up: at one a second this is more
/// than a day of a channel that is down.
const WAITING_MAX: i64 = 100_000;

/// What a sweep deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Runs, with their items, effects and messages.
    pub runs: u64,
    /// Events of effects.
    pub events: u64,
    /// Events of approvals.
    pub approvals: u64,
    /// Identities no longer seen.
    pub identities: u64,
    /// Suppressions that are over.
    pub suppressions: u64,
    /// Versions of files that no run and no playbook uses.
    pub versions: u64,
    /// Messages that belong to no run and were delivered or given up.
    pub notices: u64,
    /// Messages given up because too many wait for their channel.
    pub messages: u64,
}

impl Store {
    /// Deletes what ended more than `keep` before `now`; at least the last seven days stay. What waits for
    /// a person or for a channel stays, with everything it hangs on, and so does for a year what stands. Of a clock that
    /// jumped, one sweep believes a day.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; what was deleted before it stays deleted.
    pub async fn retention(&self, now: Timestamp, keep: SignedDuration) -> Result<Swept, StoreError> {
        let believed = self.believed(now).await?;
        let cutoff = believed.checked_sub(keep.max(KEEP_MIN)).unwrap_or(Timestamp::MIN).as_millisecond();
        let mut swept = Swept::default();
        let stood = believed.as_millisecond().saturating_sub(STANDS_MAX_MS);
        while sweep_events(&mut swept, self.write().await?, (cutoff, stood)).await? {
            crash_point("c35_retention_delete");
        }
        while sweep_approvals(&mut swept, self.write().await?, cutoff).await? {
            crash_point("c35_retention_delete");
        }
        while sweep_runs(&mut swept, self.write().await?, cutoff).await? {
            crash_point("c35_retention_delete");
        }
        swept.identities = self
            .sweep(
                "DELETE FROM seen WHERE (tenant, playbook, identity) IN \
                 (SELECT tenant, playbook, identity FROM seen WHERE last_at < $1 LIMIT $2)",
                cutoff,
            )
            .await?;
        swept.suppressions = self
            .sweep(
                "DELETE FROM suppressions WHERE (tenant, playbook, item_key) IN \
                 (SELECT tenant, playbook, item_key FROM suppressions WHERE until < $1 LIMIT $2)",
                cutoff,
            )
            .await?;
        swept.versions = self
            .sweep(
                "DELETE FROM contents WHERE hash IN (SELECT hash FROM contents c WHERE c.at < $1 \
                 AND NOT EXISTS (SELECT 1 FROM live_playbooks l WHERE l.hash = c.hash) \
                 AND NOT EXISTS (SELECT 1 FROM live_lists l WHERE l.hash = c.hash) \
                 AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.version = c.hash) LIMIT $2)",
                cutoff,
            )
            .await?;
        swept.notices = self
            .sweep(
                "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE run IS NULL \
                 AND state <> 'pending' AND ended < $1 LIMIT $2)",
                cutoff,
            )
            .await?;
        swept.messages = self.shed(now).await?;
        Ok(swept)
    }

    /// How late it is, as far as that can be believed after the last sweep, or after the last run if there was
    /// none; notes it for the next.
    async fn believed(&self, now: Timestamp) -> Result<Timestamp, StoreError> {
        let now = now.as_millisecond();
        let mut tx = self.write().await?;
        let last: Option<i64> = sqlx::query_scalar(
            "SELECT coalesce((SELECT value FROM facts WHERE name = 'swept'), (SELECT max(started) FROM runs))",
        )
        .fetch_one(&mut *tx)
        .await?;
        let believed = last.map_or(now, |last| now.min(last.saturating_add(LATER_MAX_MS)));
        if believed < now {
            tracing::warn!(
                "the clock is far ahead of the last sweep: only a day of history is let go at once"
            );
        }
        sqlx::query("INSERT INTO facts (name, value) VALUES ('swept', $1) ON CONFLICT (name) DO UPDATE SET value = $1")
            .bind(believed)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        at(believed)
    }

    /// Runs one statement that deletes at most $2 rows older than $1, until it finds none.
    async fn sweep(&self, statement: &'static str, cutoff: i64) -> Result<u64, StoreError> {
        let mut total = 0;
        loop {
            let mut tx = self.write().await?;
            let deleted =
                sqlx::query(statement).bind(cutoff).bind(BATCH).execute(&mut *tx).await?.rows_affected();
            tx.commit().await?;
            total += deleted;
            if deleted == 0 {
                return Ok(total);
            }
            crash_point("c35_retention_delete");
        }
    }

    /// Gives up the oldest messages of channels that too many wait for.
    async fn shed(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.write().await?;
        let crowded = sqlx::query(
            "SELECT channel, count(*) FROM outbox WHERE state = 'pending' GROUP BY channel HAVING count(*) > $1",
        )
        .bind(WAITING_MAX)
        .fetch_all(&mut *tx)
        .await?;
        let mut shed = 0;
        for row in crowded {
            let (channel, waiting): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            shed += sqlx::query(
                "UPDATE outbox SET state = 'dead', reason = 'too many messages wait for the channel', ended = $1 \
                 WHERE id IN (SELECT id FROM outbox WHERE state = 'pending' AND channel = $2 \
                 ORDER BY at, id LIMIT $3)",
            )
            .bind(now.as_millisecond())
            .bind(channel)
            .bind(waiting - WAITING_MAX)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        }
        tx.commit().await?;
        Ok(shed)
    }
}

/// Cuts a prefix off the chain of events: old ones, before the first event of any effect that is still open,
/// and never the last one of all. What the tenant accepted and never told the end of is open as long as it is
/// young, what stands as long as it was done after `stood`. Effects left without events go with them.
async fn sweep_events(
    swept: &mut Swept,
    mut tx: Tx,
    (cutoff, stood): (i64, i64),
) -> Result<bool, StoreError> {
    let last = format!(
        "SELECT max(n) FROM (SELECT n FROM effect_events WHERE at < $1 \
         AND n < (SELECT max(n) FROM effect_events) \
         AND n < coalesce((SELECT min(v.n) FROM effect_events v JOIN effects e ON e.effect_key = v.effect_key \
             WHERE e.state IN ('intended', 'unknown', 'parked') \
             OR EXISTS (SELECT 1 FROM reverts r WHERE r.effect_key = e.effect_key AND r.state = 'standing' \
                 AND r.look_at IS NOT NULL) OR (e.state = 'pending' AND e.changed_at >= $1)), 9223372036854775807) \
         AND n < coalesce((SELECT min((SELECT min(v.n) FROM effect_events v WHERE v.effect_key = r.effect_key)) \
             FROM reverts r JOIN effects e ON e.effect_key = r.effect_key \
             WHERE r.since >= $3 AND {}), 9223372036854775807) \
         AND n < coalesce((SELECT min(n) FROM effect_events WHERE at >= $1), 9223372036854775807) \
         ORDER BY n LIMIT $2)",
        is_wanted()
    );
    let last: Option<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(last))
        .bind(cutoff)
        .bind(BATCH)
        .bind(stood)
        .fetch_one(&mut *tx)
        .await?;
    let Some(last) = last else { return Ok(false) };
    sqlx::query("UPDATE facts SET value = $1 WHERE name = 'chainCut'").bind(last).execute(&mut *tx).await?;
    let events = sqlx::query("DELETE FROM effect_events WHERE n <= $1")
        .bind(last)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    sqlx::query(
        "DELETE FROM effects WHERE changed_at < $1 AND NOT EXISTS \
         (SELECT 1 FROM effect_events v WHERE v.effect_key = effects.effect_key)",
    )
    .bind(cutoff)
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM reverts WHERE effect_key NOT IN (SELECT effect_key FROM effects)")
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    swept.events += events;
    Ok(true)
}

/// Cuts a prefix off the chain of approvals, like that of effects: old events, before the first of any
/// request that is still open or whose action stands, and never the last one of all. Requests left without events go with
/// them.
async fn sweep_approvals(swept: &mut Swept, mut tx: Tx, cutoff: i64) -> Result<bool, StoreError> {
    let last: Option<i64> = sqlx::query_scalar(
        "SELECT max(n) FROM (SELECT n FROM approval_events WHERE at < $1 \
         AND n < (SELECT max(n) FROM approval_events) \
         AND n < coalesce((SELECT min(v.n) FROM approval_events v JOIN approvals a ON a.id = v.approval \
             WHERE a.settled = 0 OR a.effect_key IN (SELECT effect_key FROM reverts WHERE state = 'standing')), \
             9223372036854775807) \
         AND n < coalesce((SELECT min(n) FROM approval_events WHERE at >= $1), 9223372036854775807) \
         ORDER BY n LIMIT $2)",
    )
    .bind(cutoff)
    .bind(BATCH)
    .fetch_one(&mut *tx)
    .await?;
    let Some(last) = last else { return Ok(false) };
    sqlx::query("UPDATE facts SET value = $1 WHERE name = 'approvalCut'")
        .bind(last)
        .execute(&mut *tx)
        .await?;
    let events = sqlx::query("DELETE FROM approval_events WHERE n <= $1")
        .bind(last)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    sqlx::query(
        "DELETE FROM approvals WHERE NOT EXISTS \
         (SELECT 1 FROM approval_events v WHERE v.approval = approvals.id)",
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    swept.approvals += events;
    Ok(true)
}

/// Deletes a batch of runs that ended long ago and that nothing hangs on any more.
async fn sweep_runs(swept: &mut Swept, mut tx: Tx, cutoff: i64) -> Result<bool, StoreError> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM runs r WHERE r.finished < $1 AND r.state <> 'running' \
         AND NOT EXISTS (SELECT 1 FROM items i WHERE i.run = r.id AND i.outcome = 'matched') \
         AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.run = r.id) \
         AND NOT EXISTS (SELECT 1 FROM approvals a WHERE a.run = r.id) \
         AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.run = r.id AND o.state = 'pending') \
         ORDER BY r.started LIMIT $2",
    )
    .bind(cutoff)
    .bind(BATCH / 10)
    .fetch_all(&mut *tx)
    .await?;
    for id in &ids {
        sqlx::query("DELETE FROM items WHERE run = $1").bind(id).execute(&mut *tx).await?;
        sqlx::query("DELETE FROM outbox WHERE run = $1").bind(id).execute(&mut *tx).await?;
        sqlx::query("DELETE FROM runs WHERE id = $1").bind(id).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    swept.runs += u64::try_from(ids.len()).unwrap_or(0);
    Ok(!ids.is_empty())
}
