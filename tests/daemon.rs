//! The daemon on a clock that moves only when it is told to: when playbooks start, over zones, restarts,
//! long runs and reloads, and how it ends when a part of it crashes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers; what is missing fails the test"
)]

#[path = "daemon/cooling.rs"]
mod cooling;
#[path = "daemon/heard.rs"]
mod heard;
#[path = "history/held.rs"]
mod held;
#[path = "history/mod.rs"]
mod history;
#[path = "daemon/in_flight.rs"]
mod in_flight;
#[path = "daemon/trouble.rs"]
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use async_trait::async_trait;
use held::Held;
use huntbook::action::Approvers;
use huntbook::clock::{Clock, ManualClock, SharedClock, SystemClock};
use huntbook::daemon::{Daemon, DaemonError, DaemonOptions, Terms};
use huntbook::engine::{Engine, Undoing};
use huntbook::expr::Language;
use huntbook::guard::Ceilings;
use huntbook::http::{Http, HttpOptions};
use huntbook::model::{Lists, PlaybookId, Secret};
use huntbook::notify::Channels;
use huntbook::plan::{Exclusions, World};
use huntbook::settings::{RiskRaising, Watching};
use huntbook::sim::{Fault, HuntColumn, HuntFault, HuntTable, HuntWindow, Hunter, Sim, SimApp, SimOptions};
use huntbook::store::{ContentHash, Run, RunFilter, RunState, Skip, Store, Trigger, Unarmed};
use huntbook::tenant::{Client, ClientOptions, EndpointOverrides, Tenant};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often something is looked for; two hundred times a second.
const LOOKS_MAX: u32 = 12_000;
const LOOK_EVERY: SignedDuration = SignedDuration::from_millis(5);
const MOMENT: SignedDuration = SignedDuration::from_millis(100);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const PLAYBOOK: PlaybookId = PlaybookId(Uuid::from_u128(0x2f6c_9d54_7d0e_4b53_9d5e_6f0a_3c1b_8e77));
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Answers every query with a row for each of its devices, when its gate is open.
#[derive(Debug, Default)]
struct Gate {
    devices: Vec<String>,
    closed: Mutex<bool>,
    opened: Condvar,
    asked: AtomicUsize,
}

impl Gate {
    fn close(&self) {
        *self.closed.lock().unwrap() = true;
    }

    fn open(&self) {
        *self.closed.lock().unwrap() = false;
        self.opened.notify_all();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Hunter for Gate {
    fn answer(&self, _query: &str, _window: HuntWindow, _now: Timestamp) -> Result<HuntTable, HuntFault> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let closed = self.closed.lock().unwrap();
        drop(self.opened.wait_while(closed, |closed| *closed).unwrap());
        let rows =
            self.devices.iter().map(|device| json!({"DeviceId": device}).as_object().cloned().unwrap());
        Ok(HuntTable::new(vec![HuntColumn::new("DeviceId", "String")], rows.collect()))
    }
}

/// A clock that counts who begins to wait for as long as this, and can be told to panic under them.
#[derive(Debug)]
struct Trap {
    clock: ManualClock,
    lengths: RangeInclusive<SignedDuration>,
    waits: AtomicUsize,
    sprung: CancellationToken,
}

impl Trap {
    fn new(clock: &ManualClock, lengths: RangeInclusive<SignedDuration>) -> Arc<Self> {
        let (waits, sprung) = (AtomicUsize::new(0), CancellationToken::new());
        Arc::new(Self { clock: clock.clone(), lengths, waits, sprung })
    }
}

#[async_trait]
impl Clock for Trap {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn uptime(&self) -> SignedDuration {
        self.clock.uptime()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        if !self.lengths.contains(&self.now().duration_until(deadline)) {
            return self.clock.sleep_until(deadline).await;
        }
        self.waits.fetch_add(1, Ordering::SeqCst);
        tokio::select! {
            () = self.clock.sleep_until(deadline) => {}
            () = self.sprung.cancelled() => panic!("the trap has sprung"),
        }
    }
}

/// A tenant, a folder of playbooks and a journal. When it goes, its journal is held against what the tenants say was
/// done.
struct Place {
    history: Held,
    sim: Arc<Sim>,
    gate: Arc<Gate>,
    clock: ManualClock,
    dir: tempfile::TempDir,
}

/// A daemon that runs.
struct Served {
    daemon: Daemon,
    store: Store,
    stop: CancellationToken,
    task: JoinSet<Result<(), DaemonError>>,
}

impl Place {
    async fn at(now: &str) -> Self {
        let clock = ManualClock::new(now.parse().unwrap());
        let mut options = SimOptions::sample().unwrap();
        let devices = options.data.machines.iter().take(3).map(|machine| machine.id.clone()).collect();
        let gate = Arc::new(Gate { devices, ..Gate::default() });
        options.hunter = Arc::clone(&gate) as Arc<dyn Hunter>;
        let sim = Arc::new(Sim::start(options, Arc::new(clock.clone())).await.unwrap());
        let dir = tempfile::tempdir().unwrap();
        let place = Self { history: Held::new(dir.path().join("journal.db")), sim, gate, clock, dir };
        std::fs::create_dir(place.playbooks()).unwrap();
        place
    }

