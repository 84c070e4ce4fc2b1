//! The playbooks in force: what they are, when each is due, and how it ended last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::NAME_MAX;
use super::history::{Listed, listed};
use crate::daemon::Generation;
use crate::guard::{self, GuardLimits};
use crate::plan::{Plan, World};
use crate::store::{ContentHash, LiveList, LivePlaybook, RunFilter, Skip, Store, StoreError, Unarmed};
use crate::text::clean;

/// A playbook in force.
#[derive(Debug)]
pub struct InForce {
    /// The version in force.
    pub live: LivePlaybook,
    /// What it is called; its id if nobody can say any more.
    pub name: String,
    /// `observe` or `enforce`; `None` for one that does not fit the settings any more.
    pub mode: Option<&'static str>,
    /// The tenants that it is for.
    pub tenants: Vec<String>,
    /// Whether it runs by itself.
    pub starts: Starts,
    /// The next slot of its schedule, while somebody serves it.
    pub next_due: Option<Timestamp>,
    /// What limits it; `None` for one that does not fit the settings any more.
    pub guards: Option<GuardLimits>,
    /// Its last run.
    pub last: Option<Listed>,
    /// What its schedule let go last, by tenant.
    pub skips: Vec<Skip>,
    /// Where its schedule is not followed for want of permissions.
    pub unarmed: Vec<Unarmed>,
}

/// Whether a playbook runs by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starts {
    /// Its schedule starts it.
    OnSchedule,
    /// It has no schedule.
    OnDemand,
    /// `enabled: false`, or it has expired.
    Off,
    /// It cannot be used with these settings.
    Never,
}

/// What is in force, compiled; kept as long as the same is in force. For one world.
#[derive(Debug, Default)]
pub struct Compiled(Mutex<Option<(ContentHash, Arc<Generation>)>>);

impl Compiled {
    fn of(&self, versions: &[LivePlaybook], lists: Vec<LiveList>, world: &World) -> Arc<Generation> {
        let playbooks =
            versions.iter().map(|live| format!("{} {} {:?}\n", live.playbook, live.hash, live.file));
        let all = playbooks.chain(lists.iter().map(|live| format!("{:?} {}\n", live.name, live.hash)));
        let key = ContentHash::of(all.collect::<String>().as_bytes());
        let known = self.kept().clone().filter(|(of, _)| *of == key);
        if let Some((_, generation)) = known {
            return generation;
        }
        let generation = Arc::new(Generation::restore(versions, lists, world));
        *self.kept() = Some((key, Arc::clone(&generation)));
        generation
    }

    // Nothing panics half-way.
    fn kept(&self) -> MutexGuard<'_, Option<(ContentHash, Arc<Generation>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads what the journal says of each playbook in force. `served`: whether a process keeps the schedules.
///
/// # Errors
///
/// Any [`StoreError`].
pub(super) async fn read(
    store: &Store,
    (world, compiled): (&World, &Compiled),
    (served, now): (bool, Timestamp),
) -> Result<Vec<InForce>, StoreError> {
    let versions = store.live_versions().await?;
    let generation = compiled.of(&versions, store.live_lists().await?, world);
    let mut all = Vec::with_capacity(versions.len());
    let unarmed = store.unarmed().await?;
    let known = |one: &&Unarmed| world.tenants.contains_key(&one.tenant);
    for live in versions {
        let plan = generation.playbooks.get(&live.playbook).map(|live| &*live.plan);
        let filter = RunFilter { playbook: Some(live.playbook), limit: 1, ..RunFilter::default() };
        let last = match store.runs(&filter).await?.pop() {
            Some(run) => Some(listed(store, run).await?),
            None => None,
        };
        let mut next_due = None;
        let of_it = unarmed.iter().filter(known).filter(|one| one.playbook == live.playbook);
        let unarmed: Vec<Unarmed> = of_it.cloned().collect();
        let is_armed = |tenant: &String| !unarmed.iter().any(|one| one.tenant == *tenant);
        let starts = plan.map_or(Starts::Never, |plan| starts(plan, now));
        let is_for = |tenant: &&String| plan.is_some_and(|plan| plan.is_for(tenant));
        let tenants: Vec<String> = world.tenants.keys().filter(is_for).cloned().collect();
        if let (Some(plan), true, Starts::OnSchedule) = (plan, served, starts) {
            for tenant in tenants.iter().filter(|tenant| is_armed(tenant)) {
                // A version counts from when it came into force; what is older is the scheduler's to judge.
                let last = store.last_slot(live.playbook, tenant).await?.unwrap_or(live.at).max(live.at);
                let next = plan.rule.as_ref().and_then(|rule| rule.cadence.next_after(last));
                next_due = next_due.into_iter().chain(next).min();
            }
        }
        all.push(InForce {
            name: plan.map_or_else(|| live.playbook.to_string(), |plan| plan.about.name.clone()),
            guards: plan.map(|plan| guard::tighten(&plan.guards.ceilings, &plan.guards.written)),
            mode: plan.map(|plan| plan.mode.as_str()),
            tenants,
            starts,
            next_due,
            last,
            skips: store.skips(live.playbook).await?,
            unarmed,
            live,
        });
    }
    Ok(all)
}

fn starts(plan: &Plan, now: Timestamp) -> Starts {
    if !plan.enabled || plan.has_expired(now) {
        Starts::Off
    } else if plan.rule.is_some() {
        Starts::OnSchedule
    } else {
        Starts::OnDemand
    }
}

impl InForce {
    /// For machines.
    #[must_use]
    pub fn json(&self) -> Value {
        let last = self.last.as_ref().map(|last| {
            let run = &last.summary.run;
            json!({"run": run.id, "started": run.started, "finished": run.finished, "state": last.state(), "reason": last.reason()})
        });
        json!({
            "playbook": self.live.playbook, "playbookName": self.name, "file": self.live.file,
            "playbookVersion": self.live.hash, "since": self.live.at, "mode": self.mode,
            "starts": self.starts.as_str(), "nextDue": self.next_due, "lastRun": last, "skipped": self.skips,
            "unarmed": self.unarmed,
        })
    }

