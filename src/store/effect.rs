//! Effects: intended before they are sent, recorded after, never repeated without proof.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::budget::{ActionLimits, over_budget};
use super::conflict::Opposite;
use super::intended::Intended;
use super::run::{read_playbook_id, read_run_id};
use super::word::{ContentHash, EffectKey, EffectState};
use super::{
    NewRevert, OutboxMessage, RevertNote, Store, StoreError, Tx, approval, at, breaker, conflict, count,
    effect_chain, reserve, revert,
};
use super::{stop, stop_file};
use crate::fault::crash_point;
use crate::model::{PlaybookId, RunId};

/// Attempts at one effect, each after proof that the one before did nothing. More would hammer a tenant
/// that refuses.
pub(super) const ATTEMPTS_MAX: u32 = 3;

/// An effect about to be intended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEffect {
    /// What makes it the same effect after a crash or a reload; see [`EffectKey::of`].
    pub key: EffectKey,
    /// The run it belongs to.
    pub run: RunId,
    /// The item it belongs to.
    pub seq: u32,
    /// The step of the playbook.
    pub step: String,
    /// The action, as playbooks write it.
    pub action: String,
    /// The tenant, by its name in the settings.
    pub tenant: String,
    /// The playbook.
    pub playbook: PlaybookId,
    /// What it acts on, in one spelling (`device:…`, `user:…`): budgets count by it.
    pub target: String,
    /// The hash of the rendered parameters.
    pub params_digest: ContentHash,
    /// The budgets it must fit in.
    pub limits: Option<ActionLimits>,
    /// Whether it takes something away from somebody.
    pub destructive: bool,
    /// Whether no other of its kind may be under way on the target.
    pub exclusive: bool,
    /// What undoes it, which must not be under way on the same target.
    pub opposite: Option<Opposite>,
    /// If people's leave is needed: the digest of what they said yes to.
    pub leave: Option<ContentHash>,
}

/// A result to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Where the effect stands now.
    pub state: EffectState,
    /// What the tenant calls it.
    pub remote_id: Option<String>,
    /// Why, for people.
    pub detail: Option<String>,
}

/// What is noted together with a result.
#[derive(Debug, Clone, Copy, Default)]
pub struct Besides<'a> {
    /// Whether the tenant refused the attempt: then waiting alone does not help.
    pub is_refused: bool,
    /// How things stand about taking the action back. That it stands until somebody asks is not noted where somebody has.
    pub revert: Option<&'a RevertNote>,
    /// What people are told of that.
    pub told: Option<&'a OutboxMessage>,
}

/// A stored effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// Its key.
    pub key: EffectKey,
    /// Its run.
    pub run: RunId,
    /// Its item.
    pub seq: u32,
    /// The step of the playbook.
    pub step: String,
    /// The action.
    pub action: String,
    /// The tenant.
    pub tenant: String,
    /// The playbook.
    pub playbook: PlaybookId,
    /// What it acts on.
    pub target: String,
    /// The hash of the rendered parameters.
    pub params_digest: ContentHash,
    /// Whether it takes something away from somebody.
    pub destructive: bool,
    /// Where it stands.
    pub state: EffectState,
    /// The present attempt, from 1.
    pub attempt: u32,
    /// What the tenant calls it.
    pub remote_id: Option<String>,
    /// Why it stands there.
    pub detail: Option<String>,
    /// When the present attempt was intended.
    pub intended: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

impl Effect {
    /// Whether it is what the tenant calls so, of a step of an item.
    #[must_use]
    pub fn is_of(&self, (seq, step): (u32, &str), remote_id: Option<&str>) -> bool {
        (self.seq, self.step.as_str(), self.remote_id.as_deref()) == (seq, step, remote_id)
    }
}

