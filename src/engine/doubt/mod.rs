//! Actions whose answer was lost, looked for at the tenant: an action of a device and a comment carry a mark there that
//! only this journal can have written, and when sessions were revoked, and whether an account is on, is shown.
//!
//! A request that got lost may be carried out late, and a list may show it later still. So nothing is believed before
//! ten minutes have passed ([`PATIENCE`]), measured in this process and by the clock that nobody sets, and that there is none is believed
//! when two whole lists say so, one a minute after the other. Then it is news to the next run. A list that was later
//! than reckoned with, as measured with what was answered for (`lag`), proves nothing for a week. That an account is not
//! as it was to be is never proof: people may have switched it back. The tests go
//! through every order of pause, loss, late application, late list, crash and failed look that the numbers allow.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use self::aim::{Aim, Listed};
use self::lag::Watched;
use super::Engine;
use super::look::{Sight, Trace};
use super::revert::nobody_knows_whose;
use super::wrong_clock::by_theirs;
use crate::diag::Chain;
use crate::fault::crash_point;
use crate::store::{Besides, Effect, EffectKey, EffectState, ListLag, Recorded, RevertNote, StoreError};
use crate::tenant::{MachineAction, TenantError};

mod aim;
mod lag;
#[cfg(test)]
mod protocol;

/// When nothing can change any more.
const PATIENCE: Patience =
    Patience { settled_after: SignedDuration::from_mins(10), looks_apart: SignedDuration::from_secs(60) };
/// By how much an intent may be stamped ahead of the tenant's clock: the journal goes on from the latest time that it
/// has seen, for 25 hours, and clocks differ. Looked for from later on, an action that was taken would seem missing. One that
/// was stamped further ahead is looked for from when it was first known to be in doubt.
pub(super) const AHEAD: SignedDuration = SignedDuration::from_hours(26);
/// How long an action is looked for. Older doubt is for people.
const YOUNG: SignedDuration = SignedDuration::from_hours(24);
/// Most actions looked for in one pass. Passes come once a minute, and a tenant answers 100 such calls in that time.
const LOOKS_MAX: usize = 20;

/// What is remembered between looks, as long as the process lives: a start begins anew.
#[derive(Debug, Default)]
pub struct Doubts {
    parked: BTreeMap<(EffectKey, u32), Doubt>,
    watched: Watched,
}

/// What is remembered of one attempt in doubt, in time that passed.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    /// When it was first known.
    known: SignedDuration,
    /// The earliest that it was by the clock of the tenant's services when it was known: what was taken was taken before.
    seen: Timestamp,
    /// When a whole list did not have it, after it must have been there.
    missing: Option<SignedDuration>,
    /// When it was looked for last, whatever came of it.
    looked: Option<SignedDuration>,
}

/// How long looks wait.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// How long a lost request may take to be carried out and to be shown. The service is given two minutes for the
    /// one and three for the other, an action leaves within half a minute of its intent, and the rest is a margin.
    settled_after: SignedDuration,
    /// What lies between two looks that must both find nothing.
    looks_apart: SignedDuration,
}

impl Doubt {
    const fn new(now: SignedDuration, theirs: Timestamp) -> Self {
        Self { known: now, seen: theirs, missing: None, looked: None }
    }

    /// Whether a list read now can tell.
    fn is_due(self, now: SignedDuration, patience: Patience) -> bool {
        patience.settled_after <= now.saturating_sub(self.known)
            && self.missing.is_none_or(|missing| patience.looks_apart <= now.saturating_sub(missing))
    }

    /// Notes that a whole list does not have it; says whether that proves that it was never taken.
    const fn is_proven_missing(&mut self, now: SignedDuration) -> bool {
        let before = self.missing.is_some();
        self.missing = Some(now);
        before
    }

    /// Notes what a look at the tenant came to, if it answered; says how the doubt ends, if it does.
    fn after(&mut self, look: Option<Look>, now: SignedDuration, proof: Proof) -> Option<End> {
        match look? {
            Look::Unclear => None,
            Look::Found(found) | Look::Twice(found) => Some(End::Found(found)),
            Look::Missing if !proof.is_missing_believed => None,
            Look::Missing => {
                (self.is_proven_missing(now) && proof.is_missing_enough).then_some(End::NeverTaken)
            }
        }
    }
}

