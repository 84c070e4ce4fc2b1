//! The entries of a playbook's lists that a recording needs.
//!
//! Entries name people and devices of the house. Those that make no difference to what was recorded stay there.

use std::collections::BTreeSet;

use memchr::memmem;
use serde_json::{Map, Value};

use super::record::Recording;
use super::scrub::inner;
use crate::hunt::Hunt;
use crate::model::Lists;
use crate::plan::{Input, Plan};

/// Stands in a list of the query for all entries that occur nowhere: without them `has_all` would hold of more, and a
/// query is not sent with a list that is empty.
const NOBODY: &str = "nobody.invalid";

/// Between two texts that are looked through as one.
const BETWEEN: &str = "\0";

impl Recording {
    /// Keeps of the playbook's lists what can make a difference here: conditions ask for whole texts, a query for parts
    /// of them, too.
    pub(super) fn keep_lists(&mut self, plan: &Plan, lists: &Lists) {
        let texts = self.texts();
        self.asked = hunt_lists(plan).map(str::to_owned).collect();
        for name in lists_of(plan) {
            let Some(list) = lists.get(&name) else { continue };
            let is_asked = self.asked.contains(&name);
            let kept = list.iter().filter(|entry| is_asked || texts.contains(&entry.to_lowercase()));
            self.lists.insert(name, kept.map(str::to_owned).collect());
        }
        self.leave_out(&texts);
    }

    /// Leaves out of the query's lists what occurs nowhere any more, and tells of it.
    pub(super) fn narrow_lists(&mut self) {
        let texts = self.texts();
        for (name, count) in self.leave_out(&texts) {
            self.warnings.push(format!(
                "left out of the list `{name}`: {count} of its entries, parts of what was replaced; the test asks without"
            ));
        }
    }

    /// Takes from each of the query's lists the entries that are in no text, and says how many.
    fn leave_out(&mut self, texts: &BTreeSet<String>) -> Vec<(String, usize)> {
        let texts = texts.iter().map(String::as_str).collect::<Vec<_>>().join(BETWEEN);
        let is_met =
            |entry: &String| memmem::find(texts.as_bytes(), entry.to_lowercase().as_bytes()).is_some();
        let mut left_out = Vec::new();
        for name in &self.asked {
            let Some(entries) = self.lists.get_mut(name) else { continue };
            let all = entries.len();
            entries.retain(|entry| entry == NOBODY || is_met(entry));
            let fewer = all - entries.len();
            if 0 < fewer {
                left_out.push((name.clone(), fewer));
                if !entries.iter().any(|entry| entry == NOBODY) {
                    entries.push(NOBODY.to_owned());
                }
            }
        }
        left_out
    }

    /// All texts, in lower case.
    fn texts(&self) -> BTreeSet<String> {
        let mut texts = BTreeSet::new();
        let answer = self.answer.iter().flat_map(|(_, rows)| rows);
        let rows = answer.chain(self.tables.values().flatten());
        let items = [&self.machines, &self.users, &self.incidents, &self.alerts].into_iter().flatten();
        for value in rows.chain(items).flat_map(Map::values) {
            collect(value, &mut texts);
        }
        texts
    }
}

/// Names of the lists that go into a playbook's query.
fn hunt_lists(plan: &Plan) -> impl Iterator<Item = &str> {
    let hunt = match &plan.input {
        Input::Hunt(input) => Some(&input.hunt),
        Input::Incidents(_) | Input::Alerts(_) | Input::Given | Input::Feed(_) => None,
    };
    hunt.into_iter().flat_map(Hunt::lists)
}

/// Names of the lists a playbook uses.
fn lists_of(plan: &Plan) -> BTreeSet<String> {
    let steps = plan.steps.iter().filter_map(|step| step.condition.as_ref());
    let tellings = plan.tellings.iter().filter_map(|telling| telling.condition.as_ref());
    let conditions = plan.when.iter().chain(&plan.condition).chain(steps).chain(tellings);
    let named = conditions.flat_map(|condition| condition.lists().map(str::to_owned).collect::<Vec<_>>());
    let named = named.chain(plan.guards.exclusions.lists().map(str::to_owned));
    named.chain(hunt_lists(plan).map(str::to_owned)).collect()
}

/// Every text in a value, in lower case: also its numbers and the keys inside it, which a query can ask for as texts.
fn collect(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            if let Some(inner) = inner(text) {
                collect(&inner, out);
            }
            out.insert(text.to_lowercase());
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, out)),
        Value::Object(object) => {
            for (key, value) in object {
                out.insert(key.to_lowercase());
                collect(value, out);
            }
        }
        Value::Number(number) => drop(out.insert(number.to_string())),
        Value::Null | Value::Bool(_) => {}
    }
}
