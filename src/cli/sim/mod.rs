//! `huntbook sim`: the simulated tenant alone, and data for it.

pub(super) mod args;
mod generate;
mod import;
mod partner;
mod start;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::args::Output;
use super::exit::Exit;
use crate::clock::SharedClock;

use args::{Sim, What};

/// Runs one of the commands, or the tenant.
pub(super) async fn run(arguments: &Sim, format: Output, clock: SharedClock) -> anyhow::Result<Exit> {
    match &arguments.what {
        Some(What::Generate(order)) => generate::run(order, format, &clock),
        Some(What::Import(order)) => import::run(order, format),
        None => start::run(&arguments.start, clock).await,
    }
}

/// Makes a folder, or takes one that is empty: tables of two tenants must not mix.
fn folder(path: &Path) -> anyhow::Result<()> {
    let making = || format!("making the folder `{}`", path.display());
    fs::create_dir_all(path).with_context(making)?;
    if fs::read_dir(path).with_context(making)?.next().is_some() {
        bail!("`{}` has files already; take another folder, or empty it", path.display());
    }
    Ok(())
}
