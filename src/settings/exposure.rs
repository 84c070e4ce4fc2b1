//! Secrets and folders that more people can get at than should.

use std::path::Path;

use super::owner::{Exposure, Owners};
use super::state::{Hand, state_exposure, state_problem};
use super::{AuthSettings, ChannelSettings, PlainOrSecret, SecretRef, Settings, place};
use crate::diag::{Code, Diagnostic, Level};

/// Read by the group or by all.
const READABLE: u32 = 0o044;

/// Warns of files of secrets that others can read, and of folders that others can write to: whoever can put a
/// playbook or a journal there has huntbook's power. What is not there is somebody else's problem.
#[must_use]
pub fn exposures(path: &Path, settings: &Settings) -> Vec<Diagnostic> {
    let mut found = exposed(path, settings);
    let owners = (settings.settings_owners_at_desk(path), settings.owners_at_desk(path));
    let strangers = strangers(path, settings, &owners);
    if let Ok(Some(of_journal)) = state_exposure(settings, Hand::Beside) {
        found.push(Diagnostic { level: Level::Warning, ..state_problem(path, settings, &of_journal) });
    }
    found.extend(strangers.iter().map(|stranger| {
        Diagnostic::warning(Code::Exposed, place(path, stranger.pointer), stranger.told())
            .help(stranger.help())
    }));
    found
}

/// Of these the files of secrets.
#[must_use]
pub fn exposed(path: &Path, settings: &Settings) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (pointer, reference) in references(settings) {
        let SecretRef::File(file) = reference else { continue };
        if is_public(settings, &pointer) {
            continue;
        }
        let Some(mode) = mode(file).filter(|mode| mode & READABLE != 0) else { continue };
        let message = format!("the secret in `{}` can be read by others (mode {mode:04o})", file.display());
        let warning = Diagnostic::warning(Code::Exposed, place(path, &format!("{pointer}/file")), message);
        found.push(warning.help(format!("chmod 600 {}", file.display())));
    }
    found
}

/// What lets others decide what is put in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// Where the settings name it; empty for the settings themselves and what leads to them.
    pub pointer: &'static str,
    /// What it is.
    pub exposure: Exposure,
}

impl Stranger {
    /// What it is, and what comes of it.
    #[must_use]
    pub fn told(&self) -> String {
        if self.pointer.is_empty() { self.exposure.told_of_settings() } else { self.exposure.told() }
    }

    /// What mends it.
    #[must_use]
    pub fn help(&self) -> String {
        if self.pointer.is_empty() { self.exposure.help_of_settings() } else { self.exposure.help() }
    }
}

/// What lets others decide what is put in force: the settings themselves, the folders of the playbooks and the lists, and
/// what leads to them. First of the owners are those whose settings count, then those of all else; `None` for everybody.
#[must_use]
pub fn strangers(
    path: &Path,
    settings: &Settings,
    (of_settings, of_files): &(Option<Owners>, Option<Owners>),
) -> Vec<Stranger> {
    let places = [
        ("", path, of_settings),
        ("/playbooks", &settings.playbooks, of_files),
        ("/lists", &settings.lists, of_files),
    ];
    let mut found: Vec<Stranger> = Vec::new();
    for (pointer, place, owners) in places {
        // What cannot be looked at is told of by whoever reads it.
        let seen = owners.as_ref().and_then(|owners| owners.look(place).ok().flatten());
        let new = seen.filter(|seen| found.iter().all(|known| known.exposure != *seen));
        found.extend(new.map(|exposure| Stranger { pointer, exposure }));
    }
    found
}

/// What the owner of a file lets others do; `None` if it is not there, or where there are no such rights.
#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_path: &Path) -> Option<u32> {
    None
}

/// Whether a reference leads to something that anybody may know.
fn is_public(settings: &Settings, pointer: &str) -> bool {
    let mut parts = pointer.split('/').skip(1);
    let auth = match (parts.next(), parts.next()) {
        (Some("apps"), Some(name)) => settings.apps.get(name),
        (Some("tenants"), Some(name)) => settings.tenants.get(name).map(|tenant| &tenant.auth),
        (Some("vaults"), Some(name)) => settings.vaults.get(name).map(|vault| &vault.auth),
        _ => None,
    };
    auth.is_some_and(|auth| auth.is_public(pointer))
}

fn of_auth<'a>(at: &str, auth: &'a AuthSettings) -> Vec<(String, &'a SecretRef)> {
    auth.references().into_iter().map(|(below, secret)| (format!("{at}/{below}"), secret)).collect()
}

/// Every secret the settings refer to, and where.
pub(super) fn references(settings: &Settings) -> Vec<(String, &SecretRef)> {
    let mut found = Vec::new();
    for (name, app) in &settings.apps {
        found.extend(of_auth(&format!("/apps/{name}"), app));
    }
    for (name, tenant) in &settings.tenants {
        found.extend(of_auth(&format!("/tenants/{name}/auth"), &tenant.auth));
    }
    for (name, vault) in &settings.vaults {
        found.extend(of_auth(&format!("/vaults/{name}/auth"), &vault.auth));
    }
    for (name, channel) in &settings.channels {
        let at = |rest: &str| format!("/channels/{name}/{rest}");
        match channel {
            ChannelSettings::Email(email) => {
                found.extend(email.password.iter().map(|secret| (at("email/password"), secret)));
            }
            ChannelSettings::Teams(hook) => found.push((at("teams/url"), &hook.url)),
            ChannelSettings::Slack(hook) => found.push((at("slack/url"), &hook.url)),
            ChannelSettings::Webhook(hook) => {
                if let PlainOrSecret::Secret(secret) = &hook.url {
                    found.push((at("webhook/url"), secret));
                }
                found.extend(hook.secret.iter().map(|secret| (at("webhook/secret"), secret)));
                found
                    .extend(hook.previous_secret.iter().map(|secret| (at("webhook/previousSecret"), secret)));
            }
        }
    }
    if let Some(secret) = settings.web.iter().find_map(|web| web.open_id.as_ref()?.client_secret.as_ref()) {
        found.push(("/web/openId/clientSecret".to_owned(), secret));
    }
    if let Some(PlainOrSecret::Secret(secret)) = &settings.http.proxy {
        found.push(("/http/proxy".to_owned(), secret));
    }
    found
}
