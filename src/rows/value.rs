//! Reads and skips single JSON values in place.

use std::borrow::Cow;

use memchr::memchr;

use super::RowError;
use super::scan::{Scanner, closing_quote, contents};
use crate::model::CellRef;

/// Why a value could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Miss {
    /// The bytes end inside it: more may follow.
    Incomplete,
    /// It is not acceptable.
    Bad(RowError),
}

impl From<RowError> for Miss {
    fn from(error: RowError) -> Self {
        Self::Bad(error)
    }
}

/// A value and the index after its last byte.
type Read<T> = Result<(T, usize), Miss>;

/// Longest run of digits that surely fits an `i64`.
const SAFE_DIGITS: usize = 18;

/// Index of the first byte at or after `at` that is not white space.
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// Skips the value at `at`; returns the index after it. Only its extent is judged.
pub(super) fn skip(bytes: &[u8], at: usize) -> Result<usize, Miss> {
    match bytes.get(at) {
        None => Err(Miss::Incomplete),
        Some(b'"') => closing_quote(bytes, at + 1).map(|quote| quote + 1).ok_or(Miss::Incomplete),
        Some(b'{' | b'[') => nested_end(bytes, at, usize::MAX),
        Some(b't') => word(bytes, at, b"true"),
        Some(b'f') => word(bytes, at, b"false"),
        Some(b'n') => word(bytes, at, b"null"),
        Some(b'-' | b'0'..=b'9') => number_end(bytes, at),
        Some(_) => Err(RowError::Syntax.into()),
    }
}

/// Reads the value at `at`, which may nest `depth_max` levels, into `cell`; returns the index after it.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    at: usize,
    depth_max: usize,
    cell: &mut CellRef<'a>,
) -> Result<usize, Miss> {
    // Written in place: a cell is four words, and passing it through results costs more than reading it.
    let (value, end) = match bytes.get(at) {
        None => return Err(Miss::Incomplete),
        Some(b'"') => {
            let (text, end) = text(bytes, at)?;
            *cell = CellRef::Text(text);
            return Ok(end);
        }
        Some(b'-' | b'0'..=b'9') => match short_integer(bytes, at) {
            Some((value, end)) => {
                *cell = CellRef::Int(value);
                return Ok(end);
            }
            None => number(bytes, at)?,
        },
        Some(b'{' | b'[') => nested(bytes, at, depth_max)?,
        Some(b't') => (CellRef::Bool(true), word(bytes, at, b"true")?),
        Some(b'f') => (CellRef::Bool(false), word(bytes, at, b"false")?),
        Some(b'n') => (CellRef::Null, word(bytes, at, b"null")?),
        Some(_) => return Err(RowError::Syntax.into()),
    };
    *cell = value;
    Ok(end)
}

/// Checks a bare word; returns the index after it.
fn word(bytes: &[u8], at: usize, expected: &[u8]) -> Result<usize, Miss> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.starts_with(expected) {
        Ok(at + expected.len())
    } else if expected.starts_with(rest) {
        Err(Miss::Incomplete)
    } else {
        Err(RowError::Syntax.into())
    }
}

/// Finds the end of an object or array.
fn nested_end(bytes: &[u8], at: usize, depth_max: usize) -> Result<usize, Miss> {
    let mut scanner = Scanner::new();
    let length = scanner.scan(bytes.get(at..).unwrap_or_default()).ok_or(Miss::Incomplete)?;
    if scanner.deepest() > depth_max { Err(RowError::TooDeep.into()) } else { Ok(at + length) }
}

/// Reads an object or array as checked JSON text.
fn nested(bytes: &[u8], at: usize, depth_max: usize) -> Read<CellRef<'_>> {
    let end = nested_end(bytes, at, depth_max)?;
    let text = utf8(bytes.get(at..end).unwrap_or_default())?;
    // A full parse, so that whoever reads the text later can rely on it.
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => Ok((CellRef::Json(Cow::Borrowed(text)), end)),
        Err(error) if error.to_string().contains("hex escape") => {
            let whole = without_lone_surrogates(text)?;
            serde_json::from_str::<serde::de::IgnoredAny>(&whole).map_err(|_error| RowError::Syntax)?;
            Ok((CellRef::Json(Cow::Owned(whole)), end))
        }
        Err(error) if error.to_string().contains("out of range") => Err(RowError::NumberRange.into()),
        Err(_) => Err(RowError::Syntax.into()),
    }
}

/// Reads a string with its quotes.
pub(super) fn text(bytes: &[u8], at: usize) -> Read<Cow<'_, str>> {
    let quote = closing_quote(bytes, at + 1).ok_or(Miss::Incomplete)?;
    let raw = bytes.get(at + 1..quote).unwrap_or_default();
    let contents = contents(raw);
    if contents.controls {
        return Err(RowError::Syntax.into());
    }
    let text = utf8(raw)?;
    let text = if contents.escapes { Cow::Owned(unescape(text)?) } else { Cow::Borrowed(text) };
    Ok((text, quote + 1))
}

