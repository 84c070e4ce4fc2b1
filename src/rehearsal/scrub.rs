//! Takes secrets and personal data out of a recording.
//!
//! Every person, device, address and domain becomes another one of the same form, the same wherever it
//! occurs: in all tables, in ids, names and command lines. The replacements are numbered in the order in
//! which they are met, so the same data give the same fixture, and nothing leads back without the original.
//! Nobody can promise that a text holds no other trace of a person: what is recorded is to be read before it
//! is shared.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::{Captures, Regex, RegexBuilder};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::record::Recording;

/// Most bytes of the compiled search for known names; a few thousand names.
const SEARCH_BYTES_MAX: usize = 64 << 20;

/// Shortest name that is looked for inside other texts. A shorter one would be found in words.
const NAME_CHARS_MIN: usize = 3;

/// Accounts that are no persons.
const NOBODIES: &[&str] = &[
    "system",
    "local service",
    "network service",
    "anonymous logon",
    "administrator",
    "guest",
    "root",
    "defaultaccount",
    "wdagutilityaccount",
    "nt authority",
    "nt service",
    "window manager",
    "font driver host",
    "workgroup",
    "builtin",
    "krbtgt",
    "iusr",
];

macro_rules! pattern {
    ($name:ident, $text:literal) => {
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($text).expect("our own pattern is valid"));
    };
}

