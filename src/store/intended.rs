//! What the journal answers to an action that is to be taken.

use jiff::Timestamp;

use super::budget::Budget;
use super::stop::Stop;
use super::word::{EffectKey, EffectState};
use crate::model::RunId;

/// Whether an effect may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intended {
    /// It is on disk: send it, once, now.
    Go {
        /// Which attempt this is, from 1; [`super::Store::record`] wants it back.
        attempt: u32,
    },
    /// It was sent before and its result is known.
    AlreadySettled {
        /// The result; [`EffectState::Pending`] counts as one.
        state: EffectState,
        /// What the tenant calls it.
        remote_id: Option<String>,
    },
    /// It may have been sent before and its result is not known. Do not send.
    InDoubt {
        /// `intended`, `unknown` or `parked`.
        state: EffectState,
        /// The attempt in doubt.
        attempt: u32,
        /// Since when.
        since: Timestamp,
    },
    /// Another run's destructive action of the same kind on the same target is under way. Do not send, and do
    /// not take it for handled: that one may come to nothing.
    Elsewhere {
        /// That effect.
        key: EffectKey,
        /// Its run.
        run: RunId,
        /// Where it stands.
        state: EffectState,
    },
    /// The opposite is under way on the same target, or was done a short while ago: the two could arrive in the
    /// wrong order. Do not send.
    Opposite {
        /// That effect.
        key: EffectKey,
        /// Its run.
        run: RunId,
        /// Where it stands.
        state: EffectState,
        /// What it is.
        action: String,
        /// When it was intended.
        at: Timestamp,
    },
    /// The same was done to the target a short while ago. Do not send: whoever has undone it knows why.
    CoolingDown {
        /// The run that did it.
        run: RunId,
        /// When it was intended.
        at: Timestamp,
        /// Until when the target is left alone.
        until: Timestamp,
    },
    /// A journal before this one did the same to the target: it is older than what was done, and the tenant showed it.
    /// Do not send.
    Before {
        /// The run that stands for what was found.
        run: RunId,
        /// When it was found.
        at: Timestamp,
    },
    /// The playbook has tried the same on the target again and again, and it came to nothing each time. Do not send yet.
    InVain {
        /// How often within a day.
        tries: u32,
        /// When it may be tried again.
        until: Timestamp,
    },
    /// There is no leave for exactly this, or none any more. Nothing was written.
    NoLeave,
    /// Somebody has stopped all actions, or those in the tenant or of the playbook, or the circuit breaker does so
    /// now. No intent was written.
    Stopped(Box<Stop>),
    /// A budget is used up. Nothing was written.
    OverBudget {
        /// Which.
        budget: Budget,
        /// What it allows.
        limit: u32,
        /// What is used of it.
        used: u32,
    },
}
