//! Why a message did not go out, and whether to try again.

use std::time::Duration;

use jiff::SignedDuration;

use crate::http::Retry;

/// A message that did not go out, or a channel that cannot be opened.
///
/// No variant holds an address, a password or the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The settings of the channel are wrong.
    #[error("channel `{channel}` is set up wrong: {reason}")]
    Settings {
        /// Name of the channel.
        channel: String,
        /// What is wrong; holds no secret.
        reason: String,
    },
    /// The receiver does not take this message, and never will.
    #[error("the receiver refused the message: {answer}")]
    Refused {
        /// What the receiver said, shortened and escaped.
        answer: String,
    },
    /// The receiver asks not to be called again (410).
    #[error("the receiver has shut this address down")]
    Gone,
    /// The receiver does not take our address, login or key; somebody must mend the settings.
    #[error("the receiver did not let us in: {answer}")]
    NotAllowed {
        /// What the receiver said, shortened and escaped.
        answer: String,
    },
    /// The receiver asks us to slow down.
    #[error("the receiver asks to slow down")]
    Throttled {
        /// How long it asks us to wait, if it says.
        wait: Option<SignedDuration>,
    },
    /// The receiver answered that it is in trouble, or in words we do not take for success.
    #[error("the receiver failed: {answer}")]
    Failed {
        /// What the receiver said, shortened and escaped.
        answer: String,
        /// How long it asks us to wait, if it says.
        wait: Option<SignedDuration>,
    },
    /// The receiver could not be reached, or the connection broke.
    #[error("the receiver could not be reached")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The receiver did not finish in time. The message may have arrived.
    #[error("the receiver did not answer within {:#}", .0)]
    TimedOut(SignedDuration),
    /// A secret of the channel is not to be had, or is none. Nothing was sent.
    #[error("{what} cannot be used")]
    Secret {
        /// Which.
        what: &'static str,
        /// Why; holds no secret.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The message could not be put into the sink's form.
    #[error("the message could not be written")]
    Compose(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ChannelError {
    /// A receiver that used up its time.
    pub(super) fn late(limit: Duration) -> Self {
        Self::TimedOut(SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX))
    }

    /// Classifies the failure. This is the only place that decides it.
    ///
    /// A rejected login or address is tried again by schedule: the message is not at fault, and whoever
    /// mends the settings within the schedule (three days) still gets it.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Settings { .. } | Self::Refused { .. } | Self::Gone | Self::Compose(_) => Retry::Never,
            Self::Throttled { wait: Some(wait) } | Self::Failed { wait: Some(wait), .. } => {
                Retry::After(*wait)
            }
            Self::Throttled { wait: None }
            | Self::Failed { wait: None, .. }
            | Self::NotAllowed { .. }
            | Self::Secret { .. }
            | Self::Transport(_)
            | Self::TimedOut(_) => Retry::Backoff,
        }
    }

    /// Whether the channel as a whole is in trouble, so that the next message would fail as well.
    #[must_use]
    pub const fn concerns_channel(&self) -> bool {
        match self {
            Self::Settings { .. }
            | Self::Gone
            | Self::NotAllowed { .. }
            | Self::Throttled { .. }
            | Self::Failed { .. }
            | Self::Secret { .. }
            | Self::Transport(_)
            | Self::TimedOut(_) => true,
            Self::Refused { .. } | Self::Compose(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the same message is tried again, and whether the next one would fail as well.
    #[track_caller]
    fn check(error: &ChannelError, expect: (Retry, bool)) {
        assert_eq!((error.retry(), error.concerns_channel()), expect, "{error}");
    }

    #[test]
    fn a_failure_says_what_it_holds_up() {
        let answer = String::new;
        let seven = SignedDuration::from_secs(7);
        let reason = || Box::<dyn std::error::Error + Send + Sync>::from("no");
        let settings = ChannelError::Settings { channel: "soc".to_owned(), reason: "no".to_owned() };
        check(&settings, (Retry::Never, true));
        check(&ChannelError::Gone, (Retry::Never, true));
        check(&ChannelError::Refused { answer: answer() }, (Retry::Never, false));
        check(&ChannelError::Compose(reason()), (Retry::Never, false));
        check(&ChannelError::NotAllowed { answer: answer() }, (Retry::Backoff, true));
        check(&ChannelError::Throttled { wait: None }, (Retry::Backoff, true));
        check(&ChannelError::Throttled { wait: Some(seven) }, (Retry::After(seven), true));
        check(&ChannelError::Failed { answer: answer(), wait: None }, (Retry::Backoff, true));
        check(&ChannelError::Failed { answer: answer(), wait: Some(seven) }, (Retry::After(seven), true));
        check(&ChannelError::Transport(reason()), (Retry::Backoff, true));
        check(&ChannelError::Secret { what: "the address", source: reason() }, (Retry::Backoff, true));
        check(&ChannelError::late(Duration::from_secs(7)), (Retry::Backoff, true));
        let late = ChannelError::late(Duration::from_secs(7));
        assert_eq!(late.to_string(), "the receiver did not answer within 7s");
    }
}
