//! Who looks at a huntbook that serves sees what is due, what ran, and how it ended.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use huntbook::clock::{Clock as _, SystemClock};
use jiff::SignedDuration;
use serde_json::Value;

use crate::{PLAYBOOK, ask, ends, json, project, serving, tenant, text};

/// How often something is looked for; ten times a second.
const LOOKS_MAX: u32 = 600;

/// What a status says of a playbook.
fn named<'a>(status: &'a Value, name: &str) -> &'a Value {
    let playbooks = status["playbooks"].as_array().unwrap();
    playbooks.iter().find(|one| one["playbookName"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_and_how_it_ended_can_be_seen() {
    let sim = tenant().await;
    let dir = project(&sim, &format!("{PLAYBOOK}schedule: {{every: 2s}}\n"));
    let manual = PLAYBOOK.replace("2f6c9d54", "3f6c9d54").replace("Tag servers", "By hand");
    std::fs::write(dir.path().join("playbooks/hand.yaml"), &manual).unwrap();
    let off = PLAYBOOK.replace("2f6c9d54", "4f6c9d54").replace("Tag servers", "Switched off");
    let off = format!("{off}enabled: false\nschedule: {{every: 1s}}\n");
    std::fs::write(dir.path().join("playbooks/off.yaml"), off).unwrap();
    let mut served = serving(&dir).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(served.stderr.take().unwrap()).lines().map_while(Result::ok);
    let said = tokio::task::spawn_blocking(move || {
        let mut said = Vec::new();
        for line in lines {
            said.push(line);
            if said.iter().any(|line| line.contains("a run has ended")) {
                break;
            }
        }
        said.join("\n")
    });
    let said = said.await.unwrap();
    let summary =
        "huntbook serves 3 playbooks (0 files refused, 0 held), 1 on schedules: next is `Tag servers` at 20";
    assert!(said.contains(summary) && said.contains("a run has ended"), "{said}");

    let mut status = Value::Null;
    for _look in 0..LOOKS_MAX {
        status = json(&ask(&dir, &["status", "--format", "json"]).await);
        // The next may have begun by then.
        if named(&status, "Tag servers")["lastRun"]["state"] == "succeeded" {
            break;
        }
        SystemClock.sleep(SignedDuration::from_millis(100)).await;
    }
    // What is left of the budgets of calls is noted a few seconds later.
    let mut groups = Vec::new();
    for _look in 0..LOOKS_MAX {
        let status = json(&ask(&dir, &["status", "--format", "json"]).await);
        groups = status["budgets"][0]["groups"].as_array().cloned().unwrap_or_default();
        if groups.iter().any(|group| group["group"] == "machine tags") {
            break;
        }
        SystemClock.sleep(SignedDuration::from_millis(100)).await;
    }
    let tags = groups.iter().find(|group| group["group"] == "machine tags").unwrap();
    assert_eq!((&tags["windows"][0]["of"], &tags["windows"][1]["of"]), (&100.into(), &1500.into()), "{tags}");
    assert!(status["lastDay"]["runs"]["succeeded"].as_u64().is_some_and(|count| 0 < count), "{status}");
    let tag = named(&status, "Tag servers");
    assert_eq!((&tag["mode"], &tag["starts"]), (&"enforce".into(), &"onSchedule".into()), "{tag}");
    assert!(tag["nextDue"].is_string() && tag["lastRun"]["state"] == "succeeded", "{tag}");
    let (hand, off) = (named(&status, "By hand"), named(&status, "Switched off"));
    assert_eq!((&hand["starts"], &hand["nextDue"]), (&"onDemand".into(), &Value::Null));
    assert_eq!((&off["starts"], &off["lastRun"]), (&"off".into(), &Value::Null));
    let shown = text(&ask(&dir, &["status"]).await.stdout);
    for word in [
        "next due",
        "on demand",
        "switched off",
        "never",
        "last day",
        "succeeded",
        "0 actions parked",
        "machine tags: ",
    ] {
        assert!(shown.contains(word), "{word}\n{shown}");
    }
    served.kill().unwrap();
    served.wait().unwrap();
    let alone = ask(&dir, &["status"]).await;
    assert!(text(&alone.stdout).contains("nobody serves it"), "{}", text(&alone.stdout));
    ends(&ask(&dir, &["runs"]).await, 0);
}
