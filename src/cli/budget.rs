//! What is left of the budgets of calls, for people.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::output::clean;
use super::tables::CELL_WIDTH;
use crate::store::Store;
use crate::tenant::{Headroom, Used};

/// What is left in a tenant.
#[derive(Debug, Serialize)]
pub(super) struct Budget {
    tenant: String,
    at: Timestamp,
    groups: Vec<Headroom>,
}

/// Reads what the process that owns the journal has written. What another version wrote may not be readable.
pub(super) async fn read(store: &Store) -> anyhow::Result<Vec<Budget>> {
    let all = store.headroom().await?.into_iter().map(|(tenant, found)| Budget {
        tenant,
        at: found.at,
        groups: serde_json::from_value(found.rooms).unwrap_or_default(),
    });
    Ok(all.collect())
}

impl Budget {
    /// A line for each group of calls in use.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.groups.iter().map(|room| format!("{}: {}", clean(&self.tenant, CELL_WIDTH), shown(room)))
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
        add(format!("playbook {} cools down until {until:.0}", clean(playbook, 60)));
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
