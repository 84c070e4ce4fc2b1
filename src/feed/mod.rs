//! Feeds: rows of a CSV or JSON document that somebody else keeps.
//!
//! A feed is read whole or not at all: a document that is too large, does not have the digest that was promised, or
//! has one line that does not fit its columns gives no rows, because what is missing from a feed looks like what was
//! taken off it. Where documents come from is behind [`Feeds`].

mod door;
mod read;

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

pub use door::{Door, Shelf};

use crate::http::{Address, HttpError};
use crate::model::Row;
use crate::playbook::ColumnType;

/// Most bytes of a feed unless the playbook says otherwise, and the most it may say.
pub const BYTES: u64 = 8 << 20;
/// See [`BYTES`].
pub const BYTES_MAX: u64 = 64 << 20;
/// Most rows of a feed unless the playbook says otherwise, and the most it may say: the most a hunt gives.
pub const ROWS_MAX: usize = 100_000;
/// Longest time to fetch a feed unless the playbook says otherwise.
pub const TIME: Duration = Duration::from_mins(1);
/// The most it may say.
pub const TIME_MAX: Duration = Duration::from_mins(10);

/// Most bytes of a document that holds a digest.
const CHECKSUM_BYTES_MAX: u64 = 64 << 10;

/// Where a document is.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// At an address, which is shown without its query.
    Address {
        /// The address.
        at: Address,
        /// As it is written.
        written: Box<str>,
    },
    /// In the folder of feeds: a name without `..`.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { at, .. } => write!(f, "{at}"),
            Self::File(name) => write!(f, "{}", name.display()),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What the digest of a feed has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// This.
    Is([u8; 32]),
    /// What this document begins with, in hexadecimal digits, as `sha256sum` writes it.
    At(Source),
}

/// How a feed is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Lines of values; the first names the columns.
    Csv {
        /// What stands between values.
        delimiter: char,
    },
    /// Lines of values in the order of the columns; nothing names them.
    BareCsv {
        /// What stands between values.
        delimiter: char,
    },
    /// An array of objects at a JSON pointer.
    Json {
        /// The pointer; empty for the whole document.
        at: String,
    },
    /// One object on each line.
    JsonLines,
}

/// What fetching and reading a feed may cost.
#[expect(clippy::struct_field_names, reason = "a limit is named after what it limits")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes.
    pub bytes_max: u64,
    /// Most rows.
    pub rows_max: usize,
    /// Longest time of one attempt to fetch it.
    pub time_max: Duration,
}

/// A playbook's `feed`, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// Where it is.
    pub source: Source,
    /// How it is written.
    pub form: Form,
    /// The columns that are read, with their types.
    pub columns: Vec<(String, ColumnType)>,
    /// What its digest has to be, if that is known.
    pub checksum: Option<Checksum>,
    /// What it may cost.
    pub limits: Limits,
}

/// Where documents come from.
#[async_trait]
pub trait Feeds: Send + Sync + fmt::Debug {
    /// Returns a whole document.
    ///
    /// # Errors
    ///
    /// Why there is none.
    async fn fetch(&self, source: &Source, limits: &Limits) -> Result<Vec<u8>, FeedError>;
}

/// Why a feed gave no rows.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// It could not be fetched.
    #[error("the feed could not be fetched")]
    Http(#[from] HttpError),
    /// Its file could not be read.
    #[error("the feed `{name}` could not be read")]
    File {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It has more bytes than it may.
    #[error("the feed has more than {0} bytes (`maxBytes`)")]
    Large(u64),
    /// It has more rows than it may.
    #[error("the feed has more than {0} rows (`maxRows`)")]
    Long(usize),
    /// It is not what was promised.
    #[error("the feed is not what was promised: its SHA-256 is {found}, not {promised}")]
    Changed {
        /// What it is.
        found: String,
        /// What it was to be.
        promised: String,
    },
    /// What was to promise a digest does not.
    #[error("`{0}` does not begin with a SHA-256 in hexadecimal digits")]
    NoChecksum(String),
    /// It lacks a column.
    #[error("the feed has no column `{name}`{}", near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Column {
        /// The column.
        name: String,
        /// One of a similar name.
        near: Option<String>,
    },
    /// It cannot be read.
    #[error("{place} of the feed cannot be read: {reason}")]
    Text {
        /// Where.
        place: String,
        /// Why.
        reason: String,
    },
}

/// Fetches a feed, compares its digest, and reads its rows, in its order.
///
/// # Errors
///
/// Nothing is given of a feed that could not be read to its end: see [`FeedError`].
pub async fn collect(feeds: &dyn Feeds, feed: &Feed) -> Result<Vec<Row>, FeedError> {
    let document = fetch(feeds, &feed.source, &feed.limits).await?;
    if let Some(checksum) = &feed.checksum {
        let promised = match checksum {
            Checksum::Is(digest) => *digest,
            Checksum::At(source) => {
                let limits = Limits { bytes_max: CHECKSUM_BYTES_MAX, ..feed.limits };
                let text = fetch(feeds, source, &limits).await?;
                leading_digest(&text).ok_or_else(|| FeedError::NoChecksum(source.to_string()))?
            }
        };
        let found: [u8; 32] = Sha256::digest(&document).into();
        if found != promised {
            return Err(FeedError::Changed { found: hex(&found), promised: hex(&promised) });
        }
    }
    read::rows(&document, feed)
}

async fn fetch(feeds: &dyn Feeds, source: &Source, limits: &Limits) -> Result<Vec<u8>, FeedError> {
    let document = feeds.fetch(source, limits).await?;
    let is_large = u64::try_from(document.len()).map_or(true, |length| limits.bytes_max < length);
    if is_large { Err(FeedError::Large(limits.bytes_max)) } else { Ok(document) }
}

/// The digest that a text begins with.
fn leading_digest(text: &[u8]) -> Option<[u8; 32]> {
    let text = std::str::from_utf8(text).ok()?.trim_start_matches('\u{feff}').trim_start();
    digest(text.split_whitespace().next()?)
}

/// Reads a digest of 64 hexadecimal digits.
#[must_use]
pub fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(digest)
}

fn hex(digest: &[u8; 32]) -> String {
    let mut text = String::with_capacity(64);
    for byte in digest {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}
