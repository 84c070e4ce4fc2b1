//! One pass over the outbox.
//!
//! Channels are worked off side by side, the messages of one channel one after another. A channel in
//! trouble (dead, throttled, wrong password) ends its turn at the first failure and its other messages
//! are held, so that it costs one time limit a pass and keeps no other channel waiting. A message that
//! is itself at fault goes to the dead letters at once, and the next one has its turn.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};

use super::Stored;
use super::schedule::{AGE_MAX, schedule_after};
use crate::channel::{Channel, ChannelError, Retry};
use crate::diag::Chain;
use crate::fault::crash_point;
use crate::store::{Store, StoreError, Waiting};

/// The channels of the settings, by name.
pub type Channels = BTreeMap<String, Channel>;

/// Most channels worked off at the same time. Each holds one connection and one message.
const CHANNELS_MAX: usize = 8;

/// Longest time a channel in trouble is left alone. Its first message follows the schedule; the others
/// are tried again after at most this, so that they go out soon after it has recovered.
const HOLD_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Longest wait a receiver may ask for; more is the schedule's last step anyway.
const WAIT_MAX: SignedDuration = SignedDuration::from_hours(24);

/// The outbox could not be worked off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The journal failed; messages that went out meanwhile may go out again.
    #[error("the outbox cannot be worked off")]
    Store(#[source] StoreError),
}

/// A message that did not go out in a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// Its identity.
    pub id: String,
    /// Its channel.
    pub channel: String,
    /// Why; holds no secret.
    pub reason: String,
    /// When it is tried again; `None` if it has become a dead letter.
    pub next_at: Option<Timestamp>,
}

/// What a pass did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryReport {
    /// Messages that went out, by channel, in the order they were due.
    pub delivered: Vec<(String, String)>,
    /// Messages that did not.
    pub undelivered: Vec<Undelivered>,
    /// Messages left alone because their channel is in trouble.
    pub held: usize,
}

/// Sends the messages whose time has come, at most `limit`, and notes what became of each. While the journal takes no
/// writes nothing is sent: what cannot be noted as sent would go out again with each pass.
///
/// # Errors
///
/// [`NotifyError::Store`] if the journal fails. Every channel's turn has ended when it is returned.
///
/// # Cancellation
///
/// Dropping the future is safe: a message on its way stays in the outbox and is sent again.
pub async fn deliver_due(
    store: &Store,
    channels: &Channels,
    limit: u32,
) -> Result<DeliveryReport, NotifyError> {
    if store.unwritten().is_some() {
        store.try_write().await.map_err(NotifyError::Store)?;
    }
    let due = async { store.due(store.time().await?, limit).await };
    let due = due.await.map_err(NotifyError::Store)?;
    let mut turns: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
    for message in due {
        turns.entry(message.channel.clone()).or_default().push(message);
    }
    let turns = turns.into_iter().map(|(name, messages)| {
        let desk = Desk { store, channel: channels.get(&name), name };
        async move { desk.work_off(messages).await }
    });
    let ended: Vec<_> = futures_util::stream::iter(turns).buffer_unordered(CHANNELS_MAX).collect().await;
    let mut report = DeliveryReport::default();
    for turn in ended {
        let turn = turn.map_err(NotifyError::Store)?;
        report.delivered.extend(turn.delivered);
        report.undelivered.extend(turn.undelivered);
        report.held += turn.held;
    }
    // Turns end in any order; the report has one.
    report.delivered.sort_by(|one, other| one.0.cmp(&other.0));
    report.undelivered.sort_by(|one, other| one.channel.cmp(&other.channel));
    Ok(report)
}

/// One channel's turn.
struct Desk<'a> {
    store: &'a Store,
    name: String,
    channel: Option<&'a Channel>,
}

/// What became of one message.
enum Fate {
    /// It went out.
    Delivered,
    /// It will never go out.
    Dead { reason: String, channel: Trouble },
    /// It is tried again.
    Later { reason: String, next_at: Timestamp, channel: Trouble },
}

/// Whether the other messages of the channel may go on.
enum Trouble {
    /// Only this message failed.
    None,
    /// The channel is left alone until then.
    Until(Timestamp),
}

