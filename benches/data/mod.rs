//! A hunting answer like that of a busy day: 14 columns of process events, about 630 bytes a row, one
//! row in a hundred of interest. The same numbers give the same bytes.

use std::fmt::Write as _;

/// Names and types of the columns.
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

/// The columns a note about a row shows, seven of fourteen.
pub(crate) const WANTED: [&str; 7] =
    ["Timestamp", "DeviceName", "FileName", "FileSize", "ProcessId", "ProcessCommandLine", "AccountName"];

/// Interpreters that are started with encoded commands now and then.
const INTERPRETERS: [&str; 6] =
    ["powershell.exe", "pwsh.exe", "cmd.exe", "mshta.exe", "wscript.exe", "rundll32.exe"];

/// What else runs on a workstation, with its arguments.
const EVERYDAY: [(&str, &str, &str); 6] = [
    ("svchost.exe", r"C:\Windows\System32", "-k LocalServiceNetworkRestricted -p -s EventLog"),
    ("msedge.exe", r"C:\Program Files (x86)\Microsoft\Edge\Application", "--type=gpu-process --lang=sv"),
    ("MsSense.exe", r"C:\Program Files\Windows Defender Advanced Threat Protection", ""),
    (
        "EXCEL.EXE",
        r"C:\Program Files\Microsoft Office\root\Office16",
        r#"/dde "\\files.contoso.example\q3.xlsx""#,
    ),
    ("taskhostw.exe", r"C:\Windows\System32", "SYSTEM --encoding utf-8"),
    ("dllhost.exe", r"C:\Windows\System32", "/Processid:{AB8902B4-09CA-4BB6-B78D-A8F59079A8D5}"),
];

/// A small generator of numbers (xorshift), so that no run differs from another.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let place = usize::try_from(self.below(from.len() as u64)).expect("an index fits");
        from.get(place).expect("the place is below the length")
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut text = String::new();
        while text.len() < digits {
            write!(text, "{:016x}", self.next()).expect("a string takes all");
        }
        text.truncate(digits);
        text
    }
}

/// Writes an answer of `rows` rows.
pub(crate) fn answer(rows: u64) -> String {
    let mut numbers = Numbers(0x5eed_1e55_0dd5_eed5);
    let schema: Vec<_> =
        COLUMNS.iter().map(|(name, kind)| serde_json::json!({"Name": name, "Type": kind})).collect();
    let schema = serde_json::Value::from(schema);
    let mut body =
        format!(r#"{{"Stats":{{"ExecutionTime":0.31,"rows":[{rows}]}},"Schema":{schema},"Results":["#);
    for row in 0..rows {
        if row > 0 {
            body.push(',');
        }
        write_row(&mut body, row, &mut numbers);
    }
    body.push_str("]}");
    body
}

fn write_row(body: &mut String, row: u64, numbers: &mut Numbers) {
    let wanted = row % 100 == 42;
    let interpreter = wanted || numbers.below(4) == 0;
    let (file, folder, command, size) = if interpreter {
        let file = *numbers.pick(&INTERPRETERS);
        let folder = format!(r"C:\Windows\System32\{file}");
        if wanted {
            let flag = *numbers.pick(&["-enc", "-EncodedCommand", "-eNC"]);
            let payload = numbers.hex(160);
            (
                file,
                folder.clone(),
                format!("\"{folder}\" -NoLogo -w 1 {flag} {payload}"),
                250_001 + numbers.below(300_000),
            )
        } else {
            let log = numbers.hex(8);
            let command = format!(
                "\"{folder}\" /q /c \"C:\\Program Files\\Contoso\\Agent\\collect.cmd\" --out \"C:\\ProgramData\\Contoso\\{log}.log\""
            );
            (file, folder, command, 180_000 + numbers.below(400_000))
        }
    } else {
        let (file, folder, arguments) = *numbers.pick(&EVERYDAY);
        let handle = numbers.hex(48);
        (
            file,
            format!(r"{folder}\{file}"),
            format!("\"{folder}\\{file}\" {arguments} /handle:{handle}"),
            numbers.below(4_000_000),
        )
    };
    let parent = *numbers.pick(&["explorer.exe", "services.exe", "svchost.exe", "OUTLOOK.EXE"]);
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let account = *numbers.pick(&["system", "local service", "d.lind", "m.okafor", "svc_deploy"]);
    let device = numbers.below(3_000);
    let (second, fraction) = (row % 60, numbers.below(10_000_000));
    write!(
        body,
        concat!(
            r#"{{"Timestamp":"2026-05-{:02}T{:02}:{:02}:{:02}.{:07}Z","DeviceId":"{}","DeviceName":"ws-{:04}.contoso.example","#,
            r#""ActionType":"ProcessCreated","FileName":"{}","FolderPath":{},"SHA1":"{}","FileSize":{},"ProcessId":{},"#,
            r#""ProcessCommandLine":{},"AccountName":"{}","InitiatingProcessFileName":"{}","#,
            r#""InitiatingProcessCommandLine":{},"ReportId":{}}}"#
        ),
        1 + row / 86_400 % 28, row / 3_600 % 24, row / 60 % 60, second, fraction, numbers.hex(40), device,
        file, quoted(&folder), numbers.hex(40), size, 400 + numbers.below(60_000),
        quoted(&command), account, parent,
        quoted(&format!(r#""C:\Windows\{parent}" -Embedding {}"#, numbers.hex(12))), row + 1
    )
    .expect("a string takes all");
}
