//! `stop` and `resume`, beside a huntbook that serves.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use huntbook::clock::{Clock as _, SharedClock, SystemClock};
use huntbook::sim::{HuntColumn, HuntFault, HuntTable, HuntWindow, Hunter, RequestEntry, Sim, SimOptions};
use huntbook::store::STOP_FILE;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json as value};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::{PLAYBOOK, ask, ends, json, project, serving, tenant, text};

/// How often something is looked for; ten times a second.
const LOOKS_MAX: u32 = 600;

/// Serves a folder; gives the lines it logs.
fn listen(dir: &TempDir) -> (Child, mpsc::Receiver<String>) {
    let mut served = serving(dir).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(served.stderr.take().unwrap()).lines().map_while(Result::ok);
    let (sender, receiver) = mpsc::channel(1000);
    std::thread::spawn(move || lines.for_each(|line| drop(sender.blocking_send(line))));
    (served, receiver)
}

/// Waits for a line with `part`.
async fn hear(lines: &mut mpsc::Receiver<String>, part: &str) {
    hear_one(lines, &[part]).await;
}

/// Waits for a line with one of these; gives it.
async fn hear_one(lines: &mut mpsc::Receiver<String>, parts: &[&str]) -> String {
    loop {
        let line = lines.recv().await.unwrap_or_else(|| panic!("nobody said one of {parts:?}"));
        if parts.iter().any(|part| line.contains(part)) {
            return line;
        }
    }
}

/// Waits until `status` is as wanted.
async fn until(dir: &TempDir, is_so: impl Fn(&Value) -> bool) {
    for _look in 0..LOOKS_MAX {
        if is_so(&json(&ask(dir, &["status", "--format", "json"]).await)) {
            return;
        }
        SystemClock.sleep(SignedDuration::from_millis(100)).await;
    }
    panic!("it never came to that");
}

