//! What queries get from outside, and where they are stopped.

use std::cell::Cell;

use kql::bind::check;
use kql::eval::{
    Env, EvalError, Fixtures, Limited, Limits, NoFixtures, NoTables, Reason, Table, Tables, run,
};
use kql::schema::Database;
use kql::types::{Column, ScalarType, Schema};
use kql::value::{Batch, Datetime, Dynamic, Value, to_text};

/// A list, a file profile, and a place for one address.
struct World;

impl Fixtures for World {
    fn document(&self, uri: &str) -> Option<String> {
        Some(match uri {
            "https://lists.example/bad.csv" => "name,score\n\"a,b\",7\nc,x\n".to_owned(),
            "https://lists.example/rows.json" => {
                "{\"name\": \"j\", \"score\": 3}\n{\"name\": \"k\"}".to_owned()
            }
            _ => return None,
        })
    }

    fn function(&self, name: &str, args: &[Value]) -> Option<Table> {
        if name != "FileProfile" {
            return None;
        }
        let schema: Schema =
            [Column::new("SHA1", ScalarType::String), Column::new("GlobalPrevalence", ScalarType::Int)]
                .into_iter()
                .collect();
        let known = args.first().is_some_and(|sha1| to_text(sha1).starts_with('a'));
        let rows = args.first().filter(|_| known).map(|sha1| vec![sha1.clone(), Value::Int(Some(12))]);
        Some(Table { batch: Batch::from_rows(&schema, rows), schema })
    }

    fn knows_places(&self) -> bool {
        true
    }

    fn ip_location(&self, address: &str) -> Option<Dynamic> {
        (address == "20.0.0.1").then(|| Dynamic::parse("{\"country\":\"Nowhere\"}"))
    }
}

/// One table of three rows, which arrived a day after they happened.
struct Tenant;

impl Tables for Tenant {
    fn scan(&self, name: &str, schema: &Schema) -> Option<Batch> {
        let all: Schema =
            [Column::new("Timestamp", ScalarType::Datetime), Column::new("DeviceName", ScalarType::String)]
                .into_iter()
                .collect();
        let rows = (1..4).map(|day| {
            vec![
                Value::Datetime(Datetime::parse(&format!("2026-01-0{day}"))),
                Value::from(format!("pc{day}").as_str()),
            ]
        });
        let batch = Batch::from_rows(&all, rows);
        let columns = schema
            .columns
            .iter()
            .map(|column| batch.column_or_null(all.find(&column.name).unwrap_or(usize::MAX), column.ty));
        (name == "DeviceInfo").then(|| Batch::new(columns.collect(), 3))
    }
}

fn first_rows(query: &str, env: &Env<'_>) -> Result<Vec<String>, EvalError> {
    let checked = check(query, Database::defender());
    assert!(!checked.bound.has_errors(), "{query}: {:?}", checked.diagnostics);
    let answers = run(&checked.bound.plan, &Tenant, env)?;
    let batch = &answers.first().expect("an answer").table.batch;
    let row = |row: usize| batch.row(row).iter().map(to_text).collect::<Vec<_>>().join(" | ");
    Ok((0..batch.rows()).map(row).collect())
}

fn env() -> Env<'static> {
    Env { fixtures: &World, ..Env::at(Datetime::parse("2026-01-04").expect("an instant")) }
}

#[track_caller]
fn check_rows(query: &str, expected: &[&str]) {
    assert_eq!(first_rows(query, &env()).expect("rows"), expected, "{query}");
}

#[track_caller]
fn check_error(query: &str, env: &Env<'_>, expected: &Reason) {
    let error = first_rows(query, env).expect_err("an error");
    assert_eq!(error.to_string(), expected.to_string(), "{query}");
}

#[test]
fn documents_are_read_by_their_format() {
    let csv = "externaldata(name: string, score: long)['https://lists.example/bad.csv'] with (ignoreFirstRecord=true)";
    check_rows(csv, &["a,b | 7", "c | "]);
    let json =
        "externaldata(score: long, name: string)['https://lists.example/rows.json'] with (format='json')";
    check_rows(json, &["3 | j", " | k"]);
    let unknown = "externaldata(a: string)['https://lists.example/none.csv']";
    check_error(unknown, &env(), &Reason::NoFixture("https://lists.example/none.csv".to_owned()));
}

