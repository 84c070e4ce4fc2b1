//! A process that is killed with the journal open, again and again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use huntbook::model::RunId;
use huntbook::store::{Chain, EffectState, History, Intended, Store};

use crate::bench::{Bench, effect, result};

/// The journal's folder, for the child alone.
const FOLDER: &str = "HUNTBOOK_TEST_KILLED";

/// Kills of one test; each costs a start of this program.
const KILLS: u64 = 25;

/// Writes to the journal as fast as it can, and says what is durable. Runs only inside the child.
#[test]
#[expect(clippy::disallowed_methods, reason = "the child learns from its environment that it is one")]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bench = Bench::at(folder.into());
        let store = bench.open().await;
        store.park_in_doubt().await.unwrap();
        let run = bench.begin(&store, 1).await;
        let say = |word: &str, number: u32| {
            let mut out = std::io::stdout().lock();
            // The test harness has begun a line of its own.
            write!(out, "\n{word} {run} {number}\n").unwrap();
            out.flush().unwrap();
        };
        say("begun", 0);
        // An end, in case nobody kills it.
        for number in 0..10_000 {
            let effect = effect(run, &target(run, number));
            assert_eq!(store.intend(&effect).await.unwrap(), Intended::Go { attempt: 1 });
            say("intended", number);
            store.record(&effect.key, 1, &result(EffectState::Done)).await.unwrap();
            say("done", number);
        }
    });
}

/// A device of one child's own: what an earlier child left in doubt must not stop a later one.
fn target(run: RunId, number: u32) -> String {
    format!("device:{run}-{number}")
}

/// What the child said: the word, the run, the number.
type Said = (String, String, u32);

/// Starts the child, kills it `later` than its word number `words`, and returns everything it said.
fn live_and_die(bench: &Bench, words: usize, later: Duration) -> Vec<Said> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::child", "--nocapture", "--test-threads=1"])
        .env(FOLDER, bench.folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut said: Vec<Said> = lines.by_ref().filter_map(|line| word(&line)).take(words).collect();
    #[expect(clippy::disallowed_methods, reason = "another process is given time to live")]
    std::thread::sleep(later);
    child.kill().unwrap();
    said.extend(lines.filter_map(|line| word(&line)));
    child.wait().unwrap();
    said
}

/// Understands a line of the child; the test harness says other things.
fn word(line: &str) -> Option<Said> {
    let mut parts = line.split(' ');
    let word = parts.next().filter(|word| matches!(*word, "begun" | "intended" | "done"))?;
    Some((word.to_owned(), parts.next()?.to_owned(), parts.next()?.parse().ok()?))
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let bench = Bench::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut intents, mut doubts) = (0, 0);
    for kill in 0..KILLS {
        // Different moments: just after an intent, just after a result, and shortly after each.
        let later = Duration::from_micros(kill * 1_700 % 9_000);
        let words = live_and_die(&bench, usize::try_from(1 + kill % 7).unwrap(), later);
        let store: Store = runtime.block_on(bench.open());
        let parked = runtime.block_on(store.park_in_doubt()).unwrap();
        // One engine, one call at a time: at most one effect can be in doubt.
        assert!(parked.len() <= 1, "{parked:?}");
        doubts += parked.len();
        let run: RunId = words.first().unwrap().1.parse().unwrap();
        let detail = runtime.block_on(store.run(run)).unwrap().unwrap();
        for (word, _run, number) in &words {
            let target = target(run, *number);
            let known = detail.effects.iter().find(|(effect, _events)| effect.target == target);
            match word.as_str() {
                "begun" => assert_eq!(detail.items.len(), 1),
                "intended" => assert!(known.is_some(), "an intent was lost"),
                _ => assert_eq!(known.unwrap().0.state, EffectState::Done, "a result was lost"),
            }
        }
        intents += words.iter().filter(|(word, ..)| word == "intended").count();
        assert!(matches!(
            runtime.block_on(store.verify(History::Effects, u32::MAX)).unwrap(),
            Chain::Intact { .. }
        ));
        runtime.block_on(bench.end(store));
    }
    // A test in which nothing happened proves nothing.
    assert!(usize::try_from(KILLS).unwrap() / 2 < intents, "{intents} intents: the children die too early");
    assert!(doubts <= intents + usize::try_from(KILLS).unwrap());
}
