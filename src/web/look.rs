//! Looks at the journal, shared by all who watch: one at a time, and none that takes more than its share of the time from
//! the process that acts.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use tokio::sync::{Mutex, MutexGuard};

use super::Web;
use super::session::Asks;
use crate::console::{Compiled, Listed, Moment, history};
use crate::engine::Report;
use crate::model::RunId;
use crate::store::{Pulse, RunDetail, RunFilter, StoreError};

/// A look serves this many times as long as it took, whatever is written meanwhile: so looks take a fifth of the time at
/// most.
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
    desk: Mutex<Desk>,
}

#[derive(Debug, Default)]
struct Desk {
    pulse: Option<Pulse>,
    moment: Slot<Moment>,
    runs: Slot<Vec<Listed>>,
    each: BTreeMap<RunId, Slot<Option<OneRun>>>,
}

type Slot<T> = Option<Seen<T>>;

#[derive(Debug)]
struct Seen<T> {
    what: Arc<T>,
    stamp: i64,
    /// The number of the journal before the look; `None` if it could not be asked for.
    beat: Option<i64>,
    /// When it began and ended, by the clock that nobody sets.
    begun: SignedDuration,
    ended: SignedDuration,
}

/// Whether a look may serve once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serves {
    /// Nothing was written since, or it began after somebody asked.
    Fresh,
    /// Something was, but the next look has to wait so long.
    Resting(SignedDuration),
    Over,
}

impl<T> Seen<T> {
    /// Whether it serves somebody who asked at a moment, while the journal has a number.
    fn serves(&self, beat: Option<i64>, (asked, now): (SignedDuration, SignedDuration)) -> Serves {
        let age = now.saturating_sub(self.ended);
        if asked < self.begun || (beat.is_some() && beat == self.beat && age < FRESH_FOR) {
            return Serves::Fresh;
        }
        let took = self.ended.saturating_sub(self.begun);
        let rest = took.saturating_mul(REST).min(REST_MAX).saturating_sub(age);
        if rest.is_positive() { Serves::Resting(rest) } else { Serves::Over }
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

    /// What somebody did, they see at once.
    pub(super) async fn forget_looks(&self) {
        let mut desk = self.0.looks.desk.lock().await;
        *desk = Desk { pulse: desk.pulse.take(), ..Desk::default() };
    }

    /// Looks, unless an earlier look does. A script waits for news; a person is shown what there is.
    async fn look<T>(
        &self,
        asks: Asks,
        slot: impl Fn(&mut Desk) -> &mut Slot<T>,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<View<T>, StoreError> {
        let clock = &self.0.facts.clock;
        let asked = clock.uptime();
        loop {
            let mut desk = self.0.looks.desk.lock().await;
            let (beat, begun) = (self.beat_of(&mut desk).await, clock.uptime());
            let serves =
                slot(&mut desk).as_ref().map_or(Serves::Over, |seen| seen.serves(beat, (asked, begun)));
            match (serves, asks) {
                (Serves::Over, _) => {}
                (Serves::Resting(rest), Asks::Script) => {
                    drop(desk);
                    clock.sleep(rest).await;
                    continue;
                }
                (Serves::Fresh, _) | (Serves::Resting(_), Asks::Person) => {
                    if let Some(seen) = slot(&mut desk) {
                        return Ok(View { what: Arc::clone(&seen.what), stamp: seen.stamp });
                    }
                }
            }
            let stamp = *self.0.beat.borrow();
            let what = Arc::new(read.await?);
            let ended = clock.uptime();
            *slot(&mut desk) = Some(Seen { what: Arc::clone(&what), stamp, beat, begun, ended });
            return Ok(View { what, stamp });
        }
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

impl Desk {
    fn slot_of(&mut self, run: RunId) -> &mut Slot<Option<OneRun>> {
        if RUNS_KEPT <= self.each.len() && !self.each.contains_key(&run) {
            self.each.clear();
        }
        self.each.entry(run).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_serves_while_nothing_is_written_and_for_its_share_of_the_time() {
        let ms = SignedDuration::from_millis;
        let check = |took: i64, beat, now, expect| {
            let (begun, ended) = (ms(100_000 - took), ms(100_000));
            let seen = Seen { what: Arc::new(()), stamp: 0, beat: Some(7), begun, ended };
            assert_eq!(seen.serves(beat, (ms(now), ms(now))), expect, "{took} {beat:?} {now}");
            assert_eq!(seen.serves(None, (begun - ms(1), ms(now))), Serves::Fresh, "it began after that");
        };
        check(0, Some(7), 109_999, Serves::Fresh);
        check(0, Some(7), 110_000, Serves::Over);
        check(0, Some(8), 100_000, Serves::Over);
        check(0, None, 100_000, Serves::Over);
        check(500, Some(8), 100_500, Serves::Resting(ms(1_500)));
        check(500, None, 101_999, Serves::Resting(ms(1)));
        check(500, Some(8), 102_000, Serves::Over);
        check(60_000, Some(8), 100_000, Serves::Resting(REST_MAX));
    }

    #[test]
    fn a_few_runs_are_kept() {
        let mut desk = Desk::default();
        for number in 0..100 {
            *desk.slot_of(RunId(uuid::Uuid::from_u128(number))) = None;
            assert!(desk.each.len() <= RUNS_KEPT);
        }
    }
}
