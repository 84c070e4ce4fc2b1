//! The daemon itself: what it starts with, its loops, and how it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use jiff::SignedDuration;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::approvals;
use super::arming::Unarmed;
use super::generation::{Generation, Status};
use super::gone::Gone;
use super::left::Tried;
use super::loops::unless_over;
use super::sign_in::Standings;
use super::start::TRY_AGAIN;
use super::terms::Terms;
use super::watch::{Steady, Written, needs_steady};
use crate::diag::{self, Chain};
use crate::engine::{Engine, EngineError, InForce, Standing, Which};
use crate::fault::crash_point;
use crate::model::Lists;
use crate::notify::Channels;
use crate::plan::{Plan, World, compile};
use crate::schedule::{Key, Scheduler, Skipped};
use crate::settings::{RiskRaising, Watching};
use crate::store::{ContentHash, NewSkip, Remedy, Stop, StoreError};

/// What a daemon needs besides the engine.
#[derive(Debug)]
pub struct DaemonOptions {
    /// Directory of playbooks.
    pub playbooks: PathBuf,
    /// Directory of lists.
    pub lists: PathBuf,
    /// What files of both must be like to count.
    pub terms: Terms,
    /// What becomes of edits that raise risk.
    pub risk_raising: RiskRaising,
    /// How changes of files are noticed.
    pub watching: Watching,
    /// How often files are looked at where the system does not tell of changes.
    pub poll_every: SignedDuration,
    /// What playbooks refer to, without lists.
    pub world: World,
    /// Channels, by name.
    pub channels: Channels,
    /// Most runs at once.
    pub running_max: NonZeroUsize,
    /// How long running playbooks may take to finish when the daemon is asked to end.
    pub drain: SignedDuration,
}

impl DaemonOptions {
    /// The directories of which changes are noticed.
    pub(super) fn directories(&self) -> Vec<PathBuf> {
        vec![self.playbooks.clone(), self.lists.clone()]
    }
}

/// Why the daemon could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The journal failed.
    #[error("the journal cannot be used")]
    Store(#[from] StoreError),
    /// The journal failed under a run, and waiting does not help.
    #[error("a run could not go on")]
    Run(#[source] EngineError),
    /// A part that works all the time has crashed: without it edits or messages would stop silently.
    #[error("a part of the daemon has crashed")]
    Crashed(#[source] JoinError),
    /// The same, without a word.
    #[error("a part of the daemon has ended, and must not")]
    Ended,
}

/// The process that keeps running. Cheap to clone; all clones are one daemon.
#[derive(Debug, Clone)]
pub struct Daemon(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) engine: Engine,
    pub(super) options: DaemonOptions,
    pub(super) live: ArcSwap<Generation>,
    pub(super) scheduler: Scheduler,
    /// Told when something went into the outbox.
    pub(super) outbox: Notify,
    /// Told when runs that nobody carries out may be taken up.
    pub(super) left: Notify,
    /// Turns of runs that are taken up: as many at once as run in their time.
    pub(super) turns: Semaphore,
    /// Held by a run that is taken up where the process has died a short while ago, until it is known that this run is
    /// not why.
    pub(super) alone: tokio::sync::Mutex<()>,
    /// Told when other playbooks may be in force.
    pub(super) rearm: watch::Sender<()>,
    /// What is not armed; `None` as long as nobody has looked.
    pub(super) unarmed: tokio::sync::Mutex<Option<Unarmed>>,
    /// How it stands with the tenants' authorities, as far as somebody has looked.
    pub(super) standings: tokio::sync::Mutex<Standings>,
    /// What reloads remember.
    known: Mutex<Known>,
    /// Held by a reload: there is one at a time.
    pub(super) reloading: tokio::sync::Mutex<()>,
    /// The files that somebody is writing.
    pub(super) written: Written,
    /// Cancelled when no further action may begin.
    pub(super) ending: CancellationToken,
}

/// What is in force is asked of the generation of the moment, also by runs that an earlier one began.
#[async_trait]
impl InForce for Inner {
    fn lists(&self) -> Arc<Lists> {
        Arc::clone(&self.live.load().lists)
    }

    fn standing(&self, run: Which) -> Standing {
        self.live.load().standing(run.playbook)
    }

    fn is_ending(&self) -> bool {
        self.ending.is_cancelled()
    }

    async fn ending(&self) {
        self.ending.cancelled().await;
    }
}

/// What one reload leaves for the next.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// What was on disk when it was last taken over; the same again is no news.
    pub(super) taken: Option<ContentHash>,
    /// Which files were there a moment ago.
    pub(super) gone: Gone,
    /// Since when files say what they say.
    pub(super) steady: Steady,
    /// How often runs were begun that have not come to an end of any kind.
    pub(super) tries: BTreeMap<Tried, u32>,
    /// What is being done beside the schedule.
    pub(super) beside: BTreeSet<Tried>,
    /// Who is in the timetable: the journal need not be asked for their last slots.
    pub(super) scheduled: BTreeSet<Key>,
    /// Who has runs left that could not be taken up yet, because a run of theirs goes on.
    pub(super) left_behind: BTreeSet<Key>,
    /// Which stops stood at the last look.
    pub(super) stops: Vec<Stop>,
}

