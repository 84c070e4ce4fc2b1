//! Every command of the binary with canaries in every place of a secret.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use huntbook::sim::Verdict;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::bench::{Bench, Said, until, within};
use crate::canary::{check, check_files};
use crate::tap::{Barrier, Repeats};

/// What each command is run with, from the binary's own list of commands. `TOKEN` is a token on standard input,
/// `{RUN}` the latest run.
const TABLE: &[(&str, &[&[&str]])] = &[
    ("actions", &[&[], &["isolateDevice"], &["none"]]),
    ("approvals", &[&[], &["--all"]]),
    ("approve", &[&["0000"]]),
    ("audit verify", &[&[]]),
    ("backtest", &[&["Tag", "--from", "1h", "--tenant", "env"], &["none", "--from", "1h"]]),
    ("completions", &[&["bash"]]),
    ("demo", &[&[]]),
    ("confirm", &[&[], &["0000", "--reason", "looked"]]),
    ("deny", &[&["0000", "--reason", "no"]]),
    ("doctor", &[&[], &["--permissions"], &["--tenant", "none"]]),
    ("explain", &[&["HB0302"], &["AADSTS7000215"]]),
    ("import", &[&["playbooks", "--out", "imported"]]),
    ("in-force list", &[&[]]),
    ("in-force revert", &[&["0000", "--reason", "it is clean"]]),
    ("journal export", &[&[]]),
    ("journal list", &[&[]]),
    ("journal rebuild", &[&[]]),
    ("kql check", &[&["playbooks"]]),
    ("kql fmt", &[&["none.kql"]]),
    ("kql run", &[&["none.kql"]]),
    ("let-pass", &[&["Tag", "--reason", "looked"]]),
    ("login", &[&["env"], &["none"]]),
    ("logout", &[&["env"]]),
    ("record", &[&["Tag", "--tenant", "env", "--force"], &["Tag"]]),
    ("resolve", &[&["0000", "--done"]]),
    ("resume", &[&["--reason", "looked"]]),
    ("run", &[&["Tag"], &["Tag", "--dry-run"], &["none"]]),
    ("runs", &[&[]]),
    ("schema", &[&["settings"], &["pull", "--tenant", "env"], &["pull"]]),
    ("show", &[&["{RUN}", "--all"], &["none"]]),
    ("sim generate", &[&["--rows", "100", "--out", "rows"]]),
    ("sim import", &[&["--sysmon", "none", "--out", "events"]]),
    ("status", &[&[]]),
    ("stop", &[&["--reason", "a look"]]),
    ("tenants", &[&[], &["--consent"]]),
    ("test", &[&[]]),
    ("token", &[&["--tenant", "env"], &["--tenant", "person"], &["TOKEN", "--stdin"], &[]]),
    ("validate", &[&[], &["none.yaml"]]),
    ("web", &[&[]]),
];
/// What is written in other forms.
const OTHER_FORMS: &[&[&str]] = &[
    &["runs", "--format", "csv"],
    &["journal", "list", "--format", "csv"],
    &["journal", "export", "--format", "csv"],
    &["validate", "--format", "sarif"],
    &["validate", "none.yaml", "--format", "sarif"],
    &["test", "--format", "junit"],
];
/// Those that run until they are stopped.
const LASTING: [&str; 2] = ["serve", "sim"];

/// The commands as the help of the binary lists them, those with commands of their own by these.
async fn commands(bench: &Bench, of: &str) -> BTreeSet<String> {
    let words: Vec<&str> = of.split(' ').filter(|word| !word.is_empty()).chain(["--help"]).collect();
    let help = String::from_utf8(bench.run(&words, "").await.out).unwrap();
    let Some((_, rest)) = help.split_once("Commands:\n") else { return BTreeSet::from([of.to_owned()]) };
    let list =
        rest.split("\n\n").flat_map(str::lines).take_while(|line| line.is_empty() || line.starts_with(' '));
    let names = list.filter_map(|line| {
        line.strip_prefix("  ")?.split_whitespace().next().filter(|_| !line.starts_with("   "))
    });
    let mut found = BTreeSet::new();
    for name in names.filter(|name| *name != "help") {
        found.extend(Box::pin(commands(bench, format!("{of} {name}").trim())).await);
    }
    // One that does something by itself as well.
    if of == "sim" {
        found.insert(of.to_owned());
    }
    found
}

