//! What is in force because huntbook did it, and when it is taken back.
//!
//! What takes an action back is written with the action's intent, so it is there whatever becomes of the playbook.
//! Taking it back is a run of its own, with an intent of its own; here stands only when to begin, and how it ended.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::run::{read_playbook_id, read_run_id};
use super::said::{Saying, Speaker, say};
use super::word::{ContentHash, EffectKey, EffectState, RevertState};
use super::{Besides, NewEffect, OutboxMessage, Store, StoreError, Tx, at, count, json, open, outbox};
use crate::clock::SharedClock;
use crate::model::{PlaybookId, RunId};

/// What takes an action back.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRevert {
    /// The action that does.
    pub action: String,
    /// What is to be done, as the engine reads it.
    pub undo: Value,
    /// How long after the action it is done by itself; `None` if only when somebody asks.
    pub after: Option<SignedDuration>,
    /// Whose leave it needs, as the engine reads it.
    pub approval: Option<Value>,
    /// What the playbook is called.
    pub playbook_name: String,
    /// Its version.
    pub version: ContentHash,
    /// Who wrote it.
    pub author: Option<String>,
}

/// An action, and what takes it back.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Revert {
    /// The action.
    pub effect: EffectKey,
    /// Where it stands.
    pub effect_state: EffectState,
    /// What the tenant calls it.
    pub remote_id: Option<String>,
    /// What it is.
    pub action: String,
    /// What it acts on.
    pub target: String,
    /// The tenant.
    pub tenant: String,
    /// The playbook.
    pub playbook: PlaybookId,
    /// What it was called.
    pub playbook_name: String,
    /// Its version.
    pub version: ContentHash,
    /// Who wrote it.
    #[serde(skip)]
    pub author: Option<String>,
    /// Its run.
    pub run: RunId,
    /// When it was intended.
    pub since: Timestamp,
    /// Who gave leave for it; `None` if nobody had to.
    pub leave: Option<String>,
    /// What takes it back.
    pub undo_action: String,
    /// The same, as the engine reads it.
    #[serde(skip)]
    pub undo: Value,
    /// Whose leave that needs, as the engine reads it.
    #[serde(skip)]
    pub approval: Option<Value>,
    /// When it is taken back; `None` if nobody has asked for that.
    pub due: Option<Timestamp>,
    /// When it is looked at next.
    #[serde(skip)]
    pub look_at: Option<Timestamp>,
    /// The run that takes it back.
    pub undo_run: Option<RunId>,
    /// How often it was tried.
    pub tries: u32,
    /// Why it still stands, or how it ended.
    pub reason: Option<String>,
    /// Whether it stands.
    pub state: RevertState,
    /// Whether a person has asked for it to be taken back.
    #[serde(skip)]
    pub asked: bool,
}

/// How things stand about taking an action back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevertNote {
    /// Whether the action stands.
    pub state: RevertState,
    /// When to look again; `None` for never, until somebody asks.
    pub look_at: Option<Timestamp>,
    /// The run that takes it back.
    pub undo_run: Option<RunId>,
    /// How often it was tried.
    pub tries: u32,
    /// Why.
    pub reason: Option<String>,
}

/// Rows with what they are about.
const SELECT: &str = "SELECT r.*, e.state AS effect_state, e.remote_id, \
     (SELECT group_concat(v.approver, ' and ') FROM approvals a JOIN approval_events v ON v.approval = a.id \
      WHERE a.effect_key = r.effect_key AND v.word = 'approve') AS leave \
     FROM reverts r JOIN effects e ON e.effect_key = r.effect_key";

/// What was or may have been applied, as far as the journal knows, and nothing of huntbook's has taken it back since.
const APPLIES: &str = "r.state = 'standing' AND e.state NOT IN ('notApplied', 'failed') \
     AND NOT EXISTS (SELECT 1 FROM effects u WHERE u.tenant = r.tenant AND u.target = r.target \
     AND u.action = r.undo_action AND u.state = 'done' AND u.intended_at >= r.since)";

