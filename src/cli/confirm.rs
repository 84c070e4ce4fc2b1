//! `huntbook confirm`: edits that raise risk, and the word of a second person about one.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::approvals::unheard;
use super::args::Output;
use super::exit::Exit;
use super::history::Past;
use super::output::{clean, say, say_json};
use super::{Misuse, account, id_of, setup};
use crate::clock::SharedClock;
use crate::console::leave;
use crate::settings::{self, Hand};
use crate::store::{HeldEdit, Speaker, Store};

/// Arguments of `confirm`.
#[derive(Debug, Args)]
pub(super) struct Confirm {
    /// The edits, by the beginning of what `confirm` lists them under; without any, they are listed
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Who you are: an approver of the settings, whose account this is
    #[arg(long = "as", value_name = "NAME")]
    by: Option<String>,
    /// Why; it stays in the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Lists the edits that wait, or writes a person's word about some of them down.
pub(super) async fn run(
    arguments: &Confirm,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    setup::insist_on_state(config, &settings, Hand::Beside)?;
    let waiting = Past::of(&settings, &clock).await?.store.held_edits().await?;
    if arguments.ids.is_empty() {
        match format {
            Output::Json => say_json(&json!(waiting))?,
            Output::Text => say(&text(&waiting))?,
        }
        return Ok(if waiting.is_empty() { Exit::Fine } else { Exit::Findings });
    }
    let edits = arguments.ids.iter().map(|id| find(&waiting, id)).collect::<Result<Vec<_>, _>>()?;
    let account = account::caller();
    // All of them first: whoever may not confirm one has confirmed none.
    let approvers = setup::approvers(&settings);
    for edit in &edits {
        leave::may_confirm(edit, arguments.by.as_deref(), &approvers, &account).map_err(unheard)?;
    }
    let reason = leave::reason(arguments.reason.as_deref());
    let by = Speaker { account: account.name, uid: account.uid, reason };
    let mut done = Vec::new();
    for edit in edits {
        let clock = SharedClock::clone(&clock);
        let heard = Store::confirm(&settings.store.path, clock, edit, &by).await?;
        done.push((edit, heard));
    }
    match format {
        Output::Json => say_json(&json!(
            done.iter().map(|(edit, heard)| json!({"edit": edit, "heard": heard})).collect::<Vec<_>>()
        ))?,
        Output::Text => say(&done.iter().map(told).collect::<String>())?,
    }
    Ok(if done.iter().all(|(_, heard)| *heard) { Exit::Fine } else { Exit::Findings })
}

fn find<'a>(waiting: &'a [HeldEdit], id: &str) -> Result<&'a HeldEdit, Misuse> {
    let (id, shown) = (id_of(id)?, id.escape_debug());
    let found: Vec<&HeldEdit> =
        waiting.iter().filter(|edit| edit.digest.to_string().starts_with(&id)).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Misuse(format!("no edit `{shown}` waits: `huntbook confirm` lists them"))),
        _ => Err(Misuse(format!("`{shown}` is the beginning of several: give more of it"))),
    }
}

/// What became of the word about an edit.
fn told((edit, heard): &(&HeldEdit, bool)) -> String {
    let name = clean(&edit.name, 120);
    if *heard {
        format!(
            "{name} is confirmed: the process that serves puts it in force, within seconds while it runs\n"
        )
    } else {
        format!("{name} was confirmed already, or does not wait any more\n")
    }
}

/// The edits for people, each with what it raises.
fn text(waiting: &[HeldEdit]) -> String {
    if waiting.is_empty() {
        return "no edit waits to be confirmed\n".to_owned();
    }
    let mut text = String::new();
    for edit in waiting {
        let (name, file) = (clean(&edit.name, 120), clean(&edit.file, 200));
        let by = edit.author.as_ref().map(|author| format!(" by {}", clean(author, 120))).unwrap_or_default();
        let is = if edit.confirmed { ", confirmed" } else { "" };
        let _infallible =
            writeln!(text, "{}  {name}{by}, {file}, since {:.0}{is}", edit.digest.short(), edit.at);
        for risk in &edit.risks {
            let _infallible = writeln!(text, "              - {}", clean(risk, 400));
        }
    }
    text + "what was in force stays; say `huntbook confirm ID` if that is meant, after a look at the files\n"
}
