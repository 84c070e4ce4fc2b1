//! What waits for people's leave: requests, what people said of them, and what became of them.
//!
//! A request is written in the transaction that settles its item, and spent in the transaction that intends
//! its call ([`Store::intend`]): between the two nothing is lost and nothing is done twice. It is bound to
//! the digest of what was shown. Every word of a person and every step is an event in a chain of hashes.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::approval_chain::{Saying, append};
use super::run::{read_playbook_id, read_run_id};
use super::word::{ApprovalState, Consent, Way};
use super::{ContentHash, EffectKey, Store, StoreError, Tx, at, count, json, open};
use crate::clock::SharedClock;
use crate::fault::crash_point;
use crate::model::{PlaybookId, RunId};

/// A request about to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewApproval {
    /// The key of the call it asks leave for.
    pub effect: EffectKey,
    /// The place of the call among those of its item, from 0.
    pub place: u32,
    /// The step of the playbook.
    pub step: String,
    /// The action, as playbooks write it.
    pub action: String,
    /// What it acts on, in the journal's spelling.
    pub target: String,
    /// Who is told, by the channel's name.
    pub channel: String,
    /// How many people must say yes.
    pub minimum: u32,
    /// Everything that is shown, as canonical JSON; the request is bound to its hash.
    pub shown: String,
    /// When it ends, by [`Store::time`].
    pub expires: Timestamp,
}

impl NewApproval {
    /// The identity of the request: it is that of what is shown.
    #[must_use]
    pub fn id(&self) -> String {
        EffectKey::of(&[&ContentHash::of(self.shown.as_bytes()).0]).to_string()
    }
}

/// A stored request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Its identity.
    pub id: String,
    /// The key of the call.
    pub effect: EffectKey,
    /// The tenant.
    pub tenant: String,
    /// The playbook.
    pub playbook: PlaybookId,
    /// The run.
    pub run: RunId,
    /// The item.
    pub seq: u32,
    /// The place of the call in its item.
    pub place: u32,
    /// The step.
    pub step: String,
    /// The action.
    pub action: String,
    /// What it acts on.
    pub target: String,
    /// Who is told.
    pub channel: String,
    /// How many people must say yes.
    pub minimum: u32,
    /// The hash of what is shown.
    pub digest: ContentHash,
    /// What is shown, as it was hashed.
    #[serde(skip)]
    pub shown: String,
    /// Where it stands.
    pub state: ApprovalState,
    /// Why it stands there.
    pub reason: Option<String>,
    /// Whether its item knows.
    pub settled: bool,
    /// When it was asked for.
    pub asked: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
    /// What people said, oldest first.
    pub voices: Vec<Voice>,
}

impl Approval {
    /// What is shown, member by member.
    #[must_use]
    pub fn shown(&self) -> Value {
        serde_json::from_str(&self.shown).unwrap_or_default()
    }
}

/// What a person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Voice {
    /// Yes or no.
    pub word: Consent,
    /// The approver, by the name in the settings.
    pub by: String,
    /// The account of the operating system that said it, or the OpenID provider's id of a person.
    pub account: String,
    /// The account's number.
    pub uid: Option<u32>,
    /// Which way it came; `None` if that was not noted yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// Why.
    pub note: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Voice {
    /// By what approvers are told apart.
    #[must_use]
    pub fn who(&self) -> (&str, Option<u32>) {
        (&self.account, self.uid)
    }
}

/// A word about to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVoice {
    /// Yes or no.
    pub word: Consent,
    /// The approver.
    pub by: String,
    /// The account of the operating system, or the OpenID provider's id of a person.
    pub account: String,
    /// The account's number.
    pub uid: Option<u32>,
    /// Which way it came.
    pub way: Way,
    /// Why.
    pub note: Option<String>,
}

/// What came of a word.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// It counts; the request stands so now.
    Counts(Box<Approval>),
    /// The request does not hear that any more, or its time is over; nothing was written.
    TooLate(Box<Approval>),
    /// The same approver or account has said yes already; nothing was written.
    Twice(Box<Approval>),
}

