//! Makes playbooks of what people have: rules and hunting queries of other tools.
//!
//! A source gives one playbook or several. Each is switched off and observes only: somebody reads it before
//! it runs. Nothing is dropped in silence: [`Imported::notes`] names every field that was left out, changed
//! or filled in, and why.
//!
//! To add a kind of source: a variant of [`Kind`], a file that reads it, a line in [`read`] and in
//! `recognise`.

mod detection;
mod emit;
mod fields;
mod markdown;
mod normal;
mod queries;
mod response;
mod sentinel;
mod sigma;

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use sigma::{Convert, SigmaError, convert};

use crate::diag::{Diagnostic, Sink};
use crate::yaml;

/// Most bytes of one source. The largest collections of rules in one file are some megabytes.
pub const BYTES_MAX: usize = 16 << 20;

/// Most playbooks of one source.
pub const PLAYBOOKS_MAX: usize = 10_000;

/// Namespace of the ids of playbooks whose source has none: importing the same again gives the same id.
const NAMESPACE: Uuid = Uuid::from_u128(0x6a1f_9d0e_52c7_4b83_9e04_71c5_d2b8_a630);

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A Microsoft Sentinel analytics or hunting rule, as YAML or as an exported template.
    Sentinel,
    /// A Defender custom detection rule, as the API gives it.
    CustomDetection,
    /// A query alone.
    Kql,
    /// Markdown with queries in fenced blocks.
    Markdown,
    /// A Sigma rule.
    Sigma,
}

/// What became of a field of the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// Which field, as the source calls it.
    pub field: String,
    /// What happened to it.
    pub fate: Fate,
    /// Why, or what stands there now.
    pub why: String,
}

/// What happened to a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// It is not in the playbook.
    LeftOut,
    /// It is there in other words.
    Changed,
    /// The source does not say; a value was chosen.
    FilledIn,
}

/// A playbook made of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// What it was made of: a file, and the place in it if there are several.
    pub source: String,
    /// What that was.
    pub kind: Kind,
    /// The playbook as written, in order.
    pub playbook: Map<String, Value>,
    /// What is not as it was.
    pub notes: Vec<Note>,
}

impl Imported {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.playbook.get("name").and_then(Value::as_str).unwrap_or("playbook")
    }

    /// A file name made of its name: letters, digits and dashes, at most sixty.
    #[must_use]
    pub fn file_stem(&self) -> String {
        let mut stem = String::new();
        for letter in self.name().chars().take(200) {
            if letter.is_ascii_alphanumeric() {
                stem.push(letter.to_ascii_lowercase());
            } else if !stem.is_empty() && !stem.ends_with('-') {
                stem.push('-');
            }
        }
        stem.truncate(60);
        let stem = stem.trim_end_matches('-');
        if stem.is_empty() { "playbook".to_owned() } else { stem.to_owned() }
    }

    /// Takes an id of its own, always the same one: `other` has the one of its source.
    pub fn part_from(&mut self, other: &str) {
        let id = self.playbook.get("id").map(Value::to_string).unwrap_or_default();
        let own = stable_id(&self.source, &format!("{}\n{id}", self.name()));
        self.playbook.insert("id".to_owned(), own);
        let why = format!("{id} is that of `{other}` already; the playbook has one of its own");
        self.notes.push(Note { field: "id".to_owned(), fate: Fate::Changed, why });
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.playbook.get("id").and_then(Value::as_str).unwrap_or_default()
    }

    /// The playbook as YAML, with the notes as comments at its head.
    #[must_use]
    pub fn text(&self) -> String {
        let mut head = String::from("# yaml-language-server: $schema=../schemas/playbook.schema.json\n");
        for note in &self.notes {
            let word = match note.fate {
                Fate::LeftOut => "left out",
                Fate::Changed => "changed",
                Fate::FilledIn => "filled in",
            };
            let line = format!("# {word}: {} – {}", note.field, note.why);
            head.push_str(&crate::text::encode::log(&line));
            head.push('\n');
        }
        head.push_str(&emit::yaml(&self.playbook));
        head
    }
}

