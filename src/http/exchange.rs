//! One attempt: send, check the head, read the body within its limits.

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::body::{self, Body};
use super::wire::{self, Wire};
use super::{EMPTY, Gate, HttpError, Limits, Refusal, Request, retry_after};

/// Longest silence within a body. Rows of a hunt arrive in one go once the query has run; a minute
/// without a byte is a dead peer.
const STALL_MAX: Duration = Duration::from_mins(1);

/// How much of a refusal's body is read. Envelopes are below one kilobyte; gateways send pages.
const REFUSAL_BYTES_MAX: usize = 16 << 10;

/// An answer, read in full.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status, 200 to 299.
    pub status: u16,
    /// The body, decompressed.
    pub body: Bytes,
    headers: HeaderMap,
}

impl Answer {
    pub(super) fn new((status, headers): (u16, HeaderMap), body: Bytes) -> Self {
        Self { status, body, headers }
    }

    /// A header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What tells when it was made, by the server's clock.
pub trait Answered {
    /// The `Date` of the answer, if it has one.
    fn answered_at(&self) -> Option<Timestamp>;
}

impl Answered for Answer {
    fn answered_at(&self) -> Option<Timestamp> {
        date(self.header("date")?)
    }
}

impl Answered for Chunks {
    fn answered_at(&self) -> Option<Timestamp> {
        date(self.header("date")?)
    }
}

/// Reads a date as HTTP writes it.
#[must_use]
pub fn date(text: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()
}

/// A successful answer whose body is still arriving.
#[derive(Debug)]
pub struct Chunks {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
    request: String,
    limits: Limits,
    deadline: Instant,
    read: u64,
}

impl Chunks {
    /// A header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the next piece of the body, decompressed; `None` at its end, which has been checked
    /// against the announced length.
    ///
    /// # Errors
    ///
    /// [`HttpError::Cut`], [`HttpError::Large`], [`HttpError::Padded`], [`HttpError::Late`]. After an error there is
    /// no more.
    pub async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        let until = self.deadline.min(Instant::now() + STALL_MAX);
        let chunk = match tokio::time::timeout_at(until, self.body.next()).await {
            Ok(Ok(chunk)) => chunk,
            Ok(Err(error)) if body::is_padded(&error) => return Err(self.padded()),
            Ok(Err(error)) => {
                return Err(HttpError::Cut { request: self.request.clone(), source: error.into() });
            }
            Err(_elapsed) => {
                return Err(HttpError::Late { request: self.request.clone(), limit: self.limits.time_max });
            }
        };
        let length = chunk.as_ref().map_or(0, Bytes::len);
        self.read = self.read.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        if self.read > self.limits.bytes_max {
            return Err(self.large());
        }
        Ok(chunk)
    }

    /// Reads what is left.
    pub(super) async fn read_all(&mut self) -> Result<Bytes, HttpError> {
        let Some(first) = self.next().await? else { return Ok(EMPTY) };
        let Some(second) = self.next().await? else { return Ok(first) };
        let mut body = BytesMut::from(first);
        body.extend_from_slice(&second);
        while let Some(chunk) = self.next().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// Status and headers.
    pub(super) fn head(&mut self) -> (u16, HeaderMap) {
        (self.status.as_u16(), std::mem::take(&mut self.headers))
    }

    fn large(&self) -> HttpError {
        HttpError::Large { request: self.request.clone(), limit: self.limits.bytes_max }
    }

    fn padded(&self) -> HttpError {
        HttpError::Padded { request: self.request.clone(), limit: self.limits.bytes_max }
    }
}

/// How a request gets to the server.
pub(super) enum Way<'a> {
    /// Over the network.
    Network(reqwest::Client),
    /// Inside the process.
    Wire(&'a dyn Wire),
}

impl Way<'_> {
    async fn send(&self, gate: &dyn Gate, request: &Request) -> Result<reqwest::Response, HttpError> {
        match self {
            Self::Network(client) => {
                let prepared = client
                    .request(request.method().clone(), request.address().url().clone())
                    .headers(request.headers().clone());
                let sent = if request.bytes().is_empty() {
                    prepared.send().await
                } else {
                    send_body(prepared, gate, request).await?
                };
                sent.map_err(|error| unanswered(request, error))
            }
            Self::Wire(wire) => {
                gate.still().await.map_err(|why| withheld(request, why))?;
                wire::send(*wire, request).await
            }
        }
    }
}

