//! Answers before they are HTTP: status, headers, and a body in pieces that are never copied together.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use futures_util::{StreamExt as _, stream};
use jiff::SignedDuration;
use serde_json::Value;

use crate::clock::{Clock as _, SystemClock};

/// How long a cut body waits before the connection ends, so that what was promised has left. Shorter
/// loses the promised bytes on a busy machine; longer only makes tests slow.
const CUT_PAUSE: SignedDuration = SignedDuration::from_millis(50);

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<Bytes>,
}

impl Reply {
    /// An answer without a body.
    pub(super) const fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// An answer of JSON.
    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self::pieces(status, vec![Bytes::from(body.to_string())])
    }

    /// An answer of JSON that comes in pieces.
    pub(super) fn pieces(status: StatusCode, body: Vec<Bytes>) -> Self {
        Self::typed(status, "application/json; charset=utf-8", body)
    }

    /// An answer of plain text.
    pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::typed(status, "text/plain; charset=utf-8", vec![body.into()])
    }

    /// An answer of a media type.
    pub(super) fn typed(status: StatusCode, media: &'static str, body: Vec<Bytes>) -> Self {
        Self { status, headers: vec![(CONTENT_TYPE, HeaderValue::from_static(media))], body }
    }

    /// Adds a header; a value that HTTP does not allow is left out.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Length of the body in bytes.
    pub(super) fn length(&self) -> u64 {
        self.body.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Turns the answer into HTTP.
    pub(super) fn into_response(self) -> Response<Body> {
        let length = self.length();
        let body = Body::from_stream(stream::iter(self.body.into_iter().map(Ok::<_, std::io::Error>)));
        respond(self.status, self.headers, length, body)
    }

    /// Turns the answer into HTTP that promises the whole body and ends the connection after `bytes`.
    pub(super) fn into_cut_response(self, bytes: u64) -> Response<Body> {
        let length = self.length();
        let mut left = bytes.min(length.saturating_sub(1));
        let mut kept = Vec::new();
        for mut piece in self.body {
            let take = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            piece.truncate(take);
            left -= take as u64;
            kept.push(Ok(piece));
        }
        let end = stream::once(async {
            SystemClock.sleep(CUT_PAUSE).await;
            Err(std::io::Error::other("the body was cut"))
        });
        // An empty body cannot be cut short: promise one byte and send none.
        respond(self.status, self.headers, length.max(1), Body::from_stream(stream::iter(kept).chain(end)))
    }
}

/// Puts an answer together. The length is stated, so that a client sees when bytes are missing.
fn respond(
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    length: u64,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().extend(headers);
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// Waits as a slow network does: in the machine's time, whatever the tenant's clock says.
pub(super) async fn lag(length: Duration) {
    if !length.is_zero() {
        SystemClock.sleep(SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX)).await;
    }
}
