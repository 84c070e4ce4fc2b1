//! Reload: what is on disk is looked at, compiled, written to the journal, and put in force.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::alarm;
use super::approvals::LOOK;
use super::edit::Review;
use super::generation::Generation;
use super::loops::unless_over;
use super::run::{Daemon, DaemonError};
use super::scan::{Seen, look};
use super::terms::ScanError;
use super::watch::{BURST_MAX, QUIET, SETTLED, STEADY, Watch, identities};
use crate::fault::crash_point;
use crate::playbook;
use crate::schedule::{Entry, Key, Overlap};

/// Who runs when, ready to be put into the scheduler.
pub(super) struct Plans {
    entries: Vec<Entry>,
    marks: BTreeMap<Key, Timestamp>,
}

impl Daemon {
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
        let seen = match self.look().await {
            Ok(seen) => seen,
            Err(error) => {
                // What is there when it can be read again is news, even if it is what was there before.
                self.known().taken = None;
                self.known().gone.wait_anew();
                let before = self.0.live.load_full();
                let same = before.unread(error);
                return if same.same_as(&before) { Ok(()) } else { self.put_in_force(&before, same).await };
            }
        };
        crash_point("c29_reload_read");
        let mut review = self.review().await?;
        review.gone = self.known().gone.note(&seen.scan, self.0.engine.clock.uptime());
        let hash = review.hash(seen.hash());
        if self.known().taken == Some(hash) {
            return Ok(());
        }
        let before = self.0.live.load_full();
        let (from, base) = (Arc::clone(&before), self.0.options.world.clone());
        // Thousands of playbooks take a while to compile; runs go on meanwhile.
        let next = tokio::task::spawn_blocking(move || from.next_reviewed(seen.scan, &base, &review)).await;
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

    /// How edits that raise risk are treated, and what people have confirmed.
    async fn review(&self) -> Result<Review, DaemonError> {
        let edits = self.0.engine.store.held_edits().await?;
        let confirmed = edits.iter().filter(|edit| edit.confirmed).map(|edit| edit.digest).collect();
        Ok(Review { risk_raising: self.0.options.risk_raising, confirmed, ..Review::default() })
    }

    /// Waits until somebody has confirmed an edit that waits now.
    async fn confirmed(&self) {
        loop {
            self.0.engine.clock.sleep(LOOK).await;
            let live = self.0.live.load_full();
            // A journal that cannot be read is told of by the next reload.
            let Ok(review) = self.review().await else { continue };
            if live.edits.keys().any(|edit| review.confirmed.contains(edit)) {
                return;
            }
        }
    }

    /// Lets go of what is held in force without its files: a person says that they were removed on purpose.
    ///
    /// # Errors
    ///
    /// If the journal fails; then everything stays held.
    pub async fn release(&self) -> Result<(), DaemonError> {
        let _one_at_a_time = self.0.reloading.lock().await;
        self.known().gone.at_once();
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
        let store = &self.0.engine.store;
        let mut publication = next.publication(before, now);
        if let Some(channel) = &self.0.engine.alerts {
            publication.messages = alarm::messages(channel, (before, &next), &store.refusals().await?, now);
        }
        store.publish(&publication).await?;
        // From here on nothing can fail.
        let next = Arc::new(next);
        self.0.live.store(Arc::clone(&next));
        crash_point("c31_reload_swapped");
        self.schedule(plans);
        // A run may have waited for what became of its playbook.
        self.0.left.notify_one();
        self.0.rearm.send_replace(());
        self.0.outbox.notify_one();
        alarm::say(before, &next);
        Ok(())
    }

    /// Reads the directories, again and again while something in them is changing. What still is at last counts
    /// as unread: half of a file may validate and leave out what protects.
    async fn look(&self) -> Result<Seen, ScanError> {
        let clock = &self.0.engine.clock;
        // What nothing tells of is read whole from where it may be slow to read: not ten times a second.
        let (pause, longest) = if self.known().steady.is_needed {
            (SETTLED, STEADY.saturating_add(BURST_MAX))
        } else {
            (QUIET, BURST_MAX)
        };
        let give_up = clock.now().checked_add(longest).unwrap_or(Timestamp::MAX);
        loop {
            let (playbooks, lists) = (self.0.options.playbooks.clone(), self.0.options.lists.clone());
            let terms = self.0.options.terms.clone();
            let looked = tokio::task::spawn_blocking(move || look(&terms, &playbooks, &lists)).await;
            let seen = looked
                .unwrap_or_else(|crashed| Err(ScanError::crashed(&self.0.options.playbooks, crashed)))?;
            let now = clock.now();
            let mut changing = seen.changing(now, (SETTLED, BURST_MAX), |path| self.0.written.contains(path));
            changing.append(&mut self.known().steady.note(&seen.scan, clock.uptime()));
            if changing.is_empty() {
                return Ok(seen);
            }
            if give_up <= now {
                return Ok(seen.without(&changing));
            }
            clock.sleep(pause).await;
        }
    }

    /// Makes the timetable of a generation.
    pub(super) async fn plans(&self, generation: &Generation) -> Result<Plans, DaemonError> {
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
    pub(super) fn schedule(&self, plans: Plans) {
        self.known().scheduled = plans.entries.iter().map(|entry| entry.key.clone()).collect();
        self.0.scheduler.set(plans.entries, &plans.marks);
    }

    fn start_watch(&self, directories: &[PathBuf]) -> Watch {
        let clock = Arc::clone(&self.0.engine.clock);
        let watch = Watch::start(directories, &self.0.written, (&self.0.options, clock));
        self.known().steady.is_needed = !watch.is_told();
        watch
    }

    /// Reloads whenever something may have changed.
    pub(super) async fn watch(&self) -> Result<(), DaemonError> {
        let directories = self.0.options.directories();
        // Their identity first: a replacement in between is then noticed.
        let mut watched = identities(&directories);
        let mut watch = self.start_watch(&directories);
        loop {
            // At first too: something may have changed before there was a watch.
            match self.reload().await {
                Err(DaemonError::Store(error)) => {
                    unless_over(error, "a reload could not be recorded: what is in force stays in force")?;
                }
                reloaded => reloaded?,
            }
            let waits = !self.0.live.load().edits.is_empty();
            let clock = &self.0.engine.clock;
            let gone = self.known().gone.wait(clock.uptime());
            tokio::select! {
                () = clock.sleep(gone.unwrap_or_default()), if gone.is_some() => {}
                () = watch.changed() => {}
                () = self.confirmed(), if waits => {}
            }
            // A directory that was replaced has another identity, and the old watch sees nothing of it.
            let found = identities(&directories);
            if found != watched {
                watched = found;
                watch = self.start_watch(&directories);
            }
        }
    }
}
