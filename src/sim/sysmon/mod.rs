//! Sysmon's events as rows of the tables that hunting queries read.
//!
//! In: one JSON object a line, as winlogbeat ships events, as collectors flatten them, or as converters
//! of event logs nest them. Out: a row and its table. Sysmon knows no `DeviceId`; it is made from the
//! computer's name, so that one computer has one. What has no place in a table is counted by name in a
//! [`Census`] and never dropped in silence.
//!
//! To take another event: a line in `RULES`, and a line in the tests' table.

mod event;
mod rule;

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use event::{Event, Read};
use rule::{RULES, Rule};

/// A row and the table it belongs to.
pub type SysmonRow = (&'static str, Map<String, Value>);

/// What became of the lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Rows by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// Events that no table takes, by their id.
    pub events: BTreeMap<u64, u64>,
    /// Fields with a value that no column takes, by event id and name.
    pub fields: BTreeMap<(u64, String), u64>,
    /// Events of other sources.
    pub foreign: u64,
    /// Lines that are no events: how many, and the first of them.
    pub broken: u64,
    /// The first of them, from 1.
    pub first_broken: Option<u64>,
}

/// Turns events into rows and counts what is left.
#[derive(Debug, Default)]
pub struct Sysmon {
    census: Census,
    lines: u64,
}

impl Sysmon {
    /// Nothing was read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a line; a blank one is nothing.
    pub fn line(&mut self, text: &str) -> Option<SysmonRow> {
        self.lines += 1;
        if text.trim().is_empty() {
            return None;
        }
        let event = match event::read(text) {
            Read::Event(event) => event,
            Read::Foreign => {
                self.census.foreign += 1;
                return None;
            }
            Read::Broken => {
                self.census.broken += 1;
                self.census.first_broken.get_or_insert(self.lines);
                return None;
            }
        };
        let Some(rule) = RULES.iter().find(|rule| rule.id == event.id) else {
            *self.census.events.entry(event.id).or_default() += 1;
            return None;
        };
        Some(self.row(rule, event))
    }

    fn row(&mut self, rule: &'static Rule, mut event: Event) -> SysmonRow {
        let mut row = Map::new();
        row.insert("Timestamp".to_owned(), event.at.clone().into());
        row.insert("DeviceId".to_owned(), device_id(&event.computer).into());
        row.insert("DeviceName".to_owned(), event.computer.to_ascii_lowercase().into());
        rule.apply(&mut event.fields, &mut row);
        for (name, _) in event.fields.into_iter().filter(|(_, value)| !matches!(value.as_str(), "" | "-")) {
            *self.census.fields.entry((event.id, name)).or_default() += 1;
        }
        let number = self.census.rows.entry(rule.table).or_default();
        *number += 1;
        row.insert("ReportId".to_owned(), (*number).into());
        (rule.table, row)
    }

    /// What became of the lines so far.
    #[must_use]
    pub const fn census(&self) -> &Census {
        &self.census
    }
}

/// Forty hexadecimal digits that stand for a computer.
fn device_id(computer: &str) -> String {
    let digest = Sha256::digest(computer.to_ascii_lowercase().as_bytes());
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.take(40).filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
}

#[cfg(test)]
mod tests;
