//! `huntbook journal`: actions that are not settled, and every event for other tools.

use std::path::Path;

use clap::{Args, Subcommand};
use comfy_table::Cell;
use jiff::Timestamp;
use serde_json::Value;

use super::args::Output;
use super::backtest::moment;
use super::exit::Exit;
use super::history::{Past, insist_on_playbook};
use super::output::{clean, say, show};
use super::tables::{CELL_WIDTH, table};
use crate::clock::SharedClock;
use crate::store::{Effect, EffectState, History};
use crate::text::encode;

/// What to tell of the journal.
#[derive(Debug, Subcommand)]
pub(super) enum Journal {
    /// List the actions that are not settled: in doubt, without a result yet, or accepted and under way
    ///
    /// What is `parked` waits for a person's word: `huntbook resolve`. Exit code 1 if something is in doubt.
    List,
    /// Write every event as one JSON object a line, oldest first: of actions, approvals, stops and words
    ///
    /// Each has the number and the hash it has in its history; `huntbook audit verify` checks them. Reads a
    /// thousand at a time, also while `serve` runs.
    Export(Export),
}

/// Arguments of `journal export`.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// Only events from this moment on: `2026-01-10T12:00:00Z`, `2026-01-10`, or a length back from now such as `7d`
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only those of a playbook: its name or its id; stops belong to none
    #[arg(long, value_name = "PLAYBOOK")]
    playbook: Option<String>,
    /// Only those in a tenant; a stop of all tenants counts as one in each
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

/// Tells of the journal.
pub(super) async fn run(
    what: &Journal,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let past = Past::open(config, &clock).await?;
    match what {
        Journal::List => list(&past, format).await,
        Journal::Export(wanted) => {
            let since = wanted.since.as_deref().map(|since| moment(since, clock.now())).transpose()?;
            if export(&past, wanted, since).await? == 0
                && let Some(playbook) = &wanted.playbook
            {
                insist_on_playbook(playbook, config, &past.store).await?;
            }
            Ok(Exit::Fine)
        }
    }
}

async fn list(past: &Past, format: Output) -> anyhow::Result<Exit> {
    let mut open = Vec::new();
    for state in [EffectState::Parked, EffectState::Unknown, EffectState::Intended, EffectState::Pending] {
        open.extend(past.store.effects_in(state).await?);
    }
    show(format, &open, |open| text(open))?;
    let is_in_doubt = |effect: &Effect| matches!(effect.state, EffectState::Parked | EffectState::Unknown);
    Ok(if open.iter().any(is_in_doubt) { Exit::Findings } else { Exit::Fine })
}

fn text(open: &[Effect]) -> String {
    if open.is_empty() {
        return "every action is settled".to_owned();
    }
    let mut table = table(&["effect", "state", "action", "target", "since", "tenant", "run"]);
    for effect in open {
        table.add_row([
            Cell::new(effect.key.short()),
            Cell::new(effect.state.as_str()),
            Cell::new(&effect.action),
            Cell::new(clean(&effect.target, CELL_WIDTH)),
            Cell::new(format!("{:.0}", effect.changed)),
            Cell::new(clean(&effect.tenant, CELL_WIDTH)),
            Cell::new(effect.run.to_string()),
        ]);
    }
    table.to_string()
}

/// Writes the events that are wanted; says how many there were.
async fn export(past: &Past, wanted: &Export, since: Option<Timestamp>) -> anyhow::Result<u64> {
    let mut written = 0;
    for history in History::ALL {
        let mut after = 0;
        loop {
            let events = past.store.events(history, after).await?;
            let Some((last, _event)) = events.last() else { break };
            after = *last;
            let mut lines = String::new();
            for (_n, event) in events.iter().filter(|(_n, event)| is_wanted(event, wanted, since)) {
                lines.push_str(&encode::json(&event.to_string()));
                lines.push('\n');
                written += 1;
            }
            if !lines.is_empty() {
                say(&lines)?;
            }
        }
    }
    Ok(written)
}

fn is_wanted(event: &Value, wanted: &Export, since: Option<Timestamp>) -> bool {
    let text = |key: &str| event.get(key).and_then(Value::as_str);
    let at = || text("at").and_then(|at| at.parse::<Timestamp>().ok());
    let everywhere = event.get("tenant").is_some_and(Value::is_null);
    since.is_none_or(|since| at().is_some_and(|at| since <= at))
        && wanted.tenant.as_deref().is_none_or(|tenant| everywhere || text("tenant") == Some(tenant))
        && wanted.playbook.as_deref().is_none_or(|playbook| {
            text("playbookName") == Some(playbook)
                || text("playbook").is_some_and(|id| id.eq_ignore_ascii_case(playbook))
        })
}
