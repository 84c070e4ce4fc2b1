//! Places in a query: byte ranges, and the lines and columns people count in.
//!
//! Offsets are bytes of the UTF-8 text. [`SourceMap`] turns them into lines, columns and the
//! UTF-16 offsets that the service and most editors report.

use std::fmt;

/// A range of bytes in the text of one query. Empty when it points between two characters.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Makes a span; an `end` before `start` is moved up to `start`.
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end: if end < start { start } else { end } }
    }

    /// Makes the empty span at `offset`.
    pub const fn empty(offset: u32) -> Self {
        Self { start: offset, end: offset }
    }

    /// Returns the smallest span that covers both.
    #[must_use]
    pub const fn to(self, other: Self) -> Self {
        Self {
            start: if self.start < other.start { self.start } else { other.start },
            end: if self.end < other.end { other.end } else { self.end },
        }
    }

    /// Returns the empty span right behind this one.
    #[must_use]
    pub const fn after(self) -> Self {
        Self::empty(self.end)
    }

    /// Returns the length in bytes.
    pub const fn len(self) -> u32 {
        self.end - self.start
    }

    /// Tells whether the span covers no byte.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Tells whether `other` lies within this span.
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Returns the text the span covers; empty when the span does not fit `text`.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}..{}", self.start, self.end)
    }
}

/// A place as people count: both numbers from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: u32,
    /// Column in Unicode scalar values, from 1.
    pub column: u32,
}

/// Where the lines of a text begin.
#[derive(Clone, Debug)]
pub struct SourceMap<'a> {
    text: &'a str,
    starts: Vec<u32>,
}

impl<'a> SourceMap<'a> {
    /// Finds the lines of `text`. A line ends with `\n`; a `\r` before it belongs to the line.
    pub fn new(text: &'a str) -> Self {
        let ends = text.bytes().zip(1_u32..).filter(|(byte, _)| *byte == b'\n').map(|(_, next)| next);
        Self { text, starts: std::iter::once(0).chain(ends).collect() }
    }

    /// Returns the line and column of a byte offset; an offset behind the text counts as its end.
    pub fn place(&self, offset: u32) -> LineColumn {
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or_default();
        let column = Span::new(start, self.floor(offset)).of(self.text).chars().count();
        LineColumn { line: count(line), column: count(column) }
    }

    /// Returns the offset in UTF-16 code units, which is what the service reports.
    pub fn utf16(&self, offset: u32) -> u32 {
        let units = Span::new(0, self.floor(offset)).of(self.text).encode_utf16().count();
        u32::try_from(units).unwrap_or(u32::MAX)
    }

    /// Moves an offset back to the start of the character it is in.
    fn floor(&self, offset: u32) -> u32 {
        let mut at = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        u32::try_from(at).unwrap_or(u32::MAX)
    }
}

/// Turns a number counted from 0 into one counted from 1.
fn count(zero_based: usize) -> u32 {
    u32::try_from(zero_based).unwrap_or(u32::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_lines_from_one() {
        let map = SourceMap::new("aé\n\n日x");
        let places: Vec<(u32, u32)> = [0, 1, 3, 4, 5, 8, 99]
            .iter()
            .map(|offset| map.place(*offset))
            .map(|at| (at.line, at.column))
            .collect();
        assert_eq!(places, [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (3, 2), (3, 3)]);
    }

    #[test]
    fn utf16_offsets_count_code_units() {
        let map = SourceMap::new("é😀x");
        assert_eq!((map.utf16(2), map.utf16(6), map.utf16(7)), (1, 3, 4));
    }

    #[test]
    fn a_span_that_does_not_fit_covers_nothing() {
        assert_eq!(Span::new(2, 9).of("abc"), "");
        assert_eq!(Span::new(1, 2).of("é"), "");
        assert_eq!(Span::new(1, 3).of("abc"), "bc");
    }
}
