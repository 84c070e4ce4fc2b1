//! A journal that is older than what was done with it: restored from a backup, or on a disk that lost what it had
//! acknowledged.
//!
//! What it has forgotten would be done twice. Actions on devices carry the journal's own mark in the tenant, so a tenant
//! that shows one the journal does not know, or knows as not sent, tells that it is so. Such an action is noted as the
//! tenant shows it, and everything in the tenant is stopped until a person has looked.

use std::sync::PoisonError;

use jiff::{SignedDuration, Timestamp};
use sqlx::Row as _;
use uuid::Uuid;

use super::effect::{Effect, NewEffect, Recorded, find, read_effect, step, write_intent};
use super::intended::Intended;
use super::outbox;
use super::run::read_run_id;
use super::stop::{self, Stop, StopWord};
use super::{ContentHash, EffectKey, EffectState, OutboxMessage, Store, StoreError, Tx, at, mark};
use crate::model::{PlaybookId, RunId};

/// How far back a tenant's marks are held against the journal, which keeps its own at least as long.
pub const MARKS_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Actions that a stop names; the rest is counted.
const NAMED_MAX: usize = 5;
/// What is noted of an action that was found.
const FOUND: &str = "the tenant has it, by its mark, and this journal did not know of it";
/// What the run is called that stands for the forgotten ones.
const RUN: &str = "found in the tenant";
/// Whose it is: no playbook's.
const PLAYBOOK: PlaybookId = PlaybookId(Uuid::nil());

/// An action as a tenant shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownAction {
    /// The action, as playbooks write it.
    pub action: String,
    /// What it acts on, as effects spell it.
    pub target: String,
    /// Whether it takes something away from somebody.
    pub destructive: bool,
    /// What was said of it; a mark stands at its beginning.
    pub comment: String,
    /// When it was asked for.
    pub at: Option<Timestamp>,
    /// What the tenant calls it.
    pub remote_id: String,
    /// How it ended, if it has.
    pub end: Option<EffectState>,
}

impl Store {
    /// What the comment of every marked action begins with.
    pub const MARK: &'static str = mark::BEGINNING;

    /// Whether nobody has held this journal against what a tenant shows since it was opened. One that is new has
    /// nothing to forget: its marks are no other's.
    ///
    /// # Errors
    ///
    /// [`StoreError::Reader`] if this store does not own the journal.
    pub fn is_unproven(&self, tenant: &str) -> Result<bool, StoreError> {
        let opening = self.opening()?;
        let compared = opening.compared.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(opening.marks.since != opening.epoch && !compared.contains(tenant))
    }

    /// The effect of this key.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn effect(&self, key: &EffectKey) -> Result<Option<Effect>, StoreError> {
        let query = sqlx::query("SELECT * FROM effects WHERE effect_key = $1").bind(key.as_str());
        query.fetch_optional(&self.0.readers).await?.as_ref().map(read_effect).transpose()
    }

    /// Holds the journal against the marked actions that a tenant shows, all of them. If there are any of this journal
    /// that it does not know, or knows as not sent, they are noted, the tenant is stopped, and people are told what
    /// `alarm` says of the stop; returns it.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; then nothing disruptive may be done.
    pub async fn hold_against(
        &self,
        tenant: &str,
        shown: &[ShownAction],
        alarm: impl FnOnce(&Stop) -> Option<OutboxMessage>,
    ) -> Result<Option<Stop>, StoreError> {
        let opening = self.opening()?;
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let run = self.new_run(at(now)?)?;
        let (mut found, mut why) = (Vec::new(), Found::Forgotten);
        for action in shown {
            let Some((key, attempt)) = opening.marks.read(tenant, &action.comment) else { continue };
            let known = find(&mut tx, &key).await?;
            if known.as_ref().is_some_and(|known| is_known(known, attempt, action)) {
                continue;
            }
            if known.is_some() {
                why = Found::Contradicted;
            }
            if found.is_empty() {
                begin(&mut tx, (run, tenant), now).await?;
            }
            let effect = new_effect((run, found.len()), (tenant, &key), action);
            adopt(&mut tx, (&effect, known.as_ref()), (attempt, opening.epoch, now)).await?;
            finish(&mut tx, action, &key, now).await?;
            found.push(action);
        }
        let stop = if found.is_empty() {
            None
        } else {
            Some(stop::append_own(&mut tx, word(tenant, &found, why), now).await?)
        };
        if let Some(alarm) = stop.as_ref().and_then(alarm) {
            outbox::write(&mut tx, &alarm, now).await?;
        }
        tx.commit().await?;
        opening.compared.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.to_owned());
        Ok(stop)
    }
}

/// Whether the journal knows an attempt that the tenant shows as one that was sent; or as one that did nothing, and the
/// tenant says so too: people take back in the portal what is in doubt, and tell huntbook that it was not done.
fn is_known(known: &Effect, attempt: u32, shown: &ShownAction) -> bool {
    let agrees = known.state != EffectState::NotApplied || shown.end == Some(EffectState::Failed);
    attempt <= known.attempt && agrees
}

