//! The kill switch: while somebody's stop stands, nothing is intended, so nothing is sent.
//!
//! Words are events in a chain of their own, written beside the process that owns the journal like those about
//! approvals. [`Store::intend`] looks in its own transaction: once a stop is written, no intent passes. Where the journal
//! takes no word, a file beside it is one (`stop_file`), and stands among the others.

use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::chain::{Chained, Fields, end};
use super::run::read_playbook_id;
use super::word::Way;
use super::{ContentHash, Store, StoreError, Tx, at, count, open, stop_file};
use crate::clock::SharedClock;
use crate::fault::crash_point;
use crate::model::PlaybookId;

/// A person's word about all actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopWord {
    /// The tenant it is about, by its name in the settings; `None` for all.
    pub tenant: Option<String>,
    /// The playbook it is about; `None` for all.
    pub playbook: Option<StoppedPlaybook>,
    /// Why.
    pub reason: Option<String>,
    /// The account of the operating system.
    pub account: String,
    /// Its number; `None` if huntbook says it itself.
    pub uid: Option<u32>,
    /// Which way it came; `None` if huntbook says it itself.
    pub way: Option<Way>,
}

/// A playbook that is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoppedPlaybook {
    /// Its identity.
    pub id: PlaybookId,
    /// What it was called.
    pub name: String,
}

/// A stop that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stop {
    /// The tenant; `None` for all.
    pub tenant: Option<String>,
    /// The playbook; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playbook: Option<StoppedPlaybook>,
    /// Why.
    pub reason: Option<String>,
    /// The account that said it.
    pub account: String,
    /// Its number; `None` if huntbook said it itself.
    pub uid: Option<u32>,
    /// Which way it came; `None` if huntbook said it itself, or that was not noted yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// When; the epoch if nobody can tell.
    pub at: Timestamp,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.playbook, &self.tenant) {
            (None, None) => f.write_str("all actions are stopped")?,
            (None, Some(tenant)) => write!(f, "actions in `{tenant}` are stopped")?,
            (Some(playbook), None) => write!(f, "actions of `{}` are stopped", playbook.name)?,
            (Some(playbook), Some(tenant)) => {
                write!(f, "actions of `{}` in `{tenant}` are stopped", playbook.name)?;
            }
        }
        if self.at != Timestamp::UNIX_EPOCH {
            write!(f, " since {:.0}", self.at)?;
        }
        write!(f, " by {}", self.account)?;
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// What somebody saw who lifts a stop: that one, or all there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenStop<'a> {
    /// One, by its [`Stop::mark`].
    One(&'a str),
    /// All, by [`Stop::mark_of_all`].
    All(&'a str),
}

/// What came of somebody's `stop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// It stands from now on.
    Now(Stop),
    /// The same stands already; nothing was written.
    Before(Stop),
}

impl Store {
    /// Writes a stop into the journal at `path`; from then on nothing is intended. This works beside the process
    /// that owns the journal.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; the stop does then not stand.
    pub async fn stop(path: &Path, clock: SharedClock, word: &StopWord) -> Result<Stopped, StoreError> {
        let store = beside(path, clock).await?;
        let stopped = store.halt(word).await;
        store.close().await;
        stopped
    }

    /// Writes into the journal at `path` that actions are taken again: lifts the stops of the word's playbook, or the
    /// stop of its tenant, or without either every stop. Returns what it lifted.
    ///
    /// # Errors
    ///
    /// [`StoreError::StopFile`] if the file beside the journal cannot be removed: that stands, and the stops of the journal
    /// are lifted. After any other [`StoreError`] what stood stands.
    pub async fn resume(path: &Path, clock: SharedClock, word: &StopWord) -> Result<Vec<Stop>, StoreError> {
        let store = beside(path, clock).await?;
        let resumed = store.lift(word).await;
        store.close().await;
        resumed
    }

