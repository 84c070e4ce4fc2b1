//! Why a query gave no rows.

use crate::diagnostic::{Code, Diagnostic};
use crate::text::Span;

/// Why a query gave no rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The service could run the query, this evaluator cannot.
    #[error("`{what}` is not supported")]
    Unsupported {
        /// The function, operator or form.
        what: String,
        /// Where it was written, if known.
        span: Option<Span>,
    },
    /// There is no such table.
    #[error("there is no table `{0}`")]
    NoTable(String),
    /// Something outside of the tables is needed, and nobody provides it.
    #[error("nothing is provided for `{0}`")]
    NoFixture(String),
    /// The service would refuse the query while running it.
    #[error("{message}")]
    Refused {
        /// Why.
        message: String,
        /// Where the cause was written, if known.
        span: Option<Span>,
    },
    /// A limit was reached.
    #[error("the query exceeds the limit of {limit} {what}")]
    Limit {
        /// What was counted.
        what: Limited,
        /// The most there may be.
        limit: u64,
    },
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// Rows of the result.
    ResultRows,
    /// Bytes of the result.
    ResultBytes,
    /// Rows of a table on the way.
    Rows,
    /// Bytes in memory.
    Memory,
    /// Steps of work.
    Steps,
    /// Time; the limit is not known here.
    Time,
}

impl std::fmt::Display for Limited {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::ResultRows => "rows in the result",
            Self::ResultBytes => "bytes in the result",
            Self::Rows => "rows in a table",
            Self::Memory => "bytes of memory",
            Self::Steps => "steps",
            Self::Time => "time",
        })
    }
}

impl EvalError {
    /// Creates an error for something that cannot be run here.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into(), span: None }
    }

    /// Creates an error for something the service would refuse.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), span: None }
    }

    /// Adds the place, unless there is one.
    #[must_use]
    pub fn at(self, place: Span) -> Self {
        match self {
            Self::Unsupported { what, span: None } => Self::Unsupported { what, span: Some(place) },
            Self::Refused { message, span: None } => Self::Refused { message, span: Some(place) },
            other => other,
        }
    }
}

/// A query the service could run and this evaluator cannot.
pub const UNSUPPORTED: Code = Code::new(400, "not supported by the evaluator");
/// A table that nobody provides.
pub const NO_TABLE: Code = Code::new(401, "table without rows");
/// An answer from outside that nobody provides.
pub const NO_FIXTURE: Code = Code::new(402, "nothing provided from outside");
/// A query the service would refuse while it runs.
pub const REFUSED: Code = Code::new(403, "refused while running");
/// A limit reached while the query ran.
pub const LIMIT: Code = Code::new(404, "limit reached");

/// All codes of this room, in order.
pub const CODES: &[Code] = &[UNSUPPORTED, NO_TABLE, NO_FIXTURE, REFUSED, LIMIT];

impl EvalError {
    /// Returns the error as a diagnostic; it is at the start of the text if its place is not known.
    pub fn diagnostic(&self) -> Diagnostic {
        let (code, span) = match self {
            Self::Unsupported { span, .. } => (UNSUPPORTED, *span),
            Self::NoTable(_) => (NO_TABLE, None),
            Self::NoFixture(_) => (NO_FIXTURE, None),
            Self::Refused { span, .. } => (REFUSED, *span),
            Self::Limit { .. } => (LIMIT, None),
        };
        Diagnostic::error(code, span.unwrap_or_default(), self.to_string())
    }
}
