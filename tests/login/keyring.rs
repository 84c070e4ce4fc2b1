//! A sign-in that is kept in the keyring of a desktop session: a real one, on a bus of its own.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::Desk;

/// A desktop session with a keyring that is open. It ends when this is dropped.
struct Session {
    bus: String,
    _keyring: Child,
    _daemon: Child,
    /// Last: as long as they live they write to it.
    home: tempfile::TempDir,
}

impl Session {
    async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let address = format!("--address=unix:path={}", home.path().join("bus").display());
        let arguments = ["--session", "--nofork", "--print-address", &address];
        let mut bus = program("dbus-daemon", &arguments, home.path());
        let mut daemon = bus.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(daemon.stdout.take().unwrap()).lines();
        let bus = lines.next_line().await.unwrap().unwrap();
        let arguments = ["--foreground", "--components=secrets", "--unlock"];
        let mut keyring = program("gnome-keyring-daemon", &arguments, home.path());
        keyring.env("DBUS_SESSION_BUS_ADDRESS", &bus).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keyring = keyring.spawn().unwrap();
        let mut password = keyring.stdin.take().unwrap();
        password.write_all(b"a password").await.unwrap();
        drop(password);
        // It says where it listens once it does.
        let mut lines = BufReader::new(keyring.stdout.take().unwrap()).lines();
        lines.next_line().await.unwrap();
        Self { bus, home, _daemon: daemon, _keyring: keyring }
    }
}

fn program(name: &str, arguments: &[&str], home: &Path) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home).env("XDG_RUNTIME_DIR", home).env("XDG_DATA_HOME", home);
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// Takes the key out of the settings.
fn without_key(desk: &Desk) {
    let path = desk.dir.path().join("huntbook.yaml");
    let mut settings: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    settings["tenants"]["contoso"]["auth"]["user"].as_object_mut().unwrap().remove("key");
    std::fs::write(path, settings.to_string()).unwrap();
}

/// Every byte of a folder's files.
fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            all.extend(bytes_below(&entry.path()));
        } else if kind.is_file() {
            all.extend(std::fs::read(entry.path()).unwrap());
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_is_kept_in_the_keyring_where_the_settings_have_no_key() {
    let session = Session::start().await;
    let mut desk = Desk::set(|_| true).await;
    without_key(&desk);
    desk.bus = Some(session.bus.clone());
    let (code, said) = desk.say(&["run", "Tag"]).await;
    assert!(code == Some(1) && said.contains("nobody is signed in"), "{said}");
    let (code, said) = desk.sign_in().await;
    assert!(code == Some(0) && said.contains("signed in to `contoso`"), "{said}");
    assert!(!desk.kept().exists(), "no file is made");

    // Each use replaces it there, and two at once take turns.
    let (one, other) = tokio::join!(desk.say(&["tenants"]), desk.say(&["doctor"]));
    assert_eq!((one.0, other.0), (Some(0), Some(0)), "{}{}", one.1, other.1);
    let (code, said) = desk.say(&["run", "Tag"]).await;
    assert_eq!(code, Some(0), "{said}");
    for folder in [desk.dir.path(), session.home.path()] {
        let bytes = bytes_below(folder);
        assert!(
            !bytes.windows(3).any(|three| three == b"1.A"),
            "no token in the clear in {}",
            folder.display()
        );
    }

    // What is in the keyring outlives the folder beside the journal.
    std::fs::remove_dir_all(desk.dir.path().join("sessions")).unwrap();
    let (code, said) = desk.say(&["logout", "contoso"]).await;
    assert!(code == Some(0) && said.contains("nothing is kept"), "{said}");
    let (code, said) = desk.say(&["logout", "contoso"]).await;
    assert!(code == Some(0) && said.contains("nobody was signed in"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_keyring_it_is_said_what_to_do_before_anybody_signs_in() {
    let mut desk = Desk::set(|_| true).await;
    without_key(&desk);
    desk.bus = Some(format!("unix:path={}", desk.dir.path().join("no-bus").display()));
    let (code, said) = desk.say(&["login", "contoso", "--device-code"]).await;
    assert!(
        code == Some(78) && said.contains("the keyring of this desktop session cannot be used; with `key`"),
        "{said}"
    );
    assert!(desk.sim.requests().is_empty());
}
