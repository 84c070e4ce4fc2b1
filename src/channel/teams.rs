//! Microsoft Teams through a Workflows webhook: one Adaptive Card for each message.
//!
//! An accepted card is not yet a posted one: the flow answers 202 and posts later, where nobody tells us.
//! Text of a message goes into `TextRun`s, which Teams does not read as Markdown; only the fact table
//! knows no such element and is escaped.

use serde_json::{Value, json};

use super::cut::{fit, fit_line};

use super::error::ChannelError;
use super::message::{Message, origin, severity_label, shortened_facts};
use super::post::{Reply, refusal};
use crate::model::AlertSeverity;
use crate::text::encode;

/// Largest body, in bytes. Teams documents about 28 KB for a message with everything it adds itself;
/// 21 KB is what has been measured to go through.
const BODY_BYTES_MAX: usize = 21 * 1024;
/// Longest title, in characters.
const TITLE_CHARS_MAX: usize = 250;
/// Longest name of a playbook, tenant or fact, in characters.
const NAME_CHARS_MAX: usize = 80;
/// Most facts; with the value's limit a table stays well below half of the body.
const FACTS_MAX: usize = 20;
/// Longest value of a fact, in characters.
const VALUE_CHARS_MAX: usize = 120;

/// Builds the body to post.
pub(super) fn body(message: &Message) -> Value {
    let cost = |text: &str| card(message, text).to_string().len();
    card(message, &fit(&message.text, BODY_BYTES_MAX, cost))
}

/// The envelope with the card in it.
fn card(message: &Message, text: &str) -> Value {
    let chars = |text: &str| text.chars().count();
    let title = message.title_line();
    let title = fit_line(&title, TITLE_CHARS_MAX, chars);
    let facts: Vec<Value> = shortened_facts(message, FACTS_MAX, NAME_CHARS_MAX, VALUE_CHARS_MAX)
        .map(|(name, value)| json!({"title": encode::card(&name), "value": encode::card(&value)}))
        .collect();
    let mut body = vec![json!({
        "type": "Container",
        "style": style(message.severity),
        "bleed": true,
        "items": [
            run_block(severity_label(message.severity), &json!({"size": "Small", "weight": "Bolder"})),
            run_block(&title, &json!({"size": "Medium", "weight": "Bolder"})),
        ],
    })];
    if !facts.is_empty() {
        body.push(json!({"type": "FactSet", "facts": facts}));
    }
    if !text.trim().is_empty() {
        let lines: Vec<Value> = text.lines().map(|line| run_block(line, &json!({}))).collect();
        body.push(json!({"type": "Container", "separator": true, "items": lines}));
    }
    let mut footer = run_block(&origin(message), &json!({"size": "Small", "isSubtle": true}));
    if let Some(footer) = footer.as_object_mut() {
        footer.insert("spacing".to_owned(), "Medium".into());
    }
    body.push(footer);
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "fallbackText": encode::card(&title),
                "body": body,
            },
        }],
    })
}

/// One line of literal text. Blocks of the same kind follow each other without a gap.
fn run_block(text: &str, look: &Value) -> Value {
    // An empty run would take no room, and a blank line of the text would vanish.
    let text = if text.trim().is_empty() { "\u{a0}".to_owned() } else { encode::card_run(text) };
    let mut run = json!({"type": "TextRun", "text": text});
    if let (Some(run), Some(look)) = (run.as_object_mut(), look.as_object()) {
        run.extend(look.clone());
    }
    json!({"type": "RichTextBlock", "spacing": "None", "inlines": [run]})
}

/// The container style that shows a severity as a colour.
const fn style(severity: AlertSeverity) -> &'static str {
    match severity {
        AlertSeverity::High => "attention",
        AlertSeverity::Medium => "warning",
        AlertSeverity::Low => "accent",
        AlertSeverity::Informational | AlertSeverity::Unknown => "emphasis",
    }
}

/// Decides whether the flow took the card.
///
/// Besides the status the body counts: Teams has reported failures as text inside a 200
/// ("… returned HTTP error 429 …").
pub(super) fn check(reply: &Reply) -> Result<(), ChannelError> {
    if let Some(refused) = refusal(reply) {
        return Err(refused);
    }
    let said = reply.body.to_ascii_lowercase();
    if !said.contains("http error") && !said.contains("delivery failed") {
        return Ok(());
    }
    if said.contains("429") {
        return Err(ChannelError::Throttled { wait: reply.wait });
    }
    let answer = reply.shown();
    if said.contains("413") || said.contains("400") {
        return Err(ChannelError::Refused { answer });
    }
    Err(ChannelError::Failed { answer, wait: reply.wait })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::tests::{assert_cut, endless, message, reply};

    #[test]
    fn a_card_stays_below_its_limit_and_says_what_is_missing() {
        let rows = (0..5_000).map(|n| format!("row {n} \u{1}\"\\\n")).collect::<Vec<_>>().concat();
        let facts = vec![("n".repeat(999), "\u{1}".repeat(9_999)); 99];
        let long = Message { title: "t".repeat(9_999), text: rows, facts, ..message() };
        let body = body(&long).to_string();
        assert!(body.len() <= BODY_BYTES_MAX, "{}", body.len());
        assert!(body.contains("more lines"), "{body}");
        assert!(body.contains("79 more"), "{body}");
    }

    #[test]
    fn each_piece_has_its_limit() {
        let shown = body(&Message { text: String::new(), ..endless() }).to_string();
        assert_cut(&shown, [2 * 250, 20 * 80, 20 * 120, 0, 3 * 120]);
    }

    #[test]
    fn what_somebody_else_wrote_is_no_element_and_no_markup() {
        let evil = "{{DATE(2026-01-10T12:00:00Z,SHORT)}} ${x} \u{1b}[2J\u{202e}";
        let said = Message {
            title: evil.to_owned(),
            text: evil.to_owned(),
            facts: vec![(evil.to_owned(), evil.to_owned())],
            playbook: evil.to_owned(),
            ..message()
        };
        let shown = body(&said).to_string();
        for sign in ["{{", "${", "\\u001b", "\u{202e}"] {
            assert!(!shown.contains(sign), "{sign:?}: {shown}");
        }
    }

    #[test]
    fn a_failure_inside_a_200_is_a_failure() {
        use crate::channel::Retry;
        let text =
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429";
        assert_eq!(check(&reply(200, text)).unwrap_err().retry(), Retry::Backoff);
        let text =
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413";
        assert_eq!(check(&reply(200, text)).unwrap_err().retry(), Retry::Never);
        assert_eq!(check(&reply(200, "it returned HTTP error 500")).unwrap_err().retry(), Retry::Backoff);
        assert_eq!(check(&reply(200, "it returned HTTP error 400")).unwrap_err().retry(), Retry::Never);
        assert_eq!(check(&reply(200, "Delivery failed")).unwrap_err().retry(), Retry::Backoff);
        check(&reply(200, "1")).unwrap();
        check(&reply(202, "")).unwrap();
    }

    #[test]
    fn a_severity_has_its_word_and_its_style() {
        for (severity, word, style) in [
            (AlertSeverity::High, "High", "attention"),
            (AlertSeverity::Medium, "Medium", "warning"),
            (AlertSeverity::Low, "Low", "accent"),
            (AlertSeverity::Informational, "Informational", "emphasis"),
            (AlertSeverity::Unknown, "Unknown", "emphasis"),
        ] {
            let body = body(&Message { severity, ..message() });
            let head = &body["attachments"][0]["content"]["body"][0];
            assert_eq!(head["style"], style);
            assert_eq!(head["items"][0]["inlines"][0]["text"], word);
        }
    }
}
