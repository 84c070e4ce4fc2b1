//! Tree to text: one layout for every query.
//!
//! Only blanks and line ends change: the formatter writes the tokens and comments of the text in
//! their order, and checks at the end that it has. So it never changes what a query means, and what
//! it does not know how to lay out stays as it was written, on one line.
//!
//! The layout: a statement begins a line; a bar begins a line, except in a short pipeline in
//! parentheses; what does not fit [`WIDTH`] columns is broken at its commas, or before `and` and
//! `or`, from the outside in. A comment on a line of its own keeps it, and one blank line around it;
//! a comment behind something stays behind it.

mod doc;
mod expression;
mod layout;
mod operator;
mod statement;

use crate::diagnostic::{Diagnostic, Severity};
use crate::lex::{Lexed, Token, lex};
use crate::parse::{Parsed, parse};

/// Columns a line may have. Wide enough for the long names of the tables, narrow enough for two
/// queries side by side.
pub const WIDTH: usize = 100;

/// How often a result is formatted again until nothing changes. A comment that moves to the end of
/// its line can change what fits; a second pass settles that.
const PASSES_MAX: usize = 3;

/// Why a query is not formatted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It has syntax errors, and the layout of what is not understood would be a guess.
    #[error("the query has syntax errors")]
    Syntax(Vec<Diagnostic>),
    /// The result would not have been the same query; the text is better left alone.
    #[error("the query cannot be laid out without a change of its meaning")]
    Changed,
}

/// Lays out a query. The result ends with a line end, unless it is empty.
///
/// # Errors
///
/// [`FormatError::Syntax`] when the text does not parse; [`FormatError::Changed`] when the result
/// would not have the tokens and comments of the text, which is a fault of the formatter.
pub fn format(text: &str) -> Result<String, FormatError> {
    let parsed = parse(text);
    let mut current = laid_out(text, &parsed)?;
    let passes = if parsed.comments.is_empty() { 1 } else { PASSES_MAX };
    for _ in 1..passes {
        let next = laid_out(&current, &parse(&current))?;
        if next == current {
            break;
        }
        current = next;
    }
    if is_same_query(text, &current) { Ok(current) } else { Err(FormatError::Changed) }
}

fn laid_out(text: &str, parsed: &Parsed) -> Result<String, FormatError> {
    let errors = parsed.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let errors: Vec<Diagnostic> = errors.cloned().collect();
    if !errors.is_empty() {
        return Err(FormatError::Syntax(errors));
    }
    Ok(doc::print(&layout::Layout::new(text, parsed).query(&parsed.query)))
}

/// Tells whether two texts have the same tokens and comments.
fn is_same_query(before: &str, after: &str) -> bool {
    let (old, new) = (lex(before), lex(after));
    texts(before, &old).eq(texts(after, &new))
        && old.tokens.iter().map(|token| token.kind).eq(new.tokens.iter().map(|token| token.kind))
        && comments(before, &old).eq(comments(after, &new))
}

fn texts<'a>(text: &'a str, lexed: &'a Lexed) -> impl Iterator<Item = &'a str> {
    lexed.tokens.iter().map(|token: &Token| token.span.of(text))
}

fn comments<'a>(text: &'a str, lexed: &'a Lexed) -> impl Iterator<Item = &'a str> {
    lexed.comments.iter().chain(&lexed.directives).map(|span| span.of(text).trim_end())
}