/// What becomes of a request with its item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// Which.
    pub id: String,
    /// Where it ends; the state it has already is fine.
    pub state: ApprovalState,
    /// Why.
    pub reason: Option<String>,
}

impl Store {
    /// Lists requests of which something may still come, the soonest to expire first.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn open_approvals(&self) -> Result<Vec<Approval>, StoreError> {
        let query = "SELECT * FROM approvals WHERE settled = 0 ORDER BY expires_at, run, seq, place";
        self.read_approvals(sqlx::query(query).fetch_all(&self.0.readers).await?).await
    }

    /// Lists the latest requests, open or not, newest first.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn latest_approvals(&self, limit: u32) -> Result<Vec<Approval>, StoreError> {
        let query = "SELECT * FROM approvals ORDER BY asked_at DESC, id LIMIT $1";
        let rows = sqlx::query(query).bind(i64::from(limit)).fetch_all(&self.0.readers).await?;
        self.read_approvals(rows).await
    }

    /// Lists the requests of a run, by item and place.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn approvals_of(&self, run: RunId) -> Result<Vec<Approval>, StoreError> {
        self.first_approvals_of(run, -1).await
    }

    /// The same, at most so many; all if that is less than none.
    pub(super) async fn first_approvals_of(
        &self,
        run: RunId,
        most: i64,
    ) -> Result<Vec<Approval>, StoreError> {
        let query = sqlx::query("SELECT * FROM approvals WHERE run = $1 ORDER BY seq, place LIMIT $2");
        let rows = query.bind(run.to_string()).bind(most).fetch_all(&self.0.readers).await?;
        self.read_approvals(rows).await
    }

    /// Finds the requests whose id begins with `text`. At most two: one is an answer, two are a question. Nothing is
    /// the beginning of none.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn find_approvals(&self, text: &str) -> Result<Vec<Approval>, StoreError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let query = "SELECT * FROM approvals WHERE substr(id, 1, length($1)) = $1 ORDER BY id LIMIT 2";
        let rows = sqlx::query(query).bind(text.to_ascii_lowercase()).fetch_all(&self.0.readers).await?;
        self.read_approvals(rows).await
    }

    /// The runs, with their playbooks and tenants, that have an item to go on with: people decided about its
    /// first request, or time did. Runs that have not ended are left out.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn decided(&self) -> Result<Vec<(PlaybookId, String, RunId)>, StoreError> {
        let rows = sqlx::query(
            "SELECT DISTINCT a.playbook, a.tenant, a.run FROM approvals a JOIN runs r ON r.id = a.run \
             WHERE a.settled = 0 AND r.state <> 'running' AND (a.state <> 'awaiting' OR a.expires_at <= $1) \
             AND NOT EXISTS (SELECT 1 FROM approvals b WHERE b.run = a.run AND b.seq = a.seq \
             AND b.place < a.place AND b.settled = 0 AND b.state = 'awaiting' AND b.expires_at > $1) \
             ORDER BY a.run",
        )
        .bind(self.time().await?.as_millisecond())
        .fetch_all(&self.0.readers)
        .await?;
        let read = |row: &SqliteRow| {
            Ok((read_playbook_id(row.try_get(0)?)?, row.try_get(1)?, read_run_id(row.try_get(2)?)?))
        };
        rows.iter().map(read).collect()
    }

    /// Writes a person's word about a request into the journal at `path`.
    ///
    /// This works beside the process that owns the journal, as [`Store::resolve`] does: whatever either side
    /// does to a request happens in one transaction that looks at it first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] if there is no such request; any other [`StoreError`].
    pub async fn speak(
        path: &Path,
        clock: SharedClock,
        id: &str,
        voice: &NewVoice,
    ) -> Result<Heard, StoreError> {
        open::beside(path, clock, async |store: &Self| store.hear(id, voice).await).await
    }

    /// The same in the process that owns the journal.
    ///
    /// # Errors
    ///
    /// As [`Store::speak`].
    pub async fn hear(&self, id: &str, voice: &NewVoice) -> Result<Heard, StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let known = find(&mut tx, id).await?;
        if !known.state.hears(voice.word) || known.expires.as_millisecond() <= now {
            return Ok(Heard::TooLate(Box::new(known)));
        }
        let mut said = known.voices.iter().filter(|said| said.word == Consent::Approve);
        let is_same = |said: &Voice| {
            said.by == voice.by
                || said.account == voice.account
                || said.uid.is_some_and(|uid| voice.uid == Some(uid))
        };
        if voice.word == Consent::Approve && said.any(is_same) {
            return Ok(Heard::Twice(Box::new(known)));
        }
        let yes = known.voices.iter().filter(|said| said.word == Consent::Approve).count() + 1;
        let state = match voice.word {
            Consent::Deny => ApprovalState::Rejected,
            Consent::Approve if u32::try_from(yes).unwrap_or(u32::MAX) >= known.minimum => {
                ApprovalState::Approved
            }
            Consent::Approve => ApprovalState::Awaiting,
        };
        let why = voice.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
        let reason = match voice.word {
            Consent::Deny => Some(format!("denied by {}{why}", voice.by)),
            Consent::Approve => None,
        };
        step(&mut tx, &known, (state, reason.as_deref()), now).await?;
        append(&mut tx, &known, &Saying::of(state, voice), now).await?;
        let heard = find(&mut tx, id).await?;
        tx.commit().await?;
        crash_point("c34_word_heard");
        Ok(Heard::Counts(Box::new(heard)))
    }

    async fn read_approvals(&self, rows: Vec<SqliteRow>) -> Result<Vec<Approval>, StoreError> {
        let mut approvals = Vec::with_capacity(rows.len());
        for row in rows {
            let id: String = row.try_get("id")?;
            let voices = sqlx::query(VOICES).bind(&id).fetch_all(&self.0.readers).await?;
            approvals.push(read_approval(&row, &voices)?);
        }
        Ok(approvals)
    }
}

