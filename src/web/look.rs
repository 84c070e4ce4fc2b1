//! Looks at the journal, shared by all who watch: one at a time, and none that takes more than its share of the time from
//! the process that acts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::SignedDuration;
use tokio::sync::{Mutex, MutexGuard};

use super::Web;
use super::session::Asks;
use crate::clock::SharedClock;
use crate::console::{Compiled, Listed, Moment, history};
use crate::engine::Report;
use crate::model::RunId;
use crate::store::{Approval, Pulse, RunDetail, RunFilter, StoreError};

/// After a look, of whatever and however it ended, nobody looks for this many times as long as it took: so looks take a
/// fifth of the time at most.
const REST: i32 = 4;
/// But no longer than this: whoever waits for news gets them before an answer takes too long.
const REST_MAX: SignedDuration = SignedDuration::from_secs(10);
/// How long a look serves while nothing is written: what is due, and who owns the journal, changes without.
const FRESH_FOR: SignedDuration = SignedDuration::from_secs(10);
/// Most single runs that are kept; a team looks at a few.
const RUNS_KEPT: usize = 16;

/// What was seen, and as of which beat a page shows it.
pub(super) struct View<T> {
    pub(super) what: Arc<T>,
    pub(super) stamp: i64,
}

/// One run, as a page shows it.
#[derive(Debug)]
pub(super) struct OneRun {
    pub(super) detail: RunDetail,
    pub(super) report: Option<Report>,
}

/// The looks that are kept.
#[derive(Debug, Default)]
pub(super) struct Looks {
    compiled: Compiled,
    /// How often somebody did something on the page: looks from before do not serve, and nobody rests from them.
    forgotten: AtomicU64,
    desk: Mutex<Desk>,
}

#[derive(Debug, Default)]
struct Desk {
    pulse: Option<Pulse>,
    /// Until when nobody looks, by the clock that nobody sets; and as of which word on the page.
    rest_until: (u64, SignedDuration),
    moment: Slot<Moment>,
    runs: Slot<Vec<Listed>>,
    asked: Slot<Vec<Approval>>,
    each: BTreeMap<RunId, Slot<Option<OneRun>>>,
}

type Slot<T> = Option<Seen<T>>;

#[derive(Debug)]
struct Seen<T> {
    what: Arc<T>,
    stamp: i64,
    /// The number of the journal before the look; `None` if it could not be asked for.
    beat: Option<i64>,
    /// How often somebody had done something on the page.
    word: u64,
    /// When it began and ended.
    begun: SignedDuration,
    ended: SignedDuration,
}

/// What is known when somebody asks.
#[derive(Debug, Clone, Copy)]
struct Asking {
    asks: Asks,
    asked: SignedDuration,
    now: SignedDuration,
    beat: Option<i64>,
    word: u64,
}

/// What becomes of somebody who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The last look serves.
    Serves,
    /// The next look has to wait so long.
    Rests(SignedDuration),
    Looks,
}

/// A look under way. However it ends, a rest follows.
struct Looking<'a> {
    desk: MutexGuard<'a, Desk>,
    clock: &'a SharedClock,
    word: u64,
    begun: SignedDuration,
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        let now = self.clock.uptime();
        let rest = now.saturating_sub(self.begun).saturating_mul(REST).min(REST_MAX);
        self.desk.rest_until = (self.word, now.saturating_add(rest));
    }
}

impl Looks {
    /// What somebody did, they see at once. Waits for nobody's look.
    pub(super) fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::Release);
    }
}

impl Desk {
    /// How much longer nobody looks.
    fn rest(&self, asking: &Asking) -> SignedDuration {
        let (word, until) = self.rest_until;
        if word == asking.word { until.saturating_sub(asking.now) } else { SignedDuration::ZERO }
    }

    fn slot_of(&mut self, run: RunId) -> &mut Slot<Option<OneRun>> {
        if RUNS_KEPT <= self.each.len() && !self.each.contains_key(&run) {
            let ended = |slot: &Slot<Option<OneRun>>| slot.as_ref().map(|seen| seen.ended);
            let oldest = self.each.iter().min_by_key(|(_run, slot)| ended(slot)).map(|(run, _slot)| *run);
            oldest.and_then(|oldest| self.each.remove(&oldest));
        }
        self.each.entry(run).or_default()
    }
}

