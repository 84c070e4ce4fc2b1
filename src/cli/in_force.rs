//! The playbooks in force: what they are, when each is due, and how it ended last.

use comfy_table::Cell;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::history::{Listed, listed};
use super::output::{clean, width};
use super::tables::{CELL_WIDTH, WIDE, state, table};
use crate::daemon::Generation;
use crate::model::Lists;
use crate::plan::Plan;
use crate::settings::Settings;
use crate::store::{LivePlaybook, RunFilter, Skip, Store, Unarmed};

/// A playbook in force.
pub(super) struct InForce {
    live: LivePlaybook,
    /// What it is called; its id if nobody can say any more.
    name: String,
    /// `observe` or `enforce`; `None` for one that does not fit the settings any more.
    mode: Option<&'static str>,
    /// Whether it runs by itself.
    starts: Starts,
    /// The next slot of its schedule, while somebody serves it.
    next_due: Option<Timestamp>,
    last: Option<Listed>,
    /// What its schedule let go last, by tenant.
    skips: Vec<Skip>,
    /// Where its schedule is not followed for want of permissions.
    unarmed: Vec<Unarmed>,
}

/// Whether a playbook runs by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Starts {
    OnSchedule,
    /// It has no schedule.
    OnDemand,
    /// `enabled: false`, or it has expired.
    Off,
    /// It cannot be used with these settings.
    Never,
}

/// Reads what the journal says of each playbook in force. `served`: whether a process keeps the schedules.
pub(super) async fn read(
    store: &Store,
    settings: &Settings,
    (served, now): (bool, Timestamp),
) -> anyhow::Result<Vec<InForce>> {
    let versions = store.live_versions().await?;
    let world = super::setup::world(settings, Lists::default());
    let generation = Generation::restore(&versions, store.live_lists().await?, &world);
    let mut all = Vec::with_capacity(versions.len());
    let unarmed = store.unarmed().await?;
    let known = |one: &&Unarmed| settings.tenants.contains_key(&one.tenant);
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
        if let (Some(plan), true, Starts::OnSchedule) = (plan, served, starts) {
            let armed = settings.tenants.keys().filter(|tenant| plan.is_for(tenant) && is_armed(tenant));
            for tenant in armed {
                // A version counts from when it came into force; what is older is the scheduler's to judge.
                let last = store.last_slot(live.playbook, tenant).await?.unwrap_or(live.at).max(live.at);
                let next = plan.rule.as_ref().and_then(|rule| rule.cadence.next_after(last));
                next_due = next_due.into_iter().chain(next).min();
            }
        }
        all.push(InForce {
            name: plan.map_or_else(|| live.playbook.to_string(), |plan| plan.about.name.clone()),
            mode: plan.map(|plan| plan.mode.as_str()),
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
    pub(super) fn json(&self) -> Value {
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
    pub(super) fn skipped(&self) -> impl Iterator<Item = String> {
        self.skips.iter().map(|Skip { tenant, slot, reason, count }| {
            let (name, tenant) = (clean(&self.name, CELL_WIDTH), clean(tenant, CELL_WIDTH));
            format!("{name} in {tenant}, due {slot:.0}: {reason} ({count} in all)")
        })
    }

    /// Where its schedule is not followed, a line for each tenant.
    pub(super) fn unarmed(&self) -> impl Iterator<Item = String> {
        self.unarmed.iter().map(|Unarmed { tenant, lacks, since, .. }| {
            let (name, tenant) = (clean(&self.name, CELL_WIDTH), clean(tenant, CELL_WIDTH));
            format!("{name} in {tenant} since {since:.0}: it lacks {}", clean(lacks, 400))
        })
    }

    /// When it runs next, for people.
    fn due(&self, now: Timestamp) -> String {
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

/// All of them for people.
pub(super) fn text(all: &[InForce], now: Timestamp) -> String {
    if all.is_empty() {
        return "no playbook is in force: `huntbook serve` puts those of the folder in force".to_owned();
    }
    let narrow = width().is_some_and(|width| width < WIDE);
    let head: &[&str] = if narrow {
        &["playbook", "mode", "next due", "last run", "outcome"]
    } else {
        &["playbook", "file", "version", "mode", "next due", "last run", "outcome"]
    };
    let mut table = table(head);
    if narrow && let Some(name) = table.column_mut(0) {
        name.remove_constraint();
    }
    for one in all {
        let name = Cell::new(clean(&one.name, CELL_WIDTH));
        let mode = Cell::new(one.mode.unwrap_or("–"));
        let ran = one.last.as_ref().map(|last| format!("{:.0}", last.summary.run.started));
        let rest = [
            Cell::new(one.due(now)),
            Cell::new(ran.unwrap_or_else(|| "never".to_owned())),
            one.last.as_ref().map_or_else(|| Cell::new("–"), |last| state(&last.state())),
        ];
        if narrow {
            table.add_row([name, mode].into_iter().chain(rest));
        } else {
            let file = Cell::new(clean(&one.live.file, CELL_WIDTH));
            let version = Cell::new(one.live.hash.short());
            table.add_row([name, file, version, mode].into_iter().chain(rest));
        }
    }
    table.to_string()
}
