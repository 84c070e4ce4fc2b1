//! What people are told about a run.
//!
//! Messages are rendered here and go into the outbox in the transaction that ends the run: they are
//! delivered at least once, over any number of restarts. A text that cannot be rendered does not keep
//! the others from being sent, and the report says so.

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
use crate::text::Template;

/// Most messages about one item that one `notify` entry with `group: item` makes in one run; one more
/// counts and lists the rest. Chats take about one message a second, and nobody reads a hundred.
const ITEM_MESSAGES_MAX: usize = 50;

/// What the message about the rest is about, for its identity; the others have the item's number.
const REST: &str = "rest";

impl Engine {
    /// Renders what people are told, and notes it in the report. Gives nothing to send in a dry run.
    pub(super) fn tell(&self, context: &Context<'_>, report: &mut Report) -> Vec<OutboxMessage> {
        let now = self.clock.now();
        let outcome = json!(report.counts);
        let items = report.items.iter().filter(|item| worth_telling(item));
        let items: Vec<Item> = items.map(|item| Item::new(context, item)).collect();
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
            for draft in drafts(context, (index, telling), (&outcome, &items)) {
                let entry = match draft {
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
#[derive(Debug)]
struct Item {
    seq: u32,
    shown: Value,
}

impl Item {
    fn new(context: &Context<'_>, item: &ItemReport) -> Self {
        let mut map = Map::new();
        map.insert("key".to_owned(), item.key.clone().into());
        map.insert("outcome".to_owned(), item.outcome.as_str().into());
        map.insert("reason".to_owned(), json!(item.reason));
        map.insert("steps".to_owned(), json!(item.steps));
        map.insert(context.subject().to_owned(), item.data.clone());
        Self { seq: item.seq, shown: Value::Object(map) }
    }
}

/// Decides whether a telling is wanted.
fn wanted(context: &Context<'_>, telling: &Telling, outcome: &Value) -> Result<bool, String> {
    let Some(condition) = &telling.condition else { return Ok(true) };
    let env = Env { now: context.started, run: &context.run_json, outcome: Some(outcome) };
    let bound = condition.bind(&Projection::default(), &context.order.lists);
    bound.test_outcome(&env).map_err(|error| format!("its `if` failed: {}", Chain(&error)))
}

/// Renders the messages of a telling, in their order.
fn drafts(
    context: &Context<'_>,
    (index, telling): (usize, &Telling),
    (outcome, items): (&Value, &[Item]),
) -> Vec<Result<Draft, String>> {
    let mut texts = context.texts();
    texts.insert("outcome".to_owned(), outcome.clone());
    let about = |group: String, items: &[Item], texts: Map<String, Value>| {
        let (title, text) = render(telling, &Value::Object(texts))?;
        let mut facts = facts(context, outcome);
        if telling.text.is_none() {
            facts.extend(steps(items));
        }
        Ok(Draft { channel: telling.channel.clone(), index, group, title, text, facts })
    };
    match telling.group {
        Group::Run => {
            let shown = items.iter().map(|item| item.shown.clone()).collect();
            texts.insert("items".to_owned(), Value::Array(shown));
            vec![about(String::new(), items, texts)]
        }
        Group::Item => {
            let (told, rest) = items.split_at(items.len().min(ITEM_MESSAGES_MAX));
            let told = told.iter().map(|item| {
                let mut texts = texts.clone();
                let subject = context.subject();
                texts.insert(subject.to_owned(), item.shown.get(subject).cloned().unwrap_or_default());
                texts.insert("item".to_owned(), item.shown.clone());
                about(format!("{:08}", item.seq), std::slice::from_ref(item), texts)
            });
            told.chain((!rest.is_empty()).then(|| Ok(rest_draft(context, (index, telling), (outcome, rest)))))
                .collect()
        }
    }
}

/// Renders a playbook's title and text.
fn render(telling: &Telling, texts: &Value) -> Result<(String, String), String> {
    let render = |template: &Template, what: &str| {
        template.render(texts).map_err(|error| format!("its {what} could not be rendered: {}", Chain(&error)))
    };
    let title = render(&telling.title, "title")?;
    let text = telling.text.as_ref().map(|text| render(text, "text")).transpose()?;
    Ok((title, text.unwrap_or_default()))
}

/// The one message about all items beyond [`ITEM_MESSAGES_MAX`]. The playbook's own texts are about one
/// item, so these are ours.
fn rest_draft(
    context: &Context<'_>,
    (index, telling): (usize, &Telling),
    (outcome, rest): (&Value, &[Item]),
) -> Draft {
    let about = &context.plan().about;
    let (count, subject) = (rest.len(), context.subject());
    let s = if count == 1 { "" } else { "s" };
    let mut facts = facts(context, outcome);
    facts.extend(steps(rest));
    Draft {
        channel: telling.channel.clone(),
        index,
        group: REST.to_owned(),
        title: format!("[{}] {}: {count} more {subject}{s}", about.severity.as_str(), about.name),
        text: format!(
            "{ITEM_MESSAGES_MAX} {subject}s of this run were told one by one; {count} more {subject}{s} \
             are not. `huntbook show {}` shows all.",
            context.run
        ),
        facts,
    }
}

/// The table under a message: how many of what.
fn facts(context: &Context<'_>, outcome: &Value) -> Vec<(String, String)> {
    let outcome = |name: &str| outcome.get(name).and_then(Value::as_u64).unwrap_or(0);
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
    facts
}

/// What was done to whom: one line a step.
fn steps(items: &[Item]) -> Vec<(String, String)> {
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut lines = Vec::new();
    for Item { shown: item, .. } in items {
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
