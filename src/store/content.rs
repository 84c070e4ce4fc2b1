//! Playbooks and lists as they were accepted.
//!
//! The bytes in force are here, by their hash: after a restart with a broken file on disk, the last good
//! version still runs. Beside them stand the files that were refused, so that status shows the bad edit.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::Row as _;

use super::held_edit::keep_waiting;
use super::run::read_playbook_id;
use super::{ContentHash, HeldEdit, OutboxMessage, Store, StoreError, Tx, at, json, outbox};
use crate::fault::crash_point;
use crate::model::PlaybookId;

/// A file that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted<Name> {
    /// Whose file it is: the playbook's id, or the list's name.
    pub name: Name,
    /// The file, as people know it.
    pub file: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A file that did not pass.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The file.
    pub file: String,
    /// The hash of its bytes.
    pub hash: ContentHash,
    /// What is wrong with it.
    pub diagnostics: Value,
    /// When it was refused first. [`Store::publish`] leaves it as it was while the bytes are the same.
    pub at: Timestamp,
}

/// A file that is gone, or a list that is empty, and whose last version stays in force until a person says
/// that this was meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The file.
    pub file: String,
    /// Since when.
    pub at: Timestamp,
}

/// What a reload changes. Everything becomes true in one transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Publication {
    /// Playbooks new or changed.
    pub playbooks: Vec<Accepted<PlaybookId>>,
    /// Playbooks gone.
    pub retired_playbooks: Vec<PlaybookId>,
    /// Lists new or changed.
    pub lists: Vec<Accepted<String>>,
    /// Lists gone.
    pub retired_lists: Vec<String>,
    /// Every file refused at the moment. Refusals of files that are not among them are forgotten.
    pub refusals: Vec<Refusal>,
    /// Every file held at the moment. Others are forgotten.
    pub held: Vec<String>,
    /// Every edit that waits for a second person at the moment. Others are forgotten.
    pub held_edits: Vec<HeldEdit>,
    /// What people are told of it.
    pub messages: Vec<OutboxMessage>,
}

/// A playbook in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivePlaybook {
    /// Its identity.
    pub playbook: PlaybookId,
    /// The file it came from.
    pub file: String,
    /// The hash of its bytes.
    pub hash: ContentHash,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Since when it is in force.
    pub at: Timestamp,
}

/// A list in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveList {
    /// Its name.
    pub name: String,
    /// The file it came from.
    pub file: String,
    /// The hash of its bytes.
    pub hash: ContentHash,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Since when it is in force.
    pub at: Timestamp,
}

impl Store {
    /// Puts the outcome of a reload on disk, whole.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; the journal then holds what it held.
    pub async fn publish(&self, publication: &Publication) -> Result<(), StoreError> {
        let now = self.now_ms()?;
        let mut tx = self.write().await?;
        for accepted in &publication.playbooks {
            accept_playbook(&mut tx, accepted, now).await?;
        }
        for playbook in &publication.retired_playbooks {
            retire(&mut tx, *playbook).await?;
        }
        for accepted in &publication.lists {
            accept_list(&mut tx, accepted, now).await?;
        }
        for name in &publication.retired_lists {
            sqlx::query("DELETE FROM live_lists WHERE name = $1").bind(name).execute(&mut *tx).await?;
        }
        refuse(&mut tx, &publication.refusals).await?;
        hold(&mut tx, &publication.held, now).await?;
        keep_waiting(&mut tx, &publication.held_edits, now).await?;
        for message in &publication.messages {
            outbox::write(&mut tx, message, now).await?;
        }
        tx.commit().await?;
        crash_point("c32_reload_persisted");
        Ok(())
    }

    /// Keeps the bytes that a run is about to use, so that it can be explained and taken up. It puts nothing
    /// in force.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn keep_version(&self, bytes: &[u8]) -> Result<ContentHash, StoreError> {
        let now = self.now_ms()?;
        let mut tx = self.write().await?;
        let hash = keep(&mut tx, bytes, now).await?;
        tx.commit().await?;
        Ok(hash)
    }

    /// The playbooks in force, by id.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the bytes of one are not what they were; any other [`StoreError`].
    pub async fn live_versions(&self) -> Result<Vec<LivePlaybook>, StoreError> {
        let rows = sqlx::query(
            "SELECT l.playbook, l.file, l.hash, c.bytes, l.at FROM live_playbooks l \
             JOIN contents c ON c.hash = l.hash ORDER BY l.playbook",
        )
        .fetch_all(&self.0.readers)
        .await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let (hash, bytes) = content(row.try_get(2)?, row.try_get(3)?)?;
            let playbook = read_playbook_id(row.try_get(0)?)?;
            Ok(LivePlaybook { playbook, file: row.try_get(1)?, hash, bytes, at: at(row.try_get(4)?)? })
        };
        rows.iter().map(read).collect()
    }

    /// The lists in force, by name.
    ///
    /// # Errors
    ///
    /// As [`Store::live_versions`].
    pub async fn live_lists(&self) -> Result<Vec<LiveList>, StoreError> {
        let rows = sqlx::query(
            "SELECT l.name, l.file, l.hash, c.bytes, l.at FROM live_lists l \
             JOIN contents c ON c.hash = l.hash ORDER BY l.name",
        )
        .fetch_all(&self.0.readers)
        .await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let (hash, bytes) = content(row.try_get(2)?, row.try_get(3)?)?;
            let name = row.try_get(0)?;
            Ok(LiveList { name, file: row.try_get(1)?, hash, bytes, at: at(row.try_get(4)?)? })
        };
        rows.iter().map(read).collect()
    }

    /// The bytes of a version some run used, if they are still here.
    ///
    /// # Errors
    ///
    /// As [`Store::live_versions`].
    pub async fn version_bytes(&self, hash: ContentHash) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes: Option<Vec<u8>> = sqlx::query_scalar("SELECT bytes FROM contents WHERE hash = $1")
            .bind(hash.0.as_slice())
            .fetch_optional(&self.0.readers)
            .await?;
        bytes.map(|bytes| content(&hash.0, bytes).map(|(_hash, bytes)| bytes)).transpose()
    }

    /// The files refused at the moment, by name.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn refusals(&self) -> Result<Vec<Refusal>, StoreError> {
        let rows = sqlx::query("SELECT file, hash, diagnostics, at FROM refusals ORDER BY file")
            .fetch_all(&self.0.readers)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Refusal {
                    file: row.try_get(0)?,
                    hash: ContentHash::stored(row.try_get(1)?)?,
                    diagnostics: json(row.try_get(2)?)?,
                    at: at(row.try_get(3)?)?,
                })
            })
            .collect()
    }

    /// The files held at the moment, by name.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn held(&self) -> Result<Vec<Held>, StoreError> {
        let rows = sqlx::query("SELECT file, at FROM held ORDER BY file").fetch_all(&self.0.readers).await?;
        rows.iter().map(|row| Ok(Held { file: row.try_get(0)?, at: at(row.try_get(1)?)? })).collect()
    }
}

