//! Encoders, one for each place a text goes to.

/// Makes a text fit for one line of a log or a terminal: control, format and direction characters are
/// shown as escapes.
#[must_use]
pub fn log(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if unsafe_in_line(c) { safe.extend(c.escape_unicode()) } else { safe.push(c) }
    }
    safe
}

/// Whether a character can change what a line looks like: C0, C1, line and paragraph separators, marks
/// that change the direction of writing, and characters without width.
fn unsafe_in_line(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}' | '\u{fff9}'..='\u{fffb}')
}
