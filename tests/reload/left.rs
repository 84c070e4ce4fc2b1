//! What is left when huntbook, its journal or an operator stops in the middle, and what the next process or
//! the same one makes of it.

use std::fs;
use std::net::TcpListener;

use huntbook::sim::Fault;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};

use crate::{EVERY_SECOND, LOOKS_MAX, Place, look, playbook, until};

pub(crate) const ISOLATE: &str = "POST /mde/api/machines/*/isolate";

/// A playbook that isolates three devices and tells about it only if there were many.
pub(crate) fn contain() -> String {
    let query = "hunt:\n  query: DeviceEvents | take 3\n  identity: [DeviceId]\n";
    let actions = "mode: enforce\nactions:\n  - isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}\n\
                   notify:\n  - {channel: watch, if: outcome.acted > 100}\n";
    let head = playbook(1, "");
    let (head, _hunt) = head.split_once("hunt:").expect("it hunts");
    format!("{head}{query}{EVERY_SECOND}{actions}")
}

impl Place {
    pub(crate) fn isolated(&self) -> usize {
        self.sim.effects().iter().filter(|effect| effect.effect == "isolate").count()
    }

    pub(crate) fn running(&self) -> Vec<Value> {
        self.ask(&["status"])["running"].as_array().expect("a list").clone()
    }

