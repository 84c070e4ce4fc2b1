//! Delivers messages to people: e-mail, Microsoft Teams, Slack, a webhook.
//!
//! A [`Message`] is raw text; each kind of channel has its own layout, its own encoder for everything that
//! is not ours, and its own limits, at which text is cut so that the reader sees it ("… 123 more lines").
//! [`Channel::send`] tries once and says whether to try again; the outbox in `notify` decides when.
//!
//! Addresses, passwords and keys are fetched for each delivery: what was replaced where it is found serves from the next
//! message on.
//!
//! What this room does not do: render templates (`text`), keep or repeat messages (`store`, `notify`).
//!
//! To add a kind: a file here with its options, `body` and `check`; a variant of [`ChannelOptions`] and of
//! `Kind`; the settings' form of it; its hostile-text case in `tests/channel_web.rs` or
//! `tests/channel_mail.rs`.

mod cef;
mod cut;
mod email;
mod email_html;
mod error;
mod message;
mod post;
mod redact;
mod slack;
mod teams;
mod webhook;

use std::time::Duration;

use jiff::Timestamp;

pub use cut::fit;
pub use email::{EmailOptions, MailLogin, MailSecurity, RECIPIENTS_MAX};
pub use error::ChannelError;
pub use message::Message;

pub use crate::http::Retry;

use crate::clock::SharedClock;
use crate::http::{Http, HttpError};
use crate::model::{Secret, SharedSource};
use crate::text::encode;
use post::Target;

/// Longest one delivery may take, from connecting to the receiver's answer. Standard Webhooks says 15 to
/// 30 seconds; a mail server that greets slowly is done within it.
pub const SEND_TIME_MAX: Duration = Duration::from_secs(20);

/// Where messages go. The settings' names of channels lead here; playbooks hold names only.
#[derive(Debug, Clone)]
pub enum ChannelOptions {
    /// Mail over SMTP.
    Email(EmailOptions),
    /// A Workflows webhook of Microsoft Teams; the address is a secret.
    Teams {
        /// Where the address is found, as Teams gave it.
        url: SharedSource,
    },
    /// An incoming webhook of Slack; the address is a secret.
    Slack {
        /// Where the address is found, as Slack gave it.
        url: SharedSource,
    },
    /// A receiver of one's own (Standard Webhooks 1.0.0).
    Webhook {
        /// Where the address is found.
        url: SharedSource,
        /// Where it is found what to sign with: `whsec_…` or plain text. Two while one replaces the other; none to send
        /// unsigned.
        secrets: Vec<SharedSource>,
    },
    /// A collector of logs: the same receiver, which is sent one event in the Common Event Format for each message.
    Cef {
        /// Where the address is found.
        url: SharedSource,
        /// What to sign with, as for a webhook.
        secrets: Vec<SharedSource>,
    },
}

/// A message that went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// When the receiver said so.
    pub at: Timestamp,
}

/// One place to tell people things, ready to send.
#[derive(Debug)]
pub struct Channel {
    name: String,
    kind: Kind,
    http: Http,
    clock: SharedClock,
    time_max: Duration,
}

#[derive(Debug)]
enum Kind {
    Email(Box<email::Email>),
    Teams(SharedSource),
    Slack(SharedSource),
    Webhook(SharedSource, Vec<SharedSource>),
    Cef(SharedSource, Vec<SharedSource>),
}

impl Channel {
    /// Checks the options but for what is found elsewhere, and prepares the channel. Connects to nothing.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Settings`] with what is wrong, without secrets.
    pub fn open(
        name: &str,
        options: &ChannelOptions,
        http: Http,
        clock: SharedClock,
    ) -> Result<Self, ChannelError> {
        let kind = Kind::open(options)
            .map_err(|reason| ChannelError::Settings { channel: name.to_owned(), reason })?;
        Ok(Self { name: name.to_owned(), kind, http, clock, time_max: SEND_TIME_MAX })
    }

    /// Gives one delivery another time limit than [`SEND_TIME_MAX`].
    #[must_use]
    pub fn with_time_max(mut self, time_max: Duration) -> Self {
        self.time_max = time_max;
        self
    }

    /// Its name in the settings.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether many people read what is told there.
    #[must_use]
    pub const fn is_chat(&self) -> bool {
        match self.kind {
            Kind::Teams(_) | Kind::Slack(_) => true,
            Kind::Email(_) | Kind::Webhook(..) | Kind::Cef(..) => false,
        }
    }

    /// Finds out whether what it needs is where it is said to be, and can be used.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Secret`] says what is missing or wrong.
    pub async fn look(&self) -> Result<(), ChannelError> {
        match &self.kind {
            Kind::Email(email) => email.transport().await.map(drop),
            Kind::Teams(url) | Kind::Slack(url) => target(url, &self.http).await.map(drop),
            Kind::Webhook(url, secrets) | Kind::Cef(url, secrets) => {
                target(url, &self.http).await?;
                keys(secrets).await.map(drop)
            }
        }
    }