/// Sends a request with a body, whose bytes leave when the gate has let them: after the connection was made, which
/// takes seconds where a network is bad, and for ever on a machine that sleeps. A head without the body it announces is
/// no request, so that what the gate refuses has provably not been applied.
async fn send_body(
    prepared: reqwest::RequestBuilder,
    gate: &dyn Gate,
    request: &Request,
) -> Result<Result<reqwest::Response, reqwest::Error>, HttpError> {
    let (asks, asked) = oneshot::channel::<()>();
    let (lets, let_out) = oneshot::channel::<()>();
    let bytes = request.bytes().clone();
    let body = stream::once(async move {
        let heard = asks.send(());
        let let_out = let_out.await;
        heard.and(let_out.ok().ok_or(())).map(|()| bytes).map_err(|()| io::Error::other("withheld"))
    });
    let sent =
        prepared.header(CONTENT_LENGTH, request.bytes().len()).body(reqwest::Body::wrap_stream(body)).send();
    let guarded = async {
        // Nobody asks where no connection came about: the request's own end says why.
        if asked.await.is_err() {
            return Ok(());
        }
        gate.still().await?;
        // Where the connection has broken meanwhile, the request's own end says so.
        let _gone = lets.send(());
        Ok(())
    };
    let (mut sent, mut guarded) = (pin!(sent), pin!(guarded));
    tokio::select! {
        biased;
        refused = &mut guarded => refused.map_err(|why| withheld(request, why))?,
        sent = &mut sent => return Ok(sent),
    }
    Ok(sent.await)
}

fn withheld(request: &Request, why: String) -> HttpError {
    HttpError::Withheld { request: request.to_string(), why }
}

/// Sends `request` and waits for the head of a successful answer.
pub(super) async fn exchange(
    way: Way<'_>,
    gate: &dyn Gate,
    (request, limits): (&Request, &Limits),
    now: Timestamp,
) -> Result<Chunks, HttpError> {
    let deadline = Instant::now() + limits.time_max;
    let mut response = match tokio::time::timeout_at(deadline, way.send(gate, request)).await {
        Ok(sent) => sent?,
        Err(_elapsed) => {
            return Err(HttpError::Late { request: request.to_string(), limit: limits.time_max });
        }
    };
    let announced = response.content_length();
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let chunks = Chunks {
        status,
        body: Body::new(response, &headers, limits.bytes_max),
        headers,
        request: request.to_string(),
        limits: *limits,
        deadline,
        read: 0,
    };
    if !status.is_success() {
        return Err(refused(chunks, now).await);
    }
    match announced {
        Some(length) if limits.bytes_max < length => {
            Err(if chunks.body.is_packed() { chunks.padded() } else { chunks.large() })
        }
        _ => Ok(chunks),
    }
}

/// Sorts a failure before the head: nothing was sent, or nobody knows.
fn unanswered(request: &Request, error: reqwest::Error) -> HttpError {
    let request = request.to_string();
    let connect = error.is_connect();
    let builder = error.is_builder();
    let source = Box::new(error.without_url());
    if connect || builder {
        HttpError::Connect { request, source }
    } else {
        HttpError::Lost { request, source }
    }
}

/// Reads the start of a refusal's body; a body that breaks off or goes on is no matter.
async fn refused(mut chunks: Chunks, now: Timestamp) -> HttpError {
    let mut body = BytesMut::new();
    while body.len() < REFUSAL_BYTES_MAX {
        match chunks.next().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    body.truncate(REFUSAL_BYTES_MAX);
    let (status, headers) = chunks.head();
    let wait = retry_after(headers.get(http::header::RETRY_AFTER).and_then(|v| v.to_str().ok()), &body, now);
    let refusal = Refusal { status, wait, body: body.freeze(), headers };
    HttpError::Refused { request: chunks.request, refusal: Box::new(refusal) }
}
