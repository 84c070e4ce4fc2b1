//! Encoders, one for each place a text goes to.
//!
//! A sink encodes the whole text it was given, once, at the last moment; nothing here marks a text as safe.
//! What cannot be seen (control characters, marks that turn the direction of writing, characters without
//! width) is made visible or harmless everywhere, because it hides what a reader should see.

use std::borrow::Cow;

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

/// Makes a text fit for the content and the quoted attributes of an HTML page.
#[must_use]
pub fn html(text: &str) -> String {
    replace(text, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        _plain => None,
    })
}

/// Makes a text fit for Slack's text objects: nothing in it is a mention or a link. Line ends stay.
#[must_use]
pub fn slack(text: &str) -> String {
    replace(text, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _plain => None,
    })
}

/// Makes a text fit for an Adaptive Card's element that reads Markdown (`TextBlock`, facts).
#[must_use]
pub fn card(text: &str) -> String {
    let text = card_run(text);
    let mut safe = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if 0 < number {
            safe.push('\n');
        }
        let indent = line.len() - line.trim_start().len();
        for (at, c) in line.char_indices() {
            // A mark at the start of a line makes a list, a heading or a quotation; elsewhere it is plain.
            let first_word =
                at == indent || line.get(indent..at).is_some_and(|head| head.bytes().all(is_digit));
            if MARKDOWN.contains(c) || first_word && MARKDOWN_AT_START.contains(c) {
                safe.push('\\');
            }
            safe.push(c);
        }
    }
    safe
}

/// Makes a text fit for an Adaptive Card's element that reads no Markdown (`TextRun`): only template and
/// date functions are taken apart.
#[must_use]
pub fn card_run(text: &str) -> String {
    let visible = replace(text, |_any| None);
    let mut safe = String::with_capacity(visible.len());
    for c in visible.chars() {
        if c == '{' && safe.ends_with(['{', '$']) {
            safe.push('\u{2060}');
        }
        safe.push(c);
    }
    safe
}

/// Makes a text fit for the value of a mail header: one line, and no part of it is an encoded word that a
/// mail program would decode.
#[must_use]
pub fn header(text: &str) -> String {
    let line: String = text.chars().map(|c| if unsafe_in_line(c) { ' ' } else { c }).collect();
    line.replace("=?", "= ?")
}

/// Characters that mean something anywhere in Markdown.
const MARKDOWN: &str = "\\`*_[]<>&~|";
/// Characters that mean something at the start of a line, or after digits there.
const MARKDOWN_AT_START: &str = "#-+=.)";

/// Whether a byte is a decimal digit.
const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// Replaces characters by what `escape` says; shows what cannot be seen as U+FFFD, but keeps line ends
/// (as `\n`) and tabs.
fn replace(text: &str, escape: impl Fn(char) -> Option<&'static str>) -> String {
    let text = if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n")) } else { Cow::Borrowed(text) };
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match escape(c) {
            Some(escaped) => safe.push_str(escaped),
            None if c == '\r' => safe.push('\n'),
            None if unsafe_in_line(c) && !matches!(c, '\n' | '\t') => safe.push(char::REPLACEMENT_CHARACTER),
            None => safe.push(c),
        }
    }
    safe
}

/// Whether a character can change what a line looks like: C0, C1, line and paragraph separators, marks
/// that change the direction of writing, and characters without width.
fn unsafe_in_line(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the reader of an encoded text is to see.
    fn visible(text: &str) -> String {
        let hidden = |c: char| unsafe_in_line(c) && !matches!(c, '\n' | '\t');
        text.replace("\r\n", "\n").replace('\r', "\n").replace(hidden, "\u{fffd}")
    }

    /// Reads HTML's five names back.
    fn unescape(text: &str) -> String {
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&")
    }

    #[test]
    fn each_place_has_its_own_escapes() {
        let hostile = "<a href='x'>\"&amp;\" {{DATE(1)}} ${x} *b* \u{1b}[31m \u{202e}";
        assert_eq!(
            html(hostile),
            "&lt;a href=&#39;x&#39;&gt;&quot;&amp;amp;&quot; {{DATE(1)}} ${x} *b* \u{fffd}[31m \u{fffd}"
        );
        assert_eq!(
            slack(hostile),
            "&lt;a href='x'&gt;\"&amp;amp;\" {{DATE(1)}} ${x} *b* \u{fffd}[31m \u{fffd}"
        );
        assert_eq!(
            card(hostile),
            "\\<a href='x'\\>\"\\&amp;\" {\u{2060}{DATE(1)}} $\u{2060}{x} \\*b\\* \u{fffd}\\[31m \u{fffd}"
        );
        assert_eq!(header("a\r\nBcc: x =?utf-8?q?y?="), "a  Bcc: x = ?utf-8?q?y?=");
        assert_eq!(log("a\r\n\u{1b}[31m"), "a\\u{d}\\u{a}\\u{1b}[31m");
    }

    #[test]
    fn a_list_is_not_made_and_a_host_name_stays_readable() {
        assert_eq!(
            card("- a\n  # b\n12. c\nws-017.contoso.example 1.5"),
            "\\- a\n  \\# b\n12\\. c\nws-017.contoso.example 1.5"
        );
    }

    proptest! {
        #[test]
        fn html_reads_back_and_holds_no_markup(text in any::<String>()) {
            let encoded = html(&text);
            prop_assert!(!encoded.contains(['<', '>', '"', '\'']));
            prop_assert_eq!(unescape(&encoded), visible(&text));
        }

        #[test]
        fn slack_reads_back_and_holds_no_markup(text in any::<String>()) {
            let encoded = slack(&text);
            prop_assert!(!encoded.contains(['<', '>']));
            prop_assert_eq!(unescape(&encoded), visible(&text));
        }

        #[test]
        fn a_card_holds_no_function(text in "[{$}a\r\n]{0,40}") {
            for encoded in [card(&text), card_run(&text)] {
                let functions = encoded.matches("{{").count() + encoded.matches("${").count();
                prop_assert_eq!(functions, 0);
                prop_assert_eq!(encoded.replace('\u{2060}', ""), visible(&text));
            }
        }

        #[test]
        fn a_line_stays_one_visible_line(text in any::<String>()) {
            for line in [header(&text), log(&text)] {
                prop_assert!(!line.contains(unsafe_in_line), "{line:?}");
            }
            prop_assert!(!header(&text).contains("=?"));
        }
    }
}
