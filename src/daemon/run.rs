//! The daemon itself: what it starts with, its loops, and how it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::generation::{Generation, Refused};
use super::scan::scan;
use super::watch::Watch;
use crate::channel::Message;
use crate::diag::{self, Chain, Format};
use crate::engine::{Engine, EngineError, Order, Ran};
use crate::fault::crash_point;
use crate::model::AlertSeverity;
use crate::notify::{self, Channels};
use crate::plan::{Plan, World, compile};
use crate::playbook;
use crate::schedule::{Entry, Key, Overlap, Scheduler, Start};
use crate::store::{Effects, OutboxMessage, StoreError};

/// Messages sent in one pass.
const DELIVERIES_MAX: u32 = 100;
/// How long the outbox is left alone when nothing says that something is due.
const OUTBOX_LOOK: SignedDuration = SignedDuration::from_secs(30);
/// How often old history is removed.
const HOUSEKEEPING: SignedDuration = SignedDuration::from_hours(6);

/// How long history is kept.
const RETENTION: SignedDuration = SignedDuration::from_hours(24 * 90);

/// What a daemon needs besides the engine.
#[derive(Debug)]
pub struct DaemonOptions {
    /// Directory of playbooks.
    pub playbooks: PathBuf,
    /// Directory of lists.
    pub lists: PathBuf,
    /// What playbooks refer to, without lists.
    pub world: World,
    /// Channels, by name.
    pub channels: Channels,
    /// The channel that is told when an edit is refused.
    pub alerts: Option<String>,
    /// Most runs at once.
    pub running_max: NonZeroUsize,
    /// How long running playbooks may take to finish when the daemon is asked to end.
    pub drain: SignedDuration,
}

