//! Who and what the story is about, and how a row names them.

use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::sim::seed::{SimData, SimMachine, SimUser};

/// Domain part of account names, as the sensor reports it.
const DOMAIN: &str = "contoso";

/// Start of every account's security identifier.
const SID: &str = "S-1-5-21-1004336348-1177238915-682003330";

/// Machines and users by their short names, and the present.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) machines: Vec<SimMachine>,
    pub(super) users: Vec<SimUser>,
    pub(super) now: Timestamp,
}

impl Cast {
    pub(super) fn new(data: &SimData, now: Timestamp) -> Self {
        Self { machines: data.machines.clone(), users: data.users.clone(), now }
    }

    /// `wks-014` is `wks-014.contoso.example`.
    pub(super) fn machine(&self, short: &str) -> Option<&SimMachine> {
        self.machines.iter().find(|machine| short_name(&machine.computer_dns_name, '.') == short)
    }

    /// `nils.holm` is `nils.holm@contoso.example`.
    pub(super) fn user(&self, short: &str) -> Option<&SimUser> {
        self.users.iter().find(|user| short_name(&user.user_principal_name, '@') == short)
    }

    /// The columns that name a user, with a prefix (`InitiatingProcess`) or none.
    pub(super) fn account(&self, user: &SimUser, prefix: &str) -> Map<String, Value> {
        let number = self.users.iter().position(|other| other.id == user.id).unwrap_or_default();
        let name = short_name(&user.user_principal_name, '@');
        [
            ("AccountName", name.to_owned()),
            ("AccountDomain", DOMAIN.to_owned()),
            ("AccountSid", format!("{SID}-{}", 1101 + number)),
            ("AccountUpn", user.user_principal_name.clone()),
            ("AccountObjectId", user.id.clone()),
            ("AccountDisplayName", user.display_name.clone()),
        ]
        .into_iter()
        .map(|(column, value)| (format!("{prefix}{column}"), value.into()))
        .collect()
    }
}

/// The columns that name a machine.
pub(super) fn device(machine: &SimMachine) -> Map<String, Value> {
    let columns = [("DeviceId", &machine.id), ("DeviceName", &machine.computer_dns_name)];
    columns.into_iter().map(|(column, value)| (column.to_owned(), value.as_str().into())).collect()
}

/// The columns of a file's hashes: made from a label, so that the same file has them everywhere.
pub(super) fn hashes(label: &str, prefix: &str) -> Map<String, Value> {
    let digest = |text: String, digits: usize| -> String {
        let digest = Sha256::digest(text.as_bytes());
        let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        nibbles.take(digits).filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
    };
    [
        ("SHA1", digest(format!("sha1 {label}"), 40)),
        ("SHA256", digest(label.to_owned(), 64)),
        ("MD5", digest(format!("md5 {label}"), 32)),
    ]
    .into_iter()
    .map(|(column, value)| (format!("{prefix}{column}"), value.into()))
    .collect()
}

/// The part of a name before a separator.
pub(super) fn short_name(name: &str, separator: char) -> &str {
    name.split(separator).next().unwrap_or(name)
}
