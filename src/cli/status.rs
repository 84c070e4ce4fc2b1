//! `huntbook status`: what is in force, what goes on, and what waits for a person.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::args::Output;
use super::audit::{self, Found};
use super::budget::{self, Budget};
use super::exit::Exit;
use super::history::Past;
use super::in_force::{self, InForce};
use super::output::{clean, counted, say, say_json};
use super::stop::{lifts, shown as shown_stop};
use super::tables::CELL_WIDTH;
use crate::clock::SharedClock;
use crate::settings::{self, Settings};
use crate::store::{Approval, Effect, EffectState, Held, Refusal, Run, RunFilter, RunState, Stop, Store};

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
struct Moment {
    /// The process that owns the journal.
    owner: Option<u32>,
    playbooks: Vec<InForce>,
    refusals: Vec<Refusal>,
    held: Vec<Held>,
    parked: Vec<Effect>,
    /// What waits for people's approval.
    approvals: Vec<Approval>,
    /// Actions without a result.
    intended: Vec<Effect>,
    /// Runs without an end.
    running: Vec<Run>,
    /// How the runs of the last day ended, counted.
    day: BTreeMap<String, u32>,
    /// Messages that wait.
    waiting: u32,
    /// What is left of the budgets of calls, as the process sees it.
    budgets: Vec<Budget>,
    /// Who stopped actions.
    stops: Vec<Stop>,
    histories: Found,
    now: Timestamp,
}

/// Says what is in force, what goes on, and what waits for a person.
pub(super) async fn run(config: &Path, format: Output, clock: SharedClock) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    let past = Past::of(&settings, &clock).await?;
    let moment = Moment::read((&past.store, &settings), clock.now()).await?;
    match format {
        Output::Json => say_json(&moment.json())?,
        Output::Text => say(&moment.text())?,
    }
    Ok(if moment.needs_somebody() { Exit::Findings } else { Exit::Fine })
}

impl Moment {
    async fn read((store, settings): (&Store, &Settings), now: Timestamp) -> anyhow::Result<Self> {
        // The owner first: what it ends meanwhile is then not taken for cut off.
        let owner = store.owner();
        let open = RunFilter { state: Some(RunState::Running), limit: RUNS_MAX, ..RunFilter::default() };
        let mut intended = store.effects_in(EffectState::Intended).await?;
        intended.extend(store.effects_in(EffectState::Unknown).await?);
        Ok(Self {
            owner,
            playbooks: in_force::read(store, settings, (owner.is_some(), now)).await?,
            day: store.tally(now.checked_sub(DAY)?).await?,
            refusals: store.refusals().await?,
            held: store.held().await?,
            parked: store.parked().await?,
            approvals: store.open_approvals().await?,
            intended,
            running: store.runs(&open).await?.into_iter().map(|summary| summary.run).collect(),
            waiting: store.pending().await?,
            budgets: if owner.is_some() { budget::read(store).await? } else { Vec::new() },
            stops: store.stops().await?,
            histories: audit::look(store, EVENTS_MAX).await?,
            now,
        })
    }

    /// How many of the parked actions were parked in the last day.
    fn parked_lately(&self) -> usize {
        let lately = |effect: &&Effect| effect.changed.duration_until(self.now) <= DAY;
        self.parked.iter().filter(lately).count()
    }

    /// The last day in a line: how many runs, and how they ended.
    fn last_day(&self) -> String {
        let runs = usize::try_from(self.day.values().sum::<u32>()).unwrap_or(usize::MAX);
        let ends: Vec<String> = self.day.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let ends = if ends.is_empty() { String::new() } else { format!(": {}", ends.join(", ")) };
        let parked = counted((self.parked_lately(), "action"));
        format!("{}{ends}; {parked} parked", counted((runs, "run")))
    }

    /// The schedules that are not followed for want of permissions, and what to do about it.
    fn unarmed(&self) -> Vec<(&'static str, String)> {
        let all = self.playbooks.iter().flat_map(InForce::unarmed);
        let mut lines: Vec<_> = all.map(|unarmed| ("unarmed", unarmed)).collect();
        if !lines.is_empty() {
            lines.push(("", "`huntbook doctor` tells what to grant, and how".to_owned()));
        }
        lines
    }

    fn needs_somebody(&self) -> bool {
        let alone = self.owner.is_none() && !(self.running.is_empty() && self.intended.is_empty());
        !self.refusals.is_empty()
            || !self.held.is_empty()
            || !self.parked.is_empty()
            || !self.approvals.is_empty()
            || !self.unarmed().is_empty()
            || !self.stops.is_empty()
            || alone
            || self.intended.iter().any(|effect| self.is_stuck(effect))
            || !audit::is_intact(&self.histories)
    }

    /// Whether an action has been without a result for longer than a call can take.
    fn is_stuck(&self, effect: &Effect) -> bool {
        RESULT_WITHIN < effect.intended.duration_until(self.now)
    }

