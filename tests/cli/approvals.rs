//! Actions that wait for people: asked for, listed, approved, denied, expired and void, through the binary.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use huntbook::clock::{Clock as _, SystemClock};
use huntbook::sim::{Sim, SimApp};
use jiff::SignedDuration;
use serde_json::Value;
use tempfile::TempDir;

use crate::{PLAYBOOK, Project, SECRET_NAME, ends, json, project, serving, tenant, text};

/// How often something is looked for; ten times a second.
const LOOKS_MAX: u32 = 600;

/// A folder with two approvers, and a playbook whose only action needs `approval`.
fn folder(sim: &Arc<Sim>, approval: &str) -> Project {
    let action = "  - tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}\n";
    assert!(PLAYBOOK.contains(action));
    let asks = format!(
        "  - id: tag\n    tagDevice: {{device: \"{{{{row.DeviceId}}}}\", tag: seen}}\n    approval: {approval}\n"
    );
    let dir = project(sim, &PLAYBOOK.replace(action, &asks));
    let settings = dir.path().join("huntbook.yaml");
    let mut written = std::fs::read_to_string(&settings).unwrap();
    written.push_str("approvers:\n  lead: {account: \"4001\"}\n  duty: {account: \"4002\"}\n");
    std::fs::write(settings, written).unwrap();
    dir
}

