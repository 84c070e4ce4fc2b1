//! Bytes to an acceptable text: size, encoding, and no characters that hide or reorder what a reader sees.

use std::sync::Arc;

use crate::diag::{Code, Diagnostic, Sink, SourceText, Span};

/// Most character problems reported for one file; the file is refused all the same.
const REPORTED_MAX: usize = 50;

/// Checks the bytes of a file. Gives its text, or reports why it is refused.
pub(super) fn accept(name: &str, bytes: &[u8], bytes_max: usize, sink: &mut Sink) -> Option<Arc<SourceText>> {
    if bytes.len() > bytes_max {
        let source = Arc::new(SourceText { name: name.to_owned(), text: String::new() });
        let message = format!("the file has {} bytes; at most {bytes_max} are allowed", bytes.len());
        sink.push(
            Diagnostic::error(Code::YamlLimit, Span { source, range: 0..0 }, message)
                .help("split it, or move long lists to files of their own under `lists/`"),
        );
        return None;
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(error) => {
            sink.push(not_utf8(name, bytes, error.valid_up_to()));
            return None;
        }
    };
    let source = Arc::new(SourceText { name: name.to_owned(), text });
    let mut refused = 0;
    let mut chars = source.text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let Some((what, help)) = refusal(char, next) else { continue };
        refused += 1;
        // Line ends are wrong everywhere or nowhere.
        if refused <= if char == '\r' { 1 } else { REPORTED_MAX } {
            let span = Span { source: Arc::clone(&source), range: at..at + char.len_utf8() };
            let message = format!("{what} (U+{:04X}) is not allowed", u32::from(char));
            sink.push(Diagnostic::error(Code::Text, span, message).help(help));
        }
    }
    (refused == 0).then_some(source)
}

/// Why a character is refused, and what to do about it.
fn refusal(char: char, next: Option<char>) -> Option<(&'static str, &'static str)> {
    const ESCAPE: &str = "if it is meant, write it as an escape in double quotes, such as `\\u0007`";
    match char {
        '\t' | '\n' => None,
        '\r' if next == Some('\n') => None,
        '\r' => Some(("a carriage return without a line feed", "use LF or CRLF line ends")),
        '\0' => Some(("a NUL character", "the file is probably not text")),
        '\u{1}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => Some(("a control character", ESCAPE)),
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some((
            "a character that reorders text",
            "it can make a line read differently from what it does; if it is meant, write it as an escape in double quotes",
        )),
        '\u{2028}' | '\u{2029}' => Some(("a line separator", "use LF or CRLF line ends")),
        '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' => {
            Some(("an invisible character", "remove it, or write it as an escape in double quotes"))
        }
        _ => None,
    }
}

/// Reports bytes that are not UTF-8.
fn not_utf8(name: &str, bytes: &[u8], valid: usize) -> Diagnostic {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let source = Arc::new(SourceText { name: name.to_owned(), text });
    let utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    let shown = source.text.get(valid..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let span = Span { source, range: valid..valid + shown };
    let message = if utf16 { "the file is UTF-16, not UTF-8" } else { "the file is not UTF-8" };
    Diagnostic::error(Code::Text, span, message).help("save it as UTF-8")
}
