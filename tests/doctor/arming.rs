//! What `serve` does with a playbook that lacks a permission, and where that can be seen.

use std::process::Stdio;

use huntbook::clock::{Clock as _, SystemClock};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::bench::Bench;
use crate::credentials::{certificate, days};

const OTHER: &str = "\
schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e78
name: Other
severity: Low
incidents: {}
schedule: {every: 1h}
";

/// Waits for something, and fails in the end if it does not come.
async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::select! {
        found = wait => found,
        () = SystemClock.sleep(SignedDuration::from_mins(2)) => panic!("waited for {what}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_playbook_without_its_permissions_is_not_armed_and_the_others_are() {
    let mut bench = Bench::new();
    bench.revoke("ThreatHunting.Read.All");
    bench.roles.push("SecurityIncident.Read.All");
    bench.files.push(("playbooks/other.yaml", OTHER));
    let sim = bench.sim().await;
    let dir = bench.folder(&sim);
    let mut serve = bench.command((&sim, dir.path()), &["serve"]).stdout(Stdio::null()).spawn().unwrap();
    let mut log = BufReader::new(serve.stderr.take().unwrap()).lines();
    let find = async {
        loop {
            let line = log.next_line().await.unwrap().expect("it says that a playbook is not armed");
            if line.contains("not armed") {
                break line;
            }
        }
    };
    let line = within("a playbook to be told not armed", find).await;
    assert!(line.contains("WARN") && line.contains("`ThreatHunting.Read.All` of Microsoft Graph"), "{line}");

    // The journal has it a moment after the log.
    let find = async {
        loop {
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
        }
    };
    let (code, told) = within("status to list what is not armed", find).await;
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
    let find = async {
        while sim.messages().is_empty() {
            SystemClock.sleep(SignedDuration::from_millis(20)).await;
        }
    };
    within("people to be told", find).await;
    let message = sim.messages().remove(0).body.clone();
    assert!(message.contains("Test is not armed") && message.contains("`huntbook doctor`"), "{message}");
    serve.kill().await.unwrap();
    assert!(sim.effects().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_playbook_that_only_may_not_act_still_runs() {
    let mut bench = Bench::new();
    bench.revoke("Machine.Isolate");
    bench.playbook = bench.playbook.replace("  queryFrequency: 1h\n", "") + "schedule: {every: 1s}\n";
    let sim = bench.sim().await;
    let dir = bench.folder(&sim);
    let mut serve = bench.command((&sim, dir.path()), &["serve"]).stdout(Stdio::null()).spawn().unwrap();
    let find = async {
        loop {
            let (_, said) = bench.run((&sim, dir.path()), &["runs", "--format", "json"], "").await;
            let runs: Value = serde_json::from_str(&said).unwrap_or_default();
            if runs.as_array().is_some_and(|runs| !runs.is_empty()) {
                break;
            }
            SystemClock.sleep(SignedDuration::from_millis(20)).await;
        }
    };
    within("it to run", find).await;
    serve.kill().await.unwrap();
    let (_, said) = bench.run((&sim, dir.path()), &["doctor"], "").await;
    assert!(said.contains("cannot act in `contoso`: it lacks `Machine.Isolate`"), "{said}");
}

/// The app proves itself with a certificate that ends in so many days; what `serve` and `status` tell of it.
async fn tells_of_the_end(ends: i64, (level, line): (&str, &str)) {
    let mut bench = Bench::new();
    certificate(&mut bench, &days(-300, ends));
    let sim = bench.sim().await;
    let dir = bench.folder(&sim);
    let mut serve = bench.command((&sim, dir.path()), &["serve"]).stdout(Stdio::null()).spawn().unwrap();
    let mut log = BufReader::new(serve.stderr.take().unwrap()).lines();
    let find = async {
        loop {
            let found = log.next_line().await.unwrap().expect("it tells of the certificate");
            if found.contains("the app's certificate") {
                break found;
            }
        }
    };
    let found = within("the log to tell of the certificate", find).await;
    let left = format!("days={}", ends - 1);
    assert!(found.contains(level) && found.contains(line) && found.contains(&left), "{found}");
    let find = async {
        loop {
            let (code, said) = bench.run((&sim, dir.path()), &["status", "--format", "json"], "").await;
            let told: Value = serde_json::from_str(&said).unwrap();
            if told["tenants"]["contoso"]["certificateEnds"].is_string() {
                break (code, told);
            }
            SystemClock.sleep(SignedDuration::from_millis(20)).await;
        }
    };
    let (code, told) = within("status to tell of the certificate", find).await;
    assert_eq!((code, &told["tenants"]["contoso"]["refused"]), (Some(1), &Value::Null), "it still serves");
    let (_, said) = bench.run((&sim, dir.path()), &["status"], "").await;
    assert!(said.contains(&format!("contoso: the app's certificate ends in {} days", ends - 1)), "{said}");
    serve.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_certificate_is_told_by_log_and_status() {
    tells_of_the_end(30, ("WARN", "the app's certificate ends soon")).await;
    tells_of_the_end(14, ("ERROR", "the app's certificate has to be replaced")).await;
}
