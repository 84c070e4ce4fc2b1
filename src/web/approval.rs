//! What waits for people's leave, and everything that is bound to one request.

use axum::response::Response;
use maud::{Markup, html};

use super::Web;
use super::answer::{Refusal, show_as_of};
use super::layout::{Sheet, sign_in_again, state, token};
use super::look::View;
use super::session::{Asks, Rights, Session};
use crate::console::{NAME_MAX, leave};
use crate::store::{Approval, Consent};
use crate::text::{clean, encode};

/// Requests listed, open ones and those that are over.
const LISTED_MAX: u32 = 100;

/// Lists the latest requests.
pub(super) async fn list(web: &Web, session: &Session, asks: Asks) -> Result<Response, Refusal> {
    let View { what: all, stamp } = web.asked(asks, LISTED_MAX).await?;
    let main = html! {
        h1 { "Approvals" }
        @if all.is_empty() { p { "Nobody was asked for anything yet." } } @else { (requests(&all)) }
    };
    Ok(show_as_of(stamp, &Sheet { title: "Approvals", here: "/approvals", session: Some(session) }, &main))
}

/// Requests in a list.
pub(super) fn requests(all: &[Approval]) -> Markup {
    html! {
        ul {
            @for asked in all {
                li {
                    a href={ "/approvals/" (asked.id) } { (asked.action) " of " (clean(&asked.target, NAME_MAX)) }
                    " " (state(asked.state.as_str())) ": " (leave::standing(asked))
                }
            }
        }
    }
}

/// Shows one request.
pub(super) async fn one(web: &Web, session: &Session, id: &str) -> Result<Response, Refusal> {
    let asked = leave::find(&web.0.facts.store, id).await.map_err(super::act::unheard)?;
    let pretty = serde_json::to_string_pretty(&asked.shown()).unwrap_or_default();
    let main = html! {
        h1 { (asked.action) " of " (clean(&asked.target, 200)) }
        p { (state(asked.state.as_str())) ": " (leave::standing(&asked)) }
        @if asked.state.is_open() { (word(web, session, &asked)) }
        h2 { "What is approved with it" }
        dl {
            @for (part, said) in leave::bound(&asked) { dt { (part) } @for line in &said { dd { (line) } } }
            dt { "expires" } dd { (format!("{:.0}", asked.expires)) }
            dt { "run" } dd { a href={ "/runs/" (asked.run) } { (asked.run) } }
            dt { "digest" } dd { (asked.digest) }
        }
        details id="shown" { summary { "All of it, as it is hashed" } pre { (encode::json(&pretty)) } }
        @if !asked.voices.is_empty() {
            h2 { "What people said" }
            ul {
                @for voice in &asked.voices {
                    li {
                        (voice.word) " by " (clean(&voice.by, 64)) " (" (clean(&voice.account, 64)) @if let Some(uid) = voice.uid { ", " (uid) } ") at " (format!("{:.0}", voice.at))
                        @if let Some(note) = &voice.note { ": " (clean(note, 500)) }
                    }
                }
            }
        }
    };
    Ok(web.show(&Sheet { title: "Approval", here: "/approvals", session: Some(session) }, &main))
}

/// The form for a person's word.
fn word(web: &Web, session: &Session, asked: &Approval) -> Markup {
    let approvers = &web.0.facts.world.approvers;
    let proven = session.is_proven(web.0.facts.clock.now());
    let hears_yes = asked.state.hears(Consent::Approve);
    let names = match session.rights {
        Rights::Act => approvers.of_account(session.account.who()),
        Rights::Look => Vec::new(),
    };
    html! {
        @if names.is_empty() {
            p { "You are none of the approvers, so you can look and not speak." }
        } @else {
            @if !proven && hears_yes { (sign_in_again(session, "approve it")) }
            form.act method="post" action={ "/approvals/" (asked.id) } {
                (token(session))
                @if 1 < names.len() {
                    label for="by" { "As" }
                    select id="by" name="by" { @for name in &names { option { (name) } } }
                }
                label for="reason" { "Why (it stays in the journal; needed to deny)" }
                textarea id="reason" name="reason" rows="2" maxlength="500" {}
                @if proven && hears_yes { button.yes name="word" value="approve" { "Approve" } }
                button.no name="word" value="deny" { "Deny" }
            }
        }
    }
}
