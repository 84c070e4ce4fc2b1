//! Secrets and folders that more people can get at than should.

use std::path::{Path, PathBuf};

use super::{ChannelSettings, PlainOrSecret, SecretRef, Settings, place};
use crate::diag::{Code, Diagnostic};

/// Read by the group or by all.
const READABLE: u32 = 0o044;
/// Written by all; a folder where only the owner of a file can remove it is as good.
const WRITABLE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Warns of files of secrets that others can read, and of folders that all can write to: whoever can put a
/// playbook or a journal there has huntbook's power. What is not there is somebody else's problem.
#[must_use]
pub fn exposures(path: &Path, settings: &Settings) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (pointer, reference) in secrets(settings) {
        let SecretRef::File(file) = reference else { continue };
        let Some(mode) = mode(file).filter(|mode| mode & READABLE != 0) else { continue };
        let message = format!("the secret in `{}` can be read by others (mode {mode:04o})", file.display());
        let warning = Diagnostic::warning(Code::Exposed, place(path, &format!("{pointer}/file")), message);
        found.push(warning.help(format!("chmod 600 {}", file.display())));
    }
    let folder = |file: &Path| match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let folders = [
        ("/playbooks", settings.playbooks.clone()),
        ("/lists", settings.lists.clone()),
        ("/store/path", folder(&settings.store.path)),
    ];
    for (pointer, folder) in folders {
        let open = |mode: &u32| mode & WRITABLE != 0 && mode & STICKY == 0;
        let Some(mode) = mode(&folder).filter(open) else { continue };
        let message = format!("everybody can write to `{}` (mode {mode:04o})", folder.display());
        let help = format!("chmod o-w {}", folder.display());
        found.push(Diagnostic::warning(Code::Exposed, place(path, pointer), message).help(help));
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

/// Every secret the settings refer to, and where.
fn secrets(settings: &Settings) -> Vec<(String, &SecretRef)> {
    let mut found = Vec::new();
    for (name, app) in &settings.apps {
        let of_app = app.places().into_iter();
        found.extend(of_app.map(|(at, secret)| (format!("/apps/{name}/{at}"), secret)));
    }
    for (name, tenant) in &settings.tenants {
        let of_tenant = tenant.auth.places().into_iter();
        found.extend(of_tenant.map(|(at, secret)| (format!("/tenants/{name}/auth/{at}"), secret)));
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
    if let Some(PlainOrSecret::Secret(secret)) = &settings.http.proxy {
        found.push(("/http/proxy".to_owned(), secret));
    }
    found
}
