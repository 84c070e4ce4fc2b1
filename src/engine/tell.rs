//! What people are told about a run.
//!
//! Messages are rendered here and go into the outbox in the transaction that ends the run: they are
//! delivered at least once, over any number of restarts. A text that cannot be rendered does not keep
//! the others from being sent, and the report says so.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Engine;
use super::context::Context;
use super::report::{ItemOutcome, ItemReport, Report, Told, ToldState};
use crate::diag::Chain;
use crate::expr::Env;
use crate::model::{AlertSeverity, Projection};
use crate::notify::{Draft, Origin, outbox_message};
use crate::plan::Telling;
use crate::playbook::{Group, Severity};
use crate::store::OutboxMessage;

/// Most messages one `notify` entry with `group: item` makes in one run; the rest is counted in the last.
const ITEM_MESSAGES_MAX: usize = 50;

impl Engine {
    /// Renders what people are told, and notes it in the report. Gives nothing to send in a dry run.
    pub(super) fn tell(&self, context: &Context<'_>, report: &mut Report) -> Vec<OutboxMessage> {
        let now = self.clock.now();
        let outcome = json!(report.counts);
        let items = Value::Array(
            report.items.iter().filter(|item| worth_telling(item)).map(|item| shown(context, item)).collect(),
        );
        let plan = context.plan();
        let origin = Origin {
            run: context.run,
            playbook: &plan.about.name,
            tenant: &context.order.tenant,
            severity: severity(plan.about.severity),
        };
        let mut messages = Vec::new();
        for (index, telling) in plan.tellings.iter().enumerate() {
            let wanted = wanted(context, telling, &outcome);
            let told = |state, reason| Told {
                channel: telling.channel.clone(),
                title: String::new(),
                state,
                reason,
            };
            match wanted {
                Ok(true) => {}
                Ok(false) => {
                    report.told.push(told(ToldState::Skipped, Some("its `if` does not hold".to_owned())));
                    continue;
                }
                Err(reason) => {
                    report.told.push(told(ToldState::Failed, Some(reason)));
                    continue;
                }
            }
            for (group, texts) in groups(context, telling, (&outcome, &items), report) {
                let entry = match draft(context, (index, telling), (group, &texts)) {
                    Ok(draft) => {
                        let title = draft.title.clone();
                        messages.push(outbox_message(&origin, draft, now));
                        let state = if context.remembers() { ToldState::Queued } else { ToldState::Planned };
                        Told { title, ..told(state, None) }
                    }
                    Err(reason) => told(ToldState::Failed, Some(reason)),
                };
                report.told.push(entry);
            }
        }
        messages.retain(|_message| context.remembers());
        messages
    }
}

/// Whether an item is one people may want to read about.
fn worth_telling(item: &ItemReport) -> bool {
    item.outcome != ItemOutcome::Suppressed
}

/// An item as texts see it.
fn shown(context: &Context<'_>, item: &ItemReport) -> Value {
    let mut map = Map::new();
    map.insert("key".to_owned(), item.key.clone().into());
    map.insert("outcome".to_owned(), item.outcome.as_str().into());
    map.insert("reason".to_owned(), json!(item.reason));
    map.insert("steps".to_owned(), json!(item.steps));
    map.insert(context.subject().to_owned(), item.data.clone());
    Value::Object(map)
}

/// Decides whether a telling is wanted.
fn wanted(context: &Context<'_>, telling: &Telling, outcome: &Value) -> Result<bool, String> {
    let Some(condition) = &telling.condition else { return Ok(true) };
    let env = Env { now: context.started, run: &context.run_json, outcome: Some(outcome) };
    let bound = condition.bind(&Projection::default(), &context.order.lists);
    bound.test_outcome(&env).map_err(|error| format!("its `if` failed: {}", Chain(&error)))
}

/// What each message of a telling is about, by group, with what its texts see.
fn groups(
    context: &Context<'_>,
    telling: &Telling,
    (outcome, items): (&Value, &Value),
    report: &Report,
) -> BTreeMap<String, Value> {
    let base = || {
        let mut map = context.texts();
        map.insert("outcome".to_owned(), outcome.clone());
        map
    };
    match telling.group {
        Group::Run => {
            let mut map = base();
            map.insert("items".to_owned(), items.clone());
            BTreeMap::from([(String::new(), Value::Object(map))])
        }
        Group::Item => {
            let told = report.items.iter().filter(|item| worth_telling(item)).take(ITEM_MESSAGES_MAX);
            told.map(|item| {
                let mut map = base();
                map.insert("item".to_owned(), shown(context, item));
                map.insert(context.subject().to_owned(), item.data.clone());
                (format!("{:08}", item.seq), Value::Object(map))
            })
            .collect()
        }
    }
}

/// Renders one message.
fn draft(
    context: &Context<'_>,
    (index, telling): (usize, &Telling),
    (group, texts): (String, &Value),
) -> Result<Draft, String> {
    let render = |template: &crate::text::Template, what: &str| {
        template.render(texts).map_err(|error| format!("its {what} could not be rendered: {}", Chain(&error)))
    };
    Ok(Draft {
        channel: telling.channel.clone(),
        index,
        group,
        title: render(&telling.title, "title")?,
        text: telling.text.as_ref().map(|text| render(text, "text")).transpose()?.unwrap_or_default(),
        facts: facts(context, telling, texts),
    })
}

/// The table under a message: how many of what, and for the run as a whole what was done to whom.
fn facts(context: &Context<'_>, telling: &Telling, texts: &Value) -> Vec<(String, String)> {
    let outcome =
        |name: &str| texts.pointer(&format!("/outcome/{name}")).and_then(Value::as_u64).unwrap_or(0);
    let mut facts = vec![("Mode".to_owned(), context.plan().mode.as_str().to_owned())];
    let counted = [
        ("Matched", "matched"),
        ("Acted", "acted"),
        ("Planned", "planned"),
        ("Skipped", "skipped"),
        ("Suppressed", "suppressed"),
        ("Halted", "haltedItems"),
        ("Failed", "failed"),
        ("In doubt", "parked"),
    ];
    let counts = counted.into_iter().map(|(name, key)| (name.to_owned(), outcome(key)));
    facts.extend(counts.filter(|(_, count)| *count > 0).map(|(name, count)| (name, count.to_string())));
    if telling.text.is_none() {
        facts.extend(steps(texts));
    }
    facts
}

/// One line a step, for messages without a text of their own.
fn steps(texts: &Value) -> Vec<(String, String)> {
    let items = texts.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let one = texts.get("item").into_iter();
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut lines = Vec::new();
    for item in items.iter().chain(one) {
        let steps = item.get("steps").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for step in steps {
            let why =
                step.get("reason").and_then(Value::as_str).map(|why| format!(" ({why})")).unwrap_or_default();
            lines.push((text(item, "key"), format!("{} {}{why}", text(step, "action"), text(step, "state"))));
        }
        if steps.is_empty() {
            lines.push((text(item, "key"), text(item, "outcome")));
        }
    }
    lines
}

const fn severity(severity: Severity) -> AlertSeverity {
    match severity {
        Severity::Informational => AlertSeverity::Informational,
        Severity::Low => AlertSeverity::Low,
        Severity::Medium => AlertSeverity::Medium,
        Severity::High => AlertSeverity::High,
    }
}