#[test]
fn rows_are_enriched() {
    let query =
        "datatable(SHA1: string)['abc', 'xyz'] | invoke FileProfile(SHA1) | project SHA1, GlobalPrevalence";
    check_rows(query, &["abc | 12", "xyz | "]);
    check_rows(
        "datatable(ip: string)['20.0.0.1', '1.1.1.1'] | extend c = tostring(geo_info_from_ip_address(ip).country)",
        &["20.0.0.1 | Nowhere", "1.1.1.1 | "],
    );
    let bare = Env::at(Datetime::UNIX_EPOCH);
    check_error(
        "print geo_info_from_ip_address('20.0.0.1')",
        &bare,
        &Reason::NoFixture("geo_info_from_ip_address".to_owned()),
    );
}

#[test]
fn tables_are_scanned_at_the_moment_given() {
    check_rows("DeviceInfo | where Timestamp > ago(2d) | project DeviceName", &["pc3"]);
    check_rows("DeviceInfo | where ingestion_time() <= datetime(2026-01-01) | project DeviceName", &["pc1"]);
    check_rows(
        "let d = DeviceInfo | where DeviceName != 'pc2'; union d, d | where ingestion_time() > ago(2d) | count",
        &["2"],
    );
    check_error("DeviceEvents | count", &env(), &Reason::NoTable("DeviceEvents".to_owned()));
}

#[test]
fn limits_stop_a_query() {
    let limited = |limits: Limits| Env { limits, ..env() };
    let error = |what: Limited, limit: u64| Reason::Limit { what, limit };
    let usual = Limits::default();
    check_error(
        "range x from 1 to 100 step 1",
        &limited(Limits { result_rows: 10, ..usual }),
        &error(Limited::ResultRows, 10),
    );
    check_error(
        "print x = strrep('abc', 1000)",
        &limited(Limits { result_bytes: 100, ..usual }),
        &error(Limited::ResultBytes, 100),
    );
    let cross = "let t = range x from 1 to 1000 step 1 | extend k = 1; t | join kind=inner t on k | count";
    check_error(cross, &limited(Limits { rows: 100_000, ..usual }), &error(Limited::Rows, 100_000));
    check_error(
        "range x from 1 to 100000 step 1 | extend y = x * x + x | summarize sum(y)",
        &limited(Limits { steps: 100_000, ..usual }),
        &error(Limited::Steps, 100_000),
    );
    check_error(
        "range x from 1 to 100000 step 1 | summarize make_set(strcat('some text', x)) by x % 7",
        &limited(Limits { memory: 1000, ..usual }),
        &error(Limited::Memory, 1000),
    );
}

#[test]
fn the_deadline_is_asked_now_and_then() {
    let asked = Cell::new(0);
    let deadline = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    let timed = Env { deadline: Some(&deadline), ..env() };
    let endless = "range x from 1 to 10000000 step 1 | extend y = x * 2 | summarize sum(y)";
    check_error(endless, &timed, &Reason::Limit { what: Limited::Time, limit: 0 });
    assert_eq!(asked.get(), 4);
}

#[test]
fn what_is_not_supported_says_so() {
    let error = first_rows("print hash_many(1, 2)", &env()).expect_err("an error");
    assert!(matches!(error.reason, Reason::Unsupported(_)) && error.span.is_some(), "{error}");
}

#[test]
fn chance_is_the_same_with_the_same_seed() {
    let query = "range x from 1 to 3 step 1 | project r = rand(), g = new_guid(), d = rand(6)";
    let checked = check(query, Database::defender());
    let rows = |seed| {
        let env = Env { seed, ..env() };
        let answers = run(&checked.bound.plan, &NoTables, &env).expect("rows");
        let batch = &answers.first().expect("an answer").table.batch;
        (0..3).map(|row| batch.row(row)).collect::<Vec<_>>()
    };
    assert_eq!(rows(1), rows(1));
    assert_ne!(rows(1), rows(2));
}