    fn playbooks(&self) -> PathBuf {
        self.dir.path().join("playbooks")
    }

    /// Writes the one playbook, with this schedule; returns its version.
    fn put(&self, description: &str, schedule: &str) -> ContentHash {
        let text = format!(
            "schema: 1\nid: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77\nname: Test\ndescription: {description}\nseverity: Low\n\
             hunt:\n  query: DeviceEvents | take 1\n  columns: {{DeviceId: string}}\nschedule: {{{schedule}}}\n"
        );
        std::fs::write(self.playbooks().join("test.yaml"), &text).unwrap();
        ContentHash::of(text.as_bytes())
    }

    async fn serve(&self) -> Served {
        self.serve_by(Arc::new(self.clock.clone())).await
    }

    async fn serve_by(&self, clock: SharedClock) -> Served {
        self.serve_tenants(clock, &[("contoso", &self.sim)]).await
    }

    async fn serve_tenants(&self, clock: SharedClock, sims: &[(&str, &Arc<Sim>)]) -> Served {
        let http = Http::open(HttpOptions::default(), Arc::clone(&clock)).unwrap();
        let client = |(name, sim): &(&str, &Arc<Sim>)| {
            self.history.tenant(name, sim);
            let secret = Secret::new(SimApp::SECRET.to_owned());
            let tenant_id = SimOptions::TENANT_ID.parse().unwrap();
            let options = ClientOptions {
                endpoints: EndpointOverrides::under(sim.url()),
                ..ClientOptions::with_secret(name, tenant_id, SimApp::CLIENT_ID, secret)
            };
            let client = Client::open(options, http.clone(), Arc::clone(&clock)).unwrap();
            ((*name).to_owned(), Arc::new(client) as Arc<dyn Tenant>)
        };
        let tenants: BTreeMap<String, Arc<dyn Tenant>> = sims.iter().map(client).collect();
        let names = tenants.keys().map(|name| (name.clone(), BTreeSet::new())).collect();
        let store = Store::open(&self.dir.path().join("journal.db"), Arc::clone(&clock)).await.unwrap();
        let engine = Engine {
            store: store.clone(),
            clock,
            tenants,
            alerts: Some("ops".to_owned()),
            page: None,
            undoing: Undoing::default(),
            feeds: Arc::new(huntbook::feed::Shelf::default()),
        };
        let world = World {
            language: Language::new(),
            lists: Lists::default(),
            channels: BTreeSet::from(["soc".to_owned()]),
            chats: BTreeMap::new(),
            alerts: None,
            tenants: names,
            ceilings: Ceilings::default().on_a_stage(),
            exclusions: Exclusions::default(),
            queries: huntbook::plan::Queries::Checked(huntbook::kql::Schema::defender()),
            approvers: Approvers::new([("duty".to_owned(), "1000".to_owned())]),
        };
        let options = DaemonOptions {
            playbooks: self.playbooks(),
            lists: self.dir.path().join("lists"),
            terms: Terms::default(),
            risk_raising: RiskRaising::Apply,
            watching: Watching::Auto,
            poll_every: SignedDuration::from_secs(5),
            world,
            channels: Channels::new(),
            running_max: NonZeroUsize::new(4).unwrap(),
            drain: HOUR * 2,
        };
        let daemon = Daemon::open(engine, options).await.unwrap();
        let (stop, mut task) = (CancellationToken::new(), JoinSet::new());
        let (serving, token) = (daemon.clone(), stop.clone());
        task.spawn(async move { serving.run(token).await });
        Served { daemon, store, stop, task }
    }
}

impl Served {
    /// The next start.
    fn next(&self) -> Timestamp {
        self.daemon.status().next.unwrap().0
    }

