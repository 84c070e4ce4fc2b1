//! A quiet tenant at any size: what its machines and people do over days, in the order of time.
//!
//! Rows have the shapes of the [`background`](super::background), with more of everything: programs,
//! files, addresses, registry, modules, sign-ins, mail. The same seed gives the same rows. None of them
//! matches a shipped playbook.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::background::{Dice, OFFICE, PLACES, PROGRAMS, SUBJECTS};
use super::cast::{Cast, device, hashes, short_name};
use crate::kql::Library;
use crate::sim::seed::{SimMachine, SimUser, stamp};

/// A row and the table it belongs to.
pub(super) type Event = (&'static str, Map<String, Value>);

type Row = Map<String, Value>;

/// Kinds of events, and how many of a hundred they are: about what sensors send.
const MIX: &[(u64, &str)] = &[
    (26, "DeviceProcessEvents"),
    (22, "DeviceNetworkEvents"),
    (16, "DeviceFileEvents"),
    (10, "DeviceImageLoadEvents"),
    (8, "DeviceRegistryEvents"),
    (4, "DeviceEvents"),
    (3, "DeviceLogonEvents"),
    (4, "EntraIdSignInEvents"),
    (3, "CloudAppEvents"),
    (2, "IdentityLogonEvents"),
    (2, "EmailEvents"),
];

/// Modules that programs load.
const MODULES: &[&str] =
    &["ntdll.dll", "kernel32.dll", "user32.dll", "ws2_32.dll", "crypt32.dll", "combase.dll"];

/// Registry keys and values that change every day.
const KEYS: &[(&str, &str, &str)] = &[
    ("HKEY_CURRENT_USER\\SOFTWARE\\Contoso\\Viewer", "LastFile", "offer.pdf"),
    (
        "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters",
        "DhcpServer",
        "10.20.1.10",
    ),
    ("HKEY_CURRENT_USER\\SOFTWARE\\Microsoft\\Office\\16.0\\Word\\File MRU", "Item 1", "minutes.docx"),
];

const FILES: &[(&str, &str)] = &[
    ("minutes", "docx"),
    ("offer", "pdf"),
    ("budget", "xlsx"),
    ("drawing", "png"),
    ("notes", "txt"),
    ("log", "log"),
];

/// What sensors say of themselves and of devices.
const HAPPENINGS: &[&str] =
    &["AntivirusScanCompleted", "AntivirusDefinitionsUpdated", "PnpDeviceConnected", "ScreenshotTaken"];

const APPLICATIONS: &[&str] =
    &["Microsoft Teams", "Office 365 Exchange Online", "SharePoint Online", "Contoso Travel"];

/// The rows, one after the other.
#[derive(Debug)]
pub(super) struct Bulk<'c> {
    cast: &'c Cast,
    people: Vec<&'c SimUser>,
    dice: Dice,
    columns: BTreeMap<&'static str, BTreeSet<String>>,
    /// Rows made and rows to make.
    made: u64,
    rows: u64,
    from: Timestamp,
    span: SignedDuration,
}

impl<'c> Bulk<'c> {
    /// So many rows over a time that ends at the present of the cast.
    pub(super) fn new(
        cast: &'c Cast,
        library: &Library,
        (seed, rows, span): (u64, u64, SignedDuration),
    ) -> Self {
        let columns =
            MIX.iter().map(|(_, table)| (*table, library.columns(table).map(str::to_owned).collect()));
        Self {
            cast,
            people: cast.users.iter().filter(|user| !user.privileged).collect(),
            dice: Dice::new(seed),
            columns: columns.collect(),
            made: 0,
            rows,
            from: cast.now.checked_sub(span).unwrap_or(cast.now),
            span,
        }
    }

