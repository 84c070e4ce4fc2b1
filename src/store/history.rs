//! Looking back: runs, and everything about one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::effect::read_effect;
use super::run::{read_item, read_run};
use super::word::{ContentHash, EffectState, MessageState, RunState};
use super::{Approval, Effect, Item, Run, Store, StoreError, at, count, json};
use crate::model::{PlaybookId, RunId};

/// Most runs listed at once; a page of history, not an export.
const RUNS_MAX: u32 = 1000;

/// Which runs to list. The default is the latest twenty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this playbook only.
    pub playbook: Option<PlaybookId>,
    /// Of playbooks that were called so only.
    pub name: Option<String>,
    /// In this tenant only.
    pub tenant: Option<String>,
    /// In this state only.
    pub state: Option<RunState>,
    /// Begun before this instant only.
    pub before: Option<Timestamp>,
    /// At most this many, and never more than a thousand.
    pub limit: u32,
}

impl Default for RunFilter {
    fn default() -> Self {
        Self { playbook: None, name: None, tenant: None, state: None, before: None, limit: 20 }
    }
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSummary {
    /// The run.
    #[serde(flatten)]
    pub run: Run,
    /// How many items it matched.
    pub items: u32,
    /// How many effects it intended.
    pub effects: u32,
}

/// One event of an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectEvent {
    /// Which attempt.
    pub attempt: u32,
    /// Where the effect went.
    pub state: EffectState,
    /// What the tenant calls it.
    pub remote_id: Option<String>,
    /// Why.
    pub detail: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A message in a run's history.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its identity.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// The message.
    pub body: Value,
    /// Where it stands.
    pub state: MessageState,
    /// How often it was sent or tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub reason: Option<String>,
    /// When it was enqueued.
    pub enqueued: Timestamp,
    /// When it was delivered or given up.
    pub ended: Option<Timestamp>,
    /// What keeps it from being sent a second time, if anything does.
    #[serde(skip)]
    pub dedup: Option<String>,
}

/// Everything about one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetail {
    /// The run.
    pub run: Run,
    /// What it matched, by place.
    pub items: Vec<Item>,
    /// What it did, by item and time, each with its history.
    pub effects: Vec<(Effect, Vec<EffectEvent>)>,
    /// What it told, by time.
    pub messages: Vec<Message>,
    /// Leave that it asked for, by item and place.
    pub approvals: Vec<Approval>,
}

