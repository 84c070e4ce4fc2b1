//! What the tenant itself shows of what an action does: after its answer was lost, and before the same is done to a
//! target once more.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::context::Context;
use super::doubt::AHEAD;
use super::leave::Turn;
use super::{Engine, EngineError};
use crate::action::{ActionKind, Call};
use crate::diag::Chain;
use crate::guard;
use crate::model::{IncidentId, UserId};
use crate::store::NewEffect;
use crate::tenant::{AccountAt, Commented, Comments, IsolationType, Operation, Tenant, TenantError};

/// By how much a service's clock is not known: its answers name whole seconds, and take their time.
const BLUR: SignedDuration = SignedDuration::from_secs(5);

/// What can be seen of what a call would do.
pub(super) enum Sight {
    /// It is so already, under this name of the tenant's if it has one.
    InForce(Option<String>),
    /// It is not so.
    NotInForce,
    /// Nobody can see that.
    Hidden,
}

/// What tells one attempt at a call from all else that a tenant shows.
pub(super) struct Trace<'a> {
    /// The mark in its comment, and those of the attempts before.
    pub(super) marks: &'a [String],
    /// When it began, by the clock of the tenant's services.
    pub(super) since: Timestamp,
}

/// What a call leaves behind that is its own, and not the state that others bring about too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Left {
    /// A comment.
    Comment(Commented),
    /// The time from which on a user's sessions count. It never goes back.
    Sessions(UserId),
}

impl Left {
    /// What a call leaves; `None` if that is nothing of these.
    fn of(operation: &Operation) -> Option<Self> {
        Some(match operation {
            Operation::CommentIncident { incident, .. } => {
                Self::Comment(Commented::Incident(incident.clone()))
            }
            Operation::CommentAlert { alert, .. } => Self::Comment(Commented::Alert(alert.clone())),
            Operation::RevokeSessions { user } => Self::Sessions(user.clone()),
            _ => return None,
        })
    }

    /// Looks for it at the tenant.
    ///
    /// # Errors
    ///
    /// If the tenant does not answer.
    pub(super) async fn look(&self, tenant: &dyn Tenant, trace: &Trace<'_>) -> Result<Sight, TenantError> {
        Ok(match self {
            Self::Comment(on) => commented(&tenant.comments(on).await?, trace.marks),
            Self::Sessions(user) => {
                let valid_from = tenant.sessions_valid_from(user).await?;
                valid_from.map_or(Sight::Hidden, |valid_from| revoked(valid_from, trace.since))
            }
        })
    }
}

fn commented(comments: &Comments, marks: &[String]) -> Sight {
    let is_ours = |text: &String| marks.iter().any(|mark| text.starts_with(mark.as_str()));
    match comments.texts.iter().any(is_ours) {
        true => Sight::InForce(None),
        false if comments.are_all => Sight::NotInForce,
        false => Sight::Hidden,
    }
}

/// Whether sessions were revoked since a call began. Whoever did it: none is left of those that it was to end. Between
/// the two the clocks decide, and nobody knows.
fn revoked(valid_from: Timestamp, since: Timestamp) -> Sight {
    let before = |length| since.saturating_sub(length).unwrap_or(Timestamp::MIN);
    if before(BLUR) <= valid_from {
        Sight::InForce(None)
    } else if valid_from < before(AHEAD) {
        Sight::NotInForce
    } else {
        Sight::Hidden
    }
}

/// Looks whether what a call would do is so already.
///
/// # Errors
///
/// If the tenant does not answer.
pub(super) async fn look(context: &Context<'_>, call: &Call) -> Result<Sight, TenantError> {
    let in_entra = |at: &AccountAt| matches!(at, AccountAt::Entra | AccountAt::EntraUntilSync);
    match &call.operation {
        Operation::DisableUser { user, at } | Operation::EnableUser { user, at } if in_entra(at) => {
            let wanted = call.kind == ActionKind::EnableUser;
            return Ok(match context.tenant.user(user).await?.account_enabled {
                Some(enabled) if enabled == wanted => Sight::InForce(None),
                Some(_) => Sight::NotInForce,
                None => Sight::Hidden,
            });
        }
        Operation::MergeIncidents { incidents, .. } => return are_one(context, incidents).await,
        _ => {}
    }
    if call.device().is_none() || guard::opposite(call.kind.as_str()).is_none() {
        return Ok(Sight::Hidden);
    }
    let theirs = context.tenant.in_force(&call.operation).await?;
    Ok(theirs.map_or(Sight::NotInForce, |theirs| Sight::InForce(Some(theirs.id.to_string()))))
}

