//! Budgets: how many actions and targets a run, a playbook and a tenant may have.
//!
//! They are counted from the effects themselves, in the transaction that intends one, so neither a crash
//! nor two runs at once can overdraw them.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde::Serialize;
use sqlx::Row as _;

use super::effect::NewEffect;
use super::intended::Intended;
use super::{Breaker, Store, StoreError, Tx, count};
use crate::model::{PlaybookId, RunId};

/// The window of the daily budgets. It slides: a budget does not refill at midnight.
pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The actions that give back what another took. No limit of what is taken counts them or stops them: they have a rate of
/// their own, and count among the actions of a run.
pub const GIVES_BACK: [&str; 4] = ["releaseDevice", "removeAppRestriction", "removeIndicator", "enableUser"];

/// The same in SQL.
macro_rules! gives_back {
    () => {
        "action IN ('releaseDevice', 'removeAppRestriction', 'removeIndicator', 'enableUser')"
    };
}
/// In SQL, whether an effect takes something away that it does not give back.
macro_rules! takes {
    () => {
        concat!("destructive = 1 AND NOT ", $crate::store::budget::gives_back!())
    };
}
/// In SQL, that an effect may count as tried after a time, or is of a run: it goes by indexes, and is never the narrower
/// bound than `counts_at`. The tenant (`+tenant`) is no way to find it then.
macro_rules! lately {
    ($since:literal $(or run $run:literal)?) => {
        concat!(
            "effect_key IN (SELECT effect_key FROM effects WHERE intended_at > ",
            $since,
            " UNION ALL SELECT effect_key FROM effects WHERE boot = (SELECT value FROM facts WHERE name = 'bootSeen') \
             AND uptime > ",
            $since,
            " - (SELECT value FROM facts WHERE name = 'wallSeen') \
             + (SELECT value FROM facts WHERE name = 'uptimeSeen')",
            $(" UNION ALL SELECT effect_key FROM effects WHERE run = ", $run,)?
            ")"
        )
    };
}
pub(super) use {gives_back, lately, takes};

/// Budgets, counted in the transaction that intends. `None` is no limit. What is in doubt counts as used;
/// what provably did nothing does not. What gives back ([`GIVES_BACK`]) is in none of a day's, and has rates of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ActionLimits {
    /// Actions of one run.
    pub per_run: Option<u32>,
    /// Actions of the playbook in the tenant, in 24 hours.
    pub per_day: Option<u32>,
    /// Actions of all playbooks in the tenant, in 24 hours.
    pub tenant_actions_per_day: Option<u32>,
    /// Distinct targets of actions of one run that take.
    pub targets_per_run: Option<u32>,
    /// Distinct targets of the playbook's actions in the tenant that take, in 24 hours.
    pub targets_per_day: Option<u32>,
    /// The same of all playbooks in the tenant.
    pub tenant_targets_per_day: Option<u32>,
    /// Distinct devices and users among these.
    pub tenant_share_per_day: Option<u32>,
    /// Distinct devices of all actions of the playbook in the tenant, in 24 hours.
    pub devices_per_day: Option<u32>,
    /// The same of all playbooks in all tenants.
    pub all_targets_per_day: Option<u32>,
    /// Destructive actions of all playbooks in the tenant, in a minute.
    pub per_minute: Option<u32>,
    /// Destructive actions of all playbooks in the tenant, in an hour.
    pub per_hour: Option<u32>,
    /// How long the target is left alone by the same action after it was done.
    pub cool_down: Option<SignedDuration>,
    /// When the playbook is stopped because its disruptive actions come to nothing.
    pub breaker: Option<Breaker>,
}