/// What people said of a request.
const VOICES: &str = "SELECT word, approver, account, uid, way, note, at FROM approval_events \
     WHERE approval = $1 AND word IS NOT NULL ORDER BY n";

/// Writes requests and their first events inside a transaction.
pub(super) async fn ask(
    tx: &mut Tx,
    (run, seq): (RunId, u32),
    asked: &[NewApproval],
) -> Result<(), StoreError> {
    let now = tx.now().await?;
    let (tenant, playbook) = super::run::playbook_of(tx, run).await?;
    for new in asked {
        let id = new.id();
        sqlx::query(
            "INSERT INTO approvals (id, effect_key, tenant, playbook, run, seq, place, step, action, target, \
             channel, minimum, digest, shown, state, asked_at, expires_at, changed_at) VALUES \
             ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'awaiting', $15, $16, $15)",
        )
        .bind(&id)
        .bind(new.effect.as_str())
        .bind(&tenant)
        .bind(playbook.to_string())
        .bind(run.to_string())
        .bind(i64::from(seq))
        .bind(i64::from(new.place))
        .bind(&new.step)
        .bind(&new.action)
        .bind(&new.target)
        .bind(&new.channel)
        .bind(i64::from(new.minimum))
        .bind(ContentHash::of(new.shown.as_bytes()).0.to_vec())
        .bind(&new.shown)
        .bind(now)
        .bind(new.expires.as_millisecond())
        .execute(&mut **tx)
        .await?;
        let known = find(tx, &id).await?;
        append(tx, &known, &Saying::silent(ApprovalState::Awaiting, None), now).await?;
    }
    Ok(())
}

