//! Tells people: puts messages into the outbox and works it off.
//!
//! Each message goes out at least once. Its id is derived from what it is about ([`message_id`]), so a
//! run that is repeated after a crash enqueues nothing twice, and a receiver can drop a repetition.
//! Delivery is apart from the run: no action ever waits for a channel.
//!
//! What this room does not do: render text (the plan's templates have done that) or speak to a sink
//! (`channel`).

mod delivery;
mod schedule;

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use delivery::{Channels, DeliveryReport, NotifyError, Undelivered, deliver_due};
pub use schedule::{AGE_MAX, schedule_after};

use crate::channel::{self, Message};
use crate::model::{AlertSeverity, RunId};
use crate::store::OutboxMessage;

/// Longest text kept for a message, in bytes: what the largest sink takes. Sinks cut further.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Longest title, and longest name or value of a fact, in bytes.
const LINE_BYTES_MAX: usize = 4 << 10;
/// Most facts kept.
const FACTS_MAX: usize = 200;

/// The run a message comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The run.
    pub run: RunId,
    /// Name of the playbook.
    pub playbook: &'a str,
    /// Name of the tenant.
    pub tenant: &'a str,
    /// Severity of the playbook.
    pub severity: AlertSeverity,
}

/// A message as the playbook's templates rendered it. Raw text; sinks encode it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    /// The channel, by its name in the settings.
    pub channel: String,
    /// Place of the notification in the playbook's `notify`, from 0.
    pub index: usize,
    /// What the message is about within the run: empty for the whole run, the item's number, or the rest.
    pub group: String,
    /// One line.
    pub title: String,
    /// Any number of lines.
    pub text: String,
    /// Names and values.
    pub facts: Vec<(String, String)>,
}

/// The identity of a message: the same for the same run, notification and group, and no other.
#[must_use]
pub fn message_id(run: RunId, index: usize, group: &str) -> String {
    Uuid::new_v5(&run.0, format!("notify/{index}/{group}").as_bytes()).to_string()
}

/// Makes the outbox entry for a draft. Text beyond the limits is cut so that the reader sees it.
#[must_use]
pub fn outbox_message(origin: &Origin<'_>, draft: Draft, now: Timestamp) -> OutboxMessage {
    let id = message_id(origin.run, draft.index, &draft.group);
    let line = |text: String| shorten(text, LINE_BYTES_MAX);
    let message = Message {
        id: id.clone(),
        severity: origin.severity,
        title: line(draft.title),
        text: shorten(draft.text, TEXT_BYTES_MAX),
        facts: shorten_facts(draft.facts).map(|(name, value)| (line(name), line(value))).collect(),
        playbook: origin.playbook.to_owned(),
        run: origin.run.to_string(),
        tenant: origin.tenant.to_owned(),
        at: now,
    };
    OutboxMessage {
        id,
        run: Some(origin.run),
        channel: draft.channel,
        body: Stored { version: VERSION, message }.to_json(),
        dedup: None,
    }
}

/// A message of huntbook about itself, of medium severity and with nothing but a title and a text.
#[must_use]
pub const fn notice(title: String, text: String, at: Timestamp) -> Message {
    Message {
        id: String::new(),
        severity: AlertSeverity::Medium,
        title,
        text,
        facts: Vec::new(),
        playbook: String::new(),
        run: String::new(),
        tenant: String::new(),
        at,
    }
}

/// Makes the outbox entry for a message of huntbook about itself. `about` names what it tells: the same thing
/// has the same id, so that it is told once, over crashes and restarts.
#[must_use]
pub fn standing_message(channel: &str, message: Message, about: String) -> OutboxMessage {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, about.as_bytes()).to_string();
    let message = Message {
        id: id.clone(),
        title: shorten(message.title, LINE_BYTES_MAX),
        text: shorten(message.text, TEXT_BYTES_MAX),
        ..message
    };
    let body = Stored { version: VERSION, message }.to_json();
    OutboxMessage { id, run: None, channel: channel.to_owned(), body, dedup: Some(about) }
}

/// Cuts a text if it is too long; gives back the same text if not.
fn shorten(text: String, bytes_max: usize) -> String {
    match channel::fit(&text, bytes_max, str::len) {
        Cow::Borrowed(_whole) => text,
        Cow::Owned(cut) => cut,
    }
}

