//! The crash suite: the real binary is killed again and again, at random instants and at named crash
//! points, while it works on a simulated tenant that stays alive. At the end the tenant's own log is
//! held against what huntbook promises: nothing that matched is lost, nothing is done twice, people are
//! told, and the journal is sound.
//!
//! Seen to fail when the protocol is broken on purpose: an intent written after its call, a result that is not
//! written, messages in a transaction of their own after the run's end, items marked as seen in one before they
//! are written down, an action in doubt that is tried again.
//! Try it again after a change to the order of things.
//!
//! It counts what each kill hit, so that a suite that killed nothing in flight does not pass.

#![cfg(feature = "crash-points")]
#![expect(clippy::panic, reason = "a helper fails the test")]
#![expect(clippy::indexing_slicing, reason = "test helpers; an index out of bounds fails the test")]

#[path = "kill/approved.rs"]
mod approved;
#[path = "simulation/beyond.rs"]
mod beyond;
#[path = "kill/capped.rs"]
mod capped;
#[path = "kill/daemon.rs"]
mod daemon;
#[path = "kill/disk.rs"]
mod disk;
#[path = "kill/given_up.rs"]
mod given_up;
#[path = "kill/halted.rs"]
mod halted;
#[path = "history/mod.rs"]
mod history;
#[path = "kill/joined.rs"]
mod joined;
#[path = "kill/lists.rs"]
mod lists;
#[path = "kill/poison.rs"]
mod poison;
#[path = "kill/process.rs"]
mod process;
#[path = "kill/reserve.rs"]
mod reserve;
#[path = "kill/rows.rs"]
mod rows;
#[path = "kill/stop_file.rs"]
mod stop_file;
#[path = "kill/stopped.rs"]
mod stopped;
#[path = "kill/suspended.rs"]
mod suspended;
#[path = "kill/two.rs"]
mod two;
#[path = "kill/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::Duration;

use history::Rules;
use huntbook::clock::SystemClock;
use huntbook::store::{Chain, EffectState, History, Store, StoreError};
use process::Process;
use tokio::time::{Instant, sleep};
use world::{FLEET, World, device, matches};

/// Kills at random instants of `huntbook run`.
const RANDOM_KILLS: u32 = 220;
/// Kills at random instants of `huntbook serve`.
const SERVE_KILLS: u32 = 20;
/// Devices that turn up before each start.
const NEW_DEVICES: usize = 4;
/// The point before each transaction: what must be on disk together is, or none of it.
const BORDER: &str = "c04_before_transaction";
/// Named points that a run passes, and at which of its passages the process dies.
const POINTS: &[(&str, &[u32])] = &[
    ("c01_start", &[1]),
    ("c02_after_migrations", &[1]),
    ("c03_lock_taken", &[1]),
    (BORDER, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 24, 27, 30]),
    ("c05_batch_fetched", &[1, 1, 1]),
    ("c06_batch_journalled", &[1]),
    ("c07_plan_built", &[1]),
    ("c08_before_intent", &[1, 2, 5]),
    ("c09_after_intent_commit", &[1, 2, 3, 5]),
    ("c10_before_send", &[1, 2, 3, 5]),
    ("c11_let_pass", &[1, 2, 3, 5, 8]),
    ("c12_head_received", &[1, 2, 3, 5, 8]),
    ("c13_body_received", &[1, 2, 3, 5, 8]),
    ("c14_response_parsed", &[1, 2, 3, 5]),
    ("c15_after_result_commit", &[1, 2, 5]),
    ("c16_before_outbox", &[1]),
    ("c17_after_outbox", &[1, 2]),
    ("c18_run_ended", &[1]),
    ("c19_batch_written", &[1]),
    ("c25_end_heard", &[1, 2]),
    ("c26_end_written", &[1, 2]),
    ("c27_notify_sent", &[1, 2, 3]),
    ("c28_notify_marked", &[1, 2, 3]),
];
/// How often the list of points is gone through.
const ROUNDS: u32 = 3;
/// Longest a process may take when nobody kills it.
const PATIENCE: Duration = Duration::from_mins(3);