    /// Runs, by their slots.
    async fn runs(&self) -> Vec<Run> {
        let filter = RunFilter { limit: 1000, ..RunFilter::default() };
        let mut runs: Vec<Run> =
            self.store.runs(&filter).await.unwrap().into_iter().map(|summary| summary.run).collect();
        // Where time stands still, several begin at once.
        runs.sort_by_key(|run| run.scheduled_for);
        runs
    }

    /// Whether so many runs have ended and none goes on: what is due while one lasts is let go.
    fn is_at_rest(&self, runs: &[Run], count: usize) -> bool {
        let ended = runs.len() == count && runs.iter().all(|run| run.finished.is_some());
        ended && self.daemon.status().running == 0
    }

    /// Waits until so many runs have ended, and none goes on.
    async fn until_ended(&self, count: usize) -> Vec<Run> {
        for _look in 0..LOOKS_MAX {
            let runs = self.runs().await;
            if self.is_at_rest(&runs, count) {
                return runs;
            }
            SystemClock.sleep(LOOK_EVERY).await;
        }
        panic!("waited for {count} runs: {:#?}", self.runs().await);
    }

    /// Reloads. What is seen while it is written is looked at again a moment later, so time must not stand still.
    async fn reload(&self, place: &Place) {
        let mut reloading = std::pin::pin!(self.daemon.reload());
        loop {
            tokio::select! {
                done = &mut reloading => return done.unwrap(),
                () = SystemClock.sleep(MOMENT) => place.clock.advance(MOMENT),
            }
        }
    }

    /// Moves the clock to the next start, and waits for the run.
    async fn start_next(&self, place: &Place) -> Run {
        let before = self.runs().await.len();
        place.clock.set(self.next());
        self.until_ended(before + 1).await.pop().unwrap()
    }

    /// Waits until so many slots of the playbook were let go: that is written down after the next one is known.
    async fn until_skipped(&self, count: u32) -> Skip {
        let mut last = None;
        for _look in 0..LOOKS_MAX {
            last = self.store.skips(PLAYBOOK).await.unwrap().pop();
            if last.as_ref().is_some_and(|skip| skip.count == count) {
                return last.unwrap();
            }
            SystemClock.sleep(LOOK_EVERY).await;
        }
        panic!("waited for {count}: {last:?}");
    }

