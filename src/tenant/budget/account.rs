//! What is left of one group's quota, and whose turn it is: the decisions, without a clock.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::quota::{Quota, Window};
use super::{Headroom, Lane, Party, Pause, Used};

/// Longest a group stays closed on a service's word: the longest window of any quota.
pub(super) const CLOSED_MAX: SignedDuration = SignedDuration::from_hours(1);

/// How long a group is closed after a refusal that names no time; doubled with each that follows.
const CLOSED_FIRST: SignedDuration = SignedDuration::from_secs(2);

/// Longest such doubling.
const CLOSED_GUESS_MAX: SignedDuration = SignedDuration::from_mins(2);

/// Most playbooks of one group that cool down at once; the ones that are over first make room.
const COOLING_MAX: usize = 1000;

/// One call that waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    ticket: u64,
    lane: Lane,
    party: Party,
}

/// What a call that asks for its turn has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    /// It goes, and is counted.
    Go,
    /// It is next, or may be from this moment on: it waits until then.
    At(Timestamp, &'static str),
    /// Others are before it: it waits until something changes.
    Behind,
}

/// The book of one group.
#[derive(Debug)]
pub(super) struct Account {
    windows: Vec<Window>,
    /// When the last calls were made, in order; as many as the longest window allows.
    calls: VecDeque<Timestamp>,
    closed: Option<(Timestamp, Pause)>,
    /// Refusals in a row.
    refusals: u32,
    /// Playbooks whose queries were stopped for what they cost.
    cooling: BTreeMap<Party, Timestamp>,
    waiting: Vec<Waiting>,
    /// How many wait before they stand in line.
    pub(super) outside: usize,
    /// Who waited and got the last turns, by the number of the turn: who had one longest ago is next.
    served: BTreeMap<Party, u64>,
    turns: u64,
}

impl Account {
    pub(super) fn new(quota: &Quota) -> Self {
        Self {
            windows: quota.windows.to_vec(),
            calls: VecDeque::new(),
            closed: None,
            refusals: 0,
            cooling: BTreeMap::new(),
            waiting: Vec::new(),
            outside: 0,
            served: BTreeMap::new(),
            turns: 0,
        }
    }

    /// Allows less than is documented. Never more.
    pub(super) fn tighten(&mut self, most: impl Fn(Window) -> u32) {
        for window in &mut self.windows {
            window.calls = most(*window).clamp(1, window.calls.max(1));
        }
    }

    /// Stands in line.
    pub(super) fn enter(&mut self, ticket: u64, (lane, party): (Lane, Party)) {
        self.waiting.push(Waiting { ticket, lane, party });
    }

    /// Leaves the line, with or without a turn.
    pub(super) fn leave(&mut self, ticket: u64) {
        self.waiting.retain(|waiting| waiting.ticket != ticket);
        if self.waiting.is_empty() {
            self.served.clear();
        }
    }

    /// Whether it is the turn of one that stands in line; if so, its call is counted.
    pub(super) fn ask(&mut self, ticket: u64, now: Timestamp) -> Turn {
        self.forget(now);
        let Some(me) = self.waiting.iter().find(|waiting| waiting.ticket == ticket).copied() else {
            return Turn::Behind;
        };
        if let Some(until) = self.cools(me.party) {
            return Turn::At(until, "this playbook's queries cost too much: it cools down");
        }
        let before = |other: &&Waiting| self.cools(other.party).is_none();
        let first = self.waiting.iter().filter(before).min_by_key(|waiting| self.rank(waiting));
        if first.is_some_and(|first| first.ticket != ticket) {
            return Turn::Behind;
        }
        if let Some((at, why)) = self.open_from(now) {
            return Turn::At(at, why);
        }
        self.calls.push_back(now);
        self.turns += 1;
        self.served.insert(me.party, self.turns);
        self.leave(ticket);
        Turn::Go
    }

    /// From when on a call may be made, if not at once, and why.
    pub(super) fn open_from(&mut self, now: Timestamp) -> Option<(Timestamp, &'static str)> {
        self.forget(now);
        let closed = self.closed.map(|(until, pause)| (until, pause.as_str()));
        let full = self.windows.iter().filter_map(|window| {
            let oldest = self.calls.len().checked_sub(usize::try_from(window.calls).ok()?)?;
            let free = self.calls.get(oldest)?.saturating_add(window.per).ok()?;
            (now < free).then_some((free, "its calls are used up"))
        });
        closed.into_iter().chain(full).max_by_key(|(until, _why)| *until)
    }

