//! Indicators of which others have made one of the same value: theirs is left as it is.

use super::answer::not_sent;
use super::context::Context;
use super::leave::Turn;
use super::report::{StepReport, StepState};
use crate::diag::Chain;
use crate::tenant::{Indicator, Operation, OthersHave};

/// Why calls are not made, by their places, because of what others have, or because the tenant does not say.
pub(super) async fn left_to_others(context: &Context<'_>, turns: &[Turn<'_>]) -> Vec<Option<StepReport>> {
    let indicator = |turn: &Turn<'_>| match &turn.call.operation {
        Operation::AddIndicator(indicator) => Some(indicator.clone()),
        _ => None,
    };
    let wanted: Option<Vec<Indicator>> = turns.iter().map(indicator).collect();
    let Some(wanted) = wanted else { return vec![None; turns.len()] };
    match context.tenant.others_have(&wanted).await {
        Ok(theirs) => {
            turns.iter().zip(theirs).map(|(turn, theirs)| theirs.map(|theirs| left(*turn, &theirs))).collect()
        }
        Err(error) => {
            let why = format!("the tenant does not say what others have: {}", Chain(&error));
            turns.iter().map(|turn| Some(not_sent(turn.step, turn.call, StepState::Failed, &why))).collect()
        }
    }
}

fn left(turn: Turn<'_>, theirs: &OthersHave) -> StepReport {
    let (state, why) = if theirs.is_enough {
        (StepState::AlreadyInForce, format!("somebody else's indicator does the same: {}", theirs.what))
    } else {
        (StepState::Failed, format!("somebody else's indicator is left as it is: {}", theirs.what))
    };
    not_sent(turn.step, turn.call, state, &why)
}
