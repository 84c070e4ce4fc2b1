//! Reports as tables and sentences.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use super::output::clean;
use super::overview;
use crate::engine::{ItemReport, Report};
use crate::store::{RunDetail, RunSummary};

/// Widest text of the tenant in a cell, in characters.
pub(super) const CELL_WIDTH: usize = 60;

/// A table in the house style: no outer frame, rows as wide as the terminal allows.
pub(super) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(head.iter().copied());
    if !table.is_tty() {
        table.set_width(120);
    }
    table
}

/// One run in full.
pub(super) fn report(report: &Report) -> String {
    let mut text = String::new();
    let counts = &report.counts;
    let head = [
        format!("run      {}", report.run),
        format!("playbook {} ({}, {})", clean(&report.name, 120), report.mode, report.effects),
        format!("version  {}", report.playbook_version),
        format!("tenant   {}", clean(&report.tenant, 120)),
        format!("started  {} by {}", report.started, report.trigger),
        format!("ended    {} {}", report.finished, report.state.as_str()),
        format!(
            "counts   {} hunted, {} known, {} matched, {} suppressed, {} acted, {} planned, {} skipped, {} halted, {} failed, {} in doubt, {} unreadable",
            counts.hunted,
            counts.duplicates,
            counts.matched,
            counts.suppressed,
            counts.acted,
            counts.planned,
            counts.skipped,
            counts.halted_items,
            counts.failed,
            counts.parked,
            counts.quarantined
        ),
        if counts.truncated {
            "warning  the answer was cut off: narrow the input".to_owned()
        } else {
            String::new()
        },
    ];
    let head: Vec<&String> = head.iter().filter(|line| !line.is_empty()).collect();
    for line in head
        .into_iter()
        .chain(report.reason.as_ref().map(|why| format!("reason   {}", clean(why, 400))).as_ref())
    {
        text.push_str(line);
        text.push('\n');
    }
    if !report.items.is_empty() {
        let _infallible = write!(text, "\n{}\n", items(&report.items));
    }
    for line in overview::told(&report.told) {
        let _infallible = writeln!(text, "told {line}");
    }
    text
}

fn items(items: &[ItemReport]) -> String {
    let mut table = table(&["#", "item", "outcome", "step", "action", "target", "state", "why"]);
    for item in items {
        let first = [item.seq.to_string(), clean(&item.key, CELL_WIDTH), item.outcome.to_string()];
        let why = item.reason.as_deref().map(|why| clean(why, 200)).unwrap_or_default();
        if item.steps.is_empty() {
            let rest = ["–", "–", "–", "–"].map(str::to_owned);
            table.add_row(first.iter().cloned().chain(rest).chain([why.clone()]));
        }
        for step in &item.steps {
            let reason = step.reason.as_deref().map(|why| clean(why, 200)).unwrap_or_default();
            let rest = [
                step.id.clone(),
                step.action.clone(),
                clean(&step.target, CELL_WIDTH),
                format!("{:?}", step.state),
                reason,
            ];
            table.add_row(first.iter().cloned().chain(rest));
        }
    }
    table.to_string()
}

/// Runs, newest first.
pub(super) fn runs(runs: &[RunSummary]) -> String {
    if runs.is_empty() {
        return "nothing has run yet".to_owned();
    }
    let mut table = table(&["run", "started", "playbook", "tenant", "by", "state", "items", "effects"]);
    for summary in runs {
        let run = &summary.run;
        table.add_row([
            run.id.to_string(),
            format!("{:.0}", run.started),
            clean(&run.playbook_name, CELL_WIDTH),
            clean(&run.tenant, CELL_WIDTH),
            run.trigger.to_string(),
            run.error.as_deref().map_or_else(
                || run.state.to_string(),
                |error| format!("{}: {}", run.state, clean(error, 200)),
            ),
            summary.items.to_string(),
            summary.effects.to_string(),
        ]);
    }
    table.to_string()
}

/// What the journal adds to a report: where effects and messages stand now.
pub(super) fn journal(detail: &RunDetail) -> String {
    let mut text = String::new();
    if !detail.effects.is_empty() {
        let mut table = table(&["effect", "action", "target", "state", "attempt", "when", "detail"]);
        for (effect, events) in &detail.effects {
            for event in events {
                table.add_row([
                    effect.key.short().to_owned(),
                    effect.action.clone(),
                    clean(&effect.target, CELL_WIDTH),
                    event.state.to_string(),
                    event.attempt.to_string(),
                    format!("{:.3}", event.at),
                    clean(event.detail.as_deref().unwrap_or_default(), 120),
                ]);
            }
        }
        let _infallible = write!(text, "\n{table}\n");
    }
    for message in &detail.messages {
        let why = message.reason.as_deref().map(|why| format!(": {}", clean(why, 200))).unwrap_or_default();
        let _infallible = writeln!(
            text,
            "message to {} {} after {} attempts{why}",
            message.channel, message.state, message.attempts
        );
    }
    text
}

/// A run without a report: it goes on, or was cut off.
pub(super) fn unfinished(detail: &RunDetail) -> String {
    let run = &detail.run;
    let why = run.error.as_deref().map(|error| format!(": {}", clean(error, 400))).unwrap_or_default();
    let mut text = format!(
        "run      {}\nplaybook {}\ntenant   {}\nstarted  {}\nstate    {}{why}\n",
        run.id,
        clean(&run.playbook_name, 120),
        clean(&run.tenant, 120),
        run.started,
        run.state
    );
    for item in &detail.items {
        let why = item.reason.as_deref().map(|why| format!(": {}", clean(why, 200))).unwrap_or_default();
        let _infallible =
            writeln!(text, "item     {} {}{why}", clean(&item.key, 120), clean(&item.outcome, 40));
    }
    text.push_str(&journal(detail));
    text
}

/// The catalogue of actions.
pub(super) fn actions(actions: &[serde_json::Value]) -> String {
    let mut table = table(&["action", "what it does", "needs", "disruptive"]);
    for action in actions {
        let roles = format!("{}: {}", text_of(action, "api"), list_of(action, "roles"));
        let disruptive = if action.get("disruptive") == Some(&true.into()) { "yes" } else { "no" };
        table.add_row([text_of(action, "name"), text_of(action, "summary"), roles, disruptive.to_owned()]);
    }
    table.to_string()
}

/// One action.
pub(super) fn action(action: &serde_json::Value) -> String {
    let line = |name: &str, value: String| format!("{name:<12}{value}\n");
    [
        line("action", text_of(action, "name")),
        line("", text_of(action, "summary")),
        line("aimed at", text_of(action, "target")),
        line("API", format!("{} ({})", text_of(action, "api"), text_of(action, "endpoint"))),
        line("needs", list_of(action, "roles")),
        line("undone by", text_of(action, "undo")),
        line("ends", text_of(action, "ends")),
    ]
    .concat()
}

fn text_of(value: &serde_json::Value, key: &str) -> String {
    value.get(key).and_then(serde_json::Value::as_str).unwrap_or("–").to_owned()
}

fn list_of(value: &serde_json::Value, key: &str) -> String {
    let list = value.get(key).and_then(serde_json::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(serde_json::Value::as_str).collect::<Vec<_>>().join(", ")
}