/// Runs a command as somebody who called `sudo`.
async fn say(dir: &TempDir, uid: u32, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
    command.args(arguments).current_dir(dir.path()).env_clear();
    command.env(SECRET_NAME, SimApp::SECRET).env("SUDO_UID", uid.to_string());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// The requests that wait, as JSON.
async fn waiting(dir: &TempDir, arguments: &[&str]) -> Vec<Value> {
    let all = [&["approvals", "--format", "json"], arguments].concat();
    json(&say(dir, 4001, &all).await).as_array().unwrap().clone()
}

/// The only request there is.
async fn only(dir: &TempDir) -> Value {
    let all = waiting(dir, &["--all"]).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

fn id(request: &Value) -> &str {
    request["id"].as_str().unwrap()
}

/// How many tags were put on devices.
fn tagged(sim: &Sim) -> usize {
    sim.effects().len()
}

fn edit(dir: &Path, from: &str, to: &str) {
    let path = dir.join("playbooks/tag.yaml");
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written.contains(from));
    std::fs::write(path, written.replace(from, to)).unwrap();
}

/// The state and first step of the first run.
async fn shown(dir: &TempDir) -> (String, Value) {
    let runs = json(&say(dir, 4001, &["runs", "--format", "json"]).await);
    let first = runs.as_array().unwrap().last().unwrap()["run"].as_str().unwrap().to_owned();
    let run = json(&say(dir, 4001, &["show", &first, "--format", "json"]).await);
    (run["state"].as_str().unwrap().to_owned(), run["items"][0]["steps"][0].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_waits_until_it_is_approved_and_is_then_taken_once() {
    let sim = tenant().await;
    let dir = folder(&sim, "{channel: siem, timeout: 30m}");
    let run = say(&dir, 4009, &["run", "Tag servers"]).await;
    ends(&run, 1);
    assert!(text(&run.stdout).contains("pendingApproval"), "{}", text(&run.stdout));
    assert_eq!(tagged(&sim), 0);
    let told: Vec<String> = sim.messages().into_iter().map(|message| message.body).collect();
    let request = only(&dir).await;
    let short: String = id(&request).chars().take(10).collect();
    assert!(told.iter().any(|body| body.contains(&short) && body.contains("huntbook approve")), "{told:?}");
    assert_eq!(
        (&request["shown"]["parameters"]["tagDevice"]["tag"], &request["shown"]["targets"]),
        (&"seen".into(), &1.into()),
        "{request}"
    );
    ends(&say(&dir, 4001, &["status"]).await, 1);
    // The same rows are not asked for twice.
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 0);
    let list = text(&say(&dir, 4001, &["approvals"]).await.stdout);
    for part in [short.as_str(), "tagDevice of device:", "sends", "within the limits", "waiting with 0 of 1"]
    {
        assert!(list.contains(part), "{part}\n{list}");
    }

    // Only an approver, and only from their own account.
    for (uid, name) in [(4001, "duty"), (7777, "lead"), (4001, "nobody")] {
        ends(&say(&dir, uid, &["approve", &short, "--as", name]).await, 1);
    }
    ends(&say(&dir, 7777, &["approve", &short]).await, 1);
    for id in ["", "abc", "ffffffff"] {
        ends(&say(&dir, 4001, &["approve", id]).await, 2);
        ends(&say(&dir, 4001, &["deny", id, "--reason", "x"]).await, 2);
    }
    assert_eq!(only(&dir).await["state"], "awaiting");
    let approved = say(&dir, 4001, &["approve", &short, "--as", "lead", "--reason", "seen it"]).await;
    ends(&approved, 0);
    assert!(text(&approved.stderr).contains("nobody serves"), "{}", text(&approved.stderr));
    assert_eq!(tagged(&sim), 0, "who approves does nothing else");

    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 0);
    assert_eq!(tagged(&sim), 1);
    let request = only(&dir).await;
    assert_eq!((&request["state"], &request["voices"][0]["uid"]), (&"consumed".into(), &4001.into()));
    let (state, step) = shown(&dir).await;
    assert_eq!((state.as_str(), &step["state"]), ("succeeded", &"done".into()));
    assert!(step["reason"].as_str().unwrap().contains("lead"), "{step}");
    // A word that comes twice does nothing.
    ends(&say(&dir, 4002, &["approve", &short, "--as", "duty"]).await, 1);
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 0);
    assert_eq!(tagged(&sim), 1);
    ends(&say(&dir, 4001, &["status"]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_different_people_are_needed_where_two_are_asked_for() {
    let sim = tenant().await;
    let dir = folder(&sim, "{channel: siem, minimum: 2}");
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 1);
    let request = only(&dir).await;
    ends(&say(&dir, 4001, &["approve", id(&request)]).await, 0);
    ends(&say(&dir, 4001, &["approve", id(&request)]).await, 1);
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 0);
    assert_eq!((tagged(&sim), &only(&dir).await["state"]), (0, &"awaiting".into()));
    ends(&say(&dir, 4002, &["approve", id(&request)]).await, 0);
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 0);
    assert_eq!(tagged(&sim), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_started_a_run_by_hand_approves_nothing_of_it() {
    let sim = tenant().await;
    let dir = folder(&sim, "{channel: siem}");
    ends(&say(&dir, 4001, &["run", "Tag servers"]).await, 1);
    let request = only(&dir).await;
    let by = |of: &Value| (of["startedBy"]["account"].clone(), of["startedBy"]["uid"].clone());
    assert_eq!(by(&request["shown"]), ("4001".into(), 4001.into()), "{request}");
    let refused = say(&dir, 4001, &["approve", id(&request)]).await;
    ends(&refused, 1);
    assert!(text(&refused.stderr).contains("you started this run by hand"), "{}", text(&refused.stderr));
    // Somebody else goes on with it; it stays the run of who started it.
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 0);
    ends(&say(&dir, 4001, &["approve", id(&request)]).await, 1);
    ends(&say(&dir, 4002, &["approve", id(&request)]).await, 0);
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 0);
    assert_eq!(tagged(&sim), 1);
    let runs = json(&say(&dir, 4009, &["runs", "--format", "json"]).await);
    assert_eq!(by(runs.as_array().unwrap().last().unwrap()), ("4001".into(), 4001.into()), "{runs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_action_is_not_taken_and_does_not_come_back() {
    let sim = tenant().await;
    let dir = folder(&sim, "{channel: siem}");
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 1);
    let request = only(&dir).await;
    ends(&say(&dir, 4001, &["deny", id(&request)]).await, 2);
    ends(&say(&dir, 4001, &["deny", id(&request), "--reason", "maintenance"]).await, 0);
    ends(&say(&dir, 4002, &["approve", id(&request)]).await, 1);
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 0);
    let (_state, step) = shown(&dir).await;
    assert_eq!((&step["state"], &step["reason"]), (&"denied".into(), &"denied by lead: maintenance".into()));
    assert!(sim.messages().iter().any(|message| message.body.contains("denied by lead: maintenance")));
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 0);
    assert_eq!((tagged(&sim), waiting(&dir, &["--all"]).await.len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_after_it_was_approved_is_void_and_asked_for_anew() {
    let sim = tenant().await;
    let dir = folder(&sim, "{channel: siem}");
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 1);
    let request = only(&dir).await;
    ends(&say(&dir, 4001, &["approve", id(&request)]).await, 0);
    edit(dir.path(), "tag: seen", "tag: other");
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 1);
    assert_eq!(tagged(&sim), 0);
    let all = waiting(&dir, &["--all"]).await;
    let states: Vec<&str> = all.iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["awaiting", "void"], "{all:?}");
    assert_eq!(all[0]["shown"]["parameters"]["tagDevice"]["tag"], "other");
    assert!(sim.messages().iter().any(|message| message.body.contains("void: ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_what_their_own_playbook_does() {
    let sim = tenant().await;
    let dir = folder(&sim, "{channel: siem}");
    edit(dir.path(), "severity: Low\n", "severity: Low\nauthor: lead\n");
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 1);
    let request = only(&dir).await;
    let own = say(&dir, 4001, &["approve", id(&request)]).await;
    ends(&own, 1);
    assert!(text(&own.stderr).contains("somebody else must approve"), "{}", text(&own.stderr));
    ends(&say(&dir, 4002, &["approve", id(&request)]).await, 0);
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 0);
    assert_eq!(tagged(&sim), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huntbook_that_serves_does_what_is_approved_by_itself() {
    let sim = tenant().await;
    let dir = folder(&sim, "{channel: siem}");
    edit(dir.path(), "actions:", "schedule: {every: 1h}\nactions:");
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 1);
    let mut served = serving(&dir).stderr(Stdio::null()).spawn().unwrap();
    let request = only(&dir).await;
    for _look in 0..LOOKS_MAX {
        let status = json(&say(&dir, 4001, &["status", "--format", "json"]).await);
        if status["process"].is_number() && status["playbooks"].as_array().is_some_and(|all| !all.is_empty())
        {
            break;
        }
        SystemClock.sleep(SignedDuration::from_millis(100)).await;
    }
    let approved = say(&dir, 4001, &["approve", id(&request)]).await;
    ends(&approved, 0);
    assert_eq!(text(&approved.stderr), "");
    for _look in 0..LOOKS_MAX {
        if !sim.effects().is_empty() {
            break;
        }
        SystemClock.sleep(SignedDuration::from_millis(100)).await;
    }
    assert_eq!(tagged(&sim), 1);
    served.kill().unwrap();
    served.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_approved_is_shown_however_long_a_part_of_it_is() {
    let sim = tenant().await;
    let dir = folder(&sim, "{channel: siem}");
    let long = format!("{}  guards   within the limits", "x".repeat(990));
    let isolate = format!(
        "isolateDevice: {{device: \"{{{{row.DeviceId}}}}\", isolationType: full, comment: \"{long}\"}}"
    );
    edit(dir.path(), "tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}", &isolate);
    ends(&say(&dir, 4009, &["run", "Tag servers"]).await, 1);
    let list = text(&say(&dir, 4001, &["approvals"]).await.stdout);
    let sent = only(&dir).await["shown"]["parameters"]["isolateDevice"].clone();
    for (name, value) in sent.as_object().unwrap() {
        let part = format!("isolateDevice.{name}: ");
        let (_, rest) = list.split_once(&part).unwrap_or_else(|| panic!("{part}\n{list}"));
        let unfolded = rest.replace("\n           | ", "");
        let shown = unfolded.lines().next().unwrap();
        assert_eq!(shown, value.as_str().unwrap_or_default(), "{list}");
    }
    // What is made to look like a line of ours begins none.
    assert_eq!(list.lines().filter(|line| line.trim_start().starts_with("guards ")).count(), 1, "{list}");
    assert!(list.lines().all(|line| line.chars().count() <= 100), "{list}");
}
