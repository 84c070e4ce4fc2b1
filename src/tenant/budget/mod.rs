//! The budget of calls: what an app may still ask of a tenant, shared by everything that runs in the process.
//!
//! Each call takes its turn before each sending, the repeats too. Whoever responds goes before whoever asks how
//! that went, before whoever looks for incidents, before whoever hunts; in each of these lanes playbooks take
//! turns. A service that refuses a call for being one too many closes the whole group for as long as it says.
//!
//! What a process that ended has used is not known here, and other apps' calls are not seen: the service's
//! refusal tells of both.

mod account;
mod quota;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use quota::{Group, Quota, Window};

use self::account::{Account, Turn};
use crate::clock::SharedClock;
use crate::fault::is_unpaced;
use crate::http::{Gate, HttpError};
use crate::model::{PlaybookId, TenantId};
use crate::tenant::{Audience, HuntingApi};

/// Longest one call waits for its turns: one cycle of the hunting quota. What would take longer is given up at
/// once, and is for the next run.
pub const TURN_WITHIN: SignedDuration = SignedDuration::from_mins(15);

/// How long a hunting quota needs to be there again, if the service does not say: one cycle.
const CYCLE: SignedDuration = SignedDuration::from_mins(15);

/// For whom a call is made: a playbook, or nobody in particular.
type Party = Option<PlaybookId>;

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Changes, and what has to be read for them.
    Response,
    /// How changes ended.
    Reconcile,
    /// Incidents and alerts.
    Triage,
    /// Hunting queries.
    Hunting,
}

/// Why a group is closed for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// Too many calls.
    Calls,
    /// Too much computing time, of a playbook or of all that hunt in the tenant.
    Cost,
}

impl Pause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "the service takes no more calls",
            Self::Cost => "the computing time for queries is used up",
        }
    }
}

/// Less than what is documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tighter {
    /// Percent of every quota.
    pub share: u8,
    /// Most hunting queries a minute.
    pub hunting_per_minute: Option<u32>,
}

impl Default for Tighter {
    fn default() -> Self {
        Self { share: 100, hunting_per_minute: None }
    }
}

/// The budgets of all tenants of a process. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub struct Budgets(Arc<Mutex<ByApp>>);

/// Budgets by the app's id and the tenant.
type ByApp = BTreeMap<(String, TenantId), Arc<Budget>>;

impl Budgets {
    /// The budget of an app in a tenant, which may be known under several names.
    pub(super) fn of(
        &self,
        app: &str,
        tenant: &TenantId,
        tighter: Tighter,
        clock: &SharedClock,
    ) -> Arc<Budget> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (app.to_ascii_lowercase(), tenant.clone());
        let new = || Arc::new(Budget::new(SharedClock::clone(clock)));
        let budget = Arc::clone(all.entry(key).or_insert_with(new));
        drop(all);
        budget.lock().tighter.push(tighter);
        budget
    }
}

/// What an app may still ask of a tenant.
#[derive(Debug)]
pub(super) struct Budget {
    state: Mutex<State>,
    /// Told whenever a turn may have become somebody else's.
    changed: watch::Sender<()>,
    clock: SharedClock,
}

#[derive(Debug, Default)]
struct State {
    accounts: Vec<(Group, Account)>,
    tighter: Vec<Tighter>,
    tickets: u64,
}

impl State {
    fn account(&mut self, group: Group) -> Option<&mut Account> {
        let same = |(other, _): &(Group, Account)| (other.api, other.name) == (group.api, group.name);
        if !self.accounts.iter().any(same) {
            let mut account = Account::new(group.quota);
            for tighter in &self.tighter {
                account.tighten(|window| most(*tighter, group, window));
            }
            self.accounts.push((group, account));
        }
        self.accounts.iter_mut().find(|one| same(one)).map(|(_, account)| account)
    }
}

/// What a tighter setting leaves of a window.
fn most(tighter: Tighter, group: Group, window: Window) -> u32 {
    let share = u64::from(window.calls).saturating_mul(tighter.share.into()) / 100;
    let share = u32::try_from(share).unwrap_or(window.calls);
    let is_minute = window.per == SignedDuration::from_mins(1);
    match tighter.hunting_per_minute.filter(|_most| group.is_hunting() && is_minute) {
        Some(most) => share.min(most),
        None => share,
    }
}

impl Budget {
    fn new(clock: SharedClock) -> Self {
        Self { state: Mutex::default(), changed: watch::Sender::new(()), clock }
    }

