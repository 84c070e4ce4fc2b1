//! What the crash tests kill in: a fleet of devices in a simulated tenant that outlives every kill, and
//! the folder of a huntbook that works on it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use huntbook::clock::SystemClock;
use huntbook::sim::{
    Duplicates, Fault, HuntColumn, HuntFault, HuntTable, HuntWindow, Hunter, Sim, SimApp, SimMachine,
    SimOptions,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::process::Process;

/// Devices that the hunt can ever show.
pub(crate) const FLEET: usize = 2000;

/// Every how many devices one does not match the playbook's `where`.
const HARMLESS_EVERY: usize = 4;

/// The name of the environment variable that arms a crash point.
const CRASH_POINT: &str = "HUNTBOOK_CRASH_POINT";

/// Id of a device.
pub(crate) fn device(number: usize) -> String {
    format!("{:040x}", 0x00ab_cdef_0000 + number)
}

/// Whether the playbook wants to act on a device.
pub(crate) const fn matches(number: usize) -> bool {
    !number.is_multiple_of(HARMLESS_EVERY)
}

/// A hunter whose answers grow: every device shown once is shown in every later answer, as rows of a
/// sliding window are.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    shown: AtomicUsize,
}

impl Fleet {
    /// Shows some more devices in the answers to come.
    pub(crate) fn grow(&self, more: usize) {
        let shown = self.shown.load(Ordering::SeqCst);
        self.shown.store((shown + more).min(FLEET), Ordering::SeqCst);
    }

    /// How many devices are shown.
    pub(crate) fn shown(&self) -> usize {
        self.shown.load(Ordering::SeqCst)
    }
}

impl Hunter for Fleet {
    fn answer(&self, _query: &str, _window: HuntWindow, now: Timestamp) -> Result<HuntTable, HuntFault> {
        let columns = vec![
            HuntColumn::new("Timestamp", "DateTime"),
            HuntColumn::new("DeviceId", "String"),
            HuntColumn::new("Risk", "Int64"),
        ];
        let row = |number: usize| -> Map<String, Value> {
            let risk = if matches(number) { 90 } else { 10 };
            [("Timestamp", json!(now)), ("DeviceId", json!(device(number))), ("Risk", json!(risk))]
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect()
        };
        Ok(HuntTable::new(columns, (0..self.shown()).map(row).collect()))
    }
}

/// The tenant and the folder.
pub(crate) struct World {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) sim: Sim,
    folder: TempDir,
}

impl World {
    /// Starts the tenant and writes the folder.
    pub(crate) async fn start() -> Self {
        let fleet = Arc::new(Fleet::default());
        let mut options = SimOptions::sample().expect("the sample tenant is sound");
        options.hunter = Arc::<Fleet>::clone(&fleet);
        // A repeated action takes effect again, so that it cannot hide.
        options.duplicates = Duplicates::Queued;
        // Real services take their time, and a kill must be able to hit it.
        options.faults = vec![
            Fault { delay_ms: 40, ..Fault::on("POST /graph/v1.0/security/runHuntingQuery") },
            Fault { delay_ms: 5, ..Fault::on("POST /mde/api/machines/*/*") },
        ];
        options.data.machines = (0..FLEET)
            .map(|number| SimMachine {
                id: device(number),
                computer_dns_name: format!("ws-{number:04}.contoso.example"),
                ..SimMachine::default()
            })
            .collect();
        let sim = Sim::start(options, Arc::new(SystemClock)).await.expect("the tenant starts");
        let world = Self { fleet, sim, folder: tempfile::tempdir().expect("a folder of our own") };
        world.write();
        world
    }

