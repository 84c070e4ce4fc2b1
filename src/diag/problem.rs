//! A problem inside a piece of text whose place in a file its finder does not know.

use std::ops::Range;

use super::{Code, Diagnostic, Level, Span, Suggestion, nearest};

/// A problem in an expression or a template.
///
/// Ranges count bytes in that piece of text; [`Problem::at`] moves them into the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind.
    pub code: Code,
    /// How much it matters.
    pub level: Level,
    /// Where; may be empty (an insertion point), never out of bounds.
    pub range: Range<usize>,
    /// What is wrong here, lower case, no full stop, values in backticks.
    pub message: String,
    /// What to do next, one line each.
    pub help: Vec<String>,
    /// A ready mend.
    pub suggestion: Option<Suggestion>,
}

impl Problem {
    /// A problem at a place.
    #[must_use]
    pub fn new(code: Code, range: Range<usize>, message: impl Into<String>) -> Self {
        Self { code, level: Level::Error, range, message: message.into(), help: Vec::new(), suggestion: None }
    }

    /// Adds a line that says what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Offers to replace `range` by another text.
    #[must_use]
    pub fn suggest(
        mut self,
        range: Range<usize>,
        replacement: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        self.suggestion =
            Some(Suggestion { message: message.into(), range, replacement: replacement.into() });
        self
    }

    /// Offers to replace the marked text by the nearest of the `known` words, if one is near.
    #[must_use]
    pub fn nearest<'a>(self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(written, known) {
            Some(word) => {
                let range = self.range.clone();
                self.suggest(range, word, format!("a similar name exists: `{word}`"))
            }
            None => self,
        }
    }

    /// Moves the problem into the file; `place` says where a byte range of the piece lies there.
    #[must_use]
    pub fn at(self, place: impl Fn(Range<usize>) -> Span) -> Diagnostic {
        let suggestion = self
            .suggestion
            .map(|suggestion| Suggestion { range: place(suggestion.range.clone()).range, ..suggestion });
        let diagnostic = Diagnostic::error(self.code, place(self.range), self.message);
        Diagnostic { level: self.level, help: self.help, suggestion, ..diagnostic }
    }
}
