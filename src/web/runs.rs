//! The runs, and one run with what became of everything in it and why.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::Web;
use super::answer::{Refusal, show_as_of};
use super::approval::requests;
use super::layout::{Sheet, state};
use super::look::{OneRun, View};
use super::session::{Asks, Session};
use crate::console::{Listed, NAME_MAX, history};
use crate::engine::{ItemReport, Report};
use crate::store::RunDetail;
use crate::text::{clean, counted};

/// Runs listed; older ones are for `huntbook runs`.
const RUNS_MAX: u32 = 100;
/// Items of a run shown; all of them are for `huntbook show`.
const ITEMS_MAX: u32 = 200;
/// Longest reason shown, in characters.
const WHY_MAX: usize = 400;

/// Lists the latest runs.
pub(super) async fn list(web: &Web, session: &Session, asks: Asks) -> Result<Response, Refusal> {
    let View { what: all, stamp } = web.runs(asks, RUNS_MAX).await?;
    let main = html! {
        h1 { "Runs" }
        @if all.is_empty() { p { "Nothing has run yet." } } @else {
            table {
                thead { tr { th { "Started" } th { "Playbook" } th { "Tenant" } th { "Trigger" } th { "State" } th { "Items" } th { "Actions" } th { "Why" } } }
                tbody { @for one in &*all { (row(one)) } }
            }
        }
    };
    Ok(show_as_of(stamp, &Sheet { title: "Runs", here: "/runs", session: Some(session) }, &main))
}

fn row(one: &Listed) -> Markup {
    let run = &one.summary.run;
    html! {
        tr {
            td { a href={ "/runs/" (run.id) } { (format!("{:.0}", run.started)) } }
            td data-label="Playbook" { (clean(&run.playbook_name, NAME_MAX)) }
            td data-label="Tenant" { (clean(&run.tenant, NAME_MAX)) }
            td data-label="Trigger" { (run.trigger) }
            td data-label="State" { (state(&one.state())) }
            td data-label="Items" { (one.summary.items) }
            td data-label="Actions" { (one.summary.effects) }
            td data-label="Why" { (clean(one.reason().unwrap_or_default(), 200)) }
        }
    }
}

/// Shows one run.
pub(super) async fn one(web: &Web, session: &Session, (id, asks): (&str, Asks)) -> Result<Response, Refusal> {
    let found = web.0.facts.store.find_runs(id).await?;
    let [run] = found.as_slice() else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "There is no such run."));
    };
    let View { what, stamp } = web.run_of((asks, *run), ITEMS_MAX + 1).await?;
    let Some(OneRun { detail, report }) = &*what else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "The run has just been removed."));
    };
    let main = html! {
        h1 { "Run of " (clean(&detail.run.playbook_name, NAME_MAX)) }
        (about(detail, report.as_ref()))
        @if !detail.approvals.is_empty() { h2 { "Approvals" } (requests(&detail.approvals)) }
        h2 { "Items" }
        @match report {
            Some(report) => (items(&report.items)),
            None => (unfinished(detail)),
        }
        (events(detail))
        (told(detail))
    };
    Ok(show_as_of(stamp, &Sheet { title: "Run", here: "/runs", session: Some(session) }, &main))
}

fn about(detail: &RunDetail, report: Option<&Report>) -> Markup {
    let run = &detail.run;
    let word = report.map_or_else(|| run.state.to_string(), |report| report.state.as_str().to_owned());
    let why = report.map_or(run.error.as_deref(), |report| report.reason.as_deref());
    html! {
        dl {
            dt { "run" } dd { (run.id) }
            dt { "tenant" } dd { (clean(&run.tenant, NAME_MAX)) }
            dt { "mode" } dd { (run.mode) ", " (run.effects) }
            dt { "version" } dd { (run.version) }
            dt { "started" } dd { (format!("{:.0}", run.started)) " by " (run.trigger) (history::starter(run.by.as_ref())) }
            @if let Some(finished) = run.finished { dt { "ended" } dd { (format!("{finished:.0}")) } }
            dt { "state" } dd { (state(&word)) }
            @if let Some(why) = why { dt { "reason" } dd { (clean(why, WHY_MAX)) } }
            @if let Some(report) = report { dt { "counts" } dd { (history::counts(&report.counts)) } }
        }
    }
}

fn items(items: &[ItemReport]) -> Markup {
    html! {
        @if items.is_empty() { p { "It matched nothing." } } @else {
            table {
                thead { tr { th { "Item" } th { "Outcome" } th { "Actions" } th { "Why" } } }
                tbody {
                    @for item in items.iter().take(first()) {
                        tr {
                            td { "#" (item.seq) " " (clean(&item.key, NAME_MAX)) }
                            td data-label="Outcome" { (state(item.outcome.as_str())) }
                            td data-label="Actions" {
                                @for step in &item.steps {
                                    p { (step.action) " of " (clean(&step.target, NAME_MAX)) ": " (state(step.state.as_str()))
                                        @if let Some(why) = &step.reason { " – " (clean(why, WHY_MAX)) } }
                                }
                            }
                            td data-label="Why" { (clean(item.reason.as_deref().unwrap_or_default(), WHY_MAX)) }
                        }
                    }
                }
            }
        }
        (rest(items.len()))
    }
}

/// The same as a length.
fn first() -> usize {
    usize::try_from(ITEMS_MAX).unwrap_or(usize::MAX)
}

fn rest(count: usize) -> Markup {
    let rest = count.saturating_sub(first());
    html! { @if 0 < rest { p { "… and " (counted(rest, "more item")) ": " code { "huntbook show RUN --all" } } } }
}

/// A run that goes on, or was cut off.
fn unfinished(detail: &RunDetail) -> Markup {
    html! {
        ul {
            @for item in detail.items.iter().take(first()) {
                li { "#" (item.seq) " " (clean(&item.key, NAME_MAX)) ": " (state(&item.outcome)) " " (clean(item.reason.as_deref().unwrap_or_default(), WHY_MAX)) }
            }
        }
        @if first() < detail.items.len() { p { "… and more: " code { "huntbook show RUN --all" } } }
    }
}

fn events(detail: &RunDetail) -> Markup {
    html! {
        @if !detail.effects.is_empty() {
            h2 { "Actions, step by step" }
            table {
                thead { tr { th { "When" } th { "Action" } th { "Target" } th { "State" } th { "Detail" } } }
                tbody {
                    @for (effect, event) in detail.effects.iter().flat_map(|(effect, events)| events.iter().map(move |event| (effect, event))).take(first()) {
                        tr {
                            td { (format!("{:.0}", event.at)) " " span.quiet { (effect.key.short()) } }
                            td data-label="Action" { (effect.action) ", attempt " (event.attempt) }
                            td data-label="Target" { (clean(&effect.target, NAME_MAX)) }
                            td data-label="State" { (state(event.state.as_str())) }
                            td data-label="Detail" { (clean(event.detail.as_deref().unwrap_or_default(), WHY_MAX)) }
                        }
                    }
                }
            }
        }
    }
}

fn told(detail: &RunDetail) -> Markup {
    html! {
        @if !detail.messages.is_empty() {
            h2 { "Told" }
            ul {
                @for message in &detail.messages {
                    li { (clean(&message.channel, NAME_MAX)) ": " (state(message.state.as_str())) " " (clean(message.reason.as_deref().unwrap_or_default(), 200)) }
                }
            }
        }
    }
}
