//! What people are told about a run.
//!
//! Messages are rendered here and go into the outbox in the transaction that ends the run: they are
//! delivered at least once, over any number of restarts. Where a playbook's own words cannot be rendered, ours
//! take their place: what a row holds keeps nobody from being told.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Engine;
use super::context::Context;
use super::report::{ItemOutcome, ItemReport, Report, Told, ToldState};
use super::undone::Known;
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
    /// Renders what people are told, and notes it in the report. Gives nothing to send in a dry run. What
    /// they know already is told again only along with something else.
    pub(super) fn tell(
        &self,
        context: &Context<'_>,
        report: &mut Report,
        known: &Known,
    ) -> Vec<OutboxMessage> {
        let now = self.clock.now();
        let outcome = json!(report.counts);
        let rest = known.rest(&report.counts, &report.items).map(|(since, rest)| (since, json!(rest)));
        let items = report.items.iter().filter(|item| worth_telling(item));
        let items: Vec<Item> = items.map(|item| Item::new(context, item)).collect();
        let plan = context.plan();
        let origin = origin(context);
        let mut messages = Vec::new();
        for (index, telling) in plan.tellings.iter().enumerate() {
            let told = |state, reason| Told {
                channel: telling.channel.clone(),
                title: String::new(),
                state,
                reason,
            };
            if let Some((state, reason)) = unwanted(context, telling, &outcome, rest.as_ref()) {
                report.told.push(told(state, Some(reason)));
                continue;
            }
            let state = if context.remembers() { ToldState::Queued } else { ToldState::Planned };
            for (mut draft, reason) in drafts(context, (index, telling), (&outcome, &items), known) {
                draft.group.insert_str(0, &context.chapter);
                let message = outbox_message(&origin, draft, now);
                // As it is sent: a title may have been cut.
                let title = message.body.pointer("/message/title").and_then(Value::as_str).map(str::to_owned);
                report.told.push(Told { title: title.unwrap_or_default(), ..told(state, reason) });
                messages.push(message);
            }
        }
        messages.retain(|_message| context.remembers());
        messages
    }
}

/// Where the messages of a run come from.
pub(super) fn origin<'a>(context: &Context<'a>) -> Origin<'a> {
    let about = &context.plan().about;
    let (playbook, tenant) = (about.name.as_str(), context.order.tenant.as_str());
    Origin { run: context.run, playbook, tenant, severity: severity(about.severity) }
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

/// Why a telling is not made, if it is not. `rest` is since when people know of all that was left undone, and
/// the outcome without it.
fn unwanted(
    context: &Context<'_>,
    telling: &Telling,
    outcome: &Value,
    rest: Option<&(Timestamp, Value)>,
) -> Option<(ToldState, String)> {
    match wanted(context, telling, outcome) {
        Ok(true) => {
            let (since, rest) = rest?;
            let known = wanted(context, telling, rest) == Ok(false);
            known.then(|| {
                (ToldState::Skipped, format!("it was told at {since:.0}, and there is no more of it"))
            })
        }
        Ok(false) => Some((ToldState::Skipped, "its `if` does not hold".to_owned())),
        Err(reason) => Some((ToldState::Failed, reason)),
    }
}

/// Decides whether a telling is wanted.
fn wanted(context: &Context<'_>, telling: &Telling, outcome: &Value) -> Result<bool, String> {
    let Some(condition) = &telling.condition else { return Ok(true) };
    let env = Env { now: context.started, run: &context.run_json, outcome: Some(outcome) };
    let bound = condition.bind(&Projection::default(), &context.order.lists);
    bound.test_outcome(&env).map_err(|error| format!("its `if` failed: {}", Chain(&error)))
}

/// A message, and why it is not in the playbook's words, if it is not.
type Worded = (Draft, Option<String>);

/// Renders the messages of a telling, in their order.
fn drafts(
    context: &Context<'_>,
    (index, telling): (usize, &Telling),
    (outcome, items): (&Value, &[Item]),
    known: &Known,
) -> Vec<Worded> {
    let mut texts = context.texts();
    texts.insert("outcome".to_owned(), outcome.clone());
    let about = |group: String, items: &[&Item], texts: Map<String, Value>| {
        let (words, problem) = match render(telling, &Value::Object(texts)) {
            Ok(words) => (words, None),
            Err(problem) => (own_words(context, &problem), Some(problem)),
        };
        let mut facts = facts(context, outcome);
        if telling.text.is_none() || problem.is_some() {
            facts.extend(steps(items));
        }
        let (channel, (title, text)) = (telling.channel.clone(), words);
        (Draft { channel, index, group, title, text, facts }, problem)
    };
    match telling.group {
        Group::Run => {
            let items: Vec<&Item> = items.iter().collect();
            let shown = items.iter().map(|item| item.shown.clone()).collect();
            texts.insert("items".to_owned(), Value::Array(shown));
            vec![about(String::new(), &items, texts)]
        }
        Group::Item => {
            let items: Vec<&Item> = items.iter().filter(|item| !known.items.contains(&item.seq)).collect();
            let (told, rest) = items.split_at(items.len().min(ITEM_MESSAGES_MAX));
            let told = told.iter().map(|item| {
                let mut texts = texts.clone();
                let subject = context.subject();
                texts.insert(subject.to_owned(), item.shown.get(subject).cloned().unwrap_or_default());
                texts.insert("item".to_owned(), item.shown.clone());
                about(format!("{:08}", item.seq), &[*item], texts)
            });
            told.chain(
                (!rest.is_empty()).then(|| (rest_draft(context, (index, telling), (outcome, rest)), None)),
            )
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

/// A title and a text that take the place of the playbook's.
fn own_words(context: &Context<'_>, problem: &str) -> (String, String) {
    let about = &context.plan().about;
    let title = format!("[{}] {}: its message could not be rendered", about.severity.as_str(), about.name);
    (title, format!("{problem}. `huntbook show {}` shows what the run did.", context.run))
}

/// The one message about all items beyond [`ITEM_MESSAGES_MAX`]. The playbook's own texts are about one
/// item, so these are ours.
fn rest_draft(
    context: &Context<'_>,
    (index, telling): (usize, &Telling),
    (outcome, rest): (&Value, &[&Item]),
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
        ("Waiting for approval", "pendingApproval"),
        ("Not approved", "denied"),
        ("Failed", "failed"),
        ("In doubt", "parked"),
    ];
    let counts = counted.into_iter().map(|(name, key)| (name.to_owned(), outcome(key)));
    facts.extend(counts.filter(|(_, count)| *count > 0).map(|(name, count)| (name, count.to_string())));
    facts
}

/// What was done to whom: one line a step.
fn steps(items: &[&Item]) -> Vec<(String, String)> {
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
