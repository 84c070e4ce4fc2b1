//! Rows for measuring: as many as a query takes, the same on every run.
//!
//! A query with the comment `// generated rows` and `take N` is answered with N rows of fourteen
//! `DeviceProcessEvents` columns, about 630 bytes each, with the escapes real command lines have. Rows
//! 7, 107, 207, … and no others fit this rule: `FileName` is one of six script hosts, the command line
//! contains `-enc` in any case, and `FileSize` is above 250,000.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use jiff::Timestamp;

use super::hunter::{HuntColumn, HuntFault, HuntRows, HuntTable, HuntWindow, Hunter};
use super::query::HUNT_ROWS_MAX;
use crate::kql::Schema;

/// The comment that asks for generated rows.
pub const MARK: &str = "// generated rows";

/// Every how many rows one fits the rule.
const HIT_EVERY: usize = 100;
/// Which of them it is.
const HIT_AT: usize = 7;
/// Bytes of a row, for one allocation.
const ROW_BYTES: usize = 660;

const COLUMNS: [(&str, &str); 14] = [
    ("Timestamp", "DateTime"),
    ("DeviceId", "String"),
    ("DeviceName", "String"),
    ("ActionType", "String"),
    ("FileName", "String"),
    ("FolderPath", "String"),
    ("SHA1", "String"),
    ("FileSize", "Int64"),
    ("ProcessId", "Int64"),
    ("ProcessCommandLine", "String"),
    ("AccountName", "String"),
    ("InitiatingProcessFileName", "String"),
    ("InitiatingProcessCommandLine", "String"),
    ("ReportId", "Int64"),
];

const SCRIPT_HOSTS: [&str; 6] =
    ["powershell.exe", "pwsh.exe", "cmd.exe", "mshta.exe", "wscript.exe", "rundll32.exe"];

/// File name, folder and arguments of programs nobody looks for.
const OTHERS: [(&str, &str, &str); 5] = [
    ("svchost.exe", r"C:\Windows\System32", "-k LocalServiceNetworkRestricted -p -s lmhosts"),
    (
        "msedge.exe",
        r"C:\Program Files (x86)\Microsoft\Edge\Application",
        "--type=renderer --lang=\"sv-SE\" --mojo=4",
    ),
    (
        "backup-agent.exe",
        r"C:\Program Files\Contoso\Backup",
        "--job \"nightly files\" --target \\\\fs01.corp.example\\backup$",
    ),
    (
        "SenseIR.exe",
        r"C:\Program Files\Windows Defender Advanced Threat Protection",
        "\"OnlineSenseIR\" \"9316\"",
    ),
    ("conhost.exe", r"C:\Windows\System32", "0xffffffff -ForceV1"),
];

const ACCOUNTS: [&str; 5] = ["system", "local service", "a.lindqvist", "svc-deploy", "m.okafor"];
const PARENTS: [&str; 4] = ["explorer.exe", "services.exe", "taskhostw.exe", "OUTLOOK.EXE"];
const SWITCHES: [&str; 4] = ["-enc", "-EncodedCommand", "-ENC", "-eNcOd"];

/// Answers marked queries with generated rows, and hands the others on.
#[derive(Debug)]
pub struct GeneratedHunter {
    others: Arc<dyn Hunter>,
    /// The last answer: a benchmark asks for the same one again and again.
    last: Mutex<Option<(usize, Bytes)>>,
}

impl GeneratedHunter {
    /// Puts a generator in front of another hunter.
    #[must_use]
    pub fn before(others: Arc<dyn Hunter>) -> Self {
        Self { others, last: Mutex::new(None) }
    }

    fn rows(&self, count: usize) -> Bytes {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, rows)) if *known == count => rows.clone(),
            _ => {
                let rows = Bytes::from(generate(count));
                *last = Some((count, rows.clone()));
                rows
            }
        }
    }
}

impl Hunter for GeneratedHunter {
    fn schema(&self) -> Schema {
        self.others.schema()
    }

    fn answer(&self, query: &str, window: HuntWindow, now: Timestamp) -> Result<HuntTable, HuntFault> {
        if !query.lines().any(|line| line.trim() == MARK) {
            return self.others.answer(query, window, now);
        }
        let count = taken(query).ok_or_else(|| HuntFault::Semantic("'take' is missing".to_owned()))?;
        if HUNT_ROWS_MAX < count {
            return Err(HuntFault::TooLarge);
        }
        let columns = COLUMNS.iter().map(|(name, kind)| HuntColumn::new(*name, *kind)).collect();
        Ok(HuntTable { columns, rows: HuntRows::Json(self.rows(count)) })
    }
}

/// The number after the last `take` or `limit` of a query.
fn taken(query: &str) -> Option<usize> {
    let words: Vec<&str> = query.split(|c: char| c.is_whitespace() || c == '|').collect();
    let mut after = words.windows(2).filter_map(|pair| match pair {
        ["take" | "limit", number] => number.parse().ok(),
        _ => None,
    });
    after.next_back()
}

/// Numbers that look random and are the same on every run (`SplitMix64`).
struct Numbers(u64);

impl Numbers {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    const fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one<T: Copy>(&mut self, list: &[T], otherwise: T) -> T {
        let index = usize::try_from(self.below(list.len().max(1) as u64)).unwrap_or(0);
        list.get(index).copied().unwrap_or(otherwise)
    }

    fn hex40(&mut self) -> String {
        format!("{:016x}{:016x}{:08x}", self.next(), self.next(), self.next() & 0xffff_ffff)
    }

