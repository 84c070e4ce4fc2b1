//! What a playbook needs to be allowed in a tenant, taken from the catalogues of inputs, actions and guards.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Input, Mode, Plan};
use crate::action::{Impact, Remote, TargetKind};
use crate::guard;
use crate::model::Lists;
use crate::tenant::{Audience, HuntingApi, Permission, TokenFacts, permission};

/// What becomes of a playbook that lacks a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Its runs fail.
    Vital,
    /// It finds and tells; what it would do fails or is halted, and comes back once that is granted.
    Acting,
    /// It works, and does not see all that it should.
    Useful,
    /// Nothing yet: it is needed when the playbook is switched on, or enforces.
    Later,
}

/// Something a playbook needs to be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What.
    pub permission: Permission,
    /// What for, in the words of playbooks.
    pub purposes: BTreeSet<String>,
    /// What becomes of it otherwise.
    pub weight: Weight,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let purposes: Vec<&str> = self.purposes.iter().map(String::as_str).collect();
        let (role, api) = (self.permission.least(), self.permission.audience.portal_name());
        write!(f, "`{role}` of {api} ({})", purposes.join(", "))
    }
}

/// What was found of needs so far.
#[derive(Default)]
struct Found(BTreeMap<Permission, Need>);

impl Found {
    /// Adds what is worth no word where it is needed anyway.
    fn add_beside(&mut self, permission: Permission, purpose: &str, weight: Weight) {
        if !self.0.contains_key(&permission) {
            self.add(permission, purpose, weight);
        }
    }

    fn add(&mut self, permission: Permission, purpose: &str, weight: Weight) {
        let need = self.0.entry(permission).or_insert_with(|| Need {
            permission,
            purposes: BTreeSet::new(),
            weight,
        });
        need.weight = need.weight.min(weight);
        need.purposes.insert(purpose.to_owned());
    }
}

impl Plan {
    /// What it needs in a tenant that is hunted through this API, as long as these lists are in force.
    #[must_use]
    pub fn needs(&self, hunting: HuntingApi, lists: &Lists) -> Vec<Need> {
        let mut found = Found::default();
        match self.input {
            Input::Hunt(_) => found.add(hunting.permission(), "hunt", Weight::Vital),
            Input::Incidents(_) => found.add(permission::INCIDENTS, "incidents", Weight::Vital),
            Input::Alerts(_) => found.add(permission::ALERTS, "alerts", Weight::Vital),
            Input::Given | Input::Feed(_) => {}
        }
        let (acts, looks) = match self.mode {
            Mode::Enforce => (Weight::Acting, Weight::Acting),
            Mode::Observe => (Weight::Later, Weight::Useful),
        };
        for params in self.steps.iter().map(|step| &step.params) {
            let kind = params.kind();
            for permission in params.permissions() {
                found.add(permission, kind.as_str(), acts);
            }
            let spec = kind.spec();
            if kind.impact() == Impact::Disruptive
                && spec.target == TargetKind::Device
                && spec.remote == Remote::AtOnce
            {
                found.add(permission::DEVICES, &format!("what {kind} acts on"), acts);
            }
            if spec.remote == Remote::Later {
                let purpose = format!("how {kind} ended");
                // What disrupts is not done while nobody knows what was done before.
                let disrupts = kind.impact() == Impact::Disruptive;
                let weight = if disrupts { acts } else { acts.max(Weight::Useful) };
                found.add(permission::DEVICES, &purpose, weight);
            }
        }
        self.needs_of_guards((hunting, lists), looks, &mut found);
        let mut needs: Vec<Need> = found.0.into_values().collect();
        if !self.enabled {
            for need in &mut needs {
                need.weight = Weight::Later;
            }
        }
        needs
    }

