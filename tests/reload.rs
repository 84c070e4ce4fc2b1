//! Hot reload as it happens: the binary serves, real files change under inotify, and what is in force and
//! what has run is asked for with `status` and `runs`, against a simulated tenant.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers; what is missing fails the test"
)]

#[path = "history/held.rs"]
mod held;
#[path = "history/mod.rs"]
mod history;
#[path = "reload/left.rs"]
mod left;
#[path = "reload/lists.rs"]
mod lists;
#[path = "reload/raised.rs"]
mod raised;
#[path = "reload/risk.rs"]
mod risk;
#[path = "reload/saves.rs"]
mod saves;
#[path = "reload/trust.rs"]
mod trust;
#[path = "reload/writes.rs"]
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use held::Held;
use huntbook::clock::{Clock as _, SystemClock};
use huntbook::sim::{CannedHunter, Fault, GeneratedHunter, HuntColumn, HuntTable, Sim, SimApp, SimOptions};
use huntbook::store::ContentHash;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How often something is looked for, and how long that is at least: ten looks a second, a minute.
const LOOKS_MAX: u32 = 600;
const LOOK_EVERY: SignedDuration = SignedDuration::from_millis(100);

/// The hunting call of the tenant's API.
const HUNTING: &str = "POST /graph/v1.0/security/runHuntingQuery";
const EVERY_SECOND: &str = "schedule: {every: 1s, catchUp: all, overlap: queue}\n";
const NEVER: &str = "schedule: {cron: \"0 0 29 2 *\"}\n";

/// A folder with settings, playbooks and lists, and the tenant they speak of.
struct Place {
    /// Looked at when the test is over, before the folder goes.
    held: Held,
    top: TempDir,
    sim: Arc<Sim>,
}

/// A `huntbook serve`. Dropping it kills it.
struct Served {
    child: Child,
    log: PathBuf,
}

impl Place {
    async fn new() -> Self {
        Self::with("playbooks").await
    }

    /// A place whose settings name this directory of playbooks.
    async fn with(playbooks: &str) -> Self {
        let table = HuntTable::new(
            vec![HuntColumn::new("DeviceId", "String"), HuntColumn::new("ReportId", "Int64")],
            vec![json!({"DeviceId": "one", "ReportId": 1}).as_object().unwrap().clone()],
        );
        let mut options = SimOptions::sample().unwrap();
        let machines = options.data.machines.iter().take(3);
        let rows = machines.map(|machine| json!({"DeviceId": machine.id}).as_object().unwrap().clone());
        let devices = HuntTable::new(vec![HuntColumn::new("DeviceId", "String")], rows.collect());
        let canned =
            CannedHunter::new().when("DeviceProcessEvents", Ok(table)).when("DeviceEvents", Ok(devices));
        options.hunter = Arc::new(GeneratedHunter::before(Arc::new(canned)));
        let sim = Arc::new(Sim::start(options, Arc::new(SystemClock)).await.unwrap());
        let top = tempfile::tempdir().unwrap();
        let place = Self { held: Held::new(top.path().join("huntbook.db")), top, sim };
        place.held.tenant("contoso", &place.sim);
        let ends = place.sim.endpoints();
        let settings = json!({
            "tenants": {"contoso": {
                "tenantId": SimOptions::TENANT_ID,
                "auth": {"clientSecret": {
                    "clientId": SimApp::CLIENT_ID, "secret": {"env": "RELOAD_TEST_SECRET"},
                }},
                "endpoints": {"login": ends.login, "graph": ends.graph, "mde": ends.mde},
            }},
            "channels": {"watch": {"webhook": {"url": format!("{}/webhook/watch", ends.hooks), "privateAddresses": true}}},
            "alerts": {"channel": "watch"},
            // The tenant has no more devices than the playbooks act on.
            "guards": {"maxTargetsOfTenant": 50, "maxPercentOfDevicesInRun": {"freely": 100}, "exclude": {"deviceValues": []}},
            "playbooks": playbooks,
        });
        place.put("huntbook.yaml", settings.to_string());
        if playbooks == "playbooks" {
            fs::create_dir(place.at("playbooks")).unwrap();
        }
        fs::create_dir(place.at("lists")).unwrap();
        place
    }

    /// Writes a key into the settings.
    fn set(&self, key: &str, value: Value) {
        let mut settings: Value =
            serde_json::from_slice(&fs::read(self.at("huntbook.yaml")).unwrap()).unwrap();
        settings[key] = value;
        self.put("huntbook.yaml", settings.to_string());
    }

