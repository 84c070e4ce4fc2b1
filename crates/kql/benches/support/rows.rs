//! A million rows of network events, the same each time.

use std::sync::Arc;

use kql::value::{Batch, Cells, Datetime, Timespan};

/// How many rows there are.
pub(crate) const ROWS: usize = 1_000_000;

/// Columns of the rows, with their types as `datatable` writes them.
pub(crate) const COLUMNS: [(&str, &str); 6] = [
    ("Timestamp", "datetime"),
    ("DeviceName", "string"),
    ("ActionType", "string"),
    ("CommandLine", "string"),
    ("RemotePort", "long"),
    ("Bytes", "real"),
];

/// The questions that are asked, with the same in SQL for `DuckDB`.
pub(crate) const QUESTIONS: [(&str, &str, &str); 4] = [
    (
        "filter and count by a text",
        "Events | where RemotePort == 443 | summarize n = count() by DeviceName",
        "select DeviceName, count(*) from events where RemotePort = 443 group by all",
    ),
    (
        "filter by two columns, several aggregates",
        "Events | where Bytes > 250.0 and ActionType =~ 'connectionsuccess' | summarize n = count(), total = sum(Bytes), largest = max(Bytes), ports = dcount(RemotePort) by DeviceName, ActionType",
        "select DeviceName, ActionType, count(*), sum(Bytes), max(Bytes), count(distinct RemotePort) from events where Bytes > 250.0 and lower(ActionType) = 'connectionsuccess' group by all",
    ),
    (
        "terms of a text, by the hour",
        "Events | where CommandLine has 'encodedcommand' | summarize n = count() by bin(Timestamp, 1h)",
        "select time_bucket(interval 1 hour, Timestamp), count(*) from events where regexp_matches(CommandLine, '(?i)(^|[^a-z0-9])encodedcommand($|[^a-z0-9])') group by all",
    ),
    (
        "the last row of each group",
        "Events | where RemotePort > 100 | summarize arg_max(Timestamp, *) by DeviceName",
        "select max_by(events, Timestamp) from events where RemotePort > 100 group by DeviceName",
    ),
];

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Makes the rows.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "the numbers are small")]
pub(crate) fn batch() -> Batch {
    let texts = |count: usize, text: fn(usize) -> String| -> Vec<Arc<str>> {
        (0..count).map(|index| Arc::from(text(index))).collect()
    };
    let devices = texts(200, |index| format!("workstation-{index:03}.contoso.example"));
    let actions = texts(4, |index| {
        ["ConnectionSuccess", "ConnectionFailed", "InboundConnectionAccepted", "ListeningConnectionCreated"]
            .get(index)
            .map_or_else(String::new, |name| (*name).to_owned())
    });
    let commands = texts(2000, |index| match index % 50 {
        0 => format!("powershell.exe -NoProfile -EncodedCommand SQBFAFgA{index:05}"),
        rest => format!("\"C:\\Program Files\\Vendor {rest}\\agent.exe\" --session {index:05} --quiet"),
    });
    let start = Datetime::parse("2026-07-01").unwrap_or(Datetime::UNIX_EPOCH);
    let mut numbers = Numbers(42);
    let mut pick = |list: &[Arc<str>]| -> Arc<str> {
        let index = usize::try_from(numbers.below(list.len() as u64)).unwrap_or(0);
        list.get(index).cloned().unwrap_or_else(|| Arc::from(""))
    };
    let device: Vec<Arc<str>> = (0..ROWS).map(|_| pick(&devices)).collect();
    let action: Vec<Arc<str>> = (0..ROWS).map(|_| pick(&actions)).collect();
    let command: Vec<Arc<str>> = (0..ROWS).map(|_| pick(&commands)).collect();
    let mut numbers = Numbers(43);
    let when = (0..ROWS as i64).map(|row| start.plus(Timespan(row * 2 * Timespan::SECOND))).collect();
    let ports = [22, 53, 80, 135, 389, 443, 445, 3389, 8080, 8443];
    let port = (0..ROWS)
        .map(|_| usize::try_from(numbers.below(10)).ok().and_then(|index| ports.get(index).copied()));
    let port = port.collect();
    let bytes = (0..ROWS).map(|_| Some(numbers.below(1_000_000) as f64 / 1000.0)).collect();
    let columns = [
        Cells::Datetime(when),
        Cells::String(device),
        Cells::String(action),
        Cells::String(command),
        Cells::Long(port),
        Cells::Real(bytes),
    ];
    Batch::new(columns.into_iter().map(Arc::new).collect(), ROWS)
}
