//! Edits that raise risk: what was in force stays until a second person has confirmed exactly them.

use std::fs;

use huntbook::store::ContentHash;
use serde_json::{Value, json};

use crate::{NEVER, Place, playbook, until};

/// A playbook that isolates what it finds, but never by itself during the test.
fn acting(more: &str) -> String {
    let isolate = "actions:\n  - id: cut\n    isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}\n";
    playbook(1, &format!("  identity: [DeviceId, ReportId]\n{NEVER}mode: enforce\n{isolate}{more}"))
}

/// A place whose settings want a second person: the account of the test is the approver `lead`.
async fn place() -> Place {
    let place = Place::new().await;
    let own = std::os::unix::fs::MetadataExt::uid(&fs::metadata(place.at("playbooks")).unwrap());
    place.set("approvers", json!({"lead": {"account": own.to_string()}}));
    place.set("reload", json!({"riskRaising": "hold"}));
    place
}

/// The edits that wait.
fn waiting(place: &Place) -> Vec<Value> {
    place.ask(&["confirm"]).as_array().unwrap().clone()
}

/// Waits until one edit waits that raises this, and returns what it is called.
async fn raises(place: &Place, risk: &str) -> String {
    let one = || match waiting(place).as_slice() {
        [one] if one["risks"] == json!([risk]) => Some(one["digest"].as_str().unwrap().to_owned()),
        _ => None,
    };
    until(risk, one).await
}

fn confirm(place: &Place, id: &str) -> (Option<i32>, String) {
    let said = place.huntbook().args(["confirm", id, "--reason", "looked at it"]).output().unwrap();
    let text = [said.stdout, said.stderr].concat();
    (said.status.code(), String::from_utf8(text).unwrap())
}

fn version(text: &str) -> String {
    ContentHash::of(text.as_bytes()).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_raises_risk_waits_for_a_second_person_over_restarts() {
    const FILE: &str = "playbooks/a.yaml";
    let new = "`cut` takes a new disruptive action, isolateDevice";
    let place = place().await;
    let three = acting("guards: {maxActions: {perRun: 3}}\n");
    let four = acting("guards: {maxActions: {perRun: 4}}\n");
    let five = acting("guards: {maxActions: {perRun: 5}}\n");
    let by_lead = acting("guards: {maxActions: {perRun: 4}}\nauthor: lead\n");
    place.put(FILE, &three);
    let mut served = place.serve().await;
    let first = raises(&place, new).await;
    assert_eq!(place.live().len(), 0, "nothing new acts by itself");
    assert_eq!(confirm(&place, &first).0, Some(0));
    place.until_live("a.yaml", &three).await;
    assert_eq!(waiting(&place).len(), 0);

    // The version in force stays, and people hear of the other one.
    place.replace(FILE, &four);
    let higher = "the guard `maxActions.perRun` lets more pass: 4 instead of 3";
    let of_four = raises(&place, higher).await;
    assert_eq!(place.live()["a.yaml"], version(&three));
    until("people are told", || (place.told("holds an edit that raises risk") == 2).then_some(())).await;
    let status = place.huntbook().arg("status").output().unwrap();
    let shown = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(
        status.status.code() == Some(1)
            && shown.contains(higher)
            && shown.contains(of_four.get(..12).unwrap()),
        "{shown}"
    );
    served.stop().await;
    served = place.serve().await;
    assert_eq!(raises(&place, higher).await, of_four);
    assert_eq!(place.live()["a.yaml"], version(&three));
    served.signal("HUP");

    // What is confirmed is these bytes, not others.
    place.replace(FILE, &five);
    raises(&place, "the guard `maxActions.perRun` lets more pass: 5 instead of 3").await;
    let (code, said) = confirm(&place, &of_four);
    assert!(code == Some(2) && said.contains("waits: `huntbook confirm` lists them"), "{said}");
    // Nobody confirms what they wrote.
    place.replace(FILE, &by_lead);
    let own = raises(&place, higher).await;
    let (code, said) = confirm(&place, &own);
    assert!(code != Some(0) && said.contains("somebody else must approve"), "{said}");
    place.replace(FILE, &four);
    let again = || waiting(&place).into_iter().find(|edit| edit["digest"] == of_four.as_str());
    assert_eq!(until("the edit of before waits again", again).await["confirmed"], json!(false));
    assert_eq!(confirm(&place, of_four.get(..8).unwrap()).0, Some(0));
    place.until_live("a.yaml", &four).await;

    // What lowers it again needs nobody, and what was confirmed once is not confirmed for ever.
    place.replace(FILE, &three);
    place.until_live("a.yaml", &three).await;
    place.replace(FILE, &four);
    assert_eq!(raises(&place, higher).await, of_four);
    assert_eq!(place.live()["a.yaml"], version(&three));
    served.stop().await;
    let words = place.huntbook().args(["journal", "export"]).output().unwrap();
    let words = String::from_utf8_lossy(&words.stdout).matches("\"word\":\"confirm\"").count();
    assert_eq!(words, 2, "each word is in the chain");
    assert!(place.huntbook().args(["audit", "verify"]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protecting_list_loses_nothing_without_a_second_person() {
    let place = place().await;
    place.put("lists/vip.txt", "host1\nhost2\nhost3\n");
    place.put("playbooks/a.yaml", acting("guards: {exclude: {devices: vip}}\n"));
    let served = place.serve().await;
    let first = raises(&place, "`cut` takes a new disruptive action, isolateDevice").await;
    assert_eq!(confirm(&place, &first).0, Some(0));
    until("it is in force", || (place.live().len() == 1).then_some(())).await;

    place.replace("lists/vip.txt", "host1\nhost3\nhost4\n");
    let less = raises(&place, "the list `vip` protects 1 of 3 entries no more: `host2`").await;
    // SIGHUP is nobody's word.
    served.signal("HUP");
    place.replace("lists/vip.txt", "host1\nhost3\nhost4\nhost5\n");
    until("another edit waits", || {
        waiting(&place).first().filter(|one| one["digest"] != less.as_str()).cloned()
    })
    .await;
    let now = raises(&place, "the list `vip` protects 1 of 3 entries no more: `host2`").await;
    assert_eq!(confirm(&place, &now).0, Some(0));
    until("nothing waits", || waiting(&place).is_empty().then_some(())).await;
    assert_eq!(place.refused().len() + place.held().len(), 0);
    served.stop().await;
}

#[tokio::test]
async fn holding_needs_somebody_who_confirms() {
    let place = Place::new().await;
    place.set("reload", json!({"riskRaising": "hold"}));
    let validate = place.huntbook().arg("validate").output().unwrap();
    let shown = String::from_utf8_lossy(&validate.stdout).into_owned();
    assert!(validate.status.code() == Some(78) && shown.contains("`approvers` names nobody"), "{shown}");
}
