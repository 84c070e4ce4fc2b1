//! A server inside the process, reached without a socket.
//!
//! Everything above the network stays as it is: addresses, headers, limits, the retry loop and what an
//! error says. A test of a playbook so costs no port, no connection and no system call.

use std::fmt;
use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;

use super::{HttpError, Request};

/// The body of an answer, piece by piece; an error ends it as a broken connection would.
pub type Pieces = Vec<io::Result<Bytes>>;

/// Carries requests to a server inside the process.
#[async_trait]
pub trait Wire: fmt::Debug + Send + Sync {
    /// Carries one request there and its answer back.
    ///
    /// # Errors
    ///
    /// What the system would say of a connection that broke before the head of an answer: nobody knows
    /// whether the request was acted on.
    async fn carry(&self, request: http::Request<Bytes>) -> io::Result<http::Response<Pieces>>;
}

/// Sends a request over a wire.
pub(super) async fn send(wire: &dyn Wire, request: &Request) -> Result<reqwest::Response, HttpError> {
    let unsent =
        |error: http::Error| HttpError::Connect { request: request.to_string(), source: Box::new(error) };
    let mut message = http::Request::builder()
        .method(request.method().clone())
        .uri(request.address().url().as_str())
        .body(request.bytes().clone())
        .map_err(unsent)?;
    message.headers_mut().clone_from(request.headers());
    let answer = wire
        .carry(message)
        .await
        .map_err(|error| HttpError::Lost { request: request.to_string(), source: Box::new(error) })?;
    let (head, pieces) = answer.into_parts();
    let body = reqwest::Body::wrap_stream(stream::iter(pieces));
    Ok(http::Response::from_parts(head, body).into())
}
