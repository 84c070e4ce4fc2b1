//! `huntbook in-force`: what is in force in the tenants because huntbook did it, and asking for its end.

use std::path::Path;

use clap::{Args, Subcommand};
use comfy_table::Cell;
use serde_json::{Value, json};

use super::args::Output;
use super::exit::Exit;
use super::history::Past;
use super::output::{clean, say, say_json, show, tell};
use super::setup;
use super::tables::{CELL_WIDTH, table};
use super::{Misuse, account, id_of};
use crate::clock::SharedClock;
use crate::console::leave;
use crate::settings::{self, Hand};
use crate::store::{EffectState, Revert, Speaker, Store};

/// What about what is in force.
#[derive(Debug, Subcommand)]
pub(super) enum Standing {
    /// List it; the same without a word
    List,
    /// Ask that actions are taken back now
    ///
    /// Your word goes into the journal with your account, also while `serve` runs, which then does it within
    /// seconds; without it the next `run` does. Guards (the opposite of an action waits for ten minutes on the same
    /// target), stops and the approval that `revertApproval` asks for hold for it as for every action; what people
    /// have taken back already is left alone. Where the same was asked for once more and is not done yet, your word
    /// counts for both: whichever stands in the end is taken back.
    Revert(RevertArgs),
}

/// Arguments of `in-force revert`.
#[derive(Debug, Args)]
pub(super) struct RevertArgs {
    /// The actions, as `in-force` lists them; the beginning of an id is enough while it is unique
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Why; it stays in the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Tells what is in force, or asks for its end.
pub(super) async fn run(
    what: Option<&Standing>,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    setup::insist_on_state(config, &settings, Hand::Beside)?;
    let past = Past::of(&settings, &clock).await?;
    let standing = past.store.in_force().await?;
    let Some(Standing::Revert(arguments)) = what else {
        show(format, &standing.iter().map(in_json).collect::<Vec<_>>(), |_json| text(&standing))?;
        return Ok(Exit::Fine);
    };
    let account = account::caller();
    let reason = leave::reason(arguments.reason.as_deref());
    let by = Speaker { account: account.name, uid: account.uid, reason };
    let mut wanted = Vec::with_capacity(arguments.ids.len());
    for id in &arguments.ids {
        wanted.push(find(&standing, id)?);
    }
    for one in &wanted {
        Store::ask_revert(&settings.store.path, SharedClock::clone(&clock), &one.effect, &by).await?;
    }
    match format {
        Output::Json => say_json(&wanted.iter().map(|one| in_json(one)).collect::<Vec<_>>())?,
        Output::Text => {
            for one in &wanted {
                say(&format!("{} of {} is to be taken back", one.action, clean(&one.target, 120)))?;
            }
        }
    }
    if past.store.owner().is_none() {
        tell("nobody serves: the next `huntbook run` or `serve` does it");
    }
    Ok(Exit::Fine)
}

fn find<'s>(standing: &'s [Revert], id: &str) -> Result<&'s Revert, Misuse> {
    let id = id_of(id)?;
    let mut found = standing.iter().filter(|one| one.effect.as_str().starts_with(&id));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Misuse(format!(
            "nothing in force is called `{}`: `huntbook in-force` lists it",
            id.escape_debug()
        ))),
        (Some(_), Some(_)) => {
            Err(Misuse(format!("`{}` is the beginning of several ids: give more of it", id.escape_debug())))
        }
    }
}

/// One for machines.
fn in_json(one: &Revert) -> Value {
    let mut told = json!(one);
    if let Value::Object(told) = &mut told {
        told.remove("state");
    }
    told
}

fn text(standing: &[Revert]) -> String {
    if standing.is_empty() {
        return "nothing of what huntbook did is in force, as far as the journal knows".to_owned();
    }
    let mut table =
        table(&["id", "action", "target", "tenant", "playbook", "since", "by leave of", "taken back"]);
    for one in standing {
        let in_doubt = matches!(one.effect_state, EffectState::Parked | EffectState::Unknown);
        let doubt = if in_doubt { " (in doubt)" } else { "" };
        table.add_row([
            Cell::new(one.effect.short()),
            Cell::new(format!("{}{doubt}", one.action)),
            Cell::new(clean(&one.target, CELL_WIDTH)),
            Cell::new(clean(&one.tenant, CELL_WIDTH)),
            Cell::new(clean(&one.playbook_name, CELL_WIDTH)),
            Cell::new(format!("{:.0}", one.since)),
            Cell::new(one.leave.as_deref().unwrap_or("the playbook")),
            Cell::new(taken_back(one)),
        ]);
    }
    table.to_string()
}

/// When it is taken back, and what is in the way.
fn taken_back(one: &Revert) -> String {
    let due = match (one.due, one.look_at) {
        (None, _) => "when somebody asks".to_owned(),
        (Some(due), Some(_)) => format!("{due:.0}"),
        (Some(due), None) => format!("not any more; it was due {due:.0}"),
    };
    let why = one.reason.as_deref().map(|why| format!(": {}", clean(why, 200)));
    format!("{due}{}", why.unwrap_or_default())
}