    // No lock is held over an `await`, and nothing panics half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, group: Group, work: impl FnOnce(&mut Account, Timestamp) -> T) -> Option<T> {
        let now = self.clock.now();
        self.lock().account(group).map(|account| work(account, now))
    }

    /// What is left of the groups in use.
    pub(super) fn headroom(&self) -> Vec<Headroom> {
        let now = self.clock.now();
        let mut state = self.lock();
        let mut rooms: Vec<Headroom> =
            state.accounts.iter_mut().filter_map(|(group, account)| account.headroom(*group, now)).collect();
        rooms.sort_by(|a, b| (&a.api, &a.group).cmp(&(&b.api, &b.group)));
        rooms
    }

    /// Takes up what a process before has left of the hunting groups. A refusal for what queries cost would be the
    /// first thing that their service answers, and cost more.
    pub(super) fn take_up(&self, left: &[Headroom]) {
        let permission = HuntingApi::Graph.permission();
        for api in [Audience::Graph, Audience::Xdr] {
            let group = Group::of(api, "runHuntingQuery", permission.least());
            let same = |room: &&Headroom| room.api == group.api.to_string() && room.group == group.name;
            if let Some(room) = left.iter().find(same) {
                self.with(group, |account, now| account.take_up(room, now));
            }
        }
    }

    /// Waits until a call of the group could be made, without taking a turn: what is written down before a call
    /// is written as late as possible.
    pub(super) async fn opened(&self, group: Group, party: Party) -> Result<(), Busy> {
        if is_unpaced() {
            return Ok(());
        }
        let until = self.clock.now().saturating_add(TURN_WITHIN).unwrap_or(Timestamp::MAX);
        let _seen_waiting = Outside::stand(self, group);
        loop {
            let open = self.with(group, |account, now| account.open_for(party, now)).flatten();
            let Some((at, why)) = open else { return Ok(()) };
            if until < at {
                return Err(Busy::new(group, at, why));
            }
            log_wait(group, at, why);
            self.clock.sleep_until(at).await;
        }
    }

    /// Waits for a turn and takes it.
    async fn turn(&self, group: Group, (lane, party): (Lane, Party), until: Timestamp) -> Result<(), Busy> {
        if is_unpaced() {
            return Ok(());
        }
        let mut changed = self.changed.subscribe();
        let place = Place::take(self, group, (lane, party));
        loop {
            changed.mark_unchanged();
            let turn = self.with(group, |account, now| account.ask(place.ticket, now));
            let (at, why) = match turn {
                None | Some(Turn::Go) => return Ok(()),
                Some(Turn::At(at, why)) => (Some(at), why),
                Some(Turn::Behind) => (None, "others are before it"),
            };
            if at.is_some_and(|at| until <= at) || until <= self.clock.now() {
                return Err(Busy::new(group, at.unwrap_or(until), why));
            }
            if let Some(at) = at {
                log_wait(group, at, why);
            }
            let it_is_time = async {
                match at {
                    Some(at) => self.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _told = changed.changed() => {}
                () = it_is_time => {}
                () = self.clock.limit(until) => {}
            }
        }
    }
}

/// A place in line; whoever goes away, for whatever reason, gives it up.
struct Place<'a> {
    budget: &'a Budget,
    group: Group,
    ticket: u64,
}

impl<'a> Place<'a> {
    fn take(budget: &'a Budget, group: Group, who: (Lane, Party)) -> Self {
        let mut state = budget.lock();
        state.tickets += 1;
        let ticket = state.tickets;
        if let Some(account) = state.account(group) {
            account.enter(ticket, who);
        }
        drop(state);
        Self { budget, group, ticket }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.budget.with(self.group, |account, _now| account.leave(self.ticket));
        self.budget.changed.send_replace(());
    }
}

/// Somebody who waits before standing in line, and is seen to.
struct Outside<'a> {
    budget: &'a Budget,
    group: Group,
}

impl<'a> Outside<'a> {
    fn stand(budget: &'a Budget, group: Group) -> Self {
        budget.with(group, |account, _now| account.outside += 1);
        Self { budget, group }
    }
}

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        self.budget.with(self.group, |account, _now| account.outside -= 1);
    }
}

/// Why a call was not sent: no turn would come in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// The API.
    pub api: String,
    /// What is counted together.
    pub group: String,
    /// When the next turn may come.
    pub until: Timestamp,
    /// Why not before.
    pub why: &'static str,
}