fn check_said(bench: &Bench, what: &str, said: &Said) {
    let canaries = bench.canaries();
    check(&canaries, &format!("the output of {what}"), &said.out);
    check(&canaries, &format!("the errors of {what}"), &said.err);
    check_files(&canaries, bench.dir.path());
}

/// Runs all of the table in a form.
async fn run_all(bench: &Bench, form: &str) {
    let mut latest = String::new();
    for (command, lines) in TABLE {
        for line in *lines {
            let mut words: Vec<&str> = command.split(' ').collect();
            words.extend(line.iter().filter(|word| **word != "TOKEN"));
            // The lines of the log are in the same form.
            words.extend(["--format", form, "--log-format", form]);
            let token = bench.tap.issued("access_token").pop().filter(|_| line.contains(&"TOKEN"));
            let words: Vec<String> = words.iter().map(|word| word.replace("{RUN}", &latest)).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let said = bench.run(&words, &token.unwrap_or_default()).await;
            check_said(bench, &words.join(" "), &said);
            if *command == "runs" {
                let said = bench.run(&["runs", "--format", "json"], "").await;
                let runs: Value = serde_json::from_slice(&said.out).unwrap_or_default();
                runs[0]["run"].as_str().unwrap_or("none").clone_into(&mut latest);
            }
        }
    }
}

/// Serves until it has asked all there is to ask, and ends.
async fn serve(bench: &Bench) {
    let mut child = bench.command(&["serve", "--drain", "5"]).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let read = async {
        let (mut err, mut asked) = (Vec::new(), false);
        while let Some(line) = lines.next_line().await.unwrap() {
            err.extend_from_slice(line.as_bytes());
            err.push(b'\n');
            if !asked && line.starts_with("huntbook serves") {
                asked = true;
                let pid =
                    rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
                rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            }
        }
        err
    };
    let err = within("serve to end", read).await;
    let code = child.wait().await.unwrap().code();
    check_said(bench, "serve", &Said { code, out: Vec::new(), err });
}