/// What the kills hit.
#[derive(Debug, Default)]
struct Toll {
    /// Processes killed.
    kills: u32,
    /// Processes that were done before they could be killed.
    survivors: u32,
    /// Kills that left an intent without a result: the heart of the matter.
    in_flight: u32,
    /// Intents that they left.
    in_doubt: usize,
    /// Kills that left a run whose matches were not on disk yet.
    before_batch: u32,
    /// Kills that left matched items that nobody had dealt with.
    undecided: u32,
    /// Whether the journal was found made.
    is_made: bool,
    /// Kills that left messages unsent.
    untold: u32,
    /// Deaths by named point.
    points: BTreeMap<&'static str, u32>,
}

impl Toll {
    /// Looks at what a dead process left behind.
    async fn count(&mut self, world: &World) {
        self.kills += 1;
        let path = world.path("huntbook.db");
        if !path.exists() {
            return;
        }
        let store = match Store::open_reader(&path).await {
            Ok(store) => store,
            // Killed before it was made for the first time; from then on it is there, and whole.
            Err(StoreError::Missing { .. } | StoreError::Older) if !self.is_made => return,
            Err(error) => panic!("a kill broke the journal: {error:?}"),
        };
        self.is_made = true;
        let intended = store.effects_in(EffectState::Intended).await.expect("the journal can be read");
        let unfinished = store.unfinished().await.expect("the journal can be read");
        let pending = store.pending().await.expect("the journal can be read");
        store.close().await;
        self.in_flight += u32::from(!intended.is_empty());
        self.in_doubt += intended.len();
        self.before_batch += u32::from(unfinished.iter().any(|left| !left.run.batched));
        self.undecided += u32::from(unfinished.iter().any(|left| !left.items.is_empty()));
        self.untold += u32::from(0 < pending);
        check_integrity(&path).await;
    }

    /// Both together.
    fn and(mut self, other: Self) -> Self {
        for (point, deaths) in other.points {
            *self.points.entry(point).or_default() += deaths;
        }
        Self {
            kills: self.kills + other.kills,
            survivors: self.survivors + other.survivors,
            is_made: self.is_made || other.is_made,
            in_flight: self.in_flight + other.in_flight,
            in_doubt: self.in_doubt + other.in_doubt,
            before_batch: self.before_batch + other.before_batch,
            undecided: self.undecided + other.undecided,
            untold: self.untold + other.untold,
            points: self.points,
        }
    }
}

/// Numbers between 0 and 1 that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        f64::from(u32::try_from(self.0 >> 32).expect("half of it fits")) / f64::from(u32::MAX)
    }
}

/// Says something to the reader of the test's output.
fn tell(text: &str) {
    use std::io::Write as _;
    // A closed output is no reason to fail.
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// Lets huntbook die at a point.
async fn dies_at(point: &str, arguments: &[&str], world: &World) {
    let status = world.spawn(arguments, Some(point)).wait(world).await;
    assert_eq!(status.code(), None, "nobody died at {point}\n{}", world.log_tail());
}

/// Kills with SIGKILL after `delay`, unless the process has ended by then. Says whether it was killed.
async fn kill_after(mut child: Process, delay: Duration) -> bool {
    sleep(delay).await;
    let alive = child.ended().is_none();
    child.kill();
    alive
}

/// Runs the playbook until huntbook says that all is well, and returns how long the last run took.
async fn settle(world: &World) -> Duration {
    let started = Instant::now();
    let status = world.spawn(&["run", "Contain"], None).wait(world).await;
    assert!(status.success(), "an undisturbed run ended with {status}\n{}", world.log_tail());
    started.elapsed()
}

/// Takes up what is left, and runs until everybody is told: one run sends a hundred messages at most.
async fn finish(world: &World) {
    settle(world).await;
    for _run in 0..50 {
        settle(world).await;
        let store = Store::open_reader(&world.path("huntbook.db")).await.expect("the journal opens");
        let pending = store.pending().await.expect("the journal can be read");
        store.close().await;
        if pending == 0 {
            return;
        }
    }
    panic!("messages are left over\n{}", world.log_tail());
}

/// Two worlds side by side: a process that is about to be killed waits for the disk and the tenant most of the time,
/// and what is looked through at each start is half as much.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_loses_or_doubles_anything() {
    let (at_random, at_points) = tokio::join!(Box::pin(at_random()), Box::pin(at_points()));
    let toll = at_random.and(at_points);
    tell(&format!("{toll:#?}"));
    assert!(400 <= toll.kills, "{toll:?}");
    assert!(20 <= toll.in_flight, "too few kills hit an effect in flight: {toll:?}");
    assert!(5 <= toll.before_batch, "too few kills hit a hunt: {toll:?}");
    assert!(20 <= toll.undecided, "too few kills hit items in the making: {toll:?}");
    assert!(10 <= toll.untold, "too few kills hit messages: {toll:?}");
    for (point, _) in POINTS {
        assert!(toll.points.contains_key(point), "nobody died at {point}: {toll:?}");
    }
}

