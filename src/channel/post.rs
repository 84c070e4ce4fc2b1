//! One post to a webhook, and what its status means.
//!
//! The address is a bearer secret: the HTTP door shows its origin only, follows no redirect and speaks
//! plain HTTP to this machine alone. It is written in the settings, never in a playbook.

use std::time::Duration;

use jiff::SignedDuration;

use super::error::ChannelError;
use super::redact::redact;
use super::shown;
use crate::http::{Address, Http, HttpError, Limits, Repeat, Request};
use crate::model::Secret;

/// How much of an answer is read. Receivers answer with a word.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// A checked address to post to.
#[derive(Debug)]
pub(super) struct Target {
    address: Address,
    secret: Secret,
}

impl Target {
    /// Checks an address that is to be reached through `http`.
    ///
    /// # Errors
    ///
    /// What is wrong, without the address.
    pub(super) fn parse(secret: &Secret, http: &Http) -> Result<Self, HttpError> {
        let address = Address::secret(secret)?;
        http.allow(&address)?;
        Ok(Self { address, secret: secret.clone() })
    }

    /// Finds out whether the server answers.
    pub(super) async fn reach(&self, http: &Http) -> Result<(), ChannelError> {
        http.reach(&self.address).await.map_err(|error| ChannelError::Transport(Box::new(error)))
    }

    /// Takes the address out of a text that may repeat it, such as a gateway's error page.
    fn redact(&self, text: &str) -> String {
        redact(self.secret.expose(), text)
    }
}

/// What a receiver answered.
#[derive(Debug)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: u16,
    /// How long it asks us to wait, if it says.
    pub(super) wait: Option<SignedDuration>,
    /// The body, or the start of it; the address is taken out.
    pub(super) body: String,
}

impl Reply {
    /// The answer for an error text.
    pub(super) fn shown(&self) -> String {
        shown(&format!("{} {}", self.status, self.body.trim()))
    }
}

/// What is posted.
#[derive(Debug)]
pub(super) struct Body {
    /// Its media type.
    pub(super) kind: &'static str,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

impl Body {
    /// JSON.
    pub(super) const fn json(bytes: Vec<u8>) -> Self {
        Self { kind: "application/json", bytes }
    }
}

/// Posts once.
pub(super) async fn post(
    http: &Http,
    target: &Target,
    headers: &[(&'static str, String)],
    body: Body,
    time_max: Duration,
) -> Result<Reply, ChannelError> {
    let mut request = Request::post(target.address.clone());
    for (name, value) in headers {
        request = request.header(name, value).map_err(|error| ChannelError::Compose(Box::new(error)))?;
    }
    let request = request.body(body.kind, body.bytes);
    let limits = Limits { bytes_max: ANSWER_BYTES_MAX, time_max };
    let (status, wait, body) = match http.send(&request, Repeat::Never, &limits).await {
        Ok(answer) => (answer.status, None, answer.body),
        Err(HttpError::Refused { refusal, .. }) => (refusal.status, refusal.wait, refusal.body),
        // The receiver took the request and has a lot to say about it.
        Err(HttpError::Large { .. } | HttpError::Padded { .. }) => (200, None, "(a long answer)".into()),
        Err(HttpError::Late { .. }) => return Err(ChannelError::late(time_max)),
        Err(error) => return Err(ChannelError::Transport(Box::new(error))),
    };
    Ok(Reply { status, wait, body: target.redact(&String::from_utf8_lossy(&body)) })
}

/// Why a status is not a success; `None` for 2xx.
///
/// Source: Standard Webhooks 1.0.0 (3xx is a failure, 410 ends the address), Slack's error list.
pub(super) fn refusal(reply: &Reply) -> Option<ChannelError> {
    let answer = reply.shown();
    match reply.status {
        200..=299 => None,
        410 => Some(ChannelError::Gone),
        401 | 403 | 404 | 407 => Some(ChannelError::NotAllowed { answer }),
        429 => Some(ChannelError::Throttled { wait: reply.wait }),
        408 | 423 | 425 => Some(ChannelError::Failed { answer, wait: reply.wait }),
        400..=499 => Some(ChannelError::Refused { answer }),
        _other => Some(ChannelError::Failed { answer, wait: reply.wait }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::tests::reply;
    use crate::clock::{SharedClock, SystemClock};
    use crate::http::{HttpOptions, Retry};

    #[track_caller]
    fn check(status: u16, expect: Option<Retry>) {
        assert_eq!(refusal(&reply(status, "")).map(|error| error.retry()), expect, "{status}");
    }

    #[test]
    fn a_status_says_whether_to_try_again() {
        for fine in [200, 201, 202, 204] {
            check(fine, None);
        }
        for hopeless in [400, 405, 410, 413, 415, 422] {
            check(hopeless, Some(Retry::Never));
        }
        for later in [301, 307, 401, 403, 404, 408, 429, 500, 502, 503, 504] {
            check(later, Some(Retry::Backoff));
        }
        let wait = SignedDuration::from_secs(7);
        let throttled = Reply { wait: Some(wait), ..reply(429, "") };
        assert_eq!(refusal(&throttled).unwrap().retry(), Retry::After(wait));
    }

    #[test]
    fn an_answer_is_shown_as_one_short_harmless_line() {
        assert_eq!(reply(503, " busy\u{1b}[2J\r\nnow ").shown(), "503 busy\\u{1b}[2J\\u{d}\\u{a}now");
        assert_eq!(reply(400, "").shown(), "400");
        assert_eq!(reply(400, &"x".repeat(196)).shown(), format!("400 {}", "x".repeat(196)));
        assert_eq!(reply(400, &"x".repeat(197)).shown(), format!("400 {}…", "x".repeat(195)));
    }

    #[test]
    fn an_answer_that_repeats_the_address_does_not_spread_it() {
        let clock: SharedClock = std::sync::Arc::new(SystemClock);
        let http = Http::open(HttpOptions::default(), clock).unwrap();
        let secret = Secret::new("https://hooks.example/services/canary?sig=s1g".to_owned());
        let target = Target::parse(&secret, &http).unwrap();
        let page =
            "no route for POST /services/canary?sig=s1g at https://hooks.example/services/canary?sig=s1g";
        assert_eq!(target.redact(page), "no route for POST (secret) at (secret)");
        assert_eq!(target.redact("unknown path /services/canary"), "unknown path (secret)");
        assert!(!format!("{target:?}").contains("canary"));
    }
}
