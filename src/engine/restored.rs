//! Before the first disruptive action on a device of a tenant the journal is held against what the tenant shows, once in
//! the life of a process: one that was restored from a backup would do again what it has forgotten.
//!
//! Only the marks of actions on devices are listed all together. Nothing tells of what was done to accounts, mails, indicators and incidents, and
//! nobody's playbook waits for this that does nothing else.

use jiff::Timestamp;

use super::act::effect_key;
use super::answer::not_sent;
use super::context::Context;
use super::follow::end;
use super::leave::Turn;
use super::report::{StepReport, StepState};
use super::resume::step_report;
use super::wrong_clock::by_theirs;
use super::{Engine, EngineError};
use crate::action::Impact;
use crate::diag::Chain;
use crate::store::{EffectState, MARKS_WITHIN, ShownAction, Stop, Store};
use crate::tenant::{ActionKind, MachineAction};

impl Engine {
    /// Says why a call is not made because of what the tenant shows and the journal does not know.
    pub(super) async fn forgotten(
        &self,
        context: &Context<'_>,
        turn: Turn<'_>,
    ) -> Result<Option<StepReport>, EngineError> {
        let Turn { step, call, .. } = turn;
        let tenant = &context.order.tenant;
        let is_marked = call.kind.impact() == Impact::Disruptive && call.kind.listed_as().is_some();
        if !is_marked || !self.store.is_unproven(tenant)? {
            return Ok(None);
        }
        let now = by_theirs(self.clock.now(), &*context.tenant);
        let since = now.checked_sub(MARKS_WITHIN).unwrap_or(Timestamp::MIN);
        let shown = match context.tenant.marked_actions(Store::MARK, since).await {
            Ok(shown) => shown,
            Err(error) => {
                let why = format!(
                    "nobody knows whether the journal has forgotten an action, because the tenant's could not be read: {}",
                    Chain(&error)
                );
                return Ok(Some(not_sent(step, call, StepState::Halted, &why)));
            }
        };
        let shown: Vec<ShownAction> = shown.iter().map(shown_action).collect();
        let alarm = |stop: &Stop| self.forgotten_alert(tenant, stop);
        let Some(stop) = self.store.hold_against(tenant, &shown, alarm).await? else { return Ok(None) };
        tracing::error!(%stop, "the journal is older than what was done with it");
        let known = self.done_before(context, turn).await?;
        Ok(Some(known.unwrap_or_else(|| not_sent(step, call, StepState::Halted, &stop.to_string()))))
    }

    /// What came of exactly this call, if it was sent: that is so whatever is stopped.
    pub(super) async fn done_before(
        &self,
        context: &Context<'_>,
        Turn { seq, step, place, call, .. }: Turn<'_>,
    ) -> Result<Option<StepReport>, EngineError> {
        let key = effect_key(context, (seq, place), (step, call));
        let sent = self.store.effect(&key).await?.filter(|effect| effect.state != EffectState::NotApplied);
        // It may have been noted under its key alone.
        Ok(sent.map(|effect| StepReport {
            id: step.id.clone(),
            target: call.target.clone(),
            ..step_report(&effect)
        }))
    }
}

/// An action of a device as the journal spells it.
fn shown_action(action: &MachineAction) -> ShownAction {
    let kind = ActionKind::ALL
        .iter()
        .find(|kind| kind.listed_as().is_some_and(|listed_as| listed_as.eq_ignore_ascii_case(&action.kind)));
    ShownAction {
        action: kind.map_or_else(|| action.kind.clone(), |kind| kind.as_str().to_owned()),
        target: format!("device:{}", action.machine_id),
        destructive: kind.is_none_or(|kind| kind.impact() == Impact::Disruptive),
        comment: action.requestor_comment.clone().unwrap_or_default(),
        at: action.creation_date_time_utc,
        remote_id: action.id.to_string(),
        end: end(action).map(|end| end.state),
    }
}