fn tagged(sim: &Sim) -> usize {
    sim.effects().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huntbook_that_serves_obeys_a_stop_and_goes_on_after_it() {
    let sim = tenant().await;
    let dir = project(&sim, &format!("{PLAYBOOK}schedule: {{every: 1s}}\n"));
    // Before anything ever ran.
    let stopped = ask(&dir, &["stop", "--reason", "wrong list", "--format", "json"]).await;
    ends(&stopped, 0);
    let stopped = json(&stopped);
    assert_eq!((&stopped["written"], &stopped["stop"]["reason"]), (&true.into(), &"wrong list".into()));
    let (mut served, mut lines) = listen(&dir);
    hear(&mut lines, "actions are stopped").await;
    until(&dir, |status| status["lastDay"]["runs"]["halted"].as_u64().is_some_and(|runs| 0 < runs)).await;
    assert_eq!(tagged(&sim), 0);
    let status = ask(&dir, &["status"]).await;
    ends(&status, 1);
    let said = text(&status.stdout);
    assert!(said.contains("all actions are stopped since") && said.contains("wrong list"), "{said}");
    ends(&ask(&dir, &["resume", "--tenant", "contoso"]).await, 1);
    let resumed = ask(&dir, &["resume"]).await;
    ends(&resumed, 0);
    assert!(text(&resumed.stdout).contains("not any more: all actions"), "{}", text(&resumed.stdout));
    hear(&mut lines, "actions are taken again").await;
    for _look in 0..LOOKS_MAX {
        if 0 < tagged(&sim) {
            break;
        }
        SystemClock.sleep(SignedDuration::from_millis(100)).await;
    }
    assert_eq!(tagged(&sim), 1, "what was not done is news");
    // While it serves.
    ends(&ask(&dir, &["stop", "--tenant", "contoso"]).await, 0);
    hear(&mut lines, "actions in `contoso` are stopped").await;
    served.kill().unwrap();
    served.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_playbook_is_stopped_by_its_name_also_if_it_has_problems() {
    let sim = tenant().await;
    let dir = project(&sim, PLAYBOOK);
    ends(&ask(&dir, &["stop", "--playbook", "Tag server"]).await, 2);
    std::fs::write(
        dir.path().join("playbooks/broken.yaml"),
        format!("{}nonsense: 1\n", PLAYBOOK.replace("Tag servers", "Broken").replace("8e77", "8e79")),
    )
    .unwrap();
    ends(&ask(&dir, &["stop", "--playbook", "Broken"]).await, 0);
    let stopped = ask(&dir, &["stop", "--playbook", "Tag servers", "--tenant", "contoso"]).await;
    ends(&stopped, 0);
    assert!(text(&stopped.stdout).contains("actions of `Tag servers` in `contoso` are stopped since"));
    ends(&ask(&dir, &["run", "Tag servers"]).await, 1);
    assert_eq!(tagged(&sim), 0);
    let still = ask(&dir, &["resume", "--tenant", "contoso"]).await;
    ends(&still, 1);
    assert!(
        text(&still.stdout).contains("huntbook resume --tenant contoso --playbook"),
        "{}",
        text(&still.stdout)
    );
    ends(&ask(&dir, &["resume", "--playbook", "Tag servers"]).await, 0);
    ends(&ask(&dir, &["run", "Tag servers"]).await, 0);
    assert_eq!(tagged(&sim), 1);
    // Its file may be gone.
    std::fs::remove_file(dir.path().join("playbooks/broken.yaml")).unwrap();
    ends(&ask(&dir, &["resume", "--playbook", "Broken"]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_by_hand_says_that_actions_are_stopped() {
    let sim = tenant().await;
    let dir = project(&sim, PLAYBOOK);
    ends(&ask(&dir, &["stop", "--tenant", "contosso"]).await, 2);
    ends(&ask(&dir, &["stop", "--tenant", "contoso", "--reason", "wait"]).await, 0);
    let again = ask(&dir, &["stop", "--tenant", "contoso"]).await;
    ends(&again, 0);
    assert!(text(&again.stdout).contains("nothing is changed"), "{}", text(&again.stdout));
    let run = ask(&dir, &["run", "Tag servers"]).await;
    ends(&run, 1);
    for said in [text(&run.stdout), text(&run.stderr)] {
        assert!(said.contains("actions in `contoso` are stopped since"), "{said}");
    }
    assert_eq!(tagged(&sim), 0);
    let nothing = ask(&dir, &["resume", "--tenant", "contosso"]).await;
    ends(&nothing, 2);
    ends(&ask(&dir, &["resume", "--tenant", "contoso"]).await, 0);
    ends(&ask(&dir, &["resume"]).await, 0);
    ends(&ask(&dir, &["run", "Tag servers"]).await, 0);
    assert_eq!(tagged(&sim), 1);
}

/// Serves until the playbooks are in force, and ends.
async fn served_once(dir: &TempDir) {
    let (mut served, mut lines) = listen(dir);
    hear(&mut lines, "huntbook serves").await;
    served.kill().unwrap();
    served.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_is_about_what_is_in_force_whatever_the_disk_says() {
    const OLD: &str = "2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77";
    let sim = tenant().await;
    let dir = project(&sim, &format!("{PLAYBOOK}schedule: {{cron: \"0 0 29 2 *\"}}\n"));
    served_once(&dir).await;
    let file = dir.path().join("playbooks/tag.yaml");
    // An edit that is refused, and changes the id: what acts is what was before.
    let edited = PLAYBOOK.replace("2f6c9d54", "5f6c9d54") + "nonsense: 1\n";
    std::fs::write(&file, edited).unwrap();
    for wanted in ["Tag servers", "tag", "playbooks/tag.yaml", OLD] {
        let stopped = ask(&dir, &["stop", "--playbook", wanted, "--format", "json"]).await;
        ends(&stopped, 0);
        assert_eq!(json(&stopped)["stop"]["playbook"]["id"], OLD, "{wanted}");
        ends(&ask(&dir, &["resume", "--playbook", wanted]).await, 0);
        assert_eq!(json(&ask(&dir, &["status", "--format", "json"]).await)["stops"], Value::Array(vec![]));
    }
    // The folder is gone, and with it every file.
    std::fs::remove_dir_all(dir.path().join("playbooks")).unwrap();
    let passed = ask(&dir, &["let-pass", "Tag servers", "--reason", "drill", "--format", "json"]).await;
    ends(&passed, 0);
    assert_eq!(json(&passed)["playbook"]["id"], OLD);
    ends(&ask(&dir, &["stop", "--playbook", "Tag servers"]).await, 0);
    ends(&ask(&dir, &["stop", "--playbook", "Tag server"]).await, 2);
    ends(&ask(&dir, &["resume", "--playbook", "Tag servers"]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_run_by_hand_is_stopped_by_its_name_when_its_file_is_gone() {
    let sim = tenant().await;
    let dir = project(&sim, PLAYBOOK);
    ends(&ask(&dir, &["run", "Tag servers"]).await, 0);
    std::fs::remove_dir_all(dir.path().join("playbooks")).unwrap();
    let stopped = ask(&dir, &["stop", "--playbook", "Tag servers"]).await;
    ends(&stopped, 0);
    assert!(
        text(&stopped.stdout).contains("actions of `Tag servers` are stopped"),
        "{}",
        text(&stopped.stdout)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_no_flawless_settings() {
    let sim = tenant().await;
    let dir = project(&sim, PLAYBOOK);
    ends(&ask(&dir, &["run", "Tag servers"]).await, 0);
    let file = dir.path().join("huntbook.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    let write = |settings: &str| std::fs::write(&file, settings).unwrap();
    let lifted = async || ends(&ask(&dir, &["resume", "--store", "huntbook.db"]).await, 0);

    write(&format!("{good}nonsense: 1\n"));
    let stopped = ask(&dir, &["stop"]).await;
    ends(&stopped, 0);
    let warned = text(&stopped.stderr);
    assert!(warned.contains("the settings have problems") && warned.contains("huntbook.db"), "{warned}");
    lifted().await;
    // A file of tables that is half written.
    write(&good);
    std::fs::create_dir(dir.path().join("hunting-schema")).unwrap();
    std::fs::write(dir.path().join("hunting-schema/contoso.json"), "{").unwrap();
    ends(&ask(&dir, &["status"]).await, 78);
    ends(&ask(&dir, &["stop", "--tenant", "contoso"]).await, 0);
    lifted_in(&dir).await;
    std::fs::remove_dir_all(dir.path().join("hunting-schema")).unwrap();
    // The tenant was taken out, and something acted there.
    write(&good.replace("  contoso:\n", "  fabrikam:\n"));
    ends(&ask(&dir, &["stop", "--tenant", "contoso"]).await, 0);
    ends(&ask(&dir, &["stop", "--tenant", "contosso"]).await, 2);
    lifted_in(&dir).await;
    // Nobody can say where the journal is, so nobody says that something is stopped.
    let elsewhere = |store: &str| format!("{good}nonsense: 1\nstore: {store}\n");
    let bad = ["{path: elsewhere.db}", "{path: [elsewhere.db]}", "{pth: elsewhere.db}", "elsewhere.db"];
    for unclear in std::iter::once("tenants: {contoso: [\n".to_owned()).chain(bad.map(elsewhere)) {
        write(&unclear);
        let refused = ask(&dir, &["stop"]).await;
        ends(&refused, 78);
        assert!(text(&refused.stderr).contains("`--store FILE`"), "{}", text(&refused.stderr));
        assert!(!dir.path().join("elsewhere.db").exists());
        ends(&ask(&dir, &["stop", "--store", "none.db"]).await, 2);
        ends(&ask(&dir, &["stop", "--store", "huntbook.db", "--tenant", "contoso"]).await, 0);
        ends(&ask(&dir, &["stop", "--store", "huntbook.db", "--playbook", "Tag servers"]).await, 0);
        lifted().await;
    }
}

/// Lifts what was stopped in the tenant.
async fn lifted_in(dir: &TempDir) {
    ends(&ask(dir, &["resume", "--store", "huntbook.db", "--tenant", "contoso"]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_that_actions_are_taken_again_when_no_stop_stands() {
    let sim = tenant().await;
    let dir = project(&sim, &format!("{PLAYBOOK}schedule: {{cron: \"0 0 29 2 *\"}}\n"));
    let (mut served, mut lines) = listen(&dir);
    hear(&mut lines, "huntbook serves").await;
    ends(&ask(&dir, &["stop"]).await, 0);
    hear(&mut lines, "actions are stopped").await;
    let file = dir.path().join(STOP_FILE);
    std::fs::write(&file, "touched").unwrap();
    hear(&mut lines, "touched").await;
    std::fs::remove_file(&file).unwrap();
    let lifted = hear_one(&mut lines, &["actions are taken again", "another one stands"]).await;
    assert!(lifted.contains("another one stands"), "{lifted}");
    ends(&ask(&dir, &["resume"]).await, 0);
    hear(&mut lines, "actions are taken again").await;
    served.kill().unwrap();
    served.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_never_answers_keeps_nobody_from_stopping() {
    let sim = tenant().await;
    let silent = async |about: &[&str]| {
        let dir = project(&sim, PLAYBOOK);
        let journal = dir.path().join("huntbook.db");
        // Whoever opens it waits for ever.
        assert!(Command::new("mkfifo").arg(&journal).status().unwrap().success());
        let stopped = ask(&dir, &[&["stop"], about].concat()).await;
        ends(&stopped, 0);
        let said = text(&stopped.stdout);
        assert!(said.contains("it has not answered for 10s"), "{said}");
        assert!(dir.path().join(STOP_FILE).exists());
        std::fs::remove_file(&journal).unwrap();
    };
    tokio::join!(silent(&[]), silent(&["--playbook", "Tag servers"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_journal_keeps_nobody_from_stopping() {
    let sim = tenant().await;
    let dir = project(&sim, PLAYBOOK);
    served_once(&dir).await;
    let at = |name: &str| dir.path().join(name);
    let damaged = b"This is a text and no database, and long enough to be told from one.";
    std::fs::rename(at("huntbook.db"), at("good.db")).unwrap();
    let log = ["huntbook.db-wal", "huntbook.db-shm"];
    let good = log.map(|name| std::fs::read(at(name)).unwrap_or_default());
    for name in log {
        drop(std::fs::remove_file(at(name)));
    }
    std::fs::write(at("huntbook.db"), damaged).unwrap();
    // Whatever the word is about: nobody can look that up.
    let stop = ["stop", "--playbook", "Tag servers", "--tenant", "contoso", "--reason", "a\u{1b}[2J drill"];
    let stopped = ask(&dir, &stop).await;
    ends(&stopped, 0);
    let said = text(&stopped.stdout);
    for part in ["all actions are stopped since", "/stop`: ", "drill", "every tenant and every playbook"] {
        assert!(said.contains(part) && !said.contains('\u{1b}'), "{said}");
    }
    assert!(text(&stopped.stderr).contains("what is under way is not known"), "{}", text(&stopped.stderr));
    let again = json(&ask(&dir, &["stop", "--format", "json"]).await);
    assert_eq!((&again["written"], &again["stop"]["way"]), (&false.into(), &"file".into()));
    assert!(again["journal"].as_str().is_some_and(|why| why.contains("journal")), "{again}");
    // Nobody reads the journal, and the stop is told of all the same.
    let status = ask(&dir, &["status"]).await;
    assert_ne!(status.status.code(), Some(0));
    assert!(text(&status.stderr).contains("all actions are stopped"), "{}", text(&status.stderr));
    // It is lifted when the word can be kept.
    assert_ne!(ask(&dir, &["resume"]).await.status.code(), Some(0));
    assert!(at("stop").exists());
    std::fs::rename(at("good.db"), at("huntbook.db")).unwrap();
    for (name, bytes) in log.iter().zip(good).filter(|(_name, bytes)| !bytes.is_empty()) {
        std::fs::write(at(name), bytes).unwrap();
    }
    let status = ask(&dir, &["status", "--format", "json"]).await;
    ends(&status, 1);
    assert_eq!(json(&status)["stops"][0]["way"], "file");
    ends(&ask(&dir, &["resume", "--tenant", "contoso"]).await, 1);
    ends(&ask(&dir, &["run", "Tag servers"]).await, 1);
    assert_eq!(tagged(&sim), 0);
    let resumed = ask(&dir, &["resume"]).await;
    ends(&resumed, 0);
    assert!(text(&resumed.stdout).contains("(the file is removed)"), "{}", text(&resumed.stdout));
    assert!(!at("stop").exists());
    ends(&ask(&dir, &["run", "Tag servers"]).await, 0);
    assert_eq!(tagged(&sim), 1);
    // Both words about it are in the history.
    let events = ask(&dir, &["journal", "export"]).await;
    let events: Vec<Value> =
        text(&events.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let words = events.iter().filter(|event| event["history"] == "stops").map(|event| event["word"].clone());
    assert_eq!(words.collect::<Vec<_>>(), ["stop", "resume"]);
    ends(&ask(&dir, &["audit", "verify"]).await, 0);
}

/// Devices of which one more is found each second.
#[derive(Debug)]
struct Spreading {
    since: Timestamp,
}

/// Most devices that there are: more than seconds in the test.
const DEVICES: usize = 900;
/// How many devices are found, and how many runs end, while all is stopped.
const MEANWHILE: u64 = 4;
/// In how many runs after the end of a stop something is done again: the one that was under way, and the next.
const RUNS_AFTER: usize = 3;

impl Spreading {
    fn device(number: usize) -> String {
        format!("5b4ead{number:034x}")
    }

    /// How many are found by now.
    fn found(&self, now: Timestamp) -> usize {
        usize::try_from(self.since.duration_until(now).as_secs()).unwrap_or(0).min(DEVICES)
    }
}

impl Hunter for Spreading {
    fn answer(&self, _query: &str, _window: HuntWindow, now: Timestamp) -> Result<HuntTable, HuntFault> {
        let columns = ["DeviceId", "DeviceName"].map(|name| HuntColumn::new(name, "String")).to_vec();
        let row = |number: usize| {
            let row = value!({"DeviceId": Self::device(number), "DeviceName": format!("host{number}")});
            row.as_object().cloned().unwrap()
        };
        Ok(HuntTable::new(columns, (0..self.found(now)).map(row).collect()))
    }
}

/// The changes that huntbook asked the tenant for from a time on, whatever came of them.
fn asked_for(sim: &Sim, from: Timestamp) -> Vec<String> {
    // What people are told goes to the same server.
    let only_looks = |path: &str| {
        path.ends_with("/runHuntingQuery") || path.ends_with("/token") || path.starts_with("/hooks/")
    };
    let requests = sim.requests().into_iter().filter(|request| from < request.at);
    let changes = requests.filter(|request| request.method != "GET" && !only_looks(&request.path));
    changes.map(|request| format!("{} {} at {}", request.method, request.path, request.at)).collect()
}

/// How many runs have asked the tenant what there is, from a time on until another.
fn hunts(sim: &Sim, (from, until): (Timestamp, Timestamp)) -> usize {
    let is_hunt = |request: &RequestEntry| {
        request.path.ends_with("/runHuntingQuery") && (from..until).contains(&request.at)
    };
    sim.requests().iter().filter(|request| is_hunt(request)).count()
}

/// Waits until something is so.
async fn wait_for(is_so: impl Fn() -> bool) {
    for _look in 0..LOOKS_MAX {
        if is_so() {
            return;
        }
        SystemClock.sleep(SignedDuration::from_millis(100)).await;
    }
    panic!("it never came to that");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_reaches_the_tenant_after_a_stop_and_what_was_found_is_done_after_its_end() {
    let clock: SharedClock = Arc::new(SystemClock);
    let since = clock.now();
    let machine = |number: usize| {
        value!({"id": Spreading::device(number), "computerDnsName": format!("host{number}.example"), "firstSeen": "-90d",
            "lastSeen": "-1m", "osPlatform": "Windows11", "healthStatus": "Active", "onboardingStatus": "Onboarded"})
    };
    let machines: Vec<Value> = (0..DEVICES).map(machine).collect();
    let options = SimOptions {
        data: serde_json::from_value(value!({"machines": machines})).unwrap(),
        hunter: Arc::new(Spreading { since }),
        ..SimOptions::sample().unwrap()
    };
    let spreading = Spreading { since };
    let sim = Arc::new(Sim::start(options, clock).await.unwrap());
    let dir = project(
        &sim,
        &format!("{}schedule: {{every: 1s}}\n", PLAYBOOK.replace("DeviceName startswith 'dc01'", "true")),
    );
    // All that is found meanwhile is much for one run.
    let mut settings = OpenOptions::new().append(true).open(dir.path().join("huntbook.yaml")).unwrap();
    settings.write_all(b"guards: {maxTimesUsual: 1000}\n").unwrap();
    let (mut served, _lines) = listen(&dir);
    wait_for(|| 2 <= tagged(&sim)).await;

    ends(&ask(&dir, &["stop", "--reason", "drill"]).await, 0);
    let stopped = SystemClock.now();
    // What was on its way then has arrived.
    until(&dir, |status| status["withoutResult"] == value!([])).await;
    let quiet = SystemClock.now().max(stopped + SignedDuration::from_secs(1));
    let halted = |status: &Value| status["lastDay"]["runs"]["halted"].as_u64().unwrap_or(0);
    let before = halted(&json(&ask(&dir, &["status", "--format", "json"]).await));
    until(&dir, |status| before + MEANWHILE <= halted(status)).await;
    let found = spreading.found(SystemClock.now());
    assert!(spreading.found(quiet) < found, "something is found meanwhile");
    assert!(!asked_for(&sim, since).is_empty(), "it would be seen");
    assert_eq!(asked_for(&sim, quiet), Vec::<String>::new(), "stopped at {stopped}");
    let (done, last) = (tagged(&sim), SystemClock.now());
    assert!(done < found && 0 < hunts(&sim, (quiet, last)), "it looks, and does not act");

    ends(&ask(&dir, &["resume"]).await, 0);
    let resumed = SystemClock.now();
    wait_for(|| done < tagged(&sim)).await;
    let first = sim.effects()[done].at;
    let runs = hunts(&sim, (resumed, first));
    assert!(runs <= RUNS_AFTER, "{runs} runs until something was done again");
    // What was found while all was stopped is done, each once.
    wait_for(|| found <= tagged(&sim)).await;
    served.kill().unwrap();
    served.wait().unwrap();
    let devices: Vec<String> = sim.effects().into_iter().map(|effect| effect.target).collect();
    for number in 0..found {
        let device = Spreading::device(number);
        assert_eq!(devices.iter().filter(|one| **one == device).count(), 1, "{device}");
    }
}
