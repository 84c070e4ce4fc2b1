//! What `serve` does with a playbook that lacks a permission, and where that can be seen.

use std::process::Stdio;

use huntbook::clock::{Clock as _, SystemClock};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::bench::Bench;

const OTHER: &str = "\
schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e78
name: Other
severity: Low
hunt: {query: DeviceEvents | take 1, columns: {DeviceId: string}}
schedule: {every: 1h}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_playbook_without_its_permissions_is_not_armed_and_the_others_are() {
    let mut bench = Bench::new();
    bench.revoke("Machine.Isolate");
    bench.files.push(("playbooks/other.yaml", OTHER));
    let sim = bench.sim().await;
    let dir = bench.folder(&sim);
    let mut serve = bench.command((&sim, dir.path()), &["serve"]).stdout(Stdio::null()).spawn().unwrap();
    let mut log = BufReader::new(serve.stderr.take().unwrap()).lines();
    let line = loop {
        let line = log.next_line().await.unwrap().expect("it says that a playbook is not armed");
        if line.contains("not armed") {
            break line;
        }
    };
    assert!(line.contains("WARN") && line.contains("`Machine.Isolate` of WindowsDefenderATP"), "{line}");

    // The journal has it a moment after the log.
    let (code, told) = loop {
        let status = ["status", "--format", "json"];
        let (code, said) = bench.run((&sim, dir.path()), &status, "").await;
        let told: Value = serde_json::from_str(&said).unwrap();
        if told["playbooks"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| !one["unarmed"].as_array().unwrap().is_empty())
        {
            break (code, told);
        }
        SystemClock.sleep(SignedDuration::from_millis(20)).await;
    };
    assert_eq!(code, Some(1), "somebody has to look");
    let playbook = |name: &str| {
        told["playbooks"].as_array().unwrap().iter().find(|one| one["playbookName"] == name).unwrap()
    };
    assert_eq!(playbook("Test")["nextDue"], Value::Null);
    assert_eq!(playbook("Test")["unarmed"][0]["tenant"], "contoso");
    assert!(playbook("Other")["nextDue"].is_string(), "{told}");
    let (_, said) = bench.run((&sim, dir.path()), &["status"], "").await;
    assert!(said.contains("unarmed  Test in contoso since") && said.contains("not armed"), "{said}");
    let (_, said) = bench.run((&sim, dir.path()), &["runs"], "").await;
    assert!(said.contains("1 schedule not followed for want of permissions"), "{said}");
    while sim.messages().is_empty() {
        SystemClock.sleep(SignedDuration::from_millis(20)).await;
    }
    let message = sim.messages().remove(0).body.clone();
    assert!(message.contains("Test is not armed") && message.contains("`huntbook doctor`"), "{message}");
    serve.kill().await.unwrap();
    assert!(sim.effects().is_empty());
}