    fn json(&self) -> Value {
        let live: Vec<_> = self.playbooks.iter().map(InForce::json).collect();
        let held: Vec<_> =
            self.held.iter().map(|held| json!({"file": held.file, "since": held.at})).collect();
        let running: Vec<_> = self
            .running
            .iter()
            .map(|run| json!({"run": run.id, "playbook": run.playbook, "playbookName": run.playbook_name, "tenant": run.tenant, "started": run.started}))
            .collect();
        let histories: Vec<_> = self.histories.iter().map(audit::in_json).collect();
        let journal = json!({"intact": audit::is_intact(&self.histories), "histories": histories});
        let since = self.now.checked_sub(DAY).ok();
        json!({
            "lastDay": {"since": since, "runs": self.day, "parked": self.parked_lately()},
            "stops": self.stops,
            "approvals": self.approvals.iter().map(super::approvals::in_json).collect::<Vec<_>>(),
            "playbooks": live, "refused": self.refusals, "held": held, "parked": self.parked, "messagesWaiting": self.waiting, "budgets": self.budgets,
            "process": self.owner, "running": running, "withoutResult": self.intended, "journal": journal,
        })
    }

    fn text(&self) -> String {
        let mut text =
            format!("{}\n\n{}", in_force::text(&self.playbooks, self.now), refused(&self.refusals));
        let mut line = |word: &str, rest: String| {
            let _infallible = writeln!(text, "{word:<9}{rest}");
        };
        for stop in &self.stops {
            line("stopped", format!("{}; `{}` lifts it", shown_stop(stop), lifts(stop)));
        }
        for held in &self.held {
            let file = clean(&held.file, 200);
            line(
                "held",
                format!(
                    "{file} since {:.0}: it is gone, or much of it; what it said stays in force",
                    held.at
                ),
            );
        }
        if !self.held.is_empty() {
            line(
                "",
                "bring the files back, or say that this was meant: send `huntbook serve` SIGHUP".to_owned(),
            );
        }
        match self.owner {
            Some(pid) => line("process", format!("{pid} works with this journal")),
            None => line("process", "none works with this journal".to_owned()),
        }
        line("last day", self.last_day());
        for run in &self.running {
            let end = if self.owner.is_some() { "" } else { ": cut off; the next start takes it up" };
            let (name, tenant) = (clean(&run.playbook_name, CELL_WIDTH), clean(&run.tenant, CELL_WIDTH));
            line("running", format!("{name} in {tenant} since {:.0}, run {}{end}", run.started, run.id));
        }
        let skipped = self.playbooks.iter().flat_map(InForce::skipped).map(|skipped| ("skipped", skipped));
        for (word, schedule) in self.unarmed().into_iter().chain(skipped) {
            line(word, schedule);
        }
        for effect in &self.intended {
            let end = match self.owner {
                None => ": cut off; the next start parks it",
                Some(_) if self.is_stuck(effect) => ": this takes too long; restart the process",
                Some(_) => "",
            };
            line("under way", format!("{}{end}", shown(effect)));
        }
        for effect in &self.parked {
            let why = "nobody knows whether it was done";
            line("parked", format!("{} {}: {why}", effect.key.short(), shown(effect)));
        }
        if !self.parked.is_empty() {
            line("", "look, and say it: huntbook resolve EFFECT --done, or --not-applied".to_owned());
        }
        if !self.approvals.is_empty() {
            let waiting = counted((self.approvals.len(), "action"));
            line("approval", format!("{waiting} asked for: look at them with `huntbook approvals`"));
        }
        for room in self.budgets.iter().flat_map(Budget::lines) {
            line("budget", room);
        }
        let waiting = usize::try_from(self.waiting).unwrap_or(usize::MAX);
        line("outbox", format!("{} waiting", counted((waiting, "message"))));
        for history in &self.histories {
            line("journal", format!("{} {}", history.0.as_str(), audit::in_words(history)));
        }
        text
    }
}

/// An effect in one line.
fn shown(effect: &Effect) -> String {
    let target = clean(&effect.target, 120);
    format!("{} of {target} since {:.0}, run {}", effect.action, effect.intended, effect.run)
}

/// The files that were refused, and why.
fn refused(refusals: &[Refusal]) -> String {
    let mut text = String::new();
    for refusal in refusals {
        let _infallible = writeln!(text, "refused  {} since {:.0}", clean(&refusal.file, 200), refusal.at);
        for problem in refusal.diagnostics.as_array().map(Vec::as_slice).unwrap_or_default() {
            let part = |name: &str| {
                problem
                    .get(name)
                    .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                    .unwrap_or_default()
            };
            let _infallible = writeln!(
                text,
                "         {}:{} {} {}",
                part("line"),
                part("column"),
                part("code"),
                clean(&part("message"), 200)
            );
        }
    }
    text
}
