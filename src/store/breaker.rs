//! The circuit breaker: a playbook whose actions come to nothing one after another is stopped until a person has
//! looked. It is a stop like any other ([`super::Stop`]), which huntbook says itself.
//!
//! Looked at in the transaction that would intend the next action, so nothing slips past.

use sqlx::Row as _;

use super::budget::takes;
use super::effect::NewEffect;
use super::stop::{self, Stop, StopWord, StoppedPlaybook};
use super::word::EffectState;
use super::{Store, StoreError, Tx};
use crate::model::PlaybookId;

/// The account under which huntbook itself stops a playbook.
const BY: &str = "huntbook";

/// Latest disruptive actions looked at.
const LATEST: usize = 20;

/// Fewer than these say nothing about a share.
const LATEST_MIN: usize = 10;

/// When a playbook is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// So many disruptive actions came to nothing or are in doubt, one after another.
    pub in_a_row: u32,
    /// More than this percentage of the latest ones are in doubt.
    pub in_doubt_percent: u32,
}

impl Store {
    /// Stops a playbook in a tenant because of what an action of it came to.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; the stop does then not stand.
    pub async fn trip(&self, tenant: &str, playbook: StoppedPlaybook, why: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let word = word(tenant, playbook, why.to_owned());
        // One of all, or of the tenant, may be lifted by somebody who knows nothing of this.
        if !stop::standing(&mut tx).await?.iter().any(|stop| stop.is_for(&word)) {
            stop::append(&mut tx, "stop", &word, now).await?;
        }
        tx.commit().await
    }
}

/// Stops the playbook of a disruptive effect inside a transaction, if its latest ones came to nothing or are in doubt.
pub(super) async fn look(tx: &mut Tx, effect: &NewEffect, now: i64) -> Result<Option<Stop>, StoreError> {
    let breaker = effect.limits.and_then(|limits| limits.breaker).filter(|_breaker| effect.takes());
    let Some(breaker) = breaker else { return Ok(None) };
    let latest = latest(tx, (&effect.tenant, effect.playbook)).await?;
    let Some(why) = verdict(&latest, breaker) else { return Ok(None) };
    let name = sqlx::query_scalar("SELECT playbook_name FROM runs WHERE id = $1")
        .bind(effect.run.to_string())
        .fetch_one(&mut **tx)
        .await?;
    let playbook = StoppedPlaybook { id: effect.playbook, name };
    Ok(Some(stop::append(tx, "stop", &word(&effect.tenant, playbook, why), now).await?))
}

fn word(tenant: &str, playbook: StoppedPlaybook, why: String) -> StopWord {
    let (account, tenant) = (BY.to_owned(), Some(tenant.to_owned()));
    StopWord { tenant, playbook: Some(playbook), reason: Some(why), account, uid: None, way: None }
}

/// How the latest actions of a playbook that take something ended, the latest first, since somebody last let it act again.
/// What provably did nothing says nothing, unless the tenant refused it: one that is busy for an hour is no reason to stop
/// for good.
async fn latest(tx: &mut Tx, (tenant, playbook): (&str, PlaybookId)) -> Result<Vec<EffectState>, StoreError> {
    let rows = sqlx::query(concat!(
        "SELECT state FROM effects_dated WHERE tenant = $1 AND playbook = $2 AND ",
        takes!(),
        " AND (state IN ('done', 'failed', 'unknown', 'parked') OR refused = 1) AND dated_at > coalesce( \
         (SELECT max(counts_at) FROM resumes_dated WHERE tenant = $1 AND playbook = $2), 0) \
         ORDER BY dated_at DESC, effect_key LIMIT $3"
    ))
    .bind(tenant)
    .bind(playbook.to_string())
    .bind(i64::try_from(LATEST).unwrap_or(i64::MAX))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| row.try_get::<&str, _>(0)?.parse()).collect()
}

/// Why a playbook whose actions ended so, the latest first, is stopped.
fn verdict(latest: &[EffectState], breaker: Breaker) -> Option<String> {
    let Breaker { in_a_row, in_doubt_percent } = breaker;
    let bad = latest.iter().take_while(|state| **state != EffectState::Done).count();
    if usize::try_from(in_a_row).is_ok_and(|in_a_row| in_a_row <= bad) {
        return Some(format!(
            "disruptive actions that came to nothing or are in doubt, one after another: {bad}"
        ));
    }
    let doubtful = |state: &&EffectState| matches!(state, EffectState::Unknown | EffectState::Parked);
    let doubtful = latest.iter().filter(doubtful).count();
    let most = latest.len().saturating_mul(usize::try_from(in_doubt_percent).unwrap_or(usize::MAX));
    let too_many = LATEST_MIN <= latest.len() && most < doubtful.saturating_mul(100);
    too_many.then(|| format!("of its last {} disruptive actions {doubtful} are in doubt", latest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(latest: &str, expect: Option<&str>) {
        let state = |letter| match letter {
            'd' => EffectState::Done,
            'f' => EffectState::Failed,
            'n' => EffectState::NotApplied,
            _ => EffectState::Parked,
        };
        let latest: Vec<EffectState> = latest.chars().map(state).collect();
        assert_eq!(verdict(&latest, Breaker { in_a_row: 3, in_doubt_percent: 20 }).as_deref(), expect);
    }

    #[test]
    fn three_in_a_row_or_more_than_a_fifth_in_doubt_trip_it() {
        check("", None);
        check("ffd", None);
        check("fdffd", None);
        check("nfd", None);
        check("nnn", Some("disruptive actions that came to nothing or are in doubt, one after another: 3"));
        check("fpf", Some("disruptive actions that came to nothing or are in doubt, one after another: 3"));
        check("ppppd", Some("disruptive actions that came to nothing or are in doubt, one after another: 4"));
        check("dpdpdpddd", None);
        check("dpdpdddddd", None);
        check("dpdpdpdddd", Some("of its last 10 disruptive actions 3 are in doubt"));
        check("dfdfdfdddd", None);
    }
}
