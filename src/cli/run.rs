//! `huntbook run`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::args::{Output, Run, Shown};
use super::choose::{Chosen, Project};
use super::exit::{Exit, unless_ended};
use super::output::{clean, show, tell};
use super::served::Served;
use super::stop::{lifts, shown};
use super::{Misuse, Refusal, account, report, setup};
use crate::clock::SharedClock;
use crate::console::history;
use crate::daemon;
use crate::diag::{Diagnostic, Format, Level, nearest, render};
use crate::engine::{Engine, Order, Present, Ran, Report, RunState, TakenUp};
use crate::model::Lists;
use crate::notify::{Channels, deliver_due};
use crate::plan::World;
use crate::settings::Settings;
use crate::store::{Effects, Starter, Store, Trigger};

/// Most messages sent at the end of a run.
const DELIVERIES_MAX: u32 = 100;

/// Runs one playbook now.
pub(super) async fn run(
    arguments: &Run,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let work = Box::pin(once(arguments, config, format, clock));
    // A dry run leaves nothing, whoever ends it; what a real one has done is in the journal.
    if arguments.dry_run { unless_ended(work).await } else { work.await }
}

async fn once(arguments: &Run, config: &Path, format: Output, clock: SharedClock) -> anyhow::Result<Exit> {
    let (Project { settings, world, chosen }, served) = if arguments.dry_run {
        (dry(config, &arguments.playbook)?, None)
    } else {
        let (project, served) = Project::to_act(config, &arguments.playbook, &clock).await?;
        (project, Some(served))
    };
    let parts = setup::open(&settings, &clock).await?;
    let journal = Journal::open(&settings, arguments, &clock).await?;
    let engine = Engine {
        store: journal.store.clone(),
        clock,
        tenants: parts.tenants,
        feeds: parts.feeds,
        alerts: setup::alerts(&settings),
        page: setup::page(&settings),
        undoing: setup::undoing(&settings),
    };
    for stop in engine.store.stops().await? {
        tell(&format!("warning: {}; `{}` lifts it", shown(&stop), lifts(&stop)));
    }
    if let Some(served) = &served {
        take_up(&engine, &world, served).await?;
    }
    let reports = run_in_tenants(&engine, arguments, &chosen, &world.lists).await?;
    let reports =
        if arguments.dry_run { reports } else { deliver(&engine, &parts.channels, reports).await? };
    show(format, &reports, |reports| {
        reports.iter().map(|one| report::text(one, Shown::First)).collect::<Vec<_>>().join("\n")
    })?;
    Ok(exit_of(&reports))
}

/// A dry run is for those who write playbooks: whatever is on disk counts, and what would not is told.
fn dry(config: &Path, wanted: &str) -> anyhow::Result<Project> {
    let project = Project::open(config, wanted)?;
    let unmet = setup::unmet(&project.settings, project.settings.owners()).into_iter();
    let unmet: Vec<_> = unmet.map(|unmet| Diagnostic { level: Level::Warning, ..unmet }).collect();
    if !unmet.is_empty() {
        tell(render(&unmet, Format::Text).trim_end());
    }
    Ok(project)
}

/// The journal of a run: the real one, or for a dry run a copy that is thrown away.
struct Journal {
    store: Store,
    // Removed when the run is over.
    _copy: Option<Scratch>,
}

impl Journal {
    async fn open(settings: &Settings, arguments: &Run, clock: &SharedClock) -> anyhow::Result<Self> {
        let path = &settings.store.path;
        if !arguments.dry_run {
            return Ok(Self { store: Store::open(path, Arc::clone(clock)).await?, _copy: None });
        }
        let scratch = Scratch::new()?;
        let copy = scratch.0.join("dry-run.db");
        if path.exists() {
            // What is known and kept quiet about matters to a dry run, so it works on a copy.
            Store::open_reader(path).await?.copy_to(&copy).await?;
        }
        Ok(Self { store: Store::open(&copy, Arc::clone(clock)).await?, _copy: Some(scratch) })
    }
}

/// A private folder that is removed at the end.
pub(super) struct Scratch(pub(super) std::path::PathBuf);

