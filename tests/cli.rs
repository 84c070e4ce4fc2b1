//! The binary as people use it: what it prints, and how it ends.

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test helpers; what is missing fails the test"
)]

#[path = "cli/approvals.rs"]
mod approvals;
#[path = "cli/feeds.rs"]
mod feeds;
#[path = "history/held.rs"]
mod held;
#[path = "history/mod.rs"]
mod history;
#[path = "cli/journal.rs"]
mod journal;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/refused.rs"]
mod refused;
#[path = "cli/runs.rs"]
mod runs;
#[path = "cli/serving.rs"]
mod serving;
#[path = "cli/standing.rs"]
mod standing;
#[path = "cli/stopped.rs"]
mod stopped;
#[path = "cli/tidy.rs"]
mod tidy;

use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use held::Held;
use huntbook::clock::{SharedClock, SystemClock};
use huntbook::sim::{Apply, Fault, Sim, SimApp, SimOptions};

const SECRET_NAME: &str = "HUNTBOOK_TEST_SECRET";

fn huntbook(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_huntbook"))
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .env(SECRET_NAME, SimApp::SECRET)
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The JSON document a command printed.
#[track_caller]
fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)))
}

#[track_caller]
fn ends(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}\n{}", text(&output.stdout), text(&output.stderr));
}

/// `huntbook serve` in a folder, to be started.
fn serving(dir: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
    command.arg("serve").current_dir(dir.path()).env_clear().env(SECRET_NAME, SimApp::SECRET);
    command
}

/// A folder of a huntbook. What its journal says is held against the tenant's own log when it goes.
struct Project {
    held: Held,
    dir: tempfile::TempDir,
}

impl Deref for Project {
    type Target = tempfile::TempDir;

    fn deref(&self) -> &tempfile::TempDir {
        &self.dir
    }
}

/// A folder with settings for a simulated tenant and one playbook.
fn project(sim: &Arc<Sim>, playbook: &str) -> Project {
    let dir = tempfile::tempdir().expect("a folder");
    let held = Held::new(dir.path().join("huntbook.db"));
    held.tenant("contoso", sim);
    let (at, tenant) = (sim.endpoints(), SimOptions::TENANT_ID);
    let settings = format!(
        "tenants:\n  contoso:\n    tenantId: {tenant}\n    auth:\n      clientSecret: {{clientId: {}, secret: {{env: {SECRET_NAME}}}}}\n    \
         endpoints: {{login: \"{}\", graph: \"{}\", mde: \"{}\", xdr: \"{}\"}}\n\
         channels:\n  siem: {{webhook: {{url: \"{}/webhook/siem\", privateAddresses: true}}}}\n",
        SimApp::CLIENT_ID,
        at.login,
        at.graph,
        at.mde,
        at.xdr,
        at.hooks
    );
    std::fs::write(dir.path().join("huntbook.yaml"), settings).expect("settings are written");
    std::fs::create_dir(dir.path().join("playbooks")).expect("a folder");
    std::fs::write(dir.path().join("playbooks/tag.yaml"), playbook).expect("a playbook is written");
    Project { held, dir }
}

const PLAYBOOK: &str = "schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: Tag servers
mode: enforce
severity: Low
hunt:
  query: DeviceInfo | where DeviceName startswith 'dc01' | summarize arg_max(Timestamp, DeviceName) by DeviceId
  queryPeriod: 30d
  identity: [DeviceId]
actions:
  - tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}
notify:
  - channel: siem
    title: \"{{outcome.acted}} tagged\"
";

async fn tenant() -> Arc<Sim> {
    let clock: SharedClock = Arc::new(SystemClock);
    let options = SimOptions::story(clock.now()).expect("the story");
    Arc::new(Sim::start(options, clock).await.expect("the simulated tenant starts"))
}

