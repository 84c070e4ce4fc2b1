//! One outgoing request: where it may go, how long and how big it may get, when it is repeated.
//!
//! Every call of the process to another machine goes through [`Http`]. It follows no redirect,
//! keeps no cookie, speaks plain HTTP to loopback only, counts the bytes of answers on the wire and
//! decoded, and holds the only retry loop there is. What it shows of a request (errors, logs, `Debug`) is the method, the origin
//! and the route; secrets in headers, queries, bodies and webhook addresses stay inside.
//!
//! Waits go through the injected [`Clock`](crate::clock::Clock); the deadline of one attempt is the
//! machine's own, because the network does not follow a clock that stands still.

mod address;
mod body;
mod error;
mod exchange;
mod gate;
mod pool;
mod public;
mod request;
mod retry;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

pub use address::Address;
pub use error::{Applied, HttpError, Refusal, Retry};
pub use exchange::{Answer, Answered, Chunks, date};
pub use gate::{Gate, Open};
pub use public::WIRESERVER;
pub use request::Request;
pub use retry::{Jitter, retry_after};
pub use wire::{Pieces, Wire};

use crate::clock::SharedClock;
use crate::fault::crash_point;
use crate::model::Secret;
use pool::Pool;
use retry::Patience;

/// Most bytes of an ordinary answer, on the wire and decoded. The largest page of incidents with their alerts seen in
/// practice is a few megabytes; ten times that is a mistake or an attack.
pub const BYTES_MAX: u64 = 32 << 20;

/// Longest one ordinary attempt may take, from the first packet to the last byte.
pub const TIME_MAX: Duration = Duration::from_mins(1);

/// Longest time to find out whether a server answers: a person waits for it.
const REACH_TIME_MAX: Duration = Duration::from_secs(10);

/// What one attempt may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the body: after decompression, and on the wire before it. What is compressed to more than it
    /// may be large is not meant to be read: a stream of nothing has no end.
    pub bytes_max: u64,
    /// Longest time from the first packet to the last byte, the connection included. Waits between
    /// attempts do not count.
    pub time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: BYTES_MAX, time_max: TIME_MAX }
    }
}

/// Whether a request may be sent again when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing, or the same thing twice: repeated after throttling, server errors and
    /// broken connections.
    Safe,
    /// As safe, but what it says was read before: it is not repeated when somebody has changed that (409, 412).
    Merged,
    /// Twice would be wrong: repeated only when it provably was not applied (429, or no connection
    /// came about). Sent on a connection of its own, so that a stale one cannot swallow it.
    Unsafe,
    /// Sent once. For callers that keep their own outbox.
    Never,
}

/// Which hosts are talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Any.
    #[default]
    Anywhere,
    /// Those with public addresses. Whoever chooses an address must not get at what only this machine reaches. What
    /// a proxy connects to is the proxy's to decide.
    Public,
}

/// How the process talks to other machines.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Certificates (PEM, any number) trusted beside the system's.
    pub extra_ca: Vec<u8>,
    /// The proxy for everything but loopback; it may carry a password. `None` goes directly: the
    /// environment is not read here.
    pub proxy: Option<Secret>,
    /// The `User-Agent`.
    pub user_agent: String,
    /// Seed of the jitter; `None` draws one.
    pub seed: Option<u64>,
    /// Which hosts are talked to.
    pub reach: Reach,
    /// What carries every request in place of the network: nothing leaves the process then.
    pub wire: Option<Arc<dyn Wire>>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            extra_ca: Vec::new(),
            proxy: None,
            user_agent: concat!("huntbook/", env!("CARGO_PKG_VERSION")).to_owned(),
            seed: None,
            reach: Reach::Anywhere,
            wire: None,
        }
    }
}

/// The door to other machines. Cheap to clone; connections are shared by the clones.
#[derive(Debug, Clone)]
pub struct Http(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: Pool,
    wire: Option<Arc<dyn Wire>>,
    jitter: Jitter,
    clock: SharedClock,
}

impl Http {
    /// Prepares the door. Opens no connection.
    ///
    /// # Errors
    ///
    /// [`HttpError::Options`] if a certificate or the proxy's address cannot be read.
    pub fn open(options: HttpOptions, clock: SharedClock) -> Result<Self, HttpError> {
        let jitter = options.seed.map_or_else(Jitter::random, Jitter::seeded);
        let wire = options.wire.clone();
        Ok(Self(Arc::new(Inner { pool: Pool::open(options)?, wire, jitter, clock })))
    }

    /// Sends a request and reads its answer, which is a success (2xx).
    ///
    /// # Errors
    ///
    /// Every other status is [`HttpError::Refused`]. See [`HttpError::retry`] and
    /// [`HttpError::applied`] for what may be done next; the repeats `repeat` allows have been made.
    ///
    /// # Cancellation
    ///
    /// Dropping the future abandons the request; it may have arrived.
    pub async fn send(
        &self,
        request: &Request,
        repeat: Repeat,
        limits: &Limits,
    ) -> Result<Answer, HttpError> {
        self.send_through(&Open, request, repeat, limits).await
    }

