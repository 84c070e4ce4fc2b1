//! How late a tenant's list shows what the tenant has accepted. That an action in doubt was never taken is concluded from
//! such a list, so what is reckoned with is measured with each action that was answered for.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Aim;
use crate::engine::Engine;
use crate::store::{Effect, EffectKey, EffectState, ListLag, StoreError};

/// How long an accepted action is looked for.
const WATCHED_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Most actions looked for in one pass; the next ones have their turn in the next. Passes come once a minute, and a
/// tenant answers 100 such calls in that time.
const WATCHED_MAX: usize = 5;

/// What is remembered of accepted actions, as long as the process lives, in time that passed.
#[derive(Debug, Default)]
pub(super) struct Watched(BTreeMap<(EffectKey, u32), Watch>);

/// An accepted action that the list is to show.
#[derive(Debug)]
struct Watch {
    effect: Effect,
    /// When this process first knew that it was accepted.
    known: SignedDuration,
    /// When it was looked for last.
    looked: Option<SignedDuration>,
    /// How long it has not been shown, at least.
    missing: SignedDuration,
    is_shown: bool,
}

impl Watch {
    /// How late the list is with it so far, at `time`.
    fn lag(&self, time: Timestamp) -> ListLag {
        let in_ms = |length: SignedDuration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        let age = self.effect.changed.duration_until(time).max(self.missing);
        ListLag {
            key: self.effect.key.clone(),
            at_least_ms: in_ms(self.missing),
            at_most_ms: self.is_shown.then(|| in_ms(age)),
            at: time,
        }
    }
}

impl Watched {
    /// Forgets what was watched long enough, and begins with what was accepted lately.
    fn follow(&mut self, accepted: Vec<Effect>, now: SignedDuration) {
        self.0.retain(|_key, watch| now.saturating_sub(watch.known) <= WATCHED_FOR);
        for effect in accepted {
            let key = (effect.key.clone(), effect.attempt);
            let (looked, missing, is_shown) = (None, SignedDuration::ZERO, false);
            self.0.entry(key).or_insert(Watch { effect, known: now, looked, missing, is_shown });
        }
    }

    /// The next ones to look for, those first that were not looked for the longest.
    fn due(&mut self) -> impl Iterator<Item = &mut Watch> {
        let mut due: Vec<&mut Watch> = self.0.values_mut().filter(|watch| !watch.is_shown).collect();
        due.sort_by_key(|watch| watch.looked);
        due.into_iter().take(WATCHED_MAX)
    }
}

impl Engine {
    /// Looks whether a tenant's list shows what it accepted a short while ago, and keeps how late it does.
    pub(super) async fn watch_list(&self, tenant: &str, watched: &mut Watched) -> Result<(), StoreError> {
        let time = self.store.time().await?;
        let mut accepted = self.store.effects_in(EffectState::Pending).await?;
        accepted.retain(|effect| {
            effect.tenant == tenant
                && effect.remote_id.is_some()
                && effect.changed.duration_until(time) <= WATCHED_FOR
        });
        let now = self.clock.uptime();
        watched.follow(accepted, now);
        let theirs = self.by_clock_of(tenant, self.clock.now());
        for watch in watched.due() {
            watch.looked = Some(now);
            let Some((_kind, Aim::Listed(aim))) = Aim::of(&watch.effect) else { continue };
            let Some(all) = self.listed(&watch.effect, &aim, theirs).await else { continue };
            let id = watch.effect.remote_id.as_deref();
            let before = watch.lag(time);
            watch.is_shown = all.iter().any(|action| Some(action.id.as_str()) == id);
            if !watch.is_shown {
                watch.missing = now.saturating_sub(watch.known);
            }
            self.note_lag(&watch.effect, (&before, &watch.lag(time))).await?;
        }
        Ok(())
    }

    /// Keeps how late a list is, and tells people once a day where it is later than it should be.
    async fn note_lag(&self, effect: &Effect, (before, lag): (&ListLag, &ListLag)) -> Result<(), StoreError> {
        self.store.put_list_lag(&effect.tenant, lag).await?;
        if !lag.is_slow() || lag.at_least_ms == before.at_least_ms {
            return Ok(());
        }
        let words = lag.in_words();
        tracing::warn!(
            tenant = effect.tenant,
            action = effect.action,
            target = effect.target,
            "the tenant's list shows an accepted action {words}"
        );
        if let Some(alert) = self.late_list_alert(effect, lag) {
            self.store.enqueue(&alert).await?;
        }
        Ok(())
    }
}
