//! `huntbook runs` and `show`: what the journal tells of the past.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::args::{Output, Runs, Show};
use super::exit::Exit;
use super::output::{clean, say, say_json, show as print};
use super::run::Scratch;
use super::{Misuse, tables};
use crate::clock::SharedClock;
use crate::daemon;
use crate::diag::{Sink, nearest};
use crate::engine::Report;
use crate::model::PlaybookId;
use crate::settings;
use crate::store::{Effect, Run, RunDetail, RunFilter, Store, StoreError};
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
        let settings = settings::load(config)?;
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
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let past = Past::open(config, &clock).await?;
    let store = &past.store;
    let by_id = arguments.playbook.as_ref().and_then(|text| uuid::Uuid::parse_str(text).ok()).map(PlaybookId);
    // Names are compared here, so more runs are read than shown.
    let by_name = arguments.playbook.as_ref().filter(|_name| by_id.is_none());
    let limit = if by_name.is_some() { 1000 } else { arguments.limit };
    let mut runs = store.runs(&RunFilter { playbook: by_id, limit, ..RunFilter::default() }).await?;
    if let Some(name) = by_name {
        runs.retain(|summary| summary.run.playbook_name == *name);
        runs.truncate(usize::try_from(arguments.limit)?);
    }
    if let Some(wanted) = arguments.playbook.as_deref().filter(|_name| runs.is_empty()) {
        insist_on_playbook(wanted, config, store).await?;
    }
    for summary in &mut runs {
        bring_up_to_date(store, &mut summary.run).await?;
    }
    print(format, &runs, |runs| tables::runs(runs))?;
    Ok(Exit::Fine)
}

/// Insists that a playbook without runs is one that exists.
async fn insist_on_playbook(wanted: &str, config: &Path, store: &Store) -> anyhow::Result<()> {
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

/// Puts into a run's stored report what the journal has learnt since.
async fn bring_up_to_date(store: &Store, run: &mut Run) -> anyhow::Result<()> {
    let Ok(mut report) = serde_json::from_value::<Report>(run.report.clone()) else { return Ok(()) };
    if report.is_settled() {
        return Ok(());
    }
    if let Some(detail) = store.run(run.id).await? {
        update(&mut report, &detail);
        run.report = serde_json::to_value(&report)?;
        run.counts = serde_json::to_value(report.counts)?;
    }
    Ok(())
}

/// Puts into a report what the journal has learnt since.
pub(super) fn update(report: &mut Report, detail: &RunDetail) {
    let effects: Vec<Effect> = detail.effects.iter().map(|(effect, _events)| effect.clone()).collect();
    report.bring_up_to_date(&effects, &detail.messages);
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
    let text = arguments.run.trim();
    let run = match store.find_runs(text).await?.as_slice() {
        [run] => *run,
        [] if past.is_empty() => bail!("there is no run `{}`: nothing has run yet", text.escape_debug()),
        [] => bail!("there is no run `{}`: `huntbook runs` lists them", text.escape_debug()),
        _ => bail!("`{}` is the beginning of several runs: give more of it", text.escape_debug()),
    };
    let mut detail = store.run(run).await?.context("the run has just been removed")?;
    bring_up_to_date(store, &mut detail.run).await?;
    match format {
        Output::Json => say_json(&detail)?,
        Output::Text => match serde_json::from_value::<Report>(detail.run.report.clone()) {
            Ok(report) => say(&format!("{}{}", tables::report(&report), tables::journal(&detail)))?,
            // A run that is still going on, or was cut off, has no report yet.
            Err(_no_report) => say(&tables::unfinished(&detail))?,
        },
    }
    Ok(Exit::Fine)
}
