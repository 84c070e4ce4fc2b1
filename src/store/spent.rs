//! How much of the budgets of actions is used, for people. What binds is counted in the transaction of each intent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::budget::{DAY_MS, HOUR_MS, MINUTE_MS, gives_back, lately, takes};
use super::run::read_playbook_id;
use super::{Rates, Store, StoreError, count};
use crate::model::PlaybookId;

/// What was used of the budgets in the last 24 hours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent {
    /// By tenant.
    pub tenants: BTreeMap<String, SpentInTenant>,
    /// By tenant and playbook.
    pub playbooks: BTreeMap<(String, PlaybookId), SpentOfPlaybook>,
}

/// What all playbooks used in a tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpentInTenant {
    /// Actions of any kind.
    pub actions: u32,
    /// Distinct targets of actions that take something away.
    pub targets: u32,
    /// Devices and users among these.
    pub devices_and_users: u32,
    /// The actions that take, lately.
    pub rates: Rates,
}

/// What one playbook used in a tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpentOfPlaybook {
    /// Actions of any kind.
    pub actions: u32,
    /// Distinct targets of actions that take something away.
    pub targets: u32,
    /// Distinct devices of its actions.
    pub devices: u32,
}

/// What counts, as the transaction of an intent counts it.
macro_rules! used {
    ($columns:literal, $by:literal) => {
        concat!(
            "WITH used AS (SELECT tenant, playbook, target, counts_at, ",
            takes!(),
            " AS takes FROM effects_dated WHERE ",
            lately!("$1"),
            " AND counts_at > $1 AND state <> 'notApplied' AND NOT ",
            gives_back!(),
            ") SELECT ",
            $columns,
            ", count(*), count(DISTINCT CASE WHEN takes THEN target END), \
             count(DISTINCT CASE WHEN takes AND (target LIKE 'device:%' OR target LIKE 'user:%') THEN target END), \
             count(DISTINCT CASE WHEN target LIKE 'device:%' THEN target END), \
             coalesce(sum(takes AND counts_at > $2), 0), coalesce(sum(takes AND counts_at > $3), 0) FROM used GROUP BY ",
            $by
        )
    };
}

impl Store {
    /// Says what is used of the budgets, at `now` or the later moment that the journal has seen.
    ///
    /// The clock that nobody sets is asked only by who writes: right after the other was set ahead, until something is
    /// written, less may be shown than counts.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn spent(&self, now: Timestamp) -> Result<Spent, StoreError> {
        let seen: i64 = sqlx::query_scalar("SELECT value FROM facts WHERE name = 'wallSeen'")
            .fetch_one(&self.0.readers)
            .await?;
        let now = now.as_millisecond().max(seen);
        let mut spent = Spent::default();
        for row in self.used_since(used!("tenant", "tenant"), now).await? {
            spent.tenants.insert(row.try_get(0)?, in_tenant(&row)?);
        }
        for row in self.used_since(used!("tenant, playbook", "tenant, playbook"), now).await? {
            let playbook = read_playbook_id(row.try_get(1)?)?;
            let [actions, targets, _, devices] = numbers(&row, 2)?;
            let of = SpentOfPlaybook { actions, targets, devices };
            spent.playbooks.insert((row.try_get(0)?, playbook), of);
        }
        Ok(spent)
    }

    async fn used_since(&self, sql: &'static str, now: i64) -> Result<Vec<SqliteRow>, StoreError> {
        let query = sqlx::query(sql)
            .bind(now.saturating_sub(DAY_MS))
            .bind(now.saturating_sub(MINUTE_MS))
            .bind(now.saturating_sub(HOUR_MS));
        Ok(query.fetch_all(&self.0.readers).await?)
    }
}

fn in_tenant(row: &SqliteRow) -> Result<SpentInTenant, StoreError> {
    let [actions, targets, devices_and_users, _] = numbers(row, 1)?;
    let [minute, hour] = numbers(row, 5)?;
    Ok(SpentInTenant { actions, targets, devices_and_users, rates: Rates { minute, hour } })
}

/// The counts of a row from a column on.
fn numbers<const N: usize>(row: &SqliteRow, from: usize) -> Result<[u32; N], StoreError> {
    let mut found = [0; N];
    for (place, number) in found.iter_mut().enumerate() {
        *number = count(row.try_get(from.saturating_add(place))?)?;
    }
    Ok(found)
}
