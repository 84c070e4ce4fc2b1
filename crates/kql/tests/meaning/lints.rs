//! Queries and what their authors may not want.

use kql::bind::check;
use kql::diagnostic::Diagnostic;
use kql::lint::{NearRealTime, Need, Use, lint};

use crate::columns::database;

fn lints(query: &str, purpose: &Use) -> Vec<Diagnostic> {
    let database = database();
    let checked = check(query, &database);
    assert!(!checked.bound.has_errors(), "{query}: {:?}", checked.diagnostics);
    lint(query, &checked, &database, purpose)
}

/// Each case is a query and its lints as `code "text at the place"`.
#[track_caller]
fn check_lints(purpose: &Use, cases: &[(&str, &[&str])]) {
    for (query, expected) in cases {
        let found: Vec<String> = lints(query, purpose)
            .iter()
            .map(|diagnostic| format!("{} {}", diagnostic.code, diagnostic.span.of(query)))
            .collect();
        assert_eq!(found, *expected, "{query}");
    }
}

/// Applies all fixes of the lints, the last one first.
fn fixed(query: &str) -> String {
    let mut text = query.to_owned();
    for diagnostic in lints(query, &Use::default()).iter().rev() {
        if let Some(fix) = &diagnostic.fix {
            text.replace_range(fix.span.start as usize..fix.span.end as usize, &fix.replacement);
        }
    }
    text
}

#[test]
fn tables_are_read_for_a_limited_time() {
    check_lints(
        &Use::default(),
        &[
            ("DeviceEvents | where Timestamp > ago(1d)", &[]),
            ("DeviceEvents | where ActionType == \"x\"", &["KQL300 DeviceEvents"]),
            ("DeviceEvents | where ActionType == \"x\" | where ingestion_time() > ago(1h)", &[]),
            ("DeviceEvents | where Timestamp between (ago(2d) .. ago(1d))", &[]),
            ("let e = DeviceEvents; e | where Timestamp > ago(1d)", &[]),
            ("let e = DeviceEvents; e | count", &["KQL300 DeviceEvents"]),
            ("let e = DeviceEvents | where Timestamp > ago(1d); e | count", &[]),
            ("U | count", &[]),
            ("union (DeviceEvents | where Timestamp > ago(1d)), DeviceInfo", &["KQL300 DeviceInfo"]),
            ("union DeviceEvents, DeviceInfo | where Timestamp > ago(1d)", &[]),
            ("union Device* | count", &["KQL300 Device*"]),
            ("union Device* | where Timestamp > ago(1d)", &[]),
            ("table('DeviceEvents') | count", &["KQL300 table('DeviceEvents')"]),
            ("search in (DeviceEvents, Email*) 'x'", &["KQL300 DeviceEvents", "KQL300 Email*"]),
            ("search in (DeviceEvents) 'x' and Timestamp > ago(1d)", &[]),
            ("search in (DeviceEvents) 'x' | where Timestamp > ago(1d)", &[]),
            ("find in (DeviceEvents) where FileName == 'x'", &["KQL300 DeviceEvents"]),
            ("find in (DeviceEvents) where Timestamp > ago(1d) and FileName == 'x'", &[]),
        ],
    );
    assert_eq!(fixed("DeviceEvents | count"), "DeviceEvents\n| where Timestamp > ago(30d) | count");
}

#[test]
fn a_mended_query_reads_for_a_limited_time_and_is_right() {
    for query in [
        "DeviceEvents | where Timestamp > ago(1h) | join kind=inner DeviceInfo on DeviceId",
        "DeviceEvents | where Timestamp > ago(1h) | union DeviceFileEvents, DeviceInfo | take 1",
        "union DeviceFileEvents, DeviceInfo",
        "union withsource=Table DeviceFileEvents, (DeviceInfo)",
        "DeviceEvents | where Timestamp > ago(1h) | lookup DeviceInfo on DeviceId",
        "let e = DeviceEvents; e | count",
        "table('DeviceEvents') | count",
        "union (table('DeviceEvents')), DeviceInfo",
        "let f = () { DeviceEvents }; f() | count",
        "DeviceEvents",
    ] {
        let mended = fixed(query);
        assert_ne!(mended, query);
        let checked = check(&mended, &database());
        assert_eq!(checked.diagnostics, [], "{mended}");
        assert_eq!(fixed(&mended), mended, "once is enough");
    }
}

#[test]
fn comparisons_can_use_the_index() {
    check_lints(
        &Use::default(),
        &[
            ("T | where Timestamp > ago(1d) | where Name contains \"powershell\"", &["KQL302 contains"]),
            ("T | where Timestamp > ago(1d) | where Name contains \"-enc \"", &[]),
            ("T | where Timestamp > ago(1d) | where tolower(Name) == \"x\"", &["KQL303 =="]),
            (
                "T | where Timestamp > ago(1d) | where Name matches regex \"plain text\"",
                &["KQL304 matches regex"],
            ),
            (
                "T | where Timestamp > ago(1d) | where Name matches regex \".*x[0-9]\"",
                &["KQL304 \".*x[0-9]\""],
            ),
            ("T | where Timestamp > ago(1d) | summarize makeset(Name)", &["KQL313 makeset"]),
        ],
    );
    let query = "T | where Timestamp > ago(1d) | where tolower(Name) == \"x\" and \"Y\" != toupper(Name)";
    let expected = "T | where Timestamp > ago(1d) | where Name =~ \"x\" and toupper(Name) != \"Y\"";
    assert_ne!(fixed(query), query);
    assert_eq!(
        fixed("T | where Timestamp > ago(1d) | where tolower(Name) == \"x\""),
        expected.split(" and ").next().unwrap_or_default()
    );
    assert_eq!(
        fixed("T | where Timestamp > ago(1d) | summarize makeset(Name)"),
        "T | where Timestamp > ago(1d) | summarize make_set(Name)"
    );
}

