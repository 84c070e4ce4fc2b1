//! The words of a query.

use kql::lex::{TokenKind, lex, unquote};

/// The words of a query, and its texts, which may be names: `['Table']`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words<'q> {
    /// Names and words, as written.
    pub bare: Vec<&'q str>,
    /// What its texts stand for.
    pub quoted: Vec<String>,
}

/// The words of a query, in its order. There are none in its comments.
#[must_use]
pub fn words(query: &str) -> Words<'_> {
    let mut words = Words::default();
    for token in lex(query).tokens {
        let written = token.span.of(query);
        if token.kind == TokenKind::Word {
            words.bare.push(written);
        } else if token.kind == TokenKind::String {
            words.quoted.push(unquote(written));
        }
    }
    words
}