/// Whether the last look serves somebody, while nobody looks for a rest. A script waits for news; a person is shown what
/// there is.
fn turn<T>(seen: Option<&Seen<T>>, rest: SignedDuration, asking: &Asking) -> Turn {
    let seen = seen.filter(|seen| seen.word == asking.word);
    let is_fresh = |seen: &Seen<T>| {
        let age = asking.now.saturating_sub(seen.ended);
        asking.asked < seen.begun || (asking.beat.is_some() && asking.beat == seen.beat && age < FRESH_FOR)
    };
    match seen {
        Some(seen) if is_fresh(seen) => Turn::Serves,
        _ if !rest.is_positive() => Turn::Looks,
        Some(_old) if asking.asks == Asks::Person => Turn::Serves,
        _ => Turn::Rests(rest),
    }
}

impl Web {
    /// The moment.
    pub(super) async fn moment(&self, asks: Asks) -> Result<View<Moment>, StoreError> {
        let facts = &self.0.facts;
        let known = (&facts.world, &self.0.looks.compiled);
        let read = async { Moment::read(&facts.store, known, facts.clock.now()).await };
        Box::pin(self.look(asks, |desk| &mut desk.moment, read)).await
    }

    /// The latest runs, so many.
    pub(super) async fn runs(&self, asks: Asks, most: u32) -> Result<View<Vec<Listed>>, StoreError> {
        let store = &self.0.facts.store;
        let read = async {
            let mut all = Vec::new();
            for summary in store.runs(&RunFilter { limit: most, ..RunFilter::default() }).await? {
                all.push(history::listed(store, summary).await?);
            }
            Ok(all)
        };
        self.look(asks, |desk| &mut desk.runs, read).await
    }

    /// A run, with so many of its items, messages and events; `None` if it has just been removed.
    pub(super) async fn run_of(
        &self,
        (asks, run): (Asks, RunId),
        most: u32,
    ) -> Result<View<Option<OneRun>>, StoreError> {
        let store = &self.0.facts.store;
        let read = async {
            let Some(detail) = store.run_start(run, most).await? else { return Ok(None) };
            let report = history::present_of(&detail);
            Ok(Some(OneRun { detail, report }))
        };
        self.look(asks, |desk| desk.slot_of(run), read).await
    }

    /// The latest requests for leave, so many.
    pub(super) async fn asked(&self, asks: Asks, most: u32) -> Result<View<Vec<Approval>>, StoreError> {
        let read = self.0.facts.store.latest_approvals(most);
        self.look(asks, |desk| &mut desk.asked, read).await
    }