/// Whether incidents have been merged.
async fn are_one(context: &Context<'_>, incidents: &[IncidentId]) -> Result<Sight, TenantError> {
    let mut all = BTreeSet::new();
    for id in incidents {
        all.insert(context.tenant.final_incident(id).await?.id);
    }
    Ok(if all.len() <= 1 { Sight::InForce(None) } else { Sight::NotInForce })
}

/// Whether the tenant shows in force what a call whose answer was lost would have done. Where that cannot be read,
/// or is not so, nobody knows: it may come into force yet. An action of a device may be another's.
pub(super) async fn is_read_back(context: &Context<'_>, call: &Call, trace: &Trace<'_>) -> bool {
    if let Some(left) = Left::of(&call.operation) {
        return matches!(left.look(&*context.tenant, trace).await, Ok(Sight::InForce(_)));
    }
    if let Operation::AddIndicator(indicator) = &call.operation {
        let shown = context.tenant.shows(std::slice::from_ref(indicator)).await;
        return shown.is_ok_and(|shown| shown == [true]);
    }
    (call.user().is_some() || call.kind == ActionKind::MergeIncidents)
        && matches!(look(context, call).await, Ok(Sight::InForce(_)))
}

impl Engine {
    /// Why a target is left alone that huntbook has done the same to, if people have taken that back: they know
    /// something that the playbook does not.
    pub(super) async fn taken_back(
        &self,
        context: &Context<'_>,
        turn: Turn<'_>,
        effect: &NewEffect,
    ) -> Result<Option<String>, EngineError> {
        let cools_down =
            effect.limits.and_then(|limits| limits.cool_down).is_some_and(|length| !length.is_zero());
        let Some(opposite) = effect.opposite.as_ref().filter(|_opposite| cools_down) else { return Ok(None) };
        let now = self.store.time().await?;
        let since = now.checked_sub(guard::REVERSED_WITHIN).unwrap_or(Timestamp::MIN);
        let same = (effect.action.as_str(), effect.target.as_str());
        let Some(done) = self.store.last_done(&effect.tenant, same, since).await? else { return Ok(None) };
        let undoing = (opposite.action.as_str(), effect.target.as_str());
        if self.store.last_done(&effect.tenant, undoing, done).await?.is_some() {
            return Ok(None);
        }
        let until = done.checked_add(guard::REVERSED_WITHIN).unwrap_or(Timestamp::MAX);
        Ok(match look(context, turn.call).await {
            Ok(Sight::InForce(_) | Sight::Hidden) => None,
            Ok(Sight::NotInForce) if self.did_half(context, turn.call).await? => None,
            Ok(Sight::NotInForce) => Some(format!(
                "it was done at {done:.0}, and people have taken it back: the target is left alone until {until:.0}"
            )),
            Err(error) => Some(format!(
                "it was done at {done:.0}, and nobody knows whether people have taken it back: {}",
                Chain(&error)
            )),
        })
    }

    /// Whether the tenant shows in force what goes half of the way, done by huntbook: nobody has taken that back.
    async fn did_half(&self, context: &Context<'_>, call: &Call) -> Result<bool, EngineError> {
        let mut half = call.operation.clone();
        let Operation::IsolateDevice { isolation_type, .. } = &mut half else { return Ok(false) };
        *isolation_type = IsolationType::Selective;
        let Ok(Some(shown)) = context.tenant.in_force(&half).await else { return Ok(false) };
        let comment = shown.requestor_comment.as_deref().unwrap_or_default();
        Ok(self.store.is_marked(&context.order.tenant, comment)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_the_clocks_nobody_knows_whether_sessions_were_revoked() {
        let since: Timestamp = "2026-01-10T12:00:00Z".parse().unwrap();
        let nanosecond = SignedDuration::from_nanos(1);
        let seen = |length: SignedDuration| match revoked(since.checked_sub(length).unwrap(), since) {
            Sight::InForce(_) => "done",
            Sight::NotInForce => "not done",
            Sight::Hidden => "unknown",
        };
        assert_eq!((seen(SignedDuration::ZERO), seen(BLUR)), ("done", "done"));
        assert_eq!((seen(BLUR + nanosecond), seen(AHEAD)), ("unknown", "unknown"));
        assert_eq!(seen(AHEAD + nanosecond), "not done");
    }
}
