//! Lists that protect: half of one is never taken for the whole.

use std::fs::{self, File};
use std::io::Write as _;

use huntbook::sim::{Fault, SimOptions};
use serde_json::{Value, json};

use crate::left::{ISOLATE, contain};
use crate::{EVERY_SECOND, LOOKS_MAX, NEVER, Place, Served, pause, playbook, until};

const LIST: &str = "lists/vip.txt";

/// The list with the device that is hunted for at its end.
fn list(before: u32) -> String {
    (0..before).map(|n| format!("host{n}\n")).chain(["one\n".to_owned()]).collect()
}

/// A daemon whose playbook matches the device as long as the list that protects has it.
async fn protected() -> (Place, Served) {
    let place = Place::new().await;
    place.put(LIST, list(9));
    let guarded =
        format!("{EVERY_SECOND}guards: {{exclude: {{devices: vip}}}}\nwhere: row.DeviceId in lists.vip\n");
    place.put("playbooks/a.yaml", playbook(1, &guarded));
    let served = place.serve().await;
    assert_eq!(matched(&place).await, 1);
    (place, served)
}

async fn matched(place: &Place) -> Value {
    place.next_run().await["counts"]["matched"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_still_being_written_counts_as_unread() {
    let (place, served) = protected().await;
    // A copy that goes on for longer than anybody waits; so far every line of it is fine.
    let mut copy = File::create(place.at(LIST)).unwrap();
    copy.write_all(b"host0\nhost1\nhost2\nhost3\nhost4\nhost5\nhost6\nhost7\n").unwrap();
    let refused = until("it is unread", || place.refused().remove("vip.txt")).await;
    assert_eq!(refused["message"], "it cannot be read: somebody is still writing it");
    until("people are told", || (place.told("huntbook cannot read") == 1).then_some(())).await;
    assert_eq!(matched(&place).await, 1);
    copy.write_all(b"two\n").unwrap();
    assert_eq!((matched(&place).await, place.refused().len()), (Value::from(1), 1));
    drop(copy);
    until("it is read", || place.refused().is_empty().then_some(())).await;
    until("it is in force", || (place.held().is_empty()).then_some(())).await;
    assert_eq!(matched(&place).await, 0);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_loses_much_at_once_is_held_until_somebody_confirms_it() {
    let (place, mut served) = protected().await;
    // A copy that broke off.
    fs::write(place.at(LIST), "host0\nhost1\n").unwrap();
    let told = || place.told("huntbook holds the list vip: 8 of 10 entries are gone at once");
    until("people are told", || (told() == 1).then_some(())).await;
    assert_eq!((matched(&place).await, place.held().len()), (Value::from(1), 1));
    served.stop().await;
    served = place.serve().await;
    assert_eq!((matched(&place).await, place.held().len()), (Value::from(1), 1));
    served.signal("HUP");
    until("it is let go", || place.held().is_empty().then_some(())).await;
    assert_eq!((matched(&place).await, told()), (Value::from(0), 1));
    served.stop().await;
    served = place.serve().await;
    assert_eq!((matched(&place).await, place.held().len()), (Value::from(0), 0));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_new_in_the_file_of_a_held_list_protects_at_once() {
    let (place, served) = protected().await;
    place.replace(LIST, &list(9).replace("one\n", ""));
    let none = || place.runs().first().is_some_and(|run| run["counts"]["matched"] == 0);
    until("one entry less is somebody's edit", || none().then_some(())).await;
    // Another inventory, which has what the old one lacks.
    place.replace(LIST, "host0\none\n");
    let told = || place.told("huntbook holds the list vip: 8 of 9 entries are gone at once");
    until("people are told", || (told() == 1).then_some(())).await;
    assert_eq!((matched(&place).await, place.held().len()), (Value::from(1), 1));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_by_hand_takes_nothing_up_against_a_list_that_serve_would_hold() {
    let place = Place::new().await;
    let protecting = "guards: {exclude: {devices: vip}}\n";
    place.put(LIST, list(8));
    place.put(
        "playbooks/a.yaml",
        contain().replace("mode: enforce\n", &format!("mode: enforce\n{protecting}")),
    );
    place.put("playbooks/b.yaml", playbook(2, ""));
    place.sim.set_faults(vec![Fault { delay_ms: 600_000, ..Fault::on(ISOLATE) }]).unwrap();
    let served = place.serve().await;
    until("it isolates", || (place.isolated() == 1).then_some(())).await;
    // Somebody protects the rest, and the copy of the list breaks off while nobody serves.
    let machines = SimOptions::sample().unwrap().data.machines;
    let all = machines.iter().take(3).map(|machine| machine.id.as_str()).collect::<Vec<_>>().join("\n");
    place.replace(LIST, &format!("{}{all}", list(8)));
    let mut journal = place.journal().await;
    let in_force = "SELECT c.bytes FROM live_lists l JOIN contents c ON c.hash = l.hash";
    for look in 0.. {
        let bytes: Vec<u8> = sqlx::query_scalar(in_force).fetch_one(&mut journal).await.unwrap();
        if bytes.ends_with(all.as_bytes()) {
            break;
        }
        assert!(look < LOOKS_MAX, "waited for the list to be in force");
        pause(20).await;
    }
    drop(served);
    place.sim.set_faults(Vec::new()).unwrap();
    place.replace(LIST, "host0\n");
    let output = place.huntbook().args(["run", "watched 2"]).output().unwrap();
    assert!(place.running().is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(place.isolated(), 1, "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protecting_list_that_is_emptied_keeps_nobody_from_starting_and_holds_for_runs_by_hand() {
    let place = Place::new().await;
    place.set(
        "guards",
        json!({"maxTargetsOfTenant": 50, "maxPercentOfDevicesInRun": {"freely": 100}, "exclude": {"devices": "vip"}}),
    );
    place.put(LIST, list(9));
    place.put("playbooks/a.yaml", playbook(1, &format!("{NEVER}where: row.DeviceId in lists.vip\n")));
    let served = place.serve().await;
    served.stop().await;
    place.put(LIST, "");
    let by_hand = || place.ask(&["run", "watched 1"])[0]["counts"]["matched"].clone();
    assert_eq!(by_hand(), 1);
    let served = place.serve().await;
    let said = served.text();
    assert!(said.contains("the list `vip` protects") && said.contains("vip.txt` is empty"), "{said}");
    assert_eq!(place.held().into_iter().collect::<Vec<_>>(), ["vip.txt"]);
    served.stop().await;
    // A list that lost much at once is held for who runs something by hand, too.
    place.put(LIST, "host0\nhost1\n");
    assert_eq!(by_hand(), 1);
    // One that there never was is none.
    place.set("guards", json!({"exclude": {"users": "nobody"}}));
    let refused = place.huntbook().arg("serve").output().unwrap();
    assert_eq!(refused.status.code(), Some(78), "{}", String::from_utf8_lossy(&refused.stderr));
}