#[test]
fn sources_read_no_more_than_they_need() {
    check_lints(
        &Use::default(),
        &[
            ("U | join U on Name", &["KQL306 join", "KQL305 U"]),
            ("U | join kind=inner (U | where Count > 1) on Name", &[]),
            ("U | take 5", &["KQL307 take"]),
            ("U | sort by Count | take 5", &[]),
            ("search in (U) \"x\"", &[]),
            ("search \"x\"", &["KQL308 search"]),
            ("search in (*) \"x\"", &["KQL308 *"]),
            ("find where Name == \"x\"", &["KQL308 find"]),
            ("find in (*) where Name == \"x\"", &["KQL308 *"]),
            ("union withsource=S * | where Timestamp > ago(1d)", &["KQL308 *"]),
            ("U | join kind=inner table('U') on Name", &["KQL305 table('U')"]),
        ],
    );
    assert_eq!(
        fixed("U | join (U | where Count > 1) on Name"),
        "U | join kind=innerunique (U | where Count > 1) on Name"
    );
}

#[test]
fn results_have_what_is_needed() {
    let purpose = Use { needs: vec![Need::column("DeviceId", "action `isolateDevice`")], ..Use::default() };
    check_lints(
        &purpose,
        &[
            ("U | extend DeviceId = Name", &[]),
            ("U | project Name", &["KQL309 project Name"]),
            ("U", &["KQL309 U"]),
            ("T | evaluate bag_unpack(Bag) | where Timestamp > ago(1d)", &[]),
        ],
    );
    let found = lints("U | project deviceid = Name", &purpose);
    let help = found.first().and_then(|diagnostic| diagnostic.help.clone());
    assert_eq!(help.as_deref(), Some("there is a column `deviceid`: case matters"));
}

#[test]
fn rules_restrict_queries() {
    let hour = 36_000_000_000;
    let purpose = Use { period: Some(hour), ..Use::default() };
    check_lints(
        &purpose,
        &[
            ("T | where Timestamp > ago(30m)", &[]),
            ("T | where Timestamp > ago(1d)", &["KQL301 ago(1d)"]),
            // The rule reads no more than its period.
            ("T | where Name == \"x\"", &[]),
        ],
    );
    let purpose = Use { period: Some(24 * hour), ..Use::default() };
    check_lints(
        &purpose,
        &[
            ("let lookback = 7d; T | where Timestamp > ago(lookback)", &["KQL301 ago(lookback)"]),
            ("let start = ago(7d); T | where Timestamp >= start", &["KQL301 start"]),
            ("T | where Timestamp > now() - 7d", &["KQL301 now() - 7d"]),
            ("T | where now() - Timestamp < 2 * 1d", &["KQL301 2 * 1d"]),
            ("T | where Timestamp between (ago(7d) .. now())", &["KQL301 ago(7d)"]),
            ("T | where Timestamp between (startofday(ago(1d)) .. 1d)", &["KQL301 startofday(ago(1d))"]),
            (
                "T | where Timestamp between (datetime_add('day', -2, now()) .. 2d)",
                &["KQL301 datetime_add('day', -2, now())"],
            ),
            (
                "let f = (d: timespan) { T | where Timestamp > ago(d) }; let d = 7d; f(1h) | take 1",
                &["KQL307 take"],
            ),
            ("T | extend At = bin(Timestamp, 1h) | where ago(2d) < At", &["KQL301 ago(2d)"]),
            ("T | make-series n = count() on Timestamp from ago(7d) to now() step 1d", &["KQL301 ago(7d)"]),
            ("T | where Timestamp > startofday(now())", &[]),
            ("T | where Timestamp > ago(1d)", &[]),
            ("T | extend Seen = todatetime(Name) | where Seen > ago(7d)", &[]),
        ],
    );
    let found = lints("T | where Timestamp > startofday(ago(36h))", &purpose);
    let message = found.first().map(|diagnostic| diagnostic.message.as_str());
    assert_eq!(message, Some("the query looks back 60h, further than the rule that runs it"));
    let purpose = Use { near_real_time: NearRealTime::Yes, ..Use::default() };
    check_lints(
        &purpose,
        &[
            ("DeviceEvents | where Timestamp > ago(1h)", &[]),
            ("DeviceEvents // why\n| where Timestamp > ago(1h)", &["KQL311 // why"]),
            ("IdentityInfo | where Timestamp > ago(1h)", &["KQL311 IdentityInfo"]),
        ],
    );
    let purpose = Use { length_max: Some(5), ..Use::default() };
    check_lints(&purpose, &[("U | count", &["KQL312 ount"])]);
}