impl Busy {
    fn new(group: Group, until: Timestamp, why: &'static str) -> Self {
        Self { api: group.api.to_string(), group: group.name.to_owned(), until, why }
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { api, group, until, why } = self;
        write!(f, "the budget of calls to {api} ({group}) is used up until {until:.0}: {why}")
    }
}

fn log_wait(group: Group, at: Timestamp, why: &'static str) {
    tracing::info!(api = %group.api, group = group.name, until = %format_args!("{at:.0}"), why, "a call waits for its turn");
}

/// What is left of a group of calls, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Headroom {
    /// The API.
    pub api: String,
    /// What is counted together.
    pub group: String,
    /// What is used, of what is allowed.
    pub windows: Vec<Used>,
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// Until when no call is made.
    pub closed_until: Option<Timestamp>,
    /// Why not.
    pub why: Option<String>,
    /// Playbooks that may not hunt before a time, because their queries cost too much.
    pub cooling: BTreeMap<String, Timestamp>,
}

impl Headroom {
    fn is_in_use(&self) -> bool {
        self.windows.iter().any(|window| 0 < window.calls)
            || 0 < self.waiting
            || self.closed_until.is_some()
            || !self.cooling.is_empty()
    }
}

/// How much of a quota is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Used {
    /// Calls in the last `seconds`.
    pub calls: usize,
    /// Most calls.
    pub of: u32,
    /// Length of the window.
    pub seconds: i64,
}

/// The gate of one call: its turn first, then what the caller asks before each sending.
#[derive(Debug)]
pub(super) struct Queue<'a> {
    pub(super) budget: &'a Budget,
    pub(super) group: Group,
    pub(super) lane: Lane,
    pub(super) party: Party,
    pub(super) gate: &'a dyn Gate,
    until: Timestamp,
    busy: Mutex<Option<Busy>>,
}

impl<'a> Queue<'a> {
    /// Opens for a call that is to be sent now.
    pub(super) fn open(budget: &'a Budget, group: Group, who: (Lane, Party), gate: &'a dyn Gate) -> Self {
        let (lane, party) = who;
        let until = budget.clock.now().saturating_add(TURN_WITHIN).unwrap_or(Timestamp::MAX);
        let until = gate.until().map_or(until, |gate| gate.min(until));
        Self { budget, group, lane, party, gate, until, busy: Mutex::default() }
    }

    /// Why no turn came, if that is why the call was not sent.
    pub(super) fn busy(&self) -> Option<Busy> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl Gate for Queue<'_> {
    async fn pass(&self) -> Result<(), String> {
        if let Err(busy) = self.budget.turn(self.group, (self.lane, self.party), self.until).await {
            let why = busy.to_string();
            *self.busy.lock().unwrap_or_else(PoisonError::into_inner) = Some(busy);
            return Err(why);
        }
        self.gate.pass().await
    }

    async fn still(&self) -> Result<(), String> {
        self.gate.still().await
    }

    fn until(&self) -> Option<Timestamp> {
        self.gate.until()
    }

    fn heard(&self, error: Option<&HttpError>) {
        let refusal = error.and_then(HttpError::refusal);
        let too_costly = refusal.map_or(TooCostly::No, |refusal| {
            if self.group.is_hunting() { too_costly(&refusal.body) } else { TooCostly::No }
        });
        let wait = refusal.and_then(|refusal| refusal.wait);
        self.budget.with(self.group, |account, now| match (too_costly, refusal) {
            (TooCostly::TheQuery, _) if self.party.is_some() => {
                account.cool(self.party, wait.unwrap_or(CYCLE), now);
            }
            (TooCostly::TheQuery | TooCostly::All, _) => {
                account.refused(Some(wait.unwrap_or(CYCLE)), Pause::Cost, now);
            }
            (TooCostly::No, Some(refusal)) if refusal.status == 429 => {
                account.refused(wait, Pause::Calls, now);
            }
            (TooCostly::No, Some(_)) => account.taken(),
            // No answer says nothing about the quota.
            (TooCostly::No, None) if error.is_none() => account.taken(),
            (TooCostly::No, None) => {}
        });
        self.budget.changed.send_replace(());
    }
}

/// Whose queries have cost too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TooCostly {
    No,
    /// This one: others may run.
    TheQuery,
    /// All of the tenant together.
    All,
}

/// Sorts a refusal of a hunting query by the service's texts.
fn too_costly(body: &[u8]) -> TooCostly {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    if text.contains("processing resources allocated") {
        TooCostly::All
    } else if text.contains("excessive resource consumption") {
        TooCostly::TheQuery
    } else {
        TooCostly::No
    }
}

#[cfg(test)]
mod tests;
