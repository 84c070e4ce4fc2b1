//! `huntbook audit`: whether the journal's histories are as they were written.

use std::path::Path;

use clap::Subcommand;
use serde_json::{Value, json};

use super::args::Output;
use super::exit::Exit;
use super::history::Past;
use super::output::{clean, counted, show};
use crate::clock::SharedClock;
use crate::store::{Chain, ContentHash, History, Store};

/// What to check.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Check every event of every history against the one before it
    ///
    /// Histories are those of actions, of approvals and of stops. An event that was changed, taken out or put in
    /// is named with its number and what it is about, and so is what does not stand where its last event says.
    /// Somebody who can write the file can forge a whole history: keep the hash of the last event, which is shown
    /// here, on another machine. Exit code 1 if something was changed.
    Verify,
}

/// What a look through the histories found.
pub(super) type Found = Vec<(History, Chain)>;

/// Looks through the last `events_max` events of each history.
pub(super) async fn look(store: &Store, events_max: u32) -> anyhow::Result<Found> {
    let mut found = Vec::new();
    for history in History::ALL {
        found.push((history, store.verify(history, events_max).await?));
    }
    Ok(found)
}

/// Whether nothing was changed.
pub(super) fn is_intact(found: &Found) -> bool {
    found.iter().all(|(_history, chain)| matches!(chain, Chain::Intact { .. }))
}

/// What was found in one history, for machines.
pub(super) fn in_json((history, chain): &(History, Chain)) -> Value {
    let history = history.as_str();
    match chain {
        Chain::Intact { events, head } => {
            json!({"history": history, "intact": true, "eventsChecked": events, "head": ContentHash(*head)})
        }
        Chain::Broken { event, about, why } => {
            json!({"history": history, "intact": false, "event": event, "about": about, "why": why})
        }
    }
}

/// The same for people.
pub(super) fn in_words((history, chain): &(History, Chain)) -> String {
    match chain {
        Chain::Intact { events, head } => {
            let events = counted((usize::try_from(*events).unwrap_or(usize::MAX), "event"));
            format!("intact: {events} checked, the last is {}", ContentHash(*head).short())
        }
        Chain::Broken { event, about, why } => {
            let about = about.as_deref().map(|about| format!(" ({})", clean(about, 100))).unwrap_or_default();
            let event = if *event == 0 { String::new() } else { format!(" at event {event}") };
            format!("somebody changed the history of {}{event}{about}: {why}", history.as_str())
        }
    }
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