/// Which budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Budget {
    /// [`ActionLimits::per_run`].
    RunActions,
    /// [`ActionLimits::per_day`].
    DayActions,
    /// [`ActionLimits::tenant_actions_per_day`].
    TenantActions,
    /// [`ActionLimits::targets_per_run`].
    RunTargets,
    /// [`ActionLimits::targets_per_day`].
    DayTargets,
    /// [`ActionLimits::tenant_targets_per_day`].
    TenantTargets,
    /// [`ActionLimits::tenant_share_per_day`].
    TenantShare,
    /// [`ActionLimits::devices_per_day`].
    DayDevices,
    /// [`ActionLimits::all_targets_per_day`].
    AllTargets,
    /// [`ActionLimits::per_minute`].
    Minute,
    /// [`ActionLimits::per_hour`].
    Hour,
}

/// What was used of the budgets in the last 24 hours, and by a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used {
    /// Actions of the run.
    pub run_actions: u32,
    /// Actions of the playbook in the tenant, in 24 hours.
    pub day_actions: u32,
    /// Actions of all playbooks in the tenant, in 24 hours.
    pub tenant_actions: u32,
    /// Targets of actions of the run that take.
    pub run_targets: BTreeSet<String>,
    /// Targets of the playbook's actions in the tenant that take, in 24 hours.
    pub day_targets: BTreeSet<String>,
    /// The same of all playbooks in the tenant.
    pub tenant_targets: BTreeSet<String>,
    /// How many such targets other tenants have had, in 24 hours.
    pub elsewhere: u32,
    /// What all playbooks took in the tenant.
    pub taken: Rates,
    /// What they gave back.
    pub given_back: Rates,
    /// Devices (`device:...`) the playbook did anything to in the tenant, in 24 hours.
    pub day_devices: BTreeSet<String>,
}

/// How many destructive actions there were lately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// In a minute.
    pub minute: u32,
    /// In an hour.
    pub hour: u32,
}

impl NewEffect {
    /// Whether it gives back what another took.
    fn gives_back(&self) -> bool {
        GIVES_BACK.contains(&self.action.as_str())
    }

    /// Whether it takes something away that it does not give back.
    pub(super) fn takes(&self) -> bool {
        self.destructive && !self.gives_back()
    }
}

/// The numbers of [`Used`] that a budget limits.
struct Sums {
    run_actions: u32,
    day_actions: u32,
    tenant_actions: u32,
    run_targets: u32,
    day_targets: u32,
    tenant_targets: u32,
    tenant_share: u32,
    day_devices: u32,
}

impl Store {
    /// Says what is used of the budgets. The binding count is the one [`Store::intend`] makes; this one is
    /// for deciding about a whole plan beforehand.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn used(&self, tenant: &str, playbook: PlaybookId, run: RunId) -> Result<Used, StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let sums = sums(&mut tx, (tenant, playbook, run), now).await?;
        let rows = sqlx::query(concat!(
            "SELECT target, destructive, playbook = $2, run = $3, counts_at > $4 FROM effects_dated \
             WHERE +tenant = $1 AND ",
            lately!("$4" or run "$3"),
            " AND state <> 'notApplied' AND NOT ",
            gives_back!()
        ))
        .bind(tenant)
        .bind(playbook.to_string())
        .bind(run.to_string())
        .bind(now.saturating_sub(DAY_MS))
        .fetch_all(&mut *tx)
        .await?;
        let Wide { elsewhere, taken, given_back } = wide(&mut tx, tenant, now).await?;
        tx.commit().await?;
        let Sums { run_actions, day_actions, tenant_actions, .. } = sums;
        let mut used = Used {
            run_actions,
            day_actions,
            tenant_actions,
            elsewhere,
            taken,
            given_back,
            ..Used::default()
        };
        for row in rows {
            let target: String = row.try_get(0)?;
            let is = |column| Ok::<_, StoreError>(row.try_get::<i64, _>(column)? != 0);
            let (destructive, own, in_run, in_day) = (is(1)?, is(2)?, is(3)?, is(4)?);
            if destructive && in_run {
                used.run_targets.insert(target.clone());
            }
            if destructive && in_day {
                used.tenant_targets.insert(target.clone());
            }
            if destructive && in_day && own {
                used.day_targets.insert(target.clone());
            }
            if own && in_day && target.starts_with("device:") {
                used.day_devices.insert(target);
            }
        }
        Ok(used)
    }
}