/// Where the same that huntbook did since is found.
const NEWER: &str = "FROM reverts n JOIN effects f ON f.effect_key = n.effect_key \
     WHERE n.tenant = r.tenant AND n.target = r.target AND n.action = r.action AND n.state = 'standing' \
     AND n.since > r.since";

/// That nothing newer which is done has taken its place.
fn is_in_place() -> String {
    format!("NOT EXISTS (SELECT 1 {NEWER} AND f.state = 'done')")
}

/// What stands, or would if what is newer were over: what has taken its place ends before it.
pub(super) fn is_wanted() -> String {
    let is_outlasted = format!("EXISTS (SELECT 1 {NEWER} AND f.state = 'done' AND n.due IS NULL)");
    format!("{APPLIES} AND ({} OR (r.due IS NULL AND NOT {is_outlasted}))", is_in_place())
}

/// Whether an action stands, as far as the journal knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// It does.
    Stands,
    /// It does, and the tenant has still to do the same once more.
    Repeated,
    /// The same was done once more since, and stands in its place.
    Replaced,
    /// It came to nothing, or was taken back.
    Over,
}

impl Store {
    /// Lists what still stands, as far as the journal knows, oldest first; what was asked for once more and is not done yet
    /// beside what it repeats.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn in_force(&self) -> Result<Vec<Revert>, StoreError> {
        let query = format!("{SELECT} WHERE {APPLIES} AND {} ORDER BY r.since, r.effect_key", is_in_place());
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(&self.0.readers).await?;
        rows.iter().map(read).collect()
    }

    /// Whether an action still stands, as far as the journal knows.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn still_stands(&self, key: &EffectKey) -> Result<Stand, StoreError> {
        let query = format!(
            "SELECT (SELECT max(f.state = 'done') {NEWER} AND f.state IN ('pending', 'done')) \
             FROM reverts r JOIN effects e ON e.effect_key = r.effect_key WHERE {APPLIES} AND r.effect_key = $1"
        );
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(key.as_str());
        let newer: Option<Option<bool>> = query.fetch_optional(&self.0.readers).await?;
        Ok(match newer {
            Some(None) => Stand::Stands,
            Some(Some(false)) => Stand::Repeated,
            Some(Some(true)) => Stand::Replaced,
            None => Stand::Over,
        })
    }

    /// Until when another action of huntbook's does the same to a target for longer, as far as the journal knows; `Some(None)`
    /// if nobody has asked for its end. The same is what the same takes back.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn stands_longer(&self, than: &Revert) -> Result<Option<Option<Timestamp>>, StoreError> {
        let query = format!(
            "{SELECT} WHERE {APPLIES} AND r.tenant = $1 AND r.action = $2 AND r.target = $3 AND r.effect_key <> $4 \
             AND e.state IN ('pending', 'done') AND coalesce(r.due > $5, 1) AND r.undo = $6 \
             ORDER BY r.due IS NOT NULL, r.due DESC LIMIT 1"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(&than.tenant).bind(&than.action);
        let query = query.bind(&than.target).bind(than.effect.as_str());
        let query =
            query.bind(than.due.unwrap_or(Timestamp::MAX).as_millisecond()).bind(than.undo.to_string());
        let row = query.fetch_optional(&self.0.readers).await?;
        Ok(row.as_ref().map(read).transpose()?.map(|one| one.due))
    }

    /// Lists what is to be looked at by `now`, because it is due, or to see what became of taking it back.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn reverts_to_look_at(&self, now: Timestamp) -> Result<Vec<Revert>, StoreError> {
        let query = format!(
            "{SELECT} WHERE r.state = 'standing' AND r.look_at <= $1 ORDER BY r.look_at, r.effect_key"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(now.as_millisecond());
        query.fetch_all(&self.0.readers).await?.iter().map(read).collect()
    }

    /// The action that a run is to take back.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn revert_of(&self, undo_run: RunId) -> Result<Option<Revert>, StoreError> {
        let query = format!("{SELECT} WHERE r.undo_run = $1");
        let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(undo_run.to_string());
        query.fetch_optional(&self.0.readers).await?.as_ref().map(read).transpose()
    }

    /// Writes down how things stand about taking an action back, and what people are told of it. `false`, and nothing is
    /// written, if somebody has written something else since it was read.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn note_revert(
        &self,
        read: &Revert,
        note: &RevertNote,
        alert: Option<&OutboxMessage>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let query = "SELECT count(*) FROM reverts WHERE effect_key = $1 AND state = 'standing' \
                     AND look_at IS $2 AND undo_run IS $3 AND tries = $4";
        let as_read: i64 = sqlx::query_scalar(query)
            .bind(read.effect.as_str())
            .bind(read.look_at.map(Timestamp::as_millisecond))
            .bind(read.undo_run.map(|run| run.to_string()))
            .bind(i64::from(read.tries))
            .fetch_one(&mut *tx)
            .await?;
        if as_read == 0 {
            return Ok(false);
        }
        self::note(&mut tx, &read.effect, note).await?;
        if let Some(alert) = alert {
            outbox::write(&mut tx, alert, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Writes into the journal at `path` that a person wants an action taken back now, and with it the same where it was asked
    /// for once more and is not done yet: whichever of them stands in the end. This works beside the process that owns the
    /// journal.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] if there is nothing of that key to be taken back; any other [`StoreError`].
    pub async fn ask_revert(
        path: &Path,
        clock: SharedClock,
        key: &EffectKey,
        by: &Speaker,
    ) -> Result<(), StoreError> {
        open::beside(path, clock, async |store: &Self| store.hear_revert(key, by).await).await
    }

    /// The same in the process that owns the journal.
    ///
    /// # Errors
    ///
    /// As [`Store::ask_revert`].
    pub async fn hear_revert(&self, key: &EffectKey, by: &Speaker) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let is_in_place = is_in_place();
        let about = format!(
            "SELECT r.tenant, r.playbook, {is_in_place} FROM reverts r \
             WHERE r.effect_key = $1 AND r.state = 'standing'"
        );
        let about = sqlx::query(sqlx::AssertSqlSafe(about)).bind(key.as_str());
        let row = about.fetch_optional(&mut *tx).await?;
        let row = row.ok_or_else(|| StoreError::Unknown { what: "action in force", id: key.to_string() })?;
        let (tenant, playbook): (String, &str) = (row.try_get(0)?, row.try_get(1)?);
        let with_others: bool = row.try_get(2)?;
        let ask = format!(
            "UPDATE reverts AS r SET due = $2, look_at = $2, tries = 0, reason = NULL, asked = 1 \
             WHERE r.state = 'standing' AND (r.effect_key = $1 OR ($3 AND {is_in_place} \
             AND (r.tenant, r.action, r.target) = (SELECT tenant, action, target FROM reverts WHERE effect_key = $1) \
             AND EXISTS (SELECT 1 FROM effects e WHERE e.effect_key = r.effect_key \
             AND e.state NOT IN ('notApplied', 'failed'))))"
        );
        // By the clock on the wall: that is what the look goes by.
        let ask =
            sqlx::query(sqlx::AssertSqlSafe(ask)).bind(key.as_str()).bind(self.now_ms()?).bind(with_others);
        ask.execute(&mut *tx).await?;
        let playbook = read_playbook_id(playbook)?;
        let saying = Saying { word: "revert", tenant: &tenant, playbook, about: key.as_str() };
        say(&mut tx, &saying, by, now).await?;
        tx.commit().await
    }
}