pattern!(EMAIL, r"(?i)[a-z0-9._%+#'-]+@(?:[a-z0-9-]+\.)+[a-z]{2,}");
pattern!(SID, r"S-1-5-21-\d+-\d+-\d+-\d+");
pattern!(IPV4, r"\b(?:\d{1,3}\.){3}\d{1,3}\b");
pattern!(IPV6, r"(?i)\b(?:[0-9a-f]{1,4}:){2,7}(?::?[0-9a-f]{1,4}){0,6}\b");
pattern!(GUID, r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b");
pattern!(
    SECRET,
    r#"(?i)\b((?:password|passwd|pwd|secret|token|api[-_]?key|client[-_]?secret|access[-_]?key|sig|signature)\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s&;,"']+)"#
);
pattern!(BEARER, r"(?i)\b(bearer\s+|basic\s+)[a-z0-9._~+/=-]{8,}");
pattern!(TOKEN, r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*");
pattern!(
    KEY,
    r"\bAKIA[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
);
pattern!(LOGIN, r"(?i)(\b[a-z][a-z0-9+.-]*://)[^/\s:@]+:[^/\s@]+@");

/// What a column or field holds, told by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    DeviceId,
    DeviceName,
    Account,
    Domain,
    PersonName,
    ObjectId,
    /// A version looks like an address and is none.
    Version,
    Text,
}

impl Class {
    fn of(key: &str) -> Self {
        let ends = |ends: &[&str]| ends.iter().any(|end| key.ends_with(end));
        match key {
            "DeviceId" | "MachineId" | "mdeDeviceId" => Self::DeviceId,
            _ if ends(&[
                "DeviceName",
                "computerDnsName",
                "ComputerDnsName",
                "deviceDnsName",
                "HostName",
                "hostName",
            ]) =>
            {
                Self::DeviceName
            }
            _ if ends(&["DisplayName", "displayName"]) && is_of_a_person(key) => Self::PersonName,
            _ if ends(&["AccountName", "accountName"]) => Self::Account,
            _ if ends(&["AccountDomain", "domainName"]) => Self::Domain,
            _ if ends(&[
                "ObjectId",
                "azureAdUserId",
                "AadDeviceId",
                "aadDeviceId",
                "azureAdDeviceId",
                "TenantId",
                "tenantId",
            ]) =>
            {
                Self::ObjectId
            }
            _ if ends(&["Version", "version", "Build"]) => Self::Version,
            _ => Self::Text,
        }
    }
}

/// A display name of an incident or a product is none of a person.
fn is_of_a_person(key: &str) -> bool {
    [
        "AccountDisplayName",
        "SenderDisplayName",
        "RecipientDisplayName",
        "ActorDisplayName",
        "createdByDisplayName",
    ]
    .iter()
    .any(|known| key.ends_with(known))
        || key == "userDisplayName"
}

/// What each thing becomes.
#[derive(Debug, Default)]
struct Names {
    people: BTreeMap<String, usize>,
    devices: BTreeMap<String, usize>,
    device_ids: BTreeMap<String, usize>,
    domains: BTreeMap<String, usize>,
    guids: BTreeMap<String, usize>,
    sids: BTreeMap<String, usize>,
    inside: BTreeMap<IpAddr, usize>,
    outside: BTreeMap<IpAddr, usize>,
    /// Known texts, in lower case, and what they become wherever they occur.
    known: BTreeMap<String, String>,
}

/// The number of a thing, from 1, in the order of first use.
fn number<K: Ord>(numbers: &mut BTreeMap<K, usize>, key: K) -> usize {
    let next = numbers.len() + 1;
    *numbers.entry(key).or_insert(next)
}

impl Names {
    fn domain(&mut self, domain: &str) -> String {
        match number(&mut self.domains, domain.to_lowercase()) {
            1 => "contoso.example".to_owned(),
            other => format!("domain-{other}.example"),
        }
    }

    /// The short name of a domain: the first part of a known long one, or one of its own.
    fn netbios(&mut self, name: &str) -> String {
        let long = self.domains.keys().find(|domain| first_part(domain).eq_ignore_ascii_case(name)).cloned();
        let new = self.domain(long.as_deref().unwrap_or(name));
        let new = first_part(&new).to_owned();
        self.learn(name, &new);
        new
    }

    fn person(&mut self, local: &str) -> String {
        format!("user-{:03}", number(&mut self.people, local.to_lowercase()))
    }

    fn email(&mut self, email: &str) -> String {
        let (local, domain) = email.split_once('@').unwrap_or((email, ""));
        let new = (self.person(local), self.domain(domain));
        // A personal site has the name in its address, with underscores.
        let flat = |local: &str, domain: &str| format!("{local}_{domain}").replace(['.', '-', '+'], "_");
        self.known.insert(flat(local, domain).to_lowercase(), flat(&new.0, &new.1));
        self.known.insert(domain.to_lowercase(), new.1.clone());
        // `info` and `security` are words; `nils.holm` is a name.
        if local.contains(|char: char| !char.is_alphabetic()) {
            self.learn(local, &new.0);
        }
        format!("{}@{}", new.0, new.1)
    }

    /// Remembers a name that is to be found in other texts too.
    fn learn(&mut self, name: &str, new: &str) {
        if NAME_CHARS_MIN <= name.chars().count() && !is_nobody(name) {
            self.known.insert(name.to_lowercase(), new.to_owned());
        }
    }

    fn device(&mut self, name: &str) -> String {
        let (short, domain) = name.split_once('.').map_or((name, None), |(short, rest)| (short, Some(rest)));
        let new = format!("device-{:03}", number(&mut self.devices, short.to_lowercase()));
        self.learn(short, &new);
        match domain {
            Some(domain) => {
                let domain_new = self.domain(domain);
                self.known.insert(domain.to_lowercase(), domain_new.clone());
                format!("{new}.{domain_new}")
            }
            None => new,
        }
    }

    fn device_id(&mut self, id: &str) -> String {
        let number = number(&mut self.device_ids, id.to_lowercase());
        let new = format!("{:08x}{:032x}", 0xde1c_e000_u32, number);
        self.known.insert(id.to_lowercase(), new.clone());
        new
    }

    fn guid(&mut self, id: &str) -> String {
        let number = number(&mut self.guids, id.to_lowercase());
        let new = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("recorded {number}").as_bytes()).to_string();
        self.known.insert(id.to_lowercase(), new.clone());
        new
    }

    fn sid(&mut self, sid: &str) -> String {
        let number = 1000 + number(&mut self.sids, sid.to_owned());
        format!("S-1-5-21-1000000000-1000000000-1000000000-{number}")
    }

    /// Inside stays inside and outside outside: conditions tell them apart.
    fn address(&mut self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(v4)
                if v4.is_loopback()
                    || v4.is_unspecified()
                    || v4.is_link_local()
                    || v4.is_broadcast()
                    || v4.is_multicast() =>
            {
                address
            }
            IpAddr::V6(v6) if v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() => address,
            IpAddr::V4(v4) if v4.is_private() => {
                let [_, a, b, c] = spread(number(&mut self.inside, address));
                IpAddr::V4(Ipv4Addr::new(10, a, b, c))
            }
            IpAddr::V4(_) => {
                let number = number(&mut self.outside, address);
                let [_, _, block, last] = spread(number);
                let [_, a, b, c] = spread(number);
                // The three nets for documentation, and beyond them one that belongs to nobody.
                IpAddr::V4(match block {
                    0 => Ipv4Addr::new(203, 0, 113, last),
                    1 => Ipv4Addr::new(198, 51, 100, last),
                    2 => Ipv4Addr::new(192, 0, 2, last),
                    _ => Ipv4Addr::new(100, 64 | (a & 63), b, c),
                })
            }
            IpAddr::V6(v6) => {
                let is_inside =
                    (v6.segments()[0] & 0xfe00) == 0xfc00 || (v6.segments()[0] & 0xffc0) == 0xfe80;
                let numbers = if is_inside { &mut self.inside } else { &mut self.outside };
                let number = u16::try_from(number(numbers, address)).unwrap_or(u16::MAX);
                let first = if is_inside { 0xfd00 } else { 0x2001 };
                IpAddr::V6(Ipv6Addr::new(first, if is_inside { 0 } else { 0xdb8 }, 0, 0, 0, 0, 0, number))
            }
        }
    }
}