    /// The journal, as another process opens it.
    pub(crate) async fn journal(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.at("huntbook.db"));
        SqliteConnection::connect_with(&options).await.expect("the file opens")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_its_playbook_taken_away_it_acts_no_more() {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", contain());
    place.sim.set_faults(vec![Fault { delay_ms: 600_000, ..Fault::on(ISOLATE) }]).unwrap();
    let served = place.serve().await;
    until("it isolates", || (place.isolated() == 1).then_some(())).await;
    drop(served);
    fs::remove_file(place.at("playbooks/a.yaml")).unwrap();
    place.sim.set_faults(Vec::new()).unwrap();

    let served = place.serve().await;
    // The playbook's channel and the one for alerts.
    until("people are told", || (place.told("stopped with 3 items unfinished") == 1).then_some(())).await;
    until("so is the operator", || (place.told("was cut off and is stopped") == 1).then_some(())).await;
    assert_eq!(place.running(), Vec::<Value>::new());
    let run = place.runs().into_iter().find(|run| run["counts"]["skipped"] == 2).expect("it is settled");
    assert_eq!(run["reason"], "its playbook is not in force any more");
    assert_eq!(place.isolated(), 1);

    // Put back, it finds what was left.
    place.put("playbooks/a.yaml", contain());
    until("the rest is isolated", || (place.isolated() == 3).then_some(())).await;
    assert_eq!(place.ask(&["status"])["parked"].as_array().map(Vec::len), Some(1));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_the_journal_failed_under_is_taken_up_by_the_same_process() {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", contain());
    let slow = Fault { delay_ms: 20_000, times: Some(1), ..Fault::on(ISOLATE) };
    place.sim.set_faults(vec![slow]).unwrap();
    let served = place.serve().await;
    until("it isolates", || (place.isolated() == 1).then_some(())).await;
    // The result of the first action cannot be written.
    let mut other = place.journal().await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let failed = || served.text().contains("in the middle of run").then_some(());
    until("the journal fails", failed).await;
    assert!(!served.text().contains("nothing was done"), "{}", served.text());
    assert_eq!((place.running().len(), place.isolated()), (1, 1));
    assert_eq!(place.ask(&["status"])["withoutResult"].as_array().map(Vec::len), Some(1));

    other.execute("ROLLBACK").await.unwrap();
    look("the rest is isolated", LOOKS_MAX, || (place.isolated() == 3).then_some(())).await;
    until("it is ended", || (place.ask(&["status"])["withoutResult"] == json!([])).then_some(())).await;
    assert_eq!(place.ask(&["status"])["parked"].as_array().map(Vec::len), Some(1), "the first is in doubt");
    served.stop().await;
    assert_eq!(place.isolated(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_fails_for_good_ends_the_process() {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", contain());
    let mut served = place.serve().await;
    until("it has run", || (place.isolated() == 3).then_some(())).await;
    // As if another process had taken over.
    place.journal().await.execute("UPDATE facts SET value = value + 1 WHERE name = 'epoch'").await.unwrap();
    assert_eq!(served.ended().await.code(), Some(1), "{}", served.text());
    assert!(served.text().contains("error: a run could not go on: "), "{}", served.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_42_a_journal_that_is_damaged_while_it_is_open_ends_the_process_and_people_are_told() {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", contain());
    place
        .sim
        .set_faults(vec![Fault { status: Some(500), ..Fault::on("POST /graph/*/security/runHuntingQuery") }])
        .unwrap();
    drop(place.huntbook().arg("run").arg(place.at("playbooks/a.yaml")).output().unwrap());
    place.sim.set_faults(Vec::new()).unwrap();
    let before = place.isolated();
    // An index that does not fit its table: what opening looks at does not show it.
    let mut journal = place.journal().await;
    for step in [
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = 'CREATE INDEX runs_started ON runs (finished, id)' WHERE name = 'runs_started'",
    ] {
        journal.execute(step).await.unwrap();
    }
    journal.close().await.unwrap();
    let mut served = place.serve().await;
    assert_eq!(served.ended().await.code(), Some(1), "{}", served.text());
    assert!(served.text().contains("the journal is damaged"), "{}", served.text());
    assert_eq!(place.told("huntbook's journal is damaged"), 1);
    assert_eq!(place.isolated(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ends_of_the_histories_are_told_to_the_log_and_one_that_is_cut_off_is_missed() {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", contain());
    let served = place.serve().await;
    until("it has run", || (place.isolated() == 3).then_some(())).await;
    let stopped = place.huntbook().args(["stop", "--reason", "look"]).status().unwrap();
    assert!(stopped.success());
    let log = served.log.clone();
    served.stop().await;
    let text = fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let told: Vec<&Value> = lines.iter().filter(|line| line["target"] == "huntbook::heads").collect();
    let [first, .., last] = told.as_slice() else { panic!("{text}") };
    assert_eq!((&first["fields"]["stops"], &first["fields"]["words"]), (&json!("none"), &json!("none")));
    let last = ["effects", "stops"].map(|history| last["fields"][history].as_str().unwrap().to_owned());
    let verify = |heads: &[String]| {
        let heads = heads.iter().flat_map(|head| ["--head", head]);
        let output = place.huntbook().args(["audit", "verify"]).args(heads).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = verify(&last);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("is event 1 of stops") && said.contains(" of effects"), "{said}");
    let mut journal = place.journal().await;
    for step in ["DROP TRIGGER stop_events_left", "DELETE FROM stop_events"] {
        journal.execute(step).await.unwrap();
    }
    journal.close().await.unwrap();
    assert_eq!(verify(&[]).0, Some(0), "what is left is whole");
    let (code, said) = verify(&last);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is in no history: its end was cut off"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_does_not_answer_holds_up_no_other() {
    let place = Place::new().await;
    // Connections are taken by the system and nobody ever reads from them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", silent.local_addr().unwrap());
    let settings = fs::read_to_string(place.at("huntbook.yaml")).unwrap();
    let mut settings: Value = serde_json::from_str(&settings).unwrap();
    let mut fabrikam = settings["tenants"]["contoso"].clone();
    fabrikam["endpoints"] = json!({"login": at, "graph": at, "mde": at});
    settings["tenants"]["fabrikam"] = fabrikam;
    place.put("huntbook.yaml", settings.to_string());
    place.put("playbooks/a.yaml", playbook(1, EVERY_SECOND));
    let served = place.serve().await;
    let in_fabrikam = |run: &Value| run["tenant"] == "fabrikam";
    until("it waits for an answer", || place.running().iter().any(in_fabrikam).then_some(())).await;
    drop(served);

    let served = place.serve_within(LOOKS_MAX / 4).await;
    assert_eq!(place.next_run().await["tenant"], "contoso");
    let cut_off = place.running();
    assert!(cut_off.iter().any(in_fabrikam), "{cut_off:?}");
    drop(served);
}
