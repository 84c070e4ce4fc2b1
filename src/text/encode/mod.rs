//! Encoders, one for each place a text goes to.
//!
//! A sink encodes the whole text it was given, once, at the last moment; nothing here marks a text as safe.
//! What cannot be seen (control characters, marks that turn the direction of writing, characters without
//! width) is made visible or harmless everywhere, because it hides what a reader should see.

mod cef;
mod csv;
mod kql;

use std::borrow::Cow;
use std::fmt::Write as _;

pub use cef::cef;
pub use csv::csv;
pub use kql::{KqlValue, kql, kql_list};

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

/// Makes a JSON document fit for a terminal: what cannot be seen inside its strings is written as escapes, which
/// mean the same to whoever parses it.
#[must_use]
pub fn json(document: &str) -> String {
    let mut safe = String::with_capacity(document.len());
    for c in document.chars() {
        if unsafe_in_line(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _infallible = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
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

/// Writes a text as an `OData` string literal, quotes included, for a `$filter` that is still to be encoded
/// for its URL.
///
/// Source: the protocol's URL conventions, 5.1.1.6.1: a quote inside is doubled.
#[must_use]
pub fn odata(text: &str) -> String {
    ["'", &text.replace('\'', "''"), "'"].concat()
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
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}' | '\u{ad}' | '\u{180e}' | '\u{fff9}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
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
        fn json_means_the_same_and_shows_all(text in any::<String>()) {
            let encoded = json(&serde_json::to_string_pretty(&[&text]).unwrap());
            prop_assert!(!encoded.contains(|c: char| unsafe_in_line(c) && c != '\n'));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&encoded).unwrap(), [text]);
        }

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

    /// What an attacker writes into a command line, a mail subject or a device name.
    fn hostile() -> Vec<String> {
        let texts = [
            "",
            "plain",
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "\"><svg/onload=1>",
            "&lt;b&gt;",
            "Subject: x\r\nBcc: everyone@contoso.example",
            "\r",
            "\u{1b}[31mred\u{1b}]0;title\u{7}",
            "\0nul\0",
            "{{run.id}}",
            "{{#each x}}",
            "{{{x}}}",
            "{{DATE(2026-01-01T00:00:00Z, SHORT)}}",
            "${system}",
            "$${{x}}",
            "{ {x",
            "<!channel> <@U012AB3CD> <https://evil.example|bank.example>",
            "*bold* _it_ ~no~ `code` ```block```",
            "[text](https://evil.example) ![x](y)",
            "# head\n- list\n> quote\n1. one\n---\n| a |",
            "\u{202e}gnp.exe\u{202c}",
            "a\u{200b}b\u{feff}c\u{2060}d",
            "line\u{2028}sep\u{2029}par",
            "\u{85}next",
            "=cmd|' /C calc'!A0",
            "+1+1",
            "-1+1",
            "@SUM(A1)",
            "\t=1",
            " =1",
            "-5",
            "-5.5e3",
            "a,b\"c;d",
            "\u{ff1d}1",
            "\" | project Secret //",
            "x\\\" or \\",
            "' or 1 eq 1 or name eq '",
            "it's",
            "=?utf-8?q?=0d=0aBcc:_x?=",
            "😀\u{10ffff}",
        ];
        let mut all: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        all.extend(["A".repeat(1 << 20), "é\r\n".repeat(1 << 18), "<{{\u{202e}\"".repeat(1 << 17)]);
        all
    }

    #[track_caller]
    fn check_html(text: &str) {
        let encoded = html(text);
        assert!(!encoded.contains(['<', '>', '"', '\'']));
        assert_eq!(unescape(&encoded), visible(text));
    }

    #[track_caller]
    fn check_header(text: &str) {
        let line = header(text);
        assert!(!line.contains(unsafe_in_line) && !line.contains("=?"));
    }

    /// Reads an `OData` literal back; `None` if it is not exactly one literal.
    fn read_odata(literal: &str) -> Option<String> {
        let inside = literal.strip_prefix('\'')?.strip_suffix('\'')?;
        let mut text = String::new();
        let mut characters = inside.chars();
        while let Some(c) = characters.next() {
            if c == '\'' && characters.next() != Some('\'') {
                return None;
            }
            text.push(c);
        }
        Some(text)
    }

    #[test]
    fn no_hostile_text_leaves_its_place() {
        for text in hostile() {
            check_html(&text);
            check_header(&text);
            let slack = slack(&text);
            assert!(!slack.contains(['<', '>']) && unescape(&slack) == visible(&text));
            for encoded in [card(&text), card_run(&text)] {
                assert!(!encoded.contains("{{") && !encoded.contains("${"));
            }
            assert!(!log(&text).contains(unsafe_in_line));
            assert_eq!(read_odata(&odata(&text)), Some(text));
        }
    }

    proptest! {
        #[test]
        fn a_literal_of_a_filter_reads_back(text in any::<String>()) {
            prop_assert_eq!(read_odata(&odata(&text)), Some(text));
        }
    }
}
