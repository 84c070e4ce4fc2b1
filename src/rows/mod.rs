//! Decodes hunting answers while they stream, and takes the pages of other lists apart.
//!
//! A [`Decoder`] is fed the body in chunks of any size and hands out each row as soon as its last byte
//! is there, with only the wanted columns decoded. It understands the answers of Microsoft Graph
//! (`schema`, `results`), Defender XDR and Defender for Endpoint (`Schema`, `Results`, `Stats`),
//! whatever the case and the order of these keys.
//!
//! **What is never guessed.** A body that ends early is an error, never "no rows". A row that cannot be
//! read (`NaN`, `1e400`, a wanted key that comes twice) is quarantined: counted, a
//! capped, escaped sample kept, and the rows around it are delivered. Where a broken row ends is found
//! by its brackets outside strings and never by searching text, because the text of a row belongs to
//! whoever wrote the command line in it.
//!
//! **What is exact.** Integers within `i64` are integers; larger ones keep their digits as JSON text.
//! Arrays and objects keep their JSON text. Columns that nobody wants are skipped by their brackets and
//! quotes; their content is not judged.

mod decoder;
mod parts;
mod row;
mod scan;
mod schema;
mod value;

pub use decoder::Decoder;
pub use parts::{items, members};
pub use schema::{Column, ColumnKind};

/// What the receiver of rows wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// More rows.
    Continue,
    /// No more: the rest of the body is not read.
    Stop,
}

#[expect(clippy::struct_field_names, reason = "each says what it is the most of")]
/// Bounds of one answer. Each is a refusal or a flag, never a silent cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body. 256 MiB by default: the service stops at 50 MB on Graph and 124 MB elsewhere;
    /// more than twice that is not a hunting answer. Reaching it is [`DecodeError::BytesMax`].
    pub bytes_max: u64,
    /// Rows. 100,000 by default, the service's own limit; an answer of exactly that many was cut by it.
    /// Reaching it sets [`Answer::truncated`].
    pub rows_max: u64,
    /// Bytes of one row. 16 MiB by default, ten times the largest command line seen. A longer row is
    /// quarantined without being held in memory.
    pub row_bytes_max: usize,
    /// Nesting of brackets inside one row, the row itself being the first level. 64 by default. A deeper
    /// row is quarantined.
    pub depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: 256 << 20, rows_max: 100_000, row_bytes_max: 16 << 20, depth_max: 64 }
    }
}

/// What an answer was, once its last byte is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Rows delivered.
    pub rows: u64,
    /// Rows that could not be read.
    pub quarantined: u64,
    /// The first few of those, at most [`SAMPLES_MAX`].
    pub samples: Vec<Quarantined>,
    /// The columns of the answer as its schema says, in order; empty if it has no schema.
    pub columns: Vec<Column>,
    /// Whether the answer reached [`Limits::rows_max`], so that there may be more on the service.
    pub truncated: bool,
    /// Whether the receiver stopped it.
    pub stopped: bool,
    /// Bytes read.
    pub bytes: u64,
}

/// Most samples of unreadable rows an answer keeps: enough to see a pattern, too few to fill a journal.
pub const SAMPLES_MAX: usize = 5;

/// Most bytes of an unreadable row that are kept as a sample.
pub const SAMPLE_BYTES_MAX: usize = 256;

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Offset of its first byte in the body.
    pub offset: u64,
    /// Why.
    pub reason: RowError,
    /// Its beginning, at most [`SAMPLE_BYTES_MAX`] bytes, everything but printable ASCII escaped.
    pub sample: String,
}

/// Why one row could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// Not JSON.
    #[error("the row is not valid JSON")]
    Syntax,
    /// A row must be an object.
    #[error("the row is not an object")]
    NotAnObject,
    /// Text that is not UTF-8.
    #[error("a text is not valid UTF-8")]
    Utf8,
    /// A number no form holds.
    #[error("a number is out of range")]
    NumberRange,
    /// A wanted column comes twice, or only in several spellings that differ in case.
    #[error("a wanted column comes twice")]
    DuplicateColumn,
    /// Longer than [`Limits::row_bytes_max`].
    #[error("the row is too long")]
    TooLong,
    /// Deeper than [`Limits::depth_max`].
    #[error("the row is nested too deeply")]
    TooDeep,
    /// More columns than a hunting answer can have.
    #[error("the row has too many columns")]
    TooManyColumns,
}

/// An answer that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The body ended before the answer did.
    #[error("the answer ends early, after {bytes} bytes and {rows} rows")]
    Truncated {
        /// Bytes read.
        bytes: u64,
        /// Rows delivered before the end.
        rows: u64,
    },
    /// The body is not JSON between the rows, or goes on after its end.
    #[error("the answer is not valid JSON at byte {offset}")]
    Syntax {
        /// Where.
        offset: u64,
    },
    /// JSON, but not a hunting answer.
    #[error("the answer has no `results`")]
    NoResults,
    /// The service reported an error inside an answer that claimed success.
    #[error("the service answered with the error `{code}`: {message}")]
    Service {
        /// Its code, escaped and capped.
        code: String,
        /// Its message, escaped and capped.
        message: String,
    },
    /// More bytes than [`Limits::bytes_max`].
    #[error("the answer is longer than {bytes_max} bytes")]
    BytesMax {
        /// The limit.
        bytes_max: u64,
    },
    /// Something before or after the rows is larger than any answer's.
    #[error("the answer's head is longer than {head_bytes_max} bytes")]
    HeadMax {
        /// The limit.
        head_bytes_max: usize,
    },
}

/// Escapes and cuts hostile bytes for a log or a journal.
fn shown(bytes: &[u8]) -> String {
    bytes.get(..SAMPLE_BYTES_MAX).unwrap_or(bytes).escape_ascii().to_string()
}

#[cfg(test)]
mod tests;
