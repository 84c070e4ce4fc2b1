//! Who people are to huntbook: accounts of the operating system, and people whom an OpenID provider vouches for.
//!
//! An account is as much as a program on the same machine can know, and it protects nobody from those who may write the
//! journal anyway: it keeps people from speaking in another's name by mistake, and the journal says who spoke.

use crate::action::{Who, of_provider};
use crate::settings::Accounts;

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// An account's name, its number if it has none on this machine; or the provider's id of a person, as
    /// [`of_provider`] writes it.
    pub name: String,
    /// An account's number.
    pub uid: Option<u32>,
    /// What the provider calls a person. It may change, so it lets nobody do anything; it can only say that an author is
    /// the one who speaks.
    alias: Option<String>,
}

impl Account {
    /// The account with a number. One that this machine does not know is called as `called` says.
    #[must_use]
    pub fn of(uid: u32, called: Option<String>) -> Self {
        let known = Accounts::read().name(uid).map(str::to_owned);
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

    /// What the provider calls it, if it is one of there.
    #[must_use]
    pub fn alias(&self) -> Option<&str> {
        self.alias.as_deref()
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
