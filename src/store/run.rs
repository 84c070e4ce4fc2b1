//! Runs and what they matched.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::seen::{Identity, mark_seen};
use super::word::{ContentHash, Effects, RunMode, RunState, Trigger};
use super::{
    Closing, NewApproval, NewSuppression, NextTime, OutboxMessage, Polled, Starter, Store, StoreError, Tx,
    approval, at, json, outbox, slot, suppress, undone, watermark,
};
use crate::fault::crash_point;
use crate::model::{PlaybookId, RunId};

/// The outcome of an item nobody has dealt with yet.
pub(super) const MATCHED: &str = "matched";

/// Rows written by one statement: each statement is a trip to the writer's thread and back, and each row up
/// to seven of SQLite's 32,766 variables.
pub(super) const ROWS_PER_INSERT: usize = 250;

/// A run about to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Its identity.
    pub id: RunId,
    /// Whose run it is.
    pub playbook: PlaybookId,
    /// What the playbook is called at the moment.
    pub playbook_name: String,
    /// The bytes the run uses from start to end.
    pub version: ContentHash,
    /// The tenant, by its name in the settings.
    pub tenant: String,
    /// Why it runs.
    pub trigger: Trigger,
    /// Who started it, if it was by hand.
    pub by: Option<Starter>,
    /// The slot of the schedule it stands for.
    pub scheduled_for: Option<Timestamp>,
    /// Whether the playbook may act.
    pub mode: RunMode,
    /// Whether actions reach the tenant.
    pub effects: Effects,
    /// When it began.
    pub started: Timestamp,
}

/// Whether a run may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is on disk.
    New,
    /// Its slot has had a run; nothing was written.
    SlotTaken,
}

/// An item a run matched.
#[derive(Debug, Clone, PartialEq)]
pub struct NewItem {
    /// Its place in the run, counted from 0.
    pub seq: u32,
    /// What makes it the same item next time; without one it is never a duplicate.
    pub identity: Option<Identity>,
    /// What people call it, and what suppression goes by.
    pub key: String,
    /// The item.
    pub data: Value,
}

/// A stored item.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Its place in the run.
    pub seq: u32,
    /// What people call it.
    pub key: String,
    /// The item.
    pub data: Value,
    /// What became of it; `matched` until it is settled.
    pub outcome: String,
    /// Why.
    pub reason: Option<String>,
    /// When it was matched or settled.
    pub at: Timestamp,
}

/// A stored run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its identity.
    pub id: RunId,
    /// Whose run it is.
    pub playbook: PlaybookId,
    /// What the playbook was called.
    pub playbook_name: String,
    /// The bytes it used.
    pub version: ContentHash,
    /// The tenant.
    pub tenant: String,
    /// Why it ran.
    pub trigger: Trigger,
    /// Who started it, if it was by hand.
    pub by: Option<Starter>,
    /// The slot of the schedule it stood for.
    pub scheduled_for: Option<Timestamp>,
    /// Whether the playbook might act.
    pub mode: RunMode,
    /// Whether actions reached the tenant.
    pub effects: Effects,
    /// Where it stands.
    pub state: RunState,
    /// Whether its matches are on disk.
    pub batched: bool,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// How many rows, matches, duplicates and so on, as the engine counts them.
    pub counts: Value,
    /// The engine's report.
    pub report: Value,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// `ok`, `partial` or `failed`.
    pub state: RunState,
    /// Why, if it failed.
    pub error: Option<String>,
    /// The final counts.
    pub counts: Value,
    /// The engine's report.
    pub report: Value,
    /// If the messages tell of items that were left undone: a digest of what was in force, so that the same
    /// in another situation is news.
    pub undone: Option<ContentHash>,
}

/// What became of an item, and what else becomes true with it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settlement {
    /// Which item.
    pub seq: u32,
    /// What became of it, for instance `acted`, `skipped`, `failed`.
    pub outcome: String,
    /// Why.
    pub reason: Option<String>,
    /// What it is when a later run meets it.
    pub next_time: NextTime,
    /// What to keep quiet about from now on.
    pub suppress: Vec<NewSuppression>,
    /// What people are to be told.
    pub messages: Vec<OutboxMessage>,
    /// Leave that people are asked for.
    pub ask: Vec<NewApproval>,
    /// Requests that are over with it.
    pub close: Vec<Closing>,
}

