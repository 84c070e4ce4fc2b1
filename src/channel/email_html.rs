//! The HTML part of a mail: one table layout that old and new mail programs show alike, in light and dark.
//!
//! Everything that comes from a message passes `encode::html`. There are no links, no images and no
//! scripts, so nothing is fetched when the mail is opened.

use super::cut::{fit, fit_line};

use super::message::{Message, origin, severity_label, shortened_facts};
use crate::model::AlertSeverity;
use crate::text::encode;

/// Most facts shown; a table longer than a screen is text, not facts.
pub(super) const FACTS_MAX: usize = 40;
/// Longest name of a fact, in characters.
pub(super) const NAME_CHARS_MAX: usize = 80;
/// Longest value of a fact, in characters.
pub(super) const VALUE_CHARS_MAX: usize = 1_000;
/// Longest title, in characters.
const TITLE_CHARS_MAX: usize = 500;

/// Renders the part; the text takes at most `text_bytes_max` bytes of it.
pub(super) fn render(message: &Message, text_bytes_max: usize) -> String {
    let title = encode::html(&fit_line(&message.title_line(), TITLE_CHARS_MAX, |text| text.chars().count()));
    let facts: Vec<String> = shortened_facts(message, FACTS_MAX, NAME_CHARS_MAX, VALUE_CHARS_MAX)
        .map(|(name, value)| {
            let (name, value) = (encode::html(&name), encode::html(&value));
            format!(
                "<tr><th class=\"hb-dim\" style=\"{TH}\">{name}</th><td style=\"{TD}\">{value}</td></tr>\n"
            )
        })
        .collect();
    let facts = match facts.concat().as_str() {
        "" => String::new(),
        rows => format!("<table style=\"border-collapse:collapse;margin:0 0 16px\">\n{rows}</table>\n"),
    };
    let text = fit(&message.text, text_bytes_max, |text| encode::html(text).len());
    let text = match encode::html(&text).as_str() {
        "" => String::new(),
        text => format!("<div class=\"hb-data\" style=\"{DATA}\">{text}</div>\n"),
    };
    let (label, colour) = (severity_label(message.severity), colour(message.severity));
    let origin = encode::html(&origin(message));
    format!(
        "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<meta name=\"color-scheme\" content=\"light dark\">
<meta name=\"supported-color-schemes\" content=\"light dark\">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
@media (prefers-color-scheme: dark) {{
.hb-page {{ background: #16191d !important; color: #e6e8eb !important }}
.hb-data {{ background: #1f242a !important; border-color: #3a424c !important }}
.hb-dim {{ color: #9aa4b0 !important }}
}}
</style>
</head>
<body class=\"hb-page\" style=\"margin:0;padding:24px 16px;background:#ffffff;color:#1b1f24;font:15px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif\">
<table role=\"presentation\" style=\"border-collapse:collapse;width:100%;max-width:720px;margin:0 auto\"><tr>
<td style=\"border-left:4px solid {colour};padding:0 0 0 16px;vertical-align:top\">
<div style=\"margin:0 0 8px\"><span style=\"display:inline-block;background:{colour};color:#ffffff;font-size:12px;font-weight:600;line-height:20px;padding:0 8px;border-radius:3px\">{label}</span></div>
<h1 style=\"font-size:20px;line-height:1.3;font-weight:600;margin:0 0 16px;overflow-wrap:anywhere\">{title}</h1>
{facts}{text}<p class=\"hb-dim\" style=\"color:#5b6570;font-size:12px;margin:16px 0 0;overflow-wrap:anywhere\">{origin}</p>
</td>
</tr></table>
</body>
</html>
"
    )
}

/// Style of a fact's name.
const TH: &str = "text-align:left;vertical-align:top;font-weight:400;color:#5b6570;padding:2px 16px 2px 0";
/// Style of a fact's value.
const TD: &str = "vertical-align:top;padding:2px 0;overflow-wrap:anywhere";
/// Style of the text: its own box, so that nobody takes data for our words.
const DATA: &str = "background:#f5f6f8;border:1px solid #d8dce1;border-radius:4px;padding:12px;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,Consolas,Menlo,monospace";

/// The colour that goes with a severity; white text is readable on each of them.
const fn colour(severity: AlertSeverity) -> &'static str {
    match severity {
        AlertSeverity::High => "#b3261e",
        AlertSeverity::Medium => "#a85b00",
        AlertSeverity::Low => "#1a62b8",
        AlertSeverity::Informational | AlertSeverity::Unknown => "#5b6570",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::tests::{assert_cut, endless, message};

    #[test]
    fn hostile_text_stays_text() {
        let hostile = "</div><img src=x onerror=alert(1)>\"'&";
        let html = render(
            &Message {
                title: hostile.to_owned(),
                text: hostile.to_owned(),
                facts: vec![(hostile.to_owned(), hostile.to_owned())],
                playbook: hostile.to_owned(),
                tenant: hostile.to_owned(),
                ..message()
            },
            1_000,
        );
        assert!(!html.contains("<img") && !html.contains("alert(1)>"), "{html}");
        assert_eq!(html.matches("&lt;img src").count(), 7);
    }

    #[test]
    fn a_severity_has_its_word_and_its_colour() {
        for (severity, word, colour) in [
            (AlertSeverity::High, "High", "#b3261e"),
            (AlertSeverity::Medium, "Medium", "#a85b00"),
            (AlertSeverity::Low, "Low", "#1a62b8"),
            (AlertSeverity::Informational, "Informational", "#5b6570"),
            (AlertSeverity::Unknown, "Unknown", "#5b6570"),
        ] {
            let html = render(&Message { severity, ..message() }, 1_000);
            let badge = format!("background:{colour};");
            assert!(html.contains(&badge) && html.contains(&format!(">{word}<")), "{html}");
        }
    }

    #[test]
    fn each_piece_has_its_limit() {
        assert_cut(&render(&endless(), 3_000), [2 * 500, 40 * 80, 40 * 1_000, 1_000, 3 * 120]);
        let markup = render(&Message { text: "<".repeat(9_999), ..message() }, 3_000);
        let shown = markup.matches("&lt;").count();
        assert!((700..=750).contains(&shown), "{shown}: what is escaped counts as it is sent");
    }

    #[test]
    fn nothing_is_fetched() {
        let html = render(&message(), 1_000);
        assert!(!html.contains("http") && !html.contains("url(") && !html.contains("src="), "{html}");
    }
}
