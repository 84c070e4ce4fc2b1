//! What was acknowledged stays: the machine dies in the instant in which a command has ended with exit code 0, or a call has
//! reached the tenant, and of what it wrote nothing is left but what it had synced by then. Its word is there, and the
//! intent of the call.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test helpers; what is missing fails the test"
)]

#[path = "history/held.rs"]
mod held;
#[path = "history/mod.rs"]
mod history;
#[path = "acknowledged/intended.rs"]
mod intended;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use held::Held;
use huntbook::clock::{Clock as _, SystemClock};
use huntbook::sim::{Apply, Fault, Sim, SimApp, SimOptions};
use huntbook::store::Store;
use jiff::SignedDuration;
use serde_json::Value;

const SECRET_NAME: &str = "HUNTBOOK_TEST_SECRET";
/// How often something is looked for; ten times a second.
const LOOKS_MAX: u32 = 600;
/// What is on a disk of a journal.
const FILES: [&str; 2] = ["huntbook.db", "huntbook.db-wal"];

/// A playbook that acts on one device.
fn playbook(number: u32, name: &str, action: &str) -> String {
    format!(
        "schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e{number:02}
name: {name}
mode: enforce
severity: Low
hunt:
  query: DeviceInfo | where DeviceName startswith 'wks-014' | summarize arg_max(Timestamp, DeviceName) by DeviceId
  queryPeriod: 30d
  identity: [DeviceId]
actions:
  - id: act
{action}"
    )
}

/// A machine with a journal, and the disk that a power cut would leave of it.
struct Machine {
    /// Looked at when the test is over, before the folder goes.
    _held: Held,
    sim: Arc<Sim>,
    dir: tempfile::TempDir,
    library: PathBuf,
}

impl Machine {
    async fn new() -> Self {
        let clock = Arc::new(SystemClock);
        let sim = Arc::new(Sim::start(SimOptions::story(clock.now()).unwrap(), clock).await.unwrap());
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("durable.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/acknowledged/durable.c");
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
        assert!(built.unwrap().success(), "tests/setup installs a C compiler");
        let held = Held::new(dir.path().join("huntbook.db"));
        held.tenant("contoso", &sim);
        let machine = Self { _held: held, sim, dir, library };
        machine.put("huntbook.yaml", &machine.settings());
        let tag = "    tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}\n";
        let asked = format!("{tag}    approval: {{channel: siem, timeout: 30m}}\n");
        let cut =
            "    isolateDevice: {device: \"{{row.DeviceId}}\", comment: contain}\n    revertAfter: 4h\n";
        for (number, name, action) in [(10, "Lost", tag), (11, "Asked", &asked), (12, "Contain", cut)] {
            machine.put(&format!("playbooks/{name}.yaml"), &playbook(number, name, action));
        }
        let four =
            ["wks-005", "wks-008", "wks-011", "wks-014"].map(|name| format!("'{name}.contoso.example'"));
        let several = playbook(13, "Several", cut);
        let several = several.replace("startswith 'wks-014'", &format!("in ({})", four.join(", ")));
        machine.put("playbooks/Several.yaml", &several);
        machine
    }

