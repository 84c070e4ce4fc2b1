//! Who people are to huntbook: accounts of the operating system, and people whom an OpenID provider vouches for.
//!
//! An account is as much as a program on the same machine can know, and it protects nobody from those who may write the
//! journal anyway: it keeps people from speaking in another's name by mistake, and the journal says who spoke.

use crate::action::{Who, of_provider};

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// An account's name, its number if it has none on this machine; or the provider's id of a person, as
    /// [`of_provider`] writes it.
    pub name: String,
    /// An account's number.
    pub uid: Option<u32>,
    /// What the provider calls a person. It may change, so nothing depends on it.
    alias: Option<String>,
}

impl Account {
    /// The account with a number. One that this machine does not know is called as `called` says.
    #[must_use]
    pub fn of(uid: u32, called: Option<String>) -> Self {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let known = name(&passwd, uid).map(str::to_owned);
        let name = known.or(called).unwrap_or_else(|| uid.to_string());
        Self { name, uid: Some(uid), alias: None }
    }

    /// A person whom the provider knows by an id.
    #[must_use]
    pub fn elsewhere(id: &str, called: String) -> Self {
        Self { name: of_provider(id), uid: None, alias: Some(called) }
    }

    /// By what approvers are told apart.
    #[must_use]
    pub fn who(&self) -> Who<'_> {
        (&self.name, self.uid)
    }

    /// What people call it.
    #[must_use]
    pub fn shown(&self) -> String {
        self.alias.as_ref().map_or_else(|| self.name.clone(), |alias| format!("{alias} ({})", self.name))
    }

    /// The number of the account this process runs under.
    #[must_use]
    pub fn own() -> u32 {
        rustix::process::getuid().as_raw()
    }
}

/// The name of an account in the form of `/etc/passwd`.
fn name(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then_some(name)
    })
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