/// Why the daemon could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The journal failed.
    #[error("the journal cannot be used")]
    Store(#[from] StoreError),
    /// What was cut off could not be taken up.
    #[error("what was cut off could not be taken up again")]
    Resume(#[source] EngineError),
}

/// What the daemon is doing, for people.
#[derive(Debug, Clone)]
pub struct Status {
    /// Number of the generation in force.
    pub generation: u64,
    /// Playbooks in force.
    pub playbooks: usize,
    /// Files refused.
    pub refused: Vec<Refused>,
}

/// The process that keeps running. Cheap to clone; all clones are one daemon.
#[derive(Debug, Clone)]
pub struct Daemon(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    options: DaemonOptions,
    live: ArcSwap<Generation>,
    scheduler: Scheduler,
    /// Told when something went into the outbox.
    outbox: Notify,
}

impl Daemon {
    /// Takes up what the journal holds and what is on disk. Starts nothing yet.
    ///
    /// # Errors
    ///
    /// [`DaemonError`] if the journal cannot be used; nothing may run without it.
    pub async fn open(engine: Engine, options: DaemonOptions) -> Result<Self, DaemonError> {
        let store = engine.store.clone();
        let restored =
            Generation::restore(&store.live_versions().await?, store.live_lists().await?, &options.world);
        let scheduler = Scheduler::new(Arc::clone(&engine.clock), options.running_max);
        let daemon = Self(Arc::new(Inner {
            engine,
            options,
            live: ArcSwap::from_pointee(restored),
            scheduler,
            outbox: Notify::new(),
        }));
        daemon.reload().await?;
        daemon.resume().await?;
        // Also when the reload changed nothing: the timetable is empty at first.
        daemon.schedule(&daemon.0.live.load_full()).await?;
        Ok(daemon)
    }

    /// What it is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let live = self.0.live.load();
        Status { generation: live.number, playbooks: live.playbooks.len(), refused: live.refused.clone() }
    }

    /// The generation in force.
    #[must_use]
    pub fn generation(&self) -> Arc<Generation> {
        self.0.live.load_full()
    }

    /// Runs until `stop` is cancelled, then finishes what runs.
    ///
    /// # Errors
    ///
    /// [`DaemonError`] if the journal fails for good.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), DaemonError> {
        let mut loops = JoinSet::new();
        let (watching, delivering, cleaning) = (self.clone(), self.clone(), self.clone());
        loops.spawn(async move { watching.watch().await });
        loops.spawn(async move { delivering.deliver().await });
        loops.spawn(async move { cleaning.keep_house().await });
        let mut runs = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = runs.join_next(), if !runs.is_empty() => note(ended),
                start = self.0.scheduler.next() => {
                    let daemon = self.clone();
                    runs.spawn(async move { daemon.start(start).await });
                }
            }
        }
        tracing::info!(running = runs.len(), "the daemon ends: it starts nothing new and finishes what runs");
        let finished = async {
            while let Some(ended) = runs.join_next().await {
                note(ended);
            }
        };
        tokio::select! {
            () = finished => {}
            () = self.0.engine.clock.sleep(self.0.options.drain) => {
                tracing::warn!("some runs did not finish in time; they are taken up at the next start");
            }
        }
        loops.shutdown().await;
        self.deliver_once().await;
        Ok(())
    }

    /// Runs what is due, with the generation of this moment.
    async fn start(&self, start: Start) {
        let live = self.0.live.load_full();
        let Some(playbook) = live.playbooks.get(&start.due.key.playbook) else { return };
        let plan = &playbook.plan;
        if plan.expires.is_some_and(|expires| expires <= self.0.engine.clock.now()) {
            tracing::info!(playbook = %plan.about.name, "an expired playbook was due; it does not run");
            return;
        }
        let order = Order {
            plan: Arc::clone(plan),
            lists: Arc::clone(&live.lists),
            tenant: start.due.key.tenant.to_string(),
            trigger: start.due.trigger,
            slot: Some(start.due.slot),
            effects: Effects::Apply,
        };
        match self.0.engine.run(&order).await {
            Ok(Ran::Report(_) | Ran::SlotTaken) => {}
            Err(error) => {
                tracing::error!(playbook = %plan.about.name, error = %Chain(&error), "a run could not be recorded: nothing was done");
            }
        }
        self.0.outbox.notify_one();
    }

    /// Looks at the directories and puts what is new in force.
    ///
    /// # Errors
    ///
    /// If the journal fails; then the old generation stays.
    pub async fn reload(&self) -> Result<(), DaemonError> {
        let options = &self.0.options;
        let (playbooks, lists) = (options.playbooks.clone(), options.lists.clone());
        let found = tokio::task::spawn_blocking(move || scan(&playbooks, &lists)).await;
        crash_point("c29_reload_read");
        let found = match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::error!(error = %Chain(&error), "the playbooks cannot be read: what is in force stays in force");
                return Ok(());
            }
            Err(_panicked) => return Ok(()),
        };
        let before = self.0.live.load_full();
        let next = before.next(found, &options.world);
        if next.same_as(&before) && 0 < before.number {
            return Ok(());
        }
        crash_point("c30_reload_validated");
        let now = self.0.engine.clock.now();
        self.0.engine.store.publish(&next.publication(&before, now)).await?;
        // From here on nothing can fail.
        let next = Arc::new(next);
        self.0.live.store(Arc::clone(&next));
        crash_point("c31_reload_swapped");
        self.say(&before, &next, now).await?;
        self.schedule(&next).await
    }

    /// Tells log and people what a reload did.
    async fn say(&self, before: &Generation, next: &Generation, now: Timestamp) -> Result<(), DaemonError> {
        tracing::info!(
            generation = next.number,
            playbooks = next.playbooks.len(),
            "a generation is in force"
        );
        for held in next.held.difference(&before.held) {
            tracing::error!(playbook = %held, "its file is gone together with most others: it is held in force");
        }
        let news = next.refused.iter().filter(|refused| {
            !before.refused.iter().any(|old| (&old.file, old.hash) == (&refused.file, refused.hash))
        });
        for refused in news {
            let problems = diag::render(&refused.diagnostics, Format::Text);
            let still = refused.still_runs.is_some();
            tracing::error!(file = %refused.file, still_running = still, "a file is refused\n{problems}");
            if let Some(channel) = &self.0.options.alerts {
                self.0.engine.store.enqueue(&alert(channel, refused, &problems, now)).await?;
                self.0.outbox.notify_one();
            }
        }
        for mended in before.refused.iter().filter(|old| !next.refused.iter().any(|new| new.file == old.file))
        {
            tracing::info!(file = %mended.file, "a refused file is good again, or gone");
        }
        Ok(())
    }

    /// Gives the scheduler the entries of a generation.
    async fn schedule(&self, generation: &Generation) -> Result<(), DaemonError> {
        let mut entries = Vec::new();
        let mut marks = BTreeMap::new();
        for live in generation.playbooks.values() {
            let Some(rule) = &live.plan.rule else { continue };
            for tenant in self.0.engine.tenants.keys().filter(|tenant| live.plan.is_for(tenant)) {
                let key = Key { playbook: live.plan.about.id, tenant: tenant.as_str().into() };
                if let Some(last) = self.0.engine.store.last_slot(key.playbook, tenant).await? {
                    marks.insert(key.clone(), last);
                }
                entries.push(Entry {
                    key,
                    cadence: rule.cadence.clone(),
                    jitter: rule.jitter,
                    policy: rule.catch_up,
                    overlap: match rule.overlap {
                        playbook::Overlap::Skip => Overlap::Skip,
                        playbook::Overlap::Queue => Overlap::Queue,
                    },
                });
            }
        }
        self.0.scheduler.set(entries, &marks);
        Ok(())
    }

    /// Takes up what a dead process left.
    async fn resume(&self) -> Result<(), DaemonError> {
        let live = self.0.live.load_full();
        let world = World { lists: (*live.lists).clone(), ..self.0.options.world.clone() };
        let plan_of = |name: &str, bytes: &[u8]| plan_of(name, bytes, &world);
        let resumed = self.0.engine.resume(&live.lists, &plan_of).await.map_err(DaemonError::Resume)?;
        tracing::info!(
            parked = resumed.parked.len(),
            finished = resumed.reports.len(),
            abandoned = resumed.abandoned.len(),
            "what was cut off is dealt with"
        );
        Ok(())
    }

    /// Reloads whenever something may have changed.
    async fn watch(&self) {
        let options = &self.0.options;
        let directories = vec![options.playbooks.clone(), options.lists.clone()];
        let mut watch = Watch::start(&directories, Arc::clone(&self.0.engine.clock));
        let mut watched = real(&directories);
        loop {
            watch.changed().await;
            // A directory that was replaced has another identity, and the old watch sees nothing of it.
            if real(&directories) != watched {
                watched = real(&directories);
                watch = Watch::start(&directories, Arc::clone(&self.0.engine.clock));
            }
            if let Err(error) = self.reload().await {
                tracing::error!(error = %Chain(&error), "a reload could not be recorded: what is in force stays in force");
            }
        }
    }

    /// Works the outbox off for as long as the daemon lives.
    async fn deliver(&self) {
        loop {
            self.deliver_once().await;
            let now = self.0.engine.clock.now();
            let look = now.checked_add(OUTBOX_LOOK).unwrap_or(Timestamp::MAX);
            let due = self.0.engine.store.next_due().await.ok().flatten().unwrap_or(look);
            // A channel in trouble leaves what is due where it is: never spin on it.
            let soon = now.checked_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
            tokio::select! {
                () = self.0.outbox.notified() => {}
                () = self.0.engine.clock.sleep_until(due.clamp(soon, look)) => {}
            }
        }
    }

    async fn deliver_once(&self) {
        let engine = &self.0.engine;
        let done =
            notify::deliver_due(&engine.store, &self.0.options.channels, &engine.clock, DELIVERIES_MAX).await;
        match done {
            Ok(report) => {
                for undelivered in &report.undelivered {
                    tracing::warn!(channel = %undelivered.channel, reason = %undelivered.reason, "a message was not delivered");
                }
            }
            Err(error) => tracing::error!(error = %Chain(&error), "the outbox could not be worked off"),
        }
    }

    /// Removes old history now and then.
    async fn keep_house(&self) {
        loop {
            let engine = &self.0.engine;
            if let Err(error) = engine.store.retention(engine.clock.now(), RETENTION).await {
                tracing::warn!(error = %Chain(&error), "old history could not be removed");
            }
            engine.clock.sleep(HOUSEKEEPING).await;
        }
    }
}

