//! `huntbook stop` and `resume`: the kill switch for all actions, or for those in one tenant or of one playbook.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::args::Output;
use super::exit::Exit;
use super::named::{self, First};
use super::output::{clean, counted, say, say_json, tell};
use super::run::no_tenant;
use super::{Misuse, account, setup};
use crate::clock::SharedClock;
use crate::console::{Halted, halt, halt_by_file, in_time, leave};
use crate::diag::Chain;
use crate::settings::{self, Hand, Places, Settings, SettingsError};
use crate::store::{
    Effect, EffectState, RunFilter, Stop, StopWord, Stopped, StoppedPlaybook, Store, StoreError, Way,
};

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
    /// The state file, where the settings cannot be read that name it
    #[arg(long, value_name = "FILE")]
    pub(super) store: Option<PathBuf>,
}

/// Stops actions.
pub(super) async fn stop(
    arguments: &Switch,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let ground = Ground::find(arguments, config)?;
    // A stop is taken whatever is wrong beside it.
    if let Some(settings) = &ground.settings {
        setup::warn_of_state(config, settings);
    }
    let journal = &ground.places.journal;
    let plain = word(arguments, None);
    // What the word is about is looked up in the journal: one that cannot be read does not keep anybody from stopping.
    let halted = match in_time(&clock, ground.about(arguments)).await {
        Ok(Ok(playbook)) => {
            let word = StopWord { playbook, ..plain };
            let written = Store::stop(journal, SharedClock::clone(&clock), &word);
            halt(&clock, (journal, &word), written).await?
        }
        Ok(Err(error)) => {
            let why = Chain(&error.downcast::<StoreError>()?).to_string();
            halt_by_file((journal, &plain), why)?
        }
        Err(silent) => halt_by_file((journal, &plain), silent.to_string())?,
    };
    match halted {
        Halted::InJournal(stopped) => {
            let (Stopped::Now(stop) | Stopped::Before(stop)) = &stopped;
            let under_way = under_way(journal, stop).await?;
            told(format, (stop, matches!(stopped, Stopped::Now(_))), &under_way, None)
        }
        Halted::ByFile { file, why } => {
            if !file.is_kept {
                tell("warning: the file may not outlast a power cut: its disk fails");
            }
            let looked = match in_time(&clock, under_way(journal, &file.stop)).await {
                Ok(looked) => looked.map_err(|error| Chain(&error).to_string()),
                Err(silent) => Err(silent.to_string()),
            };
            let under_way = looked.unwrap_or_else(|error| {
                tell(&format!("warning: what is under way is not known: {}", clean(&error, 400)));
                Vec::new()
            });
            told(format, (&file.stop, file.is_new), &under_way, Some(&why))
        }
    }
}

/// What was begun before a stop and has no answer yet.
async fn under_way(journal: &Path, stop: &Stop) -> Result<Vec<Effect>, StoreError> {
    let mut under_way = Store::open_reader(journal).await?.effects_in(EffectState::Intended).await?;
    under_way.retain(|effect| {
        stop.tenant.as_ref().is_none_or(|tenant| *tenant == effect.tenant)
            && stop.playbook.as_ref().is_none_or(|playbook| playbook.id == effect.playbook)
    });
    Ok(under_way)
}