impl Store {
    /// Writes down that an effect is about to be sent, if it may be: it is new or provably did nothing, nobody
    /// has stopped actions, no other run is at it or at the opposite, and the budgets have room. One transaction; when it returns
    /// [`Intended::Go`] the intent is on disk.
    ///
    /// Budgets slide over 24 hours of the journal's time, and what was tried gets no older than the clock that nobody sets
    /// says: turning the clock refills nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::KeyReused`] if a further attempt comes with other parameters, or the key is another
    /// call's; [`StoreError::Fenced`] if another process took over; any other [`StoreError`]. The effect
    /// must then not be sent.
    pub async fn intend(&self, effect: &NewEffect) -> Result<Intended, StoreError> {
        self.intend_with(effect, None).await
    }

    /// The same, with what takes the action back: it is on disk together with the intent.
    ///
    /// # Errors
    ///
    /// As [`Store::intend`].
    pub async fn intend_with(
        &self,
        effect: &NewEffect,
        revert: Option<&NewRevert>,
    ) -> Result<Intended, StoreError> {
        let epoch = self.opening()?.epoch;
        self.insist_on_reserve()?;
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let attempt = match self.admit(&mut tx, effect, now).await? {
            Ok(attempt) => attempt,
            Err(instead) => {
                keep_stop(tx, &instead).await?;
                return Ok(instead);
            }
        };
        if let Some(digest) = effect.leave
            && !approval::consume(&mut tx, &effect.key, digest, now).await?
        {
            return Ok(Intended::NoLeave);
        }
        write_intent(&mut tx, effect, (attempt, epoch, now)).await?;
        if let Some(revert) = revert {
            revert::plan(&mut tx, effect, revert, now).await?;
        }
        tx.commit().await?;
        crash_point("c09_after_intent_commit");
        Ok(Intended::Go { attempt })
    }

    /// What stands in the way of an effect at this moment, if anything does. No intent is written.
    ///
    /// # Errors
    ///
    /// As [`Store::intend`].
    pub async fn in_the_way(&self, effect: &NewEffect) -> Result<Option<Intended>, StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let Err(instead) = self.admit(&mut tx, effect, now).await? else { return Ok(None) };
        keep_stop(tx, &instead).await?;
        Ok(Some(instead))
    }

    /// Whether an effect may be intended, and as which attempt; or what is in its way.
    async fn admit(
        &self,
        tx: &mut Tx,
        effect: &NewEffect,
        now: i64,
    ) -> Result<Result<u32, Intended>, StoreError> {
        let attempt = match find(tx, &effect.key).await? {
            Some(known) => match again(&known, effect)? {
                Again::Attempt(attempt) => attempt,
                Again::Stop(stop) => return Ok(Err(stop)),
            },
            None => 1,
        };
        let stop = stop::in_the_way(tx, (&effect.tenant, effect.playbook)).await?;
        if let Some(stop) = stop.or_else(|| stop_file::look(self.path())) {
            return Ok(Err(Intended::Stopped(Box::new(stop))));
        }
        if let Some(stop) = breaker::look(tx, effect, now).await? {
            return Ok(Err(Intended::Stopped(Box::new(stop))));
        }
        if let Some(stop) = conflict::in_the_way(tx, effect, now).await? {
            return Ok(Err(stop));
        }
        Ok(over_budget(tx, effect, now).await?.map_or(Ok(attempt), Err))
    }

    /// Writes down how an attempt went.
    ///
    /// # Errors
    ///
    /// [`StoreError::Transition`] if the effect cannot go there from where it is; [`StoreError::Attempt`]
    /// for a result of another attempt; any other [`StoreError`], after which the effect is in doubt.
    pub async fn record(&self, key: &EffectKey, attempt: u32, result: &Recorded) -> Result<(), StoreError> {
        self.record_as(key, attempt, (result, Besides::default())).await
    }

    /// The same with what else came of the attempt. On a disk that is full it takes the room that is kept for it.
    ///
    /// # Errors
    ///
    /// As [`Store::record`].
    pub async fn record_as(
        &self,
        key: &EffectKey,
        attempt: u32,
        result: (&Recorded, Besides<'_>),
    ) -> Result<(), StoreError> {
        match self.record_once(key, attempt, result).await {
            Err(StoreError::Full(_)) if reserve::makes_room(self.path()) => {
                self.record_once(key, attempt, result).await
            }
            recorded => recorded,
        }
    }

    async fn record_once(
        &self,
        key: &EffectKey,
        attempt: u32,
        (result, besides): (&Recorded, Besides<'_>),
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let known = find(&mut tx, key)
            .await?
            .ok_or_else(|| StoreError::Unknown { what: "effect", id: key.to_string() })?;
        if known.attempt != attempt {
            let (present, given) = (known.attempt, attempt);
            return Err(StoreError::Attempt { key: key.clone(), present, given });
        }
        step(&mut tx, &known, result, now).await?;
        if besides.is_refused {
            let refused = sqlx::query("UPDATE effects SET refused = 1 WHERE effect_key = $1");
            refused.bind(key.as_str()).execute(&mut *tx).await?;
        }
        revert::note_besides(&mut tx, key, besides, now).await?;
        tx.commit().await?;
        crash_point("c15_after_result_commit");
        Ok(())
    }

    /// Lists the effects that wait for a person's word, oldest first.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn parked(&self) -> Result<Vec<Effect>, StoreError> {
        self.effects_in(EffectState::Parked).await
    }

    /// Lists the effects in one state, oldest first. Those [`EffectState::Pending`] are to be asked about.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn effects_in(&self, state: EffectState) -> Result<Vec<Effect>, StoreError> {
        sqlx::query("SELECT * FROM effects WHERE state = $1 ORDER BY intended_at, effect_key")
            .bind(state.as_str())
            .fetch_all(&self.0.readers)
            .await?
            .iter()
            .map(read_effect)
            .collect()
    }

    /// Lists the effects of a run, oldest first.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn effects_of(&self, run: RunId) -> Result<Vec<Effect>, StoreError> {
        sqlx::query("SELECT * FROM effects WHERE run = $1 ORDER BY intended_at, effect_key")
            .bind(run.to_string())
            .fetch_all(&self.0.readers)
            .await?
            .iter()
            .map(read_effect)
            .collect()
    }
}

