//! Whose files count: what somebody else could have written, or nobody signed, does not come into force.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use serde_json::{Value, json};

use crate::{NEVER, Place, playbook, until};

const EDIT: &str = "description: edited\n";

fn allow(place: &Place, name: &str, mode: u32) {
    fs::set_permissions(place.at(name), Permissions::from_mode(mode)).unwrap();
}

/// Waits until a file is refused, and returns why and what helps.
async fn refused(place: &Place, file: &str) -> (String, String) {
    let refused = until(&format!("{file} is refused"), || place.refused().remove(file)).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&refused["message"]), text(&refused["help"][0]))
}

async fn until_nothing_is_refused(place: &Place) {
    until("nothing is refused", || place.refused().is_empty().then_some(())).await;
}

fn edited(number: u32) -> String {
    playbook(number, &format!("{NEVER}{EDIT}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_can_write_does_not_come_into_force_until_they_cannot() {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", playbook(1, NEVER));
    place.put("playbooks/team/b.yaml", playbook(2, NEVER));
    let served = place.serve().await;
    place.until_live("b.yaml", &playbook(2, NEVER)).await;

    // The whole directory: nothing in it counts, and all that is in force stays.
    allow(&place, "playbooks", 0o777);
    place.put("playbooks/a.yaml", edited(1));
    let (why, help) = refused(&place, "playbooks").await;
    let shown = place.at("playbooks").canonicalize().unwrap().display().to_string();
    assert!(why.starts_with(&format!("everybody can write to `{shown}` (mode 0777, owner ")), "{why}");
    assert!(help.starts_with(&format!("chmod go-w '{shown}'; `reload: {{strictModes: false}}`")), "{help}");
    assert_eq!(
        place.live()["a.yaml"],
        huntbook::store::ContentHash::of(playbook(1, NEVER).as_bytes()).to_string()
    );
    until("people are told", || (0 < place.told("huntbook refused")).then_some(())).await;
    allow(&place, "playbooks", 0o755);
    place.until_live("a.yaml", &edited(1)).await;
    until_nothing_is_refused(&place).await;

    // A folder in it, and a file: the others reload.
    allow(&place, "playbooks/team", 0o777);
    place.put("playbooks/team/b.yaml", edited(2));
    assert!(refused(&place, "team").await.0.starts_with("everybody can write to"));
    allow(&place, "playbooks/team", 0o755);
    place.until_live("b.yaml", &edited(2)).await;
    place.put("playbooks/a.yaml", playbook(1, NEVER));
    allow(&place, "playbooks/a.yaml", 0o646);
    assert!(refused(&place, "a.yaml").await.0.contains("(mode 0646, owner "));
    place.put("playbooks/team/b.yaml", playbook(2, NEVER));
    place.until_live("b.yaml", &playbook(2, NEVER)).await;
    allow(&place, "playbooks/a.yaml", 0o644);
    place.until_live("a.yaml", &playbook(1, NEVER)).await;

    // A folder above: whoever can write there can put another directory in its place.
    allow(&place, ".", 0o777);
    assert!(refused(&place, "lists").await.0.starts_with("everybody can write to"));
    allow(&place, ".", 0o1777);
    until_nothing_is_refused(&place).await;

    // What a link leads to outside of the directory is for others to say.
    place.put("elsewhere.yaml", edited(1));
    fs::remove_file(place.at("playbooks/a.yaml")).unwrap();
    symlink(place.at("elsewhere.yaml"), place.at("playbooks/a.yaml")).unwrap();
    assert!(refused(&place, "a.yaml").await.0.starts_with("the link `"));
    assert_eq!(place.live().len(), 2, "its last version stays in force");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_others_can_write_are_not_served() {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", playbook(1, NEVER));
    allow(&place, "huntbook.yaml", 0o666);
    let served = place.huntbook().arg("serve").output().unwrap();
    let told = String::from_utf8_lossy(&served.stderr);
    assert_eq!(served.status.code(), Some(78), "{told}");
    assert!(told.contains("HB0803") && told.contains("huntbook.yaml` (mode 0666"), "{told}");
    // At the desk it is a warning, and what `serve` would not take is a finding of the doctor.
    let validate = place.huntbook().arg("validate").output().unwrap();
    let shown = String::from_utf8_lossy(&validate.stdout);
    assert!(validate.status.success() && shown.contains("does not start with settings there"), "{shown}");
    let doctor = place.ask(&["doctor"]).to_string();
    assert!(doctor.contains("HD105") && doctor.contains("chmod go-w"), "{doctor}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_have_no_say_in_whether_they_count() {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", playbook(1, NEVER));
    place.set("reload", json!({"strictModes": false, "owners": ["4711"]}));
    allow(&place, "huntbook.yaml", 0o666);
    let told = |owners: &str, arguments: &[&str]| {
        let output =
            place.huntbook().env("HUNTBOOK_SETTINGS_OWNERS", owners).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for arguments in [&["serve"][..], &["run", "a"]] {
        let (code, said) = told("", arguments);
        assert_eq!(code, Some(78), "{said}");
        assert!(
            said.contains("huntbook.yaml` (mode 0666") && said.contains("HUNTBOOK_SETTINGS_OWNERS="),
            "{said}"
        );
    }
    // Whoever starts the process says that everybody's count.
    let (_code, said) = told("*", &["run", "a"]);
    assert!(!said.contains("HB0803"), "{said}");
    allow(&place, "huntbook.yaml", 0o644);
    if fs::metadata(place.at("huntbook.yaml")).unwrap().uid() == 0 {
        chown(place.at("huntbook.yaml"), Some(4711), None).unwrap();
        let (code, said) = told("", &["run", "a"]);
        assert!(code == Some(78) && said.contains("` belongs to 4711 (mode 0644)"), "{said}");
        let (_code, said) = told("4711", &["run", "a"]);
        assert!(!said.contains("HB0803"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_settings_say_whose_files_count() {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", playbook(1, NEVER));
    if fs::metadata(place.at("playbooks")).unwrap().uid() == 0 {
        // Only root can give files away.
        chown(place.at("playbooks/a.yaml"), Some(4711), None).unwrap();
        let served = place.serve().await;
        assert!(refused(&place, "a.yaml").await.0.contains("` belongs to 4711 (mode 0644)"));
        assert_eq!(place.live().len(), 0, "there was no good version of it before");
        served.stop().await;
        place.set("reload", json!({"owners": ["4711"]}));
        let served = place.serve().await;
        place.until_live("a.yaml", &playbook(1, NEVER)).await;
        served.stop().await;
    }
    allow(&place, "playbooks", 0o777);
    place.set("reload", json!({"strictModes": false}));
    let served = place.serve().await;
    place.put("playbooks/a.yaml", edited(1));
    place.until_live("a.yaml", &edited(1)).await;
    assert_eq!(place.refused().len(), 0);
    served.stop().await;
}

/// A file of the signed ones: real signatures, made by minisign 0.11 as it does by default and with `-l`.
fn signed(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reload/signed").join(name)).unwrap()
}

/// Puts a file and its signature in place.
fn put(place: &Place, (file, bytes): (&str, &str), signature: &str) {
    place.put(&format!("{file}.minisig"), signed(signature));
    place.replace(file, std::str::from_utf8(&signed(bytes)).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_keys_are_named_only_what_they_signed_comes_into_force() {
    const FILE: &str = "playbooks/a.yaml";
    let text = |name: &str| String::from_utf8(signed(name)).unwrap();
    let place = Place::new().await;
    let key = text("minisign.pub").lines().nth(1).unwrap().to_owned();
    place.set(
        "reload",
        json!({"signedBy": {"ops": "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO"}}),
    );
    let bad = place.huntbook().arg("validate").output().unwrap();
    assert_eq!(bad.status.code(), Some(78));
    place.set("reload", json!({"signedBy": {"ops": key}}));
    put(&place, (FILE, "first/a.yaml"), "first/a.yaml.minisig");
    put(&place, ("lists/vip.txt", "first/vip.txt"), "first/vip.txt.minisig");
    let served = place.serve().await;
    place.until_live("a.yaml", &text("first/a.yaml")).await;
    assert_eq!(place.refused().len(), 0);

    let wrong = [
        ("first/a.yaml.minisig", "is not that of these bytes"),
        ("stranger/a.yaml.minisig", "is by a key that `reload.signedBy` does not name"),
        ("elsewhere/a.yaml.minisig", "is for `b.yaml`: the signed comment must say `file:a.yaml`"),
        ("first/a.yaml", "is no signature of minisign"),
    ];
    for (signature, expect) in wrong {
        put(&place, (FILE, "second/a.yaml"), signature);
        let what = format!("{signature} does not do");
        let says =
            || place.refused().get("a.yaml").is_some_and(|why| why["message"].to_string().contains(expect));
        until(&what, || says().then_some(())).await;
        assert_eq!(place.refused()["a.yaml"]["code"], "HB0805");
    }
    let and_more = [signed("second/a.yaml.minisig"), b"more\n".to_vec()].concat();
    place.put("playbooks/a.yaml.minisig", and_more);
    let says = || place.refused()["a.yaml"]["message"].to_string().contains("nothing after them");
    until("nothing follows a signature", || says().then_some(())).await;
    fs::remove_file(place.at("playbooks/a.yaml.minisig")).unwrap();
    let says = || {
        place.refused()["a.yaml"]["message"].to_string().contains("there is no signature `a.yaml.minisig`")
    };
    until("a signature is wanted", || says().then_some(())).await;
    // A list that lost entries, with the signature of the whole.
    place.replace("lists/vip.txt", "host1\n");
    until("the list is refused", || place.refused().remove("vip.txt")).await;
    // None of it disarms: what was signed last is in force, over a restart too.
    served.stop().await;
    let served = place.serve().await;
    assert_eq!(place.live()["a.yaml"], huntbook::store::ContentHash::of(&signed("first/a.yaml")).to_string());
    assert_eq!(place.refused().len(), 2);

    put(&place, (FILE, "second/a.yaml"), "second/a.yaml.minisig");
    put(&place, ("lists/vip.txt", "first/vip.txt"), "first/vip.txt.minisig");
    place.until_live("a.yaml", &text("second/a.yaml")).await;
    until_nothing_is_refused(&place).await;
    served.stop().await;
}

/// Runs something by hand; gives the exit code and all that was said.
fn by_hand(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let output = place.huntbook().arg("run").args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_by_hand_takes_what_serve_would_take() {
    let place = Place::new().await;
    place.put("playbooks/a.yaml", playbook(1, NEVER));
    assert_eq!(by_hand(&place, &["watched 1"]).0, Some(0));
    allow(&place, "playbooks/a.yaml", 0o646);
    for wanted in ["watched 1", "a", "0f3e8a10-5b7c-4d21-9e64-000000000001"] {
        let (code, said) = by_hand(&place, &[wanted]);
        assert_eq!(code, Some(78), "{wanted}: {said}");
        assert!(said.contains("(mode 0646, owner ") && said.contains("does not count"), "{said}");
    }
    assert_eq!(by_hand(&place, &["nothing"]).0, Some(2));
    // To look is for those who write it, and says what would not count.
    let (code, said) = by_hand(&place, &["watched 1", "--dry-run"]);
    assert!(code == Some(0) && said.contains("warning[HB0803]"), "{said}");
    // Who names the file has looked at it.
    let file = place.at("playbooks/a.yaml").display().to_string();
    assert_eq!(by_hand(&place, &[&file]).0, Some(0));
    allow(&place, "playbooks/a.yaml", 0o644);
    allow(&place, "huntbook.yaml", 0o666);
    let (code, said) = by_hand(&place, &["watched 1"]);
    assert!(code == Some(78) && said.contains("huntbook.yaml` (mode 0666"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_by_hand_takes_only_what_is_signed_where_keys_are_named() {
    let place = Place::new().await;
    let key = String::from_utf8(signed("minisign.pub")).unwrap().lines().nth(1).unwrap().to_owned();
    place.set("reload", json!({"signedBy": {"ops": key}}));
    put(&place, ("playbooks/a.yaml", "first/a.yaml"), "first/a.yaml.minisig");
    put(&place, ("lists/vip.txt", "first/vip.txt"), "first/vip.txt.minisig");
    let served = place.serve().await;
    served.stop().await;
    let file = place.at("playbooks/a.yaml").display().to_string();
    for wanted in ["a", file.as_str()] {
        assert_eq!(by_hand(&place, &[wanted]).0, Some(0), "{wanted}");
    }
    // Another version without a signature of its own; its path makes it no better.
    place.replace("playbooks/a.yaml", std::str::from_utf8(&signed("second/a.yaml")).unwrap());
    for wanted in ["a", file.as_str()] {
        let (code, said) = by_hand(&place, &[wanted]);
        assert!(code == Some(78) && said.contains("is not that of these bytes"), "{wanted}: {said}");
    }
    // Nor does a list count that nobody signed: the one that was signed does.
    put(&place, ("playbooks/a.yaml", "second/a.yaml"), "second/a.yaml.minisig");
    fs::remove_file(place.at("lists/vip.txt.minisig")).unwrap();
    place.replace("lists/vip.txt", "nothing-of-before\n");
    let (code, said) = by_hand(&place, &["a"]);
    assert!(code == Some(0) && said.contains("there is no signature `vip.txt.minisig`"), "{said}");
}