fn first_part(domain: &str) -> &str {
    domain.split('.').next().unwrap_or_default()
}

/// The four bytes of a number.
fn spread(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}

fn is_nobody(name: &str) -> bool {
    let name = name.to_lowercase();
    name.is_empty()
        || NOBODIES.contains(&name.as_str())
        || name.starts_with("dwm-")
        || name.starts_with("umfd-")
        || name.chars().all(|char| char.is_ascii_digit())
}

/// Takes secrets and personal data out of a recording.
pub fn scrub(recording: &mut Recording) {
    let mut names = Names::default();
    // First everything that says what it is, in every table; then the texts in which it may occur.
    each(recording, &mut |key, text| {
        if let Some(new) = named(&mut names, Class::of(key), text) {
            *text = new;
        } else {
            learn(&mut names, text);
        }
    });
    let known = std::mem::take(&mut names.known);
    let search = Search::new(&known);
    each(recording, &mut |key, text| {
        let class = Class::of(key);
        if class == Class::Text || class == Class::Version {
            *text = free(&mut names, &search, class, text);
        }
    });
    for entry in recording.lists.values_mut().flatten() {
        *entry = free(&mut names, &search, Class::Text, entry);
    }
    // A part of a name or secret stays what it is, and says what was replaced.
    recording.narrow_lists();
}

/// What a text becomes whose column says what it is. `None` for a free text.
fn named(names: &mut Names, class: Class, text: &str) -> Option<String> {
    if text.is_empty() {
        return Some(String::new());
    }
    match class {
        Class::DeviceId => Some(names.device_id(text)),
        Class::DeviceName => Some(names.device(text)),
        Class::Account if is_nobody(text) || text.ends_with('$') && !text.contains('\\') => {
            Some(match text.strip_suffix('$') {
                Some(device) => format!("{}$", names.device(device)),
                None => text.to_owned(),
            })
        }
        Class::Account if text.contains('@') => Some(names.email(text)),
        Class::Account => {
            let local = text.rsplit('\\').next().unwrap_or(text);
            let new = names.person(local);
            names.learn(local, &new);
            Some(new)
        }
        Class::Domain if is_nobody(text) => Some(text.to_owned()),
        Class::Domain if text.contains('.') => {
            let new = names.domain(text);
            names.known.insert(text.to_lowercase(), new.clone());
            Some(new)
        }
        Class::Domain => Some(names.netbios(text)),
        Class::PersonName => {
            let new = format!("Person {:03}", number(&mut names.people, text.to_lowercase()));
            names.learn(text, &new);
            Some(new)
        }
        Class::ObjectId if GUID.is_match(text) => Some(names.guid(text)),
        Class::ObjectId | Class::Version | Class::Text => None,
    }
}

