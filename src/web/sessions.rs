//! Where somebody is signed in, and the end of it.

use axum::response::Response;
use maud::html;

use super::Web;
use super::answer::see;
use super::form::Form;
use super::layout::{Sheet, token};
use super::session::{Session, handle_of};

/// Lists the sessions of an account; `id` is that of the one that asks.
pub(super) fn list(web: &Web, session: &Session, id: &str) -> Response {
    let all = web.0.sessions.of(&session.account, web.0.facts.clock.now());
    let own = handle_of(id);
    let main = html! {
        h1 { "Where you are signed in" }
        table {
            thead { tr { th { "Session" } th { "Began" } th { "Last used" } th { "" } } }
            tbody {
                @for (handle, one) in &all {
                    tr {
                        td { (handle) @if *handle == own { ", this one" } }
                        td data-label="Began" { (format!("{:.0}", one.began)) }
                        td data-label="Last used" { (format!("{:.0}", one.used)) }
                        td {
                            form method="post" action="/sessions" {
                                (token(session))
                                input type="hidden" name="end" value=(handle);
                                button { "End it" }
                            }
                        }
                    }
                }
            }
        }
        @if 1 < all.len() {
            form method="post" action="/sessions" { (token(session)) button.no { "End all the others" } }
        }
        p { "A session ends after a quarter of an hour in which nobody uses it, and after eight hours at the latest." }
    };
    web.show(&Sheet { title: "Sessions", here: "/sessions", session: Some(session) }, &main)
}

/// Ends one of them, or all but the one that asks.
pub(super) fn end(web: &Web, session: &Session, (form, id): (&Form, &str)) -> Response {
    let own = handle_of(id);
    let ended = match form.field("end") {
        Some(handle) => web.0.sessions.end_some(&session.account, |one| one == handle),
        None => web.0.sessions.end_some(&session.account, |one| one != own),
    };
    tracing::info!(account = session.account.name, ended, "somebody ended sessions of the page");
    see("/sessions")
}