impl Desk<'_> {
    /// Sends message after message until one shows that the channel is in trouble.
    async fn work_off(&self, messages: Vec<Waiting>) -> Result<DeliveryReport, StoreError> {
        let mut report = DeliveryReport::default();
        let mut left = messages.into_iter();
        while let Some(message) = left.next() {
            let fate = self.deliver(&message).await?;
            if let Some(until) = self.record(message, fate, &mut report).await? {
                self.store.hold_channel(&self.name, until).await?;
                report.held = left.len();
                break;
            }
        }
        Ok(report)
    }

    /// Tries one message.
    async fn deliver(&self, waiting: &Waiting) -> Result<Fate, StoreError> {
        let message = match Stored::read(&waiting.body) {
            Ok(message) => message,
            Err(reason) => return Ok(Fate::Dead { reason, channel: Trouble::None }),
        };
        let Some(channel) = self.channel else {
            // Whoever took it out of the settings may put it back within the schedule.
            let reason = format!("no channel `{}` in the settings", self.name);
            let failure = Failure { retry: Retry::Backoff, of_channel: true };
            return Ok(decide(waiting, reason, failure, self.store.time().await?));
        };
        match channel.send(&message).await {
            Ok(_delivered) => {
                crash_point("c27_notify_sent");
                Ok(Fate::Delivered)
            }
            Err(error) => {
                let (reason, failure) = (Chain(&error).to_string(), Failure::of(&error));
                Ok(decide(waiting, reason, failure, self.store.time().await?))
            }
        }
    }

    /// Notes what became of a message; returns until when the channel is to be left alone.
    async fn record(
        &self,
        message: Waiting,
        fate: Fate,
        report: &mut DeliveryReport,
    ) -> Result<Option<Timestamp>, StoreError> {
        let Waiting { id, channel, attempts, reason: last_reason, .. } = message;
        match fate {
            Fate::Delivered => {
                self.store.delivered(&id).await?;
                report.delivered.push((channel, id));
                Ok(None)
            }
            Fate::Dead { reason, channel: trouble } => {
                tracing::error!(channel, message = id, reason, "a message is given up");
                self.store.dead(&id, &reason).await?;
                report.undelivered.push(Undelivered { id, channel, reason, next_at: None });
                Ok(trouble.until())
            }
            Fate::Later { reason, next_at, channel: trouble } => {
                // The same failure again is no news.
                if last_reason.as_deref() != Some(reason.as_str()) {
                    tracing::warn!(channel, message = id, attempts, reason, "a message is tried again later");
                }
                self.store.failed(&id, next_at, &reason).await?;
                report.undelivered.push(Undelivered { id, channel, reason, next_at: Some(next_at) });
                Ok(trouble.until())
            }
        }
    }
}

impl Trouble {
    const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::None => None,
            Self::Until(until) => Some(*until),
        }
    }
}

/// What a failed attempt says.
#[derive(Debug, Clone, Copy)]
struct Failure {
    retry: Retry,
    of_channel: bool,
}

impl Failure {
    fn of(error: &ChannelError) -> Self {
        Self { retry: error.retry(), of_channel: error.concerns_channel() }
    }
}

/// Decides what becomes of a message whose attempt failed.
fn decide(waiting: &Waiting, reason: String, failure: Failure, now: Timestamp) -> Fate {
    let asked = match failure.retry {
        Retry::Never => return Fate::Dead { reason, channel: Trouble::None },
        Retry::After(wait) => wait.min(WAIT_MAX),
        Retry::Backoff => SignedDuration::ZERO,
    };
    let age = waiting.enqueued.duration_until(now);
    let scheduled = schedule_after(waiting.attempts.saturating_add(1)).filter(|_wait| age < AGE_MAX);
    let hold = scheduled.unwrap_or(HOLD_MAX).min(HOLD_MAX).max(asked);
    let channel = if failure.of_channel { Trouble::Until(after(now, hold)) } else { Trouble::None };
    let Some(scheduled) = scheduled else {
        let attempts = waiting.attempts.saturating_add(1);
        let reason = format!("{reason} (given up after {attempts} attempts in {} h)", age.as_hours());
        return Fate::Dead { reason, channel };
    };
    Fate::Later { reason, next_at: after(now, scheduled.max(asked)), channel }
}

/// An instant later than `now`.
fn after(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-10T12:00:00Z".parse().unwrap()
    }

    fn waiting(attempts: u32, age: SignedDuration) -> Waiting {
        Waiting {
            id: "m".to_owned(),
            run: None,
            channel: "soc".to_owned(),
            body: serde_json::Value::Null,
            attempts,
            enqueued: now() - age,
            reason: None,
        }
    }

    #[track_caller]
    fn check(attempts: u32, failure: Failure, expect: &str) {
        let fate = decide(&waiting(attempts, SignedDuration::ZERO), "why".to_owned(), failure, now());
        let wait = |until: Timestamp| format!("{:#}", now().duration_until(until));
        let (got, trouble) = match fate {
            Fate::Delivered => ("delivered".to_owned(), Trouble::None),
            Fate::Dead { reason, channel } => (format!("dead: {reason}"), channel),
            Fate::Later { next_at, channel, .. } => (format!("in {}", wait(next_at)), channel),
        };
        let others = trouble.until().map(|until| format!(", others in {}", wait(until))).unwrap_or_default();
        let got = got + others.as_str();
        assert_eq!(got, expect);
    }

    #[test]
    fn a_message_at_fault_dies_and_a_channel_at_fault_is_left_alone() {
        let backoff = Failure { retry: Retry::Backoff, of_channel: true };
        check(0, Failure { retry: Retry::Never, of_channel: false }, "dead: why");
        check(0, backoff, "in 5s, others in 5s");
        check(2, backoff, "in 30m, others in 5m");
        check(8, backoff, "in 24h, others in 5m");
        check(9, backoff, "dead: why (given up after 10 attempts in 0 h), others in 5m");
        check(0, Failure { retry: Retry::Backoff, of_channel: false }, "in 5s");
    }

    #[test]
    fn the_longer_wait_of_receiver_and_schedule_counts() {
        let asked = |secs| Failure { retry: Retry::After(SignedDuration::from_secs(secs)), of_channel: true };
        check(0, asked(60), "in 1m, others in 1m");
        check(2, asked(60), "in 30m, others in 5m");
        check(0, asked(9_999_999), "in 24h, others in 24h");
    }

    #[test]
    fn an_old_message_ends_with_its_schedule_even_if_it_was_held() {
        let old = waiting(1, AGE_MAX);
        let failure = Failure { retry: Retry::Backoff, of_channel: true };
        let Fate::Dead { reason, .. } = decide(&old, "why".to_owned(), failure, now()) else {
            panic!("not dead")
        };
        assert_eq!(reason, "why (given up after 2 attempts in 76 h)");
    }
}