/// Counts what is used of the budgets.
async fn sums(
    tx: &mut Tx,
    (tenant, playbook, run): (&str, PlaybookId, RunId),
    now: i64,
) -> Result<Sums, StoreError> {
    let row = sqlx::query(concat!(
        "WITH used AS (SELECT *, counts_at > $4 AND NOT ",
        gives_back!(),
        " AS in_day, ",
        takes!(),
        " AS takes FROM effects_dated WHERE +tenant = $1 AND ",
        lately!("$4" or run "$3"),
        " AND state <> 'notApplied') \
         SELECT coalesce(sum(run = $3), 0), \
         coalesce(sum(playbook = $2 AND in_day), 0), \
         coalesce(sum(in_day), 0), \
         count(DISTINCT CASE WHEN takes AND run = $3 THEN target END), \
         count(DISTINCT CASE WHEN takes AND playbook = $2 AND in_day THEN target END), \
         count(DISTINCT CASE WHEN takes AND in_day THEN target END), \
         count(DISTINCT CASE WHEN takes AND in_day \
               AND (target LIKE 'device:%' OR target LIKE 'user:%') THEN target END), \
         count(DISTINCT CASE WHEN playbook = $2 AND in_day AND target LIKE 'device:%' THEN target END) \
         FROM used"
    ))
    .bind(tenant)
    .bind(playbook.to_string())
    .bind(run.to_string())
    .bind(now.saturating_sub(DAY_MS))
    .fetch_one(&mut **tx)
    .await?;
    Ok(Sums {
        run_actions: count(row.try_get(0)?)?,
        day_actions: count(row.try_get(1)?)?,
        tenant_actions: count(row.try_get(2)?)?,
        run_targets: count(row.try_get(3)?)?,
        day_targets: count(row.try_get(4)?)?,
        tenant_targets: count(row.try_get(5)?)?,
        tenant_share: count(row.try_get(6)?)?,
        day_devices: count(row.try_get(7)?)?,
    })
}

/// What is used of the budgets that are not a playbook's.
#[derive(Default)]
struct Wide {
    elsewhere: u32,
    taken: Rates,
    given_back: Rates,
}

/// A minute and an hour, as rates slide.
pub(super) const MINUTE_MS: i64 = 60 * 1000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;

async fn wide(tx: &mut Tx, tenant: &str, now: i64) -> Result<Wide, StoreError> {
    let row = sqlx::query(concat!(
        "WITH used AS (SELECT tenant, target, counts_at, ",
        gives_back!(),
        " AS gives FROM effects_dated WHERE ",
        lately!("$4"),
        " AND destructive = 1 AND counts_at > $4 AND state <> 'notApplied') \
         SELECT count(DISTINCT CASE WHEN tenant <> $1 AND NOT gives THEN tenant || ' ' || target END), \
         coalesce(sum(tenant = $1 AND counts_at > $2 AND NOT gives), 0), \
         coalesce(sum(tenant = $1 AND counts_at > $3 AND NOT gives), 0), \
         coalesce(sum(tenant = $1 AND counts_at > $2 AND gives), 0), \
         coalesce(sum(tenant = $1 AND counts_at > $3 AND gives), 0) FROM used"
    ))
    .bind(tenant)
    .bind(now.saturating_sub(MINUTE_MS))
    .bind(now.saturating_sub(HOUR_MS))
    .bind(now.saturating_sub(DAY_MS))
    .fetch_one(&mut **tx)
    .await?;
    Ok(Wide {
        elsewhere: count(row.try_get(0)?)?,
        taken: Rates { minute: count(row.try_get(1)?)?, hour: count(row.try_get(2)?)? },
        given_back: Rates { minute: count(row.try_get(3)?)?, hour: count(row.try_get(4)?)? },
    })
}

