//! `huntbook schema pull` against the simulated tenant: what the tenant tells of its tables is what queries are
//! checked against from then on.

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;

use huntbook::clock::SystemClock;
use huntbook::kql::Schema;
use huntbook::sim::{HuntColumn, HuntFault, HuntTable, HuntWindow, Hunter, Sim, SimApp, SimOptions};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// A tenant with a table of its own, without `DeviceInfo`, and with a new column in `DeviceEvents`.
#[derive(Debug)]
struct Own;

impl Hunter for Own {
    /// Answers `getschema` of one table; every other is unknown.
    fn answer(&self, query: &str, _window: HuntWindow, _now: Timestamp) -> Result<HuntTable, HuntFault> {
        if query != "DeviceEvents | getschema | project ColumnName, ColumnType" {
            return Err(HuntFault::Semantic("'x' could not be resolved".to_owned()));
        }
        let columns = ["ColumnName", "ColumnType"].map(|name| HuntColumn::new(name, "String"));
        let row = |(name, ty): (&str, &str)| -> Map<String, Value> {
            [("ColumnName", json!(name)), ("ColumnType", json!(ty))]
                .map(|(key, value)| (key.to_owned(), value))
                .into_iter()
                .collect()
        };
        let rows = [("DeviceId", "string"), ("Asked", "long")].map(row);
        Ok(HuntTable::new(columns.to_vec(), rows.to_vec()))
    }

    fn schema(&self) -> Schema {
        let mut schema = Schema::defender();
        let more = r#"{"format": 1, "tables": [
            {"name": "Mine_CL", "columns": [["Timestamp", "datetime"], ["Size", "long"]]},
            {"name": "DeviceEvents", "extends": true, "columns": [["New", "bool"]]}
        ]}"#;
        schema.add(more).expect("the file is good");
        schema
    }
}

async fn tenant() -> Sim {
    let mut options = SimOptions::sample().expect("the sample tenant");
    options.hunter = Arc::new(Own);
    Sim::start(options, Arc::new(SystemClock)).await.expect("the simulated tenant starts")
}

/// A folder with settings for a tenant, and a query.
fn folder(sim: &Sim, hunting: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let ends = sim.endpoints();
    let settings = json!({"tenants": {"contoso": {
        "tenantId": SimOptions::TENANT_ID,
        "auth": {"clientSecret": {"clientId": SimApp::CLIENT_ID, "secret": {"env": "PULL_TEST_SECRET"}}},
        "endpoints": {"login": ends.login, "graph": ends.graph, "mde": ends.mde, "xdr": ends.xdr},
        "hunting": hunting,
    }}});
    std::fs::write(dir.path().join("huntbook.yaml"), settings.to_string()).expect("settings");
    let query = "Mine_CL | where Size > 1 | join kind=inner (DeviceEvents | where New) on Timestamp";
    std::fs::write(dir.path().join("q.kql"), query).expect("a query");
    dir
}

/// Runs the binary without holding up the tenant, which lives on this runtime.
async fn huntbook(dir: &Path, arguments: &[&str]) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_huntbook"))
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .env("PULL_TEST_SECRET", SimApp::SECRET)
        // A tenant here takes more calls than a real one.
        .envs(huntbook::fault::COMPILED.then_some(("HUNTBOOK_UNPACED", "1")))
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the binary starts")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn what_the_tenant_tells_is_what_queries_are_checked_against() {
    let sim = tenant().await;
    let dir = folder(&sim, "graph");
    let before = huntbook(dir.path(), &["kql", "check", "--period", "1h", "q.kql"]).await;
    assert_eq!(before.status.code(), Some(1), "{}", said(&before));
    let pulled = huntbook(dir.path(), &["schema", "pull", "--format", "json"]).await;
    assert_eq!(pulled.status.code(), Some(0), "{}", said(&pulled));
    let report: Value = serde_json::from_slice(&pulled.stdout).expect("one document");
    assert_eq!(report.get("file"), Some(&json!("hunting-schema/contoso.json")), "{report}");
    let after = huntbook(dir.path(), &["kql", "check", "--period", "1h", "q.kql"]).await;
    assert_eq!(after.status.code(), Some(0), "{}", said(&after));

    // Types are those of the language, and the file is one that may be edited and pulled again.
    let file = std::fs::read_to_string(dir.path().join("hunting-schema/contoso.json")).expect("a file");
    let file: Value = serde_json::from_str(&file).expect("JSON");
    let tables = file.get("tables").and_then(Value::as_array).expect("a list");
    let mine = tables.iter().find(|table| table.get("name") == Some(&json!("Mine_CL")));
    let columns = mine.and_then(|table| table.get("columns"));
    assert_eq!(columns, Some(&json!([["Timestamp", "datetime"], ["Size", "long"]])));
    let again = huntbook(dir.path(), &["schema", "pull", "--tenant", "contoso"]).await;
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    let other = huntbook(dir.path(), &["schema", "pull", "--tenant", "fabrikam"]).await;
    assert_eq!(other.status.code(), Some(2), "{}", said(&other));
}

#[tokio::test]
async fn a_tenant_that_does_not_tell_is_asked_table_by_table() {
    let sim = tenant().await;
    let dir = folder(&sim, "xdr");
    let output = huntbook(dir.path(), &["schema", "pull"]).await;
    assert_eq!(output.status.code(), Some(78), "{}", said(&output));
    assert!(said(&output).contains("schema pull --by-query"), "{}", said(&output));
    assert!(!dir.path().join("hunting-schema").exists());
    let output = huntbook(dir.path(), &["schema", "pull", "--by-query"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let file = std::fs::read_to_string(dir.path().join("hunting-schema/contoso.json")).expect("a file");
    let file: Value = serde_json::from_str(&file).expect("JSON");
    let expected = json!([{"name": "DeviceEvents", "columns": [["DeviceId", "string"], ["Asked", "long"]]}]);
    assert_eq!(file.get("tables"), Some(&expected));
}