/// Runs the binary without holding up the tenant, which lives on this runtime.
async fn ask(dir: &tempfile::TempDir, arguments: &[&str]) -> Output {
    let (dir, arguments) =
        (dir.path().to_owned(), arguments.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
    tokio::task::spawn_blocking(move || {
        huntbook(&dir, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    })
    .await
    .expect("the task ends")
}

#[test]
fn help_teaches_and_wrong_usage_is_2() {
    let dir = tempfile::tempdir().unwrap();
    let help = huntbook(dir.path(), &["--help"]);
    ends(&help, 0);
    for word in [
        "demo",
        "validate",
        "run",
        "runs",
        "show",
        "status",
        "resolve",
        "stop",
        "resume",
        "serve",
        "sim",
        "actions",
        "schema",
        "Exit codes",
    ] {
        assert!(text(&help.stdout).contains(word), "{word}");
    }
    ends(&huntbook(dir.path(), &["runn"]), 2);
    ends(&huntbook(dir.path(), &["run"]), 2);
    ends(&huntbook(dir.path(), &["completions", "bash"]), 0);
}

#[test]
fn what_is_not_there_is_said_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let validate = huntbook(dir.path(), &["validate"]);
    ends(&validate, 78);
    assert!(text(&validate.stdout).contains("huntbook.yaml"), "{}", text(&validate.stdout));
}

#[test]
fn the_demo_needs_nothing_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let demo = huntbook(dir.path(), &["demo"]);
    ends(&demo, 0);
    let shown = text(&demo.stdout);
    for line in [
        "accepted   isolateDevice wks-014.contoso.example",
        "skipped    isolateDevice dc01.contoso.example",
        "is excluded by the list `crownJewels`",
        "delivered – [High]",
        "suppressed omar.haddad@contoso.example",
        "halted     runAntivirusScan",
        "planned    revokeSessions",
        "told       soc-mail delivered",
        "told       soc-slack delivered",
        "told       soc-teams delivered",
        "told       siem-webhook delivered",
        "3 isolate,",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let json = huntbook(dir.path(), &["demo", "--format", "json"]);
    ends(&json, 0);
    let reports: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(reports.as_array().map(Vec::len), Some(16));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing_a_run_acts_and_history_tells() {
    let sim = tenant().await;
    let dir = project(&sim, PLAYBOOK);
    ends(&ask(&dir, &["validate"]).await, 0);
    let dry = ask(&dir, &["run", "tag", "--dry-run"]).await;
    ends(&dry, 0);
    assert!(text(&dry.stdout).contains("dry run"), "{}", text(&dry.stdout));
    assert!(!dir.path().join("huntbook.db").exists(), "a dry run leaves no journal");
    assert_eq!((sim.effects().len(), sim.messages().len()), (0, 0));

    let run = ask(&dir, &["run", "Tag servers", "--format", "json"]).await;
    ends(&run, 0);
    let reports: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(reports[0]["counts"]["acted"], 1);
    assert_eq!(reports[0]["told"][0]["state"], "delivered");
    assert_eq!((sim.effects().len(), sim.messages().len()), (1, 1));
    let again = ask(&dir, &["run", "tag"]).await;
    ends(&again, 0);
    assert_eq!(sim.effects().len(), 1, "the same device is tagged once");

    let runs: serde_json::Value =
        serde_json::from_slice(&ask(&dir, &["runs", "--format", "json"]).await.stdout).unwrap();
    assert_eq!(runs.as_array().map(Vec::len), Some(2));
    let id = runs[1]["run"].as_str().unwrap().to_owned();
    let shown = ask(&dir, &["show", &id]).await;
    ends(&shown, 0);
    for word in ["tagDevice", "dc01.contoso.example", "intended", "done", "told siem delivered"] {
        assert!(text(&shown.stdout).contains(word), "{word}\n{}", text(&shown.stdout));
    }
    ends(&ask(&dir, &["status"]).await, 0);
    ends(&ask(&dir, &["show", "ffff"]).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_run_by_hand_is_kept_and_not_put_in_force() {
    let sim = tenant().await;
    let dir = project(&sim, PLAYBOOK);
    let in_force = async || json(&ask(&dir, &["status", "--format", "json"]).await)["playbooks"].clone();
    let mut served = serve(&dir).await;
    served.kill().unwrap();
    served.wait().unwrap();
    let served_version = in_force().await[0]["playbookVersion"].clone();
    // An edit nobody has served yet, and a playbook that is not in the folder.
    let edited = dir.path().join("playbooks/tag.yaml");
    std::fs::write(&edited, PLAYBOOK.replace("tag: seen", "tag: elsewhere")).unwrap();
    let stranger = PLAYBOOK.replace("2f6c9d54", "9f6c9d54").replace("Tag servers", "Stranger");
    std::fs::write(dir.path().join("stranger.yaml"), stranger).unwrap();
    ends(&ask(&dir, &["run", "stranger.yaml"]).await, 0);
    let run = ask(&dir, &["run", "tag", "--format", "json"]).await;
    let report = json(&run)[0].clone();
    assert_ne!(report["playbookVersion"], served_version);
    let now = in_force().await;
    assert_eq!(now.as_array().map(Vec::len), Some(1), "{now}");
    assert_eq!(now[0]["playbookVersion"], served_version, "what is served stays as it was");
    // The run is explained with the version it had.
    let shown = json(&ask(&dir, &["show", report["run"].as_str().unwrap(), "--format", "json"]).await);
    assert_eq!(shown["playbookVersion"], report["playbookVersion"]);
    std::fs::write(&edited, "schema: 1\n").unwrap();
    let mut served = serve(&dir).await;
    let version = &in_force().await[0]["playbookVersion"];
    assert_eq!(*version, served_version, "the last good version is the last one that was served");
    served.kill().unwrap();
    served.wait().unwrap();
}

/// Starts `serve` and waits until it says so.
async fn serve(dir: &tempfile::TempDir) -> std::process::Child {
    use std::io::BufRead as _;
    let mut child = serving(dir).stderr(std::process::Stdio::piped()).spawn().expect("the binary starts");
    let lines = std::io::BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let serving = tokio::task::spawn_blocking(move || {
        lines.map_while(Result::ok).any(|line| line.contains("huntbook serves"))
    });
    assert!(serving.await.expect("the task ends"), "it ended before it served");
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_answers_for_a_parked_action_while_huntbook_serves() {
    let sim = tenant().await;
    let dir = project(&sim, PLAYBOOK);
    let lost = Fault { reset: true, apply: Apply::Before, ..Fault::on("POST /mde/api/machines/*/tags") };
    sim.set_faults(vec![lost]).unwrap();
    ends(&ask(&dir, &["run", "tag"]).await, 1);
    let mut served = serve(&dir).await;
    let status = ask(&dir, &["status"]).await;
    ends(&status, 1);
    let status = text(&status.stdout);
    let parked = status.lines().find(|line| line.starts_with("parked")).expect("it is listed");
    let id = parked.split_whitespace().nth(1).expect("its id").to_owned();
    for word in ["huntbook resolve", &format!("{} works with this journal", served.id()), "intact: 3 events"]
    {
        assert!(status.contains(word), "{word}\n{status}");
    }
    ends(&ask(&dir, &["resolve", &id]).await, 2);
    ends(&ask(&dir, &["resolve", &id, "--done", "--not-applied"]).await, 2);
    ends(&ask(&dir, &["resolve", "zzzz", "--done"]).await, 2);
    let resolve = ["resolve", &id, "--done", "--note", "seen in the portal", "--format", "json"];
    // Whoever `USER` says that it is, it is the account that called `sudo`.
    let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
    command.args(resolve).current_dir(dir.path()).env_clear().env("USER", "mallory").env("SUDO_UID", "4001");
    let said = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    ends(&said, 0);
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said["state"], "done");
    assert_eq!(said["detail"], "a person says that it was done (4001): seen in the portal");
    let again = ask(&dir, &resolve).await;
    ends(&again, 1);
    assert!(
        text(&again.stderr).contains("is `done`: only what is parked or pending"),
        "{}",
        text(&again.stderr)
    );
    ends(&ask(&dir, &["status"]).await, 0);
    let audit = ask(&dir, &["audit", "verify", "--format", "json"]).await;
    ends(&audit, 0);
    assert_eq!(json(&audit)["histories"][0]["eventsChecked"], 4);
    let run = ask(&dir, &["runs", "--format", "json"]).await;
    let run: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let shown = ask(&dir, &["show", run[0]["run"].as_str().unwrap()]).await;
    let shown = text(&shown.stdout);
    for word in [&id, "succeeded", "1 acted"] {
        assert!(shown.contains(word), "{word}\n{shown}");
    }
    assert!(!shown.contains("1 parked"), "{shown}");
    served.kill().unwrap();
    served.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_playbook_is_refused_with_its_places() {
    let sim = tenant().await;
    let bad = PLAYBOOK
        .replace("identity: [DeviceId]", "identity: [DeviceId]\nwhere: rwo.DeviceName == 'x'\nsuppres: 1");
    let dir = project(
        &sim,
        &bad.replace("channel: siem", "channel: sieem").replace("outcome.acted", "outcome.actd"),
    );
    let validate = ask(&dir, &["validate"]).await;
    ends(&validate, 78);
    let shown = text(&validate.stdout);
    assert!(shown.contains("unknown key") && shown.contains("suppress"), "{shown}");
    let dir = project(
        &sim,
        &PLAYBOOK.replace("channel: siem", "channel: sieem").replace("outcome.acted", "outcome.actd"),
    );
    let shown = text(&ask(&dir, &["validate"]).await.stdout);
    for word in ["tag.yaml:13:14", "`siem`", "tag.yaml:14:23", "{{outcome.acted}} tagged", "HB0402", "HB0501"]
    {
        assert!(shown.contains(word), "{word}\n{shown}");
    }
    ends(&ask(&dir, &["run", "tag"]).await, 78);
    assert_eq!(sim.requests().len(), 0, "nothing is asked of the tenant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_explained_and_never_shown() {
    let sim = tenant().await;
    let dir = project(&sim, PLAYBOOK);
    let settings = std::fs::read_to_string(dir.path().join("huntbook.yaml")).unwrap();
    std::fs::write(dir.path().join("wrong"), "canary-secret-7f3a").unwrap();
    let settings = settings
        .replace(&format!("{{env: {SECRET_NAME}}}"), &format!("{{file: {}/wrong}}", dir.path().display()));
    std::fs::write(dir.path().join("huntbook.yaml"), settings).unwrap();
    let run = ask(&dir, &["run", "tag", "--log", "trace"]).await;
    ends(&run, 1);
    let all = format!("{}{}", text(&run.stdout), text(&run.stderr));
    assert!(all.contains("AADSTS7000215"), "{all}");
    assert!(!all.contains("canary-secret-7f3a") && !all.contains(SimApp::SECRET));
    let files =
        std::fs::read_dir(dir.path()).unwrap().filter_map(Result::ok).filter(|entry| entry.path().is_file());
    for file in files.filter(|entry| entry.file_name() != "wrong") {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!text(&bytes).contains("canary-secret-7f3a"), "{}", file.path().display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ceiling_of_the_settings_halts_harmless_actions_until_it_is_raised() {
    let sim = tenant().await;
    let dir = project(&sim, &PLAYBOOK.replace("notify:", "guards: {maxActions: {perRun: 1}}\nnotify:"));
    let settings = std::fs::read_to_string(dir.path().join("huntbook.yaml")).unwrap();
    let allow = |per_run: u32| {
        let guards = format!("guards: {{maxActionsOfAnyKind: {{perRun: {per_run}}}}}\n");
        std::fs::write(dir.path().join("huntbook.yaml"), format!("{settings}{guards}")).unwrap();
    };
    allow(0);
    let refused = ask(&dir, &["validate"]).await;
    let problem = "HB0702]: 1 action in a run; the settings allow 0 of any kind";
    assert!(text(&refused.stdout).contains(problem), "{}", text(&refused.stdout));
    std::fs::write(dir.path().join("playbooks/tag.yaml"), PLAYBOOK).unwrap();
    let halted = ask(&dir, &["run", "tag"]).await;
    assert!(text(&halted.stdout).contains("1 action in this run; 0 are allowed"), "{}", text(&halted.stdout));
    assert_eq!(sim.effects().len(), 0);
    allow(1);
    ends(&ask(&dir, &["run", "tag"]).await, 0);
    assert_eq!(sim.effects().len(), 1);
}
