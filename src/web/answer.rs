//! The way of a request: is it for us, what is it about, who asks, and may this form change anything.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use jiff::SignedDuration;

use super::form::Form;
use super::layout::{Sheet, sheet};
use super::route::{self, Missing, Route};
use super::secret::keep;
use super::session::{Asks, Session};
use super::{Web, act, approval, live, overview, runs, sessions};
use crate::diag::Chain;
use crate::store::StoreError;

/// Longest time for an answer: reading the whole journal's end takes a fraction of a second.
const ANSWER_WITHIN: SignedDuration = SignedDuration::from_secs(30);

/// What every answer says. Nothing is loaded from elsewhere, framed, guessed, kept or handed on.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// Why a request is not answered as it wishes.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    why: String,
    allow: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into(), allow: None }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = %Chain(&error), "the page could not read or write the journal");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The journal cannot be used now. The log says why.")
    }
}

impl From<Missing> for Refusal {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Page => Self::new(StatusCode::NOT_FOUND, "There is nothing here."),
            Missing::Method(allow) => Self {
                allow: Some(allow),
                ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "That cannot be done here.")
            },
        }
    }
}

/// What somebody hears who waited too long: what a form says may be in the journal by then.
fn too_late(method: &Method) -> &'static str {
    if *method == Method::POST {
        "That takes too long. It may have been done or not: look at the overview before you say it again."
    } else {
        "That takes too long."
    }
}

/// Answers a request.
pub(super) async fn answer(State(web): State<Web>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answered = tokio::select! {
        answered = web.respond(&parts, body) => answered,
        () = web.0.facts.clock.sleep(ANSWER_WITHIN) => {
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, too_late(&parts.method)))
        }
    };
    let mut response = answered.unwrap_or_else(|refusal| web.refuse(&refusal));
    web.protect(response.headers_mut());
    response
}

