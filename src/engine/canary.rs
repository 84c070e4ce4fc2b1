//! The first targets of a run: the others have their turn when the actions on those have ended well.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::answer::not_sent;
use super::context::Context;
use super::decide::Decision;
use super::report::StepState;
use super::{Engine, EngineError};
use crate::action::Impact;
use crate::guard;
use crate::store::EffectState;

/// How long after it was taken an action is first asked about, and between two looks.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// How far a run has come with its first targets.
#[derive(Debug)]
pub(super) enum Canary {
    /// Nothing stands in the way.
    Free,
    /// So many targets at first.
    Watching(guard::Canary),
    /// They did not go well.
    Halted(String),
}

impl Canary {
    pub(super) fn of(context: &Context<'_>) -> Self {
        let guards = &context.plan().guards;
        let limits = guard::tighten(&guards.ceilings, &guards.written);
        limits.canary.filter(|_canary| context.acts()).map_or(Self::Free, Self::Watching)
    }

    /// Whether the first targets may have to be waited for.
    pub(super) const fn is_watching(&self) -> bool {
        matches!(self, Self::Watching(_))
    }

    /// Whether nothing stands in the way of any target.
    pub(super) const fn is_free(&self) -> bool {
        matches!(self, Self::Free)
    }
}

impl Engine {
    /// Lets the first targets go on, and the others once those have ended well. What may not is taken out.
    pub(super) async fn behind_canary(
        &self,
        context: &Context<'_>,
        canary: &mut Canary,
        decisions: &mut [Decision<'_>],
    ) -> Result<(), EngineError> {
        let disrupts = |decision: &Decision<'_>| matches!(decision, Decision::Call { call, .. } if call.kind.impact() == Impact::Disruptive);
        if !decisions.iter().any(disrupts) {
            return Ok(());
        }
        if let Canary::Watching(first) = canary {
            *canary = self.first_targets(context, *first).await?;
        }
        let Canary::Halted(why) = canary else { return Ok(()) };
        for decision in decisions {
            if let Decision::Call { step, call, .. } = decision {
                let report = not_sent(step, call, StepState::Halted, why);
                *decision = Decision::Report { step, report };
            }
        }
        Ok(())
    }

    /// How the actions on the first targets ended, once there are as many.
    async fn first_targets(
        &self,
        context: &Context<'_>,
        canary: guard::Canary,
    ) -> Result<Canary, EngineError> {
        loop {
            let mut effects = self.store.effects_of(context.run).await?;
            effects.retain(|effect| effect.destructive && effect.state != EffectState::NotApplied);
            let targets: BTreeSet<&str> = effects.iter().map(|effect| effect.target.as_str()).collect();
            if targets.len() < usize::try_from(canary.first).unwrap_or(usize::MAX) {
                return Ok(Canary::Watching(canary));
            }
            let mut open = None;
            for effect in &effects {
                let now = self.end_of(context.run, &effect.key).await?.map_or(effect.state, |now| now.state);
                match now {
                    EffectState::Done => {}
                    EffectState::Pending => open = Some(effect),
                    EffectState::Failed
                    | EffectState::NotApplied
                    | EffectState::Intended
                    | EffectState::Unknown
                    | EffectState::Parked => {
                        let (action, target) = (&effect.action, &effect.target);
                        let why = format!("{action} on {target}, of the first targets, is {now}");
                        return Ok(Canary::Halted(why));
                    }
                }
            }
            let Some(open) = open else { return Ok(Canary::Free) };
            if open.intended.checked_add(canary.wait).unwrap_or(Timestamp::MAX) <= self.store.time().await? {
                let (action, target) = (&open.action, &open.target);
                let why = format!(
                    "{action} on {target}, of the first targets, had not ended after {:#}",
                    canary.wait
                );
                return Ok(Canary::Halted(why));
            }
            self.pause(context, PAUSE).await?;
        }
    }
}
