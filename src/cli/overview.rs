//! Many runs at a glance: one row for each, then what was done and told, and what was not, and why.

use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, Color, ContentArrangement};
use indexmap::IndexMap;

use super::output::{clean, counted, fold};
use super::tables::{WIDE, table};
use crate::engine::{Counts, ItemOutcome, Report, RunState, StepReport, StepState, Told, ToldState};

/// Most lines of one kind shown under a playbook; the rest is counted.
const LINES_MAX: usize = 12;
/// Most names joined in one line; the rest is counted.
const NAMES_MAX: usize = 6;
/// Widest text of the tenant, in characters: the longest id, a SHA-256, fits.
const NAME_WIDTH: usize = 100;
/// Widest reason or title, in characters.
const REASON_WIDTH: usize = 160;
/// Where the lines under a playbook begin, after the word.
const INDENT: usize = 13;

/// A column of the table: its heading, what it says, and whether narrow terminals have it.
struct Column {
    head: &'static str,
    about: &'static str,
    narrow: bool,
    cell: fn(&Report) -> String,
}

const COLUMNS: [Column; 9] = [
    Column {
        head: "mode",
        about: "enforce takes actions; observe only says which it would take",
        narrow: false,
        cell: |report| report.mode.clone(),
    },
    Column { head: "hunted", about: "rows or incidents that the tenant gave", narrow: true, cell: hunted },
    Column {
        head: "known",
        about: "of these, handled by an earlier run",
        narrow: false,
        cell: |report| report.counts.duplicates.to_string(),
    },
    Column {
        head: "matched",
        about: "new ones that `where` kept",
        narrow: true,
        cell: |report| report.counts.matched.to_string(),
    },
    Column {
        head: "quiet",
        about: "matched, but the same was handled a short while ago (`suppress`)",
        narrow: false,
        cell: |report| report.counts.suppressed.to_string(),
    },
    Column {
        head: "acted",
        about: "matched, and acted on; planned: would be, in enforce mode",
        narrow: true,
        cell: acted,
    },
    Column {
        head: "not acted",
        about: "matched, and skipped, halted, failed or parked: the lines below say why",
        narrow: false,
        cell: |report| not_acted(&report.counts).to_string(),
    },
    Column {
        head: "told",
        about: "messages that arrived",
        narrow: true,
        cell: |report| {
            report.told.iter().filter(|told| told.state == ToldState::Delivered).count().to_string()
        },
    },
    Column {
        head: "ended",
        about: "succeeded; idle: nothing to do; halted: a guard stopped it; partial: an action failed; failed",
        narrow: true,
        cell: |report| report.state.as_str().to_owned(),
    },
];

fn hunted(report: &Report) -> String {
    let thing = if report.subject.is_empty() { "item" } else { &report.subject };
    counted((usize::try_from(report.counts.hunted).unwrap_or(usize::MAX), thing))
}

fn acted(report: &Report) -> String {
    let Counts { acted, planned, .. } = report.counts;
    if planned > 0 { format!("{planned} planned") } else { acted.to_string() }
}

const fn not_acted(counts: &Counts) -> u64 {
    counts.skipped
        + counts.halted_items
        + counts.failed
        + counts.parked
        + counts.pending_approval
        + counts.denied
}

/// A table of runs with its legend, and the details under it, in lines of at most `width` characters.
pub(super) fn of(reports: &[Report], width: Option<usize>) -> String {
    let narrow = width.is_some_and(|width| width < WIDE);
    // What is left of the line beside the other columns.
    let title_width = match width {
        Some(width) if narrow => width.saturating_sub(58).max(16),
        Some(width) => width.saturating_sub(96).clamp(16, 60),
        None => 60,
    };
    let columns: Vec<&Column> = COLUMNS.iter().filter(|column| column.narrow || !narrow).collect();
    let heads: Vec<&str> = ["playbook"].into_iter().chain(columns.iter().map(|column| column.head)).collect();
    let mut overview = table(&heads);
    // The name is cut to what the other columns leave, so nothing need fold.
    overview.set_content_arrangement(ContentArrangement::Disabled);
    for report in reports {
        let texts = columns.iter().map(|column| (column.cell)(report));
        let cells = std::iter::once(clean(&report.name, title_width)).chain(texts).map(Cell::new);
        overview.add_row(cells.map(|cell| match colour(report.state) {
            Some(AnsiColor::Red) => cell.fg(Color::Red).add_attribute(Attribute::Bold),
            Some(_) => cell.fg(Color::Yellow).add_attribute(Attribute::Bold),
            None => cell,
        }));
    }
    let legend =
        columns.iter().map(|column| fold(&format!("{:<11}{}", column.head, column.about), width, 11));
    let legend = legend.collect::<Vec<_>>().join("\n");
    let details: Vec<String> = reports.iter().map(|report| details(report, width)).collect();
    format!("{overview}\n\n{legend}\n\n{}", details.join("\n"))
}

/// The colour of a run that is no good news.
const fn colour(state: RunState) -> Option<AnsiColor> {
    match state {
        RunState::Succeeded | RunState::Idle => None,
        RunState::Waiting | RunState::Halted | RunState::Partial => Some(AnsiColor::Yellow),
        RunState::Failed => Some(AnsiColor::Red),
    }
}