impl Store {
    /// Writes a run down, and if it stands for a slot, marks the slot in the same transaction.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; the run must then not begin.
    pub async fn begin_run(&self, run: &NewRun) -> Result<Begun, StoreError> {
        let epoch = self.opening()?.epoch;
        self.insist_on_reserve()?;
        let mut tx = self.write().await?;
        let due = run.scheduled_for.map(Timestamp::as_millisecond);
        let inserted = sqlx::query(
            "INSERT INTO runs (id, tenant, playbook, playbook_name, version, cause, scheduled_for, mode, \
             effects, state, started, account, uid, epoch) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'running', $10, $11, $12, $13) \
             ON CONFLICT (tenant, playbook, scheduled_for) WHERE scheduled_for IS NOT NULL DO NOTHING",
        )
        .bind(run.id.to_string())
        .bind(&run.tenant)
        .bind(run.playbook.to_string())
        .bind(&run.playbook_name)
        .bind(run.version.0.as_slice())
        .bind(run.trigger.as_str())
        .bind(due)
        .bind(run.mode.as_str())
        .bind(run.effects.as_str())
        .bind(run.started.as_millisecond())
        .bind(run.by.as_ref().map(|by| by.account.as_str()))
        .bind(run.by.as_ref().and_then(|by| by.uid))
        .bind(epoch)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if inserted == 0 {
            return Ok(Begun::SlotTaken);
        }
        if let Some(due) = due {
            slot::mark(&mut tx, &run.tenant, run.playbook, due).await?;
        }
        tx.commit().await?;
        Ok(Begun::New)
    }

    /// Stores what a run matched and marks it as seen, in one transaction: from here on a crash loses
    /// nothing, and the same items are duplicates for every later run.
    ///
    /// May be called again with further items of the same run; a place taken twice is an error.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; nothing of the batch is then stored.
    pub async fn commit_batch(
        &self,
        run: RunId,
        items: &[NewItem],
        counts: &Value,
    ) -> Result<(), StoreError> {
        self.commit_poll(run, items, counts, &Polled::default()).await
    }