/// Checks stored bytes against their hash.
fn content(hash: &[u8], bytes: Vec<u8>) -> Result<(ContentHash, Vec<u8>), StoreError> {
    let hash = ContentHash::stored(hash)?;
    if hash == ContentHash::of(&bytes) {
        Ok((hash, bytes))
    } else {
        Err(StoreError::Corrupt { detail: format!("the stored version {} has changed", hash.short()) })
    }
}

/// Stores bytes once. What is used again is as if it were new, so that nobody forgets it at that moment.
async fn keep(tx: &mut Tx, bytes: &[u8], now: i64) -> Result<ContentHash, StoreError> {
    let hash = ContentHash::of(bytes);
    sqlx::query(
        "INSERT INTO contents (hash, bytes, at) VALUES ($1, $2, $3) \
         ON CONFLICT (hash) DO UPDATE SET at = excluded.at",
    )
    .bind(hash.0.as_slice())
    .bind(bytes)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(hash)
}

/// Takes a playbook out of force inside a transaction, with the marks of its schedules: they would make a
/// playbook that comes back catch up on the time it was away.
async fn retire(tx: &mut Tx, playbook: PlaybookId) -> Result<(), StoreError> {
    for statement in
        ["DELETE FROM live_playbooks WHERE playbook = $1", "DELETE FROM slots WHERE playbook = $1"]
    {
        sqlx::query(statement).bind(playbook.to_string()).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Puts a playbook in force inside a transaction.
async fn accept_playbook(
    tx: &mut Tx,
    accepted: &Accepted<PlaybookId>,
    now: i64,
) -> Result<ContentHash, StoreError> {
    let hash = keep(tx, &accepted.bytes, now).await?;
    sqlx::query(
        "INSERT INTO live_playbooks (playbook, file, hash, at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (playbook) DO UPDATE SET file = excluded.file, hash = excluded.hash, at = excluded.at",
    )
    .bind(accepted.name.to_string())
    .bind(&accepted.file)
    .bind(hash.0.as_slice())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(hash)
}

/// Puts a list in force inside a transaction.
async fn accept_list(tx: &mut Tx, accepted: &Accepted<String>, now: i64) -> Result<(), StoreError> {
    let hash = keep(tx, &accepted.bytes, now).await?;
    sqlx::query(
        "INSERT INTO live_lists (name, file, hash, at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (name) DO UPDATE SET file = excluded.file, hash = excluded.hash, at = excluded.at",
    )
    .bind(&accepted.name)
    .bind(&accepted.file)
    .bind(hash.0.as_slice())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Makes `refusals` the present ones. A refusal that stays the same keeps its time.
async fn refuse(tx: &mut Tx, refusals: &[Refusal]) -> Result<(), StoreError> {
    let known: Vec<String> = sqlx::query_scalar("SELECT file FROM refusals").fetch_all(&mut **tx).await?;
    for file in known.iter().filter(|file| !refusals.iter().any(|refusal| refusal.file == **file)) {
        sqlx::query("DELETE FROM refusals WHERE file = $1").bind(file).execute(&mut **tx).await?;
    }
    for refusal in refusals {
        sqlx::query(
            "INSERT INTO refusals (file, hash, diagnostics, at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (file) DO UPDATE SET hash = excluded.hash, diagnostics = excluded.diagnostics, \
             at = CASE WHEN refusals.hash = excluded.hash THEN refusals.at ELSE excluded.at END",
        )
        .bind(&refusal.file)
        .bind(refusal.hash.0.as_slice())
        .bind(refusal.diagnostics.to_string())
        .bind(refusal.at.as_millisecond())
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Makes `files` those that are held. One that stays keeps its time.
async fn hold(tx: &mut Tx, files: &[String], now: i64) -> Result<(), StoreError> {
    let known: Vec<String> = sqlx::query_scalar("SELECT file FROM held").fetch_all(&mut **tx).await?;
    for file in known.iter().filter(|file| !files.contains(file)) {
        sqlx::query("DELETE FROM held WHERE file = $1").bind(file).execute(&mut **tx).await?;
    }
    for file in files {
        sqlx::query("INSERT INTO held (file, at) VALUES ($1, $2) ON CONFLICT (file) DO NOTHING")
            .bind(file)
            .bind(now)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}
