//! What other runs have under way on the same target: looked at inside the transaction that would intend one more.

use jiff::SignedDuration;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::budget::DAY_MS;
use super::effect::NewEffect;
use super::intended::Intended;
use super::run::read_run_id;
use super::{StoreError, Tx, at, restored};

/// The action that undoes another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opposite {
    /// As playbooks write it.
    pub action: String,
    /// How long after it the target is left alone.
    pub within: SignedDuration,
}

/// How often something may come to nothing on a target within a day before the tries are spaced out.
const TRIES_FREE: u32 = 3;
/// How long after the last try the next one is made then; each time twice as long.
const TRY_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// The longest of these pauses: what was granted meanwhile is not waited for much longer than somebody looks.
const TRY_AFTER_MAX: SignedDuration = SignedDuration::from_hours(1);

/// Finds what stands in the way of an action on its target: the same that came to nothing again and again; of a
/// destructive one another action of the same kind that is under
/// way or in doubt, or was done a short while ago where targets cool down, or the opposite likewise or a short while ago. Under way is under way, however
/// old: only the tenant's answer or a person's word settles it.
pub(super) async fn in_the_way(
    tx: &mut Tx,
    effect: &NewEffect,
    now: i64,
) -> Result<Option<Intended>, StoreError> {
    // Who gives leave wants it tried.
    if effect.leave.is_none()
        && let Some(in_vain) = in_vain(tx, effect, now).await?
    {
        return Ok(Some(in_vain));
    }
    if !effect.destructive {
        return Ok(None);
    }
    if let Some(before) = restored::before(tx, effect, now).await? {
        return Ok(Some(before));
    }
    // No time is later than that: of the same kind only what is under way counts.
    if effect.exclusive
        && let Some(row) = find(tx, effect, (&effect.action, i64::MAX)).await?
    {
        return Ok(Some(Intended::Elsewhere {
            key: row.try_get::<&str, _>(0)?.parse()?,
            run: read_run_id(row.try_get(1)?)?,
            state: row.try_get::<&str, _>(2)?.parse()?,
        }));
    }
    if let Some(cooling) = cooling_down(tx, effect, now).await? {
        return Ok(Some(cooling));
    }
    let Some(Opposite { action, within }) = &effect.opposite else { return Ok(None) };
    let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
    let Some(row) = find(tx, effect, (action, now.saturating_sub(within))).await? else { return Ok(None) };
    Ok(Some(Intended::Opposite {
        key: row.try_get::<&str, _>(0)?.parse()?,
        run: read_run_id(row.try_get(1)?)?,
        state: row.try_get::<&str, _>(2)?.parse()?,
        action: action.clone(),
        at: at(row.try_get(3)?)?,
    }))
}

/// Finds the same action where it was done to the target so short a while ago that it is left alone.
async fn cooling_down(tx: &mut Tx, effect: &NewEffect, now: i64) -> Result<Option<Intended>, StoreError> {
    let cool_down = effect.limits.and_then(|limits| limits.cool_down).filter(SignedDuration::is_positive);
    let Some(cool_down) = cool_down else { return Ok(None) };
    let length = i64::try_from(cool_down.as_millis()).unwrap_or(i64::MAX);
    let row = sqlx::query(
        "SELECT run, counts_at FROM effects_dated WHERE tenant = $1 AND target = $2 AND action = $3 \
         AND effect_key <> $4 AND destructive = 1 AND state = 'done' AND counts_at > $5 \
         ORDER BY counts_at DESC LIMIT 1",
    )
    .bind(&effect.tenant)
    .bind(&effect.target)
    .bind(&effect.action)
    .bind(effect.key.as_str())
    .bind(now.saturating_sub(length))
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let done: i64 = row.try_get(1)?;
    Ok(Some(Intended::CoolingDown {
        run: read_run_id(row.try_get(0)?)?,
        at: at(done)?,
        until: at(done.saturating_add(length))?,
    }))
}

/// How long a playbook waits before it tries an action again that came to nothing on its target, if it has to.
async fn in_vain(tx: &mut Tx, effect: &NewEffect, now: i64) -> Result<Option<Intended>, StoreError> {
    let row = sqlx::query(
        "SELECT count(*), max(counts_at) FROM effects_dated WHERE tenant = $1 AND target = $2 AND action = $3 \
         AND playbook = $4 AND state = 'notApplied' AND counts_at > $5 AND effect_key <> $6",
    )
    .bind(&effect.tenant)
    .bind(&effect.target)
    .bind(&effect.action)
    .bind(effect.playbook.to_string())
    .bind(now.saturating_sub(DAY_MS))
    .bind(effect.key.as_str())
    .fetch_one(&mut **tx)
    .await?;
    let (tries, last): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    let tries = u32::try_from(tries).unwrap_or(u32::MAX);
    let (Some(beyond), Some(last)) = (tries.checked_sub(TRIES_FREE), last) else { return Ok(None) };
    let pause = TRY_AFTER.saturating_mul(1 << beyond.min(16)).min(TRY_AFTER_MAX);
    let until = last.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
    Ok((now < until).then_some(Intended::InVain { tries, until: at(until)? }))
}

/// Finds an `action` on the target that is under way, or was intended after `since` and is not provably without
/// effect.
async fn find(
    tx: &mut Tx,
    effect: &NewEffect,
    (action, since): (&str, i64),
) -> Result<Option<SqliteRow>, StoreError> {
    Ok(sqlx::query(
        "SELECT effect_key, run, state, counts_at FROM effects_dated WHERE tenant = $1 AND target = $2 \
         AND action = $3 AND effect_key <> $4 AND destructive = 1 \
         AND (state IN ('intended', 'pending', 'unknown', 'parked') \
         OR (state <> 'notApplied' AND counts_at > $5)) \
         ORDER BY state IN ('done', 'failed'), counts_at LIMIT 1",
    )
    .bind(&effect.tenant)
    .bind(&effect.target)
    .bind(action)
    .bind(effect.key.as_str())
    .bind(since)
    .fetch_optional(&mut **tx)
    .await?)
}
