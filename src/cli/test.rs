//! `huntbook test`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use super::args::{Form, Test};
use super::exit::Exit;
use super::output::{Unsaid, say, say_json, tell};
use super::{Refusal, junit, setup, transcript, validate};
use crate::daemon;
use crate::diag::{Format, Level, render};
use crate::rehearsal::{Case, Coverage, Naming, Played, Sink, Sources, Suite, cover, load, play};
use crate::settings::{self, ChannelSettings, Settings};

/// Plays tests and prints what came of them.
pub(super) async fn run(arguments: &Test, config: &Path, form: Form) -> anyhow::Result<Exit> {
    let suite = open(arguments, config)?;
    let errors = suite.diagnostics.iter().any(|problem| problem.level == Level::Error);
    let chosen = choose(&suite, arguments.filter.as_deref());
    if chosen.is_empty() && !errors {
        return Ok(nothing(arguments));
    }
    let jobs = arguments.jobs.map_or_else(cores, usize::from);
    let played = play_all(chosen, jobs).await?;
    let coverage = arguments.coverage.then(|| cover(&suite.scripts, &played));
    report(&suite, &played, coverage.as_ref(), form)?;
    let failed = played.iter().any(|played| !played.passed());
    Ok(match (errors, failed) {
        (true, _) => Exit::Refused,
        (false, true) => Exit::Findings,
        (false, false) => Exit::Fine,
    })
}

/// Says that there is nothing to play: a green light for no tests would be a lie.
fn nothing(arguments: &Test) -> Exit {
    if let Some(filter) = &arguments.filter {
        tell(&format!("error: no test fits the filter `{}`", filter.escape_debug()));
    } else {
        tell("error: there are no tests; they stand in `NAME.test.yaml` beside `NAME.yaml`");
        tell("try `huntbook test --help`");
    }
    Exit::Usage
}

/// Reads settings if there are any, playbooks, lists and tests.
fn open(arguments: &Test, config: &Path) -> anyhow::Result<Suite> {
    // Tests need no settings: a folder of playbooks can be tested by itself.
    let by_default = config == Path::new("huntbook.yaml") && !config.exists();
    let (mut settings, mut problems) =
        if by_default { settings::folders(config) } else { (settings::load(config)?, Vec::new()) };
    let paths =
        if arguments.paths.is_empty() { vec![settings.playbooks.clone()] } else { arguments.paths.clone() };
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        return Err(Refusal(format!("there is no `{}`", missing.display())).into());
    }
    if by_default && !settings.lists.is_dir() {
        settings.lists = lists_beside(&paths);
    }
    let is_playbook = |path: &&PathBuf| path.is_dir() || !is_test_file(path);
    let playbooks: Vec<PathBuf> = paths.iter().filter(is_playbook).cloned().collect();
    let found = daemon::scan_lists(&settings.lists)?;
    let lists = validate::lists(&found, &mut problems);
    let world = setup::world(&settings, lists);
    let mut files = daemon::read_paths(&playbooks, &settings.lists)?;
    validate::leave_out_settings(&mut files, &arguments.paths, config);
    let mut suite = load(&Sources {
        playbooks: files,
        tests: daemon::read_tests(&paths, &settings.lists)?,
        world,
        naming: if by_default { Naming::Free } else { Naming::Settings },
        sinks: sinks(&settings),
        read: &|path| std::fs::read(path),
    });
    problems.append(&mut suite.diagnostics);
    suite.diagnostics = problems;
    Ok(suite)
}

fn is_test_file(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| Path::new(stem).extension().is_some_and(|ending| ending == "test"))
}

/// The folder of lists beside the first path that has one.
fn lists_beside(paths: &[PathBuf]) -> PathBuf {
    let folder = |path: &PathBuf| {
        let folder = if path.is_dir() { path.clone() } else { path.parent()?.to_path_buf() };
        Some(folder.join("lists")).filter(|lists| lists.is_dir())
    };
    paths.iter().find_map(folder).unwrap_or_else(|| PathBuf::from("lists"))
}

/// What the channels of the settings are.
pub(super) fn sinks(settings: &Settings) -> BTreeMap<String, Sink> {
    let sink = |channel: &ChannelSettings| match channel {
        ChannelSettings::Teams(_) => Sink::Teams,
        ChannelSettings::Slack(_) => Sink::Slack,
        // Mail has no server here; the message is the same.
        ChannelSettings::Webhook(_) | ChannelSettings::Email(_) => Sink::Webhook,
    };
    settings.channels.iter().map(|(name, channel)| (name.clone(), sink(channel))).collect()
}

/// The tests a filter fits.
fn choose(suite: &Suite, filter: Option<&str>) -> Vec<Arc<Case>> {
    let filter = filter.unwrap_or_default().to_lowercase();
    let fits = |case: &&Arc<Case>| {
        let texts = [&case.name, &case.plan.about.name, &case.place.source.name];
        texts.iter().any(|text| text.to_lowercase().contains(&filter))
    };
    suite.cases.iter().filter(fits).cloned().collect()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Plays tests, so many at a time; gives them back in their order.
async fn play_all(cases: Vec<Arc<Case>>, jobs: usize) -> anyhow::Result<Vec<Played>> {
    let progress = bar(cases.len());
    let mut waiting = cases.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut played = BTreeMap::new();
    loop {
        while running.len() < jobs
            && let Some((index, case)) = waiting.next()
        {
            running.spawn(async move { (index, play(&case).await) });
        }
        let Some(ended) = running.join_next().await else { break };
        let (index, one) = ended?;
        progress.inc(1);
        progress.set_message(one.case.name.clone());
        played.insert(index, one);
    }
    progress.finish_and_clear();
    Ok(played.into_values().collect())
}

/// Shows on a terminal how far it is; on standard error, and nowhere else.
pub(super) fn bar(all: usize) -> ProgressBar {
    let bar = ProgressBar::new(all as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    bar
}

fn report(suite: &Suite, played: &[Played], coverage: Option<&Coverage>, form: Form) -> Result<(), Unsaid> {
    match form {
        Form::Text | Form::Csv | Form::Sarif => {
            if !suite.diagnostics.is_empty() {
                say(&render(&suite.diagnostics, Format::Text))?;
            }
            say(&transcript::text(played, coverage))
        }
        Form::Json => say_json(&transcript::json(suite, played, coverage)),
        Form::Junit => say(&junit::report(suite, played)),
    }
}
