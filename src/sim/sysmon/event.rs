//! One line to one event, whichever tool wrote it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What every collector adds to a flat event of its own; not fields of Sysmon.
const ENVELOPE: &[&str] = &[
    "EventID",
    "EventId",
    "event_id",
    "Channel",
    "SourceName",
    "ProviderName",
    "Provider",
    "ProviderGuid",
    "Hostname",
    "Computer",
    "ComputerName",
    "host",
    "HostName",
    "EventTime",
    "TimeCreated",
    "@timestamp",
    "@version",
    "EventReceivedTime",
    "Level",
    "Severity",
    "SeverityValue",
    "Keywords",
    "Task",
    "Opcode",
    "OpcodeValue",
    "Version",
    "RecordNumber",
    "EventRecordID",
    "ThreadID",
    "ExecutionProcessID",
    "ExecutionThreadID",
    "Message",
    "EventType_",
    "SourceModuleName",
    "SourceModuleType",
    "tags",
    "port",
    "Category",
    "Domain",
    "AccountName",
    "AccountType",
    "UserID",
];

/// An event of Sysmon.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: u64,
    pub(super) computer: String,
    /// When, as the API writes it.
    pub(super) at: String,
    /// Its own fields, as texts.
    pub(super) fields: BTreeMap<String, String>,
}

/// What a line is.
#[derive(Debug)]
pub(super) enum Read {
    Event(Event),
    /// An event of another source.
    Foreign,
    /// No event at all.
    Broken,
}

pub(super) fn read(text: &str) -> Read {
    let Ok(Value::Object(line)) = serde_json::from_str(text) else { return Read::Broken };
    let parts = nested(&line).or_else(|| beats(&line)).unwrap_or_else(|| flat(&line));
    let Some(id) = parts.id else { return Read::Broken };
    if !parts.source.is_empty() && !parts.source.to_ascii_lowercase().contains("sysmon") {
        return Read::Foreign;
    }
    let mut fields = parts.fields;
    let time = fields.remove("UtcTime").filter(|time| instant(time).is_some()).or(parts.time);
    let Some(at) = time.as_deref().and_then(instant) else { return Read::Broken };
    if parts.computer.is_empty() {
        return Read::Broken;
    }
    Read::Event(Event { id, computer: parts.computer, at, fields })
}

/// The pieces of an event, wherever they stood.
struct Parts {
    id: Option<u64>,
    /// Channel or provider; empty if the line does not say.
    source: String,
    computer: String,
    time: Option<String>,
    fields: BTreeMap<String, String>,
}

/// As converters of event logs write it: `Event: {System, EventData}`.
fn nested(line: &Map<String, Value>) -> Option<Parts> {
    let event = line.get("Event")?;
    let system = event.get("System")?;
    let time = system.get("TimeCreated");
    let time = time.and_then(|time| {
        find(time, &["@SystemTime", "SystemTime"]).or_else(|| find(time.get("#attributes")?, &["SystemTime"]))
    });
    let provider = system.get("Provider").and_then(|provider| {
        find(provider, &["@Name", "Name"]).or_else(|| find(provider.get("#attributes")?, &["Name"]))
    });
    Some(Parts {
        id: system.get("EventID").and_then(|id| number(id).or_else(|| number(id.get("#text")?))),
        source: find(system, &["Channel"]).or(provider).unwrap_or_default(),
        computer: find(system, &["Computer"]).unwrap_or_default(),
        time,
        fields: fields(event.get("EventData")?),
    })
}

/// As winlogbeat writes it: under `winlog`, or, before version 7, at the top.
fn beats(line: &Map<String, Value>) -> Option<Parts> {
    let whole = Value::Object(line.clone());
    let winlog = line.get("winlog").unwrap_or(&whole);
    let data = winlog.get("event_data")?;
    Some(Parts {
        id: winlog.get("event_id").and_then(number),
        source: find(winlog, &["channel", "provider_name", "source_name", "log_name"]).unwrap_or_default(),
        computer: find(winlog, &["computer_name"]).unwrap_or_default(),
        time: find(&whole, &["@timestamp"]),
        fields: fields(data),
    })
}

/// As collectors flatten it: everything at the top.
fn flat(line: &Map<String, Value>) -> Parts {
    let whole = Value::Object(line.clone());
    let own = line.iter().filter(|(name, _)| !ENVELOPE.contains(&name.as_str()));
    Parts {
        id: ["EventID", "EventId", "event_id"].iter().find_map(|name| number(line.get(*name)?)),
        source: find(&whole, &["Channel", "SourceName", "ProviderName", "Provider"]).unwrap_or_default(),
        computer: find(&whole, &["Hostname", "Computer", "ComputerName", "HostName"]).unwrap_or_default(),
        time: find(&whole, &["EventTime", "TimeCreated", "@timestamp"]),
        fields: own.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect(),
    }
}

/// The fields of an event's data: members, or a list of names and texts.
fn fields(data: &Value) -> BTreeMap<String, String> {
    if let Some(Value::Array(list)) = data.get("Data") {
        let field = |item: &Value| Some((find(item, &["@Name", "Name"])?, find(item, &["#text", "Text"])?));
        return list.iter().filter_map(field).collect();
    }
    let members = data.as_object().into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

fn find(value: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| text(value.get(*name)?))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Reads `2026-01-10 12:00:00.123` or an instant with a zone; UTC where it does not say.
fn instant(text: &str) -> Option<String> {
    let at = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let civil: jiff::civil::DateTime = text.trim().parse().ok()?;
        Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    });
    Some(format!("{:.7}", at?))
}