    /// What is asked of the tenant before anything is done.
    fn needs_of_guards(&self, (hunting, lists): (HuntingApi, &Lists), weight: Weight, found: &mut Found) {
        // Without a list that protects nothing is done at all.
        let Ok(limits) = self.guards.limits(lists) else { return };
        let aims_at =
            |target: TargetKind| self.steps.iter().any(|step| step.params.kind().spec().target == target);
        let exclude = &limits.exclude;
        let devices = exclude.needs_features(guard::TargetKind::Device)
            || exclude.needs_names(guard::TargetKind::Device);
        if devices && aims_at(TargetKind::Device) {
            found.add(permission::DEVICES, "guards.exclude", weight);
        }
        if exclude.needs_merged() && aims_at(TargetKind::Device) {
            found.add(hunting.permission(), "guards.exclude by device ids", weight);
        }
        if exclude.needs_features(guard::TargetKind::User) && aims_at(TargetKind::User) {
            found.add(permission::USERS, "guards.exclude.userRoles", weight);
            found.add(permission::ROLES, "guards.exclude.userRoles", weight);
        }
        if exclude.needs_names(guard::TargetKind::User) && aims_at(TargetKind::User) {
            found.add(permission::USERS, "guards.exclude", weight);
        }
        if limits.numbers.percent_of_devices.is_some() && aims_at(TargetKind::Device) {
            found.add(hunting.permission(), "maxPercentOfDevices", weight);
        }
        let acts = self.steps.iter().filter_map(|step| {
            let kind = step.params.kind();
            let takes = kind.impact() == Impact::Disruptive && !guard::gives_back(kind.as_str());
            let aim = match kind.spec().target {
                TargetKind::Device => guard::TargetKind::Device,
                TargetKind::User => guard::TargetKind::User,
                TargetKind::Indicator | TargetKind::Email | TargetKind::Incident | TargetKind::Alert => {
                    return None;
                }
            };
            Some((aim, takes))
        });
        if limits.numbers.needs_fleet(acts) {
            // Without it people are asked.
            found.add_beside(hunting.permission(), "how many devices there are", weight.max(Weight::Useful));
        }
    }
}

/// What is known of an app's permissions: what its tokens say, by API. What is not there is not known.
pub type Granted = BTreeMap<Audience, TokenFacts>;

/// Of what a playbook needs, what the app certainly lacks.
pub fn lacking<'a>(needs: &'a [Need], granted: &Granted) -> Vec<&'a Need> {
    let is_lacking = |need: &&Need| {
        let facts = granted.get(&need.permission.audience);
        facts.and_then(|facts| facts.allows(need.permission)) == Some(false)
    };
    needs.iter().filter(is_lacking).collect()
}

/// The fewest and least roles that give these permissions, by API.
#[must_use]
pub fn least_roles(
    permissions: impl IntoIterator<Item = Permission>,
) -> BTreeMap<Audience, BTreeSet<&'static str>> {
    let all: BTreeSet<Permission> = permissions.into_iter().collect();
    let mut roles: BTreeMap<Audience, BTreeSet<&'static str>> = BTreeMap::new();
    for one in &all {
        // What another one's least role gives anyway needs no role of its own.
        let by_another = |other: &Permission| {
            other.audience == one.audience
                && other.least() != one.least()
                && one.roles.contains(&other.least())
        };
        if !all.iter().any(by_another) {
            roles.entry(one.audience).or_default().insert(one.least());
        }
    }
    roles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::ActionKind;

    #[test]
    fn a_role_that_another_one_includes_is_not_asked_for() {
        let roles = least_roles([
            permission::INCIDENTS,
            ActionKind::UpdateIncident.permission(),
            permission::DEVICES,
            ActionKind::IsolateDevice.permission(),
            permission::USERS,
        ]);
        let expected = [
            (Audience::Graph, BTreeSet::from(["SecurityIncident.ReadWrite.All", "User.Read.All"])),
            (Audience::Mde, BTreeSet::from(["Machine.Isolate", "Machine.Read.All"])),
        ];
        assert_eq!(roles, BTreeMap::from(expected));
    }
}
