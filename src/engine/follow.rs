//! What became of actions that a tenant accepted and works on: asked for until the tenant says how they ended.

use futures_util::future::try_join_all;

use super::Engine;
use super::context::Context;
use crate::action::COMMANDS_MAX;
use crate::diag::Chain;
use crate::fault::crash_point;
use crate::model::{MachineActionId, RunId, Term};
use crate::store::{Effect, EffectKey, EffectState, NewEffect, Recorded, StoppedPlaybook, StoreError};
use crate::tenant::{ActionKind, ActionStatus, MachineAction, Receipt, Tenant, TenantError};
use crate::text::clean;

/// Most actions of a tenant asked about in one pass. Passes come once a minute, and a tenant answers 100 calls in that
/// time and 1,500 in an hour, of which runs need most.
const ASKED_MAX: usize = 10;

/// Characters kept of what the tenant says of a command.
const WORDS_MAX: usize = 200;

impl Engine {
    /// Asks the tenants about some of the actions under way, all tenants at once. Returns those that ended.
    ///
    /// # Errors
    ///
    /// If the journal fails.
    pub async fn follow_up(&self) -> Result<Vec<Effect>, StoreError> {
        let ended = try_join_all(self.tenants.keys().map(|tenant| self.follow_up_in(tenant))).await?;
        Ok(ended.concat())
    }

    /// Asks a tenant about some of the actions under way, the next ones each minute, and writes down how
    /// they ended. Returns those that did. A tenant that does not answer is asked again another time.
    ///
    /// # Errors
    ///
    /// If the journal fails.
    pub async fn follow_up_in(&self, tenant: &str) -> Result<Vec<Effect>, StoreError> {
        let mut under_way = self.store.effects_in(EffectState::Pending).await?;
        under_way.retain(|effect| effect.tenant == tenant);
        let minute = usize::try_from(self.clock.now().as_second() / 60).unwrap_or(0);
        let first = minute.wrapping_mul(ASKED_MAX).checked_rem(under_way.len()).unwrap_or(0);
        let count = under_way.len().min(ASKED_MAX);
        let mut ended = Vec::new();
        for effect in under_way.iter().cycle().skip(first).take(count) {
            if let Some(state) = self.ask(effect).await? {
                ended.push(Effect { state, ..effect.clone() });
            }
        }
        Ok(ended)
    }

    /// How another run's action ended, if the tenant can say that it did.
    pub(super) async fn end_of(&self, run: RunId, key: &EffectKey) -> Result<Option<Effect>, StoreError> {
        let effects = self.store.effects_of(run).await?;
        let Some(effect) = effects.into_iter().find(|effect| effect.key == *key) else { return Ok(None) };
        if effect.state != EffectState::Pending {
            return Ok(effect.state.is_settled().then_some(effect));
        }
        if self.ask(&effect).await?.is_none() {
            return Ok(None);
        }
        let effects = self.store.effects_of(run).await?;
        Ok(effects.into_iter().find(|effect| effect.key == *key))
    }

    /// Asks about one action under way, and writes down how it ended if it did.
    async fn ask(&self, effect: &Effect) -> Result<Option<EffectState>, StoreError> {
        let id = effect.remote_id.as_deref().and_then(|id| id.parse::<MachineActionId>().ok());
        let (Some(id), Some(tenant)) = (id, self.tenants.get(&effect.tenant)) else { return Ok(None) };
        let action = match tenant.machine_action(&id).await {
            Ok(action) if is_of(&action, effect) => action,
            Ok(action) => {
                self.other_device(effect, &action).await?;
                return Ok(None);
            }
            Err(error) => {
                tracing::debug!(action = %id, error = %Chain(&error), "the tenant does not say how an action stands");
                return Ok(None);
            }
        };
        let Some(mut result) = end(&action) else { return Ok(None) };
        crash_point("c25_end_heard");
        if result.state == EffectState::Done && effect.action == COLLECT {
            result.detail = Some(has_package(&**tenant, &id).await.to_owned());
        }
        if effect.action == LIVE {
            result.detail = Some(commands(&**tenant, &action).await).or(result.detail);
        }
        // Before the end is written down: then nobody asks any more, and a second message is none.
        if result.state == EffectState::Failed
            && let Some(detail) = &result.detail
            && let Some(alert) = self.in_vain_alert(effect, detail)
        {
            self.store.enqueue(&alert).await?;
        }
        match self.store.record(&effect.key, effect.attempt, &result).await {
            Ok(()) if result.state == EffectState::Failed => {
                tracing::error!(run = %effect.run, action = %effect.action, target = %effect.target, detail = result.detail, "the tenant accepted an action and did not take it to its end");
            }
            // Somebody else asked at the same time and was told the same.
            Ok(()) | Err(StoreError::Transition { .. }) => {}
            Err(error) => return Err(error),
        }
        crash_point("c26_end_written");
        Ok(Some(result.state))
    }

