//! `huntbook web`: a way in to the page of the `huntbook serve` that runs on this machine.

use std::path::{Path, PathBuf};

use clap::Args;

use super::account;
use super::args::Output;
use super::exit::Exit;
use super::output::show;
use crate::clock::SharedClock;
use crate::console::Account;
use crate::settings;
use crate::text::clean;
use crate::web::{Claim, Ticket, knock, place};

/// Arguments of `web`.
#[derive(Debug, Args)]
pub(super) struct Way {
    /// The socket of the page; without it, the one beside the state file of the settings
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
}

/// Asks whoever serves for a code, and prints it.
pub(super) async fn run(
    arguments: &Way,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let socket = match &arguments.socket {
        Some(socket) => socket.clone(),
        None => place(&settings::load(config)?.store.path),
    };
    let Account { name, uid, .. } = account::caller();
    let claim = Claim { uid, name: Some(name) };
    let ticket = knock(&socket, &claim, &clock).await?;
    show(format, &ticket, text)?;
    Ok(Exit::Fine)
}

/// A way in, for people.
pub(super) fn text(ticket: &Ticket) -> String {
    let Ticket { page, code, account, ends } = ticket;
    let account = clean(account, 64);
    format!(
        "open {page}#{code}\n\nor open {page} and paste {code}\n\
         It signs in the account `{account}`, once, until {ends:.0}."
    )
}
