//! Whose account a command runs under.
//!
//! That is as much as a local command can know, and it protects nobody from those who may write the journal
//! anyway: it keeps people from speaking in another's name by mistake, and the journal says who spoke.

use std::os::unix::fs::MetadataExt as _;

use anyhow::Context as _;

/// An account of the operating system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// Its name; its number if it has none on this machine.
    pub(super) name: String,
    /// Its number.
    pub(super) uid: u32,
}

/// The account that asked for this command: the one that called `sudo`, or the one it runs under.
pub(super) fn caller() -> anyhow::Result<Account> {
    let sudo = variable("SUDO_UID").and_then(|uid| uid.parse::<u32>().ok());
    let uid = match sudo {
        Some(uid) => uid,
        None => own()?,
    };
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let known = name(&passwd, uid).map(str::to_owned);
    let name = known.or_else(|| variable("SUDO_USER").filter(|_name| sudo.is_some()));
    Ok(Account { name: name.unwrap_or_else(|| uid.to_string()), uid })
}

/// The number of the account this process runs under.
fn own() -> anyhow::Result<u32> {
    if let Ok(own) = std::fs::metadata("/proc/self") {
        return Ok(own.uid());
    }
    // Where there is no `/proc`, a file of our own tells.
    let scratch = super::run::Scratch::new()?;
    let made = std::fs::metadata(&scratch.0).context("whose account this is cannot be told")?;
    Ok(made.uid())
}

/// The name of an account in the form of `/etc/passwd`.
fn name(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then_some(name)
    })
}

#[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_called_as_the_machine_calls_it() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n# note\nalice:x:1001:1001::/home/alice:/bin/sh\n";
        assert_eq!(
            (name(passwd, 0), name(passwd, 1001), name(passwd, 7)),
            (Some("root"), Some("alice"), None)
        );
    }
}