/// Learns the names in a free text that say by their form what they are.
fn learn(names: &mut Names, text: &str) {
    for email in EMAIL.find_iter(text) {
        names.email(email.as_str());
    }
}

/// A free text without secrets, known names, addresses.
fn free(names: &mut Names, search: &Search, class: Class, text: &str) -> String {
    let text = SECRET.replace_all(text, "${1}***");
    let text = BEARER.replace_all(&text, "${1}***");
    let text = TOKEN.replace_all(&text, "***");
    let text = KEY.replace_all(&text, "***");
    let text = LOGIN.replace_all(&text, "${1}***@");
    let text = EMAIL.replace_all(&text, |found: &Captures<'_>| {
        let email = found.get(0).map_or("", |found| found.as_str());
        // What was replaced before is no new person.
        if email.ends_with(".example") && email.starts_with("user-") {
            email.to_owned()
        } else {
            names.email(email)
        }
    });
    let text = SID.replace_all(&text, |found: &Captures<'_>| {
        names.sid(found.get(0).map_or("", |found| found.as_str()))
    });
    let text = search.replace(&text);
    if class == Class::Version {
        return text;
    }
    let address = |names: &mut Names, found: &Captures<'_>| {
        let written = found.get(0).map_or("", |found| found.as_str());
        written.parse().map_or_else(|_version| written.to_owned(), |ip| names.address(ip).to_string())
    };
    let text = IPV4.replace_all(&text, |found: &Captures<'_>| address(names, found)).into_owned();
    IPV6.replace_all(&text, |found: &Captures<'_>| address(names, found)).into_owned()
}

/// Finds known names inside texts.
struct Search<'n> {
    known: &'n BTreeMap<String, String>,
    pattern: Option<Regex>,
}

impl<'n> Search<'n> {
    fn new(known: &'n BTreeMap<String, String>) -> Self {
        let mut names: Vec<&str> = known.keys().map(String::as_str).filter(|name| !name.is_empty()).collect();
        // The longest first, or `srv` would be found in `srv-file01`.
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        let any = names.iter().map(|name| regex::escape(name)).collect::<Vec<_>>().join("|");
        let pattern = RegexBuilder::new(&any).case_insensitive(true).size_limit(SEARCH_BYTES_MAX).build();
        Self { known, pattern: pattern.ok().filter(|_| !names.is_empty()) }
    }

    /// Replaces known names that stand by themselves.
    fn replace(&self, text: &str) -> String {
        let Some(pattern) = &self.pattern else { return text.to_owned() };
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for found in pattern.find_iter(text) {
            let inside = |char: Option<char>| char.is_some_and(char::is_alphanumeric);
            let before = text.get(..found.start()).and_then(|before| before.chars().next_back());
            let after = text.get(found.end()..).and_then(|after| after.chars().next());
            let new = self.known.get(&found.as_str().to_lowercase());
            out.push_str(text.get(from..found.start()).unwrap_or_default());
            match new.filter(|_| !inside(before) && !inside(after)) {
                Some(new) => out.push_str(new),
                None => out.push_str(found.as_str()),
            }
            from = found.end();
        }
        out.push_str(text.get(from..).unwrap_or_default());
        out
    }
}

/// Visits every text of a recording with the key it stands under; the texts of a list have the list's.
fn each(recording: &mut Recording, visit: &mut dyn FnMut(&str, &mut String)) {
    let Recording { answer, tables, machines, users, incidents, alerts, lists: _, asked: _, warnings: _ } =
        recording;
    // An item's own id has a plain name; these say whose it is.
    let own_ids = [(machines, "DeviceId"), (users, "ObjectId")];
    for (objects, id) in own_ids {
        for object in objects.iter_mut() {
            for (key, value) in object.iter_mut() {
                let key = if key == "id" { id } else { key };
                // A user of the directory has a display name of a person.
                let key = if id == "ObjectId" && key == "displayName" { "userDisplayName" } else { key };
                walk(key, value, visit);
            }
        }
    }
    let answer = answer.iter_mut().flat_map(|(_, rows)| rows);
    let rows = answer.chain(tables.values_mut().flatten()).chain(incidents).chain(alerts);
    for object in rows {
        object.iter_mut().for_each(|(key, value)| walk(key, value, visit));
    }
}