impl Scratch {
    pub(super) fn new() -> anyhow::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = std::env::temp_dir().join(format!("huntbook-{}", uuid::Uuid::new_v4()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("making the folder `{}`", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing can be done about a folder that does not go.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Deals with what an earlier process left, before anything new is done.
async fn take_up(engine: &Engine, world: &World, in_force: &Served) -> anyhow::Result<()> {
    let present = Present { in_force, plan_of: &|name, bytes| daemon::plan_of(name, bytes, world) };
    let resumed = engine.resume(&present).await?;
    engine.follow_up().await?;
    let stops = engine.store.stops().await?;
    let is_quarantined = |playbook| stops.iter().any(|stop| stop.is_quarantine_of(playbook));
    for decided in engine.decided().await? {
        if is_quarantined(decided.playbook) {
            continue;
        }
        if let Some(run) = engine.go_on(decided.run, &present).await? {
            let ended: Vec<_> =
                run.items.iter().map(|item| format!("{} {}", item.key, item.outcome)).collect();
            let (name, ended) = (clean(&run.playbook_name, 120), clean(&ended.join(", "), 400));
            tell(&format!("{name}: run {} went on with what people decided: {ended}", run.run));
        }
    }
    for (playbook, tenant) in engine.to_revert().await? {
        if is_quarantined(playbook) {
            continue;
        }
        engine.revert((playbook, &tenant), in_force).await?;
    }
    for effect in &resumed.parked {
        tell(&format!(
            "warning: {} of {} may or may not have been done before the last process ended: look, and decide",
            effect.action, effect.target
        ));
    }
    for taken in &resumed.runs {
        let (run, what) = match taken {
            TakenUp::Finished(_report) => continue,
            TakenUp::Stopped { report, reason } => (report.run, format!("is stopped: {reason}")),
            TakenUp::Abandoned { unfinished, reason } => {
                (unfinished.run.id, format!("could not be taken to its end: {reason}"))
            }
            TakenUp::Waits { unfinished } => {
                let why = "waits: most playbooks are gone, and nobody knows whether on purpose";
                (unfinished.run.id, why.to_owned())
            }
        };
        tell(&format!("warning: run {run}, which was cut off, {}", clean(&what, 400)));
    }
    Ok(())
}

async fn run_in_tenants(
    engine: &Engine,
    arguments: &Run,
    chosen: &Chosen,
    lists: &Lists,
) -> anyhow::Result<Vec<Report>> {
    let plan = &chosen.plan;
    let wanted =
        |name: &&String| plan.is_for(name) && arguments.tenant.as_ref().is_none_or(|only| only == *name);
    let tenants: Vec<String> = engine.tenants.keys().filter(wanted).cloned().collect();
    if tenants.is_empty() {
        let known: Vec<String> = engine.tenants.keys().cloned().collect();
        return Err(no_tenant(arguments.tenant.as_deref(), &known));
    }
    // What is given by hand is kept, so that the run can be explained; what is in force stays as it is.
    engine.store.keep_version(&chosen.file.bytes).await?;
    let progress = spinner();
    let lists = Arc::new(lists.clone());
    let account = account::caller();
    let by = Starter { account: account.name, uid: account.uid };
    let mut reports = Vec::new();
    for tenant in tenants {
        progress.set_message(format!("{}: running in {tenant}", plan.about.name));
        let order = Order {
            plan: Arc::clone(plan),
            lists: Arc::clone(&lists),
            tenant,
            trigger: Trigger::Manual,
            by: Some(by.clone()),
            slot: None,
            effects: if arguments.dry_run { Effects::DryRun } else { Effects::Apply },
        };
        match engine.run(&order).await? {
            Ran::Report(report) => reports.push(*report),
            Ran::SlotTaken => {}
        }
    }
    progress.finish_and_clear();
    Ok(reports)
}

/// Says why there is no tenant to run in.
pub(super) fn no_tenant(asked: Option<&str>, tenants: &[String]) -> anyhow::Error {
    let Some(asked) = asked else {
        return Refusal("the playbook is for none of the tenants in the settings".to_owned()).into();
    };
    let known = || tenants.iter().map(String::as_str);
    let shown = clean(asked, 120);
    if tenants.iter().any(|tenant| tenant == asked) {
        return Misuse(format!("the playbook is not for the tenant `{shown}`")).into();
    }
    let hint = match nearest(asked, known()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known().collect::<Vec<_>>().join(", ")),
    };
    Misuse(format!("there is no tenant `{shown}`: {hint}")).into()
}

/// Shows on a terminal that something goes on; on standard error, and nowhere else.
pub(super) fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}

/// Sends what is due, and notes in the reports what has arrived.
pub(super) async fn deliver(
    engine: &Engine,
    channels: &Channels,
    mut reports: Vec<Report>,
) -> anyhow::Result<Vec<Report>> {
    deliver_due(&engine.store, channels, DELIVERIES_MAX).await?;
    for report in reports.iter_mut().filter(|report| !report.is_settled()) {
        if let Some(detail) = engine.store.run(report.run).await? {
            history::update(report, &detail);
        }
    }
    Ok(reports)
}

/// Zero if everything went as planned.
pub(super) fn exit_of(reports: &[Report]) -> Exit {
    let fine = |report: &Report| matches!(report.state, RunState::Succeeded | RunState::Idle);
    if reports.iter().all(fine) { Exit::Fine } else { Exit::Findings }
}