    async fn end(mut self) -> Result<(), DaemonError> {
        self.stop.cancel();
        let ended = self.task.join_next().await.unwrap().unwrap();
        self.store.close().await;
        ended
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _look in 0..LOOKS_MAX {
        if holds() {
            return;
        }
        SystemClock.sleep(LOOK_EVERY).await;
    }
    panic!("waited for: {what}");
}

fn slots(runs: &[Run]) -> Vec<String> {
    runs.iter().map(|run| run.scheduled_for.unwrap().to_string()).collect()
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_36_a_local_time_is_kept_over_changes_of_the_clock() {
    // In spring 02:30 does not exist, in autumn it comes twice; each day has one run.
    let cases = [
        ("2026-03-27T12:00:00Z", ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
        ("2026-10-23T12:00:00Z", ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
    ];
    for (now, expected) in cases {
        let place = Place::at(now).await;
        place.put("zone", "cron: \"30 2 * * *\", timezone: Europe/Stockholm");
        let mut served = place.serve().await;
        let mut runs = Vec::new();
        for _day in 0..3 {
            runs.push(served.start_next(&place).await);
            // What was in the journal before a restart keeps it from starting again.
            served.end().await.unwrap();
            served = place.serve().await;
        }
        assert_eq!(slots(&runs), expected);
        assert!(runs.iter().all(|run| Some(run.started) == run.scheduled_for));
        assert_eq!(slots(&served.runs().await), expected, "none more");
        served.end().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_start_is_put_off_by_its_jitter_and_stands_for_its_slot() {
    let place = Place::at("2026-03-01T12:10:00Z").await;
    place.put("jitter", "every: 1h, jitter: 20m");
    let served = place.serve().await;
    let mut delays = BTreeSet::new();
    for hour in 13..19 {
        let slot = instant(&format!("2026-03-01T{hour}:00:00Z"));
        let start = served.next();
        let delay = slot.duration_until(start);
        assert!((SignedDuration::ZERO..=MINUTE * 20).contains(&delay), "{start}");
        delays.insert(delay);
        place.clock.set(slot);
        assert_eq!(served.next(), start, "the slot alone starts nothing");
        let run = served.start_next(&place).await;
        assert_eq!((run.scheduled_for, run.trigger), (Some(slot), Trigger::Schedule));
        assert_eq!(run.started.as_millisecond(), start.as_millisecond());
    }
    assert!(1 < delays.len(), "{delays:?}");
    let next = served.next();
    served.end().await.unwrap();
    let served = place.serve().await;
    assert_eq!(served.next(), next, "a restart does not change it");
    served.end().await.unwrap();
}

/// What runs after hours without a process: so many runs that are made up for, and the next one in time.
async fn made_up(schedule: &str, late: usize) -> Vec<(String, Trigger)> {
    let place = Place::at("2026-03-01T12:00:00Z").await;
    place.put("catch up", &format!("every: 1h{schedule}"));
    let served = place.serve().await;
    served.start_next(&place).await;
    served.end().await.unwrap();
    place.clock.set(instant("2026-03-01T16:40:00Z"));
    let served = place.serve().await;
    served.until_ended(1 + late).await;
    served.start_next(&place).await;
    let runs = served.runs().await;
    served.end().await.unwrap();
    runs.iter().zip(slots(&runs)).skip(1).map(|(run, slot)| (slot, run.trigger)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_missed_is_made_up_for_as_the_playbook_says() {
    let on_time = ("2026-03-01T17:00:00Z".to_owned(), Trigger::Schedule);
    // With `maxLateness` the last slot was missed by forty minutes, the one before by more.
    let cases: [(&str, &[u32]); 5] = [
        ("catchUp: none", &[]),
        ("catchUp: latest", &[16]),
        ("catchUp: all, overlap: queue", &[14, 15, 16]),
        ("catchUp: latest, maxLateness: 30m", &[]),
        ("catchUp: all, maxLateness: 45m, overlap: queue", &[16]),
    ];
    for (schedule, late) in cases {
        let found = made_up(&format!(", {schedule}"), late.len()).await;
        let late = late.iter().map(|hour| (format!("2026-03-01T{hour}:00:00Z"), Trigger::CatchUp));
        assert_eq!(found, late.chain([on_time.clone()]).collect::<Vec<_>>(), "{schedule}");
    }
}

/// The slots that run when the run of 13:00 takes until after 15:00.
async fn overlapping(rule: &str) -> Vec<String> {
    let place = Place::at("2026-03-01T12:10:00Z").await;
    place.put("overlap", &format!("every: 1h, overlap: {rule}"));
    let served = place.serve().await;
    place.gate.close();
    for hour in 13..16 {
        place.clock.set(instant(&format!("2026-03-01T{hour}:00:00Z")));
        let next = instant(&format!("2026-03-01T{}:00:00Z", hour + 1));
        until("the slot is noticed", || served.next() == next).await;
        // Time stands still until the run has signed in: a token is old after an hour.
        until("the run is in the middle of its query", || place.gate.asked() == 1).await;
    }
    assert_eq!(served.runs().await.len(), 1, "one at a time");
    place.gate.open();
    served.until_ended(if rule == "skip" { 1 } else { 2 }).await;
    let skipped = if rule == "skip" { ("2026-03-01T15:00:00Z", 2) } else { ("2026-03-01T14:00:00Z", 1) };
    let skip = served.until_skipped(skipped.1).await;
    assert_eq!(skip.slot, instant(skipped.0));
    assert_eq!((skip.tenant.as_str(), skip.reason.as_str()), ("contoso", "the run before it goes on"));
    // What was let go is not made up for after a restart.
    served.end().await.unwrap();
    let served = place.serve().await;
    served.start_next(&place).await;
    let runs = served.runs().await;
    served.end().await.unwrap();
    slots(&runs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_due_during_a_run_is_dropped_or_waits() {
    let hours = |hours: &[u32]| -> Vec<String> {
        hours.iter().map(|hour| format!("2026-03-01T{hour}:00:00Z")).collect()
    };
    assert_eq!(overlapping("skip").await, hours(&[13, 16]));
    assert_eq!(overlapping("queue").await, hours(&[13, 15, 16]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_keeps_its_version_over_a_reload_and_what_is_due_is_not_lost() {
    let place = Place::at("2026-03-01T12:10:00Z").await;
    let old = place.put("first", "every: 1h, overlap: queue");
    let served = place.serve().await;
    place.gate.close();
    place.clock.set(instant("2026-03-01T13:00:00Z"));
    until("the run is in the middle of its query", || place.gate.asked() == 1).await;
    place.clock.set(instant("2026-03-01T14:00:00Z"));
    let next = instant("2026-03-01T15:00:00Z");
    until("the slot is noticed", || served.next() == next).await;
    let new = place.put("second", "every: 1h, overlap: queue");
    served.reload(&place).await;
    let in_force =
        served.daemon.generation().playbooks.values().map(|live| live.plan.version).collect::<Vec<_>>();
    assert_eq!(in_force, [new]);
    place.gate.open();
    let runs = served.until_ended(2).await;
    assert_eq!(slots(&runs), ["2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z"]);
    assert_eq!(runs.iter().map(|run| run.version).collect::<Vec<_>>(), [old, new]);
    served.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_part_that_crashes_ends_the_daemon_when_what_runs_is_finished() {
    let place = Place::at("2026-03-01T12:10:30Z").await;
    place.put("crash", "every: 1h");
    // Who looks after the journal waits an hour between, and nobody else does to the second.
    let trap = Trap::new(&place.clock, HOUR..=HOUR);
    let mut served = place.serve_by(Arc::clone(&trap) as SharedClock).await;
    place.gate.close();
    place.clock.set(instant("2026-03-01T13:00:01Z"));
    until("the run is in the middle of its query", || place.gate.asked() == 1).await;
    trap.sprung.cancel();
    place.clock.set(instant("2026-03-01T13:59:00Z"));
    assert!(served.task.try_join_next().is_none(), "a run goes on");
    place.gate.open();
    let ended = served.task.join_next().await.unwrap().unwrap();
    let Err(DaemonError::Crashed(crash)) = ended else { panic!("{ended:?}") };
    assert!(crash.is_panic() && crash.to_string().contains("the trap has sprung"), "{crash}");
    served.until_ended(1).await;
    served.store.close().await;
}

impl Served {
    /// Waits until as many schedules are not followed.
    async fn until_unarmed(&self, count: usize) -> Vec<Unarmed> {
        for _look in 0..LOOKS_MAX {
            let unarmed = self.store.unarmed().await.unwrap();
            if unarmed.len() == count {
                return unarmed;
            }
            SystemClock.sleep(LOOK_EVERY).await;
        }
        panic!("waited for {count}: {:#?}", self.store.unarmed().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_playbook_that_lacks_a_permission_does_not_run_until_a_token_has_it() {
    let place = Place::at("2026-03-01T12:10:00Z").await;
    place.sim.set_apps(vec![SimApp::sample().without("ThreatHunting.Read.All")]);
    place.put("arming", "every: 1h");
    let served = place.serve().await;
    let unarmed = served.until_unarmed(1).await.pop().unwrap();
    assert_eq!(unarmed.lacks, "`ThreatHunting.Read.All` of Microsoft Graph (hunt)");
    place.clock.set(served.next());
    let mut skips = served.store.skips(PLAYBOOK).await.unwrap();
    for _look in 0..LOOKS_MAX {
        if !skips.is_empty() {
            break;
        }
        SystemClock.sleep(LOOK_EVERY).await;
        skips = served.store.skips(PLAYBOOK).await.unwrap();
    }
    assert!(!skips.is_empty(), "waited for the slot to be let go");
    assert_eq!(skips[0].slot, instant("2026-03-01T13:00:00Z"));
    assert!(skips[0].reason.contains("not armed"), "{skips:?}");
    assert_eq!((served.runs().await.len(), place.gate.asked()), (0, 0));

    // The grant shows in the next token: the one at hand is still good, and is replaced.
    place.sim.set_apps(vec![SimApp::sample()]);
    // Who asked for a token just before asks again in five minutes.
    while !served.store.unarmed().await.unwrap().is_empty() {
        place.clock.advance(SignedDuration::from_secs(1));
        assert!(place.clock.now() < instant("2026-03-01T13:50:00Z"), "the grant is not seen");
        SystemClock.sleep(LOOK_EVERY).await;
    }
    let run = served.start_next(&place).await;
    assert_eq!((run.scheduled_for, run.state), (Some(instant("2026-03-01T14:00:00Z")), RunState::Ok));
    served.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn unknown_is_not_missing() {
    let place = Place::at("2026-03-01T12:10:00Z").await;
    // A token that cannot be read says nothing of what it allows.
    let body = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "opaque"});
    let opaque = Fault { status: Some(200), body: Some(body), ..Fault::on("POST /*/oauth2/v2.0/token") };
    place.sim.set_faults(vec![opaque]).unwrap();
    place.put("arming", "every: 1h");
    let served = place.serve().await;
    served.start_next(&place).await;
    assert_eq!(served.store.unarmed().await.unwrap(), []);
    served.end().await.unwrap();
}