/// Keeps what the circuit breaker has just said; of anything else nothing was written.
async fn keep_stop(tx: Tx, instead: &Intended) -> Result<(), StoreError> {
    if matches!(instead, Intended::Stopped(_)) {
        tx.commit().await?;
    }
    Ok(())
}

/// What to do with an effect the journal knows.
enum Again {
    /// Try it once more.
    Attempt(u32),
    /// Leave it.
    Stop(Intended),
}

impl EffectState {
    /// Whether what stands so after this attempt is tried once more.
    #[must_use]
    pub const fn may_be_tried_again(self, attempt: u32) -> bool {
        matches!(self, Self::NotApplied) && attempt < ATTEMPTS_MAX
    }
}

/// Decides about an effect that comes a second time. Other parameters do not make it another effect: what
/// was or may have been sent stays as it is, and only a further attempt has to say the same as the first.
fn again(known: &Effect, effect: &NewEffect) -> Result<Again, StoreError> {
    let same_call =
        (&known.tenant, &known.action, &known.target) == (&effect.tenant, &effect.action, &effect.target);
    let same_words = known.params_digest == effect.params_digest;
    let &Effect { state, attempt, intended: since, .. } = known;
    let retried = state.may_be_tried_again(attempt);
    if !same_call || (retried && !same_words) {
        return Err(StoreError::KeyReused { key: effect.key.clone() });
    }
    Ok(match state {
        EffectState::NotApplied if retried => Again::Attempt(attempt + 1),
        EffectState::Done | EffectState::Failed | EffectState::Pending | EffectState::NotApplied => {
            Again::Stop(Intended::AlreadySettled { state, remote_id: known.remote_id.clone() })
        }
        EffectState::Intended | EffectState::Unknown | EffectState::Parked => {
            Again::Stop(Intended::InDoubt { state, attempt, since })
        }
    })
}