/// Ends requests inside the transaction that settles their item. What has ended meanwhile, by somebody's word, stays as
/// it ended.
pub(super) async fn close(tx: &mut Tx, closings: &[Closing]) -> Result<(), StoreError> {
    for closing in closings {
        let (known, now) = (find(tx, &closing.id).await?, tx.now().await?);
        if known.state.is_open() && known.state != closing.state {
            step(tx, &known, (closing.state, closing.reason.as_deref()), now).await?;
            append(tx, &known, &Saying::silent(closing.state, closing.reason.as_deref()), now).await?;
        }
        sqlx::query("UPDATE approvals SET settled = 1 WHERE id = $1")
            .bind(&closing.id)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Spends the leave for a call inside the transaction that intends it. Says no if there is none for exactly
/// this, or none any more.
pub(super) async fn consume(
    tx: &mut Tx,
    effect: &EffectKey,
    digest: ContentHash,
    now: i64,
) -> Result<bool, StoreError> {
    let id: Option<String> = sqlx::query_scalar(
        "SELECT id FROM approvals WHERE effect_key = $1 AND digest = $2 AND state = 'approved' \
         AND expires_at > $3",
    )
    .bind(effect.as_str())
    .bind(digest.0.to_vec())
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(id) = id else { return Ok(false) };
    let known = find(tx, &id).await?;
    step(tx, &known, (ApprovalState::Consumed, None), now).await?;
    append(tx, &known, &Saying::silent(ApprovalState::Consumed, None), now).await?;
    Ok(true)
}

async fn step(
    tx: &mut Tx,
    known: &Approval,
    (state, reason): (ApprovalState, Option<&str>),
    now: i64,
) -> Result<(), StoreError> {
    if known.state == state {
        return Ok(());
    }
    sqlx::query("UPDATE approvals SET state = $2, reason = $3, changed_at = $4 WHERE id = $1")
        .bind(&known.id)
        .bind(state.as_str())
        .bind(reason)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn find(tx: &mut Tx, id: &str) -> Result<Approval, StoreError> {
    let row = sqlx::query("SELECT * FROM approvals WHERE id = $1").bind(id).fetch_optional(&mut **tx).await?;
    let row = row.ok_or_else(|| StoreError::Unknown { what: "approval", id: id.to_owned() })?;
    let voices = sqlx::query(VOICES).bind(id).fetch_all(&mut **tx).await?;
    read_approval(&row, &voices)
}

/// Reads a row of `approvals` and its voices.
pub(super) fn read_approval(row: &SqliteRow, voices: &[SqliteRow]) -> Result<Approval, StoreError> {
    let voice = |row: &SqliteRow| {
        Ok::<_, StoreError>(Voice {
            word: row.try_get::<&str, _>("word")?.parse()?,
            by: row.try_get("approver")?,
            account: row.try_get("account")?,
            uid: row.try_get::<Option<i64>, _>("uid")?.map(count).transpose()?,
            way: row.try_get::<Option<&str>, _>("way")?.map(str::parse).transpose()?,
            note: row.try_get("note")?,
            at: at(row.try_get("at")?)?,
        })
    };
    let shown: String = row.try_get("shown")?;
    json(&shown)?;
    Ok(Approval {
        id: row.try_get("id")?,
        effect: row.try_get::<&str, _>("effect_key")?.parse()?,
        tenant: row.try_get("tenant")?,
        playbook: read_playbook_id(row.try_get("playbook")?)?,
        run: read_run_id(row.try_get("run")?)?,
        seq: count(row.try_get("seq")?)?,
        place: count(row.try_get("place")?)?,
        step: row.try_get("step")?,
        action: row.try_get("action")?,
        target: row.try_get("target")?,
        channel: row.try_get("channel")?,
        minimum: count(row.try_get("minimum")?)?,
        digest: ContentHash::stored(row.try_get("digest")?)?,
        shown,
        state: row.try_get::<&str, _>("state")?.parse()?,
        reason: row.try_get("reason")?,
        settled: row.try_get::<i64, _>("settled")? != 0,
        asked: at(row.try_get("asked_at")?)?,
        expires: at(row.try_get("expires_at")?)?,
        changed: at(row.try_get("changed_at")?)?,
        voices: voices.iter().map(voice).collect::<Result<_, _>>()?,
    })
}
