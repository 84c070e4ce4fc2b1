//! How a request fails, whether it may pass, whether it may have been applied.

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use jiff::SignedDuration;

/// Whether a failure may pass on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It will not: somebody has to change something.
    Never,
    /// The other side names the time after which it may.
    After(SignedDuration),
    /// It may, nobody says when.
    Backoff,
}

/// Whether the other side may have done what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// Certainly not.
    No,
    /// Nobody can tell from here.
    Unknown,
}

/// What stands behind an error, in the words of the library below.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A request that failed. Says the method, origin and route, nothing that could be secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The options cannot be used.
    #[error("the HTTP options cannot be used: {reason}")]
    Options {
        /// Which, and why.
        reason: &'static str,
        /// What the library says.
        #[source]
        source: Option<Cause>,
    },
    /// An address is malformed or not allowed. It is not shown.
    #[error("the address cannot be used: {reason}")]
    Address {
        /// Why.
        reason: &'static str,
    },
    /// A header's name or value is not one.
    #[error("a header of the request is invalid")]
    Header,
    /// A body has no JSON form.
    #[error("the body of the request cannot be encoded")]
    Body(#[source] serde_json::Error),
    /// It was not sent, because somebody said no right before.
    #[error("`{request}` was not sent: {why}")]
    Withheld {
        /// The request.
        request: String,
        /// Why.
        why: String,
    },
    /// No connection came about: name, network, proxy or TLS.
    #[error("`{request}` found no connection")]
    Connect {
        /// The request.
        request: String,
        /// What the library says.
        #[source]
        source: Cause,
    },
    /// The request was sent, at least in part, and no answer came.
    #[error("`{request}` was sent and no answer came")]
    Lost {
        /// The request.
        request: String,
        /// What the library says.
        #[source]
        source: Cause,
    },
    /// The attempt's time was up.
    #[error("`{request}` took longer than {} s", limit.as_secs_f64())]
    Late {
        /// The request.
        request: String,
        /// The time it had.
        limit: std::time::Duration,
    },
    /// The answer broke off.
    #[error("the answer to `{request}` broke off")]
    Cut {
        /// The request.
        request: String,
        /// What the library says.
        #[source]
        source: Cause,
    },
    /// The answer is larger than allowed.
    #[error("the answer to `{request}` is larger than {limit} bytes")]
    Large {
        /// The request.
        request: String,
        /// The bytes it had.
        limit: u64,
    },
    /// The answer is compressed, and on the wire already larger than it may be.
    #[error("the answer to `{request}` is larger than {limit} bytes on the wire, compressed")]
    Padded {
        /// The request.
        request: String,
        /// The bytes it had.
        limit: u64,
    },
    /// The last attempt was refused, and an earlier one got no answer: that one may have been applied.
    #[error("an earlier attempt got no answer and may have been applied; the last one failed")]
    Doubtful(#[source] Box<Self>),
    /// The answer is not a success.
    #[error("`{request}` was answered with status {}", refusal.status)]
    Refused {
        /// The request.
        request: String,
        /// The answer.
        refusal: Box<Refusal>,
    },
}

impl HttpError {
    pub(super) const fn address(reason: &'static str) -> Self {
        Self::Address { reason }
    }

    /// Classifies the failure. This is the only place that decides it.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Options { .. }
            | Self::Address { .. }
            | Self::Header
            | Self::Body(_)
            | Self::Withheld { .. }
            | Self::Large { .. }
            | Self::Padded { .. } => Retry::Never,
            Self::Connect { .. } | Self::Lost { .. } | Self::Late { .. } | Self::Cut { .. } => Retry::Backoff,
            Self::Doubtful(last) => last.retry(),
            Self::Refused { refusal, .. } => refusal.retry(),
        }
    }

    /// Whether the request may have been applied nevertheless.
    #[must_use]
    pub fn applied(&self) -> Applied {
        match self {
            Self::Options { .. }
            | Self::Address { .. }
            | Self::Header
            | Self::Body(_)
            | Self::Withheld { .. }
            | Self::Connect { .. } => Applied::No,
            Self::Lost { .. }
            | Self::Late { .. }
            | Self::Cut { .. }
            | Self::Large { .. }
            | Self::Padded { .. }
            | Self::Doubtful(_) => Applied::Unknown,
            Self::Refused { refusal, .. } => refusal.applied(),
        }
    }

    /// The answer, if there was one and it was not a success.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            Self::Doubtful(last) => last.refusal(),
            _ => None,
        }
    }
}

/// An answer that is not a success (not 2xx).
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// How long to wait, if the answer says: `Retry-After` in seconds or as a date, or a sentence of
    /// the body.
    pub wait: Option<SignedDuration>,
    /// The start of the body. Written by somebody else; may be empty, HTML, anything.
    pub body: Bytes,
    pub(super) headers: HeaderMap,
}

impl Refusal {
    /// A header of the answer, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether it may pass: throttled, locked, changed by somebody else meanwhile, or the server's own trouble.
    fn retry(&self) -> Retry {
        match self.status {
            408 | 409 | 412 | 423 | 425 | 429 | 500 | 502 | 503 | 504 | 509 => {
                self.wait.map_or(Retry::Backoff, Retry::After)
            }
            _ => Retry::Never,
        }
    }

    /// A server that refuses (4xx) has not applied; one that stumbles (5xx), or whose patience ran
    /// out (408), may have.
    const fn applied(&self) -> Applied {
        match self.status {
            408 => Applied::Unknown,
            300..=499 => Applied::No,
            _ => Applied::Unknown,
        }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({}, {} bytes)", self.status, self.body.len())
    }
}
