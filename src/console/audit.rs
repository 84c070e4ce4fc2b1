//! Whether the journal's histories are as they were written.

use serde_json::{Value, json};

use crate::store::{Chain, ContentHash, History, Store, StoreError};
use crate::text::{clean, counted};

/// What a look through the histories found.
pub type Found = Vec<(History, Chain)>;

/// Looks through the last `events_max` events of each history.
///
/// # Errors
///
/// Any [`StoreError`].
pub async fn look(store: &Store, events_max: u32) -> Result<Found, StoreError> {
    let mut found = Vec::new();
    for history in History::ALL {
        found.push((history, store.verify(history, events_max).await?));
    }
    Ok(found)
}

/// Whether nothing was changed.
#[must_use]
pub fn is_intact(found: &Found) -> bool {
    found.iter().all(is_sound)
}

/// Whether nothing was changed in one history.
#[must_use]
pub const fn is_sound((_history, chain): &(History, Chain)) -> bool {
    matches!(chain, Chain::Intact { .. })
}

/// What was found in one history, for machines.
#[must_use]
pub fn in_json((history, chain): &(History, Chain)) -> Value {
    let history = history.as_str();
    match chain {
        Chain::Intact { events, head } => {
            json!({"history": history, "intact": true, "eventsChecked": events, "head": ContentHash(*head)})
        }
        Chain::Broken { event, about, why } => {
            json!({"history": history, "intact": false, "event": event, "about": about, "why": why})
        }
    }
}

/// The same for people.
#[must_use]
pub fn in_words((history, chain): &(History, Chain)) -> String {
    match chain {
        Chain::Intact { events, head } => {
            let events = counted(events, "event");
            format!("intact: {events} checked, the last is {}", ContentHash(*head).short())
        }
        Chain::Broken { event, about, why } => {
            let about = about.as_deref().map(|about| format!(" ({})", clean(about, 100))).unwrap_or_default();
            let event = if *event == 0 { String::new() } else { format!(" at event {event}") };
            format!("somebody changed the history of {}{event}{about}: {why}", history.as_str())
        }
    }
}