/// What happened in one run, line by line.
fn details(report: &Report, width: Option<usize>) -> String {
    let style = colour(report.state).map_or_else(Style::new, AnsiColor::on_default).bold();
    let mut lines = vec![format!("{style}{}{style:#}", clean(&report.name, NAME_WIDTH))];
    let mut line = |word: &str, rest: &str| {
        lines.push(fold(&format!("  {word:<10} {rest}"), width, INDENT));
    };
    if let Some(reason) = &report.reason {
        line(report.state.as_str(), &clean(reason, REASON_WIDTH));
    }
    for ((word, what), names) in grouped(report) {
        line(word, &named(word, &what, &names));
    }
    for told in told(&report.told) {
        line("told", &told);
    }
    if lines.len() == 1 {
        lines.push("  nothing matched".to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}

/// What was done or not, with the names it is true of. The same is said once.
fn grouped(report: &Report) -> IndexMap<(&'static str, String), Vec<String>> {
    let mut groups: IndexMap<(&'static str, String), Vec<String>> = IndexMap::new();
    for item in &report.items {
        if item.outcome == ItemOutcome::Suppressed {
            let why = item.reason.as_deref().map(|why| clean(why, REASON_WIDTH)).unwrap_or_default();
            let word = ItemOutcome::Suppressed.as_str();
            groups.entry((word, why)).or_default().push(clean(&item.key, NAME_WIDTH));
        }
        for step in &item.steps {
            groups.entry((step.state.as_str(), said(step))).or_default().push(clean(&item.key, NAME_WIDTH));
        }
    }
    groups
}

/// The action, and why it ended so if the word alone does not say.
fn said(step: &StepReport) -> String {
    let why = step.reason.as_deref().filter(|_why| step.state != StepState::Planned);
    let why = why.map(|why| format!(": {}", clean(why, REASON_WIDTH))).unwrap_or_default();
    format!("{}{why}", step.action)
}

fn named(word: &str, what: &str, names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
    let rest = names.len().saturating_sub(NAMES_MAX);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    if word == ItemOutcome::Suppressed.as_str() {
        return format!("{shown}{more} – {what}");
    }
    let (action, why) =
        what.split_once(": ").map_or((what, String::new()), |(action, why)| (action, format!(" – {why}")));
    format!("{action} {shown}{more}{why}")
}

/// What was told where, with its title; what differs in its title only is said once, with a count.
pub(super) fn told(told: &[Told]) -> Vec<String> {
    let mut groups: IndexMap<String, Vec<&str>> = IndexMap::new();
    for told in told {
        let why =
            told.reason.as_deref().map(|why| format!(": {}", clean(why, REASON_WIDTH))).unwrap_or_default();
        let group = groups.entry(format!("{} {}{why}", told.channel, told.state.as_str())).or_default();
        group.push(&told.title);
    }
    let all = groups.len();
    let line = |(line, titles): (String, Vec<&str>)| {
        let count = if titles.len() > 1 { format!(" ×{}", titles.len()) } else { String::new() };
        let title = titles.first().filter(|title| !title.is_empty());
        let title = title.map(|title| format!(" – {}", clean(title, REASON_WIDTH))).unwrap_or_default();
        let more = if titles.len() > 1 && !title.is_empty() { ", …" } else { "" };
        format!("{line}{count}{title}{more}")
    };
    let mut lines: Vec<String> = groups.into_iter().take(LINES_MAX).map(line).collect();
    if all > LINES_MAX {
        lines.push(format!("… and {} more", all - LINES_MAX));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report() -> Report {
        let step = |state: &str, reason: Option<&str>| {
            json!({
                "id": "isolate", "action": "isolateDevice", "target": "36d800cbf07afe3852aef00a0c94a6dbd60dd011",
                "state": state, "reason": reason, "remoteId": null,
            })
        };
        let item = |seq: u32, outcome: &str, step: serde_json::Value| {
            let key = format!("wks-{seq:03}.a-rather-long-domain.contoso.example");
            json!({"seq": seq, "key": key, "outcome": outcome, "reason": null, "steps": [step], "data": {}})
        };
        let why =
            "device `dc01.contoso.example` is excluded by the list `crownJewels` (`dc01.contoso.example`)";
        let counts = Counts { hunted: 12_345, matched: 2, acted: 1, skipped: 1, ..Counts::default() };
        let report = json!({
            "version": 1, "run": "01a1fc60-4d8f-7eff-bf32-edc0fea05880",
            "playbook": "6218f7d1-2061-46a6-b474-902387129bfe",
            "playbookName": "Scheduled task that starts a program from a public folder", "playbookVersion": "",
            "tenant": "contoso", "mode": "enforce", "effects": "apply", "trigger": "demo",
            "started": "2026-01-10T12:00:00Z", "finished": "2026-01-10T12:00:01Z", "state": "succeeded",
            "reason": null, "subject": "incident", "counts": counts,
            "items": [item(0, "acted", step("accepted", None)), item(1, "skipped", step("skipped", Some(why)))],
            "told": [{"channel": "soc", "title": "[High] 1 contained", "state": "delivered", "reason": null}],
        });
        serde_json::from_value(report).unwrap()
    }

    #[test]
    fn it_fits_the_terminal() {
        for width in [80, 100, 120, 140, 200] {
            let shown = of(&[report(), report()], Some(width));
            let longest = shown.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= width, "{longest} characters for {width}:\n{shown}");
            assert!(shown.contains("12345 incidents") && shown.contains("succeeded"), "{shown}");
        }
    }

    #[test]
    fn it_says_what_was_told_and_which_list_excludes() {
        let shown = of(&[report()], None);
        for text in
            ["told       soc delivered – [High] 1 contained", "by the list `crownJewels`", "(`suppress`)"]
        {
            assert!(shown.contains(text), "{text}\n{shown}");
        }
    }
}
