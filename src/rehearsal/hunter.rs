//! What the hunts of a test are answered with.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

use super::fixture::{Changes, Holdings, Recorded};
use crate::engine::MERGED_QUERY;
use crate::sim::{HuntFault, HuntTable, HuntWindow, Hunter, TableHunter};

/// What answers the hunts of a test: a recorded answer for the playbook's own query, tables for others.
#[derive(Debug)]
pub(super) struct Answers(Mutex<(TableHunter, Option<Recorded>)>);

impl Answers {
    pub(super) fn new(given: &Holdings) -> Self {
        Self(Mutex::new((TableHunter::new(given.tables.clone()), given.recorded.clone())))
    }

    pub(super) fn change(&self, changes: &Changes) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tables) = &changes.tables {
            now.0 = TableHunter::new(tables.clone());
            now.1 = None;
        }
        if let Some(recorded) = &changes.recorded {
            now.1 = Some(recorded.clone());
        }
    }
}

impl Hunter for Answers {
    fn answer(&self, query: &str, window: HuntWindow, now: Timestamp) -> Result<HuntTable, HuntFault> {
        let (tables, recorded) = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match recorded.filter(|recorded| *recorded.query == *query) {
            Some(recorded) => Ok(HuntTable::clone(&recorded.table)),
            None => match tables.answer(query, window, now) {
                // A test that says nothing of devices says nothing of merged ones.
                Err(HuntFault::Unsupported(_)) if query == MERGED_QUERY => {
                    Ok(HuntTable::new(Vec::new(), Vec::new()))
                }
                Err(HuntFault::Unsupported(text)) => {
                    let is_given = |name: &str| {
                        let ask = format!("_GetWatchlist({}) | take 0", Value::from(name));
                        tables.answer(&ask, window, now).is_ok()
                    };
                    Err(HuntFault::Unsupported(lacking(&text, query, &is_given)))
                }
                answered => answered,
            },
        }
    }
}

/// Says under which key of a test goes what a query lacks: a document, a watchlist, or a function of the service.
fn lacking(text: &str, query: &str, is_given: &dyn Fn(&str) -> bool) -> String {
    let lead = "nothing is provided for `";
    let Some((what, rest)) = text.strip_prefix(lead).and_then(|rest| rest.split_once('`')) else {
        return text.to_owned();
    };
    let told = |what: &str, key: &str| format!("{lead}{what}` (a test gives it under `{key}:`){rest}");
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
    if !what.chars().all(is_name) {
        return told(what, "documents");
    }
    if what != "_GetWatchlist" {
        return told(what, "tables");
    }
    let calls = query.split("_GetWatchlist(").skip(1);
    let name = |call: &'_ str| {
        let (quote, rest) = call.trim_start().split_at_checked(1)?;
        Some(rest.split_once(quote)?.0.to_owned()).filter(|_| matches!(quote, "'" | "\""))
    };
    match calls.filter_map(name).find(|name| !is_given(name)) {
        Some(name) => told(&format!("{what}('{name}')"), "watchlists"),
        None => told(what, "watchlists"),
    }
}
