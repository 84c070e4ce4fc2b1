//! A webhook of a collector of logs: one event in the Common Event Format for each message.

use super::cut::fit;
use super::message::{Message, shortened_facts};
use crate::model::AlertSeverity;
use crate::text::encode::cef;

/// Longest name of an event, in characters, as the format's dictionary says.
const NAME_CHARS_MAX: usize = 512;
/// Longest `msg`, in characters, as the dictionary says.
const TEXT_CHARS_MAX: usize = 1_023;
/// Longest custom text, in characters, as the dictionary says.
const CUSTOM_CHARS_MAX: usize = 4_000;
/// Most facts, and the longest name and value of one, in characters: together they are a custom text.
const FACTS_MAX: (usize, usize, usize) = (30, 30, 90);

/// Builds the bytes to post: one line.
pub(super) fn body(message: &Message) -> Vec<u8> {
    let characters = |text: &str| text.chars().count();
    let cut = |text: &str, most: usize| fit(text, most, characters).into_owned();
    let title = cut(&message.title_line(), NAME_CHARS_MAX);
    // What huntbook tells of itself is of no playbook.
    let class = if message.playbook.is_empty() { "huntbook" } else { &message.playbook };
    let (count, name_max, value_max) = FACTS_MAX;
    let facts: Vec<String> = shortened_facts(message, count, name_max, value_max)
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let (id, at) = (message.wire_id(), message.at.as_millisecond().to_string());
    let (text, facts) = (cut(&message.text, TEXT_CHARS_MAX), cut(&facts.join("; "), CUSTOM_CHARS_MAX));
    let header = [
        "huntbook",
        "huntbook",
        env!("CARGO_PKG_VERSION"),
        &cut(class, NAME_CHARS_MAX),
        &title,
        severity(message.severity),
    ];
    let extension = [
        ("rt", at.as_str()),
        ("externalId", &id),
        ("cs1Label", "tenant"),
        ("cs1", &message.tenant),
        ("cs2Label", "run"),
        ("cs2", &message.run),
        ("cs3Label", "facts"),
        ("cs3", &facts),
        ("msg", &text),
    ];
    let mut line = cef(header, extension);
    line.push('\n');
    line.into_bytes()
}

/// The number for a severity; the format counts to ten.
const fn severity(severity: AlertSeverity) -> &'static str {
    match severity {
        AlertSeverity::Unknown => "0",
        AlertSeverity::Informational => "1",
        AlertSeverity::Low => "3",
        AlertSeverity::Medium => "6",
        AlertSeverity::High => "8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::tests::{assert_cut, endless, message};

    #[test]
    fn a_message_is_one_event() {
        let version = env!("CARGO_PKG_VERSION");
        let expect = format!(
            "CEF:0|huntbook|huntbook|{version}|PsExec fan-out|PsExec fan-out: 2 contained|8|rt=1768046400000 \
             externalId=m-1 cs1Label=tenant cs1=contoso cs2Label=run cs2=0193c9a2-7b1e-7000-8000-000000000001 \
             cs3Label=facts cs3=Devices: 2; Rows: 53 msg=ws-017 wrote 42 files\\nws-018 wrote 11 files\n"
        );
        assert_eq!(String::from_utf8(body(&message())).unwrap(), expect);
    }

    #[test]
    fn a_severity_has_its_number() {
        for (severity, number) in [
            (AlertSeverity::Unknown, "0"),
            (AlertSeverity::Informational, "1"),
            (AlertSeverity::Low, "3"),
            (AlertSeverity::Medium, "6"),
            (AlertSeverity::High, "8"),
        ] {
            let line = String::from_utf8(body(&Message { severity, ..message() })).unwrap();
            assert!(line.contains(&format!("contained|{number}|rt=")), "{line}");
        }
    }

    #[test]
    fn each_piece_has_its_limit() {
        let long = Message { tenant: "t".to_owned(), run: "r".to_owned(), ..endless() };
        let line = String::from_utf8(body(&long)).unwrap();
        assert_cut(&line, [512, 30 * 30, 30 * 90, 1_023, 512]);
    }

    #[test]
    fn what_somebody_else_wrote_adds_no_event_and_no_key() {
        let evil = "x|9|y\r\nCEF:0|a|b|c|d|e|1| src=1.2.3.4".to_owned();
        let said =
            Message { title: evil.clone(), playbook: evil.clone(), text: evil.repeat(100), ..message() };
        let line = String::from_utf8(body(&said)).unwrap();
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        let (_header, extension) = line.split_once("|8|").unwrap();
        assert!(!extension.contains(" src=") && extension.contains(" src\\=1.2.3.4"), "{line}");
        assert!(line.contains("more lines") || line.contains("more characters"), "{line}");
    }
}
