//! A place in the text that only moves forward.

use crate::text::Span;

/// Reads a text character by character.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns what has not been read yet.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Returns the byte `ahead` of the next one; 0 behind the end, which no token begins with.
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Moves over one character.
    pub(super) fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    /// Moves over `bytes` bytes, which must end between two characters.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.text.len());
    }

    /// Moves over characters as long as they fit.
    pub(super) fn eat_while(&mut self, fits: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !fits(c)).unwrap_or(rest.len());
    }

    /// Moves to the end of the line, not over it.
    pub(super) fn eat_line(&mut self) {
        self.eat_while(|c| !matches!(c, '\n' | '\r'));
    }

    /// Moves over `text` if it is next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.skip(text.len());
        }
        found
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Returns the span from `start` to here.
    pub(super) fn since(&self, start: usize) -> Span {
        Span::new(offset(start), offset(self.at))
    }
}

/// Offsets fit: a text longer than the limit is refused before it is read.
pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
