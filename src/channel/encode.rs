//! Encoders of the sinks, until `text::encode` has them.

/// Whether a character can change what a line looks like: control characters, line and paragraph
/// separators, marks that change the direction of writing, characters without width.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Shows what cannot be seen as a replacement character; keeps line ends and tabs.
fn visible(c: char) -> char {
    if is_unsafe(c) && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }
}

/// For the text and the attributes of an HTML page.
pub(super) fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars().filter(|c| *c != '\r').map(visible) {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// For Slack's text objects.
pub(super) fn slack(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars().filter(|c| *c != '\r').map(visible) {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            c => safe.push(c),
        }
    }
    safe
}

/// For an Adaptive Card's text that is read as Markdown.
pub(super) fn card(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in card_run(text).chars() {
        if "\\`*_[]()#-+!~|<>".contains(c) {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

/// For an Adaptive Card's literal text: only template and date functions are taken apart.
pub(super) fn card_run(text: &str) -> String {
    let plain: String = text.chars().filter(|c| *c != '\r').map(visible).collect();
    plain.replace("{{", "{\u{2060}{").replace("${", "$\u{2060}{")
}

/// For one line of a mail header.
pub(super) fn header(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect()
}

/// For one line of a log or a terminal.
pub(super) fn log(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) { safe.extend(c.escape_unicode()) } else { safe.push(c) }
    }
    safe
}