/// What it proves that a tenant does not show an action.
#[derive(Debug, Clone, Copy)]
struct Proof {
    /// Whether it is not there when it is not shown.
    is_missing_believed: bool,
    /// Whether nobody else has to say so.
    is_missing_enough: bool,
}

/// How a doubt ends.
enum End {
    /// The tenant has it.
    Found(Found),
    /// It never took it.
    NeverTaken,
}

impl End {
    /// What the tenant shows, if it has it.
    const fn found(&self) -> Option<&Found> {
        match self {
            Self::Found(found) => Some(found),
            Self::NeverTaken => None,
        }
    }

    /// Where the effect goes.
    const fn state(&self) -> EffectState {
        match self {
            Self::Found(found) => found.state,
            Self::NeverTaken => EffectState::NotApplied,
        }
    }
}

/// What a look came to.
enum Look {
    /// The tenant has it.
    Found(Found),
    /// It has it more than once.
    Twice(Found),
    /// It does not have it.
    Missing,
    /// What it shows says neither.
    Unclear,
}

/// What a tenant shows of an action.
struct Found {
    state: EffectState,
    remote_id: Option<String>,
    /// What is to be known about taking it back.
    revert: Option<RevertNote>,
    /// What people are told.
    what: &'static str,
    /// How it is known, for people.
    by: &'static str,
}

impl Found {
    const TAKEN: &'static str = "the tenant took it";
    const MISSING: &'static str = "two looks at the tenant, a minute apart, do not show it";
    const LEFT_OUT: &'static str =
        "the tenant never took it, and nothing does it again, because other actions of its item were done";

    /// An action that the tenant may be working on still.
    fn listed(action: &MachineAction) -> Self {
        Self {
            state: EffectState::Pending,
            remote_id: Some(action.id.to_string()),
            revert: None,
            what: Self::TAKEN,
            by: "the tenant has it, by its mark",
        }
    }

    /// What is its own, and is there.
    const fn left() -> Self {
        let by = "the tenant shows it in force";
        Self { state: EffectState::Done, remote_id: None, revert: None, what: Self::TAKEN, by }
    }

    /// An account that is as it was to be.
    fn account() -> Self {
        Self {
            revert: Some(nobody_knows_whose()),
            what: "the account is as it was to be, whoever did it",
            by: "the account is as it was to be",
            ..Self::left()
        }
    }
}

impl Engine {
    /// Looks at a tenant for parked actions that must be there by now if they ever were taken, and writes down what is
    /// shown, and for those it has just accepted, to see how late its list is. Returns those that are in doubt no more.
    ///
    /// # Errors
    ///
    /// If the journal fails.
    pub async fn look_into(&self, tenant: &str, doubts: &mut Doubts) -> Result<Vec<Effect>, StoreError> {
        self.watch_list(tenant, &mut doubts.watched).await?;
        let mut parked = self.store.parked_and_marked().await?;
        parked.retain(|effect| effect.tenant == tenant);
        let (now, wall) = (self.clock.uptime(), self.clock.now());
        let key = |effect: &Effect| (effect.key.clone(), effect.attempt);
        let of_now: Vec<_> = parked.iter().map(key).collect();
        doubts.parked.retain(|known, _doubt| of_now.contains(known));
        let mut due = Vec::new();
        for effect in &parked {
            let Some((kind, aim)) = Aim::of(effect) else { continue };
            let theirs = self.by_clock_of(tenant, wall);
            let doubt = doubts.parked.entry(key(effect)).or_insert_with(|| Doubt::new(now, theirs));
            // How far the clocks are apart may be learnt only now.
            doubt.seen = doubt.seen.min(theirs);
            if effect.intended.duration_until(wall) <= YOUNG && doubt.is_due(now, PATIENCE) {
                due.push((doubt.looked, effect, (kind, aim)));
            }
        }
        // Those that were not looked for the longest: one that is not answered keeps no other waiting.
        due.sort_by_key(|(looked, ..)| *looked);
        let lags = if due.is_empty() {
            BTreeMap::new()
        } else {
            self.store.list_lags(self.store.time().await?).await?
        };
        let is_believed = !lags.get(tenant).is_some_and(ListLag::is_late);
        let mut settled = Vec::new();
        for (_looked, effect, (kind, aim)) in due.into_iter().take(LOOKS_MAX) {
            let Some(doubt) = doubts.parked.get_mut(&key(effect)) else { continue };
            doubt.looked = Some(now);
            // What bears a time that has not been yet was sent nobody knows when.
            let is_dated = self.stamp(effect) <= self.by_clock_of(tenant, wall);
            let look = self.look_for(effect, &aim, doubt.seen).await?;
            if matches!(look, Some(Look::Twice(_))) {
                self.stop_after_two(effect).await?;
            }
            let proof = Proof {
                // What was shown too late may not be shown at all.
                is_missing_believed: is_dated && (is_believed || !matches!(aim, Aim::Listed(_))),
                // What needs people's leave is not news to the next run unasked: a person says that it is not there.
                is_missing_enough: !kind.needs_approval(),
            };
            let Some(end) = doubt.after(look, now, proof) else { continue };
            if end.found().is_none() && self.is_elsewhere(effect, &aim, doubt.seen).await? {
                continue;
            }
            if let Some(state) = self.write_down(effect, &end).await? {
                settled.push(Effect { state, ..effect.clone() });
            }
        }
        Ok(settled)
    }

