//! `huntbook backtest`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::args::{self, Output};
use super::choose::Project;
use super::exit::Exit;
use super::output::{clean, say, say_json, tell};
use super::record::{pick, present};
use super::run::spinner;
use super::{Refusal, setup, test};
use crate::clock::SharedClock;
use crate::model::duration;
use crate::plan::{Input, Plan};
use crate::rehearsal::{Backtest, RecordOptions, Recording, Replay, ReplayRun, Subject, backtest, record};
use crate::text::counted;

/// How long the service keeps what hunting can see.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Most rows of a table: what the service gives in one answer.
const ROWS_MAX: u64 = 100_000;

/// Longest line of what happened.
const LINE_CHARS: usize = 160;

/// Replays past time and prints what would have been done.
pub(super) async fn run(
    arguments: &args::Backtest,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let project = Project::open(config, &arguments.playbook)?;
    let Project { settings, world, chosen } = &project;
    let every = arguments.every.as_deref().map(duration).transpose().context("`--every`")?;
    let ((from, to), recording) = match &arguments.data {
        Some(folder) => {
            let (from, to) = period(arguments, clock.now())?;
            let recording = read(folder)?;
            insist_on_rows(&recording, (from, to), folder)?;
            ((from, to), recording)
        }
        None => Data { arguments, project: &project }.fetch(&clock).await?,
    };
    for warning in &recording.warnings {
        tell(&format!("warning: {warning}"));
    }
    let tenant = settings.tenants.keys().find(|name| chosen.plan.is_for(name)).cloned();
    let order = Backtest {
        plan: std::sync::Arc::clone(&chosen.plan),
        bytes: &chosen.file.bytes,
        lists: world.lists.clone(),
        tenant: tenant.unwrap_or_else(|| "contoso".to_owned()),
        from,
        to,
        every,
        schema: world.queries.schema(),
    };
    let progress = test::bar(0);
    let step = |done: usize, all: usize| {
        progress.set_length(all as u64);
        progress.set_position(done as u64);
    };
    let replay = backtest(order, recording, &step).await;
    progress.finish_and_clear();
    report(&chosen.plan, &replay.map_err(|error| Refusal(error.to_string()))?, (from, to), format)?;
    Ok(Exit::Fine)
}

/// The stretch of time that is meant.
fn period(arguments: &args::Backtest, now: Timestamp) -> anyhow::Result<(Timestamp, Timestamp)> {
    let from = moment(&arguments.from, now).context("`--from`")?;
    let to = arguments.to.as_deref().map_or(Ok(now), |to| moment(to, now)).context("`--to`")?;
    if to <= from {
        return Err(Refusal(format!("{from:.0} is not before {to:.0}")).into());
    }
    Ok((from, to))
}

/// Reads an instant, a day (UTC), or a length back from now.
pub(super) fn moment(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let day = || {
        let day: jiff::civil::Date = text.parse().ok()?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let back = || now.checked_sub(duration(text).ok()?).ok();
    let found = text.parse().ok().or_else(day).or_else(back);
    let wrong = || {
        let text = text.escape_debug();
        Refusal(format!("`{text}` is no moment: write `2026-01-10T12:00:00Z`, `2026-01-10`, or `7d`"))
    };
    Ok(found.ok_or_else(wrong)?)
}

/// Reads a recording from a folder.
fn read(folder: &Path) -> anyhow::Result<Recording> {
    let failed = || format!("reading `{}`", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        paths.push(entry.with_context(failed)?.path());
    }
    paths.sort();
    let mut recording = Recording::default();
    let mut files = 0;
    for path in paths.iter().filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading `{}`", path.display()))?;
        files += usize::from(recording.add_file(path, &text).map_err(Refusal)?);
    }
    if files == 0 {
        let text = format!(
            "`{}` holds no tables: `NAME.TABLE.ndjson`, as `record --tables` writes",
            folder.display()
        );
        return Err(Refusal(text).into());
    }
    recording.add_missing_devices();
    Ok(recording)
}