    /// What its schedule let go last, a line for each tenant.
    pub fn skipped(&self) -> impl Iterator<Item = String> {
        self.skips.iter().map(|Skip { tenant, slot, reason, count }| {
            let (name, tenant) = (clean(&self.name, NAME_MAX), clean(tenant, NAME_MAX));
            format!("{name} in {tenant}, due {slot:.0}: {reason} ({count} in all)")
        })
    }

    /// Where its schedule is not followed, a line for each tenant.
    pub fn unarmed(&self) -> impl Iterator<Item = String> {
        self.unarmed.iter().map(|Unarmed { tenant, lacks, since, .. }| {
            let (name, tenant) = (clean(&self.name, NAME_MAX), clean(tenant, NAME_MAX));
            format!("{name} in {tenant} since {since:.0}: it lacks {}", clean(lacks, 400))
        })
    }

    /// When it runs next, for people.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> String {
        match (self.starts, self.next_due) {
            (Starts::OnSchedule, Some(due)) if due <= now => "now".to_owned(),
            (Starts::OnSchedule, Some(due)) => format!("{due:.0}"),
            (Starts::OnSchedule, None) if !self.unarmed.is_empty() => "not armed".to_owned(),
            (Starts::OnSchedule, None) => "nobody serves it".to_owned(),
            (Starts::OnDemand, _) => "on demand".to_owned(),
            (Starts::Off, _) => "switched off".to_owned(),
            (Starts::Never, _) => "does not fit the settings".to_owned(),
        }
    }
}

impl Starts {
    const fn as_str(self) -> &'static str {
        match self {
            Self::OnSchedule => "onSchedule",
            Self::OnDemand => "onDemand",
            Self::Off => "off",
            Self::Never => "never",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::action::Approvers;
    use crate::expr::Language;
    use crate::guard::Ceilings;
    use crate::model::{Lists, PlaybookId};
    use crate::plan::{Exclusions, Queries};

    #[test]
    fn what_is_in_force_is_compiled_once_for_each_version() {
        let compiled = Compiled::default();
        let world = World {
            language: Language::new(),
            lists: Lists::default(),
            channels: BTreeSet::new(),
            chats: BTreeMap::new(),
            alerts: None,
            tenants: BTreeMap::new(),
            ceilings: Ceilings::default(),
            exclusions: Exclusions::default(),
            queries: Queries::Trusted,
            approvers: Approvers::default(),
        };
        let live = |bytes: &[u8]| LivePlaybook {
            playbook: PlaybookId(uuid::Uuid::nil()),
            file: "a.yaml".to_owned(),
            hash: ContentHash::of(bytes),
            bytes: bytes.to_vec(),
            at: Timestamp::UNIX_EPOCH,
        };
        let list = |bytes: &[u8]| LiveList {
            name: "vip".to_owned(),
            file: "vip.txt".to_owned(),
            hash: ContentHash::of(bytes),
            bytes: bytes.to_vec(),
            at: Timestamp::UNIX_EPOCH,
        };
        let of =
            |playbook: &[u8], entries: &[u8]| compiled.of(&[live(playbook)], vec![list(entries)], &world);
        let first = of(b"schema: 1\n", b"one\n");
        assert!(Arc::ptr_eq(&first, &of(b"schema: 1\n", b"one\n")));
        assert!(!Arc::ptr_eq(&first, &of(b"schema: 1\n", b"two\n")));
        assert!(!Arc::ptr_eq(&of(b"schema: 1\n", b"two\n"), &of(b"schema: 1 \n", b"two\n")));
    }
}
