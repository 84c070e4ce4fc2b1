//! What is read from the journal beside its owner: actions that are not settled, every event, and whether
//! somebody changed one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};
use tempfile::TempDir;

use huntbook::clock::{Clock as _, SystemClock};
use huntbook::sim::{Apply, Fault};
use huntbook::store::{ListLag, Store};

use crate::{PLAYBOOK, Project, ask, ends, json, project, tenant, text};

/// The events that `journal export` writes.
async fn events(dir: &TempDir, more: &[&str]) -> Vec<Value> {
    let output = ask(dir, &[&["journal", "export"], more].concat()).await;
    ends(&output, 0);
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A journal with an action whose answer was lost, a person's word about it, and a stop.
async fn eventful() -> (Arc<huntbook::sim::Sim>, Project) {
    let sim = tenant().await;
    let dir = project(&sim, PLAYBOOK);
    let lost = Fault { reset: true, apply: Apply::Before, ..Fault::on("POST /mde/api/machines/*/tags") };
    sim.set_faults(vec![lost]).unwrap();
    ends(&ask(&dir, &["run", "tag"]).await, 1);
    (sim, dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_settled_is_listed_and_every_event_is_written() {
    let (_sim, dir) = eventful().await;
    let listed = ask(&dir, &["journal", "list"]).await;
    ends(&listed, 1);
    assert!(text(&listed.stdout).contains("parked"), "{}", text(&listed.stdout));
    let listed = json(&ask(&dir, &["journal", "list", "--format", "json"]).await);
    assert_eq!(
        (listed[0]["state"].as_str(), listed[0]["action"].as_str()),
        (Some("parked"), Some("tagDevice"))
    );
    ends(&ask(&dir, &["resolve", listed[0]["key"].as_str().unwrap(), "--done"]).await, 0);
    let settled = ask(&dir, &["journal", "list"]).await;
    ends(&settled, 0);
    assert_eq!(text(&settled.stdout), "every action is settled\n");
    ends(&ask(&dir, &["stop", "--reason", "wrong list"]).await, 0);

    let all = events(&dir, &[]).await;
    let states: Vec<_> =
        all.iter().map(|event| event["state"].as_str().or(event["word"].as_str()).unwrap()).collect();
    assert_eq!(states, ["intended", "unknown", "parked", "done", "stop"]);
    for (n, event) in (1..).zip(&all[..4]) {
        assert_eq!(
            (&event["history"], &event["n"], &event["tenant"]),
            (&"effects".into(), &n.into(), &"contoso".into())
        );
        assert_eq!((&event["effect"], &event["playbookName"]), (&listed[0]["key"], &"Tag servers".into()));
    }
    assert_eq!((&all[4]["history"], &all[4]["reason"]), (&"stops".into(), &"wrong list".into()));
    let id = "2F6C9D54-7d0e-4b53-9d5e-6f0a3c1b8e77";
    for (filter, count) in [
        (["--tenant", "contoso"], 5),
        (["--tenant", "fabrikam"], 1),
        (["--playbook", "Tag servers"], 4),
        (["--playbook", id], 4),
        (["--since", "1h"], 5),
        (["--since", "2999-01-01"], 0),
    ] {
        assert_eq!(events(&dir, &filter).await.len(), count, "{filter:?}");
    }
    ends(&ask(&dir, &["stop", "--playbook", "Tag servers"]).await, 0);
    for wanted in ["Tag servers", id] {
        let events = events(&dir, &["--playbook", wanted]).await;
        assert_eq!((events.len(), &events[4]["history"]), (5, &"stops".into()), "{wanted}");
    }
    let wrong = ask(&dir, &["journal", "export", "--playbook", "Tag server"]).await;
    ends(&wrong, 2);
    assert!(text(&wrong.stderr).contains("did you mean `Tag servers`?"), "{}", text(&wrong.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_changed_byte_is_found_and_its_place_is_named() {
    let (_sim, dir) = eventful().await;
    dir.held.is_forged.store(true, Ordering::Relaxed);
    ends(&ask(&dir, &["stop", "--reason", "wrong list"]).await, 0);
    let intact = ask(&dir, &["audit", "verify"]).await;
    ends(&intact, 0);
    let intact = text(&intact.stdout);
    let lines: Vec<&str> = intact.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "effects    intact: 3 events checked",
            "approvals  intact: 0 events checked",
            "stops      intact: 1 event checked",
            "words      intact: 0 events checked"
        ]
    );
    let options = SqliteConnectOptions::new().filename(dir.path().join("huntbook.db"));
    let mut raw = SqliteConnection::connect_with(&options).await.unwrap();
    let effect: String =
        sqlx::query_scalar("SELECT effect_key FROM effects").fetch_one(&mut raw).await.unwrap();
    raw.execute("DROP TRIGGER effect_events_kept; DROP TRIGGER stop_events_kept").await.unwrap();
    // The first letter of why nobody knows the fate of the action.
    raw.execute("UPDATE effect_events SET detail = 'T' || substr(detail, 2) WHERE n = 2").await.unwrap();
    raw.execute("UPDATE stop_events SET reason = 'Wrong list'").await.unwrap();
    let found = ask(&dir, &["audit", "verify"]).await;
    ends(&found, 1);
    let found = text(&found.stdout);
    let expect = format!("somebody changed the history of effects at event 2 ({effect}): it was changed");
    assert!(found.contains(&expect), "{found}");
    assert!(found.contains("somebody changed the history of stops at event 1: it was changed"), "{found}");
    let found = json(&ask(&dir, &["audit", "verify", "--format", "json"]).await);
    assert_eq!((&found["intact"], &found["histories"][0]["event"]), (&false.into(), &2.into()));
    assert_eq!(
        (&found["histories"][0]["about"], &found["histories"][1]["intact"]),
        (&effect.as_str().into(), &true.into())
    );
    let status = ask(&dir, &["status"]).await;
    ends(&status, 1);
    assert!(text(&status.stdout).contains(&expect), "{}", text(&status.stdout));
    // What cannot even be read is a place, too.
    raw.execute("UPDATE effect_events SET state = CAST(x'ff' AS TEXT) WHERE n = 1").await.unwrap();
    let found = text(&ask(&dir, &["audit", "verify"]).await.stdout);
    assert!(found.contains(&format!("at event 1 ({effect}): it cannot be read any more")), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_42_a_damaged_journal_is_kept_and_a_new_one_begun() {
    let (sim, dir) = eventful().await;
    let sound = ask(&dir, &["journal", "rebuild"]).await;
    ends(&sound, 0);
    assert_eq!(text(&sound.stdout), "the journal is not damaged; nothing is changed\n");
    let path = dir.path().join("huntbook.db");
    let mut journal =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await.unwrap();
    journal.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    journal.close().await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    // An index that nothing is read by here: what is there can all be read.
    let has_key = |page: &[u8]| page.windows(7).any(|part| part == b"markKey");
    let index = bytes.chunks(4096).rposition(|page| page[0] == 10 && !has_key(page)).expect("there is one");
    bytes[index * 4096..][..8].fill(0xff);
    std::fs::write(&path, &bytes).unwrap();

    // The new one knows nothing of what carries no mark.
    dir.held.is_forged.store(true, Ordering::Relaxed);
    let refused = ask(&dir, &["run", "tag"]).await;
    ends(&refused, 1);
    assert!(text(&refused.stderr).contains("`huntbook journal rebuild`"), "{}", text(&refused.stderr));
    let begun = ask(&dir, &["journal", "rebuild"]).await;
    ends(&begun, 0);
    let said = text(&begun.stdout);
    for part in [
        "the journal was damaged: ",
        "it is kept as ",
        "knows the marks",
        "tagDevice",
        "all actions are stopped",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let kept = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.to_string_lossy().contains("huntbook.db.damaged-")).collect();
    assert!(kept.iter().any(|path| std::fs::read(path).unwrap() == bytes), "{kept:?}");
    ends(&ask(&dir, &["status"]).await, 1);
    let before = sim.effects().len();
    ask(&dir, &["run", "tag"]).await;
    assert_eq!(sim.effects().len(), before, "everything is stopped");
    ends(&ask(&dir, &["resume"]).await, 0);
    let again = json(&ask(&dir, &["journal", "rebuild", "--format", "json"]).await);
    assert_eq!(again, Value::Null, "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_late_is_shown_with_what_it_keeps_from() {
    let (_sim, dir) = eventful().await;
    let path = dir.path().join("huntbook.db");
    let store = Store::open(&path, Arc::new(SystemClock)).await.unwrap();
    let key = store.parked().await.unwrap().remove(0).key;
    let lag = ListLag { key, at_least_ms: 240_000, at_most_ms: Some(300_000), at: SystemClock.now() };
    store.put_list_lag("contoso", &lag).await.unwrap();
    let sooner = ListLag { at_least_ms: 0, key: "another".parse().unwrap(), ..lag.clone() };
    store.put_list_lag("contoso", &sooner).await.unwrap();
    // Nor does a process that began anew with the same action, and knows less of it.
    store.put_list_lag("contoso", &ListLag { at_least_ms: 0, ..lag }).await.unwrap();
    store.close().await;
    drop(store);
    let status = json(&ask(&dir, &["status", "--format", "json"]).await);
    let shown = &status["listLags"]["contoso"];
    assert_eq!((&shown["atLeastMs"], &shown["atMostMs"]), (&240_000.into(), &300_000.into()), "{status}");
    let shown = text(&ask(&dir, &["status"]).await.stdout);
    let line = "contoso: the list of actions showed an accepted one after 4m to 5m";
    assert!(
        shown.contains(line) && shown.contains("what is in doubt there is for people for a week"),
        "{shown}"
    );
}
