//! Who is due when: the scheduler without a clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::cadence::{Cadence, CatchUpPolicy, FUTURE_MAX, Lateness, SLOTS_MAX, Spread, believed, due};
use crate::model::PlaybookId;
use crate::store::Trigger;

/// A playbook in a tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The playbook.
    pub playbook: PlaybookId,
    /// The tenant, by its name in the settings.
    pub tenant: Arc<str>,
}

impl From<(PlaybookId, String)> for Key {
    fn from((playbook, tenant): (PlaybookId, String)) -> Self {
        Self { playbook, tenant: tenant.into() }
    }
}

/// What happens when a run is due while the one before goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// It is dropped.
    #[default]
    Skip,
    /// It waits; of several, only the latest does.
    Queue,
}

/// When a playbook runs in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose entry it is.
    pub key: Key,
    /// When it recurs.
    pub cadence: Cadence,
    /// Longest delay after a slot, to spread the load.
    pub jitter: SignedDuration,
    /// What happens to slots missed.
    pub policy: CatchUpPolicy,
    /// What happens to slots that come due during a run.
    pub overlap: Overlap,
}

/// A run that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Whose.
    pub key: Key,
    /// The slot of the schedule it stands for.
    pub slot: Timestamp,
    /// [`Trigger::Schedule`], or [`Trigger::CatchUp`] if the slot was missed.
    pub trigger: Trigger,
}

/// A run that was due and is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Whose.
    pub key: Key,
    /// Its slot.
    pub slot: Timestamp,
    /// The slot it is dropped for, if it is one's: that runs, or waits.
    pub behind: Option<Timestamp>,
    /// Why, for people.
    pub why: &'static str,
}

/// Who is due when. Every change is a function of its arguments.
#[derive(Debug)]
pub struct Timetable {
    tracks: BTreeMap<Key, Track>,
    /// The next start of each entry; those of a round that is over are left in and passed over.
    starts: BinaryHeap<Reverse<(Timestamp, Key, u64)>>,
    /// Entries with something due that may begin, in their order.
    ready: VecDeque<Key>,
    running: usize,
    running_max: NonZeroUsize,
    round: u64,
    latest: Timestamp,
}

/// What is known of one playbook in one tenant.
#[derive(Debug)]
struct Track {
    /// `None` for a playbook that is gone, until its run has ended.
    entry: Option<Entry>,
    /// The last slot that was looked at.
    last: Timestamp,
    /// The round in which its next start was put down.
    round: u64,
    /// What is due and has not begun, oldest first.
    waiting: VecDeque<(Timestamp, Trigger)>,
    running: Running,
    /// The slot that runs, or ran last.
    current: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Running {
    No,
    /// In its turn.
    Turn,
    /// Out of turn.
    Claimed,
}

impl Timetable {
    /// Makes an empty timetable.
    #[must_use]
    pub fn new(running_max: NonZeroUsize) -> Self {
        Self {
            tracks: BTreeMap::new(),
            starts: BinaryHeap::new(),
            ready: VecDeque::new(),
            running: 0,
            running_max,
            round: 0,
            latest: Timestamp::MIN,
        }
    }

    /// Replaces all entries; see [`super::Scheduler::set`].
    pub fn set(
        &mut self,
        entries: Vec<Entry>,
        marks: &BTreeMap<Key, Timestamp>,
        now: Timestamp,
    ) -> Vec<Skipped> {
        // What the old entries owe is taken down before they go.
        let skipped = self.advance(now);
        let mut old = std::mem::take(&mut self.tracks);
        self.starts.clear();
        for entry in entries {
            let key = entry.key.clone();
            let mut track = match old.remove(&key) {
                Some(track) => track,
                None => Track::new(),
            };
            track.last = match &track.entry {
                Some(known) if known.cadence == entry.cadence => track.last,
                Some(_changed) => now,
                None => marks.get(&key).map_or(now, |mark| believed(*mark, now)),
            };
            track.entry = Some(entry);
            self.tracks.insert(key, track);
        }
        for (key, mut track) in old {
            // Gone, but its run goes on and keeps its place.
            if track.running != Running::No {
                track.entry = None;
                track.waiting.clear();
                self.tracks.insert(key, track);
            }
        }
        self.ready.retain(|key| self.tracks.get(key).is_some_and(|track| !track.waiting.is_empty()));
        let keys: Vec<Key> = self.tracks.keys().cloned().collect();
        for key in keys {
            self.put_down(&key);
        }
        skipped
    }

