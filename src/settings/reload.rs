//! What it takes for playbooks and lists to come into force while `serve` runs.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Settings;
use super::account::Accounts;
use super::owner::Owners;
use crate::model::DurationText;

/// What it takes for playbooks and lists to come into force while `serve` runs. Whoever can write them has
/// huntbook's power.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReloadSettings {
    /// Whether files count only if nobody else could have written them: they, and all folders and links that lead to
    /// them belong to root, the account of `serve` or `owners`, no group of others nor everybody can write to them, and
    /// no link leads out of the folder. `true` by default. Of these settings themselves only the environment says so:
    /// `HUNTBOOK_SETTINGS_OWNERS`.
    #[serde(default = "yes")]
    pub strict_modes: bool,
    /// Further accounts whose files count, by name or number, such as the one that deploys.
    #[serde(default)]
    #[schemars(inner(length(min = 1)), example = ["deploy"])]
    pub owners: Vec<String>,
    /// What becomes of an edit that lets a playbook that acts do more, or protects less; `apply` by default.
    #[serde(default)]
    pub risk_raising: RiskRaising,
    /// Public keys of minisign, by names of your own. With any, a file of a playbook or a list counts only with a
    /// signature of one of them beside it (`NAME.yaml.minisig`).
    #[serde(default)]
    #[schemars(example = serde_json::json!({"ops": "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"}))]
    pub signed_by: BTreeMap<String, String>,
    /// How changes are noticed; `auto` by default.
    #[serde(default)]
    pub watch: Watching,
    /// How often all files are looked at where the system does not tell of changes: one second to five minutes, five
    /// seconds by default.
    #[serde(default)]
    #[schemars(example = &"5s")]
    pub poll_interval: Option<DurationText>,
}

/// How changes of playbooks and lists are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Watching {
    /// By what the system tells (inotify). Where it cannot, and on file systems that others share, all files are also
    /// looked at again and again.
    #[default]
    Auto,
    /// All files are looked at again and again, whatever the system could tell: for mounts that it tells nothing of.
    Poll,
}

/// What becomes of an edit that raises risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RiskRaising {
    /// It comes into force like any other.
    #[default]
    Apply,
    /// What was in force stays, until an approver other than its author says `huntbook confirm`.
    Hold,
}

const fn yes() -> bool {
    true
}

impl Default for ReloadSettings {
    fn default() -> Self {
        Self {
            strict_modes: true,
            owners: Vec::new(),
            risk_raising: RiskRaising::Apply,
            signed_by: BTreeMap::new(),
            watch: Watching::Auto,
            poll_interval: None,
        }
    }
}

/// How often files are looked at by default: what people call soon, and little to read for a server of files.
const POLL_DEFAULT: SignedDuration = SignedDuration::from_secs(5);

impl ReloadSettings {
    /// How often files are looked at where the system does not tell of changes.
    #[must_use]
    pub fn poll_every(&self) -> SignedDuration {
        let wished = self.poll_interval.as_ref().and_then(|text| text.read().ok());
        wished.unwrap_or(POLL_DEFAULT)
    }
}

pub(super) fn owner(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|about| about.uid())
}

/// What names further accounts whose settings count.
const SETTINGS_OWNERS: &str = "HUNTBOOK_SETTINGS_OWNERS";

/// Whose settings count for a process of this account: root's, its own, and those that the environment names, by name
/// or number, with commas between; `None` if everybody's do (`*`). The settings themselves have no say: whoever could
/// write them would be let in by what they wrote.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "what settings must be like is not theirs to say")]
pub fn settings_owners() -> Option<Owners> {
    named_owners(&std::env::var(SETTINGS_OWNERS).unwrap_or_default(), &Accounts::read())
}

fn named_owners(named: &str, accounts: &Accounts) -> Option<Owners> {
    let own = rustix::process::geteuid().as_raw();
    let named = named.split(',').map(str::trim);
    let numbers = named.clone().filter_map(|name| accounts.number(name));
    let owners = Owners::new(numbers.chain([own]));
    named.clone().all(|name| name != "*").then_some(owners)
}

impl Settings {
    /// Whose files count for a process of this account; `None` if everybody's do.
    #[must_use]
    pub fn owners(&self) -> Option<Owners> {
        let accounts = Accounts::read();
        let named = self.reload.owners.iter().filter_map(|name| accounts.number(name));
        let own = rustix::process::geteuid().as_raw();
        self.reload.strict_modes.then(|| Owners::new(named.chain([own])))
    }

    /// The same for the process that works with the journal, as far as somebody else can know: it owns that file.
    #[must_use]
    pub fn owners_of_service(&self) -> Option<Owners> {
        Some(self.owners()?.and(owner(&self.store.path)))
    }

    /// The same of the settings themselves.
    #[must_use]
    pub fn settings_owners_of_service(&self) -> Option<Owners> {
        Some(settings_owners()?.and(owner(&self.store.path)))
    }

    /// The same at the desk of whoever writes the settings at `path`, perhaps on another machine or in a build: theirs
    /// count, too.
    #[must_use]
    pub fn owners_at_desk(&self, path: &Path) -> Option<Owners> {
        Some(self.owners_of_service()?.and(owner(path)))
    }

    /// The same of the settings themselves.
    #[must_use]
    pub fn settings_owners_at_desk(&self, path: &Path) -> Option<Owners> {
        Some(self.settings_owners_of_service()?.and(owner(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::tests::machine;
    use super::*;

    #[test]
    fn the_environment_says_whose_settings_count() {
        let own = rustix::process::geteuid().as_raw();
        let named = |text: &str| named_owners(text, &machine());
        assert_eq!(named(""), Some(Owners::new([own])));
        assert_eq!(named("alice, 4711,nobody-knows"), Some(Owners::new([own, 1001, 4711])));
        assert_eq!(named("*"), None);
        assert_eq!(named("alice,*"), None);
    }
}
