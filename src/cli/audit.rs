//! `huntbook audit`: whether the journal's histories are as they were written.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::args::Output;
use super::exit::Exit;
use super::history::Past;
use super::output::show;
use crate::clock::SharedClock;
use crate::console::audit::{in_json, in_words, is_intact, look};
use crate::store::{Chain, ContentHash, Head, History};

/// What to check.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Check every event of every history against the one before it
    ///
    /// Histories are those of actions, of approvals, of stops and of words (what people said beside those: of edits, of
    /// runs that may pass, of what is to be taken back). An event that was changed, taken out or put in
    /// is named with its number and what it is about, and so is what does not stand where its last event says.
    /// Somebody who can write the file can forge a whole history: keep the hash of the last event, which is shown
    /// here, on another machine; `serve` tells its log every hour. Exit code 1 if something was changed.
    Verify(Verify),
}

/// Arguments of `audit verify`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// A hash that was the last one once, as it was kept elsewhere: whether a history still has it. What `serve` tells its
    /// log (`12:HASH`) is taken as it stands. Can come several times; exit code 1 if one is in no history
    #[arg(long, value_name = "HASH", value_parser = head)]
    head: Vec<ContentHash>,
}

/// Reads a hash with or without the number of its event.
fn head(text: &str) -> Result<ContentHash, &'static str> {
    let hash = text.rsplit_once(':').map_or(text, |(_event, hash)| hash);
    ContentHash::parse(hash.trim()).ok_or("a hash has 64 hexadecimal digits")
}

/// What became of a hash.
fn told(hash: ContentHash, found: Option<Head>) -> String {
    match found {
        Some(head) => format!("{:<10} is event {} of {}", hash.short(), head.event, head.history.as_str()),
        None => format!(
            "{:<10} is in no history: its end was cut off or written anew, or it is older than what is kept",
            hash.short()
        ),
    }
}

/// Checks the journal.
pub(super) async fn run(
    what: &Audit,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let Audit::Verify(wanted) = what;
    let past = Past::open(config, &clock).await?;
    let found = look(&past.store, u32::MAX).await?;
    let mut heads = Vec::new();
    for hash in &wanted.head {
        heads.push((*hash, past.store.event_with(hash).await?));
    }
    let histories: Vec<Value> = found.iter().map(in_json).collect();
    let head = |(hash, found): &(ContentHash, Option<Head>)| json!({"hash": hash, "history": found.map(|found| found.history.as_str()), "event": found.map(|found| found.event)});
    let kept: Vec<Value> = heads.iter().map(head).collect();
    show(format, &json!({"intact": is_intact(&found), "histories": histories, "heads": kept}), |_json| {
        let line = |one: &(History, Chain)| format!("{:<10} {}", one.0.as_str(), in_words(one));
        let heads = heads.iter().map(|(hash, found)| told(*hash, *found));
        found.iter().map(line).chain(heads).collect::<Vec<_>>().join("\n")
    })?;
    let are_there = heads.iter().all(|(_hash, found)| found.is_some());
    Ok(if is_intact(&found) && are_there { Exit::Fine } else { Exit::Findings })
}
