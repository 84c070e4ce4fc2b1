//! A hunting answer like that of a busy day, as the simulated tenant generates it: 14 columns of process
//! events, about 630 bytes a row, one row in a hundred of interest. The same numbers give the same bytes.

use std::sync::Arc;

use huntbook::sim::{CannedHunter, GeneratedHunter, HuntColumn, HuntRows, HuntWindow, Hunter as _, MARK};
use jiff::Timestamp;

/// The columns a note about a row shows, seven of fourteen.
pub(crate) const WANTED: [&str; 7] =
    ["Timestamp", "DeviceName", "FileName", "FileSize", "ProcessId", "ProcessCommandLine", "AccountName"];

/// Writes an answer of `rows` rows.
pub(crate) fn answer(rows: usize) -> String {
    let (query, now) = (format!("{MARK}\n| take {rows}"), Timestamp::UNIX_EPOCH);
    let hunter = GeneratedHunter::before(Arc::new(CannedHunter::new()));
    let table = hunter.answer(&query, HuntWindow { from: now, to: now }, now).expect("the query is marked");
    let HuntRows::Json(rows) = table.rows else { unreachable!("generated rows are text") };
    let column = |column: &HuntColumn| serde_json::json!({"Name": column.name, "Type": column.kind});
    let schema: serde_json::Value = table.columns.iter().map(column).collect();
    let rows = str::from_utf8(&rows).expect("generated rows are text");
    format!(r#"{{"Stats":{{"ExecutionTime":0.31}},"Schema":{schema},"Results":{rows}}}"#)
}