    /// What a time is by the clock of the services of a tenant, as far as that is known.
    fn by_clock_of(&self, tenant: &str, time: Timestamp) -> Timestamp {
        self.tenants.get(tenant).map_or(time, |tenant| by_theirs(time, &**tenant))
    }

    /// When an effect was intended at the earliest, by the clock of the tenant's services: by how far it is from this one
    /// now, or was not then.
    fn stamp(&self, effect: &Effect) -> Timestamp {
        effect.intended.min(self.by_clock_of(&effect.tenant, effect.intended))
    }

    /// From when on a list is asked for that is to show an effect, which was taken before `seen`.
    fn listed_since(&self, effect: &Effect, seen: Timestamp) -> Timestamp {
        self.stamp(effect).min(seen).saturating_sub(AHEAD).unwrap_or(Timestamp::MIN)
    }

    /// Looks at the tenant; `None` if it does not answer. What was taken was taken before `seen`.
    async fn look_for(
        &self,
        effect: &Effect,
        aim: &Aim,
        seen: Timestamp,
    ) -> Result<Option<Look>, StoreError> {
        let marks = self.marks(&effect.key, &effect.tenant).await?;
        let Some(tenant) = self.tenants.get(&effect.tenant) else { return Ok(None) };
        let look = match aim {
            Aim::Listed(aim) => self.listed(effect, aim, seen).await.map(|all| in_list(&all, aim, &marks)),
            Aim::Left(left) => {
                let since = by_theirs(effect.intended, &**tenant).min(seen);
                let trace = Trace { marks: &marks, since };
                told(effect, left.look(&**tenant, &trace).await).map(|sight| of_left(&sight))
            }
            Aim::Account(switch) => {
                let user = told(effect, tenant.user(&switch.user).await);
                user.map(
                    |user| if switch.is_shown(&user) { Look::Found(Found::account()) } else { Look::Unclear },
                )
            }
        };
        crash_point("c20_list_read");
        Ok(look)
    }