impl Web {
    async fn respond(&self, parts: &Parts, body: Body) -> Result<Response, Refusal> {
        self.insist_on_host(parts)?;
        let route = route::find(&parts.method, parts.uri.path())?;
        if let Route::Fixed(kind, text) = route {
            return Ok(typed(kind, text));
        }
        let changes = parts.method == Method::POST;
        let form = if changes {
            self.insist_on_origin(parts)?;
            Form::read(parts, body).await?
        } else {
            Form::default()
        };
        let id = self.session_id(parts);
        let by_script = route == Route::Live || parts.headers.contains_key("huntbook-live");
        let asks = if by_script { Asks::Script } else { Asks::Person };
        let now = self.0.facts.clock.now();
        let session = id.and_then(|id| self.0.sessions.find(id, asks, now));
        match (route, session) {
            (Route::SignIn, _) => Ok(self.sign_in_form(None)),
            (Route::TakeCode, _) => self.sign_in(&form, id),
            (Route::ToProvider, _) => self.to_provider(parts, id).await,
            (Route::FromProvider, _) => self.take_back(parts, id).await,
            (Route::Live, None) => Err(Refusal::new(StatusCode::FORBIDDEN, "You are not signed in.")),
            (_, None) if changes => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "You are not signed in any more, and nothing was done. Sign in and say it again.",
            )),
            (_, None) => Ok(see("/sign-in")),
            (route, Some(session)) => {
                if changes {
                    insist_on_token(&form, &session)?;
                }
                let answer = self.serve((route, asks), &session, (&form, id)).await;
                if changes && answer.is_ok() {
                    self.0.looks.forget();
                }
                answer
            }
        }
    }

    /// Answers somebody who is signed in.
    async fn serve(
        &self,
        (route, asks): (Route, Asks),
        session: &Session,
        (form, id): (&Form, Option<&str>),
    ) -> Result<Response, Refusal> {
        match route {
            Route::Overview => overview::page(self, session, asks).await,
            Route::Runs => runs::list(self, session, asks).await,
            Route::Run(run) => runs::one(self, session, (&run, asks)).await,
            Route::Approvals => approval::list(self, session, asks).await,
            Route::Approval(asked) => approval::one(self, session, &asked).await,
            Route::Speak(asked) => act::speak(self, session, (&asked, form)).await,
            Route::Confirm(edit) => act::confirm(self, session, (&edit, form)).await,
            Route::Sessions => Ok(sessions::list(self, session, id.unwrap_or_default())),
            Route::EndSessions => Ok(sessions::end(self, session, (form, id.unwrap_or_default()))),
            Route::Stop => act::stop(self, session, form).await,
            Route::Resume => act::resume(self, session, form).await,
            Route::Live => live::watch(self, id.unwrap_or_default()),
            Route::SignOut => Ok(self.sign_out(session, id)),
            Route::Fixed(..) | Route::SignIn | Route::ToProvider | Route::FromProvider | Route::TakeCode => {
                Err(Missing::Page.into())
            }
        }
    }

    /// Whoever asks for another host was led here by a name that is not ours.
    fn insist_on_host(&self, parts: &Parts) -> Result<(), Refusal> {
        let mut hosts = parts.headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
        let known = self.0.hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        if known && hosts.next().is_none() {
            return Ok(());
        }
        tracing::warn!(host = %host.escape_debug(), "a request for another host was refused");
        Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, "This is not the host that you asked for."))
    }

    /// What changes something comes from a page of ours. Browsers say where a form comes from.
    fn insist_on_origin(&self, parts: &Parts) -> Result<(), Refusal> {
        let said = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let ours = match (said("origin"), said("sec-fetch-site")) {
            (Some(origin), site) => {
                let host = said("host").unwrap_or_default();
                let scheme = if self.is_private() { "https" } else { "http" };
                origin.eq_ignore_ascii_case(&format!("{scheme}://{host}"))
                    && site.is_none_or(|site| site == "same-origin")
            }
            (None, site) => site == Some("same-origin"),
        };
        if ours {
            return Ok(());
        }
        tracing::warn!(path = parts.uri.path(), "a form of another site was refused");
        Err(Refusal::new(StatusCode::FORBIDDEN, "This form is not from here, and nothing was done."))
    }

    /// A page of ours.
    pub(super) fn show(&self, about: &Sheet<'_>, main: &maud::Markup) -> Response {
        show_as_of(*self.0.beat.borrow(), about, main)
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        let title = refusal.status.canonical_reason().unwrap_or("It cannot be done");
        let main = super::layout::refusal(title, &refusal.why);
        let mut response = self.show(&Sheet { title, here: "", session: None }, &main);
        *response.status_mut() = refusal.status;
        if let Some(allow) = refusal.allow {
            put(response.headers_mut(), header::ALLOW, allow);
        }
        response
    }

    fn protect(&self, headers: &mut HeaderMap) {
        for (name, value) in HEADERS {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        if self.is_private() {
            put(headers, header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
        }
    }
}

/// A page of what was seen at a beat: a script that hears of a later one asks again.
pub(super) fn show_as_of(stamp: i64, about: &Sheet<'_>, main: &maud::Markup) -> Response {
    typed("text/html", &sheet(about, stamp, main).into_string())
}

/// Each form carries the token of its session.
fn insist_on_token(form: &Form, session: &Session) -> Result<(), Refusal> {
    if form.field("token").is_some_and(|token| keep(token) == keep(&session.token)) {
        return Ok(());
    }
    tracing::warn!(account = session.account.name, "a form without its session's token was refused");
    Err(Refusal::new(StatusCode::FORBIDDEN, "This form is not one of your session, and nothing was done."))
}

/// Sends the browser to a page of ours.
pub(super) fn see(path: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    put(response.headers_mut(), header::LOCATION, path);
    response
}

fn typed(kind: &str, text: &str) -> Response {
    let mut response = Response::new(Body::from(text.to_owned()));
    put(response.headers_mut(), header::CONTENT_TYPE, &format!("{kind}; charset=utf-8"));
    response
}

/// Sets a header whose value is ours.
pub(super) fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_word_took_too_long_hears_that_it_may_have_been_heard() {
        assert!(too_late(&Method::POST).contains("may have been done"));
        assert!(!too_late(&Method::GET).contains("done"));
    }
}
