//! What all pages have in common. Every text from outside is made visible ([`crate::text::clean`]) and encoded by the
//! templates.

use maud::{DOCTYPE, Markup, html};

use super::session::Session;
use crate::text::clean;

/// The pages one can go to.
const PAGES: &[(&str, &str)] = &[("/", "Overview"), ("/approvals", "Approvals"), ("/runs", "Runs")];

/// What a page is.
pub(super) struct Sheet<'a> {
    pub(super) title: &'a str,
    /// Which of the pages one can go to.
    pub(super) here: &'a str,
    pub(super) session: Option<&'a Session>,
}

/// A whole page around its main part, which shows the journal as of `beat`.
pub(super) fn sheet(about: &Sheet<'_>, beat: i64, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (clean(about.title, 120)) " – huntbook" }
                link rel="icon" type="image/svg+xml" href="/icon.svg";
                link rel="stylesheet" href="/style.css";
                script src="/live.js" defer {}
            }
            body data-signed-in[about.session.is_some()] {
                a.skip href="#main" { "Skip to the content" }
                header {
                    span.name { "huntbook" }
                    @if let Some(session) = about.session {
                        nav aria-label="Pages" {
                            ul {
                                @for (path, name) in PAGES {
                                    li { a href=(path) aria-current=[(*path == about.here).then_some("page")] { (name) } }
                                }
                            }
                        }
                        form method="post" action="/sign-out" {
                            (token(session))
                            span { "Signed in as " a href="/sessions" { strong { (clean(&session.account.shown(), 120)) } } }
                            button { "Sign out" }
                        }
                    }
                }
                main id="main" data-beat=(beat) { (main) }
            }
        }
    }
}

/// The field that says that a form is of a session.
pub(super) fn token(session: &Session) -> Markup {
    html! { input type="hidden" name="token" value=(session.token); }
}

/// The way to show again who one is: what it is for, and how.
pub(super) fn sign_in_again(session: &Session, what: &str) -> Markup {
    html! {
        @if !session.says_when() {
            p {
                "You cannot " (what) ": the OpenID provider does not say when you signed in. Whoever runs it can add the claim "
                code { "auth_time" } " to the identity token; an account of this machine can do it meanwhile."
            }
        } @else { p {
            "To " (what) ", "
            // Who has no account on this machine came by way of the provider.
            @if session.account.uid.is_none() { a href="/sign-in/provider?again" { "sign in again" } }
            @else { a href="/sign-in" { "sign in again" } " with a new code" }
            ": it is a while since you showed who you are."
        } }
    }
}

/// The main part of the page on which a code is taken.
pub(super) fn sign_in(problem: Option<&str>, provider: Option<&str>) -> Markup {
    html! {
        h1 { "Sign in" }
        @if let Some(problem) = problem { p.alert role="alert" { (problem) } }
        @if let Some(provider) = provider {
            p { a.yes href="/sign-in/provider" { "Sign in with " (clean(provider, 120)) } }
            h2 { "Or with a code" }
        }
        p { "Run " code { "huntbook web" } " on the machine that serves this page. It gives you a code for your account." }
        form.act method="post" action="/sign-in" {
            label for="code" { "Code" }
            input id="code" name="code" required autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="100";
            button.yes { "Sign in" }
        }
    }
}

/// The main part of the page for somebody whom the provider has sent back. The browser goes on from here, and not from
/// the provider: it sends the session's cookie only from pages of ours.
pub(super) fn signed_in() -> Markup {
    html! {
        h1 { "You are signed in" }
        p { a.yes href="/" { "Go to the overview" } }
    }
}

/// The main part of a page that says no.
pub(super) fn refusal(title: &str, why: &str) -> Markup {
    html! {
        h1 { (title) }
        p { (why) }
        p { a href="/" { "Go to the overview" } }
    }
}

/// How something ended, in colour if it is no everyday matter; the word says it all the same.
pub(super) fn state(word: &str) -> Markup {
    let class = match word {
        "failed" | "parked" | "unknown" | "rejected" | "denied" | "void" => "bad",
        "waiting" | "halted" | "partial" | "awaiting" | "pendingApproval" | "expired" | "skipped" => "warn",
        "succeeded" | "acted" | "done" | "accepted" | "approved" | "consumed" | "delivered" => "good",
        _ => "",
    };
    html! { span class=(class) { (clean(word, 40)) } }
}