#[test]
fn tables_that_a_pattern_fits_are_empty_if_nobody_has_them() {
    check_rows(
        "union Device* | summarize n = count() by DeviceName | sort by DeviceName asc",
        &["pc1 | 1", "pc2 | 1", "pc3 | 1"],
    );
    check_rows("union withsource=T * | distinct T", &["DeviceInfo"]);
    check_rows("search in (Device*) 'pc2' | project $table, DeviceName", &["DeviceInfo | pc2"]);
    check_rows("search 'pc2' | count", &["1"]);
    check_rows(
        "find in (Device*) where DeviceName == 'pc3' | project source_, DeviceName",
        &["DeviceInfo | pc3"],
    );
    check_rows("union Device* | where isnotnull(ingestion_time()) | count", &["3"]);
    check_error("union DeviceInfo, EmailEvents", &env(), &Reason::NoTable("EmailEvents".to_owned()));
}

#[test]
fn what_a_query_reads_is_known_before() {
    let reads = |query: &str| {
        let reads = check(query, Database::defender()).bound.reads;
        let all = |names: std::collections::BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(" ");
        format!("{}; {}", all(reads.tables), all(reads.functions))
    };
    let query = "let f = () { table('EmailEvents') | extend p = geo_info_from_ip_address(SenderIPv4) };
        AADSignInEventsBeta | join kind=inner (f) on AccountUpn | invoke FileProfile(Country)";
    assert_eq!(reads(query), "EmailEvents EntraIdSignInEvents; FileProfile geo_info_from_ip_address");
    assert_eq!(reads("union Alert* | join AlertInfo on AlertId"), "AlertEvidence AlertInfo; ");
    assert_eq!(reads("print 1"), "; ");
}

#[test]
fn an_error_is_at_the_part_it_is_about() {
    let mut database = Database::defender().clone();
    database.add_function("Elsewhere", "() { EmailEvents | where Subject has 'a long text' }");
    database.add_function("Hidden", "(text: string) { parse_user_agent(strcat(text, 'a long text'), 'os') }");
    let few = Limits { result_rows: 2, rows: 50, ..Limits::default() };
    let env = Env { limits: few, fixtures: &NoFixtures, ..env() };
    for (query, expected) in [
        ("let e = EmailEvents; DeviceInfo | join kind=inner e on Timestamp", "KQL401 EmailEvents"),
        ("DeviceInfo | where DeviceName has 'pc' | union (EmailEvents | count)", "KQL401 EmailEvents"),
        ("DeviceInfo | invoke FileProfile(DeviceName)", "KQL402 FileProfile"),
        (
            "print 1 | extend a = geo_info_from_ip_address('1.1.1.1')",
            "KQL402 geo_info_from_ip_address('1.1.1.1')",
        ),
        ("externaldata(a: string)[h'https://a.example/x.csv']", "KQL402 h'https://a.example/x.csv'"),
        ("print 1 | evaluate autocluster()", "KQL400 autocluster()"),
        ("print a = 'x' | extend b = 1, c = parse_user_agent(a, 'os')", "KQL400 parse_user_agent(a, 'os')"),
        ("DeviceInfo | reduce by DeviceName", "KQL400 reduce"),
        ("DeviceInfo | project DeviceName", "KQL404 project"),
        ("DeviceInfo", "KQL404 DeviceInfo"),
        ("print 1 | take 1 | mv-expand x = range(1, 100) | count", "KQL404 mv-expand"),
        ("range x from 1 to 10000 step 1", "KQL404 range"),
        ("DeviceInfo | union (Elsewhere())", "KQL401 Elsewhere"),
        ("DeviceInfo | union Elsewhere", "KQL401 Elsewhere"),
        ("print a = 'x' | extend b = Hidden(a)", "KQL400 Hidden(a)"),
    ] {
        let checked = check(query, &database);
        assert!(!checked.bound.has_errors(), "{query}: {:?}", checked.diagnostics);
        let found = run(&checked.bound.plan, &Tenant, &env).expect_err(query).diagnostic();
        assert_eq!(
            format!("{} {}", found.code, found.span.of(query)),
            expected,
            "{query}: {}",
            found.message
        );
    }
}