    /// The instant of the next row: evenly spread, each a little late.
    fn moment(&mut self) -> Timestamp {
        let millis = u64::try_from(self.span.as_millis()).unwrap_or_default();
        let step = (millis / self.rows.max(1)).max(1);
        let part = u128::from(millis) * u128::from(self.made) / u128::from(self.rows.max(1));
        let late = self.dice.below(step);
        let offset = i64::try_from(part).unwrap_or_default().saturating_add_unsigned(late);
        self.from.checked_add(SignedDuration::from_millis(offset)).unwrap_or(self.from)
    }

    fn event(&mut self) -> Option<Event> {
        let at = self.moment();
        let mut roll = self.dice.below(100);
        let (_, table) = *MIX.iter().find(|(share, _)| {
            let is_it = roll < *share;
            roll = roll.saturating_sub(*share);
            is_it
        })?;
        let machine = self.dice.pick(&self.cast.machines)?;
        let user = *self.dice.pick(&self.people)?;
        let mut row = match table {
            "EmailEvents" => self.mail(user),
            "EntraIdSignInEvents" | "CloudAppEvents" | "IdentityLogonEvents" => self.cloud(table, user),
            _ => self.sensor(table, machine, user)?,
        };
        row.insert("Timestamp".to_owned(), stamp(at).into());
        row.insert("ReportId".to_owned(), self.report_id(table));
        let columns = self.columns.get(table)?;
        row.retain(|column, _| columns.contains(column));
        Some((table, row))
    }

    fn report_id(&self, table: &str) -> Value {
        // Behind the numbers of the story.
        let number = 100_000 + self.made;
        if table.starts_with("Device") { number.into() } else { format!("report-{number}").into() }
    }

    /// What a device reports.
    fn sensor(&mut self, table: &str, machine: &SimMachine, user: &SimUser) -> Option<Row> {
        let (file, folder, line, parent) = *self.dice.pick(PROGRAMS)?;
        let mut row = device(machine);
        row.extend(self.cast.account(user, ""));
        row.extend(self.cast.account(user, "InitiatingProcess"));
        let by_another = table == "DeviceProcessEvents";
        let (name, command) = if by_another { (parent, parent) } else { (file, line) };
        row.extend(hashes(name, "InitiatingProcess"));
        row.extend(object(json!({
            "InitiatingProcessFileName": name, "InitiatingProcessCommandLine": command,
            "InitiatingProcessFolderPath": format!("{folder}\\{name}").to_ascii_lowercase(),
            "InitiatingProcessId": 500 + self.dice.below(9000), "InitiatingProcessParentFileName": "explorer.exe",
            "InitiatingProcessIntegrityLevel": "Medium", "ProcessId": 1000 + self.dice.below(9000),
        })));
        let more = match table {
            "DeviceProcessEvents" => {
                row.extend(hashes(file, ""));
                json!({
                    "ActionType": "ProcessCreated", "FileName": file, "FolderPath": format!("{folder}\\{file}"),
                    "ProcessCommandLine": format!("{line} {}", self.dice.below(40)),
                    "ProcessIntegrityLevel": "Medium", "FileSize": 40_000 + self.dice.below(900_000),
                })
            }
            "DeviceNetworkEvents" => self.connection(machine)?,
            "DeviceFileEvents" => self.file(user, &mut row)?,
            "DeviceImageLoadEvents" => {
                let module = *self.dice.pick(MODULES)?;
                row.extend(hashes(module, ""));
                let path = format!("C:\\Windows\\System32\\{module}");
                json!({"ActionType": "ImageLoaded", "FileName": module, "FolderPath": path})
            }
            "DeviceRegistryEvents" => {
                let (key, name, data) = *self.dice.pick(KEYS)?;
                json!({
                    "ActionType": "RegistryValueSet", "RegistryKey": key, "RegistryValueName": name,
                    "RegistryValueData": data, "RegistryValueType": "String",
                })
            }
            "DeviceLogonEvents" => json!({
                "ActionType": "LogonSuccess", "LogonType": "Interactive", "Protocol": "Negotiate",
                "IsLocalAdmin": false, "LogonId": 90_000 + self.dice.below(9000),
            }),
            _ => json!({"ActionType": *self.dice.pick(HAPPENINGS)?, "AdditionalFields": "{}"}),
        };
        row.extend(object(more));
        Some(row)
    }