fn utf8(bytes: &[u8]) -> Result<&str, Miss> {
    std::str::from_utf8(bytes).map_err(|_error| RowError::Utf8.into())
}

/// Resolves the escapes of a string's inside, of which there is at least one.
fn unescape(text: &str) -> Result<String, Miss> {
    let bytes = text.as_bytes();
    let mut plain = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(length) = memchr(b'\\', bytes.get(from..).unwrap_or_default()) {
        let slash = from + length;
        plain.push_str(text.get(from..slash).unwrap_or_default());
        let (value, used) = match bytes.get(slash + 1) {
            Some(b'\\') => ('\\', 1),
            Some(b'"') => ('"', 1),
            Some(b'/') => ('/', 1),
            Some(b'n') => ('\n', 1),
            Some(b't') => ('\t', 1),
            Some(b'r') => ('\r', 1),
            Some(b'b') => ('\u{8}', 1),
            Some(b'f') => ('\u{c}', 1),
            Some(b'u') => unicode(text.get(slash + 1..).unwrap_or_default())?,
            _ => return Err(RowError::Syntax.into()),
        };
        plain.push(value);
        from = slash + 1 + used;
    }
    plain.push_str(text.get(from..).unwrap_or_default());
    Ok(plain)
}

/// What half of a surrogate pair is read as, and its length. Whoever runs under such a name chose it, and
/// the row is not to vanish for that.
const LONE: (char, usize) = (char::REPLACEMENT_CHARACTER, 5);

/// Reads `uXXXX`, or `uXXXX\uXXXX` for a surrogate pair; returns the length used.
fn unicode(text: &str) -> Result<(char, usize), Miss> {
    let high = hex4(text.get(1..5))?;
    if let Some(character) = char::from_u32(high) {
        return Ok((character, 5));
    }
    // What is no character is a surrogate; only a high one with a low one behind it is a character.
    let low = match text.get(5..7) {
        Some("\\u") => hex4(text.get(7..11))?,
        _ => return Ok(LONE),
    };
    if !(0xD800..0xDC00).contains(&high) || !(0xDC00..0xE000).contains(&low) {
        return Ok(LONE);
    }
    let value = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    Ok(char::from_u32(value).map_or(LONE, |character| (character, 11)))
}

/// JSON text with each lone surrogate in it replaced by the character for what is none.
fn without_lone_surrogates(text: &str) -> Result<String, Miss> {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(slash) = memchr(b'\\', rest.as_bytes()) {
        let (before, escape) = rest.split_at(slash);
        whole.push_str(before);
        let used = if escape.as_bytes().get(1) == Some(&b'u') {
            let (character, used) = unicode(escape.get(1..).unwrap_or_default())?;
            let lone = character == char::REPLACEMENT_CHARACTER;
            whole.push_str(if lone { r"\ufffd" } else { escape.get(..=used).unwrap_or_default() });
            used + 1
        } else {
            whole.push_str(escape.get(..2).unwrap_or_default());
            2
        };
        rest = escape.get(used..).ok_or(Miss::Bad(RowError::Syntax))?;
    }
    whole.push_str(rest);
    Ok(whole)
}

fn hex4(digits: Option<&str>) -> Result<u32, Miss> {
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or(Miss::Bad(RowError::Syntax))
}

/// Reads a number that is not a [`short_integer`].
fn number(bytes: &[u8], at: usize) -> Read<CellRef<'_>> {
    let end = number_end(bytes, at)?;
    let text = utf8(bytes.get(at..end).unwrap_or_default())?;
    let whole = !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    if whole && text != "-0" {
        let value = text.parse().map_or_else(|_big| CellRef::Json(Cow::Borrowed(text)), CellRef::Int);
        return Ok((value, end));
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok((CellRef::Real(value), end)),
        _ => Err(RowError::NumberRange.into()),
    }
}

/// Reads the common kind of number: a few digits, no fraction. `None` sends it the long way.
fn short_integer(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let negative = bytes.get(at) == Some(&b'-');
    let first = at + usize::from(negative);
    let mut end = first;
    let mut value: i64 = 0;
    while let Some(digit @ b'0'..=b'9') = bytes.get(end) {
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
        end += 1;
    }
    let length = end - first;
    let plain = !matches!(bytes.get(end), None | Some(b'.' | b'e' | b'E'));
    let leading_zero = bytes.get(first) == Some(&b'0') && (length > 1 || negative);
    let fits = (1..=SAFE_DIGITS).contains(&length) && plain && !leading_zero;
    fits.then(|| (if negative { -value } else { value }, end))
}