    /// The same for a request that may come too late, or be stopped: `gate` is asked right before each sending.
    ///
    /// # Errors
    ///
    /// As [`Http::send`]; [`HttpError::Withheld`] if the gate was shut.
    ///
    /// # Cancellation
    ///
    /// As [`Http::send`].
    pub async fn send_through(
        &self,
        gate: &dyn Gate,
        request: &Request,
        repeat: Repeat,
        limits: &Limits,
    ) -> Result<Answer, HttpError> {
        let mut patience = Patience::new(repeat);
        loop {
            let tried = match gate.pass().await {
                Ok(()) => {
                    at_change(request, || crash_point("c11_let_pass"));
                    let tried = self.exchange(gate, request, repeat, limits).await;
                    gate.heard(tried.as_ref().err());
                    tried
                }
                Err(why) => Err(HttpError::Withheld { request: request.to_string(), why }),
            };
            match tried {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    let given_up = self.wait_or_give_up(error, &mut patience, gate.until()).await;
                    given_up.map_err(|last| if request.is_read() { last } else { patience.verdict(last) })?;
                }
            }
        }
    }

    /// Sends the request once, and reads its successful answer.
    async fn exchange(
        &self,
        gate: &dyn Gate,
        request: &Request,
        repeat: Repeat,
        limits: &Limits,
    ) -> Result<Answer, HttpError> {
        let mut chunks = self.attempt(gate, (request, repeat), limits).await?;
        at_change(request, || crash_point("c12_head_received"));
        let body = chunks.read_all().await?;
        at_change(request, || crash_point("c13_body_received"));
        Ok(Answer::new(chunks.head(), body))
    }

    /// Sends a request that may be repeated, and gives its successful answer piece by piece.
    ///
    /// The repeats end with the answer's head: a body that breaks off is the reader's to handle,
    /// because pieces of it have been read. `gate` is asked right before each sending.
    ///
    /// # Errors
    ///
    /// As [`Http::send_through`]; [`Chunks::next`] has its own.
    pub async fn stream_through(
        &self,
        gate: &dyn Gate,
        request: &Request,
        limits: &Limits,
    ) -> Result<Chunks, HttpError> {
        let mut patience = Patience::new(Repeat::Safe);
        loop {
            let tried = match gate.pass().await {
                Ok(()) => {
                    let tried = self.attempt(gate, (request, Repeat::Safe), limits).await;
                    gate.heard(tried.as_ref().err());
                    tried
                }
                Err(why) => Err(HttpError::Withheld { request: request.to_string(), why }),
            };
            match tried {
                Ok(chunks) => return Ok(chunks),
                Err(error) => self.wait_or_give_up(error, &mut patience, gate.until()).await?,
            }
        }
    }

    /// Whether an address may be talked to, as far as it says by itself: a name is looked at when it is resolved.
    ///
    /// # Errors
    ///
    /// [`HttpError::Address`] if it is out of reach.
    pub fn allow(&self, address: &Address) -> Result<(), HttpError> {
        match self.0.wire {
            Some(_) => Ok(()),
            None => self.0.pool.allow(address),
        }
    }

    /// Finds out whether an address's server answers, without asking anything of the address itself: once,
    /// and any answer will do.
    ///
    /// # Errors
    ///
    /// Why there was no answer.
    pub async fn reach(&self, address: &Address) -> Result<(), HttpError> {
        let request = Request::new(http::Method::HEAD, address.origin());
        let limits = Limits { time_max: REACH_TIME_MAX, ..Limits::default() };
        match self.send(&request, Repeat::Never, &limits).await {
            Ok(_) | Err(HttpError::Refused { .. } | HttpError::Large { .. } | HttpError::Padded { .. }) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Sends the request once, as far as the head of a successful answer.
    async fn attempt(
        &self,
        gate: &dyn Gate,
        (request, repeat): (&Request, Repeat),
        limits: &Limits,
    ) -> Result<Chunks, HttpError> {
        let way = match &self.0.wire {
            Some(wire) => exchange::Way::Wire(&**wire),
            None => exchange::Way::Network(self.0.pool.client(request.address(), repeat)?),
        };
        exchange::exchange(way, gate, (request, limits), self.0.clock.now()).await
    }

    /// Waits if the error may pass, there is patience left and it is not too late then; else gives the error
    /// back.
    async fn wait_or_give_up(
        &self,
        error: HttpError,
        patience: &mut Patience,
        until: Option<Timestamp>,
    ) -> Result<(), HttpError> {
        let Some(wait) = patience.next_wait(&error, &self.0.jitter) else {
            return Err(error);
        };
        if until.is_some_and(|until| self.0.clock.now().duration_until(until) <= wait) {
            return Err(error);
        }
        log_repeat(&error, wait);
        self.0.clock.sleep(wait).await;
        Ok(())
    }
}

/// Leaves a trace of a repeat, for whoever wonders where the time went.
fn log_repeat(error: &HttpError, wait: SignedDuration) {
    tracing::debug!(error = %crate::diag::Chain(error), wait_s = wait.as_secs_f64(), "a request is repeated");
}

/// The bytes of an answer that has none.
const EMPTY: Bytes = Bytes::new();

/// A place where a test may make the process die, if the request changes something.
fn at_change(request: &Request, point: impl FnOnce()) {
    if !request.is_read() {
        point();
    }
}
