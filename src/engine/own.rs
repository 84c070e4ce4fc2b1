//! What huntbook never takes anything from, whatever settings and playbooks say: the machine that it runs on, and the person
//! in whose name it acts. Nobody would be left to give it back.

use super::answer::not_sent;
use super::context::Context;
use super::leave::Turn;
use super::report::{StepReport, StepState};
use crate::action::{Call, Impact};
use crate::diag::Chain;
use crate::guard::{Target, gives_back};
use crate::tenant::{TenantError, TokenFacts};

/// Whether a call takes something from somebody.
pub(super) fn takes(call: &Call) -> bool {
    call.kind.impact() == Impact::Disruptive && !gives_back(call.kind.as_str())
}

/// Sees that there is a token to make a call with, and that it is not the target's own; or says why the call is not made.
pub(super) async fn signed_in(context: &Context<'_>, turn: Turn<'_>) -> Result<(), StepReport> {
    let Turn { step, call, target, .. } = turn;
    let facts = context.tenant.token_facts(call.kind.audience()).await.map_err(|error| {
        let state = if is_shut(&error) { StepState::Halted } else { StepState::Failed };
        not_sent(step, call, state, &Chain(&error).to_string())
    })?;
    match own_user(call, target, &facts) {
        Some(why) => Err(not_sent(step, call, StepState::Skipped, &why)),
        None => Ok(()),
    }
}

/// Whether a call was not sent because the tenant takes none at the time.
pub(super) const fn is_shut(error: &TenantError) -> bool {
    matches!(error, TenantError::Busy { .. } | TenantError::Rejected { .. })
}

/// Why a call is not made, if its user is the person whose sign-in it would be made with; by id or by name, of which a
/// token says both.
fn own_user(call: &Call, target: &Target, facts: &TokenFacts) -> Option<String> {
    let user = call.user().filter(|_user| takes(call))?;
    let known = [user.as_str(), target.id()].into_iter().chain(target.names().iter().map(String::as_str));
    let own = [&facts.user_id, &facts.user_name];
    let is_own =
        |one: &str| own.iter().any(|own| own.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(one)));
    known.into_iter().any(is_own).then(|| {
        format!("{} is the person whose sign-in huntbook acts with, and is left alone", target.shown())
    })
}