    /// The same of a poll: what else is known and how far it has come is stored in that transaction.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; nothing of the batch is then stored, and the watermark stays.
    pub async fn commit_poll(
        &self,
        run: RunId,
        items: &[NewItem],
        counts: &Value,
        polled: &Polled,
    ) -> Result<(), StoreError> {
        let now = self.now_ms()?;
        let id = run.to_string();
        let mut tx = self.write().await?;
        let owner = sqlx::query(
            "UPDATE runs SET batched = 1, counts = $2 WHERE id = $1 AND state = 'running' \
             RETURNING tenant, playbook",
        )
        .bind(&id)
        .bind(counts.to_string())
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::Unknown { what: "running run", id: id.clone() })?;
        let (tenant, playbook): (String, String) = (owner.try_get(0)?, owner.try_get(1)?);
        for chunk in items.chunks(ROWS_PER_INSERT) {
            let mut query = QueryBuilder::<Sqlite>::new(
                "INSERT INTO items (run, seq, identity, item_key, data, outcome, at) ",
            );
            query.push_values(chunk, |mut row, item| {
                row.push_bind(&id).push_bind(i64::from(item.seq));
                row.push_bind(item.identity.as_ref().map(<[u8; 16]>::as_slice));
                row.push_bind(&item.key).push_bind(item.data.to_string()).push_bind(MATCHED).push_bind(now);
            });
            query.build().execute(&mut *tx).await?;
        }
        let own = items.iter().filter_map(|item| item.identity);
        let identities: BTreeSet<Identity> = own.chain(polled.known.iter().copied()).collect();
        if let Some(mark) = &polled.watermark {
            watermark::move_on(&mut tx, (&tenant, &playbook), mark).await?;
        }
        mark_seen(&mut tx, (&tenant, &playbook, &id), &identities, now).await?;
        crash_point("c19_batch_written");
        tx.commit().await?;
        crash_point("c06_batch_journalled");
        Ok(())
    }

    /// Settles an item together with the messages about it and what it suppresses, in one transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] if the run has no such item; any other [`StoreError`].
    pub async fn settle(&self, run: RunId, settlement: &Settlement) -> Result<(), StoreError> {
        self.settle_all(run, std::slice::from_ref(settlement)).await
    }

    /// Settles many items in one transaction, each once: all or none.
    ///
    /// # Errors
    ///
    /// As [`Store::settle`].
    pub async fn settle_all(&self, run: RunId, settlements: &[Settlement]) -> Result<(), StoreError> {
        let now = self.now_ms()?;
        let mut tx = self.write().await?;
        settle_in(&mut tx, run, settlements, now).await?;
        tx.commit().await?;
        crash_point("c17_after_outbox");
        Ok(())
    }

    /// Settles items of a run that has ended anew, because people decided about them: what its end says is
    /// replaced in the same transaction, and people are told.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] if there is no such run or item; any other [`StoreError`].
    pub async fn amend_run(
        &self,
        run: RunId,
        settlements: &[Settlement],
        end: &RunEnd,
        messages: &[OutboxMessage],
    ) -> Result<(), StoreError> {
        let now = self.now_ms()?;
        let mut tx = self.write().await?;
        settle_in(&mut tx, run, settlements, now).await?;
        let changed = sqlx::query(
            "UPDATE runs SET state = $2, counts = $3, report = $4 WHERE id = $1 AND state <> 'running'",
        )
        .bind(run.to_string())
        .bind(end.state.as_str())
        .bind(end.counts.to_string())
        .bind(end.report.to_string())
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if changed == 0 {
            return Err(StoreError::Unknown { what: "ended run", id: run.to_string() });
        }
        for message in messages {
            outbox::write(&mut tx, message, now).await?;
        }
        tx.commit().await
    }

    /// Ends a run together with the messages about it and the note of what they tell, in one transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] if there is no such run; any other [`StoreError`].
    pub async fn finish_run(
        &self,
        run: RunId,
        end: &RunEnd,
        messages: &[OutboxMessage],
    ) -> Result<(), StoreError> {
        let now = self.now_ms()?;
        let mut tx = self.write().await?;
        let changed = sqlx::query(
            "UPDATE runs SET state = $2, error = $3, counts = $4, report = $5, finished = $6 WHERE id = $1",
        )
        .bind(run.to_string())
        .bind(end.state.as_str())
        .bind(&end.error)
        .bind(end.counts.to_string())
        .bind(end.report.to_string())
        .bind(now)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if changed == 0 {
            return Err(StoreError::Unknown { what: "run", id: run.to_string() });
        }
        for message in messages {
            outbox::write(&mut tx, message, now).await?;
        }
        if let Some(situation) = end.undone {
            undone::told(&mut tx, run, situation, now).await?;
        }
        tx.commit().await
    }
}

/// Settles items inside a transaction.
async fn settle_in(tx: &mut Tx, run: RunId, settlements: &[Settlement], now: i64) -> Result<(), StoreError> {
    let id = run.to_string();
    for ((outcome, reason), items) in alike(settlements) {
        settle_alike(tx, (&id, outcome, reason), &items, now).await?;
    }
    let suppressions: Vec<(u32, &NewSuppression)> = settlements
        .iter()
        .flat_map(|settlement| settlement.suppress.iter().map(|one| (settlement.seq, one)))
        .collect();
    suppress::write(tx, run, &suppressions, now).await?;
    for settlement in settlements {
        if !settlement.ask.is_empty() {
            approval::ask(tx, (run, settlement.seq), &settlement.ask).await?;
        }
        approval::close(tx, &settlement.close).await?;
        for message in &settlement.messages {
            outbox::write(tx, message, now).await?;
        }
    }
    undone::open_settled(tx, &id, settlements).await
}

/// Items by what became of them: most of a large run share a few outcomes and reasons.
fn alike(settlements: &[Settlement]) -> BTreeMap<(&str, Option<&str>), BTreeSet<u32>> {
    let mut alike: BTreeMap<_, BTreeSet<u32>> = BTreeMap::new();
    for settlement in settlements {
        let key = (settlement.outcome.as_str(), settlement.reason.as_deref());
        alike.entry(key).or_default().insert(settlement.seq);
    }
    alike
}

