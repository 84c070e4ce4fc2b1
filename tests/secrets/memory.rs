//! What is in the memory of the process stays there: no core file, and no other process of the account reads it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::bench::{Bench, until, within};
use crate::canary::check_files;

/// An account that may do nothing, for tests that run as one that may do everything.
const NOBODY: u32 = 65_534;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_holds_secrets_leaves_no_core_file_and_is_read_by_nobody() {
    let bench = Bench::set().await;
    let mut command = bench.command(&["serve"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("tokens to be asked for with all secrets", || 6 <= bench.tap.issued("access_token").len()).await;
    let pid = child.id().unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::ABORT).unwrap();
    let status = within("it to die", child.wait()).await.unwrap();
    assert_eq!((status.signal(), status.core_dumped()), (Some(Signal::ABORT.as_raw()), false));
    assert!(0 < check_files(&bench.canaries(), bench.dir.path()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_cannot_be_looked_into_by_others_of_its_account() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let binary = dir.path().join("huntbook");
    // By another process: what this one writes, a child that begins beside it still has open for a moment.
    let copied = std::process::Command::new("cp").arg(env!("CARGO_BIN_EXE_huntbook")).arg(&binary).status();
    assert!(copied.unwrap().success());
    let mut command = tokio::process::Command::new(&binary);
    command.args(["sim", "--port", "0"]).current_dir(dir.path()).env_clear().kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    if own == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    within("it to have begun", lines.next_line()).await.unwrap().unwrap();
    // What belongs to a process that may not be dumped belongs to root; of any other, to its account.
    let of = |pid: u32| std::fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid();
    assert_eq!(of(child.id().unwrap()), 0);
    assert_eq!(of(std::process::id()), own, "it is not so by itself");
    child.kill().await.unwrap();
}