/// Writes down what takes an action back, inside the transaction that intends the action. What a person asked for during an
/// earlier attempt at the same holds for this one: it is due at once.
pub(super) async fn plan(
    tx: &mut Tx,
    effect: &NewEffect,
    revert: &NewRevert,
    now: i64,
) -> Result<(), StoreError> {
    let wall = tx.writer()?.clock.now().as_millisecond();
    let after = revert.after.map(|after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
    sqlx::query(
        "INSERT INTO reverts (effect_key, tenant, playbook, playbook_name, version, author, run, action, target, \
         undo_action, undo, approval, state, since, due, look_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'standing', $13, $14, $14) \
         ON CONFLICT (effect_key) DO UPDATE SET state = 'standing', since = $13, \
         due = iif(asked AND state <> 'undone', $15, $14), look_at = iif(asked AND state <> 'undone', $15, $14), \
         undo_run = NULL, tries = 0, reason = NULL, asked = asked AND state <> 'undone'",
    )
    .bind(effect.key.as_str())
    .bind(&effect.tenant)
    .bind(effect.playbook.to_string())
    .bind(&revert.playbook_name)
    .bind(revert.version.0.as_slice())
    .bind(&revert.author)
    .bind(effect.run.to_string())
    .bind(&effect.action)
    .bind(&effect.target)
    .bind(&revert.action)
    .bind(revert.undo.to_string())
    .bind(revert.approval.as_ref().map(Value::to_string))
    .bind(now)
    // By the clock on the wall: that is what the look goes by.
    .bind(after.map(|after| wall.saturating_add(after)))
    .bind(wall)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Writes down how things stand about taking an action back.
pub(super) async fn note(tx: &mut Tx, key: &EffectKey, note: &RevertNote) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE reverts SET state = $2, look_at = $3, undo_run = $4, tries = $5, reason = $6 \
         WHERE effect_key = $1",
    )
    .bind(key.as_str())
    .bind(note.state.as_str())
    .bind(note.look_at.map(Timestamp::as_millisecond))
    .bind(note.undo_run.map(|run| run.to_string()))
    .bind(i64::from(note.tries))
    .bind(&note.reason)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Writes down with a result how things stand about taking the action back, and what people are told of it. What a person
/// has asked for since it was intended is done.
pub(super) async fn note_besides(
    tx: &mut Tx,
    key: &EffectKey,
    besides: Besides<'_>,
    now: i64,
) -> Result<(), StoreError> {
    let Some(new) = besides.revert else { return Ok(()) };
    if new.state == RevertState::Standing && is_asked(tx, key).await? {
        return Ok(());
    }
    note(tx, key, new).await?;
    match besides.told {
        Some(message) => outbox::write(tx, message, now).await,
        None => Ok(()),
    }
}

async fn is_asked(tx: &mut Tx, key: &EffectKey) -> Result<bool, StoreError> {
    let query = "SELECT count(*) FROM reverts WHERE effect_key = $1 AND asked";
    let asked: i64 = sqlx::query_scalar(query).bind(key.as_str()).fetch_one(&mut **tx).await?;
    Ok(0 < asked)
}

fn read(row: &SqliteRow) -> Result<Revert, StoreError> {
    let time = |name| row.try_get::<Option<i64>, _>(name)?.map(at).transpose();
    let undo_run: Option<&str> = row.try_get("undo_run")?;
    let approval: Option<&str> = row.try_get("approval")?;
    Ok(Revert {
        effect: row.try_get::<&str, _>("effect_key")?.parse()?,
        effect_state: row.try_get::<&str, _>("effect_state")?.parse()?,
        remote_id: row.try_get("remote_id")?,
        action: row.try_get("action")?,
        target: row.try_get("target")?,
        tenant: row.try_get("tenant")?,
        playbook: read_playbook_id(row.try_get("playbook")?)?,
        playbook_name: row.try_get("playbook_name")?,
        version: ContentHash::stored(row.try_get("version")?)?,
        author: row.try_get("author")?,
        run: read_run_id(row.try_get("run")?)?,
        since: at(row.try_get("since")?)?,
        leave: row.try_get("leave")?,
        undo_action: row.try_get("undo_action")?,
        undo: json(row.try_get("undo")?)?,
        approval: approval.map(json).transpose()?,
        due: time("due")?,
        look_at: time("look_at")?,
        undo_run: undo_run.map(read_run_id).transpose()?,
        tries: count(row.try_get("tries")?)?,
        reason: row.try_get("reason")?,
        state: row.try_get::<&str, _>("state")?.parse()?,
        asked: row.try_get("asked")?,
    })
}
