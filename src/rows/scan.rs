//! Finds where a JSON value ends without understanding it: counts brackets, skips strings.
//!
//! The state survives the end of a chunk, so a value may arrive in any number of pieces.

use memchr::{memchr, memchr2};

/// Where in a value the scan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Between tokens of a bracketed value, or before the first byte.
    Brackets,
    /// In a string.
    Text,
    /// In a string, after a backslash.
    Escape,
    /// In a bare number or word.
    Scalar,
}

/// A scan over one JSON value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner {
    inside: Inside,
    depth: usize,
    deepest: usize,
}

impl Scanner {
    /// Starts before the first byte of a value (white space is already skipped).
    pub(super) const fn new() -> Self {
        Self { inside: Inside::Brackets, depth: 0, deepest: 0 }
    }

    /// Deepest nesting of brackets so far.
    pub(super) const fn deepest(&self) -> usize {
        self.deepest
    }

    /// Reads on; returns the number of bytes up to the end of the value, or `None` if it goes on.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            match self.inside {
                Inside::Escape => {
                    bytes.get(at)?;
                    at += 1;
                    self.inside = Inside::Text;
                }
                Inside::Text => {
                    let rest = bytes.get(at..)?;
                    let found = memchr2(b'"', b'\\', rest)?;
                    at += found + 1;
                    if rest.get(found) == Some(&b'\\') {
                        self.inside = Inside::Escape;
                    } else {
                        self.inside = Inside::Brackets;
                        if self.depth == 0 {
                            return Some(at);
                        }
                    }
                }
                Inside::Scalar => {
                    let byte = *bytes.get(at)?;
                    if matches!(byte, b',' | b'}' | b']' | b':' | b'"') || byte.is_ascii_whitespace() {
                        return Some(at);
                    }
                    at += 1;
                }
                Inside::Brackets => {
                    let byte = *bytes.get(at)?;
                    if self.bracket(byte) {
                        return Some(if self.depth == 0 && matches!(byte, b'}' | b']') {
                            at + 1
                        } else {
                            at
                        });
                    }
                    if self.inside != Inside::Scalar {
                        at += 1;
                    }
                }
            }
        }
    }

    /// Takes one byte between tokens; returns whether the value ends here.
    const fn bracket(&mut self, byte: u8) -> bool {
        match byte {
            b'"' => self.inside = Inside::Text,
            b'{' | b'[' => {
                self.depth += 1;
                if self.depth > self.deepest {
                    self.deepest = self.depth;
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ if self.depth == 0 => self.inside = Inside::Scalar,
            _ => {}
        }
        false
    }
}

/// Index of the quote that closes a string; `from` is the index after the opening one.
pub(super) fn closing_quote(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let quote = at + find_quote(bytes.get(at..)?)?;
        // A quote after an odd number of backslashes is part of the text.
        let before = bytes.get(from..quote)?;
        if before.last() != Some(&b'\\') {
            return Some(quote);
        }
        let slashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
        if slashes % 2 == 0 {
            return Some(quote);
        }
        at = quote + 1;
    }
}

/// How many words are looked through here before a call into the vector search pays for itself.
const WORDS_BEFORE_VECTOR: usize = 4;

/// Finds a quote. Most texts of an answer are short: a few words of eight bytes are looked through
/// without a call.
fn find_quote(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().take(WORDS_BEFORE_VECTOR).enumerate() {
        let found = equal(u64::from_le_bytes(*word), b'"');
        if found != 0 {
            return Some(index * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    let start = words.len().min(WORDS_BEFORE_VECTOR) * 8;
    memchr(b'"', bytes.get(start..)?).map(|found| start + found)
}

/// Marks the lowest byte of a word that equals `byte` by its top bit; marks above it mean nothing.
const fn equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * byte as u64);
    difference.wrapping_sub(ONES) & !difference & TOPS
}

/// Marks the lowest byte of a word that is below a space by its top bit; marks above it mean nothing.
const fn control(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word & TOPS
}

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// What the inside of a string holds that needs a second look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Contents {
    /// A backslash.
    pub(super) escapes: bool,
    /// A control character, which JSON does not allow there.
    pub(super) controls: bool,
}

/// Looks through the inside of a string once, eight bytes at a time.
pub(super) fn contents(text: &[u8]) -> Contents {
    let Some(last) = text.last_chunk::<8>() else {
        let escapes = text.contains(&b'\\');
        return Contents { escapes, controls: text.iter().any(|byte| *byte < 0x20) };
    };
    let (words, _) = text.as_chunks::<8>();
    let (mut escapes, mut controls) = (0, 0);
    // The last eight bytes overlap the last whole word, which changes nothing.
    for word in words.iter().chain([last]) {
        let word = u64::from_le_bytes(*word);
        escapes |= equal(word, b'\\');
        controls |= control(word);
    }
    Contents { escapes: escapes != 0, controls: controls != 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, value: &str) {
        assert_eq!(Scanner::new().scan(text.as_bytes()), Some(value.len()), "whole: {text}");
        // The same in single bytes.
        let mut scanner = Scanner::new();
        let end = text
            .as_bytes()
            .iter()
            .enumerate()
            .find_map(|(index, byte)| scanner.scan(std::slice::from_ref(byte)).map(|used| index + used));
        assert_eq!(end, Some(value.len()), "bytewise: {text}");
    }

    #[test]
    fn a_value_ends_where_its_brackets_close() {
        check(r#"{"a":[1,{"b":"}]"}]},"#, r#"{"a":[1,{"b":"}]"}]}"#);
        check(r#""x\\\"y" ,"#, r#""x\\\"y""#);
        check("-1.5e3}", "-1.5e3");
        check("null,", "null");
        check("[] ", "[]");
    }

    #[test]
    fn an_open_value_has_no_end() {
        for open in [r#"{"a":"#, r#""x\""#, "12", "[[]", ""] {
            assert_eq!(Scanner::new().scan(open.as_bytes()), None, "{open}");
        }
    }

    #[test]
    fn a_quote_after_backslashes_closes_when_they_pair_up() {
        assert_eq!(closing_quote(br#""a\\" "#, 1), Some(4));
        assert_eq!(closing_quote(br#""a\" ""#, 1), Some(5));
        assert_eq!(closing_quote(br#""a\" "#, 1), None);
    }

    proptest! {
        #[test]
        fn words_find_what_bytes_find(bytes in "[ -~\\x00-\\x1fé\"\\\\]{0,60}") {
            let bytes = bytes.as_bytes();
            prop_assert_eq!(find_quote(bytes), bytes.iter().position(|byte| *byte == b'"'));
            let expected = Contents {
                escapes: bytes.contains(&b'\\'),
                controls: bytes.iter().any(|byte| *byte < 0x20),
            };
            prop_assert_eq!(contents(bytes), expected);
        }
    }
}
