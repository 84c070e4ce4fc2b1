//! Tables: of runs, of actions, and how they look.

use std::fmt::Write as _;

use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::output::{clean, width};
use crate::console::{InForce, Listed, guards};
use crate::engine::RunState;
use crate::plan::World;
use crate::text::encode;

/// Widest text of the tenant in a cell, in characters: the longest id, a SHA-256, fits.
pub(super) const CELL_WIDTH: usize = 100;
/// Terminals narrower than this get fewer columns.
pub(super) const WIDE: usize = 120;

/// The beginning of a run's id that is shown where all of it has no room: its moment, to the millisecond, and
/// then some.
const SHORT_ID: usize = 18;

/// A table in the house style: a line under the heading, one line for each row. On a terminal cells fold when
/// there is no room; the first column, which is an id most times, never does. Elsewhere nothing folds: it
/// would be cut in two for whatever reads it.
pub(super) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(head.iter().copied());
    if let Some(first) = table.column_mut(0) {
        first.set_constraint(ColumnConstraint::ContentWidth);
    }
    table
}

/// The guards in force by the settings, a line for each.
pub(super) fn guards(world: &World) -> String {
    let mut text = String::new();
    for line in guards::lines(world) {
        let _infallible = writeln!(text, "guard    {}: {}", line.what, clean(&line.said, 400));
    }
    text
}

/// The same for machines.
pub(super) fn guards_json(world: &World) -> Value {
    let lines = guards::lines(world);
    lines.iter().map(|line| json!({"key": line.key, "guard": line.what, "limit": line.said})).collect()
}

/// How a run ended, in colour if it is no good news.
pub(super) fn state(word: &str) -> Cell {
    let cell = Cell::new(word);
    let is = |state: RunState| word == state.as_str();
    if is(RunState::Failed) {
        cell.fg(Color::Red)
    } else if [RunState::Waiting, RunState::Halted, RunState::Partial].into_iter().any(is) {
        cell.fg(Color::Yellow)
    } else {
        cell
    }
}

/// Runs, newest first.
pub(super) fn runs(runs: &[Listed]) -> String {
    if runs.is_empty() {
        return "nothing has run yet".to_owned();
    }
    let narrow = width().is_some_and(|width| width < WIDE);
    let head: &[&str] = if narrow {
        &["run", "started", "playbook", "state", "items"]
    } else {
        &["run", "started", "playbook", "tenant", "trigger", "state", "items", "actions", "why"]
    };
    let mut table = table(head);
    for listed in runs {
        let run = &listed.summary.run;
        let (id, started) = (run.id.to_string(), format!("{:.0}", run.started));
        let name = clean(&run.playbook_name, CELL_WIDTH);
        let (state, items) = (state(&listed.state()), listed.summary.items.to_string());
        if narrow {
            let id: String = id.chars().take(SHORT_ID).collect();
            table.add_row([Cell::new(id), Cell::new(started), Cell::new(name), state, Cell::new(items)]);
            continue;
        }
        table.add_row([
            Cell::new(id),
            Cell::new(started),
            Cell::new(name),
            Cell::new(clean(&run.tenant, CELL_WIDTH)),
            Cell::new(run.trigger),
            state,
            Cell::new(items),
            Cell::new(listed.summary.effects),
            Cell::new(clean(listed.reason().unwrap_or_default(), 200)),
        ]);
    }
    table.to_string()
}

/// The same for spreadsheets.
pub(super) fn runs_as_csv(runs: &[Listed]) -> String {
    let head = [
        "run",
        "started",
        "finished",
        "playbook",
        "playbookId",
        "tenant",
        "mode",
        "trigger",
        "state",
        "items",
        "actions",
        "why",
    ];
    let record = |listed: &Listed| {
        let (run, summary) = (&listed.summary.run, &listed.summary);
        let fields = [
            run.id.to_string(),
            run.started.to_string(),
            run.finished.map(|finished| finished.to_string()).unwrap_or_default(),
            run.playbook_name.clone(),
            run.playbook.to_string(),
            run.tenant.clone(),
            run.mode.to_string(),
            run.trigger.to_string(),
            listed.state(),
            summary.items.to_string(),
            summary.effects.to_string(),
            listed.reason().unwrap_or_default().to_owned(),
        ];
        encode::csv(fields.iter().map(String::as_str))
    };
    std::iter::once(encode::csv(head)).chain(runs.iter().map(record)).collect()
}

/// The playbooks in force.
pub(super) fn playbooks(all: &[InForce], now: Timestamp) -> String {
    if all.is_empty() {
        return "no playbook is in force: `huntbook serve` puts those of the folder in force".to_owned();
    }
    let narrow = width().is_some_and(|width| width < WIDE);
    let head: &[&str] = if narrow {
        &["playbook", "mode", "next due", "last run", "outcome"]
    } else {
        &["playbook", "file", "version", "mode", "next due", "last run", "outcome"]
    };
    let mut table = table(head);
    if narrow && let Some(name) = table.column_mut(0) {
        name.remove_constraint();
    }
    for one in all {
        let name = Cell::new(clean(&one.name, CELL_WIDTH));
        let mode = Cell::new(one.mode.unwrap_or("–"));
        let ran = one.last.as_ref().map(|last| format!("{:.0}", last.summary.run.started));
        let rest = [
            Cell::new(one.due(now)),
            Cell::new(ran.unwrap_or_else(|| "never".to_owned())),
            one.last.as_ref().map_or_else(|| Cell::new("–"), |last| state(&last.state())),
        ];
        if narrow {
            table.add_row([name, mode].into_iter().chain(rest));
        } else {
            let file = Cell::new(clean(&one.live.file, CELL_WIDTH));
            let version = Cell::new(one.live.hash.short());
            table.add_row([name, file, version, mode].into_iter().chain(rest));
        }
    }
    table.to_string()
}
