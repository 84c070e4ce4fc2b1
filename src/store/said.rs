//! What people say beside approvals and stops, in a chain of its own.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::chain::{Chained, Fields, end};
use super::run::read_playbook_id;
use super::{StoreError, Tx, at};
use crate::model::PlaybookId;

/// Who says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// The account of the operating system.
    pub account: String,
    /// Its number; `None` if huntbook says it itself.
    pub uid: Option<u32>,
    /// Why.
    pub reason: Option<String>,
}

/// Who started a run by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starter {
    /// The account of the operating system.
    pub account: String,
    /// Its number.
    pub uid: Option<u32>,
}

/// A word about to be written.
pub(super) struct Saying<'a> {
    pub(super) word: &'static str,
    pub(super) tenant: &'a str,
    pub(super) playbook: PlaybookId,
    /// An effect, or a run.
    pub(super) about: &'a str,
}

/// The number of the account where huntbook itself speaks.
const NOBODY: i64 = -1;

/// The events of what was said.
pub(super) struct WordEvents;

impl Chained for WordEvents {
    const START: &'static str = "SELECT max(0, coalesce((SELECT max(n) FROM words), 0) - $1)";
    const PAGE: &'static str = "SELECT * FROM words WHERE n > $1 ORDER BY n LIMIT $2";
    const LAST: &'static str = "SELECT n, hash FROM words ORDER BY n DESC LIMIT 1";
    const FIND: &'static str = "SELECT n FROM words WHERE hash = $1";
    // The events are all there is.
    const STRAY: &'static str = "SELECT about FROM words WHERE n < 1";
    const STRAY_WHY: &'static str = "an event stands before the first";

    fn hash(row: &SqliteRow, prev: &[u8]) -> Result<Result<[u8; 32], &'static str>, StoreError> {
        let mut fields = Fields::default();
        fields.add(prev);
        fields.add(row.try_get::<i64, _>("n")?.to_be_bytes());
        for name in ["word", "tenant", "playbook", "about", "account"] {
            fields.add(row.try_get::<&str, _>(name)?);
        }
        fields.add_text(row.try_get("reason")?);
        fields.add(row.try_get::<i64, _>("uid")?.to_be_bytes());
        fields.add(row.try_get::<i64, _>("at")?.to_be_bytes());
        Ok(Ok(fields.hash()))
    }

    fn tell(row: &SqliteRow) -> Result<Value, StoreError> {
        let text = |name| row.try_get::<Option<&str>, _>(name);
        let (n, uid, ms): (i64, i64, i64) = (row.try_get("n")?, row.try_get("uid")?, row.try_get("at")?);
        Ok(json!({
            "history": "words", "n": n, "at": at(ms)?, "word": text("word")?, "tenant": text("tenant")?,
            "playbook": read_playbook_id(row.try_get("playbook")?)?, "about": text("about")?,
            "reason": text("reason")?, "account": text("account")?,
            "uid": Some(uid).filter(|uid| *uid != NOBODY),
        }))
    }
}

/// Adds a word to the end of the chain.
pub(super) async fn say(tx: &mut Tx, saying: &Saying<'_>, by: &Speaker, now: i64) -> Result<(), StoreError> {
    let (n, prev) = end::<WordEvents>(tx).await?;
    let (playbook, uid) = (saying.playbook.to_string(), by.uid.map_or(NOBODY, i64::from));
    let mut fields = Fields::default();
    fields.add(&prev);
    fields.add(n.to_be_bytes());
    for text in [saying.word, saying.tenant, &playbook, saying.about, &by.account] {
        fields.add(text);
    }
    fields.add_text(by.reason.as_deref());
    fields.add(uid.to_be_bytes());
    fields.add(now.to_be_bytes());
    sqlx::query(
        "INSERT INTO words (n, word, tenant, playbook, about, reason, account, uid, at, prev_hash, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(n)
    .bind(saying.word)
    .bind(saying.tenant)
    .bind(playbook)
    .bind(saying.about)
    .bind(&by.reason)
    .bind(&by.account)
    .bind(uid)
    .bind(now)
    .bind(&prev)
    .bind(fields.hash().to_vec())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
