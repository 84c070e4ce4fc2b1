//! `huntbook runs` and `show`: what the journal tells of the past.

use std::path::Path;

use anyhow::{Context as _, bail};

use super::args::{Output, Runs, Show};
use super::exit::Exit;
use super::output::{say, say_json, show as print};
use super::tables;
use crate::engine::Report;
use crate::model::PlaybookId;
use crate::settings;
use crate::store::{RunFilter, Store};

/// Opens the journal of the settings for reading.
pub(super) async fn reader(config: &Path) -> anyhow::Result<Store> {
    let settings = settings::load(config)?;
    Ok(Store::open_reader(&settings.store.path).await?)
}

/// Lists runs.
pub(super) async fn list(arguments: &Runs, config: &Path, format: Output) -> anyhow::Result<Exit> {
    let store = reader(config).await?;
    let by_id = arguments.playbook.as_ref().and_then(|text| uuid::Uuid::parse_str(text).ok()).map(PlaybookId);
    // Names are compared here, so more runs are read than shown.
    let by_name = arguments.playbook.as_ref().filter(|_name| by_id.is_none());
    let limit = if by_name.is_some() { 1000 } else { arguments.limit };
    let mut runs = store.runs(&RunFilter { playbook: by_id, limit, ..RunFilter::default() }).await?;
    if let Some(name) = by_name {
        runs.retain(|summary| summary.run.playbook_name == *name);
        runs.truncate(usize::try_from(arguments.limit)?);
    }
    print(format, &runs, |runs| tables::runs(runs));
    Ok(Exit::Fine)
}

/// Shows one run.
pub(super) async fn show(arguments: &Show, config: &Path, format: Output) -> anyhow::Result<Exit> {
    let store = reader(config).await?;
    let text = arguments.run.trim();
    let run = match store.find_runs(text).await?.as_slice() {
        [run] => *run,
        [] => bail!("there is no run `{}`: `huntbook runs` lists them", text.escape_debug()),
        _ => bail!("`{}` is the beginning of several runs: give more of it", text.escape_debug()),
    };
    let detail = store.run(run).await?.context("the run has just been removed")?;
    match format {
        Output::Json => say_json(&detail),
        Output::Text => match serde_json::from_value::<Report>(detail.run.report.clone()) {
            Ok(report) => say(&format!("{}{}", tables::report(&report), tables::journal(&detail))),
            // A run that is still going on, or was cut off, has no report yet.
            Err(_no_report) => say(&tables::unfinished(&detail)),
        },
    }
    Ok(Exit::Fine)
}
