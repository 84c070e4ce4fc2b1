//! The quiet background: what machines and people do when nothing is wrong.
//!
//! Made from a fixed seed, so it is the same every time. It must match no shipped playbook; the tests
//! of the shipped playbooks would show it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::cast::{Cast, device, hashes, short_name};
use crate::kql::{Library, LibraryError};
use crate::sim::seed::{SimMachine, SimUser};

/// How far back the background goes.
const SECONDS: u64 = 26 * 3600;

/// Where people work.
pub(super) const OFFICE: &str = "198.51.100.10";

/// What runs on every machine: program, folder, command line, what starts it.
pub(super) const PROGRAMS: &[(&str, &str, &str, &str)] = &[
    ("svchost.exe", "C:\\Windows\\System32", "svchost.exe -k netsvcs -p", "services.exe"),
    (
        "msedge.exe",
        "C:\\Program Files (x86)\\Microsoft\\Edge\\Application",
        "\"msedge.exe\" --type=renderer",
        "msedge.exe",
    ),
    ("ms-teams.exe", "C:\\Program Files\\WindowsApps\\MSTeams", "\"ms-teams.exe\"", "explorer.exe"),
    ("OUTLOOK.EXE", "C:\\Program Files\\Microsoft Office\\root\\Office16", "\"OUTLOOK.EXE\"", "explorer.exe"),
    (
        "WINWORD.EXE",
        "C:\\Program Files\\Microsoft Office\\root\\Office16",
        "\"WINWORD.EXE\" /n",
        "explorer.exe",
    ),
    (
        "EXCEL.EXE",
        "C:\\Program Files\\Microsoft Office\\root\\Office16",
        "\"EXCEL.EXE\" budget.xlsx",
        "explorer.exe",
    ),
    ("splwow64.exe", "C:\\Windows", "C:\\Windows\\splwow64.exe 8192", "WINWORD.EXE"),
    (
        "MsMpEng.exe",
        "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform",
        "\"MsMpEng.exe\"",
        "services.exe",
    ),
    ("taskhostw.exe", "C:\\Windows\\System32", "taskhostw.exe", "svchost.exe"),
    (
        "powershell.exe",
        "C:\\Windows\\System32\\WindowsPowerShell\\v1.0",
        "powershell.exe -File C:\\IT\\inventory.ps1",
        "svchost.exe",
    ),
    ("cmd.exe", "C:\\Windows\\System32", "cmd.exe /c dir", "explorer.exe"),
    ("git.exe", "C:\\Program Files\\Git\\cmd", "git.exe status", "cmd.exe"),
];

/// Where machines connect to.
pub(super) const PLACES: &[(&str, &str, u16)] = &[
    ("https://outlook.office.example", "192.0.2.10", 443),
    ("https://teams.office.example", "192.0.2.11", 443),
    ("https://news.example", "192.0.2.80", 443),
    ("dc01.contoso.example", "10.20.1.10", 389),
    ("srv-file01.contoso.example", "10.20.1.21", 445),
    ("https://packages.example", "192.0.2.120", 443),
];

pub(super) const SUBJECTS: &[&str] =
    &["Minutes", "Offer 2041", "Re: Offer 2041", "Travel", "Newsletter", "Build 811 is ready"];

/// A small generator of numbers (SplitMix64): good enough to look lively, and the same everywhere.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(super) const fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(items.len()).unwrap_or(1).max(1);
        items.get(usize::try_from(self.below(count)).unwrap_or_default())
    }
}

/// Fills the tables.
pub(super) fn paint(cast: &Cast, library: &mut Library) -> Result<(), LibraryError> {
    let mut painter = Painter { cast, dice: Dice::new(0x0020_2601_1012), library };
    for (number, machine) in cast.machines.iter().enumerate() {
        let people: Vec<&SimUser> = cast.users.iter().filter(|user| !user.privileged).collect();
        let Some(user) = people.get(number % people.len().max(1)) else { continue };
        painter.machine(machine, user)?;
    }
    for user in cast.users.iter().filter(|user| !user.privileged) {
        painter.person(user)?;
    }
    Ok(())
}

struct Painter<'a> {
    cast: &'a Cast,
    dice: Dice,
    library: &'a mut Library,
}