/// Which of the counts already hold the effect's target: of what the run takes, the playbook today and the tenant today,
/// and of all the playbook does today but give back.
async fn counted(tx: &mut Tx, effect: &NewEffect, now: i64) -> Result<[bool; 4], StoreError> {
    let row = sqlx::query(concat!(
        "SELECT coalesce(max(destructive = 1 AND run = $3), 0), \
         coalesce(max(destructive = 1 AND playbook = $2 AND counts_at > $4), 0), \
         coalesce(max(destructive = 1 AND counts_at > $4), 0), \
         coalesce(max(playbook = $2 AND counts_at > $4), 0) FROM effects_dated WHERE tenant = $1 AND target = $5 \
         AND state <> 'notApplied' AND NOT ",
        gives_back!()
    ))
    .bind(&effect.tenant)
    .bind(effect.playbook.to_string())
    .bind(effect.run.to_string())
    .bind(now.saturating_sub(DAY_MS))
    .bind(&effect.target)
    .fetch_one(&mut **tx)
    .await?;
    let is = |column| Ok::<_, StoreError>(row.try_get::<i64, _>(column)? != 0);
    Ok([is(0)?, is(1)?, is(2)?, is(3)?])
}

/// Finds the first budget the effect does not fit in.
pub(super) async fn over_budget(
    tx: &mut Tx,
    effect: &NewEffect,
    now: i64,
) -> Result<Option<Intended>, StoreError> {
    let Some(limits) = effect.limits else { return Ok(None) };
    let used = sums(tx, (&effect.tenant, effect.playbook, effect.run), now).await?;
    let mut budgets = vec![(Budget::RunActions, limits.per_run, used.run_actions)];
    let Wide { elsewhere, taken, given_back } =
        if effect.destructive { wide(tx, &effect.tenant, now).await? } else { Wide::default() };
    if !effect.gives_back() {
        let all_targets = used.tenant_targets.saturating_add(elsewhere);
        budgets.extend(of_a_day(tx, (effect, &limits), (&used, all_targets), now).await?);
    }
    if effect.destructive {
        let rates = if effect.gives_back() { given_back } else { taken };
        budgets.push((Budget::Minute, limits.per_minute, rates.minute));
        budgets.push((Budget::Hour, limits.per_hour, rates.hour));
    }
    Ok(budgets.into_iter().find_map(|(budget, limit, used)| {
        let limit = limit.filter(|limit| *limit <= used)?;
        Some(Intended::OverBudget { budget, limit, used })
    }))
}

/// The budgets of a day, and the targets of a run, with what is used of them; those that have the target already are no
/// limit.
async fn of_a_day(
    tx: &mut Tx,
    (effect, limits): (&NewEffect, &ActionLimits),
    (used, all_targets): (&Sums, u32),
    now: i64,
) -> Result<Vec<(Budget, Option<u32>, u32)>, StoreError> {
    let [in_run, in_day, in_tenant, touched] = counted(tx, effect, now).await?;
    let is = |kind: &str| effect.target.starts_with(kind);
    let devices = limits.devices_per_day.filter(|_limit| is("device:") && !touched);
    let mut budgets = vec![
        (Budget::DayActions, limits.per_day, used.day_actions),
        (Budget::TenantActions, limits.tenant_actions_per_day, used.tenant_actions),
        (Budget::DayDevices, devices, used.day_devices),
    ];
    if effect.destructive {
        budgets.push((Budget::RunTargets, limits.targets_per_run.filter(|_limit| !in_run), used.run_targets));
        budgets.push((Budget::DayTargets, limits.targets_per_day.filter(|_limit| !in_day), used.day_targets));
        let tenant = limits.tenant_targets_per_day.filter(|_limit| !in_tenant);
        budgets.push((Budget::TenantTargets, tenant, used.tenant_targets));
        let share = limits.tenant_share_per_day.filter(|_limit| (is("device:") || is("user:")) && !in_tenant);
        budgets.push((Budget::TenantShare, share, used.tenant_share));
        let all = limits.all_targets_per_day.filter(|_limit| !in_tenant);
        budgets.push((Budget::AllTargets, all, all_targets));
    }
    Ok(budgets)
}
