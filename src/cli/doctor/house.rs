//! What is looked at on this machine: files, the journal, and the way to the channels.

use std::path::Path;

use super::Books;
use super::flaw::{self, Flaw};
use super::report::Report;
use crate::channel::ChannelError;
use crate::cli::output::counted;
use crate::cli::setup::{self, Doors};
use crate::cli::stop::lifts;
use crate::cli::validate;
use crate::daemon::{self, ScanError};
use crate::diag::{Chain, Diagnostic, Level};
use crate::model::Lists;
use crate::plan::{SourceFile, World, compile_set};
use crate::settings::{self, Hand, Settings};
use crate::store::{Room, Store, StoreError};

/// What to do where the journal cannot be written.
const MAKE_ROOM: &str = "make room on the disk of `store.path`, or end what holds the journal";

/// The settings, and what lies around them.
pub(super) struct House<'a> {
    pub(super) settings: &'a Settings,
    pub(super) config: &'a Path,
}

/// An error with all its reasons.
pub(super) fn chain(error: &anyhow::Error) -> String {
    let source: &(dyn std::error::Error + 'static) = error.as_ref();
    Chain(source).to_string()
}

/// A problem in a file, in a line.
fn shown(problem: &Diagnostic) -> String {
    format!("{} {} {}", problem.span, problem.code, problem.message)
}

impl House<'_> {
    /// Reads playbooks and lists, and says which are refused.
    pub(super) fn books(&self, report: &mut Report) -> Books {
        let settings = self.settings;
        for exposed in settings::exposed(self.config, settings) {
            report.warn((flaw::EXPOSED, "files"), shown(&exposed), exposed.help.first().map(String::as_str));
        }
        let owners = (settings.settings_owners_of_service(), settings.owners_of_service());
        for stranger in settings::strangers(self.config, settings, &owners) {
            report.problem((flaw::STRANGERS, "files"), stranger.told(), Some(&stranger.help()));
        }
        let (_of_settings, of_files) = owners;
        for unmet in setup::unmet(settings, of_files) {
            report.problem((flaw::STRANGERS, "files"), shown(&unmet), unmet.help.first().map(String::as_str));
        }
        if settings.alerts.is_none() {
            let message = "no channel hears of what a person should look at: refused files, halted runs, actions in doubt";
            report.warn((flaw::UNHEARD, "alerts"), message, None);
        }
        let (found, unread) = daemon::read_all(std::slice::from_ref(&settings.playbooks), &settings.lists);
        let unread: Vec<Diagnostic> = unread.iter().map(ScanError::diagnostic).collect();
        let mut of_lists = Vec::new();
        let lists = validate::lists(&found.lists, &mut of_lists);
        let world = setup::world(settings, lists.clone());
        let of_settings = validate::settings_names(self.config, settings, &world);
        let compiled = compile_set(&found.playbooks, &world);
        let mut plans = Vec::new();
        let mut of_playbooks = unread;
        for one in compiled {
            plans.extend(one.plan);
            of_playbooks.extend(one.diagnostics);
        }
        let all: [(Flaw, _); 3] =
            [(flaw::LIST, of_lists), (flaw::NAMES, of_settings), (flaw::PLAYBOOK, of_playbooks)];
        for (flaw, problems) in all {
            let is_error = |problem: &&Diagnostic| problem.level == Level::Error;
            for problem in problems.iter().filter(is_error) {
                let help = problem.help.first().map(String::as_str);
                report.problem((flaw, "files"), shown(problem), help);
            }
        }
        if plans.is_empty() {
            let folder = settings.playbooks.display().to_string();
            report.warn((flaw::NO_PLAYBOOK, &folder), "there is no playbook that can run", None);
        } else {
            report.fine(counted((plans.len(), "playbook")));
        }
        Books { plans, lists, tables: settings.tables.clone() }
    }

    /// The files of playbooks, and what they may refer to.
    pub(super) fn files(&self, lists: &Lists) -> (Vec<SourceFile>, World) {
        let playbooks = std::slice::from_ref(&self.settings.playbooks);
        let (found, _told) = daemon::read_all(playbooks, &self.settings.lists);
        (found.playbooks, setup::world(self.settings, lists.clone()))
    }

    /// Looks at the journal and where it lies, and changes nothing.
    pub(super) async fn journal(&self, report: &mut Report) {
        let path = &self.settings.store.path;
        let name = path.display().to_string();
        if let Err(error) = Store::check_place(path) {
            report.problem((flaw::JOURNAL_PLACE, &name), Chain(&error).to_string(), None);
            return;
        }
        if let Ok(Some(found)) = settings::state_exposure(self.settings, Hand::Beside) {
            let problem = settings::state_problem(self.config, self.settings, &found);
            let help = problem.help.first().map(String::as_str);
            report.problem((flaw::JOURNAL_PLACE, &name), problem.message.clone(), help);
            return;
        }
        let opened = Store::open_reader(path).await;
        let stops = match &opened {
            Ok(store) => store.stops().await,
            Err(_unread) => Ok(Store::stop_file(path).into_iter().collect()),
        };
        for stop in stops.iter().flatten() {
            report.warn(
                (flaw::STOPPED, &name),
                stop.to_string(),
                Some(&format!("`{}` lifts it", lifts(stop))),
            );
        }
        if let Ok(store) = &opened {
            if let Some(unwritten) = store.unwritten() {
                report.problem((flaw::JOURNAL_PLACE, &name), unwritten.to_string(), Some(MAKE_ROOM));
            }
            if let Some(room) = store.room().filter(Room::is_short) {
                report.warn((flaw::JOURNAL_PLACE, &name), room.to_string(), Some(MAKE_ROOM));
            }
        }
        match opened.and(stops) {
            Ok(_) | Err(StoreError::Missing { .. }) => report.fine("the journal"),
            Err(error @ StoreError::Older) => {
                report.warn((flaw::JOURNAL_OLDER, &name), error.to_string(), None);
            }
            Err(error) => report.problem((flaw::JOURNAL, &name), Chain(&error).to_string(), None),
        }
    }

    /// Finds out whether the channels can be reached.
    pub(super) async fn channels(&self, doors: &Doors, report: &mut Report) {
        for (name, channel) in &self.settings.channels {
            let channel = match doors.channel(name, channel).await {
                Ok(channel) => channel,
                Err(error) => {
                    report.problem((flaw::CHANNEL_SETTINGS, name), chain(&error), None);
                    continue;
                }
            };
            let Err(error) = channel.reach().await else {
                report.fine(format!("channel `{name}`"));
                continue;
            };
            let flaw = match &error {
                ChannelError::NotAllowed { .. } => flaw::CHANNEL_LOGIN,
                ChannelError::Transport(_) | ChannelError::TimedOut(_) => flaw::CHANNEL_UNREACHED,
                _ => flaw::CHANNEL,
            };
            report.problem((flaw, name), Chain(&error).to_string(), None);
        }
    }
}
