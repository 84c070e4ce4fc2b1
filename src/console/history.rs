//! The past: runs as things stand now, and everything about one.

use serde_json::{Map, Value, json};

use crate::engine::{Counts, REPORT_VERSION, Report};
use crate::store::{Effect, Run, RunDetail, RunSummary, Starter, Store, StoreError};
use crate::text::clean;

/// A run in a list, with its report as things stand now, if it has one.
#[derive(Debug)]
pub struct Listed {
    /// The run.
    pub summary: RunSummary,
    /// Its report, if it has one.
    pub report: Option<Report>,
}

/// Puts a run and its report as things stand now together.
///
/// # Errors
///
/// Any [`StoreError`].
pub async fn listed(store: &Store, summary: RunSummary) -> Result<Listed, StoreError> {
    let report = present(store, &summary.run).await?;
    Ok(Listed { summary, report })
}

impl Listed {
    /// How it ended, or that it has not.
    #[must_use]
    pub fn state(&self) -> String {
        state(&self.summary.run, self.report.as_ref())
    }

    /// Why, for one that did not do its work.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match &self.report {
            Some(report) => report.reason.as_deref(),
            None => self.summary.run.error.as_deref(),
        }
    }

    /// For machines.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut run = in_json(&self.summary.run, self.report.as_ref());
        run.remove("items");
        run.insert("itemCount".to_owned(), self.summary.items.into());
        run.insert("effectCount".to_owned(), self.summary.effects.into());
        Value::Object(run)
    }
}

fn state(run: &Run, report: Option<&Report>) -> String {
    report.map_or_else(|| run.state.to_string(), |report| report.state.as_str().to_owned())
}

/// A run under the names that reports have for its parts, also if it has no report: it goes on, or was cut
/// off.
fn in_json(run: &Run, report: Option<&Report>) -> Map<String, Value> {
    let all = report.map_or_else(
        || {
            json!({
                "version": REPORT_VERSION, "run": run.id, "playbook": run.playbook,
                "playbookName": run.playbook_name, "playbookVersion": run.version, "tenant": run.tenant,
                "mode": run.mode, "effects": run.effects, "trigger": run.trigger, "started": run.started,
                "finished": run.finished, "state": run.state, "reason": run.error, "counts": run.counts,
                "items": [], "told": [], "startedBy": run.by,
            })
        },
        |report| json!(report),
    );
    let mut all = all.as_object().cloned().unwrap_or_default();
    all.insert("scheduledFor".to_owned(), json!(run.scheduled_for));
    all
}

/// Who started a run by hand, to be said after how it was started.
#[must_use]
pub fn starter(by: Option<&Starter>) -> String {
    let Some(Starter { account, uid }) = by else { return String::new() };
    let account = clean(account, 120);
    match uid {
        Some(uid) if account != uid.to_string() => format!(", {account} ({uid})"),
        _ => format!(", {account}"),
    }
}

/// The report of a run as things stand now; `None` if it has not ended, or was given up.
///
/// # Errors
///
/// Any [`StoreError`].
pub async fn present(store: &Store, run: &Run) -> Result<Option<Report>, StoreError> {
    let Ok(mut report) = serde_json::from_value::<Report>(run.report.clone()) else { return Ok(None) };
    if !report.is_settled()
        && let Some(detail) = store.run(run.id).await?
    {
        update(&mut report, &detail);
    }
    Ok(Some(report))
}

/// The same for a run of which everything about its actions is at hand.
#[must_use]
pub fn present_of(detail: &RunDetail) -> Option<Report> {
    let mut report = serde_json::from_value::<Report>(detail.run.report.clone()).ok()?;
    if !report.is_settled() {
        update(&mut report, detail);
    }
    Some(report)
}

/// Puts into a report what the journal has learnt since.
pub fn update(report: &mut Report, detail: &RunDetail) {
    let effects: Vec<Effect> = detail.effects.iter().map(|(effect, _events)| effect.clone()).collect();
    report.bring_up_to_date(&effects, &detail.messages);
}

/// Everything about a run: its report, and what the journal holds of its actions and messages.
#[must_use]
pub fn all_in_json(detail: &RunDetail, report: Option<&Report>) -> Value {
    let mut all = in_json(&detail.run, report);
    if report.is_none() {
        all.insert("items".to_owned(), json!(detail.items));
    }
    let effects = detail.effects.iter().map(|(effect, events)| {
        let mut effect = json!(effect);
        if let Value::Object(effect) = &mut effect {
            effect.insert("events".to_owned(), json!(events));
        }
        effect
    });
    let effects: Vec<Value> = effects.collect();
    all.insert("journal".to_owned(), json!({"effects": effects, "messages": detail.messages}));
    Value::Object(all)
}

/// What there is of each kind: `hunted` and `matched` always, the rest if there is any.
#[must_use]
pub fn counts(counts: &Counts) -> String {
    let all = [
        (counts.hunted, "hunted"),
        (counts.duplicates, "known already"),
        (counts.matched, "matched"),
        (counts.suppressed, "suppressed"),
        (counts.acted, "acted"),
        (counts.planned, "planned"),
        (counts.skipped, "skipped"),
        (counts.halted_items, "halted"),
        (counts.failed, "failed"),
        (counts.parked, "parked"),
        (counts.pending_approval, "waiting for approval"),
        (counts.denied, "not approved"),
        (counts.quarantined, "unreadable"),
    ];
    let said = all.iter().filter(|(count, word)| 0 < *count || matches!(*word, "hunted" | "matched"));
    said.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}
