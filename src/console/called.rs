//! What a playbook is called, whatever else is wrong with its file.

use crate::diag::Sink;
use crate::yaml;

/// What a file calls its playbook. Empty is what cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Called {
    /// Its name.
    pub name: String,
    /// Its id, as it is written.
    pub id: String,
}

impl Called {
    /// Reads it. Most of what a file with problems says can be read all the same.
    #[must_use]
    pub fn of(file: &str, bytes: &[u8]) -> Self {
        let tree = yaml::parse(file, bytes, &mut Sink::new());
        let text = |key: &str| {
            let value = tree.as_ref().and_then(|tree| tree.value().get(key)?.as_str());
            value.unwrap_or_default().to_owned()
        };
        Self { name: text("name"), id: text("id") }
    }
}
