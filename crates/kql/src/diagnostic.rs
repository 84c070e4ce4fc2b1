//! What is wrong with a query, and where.
//!
//! The type only; each room declares its own codes. Ranges: `KQL001`–`KQL099` text and syntax,
//! `KQL100`–`KQL199` names, `KQL200`–`KQL299` types and arity, `KQL300`–`KQL399` lint,
//! `KQL400`–`KQL499` evaluation. A code is never given a new meaning.

use std::fmt;

use crate::text::Span;

/// The stable number of a kind of problem, printed as `KQL001`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code {
    /// Number, 1 to 999.
    pub number: u16,
    /// What is wrong in general, in a few words; shown where codes are listed.
    pub title: &'static str,
}

impl Code {
    /// Declares a code.
    pub const fn new(number: u16, title: &'static str) -> Self {
        Self { number, title }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KQL{:03}", self.number)
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing has to change.
    Note,
    /// The query runs, but probably not as meant.
    Warning,
    /// The service refuses the query.
    Error,
}

/// A change of the text that repairs a problem.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fix {
    /// The text to replace; empty to insert.
    pub span: Span,
    /// What to put there.
    pub replacement: String,
}

/// One problem at one place.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Diagnostic {
    /// Kind of the problem.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is. Empty when something is missing there.
    pub span: Span,
    /// What is wrong, lower case, no full stop, names in backticks.
    pub message: String,
    /// What to do about it, when that is not obvious from the message.
    pub help: Option<String>,
    /// A change that is safe to make without asking.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// Makes an error.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, span, message)
    }

    /// Makes a warning.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, span, message)
    }

    /// Makes a note.
    pub fn note(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Note, span, message)
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a safe change.
    #[must_use]
    pub fn with_fix(mut self, span: Span, replacement: impl Into<String>) -> Self {
        self.fix = Some(Fix { span, replacement: replacement.into() });
        self
    }

    fn new(code: Code, severity: Severity, span: Span, message: impl Into<String>) -> Self {
        Self { code, severity, span, message: message.into(), help: None, fix: None }
    }
}