impl Store {
    /// How many runs of a version of a playbook have ended well in a tenant, of those that were no dry run.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn runs_of_version(
        &self,
        (tenant, playbook): (&str, PlaybookId),
        version: ContentHash,
    ) -> Result<u32, StoreError> {
        let ended: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM runs WHERE tenant = $1 AND playbook = $2 AND version = $3 \
             AND state IN ('ok', 'partial') AND effects = 'apply' AND cause <> 'revert'",
        )
        .bind(tenant)
        .bind(playbook.to_string())
        .bind(version.0.as_slice())
        .fetch_one(&self.0.readers)
        .await?;
        count(ended)
    }

    /// Lists runs, the latest first.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT r.*, (SELECT count(*) FROM items i WHERE i.run = r.id) AS item_count, \
             (SELECT count(*) FROM effects e WHERE e.run = r.id) AS effect_count FROM runs r WHERE 1 = 1",
        );
        if let Some(playbook) = filter.playbook {
            query.push(" AND r.playbook = ").push_bind(playbook.to_string());
        }
        if let Some(name) = &filter.name {
            query.push(" AND r.playbook_name = ").push_bind(name);
        }
        if let Some(tenant) = &filter.tenant {
            query.push(" AND r.tenant = ").push_bind(tenant);
        }
        if let Some(state) = filter.state {
            query.push(" AND r.state = ").push_bind(state.as_str());
        }
        if let Some(before) = filter.before {
            query.push(" AND r.started < ").push_bind(before.as_millisecond());
        }
        query
            .push(" ORDER BY r.started DESC, r.id DESC LIMIT ")
            .push_bind(i64::from(filter.limit.min(RUNS_MAX)));
        let rows = query.build().fetch_all(&self.0.readers).await?;
        rows.iter()
            .map(|row| {
                let (items, effects) =
                    (count(row.try_get("item_count")?)?, count(row.try_get("effect_count")?)?);
                Ok(RunSummary { run: read_run(row)?, items, effects })
            })
            .collect()
    }

    /// Counts the runs that began at `since` or later, by how they ended: the words of the engine's reports,
    /// or `running` and `failed` for those without one.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn tally(&self, since: Timestamp) -> Result<BTreeMap<String, u32>, StoreError> {
        let rows = sqlx::query(
            "SELECT coalesce(json_extract(report, '$.state'), state), count(*) FROM runs WHERE started >= $1 \
             GROUP BY 1",
        )
        .bind(since.as_millisecond())
        .fetch_all(&self.0.readers)
        .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, count(row.try_get(1)?)?))).collect()
    }

    /// Tells everything about a run, or `None` if there is no such run.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn run(&self, run: RunId) -> Result<Option<RunDetail>, StoreError> {
        self.detail(run, None).await
    }

    /// Tells about a run what fits a page: the first `most` of its items, messages and requests, and the events of as many
    /// actions. The actions are all there, for they say how the run stands.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn run_start(&self, run: RunId, most: u32) -> Result<Option<RunDetail>, StoreError> {
        self.detail(run, Some(most)).await
    }

    async fn detail(&self, run: RunId, most: Option<u32>) -> Result<Option<RunDetail>, StoreError> {
        // To SQLite, less than nothing is no limit.
        let (id, most) = (run.to_string(), most.map_or(-1, i64::from));
        // One transaction, so that the parts fit together while the run goes on.
        let mut tx = self.0.readers.begin().await?;
        let row = sqlx::query("SELECT * FROM runs WHERE id = $1").bind(&id).fetch_optional(&mut *tx).await?;
        let Some(row) = row else { return Ok(None) };
        let run = read_run(&row)?;
        let items = sqlx::query("SELECT * FROM items WHERE run = $1 ORDER BY seq LIMIT $2")
            .bind(&id)
            .bind(most)
            .fetch_all(&mut *tx)
            .await?;
        let rows = sqlx::query("SELECT * FROM effects WHERE run = $1 ORDER BY seq, intended_at, effect_key")
            .bind(&id)
            .fetch_all(&mut *tx)
            .await?;
        let mut effects = Vec::with_capacity(rows.len());
        let told = usize::try_from(most).unwrap_or(usize::MAX);
        for row in rows {
            let effect = read_effect(&row)?;
            if told <= effects.len() {
                effects.push((effect, Vec::new()));
                continue;
            }
            let events = sqlx::query("SELECT * FROM effect_events WHERE effect_key = $1 ORDER BY n")
                .bind(effect.key.as_str())
                .fetch_all(&mut *tx)
                .await?;
            effects.push((effect, events.iter().map(read_event).collect::<Result<_, _>>()?));
        }
        let messages = sqlx::query("SELECT * FROM outbox WHERE run = $1 ORDER BY at, id LIMIT $2")
            .bind(&id)
            .bind(most)
            .fetch_all(&mut *tx)
            .await?;
        // After the rest: what is asked for is never without its item.
        drop(tx);
        let approvals = self.first_approvals_of(run.id, most).await?;
        Ok(Some(RunDetail {
            run,
            approvals,
            items: items.iter().map(read_item).collect::<Result<_, _>>()?,
            effects,
            messages: messages.iter().map(read_message).collect::<Result<_, _>>()?,
        }))
    }

    /// Finds the runs whose id begins with `text`, so that people need not type all of it. At most two: one
    /// is an answer, two are a question. Nothing is the beginning of none.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn find_runs(&self, text: &str) -> Result<Vec<RunId>, StoreError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM runs WHERE substr(id, 1, length($1)) = $1 ORDER BY id LIMIT 2",
        )
        .bind(text.to_ascii_lowercase())
        .fetch_all(&self.0.readers)
        .await?;
        ids.iter().map(|id| super::run::read_run_id(id)).collect()
    }
}

/// Reads a row of `effect_events`.
fn read_event(row: &sqlx::sqlite::SqliteRow) -> Result<EffectEvent, StoreError> {
    Ok(EffectEvent {
        attempt: count(row.try_get("attempt")?)?,
        state: row.try_get::<&str, _>("state")?.parse()?,
        remote_id: row.try_get("remote_id")?,
        detail: row.try_get("detail")?,
        at: at(row.try_get("at")?)?,
    })
}

/// Reads a row of `outbox`.
fn read_message(row: &sqlx::sqlite::SqliteRow) -> Result<Message, StoreError> {
    Ok(Message {
        id: row.try_get("id")?,
        channel: row.try_get("channel")?,
        body: json(row.try_get("body")?)?,
        state: row.try_get::<&str, _>("state")?.parse()?,
        attempts: count(row.try_get("attempts")?)?,
        reason: row.try_get("reason")?,
        enqueued: at(row.try_get("at")?)?,
        ended: row.try_get::<Option<i64>, _>("ended")?.map(at).transpose()?,
        dedup: row.try_get("dedup")?,
    })
}