    fn settings(&self) -> String {
        let (at, tenant) = (self.sim.endpoints(), SimOptions::TENANT_ID);
        format!(
            "tenants:\n  contoso:\n    tenantId: {tenant}\n    auth:\n      clientSecret: {{clientId: {}, secret: \
             {{env: {SECRET_NAME}}}}}\n    endpoints: {{login: \"{}\", graph: \"{}\", mde: \"{}\", xdr: \"{}\"}}\n\
             channels:\n  siem: {{webhook: {{url: \"{}/webhook/siem\", privateAddresses: true}}}}\n\
             approvers:\n  lead: {{account: \"4001\"}}\nreload: {{riskRaising: hold}}\n",
            SimApp::CLIENT_ID,
            at.login,
            at.graph,
            at.mde,
            at.xdr,
            at.hooks
        )
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), text).unwrap();
    }

    fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
        command.args(arguments).current_dir(folder).env_clear().env(SECRET_NAME, SimApp::SECRET);
        // Who starts a run approves nothing of it.
        command.env("SUDO_UID", if arguments.first() == Some(&"run") { "4009" } else { "4001" });
        if folder == self.dir.path() {
            command.env("LD_PRELOAD", &self.library).env("DURABLE", self.at("disk"));
        }
        command
    }

    async fn ask(&self, folder: &Path, arguments: &[&str]) -> Output {
        let mut command = self.command(folder, arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let all = [arguments, &["--format", "json"]].concat();
        serde_json::from_slice(&self.ask(self.dir.path(), &all).await.stdout).unwrap()
    }

    /// Serves until there is an edit that waits for a second person, and gives what it is called.
    async fn raised(&self) -> String {
        let mut serving = self.command(self.dir.path(), &["serve"]).stderr(Stdio::null()).spawn().unwrap();
        let mut raised = None;
        for _look in 0..LOOKS_MAX {
            let waiting = self.ask(self.dir.path(), &["confirm", "--format", "json"]).await.stdout;
            let waiting: Value = serde_json::from_slice(&waiting).unwrap_or_default();
            raised = waiting[0]["digest"].as_str().map(str::to_owned);
            if raised.is_some() {
                break;
            }
            SystemClock.sleep(SignedDuration::from_millis(100)).await;
        }
        drop(Command::new("kill").args(["-s", "TERM", &serving.id().to_string()]).status());
        assert!(serving.wait().unwrap().success(), "it ends as it was asked to");
        raised.expect("an edit waits")
    }

    /// Copies the files of the journal from folder to folder.
    fn copy(&self, from: &str, to: &str) {
        drop(fs::remove_dir_all(self.at(to)));
        fs::create_dir(self.at(to)).unwrap();
        for file in FILES.iter().filter(|file| self.at(from).join(file).exists()) {
            fs::copy(self.at(from).join(file), self.at(to).join(file)).unwrap();
        }
    }

    /// Every event of the journal that the power cut leaves.
    async fn left(&self) -> String {
        self.copy("disk", "after");
        let said = self.events_on("after").await;
        let audit = self.ask(&self.at("after"), &["audit", "verify"]).await;
        assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
        said
    }

    /// Every event of the journal in a folder.
    async fn events_on(&self, disk: &str) -> String {
        self.put(&format!("{disk}/huntbook.yaml"), &self.settings());
        let said = self.ask(&self.at(disk), &["journal", "export"]).await;
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    }

    /// Says a word, and looks for it on what a power cut would leave right then.
    async fn say(&self, word: &str, arguments: &[&str]) {
        // All before it is on the disk.
        self.copy(".", "disk");
        assert!(!self.left().await.contains(word), "{word} is not said yet");
        let said = self.ask(self.dir.path(), arguments).await;
        assert_eq!(said.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
        let left = self.left().await;
        assert!(left.contains(word), "{arguments:?} was acknowledged, and a power cut takes it back\n{left}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_whose_command_ended_well_outlives_a_power_cut_in_that_instant() {
    let machine = Machine::new().await;
    let run = async |name: &str| drop(machine.ask(machine.dir.path(), &["run", name]).await);
    let raised = machine.raised().await;
    let lost = Fault { reset: true, apply: Apply::Before, ..Fault::on("POST /mde/api/machines/*/tags") };
    machine.sim.set_faults(vec![lost]).unwrap();
    run("Lost").await;
    machine.sim.set_faults(Vec::new()).unwrap();
    run("Asked").await;
    run("Contain").await;
    // As beside a process that serves: nobody is the last to close the journal, and its log stays.
    let reader = Store::open_reader(&machine.at("huntbook.db")).await.unwrap();
    reader.stops().await.unwrap();

    let parked = machine.json(&["journal", "list"]).await;
    let parked = parked.as_array().unwrap().iter().find(|one| one["state"] == "parked").unwrap();
    let parked = parked["key"].as_str().unwrap();
    machine.say("word-resolve", &["resolve", parked, "--done", "--note", "word-resolve"]).await;
    let asked = machine.json(&["approvals"]).await;
    let asked = asked[0]["id"].as_str().unwrap();
    machine.say("word-approve", &["approve", asked, "--as", "lead", "--reason", "word-approve"]).await;
    let standing = machine.json(&["in-force"]).await;
    let standing = standing[0]["effect"].as_str().unwrap();
    machine.say("word-revert", &["in-force", "revert", standing, "--reason", "word-revert"]).await;
    machine.say("word-confirm", &["confirm", &raised, "--as", "lead", "--reason", "word-confirm"]).await;
    machine.say("word-pass", &["let-pass", "Lost", "--reason", "word-pass"]).await;
    machine.say("word-stop", &["stop", "--reason", "word-stop"]).await;
    machine.say("word-resume", &["resume", "--reason", "word-resume"]).await;
    reader.close().await;
}
