//! The body of an answer: decompressed, and counted before that.
//!
//! A compressed stream can go on for ever without giving a byte (empty blocks, members without content), so that what
//! is counted after decompression alone has no end but time.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_compression::tokio::bufread::GzipDecoder;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::StreamReader;

/// The compression that is understood, as requests say and answers name it.
pub(super) const ENCODING: HeaderValue = HeaderValue::from_static("gzip");

/// How much is decompressed at once: a few pieces of the network's.
const PIECE_BYTES: usize = 32 << 10;

/// What arrives.
type Arriving = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A body that is still arriving.
pub(super) enum Body {
    /// As it is.
    Plain(Arriving),
    /// To be decompressed, and whether anything of it has arrived.
    Packed(Box<GzipDecoder<StreamReader<Arriving, Bytes>>>, Arc<AtomicBool>),
}

impl Body {
    /// The body of an answer with these headers, of which at most `bytes_max` are read if they are compressed.
    pub(super) fn new(response: reqwest::Response, headers: &HeaderMap, bytes_max: u64) -> Self {
        // An answer to HEAD, and one without a body, tell how it would be compressed.
        let is_empty = response.content_length() == Some(0);
        let named = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
        let is_packed = named.is_some_and(|name| name.eq_ignore_ascii_case(ENCODING.as_bytes()));
        let arriving = response.bytes_stream().map_err(|error| io::Error::other(error.without_url()));
        if is_empty || !is_packed {
            return Self::Plain(Box::pin(arriving));
        }
        let (mut left, has_begun) = (bytes_max, Arc::new(AtomicBool::new(false)));
        let begins = Arc::clone(&has_begun);
        let counted = arriving.map(move |piece| {
            let piece = piece?;
            let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            begins.fetch_or(0 < length, Ordering::Relaxed);
            left = left.checked_sub(length).ok_or_else(|| io::Error::other(Padded))?;
            Ok(piece)
        });
        let mut decoder = GzipDecoder::new(StreamReader::new(Box::pin(counted) as Arriving));
        decoder.multiple_members(true);
        Self::Packed(Box::new(decoder), has_begun)
    }

    /// Whether it is compressed.
    pub(super) const fn is_packed(&self) -> bool {
        matches!(self, Self::Packed(..))
    }

    /// The next piece, decompressed; `None` at the end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match self {
            Self::Plain(arriving) => arriving.try_next().await,
            Self::Packed(decoder, has_begun) => {
                let mut piece = BytesMut::with_capacity(PIECE_BYTES);
                match decoder.read_buf(&mut piece).await {
                    Ok(read) => Ok((0 < read).then(|| piece.freeze())),
                    // Nothing at all is an empty body, and not half a compressed one.
                    Err(error)
                        if error.kind() == io::ErrorKind::UnexpectedEof
                            && !has_begun.load(Ordering::Relaxed) =>
                    {
                        Ok(None)
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_packed() { "Packed(..)" } else { "Plain(..)" })
    }
}

/// More arrived than may.
#[derive(Debug, thiserror::Error)]
#[error("it is larger on the wire than it may be")]
struct Padded;

/// Whether a body was given up because more of it arrived than may.
pub(super) fn is_padded(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Padded>()).is_some()
}
