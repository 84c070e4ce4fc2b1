//! `huntbook runs` and `show`: what the journal tells of the past.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::args::{Form, Output, Runs, Show, Shown};
use super::exit::Exit;
use super::output::{clean, counted, say, say_json, tell};
use super::run::Scratch;
use super::{Misuse, id_of, report, tables};
use crate::clock::SharedClock;
use crate::console::{Listed, history};
use crate::daemon;
use crate::diag::{Sink, nearest};
use crate::model::PlaybookId;
use crate::settings::{self, Settings};
use crate::store::{RunFilter, Store, StoreError};
use crate::yaml;

/// The journal, opened for reading.
pub(super) struct Past {
    pub(super) store: Store,
    /// Where an empty journal lies while nothing has run yet; removed at the end.
    nothing: Option<Scratch>,
}

impl Past {
    /// Opens the journal of the settings for reading, or an empty one if nothing has run yet.
    pub(super) async fn open(config: &Path, clock: &SharedClock) -> anyhow::Result<Self> {
        Self::of(&settings::load(config)?, clock).await
    }

    /// The same for settings that are read already.
    pub(super) async fn of(settings: &Settings, clock: &SharedClock) -> anyhow::Result<Self> {
        match Store::open_reader(&settings.store.path).await {
            Err(StoreError::Missing { .. }) => {
                let scratch = Scratch::new()?;
                let path = scratch.0.join("empty.db");
                drop(Store::open(&path, Arc::clone(clock)).await?);
                Ok(Self { store: Store::open_reader(&path).await?, nothing: Some(scratch) })
            }
            store => Ok(Self { store: store?, nothing: None }),
        }
    }

    /// Whether there is no journal yet.
    pub(super) const fn is_empty(&self) -> bool {
        self.nothing.is_some()
    }
}

/// Lists runs.
pub(super) async fn list(
    arguments: &Runs,
    config: &Path,
    form: Form,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let past = Past::open(config, &clock).await?;
    let store = &past.store;
    let by_id = arguments.playbook.as_ref().and_then(|text| uuid::Uuid::parse_str(text).ok()).map(PlaybookId);
    let name = arguments.playbook.clone().filter(|_name| by_id.is_none());
    let filter = RunFilter { playbook: by_id, name, limit: arguments.limit, ..RunFilter::default() };
    let runs = store.runs(&filter).await?;
    if let Some(wanted) = arguments.playbook.as_deref().filter(|_name| runs.is_empty()) {
        insist_on_playbook(wanted, config, store).await?;
    }
    let mut all = Vec::with_capacity(runs.len());
    for summary in runs {
        all.push(history::listed(store, summary).await?);
    }
    match form {
        Form::Json => say_json(&all.iter().map(Listed::json).collect::<Vec<_>>())?,
        Form::Csv => say(&tables::runs_as_csv(&all))?,
        Form::Text | Form::Junit | Form::Sarif => say(&tables::runs(&all))?,
    }
    let unarmed = store.unarmed().await?.len();
    if 0 < unarmed {
        let schedules = counted((unarmed, "schedule"));
        tell(&format!("{schedules} not followed for want of permissions: see `huntbook status`"));
    }
    Ok(Exit::Fine)
}

/// Insists that a playbook without runs is one that exists.
pub(super) async fn insist_on_playbook(wanted: &str, config: &Path, store: &Store) -> anyhow::Result<()> {
    let settings = settings::load(config)?;
    let found = daemon::scan(&settings.playbooks, &settings.lists).unwrap_or_default();
    let mut bytes: Vec<(String, Vec<u8>)> =
        found.playbooks.into_iter().map(|file| (file.name, file.bytes)).collect();
    bytes.extend(store.live_versions().await?.into_iter().map(|live| (live.file, live.bytes)));
    let mut names = Vec::new();
    for (file, bytes) in bytes {
        let Some(tree) = yaml::parse(&file, &bytes, &mut Sink::new()) else { continue };
        let text = |key: &str| tree.value().get(key)?.as_str().map(str::to_owned);
        names.extend(text("name").into_iter().chain(text("id")));
    }
    if names.iter().any(|name| name == wanted) {
        return Ok(());
    }
    let near = nearest(wanted, names.iter().map(String::as_str));
    let hint = near.map(|near| format!(": did you mean `{}`?", clean(near, 120))).unwrap_or_default();
    Err(Misuse(format!("there is no playbook `{}`{hint}", clean(wanted, 120))).into())
}

/// Shows one run.
pub(super) async fn show(
    arguments: &Show,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let past = Past::open(config, &clock).await?;
    let store = &past.store;
    let id = id_of(&arguments.run)?;
    let text = id.escape_debug();
    let run = match store.find_runs(&id).await?.as_slice() {
        [run] => Ok(*run),
        [] if past.is_empty() => Err(format!("there is no run `{text}`: nothing has run yet")),
        [] => Err(format!("there is no run `{text}`: `huntbook runs` lists them")),
        _ => Err(format!("`{text}` is the beginning of several runs: give more of it")),
    };
    let run = run.map_err(Misuse)?;
    let detail = store.run(run).await?.context("the run has just been removed")?;
    let report = history::present(store, &detail.run).await?;
    let shown = if arguments.all { Shown::All } else { Shown::First };
    match (format, &report) {
        (Output::Json, _) => say_json(&history::all_in_json(&detail, report.as_ref()))?,
        (Output::Text, Some(report)) => {
            let (text, journal) = (report::text(report, shown), report::journal(&detail, shown));
            say(&format!("{text}{journal}"))?;
        }
        (Output::Text, None) => say(&report::unfinished(&detail, shown))?,
    }
    Ok(Exit::Fine)
}
