//! The overview: what is in force, what goes on, and what waits for a person.

use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::Web;
use super::answer::{Refusal, show_as_of};
use super::approval::requests;
use super::layout::{Sheet, sign_in_again, state, token};
use super::look::View;
use super::session::{Asks, Rights, Session};
use crate::console::{InForce, Moment, NAME_MAX, audit, guards, leave, shown};
use crate::store::{Effect, HeldEdit, Refusal as RefusedFile, Stop};
use crate::text::{clean, counted};

/// Shows the overview.
pub(super) async fn page(web: &Web, session: &Session, asks: Asks) -> Result<Response, Refusal> {
    let View { what: moment, stamp } = web.moment(asks).await?;
    let main = html! {
        h1 { "Overview" }
        p { (if moment.needs_somebody() { "Something here waits for a person." } else { "Nothing waits for a person." }) }
        @for (_word, what) in moment.disk() { div.alert role="alert" { p { (what) } } }
        (switch(web, session, &moment))
        h2 id="approvals" { "Approvals" }
        @if moment.approvals.is_empty() { p { "Nothing waits for approval." } } @else { (requests(&moment.approvals)) }
        (doubt(&moment))
        (edits(web, session, &moment))
        (playbooks(&moment))
        (going_on(&moment))
        (limits(web, &moment))
        (state_of_journal(&moment))
    };
    Ok(show_as_of(stamp, &Sheet { title: "Overview", here: "/", session: Some(session) }, &main))
}

/// The kill switch.
fn switch(web: &Web, session: &Session, moment: &Moment) -> Markup {
    html! {
        h2 id="stops" { "Kill switch" }
        @if moment.stops.is_empty() { p { "Nothing is stopped." } }
        @for stop in &moment.stops {
            div.alert role="alert" {
                p { (clean(&stop.to_string(), Stop::SHOWN_MAX)) }
                @if session.rights == Rights::Act && !session.is_proven(moment.now) {
                    (sign_in_again(session, "lift it"))
                } @else if session.rights == Rights::Act {
                    form method="post" action="/resume" {
                        (token(session))
                        input type="hidden" name="stop" value=(stop.mark());
                        button { "Lift this stop" }
                    }
                }
            }
        }
        @if 1 < moment.stops.len() && session.rights == Rights::Act && session.is_proven(moment.now) {
            form method="post" action="/resume" {
                (token(session))
                input type="hidden" name="all" value=(Stop::mark_of_all(&moment.stops));
                button { "Lift all " (moment.stops.len()) " stops" }
            }
        }
        @if session.rights == Rights::Act { (stopping(web, session, moment)) }
    }
}

/// The form that stops actions.
fn stopping(web: &Web, session: &Session, moment: &Moment) -> Markup {
    html! {
        details id="stopping" {
            summary { "Stop actions" }
            form.act method="post" action="/stop" {
                (token(session))
                label for="stop-tenant" { "In" }
                select id="stop-tenant" name="tenant" {
                    option value="" { "all tenants" }
                    @for name in web.0.facts.world.tenants.keys() { option value=(name) { (name) } }
                }
                label for="stop-playbook" { "Of" }
                select id="stop-playbook" name="playbook" {
                    option value="" { "all playbooks" }
                    @for one in &moment.playbooks {
                        option value=(one.live.playbook) { (clean(&one.name, NAME_MAX)) }
                    }
                }
                label for="stop-reason" { "Why (it stays in the journal)" }
                input id="stop-reason" name="reason" maxlength="500";
                button.no { "Stop" }
            }
        }
    }
}

fn doubt(moment: &Moment) -> Markup {
    html! {
        @if !moment.parked.is_empty() {
            h2 { "In doubt" }
            p { "Nobody knows whether these were done. Look, and say it: " code { "huntbook resolve EFFECT --done" } " or " code { "--not-applied" } "." }
            ul { @for effect in &moment.parked { li { span.bad { (effect.key.short()) } " " (linked(effect)) } } }
        }
    }
}

fn linked(effect: &Effect) -> Markup {
    html! { a href={ "/runs/" (effect.run) } { (shown(effect)) } }
}

/// Edits that raise risk, each with what it raises, and the word of a second person about it.
fn edits(web: &Web, session: &Session, moment: &Moment) -> Markup {
    html! {
        @if !moment.held_edits.is_empty() {
            h2 id="edits" { "Edits that wait for a second person" }
            p { "What was in force stays. Look at the files before you confirm one." }
            @for edit in &moment.held_edits {
                section {
                    p {
                        strong { (clean(&edit.name, NAME_MAX)) } ", " (clean(&edit.file, 200)) ", since " (format!("{:.0}", edit.at))
                        @if let Some(author) = &edit.author { ", by " (clean(author, NAME_MAX)) }
                    }
                    ul { @for risk in &edit.risks { li { (clean(risk, 400)) } } }
                    (confirming(web, session, (edit, moment.now)))
                }
            }
        }
    }
}

