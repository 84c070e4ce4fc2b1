//! A disk that really fills: a small file system of its own, in a mount namespace that ends with the test.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use huntbook::sim::{Fault, SimApp};
use serde_json::Value;
use tokio::time::{Duration, sleep};

use crate::process::Process;
use crate::world::World;
use crate::{NEW_DEVICES, Toll, check_journal, check_tenant, finish};

/// The size of the disk: room for what is kept, and for as much again.
const DISK: &str = "size=200m,mode=700";
/// What is kept, as `src/store/reserve.rs` has it.
const RESERVE_BYTES: u64 = 64 << 20;
/// How long the tenant leaves a call unanswered: longer than it takes to fill the disk.
const ANSWER_MS: u64 = 30_000;
/// How often something is looked for; ten times a second.
const LOOKS_MAX: u32 = 900;

/// A folder `state` with a file system of its own.
struct Disk<'a> {
    world: &'a World,
    /// What keeps it; it ends when its input does.
    anchor: Child,
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        drop(self.anchor.kill());
        drop(self.anchor.wait());
    }
}

impl<'a> Disk<'a> {
    fn mount(world: &'a World) -> Self {
        let state = world.path("state");
        fs::create_dir(&state).expect("the folder is ours");
        let script =
            format!("mount -t tmpfs -o {DISK} state '{}' && echo ready && exec cat", state.display());
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", &script]).stdin(Stdio::piped());
        let mut anchor = command.stdout(Stdio::piped()).spawn().expect("util-linux is there");
        let mut line = String::new();
        BufReader::new(anchor.stdout.take().expect("it is piped")).read_line(&mut line).expect("it is text");
        assert_eq!(line.trim(), "ready", "the system lets nobody mount in a namespace: run this as root");
        Self { world, anchor }
    }

    /// A file of it.
    fn path(&self, name: &str) -> PathBuf {
        let state = self.world.path("state").join(name);
        let state = state.strip_prefix("/").expect("it is absolute");
        PathBuf::from(format!("/proc/{}/root", self.anchor.id())).join(state)
    }

    /// Huntbook on it.
    fn huntbook(&self, arguments: &str) -> Command {
        let (folder, binary) = (self.world.path(""), env!("CARGO_BIN_EXE_huntbook"));
        let script = format!("cd '{}' && exec '{binary}' {arguments}", folder.display());
        let mut command = Command::new("nsenter");
        let anchor = self.anchor.id().to_string();
        command.args([
            "--target",
            &anchor,
            "--mount",
            "--user",
            "--preserve-credentials",
            "sh",
            "-c",
            &script,
        ]);
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("SIM_SECRET", SimApp::SECRET);
        command.env("HUNTBOOK_UNPACED", "1").stdin(Stdio::null());
        command
    }

    fn serve(&self) -> Process {
        let log = OpenOptions::new().create(true).append(true).open(self.world.path("log"));
        let mut command = self.huntbook("serve");
        Process::start(command.stderr(log.expect("it is ours")).stdout(Stdio::null()))
    }

    fn status(&self) -> (Option<i32>, Value) {
        let asked = self.huntbook("status --format json").output().expect("it starts");
        (asked.status.code(), serde_json::from_slice(&asked.stdout).unwrap_or_default())
    }

    /// Fills it but for so many bytes.
    fn fill(&self, but_bytes: u64) {
        let mut filler =
            OpenOptions::new().create(true).append(true).open(self.path("filler")).expect("a file");
        for chunk in [1 << 20, 1 << 12] {
            while filler.write_all(&vec![1; chunk]).is_ok() {}
        }
        let length = filler.metadata().expect("it is there").len();
        filler.set_len(length.saturating_sub(but_bytes)).expect("it is ours");
    }

    fn make_room(&self) {
        fs::remove_file(self.path("filler")).expect("it is there");
    }

