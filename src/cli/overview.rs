//! Many runs at a glance: one row for each, then what was done and told, and what was not, and why.

use comfy_table::{ContentArrangement, presets};
use indexmap::IndexMap;

use super::output::clean;
use super::tables::table;
use crate::engine::{ItemOutcome, Report, StepReport, StepState, Told, ToldState};

/// Most lines of one kind shown under a playbook; the rest is counted.
const LINES_MAX: usize = 12;
/// Most names joined in one line; the rest is counted.
const NAMES_MAX: usize = 6;
/// Widest text of the tenant, in characters.
const NAME_WIDTH: usize = 60;
/// Widest name of a playbook in the table, in characters.
const TITLE_WIDTH: usize = 44;
/// Widest reason, in characters.
const REASON_WIDTH: usize = 160;

/// A table of runs, and the details under it.
pub(super) fn of(reports: &[Report]) -> String {
    let head =
        ["playbook", "mode", "hunted", "known", "matched", "quiet", "acted", "not acted", "told", "ended"];
    let mut overview = table(&head);
    overview.load_style(presets::ASCII_MARKDOWN);
    overview.set_content_arrangement(ContentArrangement::Disabled);
    for report in reports {
        let counts = &report.counts;
        let not_acted = counts.skipped + counts.halted_items + counts.failed + counts.parked;
        let told = report.told.iter().filter(|told| told.state == ToldState::Delivered).count();
        let acted = if counts.planned > 0 {
            format!("({} planned)", counts.planned)
        } else {
            counts.acted.to_string()
        };
        overview.add_row([
            clean(&report.name, TITLE_WIDTH),
            report.mode.clone(),
            counts.hunted.to_string(),
            counts.duplicates.to_string(),
            counts.matched.to_string(),
            counts.suppressed.to_string(),
            acted,
            not_acted.to_string(),
            told.to_string(),
            report.state.as_str().to_owned(),
        ]);
    }
    let details: Vec<String> = reports.iter().map(details).collect();
    format!("{overview}\n\n{}", details.join("\n"))
}

/// What happened in one run, line by line.
fn details(report: &Report) -> String {
    let mut lines = vec![clean(&report.name, NAME_WIDTH)];
    if let Some(reason) = &report.reason {
        lines.push(format!("  {:<11}{}", report.state.as_str(), clean(reason, REASON_WIDTH)));
    }
    lines.extend(grouped(report).into_iter().map(|((word, what), names)| line(word, &what, &names)));
    for told in told(&report.told) {
        lines.push(format!("  {:<11}{told}", "told"));
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
            groups.entry(("suppressed", why)).or_default().push(clean(&item.key, NAME_WIDTH));
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

fn line(word: &str, what: &str, names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
    let rest = names.len().saturating_sub(NAMES_MAX);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    let (action, why) =
        what.split_once(": ").map_or((what, String::new()), |(action, why)| (action, format!(" – {why}")));
    if word == "suppressed" {
        return format!("  {word:<11}{shown}{more} – {what}");
    }
    format!("  {word:<11}{action} {shown}{more}{why}")
}

/// What was told where; the same is said once, with a count.
pub(super) fn told(told: &[Told]) -> Vec<String> {
    let mut groups: IndexMap<String, usize> = IndexMap::new();
    for told in told {
        let why =
            told.reason.as_deref().map(|why| format!(": {}", clean(why, REASON_WIDTH))).unwrap_or_default();
        *groups.entry(format!("{} {}{why}", told.channel, told.state.as_str())).or_default() += 1;
    }
    let all = groups.len();
    let mut lines: Vec<String> = groups
        .into_iter()
        .take(LINES_MAX)
        .map(|(line, count)| if count > 1 { format!("{line} ×{count}") } else { line })
        .collect();
    if all > LINES_MAX {
        lines.push(format!("… and {} more", all - LINES_MAX));
    }
    lines
}
