//! `huntbook let-pass`: a person lets one run pass that matches far more than usual.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::args::Output;
use super::exit::Exit;
use super::history::Past;
use super::named::{self, First};
use super::output::{clean, say, say_json};
use super::run::no_tenant;
use super::{account, setup};
use crate::clock::SharedClock;
use crate::console::leave;
use crate::settings::{self, Hand, Places};
use crate::store::{Speaker, Store};

/// Arguments of `let-pass`.
#[derive(Debug, Args)]
pub(super) struct LetPass {
    /// The playbook: its file, its name or its id
    playbook: String,
    /// Only in this tenant; otherwise in each of the settings
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Why; it stays in the journal
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Writes a person's word down.
pub(super) async fn run(
    arguments: &LetPass,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    setup::insist_on_state(config, &settings, Hand::Beside)?;
    let all: Vec<String> = settings.tenants.keys().cloned().collect();
    let tenants = match &arguments.tenant {
        Some(tenant) if all.contains(tenant) => vec![tenant.clone()],
        Some(tenant) => return Err(no_tenant(Some(tenant), &all)),
        None => all,
    };
    let journal = named::journal(&settings.store.path).await?;
    let wanted = (arguments.playbook.as_str(), First::InForce);
    let playbook = named::named(journal.as_ref(), &Places::from(&settings), wanted).await?;
    // Nothing to let pass without a journal.
    drop(Past::of(&settings, &clock).await?);
    let account = account::caller();
    let reason = leave::reason(Some(&arguments.reason));
    let by = Speaker { account: account.name, uid: account.uid, reason };
    for tenant in &tenants {
        let clock = SharedClock::clone(&clock);
        Store::let_pass(&settings.store.path, clock, (tenant, playbook.id), &by).await?;
    }
    match format {
        Output::Json => say_json(&json!({"playbook": playbook, "tenants": tenants}))?,
        Output::Text => say(&format!(
            "the next run of {} that matches far more than usual may pass, within 24 hours and once: {}",
            clean(&playbook.name, 120),
            tenants.join(", ")
        ))?,
    }
    Ok(Exit::Fine)
}
