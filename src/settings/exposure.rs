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
    let strangers = strangers(path, settings, settings.owners_at_desk(path).as_ref());
    if let Ok(Some(of_journal)) = state_exposure(settings, Hand::Beside) {
        found.push(Diagnostic { level: Level::Warning, ..state_problem(path, settings, &of_journal) });
    }
    found.extend(strangers.into_iter().map(|(pointer, exposure)| exposure.warning(place(path, pointer))));
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

/// What lets others decide what is put in force, and where the settings name it: the settings themselves, the folders
/// of the playbooks and the lists, and what leads to them.
#[must_use]
pub fn strangers(path: &Path, settings: &Settings, owners: Option<&Owners>) -> Vec<(&'static str, Exposure)> {
    let Some(owners) = owners else { return Vec::new() };
    let places = [("", path), ("/playbooks", &settings.playbooks), ("/lists", &settings.lists)];
    let mut found: Vec<(&'static str, Exposure)> = Vec::new();
    for (pointer, place) in places {
        // What cannot be looked at is told of by whoever reads it.
        let seen = owners.look(place).ok().flatten();
        found.extend(
            seen.filter(|seen| found.iter().all(|(_, known)| known != seen)).map(|seen| (pointer, seen)),
        );
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
