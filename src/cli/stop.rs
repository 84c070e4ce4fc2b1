//! `huntbook stop` and `resume`: the kill switch for all actions, or for those in one tenant or of one playbook.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::args::Output;
use super::exit::Exit;
use super::output::{clean, counted, say, say_json};
use super::run::no_tenant;
use super::{account, choose, setup};
use crate::clock::SharedClock;
use crate::console::leave;
use crate::settings::{self, Hand, Settings};
use crate::store::{EffectState, Stop, StopWord, Stopped, StoppedPlaybook, Store, StoreError, Way};

/// Arguments of `stop` and `resume`.
#[derive(Debug, Args)]
pub(super) struct Switch {
    /// Only in this tenant
    #[arg(long, value_name = "NAME")]
    pub(super) tenant: Option<String>,
    /// Only of this playbook: its file, its name or its id
    #[arg(long, value_name = "PLAYBOOK")]
    pub(super) playbook: Option<String>,
    /// Why; it stays in the journal, and whoever meets it reads it
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

/// Stops actions.
pub(super) async fn stop(
    arguments: &Switch,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    // A stop is taken whatever is wrong beside it.
    setup::warn_of_state(config, &settings);
    if let Some(tenant) = &arguments.tenant
        && !settings.tenants.contains_key(tenant)
    {
        return Err(unknown(tenant, &settings));
    }
    let playbook = match &arguments.playbook {
        Some(wanted) => Some(choose::named(&settings, wanted)?),
        None => None,
    };
    let stopped = Store::stop(&settings.store.path, clock, &word(arguments, playbook)).await?;
    let (Stopped::Now(stop) | Stopped::Before(stop)) = &stopped;
    let mut under_way =
        Store::open_reader(&settings.store.path).await?.effects_in(EffectState::Intended).await?;
    under_way.retain(|effect| {
        stop.tenant.as_ref().is_none_or(|tenant| *tenant == effect.tenant)
            && stop.playbook.as_ref().is_none_or(|playbook| playbook.id == effect.playbook)
    });
    let written = matches!(stopped, Stopped::Now(_));
    if format == Output::Json {
        say_json(&json!({"stop": stop, "written": written, "underWay": under_way}))?;
        return Ok(Exit::Fine);
    }
    let already = if written { "" } else { " (so it was; nothing is changed)" };
    say(&format!("{}{already}", shown(stop)))?;
    say("hunting and messages go on; what is not done for it comes back after `huntbook resume`")?;
    if !under_way.is_empty() {
        let count = counted((under_way.len(), "action"));
        say(&format!("begun before and without an answer yet: {count}; see `huntbook status`"))?;
    }
    for effect in &under_way {
        say(&format!("  {} of {}, run {}", effect.action, clean(&effect.target, 120), effect.run))?;
    }
    Ok(Exit::Fine)
}

/// Lets actions be taken again.
pub(super) async fn resume(
    arguments: &Switch,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    setup::insist_on_state(config, &settings, Hand::Beside)?;
    let playbook = match &arguments.playbook {
        Some(wanted) => Some(stopped_playbook(&settings, wanted).await?),
        None => None,
    };
    let lifted = Store::resume(&settings.store.path, clock, &word(arguments, playbook.clone())).await?;
    // A tenant that is in the settings no more can still be stopped.
    if let Some(tenant) = arguments.tenant.as_ref().filter(|_tenant| lifted.is_empty())
        && !settings.tenants.contains_key(tenant)
    {
        return Err(unknown(tenant, &settings));
    }
    let standing = Store::open_reader(&settings.store.path).await?.stops().await?;
    let in_the_way: Vec<&Stop> = standing
        .iter()
        .filter(|stop| match (&stop.tenant, &arguments.tenant) {
            (Some(tenant), Some(wanted)) => tenant == wanted,
            _ => true,
        })
        .filter(|stop| match (&stop.playbook, &playbook) {
            (Some(stopped), Some(wanted)) => stopped.id == wanted.id,
            _ => true,
        })
        .collect();
    if format == Output::Json {
        say_json(&json!({"lifted": lifted, "standing": standing}))?;
    } else {
        for stop in &lifted {
            say(&format!("not any more: {}", shown(stop)))?;
        }
        if lifted.is_empty() && in_the_way.is_empty() {
            say("nothing was stopped")?;
        }
        for stop in &in_the_way {
            say(&format!("{}: `{}` lifts that", shown(stop), lifts(stop)))?;
        }
    }
    Ok(if in_the_way.is_empty() { Exit::Fine } else { Exit::Findings })
}

/// A stop for people.
pub(super) fn shown(stop: &Stop) -> String {
    clean(&stop.to_string(), 700)
}

/// The command that lifts a stop.
pub(super) fn lifts(stop: &Stop) -> String {
    let tenant = stop.tenant.as_ref().map(|tenant| format!(" --tenant {tenant}"));
    let playbook = stop.playbook.as_ref().map(|playbook| format!(" --playbook {}", playbook.id));
    ["huntbook resume", &tenant.unwrap_or_default(), &playbook.unwrap_or_default()].concat()
}

/// The playbook a person means: one that is stopped, also if its file is gone.
async fn stopped_playbook(settings: &Settings, wanted: &str) -> anyhow::Result<StoppedPlaybook> {
    let standing = match Store::open_reader(&settings.store.path).await {
        Ok(store) => store.stops().await?,
        Err(StoreError::Missing { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let mut stopped = standing.into_iter().filter_map(|stop| stop.playbook);
    let is_meant = |playbook: &StoppedPlaybook| {
        playbook.name == wanted || playbook.id.to_string().eq_ignore_ascii_case(wanted)
    };
    stopped.find(is_meant).map_or_else(|| choose::named(settings, wanted), Ok)
}

fn word(arguments: &Switch, playbook: Option<StoppedPlaybook>) -> StopWord {
    let account = account::caller();
    StopWord {
        tenant: arguments.tenant.clone(),
        playbook,
        reason: leave::reason(arguments.reason.as_deref()),
        account: account.name,
        uid: account.uid,
        way: Some(Way::Command),
    }
}

fn unknown(tenant: &str, settings: &Settings) -> anyhow::Error {
    no_tenant(Some(tenant), &settings.tenants.keys().cloned().collect::<Vec<_>>())
}
