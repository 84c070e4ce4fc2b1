//! The chain of what people decided: every request, word and step is an event that carries the hash of the
//! one before it, and what it is about is hashed along.

use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::approval::{Approval, NewVoice, read_approval};
use super::chain::{Chained, Fields, end, with};
use super::word::ApprovalState;
use super::{ContentHash, StoreError, Tx, at};

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

/// The events of approvals.
pub(super) struct ApprovalEvents;

impl Chained for ApprovalEvents {
    const START: &'static str = "SELECT max(value, coalesce((SELECT max(n) FROM approval_events), 0) - $1) \
         FROM facts WHERE name = 'approvalCut'";
    const PAGE: &'static str = "SELECT v.n, v.state AS event_state, v.word, v.approver, v.account, v.uid, v.way, v.note, \
         v.at AS event_at, v.prev_hash, v.hash, v.approval AS about, r.playbook_name, a.* FROM approval_events v \
         LEFT JOIN approvals a ON a.id = v.approval LEFT JOIN runs r ON r.id = a.run WHERE v.n > $1 ORDER BY v.n LIMIT $2";
    const LAST: &'static str = "SELECT n, hash FROM approval_events ORDER BY n DESC LIMIT 1";
    const FIND: &'static str = "SELECT n FROM approval_events WHERE hash = $1";
    const STRAY: &'static str = "SELECT a.id FROM approvals a LEFT JOIN approval_events v ON v.n = \
         (SELECT max(n) FROM approval_events WHERE approval = a.id) \
         WHERE v.n IS NULL OR v.state <> a.state OR (a.settled <> 0 AND a.state IN ('awaiting', 'approved')) LIMIT 1";
    const STRAY_WHY: &'static str = "an approval does not stand where its last event says";

    fn hash(row: &SqliteRow, prev: &[u8]) -> Result<Result<[u8; 32], &'static str>, StoreError> {
        if row.try_get::<Option<&str>, _>("id")?.is_none() {
            return Ok(Err("its approval is missing"));
        }
        let approval = read_approval(row, &[])?;
        if ContentHash::of(approval.shown.as_bytes()) != approval.digest {
            return Ok(Err("what was shown for its approval was changed"));
        }
        Ok(Ok(read(row)?.hash(prev, &approval)))
    }

    fn tell(row: &SqliteRow) -> Result<Value, StoreError> {
        let Event { n, state, texts: [word, approver, account, note], uid, way, at: ms } = read(row)?;
        let told = json!({
            "history": "approvals", "n": n, "at": at(ms)?, "approval": row.try_get::<&str, _>("about")?,
            "state": state, "word": word, "approver": approver, "account": account, "uid": uid, "way": way, "note": note,
        });
        if row.try_get::<Option<&str>, _>("id")?.is_some() {
            let Approval { run, seq, step, action, tenant, playbook, target, effect, .. } =
                read_approval(row, &[])?;
            return Ok(with(
                told,
                json!({
                    "run": run,
                    "item": seq,
                    "step": step,
                    "action": action,
                    "tenant": tenant,
                    "playbook": playbook,
                    "playbookName": row.try_get::<Option<&str>, _>("playbook_name")?,
                    "target": target,
                    "effect": effect,
                }),
            ));
        }
        Ok(told)
    }
}

fn read(row: &SqliteRow) -> Result<Event<'_>, StoreError> {
    Ok(Event {
        n: row.try_get("n")?,
        state: row.try_get("event_state")?,
        texts: [
            row.try_get("word")?,
            row.try_get("approver")?,
            row.try_get("account")?,
            row.try_get("note")?,
        ],
        uid: row.try_get("uid")?,
        way: row.try_get("way")?,
        at: row.try_get("event_at")?,
    })
}

/// Adds an event to the end of the chain, in the transaction that changes its request.
pub(super) async fn append(
    tx: &mut Tx,
    approval: &Approval,
    saying: &Saying<'_>,
    now: i64,
) -> Result<(), StoreError> {
    let (n, prev) = end::<ApprovalEvents>(tx).await?;
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
        uid: voice.and_then(|voice| voice.uid).map(i64::from),
        way: voice.map(|voice| voice.way.as_str()),
        at: now,
    };
    let hash = event.hash(&prev, approval);
    let [word, approver, account, note] = event.texts;
    sqlx::query(
        "INSERT INTO approval_events (n, approval, state, word, approver, account, uid, note, at, prev_hash, \
         hash, way) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
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
    .bind(event.way)
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
    way: Option<&'a str>,
    at: i64,
}

impl Event<'_> {
    /// Hashes the event after `prev`, with what its request is. Every field counts with its length.
    fn hash(&self, prev: &[u8], approval: &Approval) -> [u8; 32] {
        let mut fields = Fields::default();
        fields.add(prev);
        fields.add(self.n.to_be_bytes());
        fields.add(self.state.as_bytes());
        for text in self.texts {
            fields.add_text(text);
        }
        fields.add(self.uid.unwrap_or(-1).to_be_bytes());
        fields.add(self.at.to_be_bytes());
        fields.add(approval.id.as_bytes());
        fields.add(approval.effect.as_str().as_bytes());
        fields.add(approval.tenant.as_bytes());
        fields.add(approval.playbook.0.as_bytes());
        fields.add(approval.run.0.as_bytes());
        fields.add(approval.seq.to_be_bytes());
        fields.add(approval.place.to_be_bytes());
        fields.add(approval.step.as_bytes());
        fields.add(approval.action.as_bytes());
        fields.add(approval.target.as_bytes());
        fields.add(approval.channel.as_bytes());
        fields.add(approval.minimum.to_be_bytes());
        fields.add(approval.digest.0);
        fields.add(approval.asked.as_millisecond().to_be_bytes());
        fields.add(approval.expires.as_millisecond().to_be_bytes());
        // Ways came later: the other events are hashed as they were before.
        if let Some(way) = self.way {
            fields.add(way.as_bytes());
        }
        fields.hash()
    }
}
