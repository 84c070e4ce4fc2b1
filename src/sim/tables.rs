//! Hunting over tables in memory: what the simulated tenant hunts with.

use axum::body::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::hunter::{HuntColumn, HuntFault, HuntRows, HuntTable, HuntWindow, Hunter};
use super::query::{HUNT_BYTES_MAX, HUNT_ROWS_MAX};
use crate::clock::{Clock as _, SystemClock};
use crate::diag::Problem;
use crate::kql::{Cause, Failed, Library, Schema, World, run};

/// Longest time a query may take. Source: the APIs end requests after three minutes.
pub const HUNT_TIME_MAX: SignedDuration = SignedDuration::from_mins(3);

/// Answers queries from tables, exactly or not at all.
#[derive(Debug, Clone)]
pub struct TableHunter {
    library: Library,
}

impl TableHunter {
    /// Makes a hunter over tables.
    #[must_use]
    pub const fn new(library: Library) -> Self {
        Self { library }
    }
}

impl Hunter for TableHunter {
    fn schema(&self) -> Schema {
        self.library.schema()
    }

    fn answer(&self, query: &str, window: HuntWindow, now: Timestamp) -> Result<HuntTable, HuntFault> {
        // In the machine's time: what a query costs has nothing to do with the tenant's clock.
        let until = SystemClock.now().checked_add(HUNT_TIME_MAX).unwrap_or(Timestamp::MAX);
        let is_late = || until < SystemClock.now();
        let world = World { now, window: Some((window.from, window.to)), is_late: Some(&is_late) };
        let mut results = run(query, &self.library, world).map_err(|failed| fault(&failed, query))?;
        let Some(rows) = results.pop() else {
            return Err(HuntFault::Semantic("the query has no tabular statement".to_owned()));
        };
        let columns = rows.columns.iter();
        let columns = columns.map(|column| HuntColumn::new(&*column.name, api_type(column.ty))).collect();
        let mut text = Vec::new();
        // Rows beyond the limit are cut off without a word, as in the service.
        if let Err(error) = rows.write_objects(&mut text, HUNT_ROWS_MAX) {
            tracing::error!(%error, "an answer could not be written");
            return Err(HuntFault::TooLarge);
        }
        if HUNT_BYTES_MAX < text.len() {
            return Err(HuntFault::TooLarge);
        }
        Ok(HuntTable { columns, rows: HuntRows::Json(Bytes::from(text)) })
    }
}

/// What the hunting APIs call a type.
pub(super) fn api_type(ty: &str) -> &'static str {
    match ty {
        "bool" => "SByte",
        "int" => "Int32",
        "long" => "Int64",
        "real" => "Double",
        "decimal" => "Decimal",
        "string" => "String",
        "datetime" => "DateTime",
        "timespan" => "TimeSpan",
        "guid" => "Guid",
        _ => "Object",
    }
}

fn fault(failed: &Failed, query: &str) -> HuntFault {
    let text = failed.problems.first().map(|problem| text(problem, query)).unwrap_or_default();
    match failed.cause {
        Cause::Syntax => HuntFault::Syntax(text),
        Cause::Meaning => HuntFault::Semantic(text),
        Cause::Unsupported => HuntFault::Unsupported(text),
        Cause::Size => HuntFault::TooLarge,
        Cause::Work => HuntFault::TooSlow,
    }
}