fn walk(key: &str, value: &mut Value, visit: &mut dyn FnMut(&str, &mut String)) {
    match value {
        Value::String(text) => match inner(text) {
            // Some columns hold JSON as a text.
            Some(mut inner) => {
                walk(key, &mut inner, visit);
                *text = inner.to_string();
            }
            None => visit(key, text),
        },
        Value::Array(list) => list.iter_mut().for_each(|value| walk(key, value, visit)),
        Value::Object(object) => {
            object.iter_mut().for_each(|(key, value)| walk(inner_key(key), value, visit));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The key inside evidence that stands for another outside.
fn inner_key(key: &str) -> &str {
    if key == "displayName" { "userDisplayName" } else { key }
}

/// What a text holds that is JSON with parts.
pub(super) fn inner(text: &str) -> Option<Value> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str::<Map<String, Value>>(text)
        .map(Value::Object)
        .or_else(|_| serde_json::from_str::<Vec<Value>>(text).map(Value::Array))
        .ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn objects(value: Value) -> Vec<Map<String, Value>> {
        serde_json::from_value(value).unwrap()
    }

    /// A recording with a person, a device and an attacker in every form they come in.
    fn recording() -> Recording {
        let id = "0b5bdebc7703f10466abb0f73817604459a1ef26";
        let tables = [
            (
                "DeviceProcessEvents",
                json!([{
                    "Timestamp": "2026-01-10T12:00:00Z",
                    "DeviceId": id,
                    "DeviceName": "wks-014.fabrikam.example",
                    "AccountName": "nils.holm",
                    "AccountDomain": "fabrikam",
                    "AccountUpn": "Nils.Holm@fabrikam.example",
                    "AccountSid": "S-1-5-21-1004336348-1177238915-682003330-1101",
                    "AccountObjectId": "0385f1f2-0269-45ef-aad5-eabf217110e3",
                    "InitiatingProcessAccountName": "system",
                    "FileName": "net.exe",
                    "ProcessVersionInfoProductVersion": "10.0.1.1",
                    "SHA1": "356a192b7913b04c54574d18c28d46e6395428ab",
                    "ProcessCommandLine": "net use \\\\WKS-014\\c$ /user:fabrikam\\nils.holm --password=hunter2 10.20.4.21 198.51.7.7 C:\\Users\\nils.holm\\a.txt",
                    "AdditionalFields": "{\"by\":\"nils.holm@fabrikam.example\",\"ip\":\"10.20.4.21\"}",
                }]),
            ),
            (
                "EmailEvents",
                json!([{
                    "RecipientEmailAddress": "nils.holm@fabrikam.example",
                    "RecipientObjectId": "0385f1f2-0269-45ef-aad5-eabf217110e3",
                    "SenderFromAddress": "a.b@evil.example",
                    "SenderIPv4": "198.51.7.7",
                    "SenderIPv6": "2a02:1234:5::1",
                    "Subject": "for wks-014, nilsson and eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
                    "Urls": ["https://fabrikam-my.sharepoint.example/personal/nils_holm_fabrikam_example", "https://u:p@h.example/"],
                    "IPAddress": "127.0.0.1",
                }]),
            ),
        ];
        Recording {
            tables: tables.into_iter().map(|(name, rows)| (name.to_owned(), objects(rows))).collect(),
            machines: objects(
                json!([{"id": id, "computerDnsName": "wks-014.fabrikam.example", "machineTags": ["tier0"]}]),
            ),
            users: objects(
                json!([{"id": "0385f1f2-0269-45ef-aad5-eabf217110e3", "userPrincipalName": "nils.holm@fabrikam.example", "displayName": "Nils Holm"}]),
            ),
            ..Recording::default()
        }
    }

    #[test]
    fn nothing_personal_is_left_and_everything_still_fits_together() {
        let mut recording = recording();
        scrub(&mut recording);
        let text = format!("{recording:?}").to_lowercase();
        for trace in [
            "nils",
            "holm",
            "fabrikam",
            "wks-014",
            "0b5bdeb",
            "0385f1f2",
            "1004336348",
            "hunter2",
            "10.20.4",
            "198.51.7",
            "2a02",
            "eyj",
            "u:p@",
            "evil",
        ] {
            // A part of another word is no trace.
            assert!(!text.replace("nilsson", "").contains(trace), "{trace}: {text}");
        }
        let process = &recording.tables["DeviceProcessEvents"][0];
        let mail = &recording.tables["EmailEvents"][0];
        assert_eq!(process["AccountUpn"], mail["RecipientEmailAddress"]);
        assert_eq!(process["AccountObjectId"], recording.users[0]["id"]);
        assert_eq!(process["DeviceId"], recording.machines[0]["id"]);
        assert_eq!(process["DeviceName"], recording.machines[0]["computerDnsName"]);
        insta::assert_json_snapshot!((process, mail), @r#"
        [
          {
            "Timestamp": "2026-01-10T12:00:00Z",
            "DeviceId": "de1ce00000000000000000000000000000000001",
            "DeviceName": "device-001.contoso.example",
            "AccountName": "user-001",
            "AccountDomain": "contoso",
            "AccountUpn": "user-001@contoso.example",
            "AccountSid": "S-1-5-21-1000000000-1000000000-1000000000-1001",
            "AccountObjectId": "42c444cf-cfc7-5185-a8ea-40411d840271",
            "InitiatingProcessAccountName": "system",
            "FileName": "net.exe",
            "ProcessVersionInfoProductVersion": "10.0.1.1",
            "SHA1": "356a192b7913b04c54574d18c28d46e6395428ab",
            "ProcessCommandLine": "net use \\\\device-001\\c$ /user:contoso\\user-001 --password=*** 10.0.0.1 203.0.113.1 C:\\Users\\user-001\\a.txt",
            "AdditionalFields": "{\"by\":\"user-001@contoso.example\",\"ip\":\"10.0.0.1\"}"
          },
          {
            "RecipientEmailAddress": "user-001@contoso.example",
            "RecipientObjectId": "42c444cf-cfc7-5185-a8ea-40411d840271",
            "SenderFromAddress": "user-003@domain-2.example",
            "SenderIPv4": "203.0.113.1",
            "SenderIPv6": "2001:db8::2",
            "Subject": "for device-001, nilsson and ***",
            "Urls": [
              "https://contoso-my.sharepoint.example/personal/user_001_contoso_example",
              "https://***@domain-3.example/"
            ],
            "IPAddress": "127.0.0.1"
          }
        ]
        "#);
    }

    #[test]
    fn the_same_recording_becomes_the_same_fixture() {
        let (mut one, mut other) = (recording(), recording());
        scrub(&mut one);
        scrub(&mut other);
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }

    #[test]
    fn inside_stays_inside_and_outside_outside() {
        let mut names = Names::default();
        for (written, inside) in
            [("10.1.2.3", true), ("192.168.1.1", true), ("8.8.8.8", false), ("172.20.0.1", true)]
        {
            let IpAddr::V4(new) = names.address(written.parse().unwrap()) else {
                unreachable!("IPv4 stays IPv4")
            };
            assert_eq!(new.is_private(), inside, "{written} {new}");
        }
        let many: Vec<IpAddr> =
            (0..2000_u32).map(|number| names.address(Ipv4Addr::from(0x0808_0000 + number).into())).collect();
        let distinct: std::collections::BTreeSet<_> = many.iter().collect();
        assert_eq!(distinct.len(), many.len());
        for same in ["127.0.0.1", "0.0.0.0", "::1", "169.254.1.1"] {
            assert_eq!(names.address(same.parse().unwrap()).to_string(), same);
        }
    }
}
