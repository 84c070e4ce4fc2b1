//! Slack through an incoming webhook: blocks, and a plain text for notifications and old programs.
//!
//! `&`, `<` and `>` are escaped everywhere, so nothing in a message can mention a channel or hide a link.

use serde_json::{Value, json};

use super::cut::{fit, fit_line};

use super::error::ChannelError;
use super::message::{Message, origin, severity_label, shortened_facts};
use super::post::{Reply, refusal};
use crate::text::encode;

/// Longest header, in characters (Slack's limit for a header block).
const HEADER_CHARS_MAX: usize = 150;
/// Longest section, in characters (Slack's limit for a section's text).
const SECTION_CHARS_MAX: usize = 3_000;
/// Longest text over all sections, in characters. Sections break at lines, so two neighbours hold more
/// than one limit together: at most 19 sections of the 50 blocks Slack takes.
const TEXT_CHARS_MAX: usize = 27_000;
/// Most facts: two sections of ten fields (Slack's limit for a section's fields).
const FACTS_MAX: usize = 20;
/// Fields of one section.
const FIELDS_MAX: usize = 10;
/// Longest name of a fact, in characters.
const NAME_CHARS_MAX: usize = 80;
/// Longest value of a fact, in characters; escaped, with the name, below Slack's 2000 for a field.
const VALUE_CHARS_MAX: usize = 300;
/// Longest fallback text, in characters: what a phone shows.
const FALLBACK_CHARS_MAX: usize = 1_000;