    fn write(&self) {
        let ends = self.sim.endpoints();
        let settings = format!(
            "tenants:\n  contoso:\n    tenantId: {}\n    auth:\n      clientSecret:\n        clientId: {}\n        \
             secret: {{env: SIM_SECRET}}\n    endpoints: {{login: \"{}\", graph: \"{}\", mde: \"{}\"}}\n\
             channels:\n  soc:\n    webhook: {{url: \"{}/webhook/soc\", privateAddresses: true}}\n\
             guards:\n  maxActions: {{perRun: 100000, perDay: 100000}}\n  maxFailuresInARow: 1000\n  maxCrashes: 1000\n  maxInDoubtPercent: 100\n  maxTimesUsual: 1000\n  maxTargetsOfTenant: 100000\n  maxPercentOfDevicesInRun: {{freely: 100}}\n",
            SimOptions::TENANT_ID,
            SimApp::CLIENT_ID,
            ends.login,
            ends.graph,
            ends.mde,
            ends.hooks,
        );
        fs::write(self.path("huntbook.yaml"), settings).expect("the folder is ours");
        fs::create_dir(self.path("playbooks")).expect("the folder is ours");
        fs::write(self.path("playbooks/contain.yaml"), PLAYBOOK).expect("the folder is ours");
    }

    /// Replaces the playbook in one step, as editors do it; half a file is another test's concern.
    pub(crate) fn edit(&self, text: &str) {
        fs::write(self.path("beside"), text).expect("the folder is ours");
        fs::rename(self.path("beside"), self.path("playbooks/contain.yaml")).expect("the folder is ours");
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts huntbook in the folder, with a crash point armed or none.
    pub(crate) fn spawn(&self, arguments: &[&str], crash_point: Option<&str>) -> Process {
        let armed = crash_point.map(|point| (CRASH_POINT, point));
        self.spawn_with(arguments, armed.as_slice())
    }

    /// The same with this in its environment.
    pub(crate) fn spawn_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("SIM_SECRET", SimApp::SECRET).env("HUNTBOOK_UNPACED", "1");
        command.envs(environment.iter().copied());
        let log =
            fs::OpenOptions::new().create(true).append(true).open(self.path("log")).expect("it is ours");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Process::start(&mut command)
    }

    /// Asks huntbook in the folder for a JSON document: how it ended, and what it said.
    pub(crate) fn ask(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
        command.args(arguments).args(["--format", "json"]).current_dir(self.folder.path()).env_clear();
        let asked = command.env("SIM_SECRET", SimApp::SECRET).output().expect("the binary starts");
        (asked.status.code(), serde_json::from_slice(&asked.stdout).unwrap_or_default())
    }

    /// What every huntbook wrote to standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The end of it, for a failure message.
    pub(crate) fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

/// The playbook's id.
pub(crate) const ID: &str = "5d0c2f7e-31c4-4c0b-9a53-7f5b1e0a9d11";

pub(crate) const PLAYBOOK: &str = r#"schema: 1
id: 5d0c2f7e-31c4-4c0b-9a53-7f5b1e0a9d11
name: Contain
mode: enforce
severity: High
hunt:
  query: |
    DeviceEvents
    | project Timestamp, DeviceId, Risk = ProcessId
  queryPeriod: 1h
  identity: [DeviceId]
schedule: {every: 1s, catchUp: latest}
where: row.Risk > 50
guards:
  maxActions: {perRun: 100000, perDay: 100000}
actions:
  - id: isolate
    isolateDevice: {device: "{{row.DeviceId}}", comment: "{{run.id}} of {{run.startedAt}}"}
  - id: block
    addIndicator:
      indicatorValue: "{{row.DeviceId}}"
      indicatorType: fileSha1
      action: audit
      generateAlert: true
      expiresIn: 30d
      title: "{{run.id}}"
      description: from a contained device
  - id: tag
    tagDevice: {device: "{{row.DeviceId}}", tag: contained}
notify:
  - channel: soc
    title: "contained {{outcome.acted}} devices"
    text: "{{#each items}}{{row.DeviceId}} {{outcome}} {{/each}}"
  - channel: soc
    group: item
    title: "{{item.outcome}} {{row.DeviceId}}"
"#;