    /// Whether the tenant shows an action on another device, or does not say. Nothing of its playbook goes on before a
    /// person has said what became of it.
    async fn is_elsewhere(&self, effect: &Effect, aim: &Aim, seen: Timestamp) -> Result<bool, StoreError> {
        let Aim::Listed(aim) = aim else { return Ok(false) };
        let marks = self.marks(&effect.key, &effect.tenant).await?;
        let Some(tenant) = self.tenants.get(&effect.tenant) else { return Ok(true) };
        let since = self.listed_since(effect, seen);
        for mark in &marks {
            let Some(shown) = told(effect, tenant.marked_actions(mark, since).await) else { return Ok(true) };
            if let Some(another) = shown.iter().find(|action| action.machine_id != aim.device) {
                self.other_device(effect, another).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The actions of the device of an effect that a tenant lists from the effect on, which was taken before `seen`; `None`
    /// if it does not give the list.
    async fn listed(&self, effect: &Effect, aim: &Listed, seen: Timestamp) -> Option<Vec<MachineAction>> {
        let since = self.listed_since(effect, seen);
        let tenant = self.tenants.get(&effect.tenant)?;
        told(effect, tenant.machine_actions(&aim.device, since).await)
    }

    /// Writes down what was found, or that there is nothing; `None` if a person's word came first.
    async fn write_down(&self, effect: &Effect, end: &End) -> Result<Option<EffectState>, StoreError> {
        let (found, state) = (end.found(), end.state());
        let (what, detail) = match found {
            Some(found) => (found.what, found.by),
            None if self.store.is_all_of_its_item(effect).await? => {
                ("the tenant never took it", Found::MISSING)
            }
            None => (Found::LEFT_OUT, Found::MISSING),
        };
        // Before it is written down: then nobody looks any more, and a second message is none.
        if let Some(alert) = self.settled_alert(effect, what) {
            self.store.enqueue(&alert).await?;
        }
        crash_point("c22_told_of_doubt");
        let remote_id = found.and_then(|found| found.remote_id.clone());
        let result = Recorded { state, remote_id, detail: Some(format!("no answer came, and {detail}")) };
        let revert = found.and_then(|found| found.revert.as_ref());
        let told = match revert {
            Some(note) => self.nobody_knows_alert((&effect.key, effect.attempt), note).await?,
            None => None,
        };
        let besides = Besides { revert, told: told.as_ref(), ..Besides::default() };
        let is_first = self.store.settle_parked(effect, (&result, besides)).await?;
        crash_point("c21_doubt_settled");
        if is_first {
            tracing::info!(run = %effect.run, action = %effect.action, target = %effect.target, "an action is in doubt no more: {what}");
        }
        Ok(is_first.then_some(state))
    }

    /// One attempt was carried out twice: whatever that is, nothing of the playbook is to make more of it.
    async fn stop_after_two(&self, effect: &Effect) -> Result<(), StoreError> {
        let why = format!("the tenant took {} of {} more than once", effect.action, effect.target);
        tracing::error!(run = %effect.run, "{why}");
        self.stop_playbook_of(effect, &why).await
    }
}

/// What a tenant answers about an effect, if it does.
fn told<T>(effect: &Effect, answer: Result<T, TenantError>) -> Option<T> {
    answer
        .inspect_err(|error| {
            tracing::debug!(target = %effect.target, error = %Chain(error), "the tenant does not say whether an action was taken");
        })
        .ok()
}

/// What the whole list of the actions of a device says.
fn in_list(all: &[MachineAction], aim: &Listed, marks: &[String]) -> Look {
    let mut ours = all.iter().filter(|action| aim.is(action, marks)).map(Found::listed);
    match (ours.next(), ours.next()) {
        (None, _) => Look::Missing,
        (Some(one), None) => Look::Found(one),
        (Some(one), Some(_another)) => Look::Twice(one),
    }
}

/// What it says that an action has left its own behind, or has not.
fn of_left(sight: &Sight) -> Look {
    match sight {
        Sight::InForce(_) => Look::Found(Found::left()),
        Sight::NotInForce => Look::Missing,
        Sight::Hidden => Look::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The world in steps of half a minute: what an action may meet between its intent and its end.
    #[derive(Debug, Clone, Copy)]
    struct Fate {
        /// From the intent to the request.
        pause: u32,
        /// From the request to its effect; `None` if it got lost.
        applied_after: Option<u32>,
        /// From its effect to the list that shows it.
        shown_after: u32,
        /// When the process is killed and starts again.
        crashes: [Option<u32>; 2],
        /// Which look fails.
        failed: Option<u32>,
        /// In which step of two a look falls.
        phase: u32,
    }

    /// Most of each: an action leaves within half a minute, is carried out within two, and is listed within three.
    const PAUSE: u32 = 1;
    const APPLIED: u32 = 4;
    const SHOWN: u32 = 6;
    /// When the last crash may come; later ones only begin the wait anew.
    const CRASHES: u32 = 26;
    /// When everything must be over: a wait after the last crash, two looks and a failed one.
    const END: u32 = CRASHES + 20 + 8;

    /// Goes through one fate with the code that decides. Returns where the effect ended.
    fn live(fate: Fate, patience: Patience) -> Option<EffectState> {
        let length = |steps: u32| SignedDuration::from_secs(i64::from(steps) * 30);
        let shown = fate.applied_after.map(|after| fate.pause + after + fate.shown_after);
        let (mut doubt, mut looks) = (None, 0);
        for step in 0..=END {
            if fate.crashes.contains(&Some(step)) {
                doubt = None;
                continue;
            }
            if step % 2 != fate.phase {
                continue;
            }
            let now = length(step);
            let doubt = doubt.get_or_insert(Doubt::new(now, Timestamp::UNIX_EPOCH));
            if !doubt.is_due(now, patience) {
                continue;
            }
            looks += 1;
            if fate.failed == Some(looks) {
                continue;
            }
            if shown.is_some_and(|shown| shown <= step) {
                return Some(EffectState::Pending);
            }
            if doubt.is_proven_missing(now) {
                return Some(EffectState::NotApplied);
            }
        }
        None
    }

    /// Every fate there is.
    fn fates() -> impl Iterator<Item = Fate> {
        let crashes = || std::iter::once(None).chain((0..=CRASHES).step_by(3).map(Some));
        let pairs = crashes().flat_map(|one| crashes().map(move |two| [one, two]));
        let pairs = pairs.filter(|[one, two]| one <= two).collect::<Vec<_>>();
        let applied = (0..=APPLIED + 1).map(|after| (after <= APPLIED).then_some(after));
        applied.flat_map(move |applied_after| {
            let pairs = pairs.clone();
            (0..=SHOWN).flat_map(move |shown_after| {
                let pairs = pairs.clone();
                (0..=PAUSE).flat_map(move |pause| {
                    pairs.clone().into_iter().flat_map(move |crashes| {
                        [None, Some(1), Some(2)].into_iter().flat_map(move |failed| {
                            (0..2).map(move |phase| Fate {
                                pause,
                                applied_after,
                                shown_after,
                                crashes,
                                failed,
                                phase,
                            })
                        })
                    })
                })
            })
        })
    }

    /// How often a lost request was taken for none although it came, over all fates.
    fn doubled(patience: Patience) -> usize {
        let is_wrong = |fate: &Fate| {
            live(*fate, patience) == Some(EffectState::NotApplied) && fate.applied_after.is_some()
        };
        fates().filter(|fate| fate.crashes == [None, None]).filter(is_wrong).count()
    }

    #[test]
    fn no_order_of_events_makes_a_lost_request_be_sent_twice_and_each_comes_to_an_end() {
        let mut ends = BTreeMap::<&str, u32>::new();
        for fate in fates() {
            let expect =
                if fate.applied_after.is_some() { EffectState::Pending } else { EffectState::NotApplied };
            assert_eq!(live(fate, PATIENCE), Some(expect), "{fate:?}");
            assert!(EffectState::follows(Some(EffectState::Parked), expect));
            *ends.entry(expect.as_str()).or_default() += 1;
        }
        assert!(ends.values().all(|count| 1_000 < *count), "both ends are met: {ends:?}");
    }

    #[test]
    fn what_the_service_is_given_is_what_is_waited_for_and_less_would_double() {
        let after = |steps: u32, apart: i64| Patience {
            settled_after: SignedDuration::from_secs(i64::from(steps) * 30),
            looks_apart: SignedDuration::from_secs(apart),
        };
        let needed = PAUSE + APPLIED + SHOWN;
        assert_eq!(doubled(after(needed, 0)), 0);
        // The second look makes up for the length that lies between the two.
        assert_eq!(doubled(after(needed - 2, 60)), 0);
        assert!(0 < doubled(after(needed - 3, 60)));
        assert!(0 < doubled(after(0, 60)));
        assert!(i64::from(needed) * 30 < PATIENCE.settled_after.as_secs());
    }
}