    /// Stops a playbook of which an action went to another device, and tells the operators, once.
    pub(super) async fn other_device(
        &self,
        effect: &Effect,
        action: &MachineAction,
    ) -> Result<(), StoreError> {
        let device = action.machine_id.to_string();
        tracing::error!(action = %action.id, device, target = %effect.target, "the tenant knows an action as another device's");
        let why = format!(
            "{} of {} is shown by the tenant as one of device:{device}; say first what became of it: \
             `huntbook resolve {}`",
            effect.action, effect.target, effect.key
        );
        self.stop_playbook_of(effect, &why).await?;
        if let Some(alert) = self.other_device_alert(effect, &device) {
            self.store.enqueue(&alert).await?;
        }
        Ok(())
    }

    /// Stops the playbook of a call that the tenant says it has done to something else.
    pub(super) async fn stop_if_another_was_hit(
        &self,
        context: &Context<'_>,
        effect: &NewEffect,
        answer: &Result<Receipt, TenantError>,
    ) -> Result<(), StoreError> {
        let Err(error @ TenantError::OtherTarget { .. }) = answer else { return Ok(()) };
        let about = &context.plan().about;
        let playbook = StoppedPlaybook { id: about.id, name: about.name.clone() };
        let why = Chain(error).to_string();
        self.store.trip(&effect.tenant, playbook, &why).await
    }

    /// Stops the playbook of an action in its tenant, because of what the tenant shows of the action.
    pub(super) async fn stop_playbook_of(&self, effect: &Effect, why: &str) -> Result<(), StoreError> {
        let name = self.store.run(effect.run).await?.map(|detail| detail.run.playbook_name);
        let playbook = StoppedPlaybook { id: effect.playbook, name: name.unwrap_or_default() };
        self.store.trip(&effect.tenant, playbook, why).await
    }
}

/// The action that leaves a package.
const COLLECT: &str = ActionKind::CollectInvestigationPackage.as_str();

/// Whether a package is there. The link to it is as good as the package: it is neither kept nor shown.
async fn has_package(tenant: &dyn Tenant, id: &MachineActionId) -> &'static str {
    match tenant.package(id).await {
        Ok(Some(_link)) => "the package is there: download it in the portal",
        Ok(None) => "the tenant has no package of it",
        Err(error) => {
            tracing::debug!(action = %id, error = %Chain(&error), "the tenant does not say whether there is a package");
            "nobody knows whether there is a package of it"
        }
    }
}

/// The action that is several commands.
const LIVE: &str = ActionKind::RunLiveResponse.as_str();

/// How the commands of a session ended, and whether their results are there. The links are not kept either.
async fn commands(tenant: &dyn Tenant, action: &MachineAction) -> String {
    let mut said = Vec::new();
    let shown = |text: &str| clean(text, WORDS_MAX);
    for command in action.commands.iter().flatten().take(COMMANDS_MAX) {
        let status = command.command_status.as_deref().map_or_else(|| "unknown".to_owned(), shown);
        let mut one = format!("command {}: {status}", command.index);
        if !command.errors.is_empty() {
            one = format!("{one} ({})", shown(&command.errors.join("; ")));
        }
        if let Ok(Some(_link)) = tenant.live_result(&action.id, command.index).await {
            one.push_str(", its result is in the portal");
        }
        said.push(one);
    }
    said.join("; ")
}

fn is_of(action: &MachineAction, effect: &Effect) -> bool {
    effect.target.strip_prefix("device:").is_some_and(|device| device == action.machine_id.as_str())
}

/// How an action ended, if it did.
pub(super) fn end(action: &MachineAction) -> Option<Recorded> {
    let Term::Known(status) = &action.status else { return None };
    let (state, detail) = match status {
        ActionStatus::Pending | ActionStatus::InProgress => return None,
        ActionStatus::Succeeded => (EffectState::Done, None),
        ActionStatus::Failed => (EffectState::Failed, Some("it did not work on the device")),
        ActionStatus::TimeOut => (EffectState::Failed, Some("the device did not come back in time")),
        ActionStatus::Cancelled => (EffectState::Failed, Some("somebody took it back")),
    };
    Some(Recorded { state, remote_id: None, detail: detail.map(str::to_owned) })
}