impl Painter<'_> {
    fn moment(&mut self) -> Timestamp {
        let back = i64::try_from(self.dice.below(SECONDS)).unwrap_or_default();
        self.cast.now.checked_sub(SignedDuration::from_secs(back + 60)).unwrap_or(self.cast.now)
    }

    /// Adds a row; what is in `more` wins.
    fn add(&mut self, table: &str, base: Map<String, Value>, more: Value) -> Result<(), LibraryError> {
        let mut row = base;
        row.insert("Timestamp".to_owned(), self.moment().to_string().into());
        row.retain(|column, _| self.library.kind(table, column).is_some());
        if let Value::Object(more) = more {
            row.extend(more);
        }
        self.library.fill(table, &[row])
    }

    fn machine(&mut self, machine: &SimMachine, user: &SimUser) -> Result<(), LibraryError> {
        let windows = machine.os_platform.starts_with("Windows");
        let mut base = device(machine);
        base.extend(self.cast.account(user, ""));
        base.extend(self.cast.account(user, "InitiatingProcess"));
        for _ in 0..if windows { 18 } else { 0 } {
            let Some((file, folder, line, parent)) = self.dice.pick(PROGRAMS) else { continue };
            let mut base = base.clone();
            base.extend(hashes(file, ""));
            let more = json!({
                "ActionType": "ProcessCreated", "FileName": file, "FolderPath": format!("{folder}\\{file}"),
                "ProcessCommandLine": line, "ProcessId": 1000 + self.dice.below(9000),
                "InitiatingProcessFileName": parent, "InitiatingProcessId": 500 + self.dice.below(9000),
                "InitiatingProcessCommandLine": parent, "ProcessIntegrityLevel": "Medium",
            });
            self.add("DeviceProcessEvents", base, more)?;
        }
        for _ in 0..8 {
            let number = self.dice.below(400);
            let (action, before) =
                if self.dice.below(5) == 0 { ("FileRenamed", "draft.docx") } else { ("FileModified", "") };
            let more = json!({
                "ActionType": action, "FileName": format!("note-{number}.docx"), "PreviousFileName": before,
                "FolderPath": format!("C:\\Users\\Public\\Documents\\note-{number}.docx"),
                "InitiatingProcessFileName": "WINWORD.EXE", "InitiatingProcessCommandLine": "\"WINWORD.EXE\" /n",
                "InitiatingProcessId": 2000 + number,
            });
            self.add("DeviceFileEvents", base.clone(), more)?;
        }
        for _ in 0..12 {
            let Some((url, address, port)) = self.dice.pick(PLACES) else { continue };
            let more = json!({
                "ActionType": "ConnectionSuccess", "RemoteUrl": url, "RemoteIP": address, "RemotePort": port,
                "LocalIP": machine.last_ip_address, "LocalPort": 49152 + self.dice.below(16000), "Protocol": "Tcp",
                "InitiatingProcessFileName": "msedge.exe", "InitiatingProcessCommandLine": "\"msedge.exe\"",
            });
            self.add("DeviceNetworkEvents", base.clone(), more)?;
        }
        for _ in 0..3 {
            let more = json!({
                "ActionType": "LogonSuccess", "LogonType": "Interactive", "Protocol": "Negotiate",
                "IsLocalAdmin": false, "RemoteIP": "",
            });
            self.add("DeviceLogonEvents", base.clone(), more)?;
        }
        let more =
            json!({"ActionType": "AntivirusScanCompleted", "InitiatingProcessFileName": "MsMpEng.exe"});
        self.add("DeviceEvents", base, more)
    }

    fn person(&mut self, user: &SimUser) -> Result<(), LibraryError> {
        let base = self.cast.account(user, "");
        for application in [
            "Microsoft Teams",
            "Office 365 Exchange Online",
            "SharePoint Online",
            "Office 365 Exchange Online",
        ] {
            let more = json!({
                "Application": application, "ErrorCode": 0, "IPAddress": OFFICE, "Country": "SE", "City": "Stockholm",
                "IsManaged": 1, "IsCompliant": 1, "LogonType": "[\"interactiveUser\"]",
                "AuthenticationRequirement": "multiFactorAuthentication", "RiskLevelAggregated": 0,
            });
            self.add("EntraIdSignInEvents", base.clone(), more)?;
        }
        let name = short_name(&user.user_principal_name, '@').to_owned();
        for _ in 0..4 {
            let Some(subject) = self.dice.pick(SUBJECTS) else { continue };
            let id = format!("00000000-0000-4000-8000-{:012x}", self.dice.below(1 << 48));
            let more = json!({
                "NetworkMessageId": id, "Subject": subject, "SenderFromAddress": "partner@supplier.example",
                "SenderMailFromAddress": "partner@supplier.example", "SenderFromDomain": "supplier.example",
                "RecipientEmailAddress": user.user_principal_name, "RecipientObjectId": user.id,
                "EmailDirection": "Inbound", "DeliveryAction": "Delivered", "DeliveryLocation": "Inbox/folder",
                "SenderIPv4": "192.0.2.40", "UrlCount": 1, "AttachmentCount": 0,
            });
            self.add("EmailEvents", Map::new(), more)?;
            let url = format!("https://supplier.example/offers/{}", self.dice.below(900));
            let more = json!({"NetworkMessageId": id, "Url": url, "UrlDomain": "supplier.example", "UrlLocation": "Body"});
            self.add("EmailUrlInfo", Map::new(), more)?;
        }
        let more = json!({
            "ActionType": "FileDownloaded", "Application": "Microsoft SharePoint Online", "ApplicationId": 20892,
            "ObjectName": format!("{name}.pptx"), "IPAddress": OFFICE, "CountryCode": "SE",
        });
        self.add("CloudAppEvents", base.clone(), more)?;
        let more = json!({
            "ActionType": "LogonSuccess", "LogonType": "Resource access", "Protocol": "Kerberos",
            "DestinationDeviceName": "dc01.contoso.example", "IPAddress": OFFICE,
        });
        self.add("IdentityLogonEvents", base, more)
    }
}