/// Runs that go on.
#[derive(Debug, Default)]
pub(super) struct Runs {
    tasks: JoinSet<Result<(), EngineError>>,
    /// When to look again for runs that the journal failed under, by the clock that nobody sets.
    pub(super) try_again: Option<SignedDuration>,
    /// Whether the journal rests until then: it failed, and is asked again in its own time.
    pub(super) rests: bool,
    /// When to look for what people decided, by the same.
    look: Option<SignedDuration>,
}

impl Daemon {
    /// Takes up what the journal holds and what is on disk, and parks what a dead process may have sent.
    /// Starts nothing yet.
    ///
    /// # Errors
    ///
    /// [`DaemonError`] if the journal cannot be used; nothing may run without it.
    pub async fn open(engine: Engine, options: DaemonOptions) -> Result<Self, DaemonError> {
        let store = engine.store.clone();
        let restored =
            Generation::restore(&store.live_versions().await?, store.live_lists().await?, &options.world);
        let scheduler = Scheduler::new(Arc::clone(&engine.clock), options.running_max);
        let turns = Semaphore::new(options.running_max.get().min(Semaphore::MAX_PERMITS));
        let daemon = Self(Arc::new(Inner {
            engine,
            options,
            live: ArcSwap::from_pointee(restored),
            scheduler,
            outbox: Notify::new(),
            left: Notify::new(),
            rearm: watch::Sender::default(),
            unarmed: tokio::sync::Mutex::default(),
            standings: tokio::sync::Mutex::default(),
            turns,
            alone: tokio::sync::Mutex::default(),
            known: Mutex::default(),
            reloading: tokio::sync::Mutex::default(),
            written: Written::default(),
            ending: CancellationToken::new(),
        }));
        let directories = daemon.0.options.directories();
        daemon.known().steady.is_needed = needs_steady(&directories, daemon.0.options.watching);
        daemon.0.engine.park_in_doubt().await?;
        daemon.quarantine().await?;
        daemon.take_up_headroom().await?;
        daemon.reload().await?;
        // Also when nothing could be read: the timetable is empty at first.
        let plans = daemon.plans(&daemon.0.live.load()).await?;
        daemon.schedule(plans);
        Ok(daemon)
    }

