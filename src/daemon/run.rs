//! The daemon itself: what it starts with, its loops, and how it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::alarm;
use super::generation::{Generation, Refused};
use super::scan::{Seen, look};
use super::watch::{BURST_MAX, QUIET, Watch, identities, is_fresh};
use crate::diag::{self, Chain};
use crate::engine::{Engine, EngineError, Order, Ran};
use crate::fault::crash_point;
use crate::notify::{self, Channels};
use crate::plan::{Plan, World, compile};
use crate::playbook;
use crate::schedule::{Entry, Key, Overlap, Scheduler, Start};
use crate::store::{ContentHash, Effects, OutboxMessage, StoreError};

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
    /// What reloads remember.
    known: Mutex<Known>,
    /// Held by a reload: there is one at a time.
    reloading: tokio::sync::Mutex<()>,
}

/// What one reload leaves for the next.
#[derive(Debug, Default)]
struct Known {
    /// What was on disk when it was last taken over; the same again is no news.
    taken: Option<ContentHash>,
    /// Who is in the timetable: the journal need not be asked for their last slots.
    scheduled: BTreeSet<Key>,
    /// Why the directories could not be read the last time, if they could not. Said once.
    unreadable: Option<String>,
}

/// Who runs when, ready to be put into the scheduler.
struct Plans {
    entries: Vec<Entry>,
    marks: BTreeMap<Key, Timestamp>,
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
            known: Mutex::default(),
            reloading: tokio::sync::Mutex::default(),
        }));
        daemon.reload().await?;
        daemon.resume().await?;
        // Also when nothing could be read: the timetable is empty at first.
        let plans = daemon.plans(&daemon.0.live.load()).await?;
        daemon.schedule(plans);
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
        crash_point("c39_shutdown_begun");
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
        crash_point("c40_shutdown_done");
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
        let _one_at_a_time = self.0.reloading.lock().await;
        self.take_over().await
    }

    async fn take_over(&self) -> Result<(), DaemonError> {
        let Some(seen) = self.look().await? else { return Ok(()) };
        crash_point("c29_reload_read");
        let hash = seen.hash();
        if self.known().taken == Some(hash) {
            return Ok(());
        }
        let before = self.0.live.load_full();
        let (from, base) = (Arc::clone(&before), self.0.options.world.clone());
        // Thousands of playbooks take a while to compile; runs go on meanwhile.
        let next = tokio::task::spawn_blocking(move || from.next(seen.scan, &base)).await;
        let next = match next {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "a reload has crashed: what is in force stays in force");
                return Ok(());
            }
        };
        if !next.same_as(&before) || before.number == 0 {
            self.put_in_force(&before, next).await?;
        }
        self.known().taken = Some(hash);
        Ok(())
    }

    /// Lets go of what is held in force without its files: a person says that they were removed on purpose.
    ///
    /// # Errors
    ///
    /// If the journal fails; then everything stays held.
    pub async fn release(&self) -> Result<(), DaemonError> {
        let _one_at_a_time = self.0.reloading.lock().await;
        self.take_over().await?;
        let before = self.0.live.load_full();
        if before.held.is_empty() && before.held_lists.is_empty() {
            return Ok(());
        }
        self.put_in_force(&before, before.released()).await
    }

    /// Journal first, then the swap.
    async fn put_in_force(&self, before: &Generation, next: Generation) -> Result<(), DaemonError> {
        crash_point("c30_reload_validated");
        let now = self.0.engine.clock.now();
        let plans = self.plans(&next).await?;
        if let Some(channel) = &self.0.options.alerts {
            self.tell(alarm::messages(channel, before, &next, now)).await?;
        }
        self.0.engine.store.publish(&next.publication(before, now)).await?;
        // From here on nothing can fail.
        let next = Arc::new(next);
        self.0.live.store(Arc::clone(&next));
        crash_point("c31_reload_swapped");
        self.schedule(plans);
        alarm::say(before, &next);
        Ok(())
    }

    /// Reads the directories, again and again while something in them is changing. `None` if they cannot
    /// be read.
    async fn look(&self) -> Result<Option<Seen>, DaemonError> {
        let clock = &self.0.engine.clock;
        let give_up = clock.now().checked_add(BURST_MAX).unwrap_or(Timestamp::MAX);
        loop {
            let (playbooks, lists) = (self.0.options.playbooks.clone(), self.0.options.lists.clone());
            let looked = tokio::task::spawn_blocking(move || look(&playbooks, &lists)).await;
            let now = clock.now();
            let reason = match looked {
                Ok(Ok(seen)) => {
                    let changing = seen.changed.is_some_and(|at| is_fresh(at, now, QUIET))
                        || seen.emptied.is_some_and(|at| is_fresh(at, now, BURST_MAX));
                    if changing && now < give_up {
                        clock.sleep(QUIET).await;
                        continue;
                    }
                    if self.known().unreadable.take().is_some() {
                        tracing::info!("the playbooks can be read again");
                    }
                    return Ok(Some(seen));
                }
                Ok(Err(error)) => Chain(&error).to_string(),
                Err(error) => error.to_string(),
            };
            if self.known().unreadable.replace(reason.clone()).as_ref() != Some(&reason) {
                tracing::error!(%reason, "the playbooks cannot be read: what is in force stays in force");
                if let Some(channel) = &self.0.options.alerts {
                    self.tell(vec![alarm::about_unreadable(channel, &reason, now)]).await?;
                }
            }
            return Ok(None);
        }
    }

    /// Puts messages to people into the outbox.
    async fn tell(&self, messages: Vec<OutboxMessage>) -> Result<(), DaemonError> {
        for message in &messages {
            self.0.engine.store.enqueue(message).await?;
        }
        if !messages.is_empty() {
            self.0.outbox.notify_one();
        }
        Ok(())
    }

    /// Makes the timetable of a generation.
    async fn plans(&self, generation: &Generation) -> Result<Plans, DaemonError> {
        let scheduled = self.known().scheduled.clone();
        let mut plans = Plans { entries: Vec::new(), marks: BTreeMap::new() };
        let mut new = Vec::new();
        for live in generation.playbooks.values() {
            let Some(rule) = &live.plan.rule else { continue };
            for tenant in self.0.engine.tenants.keys().filter(|tenant| live.plan.is_for(tenant)) {
                let key = Key::from((live.plan.about.id, tenant.clone()));
                new.extend((!scheduled.contains(&key)).then(|| (key.playbook, tenant.clone())));
                plans.entries.push(Entry {
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
        let marks = self.0.engine.store.schedule_marks(&new, self.0.engine.clock.now()).await?;
        plans.marks = marks.into_iter().map(|(key, last)| (key.into(), last)).collect();
        Ok(plans)
    }

    /// Gives the scheduler its entries.
    fn schedule(&self, plans: Plans) {
        self.known().scheduled = plans.entries.iter().map(|entry| entry.key.clone()).collect();
        self.0.scheduler.set(plans.entries, &plans.marks);
    }

    // No lock is held over an `await`, and nothing panics half-way.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
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
        // Their identity first: a replacement in between is then noticed.
        let mut watched = identities(&directories);
        let mut watch = Watch::start(&directories, Arc::clone(&self.0.engine.clock));
        loop {
            // At first too: something may have changed before there was a watch.
            if let Err(error) = self.reload().await {
                tracing::error!(error = %Chain(&error), "a reload could not be recorded: what is in force stays in force");
            }
            watch.changed().await;
            // A directory that was replaced has another identity, and the old watch sees nothing of it.
            let found = identities(&directories);
            if found != watched {
                watched = found;
                watch = Watch::start(&directories, Arc::clone(&self.0.engine.clock));
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

/// Notes how a run's task ended. A panic ends one run, never the process; the run is taken up at the next
/// start.
fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a run has crashed: it is taken up at the next start");
    }
}
