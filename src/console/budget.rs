//! What is left of the budgets of calls, for people.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::NAME_MAX;
use crate::store::{Store, StoreError};
use crate::tenant::{Headroom, Used};
use crate::text::clean;

/// What is left in a tenant.
#[derive(Debug, Serialize)]
pub struct Budget {
    /// The tenant.
    pub tenant: String,
    /// When this was so.
    pub at: Timestamp,
    /// What is left of each group of calls.
    pub groups: Vec<Headroom>,
}

/// Reads what the process that owns the journal has written. What another version wrote may not be readable.
pub(super) async fn read(store: &Store) -> Result<Vec<Budget>, StoreError> {
    let all = store.headroom().await?.into_iter().map(|(tenant, found)| Budget {
        tenant,
        at: found.at,
        groups: serde_json::from_value(found.rooms).unwrap_or_default(),
    });
    Ok(all.collect())
}

impl Budget {
    /// A line for each group of calls in use.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.groups.iter().map(|room| format!("{}: {}", clean(&self.tenant, NAME_MAX), shown(room)))
    }
}

fn shown(room: &Headroom) -> String {
    let used: Vec<String> = room.windows.iter().map(in_words).collect();
    let mut text = format!("{}, {}: {} used", clean(&room.api, 60), clean(&room.group, 60), used.join(", "));
    let mut add = |more: String| {
        let _infallible = write!(text, "; {more}");
    };
    if let Some(until) = room.closed_until {
        let why = room.why.as_deref().unwrap_or("no call is made");
        add(format!("closed until {until:.0}: {}", clean(why, 120)));
    }
    for (playbook, until) in &room.cooling {
        add(format!("playbook {} cools down until {until:.0}: its schedule waits", clean(playbook, 60)));
    }
    match room.waiting {
        0 => {}
        1 => add("one call waits".to_owned()),
        many => add(format!("{many} calls wait")),
    }
    text
}

fn in_words(used: &Used) -> String {
    let Used { calls, of, seconds } = used;
    match seconds {
        1 => format!("{calls} of {of} a second"),
        60 => format!("{calls} of {of} a minute"),
        3600 => format!("{calls} of {of} an hour"),
        seconds => format!("{calls} of {of} in {seconds} s"),
    }
}
