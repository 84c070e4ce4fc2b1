//! Where each field of each event goes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

type Fields = BTreeMap<String, String>;
type Row = Map<String, Value>;

/// What becomes of one event.
#[derive(Debug)]
pub(super) struct Rule {
    /// Number of the event.
    pub(super) id: u64,
    /// Where its row goes.
    pub(super) table: &'static str,
    action: &'static str,
    /// What its fields become.
    fields: &'static [(&'static str, Way)],
}

/// What becomes of a field.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// A column, as it is.
    Text(&'static str),
    /// A column, with a capital at its start.
    Capital(&'static str),
    /// A column of whole numbers; hexadecimal with `0x`.
    Number(&'static str),
    /// The path and the name of a file; the columns have this prefix.
    File(&'static str),
    /// `DOMAIN\name`; the columns have this prefix.
    Account(&'static str),
    /// `SHA1=…,MD5=…`.
    Hashes,
    /// A property of `AdditionalFields`.
    Extra(&'static str),
    /// A registry key, in a column.
    Key(&'static str),
    /// A registry key and the name of a value in it.
    KeyAndValue,
    /// Says how the action is called.
    Action(&'static [(&'static str, &'static str)]),
    /// The stream a browser leaves beside a file: where it came from.
    Origin,
}

use Way::{Account, Action, Capital, Extra, File, Hashes, Key, KeyAndValue, Number, Origin, Text};

/// The process that acts, in most events.
const BY: &str = "InitiatingProcess";

const REGISTRY: &[(&str, &str)] = &[
    ("CreateKey", "RegistryKeyCreated"),
    ("DeleteKey", "RegistryKeyDeleted"),
    ("CreateValue", "RegistryValueSet"),
    ("DeleteValue", "RegistryValueDeleted"),
    ("SetValue", "RegistryValueSet"),
    ("RenameKey", "RegistryKeyRenamed"),
    ("RenameValue", "RegistryKeyRenamed"),
];

const PIPE: &[(&str, &str)] = &[("CreatePipe", "NamedPipeEvent"), ("ConnectPipe", "NamedPipeEvent")];

/// The events that are taken.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: 1,
        table: "DeviceProcessEvents",
        action: "ProcessCreated",
        fields: &[
            ("Image", File("")),
            ("CommandLine", Text("ProcessCommandLine")),
            ("ProcessId", Number("ProcessId")),
            ("ProcessGuid", Text("ProcessUniqueId")),
            ("Hashes", Hashes),
            ("Company", Text("ProcessVersionInfoCompanyName")),
            ("Product", Text("ProcessVersionInfoProductName")),
            ("FileVersion", Text("ProcessVersionInfoProductVersion")),
            ("Description", Text("ProcessVersionInfoFileDescription")),
            ("OriginalFileName", Text("ProcessVersionInfoOriginalFileName")),
            ("User", Account("")),
            ("LogonId", Number("LogonId")),
            ("IntegrityLevel", Text("ProcessIntegrityLevel")),
            ("TerminalSessionId", Number("CreatedProcessSessionId")),
            ("ParentImage", File(BY)),
            ("ParentCommandLine", Text("InitiatingProcessCommandLine")),
            ("ParentProcessId", Number("InitiatingProcessId")),
            ("ParentProcessGuid", Text("InitiatingProcessUniqueId")),
            ("ParentUser", Account(BY)),
        ],
    },
    Rule {
        id: 3,
        table: "DeviceNetworkEvents",
        action: "ConnectionSuccess",
        fields: &[
            ("Image", File(BY)),
            ("ProcessId", Number("InitiatingProcessId")),
            ("ProcessGuid", Text("InitiatingProcessUniqueId")),
            ("User", Account(BY)),
            ("Protocol", Capital("Protocol")),
            ("SourceIp", Text("LocalIP")),
            ("SourcePort", Number("LocalPort")),
            ("DestinationIp", Text("RemoteIP")),
            ("DestinationPort", Number("RemotePort")),
            ("DestinationHostname", Text("RemoteUrl")),
            ("Initiated", Action(&[("true", "ConnectionSuccess"), ("false", "InboundConnectionAccepted")])),
        ],
    },
    // Defender has no such event; the name is ours.
    acted(
        5,
        "DeviceEvents",
        "ProcessTerminated",
        &[("Image", File("")), ("ProcessId", Number("ProcessId")), ("User", Account(""))],
    ),
    acted(
        7,
        "DeviceImageLoadEvents",
        "ImageLoaded",
        &[
            ("Image", File(BY)),
            ("ProcessId", Number("InitiatingProcessId")),
            ("ProcessGuid", Text("InitiatingProcessUniqueId")),
            ("User", Account(BY)),
            ("ImageLoaded", File("")),
            ("Hashes", Hashes),
        ],
    ),
    acted(
        8,
        "DeviceEvents",
        "CreateRemoteThreadApiCall",
        &[
            ("SourceImage", File(BY)),
            ("SourceProcessId", Number("InitiatingProcessId")),
            ("SourceProcessGuid", Text("InitiatingProcessUniqueId")),
            ("SourceUser", Account(BY)),
            ("TargetImage", File("")),
            ("TargetProcessId", Number("ProcessId")),
            ("TargetUser", Account("")),
            ("NewThreadId", Extra("ThreadId")),
            ("StartAddress", Extra("StartAddress")),
            ("StartModule", Extra("StartModule")),
            ("StartFunction", Extra("StartFunction")),
        ],
    ),
    acted(
        10,
        "DeviceEvents",
        "OpenProcessApiCall",
        &[
            ("SourceImage", File(BY)),
            ("SourceProcessId", Number("InitiatingProcessId")),
            ("SourceProcessGUID", Text("InitiatingProcessUniqueId")),
            ("SourceUser", Account(BY)),
            ("TargetImage", File("")),
            ("TargetProcessId", Number("ProcessId")),
            ("TargetUser", Account("")),
            ("GrantedAccess", Extra("DesiredAccess")),
            ("CallTrace", Extra("CallTrace")),
            ("SourceThreadId", Extra("SourceThreadId")),
        ],
    ),
    acted(11, "DeviceFileEvents", "FileCreated", FILE),
    acted(
        12,
        "DeviceRegistryEvents",
        "RegistryKeyCreated",
        &[
            ("EventType", Action(REGISTRY)),
            ("Image", File(BY)),
            ("ProcessId", Number("InitiatingProcessId")),
            ("ProcessGuid", Text("InitiatingProcessUniqueId")),
            ("User", Account(BY)),
            ("TargetObject", Key("RegistryKey")),
        ],
    ),
    acted(
        13,
        "DeviceRegistryEvents",
        "RegistryValueSet",
        &[
            ("EventType", Action(REGISTRY)),
            ("Image", File(BY)),
            ("ProcessId", Number("InitiatingProcessId")),
            ("ProcessGuid", Text("InitiatingProcessUniqueId")),
            ("User", Account(BY)),
            ("TargetObject", KeyAndValue),
            ("Details", Text("RegistryValueData")),
        ],
    ),
    acted(
        14,
        "DeviceRegistryEvents",
        "RegistryKeyRenamed",
        &[
            ("EventType", Action(REGISTRY)),
            ("Image", File(BY)),
            ("ProcessId", Number("InitiatingProcessId")),
            ("ProcessGuid", Text("InitiatingProcessUniqueId")),
            ("User", Account(BY)),
            ("TargetObject", Key("PreviousRegistryKey")),
            ("NewName", Key("RegistryKey")),
        ],
    ),
    acted(
        15,
        "DeviceFileEvents",
        "FileCreated",
        &[
            ("Image", File(BY)),
            ("ProcessId", Number("InitiatingProcessId")),
            ("ProcessGuid", Text("InitiatingProcessUniqueId")),
            ("User", Account(BY)),
            ("TargetFilename", File("")),
            ("Hash", Hashes),
            ("Hashes", Hashes),
            ("Contents", Origin),
        ],
    ),
    acted(17, "DeviceEvents", "NamedPipeEvent", PIPES),
    acted(18, "DeviceEvents", "NamedPipeEvent", PIPES),
    acted(
        22,
        "DeviceEvents",
        "DnsQueryResponse",
        &[
            ("Image", File(BY)),
            ("ProcessId", Number("InitiatingProcessId")),
            ("ProcessGuid", Text("InitiatingProcessUniqueId")),
            ("User", Account(BY)),
            ("QueryName", Extra("DnsQueryString")),
            ("QueryResults", Extra("DnsQueryResult")),
            ("QueryStatus", Extra("DnsQueryStatus")),
        ],
    ),
    acted(23, "DeviceFileEvents", "FileDeleted", FILE),
    acted(26, "DeviceFileEvents", "FileDeleted", FILE),
];

const FILE: &[(&str, Way)] = &[
    ("Image", File(BY)),
    ("ProcessId", Number("InitiatingProcessId")),
    ("ProcessGuid", Text("InitiatingProcessUniqueId")),
    ("User", Account(BY)),
    ("TargetFilename", File("")),
    ("Hashes", Hashes),
];

const PIPES: &[(&str, Way)] = &[
    ("EventType", Action(PIPE)),
    ("Image", File(BY)),
    ("ProcessId", Number("InitiatingProcessId")),
    ("ProcessGuid", Text("InitiatingProcessUniqueId")),
    ("User", Account(BY)),
    ("PipeName", Extra("PipeName")),
];

const fn acted(
    id: u64,
    table: &'static str,
    action: &'static str,
    fields: &'static [(&'static str, Way)],
) -> Rule {
    Rule { id, table, action, fields }
}

impl Rule {
    /// Moves fields into a row; those that have no place stay.
    pub(super) fn apply(&self, fields: &mut Fields, row: &mut Row) {
        row.insert("ActionType".to_owned(), self.action.into());
        let mut extra = Row::new();
        for (name, way) in self.fields {
            let Some(text) = fields.remove(*name).filter(|text| !matches!(text.as_str(), "" | "-")) else {
                continue;
            };
            if let Err(left) = way.put(&text, row, &mut extra) {
                fields.insert(format!("{name}{}", left.0), left.1);
            }
        }
        if !extra.is_empty() {
            row.insert("AdditionalFields".to_owned(), Value::Object(extra).to_string().into());
        }
        if row.get("ActionType").and_then(Value::as_str) == Some("InboundConnectionAccepted") {
            swap(row, "LocalIP", "RemoteIP");
            swap(row, "LocalPort", "RemotePort");
            let name = row.remove("RemoteUrl").and_then(|name| name.as_str().map(str::to_owned));
            fields.extend(name.map(|name| ("DestinationHostname".to_owned(), name)));
            if let Some(host) = fields.remove("SourceHostname").filter(|host| host != "-") {
                row.insert("RemoteUrl".to_owned(), host.into());
            }
        }
    }
}

/// What a field holds that has no place: what to add to its name, and the text.
type Left = (&'static str, String);

impl Way {
    fn put(self, text: &str, row: &mut Row, extra: &mut Row) -> Result<(), Left> {
        let whole = || ("", text.to_owned());
        let mut set = |column: &str, value: Value| drop(row.insert(column.to_owned(), value));
        match self {
            Text(column) => set(column, text.into()),
            Capital(column) => {
                let mut letters = text.chars();
                let first = letters.next().map(|first| first.to_ascii_uppercase());
                set(column, first.into_iter().chain(letters).collect::<String>().into());
            }
            Number(column) => set(column, number(text).ok_or_else(whole)?.into()),
            File(prefix) => {
                let name = text.rsplit(['\\', '/']).next().unwrap_or(text);
                set(&format!("{prefix}FileName"), name.into());
                set(&format!("{prefix}FolderPath"), text.into());
            }
            Account(prefix) => {
                let (domain, name) = text.split_once('\\').unwrap_or(("", text));
                set(&format!("{prefix}AccountDomain"), domain.to_ascii_lowercase().into());
                set(&format!("{prefix}AccountName"), name.to_ascii_lowercase().into());
            }
            Hashes => {
                let mut left = Vec::new();
                for hash in text.split(',').map(str::trim) {
                    match hash.split_once('=') {
                        Some((kind @ ("SHA1" | "SHA256" | "MD5"), digits)) => {
                            set(kind, digits.to_ascii_lowercase().into());
                        }
                        _ => left.push(hash),
                    }
                }
                if !left.is_empty() {
                    return Err((" (other than SHA1, SHA256, MD5)", left.join(",")));
                }
            }
            Extra(name) => drop(extra.insert(name.to_owned(), text.into())),
            Key(column) => set(column, key(text).into()),
            KeyAndValue => {
                let (path, name) = text.rsplit_once('\\').unwrap_or((text, ""));
                set("RegistryKey", key(path).into());
                set("RegistryValueName", name.into());
            }
            Action(names) => {
                let known = names.iter().find(|(kind, _)| kind.eq_ignore_ascii_case(text));
                set("ActionType", known.ok_or_else(whole)?.1.into());
            }
            Origin => {
                let line = |name: &str| {
                    text.split(['\n', '\r', ' ']).find_map(|line| line.trim().strip_prefix(name))
                };
                let (host, referrer) = (line("HostUrl="), line("ReferrerUrl="));
                if host.or(referrer).is_none() {
                    return Err(whole());
                }
                set("FileOriginUrl", host.into());
                set("FileOriginReferrerUrl", referrer.into());
            }
        }
        Ok(())
    }
}

fn swap(row: &mut Row, left: &str, right: &str) {
    let (a, b) = (row.remove(left), row.remove(right));
    row.extend(a.map(|value| (right.to_owned(), value)));
    row.extend(b.map(|value| (left.to_owned(), value)));
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Sysmon abbreviates the roots of the registry; tables do not.
fn key(text: &str) -> String {
    let roots = [("HKLM", "HKEY_LOCAL_MACHINE"), ("HKU", "HKEY_USERS"), ("HKCR", "HKEY_CLASSES_ROOT")];
    let (root, rest) = text.split_once('\\').unwrap_or((text, ""));
    match roots.iter().find(|(short, _)| *short == root) {
        Some((_, long)) if rest.is_empty() => (*long).to_owned(),
        Some((_, long)) => format!("{long}\\{rest}"),
        None => text.to_owned(),
    }
}
