//! Parameters of hunting queries, through the real binary: what the tenant is asked over HTTP, what it answers, and
//! what is done about it.

#![expect(clippy::panic, clippy::expect_used, reason = "test helpers")]

#[path = "history/held.rs"]
mod held;
#[path = "history/mod.rs"]
mod history;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use held::Held;
use huntbook::clock::{Clock as _, SystemClock};
use huntbook::hunt::VALUES_MAX;
use huntbook::kql::{Library, Schema};
use huntbook::sim::{HuntFault, HuntTable, HuntWindow, Hunter, Sim, SimApp, SimOptions, TableHunter};
use huntbook::text::encode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// How often something is looked for that another process does.
const LOOKS_MAX: u32 = 600;

/// Answers with tables, and keeps what it was asked.
#[derive(Debug)]
struct Recorder {
    tables: TableHunter,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hunter for Recorder {
    fn answer(&self, query: &str, window: HuntWindow, now: Timestamp) -> Result<HuntTable, HuntFault> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(query.to_owned());
        self.tables.answer(query, window, now)
    }
}

/// A folder with settings and one playbook, and the tenant they speak of.
struct Place {
    /// Looked at when the test is over, before the folder goes.
    _held: Held,
    top: tempfile::TempDir,
    sim: Arc<Sim>,
    devices: Vec<String>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Place {
    /// A tenant whose devices are called like this.
    async fn new(names: &[&str], hunt: &str) -> Self {
        let mut options = SimOptions::sample().expect("the sample");
        let machines = options.data.machines.iter().map(|machine| machine.id.clone());
        let devices: Vec<String> = machines.take(names.len()).collect();
        assert_eq!(devices.len(), names.len(), "the sample has as many devices");
        let now = SystemClock.now();
        let rows: Vec<Map<String, Value>> = names
            .iter()
            .zip(&devices)
            .map(|(name, id)| json!({"Timestamp": now.to_string(), "DeviceId": id, "FileName": name}))
            .filter_map(|row| row.as_object().cloned())
            .collect();
        let mut library = Library::of_tenant(&Schema::defender());
        library.fill("DeviceEvents", &rows).expect("rows");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let tables = TableHunter::new(library);
        options.hunter = Arc::new(Recorder { tables, asked: Arc::clone(&asked) });
        let sim = Arc::new(Sim::start(options, Arc::new(SystemClock)).await.expect("the tenant starts"));
        let top = tempfile::tempdir().expect("a folder");
        let held = Held::new(top.path().join("huntbook.db"));
        held.tenant("contoso", &sim);
        let place = Self { _held: held, top, sim, devices, asked };
        let at = place.sim.endpoints();
        let settings = json!({
            "tenants": {"contoso": {
                "tenantId": SimOptions::TENANT_ID,
                "auth": {"clientSecret": {"clientId": SimApp::CLIENT_ID, "secret": {"env": "SIM_SECRET"}}},
                "endpoints": {"login": at.login, "graph": at.graph, "mde": at.mde, "xdr": at.xdr},
            }},
            "guards": {"maxTargetsOfTenant": 50, "maxPercentOfDevicesInRun": {"freely": 100}, "exclude": {"deviceValues": []}},
        });
        place.put("huntbook.yaml", &settings.to_string());
        place.put("playbooks/p.yaml", &playbook(hunt));
        std::fs::create_dir(place.at("lists")).expect("a folder");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        let file = self.at(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, text).expect("a file");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
        command.args(arguments).current_dir(self.top.path()).env_clear().env("SIM_SECRET", SimApp::SECRET);
        command
    }

    async fn huntbook(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = self.command(arguments);
        let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("it goes on");
        let Output { status, stdout, stderr } = ran.expect("the binary starts");
        let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (status.code(), said.concat())
    }

    /// The playbook's queries that the tenant was asked.
    fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|query| query.contains("DeviceEvents")).cloned().collect()
    }

    /// The names of the devices that were isolated.
    fn isolated(&self, names: &[&str]) -> Vec<String> {
        let requests = self.sim.requests();
        let is_isolated =
            |id: &str| requests.iter().any(|request| request.path.ends_with(&format!("{id}/isolate")));
        let all = self.devices.iter().zip(names);
        all.filter(|(id, _)| is_isolated(id)).map(|(_, name)| (*name).to_owned()).collect()
    }

    /// Runs, the latest first; none before there is a journal.
    fn runs(&self) -> Vec<Value> {
        let output =
            self.command(&["--format", "json", "runs", "--limit", "1000"]).output().expect("it starts");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Waits until something is true of the runs, the latest first.
    async fn until_runs<T>(&self, what: &str, find: impl Fn(&[Value]) -> Option<T>) -> T {
        for _look in 0..LOOKS_MAX {
            if let Some(found) = find(&self.runs()) {
                return found;
            }
            SystemClock.sleep(SignedDuration::from_millis(100)).await;
        }
        panic!("waited for: {what}");
    }
}

