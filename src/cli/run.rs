//! `huntbook run`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::args::{Output, Run};
use super::exit::Exit;
use super::output::{clean, say, show, tell};
use super::validate;
use super::{Refusal, setup, tables};
use crate::clock::SharedClock;
use crate::daemon;
use crate::diag::{Format, render};
use crate::engine::{Engine, Order, Ran, Report, RunState, ToldState};
use crate::model::Lists;
use crate::notify::{Channels, deliver_due};
use crate::plan::{Plan, SourceFile, World, compile_set};
use crate::settings::{self, Settings};
use crate::store::{Accepted, Effects, Store, Trigger};

/// Most messages sent at the end of a run.
const DELIVERIES_MAX: u32 = 100;

/// Runs one playbook now.
pub(super) async fn run(
    arguments: &Run,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    let found = daemon::scan(&settings.playbooks, &settings.lists)?;
    let mut problems = Vec::new();
    let lists = validate::lists(&found.lists, &mut problems);
    let world = setup::world(&settings, lists.clone());
    validate::settings_names(&settings, &world)?;
    let chosen = choose(&arguments.playbook, found.playbooks, &world)?;
    let parts = setup::open(&settings, &clock)?;
    let journal = Journal::open(&settings, arguments, &clock).await?;
    let engine = Engine { store: journal.store.clone(), clock, tenants: parts.tenants };
    if !arguments.dry_run {
        take_up(&engine, &lists, &world).await?;
    }
    let reports = run_in_tenants(&engine, arguments, &chosen, &lists).await?;
    let reports =
        if arguments.dry_run { reports } else { deliver(&engine, &parts.channels, reports).await? };
    show(format, &reports, |reports| reports.iter().map(tables::report).collect::<Vec<_>>().join("\n"));
    Ok(exit_of(&reports))
}

/// A playbook that was chosen, with its bytes.
pub(super) struct Chosen {
    pub(super) plan: Arc<Plan>,
    pub(super) file: SourceFile,
}

/// Finds the playbook a person means: by file, by name or by id.
fn choose(wanted: &str, files: Vec<SourceFile>, world: &World) -> anyhow::Result<Chosen> {
    let as_file = Path::new(wanted);
    let extra = as_file.is_file() && !files.iter().any(|file| same_file(&file.name, as_file));
    let mut files = files;
    if extra {
        files.extend(daemon::read_paths(&[as_file.to_owned()], as_file)?);
    }
    let compiled = compile_set(&files, world);
    for (compiled, file) in compiled.into_iter().zip(files) {
        let by_file = same_file(&file.name, as_file);
        match compiled.plan {
            Some(plan) if by_file || is_called(&plan, wanted) => {
                return Ok(Chosen { plan: Arc::new(plan), file });
            }
            None if by_file => {
                say(&render(&compiled.diagnostics, Format::Text));
                return Err(Refusal(format!("`{wanted}` does not validate")).into());
            }
            Some(_) | None => {}
        }
    }
    let text = format!("there is no playbook `{}`: name its file, its name or its id", wanted.escape_debug());
    Err(Refusal(text).into())
}

fn is_called(plan: &Plan, wanted: &str) -> bool {
    plan.about.name == wanted || plan.about.id.to_string() == wanted.to_ascii_lowercase()
}

fn same_file(name: &str, wanted: &Path) -> bool {
    let name = Path::new(name);
    let same = || Some(name.canonicalize().ok()? == wanted.canonicalize().ok()?);
    name == wanted
        || same().unwrap_or(false)
        || name.file_stem().is_some_and(|stem| stem == wanted.as_os_str())
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
async fn take_up(engine: &Engine, lists: &Lists, world: &World) -> anyhow::Result<()> {
    let plan_of = |name: &str, bytes: &[u8]| daemon::plan_of(name, bytes, world);
    let resumed = engine.resume(&Arc::new(lists.clone()), &plan_of).await?;
    for effect in &resumed.parked {
        tell(&format!(
            "warning: {} of {} may or may not have been done before the last process ended: look, and decide",
            effect.action, effect.target
        ));
    }
    for (unfinished, reason) in &resumed.abandoned {
        tell(&format!(
            "warning: run {} could not be taken to its end: {}",
            unfinished.run.id,
            clean(reason, 400)
        ));
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
        let known: Vec<&str> = engine.tenants.keys().map(String::as_str).collect();
        let text =
            format!("the playbook is for none of the tenants asked for; known tenants: {}", known.join(", "));
        return Err(Refusal(text).into());
    }
    let (name, file) = (plan.about.id, chosen.file.name.clone());
    engine.store.accept_version(&Accepted { name, file, bytes: chosen.file.bytes.clone() }).await?;
    let progress = spinner();
    let lists = Arc::new(lists.clone());
    let mut reports = Vec::new();
    for tenant in tenants {
        progress.set_message(format!("{}: running in {tenant}", plan.about.name));
        let order = Order {
            plan: Arc::clone(plan),
            lists: Arc::clone(&lists),
            tenant,
            trigger: Trigger::Manual,
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
    let done = deliver_due(&engine.store, channels, &engine.clock, DELIVERIES_MAX).await?;
    for report in &mut reports {
        let detail = engine.store.run(report.run).await?;
        let messages = detail.map(|detail| detail.messages).unwrap_or_default();
        for told in report.told.iter_mut().filter(|told| told.state == ToldState::Queued) {
            let mine = messages.iter().find(|message| {
                message.channel == told.channel
                    && message.ended.is_some()
                    && title(&message.body) == told.title
            });
            if mine.is_some() {
                told.state = ToldState::Delivered;
            } else if let Some(failed) = done.undelivered.iter().find(|one| one.channel == told.channel) {
                told.reason = Some(failed.reason.clone());
            }
        }
    }
    Ok(reports)
}

fn title(body: &serde_json::Value) -> &str {
    body.pointer("/message/title").and_then(serde_json::Value::as_str).unwrap_or_default()
}

/// Zero if everything went as planned.
pub(super) fn exit_of(reports: &[Report]) -> Exit {
    let fine = |report: &Report| matches!(report.state, RunState::Succeeded | RunState::Idle);
    if reports.iter().all(fine) { Exit::Fine } else { Exit::Findings }
}