/// Finds the end of a number by the grammar of JSON.
fn number_end(bytes: &[u8], at: usize) -> Result<usize, Miss> {
    let mut end = at + usize::from(bytes.get(at) == Some(&b'-'));
    let whole = end;
    end = digits(bytes, end)?;
    if bytes.get(whole) == Some(&b'0') && end > whole + 1 {
        return Err(RowError::Syntax.into());
    }
    if bytes.get(end) == Some(&b'.') {
        end = digits(bytes, end + 1)?;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        end += 1;
        end += usize::from(matches!(bytes.get(end), Some(b'+' | b'-')));
        end = digits(bytes, end)?;
    }
    // At the end of the bytes the number may go on in the next chunk.
    if end == bytes.len() { Err(Miss::Incomplete) } else { Ok(end) }
}

/// Skips one or more digits.
fn digits(bytes: &[u8], at: usize) -> Result<usize, Miss> {
    let rest = bytes.get(at..).unwrap_or_default();
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match (count, rest.len()) {
        (0, 0) => Err(Miss::Incomplete),
        (0, _) => Err(RowError::Syntax.into()),
        _ => Ok(at + count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<CellRef<'_>, RowError>) {
        let padded = format!("{text},");
        let mut cell = CellRef::Null;
        let got = read(padded.as_bytes(), 0, 8, &mut cell).map(|end| (cell, end));
        let expected = expected.map(|cell| (cell, text.len())).map_err(Miss::Bad);
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn integers_keep_every_digit() {
        check("0", Ok(CellRef::Int(0)));
        check("-7", Ok(CellRef::Int(-7)));
        check("9223372036854775807", Ok(CellRef::Int(i64::MAX)));
        check("-9223372036854775808", Ok(CellRef::Int(i64::MIN)));
        check("9223372036854775808", Ok(CellRef::Json("9223372036854775808".into())));
        check("123456789012345678901234567890", Ok(CellRef::Json("123456789012345678901234567890".into())));
    }

    #[test]
    fn reals_are_finite() {
        check("1.5e3", Ok(CellRef::Real(1500.0)));
        check("1.0", Ok(CellRef::Real(1.0)));
        check("-0", Ok(CellRef::Real(-0.0)));
        check("1e400", Err(RowError::NumberRange));
    }

    #[test]
    fn what_is_no_json_number_is_refused() {
        for text in ["01", "-", "1.", ".5", "1e", "1e+", "+1", "NaN", "Infinity", "-Infinity", "-01"] {
            let padded = format!("{text},");
            assert!(matches!(read(padded.as_bytes(), 0, 8, &mut CellRef::Null), Err(Miss::Bad(_))), "{text}");
            assert!(matches!(skip(padded.as_bytes(), 0), Err(Miss::Bad(_))), "skip {text}");
        }
    }

    #[test]
    fn escapes_are_resolved() {
        check(
            r#""a\"\\\/\n\t\r\b\f\u0041\ud83d\ude00""#,
            Ok(CellRef::Text("a\"\\/\n\t\r\u{8}\u{c}A😀".into())),
        );
        check(r#""""#, Ok(CellRef::Text("".into())));
        check(r#""\u0000""#, Ok(CellRef::Text("\0".into())));
    }

    #[test]
    fn broken_texts_are_refused() {
        check(r#""\ud800""#, Ok(CellRef::Text("\u{fffd}".into())));
        check(r#""\ud800\u0041""#, Ok(CellRef::Text("\u{fffd}A".into())));
        check(r#""\udc00\ud800""#, Ok(CellRef::Text("\u{fffd}\u{fffd}".into())));
        check(r#""\x""#, Err(RowError::Syntax));
        check(r#""\u12g4""#, Err(RowError::Syntax));
        check(r#""\u+123""#, Err(RowError::Syntax));
        check("\"a\nb\"", Err(RowError::Syntax));
        assert_eq!(read(b"\"\xff\",", 0, 8, &mut CellRef::Null), Err(Miss::Bad(RowError::Utf8)));
    }

    #[test]
    fn nested_values_keep_their_text_when_it_is_sound() {
        check(r#"[1, {"a":null}]"#, Ok(CellRef::Json(r#"[1, {"a":null}]"#.into())));
        check(
            r#"["\ud800",{"\udc00":"\\\ud83d\ude00"}]"#,
            Ok(CellRef::Json(r#"["\ufffd",{"\ufffd":"\\\ud83d\ude00"}]"#.into())),
        );
        check("[1e400]", Err(RowError::NumberRange));
        check("[1,]", Err(RowError::Syntax));
        check("[[[[[[[[[1]]]]]]]]]", Err(RowError::TooDeep));
    }

    #[test]
    fn an_open_value_waits_for_more() {
        for text in ["", "\"a", "\"a\\", "[1", "tru", "12", "-", "1.", "1e", "n"] {
            assert_eq!(read(text.as_bytes(), 0, 8, &mut CellRef::Null), Err(Miss::Incomplete), "{text}");
        }
    }
}