/// The first facts; one more says how many are missing.
fn shorten_facts(facts: Vec<(String, String)>) -> impl Iterator<Item = (String, String)> {
    let missing = facts.len().saturating_sub(FACTS_MAX);
    let more = (0 < missing).then(|| ("…".to_owned(), format!("{missing} more")));
    facts.into_iter().take(FACTS_MAX).chain(more)
}

/// Form of a stored message. Raised when a reader of the old form would misread the new one; a reader
/// ignores members it does not know.
const VERSION: u32 = 1;

/// A message as the outbox keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    #[serde(rename = "message")]
    message: Message,
}

impl Stored {
    fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("a message is made of texts, which are all JSON")
    }

    /// Reads a stored message; the error says why it cannot be sent.
    fn read(body: &serde_json::Value) -> Result<Message, String> {
        match body.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => {
                return Err(format!("the message has form {version}, this version reads {VERSION}"));
            }
            None => return Err("the message does not say its form".to_owned()),
        }
        Self::deserialize(body)
            .map(|stored| stored.message)
            .map_err(|error| format!("the message cannot be read: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunId = RunId(Uuid::from_u128(0x0193_c9a2_7b1e_7000_8000_0000_0000_0001));

    fn origin() -> Origin<'static> {
        Origin { run: RUN, playbook: "PsExec fan-out", tenant: "contoso", severity: AlertSeverity::High }
    }

    fn now() -> Timestamp {
        "2026-01-10T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn an_id_is_the_same_for_the_same_thing_only() {
        let id = message_id(RUN, 0, "");
        assert_eq!(id, message_id(RUN, 0, ""));
        for other in
            [message_id(RUN, 1, ""), message_id(RUN, 0, "dev-1"), message_id(RunId(Uuid::nil()), 0, "")]
        {
            assert_ne!(id, other);
        }
        assert!(!id.contains('.'), "a signature is over `id.time.body`");
    }

    #[test]
    fn a_stored_message_reads_back() {
        let draft = Draft {
            channel: "soc".to_owned(),
            title: "{{title}}\u{0}".to_owned(),
            text: "a\nb".to_owned(),
            facts: vec![("Rows".to_owned(), "2".to_owned())],
            ..Draft::default()
        };
        let entry = outbox_message(&origin(), draft, now());
        let message = Stored::read(&entry.body).unwrap();
        assert_eq!(message.id, entry.id);
        assert_eq!(message.title, "{{title}}\u{0}");
        assert_eq!(message.run, RUN.to_string());
    }

    #[test]
    fn the_form_of_stored_messages_is_fixed() {
        let entry = outbox_message(&origin(), Draft { title: "t".to_owned(), ..Draft::default() }, now());
        insta::assert_json_snapshot!(entry.body, @r#"
        {
          "version": 1,
          "message": {
            "id": "18f65f5b-8d08-5ed7-b374-e20592bd7833",
            "severity": "high",
            "title": "t",
            "text": "",
            "facts": [],
            "playbook": "PsExec fan-out",
            "run": "0193c9a2-7b1e-7000-8000-000000000001",
            "tenant": "contoso",
            "at": "2026-01-10T12:00:00Z"
          }
        }
        "#);
    }

    #[test]
    fn a_message_of_another_form_is_refused_with_the_reason() {
        let unreadable = |body: serde_json::Value| Stored::read(&body).unwrap_err();
        assert_eq!(
            unreadable(serde_json::json!({"version": 2})),
            "the message has form 2, this version reads 1"
        );
        assert_eq!(unreadable(serde_json::json!("x")), "the message does not say its form");
        let reason = unreadable(serde_json::json!({"version": 1, "message": {}}));
        assert!(reason.starts_with("the message cannot be read: "), "{reason}");
    }

    #[test]
    fn what_is_too_long_is_cut_before_it_is_stored() {
        let draft = Draft {
            title: "t".repeat(9_000),
            text: "row\n".repeat(1_000_000),
            facts: vec![("n".to_owned(), "v".repeat(9_000)); 300],
            ..Draft::default()
        };
        let entry = outbox_message(&origin(), draft, now());
        let message = Stored::read(&entry.body).unwrap();
        assert!(message.title.len() <= LINE_BYTES_MAX && message.title.ends_with(" more characters"));
        assert!(message.text.len() <= TEXT_BYTES_MAX && message.text.ends_with(" more lines"));
        assert_eq!(message.facts.last().unwrap(), &("…".to_owned(), "100 more".to_owned()));
    }
}
