//! A playbook in the making, and the fields of its source: what is not taken is named at the end.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Fate, ImportError, Imported, Kind, Note, stable_id};
use crate::model::duration;
use crate::playbook::{Severity, Tactic};

/// Longest name of a playbook, in characters.
const NAME_CHARS_MAX: usize = 200;

/// The order in which a playbook is written.
const ORDER: [&str; 20] = [
    "schema",
    "id",
    "name",
    "description",
    "status",
    "mode",
    "enabled",
    "severity",
    "tactics",
    "relevantTechniques",
    "author",
    "references",
    "falsePositives",
    "expires",
    "hunt",
    "suppress",
    "guards",
    "actions",
    "notify",
    "x-imported-from",
];

/// A playbook in the making.
pub(super) struct Draft {
    source: String,
    kind: Kind,
    playbook: Map<String, Value>,
    pub(super) hunt: Map<String, Value>,
    pub(super) notes: Vec<Note>,
}

impl Draft {
    /// Starts a playbook that observes and is switched off.
    pub(super) fn new(source: &str, kind: Kind) -> Self {
        let mut playbook = Map::new();
        playbook.insert("schema".to_owned(), json!(1));
        playbook.insert("mode".to_owned(), json!("observe"));
        playbook.insert("enabled".to_owned(), json!(false));
        playbook.insert("x-imported-from".to_owned(), json!(source));
        Self { source: source.to_owned(), kind, playbook, hunt: Map::new(), notes: Vec::new() }
    }

    pub(super) fn set(&mut self, key: &str, value: Value) {
        self.playbook.insert(key.to_owned(), value);
    }

    pub(super) fn set_hunt(&mut self, key: &str, value: Value) {
        self.hunt.insert(key.to_owned(), value);
    }

    pub(super) fn name(&mut self, name: &str) {
        let name = name.trim();
        let short: String = name.chars().take(NAME_CHARS_MAX).collect();
        if short.len() < name.len() {
            self.note("name", Fate::Changed, format!("cut to {NAME_CHARS_MAX} characters"));
        }
        self.set("name", short.into());
    }

    /// Sets the query, without blank lines around it.
    pub(super) fn query(&mut self, query: &str) -> Result<(), ImportError> {
        let lines: Vec<&str> = query.lines().map(str::trim_end).collect();
        let query = lines.join("\n");
        let query = query.trim_matches('\n');
        if query.trim().is_empty() {
            return Err(ImportError::NoQuery);
        }
        self.set_hunt("query", query.into());
        Ok(())
    }

    /// Sets a length of time if huntbook reads it; else says that it does not.
    pub(super) fn length(&mut self, key: &str, field: &str, value: &Value) {
        match value.as_str().map(|text| (text, duration(text))) {
            Some((text, Ok(_length))) => self.set_hunt(key, text.into()),
            Some(_) | None => self.left_out(field, format!("`{value}` is not a length of time")),
        }
    }

    /// Sets the nearest that there is to a rule that the service runs on events as they come in.
    pub(super) fn near_real_time(&mut self, field: &str) {
        self.set_hunt("queryFrequency", "1m".into());
        self.set_hunt("queryPeriod", "30m".into());
        let why = "near real time is a run each minute here, which looks back 30m to meet what comes in late; \
                   `identity` is what makes a row count once";
        self.note(field, Fate::Changed, why);
    }

    pub(super) fn severity(&mut self, field: &str, value: Option<&Value>) {
        let written = value.and_then(Value::as_str).map(|text| capital(&text.trim().to_ascii_lowercase()));
        match written.as_deref() {
            Some(known) if serde_json::from_value::<Severity>(json!(known)).is_ok() => {
                self.set("severity", known.into());
            }
            Some("Critical") => {
                self.set("severity", "High".into());
                self.note(field, Fate::Changed, "`critical` is `High` here");
            }
            Some(_) | None => {
                self.set("severity", "Informational".into());
                self.note("severity", Fate::FilledIn, "the source has none huntbook knows: `Informational`");
            }
        }
    }

    /// Sets those of the tactics huntbook knows, in its spelling.
    pub(super) fn tactics(&mut self, field: &str, names: &[String]) {
        let mut known: Vec<String> = Vec::new();
        for name in names {
            match tactic(name) {
                Some(tactic) if known.contains(&tactic) => {}
                Some(tactic) => known.push(tactic),
                None => self.left_out(field, format!("`{name}` is not a tactic of MITRE ATT&CK")),
            }
        }
        if !known.is_empty() {
            self.set("tactics", json!(known));
        }
    }

