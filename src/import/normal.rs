//! A query in the words of Defender, and what makes its rows the same rows next time.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Fate;
use super::fields::Draft;
use crate::diag::{Code, Level};
use crate::kql::{Purpose, Query, Schema};

/// Columns that name an event for good, the surest first.
const EVENTS: [&[&str]; 5] = [
    &["DeviceId", "ReportId", "Timestamp"],
    &["NetworkMessageId", "RecipientEmailAddress"],
    &["NetworkMessageId"],
    &["AlertId"],
    &["ReportId", "Timestamp"],
];

impl Draft {
    /// Writes the query's columns as Defender calls them, where there is no doubt, and chooses what makes a row
    /// the same row next time.
    pub(super) fn normalise(&mut self) {
        let Some(written) = self.hunt.get("query").and_then(Value::as_str).map(str::to_owned) else { return };
        let schema = Schema::defender();
        let (query, renamed) = in_our_words(&written, &schema);
        for (from, to) in &renamed {
            self.note("query", Fate::Changed, format!("`{from}` is `{to}` here"));
        }
        let columns = Query::read(&query, &schema).columns();
        let names: Vec<String> =
            columns.into_iter().flat_map(|columns| columns.known).map(|column| column.name).collect();
        self.set_hunt("query", query.into());
        let mapped = self.hunt.get_mut("entityMappings").and_then(Value::as_array_mut);
        for field in mapped.into_iter().flatten().filter_map(|mapping| mapping.get_mut("fieldMappings")) {
            for column in
                field.as_array_mut().into_iter().flatten().filter_map(|one| one.get_mut("columnName"))
            {
                let new =
                    column.as_str().and_then(|name| renamed.get(name)).filter(|new| names.contains(new));
                if let Some(new) = new {
                    *column = json!(new);
                }
            }
        }
        let is_event = |wanted: &&&[&str]| wanted.iter().all(|name| names.iter().any(|known| known == name));
        if let Some(identity) = EVENTS.iter().find(is_event)
            && !self.hunt.contains_key("identity")
        {
            self.set_hunt("identity", json!(identity));
            let why = format!("rows with the same {} are the same event", identity.join(", "));
            self.note("identity", Fate::FilledIn, why);
        }
    }
}

/// Replaces what is called otherwise here and safe to replace; gives what was replaced by what.
fn in_our_words(query: &str, schema: &Schema) -> (String, BTreeMap<String, String>) {
    let mut text = query.to_owned();
    let mut renamed = BTreeMap::new();
    let problems = Query::read(query, schema).problems(&Purpose::default());
    let is_name = |code: Code| matches!(code, Code::Kql(100..=102));
    let named = problems.iter().filter(|found| found.level == Level::Error && is_name(found.code));
    // From the end, so that the places before it stay.
    for mend in named.filter_map(|found| found.suggestion.as_ref()).rev() {
        let Some(from) = text.get(mend.range.clone()).map(str::to_owned) else { continue };
        text.replace_range(mend.range.clone(), &mend.replacement);
        renamed.insert(from, mend.replacement.clone());
    }
    (text, renamed)
}
