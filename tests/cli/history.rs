//! What `runs` and `show` say of the past is what is true at the moment.

use huntbook::clock::{Clock as _, SystemClock};
use jiff::SignedDuration;
use serde_json::Value;

use crate::{PLAYBOOK, ask, json, project, serve, tenant, text};

/// How often something is looked for; ten times a second.
const LOOKS_MAX: u32 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_scheduled_run_told_is_delivered_wherever_one_looks() {
    let sim = tenant().await;
    let dir = project(&sim, &format!("{PLAYBOOK}schedule: {{every: 1s}}\n"));
    let mut served = serve(&dir).await;
    let mut delivered = None;
    for _look in 0..LOOKS_MAX {
        let runs = json(&ask(&dir, &["runs", "--format", "json"]).await);
        let runs = runs.as_array().cloned().unwrap_or_default();
        delivered = runs.into_iter().find(|run| run["report"]["told"][0]["state"] == "delivered");
        if delivered.is_some() {
            break;
        }
        SystemClock.sleep(SignedDuration::from_millis(100)).await;
    }
    let run = delivered.expect("a run whose message has arrived");
    let id = run["id"].as_str().expect("its id").to_owned();
    let shown = text(&ask(&dir, &["show", &id]).await.stdout);
    assert!(shown.contains("told siem delivered") && !shown.contains("waits"), "{shown}");
    let shown = json(&ask(&dir, &["show", &id, "--format", "json"]).await);
    assert_eq!(shown["run"]["report"]["told"][0]["state"], Value::from("delivered"));
    served.kill().expect("it runs");
    served.wait().expect("it ends");
    sim.stop().await;
}