    fn base64(&mut self, length: u64) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        (0..length).map(|_| char::from(self.one(ALPHABET, b'A'))).collect()
    }
}

/// Whether a row fits the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Hit,
    Miss,
}

/// What a row says of its process.
struct Process {
    file: &'static str,
    folder: String,
    command: String,
    size: u64,
}

impl Process {
    fn new(numbers: &mut Numbers, fit: Fit) -> Self {
        let dice = numbers.below(100);
        let hit = fit == Fit::Hit;
        if !hit && 25 <= dice {
            let (file, folder, arguments) = numbers.one(&OTHERS, ("a.exe", "", ""));
            let command = format!("\"{file}\" {arguments} {:08x}", numbers.below(1 << 32));
            return Self {
                file,
                folder: format!("{folder}\\{file}"),
                command,
                size: 9_000 + numbers.below(5_000_000),
            };
        }
        let file = numbers.one(&SCRIPT_HOSTS, "cmd.exe");
        let folder = format!("C:\\Windows\\System32\\{file}");
        // Of the rest, some are encoded and too small, most are large and not encoded.
        let (command, size) = if hit || dice < 3 {
            let length = 60 + numbers.below(160);
            let (switch, code) = (numbers.one(&SWITCHES, "-enc"), numbers.base64(length));
            let size = if hit { 250_001 + numbers.below(500_000) } else { 1_000 + numbers.below(249_000) };
            (format!("\"{folder}\" -NoLogo -w hidden {switch} {code}"), size)
        } else {
            let task = numbers.hex40();
            let command = format!(
                "\"{folder}\" /c \"C:\\Program Files\\Contoso\\Inventory\\run.cmd\" --out \"C:\\ProgramData\\{task}.log\""
            );
            (command, 200_000 + numbers.below(900_000))
        };
        Self { file, folder, command, size }
    }
}

/// The JSON text of `count` rows.
fn generate(count: usize) -> String {
    let mut numbers = Numbers(0x6875_6E74);
    let mut out = String::with_capacity(count.saturating_mul(ROW_BYTES) + 2);
    out.push('[');
    for index in 0..count {
        if 0 < index {
            out.push(',');
        }
        let fit = if index % HIT_EVERY == HIT_AT { Fit::Hit } else { Fit::Miss };
        row(&mut out, &mut numbers, index as u64, fit);
    }
    out.push(']');
    out
}

fn row(out: &mut String, numbers: &mut Numbers, index: u64, fit: Fit) {
    let device = numbers.below(2500);
    // The same device has the same id in every row.
    let device_id = Numbers(device).hex40();
    let process = Process::new(numbers, fit);
    let (day, hour, minute, second) =
        (1 + index / 86_400 % 28, index / 3600 % 24, index / 60 % 60, index % 60);
    let parent = numbers.one(&PARENTS, "explorer.exe");
    let parent_command = format!("\"C:\\Windows\\{parent}\" /task {:08x}", numbers.below(1 << 32));
    let written = write!(
        out,
        "{{\"Timestamp\":\"2026-05-{day:02}T{hour:02}:{minute:02}:{second:02}.{:07}Z\",\"DeviceId\":\"{device_id}\",\
         \"DeviceName\":\"wks-{device:04}.corp.contoso.example\",\"ActionType\":\"ProcessCreated\",\
         \"FileName\":{},\"FolderPath\":{},\"SHA1\":\"{}\",\"FileSize\":{},\"ProcessId\":{},\
         \"ProcessCommandLine\":{},\"AccountName\":{},\"InitiatingProcessFileName\":{},\
         \"InitiatingProcessCommandLine\":{},\"ReportId\":{}}}",
        numbers.below(10_000_000),
        json(process.file),
        json(&process.folder),
        numbers.hex40(),
        process.size,
        400 + numbers.below(30_000) * 4,
        json(&process.command),
        json(numbers.one(&ACCOUNTS, "system")),
        json(parent),
        json(&parent_command),
        index + 1,
    );
    debug_assert!(written.is_ok(), "writing to a `String` cannot fail");
}

fn json(text: &str) -> serde_json::Value {
    serde_json::Value::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::CannedHunter;

    fn ask(query: &str) -> Result<HuntTable, HuntFault> {
        let window = HuntWindow { from: Timestamp::UNIX_EPOCH, to: Timestamp::UNIX_EPOCH };
        GeneratedHunter::before(Arc::new(CannedHunter::new())).answer(query, window, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn exactly_one_row_of_a_hundred_fits_the_rule() {
        let table = ask("DeviceProcessEvents\n// generated rows\n| take 3000").unwrap();
        let HuntRows::Json(text) = table.rows else { unreachable!("generated rows are text") };
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
        assert_eq!(rows.len(), 3000);
        let average = text.len() / rows.len();
        assert!((600..=680).contains(&average), "{average}");
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(row.as_object().unwrap().len(), 14);
            let fits = SCRIPT_HOSTS.contains(&row["FileName"].as_str().unwrap())
                && row["ProcessCommandLine"].as_str().unwrap().to_lowercase().contains("-enc")
                && row["FileSize"].as_u64().unwrap() > 250_000;
            assert_eq!(fits, index % 100 == 7, "{row}");
        }
        assert_eq!(generate(100), generate(100));
    }

    #[test]
    fn other_queries_are_handed_on() {
        assert!(matches!(ask("DeviceProcessEvents | take 5"), Err(HuntFault::Semantic(_))));
        assert_eq!(ask("T\n// generated rows\n| take 100001"), Err(HuntFault::TooLarge));
        assert_eq!(taken("T | limit 7 |take 9"), Some(9));
    }
}
