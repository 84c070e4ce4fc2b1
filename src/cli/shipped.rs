//! The shipped playbooks and lists, inside the binary, so that the demo needs no files.

/// What signs the demo's webhook messages. It protects nothing: sender and receiver are this process.
pub(super) const WEBHOOK_SECRET: &str = "whsec_aHVudGJvb2stZGVtby1zaWduaW5nLWtleS0wMDAx";

macro_rules! shipped {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../playbooks/", $folder, $name)))),+]
    };
}

/// File names and texts of the playbooks, sorted.
pub(super) const PLAYBOOKS: &[(&str, &str)] = shipped!(
    "":
    "alert-credential-theft.yaml",
    "delivered-phishing.yaml",
    "lsass-dump.yaml",
    "malicious-hash.yaml",
    "mass-rename.yaml",
    "mfa-fatigue.yaml",
    "oauth-consent.yaml",
    "office-child.yaml",
    "password-spray.yaml",
    "phish-click-sign-in.yaml",
    "psexec-fanout.yaml",
    "reported-mail.yaml",
    "scheduled-task.yaml",
    "triage-assign.yaml",
    "triage-exercise.yaml",
    "triage-stale.yaml",
);

/// File names and texts of the lists, sorted.
pub(super) const LISTS: &[(&str, &str)] = shipped!(
    "lists/":
    "allowedHashes.csv",
    "approvedApps.yaml",
    "backupServers.txt",
    "breakGlass.txt",
    "crownJewels.csv",
    "executives.txt",
    "exerciseHosts.txt",
    "packagers.txt",
);

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &str, ending: &str) -> Vec<String> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks").join(folder);
        let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
        let files = entries.filter(|entry| entry.path().is_file());
        let mut names: Vec<String> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.retain(|name| name.ends_with(ending) && !name.contains(".test."));
        names.sort();
        names
    }

    #[test]
    fn everything_shipped_is_in_the_binary() {
        assert_eq!(PLAYBOOKS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names("", ".yaml"));
        assert_eq!(LISTS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names("lists", ""));
    }
}