/// Says what is stopped; why it is a file, if it is one.
fn told(
    format: Output,
    (stop, is_new): (&Stop, bool),
    under_way: &[Effect],
    why: Option<&str>,
) -> anyhow::Result<Exit> {
    if format == Output::Json {
        let mut all = json!({"stop": stop, "written": is_new, "underWay": under_way});
        if let (Some(all), Some(why)) = (all.as_object_mut(), why) {
            all.insert("journal".to_owned(), json!(clean(why, 400)));
        }
        say_json(&all)?;
        return Ok(Exit::Fine);
    }
    let already = if is_new { "" } else { " (so it was; nothing is changed)" };
    say(&format!("{}{already}", shown(stop)))?;
    if let Some(why) = why {
        let why = clean(why, 400);
        say(&format!(
            "the journal does not take the word ({why}), so a file says it, and that stops everything:"
        ))?;
        say("every tenant and every playbook, until `huntbook resume` removes it")?;
    }
    say("hunting and messages go on; what is not done for it comes back after `huntbook resume`")?;
    if !under_way.is_empty() {
        let count = counted((under_way.len(), "action"));
        say(&format!("begun before and without an answer yet: {count}; see `huntbook status`"))?;
    }
    for effect in under_way {
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
    let ground = Ground::find(arguments, config)?;
    match &ground.settings {
        Some(settings) => setup::insist_on_state(config, settings, Hand::Beside)?,
        None => setup::insist_on_journal(&ground.places.journal)?,
    }
    let journal = &ground.places.journal;
    let store = named::journal(journal).await?;
    let playbook = ground.playbook(store.as_ref(), arguments, First::Stopped).await?;
    let lifted = Store::resume(journal, clock, &word(arguments, playbook.clone())).await?;
    // A tenant that is in the settings no more can still be stopped.
    if let Some(tenant) = arguments.tenant.as_ref().filter(|_tenant| lifted.is_empty()) {
        ground.insist_on_tenant(store.as_ref(), tenant).await?;
    }
    let standing = Store::open_reader(journal).await?.stops().await?;
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
            let gone = if stop.way == Some(Way::File) { " (the file is removed)" } else { "" };
            say(&format!("not any more: {}{gone}", shown(stop)))?;
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
    clean(&stop.to_string(), Stop::SHOWN_MAX)
}

/// The command that lifts a stop.
pub(in crate::cli) fn lifts(stop: &Stop) -> String {
    let tenant = stop.tenant.as_ref().map(|tenant| format!(" --tenant {tenant}"));
    let playbook = stop.playbook.as_ref().map(|playbook| format!(" --playbook {}", playbook.id));
    ["huntbook resume", &tenant.unwrap_or_default(), &playbook.unwrap_or_default()].concat()
}

/// What a word is said about. It waits for no flawless settings: what acts has read them when they were.
struct Ground {
    places: Places,
    /// The settings, if they can be read and the journal is theirs.
    settings: Option<Box<Settings>>,
}

impl Ground {
    fn find(arguments: &Switch, config: &Path) -> anyhow::Result<Self> {
        let (places, settings) = match (settings::load(config), &arguments.store) {
            (Ok(settings), None) => (Places::from(&settings), Some(Box::new(settings))),
            (Ok(settings), Some(journal)) => (given(journal, Some(Places::from(&settings)))?, None),
            (Err(_bad), Some(journal)) => (given(journal, settings::places(config))?, None),
            (Err(bad), None) => (in_spite_of(bad, config)?, None),
        };
        Ok(Self { places, settings })
    }

    /// The playbook that a stop is about, in a tenant that there is.
    async fn about(&self, arguments: &Switch) -> anyhow::Result<Option<StoppedPlaybook>> {
        if arguments.tenant.is_none() && arguments.playbook.is_none() {
            return Ok(None);
        }
        let store = named::journal(&self.places.journal).await?;
        if let Some(tenant) = &arguments.tenant {
            self.insist_on_tenant(store.as_ref(), tenant).await?;
        }
        self.playbook(store.as_ref(), arguments, First::InForce).await
    }

    async fn playbook(
        &self,
        store: Option<&Store>,
        arguments: &Switch,
        first: First,
    ) -> anyhow::Result<Option<StoppedPlaybook>> {
        let Some(wanted) = &arguments.playbook else { return Ok(None) };
        Ok(Some(named::named(store, &self.places, (wanted, first)).await?))
    }

    /// Insists that a tenant is one of the settings, or of the process that works with the journal, or one in which
    /// something has run: a stop of a tenant that nobody knows stops nothing.
    async fn insist_on_tenant(&self, store: Option<&Store>, tenant: &str) -> anyhow::Result<()> {
        let mut known = self.places.tenants.clone();
        if let Some(store) = store {
            known.extend(store.sign_ins().await?.into_keys());
            let filter = RunFilter { tenant: Some(tenant.to_owned()), limit: 1, ..RunFilter::default() };
            known.extend(store.runs(&filter).await?.pop().map(|summary| summary.run.tenant));
        }
        if known.contains(tenant) {
            return Ok(());
        }
        Err(no_tenant(Some(tenant), &known.into_iter().collect::<Vec<_>>()))
    }
}

/// The journal that somebody names, and what else is known. One that is not there is not the one of what acts.
fn given(journal: &Path, places: Option<Places>) -> anyhow::Result<Places> {
    if !journal.exists() {
        let shown = clean(&journal.display().to_string(), 200);
        return Err(Misuse(format!("there is no journal `{shown}`")).into());
    }
    Ok(Places { journal: journal.to_owned(), ..places.unwrap_or_default() })
}

/// What can be read of settings that are bad. A journal that is not there is not taken for the one that they would name.
fn in_spite_of(bad: SettingsError, config: &Path) -> anyhow::Result<Places> {
    let Some(places) = settings::places(config).filter(|places| places.journal.exists()) else {
        tell("the journal is not known without the settings: name it with `--store FILE`");
        return Err(bad.into());
    };
    let journal = clean(&places.journal.display().to_string(), 200);
    tell(&format!(
        "warning: the settings have problems, see `huntbook validate`; the word goes into `{journal}`"
    ));
    Ok(places)
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