async fn at_random() -> Toll {
    let (world, mut toll) = (World::start().await, Toll::default());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    world.fleet.grow(NEW_DEVICES);
    let length = settle(&world).await;
    random_kills(&world, &mut toll, &mut dice, length).await;
    serve_kills(&world, &mut toll, &mut dice).await;
    end(&world, &toll).await;
    toll
}

async fn at_points() -> Toll {
    let (world, mut toll) = (World::start().await, Toll::default());
    named_kills(&world, &mut toll).await;
    end(&world, &toll).await;
    toll
}

/// Lets huntbook do what is left, and holds everything against the promises.
async fn end(world: &World, toll: &Toll) {
    finish(world).await;
    check_tenant(world, toll).await;
    check_journal(world).await;
}

/// Kills `huntbook run` anywhere between its start and a little after its usual end, which is learnt on the way.
async fn random_kills(world: &World, toll: &mut Toll, dice: &mut Dice, mut length: Duration) {
    while toll.kills < RANDOM_KILLS {
        assert!(toll.survivors < 10 * RANDOM_KILLS, "the kills come too late: {toll:?}");
        world.fleet.grow(NEW_DEVICES);
        let child = world.spawn(&["run", "Contain"], None);
        if kill_after(child, length.mul_f64(1.1 * dice.roll())).await {
            toll.count(world).await;
            length = length.mul_f64(1.02);
        } else {
            toll.survivors += 1;
            length = length.mul_f64(0.9);
        }
    }
}

/// Lets huntbook die at each of the named points.
async fn named_kills(world: &World, toll: &mut Toll) {
    for _ in 0..ROUNDS {
        for (point, passages) in POINTS {
            for passage in *passages {
                if *point == BORDER {
                    // With nothing left to take up, the passages are those of a new run, one after another.
                    settle(world).await;
                }
                world.fleet.grow(NEW_DEVICES);
                let armed = format!("{point}:{passage}");
                let status = world.spawn(&["run", "Contain"], Some(&armed)).wait(world).await;
                if status.signal().is_some() {
                    *toll.points.entry(point).or_default() += 1;
                    toll.count(world).await;
                } else {
                    toll.survivors += 1;
                }
            }
        }
    }
}

/// Kills the daemon while it resumes, delivers and runs what is due.
async fn serve_kills(world: &World, toll: &mut Toll, dice: &mut Dice) {
    let goal = toll.kills + SERVE_KILLS;
    while toll.kills < goal {
        world.fleet.grow(NEW_DEVICES);
        let child = world.spawn(&["serve"], None);
        let alive = kill_after(child, Duration::from_secs(1).mul_f64(dice.roll())).await;
        assert!(alive, "the daemon ended by itself\n{}", world.log_tail());
        toll.count(world).await;
    }
}