/// Finds an effect.
pub(super) async fn find(tx: &mut Tx, key: &EffectKey) -> Result<Option<Effect>, StoreError> {
    let row = sqlx::query("SELECT * FROM effects WHERE effect_key = $1")
        .bind(key.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(read_effect).transpose()
}

/// Writes an intent: a new effect, or a further attempt at one. `now` is what the transaction was told that it is, which
/// has noted the clock that nobody sets as well.
pub(super) async fn write_intent(
    tx: &mut Tx,
    effect: &NewEffect,
    (attempt, epoch, now): (u32, i64, i64),
) -> Result<(), StoreError> {
    if attempt == 1 {
        sqlx::query(
            "INSERT INTO effects (effect_key, tenant, playbook, run, seq, step, action, target, destructive, \
             params_digest, state, attempt, epoch, intended_at, changed_at, uptime, boot) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'intended', 1, $11, $12, $12, \
             (SELECT value FROM facts WHERE name = 'uptimeSeen'), \
             (SELECT nullif(value, 0) FROM facts WHERE name = 'bootSeen'))",
        )
        .bind(effect.key.as_str())
        .bind(&effect.tenant)
        .bind(effect.playbook.to_string())
        .bind(effect.run.to_string())
        .bind(i64::from(effect.seq))
        .bind(&effect.step)
        .bind(&effect.action)
        .bind(&effect.target)
        .bind(i64::from(effect.destructive))
        .bind(effect.params_digest.0.as_slice())
        .bind(epoch)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    } else {
        sqlx::query(
            "UPDATE effects SET state = 'intended', attempt = $2, epoch = $3, intended_at = $4, \
             changed_at = $4, detail = NULL, remote_id = NULL, refused = 0, \
             uptime = (SELECT value FROM facts WHERE name = 'uptimeSeen'), \
             boot = (SELECT nullif(value, 0) FROM facts WHERE name = 'bootSeen') WHERE effect_key = $1",
        )
        .bind(effect.key.as_str())
        .bind(i64::from(attempt))
        .bind(epoch)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    }
    let intent = Recorded { state: EffectState::Intended, remote_id: None, detail: None };
    effect_chain::append(tx, (&effect.key, attempt), &intent, now).await
}

/// Takes an effect to its next state, if it may go there.
pub(super) async fn step(tx: &mut Tx, known: &Effect, result: &Recorded, now: i64) -> Result<(), StoreError> {
    let (last, next) = (Some(known.state), result.state);
    if !EffectState::follows(last, next) || next == EffectState::Intended {
        return Err(StoreError::Transition { key: known.key.clone(), last, next });
    }
    sqlx::query(
        "UPDATE effects SET state = $2, remote_id = coalesce($3, remote_id), \
         detail = coalesce($4, detail), changed_at = $5 WHERE effect_key = $1",
    )
    .bind(known.key.as_str())
    .bind(next.as_str())
    .bind(&result.remote_id)
    .bind(&result.detail)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    effect_chain::append(tx, (&known.key, known.attempt), result, now).await
}

/// Reads a row of `effects`.
pub(super) fn read_effect(row: &SqliteRow) -> Result<Effect, StoreError> {
    Ok(Effect {
        key: row.try_get::<&str, _>("effect_key")?.parse()?,
        run: read_run_id(row.try_get("run")?)?,
        seq: count(row.try_get("seq")?)?,
        step: row.try_get("step")?,
        action: row.try_get("action")?,
        tenant: row.try_get("tenant")?,
        playbook: read_playbook_id(row.try_get("playbook")?)?,
        target: row.try_get("target")?,
        params_digest: ContentHash::stored(row.try_get("params_digest")?)?,
        destructive: row.try_get::<i64, _>("destructive")? != 0,
        state: row.try_get::<&str, _>("state")?.parse()?,
        attempt: count(row.try_get("attempt")?)?,
        remote_id: row.try_get("remote_id")?,
        detail: row.try_get("detail")?,
        intended: at(row.try_get("intended_at")?)?,
        changed: at(row.try_get("changed_at")?)?,
    })
}
