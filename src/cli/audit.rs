//! `huntbook audit`: whether the journal's histories are as they were written.

use std::path::Path;

use clap::Subcommand;
use serde_json::{Value, json};

use super::args::Output;
use super::exit::Exit;
use super::history::Past;
use super::output::show;
use crate::clock::SharedClock;
use crate::console::audit::{in_json, in_words, is_intact, look};
use crate::store::{Chain, History};

/// What to check.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Check every event of every history against the one before it
    ///
    /// Histories are those of actions, of approvals, of stops and of words (what people said beside those: of edits, of
    /// runs that may pass, of what is to be taken back). An event that was changed, taken out or put in
    /// is named with its number and what it is about, and so is what does not stand where its last event says.
    /// Somebody who can write the file can forge a whole history: keep the hash of the last event, which is shown
    /// here, on another machine. Exit code 1 if something was changed.
    Verify,
}

/// Checks the journal.
pub(super) async fn run(
    what: &Audit,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let Audit::Verify = what;
    let found = look(&Past::open(config, &clock).await?.store, u32::MAX).await?;
    let histories: Vec<Value> = found.iter().map(in_json).collect();
    show(format, &json!({"intact": is_intact(&found), "histories": histories}), |_json| {
        let line = |one: &(History, Chain)| format!("{:<10} {}", one.0.as_str(), in_words(one));
        found.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if is_intact(&found) { Exit::Fine } else { Exit::Findings })
}
