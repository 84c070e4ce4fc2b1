//! Why a query gave no rows.

use crate::diagnostic::{Code, Diagnostic};
use crate::text::Span;

/// Why a query gave no rows, and which part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct EvalError {
    /// Why.
    pub reason: Reason,
    /// Where the table, function or operator was written, if known.
    pub span: Option<Span>,
}

/// Why a query gave no rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The service could run the query, this evaluator cannot: the function, operator or form.
    Unsupported(String),
    /// Nobody has rows of the table.
    NoTable(String),
    /// Something outside of the tables is needed, and nobody provides it.
    NoFixture(String),
    /// The service would refuse the query while running it, for this reason.
    Refused(String),
    /// A limit was reached.
    Limit {
        /// What was counted.
        what: Limited,
        /// The most there may be.
        limit: u64,
    },
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unsupported(what) => write!(formatter, "`{what}` is not supported"),
            Self::NoTable(name) => write!(formatter, "there are no rows of table `{name}`"),
            Self::NoFixture(what) => write!(formatter, "nothing is provided for `{what}`"),
            Self::Refused(message) => formatter.write_str(message),
            Self::Limit { what: Limited::Time, .. } => formatter.write_str("the time for the query is up"),
            Self::Limit { what, limit } => {
                write!(formatter, "the query exceeds the limit of {limit} {what}")
            }
        }
    }
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

impl From<Reason> for EvalError {
    fn from(reason: Reason) -> Self {
        Self { reason, span: None }
    }
}

impl EvalError {
    /// Creates an error for something that cannot be run here.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Reason::Unsupported(what.into()).into()
    }

    /// Creates an error for something the service would refuse.
    pub fn refused(message: impl Into<String>) -> Self {
        Reason::Refused(message.into()).into()
    }

    /// Creates an error for a table that nobody has.
    pub(super) fn no_table(name: &str) -> Self {
        Reason::NoTable(name.to_owned()).into()
    }

    /// Creates an error for an answer from outside that nobody has.
    pub(super) fn no_fixture(what: &str) -> Self {
        Reason::NoFixture(what.to_owned()).into()
    }

    /// Creates an error for a limit.
    pub(super) fn limit(what: Limited, limit: u64) -> Self {
        Reason::Limit { what, limit }.into()
    }

    /// Adds the place, unless there is one. Parts that were not written have an empty place.
    #[must_use]
    pub fn at(self, place: Span) -> Self {
        let span = self.span.or((place != Span::default()).then_some(place));
        Self { span, ..self }
    }

    /// Replaces the place, which was in another text.
    pub(super) fn elsewhere(self, place: Span) -> Self {
        Self { span: None, ..self }.at(place)
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
        let (code, help) = match &self.reason {
            Reason::Unsupported(_) => {
                (UNSUPPORTED, Some("the service may run it; here is run only what can be computed exactly"))
            }
            Reason::NoTable(_) => (NO_TABLE, Some("a table without rows has to be given as an empty one")),
            Reason::NoFixture(_) => (NO_FIXTURE, Some("its answer comes from outside and has to be given")),
            Reason::Refused(_) => (REFUSED, None),
            Reason::Limit { .. } => (LIMIT, None),
        };
        let diagnostic = Diagnostic::error(code, self.span.unwrap_or_default(), self.to_string());
        match help {
            Some(help) => diagnostic.with_help(help),
            None => diagnostic,
        }
    }
}