    /// Sends one message, once.
    ///
    /// # Errors
    ///
    /// [`ChannelError::retry`] says whether the same message may be sent again. After
    /// [`ChannelError::TimedOut`] and [`ChannelError::Transport`] the receiver may have it already; it
    /// knows the repeat by its id.
    ///
    /// # Cancellation
    ///
    /// Dropping the future abandons the delivery; it may have arrived.
    pub async fn send(&self, message: &Message) -> Result<Delivered, ChannelError> {
        // The network does not follow a clock that stands still, so the limit is real time.
        match tokio::time::timeout(self.time_max, self.send_unlimited(message)).await {
            Ok(sent) => sent.map(|()| Delivered { at: self.clock.now() }),
            Err(_elapsed) => Err(ChannelError::late(self.time_max)),
        }
    }

    /// Finds out whether the receiver can be reached, and sends no message: a mail server is logged in to, of a
    /// webhook's server nothing is asked but whether it answers.
    ///
    /// # Errors
    ///
    /// Why it cannot be reached, or does not let us in.
    pub async fn reach(&self) -> Result<(), ChannelError> {
        let reached = async {
            match &self.kind {
                Kind::Email(email) => email.reach().await,
                Kind::Teams(url) | Kind::Slack(url) | Kind::Webhook(url, _) | Kind::Cef(url, _) => {
                    target(url, &self.http).await?.reach(&self.http).await
                }
            }
        };
        match tokio::time::timeout(self.time_max, reached).await {
            Ok(reached) => reached,
            Err(_elapsed) => Err(ChannelError::late(self.time_max)),
        }
    }

    /// Sends through the kind's sink.
    async fn send_unlimited(&self, message: &Message) -> Result<(), ChannelError> {
        match &self.kind {
            Kind::Email(email) => email.send(message).await,
            Kind::Teams(url) => {
                let target = target(url, &self.http).await?;
                let body = post::Body::json(teams::body(message).to_string().into_bytes());
                teams::check(&post::post(&self.http, &target, &[], body, self.time_max).await?)
            }
            Kind::Slack(url) => {
                let target = target(url, &self.http).await?;
                let body = post::Body::json(slack::body(message).to_string().into_bytes());
                slack::check(&post::post(&self.http, &target, &[], body, self.time_max).await?)
            }
            Kind::Webhook(url, secrets) => {
                let (target, keys) = (target(url, &self.http).await?, keys(secrets).await?);
                let body = webhook::body(message);
                let headers = webhook::headers(&message.wire_id(), &keys, &body, self.clock.now());
                let body = post::Body::json(body);
                webhook::check(&post::post(&self.http, &target, &headers, body, self.time_max).await?)
            }
            Kind::Cef(url, secrets) => {
                let (target, keys) = (target(url, &self.http).await?, keys(secrets).await?);
                let body = cef::body(message);
                let headers = webhook::headers(&message.wire_id(), &keys, &body, self.clock.now());
                let body = post::Body { kind: "text/plain; charset=utf-8", bytes: body };
                webhook::check(&post::post(&self.http, &target, &headers, body, self.time_max).await?)
            }
        }
    }
}

impl Kind {
    fn open(options: &ChannelOptions) -> Result<Self, String> {
        Ok(match options {
            ChannelOptions::Email(options) => Self::Email(Box::new(email::Email::open(options)?)),
            ChannelOptions::Teams { url } => Self::Teams(SharedSource::clone(url)),
            ChannelOptions::Slack { url } => Self::Slack(SharedSource::clone(url)),
            ChannelOptions::Webhook { url, secrets } => {
                Self::Webhook(SharedSource::clone(url), secrets.clone())
            }
            ChannelOptions::Cef { url, secrets } => Self::Cef(SharedSource::clone(url), secrets.clone()),
        })
    }
}

/// Fetches a secret as it is now.
async fn fetch(what: &'static str, source: &SharedSource) -> Result<Secret, ChannelError> {
    source.fetch().await.map_err(|error| ChannelError::Secret { what, source: Box::new(error) })
}

async fn target(url: &SharedSource, http: &Http) -> Result<Target, ChannelError> {
    const WHAT: &str = "the address";
    let url = fetch(WHAT, url).await?;
    Target::parse(&url, http).map_err(|error| {
        let source = match error {
            HttpError::Address { reason } => reason.into(),
            other => Box::new(other) as Box<dyn std::error::Error + Send + Sync>,
        };
        ChannelError::Secret { what: WHAT, source }
    })
}

async fn keys(secrets: &[SharedSource]) -> Result<Vec<webhook::Key>, ChannelError> {
    const WHAT: &str = "the signing secret";
    let mut keys = Vec::with_capacity(secrets.len());
    for secret in secrets {
        let key = webhook::Key::parse(&fetch(WHAT, secret).await?);
        keys.push(key.map_err(|reason| ChannelError::Secret { what: WHAT, source: reason.into() })?);
    }
    Ok(keys)
}

/// Longest quotation of what somebody else wrote, in an error, in characters.
const SHOWN_CHARS_MAX: usize = 200;