/// Settles items that share an outcome and a reason.
async fn settle_alike(
    tx: &mut Tx,
    (run, outcome, reason): (&str, &str, Option<&str>),
    items: &BTreeSet<u32>,
    now: i64,
) -> Result<(), StoreError> {
    let items: Vec<u32> = items.iter().copied().collect();
    for chunk in items.chunks(ROWS_PER_INSERT) {
        let mut query = QueryBuilder::<Sqlite>::new("UPDATE items SET outcome = ");
        query.push_bind(outcome).push(", reason = ").push_bind(reason).push(", at = ").push_bind(now);
        query.push(" WHERE run = ").push_bind(run).push(" AND seq IN (");
        let mut list = query.separated(", ");
        for seq in chunk {
            list.push_bind(i64::from(*seq));
        }
        query.push(") RETURNING seq");
        let rows = query.build().fetch_all(&mut **tx).await?;
        let mut known = BTreeSet::new();
        for row in rows {
            known.insert(super::count(row.try_get(0)?)?);
        }
        if let Some(missing) = chunk.iter().find(|seq| !known.contains(seq)) {
            return Err(StoreError::Unknown { what: "item", id: format!("{run}/{missing}") });
        }
    }
    Ok(())
}

/// Reads a row of `runs`.
pub(super) fn read_run(row: &SqliteRow) -> Result<Run, StoreError> {
    let when = |column: &str| -> Result<Option<Timestamp>, StoreError> {
        row.try_get::<Option<i64>, _>(column)?.map(at).transpose()
    };
    let (account, uid) = (row.try_get::<Option<String>, _>("account")?, row.try_get("uid")?);
    Ok(Run {
        by: account.map(|account| Starter { account, uid }),
        id: read_run_id(row.try_get("id")?)?,
        playbook: read_playbook_id(row.try_get("playbook")?)?,
        playbook_name: row.try_get("playbook_name")?,
        version: ContentHash::stored(row.try_get("version")?)?,
        tenant: row.try_get("tenant")?,
        trigger: row.try_get::<&str, _>("cause")?.parse()?,
        scheduled_for: when("scheduled_for")?,
        mode: row.try_get::<&str, _>("mode")?.parse()?,
        effects: row.try_get::<&str, _>("effects")?.parse()?,
        state: row.try_get::<&str, _>("state")?.parse()?,
        batched: row.try_get::<i64, _>("batched")? != 0,
        started: at(row.try_get("started")?)?,
        finished: when("finished")?,
        error: row.try_get("error")?,
        counts: json(row.try_get("counts")?)?,
        report: json(row.try_get("report")?)?,
    })
}

/// Reads a row of `items`.
pub(super) fn read_item(row: &SqliteRow) -> Result<Item, StoreError> {
    Ok(Item {
        seq: super::count(row.try_get("seq")?)?,
        key: row.try_get("item_key")?,
        data: json(row.try_get("data")?)?,
        outcome: row.try_get("outcome")?,
        reason: row.try_get("reason")?,
        at: at(row.try_get("at")?)?,
    })
}

/// Reads a stored run id.
pub(super) fn read_run_id(text: &str) -> Result<RunId, StoreError> {
    text.parse()
        .map_err(|_id| StoreError::Unreadable { what: "a run id", text: text.chars().take(64).collect() })
}

/// Reads a stored playbook id.
pub(super) fn read_playbook_id(text: &str) -> Result<PlaybookId, StoreError> {
    // Both ids are UUIDs.
    read_run_id(text).map(|id| PlaybookId(id.0))
}

/// Finds a run inside a transaction.
pub(super) async fn playbook_of(tx: &mut Tx, run: RunId) -> Result<(String, PlaybookId), StoreError> {
    let row = sqlx::query("SELECT tenant, playbook FROM runs WHERE id = $1")
        .bind(run.to_string())
        .fetch_optional(&mut **tx)
        .await?
        .ok_or_else(|| StoreError::Unknown { what: "run", id: run.to_string() })?;
    Ok((row.try_get(0)?, read_playbook_id(row.try_get(1)?)?))
}