/// Refuses rows that are all of another time: runs that see none of them would be quiet for no good reason.
fn insist_on_rows(
    recording: &Recording,
    (from, to): (Timestamp, Timestamp),
    folder: &Path,
) -> anyhow::Result<()> {
    let Some((first, last)) = recording.time() else { return Ok(()) };
    // A run looks back, but no further than the service keeps anything.
    if from.checked_sub(KEPT).unwrap_or(from) <= last && first <= to {
        return Ok(());
    }
    let text = format!(
        "the rows in `{}` are of {first:.0} to {last:.0}, and no run between {from:.0} and {to:.0} can see one: name \
         their time with --from and --to",
        folder.display()
    );
    Err(Refusal(text).into())
}

/// What is fetched for a replay.
struct Data<'a> {
    arguments: &'a args::Backtest,
    project: &'a Project,
}

impl Data<'_> {
    /// Asks the tenant for everything the playbook would have seen in the stretch of time that is meant, by the
    /// clock of the tenant.
    async fn fetch(&self, clock: &SharedClock) -> anyhow::Result<((Timestamp, Timestamp), Recording)> {
        let Project { settings, world, chosen } = self.project;
        let plan = &chosen.plan;
        let Input::Hunt(input) = &plan.input else {
            return Err(Refusal(crate::rehearsal::BacktestError::Incidents.to_string()).into());
        };
        let parts = setup::open(settings, clock).await?;
        let tenant = pick(chosen, self.arguments.tenant.as_deref(), parts.tenants)?;
        let unfetched = "the tables could not be fetched";
        let now = present(&*tenant, plan, clock).await.context(unfetched)?;
        let (from, to) = period(self.arguments, now)?;
        let back = from.duration_until(now) + input.hunt.period.unwrap_or(SignedDuration::from_hours(1));
        if KEPT < back {
            let text = "the service keeps 30 days; begin later, or replay what was recorded with --data";
            return Err(Refusal(text.to_owned()).into());
        }
        let progress = spinner();
        progress.set_message(format!("{}: fetching", plan.about.name));
        let schema = world.queries.schema();
        let options =
            RecordOptions { subject: Subject::Tables, rows_max: ROWS_MAX, period: Some(back), schema };
        let fetched = record(plan, &*tenant, &options, (&world.lists, now)).await;
        progress.finish_and_clear();
        let mut recording = fetched.context(unfetched)?;
        recording.add_missing_devices();
        Ok(((from, to), recording))
    }
}

fn report(
    plan: &Plan,
    replay: &Replay,
    (from, to): (Timestamp, Timestamp),
    format: Output,
) -> anyhow::Result<()> {
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for (heading, count) in replay.runs.iter().flat_map(|run| &run.counts) {
        *totals.entry(heading).or_default() += count;
    }
    if format == Output::Json {
        let runs: Vec<_> = replay.runs.iter().map(run_json).collect();
        say_json(&json!({
            "playbook": plan.about.name, "from": from, "to": to, "totals": totals, "runs": runs,
        }))?;
        return Ok(());
    }
    for run in replay.runs.iter().filter(|run| !run.is_quiet() || run.ended == "failed") {
        let why = run.reason.as_ref().map(|reason| format!(": {}", clean(reason, LINE_CHARS)));
        say(&format!(
            "{}  {}, {}{}",
            run.at.strftime("%F %T"),
            counted(run.hunted, "row"),
            run.ended,
            why.unwrap_or_default()
        ))?;
        for line in &run.lines {
            say(&format!("    {}", clean(line, LINE_CHARS)))?;
        }
    }
    let quiet = replay.runs.iter().filter(|run| run.is_quiet()).count();
    let told: Vec<String> = totals
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(heading, count)| format!("{heading} {count}"))
        .collect();
    let told = if told.is_empty() { "nothing".to_owned() } else { told.join(", ") };
    say(&format!(
        "{}: {} from {from:.0} to {to:.0}, {quiet} of them quiet: {told}",
        plan.about.name,
        counted(replay.runs.len(), "run")
    ))?;
    Ok(())
}

fn run_json(run: &ReplayRun) -> serde_json::Value {
    let counts: BTreeMap<&str, u64> = run.counts.iter().copied().collect();
    json!({
        "at": run.at, "state": run.ended, "reason": run.reason, "hunted": run.hunted, "counts": counts,
        "happened": run.lines,
    })
}