/// Compiles a stored version.
///
/// # Errors
///
/// The first problem, in words.
pub fn plan_of(name: &str, bytes: &[u8], world: &World) -> Result<Plan, String> {
    let mut sink = diag::Sink::new();
    compile(name, bytes, world, &mut sink).ok_or_else(|| {
        let first = sink.into_sorted().into_iter().next();
        let why = first.map_or_else(String::new, |found| format!(": {} {}", found.code, found.message));
        format!("the version it began with no longer compiles{why}")
    })
}

/// What directories really are, so that a replaced one is noticed.
fn real(directories: &[PathBuf]) -> BTreeSet<(PathBuf, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |path: &PathBuf| Some((path.canonicalize().ok()?, std::fs::metadata(path).ok()?.ino()));
    directories.iter().filter_map(identity).collect()
}

/// Notes how a run's task ended. A panic ends one run, never the process; the run is taken up at the next
/// start.
fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a run has crashed: it is taken up at the next start");
    }
}

/// The message about a refused file. Told once for the same bytes, over restarts too.
fn alert(channel: &str, refused: &Refused, problems: &str, now: Timestamp) -> OutboxMessage {
    let about = format!("{}/{}", refused.file, refused.hash);
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("refused/{about}").as_bytes()).to_string();
    let still = match refused.still_runs {
        Some(_) => "Its last good version goes on running.",
        None => "There is no earlier version of it: it does not run.",
    };
    let message = Message {
        id: id.clone(),
        severity: AlertSeverity::Medium,
        title: format!("huntbook refused {}", refused.file),
        text: format!("{still}\n\n{problems}"),
        facts: vec![("File".to_owned(), refused.file.clone()), ("Version".to_owned(), refused.hash.short())],
        playbook: refused.file.clone(),
        run: String::new(),
        tenant: String::new(),
        at: now,
    };
    notify::standing_message(id, channel, message, Some(about))
}