    /// Lists the stops that stand, oldest first, and at the end the one that is a file beside the journal.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn stops(&self) -> Result<Vec<Stop>, StoreError> {
        let mut all = self.stops_written().await?;
        // Looked for last: what is there by now counts.
        all.extend(stop_file::look(self.path()));
        Ok(all)
    }

    /// The same of the journal alone.
    pub(super) async fn stops_written(&self) -> Result<Vec<Stop>, StoreError> {
        let rows = sqlx::query(STANDING).fetch_all(&self.0.readers).await?;
        rows.iter().map(read_stop).collect()
    }

    /// The stop that stands in the way of a playbook's actions in a tenant, if one does. The binding look is
    /// [`Store::intend`]'s.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn stopped(&self, whose: (&str, PlaybookId)) -> Result<Option<Stop>, StoreError> {
        Ok(self.stops().await?.into_iter().find(|stop| holds(stop, whose)))
    }

    /// As [`Store::stop`], in the process that owns the journal.
    ///
    /// # Errors
    ///
    /// As [`Store::stop`].
    pub async fn halt(&self, word: &StopWord) -> Result<Stopped, StoreError> {
        let mut tx = self.write().await?;
        if let Some(stop) = standing(&mut tx).await?.into_iter().find(|stop| stop.is_for(word)) {
            return Ok(Stopped::Before(stop));
        }
        let now = tx.now().await?;
        let stop = append(&mut tx, "stop", word, now).await?;
        tx.commit().await?;
        crash_point("c33_stop_written");
        Ok(Stopped::Now(stop))
    }

    /// As [`Store::resume`], in the process that owns the journal.
    ///
    /// # Errors
    ///
    /// As [`Store::resume`].
    pub async fn lift(&self, word: &StopWord) -> Result<Vec<Stop>, StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let mut lifted = self.standing_in(&mut tx).await?;
        lifted.retain(|stop| match (&word.playbook, &word.tenant) {
            (None, None) => true,
            (None, Some(_tenant)) => stop.is_for(word),
            (Some(_playbook), tenant) => {
                stop.playbook_id() == word.playbook_id() && (tenant.is_none() || stop.tenant == *tenant)
            }
        });
        self.end_each(tx, &lifted, (word, now)).await?;
        Ok(lifted)
    }

    /// Lifts what somebody saw, and nothing else: one stop, or all if no other stands by now. Returns what it lifted;
    /// nothing if it stands otherwise than it was seen. Whose stops they are is not taken from `word`.
    ///
    /// # Errors
    ///
    /// As [`Store::resume`].
    pub async fn lift_seen(&self, seen: SeenStop<'_>, word: &StopWord) -> Result<Vec<Stop>, StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let mut lifted = self.standing_in(&mut tx).await?;
        match seen {
            SeenStop::One(mark) => lifted.retain(|stop| stop.mark().to_string() == mark),
            SeenStop::All(mark) if Stop::mark_of_all(&lifted).to_string() == mark => {}
            SeenStop::All(_others) => lifted.clear(),
        }
        self.end_each(tx, &lifted, (word, now)).await?;
        Ok(lifted)
    }

    /// The stops that stand: those of the journal, and the one that is a file.
    async fn standing_in(&self, tx: &mut Tx) -> Result<Vec<Stop>, StoreError> {
        let mut all = standing(tx).await?;
        all.extend(stop_file::look(self.path()));
        Ok(all)
    }

    /// Writes that these stops do not stand any more. What a file said is in the history from then on, and the file goes
    /// last: as long as it is there it stops. The stop of the journal that is about the same is somebody else's word: if it
    /// was not lifted too, it is said again.
    async fn end_each(
        &self,
        mut tx: Tx,
        stops: &[Stop],
        (word, now): (&StopWord, i64),
    ) -> Result<(), StoreError> {
        let is_file = |stop: &&Stop| stop.way == Some(Way::File);
        for stop in stops {
            let mut stays = None;
            if is_file(&stop) {
                stays = standing(&mut tx)
                    .await?
                    .into_iter()
                    .find(|other| other.is_for(&stop.word()) && !stops.contains(other));
                append(&mut tx, "stop", &stop.word(), now).await?;
            }
            let (tenant, playbook) = (stop.tenant.clone(), stop.playbook.clone());
            append(&mut tx, "resume", &StopWord { tenant, playbook, ..word.clone() }, now).await?;
            if let Some(stop) = stays {
                // Since when it stands, too: it is the one that people saw.
                let (word, since) = stop.into_word();
                append(&mut tx, "stop", &word, since.as_millisecond()).await?;
            }
        }
        // What fails from here on counts anew.
        tx.go_past(now).await?;
        tx.commit().await?;
        if stops.iter().any(|stop| is_file(&stop)) { stop_file::remove(self.path()) } else { Ok(()) }
    }
}

impl Stop {
    /// Most characters of one that are shown: why it was said, and the one that it ended.
    pub const SHOWN_MAX: usize = 4000;