/// A playbook that isolates what its hunt gives.
fn playbook(hunt: &str) -> String {
    format!(
        "schema: 1\nid: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77\nname: Asks\nmode: enforce\nseverity: High\n\
         hunt:\n  queryPeriod: 1h\n  identity: [DeviceId]\n{hunt}\
         actions:\n  - isolateDevice: {{device: \"{{{{row.DeviceId}}}}\", comment: x}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenant_is_asked_with_each_value_as_one_literal() {
    let names = ["a.exe", "B.exe", "c.exe", "d.exe"];
    let place = Place::new(
        &names,
        r#"  query: |
    // @names is not filled in here, nor in "@names" and @"@names"
    DeviceEvents
    | where FileName in~ (@names) and FileName !in (@left) and FileName != "@names" and FileName != @"@names"
    | where Timestamp > @since and Timestamp > ago(@back) and strlen(FileName) > @more and @yes
    | where FileName != @text and 1.0 > @share and 99 / @total > 0.5 and strlen(FileName) in (@sizes) | take @most
    | project Timestamp, DeviceId
  parameters:
    names: "{{lists.wanted}}"
    left: [d.exe]
    since: {datetime: 2026-01-01T01:00:00+01:00}
    back: {timespan: 7d}
    more: -1
    yes: true
    text: "{lists.wanted} \\ \"x\""
    share: 0.5
    total: 100.0
    sizes: [5, 6]
    most: 100
"#,
    )
    .await;
    place.put("lists/wanted.csv", "Name,Why\nA.EXE,one\n\"b.exe\",two\nd.exe,three\n");
    let (code, said) = place.huntbook(&["run", "Asks"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        place.asked(),
        [r#"// @names is not filled in here, nor in "@names" and @"@names"
DeviceEvents
| where FileName in~ (dynamic(["A.EXE","b.exe","d.exe"])) and FileName !in (dynamic(["d.exe"])) and FileName != "@names" and FileName != @"@names"
| where Timestamp > datetime(2026-01-01T00:00:00.0000000Z) and Timestamp > ago(timespan(7.00:00:00.0000000)) and strlen(FileName) > long(-1) and true
| where FileName != "{lists.wanted} \\ \"x\"" and 1.0 > 0.5 and 99 / 100.0 > 0.5 and strlen(FileName) in (dynamic([5,6])) | take 100
| project Timestamp, DeviceId
"#]
    );
    assert_eq!(place.isolated(&names), ["a.exe", "B.exe"]);
}

const BY_LIST: &str = "  query: DeviceEvents | where FileName in~ (@names) | project Timestamp, DeviceId
  parameters: {names: \"{{lists.wanted}}\"}
";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_on_a_list_is_more_than_a_value() {
    let hostile = [
        "\") or true //",
        "'])) or true //",
        "\\",
        "\\\") or true //",
        "x\nor true",
        "x\r| union DeviceEvents",
        "@names",
        "{{lists.wanted}}",
        "\u{2028}\u{202e}]) or true",
        "a\"b'c😀é",
    ];
    let names = [hostile[0], hostile[4], hostile[9], "plain.exe"];
    let place = Place::new(&names, BY_LIST).await;
    place.put("lists/wanted.yaml", &encode::json(&json!(hostile).to_string()));
    let (code, said) = place.huntbook(&["run", "Asks"]).await;
    assert_eq!(code, Some(0), "{said}");
    let asked = place.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].lines().count(), 1, "{asked:?}");
    assert_eq!(place.isolated(&names), names[..3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_what_a_parameter_stands_for_the_run_fails_and_asks_nothing() {
    let names = ["a.exe", "b.exe"];
    let hunt = "  query: DeviceEvents | where FileName !in~ (@names) | project Timestamp, DeviceId
  parameters: {names: \"{{lists.wanted}}\"}
";
    let place = Place::new(&names, hunt).await;
    let many = (0..=VALUES_MAX).map(|number| format!("{number}.exe\n")).collect::<Vec<_>>().concat();
    let lists = [
        ("# nobody\n", "`@names` stands for the list `wanted`, which has no entries"),
        (
            many.as_str(),
            "`@names` stands for the list `wanted`, which has 10001 entries; at most 10000 go into a query",
        ),
    ];
    for (list, reason) in lists {
        place.put("lists/wanted.txt", list);
        let (code, said) = place.huntbook(&["validate"]).await;
        assert_eq!((code, said.contains("warning[HB0502]")), (Some(0), true), "{said}");
        let (code, said) = place.huntbook(&["run", "Asks"]).await;
        assert_eq!((code, said.contains(reason)), (Some(1), true), "{said}");
        assert_eq!((place.asked().len(), place.isolated(&names).len()), (0, 0));
        assert_eq!(place.runs()[0]["state"], "failed");
    }
    std::fs::remove_file(place.at("lists/wanted.txt")).expect("it was there");
    let (code, said) = place.huntbook(&["run", "Asks"]).await;
    assert_eq!((code, said.contains("error[HB0501]: there is no list `wanted`")), (Some(78), true), "{said}");
    // As many as there may be are taken.
    place.put("lists/wanted.txt", many.split_once('\n').expect("lines").1);
    let (code, said) = place.huntbook(&["run", "Asks", "--dry-run"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(place.asked().len(), 1);
    assert!(place.asked()[0].contains("\"10000.exe\"])"));
}

/// A daemon that is ended with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_run_asks_with_the_list_as_it_is_by_then() {
    let names = ["a.exe", "b.exe"];
    let place = Place::new(&names, BY_LIST).await;
    let scheduled = format!("{}schedule: {{every: 1s}}\n", playbook(BY_LIST));
    place.put("playbooks/p.yaml", &scheduled);
    place.put("lists/wanted.txt", "a.exe\n");
    let log = std::fs::File::create(place.at("log")).expect("a file");
    let served = place.command(&["serve"]).stdout(Stdio::null()).stderr(log).spawn().expect("it starts");
    let _served = Served(served);
    let is_asked = |text: &str| place.asked().last().is_some_and(|query| query.contains(text));
    let acted = |runs: &[Value]| runs.iter().any(|run| run["counts"]["matched"] == 1).then_some(());
    place.until_runs("the first device is found", acted).await;
    assert!(is_asked(r#"(dynamic(["a.exe"]))"#), "{:?}", place.asked());
    place.put("lists/wanted.txt", "a.exe\nb.exe\n");
    place
        .until_runs("the longer list is asked with", |_| is_asked(r#"["a.exe","b.exe"]"#).then_some(()))
        .await;
    place.put("lists/wanted.txt", "");
    let failed = |runs: &[Value]| runs.first().filter(|run| run["state"] == "failed").cloned();
    place.until_runs("a run fails", failed).await;
    let asked = place.asked().len();
    let failed =
        |runs: &[Value]| (2 <= runs.iter().filter(|run| run["state"] == "failed").count()).then_some(());
    place.until_runs("another fails", failed).await;
    assert_eq!(place.asked().len(), asked, "nothing is asked meanwhile");
    place.put("lists/wanted.txt", "b.exe\n");
    place.until_runs("it goes on", |_| is_asked(r#"(dynamic(["b.exe"]))"#).then_some(())).await;
    let both = |_: &[Value]| (place.isolated(&names) == names).then_some(());
    place.until_runs("both are isolated", both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_and_a_recording_ask_the_filled_query() {
    let names = ["a.exe", "b.exe"];
    let place = Place::new(&names, BY_LIST).await;
    place.put("lists/wanted.txt", "a.exe\nelsewhere.exe\n");
    let (code, said) = place.huntbook(&["run", "Asks", "--dry-run"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!((place.asked().len(), place.isolated(&names).len()), (1, 0));
    assert!(place.asked()[0].contains(r#"(dynamic(["a.exe","elsewhere.exe"]))"#));
    let (code, said) = place.huntbook(&["record", "Asks"]).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = place.huntbook(&["test"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(Path::new(&place.at("playbooks/p.test.yaml")).exists(), "{said}");
}