/// The form that confirms an edit, or why there is none.
fn confirming(web: &Web, session: &Session, (edit, now): (&HeldEdit, Timestamp)) -> Markup {
    let approvers = &web.0.facts.world.approvers;
    let names = approvers.of_account(session.account.who());
    let allowed = leave::may_confirm(edit, names.first().copied(), approvers, &session.account);
    html! {
        @if edit.confirmed { p { "Confirmed: it comes into force." } }
        @else if session.rights != Rights::Act { p { "Your role lets you look." } }
        @else if let Err(why) = allowed { p { "You cannot confirm it: " (clean(&why.to_string(), 300)) "." } }
        @else if !session.is_proven(now) { (sign_in_again(session, "confirm it")) }
        @else {
            form.act method="post" action={ "/edits/" (edit.digest) } {
                (token(session))
                @if let Some(name) = names.first() { input type="hidden" name="by" value=(name); }
                label for={ "why-" (edit.digest.short()) } { "Why (it stays in the journal)" }
                input id={ "why-" (edit.digest.short()) } name="reason" maxlength="500";
                button.yes { "Confirm" }
            }
        }
    }
}

fn playbooks(moment: &Moment) -> Markup {
    html! {
        h2 id="playbooks" { "Playbooks" }
        @if moment.playbooks.is_empty() { p { "No playbook is in force." } } @else {
            table {
                thead { tr { th { "Playbook" } th { "File" } th { "Version" } th { "Mode" } th { "State" } th { "Next due" } th { "Last run" } } }
                tbody { @for one in &moment.playbooks { (playbook(one, moment)) } }
            }
        }
        @for line in moment.playbooks.iter().flat_map(InForce::unarmed) { p { span.warn { "Unarmed: " } (line) } }
        @for line in moment.playbooks.iter().flat_map(InForce::skipped) { p { span.warn { "Skipped: " } (line) } }
        @for held in &moment.held {
            p { span.warn { "Held: " } (clean(&held.file, 200)) " since " (format!("{:.0}", held.at)) ": it is gone, or much of it; what it said stays in force." }
        }
        @for file in &moment.refusals { (refused(file)) }
    }
}

fn playbook(one: &InForce, moment: &Moment) -> Markup {
    html! {
        tr {
            td { strong { (clean(&one.name, NAME_MAX)) } }
            td data-label="File" { (clean(&one.live.file, NAME_MAX)) }
            td data-label="Version" { (one.live.hash.short()) }
            td data-label="Mode" { (one.mode.unwrap_or("–")) }
            td data-label="State" { (moment.standing(one).join(", ")) }
            td data-label="Next due" { (one.due(moment.now)) }
            td data-label="Last run" {
                @if let Some(last) = &one.last {
                    a href={ "/runs/" (last.summary.run.id) } { (format!("{:.0}", last.summary.run.started)) } " " (state(&last.state()))
                } @else { "never" }
            }
        }
    }
}

fn refused(file: &RefusedFile) -> Markup {
    let problems = file.diagnostics.as_array().map(Vec::as_slice).unwrap_or_default();
    let part = |problem: &Value, name: &str| {
        let found =
            problem.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        clean(&found.unwrap_or_default(), 200)
    };
    html! {
        p { span.bad { "Refused: " } (clean(&file.file, 200)) " since " (format!("{:.0}", file.at)) }
        ul {
            @for problem in problems {
                li { (part(problem, "line")) ":" (part(problem, "column")) " " (part(problem, "code")) " " (part(problem, "message")) }
            }
        }
    }
}

fn going_on(moment: &Moment) -> Markup {
    html! {
        h2 { "Going on" }
        p { "Last day: " (moment.last_day()) "." }
        ul {
            @for run in &moment.running {
                li { a href={ "/runs/" (run.id) } { (clean(&run.playbook_name, NAME_MAX)) } " in " (clean(&run.tenant, NAME_MAX)) " since " (format!("{:.0}", run.started)) }
            }
            @for effect in &moment.intended {
                li { "Under way: " (linked(effect)) @if moment.is_stuck(effect) { span.bad { " – this takes too long" } } }
            }
        }
    }
}

fn limits(web: &Web, moment: &Moment) -> Markup {
    html! {
        h2 id="guards" { "Guards in force" }
        dl { @for (what, said) in guards::ceilings(&web.0.facts.world) { dt { (what) } dd { (said) } } }
        @for one in &moment.playbooks {
            @if let Some(own) = guards::own(one, &web.0.facts.world) {
                p { strong { (clean(&one.name, NAME_MAX)) } ": " (own) }
            }
        }
        h2 id="taken" { "Budgets of guards" }
        dl {
            @for budget in &moment.guard_budgets {
                dt { (budget.whose()) }
                dd class=[budget.is_used_up().then_some("bad")] { (budget.used()) }
            }
        }
        h2 { "Budgets of calls" }
        ul { @for line in moment.budgets.iter().flat_map(crate::console::Budget::lines) { li { (line) } } }
    }
}

fn state_of_journal(moment: &Moment) -> Markup {
    html! {
        h2 { "Journal" }
        p { (counted(moment.waiting, "message")) " waiting to be sent." }
        dl {
            @for history in &moment.histories {
                dt { (history.0.as_str()) }
                dd class=[(!audit::is_sound(history)).then_some("bad")] { (audit::in_words(history)) }
            }
        }
    }
}
