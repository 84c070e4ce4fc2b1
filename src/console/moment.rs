//! The moment: what is in force, what goes on, and what waits for a person.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::audit::{self, Found};
use super::budget::{self, Budget};
use super::guard_budget::{self, GuardBudget};
use super::in_force::{self, Compiled, InForce, Starts};
use super::{NAME_MAX, leave};
use crate::plan::World;
use crate::store::{
    Approval, Effect, EffectState, Held, HeldEdit, ListLag, Refusal, Room, Run, RunFilter, RunState, SignIn,
    Stop, Store, StoreError, Unwritten,
};
use crate::tenant::{Ending, days_left};
use crate::text::{clean, counted};

/// Events of each history that are checked each time: a fraction of a second. More than a busy day writes,
/// and `audit verify` checks all.
const EVENTS_MAX: u32 = 20_000;

/// How long an action may be without a result while its process lives. What has to be read around it waits for at
/// most fifteen minutes; twice that is not waiting any more.
const RESULT_WITHIN: SignedDuration = SignedDuration::from_mins(30);

/// How far back runs are counted.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Runs listed that have not ended.
const RUNS_MAX: u32 = 1000;

/// What the journal says of the moment.
#[derive(Debug)]
pub struct Moment {
    /// The process that owns the journal.
    pub owner: Option<u32>,
    /// What is in force.
    pub playbooks: Vec<InForce>,
    /// Files that were refused.
    pub refusals: Vec<Refusal>,
    /// Files that are gone, and stay in force.
    pub held: Vec<Held>,
    /// Edits that raise risk and wait for a second person.
    pub held_edits: Vec<HeldEdit>,
    /// Actions in doubt.
    pub parked: Vec<Effect>,
    /// What waits for people's approval.
    pub approvals: Vec<Approval>,
    /// Actions without a result.
    pub intended: Vec<Effect>,
    /// Runs without an end.
    pub running: Vec<Run>,
    /// How the runs of the last day ended, counted.
    pub day: BTreeMap<String, u32>,
    /// Messages that wait.
    pub waiting: u32,
    /// What is left of the budgets of calls, as the process sees it.
    pub budgets: Vec<Budget>,
    /// How much of the guards' budgets is used.
    pub guard_budgets: Vec<GuardBudget>,
    /// How the process stands with the tenants' authorities.
    pub sign_ins: BTreeMap<String, SignIn>,
    /// How late the tenants' lists of actions were at worst in a week.
    pub list_lags: BTreeMap<String, ListLag>,
    /// Who stopped actions.
    pub stops: Vec<Stop>,
    /// Why the journal is not written.
    pub unwritten: Option<Unwritten>,
    /// The room on its disk.
    pub room: Option<Room>,
    /// Whether the histories are as they were written.
    pub histories: Found,
    /// When all this was so.
    pub now: Timestamp,
}

