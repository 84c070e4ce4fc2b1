//! Why a query gave no rows.

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
