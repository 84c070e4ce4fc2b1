//! `huntbook resolve`: a person's word about an action that nobody knows the fate of, or that the tenant never
//! says the end of.

use std::path::Path;

use anyhow::bail;
use clap::Args;

use super::args::Output;
use super::exit::Exit;
use super::history::Past;
use super::output::{clean, show};
use super::{Misuse, account, id_of, setup};
use crate::clock::SharedClock;
use crate::console::Account;
use crate::settings::{self, Hand};
use crate::store::{Store, Word};

/// Longest note, in characters: what somebody saw and where, not a report.
const NOTE_MAX: usize = 500;

/// Arguments of `resolve`.
#[derive(Debug, Args)]
pub(super) struct Resolve {
    /// The effect, as `status` and `show` print it; its beginning is enough while it is unique
    effect: String,
    /// What a person says.
    #[command(flatten)]
    word: Said,
    /// What you saw, and where; it stays in the journal
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// What a person says of an action.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Said {
    /// The action was done
    #[arg(long)]
    done: bool,
    /// The action was not done
    #[arg(long)]
    not_applied: bool,
}

/// Writes down whether an action was done.
pub(super) async fn run(
    arguments: &Resolve,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let (word, said) = if arguments.word.done {
        (Word::Done, "a person says that it was done")
    } else {
        (Word::NotApplied, "a person says that it was not done")
    };
    let id = id_of(&arguments.effect)?;
    let shown = id.escape_debug();
    let effect = match Past::open(config, &clock).await?.store.find_effects(&id).await?.as_slice() {
        [effect] => effect.clone(),
        [] => {
            let none = format!("there is no effect `{shown}`: `huntbook status` lists what is parked");
            return Err(Misuse(none).into());
        }
        _ => {
            let several = format!("`{shown}` is the beginning of several effects: give more of it");
            return Err(Misuse(several).into());
        }
    };
    let target = clean(&effect.target, 120);
    if !effect.state.takes_a_word() {
        bail!(
            "{} of {target} is `{}`: only what is parked or pending takes a person's word",
            effect.action,
            effect.state
        );
    }
    let note = clean(arguments.note.as_deref().unwrap_or_default().trim(), NOTE_MAX);
    let by = speaker(&account::caller());
    let note = if note.is_empty() { note } else { format!(": {note}") };
    let settings = settings::load(config)?;
    setup::insist_on_state(config, &settings, Hand::Beside)?;
    let path = settings.store.path;
    let resolved = Store::resolve(&path, clock, &effect.key, (word, format!("{said}{by}{note}"))).await?;
    show(format, &resolved, |resolved| {
        let detail = clean(resolved.detail.as_deref().unwrap_or_default(), 700);
        format!("{} of {target} is `{}` now: {detail}", resolved.action, resolved.state)
    })?;
    Ok(Exit::Fine)
}

/// Who is speaking: the account, and its number.
fn speaker(account: &Account) -> String {
    let name = clean(&account.name, 64);
    match account.uid {
        Some(uid) if name != uid.to_string() => format!(" ({name}, {uid})"),
        _ => format!(" ({name})"),
    }
}