    fn connection(&mut self, machine: &SimMachine) -> Option<Value> {
        let (url, address, port) = *self.dice.pick(PLACES)?;
        let action = if self.dice.below(20) == 0 { "ConnectionFailed" } else { "ConnectionSuccess" };
        let kind = if address.starts_with("10.") { "Private" } else { "Public" };
        Some(json!({
            "ActionType": action, "RemoteUrl": url, "RemoteIP": address, "RemotePort": port, "RemoteIPType": kind,
            "LocalIP": machine.last_ip_address, "LocalPort": 49_152 + self.dice.below(16_000), "Protocol": "Tcp",
        }))
    }

    fn file(&mut self, user: &SimUser, row: &mut Row) -> Option<Value> {
        let (name, end) = *self.dice.pick(FILES)?;
        let file = format!("{name}-{}.{end}", self.dice.below(2000));
        let action = *self.dice.pick(&["FileCreated", "FileModified", "FileModified", "FileDeleted"])?;
        row.extend(hashes(&file, ""));
        let person = short_name(&user.user_principal_name, '@');
        let path = format!("C:\\Users\\{person}\\Documents\\{file}");
        Some(
            json!({"ActionType": action, "FileName": file, "FolderPath": path, "FileSize": self.dice.below(4_000_000)}),
        )
    }

    /// What a person does in the directory and its applications.
    fn cloud(&mut self, table: &str, user: &SimUser) -> Row {
        let mut row = self.cast.account(user, "");
        let application = self.dice.pick(APPLICATIONS).copied().unwrap_or_default();
        row.extend(object(match table {
            "EntraIdSignInEvents" => json!({
                "Application": application, "ErrorCode": 0, "IPAddress": OFFICE, "Country": "SE", "City": "Stockholm",
                "IsManaged": 1, "IsCompliant": 1, "LogonType": "[\"interactiveUser\"]",
                "AuthenticationRequirement": "multiFactorAuthentication", "RiskLevelAggregated": 0,
            }),
            "CloudAppEvents" => json!({
                "ActionType": "FileAccessed", "Application": "Microsoft SharePoint Online", "ApplicationId": 20_892,
                "ObjectName": format!("plan-{}.pptx", self.dice.below(500)), "IPAddress": OFFICE, "CountryCode": "SE",
            }),
            _ => json!({
                "ActionType": "LogonSuccess", "LogonType": "Resource access", "Protocol": "Kerberos",
                "DestinationDeviceName": "dc01.contoso.example", "IPAddress": OFFICE,
            }),
        }));
        row
    }

    fn mail(&mut self, user: &SimUser) -> Row {
        let subject = self.dice.pick(SUBJECTS).copied().unwrap_or_default();
        object(json!({
            "NetworkMessageId": format!("00000000-0000-4000-9000-{:012x}", self.dice.below(1 << 48)),
            "Subject": subject, "SenderFromAddress": "partner@supplier.example",
            "SenderMailFromAddress": "partner@supplier.example", "SenderFromDomain": "supplier.example",
            "RecipientEmailAddress": user.user_principal_name, "RecipientObjectId": user.id,
            "EmailDirection": "Inbound", "DeliveryAction": "Delivered", "DeliveryLocation": "Inbox/folder",
            "SenderIPv4": "192.0.2.40", "UrlCount": 0, "AttachmentCount": 0,
        }))
    }
}

impl Iterator for Bulk<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.made >= self.rows {
            return None;
        }
        let event = self.event();
        self.made += 1;
        event
    }
}

fn object(value: Value) -> Row {
    match value {
        Value::Object(object) => object,
        _ => Row::new(),
    }
}
