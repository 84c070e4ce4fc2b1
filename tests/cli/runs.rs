//! What `runs` and `show` say of the past is what is true at the moment.

use std::collections::BTreeSet;
use std::sync::Arc;

use huntbook::clock::{Clock as _, SystemClock};
use huntbook::sim::{CannedHunter, HuntColumn, HuntTable, Sim, SimOptions};
use jiff::SignedDuration;
use serde_json::Value;

use crate::{PLAYBOOK, ask, json, project, serve, tenant, text};

/// How often something is looked for; ten times a second.
const LOOKS_MAX: u32 = 600;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_scheduled_run_told_is_delivered_wherever_one_looks() {
    let sim = tenant().await;
    let dir = project(&sim, &format!("{PLAYBOOK}schedule: {{every: 1s}}\n"));
    let mut served = serve(&dir).await;
    let mut delivered = None;
    for _look in 0..LOOKS_MAX {
        let runs = json(&ask(&dir, &["runs", "--format", "json"]).await);
        let runs = runs.as_array().cloned().unwrap_or_default();
        delivered = runs.into_iter().find(|run| run["told"][0]["state"] == "delivered");
        if delivered.is_some() {
            break;
        }
        SystemClock.sleep(SignedDuration::from_millis(100)).await;
    }
    let run = delivered.expect("a run whose message has arrived");
    let id = run["run"].as_str().expect("its id").to_owned();
    let shown = text(&ask(&dir, &["show", &id]).await.stdout);
    assert!(shown.contains("told siem delivered") && !shown.contains("queued"), "{shown}");
    let shown = json(&ask(&dir, &["show", &id, "--format", "json"]).await);
    assert_eq!(shown["told"][0]["state"], Value::from("delivered"));
    served.kill().expect("it runs");
    served.wait().expect("it ends");
}

/// A tenant whose devices all match, and there are many.
async fn crowd(devices: usize) -> Arc<Sim> {
    let row = |number: usize| {
        let row = serde_json::json!({"DeviceId": format!("{number:040x}"), "DeviceName": format!("wks-{number:03}")});
        row.as_object().cloned().expect("an object")
    };
    let columns = vec![HuntColumn::new("DeviceId", "String"), HuntColumn::new("DeviceName", "String")];
    let table = HuntTable::new(columns, (0..devices).map(row).collect());
    let mut options = SimOptions::sample().expect("the sample is sound");
    options.hunter = Arc::new(CannedHunter::new().when("DeviceInfo", Ok(table)));
    Arc::new(Sim::start(options, Arc::new(SystemClock)).await.expect("the tenant starts"))
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_whole_where_no_terminal_is_and_long_lists_are_counted() {
    let sim = crowd(70).await;
    let plain = PLAYBOOK.split("actions:").next().unwrap_or_default().to_owned();
    let dir = project(&sim, &format!("{plain}  columns: {{DeviceId: string, DeviceName: string}}\n"));
    let run = text(&ask(&dir, &["run", "tag"]).await.stdout);
    assert!(run.contains("… and 20 more items"), "{run}");
    let runs = json(&ask(&dir, &["runs", "--format", "json"]).await);
    let id = runs[0]["run"].as_str().expect("its id").to_owned();
    let listed = text(&ask(&dir, &["runs"]).await.stdout);
    let line = listed.lines().find(|line| line.contains(&id)).expect("a line with the whole id");
    for word in ["Tag servers", "contoso", "manual", "succeeded", "70"] {
        assert!(line.contains(word), "{word}: {line}");
    }
    let shown = text(&ask(&dir, &["show", &id]).await.stdout);
    assert!(shown.lines().count() < 70 && shown.contains("… and 20 more items"), "{shown}");
    let all = text(&ask(&dir, &["show", &id, "--all"]).await.stdout);
    let of_69 = all.lines().filter(|line| line.contains("wks-069")).collect::<Vec<_>>();
    assert_eq!(of_69.len(), 1, "{all}");
    let all = json(&ask(&dir, &["show", &id, "--format", "json"]).await);
    assert_eq!(all["items"].as_array().map(Vec::len), Some(70));
}

/// Every name in a document, but for those that are the tenant's.
fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                found.insert(name.clone());
                if !matches!(name.as_str(), "data" | "body") {
                    names(value, found);
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|one| names(one, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_thing_has_one_name_in_every_document() {
    let sim = tenant().await;
    let dir = project(&sim, PLAYBOOK);
    let report = json(&ask(&dir, &["run", "tag", "--format", "json"]).await);
    let id = report[0]["run"].as_str().expect("its id").to_owned();
    let runs = json(&ask(&dir, &["runs", "--format", "json"]).await);
    let shown = json(&ask(&dir, &["show", &id, "--format", "json"]).await);
    for name in ["run", "playbook", "playbookName", "playbookVersion", "tenant", "state", "counts", "told"] {
        assert_eq!((&runs[0][name], &shown[name]), (&report[0][name], &report[0][name]), "{name}");
    }
    assert_eq!(shown["items"], report[0]["items"]);
    assert_eq!(shown["state"], "succeeded");
    let status = json(&ask(&dir, &["status", "--format", "json"]).await);
    let mut found = BTreeSet::new();
    for document in [&report, &runs, &shown, &status] {
        names(document, &mut found);
    }
    let odd: Vec<&String> =
        found.iter().filter(|name| !name.chars().all(|one| one.is_ascii_alphanumeric())).collect();
    assert!(odd.is_empty(), "{odd:?}");
}