/// Starts the simulated tenant of the binary, and stops it.
async fn sim(bench: &Bench) {
    let mut child = bench.command(&["sim", "--port", "0"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = within("the tenant to say where it is", lines.next_line()).await.unwrap();
    child.kill().await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let out = first.unwrap_or_default().into_bytes();
    check_said(bench, "sim", &Said { code: None, out, err: output.stderr });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_is_driven() {
    let all = commands(&Bench::set().await, "").await;
    let known: BTreeSet<String> =
        TABLE.iter().map(|(name, _)| *name).chain(LASTING).map(str::to_owned).collect();
    assert_eq!(all, known);
}

/// What is told to people and to machines, side by side: a command waits for its tenant most of the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_lets_a_secret_out() {
    tokio::join!(Box::pin(drive("text")), Box::pin(drive("json")));
}

/// Drives every command in a form, with all secrets.
async fn drive(form: &str) {
    let bench = Bench::set().await;
    let said = bench.sign_in().await;
    assert_eq!(said.code, Some(0), "{}", String::from_utf8_lossy(&said.err));
    check_said(&bench, "login", &said);
    run_all(&bench, form).await;
    for line in OTHER_FORMS {
        let said = bench.run(line, "").await;
        assert!(matches!(said.code, Some(0 | 1 | 78)), "{line:?}: {}", String::from_utf8_lossy(&said.err));
        check_said(&bench, &line.join(" "), &said);
    }
    serve(&bench).await;
    sim(&bench).await;
    // They were there to be let out.
    let known_unused = [
        "the key of the certificate",
        "the password of the PFX",
        "the key of the sign-in",
        "the client secret of the page",
        "the password of the proxy",
        "the secret of the receiver",
        "the bare secret of the receiver",
    ];
    assert_eq!(bench.unused(), known_unused, "what stays here is not sent");
    let requests = bench.sim.requests();
    let apps: BTreeSet<String> =
        requests.iter().filter(|one| one.status == Some(200)).filter_map(|one| one.app.clone()).collect();
    assert_eq!(apps.len(), 9, "each proof was taken: {apps:?}");
    let messages = bench.sim.messages();
    for (sink, verdict) in
        [("webhook", Verdict::Signed), ("teams", Verdict::Taken), ("slack", Verdict::Taken)]
    {
        let mut of_it = messages.iter().filter(|message| message.sink == sink).peekable();
        assert!(of_it.peek().is_some() && of_it.all(|message| message.verdict == verdict), "{sink}");
    }
    assert!(bench.dir.path().join("sessions/person.json").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_repeats_a_secret_does_not_get_it_shown() {
    let bench = Bench::set().await;
    bench.sign_in().await;
    bench.run(&["run", "Tag"], "").await;
    let lines: &[&[&str]] = &[
        &["run", "Tag"],
        &["doctor"],
        &["tenants"],
        &["token", "--tenant", "env"],
        &["status"],
        &["runs"],
        &["record", "Tag", "--tenant", "env", "--force"],
        &["schema", "pull", "--tenant", "pem"],
        &["login", "person", "--device-code"],
        &["journal", "export"],
    ];
    for repeats in [Repeats::Services, Repeats::Authority] {
        bench.tap.repeats(repeats);
        for line in lines {
            if line[0] == "login" && repeats == Repeats::Services {
                continue;
            }
            for form in ["text", "json"] {
                let words: Vec<&str> = line.iter().copied().chain(["--format", form]).collect();
                let said = bench.run(&words, "").await;
                check_said(&bench, &format!("{} ({repeats:?})", words.join(" ")), &said);
                let err = String::from_utf8_lossy(&said.err);
                assert!(line[0] != "run" || said.code == Some(1), "{err}");
            }
        }
        serve(&bench).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_or_an_abort_lets_no_secret_out() {
    let bench = Bench::set().await;
    bench.sign_in().await;
    for (point, panics) in
        [("c10_before_send", true), ("c14_response_parsed", true), ("c14_response_parsed", false)]
    {
        let mut command = bench.command(&["run", "Tag"]);
        command.env("HUNTBOOK_CRASH_POINT", point);
        if panics {
            command.env("HUNTBOOK_PANICS", "1");
        }
        let output = command.output().await.unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(err.contains(&format!("crash point {point}")), panics, "{err}");
        assert!(!output.status.success() && !output.status.core_dumped(), "{:?}", output.status);
        check_said(&bench, point, &Said { code: None, out: output.stdout, err: output.stderr });
    }
    until("the tenant to have been asked", || !bench.sim.requests().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_of_a_proxy_is_told_to_the_proxy_alone() {
    let (bench, barrier) = (Bench::set().await, Barrier::open().await);
    bench.go_through(&barrier.url);
    let lines: &[&[&str]] = &[
        &["run", "Tag", "--format", "json", "--log-format", "json"],
        &["doctor"],
        &["tenants", "--format", "json"],
        &["token", "--tenant", "env", "--log-format", "json"],
        &["validate"],
    ];
    let said = futures_util::future::join_all(lines.iter().map(|line| bench.run(line, ""))).await;
    for (line, said) in lines.iter().zip(&said) {
        check_said(&bench, &line.join(" "), said);
    }
    check_said(&bench, "the journal", &bench.run(&["journal", "export"], "").await);
    let password =
        bench.canaries().into_iter().find(|canary| canary.name == "the password of the proxy").unwrap();
    assert!(password.is_in(&barrier.asked()), "nothing went through it");
}