/// Why a source, or a part of it, gives no playbook.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is too large.
    #[error("it is larger than {BYTES_MAX} bytes")]
    TooLarge,
    /// It is not text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// It is not the YAML it should be.
    #[error("it is not YAML that can be read")]
    Yaml(Vec<Diagnostic>),
    /// It is not the JSON it should be.
    #[error("it is not JSON")]
    Json(#[source] serde_json::Error),
    /// Nobody knows what it is.
    #[error(
        "it is neither a Sentinel rule, a custom detection, a Sigma rule, Markdown with KQL, nor a query"
    )]
    Unknown,
    /// There is no query in it.
    #[error("there is no query in it")]
    NoQuery,
    /// A Sigma rule that was not converted.
    #[error("the Sigma rule could not be converted")]
    Sigma(#[from] SigmaError),
}

/// A playbook of a source, or the place of what is none and why.
pub type Part = Result<Imported, (String, ImportError)>;

/// Reads a source, whatever it is. `convert` turns a Sigma rule into KQL.
///
/// # Errors
///
/// [`ImportError`] if nothing of it is a playbook. Parts of a source of many that are none are skipped and
/// stand beside the others.
pub fn read(name: &str, bytes: &[u8], convert: &Convert<'_>) -> Result<Vec<Part>, ImportError> {
    if BYTES_MAX < bytes.len() {
        return Err(ImportError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_not_utf8| ImportError::NotText)?;
    let text = text.trim_start_matches('\u{feff}');
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "kql" | "csl" | "kusto" | "txt" => Ok(queries::read(name, text)),
        "md" | "markdown" => markdown::read(name, text),
        "json" => {
            let value = serde_json::from_str(text).map_err(ImportError::Json)?;
            documents(name, text, value, convert)
        }
        _ => {
            let mut sink = Sink::new();
            let Some(tree) = yaml::parse(name, text.as_bytes(), &mut sink) else {
                return Err(ImportError::Yaml(sink.into_sorted()));
            };
            documents(name, text, tree.value().clone(), convert)
        }
    }
}

fn one(source: &str, read: Result<Imported, ImportError>) -> Part {
    read.map_err(|error| (source.to_owned(), error))
}

/// Reads a document, or the documents in it: an API's list, or an exported template's resources.
fn documents(name: &str, text: &str, value: Value, convert: &Convert<'_>) -> Result<Vec<Part>, ImportError> {
    let parts = match value {
        Value::Array(parts) => parts,
        Value::Object(mut object) => {
            let list = object.remove("value").or_else(|| object.remove("resources"));
            match list {
                Some(Value::Array(parts)) => parts,
                Some(_) | None => return Ok(vec![one(name, document(name, text, object, convert))]),
            }
        }
        _ => return Err(ImportError::Unknown),
    };
    let read = |(index, part): (usize, Value)| {
        let source = format!("{name}#{}", index + 1);
        let read = match part {
            Value::Object(object) => document(&source, text, object, convert),
            _ => Err(ImportError::Unknown),
        };
        read.map_err(|error| (source, error))
    };
    Ok(parts.into_iter().take(PLAYBOOKS_MAX).enumerate().map(read).collect())
}

fn document(
    source: &str,
    text: &str,
    object: Map<String, Value>,
    convert: &Convert<'_>,
) -> Result<Imported, ImportError> {
    match recognise(&object).ok_or(ImportError::Unknown)? {
        Kind::Sentinel => sentinel::read(source, object),
        Kind::CustomDetection => detection::read(source, object),
        Kind::Sigma => sigma::read(source, text, object, convert),
        Kind::Kql | Kind::Markdown => Err(ImportError::Unknown),
    }
}

/// Tells what a document is by the fields only its kind has.
fn recognise(object: &Map<String, Value>) -> Option<Kind> {
    let has = |key: &str| object.contains_key(key);
    if has("logsource") && has("detection") {
        return Some(Kind::Sigma);
    }
    if has("queryCondition") || (has("detectionAction") && has("schedule")) {
        return Some(Kind::CustomDetection);
    }
    let properties = object.get("properties").and_then(Value::as_object);
    let is_rule = has("query") || properties.is_some_and(|properties| properties.contains_key("query"));
    is_rule.then_some(Kind::Sentinel)
}

/// An id that stays the same when the same source is imported again.
fn stable_id(source: &str, name: &str) -> Value {
    json!(Uuid::new_v5(&NAMESPACE, format!("{source}\n{name}").as_bytes()))
}