    fn kept(&self) -> Option<u64> {
        fs::metadata(self.path("huntbook.db.reserve")).ok().map(|kept| kept.len())
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        for _look in 0..LOOKS_MAX {
            if is_so() {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("it never came to that\n{}\n{:?}", self.world.log_tail(), self.status());
    }

    /// Fills the disk while the tenant has done what it was asked and has not answered yet.
    async fn fill_under_a_call(&self) {
        let sim = &self.world.sim;
        let slow =
            Fault { delay_ms: ANSWER_MS, times: Some(1), ..Fault::on("POST /mde/api/machines/*/isolate") };
        sim.set_faults(vec![slow]).expect("it fits");
        let done = sim.effects().len();
        self.world.fleet.grow(NEW_DEVICES);
        self.until(|| done < sim.effects().len()).await;
        self.fill(0);
        assert_eq!(self.kept(), Some(RESERVE_BYTES), "the answer came before the disk was full");
        self.until(|| self.kept() == Some(0)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_39_room_that_a_kill_left_half_made_does_not_keep_the_next_start_from_making_it() {
    let world = World::start().await;
    let mut settings = OpenOptions::new().append(true).open(world.path("huntbook.yaml")).expect("it is ours");
    settings.write_all(b"store: {path: state/huntbook.db}\n").expect("it is ours");
    let disk = Disk::mount(&world);
    fs::write(disk.path("huntbook.db.reserve"), "").expect("it is ours");
    let half = vec![0; usize::try_from(RESERVE_BYTES).expect("it is small")];
    fs::write(disk.path("huntbook.db.reserve.new"), half).expect("there is room");
    // Without what is left there would be enough.
    disk.fill(100 << 20);
    let spent = disk.status().1["journal"]["unwritten"]["why"].clone();
    assert!(
        spent.is_null() || spent.as_str().is_some_and(|why| why.contains("until 128 MiB are free")),
        "{spent}"
    );
    let served = disk.serve();
    disk.until(|| disk.kept() == Some(RESERVE_BYTES)).await;
    assert!(!disk.path("huntbook.db.reserve.new").exists());
    served.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_39_what_is_under_way_when_the_disk_fills_is_written_down_with_the_room_that_is_kept() {
    let world = World::start().await;
    let mut settings = OpenOptions::new().append(true).open(world.path("huntbook.yaml")).expect("it is ours");
    let here = "store: {path: state/huntbook.db}\nalerts: {channel: soc}\n";
    settings.write_all(here.as_bytes()).expect("it is ours");
    let disk = Disk::mount(&world);
    let mut served = disk.serve();
    disk.until(|| disk.kept() == Some(RESERVE_BYTES)).await;
    assert_eq!(disk.status().1["journal"]["unwritten"], Value::Null);

    // Nearly full is told while it can be.
    disk.fill(10 << 20);
    let told = |part: &str| world.sim.messages().iter().any(|message| message.body.contains(part));
    disk.until(|| told("nearly full")).await;
    let (code, status) = disk.status();
    assert_eq!(code, Some(1), "{status}");
    assert!(status["journal"]["room"]["freeBytes"].as_u64().is_some_and(|free| free < 20 << 20), "{status}");
    disk.make_room();

    // A log that begins anew writes over nothing: whatever is written takes new room.
    served.terminate();
    assert!(served.wait(&world).await.success(), "{}", world.log_tail());
    served = disk.serve();
    disk.fill_under_a_call().await;
    // Whatever was sent has its outcome; nothing else is begun.
    disk.until(|| disk.status().1["withoutResult"].as_array().is_some_and(Vec::is_empty)).await;
    let before = world.sim.effects();
    world.fleet.grow(NEW_DEVICES);
    sleep(Duration::from_secs(12)).await;
    assert_eq!(world.sim.effects(), before, "{}", world.log_tail());
    let (code, status) = disk.status();
    assert_eq!((code, status["parked"].as_array().map(Vec::len)), (Some(1), Some(0)), "{status}");
    assert!(status["journal"]["unwritten"]["why"].is_string(), "{status}");

    disk.make_room();
    disk.until(|| disk.kept() == Some(RESERVE_BYTES) && before.len() < world.sim.effects().len()).await;
    disk.until(|| disk.status().1["journal"]["unwritten"].is_null()).await;
    served.kill();
    // The rest is looked at where there is room.
    for ending in ["", "-wal"] {
        let name = format!("huntbook.db{ending}");
        if let Ok(mut from) = File::open(disk.path(&name)) {
            let mut to = File::create(world.path(&name)).expect("the folder is ours");
            std::io::copy(&mut from, &mut to).expect("there is room");
        }
    }
    let settings = fs::read_to_string(world.path("huntbook.yaml")).expect("it is ours").replace(here, "");
    fs::write(world.path("huntbook.yaml"), settings).expect("it is ours");
    finish(&world).await;
    check_tenant(&world, &Toll { in_doubt: NEW_DEVICES, ..Toll::default() }).await;
    check_journal(&world).await;
}