    /// Takes down everything that has come due up to `now`.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Skipped> {
        self.notice_set_back(now);
        let mut skipped = Vec::new();
        while self.wake().is_some_and(|start| start <= now) {
            let Some(Reverse((start, key, round))) = self.starts.pop() else { break };
            let Some(track) = self.tracks.get_mut(&key) else { continue };
            if track.round != round {
                continue;
            }
            let Some(entry) = &track.entry else { continue };
            let seed = seed(&key);
            let spread = Spread { seed: &seed, max: entry.jitter };
            let found = due(&entry.cadence, track.last, now, entry.policy, spread);
            // A start stands for a slot, so there is one; looking on from the start would else never end.
            track.last = found.newest.unwrap_or(start).max(track.last);
            if found.slots.is_empty() {
                let behind = track.waiting.back().map(|(slot, _trigger)| *slot);
                let why = "it was too late";
                skipped.push(Skipped { key: key.clone(), slot: track.last, behind, why });
            }
            let idle = track.running == Running::No && track.waiting.is_empty();
            let rule = if track.running == Running::Claimed { Overlap::Queue } else { entry.overlap };
            for slot in found.slots {
                let dropped = if idle { None } else { overlap(rule, &mut track.waiting, slot.at) };
                let why = "the run before it goes on";
                skipped.extend(dropped.map(|slot| {
                    let before = track.waiting.iter().rev().map(|(waits, _trigger)| *waits);
                    let behind = before.into_iter().find(|waits| *waits < slot).or(track.current);
                    Skipped { key: key.clone(), slot, behind, why }
                }));
                if dropped != Some(slot.at) {
                    let on_time = slot.lateness == Lateness::OnTime;
                    let trigger = if on_time { Trigger::Schedule } else { Trigger::CatchUp };
                    track.waiting.push_back((slot.at, trigger));
                }
            }
            if idle && !track.waiting.is_empty() {
                self.ready.push_back(key.clone());
            }
            self.put_down(&key);
        }
        skipped
    }

    /// Hands out the next run that may begin.
    pub fn take(&mut self) -> Option<Due> {
        if self.running_max.get() <= self.running {
            return None;
        }
        loop {
            let key = self.ready.pop_front()?;
            let Some(track) = self.tracks.get_mut(&key) else { continue };
            // A claim may have come between; its end puts the key back.
            if track.running != Running::No {
                continue;
            }
            let Some((slot, trigger)) = track.waiting.pop_front() else { continue };
            track.running = Running::Turn;
            track.current = Some(slot);
            self.running += 1;
            return Some(Due { key, slot, trigger });
        }
    }

    /// Takes the right to run out of turn; see [`super::Scheduler::claim`].
    pub fn claim(&mut self, key: &Key) -> bool {
        let track = self.tracks.entry(key.clone()).or_insert_with(Track::new);
        let free = track.running == Running::No;
        if free {
            track.running = Running::Claimed;
        }
        free
    }

    /// Notes that a run has ended.
    pub fn ended(&mut self, key: &Key) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        if std::mem::replace(&mut track.running, Running::No) == Running::Turn {
            self.running = self.running.saturating_sub(1);
        }
        if track.entry.is_none() {
            self.tracks.remove(key);
        } else if !track.waiting.is_empty() {
            self.ready.push_back(key.clone());
        }
    }

    /// How many entries run at this moment.
    #[must_use]
    pub fn running(&self) -> usize {
        self.tracks.values().filter(|track| track.running != Running::No).count()
    }

    /// When to look again, if anything will ever start. What only waits for its turn does not count.
    #[must_use]
    pub fn wake(&self) -> Option<Timestamp> {
        self.starts.peek().map(|Reverse((start, _key, _round))| *start)
    }

    /// Lists when each entry starts next, soonest first.
    #[must_use]
    pub fn upcoming(&self) -> Vec<(Timestamp, Key)> {
        let mut upcoming: Vec<(Timestamp, Key)> = self
            .starts
            .iter()
            .filter(|Reverse((_start, key, round))| {
                self.tracks.get(key).is_some_and(|track| track.entry.is_some() && track.round == *round)
            })
            .map(|Reverse((start, key, _round))| (*start, key.clone()))
            .collect();
        upcoming.sort();
        upcoming
    }

    /// Puts the next start of an entry down.
    fn put_down(&mut self, key: &Key) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        self.round += 1;
        track.round = self.round;
        let Some(entry) = &track.entry else { return };
        if let Some(slot) = entry.cadence.next_after(track.last) {
            let start = entry.cadence.start_of(slot, &seed(key), entry.jitter);
            self.starts.push(Reverse((start, key.clone(), self.round)));
        }
    }

    /// Begins anew if the clock was set back so far that it must have been wrong before; else everything
    /// would be silent until then.
    fn notice_set_back(&mut self, now: Timestamp) {
        let wrong = FUTURE_MAX < now.duration_until(self.latest);
        self.latest = if wrong { now } else { self.latest.max(now) };
        if !wrong {
            return;
        }
        let keys: Vec<Key> = self.tracks.keys().cloned().collect();
        for key in keys {
            if let Some(track) = self.tracks.get_mut(&key) {
                track.last = believed(track.last, now);
            }
            self.put_down(&key);
        }
    }
}

impl Track {
    /// Nothing is known yet.
    const fn new() -> Self {
        Self {
            entry: None,
            last: Timestamp::MIN,
            round: 0,
            waiting: VecDeque::new(),
            running: Running::No,
            current: None,
        }
    }
}

/// Decides which slot is dropped when `new` comes due during a run, if one is.
fn overlap(
    overlap: Overlap,
    waiting: &mut VecDeque<(Timestamp, Trigger)>,
    new: Timestamp,
) -> Option<Timestamp> {
    match overlap {
        Overlap::Skip => Some(new),
        Overlap::Queue if SLOTS_MAX <= waiting.len() => Some(new),
        // What is being made up for waits on; of what came due in time only the latest does.
        Overlap::Queue => {
            waiting.pop_back_if(|(_slot, trigger)| *trigger == Trigger::Schedule).map(|(slot, _trigger)| slot)
        }
    }
}

/// What tells one entry's delays from another's.
fn seed(key: &Key) -> Vec<u8> {
    [key.playbook.0.as_bytes().as_slice(), key.tenant.as_bytes()].concat()
}