    /// From when on a playbook may call, if not at once, and why.
    pub(super) fn open_for(&mut self, party: Party, now: Timestamp) -> Option<(Timestamp, &'static str)> {
        let open = self.open_from(now);
        let cools = self.cools(party).map(|until| (until, Pause::Cost.as_str()));
        open.into_iter().chain(cools).max_by_key(|(until, _why)| *until)
    }

    /// Lanes first; in a lane, whoever had a turn longest ago; then whoever came first.
    fn rank(&self, waiting: &Waiting) -> (Lane, u64, u64) {
        (waiting.lane, self.served.get(&waiting.party).copied().unwrap_or(0), waiting.ticket)
    }

    fn cools(&self, party: Party) -> Option<Timestamp> {
        party?;
        self.cooling.get(&party).copied()
    }

    /// Drops what is over. A clock that was set back must not make anybody wait for what has not happened yet.
    fn forget(&mut self, now: Timestamp) {
        let latest = now.saturating_add(CLOSED_MAX).unwrap_or(Timestamp::MAX);
        let lasts = |until: &Timestamp| now < *until && *until <= latest;
        self.closed = self.closed.filter(|(until, _pause)| lasts(until));
        self.cooling.retain(|_party, until| lasts(until));
        while self.calls.back().is_some_and(|call| now < *call) {
            self.calls.pop_back();
        }
        let kept = self.windows.iter().map(|window| window.calls).max().unwrap_or(0);
        while usize::try_from(kept).is_ok_and(|kept| kept < self.calls.len()) {
            self.calls.pop_front();
        }
    }

    /// Notes that a call was answered, and not for being one too many.
    pub(super) const fn taken(&mut self) {
        self.refusals = 0;
    }

    /// Notes that a call was one too many.
    pub(super) fn refused(&mut self, wait: Option<SignedDuration>, pause: Pause, now: Timestamp) {
        let guess = CLOSED_FIRST.saturating_mul(1_i32 << self.refusals.min(10)).min(CLOSED_GUESS_MAX);
        self.refusals = self.refusals.saturating_add(1);
        let wait = wait.unwrap_or(guess).clamp(SignedDuration::from_secs(1), CLOSED_MAX);
        let until = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        self.forget(now);
        if self.closed.is_none_or(|(other, _)| other < until) {
            self.closed = Some((until, pause));
        }
    }

    /// Notes that a playbook's query was stopped for what it costs.
    pub(super) fn cool(&mut self, party: Party, wait: SignedDuration, now: Timestamp) {
        self.forget(now);
        if self.cooling.len() == COOLING_MAX
            && let Some(over) = self.cooling.iter().min_by_key(|(_, until)| **until).map(|(party, _)| *party)
        {
            self.cooling.remove(&over);
        }
        let wait = wait.clamp(SignedDuration::from_secs(1), CLOSED_MAX);
        self.cooling.insert(party, now.saturating_add(wait).unwrap_or(Timestamp::MAX));
    }

    /// Takes up what a process before has left, as far as it still holds.
    pub(super) fn take_up(&mut self, left: &Headroom, now: Timestamp) {
        let party = |id: &String| serde_json::from_value(Value::from(id.as_str())).ok();
        let cooling = left.cooling.iter().filter_map(|(id, until)| Some((Some(party(id)?), *until)));
        self.cooling.extend(cooling.take(COOLING_MAX));
        let closed = left.closed_until.filter(|_| left.why.as_deref() == Some(Pause::Cost.as_str()));
        self.closed = closed.map(|until| (until, Pause::Cost)).or(self.closed);
        self.forget(now);
    }

    /// What is left, for people. Nothing of a group that is not in use.
    pub(super) fn headroom(&mut self, group: super::Group, now: Timestamp) -> Option<Headroom> {
        self.forget(now);
        let used = |window: &Window| {
            let since = now.saturating_sub(window.per).unwrap_or(Timestamp::MIN);
            Used {
                calls: self.calls.iter().rev().take_while(|call| since < **call).count(),
                of: window.calls,
                seconds: window.per.as_secs(),
            }
        };
        let room = Headroom {
            api: group.api.to_string(),
            group: group.name.to_owned(),
            windows: self.windows.iter().map(used).collect(),
            waiting: self.waiting.len() + self.outside,
            closed_until: self.closed.map(|(until, _)| until),
            why: self.closed.map(|(_, pause)| pause.as_str().to_owned()),
            cooling: self
                .cooling
                .iter()
                .filter_map(|(party, until)| Some((party.as_ref()?.to_string(), *until)))
                .collect(),
        };
        room.is_in_use().then_some(room)
    }
}