/// Holds the tenant's log against the promises.
async fn check_tenant(world: &World, toll: &Toll) {
    let mut done: BTreeMap<(String, String), u32> = BTreeMap::new();
    for effect in world.sim.effects() {
        *done.entry((effect.effect, effect.target)).or_default() += 1;
    }
    let twice: Vec<_> = done.iter().filter(|(_what, times)| 1 < **times).take(5).collect();
    assert!(twice.is_empty(), "done more than once: {twice:?}");
    let isolated: BTreeSet<String> =
        done.into_keys().filter(|(effect, _)| effect == "isolate").map(|(_, target)| target).collect();
    let store = Store::open_reader(&world.path("huntbook.db")).await.expect("the journal opens");
    let parked = store.parked().await.expect("the journal can be read");
    store.close().await;
    let parked: BTreeSet<String> = parked.into_iter().map(|effect| effect.target).collect();
    let told: String = world.sim.messages().into_iter().map(|message| message.body).collect();

    let shown = world.fleet.shown();
    assert!(shown < FLEET, "the fleet was too small to tell one start from the next");
    let mut wrong = Vec::new();
    for number in 0..shown {
        let id = device(number);
        let isolated = isolated.contains(&id);
        let visible = parked.iter().any(|target| target.contains(&id));
        let broken = match (matches(number), isolated) {
            (false, false) => None,
            (false, true) => Some("did not match and was isolated"),
            (true, false) if !visible => Some("matched, and nothing was done or parked"),
            (true, _) if !told.contains(&id) => Some("was dealt with, and nobody was told"),
            (true, _) => None,
        };
        if let Some(broken) = broken {
            wrong.push(format!("{id} {broken}\n{}", journal_of(world, &id).await));
        }
    }
    let some: Vec<String> = wrong.iter().take(5).cloned().collect();
    assert!(wrong.is_empty(), "{} devices, among them:\n{}", wrong.len(), some.join("\n"));
    let done = isolated.len();
    tell(&format!("{shown} devices shown, {done} isolated, {} parked", parked.len()));
    assert!(
        parked.len() <= toll.in_doubt + 10,
        "{} parked, of {} that kills left in doubt",
        parked.len(),
        toll.in_doubt
    );
    assert!(shown / 4 < done, "most of the work is done in spite of everything");
}

/// What the journal says of a device, for a failure message.
async fn journal_of(world: &World, id: &str) -> String {
    let url = format!("sqlite://{}?mode=ro", world.path("huntbook.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.expect("the file opens");
    let lines: Vec<String> = sqlx::query_scalar(
        "SELECT printf('  run %s (%s, batched %d) item %d %s (%s), effects %s, messages %s', r.id, r.state, r.batched, \
         i.seq, i.outcome, coalesce(i.reason, ''), \
         (SELECT group_concat(e.action || ' ' || e.state) FROM effects e WHERE e.run = r.id AND e.seq = i.seq), \
         (SELECT group_concat(o.state) FROM outbox o WHERE o.run = r.id)) \
         FROM items i JOIN runs r ON r.id = i.run WHERE i.data LIKE '%' || $1 || '%'",
    )
    .bind(id)
    .fetch_all(&pool)
    .await
    .expect("it answers");
    pool.close().await;
    lines.join("\n")
}

/// Opens the journal as its owner would, looks through all of it, and holds it against what the tenant did.
async fn check_journal(world: &World) {
    check_journal_by(world, &Rules::default()).await;
}

/// The same, with what else must hold.
async fn check_journal_by(world: &World, rules: &Rules) {
    let path = world.path("huntbook.db");
    let store = Store::open(&path, std::sync::Arc::new(SystemClock)).await.expect("the journal opens");
    let chain = store.verify(History::Effects, u32::MAX).await.expect("the journal can be read");
    assert!(matches!(chain, Chain::Intact { events, .. } if 0 < events), "{chain:?}");
    assert!(store.unfinished().await.expect("the journal can be read").is_empty(), "a run is left over");
    assert_eq!(store.pending().await.expect("the journal can be read"), 0, "messages are left over");
    assert!(store.effects_in(EffectState::Intended).await.expect("the journal can be read").is_empty());
    history::hold(&store, &[("contoso".to_owned(), world.sim.log())], rules).await;
    store.close().await;
    check_integrity(&path).await;
}

/// Lets SQLite look through the whole file.
async fn check_integrity(path: &Path) {
    let url = format!("sqlite://{}?mode=ro", path.display());
    let pool = sqlx::SqlitePool::connect(&url).await.expect("the file opens");
    let sound: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.expect("it answers");
    assert_eq!(sound, "ok");
    pool.close().await;
}
