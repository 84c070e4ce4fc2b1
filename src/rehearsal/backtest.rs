//! A playbook through a stretch of past time, run by run, on recorded tables.
//!
//! The runs are those of its schedule; the journal goes from one to the next, so that identity, suppression
//! and limits count as they would have. Devices and users are as they are today, and rows are there from the
//! moment they tell of: how late they came in, nobody knows any more.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::facts::Heading;
use super::fixture::{Changes, Holdings, objects};
use super::record::Recording;
use super::stage::{Place, Stage};
use super::suite::{Setting, Sink, other_names};
use crate::cadence::Cadence;
use crate::kql::Schema;
use crate::model::Lists;
use crate::plan::{Input, Plan};

/// Most runs of one replay: a month of a playbook that runs every half hour, and some more.
const RUNS_MAX: usize = 2000;

/// How often the devices of today are made to report; less than the week that a guard looks back.
const FLEET_EVERY: SignedDuration = SignedDuration::from_hours(6 * 24);

/// What is replayed.
#[derive(Debug)]
pub struct Backtest<'a> {
    /// The playbook.
    pub plan: Arc<Plan>,
    /// Its text.
    pub bytes: &'a [u8],
    /// The lists in force.
    pub lists: Lists,
    /// The tenant, by its name.
    pub tenant: String,
    /// First moment.
    pub from: Timestamp,
    /// Last moment.
    pub to: Timestamp,
    /// The distance of runs, for a playbook without a schedule or in place of it.
    pub every: Option<SignedDuration>,
    /// The tables there can be.
    pub schema: Schema,
}

/// Why there is no replay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BacktestError {
    /// The incident queue shows what is, not what was.
    #[error("a playbook of incidents or alerts cannot be replayed: the queue has no past")]
    Incidents,
    /// Nobody knows when it would have run.
    #[error("the playbook has no schedule: say how often it would have run, with --every")]
    NoSchedule,
    /// The distance makes no sense.
    #[error("{0}")]
    Every(String),
    /// The period is empty, or too many runs fall into it.
    #[error("{0}")]
    Period(String),
    /// The data do not fit.
    #[error("the data cannot be used: {0}")]
    Data(String),
    /// The replay broke down.
    #[error("the replay broke down at {at:.0}: {reason}")]
    Broken {
        /// At which run.
        at: Timestamp,
        /// Why.
        reason: String,
    },
}

/// What a playbook would have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Its runs.
    pub runs: Vec<ReplayRun>,
}

/// One run of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayRun {
    /// When.
    pub at: Timestamp,
    /// How it ended.
    pub ended: &'static str,
    /// Why, for an idle or failed run.
    pub reason: Option<String>,
    /// Rows the hunt brought in.
    pub hunted: u64,
    /// How many of what, by the keys of `expect` in tests.
    pub counts: Vec<(&'static str, u64)>,
    /// What happened, one line each.
    pub lines: Vec<String>,
}

impl ReplayRun {
    /// Whether there is anything to tell of.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.lines.is_empty()
    }
}

/// Replays a stretch of time. `step` is told after each run: how many there were, and of how many.
///
/// # Errors
///
/// [`BacktestError`], which see.
pub async fn backtest(
    order: Backtest<'_>,
    mut recording: Recording,
    step: &(dyn Fn(usize, usize) + Sync),
) -> Result<Replay, BacktestError> {
    let slots = slots(&order)?;
    recording.spread_fleet(order.from, order.to);
    let given = Holdings::of(&recording, &order.schema).map_err(BacktestError::Data)?;
    let sinks = order.plan.channels().into_iter().map(|channel| (channel.to_owned(), Sink::Webhook));
    let setting = Setting {
        names: other_names(&given),
        bytes: order.bytes.into(),
        lists: Arc::new(order.lists),
        tenant: order.tenant,
        sinks: Arc::new(sinks.collect()),
        answers: BTreeMap::new(),
        start: order.from,
        given,
        plan: Arc::new(Plan::clone(&order.plan).on_a_stage()),
    };
    let broken = |at: Timestamp| move |reason| BacktestError::Broken { at, reason };
    let mut stage = Stage::set(&setting).await.map_err(broken(order.from))?;
    let mut runs = Vec::new();
    for slot in &slots {
        let at = order.from.duration_until(*slot);
        let seen =
            stage.run(&setting, (at, Place::Among), &Changes::default()).await.map_err(broken(*slot))?;
        let headings =
            [Heading::Acted, Heading::Planned, Heading::PendingApproval, Heading::Skipped, Heading::Halted];
        let headings = headings.into_iter().chain([Heading::Failed, Heading::Parked, Heading::Suppressed]);
        let mut lines: Vec<String> = Vec::new();
        for heading in headings {
            let facts = seen.facts(heading);
            lines.extend(
                facts.iter().map(|fact| format!("{} {}", heading.as_str(), fact.shown(&setting.names))),
            );
        }
        lines.extend(seen.arrived().map(|told| format!("told {}: {}", told.channel, told.title)));
        runs.push(ReplayRun {
            at: *slot,
            ended: seen.report.state.as_str(),
            reason: seen.report.reason.clone(),
            hunted: seen.report.counts.hunted,
            counts: seen.counts(),
            lines,
        });
        step(runs.len(), slots.len());
    }
    Ok(Replay { runs })
}

