//! What huntbook leaves behind, and whom it lets look at it.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use huntbook::clock::{Clock as _, SystemClock};
use huntbook::sim::{Fault, SimApp};
use jiff::SignedDuration;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};

use crate::{PLAYBOOK, SECRET_NAME, ask, ends, project, tenant, text};

/// How often something is looked for; fifty times a second.
const LOOKS_MAX: u32 = 3_000;
const LOOK_EVERY: SignedDuration = SignedDuration::from_millis(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_that_is_ended_leaves_nothing() {
    let sim = tenant().await;
    let dir = project(&sim, PLAYBOOK);
    ends(&ask(&dir, &["run", "tag"]).await, 0);
    sim.set_faults(vec![Fault { delay_ms: 600_000, ..Fault::on("POST /graph/*/security/runHuntingQuery") }])
        .unwrap();
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let temp = tempfile::tempdir().unwrap();
        let asked = sim.requests().len();
        let run = Command::new(env!("CARGO_BIN_EXE_huntbook"))
            .args(["run", "tag", "--dry-run"])
            .current_dir(dir.path())
            .env_clear()
            .env("TMPDIR", temp.path())
            .env(SECRET_NAME, SimApp::SECRET)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let files = || std::fs::read_dir(temp.path()).unwrap().count();
        for _look in 0..LOOKS_MAX {
            // The token, and then the query that is not answered.
            if asked + 1 < sim.requests().len() || (0 < files() && asked < sim.requests().len()) {
                break;
            }
            SystemClock.sleep(LOOK_EVERY).await;
        }
        assert_eq!(files(), 1, "the copy of the journal is there while it runs");
        let pid = run.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
        let ended = tokio::task::spawn_blocking(move || run.wait_with_output().unwrap()).await.unwrap();
        assert_eq!(ended.status.code(), Some(code), "{name}: {}", text(&ended.stderr));
        assert!(text(&ended.stderr).contains("nothing is left behind"), "{}", text(&ended.stderr));
        assert_eq!(files(), 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_others_could_change_is_not_worked_with() {
    let sim = tenant().await;
    let dir = project(&sim, PLAYBOOK);
    let at = |name: &str| dir.path().join(name);
    let allow = |name: &str, mode: u32| {
        std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let settings = std::fs::read_to_string(at("huntbook.yaml")).unwrap();
    let settings = format!("{settings}store: {{path: above/state/huntbook.db}}\n");
    std::fs::write(at("huntbook.yaml"), &settings).unwrap();
    std::fs::create_dir_all(at("above")).unwrap();
    allow("above", 0o777);
    let refused = async |path: &str, mend: &str| {
        let shown = format!("`{}`", at(path).canonicalize().unwrap().display());
        for command in [&["run", "tag"][..], &["serve"], &["resume"], &["journal", "rebuild"]] {
            let output = ask(&dir, command).await;
            ends(&output, 78);
            for word in ["HB0803", "somebody else could change or replace the journal", &shown, mend] {
                assert!(text(&output.stderr).contains(word), "{command:?} {word}\n{}", text(&output.stderr));
            }
        }
        let doctor = ask(&dir, &["doctor"]).await;
        let said = format!("{}{}", text(&doctor.stdout), text(&doctor.stderr));
        assert!(said.contains("HD121") && said.contains(mend), "{said}");
    };
    refused("above", "chmod go-w").await;
    assert!(!at("above/state").exists(), "nothing was made there");
    allow("above", 0o1777);
    ends(&ask(&dir, &["run", "tag"]).await, 0);
    allow("above", 0o755);
    allow("above/state", 0o777);
    refused("above/state", "chmod go-w").await;
    // Before anything is read of it, or brought up to date.
    let journal = at("above/state/huntbook.db");
    let options = SqliteConnectOptions::new().filename(&journal);
    let mut raw = SqliteConnection::connect_with(&options).await.unwrap();
    // What is still in its log is not in the file.
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    let before = std::fs::read(&journal).unwrap();
    raw.execute("DELETE FROM _sqlx_migrations WHERE 1 < version").await.unwrap();
    raw.close().await.unwrap();
    ends(&ask(&dir, &["run", "tag"]).await, 78);
    std::fs::write(&journal, before).unwrap();
    let named = ask(&dir, &["resume", "--store", journal.to_str().unwrap()]).await;
    ends(&named, 78);
    assert!(text(&named.stderr).contains("somebody else could change"), "{}", text(&named.stderr));
    let stopped = ask(&dir, &["stop", "--reason", "whatever else is wrong"]).await;
    ends(&stopped, 0);
    assert!(text(&stopped.stderr).contains("somebody else could change"), "{}", text(&stopped.stderr));
    allow("above/state", 0o700);
    for file in ["above/state/huntbook.db", "above/state/huntbook.db.lock"] {
        allow(file, 0o666);
        refused(file, "chmod go-w").await;
        allow(file, 0o600);
    }
    if std::os::unix::fs::chown(at("above/state"), Some(4711), None).is_ok() {
        refused("above/state", "chown -h ").await;
        std::os::unix::fs::chown(at("above/state"), Some(0), None).unwrap();
    }
    ends(&ask(&dir, &["resume"]).await, 0);
    allow("above/state", 0o777);
    std::fs::write(at("huntbook.yaml"), format!("{settings}reload: {{strictModes: false}}\n")).unwrap();
    ends(&ask(&dir, &["run", "tag"]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_folders_that_are_open_to_others_are_warned_of() {
    let sim = tenant().await;
    let dir = project(&sim, PLAYBOOK);
    let at = |name: &str| dir.path().join(name);
    let allow = |name: &str, mode: u32| {
        std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    std::fs::write(at("secret"), SimApp::SECRET).unwrap();
    let settings = std::fs::read_to_string(at("huntbook.yaml")).unwrap();
    std::fs::write(
        at("huntbook.yaml"),
        settings.replace(&format!("{{env: {SECRET_NAME}}}"), "{file: secret}"),
    )
    .unwrap();
    allow("secret", 0o600);
    allow("playbooks", 0o755);
    let validate = ask(&dir, &["validate"]).await;
    ends(&validate, 0);
    assert!(!text(&validate.stdout).contains("HB0803"), "{}", text(&validate.stdout));
    allow("secret", 0o640);
    allow("playbooks", 0o777);
    let validate = ask(&dir, &["validate"]).await;
    ends(&validate, 0);
    let shown = text(&validate.stdout);
    let secret = "can be read by others (mode 0640)";
    let folder = "everybody can write to";
    for word in [secret, folder, "HB0803", "huntbook.yaml:5:", "chmod 600", "chmod go-w"] {
        assert!(shown.contains(word), "{word}\n{shown}");
    }
    let run = ask(&dir, &["run", "tag", "--dry-run"]).await;
    ends(&run, 0);
    for word in [secret, folder] {
        assert!(text(&run.stderr).contains(word), "{}", text(&run.stderr));
    }
    let all = format!("{shown}{}{}", text(&run.stdout), text(&run.stderr));
    assert!(!all.contains(SimApp::SECRET));
    // What acts takes nothing from there.
    ends(&ask(&dir, &["run", "tag"]).await, 78);
    allow("playbooks", 0o755);
    // The journal is nobody else's business, whatever the folder's rights are.
    ends(&ask(&dir, &["run", "tag"]).await, 0);
    let mode = std::fs::metadata(at("huntbook.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