/// Builds the body to post.
pub(super) fn body(message: &Message) -> Value {
    let escaped_chars = |text: &str| encode::slack(text).chars().count();
    let title = message.title_line();
    let title = match title.trim() {
        "" => message.playbook.trim(),
        title => title,
    };
    let title = encode::slack(&fit_line(title, HEADER_CHARS_MAX, escaped_chars));
    let text = fit(&message.text, TEXT_CHARS_MAX, escaped_chars);
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": title, "emoji": false},
    })];
    let facts: Vec<Value> = shortened_facts(message, FACTS_MAX, NAME_CHARS_MAX, VALUE_CHARS_MAX)
        .map(|(name, value)| mrkdwn(&format!("*{}*\n{}", encode::slack(&name), encode::slack(&value))))
        .collect();
    blocks.extend(facts.chunks(FIELDS_MAX).map(|fields| json!({"type": "section", "fields": fields})));
    blocks.extend(sections(&text).iter().map(|text| json!({"type": "section", "text": mrkdwn(text)})));
    let origin = format!("{} · {}", severity_label(message.severity), origin(message));
    blocks.push(json!({"type": "context", "elements": [mrkdwn(&encode::slack(&origin))]}));
    let fallback = fit(&message.text, FALLBACK_CHARS_MAX, escaped_chars);
    let fallback = format!("{title}\n{}", encode::slack(&fallback));
    json!({
        "text": fallback.trim_end(),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// A text object in which Slack does not look for channel names and links by itself.
fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

/// Escapes the text and packs its lines into sections; blank ones are left out, Slack refuses them.
fn sections(text: &str) -> Vec<String> {
    let chars = |text: &str| text.chars().count();
    let mut sections: Vec<String> = Vec::new();
    let mut open = String::new();
    let mut length = 0;
    for line in text.lines().flat_map(pieces) {
        let added = chars(&line) + 1;
        if SECTION_CHARS_MAX < length + added {
            sections.push(std::mem::take(&mut open));
            length = 0;
        }
        open.push_str(&line);
        open.push('\n');
        length += added;
    }
    sections.push(open);
    sections.into_iter().map(|section| section.trim_end().to_owned()).filter(|s| !s.is_empty()).collect()
}

/// Escapes a line, in pieces if it is longer than a section; an escape is never torn apart.
fn pieces(line: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut length = 0;
    for escaped in line.split_inclusive(|_any: char| true).map(encode::slack) {
        let added = escaped.chars().count();
        // One less for the line's end.
        if SECTION_CHARS_MAX <= length + added {
            pieces.push(String::new());
            length = 0;
        }
        if let Some(open) = pieces.last_mut() {
            open.push_str(&escaped);
        }
        length += added;
    }
    pieces
}

/// Decides whether Slack took the message: only the text `ok` means yes.
pub(super) fn check(reply: &Reply) -> Result<(), ChannelError> {
    if let Some(refused) = refusal(reply) {
        return Err(refused);
    }
    if reply.body.trim() == "ok" {
        return Ok(());
    }
    let answer = reply.shown();
    if reply.body.contains("invalid") || reply.body.contains("missing") || reply.body.contains("too_many") {
        return Err(ChannelError::Refused { answer });
    }
    Err(ChannelError::Failed { answer, wait: reply.wait })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Retry;
    use crate::channel::tests::{assert_cut, endless, message, reply};

    #[test]
    fn nothing_mentions_a_channel() {
        let hostile = "<!channel> <@U123> <https://evil.example|ok> &lt;!here&gt;";
        let body = body(&Message {
            title: hostile.to_owned(),
            text: hostile.to_owned(),
            facts: vec![(hostile.to_owned(), hostile.to_owned())],
            playbook: hostile.to_owned(),
            tenant: hostile.to_owned(),
            run: hostile.to_owned(),
            ..message()
        })
        .to_string();
        assert!(!body.contains('<') && !body.contains('>'), "{body}");
    }

    #[test]
    fn every_block_is_within_its_limit() {
        let long = Message {
            title: "<".repeat(999),
            text: format!("{}\n{}", "&".repeat(50_000), "line\n".repeat(9_000)),
            facts: vec![("<".repeat(999), "&".repeat(99_999)); 99],
            ..message()
        };
        let body = body(&long);
        let blocks = body["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 50, "{}", blocks.len());
        let length = |text: &Value| text.as_str().unwrap().chars().count();
        assert!(length(&blocks[0]["text"]["text"]) <= HEADER_CHARS_MAX);
        for block in blocks.iter().filter(|block| block["type"] == "section") {
            if let Some(fields) = block["fields"].as_array() {
                assert!(fields.len() <= FIELDS_MAX);
                assert!(fields.iter().all(|field| length(&field["text"]) <= 2_000));
            } else {
                assert!((1..=SECTION_CHARS_MAX).contains(&length(&block["text"]["text"])));
            }
        }
        assert!(body.to_string().contains("more characters"));
    }

    #[test]
    fn each_piece_has_its_limit() {
        let shown = body(&endless()).to_string();
        assert_cut(&shown, [2 * 150, 20 * 80, 20 * 300, 27_000 + 1_000, 3 * 120]);
    }

    /// The texts of the sections in order.
    fn told(text: String) -> Vec<String> {
        let body = body(&Message { text, facts: vec![], ..message() });
        let text = |block: &Value| block["text"]["text"].as_str().map(str::to_owned);
        let blocks = body["blocks"].as_array().unwrap();
        blocks.iter().filter(|block| block["type"] == "section").filter_map(text).collect()
    }

    #[test]
    fn a_text_arrives_whole_in_as_few_sections_as_hold_it() {
        assert_eq!(told("a <b>\n\n&c\n".to_owned()), ["a &lt;b&gt;\n\n&amp;c"]);
        let lines = |first: usize, second: usize| {
            told(format!("{}\n{}", "x".repeat(first), "y".repeat(second)))
                .iter()
                .map(|section| section.chars().count())
                .collect::<Vec<_>>()
        };
        assert_eq!(lines(1_499, 1_499), [2_999]);
        assert_eq!(lines(1_499, 1_500), [1_499, 1_500]);
        assert_eq!(lines(2_999, 1), [2_999, 1]);
        assert_eq!(lines(3_000, 1), [2_999, 3], "the end of a long line has room beside it");
        let many = told("abcd\n".repeat(5_000));
        assert!(many.iter().all(|section| section.chars().count() <= SECTION_CHARS_MAX));
        assert_eq!(many.iter().map(|section| section.lines().count()).sum::<usize>(), 5_000);
    }

    #[test]
    fn an_escape_is_never_torn_apart() {
        let sections = told("&".repeat(1_500));
        assert_eq!(sections.concat(), "&amp;".repeat(1_500));
        assert_eq!(sections, ["&amp;".repeat(599), "&amp;".repeat(599), "&amp;".repeat(302)]);
    }

    #[test]
    fn an_empty_message_has_no_empty_block() {
        let body =
            body(&Message { title: String::new(), text: "\n \n".to_owned(), facts: vec![], ..message() });
        let kinds: Vec<_> = body["blocks"].as_array().unwrap().iter().map(|block| &block["type"]).collect();
        assert_eq!(kinds, ["header", "context"]);
        assert_eq!(body["blocks"][0]["text"]["text"], "PsExec fan-out");
    }

    #[test]
    fn only_ok_is_a_success() {
        check(&reply(200, "ok")).unwrap();
        assert_eq!(check(&reply(200, "invalid_payload")).unwrap_err().retry(), Retry::Never);
        assert_eq!(check(&reply(200, "")).unwrap_err().retry(), Retry::Backoff);
        assert_eq!(check(&reply(200, "<html>sign in</html>")).unwrap_err().retry(), Retry::Backoff);
    }
}