    /// Tells it from every other stop, also from a later one of the same.
    #[must_use]
    pub fn mark(&self) -> ContentHash {
        let mut fields = Fields::default();
        fields.add_text(self.tenant.as_deref());
        fields.add_text(self.playbook_id().map(|id| id.to_string()).as_deref());
        fields.add_text(self.reason.as_deref());
        fields.add(&self.account);
        fields.add(self.at.as_millisecond().to_be_bytes());
        ContentHash(fields.hash())
    }

    /// Tells these stops from any others, however they are sorted.
    #[must_use]
    pub fn mark_of_all(stops: &[Self]) -> ContentHash {
        let mut marks: Vec<_> = stops.iter().map(|stop| stop.mark().0).collect();
        marks.sort_unstable();
        let mut fields = Fields::default();
        for mark in marks {
            fields.add(mark);
        }
        ContentHash(fields.hash())
    }

    /// The word that it is, for the history.
    pub(super) fn word(&self) -> StopWord {
        let (word, at) = self.clone().into_word();
        StopWord { reason: Some(format!("since {at:.0}: {}", word.reason.unwrap_or_default())), ..word }
    }

    /// What was said, and when.
    fn into_word(self) -> (StopWord, Timestamp) {
        let Self { tenant, playbook, reason, account, uid, way, at } = self;
        (StopWord { tenant, playbook, reason, account, uid, way }, at)
    }

    /// Whether all that another one stops is stopped by this one too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        (self.tenant.is_none() || self.tenant == other.tenant)
            && (self.playbook.is_none() || self.playbook_id() == other.playbook_id())
    }

    /// Whether it is the stop that a word is about.
    pub(super) fn is_for(&self, word: &StopWord) -> bool {
        self.tenant == word.tenant && self.playbook_id() == word.playbook_id()
    }

    fn playbook_id(&self) -> Option<PlaybookId> {
        self.playbook.as_ref().map(|playbook| playbook.id)
    }
}

impl StopWord {
    fn playbook_id(&self) -> Option<PlaybookId> {
        self.playbook.as_ref().map(|playbook| playbook.id)
    }
}

/// The events of stops.
pub(super) struct StopEvents;

impl Chained for StopEvents {
    const START: &'static str = "SELECT max(0, coalesce((SELECT max(n) FROM stop_events), 0) - $1)";
    const PAGE: &'static str = "SELECT *, tenant AS about FROM stop_events WHERE n > $1 ORDER BY n LIMIT $2";
    const LAST: &'static str = "SELECT n, hash FROM stop_events ORDER BY n DESC LIMIT 1";
    const FIND: &'static str = "SELECT n FROM stop_events WHERE hash = $1";
    // The events are all there is.
    const STRAY: &'static str = "SELECT coalesce(tenant, '') FROM stop_events WHERE n < 1";
    const STRAY_WHY: &'static str = "an event stands before the first";

    fn hash(row: &SqliteRow, prev: &[u8]) -> Result<Result<[u8; 32], &'static str>, StoreError> {
        Ok(Ok(hash(prev, (row.try_get("n")?, row.try_get("word")?), &read_stop(row)?)))
    }

    fn tell(row: &SqliteRow) -> Result<Value, StoreError> {
        let Stop { tenant, playbook, reason, account, uid, way, at } = read_stop(row)?;
        let (n, word): (i64, &str) = (row.try_get("n")?, row.try_get("word")?);
        Ok(json!({
            "history": "stops", "n": n, "at": at, "word": word, "tenant": tenant,
            "playbook": playbook, "reason": reason, "account": account, "uid": uid, "way": way,
        }))
    }
}

/// The number of the account where huntbook itself speaks.
const NOBODY: i64 = -1;

/// Most characters of a stop that are said again in the one that ends it: a person's reason, and who gave it when.
const BEFORE_MAX: usize = 2000;

/// Opens the journal for a word: beside its owner, or as its owner where there is none yet of this form.
async fn beside(path: &Path, clock: SharedClock) -> Result<Store, StoreError> {
    match open::open_beside(path, SharedClock::clone(&clock)).await {
        Err(StoreError::Missing { .. } | StoreError::Older) => open::open(path, clock).await,
        opened => opened,
    }
}

/// The latest word about each playbook, each tenant and all, where it is a stop.
const STANDING: &str = "SELECT * FROM stop_events WHERE word = 'stop' \
     AND n IN (SELECT max(n) FROM stop_events GROUP BY tenant, playbook) ORDER BY n";

