//! One run in full, for people.

use std::fmt::Write as _;

use super::output::{clean, width};
use super::tables::{CELL_WIDTH, WIDE, table};
use super::{args::Shown, overview};
use crate::console::history;
use crate::engine::{ItemReport, Report};
use crate::store::{Effect, EffectEvent, RunDetail};

/// Items shown unless all are asked for: a screen or two. Whoever wants a thousand wants a machine to read
/// them.
const ITEMS_MAX: usize = 50;
/// Events of actions shown unless all are asked for; most actions have two.
const EVENTS_MAX: usize = 100;
/// Widest reason, in characters.
const WHY_WIDTH: usize = 200;

/// What the run did, and why.
pub(super) fn text(report: &Report, shown: Shown) -> String {
    let mut text = String::new();
    let mut line = |word: &str, rest: String| {
        let _infallible = writeln!(text, "{word:<9}{rest}");
    };
    line("run", report.run.to_string());
    line("playbook", format!("{} ({}, {})", clean(&report.name, 120), report.mode, report.effects));
    line("version", report.playbook_version.clone());
    line("tenant", clean(&report.tenant, 120));
    line(
        "started",
        format!("{} by {}{}", report.started, report.trigger, history::starter(report.started_by.as_ref())),
    );
    line("ended", format!("{} {}", report.finished, report.state.as_str()));
    line("counts", history::counts(&report.counts));
    if report.counts.truncated {
        line("warning", "the answer was cut off: narrow the input".to_owned());
    }
    if let Some(why) = &report.reason {
        line("reason", clean(why, 400));
    }
    if !report.items.is_empty() {
        let _infallible = write!(text, "\n{}", items(&report.items, shown));
    }
    let told = overview::told(&report.told);
    if !told.is_empty() {
        text.push('\n');
    }
    for line in told {
        let _infallible = writeln!(text, "told {line}");
    }
    text
}

/// The items and their steps.
fn items(items: &[ItemReport], shown: Shown) -> String {
    let most = if shown == Shown::All { items.len() } else { ITEMS_MAX };
    let (told, rest) = items.split_at(items.len().min(most));
    let mut text = if width().is_some_and(|width| width < WIDE) { stacked(told) } else { tabled(told) };
    text.push('\n');
    if !rest.is_empty() {
        let count = rest.len();
        let _infallible =
            writeln!(text, "… and {count} more items: `huntbook show RUN --all`, or `--format json`");
    }
    text
}

fn tabled(items: &[ItemReport]) -> String {
    let mut table = table(&["#", "item", "outcome", "action", "target", "state", "why"]);
    for item in items {
        let first = [item.seq.to_string(), clean(&item.key, CELL_WIDTH), item.outcome.to_string()];
        let why = item.reason.as_deref().map(|why| clean(why, WHY_WIDTH)).unwrap_or_default();
        if item.steps.is_empty() {
            let rest = ["–", "–", "–"].map(str::to_owned);
            table.add_row(first.iter().cloned().chain(rest).chain([why]));
        }
        for step in &item.steps {
            let why = step.reason.as_deref().map(|why| clean(why, WHY_WIDTH)).unwrap_or_default();
            let rest =
                [step.action.clone(), clean(&step.target, CELL_WIDTH), step.state.as_str().to_owned(), why];
            table.add_row(first.iter().cloned().chain(rest));
        }
    }
    table.to_string()
}

/// The same for narrow terminals: a line for each item, and one for each step under it.
fn stacked(items: &[ItemReport]) -> String {
    let why = |why: &Option<String>| {
        why.as_deref().map(|why| format!(": {}", clean(why, WHY_WIDTH))).unwrap_or_default()
    };
    let mut lines = Vec::new();
    for item in items {
        lines.push(format!(
            "#{} {} {}{}",
            item.seq,
            item.outcome,
            clean(&item.key, CELL_WIDTH),
            why(&item.reason)
        ));
        for step in &item.steps {
            let (state, target) = (step.state.as_str(), clean(&step.target, CELL_WIDTH));
            lines.push(format!("   {state} {} {target}{}", step.action, why(&step.reason)));
        }
    }
    lines.join("\n")
}

/// What the journal adds: each action of the run, step by step.
pub(super) fn journal(detail: &RunDetail, shown: Shown) -> String {
    let events: Vec<(&Effect, &EffectEvent)> = detail
        .effects
        .iter()
        .flat_map(|(effect, events)| events.iter().map(move |one| (effect, one)))
        .collect();
    if events.is_empty() {
        return String::new();
    }
    let most = if shown == Shown::All { events.len() } else { EVENTS_MAX };
    let (told, rest) = events.split_at(events.len().min(most));
    let name = |effect: &Effect| {
        let item = detail.items.iter().find(|item| item.seq == effect.seq);
        item.map(|item| clean(&item.key, CELL_WIDTH)).unwrap_or_default()
    };
    let mut text = String::from("\n");
    if width().is_some_and(|width| width < WIDE) {
        for (effect, event) in told {
            let why = event.detail.as_deref().map(|why| format!(": {}", clean(why, 120))).unwrap_or_default();
            let (key, action, state) = (effect.key.short(), &effect.action, event.state);
            let _infallible = writeln!(text, "{key} {:.0} {state} {action} {}{why}", event.at, name(effect));
        }
    } else {
        let mut table = table(&["effect", "when", "action", "item", "target", "attempt", "state", "detail"]);
        for (effect, event) in told {
            table.add_row([
                effect.key.short().to_owned(),
                format!("{:.3}", event.at),
                effect.action.clone(),
                name(effect),
                clean(&effect.target, CELL_WIDTH),
                event.attempt.to_string(),
                event.state.to_string(),
                clean(event.detail.as_deref().unwrap_or_default(), 120),
            ]);
        }
        let _infallible = writeln!(text, "{table}");
    }
    if !rest.is_empty() {
        let count = rest.len();
        let _infallible =
            writeln!(text, "… and {count} more events: `huntbook show RUN --all`, or `--format json`");
    }
    text
}

/// A run without a report: it goes on, or was cut off.
pub(super) fn unfinished(detail: &RunDetail, shown: Shown) -> String {
    let run = &detail.run;
    let why = run.error.as_deref().map(|error| format!(": {}", clean(error, 400))).unwrap_or_default();
    let mut text = format!(
        "run      {}\nplaybook {} ({}, {})\nversion  {}\ntenant   {}\nstarted  {} by {}{}\nstate    {}{why}\n",
        run.id,
        clean(&run.playbook_name, 120),
        run.mode,
        run.effects,
        run.version,
        clean(&run.tenant, 120),
        run.started,
        run.trigger,
        history::starter(run.by.as_ref()),
        run.state
    );
    let most = if shown == Shown::All { detail.items.len() } else { ITEMS_MAX };
    for item in detail.items.iter().take(most) {
        let why = item.reason.as_deref().map(|why| format!(": {}", clean(why, 200))).unwrap_or_default();
        let _infallible =
            writeln!(text, "#{} {} {}{why}", item.seq, clean(&item.outcome, 40), clean(&item.key, 120));
    }
    let rest = detail.items.len().saturating_sub(most);
    if 0 < rest {
        let _infallible = writeln!(text, "… and {rest} more items: `huntbook show RUN --all`");
    }
    for message in &detail.messages {
        let why = message.reason.as_deref().map(|why| format!(": {}", clean(why, 200))).unwrap_or_default();
        let _infallible = writeln!(text, "told {} {}{why}", message.channel, message.state);
    }
    text.push_str(&journal(detail, shown));
    text
}
