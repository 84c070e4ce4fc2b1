//! Numbers, units of time, and the `type(text)` literals.

use super::cursor::Cursor;
use super::{Token, TokenKind};

/// The types whose literals have text of their own between the parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the type of that name")]
pub enum LiteralType {
    Bool,
    Int,
    Long,
    Real,
    Decimal,
    DateTime,
    TimeSpan,
    Guid,
}

impl LiteralType {
    /// Finds the type a literal begins with.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "bool" | "boolean" => Self::Bool,
            "int" => Self::Int,
            "long" => Self::Long,
            "real" | "double" => Self::Real,
            "decimal" => Self::Decimal,
            "datetime" | "date" => Self::DateTime,
            "timespan" | "time" => Self::TimeSpan,
            "guid" => Self::Guid,
            _ => return None,
        })
    }
}

/// The units of time a number may carry.
const UNITS: &[&str] = &[
    "d",
    "day",
    "days",
    "h",
    "hr",
    "hrs",
    "hour",
    "hours",
    "m",
    "min",
    "minute",
    "minutes",
    "s",
    "sec",
    "second",
    "seconds",
    "ms",
    "milli",
    "millis",
    "millisecond",
    "milliseconds",
    "micro",
    "micros",
    "microsecond",
    "microseconds",
    "nano",
    "nanos",
    "nanosecond",
    "nanoseconds",
    "tick",
    "ticks",
];

/// Tells whether a character may stand inside a word. Letters beyond ASCII may not: a name with such
/// a letter is written in brackets.
pub(super) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Reads a token that begins with a digit: a number, a number with a unit, or a word.
pub(super) fn number(cursor: &mut Cursor<'_>) -> Token {
    let start = cursor.at();
    let kind = number_kind(cursor);
    Token { kind, span: cursor.since(start) }
}

fn number_kind(cursor: &mut Cursor<'_>) -> TokenKind {
    if cursor.byte(0) == b'0' && matches!(cursor.byte(1), b'x' | b'X') && cursor.byte(2).is_ascii_hexdigit() {
        cursor.skip(2);
        cursor.eat_while(|c| c.is_ascii_hexdigit());
        return TokenKind::Long;
    }
    cursor.eat_while(|c| c.is_ascii_digit());
    let mut kind = TokenKind::Long;
    if cursor.byte(0) == b'.' && cursor.byte(1).is_ascii_digit() {
        cursor.skip(1);
        cursor.eat_while(|c| c.is_ascii_digit());
        kind = TokenKind::Real;
    }
    if let Some(length) = exponent(cursor) {
        cursor.skip(length);
        return TokenKind::Real;
    }
    let tail = cursor.rest();
    let word = tail.get(..tail.find(|c| !is_word(c)).unwrap_or(tail.len())).unwrap_or_default();
    if UNITS.contains(&word) {
        cursor.skip(word.len());
        return TokenKind::TimeSpan;
    }
    if kind == TokenKind::Long && !word.is_empty() {
        cursor.skip(word.len());
        return TokenKind::Word;
    }
    kind
}

/// Returns the length of an exponent that is next: `e5`, `E-10`.
fn exponent(cursor: &Cursor<'_>) -> Option<usize> {
    if !matches!(cursor.byte(0), b'e' | b'E') {
        return None;
    }
    let sign = usize::from(matches!(cursor.byte(1), b'+' | b'-'));
    let digits = cursor.rest().bytes().skip(1 + sign).take_while(u8::is_ascii_digit).count();
    (digits > 0).then_some(1 + sign + digits)
}