    /// Sets those of the techniques that are written like one.
    pub(super) fn techniques(&mut self, field: &str, names: &[String]) {
        let mut known: Vec<String> = Vec::new();
        for name in names {
            let technique = name.trim().to_ascii_uppercase();
            if !is_technique(&technique) {
                self.left_out(field, format!("`{name}` is not a technique of MITRE ATT&CK"));
            } else if !known.contains(&technique) {
                known.push(technique);
            }
        }
        if !known.is_empty() {
            self.set("relevantTechniques", json!(known));
        }
    }

    pub(super) fn note(&mut self, field: &str, fate: Fate, why: impl Into<String>) {
        self.notes.push(Note { field: field.to_owned(), fate, why: why.into() });
    }

    pub(super) fn left_out(&mut self, field: &str, why: impl Into<String>) {
        self.note(field, Fate::LeftOut, why);
    }

    /// Sets the id, if the source has one huntbook can keep.
    pub(super) fn id(&mut self, field: &str, value: Option<&Value>) {
        let Some(text) = value.and_then(Value::as_str) else { return };
        match Uuid::try_parse(text.trim()) {
            Ok(id) => self.set("id", json!(id)),
            Err(_not_a_uuid) => {
                self.left_out(field, format!("`{text}` is not a UUID; the playbook has one of its own"));
            }
        }
    }

    /// The playbook, complete and in order.
    pub(super) fn finish(mut self) -> Imported {
        self.normalise();
        let hunt = std::mem::take(&mut self.hunt);
        self.set("hunt", Value::Object(hunt));
        if !self.playbook.contains_key("name") {
            self.name("Imported");
            self.note("name", Fate::FilledIn, "the source has none");
        }
        if !self.playbook.contains_key("severity") {
            self.severity("severity", None);
        }
        if !self.playbook.contains_key("id") {
            let name = self.playbook.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            self.set("id", stable_id(&self.source, &name));
        }
        let mut playbook = Map::new();
        for key in ORDER {
            if let Some(value) = self.playbook.remove(key) {
                playbook.insert(key.to_owned(), value);
            }
        }
        Imported { source: self.source, kind: self.kind, playbook, notes: self.notes }
    }
}

/// A tactic in the spelling of playbooks: `credential-access` and `credentialaccess ` are not `CredentialAccess`
/// to a reader, but they are to a person.
fn tactic(text: &str) -> Option<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name: String = words.map(capital).collect();
    let known = serde_json::from_value::<Tactic>(json!(name)).is_ok();
    known.then_some(name)
}

/// The same with a capital at its start.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn is_technique(text: &str) -> bool {
    let digits =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = text.strip_prefix('T') else { return false };
    match rest.split_once('.') {
        None => digits(rest, 4),
        Some((technique, sub)) => digits(technique, 4) && digits(sub, 3),
    }
}

/// The fields of a source. What is not taken is left.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) const fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// Takes a field; empty ones count as absent.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        let empty = |value: &Value| match value {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        self.0.shift_remove(key).filter(|value| !empty(value))
    }

    /// Puts a field among them.
    pub(super) fn put(&mut self, key: &str, value: Value) {
        self.0.insert(key.to_owned(), value);
    }

    /// Takes a text, trimmed.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            other => {
                self.0.insert(key.to_owned(), other);
                None
            }
        }
    }

    /// Takes a list of texts, or a text as a list of one.
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        match self.take(key) {
            None => Vec::new(),
            Some(value) => texts(&value),
        }
    }

    /// Takes what is below a field.
    pub(super) fn below(&mut self, key: &str) -> Option<Self> {
        match self.take(key)? {
            Value::Object(fields) => Some(Self(fields)),
            other => {
                self.0.insert(key.to_owned(), other);
                None
            }
        }
    }

    /// Names what was not taken. `known` says why of the fields huntbook knows of; others it has not heard of.
    pub(super) fn name_the_rest(mut self, prefix: &str, known: &[(&str, &str)], draft: &mut Draft) {
        let keys: Vec<String> = self.0.keys().cloned().collect();
        for key in keys {
            if self.take(&key).is_none() {
                continue;
            }
            let why = known.iter().find(|(name, _)| *name == key).map(|(_, why)| *why);
            draft.left_out(&format!("{prefix}{key}"), why.unwrap_or("playbooks have no such field"));
        }
    }
}

/// The texts of a list, or a text alone.
pub(super) fn texts(value: &Value) -> Vec<String> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value {
        Value::Array(items) => items.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}