    /// Looks, unless an earlier look does.
    async fn look<T>(
        &self,
        asks: Asks,
        slot: impl Fn(&mut Desk) -> &mut Slot<T>,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<View<T>, StoreError> {
        let (clock, looks) = (&self.0.facts.clock, &self.0.looks);
        let asked = clock.uptime();
        let (desk, asking) = loop {
            let mut desk = looks.desk.lock().await;
            let (word, beat) = (looks.forgotten.load(Ordering::Acquire), self.beat_of(&mut desk).await);
            let asking = Asking { asks, asked, now: clock.uptime(), beat, word };
            let rest = desk.rest(&asking);
            let seen = slot(&mut desk).as_ref();
            match (turn(seen, rest, &asking), seen) {
                (Turn::Serves, Some(seen)) => {
                    return Ok(View { what: Arc::clone(&seen.what), stamp: seen.stamp });
                }
                (Turn::Rests(rest), _) => {
                    drop(desk);
                    clock.sleep(rest).await;
                }
                (Turn::Looks | Turn::Serves, _) => break (desk, asking),
            }
        };
        let (Asking { beat, word, .. }, begun) = (asking, asking.now);
        let mut looking = Looking { desk, clock, word, begun };
        let stamp = *self.0.beat.borrow();
        let what = Arc::new(read.await?);
        let seen = Seen { what: Arc::clone(&what), stamp, beat, word, begun, ended: clock.uptime() };
        *slot(&mut looking.desk) = Some(seen);
        Ok(View { what, stamp })
    }

    /// The number of the journal; `None` if nobody can say. Then each look is made anew, in its share of the time.
    async fn beat_of(&self, desk: &mut MutexGuard<'_, Desk>) -> Option<i64> {
        if desk.pulse.is_none() {
            desk.pulse = self.0.facts.store.pulse().await.ok();
        }
        let beat = desk.pulse.as_mut()?.beat().await.ok();
        if beat.is_none() {
            desk.pulse = None;
        }
        beat
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const fn ms(ms: i64) -> SignedDuration {
        SignedDuration::from_millis(ms)
    }

    fn seen(begun: i64, ended: i64) -> Seen<()> {
        Seen { what: Arc::new(()), stamp: 0, beat: Some(7), word: 1, begun: ms(begun), ended: ms(ended) }
    }

    fn asking(asks: Asks, beat: Option<i64>, now: i64) -> Asking {
        Asking { asks, asked: ms(now), now: ms(now), beat, word: 1 }
    }

    #[test]
    fn a_look_serves_while_nothing_is_written_and_nobody_looks_during_a_rest() {
        use Asks::{Person, Script};
        let last = seen(99_500, 100_000);
        let check = |asking: Asking, rest, expect| {
            assert_eq!(turn(Some(&last), ms(rest), &asking), expect, "{asking:?} {rest}");
        };
        for asks in [Person, Script] {
            check(asking(asks, Some(7), 109_999), 0, Turn::Serves);
            check(asking(asks, Some(7), 110_000), 0, Turn::Looks);
            check(asking(asks, Some(8), 100_000), 0, Turn::Looks);
            check(asking(asks, None, 100_000), 0, Turn::Looks);
            check(Asking { asked: ms(99_499), ..asking(asks, None, 100_000) }, 9, Turn::Serves);
            // What is from before somebody's word, and what nobody has looked at, is looked at after the rest.
            check(Asking { word: 2, ..asking(asks, Some(7), 100_000) }, 0, Turn::Looks);
            check(Asking { word: 2, ..asking(asks, Some(7), 100_000) }, 9, Turn::Rests(ms(9)));
            assert_eq!(turn::<()>(None, ms(9), &asking(asks, Some(7), 100_000)), Turn::Rests(ms(9)));
        }
        check(asking(Script, Some(8), 100_500), 9, Turn::Rests(ms(9)));
        check(asking(Person, Some(8), 100_500), 9, Turn::Serves);
    }

    #[test]
    fn a_rest_follows_each_look_however_it_ends_and_no_word_waits_for_one() {
        let manual = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
        let clock: SharedClock = Arc::clone(&manual) as SharedClock;
        let looks = Looks::default();
        let rest = |took: i64, word| {
            let begun = clock.uptime();
            let looking = Looking { desk: looks.desk.try_lock().unwrap(), clock: &clock, word: 1, begun };
            manual.advance(ms(took));
            // Said while somebody looks.
            looks.forget();
            drop(looking);
            let now = clock.uptime();
            let asking = Asking { asks: Asks::Person, asked: now, now, beat: None, word };
            looks.desk.try_lock().unwrap().rest(&asking)
        };
        assert_eq!(rest(500, 1), ms(2_000));
        assert_eq!(rest(60_000, 1), REST_MAX);
        assert_eq!(rest(500, 2), ms(0), "what somebody did, they see at once");
        assert_eq!(looks.forgotten.load(Ordering::Acquire), 3);
    }

    #[test]
    fn a_few_runs_are_kept_and_the_oldest_makes_room() {
        let mut desk = Desk::default();
        let run = |number| RunId(uuid::Uuid::from_u128(number));
        for number in 0..100 {
            let ended = ms(i64::try_from(number).unwrap());
            let what = Arc::new(None);
            *desk.slot_of(run(number)) =
                Some(Seen { what, stamp: 0, beat: None, word: 0, begun: ended, ended });
            assert!(desk.each.len() <= RUNS_KEPT);
        }
        assert!((84..100).all(|number| desk.each.contains_key(&run(number))));
    }
}
