//! How much of the guards' budgets is used, for people.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{InForce, NAME_MAX};
use crate::guard::{self, Numbers, Written};
use crate::model::PlaybookId;
use crate::plan::World;
use crate::store::{ActionLimits, Budget, SpentInTenant, SpentOfPlaybook, Store, StoreError};
use crate::text::clean;

/// What one playbook in a tenant, all playbooks in a tenant, or all in all tenants have used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardBudget {
    /// The tenant; `None` for all.
    pub tenant: Option<String>,
    /// The playbook; `None` for all.
    pub playbook: Option<PlaybookId>,
    /// What it is called.
    pub playbook_name: Option<String>,
    /// Each budget that has a limit.
    pub budgets: Vec<UsedOf>,
}

/// How much of a budget is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UsedOf {
    /// Which one.
    pub budget: Budget,
    /// What is used of it.
    pub used: u32,
    /// What it is in all.
    pub of: u32,
}

/// Reads what is used at `now`: in each tenant, by each playbook in force that has used anything, and in all tenants.
pub(super) async fn read(
    store: &Store,
    (world, playbooks): (&World, &[InForce]),
    now: Timestamp,
) -> Result<Vec<GuardBudget>, StoreError> {
    let spent = store.spent(now).await?;
    let numbers = guard::tighten(&world.ceilings, &Written::default()).numbers;
    let mut limits = BTreeMap::new();
    for tenant in world.tenants.keys() {
        limits.insert(tenant, store.last_fleet(tenant, now).await?);
    }
    let mut all = Vec::new();
    for (tenant, fleet) in &limits {
        let used = spent.tenants.get(*tenant).copied().unwrap_or_default();
        let of_all = GuardBudget {
            tenant: Some((*tenant).clone()),
            playbook: None,
            playbook_name: None,
            budgets: in_tenant(used, &numbers.action_limits(*fleet)),
        };
        all.push(of_all);
        let of_each = playbooks.iter().filter_map(|one| {
            let used = spent.playbooks.get(&((*tenant).clone(), one.live.playbook))?;
            Some(of_playbook(one, (tenant, *used), &one.guards.as_ref()?.numbers.action_limits(*fleet)))
        });
        all.extend(of_each);
    }
    all.push(everywhere(spent.tenants.values(), &numbers));
    Ok(all)
}

fn in_tenant(used: SpentInTenant, limits: &ActionLimits) -> Vec<UsedOf> {
    limited([
        (Budget::TenantTargets, used.targets, limits.tenant_targets_per_day),
        (Budget::TenantShare, used.devices_and_users, limits.tenant_share_per_day),
        (Budget::Minute, used.rates.minute, limits.per_minute),
        (Budget::Hour, used.rates.hour, limits.per_hour),
        (Budget::TenantActions, used.actions, limits.tenant_actions_per_day),
    ])
}

fn of_playbook(one: &InForce, (tenant, used): (&str, SpentOfPlaybook), limits: &ActionLimits) -> GuardBudget {
    GuardBudget {
        tenant: Some(tenant.to_owned()),
        playbook: Some(one.live.playbook),
        playbook_name: Some(one.name.clone()),
        budgets: limited([
            (Budget::DayTargets, used.targets, limits.targets_per_day),
            (Budget::DayDevices, used.devices, limits.devices_per_day),
            (Budget::DayActions, used.actions, limits.per_day),
        ]),
    }
}

fn everywhere<'s>(tenants: impl Iterator<Item = &'s SpentInTenant>, numbers: &Numbers) -> GuardBudget {
    let targets = tenants.map(|tenant| tenant.targets).sum();
    let budgets = limited([(Budget::AllTargets, targets, numbers.all_targets_per_day)]);
    GuardBudget { tenant: None, playbook: None, playbook_name: None, budgets }
}

fn limited<const N: usize>(budgets: [(Budget, u32, Option<u32>); N]) -> Vec<UsedOf> {
    let limited = |(budget, used, of): (Budget, u32, Option<u32>)| Some(UsedOf { budget, used, of: of? });
    budgets.into_iter().filter_map(limited).collect()
}

impl GuardBudget {
    /// Whose it is, for people.
    #[must_use]
    pub fn whose(&self) -> String {
        let tenant = self.tenant.as_deref().map(|tenant| clean(tenant, NAME_MAX));
        match (&self.playbook_name, tenant) {
            (Some(name), Some(tenant)) => format!("{} in {tenant}", clean(name, NAME_MAX)),
            (None, Some(tenant)) => tenant,
            (_, None) => "all tenants".to_owned(),
        }
    }

    /// What is used of each budget, for people.
    #[must_use]
    pub fn used(&self) -> String {
        let used = self
            .budgets
            .iter()
            .map(|UsedOf { budget, used, of }| format!("{used} of {of} {}", words(*budget)));
        used.collect::<Vec<_>>().join(", ")
    }

    /// Whether one of them is used up.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.budgets.iter().any(|part| part.of <= part.used)
    }
}

const fn words(budget: Budget) -> &'static str {
    match budget {
        Budget::RunTargets => "targets of disruptive actions in a run",
        Budget::DayTargets | Budget::TenantTargets | Budget::AllTargets => {
            "targets of disruptive actions in 24 hours"
        }
        Budget::TenantShare => "devices and users among these",
        Budget::DayDevices => "devices touched in 24 hours",
        Budget::RunActions => "actions of any kind in a run",
        Budget::DayActions | Budget::TenantActions => "actions of any kind in 24 hours",
        Budget::Minute => "disruptive actions in a minute",
        Budget::Hour => "in an hour",
    }
}
