//! Problems in what people wrote, and how an error's reasons are shown.
//!
//! A [`Diagnostic`] has a stable [`Code`], a place and, when one is near, a suggestion. Every check
//! pushes into a [`Sink`] and goes on, so that one pass reports all problems of a file. Errors of the
//! world (network, disk) are `Result`s of the room that met them and are shown by [`Chain`].

mod code;
mod explain;
mod problem;
mod render;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use code::Code;
pub use problem::Problem;
pub use render::{Format, render};

/// A file's name and text, as diagnostics quote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// Path as the user gave it.
    pub name: String,
    /// The text, decoded; byte offsets of spans count in it.
    pub text: String,
}

/// A stretch of one file, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub source: Arc<SourceText>,
    /// Byte range in its text; may be empty (an insertion point), never out of bounds.
    pub range: Range<usize>,
}

impl Span {
    /// Line and column of the start, both from 1; columns count characters.
    #[must_use]
    pub fn line_column(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.range.start).unwrap_or(&self.source.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
        (line, column)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.source.name)
    }
}

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Allowed, but probably not meant.
    Warning,
    /// The file is not accepted.
    Error,
}

/// A mend the reader can take over as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// What it does, one short sentence without full stop.
    pub message: String,
    /// What is replaced (empty: inserted there).
    pub range: Range<usize>,
    /// The new text.
    pub replacement: String,
}

/// One problem in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind.
    pub code: Code,
    /// How much it matters.
    pub level: Level,
    /// What is wrong here, lower case, no full stop, values in backticks. Never a secret.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Words beside the caret; empty to leave them out.
    pub label: String,
    /// What to do next, one line each.
    pub help: Vec<String>,
    /// A ready mend.
    pub suggestion: Option<Suggestion>,
}

impl Diagnostic {
    /// An error at a place.
    #[must_use]
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            code,
            level: Level::Error,
            message,
            span,
            label: String::new(),
            help: Vec::new(),
            suggestion: None,
        }
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::error(code, span, message) }
    }

    /// Adds words beside the caret.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// Adds a line that says what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Offers to replace the marked text by the nearest of the `known` words, if one is near.
    #[must_use]
    pub fn nearest<'a>(mut self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        if let Some(word) = nearest(written, known) {
            self.suggestion = Some(Suggestion {
                message: format!("a similar name exists: `{word}`"),
                range: self.span.range.clone(),
                replacement: word.to_owned(),
            });
        }
        self
    }
}

/// Finds the known word a writer most likely meant: the same but for case, at most a third of its letters
/// away, or the only one that begins or ends so.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer than any word of ours: no typing error, and the comparison would take its time.
    if written.len() > 128 {
        return None;
    }
    let lower = written.to_lowercase();
    let known: Vec<(&str, String)> = known.into_iter().map(|word| (word, word.to_lowercase())).collect();
    let near = known
        .iter()
        .map(|(word, known)| (strsim::osa_distance(&lower, known), *word))
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word);
    let mut parts = known.iter().filter(|(_, known)| known.starts_with(&lower) || known.ends_with(&lower));
    near.or_else(|| match (lower.len() >= 4, parts.next(), parts.next()) {
        (true, Some((word, _)), None) => Some(*word),
        _ => None,
    })
}

/// Collects the problems of a pass.
#[derive(Debug, Default)]
pub struct Sink(Vec<Diagnostic>);

impl Sink {
    /// An empty sink.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a problem.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Number of errors so far (warnings do not count).
    #[must_use]
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|diagnostic| diagnostic.level == Level::Error).count()
    }

    /// Lends the problems in the order they were found.
    #[must_use]
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.0
    }

    /// Gives the problems in the order of the text.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.0.sort_by(|a, b| {
            let place = |d: &Diagnostic| (d.span.source.name.clone(), d.span.range.start, d.span.range.end);
            place(a).cmp(&place(b)).then_with(|| a.code.cmp(&b.code))
        });
        self.0.dedup();
        self.0
    }
}

/// Shows an error with all its reasons, outermost first, joined by `: `. What the one before said already is not
/// said again: not every library keeps its reasons out of its own text.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut reason = self.0.source();
        while let Some(error) = reason {
            let text = error.to_string();
            if !said.ends_with(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            reason = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Trouble {
        #[error("the disk of the journal is full")]
        Full(#[source] Box<Self>),
        #[error("error returned from database: {0}")]
        Repeats(#[source] Box<Self>),
        #[error("(code: 13) database or disk is full")]
        Disk,
    }

    #[test]
    fn a_reason_is_said_once() {
        let trouble = Trouble::Full(Box::new(Trouble::Repeats(Box::new(Trouble::Disk))));
        let expect = "the disk of the journal is full: error returned from database: (code: 13) database or disk is full";
        assert_eq!(Chain(&trouble).to_string(), expect);
    }
}