/// Finds what a journal before this one did to the target of a destructive effect, as long as the tenant is asked for
/// its marks: neither leave nor another run does it again.
pub(super) async fn before(
    tx: &mut Tx,
    effect: &NewEffect,
    now: i64,
) -> Result<Option<Intended>, StoreError> {
    let within = i64::try_from(MARKS_WITHIN.as_millis()).unwrap_or(i64::MAX);
    let row = sqlx::query(
        "SELECT run, counts_at FROM effects_dated WHERE tenant = $1 AND target = $2 AND action = $3 AND playbook = $4 \
         AND state IN ('pending', 'done', 'unknown', 'parked') AND effect_key <> $5 AND counts_at > $6 \
         ORDER BY counts_at DESC LIMIT 1",
    )
    .bind(&effect.tenant)
    .bind(&effect.target)
    .bind(&effect.action)
    .bind(PLAYBOOK.to_string())
    .bind(effect.key.as_str())
    .bind(now.saturating_sub(within))
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Intended::Before { run: read_run_id(row.try_get(0)?)?, at: at(row.try_get(1)?)? }))
}

/// What the journal says of what was found.
#[derive(Clone, Copy)]
enum Found {
    /// Nothing.
    Forgotten,
    /// Of some, that it was not done.
    Contradicted,
}

/// Writes down the run that what was found belongs to.
async fn begin(tx: &mut Tx, (run, tenant): (RunId, &str), now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO runs (id, tenant, playbook, playbook_name, version, cause, mode, effects, state, batched, \
         started, finished, error) VALUES ($1, $2, $3, $4, $5, 'manual', 'enforce', 'apply', 'ok', 1, $6, $6, $7)",
    )
    .bind(run.to_string())
    .bind(tenant)
    .bind(PLAYBOOK.to_string())
    .bind(RUN)
    .bind([0; 32].as_slice())
    .bind(now)
    .bind(FOUND)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn new_effect(
    (run, nth): (RunId, usize),
    (tenant, key): (&str, &EffectKey),
    action: &ShownAction,
) -> NewEffect {
    NewEffect {
        key: key.clone(),
        run,
        seq: u32::try_from(nth).unwrap_or(u32::MAX),
        step: action.action.clone(),
        action: action.action.clone(),
        tenant: tenant.to_owned(),
        playbook: PLAYBOOK,
        target: action.target.clone(),
        params_digest: ContentHash([0; 32]),
        limits: None,
        destructive: action.destructive,
        exclusive: false,
        opposite: None,
        leave: None,
    }
}

/// Brings an effect to the attempt that the tenant shows, each one before it as one that did nothing.
async fn adopt(
    tx: &mut Tx,
    (effect, known): (&NewEffect, Option<&Effect>),
    (shown, epoch, now): (u32, i64, i64),
) -> Result<(), StoreError> {
    let not_applied = Recorded { state: EffectState::NotApplied, remote_id: None, detail: None };
    let mut last = 0;
    if let Some(known) = known {
        match known.state {
            EffectState::NotApplied => {}
            EffectState::Parked => step(tx, known, &not_applied, now).await?,
            // This process's own, or over: it stays what it is.
            EffectState::Intended
            | EffectState::Unknown
            | EffectState::Pending
            | EffectState::Done
            | EffectState::Failed => return Ok(()),
        }
        last = known.attempt;
    }
    let first = last.saturating_add(1);
    for attempt in first..=shown.max(first) {
        if attempt > first
            && let Some(before) = find(tx, &effect.key).await?
        {
            step(tx, &before, &not_applied, now).await?;
        }
        write_intent(tx, effect, (attempt, epoch, now)).await?;
    }
    Ok(())
}

/// Notes of an effect that was found how it stands in the tenant.
async fn finish(tx: &mut Tx, action: &ShownAction, key: &EffectKey, now: i64) -> Result<(), StoreError> {
    for state in std::iter::once(EffectState::Pending).chain(action.end) {
        let Some(effect) = find(tx, key).await? else { return Ok(()) };
        if !EffectState::follows(Some(effect.state), state) {
            return Ok(());
        }
        let (remote_id, detail) = (Some(action.remote_id.clone()), Some(FOUND.to_owned()));
        step(tx, &effect, &Recorded { state, remote_id, detail }, now).await?;
    }
    Ok(())
}

/// The stop that a person has to lift, with what was found.
fn word(tenant: &str, found: &[&ShownAction], why: Found) -> StopWord {
    let one = |action: &&ShownAction| {
        let at = action.at.map(|at| format!(" at {at:.0}")).unwrap_or_default();
        format!("{} of {}{at}", action.action, action.target)
    };
    let named = found.iter().take(NAMED_MAX).map(one).collect::<Vec<_>>().join(", ");
    let more = match found.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = match why {
        Found::Contradicted => {
            "the tenant shows what the journal says was not done, by a person's word or because the journal is older than \
             what was done with it"
        }
        Found::Forgotten => {
            "the journal is older than what was done with it (restored from a backup, or its disk lost the end of it)"
        }
    };
    let reason = format!(
        "{what}: the tenant has {named}{more}. These are noted and not repeated; what else was done since then, nobody here \
         knows"
    );
    StopWord {
        tenant: Some(tenant.to_owned()),
        playbook: None,
        reason: Some(reason),
        account: "huntbook".to_owned(),
        uid: None,
        way: None,
    }
}