/// A problem with its place: line and column, both from 1; columns count characters. What huntbook advises is
/// not said: the service would not.
fn text(problem: &Problem, query: &str) -> String {
    let before = query.get(..problem.range.start).unwrap_or(query);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
    format!("{}. Line: {line}, Position: {column}", problem.message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-01-10T12:00:00Z";

    const EVENTS: &str = r#"
{"Timestamp":"2026-01-10T11:50:00Z","DeviceName":"a","FileName":"cmd.exe","FileSize":7,"LogonId":1}
{"Timestamp":"2026-01-10T11:40:00.1234567Z","DeviceName":"a","FileName":"PsExec.exe","AdditionalFields":"{\"k\":[1]}"}
{"Timestamp":"2026-01-08T12:00:00Z","DeviceName":"c","FileName":"pwsh.exe"}
"#;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn ask(query: &str, from: &str) -> Result<HuntTable, HuntFault> {
        let mut library = Library::of_tenant(&Schema::defender());
        library.add_table("DeviceProcessEvents", &mut EVENTS.as_bytes()).unwrap();
        TableHunter::new(library).answer(query, HuntWindow { from: at(from), to: at(NOW) }, at(NOW))
    }

    #[track_caller]
    fn check(query: &str, types: &[&str], rows: &Value) {
        let table = ask(query, "2026-01-01T00:00:00Z").unwrap();
        assert_eq!(table.columns.iter().map(|column| column.kind.as_str()).collect::<Vec<_>>(), types);
        assert_eq!(json!(table.objects().unwrap()), *rows, "{query}");
    }

    #[test]
    fn values_and_types_are_spelt_as_the_api_spells_them() {
        check(
            "DeviceProcessEvents | project Timestamp, FileSize, IsInitiatingProcessRemoteSession, \
             D = parse_json(AdditionalFields), Age = now() - Timestamp, Half = 1.5, Bad = real(nan)",
            &["DateTime", "Int64", "SByte", "Object", "TimeSpan", "Double", "Double"],
            &json!([
                {"Timestamp": "2026-01-10T11:50:00Z", "FileSize": 7, "IsInitiatingProcessRemoteSession": null,
                 "D": null, "Age": "00:10:00", "Half": 1.5, "Bad": "NaN"},
                {"Timestamp": "2026-01-10T11:40:00.1234567Z", "FileSize": null,
                 "IsInitiatingProcessRemoteSession": null, "D": {"k": [1]}, "Age": "00:19:59.8765433",
                 "Half": 1.5, "Bad": "NaN"},
                {"Timestamp": "2026-01-08T12:00:00Z", "FileSize": null,
                 "IsInitiatingProcessRemoteSession": null, "D": null, "Age": "2.00:00:00", "Half": 1.5,
                 "Bad": "NaN"},
            ]),
        );
        check(
            "print i = toint(3), g = guid(74be27de-1e4e-49d9-b579-fe0b331d3642), d = decimal(1.5), t = true",
            &["Int32", "Guid", "Decimal", "SByte"],
            &json!([{"i": 3, "g": "74be27de-1e4e-49d9-b579-fe0b331d3642", "d": "1.5", "t": true}]),
        );
    }

    #[test]
    fn the_window_narrows_what_the_query_sees() {
        let table = ask(
            "DeviceProcessEvents | where Timestamp > ago(30d) | project DeviceName",
            "2026-01-10T11:45:00Z",
        );
        assert_eq!(json!(table.unwrap().objects().unwrap()), json!([{"DeviceName": "a"}]));
        let table = ask("DeviceProcessEvents | count", "2026-01-10T00:00:00Z").unwrap();
        assert_eq!(json!(table.objects().unwrap()), json!([{"Count": 2}]));
        // A table without rows is there, under its former name as well.
        check("AADSignInEventsBeta | count", &["Int64"], &json!([{"Count": 0}]));
    }

    #[track_caller]
    fn refused(query: &str, expected: &HuntFault) {
        assert_eq!(ask(query, "2026-01-01T00:00:00Z").expect_err(query), *expected, "{query}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let syntax = "`wher` is no operator. Line: 2, Position: 3";
        refused("DeviceProcessEvents\n| wher true", &HuntFault::Syntax(syntax.to_owned()));
        for (query, meaning) in [
            (
                "DeviceProcessEvents | where TimeGenerated > ago(1d)",
                "`TimeGenerated` is no column, variable or function. Line: 1, Position: 29",
            ),
            ("Nowhere_CL", "`Nowhere_CL` is no table, variable or function. Line: 1, Position: 1"),
        ] {
            refused(query, &HuntFault::Semantic(meaning.to_owned()));
        }
        let profile = "nothing is provided for `FileProfile`. Line: 1, Position: 30";
        refused(
            "DeviceProcessEvents | invoke FileProfile(SHA1)",
            &HuntFault::Unsupported(profile.to_owned()),
        );
        let explosion =
            "let a = range x from 1 to 10000 step 1 | extend k = 1; a | join kind=inner a on k | count";
        refused(explosion, &HuntFault::TooSlow);
        let large = "range x from 1 to 90000 step 1 | extend y = strcat_array(repeat('0123456789', 60), '')";
        refused(large, &HuntFault::TooLarge);
    }

    #[test]
    fn rows_beyond_the_limit_are_cut_off() {
        let table = ask("range x from 1 to 150000 step 1", "2026-01-01T00:00:00Z").unwrap();
        assert_eq!(table.objects().unwrap().len(), HUNT_ROWS_MAX);
    }
}
