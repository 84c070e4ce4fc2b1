//! Why a query has no answer.

use crate::sim::hunter::HuntFault;

/// What is wrong with a query, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) message: String,
    /// Byte offset in the query.
    pub(crate) at: usize,
}

/// What kind of trouble a [`Fault`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// Not KQL.
    Syntax,
    /// Names what does not exist, or mixes types.
    Semantic,
    /// Perhaps KQL, but not the part this interpreter knows.
    Unsupported,
    /// Too many rows, or too much work.
    Limit,
}

impl Fault {
    pub(crate) fn syntax(at: usize, message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Syntax, message: message.into(), at }
    }

    pub(crate) fn semantic(at: usize, message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Semantic, message: message.into(), at }
    }

    pub(crate) fn unsupported(at: usize, what: impl Into<String>) -> Self {
        Self { kind: FaultKind::Unsupported, message: what.into(), at }
    }

    pub(crate) fn limit(at: usize, message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Limit, message: message.into(), at }
    }

    /// Line and column, both from 1, of the fault in `query`; columns count characters.
    pub(crate) fn line_column(&self, query: &str) -> (usize, usize) {
        let before = query.get(..self.at).unwrap_or(query);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
        (line, column)
    }

    /// The fault as the server's door wants it. The service gives a place for syntax errors only.
    pub(crate) fn into_hunt_fault(self, query: &str) -> HuntFault {
        let (line, column) = self.line_column(query);
        match self.kind {
            FaultKind::Syntax => {
                HuntFault::Syntax(format!("{}. Line: {line}, Position: {column}", self.message))
            }
            FaultKind::Semantic => HuntFault::Semantic(self.message),
            FaultKind::Unsupported => HuntFault::Unsupported(format!("{} at {line}:{column}", self.message)),
            FaultKind::Limit => HuntFault::TooSlow,
        }
    }
}
