//! The chain of what people decided: every request, word and step is an event that carries the hash of the
//! one before it, and what it is about is hashed along.

use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::approval::{Approval, NewVoice, read_approval};
use super::word::ApprovalState;
use super::{Chain, Store, StoreError, Tx};

/// What is said in an event.
pub(super) struct Saying<'a> {
    state: ApprovalState,
    voice: Option<&'a NewVoice>,
    note: Option<&'a str>,
}

impl<'a> Saying<'a> {
    /// A person's word, and where it leaves the request.
    pub(super) fn of(state: ApprovalState, voice: &'a NewVoice) -> Self {
        Self { state, voice: Some(voice), note: voice.note.as_deref() }
    }

    /// A step of the program.
    pub(super) const fn silent(state: ApprovalState, note: Option<&'a str>) -> Self {
        Self { state, voice: None, note }
    }
}

impl Store {
    /// Looks through the whole history of approvals.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; a broken chain is no error but an answer.
    pub async fn verify_approvals(&self) -> Result<Chain, StoreError> {
        let mut tx = self.0.readers.begin().await?;
        let cut: i64 = sqlx::query_scalar("SELECT value FROM facts WHERE name = 'approvalCut'")
            .fetch_one(&mut *tx)
            .await?;
        let rows = sqlx::query(
            "SELECT v.n, v.state AS event_state, v.word, v.approver, v.account, v.uid, v.note, \
             v.at AS event_at, v.prev_hash, v.hash, a.* FROM approval_events v \
             LEFT JOIN approvals a ON a.id = v.approval WHERE v.n > $1 ORDER BY v.n",
        )
        .bind(cut)
        .fetch_all(&mut *tx)
        .await?;
        let (mut events, mut head, mut n) = (0, None, cut);
        for row in &rows {
            n += 1;
            match check(row, n, head)? {
                Ok(hash) => head = Some(hash),
                Err(why) => return Ok(Chain::Broken { event: row.try_get("n")?, why }),
            }
            events += 1;
        }
        let stray: Option<String> = sqlx::query_scalar(
            "SELECT a.id FROM approvals a LEFT JOIN approval_events v ON v.n = \
             (SELECT max(n) FROM approval_events WHERE approval = a.id) \
             WHERE v.n IS NULL OR v.state <> a.state LIMIT 1",
        )
        .fetch_optional(&mut *tx)
        .await?;
        Ok(match stray {
            Some(_id) => {
                Chain::Broken { event: 0, why: "an approval does not stand where its last event says" }
            }
            None => Chain::Intact { events, head: head.unwrap_or_default() },
        })
    }
}

/// Checks one event against the one before; gives its hash.
fn check(
    row: &SqliteRow,
    expected: i64,
    before: Option<[u8; 32]>,
) -> Result<Result<[u8; 32], &'static str>, StoreError> {
    if row.try_get::<i64, _>("n")? != expected {
        return Ok(Err("an approval's event before it is missing"));
    }
    if row.try_get::<Option<&str>, _>("id")?.is_none() {
        return Ok(Err("its approval is missing"));
    }
    let prev: &[u8] = row.try_get("prev_hash")?;
    let fits = match before {
        Some(before) => prev == before,
        None => expected > 1 || prev == [0; 32],
    };
    if !fits {
        return Ok(Err("an approval's event does not follow the one before it"));
    }
    let approval = read_approval(row, &[])?;
    if super::ContentHash::of(approval.shown.as_bytes()) != approval.digest {
        return Ok(Err("what was shown for an approval was changed"));
    }
    let event = Event {
        n: expected,
        state: row.try_get("event_state")?,
        texts: [
            row.try_get("word")?,
            row.try_get("approver")?,
            row.try_get("account")?,
            row.try_get("note")?,
        ],
        uid: row.try_get("uid")?,
        at: row.try_get("event_at")?,
    };
    let hash = event.hash(prev, &approval);
    Ok(if row.try_get::<&[u8], _>("hash")? == hash { Ok(hash) } else { Err("an approval was changed") })
}

/// Adds an event to the end of the chain, in the transaction that changes its request.
pub(super) async fn append(
    tx: &mut Tx,
    approval: &Approval,
    saying: &Saying<'_>,
    now: i64,
) -> Result<(), StoreError> {
    let last = sqlx::query("SELECT n, hash FROM approval_events ORDER BY n DESC LIMIT 1")
        .fetch_optional(&mut **tx)
        .await?;
    let (n, prev) = match last {
        Some(row) => (row.try_get::<i64, _>(0)? + 1, row.try_get::<Vec<u8>, _>(1)?),
        None => (1, vec![0; 32]),
    };
    let voice = saying.voice;
    let event = Event {
        n,
        state: saying.state.as_str(),
        texts: [
            voice.map(|voice| voice.word.as_str()),
            voice.map(|voice| voice.by.as_str()),
            voice.map(|voice| voice.account.as_str()),
            saying.note,
        ],
        uid: voice.map(|voice| i64::from(voice.uid)),
        at: now,
    };
    let hash = event.hash(&prev, approval);
    let [word, approver, account, note] = event.texts;
    sqlx::query(
        "INSERT INTO approval_events (n, approval, state, word, approver, account, uid, note, at, prev_hash, \
         hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(n)
    .bind(&approval.id)
    .bind(event.state)
    .bind(word)
    .bind(approver)
    .bind(account)
    .bind(event.uid)
    .bind(note)
    .bind(now)
    .bind(prev)
    .bind(hash.to_vec())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// An event as it is hashed.
struct Event<'a> {
    n: i64,
    state: &'a str,
    /// Word, approver, account, note.
    texts: [Option<&'a str>; 4],
    uid: Option<i64>,
    at: i64,
}

impl Event<'_> {
    /// Hashes the event after `prev`, with what its request is. Every field counts with its length.
    fn hash(&self, prev: &[u8], approval: &Approval) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(bytes);
        };
        field(prev);
        field(&self.n.to_be_bytes());
        field(self.state.as_bytes());
        for text in self.texts {
            field(&[u8::from(text.is_some())]);
            field(text.unwrap_or_default().as_bytes());
        }
        field(&self.uid.unwrap_or(-1).to_be_bytes());
        field(&self.at.to_be_bytes());
        field(approval.id.as_bytes());
        field(approval.effect.as_str().as_bytes());
        field(approval.tenant.as_bytes());
        field(approval.playbook.0.as_bytes());
        field(approval.run.0.as_bytes());
        field(&approval.seq.to_be_bytes());
        field(&approval.place.to_be_bytes());
        field(approval.step.as_bytes());
        field(approval.action.as_bytes());
        field(approval.target.as_bytes());
        field(approval.channel.as_bytes());
        field(&approval.minimum.to_be_bytes());
        field(&approval.digest.0);
        field(&approval.asked.as_millisecond().to_be_bytes());
        field(&approval.expires.as_millisecond().to_be_bytes());
        hash.finalize().into()
    }
}