    /// What it is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let live = self.0.live.load();
        let upcoming = self.0.scheduler.upcoming();
        let name = |key: &Key| {
            let live = live.playbooks.get(&key.playbook);
            live.map_or_else(|| key.playbook.to_string(), |live| live.plan.about.name.clone())
        };
        let scheduled: BTreeSet<_> = upcoming.iter().map(|(_, key)| key.playbook).collect();
        Status {
            generation: live.number,
            playbooks: live.playbooks.len(),
            scheduled: scheduled.len(),
            running: self.0.scheduler.running(),
            next: upcoming.first().map(|(at, key)| (*at, name(key))),
            refused: live.refused.clone(),
            held: live
                .held_files()
                .into_iter()
                .chain(live.edits.values().map(|edit| edit.file().to_owned()))
                .collect(),
        }
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
    /// [`DaemonError`] if the journal fails for good, or a part of the daemon has crashed; what runs is
    /// finished first. Whoever started the process starts it anew: what was cut off is then parked or taken up.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), DaemonError> {
        let mut loops = JoinSet::new();
        let (watching, delivering, cleaning) = (self.clone(), self.clone(), self.clone());
        loops.spawn(async move { watching.watch().await });
        loops.spawn(async move { delivering.deliver().await });
        loops.spawn(async move { cleaning.keep_house().await });
        let [following, arming, showing, looking] = std::array::from_fn(|_which| self.clone());
        loops.spawn(async move { following.follow().await });
        loops.spawn(async move { showing.show_headroom().await });
        loops.spawn(async move { looking.watch_disk().await });
        loops.spawn(async move { Box::pin(arming.keep_armed()).await });
        let mut runs = Runs::default();
        // Before anything new: what is cut off keeps its playbook's turn.
        let mut ended = self.take_up_left(&mut runs).await;
        runs.look = Some(self.0.engine.clock.uptime());
        while ended.is_ok() {
            ended = tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = runs.tasks.join_next(), if !runs.tasks.is_empty() => self.note(&mut runs, ended),
                start = self.0.scheduler.next() => {
                    let daemon = self.clone();
                    runs.tasks.spawn(async move { daemon.take_turn(start).await });
                    Ok(())
                }
                Some(part) = loops.join_next() => {
                    Err(part.map_or_else(DaemonError::Crashed, |ended| ended.err().unwrap_or(DaemonError::Ended)))
                }
                skipped = self.0.scheduler.skipped() => self.note_skipped(&skipped).await,
                () = self.0.left.notified() => self.take_up_left(&mut runs).await,
                () = self.until(runs.look), if !runs.rests => self.go_on_decided(&mut runs).await,
                () = self.until(runs.try_again) => {
                    (runs.try_again, runs.rests) = (None, false);
                    self.take_up_left(&mut runs).await
                }
            };
        }
        // From here on no action begins; one that has begun is waited for.
        self.0.ending.cancel();
        if let Err(error) = self.0.engine.store.end_serving().await {
            tracing::warn!(error = %Chain(&error), "that the daemon ends could not be noted: it will look as if it had died");
        }
        let running = runs.tasks.len();
        tracing::info!(
            running,
            "the daemon ends: it starts nothing new, and what runs begins no further action"
        );
        crash_point("c39_shutdown_begun");
        let finished = async {
            while let Some(task) = runs.tasks.join_next().await {
                let late = self.note(&mut runs, task);
                ended = std::mem::replace(&mut ended, Ok(())).and(late);
            }
        };
        tokio::select! {
            () = finished => {}
            () = self.0.engine.clock.sleep(self.0.options.drain) => {
                tracing::warn!("some runs did not finish in time; they are taken up at the next start");
            }
        }
        loops.shutdown().await;
        // As a task, for what crashed may crash again.
        let last = self.clone();
        loops.spawn(async move {
            last.note_headroom(&mut BTreeMap::new()).await?;
            last.deliver_once().await.map(drop)
        });
        let told = loops.join_next().await;
        if let Some(error) = told.and_then(|told| told.map_err(DaemonError::Crashed).flatten().err()) {
            tracing::error!(error = %Chain(&error), "what people are to be told could not be sent; it is sent after the next start");
        }
        crash_point("c40_shutdown_done");
        ended
    }

    /// Begins to take up the runs that nobody carries out.
    async fn take_up_left(&self, runs: &mut Runs) -> Result<(), DaemonError> {
        match self.claim_left().await {
            Ok(claims) => {
                for claim in claims {
                    let daemon = self.clone();
                    runs.tasks.spawn(async move { daemon.take_up(claim).await });
                }
                Ok(())
            }
            Err(error) => self.failed(runs, error.into()),
        }
    }

    /// Begins to do what people decided since the last look.
    async fn go_on_decided(&self, runs: &mut Runs) -> Result<(), DaemonError> {
        runs.look = Some(self.0.engine.clock.uptime().saturating_add(approvals::LOOK));
        if let Err(error) = self.note_stops().await {
            return self.failed(runs, error.into());
        }
        match self.claim_decided().await {
            Ok(claims) => {
                for claim in claims {
                    let daemon = self.clone();
                    runs.tasks.spawn(async move { daemon.go_on(claim).await });
                }
            }
            Err(error) => return self.failed(runs, error.into()),
        }
        match self.claim_reverts().await {
            Ok(claims) => {
                for claim in claims {
                    let daemon = self.clone();
                    runs.tasks.spawn(async move { daemon.revert(claim).await });
                }
                Ok(())
            }
            Err(error) => self.failed(runs, error.into()),
        }
    }

    async fn until(&self, at: Option<SignedDuration>) {
        let clock = &self.0.engine.clock;
        match at {
            Some(at) => clock.sleep(at.saturating_sub(clock.uptime())).await,
            None => std::future::pending().await,
        }
    }

    /// Notes how a run's task ended. A panic ends one run, never the process.
    fn note(
        &self,
        runs: &mut Runs,
        ended: Result<Result<(), EngineError>, JoinError>,
    ) -> Result<(), DaemonError> {
        match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => self.failed(runs, error),
            Err(error) => {
                tracing::error!(%error, "a run has crashed: it is tried again");
                self.try_again(runs);
                Ok(())
            }
        }
    }

    fn try_again(&self, runs: &mut Runs) {
        let again = self.0.engine.clock.uptime().saturating_add(TRY_AGAIN);
        // What fails all the time puts nothing off.
        runs.try_again.get_or_insert(again);
    }

    /// Decides what becomes of the process when the journal failed under a run.
    pub(super) fn failed(&self, runs: &mut Runs, error: EngineError) -> Result<(), DaemonError> {
        match error.remedy() {
            Remedy::Stop => Err(DaemonError::Run(error)),
            // What is wrong with one run alone is found when it is taken up, and ends it.
            remedy @ (Remedy::Wait | Remedy::Refuse) => {
                runs.rests |= remedy == Remedy::Wait;
                self.try_again(runs);
                Ok(())
            }
        }
    }

    /// Writes down what was due and is let go, for people and for the next start.
    async fn note_skipped(&self, skipped: &[Skipped]) -> Result<(), DaemonError> {
        for Skipped { key, slot, behind, why } in skipped {
            let skip = NewSkip { slot: *slot, behind: *behind, why };
            if let Err(error) = self.0.engine.store.skip_slot(key.playbook, &key.tenant, &skip).await {
                let slot = slot.to_string();
                unless_over(
                    error,
                    &format!("the dropped run of {} at {slot} could not be noted", key.playbook),
                )?;
            }
        }
        Ok(())
    }

    // No lock is held over an `await`, and nothing panics half-way.
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compiles a stored version.
///
/// # Errors
///
/// The first problem, in words.
pub fn plan_of(name: &str, bytes: &[u8], world: &World) -> Result<Plan, String> {
    let mut sink = diag::Sink::new();
    compile(name, bytes, &world.trusting(), &mut sink).ok_or_else(|| {
        let first = sink.into_sorted().into_iter().next();
        let why = first.map_or_else(String::new, |found| format!(": {} {}", found.code, found.message));
        format!("the version it began with no longer compiles{why}")
    })
}