    fn at(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    /// Writes a file in place.
    fn put(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), text).unwrap();
    }

    /// Writes a file beside its place and moves it there: nobody sees half of it.
    fn replace(&self, name: &str, text: &str) {
        let beside = self.at(&format!("{name}.tmp"));
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.at(name)).unwrap();
    }

    fn huntbook(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
        command.env("RELOAD_TEST_SECRET", SimApp::SECRET).arg("--config").arg(self.at("huntbook.yaml"));
        command
    }

    /// Asks the journal through the command line.
    fn ask(&self, arguments: &[&str]) -> Value {
        let output = self.huntbook().args(["--format", "json"]).args(arguments).output().unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_no_json| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Runs, the latest first.
    fn runs(&self) -> Vec<Value> {
        self.ask(&["runs", "--limit", "1000"]).as_array().unwrap().clone()
    }

    /// The versions in force, by file name.
    fn live(&self) -> BTreeMap<String, String> {
        let status = self.ask(&["status"]);
        let live = status["playbooks"].as_array().unwrap().iter().map(|live| {
            let file = Path::new(live["file"].as_str().unwrap()).file_name().unwrap();
            (file.to_str().unwrap().to_owned(), live["playbookVersion"].as_str().unwrap().to_owned())
        });
        live.collect()
    }

    /// The problems of refused files, by file name.
    fn refused(&self) -> BTreeMap<String, Value> {
        let status = self.ask(&["status"]);
        let refused = status["refused"].as_array().unwrap().iter().map(|refused| {
            let file = Path::new(refused["file"].as_str().unwrap()).file_name().unwrap();
            (file.to_str().unwrap().to_owned(), refused["diagnostics"][0].clone())
        });
        refused.collect()
    }

    /// The files held, by name.
    fn held(&self) -> BTreeSet<String> {
        let status = self.ask(&["status"]);
        let held = status["held"].as_array().unwrap().iter().map(|held| {
            let file = Path::new(held["file"].as_str().unwrap()).file_name().unwrap();
            file.to_str().unwrap().to_owned()
        });
        held.collect()
    }

    /// Messages to people that contain a text.
    fn told(&self, needle: &str) -> usize {
        self.sim.messages().iter().filter(|message| message.body.contains(needle)).count()
    }

    async fn serve(&self) -> Served {
        self.serve_within(LOOKS_MAX).await
    }

    async fn serve_within(&self, looks_max: u32) -> Served {
        self.serve_by(self.huntbook(), looks_max).await
    }

    async fn serve_by(&self, mut huntbook: Command, looks_max: u32) -> Served {
        let log = self.at(&format!("log-{}", fs::read_dir(self.top.path()).unwrap().count()));
        let child = huntbook
            .args(["--log", "huntbook=info", "--log-format", "json", "serve"])
            .stderr(File::create(&log).unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let served = Served { child, log };
        look("huntbook serves", looks_max, || served.text().contains("huntbook serves").then_some(())).await;
        served
    }

    /// Waits until a text is the version in force of a file.
    #[track_caller]
    fn until_live(&self, file: &str, text: &str) -> impl Future<Output = ()> {
        let version = ContentHash::of(text.as_bytes()).to_string();
        let what = format!("{version} in force as {file}");
        async move {
            until(&what, || (self.live().get(file) == Some(&version)).then_some(())).await;
        }
    }

    /// Waits until a run that began after this call has ended, and returns it.
    async fn next_run(&self) -> Value {
        let since = SystemClock.now();
        let began = |run: &Value| run["started"].as_str().unwrap().parse::<Timestamp>().unwrap();
        let ended = |run: &Value| run["finished"].is_string() && since < began(run);
        until("a run ends", || self.runs().into_iter().find(ended)).await
    }
}

impl Served {
    fn text(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The fields of the log lines with this message.
    fn logged(&self, message: &str) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let fields = lines.map(|mut line| line["fields"].take());
        fields
            .filter(|fields| fields["message"].as_str().is_some_and(|text| text.starts_with(message)))
            .collect()
    }

    /// The slots that the log says were dropped, with their playbooks.
    fn dropped(&self) -> BTreeSet<(String, i64)> {
        let dropped = self.logged("a due run was dropped");
        dropped
            .iter()
            .map(|fields| (fields["playbook"].as_str().unwrap().to_owned(), instant(&fields["slot"])))
            .collect()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    async fn ended(&mut self) -> ExitStatus {
        until("the process ends", || self.child.try_wait().unwrap()).await
    }

    async fn stop(self) {
        self.stopped().await;
    }

    /// The same; its log can still be read.
    async fn stopped(mut self) -> Self {
        self.signal("TERM");
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "{}", self.text());
        self
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn instant(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<Timestamp>().unwrap().as_second()
}

/// Sees to it that every slot of every playbook between its first and its last had one run, but for those that the log
/// says were dropped: a slow machine may let a run last over the next. Gives how many slots the first playbook had.
fn slots_once(place: &Place, every_s: i64, dropped: &BTreeSet<(String, i64)>) -> usize {
    let mut all = BTreeMap::<String, BTreeMap<i64, u32>>::new();
    for run in place.runs() {
        let slots = all.entry(run["playbook"].as_str().unwrap().to_owned()).or_default();
        *slots.entry(instant(&run["scheduledFor"])).or_default() += 1;
    }
    for (playbook, slots) in &all {
        let (first, last) = (*slots.keys().next().unwrap(), *slots.keys().next_back().unwrap());
        let mut slot = first;
        while slot <= last {
            let expected = u32::from(!dropped.contains(&(playbook.clone(), slot)));
            let found = slots.get(&slot).copied().unwrap_or(0);
            assert_eq!(found, expected, "{slot} of {playbook}: {slots:?}, dropped {dropped:?}");
            slot += every_s;
        }
    }
    all.values().next().map_or(0, BTreeMap::len)
}

async fn pause(length_ms: i64) {
    SystemClock.sleep(SignedDuration::from_millis(length_ms)).await;
}

async fn until<T>(what: &str, find: impl FnMut() -> Option<T>) -> T {
    look(what, LOOKS_MAX, find).await
}

async fn look<T>(what: &str, looks_max: u32, mut find: impl FnMut() -> Option<T>) -> T {
    for _look in 0..looks_max {
        if let Some(found) = find() {
            return found;
        }
        SystemClock.sleep(LOOK_EVERY).await;
    }
    panic!("waited for: {what}");
}

/// A playbook by its number, with more keys at its end.
fn playbook(number: u32, more: &str) -> String {
    format!(
        "schema: 1\nid: 0f3e8a10-5b7c-4d21-9e64-{number:012}\nname: watched {number}\nseverity: Low\n\
         hunt:\n  query: DeviceProcessEvents | project DeviceId, ReportId\n  queryPeriod: 1h\n  \
         columns: {{DeviceId: string, ReportId: long}}\n{more}"
    )
}

/// A version of a playbook.
fn version(number: u32) -> String {
    playbook(1, &format!("{EVERY_SECOND}falsePositives:\n  - first of {number}\n  - second of {number}\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kubernetes_mount_is_followed() {
    let place = Place::new().await;
    let mount = |name: &str, text: &str| {
        place.put(&format!("playbooks/..{name}/a.yaml"), text);
        symlink(format!("..{name}"), place.at("playbooks/..data_tmp")).unwrap();
        fs::rename(place.at("playbooks/..data_tmp"), place.at("playbooks/..data")).unwrap();
    };
    mount("2026_01", &version(1));
    symlink("..data/a.yaml", place.at("playbooks/a.yaml")).unwrap();
    let served = place.serve().await;
    place.until_live("a.yaml", &version(1)).await;
    for number in 2..5 {
        mount(&format!("2026_{number:02}"), &version(number));
        fs::remove_dir_all(place.at(&format!("playbooks/..2026_{:02}", number - 1))).unwrap();
        place.until_live("a.yaml", &version(number)).await;
    }
    assert_eq!(served.logged("a file is refused"), Vec::<Value>::new());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_directory_is_followed() {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", version(1));
    let served = place.serve().await;
    place.until_live("a.yaml", &version(1)).await;

    place.put("next/a.yaml", version(2));
    fs::remove_dir_all(place.at("playbooks")).unwrap();
    fs::rename(place.at("next"), place.at("playbooks")).unwrap();
    place.until_live("a.yaml", &version(2)).await;

    place.put("next/a.yaml", version(3));
    fs::rename(place.at("playbooks"), place.at("last")).unwrap();
    // Long enough for a look at nothing.
    pause(400).await;
    assert_eq!(place.live().len(), 1);
    fs::rename(place.at("next"), place.at("playbooks")).unwrap();
    place.until_live("a.yaml", &version(3)).await;

    // The new directory is watched, and so is what comes into it.
    place.put("playbooks/team/b.yaml", playbook(2, NEVER));
    place.until_live("b.yaml", &playbook(2, NEVER)).await;
    place.put("playbooks/a.yaml", version(4));
    place.until_live("a.yaml", &version(4)).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_link_is_followed() {
    let place = Place::with("current/playbooks").await;
    place.put("releases/1/playbooks/a.yaml", version(1));
    place.put("releases/2/playbooks/a.yaml", version(2));
    symlink("releases/1", place.at("current")).unwrap();
    let served = place.serve().await;
    place.until_live("a.yaml", &version(1)).await;
    symlink("releases/2", place.at("current.tmp")).unwrap();
    fs::rename(place.at("current.tmp"), place.at("current")).unwrap();
    place.until_live("a.yaml", &version(2)).await;
    place.put("releases/2/playbooks/a.yaml", version(3));
    place.until_live("a.yaml", &version(3)).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_49_a_bad_edit_leaves_the_last_good_version_running() {
    let place = Place::new().await;
    let mut good = version(0);
    place.put("playbooks/a.yaml", &good);
    let mut served = place.serve().await;
    place.until_live("a.yaml", &good).await;
    let bad_edits = [
        ("broken YAML", good.replace("severity: Low", "severity: [Low"), 4..=6),
        ("broken Rhai", format!("{good}where: row.DeviceId ==\n"), 13..=13),
        ("unknown channel", format!("{good}notify:\n  - {{channel: nowhere, title: x}}\n"), 14..=14),
        ("unknown column", good.replace("project DeviceId", "project DeviceIdd"), 6..=6),
        ("lacking column", format!("{good}where: row.Severity == \"x\"\n"), 6..=6),
    ];
    for (number, (name, bad, lines)) in (1..).zip(bad_edits) {
        let hash = ContentHash::of(bad.as_bytes());
        place.replace("playbooks/a.yaml", &bad);
        let found = until(name, || place.refused().remove("a.yaml")).await;
        let line = found["line"].as_u64().unwrap();
        assert!(
            lines.contains(&line) && found["column"].as_u64().is_some_and(|at| 0 < at),
            "{name}: {found}"
        );
        assert!(
            ["HB", "KQL"].contains(&found["code"].as_str().unwrap().trim_end_matches(char::is_numeric)),
            "{name}: {found}"
        );
        let whole_hash = hash.to_string();
        let is_this = |fields: &&Value| fields["version"] == whole_hash;
        let logged = || served.logged("a file is refused").iter().filter(is_this).count();
        until(name, || (logged() == 1).then_some(())).await;
        until(name, || (place.told(&hash.short()) == 1).then_some(())).await;
        let last_good = json!(ContentHash::of(good.as_bytes()).to_string());
        assert_eq!(place.next_run().await["playbookVersion"], last_good, "{name}");

        served.stop().await;
        served = place.serve().await;
        place.until_live("a.yaml", &good).await;
        assert_eq!(place.refused().len(), 1, "{name}");
        assert_eq!(place.next_run().await["playbookVersion"], last_good, "{name}");

        good = version(number);
        place.put("playbooks/a.yaml", &good);
        place.until_live("a.yaml", &good).await;
        assert_eq!(place.refused(), BTreeMap::new(), "{name}");
        assert_eq!(place.told(&hash.short()), 1, "{name}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_one_refused_file_and_the_others_reload() {
    let place = Place::new().await;
    let mut other = playbook(2, NEVER);
    let list_of = |name: &str| playbook(3, &format!("where: row.DeviceId in lists.{name}\n{NEVER}"));
    place.put("playbooks/a.yaml", version(0));
    place.put("playbooks/b.yaml", &other);
    place.put("playbooks/c.yaml", list_of("vip"));
    place.put("lists/vip.txt", "one\n");
    let mut served = place.serve().await;
    place.until_live("a.yaml", &version(0)).await;
    let pipe = |name: &str| assert!(Command::new("mkfifo").arg(place.at(name)).status().unwrap().success());
    for (number, name) in (10..).zip(["a link in a circle", "a link to nowhere", "a pipe", "a device"]) {
        fs::remove_file(place.at("playbooks/a.yaml")).unwrap();
        match name {
            "a link in a circle" => symlink("a.yaml", place.at("playbooks/a.yaml")).unwrap(),
            "a link to nowhere" => symlink("nowhere", place.at("playbooks/a.yaml")).unwrap(),
            "a pipe" => pipe("playbooks/a.yaml"),
            _ => symlink("/dev/zero", place.at("playbooks/a.yaml")).unwrap(),
        }
        let told = place.told("huntbook cannot read");
        let found = until(name, || place.refused().remove("a.yaml")).await;
        assert_eq!(found["code"], "HB0006", "{name}: {found}");
        assert!(!served.logged("a file is refused").is_empty(), "{name}");
        until(name, || (place.told("huntbook cannot read") == told + 1).then_some(())).await;
        other = playbook(2, &format!("description: edit {number}\n{NEVER}"));
        place.put("playbooks/b.yaml", &other);
        place.until_live("b.yaml", &other).await;
        assert_eq!(
            place.next_run().await["playbookVersion"],
            ContentHash::of(version(0).as_bytes()).to_string()
        );
        served.stop().await;
        served = place.serve().await;
        place.until_live("a.yaml", &version(0)).await;
        assert!(place.refused().contains_key("a.yaml"), "{name}: a restart changes nothing");
        fs::remove_file(place.at("playbooks/a.yaml")).unwrap();
        place.put("playbooks/a.yaml", version(0));
        until(name, || place.refused().is_empty().then_some(())).await;
    }
    fs::remove_file(place.at("lists/vip.txt")).unwrap();
    pipe("lists/vip.txt");
    until("the list", || place.refused().remove("vip.txt")).await;
    // What needs the list goes on with it, and can still be edited.
    let edited = format!("{}description: with the list\n", list_of("vip"));
    place.put("playbooks/c.yaml", &edited);
    place.until_live("c.yaml", &edited).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_cannot_be_read_is_told_and_shown_and_changes_nothing() {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", version(0));
    let served = place.serve().await;
    place.until_live("a.yaml", &version(0)).await;
    fs::rename(place.at("playbooks"), place.at("away")).unwrap();
    symlink("playbooks", place.at("playbooks")).unwrap();
    until("it is shown", || place.refused().remove("playbooks")).await;
    until("it is told", || (place.told("huntbook cannot read") == 1).then_some(())).await;
    assert_eq!(place.live().len(), 1);
    fs::remove_file(place.at("playbooks")).unwrap();
    fs::rename(place.at("away"), place.at("playbooks")).unwrap();
    until("it is read again", || place.refused().is_empty().then_some(())).await;
    assert_eq!(place.live().len(), 1);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bad_bytes_are_told_again_when_they_come_back() {
    let place = Place::new().await;
    let (good, bad) = (playbook(0, NEVER), playbook(0, "where: row.DeviceId ==\n"));
    let told = || place.told(&ContentHash::of(bad.as_bytes()).short());
    place.put("playbooks/a.yaml", &good);
    let mut served = place.serve().await;
    for times in 1..=3 {
        place.replace("playbooks/a.yaml", &bad);
        until("it is told", || (told() == times).then_some(())).await;
        served.stop().await;
        served = place.serve().await;
        assert_eq!(told(), times, "a restart is no news");
        place.replace("playbooks/a.yaml", &good);
        until("it is mended", || place.refused().is_empty().then_some(())).await;
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_edit_that_is_renamed_as_well_has_a_last_good_version_too() {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", version(1));
    let served = place.serve().await;
    place.until_live("a.yaml", &version(1)).await;
    place.put("beside.yaml", format!("{}where: row.Nothing ==\n", version(2)));
    fs::remove_file(place.at("playbooks/a.yaml")).unwrap();
    fs::rename(place.at("beside.yaml"), place.at("playbooks/b.yaml")).unwrap();
    until("refused", || place.refused().remove("b.yaml")).await;
    place.until_live("a.yaml", &version(1)).await;
    place.put("playbooks/b.yaml", version(3));
    place.until_live("b.yaml", &version(3)).await;
    assert_eq!(place.live().len(), 1);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_takes_effect_when_it_is_good() {
    let place = Place::new().await;
    place.put("lists/hosts.txt", "two\n");
    place
        .put("playbooks/a.yaml", playbook(1, &format!("{EVERY_SECOND}where: row.DeviceId in lists.hosts\n")));
    let mut served = place.serve().await;
    let matched = async |count: u64| {
        let mut last = Value::Null;
        for _run in 0..20 {
            last = place.next_run().await;
            assert_ne!(last["state"], "failed", "{last}");
            if last["counts"]["matched"] == count {
                return;
            }
        }
        panic!("not {count} matches: {last}");
    };
    matched(0).await;
    place.put("lists/hosts.txt", "one\n");
    matched(1).await;

    place.put("lists/hosts.txt", b"two\xff\n");
    until("the list is refused", || place.refused().remove("hosts.txt")).await;
    assert_eq!(place.next_run().await["counts"]["matched"], 1);
    served.stop().await;
    served = place.serve().await;
    assert_eq!(place.next_run().await["counts"]["matched"], 1);

    // Without the list the playbook is refused; its last good version goes on with the last good list.
    fs::remove_file(place.at("lists/hosts.txt")).unwrap();
    until("the playbook is refused", || place.refused().remove("a.yaml")).await;
    assert_eq!(place.next_run().await["counts"]["matched"], 1);

    place.put("lists/hosts.csv", "host\ntwo\n");
    matched(0).await;
    assert_eq!(place.refused(), BTreeMap::new());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protecting_list_that_is_emptied_goes_on_protecting() {
    let place = Place::new().await;
    place.put("lists/vip.txt", "one\n");
    let guarded =
        format!("{EVERY_SECOND}guards: {{exclude: {{devices: vip}}}}\nwhere: row.DeviceId in lists.vip\n");
    place.put("playbooks/a.yaml", playbook(1, &guarded));
    let mut served = place.serve().await;
    assert_eq!(place.next_run().await["counts"]["matched"], 1);
    for kept in ["live", "restarted"] {
        place.put("lists/vip.txt", "");
        until("the playbook is refused", || place.refused().remove("a.yaml")).await;
        for _run in 0..2 {
            assert_eq!(place.next_run().await["counts"]["matched"], 1, "{kept}");
        }
        served.stop().await;
        served = place.serve().await;
    }
    place.put("lists/vip.txt", "one\n");
    until("all is well", || place.refused().is_empty().then_some(())).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_neither_lose_nor_double_a_due_run() {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", version(0));
    let served = place.serve().await;
    place.next_run().await;
    let reloads = || served.logged("a generation is in force").len();
    let mut number = 0;
    while number < 12 || reloads() < 6 || place.runs().len() < 7 {
        number += 1;
        assert!(number < 200, "{} reloads, {} runs", reloads(), place.runs().len());
        place.replace("playbooks/a.yaml", &version(number));
        place.put("playbooks/b.yaml", playbook(2, &format!("{NEVER}description: {number}\n")));
        // Longer than a file must have stood for it to count, so that most of them are reloads of their own.
        pause(1_000).await;
    }
    place.until_live("a.yaml", &version(number)).await;
    let served = served.stopped().await;
    let slots = slots_once(&place, 1, &served.dropped());
    assert!(6 < slots, "{slots} slots");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_vanishes_at_once_is_held_and_what_is_deleted_is_retired() {
    let place = Place::new().await;
    let name = |number: u32| format!("playbooks/{number}.yaml");
    for number in 1..=4 {
        place.put(&name(number), playbook(number, NEVER));
    }
    let mut served = place.serve().await;
    assert_eq!(place.live().len(), 4);

    // The mount is gone, and the folder it was on is empty.
    fs::rename(place.at("playbooks"), place.at("mounted")).unwrap();
    fs::create_dir(place.at("playbooks")).unwrap();
    until("people are told", || (place.told("huntbook misses 4 files") == 1).then_some(())).await;
    assert_eq!((place.live().len(), place.held().len()), (4, 4));
    assert_eq!(place.refused(), BTreeMap::new());
    let status = place.huntbook().arg("status").output().unwrap();
    let text = String::from_utf8(status.stdout).unwrap();
    let held: Vec<&str> = text.lines().filter(|line| line.starts_with("held ")).collect();
    assert_eq!(held.len(), 4, "{text}");
    assert!(held[0].ends_with(": it is gone, or much of it; what it said stays in force"), "{text}");
    assert_eq!(status.status.code(), Some(1), "somebody has to look");

    fs::remove_dir(place.at("playbooks")).unwrap();
    fs::rename(place.at("mounted"), place.at("playbooks")).unwrap();
    until("nothing is held", || place.held().is_empty().then_some(())).await;
    assert_eq!(place.live().len(), 4);

    fs::remove_file(place.at(&name(1))).unwrap();
    until("one is retired", || (place.live().len() == 3).then_some(())).await;

    // Also while nobody was there.
    served.stop().await;
    for number in 2..=4 {
        fs::remove_file(place.at(&name(number))).unwrap();
    }
    served = place.serve().await;
    assert_eq!((place.live().len(), place.held().len()), (3, 3));
    served.signal("HUP");
    until("they are let go", || place.live().is_empty().then_some(())).await;
    assert_eq!(place.held(), BTreeSet::new());
    served.stop().await;
}

/// A daemon whose run waits so long for the tenant.
async fn in_flight(delay_ms: u64) -> (Place, Served) {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", version(1));
    place.sim.set_faults(vec![Fault { delay_ms, ..Fault::on(HUNTING) }]).unwrap();
    let served = place.serve().await;
    until("a run is in flight", || place.runs().iter().any(|run| run["state"] == "running").then_some(()))
        .await;
    (place, served)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_in_flight_is_finished_before_the_end() {
    let (place, served) = in_flight(3_000).await;
    served.stop().await;
    let runs = place.runs();
    assert!(!runs.is_empty() && runs.iter().all(|run| run["state"] == "succeeded"), "{runs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once() {
    let (place, mut served) = in_flight(600_000).await;
    served.signal("TERM");
    until("it stops", || served.text().contains("stopping").then_some(())).await;
    served.signal("INT");
    assert_eq!(served.ended().await.code(), Some(1), "{}", served.text());
    assert!(place.runs().iter().any(|run| run["state"] == "running"));
    let status = place.huntbook().arg("status").output().unwrap();
    let shown = String::from_utf8_lossy(&status.stdout);
    assert_eq!(status.status.code(), Some(1), "{shown}");
    assert!(shown.contains("none works with this journal") && shown.contains("cut off"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_playbooks_are_served() {
    let place = Place::new().await;
    for number in 1..=2_000 {
        place.put(&format!("playbooks/{number}.yaml"), playbook(number, NEVER));
    }
    let served = place.serve_within(10 * LOOKS_MAX).await;
    assert_eq!(place.live().len(), 2_000);
    place.replace("playbooks/7.yaml", &playbook(7, &format!("{NEVER}description: new\n")));
    look("one of many takes effect", 10 * LOOKS_MAX, || {
        let version = ContentHash::of(playbook(7, &format!("{NEVER}description: new\n")).as_bytes());
        (place.live().get("7.yaml") == Some(&version.to_string())).then_some(())
    })
    .await;
    assert_eq!(place.runs(), Vec::<Value>::new());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_force_stays_when_less_is_known_of_its_tables() {
    let place = Place::new().await;
    let schema = r#"{"format": 1, "tables": [{"name": "DeviceProcessEvents", "extends": true, "columns": [["Added", "long"]]}]}"#;
    place.put("hunting-schema/own.json", schema);
    let good = version(0).replace("DeviceProcessEvents |", "DeviceProcessEvents | where Added > 0 |");
    place.put("playbooks/a.yaml", &good);
    let served = place.serve().await;
    place.until_live("a.yaml", &good).await;
    served.stop().await;

    // The next process does not know the column; the tenant does, as the runs show.
    fs::remove_file(place.at("hunting-schema/own.json")).unwrap();
    let served = place.serve().await;
    place.until_live("a.yaml", &good).await;
    assert_eq!(place.refused(), BTreeMap::new());
    let hash = json!(ContentHash::of(good.as_bytes()).to_string());
    assert_eq!(place.next_run().await["playbookVersion"], hash);
    // A list that comes makes every file be read again.
    place.put("lists/more.txt", "one\n");
    pause(1500).await;
    assert_eq!(place.refused(), BTreeMap::new());

    // An edit is checked against what is known now.
    place.put("playbooks/a.yaml", good.replace("severity: Low", "severity: High"));
    let found = until("the edit is refused", || place.refused().remove("a.yaml")).await;
    assert_eq!((found["code"].as_str(), found["line"].as_u64()), (Some("KQL100"), Some(6)));
    assert_eq!(place.next_run().await["playbookVersion"], hash);
    served.stop().await;
}