/// Shortens and escapes a foreign text for an error.
fn shown(text: &str) -> String {
    encode::log(&cut::fit_line(text.trim(), SHOWN_CHARS_MAX, |text| text.chars().count()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Chain;
    use crate::http::{HttpOptions, Reach};
    use crate::model::AlertSeverity;

    /// A harmless message.
    pub(super) fn message() -> Message {
        Message {
            id: "m-1".to_owned(),
            severity: AlertSeverity::High,
            title: "PsExec fan-out: 2 contained".to_owned(),
            text: "ws-017 wrote 42 files\nws-018 wrote 11 files".to_owned(),
            facts: vec![("Devices".to_owned(), "2".to_owned()), ("Rows".to_owned(), "53".to_owned())],
            playbook: "PsExec fan-out".to_owned(),
            run: "0193c9a2-7b1e-7000-8000-000000000001".to_owned(),
            tenant: "contoso".to_owned(),
            at: "2026-01-10T12:00:00Z".parse().unwrap(),
        }
    }

    /// A message that is far too long everywhere: `①` is the title, `②` the names and `③` the values of facts, `④` the
    /// text and `⑤` where it comes from.
    pub(super) fn endless() -> Message {
        let long = |sign: &str| sign.repeat(9_999);
        Message {
            title: long("①"),
            facts: vec![(long("②"), long("③")); 199],
            text: "④".repeat(300_000),
            playbook: long("⑤"),
            tenant: long("⑤"),
            run: long("⑤"),
            ..message()
        }
    }

    /// Checks that a sink shows at most so much of each piece of [`endless`], and not much less.
    #[track_caller]
    pub(super) fn assert_cut(shown: &str, most: [usize; 5]) {
        for (sign, most) in "①②③④⑤".chars().zip(most) {
            let count = shown.matches(sign).count();
            assert!(count <= most && most * 3 / 5 <= count, "{sign}: {count} of {most}");
        }
    }

    /// An answer of a receiver.
    pub(super) fn reply(status: u16, body: &str) -> post::Reply {
        post::Reply { status, wait: None, body: body.to_owned() }
    }

    #[tokio::test]
    async fn a_wrong_address_is_refused_without_showing_it() {
        let clock: SharedClock = std::sync::Arc::new(crate::clock::SystemClock);
        let http = Http::open(HttpOptions::default(), std::sync::Arc::clone(&clock)).unwrap();
        for url in
            ["http://hooks.example/canary", "canary", "ftp://x.example/canary", "https://a:canary@b.example/"]
        {
            let options = ChannelOptions::Slack { url: std::sync::Arc::new(Secret::new(url.to_owned())) };
            let channel = Channel::open("soc", &options, http.clone(), std::sync::Arc::clone(&clock));
            let error = channel.unwrap().look().await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
            assert_eq!(error.to_string(), "the address cannot be used");
            assert_eq!(error.retry(), Retry::Backoff, "whoever mends it still gets what waits");
        }
    }

    #[test]
    fn a_channel_knows_its_name_and_who_reads_along() {
        let clock: SharedClock = std::sync::Arc::new(crate::clock::SystemClock);
        let http = Http::open(HttpOptions::default(), std::sync::Arc::clone(&clock)).unwrap();
        let url =
            || -> SharedSource { std::sync::Arc::new(Secret::new("https://hooks.example/x".to_owned())) };
        for (options, is_chat) in [
            (ChannelOptions::Teams { url: url() }, true),
            (ChannelOptions::Slack { url: url() }, true),
            (ChannelOptions::Webhook { url: url(), secrets: Vec::new() }, false),
            (ChannelOptions::Cef { url: url(), secrets: Vec::new() }, false),
        ] {
            let clock = std::sync::Arc::clone(&clock);
            let channel = Channel::open("soc", &options, http.clone(), clock).unwrap();
            assert_eq!((channel.name(), channel.is_chat()), ("soc", is_chat), "{options:?}");
        }
    }

    #[tokio::test]
    async fn what_is_to_reach_public_hosts_reaches_no_others() {
        let clock: SharedClock = std::sync::Arc::new(crate::clock::SystemClock);
        let public = HttpOptions { reach: Reach::Public, ..HttpOptions::default() };
        let http = Http::open(public, std::sync::Arc::clone(&clock)).unwrap();
        let looked = async |url: &str| {
            let url = std::sync::Arc::new(Secret::new(url.to_owned()));
            let options = ChannelOptions::Webhook { url, secrets: Vec::new() };
            let channel = Channel::open("soc", &options, http.clone(), std::sync::Arc::clone(&clock));
            channel.unwrap().look().await.map_err(|error| Chain(&error).to_string())
        };
        for host in ["127.0.0.1", "10.0.0.8", "169.254.169.254", "[::1]", "[fd00::1]", "localhost", "0x7f.1"]
        {
            let refused = looked(&format!("https://{host}/canary")).await.unwrap_err();
            assert!(refused.contains("`privateAddresses: true`"), "{host}: {refused}");
            assert!(!refused.contains("canary"), "{refused}");
        }
        assert_eq!(looked("https://hooks.contoso.example/x").await, Ok(()));
    }
}
