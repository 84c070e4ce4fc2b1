//! Whose account a command runs under.

use crate::console::Account;

/// The account that asked for this command: the one that called `sudo`, or the one it runs under.
pub(super) fn caller() -> Account {
    match sudo() {
        Some(uid) => Account::of(uid, variable("SUDO_USER")),
        None => Account::of(Account::own(), None),
    }
}

/// The number of the account that called `sudo`.
fn sudo() -> Option<u32> {
    variable("SUDO_UID")?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
