//! `huntbook record` and `huntbook backtest`, through the binary, against the simulated tenant.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use huntbook::clock::{SharedClock, ShiftedClock, SystemClock};
use huntbook::sim::{Sim, SimApp, SimOptions};

const SECRET_NAME: &str = "HUNTBOOK_TEST_SECRET";

/// A project with the shipped playbooks and lists, and a simulated tenant in the middle of its story.
struct Project {
    sim: Sim,
    dir: tempfile::TempDir,
}

impl Project {
    async fn open() -> Self {
        Self::open_with(Arc::new(SystemClock)).await
    }

    /// Opens one whose tenant has a clock of its own.
    async fn open_with(clock: SharedClock) -> Self {
        let options = SimOptions::story(clock.now()).unwrap();
        let sim = Sim::start(options, clock).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (at, tenant) = (sim.endpoints(), SimOptions::TENANT_ID);
        let mut settings = format!(
            "tenants:\n  contoso:\n    tenantId: {tenant}\n    auth:\n      clientSecret: {{clientId: {}, secret: {{env: {SECRET_NAME}}}}}\n    \
             endpoints: {{login: \"{}\", graph: \"{}\", mde: \"{}\", xdr: \"{}\"}}\nlists: playbooks/lists\nchannels:\n",
            SimApp::CLIENT_ID,
            at.login,
            at.graph,
            at.mde,
            at.xdr,
        );
        for channel in ["soc-teams", "soc-slack", "soc-mail", "siem-webhook"] {
            settings.push_str("  ");
            settings.push_str(channel);
            settings.push_str(": {webhook: {url: \"https://hooks.example/x\"}}\n");
        }
        fs::write(dir.path().join("huntbook.yaml"), settings).unwrap();
        fs::create_dir_all(dir.path().join("playbooks/lists")).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
        for folder in ["", "lists"] {
            for entry in fs::read_dir(shipped.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_file() && !name.contains(".test.") {
                    fs::copy(&path, dir.path().join("playbooks").join(folder).join(name)).unwrap();
                }
            }
        }
        Self { sim, dir }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs the binary without holding up the tenant, which lives on this runtime.
    async fn huntbook(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
        command.args(arguments).current_dir(self.dir.path()).env_clear().env(SECRET_NAME, SimApp::SECRET);
        tokio::task::spawn_blocking(move || command.output().expect("the binary starts"))
            .await
            .expect("the task ends")
    }

    /// Runs the binary; it must end with `code`. Gives what it says.
    async fn says(&self, arguments: &[&str], code: i32) -> String {
        let output = self.huntbook(arguments).await;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{}: {out}\n{err}", arguments.join(" "));
        [out, err].concat()
    }
}

/// Everything written below a folder.
fn written(folder: &Path) -> String {
    let mut names: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names.iter().map(|name| fs::read_to_string(name).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_is_scrubbed_and_tests_the_playbook() {
    let project = Project::open().await;
    project.says(&["record", "psexec-fanout", "--tables"], 0).await;
    project.says(&["record", "password-spray"], 0).await;
    project.says(&["record", "reported-mail"], 0).await;
    project.says(&["record", "Close incidents of the exercise"], 0).await;
    let fixtures = written(&project.at("playbooks/fixtures"));
    // People, devices and addresses of the story, and what the sample tenant's ids begin with.
    for trace in [
        "nils.holm",
        "Nils",
        "wks-0",
        "srv-deploy",
        "pki-jump",
        "10.20.4",
        "0b5bdebc",
        "0385f1f2",
        "1004336348",
    ] {
        assert!(!fixtures.contains(trace), "{trace} is in {fixtures}");
    }
    let test = fs::read_to_string(project.at("playbooks/psexec-fanout.test.yaml")).unwrap();
    // The test holds what happened: one isolated, the packager and the crown jewel left alone.
    for line in ["acted: 1", "skipped: 2", "DeviceFileEvents: ", "lists: {\"crownJewels\":[\"device-"] {
        assert!(test.contains(line), "{line}: {test}");
    }
    let said = project.says(&["test"], 0).await;
    assert!(said.contains("4 tests: 4 passed"), "{said}");
    // Nothing was changed in the tenant.
    assert_eq!(project.sim.effects(), []);
    project.sim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_asked_with_keeps_what_the_query_finds_in_texts() {
    let project = Project::open().await;
    let shipped = fs::read_to_string(project.at("playbooks/lsass-dump.yaml")).unwrap();
    let (before, rest) = shipped.split_once("    | where ").unwrap();
    let (_, after) = rest.split_once("    | project ").unwrap();
    let parameters =
        "  parameters: {terms: \"{{lists.terms}}\", both: \"{{lists.both}}\"}\n  queryFrequency:";
    let asks = format!(
        "{before}    | where ProcessCommandLine has_any (@terms)\n    | where not(ProcessCommandLine has_all (@both))\n    | project {}",
        after.replace("  queryFrequency:", parameters)
    );
    fs::write(project.at("playbooks/lsass-dump.yaml"), asks).unwrap();
    // `find` is a word of the language, and names of devices are replaced.
    fs::write(project.at("playbooks/lists/terms.txt"), "COMSVCS\nfind.exe\nwks-0\n").unwrap();
    fs::write(project.at("playbooks/lists/both.txt"), "comsvcs\nnowhere at all\n").unwrap();
    let said = project.says(&["record", "lsass-dump", "--tables"], 0).await;
    assert!(!said.contains("finds none of the "), "{said}");
    let test = fs::read_to_string(project.at("playbooks/lsass-dump.test.yaml")).unwrap();
    for part in
        ["acted: 1", r#""terms":["COMSVCS","nobody.invalid"]"#, r#""both":["comsvcs","nobody.invalid"]"#]
    {
        assert!(test.contains(part), "{part}: {test}");
    }
    // The filters went along: nothing else was fetched.
    let rows =
        fs::read_to_string(project.at("playbooks/fixtures/lsass-dump.DeviceProcessEvents.ndjson")).unwrap();
    assert!(0 < rows.lines().count() && rows.lines().all(|row| row.contains("comsvcs")), "{rows}");
    project.says(&["test"], 0).await;
    // A part of a name is not left where the name is replaced.
    assert!(said.contains("left out of the list `terms`: 1 of its entries"), "{said}");
    assert!(!test.contains("wks-0"), "{test}");
    project.sim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fixtures_are_overwritten_only_when_told_and_come_out_the_same() {
    let project = Project::open().await;
    project.says(&["record", "lsass-dump"], 0).await;
    let machines = || fs::read_to_string(project.at("playbooks/fixtures/lsass-dump.machines.json")).unwrap();
    let first = machines();
    let said = project.says(&["record", "lsass-dump"], 78).await;
    assert!(said.contains("--force"), "{said}");
    project.says(&["record", "lsass-dump", "--force"], 0).await;
    assert_eq!(machines(), first);
    project.says(&["record", "no such playbook"], 2).await;
    // A list that cannot be read is told of, whoever reads it.
    fs::write(project.at("playbooks/lists/broken.yaml"), "a: {").unwrap();
    for arguments in [&["record", "lsass-dump", "--force"][..], &["backtest", "lsass-dump", "--from", "1h"]] {
        let said = project.says(arguments, 0).await;
        assert!(said.contains("lists/broken.yaml:1:"), "{said}");
    }
    project.says(&["record", "lsass-dump", "--rows", "0"], 2).await;
    project.sim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn past_hours_are_replayed_run_by_run() {
    let project = Project::open().await;
    let out = project.says(&["backtest", "psexec-fanout", "--from", "4h", "--format", "json"], 0).await;
    let replay: serde_json::Value = serde_json::from_str(&out).unwrap();
    let runs = replay.pointer("/runs").and_then(serde_json::Value::as_array).unwrap();
    // Every quarter of an hour.
    assert!((15..=17).contains(&runs.len()), "{}", runs.len());
    let total =
        |heading: &str| replay.pointer(&format!("/totals/{heading}")).and_then(serde_json::Value::as_u64);
    // The fan-out was isolated in one run, and known in those after it.
    assert_eq!((total("acted"), total("failed"), total("halted")), (Some(1), Some(0), Some(0)), "{out}");
    assert!(total("duplicates") > Some(0), "{out}");
    assert!(out.contains("acted isolate wks-014.contoso.example"), "{out}");
    let said = project.says(&["backtest", "psexec-fanout", "--from", "4h", "--every", "2h"], 0).await;
    assert!(said.contains(" 2 runs from ") || said.contains(" 3 runs from "), "{said}");
    // A share of the devices is reckoned from those of the time, in the tenant and in what was recorded, and where
    // the query looks at the devices itself.
    project.says(&["record", "psexec-fanout", "--tables", "--since", "4h"], 0).await;
    let shipped = fs::read_to_string(project.at("playbooks/psexec-fanout.yaml")).unwrap();
    let joined = shipped.replace(
        "    DeviceFileEvents\n",
        "    let known = DeviceInfo | where DeviceName startswith 'wks-014';\n    DeviceFileEvents\n    | where DeviceId in ((known | project DeviceId))\n",
    );
    assert_ne!(joined, shipped);
    fs::write(
        project.at("joined.yaml"),
        joined.replacen("id: ", "id: 7a1b3c5d-0000-4000-8000-000000000001 # ", 1),
    )
    .unwrap();
    let said = project.says(&["backtest", "joined.yaml", "--from", "4h"], 0).await;
    assert!(said.contains("acted 1") && !said.contains("halted"), "{said}");
    // Names are others there, so that no list of exceptions fits: too many are isolated, but of all devices.
    let data = ["backtest", "psexec-fanout", "--from", "4h", "--data", "playbooks/fixtures"];
    let said = project.says(&data, 0).await;
    assert!(said.contains("15 % of 19 devices"), "{said}");
    fs::remove_dir_all(project.at("playbooks/fixtures")).unwrap();
    // The same from what was recorded, without a tenant.
    project.says(&["record", "lsass-dump", "--tables"], 0).await;
    let requests = project.sim.requests().len();
    let data = ["backtest", "lsass-dump", "--from", "6h", "--data", "playbooks/fixtures"];
    let said = project.says(&data, 0).await;
    assert!(said.contains("acted 1"), "{said}");
    assert_eq!(project.sim.requests().len(), requests);
    assert_eq!(project.sim.effects(), []);
    project.sim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_is_that_of_the_tenant() {
    let clock = ShiftedClock::starting("2026-01-10T12:00:00Z".parse().unwrap(), Arc::new(SystemClock));
    let project = Project::open_with(Arc::new(clock)).await;
    let said = project.says(&["record", "psexec-fanout", "--tables"], 0).await;
    assert!(said.contains("the clock of the tenant shows 2026-01-10T12:"), "{said}");
    let test = fs::read_to_string(project.at("playbooks/psexec-fanout.test.yaml")).unwrap();
    for line in ["clock: 2026-01-10T12:", "acted: 1", "skipped: 2"] {
        assert!(test.contains(line), "{line}: {test}");
    }
    project.says(&["test"], 0).await;
    for period in [&["--from", "4h"][..], &["--from", "2026-01-10T08:00:00Z"]] {
        let said = project.says(&[&["backtest", "psexec-fanout"], period].concat(), 0).await;
        assert!(said.contains("acted 1") && said.contains("2026-01-10"), "{said}");
    }
    // What was recorded has no clock: the time must be named.
    let data = ["--data", "playbooks/fixtures", "--from"];
    let said = project.says(&[&["backtest", "psexec-fanout"], &data[..], &["4h"]].concat(), 78).await;
    assert!(said.contains("name their time with --from and --to"), "{said}");
    let period = ["2026-01-10T08:00:00Z", "--to", "2026-01-10T12:00:00Z"];
    project.says(&[&["backtest", "psexec-fanout"], &data[..], &period].concat(), 0).await;
    assert_eq!(project.sim.effects(), []);
    project.sim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_test_that_finds_nothing_is_told_of() {
    let project = Project::open().await;
    let shipped = fs::read_to_string(project.at("playbooks/psexec-fanout.yaml")).unwrap();
    let narrowed =
        shipped.replace("    DeviceFileEvents\n", "    DeviceFileEvents\n    | where Timestamp > ago(1s)\n");
    assert_ne!(narrowed, shipped);
    fs::write(project.at("playbooks/psexec-fanout.yaml"), narrowed).unwrap();
    let said = project.says(&["record", "psexec-fanout", "--tables"], 0).await;
    assert!(said.contains("finds none of the "), "{said}");
    project.sim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_replayed_is_said() {
    let project = Project::open().await;
    for (arguments, part) in [
        (["triage-assign", "--from", "1d"], "the queue has no past"),
        (["lsass-dump", "--from", "40d"], "keeps 30 days"),
        (["lsass-dump", "--from", "yesterday"], "is no moment"),
        (["lsass-dump", "--from", "2126-01-01"], "is not before"),
    ] {
        let said = project.says(&[&["backtest"], arguments.as_slice()].concat(), 78).await;
        assert!(said.contains(part), "{part}: {said}");
    }
    let said =
        project.says(&["backtest", "lsass-dump", "--from", "1d", "--data", "playbooks/lists"], 78).await;
    assert!(said.contains("holds no tables"), "{said}");
    project.says(&["backtest", "lsass-dump"], 2).await;
    project.sim.stop().await;
}