pub(super) async fn standing(tx: &mut Tx) -> Result<Vec<Stop>, StoreError> {
    sqlx::query(STANDING).fetch_all(&mut **tx).await?.iter().map(read_stop).collect()
}

/// The stop that stands in the way of an action, inside the transaction that would intend it.
pub(super) async fn in_the_way(tx: &mut Tx, whose: (&str, PlaybookId)) -> Result<Option<Stop>, StoreError> {
    Ok(standing(tx).await?.into_iter().find(|stop| holds(stop, whose)))
}

fn holds(stop: &Stop, (tenant, playbook): (&str, PlaybookId)) -> bool {
    stop.tenant.as_deref().is_none_or(|one| one == tenant)
        && stop.playbook_id().is_none_or(|one| one == playbook)
}

/// Adds a stop that huntbook says itself. One that is about the same and stands ends with it, so whoever lifts the new one
/// reads that too.
pub(super) async fn append_own(tx: &mut Tx, word: StopWord, now: i64) -> Result<Stop, StoreError> {
    let before = standing(tx).await?.into_iter().find(|stop| stop.is_for(&word));
    let reason = match before {
        Some(before) => {
            let before: String = before.to_string().chars().take(BEFORE_MAX).collect();
            Some(format!("{}; and before that, {before}", word.reason.unwrap_or_default()))
        }
        None => word.reason,
    };
    append(tx, "stop", &StopWord { reason, ..word }, now).await
}

/// Adds an event to the end of the chain.
pub(super) async fn append(tx: &mut Tx, what: &str, word: &StopWord, now: i64) -> Result<Stop, StoreError> {
    let (n, prev) = end::<StopEvents>(tx).await?;
    let StopWord { tenant, playbook, reason, account, uid, way } = word.clone();
    let stop = Stop { tenant, playbook, reason, account, uid, way, at: at(now)? };
    sqlx::query(
        "INSERT INTO stop_events (n, tenant, word, reason, account, uid, at, prev_hash, hash, playbook, \
         playbook_name, way) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(n)
    .bind(&stop.tenant)
    .bind(what)
    .bind(&stop.reason)
    .bind(&stop.account)
    .bind(stop.uid.map_or(NOBODY, i64::from))
    .bind(now)
    .bind(&prev)
    .bind(hash(&prev, (n, what), &stop).to_vec())
    .bind(stop.playbook_id().map(|id| id.to_string()))
    .bind(stop.playbook.as_ref().map(|playbook| playbook.name.as_str()))
    .bind(stop.way.map(Way::as_str))
    .execute(&mut **tx)
    .await?;
    Ok(stop)
}

fn read_stop(row: &SqliteRow) -> Result<Stop, StoreError> {
    let id: Option<&str> = row.try_get("playbook")?;
    let name: Option<String> = row.try_get("playbook_name")?;
    let playbook = match id {
        Some(id) => Some(StoppedPlaybook { id: read_playbook_id(id)?, name: name.unwrap_or_default() }),
        None => None,
    };
    let uid: i64 = row.try_get("uid")?;
    Ok(Stop {
        tenant: row.try_get("tenant")?,
        playbook,
        reason: row.try_get("reason")?,
        account: row.try_get("account")?,
        uid: if uid == NOBODY { None } else { Some(count(uid)?) },
        way: row.try_get::<Option<&str>, _>("way")?.map(str::parse).transpose()?,
        at: at(row.try_get("at")?)?,
    })
}

/// Hashes an event after `prev`. Every field counts with its length.
fn hash(prev: &[u8], (n, word): (i64, &str), stop: &Stop) -> [u8; 32] {
    let mut fields = Fields::default();
    fields.add(prev);
    fields.add(n.to_be_bytes());
    fields.add(word.as_bytes());
    for text in [stop.tenant.as_deref(), stop.reason.as_deref()] {
        fields.add_text(text);
    }
    fields.add(stop.account.as_bytes());
    match stop.uid {
        Some(uid) => fields.add(uid.to_be_bytes()),
        None => fields.add(NOBODY.to_be_bytes()),
    }
    fields.add(stop.at.as_millisecond().to_be_bytes());
    // Stops of playbooks came later: the others are hashed as they were before.
    if let Some(playbook) = &stop.playbook {
        fields.add(playbook.id.0.as_bytes());
        fields.add(playbook.name.as_bytes());
    }
    // So did ways.
    if let Some(way) = stop.way {
        fields.add(way.as_str().as_bytes());
    }
    fields.hash()
}