/// When the playbook would have run.
fn slots(order: &Backtest<'_>) -> Result<Vec<Timestamp>, BacktestError> {
    if let Input::Incidents(_) | Input::Alerts(_) | Input::Given | Input::Feed(_) = order.plan.input {
        return Err(BacktestError::Incidents);
    }
    let cadence = match (order.every, &order.plan.rule) {
        (Some(every), _) => {
            Cadence::every(every).map_err(|problem| BacktestError::Every(problem.to_string()))?
        }
        (None, Some(rule)) => rule.cadence.clone(),
        (None, None) => return Err(BacktestError::NoSchedule),
    };
    let before = order.from.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(order.from);
    let slots = cadence.slots_between(before, order.to, RUNS_MAX + 1);
    if slots.is_empty() {
        let text = format!("no run falls between {:.0} and {:.0}", order.from, order.to);
        return Err(BacktestError::Period(text));
    }
    if RUNS_MAX < slots.len() {
        let text = format!("more than {RUNS_MAX} runs fall into that time; take a shorter one, or --every");
        return Err(BacktestError::Period(text));
    }
    Ok(slots)
}

impl Recording {
    /// Adds a file as [`Recording::files`] names them: `NAME.TABLE.ndjson`, `NAME.machines.json`, or without
    /// `NAME.`. Returns whether it was one.
    ///
    /// # Errors
    ///
    /// What is wrong with its text.
    pub fn add_file(&mut self, path: &Path, text: &str) -> Result<bool, String> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let kind = stem.rsplit('.').next().unwrap_or_default();
        let objects = || objects(text).map_err(|reason| format!("`{}`: {reason}", path.display()));
        match (ending, kind) {
            ("ndjson", table) => self.tables.entry(table.to_owned()).or_default().extend(objects()?),
            ("json", "machines") => self.machines.extend(objects()?),
            ("json", "users") => self.users.extend(objects()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The first and the last moment its rows tell of, if they tell of any.
    #[must_use]
    pub fn time(&self) -> Option<(Timestamp, Timestamp)> {
        let rows = self.tables.values().flatten();
        let moment = |row: &Map<String, Value>| row.get("Timestamp")?.as_str()?.parse::<Timestamp>().ok();
        let moments = || rows.clone().filter_map(moment);
        Some((moments().min()?, moments().max()?))
    }

    /// Lets the devices of today report all the time, where each is there once: a guard counts those of the last
    /// seven days.
    fn spread_fleet(&mut self, from: Timestamp, to: Timestamp) {
        let Some(rows) = self.tables.get_mut("DeviceInfo") else { return };
        let devices: BTreeSet<_> = rows.iter().map(|row| row.get("DeviceId").map(Value::to_string)).collect();
        if devices.len() < rows.len() {
            return;
        }
        let first = from.checked_sub(SignedDuration::from_hours(1)).unwrap_or(from);
        let later = |at: &Timestamp| at.checked_add(FLEET_EVERY).ok();
        let moments = std::iter::successors(Some(first), later).take_while(|at| *at <= to);
        let reported = |at: Timestamp, row: &Map<String, Value>| {
            let mut row = row.clone();
            row.insert("Timestamp".to_owned(), at.to_string().into());
            row
        };
        *rows = moments.flat_map(|at| rows.iter().map(move |row| reported(at, row))).collect();
    }

    /// Makes devices of what tables name, where no device of that id is there. They have no tags.
    pub fn add_missing_devices(&mut self) {
        let id = |object: &Map<String, Value>, key: &str| object.get(key)?.as_str().map(str::to_lowercase);
        let mut known: BTreeSet<String> =
            self.machines.iter().filter_map(|machine| id(machine, "id")).collect();
        for row in self.tables.values().flatten() {
            let (Some(device), Some(name)) = (id(row, "DeviceId"), row.get("DeviceName")) else { continue };
            if known.insert(device.clone()) {
                let machine = [("id", Value::from(device)), ("computerDnsName", name.clone())];
                self.machines.push(machine.map(|(key, value)| (key.to_owned(), value)).into_iter().collect());
            }
        }
    }
}
