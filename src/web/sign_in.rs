//! How people come in and go: with a code that is good once, or by way of the OpenID provider.

use axum::http::StatusCode;
use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use axum::response::Response;

use super::Web;
use super::answer::{Refusal, put, see};
use super::form::Form;
use super::layout::{self, Sheet};
use super::provider::{Back, Proof, Provider, ProviderError};
use super::route::Missing;
use super::secret;
use super::session::{Refused, Session};
use crate::diag::Chain;
use crate::http::Retry;

/// How long somebody may take at the provider, in seconds.
const AWAY_MAX: u32 = 600;
/// Stands between the secret of a sign-in and the session that it ends; in neither of them.
const BETWEEN: char = '.';

impl Web {
    /// The cookie of a session. It comes with requests from pages of ours only.
    fn cookie(&self) -> &'static str {
        if self.is_private() { "__Host-huntbook" } else { "huntbook" }
    }

    /// The cookie of a sign-in at the provider, which the provider's page sends back here. Another host of the domain
    /// cannot set it, and so not sign somebody in as somebody else.
    fn cookie_away(&self) -> &'static str {
        if self.is_private() { "__Host-huntbook-sign-in" } else { "huntbook-sign-in" }
    }

    pub(super) fn session_id<'a>(&self, parts: &'a Parts) -> Option<&'a str> {
        cookie_of(parts, self.cookie())
    }

    fn set_cookie(&self, id: &str, more: &str) -> String {
        format!("{}={id}; Path=/; HttpOnly; SameSite=Strict{}{more}", self.cookie(), self.secure())
    }

    fn set_cookie_away(&self, secret: &str, seconds: u32) -> String {
        let (name, secure) = (self.cookie_away(), self.secure());
        format!("{name}={secret}; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age={seconds}")
    }

    fn secure(&self) -> &'static str {
        if self.is_private() { "; Secure" } else { "" }
    }

    /// The form for a code, and the way to the provider.
    pub(super) fn sign_in_form(&self, problem: Option<&str>) -> Response {
        let status = if problem.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
        let main = layout::sign_in(problem, self.0.provider.as_ref().map(Provider::host));
        let mut response = self.show(&Sheet { title: "Sign in", here: "/sign-in", session: None }, &main);
        *response.status_mut() = status;
        response
    }

    /// Takes a code.
    pub(super) fn sign_in(&self, form: &Form, before: Option<&str>) -> Result<Response, Refusal> {
        let code = form.field("code").unwrap_or_default();
        match self.0.sessions.redeem(code, before, self.0.facts.clock.now()) {
            Ok((id, account)) => {
                tracing::info!(account = account.name, uid = account.uid, "somebody signed in to the page");
                let mut response = see("/");
                put(response.headers_mut(), header::SET_COOKIE, &self.set_cookie(&id, ""));
                Ok(response)
            }
            Err(Refused::Wrong) => {
                tracing::warn!("somebody tried to sign in to the page with a code that is not good");
                Ok(self.sign_in_form(Some(
                    "This code is not good: each is for one sign-in, within five minutes.",
                )))
            }
            Err(Refused::TooMany) => Err(Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many codes were wrong. Wait a minute, and use a new one.",
            )),
        }
    }

    fn provider(&self) -> Result<&Provider, Refusal> {
        self.0.provider.as_ref().ok_or_else(|| Missing::Page.into())
    }

    /// Sends somebody to the provider, with `again` in the query to show anew who they are. Nothing is kept of it but a
    /// cookie: it says which session ends when they come back, for the session's own cookie does not come from there.
    pub(super) async fn to_provider(&self, parts: &Parts, now: Option<&str>) -> Result<Response, Refusal> {
        let proof = if parts.uri.query() == Some("again") { Proof::Anew } else { Proof::Standing };
        let begun = self.provider()?.begin(proof).await.map_err(|error| not_let_in(&error))?;
        let ends = now.map(|id| secret::written(&secret::keep(id))).unwrap_or_default();
        let cookie = self.set_cookie_away(&format!("{}{BETWEEN}{ends}", begun.secret), AWAY_MAX);
        let mut response = see(&begun.page);
        put(response.headers_mut(), header::SET_COOKIE, &cookie);
        Ok(response)
    }

    /// Takes somebody back from the provider.
    pub(super) async fn take_back(&self, parts: &Parts, before: Option<&str>) -> Result<Response, Refusal> {
        let provider = self.provider()?;
        let back = Back::read(parts.uri.query().unwrap_or_default());
        let away = cookie_of(parts, self.cookie_away()).unwrap_or_default();
        let (own, ends) = away.split_once(BETWEEN).unwrap_or((away, ""));
        let person = provider.finish(back, own).await.map_err(|error| not_let_in(&error))?;
        tracing::info!(
            account = person.account.shown(),
            rights = ?person.rights,
            "somebody signed in to the page by way of the provider"
        );
        let before = before.map(secret::keep).into_iter().chain(secret::read(ends));
        let begun = self.0.sessions.begin(person, before, self.0.facts.clock.now());
        let id = begun.ok_or_else(|| {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "This machine gives no random numbers.")
        })?;
        let mut response =
            self.show(&Sheet { title: "Signed in", here: "/sign-in", session: None }, &layout::signed_in());
        put(response.headers_mut(), header::SET_COOKIE, &self.set_cookie(&id, ""));
        if let Ok(spent) = self.set_cookie_away("", 0).parse() {
            response.headers_mut().append(header::SET_COOKIE, spent);
        }
        Ok(response)
    }

    /// Ends a session.
    pub(super) fn sign_out(&self, session: &Session, id: Option<&str>) -> Response {
        self.0.sessions.end(id.unwrap_or_default());
        tracing::info!(account = session.account.name, "somebody signed out of the page");
        let mut response = see("/sign-in");
        put(response.headers_mut(), header::SET_COOKIE, &self.set_cookie("", "; Max-Age=0"));
        put(response.headers_mut(), HeaderName::from_static("clear-site-data"), "\"cookies\", \"storage\"");
        response
    }
}

fn cookie_of<'a>(parts: &'a Parts, wanted: &str) -> Option<&'a str> {
    let cookies = parts.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, id)| id)
}

/// The log says why; who stands outside is told what they can do.
fn not_let_in(error: &ProviderError) -> Refusal {
    tracing::warn!(error = %Chain(error), "somebody was not let in by way of the OpenID provider");
    match error {
        ProviderError::NoRole { .. } => {
            Refusal::new(StatusCode::FORBIDDEN, format!("You are not let in: {error}. Ask for the role."))
        }
        ProviderError::Http(error) if error.retry() != Retry::Never => Refusal::new(
            StatusCode::BAD_GATEWAY,
            "The OpenID provider does not answer. Try again in a while.",
        ),
        _ => Refusal::new(
            StatusCode::FORBIDDEN,
            "You are not let in. The log says why; sign in again if you took longer than ten minutes.",
        ),
    }
}