impl Moment {
    /// Reads it. Whoever reads it again and again keeps what was compiled.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn read(
        store: &Store,
        (world, compiled): (&World, &Compiled),
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        // The owner first: what it ends meanwhile is then not taken for cut off.
        let owner = store.owner();
        let open = RunFilter { state: Some(RunState::Running), limit: RUNS_MAX, ..RunFilter::default() };
        let mut intended = store.effects_in(EffectState::Intended).await?;
        intended.extend(store.effects_in(EffectState::Unknown).await?);
        // A process that is gone was given something else than the next one may be.
        let mut sign_ins = if owner.is_some() { store.sign_ins().await? } else { BTreeMap::new() };
        sign_ins.retain(|tenant, _| world.tenants.contains_key(tenant));
        let playbooks = in_force::read(store, (world, compiled), (owner.is_some(), now)).await?;
        Ok(Self {
            owner,
            sign_ins,
            guard_budgets: guard_budget::read(store, (world, &playbooks), now).await?,
            playbooks,
            day: store.tally(now.checked_sub(DAY).unwrap_or(Timestamp::MIN)).await?,
            refusals: store.refusals().await?,
            held: store.held().await?,
            held_edits: store.held_edits().await?,
            parked: store.parked().await?,
            approvals: store.open_approvals().await?,
            intended,
            running: store.runs(&open).await?.into_iter().map(|summary| summary.run).collect(),
            waiting: store.pending().await?,
            budgets: if owner.is_some() { budget::read(store).await? } else { Vec::new() },
            list_lags: store.list_lags(now).await?,
            stops: store.stops().await?,
            unwritten: store.unwritten(),
            room: store.room(),
            histories: audit::look(store, EVENTS_MAX).await?,
            now,
        })
    }

    /// What keeps the journal from being written, or soon will.
    #[must_use]
    pub fn disk(&self) -> Vec<(&'static str, String)> {
        let unwritten =
            self.unwritten.iter().map(|unwritten| ("journal", clean(&unwritten.to_string(), 700)));
        let short = self.room.filter(Room::is_short).map(|room| ("disk", room.to_string()));
        unwritten.chain(short).collect()
    }

    /// How many of the parked actions were parked in the last day.
    fn parked_lately(&self) -> usize {
        let lately = |effect: &&Effect| effect.changed.duration_until(self.now) <= DAY;
        self.parked.iter().filter(lately).count()
    }

    /// The last day in a line: how many runs, and how they ended.
    #[must_use]
    pub fn last_day(&self) -> String {
        let ends: Vec<String> = self.day.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let ends = if ends.is_empty() { String::new() } else { format!(": {}", ends.join(", ")) };
        let parked = counted(self.parked_lately(), "action");
        format!("{}{ends}; {parked} parked", counted(self.day.values().sum::<u32>(), "run"))
    }

    /// How a playbook stands, in some words: what it does, and what keeps it from that.
    #[must_use]
    pub fn standing(&self, one: &InForce) -> Vec<String> {
        let mut words = vec![match (one.starts, one.mode) {
            (Starts::Never, _) | (_, None) => "does not fit the settings".to_owned(),
            (Starts::Off, _) => "switched off".to_owned(),
            (_, Some("observe")) => "only observes".to_owned(),
            (_, Some(_)) => "live".to_owned(),
        }];
        let (id, file) = (one.live.playbook, &one.live.file);
        let of_it = |stop: &&Stop| stop.playbook.as_ref().is_none_or(|stopped| stopped.id == id);
        let here = |stop: &&Stop| stop.tenant.as_ref().is_none_or(|tenant| one.tenants.contains(tenant));
        let stopped = self.stops.iter().filter(of_it).filter(here).map(|stop| match &stop.tenant {
            Some(tenant) => format!("stopped in {}", clean(tenant, NAME_MAX)),
            None => "stopped".to_owned(),
        });
        words.extend(stopped.collect::<BTreeSet<String>>());
        let unarmed = one.unarmed.iter().map(|one| format!("unarmed in {}", clean(&one.tenant, NAME_MAX)));
        words.extend(unarmed);
        let has = |is: bool, word: &str| is.then(|| word.to_owned());
        words.extend(has(self.held.iter().any(|held| held.file == *file), "held: its file is gone"));
        words.extend(has(self.refusals.iter().any(|one| one.file == *file), "its new version is refused"));
        words.extend(has(self.held_edits.iter().any(|edit| edit.file == *file), "an edit waits"));
        words
    }

    /// The schedules that are not followed for want of permissions, and what to do about it.
    #[must_use]
    pub fn unarmed(&self) -> Vec<(&'static str, String)> {
        let all = self.playbooks.iter().flat_map(InForce::unarmed);
        let mut lines: Vec<_> = all.map(|unarmed| ("unarmed", unarmed)).collect();
        if !lines.is_empty() {
            lines.push(("", "`huntbook doctor` tells what to grant, and how".to_owned()));
        }
        lines
    }

    /// The tenants that huntbook does not get in to, or soon does not any more, and those whose lists are late.
    #[must_use]
    pub fn tenants(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (tenant, SignIn { refused, certificate_ends, since }) in &self.sign_ins {
            let tenant = clean(tenant, 60);
            if let Some(why) = refused {
                lines.push(format!("{tenant} is not armed since {since:.0}: {}", clean(why, 400)));
            }
            if let Some(ends) = certificate_ends.filter(|ends| Ending::of(*ends, self.now).is_some()) {
                let days = counted(days_left(ends, self.now), "day");
                lines.push(format!(
                    "{tenant}: the app's certificate ends in {days}, at {ends:.0}; replace it"
                ));
            }
        }
        for (tenant, lag) in self.list_lags.iter().filter(|(_tenant, lag)| lag.is_late()) {
            lines.push(format!(
                "{}: the list of actions showed an accepted one {}, at {:.0}: what is in doubt there is for people for a week",
                clean(tenant, 60),
                lag.in_words(),
                lag.at
            ));
        }
        lines
    }

    /// Whether somebody should look.
    #[must_use]
    pub fn needs_somebody(&self) -> bool {
        let alone = self.owner.is_none() && !(self.running.is_empty() && self.intended.is_empty());
        !self.refusals.is_empty()
            || !self.held.is_empty()
            || !self.held_edits.is_empty()
            || !self.parked.is_empty()
            || !self.approvals.is_empty()
            || !self.unarmed().is_empty()
            || !self.tenants().is_empty()
            || !self.stops.is_empty()
            || !self.disk().is_empty()
            || alone
            || self.intended.iter().any(|effect| self.is_stuck(effect))
            || !audit::is_intact(&self.histories)
    }

    /// Whether an action has been without a result for longer than a call can take.
    #[must_use]
    pub fn is_stuck(&self, effect: &Effect) -> bool {
        RESULT_WITHIN < effect.intended.duration_until(self.now)
    }

    /// For machines.
    #[must_use]
    pub fn json(&self) -> Value {
        let live: Vec<_> = self.playbooks.iter().map(InForce::json).collect();
        let held: Vec<_> =
            self.held.iter().map(|held| json!({"file": held.file, "since": held.at})).collect();
        let running: Vec<_> = self
            .running
            .iter()
            .map(|run| json!({"run": run.id, "playbook": run.playbook, "playbookName": run.playbook_name, "tenant": run.tenant, "started": run.started}))
            .collect();
        let histories: Vec<_> = self.histories.iter().map(audit::in_json).collect();
        let journal = json!({"intact": audit::is_intact(&self.histories), "histories": histories, "unwritten": self.unwritten, "room": self.room});
        let since = self.now.checked_sub(DAY).ok();
        json!({
            "lastDay": {"since": since, "runs": self.day, "parked": self.parked_lately()},
            "stops": self.stops,
            "approvals": self.approvals.iter().map(leave::in_json).collect::<Vec<_>>(),
            "tenants": self.sign_ins, "listLags": self.list_lags, "playbooks": live, "refused": self.refusals, "held": held, "heldEdits": self.held_edits, "parked": self.parked, "messagesWaiting": self.waiting, "budgets": self.budgets,
            "guardBudgets": self.guard_budgets,
            "process": self.owner, "running": running, "withoutResult": self.intended, "journal": journal,
        })
    }
}

/// An effect in one line.
#[must_use]
pub fn shown(effect: &Effect) -> String {
    let target = clean(&effect.target, 120);
    format!("{} of {target} since {:.0}, run {}", effect.action, effect.intended, effect.run)
}
