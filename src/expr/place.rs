//! Where in the source a place of the script engine lies.

use std::ops::Range;

use rhai::Position;

/// Translates lines and columns (counted in characters, from 1) into bytes.
#[derive(Debug, Clone)]
pub(super) struct Places<'a> {
    source: &'a str,
    /// Where each line starts, and whether its columns are bytes.
    lines: Vec<(usize, bool)>,
}

impl<'a> Places<'a> {
    /// Prepares the translation.
    pub(super) fn new(source: &'a str) -> Self {
        let mut start = 0;
        let line = |line: &str| {
            let place = (start, line.is_ascii());
            start += line.len() + 1;
            place
        };
        Self { source, lines: source.split('\n').map(line).collect() }
    }

    /// The source.
    pub(super) const fn source(&self) -> &'a str {
        self.source
    }

    /// Byte offset of a position; the end of the source for one that is unknown.
    pub(super) fn offset(&self, position: Position) -> usize {
        let line = position.line().and_then(|line| self.lines.get(line.checked_sub(1)?));
        let (Some(&(start, ascii)), Some(column)) = (line, position.position()) else {
            return self.source.len();
        };
        let rest = self.source.get(start..).unwrap_or_default();
        let column = column.saturating_sub(1);
        let length =
            if ascii { column } else { rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at) };
        (start + length).min(self.source.len())
    }

    /// The token at a position: a word, a quoted text, or one character.
    pub(super) fn token(&self, position: Position) -> Range<usize> {
        let start = self.offset(position);
        let rest = self.source.get(start..).unwrap_or_default();
        let mut characters = rest.chars();
        let length = match characters.next() {
            None => 0,
            Some(quote @ ('"' | '\'' | '`')) => quoted(rest, quote),
            Some(first) if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            Some(first) if is_operator(first) => rest.find(|c| !is_operator(c)).unwrap_or(rest.len()),
            Some(first) => first.len_utf8(),
        };
        start..start + length
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn is_operator(character: char) -> bool {
    matches!(character, '=' | '<' | '>' | '!' | '&' | '|' | '?' | '~')
}

/// Length of a quoted text with its quotes; to the end if it is not closed.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (offset, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return offset + quote.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, line: u16, column: u16, token: &str) {
        let range = Places::new(source).token(Position::new(line, column));
        assert_eq!(source.get(range).unwrap(), token);
    }

    #[test]
    fn tokens_are_found_over_lines_and_wide_letters() {
        check("a.b\n  .c(\"é\") == éü", 2, 6, "\"é\"");
        check("a.b\n  .c(\"é\") == éü", 2, 11, "==");
        check("a.b\n  .c(\"é\") == éü", 2, 14, "éü");
        check("'x' + \"a\\\"b", 1, 7, "\"a\\\"b");
        check("a", 1, 2, "");
        check("a", 9, 9, "");
    }
}
