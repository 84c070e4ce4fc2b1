//! Edits that raise risk and wait for a second person.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::Row as _;
use uuid::Uuid;

use super::run::read_playbook_id;
use super::said::{Saying, say};
use super::{ContentHash, Speaker, Store, StoreError, Tx, at, open};
use crate::clock::SharedClock;
use crate::model::PlaybookId;

/// The word of the second person.
const CONFIRM: &str = "confirm";

/// An edit that waits. What it is bound to is in its digest: what was in force, and what would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldEdit {
    /// Tells it from every other edit.
    pub digest: ContentHash,
    /// The playbook; `None` for a list.
    pub playbook: Option<PlaybookId>,
    /// What people call it.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Whom the playbook names as its author.
    pub author: Option<String>,
    /// Who may have written the file, if its owner says anything about that.
    pub owner: Option<u32>,
    /// What it raises, in words.
    pub risks: Vec<String>,
    /// Since when it waits.
    pub at: Timestamp,
    /// Whether somebody confirmed it.
    pub confirmed: bool,
}

impl Store {
    /// The edits that wait, by name.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn held_edits(&self) -> Result<Vec<HeldEdit>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM held_edits ORDER BY name, digest").fetch_all(&self.0.readers).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let playbook: Option<&str> = row.try_get("playbook")?;
            let risks: &str = row.try_get("risks")?;
            Ok(HeldEdit {
                digest: ContentHash::stored(row.try_get("digest")?)?,
                playbook: playbook.map(read_playbook_id).transpose()?,
                name: row.try_get("name")?,
                file: row.try_get("file")?,
                author: row.try_get("author")?,
                owner: row.try_get("owner")?,
                risks: risks.lines().map(str::to_owned).collect(),
                at: at(row.try_get("at")?)?,
                confirmed: row.try_get("confirmed")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Writes into the journal at `path` that somebody confirmed an edit; `false` if it does not wait any more. This works
    /// beside the process that owns the journal.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn confirm(
        path: &Path,
        clock: SharedClock,
        edit: &HeldEdit,
        by: &Speaker,
    ) -> Result<bool, StoreError> {
        open::beside(path, clock, async |store: &Self| store.hear_confirmed(edit, by).await).await
    }

    /// The same in the process that owns the journal.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn hear_confirmed(&self, edit: &HeldEdit, by: &Speaker) -> Result<bool, StoreError> {
        let now = self.now_ms()?;
        let mut tx = self.write().await?;
        let heard = sqlx::query("UPDATE held_edits SET confirmed = 1 WHERE digest = $1 AND confirmed = 0")
            .bind(edit.digest.0.as_slice())
            .execute(&mut *tx)
            .await?;
        if heard.rows_affected() == 0 {
            return Ok(false);
        }
        let playbook = edit.playbook.unwrap_or(PlaybookId(Uuid::nil()));
        let about = edit.digest.to_string();
        say(&mut tx, &Saying { word: CONFIRM, tenant: "", playbook, about: &about }, by, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Makes `edits` those that wait. One that stays keeps its time and what was said of it; one that came into force or is
/// gone is forgotten, and what was said of it with it.
pub(super) async fn keep_waiting(tx: &mut Tx, edits: &[HeldEdit], now: i64) -> Result<(), StoreError> {
    let known: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT digest FROM held_edits").fetch_all(&mut **tx).await?;
    for digest in known.iter().filter(|digest| edits.iter().all(|edit| edit.digest.0.as_slice() != **digest))
    {
        sqlx::query("DELETE FROM held_edits WHERE digest = $1").bind(digest).execute(&mut **tx).await?;
    }
    for edit in edits {
        sqlx::query(
            "INSERT INTO held_edits (digest, playbook, name, file, author, owner, risks, at, confirmed) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0) \
             ON CONFLICT (digest) DO UPDATE SET file = excluded.file, risks = excluded.risks",
        )
        .bind(edit.digest.0.as_slice())
        .bind(edit.playbook.map(|playbook| playbook.to_string()))
        .bind(&edit.name)
        .bind(&edit.file)
        .bind(&edit.author)
        .bind(edit.owner)
        .bind(edit.risks.join("\n"))
        .bind(now)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
