//! String literals: `"…"`, `'…'`, `@"…"`, `h"…"`, and the multi-line forms.

use super::cursor::Cursor;
use super::{BAD_ESCAPE, Token, TokenKind, UNTERMINATED_STRING};
use crate::diagnostic::Diagnostic;
use crate::text::Span;

/// The signs that open and close a string of several lines.
const FENCES: [&str; 2] = ["```", "~~~"];

/// Tells whether a string literal is next; it may begin with a word's letters (`h"…"`).
pub(super) fn is_next(cursor: &Cursor<'_>) -> bool {
    let rest = cursor.rest();
    let body = body(rest);
    match body.bytes().next() {
        Some(b'"' | b'\'') => true,
        Some(b'@') => matches!(body.as_bytes().get(1), Some(b'"' | b'\'')),
        Some(b'`' | b'~') => FENCES.iter().any(|fence| body.starts_with(fence)),
        _ => false,
    }
}

/// Reads the string literal that is next.
pub(super) fn string(cursor: &mut Cursor<'_>, diagnostics: &mut Vec<Diagnostic>) -> Token {
    let start = cursor.at();
    cursor.skip(cursor.rest().len() - body(cursor.rest()).len());
    let closed = match FENCES.into_iter().find(|fence| cursor.eat(fence)) {
        Some(fence) => fenced(cursor, fence),
        None if cursor.eat("@") => verbatim(cursor),
        None => plain(cursor, diagnostics),
    };
    let span = cursor.since(start);
    if !closed {
        let message = "this string has no closing quote";
        diagnostics.push(Diagnostic::error(UNTERMINATED_STRING, span, message));
    }
    Token { kind: TokenKind::String, span }
}

/// Returns the literal without the `h` that keeps it out of the service's logs.
fn body(literal: &str) -> &str {
    literal.strip_prefix(['h', 'H']).unwrap_or(literal)
}

fn fenced(cursor: &mut Cursor<'_>, fence: &str) -> bool {
    let rest = cursor.rest();
    let end = rest.find(fence);
    cursor.skip(end.map_or(rest.len(), |at| at + fence.len()));
    end.is_some()
}

fn verbatim(cursor: &mut Cursor<'_>) -> bool {
    let quote = cursor.byte(0);
    cursor.skip(1);
    loop {
        cursor.eat_while(|c| !matches!(c, '"' | '\'' | '\n' | '\r'));
        match cursor.byte(0) {
            found if found == quote && cursor.byte(1) == quote => cursor.skip(2),
            found if found == quote => {
                cursor.skip(1);
                return true;
            }
            b'"' | b'\'' => cursor.skip(1),
            _ => return false,
        }
    }
}

fn plain(cursor: &mut Cursor<'_>, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let quote = cursor.byte(0);
    cursor.skip(1);
    loop {
        cursor.eat_while(|c| !matches!(c, '"' | '\'' | '\\' | '\n' | '\r'));
        match cursor.byte(0) {
            found if found == quote => {
                cursor.skip(1);
                return true;
            }
            b'"' | b'\'' => cursor.skip(1),
            b'\\' => backslash(cursor, diagnostics),
            _ => return false,
        }
    }
}

/// Moves over a backslash and what belongs to it.
fn backslash(cursor: &mut Cursor<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let start = cursor.at();
    let rest = cursor.rest();
    if let Some((_, length)) = escape(rest) {
        cursor.skip(length);
        return;
    }
    cursor.skip(1);
    if !matches!(cursor.byte(0), 0 | b'\n' | b'\r') {
        cursor.bump();
    }
    let span = cursor.since(start);
    let message = format!("`{}` is no escape sequence", span_text(rest, span));
    diagnostics.push(
        Diagnostic::error(BAD_ESCAPE, span, message)
            .with_help(
                "write `\\\\` for a backslash, or put `@` before the string to take every character as it is",
            )
            .with_fix(Span::empty(span.start), "\\"),
    );
}

fn span_text(rest: &str, span: Span) -> &str {
    rest.get(..span.len() as usize).unwrap_or_default()
}

/// Reads the escape sequence a text begins with: the character it stands for and its length.
/// Nothing for a sequence that stands for no character.
fn escape(text: &str) -> Option<(char, usize)> {
    let simple = |c| Some((c, 2));
    match text.as_bytes().get(1).copied()? {
        b'n' => simple('\n'),
        b't' => simple('\t'),
        b'r' => simple('\r'),
        b'a' => simple('\u{7}'),
        b'b' => simple('\u{8}'),
        b'f' => simple('\u{c}'),
        b'v' => simple('\u{b}'),
        quoted @ (b'\\' | b'"' | b'\'') => simple(char::from(quoted)),
        b'x' => number(text, 2, 2, 16),
        b'u' => number(text, 2, 4, 16),
        b'U' => number(text, 2, 8, 16),
        b'0'..=b'7' => octal(text),
        _ => None,
    }
}

/// Reads one to three octal digits.
fn octal(text: &str) -> Option<(char, usize)> {
    let digits = text.bytes().skip(1).take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    number(text, 1, digits, 8)
}

/// Reads exactly `digits` digits from byte `start` on.
fn number(text: &str, start: usize, digits: usize, radix: u32) -> Option<(char, usize)> {
    let code = u32::from_str_radix(text.get(start..start + digits)?, radix).ok()?;
    // Half of a pair stands for nothing alone; the service prints the replacement character.
    Some((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), start + digits))
}

/// Returns what a string literal stands for. An unknown escape stands for itself; a missing closing
/// quote is taken as there.
pub fn unquote(literal: &str) -> String {
    let body = body(literal);
    if let Some(fence) = FENCES.into_iter().find(|fence| body.starts_with(fence)) {
        let inner = body.strip_prefix(fence).unwrap_or_default();
        return inner.strip_suffix(fence).unwrap_or(inner).to_owned();
    }
    let verbatim = body.strip_prefix('@');
    let quoted = verbatim.unwrap_or(body);
    let Some(quote) = quoted.chars().next() else { return String::new() };
    let inner = quoted.strip_prefix(quote).unwrap_or_default();
    if verbatim.is_some() {
        let inner = inner.strip_suffix(quote).unwrap_or(inner);
        return inner.replace(&format!("{quote}{quote}"), &quote.to_string());
    }
    unescape(inner, quote)
}

fn unescape(inner: &str, quote: char) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find(['\\', quote]) {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        if tail.starts_with(quote) {
            return out;
        }
        let (c, length) = escape(tail).unwrap_or(('\\', 1));
        out.push(c);
        rest = tail.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}
